//! One swarm, all streams, and the state that swarms of a node share, borrowed for one step.
//!
//! A fact about a swarm is handled by methods of [`Scope`], which stand in the file of their
//! concern. Borrowed once, nothing is looked up again. Invariant: a swarm that is over stays until
//! the step ends ([`super::swarms::Swarms::with`] removes it), has no stream, and does nothing
//! more.

use super::counters::Counters;
use super::schedule::upload_slots::UploadSlots;
use super::session::Dialect;
use super::state::Swarm;
use super::stream::{State, Stream, Streams};
use crate::id::{FileId, NodeId};
use crate::limits::{PART_SIZE_MIN, RECEIVE_BUFFER_SIZE, STREAMS_MAX};
use crate::output::{Ended, Event, LastWords, Output, StreamKey, SwarmKey};
use crate::rate::{Rate, RateLimits};
use crate::rng::Rng;
use crate::time::Instant;
use crate::wire::Network;
use crate::wire::stream::{CloseReason, Range};
use std::collections::VecDeque;

/// Sections that a receive buffer may hold: one for each part of the smallest size, and the ends.
/// (Shorter ranges come where shards end, and under a low rate limit.)
const WRITES_CAPACITY: usize = RECEIVE_BUFFER_SIZE / PART_SIZE_MIN as usize + 2;

/// The facts of a node that streams need.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// The node's id, which `Hello` says.
    pub id: NodeId,
    /// The network whose members may open streams.
    pub network: Network,
    /// The port it listens on.
    pub port: u16,
}

/// A request of a swarm to the DHT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Look for providers of the file.
    FindProviders(FileId),
    /// Announce this node as provider of the file, until withdrawn.
    Provide(FileId),
    /// Stop announcing this node for the file.
    Withdraw(FileId),
}

/// Payload of one shard in the driver's receive buffer.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    pub swarm: SwarmKey,
    pub range: Range,
    pub start: u32,
}

/// Why a stream must end, and what is said before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    pub why: Ended,
    pub goodbye: Option<CloseReason>,
}

impl From<Ended> for Fault {
    fn from(why: Ended) -> Fault {
        let goodbye = match why {
            Ended::Done => Some(CloseReason::Done),
            Ended::Timeout => Some(CloseReason::Timeout),
            Ended::Protocol => Some(CloseReason::Protocol),
            Ended::Duplicate => Some(CloseReason::Duplicate),
            Ended::Corrupt => Some(CloseReason::Corrupt),
            Ended::Stopped => Some(CloseReason::Stopping),
            // The connection is gone, the other end has said why, or it is not answered.
            Ended::Lost | Ended::Closed(_) | Ended::Stranger => None,
        };
        Fault { why, goodbye }
    }
}

/// State that all swarms of a node share, streams aside.
pub struct Shared {
    pub config: Config,
    pub rng: Rng,
    /// The dialect in which this node dials.
    pub dialect: Dialect,
    pub outputs: VecDeque<Output>,
    /// Sections of the driver's receive buffer that are not yet outputs.
    pub writes: VecDeque<Section>,
    pub events: VecDeque<Event>,
    pub requests: VecDeque<Request>,
    pub slots: UploadSlots,
    /// The limits on what all streams but exempt ones send and request.
    pub limits: RateLimits<StreamKey>,
    /// How fast payload goes, on all streams together.
    pub sending: Rate,
    pub counters: Counters,
}

impl Shared {
    pub fn new(config: Config, rng: Rng) -> Shared {
        Shared {
            config,
            rng,
            dialect: Dialect::Native,
            outputs: VecDeque::with_capacity(4 * STREAMS_MAX),
            writes: VecDeque::with_capacity(WRITES_CAPACITY),
            events: VecDeque::with_capacity(STREAMS_MAX),
            requests: VecDeque::with_capacity(8),
            slots: UploadSlots::new(STREAMS_MAX),
            limits: RateLimits::default(),
            sending: Rate::new(Instant::ZERO),
            counters: Counters::default(),
        }
    }

    /// Tells the driver that a stream may have something to send.
    pub fn wake(&mut self, key: StreamKey, stream: &mut Stream) {
        if !stream.is_notified && stream.state != State::Dialling {
            stream.is_notified = true;
            self.outputs.push_back(Output::Send(key));
        }
    }

    /// A range is sent, or its stream is gone: the next streams in the queue may send.
    pub fn pass_slot(&mut self, streams: &mut Streams) {
        for key in self.slots.next(streams) {
            if let Some(stream) = streams.get_mut(key) {
                self.wake(key, stream);
            }
        }
    }

    /// Has the driver close a connection, after a goodbye if that can still be said.
    pub fn push_close(&mut self, key: StreamKey, stream: &mut Stream, fault: Fault) {
        let is_late = fault.why == Ended::Timeout && stream.state != State::Open;
        let may_speak = stream.upload.sending.is_none() && !is_late;
        let last_words = match fault.goodbye.filter(|_| may_speak) {
            Some(reason) => stream.session.last_words(reason),
            None => LastWords::default(),
        };
        self.outputs.push_back(Output::Close {
            stream: key,
            last_words,
        });
    }

    /// A stream is freed: what it held falls to others.
    pub fn release(&mut self, key: StreamKey, stream: &Stream, why: Ended, streams: &mut Streams) {
        self.counters.count(why);
        self.slots.leave(key);
        self.limits.forget(key);
        if !stream.is_exempt {
            self.limits.down.refund(stream.download.outstanding_size());
        }
        self.pass_slot(streams);
    }
}

/// The borrowed context of one step.
pub struct Scope<'a> {
    pub now: Instant,
    pub key: SwarmKey,
    pub swarm: &'a mut Swarm,
    pub streams: &'a mut Streams,
    pub shared: &'a mut Shared,
}

impl<'a> Scope<'a> {
    pub fn wake(&mut self, key: StreamKey) {
        if let Some(stream) = self.streams.get_mut(key) {
            self.shared.wake(key, stream);
        }
    }

    /// The first stream of the swarm at or after `slot`.
    fn next_stream(&self, slot: u32) -> Option<StreamKey> {
        let mut rest = self.streams.iter().filter(|(key, _)| key.slot >= slot);
        rest.find(|(_, stream)| stream.swarm == Some(self.key))
            .map(|(key, _)| key)
    }

    /// Does a step for each stream of the swarm, which may end streams.
    pub fn for_each_stream(&mut self, mut step: impl FnMut(&mut Scope<'a>, StreamKey)) {
        let mut slot = 0;
        while let Some(key) = self.next_stream(slot) {
            slot = key.slot + 1;
            step(self, key);
        }
    }

    /// How many streams of the swarm are open.
    pub fn open_count(&self) -> u32 {
        let open = self
            .streams
            .iter()
            .filter(|(_, of)| of.is_open_of(self.key));
        open.count() as u32
    }

    pub fn push_event(&mut self, event: Event) {
        self.shared.events.push_back(event);
    }

    /// Whether the uplink could take more than is requested.
    pub fn is_uplink_free(&self) -> bool {
        self.shared.slots.is_uplink_free(self.streams)
    }
}
