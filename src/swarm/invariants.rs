//! Invariants of swarms and streams: debug builds check the cheap ones after every step, the
//! simulator all of them.

use super::scope::Scope;
use super::state::{Phase, Swarm};
use super::stream::{State, Stream};
use super::swarms::Swarms;

impl Swarms {
    /// Asserts what holds between steps.
    ///
    /// # Panics
    /// When it does not hold.
    pub fn invariants(&self) {
        for (key, swarm) in self.swarms.iter() {
            swarm.invariants();
            let own = self.streams.iter().map(|(_, stream)| stream);
            let own: Vec<&Stream> = own.filter(|of| of.swarm == Some(key)).collect();
            for shard in 0..swarm.shard_count() {
                let counts = own.iter().map(|of| of.copies_of(shard));
                let copies: u16 = counts.sum();
                assert_eq!(copies, swarm.copies.count(shard), "copies of shard {shard}");
            }
        }
        self.streams
            .iter()
            .for_each(|(_, stream)| stream.invariants());
        self.shared.slots.invariants();
    }
}

impl Scope<'_> {
    /// Asserts what holds after each step of a swarm, as far as that is quickly seen.
    pub fn invariants(&self) {
        let own = self.streams.iter().map(|(_, stream)| stream);
        let mut own = own.filter(|of| of.swarm == Some(self.key));
        if self.swarm.is_over {
            assert!(own.next().is_none(), "a swarm that is over has no stream");
            return;
        }
        self.swarm.invariants();
        own.for_each(Stream::invariants);
        self.shared.slots.invariants();
    }
}

impl Swarm {
    fn invariants(&self) {
        assert!(
            self.flights.is_consistent(),
            "the set of shards in flight is that of the flights"
        );
        let mut flights = self.flights.iter();
        assert!(
            flights.all(|flight| !self.held.contains(flight.shard)),
            "a shard in flight is not held"
        );
        assert!(
            self.phase != Phase::Complete || self.flights.count() == 0,
            "a complete swarm has no shard in flight"
        );
        assert!(
            self.damage
                .bad
                .iter()
                .all(|shard| !self.held.contains(shard)),
            "a bad shard is not held"
        );
    }
}

impl Stream {
    fn invariants(&self) {
        assert!(
            self.state == State::Open || self.download.is_idle(),
            "nothing is requested before a stream is open"
        );
        assert!(
            !self.upload.is_midway || !self.upload.peer_requests.is_empty(),
            "the rest of a range is the first request"
        );
    }

    /// How often a shard of this stream is counted among the copies.
    fn copies_of(&self, shard: u32) -> u16 {
        let has = !self.shards.all && self.shards.some.contains(shard);
        u16::from(has) + u16::from(self.offers.offered.contains(shard))
    }
}
