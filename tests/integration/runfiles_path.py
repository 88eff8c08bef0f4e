"""Finds a built binary: in the runfiles of the test or benchmark or, when that is run without Bazel, in
$RALLY_BIN (`bazel info bazel-bin`)."""

import os


def find(path):
    roots = [os.path.join(os.environ[name], "rally") for name in ["TEST_SRCDIR", "RUNFILES_DIR"]
             if name in os.environ]
    if "RALLY_BIN" in os.environ:
        roots.append(os.environ["RALLY_BIN"])
    for root in roots:
        candidate = os.path.join(root, path)
        if os.path.isfile(candidate):
            return os.path.realpath(candidate)
    raise FileNotFoundError(f"{path} is in none of {roots}")
