//! The UDP sockets: receiving until they are empty, sending without ever waiting.
//!
//! Not here: what a datagram says. Invariants: a socket counts as readable until it has said
//! `WouldBlock` (edge-triggered); an error of one datagram, or an empty one, is not the end of the
//! drain; at most one datagram waits to be sent, and while it waits the node is not asked for more.
//!
//! A socket is registered for writing only while a datagram waits: Linux reports a UDP socket as
//! writable again after each datagram that leaves it, which would double the loop's wake-ups.

use super::discovery::{Family, Link};
use super::listen::{canonical, for_socket, route};
use super::token::Source;
use crate::limits::DATAGRAM_SIZE_MAX;
use mio::net::UdpSocket;
use mio::{Interest, Registry};
use rustix::net::sockopt::set_ip_multicast_if_with_ifindex;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The UDP sockets of a node.
pub struct UdpSockets {
    sockets: Vec<UdpSocket>,
    locals: Vec<SocketAddr>,
    readable: Vec<bool>,
    /// Where the next receive begins, so that no socket starves another.
    next: usize,
    waiting: Option<Waiting>,
}

/// A datagram that its socket did not take.
struct Waiting {
    socket: usize,
    to: SocketAddr,
    size: usize,
    bytes: [u8; DATAGRAM_SIZE_MAX],
}

/// What one receive brought.
#[derive(Debug)]
pub enum Received {
    /// A datagram, at the start of the buffer.
    Datagram {
        /// Its source, canonical.
        from: SocketAddr,
        /// Its bytes; may be 0.
        size: usize,
    },
    /// One longer than any datagram of ours: dropped.
    Oversize,
    /// An error that was queued on a socket, such as an ICMP message: nothing was received.
    Failed(io::Error),
    /// Every socket is empty.
    Nothing,
}

/// What became of a datagram to be sent.
#[derive(Debug)]
pub enum Sent {
    /// The system has it.
    Gone,
    /// It waits until its socket is writable.
    Waits,
    /// It cannot be sent; datagrams may get lost, so it is dropped.
    Dropped(io::Error),
}

impl UdpSockets {
    /// Takes the sockets in, which are bound to `locals`.
    pub fn new(
        registry: &Registry,
        sockets: Vec<std::net::UdpSocket>,
        locals: Vec<SocketAddr>,
    ) -> io::Result<UdpSockets> {
        let mut sockets: Vec<_> = sockets.into_iter().map(UdpSocket::from_std).collect();
        for (index, socket) in sockets.iter_mut().enumerate() {
            registry.register(socket, Source::Udp(index).token(), Interest::READABLE)?;
        }
        let readable = vec![true; sockets.len()];
        Ok(UdpSockets {
            sockets,
            locals,
            readable,
            next: 0,
            waiting: None,
        })
    }

    /// The poll says that a socket can be read.
    pub fn handle_readable(&mut self, index: usize) {
        self.readable[index] = true;
    }

    /// Whether some socket has not said `WouldBlock` yet.
    pub fn is_readable(&self) -> bool {
        self.readable.contains(&true)
    }

    /// Whether a datagram waits, so that no other can be sent.
    pub fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    /// Whatever the poll has told: every socket is to be read until there is nothing.
    pub fn read_all(&mut self) {
        self.readable.fill(true);
    }

    /// Receives one datagram into `buffer`, which has room for one byte more than the longest:
    /// Linux cuts a longer one without a word, and the byte too many tells.
    pub fn receive(&mut self, buffer: &mut [u8; DATAGRAM_SIZE_MAX + 1]) -> Received {
        let count = self.sockets.len();
        let first = self.next;
        for index in (0..count).map(|step| (first + step) % count) {
            if !self.readable[index] {
                continue;
            }
            self.next = index + 1;
            match self.sockets[index].recv_from(buffer) {
                Ok((size, _)) if size > DATAGRAM_SIZE_MAX => return Received::Oversize,
                Ok((size, from)) => {
                    return Received::Datagram {
                        from: canonical(from),
                        size,
                    };
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.readable[index] = false;
                }
                Err(error) => return Received::Failed(error),
            }
        }
        Received::Nothing
    }

