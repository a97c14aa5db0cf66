//! Full disks, places that are gone, and shards that go bad: what waits goes on by itself, and what
//! is wrong is not served.

use super::world::{Peer, World};
use super::{FIRST, MINUTE, bytes};
use sprat::limits::{SCRUB_INTERVAL, SCRUB_PERIOD, SCRUB_SIZE, SPACE_RETRY};
use sprat::output::{DiskError, DiskReport, Event, Remedy};
use sprat::swarm::Request;
use std::time::Duration;

/// How often a node has said this.
fn count(world: &World, number: usize, event: Event) -> usize {
    let said = world.peers[number].events.iter();
    said.filter(|other| **other == event).count()
}

fn paused(cause: DiskError) -> Event {
    Event::Paused {
        swarm: FIRST,
        cause,
    }
}

const CONTINUED: Event = Event::Continued { swarm: FIRST };

#[test]
fn a_fetch_on_a_full_disk_waits_serves_what_it_has_and_goes_on_by_itself() {
    for seed in 0..10 {
        let mut world = World::new(seed);
        let (origin, getter, other) = (world.node(), world.node(), world.node());
        let file = world.share(origin, &[("", bytes(9, 4_000_000))]);
        let writes = 20 + 13 * seed as u32;
        world.peers[getter].disk.entry(0).or_default().writes_left = Some(writes);
        world.fetch(getter, file, &[origin]);
        let full = paused(DiskError::NoSpace);
        assert!(world.run_until(MINUTE, |world| count(world, getter, full) == 1));

        // Ranges in flight arrive, and then no more than two shards in each try: the second is
        // asked for before the first is written.
        world.run_until(SPACE_RETRY / 2, |_| false);
        let before = world.peers[getter].received;
        world.run_until(20 * SPACE_RETRY, |_| false);
        let more = world.peers[getter].received - before;
        assert!(more <= 2 * 21 * 17_500, "{more} bytes for nothing");
        let failed = |event: &Event| matches!(event, Event::Failed { .. });
        assert!(!world.peers[getter].events.iter().any(failed));
        assert_eq!(count(&world, getter, full), 1, "it is said once");

        let held = world.peers[getter].swarms.progress(FIRST).unwrap().done;
        // The getter tells of the origin, which is slow for now.
        world.peers[origin].uplink = 1;
        world.fetch(other, file, &[getter]);
        let has = |world: &World| {
            world.peers[other]
                .swarms
                .progress(FIRST)
                .map_or(0, |p| p.done)
        };
        assert!(held > 0 && world.run_until(MINUTE, |world| has(world) >= held));
        assert!(world.peers[getter].swarms.progress(FIRST).unwrap().sent > 0);
        world.peers[origin].uplink = usize::MAX;

        world.peers[getter].disk.get_mut(&0).unwrap().writes_left = None;
        assert!(world.run_until(2 * SPACE_RETRY, |world| world.is_complete(getter)));
        assert_eq!(count(&world, getter, CONTINUED), 1);
        assert!(world.peers[getter].disk[&0].entries[0] == bytes(9, 4_000_000));
    }
}

#[test]
fn a_fetch_that_waits_for_room_does_not_wait_for_ever_when_its_providers_are_gone() {
    let mut world = World::new(1);
    let (origin, getter) = (world.node(), world.node());
    let file = world.share(origin, &[("", bytes(9, 1_000_000))]);
    world.peers[getter].disk.entry(0).or_default().writes_left = Some(5);
    world.fetch(getter, file, &[origin]);
    let full = paused(DiskError::NoSpace);
    assert!(world.run_until(MINUTE, |world| count(world, getter, full) == 1));
    world.kill(origin);
    let failed = |world: &World| {
        let failed = |event: &Event| matches!(event, Event::Failed { .. });
        world.peers[getter].events.iter().any(failed)
    };
    assert!(world.run_until(5 * MINUTE, failed));
}

