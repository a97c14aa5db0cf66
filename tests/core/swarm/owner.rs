//! Commands of a swarm's owner: pause, resume, remove, and serve as verified before.

use super::world::World;
use super::{MINUTE, bytes};
use sprat::limits::SCRUB_INTERVAL;
use sprat::output::{DiskReport, Event, Failure, Origin, Refused, SwarmKey};
use sprat::swarm::Request;
use std::time::Duration;

/// The first swarm of a node.
const FIRST: SwarmKey = SwarmKey {
    slot: 0,
    generation: 0,
};

fn received(world: &World, number: usize) -> u64 {
    let progress = world.peers[number].swarms.progress(FIRST);
    progress.map_or(0, |progress| progress.received)
}

/// Requests of a node to the DHT, lookups aside.
fn announcements(world: &World, number: usize) -> Vec<Request> {
    let requests = world.peers[number].requests.iter().copied();
    let is_lookup = |request: &Request| matches!(request, Request::FindProviders(_));
    requests.filter(|request| !is_lookup(request)).collect()
}

#[test]
fn a_suspended_fetch_holds_still_and_goes_on_where_it_was() {
    for seed in 0..10 {
        let mut world = World::new(seed);
        world.uplink = 2_000;
        let (origin, getter) = (world.node(), world.node());
        let content = bytes(9, 4_000_000);
        let file = world.share(origin, &[("", content.clone())]);
        world.fetch(getter, file, &[origin]);
        let some = 200_000 * (1 + seed);
        assert!(world.run_until(MINUTE, |world| received(world, getter) > some));

        let now = world.now;
        world.peers[getter].swarms.suspend(now, FIRST);
        world.run_until(Duration::from_millis(100), |_| false);
        assert_eq!(world.peers[getter].swarms.stream_count(), 0);
        let before = received(&world, getter);
        let lookups = world.peers[getter].requests.len();
        // Longer than any fetch would wait for a provider.
        world.run_until(5 * MINUTE, |_| false);
        assert_eq!(received(&world, getter), before);
        assert_eq!(world.peers[getter].requests.len(), lookups);
        let failed = |event: &Event| matches!(event, Event::Failed { .. });
        assert!(!world.peers[getter].events.iter().any(failed));

        let now = world.now;
        world.peers[getter].swarms.resume(now, FIRST);
        assert!(world.run_until(MINUTE, |world| world.is_complete(getter)));
        assert!(world.peers[getter].disk[&0].entries[0] == content);
        // No shard is fetched again, except those in flight.
        assert!(received(&world, getter) < 4_000_000 + 1_500_000);
        let provides = [Request::Provide(file), Request::Withdraw(file)];
        assert_eq!(announcements(&world, getter)[..2], provides);
        let last = announcements(&world, getter).pop();
        assert_eq!(last, Some(Request::Provide(file)));
    }
}

#[test]
fn a_suspended_share_is_not_served_nor_read_until_it_goes_on() {
    let mut world = World::new(3);
    let (origin, getter) = (world.node(), world.node());
    let file = world.share(origin, &[("", bytes(9, 300_000))]);
    let now = world.now;
    world.peers[origin].swarms.suspend(now, FIRST);
    world.peers[origin].swarms.suspend(now, FIRST);
    world.fetch(getter, file, &[origin]);
    assert!(!world.run_until(Duration::from_secs(5), |world| received(world, getter) > 0));
    // A scrub would be due.
    world.run_until(SCRUB_INTERVAL + MINUTE, |_| false);
    let now = world.now;
    assert_eq!(world.peers[origin].swarms.poll_read(now), None);

    world.peers[origin].swarms.resume(now, FIRST);
    let again = world.fetch(getter, file, &[origin]);
    assert!(
        world.run_until(MINUTE, |world| world.is_complete(getter)),
        "{again:?}"
    );
    let announced = [
        Request::Provide(file),
        Request::Withdraw(file),
        Request::Provide(file),
    ];
    assert_eq!(announcements(&world, origin), announced);
}

