//! Which nodes become contacts, and which replies count (rules 3, 7, 9 and 15).

use super::alone::*;
use super::*;
use crate::dht::Outcome;
use crate::limits::{PROBE_PERIOD, RPC_TIMEOUT};
use crate::wire::native::datagram::{Body, Status, Token};
use arrayvec::ArrayVec;

#[test]
fn rule_03_only_a_node_that_answers_a_ping_enters_the_table() {
    let mut alone = Alone::new();
    let sent = alone.say(peer(1), find_node(peer(1).id.0));
    assert_eq!(pings(&sent), [peer(1).address]);
    assert_eq!(alone.kad.contact_count(), 0, "a request is unverified");
    alone.befriend(peer(2));
    assert_eq!(alone.kad.contact_count(), 1);
}

#[test]
fn a_ping_for_the_owner_ends_with_an_answer_or_with_silence_and_may_be_repeated() {
    let mut alone = Alone::new();
    let ended = |alone: &mut Alone| {
        let events = std::iter::from_fn(|| alone.kad.poll_event());
        let pinged = |event| match event {
            Event::Pinged { address, took } => Some((address, took)),
            _ => None,
        };
        events.filter_map(pinged).collect::<Vec<_>>()
    };
    let there = peer(1);
    assert!(alone.kad.ping(alone.now, there.address));
    let sent = alone.sent();
    assert_eq!(pings(&sent), [there.address]);
    alone.pass(Duration::from_millis(30));
    assert_eq!(ended(&mut alone), []);
    alone.answer_all(there, &sent);
    let took = Some(Duration::from_millis(30));
    assert_eq!(ended(&mut alone), [(there.address, took)]);
    assert!(alone.kad.table().holds(there), "it has answered us");

    let gone = peer(2);
    for _ in 0..2 {
        // Though it was silent within the minute: the owner wants to know.
        assert!(alone.kad.ping(alone.now, gone.address));
        assert_eq!(pings(&alone.sent()), [gone.address]);
        alone.pass(RPC_TIMEOUT + Duration::from_millis(1));
        assert_eq!(ended(&mut alone), [(gone.address, None)]);
    }
    let nowhere = ([224, 0, 0, 1], 4160).into();
    assert!(!alone.kad.ping(alone.now, nowhere));
}

#[test]
fn rule_03_contacts_named_by_others_are_asked_and_do_not_enter() {
    let mut alone = Alone::new();
    alone.befriend(peer(1));
    let now = alone.now;
    alone.kad.find_node(now, file(0).0);
    let sent = alone.sent();
    let contacts = ArrayVec::from_iter([peer(2), peer(3)]);
    let body = Body::FindNodeReply {
        seen: seen(),
        token: Token(1),
        contacts,
    };
    let asked = alone.deliver(peer(1), sent[0].1.rpc_id, body);
    assert_eq!(asked.len(), 2);
    assert_eq!(alone.kad.table().len(), 1);
}

#[test]
fn rule_03_a_read_only_node_is_answered_and_never_becomes_a_contact() {
    let mut alone = Alone::new();
    let datagram = Datagram {
        read_only: true,
        rpc_id: RpcId([3; 20]),
        sender: peer(1).id,
        body: find_node(file(0).0),
    };
    let sent = alone.deliver_datagram(peer(1).address, &datagram);
    assert!(matches!(
        sent[..],
        [(
            _,
            Datagram {
                body: Body::FindNodeReply { .. },
                ..
            }
        )]
    ));
}

#[test]
fn rule_07_a_claimed_id_does_not_move_a_member() {
    let mut alone = Alone::new();
    alone.befriend(peer(1));
    let thief = Contact {
        address: address_of(66),
        ..peer(1)
    };
    // Within a minute of the member's last message no node is asked.
    assert_eq!(pings(&alone.say(thief, find_node(file(0).0))), []);
    alone.now += PROBE_PERIOD;
    let sent = alone.say(thief, find_node(file(0).0));
    assert_eq!(
        pings(&sent),
        [peer(1).address],
        "the member is asked, not the thief"
    );
    alone.answer_all(peer(1), &sent);
    assert!(alone.kad.table().holds(peer(1)));
}

