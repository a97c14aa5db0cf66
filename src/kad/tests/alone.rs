//! One node alone, which gets datagrams from the test, also such as a liar would send.

use super::*;
use crate::wire::Network;
use crate::wire::native::datagram::{Body, Cookie, Seen, Status, Token};
use arrayvec::ArrayVec;

/// The index of the address of the node under test.
pub const NODE: usize = 0;

/// A node alone, with the state of the test that talks to it.
pub struct Alone {
    pub kad: Kad,
    pub now: Instant,
    pub network: Network,
    pub rpc_ids: Rng,
}

pub fn peer(number: u64) -> Contact {
    let id = NodeId(Rng::from_number(500 + number).id());
    Contact {
        id,
        address: address_of(number as usize),
    }
}

pub fn network() -> Network {
    Network::named("test")
}

impl Alone {
    pub fn new() -> Alone {
        Alone::with(Params::default())
    }

    pub fn with(params: Params) -> Alone {
        Alone::of(network(), params)
    }

    pub fn of(network: Network, params: Params) -> Alone {
        let config = Config {
            network,
            ..config(Rng::from_number(400).id(), params)
        };
        Alone {
            kad: Kad::new(config, Rng::from_number(401), Instant::ZERO),
            now: Instant::ZERO,
            network,
            rpc_ids: Rng::from_number(402),
        }
    }

    pub fn deliver(
        &mut self,
        from: Contact,
        rpc_id: RpcId,
        body: Body,
    ) -> Vec<(SocketAddr, Datagram)> {
        let datagram = Datagram {
            read_only: false,
            rpc_id,
            sender: from.id,
            body,
        };
        self.deliver_datagram(from.address, &datagram)
    }

    pub fn deliver_datagram(
        &mut self,
        from: SocketAddr,
        datagram: &Datagram,
    ) -> Vec<(SocketAddr, Datagram)> {
        let mut buffer = [0xa5; DATAGRAM_SIZE_MAX];
        let size = datagram.emit(self.network, &mut buffer);
        self.kad.handle_datagram(self.now, from, &buffer[..size]);
        self.sent()
    }

    /// Sends a body to the node under a fresh id, and returns the datagrams that the node sends.
    pub fn say(&mut self, from: Contact, body: Body) -> Vec<(SocketAddr, Datagram)> {
        let mut rpc_id = RpcId::default();
        self.rpc_ids.fill(&mut rpc_id.0);
        self.deliver(from, rpc_id, body)
    }

    pub fn sent(&mut self) -> Vec<(SocketAddr, Datagram)> {
        let mut sent = Vec::new();
        let mut buffer = [0xa5; DATAGRAM_SIZE_MAX];
        while let Some((to, size)) = self.kad.poll_datagram(self.now, &mut buffer) {
            let datagram = Datagram::parse(&buffer[..size], self.network);
            sent.push((to, datagram.unwrap()));
        }
        sent
    }

    pub fn pass(&mut self, time: Duration) -> Vec<(SocketAddr, Datagram)> {
        let end = self.now + time;
        let mut sent = Vec::new();
        while let Some(at) = self.kad.poll_timeout().filter(|&at| at <= end) {
            self.now = self.now.max(at);
            self.kad.handle_timeout(self.now);
            sent.extend(self.sent());
        }
        self.now = end;
        sent
    }

    /// Lets time pass while the peers that are there (number, second) answer without contacts.
    /// Returns the requests of the node: second, receiver, body.
    pub fn live(
        &mut self,
        peers: u64,
        seconds: u64,
        is_there: impl Fn(u64, u64) -> bool,
    ) -> Vec<(u64, SocketAddr, Body)> {
        let mut asked = Vec::new();
        for second in 0..seconds {
            let mut sent = self.pass(Duration::from_secs(1));
            while let Some((to, request)) = sent.pop() {
                let number = (1..=peers).find(|&number| peer(number).address == to);
                let answering = number.filter(|&number| is_there(number, second));
                if let (Some(number), Some(reply)) = (answering, reply_to(&request.body)) {
                    sent.extend(self.deliver(peer(number), request.rpc_id, reply));
                }
                asked.push((second, to, request.body));
            }
        }
        asked
    }

    /// The peer asks, is pinged back, and answers: it is in the table.
    pub fn befriend(&mut self, peer: Contact) {
        let sent = self.say(peer, find_node(peer.id.0));
        let (_, ping) = sent
            .iter()
            .find(|(_, d)| matches!(d.body, Body::Ping { .. }))
            .unwrap();
        let more = self.deliver(peer, ping.rpc_id, Body::PingReply { seen: seen() });
        self.answer_all(peer, &more);
        assert!(self.kad.table().holds(peer));
    }

    /// Answers the requests that were sent to the peer, without contacts.
    pub fn answer_all(&mut self, peer: Contact, sent: &[(SocketAddr, Datagram)]) {
        for (to, request) in sent.iter().filter(|(to, _)| *to == peer.address) {
            assert_eq!(*to, peer.address);
            if let Some(body) = reply_to(&request.body) {
                let more = self.deliver(peer, request.rpc_id, body);
                self.answer_all(peer, &more);
            }
        }
    }

    pub fn token_for(&mut self, peer: Contact, file: FileId) -> Token {
        let sent = self.say(peer, find_node(file.0));
        let tokens = sent.iter().find_map(|(_, datagram)| match datagram.body {
            Body::FindNodeReply { token, .. } => Some(token),
            _ => None,
        });
        tokens.unwrap()
    }

    pub fn holds(&self, file: FileId) -> Vec<SocketAddr> {
        self.kad
            .records()
            .of(self.now, file)
            .map(|record| record.location)
            .collect()
    }
}

pub fn seen() -> Seen {
    Seen {
        address: address_of(NODE),
        cookie: Cookie(7),
    }
}

pub fn reply_to(request: &Body) -> Option<Body> {
    let (token, contacts) = (Token(9), ArrayVec::new());
    Some(match request {
        Body::Ping { .. } => Body::PingReply { seen: seen() },
        Body::FindNode { .. } => Body::FindNodeReply {
            seen: seen(),
            token,
            contacts,
        },
        Body::FindValue { .. } => {
            let (provides, providers) = (false, ArrayVec::new());
            Body::FindValueReply {
                seen: seen(),
                token,
                provides,
                providers,
                contacts,
            }
        }
        Body::Store { .. } => Body::StoreReply {
            seen: seen(),
            status: Status::Stored,
        },
        Body::Replicate { .. } => Body::ReplicateReply {
            seen: seen(),
            status: Status::Stored,
        },
        _ => return None,
    })
}

pub fn find_node(target: Id) -> Body {
    Body::FindNode {
        target,
        cookie: Cookie::NONE,
        padding: 0,
    }
    .padded_to(1_000)
}

pub fn find_value(file: FileId) -> Body {
    Body::FindValue {
        file,
        cookie: Cookie::NONE,
        padding: 0,
    }
    .padded_to(DATAGRAM_SIZE_MAX)
}

pub fn file(number: u64) -> FileId {
    FileId(Rng::from_number(900 + number).id())
}

pub fn pings(sent: &[(SocketAddr, Datagram)]) -> Vec<SocketAddr> {
    let pings = sent
        .iter()
        .filter(|(_, datagram)| matches!(datagram.body, Body::Ping { .. }));
    pings.map(|(to, _)| *to).collect()
}
