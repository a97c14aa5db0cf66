//! What comes in on streams: frames, each with what it changes, and payload.
//!
//! Payload is hashed where it lies, in the driver's receive buffer, and noted as a [`Received`] section
//! that becomes [`Output::Write`]s, which the driver carries out before it reads again. A frame that
//! breaks the protocol ends the stream; nothing that a frame says is believed about anyone but its
//! sender, and its sizes are checked against the manifest before they are used.

use super::Swarms;
use super::inbox::Piece;
use super::shards::ShardSet;
use super::stream::{Dialler, Incoming, State, Stream};
use crate::limits::{MANIFEST_SIZE_MAX, RECEIVE_BUFFER_SIZE, SHARD_COUNT_MAX, SHARD_SIZE_MIN};
use crate::output::{Ended, Event, FileRange, Output, StreamKey, SwarmKey};
use crate::time::Instant;
use crate::wire::frame::{self, CloseReason, Holds, LOCATIONS_COUNT_MAX, Open, Range, Refusal};
use crate::wire::{Frame, Manifest};
use arrayvec::ArrayVec;
use sha1::{Digest, Sha1};
use std::net::SocketAddr;

/// Sections that a receive buffer may hold: one a shard of the smallest size, and the ends.
pub const WRITES_CAPACITY: usize = RECEIVE_BUFFER_SIZE / SHARD_SIZE_MIN as usize + 2;

/// Payload of one shard in the driver's receive buffer.
#[derive(Clone, Copy, Debug)]
pub struct Received {
    swarm: SwarmKey,
    range: Range,
    start: u32,
}

/// Why a stream must end.
type Fault = (Ended, Option<CloseReason>);

const PROTOCOL: Fault = (Ended::Protocol, Some(CloseReason::Protocol));

impl Swarms {
    /// Takes in bytes of a stream. They must stay where they are until [`Swarms::poll_output`] has
    /// nothing more.
    pub fn handle_received(&mut self, now: Instant, key: StreamKey, bytes: &[u8]) {
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        stream.heard_at = now;
        let mut inbox = std::mem::take(&mut stream.inbox);
        let mut at = 0;
        while let (Some(stream), true) = (self.streams.get_mut(key), at < bytes.len()) {
            if stream.incoming.is_some() {
                at += self.take_payload(now, key, at, &bytes[at..]);
                continue;
            }
            let fault = match inbox.take(&bytes[at..]) {
                Err(_) => Some(PROTOCOL),
                Ok((taken, Piece::Partial)) => {
                    at += taken;
                    None
                }
                Ok((taken, Piece::Frame(header, body))) => {
                    at += taken;
                    let fault = match Frame::parse(&header, body, self.config.network) {
                        Ok(frame) => self.handle_frame(now, key, frame).err(),
                        Err(_) => Some(PROTOCOL),
                    };
                    inbox.clear();
                    fault
                }
            };
            if let Some((ended, goodbye)) = fault {
                return self.close(now, key, ended, goodbye);
            }
        }
        if let Some(stream) = self.streams.get_mut(key) {
            stream.inbox = inbox;
        }
    }

    /// Turns received sections into writes, one entry's part at a time.
    pub(super) fn poll_write(&mut self, _now: Instant) -> Option<Output> {
        loop {
            let section = self.writes.front_mut()?;
            let (swarm, start, shard) = (section.swarm, section.start, section.range.shard);
            let Range { offset, length, .. } = section.range;
            let manifest = self
                .swarms
                .get(swarm)
                .and_then(|swarm| swarm.manifest.as_ref());
            let segment = manifest.and_then(|of| of.segments(shard, offset, length).next());
            let Some(segment) = segment else {
                self.writes.pop_front();
                continue;
            };
            section.range.offset += segment.length;
            section.range.length -= segment.length;
            section.start += segment.length;
            if section.range.length == 0 {
                self.writes.pop_front();
            }
            let (entry, offset, length) = (segment.entry, segment.offset, segment.length);
            let range = FileRange {
                swarm,
                entry,
                offset,
                length,
            };
            return Some(Output::Write {
                range,
                start,
                shard,
            });
        }
    }

