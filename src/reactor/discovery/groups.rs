//! The sockets that hear calls, and the multicast groups that they are in.
//!
//! One of each family; a host without IPv6 has only the other. Invariants: a socket counts as
//! readable until it has said `WouldBlock`; all nodes of a host share the port, and each hears
//! every call.

use crate::limits::{DATAGRAM_SIZE_MAX, LINKS_MAX};
use crate::reactor::interfaces::Networks;
use crate::reactor::listen::canonical;
use crate::reactor::token::Source;
use crate::reactor::udp::Received;
use crate::wire::native::discovery::{GROUP_V4, GROUP_V6, PORT};
use mio::net::UdpSocket;
use mio::{Interest, Registry};
use rustix::io::Errno;
use rustix::net::netdevice::name_to_index;
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockRef, Socket, Type};
use std::fs;
use std::io;
use std::net::{Ipv6Addr, SocketAddr};

/// Flags of an interface (`IFF_UP`, `IFF_MULTICAST`).
const UP: u32 = 0x1;
const MULTICAST: u32 = 0x1000;

/// Which IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6, link-local.
    V6,
}

/// An interface, as one family sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Which IP.
    pub family: Family,
    /// The interface's index.
    pub index: u32,
    /// Its name.
    pub name: String,
}

impl Link {
    /// Where calls go at it.
    pub fn group(&self) -> SocketAddr {
        match self.family {
            Family::V4 => (GROUP_V4, PORT).into(),
            Family::V6 => std::net::SocketAddrV6::new(GROUP_V6, PORT, 0, self.index).into(),
        }
    }
}

/// The sockets.
pub struct Groups {
    sockets: Vec<(Family, UdpSocket)>,
    readable: Vec<bool>,
}

impl Groups {
    /// Binds them.
    ///
    /// # Errors
    /// When neither family can be had.
    pub fn open(registry: &Registry) -> io::Result<Groups> {
        let mut sockets = Vec::new();
        let mut failure = None;
        for family in [Family::V4, Family::V6] {
            let made = bind(family).and_then(|mut socket| {
                let token = Source::Discovery(sockets.len()).token();
                registry.register(&mut socket, token, Interest::READABLE)?;
                Ok(socket)
            });
            match made {
                Ok(socket) => sockets.push((family, socket)),
                Err(error) => failure = Some(error),
            }
        }
        match failure {
            Some(error) if sockets.is_empty() => Err(error),
            _ => Ok(Groups {
                readable: vec![true; sockets.len()],
                sockets,
            }),
        }
    }

    /// The poll says that a socket can be read.
    pub fn handle_readable(&mut self, index: usize) {
        if let Some(readable) = self.readable.get_mut(index) {
            *readable = true;
        }
    }

    /// Whether some socket has not said `WouldBlock` yet.
    pub fn is_readable(&self) -> bool {
        self.readable.contains(&true)
    }

    /// Receives one datagram, of IPv4 first: who is found by both is then known by that, which
    /// means the same to others.
    pub fn receive(&mut self, buffer: &mut [u8; DATAGRAM_SIZE_MAX + 1]) -> Received {
        for (readable, (_, socket)) in self.readable.iter_mut().zip(&self.sockets) {
            if !*readable {
                continue;
            }
            match socket.recv_from(buffer) {
                Ok((size, _)) if size > DATAGRAM_SIZE_MAX => return Received::Oversize,
                Ok((size, from)) => {
                    let from = canonical(from);
                    return Received::Datagram { from, size };
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => *readable = false,
                Err(error) => return Received::Failed(error),
            }
        }
        Received::Nothing
    }

    /// The interfaces to send queries at, those of IPv4 first: what has a network, is up, and can do
    /// multicast; at most [`LINKS_MAX`] of each family. Loopback is not among them.
    pub fn links(&self, networks: &Networks) -> Vec<Link> {
        let mut links: Vec<Link> = Vec::new();
        let mut add = |link: Link| {
            let same = links.iter().filter(|other| other.family == link.family);
            let is_known = links.contains(&link);
            if !is_known && same.count() < LINKS_MAX && can_multicast(&link.name) {
                links.push(link);
            }
        };
        for (family, socket) in &self.sockets {
            match family {
                Family::V4 => networks.v4.iter().for_each(|at| {
                    let name = at.interface.clone();
                    if let Ok(index) = name_to_index(socket, &name) {
                        add(Link {
                            family: Family::V4,
                            index,
                            name,
                        });
                    }
                }),
                Family::V6 => {
                    let usable = networks.v6.iter().filter(|at| at.is_usable);
                    let local = usable.filter(|at| at.ip.is_unicast_link_local());
                    local.for_each(|at| {
                        add(Link {
                            family: Family::V6,
                            index: at.index,
                            name: at.interface.clone(),
                        });
                    });
                }
            }
        }
        links
    }

    /// Joins the group at an interface; whether calls are heard there now.
    pub fn join(&self, link: &Link) -> bool {
        let joined = self.with_socket(link, |socket| match link.family {
            Family::V4 => {
                let index = InterfaceIndexOrAddress::Index(link.index);
                socket.join_multicast_v4_n(&GROUP_V4, &index)
            }
            Family::V6 => socket.join_multicast_v6(&GROUP_V6, link.index),
        });
        match joined {
            Ok(()) => true,
            // Its address went and came back: the group was never left.
            Err(error) if Errno::from_io_error(&error) == Some(Errno::ADDRINUSE) => true,
            Err(error) => {
                log::info!("no calls are heard at {}: {error}", link.name);
                false
            }
        }
    }

    /// Leaves the group at an interface, which may be gone already.
    pub fn leave(&self, link: &Link) {
        let left = self.with_socket(link, |socket| match link.family {
            Family::V4 => {
                let index = InterfaceIndexOrAddress::Index(link.index);
                socket.leave_multicast_v4_n(&GROUP_V4, &index)
            }
            Family::V6 => socket.leave_multicast_v6(&GROUP_V6, link.index),
        });
        if let Err(error) = left {
            log::debug!("leaving {}: {error}", link.name);
        }
    }

    fn with_socket(
        &self,
        link: &Link,
        what: impl Fn(SockRef<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut sockets = self.sockets.iter();
        match sockets.find(|(family, _)| *family == link.family) {
            Some((_, socket)) => what(SockRef::from(socket)),
            None => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

/// Binds to the group where that keeps everything else away: an IPv6 group would have to be bound
/// at one interface.
fn bind(family: Family) -> io::Result<UdpSocket> {
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
    Ok(UdpSocket::from_std(socket.into()))
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