#[test]
fn a_missing_file_is_withdrawn_reported_once_and_served_again_when_it_is_back() {
    let mut world = World::new(2);
    let (origin, getter) = (world.node(), world.node());
    let file = world.share(origin, &[("", bytes(9, 1_000_000))]);
    let now = world.now;
    for _ in 0..2 {
        world.peers[origin]
            .swarms
            .handle_disk(now, FIRST, DiskReport::Missing);
    }
    world.run_until(Duration::from_millis(1), |_| false);
    assert_eq!(count(&world, origin, paused(DiskError::NotFound)), 1);
    let withdrawn = Request::Withdraw(file);
    let requests = |world: &World, wanted: Request| {
        let requests = world.peers[origin].requests.iter();
        requests.filter(|request| **request == wanted).count()
    };
    assert_eq!(requests(&world, withdrawn), 1);
    world.fetch(getter, file, &[origin]);
    assert!(!world.run_until(Duration::from_secs(5), |world| world.is_complete(getter)));
    assert_eq!(world.peers[getter].swarms.progress(FIRST).unwrap().done, 0);

    world.peers[origin]
        .swarms
        .handle_disk(world.now, FIRST, DiskReport::Returned);
    world.peers[origin]
        .swarms
        .handle_disk(world.now, FIRST, DiskReport::Returned);
    let (third, now) = (world.node(), world.now);
    world.fetch(third, file, &[origin]);
    assert!(
        world.run_until(MINUTE, |world| world.is_complete(third)),
        "{now:?}"
    );
    assert_eq!(count(&world, origin, CONTINUED), 1);
    assert_eq!(requests(&world, Request::Provide(file)), 2);
}

#[test]
fn an_entry_that_has_changed_takes_no_other_with_it() {
    let mut world = World::new(3);
    let origin = world.node();
    let entries = [("a", bytes(1, 65_536)), ("b", bytes(2, 65_536))];
    let file = world.share(origin, &entries);
    let swarms = &mut world.peers[origin].swarms;
    swarms.handle_disk(world.now, FIRST, DiskReport::Changed { entry: 0 });
    swarms.handle_disk(world.now, FIRST, DiskReport::Changed { entry: 0 });
    assert_eq!(swarms.progress(FIRST).unwrap().done, 65_536);
    swarms.handle_disk(world.now, FIRST, DiskReport::Changed { entry: 7 });
    swarms.handle_disk(world.now, FIRST, DiskReport::Changed { entry: 1 });
    world.run_until(Duration::from_millis(1), |_| false);
    assert_eq!(count(&world, origin, Event::Changed { swarm: FIRST }), 2);
    assert!(
        world.peers[origin]
            .requests
            .contains(&Request::Withdraw(file))
    );
}

#[test]
fn a_shard_that_goes_bad_is_found_within_its_time_and_no_longer_served() {
    let mut world = World::new(4);
    let (origin, getter) = (world.node(), world.node());
    let size = 5_000_000;
    world.share(origin, &[("", bytes(9, size))]);
    let shared_at = world.now;
    world.peers[origin].disk.get_mut(&0).unwrap().entries[0][123_456] ^= 1;
    let manifest = world.peers[origin].swarms.manifest(FIRST).unwrap();
    let (file, shard) = (manifest.file_id(), 123_456 / manifest.shard_size());
    let rotten = Event::Rotten {
        swarm: FIRST,
        shard,
        remedy: Remedy::Restore,
    };
    let found = |world: &World| count(world, origin, rotten) > 0;
    assert!(world.run_until(2 * SCRUB_INTERVAL, found));
    let took = world.now.since(shared_at);
    let slices = size as u64 / SCRUB_SIZE + 2;
    let longest = SCRUB_INTERVAL + SCRUB_PERIOD * slices as u32;
    assert!(
        took + MINUTE >= SCRUB_INTERVAL && took <= longest,
        "{took:?}"
    );
    assert!(!world.peers[origin].swarms.holds(FIRST, shard));
    assert!(world.peers[origin].swarms.holds(FIRST, shard + 1));
    // Nobody is given what is wrong, and the rest is served.
    world.fetch(getter, file, &[origin]);
    let corrupt = |event: &Event| matches!(event, Event::Corrupt { .. });
    let has = |world: &World| {
        world.peers[getter]
            .swarms
            .progress(FIRST)
            .map_or(0, |p| p.done)
    };
    let rest = world.peers[origin].swarms.progress(FIRST).unwrap().done;
    assert!(world.run_until(MINUTE, |world| has(world) == rest));
    assert!(!world.peers[getter].events.iter().any(corrupt));
    // Once a week, and once said.
    world.run_until(2 * SCRUB_INTERVAL, |_| false);
    assert_eq!(count(&world, origin, rotten), 1);
}

