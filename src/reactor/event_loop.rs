//! One turn of the loop: wait, then give the node each fact.
//!
//! ```text
//!  wait ─► note_events ─► datagrams ─► accept_streams ─► serve (ready streams) ─► timers ─► disk
//!   ▲                                                                                        │
//!   └────────── zero timeout if a budget ended first, else until the first deadline ◄────────┘
//! ```
//!
//! mio is edge-triggered: an event says once that a source became ready. So events only set marks
//! here, and a mark is cleared by `WouldBlock` alone, or by a read that leaves room in the buffer
//! (`tcp::transfer`); work that a budget leaves over is resumed in the next turn without sleeping.
//! Closed halves and errors are no more than hints: the next operation on the socket reports them.
//!
//! After each fact `drain` (`effects`) carries out the work that the node gives; `serve`
//! (`tcp::transfer`) reads and writes one stream.

use super::clock::sleep;
use super::tcp::accept::Accepted;
use super::tcp::congestion;
use super::throttle::Throttle;
use super::token::Source;
use super::{Error, Reactor};
use crate::limits::{
    ACCEPTS_PER_TURN, DATAGRAM_SIZE_MAX, DATAGRAMS_PER_TURN, DISCOVERY_PER_TURN,
    LATE_DATAGRAMS_MAX, READS_PER_TURN,
};
use crate::node::{Arrival, DiskReport, Port};
use crate::time::Instant;
use log::Level;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// The classes of warnings that a peer, or a failing disk, could cause at line rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Datagrams that could not be received or sent.
    Datagram,
    /// Connections that could not be accepted.
    Accept,
    /// Connections that could not be made or broke.
    Stream,
    /// Disk work that failed, and state files that could not be written.
    Disk,
}

/// The warnings of each class.
pub type Throttles = [Throttle; 4];

impl Reactor {
    /// Runs one turn, which sleeps at most until `until`.
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
        for _ in 0..self.tcp.connections.ready_count() {
            let Some(key) = self.tcp.connections.next_ready() else {
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
            let deadlines = [
                self.node.poll_timeout(),
                self.tcp.acceptor.poll_timeout(),
                self.disk.watch_at(),
                self.discovery.as_ref().map(|lan| lan.update_at),
                until,
            ];
            sleep(self.clock.now(), deadlines.into_iter().flatten().min())
        };
        self.lag.end(self.clock.now());
        self.counters.turns += 1;
        self.counters.sleeps += u64::from(!timeout.is_zero());
        let result = self.poll.poll(&mut self.events, Some(timeout));
        self.lag.begin(self.clock.now());
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
            || self.discovery.as_ref().is_some_and(|lan| lan.is_readable())
            || self.tcp.acceptor.is_ready()
            || self.tcp.connections.ready_count() > 0
            || self.disk.has_jobs()
            || self.disk.is_watching()
            || self.is_reading
    }

    /// Marks the sources of the events as ready. An event may be spurious, and one source may have
    /// several.
    fn note_events(&mut self) {
        let mut is_writable = false;
        for event in &self.events {
            match Source::of(event.token()) {
                Source::Udp(index) => {
                    if event.is_readable() || event.is_error() {
                        self.udp.handle_readable(index);
                    }
                    is_writable |= event.is_writable();
                }
                Source::Listener(index) => self.tcp.acceptor.handle_readable(index),
                Source::Signals => self.signals.handle_readable(),
                // `work_on_disk` polls the result.
                Source::SyncThread => {}
                Source::Owner(index) => self.owner_sources.handle_event(index, event),
                Source::Discovery(index) => {
                    if let Some(lan) = &mut self.discovery {
                        lan.handle_readable(index, self.clock.now());
                    }
                }
                source @ Source::Stream { .. } => {
                    let is_known = self.tcp.connections.handle_ready(source, event);
                    self.counters.stale_tokens += u64::from(!is_known);
                }
            }
        }
        if is_writable && self.udp.is_waiting() {
            let sent = self.udp.resend(self.poll.registry());
            self.count_datagram(sent);
            self.drain();
        }
    }

    /// Drops datagrams that came while the process was stopped: their senders have given up or send
    /// them again, and answers to all of them at once would be a storm.
    fn drop_datagrams(&mut self) {
        // The stop may have cut the poll short, so that it reports them only next time.
        self.udp.handle_all_readable();
        for _ in 0..LATE_DATAGRAMS_MAX {
            if self.udp.receive(&mut self.datagram).is_none() {
                return;
            }
            self.counters.datagrams_dropped += 1;
        }
    }