    /// Sends `bytes`, at most `DATAGRAM_SIZE_MAX`. None must be waiting.
    pub fn send(&mut self, registry: &Registry, to: SocketAddr, bytes: &[u8]) -> Sent {
        assert!(self.waiting.is_none(), "one datagram waits at most");
        let Some(socket) = route(&self.locals, to) else {
            return Sent::Dropped(io::ErrorKind::NetworkUnreachable.into());
        };
        match self.sockets[socket].send_to(bytes, for_socket(self.locals[socket], to)) {
            Ok(_) => Sent::Gone,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let mut copy = [0; DATAGRAM_SIZE_MAX];
                copy[..bytes.len()].copy_from_slice(bytes);
                self.waiting = Some(Waiting {
                    socket,
                    to,
                    size: bytes.len(),
                    bytes: copy,
                });
                match self.register(registry, socket, Interest::READABLE | Interest::WRITABLE) {
                    Ok(()) => Sent::Waits,
                    Err(error) => {
                        self.waiting = None;
                        Sent::Dropped(error)
                    }
                }
            }
            Err(error) => Sent::Dropped(error),
        }
    }

    /// Sends a call to the group at `link`, from the first address listened on that is there: every
    /// wildcard of its family is, and whichever `is_there` says.
    ///
    /// # Errors
    /// When no address is, or the interface does not take it. A call may get lost.
    pub fn call(
        &self,
        link: &Link,
        is_there: impl Fn(IpAddr) -> bool,
        bytes: &[u8],
    ) -> io::Result<()> {
        let mut result = Err(io::ErrorKind::AddrNotAvailable.into());
        for (socket, &local) in self.sockets.iter().zip(&self.locals) {
            let is_of_family = match (link.family, local.ip()) {
                (Family::V4, ip) => ip.is_ipv4() || ip.is_unspecified(),
                (Family::V6, ip) => ip.is_ipv6(),
            };
            if !is_of_family || !local.ip().is_unspecified() && !is_there(local.ip()) {
                continue;
            }
            if link.family == Family::V4 {
                let any = Ipv4Addr::UNSPECIFIED;
                set_ip_multicast_if_with_ifindex(socket, &any, &any, link.index)?;
            }
            result = socket
                .send_to(bytes, for_socket(local, link.group()))
                .map(|_| ());
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
        // Registering anew reports what is readable once more, so no edge is lost.
        if let Err(error) = self.register(registry, waiting.socket, Interest::READABLE) {
            return Sent::Dropped(error);
        }
        self.send(registry, waiting.to, &waiting.bytes[..waiting.size])
    }

    fn register(&mut self, registry: &Registry, index: usize, what: Interest) -> io::Result<()> {
        registry.reregister(&mut self.sockets[index], Source::Udp(index).token(), what)
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
        assert!(matches!(receive(), Received::Datagram { from, size: 0 } if from == us));
        assert!(matches!(receive(), Received::Oversize));
        assert!(matches!(receive(), Received::Oversize));
        assert!(matches!(
            receive(),
            Received::Datagram {
                size: DATAGRAM_SIZE_MAX,
                ..
            }
        ));
        assert!(matches!(receive(), Received::Nothing));
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
        while let Received::Datagram { size, .. } = datagrams.receive(&mut buffer) {
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
            socket: 0,
            to: locals[1],
            size: 1,
            bytes,
        });
        assert!(matches!(datagrams.resend(poll.registry()), Sent::Gone));
        assert!(!datagrams.is_waiting());
        let mut buffer = [0; DATAGRAM_SIZE_MAX + 1];
        assert!(matches!(
            datagrams.receive(&mut buffer),
            Received::Datagram { size: 1, .. }
        ));
        assert!(matches!(
            datagrams.receive(&mut buffer),
            Received::Datagram { size: 1, .. }
        ));
        assert_eq!(buffer[0], b'y');
        assert!(matches!(datagrams.receive(&mut buffer), Received::Nothing));
    }
}
