//! Tests of the core in memory: bytes, tables, swarms and networks of nodes; no socket, no file but
//! fixtures, no process.

#[macro_use]
mod every;

mod crash;
mod fixtures;
mod fuzz_bodies;
mod kad;
mod metainfo;
mod negative_discovery;
mod negative_packets;
mod plot;
mod protocol_page;
mod swarm;
mod wire_errors;
mod wire_properties;
