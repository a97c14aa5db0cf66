//! When what a fetch has gained is made durable.
//!
//! ```text
//!  gained ──► volatile ──Output::Checkpoint──► committing ──handle_checkpointed──► durable
//!  lost, and durable ────Output::Checkpoint──► committing ──handle_checkpointed──► missing
//! ```
//!
//! The driver knows how (`journal::plan`); here is only when: after `CHECKPOINT_SIZE` bytes or
//! `CHECKPOINT_PERIOD`, at once when something durable is lost, and at the end of the swarm or the
//! node. Not while what is on the disk is verified: a record of half of it would be all that a start
//! after a power cut believes.
//!
//! Invariants: a swarm has one checkpoint under way at most; a shard that is durable and not held is
//! not asked for, so that no byte of it is written before the disk knows that it is lost; no more
//! than twice `CHECKPOINT_SIZE`, and what is on its way, is in doubt at any time.

use super::swarm::{Phase, Swarm};
use super::{Queued, Swarms};
use crate::bitmap::Bitmap;
use crate::limits::{CHECKPOINT_PERIOD, CHECKPOINT_SIZE, SPACE_RETRY};
use crate::output::{DiskError, Event, Failure, Output, SwarmKey};
use crate::time::Instant;

/// What of a fetch would outlive a power cut.
#[derive(Debug, Default)]
pub struct Durability {
    /// Shards that the journal proves.
    pub durable: Bitmap,
    /// What the journal will prove when the checkpoint under way is done.
    next: Bitmap,
    /// A checkpoint is under way.
    is_committing: bool,
    /// Bytes gained since the last checkpoint began.
    volatile: u64,
    /// When the next one begins.
    due_at: Option<Instant>,
    /// The swarm or the node ends: one more checkpoint, the last.
    last: bool,
    /// Why the swarm ends after that.
    ending: Option<Failure>,
}

impl Durability {
    /// Of a fetch of so many shards, of which none is durable.
    pub fn with_capacity(shard_count: u32) -> Durability {
        Durability {
            durable: Bitmap::with_capacity(shard_count),
            next: Bitmap::with_capacity(shard_count),
            ..Durability::default()
        }
    }

    /// Whether a checkpoint is under way or wanted before the end.
    pub fn is_busy(&self) -> bool {
        self.is_committing || self.last
    }
}

impl Swarm {
    /// When the next checkpoint is due, if one can be made.
    pub fn checkpoint_at(&self) -> Option<Instant> {
        let has_place = matches!(self.phase, Phase::Fetching | Phase::Ending);
        let at = match self.durability.last {
            true => Some(Instant::ZERO),
            false => self.durability.due_at,
        };
        at.filter(|_| has_place && !self.durability.is_committing)
    }
}

impl Swarm {
    /// Whether a whole checkpoint's bytes have come while the one before is still under way: the
    /// disk is slower than the network, and asking for more would fill the memory and then hold the
    /// loop up in a write.
    pub fn waits_for_disk(&self) -> bool {
        self.durability.is_committing && self.durability.volatile >= CHECKPOINT_SIZE
    }
}

impl Swarms {
    /// The journal of an earlier try proves this shard. To be told before `handle_prepared` with
    /// `Prepared::Journaled`.
    pub fn handle_durable(&mut self, key: SwarmKey, shard: u32) {
        if let Some(swarm) = self.swarms.get_mut(key) {
            if shard < swarm.shard_count() && swarm.held.count() == 0 {
                swarm.durability.durable.insert(shard);
            }
        }
    }

    /// Shards that the checkpoint under way makes durable, in order.
    pub fn gained(&self, key: SwarmKey) -> impl Iterator<Item = u32> {
        let durability = self.swarms.get(key).map(|swarm| &swarm.durability);
        let committing = durability.filter(|of| of.is_committing);
        committing
            .into_iter()
            .flat_map(|of| of.next.iter().filter(|&shard| !of.durable.contains(shard)))
    }

    /// Shards that were durable and stay so, as the checkpoint under way says, in order.
    pub fn kept(&self, key: SwarmKey) -> impl Iterator<Item = u32> {
        let durability = self.swarms.get(key).map(|swarm| &swarm.durability);
        let committing = durability.filter(|of| of.is_committing);
        committing
            .into_iter()
            .flat_map(|of| of.durable.iter().filter(|&shard| of.next.contains(shard)))
    }

    /// Whether something is on its way to the disk that a stop should wait for.
    pub fn is_committing(&self) -> bool {
        let is_busy = |swarm: &Swarm| swarm.durability.is_busy() || swarm.phase == Phase::Finishing;
        self.swarms.iter().any(|(_, swarm)| is_busy(swarm))
    }

    /// A shard was gained: a checkpoint may be due, or will be.
    pub(super) fn count_gain(&mut self, now: Instant, key: SwarmKey, shard: u32) {
        let Some(swarm) = self.swarms.get_mut(key) else {
            return;
        };
        let length = swarm
            .manifest
            .as_ref()
            .map_or(0, |manifest| manifest.shard_length(shard));
        let durability = &mut swarm.durability;
        durability.volatile += u64::from(length);
        let at = match durability.volatile >= CHECKPOINT_SIZE {
            true => now,
            false => now + CHECKPOINT_PERIOD,
        };
        durability.due_at = Some(durability.due_at.map_or(at, |due| due.min(at)));
        self.checkpoint_if_due(now, key);
    }

