//! A set of shards with one bit for each.
//!
//! On the wire (`Map` frames) and in memory the order is the same: shard 0 is the most significant
//! bit of the first byte. The set grows to the highest shard inserted, never to a size that a peer
//! claims. Invariant: `count` is the number of bits that are set.

use crate::rng::Rng;

/// A set of shard numbers.
#[derive(Debug, Default)]
pub struct Bitmap {
    words: Vec<u64>,
    count: u32,
}

impl Clone for Bitmap {
    fn clone(&self) -> Bitmap {
        Bitmap {
            words: self.words.clone(),
            count: self.count,
        }
    }

    /// Allocates nothing if the capacity is enough.
    fn clone_from(&mut self, source: &Bitmap) {
        self.words.clone_from(&source.words);
        self.count = source.count;
    }
}

/// Sets are equal if they have the same shards, whatever their capacity.
impl PartialEq for Bitmap {
    fn eq(&self, other: &Bitmap) -> bool {
        self.count == other.count && self.iter().eq(other.iter())
    }
}

impl Eq for Bitmap {}

impl FromIterator<u32> for Bitmap {
    fn from_iter<T: IntoIterator<Item = u32>>(shards: T) -> Bitmap {
        let mut set = Bitmap::default();
        for shard in shards {
            set.insert(shard);
        }
        set
    }
}

/// The index of a shard's word, and its bit there.
const fn position(shard: u32) -> (usize, u64) {
    ((shard / 64) as usize, 1 << (63 - shard % 64))
}

impl Bitmap {
    /// Makes an empty set with room for `shard_count` shards.
    pub fn with_capacity(shard_count: u32) -> Bitmap {
        Bitmap {
            words: Vec::with_capacity(shard_count.div_ceil(64) as usize),
            count: 0,
        }
    }

    /// Takes all shards out of the set.
    pub fn clear(&mut self) {
        self.words.clear();
        self.count = 0;
    }

    /// The number of shards in the set.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Whether `shard` is in the set.
    pub fn contains(&self, shard: u32) -> bool {
        let (word, bit) = position(shard);
        self.words.get(word).is_some_and(|word| word & bit != 0)
    }

    /// Inserts `shard`; false if the set had it already.
    pub fn insert(&mut self, shard: u32) -> bool {
        let (word, bit) = position(shard);
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        let new = self.words[word] & bit == 0;
        self.words[word] |= bit;
        self.count += u32::from(new);
        new
    }

    /// Removes `shard`; false if the set did not have it.
    pub fn remove(&mut self, shard: u32) -> bool {
        let (word, bit) = position(shard);
        let there = self.contains(shard);
        if there {
            self.words[word] &= !bit;
            self.count -= 1;
        }
        there
    }

    /// The 64 shards from `64 * index` on, the first in the most significant bit.
    pub fn word(&self, index: usize) -> u64 {
        self.words.get(index).copied().unwrap_or(0)
    }

    /// One more than the highest shard in the set; 0 if it is empty.
    pub fn end(&self) -> u32 {
        let last = self.words.iter().rposition(|&word| word != 0);
        last.map_or(0, |index| {
            (index as u32 + 1) * 64 - self.words[index].trailing_zeros()
        })
    }

    /// Writes the bits from shard `first` (a multiple of 8) on, in the order of a `Map` frame.
    pub fn emit(&self, first: u32, bits: &mut [u8]) {
        for (index, byte) in (first as usize / 8..).zip(bits) {
            *byte = self.word(index / 8).to_be_bytes()[index % 8];
        }
    }

    /// Decodes the shards of a `Map` frame's bits. Numbers saturate at the greatest, which no file
    /// has.
    pub fn parse(first: u32, bits: &[u8]) -> impl Iterator<Item = u32> {
        bits.iter().zip(0u32..).flat_map(move |(&byte, index)| {
            (0..8)
                .filter(move |bit| byte & (0x80 >> bit) != 0)
                .map(move |bit| first.saturating_add(index * 8 + bit))
        })
    }

    /// The shards in the set, in order.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        (0..self.words.len() as u32 * 64).filter(|&shard| self.contains(shard))
    }
}

/// The shard with the fewest copies among those whose bits `open` sets (64 shards a word). The walk
/// starts at a random shard, which breaks ties with a single random number.
pub fn rarest(copies: &[u16], open: impl Fn(usize) -> u64, rng: &mut Rng) -> Option<u32> {
    if copies.is_empty() {
        return None;
    }
    let start = rng.below(copies.len() as u64) as usize;
    let word_count = copies.len().div_ceil(64);
    let mut best: Option<(u16, usize)> = None;
    for step in 0..=word_count {
        let index = (start / 64 + step) % word_count;
        let mut word = open(index);
        // The walk begins and ends in the same word: with its end first and its start last.
        let from_start = u64::MAX >> (start % 64);
        if step == 0 {
            word &= from_start;
        } else if step == word_count {
            word &= !from_start;
        }
        while word != 0 {
            let bit = word.leading_zeros() as usize;
            word &= !(1 << (63 - bit));
            let Some(&count) = copies.get(index * 64 + bit) else {
                break;
            };
            if best.is_none_or(|(fewest, _)| count < fewest) {
                best = Some((count, index * 64 + bit));
                if count == 0 {
                    return best.map(|(_, shard)| shard as u32);
                }
            }
        }
    }
    best.map(|(_, shard)| shard as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn agrees_with_a_tree_set(
            steps in prop::collection::vec((any::<bool>(), 0u32..300), 0..200)
        ) {
            let (mut set, mut oracle) = (Bitmap::default(), BTreeSet::new());
            for (insert, shard) in steps {
                if insert {
                    prop_assert_eq!(set.insert(shard), oracle.insert(shard));
                } else {
                    prop_assert_eq!(set.remove(shard), oracle.remove(&shard));
                }
                prop_assert_eq!(set.count() as usize, oracle.len());
                prop_assert_eq!(set.end(), oracle.last().map_or(0, |last| last + 1));
            }
            prop_assert!(set.iter().eq(oracle.iter().copied()));
            let mut bits = [0xa5; 38];
            set.emit(0, &mut bits);
            prop_assert!(Bitmap::parse(0, &bits).eq(oracle.iter().copied()));
            set.emit(128, &mut bits[..2]);
            let middle = oracle.range(128..144).copied();
            prop_assert!(Bitmap::parse(128, &bits[..2]).eq(middle));
        }
    }

    #[test]
    fn a_map_beyond_the_greatest_number_does_not_wrap() {
        let shards: Vec<u32> = Bitmap::parse(u32::MAX - 7, &[0x80, 0x80, 0]).collect();
        assert_eq!(shards, [u32::MAX - 7, u32::MAX]);
    }

    #[test]
    fn the_first_shard_is_the_most_significant_bit() {
        let mut set = Bitmap::default();
        set.insert(0);
        set.insert(9);
        let mut bits = [0; 2];
        set.emit(0, &mut bits);
        assert_eq!(bits, [0x80, 0x40]);
    }
}
