"""Finds a built binary: in the runfiles of the test or benchmark or, when that is run without Bazel, in
$RALLY_BIN (`bazel info bazel-bin`)."""

import os


def find(path):
    # `bazel run` sets no variable, but then this file is one of the runfiles itself.
    here = os.path.dirname(os.path.abspath(__file__))
    roots = [os.path.normpath(os.path.join(here, "../.."))]
    if "TEST_SRCDIR" in os.environ:
        roots.append(os.path.join(os.environ["TEST_SRCDIR"], "rally"))
    if "RALLY_BIN" in os.environ:
        roots.append(os.environ["RALLY_BIN"])
    for root in roots:
        candidate = os.path.join(root, path)
        if os.path.isfile(candidate):
            return os.path.realpath(candidate)
    raise FileNotFoundError(f"{path} is in none of {roots}")
