#!/usr/bin/env python3
"""What the documentation says is so.

Every pipeline in it lints (or is refused with the text that it gives), every command in a console
block runs against a real controller and agent and says what is shown, every link resolves, and
every flag of every program is described with its default.
"""

import glob
import os
import re
import subprocess
import sys
import tempfile
import unittest

from cluster import Cluster
import runfiles_path
from markdown import Document, table_rows
from shell_session import ShellSession, match_shown

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))

# References that the documents use, and that the test's registry serves as its busybox.
IMAGES = ["127.0.0.1:7475/rally/toolchain:bookworm", "busybox:1.36"]

COMMAND_TIMEOUT = 120

FLAG = re.compile(r"--[a-z][a-z-]*")


def documents():
    paths = [os.path.join(ROOT, "README.md")] + sorted(glob.glob(os.path.join(ROOT, "docs/*.md")))
    return [Document(path) for path in paths]


def document(name):
    return next(d for d in documents() if d.name == name)


def is_pipeline(block):
    return block.language == "toml" and "[[step]]" in block.text


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
                    default = re.match(r"^ [A-Z]+(?::\S*?)?=(.*?)(?:\s{2,}|\s\(Env:|$)", entry.group(2))
                    self.flags[name] = default.group(1) if default else ""
            elif section.startswith("Subcommands"):
                self.subcommands.append(entry.group(1))


class LintTest(unittest.TestCase):
    def test_pipelines_are_valid_or_refused_as_said(self):
        count = 0
        for doc in documents():
            for block in doc.blocks:
                if not is_pipeline(block):
                    self.assertFalse(block.fails, f"{doc.name}:{block.line} is no pipeline")
                    continue
                count += 1
                with self.subTest(f"{doc.name}:{block.line}"):
                    done = subprocess.run(
                        [runfiles_path.find("rallyctl/rallyctl"), "lint", "-"], input=block.text,
                        check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
                    if block.fails:
                        self.assertEqual(done.returncode, 2, done.stdout)
                        self.assertIn(block.fails, done.stdout)
                    else:
                        self.assertEqual(done.returncode, 0, done.stdout)
                        self.assertNotIn("warning:", done.stdout)
        self.assertGreater(count, 10)


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
        self.assertGreater(len(words), 3)
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

    def test_rallyctl(self):
        self.run_document("rallyctl.md")

    def test_operating(self):
        self.run_document("operating.md")

    def test_no_other_document_has_commands_that_nobody_runs(self):
        tested = {"first-pipeline.md", "pipeline.md", "rallyctl.md", "operating.md"}
        for doc in documents():
            if doc.name not in tested:
                self.assertFalse([b for b in doc.blocks if b.language == "console"], doc.name)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v"] + sys.argv[1:])
