"""Pipelines for outcome_test.py, each with what must become of its steps and of the build.

A step is written on one line, `ID[: DEPENDENCY...] = SCRIPT [with CODES] [without CODES]`: a shell
script, or the keys of a step in TOML when it begins with "{". Without a colon a step waits for the
one before; with a colon and nothing behind it, for none.
"""

import dataclasses
import json
import re


@dataclasses.dataclass
class Chain:
    name: str
    steps: str
    status: str             # "a failed 1, b skipped": each step's status, and its code where it says so
    result: str = "failed"
    exit_code: int = 1
    handled: dict = dataclasses.field(default_factory=dict)  # a step: those that handled it
    top: str = ""           # keys of the pipeline
    flags: tuple = ()       # of rallyctl submit
    reason: str = ""        # part of the build's reason
    told: str = ""          # part of what submit printed


CHAINS = [
    Chain("a handler without a cause is skipped, and nobody notices",
          "a = exit 0\nh: a = true with 1\nc: h = true",
          "a succeeded 0, h skipped, c succeeded 0", "succeeded", 0),
    Chain("a skipped handler hides no failure",
          "a = exit 4\nh: a = true with 1\nc: h = true",
          "a failed 4, h skipped, c skipped"),
    Chain("codes are seen through skipped steps",
          "a = exit 3\nb = true\nc = true\np: c = true with 3",
          "a failed 3, b skipped, c skipped, p succeeded", handled={"a": ["p"]}),
    Chain("a handler recovers what follows, not the build",
          "a = exit 1\nh: a = true with 1\nc: h = true",
          "a failed 1, h succeeded, c succeeded", handled={"a": ["h"]}, told="failed, handled by h"),
    Chain("two branches, one is taken, and they join",
          "a = true\nl: a = true with 7\nr: a = true without 7\nj: l r = true",
          "a succeeded, l skipped, r succeeded, j succeeded", "succeeded", 0),
    Chain("a failure reaches the join beside the branch that recovered",
          "a = exit 3\nl: a = true with 0\nr: a = true without 0\nj: l r = true",
          "a failed 3, l skipped, r succeeded, j skipped", handled={"a": ["r"]}),
    Chain("with 0 the join runs if any succeeded",
          "a = exit 3\nl: a = true with 0\nr: a = true without 0\nj: l r = true with 0",
          "a failed 3, l skipped, r succeeded, j succeeded", handled={"a": ["r"]}),
    Chain("the alarm of four builds rings for one",
          "foo = true\nbar: = exit 2\nqaz: = true\nqux: = true\n"
          "panic: foo bar qaz qux = echo failed with 1, 2, 3",
          "foo succeeded, bar failed 2, qaz succeeded, qux succeeded, panic succeeded",
          handled={"bar": ["panic"]}, told="failed, handled by panic"),
    Chain("the alarm stays silent for a code that it doesn't know",
          "foo = true\nbar: = exit 4\npanic: foo bar = true with 1, 2, 3",
          "foo succeeded, bar failed 4, panic skipped"),
    Chain("without 0 of several means that all failed",
          "a = exit 1\nb: = true\nall: a b = true without 0\nany: a b = true with 1",
          "a failed, b succeeded, all skipped, any succeeded", handled={"a": ["any"]}),
    Chain("both conditions must hold",
          "a = exit 1\nb: = exit 2\ny: a = true with 1, 2 without 2\nn: a b = true with 1, 2 without 2",
          "a failed, b failed, y succeeded, n skipped", handled={"a": ["y"]}),
    Chain("without dependencies a condition is nothing to look at",
          "a = true with 9\nb: = true without 0",
          "a succeeded, b succeeded", "succeeded", 0, told="warning"),
    Chain("a failed handler fails, and can be handled",
          "a = exit 1\nh: a = exit 5 with 1\ng: h = true with 5",
          "a failed 1, h failed 5, g succeeded", handled={"a": ["h"], "h": ["g"]}),
    Chain("a timeout is 124, and the build has failed",
          'a = {args = ["sh", "-c", "sleep 600"], timeout = "300ms"}\nh: a = true with 124\nc: a = true',
          "a timed-out 124, h succeeded, c skipped", handled={"a": ["h"]}),
    Chain("whatever a process returns that was timed out",
          'a = {args = ["sh", "-c", "trap \'exit 7\' TERM; sleep 600 & wait"], timeout = "1s"}\n'
          "h: a = true with 7\ni: a = true with 124",
          "a timed-out 124, h skipped, i succeeded", handled={"a": ["i"]}),
    Chain("a process that exits with 124 has failed",
          "a = exit 124\nh: a = true with 124",
          "a failed 124, h succeeded", handled={"a": ["h"]}),
    Chain("an image that can't be had is 125",
          'a = {image = "REGISTRY/nothing:1"}\nh: a = true with 125\nc: a = true',
          "a errored 125, h succeeded, c skipped", handled={"a": ["h"]}),
    Chain("an entry point that can't be executed is 126",
          'a = {args = ["sh"], entryPoint = "/etc/passwd"}\nh: a = true with 126',
          "a failed 126, h succeeded", handled={"a": ["h"]}),
    Chain("an entry point that isn't there is 127",
          'a = {args = ["sh"], entryPoint = "/bin/nothing"}\nh: a = true with 127',
          "a failed 127, h succeeded", handled={"a": ["h"]}),
    Chain("a signal is 128 and its number",
          "a = kill -9 $$\nb: = kill -15 $$\nh: a = true with 137\ni: b = true with 143",
          "a failed 137, b failed 143, h succeeded, i succeeded",
          handled={"a": ["h"], "b": ["i"]}),
    Chain("the total time ends everything, and no handler runs",
          "a = sleep 600\nh: a = true with 0, 124, 125, 137, 143\nc: a = true",
          "a cancelled, h cancelled, c cancelled", "timed-out", 124, top='totalTimeout = "1s"'),
    Chain("a build whose step has failed has failed, whatever ends it",
          "a = exit 1\nb: = sleep 600",
          "a failed 1, b cancelled", top='totalTimeout = "10s"'),
    Chain("no fail-fast: what doesn't depend on a failure goes on",
          "a = exit 1\nb = true\nc: = true\nd = true",
          "a failed 1, b skipped, c succeeded, d succeeded"),
    Chain("fail-fast ends the build, and no handler runs",
          "a = exit 1\nslow: = sleep 600\npanic: a slow = true with 1",
          "a failed 1, slow cancelled, panic cancelled", flags=("--fail-fast",), reason="fail-fast"),
    Chain("fail-fast has nothing to do when all is well",
          "a = true\nb: a = true with 1\nc: a = true",
          "a succeeded, b skipped, c succeeded", "succeeded", 0, flags=("--fail-fast",)),
    Chain("parameters reach the steps",
          "a = test '{{ .Values.x.y }}{{ .Build.Tag }}' = bc\nb = test ${#ID} -ge 8\n",
          "a succeeded, b succeeded", "succeeded", 0,
          flags=("--set", "x.y=b", "--build", "Tag=c")),
]

