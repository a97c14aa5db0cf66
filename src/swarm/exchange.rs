//! Requests and their answers: which shards the other end of a stream has, what it requests, sends
//! and rejects.

use super::flight::Reclaim;
use super::scope::{Fault, Scope, Section};
use super::session::Message;
use super::stream::{Claim, Incoming, Outstanding};
use crate::bitmap::Bitmap;
use crate::limits::{PART_SIZE_MIN, SHARD_COUNT_MAX};
use crate::output::{Ended, StreamKey};
use crate::wire::stream::{self, Range, RejectReason};

impl Scope<'_> {
    /// A message of an open stream.
    pub fn handle_message(&mut self, key: StreamKey, message: Message<'_>) -> Result<(), Fault> {
        match message {
            Message::Hello(_) | Message::Close(_) => return Err(Ended::Protocol.into()),
            Message::Bitfield { first, bits } => {
                self.handle_shards(key, Bitmap::parse(first, bits))?
            }
            Message::Have { shards } => self.handle_shards(key, stream::shards(shards))?,
            Message::Request(range) => self.handle_request(key, range)?,
            Message::Cancel(range) => self.handle_cancel(key, range),
            Message::Data(range) => self.handle_data(key, range)?,
            Message::Reject { range, .. } => self.handle_reject(key, range)?,
            Message::ManifestRequest { offset, length } => {
                if let Some(stream) = self.streams.get_mut(key) {
                    stream.upload.manifest_request = Some((offset, length));
                    self.shared.wake(key, stream);
                }
            }
            Message::Manifest {
                total,
                offset,
                bytes,
            } => self.handle_manifest_part(key, total, offset, bytes)?,
            Message::Peers { locations } => self.handle_peers(locations),
            Message::KeepAlive => {}
        }
        Ok(())
    }

    fn handle_shards(
        &mut self,
        key: StreamKey,
        shards: impl Iterator<Item = u32>,
    ) -> Result<(), Fault> {
        let Some(stream) = self.streams.get_mut(key) else {
            return Ok(());
        };
        let end = match self.swarm.content.manifest {
            Some(_) => self.swarm.shard_count(),
            None => SHARD_COUNT_MAX,
        };
        for shard in shards {
            if shard >= end {
                return Err(Ended::Protocol.into());
            }
            if !stream.shards.all && stream.shards.some.insert(shard) {
                stream.offers.unsent.remove(shard);
                // An offer counts as a copy.
                if !stream.offers.offered.remove(shard) {
                    self.swarm.copies.add(shard);
                }
            }
        }
        self.request_manifest();
        self.offer(key);
        self.request(key);
        self.close_if_done(key);
        Ok(())
    }

    fn handle_request(&mut self, key: StreamKey, range: Range) -> Result<(), Fault> {
        let Some(stream) = self.streams.get_mut(key) else {
            return Ok(());
        };
        let content = &self.swarm.content;
        let end = u64::from(range.offset) + u64::from(range.length);
        let is_shard = range.shard < content.shard_count();
        if !is_shard || end > u64::from(content.shard_length(range.shard)) {
            return Err(Ended::Protocol.into());
        }
        stream.round_trip.handle_request(self.now, range.shard);
        let reason = if !self.swarm.held.contains(range.shard) {
            // If it was offered, another is, in its place.
            stream.offers.unsent.remove(range.shard);
            Some(RejectReason::Missing)
        } else {
            let queued = stream.upload.peer_requests.try_push(range);
            queued.is_err().then_some(RejectReason::Busy)
        };
        if let Some(reason) = reason {
            stream.session.send(&Message::Reject { range, reason });
        }
        self.shared.wake(key, stream);
        if reason.is_some() {
            self.offer(key);
        }
        Ok(())
    }

    fn handle_cancel(&mut self, key: StreamKey, range: Range) {
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        let upload = &mut stream.upload;
        let Some(index) = upload
            .peer_requests
            .iter()
            .position(|of| is_rest(*of, range))
        else {
            return;
        };
        let range = upload.peer_requests.remove(index);
        let was_midway = index == 0 && std::mem::take(&mut upload.is_midway);
        if upload.peer_requests.is_empty() {
            self.shared.slots.leave(key);
        }
        if was_midway {
            self.shared.pass_slot(self.streams);
        }
        if let Some(stream) = self.streams.get_mut(key) {
            let reason = RejectReason::Cancelled;
            stream.session.send(&Message::Reject { range, reason });
            self.shared.wake(key, stream);
        }
    }

    /// The payload of `range` follows.
    fn handle_data(&mut self, key: StreamKey, range: Range) -> Result<(), Fault> {
        let Some(stream) = self.streams.get_mut(key) else {
            return Ok(());
        };
        let outstanding = &mut stream.download.outstanding;
        let begins = |of: &Outstanding| starts(of.range, range);
        let index = outstanding.iter().position(begins).ok_or(Ended::Protocol)?;
        let requested = outstanding[index];
        if requested.range == range {
            outstanding.remove(index);
        } else {
            let rest = &mut outstanding[index].range;
            rest.offset += range.length;
            rest.length -= range.length;
        }
        let flight = self.swarm.flights.of_source(range.shard, key);
        let is_dropped = requested.claim == Claim::Dropped || flight.is_none();
        if !is_dropped && flight.is_some_and(|flight| !flight.awaits(range)) {
            return Err(Ended::Protocol.into());
        }
        stream.download.incoming = Some(Incoming {
            range,
            received: 0,
            is_dropped,
        });
        Ok(())
    }

    /// Takes payload in, which begins at `start` of the driver's buffer: at most to the end of its
    /// range. How many bytes that were.
    pub fn handle_payload(&mut self, key: StreamKey, start: usize, bytes: &[u8]) -> usize {
        let Some(stream) = self.streams.get_mut(key) else {
            return bytes.len();
        };
        let Some(incoming) = &mut stream.download.incoming else {
            return 0;
        };
        let left = (incoming.range.length - incoming.received) as usize;
        let count = bytes.len().min(left);
        let range = Range {
            offset: incoming.range.offset + incoming.received,
            length: count as u32,
            ..incoming.range
        };
        incoming.received += count as u32;
        let is_dropped = incoming.is_dropped;
        let is_end = count == left;
        if is_end {
            stream.download.incoming = None;
        }
        stream.download.waiting_since = self.now;
        stream.download.rate.count(self.now, count as u64);
        stream.download.received += count as u64;
        if !is_dropped {
            self.keep_payload(key, start as u32, range, &bytes[..count]);
        }
        if is_end {
            self.release_if_left(key, range.shard);
            self.request(key);
        }
        count
    }

    /// Hashes payload where it lies, and notes it as a section to be written.
    fn keep_payload(&mut self, key: StreamKey, start: u32, range: Range, bytes: &[u8]) {
        self.swarm.received += bytes.len() as u64;
        self.swarm.discovery.idle_since = self.now;
        let flight = self.swarm.flights.of_source(range.shard, key);
        if let (Some(flight), Some(manifest)) = (flight, &self.swarm.content.manifest) {
            flight.receive(bytes, manifest.shard_hash(range.shard));
            self.shared.writes.push_back(Section {
                swarm: self.key,
                range,
                start,
            });
        }
    }

    fn handle_reject(&mut self, key: StreamKey, range: Range) -> Result<(), Fault> {
        let Some(stream) = self.streams.get_mut(key) else {
            return Ok(());
        };
        let outstanding = &mut stream.download.outstanding;
        let index = outstanding.iter().position(|of| of.range == range);
        let requested = outstanding.remove(index.ok_or(Ended::Protocol)?);
        stream.download.waiting_since = self.now;
        if !stream.is_exempt {
            self.shared.limits.down.refund(range.length.into());
        }
        if requested.claim != Claim::Dropped {
            if requested.claim == Claim::Wanted {
                // Any reason counts: the same request again at once would go round in circles.
                self.swarm.note_lack(&mut stream.shards, range.shard);
            }
            stream.cancel_from(range.shard, range.offset);
            if let Some(flight) = self.swarm.flights.of_source(range.shard, key) {
                let (at, successor) = (self.now, key);
                flight.reclaim.get_or_insert(Reclaim { at, successor });
                flight.give_back(range.offset);
            }
        }
        self.release_if_left(key, range.shard);
        self.request_all();
        Ok(())
    }
}

