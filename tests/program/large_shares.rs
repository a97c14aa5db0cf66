//! Folders of many files, and files of many bytes.
//!
//! A folder of 2,000 files is shared and fetched; `SPRAT_MANY_FILES=20000 cargo test --test program
//! large_shares -- --nocapture` is the full size, and prints what it took.

use crate::support::{Scratch, Sprat, assert_same, run, text};
use sprat::wire::{Entries, Manifest};
use std::fs::{self, File};
use std::time::Instant;

/// Memory of a node at work with a short manifest, in KiB: 4 MiB as released, and the program as
/// built for tests takes 1 MiB more.
const MEMORY_MAX: u64 = 6 * 1024;
/// The part of it that is not mapped from the program's file or a library, in KiB.
const OWN_MEMORY_MAX: u64 = 512;
/// Bytes of it that each entry of a folder may add: 41 in the manifest, 10 in the lists of paths
/// and sizes of the node and of the disk, 24 for its fingerprint. Making and reading them takes
/// less than serving does later; it may leave holes.
const MEMORY_PER_FILE_MAX: u64 = 100;
const SPARSE_SIZE: u64 = 100 << 30;

fn files() -> u64 {
    let count = std::env::var("SPRAT_MANY_FILES");
    count.map_or(2_000, |count| {
        count.parse().expect("SPRAT_MANY_FILES is a number")
    })
}

#[test]
fn a_folder_of_many_files_is_shared_in_bounded_memory_while_others_are_served() {
    let scratch = Scratch::new();
    let count = files();
    let tree = scratch.place("tree");
    for index in 0..count {
        let folder = tree.join(format!("{:03}", index / 100));
        if index % 100 == 0 {
            fs::create_dir(&folder).unwrap();
        }
        fs::write(
            folder.join(format!("{index:06}.txt")),
            format!("file {index}\n"),
        )
        .unwrap();
    }
    let small = scratch.file("small.bin", 100_000);
    let place = scratch.place("share");
    let words = ["share", "-l", "127.0.0.1:0", text(&small), text(&tree)];
    let mut share = Sprat::start(&place, &words);
    // It is served from its link on, whatever else is being hashed.
    let link = share.link(1);
    let began = Instant::now();
    run(
        &scratch.place("first"),
        &["get", "-l", "127.0.0.1:0", &link],
    )
    .assert(0, "");
    let first = began.elapsed();
    let link = share.link(2);
    let hashed = began.elapsed();
    let place = scratch.place("get");
    let mut get = Sprat::start(&place, &["get", "-l", "127.0.0.1:0", "--seed", &link]);
    get.news("serving it until interrupted");
    let fetched = began.elapsed() - hashed;
    let peaks = [share.memory_peak(), get.memory_peak()];
    let own = [share.memory_of_its_own(), get.memory_of_its_own()];
    println!(
        "{count} files: another file served in {first:?}, hashed in {hashed:?}, fetched in \
         {fetched:?}; KiB of memory: {peaks:?}, of which {own:?} are no file's"
    );
    for (taken, most) in [(peaks, MEMORY_MAX), (own, OWN_MEMORY_MAX)] {
        let most = most + count * MEMORY_PER_FILE_MAX / 1024;
        assert!(
            taken.iter().all(|&taken| taken <= most),
            "{taken:?} KiB, at most {most}"
        );
    }
    drop(get);
    assert_same(&tree, &place.join("tree"));
}

#[test]
fn a_huge_file_is_hashed_while_others_are_served() {
    let scratch = Scratch::new();
    let huge = scratch.place("huge").join("file.bin");
    if File::create(&huge).unwrap().set_len(SPARSE_SIZE).is_err() {
        println!("SKIPPED: a huge file: the file system has no sparse files of that size");
        return;
    }
    let small = scratch.file("small.bin", 1 << 20);
    let words = ["share", "-l", "127.0.0.1:0", text(&small), text(&huge)];
    let mut share = Sprat::start(&scratch.place("share"), &words);
    let link = share.link(1);
    for place in ["one", "two"] {
        run(&scratch.place(place), &["get", "-l", "127.0.0.1:0", &link]).assert(0, "");
    }
    let peak = share.memory_peak();
    assert!(peak <= MEMORY_MAX, "{peak} KiB");
    assert_eq!(
        share.stop().code,
        Some(130),
        "it was interrupted before everything was shared"
    );
}

#[test]
fn every_byte_of_a_huge_file_has_one_place() {
    let shard_size = Manifest::shard_size_for(SPARSE_SIZE);
    let count = SPARSE_SIZE.div_ceil(shard_size.into());
    let hashes = vec![7; count as usize * 20];
    let size = SPARSE_SIZE - 12_345;
    let split = 3 * (1 << 32) + 1;
    let entries = Entries::of([("a", split), ("b", size - split)]).unwrap();
    let manifest = Manifest::build("huge", true, entries, shard_size, &hashes).unwrap();
    assert_eq!(
        (manifest.size(), u64::from(manifest.shard_count())),
        (size, count)
    );
    let mut ends = [0, 0];
    for shard in 0..manifest.shard_count() {
        let mut inside = 0;
        for segment in manifest.segments(shard, 0, manifest.shard_length(shard)) {
            let end = &mut ends[segment.entry as usize];
            assert_eq!(segment.offset, *end, "shard {shard}");
            *end += u64::from(segment.length);
            inside += segment.length;
        }
        assert_eq!(inside, manifest.shard_length(shard));
    }
    assert_eq!(ends, [split, size - split]);
}
