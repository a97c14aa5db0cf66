//! The disk work of a swarm, against real files in a temporary folder.

mod damage;
mod hostile;

use super::*;
use crate::node::{FileRange, Prepared};
use rustix::io::Errno;
use std::fs::{self, File};

const KEY: SwarmKey = SwarmKey {
    slot: 0,
    generation: 0,
};
const OTHER: SwarmKey = SwarmKey {
    slot: 1,
    generation: 0,
};

fn range(entry: u32, offset: u64, length: u32) -> FileRange {
    FileRange {
        swarm: KEY,
        entry,
        offset,
        length,
    }
}

/// Begins to prepare a fetch of `entries`, as `prepare` does with a manifest.
fn begin(disk: &mut Disk, swarm: SwarmKey, path: &Path, entries: &[(&str, u64)], is_folder: bool) {
    disk.fetch(swarm, OutputPath::Named(path.to_path_buf()));
    let entries = Entries::of(entries.iter().copied()).unwrap();
    disk.prepare_entries(swarm, "name", is_folder, entries);
}

/// A disk whose sync thread wakes nothing.
pub fn new_disk() -> Disk {
    let poll = mio::Poll::new().unwrap();
    Disk::new(Waker::new(poll.registry(), mio::Token(0)).unwrap())
}

/// Runs the jobs up to the end of one.
fn run(disk: &mut Disk) -> Done {
    loop {
        if let Some((_, done)) = disk.step() {
            return done;
        }
        assert!(disk.has_jobs() || disk.is_syncing, "a job has no end");
        std::thread::yield_now();
    }
}

fn prepared(disk: &mut Disk) -> Result<Prepared, DiskError> {
    match run(disk) {
        Done::Prepared(result) => result,
        done => panic!("{done:?}"),
    }
}

#[test]
fn a_file_is_made_written_and_gets_its_name_at_the_end() {
    let base = tempfile::tempdir().unwrap();
    let (path, part) = (base.path().join("file"), base.path().join("file.part"));
    let mut disk = new_disk();
    begin(&mut disk, KEY, &path, &[("", 10)], false);
    assert_eq!(prepared(&mut disk), Ok(Prepared::Fresh));
    assert_eq!(fs::metadata(&part).unwrap().len(), 10);
    disk.write(range(0, 5, 5), b"world").unwrap();
    disk.write(range(0, 0, 5), b"hello").unwrap();
    let mut bytes = [0; 10];
    disk.read(range(0, 0, 10), &mut bytes).unwrap();
    assert_eq!(&bytes, b"helloworld");
    assert!(!path.exists());
    disk.finish(KEY);
    assert_eq!(run(&mut disk), Done::Finished(Ok(())));
    assert_eq!(fs::read(&path).unwrap(), b"helloworld");
    assert!(!part.exists());
    disk.read(range(0, 5, 5), &mut bytes[..5]).unwrap();
    assert_eq!(disk.path(KEY), Some(path.as_path()));
    // The next fetch of it finds it.
    begin(&mut disk, OTHER, &path, &[("", 10)], false);
    assert_eq!(prepared(&mut disk), Ok(Prepared::Final));
}

