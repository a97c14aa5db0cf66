"""Peers that break faith. Each spends a few kilobytes, and keeps to the letter of the protocol as
far as it can."""

import select
import socket
import threading
import time

import peer
import wire
from wire import Range

DRIP_PERIOD = 0.4


class Claimer(peer.Provider):
    """Says that it has the whole file. When its victim closes a stream, it comes back at once, by
    dialling the port that the victim has named."""

    returns = True

    def serve(self, stream, other):
        theirs = stream.receive()
        wire.need(theirs.kind == wire.OPEN, "an Open first")
        self.open(stream)
        try:
            self.converse(stream)
        except (OSError, EOFError, wire.WireError):
            pass
        if self.returns and theirs.fields.port:
            threading.Thread(target=self.haunt, args=(other[0], theirs.fields.port),
                             daemon=True).start()

    def haunt(self, *victim):
        """Dials the victim, again and again."""
        while not self.is_stopped:
            try:
                source = (self.address[0], 0)
                stream = self.keep(peer.Stream.dial(victim, self.network, source, self.timeout))
                self.open(stream)
                if stream.receive().kind == wire.OPEN:
                    self.converse(stream)
                stream.close()
            except (OSError, EOFError, wire.WireError):
                pass
            time.sleep(0.1)

    def converse(self, stream):
        while True:
            self.answer(stream, stream.receive())


class Orphaner(Claimer):
    """Sends the first 4 KiB of each shard that it is asked for, and refuses the rest."""

    def answer(self, stream, frame):
        if frame.kind != wire.REQUEST:
            return super().answer(stream, frame)
        shard, offset, length = frame.fields
        part = Range(shard, offset, wire.PART_SIZE_MIN)
        if offset or length <= part.length:
            return stream.send(wire.REFUSE, (frame.fields, wire.MISSING))
        stream.send_data(part, self.payload(part))
        rest = Range(shard, part.length, length - part.length)
        return stream.send(wire.REFUSE, (rest, wire.MISSING))

    def payload(self, part):
        at = part.shard * self.manifest.shard_size + part.offset
        return self.content[at:at + part.length]


class Spoiler(Orphaner):
    """An orphaner of a few shards with wrong bytes: these shards fail, no peer can be blamed for
    it, and they come again from one peer, whole. Refuses all others."""

    def __init__(self, *of, spoiled, shards_max=8):
        self.spoiled, self.shards_max = spoiled, shards_max
        super().__init__(*of)

    def answer(self, stream, frame):
        if frame.kind == wire.REQUEST and len(self.spoiled) >= self.shards_max:
            return stream.send(wire.REFUSE, (frame.fields, wire.MISSING))
        return super().answer(stream, frame)

    def payload(self, part):
        self.spoiled.add(part.shard)
        return bytes(part.length)


class Dripper(Claimer):
    """Begins the oldest range that it was asked for, and sends a byte of it each 0.4 s."""

    def converse(self, stream):
        asked, is_alone, left, drip_at = [], True, 0, time.monotonic()
        while True:
            wait = max(0.0, drip_at - time.monotonic())
            # Nothing else can be said until the payload of a range is over.
            if stream.buffer or select.select([stream.socket], [], [], wait)[0]:
                frame = stream.receive()
                if frame.kind == wire.REQUEST:
                    asked.append(frame.fields)
                elif frame.kind == wire.CANCEL and frame.fields in asked and not left:
                    asked.remove(frame.fields)
                    stream.send(wire.REFUSE, (frame.fields, wire.CANCELLED))
                elif frame.kind == wire.MANIFEST_REQUEST and not left:
                    self.answer(stream, frame)
                continue
            drip_at = time.monotonic() + DRIP_PERIOD
            if not left:
                wanted = [part for part in asked if self.wants(stream, part)]
                # Other ranges would be taken back, and its victim would lose patience.
                asked, is_alone = wanted, wanted == asked
            if not left and asked and is_alone:
                part = asked.pop(0)
                left = part.length
                stream.send_data(part, b"")
            if left:
                stream.write(b"\0")
                left -= 1

    def wants(self, stream, part):
        """Whether to drip this range; one that it does not want is answered here."""
        return True


class Conspirator(Dripper):
    """A dripper of the shards that a `Spoiler` has spoiled, when they are to come from one peer; of
    no others, so that nothing is taken back from it."""

    def __init__(self, *of, spoiled):
        self.spoiled = spoiled
        super().__init__(*of)

    def wants(self, stream, part):
        if part.shard not in self.spoiled:
            stream.send(wire.REFUSE, (part, wire.MISSING))
        elif part.offset:
            # The rest of one that has begun: it fails now.
            stream.send_data(part, bytes(part.length))
        return part.shard in self.spoiled and not part.offset


