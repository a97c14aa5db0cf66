//! Shards that go bad on the disk of a node that has fetched them are fetched again, and nothing
//! else is written.

use super::world::World;
use super::{MINUTE, bytes};
use sprat::limits::{PATIENCE_PARTIAL, REPAIR_RETRY, REPAIRS_MAX, SCRUB_INTERVAL, SPACE_RETRY};
use sprat::output::{DiskError, DiskReport, Event, Failure, Prepared, Remedy, SwarmKey};
use std::time::Duration;

const FIRST: SwarmKey = SwarmKey {
    slot: 0,
    generation: 0,
};
const SIZE: usize = 1_000_000;
const SHARD_SIZE: usize = 16 * 1024;

fn count(world: &World, number: usize, event: Event) -> usize {
    let said = world.peers[number].events.iter();
    said.filter(|other| **other == event).count()
}

fn rotten(shard: u32, remedy: Remedy) -> Event {
    Event::Rotten {
        swarm: FIRST,
        shard,
        remedy,
    }
}

fn repaired(shards: u32) -> Event {
    Event::Repaired {
        swarm: FIRST,
        shards,
    }
}

fn unrepaired(missing: u32, cause: Option<DiskError>) -> Event {
    Event::Unrepaired {
        swarm: FIRST,
        missing,
        cause,
    }
}

/// A node that shares, and one that has fetched all of it; the content.
fn fetched(seed: u64) -> (World, usize, usize, Vec<u8>) {
    let mut world = World::new(seed);
    let (origin, getter) = (world.node(), world.node());
    let content = bytes(9, SIZE);
    let file = world.share(origin, &[("", content.clone())]);
    world.fetch(getter, file, &[origin]);
    assert!(world.run_until(MINUTE, |world| world.is_complete(getter)));
    (world, origin, getter, content)
}

/// Flips a bit in each of these shards of what a node has on its disk.
fn rot(world: &mut World, number: usize, shards: &[u32]) {
    let entry = &mut world.peers[number].disk.get_mut(&0).unwrap().entries[0];
    for &shard in shards {
        entry[shard as usize * SHARD_SIZE + 7] ^= 1;
    }
}

fn content_of(world: &World, number: usize) -> &[u8] {
    &world.peers[number].disk[&0].entries[0]
}

#[test]
fn a_shard_that_goes_bad_in_a_finished_file_is_found_fetched_again_and_written_in_its_place() {
    let (mut world, origin, getter, content) = fetched(1);
    rot(&mut world, getter, &[5, 60]);
    let before = world.peers[getter].received;
    let done = |world: &World| count(world, getter, repaired(1)) == 2;
    assert!(world.run_until(2 * SCRUB_INTERVAL, done));
    for shard in [5, 60] {
        assert_eq!(count(&world, getter, rotten(shard, Remedy::Fetch)), 1);
        assert!(world.peers[getter].swarms.holds(FIRST, shard));
    }
    assert!(content_of(&world, getter) == content);
    let came = world.peers[getter].received - before;
    assert!(came < 3 * SHARD_SIZE + 4_000, "{came} bytes for two shards");
    // The file that the origin shares is as before.
    assert_eq!(world.peers[origin].disk[&0].reopenings, 0);
    world.run_until(2 * SCRUB_INTERVAL, |_| false);
    assert_eq!(count(&world, getter, repaired(1)), 2);
}

#[test]
fn a_repair_that_finds_nobody_is_said_serves_the_rest_and_is_tried_again() {
    let (mut world, origin, getter, content) = fetched(2);
    rot(&mut world, getter, &[3]);
    world.kill(origin);
    let said = unrepaired(1, None);
    assert!(world.run_until(2 * SCRUB_INTERVAL, |world| count(world, getter, said) == 1));
    assert_eq!(count(&world, getter, rotten(3, Remedy::Fetch)), 1);
    assert!(!world.peers[getter].swarms.holds(FIRST, 3));
    assert!(world.peers[getter].swarms.holds(FIRST, 4));
    let failed = |event: &Event| matches!(event, Event::Failed { .. });
    assert!(!world.peers[getter].events.iter().any(failed));
    // The getter's disk alone decides from now on; between the tries it sleeps.
    let next = world.peers[getter].swarms.poll_timeout().unwrap();
    assert!(next.since(world.now) + Duration::from_secs(1) >= REPAIR_RETRY);
    let (again, now) = (world.node(), world.now);
    let file = world.share(again, &[("", content.clone())]);
    let location = world.peers[again].location;
    let swarms = &mut world.peers[getter].swarms;
    swarms.handle_provider(now, file, location);
    assert!(
        world.run_until(2 * REPAIR_RETRY, |world| count(world, getter, repaired(1))
            == 1)
    );
    assert!(content_of(&world, getter) == content);
}