#[test]
fn a_folder_is_made_with_its_empty_files_and_moved_as_a_whole() {
    let base = tempfile::tempdir().unwrap();
    let path = base.path().join("tree");
    let many: Vec<_> = (0..150).map(|index| format!("many/{index:03}")).collect();
    let mut entries = vec![("a/b/c", 3), ("a/empty", 0), ("ü", 1)];
    entries.extend(many.iter().map(|path| (path.as_str(), 2)));
    let mut disk = new_disk();
    begin(&mut disk, KEY, &path, &entries, true);
    assert_eq!(prepared(&mut disk), Ok(Prepared::Fresh));
    assert_eq!(
        fs::metadata(base.path().join("tree.part/a/empty"))
            .unwrap()
            .len(),
        0
    );
    disk.write(range(0, 0, 3), b"abc").unwrap();
    // More files than descriptors.
    (0..150).for_each(|index| disk.write(range(3 + index, 0, 2), b"xy").unwrap());
    disk.write(range(0, 1, 1), b"B").unwrap();
    disk.finish(KEY);
    assert_eq!(run(&mut disk), Done::Finished(Ok(())));
    assert!(!base.path().join("tree.part").exists());
    assert_eq!(fs::read(path.join("a/b/c")).unwrap(), b"aBc");
    assert_eq!(fs::read(path.join("many/149")).unwrap(), b"xy");
    assert_eq!(fs::read(path.join("a/empty")).unwrap(), b"");
    begin(&mut disk, OTHER, &path, &entries, true);
    assert_eq!(prepared(&mut disk), Ok(Prepared::Final));
    // Another folder was named: the fetched one goes beneath it. There, it must not replace
    // anything.
    fs::remove_file(path.join("many/149")).unwrap();
    begin(&mut disk, OTHER, &path, &entries, true);
    assert_eq!(disk.path(OTHER), Some(path.join("name").as_path()));
    fs::create_dir(path.join("name")).unwrap();
    assert_eq!(prepared(&mut disk), Err(DiskError::Exists));
    assert!(
        disk.message(OTHER)
            .unwrap()
            .ends_with("another folder has that name")
    );
}

#[test]
fn an_unfinished_part_is_taken_over_and_gets_its_size() {
    let base = tempfile::tempdir().unwrap();
    let path = base.path().join("file");
    fs::write(
        base.path().join("file.part"),
        "abc, and more than it should",
    )
    .unwrap();
    let mut disk = new_disk();
    begin(&mut disk, KEY, &path, &[("", 5)], false);
    assert_eq!(prepared(&mut disk), Ok(Prepared::Partial));
    assert_eq!(fs::read(base.path().join("file.part")).unwrap(), b"abc, ");
    // Nobody else writes it meanwhile, in this process or another.
    begin(&mut disk, OTHER, &path, &[("", 5)], false);
    assert_eq!(prepared(&mut disk), Err(DiskError::Denied));
    assert!(disk.message(OTHER).unwrap().contains("another sprat"));
    disk.release(KEY);
    begin(&mut disk, OTHER, &path, &[("", 5)], false);
    assert_eq!(prepared(&mut disk), Ok(Prepared::Partial));
}

#[test]
fn a_journal_that_a_power_cut_left_beside_a_complete_file_goes() {
    let base = tempfile::tempdir().unwrap();
    let (path, journal) = (
        base.path().join("file"),
        base.path().join("file.part.journal"),
    );
    fs::write(&path, "0123456789").unwrap();
    fs::write(&journal, "whatever").unwrap();
    let mut disk = new_disk();
    begin(&mut disk, KEY, &path, &[("", 10)], false);
    assert_eq!(prepared(&mut disk), Ok(Prepared::Final));
    assert!(!journal.exists());
    // As long as there is a part, it is the part's.
    fs::write(&journal, "whatever").unwrap();
    fs::write(base.path().join("file.part"), "").unwrap();
    begin(&mut disk, OTHER, &path, &[("", 10)], false);
    assert_eq!(prepared(&mut disk), Ok(Prepared::Final));
    assert!(journal.exists());
}

#[test]
fn a_journal_whose_part_is_gone_goes_before_there_is_a_new_part() {
    let base = tempfile::tempdir().unwrap();
    let path = base.path().join("file");
    let part = base.path().join("file.part");
    let journal = base.path().join("file.part.journal");
    let mut disk = new_disk();
    begin(&mut disk, KEY, &path, &[("", 10)], false);
    assert_eq!(prepared(&mut disk), Ok(Prepared::Fresh));
    disk.checkpoint(KEY, false, [0].into_iter(), None);
    assert_eq!(run(&mut disk), Done::Checkpointed(Ok(())));
    disk.release(KEY);
    assert!(journal.exists());
    fs::remove_file(&part).unwrap();

    begin(&mut disk, OTHER, &path, &[("", 10)], false);
    while !part.exists() {
        assert!(disk.step().is_none());
    }
    assert!(
        !journal.exists(),
        "it may say that the new part holds something"
    );
    assert_eq!(prepared(&mut disk), Ok(Prepared::Fresh));
}

