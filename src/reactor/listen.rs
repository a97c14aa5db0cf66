//! The addresses that a node listens on: UDP and TCP on one port number, and routes from them.
//!
//! A node has one port, because it announces one: every address it listens on has the same. A
//! wildcard IPv6 socket serves IPv4 too (mapped addresses) unless an IPv4 address is listened on as
//! well. Invariant: addresses are canonical everywhere outside the system calls: IPv4 is never
//! shown as mapped.

use super::error::Error;
use super::tcp::congestion;
use crate::limits::{ACCEPT_BACKLOG, FREE_PORT_TRIES, LISTEN_ADDRESSES_MAX};
use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use std::cmp::Reverse;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};

/// The port that nodes listen on unless told otherwise.
pub const DEFAULT_PORT: u16 = 4160;

/// Two non-blocking sockets on one address and port.
pub struct Bound {
    /// The address, with the port that was taken.
    pub address: SocketAddr,
    pub udp: UdpSocket,
    pub tcp: TcpListener,
}

/// Binds every address, all on one port; without addresses, every address of this host.
pub fn bind(listen: &[SocketAddr]) -> Result<Vec<Bound>, Error> {
    let every = [SocketAddr::from((Ipv6Addr::UNSPECIFIED, DEFAULT_PORT))];
    let listen = if listen.is_empty() { &every } else { listen };
    if listen.len() > LISTEN_ADDRESSES_MAX {
        return Err(Error::because(
            format!("listen on {} addresses", listen.len()),
            &format!("at most {LISTEN_ADDRESSES_MAX} are possible"),
        ));
    }
    let dual_stack = !listen.iter().any(SocketAddr::is_ipv4);
    let mut bound: Vec<Bound> = Vec::with_capacity(listen.len());
    for &address in listen {
        let first = bound.first().map_or(address, |first| first.address);
        let port = first.port();
        if address.port() != 0 && address.port() != port {
            let why = format!("a node has one port, and it is {port} already");
            return Err(Error::because(format!("listen on {address}"), &why));
        }
        let address = SocketAddr::new(address.ip(), port);
        bound.push(bind_one(address, dual_stack).map_err(|error| failure(address, error))?);
    }
    Ok(bound)
}

/// Whether a node could listen on these addresses: binds them as a node does, and lets go of them.
/// The addresses, with the port that was taken.
///
/// # Errors
/// Those that a node would start with.
pub fn try_listening(listen: &[SocketAddr]) -> Result<Vec<SocketAddr>, Error> {
    let bound = bind(listen)?;
    Ok(bound.iter().map(|bound| bound.address).collect())
}

fn failure(address: SocketAddr, error: io::Error) -> Error {
    let hint = match error.kind() {
        io::ErrorKind::AddrInUse => "another sprat? try -l :0",
        io::ErrorKind::AddrNotAvailable => "not an address of this machine",
        io::ErrorKind::PermissionDenied if address.port() < 1024 => "ports below 1024 need rights",
        _ => "",
    };
    Error::new(format!("listen on {address}"), error).with_hint(hint)
}

/// Binds one address; on a host without IPv6 its wildcard means that of IPv4.
fn bind_one(address: SocketAddr, dual_stack: bool) -> io::Result<Bound> {
    match bind_both(address, dual_stack) {
        Err(error) if address.ip() == Ipv6Addr::UNSPECIFIED && no_ipv6(&error) => {
            let v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port()));
            bind_both(v4, dual_stack)
        }
        result => result,
    }
}

fn no_ipv6(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL))
}

