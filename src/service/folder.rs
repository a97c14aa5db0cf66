//! A drop folder (`--share-dir`): its entries are shared, and withdrawn when they are removed.
//!
//! ```text
//!            as it was at a restart, or unchanged for DROP_STILL
//!  (found) ────────────────────────────────────────────────────► shared
//!     ▲                                                             │ another size, time, inode,
//!     └──────────── withdrawn ◄─────────────────────────────────────┘ or entry; or taken out
//! ```
//!
//! Each of its entries, file or folder, is a share of its own. Names that begin with `.`, or end in
//! `.part`, `.tmp` or `.part.journal`, are unfinished work and left alone. A file that is being
//! copied changes its size or times, and is not read before it rests.
//!
//! It is scanned at intervals, not watched by inotify: inotify reports neither changes inside of a
//! folder in it nor mounts, so the interval would have to stay; and one `readdir` in four seconds
//! is a quarter of a wake-up a second. The contents of a shared folder are checked once a minute,
//! as those of every share. Invariants: a folder that cannot be read withdraws nothing; only jobs
//! that were found in a drop folder are withdrawn.

use super::Service;
use super::catalog::{CatalogEntry, Work};
use super::jobs::Job;
use crate::limits::{DROP_PERIOD, DROP_PERIOD_BUSY, DROP_STILL, SWARMS_MAX, WATCH_PERIOD};
use crate::reactor::{self, Proof, Reactor, prove};
use crate::time::Instant;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

pub struct Folder {
    path: PathBuf,
    /// When it is scanned next.
    pub scan_at: Instant,
    entries: BTreeMap<OsString, Entry>,
    /// Why it could not be read, once said.
    trouble: Option<String>,
}

/// An entry, as it was seen last.
#[derive(Clone, Copy)]
struct Entry {
    /// Size, inode, and time of modification of the entry itself.
    surface: (u64, u64, i64, i64),
    /// Covers it and all in it; none where they cannot be shared.
    proof: Option<Proof>,
    proved_at: Instant,
    changed_at: Instant,
    /// The job that shares it.
    number: Option<u64>,
}

impl Folder {
    /// A folder that was not scanned yet; its path is absolute.
    pub fn new(path: PathBuf, now: Instant) -> Folder {
        Folder {
            path,
            scan_at: now,
            entries: BTreeMap::new(),
            trouble: None,
        }
    }

    /// Whether `path` is an entry of this folder.
    pub fn has(&self, path: &Path) -> bool {
        path.parent() == Some(&self.path)
    }
}

