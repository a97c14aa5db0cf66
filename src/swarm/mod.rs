//! Files among nodes: streams, the shards that they carry, and who sends what.
//!
//! Read [`swarm`] (one file) and [`stream`] (one connection) first, then [`flight`] (one shard on
//! its way). [`Swarms`] joins them, a file for each concern: `receive` takes bytes in from streams,
//! `opening`, `requests` and `manifests` what their frames say; `send` gives work out;
//! `schedule` chooses what goes from whom to whom, and how much in advance; `verify` drives
//! hashing, verification and completion; `checkpoint` what outlives a power cut; `pause` what waits
//! for its disk, `scrub` looks whether that still is right, and `repair` fetches again what is not;
//! `upkeep` is what time does, and `owner` what a service's owner asks. It knows
//! no Kademlia: what it wants of the DHT are [`Request`]s, what it hears from it are locations.
//!
//! Invariants: a shard in flight has one writer; a shard is offered only when it has verified and
//! is written; nothing is allocated for a shard once its swarm fetches.

#![doc = include_str!("figures.md")]

mod checkpoint;
mod counters;
pub mod flight;
mod manifests;
mod opening;
mod owner;
pub mod pause;
pub mod providers;
mod receive;
pub mod repair;
mod requests;
pub mod scan;
mod schedule;
pub mod scrub;
mod send;
mod session;
pub mod stream;
#[allow(clippy::module_inception)]
pub mod swarm;
mod upkeep;
mod verify;

use crate::address::is_local;
use crate::id::{FileId, NodeId};
use crate::limits::{HANDSHAKES_PER_IP_MAX, STREAMS_MAX, STREAMS_PER_IP_MAX};
use crate::limits::{LOOKUP_DELAY_ALONE, LOOKUP_PERIOD, SWARMS_MAX};
use crate::output::{Ended, Event, Output, Refused, StreamKey, SwarmKey};
use crate::rate::{Rate, RateLimits};
use crate::rng::Rng;
use crate::slab::{SlotKey, Slots};
use crate::time::Instant;
use crate::wire::stream::CloseReason;
use crate::wire::{Frame, Manifest, Network};
pub use counters::Counters;
pub use owner::Peer;
use std::collections::VecDeque;
use std::net::SocketAddr;
use stream::{Dialler, State, Stream};
pub use swarm::{Phase, Progress, Request, ShareSpec, Swarm};

impl SlotKey for StreamKey {
    fn new(slot: u32, generation: u32) -> StreamKey {
        StreamKey { slot, generation }
    }
    fn slot(self) -> u32 {
        self.slot
    }
    fn generation(self) -> u32 {
        self.generation
    }
}

impl SlotKey for SwarmKey {
    fn new(slot: u32, generation: u32) -> SwarmKey {
        SwarmKey { slot, generation }
    }
    fn slot(self) -> u32 {
        self.slot
    }
    fn generation(self) -> u32 {
        self.generation
    }
}

/// Who this node is, as streams need to know it.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Its id.
    pub id: NodeId,
    /// Its network.
    pub network: Network,
    /// Where it listens for streams.
    pub port: u16,
}

/// What a queued [`Output`] needs beside itself.
#[derive(Clone, Copy, Debug)]
struct Queued {
    output: Output,
    goodbye: Option<CloseReason>,
}

/// All swarms and streams of a node.
pub struct Swarms {
    config: Config,
    rng: Rng,
    swarms: Slots<SwarmKey, Swarm>,
    streams: Slots<StreamKey, Stream>,
    outputs: VecDeque<Queued>,
    /// Ranges of payload in the driver's receive buffer that are not yet outputs.
    writes: VecDeque<receive::Received>,
    events: VecDeque<Event>,
    requests: VecDeque<Request>,
    last_words: Vec<u8>,
    /// Streams that wait for their turn to send a range, at most each once.
    upload_queue: VecDeque<StreamKey>,
    /// The caps on what all streams but exempt ones send and ask for.
    limits: RateLimits<StreamKey>,
    /// When uploads that do not move are looked for next.
    slot_check_at: Option<Instant>,
    /// Where the round of background reads goes on.
    read_from: u32,
    scrub: scrub::Scrub,
    /// How fast payload goes, on all streams together.
    sending: Rate,
    counters: Counters,
}

impl Swarms {
    /// No swarms.
    pub fn new(config: Config, rng: Rng) -> Swarms {
        Swarms {
            config,
            rng,
            swarms: Slots::with_capacity(1),
            streams: Slots::with_capacity(STREAMS_MAX),
            outputs: VecDeque::with_capacity(4 * STREAMS_MAX),
            writes: VecDeque::with_capacity(receive::WRITES_CAPACITY),
            events: VecDeque::with_capacity(STREAMS_MAX),
            requests: VecDeque::with_capacity(8),
            last_words: Vec::with_capacity(16),
            upload_queue: VecDeque::with_capacity(STREAMS_MAX),
            limits: RateLimits::default(),
            slot_check_at: None,
            read_from: 0,
            scrub: scrub::Scrub::default(),
            sending: Rate::new(Instant::ZERO),
            counters: Counters::default(),
        }
    }

