//! Whole networks of nodes, without loss and with it.

use super::world::*;
use sprat::dht::{Event, Params, Purpose};
use sprat::id::{FileId, Id, NodeId};
use sprat::kad::Kad;
use sprat::rng::Rng;

fn file(number: u8) -> FileId {
    FileId(Rng::from_number(1_000 + u64::from(number)).id())
}

fn is_done(world: &World, index: usize, wanted: Id, reason: Purpose) -> bool {
    world.events[index].iter().any(|event| match *event {
        Event::LookupDone {
            target, purpose, ..
        } => (target, purpose) == (wanted, reason),
        _ => false,
    })
}

#[test]
fn rule_12_a_chain_of_twelve_becomes_one_network_and_all_keys_are_found_from_its_end() {
    let mut world = World::new(1, Params::default());
    for index in 0..12 {
        world.add();
        if index > 0 {
            world.with(index, |kad, now| kad.bootstrap(now, address_of(index - 1)));
        }
    }
    world.run(secs(30));
    for index in 0..12 {
        assert_eq!(
            world.nodes[index].contact_count(),
            11,
            "node {index} knows all others"
        );
        assert!(
            world.events[index]
                .iter()
                .any(|e| matches!(e, Event::Joined { .. }))
        );
    }
    for index in 0..10 {
        world.with(index, |kad, now| kad.provide(now, file(index as u8)));
    }
    world.run(secs(10));
    for index in 0..10u8 {
        let all = Event::Announced {
            file: file(index),
            stored: 11,
        };
        assert!(world.events[usize::from(index)].contains(&all));
        assert!(world.with(11, |kad, now| kad.find_providers(now, file(index))));
    }
    world.run(secs(10));
    for index in 0..10 {
        let heard = world.providers_heard(11, file(index));
        assert_eq!(heard, [address_of(usize::from(index))]);
    }
}

#[test]
fn rule_08_lookups_among_a_hundred_nodes_find_the_true_closest() {
    let mut world = World::of(100, 2, Params::default());
    let mut rng = Rng::from_number(20);
    for round in 0..30 {
        let (index, target) = (rng.below(100) as usize, rng.id());
        assert!(
            world.with(index, |kad, now| kad.find_node(now, target)),
            "round {round}"
        );
        assert!(world.run_until(secs(60), |world| world.nodes[index].found(target).is_some()));
        let found = world.nodes[index].found(target).unwrap_or_default().iter();
        let found: Vec<NodeId> = found.map(|contact| contact.id).collect();
        assert_eq!(found, world.closest(target, index)[..20], "round {round}");
        assert!(is_done(&world, index, target, Purpose::FindNode));
    }
}

#[test]
fn rule_08_every_key_of_a_hundred_nodes_is_stored_at_the_true_closest() {
    let mut world = World::of(100, 3, Params::default());
    for number in 0..20 {
        world.with(usize::from(number), |kad, now| {
            kad.provide(now, file(number))
        });
    }
    world.run(secs(10));
    for number in 0..20 {
        let provider = usize::from(number);
        let mut holders: Vec<NodeId> = world
            .nodes
            .iter()
            .filter(|kad| kad.records().of(world.now, file(number)).count() == 1)
            .map(Kad::id)
            .collect();
        holders.sort_by_key(|id| id.0.distance(&file(number).0));
        assert_eq!(holders, world.closest(file(number).0, provider)[..20]);
    }
    for number in 0..20 {
        let finder = 99 - usize::from(number);
        world.with(finder, |kad, now| kad.find_providers(now, file(number)));
        world.run(secs(5));
        assert_eq!(
            world.providers_heard(finder, file(number)),
            [address_of(number.into())]
        );
    }
}

