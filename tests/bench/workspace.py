#!/usr/bin/env python3
"""Times the way of a workspace from one agent to another beside rsync, a plain socket copy, SHA-256
and a plain gRPC stream, in turns, on one machine. Needs root, rsync and 8 GB of free memory.

  bazel run //tests/bench:workspace              all tables, medians of 5
  bazel run //tests/bench:workspace -- -n 9 b c  of 9, these tables only: a, b (with c), growth

The controller is a process of its own, and so are the two agents' data planes (workspace_agent.cc),
over loopback. All data lie in a tmpfs of the benchmark's own mount namespace: no disk, and nothing
is left behind. Each round starts with an empty controller, empty agents and an empty target for
rsync. Quote the ratios: machines differ, and this one may be busy.
"""

import argparse
import contextlib
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import datasets
import runfiles_path

IN_NAMESPACE = "RALLY_BENCH_NAMESPACE"
FILES = 20_000
LARGE_BYTES = 1 << 30
MIB = 1 << 20


# As the units in docs/operating.md start them.
DAEMON_ENVIRONMENT = dict(os.environ, GLIBC_TUNABLES="glibc.malloc.hugetlb=1")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def memory_mib(pid, field="VmRSS"):
    with open(f"/proc/{pid}/status", encoding="utf-8") as f:
        for line in f:
            if line.startswith(field + ":"):
                return int(line.split()[1]) / 1024
    raise AssertionError(f"no {field}")


def forget_peak(pid):
    """VmHWM starts afresh."""
    with open(f"/proc/{pid}/clear_refs", "w", encoding="utf-8") as f:
        f.write("5")


class Controller:
    """rally-controller with an empty data folder, as it is installed: journal synced."""

    def __init__(self, folder):
        self.popen = subprocess.Popen(
            [runfiles_path.find("controller/rally-controller"), "--insecure", "--data", folder,
             "--listen", "127.0.0.1:0"], env=DAEMON_ENVIRONMENT, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True)
        for line in self.popen.stdout:
            if line.startswith("listening on "):
                self.address = line.split()[-1]
                return
        raise AssertionError("the controller didn't start")

    @property
    def pid(self):
        return self.popen.pid

    def stop(self):
        self.popen.terminate()
        self.popen.wait(30)


class Agent:
    """workspace_agent.cc."""

    def __init__(self, controller, folder):
        self.popen = subprocess.Popen(
            [runfiles_path.find("tests/bench/workspace_agent"), controller.address, folder],
            env=DAEMON_ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True)
        self.do("settle")

    @property
    def pid(self):
        return self.popen.pid

    def do(self, *words):
        self.popen.stdin.write(" ".join(words) + "\n")
        self.popen.stdin.flush()
        answer = json.loads(self.popen.stdout.readline())
        assert "error" not in answer, f"{words}: {answer['error']}"
        return answer

    def stop(self):
        self.popen.stdin.close()
        self.popen.wait(60)


class Fleet:
    """An empty controller and two empty agents: with Fleet(folder) as fleet: ..."""

    def __init__(self, folder):
        self.folder = os.path.join(folder, "fleet")

    def __enter__(self):
        os.makedirs(self.folder)
        self.controller = Controller(self.folder + "/controller")
        self.first = Agent(self.controller, self.folder + "/first")
        self.second = Agent(self.controller, self.folder + "/second")
        return self

    def __exit__(self, kind, value, trace):
        for process in [self.first, self.second, self.controller]:
            process.stop()
        remove(self.folder)


def remove(folder):
    for line in reversed(open("/proc/self/mounts", encoding="utf-8").readlines()):
        point = line.split()[1]
        if point.startswith(folder + "/"):
            subprocess.run(["umount", "--lazy", point], check=True)
    shutil.rmtree(folder)