#[test]
fn a_scrub_reads_slowly_and_sleeps_between_files() {
    let mut world = World::new(5);
    let origin = world.node();
    let size = 8_000_000;
    world.share(origin, &[("", bytes(9, size))]);
    let swarms = &mut world.peers[origin].swarms;
    let due = swarms.poll_timeout().unwrap();
    assert!(due + Duration::from_secs(1) >= world.now + SCRUB_INTERVAL);
    let content = bytes(9, size);
    let (mut now, mut read, mut slices) = (due, 0, 0);
    while read < size as u64 {
        swarms.handle_timeout(now);
        let mut slice = 0;
        while let Some(range) = swarms.poll_read(now) {
            let start = range.offset as usize;
            let end = start + range.length as usize;
            swarms.handle_disk(now, range.swarm, DiskReport::Read(Ok(&content[start..end])));
            slice += u64::from(range.length);
        }
        assert!(slice > 0 && slice <= SCRUB_SIZE + 256 * 1024, "{slice}");
        (read, slices) = (read + slice, slices + 1);
        let next = swarms.poll_timeout().unwrap();
        let pause = if read < size as u64 {
            SCRUB_PERIOD
        } else {
            SCRUB_INTERVAL
        };
        assert_eq!(next, now + pause);
        now = next;
    }
    assert!(slices >= size as u64 / SCRUB_SIZE);
}

#[test]
fn a_journal_without_room_holds_a_fetch_up_until_a_checkpoint_finds_some() {
    let mut world = World::new(6);
    let (origin, getter) = (world.node(), world.node());
    let size = 1_000_000;
    let file = world.share(origin, &[("", bytes(9, size))]);
    world.peers[getter]
        .disk
        .entry(0)
        .or_default()
        .journal_is_full = true;
    let progress = |world: &World| world.peers[getter].swarms.progress(FIRST);
    world.fetch(getter, file, &[origin]);
    world.run_until(MINUTE, |world| {
        progress(world).is_some_and(|p| p.done >= 300_000)
    });
    world.peers[origin].uplink = 1;
    // The first checkpoint is due half a minute after the first shard.
    let full = paused(DiskError::NoSpace);
    assert!(world.run_until(MINUTE, |world| count(world, getter, full) == 1));
    world.peers[origin].uplink = usize::MAX;
    let complete = |world: &World| world.is_complete(getter);
    assert!(!world.run_until(4 * SPACE_RETRY, complete));
    assert_eq!(count(&world, getter, full), 1);
    assert_eq!(count(&world, getter, CONTINUED), 0);
    assert_eq!(progress(&world).unwrap().durable, 0);
    world.peers[getter]
        .disk
        .get_mut(&0)
        .unwrap()
        .journal_is_full = false;
    assert!(world.run_until(MINUTE, complete));
    assert_eq!(count(&world, getter, CONTINUED), 1);
}

#[test]
fn a_file_of_which_all_is_there_needs_no_room_for_its_journal() {
    let mut world = World::new(8);
    let (origin, getter) = (world.node(), world.node());
    let file = world.share(origin, &[("", bytes(9, 1_000_000))]);
    world.peers[getter].disk.entry(0).or_default().is_slow = true;
    world.fetch(getter, file, &[origin]);
    let done = |world: &World| {
        let progress = world.peers[getter].swarms.progress(FIRST);
        progress.map_or(0, |progress| progress.done)
    };
    assert!(world.run_until(MINUTE, |world| done(world) >= 300_000));
    world.peers[origin].uplink = 1;
    let commits = |world: &World| world.peers[getter].disk[&0].committing;
    assert!(world.run_until(MINUTE, commits));
    world.peers[origin].uplink = usize::MAX;
    assert!(world.run_until(MINUTE, |world| done(world) == 1_000_000));
    assert!(!world.is_complete(getter));
    let now = world.now;
    let Peer { swarms, disk, .. } = &mut world.peers[getter];
    disk.get_mut(&0).unwrap().committing = false;
    swarms.handle_disk(
        now,
        FIRST,
        DiskReport::Checkpointed(Err(DiskError::NoSpace)),
    );
    assert!(world.run_until(MINUTE, |world| world.is_complete(getter)));
}

#[test]
fn a_lost_shard_that_was_offered_takes_no_slot_from_the_others() {
    for seed in 0..10 {
        let mut world = World::new(seed);
        let (origin, getter) = (world.node(), world.node());
        let entries = [("a", bytes(1, 1_000_000)), ("b", bytes(2, 1_000_000))];
        let file = world.share(origin, &entries);
        world.uplink = 1_000;
        let swarm = world.fetch(getter, file, &[origin]);
        let done = |world: &World| {
            let progress = world.peers[getter].swarms.progress(swarm);
            progress.map_or(0, |progress| progress.done)
        };
        assert!(world.run_until(MINUTE, |world| done(world) > 100_000));
        world.peers[origin]
            .swarms
            .handle_disk(world.now, FIRST, DiskReport::Changed { entry: 0 });
        // But for the shard that both have a part of.
        let is_there = |world: &World| {
            world.peers[getter].disk[&0].entries[1][15_808..] == entries[1].1[15_808..]
        };
        let time = Duration::from_secs(5);
        assert!(world.run_until(time, is_there), "{}", done(&world));
    }
}
