//! The node's part of the contract that is about the local network: see [`crate::kad`], `discovery`.
//!
//! Nothing is decided here. Invariant: as everywhere in [`Node`], what a fact brings is carried
//! between Kademlia and the swarms before the call returns.

use super::Node;
use crate::time::Instant;
use std::net::SocketAddr;

impl Node {
    /// Looks for nodes of the local network from now on: [`Node::poll_discovery`] has something to send now and then.
    /// To be told again when a network has come.
    pub fn discover(&mut self, now: Instant) {
        self.kad.discover(now);
    }

    /// A discovery message has come ([`Discovery::is_one`](crate::wire::Discovery::is_one)) from an address of a network
    /// that this host is attached to; from any other, it is to be dropped.
    pub fn handle_discovery(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) {
        self.kad.handle_discovery(now, from, bytes);
        self.settle(now);
    }

    /// Writes a call into `buffer`, if one is due: to be sent to the group of
    /// [`discovery`](crate::wire::native::discovery) at every interface. Its size.
    pub fn poll_discovery(&mut self, buffer: &mut [u8]) -> Option<usize> {
        self.kad.poll_discovery(buffer)
    }
}
