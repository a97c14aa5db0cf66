//! Sending on a stream: messages first, then ranges of shards, one at a time, in parts that are
//! small enough for its rate.
//!
//! Messages are made when the socket asks for them, not before: announcements and parts of the
//! bitfield and the manifest cost no memory while they wait. Payload never passes through this
//! program: a range is a header and then ranges of files on disk, which the driver gives to
//! `sendfile`.

use super::scope::Scope;
use super::session::{MAP_BITS_SIZE_MAX, Message};
use super::state::Swarm;
use super::stream::{Sending, State, Stream};
use crate::limits::{PART_SIZE_MIN, PARTS_FIRST, PARTS_PER_SECOND, RANGE_SIZE_MAX};
use crate::output::{Chunk, DiskError, Ended, Event, FileRange, StreamKey, SwarmKey};
use crate::wire::stream::{Range, RejectReason};

impl Swarm {
    /// The first part of a range of a shard, as far as it lies in one file.
    pub fn file_range(&self, key: SwarmKey, range: Range) -> Option<FileRange> {
        let manifest = self.content.manifest.as_ref()?;
        let mut segments = manifest.segments(range.shard, range.offset, range.length);
        let first = segments.next()?;
        Some(FileRange {
            swarm: key,
            entry: first.entry,
            offset: first.offset,
            length: first.length,
        })
    }
}

impl Scope<'_> {
    /// The next thing that a stream has to send.
    pub fn poll_send(&mut self, key: StreamKey) -> Option<Chunk> {
        self.fill_outbox(key);
        let stream = self.streams.get_mut(key)?;
        let Some(sending) = &stream.upload.sending else {
            return stream.poll_outbox();
        };
        let admitted = match stream.is_exempt {
            true => u64::MAX,
            false => self.shared.limits.up.admits(self.now, key),
        };
        if admitted == 0 {
            // The rate limiter wakes it.
            stream.is_notified = false;
            return None;
        }
        if sending.header_sent < sending.header.len() {
            return Some(Chunk::Bytes { more: true });
        }
        let rest = Range {
            offset: sending.range.offset + sending.sent,
            length: sending.range.length - sending.sent,
            ..sending.range
        };
        let range = self.swarm.file_range(self.key, rest)?;
        Some(Chunk::File(FileRange {
            length: u64::from(range.length).min(admitted) as u32,
            ..range
        }))
    }

    /// `count` bytes of payload have gone out.
    pub fn handle_payload_sent(&mut self, key: StreamKey, count: u32) {
        self.swarm.sent += u64::from(count);
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        let upload = &mut stream.upload;
        let Some(sending) = &mut upload.sending else {
            return;
        };
        sending.sent += count;
        let (range, sent) = (sending.range, sending.sent);
        assert!(sent <= range.length, "more of a range sent than requested");
        upload.is_stalled = false;
        upload.rate.count(self.now, u64::from(count));
        upload.sent += u64::from(count);
        self.shared.sending.count(self.now, u64::from(count));
        if sent < range.length {
            return;
        }
        upload.sending = None;
        if !upload.is_midway {
            if self.swarm.content.shard_length(range.shard) == range.offset + range.length {
                stream.offers.unsent.remove(range.shard);
            }
            self.shared.pass_slot(self.streams);
            self.offer(key);
            self.offer_if_idle();
        }
    }

    /// The file range that a stream was to send cannot be read: the header that promised it has
    /// gone out, so the stream ends. Of an entry that is not what was hashed, nothing is held any
    /// more.
    pub fn handle_unsendable(&mut self, key: StreamKey, error: DiskError) {
        let is_changed = matches!(
            error,
            DiskError::Changed | DiskError::Truncated | DiskError::NotFound
        );
        let stream = self.streams.get(key);
        if let Some(sending) = stream.and_then(|stream| stream.upload.sending.as_ref()) {
            let (shard, offset) = (sending.range.shard, sending.range.offset + sending.sent);
            match is_changed {
                true => self.drop_changed(shard, offset),
                false => self.rot(shard),
            }
        }
        self.close(key, Ended::Lost);
    }

    /// The entry that has the byte at `offset` of `shard` is not what was hashed.
    fn drop_changed(&mut self, shard: u32, offset: u32) {
        let byte = Range {
            shard,
            offset,
            length: 1,
        };
        let range = self.swarm.file_range(self.key, byte);
        if range.is_some_and(|range| self.swarm.drop_entry(range.entry) > 0) {
            let swarm = self.key;
            self.push_event(Event::Changed { swarm });
            self.withdraw_if_empty();
            self.count_loss();
            self.check_repair();
        }
    }

    /// Puts the next message, if there is one, into an empty outbox, or starts an upload.
    fn fill_outbox(&mut self, key: StreamKey) {
        loop {
            let Some(stream) = self.streams.get_mut(key) else {
                return;
            };
            if stream.is_sending() || stream.state != State::Open {
                return;
            }
            let swarm = &mut *self.swarm;
            let are_haves_due = swarm.haves.due_at.is_none_or(|at| at <= self.now);
            if let Some(first) = stream.upload.bitfield_next {
                stream.send_bitfield(swarm, first);
            } else if let Some((offset, length)) = stream.upload.manifest_request.take() {
                stream.send_manifest(swarm, offset, length);
            } else if are_haves_due && stream.has_unsent_haves(swarm) {
                stream.send_haves(swarm);
            } else if stream.upload.peer_requests.is_empty() {
                return;
            } else if !stream.upload.is_midway && !self.shared.slots.take(key, self.streams) {
                return self.shared.slots.plan_check(self.now, self.streams);
            } else {
                self.start_upload(key);
            }
        }
    }

    /// Takes up the oldest request of a stream that has a slot, or continues with it: as much of it
    /// as goes out in a part of a second, so that what is not sent can be cancelled.
    fn start_upload(&mut self, key: StreamKey) {
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        let upload = &mut stream.upload;
        let mut range = upload.peer_requests[0];
        let size = part_size(upload.rate.per_second(), range.length);
        let is_held = self.swarm.held.contains(range.shard);
        // A small rest goes along.
        upload.is_midway = is_held && range.length >= size + PART_SIZE_MIN;
        if upload.is_midway {
            let rest = &mut upload.peer_requests[0];
            rest.offset += size;
            rest.length -= size;
            range.length = size;
        } else {
            upload.peer_requests.remove(0);
        }
        if is_held {
            upload.is_stalled = false;
            upload.sending = Some(Sending {
                range,
                header: stream.session.payload_header(range),
                header_sent: 0,
                sent: 0,
            });
            stream.sent_at = self.now;
            self.shared.slots.plan_check(self.now, self.streams);
        } else {
            let reason = RejectReason::Missing;
            stream.session.send(&Message::Reject { range, reason });
            // If it was offered, another is, in its place.
            stream.offers.unsent.remove(range.shard);
            self.shared.pass_slot(self.streams);
            self.offer(key);
        }
    }
}