#[test]
fn a_file_under_the_final_name_is_never_touched() {
    let base = tempfile::tempdir().unwrap();
    let path = base.path().join("file");
    let mut disk = new_disk();
    let try_file = |disk: &mut Disk| {
        begin(disk, KEY, &path, &[("", 5)], false);
        prepared(disk)
    };
    fs::write(&path, "other").unwrap();
    assert_eq!(try_file(&mut disk), Ok(Prepared::Final));
    fs::write(&path, "longer").unwrap();
    assert_eq!(try_file(&mut disk), Err(DiskError::Exists));
    assert!(
        disk.message(KEY)
            .unwrap()
            .ends_with("file: another file has that name")
    );
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("elsewhere", &path).unwrap();
    assert_eq!(try_file(&mut disk), Err(DiskError::Exists));
    fs::remove_file(&path).unwrap();
    // One that appears during the fetch.
    assert_eq!(try_file(&mut disk), Ok(Prepared::Fresh));
    fs::write(&path, "new").unwrap();
    disk.finish(KEY);
    assert_eq!(run(&mut disk), Done::Finished(Err(DiskError::Exists)));
    assert_eq!(fs::read(&path).unwrap(), b"new");
    // A folder of that name is one to put the file into, so a fetch of a folder meets the file.
    begin(&mut disk, KEY, &path, &[("a", 1)], true);
    assert_eq!(prepared(&mut disk), Err(DiskError::Exists));
}

/// Fetches two files up to their renaming, lets `harm` do something to the part, and goes on.
fn harmed(entries: &[(&str, u64)], harm: impl FnOnce(&Path)) -> Result<(), DiskError> {
    let base = tempfile::tempdir().unwrap();
    let path = base.path().join("out");
    let mut disk = new_disk();
    begin(&mut disk, KEY, &path, entries, !entries[0].0.is_empty());
    assert_eq!(prepared(&mut disk), Ok(Prepared::Fresh));
    disk.write(range(0, 0, 5), b"first").unwrap();
    harm(&base.path().join("out.part"));
    disk.write(range(0, 5, 5), b"other")?;
    disk.finish(KEY);
    let Done::Finished(result) = run(&mut disk) else {
        panic!("a finish was begun")
    };
    assert_eq!(path.exists(), result.is_ok());
    result
}

#[test]
fn a_part_that_others_have_changed_never_gets_the_final_name() {
    let (file, folder) = ([("", 10)], [("a/b", 10), ("c", 3)]);
    assert_eq!(harmed(&file, |_| ()), Ok(()));
    assert_eq!(harmed(&folder, |_| ()), Ok(()));
    let replace = |path: &Path, size: usize| {
        // Both exist for a moment, so that they are not the same inode.
        let new = path.with_extension("new");
        fs::write(&new, vec![b'x'; size]).unwrap();
        fs::rename(new, path).unwrap();
    };
    let cut = |path: &Path| {
        let file = File::options().write(true).open(path).unwrap();
        file.set_len(2).unwrap();
    };
    let changed = Err(DiskError::Changed);
    assert_eq!(harmed(&file, |part| replace(part, 10)), changed);
    assert_eq!(harmed(&file, |part| replace(part, 9)), changed);
    assert_eq!(harmed(&file, cut), changed);
    assert_eq!(
        harmed(&folder, |part| replace(&part.join("a/b"), 10)),
        changed
    );
    assert_eq!(harmed(&folder, |part| replace(&part.join("c"), 3)), changed);
    assert_eq!(harmed(&folder, |part| cut(&part.join("c"))), changed);
    // The same files in another folder.
    let moved = |part: &Path| {
        fs::rename(part, part.with_extension("moved")).unwrap();
        fs::create_dir(part).unwrap();
        for name in ["a", "c"] {
            fs::rename(part.with_extension("moved").join(name), part.join(name)).unwrap();
        }
    };
    assert_eq!(harmed(&folder, moved), changed);
}

