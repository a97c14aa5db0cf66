//! Looks now and then whether what is served is still what it was.
//!
//! ```text
//!              the folder is gone, or another
//!  there ───────────────────────────────────────► missing
//!    ▲   the folder, and every file as it was         │
//!    └────────────────────────────────────────────────┘
//! ```
//!
//! Every file is looked at (`lstat`) once in `WATCH_PERIOD`, a few a turn; sooner while something is
//! missing. No inotify: it would need
//! a watch for each folder, of which a user has few, and it says nothing about a mount that went.
//!
//! Invariants: what is missing is not looked into, and is served again only when all of it is as it
//! was; a pass that has begun comes to its end without sleeping.

use super::Disk;
use super::swarm_files::{Stage, SwarmFiles};
use crate::limits::{WATCH_PERIOD, WATCH_PERIOD_MISSING, WATCHED_PER_TURN};
use crate::node::SwarmKey;
use crate::time::Instant;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// For `Node::handle_missing`.
    Missing(SwarmKey),
    /// For `Node::handle_returned`.
    Returned(SwarmKey),
    /// For `Node::handle_changed`: an entry.
    Changed(SwarmKey, u32),
}

/// How far the pass is.
#[derive(Debug, Default)]
pub struct Watch {
    /// When the last pass began.
    began_at: Instant,
    /// The slot and entry that the pass goes on at.
    place: Option<(usize, usize)>,
}

/// Which folder it is: device and inode.
pub type Identity = (u64, u64);

/// What a look at one store has led to.
enum Outcome {
    Seen(Seen),
    /// There is more of it; the next entry.
    More(usize),
    Done,
}

impl Disk {
    /// Whether a pass is under way.
    pub fn is_watching(&self) -> bool {
        self.watch.place.is_some()
    }

    /// When the next pass begins, if anything is served from where it lies.
    pub fn watch_at(&self) -> Option<Instant> {
        let mut served = self
            .swarms
            .iter()
            .flatten()
            .filter(|store| store.is_watched())
            .peekable();
        served.peek()?;
        let period = match served.any(|store| store.is_missing) {
            true => WATCH_PERIOD_MISSING,
            false => WATCH_PERIOD,
        };
        Some(self.watch.began_at + period)
    }

    /// Begins a pass when it is time, and looks at a few files.
    pub fn watch(&mut self, now: Instant) -> Option<Seen> {
        if self.watch.place.is_none() && self.watch_at().is_some_and(|at| at <= now) {
            self.watch.began_at = now;
            self.watch.place = Some((0, 0));
            // A disk whose files are open cannot be unmounted.
            self.files.close_unused();
        }
        let (mut slot, mut entry) = self.watch.place.take()?;
        while let Some(store) = self.swarms.get_mut(slot) {
            let look = match store {
                Some(store) if store.is_watched() => store.look(entry),
                _ => Outcome::Done,
            };
            match look {
                Outcome::Seen(seen) => {
                    let next = match seen {
                        Seen::Changed(_, changed) => (slot, changed as usize + 1),
                        Seen::Missing(_) | Seen::Returned(_) => (slot + 1, 0),
                    };
                    self.watch.place = Some(next);
                    if let Seen::Missing(swarm) = seen {
                        self.files.close(swarm);
                    }
                    return Some(seen);
                }
                Outcome::More(next) => {
                    self.watch.place = Some((slot, next));
                    return None;
                }
                Outcome::Done => (slot, entry) = (slot + 1, 0),
            }
        }
        None
    }

    /// A file of a swarm could not be served: whether its whole place is missing, not the file.
    pub fn is_missing(&mut self, swarm: SwarmKey) -> bool {
        let Some(store) = self.find_mut(swarm).filter(|store| store.is_watched()) else {
            return false;
        };
        let is_missing = store.check_root().is_err();
        if is_missing {
            self.files.close(swarm);
        }
        is_missing
    }
}

impl SwarmFiles {
    fn is_watched(&self) -> bool {
        matches!(self.stage, Stage::Source | Stage::Final | Stage::Repair)
    }

    /// Which folder it is served from.
    pub fn note_root(&mut self) {
        self.root = identity(&self.folder).ok();
    }

