"""Hosts on this machine: network namespaces on one bridge, each with a thin uplink, that run sprat.

Used by `fleet` and `scenarios`. Needs root, ip and tc. Its devices carry this process's number,
and it removes them, and nothing else.
"""

import atexit
import filecmp
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

PORT = 4160


def skip_unless_possible():
    """Says why and ends where hosts cannot be made."""
    if os.geteuid() != 0:
        sys.exit(print("SKIPPED: namespaces need root"))
    for tool in ("ip", "tc"):
        if not shutil.which(tool):
            sys.exit(print(f"SKIPPED: {tool} (iproute2) is not installed"))


def run(words):
    return subprocess.run(words.split(), check=True, capture_output=True, text=True).stdout


class Hosts:
    """`uplinks` has Mbit/s, one a host, 0 for no limit; the first is the origin, and `file` is of
    `mib` random MiB."""

    def __init__(self, sprat, uplinks, mib):
        self.sprat = os.path.realpath(sprat)
        self.tag = f"spr{os.getpid()}"
        self.place = tempfile.mkdtemp(prefix=self.tag)
        self.processes = {}
        self.uplinks = uplinks
        atexit.register(self.remove)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        run(f"ip link add {self.tag} type bridge")
        run(f"ip link set {self.tag} up")
        for host, mbit in enumerate(uplinks):
            space = f"{self.tag}-{host}"
            run(f"ip netns add {space}")
            run(f"ip link add {self.tag}v{host} type veth peer name eth0 netns {space}")
            run(f"ip link set {self.tag}v{host} master {self.tag} up")
            run(f"ip -n {space} addr add {self.address(host)}/16 dev eth0")
            run(f"ip -n {space} link set lo up")
            run(f"ip -n {space} link set eth0 up")
            if mbit:
                run(f"ip netns exec {space} tc qdisc add dev eth0 root tbf"
                    f" rate {mbit}mbit burst 64k latency 100ms")
        self.file = f"{self.place}/file"
        self.size = mib << 20
        with open(self.file, "wb") as file:
            for _ in range(mib):
                file.write(os.urandom(1 << 20))

    def remove(self):
        for process in self.processes.values():
            process.kill()
            process.wait()
        self.processes = {}
        for host in range(len(self.uplinks)):
            # By name: with its namespace it would go, but only some time later.
            subprocess.run(["ip", "link", "del", f"{self.tag}v{host}"], capture_output=True)
            subprocess.run(["ip", "netns", "del", f"{self.tag}-{host}"], capture_output=True)
        subprocess.run(["ip", "link", "del", self.tag], capture_output=True)
        shutil.rmtree(self.place, ignore_errors=True)
        atexit.unregister(self.remove)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.remove()

    def address(self, host):
        return f"10.98.{host // 250}.{host % 250 + 1}"

    def log(self, host):
        with open(f"{self.place}/log{host}") as log:
            return log.read()

    def spawn(self, host, words):
        """Runs a program on a host, one at most."""
        space = ["ip", "netns", "exec", f"{self.tag}-{host}"]
        with open(f"{self.place}/log{host}", "wb") as log:
            self.processes[host] = subprocess.Popen(
                [*space, *words], stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def start(self, host, command, *words):
        """Runs `sprat COMMAND` on a host."""
        own = ["-l", f"{self.address(host)}:{PORT}", "-d", f"{self.place}/state{host}"]
        self.spawn(host, [self.sprat, command, *own, *words])

    def share(self, host, file):
        """Shares a file from a host, joined through the origin, and waits for its link."""
        join = ["-b", f"{self.address(0)}:{PORT}"] if host else []
        self.start(host, "share", "-v", *join, file)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            links = [word for word in self.log(host).split() if word.startswith("magnet:")]
            if links and (host == 0 or " announced " in self.log(host)):
                return links[0]
            if self.processes[host].poll() is not None:
                break
            time.sleep(0.02)
        raise RuntimeError(f"host {host} does not share: {self.log(host)}")

    def get(self, host, link):
        """Has a host fetch what a link names, joined through the origin, and serve it on."""
        self.start(host, "get", "-b", f"{self.address(0)}:{PORT}", "--seed",
                   "-o", self.got(host), link)

    def got(self, host):
        return f"{self.place}/got{host}"

    def has_all(self, host):
        return os.path.exists(self.got(host))

    def is_right(self, host):
        return filecmp.cmp(self.file, self.got(host), shallow=False)

    def sent(self, host):
        """Bytes that have left a host, headers included."""
        space = f"{self.tag}-{host}"
        return int(run(f"ip netns exec {space} cat /sys/class/net/eth0/statistics/tx_bytes"))

    def cpu(self, host):
        """Seconds of processor time that a host's program has taken."""
        with open(f"/proc/{self.processes[host].pid}/stat") as stat:
            words = stat.read().rsplit(")", 1)[1].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self, host):
        """The most memory that it has had, in MiB."""
        with open(f"/proc/{self.processes[host].pid}/status") as status:
            return int(re.search(r"VmHWM:\s*(\d+)", status.read()).group(1)) / 1024

    def signal(self, host, number):
        self.processes[host].send_signal(number)

    def kill(self, host):
        self.signal(host, signal.SIGKILL)
        self.processes[host].wait()
