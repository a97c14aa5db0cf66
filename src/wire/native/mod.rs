//! The native dialect: datagrams and discovery messages over UDP, handshakes and frames over TCP.
//!
//! Invariant: the first byte of a message tells its family: 0xC5, 0xD5, 0xE5 or 0xF5.

#![doc = include_str!("protocol.md")]

pub mod datagram;
pub mod discovery;
pub mod frame;
pub mod handshake;
