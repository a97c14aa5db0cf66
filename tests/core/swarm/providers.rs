//! The streams of a fetch: there are enough, and no silent peer holds it up.

use super::world::World;
use super::{FIRST, MINUTE, bytes};
use sprat::limits::{
    HANDSHAKE_TIMEOUT, LOOKUP_DELAY_ALONE, LOOKUP_PERIOD, SLOW_TIMEOUT, STREAMS_MAX, STREAMS_SPARE,
    SWARM_STREAMS_ENOUGH,
};
use sprat::output::{DiskReport, Event, Failure, Output, Prepared};
use sprat::swarm::Request;
use std::time::Duration;

#[test]
fn a_provider_that_opens_and_falls_silent_does_not_hold_up_the_manifest() {
    let mut world = World::new(5);
    let (mute, origin, getter) = (world.node(), world.node(), world.node());
    let content = bytes(5, 4_000_000);
    let file = world.share(mute, &[("", content.clone())]);
    assert_eq!(world.share(origin, &[("", content.clone())]), file);
    // Its opening gets through, and a part of the manifest at most.
    world.peers[mute].uplink = 100;
    world.fetch(getter, file, &[mute, origin]);
    let address = world.peers[mute].location;
    let opened =
        |event: &Event| matches!(*event, Event::Connected { address: of, .. } if of == address);
    assert!(world.run_until(MINUTE, |world| {
        world.peers[getter].events.iter().any(opened)
    }));
    world.peers[mute].uplink = 0;
    world.peers[mute].credit = 0;
    let is_known = world.peers[getter].swarms.manifest(FIRST).is_some();
    assert!(!is_known, "it was too late to fall silent");
    let since = world.now;
    assert!(world.run_until(MINUTE, |world| world.is_complete(getter)));
    let took = world.now.since(since);
    assert!(took >= SLOW_TIMEOUT && took < 4 * SLOW_TIMEOUT, "{took:?}");
    assert!(world.peers[getter].disk[&0].entries[0] == content);
}

#[test]
fn a_fetch_has_enough_streams_and_no_more_unless_they_bring_nothing() {
    let mut world = World::new(6);
    let content = bytes(6, 1_000_000);
    let sharers: Vec<usize> = (0..40).map(|_| world.node()).collect();
    let files = sharers
        .iter()
        .map(|&of| world.share(of, &[("", content.clone())]));
    let file = files.last().unwrap();
    let getter = world.node();
    // It waits for room on its disk, so that it is not complete before it has met all.
    world.peers[getter].disk.entry(0).or_default().writes_left = Some(5);
    world.fetch(getter, file, &sharers);
    let streams = |world: &World| world.peers[getter].swarms.stream_count();
    world.run_until(LOOKUP_PERIOD / 2, |_| false);
    assert_eq!(streams(&world), SWARM_STREAMS_ENOUGH);
    // When they bring nothing, others may.
    world.run_until(2 * LOOKUP_PERIOD, |_| false);
    assert_eq!(streams(&world), sharers.len());
}

#[test]
fn a_fetch_with_a_manifest_and_no_peer_reports_no_provider_and_not_missing_shards() {
    let mut world = World::new(8);
    let sharer = world.node();
    let file = world.share(sharer, &[("", bytes(8, 300_000))]);
    let manifest = world.peers[sharer].swarms.manifest(FIRST).cloned();
    let getter = world.node();
    let swarms = &mut world.peers[getter].swarms;
    let mut now = world.now;
    let swarm = swarms.fetch(now, file, manifest, &[]).unwrap();
    swarms.handle_disk(now, swarm, DiskReport::Prepared(Ok(Prepared::Fresh)));
    let failed = loop {
        assert!(now.since(world.now) < MINUTE, "it goes on for ever");
        swarms.handle_timeout(now);
        while let Some(Request::FindProviders(file)) = swarms.poll_request() {
            swarms.handle_looked_up(now, file, None);
        }
        while let Some(output) = swarms.poll_output() {
            if matches!(output, Output::Checkpoint(_)) {
                swarms.handle_disk(now, swarm, DiskReport::Checkpointed(Ok(())));
            }
        }
        let failed = std::iter::from_fn(|| swarms.poll_event()).find_map(|event| match event {
            Event::Failed { cause, .. } => Some(cause),
            _ => None,
        });
        if let Some(cause) = failed {
            break cause;
        }
        now += Duration::from_secs(1);
    };
    assert_eq!(failed, Failure::NoContacts);
}

#[test]
fn a_peer_that_connects_when_the_origin_is_full_is_redirected() {
    let mut world = World::new(7);
    let origin = world.node();
    let file = world.share(origin, &[("", bytes(7, 1_000_000))]);
    let fetch = |world: &mut World| {
        let getter = world.node();
        // It waits for room on its disk, so that it is not complete and gone.
        world.peers[getter].disk.entry(0).or_default().writes_left = Some(5);
        world.fetch(getter, file, &[origin]);
        getter
    };
    let places = STREAMS_MAX - STREAMS_SPARE;
    let first: Vec<usize> = (0..places).map(|_| fetch(&mut world)).collect();
    let streams = |world: &World| world.peers[origin].swarms.stream_count();
    assert!(world.run_until(MINUTE, |world| streams(world) == places));
    let others: Vec<_> = first.iter().map(|&of| world.peers[of].location).collect();
    let late = fetch(&mut world);
    let is_met = |event: &Event| match event {
        Event::Connected { address, .. } => others.contains(address),
        _ => false,
    };
    let began = world.now;
    assert!(world.run_until(MINUTE, |world| {
        world.peers[late].events.iter().any(is_met)
    }));
    assert!(
        world.now.since(began) < Duration::from_millis(100),
        "nobody had to be looked up"
    );
    world.run_until(HANDSHAKE_TIMEOUT, |_| false);
    assert_eq!(streams(&world), places, "the others are served on");
}

#[test]
fn a_fetch_without_streams_soon_looks_for_other_providers() {
    let mut world = World::new(9);
    let sharer = world.node();
    let file = world.share(sharer, &[("", bytes(9, 300_000))]);
    let location = world.peers[sharer].location;
    let getter = world.node();
    let now = world.now;
    let swarms = &mut world.peers[getter].swarms;
    swarms.fetch(now, file, None, &[location]).unwrap();
    swarms.handle_timeout(now);
    assert_eq!(swarms.poll_request(), Some(Request::FindProviders(file)));
    swarms.handle_looked_up(now, file, Some(20));
    let Some(Output::Connect { stream, .. }) = swarms.poll_output() else {
        panic!("it dials a provider that it knows");
    };
    swarms.handle_closed(now, stream);
    swarms.handle_timeout(now + (LOOKUP_DELAY_ALONE - Duration::from_millis(1)));
    assert_eq!(swarms.poll_request(), None);
    swarms.handle_timeout(now + LOOKUP_DELAY_ALONE);
    assert_eq!(swarms.poll_request(), Some(Request::FindProviders(file)));
}
