//! A swarm's file on disk: hashing a share, verifying what is there, keeping what has come.
//!
//! All of it is facts in and work out, one small step each, so that the driver decides how much
//! disk work a turn of its loop does. Invariant: a shard is gained only when its hash is right and
//! its last byte is written.

use super::flight::State as FlightState;
use super::scan::{Scan, Step};
use super::stream::{State, Stream};
use super::swarm::{Found, Phase, Request, Swarm};
use super::{Queued, Swarms};
use crate::limits::{
    BAD_SHARDS_MAX, FIRST_HAVES_MAX, FLIGHTS_MAX, HAVE_DELAY, HAVE_DELAY_FIRST, SCRUB_INTERVAL,
};
use crate::output::{
    DiskError, Ended, Event, Failure, FileRange, Output, Prepared, StreamKey, SwarmKey,
};
use crate::time::Instant;
use crate::wire::Manifest;
use crate::wire::stream::CloseReason;

impl Swarms {
    /// The next range that hashing or verifying wants to read, in turn among swarms. Its bytes go
    /// to [`Swarms::handle_read`].
    pub fn poll_read(&mut self, now: Instant) -> Option<FileRange> {
        let mut place = self.read_from;
        for _ in 0..2 {
            while let Some(key) = self.swarms.key_from(place) {
                place = key.slot + 1;
                self.skip_missing(now, key);
                let Some(swarm) = self.swarms.get_mut(key) else {
                    continue;
                };
                let is_over = swarm.is_scrubbed() && self.scrub.left == 0 || swarm.is_suspended;
                let Some(mut scan) = swarm.scan.take_if(|_| !is_over) else {
                    continue;
                };
                let request = scan.request(|entry| swarm.entry_size(entry));
                swarm.scan = Some(scan);
                if let Some((entry, offset, length)) = request {
                    self.read_from = place;
                    if swarm.is_scrubbed() {
                        self.scrub.left = self.scrub.left.saturating_sub(length.into());
                    }
                    return Some(FileRange {
                        swarm: key,
                        entry,
                        offset,
                        length,
                    });
                }
            }
            place = 0;
        }
        None
    }

    /// The bytes of a range that [`Swarms::poll_read`] named, or why there are none.
    pub fn handle_read(&mut self, now: Instant, key: SwarmKey, result: Result<&[u8], DiskError>) {
        let Some(swarm) = self.swarms.get_mut(key) else {
            return;
        };
        if swarm.is_scrubbed() {
            return self.handle_scrubbed(now, key, result);
        }
        let Some(scan) = &mut swarm.scan else { return };
        if let (Err(error), Phase::Hashing) = (result, swarm.phase) {
            return self.fail(now, key, Failure::Disk(error));
        }
        if let (Err(error), Found::Kept) = (result, swarm.found) {
            // It is not what it was, or the disk fails: nothing is to be written over it.
            if error != DiskError::Failed {
                return self.fail(now, key, Failure::Disk(error));
            }
        }
        let shard = scan.shard();
        if let Step::Shard(hash) = scan.receive(result.ok()) {
            let done = scan.is_done();
            if swarm.phase == Phase::Hashing {
                swarm.hashes.extend_from_slice(&hash);
            } else {
                let right = swarm
                    .manifest
                    .as_ref()
                    .is_some_and(|of| *of.shard_hash(shard) == hash);
                if right {
                    swarm.gain(shard);
                    let is_fetched = swarm.found == Found::Partial;
                    self.schedule_haves(now, key);
                    self.announce(key);
                    if is_fetched {
                        self.count_gain(now, key, shard);
                    }
                } else if swarm.found == Found::Final {
                    return self.fail(now, key, Failure::OtherFile);
                } else if swarm.found == Found::Kept {
                    self.rot(now, key, shard);
                }
            }
            if done {
                self.scanned(now, key);
            }
        }
    }

    /// A file without bytes has nothing to read.
    pub(super) fn hash_if_empty(&mut self, now: Instant, key: SwarmKey) {
        let scan = self.swarms.get(key).and_then(|swarm| swarm.scan.as_ref());
        if scan.is_some_and(Scan::is_done) {
            self.scanned(now, key);
        }
    }

