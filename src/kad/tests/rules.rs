//! One node by the rules, spoken to datagram by datagram, also by nodes that lie.

use super::*;
use crate::limits::{OUTBOX_MAX, PROBE_PERIOD, RPC_TIMEOUT, RPCS_MAX};
use crate::wire::datagram::{
    Body, Cookie, ErrorCode, HandedProvider, PING_REPLY_SIZE, Seen, Status, Token,
};
use arrayvec::ArrayVec;

const NODE: usize = 0;

/// A node alone, and whatever the test says to it.
struct Bench {
    kad: Kad,
    now: Instant,
    rpc_ids: Rng,
}

fn peer(number: u64) -> Contact {
    let id = NodeId(Rng::from_number(500 + number).id());
    Contact {
        id,
        address: address_of(number as usize),
    }
}

fn network() -> Network {
    Network::named("test")
}

impl Bench {
    fn new() -> Bench {
        Bench::with(Params::default())
    }

    fn with(params: Params) -> Bench {
        let id = Rng::from_number(400).id();
        let kad = Kad::new(config(id, params), Rng::from_number(401), Instant::ZERO);
        Bench {
            kad,
            now: Instant::ZERO,
            rpc_ids: Rng::from_number(402),
        }
    }

    fn deliver(&mut self, from: Contact, rpc_id: RpcId, body: Body) -> Vec<(SocketAddr, Datagram)> {
        let datagram = Datagram {
            read_only: false,
            rpc_id,
            sender: from.id,
            body,
        };
        self.deliver_datagram(from.address, &datagram)
    }

    fn deliver_datagram(
        &mut self,
        from: SocketAddr,
        datagram: &Datagram,
    ) -> Vec<(SocketAddr, Datagram)> {
        let mut buffer = [0xa5; DATAGRAM_SIZE_MAX];
        let size = datagram.emit(network(), &mut buffer);
        self.kad.handle_datagram(self.now, from, &buffer[..size]);
        self.sent()
    }

    /// Says something to the node under a fresh id: what it sends.
    fn say(&mut self, from: Contact, body: Body) -> Vec<(SocketAddr, Datagram)> {
        let mut rpc_id = RpcId::default();
        self.rpc_ids.fill(&mut rpc_id.0);
        self.deliver(from, rpc_id, body)
    }

    fn sent(&mut self) -> Vec<(SocketAddr, Datagram)> {
        let mut sent = Vec::new();
        let mut buffer = [0xa5; DATAGRAM_SIZE_MAX];
        while let Some((to, size)) = self.kad.poll_datagram(self.now, &mut buffer) {
            sent.push((to, Datagram::parse(&buffer[..size], network()).unwrap()));
        }
        sent
    }

