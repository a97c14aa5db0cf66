//! What time does to streams and swarms: deadlines, keep-alives, dialling, lookups, giving up.
//!
//! Every wait has an end, and [`Swarms::poll_timeout`] names the first of them.

use super::stream::{Dialler, State, Stream};
use super::swarm::{Request, Swarm};
use super::{Queued, Swarms};
use crate::id::FileId;
use crate::limits::{
    CONNECT_TIMEOUT, HANDSHAKE_TIMEOUT, IDLE_TIMEOUT, KEEP_ALIVE_PERIOD, LOOKUP_DELAY_MET,
    LOOKUP_PERIOD, LOOKUPS_BEFORE_GIVING_UP, PATIENCE, PATIENCE_PARTIAL, RECLAIM_PERIOD,
    REQUEST_TIMEOUT, SEND_TIMEOUT, STREAMS_MAX, SWARM_DIALS_MAX, SWARM_STREAMS_ENOUGH,
};
use crate::output::{Ended, Failure, Output, StreamKey, SwarmKey};
use crate::time::{Instant, earliest};
use crate::wire::Frame;
use crate::wire::stream::CloseReason;
use std::net::SocketAddr;

impl Swarms {
    /// Time has passed: what was due is done.
    pub fn handle_timeout(&mut self, now: Instant) {
        let mut place = 0;
        while let Some(key) = self.streams.key_from(place) {
            place = key.slot + 1;
            self.check_stream(now, key);
        }
        self.check_upload_slots(now);
        self.check_rates(now);
        self.scrub(now);
        place = 0;
        while let Some(key) = self.swarms.key_from(place) {
            place = key.slot + 1;
            self.check_swarm(now, key);
        }
    }

    /// Lets those that the caps hold back go on, each in its turn.
    fn check_rates(&mut self, now: Instant) {
        if let Some(key) = self.limits.up.tick(now) {
            self.wake(key);
        }
        if let Some(key) = self.limits.down.tick(now) {
            self.ask(now, key);
        }
    }

