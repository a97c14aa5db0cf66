//! What a host does with its node: the twin of the reactor's turn.
//!
//! Each fact is followed by the node's outputs before the next fact; streams on the ready list are served
//! until `WouldBlock` or the end of their budget; one background read at a time is under way; then the
//! timer is set. Invariant: a node is touched only when it has a reason.

use super::faults::Addressing;
use super::ledger::{self, Verdict};
use super::net::Way;
use super::pipes::{Connection, ConnectionKey, Hold, Readable, Side};
use super::world::{Death, Found, Host, What, World};
use crate::limits::{STREAM_BYTES_PER_TURN, STREAM_OPERATIONS_PER_TURN};
use crate::node::{Chunk, Event, FileRange, Output, StreamKey};
use crate::output::DiskError;
use crate::time::Instant;
use std::net::SocketAddr;
use std::time::Duration;

/// Datagrams that a socket's buffer holds while its host stands still.
const HELD_MAX: usize = 128;
/// Streams served in a row before others have a turn.
const SERVED_MAX: usize = 64;
/// From the end of a budget to the next turn.
const TURN: Duration = Duration::from_micros(20);

impl World {
    /// Lets one thing happen.
    pub(super) fn happen(&mut self, what: What) {
        match what {
            What::Syn { .. } | What::Arrive { .. } | What::Fin { .. } | What::Reset { .. } => {
                self.deliver_segment(what);
            }
            What::Datagram {
                from,
                to,
                bytes,
                is_genuine,
            } => {
                self.deliver(from, to, bytes, is_genuine);
            }
            What::Accept { connection, epoch } => self.accept(connection, epoch),
            What::Established { connection } => self.established(connection),
            What::Ready {
                connection,
                side,
                readable,
                writable,
            } => {
                self.make_ready((connection, side), readable, writable);
            }
            What::Timer { host, epoch }
            | What::Serve { host, epoch }
            | What::Prepared { host, epoch, .. }
            | What::Written { host, epoch, .. }
            | What::Read { host, epoch, .. }
            | What::Finished { host, epoch, .. } => {
                let of = &mut self.hosts[host];
                if of.epoch != epoch || of.node.is_none() {
                    return;
                }
                if of.is_paused {
                    of.held.push(what);
                    return;
                }
                self.give(host, what);
            }
        }
    }

    /// Gives a running node a fact of its own host.
    fn give(&mut self, host: usize, what: What) {
        let now = self.now;
        match what {
            What::Timer { .. } => return self.handle_timer(host),
            What::Serve { .. } => {}
            What::Prepared { swarm, .. } => {
                let is_failed = self.disk_fails();
                let of = &mut self.hosts[host];
                let Some(content) = of
                    .disk
                    .file(swarm)
                    .and_then(|file| self.contents.get(&file))
                else {
                    return;
                };
                let result = if is_failed {
                    Err(DiskError::Failed)
                } else {
                    of.disk.prepare(content)
                };
                if let Some(node) = &mut of.node {
                    node.handle_prepared(now, swarm, result);
                }
                self.note(5, host, u64::from(swarm.generation));
            }
            What::Written {
                range,
                shard,
                is_kept,
                ..
            } => {
                let result = if is_kept {
                    Ok(())
                } else {
                    Err(DiskError::Failed)
                };
                if let Some(node) = &mut self.hosts[host].node {
                    node.handle_written(now, range.swarm, shard, range.length, result);
                }
                self.check_shard(host, range.swarm, shard);
                self.note(6, host, u64::from(shard) << 32 | u64::from(range.length));
            }
            What::Read { range, .. } => {
                let is_failed = self.disk_fails();
                let of = &mut self.hosts[host];
                of.is_reading = false;
                let result = if is_failed {
                    Err(DiskError::Failed)
                } else {
                    of.disk.read(range)
                };
                if let Some(node) = &mut of.node {
                    node.handle_read(now, range.swarm, result);
                }
                self.note(7, host, range.offset);
            }
            What::Finished { swarm, .. } => {
                let is_failed = self.disk_fails();
                let of = &mut self.hosts[host];
                let result = if is_failed {
                    Err(DiskError::Failed)
                } else {
                    of.disk.finish(swarm)
                };
                if let Some(node) = &mut of.node {
                    node.handle_finished(now, swarm, result);
                }
                self.note(8, host, u64::from(swarm.generation));
            }
            _ => unreachable!("only facts of the host itself come here"),
        }
        self.attend(host);
    }

    fn handle_timer(&mut self, host: usize) {
        let now = self.now;
        let of = &mut self.hosts[host];
        if of.timer_at.is_none_or(|at| at > now) {
            return;
        }
        of.timer_at = None;
        let Some(node) = &mut of.node else { return };
        if node.poll_timeout().is_some_and(|at| at <= now) {
            of.spins = if of.spins.0 == now {
                (now, of.spins.1 + 1)
            } else {
                (now, 1)
            };
            assert!(
                of.spins.1 < 8,
                "the timer of host {host} fires again and again at {now:?}"
            );
            node.handle_timeout(now);
            self.note(1, host, 0);
            self.attend(host);
        } else {
            self.set_timer(host);
        }
    }

