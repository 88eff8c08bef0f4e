#!/usr/bin/env python3
"""The pipelines under examples/ are valid, and what lint has to say about them is what it should."""

import glob
import os
import re
import subprocess
import sys
import unittest

import runfiles_path

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")

# For each example, the line of each warning and words of it. The first two are as people write who
# trust that verbs know what is meant.
WARNINGS = {
    "clone-build-deploy": [
        (9, ['clone: "branch==" names no branch and is left out']),
        (21, ['build: the tag "latest"', '"eric:latest"']),
        (22, ['"workingDir"', '"workDir"']),
        (28, ['set: the image "eric:build-id"', '"*=eric:build-id"']),
    ],
    "shared-cache": [
        (9, ["the git repository", '"https://github.com/ehotinger/foo.git"']),
        (14, ["the git repository", '"https://github.com/ehotinger/bar.git"']),
        (19, ["the git repository", '"https://github.com/ehotinger/qaz.git"']),
        (24, ["the git repository", '"https://github.com/ehotinger/qux.git"']),
    ],
    "lua": [],
}

# shared-cache as it was first printed, with a quote that doesn't match.
MISQUOTED = "whenAll = ['build-foo\", \"build-bar\", \"build-qaz\", \"build-qux\"]"


def lint(text, *flags):
    done = subprocess.run([runfiles_path.find("rallyctl/rallyctl"), "lint", "-", *flags],
                          check=False, input=text, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=60)
    return done.returncode, done.stdout


def read(name):
    with open(os.path.join(ROOT, "examples", name, "rally.toml"), encoding="utf-8") as f:
        return f.read()


class ExamplesTest(unittest.TestCase):
    def test_every_example_is_tested(self):
        found = {os.path.basename(os.path.dirname(path))
                 for path in glob.glob(os.path.join(ROOT, "examples/*/rally.toml"))}
        self.assertEqual(found, set(WARNINGS))

    def test_they_have_exactly_these_warnings(self):
        for name, wanted in WARNINGS.items():
            with self.subTest(name):
                status, output = lint(read(name))
                self.assertEqual(status, 0, output)
                lines = output.splitlines()
                self.assertEqual(len(lines), len(wanted), output)
                for line, (number, words) in zip(lines, wanted):
                    self.assertRegex(line, rf"^<stdin>:{number}:\d+: warning: ")
                    for word in words:
                        self.assertIn(word, line)
                self.assertEqual(lint(read(name), "--werror")[0], 2 if wanted else 0)

    def test_a_branch_is_cloned_by_its_flag(self):
        status, output = lint(read("clone-build-deploy"), "--build", "BranchName=main")
        self.assertEqual(status, 0)
        self.assertIn('clone: "branch==main" is taken as "--branch=main"', output)

    def test_as_printed_the_second_has_an_error_at_its_quote(self):
        text = read("shared-cache")
        printed = re.sub(r'^whenAll = \["build-foo".*$', MISQUOTED, text, flags=re.MULTILINE)
        self.assertNotEqual(printed, text)
        line = printed.split("\n").index(MISQUOTED) + 1
        status, output = lint(printed)
        self.assertEqual(status, 2)
        self.assertEqual(line, 30)
        self.assertRegex(output, rf"^<stdin>:{line}:\d+: error: TOML syntax: [^\n]+\n$")


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v"] + sys.argv[1:])
