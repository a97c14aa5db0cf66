//! Pings: an answered one proves that a node has taken everything that reached it before.

use super::DEADLINE;
use sprat::id::{Id, NodeId};
use sprat::limits::DATAGRAM_SIZE_MAX;
use sprat::wire::Network;
use sprat::wire::native::datagram::{Body, Cookie, Datagram, Kind, RpcId};
use std::net::UdpSocket;
use std::time::{Duration, Instant};

/// A ping of a node that has no address, so that the receiver does not look for it.
pub fn ping(network: Network) -> Vec<u8> {
    let body = Body::Ping {
        cookie: Cookie::NONE,
        padding: 0,
    };
    let datagram = Datagram {
        read_only: true,
        rpc_id: RpcId([7; 20]),
        sender: NodeId(Id([9; 20])),
        body: body.padded_to(Kind::Ping.reply_size_max().unwrap()),
    };
    let mut bytes = vec![0; DATAGRAM_SIZE_MAX];
    let size = datagram.emit(network, &mut bytes);
    bytes.truncate(size);
    bytes
}

/// Pings the node at `address` until it answers: it drops a ping that is one too many.
pub fn await_answer(address: &str, network: Network) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let wait = Some(Duration::from_millis(200));
    socket.set_read_timeout(wait).unwrap();
    let (ping, deadline) = (ping(network), Instant::now() + DEADLINE);
    let mut buffer = [0; DATAGRAM_SIZE_MAX];
    loop {
        socket.send_to(&ping, address).unwrap();
        if socket.recv(&mut buffer).is_ok() {
            return;
        }
        assert!(Instant::now() < deadline, "{address} answers no ping");
    }
}
