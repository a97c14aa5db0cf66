"""The bytes of the native dialect, written from src/wire/native/protocol.md alone: networks,
addresses, datagrams, discovery messages, handshakes, frames, manifests. The numbers of sections are
that page's.

Nothing here does I/O. Standard library only.
"""

import hashlib
import ipaddress
import os
import struct
import zlib
from collections import namedtuple

ID_SIZE = 20
DATAGRAM_SIZE_MAX = 1200
MANIFEST_PART_SIZE_MAX = 16368
PART_SIZE_MIN = 4096
RANGE_SIZE_MAX = 1 << 20


class WireError(Exception):
    """Bytes that break the rules of the page."""


def need(condition, fault):
    if not condition:
        raise WireError(fault)


# -- section 2: networks


def siphash128(key, message):
    """SipHash-2-4 with a result of 128 bits, as the reference implementation has it."""
    mask = (1 << 64) - 1
    k0, k1 = struct.unpack("<QQ", key)
    v = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D ^ 0xEE,
         k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]

    def left(number, bits):
        return (number << bits | number >> (64 - bits)) & mask

    def rounds(count):
        v0, v1, v2, v3 = v
        for _ in range(count):
            v0 = (v0 + v1) & mask
            v1 = left(v1, 13) ^ v0
            v0 = left(v0, 32)
            v2 = (v2 + v3) & mask
            v3 = left(v3, 16) ^ v2
            v0 = (v0 + v3) & mask
            v3 = left(v3, 21) ^ v0
            v2 = (v2 + v1) & mask
            v1 = left(v1, 17) ^ v2
            v2 = left(v2, 32)
        v[:] = v0, v1, v2, v3

    whole = len(message) // 8 * 8
    last = int.from_bytes(message[whole:], "little") | (len(message) & 0xFF) << 56
    for word in [*struct.unpack(f"<{whole // 8}Q", message[:whole]), last]:
        v[3] ^= word
        rounds(2)
        v[0] ^= word
    v[2] ^= 0xEE
    rounds(4)
    first = v[0] ^ v[1] ^ v[2] ^ v[3]
    v[1] ^= 0xDD
    rounds(4)
    return struct.pack("<QQ", first, v[0] ^ v[1] ^ v[2] ^ v[3])


class Network:
    """A network: its name, and the key of 16 bytes that it may have."""

    def __init__(self, name="sprat", key=None):
        self.key = key and siphash128(key, b"\0" + name.encode())
        if self.key:
            self.seed = siphash128(self.key, b"\1")[:4]
        else:
            self.seed = struct.pack(">I", zlib.crc32(name.encode()))

    def crc(self, message):
        return zlib.crc32(self.seed + message)

    def tag(self, message):
        return siphash128(self.key, message) if self.key else b""

    def split(self, packet):
        """A message without its tag, which must be right."""
        message = packet[:-16] if self.key else packet
        need(self.tag(message) == packet[len(message):], "tag")
        return message


# -- section 1: addresses


def emit_address(address):
    ip = ipaddress.ip_address(address[0])
    bytes16 = bytes(10) + b"\xff\xff" + ip.packed if ip.version == 4 else ip.packed
    return bytes16 + struct.pack(">H", address[1])


def parse_address(bytes18):
    ip = ipaddress.IPv6Address(bytes18[:16])
    ip, port = ip.ipv4_mapped or ip, struct.unpack(">H", bytes18[16:])[0]
    need(port and not ip.is_unspecified and not ip.is_multicast and str(ip) != "255.255.255.255",
         "address")
    return str(ip), port


class Reader:
    """The unread rest of a message."""

    def __init__(self, message):
        self.message, self.at = message, 0

    def take(self, size):
        need(self.at + size <= len(self.message), "too short")
        self.at += size
        return self.message[self.at - size:self.at]

    def number(self, size):
        return int.from_bytes(self.take(size), "big")

    def rest(self):
        return self.take(len(self.message) - self.at)

    def end(self):
        need(self.at == len(self.message), "trailing bytes")


# -- section 3: datagrams

PING, FIND_NODE, FIND_VALUE, STORE, REPLICATE, ERROR = 1, 2, 3, 4, 5, 0xFF
REPLY = 0x80
UNPROVED = 2
STORED, FULL, BAD_TOKEN = 0, 1, 2
HEADER_SIZE = 48

Datagram = namedtuple("Datagram", "kind rpc_id sender read_only fields")


