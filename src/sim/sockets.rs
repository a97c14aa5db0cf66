//! The driver's table of a host's sockets, and what kernels do with connections.
//!
//! As in the reactor: a socket counts as readable and writable until it has said `WouldBlock`, and
//! only after that comes an event. Invariant: a socket of the table has a connection, or had one
//! until it was reset.

use super::host::What;
use super::net::Way;
use super::pipes::{Connection, ConnectionKey, Hold, PIPE_SIZE, Readable, Side};
use super::uplink::{After, HEADERS_SIZE};
use super::world::World;
use crate::limits::STREAMS_MAX;
use crate::output::StreamKey;
use crate::time::Instant;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

/// How long a kernel waits before it sends again what was not acknowledged.
const RETRANSMIT: Duration = Duration::from_millis(1_000);

/// One socket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Socket {
    pub key: StreamKey,
    pub connection: ConnectionKey,
    pub side: Side,
    pub is_connected: bool,
    pub is_readable: bool,
    pub is_writable: bool,
    is_queued: bool,
}

/// The sockets of a host, by the slots of its node's streams, and those that are to be served.
#[derive(Default)]
pub(super) struct Sockets {
    slots: Vec<Option<Socket>>,
    ready: VecDeque<StreamKey>,
}

impl Sockets {
    pub fn find(&mut self, key: StreamKey) -> Option<&mut Socket> {
        let slot = self.slots.get_mut(key.slot as usize)?;
        slot.as_mut().filter(|socket| socket.key == key)
    }

    pub fn insert(&mut self, key: StreamKey, connection: ConnectionKey, side: Side) {
        let slot = key.slot as usize;
        assert!(slot < STREAMS_MAX, "a node's streams are bounded");
        if self.slots.len() <= slot {
            self.slots.resize(slot + 1, None);
        }
        assert!(
            self.slots[slot].is_none(),
            "a slot is used again only after its end"
        );
        self.slots[slot] = Some(Socket {
            key,
            connection,
            side,
            is_connected: side == 1,
            is_readable: side == 1,
            is_writable: side == 1,
            is_queued: false,
        });
        if side == 1 {
            self.queue(key);
        }
    }

    pub fn remove(&mut self, key: StreamKey) -> Option<Socket> {
        self.find(key)?;
        self.slots[key.slot as usize].take()
    }

    /// Puts a socket on the ready list, once.
    pub fn queue(&mut self, key: StreamKey) {
        if let Some(socket) = self.find(key) {
            if !socket.is_queued {
                socket.is_queued = true;
                self.ready.push_back(key);
            }
        }
    }

    pub fn next_ready(&mut self) -> Option<StreamKey> {
        let key = self.ready.pop_front()?;
        if let Some(socket) = self.find(key) {
            socket.is_queued = false;
        }
        Some(key)
    }

    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    pub fn count(&self) -> usize {
        self.slots.iter().flatten().count()
    }

    pub fn into_connections(self) -> Vec<(ConnectionKey, Side)> {
        let sockets = self.slots.into_iter().flatten();
        sockets
            .map(|socket| (socket.connection, socket.side))
            .collect()
    }
}

impl World {
    // -- what a driver asks of its kernel

    /// Begins to connect. To an address without host nobody ever answers.
    pub(super) fn connect(&mut self, host: usize, stream: StreamKey, to: SocketAddr) {
        let to = self.host_at(to);
        // A connection to nobody is one to oneself whose opening never arrives.
        let other = to.unwrap_or(host);
        let sizes = [host, other].map(|host| self.pipe_size(host));
        let connection = Connection::new(host, stream, other, sizes);
        let key = self.connections.insert(connection);
        self.hosts[host].sockets.insert(stream, key, 0);
        if let Some(to) = to {
            let at = self.arrival(host, to, HEADERS_SIZE);
            self.queue.push(at, What::Syn { connection: key });
        }
    }