#[test]
fn a_shard_that_goes_bad_in_a_part_is_lost_first_and_then_fetched_again() {
    let mut world = World::new(3);
    let (origin, getter) = (world.node(), world.node());
    let content = bytes(9, SIZE);
    let file = world.share(origin, &[("", content.clone())]);
    world.peers[getter].disk.entry(0).or_default().writes_left = Some(40);
    world.fetch(getter, file, &[origin]);
    let progress = |world: &World| world.peers[getter].swarms.progress(FIRST).unwrap();
    // It waits for room; what has come is durable by then.
    world.run_until(2 * MINUTE, |_| false);
    let held: Vec<u32> = (0..SIZE.div_ceil(SHARD_SIZE) as u32)
        .filter(|&shard| world.peers[getter].swarms.holds(FIRST, shard))
        .collect();
    assert_eq!(progress(&world).durable as usize, held.len());
    let bad = held[held.len() / 2];
    rot(&mut world, getter, &[bad]);
    let (now, before) = (world.now, SCRUB_INTERVAL - MINUTE);
    let swarms = &mut world.peers[getter].swarms;
    swarms.handle_disk(now, FIRST, DiskReport::Verified(Some(before)));
    let found = |world: &World| count(world, getter, rotten(bad, Remedy::Fetch)) == 1;
    assert!(!world.run_until(MINUTE / 2, found));
    assert!(world.run_until(5 * MINUTE, found));
    world.run_until(SPACE_RETRY, |_| false);
    assert_eq!(progress(&world).durable as usize, held.len() - 1);
    world.peers[getter].disk.get_mut(&0).unwrap().writes_left = None;
    assert!(world.run_until(MINUTE, |world| world.is_complete(getter)));
    assert!(content_of(&world, getter) == content);
    assert_eq!(world.peers[getter].disk[&0].reopenings, 0);
}

#[test]
fn a_shard_that_cannot_be_read_for_another_is_repaired() {
    let (mut world, origin, getter, content) = fetched(4);
    // For every reader, the file on the disk is cut.
    let third = world.node();
    let file = world.peers[getter]
        .swarms
        .manifest(FIRST)
        .unwrap()
        .file_id();
    world.peers[getter].disk.get_mut(&0).unwrap().unreadable = 1;
    world.peers[origin].uplink = 1;
    world.fetch(third, file, &[getter]);
    let said = |event: &Event| {
        matches!(
            event,
            Event::Rotten {
                remedy: Remedy::Fetch,
                ..
            }
        )
    };
    assert!(world.run_until(MINUTE, |world| world.peers[getter].events.iter().any(said)));
    world.peers[origin].uplink = usize::MAX;
    assert!(world.run_until(MINUTE, |world| count(world, getter, repaired(1)) == 1));
    assert!(world.run_until(MINUTE, |world| world.is_complete(third)));
    assert!(content_of(&world, getter) == content && content_of(&world, third) == content);
}

#[test]
fn a_repair_does_not_overwrite_an_edited_file() {
    let mut world = World::new(5);
    let (origin, getter) = (world.node(), world.node());
    let entries = [("a", bytes(1, 65_536)), ("b", bytes(2, 65_536))];
    let file = world.share(origin, &entries);
    world.fetch(getter, file, &[origin]);
    assert!(world.run_until(MINUTE, |world| world.is_complete(getter)));
    world.kill(origin);
    let disk = world.peers[getter].disk.get_mut(&0).unwrap();
    disk.entries[0][100] ^= 1;
    disk.entries[1][100] ^= 1;
    let found = |world: &World| {
        let said = |event: &&Event| matches!(event, Event::Rotten { .. });
        world.peers[getter].events.iter().filter(said).count() == 2
    };
    assert!(world.run_until(2 * SCRUB_INTERVAL, found));
    // While it looks for somebody, an entry is edited.
    let now = world.now;
    world.peers[getter]
        .swarms
        .handle_disk(world.now, FIRST, DiskReport::Changed { entry: 0 });
    let (again, edited) = (
        world.node(),
        world.peers[getter].disk[&0].entries[0].clone(),
    );
    world.share(again, &entries);
    let location = world.peers[again].location;
    world.peers[getter]
        .swarms
        .handle_provider(now, file, location);
    assert!(
        world.run_until(2 * REPAIR_RETRY, |world| count(world, getter, repaired(1))
            == 1)
    );
    world.run_until(2 * REPAIR_RETRY, |_| false);
    let disk = &world.peers[getter].disk[&0];
    assert!(disk.entries[0] == edited && disk.entries[1] == entries[1].1);
}

