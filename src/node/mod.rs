//! (contract stub, replaced by the swarm and node work)
pub mod output;
pub use output::*;
use crate::id::{FileId, NodeId};
use crate::rng::Rng;
use crate::time::Instant;
use crate::wire::{Manifest, Network};
use std::net::SocketAddr;

/// How a node is set up.
pub struct Config {
    /// Its id.
    pub id: NodeId,
    /// Its network.
    pub network: Network,
    /// The port it listens on, UDP and TCP alike.
    pub port: u16,
    /// Asks, but must not be put into tables.
    pub read_only: bool,
}

/// A file or folder to be shared, as it lies on disk.
pub struct ShareSpec {
    /// The name of the file or folder.
    pub name: String,
    /// Paths beneath the folder (components joined with `/`) and sizes, in the manifest's order;
    /// for a single file one pair with an empty path.
    pub entries: Vec<(String, u64)>,
    /// Whether it is a folder.
    pub folder: bool,
}

/// How far a swarm is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// What it is doing.
    pub phase: Phase,
    /// Bytes of the file; 0 while unknown.
    pub size: u64,
    /// Bytes hashed or verified on disk in this phase, or bytes of verified shards held.
    pub done: u64,
    /// Bytes of payload received and sent since the start.
    pub received: u64,
    /// Bytes of payload sent.
    pub sent: u64,
    /// Open streams.
    pub streams: u32,
    /// Open streams whose other end has a shard that we lack.
    pub providers: u32,
}

/// What a swarm is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Reads the files to be shared and hashes them.
    #[default]
    Hashing,
    /// Looks for providers and their manifest.
    Finding,
    /// Reads what the disk holds and verifies it.
    Verifying,
    /// Fetches shards.
    Fetching,
    /// Waits for the disk to finish.
    Finishing,
    /// Has every shard.
    Complete,
}

#[allow(missing_docs, unused_variables)]
pub struct Node { _p: () }
#[allow(missing_docs, unused_variables)]
impl Node {
    pub fn new(config: Config, rng: Rng, now: Instant) -> Node { unimplemented!() }
    // the owner's commands
    /// Join through this node; retried with back-off until it answers.
    pub fn bootstrap(&mut self, now: Instant, address: SocketAddr) { unimplemented!() }
    pub fn share(&mut self, now: Instant, spec: ShareSpec) -> SwarmKey { unimplemented!() }
    pub fn fetch(&mut self, now: Instant, file: FileId, manifest: Option<Manifest>, providers: &[SocketAddr]) -> SwarmKey { unimplemented!() }
    /// Says goodbye on every stream and withdraws announcements: drain the outputs once more, then stop.
    pub fn stop(&mut self, now: Instant) { unimplemented!() }
    // facts in
    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) { unimplemented!() }
    /// None: refused (too many streams): close the socket.
    pub fn handle_accept(&mut self, now: Instant, from: SocketAddr) -> Option<StreamKey> { unimplemented!() }
    pub fn handle_connected(&mut self, now: Instant, stream: StreamKey) { unimplemented!() }
    pub fn handle_received(&mut self, now: Instant, stream: StreamKey, bytes: &[u8]) { unimplemented!() }
    pub fn handle_sent(&mut self, now: Instant, stream: StreamKey, count: u32) { unimplemented!() }
    /// The current Chunk::File cannot be sent as promised (file truncated, changed, unreadable): the stream is freed by the node (Output::Close follows) and the shard's have-bit dropped
    pub fn handle_unsendable(&mut self, now: Instant, stream: StreamKey, error: DiskError) { unimplemented!() }
    /// The connection ended or could not be made; the driver has freed its socket already.
    pub fn handle_closed(&mut self, now: Instant, stream: StreamKey) { unimplemented!() }
    pub fn handle_prepared(&mut self, now: Instant, swarm: SwarmKey, result: Result<Prepared, DiskError>) { unimplemented!() }
    pub fn handle_written(&mut self, now: Instant, swarm: SwarmKey, shard: u32, length: u32, result: Result<(), DiskError>) { unimplemented!() }
    pub fn handle_read(&mut self, now: Instant, swarm: SwarmKey, result: Result<&[u8], DiskError>) { unimplemented!() }
    pub fn handle_finished(&mut self, now: Instant, swarm: SwarmKey, result: Result<(), DiskError>) { unimplemented!() }
    pub fn handle_timeout(&mut self, now: Instant) { unimplemented!() }
    // work out
    /// `buffer` holds at least limits::DATAGRAM_SIZE_MAX bytes
    pub fn poll_datagram(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Transmit> { unimplemented!() }
    pub fn poll_output(&mut self, now: Instant) -> Option<Output> { unimplemented!() }
    /// At most limits::READ_SIZE bytes.
    pub fn poll_read(&mut self, now: Instant) -> Option<FileRange> { unimplemented!() }
    pub fn poll_send(&mut self, now: Instant, stream: StreamKey) -> Option<Chunk> { unimplemented!() }
    pub fn poll_event(&mut self) -> Option<Event> { unimplemented!() }
    pub fn poll_timeout(&self) -> Option<Instant> { unimplemented!() }
    // getters
    /// The bytes of a stream's current Chunk::Bytes (not empty).
    pub fn bytes(&self, stream: StreamKey) -> &[u8] { unimplemented!() }
    /// A Close frame (or nothing) for a stream that Output::Close has just named; valid until the next poll_output.
    pub fn last_words(&self) -> &[u8] { unimplemented!() }
    pub fn manifest(&self, swarm: SwarmKey) -> Option<&Manifest> { unimplemented!() }
    pub fn progress(&self, swarm: SwarmKey) -> Option<Progress> { unimplemented!() }
    pub fn contact_count(&self) -> usize { unimplemented!() }
}
