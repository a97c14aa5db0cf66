//! Whose turn it is to be sent a shard.
//!
//! A shard can be passed on only when it is whole, so a node sends few at a time: with a thin
//! uplink and thirty takers, thirty shards at once would all be late. At most [`UPLOADS_MAX`]
//! streams send payload at once; the others wait in a line, and each range that is sent goes to the
//! end of it, which gives every taker the same. A stream whose other end does not read does not
//! count, and nobody waits for it: who was woken and did not come goes to the end of the line.

use super::Swarms;
use crate::limits::{UPLOAD_STALL_TIMEOUT, UPLOADS_MAX};
use crate::output::StreamKey;
use crate::time::Instant;

impl Swarms {
    /// Whether `key` may send its next range now; if not, it waits in line and is woken.
    pub(super) fn takes_turn(&mut self, key: StreamKey) -> bool {
        let is_free = self.active_uploads() < UPLOADS_MAX;
        let place = self.line.iter().position(|&waiting| waiting == key);
        match place {
            Some(place) if is_free => {
                self.line.remove(place);
                true
            }
            Some(_) => false,
            // Who has just sent a range lets those in line go first.
            None if is_free && self.line.is_empty() => true,
            None => {
                self.line.push_back(key);
                false
            }
        }
    }

    /// A range is sent, or its stream is gone: the next in line may send.
    pub(super) fn pass_turn(&mut self) {
        let free = UPLOADS_MAX.saturating_sub(self.active_uploads());
        for place in 0..free.min(self.line.len()) {
            self.wake(self.line[place]);
        }
    }

    /// `key` has nothing to send any more.
    pub(super) fn leave_line(&mut self, key: StreamKey) {
        self.line.retain(|&waiting| waiting != key);
    }

    /// Whether the uplink could take more than is asked for.
    pub(super) fn is_uplink_free(&self) -> bool {
        self.line.is_empty() && self.active_uploads() < UPLOADS_MAX
    }

    /// Stops counting uploads that have not moved, and lets the next in line have their turn.
    pub(super) fn check_turns(&mut self, now: Instant) {
        if self.turns_at.is_none_or(|at| now < at) {
            return;
        }
        self.turns_at = None;
        for (key, stream) in self.streams.iter_mut() {
            let sends = stream.upload.is_some() || stream.is_midway;
            let stalled = sends && now >= stream.sent_at + UPLOAD_STALL_TIMEOUT;
            // One that a cap holds back would move if it might.
            stream.upload_stalled |= stalled && !self.paces.up.holds(key);
        }
        let free = UPLOADS_MAX.saturating_sub(self.active_uploads());
        self.line.rotate_left(free.min(self.line.len()));
        self.pass_turn();
        let mut place = 0;
        while let Some(swarm) = self.swarms.key_from(place) {
            place = swarm.slot + 1;
            self.offer_if_idle(now, swarm);
        }
        self.plan_turns(now);
    }

    /// Has [`Swarms::check_turns`] called in a while, if uploads are under way or somebody waits.
    pub(super) fn plan_turns(&mut self, now: Instant) {
        let is_busy = !self.line.is_empty() || self.active_uploads() > 0;
        if is_busy && self.turns_at.is_none() {
            self.turns_at = Some(now + UPLOAD_STALL_TIMEOUT);
        }
    }

    fn active_uploads(&self) -> usize {
        let counts = |stream: &super::Stream| {
            (stream.upload.is_some() || stream.is_midway) && !stream.upload_stalled
        };
        self.streams
            .iter()
            .filter(|(_, stream)| counts(stream))
            .count()
    }
}