/// Binds UDP and TCP. A free port (0) is taken by TCP, and may be another's for UDP: then the next
/// one.
fn bind_both(address: SocketAddr, dual_stack: bool) -> io::Result<Bound> {
    let tries = match address.port() {
        0 => FREE_PORT_TRIES,
        _ => 1,
    };
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..tries {
        let tcp = socket(address, Type::STREAM, Protocol::TCP, dual_stack)?;
        let local = tcp.local_addr()?.as_socket();
        let local = local.ok_or(io::ErrorKind::AddrNotAvailable)?;
        let address = SocketAddr::new(address.ip(), local.port());
        match socket(address, Type::DGRAM, Protocol::UDP, dual_stack) {
            Ok(udp) => {
                congestion::RULES.prepare_listener(&tcp);
                tcp.listen(ACCEPT_BACKLOG)?;
                return Ok(Bound {
                    address,
                    udp: udp.into(),
                    tcp: tcp.into(),
                });
            }
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

fn socket(address: SocketAddr, kind: Type, protocol: Protocol, dual: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    socket.set_nonblocking(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(!(dual && address.ip().is_unspecified()))?;
    }
    if kind == Type::STREAM {
        // A restart must not wait for the old connections' TIME_WAIT.
        socket.set_reuse_address(true)?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

/// The address as nodes know it: IPv4 is IPv4, however the socket shows it.
pub fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => SocketAddr::from((ip, address.port())),
        // Kept whole: a link-local address means nothing without its interface.
        IpAddr::V6(_) => address,
    }
}

/// `to` in the form that a socket bound to `local` takes.
pub fn for_socket(local: SocketAddr, to: SocketAddr) -> SocketAddr {
    match (local, to) {
        (SocketAddr::V6(_), SocketAddr::V4(v4)) => {
            SocketAddr::from((v4.ip().to_ipv6_mapped(), v4.port()))
        }
        _ => to,
    }
}

/// Which of the addresses listened on to send from.
///
/// It must be of the other's family (a wildcard IPv6 address is of both), and one bound to loopback
/// reaches loopback only. Among the rest the one wins that shares most leading bits with `to` (as
/// in RFC 6724, rule 9), because that is the network where a reply is expected; then the first.
pub fn route(locals: &[SocketAddr], to: SocketAddr) -> Option<usize> {
    let reach = |local: &SocketAddr| -> Option<u32> {
        match (local.ip(), to.ip()) {
            (local, to) if local.is_unspecified() => (local.is_ipv6() || to.is_ipv4()).then_some(0),
            (local, to) if local.is_loopback() && !to.is_loopback() => None,
            (IpAddr::V4(local), IpAddr::V4(to)) => {
                Some((local.to_bits() ^ to.to_bits()).leading_zeros())
            }
            (IpAddr::V6(local), IpAddr::V6(to)) => {
                Some((local.to_bits() ^ to.to_bits()).leading_zeros())
            }
            _ => None,
        }
    };
    let reaching = locals.iter().enumerate();
    let reaching = reaching.filter_map(|(index, local)| Some((reach(local)?, Reverse(index))));
    reaching.max().map(|(_, Reverse(index))| index)
}

/// The address to connect to `to` from; none in particular for a node that listens on every one.
///
/// # Errors
/// When the node listens on certain addresses and none of them reaches `to`: from any other one, it
/// would be at a location where no peer finds it.
pub fn source(locals: &[SocketAddr], to: SocketAddr) -> io::Result<Option<IpAddr>> {
    let Some(index) = route(locals, to) else {
        let why = "no address that this node listens on reaches it";
        return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, why));
    };
    let ip = locals[index].ip();
    Ok((!ip.is_unspecified()).then_some(ip))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_connection_from_an_address_not_listened_on_is_refused() {
        let locals = [address("127.0.0.3:1")];
        let from = source(&locals, address("127.0.0.1:2")).unwrap();
        assert_eq!(from, Some("127.0.0.3".parse().unwrap()));
        assert!(source(&locals, address("[::1]:2")).is_err());
        assert!(source(&locals, address("192.0.2.1:2")).is_err());
        let every = [address("[::]:1")];
        assert_eq!(source(&every, address("192.0.2.1:2")).unwrap(), None);
    }

    #[test]
    fn a_free_port_is_the_same_for_udp_and_tcp_and_for_every_address() {
        let bound = bind(&[address("127.0.0.1:0"), address("127.0.0.2:0")]).unwrap();
        let port = bound[0].address.port();
        assert_ne!(port, 0);
        for (bound, ip) in bound.iter().zip(["127.0.0.1", "127.0.0.2"]) {
            assert_eq!(bound.address, address(&format!("{ip}:{port}")));
            assert_eq!(bound.udp.local_addr().unwrap(), bound.address);
            assert_eq!(bound.tcp.local_addr().unwrap(), bound.address);
        }
    }

    #[test]
    fn a_taken_port_is_an_error_that_says_what_to_do() {
        let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let error = bind(&[address]).err().unwrap().to_string();
        let expected =
            format!("cannot listen on {address}: address in use (another sprat? try -l :0)");
        assert_eq!(error, expected);
    }

    #[test]
    fn two_ports_for_one_node_are_refused() {
        let error = bind(&[address("127.0.0.1:0"), address("127.0.0.2:1")])
            .err()
            .unwrap();
        assert!(error.to_string().contains("a node has one port"), "{error}");
    }

    #[test]
    fn a_dual_stack_socket_takes_and_shows_ipv4() {
        let bound = bind(&[address("[::]:0")]).unwrap().remove(0);
        let other = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = address(&format!("127.0.0.1:{}", bound.address.port()));
        other.send_to(b"hello", to).unwrap();
        bound.udp.set_nonblocking(false).unwrap();
        let (_, from) = bound.udp.recv_from(&mut [0; 8]).unwrap();
        assert_eq!(canonical(from), other.local_addr().unwrap());
        let back = for_socket(bound.address, canonical(from));
        assert_eq!(bound.udp.send_to(b"back", back).unwrap(), 4);
    }

    #[test]
    fn the_socket_that_reaches_the_other_is_chosen() {
        let locals = [
            "127.0.0.2:4160",
            "192.168.1.5:4160",
            "10.0.0.5:4160",
            "[fd00::5]:4160",
        ]
        .map(address);
        assert_eq!(route(&locals, address("127.0.0.1:9")), Some(0));
        assert_eq!(route(&locals, address("192.168.1.77:9")), Some(1));
        assert_eq!(route(&locals, address("10.9.9.9:9")), Some(2));
        assert_eq!(route(&locals, address("[fd00::77]:9")), Some(3));
        assert_eq!(route(&locals[..1], address("192.168.1.77:9")), None);
        assert_eq!(route(&locals[..3], address("[fd00::77]:9")), None);
        let wildcards = ["0.0.0.0:4160", "[::]:4160"].map(address);
        assert_eq!(route(&wildcards, address("192.168.1.77:9")), Some(0));
        assert_eq!(route(&wildcards, address("[fd00::77]:9")), Some(1));
        assert_eq!(route(&wildcards[1..], address("192.168.1.77:9")), Some(0));
    }
}
