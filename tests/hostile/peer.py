"""A peer of the native dialect that is not sprat: it fetches, provides, and speaks the datagrams.

Written from src/wire/native/protocol.md alone; see `wire` for the bytes. Every wait has a deadline.
"""

import hashlib
import os
import socket
import threading
import time

import wire
from wire import Manifest, Network, Open, Range, WireError, new_id

TIMEOUT = 10.0
REQUESTS_MAX = 64


class Stream:
    """One TCP connection about one file, on which frames are sent and received in turn."""

    def __init__(self, connection, network, timeout=TIMEOUT):
        self.socket, self.network, self.buffer = connection, network, bytearray()
        self.sent = 0
        connection.settimeout(timeout)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @staticmethod
    def dial(address, network, source=None, timeout=TIMEOUT):
        """Connects, and shakes hands where the network has a key."""
        stream = Stream(socket.create_connection(address, timeout, source), network, timeout)
        if network.key:
            own = os.urandom(16)
            stream.write(wire.emit_step(network, wire.HELLO, own))
            challenge = stream.read(36)
            nonce = challenge[4:20]
            wire.need(challenge == wire.emit_step(network, wire.CHALLENGE, own, nonce), "challenge")
            stream.write(wire.emit_step(network, wire.PROOF, own, nonce))
        return stream

    def answer_handshake(self):
        if self.network.key:
            hello, own = self.read(36), os.urandom(16)
            nonce = hello[4:20]
            wire.need(hello == wire.emit_step(self.network, wire.HELLO, nonce), "hello")
            self.write(wire.emit_step(self.network, wire.CHALLENGE, nonce, own))
            proof = self.read(20)
            wire.need(proof == wire.emit_step(self.network, wire.PROOF, nonce, own), "proof")

    def write(self, message):
        self.socket.sendall(message)
        self.sent += len(message)

    def read(self, size):
        while len(self.buffer) < size:
            received = self.socket.recv(1 << 18)
            if not received:
                raise EOFError("the connection has ended")
            self.buffer += received
        taken = bytes(self.buffer[:size])
        del self.buffer[:size]
        return taken

    def send(self, kind, fields=None):
        self.write(wire.emit_frame(self.network, kind, fields))

    def send_data(self, part, payload):
        """Sends a part of a range, or only the beginning of its payload."""
        self.write(wire.emit_frame(self.network, wire.DATA, part) + payload)

    def receive(self):
        """The next frame. The payload of a `Data` is still to be read."""
        header = self.read(12)
        _, size, _ = wire.parse_header(header)
        return wire.parse_body(self.network, header, self.read(size))

    def close(self):
        self.socket.close()


def opening(manifest=None, file=None, node=None, port=0, holds=wire.NONE):
    """The `Open` of a peer that has the manifest, or only knows the file id."""
    size, count = (len(manifest.info), len(manifest.hashes)) if manifest else (0, 0)
    return Open(file or manifest.file_id, node or new_id(), port, holds, size, count)


# -- a getter


def fetch(address, file, network=Network(), source=None):
    """Fetches a file from one provider: its manifest and its content, verified."""
    stream = Stream.dial(address, network, source)
    stream.send(wire.OPEN, opening(file=file))
    frame = stream.receive()
    if frame.kind == wire.CLOSE:
        raise WireError(f"closed: {wire.REASONS[frame.fields]}")
    wire.need(frame.kind == wire.OPEN and frame.fields.file == file, "an Open of this file")
    manifest, offered = _fetch_manifest(stream, frame.fields)
    if frame.fields.holds == wire.ALL:
        offered = list(range(len(manifest.hashes)))
    content = _fetch_shards(stream, manifest, offered)
    stream.send(wire.CLOSE, wire.REASONS.index("done"))
    stream.close()
    return manifest, content


def _fetch_manifest(stream, theirs):
    """The manifest, and the shards that were offered meanwhile."""
    info, offered = b"", []
    while len(info) < theirs.manifest_size:
        length = min(theirs.manifest_size - len(info), wire.MANIFEST_PART_SIZE_MAX)
        stream.send(wire.MANIFEST_REQUEST, (len(info), length))
        frame = stream.receive()
        while frame.kind != wire.MANIFEST_PART:
            offered += _shards_in(frame)
            frame = stream.receive()
        total, offset, part = frame.fields
        wire.need((total, offset) == (theirs.manifest_size, len(info)), "the part asked for")
        info += part
    wire.need(hashlib.sha1(info).digest() == theirs.file, "the manifest of this file")
    return Manifest(info), offered


