//! The kernels of a world's hosts: connections, their segments, and readiness events.
//!
//! Segments pass only on an open link; a kernel retransmits a lost one until it passes. Invariant:
//! a readiness event comes only after a `WouldBlock`.

use super::net::Link;
use super::pipes::{Connection, ConnectionKey, EndKey, Hold, PIPE_SIZE, Readable};
use super::scheduled::{Readiness, Scheduled, Segment};
use super::uplink::{After, HEADERS_SIZE};
use super::world::World;
use crate::output::StreamKey;
use crate::time::Instant;
use std::net::SocketAddr;
use std::time::Duration;

/// Time after which a kernel retransmits a segment.
const RETRANSMIT: Duration = Duration::from_millis(1_000);

impl World {
    // -- system calls

    /// Begins to connect. An address without a host never answers.
    pub(super) fn connect(&mut self, host: usize, stream: StreamKey, to: SocketAddr) {
        let to = self.host_at(to);
        // Without a host there, it is a connection to the host itself whose opening never arrives.
        let other = to.unwrap_or(host);
        let sizes = [host, other].map(|host| self.pipe_size(host));
        let connection = Connection::new(host, stream, other, sizes);
        let at = EndKey::new(self.connections.insert(connection), 0);
        self.hosts[host].sockets.insert(stream, at);
        if to.is_some() {
            self.send_segment(at, Segment::Syn);
        }
    }

    /// Closes one end: written bytes still arrive, and after them the end; if there are unread
    /// bytes, a reset.
    pub(super) fn hang_up(&mut self, at: EndKey) {
        let Some(of) = self.connections.get_mut(at.connection) else {
            return;
        };
        let is_unread = matches!(of.readable(at.side), Readable::Bytes(_));
        of.ends[at.side].hold = Hold::Closed;
        let from = of.ends[at.side].host;
        if of.is_over() || of.ends[at.other().side].stream.is_none() {
            self.connections.remove(at.connection);
            return;
        }
        let (after, segment) = match is_unread {
            true => (After::Reset, Segment::Reset),
            false => (After::Fin, Segment::Fin),
        };
        if !self.net.uplink(from).end_with(at, after) {
            self.send_segment(at, segment);
        }
    }

    /// A power cut has hit one end of a connection.
    pub(super) fn kill_end(&mut self, at: EndKey) {
        if let Some(of) = self.connections.get_mut(at.connection) {
            of.ends[at.side].hold = Hold::Dead;
            if of.is_over() {
                self.connections.remove(at.connection);
            }
        }
    }

    /// Writes at one end, and sends it on its way.
    pub(super) fn transmit(&mut self, at: EndKey, bytes: &[u8]) {
        let Some(of) = self.connections.get_mut(at.connection) else {
            return;
        };
        of.write(at.side, bytes);
        let (from, to) = (of.ends[at.side].host, of.ends[at.other().side].host);
        let count = bytes.len();
        self.stream_bytes += count as u64;
        if from == to || self.net.uplink(from).capacity(self.faults.uplink) == 0 {
            let arrival = self.arrival(from, to, 0);
            self.send_data(at, count, arrival);
        } else {
            of.ends[at.side].wait(count);
            self.net.uplink(from).wait(at, count);
            self.use_uplink(from);
        }
    }

    /// One end has read: if the other waits for room, it gets an event.
    pub(super) fn make_room(&mut self, at: EndKey) {
        let Some(of) = self.connections.get(at.connection) else {
            return;
        };
        let (from, to) = (of.ends[at.side].host, of.ends[at.other().side].host);
        if of.ends[at.other().side].may_write_again() {
            // An acknowledgement reports it; acknowledgements are counted as data arrives.
            let arrival = self.arrival(from, to, 0);
            self.report_room(at.other(), arrival);
        }
    }

    // -- transmission

    /// Bytes of a pipe that a host writes into: those that its uplink sends in a round trip come on
    /// top.
    fn pipe_size(&mut self, host: usize) -> usize {
        let capacity = self.net.uplink(host).capacity(self.faults.uplink);
        let round_trip = 2 * self.faults.delay.as_micros() as u64;
        PIPE_SIZE + (capacity * round_trip / 1_000_000) as usize
    }

    /// Lets the next stream that waits for a host's uplink send, if the uplink is free.
    pub(super) fn use_uplink(&mut self, host: usize) {
        let is_alive = |at: EndKey| {
            let of = self.connections.get(at.connection);
            of.is_some_and(|of| of.ends[at.side].hold != Hold::Dead)
        };
        let uplink = self.net.uplink(host);
        let Some((turn, end)) = uplink.next_turn(self.now, self.faults.uplink, is_alive) else {
            return;
        };
        self.queue.push(end, Scheduled::UplinkFree(host));
        let arrival = end + self.net.link_delay(&self.faults, &mut self.rng);
        self.send_data(turn.at, turn.count, arrival);
        if let Some(of) = self.connections.get_mut(turn.at.connection) {
            of.ends[turn.at.side].leave(turn.count);
            self.report_room(turn.at, end);
        }
        let after = match turn.after {
            After::Nothing => return,
            After::Fin => Segment::Fin,
            After::Reset => Segment::Reset,
        };
        self.queue.push(arrival, Scheduled::Segment(turn.at, after));
    }

