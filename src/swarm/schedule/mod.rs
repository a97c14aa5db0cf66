//! What goes from which node to which, how much of it at once, and how far ahead.

pub mod notsent;
pub mod reclaim;
pub mod request;
pub mod round_trip;
pub mod super_seed;
pub mod upload_slots;
