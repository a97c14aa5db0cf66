//! Costs of writing and of reading one datagram, CRC included.

mod measure;

use measure::measure;
use sprat::address::Contact;
use sprat::id::{FileId, Id, NodeId};
use sprat::limits::{DATAGRAM_SIZE_MAX, K, PROVIDERS_PER_REPLY_MAX};
use sprat::wire::native::datagram::{ErrorCode, HandedProvider, Seen, Status};
use sprat::wire::{Body, Cookie, Datagram, Network, RpcId, Token};
use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// One datagram of each kind: requests padded for their reply, replies as full as they can be.
fn bodies() -> Vec<Body> {
    let location = |host: usize| SocketAddr::from((Ipv4Addr::new(192, 0, 2, host as u8), 4160));
    let contact = |host: usize| Contact {
        id: NodeId(Id([host as u8; 20])),
        address: location(host),
    };
    let handed = |host| HandedProvider {
        location: location(host),
        ttl: 7_200,
    };
    let seen = Seen {
        address: location(1),
        cookie: Cookie(1),
    };
    let (token, cookie, padding) = (Token(2), Cookie::NONE, 0);
    let (file, target) = (FileId(Id([7; 20])), Id([7; 20]));
    let requests = [
        Body::Ping { cookie, padding },
        Body::FindNode {
            target,
            cookie,
            padding,
        },
        Body::FindValue {
            file,
            cookie,
            padding,
        },
        Body::Store {
            file,
            token,
            port: 4160,
            ttl: 7_200,
            padding,
        },
        Body::Replicate {
            file,
            token,
            providers: (0..PROVIDERS_PER_REPLY_MAX).map(handed).collect(),
            padding,
        },
    ];
    let replies = [
        Body::PingReply { seen },
        Body::FindNodeReply {
            seen,
            token,
            contacts: (0..K).map(contact).collect(),
        },
        Body::FindValueReply {
            seen,
            token,
            provides: true,
            providers: (0..PROVIDERS_PER_REPLY_MAX).map(location).collect(),
            contacts: (0..K).map(contact).collect(),
        },
        Body::StoreReply {
            seen,
            status: Status::Stored,
        },
        Body::ReplicateReply {
            seen,
            status: Status::Stored,
        },
        Body::Error {
            seen,
            code: ErrorCode::Busy,
        },
    ];
    let padded = requests.into_iter().map(|request| {
        let total = request
            .kind()
            .reply_size_max()
            .expect("a request has a reply");
        request.padded_to(total)
    });
    padded.chain(replies).collect()
}

fn main() {
    let time = Duration::from_millis(400);
    let network = Network::named(Network::DEFAULT_NAME);
    for body in bodies() {
        let kind = body.kind();
        let (rpc_id, sender) = (RpcId([3; 20]), NodeId(Id([4; 20])));
        let datagram = Datagram {
            read_only: false,
            rpc_id,
            sender,
            body,
        };
        let mut buffer = [0; DATAGRAM_SIZE_MAX];
        let size = datagram.emit(network, &mut buffer);
        measure(&format!("parse {kind:?}"), time, || {
            Datagram::parse(black_box(&buffer[..size]), network)
        });
        measure(&format!("emit {kind:?}"), time, || {
            black_box(&datagram).emit(network, &mut buffer)
        });
    }
}
