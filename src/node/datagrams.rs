//! The node's port, UDP: which dialect a datagram is of, and the datagrams that go out.
//!
//! Several dialects share one port, told apart by the first byte of a datagram. Only the driver
//! knows on which socket a datagram came and whether its source is on a link of this host, so it
//! says both.
//!
//! | first byte | dialect | accepted |
//! |---|---|---|
//! | `d5` | native Kademlia | on the node's port |
//! | `c5` | local discovery | on either port, from a link of this host |
//! | other | none yet (`d` would be KRPC of BEP 5) | never |
//!
//! Invariant: a datagram of no dialect here is counted and dropped; nothing answers it.

use super::Node;
use crate::limits::DATAGRAM_SIZE_MAX;
use crate::output::Transmit;
use crate::time::Instant;
use crate::wire::native::{datagram, discovery};
use std::net::SocketAddr;

/// Where a datagram came from and how: facts that only the driver knows.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// Its source, as the socket reports it.
    pub from: SocketAddr,
    /// The port that it was sent to.
    pub port: Port,
    /// Whether its source is in a network that an interface of this host is attached to.
    pub is_on_link: bool,
}

/// A UDP port that a driver receives on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// The node's own, for all dialects.
    Node,
    /// The one of local discovery, which all nodes of a host share.
    Discovery,
}

impl Node {
    /// Looks for nodes of the local network from now on: [`Node::poll_discovery`] has a query to
    /// send now and then. Call it again when this host is attached to another network.
    pub fn discover(&mut self, now: Instant) {
        self.kad.discover(now);
    }

    /// Hands a datagram to its dialect, or counts and drops it.
    pub fn handle_datagram(&mut self, now: Instant, arrival: Arrival, bytes: &[u8]) {
        match (bytes.first(), arrival.port) {
            (Some(&datagram::MAGIC), Port::Node) => {
                self.kad.handle_datagram(now, arrival.from, bytes);
            }
            (Some(&discovery::MAGIC), _) if arrival.is_on_link => {
                self.kad.handle_discovery(now, arrival.from, bytes);
            }
            _ => self.kad.count_foreign(),
        }
        self.relay(now);
    }

    /// Writes the next datagram into `buffer`, of at least [`DATAGRAM_SIZE_MAX`] bytes.
    pub fn poll_datagram(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Transmit> {
        assert!(
            buffer.len() >= DATAGRAM_SIZE_MAX,
            "a datagram may not fit the buffer"
        );
        let (to, size) = self.kad.poll_datagram(now, buffer)?;
        Some(Transmit { to, size })
    }

    /// Writes a discovery query into `buffer`, if one is due, and returns its size. It is to be
    /// sent to the group of [`discovery`] at every interface.
    pub fn poll_discovery(&mut self, buffer: &mut [u8]) -> Option<usize> {
        self.kad.poll_discovery(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::NodeId;
    use crate::node::Config;
    use crate::rng::Rng;
    use crate::wire::native::discovery::Kind;
    use crate::wire::{Body, Cookie, Datagram, Discovery, Network, RpcId};

    const LINK: Arrival = Arrival {
        from: SocketAddr::new(
            std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2)),
            4160,
        ),
        port: Port::Node,
        is_on_link: true,
    };

    fn node() -> Node {
        let config = Config {
            id: NodeId::default(),
            network: Network::named("demux"),
            port: 4160,
            read_only: false,
        };
        let mut node = Node::new(config, Rng::from_number(1), Instant::ZERO);
        node.discover(Instant::ZERO);
        node
    }

    /// The datagrams that are counted as of no dialect, and those that go out in answer.
    fn outcome(arrival: Arrival, bytes: &[u8]) -> (u64, usize) {
        let (mut node, mut buffer) = (node(), [0; DATAGRAM_SIZE_MAX]);
        node.handle_datagram(Instant::ZERO, arrival, bytes);
        let sent = std::iter::from_fn(|| node.poll_datagram(Instant::ZERO, &mut buffer)).count();
        (node.kad().counters().damaged, sent)
    }

    #[test]
    fn a_datagram_is_taken_by_its_first_byte_where_its_dialect_may_come_from() {
        let network = Network::named("demux");
        let sender = NodeId(Rng::from_number(2).id());
        let mut buffer = [0; DATAGRAM_SIZE_MAX];
        let ping = Datagram {
            read_only: true,
            rpc_id: RpcId::default(),
            sender,
            body: Body::Ping {
                cookie: Cookie::NONE,
                padding: 100,
            },
        };
        let size = ping.emit(network, &mut buffer);
        let ping = buffer[..size].to_vec();
        let query = Discovery {
            kind: Kind::Query,
            sender,
            port: 4160,
            nonce: 7,
        };
        let size = query.emit(network, &mut buffer);
        let query = buffer[..size].to_vec();
        let routed = Arrival {
            is_on_link: false,
            ..LINK
        };
        let group = Arrival {
            port: Port::Discovery,
            ..LINK
        };
        let from_afar = Arrival {
            is_on_link: false,
            ..group
        };
        for arrival in [LINK, routed] {
            assert_eq!(outcome(arrival, &ping), (0, 1), "{arrival:?}");
        }
        for arrival in [LINK, group] {
            assert_eq!(outcome(arrival, &query), (0, 1), "{arrival:?}");
        }
        for arrival in [group, from_afar] {
            assert_eq!(outcome(arrival, &ping), (1, 0), "{arrival:?}");
        }
        for arrival in [routed, from_afar] {
            assert_eq!(outcome(arrival, &query), (1, 0), "{arrival:?}");
        }
        for bytes in [&b"d1:ad2:id20:"[..], &[0; 64], b""] {
            assert_eq!(outcome(LINK, bytes), (1, 0));
        }
    }
}
