//! One host's streams: accepts, receives and sends, each until `WouldBlock` or the end of its
//! budget.
//!
//! The twin of the reactor's `transfer`. Invariant: a stream whose budget ended before `WouldBlock`
//! is on the ready list again.

use super::host::What;
use super::pipes::{Connection, ConnectionKey, Hold, Readable, Side};
use super::world::World;
use crate::limits::{STREAM_BYTES_PER_TURN, STREAM_OPERATIONS_PER_TURN};
use crate::node::{Chunk, StreamKey};
use std::net::SocketAddr;
use std::time::Duration;

impl World {
    pub(super) fn accept(&mut self, connection: ConnectionKey, epoch: u32) {
        let Some(of) = self.connections.get(connection) else {
            return;
        };
        let (from, to) = (of.ends[0].host, of.ends[1].host);
        let host = &mut self.hosts[to];
        if host.epoch != epoch || host.node.is_none() {
            self.let_reset(connection);
            return;
        }
        if host.is_paused {
            host.held.push(What::Accept { connection, epoch });
            return;
        }
        let from = SocketAddr::new(self.hosts[from].address.ip(), 50_000);
        let now = self.now;
        match self.node_mut(to).handle_accept(now, from) {
            Some(stream) => {
                if let Some(of) = self.connections.get_mut(connection) {
                    of.ends[1].stream = Some(stream);
                }
                self.hosts[to].sockets.insert(stream, connection, 1);
            }
            None => self.let_reset(connection),
        }
        self.note(3, to, 0);
        self.attend(to);
    }

    /// The accepting side does not want the connection.
    fn let_reset(&mut self, connection: ConnectionKey) {
        if let Some(of) = self.connections.get_mut(connection) {
            of.ends[1].hold = Hold::Closed;
            self.queue.push(
                self.now + self.faults.delay,
                What::Reset {
                    connection,
                    side: 1,
                },
            );
        }
    }

    pub(super) fn established(&mut self, connection: ConnectionKey) {
        let Some(of) = self.connections.get(connection) else {
            return;
        };
        let (host, Some(stream)) = (of.ends[0].host, of.ends[0].stream) else {
            return;
        };
        if of.ends[0].hold != Hold::Open {
            return;
        }
        if self.hosts[host].is_paused {
            self.hosts[host].held.push(What::Established { connection });
            return;
        }
        let now = self.now;
        let Some(socket) = self.hosts[host].sockets.find(stream) else {
            return;
        };
        if socket.connection != connection || socket.is_connected {
            return;
        }
        (socket.is_connected, socket.is_readable, socket.is_writable) = (true, true, true);
        self.hosts[host].sockets.queue(stream);
        self.node_mut(host).handle_connected(now, stream);
        self.note(4, host, u64::from(stream.slot));
        self.attend(host);
    }

    pub(super) fn make_ready(
        &mut self,
        (connection, side): (ConnectionKey, Side),
        readable: bool,
        writable: bool,
    ) {
        let Some(of) = self.connections.get(connection) else {
            return;
        };
        let end = &of.ends[side];
        let (host, Some(stream), Hold::Open) = (end.host, end.stream, end.hold) else {
            return;
        };
        let is_reset = end.is_reset;
        if self.hosts[host].is_paused {
            let what = What::Ready {
                connection,
                side,
                readable,
                writable,
            };
            self.hosts[host].held.push(what);
            return;
        }
        let sockets = &mut self.hosts[host].sockets;
        let Some(socket) = sockets.find(stream) else {
            return;
        };
        socket.is_readable |= readable;
        socket.is_writable |= writable;
        // A connection that could not be made is found out as one that was reset.
        socket.is_connected |= is_reset;
        sockets.queue(stream);
        self.note(9, host, u64::from(stream.slot));
        self.attend(host);
    }

    /// Serves one stream: receives, then sends.
    pub(super) fn serve(&mut self, host: usize, key: StreamKey) {
        let is_connected = self.hosts[host]
            .sockets
            .find(key)
            .is_some_and(|s| s.is_connected);
        if is_connected && self.receive(host, key) && self.send(host, key) {
            self.hosts[host].sockets.queue(key);
        }
    }

    /// Receives until `WouldBlock`, the end, or the end of the budget; whether the stream is still
    /// there.
    fn receive(&mut self, host: usize, key: StreamKey) -> bool {
        for _ in 0..STREAM_OPERATIONS_PER_TURN {
            let Some(socket) = self.hosts[host].sockets.find(key).copied() else {
                return false;
            };
            if !socket.is_readable {
                return true;
            }
            let at = (socket.connection, socket.side);
            let readable = self.connections.get(at.0).map(|of| of.readable(at.1));
            match readable.unwrap_or(Readable::End) {
                Readable::End => {
                    self.lose(host, key);
                    return false;
                }
                _ if self.balks() => self.block(host, key, (true, false), true),
                Readable::Nothing => self.block(host, key, (true, false), false),
                Readable::Bytes(count) => self.receive_bytes(host, key, at, count),
            }
        }
        self.hosts[host].sockets.queue(key);
        self.hosts[host].sockets.find(key).is_some()
    }