    fn pass(&mut self, time: Duration) -> Vec<(SocketAddr, Datagram)> {
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

    /// The peer asks, is pinged back, and answers: it is in the table.
    fn befriend(&mut self, peer: Contact) {
        let sent = self.say(peer, find_node(peer.id.0));
        let (_, ping) = sent
            .iter()
            .find(|(_, d)| matches!(d.body, Body::Ping { .. }))
            .unwrap();
        let more = self.deliver(peer, ping.rpc_id, Body::PingReply { seen: seen() });
        self.answer_all(peer, &more);
        assert!(self.kad.table().holds(peer));
    }

    /// Answers what was sent to the peer, naming nobody.
    fn answer_all(&mut self, peer: Contact, sent: &[(SocketAddr, Datagram)]) {
        for (to, request) in sent.iter().filter(|(to, _)| *to == peer.address) {
            assert_eq!(*to, peer.address);
            if let Some(body) = reply_to(&request.body) {
                let more = self.deliver(peer, request.rpc_id, body);
                self.answer_all(peer, &more);
            }
        }
    }

    fn token_for(&mut self, peer: Contact, file: FileId) -> Token {
        let sent = self.say(peer, find_node(file.0));
        let tokens = sent.iter().find_map(|(_, datagram)| match datagram.body {
            Body::FindNodeReply { token, .. } => Some(token),
            _ => None,
        });
        tokens.unwrap()
    }

    fn holds(&self, file: FileId) -> Vec<SocketAddr> {
        self.kad
            .records()
            .of(self.now, file)
            .map(|record| record.location)
            .collect()
    }
}

fn seen() -> Seen {
    Seen {
        address: address_of(NODE),
        cookie: Cookie(7),
    }
}

fn reply_to(request: &Body) -> Option<Body> {
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

fn find_node(target: Id) -> Body {
    Body::FindNode {
        target,
        cookie: Cookie::NONE,
        padding: 0,
    }
    .padded_to(1_000)
}

fn find_value(file: FileId) -> Body {
    Body::FindValue {
        file,
        cookie: Cookie::NONE,
        padding: 0,
    }
    .padded_to(DATAGRAM_SIZE_MAX)
}

fn file(number: u64) -> FileId {
    FileId(Rng::from_number(900 + number).id())
}

fn pings(sent: &[(SocketAddr, Datagram)]) -> Vec<SocketAddr> {
    let pings = sent
        .iter()
        .filter(|(_, datagram)| matches!(datagram.body, Body::Ping { .. }));
    pings.map(|(to, _)| *to).collect()
}

#[test]
fn rule_03_only_who_answers_a_ping_enters_the_table() {
    let mut bench = Bench::new();
    let sent = bench.say(peer(1), find_node(peer(1).id.0));
    assert_eq!(pings(&sent), [peer(1).address]);
    assert_eq!(bench.kad.contact_count(), 0, "a request is hearsay");
    bench.befriend(peer(2));
    assert_eq!(bench.kad.contact_count(), 1);
}

#[test]
fn rule_03_contacts_named_by_others_are_asked_and_do_not_enter() {
    let mut bench = Bench::new();
    bench.befriend(peer(1));
    let now = bench.now;
    bench.kad.find_node(now, file(0).0);
    let sent = bench.sent();
    let contacts = ArrayVec::from_iter([peer(2), peer(3)]);
    let body = Body::FindNodeReply {
        seen: seen(),
        token: Token(1),
        contacts,
    };
    let asked = bench.deliver(peer(1), sent[0].1.rpc_id, body);
    assert_eq!(asked.len(), 2);
    assert_eq!(bench.kad.table().len(), 1);
}

#[test]
fn rule_03_a_read_only_node_is_answered_and_never_becomes_a_contact() {
    let mut bench = Bench::new();
    let datagram = Datagram {
        read_only: true,
        rpc_id: RpcId([3; 20]),
        sender: peer(1).id,
        body: find_node(file(0).0),
    };
    let sent = bench.deliver_datagram(peer(1).address, &datagram);
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
    let mut bench = Bench::new();
    bench.befriend(peer(1));
    let thief = Contact {
        address: address_of(66),
        ..peer(1)
    };
    // Within a minute of the member's last message nothing is asked at all.
    assert_eq!(pings(&bench.say(thief, find_node(file(0).0))), []);
    bench.now += PROBE_PERIOD;
    let sent = bench.say(thief, find_node(file(0).0));
    assert_eq!(
        pings(&sent),
        [peer(1).address],
        "the member is asked, not the thief"
    );
    bench.answer_all(peer(1), &sent);
    assert!(bench.kad.table().holds(peer(1)));
}

#[test]
fn rule_07_a_member_that_has_moved_is_followed_once_its_old_address_is_silent() {
    let mut bench = Bench::new();
    bench.befriend(peer(1));
    let moved = Contact {
        address: address_of(66),
        ..peer(1)
    };
    bench.now += PROBE_PERIOD;
    bench.say(moved, find_node(file(0).0));
    bench.pass(RPC_TIMEOUT);
    bench.befriend(moved);
}

#[test]
fn a_reply_counts_once_and_only_from_whom_it_was_asked_and_as_asked() {
    let mut bench = Bench::new();
    let now = bench.now;
    bench.kad.bootstrap(now, peer(1).address);
    let ping = bench.sent()[0].1.clone();
    let reply = Body::PingReply { seen: seen() };
    bench.deliver(
        Contact {
            address: address_of(66),
            ..peer(1)
        },
        ping.rpc_id,
        reply.clone(),
    );
    bench.deliver(peer(1), RpcId([1; 20]), reply.clone());
    let other = Body::StoreReply {
        seen: seen(),
        status: Status::Stored,
    };
    bench.deliver(peer(1), ping.rpc_id, other);
    assert_eq!(
        (bench.kad.counters().unexpected, bench.kad.contact_count()),
        (3, 0)
    );
    bench.deliver(peer(1), ping.rpc_id, reply.clone());
    assert_eq!(
        bench.kad.contact_count(),
        1,
        "the wrong ones have not used the request up"
    );
    bench.deliver(peer(1), ping.rpc_id, reply);
    assert_eq!(
        (
            bench.kad.counters().unexpected,
            bench.kad.counters().replies
        ),
        (4, 1)
    );
}

#[test]
fn a_reply_after_the_timeout_is_a_sign_of_life_and_no_more() {
    let mut bench = Bench::new();
    bench.kad.insert_saved(Instant::ZERO, peer(1));
    let ping = bench.sent()[0].1.clone();
    bench.pass(RPC_TIMEOUT * 2);
    assert_eq!(bench.kad.counters().timeouts, 1);
    let reply = Body::PingReply { seen: seen() };
    bench.deliver(peer(1), ping.rpc_id, reply.clone());
    assert_eq!(
        (bench.kad.counters().late_replies, bench.kad.contact_count()),
        (1, 1)
    );
    bench.deliver(peer(1), ping.rpc_id, reply);
    assert_eq!(
        (
            bench.kad.counters().late_replies,
            bench.kad.counters().unexpected
        ),
        (1, 1)
    );
}

#[test]
fn rule_09_find_replies_name_k_contacts_sorted_never_the_asker_never_us() {
    let mut bench = Bench::with(Params {
        unproved_source: unlimited(),
        ..Params::default()
    });
    (1..40).for_each(|n| bench.befriend(peer(n)));
    for number in 1..40 {
        let sent = bench.say(peer(number), find_node(file(number).0));
        let Body::FindNodeReply { contacts, .. } = &sent[0].1.body else {
            panic!()
        };
        let mut all: Vec<Contact> = (1..40).filter(|&n| n != number).map(peer).collect();
        all.sort_by_key(|contact| contact.id.0.distance(&file(number).0));
        assert_eq!(contacts[..], all[..20]);
    }
}

#[test]
fn no_reply_to_an_unproved_address_is_longer_than_its_request() {
    let mut bench = Bench::with(Params {
        unproved_source: unlimited(),
        ..Params::default()
    });
    (1..40).for_each(|n| bench.befriend(peer(n)));
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
            let sent = bench.say(stranger, request);
            let bytes: usize = sent.iter().map(|(_, datagram)| datagram.size()).sum();
            assert!(bytes <= size, "{kind:?} of {size} bytes brought {bytes}");
            assert!(sent.iter().all(|(to, _)| *to == stranger.address));
        }
    }
    assert!(bench.kad.counters().too_short > 0);
}

