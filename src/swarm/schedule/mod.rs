//! The scheduler: which shards go from which node to which, and how far ahead.
//!
//! [`request`] and [`reclaim`] are the receiving half, [`super_seed`] and [`upload_slots`] the
//! sending half. [`round`] times the repeated offers of a super-seeding node, [`round_trip`] and
//! [`notsent`] bound how far requests and payload run ahead. None of them knows a dialect.

pub mod notsent;
pub mod reclaim;
pub mod request;
pub mod round;
pub mod round_trip;
pub mod super_seed;
pub mod upload_slots;
