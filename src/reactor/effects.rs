//! The work that the node asks for, and its results.
//!
//! Invariant: after [`Reactor::drain`], the node has nothing more to ask for, unless a datagram
//! waits for its socket.

use super::Reactor;
use super::event_loop::Class;
use super::files::Done;
use super::interfaces::is_on_link;
use super::listen;
use super::tcp::connections;
use super::udp::Sent;
use crate::node::{DiskReport, FileRange, Output, Prepared, StreamKey, SwarmKey};
use log::Level;
use std::net::SocketAddr;

impl Reactor {
    /// Does the node's work after a fact, until it has no more.
    pub(super) fn drain(&mut self) {
        while let Some(output) = self.node.poll_output() {
            match output {
                Output::Connect { stream, to } => self.connect(stream, to),
                Output::Send(stream) => self.tcp.connections.queue(stream),
                Output::Close { stream, last_words } => self.close(stream, last_words),
                Output::Prepare(swarm) => match self.node.swarms().manifest(swarm) {
                    Some(manifest) => self.disk.prepare(swarm, manifest),
                    None => unreachable!("a fetch is prepared when its manifest is known"),
                },
                Output::Write {
                    range,
                    start,
                    shard,
                } => self.write(range, start, shard),
                Output::Checkpoint(swarm) => {
                    if let Some(checkpoint) = self.node.swarms().checkpoint(swarm) {
                        let (gained, kept) = (checkpoint.gained(), checkpoint.kept());
                        let is_last = checkpoint.is_last();
                        self.disk.checkpoint(swarm, is_last, gained, kept);
                    }
                }
                Output::Reopen(swarm) => self.reopen(swarm),
                Output::Finish(swarm) => self.disk.finish(swarm),
            }
        }
        while let Some(size) = self.node.poll_discovery(&mut *self.datagram) {
            self.multicast(size);
        }
        while !self.udp.is_waiting() {
            let buffer = &mut *self.datagram;
            let Some(transmit) = self.node.poll_datagram(self.clock.now(), buffer) else {
                return;
            };
            let to = self.scope_ids.give(transmit.to);
            let bytes = &self.datagram[..transmit.size];
            let sent = self.udp.send(self.poll.registry(), to, bytes);
            self.count_datagram(sent);
        }
    }

    pub(super) fn count_datagram(&mut self, sent: Sent) {
        match sent {
            Sent::Gone => self.counters.datagrams_sent += 1,
            Sent::Waits => {}
            Sent::Dropped(error) => {
                self.counters.datagrams_dropped += 1;
                self.warn(Class::Datagram, || format!("sending a datagram: {error}"));
            }
        }
    }

    /// Sends the query in the datagram's buffer to the group at every link.
    fn multicast(&mut self, size: usize) {
        let Some(lan) = &self.discovery else { return };
        let bytes = &self.datagram[..size];
        for link in &lan.links {
            let is_there = |ip| lan.networks.is_at(&link.name, ip);
            let sent = self
                .udp
                .multicast(link.group(), link.index, is_there, bytes);
            match sent {
                Ok(()) => self.counters.datagrams_sent += 1,
                // One that is down, or cannot do multicast.
                Err(error) => log::debug!("sending a query at {}: {error}", link.name),
            }
        }
    }

    fn connect(&mut self, key: StreamKey, to: SocketAddr) {
        self.exempt_if_local(key, to);
        let to = self.scope_ids.give(to);
        let from = listen::source(self.udp.locals(), to);
        let socket = from.and_then(|from| connections::connect(to, from));
        let registry = self.poll.registry();
        let made =
            socket.and_then(|socket| self.tcp.connections.insert(registry, key, socket, false));
        if let Err(error) = made {
            self.counters.connections_failed += 1;
            self.warn(Class::Stream, || format!("connecting to {to}: {error}"));
            self.node.handle_closed(self.clock.now(), key);
        }
    }

    /// The caps do not count a stream that stays on our own network, unless the owner wants it.
    pub(super) fn exempt_if_local(&mut self, key: StreamKey, other: SocketAddr) {
        let matters = self.caps.up.is_some() || self.caps.down.is_some();
        if !matters || self.caps.limit_lan {
            return;
        }
        match is_on_link(other.ip()) {
            Ok(true) => self.node.exempt(key),
            Ok(false) => {}
            Err(error) => self.warn(Class::Stream, || {
                format!("{error}; no address counts as on the own network")
            }),
        }
    }

    fn write(&mut self, range: FileRange, start: u32, shard: u32) {
        let bytes = &self.buffer[start as usize..][..range.length as usize];
        self.counters.writes += 1;
        let result = self.disk.write(range, bytes);
        let report = DiskReport::Written {
            shard,
            length: range.length,
            result,
        };
        self.report(range.swarm, report);
        if result.is_err() {
            self.log_disk(Level::Info, range.swarm);
        }
    }

    /// Gives the node the result of disk work.
    pub(super) fn report(&mut self, swarm: SwarmKey, report: DiskReport<'_>) {
        self.node.handle_disk(self.clock.now(), swarm, report);
    }

    /// Gives the node the result of a job.
    pub(super) fn end_job(&mut self, swarm: SwarmKey, done: Done) {
        let now = self.clock.now();
        let is_failed = match done {
            Done::Prepared(result) => {
                let result = result.map(|found| self.note_last_verified(now, swarm, found));
                self.report(swarm, DiskReport::Prepared(result));
                result.is_err()
            }
            Done::Journaled(durable) => {
                self.note_last_verified(now, swarm, Prepared::Partial);
                self.report(swarm, DiskReport::Journaled(&durable));
                false
            }
            Done::Checkpointed(result) => {
                self.report(swarm, DiskReport::Checkpointed(result));
                if let (Ok(()), Some(progress)) = (result, self.node.swarms().progress(swarm)) {
                    log::debug!("checkpoint: {} shards durable", progress.durable);
                }
                result.is_err()
            }
            Done::Finished(result) => {
                self.report(swarm, DiskReport::Finished(result));
                if self.node.swarms().verified_ago(now, swarm).is_some() {
                    self.save_verified(now);
                }
                result.is_err()
            }
        };
        if is_failed {
            self.log_disk(Level::Info, swarm);
        }
        self.drain();
    }

    /// Logs the last failure of a swarm's disk work: as a warning where no event of the node
    /// reports it to the owner, else as a detail.
    pub(super) fn log_disk(&mut self, level: Level, swarm: SwarmKey) {
        // A line that is not shown must not keep a warning from being logged.
        if !log::log_enabled!(level) {
            return;
        }
        let now = self.clock.now();
        if let Some(left_out) = self.throttles[Class::Disk as usize].admit(now) {
            let message = self.disk.message(swarm);
            let message = message.unwrap_or("a file of a swarm that is gone");
            log::log!(level, "{message}{left_out}");
        }
    }
}
