//! Scripts: small programs that a host of a world runs instead of a node, as a foreign or hostile
//! peer.
//!
//! A script is one function from an input to actions, at virtual time. It may speak any dialect:
//! the world carries its datagrams and its bytes, with all faults, and does not look into them.
//!
//! ```text
//!   Input ─► Script::handle(input, actions) ─► Actions: datagram, connect, write, close, wake_at
//! ```
//!
//! ```ignore
//! // Echoes the bytes of every stream.
//! world.add_script(|input: Input<'_>, actions: &mut Actions<'_>| {
//!     if let Input::Received { stream, bytes } = input {
//!         actions.write(stream, bytes);
//!     }
//! });
//! ```
//!
//! Invariant: a stream's inputs begin with `Accepted` or `Connected` and end with `Closed`, unless
//! the script closes the stream itself.

use crate::output::StreamKey;
use crate::slab::Slots;
use crate::time::Instant;
use std::collections::VecDeque;
use std::net::SocketAddr;

/// A program of a scripted host. Closures of the same form are scripts, too.
pub trait Script {
    /// Handles one input; the world carries out the actions afterwards.
    fn handle(&mut self, input: Input<'_>, actions: &mut Actions<'_>);
}

impl<F: FnMut(Input<'_>, &mut Actions<'_>)> Script for F {
    fn handle(&mut self, input: Input<'_>, actions: &mut Actions<'_>) {
        self(input, actions);
    }
}

/// One thing that happens to a scripted host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are what the variants say")]
pub enum Input<'a> {
    /// The host has just started.
    Started,
    /// A datagram arrives at the host.
    Datagram { from: SocketAddr, bytes: &'a [u8] },
    /// Another host has connected to this one.
    Accepted { stream: StreamKey, from: SocketAddr },
    /// A connection of [`Actions::connect`] is established.
    Connected { stream: StreamKey },
    /// Bytes arrive on a stream.
    Received { stream: StreamKey, bytes: &'a [u8] },
    /// The other end has closed or reset the stream, or refused the connection.
    Closed { stream: StreamKey },
    /// The time of [`Actions::wake_at`] has come.
    Woken,
}

/// The bytes of a stream that wait to be sent.
#[derive(Default)]
pub(super) struct Outgoing {
    pub bytes: VecDeque<u8>,
    pub closes: bool,
}

pub(super) enum Action {
    Datagram(SocketAddr, Box<[u8]>),
    Connect(StreamKey, SocketAddr),
    /// Sends what waits on a stream, and closes it if the script has closed it.
    Flush(StreamKey),
    WakeAt(Instant),
}

/// Collects the actions of a script.
pub struct Actions<'a> {
    now: Instant,
    address: SocketAddr,
    streams: &'a mut Slots<StreamKey, Outgoing>,
    list: Vec<Action>,
}

impl Actions<'_> {
    /// The time of the world's clock.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// The address of the scripted host.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends a datagram of any size.
    pub fn datagram(&mut self, to: SocketAddr, bytes: &[u8]) {
        self.list.push(Action::Datagram(to, bytes.into()));
    }

    /// Connects to an address; `Connected` or `Closed` follows.
    pub fn connect(&mut self, to: SocketAddr) -> StreamKey {
        let stream = self.streams.insert(Outgoing::default());
        self.list.push(Action::Connect(stream, to));
        stream
    }

    /// Sends bytes on a stream, as soon as the connection takes them.
    pub fn write(&mut self, stream: StreamKey, bytes: &[u8]) {
        if let Some(outgoing) = self.streams.get_mut(stream) {
            outgoing.bytes.extend(bytes);
            self.list.push(Action::Flush(stream));
        }
    }

    /// Closes a stream after the bytes that wait on it.
    pub fn close(&mut self, stream: StreamKey) {
        if let Some(outgoing) = self.streams.get_mut(stream) {
            outgoing.closes = true;
            self.list.push(Action::Flush(stream));
        }
    }

    /// Asks for an [`Input::Woken`] at `at`.
    pub fn wake_at(&mut self, at: Instant) {
        self.list.push(Action::WakeAt(at));
    }
}

/// A running script with its streams.
pub(super) struct Scripted {
    script: Box<dyn Script>,
    pub streams: Slots<StreamKey, Outgoing>,
}

impl Scripted {
    pub fn new(script: Box<dyn Script>) -> Scripted {
        let streams = Slots::with_capacity(0);
        Scripted { script, streams }
    }

    pub fn handle(&mut self, now: Instant, address: SocketAddr, input: Input<'_>) -> Vec<Action> {
        let streams = &mut self.streams;
        let list = Vec::new();
        let mut actions = Actions {
            now,
            address,
            streams,
            list,
        };
        self.script.handle(input, &mut actions);
        actions.list
    }
}
