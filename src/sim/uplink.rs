//! What a host's uplink lets through, when it is limited.
//!
//! Streams that have bytes to send take turns, a few packets each, as kernels with small queues
//! have them; datagrams, acknowledgements and other single packets go before what waits. Every byte
//! of payload is paid for with its share of the headers, and every two packets that come in with an
//! acknowledgement that goes out, so that figures compare with those of a real Ethernet.
//!
//! Not here: loss and queues that overflow. Downlinks have no limit: in a fleet of equals they are
//! not the scarce side. Invariant: a stream waits in at most one place.

use super::pipes::{ConnectionKey, Side};
use crate::time::Instant;
use std::collections::VecDeque;
use std::time::Duration;

/// Payload of a full segment: an Ethernet frame without the headers of IPv4 and of TCP with its
/// timestamps.
pub const SEGMENT_SIZE: usize = 1_448;
/// Bytes of these headers and of Ethernet's.
pub const HEADERS_SIZE: usize = 66;
/// Headers of a datagram: Ethernet, IPv4 and UDP.
pub const DATAGRAM_HEADERS_SIZE: usize = 42;
/// What a stream sends in its turn.
const TURN_SIZE: usize = 6 * SEGMENT_SIZE;

/// How a stream goes on after the bytes that wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// It stays.
    Nothing,
    /// Its end follows.
    Fin,
    /// It is reset.
    Reset,
}

/// A stream that waits for the uplink, or what it sends in its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lane {
    /// Which stream.
    pub at: (ConnectionKey, Side),
    /// Bytes of payload.
    pub count: usize,
    /// What follows them.
    pub after: After,
}

/// The uplink of one host.
#[derive(Default)]
pub struct Uplink {
    /// Its own capacity in bytes a second, if it differs from the world's.
    capacity: Option<u64>,
    /// When it has sent what it has begun.
    free_at: Instant,
    /// The streams that wait, the next one first.
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

    /// Bytes that it has sent, headers and all.
    pub fn sent_bytes(&self) -> u64 {
        self.sent_bytes
    }

    /// Sends a packet of `size` bytes in all before everything that waits: how long that takes.
    pub fn send_first(&mut self, now: Instant, size: usize, general: u64) -> Duration {
        let capacity = self.capacity(general);
        if capacity == 0 {
            return Duration::ZERO;
        }
        self.occupy(now, size, capacity)
    }

    /// `count` bytes of a stream have come in, and are acknowledged.
    pub fn acknowledge(&mut self, now: Instant, count: usize, general: u64) {
        let acknowledgements = count.div_ceil(2 * SEGMENT_SIZE);
        self.send_first(now, acknowledgements * HEADERS_SIZE, general);
    }

    /// Lets `count` bytes of a stream wait for their turn.
    pub fn wait(&mut self, at: (ConnectionKey, Side), count: usize) {
        match self.lanes.iter_mut().find(|lane| lane.at == at) {
            Some(lane) => lane.count += count,
            None => self.lanes.push_back(Lane {
                at,
                count,
                after: After::Nothing,
            }),
        }
    }

    /// After the bytes of a stream that wait, `after` is to follow; whether any wait.
    pub fn end_with(&mut self, at: (ConnectionKey, Side), after: After) -> bool {
        let lane = self.lanes.iter_mut().find(|lane| lane.at == at);
        let is_waiting = lane.is_some();
        if let Some(lane) = lane {
            lane.after = after;
        }
        is_waiting
    }

    /// Gives the next stream its turn, unless one has it: what it sends, and until when that takes.
    /// Streams for which `is_alive` says no are forgotten.
    pub fn next_turn(
        &mut self,
        now: Instant,
        general: u64,
        is_alive: impl Fn((ConnectionKey, Side)) -> bool,
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

    /// The stream that had its turn has sent.
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
    use crate::slab::SlotKey;

    fn stream(number: u32) -> (ConnectionKey, Side) {
        (ConnectionKey::new(number, 0), 0)
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
    fn acknowledgements_take_time_from_what_waits() {
        let mut uplink = Uplink::default();
        uplink.acknowledge(Instant::ZERO, 4 * SEGMENT_SIZE, 1_000_000);
        uplink.wait(stream(1), 100);
        let (_, end) = uplink
            .next_turn(Instant::ZERO, 1_000_000, |_| true)
            .unwrap();
        assert_eq!(end, Instant::from_micros(2 * 66 + 100 + 66));
    }
}
