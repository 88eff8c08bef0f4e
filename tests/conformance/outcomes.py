"""Runs a pipeline with `rallyctl submit` and tells how it ended."""

import json
import subprocess
import tempfile

import runfiles_path

# An outcome is a matter of seconds; what takes longer hangs.
TIMEOUT = 120


def word(status):
    """STEP_STATUS_TIMED_OUT -> timed-out."""
    return status.split("_STATUS_")[1].lower().replace("_", "-")


def submit(server, arguments):
    """The statuses, exit codes and handlers of the steps, the build's result, its reason, and the
    exit status of `rallyctl submit`, which was given `arguments`."""
    rallyctl = [runfiles_path.find("rallyctl/rallyctl"), "--server", server]
    with tempfile.TemporaryDirectory(prefix="rally-context-") as context:
        done = subprocess.run([*rallyctl, "submit", "-o", "json", "--context", context, *arguments],
                              check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=TIMEOUT, errors="replace")
    try:
        build = json.loads(done.stdout)
    except ValueError:
        raise AssertionError(f"rallyctl submit ended with {done.returncode}:\n"
                             f"{done.stdout}{done.stderr}") from None
    steps = build["steps"]
    return {
        "build": build["id"],
        "exit_code": done.returncode,
        "result": word(build["status"]),
        "reason": build.get("reason", ""),
        "status": {s["id"]: word(s["status"]) for s in steps},
        "codes": {s["id"]: s.get("exit_code", 0) for s in steps if s.get("has_exit_code")},
        "handled_by": {s["id"]: s["handled_by"] for s in steps if s.get("handled_by")},
        "output": done.stderr,
    }