#[test]
fn an_echoed_cookie_proves_the_address_and_brings_the_whole_reply() {
    let mut bench = Bench::new();
    (1..4).for_each(|n| bench.befriend(peer(n)));
    let short = |cookie| Body::FindNode {
        target: file(0).0,
        cookie,
        padding: 0,
    };
    assert_eq!(bench.say(peer(50), short(Cookie(1))).len(), 0);
    let ping = Body::Ping {
        cookie: Cookie::NONE,
        padding: 0,
    }
    .padded_to(PING_REPLY_SIZE);
    let sent = bench.say(peer(50), ping);
    let cookie = sent[0].1.body.seen().unwrap().cookie;
    let thief = Contact {
        address: address_of(66),
        ..peer(50)
    };
    assert_eq!(
        bench.say(thief, short(cookie)).len(),
        0,
        "it proves one address only"
    );
    let sent = bench.say(peer(50), short(cookie));
    let Body::FindNodeReply { contacts, .. } = &sent[0].1.body else {
        panic!()
    };
    assert_eq!(contacts.len(), 3);
}

#[test]
fn a_store_needs_a_token_of_its_own_address_and_key() {
    let mut bench = Bench::new();
    let token = bench.token_for(peer(1), file(1));
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
        status(bench.say(peer(2), store(file(1), token, 60))),
        Status::BadToken
    );
    assert_eq!(
        status(bench.say(peer(1), store(file(2), token, 60))),
        Status::BadToken
    );
    assert_eq!(
        status(bench.say(peer(1), store(file(1), token, 60))),
        Status::Stored
    );
    let location = SocketAddr::new(peer(1).address.ip(), 4161);
    assert_eq!(
        bench.holds(file(1)),
        [location],
        "the source's IP and the stated port"
    );
    assert_eq!(
        status(bench.say(peer(1), store(file(1), token, 0))),
        Status::Stored
    );
    assert_eq!(bench.holds(file(1)), []);
    bench.now += secs(601);
    assert_eq!(
        status(bench.say(peer(1), store(file(1), token, 60))),
        Status::BadToken
    );
}

