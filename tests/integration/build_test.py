#!/usr/bin/env python3
"""Builds on two agents, as their users see them: workspaces that travel, failures, limits, logs."""

import hashlib
import os
import shutil
import subprocess
import sys
import unittest

from cluster import Cluster, Ledger, busybox_layout


class BuildTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.ledger = Ledger()
        cls.cluster = Cluster(agents=2, agent_flags=["--network", "host"])

    @classmethod
    def tearDownClass(cls):
        try:
            cls.cluster.assert_no_residue()
        finally:
            cls.cluster.stop()
            cls.ledger.close()

    def setUp(self):
        for host in self.cluster.hosts:
            self.cluster.rallyctl("agents", "undrain", host.name)

    def run_on_both(self, first, second, context=None):
        """Runs one script on agent-1 and a second, which depends on it, on agent-2."""
        name = self.id()
        self.cluster.only("agent-1")
        build = self.cluster.submit_detached(
            f"""
[[step]]
id = "first"
image = "IMAGE"
args = ["sh", "-ec", '''{first}
{self.ledger.say("gate " + name)}''']
[[step]]
id = "second"
image = "IMAGE"
args = ["sh", "-ec", '''{second}''']
""", context=context)
        self.ledger.wait_for("gate " + name)
        self.cluster.only("agent-2")
        self.ledger.open(name)
        ended = self.cluster.wait(build)
        steps = {s["id"]: s for s in ended["steps"]}
        log = self.cluster.log(build, "second") if "second" in steps else ""
        self.assertEqual(ended["status"], "BUILD_STATUS_SUCCEEDED", f"{steps}\n{log}")
        self.assertEqual((steps["first"]["agent"], steps["second"]["agent"]), ("agent-1", "agent-2"))
        return build, log

    def test_files_links_modes_and_times_travel(self):
        _, log = self.run_on_both(
            "mkdir -p d/empty; echo hello >d/f; chmod 600 d/f; ln -s d/f link; ln -s /nowhere dangling; "
            "touch -d '2001-02-03 04:05:06' d/f; printf '#!/bin/sh\\necho ran\\n' >tool; chmod 755 tool",
            "cat link; readlink dangling; stat -c '%a %Y' d/f; ls -d d/empty; ./tool; ls -A")
        self.assertEqual(log.split("\n")[:6],
                         ["hello", "/nowhere", "600 981173106", "d/empty", "ran", "d"])

    def test_deletions_and_renames_travel(self):
        context = self.cluster.pipeline("")
        os.makedirs(f"{context}/keep")
        os.makedirs(f"{context}/moved/deep")
        for name in ["gone", "keep/a", "keep/gone", "moved/deep/x", "replaced"]:
            with open(f"{context}/{name}", "w", encoding="utf-8") as f:
                f.write(name + "\n")
        build, log = self.run_on_both(
            "rm gone keep/gone; mv moved elsewhere; rm replaced; mkdir replaced; echo new >replaced/n; "
            "rm -rf keep2; mkdir tmp; echo t >tmp/t; rm -rf tmp",
            "find . -mindepth 1 | sort; cat elsewhere/deep/x", context=context)
        self.assertEqual(log.split("\n"), [
            "./elsewhere", "./elsewhere/deep", "./elsewhere/deep/x", "./keep", "./keep/a",
            "./rally.toml", "./replaced", "./replaced/n", "moved/deep/x", ""])
        target = f"{self.cluster.folder}/fetched-renames"
        self.cluster.rallyctl("fetch", build, "--to", target)
        with open(f"{target}/elsewhere/deep/x", encoding="utf-8") as f:
            self.assertEqual(f.read(), "moved/deep/x\n")
        self.assertFalse(os.path.exists(f"{target}/gone"))

    def test_twenty_thousand_files_travel(self):
        _, log = self.run_on_both(
            "for d in $(seq 200); do mkdir -p t/$d; for f in $(seq 100); do echo $d.$f >t/$d/$f; done; done",
            "find t -type f | wc -l; cat $(find t -type f | sort) | sha256sum")
        expected = hashlib.sha256()
        paths = sorted(f"t/{d}/{f}" for d in range(1, 201) for f in range(1, 101))
        for path in paths:
            expected.update((".".join(path.split("/")[1:]) + "\n").encode())
        self.assertEqual(log, f"20000\n{expected.hexdigest()}  -\n")

    def test_a_parallel_step_sees_only_what_it_depends_on(self):
        build = self.cluster.submit_detached("""
[[step]]
id = "a"
image = "IMAGE"
args = ["sh", "-c", "echo a >a; echo both >same"]
[[step]]
id = "b"
image = "IMAGE"
args = ["sh", "-c", "sleep 1; ls; echo b >b; echo both >same"]
whenAll = ["-"]
[[step]]
id = "joined"
image = "IMAGE"
args = ["sh", "-c", "cat a b same"]
whenAll = ["a", "b"]
""")
        self.assertEqual(self.cluster.wait(build)["status"], "BUILD_STATUS_SUCCEEDED")
        self.assertEqual(self.cluster.log(build, "b"), "rally.toml\n")
        self.assertEqual(self.cluster.log(build, "joined"), "a\nb\nboth\n")

    def test_conflicting_writes_warn_and_the_later_in_order_wins(self):
        done = self.cluster.submit("""
[[step]]
id = "a"
image = "IMAGE"
args = ["sh", "-c", "sleep 1; echo from a >x"]
[[step]]
id = "b"
image = "IMAGE"
args = ["sh", "-c", "echo from b >x"]
whenAll = ["-"]
[[step]]
id = "c"
image = "IMAGE"
args = ["cat", "x"]
whenAll = ["a", "b"]
""")
        output = done.stdout + done.stderr
        self.assertIn("from b", output)
        self.assertRegex(output, r'"a" and "b" both wrote x')

    def test_a_failing_step_is_reported_and_stops_only_what_depends_on_it(self):
        done = self.cluster.submit("""
[[step]]
id = "bad"
image = "IMAGE"
args = ["sh", "-c", "echo the last words; exit 7"]
[[step]]
id = "after"
image = "IMAGE"
args = ["true"]
[[step]]
id = "beside"
image = "IMAGE"
args = ["echo", "still ran"]
whenAll = ["-"]
""", check=False)
        output = done.stdout + done.stderr
        self.assertEqual(done.returncode, 1, output)
        self.assertIn("the last words", output)
        self.assertIn("exit code 7", output)
        self.assertIn("still ran", output)
        self.assertRegex(output, r"after.*skipped")

    def test_a_timeout_ends_the_step_with_124_after_sigterm(self):
        build = self.cluster.submit_detached("""
[[step]]
id = "slow"
image = "IMAGE"
timeout = "1s"
args = ["sh", "-c", "trap 'echo got TERM; exit 0' TERM; while true; do sleep 0.1; done"]
""")
        ended = self.cluster.wait(build)
        self.assertEqual(ended["status"], "BUILD_STATUS_FAILED")
        self.assertEqual(ended["steps"][0]["status"], "STEP_STATUS_TIMED_OUT")
        self.assertEqual(ended["steps"][0]["exit_code"], 124)
        # The signal goes to the whole group, so the shell may also tell of the sleep that it ended.
        self.assertIn("got TERM\n", self.cluster.log(build, "slow"))

    def test_cancel_ends_what_runs_and_starts_nothing_more(self):
        build = self.cluster.submit_detached(f"""
[[step]]
id = "running"
image = "IMAGE"
args = ["sh", "-c", "{self.ledger.say('cancel-test')}; sleep 300"]
[[step]]
id = "never"
image = "IMAGE"
args = ["true"]
""")
        self.ledger.wait_for("cancel-test")
        self.cluster.rallyctl("cancel", build)
        ended = self.cluster.wait(build, 40)
        self.assertEqual(ended["status"], "BUILD_STATUS_CANCELLED")
        self.assertEqual([s["status"] for s in ended["steps"]],
                         ["STEP_STATUS_CANCELLED", "STEP_STATUS_CANCELLED"])

    def test_a_hundred_megabyte_log_is_kept_byte_for_byte(self):
        build = self.cluster.submit_detached("""
[[step]]
id = "talk"
image = "IMAGE"
args = ["sh", "-c", "yes 'a line of the long log, as long as lines are' | head -c 100000000"]
""")
        self.assertEqual(self.cluster.wait(build, 300)["status"], "BUILD_STATUS_SUCCEEDED")
        log = subprocess.run([self.cluster.binary("rallyctl/rallyctl"), "--server", self.cluster.address,
                              "logs", build, "talk"], check=True, stdout=subprocess.PIPE).stdout
        line = b"a line of the long log, as long as lines are\n"
        expected = (line * (100000000 // len(line) + 1))[:100000000]
        self.assertEqual(len(log), len(expected))
        self.assertEqual(hashlib.sha256(log).digest(), hashlib.sha256(expected).digest())

    def test_what_the_document_promises_of_envs_workdir_and_entry_point(self):
        done = self.cluster.submit("""
[[step]]
id = "s"
image = "IMAGE"
entryPoint = "sh"
workDir = "made/for/it"
envs = ["GREETING=hello = world", "EMPTY="]
args = ["-c", "pwd; echo \\"$GREETING\\" \\"[$EMPTY]\\"; id -u; cat /proc/1/comm"]
""")
        for line in ["/workspace/made/for/it", "hello = world []"]:
            self.assertIn(line, done.stdout + done.stderr)

    def test_an_image_that_lies_in_the_workspace_runs(self):
        context = self.cluster.pipeline("")
        shutil.copytree(busybox_layout(self.cluster.folder), context + "/images/busybox")
        done = self.cluster.submit("""
[[step]]
id = "s"
image = "oci:images/busybox"
args = ["echo", "from a layout"]
""", context=context)
        self.assertIn("from a layout", done.stdout + done.stderr)
        done = self.cluster.submit("""
[[step]]
id = "s"
image = "oci:no/such/layout"
args = ["true"]
""", context=context, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("no/such/layout", done.stdout + done.stderr)

    def test_a_step_runs_as_its_images_user_in_a_workspace_of_its_own(self):
        image = self.cluster.push_variant("as-user", ["--config.user", "user"])
        build = self.cluster.submit_detached(f"""
[[step]]
id = "owner"
image = "IMAGE"
args = ["sh", "-c", "mkdir d; echo root >d/f; chmod 600 d/f"]
[[step]]
id = "user"
image = "{image}"
args = ["sh", "-ec", "id -u; cat d/f; echo user >>d/f; echo new >mine; stat -c %u mine d/f"]
[[step]]
id = "owner-again"
image = "IMAGE"
args = ["sh", "-c", "cat d/f mine; stat -c %u mine"]
""")
        ended = self.cluster.wait(build)
        self.assertEqual(ended["status"], "BUILD_STATUS_SUCCEEDED", ended)
        self.assertEqual(self.cluster.log(build, "user"), "1000\nroot\n1000\n1000\n")
        self.assertEqual(self.cluster.log(build, "owner-again"), "root\nuser\nnew\n0\n")

    def test_exit_codes_of_entry_points_that_cannot_run(self):
        for argument, code in [("no-such-program", 127), ("/etc/passwd", 126)]:
            done = self.cluster.submit(f"""
[[step]]
id = "s"
image = "IMAGE"
args = ["{argument}"]
""", check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn(f"exit code {code}", done.stdout + done.stderr)
            self.assertIn(argument, done.stdout + done.stderr)

    def test_the_same_key_is_the_same_build(self):
        text = '[[step]]\nid = "s"\nimage = "IMAGE"\nargs = ["true"]\n'
        context = self.cluster.pipeline(text)
        first = self.cluster.submit_detached(text, "--key", "the-key", context=context)
        self.assertEqual(self.cluster.submit_detached(text, "--key", "the-key", context=context), first)
        other = self.cluster.submit(text.replace("true", "false"), "--key", "the-key", check=False)
        self.assertNotEqual(other.returncode, 0)
        self.assertIn("the-key", other.stderr)


class MemoryLimitTest(unittest.TestCase):
    def test_a_step_over_its_memory_limit_is_killed_and_says_so(self):
        with Cluster(agents=1, agent_flags=["--step-memory", "32MiB"]) as cluster:
            done = cluster.submit("""
[[step]]
id = "eat"
image = "IMAGE"
args = ["sh", "-c", "x=a; while true; do x=$x$x; done"]
""", check=False)
            output = done.stdout + done.stderr
            self.assertEqual(done.returncode, 1, output)
            self.assertIn("137", output)
            self.assertRegex(output.lower(), "out of memory|memory limit")
            cluster.assert_no_residue()


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v"] + sys.argv[1:])
