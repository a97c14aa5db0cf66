//! Disks that fill up, fail and go away under the real program, and what it says of each.
//!
//! Failures of system calls are injected with `strace`; file systems of their own need root. A test
//! that has not what it needs says SKIPPED and why.

mod full;
mod real;
mod repair;

use crate::support::{
    DEADLINE, Scratch, Sprat, assert_same, await_answer, run, share_behind_proxy, text,
};
use rustix::process::Signal;
use sprat::wire::Network;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Whether `strace` can inject failures here.
fn can_inject(test: &str) -> bool {
    let tried = Command::new("strace")
        .args(["-f", "-o", "/dev/null", "-e", "trace=none", "true"])
        .stderr(Stdio::null())
        .status();
    let can = tried.is_ok_and(|status| status.success());
    if !can {
        println!("SKIPPED: {test}: needs strace, and leave to trace");
    }
    can
}

/// An ext4 file system of its own in a file, mounted until it is dropped.
struct Mount {
    place: PathBuf,
    image: PathBuf,
}

impl Mount {
    fn new(scratch: &Scratch, name: &str, mebibytes: u64, test: &str) -> Option<Mount> {
        Mount::with(scratch, name, mebibytes, &[], test)
    }

    /// One that is made with these options.
    fn with(
        scratch: &Scratch,
        name: &str,
        mebibytes: u64,
        options: &[&str],
        test: &str,
    ) -> Option<Mount> {
        let image = scratch.place("images").join(name);
        let place = scratch.place(name);
        File::create(&image)
            .unwrap()
            .set_len(mebibytes << 20)
            .unwrap();
        let usual = ["mkfs.ext4", "-q", "-F", "-m", "0", "-b", "4096"];
        let made = call(&[&usual, options, &[text(&image)]].concat());
        let mount = Mount { place, image };
        match made && mount.mount() {
            true => Some(mount),
            false => {
                println!("SKIPPED: {test}: needs root, mkfs.ext4 and loop devices");
                std::mem::forget(mount);
                None
            }
        }
    }

    fn mount(&self) -> bool {
        call(&["mount", "-o", "loop", text(&self.image), text(&self.place)])
    }

    fn unmount(&self) -> bool {
        call(&["umount", text(&self.place)])
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        call(&["umount", "-l", text(&self.place)]);
    }
}

fn call(words: &[&str]) -> bool {
    let mut command = Command::new(words[0]);
    let done = command
        .args(&words[1..])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    done.status().is_ok_and(|status| status.success())
}

/// A share of `size` bytes; its file, and the link.
fn share(scratch: &Scratch, size: usize) -> (Sprat, PathBuf, String) {
    let file = scratch.file("file.bin", size);
    let words = ["share", "-l", "127.0.0.1:0", text(&file)];
    let mut share = Sprat::start(&scratch.place("share"), &words);
    let link = share.link(1);
    (share, file, link)
}

/// Waits until a file has a byte that is not zero.
fn wait_until_something_is_in(path: &Path) {
    let deadline = Instant::now() + DEADLINE;
    let is_empty = || fs::read(path).is_ok_and(|bytes| bytes.iter().all(|&byte| byte == 0));
    while !path.exists() || is_empty() {
        assert!(Instant::now() < deadline, "nothing came to {path:?}");
        std::thread::yield_now();
    }
}

#[test]
fn after_a_failed_sync_nothing_since_the_last_checkpoint_is_believed() {
    if !can_inject("a failed sync") {
        return;
    }
    let scratch = Scratch::new();
    let (_share, file, link) = share(&scratch, 80 << 20);
    let place = scratch.place("get");
    let words = ["get", "-l", "127.0.0.1:0", &link];
    // Before it, the first checkpoint: it begins the journal, and syncs the part and its records.
    let failing = "fdatasync:error=EIO:when=4+";
    let ended = Sprat::start_traced(&place, "fdatasync", failing, &words).end();
    ended.assert(1, "disk trouble: cannot sync ./file.bin.part");
    ended.assert(1, "has arrived is kept; try again)");
    let ended = run(&place, &words);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended.assert_said("of an earlier run");
    assert_same(&file, &place.join("file.bin"));
}

