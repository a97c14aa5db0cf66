//! Whose turn it is to be sent a shard.
//!
//! A shard can be passed on only when it is whole, so a node sends few at a time: with a thin
//! uplink and thirty takers, thirty shards at once would all be late. At most [`UPLOADS_MAX`]
//! streams send payload at once; the others wait in a line, and each range that is sent goes to the
//! end of it, which gives every taker the same. A stream whose other end does not read does not
//! count, and nobody waits for it: who was woken and did not come goes to the end of the line.

use crate::limits::{UPLOAD_STALL_TIMEOUT, UPLOADS_MAX};
use crate::output::StreamKey;
use crate::swarm::Swarms;
use crate::time::Instant;

impl Swarms {
    /// Whether `key` may send its next range now; if not, it waits in line and is woken.
    pub(in crate::swarm) fn takes_slot(&mut self, key: StreamKey) -> bool {
        let is_free = self.active_uploads() < UPLOADS_MAX;
        let place = self.upload_queue.iter().position(|&waiting| waiting == key);
        match place {
            Some(place) if is_free => {
                self.upload_queue.remove(place);
                true
            }
            Some(_) => false,
            // Who has just sent a range lets those in line go first.
            None if is_free && self.upload_queue.is_empty() => true,
            None => {
                self.upload_queue.push_back(key);
                false
            }
        }
    }

    /// A range is sent, or its stream is gone: the next in line may send.
    pub(in crate::swarm) fn pass_slot(&mut self) {
        let free = UPLOADS_MAX.saturating_sub(self.active_uploads());
        for place in 0..free.min(self.upload_queue.len()) {
            self.wake(self.upload_queue[place]);
        }
    }

    /// `key` has nothing to send any more.
    pub(in crate::swarm) fn leave_queue(&mut self, key: StreamKey) {
        self.upload_queue.retain(|&waiting| waiting != key);
    }

    /// Whether the uplink could take more than is asked for.
    pub(in crate::swarm) fn is_uplink_free(&self) -> bool {
        self.upload_queue.is_empty() && self.active_uploads() < UPLOADS_MAX
    }

    /// Stops counting uploads that have not moved, and lets the next in line have their turn.
    pub(in crate::swarm) fn check_upload_slots(&mut self, now: Instant) {
        if self.slot_check_at.is_none_or(|at| now < at) {
            return;
        }
        self.slot_check_at = None;
        for (key, stream) in self.streams.iter_mut() {
            let sends = stream.upload.is_some() || stream.is_midway;
            let stalled = sends && now >= stream.sent_at + UPLOAD_STALL_TIMEOUT;
            // One that a cap holds back would move if it might.
            stream.upload_stalled |= stalled && !self.limits.up.holds(key);
        }
        let free = UPLOADS_MAX.saturating_sub(self.active_uploads());
        self.upload_queue
            .rotate_left(free.min(self.upload_queue.len()));
        self.pass_slot();
        let mut place = 0;
        while let Some(swarm) = self.swarms.key_from(place) {
            place = swarm.slot + 1;
            self.offer_if_idle(now, swarm);
        }
        self.plan_slot_check(now);
    }

    /// Has [`Swarms::check_upload_slots`] called in a while, if uploads are under way or somebody waits.
    pub(in crate::swarm) fn plan_slot_check(&mut self, now: Instant) {
        let is_busy = !self.upload_queue.is_empty() || self.active_uploads() > 0;
        if is_busy && self.slot_check_at.is_none() {
            self.slot_check_at = Some(now + UPLOAD_STALL_TIMEOUT);
        }
    }

    fn active_uploads(&self) -> usize {
        let counts = |stream: &crate::swarm::Stream| {
            (stream.upload.is_some() || stream.is_midway) && !stream.upload_stalled
        };
        self.streams
            .iter()
            .filter(|(_, stream)| counts(stream))
            .count()
    }
}
