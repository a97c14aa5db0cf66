//! Translates a stream: bytes in, messages out, and back.
//!
//! The rest of `swarm` sees one vocabulary ([`Message`]). A [`Session`] owns all that differs
//! between dialects: the codec with its handshake, and the bytes that wait on either side of it.
//!
//! ```text
//!           first bytes            handshake, if the network has a key
//!  Unknown ─────────────► a codec ─────────────────────► ready ──receive──► messages
//!     └── a byte that no dialect begins with: `Ended::Stranger`, closed without a word
//! ```
//!
//! A dialled session knows its dialect from the start, an accepted one learns it from the first
//! bytes. Payload passes by: after [`Message::Data`] the caller takes as many bytes as the range
//! has, then gives the session what follows.
//!
//! Invariant: a session sends a stranger only the bytes that open a stream. A peer is a stranger
//! until it has sent a whole message of its dialect or, in a network with a key, until the
//! handshake is over.

mod codec;
mod handshake;
mod inbox;
mod native;
#[cfg(test)]
mod tests;

use crate::limits::{BOX_SIZE, FRAME_BODY_MAX};
use crate::output::{Ended, LastWords};
use crate::rng::Rng;
use crate::wire::Network;
use crate::wire::stream::{CloseReason, Hello, Range, RejectReason};
use arrayvec::ArrayVec;
use codec::Codec;
pub use codec::Dialect;
pub use inbox::Inbox;
pub use native::{HAVE_COUNT_MAX, MANIFEST_PART_SIZE_MAX, MAP_BITS_SIZE_MAX, PEERS_COUNT_MAX};

/// The end that made the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialler {
    Us,
    Them,
}

/// The messages of a stream, in any dialect. There is no choke: a native peer rejects.
///
/// Native frames have other names for some: `Open` is [`Message::Hello`], `Map` is `Bitfield`,
/// `Refuse` is `Reject`, `ManifestPart` is `Manifest`, `Providers` is `Peers`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    Hello(Hello),
    /// Shards that the sender has, from `first` on: the most significant bit of each byte first.
    Bitfield {
        first: u32,
        bits: &'a [u8],
    },
    /// Shards that the sender has got since, as [`shards`](crate::wire::stream::shards) reads them.
    Have {
        shards: &'a [u8],
    },
    Request(Range),
    Cancel(Range),
    Reject {
        range: Range,
        reason: RejectReason,
    },
    /// The payload of the range follows.
    Data(Range),
    ManifestRequest {
        offset: u32,
        length: u32,
    },
    Manifest {
        total: u32,
        offset: u32,
        bytes: &'a [u8],
    },
    /// Other nodes of the swarm, as [`locations`](crate::wire::stream::locations) reads them.
    Peers {
        locations: &'a [u8],
    },
    KeepAlive,
    Close(CloseReason),
}

/// Bytes that are no message of the dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable;

/// The result of reading some bytes.
#[derive(Debug)]
pub enum Received<'a> {
    /// No message is whole.
    Partial,
    /// A step of the handshake is taken, and answered where it has an answer.
    Handshake {
        is_over: bool,
    },
    Message(Message<'a>),
}

/// Bytes of the longest header that goes before payload.
const PAYLOAD_HEADER_MAX: usize = 24;

/// The bytes that go before the payload of a range.
pub type PayloadHeader = ArrayVec<u8, PAYLOAD_HEADER_MAX>;

/// One end of a stream, as far as its bytes go.
pub struct Session {
    network: Network,
    codec: Codec,
    is_stranger: bool,
    /// The start of a message that has not come whole.
    inbox: Inbox,
    /// Whole messages to be sent, and how many bytes of them are.
    outbox: Vec<u8>,
    outbox_sent: usize,
}

impl Session {
    /// The session of a connection that we make.
    pub fn dial(network: Network, dialect: Dialect, rng: &mut Rng) -> Session {
        Session::new(network, Codec::new(dialect, network, Dialler::Us, rng))
    }

    /// The session of a connection that a peer has made.
    pub fn accept(network: Network) -> Session {
        Session::new(network, Codec::Unknown)
    }

