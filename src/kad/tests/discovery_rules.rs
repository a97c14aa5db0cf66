//! Local discovery: queries, responses, and the candidates that they make.

use super::alone::*;
use super::*;
use crate::limits::{DISCOVERY_ANSWERS, DISCOVERY_ANSWERS_EACH, DISCOVERY_PATIENCE};
use crate::wire::Discovery;
use crate::wire::native::datagram::{Body, Cookie};
use crate::wire::native::discovery::{DISCOVERY_SIZE, Kind};

fn discovery(from: Contact, kind: Kind, nonce: u64) -> Vec<u8> {
    let mut bytes = vec![0xa5; DISCOVERY_SIZE];
    let (sender, port) = (from.id, from.address.port());
    Discovery {
        kind,
        sender,
        port,
        nonce,
    }
    .emit(network(), &mut bytes);
    bytes
}

impl Alone {
    fn discovering() -> Alone {
        let mut alone = Alone::new();
        alone.kad.discover(alone.now);
        alone
    }

    /// The queries that are due.
    fn queries(&mut self) -> Vec<Discovery> {
        let mut buffer = [0xa5; DATAGRAM_SIZE_MAX];
        std::iter::from_fn(|| {
            self.kad
                .poll_discovery(&mut buffer)
                .map(|size| Discovery::parse(&buffer[..size], network()).unwrap())
        })
        .collect()
    }

    /// Hands a discovery message to the node, and returns those that it sends.
    fn hear(&mut self, from: Contact, kind: Kind, nonce: u64) -> Vec<(SocketAddr, Discovery)> {
        self.kad
            .handle_discovery(self.now, from.address, &discovery(from, kind, nonce));
        let mut answers = Vec::new();
        let mut buffer = [0xa5; DATAGRAM_SIZE_MAX];
        while let Some((to, size)) = self.kad.poll_datagram(self.now, &mut buffer) {
            answers.push((to, Discovery::parse(&buffer[..size], network()).unwrap()));
        }
        answers
    }
}

#[test]
fn a_query_is_answered_to_its_sender_alone_and_makes_no_candidate() {
    let mut alone = Alone::discovering();
    let answers = alone.hear(peer(1), Kind::Query, 77);
    let [(to, answer)] = answers[..] else {
        panic!("{answers:?}");
    };
    assert_eq!((to, answer.nonce), (peer(1).address, 77));
    assert_eq!(answer.sender, alone.kad.id());
    assert!(matches!(answer.kind, Kind::Response(cookie) if cookie != Cookie::NONE));
    assert!(pings(&alone.pass(secs(10))).is_empty());
}

#[test]
fn a_response_to_our_last_query_makes_a_candidate_that_is_pinged_with_its_cookie() {
    let mut alone = Alone::discovering();
    let query = alone.queries()[0];
    let kind = Kind::Response(Cookie(5));
    let bytes = discovery(peer(1), kind, query.nonce ^ 1);
    alone
        .kad
        .handle_discovery(alone.now, peer(1).address, &bytes);
    assert!(alone.sent().is_empty(), "recorded, or made up");
    let bytes = discovery(peer(1), kind, query.nonce);
    alone
        .kad
        .handle_discovery(alone.now, peer(1).address, &bytes);
    let sent = alone.sent();
    assert_eq!(pings(&sent), [peer(1).address]);
    assert!(matches!(
        sent[0].1.body,
        Body::Ping {
            cookie: Cookie(5),
            ..
        }
    ));
    assert_eq!(alone.kad.contact_count(), 0, "a response is unverified");
    alone.answer_all(peer(1), &sent);
    assert!(alone.kad.table().holds(peer(1)));
}

/// A saved contact was asked while it was down, and is up now.
#[test]
fn a_response_ends_an_earlier_silence() {
    let mut alone = Alone::discovering();
    alone.kad.insert_saved(alone.now, peer(1));
    assert_eq!(pings(&alone.sent()), [peer(1).address]);
    alone.pass(secs(7));
    let query = alone.queries().pop().unwrap();
    let bytes = discovery(peer(1), Kind::Response(Cookie(5)), query.nonce);
    alone
        .kad
        .handle_discovery(alone.now, peer(1).address, &bytes);
    assert_eq!(pings(&alone.sent()), [peer(1).address]);
}

