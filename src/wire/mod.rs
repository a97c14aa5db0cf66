//! What goes over the network: datagrams, discovery messages, handshakes, stream frames, the manifest, and links.
//!
//! Every module here has one form: a byte ruler, a plain value (`Datagram`, `Discovery`, `Frame`,
//! `Manifest`, `Link`), `parse` and `emit`. There is exactly one encoding of each value: trailing bytes,
//! reserved bits that are not zero and wrong lengths are errors, and an error is a small `Copy`
//! enum that names the field. Nothing here does I/O, and nothing is allocated for a size that a
//! peer claims.
//!
//! Numbers are big-endian. Native datagrams and frames begin with a byte ≥ 0x80, because one port
//! may come to carry other dialects, told apart by the first byte: `d` is KRPC (BEP 5), 0x13 a
//! BitTorrent handshake (BEP 3), `G`, `H` and `P` HTTP.
//!
//! The CRC-32 of every datagram, discovery message and frame is seeded with the network's name ([`Network`]), so nodes
//! of different networks drop each other's packets as damaged. It detects damage; it proves
//! nothing. Where a network has a key, that proves that a member has spoken: see [`network`].

// These bytes come from strangers: nothing here may panic or overflow on them, in any module below.
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

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