    fn new(network: Network, codec: Codec) -> Session {
        Session {
            network,
            codec,
            is_stranger: true,
            inbox: Inbox::with_capacity(BOX_SIZE),
            outbox: Vec::with_capacity(BOX_SIZE),
            outbox_sent: 0,
        }
    }

    /// Whether a handshake is not over; also before the first byte has come.
    pub fn awaits_handshake(&self) -> bool {
        self.network.key().is_some() && self.is_stranger
    }

    /// The connection that we have made stands; true if messages may follow at once.
    pub fn connected(&mut self) -> bool {
        self.codec.greet(&mut self.outbox)
    }

    /// The inbox, to be lent to [`Session::receive`] and given back: a message borrows from it
    /// while the stream changes.
    pub fn take_inbox(&mut self) -> Inbox {
        std::mem::take(&mut self.inbox)
    }

    pub fn return_inbox(&mut self, inbox: Inbox) {
        self.inbox = inbox;
    }

    /// Takes what one message needs of `bytes`: how many those are, and what they make. After a
    /// message, [`Inbox::clear`] makes room for the next.
    ///
    /// # Errors
    /// Why the stream must end.
    pub fn receive<'a>(
        &mut self,
        inbox: &'a mut Inbox,
        bytes: &'a [u8],
        rng: &mut Rng,
    ) -> Result<(usize, Received<'a>), Ended> {
        if let Codec::Unknown = self.codec {
            let seen = inbox.bytes().iter().chain(bytes).copied();
            match Dialect::recognize(seen, self.network) {
                Err(_) => return Err(Ended::Stranger),
                Ok(None) => return Ok((inbox.store(bytes), Received::Partial)),
                Ok(Some(of)) => self.codec = Codec::new(of, self.network, Dialler::Them, rng),
            }
        }
        let unreadable = match self.is_stranger {
            true => Ended::Stranger,
            false => Ended::Protocol,
        };
        let read = self.codec.read(inbox, bytes, &mut self.outbox);
        let (count, received) = read.map_err(|_| unreadable)?;
        if let Received::Message(_) | Received::Handshake { is_over: true } = received {
            self.is_stranger = false;
        }
        Ok((count, received))
    }

    /// Puts a message into the outbox, which stays small: large messages are made when it is empty,
    /// and a stream whose outbox has grown takes no message in: see [`Session::overflows`].
    pub fn send(&mut self, message: &Message<'_>) {
        self.codec.write(message, &mut self.outbox);
    }

    /// The bytes that go before the payload of `range`.
    pub fn payload_header(&mut self, range: Range) -> PayloadHeader {
        let start = self.outbox.len();
        self.send(&Message::Data(range));
        self.outbox.drain(start..).collect()
    }

    /// The goodbye before the connection is closed. Nothing else is sent after it.
    pub fn last_words(&mut self, reason: CloseReason) -> LastWords {
        if self.is_stranger || self.is_within_message() {
            return LastWords::default();
        }
        self.outbox.clear();
        self.send(&Message::Close(reason));
        LastWords::new(&self.outbox)
    }

    /// Whether the outbox has outgrown its bound, because the peer does not read. With an honest
    /// peer it never comes near: the messages that wait are sent before the peer provokes more.
    pub fn overflows(&self) -> bool {
        self.outbox.len() > 4 * FRAME_BODY_MAX
    }

    /// The bytes of messages that wait to be sent.
    pub fn outbox(&self) -> &[u8] {
        &self.outbox[self.outbox_sent..]
    }

    /// `count` bytes of the outbox are sent.
    pub fn handle_sent(&mut self, count: usize) {
        self.outbox_sent += count;
        assert!(
            self.outbox_sent <= self.outbox.len(),
            "more bytes of messages sent than there were"
        );
        if self.outbox_sent == self.outbox.len() {
            self.outbox.clear();
            self.outbox_sent = 0;
        }
    }

    /// Whether a message has gone out in part, so that another cannot follow.
    pub fn is_within_message(&self) -> bool {
        self.outbox_sent > 0
    }
}