    /// Everything on disk was gone through.
    fn scanned(&mut self, now: Instant, key: SwarmKey) {
        let Some(swarm) = self.swarms.get_mut(key) else {
            return;
        };
        swarm.scan = None;
        if swarm.phase == Phase::Hashing {
            return self.hashed(now, key);
        }
        let (held, found) = (swarm.held.count(), swarm.found);
        let is_whole = swarm.is_whole();
        swarm.scrub_due_at = now + SCRUB_INTERVAL;
        self.events.push_back(Event::Resumed { swarm: key, held });
        match found {
            Found::Partial => self.start_fetching(now, key),
            _ if is_whole => self.complete(now, key, true),
            _ => self.reopen(key),
        }
    }

    /// A share has all its hashes: it gets its manifest, and is served.
    fn hashed(&mut self, now: Instant, key: SwarmKey) {
        let Some(swarm) = self.swarms.get_mut(key) else {
            return;
        };
        let Some(share) = swarm.share.take() else {
            return;
        };
        let hashes = std::mem::take(&mut swarm.hashes);
        let shard_size = Manifest::shard_size_for(share.entries.total());
        let (name, folder) = (&share.name, share.folder);
        let manifest = match Manifest::build(name, folder, share.entries, shard_size, &hashes) {
            Ok(manifest) => manifest,
            Err(error) => return self.fail(now, key, Failure::Manifest(error)),
        };
        let file = manifest.file_id();
        if self.swarms.iter().any(|(_, other)| other.is_of(file)) {
            return self.fail(now, key, Failure::Known);
        }
        let Some(swarm) = self.swarms.get_mut(key) else {
            return;
        };
        swarm.become_whole(manifest, now);
        self.events.push_back(Event::Shared { swarm: key, file });
        self.announce(key);
    }

    /// The place of a fetched file is ready, or cannot be made.
    pub fn handle_prepared(
        &mut self,
        now: Instant,
        key: SwarmKey,
        result: Result<Prepared, DiskError>,
    ) {
        let Some(swarm) = self.swarms.get_mut(key) else {
            return;
        };
        let Some(manifest) = &swarm.manifest else {
            return;
        };
        let scan = Scan::new(manifest.size(), manifest.shard_size());
        swarm.found = match result {
            Err(error) => return self.fail(now, key, Failure::Disk(error)),
            Ok(Prepared::Fresh) => {
                swarm.scrub_due_at = now + SCRUB_INTERVAL;
                return self.start_fetching(now, key);
            }
            Ok(Prepared::Journaled) => return self.start_from_journal(now, key),
            Ok(Prepared::Partial) => Found::Partial,
            Ok(Prepared::Final) => Found::Final,
            Ok(Prepared::Kept) => Found::Kept,
        };
        swarm.phase = Phase::Verifying;
        swarm.scan = Some(scan);
        self.hash_if_empty(now, key);
    }

    /// The journal proves some shards: they are served at once.
    fn start_from_journal(&mut self, now: Instant, key: SwarmKey) {
        let Some(swarm) = self.swarms.get_mut(key) else {
            return;
        };
        let durable = std::mem::take(&mut swarm.durability.durable);
        durable.iter().for_each(|shard| swarm.gain(shard));
        let held = durable.count();
        swarm.durability.durable = durable;
        self.events.push_back(Event::Resumed { swarm: key, held });
        if held > 0 {
            self.schedule_haves(now, key);
            self.announce(key);
        }
        self.start_fetching(now, key);
    }

    fn start_fetching(&mut self, now: Instant, key: SwarmKey) {
        let Some(swarm) = self.swarms.get_mut(key) else {
            return;
        };
        swarm.phase = Phase::Fetching;
        swarm.idle_since = now;
        if swarm.is_whole() {
            return self.finish(key);
        }
        swarm.flights.reserve_exact(FLIGHTS_MAX);
        self.checkpoint_if_due(now, key);
        self.ask_all(now, key);
    }

