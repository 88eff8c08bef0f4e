#!/usr/bin/env python3
"""Times `rallyctl submit --detach` of a large context, from the start of the process to its end.

  bazel run //tests/bench:submit                  dataset B and C, then growth, medians of 7
  bazel run //tests/bench:submit -- -n 15         of 15
  bazel run //tests/bench:submit -- --folder DIR  on the filesystem of DIR

Controller and rallyctl are processes of their own, and the context and the controller's data lie on
a tmpfs: what it costs to sync a disk is the disk's. There are no agents, so builds wait, and nothing
else runs. Quote the median beside the load average that the table's head has: two busy cores double
every figure.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import tempfile
import time

import datasets
from cluster import Cluster

PIPELINE = '[[step]]\nid = "s"\nimage = "busybox"\nargs = ["true"]\n'
# Longer than files touched before a submission are distrusted in the next one.
RACY_SECONDS = 1.2


class Submitter:
    """Submits one context, and measures the process."""

    def __init__(self, cluster, context):
        self.cluster = cluster
        self.context = context
        self.peak_mib = 0
        with open(cluster.folder + "/rally.toml", "w", encoding="utf-8") as f:
            f.write(PIPELINE)

    def submit(self, expected):
        """Seconds; what rallyctl says of the context must contain `expected`."""
        argv = [self.cluster.binary("rallyctl/rallyctl"), "--server", self.cluster.address, "submit",
                "--detach", "-f", self.cluster.folder + "/rally.toml", "--context", self.context]
        env = dict(os.environ, XDG_CACHE_HOME=self.cluster.folder + "/cache")
        with tempfile.TemporaryFile("w+") as said:
            begin = time.monotonic()
            process = subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL,
                                       stdout=subprocess.DEVNULL, stderr=said)
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.monotonic() - begin
            process.returncode = os.waitstatus_to_exitcode(status)
            said.seek(0)
            text = said.read()
        assert process.returncode == 0, text
        assert expected in text, f"expected {expected!r}: {text}"
        self.peak_mib = max(self.peak_mib, usage.ru_maxrss / 1024)
        return seconds

    def settle(self):
        """After it every file is in the stat cache."""
        time.sleep(RACY_SECONDS)
        self.submit("nothing new to upload")


def rss_mib(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS:")) / 1024


def measure(folder, files, rounds):
    """Seconds by what was done, and the memory of both processes."""
    context = folder + "/context"
    total = datasets.make_tree(context, files)
    seconds = {"first": [], "unchanged": [], "changed": []}
    try:
        with Cluster(agents=0) as cluster:
            submitter = Submitter(cluster, context)
            seconds["first"].append(submitter.submit("; uploaded"))
            submitter.settle()
            for number in range(rounds):
                seconds["unchanged"].append(submitter.submit("nothing new to upload"))
                datasets.change_tree(context, files, seed=100 + number)
                seconds["changed"].append(submitter.submit("known already"))
                submitter.settle()
            memory = (submitter.peak_mib, rss_mib(cluster.controller.pid))
    finally:
        shutil.rmtree(context)
    return total, seconds, memory


def row(what, seconds, bound):
    print(f"| {what} | {statistics.median(seconds) * 1000:.0f} ms | {min(seconds) * 1000:.0f} ms | "
          f"{bound} |", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("-n", type=int, default=7, help="rounds; medians are printed")
    parser.add_argument("--folder", default="/dev/shm", help="where everything lies")
    parser.add_argument("--files", type=int, nargs="*", default=[1_000, 10_000, 100_000],
                        help="the sizes of the growth table")
    arguments = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="rally-bench-", dir=arguments.folder)
    os.environ["TEST_TMPDIR_SHORT"] = folder
    try:
        total, seconds, _ = measure(folder, 20_000, arguments.n)
        print(f"\n| submit of 20,000 files, {total / 1e6:.0f} MB (load {os.getloadavg()[0]:.1f}) | "
              "median | fastest | at most |\n| --- | --- | --- | --- |")
        row("all of it new", seconds["first"], "")
        row("unchanged", seconds["unchanged"], "150 ms")
        row("one file in a hundred changed", seconds["changed"], "300 ms")
        print("\n| files | new | unchanged | one in a hundred changed | rallyctl, peak | controller |\n"
              "| --- | --- | --- | --- | --- | --- |")
        for files in arguments.files:
            _, seconds, (client, controller) = measure(folder, files, max(3, arguments.n // 2))
            medians = [f"{statistics.median(s) * 1000:.0f} ms" for s in seconds.values()]
            print(f"| {files:,} | {' | '.join(medians)} | {client:.0f} MiB | {controller:.0f} MiB |",
                  flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
