//! A network with a key: strangers get no answer, and a recorded request has no effect.

use super::alone::*;
use super::*;
use crate::limits::PROVIDERS_PER_REPLY_MAX;
use crate::wire::native::datagram::{
    Body, Cookie, ERROR_SIZE, ErrorCode, HandedProvider, Status, Token,
};
use crate::wire::network::TAG_SIZE;
use crate::wire::{Discovery, Key};
use arrayvec::ArrayVec;

fn keyed() -> Network {
    Network::with_key("test", Key::new([5; 16]))
}

/// One of every kind of request, without proof.
fn requests() -> [Body; 5] {
    let handed = HandedProvider {
        location: address_of(9),
        ttl: 60,
    };
    [
        Body::Ping {
            cookie: Cookie::NONE,
            padding: 100,
        },
        find_node(peer(3).id.0),
        Body::FindValue {
            file: file(1),
            cookie: Cookie::NONE,
            padding: 1_000,
        },
        store(Token(9), 60),
        replicate(Token(9), &[handed]),
    ]
}

fn store(token: Token, ttl: u32) -> Body {
    Body::Store {
        file: file(1),
        token,
        port: 4160,
        ttl,
        padding: 0,
    }
}

fn replicate(token: Token, providers: &[HandedProvider]) -> Body {
    Body::Replicate {
        file: file(1),
        token,
        providers: providers.iter().copied().collect(),
        padding: 0,
    }
}

impl Alone {
    fn keyed() -> Alone {
        Alone::of(keyed(), Params::default())
    }

    fn fresh(&mut self) -> RpcId {
        let mut rpc_id = RpcId::default();
        self.rpc_ids.fill(&mut rpc_id.0);
        rpc_id
    }

    /// The cookie that the node gives to a peer's address.
    fn cookie_for(&mut self, peer: Contact) -> Cookie {
        let sent = self.say(peer, find_node(peer.id.0));
        sent[0].1.body.seen().unwrap().cookie
    }

    /// The peer asks with a cookie, is pinged back, and answers: it is in the table.
    fn befriend_with_cookie(&mut self, peer: Contact) {
        let cookie = self.cookie_for(peer);
        let (target, padding) = (peer.id.0, 0);
        let find = Body::FindNode {
            target,
            cookie,
            padding,
        };
        let sent = self.say(peer, find);
        self.answer_all(peer, &sent);
        assert!(self.kad.table().holds(peer));
    }

    /// The token that the node gives to a peer that has proved its address.
    fn proved_token_for(&mut self, peer: Contact) -> Token {
        let cookie = self.cookie_for(peer);
        let (target, padding) = (file(1).0, 0);
        let sent = self.say(
            peer,
            Body::FindNode {
                target,
                cookie,
                padding,
            },
        );
        let tokens = sent.iter().find_map(|(_, datagram)| match datagram.body {
            Body::FindNodeReply { token, .. } => Some(token),
            _ => None,
        });
        tokens.unwrap()
    }