    /// Closes one end: what was written still arrives, and after it the end; but if there was
    /// something to read, a reset.
    pub(super) fn hang_up(&mut self, (connection, side): (ConnectionKey, Side)) {
        let Some(of) = self.connections.get_mut(connection) else {
            return;
        };
        let is_unread = matches!(of.readable(side), Readable::Bytes(_));
        of.ends[side].hold = Hold::Closed;
        let (from, to) = (of.ends[side].host, of.ends[1 - side].host);
        if of.is_over() || of.ends[1 - side].stream.is_none() {
            self.connections.remove(connection);
            return;
        }
        let (after, what) = if is_unread {
            (After::Reset, What::Reset { connection, side })
        } else {
            (After::Fin, What::Fin { connection, side })
        };
        if !self.net.uplink(from).end_with((connection, side), after) {
            let at = self.arrival(from, to, HEADERS_SIZE);
            self.queue.push(at, what);
        }
    }

    /// Bytes of a pipe that a host writes into: what its uplink sends in a round trip comes on top.
    fn pipe_size(&mut self, host: usize) -> usize {
        let capacity = self.net.uplink(host).capacity(self.faults.uplink);
        let round_trip = 2 * self.faults.delay.as_micros() as u64;
        PIPE_SIZE + (capacity * round_trip / 1_000_000) as usize
    }

    /// Writes at one end, and sends it on its way.
    pub(super) fn transmit(&mut self, (connection, side): (ConnectionKey, Side), bytes: &[u8]) {
        let Some(of) = self.connections.get_mut(connection) else {
            return;
        };
        of.write(side, bytes);
        let (from, to) = (of.ends[side].host, of.ends[1 - side].host);
        let count = bytes.len();
        self.stream_bytes += count as u64;
        if from == to || self.net.uplink(from).capacity(self.faults.uplink) == 0 {
            let at = self.arrival(from, to, 0);
            self.set_out((connection, side), count, at);
        } else {
            of.ends[side].wait(count);
            self.net.uplink(from).wait((connection, side), count);
            self.use_uplink(from);
        }
    }

    /// Lets the next stream that waits for a host's uplink send, if that is free.
    pub(super) fn use_uplink(&mut self, host: usize) {
        let is_alive = |(connection, side): (ConnectionKey, Side)| {
            let of = self.connections.get(connection);
            of.is_some_and(|of| of.ends[side].hold != Hold::Dead)
        };
        let uplink = self.net.uplink(host);
        let Some((turn, end)) = uplink.next_turn(self.now, self.faults.uplink, is_alive) else {
            return;
        };
        self.queue.push(end, What::UplinkFree { host });
        let at = end + self.net.way_time(&self.faults, &mut self.rng);
        self.set_out(turn.at, turn.count, at);
        let (connection, side) = turn.at;
        if let Some(of) = self.connections.get_mut(connection) {
            of.ends[side].leave(turn.count);
            self.tell_of_room((connection, side), end);
        }
        match turn.after {
            After::Nothing => {}
            After::Fin => self.queue.push(at, What::Fin { connection, side }),
            After::Reset => self.queue.push(at, What::Reset { connection, side }),
        }
    }

    /// Bytes that one end has written are on their way, to arrive at `at` if they are not lost.
    fn set_out(&mut self, (connection, side): (ConnectionKey, Side), count: usize, at: Instant) {
        let is_lost = self.rng.below(1_000) < self.faults.loss;
        let at = if is_lost { at + RETRANSMIT } else { at };
        let what = What::Arrive {
            connection,
            side,
            count,
        };
        self.queue.push(at, what);
    }

    /// One end has read: if the other waits for room, there is some.
    pub(super) fn make_room(&mut self, (connection, side): (ConnectionKey, Side)) {
        let Some(of) = self.connections.get(connection) else {
            return;
        };
        let (from, to) = (of.ends[side].host, of.ends[1 - side].host);
        if of.ends[1 - side].may_write_again() {
            // An acknowledgement says it, and those are counted as data arrives.
            let at = self.arrival(from, to, 0);
            self.tell_of_room((connection, 1 - side), at);
        }
    }

    /// If an end waits for room, and there is some, it hears of it at `at`.
    fn tell_of_room(&mut self, (connection, side): (ConnectionKey, Side), at: Instant) {
        let Some(of) = self.connections.get_mut(connection) else {
            return;
        };
        let end = &mut of.ends[side];
        if end.may_write_again() {
            end.write_waits = false;
            let (readable, writable) = (false, true);
            self.queue.push(
                at,
                What::Ready {
                    connection,
                    side,
                    readable,
                    writable,
                },
            );
        }
    }

