//! Slow and deaf peers: they hold up neither the end of a file nor other peers.

use super::world::World;
use super::{MINUTE, bytes};
use sprat::limits::SEND_TIMEOUT;
use std::time::Duration;

#[test]
fn a_slow_provider_does_not_hold_the_end_of_a_file() {
    let mut world = World::new(15);
    world.uplink = 1_250;
    let (fast, slow, getter) = (world.node(), world.node(), world.node());
    let content = bytes(15, 4_000_000);
    let file = world.share(fast, &[("", content.clone())]);
    world.share(slow, &[("", content)]);
    world.peers[slow].uplink = 1; // 10 kB/s
    world.fetch(getter, file, &[fast, slow]);
    let started = world.now;
    assert!(world.run_until(MINUTE, |world| world.is_complete(getter)));
    let time = world.now - started;
    assert!(
        time < Duration::from_millis(1_500),
        "0.32 s would do, it took {time:?}"
    );
}

/// All that it was asked for has begun, so that nothing can be taken back.
#[test]
fn a_provider_that_stops_in_the_middle_of_its_last_range_does_not_hold_the_end_of_a_file() {
    let mut world = World::new(18);
    let (fast, stuck, getter) = (world.node(), world.node(), world.node());
    let content = bytes(18, 6_000);
    let file = world.share(fast, &[("", content.clone())]);
    world.share(stuck, &[("", content)]);
    world.peers[stuck].uplink = 1;
    let swarm = world.fetch(getter, file, &[stuck]);
    let received = |world: &World| {
        let progress = world.peers[getter].swarms.progress(swarm);
        progress.map_or(0, |progress| progress.received)
    };
    assert!(world.run_until(MINUTE, |world| received(world) > 1_000));
    world.peers[stuck].alive = false;
    let (now, location) = (world.now, world.peers[fast].location);
    let swarms = &mut world.peers[getter].swarms;
    swarms.handle_provider(now, file, location);
    assert!(world.run_until(Duration::from_secs(3), |world| world.is_complete(getter)));
    assert_eq!(received(&world), 6_000);
}

#[test]
fn getters_that_never_read_do_not_keep_others_waiting() {
    let mut world = World::new(16);
    let (origin, getter) = (world.node(), world.node());
    let deaf: Vec<usize> = (0..5).map(|_| world.node()).collect();
    let file = world.share(origin, &[("", bytes(16, 4_000_000))]);
    for &node in &deaf {
        world.fetch(node, file, &[origin]);
    }
    let begun = |world: &World| {
        deaf.iter()
            .all(|&node| world.peers[node].received > 100_000)
    };
    assert!(world.run_until(MINUTE, begun));
    deaf.iter()
        .for_each(|&node| world.peers[node].alive = false);
    world.fetch(getter, file, &[origin]);
    let started = world.now;
    assert!(world.run_until(MINUTE, |world| world.is_complete(getter)));
    assert!(world.now - started < Duration::from_secs(3));
}

#[test]
fn a_peer_that_never_reads_is_closed_in_time() {
    let mut world = World::new(17);
    let (origin, deaf) = (world.node(), world.node());
    let file = world.share(origin, &[("", bytes(17, 4_000_000))]);
    world.uplink = 1_000;
    world.fetch(deaf, file, &[origin]);
    // By then it has asked for more than fits into the pipe.
    assert!(world.run_until(MINUTE, |world| world.peers[deaf].received > 3_000_000));
    world.peers[deaf].alive = false;
    let since = world.now;
    let left = |world: &World| world.peers[origin].swarms.stream_count() == 0;
    assert!(world.run_until(MINUTE, left));
    let took = world.now - since;
    assert!(took < SEND_TIMEOUT + Duration::from_secs(1), "{took:?}");
}