    fn receive_bytes(
        &mut self,
        host: usize,
        key: StreamKey,
        at: (ConnectionKey, Side),
        count: usize,
    ) {
        let count = self.piece(count.min(self.buffer.len()));
        if let Some(of) = self.connections.get_mut(at.0) {
            of.read(at.1, &mut self.buffer[..count]);
        }
        self.make_room(at);
        let now = self.now;
        if let Some(node) = &mut self.hosts[host].node {
            node.handle_received(now, key, &self.buffer[..count]);
        }
        // Before the buffer is used again: writes refer to it.
        self.settle(host);
    }

    /// Sends until `WouldBlock` or until there is nothing; whether the budget ended first.
    fn send(&mut self, host: usize, key: StreamKey) -> bool {
        let mut sent = 0;
        for _ in 0..STREAM_OPERATIONS_PER_TURN {
            let Some(socket) = self.hosts[host].sockets.find(key).copied() else {
                return false;
            };
            if !socket.is_writable || sent >= STREAM_BYTES_PER_TURN {
                return socket.is_writable;
            }
            let now = self.now;
            let Some(chunk) = self.node_mut(host).poll_send(now, key) else {
                return false;
            };
            let at = (socket.connection, socket.side);
            let notsent_max = self.node_mut(host).notsent_max() as usize;
            if let Some(of) = self.connections.get_mut(at.0) {
                of.ends[at.1].notsent_max = notsent_max;
            }
            let end = |of: &Connection| (of.ends[at.1].is_reset, of.ends[at.1].room());
            let (is_reset, room) = self.connections.get(at.0).map_or((true, 0), end);
            if is_reset {
                self.lose(host, key);
                return false;
            }
            if room == 0 || self.balks() {
                self.block(host, key, (false, true), room > 0);
                return false;
            }
            let Some(count) = self.send_chunk(host, key, at, (chunk, room)) else {
                return false;
            };
            sent += count;
            self.node_mut(host).handle_sent(now, key, count as u32);
            self.settle(host);
        }
        true
    }

    /// Sends a part of a chunk; `None` when it cannot be sent.
    fn send_chunk(
        &mut self,
        host: usize,
        key: StreamKey,
        at: (ConnectionKey, Side),
        (chunk, room): (Chunk, usize),
    ) -> Option<usize> {
        let limit = self.piece(room);
        let of = &self.hosts[host];
        let bytes = match chunk {
            Chunk::Bytes { .. } => Ok(of.node.as_ref()?.bytes(key)),
            Chunk::File(range) => of.disk.read(range),
        };
        let bytes = match bytes {
            Ok(bytes) => bytes,
            Err(error) => {
                let now = self.now;
                self.node_mut(host).handle_unsendable(now, key, error);
                self.settle(host);
                return None;
            }
        };
        assert!(!bytes.is_empty(), "the node sends no empty chunk");
        let count = bytes.len().min(limit);
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer[..count].copy_from_slice(&bytes[..count]);
        self.transmit(at, &buffer[..count]);
        self.buffer = buffer;
        Some(count)
    }

    /// A read or write says `WouldBlock`. `for_no_reason`: an event comes soon by itself.
    fn block(
        &mut self,
        host: usize,
        key: StreamKey,
        (read, write): (bool, bool),
        for_no_reason: bool,
    ) {
        let Some(socket) = self.hosts[host].sockets.find(key) else {
            return;
        };
        socket.is_readable &= !read;
        socket.is_writable &= !write;
        let (connection, side) = (socket.connection, socket.side);
        if for_no_reason {
            let (readable, writable) = (read, write);
            let what = What::Ready {
                connection,
                side,
                readable,
                writable,
            };
            self.queue.push(self.now + Duration::from_millis(1), what);
        } else if let Some(of) = self.connections.get_mut(connection) {
            of.ends[side].read_waits |= read;
            of.ends[side].write_waits |= write;
        }
    }

    fn lose(&mut self, host: usize, key: StreamKey) {
        if let Some(socket) = self.hosts[host].sockets.remove(key) {
            self.hang_up((socket.connection, socket.side));
            let now = self.now;
            self.node_mut(host).handle_closed(now, key);
            self.settle(host);
        }
    }

    /// The node has ended a stream: its last words, if they fit at once, and the end.
    pub(super) fn close(&mut self, host: usize, key: StreamKey) {
        let words = self.node_mut(host).last_words().to_vec();
        let Some(socket) = self.hosts[host].sockets.remove(key) else {
            return;
        };
        let at = (socket.connection, socket.side);
        let room = self
            .connections
            .get(at.0)
            .map_or(0, |of| of.ends[at.1].room());
        if socket.is_connected && !words.is_empty() && words.len() <= room {
            self.transmit(at, &words);
        }
        self.hang_up(at);
    }

    // -- small things

    /// How many of `count` bytes a read or write takes: all, or few.
    fn piece(&mut self, count: usize) -> usize {
        if !self.faults.short_io || count < 2 {
            return count;
        }
        let most = if self.rng.below(4) == 0 { 48 } else { 16_384 };
        1 + self.rng.below(count.min(most) as u64) as usize
    }

    /// Whether an operation says `WouldBlock` for no reason.
    fn balks(&mut self) -> bool {
        self.faults.short_io && self.rng.below(32) == 0
    }
}
