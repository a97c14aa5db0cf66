//! Invariants of a swarm and its streams, which debug builds check after every step.

use super::scope::Scope;
use super::state::{Phase, Swarm};
use super::stream::{State, Stream};

impl Scope<'_> {
    /// Asserts what holds after each step.
    ///
    /// # Panics
    /// When it does not.
    pub fn check(&self) {
        let swarm = &*self.swarm;
        let own = self.streams.iter().map(|(_, stream)| stream);
        let mut own = own.filter(|of| of.swarm == Some(self.key));
        if swarm.is_over {
            assert!(own.next().is_none(), "a swarm that is over has no stream");
            return;
        }
        swarm.check();
        own.for_each(Stream::check);
        assert!(
            self.shared.slots.is_consistent(),
            "a stream waits for one slot"
        );
    }
}

impl Swarm {
    fn check(&self) {
        assert!(
            self.flights.is_consistent(),
            "the set of shards in flight is that of the flights"
        );
        for flight in self.flights.iter() {
            assert!(
                !self.held.contains(flight.shard),
                "a shard in flight is not held"
            );
        }
        assert!(
            self.phase != Phase::Complete || self.absent.is_some() || self.flights.count() == 0,
            "a complete swarm has no shard in flight"
        );
    }
}

impl Stream {
    fn check(&self) {
        assert!(
            self.state == State::Open || self.download.is_idle(),
            "nothing is requested before a stream is open"
        );
    }
}
