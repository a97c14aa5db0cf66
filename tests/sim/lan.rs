//! Local networks: nodes that nobody has named to each other.

use super::seeded::Seeded;
use sprat::id::FileId;
use sprat::node::Event;
use sprat::sim::disk::State;
use sprat::sim::{Addressing, Checks, Content, Death, Faults, Setup, World};
use std::time::Duration;

const LAN: usize = 1;

/// Hosts of one local network, with all their nodes started at once, and a file at the first.
fn lan_of(count: usize, seed: u64, loss: u64) -> (Seeded, World, FileId) {
    let seeded = Seeded::new(seed);
    let mut world = World::new(Setup {
        seed,
        faults: Faults {
            loss,
            ..Faults::none()
        },
        addressing: Addressing::Local,
        checks: Checks::Every,
    });
    for host in 0..count {
        world.add();
        world.attach(host, LAN);
    }
    let content = Content::new("file", vec![(String::new(), vec![7; 40_000])]);
    let file = world.publish(content);
    world.share(0, file).unwrap();
    (seeded, world, file)
}

fn has_it(host: usize, file: FileId) -> impl Fn(&World) -> bool {
    move |world| world.disk(host).state(file) == Some(State::Final)
}

#[test]
fn on_a_lan_a_file_is_found_by_its_id_alone_within_two_seconds() {
    for count in [2, 4, 30] {
        let (_seeded, mut world, file) = lan_of(count, count as u64, 0);
        world.fetch(count - 1, file, &[]).unwrap();
        let is_there = world.run_until(Duration::from_secs(2), has_it(count - 1, file));
        assert!(is_there, "{count} hosts");
    }
}

#[test]
fn a_fetch_that_began_first_meets_the_sharer_that_comes() {
    let (_seeded, mut world, file) = lan_of(2, 7, 0);
    world.end(0, Death::Killed);
    world.fetch(1, file, &[]).unwrap();
    world.run(Duration::from_secs(1));
    world.start(0);
    world.share(0, file).unwrap();
    assert!(world.run_until(Duration::from_secs(2), has_it(1, file)));
}

#[test]
fn calls_and_answers_may_get_lost() {
    for seed in 20..40 {
        let (_seeded, mut world, file) = lan_of(4, seed, 100);
        world.fetch(3, file, &[]).unwrap();
        assert!(world.run_until(Duration::from_secs(15), has_it(3, file)));
    }
}

#[test]
fn a_node_of_another_lan_or_of_none_is_not_found() {
    let (_seeded, mut world, file) = lan_of(2, 8, 0);
    let (other, alone) = (world.add(), world.add());
    world.attach(other, LAN + 1);
    for host in [other, alone] {
        world.fetch(host, file, &[]).unwrap();
        let failed = |world: &World| {
            let is_it =
                |news: &(usize, Event)| matches!(news, (of, Event::Failed { .. }) if *of == host);
            world.events.iter().any(is_it)
        };
        assert!(world.run_until(Duration::from_secs(30), failed));
        assert_eq!(world.node(host).unwrap().kad().contact_count(), 0);
    }
}

#[test]
fn a_network_that_comes_later_is_queried() {
    let (_seeded, mut world, _) = lan_of(3, 9, 0);
    let late = world.add();
    world.run(Duration::from_secs(60));
    assert_eq!(world.node(late).unwrap().kad().contact_count(), 0);
    world.attach(late, LAN);
    let met = |world: &World| world.node(late).unwrap().kad().contact_count() == 3;
    assert!(world.run_until(Duration::from_secs(2), met));
}

/// The power comes back: all nodes query all others, but no node needs an answer of each.
#[test]
fn a_fleet_that_starts_at_once_makes_no_storm() {
    let (_seeded, mut world, file) = lan_of(150, 10, 0);
    world.run(Duration::from_secs(3));
    let sent = (0..150).map(|host| world.node(host).unwrap().kad().counters().sent);
    let most = sent.max().unwrap();
    assert!(most <= 600, "{most} datagrams of one node in 3 s");
    let met = |host: usize| world.node(host).unwrap().kad().contact_count();
    let fewest = (0..150).map(met).min().unwrap();
    assert!(fewest >= 20, "{fewest} contacts");
    world.fetch(149, file, &[]).unwrap();
    assert!(world.run_until(Duration::from_secs(2), has_it(149, file)));
}

#[test]
fn a_lan_that_has_met_is_nearly_silent() {
    let (_seeded, mut world, _) = lan_of(30, 11, 0);
    world.run(Duration::from_secs(3_600));
    let sent = |world: &World| {
        let sent = (0..30).map(|host| world.node(host).unwrap().kad().counters().sent);
        sent.sum::<u64>()
    };
    let before = sent(&world);
    world.run(Duration::from_secs(3_600));
    let each_second = (sent(&world) - before) as f64 / 30.0 / 3_600.0;
    assert!(
        each_second < 0.5,
        "{each_second} datagrams a second and node"
    );
}
