#!/usr/bin/env python3
"""Builds whose blobs are in a store that isn't the controller's: one of ours, and one that nobody
here wrote."""

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
import unittest

import runfiles_path
from cluster import Cluster, Ledger, Process, eventually
from held_build import submit_until_made


class Store:
    """A blob store in a process of its own, which can be away for a while."""

    def __init__(self, *command, arguments=()):
        self.folder = tempfile.mkdtemp(prefix="rally-store-")
        os.mkdir(self.folder + "/data")
        self.command = command
        self.arguments = arguments
        self.process = None
        self.address = ""
        self.start()

    def start(self):
        # At the same address when it comes back.
        self.log = tempfile.mktemp(prefix="log-", dir=self.folder)
        where = [self.address] if self.address else self.arguments
        self.process = Process("store", [*self.command, self.folder + "/data", *where], self.log)
        self.address = eventually(self._address, what="a blob store that listens")

    def _address(self):
        with open(self.log, encoding="utf-8") as f:
            text = f.read()
        assert self.process.alive(), text
        found = re.search(r"^listening on (\S+)\n", text, re.M)
        return found and found.group(1)

    @property
    def url(self):
        return "grpc://" + self.address

    def files(self):
        return [os.path.join(root, name)
                for root, _, names in os.walk(self.folder + "/data") for name in names]

    def close(self):
        self.process.kill()
        shutil.rmtree(self.folder)


def our_store():
    return Store(runfiles_path.find("tests/blob/blob-server"))


def buildstream_store():
    return Store("/usr/bin/python3", runfiles_path.find("tests/blob/buildstream_server.py"))