class RsyncDaemon:
    """A daemon on loopback with one module; its folder is emptied by the caller."""

    def __init__(self, folder):
        self.target = os.path.join(folder, "rsync")
        self.port = free_port()
        config = os.path.join(folder, "rsyncd.conf")
        with open(config, "w", encoding="utf-8") as f:
            f.write(f"use chroot = no\nuid = root\ngid = root\n[target]\n  path = {self.target}\n"
                    "  read only = no\n")
        os.makedirs(self.target)
        self.popen = subprocess.Popen(["rsync", "--daemon", "--no-detach", "--config", config,
                                       "--address", "127.0.0.1", "--port", str(self.port)])
        while not self._listens():
            time.sleep(0.02)

    def _listens(self):
        assert self.popen.poll() is None, "the rsync daemon didn't start"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
            return True
        return False

    def send(self, folder):
        """Seconds until the target has what the folder has."""
        return seconds_of(["rsync", "-a", folder + "/", f"rsync://127.0.0.1:{self.port}/target/"])

    def empty(self):
        shutil.rmtree(self.target)
        os.makedirs(self.target)

    def stop(self):
        self.popen.terminate()
        self.popen.wait(10)


def seconds_of(argv):
    begin = time.monotonic()
    subprocess.run(argv, check=True)
    return time.monotonic() - begin


def peer(*words):
    """What transfer_peers.cc says."""
    done = subprocess.run([runfiles_path.find("tests/bench/transfer_peers"), *words], check=True,
                          stdout=subprocess.PIPE, text=True)
    return [float(word) for word in done.stdout.split()]


class Samples:
    """Figures by name, from all rounds."""

    def __init__(self):
        self._values = {}

    def add(self, **values):
        for name, value in values.items():
            self._values.setdefault(name, []).append(value)

    def median(self, name):
        return statistics.median(self._values[name])

    def ratio(self, ours, theirs):
        """The median of the rounds' ratios: what slowed the machine slowed both."""
        return statistics.median(a / b for a, b in zip(self._values[ours], self._values[theirs]))


def verdict(ok):
    return "yes" if ok else "**no**"


class Table:
    """Prints a figure of ours, its peer's in the same rounds, and whether the bound is kept."""

    def __init__(self, samples, title):
        self.samples = samples
        print(f"\n| {title} | Rally | peer | ratio | bound | kept |\n"
              "| --- | --- | --- | --- | --- | --- |", flush=True)

    def ms(self, name):
        return f"{self.samples.median(name) * 1000:.1f} ms"

    def at_most(self, what, ours, peer_name, theirs, bound):
        ratio = self.samples.ratio(ours, theirs)
        self._row(what, self.ms(ours), f"{peer_name} {self.ms(theirs)}", f"{ratio:.2f}",
                  f"at most {bound}", verdict(ratio <= bound))

    def stated(self, what, ours, peer_name, theirs):
        self._row(what, self.ms(ours), f"{peer_name} {self.ms(theirs)}",
                  f"{self.samples.ratio(ours, theirs):.2f}", "stated", "")

    def at_most_ms(self, what, ours, bound_ms):
        self._row(what, self.ms(ours), "", "", f"at most {bound_ms} ms",
                  verdict(self.samples.median(ours) * 1000 <= bound_ms))

    def speed(self, what, ours, peer_name, theirs, bound):
        """Of LARGE_BYTES; ratios of speeds."""
        ratio = self.samples.ratio(theirs, ours)
        rate = lambda name: f"{LARGE_BYTES / MIB / self.samples.median(name):.0f} MiB/s"
        self._row(what, rate(ours), f"{peer_name} {rate(theirs)}", f"{ratio:.2f}",
                  f"at least {bound}", verdict(ratio >= bound))

    @staticmethod
    def _row(*cells):
        print("| " + " | ".join(cells) + " |", flush=True)


def hand_over(fleet, folder, attempt, make, tree="empty"):
    """A step on the first agent makes a tree by make(workspace); the second gets it. Returns what
    both said. The folder is to have the same content."""
    made = fleet.first.do("mount", attempt, tree)
    make(made["path"])
    captured = fleet.first.do("capture", attempt)
    fetched = fleet.second.do("ensure", captured["root"])
    if folder is not None:
        seen = fleet.second.do("mount", "check-" + attempt, captured["root"])
        subprocess.run(["diff", "-r", folder, seen["path"]], check=True)
        fleet.second.do("discard", "check-" + attempt)
    for agent in [fleet.first, fleet.second]:
        agent.do("settle")
    return captured, fetched


