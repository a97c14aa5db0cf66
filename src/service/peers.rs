//! `sprat peers`: the open streams of a file, as text and as JSON.
//!
//! | member | meaning |
//! |---|---|
//! | `address` | where the other node listens, or is connected from |
//! | `node` | its id |
//! | `up`, `down` | bytes of the file sent to it and received from it |
//! | `up_rate`, `down_rate` | bytes a second, while they moved last |
//! | `shards`, `of` | how many it has, as far as it has said; how many there are |

use super::format::size;
use super::json::Object;
use super::list::DIGITS;
use crate::node::Peer;

/// For people: one line.
pub fn text(peer: &Peer, of: u32) -> String {
    format!(
        "{:<22}  up {:>10} ({}/s)  down {:>10} ({}/s)  {} of {of} shards  {}",
        peer.address.to_string(),
        size(peer.sent),
        size(peer.up),
        size(peer.received),
        size(peer.down),
        peer.shards,
        &peer.node.to_string()[..DIGITS],
    )
}

/// For programs: one object.
pub fn json(peer: &Peer, of: u32) -> String {
    Object::listed("peer")
        .text("address", &peer.address.to_string())
        .text("node", &peer.node.to_string())
        .number("up", peer.sent)
        .number("down", peer.received)
        .number("up_rate", peer.up)
        .number("down_rate", peer.down)
        .number("shards", peer.shards.into())
        .number("of", of.into())
        .finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Id, NodeId};
    use crate::service::fixtures::fixture;

    #[test]
    fn a_stream_is_told_as_the_fixtures_say() {
        let peer = Peer {
            address: "192.0.2.7:4160".parse().unwrap(),
            node: NodeId(Id([0xab; 20])),
            sent: 3 << 20,
            received: 1536,
            up: 512 << 10,
            down: 0,
            shards: 7,
        };
        assert_eq!([text(&peer, 9)], fixture("peers.txt")[..]);
        assert_eq!([json(&peer, 9)], fixture("peers.json")[..]);
    }
}