impl Stream {
    fn send_bitfield(&mut self, swarm: &Swarm, first: u32) {
        let mut bits = [0; MAP_BITS_SIZE_MAX];
        let bytes_left = (swarm.shard_count() - first).div_ceil(8) as usize;
        let size = bytes_left.min(bits.len());
        let bits = &mut bits[..size];
        swarm.emit_bitfield(first, bits);
        self.session.send(&Message::Bitfield { first, bits });
        self.upload.bitfield_next = (size < bytes_left).then_some(first + size as u32 * 8);
    }

    fn send_manifest(&mut self, swarm: &Swarm, offset: u32, length: u32) {
        let Some(manifest) = &swarm.content.manifest else {
            return;
        };
        let total = manifest.bytes().len();
        let start = (offset as usize).min(total);
        let end = start.saturating_add(length as usize).min(total);
        if start < end {
            self.session.send(&Message::Manifest {
                total: total as u32,
                offset,
                bytes: &manifest.bytes()[start..end],
            });
        }
    }
}

/// Bytes of the next part of a range of `length` bytes, on a stream that sends `rate` bytes a
/// second; 0: not known yet.
fn part_size(rate: u64, length: u32) -> u32 {
    let size = match rate {
        0 => u64::from(length / PARTS_FIRST),
        _ => rate / PARTS_PER_SECOND,
    };
    size.clamp(PART_SIZE_MIN.into(), RANGE_SIZE_MAX.into()) as u32
}