    /// Takes payload in, at most to the end of its range; how many bytes that were.
    fn take_payload(&mut self, now: Instant, key: StreamKey, start: usize, bytes: &[u8]) -> usize {
        let Some(stream) = self.streams.get_mut(key) else {
            return bytes.len();
        };
        let Some(incoming) = &mut stream.incoming else {
            return 0;
        };
        let count = bytes
            .len()
            .min((incoming.range.length - incoming.received) as usize);
        let Range {
            shard,
            offset,
            length,
        } = incoming.range;
        let offset = offset + incoming.received;
        incoming.received += count as u32;
        let (dropped, ended) = (incoming.dropped, incoming.received == length);
        stream.waiting_since = now;
        stream.rate.count(now, count as u64);
        let swarm_key = stream.swarm;
        if ended {
            stream.incoming = None;
        }
        if let (false, Some((swarm_key, swarm))) = (
            dropped,
            swarm_key.and_then(|key| Some((key, self.swarms.get_mut(key)?))),
        ) {
            swarm.received += count as u64;
            swarm.idle_since = now;
            let expected = swarm
                .manifest
                .as_ref()
                .map(|manifest| *manifest.shard_hash(shard));
            if let (Some(flight), Some(expected)) = (swarm.flight(shard), expected) {
                flight.receive(&bytes[..count], &expected);
                let range = Range {
                    shard,
                    offset,
                    length: count as u32,
                };
                self.writes.push_back(Received {
                    swarm: swarm_key,
                    range,
                    start: start as u32,
                });
            }
        }
        if ended {
            self.ask(now, key);
        }
        count
    }

