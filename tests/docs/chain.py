"""The notation of steps and their conditions in the documents' tables.

`a=4, h(a, b)=5 with 1, 2 without 3`: a exits with 4; h waits for a and b, exits with 5, and has
exitedWith = [1, 2] and exitedWithout = [3].
"""

import json
import re

_STEP = re.compile(r"(?P<id>\w+)(?:\((?P<after>[\w, ]+)\))?(?:=(?P<code>\d+))?"
                   r"(?: with (?P<with>[\d, ]+?))?(?: without (?P<without>[\d, ]+))?")


def chain_pipeline(steps, image):
    """The steps as a rally.toml."""
    text = ""
    for word in re.split(r", (?=\w+[=(])", steps):
        match = _STEP.fullmatch(word)
        if not match:
            raise ValueError(f"{word!r} is no step")
        keys = {"id": match["id"], "image": image,
                "args": ["sh", "-c", f"exit {match['code'] or 0}"],
                "whenAll": match["after"].split(", ") if match["after"] else ["-"]}
        for key, group in [("exitedWith", "with"), ("exitedWithout", "without")]:
            if match[group]:
                keys[key] = [int(code) for code in match[group].split(", ")]
        text += "[[step]]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in keys.items())
    return text
