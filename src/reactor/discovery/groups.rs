//! Multicast groups of local discovery: one socket of each family.
//!
//! All nodes of a host share the port, and each receives every query. Invariant: a group is joined
//! at most once at each interface.

use crate::reactor::interfaces::Network;
use crate::reactor::token::Source;
use crate::reactor::udp::DatagramSocket;
use crate::wire::native::discovery::{GROUP_V4, GROUP_V6, PORT};
use mio::Registry;
use rustix::io::Errno;
use rustix::net::netdevice::name_to_index;
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockRef, Socket, Type};
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// Flags of an interface (`IFF_UP`, `IFF_MULTICAST`).
const UP: u32 = 0x1;
const MULTICAST: u32 = 0x1000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    V4,
    V6,
}

/// An interface, as one family sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub family: Family,
    pub index: u32,
    pub name: String,
}

impl Link {
    /// The group of its family at it.
    pub fn group(&self) -> SocketAddr {
        match self.family {
            Family::V4 => (GROUP_V4, PORT).into(),
            Family::V6 => SocketAddrV6::new(GROUP_V6, PORT, 0, self.index).into(),
        }
    }
}

/// The socket of one family.
pub struct Group {
    pub family: Family,
    pub socket: DatagramSocket,
}

impl Group {
    pub fn open(registry: &Registry, family: Family, index: usize) -> io::Result<Group> {
        let socket = bind(family)?;
        let socket = DatagramSocket::new(registry, socket.into(), Source::Discovery(index))?;
        Ok(Group { family, socket })
    }

    /// The link of a network's interface, if queries can be sent there: it has an address of the
    /// family, is up, and can do multicast.
    pub fn link(&self, network: &Network) -> Option<Link> {
        let index = match (self.family, network.ip) {
            (Family::V4, IpAddr::V4(_)) => {
                name_to_index(self.socket.inner(), &network.interface).ok()?
            }
            (Family::V6, IpAddr::V6(ip)) if network.is_usable && ip.is_unicast_link_local() => {
                network.index
            }
            _ => return None,
        };
        can_multicast(&network.interface).then(|| Link {
            family: self.family,
            index,
            name: network.interface.clone(),
        })
    }

    /// Joins the group at a link; whether queries are received there now.
    pub fn join(&self, link: &Link) -> bool {
        let socket = SockRef::from(self.socket.inner());
        let joined = match link.family {
            Family::V4 => socket.join_multicast_v4_n(&GROUP_V4, &at(link)),
            Family::V6 => socket.join_multicast_v6(&GROUP_V6, link.index),
        };
        match joined {
            Ok(()) => true,
            // Its address went and came back: the group was never left.
            Err(error) if Errno::from_io_error(&error) == Some(Errno::ADDRINUSE) => true,
            Err(error) => {
                log::info!("no queries are received at {}: {error}", link.name);
                false
            }
        }
    }

    /// Leaves the group at a link, which may be gone already.
    pub fn leave(&self, link: &Link) {
        let socket = SockRef::from(self.socket.inner());
        let left = match link.family {
            Family::V4 => socket.leave_multicast_v4_n(&GROUP_V4, &at(link)),
            Family::V6 => socket.leave_multicast_v6(&GROUP_V6, link.index),
        };
        if let Err(error) = left {
            log::debug!("leaving {}: {error}", link.name);
        }
    }
}

fn at(link: &Link) -> InterfaceIndexOrAddress {
    InterfaceIndexOrAddress::Index(link.index)
}

/// Binds to the group where that keeps everything else away: an IPv6 group would have to be bound
/// at one interface.
fn bind(family: Family) -> io::Result<Socket> {
    let address: SocketAddr = match family {
        Family::V4 => (GROUP_V4, PORT).into(),
        Family::V6 => (Ipv6Addr::UNSPECIFIED, PORT).into(),
    };
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    if family == Family::V6 {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Whether an interface is up and can do multicast, as far as the kernel tells.
fn can_multicast(name: &str) -> bool {
    let text = fs::read_to_string(format!("/sys/class/net/{name}/flags")).unwrap_or_default();
    let number = text.trim().strip_prefix("0x").unwrap_or_default();
    match u32::from_str_radix(number, 16) {
        Ok(flags) => flags & (UP | MULTICAST) == UP | MULTICAST,
        Err(_) => true,
    }
}
