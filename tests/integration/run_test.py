#!/usr/bin/env python3
"""`rallyctl run`: a build without a server, which leaves its containerd as it found it."""

import glob
import os
import signal
import subprocess
import unittest

from cluster import Cluster, eventually


class RunTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # For its registry, and a host with a containerd that nobody else uses.
        cls.cluster = Cluster(agents=1, start_agents=False)
        cls.host = cls.cluster.hosts[0]
        cls.folder = os.path.join(cls.cluster.folder, "run")
        os.mkdir(cls.folder)

    @classmethod
    def tearDownClass(cls):
        cls.cluster.stop()

    def setUp(self):
        self.mounts = self.mounts_now()

    def tearDown(self):
        self.assertEqual(self.residue(), [])

    def mounts_now(self):
        with open(f"/proc/{self.host.anchor.pid}/mountinfo", encoding="utf-8") as f:
            return [line.split()[4] for line in f]

    def processes(self):
        """What runs on the host besides the two that are its own."""
        own = os.readlink(f"/proc/{self.host.anchor.pid}/ns/mnt")
        found = []
        for process in glob.glob("/proc/[0-9]*"):
            try:
                if os.readlink(process + "/ns/mnt") != own:
                    continue
                with open(process + "/cmdline", "rb") as f:
                    command = f.read().decode(errors="replace").split("\0")
            except OSError:
                continue
            if command[0] not in ("sleep", "containerd", ""):
                found.append(" ".join(command))
        return found

    def residue(self):
        left = [f"folder {name}" for name in os.listdir(self.folder)]
        left += [f"mount {where}" for where in self.mounts_now() if where not in self.mounts]
        left += [f"process {process}" for process in self.processes()]
        left += [f"namespace {name}" for name in self.host.ctr("namespaces", "list", "--quiet")
                 if name.startswith("rally-run")]
        root = f"/proc/{self.host.anchor.pid}/root{self.host.folder}/containerd"
        # The folder is made with the first blob.
        left += [f"blob {os.path.basename(path)}" for path in
                 glob.glob(f"{root}/io.containerd.content.v1.content/blobs/sha256/*")]
        return left

    def start(self, text, *flags, files=()):
        folder = self.cluster.pipeline(text)
        for name, content in files:
            with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
                f.write(content)
        env = dict(os.environ, TMPDIR=self.folder, XDG_CACHE_HOME=self.cluster.folder + "/cache")
        return subprocess.Popen(
            self.host.enter([self.cluster.binary("rallyctl/rallyctl"), "run", "-f",
                             folder + "/rally.toml", *flags]),
            env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True)

    def run_pipeline(self, text, *flags, files=()):
        running = self.start(text, *flags, files=files)
        out, err = running.communicate(timeout=120)
        return running.returncode, out, err

    def test_success_puts_the_final_workspace_into_the_folder(self):
        to = os.path.join(self.cluster.folder, "result")
        status, out, err = self.run_pipeline(
            '[[step]]\nid = "a"\nimage = "IMAGE"\n'
            'args = ["sh", "-c", "tr a-z A-Z <in >upper; echo said"]\n'
            '[[step]]\nid = "b"\nimage = "IMAGE"\nargs = ["sh", "-c", "cat upper upper >twice"]\n',
            "--to", to, files=[("in", "text\n")])
        self.assertEqual(status, 0, err)
        self.assertIn("a | said\n", out)
        with open(os.path.join(to, "twice"), encoding="utf-8") as f:
            self.assertEqual(f.read(), "TEXT\nTEXT\n")
        with open(os.path.join(to, "in"), encoding="utf-8") as f:
            self.assertEqual(f.read(), "text\n")

    def test_a_build_that_has_nowhere_to_go_is_not_begun(self):
        status, out, err = self.run_pipeline(
            '[[step]]\nid = "a"\nimage = "IMAGE"\nargs = ["echo", "begun"]\n',
            "--to", self.cluster.folder + "/no/such")
        self.assertEqual((status, out), (2, ""), err)
        self.assertIn("mkdir -p " + self.cluster.folder + "/no", err)

    def test_a_failing_step_fails_the_command(self):
        status, _, err = self.run_pipeline(
            '[[step]]\nid = "a"\nimage = "IMAGE"\nargs = ["sh", "-c", "echo why; exit 3"]\n'
            '[[step]]\nid = "b"\nimage = "IMAGE"\nargs = ["true"]\n')
        self.assertEqual(status, 1, err)
        self.assertIn("step a failed, exit code 3\n  why\n", err)
        self.assertNotIn("exit code 3: exit code 3", err)
        self.assertIn("1 of 2 steps failed", err)

    def test_ctrl_c_ends_the_steps(self):
        running = self.start('[[step]]\nid = "a"\nimage = "IMAGE"\n'
                             'args = ["sh", "-c", "echo up; exec sleep 1000"]\n')
        self.assertEqual(running.stdout.readline(), "a | up\n")
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=60)
        self.assertEqual(running.returncode, 130, err)

    def test_a_namespace_that_was_there_is_kept(self):
        self.host.ctr("namespaces", "create", "somebodys")
        status, _, err = self.run_pipeline(
            '[[step]]\nid = "a"\nimage = "IMAGE"\nargs = ["true"]\n', "--namespace", "somebodys")
        self.assertEqual(status, 0, err)
        images = ["--namespace", "somebodys", "images"]
        ctr = self.host.enter(["ctr", "--address", self.host.socket])
        kept = subprocess.run(ctr + images + ["list", "--quiet"], check=True,
                              stdout=subprocess.PIPE, text=True).stdout.split()
        self.assertEqual(len([name for name in kept if name.startswith(self.cluster.image[:-2])]),
                         len(kept))
        self.assertTrue(kept)
        subprocess.run(ctr + images + ["remove", "--sync", *kept], check=True,
                       stdout=subprocess.DEVNULL)
        eventually(lambda: not self.residue(), what="an empty host")


if __name__ == "__main__":
    unittest.main(verbosity=2)
