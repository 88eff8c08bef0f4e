#!/usr/bin/env python3
"""Reads one example as JSON on standard input and prints what Rally makes of it as one JSON object,
for tools that hold Rally against examples of their own.

Its paths may be absolute. Binaries are found as runfiles_path.py says. An example with an outcome is
really run, with the controller at $RALLY_SERVER, when that is set.
"""

import json
import os
import sys

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../integration"))

import examples  # pylint: disable=wrong-import-position
import outcomes  # pylint: disable=wrong-import-position


def main():
    example = json.load(sys.stdin)
    answer = examples.render(example)
    if answer["ok"] and "outcome" in example and "RALLY_SERVER" in os.environ:
        outcome = outcomes.submit(os.environ["RALLY_SERVER"], examples.arguments(example))
        answer.update({key: outcome[key] for key in examples.OUTCOME_FIELDS})
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
