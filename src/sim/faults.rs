//! What a world does to its nodes: classes of faults, each with a strength or off.
//!
//! [`Faults::random`] switches every class on or off by the seed, so that many worlds meet many
//! mixtures. Nothing here happens by itself: `net`, `sockets` and `disk` draw against these
//! numbers, and partitions, crashes and pauses are commands of whoever drives the world.

use crate::rng::Rng;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// Faults of a world. A chance is in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Faults {
    /// The shortest way of a datagram or segment.
    pub delay: Duration,
    /// At most so much longer, uniformly.
    pub jitter: Duration,
    /// Chance that a datagram is lost, or a segment sent again.
    pub loss: u64,
    /// Chance that a datagram comes twice.
    pub duplicate: u64,
    /// Chance that a datagram comes up to three seconds late.
    pub reorder: u64,
    /// Chance that a datagram is damaged: a bit flipped, or cut short.
    pub damage: u64,
    /// Chance that a copy of a datagram is sent to its receiver from another address, or a reply is
    /// replayed.
    pub forge: u64,
    /// Chance that a request is repeated from the address of somebody who never sent any.
    pub spoof: u64,
    /// Reads and writes of streams take few bytes; sometimes they say `WouldBlock` for no reason.
    pub short_io: bool,
    /// The longest time that disk work takes.
    pub disk_delay: Duration,
    /// Chance that disk work fails.
    pub disk_failure: u64,
    /// Chance that a write lands elsewhere: at another place of its file, or in another file of the
    /// host. Nobody is told; what is wrong then is found by its hash. Off in random worlds, whose
    /// hosts do not live long enough to read through what they have.
    pub misdirection: u64,
    /// A power cut loses or tears what was not synced.
    pub tear: bool,
    /// Bytes that a host sends in a second; 0: no limit.
    pub uplink: u64,
    /// Whoever commands the world may cut the network in parts.
    pub partitions: bool,
    /// ... may hold datagrams between two hosts back, to release them in random order.
    pub clogs: bool,
    /// ... may stop and restart hosts.
    pub crashes: bool,
    /// ... may let hosts stand still.
    pub pauses: bool,
}

impl Faults {
    /// A network and disks without fault: 5 to 25 ms.
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

    /// A mixture: each class is on in about half of all worlds.
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

    /// The same world after its faults: what remains is the length of the ways.
    pub fn healed(self) -> Faults {
        Faults {
            delay: self.delay,
            jitter: self.jitter.min(Duration::from_millis(50)),
            uplink: self.uplink,
            ..Faults::none()
        }
    }
}

/// Where the hosts of a world stand, which decides what caps and budgets count as one owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addressing {
    /// One local network: exempt from the caps.
    Local,
    /// Global IPv4 addresses, each in a /24 of its own.
    Global,
    /// Global IPv4 addresses, three in a /24.
    Crowded,
    /// Global IPv6 addresses, each in a /64 of its own.
    Global6,
}

impl Addressing {
    /// Any of them.
    pub fn random(rng: &mut Rng) -> Addressing {
        [
            Addressing::Local,
            Addressing::Global,
            Addressing::Crowded,
            Addressing::Global6,
        ][rng.below(4) as usize]
    }

    /// The address of host `index`.
    pub fn address(self, index: usize) -> SocketAddr {
        let number = index as u32;
        let ip: IpAddr = match self {
            Addressing::Local => Ipv4Addr::from(0x0a00_0001 + number).into(),
            Addressing::Global => Ipv4Addr::from(0x2d00_0001 + number * 256).into(),
            Addressing::Crowded => {
                Ipv4Addr::from(0x2d00_0001 + number / 3 * 256 + number % 3).into()
            }
            Addressing::Global6 => {
                Ipv6Addr::from((0x2600_0000_0000_0000 + u128::from(number)) << 64 | 1).into()
            }
        };
        SocketAddr::new(ip, 4160)
    }

    /// The number of the host whose address this is: the inverse of [`Addressing::address`].
    pub fn index(self, address: SocketAddr) -> Option<usize> {
        let number = match (self, address.ip()) {
            (Addressing::Local, IpAddr::V4(ip)) => u32::from(ip).checked_sub(0x0a00_0001)?,
            (Addressing::Global, IpAddr::V4(ip)) => u32::from(ip).checked_sub(0x2d00_0001)? / 256,
            (Addressing::Crowded, IpAddr::V4(ip)) => {
                let number = u32::from(ip).checked_sub(0x2d00_0001)?;
                number / 256 * 3 + (number % 256).min(2)
            }
            (Addressing::Global6, IpAddr::V6(ip)) => (ip.to_bits() >> 64) as u32,
            _ => return None,
        };
        let index = number as usize;
        (self.address(index) == address).then_some(index)
    }

    /// An address where nobody is: `index` chooses one.
    pub fn nobody(index: u64) -> SocketAddr {
        SocketAddr::from(([203, 0, 113, 1 + (index % 250) as u8], 4160))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_host_tells_which_it_is_and_others_are_nobodys() {
        let all = [
            Addressing::Local,
            Addressing::Global,
            Addressing::Crowded,
            Addressing::Global6,
        ];
        for addressing in all {
            for index in 0..1_000 {
                let address = addressing.address(index);
                assert_eq!(addressing.index(address), Some(index));
                let beside = SocketAddr::new(address.ip(), 4161);
                assert_eq!(addressing.index(beside), None);
            }
            for nobody in [
                Addressing::nobody(3),
                "0.0.0.0:4160".parse().unwrap(),
                "255.255.255.255:4160".parse().unwrap(),
                "[::1]:4160".parse().unwrap(),
            ] {
                assert!(
                    addressing
                        .index(nobody)
                        .is_none_or(|index| index > 1_000_000)
                );
            }
        }
    }
}
