//! TCP: listeners, the table of connections, and the share of a turn that each connection gets.
//!
//! Read `connections` first, then `transfer`. Invariant: after each connection that is closed, a
//! listener that lacked a descriptor tries again.

pub(super) mod accept;
pub(super) mod congestion;
pub(super) mod connections;
mod transfer;

use crate::node::StreamKey;
use accept::Acceptor;
use connections::Connections;
use mio::Registry;
use std::io;

/// The listeners and connections of a node.
pub struct Tcp {
    pub acceptor: Acceptor,
    pub connections: Connections,
}

impl Tcp {
    pub fn new(registry: &Registry, listeners: Vec<std::net::TcpListener>) -> io::Result<Tcp> {
        Ok(Tcp {
            acceptor: Acceptor::new(registry, listeners)?,
            connections: Connections::new(),
        })
    }

    /// Closes a connection and frees its slot, if there is one under this key.
    pub fn close(&mut self, registry: &Registry, key: StreamKey) {
        self.connections.close(registry, key);
        self.acceptor.handle_freed();
    }
}