def _shards_in(frame):
    """The shards that a frame says its sender has."""
    if frame.kind == wire.HAVE:
        return frame.fields
    if frame.kind == wire.MAP:
        first, bits = frame.fields
        return [first + 8 * at + bit for at, byte in enumerate(bits)
                for bit in range(8) if byte & 0x80 >> bit]
    wire.need(frame.kind in (wire.PROVIDERS, wire.KEEP_ALIVE), f"unexpected {frame.kind}")
    return []


def _fetch_shards(stream, manifest, offered):
    """The content. Ranges of offered shards are asked for, and come in that order."""
    content, missing = bytearray(manifest.size), set(range(len(manifest.hashes)))
    queue, outstanding = [], []
    while missing:
        for shard in offered:
            length = manifest.shard_length(shard)
            queue += [Range(shard, at, min(wire.RANGE_SIZE_MAX, length - at))
                      for at in range(0, length, wire.RANGE_SIZE_MAX)]
        while queue and len(outstanding) < REQUESTS_MAX:
            stream.send(wire.REQUEST, queue[0])
            outstanding.append(queue.pop(0))
        frame = stream.receive()
        if frame.kind != wire.DATA:
            offered = _shards_in(frame)
            continue
        part, asked, offered = frame.fields, outstanding[0], []
        is_next = part[:2] == asked[:2] and part.length <= asked.length
        wire.need(is_next, "the beginning of a request")
        at = part.shard * manifest.shard_size + part.offset
        content[at:at + part.length] = stream.read(part.length)
        rest = Range(part.shard, part.offset + part.length, asked.length - part.length)
        outstanding[:1] = [rest] if rest.length else []
        if rest.offset == manifest.shard_length(part.shard):
            start = part.shard * manifest.shard_size
            shard = content[start:start + manifest.shard_size]
            wire.need(hashlib.sha1(shard).digest() == manifest.hashes[part.shard], "a right shard")
            missing.discard(part.shard)
    return bytes(content)


# -- a provider


class Listener:
    """Accepts streams, each served by a thread; attackers override `serve`."""

    timeout = 120.0

    def __init__(self, address, network=Network()):
        self.network, self.node = network, new_id()
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.socket = socket.create_server(address, backlog=128, family=family)
        self.address = self.socket.getsockname()[:2]
        self.is_stopped, self.streams = False, []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while not self.is_stopped:
            try:
                connection, other = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.run, args=(connection, other), daemon=True).start()

    def run(self, connection, other):
        stream = self.keep(Stream(connection, self.network, self.timeout))
        try:
            stream.answer_handshake()
            self.serve(stream, other)
        except (OSError, EOFError, WireError):
            pass
        finally:
            stream.close()

    def keep(self, stream):
        self.streams.append(stream)
        return stream

    def sent(self):
        """Bytes that it has sent on all streams."""
        return sum(stream.sent for stream in self.streams)

    def serve(self, stream, other):
        """Carries the conversation on a stream until it ends."""

    def stop(self):
        self.is_stopped = True
        # A thread that waits in accept or recv is not woken by close alone.
        for each in [self.socket, *(stream.socket for stream in self.streams)]:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.socket.close()


class Provider(Listener):
    """Serves a file."""

    def __init__(self, address, manifest, content, network=Network()):
        self.manifest, self.content = manifest, content
        super().__init__(address, network)

    def open(self, stream, port=None):
        port = self.address[1] if port is None else port
        stream.send(wire.OPEN, opening(self.manifest, node=self.node, port=port, holds=wire.ALL))

    def serve(self, stream, other):
        theirs = stream.receive()
        wire.need(theirs.kind == wire.OPEN, "an Open first")
        if theirs.fields.file != self.manifest.file_id:
            return stream.send(wire.CLOSE, wire.REASONS.index("unknown file"))
        self.open(stream)
        while True:
            frame = stream.receive()
            if frame.kind == wire.CLOSE:
                return
            self.answer(stream, frame)

    def answer(self, stream, frame):
        if frame.kind == wire.MANIFEST_REQUEST:
            offset, length = frame.fields
            part = self.manifest.info[offset:offset + length]
            stream.send(wire.MANIFEST_PART, (len(self.manifest.info), offset, part))
        elif frame.kind == wire.REQUEST:
            at = frame.fields.shard * self.manifest.shard_size + frame.fields.offset
            stream.send_data(frame.fields, self.content[at:at + frame.fields.length])


