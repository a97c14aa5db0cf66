//! Shards that go bad under the real program: those of a fetched file are fetched again and written
//! in place, also when the process is killed in between; files that a user edits are left alone.

use super::{can_inject, share};
use crate::support::{Proxy, Scratch, Sprat, assert_same, run, with_providers};
use rustix::process::Signal;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// Bytes of the file: shards of 16 KiB.
const SIZE: usize = 4 << 20;

/// Flips bits of a file in the middle of so many shards, as a card does: its times do not change.
fn rot(path: &Path, shards: u64) {
    let file = File::options().read(true).write(true).open(path).unwrap();
    let modified = file.metadata().unwrap().modified().unwrap();
    for shard in 0..shards {
        let mut byte = [0];
        let at = (shard * 3 + 1) * 16 * 1024 + 100;
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[byte[0] ^ 1], at).unwrap();
    }
    file.set_modified(modified).unwrap();
}

#[test]
fn a_shard_of_a_fetched_file_that_cannot_be_read_is_fetched_again() {
    if !can_inject("a fetched shard that cannot be read") {
        return;
    }
    let scratch = Scratch::new();
    let (_share, file, link) = share(&scratch, SIZE);
    let place = scratch.place("seed");
    let words = ["get", "-l", "127.0.0.1:0", "--seed", &link];
    let failing = "sendfile:error=EIO:when=3";
    let mut seed = Sprat::start_traced(&place, "sendfile", failing, &words);
    let address = seed.address().parse().unwrap();
    seed.news("serving it until interrupted");
    let link = with_providers(&link, &[address]);
    let other = scratch.place("other");
    let get = Sprat::start(&other, &["get", "-l", "127.0.0.1:0", &link]);
    let line = seed.news("has gone bad on the disk");
    assert!(line.ends_with(": it is fetched again"), "{line}");
    let line = seed.news("file.bin is repaired: ");
    assert!(line.ends_with("1 shard fetched again"), "{line}");
    assert_eq!(get.end().code, Some(0));
    for place in [&place, &other] {
        assert_same(&file, &place.join("file.bin"));
    }
    seed.signal(Signal::TERM);
    assert_eq!(seed.end().code, Some(0));
}

#[test]
fn a_fetched_file_that_rots_is_repaired_by_the_next_start_and_an_edited_one_is_left_alone() {
    let scratch = Scratch::new();
    let (_share, file, link) = share(&scratch, SIZE);
    let place = scratch.place("get");
    let words = ["get", "-l", "127.0.0.1:0", &link];
    assert_eq!(run(&place, &words).code, Some(0));
    let copy = place.join("file.bin");
    rot(&copy, 2);
    let ended = run(&place, &words);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended.assert_said("shard 1 of ./file.bin has gone bad on the disk: it is fetched again");
    ended.assert_said("file.bin is repaired: 2 shards fetched again");
    assert_same(&file, &copy);
    // Once more: the times of the repaired file are the ones that are known.
    rot(&copy, 1);
    let ended = run(&place, &words);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_same(&file, &copy);

    let edited = File::options().write(true).open(&copy).unwrap();
    edited.write_all_at(b"mine", 100_000).unwrap();
    let before = fs::read(&copy).unwrap();
    run(&place, &words).assert(1, "file.bin");
    assert!(
        fs::read(&copy).unwrap() == before,
        "a file of the user is left alone"
    );
}

#[test]
fn a_kill_in_the_middle_of_a_repair_leaves_a_file_that_the_next_start_repairs() {
    let scratch = Scratch::new();
    let (mut share, file, link) = share(&scratch, SIZE);
    let place = scratch.place("get");
    assert_eq!(
        run(&place, &["get", "-l", "127.0.0.1:0", &link]).code,
        Some(0)
    );
    let copy = place.join("file.bin");
    rot(&copy, 60);
    // The manifest is known: of sixty shards some come.
    let proxy = Proxy::start(&share.address(), 400_000);
    let through = with_providers(&link, &[proxy.address]);
    let words = ["get", "-l", "127.0.0.1:0", "--seed", &through];
    let mut seed = Sprat::start(&place, &words);
    seed.news("has gone bad on the disk");
    proxy.wait_until_spent();
    seed.signal(Signal::KILL);
    assert_eq!(seed.end().code, None);
    proxy.open();
    assert!(fs::read(&copy).unwrap() != fs::read(&file).unwrap());
    let mut seed = Sprat::start(&place, &words);
    let line = seed.news("is repaired: ");
    let count = line
        .split("is repaired: ")
        .nth(1)
        .unwrap()
        .split(' ')
        .next();
    let count: u32 = count.unwrap().parse().unwrap();
    assert!(count > 0 && count < 60, "earlier writes count: {line}");
    seed.news("serving it until interrupted");
    assert_same(&file, &copy);
    assert_eq!(seed.stop().code, Some(0));
}

#[test]
fn a_damaged_list_of_what_was_verified_costs_a_line_and_a_newer_one_is_left_alone() {
    let scratch = Scratch::new();
    let (_share, file, link) = share(&scratch, SIZE);
    let place = scratch.place("get");
    let words = ["get", "-l", "127.0.0.1:0", &link];
    assert_eq!(run(&place, &words).code, Some(0));
    let list = place.join(".local/state/sprat/verified");
    let mut bytes = fs::read(&list).unwrap();
    assert_eq!(bytes.len(), 20 + 69);
    bytes[40] ^= 1;
    fs::write(&list, &bytes).unwrap();
    let ended = run(&place, &words);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended.assert_said("verified is damaged: ");
    assert_same(&file, &place.join("file.bin"));
    let mut newer = b"sprat-vf\x02whatever".to_vec();
    newer.extend(crc32fast::hash(&newer).to_be_bytes());
    fs::write(&list, &newer).unwrap();
    run(&place, &words).assert(1, "it was written by a newer version of sprat");
    assert_eq!(fs::read(&list).unwrap(), newer);
}
