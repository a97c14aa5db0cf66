//! Connections as the kernels of two hosts keep them: bytes on their way, ends and resets.
//!
//! ```text
//!   write ─► [ on its way ... | arrived ... ] ─► read        one pipe for each direction
//!                 arrive(count) moves the bar
//! ```
//!
//! A pipe is bounded: bytes that are written and not yet read take its room, like a TCP window that
//! grows with the path; bytes that wait for the uplink may be bounded besides. Bytes are never
//! lost, reordered or damaged, only late. A connection can be reset, and an end can be dead without
//! notice to the other (a power cut). Not here: time and the driver's sockets.
//!
//! Invariant: `arrived` bytes of a pipe can be read, and no others.

use crate::output::StreamKey;
use crate::slab::SlotKey;
use std::collections::VecDeque;

/// Bytes that a pipe of a short path holds, written and not read.
pub const PIPE_SIZE: usize = 128 * 1024;

/// The key of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnectionKey {
    slot: u32,
    generation: u32,
}

impl SlotKey for ConnectionKey {
    fn new(slot: u32, generation: u32) -> ConnectionKey {
        ConnectionKey { slot, generation }
    }
    fn slot(self) -> u32 {
        self.slot
    }
    fn generation(self) -> u32 {
        self.generation
    }
}

/// An end of a connection: the dialler's is 0, the other 1.
pub type Side = usize;

/// The key of one end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are what the type says")]
pub struct EndKey {
    pub connection: ConnectionKey,
    pub side: Side,
}

impl EndKey {
    /// Makes the key of one side of a connection.
    pub fn new(connection: ConnectionKey, side: Side) -> EndKey {
        EndKey { connection, side }
    }

    /// The other end of the connection.
    pub fn other(self) -> EndKey {
        EndKey::new(self.connection, 1 - self.side)
    }
}

/// The state of an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Its host has a socket for it, or will have.
    Open,
    /// Its host has closed it; the kernel still delivers its bytes.
    Closed,
    /// Its host has lost power: it neither receives nor answers.
    Dead,
}

/// One end of a connection.
pub struct End {
    /// The host that it is on.
    pub host: usize,
    /// Its program's key of the stream, once there is a socket.
    pub stream: Option<StreamKey>,
    /// Whether it is open, closed or dead.
    pub hold: Hold,
    /// A reset by the other end has arrived.
    pub is_reset: bool,
    /// A read returned `WouldBlock`: the next arrival is an event.
    pub read_waits: bool,
    /// A write returned `WouldBlock`: the next free room is an event.
    pub write_waits: bool,
    /// The bytes that this end has written and the other has not read.
    bytes: VecDeque<u8>,
    /// The most of them that the pipe holds.
    size: usize,
    /// The number of them that wait for a limited uplink.
    unsent: usize,
    /// The most that may wait for the uplink.
    pub notsent_max: usize,
    /// The number of them that the other end can read.
    arrived: usize,
    /// The end of this end's bytes has arrived.
    pub fin_arrived: bool,
}

/// A connection between two hosts, or of a host with itself.
pub struct Connection {
    /// The dialler's end, then the acceptor's.
    pub ends: [End; 2],
}

/// The result of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readable {
    /// This many bytes can be read.
    Bytes(usize),
    /// No byte can be read now.
    Nothing,
    /// The end of the stream, or its reset.
    End,
}

impl End {
    fn new(host: usize, stream: Option<StreamKey>, size: usize) -> End {
        End {
            host,
            stream,
            hold: Hold::Open,
            is_reset: false,
            read_waits: false,
            write_waits: false,
            bytes: VecDeque::new(),
            size,
            unsent: 0,
            notsent_max: usize::MAX,
            arrived: 0,
            fin_arrived: false,
        }
    }

    /// The number of bytes that this end may write now.
    pub fn room(&self) -> usize {
        let unsent_room = self.notsent_max.saturating_sub(self.unsent);
        unsent_room.min(self.size - self.bytes.len())
    }