    // -- the owner's commands

    /// Shares what lies on disk: it is hashed first, then served.
    ///
    /// # Errors
    ///
    /// There are [`SWARMS_MAX`] swarms.
    pub fn share(&mut self, now: Instant, share: ShareSpec) -> Result<SwarmKey, Refused> {
        if self.swarms.len() >= SWARMS_MAX {
            return Err(Refused::Full);
        }
        let key = self.swarms.insert(Swarm::to_share(share, now));
        self.hash_if_empty(now, key);
        Ok(key)
    }

    /// Fetches a file, whose manifest may be known already, from these providers and those that the
    /// DHT knows.
    ///
    /// # Errors
    ///
    /// There are [`SWARMS_MAX`] swarms, or one of this file.
    pub fn fetch(
        &mut self,
        now: Instant,
        file: FileId,
        manifest: Option<Manifest>,
        providers: &[SocketAddr],
    ) -> Result<SwarmKey, Refused> {
        if let Some((key, _)) = self.swarms.iter().find(|(_, swarm)| swarm.is_of(file)) {
            return Err(Refused::Known(key));
        }
        if self.swarms.len() >= SWARMS_MAX {
            return Err(Refused::Full);
        }
        let mut swarm = Swarm::to_fetch(file, now);
        for &location in providers {
            swarm.providers.hear(location, now);
        }
        let key = self.swarms.insert(swarm);
        if let Some(manifest) = manifest {
            self.learn_manifest(now, key, manifest);
        }
        Ok(key)
    }

    /// Caps what streams send and ask for, in bytes a second each; `None` lifts the cap.
    pub fn limit(&mut self, now: Instant, up: Option<u64>, down: Option<u64>) {
        self.limits.up.set(now, up);
        self.limits.down.set(now, down);
    }

    /// The caps do not count this stream.
    pub fn exempt(&mut self, key: StreamKey) {
        if let Some(stream) = self.streams.get_mut(key) {
            stream.is_exempt = true;
        }
    }

    /// Says goodbye on every stream, withdraws every announcement, and has what was gained made
    /// durable: the node is to run on until [`Swarms::is_committing`] says no.
    pub fn stop(&mut self, now: Instant) {
        let mut place = 0;
        while let Some(key) = self.swarms.key_from(place) {
            place = key.slot + 1;
            self.checkpoint_last(now, key);
        }
        while let Some(key) = self.streams.key_from(0) {
            self.close(now, key, Ended::Stopped, Some(CloseReason::Stopping));
        }
        let announced = self.swarms.iter().filter(|(_, swarm)| swarm.announced);
        let files: Vec<FileId> = announced.filter_map(|(_, swarm)| swarm.file).collect();
        self.requests
            .extend(files.into_iter().map(Request::Withdraw));
    }

    // -- facts in

    /// A node has connected; `None`: there is no room for its stream.
    pub fn handle_accept(&mut self, now: Instant, from: SocketAddr) -> Option<StreamKey> {
        let is_of_ip = |stream: &Stream| stream.address.ip() == from.ip();
        let of_ip = self
            .streams
            .iter()
            .filter(|(_, stream)| is_of_ip(stream))
            .count();
        let is_crowd = of_ip >= STREAMS_PER_IP_MAX && !is_local(from.ip())
            || self.handshake_count(from.ip()) >= HANDSHAKES_PER_IP_MAX;
        let room = self.streams.len() < STREAMS_MAX && !is_crowd;
        if !room {
            return None;
        }
        let stream = self.with_handshake(Stream::new(Dialler::Them, from, now));
        Some(self.streams.insert(stream))
    }

    /// A connection that [`Output::Connect`] asked for stands.
    pub fn handle_connected(&mut self, now: Instant, key: StreamKey) {
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        if stream.state == State::Dialling {
            stream.state = State::Opening;
            stream.round_trip.count(now.since(stream.made_at));
            (stream.heard_at, stream.sent_at) = (now, now);
            self.push_first(key);
        }
    }

    /// The connection has ended, or could not be made; the driver has freed its socket.
    pub fn handle_closed(&mut self, now: Instant, key: StreamKey) {
        self.forget(now, key, Ended::Lost);
    }

    // -- work out

    /// The next work for the driver.
    pub fn poll_output(&mut self, now: Instant) -> Option<Output> {
        let queued = self.outputs.pop_front();
        if let Some(Queued { output, goodbye }) = queued {
            self.last_words.clear();
            if let Some(reason) = goodbye {
                let frame = Frame::Close { reason };
                self.last_words.resize(frame.size(), 0);
                frame.emit(self.config.network, &mut self.last_words);
            }
            return Some(output);
        }
        self.poll_write(now)
    }

    /// The goodbye of the stream that the last [`Output::Close`] named; empty when there is none.
    pub fn last_words(&self) -> &[u8] {
        &self.last_words
    }

    /// The next news.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// What is wanted of the DHT.
    pub fn poll_request(&mut self) -> Option<Request> {
        self.requests.pop_front()
    }

