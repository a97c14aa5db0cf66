//! Looks now and then whether what is served is still right on the disk.
//!
//! Memory cards lose bits while they lie there. What was verified `SCRUB_INTERVAL` ago is read again,
//! `SCRUB_SIZE` bytes in each `SCRUB_PERIOD`, and only while nothing is sent or fetched: finished
//! files whole, parts as far as they are held. A shard that is wrong is not held any more, and
//! `repair` has it from there. The driver keeps the time of the last verification across restarts
//! ([`Swarms::handle_verified`]), for what a start believes without reading it: what a journal
//! proves. Invariant: one file at a time, and no read beyond the slice.

use super::Swarms;
use super::scan::{Scan, Step};
use super::swarm::{Phase, Swarm};
use crate::limits::{SCRUB_INTERVAL, SCRUB_PERIOD, SCRUB_SIZE};
use crate::output::{DiskError, SwarmKey};
use crate::time::{Instant, earliest};
use std::time::Duration;

/// How far the current slice is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scrub {
    /// When the next slice begins.
    slice_at: Instant,
    /// Bytes of this slice that may still be read.
    pub left: u64,
}

impl Swarm {
    /// Whether it is being scrubbed.
    pub fn is_scrubbed(&self) -> bool {
        self.scan.is_some() && !matches!(self.phase, Phase::Hashing | Phase::Verifying)
    }

    /// When it is to be scrubbed next: nothing that is held is never.
    fn scrub_at(&self) -> Option<Instant> {
        let may_be_read = match self.phase {
            Phase::Fetching | Phase::Repairing | Phase::Complete => self.held.count() > 0,
            _ => false,
        };
        (may_be_read && !self.is_suspended).then_some(self.scrub_due_at)
    }
}

impl Swarms {
    /// What the disk has of a swarm was verified so long ago, or nobody knows when. To be told before
    /// `handle_prepared`; for what is verified then, it does not count.
    pub fn handle_verified(&mut self, now: Instant, key: SwarmKey, ago: Option<Duration>) {
        if let Some(swarm) = self.swarms.get_mut(key) {
            let left = SCRUB_INTERVAL.saturating_sub(ago.unwrap_or(SCRUB_INTERVAL));
            swarm.scrub_due_at = now + left;
        }
    }

    /// How long ago what is held of a swarm was verified, at most.
    pub fn verified_ago(&self, now: Instant, key: SwarmKey) -> Option<Duration> {
        let swarm = self.swarms.get(key)?;
        Some((now + SCRUB_INTERVAL).since(swarm.scrub_due_at))
    }

    /// Leaves out of a scrub what is not held, and ends it when nothing is left.
    pub(super) fn skip_missing(&mut self, now: Instant, key: SwarmKey) {
        let Some(swarm) = self.swarms.get_mut(key) else {
            return;
        };
        if !swarm.is_scrubbed() {
            return;
        }
        let Some(mut scan) = swarm.scan.take() else {
            return;
        };
        while scan.is_between() && !scan.is_done() && !swarm.held.contains(scan.shard()) {
            scan.skip_shard(|entry| swarm.entry_size(entry));
        }
        match scan.is_done() {
            true => swarm.scrub_due_at = now + SCRUB_INTERVAL,
            false => swarm.scan = Some(scan),
        }
    }

    /// When the next slice begins, if anything is to be scrubbed.
    pub(super) fn scrub_at(&self) -> Option<Instant> {
        let mut next = None;
        for (_, swarm) in self.swarms.iter() {
            if swarm.is_scrubbed() {
                return Some(self.scrub.slice_at);
            }
            next = earliest(next, swarm.scrub_at());
        }
        next.map(|at| at.max(self.scrub.slice_at))
    }

    /// Begins a slice when it is time.
    pub(super) fn scrub(&mut self, now: Instant) {
        if self.scrub_at().is_none_or(|at| at > now) {
            return;
        }
        self.scrub.slice_at = now + SCRUB_PERIOD;
        let is_busy = self
            .streams
            .iter()
            .any(|(_, stream)| stream.upload.is_some() || !stream.outstanding.is_empty());
        self.scrub.left = if is_busy { 0 } else { SCRUB_SIZE };
        if self.swarms.iter().any(|(_, swarm)| swarm.is_scrubbed()) {
            return;
        }
        // The one that waits longest.
        let due = self.swarms.iter().filter_map(|(key, swarm)| {
            let at = swarm.scrub_at().filter(|&at| at <= now)?;
            Some((at, key))
        });
        let Some((_, key)) = due.min() else { return };
        if let Some(swarm) = self.swarms.get_mut(key) {
            let manifest = swarm.manifest.as_ref();
            swarm.scan = manifest.map(|of| Scan::new(of.size(), of.shard_size()));
        }
    }

    /// What a scrub has read, or why it could not.
    pub(super) fn handle_scrubbed(
        &mut self,
        now: Instant,
        key: SwarmKey,
        result: Result<&[u8], DiskError>,
    ) {
        let Some(swarm) = self.swarms.get_mut(key) else {
            return;
        };
        let (Some(scan), Some(manifest)) = (&mut swarm.scan, &swarm.manifest) else {
            return;
        };
        let shard = scan.shard();
        let step = scan.receive(result.ok());
        // Whoever watches the files says so.
        let is_watched = matches!(
            result,
            Err(DiskError::Changed | DiskError::Truncated | DiskError::NotFound)
        );
        let is_done = scan.is_done() || is_watched;
        let is_rotten = match step {
            Step::Shard(hash) => !is_watched && hash != *manifest.shard_hash(shard),
            Step::Within => false,
        };
        if is_done {
            swarm.scan = None;
            swarm.scrub_due_at = now + SCRUB_INTERVAL;
        }
        if is_rotten {
            self.rot(now, key, shard);
        }
    }
}
