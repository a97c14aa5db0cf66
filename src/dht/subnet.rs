//! Subnets and sources: the groups of addresses that caps and budgets count as one owner (rule 16).
//!
//! Many addresses of one owner must not count as many owners. An IPv4 /24 and an IPv6 /64 are taken
//! as one owner's. Local networks (loopback, private, link-local) are exempt, because a whole fleet
//! is in one /24 there.

use crate::address::is_local;
use std::net::{IpAddr, SocketAddr};

/// A network that counts as one owner's: the address family and the first bytes of the address.
pub type Subnet = [u8; 9];

/// A sender with one budget: a global IP (IPv6: /64), or a local address with its port.
pub type Source = [u8; 19];

/// The /24 of an IPv4 address, the /64 of an IPv6 address.
pub fn subnet(ip: IpAddr) -> Subnet {
    let mut group = [0; 9];
    match ip {
        IpAddr::V4(ip) => {
            group[0] = 4;
            group[1..4].copy_from_slice(&ip.octets()[..3]);
        }
        IpAddr::V6(ip) => {
            group[0] = 6;
            group[1..].copy_from_slice(&ip.octets()[..8]);
        }
    }
    group
}

/// The subnet of a global IP; `None` in a local network, which is exempt.
pub fn global_subnet(ip: IpAddr) -> Option<Subnet> {
    (!is_local(ip)).then(|| subnet(ip))
}

/// The source that messages from `address` count for.
pub fn source(address: SocketAddr) -> Source {
    let ip = address.ip();
    let mut source = [0; 19];
    match ip {
        IpAddr::V4(ip) => {
            source[0] = 4;
            source[1..5].copy_from_slice(&ip.octets());
        }
        IpAddr::V6(_) => source[..9].copy_from_slice(&subnet(ip)),
    }
    if is_local(ip) {
        if let IpAddr::V6(ip) = ip {
            source[1..17].copy_from_slice(&ip.octets());
        }
        source[17..].copy_from_slice(&address.port().to_be_bytes());
    }
    source
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn rule_16_global_neighbours_share_a_subnet_and_strangers_do_not() {
        let group = |text: &str| subnet(address(text).ip());
        assert_eq!(group("192.0.2.1:1"), group("192.0.2.250:2"));
        assert_ne!(group("192.0.2.1:1"), group("192.0.3.1:1"));
        assert_eq!(group("[2001:db8::1]:1"), group("[2001:db8::ffff:1]:1"));
        assert_ne!(group("[2001:db8::1]:1"), group("[2001:db8:0:1::1]:1"));
    }

    #[test]
    fn rule_16_a_global_source_is_its_ip_and_a_local_one_its_address() {
        let one = |text: &str| source(address(text));
        assert_eq!(one("192.0.2.1:1"), one("192.0.2.1:2"));
        assert_ne!(one("192.0.2.1:1"), one("192.0.2.2:1"));
        assert_eq!(one("[2001:db8::1]:1"), one("[2001:db8::2]:2"));
        assert_ne!(one("127.0.0.1:1"), one("127.0.0.1:2"));
        assert_ne!(one("10.0.0.1:1"), one("10.0.0.2:1"));
        assert_ne!(one("[fe80::1]:1"), one("[fe80::2]:1"));
    }
}