    /// A section of a shard is written, or could not be. For want of room the shard is given up and
    /// the fetch waits; any other failure ends it.
    pub fn handle_written(
        &mut self,
        now: Instant,
        key: SwarmKey,
        shard: u32,
        length: u32,
        result: Result<(), DiskError>,
    ) {
        let Some(swarm) = self.swarms.get_mut(key) else {
            return;
        };
        let is_full = result == Err(DiskError::NoSpace) && swarm.phase != Phase::Repairing;
        // None when a section before it has failed: that has ended the repair.
        let Some(flight) = swarm.flight(shard) else {
            return;
        };
        if let (Err(error), false) = (result, is_full) {
            return self.fail(now, key, Failure::Disk(error));
        }
        let source = flight.source;
        if is_full {
            flight.spoil();
        }
        let (is_settled, state) = (flight.stored(length), flight.state);
        if is_full {
            self.cancel(source, shard);
            self.pause(now, key, false);
        }
        if is_settled {
            self.landed(now, key, shard, state);
        }
    }

    /// Takes back what `source` was asked for of a shard.
    fn cancel(&mut self, source: Option<StreamKey>, shard: u32) {
        let Some((key, stream)) = source.and_then(|key| Some((key, self.streams.get_mut(key)?)))
        else {
            return;
        };
        stream.cancel(shard, self.config.network);
        self.wake(key);
    }

    /// Nothing of a shard waits for the disk any more.
    fn landed(&mut self, now: Instant, key: SwarmKey, shard: u32, state: FlightState) {
        if state == FlightState::Wrong {
            return self.judge(now, key, shard);
        }
        let Some(swarm) = self.swarms.get_mut(key) else {
            return;
        };
        if state == FlightState::Spoiled {
            swarm.land(shard);
            return self.ask_all(now, key);
        }
        let source = swarm.flight(shard).and_then(|flight| flight.source);
        if let Some(source) = source {
            swarm.providers.proved(source);
        }
        swarm.land(shard);
        swarm.gain(shard);
        let is_repaired = swarm.phase == Phase::Repairing;
        self.schedule_haves(now, key);
        self.announce(key);
        match is_repaired {
            true => self.note_repaired(key, shard),
            false => self.count_gain(now, key, shard),
        }
        self.found_room(now, key, false);
        if self.swarms.get(key).is_some_and(Swarm::wants_nothing) {
            self.finish(key);
        }
    }

    /// A shard came whole and is wrong: who sent it all is to blame; if several did, it comes again
    /// from one.
    fn judge(&mut self, now: Instant, key: SwarmKey, shard: u32) {
        let Some(swarm) = self.swarms.get_mut(key) else {
            return;
        };
        let Some(flight) = swarm.flight(shard) else {
            return;
        };
        if flight.mixed {
            flight.restart_whole();
            return self.ask_all(now, key);
        }
        let source = flight.source;
        let mut from = flight.sender;
        swarm.land(shard);
        let mut banned = false;
        if let Some(stream) = source.and_then(|source| self.streams.get_mut(source)) {
            from = stream.location.unwrap_or(stream.address);
            lacks(swarm, stream, shard);
            stream.bad_shards += 1;
            banned = stream.bad_shards >= BAD_SHARDS_MAX;
        }
        self.counters.corrupt += 1;
        self.events.push_back(Event::Corrupt {
            swarm: key,
            shard,
            from,
        });
        if let (true, Some(source)) = (banned, source) {
            self.close(now, source, Ended::Corrupt, Some(CloseReason::Corrupt));
        }
        self.ask_all(now, key);
        self.give_up_if_hopeless(now, key, false);
    }

    /// Has others told of gained shards, soon: the later, the more of them there are to tell.
    fn schedule_haves(&mut self, now: Instant, key: SwarmKey) {
        let of_swarm = |stream: &Stream| stream.swarm == Some(key);
        let streams = self.streams.iter().filter(|(_, stream)| of_swarm(stream));
        let count = streams.count() as u32;
        if let Some(swarm) = self.swarms.get_mut(key) {
            let is_first = swarm.gained.len() <= FIRST_HAVES_MAX;
            let delay = if is_first {
                HAVE_DELAY_FIRST
            } else {
                HAVE_DELAY
            } * count;
            swarm.haves_at.get_or_insert(now + delay);
        }
    }