def copy_into(folder):
    return lambda target: subprocess.run(["cp", "-a", folder + "/.", target], check=True)


def measure_trees(folder, rounds):
    b, c, floor, onward = (os.path.join(folder, name) for name in ["b", "c", "floor", "onward"])
    size = datasets.make_tree(b, FILES)
    print(f"B: {FILES} files, {size / 1e6:.0f} MB; C: B with 1 % of the files changed", flush=True)
    rsync = RsyncDaemon(folder)
    samples = Samples()
    try:
        for number in range(rounds):
            measure_trees_once(folder, number, (b, c, floor, onward), rsync, samples)
    finally:
        rsync.stop()
    table = Table(samples, "B, to an agent that has nothing")
    table.at_most("upload and materialisation", "b_transfer", "rsync -a", "b_rsync", 1.0)
    table.stated("the same with the capture before it, which hashes", "b_whole", "rsync -a", "b_rsync")
    table.stated("upload and materialisation", "b_transfer", "sockets and SHA-256", "b_floor")
    table.stated("upload and materialisation", "b_transfer",
                 "sockets and SHA-256 to a store and from it", "b_two_floors")
    table.stated("that floor itself", "b_two_floors", "rsync -a", "b_rsync")
    table.stated("upload alone", "b_upload", "rsync -a", "b_rsync")
    table.stated("materialisation alone", "b_fetch", "rsync -a", "b_rsync")
    table = Table(samples, "C, to an agent that has B")
    table.at_most("capture, upload and materialisation", "c_whole", "rsync -a", "c_rsync", 0.25)
    table.at_most_ms("time of both agents", "c_whole", 60)
    table.stated("capture with upload", "c_capture", "rsync -a", "c_rsync")
    table.stated("materialisation", "c_fetch", "rsync -a", "c_rsync")
    table = Table(samples, "on one agent")
    table.at_most_ms("capture of 200 changed files, without their hashing and upload",
                     "c_capture_only", 10)
    table.stated("hashing alone", "c_hash", "", "c_hash")
    table.at_most_ms("mount of a warm tree", "mount", 1)


def measure_trees_once(folder, number, folders, rsync, samples):
    b, c, floor, onward = folders
    changes = lambda target: datasets.change_tree(target, FILES, seed=100 + number)
    with Fleet(folder) as fleet:
        captured, fetched = hand_over(fleet, b if number == 0 else None, "make-b", copy_into(b))
        samples.add(b_rsync=rsync.send(b), b_upload=captured["upload_seconds"],
                    b_fetch=fetched["seconds"],
                    b_transfer=captured["upload_seconds"] + fetched["seconds"],
                    b_whole=captured["seconds"] + fetched["seconds"])
        os.makedirs(floor)
        os.makedirs(onward)
        # A store between the two agents receives all and sends it on.
        halves = [peer("copy", b, floor)[0], peer("copy", floor, onward)[0]]
        samples.add(b_floor=halves[0], b_two_floors=sum(halves))
        remove(floor)
        remove(onward)

        root_b = captured["root"]
        copy_into(b)(c)
        changes(c)
        captured, fetched = hand_over(fleet, c if number == 0 else None, "make-c", changes, root_b)
        assert captured["changes"] == FILES // 100, captured
        changed = os.path.join(folder, "changed")
        with open(changed, "w", encoding="utf-8") as f:
            f.writelines(f"{c}/{datasets.file_name(i)}\n" for i in range(0, FILES, 100))
        hashing = statistics.median(peer("hash-list", changed)[0] for _ in range(3))
        samples.add(c_rsync=rsync.send(c), c_capture=captured["seconds"], c_fetch=fetched["seconds"],
                    c_whole=captured["seconds"] + fetched["seconds"], c_hash=hashing,
                    c_capture_only=captured["seconds"] - captured["upload_seconds"] - hashing)
        for i in range(5):
            samples.add(mount=fleet.second.do("mount", f"warm-{i}", captured["root"])["seconds"])
            fleet.second.do("discard", f"warm-{i}")
    remove(c)
    rsync.empty()


