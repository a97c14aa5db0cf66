//! The uplink of a host, if it is limited.
//!
//! Streams with bytes to send take turns of a few packets, as with small kernel queues; datagrams,
//! acknowledgements and other single packets go first. Every byte of payload costs its share of the
//! headers, and every two received packets cost an acknowledgement, so that figures compare with
//! those of a real Ethernet.
//!
//! Not here: loss and queues that overflow. Downlinks have no limit: in a fleet of equals they are
//! not the scarce side. Invariant: a stream has at most one lane in the queue.

use super::pipes::EndKey;
use crate::time::Instant;
use std::collections::VecDeque;
use std::time::Duration;

/// Payload of a full segment: an Ethernet frame without the headers of IPv4 and of TCP with
/// timestamps.
pub const SEGMENT_SIZE: usize = 1_448;
/// Bytes of these headers and of the Ethernet header.
pub const HEADERS_SIZE: usize = 66;
/// Headers of a datagram: Ethernet, IPv4 and UDP.
pub const DATAGRAM_HEADERS_SIZE: usize = 42;
/// Bytes that a stream sends in its turn.
const TURN_SIZE: usize = 6 * SEGMENT_SIZE;

/// The segment after the waiting bytes of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// None: the stream stays open.
    Nothing,
    /// The end of the stream.
    Fin,
    /// A reset of the stream.
    Reset,
}

/// The waiting bytes of a stream, or those of its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lane {
    /// The end that sends them.
    pub at: EndKey,
    /// Bytes of payload that wait.
    pub count: usize,
    /// The segment that follows these bytes.
    pub after: After,
}

/// The uplink of one host.
#[derive(Default)]
pub struct Uplink {
    /// Its own capacity in bytes a second, if it differs from the world's.
    capacity: Option<u64>,
    /// The end of the transmission in progress.
    free_at: Instant,
    /// The waiting streams, the next one first.
    lanes: VecDeque<Lane>,
    /// A stream has its turn.
    is_busy: bool,
    sent_bytes: u64,
}

impl Uplink {
    /// Sets the capacity, in bytes a second; 0: no limit.
    pub fn set_capacity(&mut self, capacity: u64) {
        self.capacity = Some(capacity);
    }

    /// Bytes a second, where the world's hosts have `general`; 0: no limit.
    pub fn capacity(&self, general: u64) -> u64 {
        self.capacity.unwrap_or(general)
    }

    /// Bytes sent so far, headers included.
    pub fn sent_bytes(&self) -> u64 {
        self.sent_bytes
    }

    /// Sends a packet of `size` bytes, headers included, before the waiting streams; returns the
    /// time that it takes.
    pub fn send_first(&mut self, now: Instant, size: usize, general: u64) -> Duration {
        let capacity = self.capacity(general);
        if capacity == 0 {
            return Duration::ZERO;
        }
        self.occupy(now, size, capacity)
    }

    /// Sends the acknowledgements of `count` received bytes of a stream.
    pub fn acknowledge(&mut self, now: Instant, count: usize, general: u64) {
        let acknowledgements = count.div_ceil(2 * SEGMENT_SIZE);
        self.send_first(now, acknowledgements * HEADERS_SIZE, general);
    }

    /// Queues `count` bytes of a stream.
    pub fn wait(&mut self, at: EndKey, count: usize) {
        match self.lanes.iter_mut().find(|lane| lane.at == at) {
            Some(lane) => lane.count += count,
            None => self.lanes.push_back(Lane {
                at,
                count,
                after: After::Nothing,
            }),
        }
    }

    /// Queues a segment after the waiting bytes of a stream; false if no bytes wait.
    pub fn end_with(&mut self, at: EndKey, after: After) -> bool {
        let lane = self.lanes.iter_mut().find(|lane| lane.at == at);
        let is_waiting = lane.is_some();
        if let Some(lane) = lane {
            lane.after = after;
        }
        is_waiting
    }

    /// Gives the next stream its turn, unless one has it; returns the bytes of the turn and its
    /// end. Drops streams for which `is_alive` is false.
    pub fn next_turn(
        &mut self,
        now: Instant,
        general: u64,
        is_alive: impl Fn(EndKey) -> bool,
    ) -> Option<(Lane, Instant)> {
        if self.is_busy {
            return None;
        }
        let lane = std::iter::from_fn(|| self.lanes.pop_front()).find(|lane| is_alive(lane.at))?;
        let count = lane.count.min(TURN_SIZE);
        let mut turn = Lane { count, ..lane };
        if count < lane.count {
            turn.after = After::Nothing;
            self.lanes.push_back(Lane {
                count: lane.count - count,
                ..lane
            });
        }
        let size = count + count.div_ceil(SEGMENT_SIZE) * HEADERS_SIZE;
        let capacity = self.capacity(general);
        if capacity > 0 {
            self.occupy(now, size, capacity);
        }
        self.is_busy = true;
        Some((turn, self.free_at.max(now)))
    }

    /// Ends the turn of the stream that had it.
    pub fn end_turn(&mut self) {
        self.is_busy = false;
    }

    fn occupy(&mut self, now: Instant, size: usize, capacity: u64) -> Duration {
        let sending = Duration::from_micros(size as u64 * 1_000_000 / capacity);
        self.free_at = self.free_at.max(now) + sending;
        self.sent_bytes += size as u64;
        sending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::pipes::ConnectionKey;
    use crate::slab::SlotKey;

    fn stream(number: u32) -> EndKey {
        EndKey::new(ConnectionKey::new(number, 0), 0)
    }

    #[test]
    fn streams_take_turns_and_the_end_comes_last() {
        let mut uplink = Uplink::default();
        uplink.set_capacity(1_000_000);
        uplink.wait(stream(1), TURN_SIZE + 1);
        uplink.wait(stream(2), 10);
        assert!(uplink.end_with(stream(1), After::Fin));
        assert!(!uplink.end_with(stream(3), After::Fin));
        let mut now = Instant::ZERO;
        let mut turns = Vec::new();
        while let Some((turn, end)) = uplink.next_turn(now, 0, |_| true) {
            assert_eq!(uplink.next_turn(now, 0, |_| true), None, "one at a time");
            turns.push((turn.at, turn.count, turn.after));
            now = end;
            uplink.end_turn();
        }
        let expected = [
            (stream(1), TURN_SIZE, After::Nothing),
            (stream(2), 10, After::Nothing),
            (stream(1), 1, After::Fin),
        ];
        assert_eq!(turns, expected);
        let wire = TURN_SIZE + 11 + 8 * HEADERS_SIZE;
        assert_eq!(uplink.sent_bytes(), wire as u64);
        assert_eq!(now, Instant::from_micros(wire as u64));
    }

    #[test]
    fn acknowledgements_delay_waiting_streams() {
        let mut uplink = Uplink::default();
        uplink.acknowledge(Instant::ZERO, 4 * SEGMENT_SIZE, 1_000_000);
        uplink.wait(stream(1), 100);
        let (_, end) = uplink
            .next_turn(Instant::ZERO, 1_000_000, |_| true)
            .unwrap();
        assert_eq!(end, Instant::from_micros(2 * 66 + 100 + 66));
    }
}
