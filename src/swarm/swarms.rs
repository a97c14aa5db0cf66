//! All swarms and streams of a node: the owner's commands, facts of the disk and the DHT, getters.
//!
//! A fact of one swarm is handled by a method of [`Scope`], reached by [`Swarms::with`]; this file
//! has the rest. Streams have their facts in `connections` and `receive`.

use super::content::ShareSpec;
use super::counters::Counters;
use super::durability::Checkpoint;
use super::scan::Scan;
use super::schedule::notsent::notsent_max;
use super::scope::{Config, Request, Scope, Shared};
use super::scrub::Slice;
use super::state::{Phase, Progress, Swarm};
use super::stream::{Stream, Streams};
use crate::id::{FileId, NodeId};
use crate::limits::{LOOKUP_DELAY_MET, STREAMS_MAX, SWARMS_MAX};
use crate::output::{
    DiskReport, Ended, Event, Failure, FileRange, Origin, Output, Refused, StreamKey, SwarmKey,
};
use crate::rng::Rng;
use crate::slab::Slots;
use crate::time::Instant;
use crate::wire::Manifest;
use std::net::SocketAddr;
use std::time::Duration;

/// An open stream, as its owner sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The address where the other node listens, as far as known; else that of the connection.
    pub address: SocketAddr,
    /// The id of the other node.
    pub node: NodeId,
    /// Bytes of payload sent to it.
    pub sent: u64,
    /// Bytes of payload received from it.
    pub received: u64,
    /// Bytes a second that it is sent, over the last second or so.
    pub up: u64,
    /// Bytes a second that come from it.
    pub down: u64,
    /// Shards that it has, as far as it has said.
    pub shards: u32,
}

/// All swarms and streams of a node.
pub struct Swarms {
    pub(super) swarms: Slots<SwarmKey, Swarm>,
    pub(super) streams: Streams,
    pub(super) shared: Shared,
    /// The slot of the swarm that reads next from the disk.
    read_from: u32,
    slice: Slice,
}

impl Swarms {
    /// A node without swarms and streams.
    pub fn new(config: Config, rng: Rng) -> Swarms {
        Swarms {
            swarms: Slots::with_capacity(1),
            streams: Slots::with_capacity(STREAMS_MAX),
            shared: Shared::new(config, rng),
            read_from: 0,
            slice: Slice::default(),
        }
    }