    // -- datagrams

    fn deliver(&mut self, from: SocketAddr, to: usize, bytes: Box<[u8]>, is_genuine: bool) {
        let sender = self.by_address.get(&from).copied();
        match sender.map_or(Way::Open, |sender| self.way(sender, to)) {
            Way::Cut => return,
            Way::Clogged => {
                let key = (sender.unwrap_or(to), to);
                let what = What::Datagram {
                    from,
                    to,
                    bytes,
                    is_genuine,
                };
                self.clogged.entry(key).or_default().push(what);
                return;
            }
            Way::Open => {}
        }
        let of = &mut self.hosts[to];
        if of.is_paused {
            if of.held.len() < HELD_MAX {
                of.held.push(What::Datagram {
                    from,
                    to,
                    bytes,
                    is_genuine,
                });
            }
            return;
        }
        let Some(node) = &mut of.node else { return };
        let accepted = |node: &crate::node::Node| {
            let counters = node.kad().counters();
            counters.replies + counters.late_replies
        };
        let before = accepted(node);
        if sender.is_none() && is_genuine {
            self.ledger.spoofed(to, from, bytes.len());
        }
        node.handle_datagram(self.now, from, &bytes);
        let taken = accepted(node) - before;
        if self.checks != super::Checks::Off {
            let verdict = self.ledger.judge(to, from, &bytes);
            let is_due = verdict == Verdict::Due && is_genuine;
            assert!(
                taken <= u64::from(is_due),
                "host {to} accepted a reply from {from} that was {verdict:?} (genuine: {is_genuine})"
            );
            if taken > 0 {
                self.ledger.answered(to, &bytes);
            }
        }
        let crc = bytes.get(4..12).map_or(0, |crc| {
            u64::from_be_bytes(crc.try_into().unwrap_or([0; 8]))
        });
        self.note(2, to, crc);
        self.attend(to);
    }

    /// Sends what a node has written into the datagram buffer.
    fn send_datagram(&mut self, host: usize, to: SocketAddr, size: usize) {
        let from = self.hosts[host].address;
        self.datagram_bytes += size as u64;
        if self.checks != super::Checks::Off {
            let bytes = &self.datagram[..size];
            self.ledger.sent(self.now, host, to, bytes);
            self.check_reply(host, size);
        }
        let Some(&target) = self.by_address.get(&to) else {
            return;
        };
        let mut chance = |most: u64| most > 0 && self.rng.below(1_000) < most;
        let faults = self.faults;
        let is_lost = chance(faults.loss);
        let is_late = chance(faults.reorder);
        let is_damaged = chance(faults.damage);
        let copies = 1 + usize::from(chance(faults.duplicate));
        let is_forged = chance(faults.forge);
        let is_request = ledger::kind(&self.datagram[..size]).is_some_and(|kind| !kind.is_reply());
        let is_spoofed = is_request && chance(faults.spoof);
        if is_forged && self.hosts.len() > 1 {
            let other = self.rng.below(self.hosts.len() as u64) as usize;
            let from = self.hosts[other].address;
            self.send_copy((host, from, target), size, true);
        }
        if is_spoofed {
            let from = Addressing::nobody(self.rng.below(4));
            self.send_copy((host, from, target), size, true);
        }
        if is_lost {
            return;
        }
        if is_damaged {
            let at = self.rng.below(size as u64) as usize;
            match self.rng.below(2) {
                0 => self.datagram[at] ^= 1 << self.rng.below(8),
                _ => return self.send_copy((host, from, target), at, false),
            }
        }
        for _ in 0..copies {
            self.send_copy((host, from, target), size, !is_damaged);
        }
        if is_late {
            let at = self.now + Duration::from_micros(self.rng.below(3_000_000));
            let bytes = self.datagram[..size].into();
            let is_genuine = !is_damaged;
            self.queue.push(
                at,
                What::Datagram {
                    from,
                    to: target,
                    bytes,
                    is_genuine,
                },
            );
        }
    }

    fn send_copy(
        &mut self,
        (host, from, to): (usize, SocketAddr, usize),
        size: usize,
        is_genuine: bool,
    ) {
        let what = (host, size + 28, true);
        let at = self
            .net
            .arrival(self.now, what, &self.faults, &mut self.rng);
        let bytes = self.datagram[..size].into();
        self.queue.push(
            at,
            What::Datagram {
                from,
                to,
                bytes,
                is_genuine,
            },
        );
    }

    // -- the node's work

    /// After a fact: everything that the node now wants, its streams, its timer, and the checks.
    pub(super) fn attend(&mut self, host: usize) {
        self.settle(host);
        for _ in 0..SERVED_MAX {
            let Some(key) = self.hosts[host].sockets.next_ready() else {
                break;
            };
            self.serve(host, key);
        }
        let of = &mut self.hosts[host];
        of.steps += 1;
        let epoch = of.epoch;
        if of.sockets.has_ready() {
            self.queue
                .push(self.now + TURN, What::Serve { host, epoch });
        }
        self.read_ahead(host);
        self.set_timer(host);
        self.check(host);
    }

