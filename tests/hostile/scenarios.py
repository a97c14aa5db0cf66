"""The scenarios of `run`: an honest world, a fetch in it, and attackers beside it.

Each scenario is a class; its docstring tells the work of the attackers. `share` sets the honest
side up, `attack` starts the attackers, and `fetch` carries a fetch out, once before they come and
once beside them.
"""

import os
import re
import signal
import subprocess
import time
from collections import namedtuple

import attackers
from processes import listen_at, sha256
from wire import Manifest

PORT = 4160
SEEDERS = [(f"127.77.0.{number}", PORT) for number in range(2, 6)]
NODE = ("127.77.0.10", PORT)
GETTER = ("127.77.0.20", PORT)

Outcome = namedtuple("Outcome", "seconds first exit_code is_right last")


def hostile(number):
    """The address of an attacker, an IP each."""
    return f"127.77.1.{number}", PORT


class Scenario:
    """One world. `mib` is the size of the file; `words` go to each `sprat share`."""

    mib, words, origins = 16, (), 1
    # The first byte, the manifest, may come so many seconds later than without the attackers.
    first_max = None
    # IPs beside those of 127.0.0.0/8 that the scenario uses.
    addresses = ()

    def __init__(self, processes, mib):
        self.processes = processes
        self.path = processes.file(mib or self.mib)
        with open(self.path, "rb") as file:
            self.content = file.read()
        self.manifest = Manifest.of(self.content, "file")
        self.of_file = (self.manifest, self.content)
        self.hash = sha256(self.path)

    def seeders(self):
        return SEEDERS[:self.origins]

    def share(self):
        for seeder in self.seeders():
            self.processes.share(seeder, self.path, *self.words)

    def attack(self):
        raise NotImplementedError

    def link(self, hostiles):
        """Names the attackers that listen, and the honest providers."""
        at = [each.address for each in hostiles if hasattr(each, "address")]
        return self.manifest.link(*at, *self.seeders())

    def fetch(self, hostiles, timeout):
        process = self.processes.get(GETTER, self.link(hostiles), *self.getter_words())
        return self.watch(process, timeout)

    def getter_words(self):
        return ()

    def watch(self, process, timeout):
        """Waits for a getter, at most so long."""
        first, until = None, process.began + timeout
        while process.poll() is None and time.monotonic() < until:
            if first is None and "manifest from" in self.processes.log(process):
                first = time.monotonic() - process.began
            time.sleep(0.01)
        seconds, exit_code = time.monotonic() - process.began, process.poll()
        self.processes.stop(process)
        log = self.processes.log(process)
        if first is None and "manifest from" in log:
            first = seconds
        is_right = os.path.exists(process.got) and sha256(process.got) == self.hash
        return Outcome(seconds, first, exit_code, is_right, last_word(log))


def last_word(log):
    """How far a getter came, and why it gave up if it did."""
    percents = re.findall(r"fetching +(\d+) %", log)
    how_far = f"at {percents[-1]} %" if percents else "has the manifest"
    if "manifest from" not in log:
        how_far = "no manifest"
    lines = [line for line in log.splitlines() if re.search("nobody|no node answers", line)]
    return ", ".join([how_far, *(line.removeprefix("sprat: ")[:60] for line in lines[-1:])])


class Orphans(Scenario):
    """A peer sends 4 KiB of each shard that it is asked for, and refuses the rest."""

    mib, words, count = 32, ("--up", "8M", "--limit-lan"), 1

    def attack(self):
        return [attackers.Orphaner(hostile(number), *self.of_file)
                for number in range(1, self.count + 1)]


class Orphans4(Orphans):
    """Four of them."""

    count = 4


class Drip(Scenario):
    """A peer sends a byte each 0.4 s of a requested range, and returns when it is closed."""

    mib, count = 32, 1

    def attack(self):
        return [attackers.Dripper(hostile(number), *self.of_file)
                for number in range(1, self.count + 1)]


class Drip4(Drip):
    """Four of them, beside four honest origins."""

    count, origins = 4, 4


class Conspiracy(Scenario):
    """One peer makes shards fail, so that they come again from one peer; the other drips them."""

    words = ("--up", "8M", "--limit-lan")

    def attack(self):
        spoiled = set()
        return [attackers.Spoiler(hostile(1), *self.of_file, spoiled=spoiled),
                attackers.Conspirator(hostile(2), *self.of_file, spoiled=spoiled)]


class Hoard(Scenario):
    """A host holds 64 streams to the seeder open, with nothing but a keep-alive each 20 s."""

    first_max = 2.0
    sources = [hostile(1)[0]]

    def attack(self):
        victim, file = self.seeders()[0], self.manifest.file_id
        return settled(attackers.IdleCallers(victim, 64, self.sources, file))


class HoardSilent(Hoard):
    """A host holds 64 connections to the seeder and says nothing; makes them anew when they end."""

    def attack(self):
        return settled(attackers.SilentCallers(self.seeders()[0], 64, self.sources))


class Global:
    """Both ends have addresses of the open internet, where a node takes 4 streams from an IP."""

    seeder, getter = ("11.0.0.1", PORT), ("11.0.0.2", PORT)
    sources = [f"11.{number}.0.1" for number in range(1, 16)]
    addresses = [seeder[0], getter[0], *sources, "11.16.0.1"]

    def seeders(self):
        return [self.seeder]

    def fetch(self, hostiles, timeout):
        process = self.processes.get(self.getter, self.link(hostiles))
        return self.watch(process, timeout)


