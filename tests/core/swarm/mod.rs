//! Swarms among themselves: every byte that arrives is right, is fetched once, and comes from a
//! peer that has it.

mod checkpoints;
mod hostile;
mod owner;
mod providers;
mod repair;
mod slow;
mod waiting;
mod world;

use sha1::{Digest as _, Sha1};
use sprat::id::NodeId;
use sprat::output::{Chunk, DiskReport, Event, Failure, Output, Prepared, SwarmKey};
use sprat::rng::Rng;
use sprat::swarm::{Config, Phase, Request, Swarms};
use sprat::time::Instant;
use sprat::wire::native::frame::{Hello, Holds};
use sprat::wire::{Entries, Frame, Manifest, Network};
use std::time::Duration;
use world::World;

const MINUTE: Duration = Duration::from_secs(60);

/// The first swarm of a node.
const FIRST: SwarmKey = SwarmKey {
    slot: 0,
    generation: 0,
};

fn bytes(seed: u64, size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    Rng::from_number(seed).fill(&mut bytes);
    bytes
}

#[test]
fn a_file_of_every_odd_size_arrives_identical() {
    for size in [0, 1, 65_535, 65_536, 65_537, 1_000_000] {
        let mut world = World::new(size as u64);
        let (origin, getter) = (world.node(), world.node());
        let content = bytes(1, size);
        let file = world.share(origin, &[("", content.clone())]);
        let swarm = world.fetch(getter, file, &[origin]);
        assert!(
            world.run_until(MINUTE, |world| world.is_complete(getter)),
            "size {size}"
        );
        let disk = &world.peers[getter].disk[&swarm.slot];
        assert!(disk.entries[0] == content && disk.finished, "size {size}");
    }
}

#[test]
fn a_folder_with_entries_of_all_sizes_arrives_identical() {
    let mut world = World::new(2);
    let (origin, getter) = (world.node(), world.node());
    let sizes = [0, 1, 70_000, 1, 0, 65_536, 200_000, 3, 0];
    let paths: Vec<String> = (0..sizes.len())
        .map(|number| format!("sub/{number}"))
        .collect();
    let entries: Vec<(&str, Vec<u8>)> = paths
        .iter()
        .zip(sizes)
        .map(|(path, size)| (path.as_str(), bytes(9, size)))
        .collect();
    let file = world.share(origin, &entries);
    let swarm = world.fetch(getter, file, &[origin]);
    assert!(world.run_until(MINUTE, |world| world.is_complete(getter)));
    let expected: Vec<Vec<u8>> = entries.into_iter().map(|(_, bytes)| bytes).collect();
    assert_eq!(world.peers[getter].disk[&swarm.slot].entries, expected);
}

#[test]
fn many_getters_help_each_other_and_fetch_no_byte_twice() {
    let mut world = World::new(3);
    world.uplink = 1_250; // 12.5 MB/s
    let origin = world.node();
    let getters: Vec<usize> = (0..8).map(|_| world.node()).collect();
    let content = bytes(3, 3_000_000);
    let file = world.share(origin, &[("", content.clone())]);
    for &getter in &getters {
        world.fetch(getter, file, &[origin]);
    }
    let done = |world: &World| getters.iter().all(|&getter| world.is_complete(getter));
    assert!(world.run_until(MINUTE, done));
    for &getter in &getters {
        assert!(world.peers[getter].disk[&0].entries[0] == content);
        let overhead = world.peers[getter].received - content.len();
        assert!(
            overhead < content.len() / 40,
            "node {getter} received {overhead} bytes too many"
        );
    }
    let sent: Vec<u64> = (0..9)
        .map(|number| {
            let key = sprat::output::SwarmKey {
                slot: 0,
                generation: 0,
            };
            world.peers[number].swarms.progress(key).unwrap().sent
        })
        .collect();
    assert_eq!(sent.iter().sum::<u64>(), 8 * content.len() as u64);
    println!(
        "sent by each: {sent:?}, after {:?}",
        world.now - Instant::ZERO
    );
    assert!(
        sent[0] < 4 * content.len() as u64,
        "the origin sent most of it itself: {sent:?}"
    );
}

