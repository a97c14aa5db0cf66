//! The rounds of super-seeding: when a shard may be offered that was offered before.
//!
//! In the first round each shard is offered to one node, and the uplink is what every node waits
//! for. When it ends, equal nodes are about to have all of it from each other, and what is sent
//! twice is wasted; but where they are many and slow, the uplink should keep helping them. So
//! shards are offered again some time after the end of the round.

use crate::limits::{REPEAT_DELAY_DIVISOR, REPEAT_DELAY_MAX, REPEAT_DELAY_MIN};
use crate::time::Instant;

#[derive(Clone, Copy, Debug, Default)]
pub struct Round {
    /// When the first shard was offered.
    began_at: Option<Instant>,
    /// When shards may be offered again; none while some were never offered.
    repeats_at: Option<Instant>,
    /// When to try that again, if a stream waits for it.
    pub due_at: Option<Instant>,
}

impl Round {
    /// Whether shards are offered again.
    pub fn repeats(&self, now: Instant) -> bool {
        self.repeats_at.is_some_and(|at| at <= now)
    }

    /// Whether a shard may be offered that `copies` nodes have or were offered.
    pub fn allows(&mut self, now: Instant, copies: u16) -> bool {
        let began_at = *self.began_at.get_or_insert(now);
        if copies == 0 {
            self.repeats_at = None;
            return true;
        }
        let repeats_at = *self.repeats_at.get_or_insert_with(|| {
            let part = now.since(began_at) / REPEAT_DELAY_DIVISOR;
            now + part.clamp(REPEAT_DELAY_MIN, REPEAT_DELAY_MAX)
        });
        if now < repeats_at {
            self.due_at = Some(repeats_at);
        }
        now >= repeats_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn nothing_is_offered_twice_until_a_part_of_the_round_has_passed_since_its_end() {
        let at = |millis| Instant::ZERO + Duration::from_millis(millis);
        let mut round = Round::default();
        assert!(round.allows(at(0), 0) && round.allows(at(4_000), 0));
        assert!(!round.allows(at(4_000), 1));
        assert_eq!(round.due_at, Some(at(4_500)));
        assert!(!round.allows(at(4_499), 1) && round.allows(at(4_500), 1));
        // A node that has left takes the only copy along: the wait begins again.
        assert!(round.allows(at(5_000), 0) && !round.allows(at(5_000), 1));
    }
}
