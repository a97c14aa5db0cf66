//! The node: Kademlia and swarms behind one contract with a driver.
//!
//! A [`Node`] is a state machine without I/O. Its driver (`reactor` on real sockets, the simulator
//! on virtual ones) runs this loop:
//!
//! ```text
//! loop {
//!     give the node one fact              handle_datagram, handle_received, handle_timeout, …
//!     drain its work                      poll_output, poll_datagram, poll_discovery, poll_event,
//!                                         poll_send for each stream that Output::Send named
//!     do a bounded part of its reading    poll_read → handle_read
//!     sleep until the next fact or poll_timeout
//! }
//! ```
//!
//! `handle_*` take facts in, `poll_*` give work out, plain verbs are the owner's commands, nouns
//! are getters. Every entry that needs the time takes it; the generator is seeded by the driver.
//! Work is small, `Copy` and borrows nothing (see [`crate::output`]). [`Output::Write`] refers to
//! the buffer of the last `handle_received`: drain `poll_output` before the next.
//!
//! After `poll_send` has said `None`, the node says [`Output::Send`] when there is more. A key that
//! the node has freed finds nothing, so late facts are harmless.

mod datagrams;
mod relay;
pub mod saved;
mod streams;

use crate::address::Contact;
use crate::dht;
use crate::id::{FileId, NodeId};
use crate::kad::{self, Kad};
pub use crate::output::*;
use crate::rng::Rng;
use crate::swarm::{self, Swarms};
pub use crate::swarm::{Checkpoint, Peer, Phase, Progress, ShareSpec};
use crate::time::{Instant, earliest};
use crate::wire::{Manifest, Network};
pub use datagrams::{Arrival, Port};
use saved::Saved;
use std::collections::VecDeque;
use std::net::SocketAddr;

/// How a node is set up.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// The id of the node in the DHT.
    pub id: NodeId,
    /// The network that it belongs to.
    pub network: Network,
    /// The port it listens on, UDP and TCP alike.
    pub port: u16,
    /// It asks, but must not be put into tables.
    pub read_only: bool,
}

/// One node.
pub struct Node {
    kad: Kad,
    swarms: Swarms,
    saved: Saved,
    events: VecDeque<Event>,
}

impl Node {
    /// A node without contacts and swarms.
    pub fn new(config: Config, mut rng: Rng, now: Instant) -> Node {
        let Config {
            id,
            network,
            port,
            read_only,
        } = config;
        let params = dht::Params::default();
        let kad_config = kad::Config {
            id,
            network,
            port,
            read_only,
            params,
        };
        Node {
            kad: Kad::new(kad_config, rng.split(), now),
            swarms: Swarms::new(swarm::Config { id, network, port }, rng),
            saved: Saved::new(now),
            events: VecDeque::with_capacity(8),
        }
    }

    // -- the owner's commands

    /// Joins through the node at `address`, which is asked until it answers.
    pub fn bootstrap(&mut self, now: Instant, address: SocketAddr) {
        self.kad.bootstrap(now, address);
    }

    /// No longer joins through the node at `address`; if it is a contact, it stays one.
    pub fn forget_bootstrap(&mut self, address: SocketAddr) {
        self.kad.forget_bootstrap(address);
    }

    /// Asks the contacts that [`Node::poll_saved`] gave before a restart: they are contacts again
    /// when they answer.
    pub fn restore(&mut self, now: Instant, contacts: &[Contact]) {
        self.saved.handle_saved(contacts);
        for &contact in contacts {
            self.kad.insert_saved(now, contact);
        }
        self.relay(now);
    }

    /// Shares what lies on disk: [`Event::Shared`] follows when it is hashed.
    ///
    /// # Errors
    ///
    /// There are too many swarms.
    pub fn share(&mut self, now: Instant, share: ShareSpec) -> Result<SwarmKey, Refused> {
        let key = self.swarms.share(now, share);
        self.relay(now);
        key
    }

    /// Fetches a file, whose manifest may be known, from `providers` and those that the DHT knows:
    /// [`Event::Complete`] or [`Event::Failed`] follows.
    ///
    /// # Errors
    ///
    /// There are too many swarms, or one of this file.
    pub fn fetch(
        &mut self,
        now: Instant,
        file: FileId,
        manifest: Option<Manifest>,
        providers: &[SocketAddr],
    ) -> Result<SwarmKey, Refused> {
        let key = self.swarms.fetch(now, file, manifest, providers);
        // The first dial and the first lookup are due at once.
        self.swarms.handle_timeout(now);
        self.relay(now);
        key
    }

    /// Caps the bytes a second that streams send, and that they ask for; `None` lifts the limit. A
    /// rate below [`crate::limits::RATE_MIN`] becomes that. Datagrams do not count.
    pub fn limit(&mut self, now: Instant, up: Option<u64>, down: Option<u64>) {
        self.swarms.limit(now, up, down);
    }

    /// The caps of [`Node::limit`] do not count this stream.
    pub fn exempt(&mut self, stream: StreamKey) {
        self.swarms.exempt(stream);
    }

    /// Looks up the providers of a file without fetching it: [`dht::Event::LookupDone`] follows.
    /// False: there is no node to ask, or too many lookups wait.
    pub fn look_up(&mut self, now: Instant, file: FileId) -> bool {
        let is_accepted = self.kad.find_providers(now, file);
        self.relay(now);
        is_accepted
    }

