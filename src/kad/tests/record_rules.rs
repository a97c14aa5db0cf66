//! Stores, replication and caching of records (rules 10, 13 and 14).

use super::alone::*;
use super::*;
use crate::wire::native::datagram::{Body, Cookie, HandedProvider, Seen, Status, Token};
use arrayvec::ArrayVec;

/// The store of a provider at the usual port.
fn store(file: FileId, token: Token, ttl: u32) -> Body {
    let (port, padding) = (4160, 0);
    Body::Store {
        file,
        token,
        port,
        ttl,
        padding,
    }
}

#[test]
fn a_store_needs_a_token_of_its_own_address_and_key() {
    let mut alone = Alone::new();
    let token = alone.token_for(peer(1), file(1));
    let store = |file, token, ttl| Body::Store {
        file,
        token,
        port: 4161,
        ttl,
        padding: 0,
    };
    let status = |sent: Vec<(SocketAddr, Datagram)>| match sent[0].1.body {
        Body::StoreReply { status, .. } => status,
        _ => panic!(),
    };
    assert_eq!(
        status(alone.say(peer(2), store(file(1), token, 60))),
        Status::BadToken
    );
    assert_eq!(
        status(alone.say(peer(1), store(file(2), token, 60))),
        Status::BadToken
    );
    assert_eq!(
        status(alone.say(peer(1), store(file(1), token, 60))),
        Status::Stored
    );
    let location = SocketAddr::new(peer(1).address.ip(), 4161);
    assert_eq!(
        alone.holds(file(1)),
        [location],
        "the source's IP and the stated port"
    );
    assert_eq!(
        status(alone.say(peer(1), store(file(1), token, 0))),
        Status::Stored
    );
    assert_eq!(alone.holds(file(1)), []);
    alone.now += secs(601);
    assert_eq!(
        status(alone.say(peer(1), store(file(1), token, 60))),
        Status::BadToken
    );
}

#[test]
fn rule_14_a_record_lives_no_longer_than_we_allow() {
    let mut alone = Alone::new();
    let token = alone.token_for(peer(1), file(1));
    alone.say(
        peer(1),
        Body::Store {
            file: file(1),
            token,
            port: 1,
            ttl: u32::MAX,
            padding: 0,
        },
    );
    alone.pass(secs(7_199));
    assert_eq!(alone.holds(file(1)).len(), 1);
    alone.pass(secs(1));
    assert_eq!(alone.holds(file(1)).len(), 0);
}

#[test]
fn rule_14_a_third_nodes_word_is_stored_only_when_the_provider_confirms_it() {
    let mut alone = Alone::new();
    let token = alone.token_for(peer(1), file(1));
    let claims = [peer(20), peer(21)].map(|provider| HandedProvider {
        location: provider.address,
        ttl: 600,
    });
    let providers = ArrayVec::from_iter(claims);
    let sent = alone.say(
        peer(1),
        Body::Replicate {
            file: file(1),
            token,
            providers,
            padding: 0,
        },
    );
    let asked: Vec<_> = sent
        .iter()
        .filter(|(_, d)| matches!(d.body, Body::FindValue { .. }))
        .collect();
    assert_eq!(asked.len(), 2);
    assert_eq!(alone.holds(file(1)), []);
    for (provides, (to, request)) in [(true, asked[0]), (false, asked[1])] {
        let (providers, contacts) = (ArrayVec::new(), ArrayVec::new());
        let body = Body::FindValueReply {
            seen: seen(),
            token: Token(1),
            provides,
            providers,
            contacts,
        };
        let provider = [peer(20), peer(21)]
            .into_iter()
            .find(|p| p.address == *to)
            .unwrap();
        alone.deliver(provider, request.rpc_id, body);
    }
    assert_eq!(alone.holds(file(1)), [asked[0].0]);
}

#[test]
fn rule_14_a_victim_named_as_provider_gets_one_datagram_a_minute() {
    let mut alone = Alone::new();
    let victim = address_of(88);
    let mut probes = 0;
    for number in 0..300 {
        let token = alone.token_for(peer(1), file(number));
        let providers = ArrayVec::from_iter([HandedProvider {
            location: victim,
            ttl: 600,
        }]);
        let body = Body::Replicate {
            file: file(number),
            token,
            providers,
            padding: 0,
        };
        let mut sent = alone.say(peer(1), body);
        sent.extend(alone.pass(secs(1)));
        probes += sent.iter().filter(|(to, _)| *to == victim).count();
    }
    assert!((1..=5).contains(&probes), "{probes} in five minutes");
}

