//! Attackers in a world in the open internet, and the effect of each attack.
//!
//! Liars that hide keys have a file of their own, `liars`. Run with `-- --nocapture`, each test
//! prints its figures.

use super::world::*;
use sprat::address::Contact;
use sprat::dht::Params;
use sprat::id::{FileId, NodeId};
use sprat::kad::{Config, Kad};
use sprat::limits::PROBE_PERIOD;
use sprat::rng::Rng;
use sprat::time::Instant;
use sprat::wire::native::datagram::{Body, Cookie, Datagram, RpcId, Seen, Token};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

const NODES: usize = 60;

fn open_world(seed: u64) -> World {
    let mut world = World::new(seed, Params::default());
    world.join_at(NODES, Duration::from_millis(100), global_address);
    world.run(secs(30));
    world
}

fn file(number: u64) -> FileId {
    FileId(Rng::from_number(5_000 + number).id())
}

fn datagram(rng: &mut Rng, sender: NodeId, body: Body) -> Datagram {
    let mut rpc_id = RpcId::default();
    rng.fill(&mut rpc_id.0);
    Datagram {
        read_only: false,
        rpc_id,
        sender,
        body,
    }
}

fn find_node(rng: &mut Rng, cookie: Cookie) -> Body {
    Body::FindNode {
        target: rng.id(),
        cookie,
        padding: 0,
    }
}

/// How many of ten nodes find a key of node 1.
fn keys_found(world: &mut World, file: FileId) -> usize {
    let provider = world.contact(1).address;
    let finders = (20..30).filter(|&finder| world.find(finder, file).0.contains(&provider));
    finders.count()
}

#[test]
fn a_spoofed_address_gets_no_more_bytes_than_were_spent_and_changes_nothing() {
    let mut world = open_world(1);
    let mut rng = Rng::from_number(2);
    let victim = SocketAddr::from(([203, 0, 113, 9], 9));
    let tables: Vec<usize> = world.nodes.iter().map(|kad| kad.table().len()).collect();
    let mut spent = 0;
    for round in 0..2_000 {
        let (padding, cookie, token) = (0, Cookie(rng.number()), Token(rng.number()));
        let (file, ttl) = (file(round), 3_600);
        let body = match round % 5 {
            0 => Body::Ping { cookie, padding },
            1 => find_node(&mut rng, cookie),
            2 => Body::FindValue {
                file,
                cookie,
                padding,
            },
            3 => Body::Store {
                file,
                token,
                port: 9,
                ttl,
                padding,
            },
            _ => Body::PingReply {
                seen: Seen {
                    address: victim,
                    cookie,
                },
            },
        };
        let is_padded = !body.is_reply() && rng.below(2) == 0;
        let size = 100 + rng.below(1_000) as usize;
        let body = if is_padded && body.size() < size {
            body.padded_to(size)
        } else {
            body
        };
        let sender = NodeId(rng.id());
        let datagram = datagram(&mut rng, sender, body);
        spent += datagram.size();
        world.inject(victim, round as usize % NODES, &datagram);
        world.run(Duration::from_millis(50));
    }
    world.run(secs(60));
    let got: usize = world
        .strays
        .iter()
        .filter(|s| s.to == victim)
        .map(|s| s.size)
        .sum();
    println!("spoofing: {spent} bytes spent, {got} bytes to the victim");
    assert!(got > 0 && got <= spent, "{got} of {spent}");
    let after: Vec<usize> = world.nodes.iter().map(|kad| kad.table().len()).collect();
    assert_eq!(tables, after, "no contact came into a table");
    assert!(world.nodes.iter().all(|kad| kad.records().is_empty()));
}

#[test]
fn a_flood_is_dropped_cheaply_and_honest_lookups_continue() {
    for is_proved in [false, true] {
        let mut world = open_world(3);
        let mut rng = Rng::from_number(4);
        world.with(1, |kad, now| kad.provide(now, file(0)));
        world.run(secs(10));
        let loud = if is_proved {
            world.contact(NODES - 1)
        } else {
            Contact {
                id: NodeId(rng.id()),
                address: ([203, 0, 113, 9], 9).into(),
            }
        };
        let before = *world.nodes[25].counters();
        // 2,000 requests a second for ten seconds, at one node.
        for _ in 0..20_000 {
            let body = find_node(&mut rng, Cookie::NONE).padded_to(900);
            world.inject(loud.address, 25, &datagram(&mut rng, loud.id, body));
            world.run(Duration::from_micros(500));
        }
        let after = *world.nodes[25].counters();
        let (asked, refused) = (
            after.requests - before.requests,
            after.over_budget - before.over_budget,
        );
        let (served, sent) = (asked - refused, after.sent - before.sent);
        println!(
            "flood, proved: {is_proved}: {asked} requests, {served} served, {sent} datagrams sent"
        );
        let allowed = if is_proved {
            200 * 10 + 400
        } else {
            10 * 10 + 20
        };
        assert!(served <= allowed + 100, "{served} served");
        assert!(sent <= allowed + 400, "{sent} sent");
        assert_eq!(keys_found(&mut world, file(0)), 10);
    }
}