def emit_datagram(network, kind, rpc_id, sender, read_only=False, pad_to=0, **fields):
    """A datagram. A request is padded to `pad_to` bytes, tag aside."""
    body = b"".join(_emit_body(kind, fields))
    if not kind & REPLY:
        missing = max(0, pad_to - HEADER_SIZE - len(body) - 2)
        body += struct.pack(">H", missing) + bytes(missing)
    start, rest = bytes([0xD5, 1, kind, read_only]), rpc_id + sender + body
    crc = network.crc(start + bytes(4) + rest)
    message = start + struct.pack(">I", crc) + rest
    return message + network.tag(message)


def _emit_body(kind, fields):
    if kind in (PING, FIND_NODE, FIND_VALUE):
        return [fields.get("target", b""), fields.get("cookie", bytes(8))]
    if kind == STORE:
        port_and_ttl = struct.pack(">HI", fields["port"], fields["ttl"])
        return [fields["target"], fields["token"], port_and_ttl]
    if kind == REPLICATE:
        entries = [emit_address(at) + struct.pack(">I", ttl) for at, ttl in fields["entries"]]
        return [fields["target"], fields["token"], bytes([len(entries)]), *entries]
    parts = [emit_address(fields["seen"]), fields.get("cookie", bytes(8))]
    contacts = [id + emit_address(at) for id, at in fields.get("contacts", [])]
    providers = [emit_address(at) for at in fields.get("providers", [])]
    if kind == REPLY | FIND_NODE:
        parts += [fields["token"], bytes([len(contacts)]), *contacts]
    elif kind == REPLY | FIND_VALUE:
        counts = bytes([fields.get("provides", 0), len(providers), len(contacts)])
        parts += [fields["token"], counts, *providers, *contacts]
    elif kind in (REPLY | STORE, REPLY | REPLICATE):
        parts.append(bytes([fields["status"]]))
    elif kind == ERROR:
        parts.append(bytes([fields["code"]]))
    return parts


def parse_datagram(network, packet):
    need(len(packet) <= DATAGRAM_SIZE_MAX, "too long")
    message = network.split(packet)
    reader = Reader(message)
    magic, version, kind, flags = reader.take(4)
    need((magic, version) == (0xD5, 1), "magic or version")
    crc = reader.number(4)
    need(crc == network.crc(message[:4] + bytes(4) + message[8:]), "crc")
    need(flags <= 1, "flags")
    rpc_id, sender = reader.take(ID_SIZE), reader.take(ID_SIZE)
    fields = _parse_reply(kind, reader) if kind & REPLY else _parse_request(kind, reader)
    reader.end()
    return Datagram(kind, rpc_id, sender, flags == 1, fields)


def _parse_request(kind, reader):
    need(kind in (PING, FIND_NODE, FIND_VALUE, STORE, REPLICATE), "kind")
    fields = {"target": reader.take(ID_SIZE)} if kind != PING else {}
    if kind in (STORE, REPLICATE):
        fields["token"] = reader.take(8)
    else:
        fields["cookie"] = reader.take(8)
    if kind == STORE:
        fields["port"], fields["ttl"] = reader.number(2), reader.number(4)
        need(fields["port"], "port")
    elif kind == REPLICATE:
        count = reader.number(1)
        need(1 <= count <= 16, "count")
        fields["entries"] = [(parse_address(reader.take(18)), reader.number(4))
                             for _ in range(count)]
    fields["padding"] = reader.number(2)
    need(not any(reader.take(fields["padding"])), "padding")
    return fields


def _parse_reply(kind, reader):
    fields = {"seen": parse_address(reader.take(18)), "cookie": reader.take(8)}
    if kind in (REPLY | FIND_NODE, REPLY | FIND_VALUE):
        fields["token"] = reader.take(8)
        provider_count = 0
        if kind == REPLY | FIND_VALUE:
            fields["provides"], provider_count = reader.number(1), reader.number(1)
        contact_count = reader.number(1)
        need(fields.get("provides", 0) <= 1 and provider_count <= 16 and contact_count <= 20,
             "count")
        if kind == REPLY | FIND_VALUE:
            fields["providers"] = [parse_address(reader.take(18)) for _ in range(provider_count)]
        fields["contacts"] = [(reader.take(ID_SIZE), parse_address(reader.take(18)))
                              for _ in range(contact_count)]
    elif kind in (REPLY | STORE, REPLY | REPLICATE):
        fields["status"] = reader.number(1)
        need(fields["status"] <= 3, "status")
    elif kind == ERROR:
        fields["code"] = reader.number(1)
        need(fields["code"] <= 2, "code")
    else:
        need(kind == REPLY | PING, "kind")
    return fields