    /// Sends bytes that one end has written, to arrive at `arrival` if they are not lost.
    fn send_data(&mut self, from: EndKey, count: usize, mut arrival: Instant) {
        if self.rng.below(1_000) < self.faults.loss {
            arrival += RETRANSMIT;
        }
        let segment = Segment::Data(count);
        self.queue.push(arrival, Scheduled::Segment(from, segment));
    }

    /// Sends a segment without data.
    fn send_segment(&mut self, from: EndKey, segment: Segment) {
        if let Some((host, to)) = self.hosts_of(from) {
            let arrival = self.arrival(host, to, HEADERS_SIZE);
            self.queue.push(arrival, Scheduled::Segment(from, segment));
        }
    }

    /// Schedules an event at `at` for an end that waits for room, if there is room.
    fn report_room(&mut self, end: EndKey, at: Instant) {
        let Some(of) = self.connections.get_mut(end.connection) else {
            return;
        };
        if of.ends[end.side].may_write_again() {
            of.ends[end.side].write_waits = false;
            self.queue.push(at, Scheduled::Ready(end, Readiness::Write));
        }
    }

    fn arrival(&mut self, from: usize, to: usize, size: usize) -> Instant {
        if from == to {
            return self.now + Duration::from_micros(50);
        }
        self.net
            .arrival(self.now, (from, size), &self.faults, &mut self.rng)
    }

    /// The hosts of an end and of the other end.
    fn hosts_of(&self, at: EndKey) -> Option<(usize, usize)> {
        let of = self.connections.get(at.connection)?;
        Some((of.ends[at.side].host, of.ends[at.other().side].host))
    }

    // -- arrivals

    /// Delivers a segment if its link is open; the kernel retransmits it until then.
    pub(super) fn deliver_segment(&mut self, from: EndKey, segment: Segment) {
        let Some((host, to)) = self.hosts_of(from) else {
            return;
        };
        if self.net.link(host, to) != Link::Open {
            let what = Scheduled::Segment(from, segment);
            return self.queue.push(self.now + RETRANSMIT, what);
        }
        match segment {
            Segment::Syn => self.handle_syn(from.connection),
            Segment::Data(count) => self.handle_arrival(from, Some(count)),
            Segment::Fin => {
                if let Some(of) = self.connections.get_mut(from.connection) {
                    of.ends[from.side].fin_arrived = true;
                }
                self.handle_arrival(from, None);
            }
            Segment::Reset => self.handle_reset(from),
        }
    }

    fn handle_syn(&mut self, connection: ConnectionKey) {
        let acceptor = EndKey::new(connection, 1);
        let Some((to, from)) = self.hosts_of(acceptor) else {
            return;
        };
        let host = &self.hosts[to];
        if host.is_dark {
            return;
        }
        if !host.is_running() {
            return self.send_segment(acceptor, Segment::Reset);
        }
        let accept = Scheduled::Accept(connection, host.epoch);
        let arrival = self.arrival(to, from, HEADERS_SIZE);
        self.queue.push(self.now, accept);
        self.queue.push(arrival, Scheduled::Established(connection));
    }

    fn handle_arrival(&mut self, from: EndKey, count: Option<usize>) {
        let at = from.other();
        let Some(of) = self.connections.get_mut(at.connection) else {
            return;
        };
        let (host, other) = (of.ends[at.side].host, of.ends[from.side].host);
        if let (true, Some(count)) = (host != other, count) {
            let uplink = self.net.uplink(host);
            uplink.acknowledge(self.now, count, self.faults.uplink);
        }
        match of.ends[at.side].hold {
            Hold::Open => {}
            // A running kernel resets a connection that it does not know.
            Hold::Dead if self.hosts[host].is_dark => return,
            Hold::Dead | Hold::Closed => {
                if count.is_some() {
                    self.send_segment(at, Segment::Reset);
                }
                return;
            }
        }
        of.arrive(from.side, count.unwrap_or(0));
        if std::mem::take(&mut of.ends[at.side].read_waits) {
            self.queue
                .push(self.now, Scheduled::Ready(at, Readiness::Read));
        }
    }

    fn handle_reset(&mut self, from: EndKey) {
        let at = from.other();
        if let Some(of) = self.connections.get_mut(at.connection) {
            let end = &mut of.ends[at.side];
            end.is_reset = true;
            (end.read_waits, end.write_waits) = (false, false);
            self.queue
                .push(self.now, Scheduled::Ready(at, Readiness::Both));
        }
    }
}