#[test]
fn a_repair_whose_sync_fails_leaves_its_shards_bad() {
    let (mut world, _, getter, _) = fetched(6);
    rot(&mut world, getter, &[3]);
    world.peers[getter].disk.get_mut(&0).unwrap().finish_fails = true;
    let said = unrepaired(1, Some(DiskError::Failed));
    assert!(world.run_until(2 * SCRUB_INTERVAL, |world| count(world, getter, said) == 1));
    assert!(!world.peers[getter].swarms.holds(FIRST, 3));
    assert_eq!(count(&world, getter, repaired(1)), 0);
}

#[test]
fn a_file_that_may_not_be_written_is_served_without_what_is_bad() {
    let (mut world, _, getter, _) = fetched(7);
    rot(&mut world, getter, &[3]);
    let denied = DiskError::Denied;
    world.peers[getter].disk.get_mut(&0).unwrap().reopened = Some(Err(denied));
    let said = unrepaired(1, Some(denied));
    assert!(world.run_until(2 * SCRUB_INTERVAL, |world| count(world, getter, said) == 1));
    assert!(world.peers[getter].swarms.holds(FIRST, 4));
    world.run_until(REPAIR_RETRY + PATIENCE_PARTIAL, |_| false);
    assert_eq!(world.peers[getter].disk[&0].reopenings, 1);
}

#[test]
fn a_start_repairs_a_finished_file_that_is_its_own_and_leaves_another_alone() {
    let content = bytes(9, SIZE);
    let mut bad = content.clone();
    bad[3 * SHARD_SIZE] ^= 1;
    for found in [Prepared::Kept, Prepared::Final] {
        let mut world = World::new(8);
        let (origin, getter) = (world.node(), world.node());
        let file = world.share(origin, &[("", content.clone())]);
        let disk = world.peers[getter].disk.entry(0).or_default();
        (disk.entries, disk.prepared) = (vec![bad.clone()], Some(found));
        disk.finished = true;
        let swarm = world.fetch(getter, file, &[origin]);
        let other = Event::Failed {
            swarm,
            cause: Failure::OtherFile,
        };
        let is_over = |world: &World| world.is_complete(getter) || count(world, getter, other) > 0;
        assert!(world.run_until(MINUTE, is_over));
        let is_ours = found == Prepared::Kept;
        assert_eq!(world.is_complete(getter), is_ours);
        assert_eq!(content_of(&world, getter) == content, is_ours);
        assert_eq!(content_of(&world, getter) == bad, !is_ours);
        assert_eq!(count(&world, getter, repaired(1)), usize::from(is_ours));
    }
}

#[test]
fn a_file_of_which_too_much_is_bad_at_a_start_is_taken_for_another() {
    let size = (REPAIRS_MAX as usize + 10) * SHARD_SIZE;
    let mut world = World::new(9);
    let (origin, getter) = (world.node(), world.node());
    let file = world.share(origin, &[("", bytes(9, size))]);
    let disk = world.peers[getter].disk.entry(0).or_default();
    (disk.entries, disk.prepared) = (vec![vec![0; size]], Some(Prepared::Kept));
    disk.finished = true;
    let swarm = world.fetch(getter, file, &[origin]);
    let other = Event::Failed {
        swarm,
        cause: Failure::OtherFile,
    };
    assert!(world.run_until(MINUTE, |world| count(world, getter, other) == 1));
    assert_eq!(world.peers[getter].disk[&0].reopenings, 0);
}
