//! Pings nodes from one socket and reports the address from which they see this machine.
//!
//! Runs no node: the pings are read-only (BEP 43), so that no node adds this process to its table.

use crate::address;
use crate::id::{Id, NodeId};
use crate::limits::DATAGRAM_SIZE_MAX;
use crate::wire::Network;
use crate::wire::native::datagram::{Body, Cookie, Datagram, Kind, RpcId};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// A ping or its reply may be lost: nodes that have not answered are pinged again.
const RETRY_INTERVAL: Duration = Duration::from_millis(300);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// The source address of the ping, as the node saw it.
    pub(super) seen: SocketAddr,
    /// From the last ping to the answer.
    pub(super) time: Duration,
}

/// Pings each of `nodes` until it answers or `timeout` ends. Returns answers in the same order.
pub(super) fn ping(
    nodes: &[SocketAddr],
    network: Network,
    timeout: Duration,
) -> Vec<Option<Answer>> {
    let mut answers = vec![None; nodes.len()];
    let mut ids = [Id::default(), Id::default()];
    let is_random = ids.iter_mut().all(|id| getrandom::fill(&mut id.0).is_ok());
    let (Some(socket), true) = (socket(), is_random) else {
        return answers;
    };
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
    let ends_at = Instant::now() + timeout;
    while Instant::now() < ends_at && answers.contains(&None) {
        let size = ping.emit(network, &mut buffer);
        let sent_at = Instant::now();
        for (&node, _) in nodes
            .iter()
            .zip(&answers)
            .filter(|(_, answer)| answer.is_none())
        {
            // A node that cannot be reached does not answer, which is the finding.
            let _ = socket.send_to(&buffer[..size], for_socket(&socket, node));
        }
        let retry_at = ends_at.min(sent_at + RETRY_INTERVAL);
        while answers.contains(&None) {
            let left = retry_at.saturating_duration_since(Instant::now());
            if left.is_zero() || socket.set_read_timeout(Some(left)).is_err() {
                break;
            }
            // An error says that the port of one node is closed: the others may still answer.
            let Ok((size, from)) = socket.recv_from(&mut buffer) else {
                continue;
            };
            let from = address::canonical(from);
            let index = nodes.iter().position(|&node| node == from);
            let reply = Datagram::parse(&buffer[..size], network).ok();
            let reply = reply.filter(|reply| reply.rpc_id == ping.rpc_id);
            if let (Some(index), Some(seen)) = (index, reply.and_then(|reply| reply.body.seen())) {
                answers[index].get_or_insert(Answer {
                    seen: seen.address,
                    time: sent_at.elapsed(),
                });
            }
        }
    }
    answers
}

/// A socket that reaches both families, or IPv4 on a machine without IPv6.
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
    fn only_a_node_that_replies_to_this_request_is_an_answer() {
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