    fn arrival(&mut self, from: usize, to: usize, size: usize) -> Instant {
        if from == to {
            return self.now + Duration::from_micros(50);
        }
        self.net
            .arrival(self.now, (from, size), &self.faults, &mut self.rng)
    }

    // -- what happens in kernels

    /// What happens to a connection, after its way was found open.
    pub(super) fn happen_to_connection(&mut self, what: What) {
        match what {
            What::Syn { connection } => self.handle_syn(connection),
            What::Arrive {
                connection,
                side,
                count,
            } => {
                self.handle_arrival(connection, side, Some(count));
            }
            What::Fin { connection, side } => {
                if let Some(of) = self.connections.get_mut(connection) {
                    of.ends[side].fin_arrived = true;
                }
                self.handle_arrival(connection, side, None);
            }
            What::Reset { connection, side } => self.handle_reset(connection, side),
            _ => unreachable!("only what happens to connections comes here"),
        }
    }

    /// The connection and the two hosts of something on its way; `None` when it has ended.
    pub(super) fn ends_of(&self, what: &What) -> Option<(usize, usize)> {
        let (connection, side) = match *what {
            What::Syn { connection } => (connection, 0),
            What::Arrive {
                connection, side, ..
            }
            | What::Fin { connection, side }
            | What::Reset { connection, side } => (connection, side),
            _ => return None,
        };
        let of = self.connections.get(connection)?;
        Some((of.ends[side].host, of.ends[1 - side].host))
    }

    /// Segments pass only when their way is open; kernels send them again until it is.
    pub(super) fn deliver_segment(&mut self, what: What) {
        let Some((from, to)) = self.ends_of(&what) else {
            return;
        };
        if self.way(from, to) == Way::Open {
            self.happen_to_connection(what);
        } else {
            self.queue.push(self.now + RETRANSMIT, what);
        }
    }

    fn handle_syn(&mut self, connection: ConnectionKey) {
        let Some(of) = self.connections.get(connection) else {
            return;
        };
        let (from, to) = (of.ends[0].host, of.ends[1].host);
        let host = &self.hosts[to];
        let at = match (host.is_dark, host.node.is_some()) {
            (true, _) => return,
            (false, false) => {
                let at = self.arrival(to, from, HEADERS_SIZE);
                self.queue.push(
                    at,
                    What::Reset {
                        connection,
                        side: 1,
                    },
                );
                return;
            }
            (false, true) => self.arrival(to, from, HEADERS_SIZE),
        };
        let epoch = self.hosts[to].epoch;
        self.queue
            .push(self.now, What::Accept { connection, epoch });
        self.queue.push(at, What::Established { connection });
    }

    fn handle_arrival(&mut self, connection: ConnectionKey, side: Side, count: Option<usize>) {
        let Some(of) = self.connections.get_mut(connection) else {
            return;
        };
        let (from, to) = (of.ends[side].host, of.ends[1 - side].host);
        if let (true, Some(count)) = (from != to, count) {
            let uplink = self.net.uplink(to);
            uplink.acknowledge(self.now, count, self.faults.uplink);
        }
        match of.ends[1 - side].hold {
            Hold::Open => {}
            // A kernel that knows nothing of the connection says so, if it runs.
            Hold::Dead if self.hosts[to].is_dark => return,
            Hold::Dead | Hold::Closed => {
                if count.is_some() {
                    let at = self.arrival(to, from, HEADERS_SIZE);
                    self.queue.push(
                        at,
                        What::Reset {
                            connection,
                            side: 1 - side,
                        },
                    );
                }
                return;
            }
        }
        of.arrive(side, count.unwrap_or(0));
        let receiver = &mut of.ends[1 - side];
        if receiver.read_waits {
            receiver.read_waits = false;
            let (side, readable, writable) = (1 - side, true, false);
            self.queue.push(
                self.now,
                What::Ready {
                    connection,
                    side,
                    readable,
                    writable,
                },
            );
        }
    }

    fn handle_reset(&mut self, connection: ConnectionKey, side: Side) {
        let Some(of) = self.connections.get_mut(connection) else {
            return;
        };
        let other = &mut of.ends[1 - side];
        other.is_reset = true;
        (other.read_waits, other.write_waits) = (false, false);
        let (side, readable, writable) = (1 - side, true, true);
        self.queue.push(
            self.now,
            What::Ready {
                connection,
                side,
                readable,
                writable,
            },
        );
    }
}