    // -- getters

    /// The manifest of a swarm, once known.
    pub fn manifest(&self, key: SwarmKey) -> Option<&Manifest> {
        self.swarms.get(key)?.manifest.as_ref()
    }

    /// Whether a swarm holds a shard.
    pub fn holds(&self, key: SwarmKey, shard: u32) -> bool {
        self.swarms
            .get(key)
            .is_some_and(|swarm| swarm.held.contains(shard))
    }

    /// What each swarm is doing.
    pub fn phases(&self) -> impl Iterator<Item = Phase> {
        self.swarms.iter().map(|(_, swarm)| swarm.phase)
    }

    /// What was refused and given up so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// How many streams there are.
    pub fn stream_count(&self) -> usize {
        self.streams.len()
    }

    /// How far a swarm is.
    pub fn progress(&self, key: SwarmKey) -> Option<Progress> {
        let swarm = self.swarms.get(key)?;
        let mut progress = swarm.progress();
        for (_, stream) in self.streams.iter() {
            if stream.swarm == Some(key) && stream.state == State::Open {
                progress.streams += 1;
                progress.providers += u32::from(swarm.can_use(stream));
            }
        }
        Some(progress)
    }

    // -- streams

    /// Tells the driver that a stream may have something to send.
    fn wake(&mut self, key: StreamKey) {
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        if !stream.notified && stream.state != State::Dialling {
            stream.notified = true;
            self.outputs.push_back(Queued {
                output: Output::Send(key),
                goodbye: None,
            });
        }
    }

    /// The first stream of a swarm at or after `place`, for walks that change what they walk over.
    fn stream_from(&self, swarm: SwarmKey, place: u32) -> Option<StreamKey> {
        let mut rest = self.streams.iter().filter(|(key, _)| key.slot >= place);
        rest.find(|(_, stream)| stream.swarm == Some(swarm))
            .map(|(key, _)| key)
    }

    /// How many streams of a swarm are open.
    fn open_count(&self, swarm: SwarmKey) -> u32 {
        let is_open = |of: &Stream| of.swarm == Some(swarm) && of.state == State::Open;
        self.streams.iter().filter(|(_, of)| is_open(of)).count() as u32
    }

    fn wake_swarm(&mut self, swarm: SwarmKey) {
        let mut place = 0;
        while let Some(key) = self.stream_from(swarm, place) {
            place = key.slot + 1;
            self.wake(key);
        }
    }

    /// Ends a stream: the driver closes its socket, after `goodbye` if that can still be said, and the
    /// other end is not a stranger.
    fn close(&mut self, now: Instant, key: StreamKey, why: Ended, goodbye: Option<CloseReason>) {
        let Some(stream) = self.streams.get(key) else {
            return;
        };
        let goodbye = goodbye.filter(|_| !stream.mid_frame() && !stream.is_stranger);
        self.outputs.push_back(Queued {
            output: Output::Close(key),
            goodbye,
        });
        self.forget(now, key, why);
    }

    /// Frees a stream whose socket is gone or about to be: what it was to send falls to others.
    fn forget(&mut self, now: Instant, key: StreamKey, why: Ended) {
        let Some(stream) = self.streams.remove(key) else {
            return;
        };
        self.counters.count(why);
        self.leave_queue(key);
        self.limits.forget(key);
        if !stream.is_exempt {
            self.limits.down.refund(stream.outstanding_size());
        }
        self.pass_slot();
        if let Some(swarm) = stream.swarm {
            self.offer_if_idle(now, swarm);
        }
        let Some(swarm_key) = stream.swarm else {
            return;
        };
        let is_alone = self.open_count(swarm_key) == 0;
        let Some(swarm) = self.swarms.get_mut(swarm_key) else {
            return;
        };
        match why {
            Ended::Corrupt => swarm.providers.ban(key),
            _ => swarm.providers.lost(key, now, &mut self.rng),
        }
        for shard in stream.has.iter().chain(stream.offered.iter()) {
            if let Some(copies) = swarm.copies.get_mut(shard as usize) {
                *copies = copies.saturating_sub(1);
            }
        }
        if swarm.manifest_from == Some(key) {
            swarm.manifest_from = None;
            swarm.manifest_parts.clear();
        }
        for flight in swarm
            .flights
            .iter_mut()
            .filter(|flight| flight.source == Some(key))
        {
            flight.abandon();
            if flight.whole && flight.unwritten() == 0 {
                flight.restart_whole();
            }
        }
        swarm.drop_unstarted();
        if swarm.wants_providers() {
            let delay = match is_alone {
                true => LOOKUP_DELAY_ALONE,
                false => LOOKUP_PERIOD,
            };
            swarm.lookup_at = swarm.lookup_at.min(now + delay);
        }
        let (address, reason) = (stream.location.unwrap_or(stream.address), why);
        self.events.push_back(Event::Disconnected {
            swarm: swarm_key,
            address,
            reason,
        });
        self.ask_manifest(now, swarm_key);
        self.ask_all(now, swarm_key);
        self.give_up_if_hopeless(now, swarm_key, false);
    }
}
