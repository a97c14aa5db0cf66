//! What a stream sends: control frames first, then ranges of shards, one at a time, in parts that are
//! small enough for its rate.
//!
//! Frames are made when the socket asks for them, not before: have-news, parts of the map and parts
//! of the manifest cost no memory while they wait, and news that waits grows into one frame.
//! Payload never passes through this program: a range is a `Data` header and then places on disk,
//! which the driver gives to `sendfile`.

use super::Swarms;
use super::stream::{DATA_SIZE, State, Stream, Upload};
use super::swarm::Swarm;
use crate::limits::{FRAME_BODY_MAX, PART_SIZE_MIN, PARTS_FIRST, PARTS_PER_SECOND, RANGE_SIZE_MAX};
use crate::output::{Chunk, DiskError, Ended, Event, FileRange, StreamKey};
use crate::time::Instant;
use crate::wire::native::frame::{self, Range, RejectReason};
use crate::wire::{Frame, Network};

impl Swarms {
    /// The next thing that a stream has to send; the driver asks until there is none.
    pub fn poll_send(&mut self, now: Instant, key: StreamKey) -> Option<Chunk> {
        let stream = self.streams.get_mut(key)?;
        if stream.state == State::Dialling {
            return None;
        }
        if stream.upload.is_none() && stream.outbox().is_empty() {
            self.fill_outbox(now, key);
        }
        let stream = self.streams.get_mut(key)?;
        let Some(upload) = stream.upload else {
            let waiting = !stream.outbox().is_empty();
            stream.notified = waiting;
            return waiting.then_some(Chunk::Bytes { more: false });
        };
        let (header_left, is_exempt) = (upload.header_sent < upload.header.len(), stream.is_exempt);
        let admitted = match is_exempt {
            true => u64::MAX,
            false => self.limits.up.admits(now, key),
        };
        let stream = self.streams.get_mut(key)?;
        if admitted == 0 {
            // Its turn among those held back wakes it.
            stream.notified = false;
            return None;
        }
        if header_left {
            return Some(Chunk::Bytes { more: true });
        }
        let swarm_key = stream.swarm?;
        let manifest = self.swarms.get(swarm_key)?.manifest.as_ref()?;
        let Range {
            shard,
            offset,
            length,
        } = upload.range;
        let rest = manifest
            .segments(shard, offset + upload.sent, length - upload.sent)
            .next()?;
        let (entry, offset) = (rest.entry, rest.offset);
        Some(Chunk::File(FileRange {
            swarm: swarm_key,
            entry,
            offset,
            length: u64::from(rest.length).min(admitted) as u32,
        }))
    }

    /// The range of a file that a stream sends after the current one, if that is known: what it was
    /// asked for first, as far as it lies in one file.
    pub fn next_upload(&self, key: StreamKey) -> Option<FileRange> {
        let stream = self.streams.get(key)?;
        let swarm = stream.swarm?;
        let Range {
            shard,
            offset,
            length,
        } = *stream.peer_requests.first()?;
        let manifest = self.swarms.get(swarm)?.manifest.as_ref()?;
        let first = manifest.segments(shard, offset, length).next()?;
        let (entry, offset, length) = (first.entry, first.offset, first.length);
        Some(FileRange {
            swarm,
            entry,
            offset,
            length,
        })
    }

    /// The bytes of a stream's [`Chunk::Bytes`]; empty when it has none.
    pub fn bytes(&self, key: StreamKey) -> &[u8] {
        let Some(stream) = self.streams.get(key) else {
            return &[];
        };
        match &stream.upload {
            Some(upload) => &upload.header[upload.header_sent..],
            None => stream.outbox(),
        }
    }

