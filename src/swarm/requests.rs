//! What the other end of a stream has, asks for, sends and refuses.

use super::Swarms;
use super::flight::Reclaim;
use super::receive::{Fault, PROTOCOL};
use super::stream::{Claim, Incoming, Outstanding};
use crate::limits::{PART_SIZE_MIN, SHARD_COUNT_MAX};
use crate::output::StreamKey;
use crate::time::Instant;
use crate::wire::stream::{Range, RejectReason};
use crate::wire::{Frame, Manifest};

impl Swarms {
    pub(super) fn handle_has(
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
                stream.offers_unsent.remove(shard);
                if let (false, Some(copies)) = (counted, swarm.copies.get_mut(shard as usize)) {
                    *copies = copies.saturating_add(1);
                }
            }
        }
        if let Some(swarm) = stream.swarm {
            self.ask_manifest(now, swarm);
        }
        self.offer(now, key);
        self.ask(now, key);
        self.close_if_done(now, key);
        Ok(())
    }

    pub(super) fn handle_request(
        &mut self,
        now: Instant,
        key: StreamKey,
        range: Range,
    ) -> Result<(), Fault> {
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
        stream.round_trip.handle_request(now, range.shard);
        let reason = if !swarm.held.contains(range.shard) {
            // If it was offered, something else is, in its place.
            stream.offers_unsent.remove(range.shard);
            Some(RejectReason::Missing)
        } else {
            stream
                .peer_requests
                .try_push(range)
                .is_err()
                .then_some(RejectReason::Busy)
        };
        if let Some(reason) = reason {
            self.refuse(key, range, reason);
            self.offer(now, key);
            return Ok(());
        }
        self.wake(key);
        Ok(())
    }

    fn refuse(&mut self, key: StreamKey, range: Range, reason: RejectReason) {
        if let Some(stream) = self.streams.get_mut(key) {
            stream.push(&Frame::Refuse { range, reason }, self.config.network);
            self.wake(key);
        }
    }

    pub(super) fn handle_cancel(&mut self, key: StreamKey, range: Range) -> Result<(), Fault> {
        let Some(stream) = self.streams.get_mut(key) else {
            return Ok(());
        };
        let Some(place) = stream
            .peer_requests
            .iter()
            .position(|of| is_rest(*of, range))
        else {
            return Ok(());
        };
        let rest = stream.peer_requests.remove(place);
        let was_midway = place == 0 && std::mem::take(&mut stream.is_midway);
        if stream.peer_requests.is_empty() {
            self.leave_queue(key);
        }
        if was_midway {
            self.pass_slot();
        }
        self.refuse(key, rest, RejectReason::Cancelled);
        Ok(())
    }

    pub(super) fn handle_data(&mut self, key: StreamKey, range: Range) -> Result<(), Fault> {
        let Some(stream) = self.streams.get_mut(key) else {
            return Ok(());
        };
        let is_outstanding = |asked: &Outstanding| starts(asked.range, range);
        let place = stream
            .outstanding
            .iter()
            .position(is_outstanding)
            .ok_or(PROTOCOL)?;
        let asked = stream.outstanding[place];
        if asked.range == range {
            stream.outstanding.remove(place);
        } else {
            let rest = &mut stream.outstanding[place].range;
            rest.offset += range.length;
            rest.length -= range.length;
        }
        let swarm = stream
            .swarm
            .and_then(|swarm| self.swarms.get_mut(swarm))
            .ok_or(PROTOCOL)?;
        let flight = swarm
            .flight(range.shard)
            .filter(|flight| flight.source == Some(key));
        let dropped = asked.claim == Claim::Dropped || flight.is_none();
        if !dropped && flight.is_some_and(|flight| !flight.awaits(range)) {
            return Err(PROTOCOL);
        }
        stream.incoming = Some(Incoming {
            range,
            received: 0,
            dropped,
        });
        Ok(())
    }

    pub(super) fn handle_refuse(
        &mut self,
        now: Instant,
        key: StreamKey,
        range: Range,
    ) -> Result<(), Fault> {
        let Some(stream) = self.streams.get_mut(key) else {
            return Ok(());
        };
        let place = stream
            .outstanding
            .iter()
            .position(|asked| asked.range == range)
            .ok_or(PROTOCOL)?;
        let asked = stream.outstanding.remove(place);
        stream.waiting_since = now;
        if !stream.is_exempt {
            self.limits.down.refund(range.length.into());
        }
        let swarm_key = stream.swarm.ok_or(PROTOCOL)?;
        let Some(swarm) = self.swarms.get_mut(swarm_key) else {
            return Err(PROTOCOL);
        };
        if asked.claim != Claim::Dropped {
            if asked.claim == Claim::Wanted {
                // Whatever the reason: asking again at once would go round in circles.
                super::verify::lacks(swarm, stream, range.shard);
            }
            stream.cancel_from(range.shard, range.offset, self.config.network);
            let flight = swarm.flight(range.shard);
            if let Some(flight) = flight.filter(|of| of.source == Some(key)) {
                let left = Reclaim {
                    at: now,
                    successor: key,
                };
                flight.reclaim.get_or_insert(left);
                flight.give_back(range.offset);
            }
        }
        self.release_if_left(now, key, swarm_key, range.shard);
        self.ask_all(now, swarm_key);
        Ok(())
    }
}

/// Whether `rest` is what is left of `range`, all of it perhaps.
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
