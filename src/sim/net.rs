//! The links between hosts: which are open, and their delays.
//!
//! These hold for datagrams and streams alike; `datagrams` draws the further faults of a datagram.
//! Invariant: the hosts of a link are indices of one world, and the link from a host to itself is
//! always open.

use super::faults::Faults;
use super::uplink::Uplink;
use crate::rng::Rng;
use crate::time::Instant;
use std::collections::BTreeSet;
use std::time::Duration;

/// The state of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// Datagrams and segments pass the link.
    Open,
    /// Datagrams are lost, segments retransmitted.
    Cut,
    /// Datagrams are held back, segments retransmitted.
    Clogged,
}

/// All links of a world.
#[derive(Default)]
pub struct Net {
    /// Nothing passes from the first set to the second.
    cuts: Vec<(BTreeSet<usize>, BTreeSet<usize>)>,
    clogged: BTreeSet<(usize, usize)>,
    uplinks: Vec<Uplink>,
}

impl Net {
    /// The state of the link from one host to another.
    pub fn link(&self, from: usize, to: usize) -> Link {
        if from == to {
            return Link::Open;
        }
        let parts =
            |(a, b): &(BTreeSet<usize>, BTreeSet<usize>)| a.contains(&from) && b.contains(&to);
        if self.cuts.iter().any(parts) {
            Link::Cut
        } else if self.clogged.contains(&(from, to)) {
            Link::Clogged
        } else {
            Link::Open
        }
    }

    /// Cuts the links from the hosts of `one` to those of `other`; the way back stays open.
    pub fn cut(&mut self, one: BTreeSet<usize>, other: BTreeSet<usize>) {
        self.cuts.push((one, other));
    }

    /// Holds back datagrams from `from` to `to`.
    pub fn clog(&mut self, from: usize, to: usize) {
        self.clogged.insert((from, to));
    }

    /// Ends the clog from `from` to `to`.
    pub fn unclog(&mut self, from: usize, to: usize) {
        self.clogged.remove(&(from, to));
    }

    /// Ends the cuts of all links.
    pub fn end_cuts(&mut self) {
        self.cuts.clear();
    }

    /// Opens every cut or clogged link.
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

    /// The bytes that a host's uplink has sent, headers and acknowledgements included; an uplink
    /// without a limit does not count.
    pub fn sent_bytes(&self, host: usize) -> u64 {
        self.uplinks.get(host).map_or(0, Uplink::sent_bytes)
    }

    /// Draws the delay of a packet that leaves now.
    pub fn link_delay(&self, faults: &Faults, rng: &mut Rng) -> Duration {
        let jitter = rng.below(faults.jitter.as_micros() as u64 + 1);
        faults.delay + Duration::from_micros(jitter)
    }

    /// Sends a packet of `size` bytes before the waiting streams; returns the time of its arrival.
    pub fn arrival(
        &mut self,
        now: Instant,
        (from, size): (usize, usize),
        faults: &Faults,
        rng: &mut Rng,
    ) -> Instant {
        let delay = self.link_delay(faults, rng);
        now + self.uplink(from).send_first(now, size, faults.uplink) + delay
    }
}