#[test]
fn a_part_that_was_cut_meanwhile_is_found_out_whatever_is_written_after_it() {
    // In any order of writes around the cut: shards that were verified before it are gone.
    let sections = [(0, 4), (4, 4), (8, 2)];
    let orders = [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ];
    for (order, cut_after) in orders
        .iter()
        .flat_map(|order| (1..=3).map(move |at| (order, at)))
    {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join("out");
        let mut disk = new_disk();
        begin(&mut disk, KEY, &path, &[("", 10)], false);
        assert_eq!(prepared(&mut disk), Ok(Prepared::Fresh));
        let mut result = Ok(());
        for (place, &section) in order.iter().enumerate() {
            let (offset, length) = sections[section];
            let bytes = vec![b'x'; length as usize];
            result = result.and_then(|()| disk.write(range(0, offset, length), &bytes));
            if place + 1 == cut_after {
                let part = File::options()
                    .write(true)
                    .open(base.path().join("out.part"));
                part.unwrap().set_len(1).unwrap();
            }
        }
        let result = result.and_then(|()| {
            disk.finish(KEY);
            match run(&mut disk) {
                Done::Finished(result) => result,
                done => panic!("{done:?}"),
            }
        });
        assert_eq!(
            result,
            Err(DiskError::Changed),
            "{order:?}, cut after {cut_after}"
        );
        assert!(!path.exists());
    }
}

#[test]
fn a_file_is_looked_at_for_ranges_that_are_served_and_seldom_else() {
    let base = tempfile::tempdir().unwrap();
    let path = base.path().join("file");
    let mib = vec![0; 1 << 20];
    let mut disk = new_disk();
    begin(&mut disk, KEY, &path, &[("", 40 << 20)], false);
    assert_eq!(prepared(&mut disk), Ok(Prepared::Fresh));
    let write = |disk: &mut Disk, at: u64| disk.write(range(0, at << 20, 1 << 20), &mib).unwrap();
    (0..39).for_each(|at| write(&mut disk, at));
    // After the open, and twice in 39 MiB.
    assert_eq!(disk.looks, 3);
    write(&mut disk, 39);
    assert_eq!(disk.looks, 4);

    fs::write(&path, "0123456789").unwrap();
    disk.share(KEY, walk(&path).unwrap().0);
    disk.begin_send(range(0, 0, 4)).unwrap();
    disk.send(range(0, 0, 4), |_| Ok(2)).unwrap().unwrap();
    disk.send(range(0, 2, 2), |_| Ok(2)).unwrap().unwrap();
    assert_eq!(disk.looks, 5);
    fs::write(&path, "edited....").unwrap();
    assert_eq!(disk.begin_send(range(0, 4, 4)), Err(DiskError::Changed));
}

#[test]
fn a_link_with_the_name_of_the_part_is_not_followed() {
    let base = tempfile::tempdir().unwrap();
    let elsewhere = base.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    std::os::unix::fs::symlink("elsewhere", base.path().join("out.part")).unwrap();
    let mut disk = new_disk();
    begin(&mut disk, KEY, &base.path().join("out"), &[("a", 1)], true);
    assert_eq!(prepared(&mut disk), Err(DiskError::Denied));
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
    let parent = openat::folder(base.path()).unwrap();
    assert!(openat::make_folder(&parent, "out.part".as_ref()).is_err());
}