#[test]
fn rule_09_tables_of_a_hundred_nodes_hold_their_whole_neighbourhood() {
    let mut world = World::of(100, 4, Params::default());
    world.run(secs(120));
    for (index, kad) in world.nodes.iter().enumerate() {
        let own = world.id(index);
        let known: Vec<NodeId> = kad
            .table()
            .closest(own, 20, None)
            .iter()
            .map(|contact| contact.id)
            .collect();
        let truth = &world.closest(own, index)[..20];
        let missing = truth.iter().filter(|id| !known.contains(id)).count();
        assert_eq!(
            missing, 0,
            "node {index} misses {missing} of its 20 neighbours"
        );
    }
}

#[test]
fn rule_12_a_node_that_joins_looks_up_its_own_id_and_then_the_far_buckets() {
    let mut world = World::of(100, 17, Params::default());
    let newcomer = world.add();
    world.with(newcomer, |kad, now| kad.bootstrap(now, address_of(50)));
    world.run(secs(10));
    let own = world.id(newcomer);
    let lookups: Vec<(Id, Purpose)> = world.events[newcomer]
        .iter()
        .filter_map(|event| match *event {
            Event::LookupDone {
                target, purpose, ..
            } => Some((target, purpose)),
            _ => None,
        })
        .collect();
    assert_eq!(lookups[0], (own, Purpose::Join));
    let prefix = |id: Id| id.distance(&own).shared_prefix();
    let all_nodes = world.closest(own, newcomer);
    let nearest = prefix(all_nodes[0].0);
    assert!(nearest >= 5, "the id space is not empty around it");
    for depth in 0..nearest {
        let refreshed =
            |&(id, purpose): &(Id, Purpose)| purpose == Purpose::Refresh && prefix(id) == depth;
        // A bucket that the lookup of our own id has found completely needs no refresh.
        let mut of_bucket = all_nodes.iter().filter(|id| prefix(id.0) == depth);
        let is_whole = of_bucket.all(|&id| world.nodes[newcomer].table().member(id).is_some());
        assert!(lookups.iter().any(refreshed) || is_whole, "bucket {depth}");
    }
    assert!(
        lookups
            .iter()
            .filter(|&&(_, purpose)| purpose == Purpose::Refresh)
            .count()
            >= 2
    );
}

#[test]
fn rule_17_two_nodes_are_a_network() {
    let mut world = World::new(5, Params::default());
    world.add();
    world.add();
    world.with(1, |kad, now| kad.bootstrap(now, address_of(0)));
    world.with(0, |kad, now| kad.provide(now, file(0)));
    world.run(secs(5));
    assert_eq!(world.nodes[0].contact_count(), 1);
    assert_eq!(world.nodes[1].contact_count(), 1);
    world.with(1, |kad, now| kad.find_providers(now, file(0)));
    world.run(secs(2));
    assert_eq!(world.providers_heard(1, file(0)), [address_of(0)]);
    assert!(is_done(&world, 1, file(0).0, Purpose::FindValue));
    assert_eq!(world.providers_heard(0, file(0)), [], "never ourselves");
}

#[test]
fn rule_17_a_lookup_begun_while_joining_waits_for_the_first_contact() {
    let mut world = World::new(6, Params::default());
    world.add();
    world.add();
    world.with(0, |kad, now| kad.provide(now, file(0)));
    world.set_down(0, true);
    assert!(
        !world.with(1, |kad, now| kad.find_providers(now, file(0))),
        "no node to ask"
    );
    world.with(1, |kad, now| kad.bootstrap(now, address_of(0)));
    assert!(world.with(1, |kad, now| kad.find_providers(now, file(0))));
    world.run(secs(12));
    let silent = Event::BootstrapSilent {
        address: address_of(0),
        attempts: 1,
    };
    assert!(world.events[1].contains(&silent));
    assert!(!is_done(&world, 1, file(0).0, Purpose::FindValue));
    world.set_down(0, false);
    world.run(secs(20));
    assert_eq!(world.providers_heard(1, file(0)), [address_of(0)]);
}

