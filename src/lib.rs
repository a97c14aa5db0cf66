//! sprat turns a set of small computers into their own file distribution network.
//!
//! One node shares a file; other nodes fetch it by its id from every node that has a part of it,
//! and serve their own parts to the rest. Two drivers run the same [`node::Node`]: `reactor` on
//! real sockets and files, [`sim`] on virtual ones. Everything below the drivers is a state machine
//! without I/O: time, randomness, datagrams and results of disk work are arguments.
//!
//! ```text
//!   cli ─► service ─► reactor ─┐             ┌─► kad ─► dht ─┐
//!                              ├──► node ────┤               ├─► wire ─► ground, limits
//!   tests ─────────────► sim ──┘    │        └─► swarm ──────┘
//!                                   └─► store
//! ```
//!
//! Ground: [`id`], [`address`], [`time`], [`rng`], [`slab`], [`bitmap`], [`rate`], [`envelope`].
//! Imports point one way, and modules of one layer never name each other.
//!
//! # The reading path
//!
//! These files in this order show how the network works, in one sitting: at most 7,000 lines, unit
//! tests aside. A test counts them. Comments cite the rules of `kad/rules.md` by number. Terms that
//! come up before their file:
//!
//! - *owner*: the program that runs a node; *driver*: the loop that does the I/O of the node.
//! - *dialect*: a wire protocol that nodes speak; native is the only one so far.
//! - *network with a key*: only nodes that know the secret key are its members (`wire/network.rs`).
//!   Elsewhere a *key* is an id in the DHT: the id of a file.
//! - *manifest*: the names, sizes and shard hashes of a file or folder; its SHA-1 is the file id.
//!   An *entry* is one file of it.
//! - *shard*: the unit that a hash verifies, 16 KiB to 16 MiB; *range*: consecutive bytes of one.
//! - *swarm*: the state of one file on a node; *stream*: a TCP connection about one file.
//! - *provider*: a node that serves a file; *location*: the address at which it does.
//! - *cookie*: proof that a node receives datagrams at its address; *token*: permission to store a
//!   *record*, which names a provider of a file; *holder*: a node that stores a record.
//! - *candidate*: a node that was only named to us, or only sent us a request; *contact*: a node
//!   that answered a request of ours, with its address.
//! - *flight*: a shard that is being received; an idle stream *reclaims* a range from a slow one.
//! - *haves*: news of gained shards; a node with every shard *super-seeds*: it *offers* haves, the
//!   rarest shards first, to a few peers each.
//! - *upload slot*: the right of a stream to receive payload; there are few, so shards are complete
//!   early.
//! - *checkpoint*: makes gained shards durable in a *journal*; *scrub*: verifies a file again.
//!
//! | file | what it shows |
//! |---|---|
//! | `id.rs` | ids of nodes and files, and the XOR distance between them |
//! | `kad/rules.md` | the rules that the code cites by number |
//! | `wire/native/datagram.rs` | the RPCs of Kademlia as datagrams |
//! | `wire/stream.rs` | the values in a stream between two nodes: hello, range, reasons |
//! | `wire/native/frame.rs` | the frames of a stream |
//! | `dht/mod.rs` | the parts of Kademlia that know no wire format |
//! | `dht/bucket.rs` | contacts of one distance, and when one is stale |
//! | `dht/table.rs` | the routing table of buckets |
//! | `dht/lookup.rs` | the search for the closest nodes to an id |
//! | `kad/mod.rs` | the Kademlia node, built of these parts |
//! | `kad/rpc.rs` | requests that wait for their reply |
//! | `kad/client.rs` | sends requests, accepts replies |
//! | `kad/server.rs` | answers requests |
//! | `kad/lookups.rs` | runs the lookups of users and of upkeep |
//! | `swarm/mod.rs` | the exchange of files, and its parts |
//! | `swarm/stream.rs` | one connection to a peer |
//! | `swarm/session/mod.rs` | one vocabulary of messages for all dialects |
//! | `swarm/session/codec.rs` | the dialects, and the bytes that tell them apart |
//! | `swarm/flight.rs` | a shard from its first byte to the disk |
//! | `swarm/state.rs` | all that a node knows of one file |
//! | `swarm/scope.rs` | the context of one step: a swarm and its streams |
//! | `swarm/schedule/mod.rs` | the parts of the scheduler |
//! | `swarm/schedule/request.rs` | the choice of the next range to request |
//! | `swarm/receive.rs` | messages and payload from a peer |
//! | `swarm/send.rs` | messages and payload to a peer |
//! | `output.rs` | the words between a node and its driver |
//! | `node/mod.rs` | the contract with a driver |
//! | `node/datagrams.rs` | the dialects of the UDP port |
//! | `reactor/event_loop.rs` | one turn of the event loop on real sockets |
//!
//! Then read on by interest: `swarm/exchange` and `swarm/verify` (the messages of an open stream,
//! and the shards that they complete), `swarm/schedule` (super-seeding, upload slots, reclaiming of
//! shards), [`limits`] (every bound with its reason), `store` and `reactor/files` (durability),
//! [`sim`] (how all of it is tested).

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod address;
pub mod bitmap;
pub mod cli;
pub mod dht;
pub mod envelope;
pub mod id;
pub mod kad;
pub mod limits;
pub mod node;
pub mod output;
pub mod rate;
pub mod reactor;
pub mod rng;
pub mod service;
pub mod sim;
pub mod slab;
pub mod store;
pub mod swarm;
pub mod time;
pub mod wire;
