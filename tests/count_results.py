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
    results = {}  # (target, shard) -> whether it passed, its counts, its status
    failures = []
    with open(sys.argv[1], encoding="utf-8") as events:
        for line in events:
            event = json.loads(line)
            target = event.get("id", {}).get("targetCompleted", {}).get("label")
            if target and "completed" in event and not event["completed"].get("success", False):
                failures.append(f"{target} does not build")
            if "testResult" not in event:
                continue
            key = (event["id"]["testResult"]["label"], event["id"]["testResult"].get("shard", 1))
            result = event["testResult"]
            xml = [o["uri"] for o in result.get("testActionOutput", []) if o["name"] == "test.xml"]
            counted = cases(unquote(urlparse(xml[0]).path)) if xml else None
            ok = result.get("status") == "PASSED"
            if counted is None or sum(counted) == 0:
                counted = (1, 0, 0) if ok else (0, 1, 0)
            elif not ok and counted[1] == 0:
                counted = (counted[0], 1, counted[2])
            results[key] = (ok, counted, result.get("status"))
    failed = len(failures)
    failures += [f"{key[0]}: {status}" for key, (ok, _, status) in results.items() if not ok]
    passed, failed_cases, skipped = (sum(counts[i] for _, counts, _ in results.values()) for i in range(3))
    failed += failed_cases
    if sys.argv[2] != "0" and failed == 0:
        failures.append(f"bazel ended with status {sys.argv[2]}; what it printed says why")
        failed += 1
    for failure in failures:
        print(f"FAILED {failure}")
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 0 if failed == 0 and passed > 0 else 1


sys.exit(main())
