//! Announcing gained shards: soon, and several in one message.
//!
//! Messages are made when the socket asks for them, so announcements that wait cost no memory, and
//! grow into one message meanwhile.

use super::scope::Scope;
use super::session::{HAVE_COUNT_MAX, Message};
use super::state::{Phase, Swarm};
use super::stream::Stream;
use crate::limits::{FIRST_HAVES_MAX, HAVE_DELAY, HAVE_DELAY_FIRST};
use crate::wire::stream::shard_bytes;
use arrayvec::ArrayVec;

impl Scope<'_> {
    /// Plans the next announcement: the later, the more streams there are to tell.
    pub fn schedule_haves(&mut self) {
        let of_swarm = self
            .streams
            .iter()
            .filter(|(_, of)| of.swarm == Some(self.key));
        let count = of_swarm.count() as u32;
        let haves = &mut self.swarm.haves;
        let delay = match haves.gained.len() <= FIRST_HAVES_MAX {
            true => HAVE_DELAY_FIRST,
            false => HAVE_DELAY,
        };
        haves.due_at.get_or_insert(self.now + delay * count);
    }
}

impl Stream {
    /// Whether gained shards are to be announced to the other end, which has our bitfield.
    pub fn has_unsent_haves(&self, swarm: &Swarm) -> bool {
        self.upload.bitfield_next.is_none() && self.upload.haves_sent < swarm.haves.gained.len()
    }

    /// Announces the shards gained since the last announcement; also those that the other end has,
    /// because it counts copies, and may have offered them.
    pub fn send_haves(&mut self, swarm: &Swarm) {
        let mut list: ArrayVec<[u8; 4], HAVE_COUNT_MAX> = ArrayVec::new();
        while !list.is_full() {
            let Some(&shard) = swarm.haves.gained.get(self.upload.haves_sent) else {
                break;
            };
            self.upload.haves_sent += 1;
            if swarm.held.contains(shard) {
                list.push(shard_bytes(shard));
            }
        }
        self.send_have(&list);
    }

    /// Says that we have these shards.
    pub fn send_have(&mut self, list: &[[u8; 4]]) {
        if !list.is_empty() {
            let shards = list.as_flattened();
            self.session.send(&Message::Have { shards });
        }
    }
}

impl Swarm {
    /// Writes the bits of the shards that we have, from `first` on. A repair claims all but those
    /// that it wants: a peer that has everything offers only what the other end lacks.
    pub fn emit_bitfield(&self, first: u32, bits: &mut [u8]) {
        if self.phase != Phase::Repairing {
            return self.held.emit(first, bits);
        }
        self.damage.bad.emit(first, bits);
        for (index, byte) in bits.iter_mut().enumerate() {
            let count = self.shard_count().saturating_sub(first + index as u32 * 8);
            *byte = !*byte & !(0xff_u16 >> count.min(8)) as u8;
        }
    }
}
