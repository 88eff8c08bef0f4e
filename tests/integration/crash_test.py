#!/usr/bin/env python3
"""What SIGKILL may not do: lose a build, run a step twice, lose or repeat a byte of a log.

The witness is a ledger outside of Rally, to which every step sends its start and its end.
"""

import collections
import random
import signal
import sys
import threading
import time
import unittest

from cluster import Cluster, Ledger, eventually

SEED = 20261122


def counts(ledger, build_tag):
    return collections.Counter(line for line in ledger.lines if line.startswith(build_tag + " "))


class ControllerKilledTest(unittest.TestCase):
    def test_thirty_kills_at_seeded_moments_run_nothing_twice(self):
        """The build has a step between each pair of write-ahead rules at any moment: chains and a
        fan on both agents, so that a kill at a random moment falls between prepare, grant, start,
        result and acknowledgement of some step."""
        rng = random.Random(SEED)
        ledger = Ledger()
        with Cluster(agents=2, agent_flags=["--network", "host"]) as cluster:
            kills = 0
            builds = 0
            while kills < 30:
                builds += 1
                tag = f"b{builds}"
                steps = []
                for lane in "xyz":
                    for n in range(4):
                        name = f"{lane}{n}"
                        wait = '["-"]' if n == 0 else f'["{lane}{n - 1}"]'
                        steps.append(
                            f'[[step]]\nid = "{name}"\nimage = "IMAGE"\nwhenAll = {wait}\n'
                            f'args = ["sh", "-ec", "{ledger.say(f"{tag} start {name}")}; '
                            f'seq 1 2000; echo {name} >{name}; {ledger.say(f"{tag} end {name}")}"]\n')
                names = [f"{lane}{n}" for lane in "xyz" for n in range(4)]
                steps.append('[[step]]\nid = "all"\nimage = "IMAGE"\nargs = ["sh", "-c", "cat '
                             + " ".join(names) + '"]\nwhenAll = ["x3", "y3", "z3"]\n')
                build = cluster.submit_detached("\n".join(steps))
                for _ in range(5):
                    # Anything from "at once" to "a few steps later", at microsecond grain.
                    time.sleep(rng.uniform(0, 0.4))
                    cluster.controller.kill(signal.SIGKILL)
                    kills += 1
                    cluster.start_controller()
                ended = cluster.wait(build, 120)
                self.assertEqual(ended["status"], "BUILD_STATUS_SUCCEEDED", ended)
                seen = counts(ledger, tag)
                for name in names:
                    self.assertEqual(seen[f"{tag} start {name}"], 1, f"starts of {name}, seed {SEED}")
                    self.assertEqual(seen[f"{tag} end {name}"], 1, f"ends of {name}, seed {SEED}")
                self.assertEqual(cluster.log(build, "all"), "".join(n + "\n" for n in names))
                expected = "".join(f"{i}\n" for i in range(1, 2001))
                for name in names:
                    self.assertEqual(cluster.log(build, name), expected, f"log of {name}")
            cluster.assert_no_residue()
        ledger.close()


# A place between each pair of write-ahead rules of the controller (RELIABILITY 2.3), and which time the
# controller gets there it is killed.
PLACES = [
    ("before-commit:build-submitted", 1),    # W9: nothing was promised
    ("after-commit:build-submitted", 1),     # W9: durable, not answered
    ("before-send:prepare", 2),              # W1: assigned, the agent doesn't know
    ("after-send:prepare", 1),
    ("before-commit:attempt-prepared", 2),
    ("after-commit:attempt-prepared", 1),
    ("before-send:start-grant", 2),          # W3: granted, not sent
    ("after-send:start-grant", 1),
    ("before-commit:attempt-started", 1),
    ("before-commit:attempt-ended", 2),      # W6: a result received, not kept
    ("after-commit:attempt-ended", 1),       # W6: kept, not acknowledged
    ("before-send:result-ack", 2),
    ("after-send:result-ack", 1),
    ("before-commit:tree-joined", 1),
    ("after-commit:tree-joined", 1),
    ("before-log-ack", 1),                   # W8: bytes durable, not acknowledged
    ("before-send:welcome", 1),              # recovery itself
]


class ControllerKilledBetweenRulesTest(unittest.TestCase):
    def test_a_kill_between_each_pair_of_write_ahead_rules_runs_nothing_twice(self):
        ledger = Ledger()
        with Cluster(agents=2, agent_flags=["--network", "host"]) as cluster:
            for n, (place, count) in enumerate(PLACES):
                with self.subTest(place=place):
                    self.kill_at(cluster, ledger, f"p{n}", f"{place}*{count}")
            cluster.assert_no_residue()
        ledger.close()

    def kill_at(self, cluster, ledger, tag, failpoint):
        step = ('[[step]]\nid = "{0}"\nimage = "IMAGE"\nwhenAll = {1}\n'
                'args = ["sh", "-ec", "{2}; echo {0} >{0}; {3}"]\n')
        text = "\n".join(
            step.format(name, wait, ledger.say(f"{tag} start {name}"), ledger.say(f"{tag} end {name}"))
            for name, wait in [("a", '["-"]'), ("b", '["-"]'), ("c", '["a", "b"]'), ("d", '["c"]')])
        folder = cluster.pipeline(text)
        cluster.controller.stop()
        cluster.start_controller(failpoint)
        # The client retries with the same key while the controller is away.
        submit = threading.Thread(target=lambda: results.append(cluster.rallyctl(
            "submit", "-f", folder + "/rally.toml", "--detach", "--key", tag, check=False)))
        results = []
        submit.start()
        cluster.controller.popen.wait(60)
        self.assertEqual(cluster.controller.popen.returncode, -signal.SIGKILL, failpoint)
        cluster.start_controller()
        submit.join()
        self.assertEqual(results[0].returncode, 0, results[0].stderr)
        build = results[0].stdout.strip()
        ended = cluster.wait(build, 90)
        self.assertEqual(ended["status"], "BUILD_STATUS_SUCCEEDED", f"{failpoint}: {ended}")
        seen = counts(ledger, tag)
        self.assertEqual(seen, {f"{tag} {what} {name}": 1 for what in ["start", "end"] for name in "abcd"},
                         failpoint)


