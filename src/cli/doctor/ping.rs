//! Pings nodes from one socket, as any node would, and hears how they see this machine.
//!
//! Not here: a node. The pings are read-only (BEP 43), so nobody puts this process into a table.

use crate::address;
use crate::id::{Id, NodeId};
use crate::limits::DATAGRAM_SIZE_MAX;
use crate::wire::Network;
use crate::wire::native::datagram::{Body, Cookie, Datagram, Kind, RpcId};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// Between two pings of a node that has not answered: one may be lost.
const REPEAT: Duration = Duration::from_millis(300);

/// What a node answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Where it saw the ping come from.
    pub seen: SocketAddr,
    /// From the last ping to the answer.
    pub time: Duration,
}

/// Pings each of `nodes` until it answers or `patience` ends: the answers in the same order.
pub fn ping(nodes: &[SocketAddr], network: Network, patience: Duration) -> Vec<Option<Answer>> {
    let mut answers = vec![None; nodes.len()];
    let Some(socket) = socket() else {
        return answers;
    };
    let mut ids = [Id::default(), Id::default()];
    for id in &mut ids {
        if getrandom::fill(&mut id.0).is_err() {
            return answers;
        }
    }
    let [own, rpc_id] = ids;
    let ping = Datagram {
        read_only: true,
        rpc_id: RpcId(rpc_id.0),
        sender: NodeId(own),
        body: Body::Ping {
            cookie: Cookie::NONE,
            padding: 0,
        }
        .padded_to(Kind::Ping.reply_size_max().unwrap_or(0)),
    };
    let mut buffer = [0; DATAGRAM_SIZE_MAX + 1];
    let ends_at = Instant::now() + patience;
    while Instant::now() < ends_at && answers.contains(&None) {
        let size = ping.emit(network, &mut buffer);
        let asked_at = Instant::now();
        let silent = nodes
            .iter()
            .zip(&answers)
            .filter(|(_, answer)| answer.is_none());
        silent.for_each(|(&to, _)| {
            // What cannot be sent is not answered.
            let _ = socket.send_to(&buffer[..size], for_socket(&socket, to));
        });
        let again_at = ends_at.min(asked_at + REPEAT);
        while answers.contains(&None) {
            let left = again_at.saturating_duration_since(Instant::now());
            if left.is_zero() || socket.set_read_timeout(Some(left)).is_err() {
                break;
            }
            // An error is a node's port that is closed: others may still answer.
            let Ok((size, from)) = socket.recv_from(&mut buffer) else {
                continue;
            };
            let place = nodes
                .iter()
                .position(|node| *node == address::canonical(from));
            let Ok(reply) = Datagram::parse(&buffer[..size], network) else {
                continue;
            };
            if let (Some(place), Some(seen)) = (place, reply.body.seen()) {
                if reply.rpc_id == ping.rpc_id {
                    answers[place].get_or_insert(Answer {
                        seen: seen.address,
                        time: asked_at.elapsed(),
                    });
                }
            }
        }
    }
    answers
}

/// A socket that reaches both families, or IPv4 where that is all there is.
fn socket() -> Option<UdpSocket> {
    let dual = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0));
    dual.or_else(|_| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)))
        .ok()
}

fn for_socket(socket: &UdpSocket, to: SocketAddr) -> SocketAddr {
    let is_dual = socket.local_addr().is_ok_and(|local| local.is_ipv6());
    match to.ip() {
        IpAddr::V4(ip) if is_dual => SocketAddr::from((ip.to_ipv6_mapped(), to.port())),
        _ => to,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::native::datagram::Seen;
    use std::thread;

    #[test]
    fn a_node_says_how_it_sees_us_and_who_is_silent_or_wrong_says_nothing() {
        let network = Network::named("test");
        let [node, silent, liar] = [0; 3].map(|_| UdpSocket::bind("127.0.0.1:0").unwrap());
        let nodes = [&node, &silent, &liar].map(|socket| socket.local_addr().unwrap());
        let answering = |socket: UdpSocket, lie: bool| {
            thread::spawn(move || {
                let mut buffer = [0; DATAGRAM_SIZE_MAX];
                let (size, from) = socket.recv_from(&mut buffer).unwrap();
                let mut datagram = Datagram::parse(&buffer[..size], network).unwrap();
                assert!(datagram.read_only);
                datagram.rpc_id.0[0] ^= u8::from(lie);
                let (address, cookie) = (from, Cookie(1));
                let seen = Seen { address, cookie };
                datagram.body = Body::PingReply { seen };
                let size = datagram.emit(network, &mut buffer);
                socket.send_to(&buffer[..size], from).unwrap();
            })
        };
        let threads = [answering(node, false), answering(liar, true)];
        let [answer, none, lie] = ping(&nodes, network, Duration::from_millis(700))
            .try_into()
            .unwrap();
        assert_eq!((none, lie), (None, None));
        assert!(answer.unwrap().seen.ip().is_loopback());
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        drop(silent);
    }
}