#[test]
fn a_shard_that_cannot_be_read_is_not_served_and_the_rest_is() {
    if !can_inject("a shard that cannot be read") {
        return;
    }
    let scratch = Scratch::new();
    let file = scratch.file("file.bin", 4 << 20);
    let words = ["share", "-l", "127.0.0.1:0", text(&file)];
    let failing = "sendfile:error=EIO:when=3";
    let mut share = Sprat::start_traced(&scratch.place("share"), "sendfile", failing, &words);
    let link = share.link(1);
    // It waits for somebody who has that shard.
    let mut get = Sprat::start(
        &scratch.place("get"),
        &["get", "-v", "-l", "127.0.0.1:0", &link],
    );
    let line = share.news("cannot serve ");
    assert!(line.contains("file.bin: input/output error"), "{line}");
    get.news("lost ");
    drop(get);
    share.signal(Signal::TERM);
    assert_eq!(share.end().code, Some(0));
}

#[test]
fn a_part_that_is_cut_or_replaced_during_its_fetch_is_reported_and_a_users_file_is_not_touched() {
    for (deed, line) in [
        ("truncate", "another program has changed its size"),
        ("replace", "another program has replaced it"),
    ] {
        let scratch = Scratch::new();
        let size = 8 << 20;
        let (_share, file, proxy, link) = share_behind_proxy(&scratch, size, size as u64 / 2);
        let place = scratch.place("get");
        let words = ["get", "-l", "127.0.0.1:0", &link];
        let get = Sprat::start(&place, &words);
        proxy.wait_until_spent();
        let part = place.join("file.bin.part");
        match deed {
            "truncate" => File::options()
                .write(true)
                .open(&part)
                .unwrap()
                .set_len(1000)
                .unwrap(),
            _ => {
                fs::remove_file(&part).unwrap();
                fs::write(&part, "mine").unwrap();
            }
        }
        proxy.open();
        let ended = get.end();
        ended.assert(1, line);
        if deed == "replace" {
            assert_eq!(fs::read(&part).unwrap(), b"mine");
            fs::remove_file(&part).unwrap();
        }
        let again = run(&place, &words);
        assert_eq!(again.code, Some(0), "{again:?}");
        assert_same(&file, &place.join("file.bin"));
    }
}

#[test]
fn bytes_that_change_in_a_part_between_two_starts_are_fetched_again() {
    let scratch = Scratch::new();
    let size = 8 << 20;
    let (_share, file, proxy, link) = share_behind_proxy(&scratch, size, size as u64 / 2);
    let place = scratch.place("get");
    let words = ["get", "-l", "127.0.0.1:0", &link];
    let get = Sprat::start(&place, &words);
    proxy.wait_until_spent();
    assert_eq!(get.stop().code, Some(130));
    proxy.open();
    let part = File::options()
        .write(true)
        .open(place.join("file.bin.part"))
        .unwrap();
    for at in (0..size as u64).step_by(100_000) {
        part.write_all_at(b"edited", at).unwrap();
    }
    let ended = run(&place, &words);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_same(&file, &place.join("file.bin"));
}

#[test]
fn a_file_system_that_turns_read_only_ends_the_fetch_and_loses_nothing() {
    let test = "a file system that turns read-only";
    let scratch = Scratch::new();
    let Some(mount) = Mount::new(&scratch, "disk", 400, test) else {
        return;
    };
    let size = 8 << 20;
    let (_share, file, proxy, link) = share_behind_proxy(&scratch, size, size as u64 / 2);
    let place = scratch.place("get");
    let output = mount.place.join("file.bin");
    let words = ["get", "-l", "127.0.0.1:0", "-o", text(&output), &link];
    let get = Sprat::start(&place, &words);
    proxy.wait_until_spent();
    // As ext4 does after an error; a remount is refused while a file is open for writing.
    if !call(&["mount", "-o", "remount,abort", text(&mount.place)]) {
        println!("SKIPPED: {test}: it cannot be made to");
        return;
    }
    proxy.open();
    let ended = get.end();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let last = ended.err.last().unwrap();
    assert!(
        last.contains("file.bin.part: read-only file system")
            || last.contains("input/output error"),
        "{ended:?}"
    );
    assert!(mount.unmount() && mount.mount());
    let again = run(&place, &words);
    assert_eq!(again.code, Some(0), "{again:?}");
    assert_same(&file, &output);
}

