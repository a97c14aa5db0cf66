//! One host of a world, and what can happen to it.
//!
//! Plain data: `world` commands it and `drive` turns it. Invariant: a host without a node has no
//! sockets and no timer that counts.

use super::disk::Disk;
use super::pipes::{ConnectionKey, Side};
use super::sockets::Sockets;
use crate::id::{FileId, NodeId};
use crate::node::{Config, Node, SwarmKey};
use crate::output::FileRange;
use crate::time::Instant;
use std::net::SocketAddr;
use std::time::Duration;

/// How a node ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// It says goodbye.
    Stopped,
    /// Its process is killed: the kernel ends its connections.
    Killed,
    /// Its host loses power: nobody is told.
    PowerCut,
}

/// What a lookup for providers has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Whose lookup.
    pub host: usize,
    /// For what.
    pub file: FileId,
    /// When it ended.
    pub at: Instant,
    /// From its first request to its end.
    pub took: Duration,
    /// Length of the longest chain of contacts followed.
    pub hops: u32,
    /// Requests sent.
    pub asked: u32,
    /// The providers.
    pub providers: Vec<SocketAddr>,
    /// The closest nodes that answered, closest first.
    pub closest: Vec<NodeId>,
}

/// A host, with or without a running node.
pub struct Host {
    /// Where it is.
    pub address: SocketAddr,
    pub(super) config: Config,
    /// The local network that it is attached to, if its node discovers.
    pub(super) lan: Option<usize>,
    pub(super) node: Option<Node>,
    /// Which node runs: facts for another are dropped.
    pub(super) epoch: u32,
    /// It has no power: its kernel answers nothing.
    pub(super) is_dark: bool,
    pub(super) is_paused: bool,
    /// What has happened to it while it stood still.
    pub(super) held: Vec<What>,
    pub(super) disk: Disk,
    pub(super) sockets: Sockets,
    /// The one timer in the queue that counts.
    pub(super) timer_at: Option<Instant>,
    /// A background read is under way.
    pub(super) is_reading: bool,
    /// How often its timer fired at the same instant.
    pub(super) spins: (Instant, u32),
    pub(super) steps: u64,
}

/// What can happen.
#[derive(Debug)]
pub(super) enum What {
    Datagram {
        from: SocketAddr,
        to: usize,
        bytes: Box<[u8]>,
        is_genuine: bool,
    },
    Timer {
        host: usize,
        epoch: u32,
    },
    Syn {
        connection: ConnectionKey,
    },
    Accept {
        connection: ConnectionKey,
        epoch: u32,
    },
    Established {
        connection: ConnectionKey,
    },
    Arrive {
        connection: ConnectionKey,
        side: Side,
        count: usize,
    },
    Fin {
        connection: ConnectionKey,
        side: Side,
    },
    Reset {
        connection: ConnectionKey,
        side: Side,
    },
    Ready {
        connection: ConnectionKey,
        side: Side,
        readable: bool,
        writable: bool,
    },
    UplinkFree {
        host: usize,
    },
    Serve {
        host: usize,
        epoch: u32,
    },
    Prepared {
        host: usize,
        epoch: u32,
        swarm: SwarmKey,
    },
    Written {
        host: usize,
        epoch: u32,
        range: FileRange,
        shard: u32,
        is_kept: bool,
    },
    Read {
        host: usize,
        epoch: u32,
        range: FileRange,
    },
    /// A step of a checkpoint.
    Committed {
        host: usize,
        epoch: u32,
        swarm: SwarmKey,
        step: usize,
    },
    Finished {
        host: usize,
        epoch: u32,
        swarm: SwarmKey,
    },
}
