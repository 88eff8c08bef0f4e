"""A small Rally fleet of real processes for tests: a registry, a controller, and agents with a
containerd each, on one machine.

Every agent lives on a "host" of its own: a mount namespace with its own /run/containerd, in which the
other agents' data isn't there. Everything is below one temporary folder, on sockets in it.
"""

import contextlib
import glob
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import runfiles_path

REGISTRY_LOG = "registry.log"


def eventually(condition, timeout=30, what="the condition"):
    """Waits until condition() is true and returns its value."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come true within {timeout} s")
        time.sleep(0.02)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def remove_cgroup(path):
    """Whether the cgroup is gone; its last process may take a moment to die."""
    with contextlib.suppress(OSError):
        os.rmdir(path)
    return not os.path.exists(path)


def busybox_layout(directory):
    """An OCI layout of an image that holds busybox and nothing else, made once in directory."""
    layout = os.path.join(directory, "busybox")
    if os.path.exists(layout):
        return layout
    root = os.path.join(directory, "busybox-root")
    for folder in ["bin", "etc", "tmp"]:
        os.makedirs(os.path.join(root, folder), exist_ok=True)
    shutil.copy("/bin/busybox", os.path.join(root, "bin/busybox"))
    applets = subprocess.run(["/bin/busybox", "--list"], check=True, stdout=subprocess.PIPE, text=True)
    for applet in applets.stdout.split():
        if applet != "busybox":
            os.symlink("busybox", os.path.join(root, "bin", applet))
    with open(os.path.join(root, "etc/passwd"), "w", encoding="utf-8") as f:
        f.write("root:x:0:0:root:/:/bin/sh\nuser:x:1000:1000:user:/:/bin/sh\n")
    image = layout + ":1"
    quiet = {"check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.STDOUT}
    subprocess.run(["umoci", "init", "--layout", layout], **quiet)
    subprocess.run(["umoci", "new", "--image", image], **quiet)
    subprocess.run(["umoci", "insert", "--rootless", "--image", image, root, "/"], **quiet)
    subprocess.run(["umoci", "config", "--image", image, "--config.cmd", "sh",
                    "--config.env", "PATH=/bin"], **quiet)
    return layout


class Process:
    """A daemon of the cluster with its log."""

    def __init__(self, name, argv, log, env=None):
        self.name = name
        self.log = log
        with open(log, "ab") as out:
            self.popen = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                          env=env, start_new_session=True)

    @property
    def pid(self):
        return self.popen.pid

    def alive(self):
        return self.popen.poll() is None

    def kill(self, sig=signal.SIGKILL):
        if self.alive():
            self.popen.send_signal(sig)
        self.popen.wait(30)

    def stop(self, timeout=20):
        if not self.alive():
            return
        self.popen.terminate()
        try:
            self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait(10)


class AgentHost:
    """One agent with its containerd, in a mount namespace of its own."""

    def __init__(self, cluster, name, slots, flags):
        self.cluster = cluster
        self.name = name
        self.slots = slots
        self.flags = flags
        self.folder = os.path.join(cluster.hosts_folder, name)
        os.makedirs(self.folder)
        self.data = os.path.join(self.folder, "data")
        self.socket = "/run/containerd/containerd.sock"
        # containerd's names take no "_" beside a "-".
        unique = os.path.basename(cluster.folder).replace("_", "0")
        self.namespace_name = f"rally-test-{unique}-{name}".replace("_", "0")
        self.agent = None
        self._start_namespace()
        self.start_containerd()

    def _start_namespace(self):
        # The other hosts' folders are hidden: what one agent makes reaches another only through the
        # blob service.
        aside = f"{self.cluster.folder}/aside-{self.name}"
        script = (
            f"mkdir {aside} && mount --bind {self.folder} {aside} && "
            f"mount -t tmpfs tmpfs {self.cluster.hosts_folder} && mkdir {self.folder} && "
            f"mount --move {aside} {self.folder} && rmdir {aside} && "
            "mkdir -p /run/containerd && mount -t tmpfs -o mode=0711 tmpfs /run/containerd && "
            "echo ready && exec sleep infinity")
        self.anchor = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", script],
            stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, start_new_session=True)
        assert self.anchor.stdout.readline() == b"ready\n", f"no mount namespace for {self.name}"

    def enter(self, argv):
        return ["nsenter", f"--mount=/proc/{self.anchor.pid}/ns/mnt", "--"] + argv

    def start_containerd(self):
        config = os.path.join(self.folder, "containerd.toml")
        with open(config, "w", encoding="utf-8") as f:
            f.write(f'version = 2\nroot = "{self.folder}/containerd"\n'
                    'state = "/run/containerd/state"\n'
                    'disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]\n'
                    f'[grpc]\n  address = "{self.socket}"\n')
        self.containerd = Process("containerd", self.enter(["containerd", "--config", config]),
                                  os.path.join(self.cluster.folder, f"{self.name}-containerd.log"))
        eventually(lambda: subprocess.run(
            self.enter(["ctr", "--address", self.socket, "version"]), check=False,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0,
                   what=f"containerd of {self.name}")

    def start(self):
        argv = [self.cluster.binary("agent/rally-agent"), "--insecure", "--name", self.name,
                "--slots", str(self.slots), "--controller", self.cluster.address,
                "--data", self.data, "--containerd", self.socket,
                "--namespace", self.namespace_name] + self.flags
        self.agent = Process("agent", self.enter(argv),
                             os.path.join(self.cluster.folder, f"{self.name}.log"))
        return self

    def ctr(self, *args):
        done = subprocess.run(
            self.enter(["ctr", "--address", self.socket, "--namespace", self.namespace_name, *args]),
            check=False, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert done.returncode == 0, f"ctr {' '.join(args)}: {done.stderr}"
        return done.stdout.split("\n")[:-1]

    def residue(self):
        """What is left of steps on this host; empty when all is as it should be."""
        left = []
        left += [f"container {c}" for c in self.ctr("containers", "list", "--quiet")]
        left += [f"task {t}" for t in self.ctr("tasks", "list", "--quiet")]
        left += [f"snapshot {s}" for s in self.ctr("snapshots", "list")[1:] if "Active" in s]
        left += self.shims()
        left += [f"cgroup {c}" for c in self.cgroups() if os.path.exists(c)]
        with open(f"/proc/{self.anchor.pid}/mountinfo", encoding="utf-8") as f:
            for line in f:
                where = line.split()[4]
                if where.startswith(self.data) or "/run/containerd/state/io.containerd.runtime" in where:
                    left.append(f"mount {where}")
        for root, _, names in os.walk(f"/proc/{self.anchor.pid}/root{self.data}"):
            for name in names:
                path = os.path.join(root, name)
                with contextlib.suppress(FileNotFoundError):
                    if os.path.exists(path) and (os.stat(path).st_mode & 0o170000) == 0o010000:
                        left.append(f"FIFO {path}")
        return left

    def shutdown(self):
        if self.agent:
            self.agent.stop()
        # What a failed test left running must not outlive it.
        with contextlib.suppress(Exception):
            for task in self.ctr("tasks", "list", "--quiet"):
                with contextlib.suppress(AssertionError):
                    self.ctr("tasks", "delete", "--force", task)
        self.containerd.stop()
        for pid in self.processes():
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        self.anchor.kill()
        self.anchor.wait()
        for cgroup in self.cgroups():
            with contextlib.suppress(AssertionError, OSError):
                eventually(lambda path=cgroup: remove_cgroup(path), 5, f"the end of {cgroup}")

    def processes(self):
        """What still runs on this host, but for its anchor: all in its mount namespace, and what
        containers hold, which have namespaces of their own."""
        found = set()
        for cgroup in self.cgroups():
            with contextlib.suppress(OSError):
                with open(os.path.join(cgroup, "cgroup.procs"), encoding="utf-8") as f:
                    found.update(int(line) for line in f)
        home = os.readlink(f"/proc/{self.anchor.pid}/ns/mnt")
        for namespace in glob.glob("/proc/[0-9]*/ns/mnt"):
            with contextlib.suppress(OSError):
                if os.readlink(namespace) == home:
                    found.add(int(namespace.split("/")[2]))
        return found - {self.anchor.pid}

    def cgroups(self):
        """The cgroups of the attempts that this agent had, which its log names."""
        log = os.path.join(self.cluster.folder, f"{self.name}.log")
        builds = set()
        with contextlib.suppress(FileNotFoundError):
            with open(log, encoding="utf-8", errors="replace") as f:
                builds = set(re.findall(r"build=(\w+) step", f.read()))
        return [path for build in builds
                for path in glob.glob(f"/sys/fs/cgroup/*/rally/{build}-*")
                + glob.glob(f"/sys/fs/cgroup/rally/{build}-*")]

    def shims(self):
        found = []
        for pid in self.processes():
            with contextlib.suppress(OSError):
                with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as f:
                    words = f.read().split("\0")
                if "containerd-shim" in words[0]:
                    found.append(f"shim of {words[words.index('-id') + 1]}" if "-id" in words
                                 else " ".join(words))
        return found


class Ledger:
    """An append-only server that steps write a line to; nothing of Rally is on its path.

    A line "gate NAME" is answered only when the test opens that gate: a step waits there.
    """

    def __init__(self):
        self.lines = []
        self._gates = {}
        self._lock = threading.Lock()
        self._server = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self._server.getsockname()[1]
        self._acceptor = threading.Thread(target=self._serve, daemon=True)
        self._acceptor.start()

    def say(self, line):
        """The shell command by which a step writes a line; it fails unless the line was taken."""
        return f"echo {line} | nc 127.0.0.1 {self.port} | grep -qx ok"

    def gate(self, name):
        with self._lock:
            return self._gates.setdefault(name, threading.Event())

    def open(self, name):
        self.gate(name).set()

    def wait_for(self, line, timeout=60):
        eventually(lambda: line in self.lines, timeout, f"the line {line!r}")

    def _serve(self):
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection):
        with connection:
            data = b""
            broken = None
            while not data.endswith(b"\n"):
                try:
                    more = connection.recv(4096)
                except OSError as error:
                    broken = error
                    break
                if not more:
                    break
                data += more
            line = data.decode(errors="replace").strip()
            if not data.endswith(b"\n"):
                # A step that was killed while it spoke, or a fault of this server: say which.
                print(f"ledger: a connection ended after {line!r}: {broken or 'EOF'}", flush=True)
                line = "cut off: " + line
            self.lines.append(line)
            if line.startswith("gate "):
                self.gate(line[5:]).wait(300)
            with contextlib.suppress(OSError):  # a step that doesn't wait for the answer any more
                connection.sendall(b"ok\n")

    def close(self):
        # Closing alone doesn't wake the acceptor: it would go on with the next socket that gets
        # this descriptor, and take lines that are another ledger's.
        self._server.shutdown(socket.SHUT_RDWR)
        self._acceptor.join()
        self._server.close()


class Cluster:
    """with Cluster(agents=2) as cluster: ..."""

    def __init__(self, agents=2, slots=2, agent_flags=(), controller_flags=(), start_agents=True):
        self.folder = tempfile.mkdtemp(prefix="rally-", dir=os.environ.get("TEST_TMPDIR_SHORT", "/tmp"))
        self.hosts_folder = os.path.join(self.folder, "hosts")
        os.makedirs(self.hosts_folder)
        self.address = f"unix:{self.folder}/c.sock"
        self.controller_flags = list(controller_flags)
        self.registry = self.controller = None
        self.hosts = []
        try:
            self._start_registry()
            self.start_controller()
            for n in range(1, agents + 1):
                host = AgentHost(self, f"agent-{n}", slots, list(agent_flags))
                self.hosts.append(host)
                if start_agents:
                    host.start()
            if start_agents:
                self.wait_for_agents(agents)
        except BaseException:
            self.print_logs()
            self.stop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None:
            self.print_logs()
        self.stop()

    def stop(self):
        for host in self.hosts:
            host.shutdown()
        for process in [self.controller, self.registry]:
            if process is not None:
                process.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def print_logs(self):
        for log in sorted(glob.glob(os.path.join(self.folder, "*.log"))):
            if log.endswith(REGISTRY_LOG):
                continue
            with open(log, encoding="utf-8", errors="replace") as f:
                lines = f.readlines()
            if log.endswith("-containerd.log"):
                lines = [l for l in lines if "level=info" not in l or "skip loading" in l]
            tail = lines[-40:]
            print(f"--- {os.path.basename(log)}\n{''.join(tail)}", flush=True)

    def binary(self, path):
        return runfiles_path.find(path)

    def _start_registry(self):
        port = free_port()
        config = os.path.join(self.folder, "registry.yml")
        with open(config, "w", encoding="utf-8") as f:
            f.write(f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: "
                    f"{self.folder}/registry}}}}\nhttp: {{addr: 127.0.0.1:{port}}}\n")
        self.registry_address = f"127.0.0.1:{port}"
        self.registry = Process("registry", ["docker-registry", "serve", config],
                                os.path.join(self.folder, REGISTRY_LOG))
        layout = busybox_layout(self.folder)
        self.image = f"{self.registry_address}/busybox:1"
        eventually(lambda: subprocess.run(
            ["skopeo", "copy", "--quiet", "--dest-tls-verify=false", f"oci:{layout}:1",
             f"docker://{self.image}"], check=False, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL).returncode == 0, what="a push to the registry")

    def push_variant(self, name, config):
        """Pushes the busybox image with another configuration (umoci config's flags)."""
        layout = os.path.join(self.folder, name)
        shutil.copytree(busybox_layout(self.folder), layout)
        quiet = {"check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.STDOUT}
        subprocess.run(["umoci", "config", "--image", layout + ":1", *config], **quiet)
        image = f"{self.registry_address}/{name}:1"
        subprocess.run(["skopeo", "copy", "--quiet", "--dest-tls-verify=false", f"oci:{layout}:1",
                        f"docker://{image}"], **quiet)
        return image

    def start_controller(self, failpoint=None):
        """With a failpoint ("PLACE:DETAIL*N") the controller is ended by SIGKILL when it gets there."""
        name = "rally-controller-with-failpoints" if failpoint else "rally-controller"
        env = dict(os.environ, RALLY_FAILPOINT=failpoint) if failpoint else None
        self.controller = Process(
            "controller",
            [self.binary("controller/" + name), "--insecure", "--data",
             os.path.join(self.folder, "controller"), "--listen", self.address] + self.controller_flags,
            os.path.join(self.folder, "controller.log"), env)
        eventually(lambda: os.path.exists(self.folder + "/c.sock"), what="the controller's socket")

    def wait_for_agents(self, count):
        eventually(lambda: sum(a.get("connected", False) for a in self.agents()) >= count,
                   what=f"{count} connected agents")

    # rallyctl

    def rallyctl(self, *args, check=True, timeout=120, **kwargs):
        done = subprocess.run([self.binary("rallyctl/rallyctl"), "--server", self.address, *args],
                              check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=timeout, errors="replace",
                              **kwargs)
        if check and done.returncode != 0:
            raise AssertionError(f"rallyctl {' '.join(args)} ended with {done.returncode}:\n"
                                 f"{done.stdout}\n{done.stderr}")
        return done

    def agents(self):
        done = self.rallyctl("agents", "-o", "json", check=False)
        return json.loads(done.stdout).get("agents", []) if done.returncode == 0 else []

    def get(self, build):
        return json.loads(self.rallyctl("get", build, "-o", "json").stdout)

    def steps(self, build):
        return {s["id"]: s for s in self.get(build)["steps"]}

    def pipeline(self, text):
        """A folder with this rally.toml; IMAGE in it stands for the busybox image."""
        folder = tempfile.mkdtemp(prefix="pipeline-", dir=self.folder)
        with open(os.path.join(folder, "rally.toml"), "w", encoding="utf-8") as f:
            f.write(text.replace("IMAGE", self.image))
        return folder

    def submit(self, text, *flags, context=None, check=True, timeout=120):
        """Submits and waits for the end; returns what rallyctl printed and its exit status."""
        folder = self.pipeline(text)
        return self.rallyctl("submit", "-f", folder + "/rally.toml", "--context",
                             context or folder, *flags, check=check, timeout=timeout)

    def submit_detached(self, text, *flags, context=None):
        """Submits and returns the build's id at once."""
        return self.submit(text, "--detach", *flags, context=context).stdout.strip()

    def wait(self, build, timeout=120):
        """Waits for the build's end and returns it."""
        ended = ("BUILD_STATUS_SUCCEEDED", "BUILD_STATUS_FAILED", "BUILD_STATUS_TIMED_OUT",
                 "BUILD_STATUS_CANCELLED")

        def look():
            with contextlib.suppress(AssertionError):
                found = self.get(build)
                return found if found["status"] in ended else None

        return eventually(look, timeout, f"the end of build {build}")

    def only(self, name):
        """New steps go to this agent alone."""
        for host in self.hosts:
            self.rallyctl("agents", "undrain" if host.name == name else "drain", host.name)

    def log(self, build, step):
        return self.rallyctl("logs", "-f", build, step).stdout

    def assert_no_residue(self):
        for host in self.hosts:
            eventually(lambda host=host: not host.residue() or None, 30,
                       f"an empty {host.name} (left: {host.residue()})")
