//! The streams of a host's node: accepts, receives and sends, each until `WouldBlock` or the end of
//! its budget.
//!
//! The counterpart of the reactor's `transfer`. Invariant: a stream whose budget ended before
//! `WouldBlock` is on the ready list again.

use super::pipes::{Connection, ConnectionKey, EndKey, Hold, Readable};
use super::scheduled::{Readiness, Scheduled, Segment};
use super::world::World;
use crate::limits::{STREAM_BYTES_PER_TURN, STREAM_OPERATIONS_PER_TURN};
use crate::node::{Chunk, LastWords, StreamKey};
use std::net::SocketAddr;
use std::time::Duration;

impl World {
    pub(super) fn accept(&mut self, connection: ConnectionKey, epoch: u32) {
        let Some(of) = self.connections.get(connection) else {
            return;
        };
        let (from, to) = (of.ends[0].host, of.ends[1].host);
        let host = &mut self.hosts[to];
        if host.epoch != epoch || !host.is_running() {
            return self.refuse(connection);
        }
        if host.is_paused {
            return host.held.push(Scheduled::Accept(connection, epoch));
        }
        let at = EndKey::new(connection, 1);
        let from = SocketAddr::new(self.hosts[from].address.ip(), 50_000);
        if self.hosts[to].script.is_some() {
            return self.accept_scripted(to, at, from);
        }
        let now = self.now;
        match self.node_mut(to).handle_accept(now, from) {
            Some(stream) => {
                if let Some(of) = self.connections.get_mut(connection) {
                    of.ends[1].stream = Some(stream);
                }
                self.hosts[to].sockets.insert(stream, at);
            }
            None => self.refuse(connection),
        }
        self.note(3, to, 0);
        self.attend(to);
    }

    /// The accepting host resets the connection.
    fn refuse(&mut self, connection: ConnectionKey) {
        if let Some(of) = self.connections.get_mut(connection) {
            of.ends[1].hold = Hold::Closed;
            let reset = Scheduled::Segment(EndKey::new(connection, 1), Segment::Reset);
            self.queue.push(self.now + self.faults.delay, reset);
        }
    }

    pub(super) fn establish(&mut self, connection: ConnectionKey) {
        let Some((host, stream)) = self.open_end(EndKey::new(connection, 0)) else {
            return;
        };
        if self.hosts[host].is_paused {
            let what = Scheduled::Established(connection);
            return self.hosts[host].held.push(what);
        }
        let Some(socket) = self.hosts[host].sockets.find(stream) else {
            return;
        };
        if socket.at.connection != connection || socket.is_connected {
            return;
        }
        socket.is_connected = true;
        socket.make_ready(Readiness::Both);
        if self.hosts[host].script.is_some() {
            self.run_script(host, super::script::Input::Connected { stream });
            return self.serve_scripted(host, stream, Readiness::Both);
        }
        self.hosts[host].sockets.queue(stream);
        let now = self.now;
        self.node_mut(host).handle_connected(now, stream);
        self.note(4, host, u64::from(stream.slot));
        self.attend(host);
    }

    pub(super) fn make_ready(&mut self, at: EndKey, readiness: Readiness) {
        let Some((host, stream)) = self.open_end(at) else {
            return;
        };
        if self.hosts[host].is_paused {
            let what = Scheduled::Ready(at, readiness);
            return self.hosts[host].held.push(what);
        }
        let of = self.connections.get(at.connection);
        let is_reset = of.is_some_and(|of| of.ends[at.side].is_reset);
        let Some(socket) = self.hosts[host].sockets.find(stream) else {
            return;
        };
        socket.make_ready(readiness);
        // A driver finds a connection that failed as one that was reset.
        socket.is_connected |= is_reset;
        if self.hosts[host].script.is_some() {
            return self.serve_scripted(host, stream, readiness);
        }
        self.hosts[host].sockets.queue(stream);
        self.note(9, host, u64::from(stream.slot));
        self.attend(host);
    }

    /// The host and stream of an end that its host holds open.
    fn open_end(&self, at: EndKey) -> Option<(usize, StreamKey)> {
        let end = &self.connections.get(at.connection)?.ends[at.side];
        let stream = end.stream.filter(|_| end.hold == Hold::Open)?;
        Some((end.host, stream))
    }

    /// Serves one stream: receives, then sends.
    pub(super) fn serve(&mut self, host: usize, key: StreamKey) {
        let socket = self.hosts[host].sockets.find(key);
        let is_connected = socket.is_some_and(|socket| socket.is_connected);
        if is_connected && self.receive(host, key) && self.send(host, key) {
            self.hosts[host].sockets.queue(key);
        }
    }