# -- a node of the DHT


class Node:
    """Answers datagrams in a thread, and asks: enough to be found, to look up and to announce."""

    def __init__(self, address, network=Network(), provides=()):
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.address = self.socket.getsockname()[:2]
        self.network, self.id, self.provides = network, new_id(), set(provides)
        self.cookies, self.waiting, self.size_sent = {}, {}, 0
        self.lock = threading.Condition()
        self.thread = threading.Thread(target=self._receive, daemon=True)
        # So that `stop` is noticed.
        self.socket.settimeout(0.1)
        self.is_stopped = False
        self.thread.start()

    def _receive(self):
        while not self.is_stopped:
            try:
                packet, other = self.socket.recvfrom(2048)
                datagram = wire.parse_datagram(self.network, packet)
            except (OSError, WireError):
                # No datagram, a damaged one, or an ICMP error: the port that was asked is closed.
                continue
            other = other[:2]
            if not datagram.kind & wire.REPLY:
                self.reply(datagram, other)
                continue
            with self.lock:
                self.cookies[other] = datagram.fields["cookie"]
                if self.waiting.get(datagram.rpc_id, datagram) is None:
                    self.waiting[datagram.rpc_id] = datagram
                    self.lock.notify_all()

    def seen(self, other):
        """The address of an asker, as its reply names it; attackers override it."""
        return other

    def contacts(self):
        """The contacts that askers are told of; attackers override it."""
        return []

    def reply(self, request, other):
        fields = {"seen": self.seen(other), "cookie": b"cookie!!"}
        if request.kind in (wire.FIND_NODE, wire.FIND_VALUE):
            fields |= {"token": b"token!!!", "contacts": self.contacts()}
            fields["provides"] = int(request.fields["target"] in self.provides)
        elif request.kind != wire.PING:
            fields["status"] = wire.FULL
        kind = request.kind | wire.REPLY
        self.send(other, kind, request.rpc_id, **fields)

    def send(self, to, kind, rpc_id, **fields):
        packet = wire.emit_datagram(self.network, kind, rpc_id, self.id, **fields)
        self.socket.sendto(packet, to)
        self.size_sent += len(packet)

    def sent(self):
        """Bytes that it has sent."""
        return self.size_sent

    def ask(self, to, kind, timeout=TIMEOUT, **fields):
        """The reply to a request, which is repeated each second; its cookie is remembered. None: no
        reply came in time."""
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            rpc_id, cookie = os.urandom(20), self.cookies.get(to, bytes(8))
            if kind not in (wire.STORE, wire.REPLICATE):
                fields["cookie"] = cookie
            pad_to = 75 if kind == wire.PING and not any(cookie) else 0
            with self.lock:
                self.waiting[rpc_id] = None
                self.send(to, kind, rpc_id, pad_to=pad_to, **fields)
                self.lock.wait_for(lambda: self.waiting[rpc_id], timeout=1.0)
                reply = self.waiting.pop(rpc_id)
            if reply and reply.kind != wire.ERROR:
                return reply
            if reply is None:
                self.cookies.pop(to, None)
        return None

    def announce(self, to, file, port, ttl=7200):
        """Stores at one node that this host provides a file; the status."""
        self.ask(to, wire.PING)
        found = self.ask(to, wire.FIND_NODE, target=file)
        if not found:
            return None
        stored = self.ask(to, wire.STORE, target=file, token=found.fields["token"], port=port,
                          ttl=ttl)
        return stored and stored.fields["status"]

    def find_providers(self, to, file):
        """The locations that one node knows, itself perhaps among them."""
        self.ask(to, wire.PING)
        found = self.ask(to, wire.FIND_VALUE, target=file)
        own = [to] if found and found.fields["provides"] else []
        return own + (found.fields["providers"] if found else [])

    def stop(self):
        self.is_stopped = True
        self.thread.join()
        self.socket.close()
