//! The ways between hosts: which are open, how long they take, and what an uplink lets through.
//!
//! Datagrams can be lost, doubled, late, damaged and forged (`drive` draws that); here is what
//! holds for streams as well. Invariant: the hosts of a way are indices of one world, and a way
//! from a host to itself is always open.

use super::faults::Faults;
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
    /// When each host's uplink has sent all that it was given.
    uplinks: Vec<Instant>,
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
    pub fn join_parts(&mut self) {
        self.cuts.clear();
    }

    /// Every way is open.
    pub fn heal(&mut self) {
        self.cuts.clear();
        self.clogged.clear();
    }

    /// When `size` bytes that `from` sends now arrive. An uplink of limited capacity sends one
    /// thing after the other; datagrams go first, as they do in a router that is set up well.
    pub fn arrival(
        &mut self,
        now: Instant,
        (from, size, is_datagram): (usize, usize, bool),
        faults: &Faults,
        rng: &mut Rng,
    ) -> Instant {
        let jitter = rng.below(faults.jitter.as_micros() as u64 + 1);
        let way = faults.delay + Duration::from_micros(jitter);
        if faults.uplink == 0 {
            return now + way;
        }
        if self.uplinks.len() <= from {
            self.uplinks.resize(from + 1, Instant::ZERO);
        }
        let sending = Duration::from_micros(size as u64 * 1_000_000 / faults.uplink);
        let free_at = self.uplinks[from].max(now);
        self.uplinks[from] = free_at + sending;
        if is_datagram {
            now + sending + way
        } else {
            free_at + sending + way
        }
    }
}
