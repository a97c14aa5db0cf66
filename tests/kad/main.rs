//! Whole networks of Kademlia nodes, on the public contract of `Kad` alone.
//!
//! Begin with `world`, the virtual network that all of them run in.

mod network;
mod world;
