//! Super-seeding: which shards to offer on each stream. The sending half of the scheduler.
//!
//! A node that has the whole file is often the only one that does, and then its uplink bounds
//! all: a shard that it sends twice it sends instead of one that no other node has. So it
//! does not say that it has every shard. It offers each node a few at a time, always those that the
//! fewest nodes have or were offered, and offers more as they are sent. Receivers choose among what
//! they are offered, and pass on to each other what they got; no node needs to know of the
//! arrangement, because an offer is a `Have` like any other (the idea of BEP 16, super-seeding,
//! without waiting for proof that a shard was passed on: the node's uplink never idles).
//!
//! A shard that a node has or was offered already is offered again only some time after each shard
//! was offered once (see [`super::round`]), so that nodes have it from each other meanwhile; and
//! then only to nodes with nothing else on offer, or when the uplink would idle otherwise. An offer
//! counts as a copy until its receiver is gone, so that no two nodes are offered the same shard
//! while another is rarer.
//!
//! How far ahead it offers follows the stream's rate, and where the path is long its round trip
//! ([`super::round_trip`]): an offer, its request and the payload take that long. With one shard on
//! offer at a time, a path of 100 ms at 20 Mbit/s took 16 times the bound; it takes 1.2 times now.
//!
//! Where nothing is offered, and the origin says that it has everything, receivers alone choose,
//! and many choose the same: time divided by the bound, and what the origin sent in files (as in
//! [`crate::swarm::providers`]):
//!
//! | choice by | 16 hosts | 32 hosts | 64 hosts | 125 hosts |
//! |---|---|---|---|---|
//! | receivers alone | 1.54, 1.44 | 1.86, 1.72 | 2.44, 2.21 | 2.82, 2.16 |
//! | the origin offers | 1.12, 1.00 | 1.18, 1.00 | 1.31, 1.11 | 1.75, 1.27 |

use crate::limits::{
    OFFER_AHEAD, OFFER_AHEAD_REPEATED, OFFERS_FIRST, OFFERS_KEPT, OFFERS_MIN, OFFERS_REPEATED,
};
use crate::output::StreamKey;
use crate::swarm::scope::Scope;
use crate::swarm::session::HAVE_COUNT_MAX;
use crate::swarm::state::Swarm;
use crate::swarm::stream::{Offers, State, Stream};
use crate::time::Instant;
use crate::wire::stream::shard_bytes;
use arrayvec::ArrayVec;

impl Scope<'_> {
    /// Offers shards until as much is on offer as the stream's rate takes.
    pub fn offer(&mut self, key: StreamKey) {
        let is_uplink_free = self.is_uplink_free();
        let open_count = self.open_count();
        let (swarm, now) = (&mut *self.swarm, self.now);
        let stream = self.streams.get_mut(key);
        let Some(stream) = stream.filter(|of| of.offers.are_on && of.state == State::Open) else {
            return;
        };
        let target = offer_target(stream, swarm, open_count, now);
        let unsent = u64::from(stream.offers.unsent.count());
        if unsent >= OFFERS_KEPT && unsent * 2 > target {
            return;
        }
        let is_idle = is_uplink_free && stream.upload.is_idle();
        let mut list: ArrayVec<[u8; 4], HAVE_COUNT_MAX> = ArrayVec::new();
        while u64::from(stream.offers.unsent.count()) < target && !list.is_full() {
            let Offers {
                offered, unsent, ..
            } = &mut stream.offers;
            let has = &stream.shards.some;
            let open = |index| swarm.held.word(index) & !has.word(index) & !offered.word(index);
            let Some(shard) = swarm.copies.rarest(open, &mut self.shared.rng) else {
                break;
            };
            let copies = swarm.copies.count(shard);
            if copies > 0 && !is_uplink_free && unsent.count() > 0 {
                break;
            }
            if !swarm.round.allows(now, copies) {
                break;
            }
            if is_idle {
                stream
                    .round_trip
                    .time_offer(now, shard, |timed| unsent.contains(timed));
            }
            offered.insert(shard);
            unsent.insert(shard);
            swarm.copies.add(shard);
            list.push(shard_bytes(shard));
        }
        if !list.is_empty() {
            stream.send_have(&list);
            self.shared.wake(key, stream);
        }
    }

    /// Offers on every stream of the swarm, when no stream waits for the uplink.
    pub fn offer_if_idle(&mut self) {
        if self.is_uplink_free() {
            self.offer_all();
        }
    }

    /// Offers on every stream of the swarm.
    pub fn offer_all(&mut self) {
        self.for_each_stream(Scope::offer);
    }
}

/// How many shards are to be on offer to a stream.
fn offer_target(stream: &Stream, swarm: &Swarm, open_count: u32, now: Instant) -> u64 {
    let rate = stream.upload.rate.per_second();
    let shard_size = swarm
        .content
        .manifest
        .as_ref()
        .map_or(1, |of| of.shard_size());
    let ahead = |time| {
        let bytes = stream.round_trip.bytes_ahead(rate, time, open_count);
        bytes / u64::from(shard_size)
    };
    match rate {
        0 => OFFERS_FIRST,
        // Some of what is offered again comes from others meanwhile, and still counts as on offer.
        _ if swarm.round.repeats(now) => OFFERS_REPEATED + ahead(OFFER_AHEAD_REPEATED),
        _ => OFFERS_MIN + ahead(OFFER_AHEAD),
    }
}