    /// Whether it waits for room, and enough is free for an event.
    pub fn may_write_again(&self) -> bool {
        let is_roomy = self.size - self.bytes.len() >= self.size / 3;
        self.write_waits && is_roomy && self.unsent <= self.notsent_max / 2
    }

    /// Counts written bytes that wait for the uplink.
    pub fn wait(&mut self, count: usize) {
        self.unsent += count;
    }

    /// Counts waiting bytes that the uplink has sent.
    pub fn leave(&mut self, count: usize) {
        self.unsent -= count;
    }

    /// The number of bytes that the other end can read.
    pub fn arrived(&self) -> usize {
        self.arrived
    }
}

impl Connection {
    /// Makes a connection from host `from` to host `to`, with pipes of these sizes.
    pub fn new(from: usize, stream: StreamKey, to: usize, sizes: [usize; 2]) -> Connection {
        Connection {
            ends: [
                End::new(from, Some(stream), sizes[0]),
                End::new(to, None, sizes[1]),
            ],
        }
    }

    /// The result of a read at `side`.
    pub fn readable(&self, side: Side) -> Readable {
        let (end, other) = (&self.ends[side], &self.ends[1 - side]);
        if other.arrived > 0 {
            Readable::Bytes(other.arrived)
        } else if end.is_reset || (other.fin_arrived && other.bytes.is_empty()) {
            Readable::End
        } else {
            Readable::Nothing
        }
    }

    /// Fills `buffer` with bytes that have arrived at `side`.
    pub fn read(&mut self, side: Side, buffer: &mut [u8]) {
        let other = &mut self.ends[1 - side];
        assert!(
            buffer.len() <= other.arrived,
            "a read takes arrived bytes only"
        );
        let (front, back) = other.bytes.as_slices();
        let split = buffer.len().min(front.len());
        buffer[..split].copy_from_slice(&front[..split]);
        let rest = buffer.len() - split;
        buffer[split..].copy_from_slice(&back[..rest]);
        other.bytes.drain(..buffer.len());
        other.arrived -= buffer.len();
    }

    /// Writes at `side`; there must be room.
    pub fn write(&mut self, side: Side, bytes: &[u8]) {
        let end = &mut self.ends[side];
        assert!(bytes.len() <= end.room(), "a pipe is bounded");
        end.bytes.extend(bytes);
    }

    /// Marks `count` bytes of `side` as arrived at the other end.
    pub fn arrive(&mut self, side: Side, count: usize) {
        let end = &mut self.ends[side];
        end.arrived = (end.arrived + count).min(end.bytes.len());
    }

    /// Whether no host has a socket for it any more.
    pub fn is_over(&self) -> bool {
        self.ends.iter().all(|end| end.hold != Hold::Open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsent_bytes_are_bounded_and_half_of_them_must_leave_before_the_next_event() {
        let stream = StreamKey::new(0, 0);
        let mut end = End::new(0, Some(stream), PIPE_SIZE);
        end.notsent_max = 1_000;
        end.wait(900);
        assert_eq!(end.room(), 100);
        end.write_waits = true;
        end.leave(399);
        assert!(!end.may_write_again());
        end.leave(1);
        assert!(end.may_write_again());
    }

    #[test]
    fn arrived_bytes_can_be_read_and_the_end_comes_after_them() {
        let stream = StreamKey {
            slot: 0,
            generation: 0,
        };
        let mut connection = Connection::new(0, stream, 1, [PIPE_SIZE; 2]);
        connection.write(0, b"abcdef");
        assert_eq!(connection.readable(1), Readable::Nothing);
        connection.arrive(0, 4);
        connection.ends[0].fin_arrived = true;
        let mut buffer = [0; 4];
        connection.read(1, &mut buffer);
        assert_eq!(
            (&buffer, connection.readable(1)),
            (b"abcd", Readable::Nothing)
        );
        connection.arrive(0, 2);
        connection.read(1, &mut buffer[..2]);
        assert_eq!(
            (&buffer[..2], connection.readable(1)),
            (&b"ef"[..], Readable::End)
        );
        assert_eq!(connection.ends[0].room(), PIPE_SIZE);
    }
}