#[test]
fn rule_06_a_node_whose_link_was_down_for_an_hour_rejoins_by_itself() {
    let mut world = World::of(12, 7, Params::default());
    world.is_cut[3] = true;
    for round in 0..60 {
        world.run(secs(60));
        world.with(3, |kad, now| kad.find_node(now, file(round).0));
    }
    assert_eq!(world.nodes[3].contact_count(), 0, "all are stale");
    assert!(!world.nodes[3].table().is_empty(), "and none is forgotten");
    world.is_cut[3] = false;
    world.run(secs(180));
    assert_eq!(world.nodes[3].contact_count(), 11);
}

#[test]
fn keys_are_found_though_every_tenth_datagram_is_lost_or_every_fourth() {
    keys_are_found_at_a_loss_of(10);
    keys_are_found_at_a_loss_of(25);
}

fn keys_are_found_at_a_loss_of(percent: u64) {
    let mut world = World::new(8, Params::default());
    world.loss = percent;
    for index in 0..60 {
        world.add();
        if index > 0 {
            world.with(index, |kad, now| kad.bootstrap(now, address_of(index - 1)));
        }
        world.run(secs(1));
    }
    world.run(secs(120));
    for number in 0..20 {
        world.with(usize::from(number), |kad, now| {
            kad.provide(now, file(number))
        });
    }
    world.run(secs(60));
    for number in 0..20u8 {
        for finder in [20, 40, 59] {
            world.with(finder, |kad, now| kad.find_providers(now, file(number)));
        }
        world.run(secs(30));
        for finder in [20, 40, 59] {
            let heard = world.providers_heard(finder, file(number));
            assert_eq!(
                heard,
                [address_of(number.into())],
                "key {number} at {finder}, {percent} % lost"
            );
            assert!(is_done(&world, finder, file(number).0, Purpose::FindValue));
        }
    }
}

#[test]
fn rule_13_a_node_that_comes_later_is_handed_the_records_it_should_hold() {
    let mut world = World::of(30, 9, Params::default());
    world.with(0, |kad, now| kad.provide(now, file(0)));
    world.run(secs(10));
    // A newcomer right beside the key.
    let beside = file(0).0.with_bit(159, !file(0).0.bit(159));
    let newcomer = world.add_with(config(beside, Params::default()), address_of(30));
    world.with(newcomer, |kad, now| kad.bootstrap(now, address_of(9)));
    // The provider may not know it yet: a holder hands the record over, and the provider is asked.
    world.run(secs(20));
    assert_eq!(
        world.nodes[newcomer]
            .records()
            .of(world.now, file(0))
            .count(),
        1
    );
}

#[test]
fn rule_14_a_withdrawn_file_is_forgotten_and_a_dead_provider_expires() {
    let mut world = World::of(12, 10, Params::default());
    for number in 0..2u8 {
        world.with(usize::from(number), |kad, now| {
            kad.provide(now, file(number))
        });
    }
    world.run(secs(10));
    let held = |world: &World, number: u8| {
        let nodes = world.nodes.iter();
        nodes
            .filter(|kad| kad.records().of(world.now, file(number)).count() > 0)
            .count()
    };
    assert_eq!((held(&world, 0), held(&world, 1)), (11, 11));
    world.with(0, |kad, now| kad.withdraw(now, file(0)));
    world.run(secs(5));
    assert_eq!((held(&world, 0), held(&world, 1)), (0, 11));
    world.set_down(1, true);
    world.run(secs(3 * 3_600));
    assert_eq!(
        held(&world, 1),
        0,
        "no node keeps a dead provider's record alive"
    );
}

#[test]
fn rule_13_a_provider_announces_again_before_its_records_expire() {
    let mut world = World::of(12, 11, Params::default());
    world.with(0, |kad, now| kad.provide(now, file(0)));
    for _ in 0..10 {
        world.run(secs(1_800));
        world.with(11, |kad, now| kad.find_providers(now, file(0)));
        world.run(secs(10));
        assert_eq!(world.providers_heard(11, file(0)), [address_of(0)]);
        world.events[11].clear();
    }
    let announced = |e: &&Event| matches!(e, Event::Announced { stored: 11, .. });
    let count = world.events[0].iter().filter(announced).count();
    assert!(
        (5..=7).contains(&count),
        "{count} announcements in five hours"
    );
}

