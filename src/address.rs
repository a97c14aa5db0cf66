//! Addresses of nodes in canonical form, and [`Contact`], a node and its address.
//!
//! Flow information and scope id are not part of the form: they are valid on one host only.
//! [`is_usable`] excludes only addresses at which no node can be: port 0, and unspecified,
//! broadcast and multicast IPs.
//!
//! Invariant: a canonical address is never IPv4-mapped and has no scope id.

use crate::id::{Distance, Id, NodeId};
use std::net::{IpAddr, SocketAddr};

/// The id and address of a node, as other nodes know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Contact {
    /// The node's id, as it claims.
    pub id: NodeId,
    /// Its IP address and UDP port.
    pub address: SocketAddr,
}

impl Contact {
    /// Returns the distance of the node's id to `target`.
    pub fn distance(&self, target: Id) -> Distance {
        self.id.0.distance(&target)
    }
}

/// Converts an address to the form that is compared and stored: IPv4 as `V4`, even if a dual-stack
/// socket reports it as IPv4-mapped IPv6, and IPv6 without flow information and scope id.
pub fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Whether a node can be at `address`: false for port 0 and for unspecified, multicast and
/// broadcast IPs, IPv4-mapped ones included.
pub fn is_usable(address: SocketAddr) -> bool {
    let ip = address.ip().to_canonical();
    let broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
    address.port() != 0 && !ip.is_unspecified() && !ip.is_multicast() && !broadcast
}

/// Whether `ip` belongs to a local network, where a whole fleet may share one /24 or one IP.
pub fn is_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

/// Whether a node at `to` can use `address`: an IPv6 link-local address is valid on its link only.
pub fn is_of_use(address: SocketAddr, to: SocketAddr) -> bool {
    let is_link_local = |ip: IpAddr| matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
    !is_link_local(address.ip()) || is_link_local(to.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_mapped_address_and_one_with_a_scope_have_one_form() {
        assert_eq!(
            canonical(address("[::ffff:192.0.2.1]:4160")),
            address("192.0.2.1:4160")
        );
        assert_eq!(canonical(address("[fe80::1%3]:7")), address("[fe80::1]:7"));
    }

    #[test]
    fn an_address_at_which_no_node_can_be_is_not_usable() {
        for text in [
            "192.0.2.1:0",
            "[2001:db8::1]:0",
            "0.0.0.0:1",
            "[::]:1",
            "224.0.0.1:1",
            "[ff02::1]:1",
            "255.255.255.255:1",
            "[::ffff:0.0.0.0]:1",
            "[::ffff:239.1.2.3]:1",
        ] {
            assert!(!is_usable(address(text)), "{text}");
        }
        assert!(is_usable(address("127.0.0.1:1")) && is_usable(address("[::1]:1")));
    }

    #[test]
    fn a_link_local_address_is_usable_on_its_link_only() {
        let (local, global) = (address("[fe80::1]:1"), address("[2001:db8::1]:1"));
        assert!(is_of_use(local, address("[fe80::2]:1")));
        assert!(!is_of_use(local, global) && !is_of_use(local, address("10.0.0.1:1")));
        assert!(is_of_use(global, local) && is_of_use(address("169.254.0.1:1"), global));
    }
}
