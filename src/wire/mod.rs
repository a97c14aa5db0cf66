//! Bytes ↔ values: datagrams, discovery messages, handshakes, frames, manifests and links.
//!
//! Every message family has one form: the layout of its bytes in the module's docs, a plain value
//! (`Datagram`, `Discovery`, `Frame`, `Manifest`, `Link`), `parse`, `emit` and a size. Each value
//! has exactly one encoding: trailing bytes, reserved bits that are not zero and wrong lengths are
//! errors. An error is a small `Copy` enum that names the field. No module here does I/O or keeps
//! state, and none allocates a size that a peer claims.
//!
//! Numbers are big-endian. Native messages begin with a byte ≥ 0x80, because other dialects may
//! share the port and the first byte tells them apart: `d` is KRPC (BEP 5), 0x13 a BitTorrent
//! handshake (BEP 3), and `G`, `H` and `P` begin HTTP methods.
//!
//! The CRC-32 of every datagram, discovery message and frame is seeded with the network's name
//! ([`Network`]), so nodes drop packets of other networks as damaged. A CRC detects damage and
//! proves nothing. The tags of a network with a key prove that a member made them: see [`network`].

// These bytes come from strangers: no code below may panic or overflow on them.
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

#[macro_use]
mod byte_enum;

pub mod address;
pub mod bencode;
pub mod entries;
pub mod magnet;
pub mod manifest;
mod metainfo;
pub mod name;
pub mod native;
pub mod network;
pub mod reader;
pub mod stream;

pub use entries::{Entries, Entry};
pub use magnet::{Link, LinkError};
pub use manifest::{Manifest, ManifestError};
pub use native::datagram::{Body, Cookie, Datagram, DatagramError, RpcId, Token};
pub use native::discovery::{Discovery, DiscoveryError};
pub use native::frame::{Frame, FrameError, Header};
pub use network::{Key, Network};
