//! The addresses at which other machines reach this node: for links.

use crate::reactor::DEFAULT_PORT;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// Where other machines reach this node: for a link.
///
/// A node that listens on every address names the one that this machine would use to reach the
/// bootstrap nodes, or else anyone.
pub fn locations(listening: &[SocketAddr], bootstraps: &[SocketAddr]) -> Vec<SocketAddr> {
    // Documentation addresses (RFC 5737, RFC 3849): a route to anywhere leads to them as well.
    let anywhere = [
        SocketAddr::from(([192, 0, 2, 1], DEFAULT_PORT)),
        SocketAddr::from((Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1), DEFAULT_PORT)),
    ];
    let targets = if bootstraps.is_empty() {
        &anywhere
    } else {
        bootstraps
    };
    let mut found = Vec::new();
    for address in listening {
        if !address.ip().is_unspecified() {
            found.push(*address);
            continue;
        }
        let targets = targets.iter().filter(|&target| reaches(address, target));
        let own = targets.filter_map(|&target| own_address(target));
        found.extend(own.map(|ip| SocketAddr::new(ip, address.port())));
    }
    found.sort();
    found.dedup();
    found
}

/// The address that this machine would send from. Connecting a UDP socket sends nothing.
pub fn own_address(target: SocketAddr) -> Option<IpAddr> {
    let any: IpAddr = match target {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(target).ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_unspecified()).then_some(ip)
}

/// Whether a node that listens at `from` can send to `to`.
pub fn reaches(from: &SocketAddr, to: &SocketAddr) -> bool {
    from.is_ipv4() == to.is_ipv4() || from.ip() == Ipv6Addr::UNSPECIFIED
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_names_the_addresses_listened_on() {
        let here: SocketAddr = "127.0.0.1:4000".parse().unwrap();
        assert_eq!(locations(&[here], &[]), [here]);
        for every in ["0.0.0.0:5000", "[::]:5000"] {
            let found = locations(&[every.parse().unwrap()], &[here]);
            assert_eq!(found, ["127.0.0.1:5000".parse().unwrap()]);
        }
    }
}