class AgentKilledTest(unittest.TestCase):
    def test_a_running_step_is_adopted_and_its_log_is_exact(self):
        ledger = Ledger()
        with Cluster(agents=1, agent_flags=["--network", "host"]) as cluster:
            host = cluster.hosts[0]
            build = cluster.submit_detached(f"""
[[step]]
id = "s"
image = "IMAGE"
args = ["sh", "-c", '''{ledger.say("start")}
i=0; while [ $i -lt 300 ]; do i=$((i+1)); echo out $i; echo err $i >&2; sleep 0.01; done
{ledger.say("end")}
exit 3''']
""")
            ledger.wait_for("start")
            tasks = host.ctr("tasks", "list")
            for _ in range(4):
                time.sleep(0.4)
                host.agent.kill(signal.SIGKILL)
                host.start()
            self.assertEqual(host.ctr("tasks", "list")[1].split()[1], tasks[1].split()[1],
                             "the process must be the same")
            ended = cluster.wait(build, 60)
            self.assertEqual(ended["steps"][0]["exit_code"], 3)
            self.assertEqual(ended["steps"][0]["attempt"], 1)
            log = cluster.rallyctl("logs", build, "s")
            lines = (log.stdout + log.stderr).split("\n")
            for stream in ["out", "err"]:
                self.assertEqual([l for l in lines if l.startswith(stream)],
                                 [f"{stream} {i}" for i in range(1, 301)])
            self.assertEqual(ledger.lines.count("start"), 1)
            cluster.assert_no_residue()
        ledger.close()

    def test_a_step_that_ends_while_the_agent_is_away_keeps_its_exit_code_and_log(self):
        ledger = Ledger()
        with Cluster(agents=1, agent_flags=["--network", "host"]) as cluster:
            host = cluster.hosts[0]
            build = cluster.submit_detached(f"""
[[step]]
id = "s"
image = "IMAGE"
args = ["sh", "-c", '''echo before; {ledger.say("gate away")}
seq 1 1000; echo made >file; {ledger.say("end")}
exit 9''']
[[step]]
id = "after"
image = "IMAGE"
args = ["cat", "file"]
whenAll = ["-"]
""")
            ledger.wait_for("gate away")
            host.agent.kill(signal.SIGKILL)
            ledger.open("away")
            ledger.wait_for("end")
            eventually(lambda: "STOPPED" in "".join(host.ctr("tasks", "list")), what="a stopped task")
            host.start()
            ended = cluster.wait(build, 60)
            self.assertEqual(ended["steps"][0]["exit_code"], 9)
            self.assertEqual(cluster.log(build, "s"),
                             "before\n" + "".join(f"{i}\n" for i in range(1, 1001)))
            target = cluster.folder + "/fetched"
            cluster.rallyctl("fetch", build, "file", "--to", target)
            with open(target + "/file", encoding="utf-8") as f:
                self.assertEqual(f.read(), "made\n")
            cluster.assert_no_residue()
        ledger.close()

    def test_kills_while_containers_are_made_leave_nothing(self):
        rng = random.Random(SEED)
        pipeline = "".join(f'[[step]]\nid = "s{i}"\nimage = "IMAGE"\nargs = ["true"]\nwhenAll = ["-"]\n'
                           for i in range(6))
        with Cluster(agents=1, slots=4) as cluster:
            host = cluster.hosts[0]
            cluster.submit(pipeline)
            for _ in range(8):
                build = cluster.submit_detached(pipeline)
                time.sleep(rng.uniform(0, 0.35))
                host.agent.kill(signal.SIGKILL)
                host.start()
                ended = cluster.wait(build, 90)
                self.assertEqual(ended["status"], "BUILD_STATUS_SUCCEEDED", f"{ended}, seed {SEED}")
            cluster.assert_no_residue()

    def test_killed_for_good_the_step_runs_on_the_other_agent(self):
        ledger = Ledger()
        # Shorter leases than the default 30 s; the order of things is the same.
        flags = ["--suspect-after", "3s", "--lost-after", "6s", "--heartbeat", "1s"]
        with Cluster(agents=2, agent_flags=["--network", "host"], controller_flags=flags) as cluster:
            cluster.only("agent-1")
            build = cluster.submit_detached(f"""
[[step]]
id = "s"
image = "IMAGE"
args = ["sh", "-c", '''{ledger.say("start $HOSTNAME")}; {ledger.say("gate s")}; echo done >file''']
""")
            ledger.wait_for("gate s")
            cluster.hosts[0].agent.kill(signal.SIGKILL)
            cluster.only("agent-2")
            eventually(lambda: ledger.lines.count("gate s") == 2, 60, "a second attempt")
            ledger.open("s")
            ended = cluster.wait(build, 60)
            step = ended["steps"][0]
            self.assertEqual((step["agent"], step["attempt"], ended["status"]),
                             ("agent-2", 2, "BUILD_STATUS_SUCCEEDED"))
            # The first agent returns with a superseded attempt: told to end it, result ignored.
            cluster.hosts[0].start()
            cluster.wait_for_agents(2)
            cluster.assert_no_residue()
            again = cluster.get(build)
            self.assertEqual(again["steps"][0]["agent"], "agent-2")
            self.assertEqual(again["revision"], ended["revision"])
        ledger.close()


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v"] + sys.argv[1:])
