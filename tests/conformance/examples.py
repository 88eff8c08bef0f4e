"""The examples in manifest.json: what a front end, and a whole Rally, must make of small pipelines.

An example has a file with its parameters, and what is expected: for `expect: ok` fields of what
`rallyctl render -o json` prints, for `expect: error` a line and words, with an `outcome` also how
its steps and its build end.
"""

import json
import os
import subprocess
from concurrent import futures

import runfiles_path

FOLDER = os.path.dirname(os.path.abspath(__file__))

# What of an example is to be found, under the same name, in the rendered pipeline.
FIELDS = ["order", "edges", "push", "secrets", "stepTimeout_ns", "totalTimeout_ns"]
OUTCOME_FIELDS = ["status", "result", "exit_code"]

# One after the other they would take as long as the machine takes to start the program so often.
RENDERERS = 4


def load():
    with open(os.path.join(FOLDER, "manifest.json"), encoding="utf-8") as f:
        return json.load(f)["cases"]


def arguments(example):
    """The command line that hands an example to rallyctl, behind the command's name."""
    words = ["-f", os.path.join(FOLDER, example["file"])]
    for path in example.get("values_files", []):
        words += ["--values", os.path.join(FOLDER, path)]
    for text in example.get("set", []):
        words += ["--set", text]
    for name, value in example.get("build", {}).items():
        words += ["--build", f"{name}={value}"]
    return words


def render(example):
    """What `rallyctl render` makes of it."""
    done = subprocess.run(
        [runfiles_path.find("rallyctl/rallyctl"), "render", "-o", "json", *arguments(example)],
        check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, timeout=60)
    try:
        rendered = json.loads(done.stdout)
    except ValueError:
        raise AssertionError(f"rallyctl render ended with {done.returncode} and printed no JSON: "
                             f"{done.stdout}{done.stderr}") from None
    wanted = 0 if rendered["ok"] else 2
    if done.returncode != wanted:
        raise AssertionError(f"rallyctl render ended with {done.returncode}, not {wanted}")
    return rendered


def render_all(examples):
    with futures.ThreadPoolExecutor(RENDERERS) as pool:
        return list(pool.map(render, examples))


def _field(name, holder, key, wanted):
    if key not in holder:
        return [f"{name} is missing"]
    if holder[key] != wanted:
        return [f"{name} is {holder[key]!r}, not {wanted!r}"]
    return []


def _check_error(example, rendered):
    if rendered["ok"]:
        return [f"was accepted, although it has an error of the kind {example['code']}"]
    errors = rendered["errors"]
    wrong = []
    lines = example["error"]["line"]
    if lines != [0] and not {e["line"] for e in errors} & set(lines):
        wrong.append(f"no error in one of the lines {lines}: {errors}")
    said = "\n".join(e["message"] for e in errors).lower()
    wrong += [f"no message says {word!r}: {errors}"
              for word in example["error"]["contains"] if word.lower() not in said]
    all_of = example.get("errors_all", [])
    for line, word in all_of:
        if not any(e["line"] == line and word.lower() in e["message"].lower() for e in errors):
            wrong.append(f"no error in line {line} says {word!r}: {errors}")
    if example.get("errors_only") and len(errors) != len(all_of):
        wrong.append(f"{len(all_of)} errors are all there are: {errors}")
    if example["code"] == "cycle" and len(errors) != 1:
        wrong.append(f"one cycle is one error: {errors}")
    return wrong


def check(example, rendered):
    """What is wrong with a rendered example, as sentences. A field that isn't there is wrong."""
    if example["expect"] == "error":
        return _check_error(example, rendered)
    if not rendered["ok"]:
        return [f"was refused: {rendered['errors']}"]
    wrong = []
    for key in FIELDS:
        if key in example:
            wrong += _field(key, rendered, key, example[key])
    for step, fields in example.get("steps", {}).items():
        for key, wanted in fields.items():
            wrong += _field(f"{key} of step {step}", rendered["steps"].get(step, {}), key, wanted)
    said = "\n".join(rendered["warnings"]).lower()
    wrong += [f"no warning says {word!r}: {rendered['warnings']}"
              for word in example.get("warn", []) if word.lower() not in said]
    return wrong


def check_outcome(example, outcome):
    wrong = []
    for key in OUTCOME_FIELDS:
        wrong += _field(key, outcome, key, example["outcome"][key])
    return wrong
