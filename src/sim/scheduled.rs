//! The things that a world's queue holds, to happen at their time.
//!
//! Invariant: a fact of a host carries the epoch of the host's node, and a later node never sees
//! it.

use super::pipes::{ConnectionKey, EndKey};
use crate::node::SwarmKey;
use crate::output::FileRange;
use std::net::SocketAddr;

#[derive(Debug)]
pub(super) enum Scheduled {
    Datagram(Packet),
    /// A segment that one end has sent arrives at the other.
    Segment(EndKey, Segment),
    /// The kernel of the accepting host has a connection for the node of this epoch.
    Accept(ConnectionKey, u32),
    /// The dialling host learns that its connection is accepted.
    Established(ConnectionKey),
    Ready(EndKey, Readiness),
    /// The uplink of a host has sent what it had begun.
    UplinkFree(usize),
    Host {
        host: usize,
        epoch: u32,
        fact: Fact,
    },
}

/// A datagram on its way.
#[derive(Clone, Debug)]
pub(super) struct Packet {
    pub from: SocketAddr,
    pub to: usize,
    pub bytes: Box<[u8]>,
    /// It is what the host at `from` sent, undamaged.
    pub is_genuine: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Segment {
    Syn,
    Data(usize),
    Fin,
    Reset,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Readiness {
    Read,
    Write,
    Both,
}

/// A fact that only one host learns.
#[derive(Debug)]
pub(super) enum Fact {
    Timer,
    /// Streams are still on the ready list.
    Serve,
    Prepared(SwarmKey),
    Written {
        range: FileRange,
        shard: u32,
        is_kept: bool,
    },
    Read(FileRange),
    /// A step of a checkpoint is done.
    Committed(SwarmKey, usize),
    Finished(SwarmKey),
}