_STEP = re.compile(r"(?P<id>\w+)(?P<colon>:)?(?P<after>[\w ]*?) = (?P<does>.*?)"
                   r"(?: with (?P<with>[\d, ]+?))?(?: without (?P<without>[\d, ]+))?$")


def _step(line, environment):
    match = _STEP.match(line)
    step = {"id": match["id"]}
    if match["colon"]:
        step["whenAll"] = match["after"].split() or ["-"]
    for key, group in [("exitedWith", "with"), ("exitedWithout", "without")]:
        if match[group]:
            step[key] = [int(code) for code in match[group].split(",")]
    lines = [f"{key} = {json.dumps(value)}" for key, value in step.items()]
    does = match["does"]
    if does.startswith("{"):
        lines += re.split(r", (?=\w+ = )", does[1:-1])
    else:
        lines += [f'args = ["sh", "-c", {json.dumps(does)}]', f"envs = {json.dumps(environment)}"]
    return "[[step]]\n" + "\n".join(lines) + "\n"


def toml(chain, registry):
    """The chain as a rally.toml."""
    steps = [_step(line, ["ID={{ .Build.ID }}"]) for line in chain.steps.strip().split("\n")]
    return (chain.top + "\n" + "\n".join(steps)).replace("REGISTRY", registry)


def expected(chain):
    """The statuses and the codes that the chain names."""
    status, codes = {}, {}
    for words in (part.split() for part in chain.status.split(", ")):
        status[words[0]] = words[1]
        if len(words) > 2:
            codes[words[0]] = int(words[2])
    return status, codes
