//! The faults of a world, in classes: each is off or has a strength.
//!
//! [`Faults::random`] switches each class on or off by the seed, so that many worlds see many
//! mixtures. This is data only: `datagrams`, `kernel`, `streams` and `drive` draw against the
//! chances, and partitions, crashes and pauses are commands of the test that drives the world.
//!
//! Invariant: healed faults lose, damage and delay nothing beyond the length of the links.

use crate::rng::Rng;
use std::time::Duration;

/// The faults of a world. A chance is in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Faults {
    /// The shortest delay of a datagram or segment.
    pub delay: Duration,
    /// The largest additional delay, drawn uniformly.
    pub jitter: Duration,
    /// Chance that a datagram is lost, or a segment retransmitted.
    pub loss: u64,
    /// Chance that a datagram is delivered twice.
    pub duplicate: u64,
    /// Chance that a datagram is delivered a second time, up to three seconds late.
    pub reorder: u64,
    /// Chance that a datagram is damaged: one bit flipped, or cut short.
    pub damage: u64,
    /// Chance that a copy of a datagram is delivered from the address of another host.
    pub forge: u64,
    /// Chance that a copy of a request is delivered from an address without a host.
    pub spoof: u64,
    /// Reads and writes of streams take few bytes, and sometimes return `WouldBlock` for no reason.
    pub short_io: bool,
    /// The longest duration of a disk operation.
    pub disk_delay: Duration,
    /// Chance that a disk operation fails.
    pub disk_failure: u64,
    /// Chance that a write goes to another offset or another file of the host, without an error;
    /// hashes find the damage. Off in random worlds, whose hosts do not live long enough to scrub
    /// their files.
    pub misdirection: u64,
    /// A power cut loses or tears unsynced writes.
    pub tear: bool,
    /// Bytes a second of a host's uplink; 0: no limit.
    pub uplink: u64,
    /// The test may cut the network in parts.
    pub partitions: bool,
    /// The test may hold back datagrams between two hosts, and release them in random order.
    pub clogs: bool,
    /// The test may stop and restart hosts.
    pub crashes: bool,
    /// The test may pause hosts.
    pub pauses: bool,
}

impl Faults {
    /// A network and disks without faults: delays of 5 to 25 ms.
    pub fn none() -> Faults {
        Faults {
            delay: Duration::from_millis(5),
            jitter: Duration::from_millis(20),
            loss: 0,
            duplicate: 0,
            reorder: 0,
            damage: 0,
            forge: 0,
            spoof: 0,
            short_io: false,
            disk_delay: Duration::from_millis(1),
            disk_failure: 0,
            misdirection: 0,
            tear: false,
            uplink: 0,
            partitions: false,
            clogs: false,
            crashes: false,
            pauses: false,
        }
    }

    /// Draws a mixture: each class is on in about half of all worlds.
    pub fn random(rng: &mut Rng) -> Faults {
        let mut draw = |most: u64| {
            if rng.below(2) == 0 {
                0
            } else {
                1 + rng.below(most)
            }
        };
        Faults {
            delay: Duration::from_millis(1 + draw(100)),
            jitter: Duration::from_millis(1 + draw(400)),
            loss: draw(300),
            duplicate: draw(100),
            reorder: draw(100),
            damage: draw(50),
            forge: draw(100),
            spoof: draw(100),
            short_io: draw(1) > 0,
            disk_delay: Duration::from_millis(1 + draw(200)),
            disk_failure: if draw(1) * draw(1) > 0 { 5 } else { 0 },
            misdirection: 0,
            tear: draw(1) > 0,
            uplink: draw(4) * 250_000,
            partitions: draw(1) > 0,
            clogs: draw(1) > 0,
            crashes: draw(1) > 0,
            pauses: draw(1) > 0,
        }
    }

    /// The same world after its faults: the delays of its links remain.
    pub fn healed(self) -> Faults {
        Faults {
            delay: self.delay,
            jitter: self.jitter.min(Duration::from_millis(50)),
            uplink: self.uplink,
            ..Faults::none()
        }
    }
}