    fn handle_frame(
        &mut self,
        now: Instant,
        key: StreamKey,
        frame: Frame<'_>,
    ) -> Result<(), Fault> {
        let Some(stream) = self.streams.get(key) else {
            return Ok(());
        };
        match (stream.state, frame) {
            (State::Opening, Frame::Open(open)) => return self.handle_open(now, key, open),
            (_, Frame::Close { reason }) => return self.handle_goodbye(key, reason),
            (State::Open, _) => {}
            _ => return Err(PROTOCOL),
        }
        match frame {
            Frame::Open(_) | Frame::Close { .. } => Err(PROTOCOL),
            Frame::Map { first, bits } => self.handle_has(now, key, ShardSet::parse(first, bits)),
            Frame::Have { shards } => self.handle_has(now, key, frame::shards(shards)),
            Frame::ManifestRequest { offset, length } => {
                if let Some(stream) = self.streams.get_mut(key) {
                    stream.manifest_wanted = Some((offset, length));
                }
                self.wake(key);
                Ok(())
            }
            Frame::ManifestPart {
                total,
                offset,
                bytes,
            } => self.handle_manifest_part(now, key, total, offset, bytes),
            Frame::Request(range) => self.handle_request(key, range),
            Frame::Data(range) => self.handle_data(key, range),
            Frame::Cancel(range) => self.handle_cancel(key, range),
            Frame::Refuse { range, reason } => self.handle_refuse(now, key, range, reason),
            Frame::Providers { locations } => self.handle_providers(now, key, locations),
            Frame::KeepAlive => Ok(()),
        }
    }

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
        stream.offers = swarm.is_whole() && swarm.shard_count() > 0;
        let holds = match swarm.held.count() {
            _ if stream.offers => Holds::None,
            _ if swarm.is_whole() => Holds::All,
            0 => Holds::None,
            _ => Holds::Some,
        };
        stream.map_next = (holds == Holds::Some).then_some(0);
        stream.told = swarm.gained.len();
        let (node, port) = (self.config.id, self.config.port);
        let shard_count = swarm.shard_count();
        let open = Open {
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

    fn handle_open(&mut self, now: Instant, key: StreamKey, open: Open) -> Result<(), Fault> {
        let duplicate = (Ended::Duplicate, Some(CloseReason::Duplicate));
        let Some(stream) = self.streams.get_mut(key) else {
            return Ok(());
        };
        let found = self
            .swarms
            .iter_mut()
            .find(|(_, swarm)| swarm.is_of(open.file));
        let accepted = stream.dialler == Dialler::Them;
        let Some((swarm_key, swarm)) = found else {
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
        self.settle_duplicate(now, key, swarm_key)?;
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
        swarm.providers.opened(key);
        swarm.lookups = 0;
        swarm.idle_since = now;
        let address = stream.location.unwrap_or(stream.address);
        self.events.push_back(Event::Connected {
            swarm: swarm_key,
            address,
        });
        self.push_providers(key, swarm_key);
        self.ask_manifest(now, swarm_key);
        self.offer(key);
        self.ask(now, key);
        self.close_if_done(now, key);
        Ok(())
    }

    /// Of two streams between the same nodes, both ends keep the same one: that whose dialler has the
    /// smaller id; if one node dialled twice, the newer, because it knows the older to be dead.
    fn settle_duplicate(
        &mut self,
        now: Instant,
        key: StreamKey,
        swarm: SwarmKey,
    ) -> Result<(), Fault> {
        let Some(stream) = self.streams.get(key) else {
            return Ok(());
        };
        let (node, dialler) = (stream.node, stream.dialler);
        let mut others = self.streams.iter().filter(|(other_key, other)| {
            *other_key != key
                && other.state == State::Open
                && (other.swarm, other.node) == (Some(swarm), node)
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

    /// Tells a node that has just opened where others of the swarm are.
    fn push_providers(&mut self, key: StreamKey, swarm: SwarmKey) {
        let mut locations: ArrayVec<SocketAddr, LOCATIONS_COUNT_MAX> = ArrayVec::new();
        for (other_key, other) in self.streams.iter() {
            let known = other.swarm == Some(swarm) && other.state == State::Open;
            if let (true, Some(location)) = (known && other_key != key, other.location) {
                if locations.try_push(location).is_err() {
                    break;
                }
            }
        }
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        if !locations.is_empty() {
            let list: ArrayVec<_, LOCATIONS_COUNT_MAX> =
                locations.into_iter().map(frame::location_bytes).collect();
            stream.push(
                &Frame::Providers {
                    locations: list.as_flattened(),
                },
                self.config.network,
            );
            self.wake(key);
        }
    }

    fn handle_goodbye(&mut self, key: StreamKey, reason: CloseReason) -> Result<(), Fault> {
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

    fn handle_has(
        &mut self,
        now: Instant,
        key: StreamKey,
        shards: impl Iterator<Item = u32>,
    ) -> Result<(), Fault> {
        let Some(stream) = self.streams.get_mut(key) else {
            return Ok(());
        };
        let Some(swarm) = stream.swarm.and_then(|swarm| self.swarms.get_mut(swarm)) else {
            return Err(PROTOCOL);
        };
        let end = swarm
            .manifest
            .as_ref()
            .map_or(SHARD_COUNT_MAX, Manifest::shard_count);
        for shard in shards {
            if shard >= end {
                return Err(PROTOCOL);
            }
            if !stream.has_all && stream.has.insert(shard) {
                let counted = stream.offered.remove(shard);
                stream.unsent.remove(shard);
                if let (false, Some(copies)) = (counted, swarm.copies.get_mut(shard as usize)) {
                    *copies = copies.saturating_add(1);
                }
            }
        }
        self.offer(key);
        self.ask(now, key);
        self.close_if_done(now, key);
        Ok(())
    }

    fn handle_request(&mut self, key: StreamKey, range: Range) -> Result<(), Fault> {
        let Some(stream) = self.streams.get_mut(key) else {
            return Ok(());
        };
        let swarm = stream
            .swarm
            .and_then(|swarm| self.swarms.get(swarm))
            .ok_or(PROTOCOL)?;
        let Some(manifest) = &swarm.manifest else {
            return Err(PROTOCOL);
        };
        let fits = range.shard < manifest.shard_count()
            && u64::from(range.offset) + u64::from(range.length)
                <= u64::from(manifest.shard_length(range.shard));
        if !fits {
            return Err(PROTOCOL);
        }
        let reason = if !swarm.held.contains(range.shard) {
            Some(Refusal::Missing)
        } else {
            stream
                .wanted
                .try_push(range)
                .is_err()
                .then_some(Refusal::Busy)
        };
        if let Some(reason) = reason {
            return self.refuse(key, range, reason);
        }
        self.wake(key);
        Ok(())
    }

    /// Answers with a refusal, unless the other end asks without ever reading the answers.
    fn refuse(&mut self, key: StreamKey, range: Range, reason: Refusal) -> Result<(), Fault> {
        let Some(stream) = self.streams.get_mut(key) else {
            return Ok(());
        };
        if stream.outbox_overflows() {
            return Err(PROTOCOL);
        }
        stream.push(&Frame::Refuse { range, reason }, self.config.network);
        self.wake(key);
        Ok(())
    }

    fn handle_cancel(&mut self, key: StreamKey, range: Range) -> Result<(), Fault> {
        let Some(stream) = self.streams.get_mut(key) else {
            return Ok(());
        };
        let Some(place) = stream.wanted.iter().position(|wanted| *wanted == range) else {
            return Ok(());
        };
        stream.wanted.remove(place);
        self.refuse(key, range, Refusal::Cancelled)
    }

    fn handle_data(&mut self, key: StreamKey, range: Range) -> Result<(), Fault> {
        let Some(stream) = self.streams.get_mut(key) else {
            return Ok(());
        };
        let place = stream
            .asked
            .iter()
            .position(|asked| asked.range == range)
            .ok_or(PROTOCOL)?;
        let asked = stream.asked.remove(place);
        let swarm = stream
            .swarm
            .and_then(|swarm| self.swarms.get_mut(swarm))
            .ok_or(PROTOCOL)?;
        let flight = swarm
            .flight(range.shard)
            .filter(|flight| flight.source == Some(key));
        let dropped = asked.cancelled || flight.is_none();
        if !dropped && flight.is_some_and(|flight| flight.received() != range.offset) {
            return Err(PROTOCOL);
        }
        stream.incoming = Some(Incoming {
            range,
            received: 0,
            dropped,
        });
        Ok(())
    }

    fn handle_refuse(
        &mut self,
        now: Instant,
        key: StreamKey,
        range: Range,
        reason: Refusal,
    ) -> Result<(), Fault> {
        let Some(stream) = self.streams.get_mut(key) else {
            return Ok(());
        };
        let place = stream
            .asked
            .iter()
            .position(|asked| asked.range == range)
            .ok_or(PROTOCOL)?;
        let asked = stream.asked.remove(place);
        stream.waiting_since = now;
        let swarm_key = stream.swarm.ok_or(PROTOCOL)?;
        let Some(swarm) = self.swarms.get_mut(swarm_key) else {
            return Err(PROTOCOL);
        };
        if !asked.cancelled {
            if reason != Refusal::Busy {
                super::disk::lacks(swarm, stream, range.shard);
            }
            stream.cancel(range.shard, self.config.network);
            if let Some(flight) = swarm
                .flight(range.shard)
                .filter(|of| of.source == Some(key))
            {
                flight.abandon();
            }
            super::disk::drop_unstarted(swarm);
        }
        self.ask_all(now, swarm_key);
        Ok(())
    }

    fn handle_providers(
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

    // -- the manifest

    /// Asks for the next part of the manifest, if it is missing and somebody has it.
    pub(super) fn ask_manifest(&mut self, now: Instant, swarm_key: SwarmKey) {
        let Some(swarm) = self.swarms.get_mut(swarm_key) else {
            return;
        };
        if swarm.manifest.is_some() || swarm.file.is_none() {
            return;
        }
        let able = |stream: &Stream| {
            stream.swarm == Some(swarm_key)
                && stream.state == State::Open
                && stream.manifest_size > 0
        };
        let from = swarm.manifest_from.or_else(|| {
            self.streams
                .iter()
                .find(|(_, stream)| able(stream))
                .map(|found| found.0)
        });
        let Some(key) = from else { return };
        swarm.manifest_from = Some(key);
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        if !stream.manifest_asked {
            stream.manifest_asked = true;
            stream.waiting_since = now;
            let offset = swarm.manifest_parts.len() as u32;
            let left = stream.manifest_size.saturating_sub(offset).max(1);
            let length = left.min(frame::MANIFEST_PART_SIZE_MAX as u32);
            let request = Frame::ManifestRequest { offset, length };
            stream.push(&request, self.config.network);
            self.wake(key);
        }
    }

    fn handle_manifest_part(
        &mut self,
        now: Instant,
        key: StreamKey,
        total: u32,
        offset: u32,
        bytes: &[u8],
    ) -> Result<(), Fault> {
        let Some(stream) = self.streams.get_mut(key) else {
            return Ok(());
        };
        let swarm_key = stream.swarm.ok_or(PROTOCOL)?;
        let Some(swarm) = self.swarms.get_mut(swarm_key) else {
            return Err(PROTOCOL);
        };
        let end = u64::from(offset) + bytes.len() as u64;
        let expected = stream.manifest_asked
            && swarm.manifest_from == Some(key)
            && total == stream.manifest_size
            && total as usize <= MANIFEST_SIZE_MAX
            && offset as usize == swarm.manifest_parts.len()
            && end <= u64::from(total);
        if !expected {
            return Err(PROTOCOL);
        }
        stream.manifest_asked = false;
        let address = stream.location.unwrap_or(stream.address);
        swarm.manifest_parts.extend_from_slice(bytes);
        if end < u64::from(total) {
            self.ask_manifest(now, swarm_key);
            return Ok(());
        }
        let parts = std::mem::take(&mut swarm.manifest_parts);
        swarm.manifest_from = None;
        if swarm
            .file
            .is_none_or(|file| file.0.0[..] != Sha1::digest(&parts)[..])
        {
            return Err((Ended::Corrupt, Some(CloseReason::Corrupt)));
        }
        match Manifest::parse(&parts) {
            Ok(manifest) => {
                self.events.push_back(Event::Manifest {
                    swarm: swarm_key,
                    from: address,
                });
                self.learn_manifest(now, swarm_key, manifest);
            }
            Err(error) => self.fail(now, swarm_key, crate::output::Failure::Manifest(error)),
        }
        Ok(())
    }
}
