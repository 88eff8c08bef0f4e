#!/usr/bin/env python3
"""How pipelines really end, on a fleet: the examples of manifest.json that have an outcome, and
LANGUAGE's rules about conditions and exit codes, one chain of steps each (chains.py).

The verbs' images are a busybox made here: the controller's configuration points there.
"""

import os
import sys
import unittest
from concurrent import futures

import chains
import examples
import outcomes
from cluster import Cluster

# Builds at a time.
AT_A_TIME = 6

IMAGE_KEYS = ["git", "curl", "builder", "kubectl", "shell"]


class VerbCluster(Cluster):
    """A cluster whose verbs all run the test's busybox."""

    def start_controller(self, failpoint=None):
        verbs = os.path.join(self.folder, "verbs.toml")
        with open(verbs, "w", encoding="utf-8") as f:
            f.write("[images]\n" + "".join(f'{key} = "{self.image}"\n' for key in IMAGE_KEYS))
        self.controller_flags = ["--verbs", verbs]
        super().start_controller(failpoint)


class OutcomeTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = VerbCluster(agents=2, slots=4)

    @classmethod
    def tearDownClass(cls):
        try:
            cls.cluster.assert_no_residue()
        finally:
            cls.cluster.stop()

    def run_all(self, command_lines):
        with futures.ThreadPoolExecutor(AT_A_TIME) as pool:
            return list(pool.map(lambda words: outcomes.submit(self.cluster.address, words),
                                 command_lines))

    def test_the_examples_end_as_they_say(self):
        cases = [e for e in examples.load() if "outcome" in e]
        self.assertGreaterEqual(len(cases), 3)
        ended = self.run_all([examples.arguments(e) for e in cases])
        for example, outcome in zip(cases, ended):
            with self.subTest(example["name"]):
                self.assertEqual(examples.check_outcome(example, outcome), [])
                for step, code in example["outcome"]["exit"].items():
                    self.assertEqual(outcome["codes"][step], code)

    def test_chains_end_as_the_language_says(self):
        command_lines = []
        for number, chain in enumerate(chains.CHAINS):
            path = os.path.join(self.cluster.folder, f"chain-{number}.toml")
            with open(path, "w", encoding="utf-8") as f:
                f.write(chains.toml(chain, self.cluster.registry_address))
            command_lines.append(["-f", path, *chain.flags])
        for chain, outcome in zip(chains.CHAINS, self.run_all(command_lines)):
            with self.subTest(chain.name):
                self.check(chain, outcome)

    def check(self, chain, outcome):
        status, codes = chains.expected(chain)
        self.assertEqual(outcome["status"], status, outcome["output"])
        self.assertEqual({step: outcome["codes"].get(step) for step in codes}, codes)
        for step, ended in status.items():
            if ended in ("skipped", "cancelled"):
                self.assertNotIn(step, outcome["codes"], "it has no code of its own")
        self.assertEqual(outcome["handled_by"], chain.handled)
        self.assertEqual((outcome["result"], outcome["exit_code"]), (chain.result, chain.exit_code))
        self.assertIn(chain.reason, outcome["reason"])
        self.assertIn(chain.told, outcome["output"])


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v"] + sys.argv[1:])