    /// `count` bytes of what [`Swarms::poll_send`] gave have gone out.
    pub fn handle_sent(&mut self, now: Instant, key: StreamKey, count: u32) {
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        stream.sent_at = now;
        if !stream.is_exempt {
            self.limits.up.spend(u64::from(count));
        }
        let Some(upload) = &mut stream.upload else {
            return stream.outbox_sent(count as usize);
        };
        if upload.header_sent < upload.header.len() {
            upload.header_sent += count as usize;
            assert!(
                upload.header_sent <= upload.header.len(),
                "more of a header sent than it has"
            );
            return;
        }
        upload.sent += count;
        stream.upload_stalled = false;
        assert!(
            upload.sent <= upload.range.length,
            "more of a range sent than was asked for"
        );
        let Upload { range, sent, .. } = *upload;
        stream.sending.count(now, u64::from(count));
        self.sending.count(now, u64::from(count));
        stream.payload_sent += u64::from(count);
        if sent == range.length {
            stream.upload = None;
        }
        let Some(swarm_key) = stream.swarm else {
            return;
        };
        let Some(swarm) = self.swarms.get_mut(swarm_key) else {
            return;
        };
        swarm.sent += u64::from(count);
        let shard_length = swarm
            .manifest
            .as_ref()
            .map(|of| of.shard_length(range.shard));
        if sent == range.length && !stream.is_midway {
            if shard_length == Some(range.offset + range.length) {
                stream.offers_unsent.remove(range.shard);
            }
            self.pass_slot();
            self.offer(now, key);
            self.offer_if_idle(now, swarm_key);
        }
    }

    /// The file range that [`Swarms::poll_send`] gave cannot be sent: the header that promised it
    /// has gone out, so the stream ends. Of an entry that is not what was hashed, nothing is held
    /// any more.
    pub fn handle_unsendable(&mut self, now: Instant, key: StreamKey, error: DiskError) {
        let Some(stream) = self.streams.get(key) else {
            return;
        };
        let is_changed = matches!(
            error,
            DiskError::Changed | DiskError::Truncated | DiskError::NotFound
        );
        if let (Some(swarm_key), Some(Upload { range, sent, .. })) = (stream.swarm, stream.upload) {
            let Some(swarm) = self.swarms.get_mut(swarm_key) else {
                return;
            };
            if !is_changed {
                self.rot(now, swarm_key, range.shard);
            } else if swarm.drop_entry_at(range.shard, range.offset + sent) > 0 {
                self.events.push_back(Event::Changed { swarm: swarm_key });
                self.withdraw_if_empty(swarm_key);
                self.count_loss(now, swarm_key);
                self.check_repair(swarm_key);
            }
        }
        self.close(now, key, Ended::Lost, None);
    }

    /// Puts the next frame, if there is one, into an empty outbox, or starts an upload.
    fn fill_outbox(&mut self, now: Instant, key: StreamKey) {
        let network = self.config.network;
        loop {
            let Some(stream) = self.streams.get_mut(key) else {
                return;
            };
            let Some(swarm) = stream.swarm.and_then(|swarm| self.swarms.get_mut(swarm)) else {
                return;
            };
            let is_filled = !stream.outbox().is_empty() || stream.upload.is_some();
            if is_filled || stream.state != State::Open {
                return;
            }
            if let Some(first) = stream.map_next {
                push_map(stream, swarm, first, network);
            } else if let Some((offset, length)) = stream.manifest_wanted.take() {
                push_manifest_part(stream, swarm, offset, length, network);
            } else if has_unsent_haves(stream, swarm) && swarm.haves_at.is_none_or(|at| at <= now) {
                push_haves(stream, swarm, network);
            } else if stream.peer_requests.is_empty() {
                return;
            } else if !stream.is_midway && !self.takes_slot(key) {
                return self.plan_slot_check(now);
            } else {
                self.start_upload(now, key);
            }
        }
    }

