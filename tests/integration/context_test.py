#!/usr/bin/env python3
"""What of a context goes to the controller, seen from outside of both: by a relay between them that
counts bytes, and by the files of the controller's store."""

import glob
import json
import os
import signal
import struct
import subprocess
import time
import unittest

from cluster import Cluster
from relay import Relay

MIB = 1 << 20
STEP = '[[step]]\nid = "s"\nimage = "IMAGE"\nargs = ["true"]\n'


class ContextTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(agents=0)
        os.environ["XDG_CACHE_HOME"] = cls.cluster.folder + "/cache"
        cls.relays = 0

    @classmethod
    def tearDownClass(cls):
        cls.cluster.stop()

    def relay(self, **kwargs):
        ContextTest.relays += 1
        return Relay(f"{self.cluster.folder}/relay-{self.relays}", self.cluster.folder + "/c.sock",
                     **kwargs)

    def write(self, path, content):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(content)

    def start(self, relay, context, *flags):
        return subprocess.Popen(
            [self.cluster.binary("rallyctl/rallyctl"), "--server", relay.address, "submit", "--detach",
             "-f", context + "/rally.toml", *flags], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True)

    def submit(self, context, *flags):
        """The bytes that were sent, and what rallyctl said."""
        with self.relay() as relay:
            running = self.start(relay, context, *flags)
            out, said = running.communicate(timeout=120)
            self.assertEqual(running.returncode, 0, out + said)
            return relay.sent_bytes, said

    def stored(self):
        """HASH-SIZE of each blob in the controller's store, whether it has a file of its own or not."""
        blobs = self.cluster.folder + "/controller/blobs"
        names = ["".join(path.split("/")[-2:]) for path in glob.glob(blobs + "/cas/*/*")]
        for path in glob.glob(blobs + "/packs/*"):
            with open(path, "rb") as f:
                # controller/blob/pack_table.cc
                _, rows = struct.unpack("<8sQ", f.read(16))
                for _ in range(rows):
                    digest, size = struct.unpack("<32sI", f.read(36))
                    names.append(f"{digest.hex()}-{size}")
        return sorted(names)

    def test_an_unchanged_tree_of_20000_files_sends_no_blob(self):
        context = self.cluster.pipeline(STEP)
        for folder in range(200):
            for file in range(100):
                self.write(f"{context}/t/{folder}/{file}", os.urandom(50))
        first, said = self.submit(context)
        self.assertIn("uploaded", said)
        self.assertGreater(first, 20000 * 50)
        before = self.stored()
        self.assertGreater(len(before), 20200)
        again, said = self.submit(context)
        self.assertIn("20001 files", said)
        self.assertIn("nothing new to upload", said)
        # 202 folders are asked about, by digests of about 75 bytes.
        self.assertLess(again, 40_000)
        self.assertEqual(self.stored(), before)

        # A file more costs itself, and the folders that it is in.
        self.write(f"{context}/t/7/7", os.urandom(3000))
        changed, said = self.submit(context)
        self.assertIn("known already", said)
        self.assertLess(changed, again + 60_000)
        self.assertEqual(len(self.stored()), len(before) + 4)

    def test_what_the_store_lost_is_sent_again(self):
        context = self.cluster.pipeline(STEP)
        content = os.urandom(5000)
        self.write(context + "/a/file", content)
        before = set(self.stored())
        self.submit(context)
        lost = [f for f in set(self.stored()) - before if f.endswith("-5000")]
        self.assertEqual(len(lost), 1)
        path = f"{self.cluster.folder}/controller/blobs/cas/{lost[0][:2]}/{lost[0][2:]}"
        os.unlink(path)
        # The folder that has it is there, so the file isn't asked about: the controller notices.
        sent, said = self.submit(context)
        self.assertIn("uploaded", said)
        self.assertGreater(sent, len(content))
        with open(path, "rb") as f:
            self.assertEqual(f.read(), content)

    def test_an_interrupted_upload_goes_on_with_what_was_not_sent(self):
        context = self.cluster.pipeline(STEP)
        for file in range(40):
            self.write(f"{context}/{file:02}", os.urandom(2 * MIB))
        with self.relay(stall_after=50 * MIB) as relay:
            running = self.start(relay, context)
            self.assertTrue(relay.stalled.wait(60))
            running.send_signal(signal.SIGINT)
            _, said = running.communicate(timeout=60)
            self.assertEqual(running.returncode, 130, said)
            self.assertIn("no build was made. The next submit goes on with what was uploaded", said)
            self.assertGreater(relay.sent_bytes, 45 * MIB)
        sent, _ = self.submit(context)
        self.assertLess(sent, 40 * MIB, "what was sent whole isn't sent again")
        self.assertGreater(sent, 28 * MIB)

    def test_an_interrupted_upload_goes_on_within_a_large_file(self):
        context = self.cluster.pipeline(STEP)
        self.write(context + "/large", os.urandom(96 * MIB))
        with self.relay(stall_after=50 * MIB) as relay:
            running = self.start(relay, context)
            self.assertTrue(relay.stalled.wait(60))
            running.send_signal(signal.SIGINT)
            running.communicate(timeout=60)
            self.assertNotEqual(running.returncode, 0)
        sent, _ = self.submit(context)
        self.assertLess(sent, 52 * MIB, "what the controller has of the file isn't sent again")
        self.assertGreater(sent, 46 * MIB)

    def test_a_controller_that_goes_away_amid_the_upload_is_waited_for(self):
        context = self.cluster.pipeline(STEP)
        self.write(context + "/large", os.urandom(30 * MIB))
        relay = self.relay(stall_after=10 * MIB)
        running = self.start(relay, context, "--patience", "4s")
        self.assertTrue(relay.stalled.wait(60))
        relay.vanish()
        away = time.monotonic()
        _, said = running.communicate(timeout=60)
        self.assertEqual(running.returncode, 3, said)
        self.assertGreater(time.monotonic() - away, 3.9)
        self.assertIn("cannot reach the controller at " + relay.address, said)
        self.assertIn("no build was made, and the same command goes on", said)

    def test_progress_tells_how_much_is_known(self):
        context = self.cluster.pipeline(STEP)
        for file in range(10):
            self.write(f"{context}/{file}", os.urandom(MIB))
        self.submit(context)
        self.write(context + "/more", os.urandom(64 * MIB))
        _, said = self.submit(context, "--progress", "json")
        events = [json.loads(line) for line in said.splitlines()]
        events = [e for e in events if e["event"] == "context" and "known_bytes" in e]
        for event in events:
            self.assertGreater(event["known_bytes"], 10 * MIB)
            self.assertLessEqual(event["uploaded_bytes"], event["missing_bytes"])
        self.assertEqual(sorted(e["uploaded_bytes"] for e in events),
                         [e["uploaded_bytes"] for e in events])
        last = events[-1]
        self.assertEqual((last["phase"], last["files"]), ("ready", 12))
        self.assertEqual(last["uploaded_bytes"], last["missing_bytes"])
        _, said = self.submit(context, "--progress", "quiet")
        self.assertEqual(said, "")


if __name__ == "__main__":
    unittest.main(verbosity=2)