#[test]
fn a_node_without_discovery_sends_neither_queries_nor_responses() {
    let mut alone = Alone::new();
    assert!(alone.queries().is_empty());
    assert!(alone.hear(peer(1), Kind::Query, 77).is_empty());
    assert!(alone.hear(peer(1), Kind::Response(Cookie(5)), 0).is_empty());
}

#[test]
fn discovery_of_ourselves_and_of_other_networks_are_not_answered() {
    let mut alone = Alone::discovering();
    let own = Contact {
        id: alone.kad.id(),
        ..peer(1)
    };
    assert!(alone.hear(own, Kind::Query, 77).is_empty());
    let mut bytes = discovery(peer(1), Kind::Query, 77);
    bytes[7] ^= 1;
    alone
        .kad
        .handle_discovery(alone.now, peer(1).address, &bytes);
    assert!(alone.sent().is_empty());
    assert_eq!(alone.kad.counters().damaged, 1);
}

#[test]
fn a_node_sends_four_queries_in_its_first_seconds_and_then_few() {
    let mut alone = Alone::discovering();
    let mut at = Vec::new();
    for tenth in 0..36_000 {
        let now = alone.now;
        at.extend(alone.queries().iter().map(|_| now));
        alone.pass(Duration::from_millis(100));
        assert!(tenth > 50 || at.len() <= 4);
    }
    assert!(
        at[3] < Instant::ZERO + Duration::from_millis(2_500),
        "{at:?}"
    );
    assert!(
        (9..=12).contains(&at.len()),
        "{} queries in an hour",
        at.len()
    );
}

#[test]
fn responses_are_bounded_for_each_sender_and_for_all() {
    let mut alone = Alone::discovering();
    let one = (0..100).map(|nonce| alone.hear(peer(1), Kind::Query, nonce).len());
    assert_eq!(one.sum::<usize>(), DISCOVERY_ANSWERS_EACH.burst as usize);
    let all = (2..200).map(|number| alone.hear(peer(number), Kind::Query, 1).len());
    let rest = DISCOVERY_ANSWERS.burst - DISCOVERY_ANSWERS_EACH.burst;
    assert_eq!(all.sum::<usize>(), rest as usize);
}

#[test]
fn a_lookup_without_contacts_waits_for_the_first_responses_and_no_longer() {
    let mut alone = Alone::new();
    assert!(!alone.kad.find_providers(alone.now, file(1)));
    alone.kad.discover(alone.now);
    assert!(alone.kad.find_providers(alone.now, file(1)));
    alone.pass(DISCOVERY_PATIENCE - Duration::from_millis(1));
    assert_eq!(alone.kad.poll_event(), None);
    alone.pass(Duration::from_millis(1));
    let Some(Event::LookupDone { outcome, .. }) = alone.kad.poll_event() else {
        panic!("the lookup has ended");
    };
    assert_eq!(outcome.answered, 0);
    assert!(!alone.kad.find_providers(alone.now, file(1)));
}

#[test]
fn link_local_addresses_are_named_on_their_link_only() {
    let mut alone = Alone::new();
    let local = |number: u64| Contact {
        address: SocketAddr::from(([0xfe80, 0, 0, 0, 0, 0, 0, number as u16], 4160)),
        ..peer(number)
    };
    alone.befriend(local(1));
    alone.befriend(peer(2));
    let mut named = |asker: Contact| {
        let sent = alone.say(asker, find_node(file(1).0));
        let contacts = sent
            .into_iter()
            .find_map(|(_, datagram)| match datagram.body {
                Body::FindNodeReply { contacts, .. } => Some(contacts.len()),
                _ => None,
            });
        contacts.unwrap()
    };
    assert_eq!(named(local(3)), 2);
    assert_eq!(named(peer(4)), 1);
}
