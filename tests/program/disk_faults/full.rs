//! Disks that are full for a while: the fetch waits, serving goes on, and it goes on by itself.
//!
//! The two are in one file because each waits `SPACE_RETRY`, at the same time as the other. A fetch
//! whose retries fail logs it once: `tests/core/swarm` shows that, in virtual time.

use super::{Mount, can_inject, share, wait_until_something_is_in};
use crate::support::{Scratch, Sprat, assert_same, share_behind_proxy, text, with_providers};
use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::Path;

/// Without extents, ext4 takes no room in advance, as on FAT and the like: only then can the disk
/// fill up in the middle of a fetch.
const NO_EXTENTS: &str = "^extent,^64bit,^metadata_csum";

/// Fills the file system of `path` to its last byte.
fn fill(path: &Path) {
    let mut file = File::create(path).unwrap();
    let bytes = vec![0x5a; 1 << 20];
    let mut size = bytes.len();
    while size > 0 {
        match file.write(&bytes[..size]) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::StorageFull => size /= 2,
            Err(error) => panic!("{error}"),
        }
    }
    file.sync_all().unwrap();
}

#[test]
fn a_disk_that_is_full_for_a_while_holds_a_fetch_up_and_costs_one_line() {
    if !can_inject("a disk that is full for a while") {
        return;
    }
    let scratch = Scratch::new();
    let (_share, file, link) = share(&scratch, 4 << 20);
    let place = scratch.place("get");
    // Writes in flight when the first fails; the next try finds room.
    let full = "pwrite64:error=ENOSPC:when=5..8";
    let words = ["get", "-l", "127.0.0.1:0", &link];
    let ended = Sprat::start_traced(&place, "pwrite64", full, &words).end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let said = |text: &str| ended.err.iter().filter(|line| line.contains(text)).count();
    let line = "no space: cannot write ./file.bin.part: no space left on device; \
                fetching waits for room (serving goes on)";
    assert_eq!(said(line), 1, "{ended:?}");
    assert_eq!(said("there is room again; going on"), 1, "{ended:?}");
    assert_same(&file, &place.join("file.bin"));
}

#[test]
fn a_file_system_that_is_really_full_holds_a_fetch_up_and_it_serves_and_goes_on_by_itself() {
    let test = "a file system that is really full";
    let scratch = Scratch::new();
    // The reserve, and what is fetched.
    let Some(mount) = Mount::with(&scratch, "disk", 330, &["-O", NO_EXTENTS], test) else {
        return;
    };
    let size = 24 << 20;
    let (_share, file, proxy, link) = share_behind_proxy(&scratch, size, size as u64 / 3);
    let output = mount.place.join("file.bin");
    let words = ["get", "-l", "127.0.0.1:0", "-o", text(&output), &link];
    let mut get = Sprat::start(&scratch.place("get"), &words);
    let address = get.address();
    proxy.wait_until_spent();
    let filler = mount.place.join("filler");
    fill(&filler);
    proxy.open();
    let line = get.news("no space: ");
    let words = "file.bin.part: no space left on device; fetching waits for room (serving goes on)";
    assert!(line.ends_with(words), "{line}");
    // It serves meanwhile what it has.
    let other = scratch.place("other");
    let link = with_providers(&link, &[address.parse().unwrap()]);
    let second = Sprat::start(&other, &["get", "-l", "127.0.0.1:0", &link]);
    wait_until_something_is_in(&other.join("file.bin.part"));
    fs::remove_file(&filler).unwrap();
    get.news("there is room again; going on");
    assert_eq!(get.end().code, Some(0));
    assert_eq!(second.end().code, Some(0));
    assert_same(&file, &output);
    assert_same(&file, &other.join("file.bin"));
}