#[test]
fn rule_10_the_closest_node_without_the_record_gets_it() {
    for (between, ttl) in [(0, 7_200), (1, 3_600), (3, 900)] {
        let mut alone = Alone::with(Params {
            k: 2,
            ..Params::default()
        });
        let wanted = file(1);
        let mut peers: Vec<Contact> = (1..8).map(peer).collect();
        peers.sort_by_key(|contact| contact.id.0.distance(&wanted.0));
        let now = alone.now;
        let mut lookup = Lookup::new(
            now,
            alone.kad.id(),
            (wanted.0, Purpose::FindValue),
            (7, 7, 1),
        );
        lookup.seed(&peers);
        while lookup.ask_next(|_| crate::dht::Permit::Now).is_some() {}
        for (rank, &contact) in peers.iter().enumerate() {
            // All but the one that is `between` nodes beyond the k closest have the record.
            let has_value = rank != 2 + between;
            let answer = crate::dht::Answer {
                contacts: &[],
                token: Token(4),
                has_value,
            };
            lookup.answered(contact, answer);
        }
        assert!(lookup.add_provider(address_of(30)));
        alone.kad.cache_providers(&lookup);
        alone.kad.advance(now);
        let sent = alone.sent();
        assert_eq!(sent[0].0, peers[2 + between].address);
        let Body::Replicate {
            token, providers, ..
        } = &sent[0].1.body
        else {
            panic!()
        };
        assert_eq!(*token, Token(4));
        assert_eq!(
            providers[..],
            [HandedProvider {
                location: address_of(30),
                ttl
            }]
        );
    }
}

/// Lets the node run its stores for the peer, and returns the requests after the token's.
fn run_stores(alone: &mut Alone, newcomer: Contact) -> Vec<Body> {
    let sent = alone.say(newcomer, find_node(newcomer.id.0));
    let is_ping = |(to, datagram): &&(SocketAddr, Datagram)| {
        *to == newcomer.address && matches!(datagram.body, Body::Ping { .. })
    };
    let (_, ping) = sent.iter().find(is_ping).unwrap();
    let seen = Seen {
        address: address_of(NODE),
        cookie: Cookie(7),
    };
    let mut queue = alone.deliver(newcomer, ping.rpc_id, Body::PingReply { seen });
    let mut requests = Vec::new();
    while let Some((to, request)) = queue.pop() {
        if let (true, Some(reply)) = (to == newcomer.address, reply_to(&request.body)) {
            queue.extend(alone.deliver(newcomer, request.rpc_id, reply));
            requests.push(request.body);
        }
    }
    requests
}

#[test]
fn rule_13_a_holder_hands_its_records_to_a_closer_newcomer() {
    let mut alone = Alone::new();
    let token = alone.token_for(peer(1), file(1));
    alone.say(peer(1), store(file(1), token, 600));
    alone.now += secs(100);
    let handed = run_stores(&mut alone, peer(2))
        .into_iter()
        .find_map(|body| match body {
            Body::Replicate {
                file,
                token,
                providers,
                ..
            } => Some((file, token, providers)),
            _ => None,
        });
    let (key, token, providers) = handed.unwrap();
    assert_eq!(
        (key, token),
        (file(1), Token(9)),
        "with the token that the newcomer gave"
    );
    assert_eq!(
        providers[..],
        [HandedProvider {
            location: peer(1).address,
            ttl: 500
        }]
    );
}

#[test]
fn rule_13_a_holder_with_a_contact_nearer_to_the_key_leaves_the_hand_over_to_it() {
    let mut alone = Alone::new();
    let token = alone.token_for(peer(1), file(1));
    alone.say(peer(1), store(file(1), token, 600));
    let nearer = Contact {
        id: NodeId(file(1).0.with_bit(159, true)),
        address: address_of(70),
    };
    alone.befriend(nearer);
    let requests = run_stores(&mut alone, peer(2));
    assert!(
        !requests
            .iter()
            .any(|body| matches!(body, Body::Replicate { .. }))
    );
}

