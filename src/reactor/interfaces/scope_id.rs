//! Link-local IPv6 addresses and their interfaces.
//!
//! `fe80::7` means nothing without the interface that leads to it, but the number of that is this
//! host's own affair: it does not travel, and the node knows addresses without. So it is taken off
//! what comes in, and put back onto what goes out. Invariant: at most [`SCOPES_MAX`] addresses are
//! remembered; when that is reached, all are learnt anew.

use crate::limits::SCOPES_MAX;
use std::collections::BTreeMap;
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6};

/// Which interface leads to which link-local address.
#[derive(Default)]
pub struct ScopeIds {
    known: BTreeMap<Ipv6Addr, u32>,
    /// The interface that the last of them came in at: where one that is only heard of may be.
    last: u32,
}

impl ScopeIds {
    /// The address without its interface, which is remembered.
    pub fn take(&mut self, from: SocketAddr) -> SocketAddr {
        let SocketAddr::V6(v6) = from else {
            return from;
        };
        if v6.ip().is_unicast_link_local() && v6.scope_id() != 0 {
            self.last = v6.scope_id();
            if self.known.len() >= SCOPES_MAX && !self.known.contains_key(v6.ip()) {
                self.known.clear();
            }
            self.known.insert(*v6.ip(), v6.scope_id());
        }
        SocketAddr::new((*v6.ip()).into(), v6.port())
    }

    /// The address with its interface, or the one where it most likely is.
    pub fn give(&self, to: SocketAddr) -> SocketAddr {
        match to {
            SocketAddr::V6(v6) if v6.ip().is_unicast_link_local() => {
                let scope = self.known.get(v6.ip()).copied().unwrap_or(self.last);
                SocketAddrV6::new(*v6.ip(), v6.port(), 0, scope).into()
            }
            _ => to,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scoped(last: u16, scope: u32) -> SocketAddr {
        let ip = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, last);
        SocketAddrV6::new(ip, 4160, 0, scope).into()
    }

    #[test]
    fn the_interface_comes_off_and_goes_back_on() {
        let mut scopes = ScopeIds::default();
        assert_eq!(scopes.take(scoped(1, 3)), scoped(1, 0));
        assert_eq!(scopes.take(scoped(2, 4)), scoped(2, 0));
        assert_eq!(scopes.give(scoped(1, 0)), scoped(1, 3));
        assert_eq!(
            scopes.give(scoped(9, 0)),
            scoped(9, 4),
            "where the last was"
        );
        for other in ["192.0.2.1:1", "[2001:db8::1]:1"] {
            let other = other.parse().unwrap();
            assert_eq!((scopes.take(other), scopes.give(other)), (other, other));
        }
    }

    #[test]
    fn the_known_scope_ids_are_bounded() {
        let mut scopes = ScopeIds::default();
        (0..3 * SCOPES_MAX as u16).for_each(|last| _ = scopes.take(scoped(last, 2)));
        assert!(scopes.known.len() <= SCOPES_MAX);
    }
}