    fn check_stream(&mut self, now: Instant, key: StreamKey) {
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        let is_held_back = self.limits.up.holds(key);
        if now < deadline(stream, is_held_back) {
            if keep_alive_at(stream).is_some_and(|at| now >= at) {
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
        let has_unsent_haves = swarm.haves_at.is_some_and(|at| at <= now);
        let may_offer = swarm.round.due_at.is_some_and(|at| at <= now);
        let may_reclaim = swarm.is_fetching() && swarm.reclaim_at <= now;
        if has_unsent_haves {
            swarm.haves_at = None;
        }
        if may_reclaim {
            swarm.reclaim_at = now + RECLAIM_PERIOD;
        }
        if may_offer {
            swarm.round.due_at = None;
            self.offer_all(now, key);
        }
        if has_unsent_haves {
            self.wake_swarm(key);
        }
        if may_reclaim {
            self.ask_all(now, key);
        }
        self.hurry_manifest(now, key);
        self.probe(now, key);
        self.retry_repair(now, key);
        self.checkpoint_if_due(now, key);
        self.look_up(now, key);
        self.dial(now, key);
        self.give_up_if_hopeless(now, key, false);
    }

    /// When [`Swarms::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let mut next = earliest(self.slot_check_at, self.limits.tick_at());
        next = earliest(next, self.scrub_at());
        for (key, stream) in self.streams.iter() {
            let is_held_back = self.limits.up.holds(key);
            next = earliest(next, Some(deadline(stream, is_held_back)));
            next = earliest(next, keep_alive_at(stream));
            if self.could_reclaim(stream) {
                let swarm = stream.swarm.and_then(|swarm| self.swarms.get(swarm));
                next = earliest(next, swarm.map(|swarm| swarm.reclaim_at));
            }
        }
        for (key, swarm) in self.swarms.iter() {
            next = earliest(earliest(next, swarm.haves_at), swarm.round.due_at);
            next = earliest(next, self.manifest_due(key));
            next = earliest(next, swarm.checkpoint_at());
            next = earliest(next, swarm.pause.map(|pause| pause.retry_at));
            next = earliest(next, swarm.repair.retry_at);
            if swarm.wants_providers() {
                next = earliest(next, self.dial_at(key, swarm));
                if !swarm.looking {
                    next = earliest(next, Some(swarm.lookup_at));
                }
                if swarm.lookups >= LOOKUPS_BEFORE_GIVING_UP && swarm.may_give_up() {
                    next = earliest(next, Some(patience_ends(swarm)));
                }
            }
        }
        next
    }

    /// A provider of `file` is known.
    pub fn handle_provider(&mut self, now: Instant, file: FileId, location: SocketAddr) {
        let found = self.swarms.iter_mut().find(|(_, swarm)| swarm.is_of(file));
        let Some((key, swarm)) = found else { return };
        if swarm.providers.hear(location, now) {
            self.dial(now, key);
        }
    }

    /// The DHT has a new contact, and it or those that it knows may know more: fetches that have
    /// heard of no provider are looked up soon.
    pub fn handle_met(&mut self, now: Instant) {
        let is_lost = |swarm: &Swarm| swarm.wants_providers() && swarm.providers.is_empty();
        for (_, swarm) in self.swarms.iter_mut().filter(|(_, swarm)| is_lost(swarm)) {
            swarm.lookup_at = swarm.lookup_at.min(now + LOOKUP_DELAY_MET);
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

    /// Connects to providers that may be dialled, as far as there is room.
    pub(super) fn dial(&mut self, now: Instant, key: SwarmKey) {
        loop {
            let Some(swarm) = self.swarms.get(key) else {
                return;
            };
            if self.dial_at(key, swarm).is_none_or(|at| now < at) {
                return;
            }
            let Some(to) = swarm.providers.due(now, &mut self.rng) else {
                return;
            };
            let mut stream = self.with_handshake(Stream::new(Dialler::Us, to, now));
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

    /// When a swarm may dial its next provider; none while there is no room, or no need. One that has
    /// enough streams dials on only when they bring nothing.
    fn dial_at(&self, key: SwarmKey, swarm: &Swarm) -> Option<Instant> {
        let has_room = self.streams.len() < STREAMS_MAX && self.dialling(swarm) < SWARM_DIALS_MAX;
        let at = swarm
            .providers
            .next_at()
            .filter(|_| has_room && swarm.wants_providers())?;
        let is_of = |stream: &Stream| stream.swarm == Some(key);
        let count = self
            .streams
            .iter()
            .filter(|(_, stream)| is_of(stream))
            .count();
        match count < SWARM_STREAMS_ENOUGH {
            true => Some(at),
            false => Some(at.max(swarm.idle_since + LOOKUP_PERIOD)),
        }
    }

    /// Streams of a swarm that are not open yet.
    pub(super) fn dialling(&self, swarm: &Swarm) -> usize {
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

    pub(super) fn look_up(&mut self, now: Instant, key: SwarmKey) {
        let Some(swarm) = self.swarms.get_mut(key) else {
            return;
        };
        let Some(file) = swarm.file else { return };
        if swarm.wants_providers() && !swarm.looking && swarm.lookup_at <= now {
            swarm.looking = true;
            self.requests.push_back(Request::FindProviders(file));
        }
    }

    /// Fails a fetch when lookups have ended, all known providers were tried, and none is left to
    /// wait for.
    pub(super) fn give_up_if_hopeless(&mut self, now: Instant, key: SwarmKey, nobody_to_ask: bool) {
        let Some(swarm) = self.swarms.get_mut(key) else {
            return;
        };
        if !swarm.wants_providers() {
            return;
        }
        if swarm.waits_for_disk() {
            swarm.idle_since = now;
            return;
        }
        // A connection that is being made brings nothing yet, and does not begin the wait anew.
        let brings = |stream: &Stream| {
            let waits = !stream.outstanding.is_empty() || stream.incoming.is_some();
            stream.swarm == Some(key) && (waits || stream.manifest_asked)
        };
        if self.streams.iter().any(|(_, stream)| brings(stream)) {
            swarm.idle_since = now;
            return;
        }
        if !swarm.may_give_up() {
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
        let cause = match &swarm.manifest {
            Some(manifest) if swarm.held.count() > 0 || !nobody_to_ask => Failure::Incomplete {
                missing: manifest.shard_count() - swarm.held.count(),
            },
            _ if nobody_to_ask => Failure::NoContacts,
            _ => Failure::Nobody {
                asked: swarm.asked_nodes,
            },
        };
        self.fail(now, key, cause);
    }

    /// Says goodbye on every stream of a swarm.
    pub(super) fn close_all(&mut self, now: Instant, key: SwarmKey) {
        let mut place = 0;
        while let Some(stream) = self.stream_from(key, place) {
            place = stream.slot + 1;
            self.close(now, stream, Ended::Stopped, Some(CloseReason::Stopping));
        }
    }
}

/// When a stream has said nothing for so long that its other end wants to hear that it lives. One that
/// has something to say and cannot is not taken for one that says something.
fn keep_alive_at(stream: &Stream) -> Option<Instant> {
    let may_speak = stream.state == State::Open && !is_sending(stream);
    may_speak.then_some(stream.sent_at + KEEP_ALIVE_PERIOD)
}

/// Whether something is on its way that the other end has to take.
fn is_sending(stream: &Stream) -> bool {
    stream.upload.is_some() || !stream.outbox().is_empty()
}

/// When a stream has waited too long for its other end. What a cap holds back the other end cannot take.
fn deadline(stream: &Stream, is_held_back: bool) -> Instant {
    match stream.state {
        State::Dialling => stream.made_at + CONNECT_TIMEOUT,
        State::Opening if stream.dialler == Dialler::Them => stream.made_at + HANDSHAKE_TIMEOUT,
        State::Opening => stream.made_at + CONNECT_TIMEOUT + HANDSHAKE_TIMEOUT,
        State::Open => {
            let is_outstanding = !stream.outstanding.is_empty() || stream.incoming.is_some();
            let waits = is_outstanding || stream.manifest_asked;
            let answer = waits.then_some(stream.waiting_since + REQUEST_TIMEOUT);
            let may_send = is_sending(stream) && !is_held_back;
            let taken = may_send.then_some(stream.sent_at + SEND_TIMEOUT);
            let idle = stream.heard_at + IDLE_TIMEOUT;
            earliest(earliest(answer, taken), Some(idle)).unwrap_or(idle)
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
