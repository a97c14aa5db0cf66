//! The native dialect: datagrams and discovery messages over UDP, handshakes and frames over TCP.

#![doc = include_str!("protocol.md")]

pub mod datagram;
pub mod discovery;
pub mod frame;
pub mod handshake;
