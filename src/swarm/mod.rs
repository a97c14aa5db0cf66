//! Files among nodes: streams, the shards that they carry, and who sends what.
//!
//! Read [`swarm`] (one file) and [`stream`] (one connection) first, then [`flight`] (one shard on its
//! way). [`Swarms`] joins them: `receive` takes facts in from streams, `send` gives work out to them,
//! `ask` and `offer` choose what goes from whom to whom, `disk` drives hashing, verification and completion. It knows no
//! Kademlia: what it wants of the DHT are [`Request`]s, what it hears from it are locations.
//!
//! Invariants: a shard in flight has one writer; a shard is offered only when it has verified and is
//! written; nothing is allocated for a shard once its swarm fetches.

mod ask;
mod disk;
pub mod flight;
mod inbox;
mod offer;
pub mod providers;
mod receive;
pub mod scan;
mod send;
pub mod shards;
pub mod stream;
#[allow(clippy::module_inception)]
pub mod swarm;

use crate::id::{FileId, NodeId};
use crate::limits::{
    CONNECT_TIMEOUT, HANDSHAKE_TIMEOUT, IDLE_TIMEOUT, KEEP_ALIVE_PERIOD, LOOKUP_PERIOD,
    LOOKUPS_BEFORE_GIVING_UP, PATIENCE, PATIENCE_PARTIAL, REQUEST_TIMEOUT, STREAMS_MAX,
    SWARM_DIALS_MAX, SWARMS_MAX,
};
use crate::output::{Ended, Event, Failure, Output, StreamKey, SwarmKey};
use crate::rng::Rng;
use crate::slots::{SlotKey, Slots};
use crate::time::{Instant, earliest};
use crate::wire::frame::CloseReason;
use crate::wire::{Frame, Manifest, Network};
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
    /// Where the round of background reads goes on.
    read_turn: u32,
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
            read_turn: 0,
        }
    }

    // -- the owner's commands

    /// Shares what lies on disk: it is hashed first, then served. `None`: there are too many swarms.
    pub fn share(&mut self, now: Instant, share: ShareSpec) -> Option<SwarmKey> {
        if self.swarms.len() >= SWARMS_MAX {
            return None;
        }
        let key = self.swarms.insert(Swarm::to_share(share, now));
        self.hash_if_empty(now, key);
        Some(key)
    }

    /// Fetches a file, whose manifest may be known already, from these providers and those that the
    /// DHT knows. `None`: there are too many swarms.
    pub fn fetch(
        &mut self,
        now: Instant,
        file: FileId,
        manifest: Option<Manifest>,
        providers: &[SocketAddr],
    ) -> Option<SwarmKey> {
        if self.swarms.len() >= SWARMS_MAX {
            return None;
        }
        let mut swarm = Swarm::to_fetch(file, now);
        for &location in providers {
            swarm.providers.hear(location, now);
        }
        let key = self.swarms.insert(swarm);
        if let Some(manifest) = manifest {
            self.learn_manifest(now, key, manifest);
        }
        Some(key)
    }

    /// Says goodbye on every stream and withdraws every announcement.
    pub fn stop(&mut self, now: Instant) {
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
        let room = self.streams.len() < STREAMS_MAX;
        room.then(|| self.streams.insert(Stream::new(Dialler::Them, from, now)))
    }

    /// A connection that [`Output::Connect`] asked for stands.
    pub fn handle_connected(&mut self, now: Instant, key: StreamKey) {
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        if stream.state == State::Dialling {
            stream.state = State::Opening;
            (stream.heard_at, stream.sent_at) = (now, now);
            self.push_open(key);
        }
    }

    /// The connection has ended, or could not be made; the driver has freed its socket.
    pub fn handle_closed(&mut self, now: Instant, key: StreamKey) {
        self.forget(now, key, Ended::Lost);
    }

    /// A provider of `file` is known.
    pub fn handle_provider(&mut self, now: Instant, file: FileId, location: SocketAddr) {
        let found = self.swarms.iter_mut().find(|(_, swarm)| swarm.is_of(file));
        let Some((key, swarm)) = found else { return };
        if swarm.providers.hear(location, now) {
            self.dial(now, key);
        }
    }

    /// A lookup for providers of `file` has ended, after `answered` nodes. `None`: there was nobody
    /// to ask.
    pub fn handle_looked_up(&mut self, now: Instant, file: FileId, answered: Option<u32>) {
        let found = self.swarms.iter_mut().find(|(_, swarm)| swarm.is_of(file));
        let Some((key, swarm)) = found else { return };
        swarm.looking = false;
        swarm.lookups += 1;
        swarm.asked_nodes = answered.unwrap_or(0);
        swarm.lookup_at = now + LOOKUP_PERIOD * swarm.lookups.min(20);
        self.give_up_if_hopeless(now, key, answered.is_none());
    }

    /// Time has passed: what was due is done.
    pub fn handle_timeout(&mut self, now: Instant) {
        let mut place = 0;
        while let Some(key) = self.streams.key_from(place) {
            place = key.slot + 1;
            self.check_stream(now, key);
        }
        place = 0;
        while let Some(key) = self.swarms.key_from(place) {
            place = key.slot + 1;
            self.check_swarm(now, key);
        }
    }

    fn check_stream(&mut self, now: Instant, key: StreamKey) {
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        if now < deadline(stream) {
            if stream.state == State::Open && now >= stream.sent_at + KEEP_ALIVE_PERIOD {
                stream.sent_at = now;
                stream.push(&Frame::KeepAlive, self.config.network);
                self.wake(key);
            }
            return;
        }
        let reason = (stream.state == State::Open).then_some(CloseReason::Timeout);
        let ended = if stream.state == State::Dialling {
            Ended::Lost
        } else {
            Ended::Timeout
        };
        self.close(now, key, ended, reason);
    }

    fn check_swarm(&mut self, now: Instant, key: SwarmKey) {
        let Some(swarm) = self.swarms.get_mut(key) else {
            return;
        };
        if swarm.news_at.is_some_and(|at| at <= now) {
            swarm.news_at = None;
            self.wake_swarm(key);
        }
        self.look_up(now, key);
        self.dial(now, key);
        self.give_up_if_hopeless(now, key, false);
    }

    /// When [`Swarms::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let mut next = None;
        for (_, stream) in self.streams.iter() {
            let mut at = deadline(stream);
            if stream.state == State::Open {
                at = at.min(stream.sent_at + KEEP_ALIVE_PERIOD);
            }
            next = earliest(next, Some(at));
        }
        let room = self.streams.len() < STREAMS_MAX;
        for (_, swarm) in self.swarms.iter() {
            next = earliest(next, swarm.news_at);
            if swarm.wants_providers() {
                if room && self.dialling(swarm) < SWARM_DIALS_MAX {
                    next = earliest(next, swarm.providers.next_at());
                }
                if !swarm.looking {
                    next = earliest(next, Some(swarm.lookup_at));
                }
                if swarm.lookups >= LOOKUPS_BEFORE_GIVING_UP {
                    next = earliest(next, Some(patience_ends(swarm)));
                }
            }
        }
        next
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

    fn wake_swarm(&mut self, swarm: SwarmKey) {
        let mut place = 0;
        while let Some(key) = self.streams.key_from(place) {
            place = key.slot + 1;
            if self
                .streams
                .get(key)
                .is_some_and(|stream| stream.swarm == Some(swarm))
            {
                self.wake(key);
            }
        }
    }

    /// Ends a stream: the driver closes its socket, after `goodbye` if that can still be said.
    fn close(&mut self, now: Instant, key: StreamKey, why: Ended, goodbye: Option<CloseReason>) {
        let Some(stream) = self.streams.get(key) else {
            return;
        };
        let goodbye = goodbye.filter(|_| !stream.mid_frame() && stream.state != State::Dialling);
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
        let Some(swarm_key) = stream.swarm else {
            return;
        };
        let Some(swarm) = self.swarms.get_mut(swarm_key) else {
            return;
        };
        match why {
            Ended::Corrupt => swarm.providers.ban(key),
            _ => swarm.providers.lost(key, now),
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
        disk::drop_unstarted(swarm);
        if swarm.wants_providers() {
            swarm.lookup_at = swarm.lookup_at.min(now + LOOKUP_PERIOD);
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

    /// Connects to providers that may be dialled, as far as there is room.
    fn dial(&mut self, now: Instant, key: SwarmKey) {
        loop {
            let Some(swarm) = self.swarms.get(key) else {
                return;
            };
            let room = self.streams.len() < STREAMS_MAX && self.dialling(swarm) < SWARM_DIALS_MAX;
            let Some(to) = swarm.providers.due(now) else {
                return;
            };
            if !room || !swarm.wants_providers() {
                return;
            }
            let mut stream = Stream::new(Dialler::Us, to, now);
            stream.swarm = Some(key);
            let stream = self.streams.insert(stream);
            if let Some(swarm) = self.swarms.get_mut(key) {
                swarm.providers.connect(to, stream);
            }
            let output = Output::Connect { stream, to };
            self.outputs.push_back(Queued {
                output,
                goodbye: None,
            });
        }
    }

    /// Streams of a swarm that are not open yet.
    fn dialling(&self, swarm: &Swarm) -> usize {
        let ours = |stream: &Stream| {
            stream.state != State::Open
                && stream.dialler == Dialler::Us
                && stream
                    .swarm
                    .and_then(|key| self.swarms.get(key))
                    .map(|of| of.file)
                    == Some(swarm.file)
        };
        self.streams
            .iter()
            .filter(|(_, stream)| ours(stream))
            .count()
    }

    // -- providers

    fn look_up(&mut self, now: Instant, key: SwarmKey) {
        let Some(swarm) = self.swarms.get_mut(key) else {
            return;
        };
        let Some(file) = swarm.file else { return };
        if swarm.wants_providers() && !swarm.looking && swarm.lookup_at <= now {
            swarm.looking = true;
            self.requests.push_back(Request::FindProviders(file));
        }
    }

    /// Fails a fetch when lookups have ended, all known providers were tried, and none is left to wait
    /// for.
    fn give_up_if_hopeless(&mut self, now: Instant, key: SwarmKey, nobody_to_ask: bool) {
        let Some(swarm) = self.swarms.get_mut(key) else {
            return;
        };
        if !swarm.wants_providers() || swarm.phase == Phase::Verifying {
            return;
        }
        let useful = |stream: &Stream| {
            stream.swarm == Some(key)
                && (stream.state != State::Open
                    || !stream.asked.is_empty()
                    || stream.manifest_asked)
        };
        if self.streams.iter().any(|(_, stream)| useful(stream)) {
            swarm.idle_since = now;
            return;
        }
        if !swarm.providers.are_tried() {
            return;
        }
        let alone = !self
            .streams
            .iter()
            .any(|(_, stream)| stream.swarm == Some(key));
        let patient = now < patience_ends(swarm) || swarm.lookups < LOOKUPS_BEFORE_GIVING_UP;
        if patient && !(nobody_to_ask && alone && swarm.providers.next_at().is_none()) {
            return;
        }
        let cause = if let Some(manifest) = &swarm.manifest {
            Failure::Incomplete {
                missing: manifest.shard_count() - swarm.held.count(),
            }
        } else if nobody_to_ask {
            Failure::NoContacts
        } else {
            Failure::Nobody {
                asked: swarm.asked_nodes,
            }
        };
        self.fail(now, key, cause);
    }

    /// Ends a swarm that cannot go on. What is on disk stays.
    fn fail(&mut self, now: Instant, key: SwarmKey, cause: Failure) {
        let Some(swarm) = self.swarms.remove(key) else {
            return;
        };
        if let (true, Some(file)) = (swarm.announced, swarm.file) {
            self.requests.push_back(Request::Withdraw(file));
        }
        let mut place = 0;
        while let Some(stream) = self.streams.key_from(place) {
            place = stream.slot + 1;
            if self
                .streams
                .get(stream)
                .is_some_and(|stream| stream.swarm == Some(key))
            {
                self.close(now, stream, Ended::Stopped, Some(CloseReason::Stopping));
            }
        }
        self.events.push_back(Event::Failed { swarm: key, cause });
    }
}

/// When a stream has waited too long for its other end.
fn deadline(stream: &Stream) -> Instant {
    match stream.state {
        State::Dialling => stream.made_at + CONNECT_TIMEOUT,
        State::Opening => stream.made_at + HANDSHAKE_TIMEOUT + CONNECT_TIMEOUT,
        State::Open => {
            let waits = !stream.asked.is_empty() || stream.manifest_asked;
            let answer = waits.then_some(stream.waiting_since + REQUEST_TIMEOUT);
            let idle = stream.heard_at + IDLE_TIMEOUT;
            answer.map_or(idle, |answer| answer.min(idle))
        }
    }
}

/// Until when a fetch waits for a provider to turn up.
fn patience_ends(swarm: &Swarm) -> Instant {
    let patience = if swarm.held.count() > 0 {
        PATIENCE_PARTIAL
    } else {
        PATIENCE
    };
    swarm.idle_since + patience
}
