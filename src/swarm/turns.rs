//! Whose turn it is to be sent a shard.
//!
//! A shard can be passed on only when it is whole, so a node sends few at a time: with a thin uplink and
//! thirty takers, thirty shards at once would all be late. At most [`UPLOADS_MAX`] streams send
//! payload at once; the others wait in a line, and each range that is sent goes to the end of it, which
//! gives every taker the same. A stream whose other end does not read does not count, and nobody waits
//! for it.

use super::Swarms;
use crate::limits::{UPLOAD_STALL_TIMEOUT, UPLOADS_MAX};
use crate::output::StreamKey;
use crate::time::Instant;

impl Swarms {
    /// Whether `key` may send its next range now; if not, it waits in line and is woken.
    pub(super) fn takes_turn(&mut self, key: StreamKey) -> bool {
        let free = UPLOADS_MAX.saturating_sub(self.active_uploads());
        match self.line.iter().position(|&waiting| waiting == key) {
            Some(place) if place < free => {
                self.line.remove(place);
                true
            }
            Some(_) => false,
            None if self.line.is_empty() && free > 0 => true,
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

    /// Stops counting uploads that have not moved.
    pub(super) fn check_turns(&mut self, now: Instant) {
        for (_, stream) in self.streams.iter_mut() {
            let stalled = stream.upload.is_some() && now >= stream.sent_at + UPLOAD_STALL_TIMEOUT;
            stream.upload_stalled |= stalled;
        }
        self.pass_turn();
    }

    /// When [`Swarms::check_turns`] is due: while somebody waits.
    pub(super) fn next_stall(&self) -> Option<Instant> {
        let uploads = self.streams.iter().filter_map(|(_, stream)| {
            let counts = stream.upload.is_some() && !stream.upload_stalled;
            counts.then_some(stream.sent_at + UPLOAD_STALL_TIMEOUT)
        });
        uploads.min().filter(|_| !self.line.is_empty())
    }

    fn active_uploads(&self) -> usize {
        let counts = |stream: &super::Stream| stream.upload.is_some() && !stream.upload_stalled;
        self.streams
            .iter()
            .filter(|(_, stream)| counts(stream))
            .count()
    }
}