    pub(super) fn finish(&mut self, key: SwarmKey) {
        let Some(swarm) = self.swarms.get_mut(key) else {
            return;
        };
        swarm.phase = Phase::Finishing;
        if swarm.pause.take().is_some() {
            // What waited for room was the journal, which nobody needs any more.
            self.events.push_back(Event::Continued { swarm: key });
        }
        // A checkpoint that is under way comes first: the disk does one thing of a swarm at a time.
        if !swarm.durability.is_busy() {
            self.push_finish(key);
        }
    }

    pub(super) fn push_finish(&mut self, key: SwarmKey) {
        self.outputs.push_back(Queued {
            output: Output::Finish(key),
            goodbye: None,
        });
    }

    /// The file stands under its final name, or could not be put there.
    pub fn handle_finished(&mut self, now: Instant, key: SwarmKey, result: Result<(), DiskError>) {
        if self.conclude_repair(now, key, result) {
            return;
        }
        match result {
            Ok(()) => self.complete(now, key, false),
            Err(error) => self.fail(now, key, Failure::Disk(error)),
        }
    }

    fn complete(&mut self, now: Instant, key: SwarmKey, already: bool) {
        let Some(swarm) = self.swarms.get_mut(key) else {
            return;
        };
        (swarm.phase, swarm.found) = (Phase::Complete, Found::Final);
        swarm.flights = Vec::new();
        self.events.push_back(Event::Complete {
            swarm: key,
            already,
        });
        self.announce(key);
        // What went bad while the file got its name.
        self.reopen(key);
        let mut place = 0;
        while let Some(stream) = self.stream_from(key, place) {
            place = stream.slot + 1;
            self.close_if_done(now, stream);
        }
    }

    /// Closes a stream between two nodes that both have every shard.
    pub(super) fn close_if_done(&mut self, now: Instant, key: StreamKey) {
        let Some(stream) = self.streams.get(key) else {
            return;
        };
        let Some(swarm) = stream.swarm.and_then(|swarm| self.swarms.get(swarm)) else {
            return;
        };
        let other_whole = stream.has_all
            || (swarm.shard_count() > 0 && stream.has.count() == swarm.shard_count());
        let whole = swarm.phase == Phase::Complete && other_whole;
        if whole && stream.state == State::Open && stream.upload.is_none() {
            self.close(now, key, Ended::Done, Some(CloseReason::Done));
        }
    }

    /// Ends the announcement of a file of which nothing is held any more.
    pub(super) fn withdraw_if_empty(&mut self, key: SwarmKey) {
        let Some(swarm) = self.swarms.get_mut(key) else {
            return;
        };
        if let (true, 0, Some(file)) = (swarm.announced, swarm.held.count(), swarm.file) {
            swarm.announced = false;
            self.requests.push_back(Request::Withdraw(file));
        }
    }

    /// Has this node announced as a provider, once it has something to provide.
    pub(super) fn announce(&mut self, key: SwarmKey) {
        let Some(swarm) = self.swarms.get_mut(key) else {
            return;
        };
        if let (false, false, Some(file)) = (swarm.announced, swarm.is_suspended, swarm.file) {
            swarm.announced = true;
            self.requests.push_back(Request::Provide(file));
        }
    }
}

/// The other end of a stream lacks `shard`, whatever it said.
pub(super) fn lacks(swarm: &mut Swarm, stream: &mut Stream, shard: u32) {
    if stream.has_all {
        stream.has_all = false;
        for shard in 0..swarm.shard_count() {
            stream.has.insert(shard);
            swarm.copies[shard as usize] += 1;
        }
    }
    if stream.has.remove(shard) {
        swarm.copies[shard as usize] = swarm.copies[shard as usize].saturating_sub(1);
    }
}
