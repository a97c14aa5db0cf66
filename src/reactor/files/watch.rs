//! Checks of served files, now and then: is each still what it was?
//!
//! ```text
//!              check_root: the folder is gone, or another
//!  there ─────────────────────────────────────────────────► missing
//!    ▲   check_return: the folder, and every file as it was    │
//!    └─────────────────────────────────────────────────────────┘
//! ```
//!
//! Every file is checked (`lstat`) once in `WATCH_PERIOD`, a few a turn; sooner while a folder is
//! missing. No inotify: it needs a watch for each folder, of which a user has few, and it says
//! nothing about a mount that went.
//!
//! Invariants: files in a missing folder are not checked, and are served again only when all of
//! them are as they were; a pass that has begun comes to its end without sleeping.

use super::fingerprint::Fingerprint;
use super::swarm_files::{Stage, SwarmFiles};
use crate::limits::{WATCH_PERIOD, WATCH_PERIOD_MISSING, WATCHED_PER_TURN};
use crate::node::{DiskReport, SwarmKey};
use crate::reactor::error::words;
use crate::time::Instant;
use std::fs;
use std::io;
use std::path::Path;

/// The pass over all served files.
#[derive(Debug, Default)]
pub struct Watch {
    /// When the last pass began.
    began_at: Instant,
    /// The slot and entry that the pass resumes at, while it is under way.
    next: Option<(usize, usize)>,
}

/// Outcome of a check of some files of one swarm.
enum Outcome {
    Seen(DiskReport<'static>),
    /// More of its files are to be checked, from this one on.
    More(usize),
    Done,
}

impl Watch {
    pub fn is_under_way(&self) -> bool {
        self.next.is_some()
    }

    /// When the next pass begins, if anything is served from where it lies.
    pub fn next_at(&self, swarms: &[Option<SwarmFiles>]) -> Option<Instant> {
        let served = swarms.iter().flatten().filter(|files| is_watched(files));
        let is_missing = served.map(|files| files.is_missing).max()?;
        let period = match is_missing {
            true => WATCH_PERIOD_MISSING,
            false => WATCH_PERIOD,
        };
        Some(self.began_at + period)
    }

    pub fn begin(&mut self, now: Instant) {
        self.began_at = now;
        self.next = Some((0, 0));
    }

    pub fn advance(
        &mut self,
        swarms: &mut [Option<SwarmFiles>],
    ) -> Option<(SwarmKey, DiskReport<'static>)> {
        let (mut slot, mut entry) = self.next.take()?;
        while let Some(files) = swarms.get_mut(slot) {
            let outcome = match files {
                Some(files) if is_watched(files) => check_some(files, entry),
                _ => Outcome::Done,
            };
            match outcome {
                Outcome::Seen(report) => {
                    self.next = Some(match report {
                        DiskReport::Changed { entry } => (slot, entry as usize + 1),
                        _ => (slot + 1, 0),
                    });
                    return Some((files.as_ref()?.swarm, report));
                }
                Outcome::More(next) => {
                    self.next = Some((slot, next));
                    return None;
                }
                Outcome::Done => (slot, entry) = (slot + 1, 0),
            }
        }
        None
    }
}

fn is_watched(files: &SwarmFiles) -> bool {
    matches!(files.stage, Stage::Source | Stage::Final | Stage::Repair)
}

/// Notes which folder a swarm is served from.
pub fn note_root(files: &mut SwarmFiles) {
    files.root = folder_now(&files.layout.folder).ok();
}

/// Whether the whole folder of a swarm that is served is missing.
pub fn is_missing(files: &mut SwarmFiles) -> bool {
    is_watched(files) && check_root(files).is_err()
}

/// Checks some files of a swarm, from `next` on.
fn check_some(files: &mut SwarmFiles, next: usize) -> Outcome {
    let last = files.len().min(next + WATCHED_PER_TURN);
    if files.is_missing {
        return check_return(files, next, last);
    }
    if let Err(report) = check_root(files) {
        return Outcome::Seen(report);
    }
    for index in next..last {
        let path = files.layout.entry_path(index as u32);
        let there = fs::symlink_metadata(&path).map_err(|error| words(&error));
        let result = there.and_then(|there| {
            let result = files.check_or_set(index, &Fingerprint::of(&there));
            result.map_err(|(_, why)| why.to_owned())
        });
        if let Err(why) = result {
            // The folder may have gone meanwhile.
            if let Err(report) = check_root(files) {
                return Outcome::Seen(report);
            }
            files.fault = Some(format!("cannot serve {}: {why}", path.display()));
            return Outcome::Seen(DiskReport::Changed {
                entry: index as u32,
            });
        }
    }
    match last < files.len() {
        true => Outcome::More(last),
        false => Outcome::Done,
    }
}

/// Checks that the folder is still the same one.
fn check_root(files: &mut SwarmFiles) -> Result<(), DiskReport<'static>> {
    let folder = &files.layout.folder;
    let why = match folder_now(folder) {
        Ok(now) if files.root.get_or_insert(now).is_same_file(&now) => return Ok(()),
        Ok(_) => "another folder is in its place".to_owned(),
        Err(error) => words(&error),
    };
    files.is_missing = true;
    files.fault = Some(format!("cannot serve {}: {why}", folder.display()));
    Err(DiskReport::Missing)
}

