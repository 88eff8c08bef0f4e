"""Reads the parts of a Markdown document that a test can check: code blocks, links, headings,
tables. Only what the project's own documents use.

A comment before a code block says what the block is:
    <!-- file: NAME -->   the block is the file NAME of the following commands
    <!-- fails: TEXT -->  the pipeline in the block is refused with a message that holds TEXT
    <!-- warns: TEXT -->  the pipeline in the block is valid, with a warning that holds TEXT

Tables whose rows are examples are known by their headers; the tests say which.
"""

import dataclasses
import os
import re

FENCE = re.compile(r"^```(\w*)\s*$")
MARK = re.compile(r"^<!--\s*(file|fails|warns):\s*(.*?)\s*-->\s*$")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^(#+)\s+(.*?)\s*$")
CODE = re.compile(r"(`+)(.+?)(?<!`)\1(?!`)")


@dataclasses.dataclass
class Block:
    language: str
    text: str
    line: int
    file: str = ""
    fails: str = ""
    warns: str = ""


@dataclasses.dataclass
class Row:
    """Of a table: its cells, each as it is written."""
    where: str  # "FILE:LINE"
    cells: list


@dataclasses.dataclass
class Table:
    header: list
    rows: list


class Document:
    """One document, read whole."""

    def __init__(self, path):
        self.path = path
        self.name = os.path.basename(path)
        self.blocks = []
        self.prose = []  # (line number, line), without the code blocks.
        self._read()

    def _read(self):
        with open(self.path, encoding="utf-8") as f:
            lines = f.read().split("\n")
        marks = {}
        block = None
        for number, line in enumerate(lines, 1):
            fence = FENCE.match(line)
            if block is not None:
                if fence:
                    self.blocks.append(block)
                    block = None
                else:
                    block.text += line + "\n"
            elif fence:
                block = Block(fence.group(1), "", number, **marks)
                marks = {}
            else:
                self.prose.append((number, line))
                mark = MARK.match(line)
                if mark:
                    marks[mark.group(1)] = mark.group(2)
                elif line.strip():
                    if marks:
                        raise ValueError(f"{self.name}:{number}: {marks} stands before no code block")
        if block is not None:
            raise ValueError(f"{self.name}:{block.line}: this code block has no end")

    def links(self):
        """(line number, target) of every link."""
        return [(number, target) for number, line in self.prose for target in LINK.findall(line)]

    def anchors(self):
        """What links can name in this document after a "#"."""
        found = set()
        for _, line in self.prose:
            heading = HEADING.match(line)
            if heading:
                text = re.sub(r"[`*]", "", heading.group(2)).lower()
                found.add(re.sub(r"[^\w\- ]", "", text).replace(" ", "-"))
        return found

    def section(self, title):
        """The lines below a heading, up to the next one of its level or above; None without it."""
        level = 0
        lines = []
        for _, line in self.prose:
            heading = HEADING.match(line)
            if level and heading and len(heading.group(1)) <= level:
                break
            if level:
                lines.append(line)
            elif heading and heading.group(2) == title:
                level = len(heading.group(1))
        return lines if level else None

    def tables(self):
        tables = []
        header_comes = True
        for number, line in self.prose:
            if not line.startswith("|"):
                header_comes = True
                continue
            for cells in table_rows([line]):
                if header_comes:
                    tables.append(Table(cells, []))
                else:
                    tables[-1].rows.append(Row(f"{self.name}:{number}", cells))
                header_comes = False
        return tables

    def sections(self, level):
        return [heading.group(2) for _, line in self.prose
                if (heading := HEADING.match(line)) and len(heading.group(1)) == level]


def table_rows(lines):
    """The cells of the rows of all tables in these lines, headers included."""
    rows = []
    for line in lines:
        if line.startswith("|") and not re.fullmatch(r"[|\-\s:]+", line):
            cells = re.split(r"(?<!\\)\|", line.strip().strip("|"))
            rows.append([cell.strip() for cell in cells])
    return rows


def codes(cell):
    """What the code spans of a table's cell hold. In a table, a bar is written with a backslash."""
    found = []
    for marks, text in CODE.findall(cell):
        # The blanks that keep backquotes in a span from the span's own.
        if len(marks) > 1 and text.startswith(" ") and text.endswith(" "):
            text = text[1:-1]
        found.append(text.replace("\\|", "|"))
    return found


def code(cell):
    """The only code span of a cell."""
    found = codes(cell)
    if len(found) != 1:
        raise ValueError(f"one code span is wanted in {cell!r}")
    return found[0]
