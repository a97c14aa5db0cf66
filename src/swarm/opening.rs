//! How streams open: who the other end is, whether it may stay, and whom it should know.

use super::Swarms;
use super::receive::{Fault, PROTOCOL};
use super::stream::{Dialler, State, Stream};
use crate::limits::{STREAMS_MAX, STREAMS_SPARE};
use crate::output::{Ended, Event, StreamKey, SwarmKey};
use crate::time::Instant;
use crate::wire::Frame;
use crate::wire::native::frame::{self, CloseReason, Hello, Holds, LOCATIONS_COUNT_MAX};
use arrayvec::ArrayVec;
use std::net::SocketAddr;

impl Swarms {
    /// Puts our `Open` into the outbox, and remembers what must follow it.
    pub(super) fn push_open(&mut self, key: StreamKey) {
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        let Some(swarm) = stream.swarm.and_then(|swarm| self.swarms.get(swarm)) else {
            return;
        };
        let Some(file) = swarm.file else { return };
        let manifest_size = swarm
            .manifest
            .as_ref()
            .map_or(0, |of| of.bytes().len() as u32);
        // Who has dialled lacked something then. If that was found on the disk meanwhile, it says so
        // at once: of two that offer, neither would ever learn that there is nothing to exchange.
        let may_offer = stream.dialler == Dialler::Them;
        stream.is_super_seeded = may_offer && swarm.is_whole() && swarm.shard_count() > 0;
        let holds = match swarm.held.count() {
            _ if stream.is_super_seeded => Holds::None,
            _ if swarm.is_whole() => Holds::All,
            0 => Holds::None,
            _ => Holds::Some,
        };
        stream.map_next = (holds == Holds::Some).then_some(0);
        stream.haves_sent = swarm.gained.len();
        let (node, port) = (self.config.id, self.config.port);
        let shard_count = swarm.shard_count();
        let open = Hello {
            file,
            node,
            port,
            holds,
            manifest_size,
            shard_count,
        };
        stream.push(&Frame::Open(open), self.config.network);
        self.wake(key);
    }

    pub(super) fn handle_open(
        &mut self,
        now: Instant,
        key: StreamKey,
        open: Hello,
    ) -> Result<(), Fault> {
        let duplicate = (Ended::Duplicate, Some(CloseReason::Duplicate));
        let is_open = |stream: &Stream| stream.state == State::Open;
        let open_count = self.streams.iter().filter(|(_, of)| is_open(of)).count();
        let is_full = open_count + STREAMS_SPARE >= STREAMS_MAX;
        let Some(stream) = self.streams.get_mut(key) else {
            return Ok(());
        };
        let found = self
            .swarms
            .iter_mut()
            .find(|(_, swarm)| swarm.is_of(open.file) && !swarm.is_suspended);
        let accepted = stream.dialler == Dialler::Them;
        let Some((swarm_key, swarm)) = found else {
            self.counters.unknown += u64::from(accepted);
            let unknown = (Ended::Done, Some(CloseReason::UnknownFile));
            return Err(if accepted { unknown } else { PROTOCOL });
        };
        if !accepted && stream.swarm != Some(swarm_key) {
            return Err(PROTOCOL);
        }
        if open.node == self.config.id {
            swarm.providers.ban(key);
            return Err(duplicate);
        }
        if swarm.manifest.is_some() && ![0, swarm.shard_count()].contains(&open.shard_count) {
            return Err(PROTOCOL);
        }
        if accepted && is_full {
            self.redirect(key, swarm_key);
            return Ok(());
        }
        stream.node = open.node;
        if accepted {
            stream.swarm = Some(swarm_key);
            if open.port > 0 {
                let location = SocketAddr::new(stream.address.ip(), open.port);
                if swarm.providers.is_banned(location) {
                    stream.swarm = None;
                    return Err((Ended::Corrupt, Some(CloseReason::Corrupt)));
                }
                stream.location = Some(location);
                swarm.providers.hear(location, now);
                swarm.providers.connect(location, key);
            }
            self.push_open(key);
        }
        self.resolve_duplicate(now, key, swarm_key)?;
        let Some(stream) = self.streams.get_mut(key) else {
            return Ok(());
        };
        let Some(swarm) = self.swarms.get_mut(swarm_key) else {
            return Ok(());
        };
        stream.state = State::Open;
        stream.has_all = open.holds == Holds::All;
        stream.manifest_size = open.manifest_size;
        stream.waiting_since = now;
        swarm.lookups = 0;
        swarm.idle_since = now;
        let address = stream.location.unwrap_or(stream.address);
        self.events.push_back(Event::Connected {
            swarm: swarm_key,
            address,
        });
        self.push_providers(key, swarm_key);
        self.ask_manifest(now, swarm_key);
        self.offer(now, key);
        self.ask(now, key);
        self.close_if_done(now, key);
        Ok(())
    }