    /// Announces this node as provider of a file that something else at its location serves, until
    /// it stops: [`dht::Event::Announced`] follows.
    pub fn provide(&mut self, now: Instant, file: FileId) {
        self.kad.provide(now, file);
        self.relay(now);
    }

    /// Serves a file of which the driver knows that the disk holds all of it, as it was when it was
    /// hashed or verified.
    ///
    /// # Errors
    ///
    /// There are too many swarms, or one of this file.
    pub fn serve(&mut self, now: Instant, of: Manifest, from: Origin) -> Result<SwarmKey, Refused> {
        let key = self.swarms.serve(now, of, from);
        self.relay(now);
        key
    }

    /// Ends a swarm, and forgets it: [`Event::Failed`] follows, because of [`Failure::Removed`].
    /// Its files stay on the disk.
    pub fn remove(&mut self, now: Instant, swarm: SwarmKey) {
        self.swarms.remove(now, swarm);
        self.relay(now);
    }

    /// Holds a swarm still until [`Node::resume`]: it has no streams, is not announced, and nothing
    /// is read or looked up for it.
    pub fn suspend(&mut self, now: Instant, swarm: SwarmKey) {
        self.swarms.suspend(now, swarm);
        self.relay(now);
    }

    /// Lets a swarm go on that was suspended.
    pub fn resume(&mut self, now: Instant, swarm: SwarmKey) {
        self.swarms.resume(now, swarm);
        self.relay(now);
    }

    /// Asks if a node is at `address`: [`dht::Event::Pinged`] follows. False: no node can be there,
    /// or too many requests wait.
    pub fn ping(&mut self, now: Instant, address: SocketAddr) -> bool {
        self.kad.ping(now, address)
    }

    /// Says goodbye on every stream, withdraws every announcement, and has what was gained made
    /// durable: drain the work, and run on until `swarms().is_committing()` says no.
    pub fn stop(&mut self, now: Instant) {
        self.swarms.stop(now);
        self.saved.stop(now);
        self.relay(now);
    }

    // -- facts in

    /// A node has connected. `None`: there is no room; close the socket.
    pub fn handle_accept(&mut self, now: Instant, from: SocketAddr) -> Option<StreamKey> {
        self.swarms.handle_accept(now, from)
    }

    /// The connection of [`Output::Connect`] stands.
    pub fn handle_connected(&mut self, now: Instant, stream: StreamKey) {
        self.swarms.handle_connected(now, stream);
    }

    /// Bytes of a stream have come; they must stay in place until `poll_output` has nothing more.
    pub fn handle_received(&mut self, now: Instant, stream: StreamKey, bytes: &[u8]) {
        self.swarms.handle_received(now, stream, bytes);
        self.relay(now);
    }

    /// `count` bytes of the stream's current [`Chunk`] have gone out.
    pub fn handle_sent(&mut self, now: Instant, stream: StreamKey, count: u32) {
        self.swarms.handle_sent(now, stream, count);
    }

    /// The file range of the stream's current [`Chunk`] cannot be sent; the node ends the stream.
    pub fn handle_unsendable(&mut self, now: Instant, stream: StreamKey, error: DiskError) {
        self.swarms.handle_unsendable(now, stream, error);
        self.relay(now);
    }

    /// A connection has ended or could not be made; the driver has freed its socket.
    pub fn handle_closed(&mut self, now: Instant, stream: StreamKey) {
        self.swarms.handle_closed(now, stream);
        self.relay(now);
    }

    /// The result of disk work, or a change of files that are served.
    pub fn handle_disk(&mut self, now: Instant, swarm: SwarmKey, report: DiskReport<'_>) {
        self.swarms.handle_disk(now, swarm, report);
        self.relay(now);
    }

    /// The list of [`Node::poll_saved`] is on disk. Not to be called when it could not be written.
    pub fn handle_saved(&mut self, contacts: &[Contact]) {
        self.saved.handle_saved(contacts);
    }

    /// The instant of `poll_timeout` has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.kad.handle_timeout(now);
        self.swarms.handle_timeout(now);
        self.relay(now);
    }

    // -- work out

    /// The next work for the driver.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.swarms.poll_output()
    }

    /// The next range to read, of at most [`crate::limits::READ_SIZE`] bytes: background work.
    pub fn poll_read(&mut self, now: Instant) -> Option<FileRange> {
        self.swarms.poll_read(now)
    }

    /// The contacts to be saved on disk in place of the list before, when that is worth a write
    /// (see [`saved`]). A driver with a disk calls it after `handle_timeout` and `stop`.
    pub fn poll_saved(&mut self, now: Instant) -> Option<Vec<Contact>> {
        self.saved.poll(now, self.kad.table())
    }

    /// The next news for the owner.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front().or_else(|| self.swarms.poll_event())
    }

    /// When `handle_timeout` is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        earliest(self.kad.poll_timeout(), self.swarms.poll_timeout())
    }

    // -- getters

    /// The swarms and streams, for reading.
    pub fn swarms(&self) -> &Swarms {
        &self.swarms
    }

    /// Kademlia, for reading: contacts, records, counters.
    pub fn kad(&self) -> &Kad {
        &self.kad
    }
}

#[cfg(test)]
mod tests {
    use super::Node;

    impl Node {
        pub(crate) fn dial_in_text(&mut self) {
            self.swarms.dial_in_text();
        }

        pub(crate) fn text_stream_count(&self) -> usize {
            self.swarms.text_stream_count()
        }
    }
}
