"""A build that is stopped between the step that made files and the one on another host that needs them."""

from cluster import eventually

# "make" runs on agent-1 and "use", which needs what it made, on agent-2. "start" and "hold" wait for
# the test, on agent-2.
STEPS = """
[[step]]
id = "start"
image = "IMAGE"
args = ["sh", "-ec", '''GATE-start''']
[[step]]
id = "hold"
image = "IMAGE"
args = ["sh", "-ec", '''GATE-hold''']
whenAll = ["-"]
[[step]]
id = "make"
image = "IMAGE"
args = ["sh", "-ec", '''SAY-make; mkdir out; echo TEXT >out/file; echo other >out/other''']
whenAll = ["start"]
rerun = "RERUN"
[[step]]
id = "use"
image = "IMAGE"
args = ["sh", "-ec", '''SAY-use; cat out/file out/other''']
whenAll = ["make", "hold"]
"""


def submit_until_made(cluster, ledger, rerun="safe"):
    """Submits, and returns the build when "make" has ended and "use" is still held back, until the
    test opens "hold". The cluster has two agents."""
    text = STEPS.replace("RERUN", rerun).replace("TEXT", "made by make")
    for gate in ["start", "hold"]:
        text = text.replace("GATE-" + gate, ledger.say("gate " + gate))
    for line in ["make", "use"]:
        text = text.replace("SAY-" + line, ledger.say(line))
    cluster.only("agent-2")
    build = cluster.submit_detached(text)
    ledger.wait_for("gate start")
    ledger.wait_for("gate hold")
    cluster.only("agent-1")
    ledger.open("start")
    eventually(lambda: cluster.steps(build)["make"]["status"] == "STEP_STATUS_SUCCEEDED", 60,
               "the end of make")
    cluster.only("agent-2")
    agent = cluster.steps(build)["make"]["agent"]
    assert agent == "agent-1", agent
    return build
