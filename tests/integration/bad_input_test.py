#!/usr/bin/env python3
"""What users and machines get wrong: each ends in one clear message, the right exit status, and
nothing left behind."""

import os
import subprocess
import sys
import unittest

from cluster import Cluster, free_port


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
