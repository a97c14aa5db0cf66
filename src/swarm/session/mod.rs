//! How a stream is spoken: the handshake of a network with a key, and frames out of bytes.

pub mod handshake;
pub mod inbox;
