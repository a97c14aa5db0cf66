//! One host of a world: plain data, which `commands` and `drive` change.
//!
//! Invariant: a host that runs neither a node nor a script has no sockets, and facts of its earlier
//! epochs do not reach it.

use super::disk::Disk;
use super::scheduled::Scheduled;
use super::script::Scripted;
use super::sockets::Sockets;
use crate::id::{FileId, NodeId};
use crate::node::{Config, Node};
use crate::time::Instant;
use std::net::SocketAddr;
use std::time::Duration;

/// The way in which a node ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// The node stops and closes its streams.
    Stopped,
    /// The process is killed: the kernel closes its connections.
    Killed,
    /// The host loses power: its peers receive nothing.
    PowerCut,
}

/// The result of a lookup for providers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The host whose node ran the lookup.
    pub host: usize,
    /// The file that it looked for.
    pub file: FileId,
    /// The end of the lookup.
    pub at: Instant,
    /// From its first request to its end.
    pub took: Duration,
    /// Length of the longest chain of contacts followed.
    pub hops: u32,
    /// The number of requests sent.
    pub asked: u32,
    /// The providers in the replies.
    pub providers: Vec<SocketAddr>,
    /// The closest nodes that replied, closest first.
    pub closest: Vec<NodeId>,
}

pub(super) struct Host {
    pub address: SocketAddr,
    pub config: Config,
    /// The local network that it is attached to, if its node discovers.
    pub lan: Option<usize>,
    pub node: Option<Node>,
    /// The script that it runs instead of a node.
    pub script: Option<Scripted>,
    /// Counts its nodes: facts for earlier ones are dropped.
    pub epoch: u32,
    /// It has no power: its kernel answers nothing.
    pub is_dark: bool,
    pub is_paused: bool,
    /// The things that happened to it while it was paused.
    pub held: Vec<Scheduled>,
    pub disk: Disk,
    pub sockets: Sockets,
    /// The one timer in the queue that counts.
    pub timer_at: Option<Instant>,
    /// A background read is in progress.
    pub is_reading: bool,
    /// The last instant of its timer, and how often the timer fired then.
    pub spins: (Instant, u32),
    pub steps: u64,
}

impl Host {
    pub fn new(address: SocketAddr, config: Config) -> Host {
        Host {
            address,
            config,
            lan: None,
            node: None,
            script: None,
            epoch: 0,
            is_dark: true,
            is_paused: false,
            held: Vec::new(),
            disk: Disk::default(),
            sockets: Sockets::default(),
            timer_at: None,
            is_reading: false,
            spins: (Instant::ZERO, 0),
            steps: 0,
        }
    }

    pub fn is_running(&self) -> bool {
        self.node.is_some() || self.script.is_some()
    }
}