    /// Does one step for a swarm, which is removed after it if it is over. `None`: there is no such
    /// swarm.
    pub(super) fn with<T>(
        &mut self,
        now: Instant,
        key: SwarmKey,
        step: impl FnOnce(&mut Scope<'_>) -> T,
    ) -> Option<T> {
        let mut scope = Scope {
            now,
            key,
            swarm: self.swarms.get_mut(key)?,
            streams: &mut self.streams,
            shared: &mut self.shared,
        };
        let result = step(&mut scope);
        if cfg!(debug_assertions) {
            scope.invariants();
        }
        if scope.swarm.is_over {
            self.swarms.remove(key);
        }
        Some(result)
    }

    /// Does one step for the swarm of a stream.
    pub(super) fn with_stream<T>(
        &mut self,
        now: Instant,
        key: StreamKey,
        step: impl FnOnce(&mut Scope<'_>) -> T,
    ) -> Option<T> {
        let swarm = self.streams.get(key)?.swarm?;
        self.with(now, swarm, step)
    }

    /// The swarm of `file`; a share that is being hashed has none yet.
    pub(super) fn find(&self, file: FileId) -> Option<SwarmKey> {
        let is_of = |swarm: &Swarm| swarm.content.file == Some(file);
        let found = self.swarms.iter().find(|(_, swarm)| is_of(swarm));
        found.map(|(key, _)| key)
    }

    fn insert(&mut self, swarm: Swarm) -> Result<SwarmKey, Refused> {
        if let Some(key) = swarm.content.file.and_then(|file| self.find(file)) {
            return Err(Refused::Known(key));
        }
        match self.swarms.len() < SWARMS_MAX {
            true => Ok(self.swarms.insert(swarm)),
            false => Err(Refused::Full),
        }
    }

    // -- the owner's commands

    /// Shares files on disk: they are hashed first, then served.
    ///
    /// # Errors
    /// There are [`SWARMS_MAX`] swarms.
    pub fn share(&mut self, now: Instant, share: ShareSpec) -> Result<SwarmKey, Refused> {
        let swarm = Swarm::share(share, now);
        let is_empty = swarm.scan.as_ref().is_some_and(Scan::is_done);
        let key = self.insert(swarm)?;
        if is_empty {
            let manifest = self.with(now, key, |scope| scope.hashed()).flatten();
            self.serve_hashed(now, key, manifest);
        }
        Ok(key)
    }

    /// Fetches a file, whose manifest may be known already, from these providers and those that the
    /// DHT knows.
    ///
    /// # Errors
    /// There are [`SWARMS_MAX`] swarms, or one of this file.
    pub fn fetch(
        &mut self,
        now: Instant,
        file: FileId,
        manifest: Option<Manifest>,
        providers: &[SocketAddr],
    ) -> Result<SwarmKey, Refused> {
        let mut swarm = Swarm::fetch(file, now);
        for &location in providers {
            swarm.discovery.providers.learn(location, now);
        }
        let key = self.insert(swarm)?;
        if let Some(manifest) = manifest {
            self.with(now, key, |scope| scope.learn_manifest(manifest));
        }
        Ok(key)
    }

    /// Serves a file of which the driver knows that the disk holds all of it, unchanged.
    ///
    /// # Errors
    /// There are [`SWARMS_MAX`] swarms, or one of this file.
    pub fn serve(
        &mut self,
        now: Instant,
        manifest: Manifest,
        origin: Origin,
    ) -> Result<SwarmKey, Refused> {
        let key = self.insert(Swarm::serve(manifest, origin, now))?;
        self.with(now, key, |scope| scope.announce());
        Ok(key)
    }

    /// Limits what streams send and request, in bytes a second each; `None` lifts the limit.
    pub fn limit(&mut self, now: Instant, up: Option<u64>, down: Option<u64>) {
        self.shared.limits.up.set(now, up);
        self.shared.limits.down.set(now, down);
    }

    /// Exempts a stream from the rate limits.
    pub fn exempt(&mut self, key: StreamKey) {
        if let Some(stream) = self.streams.get_mut(key) {
            stream.is_exempt = true;
        }
    }

    /// Removes a swarm: what a fetch has gained is made durable first, and stays on disk. Its last
    /// event is [`Event::Failed`] with [`Failure::Removed`].
    pub fn remove(&mut self, now: Instant, key: SwarmKey) {
        self.with(now, key, |scope| scope.remove());
    }

    /// Suspends a swarm until [`Swarms::resume`].
    pub fn suspend(&mut self, now: Instant, key: SwarmKey) {
        self.with(now, key, |scope| scope.suspend());
    }

    /// Lets a suspended swarm continue.
    pub fn resume(&mut self, now: Instant, key: SwarmKey) {
        self.with(now, key, |scope| scope.resume());
    }

    /// Closes every stream, withdraws every announcement, and makes durable what was gained: the
    /// node is to run on until [`Swarms::is_committing`] says no.
    pub fn stop(&mut self, now: Instant) {
        let mut slot = 0;
        while let Some(key) = self.swarms.key_from(slot) {
            slot = key.slot + 1;
            self.with(now, key, |scope| scope.checkpoint_last());
        }
        while let Some(key) = self.streams.key_from(0) {
            self.close(now, key, Ended::Stopped);
        }
        for (_, swarm) in self
            .swarms
            .iter()
            .filter(|(_, of)| of.discovery.is_announced)
        {
            let withdrawn = swarm.content.file.map(Request::Withdraw);
            self.shared.requests.extend(withdrawn);
        }
    }

    // -- facts of the disk

    /// Takes in the result of disk work, or what the driver has noticed of a swarm's files.
    pub fn handle_disk(&mut self, now: Instant, key: SwarmKey, report: DiskReport<'_>) {
        let manifest = self.with(now, key, |scope| match report {
            DiskReport::Read(result) => scope.handle_read(result),
            other => {
                scope.handle_disk(other);
                None
            }
        });
        self.serve_hashed(now, key, manifest.flatten());
    }

    /// Serves a share that is hashed, unless its file has a swarm already: equal name, equal
    /// content.
    fn serve_hashed(&mut self, now: Instant, key: SwarmKey, manifest: Option<Manifest>) {
        if let Some(manifest) = manifest {
            let is_known = self.find(manifest.file_id()).is_some();
            self.with(now, key, |scope| match is_known {
                true => scope.fail(Failure::Known),
                false => scope.serve_share(manifest),
            });
        }
    }

    /// The next range that hashing, verifying or scrubbing reads, in turn among swarms. The answer
    /// is [`DiskReport::Read`].
    pub fn poll_read(&mut self, now: Instant) -> Option<FileRange> {
        for first in [self.read_from, 0] {
            let mut slot = first;
            while let Some(key) = self.swarms.key_from(slot) {
                slot = key.slot + 1;
                let swarm = self.swarms.get_mut(key)?;
                if let Some(range) = swarm.next_read(now, key, &mut self.slice) {
                    self.read_from = slot;
                    return Some(range);
                }
            }
        }
        None
    }

    /// When a slice of scrubbing begins, if anything is to be scrubbed.
    pub(super) fn scrub_at(&self) -> Option<Instant> {
        self.slice
            .due_at(self.swarms.iter().map(|(_, swarm)| swarm))
    }

    /// Begins a slice when it is time, and a scrub of the swarm that waits longest for one.
    pub(super) fn scrub(&mut self, now: Instant) {
        if self.scrub_at().is_none_or(|at| at > now) {
            return;
        }
        let is_busy =
            |of: &Stream| of.upload.sending.is_some() || !of.download.outstanding.is_empty();
        let is_busy = self.streams.iter().any(|(_, stream)| is_busy(stream));
        self.slice.begin(now, is_busy);
        if self.swarms.iter().any(|(_, swarm)| swarm.is_scrubbed()) {
            return;
        }
        let due = self.swarms.iter_mut().filter_map(|(key, swarm)| {
            let at = swarm.scrub_at().filter(|&at| at <= now)?;
            Some((at, key, swarm))
        });
        if let Some((_, _, swarm)) = due.min_by_key(|(at, key, _)| (*at, *key)) {
            swarm.scrub();
        }
    }

    // -- facts of the DHT

    /// A provider of `file` is known.
    pub fn handle_provider(&mut self, now: Instant, file: FileId, location: SocketAddr) {
        if let Some(key) = self.find(file) {
            self.with(now, key, |scope| scope.handle_provider(location));
        }
    }

    /// A lookup for providers of `file` has ended, after `answered` nodes. `None`: there was no
    /// node to ask.
    pub fn handle_looked_up(&mut self, now: Instant, file: FileId, answered: Option<u32>) {
        if let Some(key) = self.find(file) {
            self.with(now, key, |scope| scope.handle_looked_up(answered));
        }
    }

    /// The DHT has a new contact, and it or those that it knows may know more: providers are looked
    /// up soon for fetches that know none.
    pub fn handle_met(&mut self, now: Instant) {
        for (_, swarm) in self.swarms.iter_mut() {
            if swarm.wants_providers() && swarm.discovery.providers.is_empty() {
                let lookup_at = &mut swarm.discovery.lookup_at;
                *lookup_at = (*lookup_at).min(now + LOOKUP_DELAY_MET);
            }
        }
    }

    // -- work out

    /// The next work for the driver.
    pub fn poll_output(&mut self) -> Option<Output> {
        let queued = self.shared.outputs.pop_front();
        queued.or_else(|| self.poll_write())
    }

    /// The next event for the owner.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.shared.events.pop_front()
    }

    /// The next wish to the DHT.
    pub fn poll_request(&mut self) -> Option<Request> {
        self.shared.requests.pop_front()
    }

    // -- getters

    /// The manifest of a swarm, once known.
    pub fn manifest(&self, key: SwarmKey) -> Option<&Manifest> {
        self.swarms.get(key)?.content.manifest.as_ref()
    }

    /// Whether a swarm holds a shard: it has verified and is on disk.
    pub fn holds(&self, key: SwarmKey, shard: u32) -> bool {
        let swarm = self.swarms.get(key);
        swarm.is_some_and(|swarm| swarm.held.contains(shard))
    }

    /// The phase of each swarm.
    pub fn phases(&self) -> impl Iterator<Item = Phase> {
        self.swarms.iter().map(|(_, swarm)| swarm.phase)
    }

    /// Counts of what was rejected and given up so far.
    pub fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    /// How many streams there are, open or not.
    pub fn stream_count(&self) -> usize {
        self.streams.len()
    }

    /// Bytes of each stream that may wait in its socket for the uplink; it changes with what is
    /// sent.
    pub fn notsent_max(&self) -> u32 {
        notsent_max(&self.shared.sending)
    }

    /// The progress of a swarm.
    pub fn progress(&self, key: SwarmKey) -> Option<Progress> {
        let swarm = self.swarms.get(key)?;
        let mut progress = swarm.progress();
        for (_, stream) in self.streams.iter().filter(|(_, of)| of.is_open_of(key)) {
            progress.streams += 1;
            progress.providers += u32::from(swarm.can_use(&stream.shards));
        }
        Some(progress)
    }

    /// Whether a swarm is suspended.
    pub fn is_suspended(&self, key: SwarmKey) -> bool {
        self.swarms.get(key).is_some_and(|swarm| swarm.is_suspended)
    }

    /// The open streams of a swarm.
    pub fn peers(&self, key: SwarmKey) -> impl Iterator<Item = Peer> {
        let shard_count = self.swarms.get(key).map_or(0, Swarm::shard_count);
        let open = self
            .streams
            .iter()
            .filter(move |(_, of)| of.is_open_of(key));
        open.map(move |(_, stream)| Peer {
            address: stream.remote.name(),
            node: stream.remote.node,
            sent: stream.upload.sent,
            received: stream.download.received,
            up: stream.upload.rate.per_second(),
            down: stream.download.rate.per_second(),
            shards: stream.shards.count(shard_count),
        })
    }

    /// Whether something is on its way to the disk that a stop should wait for.
    pub fn is_committing(&self) -> bool {
        let is_busy = |of: &Swarm| of.durability.is_busy() || of.phase == Phase::Finishing;
        self.swarms.iter().any(|(_, swarm)| is_busy(swarm))
    }

    /// How long ago what is held of a swarm was verified, at most.
    pub fn verified_ago(&self, now: Instant, key: SwarmKey) -> Option<Duration> {
        Some(self.swarms.get(key)?.verified_ago(now))
    }

    /// The checkpoint of a swarm that is under way, for [`Output::Checkpoint`].
    pub fn checkpoint(&self, key: SwarmKey) -> Option<Checkpoint<'_>> {
        self.swarms.get(key)?.durability.checkpoint()
    }

    /// Shards of a finished file that have gone bad and are to be fetched again, in order.
    pub fn bad(&self, key: SwarmKey) -> impl Iterator<Item = u32> {
        let swarm = self.swarms.get(key).into_iter();
        swarm.flat_map(|swarm| swarm.damage.bad.iter())
    }
}

impl Scope<'_> {
    fn handle_disk(&mut self, report: DiskReport<'_>) {
        match report {
            DiskReport::Prepared(result) => self.handle_prepared(result),
            DiskReport::Journaled(durable) => self.handle_journaled(durable),
            DiskReport::Written {
                shard,
                length,
                result,
            } => self.handle_written(shard, length, result),
            DiskReport::Checkpointed(result) => self.handle_checkpointed(result),
            DiskReport::Reopened(result) => self.handle_reopened(result),
            DiskReport::Finished(result) => self.handle_finished(result),
            DiskReport::Verified(ago) => self.swarm.set_verified_ago(self.now, ago),
            DiskReport::Missing => self.handle_missing(),
            DiskReport::Returned => self.handle_returned(),
            DiskReport::Changed { entry } => self.handle_changed(entry),
            DiskReport::Read(_) => {}
        }
    }
}
