//! The small files of the state folder that the loop writes: contacts and the list of verified
//! files.
//!
//! Writing one waits for the disk, but hardly ever once an hour. Invariant: a file is noted as
//! being repaired before a byte of the repair is written.

use super::Reactor;
use super::event_loop::Class;
use super::verified::{ago, clock};
use crate::node::{DiskError, DiskReport, Phase, Prepared, SwarmKey};
use crate::store::verified::{FetchState, Verified};
use crate::time::Instant;

impl Reactor {
    /// Saves the contacts if that is due.
    pub(super) fn save_contacts(&mut self) {
        let Some(file) = &self.contacts else { return };
        let Some(contacts) = self.node.poll_saved(self.clock.now()) else {
            return;
        };
        match file.replace(&contacts) {
            Ok(()) => self.node.handle_saved(&contacts),
            Err(error) => self.warn(Class::Disk, || error.to_string()),
        }
    }

    /// Gives the node the time when files that were just found were last verified; refines the
    /// finding by the list.
    pub(super) fn note_last_verified(
        &mut self,
        now: Instant,
        swarm: SwarmKey,
        found: Prepared,
    ) -> Prepared {
        let (Some(list), Some(there)) = (&self.verified, self.disk.describe(swarm, 0)) else {
            return found;
        };
        let known = list.find(there.file);
        let known = known.filter(|known| known.files == there.files);
        let before = known.and_then(|known| ago(known.at));
        self.node
            .handle_disk(now, swarm, DiskReport::Verified(before));
        let is_untouched = known.is_some_and(|known| match known.state {
            FetchState::Part => false,
            FetchState::Whole => there.state == known.state && there.times == known.times,
            FetchState::Repairing => true,
        });
        match found {
            Prepared::Final if is_untouched => Prepared::Kept,
            found => found,
        }
    }

    /// Opens a finished file for writing, and notes that before a byte of it is written.
    pub(super) fn reopen(&mut self, swarm: SwarmKey) {
        let now = self.clock.now();
        let mut result = match self.node.swarms().manifest(swarm) {
            None => Ok(()),
            Some(manifest) => {
                let shards = self.node.swarms().bad(swarm);
                let entries = shards.flat_map(|shard| {
                    let length = manifest.shard_length(shard);
                    manifest.segments(shard, 0, length).map(|of| of.entry)
                });
                self.disk.reopen(swarm, entries)
            }
        };
        if result.is_ok() && !self.save_verified(now) {
            result = Err(DiskError::Failed);
        }
        if result.is_err() {
            self.disk.close_repair(swarm);
        }
        self.report(swarm, DiskReport::Reopened(result));
    }

    /// Writes the list of verified files if that is due.
    pub(super) fn save_verified_if_due(&mut self, now: Instant) {
        if self.verified.as_ref().is_some_and(|list| list.is_due(now)) {
            self.save_verified(now);
        }
    }

    /// Writes the list of verified files if it would change; false when that failed.
    pub(super) fn save_verified(&mut self, now: Instant) -> bool {
        let Some(list) = &mut self.verified else {
            return true;
        };
        let (node, disk, clock) = (&self.node, &self.disk, clock());
        let entries = disk.swarms().filter_map(|swarm| -> Option<Verified> {
            let phase = node.swarms().progress(swarm)?.phase;
            let at = clock.saturating_sub(node.swarms().verified_ago(now, swarm)?.as_secs());
            let there = disk.describe(swarm, at)?;
            let is_known = match phase {
                Phase::Fetching | Phase::Ending | Phase::Complete | Phase::Repairing => true,
                // It is not known yet what it is, except during a repair.
                _ => there.state == FetchState::Repairing,
            };
            is_known.then_some(there)
        });
        match list.update(now, entries) {
            Ok(()) => true,
            Err(error) => {
                self.warn(Class::Disk, || error.to_string());
                false
            }
        }
    }
}
