#!/usr/bin/env python3
"""What the documents say about the language is so.

Every pipeline in them lints, or is refused with the text that is given. The rows of tables with
examples (of templates, verbs, mistakes, durations, images) give what they say. And nothing is left
out: every key, function, verb and rule is in its table.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import unittest
from concurrent import futures

import runfiles_path
from documents import document, documents
from markdown import code, codes, table_rows

# Starts of rallyctl at a time.
AT_A_TIME = 4


def rallyctl(*words, text=None):
    done = subprocess.run([runfiles_path.find("rallyctl/rallyctl"), *words], input=text, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    return done.returncode, done.stdout


def render(text, *words):
    done = subprocess.run([runfiles_path.find("rallyctl/rallyctl"), "render", "-", "-o", "json", *words],
                          input=text, check=False, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=60)
    return json.loads(done.stdout)


def lint(text):
    """The exit status, the messages of errors, and those of warnings."""
    status, output = rallyctl("lint", "-", text=text)
    lines = output.split("\n")
    return status, *([line.split(f": {kind}: ", 1)[1] for line in lines if f": {kind}: " in line]
                     for kind in ["error", "warning"])


def toml(value):
    return json.dumps(value, ensure_ascii=False)


def step(**keys):
    return "[[step]]\n" + "".join(f"{key} = {toml(value)}\n" for key, value in keys.items())


def rows_of(*header):
    """The rows of all tables whose header ends so."""
    return [row for doc in documents() for table in doc.tables()
            if tuple(table.header[-len(header):]) == header for row in table.rows]


def in_parallel(function, things):
    with futures.ThreadPoolExecutor(AT_A_TIME) as pool:
        return list(zip(things, pool.map(function, things)))


class PipelineTest(unittest.TestCase):
    def test_pipelines_are_valid_or_refused_as_said(self):
        blocks = [(f"{doc.name}:{block.line}", block) for doc in documents() for block in doc.blocks]
        for where, block in blocks:
            if "[[step]]" not in block.text or block.language != "toml":
                self.assertFalse(block.fails or block.warns, f"{where} is no pipeline")
        pipelines = [(where, block) for where, block in blocks
                     if "[[step]]" in block.text and block.language == "toml"]
        self.assertGreater(len(pipelines), 20)
        for (where, block), (status, errors, warnings) in in_parallel(lambda p: lint(p[1].text),
                                                                      pipelines):
            with self.subTest(where):
                if block.fails:
                    self.assertEqual(status, 2)
                    self.assertIn(block.fails, "\n".join(errors))
                elif block.warns:
                    self.assertEqual((status, errors), (0, []))
                    self.assertIn(block.warns, "\n".join(warnings))
                else:
                    self.assertEqual((status, errors, warnings), (0, [], []))


class MistakesTest(unittest.TestCase):
    """Tables `| written in a step | error |`, or `at the top`, or `warning`: keys in the second step
    of two, or above both."""

    def pipeline(self, place, cell):
        keys = "\n".join(codes(cell)) + "\n"
        first = step(id="first", image="busybox", args=["true"])
        if place == "written at the top":
            return keys + first
        second = "[[step]]\n"
        if not re.search(r"^id =", keys) and "without an id" not in cell:
            second += 'id = "second"\n'
        if not re.search(r"^image =", keys):
            second += 'image = "busybox"\n'
        return first + second + keys

    def test_each_is_told_as_said(self):
        cases = [(place, kind, row) for place in ["written in a step", "written at the top"]
                 for kind in ["error", "warning"] for row in rows_of(place, kind)]
        self.assertGreater(len(cases), 30)
        for (_, kind, row), (status, errors, warnings) in in_parallel(
                lambda case: lint(self.pipeline(case[0], case[2].cells[0])), cases):
            with self.subTest(row.where):
                told = errors if kind == "error" else warnings
                self.assertEqual(status, 2 if kind == "error" else 0, errors + warnings)
                self.assertEqual(len(told), 1, told)
                self.assertIn(code(row.cells[1]), told[0])


class TemplateTest(unittest.TestCase):
    """Tables that end in `| template | gives |`, rendered with the values and the .Build of
    templates.md."""

    @classmethod
    def setUpClass(cls):
        doc = document("templates.md")
        values = next(b for b in doc.blocks if b.file == "values.toml")
        # pylint: disable-next=consider-using-with
        cls.values = tempfile.NamedTemporaryFile("w", suffix=".toml")
        cls.addClassCleanup(cls.values.close)
        cls.values.write(values.text)
        cls.values.flush()
        cls.words = ["--values", cls.values.name]
        for cells in table_rows(doc.section(".Build"))[1:]:
            name = code(cells[0]).replace(".Build.", "")
            if name not in ("ID", "BranchName"):
                cls.words += ["--build", f"{name}={code(cells[2])}"]

    def render(self, templates):
        return render(step(id="a", image="busybox", args=templates), *self.words)

    def test_build_fields(self):
        for cells in table_rows(document("templates.md").section(".Build"))[1:]:
            with self.subTest(cells[0]):
                rendered = self.render(["{{ " + code(cells[0]) + " }}"])
                self.assertEqual(rendered["steps"]["a"]["args"], [code(cells[2])])

    def test_there_are_no_other_build_fields(self):
        _, output = rallyctl("lint", "-", text=step(id="a", image="b", args=["{{ .Build.Nothing }}"]))
        known = re.search(r"\(known: (.*)\)", output)[1].split(", ")
        rows = table_rows(document("templates.md").section(".Build"))[1:]
        self.assertEqual(sorted(known), sorted(code(cells[0]) for cells in rows))

    def test_templates_give_what_is_said(self):
        rows = rows_of("template", "gives")
        good = [row for row in rows if not row.cells[-1].startswith("error ")]
        bad = [row for row in rows if row.cells[-1].startswith("error ")]
        self.assertGreater(len(good), 80)
        self.assertGreater(len(bad), 10)
        rendered = self.render([code(row.cells[-2]) for row in good])
        self.assertTrue(rendered["ok"], [
            (good[int(re.search(r"args\[(\d+)\]", error["message"])[1])].where, error["message"])
            for error in rendered.get("errors", []) if "args[" in error["message"]])
        for row, text in zip(good, rendered["steps"]["a"]["args"]):
            with self.subTest(row.where):
                self.assertEqual(text, code(row.cells[-1]))
        for row, rendered in in_parallel(lambda row: self.render([code(row.cells[-2])]), bad):
            with self.subTest(row.where):
                self.assertFalse(rendered["ok"], rendered)
                self.assertEqual(len(rendered["errors"]), 1)
                self.assertIn(code(row.cells[-1]), rendered["errors"][0]["message"])

    def names(self, kind):
        done = subprocess.run([runfiles_path.find("tests/docs/language_names")], check=True,
                              stdout=subprocess.PIPE, text=True)
        words = [line.split(" ", 1) for line in done.stdout.split("\n") if line]
        return [name for word, name in words if word == kind]

    def test_every_function_has_a_row_with_an_example(self):
        rows = [row for table in document("templates.md").tables() if table.header[0] == "function"
                for row in table.rows if row.cells[0]]
        described = [code(row.cells[0]).split(" ")[0] for row in rows]
        self.assertEqual(sorted(described), self.names("function"))
        for row, name in zip(rows, described):
            self.assertRegex(code(row.cells[2]), rf"\b{name}\b", row.where)

    def test_limits(self):
        text = "\n".join(document("templates.md").section("Limits"))
        for limit in self.names("limit"):
            self.assertRegex(text, rf"\| {limit}\b")
        rows = {cells[0]: cells[1] for cells in table_rows(text.split("\n"))}
        for flag, value, most in [
                ("--values", self.values.name, int(rows["files of values"].split(",")[0])),
                ("--set", "a=1", int(rows["`--set`"].replace(",", "")))]:
            one = step(id="a", image="b")
            self.assertTrue(render(one, *[flag, value] * most)["ok"], flag)
            self.assertFalse(render(one, *[flag, value] * (most + 1))["ok"], flag)


class KeysTest(unittest.TestCase):
    """The tables of keys, and the schema that is made from the parser's."""

    def described(self, section):
        lines = document("pipeline.md").section(section)
        return {code(cells[0]): cells for cells in table_rows(lines)
                if len(cells) == 4 and cells[0].startswith("`")}

    def test_every_key_is_in_the_table_of_its_level(self):
        top = json.loads(rallyctl("schema")[1])
        for schema, section in [(top, "Keys at the top"),
                                (top["properties"]["step"]["items"], "Keys of a step"),
                                (top["properties"]["secrets"]["items"], "Secrets")]:
            with self.subTest(section):
                rows = self.described(section)
                self.assertEqual(set(rows), set(schema["properties"]))
                for key, value in schema["properties"].items():
                    self.check(key, value, rows[key], key in schema.get("required", []))

    def check(self, key, schema, cells, required):
        self.assertEqual("required" in cells[2], required, key)
        types = {"string": "string", "array": "array", None: ""}
        self.assertIn(types[schema.get("type")], cells[1], key)
        for choice in sum((part.get("enum", []) for part in schema.get("anyOf", [])), []):
            self.assertIn(f'`"{choice}"`', cells[1], key)
        if schema.get("default") == []:
            self.assertIn("`[]`", cells[2], key)

    def test_durations(self):
        rows = rows_of("duration", "seconds")
        self.assertGreater(len(rows), 3)
        for row, rendered in in_parallel(
                lambda row: render(step(id="a", image="b") + f"timeout = {code(row.cells[0])}\n"), rows):
            with self.subTest(row.where):
                self.assertEqual(rendered["steps"]["a"]["timeout_ns"], float(row.cells[1]) * 1e9)

    def test_default_timeouts(self):
        rendered = render(step(id="a", image="b"))
        minute = 60 * 10**9
        self.assertEqual((rendered["stepTimeout_ns"], rendered["totalTimeout_ns"]),
                         (10 * minute, 60 * minute))
        self.assertEqual(self.described("Keys at the top")["stepTimeout"][2], "10 minutes")
        self.assertEqual(self.described("Keys at the top")["totalTimeout"][2], "1 hour")

    def test_images_in_full(self):
        for row in rows_of("`image`", "what it is"):
            with self.subTest(row.where):
                rendered = render(step(id="a", image=code(row.cells[0])))
                self.assertEqual(rendered["steps"]["a"]["imageRef"], code(row.cells[1]))

    def test_pushed_images_in_full(self):
        rows = rows_of("push", "registry", "image")
        self.assertGreater(len(rows), 3)
        for row in rows:
            with self.subTest(row.where):
                registry = f"Registry={''.join(codes(row.cells[1]))}"
                rendered = render(f"push = [{toml(code(row.cells[0]))}]\n" + step(id="a", image="b"),
                                  "--build", registry)
                self.assertEqual(rendered["push"], [code(row.cells[2])])