#[test]
fn a_removed_fetch_makes_durable_what_it_has_and_is_gone() {
    let mut world = World::new(4);
    world.uplink = 2_000;
    let (origin, getter) = (world.node(), world.node());
    let file = world.share(origin, &[("", bytes(9, 4_000_000))]);
    world.fetch(getter, file, &[origin]);
    world.peers[getter].disk.entry(0).or_default().is_slow = true;
    assert!(world.run_until(MINUTE, |world| received(world, getter) > 1_000_000));
    let now = world.now;
    let held = world.peers[getter].swarms.progress(FIRST).unwrap().done;
    assert!(held > 0);
    world.peers[getter].swarms.remove(now, FIRST);
    world.peers[getter].swarms.remove(now, FIRST);
    world.run_until(Duration::from_millis(100), |_| false);
    // It waits for its last checkpoint, which has all of it.
    let gained = world.peers[getter].swarms.checkpoint(FIRST).unwrap();
    let gained = gained.gained().count();
    assert!(
        gained as u64 * 16_384 >= held,
        "{gained} shards of {held} bytes"
    );
    let now = world.now;
    world.peers[getter]
        .swarms
        .handle_disk(now, FIRST, DiskReport::Checkpointed(Ok(())));
    world.run_until(Duration::from_millis(100), |_| false);
    let gone = Event::Failed {
        swarm: FIRST,
        cause: Failure::Removed,
    };
    let said = world.peers[getter].events.iter();
    assert_eq!(said.filter(|event| **event == gone).count(), 1);
    assert_eq!(world.peers[getter].swarms.progress(FIRST), None);
    assert_eq!(world.peers[getter].swarms.stream_count(), 0);
    let last = announcements(&world, getter).pop();
    assert_eq!(last, Some(Request::Withdraw(file)));
}

#[test]
fn shards_verified_before_are_served_without_a_read_and_counted() {
    let mut world = World::new(5);
    let (origin, getter) = (world.node(), world.node());
    let content = bytes(9, 300_000);
    let file = world.share(origin, &[("", content.clone())]);
    let manifest = world.peers[origin].swarms.manifest(FIRST).unwrap().clone();
    let now = world.now;
    let again = world.peers[origin]
        .swarms
        .serve(now, manifest.clone(), Origin::Own);
    assert_eq!(again, Err(Refused::Known(FIRST)));
    world.peers[origin].swarms.remove(now, FIRST);
    let swarms = &mut world.peers[origin].swarms;
    let swarm = swarms.serve(now, manifest, Origin::Own).unwrap();
    assert_eq!(world.peers[origin].swarms.poll_read(now), None);
    let disk = world.peers[origin].disk.remove(&FIRST.slot).unwrap();
    world.peers[origin].disk.insert(swarm.slot, disk);

    world.uplink = 1_000;
    world.fetch(getter, file, &[origin]);
    let half = |world: &World| received(world, getter) > 150_000;
    assert!(world.run_until(MINUTE, half));
    let peer = world.peers[getter].swarms.peers(FIRST).next().unwrap();
    let (sent, address) = (peer.received, peer.address);
    assert_eq!(sent, received(&world, getter));
    assert_eq!(address, world.peers[origin].location);
    let other = world.peers[origin].swarms.peers(swarm).next().unwrap();
    assert!(other.sent >= sent && other.received == 0);
    assert!(world.run_until(MINUTE, |world| world.is_complete(getter)));
    assert!(world.peers[getter].disk[&0].entries[0] == content);
}

#[test]
fn a_file_fetched_before_a_restart_is_repaired_and_a_shared_one_is_not() {
    for origin in [Origin::Fetched, Origin::Own] {
        let mut world = World::new(6);
        let (sharer, getter) = (world.node(), world.node());
        let content = bytes(9, 300_000);
        let file = world.share(sharer, &[("", content.clone())]);
        world.fetch(getter, file, &[sharer]);
        assert!(world.run_until(MINUTE, |world| world.is_complete(getter)));

        let now = world.now;
        let swarms = &mut world.peers[getter].swarms;
        let manifest = swarms.manifest(FIRST).unwrap().clone();
        swarms.remove(now, FIRST);
        let swarm = swarms.serve(now, manifest, origin).unwrap();
        let mut disk = world.peers[getter].disk.remove(&FIRST.slot).unwrap();
        disk.entries[0][7] ^= 1;
        world.peers[getter].disk.insert(swarm.slot, disk);
        let found = |world: &World| {
            let mut said = world.peers[getter].events.iter();
            said.any(|event| matches!(event, Event::Rotten { shard: 0, .. }))
        };
        assert!(world.run_until(2 * SCRUB_INTERVAL, found));
        let location = world.peers[sharer].location;
        let (now, swarms) = (world.now, &mut world.peers[getter].swarms);
        swarms.handle_provider(now, file, location);
        let is_right = |world: &World| world.peers[getter].disk[&swarm.slot].entries[0] == content;
        let is_repaired = world.run_until(MINUTE, is_right);
        assert_eq!(is_repaired, origin == Origin::Fetched);
    }
}