#[test]
fn a_fleet_with_equal_uplinks_finishes_near_the_bound() {
    let (hosts, size) = (16, 8 << 20);
    let mut world = World::new(12);
    world.uplink = 1_250; // bytes in 100 µs: 12.5 MB/s
    let origin = world.node();
    let content = bytes(12, size);
    let file = world.share(origin, &[("", content.clone())]);
    let started = world.now;
    for _ in 1..hosts {
        let getter = world.node();
        world.fetch(getter, file, &[origin]);
    }
    let done = |world: &World| (1..hosts).all(|getter| world.is_complete(getter));
    assert!(world.run_until(MINUTE, done));
    let time = (world.now - started).as_micros() as f64;
    let bound = size as f64 / 12.5;
    let key = sprat::output::SwarmKey {
        slot: 0,
        generation: 0,
    };
    let sent: Vec<u64> = (0..hosts)
        .map(|number| world.peers[number].swarms.progress(key).unwrap().sent)
        .collect();
    let origin_sent = sent[0] as f64 / size as f64;
    println!(
        "time / bound {:.2}, origin sent {origin_sent:.2} of the file: {sent:?}",
        time / bound
    );
    assert!(time / bound < 1.6 && origin_sent < 1.5);
}

#[test]
fn a_provider_that_dies_is_replaced_by_another() {
    let mut world = World::new(4);
    let (one, two, getter) = (world.node(), world.node(), world.node());
    let content = bytes(4, 2_000_000);
    let file = world.share(one, &[("", content.clone())]);
    assert_eq!(world.share(two, &[("", content.clone())]), file);
    let swarm = world.fetch(getter, file, &[one, two]);
    let half = |world: &World| world.peers[getter].received > 1_000_000;
    assert!(world.run_until(MINUTE, half));
    world.kill(one);
    assert!(world.run_until(MINUTE, |world| world.is_complete(getter)));
    let peer = &world.peers[getter];
    assert!(peer.disk[&swarm.slot].entries[0] == content);
    assert!(
        peer.received < content.len() + 200_000,
        "bytes were fetched twice: {}",
        peer.received
    );
}

#[test]
fn wrong_bytes_are_blamed_on_their_sender_and_fetched_elsewhere() {
    let mut world = World::new(5);
    let (liar, honest, getter) = (world.node(), world.node(), world.node());
    let content = bytes(5, 2_000_000);
    let file = world.share(liar, &[("", content.clone())]);
    world.share(honest, &[("", content.clone())]);
    for byte in world.peers[liar].disk.get_mut(&0).unwrap().entries[0]
        .iter_mut()
        .step_by(1_000)
    {
        *byte ^= 1;
    }
    let swarm = world.fetch(getter, file, &[liar, honest]);
    assert!(world.run_until(MINUTE, |world| world.is_complete(getter)));
    assert!(world.peers[getter].disk[&swarm.slot].entries[0] == content);
    let liar = world.peers[liar].location;
    let blamed: Vec<_> = world.peers[getter]
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Corrupt { from, .. } => Some(*from),
            _ => None,
        })
        .collect();
    assert!(
        !blamed.is_empty() && blamed.iter().all(|from| *from == liar),
        "{blamed:?}"
    );
    let counted = world.peers[getter].swarms.counters().corrupt;
    assert_eq!(counted, blamed.len() as u64);
}

#[test]
fn wrong_bytes_from_the_only_provider_fail_and_are_never_finished() {
    let mut world = World::new(6);
    let (liar, getter) = (world.node(), world.node());
    let file = world.share(liar, &[("", bytes(6, 300_000))]);
    world.peers[liar].disk.get_mut(&0).unwrap().entries[0][200_000] ^= 1;
    let swarm = world.fetch(getter, file, &[liar]);
    let failed = |world: &World| {
        world.peers[getter]
            .events
            .iter()
            .any(|event| matches!(event, Event::Failed { .. }))
    };
    assert!(world.run_until(5 * MINUTE, failed));
    let cause = world.peers[getter]
        .events
        .iter()
        .find_map(|event| match event {
            Event::Failed { cause, .. } => Some(*cause),
            _ => None,
        });
    assert_eq!(cause, Some(Failure::Incomplete { missing: 1 }));
    assert!(!world.peers[getter].disk[&swarm.slot].finished);
}