# -- section 6: discovery messages

QUERY, RESPONSE = 0x01, 0x81
Discovery = namedtuple("Discovery", "kind sender port nonce cookie")


def emit_discovery(network, kind, sender, port, nonce, cookie=bytes(8)):
    start, rest = bytes([0xC5, 1, kind, 0]), sender + struct.pack(">H", port) + nonce + cookie
    message = start + struct.pack(">I", network.crc(start + bytes(4) + rest)) + rest
    return message + network.tag(message)


def parse_discovery(network, packet):
    message = network.split(packet)
    need(len(message) == 46 and message[:2] == b"\xc5\1" and not message[3], "start")
    kind, crc = message[2], int.from_bytes(message[4:8], "big")
    need(crc == network.crc(message[:4] + bytes(4) + message[8:]), "crc")
    sender, port, nonce, cookie = struct.unpack(">20sH8s8s", message[8:])
    need(kind in (QUERY, RESPONSE) and port, "kind or port")
    need((kind == QUERY) == (cookie == bytes(8)), "cookie")
    return Discovery(kind, sender, port, nonce, cookie)


# -- section 2: handshakes

HELLO, CHALLENGE, PROOF = 1, 2, 3
STEP_SIZES = {HELLO: 36, CHALLENGE: 36, PROOF: 20}


def emit_step(network, step, dialler, acceptor=bytes(16)):
    """A step between ends that have chosen these nonces."""
    start = bytes([0xE5, 1, step, 0])
    own = {HELLO: dialler, CHALLENGE: acceptor, PROOF: b""}[step]
    return start + own + network.tag(start + dialler + acceptor)


# -- section 7: frames

OPEN, MAP, HAVE, MANIFEST_REQUEST, MANIFEST_PART, REQUEST = 1, 2, 3, 4, 5, 6
DATA, CANCEL, REFUSE, PROVIDERS, KEEP_ALIVE, CLOSE = 7, 8, 9, 10, 11, 12
NONE, ALL, SOME = 0, 1, 2
MISSING, CANCELLED, UNREADABLE, BUSY = 0, 1, 2, 3
REASONS = ["done", "stopping", "full", "unknown file", "duplicate", "protocol", "timeout",
           "corrupt"]
BODY_SIZES = {OPEN: (56, 56), MAP: (5, 16384), HAVE: (4, 4096), MANIFEST_REQUEST: (8, 8),
              MANIFEST_PART: (9, 16376), REQUEST: (12, 12), DATA: (12, 12), CANCEL: (12, 12),
              REFUSE: (13, 13), PROVIDERS: (18, 576), KEEP_ALIVE: (0, 0), CLOSE: (1, 1)}

Frame = namedtuple("Frame", "kind fields")
Range = namedtuple("Range", "shard offset length")
Open = namedtuple("Open", "file node port holds manifest_size shard_count")


def emit_frame(network, kind, fields=None):
    """`fields`: an Open, a Range, or as `parse_body` returns them."""
    body = _emit_frame_body(kind, fields)
    start = struct.pack(">BBHI", 0xF5, kind, 0, len(body))
    return start + struct.pack(">I", network.crc(start + body)) + body


def _emit_frame_body(kind, fields):
    if kind == OPEN:
        return struct.pack(">HH20s20sHBBII", 1, 0, *fields[:4], 0, *fields[4:])
    if kind == MAP:
        return struct.pack(">I", fields[0]) + fields[1]
    if kind == HAVE:
        return struct.pack(f">{len(fields)}I", *fields)
    if kind == MANIFEST_PART:
        return struct.pack(">II", *fields[:2]) + fields[2]
    if kind == MANIFEST_REQUEST:
        return struct.pack(">II", *fields)
    if kind in (REQUEST, DATA, CANCEL):
        return struct.pack(">III", *fields)
    if kind == REFUSE:
        return struct.pack(">IIIB", *fields[0], fields[1])
    if kind == PROVIDERS:
        return b"".join(map(emit_address, fields))
    return bytes([fields]) if kind == CLOSE else b""


def parse_header(header):
    """The kind, the length of the body and the CRC of a frame."""
    magic, kind, reserved, size, crc = struct.unpack(">BBHII", header)
    need(magic == 0xF5 and kind in BODY_SIZES and not reserved, "frame header")
    least, greatest = BODY_SIZES[kind]
    step = {HAVE: 4, PROVIDERS: 18}.get(kind, 1)
    need(least <= size <= greatest and (size - least) % step == 0, "body length")
    return kind, size, crc


