//! Shards that were right once and have gone bad on the disk.
//!
//! Whoever finds one (the scrub, or a read that fails while it is sent) says so here. It is not held
//! any more from then on. Of what is shared from where it lies, only the owner has another copy. Of
//! what was fetched, others have:
//!
//! ```text
//!  a part:   held, durable ──► missing, as `checkpoint` says ──► asked for like any other
//!  a file:   Complete ──Output::Reopen──► (opened) ──handle_reopened──► Repairing
//!               ▲                                                          │ every bad shard is
//!               │                                                          │ written, or nobody has it
//!               └──handle_finished── Finishing ◄──────Output::Finish───────┘
//! ```
//!
//! **A finished file is rewritten in place, without a journal.** The old bytes were rotten, so to
//! lose them costs nothing, and nobody believes a finished file by a record: a start reads and hashes
//! all of it before a shard of it counts. A power cut in between leaves a shard that is rotten, torn
//! or right, and the next start finds out which. What must outlive the cut is only that the file is
//! ours and that it is we who write into it; the driver notes that before it opens the file
//! ([`Output::Reopen`]). Else the start would take a file that is not right for the user's own, and
//! leave it alone.
//!
//! Only shards that went bad are written, never those of an entry that somebody has edited. Invariants:
//! a bad shard is not held; a repair has at most [`REPAIRS_MAX`] shards since the start, beyond which
//! the disk is failing and writing to it would not help; what a failed sync leaves in doubt is bad
//! again.

use super::swarm::{Found, Phase, Swarm};
use super::{Queued, Swarms};
use crate::bitmap::Bitmap;
use crate::limits::{REPAIR_RETRY, REPAIRS_MAX};
use crate::output::{DiskError, Event, Failure, Output, Remedy, SwarmKey};
use crate::time::Instant;

/// What is wrong in a finished file, and what is being done about it.
#[derive(Debug, Default)]
pub struct Repair {
    /// Shards that went bad and are to be fetched again.
    pub bad: Bitmap,
    /// Shards that were written again, and are not known to be synced.
    written: Bitmap,
    /// Shards that went bad since the start.
    count: u32,
    /// The driver opens the file, or a repair is under way.
    is_under_way: bool,
    /// Why the repair under way has ended early.
    ending: Option<Failure>,
    /// When it is tried again.
    pub retry_at: Option<Instant>,
}

impl Swarm {
    /// What happens to a shard that has gone bad.
    fn remedy(&self) -> Remedy {
        match self.is_fetched {
            false => Remedy::Restore,
            true if self.repair.count > REPAIRS_MAX => Remedy::Replace,
            true => Remedy::Fetch,
        }
    }

    /// Shards that must not be asked for, from `64 * index`.
    pub fn closed_word(&self, index: usize) -> u64 {
        match self.phase {
            // What somebody has edited is not ours to write.
            Phase::Repairing => !self.repair.bad.word(index),
            // One that is durable and not held is being written off.
            _ => self.durability.durable.word(index),
        }
    }

    /// Writes what others are told of, as a `Map` frame has it: what is held, and in a repair also what
    /// is not wanted, because who has everything offers only what the other end lacks.
    pub fn emit_bitfield(&self, first: u32, bits: &mut [u8]) {
        if self.phase != Phase::Repairing {
            return self.held.emit(first, bits);
        }
        self.repair.bad.emit(first, bits);
        for (place, byte) in bits.iter_mut().enumerate() {
            let count = self.shard_count().saturating_sub(first + place as u32 * 8);
            *byte = !*byte & !(0xff_u16 >> count.min(8)) as u8;
        }
    }

    /// Whether nothing is left to be fetched.
    pub fn wants_nothing(&self) -> bool {
        match self.phase {
            Phase::Repairing => self.repair.bad.count() == 0,
            _ => self.is_whole(),
        }
    }
}

impl Swarms {
    /// A shard that was right is not any more.
    pub(super) fn rot(&mut self, now: Instant, key: SwarmKey, shard: u32) {
        let Some(swarm) = self.swarms.get_mut(key) else {
            return;
        };
        let is_found = swarm.phase == Phase::Verifying;
        if !swarm.held.remove(shard) && !is_found {
            return;
        }
        swarm.repair.count += 1;
        let remedy = swarm.remedy();
        self.events.push_back(Event::Rotten {
            swarm: key,
            shard,
            remedy,
        });
        match (remedy, swarm.phase) {
            (Remedy::Fetch, Phase::Fetching) => self.count_loss(now, key),
            (Remedy::Fetch, _) => {
                swarm.repair.bad.insert(shard);
                if !is_found {
                    self.reopen(key);
                }
                self.ask_all(now, key);
            }
            (_, Phase::Fetching) => self.fail(now, key, Failure::Disk(DiskError::Failed)),
            (_, Phase::Verifying) => self.fail(now, key, Failure::OtherFile),
            _ => {}
        }
        self.withdraw_if_empty(key);
    }

    /// Has a finished file opened for writing, unless a repair is under way.
    pub(super) fn reopen(&mut self, key: SwarmKey) {
        let Some(swarm) = self.swarms.get_mut(key) else {
            return;
        };
        let may_begin = matches!(swarm.phase, Phase::Complete | Phase::Verifying);
        let has_work = swarm.repair.bad.count() > 0 && swarm.absent.is_none();
        if may_begin && has_work && !std::mem::replace(&mut swarm.repair.is_under_way, true) {
            swarm.repair.retry_at = None;
            self.outputs.push_back(Queued {
                output: Output::Reopen(key),
                goodbye: None,
            });
        }
    }