impl Service<'_> {
    /// Scans the drop folder of this index.
    pub(super) fn scan(&mut self, reactor: &mut Reactor, index: usize) {
        let folder = &mut self.folders[index];
        folder.scan_at = reactor.now() + DROP_PERIOD;
        let names = match names(&folder.path) {
            Ok(names) => names,
            Err(error) => {
                let why = reactor::Error::new(format!("read {}", folder.path.display()), error);
                let why = why.to_string();
                if folder.trouble.as_ref() != Some(&why) {
                    self.setup.log.notice(format!("{why} (its files wait)"));
                    folder.trouble = Some(why);
                }
                return;
            }
        };
        folder.trouble = None;
        folder.entries.retain(|name, _| names.contains(name));
        self.withdraw_all_but(reactor, index, &names);
        for name in names {
            if let Some(entry) = self.examine(reactor, index, &name) {
                self.folders[index].entries.insert(name, entry);
            }
        }
    }

    /// Withdraws the jobs of entries that are not in this folder any more.
    fn withdraw_all_but(&mut self, reactor: &mut Reactor, index: usize, names: &[OsString]) {
        let folder = &self.folders[index];
        let is_gone = |path: &Path| {
            let name = path.file_name().unwrap_or_default();
            folder.has(path) && !names.iter().any(|other| other == name)
        };
        let gone = self
            .jobs
            .iter()
            .filter(|job| job.path().is_some_and(is_gone));
        let gone: Vec<u64> = gone.map(|job| job.number).collect();
        gone.into_iter()
            .for_each(|number| self.withdraw(reactor, number));
    }

    /// Withdraws a job, unless its owner has added it as well.
    fn withdraw(&mut self, reactor: &mut Reactor, number: u64) {
        if !self
            .jobs
            .find(number)
            .is_some_and(|job| job.entry.is_from_folder)
        {
            return;
        }
        if let Some(path) = self.remove(reactor, number).as_ref().and_then(Job::path) {
            self.setup
                .log
                .info(format!("withdrawn: {}", path.display()));
        }
        self.save_soon(reactor.now());
    }

    /// Examines an entry: shares it when it rests, and anew when it has changed.
    fn examine(&mut self, reactor: &mut Reactor, index: usize, name: &OsStr) -> Option<Entry> {
        let now = reactor.now();
        let path = self.folders[index].path.join(name);
        let known = self.folders[index].entries.get(name).copied();
        let surface = surface(&path).ok()?;
        let is_fresh = |entry: &Entry| {
            let is_due = now.since(entry.proved_at) >= WATCH_PERIOD;
            entry.number.is_some() && entry.surface == surface && !is_due
        };
        if known.as_ref().is_some_and(is_fresh) {
            return known;
        }
        // If it cannot be shared, `start` says so when it rests.
        let proof = prove(&path).ok().flatten();
        let (mut changed_at, mut number) = (now, None);
        match known {
            Some(known) if (known.surface, known.proof) == (surface, proof) => {
                (changed_at, number) = (known.changed_at, known.number);
            }
            Some(Entry {
                number: Some(number),
                ..
            }) => self.withdraw(reactor, number),
            _ => {}
        }
        if number.is_none() {
            let job = self.jobs.of_share(&path);
            let was_proved = proof.is_some() && job.is_some_and(|job| job.entry.proof == proof);
            let is_still = was_proved || now.since(changed_at) >= DROP_STILL;
            match is_still {
                true => number = self.share_found(reactor, path),
                false => self.folders[index].scan_at = now + DROP_PERIOD_BUSY,
            }
        }
        Some(Entry {
            surface,
            proof,
            proved_at: now,
            changed_at,
            number,
        })
    }

    /// Shares an entry; the number of its job, unless there is no room for it.
    fn share_found(&mut self, reactor: &mut Reactor, path: PathBuf) -> Option<u64> {
        if let Some(job) = self.jobs.of_share(&path) {
            if job.swarm.is_none() {
                job.start_at = Some(reactor.now());
            }
            return Some(job.number);
        }
        let entry = CatalogEntry::new(Work::Share(path));
        let entry = CatalogEntry {
            is_from_folder: true,
            ..entry
        };
        let number = self.push(reactor, entry).ok()?.number;
        self.save_soon(reactor.now());
        Some(number)
    }
}

/// The entries of a folder that are offered, in order.
fn names(folder: &Path) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        if is_offered(&name) && names.len() < SWARMS_MAX {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Whether a name is not that of unfinished work.
fn is_offered(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    let ends = [".part", ".tmp", ".part.journal"];
    !name.starts_with(b".") && !ends.iter().any(|end| name.ends_with(end.as_bytes()))
}

fn surface(path: &Path) -> io::Result<(u64, u64, i64, i64)> {
    let there = fs::metadata(path)?;
    Ok((there.size(), there.ino(), there.mtime(), there.mtime_nsec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_work_in_progress_are_left_alone() {
        for name in ["x", "x.iso", "part", "x.part.iso", "x.", "tmp"] {
            assert!(is_offered(OsStr::new(name)), "{name}");
        }
        for name in [".x", "x.part", "x.tmp", "x.part.journal", ".", ".part"] {
            assert!(!is_offered(OsStr::new(name)), "{name}");
        }
    }
}
