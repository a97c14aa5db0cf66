//! Shards on their way: which stream sends each, how far it is, and which peer is to blame if it is
//! wrong.
//!
//! ```text
//!             start                receive … receive(last)           stored(last)
//!  (missing) ───────► receiving ─────────────────────────► verified ─────────────► held
//!                      │     ▲                      │
//!              abandon │     │ resume (same offset, │ wrong hash
//!                      ▼     │  same hasher)        ▼
//!                      orphaned                   wrong ──stored(last)──► (missing), a peer blamed
//! ```
//!
//! *Orphaned* is a receiving flight without a source. When the disk is full, a flight is *spoiled*,
//! and its shard is missing again once nothing of it waits for the disk.
//!
//! One writer per shard: a flight has at most one source at a time, so no byte is in flight twice.
//! When a source is lost, another resumes at the same offset with the same hasher; a reclaimed one
//! sends what it has begun, and the flight is orphaned when that has come. A shard that had
//! several sources and fails cannot be blamed on one: it is fetched again *whole*, from a single
//! source. Invariant: `stored ≤ received ≤ requested ≤ length`.

use crate::bitmap::Bitmap;
use crate::limits::FLIGHTS_MAX;
use crate::output::StreamKey;
use crate::time::Instant;
use crate::wire::stream::Range;
use sha1::{Digest, Sha1};
use std::net::SocketAddr;
use std::time::Duration;

/// The state of a flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Receiving,
    /// Every byte came and the hash is right; some bytes may not be written yet.
    Verified,
    /// Every byte came and the hash is wrong; some bytes may not be written yet.
    Wrong,
    /// The disk had no room for some of it: no more is received, and it is missing again once
    /// nothing of it waits for the disk.
    Spoiled,
}

/// The source of a shard is to send no more of it than it has begun.
#[derive(Clone, Copy, Debug)]
pub struct Reclaim {
    pub at: Instant,
    /// The stream that resumes it, if that still can; the source itself, if there is none.
    pub successor: StreamKey,
}

/// One shard on its way.
pub struct Flight {
    pub shard: u32,
    pub length: u32,
    pub state: State,
    /// The stream that sends it; none when it was lost.
    pub source: Option<StreamKey>,
    /// The source is to send no more of it than it has begun.
    pub reclaim: Option<Reclaim>,
    /// The sender of the first bytes.
    pub sender: SocketAddr,
    /// More than one node has sent bytes of it.
    pub mixed: bool,
    /// It has failed before with several sources, and comes from one only.
    pub whole: bool,
    requested: u32,
    received: u32,
    stored: u32,
    hasher: Sha1,
}
const _: () = assert!(size_of::<Flight>() <= crate::limits::memory::FLIGHT_SIZE);

impl Flight {
    /// A shard that `source` at `sender` is to send.
    pub fn start(shard: u32, length: u32, source: StreamKey, sender: SocketAddr) -> Flight {
        Flight {
            shard,
            length,
            state: State::Receiving,
            source: Some(source),
            reclaim: None,
            sender,
            mixed: false,
            whole: false,
            requested: 0,
            received: 0,
            stored: 0,
            hasher: Sha1::new(),
        }
    }

    /// The next range to ask its source for, of at most `size_max` bytes; none when all is asked
    /// for or it is reclaimed.
    pub fn request(&mut self, size_max: u32) -> Option<Range> {
        if self.reclaim.is_some() {
            return None;
        }
        let length = (self.length - self.requested).min(size_max);
        let range = Range {
            shard: self.shard,
            offset: self.requested,
            length,
        };
        self.requested += length;
        (length > 0).then_some(range)
    }

    /// Bytes that no stream has been asked for.
    pub fn unrequested(&self) -> u32 {
        self.length - self.requested
    }

    /// Whether what is missing takes longer than `time` at a known rate (bytes a second; 0: not
    /// known).
    pub fn lasts(&self, rate: u64, time: Duration) -> bool {
        let missing = u64::from(self.length - self.received);
        rate > 0 && missing / rate > time.as_secs()
    }

    pub fn received(&self) -> u32 {
        self.received
    }

    /// Whether `range` is the next to come, and was asked for.
    pub fn awaits(&self, range: Range) -> bool {
        range.offset == self.received && range.length <= self.requested - self.received
    }

