//! A drop folder (`--share-dir`): what is put into it is shared, what is taken out is withdrawn.
//!
//! ```text
//!            as it was at a restart, or unchanged for DROP_STILL
//!  (found) ────────────────────────────────────────────────────► shared
//!     ▲                                                             │ another size, time, inode,
//!     └──────────── withdrawn ◄─────────────────────────────────────┘ or entry; or taken out
//! ```
//!
//! Each of its entries, file or folder, is a share of its own. Names that begin with `.`, or end in
//! `.part`, `.tmp` or `.part.journal`, are somebody's work and left alone. What is still being copied
//! changes its size or times, and is not read before it rests.
//!
//! It is looked through at intervals, not by inotify: inotify says nothing of what is inside of a folder
//! that was put there, nor of a mount that came or went, so the interval would have to stay; and one
//! `readdir` in four seconds is a quarter of a wake-up a second. What lies *in* a shared folder is looked
//! at once a minute, as all that is shared. Invariants: a folder that cannot be read withdraws nothing;
//! nothing but what was found here is withdrawn from here.

use super::Service;
use super::catalog::{Remembered, Work};
use crate::limits::{DROP_PERIOD, DROP_PERIOD_BUSY, DROP_STILL, SWARMS_MAX, WATCH_PERIOD};
use crate::reactor::{self, Proof, Reactor, prove};
use crate::time::Instant;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// One drop folder.
pub struct Folder {
    path: PathBuf,
    /// When it is looked through next.
    pub look_at: Instant,
    entries: BTreeMap<OsString, Entry>,
    /// Why it could not be read, once said.
    trouble: Option<String>,
}

/// What is known of an entry.
struct Entry {
    /// What the system says of the entry itself: size, inode, and time of modification.
    surface: (u64, u64, i64, i64),
    /// What it and all in it were when they were looked at; none where they cannot be shared.
    proof: Option<Proof>,
    looked_at: Instant,
    changed_at: Instant,
    /// The item that shares it.
    number: Option<u64>,
}

impl Folder {
    /// A folder that nothing is known of; its path is absolute.
    pub fn new(path: PathBuf, now: Instant) -> Folder {
        Folder {
            path,
            look_at: now,
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
    /// Looks through the drop folder at `place` in their list.
    pub(super) fn look_through(&mut self, reactor: &mut Reactor, place: usize) {
        let now = reactor.now();
        let folder = &mut self.folders[place];
        folder.look_at = now + DROP_PERIOD;
        let names = match names(&folder.path) {
            Ok(names) => names,
            Err(error) => {
                let why = reactor::Error::new(format!("read {}", folder.path.display()), error);
                let why = why.to_string();
                if folder.trouble.as_ref() != Some(&why) {
                    self.console.notice(format!("{why} (what was in it waits)"));
                    folder.trouble = Some(why);
                }
                return;
            }
        };
        folder.trouble = None;
        folder.entries.retain(|name, _| names.contains(name));
        self.withdraw_all_but(reactor, place, &names);
        for name in names {
            self.look_at(reactor, place, name);
        }
    }

    /// Withdraws what was found in this folder and is not in it any more.
    fn withdraw_all_but(&mut self, reactor: &mut Reactor, place: usize, names: &[OsString]) {
        let folder = &self.folders[place];
        let is_gone = |path: &Path| {
            let name = path.file_name().unwrap_or_default();
            folder.has(path) && !names.iter().any(|other| other == name)
        };
        let items = self.items.iter().filter(|item| item.kept.is_from_folder);
        let gone = items.filter(|item| item.path().is_some_and(is_gone));
        let gone: Vec<u64> = gone.map(|item| item.number).collect();
        for number in gone {
            self.withdraw(reactor, number);
        }
    }

    fn withdraw(&mut self, reactor: &mut Reactor, number: u64) {
        let Some(item) = self.items.remove(number) else {
            return;
        };
        if let Some(path) = item.path() {
            self.console.info(format!("withdrawn: {}", path.display()));
        }
        self.let_go(reactor, &item);
        self.remember_soon(reactor.now());
    }

    /// Looks at one entry: shares it when it rests, and anew when it is another.
    fn look_at(&mut self, reactor: &mut Reactor, place: usize, name: OsString) {
        let now = reactor.now();
        let path = self.folders[place].path.join(&name);
        let Ok(surface) = surface(&path) else { return };
        let known = self.folders[place].entries.get(&name);
        let is_fresh = known.is_some_and(|entry| {
            let is_due = now.since(entry.looked_at) >= WATCH_PERIOD;
            entry.number.is_some() && entry.surface == surface && !is_due
        });
        if is_fresh {
            return;
        }
        // What cannot be shared is said when it rests.
        let proof = prove(&path).ok().flatten();
        let before =
            known.map(|entry| (entry.proof, entry.surface, entry.changed_at, entry.number));
        let mut entry = Entry {
            surface,
            proof,
            looked_at: now,
            changed_at: now,
            number: None,
        };
        match before {
            Some((old_proof, old_surface, changed_at, number))
                if old_proof == proof && old_surface == surface =>
            {
                (entry.changed_at, entry.number) = (changed_at, number);
            }
            Some((.., Some(number))) => self.withdraw_found(reactor, number),
            _ => {}
        }
        if entry.number.is_none() {
            let item = self.items.of_share(&path);
            let was_proved = proof.is_some() && item.is_some_and(|item| item.kept.proof == proof);
            let is_still = was_proved || now.since(entry.changed_at) >= DROP_STILL;
            match is_still {
                true => entry.number = self.share_found(reactor, path),
                false => self.folders[place].look_at = now + DROP_PERIOD_BUSY,
            }
        }
        self.folders[place].entries.insert(name, entry);
    }

    /// Withdraws an entry, unless its owner has added it besides.
    fn withdraw_found(&mut self, reactor: &mut Reactor, number: u64) {
        let item = self.items.find(number);
        if item.is_some_and(|item| item.kept.is_from_folder) {
            self.withdraw(reactor, number);
        }
    }

    /// Shares an entry; the number of its item, unless there is no room for it.
    fn share_found(&mut self, reactor: &mut Reactor, path: PathBuf) -> Option<u64> {
        let now = reactor.now();
        if let Some(item) = self.items.of_share(&path) {
            let (number, is_idle) = (item.number, item.swarm.is_none());
            if let (true, Some(item)) = (is_idle, self.items.find_mut(number)) {
                item.retry_at = Some(now);
            }
            return Some(number);
        }
        if !self.items.has_room() {
            return None;
        }
        let kept = Remembered {
            work: Work::Share(path),
            file: None,
            proof: None,
            is_paused: false,
            is_from_folder: true,
        };
        self.remember_soon(now);
        Some(self.items.push(kept, now))
    }
}

/// The entries of a folder that are anybody's to share, in order.
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

/// Whether a name is not that of somebody's work.
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
