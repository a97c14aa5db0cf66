//! Looks now and then whether what is served is still right on the disk.
//!
//! Memory cards lose bits while they lie there. A file that was verified `SCRUB_INTERVAL` ago is read
//! again, `SCRUB_SIZE` bytes in each `SCRUB_PERIOD`, and only while nothing is sent or fetched. A
//! shard that is wrong is not held any more, and said. Invariant: one file at a time, and no read
//! beyond the slice.

use super::Swarms;
use super::scan::{Scan, Step};
use super::swarm::{Phase, Swarm};
use crate::limits::{SCRUB_INTERVAL, SCRUB_PERIOD, SCRUB_SIZE};
use crate::output::{DiskError, Event, SwarmKey};
use crate::time::{Instant, earliest};

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
        self.phase == Phase::Complete && self.scan.is_some()
    }

    /// When it is to be scrubbed next: nothing that is held is never.
    fn scrub_at(&self) -> Option<Instant> {
        let has_some = self.phase == Phase::Complete && self.held.count() > 0;
        has_some.then_some(self.verified_at + SCRUB_INTERVAL)
    }
}

impl Swarms {
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
            .any(|(_, stream)| stream.upload.is_some() || !stream.asked.is_empty());
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
            swarm.verified_at = now;
        }
        if is_rotten && swarm.held.remove(shard) {
            self.events.push_back(Event::Rotten { swarm: key, shard });
            self.withdraw_if_empty(key);
        }
    }
}
