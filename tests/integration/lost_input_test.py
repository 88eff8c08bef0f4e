#!/usr/bin/env python3
"""Blobs that the controller's store has lost: agents that have them send them again, else the step that
made them runs again, else the step that needs them fails and says why."""

import glob
import hashlib
import os
import shutil
import unittest

from cluster import Cluster, Ledger
from held_build import submit_until_made

def flip(path):
    with open(path, "r+b") as f:
        first = f.read(1)
        f.seek(0)
        f.write(bytes([first[0] ^ 1]))


class LostInputTest(unittest.TestCase):
    def setUp(self):
        self.ledger = Ledger()
        self.addCleanup(self.ledger.close)
        self.cluster = Cluster(agents=2, agent_flags=["--network", "host"],
                               controller_flags=["--suspect-after", "6s", "--lost-after", "12s"])
        self.addCleanup(self.cluster.stop)

    def blob(self, digest):
        """The file in the controller's store."""
        name = f"{digest['hash'][2:]}-{digest['size_bytes']}"
        found = [path for path in glob.glob(f"{self.cluster.folder}/controller/blobs/**/{name}",
                                            recursive=True) if "quarantine" not in path]
        self.assertEqual(len(found), 1, f"{digest}: {found}")
        return found[0]

    def blob_of(self, text):
        return self.blob({"hash": hashlib.sha256(text).hexdigest(), "size_bytes": len(text)})

    def until_made(self, rerun="safe"):
        build = submit_until_made(self.cluster, self.ledger, rerun)
        # Others were prepared ahead of time, perhaps, and given up.
        self.made_by = self.cluster.steps(build)["make"]["attempt"]
        return build

    def end(self, build):
        self.ledger.open("hold")
        ended = self.cluster.wait(build)
        return ended, {s["id"]: s for s in ended["steps"]}

    def forget_trees(self, host):
        """The agent comes back without anything in its cache."""
        host.agent.stop()
        shutil.rmtree(f"/proc/{host.anchor.pid}/root{host.data}/workspaces")
        host.start()
        self.cluster.wait_for_agents(2)

    def assert_used(self, build, ended, steps):
        self.assertEqual(ended["status"], "BUILD_STATUS_SUCCEEDED", steps)
        self.assertEqual(self.cluster.log(build, "use"), "made by make\nother\n")
        self.assertEqual(steps["use"]["agent"], "agent-2")
        self.assertEqual(self.ledger.lines.count("use"), 1)

    def assert_sent_again(self, build):
        ended, steps = self.end(build)
        self.assert_used(build, ended, steps)
        self.assertEqual(self.ledger.lines.count("make"), 1)
        self.assertEqual(steps["make"]["attempt"], self.made_by)
        self.assertIn("agent agent-1 sent them again", " ".join(steps["use"]["warnings"]))
        self.blob_of(b"made by make\n")

    def test_an_agent_sends_removed_blobs_again(self):
        build = self.until_made()
        os.remove(self.blob_of(b"made by make\n"))
        os.remove(self.blob_of(b"other\n"))
        self.assert_sent_again(build)

    def test_an_agent_sends_damaged_blobs_again(self):
        build = self.until_made()
        flip(self.blob_of(b"made by make\n"))
        self.assert_sent_again(build)

    def test_an_agent_sends_a_removed_directory_again(self):
        build = self.until_made()
        os.remove(self.blob(self.cluster.steps(build)["make"]["output"]))
        flip(self.blob_of(b"made by make\n"))
        ended, steps = self.end(build)
        self.assert_used(build, ended, steps)
        self.assertEqual(self.ledger.lines.count("make"), 1)

    def test_without_the_agent_the_step_runs_again(self):
        build = self.until_made()
        os.remove(self.blob_of(b"made by make\n"))
        self.cluster.hosts[0].agent.kill()
        ended, steps = self.end(build)
        self.assert_used(build, ended, steps)
        self.assertEqual(self.ledger.lines.count("make"), 2)
        self.assertEqual((steps["make"]["attempt"], steps["make"]["agent"]),
                         (self.made_by + 1, "agent-2"))
        self.assertEqual(steps["make"]["status"], "STEP_STATUS_SUCCEEDED")
        self.assertIn("step make runs again", " ".join(ended["warnings"]))

    def test_without_its_cache_the_step_runs_again(self):
        build = self.until_made()
        flip(self.blob_of(b"made by make\n"))
        self.forget_trees(self.cluster.hosts[0])
        ended, steps = self.end(build)
        self.assert_used(build, ended, steps)
        self.assertEqual(self.ledger.lines.count("make"), 2)
        self.assertEqual(steps["make"]["attempt"], self.made_by + 1)

    def test_a_step_that_may_not_run_again_is_the_end(self):
        build = self.until_made(rerun="never")
        os.remove(self.blob_of(b"made by make\n"))
        self.forget_trees(self.cluster.hosts[0])
        ended, steps = self.end(build)
        self.assertEqual(ended["status"], "BUILD_STATUS_FAILED")
        use = steps["use"]
        self.assertEqual((use["status"], use["exit_code"]), ("STEP_STATUS_ERRORED", 125))
        self.assertIn(hashlib.sha256(b"made by make\n").hexdigest(), use["message"])
        self.assertIn("step make, which made it, isn't run again", use["message"])
        self.assertEqual(self.ledger.lines.count("make"), 1)
        self.assertEqual(self.ledger.lines.count("use"), 0)

    def test_a_lost_context_must_be_submitted_again(self):
        for host in self.cluster.hosts:
            self.cluster.rallyctl("agents", "drain", host.name)
        context = self.cluster.pipeline("")
        with open(f"{context}/source", "w", encoding="utf-8") as f:
            f.write("from the user\n")
        text = """
[[step]]
id = "only"
image = "IMAGE"
args = ["cat", "source"]
"""
        build = self.cluster.submit_detached(text, context=context)
        os.remove(self.blob_of(b"from the user\n"))
        self.cluster.only("agent-1")
        ended = self.cluster.wait(build)
        self.assertEqual(ended["status"], "BUILD_STATUS_FAILED")
        message = ended["steps"][0]["message"]
        self.assertIn(hashlib.sha256(b"from the user\n").hexdigest(), message)
        self.assertIn("submit it again", message)
        again = self.cluster.submit_detached(text, context=context)
        self.assertEqual(self.cluster.wait(again)["status"], "BUILD_STATUS_SUCCEEDED")
        self.assertEqual(self.cluster.log(again, "only"), "from the user\n")


if __name__ == "__main__":
    unittest.main(verbosity=2)
