//! Verifies now and then that what is served is still right on the disk.
//!
//! Memory cards lose bits while they lie there. A shard verified `SCRUB_INTERVAL` ago is read
//! again, `SCRUB_SIZE` bytes in each `SCRUB_PERIOD`, and only while nothing is sent or fetched:
//! finished files whole, parts as far as they are held. A shard that is wrong is not held any more,
//! and `repair` has it from there. The driver keeps the time of the last verification across
//! restarts, for what a start believes without reading it: what a journal proves. Invariant: one
//! file at a time, and no read beyond the slice.

use super::scan::{Scan, Step};
use super::scope::Scope;
use super::state::{Phase, Swarm};
use crate::limits::{SCRUB_INTERVAL, SCRUB_PERIOD, SCRUB_SIZE};
use crate::output::{DiskError, FileRange, SwarmKey};
use crate::time::{Instant, earliest};
use std::time::Duration;

/// The current slice of a node's scrubbing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Slice {
    /// When the next slice begins.
    next_at: Instant,
    /// Bytes of this slice that may still be read.
    left: u64,
}

impl Slice {
    /// When the next slice begins, if any of the swarms is to be scrubbed.
    pub fn due_at<'a>(&self, swarms: impl Iterator<Item = &'a Swarm>) -> Option<Instant> {
        let mut next = None;
        for swarm in swarms {
            if swarm.is_scrubbed() {
                return Some(self.next_at);
            }
            next = earliest(next, swarm.scrub_at());
        }
        next.map(|at| at.max(self.next_at))
    }

    /// Begins a slice, in which nothing is read when the node `is_busy`.
    pub fn begin(&mut self, now: Instant, is_busy: bool) {
        self.next_at = now + SCRUB_PERIOD;
        self.left = if is_busy { 0 } else { SCRUB_SIZE };
    }
}

impl Swarm {
    /// When it is to be scrubbed next: never while nothing is held.
    pub fn scrub_at(&self) -> Option<Instant> {
        let may_be_read = match self.phase {
            Phase::Fetching | Phase::Repairing | Phase::Complete => self.held.count() > 0,
            _ => false,
        };
        (may_be_read && !self.is_suspended).then_some(self.scrub_due_at)
    }

    pub fn scrub(&mut self) {
        let manifest = self.content.manifest.as_ref();
        self.scan = manifest.map(|of| Scan::new(of.size(), of.shard_size()));
    }

    /// How long ago what is held was verified, at most.
    pub fn verified_ago(&self, now: Instant) -> Duration {
        (now + SCRUB_INTERVAL).since(self.scrub_due_at)
    }

    /// Sets how long ago what is held was verified; `None` when that is not known.
    pub fn set_verified_ago(&mut self, now: Instant, ago: Option<Duration>) {
        let left = SCRUB_INTERVAL.saturating_sub(ago.unwrap_or(SCRUB_INTERVAL));
        self.scrub_due_at = now + left;
    }

    /// The next range that its scan reads.
    pub fn next_read(
        &mut self,
        now: Instant,
        key: SwarmKey,
        slice: &mut Slice,
    ) -> Option<FileRange> {
        let is_scrubbed = self.is_scrubbed();
        let mut scan = self.scan.take()?;
        // A scrub leaves out what is not held, and ends when nothing is left.
        while is_scrubbed
            && scan.is_between()
            && !scan.is_done()
            && !self.held.contains(scan.shard())
        {
            scan.skip_shard(|entry| self.content.entry_size(entry));
        }
        if is_scrubbed && scan.is_done() {
            self.scrub_due_at = now + SCRUB_INTERVAL;
            return None;
        }
        let may_read = !self.is_suspended && (!is_scrubbed || slice.left > 0);
        let content = &self.content;
        let request = match may_read {
            true => scan.request(|entry| content.entry_size(entry)),
            false => None,
        };
        self.scan = Some(scan);
        let (entry, offset, length) = request?;
        if is_scrubbed {
            slice.left = slice.left.saturating_sub(length.into());
        }
        Some(FileRange {
            swarm: key,
            entry,
            offset,
            length,
        })
    }
}

impl Scope<'_> {
    /// A scrub has read a range, or could not.
    pub fn handle_scrubbed(&mut self, result: Result<&[u8], DiskError>) {
        let swarm = &mut *self.swarm;
        let (Some(scan), Some(manifest)) = (&mut swarm.scan, &swarm.content.manifest) else {
            return;
        };
        let shard = scan.shard();
        let step = scan.receive(result.ok());
        // The driver's watch over the files reports these.
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
            swarm.scrub_due_at = self.now + SCRUB_INTERVAL;
        }
        if is_rotten {
            self.rot(shard);
        }
    }
}