#[test]
fn forged_tokens_have_no_effect_and_real_ones_none_elsewhere() {
    let mut world = open_world(5);
    let mut rng = Rng::from_number(6);
    let thief = Contact {
        id: NodeId(rng.id()),
        address: ([203, 0, 113, 9], 9).into(),
    };
    let store = |token: u64, number: u64| Body::Store {
        file: file(number),
        token: Token(token),
        port: 9,
        ttl: 3_600,
        padding: 0,
    };
    // Real tokens of one node, for two keys of one address.
    let mut kad_alone = Kad::new(
        Config {
            id: NodeId(rng.id()),
            ..config(rng.id(), Params::default())
        },
        rng.split(),
        Instant::ZERO,
    );
    let mut clock = 0;
    let mut say = |kad: &mut Kad, rng: &mut Rng, from: SocketAddr, body: Body| {
        clock += 200_000;
        let now = Instant::from_micros(clock);
        let mut buffer = [0; 1_200];
        let size = datagram(rng, thief.id, body).emit(network(), &mut buffer);
        kad.handle_datagram(now, from, &buffer[..size]);
        let mut token = None;
        while let Some((_, size)) = kad.poll_datagram(now, &mut buffer) {
            if let Ok(Datagram {
                body: Body::FindNodeReply { token: given, .. },
                ..
            }) = Datagram::parse(&buffer[..size], network())
            {
                token = Some(given.0);
            }
        }
        token
    };
    let mut token_for = |kad: &mut Kad, rng: &mut Rng, number: u64| {
        let target = file(number).0;
        let body = Body::FindNode {
            target,
            cookie: Cookie::NONE,
            padding: 0,
        }
        .padded_to(900);
        say(kad, rng, thief.address, body).expect("it is answered")
    };
    let tokens: Vec<u64> = (0..4)
        .map(|n| token_for(&mut kad_alone, &mut rng, n))
        .collect();
    let linear = tokens[0] ^ tokens[1] ^ tokens[2];
    let flipped = (0..64).map(|bit| tokens[3] ^ (1 << bit));
    let forged = [linear, 0, 1, u64::MAX, tokens[0]]
        .into_iter()
        .chain(flipped);
    for token in forged {
        say(&mut kad_alone, &mut rng, thief.address, store(token, 3));
    }
    let elsewhere = SocketAddr::from(([203, 0, 113, 10], 9));
    say(&mut kad_alone, &mut rng, elsewhere, store(tokens[3], 3));
    assert!(kad_alone.records().is_empty(), "none of 70 forgeries");
    say(&mut kad_alone, &mut rng, thief.address, store(tokens[3], 3));
    assert_eq!(kad_alone.records().len(), 1, "the real one");
    // Random tokens at a whole network.
    for round in 0..6_000 {
        let body = store(rng.number(), 0);
        world.inject(
            thief.address,
            round % NODES,
            &datagram(&mut rng, thief.id, body),
        );
        world.run(Duration::from_millis(10));
    }
    assert!(world.nodes.iter().all(|kad| kad.records().is_empty()));
}

#[test]
fn victims_named_by_liars_get_at_most_one_probe_a_minute_from_a_node() {
    let mut world = open_world(7);
    let victims: Vec<Contact> = (0..40)
        .map(|n| Contact {
            id: NodeId(Rng::from_number(9_000 + n).id()),
            address: ([203, 0, n as u8, 9], 9).into(),
        })
        .collect();
    (0..20).for_each(|index| world.corrupt(index * 3));
    let named = victims.clone();
    let mut rng = Rng::from_number(8);
    world.lie(Box::new(move |_, _, target, reply| {
        let (Body::FindNodeReply { contacts, .. } | Body::FindValueReply { contacts, .. }) =
            &mut reply.body
        else {
            return;
        };
        for contact in contacts.iter_mut() {
            // Always another id, so that no node knows the victim already.
            let mut id = target;
            rng.fill(&mut id.0[18..]);
            let address = named[rng.below(named.len() as u64) as usize].address;
            *contact = Contact {
                id: NodeId(id),
                address,
            };
        }
    }));
    for _ in 0..90 {
        for index in [1, 2, 4, 5] {
            let target = Rng::from_number(index as u64 + world.delivered).id();
            world.with(index, |kad, now| kad.find_node(now, target));
        }
        world.run(secs(2));
    }
    let mut last: BTreeMap<(SocketAddr, SocketAddr), Instant> = BTreeMap::new();
    for stray in &world.strays {
        if let Some(before) = last.insert((stray.from, stray.to), stray.at) {
            let pause = stray.at.since(before);
            // Datagrams in flight make 20 ms of difference.
            assert!(
                pause + Duration::from_millis(50) >= PROBE_PERIOD,
                "{pause:?}: {stray:?}"
            );
        }
    }
    println!(
        "victims: {} datagrams in 3 minutes from {} pairs",
        world.strays.len(),
        last.len()
    );
    assert!(last.len() > 40, "the liars were asked");
}