class GlobalV6(Global):
    """The same over IPv6, where one host has a /64."""

    seeder, getter = ("2001:db8::1", PORT), ("2001:db8:0:1::1", PORT)
    sources = [f"2001:db8:0:2::{number:x}" for number in range(1, 65)]
    addresses = [seeder[0], getter[0], *sources]


class HoardV4(Global, Hoard):
    """As `hoard`, from 15 IPv4 addresses in 15 subnets."""


class HoardV4Silent(Global, HoardSilent):
    """As `hoard-silent`, from 16 IPv4 addresses in 16 subnets."""

    sources = [*Global.sources, "11.16.0.1"]


class HoardV6(GlobalV6, Hoard):
    """As `hoard`, from one IPv6 /64."""


class HoardV6Silent(GlobalV6, HoardSilent):
    """As `hoard-silent`, from one IPv6 /64."""


def settled(callers):
    """Waits until they have all the places that they can get."""
    time.sleep(1.0)
    return [callers]


class Joined(Scenario):
    """The getter knows the network, and not the provider, which it has to find."""

    def link(self, hostiles):
        return self.manifest.link(*[each.address for each in hostiles])

    def getter_words(self):
        return "-b", listen_at(self.seeders()[0])


class Listeners(Joined):
    """Sixteen listeners, which the link names, accept connections and say nothing."""

    def attack(self):
        return [attackers.Silent(hostile(number)) for number in range(1, 17)]


class Liars(Joined):
    """A peer claims a manifest of 4 MiB and sends it slowly, invented. It is met before the
    provider is."""

    count = 1

    def share(self):
        self.seeder, _ = self.processes.share(self.seeders()[0], self.path)

    def attack(self):
        return [attackers.Liar(hostile(number), *self.of_file)
                for number in range(1, self.count + 1)]

    def fetch(self, hostiles, timeout):
        self.seeder.send_signal(signal.SIGSTOP)
        process = self.processes.get(GETTER, self.link(hostiles), *self.getter_words())
        time.sleep(0.5)
        self.seeder.send_signal(signal.SIGCONT)
        return self.watch(process, timeout)


class Liars2(Liars):
    """Two of them."""

    count = 2


class Named(Scenario):
    """Twenty nodes tell a service that it is at the address of the provider."""

    def share(self):
        self.service = self.start_node(GETTER, NODE)
        self.node = self.start_node(NODE)
        provider, _ = self.processes.share(self.seeders()[0], self.path, "-b", listen_at(NODE))
        self.processes.await_word(provider, "announced")
        self.processes.await_word(self.service, "joined")

    def start_node(self, address, *bootstraps):
        words = [word for each in bootstraps for word in ("-b", listen_at(each))]
        node = self.processes.start("node", "-v", "--no-lan", "-l", listen_at(address), *words)
        self.processes.await_word(node, "listening")
        return node

    def attack(self):
        namers = [attackers.Namer((hostile(1)[0], 0), self.seeders()[0]) for _ in range(20)]
        for namer in namers:
            namer.introduce(GETTER)
        time.sleep(0.5)
        return namers

    def fetch(self, hostiles, timeout):
        """The service fetches, and forgets the file for the next time."""
        began, got = time.monotonic(), f"{self.processes.place}/got-{bool(hostiles)}"
        said_before = len(self.processes.log(self.service))
        state = f"{self.service.place}/state"
        add = [self.processes.sprat, "add", "-d", state, "-o", got, self.manifest.link()]
        added = subprocess.run(add, capture_output=True, text=True, timeout=30)
        while not os.path.exists(got) and time.monotonic() < began + timeout:
            time.sleep(0.01)
        seconds = time.monotonic() - began
        is_right = os.path.exists(got) and sha256(got) == self.hash
        last = "" if is_right else last_word(self.processes.log(self.service)[said_before:])
        remove = [self.processes.sprat, "rm", "-d", state, self.manifest.file_id.hex()]
        subprocess.run(remove, capture_output=True, timeout=30)
        exit_code = 0 if is_right else added.returncode or None
        return Outcome(seconds, None, exit_code, is_right, last)


class Readers(Scenario):
    """Four readers take 40 kB/s each of a seeder that has 2 MiB/s."""

    words, count, size = ("--up", "2M", "--limit-lan"), 4, 4096

    def attack(self):
        victim, sources = self.seeders()[0], [hostile(1)[0]]
        of = victim, self.count, sources, self.manifest, self.size
        return settled(attackers.SlowReaders(*of))


class Readers8(Readers):
    """Eight readers take 20 kB/s each."""

    count, size = 8, 2048


SCENARIOS = {
    "orphans": Orphans, "orphans-4": Orphans4, "drip": Drip, "drip-4": Drip4,
    "conspiracy": Conspiracy, "hoard": Hoard, "hoard-silent": HoardSilent, "hoard-v4": HoardV4,
    "hoard-v4-silent": HoardV4Silent, "hoard-v6": HoardV6, "hoard-v6-silent": HoardV6Silent,
    "listeners": Listeners, "named": Named, "liar": Liars, "liars-2": Liars2,
    "readers": Readers, "readers-8": Readers8,
}
