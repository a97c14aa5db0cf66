//! One stream: its session, what its other end has, and what each end has requested.
//!
//! ```text
//!            handle_connected           handle_hello
//!  Dialling ─────────────────► Opening ─────────────► Open ──close──► (freed)
//!            (an accepted stream starts here)          from every state
//! ```
//!
//! It knows no shard on disk and no other stream. Payload passes by without being stored.

use super::availability::PeerShards;
use super::schedule::round_trip::RoundTrip;
use super::session::{Dialler, Message, PayloadHeader, Session};
use crate::bitmap::Bitmap;
use crate::id::NodeId;
use crate::limits::REQUESTS_MAX;
use crate::output::{Chunk, StreamKey, SwarmKey};
use crate::rate::Rate;
use crate::slab::Slots;
use crate::time::Instant;
use crate::wire::stream::Range;
use arrayvec::ArrayVec;
use std::net::SocketAddr;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The connection is being made.
    Dialling,
    /// Connected; the handshake, if any, and the other end's `Hello` have not come.
    Opening,
    /// Both ends have said `Hello`.
    Open,
}

pub struct Remote {
    /// The address of the connection.
    pub address: SocketAddr,
    /// Where it listens, as far as known.
    pub location: Option<SocketAddr>,
    /// Its id; only once the stream is open.
    pub node: NodeId,
}

impl Remote {
    /// Where it listens; as long as that is not known, the address of the connection.
    pub fn name(&self) -> SocketAddr {
        self.location.unwrap_or(self.address)
    }
}

/// Shards that we offer, a few at a time, instead of saying that we have all of them.
#[derive(Default)]
pub struct Offers {
    pub are_on: bool,
    /// Offered, and the other end has not said that it has them.
    pub offered: Bitmap,
    pub unsent: Bitmap,
}

/// Whether we still want what we have requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    Wanted,
    /// Another stream could bring it sooner: what has not begun is cancelled, what has is wanted.
    Reclaimed,
    /// Its bytes, if they come, are dropped.
    Dropped,
}

/// A range that we have requested.
#[derive(Clone, Copy, Debug)]
pub struct Outstanding {
    /// The rest that no part has brought yet.
    pub range: Range,
    pub claim: Claim,
}

/// A range whose payload is coming in.
#[derive(Clone, Copy, Debug)]
pub struct Incoming {
    pub range: Range,
    pub received: u32,
    pub is_dropped: bool,
}

pub struct Download {
    /// Ranges that we have requested, oldest first.
    pub outstanding: ArrayVec<Outstanding, REQUESTS_MAX>,
    pub incoming: Option<Incoming>,
    /// A part of the manifest is requested.
    pub is_manifest_outstanding: bool,
    /// Bytes of the manifest that the other end says it has; 0 for none.
    pub manifest_size: u32,
    /// The first request of an idle stream, or the last payload since.
    pub waiting_since: Instant,
    /// Shards from it that failed verification.
    pub bad_shards: u8,
    pub rate: Rate,
    pub received: u64,
}

impl Download {
    fn new(now: Instant) -> Download {
        Download {
            outstanding: ArrayVec::new(),
            incoming: None,
            is_manifest_outstanding: false,
            manifest_size: 0,
            waiting_since: now,
            bad_shards: 0,
            rate: Rate::new(now),
            received: 0,
        }
    }

    /// Whether no payload is requested.
    pub fn is_idle(&self) -> bool {
        self.outstanding.is_empty() && self.incoming.is_none()
    }

    /// Whether the other end owes us something.
    pub fn is_waiting(&self) -> bool {
        !self.is_idle() || self.is_manifest_outstanding
    }

    /// How many ranges are requested and still wanted.
    pub fn wanted_count(&self) -> usize {
        let is_wanted = |of: &&Outstanding| of.claim == Claim::Wanted;
        self.outstanding.iter().filter(is_wanted).count()
    }

    /// Whether a request for `shard` is wanted and has not begun to be answered.
    pub fn wants(&self, shard: u32) -> bool {
        let is_of = |of: &Outstanding| of.range.shard == shard && of.claim == Claim::Wanted;
        self.outstanding.iter().any(is_of)
    }

    /// Bytes that are requested and have not come.
    pub fn outstanding_size(&self) -> u64 {
        let incoming = self.incoming.map_or(0, |it| it.range.length - it.received);
        let lengths = self.outstanding.iter().map(|of| u64::from(of.range.length));
        lengths.sum::<u64>() + u64::from(incoming)
    }
}

/// A range, or a part of one, that is being sent.
#[derive(Clone, Debug)]
pub struct Sending {
    pub range: Range,
    /// The bytes that go before the payload.
    pub header: PayloadHeader,
    pub header_sent: usize,
    /// Bytes of the payload that are sent.
    pub sent: u32,
}