#[test]
fn shards_on_the_disk_are_verified_and_only_the_rest_is_fetched() {
    let mut world = World::new(7);
    let (origin, getter) = (world.node(), world.node());
    let content = bytes(7, 1_000_000);
    let file = world.share(origin, &[("", content.clone())]);
    let mut part = content.clone();
    part[500_000..].fill(0);
    let disk = world.peers[getter].disk.entry(0).or_default();
    (disk.entries, disk.prepared) = (vec![part], Some(Prepared::Partial));
    world.fetch(getter, file, &[origin]);
    assert!(world.run_until(MINUTE, |world| world.is_complete(getter)));
    assert!(world.peers[getter].disk[&0].entries[0] == content);
    assert!(world.peers[getter].received < 600_000);
    let resumed = |event: &Event| matches!(event, Event::Resumed { held: 30, .. });
    assert!(world.peers[getter].events.iter().any(resumed));
}

#[test]
fn a_complete_file_is_recognised_and_another_file_is_left_alone() {
    let content = bytes(8, 300_000);
    for (on_disk, complete) in [(content.clone(), true), (bytes(88, 300_000), false)] {
        let mut world = World::new(8);
        let (origin, getter) = (world.node(), world.node());
        let file = world.share(origin, &[("", content.clone())]);
        let disk = world.peers[getter].disk.entry(0).or_default();
        (disk.entries, disk.prepared) = (vec![on_disk.clone()], Some(Prepared::Final));
        let swarm = world.fetch(getter, file, &[origin]);
        let expected = if complete {
            Event::Complete {
                swarm,
                already: true,
            }
        } else {
            Event::Failed {
                swarm,
                cause: Failure::OtherFile,
            }
        };
        assert!(world.run_until(MINUTE, |world| {
            world.peers[getter].events.contains(&expected)
        }));
        assert!(world.peers[getter].disk[&0].entries[0] == on_disk);
    }
}

#[test]
fn a_node_that_finds_the_file_on_its_disk_while_it_dials_says_so() {
    // Of two nodes that both offer, neither would ever learn that there is nothing to exchange.
    let (content, now, network) = (bytes(9, 40_000), Instant::ZERO, Network::named("test"));
    let hashes: Vec<u8> = content.chunks(16 * 1024).flat_map(Sha1::digest).collect();
    let entries = Entries::single(content.len() as u64);
    let manifest = Manifest::build("name", false, entries, 16 * 1024, &hashes).unwrap();
    let (file, node, port) = (manifest.file_id(), NodeId(Rng::from_number(1).id()), 4160);
    let config = Config {
        id: node,
        network,
        port,
    };
    let mut swarms = Swarms::new(config, Rng::from_number(2));
    let manifest_size = manifest.bytes().len() as u32;
    let location = "10.0.0.9:4160".parse().unwrap();
    let swarm = swarms
        .fetch(now, file, Some(manifest), &[location])
        .unwrap();
    swarms.handle_timeout(now);
    let mut dialled = None;
    while let Some(output) = swarms.poll_output() {
        match output {
            Output::Connect { stream, .. } => dialled = Some(stream),
            Output::Prepare(of) => {
                swarms.handle_disk(now, of, DiskReport::Prepared(Ok(Prepared::Final)))
            }
            other => panic!("{other:?}"),
        }
    }
    while let Some(range) = swarms.poll_read(now) {
        let part = &content[range.offset as usize..][..range.length as usize];
        swarms.handle_disk(now, swarm, DiskReport::Read(Ok(part)));
    }
    assert_eq!(swarms.progress(swarm).unwrap().phase, Phase::Complete);
    let stream = dialled.expect("it was on its way");
    swarms.handle_connected(now, stream);
    assert_eq!(
        swarms.poll_send(now, stream),
        Some(Chunk::Bytes { more: false })
    );
    let open = Frame::Open(Hello {
        file,
        node,
        port,
        holds: Holds::All,
        manifest_size,
        shard_count: 3,
    });
    let mut expected = vec![0; open.size()];
    open.emit(network, &mut expected);
    assert_eq!(swarms.bytes(stream), expected);
}