    /// Shards that are held no more were perhaps durable: the disk must know before they are
    /// fetched again.
    pub(super) fn count_loss(&mut self, now: Instant, key: SwarmKey) {
        let Some(swarm) = self.swarms.get_mut(key) else {
            return;
        };
        let Swarm {
            durability, held, ..
        } = swarm;
        if durability.durable.iter().any(|shard| !held.contains(shard)) {
            durability.due_at = Some(now);
            self.checkpoint_if_due(now, key);
        }
    }

    /// Begins a checkpoint when its time has come and none is under way.
    pub(super) fn checkpoint_if_due(&mut self, now: Instant, key: SwarmKey) {
        let Some(swarm) = self.swarms.get_mut(key) else {
            return;
        };
        let at = swarm.checkpoint_at();
        let Swarm {
            durability, held, ..
        } = swarm;
        if at.is_none_or(|at| at > now) {
            return;
        }
        durability.next.clone_from(held);
        durability.is_committing = true;
        (durability.volatile, durability.due_at) = (0, None);
        let last = std::mem::take(&mut durability.last);
        let Durability { durable, next, .. } = durability;
        let anew = durable.iter().any(|shard| !next.contains(shard));
        self.outputs.push_back(Queued {
            output: Output::Checkpoint {
                swarm: key,
                anew,
                last,
            },
            goodbye: None,
        });
    }

    /// The answer to [`Output::Checkpoint`]. Without room for it (`NoSpace`: not a byte of it stands in
    /// the journal) the fetch waits. After any other failure nothing gained since the last one is
    /// believed, and the swarm ends.
    pub fn handle_checkpointed(
        &mut self,
        now: Instant,
        key: SwarmKey,
        result: Result<(), DiskError>,
    ) {
        let Some(swarm) = self.swarms.get_mut(key) else {
            return;
        };
        if !std::mem::take(&mut swarm.durability.is_committing) {
            return;
        }
        if let (Err(DiskError::NoSpace), Phase::Fetching) = (result, swarm.phase) {
            // Nothing was appended: what was to be told is told again when there is room.
            swarm.durability.due_at = Some(now + SPACE_RETRY);
            return self.pause(now, key, true);
        }
        if let (Err(DiskError::NoSpace), Phase::Finishing) = (result, swarm.phase) {
            // All is there, and needs no journal.
            return self.push_finish(key);
        }
        if let Err(error) = result {
            return self.end(now, key, Failure::Disk(error));
        }
        let Durability { durable, next, .. } = &mut swarm.durability;
        std::mem::swap(durable, next);
        match (swarm.phase, swarm.durability.last, swarm.durability.ending) {
            (Phase::Finishing, ..) => self.push_finish(key),
            (Phase::Ending, false, Some(cause)) => self.end(now, key, cause),
            _ => {
                self.found_room(now, key, true);
                self.checkpoint_if_due(now, key);
                // What was lost may be asked for from now on.
                self.ask_all(now, key);
            }
        }
    }

    /// Has what a fetch has gained made durable as soon as can be.
    pub(super) fn checkpoint_soon(&mut self, now: Instant, key: SwarmKey) {
        if let Some(swarm) = self.swarms.get_mut(key) {
            let due = &mut swarm.durability.due_at;
            *due = due.map(|_| now);
            self.checkpoint_if_due(now, key);
        }
    }

    /// Has a fetch's last checkpoint made, if it has a place on the disk.
    pub(super) fn checkpoint_last(&mut self, now: Instant, key: SwarmKey) {
        if let Some(swarm) = self.swarms.get_mut(key) {
            if matches!(swarm.phase, Phase::Fetching | Phase::Ending) {
                swarm.durability.last = true;
                self.checkpoint_if_due(now, key);
            }
        }
    }

    /// Ends a swarm that cannot go on, after its last checkpoint. What is on disk stays.
    /// A file that was complete is no repair the worse.
    pub(super) fn fail(&mut self, now: Instant, key: SwarmKey, cause: Failure) {
        if self.end_repair(key, cause) {
            return;
        }
        let Some(swarm) = self.swarms.get_mut(key) else {
            return;
        };
        if swarm.phase != Phase::Fetching || matches!(cause, Failure::Disk(_) | Failure::OtherFile)
        {
            return self.end(now, key, cause);
        }
        swarm.phase = Phase::Ending;
        swarm.scan = None;
        swarm.durability.ending = Some(cause);
        self.close_all(now, key);
        self.checkpoint_last(now, key);
    }

    /// Forgets a swarm, and says why.
    fn end(&mut self, now: Instant, key: SwarmKey, cause: Failure) {
        let Some(swarm) = self.swarms.remove(key) else {
            return;
        };
        if let (true, Some(file)) = (swarm.announced, swarm.file) {
            self.requests.push_back(super::Request::Withdraw(file));
        }
        self.close_all(now, key);
        self.events.push_back(Event::Failed { swarm: key, cause });
    }
}
