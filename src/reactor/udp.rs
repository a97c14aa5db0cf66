//! The UDP sockets: receiving until they are empty, sending without ever waiting.
//!
//! Not here: the contents of datagrams. Invariants: a socket counts as readable until it has said
//! `WouldBlock` (edge-triggered); an error of one datagram, or an empty one, is not the end of the
//! drain; at most one datagram waits to be sent, and while it waits the node is not asked for more.
//!
//! A socket is registered for writing only while a datagram waits: Linux reports a UDP socket as
//! writable again after each datagram that leaves it, which would double the loop's wake-ups.

use super::listen::{canonical, for_socket, route};
use super::token::Source;
use crate::limits::DATAGRAM_SIZE_MAX;
use mio::net::UdpSocket;
use mio::{Interest, Registry};
use rustix::net::sockopt::set_ip_multicast_if_with_ifindex;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// A buffer for one datagram, and for the byte that shows one to be too long.
pub type DatagramBuffer = [u8; DATAGRAM_SIZE_MAX + 1];

/// A UDP socket of the poll.
pub struct DatagramSocket {
    socket: UdpSocket,
    source: Source,
    /// It has not said `WouldBlock` since the last event.
    pub is_readable: bool,
}

impl DatagramSocket {
    pub fn new(
        registry: &Registry,
        socket: std::net::UdpSocket,
        source: Source,
    ) -> io::Result<DatagramSocket> {
        let mut socket = UdpSocket::from_std(socket);
        registry.register(&mut socket, source.token(), Interest::READABLE)?;
        Ok(DatagramSocket {
            socket,
            source,
            is_readable: true,
        })
    }

    pub fn inner(&self) -> &UdpSocket {
        &self.socket
    }

    /// Receives one datagram: its canonical source and its size, or an error that was queued on the
    /// socket, such as an ICMP message. Linux cuts a longer one to the buffer without a word.
    pub fn receive(
        &mut self,
        buffer: &mut DatagramBuffer,
    ) -> Option<io::Result<(SocketAddr, usize)>> {
        if !self.is_readable {
            return None;
        }
        match self.socket.recv_from(buffer) {
            Ok((size, from)) => Some(Ok((canonical(from), size))),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.is_readable = false;
                None
            }
            Err(error) => Some(Err(error)),
        }
    }

    fn reregister(&mut self, registry: &Registry, interest: Interest) -> io::Result<()> {
        registry.reregister(&mut self.socket, self.source.token(), interest)
    }
}

/// The UDP sockets that a node listens on.
pub struct UdpSockets {
    sockets: Vec<DatagramSocket>,
    /// The addresses that they are bound to.
    locals: Vec<SocketAddr>,
    /// Where the next receive begins, so that no socket starves another.
    next: usize,
    waiting: Option<Waiting>,
}

/// A datagram that its socket did not take.
struct Waiting {
    index: usize,
    to: SocketAddr,
    size: usize,
    bytes: [u8; DATAGRAM_SIZE_MAX],
}

#[derive(Debug)]
pub enum Sent {
    Gone,
    /// It waits until its socket is writable.
    Waits,
    /// It cannot be sent; datagrams may get lost, so it is dropped.
    Dropped(io::Error),
}

impl UdpSockets {
    /// Adds the sockets, which are bound to `locals`.
    pub fn new(
        registry: &Registry,
        sockets: Vec<std::net::UdpSocket>,
        locals: Vec<SocketAddr>,
    ) -> io::Result<UdpSockets> {
        let sockets = sockets.into_iter().enumerate();
        let sockets = sockets
            .map(|(index, socket)| DatagramSocket::new(registry, socket, Source::Udp(index)));
        Ok(UdpSockets {
            sockets: sockets.collect::<io::Result<_>>()?,
            locals,
            next: 0,
            waiting: None,
        })
    }

    /// The addresses listened on, with the port that was taken.
    pub fn locals(&self) -> &[SocketAddr] {
        &self.locals
    }

    /// The poll says that a socket can be read.
    pub fn handle_readable(&mut self, index: usize) {
        self.sockets[index].is_readable = true;
    }

