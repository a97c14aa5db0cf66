//! The node's randomness: a seeded stream cipher that the driver passes in.
//!
//! The reactor seeds it from the operating system, the simulator from its own seed, so that a run
//! repeats exactly. It is ChaCha with 8 rounds, because an attacker must not be able to guess RPC
//! ids and tokens from others that it has seen.
//!
//! Invariant: equal seeds give equal numbers.

use crate::id::{ID_SIZE, Id};
use chacha20::ChaCha8Rng;
use chacha20::rand_core::{Rng as _, SeedableRng};
use std::time::Duration;

/// A seeded generator of unpredictable numbers.
pub struct Rng(ChaCha8Rng);

impl Rng {
    /// Makes the generator that `seed` determines.
    pub fn from_seed(seed: [u8; 32]) -> Rng {
        Rng(ChaCha8Rng::from_seed(seed))
    }

    /// Makes the generator that a short seed determines: for simulations and tests.
    pub fn from_number(seed: u64) -> Rng {
        let mut long = [0; 32];
        long[..8].copy_from_slice(&seed.to_be_bytes());
        Rng::from_seed(long)
    }

    /// Makes an independent generator, which this one's next output determines.
    pub fn split(&mut self) -> Rng {
        let mut seed = [0; 32];
        self.fill(&mut seed);
        Rng::from_seed(seed)
    }

    /// Draws a uniform 64-bit number.
    pub fn number(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Fills `bytes` with uniform bytes.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }

    /// Draws a uniform number below `bound`, which is not 0 (Lemire's method without rejection: the
    /// bias is below `bound / 2^64`).
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "no number is below 0");
        ((u128::from(self.number()) * u128::from(bound)) >> 64) as u64
    }

    /// Draws a period within an eighth of `period`, so that nodes that started together drift
    /// apart.
    pub fn jittered(&mut self, period: Duration) -> Duration {
        let eighth = period / 8;
        let micros = u64::try_from(eighth.as_micros()).unwrap_or(u64::MAX / 4);
        period - eighth + Duration::from_micros(self.below(micros * 2 + 1))
    }

    /// Draws a uniform 160-bit id.
    pub fn id(&mut self) -> Id {
        let mut bytes = [0; ID_SIZE];
        self.fill(&mut bytes);
        Id(bytes)
    }

    /// Puts `items` into a uniformly random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        let draw = |seed| {
            let mut rng = Rng::from_number(seed);
            [rng.number(), rng.below(10), rng.split().number()]
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn below_covers_its_range_and_nothing_else() {
        let mut rng = Rng::from_number(1);
        let mut seen = [0; 5];
        for _ in 0..5_000 {
            seen[rng.below(5) as usize] += 1;
        }
        assert!(
            seen.iter().all(|&count| (800..1200).contains(&count)),
            "{seen:?}"
        );
    }

    #[test]
    fn a_period_is_jittered_by_an_eighth_to_both_sides() {
        let (mut rng, secs) = (Rng::from_number(1), Duration::from_secs);
        let drawn: Vec<Duration> = (0..200).map(|_| rng.jittered(secs(3_600))).collect();
        let is_within = |d: &Duration| (secs(3_150)..=secs(4_050)).contains(d);
        assert!(drawn.iter().all(is_within));
        assert!(drawn.iter().any(|d| *d < secs(3_300)) && drawn.iter().any(|d| *d > secs(3_900)));
    }

    #[test]
    fn shuffle_keeps_every_item() {
        let mut items: Vec<u32> = (0..100).collect();
        Rng::from_number(2).shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}
