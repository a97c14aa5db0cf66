//! Upload slots: which streams are sent payload now.
//!
//! A shard can be passed on only when it is whole, so a node sends few at a time: with a thin
//! uplink and thirty receivers, thirty shards at once would all be late. At most [`UPLOADS_MAX`]
//! streams send payload at once; the others wait in a queue, and after each range a stream goes to
//! the back of it, which gives every receiver the same. A stream whose other end does not read does
//! not count. A stream that is woken and does not use its slot goes to the back of the queue.
//!
//! Invariant: a stream is in the queue at most once.

use crate::limits::{UPLOAD_STALL_TIMEOUT, UPLOADS_MAX};
use crate::output::StreamKey;
use crate::swarm::stream::{Stream, Streams};
use crate::time::Instant;
use arrayvec::ArrayVec;
use std::collections::VecDeque;

pub struct UploadSlots {
    queue: VecDeque<StreamKey>,
    /// When uploads that do not move are looked for next.
    pub check_at: Option<Instant>,
}

impl UploadSlots {
    pub fn new(capacity: usize) -> UploadSlots {
        UploadSlots {
            queue: VecDeque::with_capacity(capacity),
            check_at: None,
        }
    }

    /// Slots that no stream uses.
    fn free_count(streams: &Streams) -> usize {
        let is_active = |of: &Stream| of.upload.is_under_way() && !of.upload.is_stalled;
        let active = streams.iter().filter(|(_, stream)| is_active(stream));
        UPLOADS_MAX.saturating_sub(active.count())
    }

    /// Whether `key` may send its next range now; if not, it waits in the queue and is woken.
    pub fn take(&mut self, key: StreamKey, streams: &Streams) -> bool {
        let is_free = UploadSlots::free_count(streams) > 0;
        let index = self.queue.iter().position(|&waiting| waiting == key);
        match index {
            Some(index) if is_free => {
                self.queue.remove(index);
                true
            }
            Some(_) => false,
            // A stream that has just sent a range lets those in the queue go first.
            None if is_free && self.queue.is_empty() => true,
            None => {
                self.queue.push_back(key);
                false
            }
        }
    }

    /// `key` has nothing to send any more.
    pub fn leave(&mut self, key: StreamKey) {
        self.queue.retain(|&waiting| waiting != key);
    }

    /// The streams at the front of the queue for which there are slots.
    pub fn next(&self, streams: &Streams) -> ArrayVec<StreamKey, UPLOADS_MAX> {
        let free = UploadSlots::free_count(streams);
        self.queue.iter().copied().take(free).collect()
    }

    /// Moves the streams of [`UploadSlots::next`], which did not use their slots, to the back.
    pub fn rotate(&mut self, streams: &Streams) {
        let free = UploadSlots::free_count(streams);
        self.queue.rotate_left(free.min(self.queue.len()));
    }

    /// Whether the uplink could take more than is requested.
    pub fn is_uplink_free(&self, streams: &Streams) -> bool {
        self.queue.is_empty() && UploadSlots::free_count(streams) > 0
    }

    /// Plans the next look for uploads that do not move, while any is under way or waits.
    pub fn plan_check(&mut self, now: Instant, streams: &Streams) {
        let is_busy = !self.queue.is_empty() || UploadSlots::free_count(streams) < UPLOADS_MAX;
        if is_busy && self.check_at.is_none() {
            self.check_at = Some(now + UPLOAD_STALL_TIMEOUT);
        }
    }

    pub fn invariants(&self) {
        let count_of = |key| self.queue.iter().filter(|&&waiting| waiting == key).count();
        assert!(
            self.queue.iter().all(|&key| count_of(key) == 1),
            "a stream waits for one slot"
        );
    }
}
