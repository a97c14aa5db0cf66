#!/usr/bin/env python3
"""Requests that a node answers through real UDP on loopback: sprat, and libtorrent's DHT beside it.

    cargo build --release && python3 benches/udp.py [SECONDS (5)]

Both run as processes of their own and get the same load from the same sender: 256 nodes, each with
an IP and a socket, first introduce themselves and answer whatever the target asks, so that its
table fills; then they ask in a closed loop, 64 requests under way.

No limit to a single source is reached: sprat allows one 200 requests a second, 51,200 in all, more
than this sender can send, and errors do not count as answers; libtorrent's own (its upload rate,
its blocking of loud addresses, one node of a network in its table) are lifted by its settings, or
by the addresses.

"Answers/s" is bounded by this sender, which is slower than either. So compare "CPU", the target's
processor time (user and system) for each answer, and what one core could answer at that. Replies
differ: sprat names 20 nodes of 38 bytes, libtorrent 8 of 26. Without `pip install libtorrent` only
sprat is measured.
"""

import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import zlib

NODES, BATCH = 256, 64
RNG = random.Random(1)
ROUNDS = 3


class Sprat:
    """The datagrams of src/wire/datagram.rs."""

    name = "sprat"
    network = zlib.crc32(b"sprat").to_bytes(4, "big")

    def start(self, folder, _nodes):
        program = os.path.join(os.path.dirname(__file__), "../target/release/sprat")
        words = [program, "node", "-l", "127.0.0.1:0", "-d", folder]
        process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
        port = process.stderr.readline().rsplit(":", 1)[1]
        return process, int(port)

    def packet(self, kind, rpc_id, sender, body):
        head, rest = bytes([0xD5, 1, kind, 0]), rpc_id + sender + body
        crc = zlib.crc32(self.network + head + bytes(4) + rest)
        return head + crc.to_bytes(4, "big") + rest

    def introduction(self, sender):
        padding = (128).to_bytes(2, "big") + bytes(128)
        return self.packet(0x01, RNG.randbytes(20), sender, bytes(8) + padding)

    def request(self, what, sender, proof):
        if what == "ping":
            return self.packet(0x01, RNG.randbytes(20), sender, proof + bytes(2))
        return self.packet(0x02, RNG.randbytes(20), sender, RNG.randbytes(20) + proof + bytes(2))

    def is_answer(self, reply):
        return reply[2] in (0x81, 0x82)

    def proof(self, reply):
        """The cookie that a ping's reply brings."""
        return reply[66:74] if reply[2] == 0x81 else None

    def answer(self, query, sender, address):
        """What a node says that is pinged."""
        if query[2] != 0x01:
            return None
        ip, port = socket.inet_aton(address[0]), address[1].to_bytes(2, "big")
        seen = bytes(10) + b"\xff\xff" + ip + port
        return self.packet(0x81, query[8:28], sender, seen + bytes(8))


class Libtorrent:
    """KRPC (BEP 5)."""

    name = "libtorrent"
    program = """
import libtorrent, sys, time
session = libtorrent.session({
    'listen_interfaces': '127.0.0.1:0', 'enable_dht': True, 'dht_bootstrap_nodes': '',
    'enable_lsd': False, 'enable_upnp': False, 'enable_natpmp': False, 'alert_mask': 0,
    'dht_upload_rate_limit': 10**8, 'dht_block_ratelimit': 10**7,
    'dht_ignore_dark_internet': False,
    'dht_restrict_routing_ips': False, 'dht_restrict_search_ips': False,
    'dht_prefer_verified_node_ids': False})
while not session.listen_port() or not session.is_dht_running():
    time.sleep(0.01)
for ip, port in (node.split(':') for node in sys.argv[1:]):
    session.add_dht_node((ip, int(port)))
print(session.listen_port(), flush=True)
time.sleep(3600)
"""

    def start(self, folder, nodes):
        words = [sys.executable, "-c", self.program] + [f"{ip}:{port}" for ip, port in nodes]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=folder)
        return process, int(process.stdout.readline())

    def introduction(self, sender):
        return self.request("ping", sender, None)

    def request(self, what, sender, _proof):
        more = b"" if what == "ping" else b"6:target20:" + RNG.randbytes(20)
        name = b"4:ping" if what == "ping" else b"9:find_node"
        number = RNG.randbytes(2)
        return b"d1:ad2:id20:" + sender + more + b"e1:q" + name + b"1:t2:" + number + b"1:y1:qe"

    def is_answer(self, reply):
        return b"1:y1:r" in reply

    def proof(self, reply):
        return b"none" if self.is_answer(reply) else None

    def answer(self, query, sender, _address):
        at = query.find(b"1:t")
        if b"1:y1:q" not in query or at < 0:
            return None
        size, _, rest = query[at + 3 :].partition(b":")
        number = rest[: int(size)]
        return b"d1:rd2:id20:" + sender + b"e1:t" + size + b":" + number + b"1:y1:re"


