//! Shards that were right once and have gone bad on the disk.
//!
//! The scrub finds them, or a read that fails while a shard is sent. From then on the shard is not
//! held. Of what is shared from where it lies, only the owner has another copy. Of what was
//! fetched, others have:
//!
//! ```text
//!  a part:   held, durable ──► missing, as `checkpoint` says ──► requested like any other
//!  a file:   Complete ──Output::Reopen──► (opened) ──handle_reopened──► Repairing
//!               ▲                                                          │ every bad shard is
//!               │                                                          │ written, or lost
//!               └──handle_finished── Finishing ◄──────Output::Finish───────┘
//! ```
//!
//! **A finished file is rewritten in place, without a journal.** The old bytes were rotten, so to
//! lose them costs nothing, and no start believes a finished file by a record: it reads and hashes
//! all of it before a shard of it counts. A power cut in between leaves a shard that is rotten,
//! torn or right, and the next start finds out which. Only one fact must outlive the cut: the file
//! is ours, and this node writes into it. The driver notes that before it opens the file
//! ([`Output::Reopen`]). Else the start would take a file that is not right for the user's own, and
//! leave it alone.
//!
//! Only shards that went bad are written, never those of an entry that somebody has edited.
//! Invariants: a bad shard is not held; a repair has at most
//! [`REPAIRS_MAX`](crate::limits::REPAIRS_MAX) shards since the start, beyond which the disk is
//! failing and writing to it would not help; shards that a failed sync leaves in doubt are bad
//! again.

use super::content::Found;
use super::scope::Scope;
use super::state::{Phase, Swarm};
use crate::limits::REPAIR_RETRY;
use crate::output::{DiskError, Event, Failure, Output, Remedy};

impl Swarm {
    /// Shards that were written again and are not synced are bad again.
    fn doubt_rewritten(&mut self) {
        for shard in std::mem::take(&mut self.damage.rewritten).iter() {
            self.held.remove(shard);
            self.damage.bad.insert(shard);
        }
    }
}

impl Scope<'_> {
    /// A shard that was right is not any more.
    pub fn rot(&mut self, shard: u32) {
        let swarm = &mut *self.swarm;
        let is_found = swarm.phase == Phase::Verifying;
        if !swarm.held.remove(shard) && !is_found {
            return;
        }
        swarm.damage.count += 1;
        let (remedy, phase) = (swarm.remedy(), swarm.phase);
        let swarm = self.key;
        self.push_event(Event::Rotten {
            swarm,
            shard,
            remedy,
        });
        match (remedy, phase) {
            (Remedy::Fetch, Phase::Fetching) => self.count_loss(),
            (Remedy::Fetch, _) => {
                self.swarm.damage.bad.insert(shard);
                if !is_found {
                    self.reopen();
                }
                self.request_all();
            }
            (_, Phase::Fetching) => self.fail(Failure::Disk(DiskError::Failed)),
            (_, Phase::Verifying) => self.fail(Failure::OtherFile),
            _ => {}
        }
        self.withdraw_if_empty();
    }

    /// Has a finished file opened for writing, unless a repair is under way.
    pub fn reopen(&mut self) {
        let swarm = &mut *self.swarm;
        let may_begin = matches!(swarm.phase, Phase::Complete | Phase::Verifying);
        let has_work = swarm.damage.bad.count() > 0 && swarm.absent.is_none();
        if may_begin && has_work && !std::mem::replace(&mut swarm.damage.is_under_repair, true) {
            swarm.damage.retry_at = None;
            self.shared.outputs.push_back(Output::Reopen(self.key));
        }
    }

    /// The answer to [`Output::Reopen`]: the file may be written, or why not.
    pub fn handle_reopened(&mut self, result: Result<(), DiskError>) {
        let swarm = &mut *self.swarm;
        let may_begin = matches!(swarm.phase, Phase::Complete | Phase::Verifying);
        if !swarm.damage.is_under_repair || !may_begin {
            return;
        }
        if let Err(error) = result {
            swarm.damage.is_under_repair = false;
            return match swarm.phase {
                Phase::Verifying => self.fail(Failure::Disk(error)),
                _ => self.push_unrepaired(Some(error)),
            };
        }
        swarm.phase = Phase::Repairing;
        swarm.ending = None;
        swarm.damage.rewritten.clear();
        swarm.discovery.restart(self.now);
        if swarm.wants_nothing() {
            return self.finish();
        }
        self.look_up();
        self.dial();
        self.request_all();
    }

    /// A bad shard is right again, in the page cache at least.
    pub fn note_repaired(&mut self, shard: u32) {
        if self.swarm.damage.bad.remove(shard) {
            self.swarm.damage.rewritten.insert(shard);
        }
    }

    /// A repair cannot go on: what was written is synced, and the rest waits. False when there is
    /// no repair of a file that was complete before.
    pub fn end_repair(&mut self, cause: Failure) -> bool {
        let swarm = &mut *self.swarm;
        let is_repair = swarm.phase == Phase::Repairing && swarm.content.found != Found::Kept;
        if is_repair {
            swarm.ending = Some(cause);
            swarm.flights.end_all();
            self.finish();
        }
        is_repair
    }

    /// The sync at the end of a repair is done, or has failed. False: there was no repair, or it
    /// was of a file that counts as complete from now on only.
    pub fn conclude_repair(&mut self, result: Result<(), DiskError>) -> bool {
        let (swarm, key) = (&mut *self.swarm, self.key);
        if !std::mem::take(&mut swarm.damage.is_under_repair) {
            return false;
        }
        let shards = swarm.damage.rewritten.count();
        let ending = result.err().map(Failure::Disk);
        let ending = ending.or(swarm.ending.take());
        if result.is_err() {
            swarm.doubt_rewritten();
        } else if shards > 0 {
            swarm.damage.rewritten.clear();
            self.push_event(Event::Repaired { swarm: key, shards });
        }
        if self.swarm.content.found == Found::Kept {
            return false;
        }
        self.swarm.phase = Phase::Complete;
        match ending {
            // For shards that went bad meanwhile.
            None => self.reopen(),
            Some(Failure::Disk(error)) => self.push_unrepaired(Some(error)),
            Some(_) => {
                self.swarm.damage.retry_at = Some(self.now + REPAIR_RETRY);
                self.push_unrepaired(None);
            }
        }
        self.withdraw_if_empty();
        true
    }

    /// The file under repair is not there any more: what was not synced is bad again.
    pub fn abandon_repair(&mut self) {
        if self.swarm.phase == Phase::Repairing {
            self.swarm.phase = Phase::Complete;
            self.swarm.flights.end_all();
            self.swarm.damage.is_under_repair = false;
            self.swarm.doubt_rewritten();
        }
    }

    /// Some of what was bad is not to be repaired any more: a repair may be done.
    pub fn check_repair(&mut self) {
        if self.swarm.phase == Phase::Repairing && self.swarm.wants_nothing() {
            self.finish();
        }
    }

    fn push_unrepaired(&mut self, cause: Option<DiskError>) {
        let (swarm, missing) = (self.key, self.swarm.damage.bad.count());
        self.push_event(Event::Unrepaired {
            swarm,
            missing,
            cause,
        });
    }

    /// Tries a repair again when it is time.
    pub fn retry_repair(&mut self) {
        if self.swarm.damage.retry_at.is_some_and(|at| at <= self.now) {
            self.swarm.damage.retry_at = None;
            self.reopen();
        }
    }
}
