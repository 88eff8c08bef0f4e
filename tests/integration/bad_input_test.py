#!/usr/bin/env python3
"""What users and machines get wrong: each ends in one clear message, the right exit status, and
nothing left behind."""

import os
import subprocess
import sys
import time
import unittest

from cluster import Cluster, eventually, free_port


def step(image="IMAGE", args='["true"]'):
    return f'[[step]]\nid = "s"\nimage = "{image}"\nargs = {args}\n'


class BadInputTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(agents=1)

    @classmethod
    def tearDownClass(cls):
        try:
            cls.cluster.assert_no_residue()
        finally:
            cls.cluster.stop()

    def submit(self, text, **kwargs):
        done = self.cluster.submit(text, check=False, **kwargs)
        return done.returncode, done.stdout + done.stderr

    def test_a_pipeline_that_does_not_parse(self):
        status, output = self.submit('[[step]]\nid = "s"\nimage = "x"\nargs = ["a"\n')
        self.assertEqual(status, 2)
        self.assertRegex(output, r"rally\.toml:\d+:\d+: error: TOML syntax")

    def test_every_error_of_a_pipeline_is_told_at_once(self):
        status, output = self.submit('[[step]]\nid = "a b"\nimage = "x"\nargz = ["a"]\n'
                                     '[[step]]\nid = "b"\nimage = "x"\nwhenAll = ["nope"]\n')
        self.assertEqual(status, 2)
        for text in ['id "a b"', 'unknown key "argz"', 'waits for "nope"']:
            self.assertIn(text, output)

    def test_an_unknown_image(self):
        status, output = self.submit(step(self.cluster.registry_address + "/none:1"))
        self.assertEqual(status, 1)
        self.assertIn("/none:1", output)
        self.assertIn("125", output)

    def test_an_unreachable_registry(self):
        status, output = self.submit(step(f"127.0.0.1:{free_port()}/busybox:1"))
        self.assertEqual(status, 1)
        self.assertIn("127.0.0.1:", output)
        self.assertRegex(output.lower(), "connect|reach")

    def test_a_digest_that_does_not_match(self):
        status, output = self.submit(
            step(f"{self.cluster.registry_address}/busybox@sha256:{'0' * 64}"))
        self.assertEqual(status, 1)
        self.assertIn("sha256:0000", output)

    def test_a_workspace_that_cannot_be_captured(self):
        status, output = self.submit(step(args="""["sh", "-c", "touch $(printf 'bad\\\\377name')"]"""))
        self.assertEqual(status, 1)
        self.assertIn("125", output)
        self.assertIn("UTF-8", output)

    def test_a_file_that_is_too_large_for_a_workspace(self):
        begin = time.monotonic()
        status, output = self.submit(step(args='["truncate", "-s", "2000G", "big"]') + 'timeout = "20s"\n')
        self.assertLess(time.monotonic() - begin, 60)
        self.assertEqual(status, 1)
        self.assertIn("exit code 125", output)
        self.assertIn("'big' has 2147483648000 bytes (2.0 TiB), more than the 64.0 GiB", output)

    def test_cancelling_what_is_captured(self):
        # As much as may be, and minutes of hashing.
        build = self.cluster.submit_detached(
            step(args="""["sh", "-c", "for i in $(seq 16); do truncate -s 64G $i; done"]"""))
        eventually(lambda: self.hashes(), what="the capture")
        begin = time.monotonic()
        self.cluster.rallyctl("cancel", build)
        ended = self.cluster.wait(build)
        self.assertLess(time.monotonic() - begin, 10)
        self.assertEqual(ended["status"], "BUILD_STATUS_CANCELLED")
        eventually(lambda: not self.hashes(), what="the end of hashing")

    def hashes(self):
        """Whether the agent has a file of 64 GiB open."""
        found = []
        for pid in self.cluster.hosts[0].processes():
            try:
                for fd in os.listdir(f"/proc/{pid}/fd"):
                    found.append(os.stat(f"/proc/{pid}/fd/{fd}").st_size == 64 << 30)
            except OSError:
                continue
        return any(found)

    def test_a_working_directory_that_is_a_file(self):
        pipeline = (step(args='["touch", "file"]') +
                    '[[step]]\nid = "t"\nimage = "IMAGE"\nargs = ["true"]\nworkDir = "file"\n')
        build = self.cluster.submit_detached(pipeline)
        self.cluster.wait(build)
        failed = {s["id"]: s for s in self.cluster.get(build)["steps"]}["t"]
        self.assertEqual(failed["status"], "STEP_STATUS_ERRORED")
        self.assertEqual(failed["exit_code"], 125)
        self.assertEqual(failed["message"], "starting the step's process: cannot enter the working "
                         "directory /workspace/file: Not a directory")
        self.assertIn("rally: cannot enter the working directory", self.cluster.log(build, "t"))

    def test_a_working_directory_beyond_what_a_path_may_have(self):
        status, output = self.submit(step() + f'workDir = "{"x" * 200 + "/" + "y" * 5000}"\n')
        self.assertEqual(status, 1)
        self.assertIn("exit code 125", output)
        self.assertIn("...: File name too long", output)

    def test_a_process_that_ends_with_125_by_itself(self):
        build = self.cluster.submit_detached(
            step(args="""["sh", "-c", "echo '20 I did not start' > /.rally/start; exit 125"]"""))
        self.cluster.wait(build)
        failed = self.cluster.get(build)["steps"][0]
        self.assertEqual((failed["status"], failed["exit_code"]), ("STEP_STATUS_FAILED", 125))

    def test_a_controller_that_is_not_there(self):
        folder = self.cluster.pipeline(step())
        done = subprocess.run(
            [self.cluster.binary("rallyctl/rallyctl"), "--server", "unix:/nowhere/c.sock", "submit",
             "-f", folder + "/rally.toml"], check=False, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=120)
        self.assertEqual(done.returncode, 3)
        self.assertIn("/nowhere/c.sock", done.stdout)

    def test_words_that_mean_nothing(self):
        for words in [["nonsense"], ["get", "no-such-build"], ["agents", "drain", "nobody"],
                      ["submit", "-f", "/no/such/rally.toml"]]:
            done = self.cluster.rallyctl(*words, check=False)
            self.assertNotEqual(done.returncode, 0, words)
            self.assertTrue(done.stderr.strip(), words)

    def test_plaintext_beyond_this_machine_is_refused(self):
        done = subprocess.run(
            [self.cluster.binary("controller/rally-controller"), "--insecure", "--listen",
             "0.0.0.0:0", "--data", self.cluster.folder + "/refused"], check=False, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=20)
        self.assertEqual(done.returncode, 2)
        self.assertIn("loopback", done.stdout)


class FullDiskTest(unittest.TestCase):
    def test_a_full_disk_on_the_agent_is_said_and_survived(self):
        with Cluster(agents=1, start_agents=False) as cluster:
            host = cluster.hosts[0]
            subprocess.run(host.enter(["sh", "-c", f"mkdir -p {host.data} && mount -t tmpfs -o size=48m "
                                                   f"tmpfs {host.data}"]), check=True)
            host.start()
            cluster.wait_for_agents(1)
            done = cluster.submit(step(args='["sh", "-c", "head -c 200000000 /dev/zero >big"]'),
                                  check=False)
            output = done.stdout + done.stderr
            self.assertEqual(done.returncode, 1, output)
            self.assertRegex(output, "No space left|disk")
            # The space is free again, and the next build works without a restart.
            done = cluster.submit(step(args='["echo", "fine"]'), check=False)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertTrue(os.path.isdir(host.folder))


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v"] + sys.argv[1:])
