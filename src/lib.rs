#![forbid(unsafe_code)]
pub mod id; pub mod time; pub mod rng;
