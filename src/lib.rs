//! sprat: a file distribution network of small computers.

#![forbid(unsafe_code)]

pub mod id;
pub mod kad;
pub mod limits;
pub mod rng;
pub mod time;
pub mod wire;
