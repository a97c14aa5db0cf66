//! Nodes at rest, and a node that stood still for a while.
//!
//! Real processes are measured by `benches/idle` and `benches/stopped`; here, the same to the step.

use super::seeded::Seeded;
use sprat::node::Phase;
use sprat::rng::Rng;
use sprat::sim::{Addressing, Checks, Content, Faults, Setup, World};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

/// Thirty nodes of a local network, of which the second shares a file; they have settled.
fn settled(seed: u64) -> World {
    let mut world = World::new(Setup {
        seed,
        faults: Faults::none(),
        addressing: Addressing::Local,
        checks: Checks::OneIn(64),
    });
    for host in 0..30 {
        world.add();
        let through = world.addressing().address(0);
        if host > 0 {
            world.command(host, |node, now| node.bootstrap(now, through));
        }
        world.run(Duration::from_secs(1));
    }
    let mut bytes = vec![0; 4_000_000];
    Rng::from_number(seed).fill(&mut bytes);
    let file = world.publish(Content::new("file", vec![(String::new(), bytes)]));
    world.share(1, file);
    // The last lookup of its own id comes 16 minutes after the one before.
    world.run(MINUTE * 25);
    world
}

#[test]
fn a_node_of_thirty_that_has_nothing_to_do_wakes_less_than_every_other_second() {
    let _seeded = Seeded::new(1);
    let mut world = settled(1);
    let before = world.steps();
    world.run(MINUTE * 60);
    // A step is a datagram that comes or a timer: each wakes the loop at most once.
    let steps = world.steps() - before;
    let a_second = steps as f64 / 30.0 / 3_600.0;
    println!("{a_second:.3} wake-ups a second");
    assert!(a_second <= 0.5);
}

/// A host stands still for a minute, and goes on: it must not send all that it has missed.
fn stand_still(world: &mut World, host: usize) {
    let sent = |world: &World| world.node(host).unwrap().kad().counters().sent;
    let before = sent(world);
    world.pause(host);
    world.run(MINUTE);
    assert_eq!(sent(world), before);
    world.resume(host);
    world.run(Duration::from_secs(1));
    let first = sent(world) - before;
    println!("host {host}: {first} datagrams in the first second");
    assert!(
        first <= 50,
        "host {host}: {first} datagrams in the first second"
    );
}

#[test]
fn a_node_that_stood_still_for_a_minute_goes_on_without_a_storm() {
    let _seeded = Seeded::new(2);
    let mut world = settled(2);
    stand_still(&mut world, 7);
    let file = world.node(1).unwrap();
    let file = file.kad().provided_files().next().unwrap();
    world.set_uplink(1, 50_000);
    let swarm = world.fetch(2, file, &[]).unwrap();
    world.run(Duration::from_secs(8));
    let progress = world.node(2).unwrap().swarms().progress(swarm).unwrap();
    assert!(
        progress.phase == Phase::Fetching && progress.done > 0,
        "{progress:?}"
    );
    // The getter in the middle of its fetch, and the one that shares.
    for host in [2, 1] {
        stand_still(&mut world, host);
        world.run(Duration::from_secs(5));
    }
    let phase = |world: &World| {
        world
            .node(2)
            .unwrap()
            .swarms()
            .progress(swarm)
            .map(|of| of.phase)
    };
    let is_whole = |world: &World| phase(world) == Some(Phase::Complete);
    assert!(!is_whole(&world), "there was something left to go on with");
    assert!(world.run_until(MINUTE * 2, is_whole), "{:?}", phase(&world));
}
