//! Swarms that wait for their disk, forget nothing, and continue by themselves.
//!
//! ```text
//!  fetch:   Fetching ──no room──► paused ──SPACE_RETRY──► probing ──a shard is written──► Fetching
//!                                   ▲───────no room──────────┘   (or a checkpoint, if one failed)
//!  served:  Complete ──handle_missing──► absent ──handle_returned──► Complete
//! ```
//!
//! A fetch on a full disk keeps serving what it holds. Nothing is read from files that are missing
//! (a card that was taken out); peers are told to look elsewhere. Invariant: a wait is said once,
//! and its end once.

use super::scope::Scope;
use super::state::{Pause, Phase};
use crate::limits::SPACE_RETRY;
use crate::output::{DiskError, Event};

impl Scope<'_> {
    /// The disk had no room for a shard, or for a checkpoint.
    pub fn pause(&mut self, is_of_checkpoint: bool) {
        if self.swarm.phase != Phase::Fetching {
            return;
        }
        let before = self.swarm.pause.replace(Pause {
            retry_at: self.now + SPACE_RETRY,
            is_probing: false,
            is_of_checkpoint,
        });
        // The wait for providers begins anew afterwards.
        self.swarm.discovery.idle_since = self.now;
        if before.is_none() {
            self.push_paused(DiskError::NoSpace);
        }
    }

    fn push_paused(&mut self, cause: DiskError) {
        let swarm = self.key;
        self.push_event(Event::Paused { swarm, cause });
    }

    /// Tries again, when it is time, whether there is room.
    pub fn probe_space(&mut self) {
        let pause = self.swarm.pause.as_mut();
        if let Some(pause) = pause.filter(|pause| pause.retry_at <= self.now) {
            pause.retry_at = self.now + SPACE_RETRY;
            // The checkpoint is due at the same time.
            pause.is_probing = !pause.is_of_checkpoint;
            self.request_all();
        }
    }

    /// A shard (or a checkpoint) found room.
    pub fn found_room(&mut self, is_of_checkpoint: bool) {
        // A write that was under way before the pause says nothing.
        let shows = |pause: &mut Pause| match is_of_checkpoint {
            true => pause.is_of_checkpoint,
            false => pause.is_probing,
        };
        if self.swarm.pause.take_if(shows).is_some() {
            let swarm = self.key;
            self.push_event(Event::Continued { swarm });
            self.request_all();
        }
    }

    /// The files of what is served are not there: a folder that is gone, or another in its stead.
    pub fn handle_missing(&mut self) {
        let is_served = matches!(self.swarm.phase, Phase::Complete | Phase::Repairing);
        if is_served && self.swarm.absent.is_none() {
            self.abandon_repair();
            self.swarm.absent = Some(std::mem::take(&mut self.swarm.held));
            self.swarm.scan = None;
            self.withdraw_if_empty();
            self.close_all();
            self.push_paused(DiskError::NotFound);
        }
    }

    /// The files are there again, and everything in them as it was.
    pub fn handle_returned(&mut self) {
        if let Some(held) = self.swarm.absent.take() {
            self.swarm.held = held;
            self.announce();
            let swarm = self.key;
            self.push_event(Event::Continued { swarm });
            self.reopen();
        }
    }

    /// An entry of what is served is not the file that was hashed.
    pub fn handle_changed(&mut self, entry: u32) {
        let is_served = matches!(self.swarm.phase, Phase::Complete | Phase::Repairing);
        if is_served && self.swarm.drop_entry(entry) > 0 {
            let swarm = self.key;
            self.push_event(Event::Changed { swarm });
            self.withdraw_if_empty();
        }
        self.check_repair();
    }
}