    /// Takes the next bytes in; on the last, compares with the hash that the manifest has.
    pub fn receive(&mut self, bytes: &[u8], expected: &[u8; 20]) {
        self.hasher.update(bytes);
        self.received += bytes.len() as u32;
        assert!(
            self.received <= self.requested,
            "more bytes of a shard than were asked for"
        );
        if self.received == self.length {
            let right = self.hasher.finalize_reset()[..] == expected[..];
            self.state = if right { State::Verified } else { State::Wrong };
        }
    }

    /// Notes that `count` bytes more are written; true when the shard is settled: all bytes came,
    /// their hash is known and none waits for the disk.
    pub fn stored(&mut self, count: u32) -> bool {
        self.stored += count;
        assert!(
            self.stored <= self.received,
            "more bytes of a shard were written than came"
        );
        self.is_settled()
    }

    /// Whether all bytes came, their hash is known and none waits for the disk; of a spoiled one,
    /// whether none waits.
    pub fn is_settled(&self) -> bool {
        match self.state {
            State::Receiving => false,
            State::Verified | State::Wrong => self.stored == self.length,
            State::Spoiled => self.stored == self.received,
        }
    }

    /// The disk had no room for some of it.
    pub fn spoil(&mut self) {
        self.abandon();
        self.state = State::Spoiled;
    }

    /// Bytes that came and are not written yet.
    pub fn unwritten(&self) -> u32 {
        self.received - self.stored
    }

    /// Its source is lost or has left it: what was asked for and has not come must be asked for
    /// again.
    pub fn abandon(&mut self) {
        self.source = None;
        self.reclaim = None;
        self.requested = self.received;
    }

    /// Its source sends nothing from `offset` on.
    pub fn give_back(&mut self, offset: u32) {
        self.requested = self.requested.min(offset).max(self.received);
    }

    /// Whether it is reclaimed and all that its source had begun has come.
    pub fn is_left(&self) -> bool {
        let is_recalled = self.reclaim.is_some() && self.state == State::Receiving;
        is_recalled && self.received == self.requested
    }

    /// Another stream resumes where the last stopped.
    pub fn resume(&mut self, source: StreamKey, sender: SocketAddr) {
        assert!(self.source.is_none(), "a shard in flight has one writer");
        if self.received == 0 {
            self.sender = sender;
        }
        self.mixed |= sender != self.sender;
        self.source = Some(source);
    }

    /// Forgets all bytes: the shard starts again, and this time comes from one source only.
    pub fn restart_whole(&mut self) {
        assert_eq!(
            self.unwritten(),
            0,
            "bytes on their way to the disk would be counted twice"
        );
        self.state = State::Receiving;
        self.source = None;
        self.mixed = false;
        self.whole = true;
        (self.requested, self.received, self.stored) = (0, 0, 0);
        self.hasher = Sha1::new();
    }
}

/// The shards of one swarm that are on their way.
#[derive(Default)]
pub struct Flights {
    list: Vec<Flight>,
    /// The same shards, as a set.
    shards: Bitmap,
}

impl Flights {
    /// None of `shard_count` shards is on its way. Room for flights is taken by
    /// [`Flights::reserve`], once the swarm fetches.
    pub fn with_capacity(shard_count: u32) -> Flights {
        Flights {
            list: Vec::new(),
            shards: Bitmap::with_capacity(shard_count),
        }
    }

    /// Takes room for all flights that there can be.
    pub fn reserve(&mut self) {
        self.list.reserve_exact(FLIGHTS_MAX);
    }

    pub fn release(&mut self) {
        self.list = Vec::new();
    }

    pub fn count(&self) -> u32 {
        self.list.len() as u32
    }

    pub fn is_full(&self) -> bool {
        self.list.len() >= FLIGHTS_MAX
    }

