#!/usr/bin/env python3
"""What rallyctl sends of a context, and what it tells about the trees of builds."""

import json
import os
import signal
import subprocess
import tempfile
import unittest

from cluster import Cluster
from relay import Relay

STEPS = """
[[step]]
id = "make"
image = "IMAGE"
args = ["sh", "-ec", "mkdir out; cat src/a >out/a; echo one >out/made; rm gone"]
[[step]]
id = "change"
image = "IMAGE"
args = ["sh", "-ec", "echo more >>out/made; wc -c <out/a >out/size"]
[[step]]
id = "nothing"
image = "IMAGE"
args = ["true"]
"""


class TreesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(agents=1)
        cls.cache = tempfile.mkdtemp(prefix="cache-", dir=cls.cluster.folder)
        os.environ["XDG_CACHE_HOME"] = cls.cache
        cls.first = cls.build("aaa")
        cls.second = cls.build("bbbb")
        cls.same = cls.build("aaa")

    @classmethod
    def tearDownClass(cls):
        cls.cluster.stop()

    @classmethod
    def build(cls, text):
        context = cls.cluster.pipeline(STEPS)
        os.mkdir(context + "/src")
        for name in ["src/a", "gone"]:
            with open(f"{context}/{name}", "w", encoding="utf-8") as f:
                f.write(text if name == "src/a" else "gone")
        build = cls.cluster.submit_detached(STEPS, context=context)
        ended = cls.cluster.wait(build)
        assert ended["status"] == "BUILD_STATUS_SUCCEEDED", ended
        return build

    def json(self, *args):
        return json.loads(self.cluster.rallyctl(*args, "-o", "json").stdout)

    def test_diff_shows_what_a_step_did(self):
        done = self.cluster.rallyctl("diff", self.first, "make")
        self.assertEqual(done.stdout, "- gone  4 B\n+ out/\n+ out/a  3 B\n+ out/made  4 B\n")
        self.assertIn("3 added, 0 changed, 1 removed; 3 B more", done.stderr)
        diff = self.json("diff", self.first, "change")
        self.assertEqual([(c["change"], c["path"]) for c in diff["changes"]],
                         [("changed", "out/made"), ("added", "out/size")])
        self.assertEqual((diff["added"], diff["changed"], diff["removed"]), (1, 1, 0))
        self.assertIn("nothing changed nothing",
                      self.cluster.rallyctl("diff", self.first, "nothing").stderr)
        self.assertEqual(len(self.json("diff", self.first)["changes"]), 5)
        self.assertEqual(self.cluster.rallyctl("diff", self.first, "zz", check=False).returncode, 2)

    def test_diff_of_builds_names_the_first_step_that_differs(self):
        diff = self.json("diff", self.first, self.second)
        self.assertEqual((diff["context_differs"], diff["step"]), (True, "make"))
        self.assertEqual([c["path"] for c in diff["changes"]], ["out/a"])
        done = self.cluster.rallyctl("diff", self.first, self.second)
        self.assertEqual(done.stdout, "~ src/a  3 B -> 4 B\nstep make\n~ out/a  3 B -> 4 B\n")
        # Made at other times, but of the same: no difference.
        same = self.json("diff", self.first, self.same)
        self.assertEqual((same["context_differs"], same["step"], same["changes"]), (False, None, []))

    def test_blame_names_the_step_that_made_a_file(self):
        def blame(path):
            found = self.json("blame", self.first, path)
            return found["step"], found["exists"], [w["step"] for w in found["writes"]]

        self.assertEqual(blame("out/made"), ("change", True, ["make", "change"]))
        self.assertEqual(blame("out/a"), ("make", True, ["make"]))
        self.assertEqual(blame("src/a"), (None, True, []))
        self.assertEqual(blame("gone"), ("make", False, ["make"]))
        text = self.cluster.rallyctl("blame", self.first, "out/made").stdout.split("\n")
        self.assertRegex(text[1], r"^change +changed +file +9 B$")
        self.assertRegex(text[2], r"^make +added +file +4 B$")
        self.assertEqual(
            self.cluster.rallyctl("blame", self.first, "nope", check=False).returncode, 2)

    def test_fetch_prints_one_file(self):
        done = self.cluster.rallyctl("fetch", self.first, "out/made", "--to", "-")
        self.assertEqual((done.stdout, done.stderr), ("one\nmore\n", ""))
        self.assertEqual(
            self.cluster.rallyctl("fetch", self.first, "out", "--to", "-", check=False).returncode, 2)

    def test_ignore_files_keep_things_out(self):
        context = self.cluster.pipeline(STEPS)
        for name, text in [("src/a", "a"), ("gone", "x"), ("big.bin", "b"), ("sub/.env", "s"),
                           (".rallyignore", "*.bin\nsub/\n"), (".gitignore", "gone\nsrc\n")]:
            os.makedirs(os.path.dirname(f"{context}/{name}"), exist_ok=True)
            with open(f"{context}/{name}", "w", encoding="utf-8") as f:
                f.write(text)
        done = self.cluster.submit(STEPS, "--detach", context=context)
        self.assertIn("2 left out by .rallyignore", done.stderr)
        build = done.stdout.strip()
        self.cluster.wait(build)
        self.assertEqual(
            self.cluster.rallyctl("blame", build, "big.bin", check=False).returncode, 2)
        self.assertEqual(self.json("blame", build, "src/a")["in_context"], True)
        done = self.cluster.submit(STEPS, "--detach", "--no-ignore", context=context)
        self.assertNotIn("left out", done.stderr)
        self.cluster.wait(done.stdout.strip())

    def test_fetch_leaves_nothing_behind_when_it_cannot_end(self):
        steps = STEPS.replace('["true"]', '["sh", "-c", "head -c 33554432 /dev/urandom >big"]')
        context = self.cluster.pipeline(steps)
        for name in ["src/a", "gone"]:
            os.makedirs(os.path.dirname(f"{context}/{name}"), exist_ok=True)
            with open(f"{context}/{name}", "w", encoding="utf-8") as f:
                f.write("x")
        build = self.cluster.submit_detached(steps, context=context)
        self.assertEqual(self.cluster.wait(build)["status"], "BUILD_STATUS_SUCCEEDED")

        full = self.cluster.folder + "/full"
        os.mkdir(full)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", full], check=True)
        try:
            done = self.cluster.rallyctl("fetch", build, "--to", full + "/there", check=False)
            self.assertEqual(done.returncode, 3, done.stderr)
            for text in [full + "/there", "'big'", "No space left on device", "--to"]:
                self.assertIn(text, done.stderr)
            self.assertEqual(os.listdir(full + "/there"), [])
        finally:
            subprocess.run(["umount", full], check=True)

        to = self.cluster.folder + "/interrupted"
        with Relay(self.cluster.folder + "/relay", self.cluster.folder + "/c.sock",
                   stall_answers_after=8 << 20) as relay:
            running = subprocess.Popen(
                [self.cluster.binary("rallyctl/rallyctl"), "--server", relay.address, "fetch", build,
                 "--to", to], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, text=True)
            self.assertTrue(relay.stalled.wait(60))
            self.assertEqual(len(os.listdir(to)), 1, "what is incomplete lies aside")
            running.send_signal(signal.SIGINT)
            _, said = running.communicate(timeout=60)
        self.assertEqual(running.returncode, 130, said)
        self.assertIn("nothing was put in " + to, said)
        self.assertEqual(os.listdir(to), [])
        self.cluster.rallyctl("fetch", build, "--to", to)
        self.assertEqual(os.path.getsize(to + "/big"), 33554432)


if __name__ == "__main__":
    unittest.main(verbosity=2)
