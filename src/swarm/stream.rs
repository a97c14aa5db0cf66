//! One stream: its framing in both directions, what its other end has, and what each has asked for.
//!
//! ```text
//!            handle_connected      [handshake,] frame Open          the node frees it
//!  Dialling ─────────────────► Opening ─────────────────────► Open ────────────────────► (gone)
//!            (Accepted streams start here)                      │ every other state, too
//! ```
//!
//! It knows nothing of shards on disk or of other streams; [`super::Swarms`] decides. Payload
//! passes by without being stored: the inbox only ever keeps a header and the start of a frame's
//! body that came in pieces, the outbox only whole control frames.

use super::schedule::round_trip::RoundTrip;
use super::session::handshake::Handshake;
use super::session::inbox::Inbox;
use crate::bitmap::Bitmap;
use crate::id::NodeId;
use crate::limits::{BOX_SIZE, FRAME_BODY_MAX, REQUESTS_MAX};
use crate::output::SwarmKey;
use crate::rate::Rate;
use crate::time::Instant;
use crate::wire::native::frame::{HEADER_SIZE, Range};
use crate::wire::{Frame, Network};
use arrayvec::ArrayVec;
use std::net::SocketAddr;

/// How far a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The connection is being made.
    Dialling,
    /// Connected; the other end's `Open` has not come, nor, where there is a key, all of its handshake.
    Opening,
    /// Both have opened.
    Open,
}

/// Who made the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialler {
    /// This node.
    Us,
    /// The other.
    Them,
}

/// Whether we still want what we have asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// We do.
    Wanted,
    /// Another could send it sooner: what has not begun is taken back, what has is wanted.
    Reclaimed,
    /// We do not: its bytes, if they come, are dropped.
    Dropped,
}

/// A range that we have asked for.
#[derive(Clone, Copy, Debug)]
pub struct Outstanding {
    /// What of it no part has brought yet.
    pub range: Range,
    /// Whether we still want it.
    pub claim: Claim,
}

/// Bytes of a `Data` frame, its payload aside.
pub const DATA_SIZE: usize = HEADER_SIZE + 12;

/// A range, or a part of one, that is being sent.
#[derive(Clone, Copy, Debug)]
pub struct Upload {
    /// What.
    pub range: Range,
    /// The `Data` frame that goes before the payload.
    pub header: [u8; DATA_SIZE],
    /// Bytes of the header that are sent.
    pub header_sent: usize,
    /// Bytes of the payload that are sent.
    pub sent: u32,
}

/// A range whose payload is coming in.
#[derive(Clone, Copy, Debug)]
pub struct Incoming {
    /// What.
    pub range: Range,
    /// Bytes that have come.
    pub received: u32,
    /// Nobody wants it any more.
    pub dropped: bool,
}

/// One stream.
pub struct Stream {
    /// How far it is.
    pub state: State,
    /// Who made the connection.
    pub dialler: Dialler,
    /// The other end of the connection.
    pub address: SocketAddr,
    /// Where the other end listens, as far as known.
    pub location: Option<SocketAddr>,
    /// The other node; only once open.
    pub node: NodeId,
    /// The swarm it is about; for an accepted stream only once open.
    pub swarm: Option<SwarmKey>,

    /// The caps do not count it.
    pub is_exempt: bool,

    /// Nothing has come that shows the other end to be of our network: it is told nothing but what
    /// opens a stream.
    pub is_stranger: bool,
    /// What must be over before the first frame, in a network with a key.
    pub handshake: Option<Handshake>,

    /// The other end has every shard.
    pub has_all: bool,
    /// What it has, when that is not every shard.
    pub has: Bitmap,
    /// Bytes of the manifest it says it has; 0 for none.
    pub manifest_size: u32,
    /// We have every shard and offer it a few at a time, instead of saying so.
    pub is_super_seeded: bool,
    /// Shards that were offered to it and that it has not said to have.
    pub offered: Bitmap,
    /// Shards that were offered to it and have not been sent.
    pub offers_unsent: Bitmap,
    /// Shards that failed verification from it.
    pub bad_shards: u8,

    /// What we have asked for, oldest first.
    pub outstanding: ArrayVec<Outstanding, REQUESTS_MAX>,
    /// The payload that is coming in.
    pub incoming: Option<Incoming>,
    /// What the other end has asked for, oldest first.
    pub peer_requests: ArrayVec<Range, REQUESTS_MAX>,
    /// The range, or the part of one, that is being sent.
    pub upload: Option<Upload>,
    /// The first of `wanted` is the rest of a range that has begun: it needs no other turn.
    pub is_midway: bool,
    /// The other end does not read what is being sent.
    pub upload_stalled: bool,
    /// A part of the manifest that the other end has asked for.
    pub manifest_wanted: Option<(u32, u32)>,
    /// We have asked for a part of the manifest.
    pub manifest_asked: bool,
    /// The next shard of our map to be sent; none when all is.
    pub map_next: Option<u32>,
    /// How many of the swarm's gained shards the other end has been told of.
    pub haves_sent: usize,

    /// The driver has been told that there is something to send.
    pub notified: bool,
    /// When the stream was made.
    pub made_at: Instant,
    /// When bytes last came.
    pub heard_at: Instant,
    /// When bytes last went out.
    pub sent_at: Instant,
    /// Since when we wait for an answer: the last request to an idle stream, or the last payload.
    pub waiting_since: Instant,
    /// How long its path is.
    pub round_trip: RoundTrip,
    /// How fast payload comes.
    pub rate: Rate,
    /// How fast payload goes.
    pub sending: Rate,
    /// Bytes of payload that came.
    pub payload_received: u64,
    /// Bytes of payload that went.
    pub payload_sent: u64,