    /// Takes up the oldest request of a stream whose turn it is, or goes on with it: as much of it as
    /// goes out in a part of a second, so that what is not sent can be taken back.
    fn start_upload(&mut self, now: Instant, key: StreamKey) {
        let network = self.config.network;
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        let Some(swarm) = stream.swarm.and_then(|swarm| self.swarms.get(swarm)) else {
            return;
        };
        let mut range = stream.peer_requests[0];
        let size = part_size(stream.sending.per_second(), range.length);
        let is_held = swarm.held.contains(range.shard);
        // A small rest goes along.
        stream.is_midway = is_held && range.length >= size + PART_SIZE_MIN;
        if stream.is_midway {
            let rest = &mut stream.peer_requests[0];
            rest.offset += size;
            rest.length -= size;
            range.length = size;
        } else {
            stream.peer_requests.remove(0);
        }
        if is_held {
            let mut header = [0; DATA_SIZE];
            Frame::Data(range).emit(network, &mut header);
            stream.upload_stalled = false;
            stream.upload = Some(Upload {
                range,
                header,
                header_sent: 0,
                sent: 0,
            });
            stream.sent_at = now;
            self.plan_slot_check(now);
        } else {
            let reason = RejectReason::Missing;
            stream.push(&Frame::Refuse { range, reason }, network);
            // If it was offered, something else is, in its place.
            stream.offers_unsent.remove(range.shard);
            self.pass_slot();
            self.offer(now, key);
        }
    }
}

/// Bytes of the next part of a range of `length` bytes, on a stream that sends `rate` bytes a second;
/// 0: not known yet.
fn part_size(rate: u64, length: u32) -> u32 {
    let size = match rate {
        0 => u64::from(length / PARTS_FIRST),
        _ => rate / PARTS_PER_SECOND,
    };
    size.clamp(PART_SIZE_MIN.into(), RANGE_SIZE_MAX.into()) as u32
}

fn push_map(stream: &mut Stream, swarm: &Swarm, first: u32, network: Network) {
    let mut bits = [0; frame::MAP_BITS_SIZE_MAX];
    let bytes_left = (swarm.shard_count() - first).div_ceil(8) as usize;
    let size = bytes_left.min(bits.len());
    swarm.emit_bitfield(first, &mut bits[..size]);
    stream.push(
        &Frame::Map {
            first,
            bits: &bits[..size],
        },
        network,
    );
    stream.map_next = (size < bytes_left).then_some(first + size as u32 * 8);
}

fn push_manifest_part(
    stream: &mut Stream,
    swarm: &Swarm,
    offset: u32,
    length: u32,
    network: Network,
) {
    let Some(manifest) = &swarm.manifest else {
        return;
    };
    let total = manifest.bytes().len();
    let start = (offset as usize).min(total);
    let end = start.saturating_add(length as usize).min(total);
    if start < end {
        let bytes = &manifest.bytes()[start..end];
        stream.push(
            &Frame::ManifestPart {
                total: total as u32,
                offset,
                bytes,
            },
            network,
        );
    }
}

/// Whether the other end could be told of shards gained: it has our map, and not these.
pub(super) fn has_unsent_haves(stream: &Stream, swarm: &Swarm) -> bool {
    stream.map_next.is_none() && stream.haves_sent < swarm.gained.len()
}

/// Tells the other end of the shards gained since it was last told; also of those that it has,
/// because it counts copies, and may have offered them.
pub(super) fn push_haves(stream: &mut Stream, swarm: &Swarm, network: Network) {
    let mut list = [0; frame::HAVE_COUNT_MAX * 4];
    const { assert!(frame::HAVE_COUNT_MAX * 4 <= FRAME_BODY_MAX) };
    let mut count = 0;
    while stream.haves_sent < swarm.gained.len() && count < frame::HAVE_COUNT_MAX {
        let shard = swarm.gained[stream.haves_sent];
        stream.haves_sent += 1;
        if swarm.held.contains(shard) {
            list[count * 4..][..4].copy_from_slice(&shard.to_be_bytes());
            count += 1;
        }
    }
    if count > 0 {
        stream.push(
            &Frame::Have {
                shards: &list[..count * 4],
            },
            network,
        );
    }
}
