#!/usr/bin/env python3
"""What the documentation says is so.

Every command in a console block runs against a real controller and agent and says what is shown,
every chain of conditions ends as its row says, every link resolves, and every flag of every program
is described with its default. What the documents say about the language is language_test.py's.
"""

import glob
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest
from concurrent import futures

import runfiles_path
from chain import chain_pipeline
from cluster import Cluster
from documents import ROOT, document, documents
from markdown import Document, code, codes, table_rows
from shell_session import ShellSession, match_shown

# References that the documents use, and that the test's registry serves as its busybox.
IMAGES = ["127.0.0.1:7475/rally/toolchain:bookworm", "busybox:1.36"]

COMMAND_TIMEOUT = 120

FLAG = re.compile(r"--[a-z][a-z-]*")


class Help:
    """What a program's --help says: its flags with their defaults, and its subcommands."""

    def __init__(self, binary, *words):
        text = subprocess.run([runfiles_path.find(binary), *words, "--help"], check=True,
                              stdout=subprocess.PIPE, text=True, env={}).stdout
        self.flags = {}
        self.subcommands = []
        section = ""
        for line in text.split("\n"):
            if line and not line.startswith(" "):
                section = line
            entry = re.match(r"^  (\S+)(.*)$", line)
            if not entry:
                continue
            if section.startswith("Options"):
                for name in FLAG.findall(entry.group(1)):
                    default = re.match(
                        # The description follows after blanks, if only after one.
                        r"^ [A-Z]+(?::\S*?)?=(.*?)(?:\s{2,}|\s\(Env:|\s[A-Z]|$)", entry.group(2))
                    self.flags[name] = default.group(1) if default else ""
            elif section.startswith("Subcommands"):
                self.subcommands.append(entry.group(1))