    /// Looks at some entries, from `next`.
    fn look(&mut self, mut next: usize) -> Outcome {
        if self.is_missing {
            return self.look_for_return(next);
        }
        if let Err(seen) = self.check_root() {
            return Outcome::Seen(seen);
        }
        let last = self.len().min(next + WATCHED_PER_TURN);
        while next < last {
            let there = fs::symlink_metadata(self.entry_path(next as u32));
            if let Err(why) = self.look_at_entry(next, there) {
                // It went while we were looking.
                if let Err(seen) = self.check_root() {
                    return Outcome::Seen(seen);
                }
                let path = self.entry_path(next as u32);
                self.fault = Some(format!("cannot serve {}: {why}", path.display()));
                return Outcome::Seen(Seen::Changed(self.swarm, next as u32));
            }
            next += 1;
        }
        match next < self.len() {
            true => Outcome::More(next),
            false => Outcome::Done,
        }
    }

    /// Why an entry is not what it was.
    fn look_at_entry(&mut self, index: usize, there: io::Result<Metadata>) -> Result<(), String> {
        let there = there.map_err(|error| crate::reactor::error::words(&error))?;
        let result = self.check_entry(index, &there);
        result.map_err(str::to_owned)
    }

    /// Whether the folder is there that was.
    fn check_root(&mut self) -> Result<(), Seen> {
        let now = identity(&self.folder);
        if self.root.is_none() {
            self.root = now.as_ref().ok().copied();
        }
        let why = match now {
            Ok(now) if Some(now) == self.root => return Ok(()),
            Ok(_) => "another folder is in its place".to_owned(),
            Err(error) => crate::reactor::error::words(&error),
        };
        self.is_missing = true;
        self.fault = Some(format!("cannot serve {}: {why}", self.folder.display()));
        Err(Seen::Missing(self.swarm))
    }

    /// What was missing is back when every file is there as it was, on whatever device.
    fn look_for_return(&mut self, next: usize) -> Outcome {
        let Ok(root) = identity(&self.folder) else {
            return Outcome::Done;
        };
        let before = self.root.map_or(root.0, |before| before.0);
        let last = self.len().min(next + WATCHED_PER_TURN);
        let is_back = |index: usize| {
            let there = fs::symlink_metadata(self.entry_path(index as u32));
            let mut entry = self.entry(index);
            entry.stamp = entry.stamp.map(|stamp| stamp.moved(before, root.0));
            there.is_ok_and(|there| entry.check(&self.stage, &there).is_ok())
        };
        if !(next..last).all(is_back) {
            return Outcome::Done;
        }
        if last < self.len() {
            return Outcome::More(last);
        }
        for index in 0..self.len() {
            if let Some(stamp) = self.entry(index).stamp {
                self.known[index].set_stamp(stamp.moved(before, root.0));
            }
        }
        (self.root, self.is_missing) = (Some(root), false);
        Outcome::Seen(Seen::Returned(self.swarm))
    }
}

fn identity(folder: &Path) -> io::Result<Identity> {
    let path = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    let there = fs::metadata(path)?;
    match there.is_dir() {
        true => Ok((there.dev(), there.ino())),
        false => Err(io::ErrorKind::NotADirectory.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reactor::files::walk;
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
        let mut disk = Disk::new();
        disk.share(SWARM, walk(&root).unwrap().0);
        (base, root, disk)
    }

    /// Runs one pass: what it has seen, and how many turns it took.
    fn pass(disk: &mut Disk) -> (Vec<Seen>, usize) {
        let now = disk.watch_at().unwrap();
        let (mut seen, mut turns) = (vec![], 0);
        loop {
            seen.extend(disk.watch(now));
            turns += 1;
            if !disk.is_watching() {
                return (seen, turns);
            }
        }
    }

    #[test]
    fn nothing_is_looked_at_where_nothing_is_served_nor_before_its_time() {
        let mut disk = Disk::new();
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
        assert_eq!(seen, [3, 40, 99].map(|entry| Seen::Changed(SWARM, entry)));
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
        assert_eq!(pass(&mut disk).0, [Seen::Missing(SWARM)]);
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
        assert_eq!(pass(&mut disk).0, [Seen::Returned(SWARM)]);
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