    /// The frame that is coming in.
    pub inbox: Inbox,
    outbox: Vec<u8>,
    outbox_sent: usize,
}
const _: () = assert!(size_of::<Stream>() <= crate::limits::memory::STREAM_SIZE);

impl Stream {
    /// A new stream to or from `address`.
    pub fn new(dialler: Dialler, address: SocketAddr, now: Instant) -> Stream {
        Stream {
            state: if dialler == Dialler::Us {
                State::Dialling
            } else {
                State::Opening
            },
            dialler,
            address,
            location: (dialler == Dialler::Us).then_some(address),
            node: NodeId::default(),
            swarm: None,
            is_exempt: false,
            is_stranger: true,
            handshake: None,
            has_all: false,
            has: Bitmap::default(),
            manifest_size: 0,
            is_super_seeded: false,
            offered: Bitmap::default(),
            offers_unsent: Bitmap::default(),
            bad_shards: 0,
            outstanding: ArrayVec::new(),
            incoming: None,
            peer_requests: ArrayVec::new(),
            upload: None,
            is_midway: false,
            upload_stalled: false,
            manifest_wanted: None,
            manifest_asked: false,
            map_next: None,
            haves_sent: 0,
            notified: false,
            made_at: now,
            heard_at: now,
            sent_at: now,
            waiting_since: now,
            round_trip: RoundTrip::default(),
            rate: Rate::new(now),
            sending: Rate::new(now),
            payload_received: 0,
            payload_sent: 0,
            inbox: Inbox::with_capacity(BOX_SIZE),
            outbox: Vec::with_capacity(BOX_SIZE),
            outbox_sent: 0,
        }
    }

    /// Whether the other end has `shard`.
    pub fn has(&self, shard: u32) -> bool {
        self.has_all || self.has.contains(shard)
    }

    /// Puts a frame into the outbox, which stays small: large frames are made when it is empty, and
    /// a stream whose outbox has grown takes no frame in: see [`Stream::outbox_overflows`].
    pub fn push(&mut self, frame: &Frame<'_>, network: Network) {
        let start = self.outbox.len();
        self.outbox.resize(start + frame.size(), 0);
        frame.emit(network, &mut self.outbox[start..]);
    }

    /// Puts bytes into the outbox that are no frame.
    pub fn push_bytes(&mut self, bytes: &[u8]) {
        self.outbox.extend_from_slice(bytes);
    }

    /// Whether a peer that does not read makes us store what we say to it without end. An honest
    /// one never comes near: it is sent what waits before it can provoke more.
    pub fn outbox_overflows(&self) -> bool {
        self.outbox.len() > 4 * FRAME_BODY_MAX
    }

    /// Takes back what we have asked for of `shard`. Each request still gets its answer.
    pub fn cancel(&mut self, shard: u32, network: Network) {
        self.claim(shard, 0, Claim::Dropped, network);
        if let Some(incoming) = self.incoming.as_mut().filter(|it| it.range.shard == shard) {
            incoming.dropped = true;
        }
    }

    /// Takes back what we have asked for of `shard` from `offset` on: what comes before it is wanted.
    pub fn cancel_from(&mut self, shard: u32, offset: u32, network: Network) {
        self.claim(shard, offset, Claim::Dropped, network);
    }

    /// Takes back what we have asked for of `shard` and has not begun.
    pub fn reclaim(&mut self, shard: u32, network: Network) {
        self.claim(shard, 0, Claim::Reclaimed, network);
    }

    /// From the last range to the first, so that what has begun before the other end hears of it is
    /// followed by nothing else of the shard.
    fn claim(&mut self, shard: u32, offset: u32, claim: Claim, network: Network) {
        for place in (0..self.outstanding.len()).rev() {
            let asked = &mut self.outstanding[place];
            let is_meant = asked.range.shard == shard && asked.range.offset >= offset;
            // What was dropped once stays so: another may have been asked for it since.
            if !is_meant || asked.claim == Claim::Dropped {
                continue;
            }
            let before = std::mem::replace(&mut asked.claim, claim);
            if before == Claim::Wanted {
                let cancel = Frame::Cancel(asked.range);
                self.push(&cancel, network);
            }
        }
    }

    /// How many ranges we have asked for and still want from here.
    pub fn queue(&self) -> usize {
        let wanted = |asked: &&Outstanding| asked.claim == Claim::Wanted;
        self.outstanding.iter().filter(wanted).count()
    }

    /// The control bytes to be sent.
    pub fn outbox(&self) -> &[u8] {
        &self.outbox[self.outbox_sent..]
    }

    /// `count` bytes of the outbox are sent.
    pub fn outbox_sent(&mut self, count: usize) {
        self.outbox_sent += count;
        assert!(
            self.outbox_sent <= self.outbox.len(),
            "more control bytes sent than there were"
        );
        if self.outbox_sent == self.outbox.len() {
            self.outbox.clear();
            self.outbox_sent = 0;
        }
    }

    /// Whether a frame has gone out in part, so that another cannot follow.
    pub fn mid_frame(&self) -> bool {
        self.upload.is_some() || self.outbox_sent > 0
    }

    /// Bytes that we have asked for and that have not come.
    pub fn outstanding_size(&self) -> u64 {
        let incoming = self.incoming.map_or(0, |it| it.range.length - it.received);
        let asked = self
            .outstanding
            .iter()
            .map(|asked| u64::from(asked.range.length));
        asked.sum::<u64>() + u64::from(incoming)
    }
}
