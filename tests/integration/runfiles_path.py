"""Finds a built binary: in a test's runfiles or, when run by hand, in $RALLY_BIN."""

import os


def find(path):
    roots = []
    if "TEST_SRCDIR" in os.environ:
        roots.append(os.path.join(os.environ["TEST_SRCDIR"], "rally"))
    if "RALLY_BIN" in os.environ:
        roots.append(os.environ["RALLY_BIN"])
    for root in roots:
        candidate = os.path.join(root, path)
        if os.path.exists(candidate):
            return os.path.realpath(candidate)
    raise FileNotFoundError(f"{path} is in none of {roots}")
