//! Bounds on the datagrams and records that strangers can cause (rule 16, and no amplification).

use super::alone::*;
use super::*;
use crate::limits::{OUTBOX_MAX, RPCS_MAX};
use crate::wire::Network;
use crate::wire::native::datagram::{Body, Cookie, ErrorCode, Token};

#[test]
fn no_reply_to_an_unproved_address_is_longer_than_its_request() {
    let mut alone = Alone::with(Params {
        unproved_source: unlimited(),
        ..Params::default()
    });
    (1..40).for_each(|n| alone.befriend(peer(n)));
    let sizes = (0..DATAGRAM_SIZE_MAX).step_by(7);
    for (number, size) in sizes.enumerate() {
        let stranger = peer(1_000 + number as u64);
        let cookie = Cookie(number as u64);
        let (target, padding, token) = (file(0).0, 0, Token(5));
        let requests = [
            Body::Ping { cookie, padding },
            Body::FindNode {
                target,
                cookie,
                padding,
            },
            Body::FindValue {
                file: file(0),
                cookie,
                padding,
            },
            Body::Store {
                file: file(0),
                token,
                port: 1,
                ttl: 9,
                padding,
            },
        ];
        for request in requests
            .into_iter()
            .filter(|request| request.size() <= size)
        {
            let request = request.padded_to(size);
            let (kind, size) = (request.kind(), request.size());
            let sent = alone.say(stranger, request);
            let bytes: usize = sent.iter().map(|(_, datagram)| datagram.size()).sum();
            assert!(bytes <= size, "{kind:?} of {size} bytes brought {bytes}");
            assert!(sent.iter().all(|(to, _)| *to == stranger.address));
        }
    }
    assert!(alone.kad.counters().too_short > 0);
}

#[test]
fn an_echoed_cookie_proves_the_address_and_brings_the_whole_reply() {
    let mut alone = Alone::new();
    (1..4).for_each(|n| alone.befriend(peer(n)));
    let short = |cookie| Body::FindNode {
        target: file(0).0,
        cookie,
        padding: 0,
    };
    let is_unproved = |body: &Body| {
        let code = ErrorCode::Unproved;
        matches!(body, Body::Error { code: of, .. } if *of == code)
    };
    // A node that echoes a cookie that is none of ours gets the right one, and nothing else.
    let sent = alone.say(peer(50), short(Cookie(1)));
    assert!(sent.len() == 1 && is_unproved(&sent[0].1.body));
    let cookie = sent[0].1.body.seen().unwrap().cookie;
    let thief = Contact {
        address: address_of(66),
        ..peer(50)
    };
    let sent = alone.say(thief, short(cookie));
    assert!(
        sent.iter().all(|(_, datagram)| is_unproved(&datagram.body)),
        "it proves one address only"
    );
    let sent = alone.say(peer(50), short(cookie));
    let Body::FindNodeReply { contacts, .. } = &sent[0].1.body else {
        panic!()
    };
    assert_eq!(contacts.len(), 3);
}

#[test]
fn rule_16_an_unproved_source_is_served_ten_times_a_second() {
    let mut alone = Alone::new();
    for _ in 0..1_000 {
        alone.now += Duration::from_millis(10);
        alone.say(peer(1), find_value(file(1)));
    }
    let counters = alone.kad.counters();
    let heard = counters.requests - counters.over_budget;
    assert!((100..=125).contains(&heard), "{heard} in ten seconds");
}

#[test]
fn rule_16_a_proved_source_over_its_budget_gets_an_error() {
    let one = crate::limits::Allowance {
        per_second: 1,
        burst: 1,
    };
    let mut alone = Alone::with(Params {
        proved_source: one,
        ..Params::default()
    });
    alone.befriend(peer(1));
    let sent = alone.say(peer(1), find_node(file(1).0));
    assert!(matches!(sent[0].1.body, Body::FindNodeReply { .. }));
    let sent = alone.say(peer(1), find_node(file(1).0));
    assert!(matches!(
        sent[0].1.body,
        Body::Error {
            code: ErrorCode::Busy,
            ..
        }
    ));
}