#[test]
fn rule_13_a_provider_announces_to_a_newcomer_near_its_file() {
    let mut alone = Alone::new();
    let now = alone.now;
    alone.kad.provide(now, file(1));
    for number in [1, 2] {
        let requests = run_stores(&mut alone, peer(number));
        let stored = requests.iter().find_map(|body| match *body {
            Body::Store {
                file, port, ttl, ..
            } => Some((file, port, ttl)),
            _ => None,
        });
        assert_eq!(stored, Some((file(1), 4160, 7_200)), "peer {number}");
    }
}

/// Whether it is the first request of a store of the file.
fn asks_for_token(body: &Body) -> bool {
    matches!(*body, Body::FindNode { target, .. } if target == file(1).0)
}

#[test]
fn rule_13_holders_replicate_hourly_unless_the_record_was_stored_meanwhile() {
    let mut alone = Alone::new();
    alone.befriend(peer(2));
    let store = |alone: &mut Alone| {
        let token = alone.token_for(peer(1), file(1));
        alone.say(
            peer(1),
            Body::Store {
                file: file(1),
                token,
                port: 1,
                ttl: 7_200,
                padding: 0,
            },
        );
    };
    let run = |alone: &mut Alone, time: u64| {
        let mut count = 0;
        for _ in 0..time {
            let sent = alone.pass(secs(1));
            count += sent
                .iter()
                .filter(|(_, datagram)| asks_for_token(&datagram.body))
                .count();
            alone.answer_all(peer(2), &sent);
        }
        count
    };
    store(&mut alone);
    run(&mut alone, 3_000);
    store(&mut alone);
    assert_eq!(run(&mut alone, 3_000), 0, "the provider has done it");
    assert_eq!(run(&mut alone, 1_200), 1);
}

#[test]
fn rule_10_a_lookup_that_ends_with_providers_hands_them_on() {
    let mut alone = Alone::new();
    (1..4).for_each(|n| alone.befriend(peer(n)));
    let now = alone.now;
    alone.kad.find_providers(now, file(1));
    let mut queue = alone.sent();
    let mut receivers = Vec::new();
    while let Some((to, request)) = queue.pop() {
        let asked = (1..4).map(peer).find(|peer| peer.address == to);
        let Some(asked) = asked else { continue };
        let mut reply = reply_to(&request.body).unwrap();
        if let Body::FindValueReply { providers, .. } = &mut reply {
            // One of the three does not know it.
            providers.extend((asked != peer(2)).then(|| address_of(30)));
        }
        if let Body::Replicate { .. } = request.body {
            receivers.push(asked);
        }
        queue.extend(alone.deliver(asked, request.rpc_id, reply));
    }
    assert_eq!(receivers, [peer(2)]);
}

#[test]
fn rule_13_a_provider_whose_holders_are_gone_announces_anew_long_before_the_hour() {
    let mut alone = Alone::new();
    (1..=8).for_each(|number| alone.befriend(peer(number)));
    let now = alone.now;
    alone.kad.provide(now, file(1));
    // All answer for five minutes, then half of them are silent.
    let asked = alone.live(8, 900, |number, second| second < 300 || number > 4);
    let is_store = |body: &Body| matches!(body, Body::Store { .. });
    let stores: Vec<u64> = asked
        .iter()
        .filter(|(_, _, body)| is_store(body))
        .map(|(second, ..)| *second)
        .collect();
    let between = |from, to| stores.iter().filter(move |at| (from..to).contains(*at));
    assert_eq!(between(0, 60).count(), 8);
    assert_eq!(between(60, 300).count(), 0, "while all of them live");
    assert!(between(300, 900).count() >= 4, "{stores:?}");
}

#[test]
fn rule_13_a_contact_that_was_silent_to_an_announcement_gets_it_when_it_answers_again() {
    let mut alone = Alone::new();
    (1..=8).for_each(|number| alone.befriend(peer(number)));
    let now = alone.now;
    alone.kad.provide(now, file(1));
    let asked = alone.live(8, 900, |number, second| number != 8 || second >= 60);
    let mut receivers = asked
        .iter()
        .filter(|(_, to, body)| *to == peer(8).address && matches!(body, Body::Store { .. }));
    assert!(receivers.next().is_some_and(|(second, ..)| *second >= 60));
}
