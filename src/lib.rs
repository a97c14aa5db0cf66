//! (crate root; the other parts add their lines)
#![forbid(unsafe_code)]
pub mod id;
pub mod kad;
pub mod limits;
pub mod rng;
pub mod time;
pub mod wire;