pub struct Upload {
    /// Ranges that the other end has requested, oldest first.
    pub peer_requests: ArrayVec<Range, REQUESTS_MAX>,
    pub sending: Option<Sending>,
    /// The first request is the rest of a range that has begun: it needs no other slot.
    pub is_midway: bool,
    /// The other end does not read what is being sent.
    pub is_stalled: bool,
    /// A part of the manifest that the other end has requested: offset and length.
    pub manifest_request: Option<(u32, u32)>,
    /// The next shard of our bitfield to be sent; none when all of it is.
    pub bitfield_next: Option<u32>,
    /// How many of the swarm's gained shards are announced.
    pub haves_sent: usize,
    pub rate: Rate,
    pub sent: u64,
}

impl Upload {
    fn new(now: Instant) -> Upload {
        Upload {
            peer_requests: ArrayVec::new(),
            sending: None,
            is_midway: false,
            is_stalled: false,
            manifest_request: None,
            bitfield_next: None,
            haves_sent: 0,
            rate: Rate::new(now),
            sent: 0,
        }
    }

    /// Whether nothing is requested of us.
    pub fn is_idle(&self) -> bool {
        self.sending.is_none() && self.peer_requests.is_empty()
    }

    /// Whether a range has begun to be sent and has not ended.
    pub fn is_under_way(&self) -> bool {
        self.sending.is_some() || self.is_midway
    }
}

/// All streams of a node.
pub type Streams = Slots<StreamKey, Stream>;

pub struct Stream {
    pub session: Session,
    pub state: State,
    pub dialler: Dialler,
    pub remote: Remote,
    /// The swarm that it belongs to; for an accepted stream only once open.
    pub swarm: Option<SwarmKey>,
    /// The rate limits do not count it.
    pub is_exempt: bool,
    pub shards: PeerShards,
    pub offers: Offers,
    pub download: Download,
    pub upload: Upload,
    pub round_trip: RoundTrip,
    /// The driver knows that there is something to send.
    pub is_notified: bool,
    pub made_at: Instant,
    pub heard_at: Instant,
    pub sent_at: Instant,
}
const _: () = assert!(size_of::<Stream>() <= crate::limits::memory::STREAM_SIZE);

impl Stream {
    pub fn new(dialler: Dialler, address: SocketAddr, session: Session, now: Instant) -> Stream {
        let is_ours = dialler == Dialler::Us;
        Stream {
            session,
            state: match is_ours {
                true => State::Dialling,
                false => State::Opening,
            },
            dialler,
            remote: Remote {
                address,
                location: is_ours.then_some(address),
                node: NodeId::default(),
            },
            swarm: None,
            is_exempt: false,
            shards: PeerShards::default(),
            offers: Offers::default(),
            download: Download::new(now),
            upload: Upload::new(now),
            round_trip: RoundTrip::default(),
            is_notified: false,
            made_at: now,
            heard_at: now,
            sent_at: now,
        }
    }

    pub fn is_open_of(&self, swarm: SwarmKey) -> bool {
        self.swarm == Some(swarm) && self.state == State::Open
    }

    /// Whether the other end has something to take.
    pub fn is_sending(&self) -> bool {
        self.upload.sending.is_some() || !self.session.outbox().is_empty()
    }

    /// The messages that wait, as work for the driver.
    pub fn poll_outbox(&mut self) -> Option<Chunk> {
        self.is_notified = !self.session.outbox().is_empty();
        self.is_notified.then_some(Chunk::Bytes { more: false })
    }

    /// Cancels what is requested of `shard`, and drops what comes of it. Each request still gets
    /// its answer.
    pub fn cancel(&mut self, shard: u32) {
        self.set_claim(shard, 0, Claim::Dropped);
        let incoming = self.download.incoming.as_mut();
        if let Some(incoming) = incoming.filter(|it| it.range.shard == shard) {
            incoming.is_dropped = true;
        }
    }

    /// Cancels what is requested of `shard` from `offset` on: what comes before it is wanted.
    pub fn cancel_from(&mut self, shard: u32, offset: u32) {
        self.set_claim(shard, offset, Claim::Dropped);
    }

    /// Cancels what is requested of `shard` and has not begun.
    pub fn reclaim(&mut self, shard: u32) {
        self.set_claim(shard, 0, Claim::Reclaimed);
    }

    /// Goes from the last range to the first, so that what has begun before the other end hears of
    /// it is followed by nothing else of the shard.
    fn set_claim(&mut self, shard: u32, offset: u32, claim: Claim) {
        for of in self.download.outstanding.iter_mut().rev() {
            let is_meant = of.range.shard == shard && of.range.offset >= offset;
            // A dropped one stays dropped: another stream may have been asked for it since.
            if !is_meant || of.claim == Claim::Dropped {
                continue;
            }
            if std::mem::replace(&mut of.claim, claim) == Claim::Wanted {
                self.session.send(&Message::Cancel(of.range));
            }
        }
    }
}