    /// Receives datagrams until there are none or the budget ends.
    fn receive_datagrams(&mut self) {
        for _ in 0..DATAGRAMS_PER_TURN {
            match self.udp.receive(&mut self.datagram) {
                Some(received) => self.handle_datagram(Port::Node, received),
                None => return,
            }
        }
    }

    /// Receives discovery messages until there are none or the budget ends.
    fn receive_discovery(&mut self) {
        for _ in 0..DISCOVERY_PER_TURN {
            let lan = self.discovery.as_mut();
            match lan.and_then(|lan| lan.receive(&mut self.datagram)) {
                Some(received) => self.handle_datagram(Port::Discovery, received),
                None => return,
            }
        }
    }

    /// Gives the node the datagram in the buffer, unless it is longer than any of ours.
    fn handle_datagram(&mut self, port: Port, received: io::Result<(SocketAddr, usize)>) {
        match received {
            Ok((from, size)) if size <= DATAGRAM_SIZE_MAX => {
                let lan = self.discovery.as_ref();
                let arrival = Arrival {
                    from: self.scope_ids.take(from),
                    port,
                    is_on_link: lan.is_some_and(|lan| lan.networks.is_on_link(from.ip())),
                };
                self.counters.datagrams_received += 1;
                let (now, bytes) = (self.clock.now(), &self.datagram[..size]);
                self.node.handle_datagram(now, arrival, bytes);
                self.drain();
            }
            Ok(_) => self.counters.datagrams_dropped += 1,
            Err(error) => {
                self.counters.datagrams_dropped += 1;
                self.warn(Class::Datagram, || format!("receiving a datagram: {error}"));
            }
        }
    }

    /// Accepts connections until there are none or the budget ends.
    fn accept_streams(&mut self) {
        for _ in 0..ACCEPTS_PER_TURN {
            let now = self.clock.now();
            match self.tcp.acceptor.accept(now) {
                Accepted::Stream(socket, from) => {
                    let from = self.scope_ids.take(from);
                    self.counters.accepts += 1;
                    let Some(key) = self.node.handle_accept(now, from) else {
                        self.counters.sheds += 1;
                        continue;
                    };
                    congestion::RULES.handle_accept(&socket, from.ip());
                    let registry = self.poll.registry();
                    let added = self.tcp.connections.insert(registry, key, socket, true);
                    if let Err(error) = added {
                        self.counters.connections_failed += 1;
                        self.warn(Class::Accept, || format!("accepting {from}: {error}"));
                        self.node.handle_closed(now, key);
                    }
                    self.exempt_if_local(key, from);
                    self.drain();
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
        self.tcp.acceptor.handle_timeout(now);
        self.update_links();
        if self.node.poll_timeout().is_some_and(|at| at <= now) {
            self.node.handle_timeout(now);
            self.drain();
            self.save_contacts();
            self.save_verified_if_due(now);
        }
    }

    /// Reads the interfaces anew if it is time, and has queries sent when one has come.
    pub(super) fn update_links(&mut self) {
        let now = self.clock.now();
        let lan = self.discovery.as_mut().filter(|lan| lan.update_at <= now);
        if lan.is_some_and(|lan| lan.update(now)) {
            self.node.discover(now);
            self.drain();
        }
    }

    /// Does one step of a job, a few checks of served files, and a few background reads. The
    /// rest waits until the network was served.
    fn work_on_disk(&mut self) {
        if let Some((swarm, done)) = self.disk.step() {
            self.end_job(swarm, done);
        }
        if let Some((swarm, report)) = self.disk.watch(self.clock.now()) {
            self.report(swarm, report);
            self.drain();
        }
        self.is_reading = false;
        for _ in 0..READS_PER_TURN {
            let now = self.clock.now();
            let Some(range) = self.node.poll_read(now) else {
                return;
            };
            let bytes = &mut self.buffer[..range.length as usize];
            self.counters.reads += 1;
            let result = self.disk.read(range, bytes);
            let report = DiskReport::Read(result.map(|()| &*bytes));
            self.node.handle_disk(now, range.swarm, report);
            if result.is_err() {
                self.log_disk(Level::Info, range.swarm);
            }
            self.drain();
        }
        self.is_reading = true;
    }

    /// Logs a line of a class that others can cause, but not at their rate.
    pub(super) fn warn(&mut self, class: Class, line: impl FnOnce() -> String) {
        let now = self.clock.now();
        if let Some(left_out) = self.throttles[class as usize].admit(now) {
            log::warn!("{}{left_out}", line());
        }
    }
}
