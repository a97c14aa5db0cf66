//! A fetch while its disk makes shards durable.

use super::world::World;
use super::{MINUTE, bytes};
use sprat::limits::CHECKPOINT_SIZE;
use sprat::output::DiskReport;
use std::time::Duration;

#[test]
fn a_node_asks_for_no_more_than_its_disk_takes_and_waits_for_it() {
    let mut world = World::new(21);
    let (origin, getter) = (world.node(), world.node());
    let size = 3 * CHECKPOINT_SIZE as usize;
    let file = world.share(origin, &[("", bytes(1, size))]);
    let swarm = world.fetch(getter, file, &[origin]);
    world.peers[getter]
        .disk
        .entry(swarm.slot)
        .or_default()
        .is_slow = true;
    // Far longer than a fetch waits for providers: this one has some, and waits for the disk.
    assert!(!world.run_until(2 * MINUTE, |world| world.is_complete(getter)));
    let progress = world.peers[getter]
        .swarms
        .progress(swarm)
        .expect("it has not given up");
    let most = 2 * CHECKPOINT_SIZE + CHECKPOINT_SIZE / 4;
    assert!(
        (2 * CHECKPOINT_SIZE..most).contains(&progress.done),
        "{progress:?}"
    );
    assert_eq!(progress.durable, 0);
    let peer = &mut world.peers[getter];
    let disk = peer.disk.get_mut(&swarm.slot).expect("it was made");
    (disk.is_slow, disk.committing) = (false, false);
    peer.swarms
        .handle_disk(world.now, swarm, DiskReport::Checkpointed(Ok(())));
    assert!(world.run_until(MINUTE, |world| world.is_complete(getter)));
}

#[test]
fn a_failed_checkpoint_ends_the_fetch() {
    let mut world = World::new(22);
    let (origin, getter) = (world.node(), world.node());
    let file = world.share(origin, &[("", bytes(1, 2 * CHECKPOINT_SIZE as usize))]);
    let swarm = world.fetch(getter, file, &[origin]);
    world.peers[getter]
        .disk
        .entry(swarm.slot)
        .or_default()
        .is_slow = true;
    let begun = |world: &World| world.peers[getter].disk[&swarm.slot].committing;
    assert!(world.run_until(Duration::from_secs(20), begun));
    let error = sprat::output::DiskError::Failed;
    world.peers[getter]
        .swarms
        .handle_disk(world.now, swarm, DiskReport::Checkpointed(Err(error)));
    assert!(
        world.peers[getter].swarms.progress(swarm).is_none(),
        "it is gone"
    );
}
