#!/usr/bin/env python3
"""Times Rally against `ctr run --rm` of the same command, in turns, on one machine.

  bazel run //tests/bench            all tables, medians of 5
  bazel run //tests/bench -- -n 9    of 9

Every figure of Rally's goes through `rallyctl submit`, with controller and agent as processes of
their own, the journal synced, seccomp and limits on, the workspace mounted and captured, and the
log fetched and compared. Quote the ratios: machines differ, and this one may be busy.
"""

import argparse
import os
import statistics
import time

from cluster import Cluster, eventually

CHAIN = 20


def noop(i, image="IMAGE"):
    return f'[[step]]\nid = "s{i}"\nimage = "{image}"\nargs = ["echo", "hi {i}"]\n'


def context(cluster, files):
    """A folder with this many small files and a rally.toml."""
    folder = cluster.pipeline("")
    for i in range(files):
        directory = f"{folder}/d{i // 100}"
        if i % 100 == 0:
            os.makedirs(directory)
        with open(f"{directory}/f{i}", "w", encoding="utf-8") as f:
            f.write(f"file {i}\n")
    return folder


def submit(cluster, folder, steps):
    """Seconds from the start of rallyctl to its end; its output must hold every step's line."""
    with open(folder + "/rally.toml", "w", encoding="utf-8") as f:
        f.write("\n".join(noop(i, cluster.image) for i in range(steps)))
    begin = time.monotonic()
    done = cluster.rallyctl("submit", "-f", folder + "/rally.toml")
    seconds = time.monotonic() - begin
    for i in range(steps):
        assert f"hi {i}" in done.stdout + done.stderr, f"the log of step {i} is missing"
    return seconds


def ctr_run(cluster, n):
    """Seconds of one `ctr run --rm` of the same command."""
    image = cluster.hosts[0].ctr("images", "list", "--quiet")[0]  # as the agent named it
    begin = time.monotonic()
    out = cluster.hosts[0].ctr("run", "--rm", image, f"bench-{n}", "echo", f"hi {n}")
    seconds = time.monotonic() - begin
    assert out == [f"hi {n}"], out
    return seconds


def rss_mib(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as f:
        for line in f:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    raise AssertionError("no VmRSS")


def row(name, ours, theirs, bound, unit="ms"):
    ratio = ours / theirs
    print(f"| {name} | {ours * 1000:.1f} {unit} | {theirs * 1000:.1f} {unit} | {ratio:.2f} | {bound} |",
          flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("-n", type=int, default=5, help="rounds; medians are printed")
    arguments = parser.parse_args()
    with Cluster(agents=1, slots=2) as cluster:
        idle = (rss_mib(cluster.hosts[0].agent.pid), rss_mib(cluster.controller.pid))
        thousand = context(cluster, 1000)
        submit(cluster, thousand, 2)  # warm: image pulled, tree materialised
        counter = iter(range(10**6))
        chains, singles, ctrs = [], [], []
        for _ in range(arguments.n):
            ctrs += [ctr_run(cluster, next(counter)) for _ in range(5)]
            chains.append(submit(cluster, thousand, CHAIN) / CHAIN)
            ctrs += [ctr_run(cluster, next(counter)) for _ in range(5)]
            singles.append(submit(cluster, thousand, 1))
        ctr = statistics.median(ctrs)
        print("\n| what | Rally | ctr run --rm | ratio | at most |\n| --- | --- | --- | --- | --- |")
        row(f"a step of a chain of {CHAIN} no-ops, 1,000-file workspace", statistics.median(chains), ctr,
            0.9)
        row("a one-step build, rallyctl submit to exit", statistics.median(singles), ctr, 1.5)

        empty, large = context(cluster, 0), context(cluster, 20000)
        submit(cluster, large, 1)
        per_step = {}
        for name, folder in [("empty", empty), ("20,000 files", large)]:
            rounds = []
            for _ in range(arguments.n):
                one, many = submit(cluster, folder, 1), submit(cluster, folder, 11)
                rounds.append((many - one) / 10)
            per_step[name] = statistics.median(rounds)
        more = (per_step["20,000 files"] - per_step["empty"]) * 1000
        print("\n| workspace, unchanged by the step | a further step |\n| --- | --- |")
        for name, seconds in per_step.items():
            print(f"| {name} | {seconds * 1000:.1f} ms |")
        print(f"| the difference | {more:.1f} ms (at most 5) |")

        eventually(lambda: not cluster.hosts[0].residue(), what="an idle agent")
        print("\n| idle | agent | controller |\n| --- | --- | --- |")
        print(f"| fresh | {idle[0]:.1f} MiB (at most 40) | {idle[1]:.1f} MiB (at most 60) |")
        print(f"| after these builds | {rss_mib(cluster.hosts[0].agent.pid):.1f} MiB | "
              f"{rss_mib(cluster.controller.pid):.1f} MiB |", flush=True)


if __name__ == "__main__":
    main()
