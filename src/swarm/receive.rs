//! What comes in on streams: frames, each with what it changes, and payload.
//!
//! Payload is hashed where it lies, in the driver's receive buffer, and noted as a [`Received`]
//! section that becomes [`Output::Write`]s, which the driver carries out before it reads again. A
//! frame that breaks the protocol ends the stream; nothing that a frame says is believed about
//! anyone but its sender, and its sizes are checked against the manifest before they are used.

use super::Swarms;
use super::session::inbox::Piece;
use super::stream::State;
use crate::bitmap::Bitmap;
use crate::limits::{PART_SIZE_MIN, RECEIVE_BUFFER_SIZE};
use crate::output::{Ended, FileRange, Output, StreamKey, SwarmKey};
use crate::time::Instant;
use crate::wire::Frame;
use crate::wire::native::frame::{self, CloseReason, Range};

/// Sections that a receive buffer may hold: one a part of the smallest size, and the ends. (Ranges that
/// are shorter come where shards end, and under a low cap.)
pub const WRITES_CAPACITY: usize = RECEIVE_BUFFER_SIZE / PART_SIZE_MIN as usize + 2;

/// Payload of one shard in the driver's receive buffer.
#[derive(Clone, Copy, Debug)]
pub struct Received {
    swarm: SwarmKey,
    range: Range,
    start: u32,
}

/// Why a stream must end.
pub(super) type Fault = (Ended, Option<CloseReason>);

pub(super) const PROTOCOL: Fault = (Ended::Protocol, Some(CloseReason::Protocol));
/// The other end is not of our network, and is not answered.
pub(super) const STRANGER: Fault = (Ended::Stranger, None);

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
            let unreadable = match stream.is_stranger {
                true => STRANGER,
                false => PROTOCOL,
            };
            match self.shake_hands(key, &bytes[at..]) {
                Some(Ok(count)) => {
                    at += count;
                    continue;
                }
                Some(Err((ended, goodbye))) => return self.close(now, key, ended, goodbye),
                None => {}
            }
            let fault = match inbox.take(&bytes[at..]) {
                Err(_) => Some(unreadable),
                Ok((taken, Piece::Partial)) => {
                    at += taken;
                    None
                }
                Ok((taken, Piece::Frame(header, body))) => {
                    at += taken;
                    let fault = match Frame::parse(&header, body, self.config.network) {
                        Ok(frame) => self.handle_frame(now, key, frame).err(),
                        Err(_) => Some(unreadable),
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
        stream.payload_received += count as u64;
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
            let flight = swarm.flight(shard);
            let flight = flight.filter(|flight| flight.source == Some(key));
            if let (Some(flight), Some(expected)) = (flight, expected) {
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
            if let Some(swarm_key) = swarm_key {
                self.release_if_left(now, key, swarm_key, shard);
            }
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
        let Some(stream) = self.streams.get_mut(key) else {
            return Ok(());
        };
        stream.is_stranger = false;
        match (stream.state, frame) {
            (_, Frame::Close { reason }) => return self.handle_goodbye(key, reason),
            // Nearly every frame makes us say something: who never reads it must not fill our
            // memory.
            _ if stream.outbox_overflows() => return Err(PROTOCOL),
            (State::Opening, Frame::Open(open)) => return self.handle_open(now, key, open),
            (State::Open, _) => {}
            _ => return Err(PROTOCOL),
        }
        match frame {
            Frame::Open(_) | Frame::Close { .. } => Err(PROTOCOL),
            Frame::Map { first, bits } => self.handle_has(now, key, Bitmap::parse(first, bits)),
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
            Frame::Request(range) => self.handle_request(now, key, range),
            Frame::Data(range) => self.handle_data(key, range),
            Frame::Cancel(range) => self.handle_cancel(key, range),
            Frame::Refuse { range, .. } => self.handle_refuse(now, key, range),
            Frame::Providers { locations } => self.handle_providers(now, key, locations),
            Frame::KeepAlive => Ok(()),
        }
    }
}
