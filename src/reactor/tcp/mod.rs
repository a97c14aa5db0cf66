//! TCP: listeners, the table of connections, and what moves over each of them.
//!
//! Read `connections` first, then `transfer` (the share of a turn that one stream gets). Invariant: a
//! socket counts as ready until it has said `WouldBlock`.

pub(super) mod accept;
pub(super) mod congestion;
pub(super) mod connections;
mod transfer;