class VerbsTest(unittest.TestCase):
    def images(self):
        return {code(row.cells[0]): code(row.cells[1]) for row in rows_of("image key", "image")}

    def test_every_verb_is_in_the_table(self):
        _, output = rallyctl("lint", "-", text=step(id="a", args=["nothing"]))
        known = re.search(r"\(known: (.*)\)", output)[1].split(", ")
        self.assertEqual(sorted(code(row.cells[0]) for row in rows_of("verb", "image key", "runs")),
                         sorted(known))

    def test_verbs_run_what_is_said(self):
        rows = rows_of("verb", "image key", "runs")
        for row, rendered in in_parallel(
                lambda row: render(step(id="a", args=[code(row.cells[0]), "x", "y"])), rows):
            with self.subTest(row.where):
                command = rendered["steps"]["a"]["command"]
                rest = ["x y"] if "one argument" in row.cells[2] else ["x", "y"]
                words = codes(row.cells[2])[0].split(" ")
                self.assertEqual(words.pop(), "REST")
                self.assertEqual([command["entryPoint"], *command["args"]], words + rest)
                self.assertEqual(command["image"], self.images()[code(row.cells[1])] + ":latest")

    def test_image_keys_are_those_that_can_be_configured(self):
        for key in self.images():
            with self.subTest(key), tempfile.NamedTemporaryFile("w") as f:
                f.write(f'[images]\n{key} = "local/{key}"\n')
                f.flush()
                verb = next(code(row.cells[0]) for row in rows_of("verb", "image key", "runs")
                            if code(row.cells[1]) == key)
                rendered = render(step(id="a", args=[verb, "x"]), "--verbs", f.name)
                self.assertEqual(rendered["steps"]["a"]["imageRef"], f"docker.io/local/{key}:latest")

    def test_repairs(self):
        rows = rows_of("args", "runs", "warning")
        self.assertGreater(len(rows), 10)
        for row, rendered in in_parallel(
                lambda row: render(f'[[step]]\nid = "a"\nargs = {code(row.cells[0])}\n'), rows):
            with self.subTest(row.where):
                command = rendered["steps"]["a"]["command"]
                self.assertEqual(" ".join([command["entryPoint"], *command["args"]]),
                                 code(row.cells[1]))
                warnings = [re.sub(r"^\d+:\d+: ", "", text) for text in rendered["warnings"]]
                self.assertEqual(warnings, codes(row.cells[2]))
                self.assertTrue(warnings or row.cells[2] == "none")


    def test_default_registry(self):
        rows = rows_of("args", "registry", "runs")
        self.assertGreater(len(rows), 3)
        for row in rows:
            with self.subTest(row.where):
                rendered = render(f'[[step]]\nid = "a"\nargs = {code(row.cells[0])}\n',
                                  "--build", f"Registry={code(row.cells[1])}")
                command = rendered["steps"]["a"]["command"]
                self.assertEqual(" ".join([command["entryPoint"], *command["args"]]),
                                 code(row.cells[2]))


class FindingsTest(unittest.TestCase):
    def test_every_field_of_the_rendered_json_is_in_a_table(self):
        rendered = render(step(id="a", args=["echo", "x"]))
        for title, fields in [("field", rendered), ("field of a step", rendered["steps"]["a"])]:
            described = sum((codes(row.cells[0]) for row in rows_of(title, "what it is")), [])
            self.assertEqual(sorted(described), sorted(fields))

    def test_every_rule_is_in_the_table(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "rally.toml")
            with open(path, "w", encoding="utf-8") as f:
                f.write(step(id="a", image="b"))
            sarif = json.loads(rallyctl("lint", path, "-o", "sarif")[1])
        rules = {rule["id"]: rule["shortDescription"]["text"]
                 for rule in sarif["runs"][0]["tool"]["driver"]["rules"]}
        rows = rows_of("code", "what is wrong")
        self.assertEqual({code(row.cells[0]): row.cells[1].replace("`", "") for row in rows},
                         {rule: text.rstrip(".") for rule, text in rules.items()})


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v"] + sys.argv[1:])