#[test]
fn rule_14_a_record_lives_no_longer_than_we_allow_whatever_it_says() {
    let mut bench = Bench::new();
    let token = bench.token_for(peer(1), file(1));
    bench.say(
        peer(1),
        Body::Store {
            file: file(1),
            token,
            port: 1,
            ttl: u32::MAX,
            padding: 0,
        },
    );
    bench.pass(secs(7_199));
    assert_eq!(bench.holds(file(1)).len(), 1);
    bench.pass(secs(1));
    assert_eq!(bench.holds(file(1)).len(), 0);
}

#[test]
fn rule_14_hearsay_is_stored_only_when_the_provider_itself_confirms_it() {
    let mut bench = Bench::new();
    let token = bench.token_for(peer(1), file(1));
    let claims = [peer(20), peer(21)].map(|provider| HandedProvider {
        location: provider.address,
        ttl: 600,
    });
    let providers = ArrayVec::from_iter(claims);
    let sent = bench.say(
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
    assert_eq!(bench.holds(file(1)), []);
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
        bench.deliver(provider, request.rpc_id, body);
    }
    assert_eq!(bench.holds(file(1)), [asked[0].0]);
}

#[test]
fn rule_14_a_victim_named_as_provider_gets_one_datagram_a_minute() {
    let mut bench = Bench::new();
    let victim = address_of(88);
    let mut probes = 0;
    for number in 0..300 {
        let token = bench.token_for(peer(1), file(number));
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
        let mut sent = bench.say(peer(1), body);
        sent.extend(bench.pass(secs(1)));
        probes += sent.iter().filter(|(to, _)| *to == victim).count();
    }
    assert!((1..=5).contains(&probes), "{probes} in five minutes");
}