#[test]
fn a_file_that_nobody_has_fails_within_a_bounded_time() {
    let mut world = World::new(10);
    let getter = world.node();
    let file = sprat::id::FileId(sprat::id::Id([9; 20]));
    let swarm = world.fetch(getter, file, &[]);
    let expected = Event::Failed {
        swarm,
        cause: Failure::Nobody { asked: 0 },
    };
    let done = |world: &World| world.peers[getter].events.contains(&expected);
    assert!(world.run_until(Duration::from_secs(30), done));
}

#[test]
fn a_truncated_file_is_no_longer_served_and_its_getter_is_told_in_time() {
    let mut world = World::new(11);
    let (origin, getter) = (world.node(), world.node());
    let file = world.share(origin, &[("", bytes(11, 1_000_000))]);
    world.peers[origin].disk.get_mut(&0).unwrap().entries[0].truncate(500_000);
    let swarm = world.fetch(getter, file, &[origin]);
    let failed = |world: &World| {
        let failed =
            |event: &Event| matches!(event, Event::Failed { swarm: of, .. } if *of == swarm);
        world.peers[getter].events.iter().any(failed)
    };
    assert!(world.run_until(2 * MINUTE, failed));
    let said = |event: &&Event| matches!(event, Event::Changed { .. });
    assert_eq!(world.peers[origin].events.iter().filter(said).count(), 1);
    assert!(
        world.peers[origin]
            .requests
            .contains(&Request::Withdraw(file))
    );
    assert!(!world.is_complete(getter));
}

#[test]
fn an_edited_entry_takes_no_other_with_it() {
    let mut world = World::new(13);
    let (origin, getter) = (world.node(), world.node());
    let entries = [
        ("a", bytes(1, 400_000)),
        ("b", bytes(2, 400_000)),
        ("c", bytes(3, 400_000)),
    ];
    let file = world.share(origin, &entries);
    world.peers[origin].disk.get_mut(&0).unwrap().entries[1].clear();
    world.fetch(getter, file, &[origin]);
    let key = sprat::output::SwarmKey {
        slot: 0,
        generation: 0,
    };
    let done = |world: &World| {
        world.peers[getter]
            .swarms
            .progress(key)
            .map_or(0, |p| p.done)
    };
    assert!(world.run_until(MINUTE, |world| done(world) >= 700_000));
}

#[test]
fn nodes_that_wait_for_each_other_both_finish_when_one_learns_the_manifest() {
    let mut world = World::new(14);
    let (one, two, origin) = (world.node(), world.node(), world.node());
    let content = bytes(14, 1_000_000);
    let file = world.share(origin, &[("", content)]);
    world.fetch(one, file, &[two]);
    world.fetch(two, file, &[one]);
    let connected = |world: &World| {
        let met = |event: &Event| matches!(event, Event::Connected { .. });
        [one, two]
            .iter()
            .all(|&node| world.peers[node].events.iter().any(met))
    };
    assert!(world.run_until(MINUTE, connected));
    let (now, location) = (world.now, world.peers[origin].location);
    world.peers[one].swarms.handle_provider(now, file, location);
    let done = |world: &World| world.is_complete(one) && world.is_complete(two);
    assert!(world.run_until(MINUTE, done));
}

#[test]
fn a_fetch_whose_only_provider_is_gone_fails_although_it_is_dialled_again_and_again() {
    let mut world = World::new(17);
    let (origin, getter) = (world.node(), world.node());
    let file = world.share(origin, &[("", bytes(17, 300_000))]);
    world.kill(origin);
    let swarm = world.fetch(getter, file, &[origin]);
    let expected = Event::Failed {
        swarm,
        cause: Failure::Nobody { asked: 0 },
    };
    let failed = |world: &World| world.peers[getter].events.contains(&expected);
    assert!(world.run_until(Duration::from_secs(20), failed));
}