class ExternalStoreTest(unittest.TestCase):
    def build_on_both_and_fetch(self, make_store, instance, agents_know_it):
        with contextlib.ExitStack() as stack:
            store = make_store()
            stack.callback(store.close)
            ledger = Ledger()
            stack.callback(ledger.close)
            flags = ["--blob-endpoint", store.url + instance]
            cluster = stack.enter_context(Cluster(
                agents=2, controller_flags=flags,
                agent_flags=["--network", "host"] + (flags if agents_know_it else [])))
            cluster.only("agent-1")
            context = cluster.pipeline("")
            os.mkdir(context + "/src")
            for name, size in [("src/small", 10), ("src/large", 5_000_000)]:
                with open(f"{context}/{name}", "wb") as f:
                    f.write(os.urandom(size))
            build = cluster.submit_detached(
                f"""
[[step]]
id = "make"
image = "IMAGE"
args = ["sh", "-ec", '''mkdir out; cat src/small src/large >out/both; rm -r src
{ledger.say("gate make")}''']
[[step]]
id = "other"
image = "IMAGE"
whenAll = ["-"]
args = ["sh", "-ec", "echo other >aside"]
[[step]]
id = "use"
image = "IMAGE"
whenAll = ["make", "other"]
args = ["sh", "-ec", "wc -c <out/both >size; cat aside; chmod 600 out/both"]
""", context=context)
            ledger.wait_for("gate make")
            cluster.only("agent-2")
            ledger.open("make")
            ended = cluster.wait(build)
            steps = {s["id"]: s for s in ended["steps"]}
            self.assertEqual(ended["status"], "BUILD_STATUS_SUCCEEDED", steps)
            self.assertEqual((steps["make"]["agent"], steps["use"]["agent"]),
                             ("agent-1", "agent-2"))
            self.assertEqual(cluster.log(build, "use"), "other\n")
            home = tempfile.mkdtemp(dir=cluster.folder)
            cluster.rallyctl("fetch", build, "--to", home + "/x")
            with open(context + "/src/small", "rb") as small, \
                    open(context + "/src/large", "rb") as large, \
                    open(home + "/x/out/both", "rb") as both:
                self.assertEqual(both.read(), small.read() + large.read())
            with open(home + "/x/size", encoding="utf-8") as f:
                self.assertEqual(f.read(), "5000010\n")
            self.assertEqual(sorted(os.listdir(home + "/x")), ["aside", "out", "rally.toml", "size"])
            # All of it is there, and nothing here.
            self.assertTrue([f for f in store.files() if os.path.getsize(f) == 5_000_010])
            self.assertFalse(os.path.exists(cluster.folder + "/controller/blobs"))
            # The same again costs no bytes.
            again = cluster.submit("[[step]]\nid = \"s\"\nimage = \"IMAGE\"\nargs = [\"true\"]\n",
                                   "--progress", "json", context=context)
            self.assertIn('"missing_bytes":0', again.stderr.replace(" ", ""))
            cluster.assert_no_residue()

    def test_a_second_process_of_ours(self):
        self.build_on_both_and_fetch(our_store, "/fleet/one", agents_know_it=True)

    def test_agents_that_only_know_the_controller(self):
        self.build_on_both_and_fetch(our_store, "", agents_know_it=False)

    def test_buildstreams_server(self):
        self.build_on_both_and_fetch(buildstream_store, "", agents_know_it=True)

    def test_buildstreams_server_through_the_controller(self):
        self.build_on_both_and_fetch(buildstream_store, "", agents_know_it=False)

    def lose_a_blob(self, make_store, and_its_agent):
        """Builds up to the step that needs a blob, which goes then; returns the build's end."""
        with contextlib.ExitStack() as stack:
            store = make_store()
            stack.callback(store.close)
            ledger = Ledger()
            stack.callback(ledger.close)
            flags = ["--blob-endpoint", store.url]
            cluster = stack.enter_context(Cluster(
                agents=2, agent_flags=["--network", "host"] + flags,
                controller_flags=flags + ["--suspect-after", "6s", "--lost-after", "12s"]))
            build = submit_until_made(cluster, ledger)
            gone = [f for f in store.files() if read(f) == "made by make\n"]
            self.assertEqual(len(gone), 1)
            os.remove(gone[0])
            if and_its_agent:
                cluster.hosts[0].agent.kill()
            ledger.open("hold")
            ended = cluster.wait(build)
            self.assertEqual(ended["status"], "BUILD_STATUS_SUCCEEDED", ended)
            self.assertEqual(cluster.log(build, "use"), "made by make\nother\n")
            return ended, {s["id"]: s for s in ended["steps"]}

    def test_an_agent_sends_again_what_our_store_lost(self):
        _, steps = self.lose_a_blob(our_store, and_its_agent=False)
        self.assertIn("agent agent-1 sent them again", " ".join(steps["use"]["warnings"]))

    def test_an_agent_sends_again_what_buildstreams_server_lost(self):
        _, steps = self.lose_a_blob(buildstream_store, and_its_agent=False)
        self.assertIn("agent agent-1 sent them again", " ".join(steps["use"]["warnings"]))

    def test_what_nobody_has_is_made_again(self):
        ended, steps = self.lose_a_blob(buildstream_store, and_its_agent=True)
        self.assertIn("step make runs again", " ".join(ended["warnings"]))
        self.assertEqual(steps["make"]["agent"], "agent-2")

    def test_a_store_that_is_away_for_a_while(self):
        """Running steps go on, and their results wait; submissions are told who is away."""
        with contextlib.ExitStack() as stack:
            store = our_store()
            stack.callback(store.close)
            ledger = Ledger()
            stack.callback(ledger.close)
            flags = ["--blob-endpoint", store.url]
            cluster = stack.enter_context(Cluster(
                agents=1, slots=2, controller_flags=flags,
                agent_flags=["--network", "host"] + flags))
            text = f"""
[[step]]
id = "a"
image = "IMAGE"
args = ["sh", "-ec", '''{ledger.say("gate a")}; echo a >a''']
[[step]]
id = "b"
image = "IMAGE"
whenAll = ["-"]
args = ["sh", "-ec", '''{ledger.say("gate b")}; echo b >b''']
[[step]]
id = "both"
image = "IMAGE"
whenAll = ["a", "b"]
args = ["cat", "a", "b"]
"""
            build = cluster.submit_detached(text)
            ledger.wait_for("gate a")
            ledger.wait_for("gate b")
            store.process.kill()
            ledger.open("a")
            ledger.open("b")
            refused = cluster.submit("[[step]]\nid = \"s\"\nimage = \"IMAGE\"\nargs = [\"true\"]\n",
                                     check=False)
            self.assertNotEqual(refused.returncode, 0)
            self.assertIn(f"the blob store {store.url}", refused.stderr)
            eventually(lambda: "capturing:" in read(cluster.folder + "/agent-1.log"), 60,
                       "an agent that found the store away")
            states = {s["id"]: s["status"] for s in cluster.get(build)["steps"]}
            self.assertNotIn("STEP_STATUS_FAILED", states.values())
            self.assertNotIn("STEP_STATUS_ERRORED", states.values())
            store.start()
            ended = cluster.wait(build)
            self.assertEqual(ended["status"], "BUILD_STATUS_SUCCEEDED", ended)
            self.assertEqual(cluster.log(build, "both"), "a\nb\n")
            self.assertEqual({s["attempt"] for s in ended["steps"]}, {1})

    def test_tls_with_certificates_on_both_sides(self):
        folder = tempfile.mkdtemp(prefix="rally-tls-")
        self.addCleanup(shutil.rmtree, folder)
        make_certificates(folder)
        store = Store("/usr/bin/python3", runfiles_path.find("tests/blob/buildstream_server.py"),
                      arguments=["127.0.0.1:0", folder])
        self.addCleanup(store.close)
        url = "grpcs://localhost:" + store.address.rsplit(":", 1)[1]
        controller = [runfiles_path.find("controller/rally-controller"), "--data",
                      folder + "/data", "--listen"]
        files = ["--tls-cert", folder + "/cert.pem", "--tls-key", folder + "/key.pem",
                 "--tls-ca", folder + "/ca.pem"]
        log = folder + "/controller.log"
        process = Process("controller", [*controller, "127.0.0.1:0", *files, "--blob-endpoint", url],
                          log)
        self.addCleanup(process.stop)
        eventually(lambda: "listening on" in read(log) or not process.alive(),
                   what="a controller that listens")
        self.assertTrue(process.alive(), read(log))
        process.stop()
        # None of the system's authorities vouches for that store.
        done = subprocess.run(
            [*controller, f"unix:{folder}/c.sock", "--insecure", "--blob-endpoint", url],
            check=False, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn(f"the blob store {url} could not be reached", done.stderr)

    def test_a_controller_says_what_is_wrong_with_its_store(self):
        folder = tempfile.mkdtemp(prefix="rally-no-store-")
        self.addCleanup(shutil.rmtree, folder)
        controller = runfiles_path.find("controller/rally-controller")
        argv = [controller, "--insecure", "--data", folder + "/data", "--listen",
                f"unix:{folder}/c.sock", "--blob-endpoint"]
        gone = our_store()
        url = gone.url
        gone.close()
        done = subprocess.run([*argv, url], check=False, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=60)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn(f"the blob store {url} could not be reached within 10s", done.stderr)
        done = subprocess.run([*argv, "grpc://cache.example:1"], check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("use grpcs://", done.stderr)


def make_certificates(folder):
    """key.pem and cert.pem, for localhost, signed by ca.pem."""
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    with open(folder + "/ext", "w", encoding="utf-8") as f:
        f.write("subjectAltName=DNS:localhost\n")
    for arguments in [
            ["req", "-x509", *curve, "-days", "30", "-subj", "/CN=test-ca", "-keyout", "ca.key",
             "-out", "ca.pem"],
            ["req", *curve, "-subj", "/CN=localhost", "-keyout", "key.pem", "-out", "csr"],
            ["x509", "-req", "-in", "csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
             "-days", "30", "-extfile", "ext", "-out", "cert.pem"]]:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)


def read(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read()


if __name__ == "__main__":
    unittest.main(verbosity=2)