    /// The 64 shards from `64 * index`, as [`Bitmap::word`] has them.
    pub fn word(&self, index: usize) -> u64 {
        self.shards.word(index)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Flight> {
        self.list.iter()
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Flight> {
        self.list.iter_mut()
    }

    pub fn get_mut(&mut self, shard: u32) -> Option<&mut Flight> {
        self.list.iter_mut().find(|flight| flight.shard == shard)
    }

    /// The flight of `shard`, if `source` sends it.
    pub fn of_source(&mut self, shard: u32, source: StreamKey) -> Option<&mut Flight> {
        let flight = self.get_mut(shard);
        flight.filter(|flight| flight.source == Some(source))
    }

    pub fn start(&mut self, flight: Flight) -> Option<&mut Flight> {
        self.shards.insert(flight.shard);
        self.list.push(flight);
        self.list.last_mut()
    }

    pub fn end(&mut self, shard: u32) {
        self.list.retain(|flight| flight.shard != shard);
        self.shards.remove(shard);
    }

    pub fn end_all(&mut self) {
        self.list.clear();
        self.shards.clear();
    }

    /// Ends flights without a source of which nothing has come, so that the rarest shard is chosen
    /// anew.
    pub fn end_unstarted(&mut self) {
        let Flights { list, shards } = self;
        list.retain(|flight| {
            let is_unstarted = flight.source.is_none() && flight.received() == 0 && !flight.whole;
            if is_unstarted {
                shards.remove(flight.shard);
            }
            !is_unstarted
        });
    }

    /// The stream `source` is lost: others resume what it has begun.
    pub fn abandon(&mut self, source: StreamKey) {
        let is_of = |flight: &&mut Flight| flight.source == Some(source);
        for flight in self.list.iter_mut().filter(is_of) {
            flight.abandon();
            if flight.whole && flight.unwritten() == 0 {
                flight.restart_whole();
            }
        }
        self.end_unstarted();
    }

    /// Whether set and list have the same shards, each once.
    pub fn is_consistent(&self) -> bool {
        let is_known = |flight: &Flight| self.shards.contains(flight.shard);
        self.shards.count() == self.count() && self.list.iter().all(is_known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: StreamKey = StreamKey {
        slot: 1,
        generation: 1,
    };
    const TWO: StreamKey = StreamKey {
        slot: 2,
        generation: 2,
    };

    fn address(last: u8) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, last], 4160))
    }

    fn hash(bytes: &[u8]) -> [u8; 20] {
        Sha1::digest(bytes).into()
    }

    #[test]
    fn another_stream_goes_on_at_the_offset_with_the_hashers_state() {
        let expected = hash(b"abcdefgh");
        let mut flight = Flight::start(3, 8, ONE, address(1));
        assert_eq!(
            flight.request(6),
            Some(Range {
                shard: 3,
                offset: 0,
                length: 6
            })
        );
        flight.receive(b"abc", &expected);
        flight.abandon();
        flight.resume(TWO, address(2));
        assert_eq!(
            flight.request(100),
            Some(Range {
                shard: 3,
                offset: 3,
                length: 5
            })
        );
        assert_eq!(flight.request(100), None);
        flight.receive(b"defgh", &expected);
        assert_eq!((flight.state, flight.mixed), (State::Verified, true));
        assert!(!flight.stored(7));
        assert!(flight.stored(1));
    }

    #[test]
    fn a_wrong_shard_of_several_sources_starts_again_whole() {
        let expected = hash(b"right");
        let mut flight = Flight::start(0, 5, ONE, address(1));
        flight.request(5);
        flight.receive(b"wr", &expected);
        flight.abandon();
        flight.resume(TWO, address(2));
        flight.request(5);
        flight.receive(b"ong", &expected);
        assert_eq!(flight.state, State::Wrong);
        assert!(flight.stored(5));
        flight.restart_whole();
        flight.resume(TWO, address(2));
        assert_eq!(
            flight.request(9),
            Some(Range {
                shard: 0,
                offset: 0,
                length: 5
            })
        );
        flight.receive(b"right", &expected);
        assert_eq!(
            (flight.state, flight.mixed, flight.whole),
            (State::Verified, false, true)
        );
    }

    #[test]
    fn a_recalled_source_sends_what_it_has_begun_and_another_the_rest() {
        let expected = hash(b"abcdefgh");
        let mut flight = Flight::start(3, 8, ONE, address(1));
        assert!(flight.request(3).is_some() && flight.request(3).is_some());
        flight.receive(b"a", &expected);
        flight.reclaim = Some(Reclaim {
            at: Instant::ZERO,
            successor: TWO,
        });
        assert_eq!(flight.request(2), None);
        flight.give_back(3);
        assert!(!flight.is_left());
        flight.receive(b"bc", &expected);
        assert!(flight.is_left());
        flight.abandon();
        flight.resume(TWO, address(2));
        let rest = Range {
            shard: 3,
            offset: 3,
            length: 5,
        };
        assert_eq!((flight.is_left(), flight.request(9)), (false, Some(rest)));
        flight.receive(b"defgh", &expected);
        assert_eq!((flight.state, flight.mixed), (State::Verified, true));
    }

    #[test]
    fn a_source_that_sent_nothing_is_not_to_blame() {
        let mut flight = Flight::start(0, 5, ONE, address(1));
        flight.abandon();
        flight.resume(TWO, address(2));
        assert_eq!((flight.sender, flight.mixed), (address(2), false));
    }
}
