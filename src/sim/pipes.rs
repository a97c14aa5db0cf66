//! Streams as the kernels of two hosts keep them: bytes on their way, ends and resets.
//!
//! ```text
//!   write ─► [ on its way ... | arrived ... ] ─► read        one pipe for each direction
//!                 arrive(count) moves the bar
//! ```
//!
//! A pipe is bounded: what was written and not yet read takes its room, as a window does, which
//! kernels let grow with what the path holds; and what waits for the uplink may be bounded besides.
//! Bytes are never lost, out of order or damaged, only late; a connection can be reset, and an end
//! can be dead without anybody being told (a power cut). Not here: time and the driver's sockets.
//!
//! Invariant: `arrived` bytes of a pipe can be read, and no others.

use crate::output::StreamKey;
use crate::slab::SlotKey;
use std::collections::VecDeque;

/// Bytes that a pipe of a short path holds: written and not read.
pub const PIPE_SIZE: usize = 128 * 1024;

/// Names one connection.
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

/// Which end of a connection: the dialler's is 0, the other 1.
pub type Side = usize;

/// How an end of a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Its driver has a socket for it, or will have.
    Open,
    /// Its driver has closed it; the kernel still delivers.
    Closed,
    /// Its host has lost power: it neither takes nor answers anything.
    Dead,
}

/// One end of a connection.
pub struct End {
    /// On which host.
    pub host: usize,
    /// Its node's name for the stream, once there is a socket.
    pub stream: Option<StreamKey>,
    /// How it is.
    pub hold: Hold,
    /// The other end has reset the connection, and that has arrived.
    pub is_reset: bool,
    /// A read said `WouldBlock`: the next arrival is an event.
    pub read_waits: bool,
    /// A write said `WouldBlock`: the next room is an event.
    pub write_waits: bool,
    /// What this end has written.
    bytes: VecDeque<u8>,
    /// How much of it may wait to be read.
    size: usize,
    /// How much of it waits for the uplink, where that is limited.
    unsent: usize,
    /// How much may.
    pub notsent_max: usize,
    /// Of these, what the other end can read.
    arrived: usize,
    /// This end has said that it will write no more, and that has arrived.
    pub fin_arrived: bool,
}

/// A connection.
pub struct Connection {
    /// Both ends.
    pub ends: [End; 2],
}

/// What a read finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readable {
    /// So many bytes.
    Bytes(usize),
    /// Nothing now.
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

    /// How many bytes this end may write now.
    pub fn room(&self) -> usize {
        let unsent_room = self.notsent_max.saturating_sub(self.unsent);
        unsent_room.min(self.size - self.bytes.len())
    }

    /// Whether it waits for room, and so much is free that it is told.
    pub fn may_write_again(&self) -> bool {
        let is_roomy = self.size - self.bytes.len() >= self.size / 3;
        self.write_waits && is_roomy && self.unsent <= self.notsent_max / 2
    }

    /// `count` bytes that were written wait for the uplink.
    pub fn wait(&mut self, count: usize) {
        self.unsent += count;
    }

    /// `count` bytes that waited have left.
    pub fn leave(&mut self, count: usize) {
        self.unsent -= count;
    }

    /// How many bytes that this end has written can be read at the other.
    pub fn arrived(&self) -> usize {
        self.arrived
    }
}

impl Connection {
    /// A connection that host `from` makes to host `to`, with pipes of these sizes.
    pub fn new(from: usize, stream: StreamKey, to: usize, sizes: [usize; 2]) -> Connection {
        Connection {
            ends: [
                End::new(from, Some(stream), sizes[0]),
                End::new(to, None, sizes[1]),
            ],
        }
    }

    /// What a read at `side` finds.
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

    /// Takes bytes that have arrived at `side` into `buffer`, which they fill.
    pub fn read(&mut self, side: Side, buffer: &mut [u8]) {
        let other = &mut self.ends[1 - side];
        assert!(
            buffer.len() <= other.arrived,
            "only what has arrived is read"
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

    /// `count` bytes that `side` has written arrive at the other end.
    pub fn arrive(&mut self, side: Side, count: usize) {
        let end = &mut self.ends[side];
        end.arrived = (end.arrived + count).min(end.bytes.len());
    }

    /// Whether neither end will be looked at again.
    pub fn is_over(&self) -> bool {
        self.ends.iter().all(|end| end.hold != Hold::Open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_waits_for_the_uplink_than_may_and_room_is_told_of_when_half_has_left() {
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
    fn only_what_has_arrived_can_be_read_and_the_end_comes_after_it() {
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
