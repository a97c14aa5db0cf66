//! A swarm's file on disk: hashing a share, verifying what is there, keeping what has come.
//!
//! All of it is facts in and work out, one small step each, so that the driver decides how much
//! disk work a turn of its loop does. Invariant: a shard is gained only when its hash is right and
//! its last byte is written.

use super::content::Found;
use super::flight::State as FlightState;
use super::scan::{Scan, Step};
use super::scope::Scope;
use super::state::Phase;
use crate::bitmap::Bitmap;
use crate::limits::{BAD_SHARDS_MAX, SCRUB_INTERVAL};
use crate::output::{DiskError, Ended, Event, Failure, Output, Prepared, StreamKey};
use crate::wire::Manifest;

impl Scope<'_> {
    /// Takes in the files that the driver has found.
    pub fn handle_prepared(&mut self, result: Result<Prepared, DiskError>) {
        let Some(manifest) = &self.swarm.content.manifest else {
            return;
        };
        let scan = Scan::new(manifest.size(), manifest.shard_size());
        self.swarm.content.found = match result {
            Err(error) => return self.fail(Failure::Disk(error)),
            Ok(Prepared::Fresh) => {
                self.swarm.scrub_due_at = self.now + SCRUB_INTERVAL;
                return self.start_fetching();
            }
            Ok(Prepared::Partial) => Found::Partial,
            Ok(Prepared::Final) => Found::Final,
            Ok(Prepared::Kept) => Found::Kept,
        };
        self.swarm.phase = Phase::Verifying;
        // A file without bytes has nothing to read.
        let is_done = scan.is_done();
        self.swarm.scan = Some(scan);
        if is_done {
            self.verified();
        }
    }

    /// The journal proves some shards: they are served at once.
    pub fn handle_journaled(&mut self, durable: &Bitmap) {
        if self.swarm.content.manifest.is_none() {
            return;
        }
        let shard_count = self.swarm.shard_count();
        for shard in durable.iter().take_while(|&shard| shard < shard_count) {
            self.swarm.durability.durable.insert(shard);
            self.swarm.gain(shard);
        }
        let (swarm, held) = (self.key, self.swarm.durability.durable.count());
        self.push_event(Event::Resumed { swarm, held });
        if held > 0 {
            self.schedule_haves();
            self.announce();
        }
        self.start_fetching();
    }

    fn start_fetching(&mut self) {
        self.swarm.phase = Phase::Fetching;
        self.swarm.discovery.idle_since = self.now;
        if self.swarm.is_whole() {
            return self.finish();
        }
        self.swarm.flights.reserve();
        self.checkpoint_if_due();
        self.request_all();
    }

    /// The bytes of a range that hashing, verifying or scrubbing reads, or why there are none. The
    /// manifest, when they were the last of a share.
    pub fn handle_read(&mut self, result: Result<&[u8], DiskError>) -> Option<Manifest> {
        if self.swarm.is_scrubbed() {
            self.handle_scrubbed(result);
            return None;
        }
        let swarm = &mut *self.swarm;
        let scan = swarm.scan.as_mut()?;
        if let Err(error) = result {
            // A finished file of ours is not what it was, or the disk fails: nothing is to be
            // written over it.
            let is_kept = swarm.content.found == Found::Kept && error != DiskError::Failed;
            if swarm.phase == Phase::Hashing || is_kept {
                self.fail(Failure::Disk(error));
                return None;
            }
        }
        let shard = scan.shard();
        let Step::Shard(hash) = scan.receive(result.ok()) else {
            return None;
        };
        let is_done = scan.is_done();
        if swarm.phase == Phase::Hashing {
            swarm.content.hashes.extend_from_slice(&hash);
            return is_done.then(|| self.hashed()).flatten();
        }
        self.handle_verified(shard, hash);
        if is_done && self.swarm.phase == Phase::Verifying {
            self.verified();
        }
        None
    }

    /// A shard on disk has this hash.
    fn handle_verified(&mut self, shard: u32, hash: [u8; 20]) {
        let manifest = self.swarm.content.manifest.as_ref();
        let is_right = manifest.is_some_and(|of| *of.shard_hash(shard) == hash);
        match (is_right, self.swarm.content.found) {
            (true, found) => {
                self.swarm.gain(shard);
                self.schedule_haves();
                self.announce();
                if found == Found::Partial {
                    self.count_gain(shard);
                }
            }
            (false, Found::Final) => self.fail(Failure::OtherFile),
            (false, Found::Kept) => self.rot(shard),
            (false, Found::Partial) => {}
        }
    }

    /// Everything on disk is verified.
    fn verified(&mut self) {
        self.swarm.scan = None;
        self.swarm.scrub_due_at = self.now + SCRUB_INTERVAL;
        let (swarm, held) = (self.key, self.swarm.held.count());
        self.push_event(Event::Resumed { swarm, held });
        match self.swarm.content.found {
            Found::Partial => self.start_fetching(),
            _ if self.swarm.is_whole() => self.complete(true),
            _ => self.reopen(),
        }
    }

    /// A share has all its hashes: its manifest.
    pub fn hashed(&mut self) -> Option<Manifest> {
        self.swarm.scan = None;
        let content = &mut self.swarm.content;
        let share = content.share.take()?;
        let hashes = std::mem::take(&mut content.hashes);
        let shard_size = Manifest::shard_size_for(share.entries.total());
        let (name, folder) = (&share.name, share.folder);
        match Manifest::build(name, folder, share.entries, shard_size, &hashes) {
            Ok(manifest) => Some(manifest),
            Err(error) => {
                self.fail(Failure::Manifest(error));
                None
            }
        }
    }

    /// A share is served from now on.
    pub fn serve_share(&mut self, manifest: Manifest) {
        let (swarm, file) = (self.key, manifest.file_id());
        self.swarm.become_whole(manifest, self.now);
        self.push_event(Event::Shared { swarm, file });
        self.announce();
    }

    /// A section of a shard is written, or could not be. Without room the shard is given up and
    /// the fetch waits; any other failure ends it.
    pub fn handle_written(&mut self, shard: u32, length: u32, result: Result<(), DiskError>) {
        let is_full = result == Err(DiskError::NoSpace) && self.swarm.phase != Phase::Repairing;
        // None when a section before it has failed: that has ended the repair.
        let Some(flight) = self.swarm.flights.get_mut(shard) else {
            return;
        };
        if let (Err(error), false) = (result, is_full) {
            return self.fail(Failure::Disk(error));
        }
        let source = flight.source;
        if is_full {
            flight.spoil();
        }
        let (is_settled, state) = (flight.stored(length), flight.state);
        if is_full {
            self.cancel(source, shard);
            self.pause(false);
        }
        if is_settled {
            self.handle_stored(shard, state);
        }
    }

    /// Cancels what is requested of a shard.
    fn cancel(&mut self, source: Option<StreamKey>, shard: u32) {
        if let Some((key, stream)) = source.and_then(|key| Some((key, self.streams.get_mut(key)?)))
        {
            stream.cancel(shard);
            self.shared.wake(key, stream);
        }
    }

    /// Nothing of a shard waits for the disk any more.
    fn handle_stored(&mut self, shard: u32, state: FlightState) {
        match state {
            FlightState::Wrong => return self.blame(shard),
            FlightState::Spoiled => {
                self.swarm.flights.end(shard);
                return self.request_all();
            }
            FlightState::Receiving | FlightState::Verified => {}
        }
        let swarm = &mut *self.swarm;
        let flight = swarm.flights.get_mut(shard);
        if let Some(source) = flight.and_then(|flight| flight.source) {
            swarm.discovery.providers.proved(source);
        }
        swarm.flights.end(shard);
        swarm.gain(shard);
        let is_repaired = swarm.phase == Phase::Repairing;
        self.schedule_haves();
        self.announce();
        match is_repaired {
            true => self.note_repaired(shard),
            false => self.count_gain(shard),
        }
        self.found_room(false);
        if self.swarm.wants_nothing() {
            self.finish();
        }
    }

    /// A whole shard came and is wrong. A peer that sent all of it is to blame; if several did, it
    /// comes again from one.
    fn blame(&mut self, shard: u32) {
        let swarm = &mut *self.swarm;
        let Some(flight) = swarm.flights.get_mut(shard) else {
            return;
        };
        if flight.mixed {
            flight.restart_whole();
            return self.request_all();
        }
        let (source, mut from) = (flight.source, flight.sender);
        swarm.flights.end(shard);
        let mut banned = None;
        if let Some((key, stream)) = source.and_then(|key| Some((key, self.streams.get_mut(key)?)))
        {
            from = stream.remote.name();
            swarm.note_lack(&mut stream.shards, shard);
            stream.download.bad_shards += 1;
            banned = (stream.download.bad_shards >= BAD_SHARDS_MAX).then_some(key);
        }
        self.shared.counters.corrupt += 1;
        let swarm = self.key;
        self.push_event(Event::Corrupt { swarm, shard, from });
        if let Some(source) = banned {
            self.close(source, Ended::Corrupt);
        }
        self.request_all();
        self.give_up_if_hopeless(false);
    }

    /// Nothing is left to be fetched: has the driver finish the file.
    pub fn finish(&mut self) {
        self.swarm.phase = Phase::Finishing;
        if self.swarm.pause.take().is_some() {
            // Only the journal waited for room, and is needed no more.
            let swarm = self.key;
            self.push_event(Event::Continued { swarm });
        }
        // A checkpoint that is under way comes first: the disk does one thing of a swarm at a time.
        if !self.swarm.durability.is_busy() {
            self.push_finish();
        }
    }

    pub fn push_finish(&mut self) {
        self.shared.outputs.push_back(Output::Finish(self.key));
    }

    /// The file is durable under its final name, or could not be made so.
    pub fn handle_finished(&mut self, result: Result<(), DiskError>) {
        if self.conclude_repair(result) {
            return;
        }
        match result {
            Ok(()) => self.complete(false),
            Err(error) => self.fail(Failure::Disk(error)),
        }
    }

    /// The file is whole, under its final name. `already`: it was before this fetch.
    fn complete(&mut self, already: bool) {
        self.swarm.phase = Phase::Complete;
        self.swarm.content.found = Found::Final;
        self.swarm.flights.release();
        let swarm = self.key;
        self.push_event(Event::Complete { swarm, already });
        self.announce();
        // For shards that went bad while the file got its name.
        self.reopen();
        self.for_each_stream(Scope::close_if_done);
    }
}
