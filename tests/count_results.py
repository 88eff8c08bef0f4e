#!/usr/bin/env python3
"""Counts test cases of one `bazel test` run from what Bazel reports, and prints the sum.

Arguments: the file that --build_event_json_file wrote, and Bazel's exit status. A target's cases come
from its test.xml; a target that reports none (a crash, a time-out, a failed build) counts as one, and
so does a run that Bazel calls failed while no target says why.
"""

import json
import sys
import xml.etree.ElementTree as ElementTree
from urllib.parse import unquote, urlparse


def cases(path):
    """(passed, failed, skipped) of a test.xml, or None when it can't be read."""
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError):
        return None
    passed = failed = skipped = 0
    for case in root.iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
        elif case.get("result") in ("skipped", "suppressed") or case.find("skipped") is not None:
            skipped += 1
        else:
            passed += 1
    return passed, failed, skipped


def main():
    totals = [0, 0, 0]
    failures = []
    with open(sys.argv[1], encoding="utf-8") as events:
        for line in events:
            event = json.loads(line)
            label = event.get("id", {}).get("testResult", {}).get("label")
            if label is None:
                if "targetCompleted" in event.get("id", {}) and "completed" in event:
                    target = event["id"]["targetCompleted"]["label"]
                    if not event["completed"].get("success", False):
                        failures.append(f"{target} does not build")
                        totals[1] += 1
                continue
            result = event["testResult"]
            xml = [o["uri"] for o in result.get("testActionOutput", []) if o["name"] == "test.xml"]
            counted = cases(unquote(urlparse(xml[0]).path)) if xml else None
            ok = result.get("status") in ("PASSED", "FLAKY")
            if counted is None or sum(counted) == 0:
                counted = (1, 0, 0) if ok else (0, 1, 0)
            elif not ok and counted[1] == 0:
                counted = (counted[0], 1, counted[2])
            if not ok:
                failures.append(f"{label}: {result.get('status')}")
            totals = [a + b for a, b in zip(totals, counted)]
    if sys.argv[2] != "0" and totals[1] == 0:
        failures.append(f"bazel ended with status {sys.argv[2]}; what it printed says why")
        totals[1] += 1
    for failure in failures:
        print(f"FAILED {failure}")
    skipped = f", {totals[2]} skipped" if totals[2] else ""
    print(f"{totals[0]} passed, {totals[1]} failed{skipped}")
    return 0 if totals[1] == 0 and totals[0] > 0 else 1


sys.exit(main())