def parse_body(network, header, body):
    """The frame that these make; the payload of `Data` follows."""
    kind, size, crc = parse_header(header)
    need(size == len(body) and crc == network.crc(header[:8] + body), "crc")
    if kind == OPEN:
        version, flags, file, node, port, holds, reserved, manifest_size, shard_count = \
            struct.unpack(">HH20s20sHBBII", body)
        need((version, flags, reserved) == (1, 0, 0) and holds <= 2, "open")
        need(shard_count * 20 <= manifest_size <= 4 << 20, "sizes in open")
        need(manifest_size or holds == NONE, "holds")
        return Frame(kind, Open(file, node, port, holds, manifest_size, shard_count))
    if kind == MAP:
        first = int.from_bytes(body[:4], "big")
        need(first % 8 == 0, "first")
        return Frame(kind, (first, body[4:]))
    if kind == HAVE:
        return Frame(kind, list(struct.unpack(f">{size // 4}I", body)))
    if kind == MANIFEST_REQUEST:
        offset, length = struct.unpack(">II", body)
        need(1 <= length <= MANIFEST_PART_SIZE_MAX, "length of a manifest request")
        need(offset + length <= 4 << 20, "offset of a manifest request")
        return Frame(kind, (offset, length))
    if kind == MANIFEST_PART:
        total, offset = struct.unpack(">II", body[:8])
        need(offset + size - 8 <= total <= 4 << 20, "manifest part")
        return Frame(kind, (total, offset, body[8:]))
    if kind in (REQUEST, DATA, CANCEL, REFUSE):
        part = Range(*struct.unpack(">III", body[:12]))
        need(1 <= part.length <= RANGE_SIZE_MAX, "range length")
        need(part.offset + part.length <= 16 << 20, "range offset")
        need(kind != REFUSE or body[12] <= BUSY, "reason")
        return Frame(kind, part if kind != REFUSE else (part, body[12]))
    if kind == PROVIDERS:
        return Frame(kind, [parse_address(body[at:at + 18]) for at in range(0, size, 18)])
    need(kind != CLOSE or body[0] < len(REASONS), "reason")
    return Frame(kind, body[0] if kind == CLOSE else None)


# -- section 9: manifests and links


class Manifest:
    """The manifest of one file."""

    def __init__(self, info):
        fields, end = _decode(info, 0)
        need(end == len(info) and b"length" in fields, "manifest of a single file")
        self.info, self.name = info, fields[b"name"].decode()
        self.size, self.shard_size = fields[b"length"], fields[b"piece length"]
        self.hashes = [fields[b"pieces"][at:at + 20] for at in range(0, len(fields[b"pieces"]), 20)]
        self.file_id = hashlib.sha1(info).digest()
        need(len(self.hashes) == -(-self.size // self.shard_size), "hashes")

    @staticmethod
    def of(content, name):
        """Makes the manifest that sprat would make."""
        shard_size = 16 << 10
        while -(-len(content) // shard_size) > 2048 and shard_size < 16 << 20:
            shard_size *= 2
        hashes = b"".join(hashlib.sha1(content[at:at + shard_size]).digest()
                          for at in range(0, len(content), shard_size))
        name = name.encode()
        return Manifest(b"d6:lengthi%de4:name%d:%b12:piece lengthi%de6:pieces%d:%be" % (
            len(content), len(name), name, shard_size, len(hashes), hashes))

    def shard_length(self, shard):
        return min(self.shard_size, self.size - shard * self.shard_size)

    def link(self, *providers):
        return link_of(self.file_id, *providers)


def link_of(file_id, *providers):
    return f"magnet:?xt=urn:btih:{file_id.hex()}" + "".join(
        f"&x.pe={f'[{ip}]' if ':' in ip else ip}:{port}" for ip, port in providers)


def _decode(text, at):
    """One bencoded value, and where it ends."""
    first = text[at:at + 1]
    if first == b"i":
        end = text.index(b"e", at)
        return int(text[at + 1:end]), end + 1
    if first in (b"l", b"d"):
        values, at = [], at + 1
        while text[at:at + 1] != b"e":
            value, at = _decode(text, at)
            values.append(value)
        pairs = dict(zip(values[::2], values[1::2]))
        return (pairs if first == b"d" else values), at + 1
    colon = text.index(b":", at)
    end = colon + 1 + int(text[at:colon])
    return text[colon + 1:end], end


def new_id():
    return os.urandom(ID_SIZE)
