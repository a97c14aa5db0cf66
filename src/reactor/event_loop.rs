//! One turn of the loop, and the work that the node asks for.
//!
//! ```text
//!  poll ─► note what is ready ─► datagrams ─► accepts ─► ready streams ─► timers ─► disk ─┐
//!   ▲                                                                                     │
//!   └──────────── zero timeout if a budget ended first, else until the deadline ◄─────────┘
//! ```
//!
//! mio is edge-triggered: an event says once that a source became ready. So events only set marks
//! here, and a mark is cleared by `WouldBlock` alone, or by a read that leaves room in the buffer
//! (`tcp::transfer`); what a budget leaves over is taken up in the next turn without sleeping. Everything but
//! readable and writable (closed halves, errors) is a hint that the next operation finds out by itself.

use super::clock::sleep;
use super::discovery::LocalDiscovery;
use super::files::{Done, Seen};
use super::interfaces::is_on_link;
use super::tcp::accept::Accepted;
use super::tcp::{congestion, connections};
use super::throttle::Class;
use super::token::Source;
use super::udp::{Received, Sent};
use super::{Error, Reactor};
use crate::limits::{ACCEPTS_PER_TURN, DATAGRAMS_PER_TURN, LATE_DATAGRAMS_MAX, READS_PER_TURN};
use crate::node::{Arrival, FileRange, Output, Port, StreamKey, SwarmKey};
use crate::time::{Instant, earliest};
use log::Level;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

impl Reactor {
    /// One turn. It sleeps at most until `until`.
    pub(super) fn turn(&mut self, until: Option<Instant>) -> Result<(), Error> {
        self.wait(until)?;
        self.note_events();
        if self.signals.has_continued() {
            self.drop_datagrams();
        }
        self.receive_datagrams();
        self.receive_discovery();
        self.accept_streams();
        // Those that become ready meanwhile wait for the next turn: the datagrams come first again.
        for _ in 0..self.connections.ready_count() {
            let Some(key) = self.connections.next_ready() else {
                break;
            };
            self.serve(key);
        }
        self.handle_timers();
        self.work_on_disk();
        Ok(())
    }

