//! What the other end of a stream has, asks for, sends and refuses.

use super::Swarms;
use super::receive::{Fault, PROTOCOL};
use super::stream::{Claim, Incoming};
use crate::limits::SHARD_COUNT_MAX;
use crate::output::StreamKey;
use crate::time::Instant;
use crate::wire::frame::{Range, Refusal};
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
                stream.unsent.remove(shard);
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
            Some(Refusal::Missing)
        } else {
            stream
                .wanted
                .try_push(range)
                .is_err()
                .then_some(Refusal::Busy)
        };
        if let Some(reason) = reason {
            self.refuse(key, range, reason);
            return Ok(());
        }
        self.wake(key);
        Ok(())
    }

    fn refuse(&mut self, key: StreamKey, range: Range, reason: Refusal) {
        if let Some(stream) = self.streams.get_mut(key) {
            stream.push(&Frame::Refuse { range, reason }, self.config.network);
            self.wake(key);
        }
    }

    pub(super) fn handle_cancel(&mut self, key: StreamKey, range: Range) -> Result<(), Fault> {
        let Some(stream) = self.streams.get_mut(key) else {
            return Ok(());
        };
        let Some(place) = stream.wanted.iter().position(|wanted| *wanted == range) else {
            return Ok(());
        };
        stream.wanted.remove(place);
        if stream.wanted.is_empty() {
            self.leave_line(key);
        }
        self.refuse(key, range, Refusal::Cancelled);
        Ok(())
    }

    pub(super) fn handle_data(&mut self, key: StreamKey, range: Range) -> Result<(), Fault> {
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
        let dropped = asked.claim == Claim::Dropped || flight.is_none();
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
            .asked
            .iter()
            .position(|asked| asked.range == range)
            .ok_or(PROTOCOL)?;
        let asked = stream.asked.remove(place);
        stream.waiting_since = now;
        if !stream.is_exempt {
            self.paces.down.refund(range.length.into());
        }
        let swarm_key = stream.swarm.ok_or(PROTOCOL)?;
        let Some(swarm) = self.swarms.get_mut(swarm_key) else {
            return Err(PROTOCOL);
        };
        if asked.claim != Claim::Dropped {
            if asked.claim == Claim::Wanted {
                // Whatever the reason: asking again at once would go round in circles.
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
}