def cpu(process):
    """Seconds of processor time that a process has taken."""
    with open(f"/proc/{process.pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def introduce(dialect, sockets, senders, address):
    """Makes every sender known: pings, and answers what the target asks, for some seconds."""
    proofs = [None] * NODES
    until, again_at = time.monotonic() + 8, 0
    while time.monotonic() < until:
        if time.monotonic() > again_at:
            again_at = time.monotonic() + 1.5
            for index in range(NODES):
                if proofs[index] is None:
                    sockets[index].send(dialect.introduction(senders[index]))
        for index in range(NODES):
            try:
                datagram = sockets[index].recv(2048)
            except BlockingIOError:
                continue
            proofs[index] = dialect.proof(datagram) or proofs[index]
            answer = dialect.answer(datagram, senders[index], address)
            if answer:
                sockets[index].send(answer)
        time.sleep(0.001)
    assert None not in proofs, f"{proofs.count(None)} were not answered"
    return proofs


def load(dialect, process, sockets, requests, seconds):
    """The load: answers a second, the share answered, CPU seconds an answer, bytes an answer."""
    sent = answered = size = 0
    began, before = time.monotonic(), cpu(process)
    while time.monotonic() < began + seconds:
        for first in range(0, NODES, BATCH):
            batch = range(first, first + BATCH)
            for index in batch:
                sockets[index].send(requests[index][sent % 16])
                sent += 1
            for index in batch:
                try:
                    reply = sockets[index].recv(2048)
                    if dialect.is_answer(reply):
                        answered, size = answered + 1, size + len(reply)
                except TimeoutError:
                    pass
    took = time.monotonic() - began
    return answered / took, answered / sent, (cpu(process) - before) / answered, size / answered


def measure(dialect, seconds):
    with tempfile.TemporaryDirectory() as folder:
        sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(NODES)]
        for index, each in enumerate(sockets):
            # An IP each, far apart: libtorrent takes one node of a network into its table.
            each.bind((f"127.{index}.1.1", 0))
            each.setblocking(False)
        process, port = dialect.start(folder, [each.getsockname() for each in sockets])
        try:
            for each in sockets:
                each.connect(("127.0.0.1", port))
            senders = [RNG.randbytes(20) for _ in range(NODES)]
            proofs = introduce(dialect, sockets, senders, ("127.0.0.1", port))
            for each in sockets:
                each.settimeout(0.2)
            for what in ("ping", "find_node"):
                asks = lambda i: [dialect.request(what, senders[i], proofs[i]) for _ in range(16)]
                requests = [asks(index) for index in range(NODES)]
                rounds = [load(dialect, process, sockets, requests, seconds) for _ in range(ROUNDS)]
                rate, share, each, size = (statistics.median(column) for column in zip(*rounds))
                print(
                    f"{dialect.name:10}  {what:9}  {rate:9.0f}  {share:8.1%}"
                    f"  {each * 1e6:7.1f} µs  {1 / each:12.0f}  {size:5.0f} B"
                )
        finally:
            process.kill()
            process.wait()


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 5
    print("program     request    answers/s  answered         CPU  a core could  reply")
    measure(Sprat(), seconds)
    try:
        import libtorrent  # noqa: F401
    except ImportError:
        print("SKIPPED: libtorrent is not there (pip install libtorrent)")
        return
    measure(Libtorrent(), seconds)


if __name__ == "__main__":
    main()