    /// Polls: without sleeping while there is work left, else until the first deadline.
    fn wait(&mut self, until: Option<Instant>) -> Result<(), Error> {
        let timeout = if self.has_work() {
            Duration::ZERO
        } else {
            let deadline = earliest(self.node.poll_timeout(), self.acceptor.poll_timeout());
            let deadline = earliest(deadline, self.disk.watch_at());
            let deadline = earliest(
                deadline,
                self.discovery.as_ref().map(LocalDiscovery::look_at),
            );
            sleep(self.clock.now(), earliest(deadline, until))
        };
        if let Some(since) = self.working_since.take() {
            self.lag.count(self.clock.now().since(since));
        }
        self.counters.turns += 1;
        self.counters.sleeps += u64::from(!timeout.is_zero());
        let result = self.poll.poll(&mut self.events, Some(timeout));
        self.working_since = Some(self.clock.now());
        match result {
            Ok(()) => Ok(()),
            // A signal's handler has run; its pipe is readable in the next turn.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                self.events.clear();
                Ok(())
            }
            Err(error) => Err(Error::new("wait for events", error)),
        }
    }

    fn has_work(&self) -> bool {
        self.udp.is_readable()
            || self
                .discovery
                .as_ref()
                .is_some_and(LocalDiscovery::is_readable)
            || self.acceptor.is_ready()
            || self.connections.ready_count() > 0
            || self.disk.has_jobs()
            || self.disk.is_watching()
            || self.reading
    }

    /// Marks what the events name as ready. An event may be spurious, and one source may have
    /// several.
    fn note_events(&mut self) {
        let mut writable_datagrams = false;
        for event in &self.events {
            match Source::of(event.token()) {
                Source::Udp(index) => {
                    if event.is_readable() || event.is_error() {
                        self.udp.handle_readable(index);
                    }
                    writable_datagrams |= event.is_writable();
                }
                Source::Listener(index) => self.acceptor.handle_readable(index),
                Source::Signal(index) => self.signals.handle_readable(index),
                // `work_on_disk` looks for the result.
                Source::SyncThread => {}
                Source::Owner(index) => self.owner_sources.handle_event(index, event),
                Source::Discovery(index) => {
                    if let Some(lan) = &mut self.discovery {
                        lan.handle_readable(index, self.clock.now());
                    }
                }
                source @ Source::Stream { .. } => match self.connections.key_of(source) {
                    Some(key) => self.connections.handle_ready(key, event),
                    None => self.counters.stale_tokens += 1,
                },
            }
        }
        if writable_datagrams && self.udp.is_waiting() {
            let sent = self.udp.resend(self.poll.registry());
            self.count_datagram(sent);
            self.settle();
        }
    }

    /// Drops what came while the process was stopped: whoever asked has given up or asks again, and
    /// answers to all of it at once would be a storm.
    fn drop_datagrams(&mut self) {
        // The stop may have cut the poll short, so that it tells of them only next time.
        self.udp.read_all();
        for _ in 0..LATE_DATAGRAMS_MAX {
            match self.udp.receive(&mut self.datagram) {
                Received::Nothing => return,
                _ => self.counters.datagrams_dropped += 1,
            }
        }
    }

    /// Receives datagrams until there are none or the budget ends. One that fails does not end it.
    fn receive_datagrams(&mut self) {
        for _ in 0..DATAGRAMS_PER_TURN {
            if !self.udp.is_readable() {
                return;
            }
            match self.udp.receive(&mut self.datagram) {
                Received::Datagram { from, size } => self.handle_datagram(from, Port::Node, size),
                Received::Oversize => self.counters.datagrams_dropped += 1,
                Received::Failed(error) => {
                    self.counters.datagrams_dropped += 1;
                    self.warn(Class::Datagram, || format!("receiving a datagram: {error}"));
                }
                Received::Nothing => return,
            }
        }
    }

    /// Hands the first `size` bytes of the datagram buffer to the node.
    pub(super) fn handle_datagram(&mut self, from: SocketAddr, port: Port, size: usize) {
        let lan = self.discovery.as_ref();
        let arrival = Arrival {
            from: self.scope_ids.take(from),
            port,
            is_on_link: lan.is_some_and(|lan| lan.is_on_link(from.ip())),
        };
        self.counters.datagrams_received += 1;
        let now = self.clock.now();
        self.node
            .handle_datagram(now, arrival, &self.datagram[..size]);
        self.settle();
    }

    /// Accepts connections until there are none or the budget ends.
    fn accept_streams(&mut self) {
        for _ in 0..ACCEPTS_PER_TURN {
            let now = self.clock.now();
            match self.acceptor.accept(now) {
                Accepted::Stream(socket, from) => {
                    let from = self.scope_ids.take(from);
                    self.counters.accepts += 1;
                    let Some(key) = self.node.handle_accept(now, from) else {
                        self.counters.sheds += 1;
                        continue;
                    };
                    congestion::handle_accept(&socket, from.ip());
                    if let Err(error) =
                        self.connections
                            .insert(self.poll.registry(), key, socket, true)
                    {
                        self.counters.connections_failed += 1;
                        self.warn(Class::Accept, || format!("accepting {from}: {error}"));
                        self.node.handle_closed(now, key);
                    }
                    self.exempt_if_local(key, from);
                    self.settle();
                }
                Accepted::Shed => {
                    self.counters.sheds += 1;
                    self.warn(Class::Accept, || {
                        "no descriptor left: a connection was closed (raise `ulimit -n`)".into()
                    });
                }
                Accepted::Failed(error) => {
                    self.counters.connections_failed += 1;
                    self.warn(Class::Accept, || format!("accepting a connection: {error}"));
                }
                Accepted::Nothing => return,
            }
        }
    }

    fn handle_timers(&mut self) {
        let now = self.clock.now();
        self.acceptor.handle_timeout(now);
        self.look_at_links();
        if self.node.poll_timeout().is_some_and(|at| at <= now) {
            self.node.handle_timeout(now);
            self.settle();
            self.save_contacts();
            self.save_verified(now);
        }
    }

    /// Saves the contacts if that is due. It waits for the disk, but hardly ever once an hour.
    pub(super) fn save_contacts(&mut self) {
        let now = self.clock.now();
        let Some(file) = &self.contacts else { return };
        let Some(contacts) = self.node.poll_saved(now) else {
            return;
        };
        match file.replace(&contacts) {
            Ok(()) => self.node.handle_saved(&contacts),
            Err(error) => self.warn(Class::Disk, || error.to_string()),
        }
    }

    /// One step of a job, and a few background reads. Whatever is left waits until the network was
    /// served.
    fn work_on_disk(&mut self) {
        if let Some((swarm, done)) = self.disk.step() {
            self.end_job(swarm, done);
        }
        self.watch();
        self.reading = false;
        for _ in 0..READS_PER_TURN {
            let now = self.clock.now();
            let Some(range) = self.node.poll_read(now) else {
                return;
            };
            let bytes = &mut self.buffer[..range.length as usize];
            self.counters.reads += 1;
            let result = self.disk.read(range, bytes);
            self.node
                .handle_read(now, range.swarm, result.map(|()| &*bytes));
            if result.is_err() {
                self.log_disk(Level::Info, range.swarm);
            }
            self.settle();
        }
        self.reading = true;
    }

    /// Looks at some of the files that are served.
    fn watch(&mut self) {
        let now = self.clock.now();
        let Some(seen) = self.disk.watch(now) else {
            return;
        };
        match seen {
            Seen::Missing(swarm) => self.node.handle_missing(now, swarm),
            Seen::Returned(swarm) => self.node.handle_returned(now, swarm),
            Seen::Changed(swarm, entry) => self.node.handle_changed(now, swarm, entry),
        }
        self.settle();
    }

    /// Tells the node the end of a job.
    fn end_job(&mut self, swarm: SwarmKey, done: Done) {
        let now = self.clock.now();
        let failed = match done {
            Done::Prepared(result, held) => {
                for shard in held.iter() {
                    self.node.handle_durable(swarm, shard);
                }
                let result = result.map(|found| self.recall(now, swarm, found));
                self.node.handle_prepared(now, swarm, result);
                result.is_err()
            }
            Done::Checkpointed(result) => {
                self.node.handle_checkpointed(now, swarm, result);
                if let (Ok(()), Some(progress)) = (result, self.node.progress(swarm)) {
                    log::debug!("checkpoint: {} shards durable", progress.durable);
                }
                result.is_err()
            }
            Done::Finished(result) => {
                self.node.handle_finished(now, swarm, result);
                if self.node.verified_ago(now, swarm).is_some() {
                    self.save_verified_at_once(now);
                }
                result.is_err()
            }
        };
        if failed {
            self.log_disk(Level::Info, swarm);
        }
        self.settle();
    }

    /// Does what the node asks for after a fact, until it asks for nothing more.
    pub(super) fn settle(&mut self) {
        while let Some(output) = self.node.poll_output() {
            match output {
                Output::Connect { stream, to } => self.connect(stream, to),
                Output::Send(stream) => self.connections.queue(stream),
                Output::Close { stream, last_words } => self.close(stream, last_words),
                Output::Prepare(swarm) => match self.node.manifest(swarm) {
                    Some(manifest) => self.disk.prepare(swarm, manifest),
                    None => unreachable!("a fetch is prepared when its manifest is known"),
                },
                Output::Write {
                    range,
                    start,
                    shard,
                } => self.write(range, start, shard),
                Output::Checkpoint { swarm, anew, last } => {
                    let kept = anew.then(|| self.node.kept(swarm).collect());
                    self.disk
                        .checkpoint(swarm, last, self.node.gained(swarm), kept);
                }
                Output::Reopen(swarm) => self.reopen(swarm),
                Output::Finish(swarm) => self.disk.finish(swarm),
            }
        }
        while let Some(size) = self.node.poll_discovery(&mut *self.datagram) {
            self.call(size);
        }
        while !self.udp.is_waiting() {
            let Some(transmit) = self
                .node
                .poll_datagram(self.clock.now(), &mut *self.datagram)
            else {
                return;
            };
            let bytes = &self.datagram[..transmit.size];
            let sent = self.udp.send(
                self.poll.registry(),
                self.scope_ids.give(transmit.to),
                bytes,
            );
            self.count_datagram(sent);
        }
    }

    fn count_datagram(&mut self, sent: Sent) {
        match sent {
            Sent::Gone => self.counters.datagrams_sent += 1,
            Sent::Waits => {}
            Sent::Dropped(error) => {
                self.counters.datagrams_dropped += 1;
                self.warn(Class::Datagram, || format!("sending a datagram: {error}"));
            }
        }
    }

    fn connect(&mut self, key: StreamKey, to: SocketAddr) {
        self.exempt_if_local(key, to);
        let to = self.scope_ids.give(to);
        let from = super::listen::source(&self.listening, to);
        let socket = from.and_then(|from| connections::connect(to, from));
        let registry = self.poll.registry();
        let made = socket.and_then(|socket| self.connections.insert(registry, key, socket, false));
        if let Err(error) = made {
            self.counters.connections_failed += 1;
            self.warn(Class::Stream, || format!("connecting to {to}: {error}"));
            self.node.handle_closed(self.clock.now(), key);
        }
    }

    /// The caps do not count a stream that stays on our own network, unless the owner wants it.
    fn exempt_if_local(&mut self, key: StreamKey, other: SocketAddr) {
        let matters = self.caps.up.is_some() || self.caps.down.is_some();
        if !matters || self.caps.limit_lan {
            return;
        }
        match is_on_link(other.ip()) {
            Ok(true) => self.node.exempt(key),
            Ok(false) => {}
            Err(error) => self.warn(Class::Stream, || {
                format!("{error}; nobody counts as on the own network")
            }),
        }
    }

    fn write(&mut self, range: FileRange, start: u32, shard: u32) {
        let bytes = &self.buffer[start as usize..][..range.length as usize];
        self.counters.writes += 1;
        let result = self.disk.write(range, bytes);
        let now = self.clock.now();
        self.node
            .handle_written(now, range.swarm, shard, range.length, result);
        if result.is_err() {
            self.log_disk(Level::Info, range.swarm);
        }
    }

    /// Logs the last failure of a swarm's disk work: as a warning where no event of the node tells
    /// the owner of it, else for those who want to know more.
    pub(super) fn log_disk(&mut self, level: Level, swarm: SwarmKey) {
        // What nobody reads must not keep a warning from being logged.
        if !log::log_enabled!(level) {
            return;
        }
        let now = self.clock.now();
        if let Some(left_out) = self.throttle.admit(Class::Disk as usize, now) {
            let message = self.disk.message(swarm);
            let message = message.unwrap_or("a swarm's place is gone");
            log::log!(level, "{message}{left_out}");
        }
    }

    /// Logs a line of a class that others can cause, but not at their rate.
    pub(super) fn warn(&mut self, class: Class, line: impl FnOnce() -> String) {
        let now = self.clock.now();
        if let Some(left_out) = self.throttle.admit(class as usize, now) {
            log::warn!("{}{left_out}", line());
        }
    }
}
