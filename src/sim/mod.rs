//! The simulator: the second driver of the same [`Node`](crate::node::Node), on a virtual clock,
//! network and disk.
//!
//! Read [`world`] first (the event loop) and `commands` (what its owner can do), then `drive` (the
//! counterpart of the reactor's turn). The rest in parts: [`net`], [`uplink`] and `datagrams`
//! (links and their faults); `sockets`, `kernel`, `streams` and [`pipes`] (streams as
//! edge-triggered sockets); [`disk`]; [`ledger`] and `check` (invariants);
//! [`script`] (foreign and hostile peers).
//!
//! ```text
//!   Queue ─► World::step ─► a fact to a host ─► its node: drive ─► links, streams, disk; check
//!     ▲                                     └─► its script          │
//!     └──────────────────── later things ◄──────────────────────────┘
//! ```
//!
//! The nodes are no mocks: they are the code that ships, and all faults come from their
//! surroundings. Invariants: the seed and the owner's commands determine a [`World`], so that the
//! same seed gives the same [`World::event_hash`]; the invariants of nodes are asserted here, after
//! every step, and not in scenarios.

mod check;
mod commands;
pub mod content;
mod datagrams;
#[cfg(test)]
mod dialect;
pub mod disk;
mod drive;
pub mod faults;
mod host;
mod kernel;
pub mod ledger;
pub mod net;
pub mod pipes;
pub mod queue;
mod scheduled;
pub mod script;
mod scripts;
pub mod setup;
mod sockets;
mod streams;
pub mod uplink;
pub mod world;

pub use content::Content;
pub use faults::Faults;
pub use host::{Death, Found};
pub use script::{Actions, Input, Script};
pub use setup::{Addressing, Checks, Setup};
pub use world::World;
