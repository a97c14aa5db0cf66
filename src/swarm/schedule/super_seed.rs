//! What to offer to whom: the sending half of the scheduler.
//!
//! A node that has the whole file is often the only one that does, and then its uplink bounds
//! everybody: whatever it sends twice, it sends instead of something that nobody else has. So it
//! does not say that it has every shard. It offers each node a few at a time, always those that the
//! fewest nodes have or were offered, and offers more as they are sent. Receivers choose among what
//! they are offered, and pass on to each other what they got; nobody needs to know of the
//! arrangement, because an offer is a `Have` like any other (the idea of BEP 16, super-seeding,
//! without waiting for proof that a shard was passed on: the node's uplink never idles).
//!
//! What somebody has or was offered already is offered again only some time after each shard was
//! offered once (see [`Round`]), so that nodes have it from each other meanwhile; and then only to
//! whom nothing else is on offer, or when the uplink would idle otherwise. An offer counts as a copy
//! until its receiver is gone, so that no two nodes are offered the same shard while another is
//! poorer.
//!
//! How far ahead it offers follows the stream's rate, and where the path is long its round trip
//! ([`super::round_trip`]): an offer, its request and the payload take that long. With one shard on
//! offer at a time, a path of 100 ms at 20 Mbit/s took 16 times the bound; it takes 1.2 times now.
//!
//! Where nothing is offered, and the origin says that it has everything, receivers alone choose, and
//! many choose the same: time divided by the bound, and what the origin sent in files (as in
//! [`super::providers`]):
//!
//! | who chooses | 16 hosts | 32 hosts | 64 hosts | 125 hosts |
//! |---|---|---|---|---|
//! | receivers alone | 1.54, 1.44 | 1.86, 1.72 | 2.44, 2.21 | 2.82, 2.16 |
//! | the origin offers | 1.12, 1.00 | 1.18, 1.00 | 1.31, 1.11 | 1.75, 1.27 |

use crate::bitmap::rarest;
use crate::limits::{
    OFFER_AHEAD, OFFER_AHEAD_REPEATED, OFFERS_FIRST, OFFERS_KEPT, OFFERS_MIN, OFFERS_REPEATED,
    REPEAT_DELAY_DIVISOR, REPEAT_DELAY_MAX, REPEAT_DELAY_MIN,
};
use crate::output::{StreamKey, SwarmKey};
use crate::swarm::Swarms;
use crate::swarm::stream::{State, Stream};
use crate::time::Instant;
use crate::wire::Frame;
use crate::wire::native::frame::{self, HAVE_COUNT_MAX};
use arrayvec::ArrayVec;

/// How far the offers of a swarm are.
///
/// In the first round each shard is offered to one node, and the uplink is what everybody waits
/// for. When it ends, equal nodes are about to have all of it from each other, and what is sent
/// twice is wasted; but where they are many and slow, the uplink is to go on helping them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Round {
    /// When the first shard was offered.
    began_at: Option<Instant>,
    /// When shards may be offered again; none while some were never offered.
    repeats_at: Option<Instant>,
    /// When that is to be tried, if somebody waits for it.
    pub due_at: Option<Instant>,
}

impl Round {
    /// Whether shards are offered again.
    fn repeats(&self, now: Instant) -> bool {
        self.repeats_at.is_some_and(|at| at <= now)
    }

    /// Whether a shard may be offered that `copies` nodes have or were offered.
    fn allows(&mut self, now: Instant, copies: u16) -> bool {
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

impl Swarms {
    /// Offers shards until as much is on offer as the stream's rate takes.
    pub(in crate::swarm) fn offer(&mut self, now: Instant, key: StreamKey) {
        let is_uplink_free = self.is_uplink_free();
        let swarm = self.streams.get(key).and_then(|stream| stream.swarm);
        let open_count = swarm.map_or(0, |swarm| self.open_count(swarm));
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        let Some(swarm) = stream.swarm.and_then(|swarm| self.swarms.get_mut(swarm)) else {
            return;
        };
        let Some(manifest) = &swarm.manifest else {
            return;
        };
        if !stream.is_super_seeded || stream.state != State::Open {
            return;
        }
        let rate = stream.sending.per_second();
        let ahead = |time| {
            let bytes = stream.round_trip.bytes_ahead(rate, time, open_count);
            bytes / u64::from(manifest.shard_size())
        };
        let target = match rate {
            0 => OFFERS_FIRST,
            // Some of what is offered again comes from others meanwhile, and holds its place.
            _ if swarm.round.repeats(now) => OFFERS_REPEATED + ahead(OFFER_AHEAD_REPEATED),
            _ => OFFERS_MIN + ahead(OFFER_AHEAD),
        };
        let unsent = u64::from(stream.offers_unsent.count());
        if unsent >= OFFERS_KEPT && unsent * 2 > target {
            return;
        }
        let is_idle = is_uplink_free && stream.upload.is_none() && stream.peer_requests.is_empty();
        let mut list: ArrayVec<[u8; 4], HAVE_COUNT_MAX> = ArrayVec::new();
        while u64::from(stream.offers_unsent.count()) < target && !list.is_full() {
            let Stream { has, offered, .. } = &*stream;
            let held = &swarm.held;
            let open = |index| held.word(index) & !has.word(index) & !offered.word(index);
            let Some(shard) = rarest(&swarm.copies, open, &mut self.rng) else {
                break;
            };
            let is_first = stream.offers_unsent.count() == 0;
            let copies = swarm.copies[shard as usize];
            if copies > 0 && !is_uplink_free && !is_first {
                break;
            }
            if !swarm.round.allows(now, copies) {
                break;
            }
            if is_idle {
                let Stream {
                    round_trip,
                    offers_unsent,
                    ..
                } = &mut *stream;
                round_trip.time_offer(now, shard, |timed| offers_unsent.contains(timed));
            }
            stream.offered.insert(shard);
            stream.offers_unsent.insert(shard);
            swarm.copies[shard as usize] = copies.saturating_add(1);
            list.push(frame::shard_bytes(shard));
        }
        if !list.is_empty() {
            stream.push(
                &Frame::Have {
                    shards: list.as_flattened(),
                },
                self.config.network,
            );
            self.wake(key);
        }
    }

    /// Offers on every stream of a swarm, when nobody waits for the uplink.
    pub(in crate::swarm) fn offer_if_idle(&mut self, now: Instant, swarm: SwarmKey) {
        if self.is_uplink_free() {
            self.offer_all(now, swarm);
        }
    }

    /// Offers on every stream of a swarm.
    pub(in crate::swarm) fn offer_all(&mut self, now: Instant, swarm: SwarmKey) {
        let mut place = 0;
        while let Some(key) = self.stream_from(swarm, place) {
            place = key.slot + 1;
            self.offer(now, key);
        }
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