class ConfigurationTest(unittest.TestCase):
    def test_configuration_files_are_taken_by_their_daemons(self):
        """Those are the TOML blocks that begin with their path, /etc/rally/NAME.toml."""
        count = 0
        for doc in documents():
            for block in doc.blocks:
                name = re.match(r"# /etc/rally/(agent|controller)\.toml\n", block.text)
                if not name:
                    continue
                count += 1
                with self.subTest(f"{doc.name}:{block.line}"), \
                        tempfile.NamedTemporaryFile("w", suffix=".toml") as f:
                    f.write(block.text)
                    f.flush()
                    daemon = f"{name.group(1)}/rally-{name.group(1)}"
                    done = subprocess.run(
                        [runfiles_path.find(daemon), "--config", f.name, "--check-config"],
                        check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
                    self.assertEqual(done.returncode, 0, done.stdout)
        self.assertGreater(count, 0)


class LinkTest(unittest.TestCase):
    def test_links_resolve(self):
        for doc in documents():
            for line, target in doc.links():
                if re.match(r"[a-z]+:", target):
                    continue
                path, _, anchor = target.partition("#")
                with self.subTest(f"{doc.name}:{line} {target}"):
                    full = os.path.normpath(os.path.join(os.path.dirname(doc.path), path)) \
                        if path else doc.path
                    self.assertTrue(os.path.exists(full), f"there is no {full}")
                    if anchor:
                        self.assertIn(anchor, Document(full).anchors())


class MapTest(unittest.TestCase):
    def test_the_files_of_the_map_exist(self):
        """A name without a folder is beside the one before it."""
        rows = [row for table in document("README.md").tables()
                if table.header in (["folder", "what is there", "may include"],
                                    ["I want to", "go to", "test"]) for row in table.rows]
        self.assertGreater(len(rows), 20)
        for row in rows:
            with self.subTest(row.where):
                cell = row.cells[0] if row.cells[0].startswith("`") else row.cells[1]
                folder = ""
                for name in codes(cell):
                    path = name if "/" in name or not folder else os.path.join(folder, name)
                    self.assertTrue(glob.glob(os.path.join(ROOT, path)), f"there is no {path}")
                    folder = os.path.dirname(path) if "." in name else path


class FlagsTest(unittest.TestCase):
    """Each flag stands, with its default, in the table of the section that describes it; and no
    document speaks of a flag that no program has."""

    def check(self, doc, section, flags):
        lines = document(doc).section(section)
        self.assertIsNotNone(lines, f"{doc} has no section {section!r}")
        rows = {}
        for cells in table_rows(lines):
            for name in FLAG.findall(cells[0]):
                rows[name] = cells
        for name, default in flags.items():
            with self.subTest(f"{doc} {section} {name}"):
                self.assertIn(name, rows, "the flag is in no table of this section")
                if default:
                    self.assertIn(f"`{default}`", rows[name][1], "the default is another one")
        for name in set(rows) - set(flags):
            self.fail(f"{doc}, {section}: there is no flag {name}")

    def test_daemons(self):
        self.check("operating.md", "Flags of rally-controller",
                   Help("controller/rally-controller").flags)
        self.check("operating.md", "Flags of rally-agent", Help("agent/rally-agent").flags)

    def test_rallyctl(self):
        top = Help("rallyctl/rallyctl")
        self.assertGreater(len(top.subcommands), 8)
        self.check("rallyctl.md", "Flags of all commands", top.flags)
        sections = document("rallyctl.md").sections(2)
        for command in top.subcommands:
            self.assertIn(command, sections, f"rallyctl.md has no section for {command}")
            about = Help("rallyctl/rallyctl", command)
            text = "\n".join(document("rallyctl.md").section(command))
            for nested in about.subcommands:
                self.assertIn(f"rallyctl {command} {nested}", text)
                extra = set(Help("rallyctl/rallyctl", command, nested).flags) - {"--help"}
                self.assertFalse(extra, f"flags of {command} {nested} that no table has: {extra}")
            flags = {name: default for name, default in about.flags.items() if name != "--help"}
            self.check("rallyctl.md", command, flags)
        described = [s for s in sections if s.islower()]
        self.assertEqual(sorted(described), sorted(top.subcommands))

    def test_no_text_speaks_of_a_flag_that_there_is_not(self):
        known = set(Help("controller/rally-controller").flags) | set(Help("agent/rally-agent").flags)
        top = Help("rallyctl/rallyctl")
        known |= set(top.flags) | {"--once", "--clean", "--config"}  # quickstart's, and Bazel's
        known |= {"--branch", "--depth", "--cache-from"}  # of git and of builders
        for command in top.subcommands:
            known |= set(Help("rallyctl/rallyctl", command).flags)
        for doc in documents():
            planned = doc.section("Not there yet") or []
            for number, line in doc.prose:
                if line in planned:
                    continue
                for name in FLAG.findall(" ".join(re.findall(r"`[^`]*`", line))):
                    self.assertIn(name, known, f"{doc.name}:{number}")

    def test_what_is_not_there_yet_is_not_there(self):
        top = Help("rallyctl/rallyctl")
        known = set(top.flags) | set(top.subcommands)
        for command in top.subcommands:
            known |= set(Help("rallyctl/rallyctl", command).flags)
        words = re.findall(r"`([^`]*)`", "\n".join(document("rallyctl.md").section("Not there yet")))
        self.assertTrue(words)
        for word in words:
            self.assertNotIn(word, known, "it is there by now: describe it")


class ConsoleTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(agents=1)

    @classmethod
    def tearDownClass(cls):
        try:
            cls.cluster.assert_no_residue()
        finally:
            cls.cluster.__exit__(None, None, None)

    def with_images(self, text):
        for image in IMAGES:
            text = text.replace(f'"{image}"', f'"{self.cluster.image}"')
        return text

    def write_file(self, folder, block):
        path = os.path.join(folder, block.file)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(self.with_images(block.text))

    def run_console(self, doc, block, shell, remembered):
        command, shown, line = None, [], block.line
        steps = []
        for offset, text in enumerate(block.text.split("\n"), 1):
            if text.startswith("$ "):
                if command:
                    steps.append((line, command, shown))
                command, shown, line = text[2:], [], block.line + offset
            elif command:
                shown.append(text)
        self.assertIsNotNone(command, f"{doc.name}:{block.line}: no line starts with \"$ \"")
        steps.append((line, command, shown))
        for line, command, shown in steps:
            for name, value in remembered.items():
                command = command.replace(f"<{name}>", value)
            where = f"{doc.name}:{line}: `{command}`"
            output, status = shell.run(command, COMMAND_TIMEOUT)
            self.assertEqual(status, 0, f"{where} ended with {status}:\n{output}")
            missing = match_shown(shown, output, remembered)
            self.assertIsNone(missing, f"{where} did not print\n{missing}\nbut\n{output}")

    def run_document(self, name):
        """Everything in order: a file is written when its block comes."""
        doc = document(name)
        cluster = self.cluster
        folder = os.path.join(tempfile.mkdtemp(prefix="docs-", dir=cluster.folder), "here")
        os.makedirs(folder)
        rallyctl = os.path.dirname(cluster.binary("rallyctl/rallyctl"))
        env = {"PATH": f"{rallyctl}:{os.environ['PATH']}", "HOME": folder + "-home",
               "RALLY_SERVER": cluster.address, "LC_ALL": "C.UTF-8"}
        os.makedirs(env["HOME"])
        # On the agent's host, where its containerd is that of `rallyctl run`.
        shell = ShellSession(cluster.hosts[0].enter([]), folder, env)
        self.addCleanup(shell.close)
        # nsenter starts in the root folder, whatever folder it was started in.
        _, status = shell.run(f"cd {folder}", COMMAND_TIMEOUT)
        self.assertEqual(status, 0, f"the commands may not run outside of {folder}")
        remembered = {}
        count = 0
        for block in doc.blocks:
            if block.file:
                self.write_file(folder, block)
            if block.language == "console":
                self.run_console(doc, block, shell, remembered)
                count += 1
        self.assertGreater(count, 0)

    def test_first_pipeline(self):
        self.run_document("first-pipeline.md")

    def test_pipeline(self):
        self.run_document("pipeline.md")

    def test_templates(self):
        self.run_document("templates.md")

    def test_verbs(self):
        self.run_document("verbs.md")

    def test_exit_status(self):
        self.run_document("exit-status.md")

    def test_rallyctl(self):
        self.run_document("rallyctl.md")

    def test_operating(self):
        self.run_document("operating.md")

    def test_every_document_with_commands_is_run(self):
        for doc in documents():
            if [b for b in doc.blocks if b.language == "console"]:
                name = "test_" + doc.name.replace("-", "_").replace(".md", "")
                self.assertTrue(hasattr(self, name), f"nobody runs the commands of {doc.name}")

    def submit_chain(self, steps):
        """The status of each step."""
        done = self.cluster.submit(chain_pipeline(steps, self.cluster.image), "-o", "json",
                                   check=False)
        return {s["id"]: s["status"] for s in json.loads(done.stdout)["steps"]}

    def test_conditions(self):
        rows = [row for doc in documents() for table in doc.tables()
                if table.header == ["steps", "what becomes of them"] for row in table.rows]
        self.assertGreater(len(rows), 5)
        with futures.ThreadPoolExecutor(4) as pool:
            ended = list(pool.map(lambda row: self.submit_chain(code(row.cells[0])), rows))
        for row, status in zip(rows, ended):
            with self.subTest(row.where):
                told = re.findall(r"`(\w+)` (runs|skipped)", row.cells[1])
                self.assertTrue(told)
                for step, what in told:
                    self.assertEqual(status[step] == "STEP_STATUS_SKIPPED", what == "skipped", status)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v"] + sys.argv[1:])