    /// Has every socket read until it is empty, whatever the poll has reported.
    pub fn handle_all_readable(&mut self) {
        (self.sockets.iter_mut()).for_each(|socket| socket.is_readable = true);
    }

    /// Whether some socket has not said `WouldBlock` yet.
    pub fn is_readable(&self) -> bool {
        self.sockets.iter().any(|socket| socket.is_readable)
    }

    /// Whether a datagram waits, so that no other can be sent.
    pub fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    /// Receives one datagram; see [`DatagramSocket::receive`].
    pub fn receive(
        &mut self,
        buffer: &mut DatagramBuffer,
    ) -> Option<io::Result<(SocketAddr, usize)>> {
        let count = self.sockets.len();
        let first = self.next;
        (first..first + count).find_map(|index| {
            let received = self.sockets[index % count].receive(buffer)?;
            self.next = index % count + 1;
            Some(received)
        })
    }

    /// Sends `bytes`, at most `DATAGRAM_SIZE_MAX`. None must be waiting.
    pub fn send(&mut self, registry: &Registry, to: SocketAddr, bytes: &[u8]) -> Sent {
        assert!(self.waiting.is_none(), "one datagram waits at most");
        let Some(index) = route(&self.locals, to) else {
            return Sent::Dropped(io::ErrorKind::NetworkUnreachable.into());
        };
        let socket = &mut self.sockets[index];
        match socket
            .socket
            .send_to(bytes, for_socket(self.locals[index], to))
        {
            Ok(_) => Sent::Gone,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let both = Interest::READABLE | Interest::WRITABLE;
                if let Err(error) = socket.reregister(registry, both) {
                    return Sent::Dropped(error);
                }
                let mut copy = [0; DATAGRAM_SIZE_MAX];
                copy[..bytes.len()].copy_from_slice(bytes);
                self.waiting = Some(Waiting {
                    index,
                    to,
                    size: bytes.len(),
                    bytes: copy,
                });
                Sent::Waits
            }
            Err(error) => Sent::Dropped(error),
        }
    }

    /// Sends `bytes` to the multicast group `to` at the interface of this index, from the first
    /// address listened on that is there: every wildcard of the group's family is, and every
    /// address for which `is_there` holds.
    ///
    /// # Errors
    /// When no address is, or the interface does not take it. A datagram may get lost.
    pub fn multicast(
        &self,
        to: SocketAddr,
        interface: u32,
        is_there: impl Fn(IpAddr) -> bool,
        bytes: &[u8],
    ) -> io::Result<()> {
        let mut result = Err(io::ErrorKind::AddrNotAvailable.into());
        for (socket, &local) in self.sockets.iter().zip(&self.locals) {
            let ip = local.ip();
            let is_of_family = match to.is_ipv4() {
                true => ip.is_ipv4() || ip.is_unspecified(),
                false => ip.is_ipv6(),
            };
            if !is_of_family || !ip.is_unspecified() && !is_there(ip) {
                continue;
            }
            if to.is_ipv4() {
                let any = Ipv4Addr::UNSPECIFIED;
                set_ip_multicast_if_with_ifindex(&socket.socket, &any, &any, interface)?;
            }
            result = socket
                .socket
                .send_to(bytes, for_socket(local, to))
                .map(drop);
            if result.is_ok() {
                break;
            }
        }
        result
    }

    /// Tries to send the waiting datagram again: its socket is writable.
    pub fn resend(&mut self, registry: &Registry) -> Sent {
        let Some(waiting) = self.waiting.take() else {
            return Sent::Gone;
        };
        // Registering anew reports a readable socket once more, so no edge is lost.
        let socket = &mut self.sockets[waiting.index];
        if let Err(error) = socket.reregister(registry, Interest::READABLE) {
            return Sent::Dropped(error);
        }
        self.send(registry, waiting.to, &waiting.bytes[..waiting.size])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mio::{Events, Poll};
    use std::net::UdpSocket as StdSocket;
    use std::time::Duration;

    fn open(locals: &[&str]) -> (Poll, UdpSockets, Vec<SocketAddr>) {
        let poll = Poll::new().unwrap();
        let sockets: Vec<_> = locals
            .iter()
            .map(|local| {
                let socket = StdSocket::bind(local).unwrap();
                socket.set_nonblocking(true).unwrap();
                socket
            })
            .collect();
        let locals: Vec<_> = sockets
            .iter()
            .map(|socket| socket.local_addr().unwrap())
            .collect();
        let datagrams = UdpSockets::new(poll.registry(), sockets, locals.clone()).unwrap();
        (poll, datagrams, locals)
    }

    #[test]
    fn empty_and_oversize_datagrams_do_not_end_the_drain() {
        let (_poll, mut datagrams, locals) = open(&["127.0.0.1:0"]);
        let other = StdSocket::bind("127.0.0.1:0").unwrap();
        let sizes = [0, DATAGRAM_SIZE_MAX + 1, 4000, DATAGRAM_SIZE_MAX];
        sizes.iter().for_each(|&size| {
            assert_eq!(other.send_to(&vec![7; size], locals[0]).unwrap(), size);
        });
        let mut buffer = [0; DATAGRAM_SIZE_MAX + 1];
        let mut receive = || datagrams.receive(&mut buffer);
        let us = other.local_addr().unwrap();
        assert!(matches!(receive(), Some(Ok((from, 0))) if from == us));
        for size in [
            DATAGRAM_SIZE_MAX + 1,
            DATAGRAM_SIZE_MAX + 1,
            DATAGRAM_SIZE_MAX,
        ] {
            assert!(matches!(receive(), Some(Ok((_, found))) if found == size));
        }
        assert!(receive().is_none());
        assert!(!datagrams.is_readable());
    }

    #[test]
    fn two_sockets_are_drained_in_turns() {
        let (_poll, mut datagrams, locals) = open(&["127.0.0.1:0", "127.0.0.2:0"]);
        let other = StdSocket::bind("127.0.0.3:0").unwrap();
        for (local, size) in [(0, 1), (0, 2), (0, 3), (1, 10)] {
            other.send_to(&vec![0; size], locals[local]).unwrap();
        }
        let mut buffer = [0; DATAGRAM_SIZE_MAX + 1];
        let mut sizes = vec![];
        while let Some(Ok((_, size))) = datagrams.receive(&mut buffer) {
            sizes.push(size);
        }
        assert_eq!(sizes, [1, 10, 2, 3]);
    }

    #[test]
    fn an_address_that_no_socket_reaches_is_dropped() {
        let (poll, mut datagrams, _) = open(&["127.0.0.1:0"]);
        let nowhere = "192.0.2.1:9".parse().unwrap();
        assert!(matches!(
            datagrams.send(poll.registry(), nowhere, b"x"),
            Sent::Dropped(_)
        ));
        assert!(!datagrams.is_waiting());
    }

    #[test]
    fn sending_wakes_nobody_until_a_datagram_waits() {
        let (mut poll, mut datagrams, locals) = open(&["127.0.0.1:0", "127.0.0.2:0"]);
        let mut events = Events::with_capacity(8);
        let mut indices = |poll: &mut Poll| -> Vec<_> {
            poll.poll(&mut events, Some(Duration::from_millis(20)))
                .unwrap();
            events
                .iter()
                .map(|event| (event.token(), event.is_writable()))
                .collect()
        };
        assert!(matches!(
            datagrams.send(poll.registry(), locals[1], b"x"),
            Sent::Gone
        ));
        // Sent from the second socket to itself, the nearest: only that one is readable.
        assert_eq!(indices(&mut poll), [(Source::Udp(1).token(), false)]);
        // A waiting datagram is sent once its socket is writable, and only once.
        let mut bytes = [0; DATAGRAM_SIZE_MAX];
        bytes[0] = b'y';
        datagrams.waiting = Some(Waiting {
            index: 0,
            to: locals[1],
            size: 1,
            bytes,
        });
        assert!(matches!(datagrams.resend(poll.registry()), Sent::Gone));
        assert!(!datagrams.is_waiting());
        let mut buffer = [0; DATAGRAM_SIZE_MAX + 1];
        for _ in 0..2 {
            assert!(matches!(datagrams.receive(&mut buffer), Some(Ok((_, 1)))));
        }
        assert_eq!(buffer[0], b'y');
        assert!(datagrams.receive(&mut buffer).is_none());
    }
}