    /// Of two streams between the same nodes, both ends keep the same one: that whose dialler has
    /// the smaller id; if one node dialled twice, the newer, because it knows the older to be dead.
    /// A node id proves nothing, so only streams with one and the same IP are compared: nobody can
    /// end the stream of another.
    pub(super) fn resolve_duplicate(
        &mut self,
        now: Instant,
        key: StreamKey,
        swarm: SwarmKey,
    ) -> Result<(), Fault> {
        let Some(stream) = self.streams.get(key) else {
            return Ok(());
        };
        let (node, dialler, ip) = (stream.node, stream.dialler, stream.address.ip());
        let mut others = self.streams.iter().filter(|(other_key, other)| {
            *other_key != key
                && other.state == State::Open
                && (other.swarm, other.node) == (Some(swarm), node)
                && other.address.ip() == ip
        });
        let Some((other, old)) = others.next() else {
            return Ok(());
        };
        let ours_wins = self.config.id < node;
        let new_wins = old.dialler == dialler || (dialler == Dialler::Us) == ours_wins;
        drop(others);
        let (kept, dropped) = if new_wins { (key, other) } else { (other, key) };
        if let Some(swarm) = self.swarms.get_mut(swarm) {
            swarm.providers.keep(kept, dropped);
        }
        if new_wins {
            self.close(now, other, Ended::Duplicate, Some(CloseReason::Duplicate));
            return Ok(());
        }
        Err((Ended::Duplicate, Some(CloseReason::Duplicate)))
    }

    /// There is no room for who has just opened: tells it where others of the swarm are, and to go
    /// there. It closes the stream, or the time to open it ends.
    fn redirect(&mut self, key: StreamKey, swarm: SwarmKey) {
        let Some(file) = self.swarms.get(swarm).and_then(|swarm| swarm.file) else {
            return;
        };
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        let nothing = Hello {
            file,
            node: self.config.id,
            port: self.config.port,
            holds: Holds::None,
            manifest_size: 0,
            shard_count: 0,
        };
        stream.push(&Frame::Open(nothing), self.config.network);
        self.push_providers(key, swarm);
        if let Some(stream) = self.streams.get_mut(key) {
            let reason = CloseReason::Full;
            stream.push(&Frame::Close { reason }, self.config.network);
        }
        self.wake(key);
    }

    /// Tells a node that has just opened where others of the swarm are: some, if they are many.
    fn push_providers(&mut self, key: StreamKey, swarm: SwarmKey) {
        let others = self.streams.iter().filter(|(other_key, other)| {
            *other_key != key && other.swarm == Some(swarm) && other.state == State::Open
        });
        let mut all: ArrayVec<SocketAddr, STREAMS_MAX> =
            others.filter_map(|(_, other)| other.location).collect();
        self.rng.shuffle(&mut all);
        let locations = all.into_iter().take(LOCATIONS_COUNT_MAX);
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        let list: ArrayVec<_, LOCATIONS_COUNT_MAX> = locations.map(frame::location_bytes).collect();
        if !list.is_empty() {
            stream.push(
                &Frame::Providers {
                    locations: list.as_flattened(),
                },
                self.config.network,
            );
            self.wake(key);
        }
    }

    pub(super) fn handle_goodbye(
        &mut self,
        key: StreamKey,
        reason: CloseReason,
    ) -> Result<(), Fault> {
        let Some(stream) = self.streams.get(key) else {
            return Ok(());
        };
        if reason == CloseReason::Duplicate {
            let twin = self.streams.iter().find(|(other_key, other)| {
                *other_key != key
                    && other.swarm == stream.swarm
                    && other.location == stream.location
            });
            if let (Some((twin, _)), Some(swarm)) = (twin, stream.swarm) {
                if let Some(swarm) = self.swarms.get_mut(swarm) {
                    swarm.providers.keep(twin, key);
                }
            }
        }
        Err((Ended::Closed(reason), None))
    }

    pub(super) fn handle_providers(
        &mut self,
        now: Instant,
        key: StreamKey,
        locations: &[u8],
    ) -> Result<(), Fault> {
        let swarm_key = self
            .streams
            .get(key)
            .and_then(|stream| stream.swarm)
            .ok_or(PROTOCOL)?;
        let Some(swarm) = self.swarms.get_mut(swarm_key) else {
            return Err(PROTOCOL);
        };
        for location in frame::locations(locations) {
            swarm.providers.hear(location, now);
        }
        self.dial(now, swarm_key);
        Ok(())
    }
}