    /// Outputs, datagrams and events, until there are none.
    fn settle(&mut self, host: usize) {
        let now = self.now;
        while let Some(output) = self.node_mut(host).poll_output(now) {
            match output {
                Output::Connect { stream, to } => self.connect(host, stream, to),
                Output::Send(stream) => self.hosts[host].sockets.queue(stream),
                Output::Close(stream) => self.close(host, stream),
                Output::Prepare(swarm) => {
                    self.disk_work(|epoch| What::Prepared { host, epoch, swarm }, host);
                }
                Output::Write {
                    range,
                    start,
                    shard,
                } => self.write(host, range, start, shard),
                Output::Finish(swarm) => {
                    self.disk_work(|epoch| What::Finished { host, epoch, swarm }, host);
                }
            }
        }
        loop {
            let Host {
                node: Some(node), ..
            } = &mut self.hosts[host]
            else {
                return;
            };
            let Some(transmit) = node.poll_datagram(now, &mut *self.datagram) else {
                break;
            };
            self.send_datagram(host, transmit.to, transmit.size);
        }
        while let Some(event) = self.node_mut(host).poll_event() {
            self.take_news(host, event);
        }
    }

    fn take_news(&mut self, host: usize, event: Event) {
        match event {
            Event::Lookup {
                file,
                hops,
                asked,
                took,
                ..
            } => {
                let kad = self.node_mut(host).kad();
                let providers = kad.providers_found(file).map(<[_]>::to_vec);
                let closest = kad
                    .found(file.0)
                    .map(|found| found.iter().map(|c| c.id).collect());
                let at = self.now;
                self.found.push(Found {
                    host,
                    file,
                    at,
                    took,
                    hops,
                    asked,
                    providers,
                    closest,
                });
            }
            Event::Complete { swarm, .. } | Event::Resumed { swarm, .. } => {
                self.check_swarm(host, swarm, matches!(event, Event::Complete { .. }));
                self.news.push((host, event));
            }
            Event::Failed { swarm, .. } => {
                if let Some(file) = self.hosts[host].disk.release(swarm) {
                    let location = self.hosts[host].address;
                    self.provided.insert((file, location), self.now);
                }
                self.news.push((host, event));
            }
            _ => self.news.push((host, event)),
        }
    }

    fn set_timer(&mut self, host: usize) {
        let of = &mut self.hosts[host];
        let Some(at) = of.node.as_ref().and_then(|node| node.poll_timeout()) else {
            return;
        };
        if of.timer_at.is_none_or(|set| at < set) {
            let at = at.max(self.now);
            of.timer_at = Some(at);
            let epoch = of.epoch;
            self.queue.push(at, What::Timer { host, epoch });
        }
    }

    // -- streams

    fn accept(&mut self, connection: ConnectionKey, epoch: u32) {
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

    fn established(&mut self, connection: ConnectionKey) {
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

    fn make_ready(
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
    fn serve(&mut self, host: usize, key: StreamKey) {
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
    fn close(&mut self, host: usize, key: StreamKey) {
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

    // -- the disk

    fn disk_fails(&mut self) -> bool {
        self.faults.disk_failure > 0 && self.rng.below(1_000) < self.faults.disk_failure
    }

    fn disk_time(&mut self) -> Instant {
        let longest = self.faults.disk_delay.as_micros() as u64;
        self.now + Duration::from_micros(1 + self.rng.below(longest + 1))
    }

    fn disk_work(&mut self, what: impl FnOnce(u32) -> What, host: usize) {
        let at = self.disk_time();
        let epoch = self.hosts[host].epoch;
        self.queue.push(at, what(epoch));
    }

    /// Writes at once, as into the page cache; that it is done is told later.
    fn write(&mut self, host: usize, range: FileRange, start: u32, shard: u32) {
        let is_failed = self.disk_fails();
        let bytes = &self.buffer[start as usize..][..range.length as usize];
        let is_kept = !is_failed && self.hosts[host].disk.write(range, bytes).is_ok();
        self.disk_work(
            |epoch| What::Written {
                host,
                epoch,
                range,
                shard,
                is_kept,
            },
            host,
        );
    }

    fn read_ahead(&mut self, host: usize) {
        let now = self.now;
        if self.hosts[host].is_reading {
            return;
        }
        if let Some(range) = self.node_mut(host).poll_read(now) {
            self.hosts[host].is_reading = true;
            self.disk_work(|epoch| What::Read { host, epoch, range }, host);
        }
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

    fn node_mut(&mut self, host: usize) -> &mut crate::node::Node {
        self.hosts[host]
            .node
            .as_mut()
            .expect("only hosts with a node are attended")
    }

    /// Restarts a node after `Death::Killed`, with another id or the same.
    pub fn restart(&mut self, host: usize, death: Death, with_new_id: bool) {
        if self.hosts[host].node.is_some() {
            self.end(host, death);
        }
        if with_new_id {
            self.change_id(host);
        }
        self.start(host);
    }
}
