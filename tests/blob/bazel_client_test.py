"""The distribution's Bazel, unmodified, with a Rally controller as its remote cache.

A small C++ project is built, cleaned and built again: what was built once comes from the cache, also
after the controller was restarted; and when the cache lost or damaged blobs, the build is still right,
and the cache whole afterwards.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
CONTROLLER = os.path.realpath(os.environ["RALLY_CONTROLLER"])
PARTS = 5

# A C++ library and program, a program's output, an empty file, and a directory of unknown files.
BUILD = """
load(":files.bzl", "directory_of_files")
cc_library(name = "parts", srcs = glob(["part*.cc"]), hdrs = ["parts.h"])
cc_binary(name = "app", srcs = ["main.cc"], deps = [":parts"])
genrule(name = "report", outs = ["report.txt", "empty.txt"], tools = [":app"],
        cmd = "$(location :app) > $(location report.txt); : > $(location empty.txt)")
directory_of_files(name = "files", report = "report.txt")
"""
FILES_BZL = """
def _impl(ctx):
    out = ctx.actions.declare_directory("files")
    ctx.actions.run_shell(
        inputs = [ctx.file.report], outputs = [out], arguments = [ctx.file.report.path, out.path],
        command = 'mkdir -p "$2/deep/er"; cp "$1" "$2/deep/er/report"; echo other > "$2/other"; : > "$2/empty"')
    return [DefaultInfo(files = depset([out]))]