#[test]
fn a_disk_that_is_taken_out_and_put_back_is_served_again() {
    let test = "a disk that is taken out";
    let scratch = Scratch::new();
    let Some(mount) = Mount::new(&scratch, "disk", 16, test) else {
        return;
    };
    let file = mount.place.join("tree/file.bin");
    fs::create_dir(mount.place.join("tree")).unwrap();
    fs::write(&file, crate::support::random("file", 1 << 20)).unwrap();
    let tree = mount.place.join("tree");
    let words = ["share", "-l", "127.0.0.1:0", text(&tree)];
    let mut share = Sprat::start(&scratch.place("share"), &words);
    let link = share.link(1);
    assert!(mount.unmount(), "it is not in use after it was hashed");
    let get = Sprat::start(&scratch.place("get"), &["get", "-l", "127.0.0.1:0", &link]);
    let line = share.news("not serving ");
    assert!(
        line.contains("no such file or directory (it is served again when"),
        "{line}"
    );
    assert!(mount.mount());
    share.news("is back, and served again");
    drop(get);
    let place = scratch.place("second");
    run(&place, &["get", "-l", "127.0.0.1:0", &link]).assert(0, "");
    assert_same(&tree, &place.join("tree"));
}

#[test]
fn a_journal_or_manifest_that_is_damaged_costs_nothing_but_a_line() {
    let scratch = Scratch::new();
    let size = 48 << 20;
    let (_share, file, proxy, link) = share_behind_proxy(&scratch, size, 40 << 20);
    let place = scratch.place("get");
    let words = ["get", "-l", "127.0.0.1:0", &link];
    let get = Sprat::start(&place, &words);
    proxy.wait_until_spent();
    get.stop();
    proxy.open();
    let journal = place.join("file.bin.part.journal");
    let mut bytes = fs::read(&journal).unwrap();
    bytes[20] ^= 1;
    fs::write(&journal, &bytes).unwrap();
    let manifests = place.join(".local/state/sprat/manifests");
    let manifest = fs::read_dir(&manifests)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let mut bytes = fs::read(&manifest).unwrap();
    let last = bytes.len() - 10;
    bytes[last] ^= 1;
    fs::write(&manifest, &bytes).unwrap();
    let ended = run(&place, &words);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended.assert_said("file.bin.part.journal is damaged: the part is verified instead");
    ended.assert_said(".torrent is damaged: the manifest is fetched again");
    ended.assert_said("of an earlier run");
    assert_same(&file, &place.join("file.bin"));
}

/// Every call that writes to a file.
const WRITES: &str = "pwrite64,write,pwritev,pwritev2,writev,copy_file_range,ftruncate";

/// Bytes that the traced process in `place` gave to those.
fn written(place: &Path) -> u64 {
    let lines = fs::read_to_string(place.join("trace")).unwrap();
    let results = lines
        .lines()
        .filter_map(|line| line.rsplit_once(" = ")?.1.parse::<u64>().ok());
    results.sum()
}

#[test]
fn a_download_writes_hardly_more_than_its_size() {
    if !can_inject("the writes of a download") {
        return;
    }
    let scratch = Scratch::new();
    let size = 80 << 20;
    let (_share, file, link) = share(&scratch, size);
    let place = scratch.place("get");
    let words = ["get", "-v", "-l", "127.0.0.1:0", &link];
    let ended = Sprat::start_traced(&place, WRITES, "", &words).end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_same(&file, &place.join("file.bin"));
    // Lines on the screen are in it, too.
    let written = written(&place);
    let size = size as u64;
    assert!(
        written >= size && written <= size + size / 20,
        "{written} for {size}"
    );
    ended.assert_said("wrote 80.0 MiB to the disk, journal included, and ");
    let told = ended.err.iter().find_map(|line| {
        let ratio = line.split_once(" of state: ")?.1;
        ratio
            .strip_suffix(" times the bytes received")?
            .parse::<f64>()
            .ok()
    });
    assert!(
        told.is_some_and(|told| (1.0..=1.05).contains(&told)),
        "{told:?}"
    );
}

/// Turns of the loop in which an idle node must not write.
const PINGS: usize = 50;

#[test]
fn an_idle_node_writes_nothing() {
    if !can_inject("the writes of an idle node") {
        return;
    }
    let scratch = Scratch::new();
    let file = scratch.file("file.bin", 1 << 20);
    let place = scratch.place("share");
    let words = ["share", "-l", "127.0.0.1:0", text(&file)];
    let mut share = Sprat::start_traced(&place, WRITES, "", &words);
    share.link(1);
    let place_of = |name: &str| scratch.place(name);
    // A node that it serves meanwhile: what it reads is not what it writes.
    let link = share.link(1);
    run(&place_of("get"), &["get", "-l", "127.0.0.1:0", &link]).assert(0, "");
    let before = written(&place);
    // Turns of its loop, one for each answer. In a fleet over hours: `benches/idle`.
    let (address, network) = (share.address(), Network::named(Network::DEFAULT_NAME));
    (0..PINGS).for_each(|_| await_answer(&address, network));
    assert_eq!(written(&place), before);
}