def measure_large(folder, rounds):
    path, copy = os.path.join(folder, "a"), os.path.join(folder, "a-copy")
    datasets.make_large_file(path, LARGE_BYTES)
    samples = Samples()
    for _ in range(rounds):
        with Fleet(folder) as fleet:
            forget_peak(fleet.controller.pid)
            sent = fleet.first.do("put", path)
            received = fleet.second.do("get", sent["digest"], copy)
            assert os.path.getsize(copy) == LARGE_BYTES
            os.remove(copy)
            peak = {name: memory_mib(process.pid, "VmHWM") for name, process in
                    [("controller", fleet.controller), ("sender", fleet.first),
                     ("receiver", fleet.second)]}
        sha256 = peer("sha256", path)[0]
        up, down = peer("grpc", path)
        samples.add(up=sent["seconds"], down=received["seconds"], sha256=sha256, grpc_up=up,
                    grpc_down=down, up_peer=max(sha256, up), down_peer=max(sha256, down), **peak)
    os.remove(path)
    table = Table(samples, f"A, {LARGE_BYTES >> 20} MiB in one file")
    table.speed("upload", "up", "the slower of the two below", "up_peer", 0.6)
    table.speed("download", "down", "the slower of the two below", "down_peer", 0.6)
    table.speed("SHA-256 on one core", "sha256", "", "sha256", 1)
    table.speed("plain gRPC stream, up", "grpc_up", "", "grpc_up", 1)
    table.speed("plain gRPC stream, down", "grpc_down", "", "grpc_down", 1)
    print(f"\nMemory at most, while A goes through: controller {samples.median('controller'):.0f} MiB, "
          f"sending agent {samples.median('sender'):.0f} MiB, "
          f"receiving agent {samples.median('receiver'):.0f} MiB", flush=True)


def measure_growth(folder, rounds):
    print("\n| files | capture with upload | materialisation | memory: sending agent | receiving agent | "
          "controller |\n| --- | --- | --- | --- | --- | --- |", flush=True)
    for files in [1_000, 10_000, 100_000]:
        tree = os.path.join(folder, "tree")
        datasets.make_tree(tree, files)
        samples = Samples()
        for _ in range(rounds):
            with Fleet(folder) as fleet:
                captured, fetched = hand_over(fleet, None, "make", copy_into(tree))
                samples.add(capture=captured["seconds"], fetch=fetched["seconds"],
                            first=memory_mib(fleet.first.pid, "VmHWM"),
                            second=memory_mib(fleet.second.pid, "VmHWM"),
                            controller=memory_mib(fleet.controller.pid, "VmHWM"))
        shutil.rmtree(tree)
        print(f"| {files} | {samples.median('capture') * 1000:.0f} ms | "
              f"{samples.median('fetch') * 1000:.0f} ms | {samples.median('first'):.0f} MiB | "
              f"{samples.median('second'):.0f} MiB | {samples.median('controller'):.0f} MiB |",
              flush=True)
    print("\nBound: an agent has at most 150 MiB at 100,000 files.", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("-n", type=int, default=5, help="rounds; medians are printed")
    parser.add_argument("tables", nargs="*", help="a, b (with c), growth; default all")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("this benchmark mounts workspaces: run it as root")
    if shutil.which("rsync") is None:
        sys.exit("this benchmark compares with rsync: install the package rsync")
    if IN_NAMESPACE not in os.environ:
        # Mounts and tmpfs end with the namespace, whatever becomes of this process.
        os.execvpe("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable,
                               *sys.argv], dict(os.environ, **{IN_NAMESPACE: "1"}))
    tables = arguments.tables or ["b", "a", "growth"]
    folder = tempfile.mkdtemp(prefix="rally-bench-")
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0700,size=90%", "tmpfs", folder], check=True)
        for table, measure in [("b", measure_trees), ("a", measure_large), ("growth", measure_growth)]:
            if table in tables:
                measure(folder, arguments.n)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=False)
        os.rmdir(folder)


if __name__ == "__main__":
    main()