    fn store_under(&mut self, rpc_id: RpcId, token: Token, ttl: u32) -> Status {
        let sent = self.deliver(peer(1), rpc_id, store(token, ttl));
        match sent[0].1.body {
            Body::StoreReply { status, .. } => status,
            ref other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_stranger_gets_no_answer_to_any_datagram() {
    let mut alone = Alone::keyed();
    alone.kad.discover(alone.now);
    alone.sent();
    let other_key = Network::with_key("test", Key::new([6; 16]));
    let mut said = 0;
    for network in [network(), other_key, Network::named("sprat")] {
        for body in requests() {
            let datagram = Datagram {
                read_only: false,
                rpc_id: alone.fresh(),
                sender: peer(1).id,
                body,
            };
            let mut buffer = [0xa5; DATAGRAM_SIZE_MAX + TAG_SIZE];
            let size = datagram.emit(network, &mut buffer);
            // With the bytes of a member's tag, and without; the CRC is right, or not.
            for more in [0, TAG_SIZE] {
                alone
                    .kad
                    .handle_datagram(alone.now, peer(1).address, &buffer[..size + more]);
                assert!(alone.sent().is_empty(), "{datagram:?}");
                said += 1;
            }
        }
        let call = Discovery {
            kind: crate::wire::native::discovery::Kind::Query,
            sender: peer(1).id,
            port: 4160,
            nonce: 7,
        };
        let mut buffer = [0xa5; 64];
        let size = call.emit(network, &mut buffer);
        alone
            .kad
            .handle_discovery(alone.now, peer(1).address, &buffer[..size]);
        assert!(alone.sent().is_empty());
        said += 1;
    }
    assert_eq!(alone.kad.counters().damaged, said);
}

#[test]
fn a_tag_is_checked_even_where_the_crc_is_right() {
    let mut alone = Alone::keyed();
    let datagram = Datagram {
        read_only: false,
        rpc_id: alone.fresh(),
        sender: peer(1).id,
        body: find_node(peer(3).id.0),
    };
    let mut buffer = [0xa5; DATAGRAM_SIZE_MAX];
    let size = datagram.emit(keyed(), &mut buffer);
    for at in size - TAG_SIZE..size {
        let mut forged = buffer;
        forged[at] ^= 1;
        alone
            .kad
            .handle_datagram(alone.now, peer(1).address, &forged[..size]);
        assert!(alone.sent().is_empty());
    }
    alone
        .kad
        .handle_datagram(alone.now, peer(1).address, &buffer[..size]);
    assert_eq!(alone.sent().len(), 1);
}

#[test]
fn a_request_without_proof_gets_a_cookie_and_no_more() {
    let mut alone = Alone::keyed();
    alone.befriend_with_cookie(peer(2));
    for body in requests() {
        let size = body.size();
        let sent = alone.say(peer(1), body.clone());
        let [(to, reply)] = &sent[..] else {
            panic!("{body:?} is answered by {sent:?}");
        };
        assert_eq!(*to, peer(1).address);
        assert!(reply.size() <= size && reply.size() <= ERROR_SIZE);
        let is_refusal = matches!(
            reply.body,
            Body::Error {
                code: ErrorCode::Unproved,
                ..
            } | Body::StoreReply {
                status: Status::BadToken,
                ..
            } | Body::ReplicateReply {
                status: Status::BadToken,
                ..
            }
        );
        assert!(is_refusal, "{:?}", reply.body);
        assert!(
            alone
                .pass(secs(10))
                .iter()
                .all(|(to, _)| *to != peer(1).address)
        );
        assert!(alone.holds(file(1)).is_empty());
    }
}

#[test]
fn a_request_that_proves_itself_is_answered_and_its_sender_asked() {
    let mut alone = Alone::keyed();
    alone.befriend_with_cookie(peer(1));
    let cookie = alone.cookie_for(peer(1));
    let (target, padding) = (peer(3).id.0, 0);
    let find = Body::FindNode {
        target,
        cookie,
        padding,
    };
    let sent = alone.say(peer(1), find.clone());
    assert!(matches!(sent[0].1.body, Body::FindNodeReply { .. }));
    // The same from another address may have been recorded, though its sender is a contact.
    let sent = alone.deliver(
        Contact {
            address: address_of(9),
            ..peer(1)
        },
        RpcId::default(),
        find,
    );
    assert!(matches!(
        sent[..],
        [(
            _,
            Datagram {
                body: Body::Error { .. },
                ..
            }
        )]
    ));
}

#[test]
fn a_recorded_store_has_no_effect() {
    let mut alone = Alone::keyed();
    let token = alone.proved_token_for(peer(1));
    let ids = [alone.fresh(), alone.fresh()];
    assert_eq!(alone.store_under(ids[0], token, 600), Status::Stored);
    // Its reply was lost, and it comes again.
    assert_eq!(alone.store_under(ids[0], token, 600), Status::Stored);
    assert_eq!(alone.holds(file(1)), [peer(1).address]);
    assert_eq!(alone.store_under(ids[1], token, 0), Status::Stored);
    assert!(alone.holds(file(1)).is_empty(), "withdrawn");
    for second in 0..1_300 {
        alone.store_under(ids[0], token, 600);
        assert!(alone.holds(file(1)).is_empty(), "after {second} s");
        alone.pass(secs(1));
    }
    let counters = alone.kad.counters();
    assert!(
        counters.replayed > 300 && counters.bad_tokens > 600,
        "{counters:?}"
    );
}

#[test]
fn a_recorded_store_from_another_port_causes_no_ping() {
    let mut alone = Alone::keyed();
    let token = alone.proved_token_for(peer(1));
    let rpc_id = alone.fresh();
    assert_eq!(alone.store_under(rpc_id, token, 600), Status::Stored);
    let mut elsewhere = peer(1);
    elsewhere.address.set_port(9);
    let store = store(token, 600);
    let size = store.size();
    let sent = alone.deliver(elsewhere, rpc_id, store);
    let [(to, reply)] = &sent[..] else {
        panic!("{sent:?}");
    };
    assert!(*to == elsewhere.address && reply.size() <= size);
    let sent = alone.pass(secs(60));
    assert!(sent.iter().all(|(to, _)| *to != elsewhere.address));
}

#[test]
fn a_recorded_replication_is_not_verified_again() {
    let mut alone = Alone::keyed();
    let token = alone.proved_token_for(peer(1));
    let handed = HandedProvider {
        location: address_of(9),
        ttl: 600,
    };
    let rpc_id = alone.fresh();
    let sent = alone.deliver(peer(1), rpc_id, replicate(token, &[handed]));
    assert!(sent.iter().any(|(to, _)| *to == handed.location));
    alone.pass(secs(200));
    for _ in 0..3 {
        let sent = alone.deliver(peer(1), rpc_id, replicate(token, &[handed]));
        assert!(sent.iter().all(|(to, _)| *to != handed.location));
        alone.pass(secs(30));
    }
}

#[test]
fn the_longest_reply_and_its_tag_fit_a_datagram() {
    let contacts: ArrayVec<Contact, { crate::limits::K }> =
        (1..=crate::limits::K as u64).map(peer).collect();
    let providers: ArrayVec<SocketAddr, PROVIDERS_PER_REPLY_MAX> =
        (1..=PROVIDERS_PER_REPLY_MAX).map(address_of).collect();
    let datagram = Datagram {
        read_only: false,
        rpc_id: RpcId::default(),
        sender: peer(1).id,
        body: Body::FindValueReply {
            seen: seen(),
            token: Token(9),
            provides: true,
            providers,
            contacts,
        },
    };
    let mut buffer = [0xa5; DATAGRAM_SIZE_MAX];
    let size = datagram.emit(keyed(), &mut buffer);
    assert_eq!(size, datagram.size() + TAG_SIZE);
    assert_eq!(Datagram::parse(&buffer[..size], keyed()), Ok(datagram));
}