#[test]
fn rule_07_a_member_that_has_moved_is_followed_once_its_old_address_is_silent() {
    let mut alone = Alone::new();
    alone.befriend(peer(1));
    let moved = Contact {
        address: address_of(66),
        ..peer(1)
    };
    alone.now += PROBE_PERIOD;
    alone.say(moved, find_node(file(0).0));
    alone.pass(RPC_TIMEOUT);
    alone.befriend(moved);
}

#[test]
fn a_reply_counts_once_and_only_from_the_asked_address_and_of_the_asked_kind() {
    let mut alone = Alone::new();
    let now = alone.now;
    alone.kad.bootstrap(now, peer(1).address);
    let ping = alone.sent()[0].1.clone();
    let reply = Body::PingReply { seen: seen() };
    alone.deliver(
        Contact {
            address: address_of(66),
            ..peer(1)
        },
        ping.rpc_id,
        reply.clone(),
    );
    alone.deliver(peer(1), RpcId([1; 20]), reply.clone());
    let other = Body::StoreReply {
        seen: seen(),
        status: Status::Stored,
    };
    alone.deliver(peer(1), ping.rpc_id, other);
    assert_eq!(
        (alone.kad.counters().unexpected, alone.kad.contact_count()),
        (3, 0)
    );
    alone.deliver(peer(1), ping.rpc_id, reply.clone());
    assert_eq!(
        alone.kad.contact_count(),
        1,
        "the wrong ones have not used the request up"
    );
    alone.deliver(peer(1), ping.rpc_id, reply);
    assert_eq!(
        (
            alone.kad.counters().unexpected,
            alone.kad.counters().replies
        ),
        (4, 1)
    );
}

#[test]
fn a_reply_after_the_timeout_is_a_sign_of_life_and_no_more() {
    let mut alone = Alone::new();
    alone.kad.insert_saved(Instant::ZERO, peer(1));
    let ping = alone.sent()[0].1.clone();
    alone.pass(RPC_TIMEOUT * 2);
    assert_eq!(alone.kad.counters().timeouts, 1);
    let reply = Body::PingReply { seen: seen() };
    alone.deliver(peer(1), ping.rpc_id, reply.clone());
    assert_eq!(
        (alone.kad.counters().late_replies, alone.kad.contact_count()),
        (1, 1)
    );
    alone.deliver(peer(1), ping.rpc_id, reply);
    assert_eq!(
        (
            alone.kad.counters().late_replies,
            alone.kad.counters().unexpected
        ),
        (1, 1)
    );
}

#[test]
fn rule_09_find_replies_name_k_contacts_sorted_never_the_requester_never_us() {
    let mut alone = Alone::with(Params {
        unproved_source: unlimited(),
        ..Params::default()
    });
    (1..40).for_each(|n| alone.befriend(peer(n)));
    for number in 1..40 {
        let sent = alone.say(peer(number), find_node(file(number).0));
        let Body::FindNodeReply { contacts, .. } = &sent[0].1.body else {
            panic!()
        };
        let mut all: Vec<Contact> = (1..40).filter(|&n| n != number).map(peer).collect();
        all.sort_by_key(|contact| contact.id.0.distance(&file(number).0));
        assert_eq!(contacts[..], all[..20]);
    }
}

#[test]
fn rule_17_a_lookup_that_waits_for_saved_contacts_ends_when_all_of_them_are_silent() {
    let mut alone = Alone::new();
    let now = alone.now;
    assert!(
        !alone.kad.find_providers(now, file(1)),
        "there is no node to ask"
    );
    alone.kad.insert_saved(now, peer(1));
    assert!(alone.kad.find_providers(now, file(1)));
    alone.sent();
    alone.pass(RPC_TIMEOUT);
    let (target, purpose) = (file(1).0, Purpose::FindValue);
    let outcome = Outcome::default();
    let done = Event::LookupDone {
        target,
        purpose,
        outcome,
    };
    assert_eq!(alone.kad.poll_event(), Some(done));
}

