//! Slabs whose keys have a generation, so that the key of a freed value finds nothing.
//!
//! A node keeps its streams in one and its swarms in another. Invariant: two values that were ever
//! in the same [`Slots`] have different keys (generations wrap after 2^32 insertions).

use slab::Slab;
use std::marker::PhantomData;

/// A key made of a slot's index and the number of earlier insertions.
pub trait SlotKey: Copy {
    /// Makes the key of a slot in one of its uses.
    fn new(slot: u32, generation: u32) -> Self;
    /// The index of the slot.
    fn slot(self) -> u32;
    /// The number of insertions before this one.
    fn generation(self) -> u32;
}

/// Values of type `T`, found by keys of type `K`.
pub struct Slots<K, T> {
    slab: Slab<(u32, T)>,
    next_generation: u32,
    keys: PhantomData<K>,
}

impl<K: SlotKey, T> Slots<K, T> {
    /// Makes an empty slab with room for `capacity` values.
    pub fn with_capacity(capacity: usize) -> Slots<K, T> {
        Slots {
            slab: Slab::with_capacity(capacity),
            next_generation: 0,
            keys: PhantomData,
        }
    }

    /// The number of values in the slab.
    pub fn len(&self) -> usize {
        self.slab.len()
    }

    /// Whether the slab has no value.
    pub fn is_empty(&self) -> bool {
        self.slab.is_empty()
    }

    /// Puts `value` into a free slot and returns its key.
    pub fn insert(&mut self, value: T) -> K {
        let generation = self.next_generation;
        self.next_generation = generation.wrapping_add(1);
        K::new(self.slab.insert((generation, value)) as u32, generation)
    }

    /// The value of `key`, unless it was removed.
    pub fn get(&self, key: K) -> Option<&T> {
        let (generation, value) = self.slab.get(key.slot() as usize)?;
        (*generation == key.generation()).then_some(value)
    }

    /// The value of `key`, unless it was removed.
    pub fn get_mut(&mut self, key: K) -> Option<&mut T> {
        let (generation, value) = self.slab.get_mut(key.slot() as usize)?;
        (*generation == key.generation()).then_some(value)
    }

    /// Removes and returns the value of `key`.
    pub fn remove(&mut self, key: K) -> Option<T> {
        self.get(key)?;
        Some(self.slab.remove(key.slot() as usize).1)
    }

    /// All values with their keys, in the order of their slots.
    pub fn iter(&self) -> impl Iterator<Item = (K, &T)> {
        self.slab
            .iter()
            .map(|(slot, (generation, value))| (K::new(slot as u32, *generation), value))
    }

    /// All values with their keys, in the order of their slots.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (K, &mut T)> {
        self.slab
            .iter_mut()
            .map(|(slot, (generation, value))| (K::new(slot as u32, *generation), value))
    }

    /// The key at or after place `slot`, for walks that change what they walk over.
    pub fn key_from(&self, slot: u32) -> Option<K> {
        let places = slot as usize..self.slab.capacity();
        let found = places
            .into_iter()
            .find(|&place| self.slab.contains(place))?;
        Some(K::new(found as u32, self.slab[found].0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::StreamKey;

    #[test]
    fn a_key_of_something_freed_finds_nothing() {
        let mut slots: Slots<StreamKey, char> = Slots::with_capacity(2);
        let old = slots.insert('a');
        assert_eq!(slots.remove(old), Some('a'));
        let new = slots.insert('b');
        assert_eq!(new.slot, old.slot);
        assert_eq!((slots.get(old), slots.get(new)), (None, Some(&'b')));
        assert_eq!(slots.remove(old), None);
        assert_eq!(slots.len(), 1);
    }

    #[test]
    fn a_walk_by_place_meets_every_value() {
        let mut slots: Slots<StreamKey, u32> = Slots::with_capacity(0);
        let keys: Vec<_> = (0..5).map(|value| slots.insert(value)).collect();
        slots.remove(keys[0]);
        slots.remove(keys[3]);
        let (mut at, mut met) = (0, Vec::new());
        while let Some(key) = slots.key_from(at) {
            met.push(*slots.get(key).unwrap());
            at = key.slot + 1;
        }
        assert_eq!(met, [1, 2, 4]);
    }
}
