//! What an owner of a long-lived node asks of it beside sharing and fetching: to serve what was
//! proved before, to hold a swarm still, to be rid of one, and to look at its streams.
//!
//! ```text
//!  serve ──────────► Complete                     any phase ──remove──► (a last checkpoint) ──► gone
//!  suspend: no stream, no lookup, no announcement, no read of the disk       (`sprat pause`)
//!  resume:   as before                                                        (`sprat resume`)
//! ```
//!
//! Suspending is no phase: what a swarm was doing, it does again. What is on its way to the disk
//! comes to its end, so a fetch that lacked only that is complete in spite of it. Invariants: a suspended
//! swarm has no streams; nothing here deletes a byte.

use super::Swarms;
use super::stream::{State, Stream};
use super::swarm::{Phase, Request, Swarm};
use crate::id::NodeId;
use crate::limits::SWARMS_MAX;
use crate::output::{Failure, Origin, Refused, SwarmKey};
use crate::time::Instant;
use crate::wire::Manifest;
use std::net::SocketAddr;

/// An open stream, as its owner sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Where the other node listens, as far as known; else where it is connected from.
    pub address: SocketAddr,
    /// The other node.
    pub node: NodeId,
    /// Bytes of payload sent to it.
    pub sent: u64,
    /// Bytes of payload received from it.
    pub received: u64,
    /// Bytes a second that it is sent, over the last second or so.
    pub up: u64,
    /// Bytes a second that come from it.
    pub down: u64,
    /// Shards that it has, as far as it has said.
    pub shards: u32,
}

impl Swarms {
    /// Serves a file of which the driver knows that the disk holds all of it, unchanged.
    ///
    /// # Errors
    ///
    /// There are [`SWARMS_MAX`] swarms, or one of this file.
    pub fn serve(
        &mut self,
        now: Instant,
        manifest: Manifest,
        origin: Origin,
    ) -> Result<SwarmKey, Refused> {
        let file = manifest.file_id();
        if let Some((key, _)) = self.swarms.iter().find(|(_, swarm)| swarm.is_of(file)) {
            return Err(Refused::Known(key));
        }
        if self.swarms.len() >= SWARMS_MAX {
            return Err(Refused::Full);
        }
        let mut swarm = Swarm::to_fetch(file, now);
        swarm.become_whole(manifest, now);
        swarm.is_fetched = origin == Origin::Fetched;
        let key = self.swarms.insert(swarm);
        self.announce(key);
        Ok(key)
    }

    /// Ends a swarm: what a fetch has gained is made durable first, and stays. The last news of it is
    /// [`Event::Failed`](crate::output::Event::Failed), because of [`Failure::Removed`].
    pub fn remove(&mut self, now: Instant, key: SwarmKey) {
        let is_ending = |swarm: &Swarm| swarm.phase == Phase::Ending;
        if !self.swarms.get(key).is_some_and(is_ending) {
            self.fail(now, key, Failure::Removed);
        }
    }

    /// Holds a swarm still until [`Swarms::resume`].
    pub fn suspend(&mut self, now: Instant, key: SwarmKey) {
        let Some(swarm) = self.swarms.get_mut(key) else {
            return;
        };
        if std::mem::replace(&mut swarm.is_suspended, true) {
            return;
        }
        if swarm.is_scrubbed() {
            swarm.scan = None;
        }
        if let (true, Some(file)) = (std::mem::take(&mut swarm.announced), swarm.file) {
            self.requests.push_back(Request::Withdraw(file));
        }
        self.close_all(now, key);
        self.checkpoint_soon(now, key);
    }

    /// Lets a swarm go on that was suspended.
    pub fn resume(&mut self, now: Instant, key: SwarmKey) {
        let Some(swarm) = self.swarms.get_mut(key) else {
            return;
        };
        if !std::mem::take(&mut swarm.is_suspended) {
            return;
        }
        // The wait for providers begins anew.
        (swarm.idle_since, swarm.lookup_at, swarm.lookups) = (now, now, 0);
        let has_some = swarm.held.count() > 0 || swarm.is_whole();
        if has_some && swarm.absent.is_none() {
            self.announce(key);
        }
        self.look_up(now, key);
        self.dial(now, key);
    }

    /// Whether a swarm is suspended.
    pub fn is_suspended(&self, key: SwarmKey) -> bool {
        self.swarms.get(key).is_some_and(|swarm| swarm.is_suspended)
    }

    /// The open streams of a swarm.
    pub fn peers(&self, key: SwarmKey) -> impl Iterator<Item = Peer> {
        let shards = self.swarms.get(key).map_or(0, Swarm::shard_count);
        let is_open =
            move |stream: &&Stream| stream.swarm == Some(key) && stream.state == State::Open;
        let streams = self.streams.iter().map(|(_, stream)| stream);
        streams.filter(is_open).map(move |stream| Peer {
            address: stream.location.unwrap_or(stream.address),
            node: stream.node,
            sent: stream.payload_sent,
            received: stream.payload_received,
            up: stream.sending.per_second(),
            down: stream.rate.per_second(),
            shards: match stream.has_all {
                true => shards,
                false => stream.has.count(),
            },
        })
    }
}