#[test]
fn rule_15_saved_contacts_are_pinged_and_enter_when_they_answer() {
    let mut alone = Alone::new();
    let now = alone.now;
    (1..6).for_each(|n| alone.kad.insert_saved(now, peer(n)));
    let sent = alone.sent();
    assert_eq!(pings(&sent).len(), 5);
    assert_eq!(alone.kad.contact_count(), 0);
    alone.answer_all(peer(3), &sent);
    assert_eq!(alone.kad.contacts().collect::<Vec<_>>(), [peer(3)]);
}

#[test]
fn rule_15_the_dead_are_not_among_the_contacts_to_be_saved() {
    let mut alone = Alone::new();
    (1..3).for_each(|n| alone.befriend(peer(n)));
    for _ in 0..crate::limits::STALE_AFTER {
        alone.kad.table.failed(alone.now, peer(1));
    }
    assert_eq!(alone.kad.contacts().collect::<Vec<_>>(), [peer(2)]);
    assert_eq!(alone.kad.table().len(), 2, "though they are kept");
}

#[test]
fn our_own_address_is_the_one_that_most_repliers_say() {
    let mut alone = Alone::new();
    assert_eq!(alone.kad.seen_address(), None);
    (1..4).for_each(|n| alone.befriend(peer(n)));
    assert_eq!(alone.kad.seen_address(), Some(address_of(NODE)));
}

#[test]
fn a_node_that_answers_with_another_id_replaces_the_one_at_its_address() {
    let mut alone = Alone::new();
    alone.befriend(peer(1));
    let now = alone.now;
    alone.kad.find_node(now, file(1).0);
    let sent = alone.sent();
    let successor = Contact {
        id: peer(2).id,
        ..peer(1)
    };
    let reply = reply_to(&sent[0].1.body).unwrap();
    let more = alone.deliver(successor, sent[0].1.rpc_id, reply);
    alone.answer_all(successor, &more);
    assert!(alone.kad.table().holds(successor) && !alone.kad.table().holds(peer(1)));
}

#[test]
fn unknown_nodes_are_asked_short_and_again_with_their_cookie_unless_a_user_waits() {
    let mut alone = Alone::new();
    alone.befriend(peer(1));
    let ask_stranger = |alone: &mut Alone, target: Id| {
        let sent = alone.sent();
        let (_, request) = sent
            .iter()
            .find(|(_, d)| matches!(d.body, Body::FindNode { target: of, .. } if of == target))
            .unwrap();
        let body = Body::FindNodeReply {
            seen: seen(),
            token: Token(1),
            contacts: ArrayVec::from_iter([peer(2)]),
        };
        alone.deliver(peer(1), request.rpc_id, body)[0].1.clone()
    };
    // No user waits for our own id: 78 bytes, and the error that they cause brings a cookie.
    let (now, own) = (alone.now, alone.kad.id().0);
    alone.kad.look_up_self();
    alone.kad.advance(now);
    let short = ask_stranger(&mut alone, own);
    assert_eq!(short.size(), 78);
    let code = crate::wire::native::datagram::ErrorCode::Unproved;
    let error = Body::Error { seen: seen(), code };
    let again = alone.deliver(peer(2), short.rpc_id, error.clone());
    let Body::FindNode {
        cookie, padding, ..
    } = again[0].1.body
    else {
        panic!("{again:?}")
    };
    assert_eq!((cookie, padding), (seen().cookie, 0));
    let more = alone.deliver(peer(2), again[0].1.rpc_id, error);
    assert!(more.is_empty(), "it does not keep us busy: {more:?}");
    // A user waits: the whole exchange takes one round trip.
    let mut alone = Alone::new();
    alone.befriend(peer(1));
    alone.kad.find_node(now, file(0).0);
    let padded = ask_stranger(&mut alone, file(0).0);
    assert!(padded.size() > 900, "{} bytes", padded.size());
}