#[test]
fn a_file_with_the_longest_name_is_fetched() {
    let base = tempfile::tempdir().unwrap();
    let path = base.path().join("n".repeat(255));
    let mut disk = new_disk();
    for (entry, is_folder) in [("", false), ("a", true)] {
        begin(&mut disk, KEY, &path, &[(entry, 1)], is_folder);
        assert_eq!(prepared(&mut disk), Ok(Prepared::Fresh));
        disk.write(range(0, 0, 1), b"x").unwrap();
        disk.finish(KEY);
        assert_eq!(run(&mut disk), Done::Finished(Ok(())));
        assert_eq!(path.is_dir(), is_folder);
        let _ = fs::remove_file(&path);
    }
}

#[test]
fn a_missing_folder_and_a_full_disk_are_told_in_words() {
    let base = tempfile::tempdir().unwrap();
    let mut disk = new_disk();
    begin(
        &mut disk,
        KEY,
        &base.path().join("missing/file"),
        &[("", 5)],
        false,
    );
    assert_eq!(prepared(&mut disk), Err(DiskError::NotFound));
    let words = disk.message(KEY).unwrap();
    assert!(
        words.starts_with("cannot open ") && words.ends_with("missing: no such file or directory")
    );
    begin(
        &mut disk,
        KEY,
        &base.path().join("file"),
        &[("", 1 << 60)],
        false,
    );
    assert_eq!(prepared(&mut disk), Err(DiskError::NoSpace));
    assert!(disk.message(KEY).unwrap().contains("MiB needed"));
    assert!(!base.path().join("file.part").exists());
}

#[test]
fn a_shared_file_is_read_only_while_it_is_the_one_that_was_shared() {
    let base = tempfile::tempdir().unwrap();
    let path = base.path().join("file");
    let share = |disk: &mut Disk| {
        fs::write(&path, "0123456789").unwrap();
        disk.share(KEY, walk(&path).unwrap().0);
    };
    let mut disk = new_disk();
    let mut bytes = [0; 4];
    share(&mut disk);
    disk.read(range(0, 6, 4), &mut bytes).unwrap();
    assert_eq!(&bytes, b"6789");
    // Replaced: the open file is the old one, and goes on to be served.
    fs::write(base.path().join("new"), "abcdefghij").unwrap();
    fs::rename(base.path().join("new"), &path).unwrap();
    disk.read(range(0, 0, 4), &mut bytes).unwrap();
    assert_eq!(&bytes, b"0123");
    // Opened anew, it is another.
    disk.open.close(KEY);
    assert_eq!(
        disk.read(range(0, 0, 4), &mut bytes),
        Err(DiskError::Changed)
    );
    assert!(disk.message(KEY).unwrap().contains("replaced"));
    share(&mut disk);
    fs::write(&path, "012345678").unwrap();
    let unasked = |_: &File| panic!("a changed file is not sent");
    assert_eq!(
        disk.send(range(0, 0, 4), unasked),
        Err(DiskError::Truncated)
    );
    share(&mut disk);
    disk.read(range(0, 0, 4), &mut bytes).unwrap();
    assert_eq!(
        disk.send(range(0, 0, 4), |_| Err(Errno::AGAIN)),
        Ok(Err(Errno::AGAIN))
    );
    // The end of the file before the end of the range.
    assert_eq!(
        disk.send(range(0, 0, 4), |_| Ok(0)),
        Err(DiskError::Truncated)
    );
    assert_eq!(
        disk.send(range(0, 0, 4), |_| Err(Errno::IO)),
        Err(DiskError::Failed)
    );
}

#[test]
fn a_swarm_that_is_gone_has_no_place() {
    let base = tempfile::tempdir().unwrap();
    let path = base.path().join("file");
    let mut disk = new_disk();
    begin(&mut disk, KEY, &path, &[("", 5)], false);
    disk.release(KEY);
    assert!(!disk.has_jobs());
    assert_eq!(
        disk.read(range(0, 0, 5), &mut [0; 5]),
        Err(DiskError::NotFound)
    );
    assert_eq!(disk.path(KEY), Some(path.as_path()));
    let stale = SwarmKey {
        generation: 1,
        ..KEY
    };
    assert!(disk.path(stale).is_none() && disk.message(stale).is_none());
}
