//! The replies of the service: typed values. `render` makes lines of them.
//!
//! In JSON each reply is an object of a line, with `version` 1 and a `kind`; its members are the
//! fields below, in their order. Sizes are bytes, rates bytes a second, times seconds; an unknown
//! value is `null`. Members may be added within a version, so readers skip members that they do not
//! know. `fixtures/control` has an example of each. Invariant: a reply holds its values, so it can
//! be rendered at any time.

use super::json::Object;
use crate::dht::Outcome;
use crate::id::{FileId, NodeId};
use crate::reactor::{self, Caps, Lag};
use crate::{kad, swarm};
use std::net::SocketAddr;
use std::time::Duration;

/// A value of an answer.
#[derive(Clone, Debug)]
pub enum Reply {
    Status(Box<Status>),
    File(File),
    /// A share that is hashed: as text, its link alone.
    Shared(File),
    Peer(Peer),
    Dht(Dht),
    Contact(Contact),
    Record(Record),
    Ping(Ping),
    Provider(Provider),
    /// The end of a lookup, in the members of its outcome; `time` is the time that it took.
    Lookup(Outcome),
    /// A sentence for people, whatever form was asked for.
    Note(String),
}

/// Declares replies: each field is a member of the object in JSON, under its name.
macro_rules! replies {
    ($($(#[$doc:meta])* $name:ident($kind:literal) { $($field:ident: $type:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name {
            $(pub $field: $type,)*
        }

        impl $name {
            pub(super) fn json(&self) -> String {
                Object::listed($kind)$(.with(stringify!($field), &self.$field))*.finish()
            }
        }
    )*};
}

replies! {
    /// A file or folder that the service shares or fetches.
    File("file") {
        id: Option<FileId>,     // null while it is hashed
        state: &'static str,    // see `files::state`
        why: Option<String>,    // the reason why it waits or has changed
        origin: &'static str,   // `share`, `fetch`, or `folder`: found in a drop folder
        done: u64,              // bytes hashed, verified or held
        size: u64,              // bytes in all, 0 while unknown
        up: u64,                // bytes of it sent since the start
        down: u64,              // bytes of it received since the start
        streams: u32,           // open streams
        name: Option<String>,   // of the manifest, or of its path
        path: Option<String>,
        link: Option<String>,
    }

    /// An open stream of a file.
    Peer("peer") {
        address: SocketAddr,    // where the other node listens, or is connected from
        node: NodeId,
        up: u64,                // bytes of the file sent to it
        down: u64,              // bytes of the file received from it
        up_rate: u64,           // while they last moved
        down_rate: u64,
        shards: u32,            // that it has, as far as it has said
        of: u32,                // shards of the file
    }

    Dht("dht") {
        node: NodeId,
        contacts: usize,
        records: usize,
    }

    /// A contact of the routing table.
    Contact("contact") {
        bucket: usize,          // leading bits of its id that are ours
        node: NodeId,
        address: SocketAddr,
        heard: f64,             // since its last message
        silences: u32,          // requests in a row that it has not answered
    }

    /// A provider of a file, recorded for other nodes.
    Record("record") {
        id: FileId,
        address: SocketAddr,
        left: f64,              // until it expires
    }

    Ping("ping") {
        address: SocketAddr,
        time: Duration,
    }

    /// A provider that a lookup has found.
    Provider("provider") {
        id: FileId,
        address: SocketAddr,
    }
}

/// How the node is. Its members: `program` to `seen`, then every row of `METRICS`.
#[derive(Clone, Debug)]
pub struct Status {
    pub uptime: Duration,
    pub node: NodeId,
    /// Whether the network has a key.
    pub has_key: bool,
    /// The addresses of both UDP and TCP.
    pub listening: Vec<SocketAddr>,
    /// The address that other nodes see.
    pub seen: Option<SocketAddr>,
    pub contacts: usize,
    pub streams: usize,
    pub files: usize,
    /// Bytes written to fetched files and journals.
    pub written: u64,
    /// Resident memory of the process, in bytes.
    pub memory: Option<u64>,
    pub memory_peak: Option<u64>,
    pub caps: Caps,
    pub lag: Lag,
    pub io: reactor::Counters,
    pub kad: kad::Counters,
    pub swarm: swarm::Counters,
}
