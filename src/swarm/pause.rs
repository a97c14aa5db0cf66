//! Swarms that wait, forget nothing, and go on by themselves.
//!
//! ```text
//!  fetch:   Fetching ──no room──► paused ──SPACE_RETRY──► probing ──a shard is written──► Fetching
//!                                   ▲───────no room──────────┘   (a checkpoint, if that had failed)
//!  served:  Complete ──handle_missing──► absent ──handle_returned──► Complete
//! ```
//!
//! A fetch on a full disk goes on serving what it holds. A place that is missing (a card that was
//! taken out) is not asked for anything; others are told to look elsewhere. Invariant: what waits
//! is said once, and once that it goes on.

use super::Swarms;
use super::swarm::Phase;
use crate::limits::SPACE_RETRY;
use crate::output::{DiskError, Event, SwarmKey};
use crate::time::Instant;

/// What a fetch waits for on a full disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    /// When it is tried again.
    pub retry_at: Instant,
    /// It is being tried: one range at a time is asked for.
    pub is_probing: bool,
    /// A checkpoint found no room: only another can show that there is some.
    pub is_of_checkpoint: bool,
}

impl Swarms {
    /// The disk had no room for a shard, or for a checkpoint.
    pub(super) fn pause(&mut self, now: Instant, key: SwarmKey, is_of_checkpoint: bool) {
        let Some(swarm) = self.swarms.get_mut(key) else {
            return;
        };
        if swarm.phase != Phase::Fetching {
            return;
        }
        let before = swarm.pause.replace(Pause {
            retry_at: now + SPACE_RETRY,
            is_probing: false,
            is_of_checkpoint,
        });
        // The wait for providers begins anew afterwards.
        swarm.idle_since = now;
        if before.is_none() {
            let cause = DiskError::NoSpace;
            self.events.push_back(Event::Paused { swarm: key, cause });
        }
    }

    /// Tries again, when it is time, whether there is room.
    pub(super) fn probe(&mut self, now: Instant, key: SwarmKey) {
        let Some(swarm) = self.swarms.get_mut(key) else {
            return;
        };
        let Some(pause) = &mut swarm.pause else {
            return;
        };
        if pause.retry_at > now {
            return;
        }
        pause.retry_at = now + SPACE_RETRY;
        // The checkpoint is due at the same time.
        pause.is_probing = !pause.is_of_checkpoint;
        self.ask_all(now, key);
    }

    /// A shard (or a checkpoint) found room.
    pub(super) fn found_room(&mut self, now: Instant, key: SwarmKey, is_of_checkpoint: bool) {
        let Some(swarm) = self.swarms.get_mut(key) else {
            return;
        };
        // What was written since, but was on its way before, says nothing.
        let shows = |pause: &mut Pause| match is_of_checkpoint {
            true => pause.is_of_checkpoint,
            false => pause.is_probing,
        };
        if swarm.pause.take_if(shows).is_some() {
            self.events.push_back(Event::Continued { swarm: key });
            self.ask_all(now, key);
        }
    }

    /// The place of what is served is not there: a folder that is gone, or another in its stead.
    pub fn handle_missing(&mut self, now: Instant, key: SwarmKey) {
        let Some(swarm) = self.swarms.get_mut(key) else {
            return;
        };
        let is_served = matches!(swarm.phase, Phase::Complete | Phase::Repairing);
        if !is_served || swarm.absent.is_some() {
            return;
        }
        self.abandon_repair(key);
        let Some(swarm) = self.swarms.get_mut(key) else {
            return;
        };
        swarm.absent = Some(std::mem::take(&mut swarm.held));
        swarm.scan = None;
        self.withdraw_if_empty(key);
        self.close_all(now, key);
        let cause = DiskError::NotFound;
        self.events.push_back(Event::Paused { swarm: key, cause });
    }

    /// The place is there again, and everything in it as it was.
    pub fn handle_returned(&mut self, key: SwarmKey) {
        let Some(swarm) = self.swarms.get_mut(key) else {
            return;
        };
        if let Some(held) = swarm.absent.take() {
            swarm.held = held;
            self.announce(key);
            self.events.push_back(Event::Continued { swarm: key });
            self.reopen(key);
        }
    }

    /// An entry of what is served is not the file that was hashed.
    pub fn handle_changed(&mut self, key: SwarmKey, entry: u32) {
        let Some(swarm) = self.swarms.get_mut(key) else {
            return;
        };
        let is_served = matches!(swarm.phase, Phase::Complete | Phase::Repairing);
        if is_served && swarm.drop_entry(entry) > 0 {
            self.events.push_back(Event::Changed { swarm: key });
            self.withdraw_if_empty(key);
        }
        self.check_repair(key);
    }
}
