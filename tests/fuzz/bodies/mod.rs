//! The bodies of the fuzz targets: what must hold for any bytes at all.
//!
//! Each module is one target, and `run` is its body: it takes bytes and panics when a rule is
//! broken. They are written once and run twice: under cargo-fuzz (`tests/fuzz/targets`), which
//! looks for bytes that reach new code, and under `cargo test` (`tests/core/fuzz_bodies.rs`) over
//! the corpora and mutations of them. Only the public interface of the crate is used.

#![allow(
    dead_code,
    reason = "each target includes all bodies and runs one of them"
)]

pub mod bencode;
pub mod datagrams;
pub mod disk;
pub mod files;
pub mod ids;
pub mod input;
pub mod links;
pub mod manifests;
pub mod nodes;
pub mod other;
pub mod packets;
pub mod puppet;
pub mod streams;

/// A target's body.
pub type Body = fn(&[u8]);

/// All targets, by name.
pub const TARGETS: [(&str, Body); 6] = [
    ("bencode", bencode::run),
    ("datagrams", datagrams::run),
    ("links", links::run),
    ("manifests", manifests::run),
    ("nodes", nodes::run),
    ("streams", streams::run),
];
