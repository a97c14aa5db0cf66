//! Which shards a peer has, and how many peers have each shard.

use crate::bitmap::{self, Bitmap};
use crate::rng::Rng;

/// The shards that the other end of a stream has, as far as it has said.
#[derive(Default)]
pub struct PeerShards {
    /// It has every shard, and `some` is not kept.
    pub all: bool,
    pub some: Bitmap,
}

impl PeerShards {
    pub fn contains(&self, shard: u32) -> bool {
        self.all || self.some.contains(shard)
    }

    /// The 64 shards from `64 * index`, as [`Bitmap::word`] has them.
    pub fn word(&self, index: usize) -> u64 {
        match self.all {
            true => u64::MAX,
            false => self.some.word(index),
        }
    }

    /// How many shards it has of `shard_count`.
    pub fn count(&self, shard_count: u32) -> u32 {
        match self.all {
            true => shard_count,
            false => self.some.count(),
        }
    }
}

/// How many open streams have each shard; streams that have all of them are not counted.
#[derive(Default)]
pub struct Copies {
    of: Vec<u16>,
}

impl Copies {
    pub fn of_shards(shard_count: u32) -> Copies {
        Copies {
            of: vec![0; shard_count as usize],
        }
    }

    pub fn count(&self, shard: u32) -> u16 {
        self.of.get(shard as usize).copied().unwrap_or(0)
    }

    /// One more stream has `shard`, or was offered it.
    pub fn add(&mut self, shard: u32) {
        if let Some(count) = self.of.get_mut(shard as usize) {
            *count = count.saturating_add(1);
        }
    }

    pub fn remove(&mut self, shard: u32) {
        if let Some(count) = self.of.get_mut(shard as usize) {
            *count = count.saturating_sub(1);
        }
    }

    /// The shard of which there are the fewest copies, among those whose bits are set in `open`.
    pub fn rarest(&self, open: impl Fn(usize) -> u64, rng: &mut Rng) -> Option<u32> {
        bitmap::rarest(&self.of, open, rng)
    }
}