#[test]
fn ten_nodes_that_look_for_one_key_at_once_all_find_it() {
    let mut world = World::of(40, 12, Params::default());
    world.with(0, |kad, now| kad.provide(now, file(0)));
    world.run(secs(10));
    for index in 10..20 {
        world.with(index, |kad, now| kad.find_providers(now, file(0)));
        world.with(index, |kad, now| kad.find_providers(now, file(0)));
    }
    world.run(secs(10));
    for index in 10..20 {
        assert_eq!(world.providers_heard(index, file(0)), [address_of(0)]);
    }
}

#[test]
fn a_restarted_node_with_the_same_id_is_found_again_at_once() {
    let mut world = World::of(12, 13, Params::default());
    let id = world.id(4);
    let (now, seed) = (world.now, Rng::from_number(99));
    world.nodes[4] = Kad::new(config(id, Params::default()), seed, now);
    world.with(4, |kad, now| kad.bootstrap(now, address_of(0)));
    world.with(4, |kad, now| kad.provide(now, file(4)));
    world.run(secs(10));
    world.with(7, |kad, now| kad.find_providers(now, file(4)));
    world.run(secs(10));
    assert_eq!(world.providers_heard(7, file(4)), [address_of(4)]);
    assert_eq!(world.nodes[4].contact_count(), 11);
}

#[test]
fn lookups_over_three_disjoint_paths_find_the_closest_as_well() {
    let params = Params {
        paths: 3,
        ..Params::default()
    };
    let mut world = World::of(60, 14, params);
    world.with(0, |kad, now| kad.provide(now, file(0)));
    world.run(secs(10));
    let holders = |kad: &&Kad| kad.records().of(world.now, file(0)).count() == 1;
    let mut holders: Vec<NodeId> = world.nodes.iter().filter(holders).map(Kad::id).collect();
    holders.sort_by_key(|id| id.0.distance(&file(0).0));
    assert_eq!(holders, world.closest(file(0).0, 0)[..20]);
}

#[test]
fn an_idle_node_wakes_less_than_once_in_two_seconds() {
    let mut world = World::of(12, 15, Params::default());
    world.run(secs(60));
    let mut wakes = 0;
    let end = world.now + secs(600);
    while world.step(end) {
        wakes += 1;
    }
    assert!(wakes < 12 * 300, "{wakes} in 12 nodes and 10 minutes");
}

#[test]
fn rule_11_a_bucket_without_a_lookup_for_an_hour_is_refreshed() {
    let mut world = World::of(30, 16, Params::default());
    world.events.iter_mut().for_each(Vec::clear);
    world.run(secs(3_600 * 9 / 8 + 120));
    for (index, events) in world.events.iter().enumerate() {
        let refreshed: Vec<Id> = events
            .iter()
            .filter_map(|event| match *event {
                Event::LookupDone { target, .. } => Some(target),
                _ => None,
            })
            .collect();
        let own = world.id(index);
        let last = world.nodes[index].table().buckets().len() - 1;
        for depth in 0..=last {
            let is_in = |id: &Id| id.distance(&own).shared_prefix().min(last) == depth;
            assert!(
                refreshed.iter().any(is_in),
                "bucket {depth} of node {index}"
            );
        }
    }
}

#[test]
fn rule_12_a_node_to_join_through_is_asked_until_its_owner_forgets_it() {
    let mut world = World::new(9, Params::default());
    world.add();
    world.add();
    world.set_down(0, true);
    world.with(1, |kad, now| kad.bootstrap(now, address_of(0)));
    let tries = |world: &World| {
        let is_silence = |event: &&Event| matches!(event, Event::BootstrapSilent { .. });
        world.events[1].iter().filter(is_silence).count()
    };
    world.run(secs(120));
    let before = tries(&world);
    assert!(before >= 4, "{before}");
    world.with(1, |kad, _| kad.forget_bootstrap(address_of(0)));
    world.run(secs(300));
    assert_eq!(tries(&world), before);
}