#[test]
fn bogus_providers_do_not_hide_an_honest_one_unless_they_come_from_many_subnets() {
    println!("| bogus providers | honest one came | found by, of 10 |");
    println!("|---|---|---|");
    let one_ip = |n: usize| SocketAddr::from(([203, 0, 113, 9], 1_000 + n as u16));
    let one_subnet = |n: usize| SocketAddr::from(([203, 0, 113, n as u8], 4160));
    let many = |n: usize| SocketAddr::from(([198, 51, n as u8, 9], 4160));
    type Place<'a> = (&'a str, &'a dyn Fn(usize) -> SocketAddr);
    let places: [Place; 3] = [
        ("40 of one IP", &one_ip),
        ("40 of one /24", &one_subnet),
        ("40 of 40 /24s", &many),
    ];
    for (name, at) in places {
        for is_first in [true, false] {
            let mut world = open_world(9);
            if is_first {
                world.with(1, |kad, now| kad.provide(now, file(0)));
                world.run(secs(10));
            }
            for n in 0..40 {
                let mut rng = Rng::from_number(700 + n as u64);
                let own = Config {
                    port: at(n).port(),
                    ..config(rng.id(), Params::default())
                };
                let bogus = world.add_with(
                    Config {
                        read_only: true,
                        ..own
                    },
                    at(n),
                );
                world.with(bogus, |kad, now| kad.bootstrap(now, global_address(3)));
                world.with(bogus, |kad, now| kad.provide(now, file(0)));
                world.run(secs(2));
            }
            world.run(secs(20));
            world.with(1, |kad, now| kad.provide(now, file(0)));
            world.run(secs(40));
            let found = keys_found(&mut world, file(0));
            let came = if is_first { "before" } else { "after" };
            println!("| {name} | {came} | {found} |");
            let must_be_found = is_first || name != "40 of 40 /24s";
            assert!(!must_be_found || found == 10, "{name}, {came}: {found}");
        }
    }
}

#[test]
fn sybils_of_one_subnet_beside_a_key_do_not_hide_it() {
    println!("| sybils beside the key | subnets | honest holders | found by, of 10 |");
    println!("|---|---|---|---|");
    for subnets in [1, 4, 9, 40] {
        let mut world = open_world(11);
        let key = file(0);
        let mut sybils = Vec::new();
        for n in 0..40 {
            let mut id = key.0;
            id.0[19] ^= 1 + n as u8;
            let address = SocketAddr::from(([198, 51, (n % subnets) as u8, 1 + n as u8], 4160));
            let index = world.add_with(config(id, Params::default()), address);
            world.corrupt(index);
            sybils.push(world.contact(index));
            world.with(index, |kad, now| kad.bootstrap(now, global_address(3)));
            world.run(secs(1));
        }
        let all = sybils.clone();
        world.lie(Box::new(move |_, _, _, reply| match &mut reply.body {
            Body::FindNodeReply { contacts, .. } => name(contacts, &all),
            Body::FindValueReply {
                contacts,
                providers,
                ..
            } => {
                providers.clear();
                name(contacts, &all);
            }
            _ => {}
        }));
        world.run(secs(60));
        world.with(1, |kad, now| kad.provide(now, key));
        world.run(secs(20));
        let holds = |index: &usize| world.nodes[*index].records().of(world.now, key).count() > 0;
        let holders = (0..NODES).filter(holds).count();
        let found = keys_found(&mut world, key);
        println!("| 40 | {subnets} | {holders} | {found} |");
        assert!(subnets > 9 || found == 10, "{subnets} subnets: {found}");
    }
}

fn name(contacts: &mut sprat::dht::Contacts, sybils: &[Contact]) {
    let count = contacts.len();
    contacts.clear();
    contacts.extend(sybils.iter().copied().take(count));
}
