//! The settings of a world: seed, faults, addresses of its hosts, checks.
//!
//! Invariant: [`Addressing::index`] is the inverse of [`Addressing::address`].

use super::faults::Faults;
use crate::rng::Rng;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The settings of a world.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Determines everything that happens in the world.
    pub seed: u64,
    /// The faults of network, disks and hosts.
    pub faults: Faults,
    /// The addresses of the hosts.
    pub addressing: Addressing,
    /// The frequency of the checks.
    pub checks: Checks,
}

/// How often a host is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checks {
    /// Never, which measurements use for speed.
    Off,
    /// After each of its steps.
    Every,
    /// After one in this many of its steps.
    OneIn(u64),
}

/// The addresses of the hosts, which decide which of them count as one owner for caps and budgets.
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
    /// Draws one of the four.
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

    /// The index of the host with this address.
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

    /// An address that no host has; `index` chooses one.
    pub fn unused(index: u64) -> SocketAddr {
        SocketAddr::from(([203, 0, 113, 1 + (index % 250) as u8], 4160))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_tells_the_index_of_its_host_if_it_has_one() {
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
            for unused in [
                Addressing::unused(3),
                "0.0.0.0:4160".parse().unwrap(),
                "255.255.255.255:4160".parse().unwrap(),
                "[::1]:4160".parse().unwrap(),
            ] {
                assert!(
                    addressing
                        .index(unused)
                        .is_none_or(|index| index > 1_000_000)
                );
            }
        }
    }
}
