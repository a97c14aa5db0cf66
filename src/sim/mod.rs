//! The simulator: the second driver of the same [`Node`](crate::node::Node), on a virtual clock,
//! network and disk.
//!
//! Read [`world`] first (the event loop), then `drive` (what one host does with its node, the twin
//! of `reactor`'s turn), then whichever part is of interest: [`net`], [`uplink`] and `datagrams`
//! (ways and what passes), `sockets`, `streams` and [`pipes`] (streams as edge-triggered sockets),
//! [`disk`], [`ledger`] and `check` (what must always hold), [`traffic`] (what datagrams were for).
//!
//! ```text
//!   Queue ─► World::step ─► one fact to one host's node ─► drive: outputs, datagrams, streams, disk
//!     ▲                                                        │                     │
//!     └──────────────── what comes of it, later ◄──────────────┘         check: every invariant
//! ```
//!
//! **What this is not**: a mock. The node is the one that ships; all faults come from its surroundings.
//! Invariants: a [`World`] is determined by its seed and by what its owner commands, so that the
//! same seed gives the same [`World::event_hash`]; what must always hold is asserted here, after
//! every step, and not in scenarios.

mod check;
pub mod content;
mod datagrams;
pub mod disk;
mod drive;
pub mod faults;
mod host;
pub mod ledger;
pub mod net;
pub mod pipes;
pub mod queue;
mod sockets;
mod streams;
pub mod traffic;
pub mod uplink;
pub mod world;

pub use check::Checks;
pub use content::Content;
pub use faults::{Addressing, Faults};
pub use host::{Death, Found};
pub use world::{Setup, World};
