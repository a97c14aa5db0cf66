//! The table of TCP connections: one slot for each stream of the node, and the ready list.
//!
//! ```text
//!           connect                      is_established
//!  (empty) ---------> connecting ------------------------+
//!     |                    |                             v
//!     | accept             | close                   connected
//!     +------------------------------------------------> |
//!  (empty) <---------------+-----------------------------+ close
//! ```
//!
//! Not here: the bytes that are sent. Invariants: a slot holds one generation at a time, and a key
//! or token of another finds nothing; a stream counts as readable (writable) until the socket has
//! said `WouldBlock`, or has given less than there was room for; a stream is on the ready list at
//! most once; `close` is the only end of a connection.
//!
//! The sockets' buffers are left to the kernel, which sizes them by the path. Tried were fixed
//! sizes, 1 GiB between two network namespaces on a busy machine; the sender's processor time,
//! median of four:
//!
//! | buffers | ms |
//! |---|---|
//! | the kernel's choice | 183 |
//! | receive 256 KiB, 512 KiB, 1 MiB, 2 MiB, 4 MiB | 201, 192, 199, 197, 344 |
//! | send 256 KiB, 1 MiB, 4 MiB | 341, 237, 252 |
//! | send 4 MiB and receive 512 KiB, 2 MiB | 193, 179 |
//!
//! The times of the transfers did not differ by more than those of one choice among themselves.

use super::congestion;
use crate::limits::STREAMS_MAX;
use crate::node::{FileRange, StreamKey};
use crate::reactor::token::Source;
use mio::event::Event;
use mio::net::TcpStream;
use mio::{Interest, Registry};
use rustix::io::Errno;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};

pub struct Connection {
    pub socket: TcpStream,
    pub connected: bool,
    /// There may be something to receive: the socket has not shown since the last event that it is
    /// empty.
    pub readable: bool,
    /// It has not said `WouldBlock` to a send since the last event.
    pub writable: bool,
    /// The other end has closed its half, or the connection has failed: the next receives find out.
    pub ending: bool,
    /// Bytes that may wait in the socket for the uplink, as it was last told.
    notsent_max: u32,
    /// The file range that is being sent: its file was looked at once.
    pub sending: Option<FileRange>,
    /// The file range that was last read ahead.
    pub advised: Option<FileRange>,
    key: StreamKey,
    queued: bool,
}

/// The connections of a node.
pub struct Connections {
    slots: Vec<Option<Connection>>,
    ready: VecDeque<StreamKey>,
}

impl Connections {
    /// An empty table, as large as it will ever be.
    pub fn new() -> Connections {
        Connections {
            slots: (0..STREAMS_MAX).map(|_| None).collect(),
            ready: VecDeque::with_capacity(STREAMS_MAX),
        }
    }

    /// Takes in a connection under the node's key, and puts it on the ready list.
    pub fn insert(
        &mut self,
        registry: &Registry,
        key: StreamKey,
        mut socket: TcpStream,
        connected: bool,
    ) -> io::Result<()> {
        // Frames are small and answered; payload is sent with `MSG_MORE` where it pays to wait.
        socket.set_nodelay(true)?;
        let token = Source::stream(key).token();
        registry.register(&mut socket, token, Interest::READABLE | Interest::WRITABLE)?;
        let slot = &mut self.slots[key.slot as usize];
        assert!(
            slot.is_none(),
            "the node uses a stream's slot again only after its end"
        );
        *slot = Some(Connection {
            socket,
            connected,
            readable: connected,
            writable: connected,
            ending: false,
            notsent_max: u32::MAX,
            sending: None,
            advised: None,
            key,
            queued: false,
        });
        self.queue(key);
        Ok(())
    }

    /// The stream of this key; none if it has ended.
    pub fn find(&mut self, key: StreamKey) -> Option<&mut Connection> {
        let slot = self.slots.get_mut(key.slot as usize)?;
        slot.as_mut().filter(|stream| stream.key == key)
    }

    /// The key that an event's source stands for; none if that stream has ended.
    fn key_of(&self, source: Source) -> Option<StreamKey> {
        let Source::Stream { slot, .. } = source else {
            return None;
        };
        let key = self.slots.get(slot)?.as_ref()?.key;
        (source == Source::stream(key)).then_some(key)
    }

    /// The poll says that a stream can be read or written: it is served in this turn. False if that
    /// stream has ended.
    pub fn handle_ready(&mut self, source: Source, event: &Event) -> bool {
        let key = self.key_of(source);
        let Some(stream) = key.and_then(|key| self.find(key)) else {
            return false;
        };
        stream.readable |= event.is_readable();
        stream.writable |= event.is_writable();
        stream.ending |= event.is_read_closed() || event.is_error();
        let key = stream.key;
        self.queue(key);
        true
    }

    /// Puts a stream on the ready list, once.
    pub fn queue(&mut self, key: StreamKey) {
        if let Some(stream) = self.find(key) {
            if !stream.queued {
                stream.queued = true;
                self.ready.push_back(key);
            }
        }
    }