    /// Shards that went bad and are to be fetched again, in order.
    pub fn bad(&self, key: SwarmKey) -> impl Iterator<Item = u32> {
        let swarm = self.swarms.get(key).into_iter();
        swarm.flat_map(|swarm| swarm.repair.bad.iter())
    }

    /// The answer to [`Output::Reopen`]: the file may be written, or why not.
    pub fn handle_reopened(&mut self, now: Instant, key: SwarmKey, result: Result<(), DiskError>) {
        let Some(swarm) = self.swarms.get_mut(key) else {
            return;
        };
        let may_begin = matches!(swarm.phase, Phase::Complete | Phase::Verifying);
        if !swarm.repair.is_under_way || !may_begin {
            return;
        }
        if let Err(error) = result {
            swarm.repair.is_under_way = false;
            if swarm.phase == Phase::Verifying {
                return self.fail(now, key, Failure::Disk(error));
            }
            return self.say_unrepaired(key, Some(error));
        }
        swarm.phase = Phase::Repairing;
        (swarm.repair.ending, swarm.repair.written) = (None, Bitmap::default());
        // The wait for providers begins anew.
        (swarm.idle_since, swarm.lookups, swarm.lookup_at) = (now, 0, now);
        if swarm.wants_nothing() {
            return self.finish(key);
        }
        self.look_up(now, key);
        self.dial(now, key);
        self.ask_all(now, key);
    }

    /// A bad shard is right again, in the page cache at least.
    pub(super) fn note_repaired(&mut self, key: SwarmKey, shard: u32) {
        if let Some(swarm) = self.swarms.get_mut(key) {
            if swarm.repair.bad.remove(shard) {
                swarm.repair.written.insert(shard);
            }
        }
    }

    /// A repair cannot go on: what was written is synced, and the rest waits. False when `key` is
    /// under no repair of a file that was complete before.
    pub(super) fn end_repair(&mut self, key: SwarmKey, cause: Failure) -> bool {
        let Some(swarm) = self.swarms.get_mut(key) else {
            return false;
        };
        if swarm.phase != Phase::Repairing || swarm.found == Found::Kept {
            return false;
        }
        swarm.repair.ending = Some(cause);
        swarm.flights.clear();
        swarm.flying = Bitmap::with_capacity(swarm.shard_count());
        self.finish(key);
        true
    }

    /// The sync at the end of a repair is done, or has failed. False: there was no repair, or it was
    /// of a file that counts as complete from now on only.
    pub(super) fn conclude_repair(
        &mut self,
        now: Instant,
        key: SwarmKey,
        result: Result<(), DiskError>,
    ) -> bool {
        let Some(swarm) = self.swarms.get_mut(key) else {
            return false;
        };
        let repair = &mut swarm.repair;
        if !std::mem::take(&mut repair.is_under_way) {
            return false;
        }
        let written = std::mem::take(&mut repair.written);
        let shards = written.count();
        let ending = result.err().map(Failure::Disk).or(repair.ending.take());
        if result.is_err() {
            written.iter().for_each(|shard| {
                swarm.held.remove(shard);
                repair.bad.insert(shard);
            });
        } else if shards > 0 {
            self.events
                .push_back(Event::Repaired { swarm: key, shards });
        }
        if swarm.found == Found::Kept {
            return false;
        }
        swarm.phase = Phase::Complete;
        match ending {
            // What went bad meanwhile.
            None => self.reopen(key),
            Some(Failure::Disk(error)) => self.say_unrepaired(key, Some(error)),
            Some(_) => {
                repair.retry_at = Some(now + REPAIR_RETRY);
                self.say_unrepaired(key, None);
            }
        }
        self.withdraw_if_empty(key);
        true
    }

    /// What is repaired is not there any more: what was not synced is bad again.
    pub(super) fn abandon_repair(&mut self, key: SwarmKey) {
        let Some(swarm) = self.swarms.get_mut(key) else {
            return;
        };
        if swarm.phase == Phase::Repairing {
            swarm.phase = Phase::Complete;
            swarm.flights.clear();
            swarm.flying = Bitmap::with_capacity(swarm.shard_count());
            swarm.repair.is_under_way = false;
            for shard in std::mem::take(&mut swarm.repair.written).iter() {
                swarm.held.remove(shard);
                swarm.repair.bad.insert(shard);
            }
        }
    }

    /// Some of what was bad is not to be repaired any more: a repair may be done.
    pub(super) fn check_repair(&mut self, key: SwarmKey) {
        let swarm = self.swarms.get(key);
        if swarm.is_some_and(|swarm| swarm.phase == Phase::Repairing && swarm.wants_nothing()) {
            self.finish(key);
        }
    }

    fn say_unrepaired(&mut self, key: SwarmKey, cause: Option<DiskError>) {
        if let Some(swarm) = self.swarms.get(key) {
            let missing = swarm.repair.bad.count();
            self.events.push_back(Event::Unrepaired {
                swarm: key,
                missing,
                cause,
            });
        }
    }

    /// Tries a repair again when it is time.
    pub(super) fn retry_repair(&mut self, now: Instant, key: SwarmKey) {
        let Some(swarm) = self.swarms.get_mut(key) else {
            return;
        };
        if swarm.repair.retry_at.is_some_and(|at| at <= now) {
            swarm.repair.retry_at = None;
            self.reopen(key);
        }
    }
}
