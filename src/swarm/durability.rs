//! Which shards of a fetch would outlive a power cut, and when more of them will.
//!
//! ```text
//!  gained ──► volatile ──Output::Checkpoint──► committing ──handle_checkpointed──► durable
//!  lost, and durable ────Output::Checkpoint──► committing ──handle_checkpointed──► missing
//! ```
//!
//! `checkpoint` does the steps. Invariant: one checkpoint at a time.

use crate::bitmap::Bitmap;
use crate::limits::{CHECKPOINT_PERIOD, CHECKPOINT_SIZE};
use crate::time::{Instant, earliest};

#[derive(Debug, Default)]
pub struct Durability {
    /// Shards that the journal proves.
    pub durable: Bitmap,
    /// Shards that the journal will prove when the checkpoint under way is done.
    pub next: Bitmap,
    pub is_committing: bool,
    /// Bytes gained since the last checkpoint began.
    volatile: u64,
    /// When the next checkpoint begins.
    pub due_at: Option<Instant>,
    /// The swarm or the node ends: one more checkpoint, the last, as soon as can be.
    pub is_last_due: bool,
    /// The checkpoint under way is the last.
    is_last: bool,
}

impl Durability {
    /// None of `shard_count` shards is durable.
    pub fn with_capacity(shard_count: u32) -> Durability {
        Durability {
            durable: Bitmap::with_capacity(shard_count),
            next: Bitmap::with_capacity(shard_count),
            ..Durability::default()
        }
    }

    /// Whether a checkpoint is under way or wanted before the end.
    pub fn is_busy(&self) -> bool {
        self.is_committing || self.is_last_due
    }

    /// Whether the disk is slower than the network: a whole checkpoint's bytes have come while the
    /// one before is under way.
    pub fn is_behind(&self) -> bool {
        self.is_committing && self.volatile >= CHECKPOINT_SIZE
    }

    /// A shard of `length` bytes was gained.
    pub fn count_gain(&mut self, now: Instant, length: u32) {
        self.volatile += u64::from(length);
        let at = match self.volatile >= CHECKPOINT_SIZE {
            true => now,
            false => now + CHECKPOINT_PERIOD,
        };
        self.due_at = earliest(self.due_at, Some(at));
    }

    /// When the next checkpoint begins, if none is under way.
    pub fn next_at(&self) -> Option<Instant> {
        let at = match self.is_last_due {
            true => Some(Instant::ZERO),
            false => self.due_at,
        };
        at.filter(|_| !self.is_committing)
    }

    /// A checkpoint of all that is held begins.
    pub fn begin(&mut self, held: &Bitmap) {
        self.next.clone_from(held);
        self.is_committing = true;
        self.is_last = std::mem::take(&mut self.is_last_due);
        (self.volatile, self.due_at) = (0, None);
    }

    /// The checkpoint under way has succeeded.
    pub fn commit(&mut self) {
        std::mem::swap(&mut self.durable, &mut self.next);
    }

    /// The checkpoint under way, if there is one.
    pub fn checkpoint(&self) -> Option<Checkpoint<'_>> {
        self.is_committing
            .then_some(Checkpoint { durability: self })
    }
}

/// A checkpoint that is under way: what the driver is to write.
///
/// Its sets are too large for an output, which is small and borrows nothing; the output names the
/// swarm, and this view of it exists as long as the checkpoint does.
#[derive(Clone, Copy, Debug)]
pub struct Checkpoint<'a> {
    durability: &'a Durability,
}

impl<'a> Checkpoint<'a> {
    /// Nothing is written after it: the stamps of the files may be kept, too.
    pub fn is_last(&self) -> bool {
        self.durability.is_last
    }

    /// Shards that it makes durable, in order.
    pub fn gained(&self) -> impl Iterator<Item = u32> + use<'a> {
        let Durability { durable, next, .. } = self.durability;
        next.iter().filter(|&shard| !durable.contains(shard))
    }

    /// Where something durable is lost, the shards that were durable and stay so: the journal
    /// begins anew with these.
    pub fn kept(&self) -> Option<Bitmap> {
        let Durability { durable, next, .. } = self.durability;
        let kept = || durable.iter().filter(|&shard| next.contains(shard));
        (kept().count() < durable.count() as usize).then(|| kept().collect())
    }
}
