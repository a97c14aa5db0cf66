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
//! What somebody has or was offered already is offered again only to whom nothing else is on offer,
//! or when the uplink would idle otherwise. An offer counts as a copy until its receiver is gone,
//! so that no two nodes are offered the same shard while another is poorer.

use super::Swarms;
use super::shards::poorest;
use super::stream::{State, Stream};
use crate::limits::{OFFER_AHEAD_DIVISOR, OFFERS_MIN};
use crate::output::{StreamKey, SwarmKey};
use crate::wire::Frame;
use crate::wire::frame::{self, HAVE_COUNT_MAX};
use arrayvec::ArrayVec;

impl Swarms {
    /// Offers shards until as much is on offer as the stream's rate takes.
    pub(super) fn offer(&mut self, key: StreamKey) {
        let is_uplink_free = self.is_uplink_free();
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        let Some(swarm) = stream.swarm.and_then(|swarm| self.swarms.get_mut(swarm)) else {
            return;
        };
        let Some(manifest) = &swarm.manifest else {
            return;
        };
        if !stream.offers || stream.state != State::Open {
            return;
        }
        let ahead = stream.sending.per_second() / OFFER_AHEAD_DIVISOR;
        let target = OFFERS_MIN + ahead / (u64::from(manifest.shard_size()));
        let mut list: ArrayVec<[u8; 4], HAVE_COUNT_MAX> = ArrayVec::new();
        while u64::from(stream.unsent.count()) < target && !list.is_full() {
            let Stream { has, offered, .. } = &*stream;
            let held = &swarm.held;
            let open = |index| held.word(index) & !has.word(index) & !offered.word(index);
            let Some(shard) = poorest(&swarm.copies, open, &mut self.rng) else {
                break;
            };
            let is_first = stream.unsent.count() == 0;
            if swarm.copies[shard as usize] > 0 && !is_uplink_free && !is_first {
                break;
            }
            stream.offered.insert(shard);
            stream.unsent.insert(shard);
            swarm.copies[shard as usize] = swarm.copies[shard as usize].saturating_add(1);
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
    pub(super) fn offer_if_idle(&mut self, swarm: SwarmKey) {
        if self.is_uplink_free() {
            let mut place = 0;
            while let Some(key) = self.stream_from(swarm, place) {
                place = key.slot + 1;
                self.offer(key);
            }
        }
    }
}