directory_of_files = rule(_impl, attrs = {"report": attr.label(allow_single_file = True)})
"""


def write(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def read(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read()


class Controller:
    def __init__(self, folder):
        self.folder = folder
        self.log = os.path.join(folder, "controller.log")
        self.blobs = os.path.join(folder, "data/blobs/cas")
        self.start()

    def start(self):
        said_before = len(read(self.log)) if os.path.exists(self.log) else 0
        with open(self.log, "ab") as out:
            self.process = subprocess.Popen(
                [CONTROLLER, "--insecure", "--data", os.path.join(self.folder, "data"),
                 "--listen", "127.0.0.1:0"], stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        deadline = time.monotonic() + 30
        while True:
            listening = re.search(r"listening on (127\.0\.0\.1:\d+)", read(self.log)[said_before:])
            if listening:
                self.address = listening.group(1)
                return
            assert time.monotonic() < deadline and self.process.poll() is None, read(self.log)
            time.sleep(0.02)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(30) == 0, read(self.log)

    def blob_files(self):
        return sorted(os.path.join(root, name) for root, _, names in os.walk(self.blobs)
                      for name in names)


class BazelClientTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="bazel-client-", dir=os.environ.get("TEST_TMPDIR"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.workspace = os.path.join(self.folder, "project")
        self.execution_log = os.path.join(self.folder, "execution.json")
        self._write_project()
        self.controller = Controller(self.folder)
        self.addCleanup(lambda: self.controller.process.poll() is None and self.controller.stop())
        self.addCleanup(self._bazel, "shutdown")

    def _write_project(self):
        os.makedirs(self.workspace)
        # What this project's own workspace overrides, so that Bazel needs no network.
        overrides = re.findall(r'local_repository\(\s*name = "(\w+)",\s*path = "([^"]+)",\s*\)',
                               read(os.path.join(PROJECT, "WORKSPACE")))
        self.assertGreaterEqual(len(overrides), 5)
        write(os.path.join(self.workspace, "WORKSPACE"), "".join(
            f'local_repository(name = "{name}", path = "{os.path.join(PROJECT, path)}")\n'
            for name, path in overrides))
        write(os.path.join(self.workspace, "BUILD.bazel"), BUILD)
        write(os.path.join(self.workspace, "files.bzl"), FILES_BZL)
        declarations = "".join(f"std::string Part{i}();\n" for i in range(PARTS))
        write(os.path.join(self.workspace, "parts.h"), f"#pragma once\n#include <string>\n{declarations}")
        for i in range(PARTS):
            write(os.path.join(self.workspace, f"part{i}.cc"),
                  f'#include "parts.h"\nstd::string Part{i}() {{ return "part {i}\\n"; }}\n')
        calls = " + ".join(f"Part{i}()" for i in range(PARTS))
        write(os.path.join(self.workspace, "main.cc"),
              f'#include <iostream>\n#include "parts.h"\nint main() {{ std::cout << {calls}; }}\n')
        self.report = "".join(f"part {i}\n" for i in range(PARTS))

    def _bazel(self, command, *flags):
        env = {k: v for k, v in os.environ.items() if k in ("HOME", "LANG", "PATH", "TMPDIR", "USER")}
        done = subprocess.run(
            ["bazel", "--nohome_rc", f"--output_user_root={self.folder}/user",
             f"--output_base={self.folder}/base", "--max_idle_secs=60", command, *flags],
            cwd=self.workspace, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=250, check=False)
        self.assertEqual(done.returncode, 0, f"bazel {command}: {done.stdout}\n{read(self.controller.log)}")
        return done.stdout

    def build(self, instance="team/a", flags=(), may_warn=False):
        """Cleans and builds everything, and returns how many actions ran, and how many were cached."""
        self._bazel("clean")
        output = self._bazel("build", "//...", f"--remote_cache=grpc://{self.controller.address}",
                             f"--remote_instance_name={instance}", "--disk_cache=", "--jobs=2",
                             "--nosandbox_debug", "--noshow_progress", "--symlink_prefix=out-",
                             f"--execution_log_json_file={self.execution_log}", *flags)
        if not may_warn:
            self.assertNotIn("WARNING: Remote Cache", output)
        bin_folder = os.path.join(self.workspace, "out-bin")
        self.assertEqual(subprocess.check_output([os.path.join(bin_folder, "app")], text=True), self.report)
        self.assertEqual(read(os.path.join(bin_folder, "report.txt")), self.report)
        self.assertEqual(read(os.path.join(bin_folder, "empty.txt")), "")
        files = os.path.join(bin_folder, "files")
        self.assertEqual(
            {os.path.relpath(os.path.join(root, name), files): read(os.path.join(root, name))
             for root, _, names in os.walk(files) for name in names},
            {"deep/er/report": self.report, "other": "other\n", "empty": ""})
        text, position, ran, cached = read(self.execution_log), 0, 0, 0
        while text[position:].strip():
            spawn, position = json.JSONDecoder().raw_decode(text, position)
            position = len(text) - len(text[position:].lstrip())
            if spawn.get("remoteCacheHit"):
                cached += 1
            else:
                ran += 1
        if cached:
            self.assertRegex(output, rf"\b{cached} remote cache hit")
        return ran, cached

    def test_builds_from_the_cache(self):
        ran, cached = self.build()
        self.assertEqual(cached, 0)
        # Each source, the archive, the program, the report, the directory.
        self.assertGreaterEqual(ran, PARTS + 5)
        actions = ran
        self.assertEqual(self.build(), (0, actions), "all from the cache")

        self.controller.stop()
        self.controller.start()
        self.assertEqual(self.build(), (0, actions), "all from the cache after a restart")

        # Every other blob is lost.
        self.controller.stop()
        lost = self.controller.blob_files()[::2]
        self.assertGreater(len(lost), actions)
        for path in lost:
            os.remove(path)
        self.controller.start()
        ran, cached = self.build()
        self.assertGreater(ran, 0, "results whose blobs are gone don't count")
        self.assertEqual(ran + cached, actions)
        self.assertEqual(self.build(), (0, actions), "what was lost was uploaded again")

        # Another instance has results of its own; the one of the controller can only be read.
        self.assertEqual(self.build("team/b"), (actions, 0))
        self.assertEqual(self.build("rally", ["--noremote_upload_local_results"]), (actions, 0))

        # Every blob is damaged, which neither names nor sizes show, while the controller runs.
        for path in self.controller.blob_files():
            os.chmod(path, 0o644)
            with open(path, "r+b") as f:
                first = f.read(1)
                f.seek(0)
                f.write(bytes([first[0] ^ 1]))
        self.assertEqual(self.build(may_warn=True), (actions, 0), "nothing damaged is used")
        # Damage shows when a blob is read, and Bazel reads no further after the first one of an
        # action, so it takes some builds until all is found and replaced.
        for _ in range(5):
            if self.build(may_warn=True) == (0, actions):
                break
        else:
            self.fail("the cache did not become whole again")


if __name__ == "__main__":
    unittest.main(verbosity=2)