    /// Connections on the ready list.
    pub fn ready_count(&self) -> usize {
        self.ready.len()
    }

    /// Takes the first stream off the ready list. It may have ended.
    pub fn next_ready(&mut self) -> Option<StreamKey> {
        let key = self.ready.pop_front()?;
        if let Some(stream) = self.find(key) {
            stream.queued = false;
        }
        Some(key)
    }

    /// Deregisters, closes and frees, in this order: the only end of a connection. False if there
    /// is none under this key.
    pub fn close(&mut self, registry: &Registry, key: StreamKey) -> bool {
        let Some(stream) = self.find(key) else {
            return false;
        };
        // It fails only for a socket that is not registered; then there is nothing to undo.
        let _ = registry.deregister(&mut stream.socket);
        let stream = self.slots[key.slot as usize].take();
        let queued = stream.is_some_and(|stream| stream.queued);
        if queued {
            // Else a ready list of ended streams would outgrow its room.
            self.ready.retain(|&other| other != key);
        }
        true
    }
}

impl Connection {
    /// Bounds what may wait in the socket before it leaves: once there is so much, a send says
    /// `WouldBlock`, and when half of it has left, the socket is writable again.
    pub fn limit_notsent(&mut self, bytes: u32) {
        if self.notsent_max != bytes {
            self.notsent_max = bytes;
            // It fails only where kernels have no such limit.
            let _ = SockRef::from(&self.socket).set_tcp_notsent_lowat(bytes);
        }
    }

    /// Whether the connection that was begun stands; an error if it could not be made. Events may
    /// be spurious, so only the socket itself can say.
    pub fn is_established(&self) -> io::Result<bool> {
        if let Some(error) = self.socket.take_error()? {
            return Err(error);
        }
        match self.socket.peer_addr() {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Begins a connection to `to`. A node that listens on one address only also connects from it: its
/// location, as others record it, is the source of what it sends.
pub fn connect(to: SocketAddr, from: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    if let Some(ip) = from {
        socket.bind(&SocketAddr::new(ip, 0).into())?;
    }
    congestion::RULES.prepare_connection(&socket, to.ip());
    match socket.connect(&to.into()) {
        Ok(()) => {}
        Err(error) if Errno::from_io_error(&error) == Some(Errno::INPROGRESS) => {}
        Err(error) => return Err(error),
    }
    Ok(TcpStream::from_std(socket.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mio::{Events, Poll};
    use std::net::TcpListener;
    use std::time::{Duration, Instant};

    const KEY: StreamKey = StreamKey {
        slot: 3,
        generation: 1,
    };

    fn established(stream: &Connection) -> bool {
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline {
            if stream.is_established().unwrap() {
                return true;
            }
            std::thread::yield_now();
        }
        false
    }

    #[test]
    fn a_connection_comes_from_the_address_listened_on() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let poll = Poll::new().unwrap();
        let mut streams = Connections::new();
        let from = "127.0.0.9".parse().unwrap();
        let socket = connect(listener.local_addr().unwrap(), Some(from)).unwrap();
        streams.insert(poll.registry(), KEY, socket, false).unwrap();
        assert_eq!(listener.accept().unwrap().1.ip(), from);
        assert!(established(streams.find(KEY).unwrap()));
    }

    #[test]
    fn a_refused_connection_is_an_error_of_the_stream() {
        let address = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let mut poll = Poll::new().unwrap();
        let mut streams = Connections::new();
        let socket = connect(address, None).unwrap();
        streams.insert(poll.registry(), KEY, socket, false).unwrap();
        let mut events = Events::with_capacity(4);
        poll.poll(&mut events, Some(Duration::from_secs(10)))
            .unwrap();
        assert!(!events.is_empty());
        assert!(streams.find(KEY).unwrap().is_established().is_err());
    }

    #[test]
    fn an_ended_stream_is_found_by_nothing() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let poll = Poll::new().unwrap();
        let mut streams = Connections::new();
        let connect = || connect(listener.local_addr().unwrap(), None).unwrap();
        streams
            .insert(poll.registry(), KEY, connect(), false)
            .unwrap();
        streams.queue(KEY);
        assert_eq!(streams.ready_count(), 1);
        assert_eq!(streams.key_of(Source::stream(KEY)), Some(KEY));

        assert!(streams.close(poll.registry(), KEY));
        assert!(!streams.close(poll.registry(), KEY));
        assert_eq!(streams.ready_count(), 0);

        let next = StreamKey {
            generation: 2,
            ..KEY
        };
        streams
            .insert(poll.registry(), next, connect(), false)
            .unwrap();
        assert_eq!(streams.key_of(Source::stream(KEY)), None);
        assert_eq!(streams.key_of(Source::stream(next)), Some(next));
        assert!(streams.find(KEY).is_none() && !streams.close(poll.registry(), KEY));
        assert_eq!(streams.next_ready(), Some(next));
        assert_eq!(streams.next_ready(), None);
    }
}
