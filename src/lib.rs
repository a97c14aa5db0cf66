//! sprat turns a set of small computers into their own file distribution network.
//!
//! One node shares a file; any other fetches it by its id, from everyone who already has part of
//! it, and serves what it has to the rest. The crate is the program: `cli` is what people type,
//! `reactor` turns a [`node::Node`] on real sockets and files, and everything below it is a state
//! machine without I/O, so that a simulator can turn the very same node on virtual ones.
//!
//! ```text
//!   cli ──► reactor ──► node ──► kad ┐
//!              │             └─► swarm ┴──► wire ──► id, limits, time, rng
//!              └────► journal ────▲
//! ```
//!
//! To read it: [`wire`] (what goes over the network), [`kad`] (who has what), [`swarm`] (who sends
//! what), [`node`] (the contract with a driver), `reactor` (the event loop).

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
