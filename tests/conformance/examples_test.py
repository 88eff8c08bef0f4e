#!/usr/bin/env python3
"""Every example of manifest.json, as `rallyctl render -o json` and `rallyctl lint` see it. How those
with an outcome end is outcome_test.py's part."""

import json
import os
import subprocess
import sys
import unittest

import examples
import runfiles_path


def rallyctl(*words):
    return subprocess.run([runfiles_path.find("rallyctl/rallyctl"), *words], check=False,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=60)


class ExamplesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.examples = examples.load()
        cls.rendered = examples.render_all(cls.examples)

    def each(self):
        for example, rendered in zip(self.examples, self.rendered):
            with self.subTest(example["name"], file=example["file"]):
                yield example, rendered

    def test_each_is_rendered_or_refused_as_it_says(self):
        self.assertGreaterEqual(len(self.examples), 44)
        for example, rendered in self.each():
            self.assertEqual(examples.check(example, rendered), [])

    def test_the_same_again_is_the_same(self):
        self.assertEqual(examples.render_all(self.examples), self.rendered)

    def test_rendered_toml_means_the_same(self):
        for example, rendered in self.each():
            if not rendered["ok"]:
                continue
            done = rallyctl("render", *examples.arguments(example))
            self.assertEqual(done.returncode, 0, done.stderr)
            again = subprocess.run(
                [runfiles_path.find("rallyctl/rallyctl"), "render", "-o", "json", "-f", "-",
                 *examples.arguments(example)[2:]],
                check=True, input=done.stdout, stdout=subprocess.PIPE, text=True).stdout
            again = json.loads(again)
            # What the warnings of the first time repaired is written out now.
            for view in (again, rendered := dict(rendered)):
                view.pop("warnings")
            self.assertEqual(again, rendered)

    def test_lint_tells_the_kind_of_each_error(self):
        for example, rendered in self.each():
            done = rallyctl("lint", "-o", "json", *examples.arguments(example))
            self.assertEqual(done.returncode, 0 if rendered["ok"] else 2, done.stdout)
            linted = json.loads(done.stdout)
            self.assertEqual(linted["ok"], rendered["ok"])
            if example["expect"] == "error":
                self.assertIn(example["code"], [e["code"] for e in linted["errors"]])


class LintTest(unittest.TestCase):
    """Of many files at once."""

    def test_many_files_are_one_report(self):
        files = [os.path.join(examples.FOLDER, e["file"]) for e in examples.load()]
        report = json.loads(rallyctl("lint", "-o", "json", *files).stdout)
        self.assertEqual(report["files"], files)
        self.assertFalse(report["ok"])
        text = rallyctl("lint", *files)
        self.assertEqual(text.returncode, 2)
        self.assertEqual(len(text.stdout.splitlines()),
                         len(report["errors"]) + len(report["warnings"]))
        for finding in report["errors"]:
            self.assertIn(f"{finding['file']}:{finding['line']}:{finding['column']}: error: "
                          f"{finding['message']}\n", text.stdout)

    def test_sarif_is_what_code_scanners_read(self):
        files = [os.path.join(examples.FOLDER, e["file"]) for e in examples.load()]
        done = rallyctl("lint", "-o", "sarif", *files, "/nowhere/rally.toml")
        self.assertEqual(done.returncode, 2)
        sarif = json.loads(done.stdout)
        self.assertEqual(sarif["version"], "2.1.0")
        self.assertEqual(list(sarif), ["$schema", "version", "runs"])
        run, = sarif["runs"]
        rules = run["tool"]["driver"]["rules"]
        self.assertEqual(run["tool"]["driver"]["name"], "rallyctl")
        self.assertEqual(len({rule["id"] for rule in rules}), len(rules))
        for rule in rules:
            self.assertTrue(rule["shortDescription"]["text"])
        self.assertGreater(len(run["results"]), 20)
        for result in run["results"]:
            self.assertEqual(rules[result["ruleIndex"]]["id"], result["ruleId"])
            self.assertIn(result["level"], ("error", "warning"))
            self.assertTrue(result["message"]["text"])
            location, = result["locations"]
            place = location["physicalLocation"]
            self.assertRegex(place["artifactLocation"]["uri"], r"^file:///[^\s\"<>%]+\.toml$")
            region = place.get("region", {"startLine": 1})
            self.assertGreaterEqual(region["startLine"], 1)
            self.assertGreaterEqual(region.get("startColumn", 1), 1)
        self.assertIn("/nowhere/rally.toml",
                      [r["locations"][0]["physicalLocation"]["artifactLocation"]["uri"][7:]
                       for r in run["results"]])

    def test_a_clean_file_has_no_results(self):
        clean = os.path.join(examples.FOLDER, "cases/002-graph-two-lanes.toml")
        done = rallyctl("lint", "-o", "sarif", "--werror", clean)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertEqual(json.loads(done.stdout)["runs"][0]["results"], [])


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v"] + sys.argv[1:])
