//! The scheduler: which shards go from which node to which, and how far ahead.
//!
//! [`request`] and [`reclaim`] are the receiving half, [`super_seed`] and [`upload_slots`] the
//! sending half. None of them knows how a stream is spoken.

pub mod notsent;
pub mod reclaim;
pub mod request;
pub mod round;
pub mod round_trip;
pub mod super_seed;
pub mod upload_slots;
