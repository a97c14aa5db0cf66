"""A provider that lies by silence: it opens every stream as one that has the whole file, and never
sends a byte of it. For `scenarios`; run as `mute.py ADDRESS PORT FILE_ID SHARD_COUNT MANIFEST_SIZE`.

It sends the `Open` frame of src/wire/native/frame.rs, in the network "sprat".
"""

import os
import selectors
import socket
import struct
import sys
import zlib

ALL = 1


def open_frame(file_id, port, shard_count, manifest_size):
    body = struct.pack(">HH20s20sHBBII", 1, 0, file_id, os.urandom(20), port, ALL, 0,
                       manifest_size, shard_count)
    start = struct.pack(">BBHI", 0xF5, 0x01, 0, len(body))
    network = struct.pack(">I", zlib.crc32(b"sprat"))
    return start + struct.pack(">I", zlib.crc32(network + start + body)) + body


def main():
    address, port, file_id, shard_count, manifest_size = sys.argv[1:]
    words = open_frame(bytes.fromhex(file_id), int(port), int(shard_count), int(manifest_size))
    listener = socket.create_server((address, int(port)), backlog=64)
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is listener:
                stream, _ = listener.accept()
                stream.sendall(words)
                selector.register(stream, selectors.EVENT_READ)
                continue
            try:
                heard = key.fileobj.recv(65536)
            except OSError:
                heard = b""
            if heard:
                print(f"heard {len(heard)} bytes", flush=True)
            else:
                selector.unregister(key.fileobj)
                key.fileobj.close()


main()