    /// Receives until `WouldBlock`, the end, or the end of the budget; false when the stream is
    /// gone.
    fn receive(&mut self, host: usize, key: StreamKey) -> bool {
        for _ in 0..STREAM_OPERATIONS_PER_TURN {
            let Some(socket) = self.hosts[host].sockets.find(key).copied() else {
                return false;
            };
            if !socket.is_readable {
                return true;
            }
            let at = socket.at;
            let of = self.connections.get(at.connection);
            match of.map_or(Readable::End, |of| of.readable(at.side)) {
                Readable::End => {
                    self.lose(host, key);
                    return false;
                }
                _ if self.blocks_by_chance() => self.block(host, key, Readiness::Read, true),
                Readable::Nothing => self.block(host, key, Readiness::Read, false),
                Readable::Bytes(count) => self.receive_bytes(host, key, at, count),
            }
        }
        self.hosts[host].sockets.queue(key);
        self.hosts[host].sockets.find(key).is_some()
    }

    fn receive_bytes(&mut self, host: usize, key: StreamKey, at: EndKey, count: usize) {
        let count = self.piece(count.min(self.buffer.len()));
        if let Some(of) = self.connections.get_mut(at.connection) {
            of.read(at.side, &mut self.buffer[..count]);
        }
        self.make_room(at);
        let now = self.now;
        if let Some(node) = &mut self.hosts[host].node {
            node.handle_received(now, key, &self.buffer[..count]);
        }
        // Before the next use of the buffer: write outputs refer to it.
        self.drain(host);
    }

    /// Sends until `WouldBlock` or until there is nothing to send; true when the budget ended
    /// first.
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
            let at = socket.at;
            let notsent_max = self.node_mut(host).swarms().notsent_max() as usize;
            if let Some(of) = self.connections.get_mut(at.connection) {
                of.ends[at.side].notsent_max = notsent_max;
            }
            let end = |of: &Connection| (of.ends[at.side].is_reset, of.ends[at.side].room());
            let of = self.connections.get(at.connection);
            let (is_reset, room) = of.map_or((true, 0), end);
            if is_reset {
                self.lose(host, key);
                return false;
            }
            if room == 0 || self.blocks_by_chance() {
                self.block(host, key, Readiness::Write, room > 0);
                return false;
            }
            let Some(count) = self.send_chunk(host, key, at, (chunk, room)) else {
                return false;
            };
            sent += count;
            self.node_mut(host).handle_sent(now, key, count as u32);
            self.drain(host);
        }
        true
    }

    /// Sends a part of a chunk; `None` when its file cannot be read.
    fn send_chunk(
        &mut self,
        host: usize,
        key: StreamKey,
        at: EndKey,
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
                self.drain(host);
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

    /// A read or write returns `WouldBlock`; with `by_chance`, an event follows soon.
    fn block(&mut self, host: usize, key: StreamKey, what: Readiness, by_chance: bool) {
        let Some(socket) = self.hosts[host].sockets.find(key) else {
            return;
        };
        let is_read = what == Readiness::Read;
        socket.is_readable &= !is_read;
        socket.is_writable &= is_read;
        let at = socket.at;
        if by_chance {
            let soon = self.now + Duration::from_millis(1);
            self.queue.push(soon, Scheduled::Ready(at, what));
        } else if let Some(of) = self.connections.get_mut(at.connection) {
            of.ends[at.side].read_waits |= is_read;
            of.ends[at.side].write_waits |= !is_read;
        }
    }

    fn lose(&mut self, host: usize, key: StreamKey) {
        if let Some(socket) = self.hosts[host].sockets.remove(key) {
            self.hang_up(socket.at);
            let now = self.now;
            self.node_mut(host).handle_closed(now, key);
            self.drain(host);
        }
    }

    /// The node has ended a stream: sends its last words, if they fit at once, and the end.
    pub(super) fn close(&mut self, host: usize, key: StreamKey, last_words: LastWords) {
        let words = last_words.as_ref();
        let Some(socket) = self.hosts[host].sockets.remove(key) else {
            return;
        };
        let of = self.connections.get(socket.at.connection);
        let room = of.map_or(0, |of| of.ends[socket.at.side].room());
        if socket.is_connected && !words.is_empty() && words.len() <= room {
            self.transmit(socket.at, words);
        }
        self.hang_up(socket.at);
    }

    /// How many of `count` bytes a read or write takes: all, or few.
    fn piece(&mut self, count: usize) -> usize {
        if !self.faults.short_io || count < 2 {
            return count;
        }
        let most = if self.rng.below(4) == 0 { 48 } else { 16_384 };
        1 + self.rng.below(count.min(most) as u64) as usize
    }

    /// Whether an operation returns `WouldBlock` for no reason.
    fn blocks_by_chance(&mut self) -> bool {
        self.faults.short_io && self.rng.below(32) == 0
    }
}
