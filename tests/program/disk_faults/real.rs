//! Disks that really fail: loop devices, which need root.

use super::{Mount, call, wait_until_something_is_in};
use crate::support::{Scratch, Sprat, assert_same, run, text};
use rustix::fs::{Advice, fadvise};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn a_device_that_takes_no_more_fails_the_sync_and_the_next_start_goes_on_from_the_journal() {
    let test = "a device that takes no more";
    let scratch = Scratch::new();
    let small = scratch.place("images");
    if !call(&[
        "mount",
        "-t",
        "tmpfs",
        "-o",
        "size=60m",
        "tmpfs",
        text(&small),
    ]) {
        println!("SKIPPED: {test}: needs root");
        return;
    }
    let _small = Unmount(small.clone());
    // It promises 500 MiB, and what lies beneath takes 60.
    let lazy = "lazy_itable_init=1,lazy_journal_init=1,nodiscard";
    let Some(mount) = Mount::with(&scratch, "disk", 500, &["-E", lazy, "-J", "size=4"], test)
    else {
        return;
    };
    let (_share, file, link) = super::share(&scratch, 100 << 20);
    let place = scratch.place("get");
    let output = mount.place.join("file.bin");
    let words = ["get", "-l", "127.0.0.1:0", "-o", text(&output), &link];
    let ended = run(&place, &words);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let last = ended.err.last().unwrap();
    // Which of these it is, the system decides; not even a full disk is waited for then.
    let errors = [
        "no space left on device",
        "input/output error",
        "read-only file system",
    ];
    let is_told = errors.iter().any(|error| last.contains(error));
    assert!(
        is_told && last.contains("disk trouble: cannot "),
        "{ended:?}"
    );
    // More room beneath, as from another card, and the file system is whole again.
    assert!(mount.unmount());
    assert!(call(&["mount", "-o", "remount,size=600m", text(&small)]));
    call(&["fsck.ext4", "-y", text(&mount.image)]);
    assert!(mount.mount());
    let again = run(&place, &words);
    assert_eq!(again.code, Some(0), "{again:?}");
    assert_same(&file, &output);
}

#[test]
fn a_device_that_is_cut_short_cannot_be_read_and_what_it_still_has_is_served() {
    let test = "a device that is cut short";
    let scratch = Scratch::new();
    let Some(mount) = Mount::with(&scratch, "disk", 64, &["-O", "^has_journal"], test) else {
        return;
    };
    let file = mount.place.join("file.bin");
    let size = 8 << 20;
    let content = crate::support::random("file", size);
    fs::write(&file, &content).unwrap();
    let shared = File::open(&file).unwrap();
    shared.sync_all().unwrap();
    let words = ["share", "-l", "127.0.0.1:0", text(&file)];
    let mut share = Sprat::start(&scratch.place("share"), &words);
    let link = share.link(1);
    let Some(end) = last_block(&file) else {
        println!("SKIPPED: {test}: needs filefrag");
        return;
    };
    // The page cache is dropped, and the last MiB of the image is gone.
    fadvise(&shared, 0, None, Advice::DontNeed).unwrap();
    let image = File::options().write(true).open(&mount.image).unwrap();
    image.set_len((end << 12) - (1 << 20)).unwrap();
    if fs::read(&file).is_ok() {
        println!("SKIPPED: {test}: what a cut loop device does not have reads as zeros here");
        return;
    }
    fadvise(&shared, 0, None, Advice::DontNeed).unwrap();
    let place = scratch.place("get");
    let mut get = Sprat::start(&place, &["get", "-l", "127.0.0.1:0", &link]);
    let line = share.news("cannot serve ");
    assert!(line.contains("file.bin: input/output error"), "{line}");
    let line = share.news("has gone bad on the disk");
    assert!(
        line.ends_with("it is no longer served (restore the file)"),
        "{line}"
    );
    get.news("lost ");
    wait_until_something_is_in(&place.join("file.bin.part"));
}

/// The block behind the last of a file, of 4 KiB each.
fn last_block(path: &Path) -> Option<u64> {
    let output = Command::new("filefrag").args(["-e", text(path)]).output();
    let output = String::from_utf8(output.ok()?.stdout).ok()?;
    // `   0:        0..    2047:       8192..     10239:   2048:`
    let ends = output.lines().filter_map(|line| {
        let physical = line.split(':').nth(2)?;
        physical.split("..").nth(1)?.trim().parse::<u64>().ok()
    });
    Some(ends.max()? + 1)
}

/// Unmounts when it is dropped.
struct Unmount(PathBuf);

impl Drop for Unmount {
    fn drop(&mut self) {
        call(&["umount", "-l", text(&self.0)]);
    }
}