/// Whether `rest` is what is left of `range`, perhaps all of it.
fn is_rest(rest: Range, range: Range) -> bool {
    let ends_alike = rest.offset + rest.length == range.offset + range.length;
    rest.shard == range.shard && rest.offset >= range.offset && ends_alike
}

/// Whether `part` is the beginning of `range`, and not too small a part of it.
fn starts(range: Range, part: Range) -> bool {
    let is_part = (PART_SIZE_MIN..range.length).contains(&part.length);
    (range.shard, range.offset) == (part.shard, part.offset)
        && (is_part || part.length == range.length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(shard: u32, offset: u32, length: u32) -> Range {
        Range {
            shard,
            offset,
            length,
        }
    }

    #[test]
    fn a_part_begins_where_the_range_does_and_only_the_last_is_small() {
        let asked = range(7, 8_192, 16_384);
        for length in [PART_SIZE_MIN, 16_383, 16_384] {
            assert!(starts(asked, range(7, 8_192, length)), "{length}");
        }
        for part in [
            range(7, 8_192, PART_SIZE_MIN - 1),
            range(7, 8_192, 16_385),
            range(7, 8_193, 8_192),
            range(8, 8_192, 8_192),
        ] {
            assert!(!starts(asked, part), "{part:?}");
        }
        assert!(starts(range(7, 0, 1), range(7, 0, 1)));
    }

    #[test]
    fn a_cancelled_range_takes_its_rest_along_and_nothing_else() {
        let asked = range(7, 8_192, 16_384);
        assert!(is_rest(asked, asked) && is_rest(range(7, 24_575, 1), asked));
        for other in [
            range(7, 24_576, 8_192),
            range(7, 4_096, 20_480),
            range(7, 8_192, 8_192),
            range(6, 16_384, 8_192),
        ] {
            assert!(!is_rest(other, asked), "{other:?}");
        }
    }
}
