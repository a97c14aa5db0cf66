//! Files among nodes: streams, the shards that they carry, and which node sends what.
//!
//! Read in this order: [`stream`] (one connection) and its [`session`] (bytes ↔ messages),
//! [`flight`] (one shard on its way), [`state`] (one file), [`scope`] (the context of a step), then
//! [`schedule`]: what goes from which node to which. [`Swarms`] takes in facts and gives work out.
//!
//! | files | concern |
//! |---|---|
//! | `session` | dialects: bytes ↔ messages |
//! | `schedule` | requests, reclaims, super-seeding, upload slots, and how far ahead |
//! | `connections`, `opening`, `receive`, `exchange`, `send`, `closing` | the life of a stream |
//! | `providers`, `discovery`, `manifest`, `availability`, `haves` | what others have |
//! | `flight`, `verify`, `scan`, `durability`, `checkpoint` | shards on their way to the disk |
//! | `pause`, `scrub`, `repair` | disks that are full, gone or failing |
//! | `timers` | deadlines |
//!
//! It knows no Kademlia: the node takes its [`Request`]s to the DHT, and brings back the locations
//! of providers.
//!
//! Invariants: a shard in flight has one writer; a shard is offered only when it has verified and
//! is written; nothing is allocated for a shard once its swarm fetches.

#![doc = include_str!("figures.md")]

mod availability;
mod checkpoint;
mod closing;
mod connections;
mod content;
mod counters;
mod discovery;
mod durability;
mod exchange;
mod flight;
mod haves;
mod invariants;
mod manifest;
mod opening;
mod pause;
mod providers;
mod receive;
mod repair;
pub mod scan;
mod schedule;
mod scope;
mod scrub;
mod send;
mod session;
mod state;
mod stream;
mod swarms;
mod timers;
mod verify;

use crate::output::{StreamKey, SwarmKey};
use crate::slab::SlotKey;
pub use content::ShareSpec;
pub use counters::Counters;
pub use durability::Checkpoint;
pub use scope::{Config, Request};
pub use state::{Phase, Progress};
pub use swarms::{Peer, Swarms};

impl SlotKey for StreamKey {
    fn new(slot: u32, generation: u32) -> StreamKey {
        StreamKey { slot, generation }
    }
    fn slot(self) -> u32 {
        self.slot
    }
    fn generation(self) -> u32 {
        self.generation
    }
}

impl SlotKey for SwarmKey {
    fn new(slot: u32, generation: u32) -> SwarmKey {
        SwarmKey { slot, generation }
    }
    fn slot(self) -> u32 {
        self.slot
    }
    fn generation(self) -> u32 {
        self.generation
    }
}
