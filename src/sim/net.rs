//! The ways between hosts: which are open, and how long they take.
//!
//! Datagrams can be lost, doubled, late, damaged and forged (`drive` draws that); here is what
//! holds for streams as well. Invariant: the hosts of a way are indices of one world, and a way
//! from a host to itself is always open.

use super::faults::Faults;
use super::uplink::Uplink;
use crate::rng::Rng;
use crate::time::Instant;
use std::collections::BTreeSet;
use std::time::Duration;

/// How a way is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Things pass.
    Open,
    /// Things are lost.
    Cut,
    /// Things are held back.
    Clogged,
}

/// All ways of a world.
#[derive(Default)]
pub struct Net {
    /// Nothing passes from the first set to the second.
    cuts: Vec<(BTreeSet<usize>, BTreeSet<usize>)>,
    clogged: BTreeSet<(usize, usize)>,
    uplinks: Vec<Uplink>,
}

impl Net {
    /// The way from one host to another.
    pub fn way(&self, from: usize, to: usize) -> Way {
        if from == to {
            return Way::Open;
        }
        let parts =
            |(a, b): &(BTreeSet<usize>, BTreeSet<usize>)| a.contains(&from) && b.contains(&to);
        if self.cuts.iter().any(parts) {
            Way::Cut
        } else if self.clogged.contains(&(from, to)) {
            Way::Clogged
        } else {
            Way::Open
        }
    }

    /// Nothing passes any more from `one` to `other`; the way back stays open.
    pub fn cut(&mut self, one: BTreeSet<usize>, other: BTreeSet<usize>) {
        self.cuts.push((one, other));
    }

    /// What is sent from `from` to `to` is held back.
    pub fn clog(&mut self, from: usize, to: usize) {
        self.clogged.insert((from, to));
    }

    /// The way from `from` to `to` is clogged no more.
    pub fn unclog(&mut self, from: usize, to: usize) {
        self.clogged.remove(&(from, to));
    }

    /// All cuts end.
    pub fn end_cuts(&mut self) {
        self.cuts.clear();
    }

    /// Every way is open.
    pub fn heal(&mut self) {
        self.cuts.clear();
        self.clogged.clear();
    }

    /// The uplink of a host.
    pub fn uplink(&mut self, host: usize) -> &mut Uplink {
        if self.uplinks.len() <= host {
            self.uplinks.resize_with(host + 1, Uplink::default);
        }
        &mut self.uplinks[host]
    }

    /// The bytes that a host's uplink has sent, headers and acknowledgements among them; nothing is
    /// counted where there is no limit.
    pub fn sent_bytes(&self, host: usize) -> u64 {
        self.uplinks.get(host).map_or(0, Uplink::sent_bytes)
    }

    /// How long the way is for what leaves now.
    pub fn way_time(&self, faults: &Faults, rng: &mut Rng) -> Duration {
        let jitter = rng.below(faults.jitter.as_micros() as u64 + 1);
        faults.delay + Duration::from_micros(jitter)
    }

    /// When a packet of `size` bytes in all, which goes before what waits, arrives.
    pub fn arrival(
        &mut self,
        now: Instant,
        (from, size): (usize, usize),
        faults: &Faults,
        rng: &mut Rng,
    ) -> Instant {
        let way = self.way_time(faults, rng);
        now + self.uplink(from).send_first(now, size, faults.uplink) + way
    }
}