#[test]
fn rule_10_the_closest_node_without_the_record_is_told_of_it() {
    for (between, ttl) in [(0, 7_200), (1, 3_600), (3, 900)] {
        let mut bench = Bench::with(Params {
            k: 2,
            ..Params::default()
        });
        let wanted = file(1);
        let mut peers: Vec<Contact> = (1..8).map(peer).collect();
        peers.sort_by_key(|contact| contact.id.0.distance(&wanted.0));
        let now = bench.now;
        let mut lookup = Lookup::new(
            now,
            bench.kad.id(),
            (wanted.0, Purpose::FindValue),
            (7, 7, 1),
        );
        lookup.seed(&peers);
        while lookup.ask_next(|_| addresses::Permit::Now).is_some() {}
        for (rank, &contact) in peers.iter().enumerate() {
            // All but the one that lies so far beyond the k closest have the record.
            let has_value = rank != 2 + between;
            let answer = lookup::Answer {
                contacts: &[],
                token: Token(4),
                has_value,
            };
            lookup.answered(contact, answer);
        }
        assert!(lookup.provider(address_of(30)));
        bench.kad.cache_providers(&lookup);
        bench.kad.advance(now);
        let sent = bench.sent();
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

#[test]
fn rule_15_saved_contacts_are_pinged_and_enter_when_they_answer() {
    let mut bench = Bench::new();
    let now = bench.now;
    (1..6).for_each(|n| bench.kad.insert_saved(now, peer(n)));
    let sent = bench.sent();
    assert_eq!(pings(&sent).len(), 5);
    assert_eq!(bench.kad.contact_count(), 0);
    bench.answer_all(peer(3), &sent);
    assert_eq!(bench.kad.contacts().collect::<Vec<_>>(), [peer(3)]);
}

#[test]
fn rule_16_an_unproved_source_is_heard_ten_times_a_second() {
    let mut bench = Bench::new();
    for _ in 0..1_000 {
        bench.now += Duration::from_millis(10);
        bench.say(peer(1), find_value(file(1)));
    }
    let counters = bench.kad.counters();
    let heard = counters.requests - counters.over_budget;
    assert!((100..=125).contains(&heard), "{heard} in ten seconds");
}

#[test]
fn rule_16_a_proved_source_over_its_budget_is_told_so() {
    let one = crate::limits::Allowance {
        per_second: 1,
        burst: 1,
    };
    let mut bench = Bench::with(Params {
        proved_source: one,
        ..Params::default()
    });
    bench.befriend(peer(1));
    let sent = bench.say(peer(1), find_node(file(1).0));
    assert!(matches!(sent[0].1.body, Body::FindNodeReply { .. }));
    let sent = bench.say(peer(1), find_node(file(1).0));
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
    let mut bench = Bench::with(Params {
        unproved_source: unlimited(),
        ..Params::default()
    });
    (1..45).for_each(|n| bench.befriend(peer(n)));
    let now = bench.now;
    let accepted = (0..200)
        .filter(|&n| bench.kad.find_providers(now, file(n)))
        .count();
    assert_eq!(
        accepted,
        crate::limits::LOOKUPS_MAX + crate::limits::LOOKUPS_WAITING_MAX
    );
    assert_eq!(bench.kad.lookups.len(), crate::limits::LOOKUPS_MAX);
    let in_flight = bench.kad.rpcs.count(|_| true);
    assert!(in_flight <= RPCS_MAX, "{in_flight}");
    bench.sent();
    bench.pass(secs(600));
    let ended = std::iter::from_fn(|| bench.kad.poll_event())
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
    assert!(bench.kad.lookups.is_empty() && bench.kad.rpcs.count(|_| true) <= 16);
}

#[test]
fn rule_16_a_node_that_names_victims_makes_us_ask_each_once_a_minute() {
    let mut bench = Bench::new();
    bench.befriend(peer(1));
    let mut asked: BTreeMap<SocketAddr, usize> = BTreeMap::new();
    for number in 0..60 {
        let now = bench.now;
        bench.kad.find_node(now, file(number).0);
        let mut queue = bench.sent();
        queue.extend(bench.pass(secs(2)));
        while let Some((to, request)) = queue.pop() {
            *asked.entry(to).or_default() += 1;
            if to == peer(1).address && matches!(request.body, Body::FindNode { .. }) {
                let contacts = (100..120).map(peer).collect();
                let body = Body::FindNodeReply {
                    seen: seen(),
                    token: Token(1),
                    contacts,
                };
                queue.extend(bench.deliver(peer(1), request.rpc_id, body));
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
fn what_nobody_drains_does_not_grow() {
    let mut bench = Bench::with(Params {
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
        bench
            .kad
            .handle_datagram(now, peer(number).address, &buffer[..size]);
    }
    assert_eq!(bench.kad.outbox.len(), OUTBOX_MAX);
    assert!(bench.kad.counters().dropped > 0);
}

#[test]
fn damaged_and_foreign_datagrams_and_our_own_id_are_counted_and_change_nothing() {
    let mut bench = Bench::new();
    let mut buffer = [0; DATAGRAM_SIZE_MAX];
    let (rpc_id, body) = (RpcId([1; 20]), find_node(file(1).0));
    let datagram = Datagram {
        read_only: false,
        rpc_id,
        sender: peer(1).id,
        body,
    };
    let size = datagram.emit(Network::named("another"), &mut buffer);
    bench
        .kad
        .handle_datagram(Instant::ZERO, peer(1).address, &buffer[..size]);
    bench
        .kad
        .handle_datagram(Instant::ZERO, peer(1).address, &[]);
    let ours = Datagram {
        sender: bench.kad.id(),
        ..datagram
    };
    assert_eq!(bench.deliver_datagram(peer(1).address, &ours).len(), 0);
    assert_eq!(
        (bench.kad.counters().damaged, bench.kad.counters().from_self),
        (2, 1)
    );
}

#[test]
fn our_own_address_is_what_most_of_those_who_answered_say() {
    let mut bench = Bench::new();
    assert_eq!(bench.kad.seen_address(), None);
    (1..4).for_each(|n| bench.befriend(peer(n)));
    assert_eq!(bench.kad.seen_address(), Some(address_of(NODE)));
}

#[test]
fn a_node_that_answers_with_another_id_takes_the_place_of_the_one_that_was_there() {
    let mut bench = Bench::new();
    bench.befriend(peer(1));
    let now = bench.now;
    bench.kad.find_node(now, file(1).0);
    let sent = bench.sent();
    let successor = Contact {
        id: peer(2).id,
        ..peer(1)
    };
    let reply = reply_to(&sent[0].1.body).unwrap();
    let more = bench.deliver(successor, sent[0].1.rpc_id, reply);
    bench.answer_all(successor, &more);
    assert!(bench.kad.table().holds(successor) && !bench.kad.table().holds(peer(1)));
}
