//! When a fetch makes what it has gained durable.
//!
//! The driver knows how (`store/plan.rs`); here is only when: after `CHECKPOINT_SIZE` bytes or
//! `CHECKPOINT_PERIOD`, at once when something durable is lost, and at the end of the swarm or the
//! node. Not while the disk is verified: after a power cut a start would believe a record of half
//! of it, and nothing else. [`super::durability`] has the states.
//!
//! Invariants: a swarm has one checkpoint under way at most; a shard that is durable and not held
//! is not requested, so that no byte of it is written before the disk knows that it is lost; no
//! more than twice `CHECKPOINT_SIZE`, and what is on its way, is in doubt at any time.

use super::scope::Scope;
use super::state::{Phase, Swarm};
use crate::limits::SPACE_RETRY;
use crate::output::{DiskError, Failure, Output};
use crate::time::Instant;

impl Swarm {
    /// When the next checkpoint is due, if one can be made.
    pub fn checkpoint_at(&self) -> Option<Instant> {
        let has_files = matches!(self.phase, Phase::Fetching | Phase::Ending);
        self.durability
            .next_at()
            .filter(|_| has_files && !self.is_over)
    }
}

impl Scope<'_> {
    /// A shard was gained: a checkpoint may be due, or will be.
    pub fn count_gain(&mut self, shard: u32) {
        let length = self.swarm.content.shard_length(shard);
        self.swarm.durability.count_gain(self.now, length);
        self.checkpoint_if_due();
    }

    /// Shards that are held no more were perhaps durable: the disk must know before they are
    /// fetched again.
    pub fn count_loss(&mut self) {
        let held = &self.swarm.held;
        let durability = &mut self.swarm.durability;
        if durability.durable.iter().any(|shard| !held.contains(shard)) {
            durability.due_at = Some(self.now);
            self.checkpoint_if_due();
        }
    }

    /// Begins a checkpoint when its time has come and none is under way.
    pub fn checkpoint_if_due(&mut self) {
        if self.swarm.checkpoint_at().is_some_and(|at| at <= self.now) {
            self.swarm.durability.begin(&self.swarm.held);
            self.shared.outputs.push_back(Output::Checkpoint(self.key));
        }
    }

    /// The answer to [`Output::Checkpoint`]. Without room for it (`NoSpace`: not a byte of it
    /// stands in the journal) the fetch waits. After any other failure nothing gained since the
    /// last checkpoint is believed, and the swarm ends.
    pub fn handle_checkpointed(&mut self, result: Result<(), DiskError>) {
        let durability = &mut self.swarm.durability;
        if !std::mem::take(&mut durability.is_committing) {
            return;
        }
        match (result, self.swarm.phase) {
            (Err(DiskError::NoSpace), Phase::Fetching) => {
                // Nothing was appended: the same is written again when there is room.
                durability.due_at = Some(self.now + SPACE_RETRY);
                return self.pause(true);
            }
            // All shards are there, and need no journal.
            (Err(DiskError::NoSpace), Phase::Finishing) => return self.push_finish(),
            (Err(error), _) => return self.end(Failure::Disk(error)),
            (Ok(()), _) => durability.commit(),
        }
        match (self.swarm.phase, durability.is_last_due, self.swarm.ending) {
            (Phase::Finishing, ..) => self.push_finish(),
            (Phase::Ending, false, Some(cause)) => self.end(cause),
            _ => {
                self.found_room(true);
                self.checkpoint_if_due();
                // Lost shards may be requested from now on.
                self.request_all();
            }
        }
    }

    /// Makes what a fetch has gained durable as soon as can be.
    pub fn checkpoint_soon(&mut self) {
        let due_at = &mut self.swarm.durability.due_at;
        *due_at = due_at.map(|_| self.now);
        self.checkpoint_if_due();
    }

    /// Makes a fetch's last checkpoint, if it has files.
    pub fn checkpoint_last(&mut self) {
        if matches!(self.swarm.phase, Phase::Fetching | Phase::Ending) {
            self.swarm.durability.is_last_due = true;
            self.checkpoint_if_due();
        }
    }
}