class Silent(peer.Listener):
    """Accepts connections and says nothing."""

    def serve(self, stream, other):
        while stream.socket.recv(1 << 16):
            pass


class Liar(Claimer):
    """Claims the largest manifest and sends each part of it just before another peer would be
    asked; all of it is invented. A victim bans the locations of liars, so it comes back without a
    port."""

    manifest_size, delay, has_lied = 4 << 20, 0.4, False

    def open(self, stream, port=None):
        port = 0 if self.has_lied else self.address[1]
        claim = peer.opening(self.manifest, node=wire.new_id(), port=port)
        stream.send(wire.OPEN, claim._replace(manifest_size=self.manifest_size))
        self.has_lied = True

    def answer(self, stream, frame):
        if frame.kind != wire.MANIFEST_REQUEST:
            return
        offset, length = frame.fields
        time.sleep(self.delay)
        length = min(length, self.manifest_size - offset)
        stream.send(wire.MANIFEST_PART, (self.manifest_size, offset, bytes(length)))


class Callers:
    """Connections to one victim, each made again as soon as it has ended. `sources`: the IPs that
    they come from, in turn."""

    def __init__(self, victim, count, sources, network=wire.Network()):
        self.victim, self.network, self.sources = victim, network, sources
        self.is_stopped, self.live, self.ended_sent = False, {}, 0
        for index in range(count):
            source = sources[index % len(sources)]
            threading.Thread(target=self.hold, args=(source,), daemon=True).start()

    def hold(self, source):
        while not self.is_stopped:
            try:
                stream = peer.Stream(self.connect(source), self.network, 120.0)
                self.live[id(stream)] = stream
                try:
                    self.converse(stream)
                finally:
                    del self.live[id(stream)]
                    self.ended_sent += stream.sent
                    stream.close()
            except (OSError, EOFError, wire.WireError):
                pass
            time.sleep(0.2)

    def connect(self, source):
        return socket.create_connection(self.victim, 10.0, (source, 0))

    def converse(self, stream):
        """Holds the connection until it ends."""

    def sent(self):
        return self.ended_sent + sum(stream.sent for stream in list(self.live.values()))

    def stop(self):
        self.is_stopped = True
        for stream in list(self.live.values()):
            try:
                stream.socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class SilentCallers(Callers):
    """Say nothing; a connection lasts until the victim gives it up."""

    def converse(self, stream):
        while stream.socket.recv(1 << 16):
            pass


class IdleCallers(Callers):
    """Open streams, and send a keep-alive now and then."""

    def __init__(self, victim, count, sources, file, period=20.0):
        self.file, self.period = file, period
        super().__init__(victim, count, sources)

    def converse(self, stream):
        stream.send(wire.OPEN, peer.opening(file=self.file))
        spoken_at = time.monotonic()
        while True:
            wait = max(0.0, spoken_at + self.period - time.monotonic())
            if stream.buffer or select.select([stream.socket], [], [], wait)[0]:
                wire.need(stream.receive().kind != wire.CLOSE, "a place")
                continue
            stream.send(wire.KEEP_ALIVE)
            spoken_at = time.monotonic()


class SlowReaders(Callers):
    """Ask for as much as they may, and take `size` bytes of it ten times a second."""

    pause = 0.1

    def __init__(self, victim, count, sources, manifest, size):
        self.manifest, self.size = manifest, size
        super().__init__(victim, count, sources)

    def connect(self, source):
        connection = socket.socket()
        # Small segments into a small buffer: something is taken all the time.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2304)
        connection.bind((source, 0))
        connection.settimeout(10.0)
        connection.connect(self.victim)
        return connection

    def converse(self, stream):
        stream.send(wire.OPEN, peer.opening(file=self.manifest.file_id))
        for shard in range(peer.REQUESTS_MAX):
            stream.send(wire.REQUEST, Range(shard, 0, self.manifest.shard_length(shard)))
        while stream.socket.recv(self.size):
            time.sleep(self.pause)


class Namer(peer.Node):
    """A node that tells its victim that the victim is at another node's address."""

    def __init__(self, address, named):
        self.named = named
        super().__init__(address)

    def seen(self, other):
        return self.named

    def introduce(self, victim):
        """Makes itself a contact of the victim, which then asks it."""
        self.ask(victim, wire.PING, timeout=2.0)
        self.ask(victim, wire.FIND_NODE, timeout=2.0, target=wire.new_id())