/// A missing folder is back when every file in it is as it was, on whatever device.
fn check_return(files: &mut SwarmFiles, next: usize, last: usize) -> Outcome {
    let Ok(root) = folder_now(&files.layout.folder) else {
        return Outcome::Done;
    };
    let before = files.root.unwrap_or(root);
    let expected = |files: &SwarmFiles, index| {
        let expected = files.expected(index);
        expected.map(|expected| expected.moved(&before, &root))
    };
    let is_back = |index: usize| {
        let there = fs::symlink_metadata(files.layout.entry_path(index as u32));
        there.is_ok_and(|there| {
            let now = Fingerprint::of(&there);
            files
                .check_against(expected(files, index), index, &now)
                .is_ok()
        })
    };
    if !(next..last).all(is_back) {
        return Outcome::Done;
    }
    if last < files.len() {
        return Outcome::More(last);
    }
    for index in 0..files.len() {
        if let Some(moved) = expected(files, index) {
            files.rows[index].set(moved);
        }
    }
    (files.root, files.is_missing) = (Some(root), false);
    Outcome::Seen(DiskReport::Returned)
}

fn folder_now(folder: &Path) -> io::Result<Fingerprint> {
    let path = match folder.as_os_str().is_empty() {
        true => Path::new("."),
        false => folder,
    };
    let there = fs::metadata(path)?;
    match there.is_dir() {
        true => Ok(Fingerprint::of(&there)),
        false => Err(io::ErrorKind::NotADirectory.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reactor::files::tests::new_disk;
    use crate::reactor::files::{Disk, walk};
    use std::path::PathBuf;
    use std::time::Duration;

    const SWARM: SwarmKey = SwarmKey {
        slot: 0,
        generation: 0,
    };

    /// A folder of `count` files that is shared.
    fn shared(count: usize) -> (tempfile::TempDir, PathBuf, Disk) {
        let base = tempfile::tempdir().unwrap();
        let root = base.path().join("root");
        fs::create_dir(&root).unwrap();
        for index in 0..count {
            fs::write(root.join(format!("{index:05}")), [1; 10]).unwrap();
        }
        let mut disk = new_disk();
        disk.share(SWARM, walk(&root).unwrap().0);
        (base, root, disk)
    }

    /// Runs one pass: what it has seen, and how many turns it took.
    fn pass(disk: &mut Disk) -> (Vec<DiskReport<'static>>, usize) {
        let now = disk.watch_at().unwrap();
        let (mut seen, mut turns) = (vec![], 0);
        loop {
            seen.extend(disk.watch(now).map(|(_, report)| report));
            turns += 1;
            if !disk.is_watching() {
                return (seen, turns);
            }
        }
    }

    #[test]
    fn nothing_is_looked_at_where_nothing_is_served_nor_before_its_time() {
        let mut disk = new_disk();
        assert_eq!(disk.watch_at(), None);
        let (_base, _root, mut served) = shared(1);
        let at = served.watch_at().unwrap();
        assert_eq!(at, Instant::ZERO + WATCH_PERIOD);
        for (disk, now) in [
            (&mut disk, at),
            (&mut served, Instant::from_micros(at.as_micros() - 1)),
        ] {
            assert_eq!(disk.watch(now), None);
            assert!(!disk.is_watching());
        }
        assert_eq!(pass(&mut served), (vec![], 1));
        let next = served.watch_at().unwrap();
        assert_eq!(next, at + WATCH_PERIOD);
    }

    #[test]
    fn each_kind_of_change_is_seen_and_the_other_files_stay() {
        let (_base, root, mut disk) = shared(100);
        assert_eq!(pass(&mut disk).0, []);
        fs::write(root.join("00003"), [1; 9]).unwrap();
        fs::remove_file(root.join("00040")).unwrap();
        fs::write(root.join("new"), [1; 10]).unwrap();
        fs::rename(root.join("new"), root.join("00099")).unwrap();
        let (seen, turns) = pass(&mut disk);
        assert_eq!(seen, [3, 40, 99].map(|entry| DiskReport::Changed { entry }));
        assert!(turns >= 100 / WATCHED_PER_TURN);
        let words = disk.message(SWARM).unwrap();
        assert!(
            words.ends_with("root/00099: it has been replaced by another file"),
            "{words}"
        );
    }

    #[test]
    fn a_folder_that_goes_is_missing_once_and_returns_only_as_it_was() {
        let (base, root, mut disk) = shared(3);
        let away = base.path().join("away");
        fs::rename(&root, &away).unwrap();
        assert_eq!(pass(&mut disk).0, [DiskReport::Missing]);
        let words = disk.message(SWARM).unwrap();
        assert!(
            words.ends_with("root: no such file or directory"),
            "{words}"
        );
        // An empty mount point.
        fs::create_dir(&root).unwrap();
        assert_eq!(pass(&mut disk).0, []);
        fs::remove_dir(&root).unwrap();
        // One file is not as it was.
        let one = fs::File::options()
            .write(true)
            .open(away.join("00001"))
            .unwrap();
        let before = one.metadata().unwrap().modified().unwrap();
        one.set_modified(before + Duration::from_secs(1)).unwrap();
        fs::rename(&away, &root).unwrap();
        assert_eq!(pass(&mut disk).0, []);
        one.set_modified(before).unwrap();
        assert_eq!(pass(&mut disk).0, [DiskReport::Returned]);
        assert_eq!(pass(&mut disk).0, []);
    }

    #[test]
    fn another_folder_in_its_place_is_not_taken_for_a_change_of_every_file() {
        let (base, root, mut disk) = shared(3);
        fs::rename(&root, base.path().join("away")).unwrap();
        fs::create_dir(&root).unwrap();
        assert!(disk.is_missing(SWARM));
        assert_eq!(pass(&mut disk).0, []);
        let words = disk.message(SWARM).unwrap();
        assert!(
            words.ends_with("root: another folder is in its place"),
            "{words}"
        );
    }
}