#[test]
fn rule_16_lookups_and_requests_in_flight_are_bounded_and_every_lookup_ends() {
    let mut alone = Alone::with(Params {
        unproved_source: unlimited(),
        ..Params::default()
    });
    (1..45).for_each(|n| alone.befriend(peer(n)));
    let now = alone.now;
    let accepted = (0..200)
        .filter(|&n| alone.kad.find_providers(now, file(n)))
        .count();
    assert_eq!(
        accepted,
        crate::limits::LOOKUPS_MAX + crate::limits::LOOKUPS_WAITING_MAX
    );
    assert_eq!(alone.kad.lookups.running.len(), crate::limits::LOOKUPS_MAX);
    let in_flight = alone.kad.client.rpcs.count(|_| true);
    assert!(in_flight <= RPCS_MAX, "{in_flight}");
    alone.sent();
    alone.pass(secs(600));
    let ended = std::iter::from_fn(|| alone.kad.poll_event())
        .filter(|e| {
            matches!(
                e,
                Event::LookupDone {
                    purpose: Purpose::FindValue,
                    ..
                }
            )
        })
        .count();
    assert_eq!(ended, accepted);
    assert!(alone.kad.lookups.running.is_empty() && alone.kad.client.rpcs.count(|_| true) <= 16);
}

#[test]
fn rule_16_a_node_that_names_victims_makes_us_ask_each_once_a_minute() {
    let mut alone = Alone::new();
    alone.befriend(peer(1));
    let mut asked: BTreeMap<SocketAddr, usize> = BTreeMap::new();
    for number in 0..60 {
        let now = alone.now;
        alone.kad.find_node(now, file(number).0);
        let mut queue = alone.sent();
        queue.extend(alone.pass(secs(2)));
        while let Some((to, request)) = queue.pop() {
            *asked.entry(to).or_default() += 1;
            if to == peer(1).address && matches!(request.body, Body::FindNode { .. }) {
                let contacts = (100..120).map(peer).collect();
                let body = Body::FindNodeReply {
                    seen: seen(),
                    token: Token(1),
                    contacts,
                };
                queue.extend(alone.deliver(peer(1), request.rpc_id, body));
            }
        }
    }
    let victims: Vec<usize> = (100..120).map(|n| asked[&peer(n).address]).collect();
    assert!(
        victims.iter().all(|count| (1..=3).contains(count)),
        "{victims:?} in two minutes"
    );
}

#[test]
fn an_outbox_that_is_not_drained_does_not_grow() {
    let mut alone = Alone::with(Params {
        unproved_source: unlimited(),
        ..Params::default()
    });
    let mut buffer = [0; DATAGRAM_SIZE_MAX];
    for number in 0..2_000 {
        let (rpc_id, body) = (RpcId([1; 20]), find_node(file(1).0));
        let datagram = Datagram {
            read_only: false,
            rpc_id,
            sender: peer(number).id,
            body,
        };
        let size = datagram.emit(network(), &mut buffer);
        let now = Instant::from_micros(number * 10_000);
        alone
            .kad
            .handle_datagram(now, peer(number).address, &buffer[..size]);
    }
    assert_eq!(alone.kad.outbox.len(), OUTBOX_MAX);
    assert!(alone.kad.counters().dropped > 0);
}

#[test]
fn damaged_and_foreign_datagrams_and_our_own_id_are_counted_and_change_nothing() {
    let mut alone = Alone::new();
    let mut buffer = [0; DATAGRAM_SIZE_MAX];
    let (rpc_id, body) = (RpcId([1; 20]), find_node(file(1).0));
    let datagram = Datagram {
        read_only: false,
        rpc_id,
        sender: peer(1).id,
        body,
    };
    let size = datagram.emit(Network::named("another"), &mut buffer);
    alone
        .kad
        .handle_datagram(Instant::ZERO, peer(1).address, &buffer[..size]);
    alone
        .kad
        .handle_datagram(Instant::ZERO, peer(1).address, &[]);
    let ours = Datagram {
        sender: alone.kad.id(),
        ..datagram
    };
    assert_eq!(alone.deliver_datagram(peer(1).address, &ours).len(), 0);
    assert_eq!(
        (alone.kad.counters().damaged, alone.kad.counters().from_self),
        (2, 1)
    );
}
