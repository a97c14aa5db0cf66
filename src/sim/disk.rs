//! A host's disk: files that survive a crash, but for what was not synced.
//!
//! ```text
//!   (nothing) ── prepare: fallocate ──► Partial ── finish: sync, rename ──► Final
//!                                        │ write: kept at once, torn or lost by a power cut until synced
//!                                        └ commit: the steps of `journal::plan`, one by one
//! ```
//!
//! Names are durable at once here; `tests/core/crash.rs` has a disk that loses those, too.
//!
//! It knows nothing of time: `drive` delays the results, and draws which operations fail.
//! A write may go astray: it lands elsewhere on the disk, and nobody is told.
//! Invariant: a final file never changes unless it is spoilt, repaired or hit by such a write, and what
//! is partial was wholly synced or is in the undo list.

use super::content::Content;
use crate::bitmap::Bitmap;
use crate::id::FileId;
use crate::output::{DiskError, FileRange, Prepared, SwarmKey};
use crate::rng::Rng;
use crate::store::plan::{Plan, Step};
use crate::store::record::{self, Header, Writer};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::rc::Rc;

/// Bytes that a disk writes wholly or not at all.
pub const SECTOR_SIZE: usize = 512;

/// How far a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It stands under its partial name.
    Partial,
    /// It stands under its final name.
    Final,
    /// The same, and shards that have gone bad are written again.
    Repair,
}

struct Stored {
    entries: Vec<Rc<Vec<u8>>>,
    state: State,
    shard_size: u64,
    /// Shards that a write which went astray has hit, or was meant for.
    hit: BTreeSet<u32>,
    /// What stood where something was written since the last sync.
    undo: Vec<Undo>,
    journal: Option<Journal>,
    /// A new journal, until it has the old one's name.
    new_journal: Option<Journal>,
    /// What the checkpoint under way does.
    plans: &'static [Plan],
    /// What its new journal proves.
    kept: Bitmap,
    /// What it makes durable.
    gained: Bitmap,
}

impl Stored {
    fn new(entries: Vec<Rc<Vec<u8>>>, shard_size: u32, state: State) -> Stored {
        Stored {
            entries,
            state,
            shard_size: shard_size.into(),
            hit: BTreeSet::new(),
            undo: Vec::new(),
            journal: None,
            new_journal: None,
            plans: &[],
            kept: Bitmap::default(),
            gained: Bitmap::default(),
        }
    }

    fn write(&mut self, entry: usize, offset: usize, bytes: &[u8]) -> Result<(), DiskError> {
        let to = Rc::make_mut(&mut self.entries[entry]);
        let to = to
            .get_mut(offset..offset + bytes.len())
            .ok_or(DiskError::Truncated)?;
        self.undo.push(Undo {
            entry,
            offset,
            before: to.to_vec().into_boxed_slice(),
        });
        to.copy_from_slice(bytes);
        Ok(())
    }

    /// The shards that these bytes of an entry lie in.
    fn shards(&self, entry: usize, offset: usize, length: usize) -> RangeInclusive<u32> {
        let before: usize = self.entries[..entry].iter().map(|entry| entry.len()).sum();
        let shard = |at: usize| (at as u64 / self.shard_size) as u32;
        shard(before + offset)..=shard(before + offset + length - 1)
    }
}

/// A journal with its name.
struct Journal {
    header: Header,
    writer: Writer,
    bytes: Vec<u8>,
    /// Bytes that a power cut leaves.
    synced: usize,
}

impl Journal {
    /// A journal that is on the disk, and proves `held`.
    fn begin(header: Header, held: &Bitmap) -> Journal {
        let mut bytes = Vec::new();
        let mut writer = Writer::begin(header, &mut bytes);
        writer.gained(record::runs(held.iter()), &mut bytes);
        let synced = bytes.len();
        Journal {
            header,
            writer,
            bytes,
            synced,
        }
    }
}

struct Undo {
    entry: usize,
    offset: usize,
    before: Box<[u8]>,
}

/// The disk of one host.
pub struct Disk {
    stored: BTreeMap<FileId, Stored>,
    /// Which file each swarm of the running node is about.
    places: BTreeMap<SwarmKey, FileId>,
    /// Bytes free.
    pub free: u64,
    /// The list of saved contacts: replaced at once or not at all, as by a rename. Empty: none.
    pub contacts: Vec<u8>,
    /// How often it was written.
    pub contacts_written: u64,
}

impl Default for Disk {
    fn default() -> Disk {
        Disk {
            stored: BTreeMap::new(),
            places: BTreeMap::new(),
            free: u64::MAX,
            contacts: Vec::new(),
            contacts_written: 0,
        }
    }
}

impl Disk {
    /// Puts a whole file there.
    pub fn put(&mut self, content: &Content) {
        let shard_size = content.manifest.shard_size();
        let stored = Stored::new(content.entries.clone(), shard_size, State::Final);
        self.stored.insert(content.file(), stored);
    }

    /// Every byte of a file is wrong from now on, and nothing tells the node.
    pub fn corrupt(&mut self, file: FileId) {
        let Some(stored) = self.stored.get_mut(&file) else {
            return;
        };
        for entry in &mut stored.entries {
            Rc::make_mut(entry).iter_mut().for_each(|byte| *byte ^= 1);
        }
    }

    /// The node's `swarm` is about `file`.
    pub fn assign(&mut self, swarm: SwarmKey, file: FileId) {
        self.places.insert(swarm, file);
    }

    /// The node's `swarm` is gone.
    pub fn release(&mut self, swarm: SwarmKey) -> Option<FileId> {
        self.places.remove(&swarm)
    }

    /// What a swarm is about.
    pub fn file(&self, swarm: SwarmKey) -> Option<FileId> {
        self.places.get(&swarm).copied()
    }

    /// The swarms of the running node.
    pub fn swarms(&self) -> impl Iterator<Item = (SwarmKey, FileId)> {
        self.places.iter().map(|(&swarm, &file)| (swarm, file))
    }

    /// How far a file is; nothing when it is not there.
    pub fn state(&self, file: FileId) -> Option<State> {
        self.stored.get(&file).map(|stored| stored.state)
    }

    /// Makes or finds the place of a fetched file, and what its journal proves.
    ///
    /// # Errors
    /// When it does not fit.
    pub fn prepare(&mut self, content: &Content) -> Result<(Prepared, Bitmap), DiskError> {
        let none = Bitmap::default();
        if let Some(stored) = self.stored.get_mut(&content.file()) {
            match stored.state {
                State::Final => return Ok((Prepared::Final, none)),
                State::Repair => return Ok((Prepared::Kept, none)),
                State::Partial => {}
            }
            let Some(old) = &stored.journal else {
                return Ok((Prepared::Partial, none));
            };
            let (file, shards) = (content.file(), content.manifest.shard_count());
            let replayed = record::replay(&old.bytes, file, shards);
            let replayed = replayed.expect("a header that was synced is whole");
            let generation = old.header.generation + 1;
            let header = Header {
                generation,
                ..old.header
            };
            stored.journal = Some(Journal::begin(header, &replayed.held));
            return Ok((Prepared::Journaled, replayed.held));
        }
        let left = self.free.checked_sub(content.manifest.size());
        self.free = left.ok_or(DiskError::NoSpace)?;
        let sizes = content.entries.iter().map(|entry| entry.len());
        let entries = sizes.map(|size| Rc::new(vec![0; size])).collect();
        let stored = Stored::new(entries, content.manifest.shard_size(), State::Partial);
        self.stored.insert(content.file(), stored);
        Ok((Prepared::Fresh, none))
    }

    /// A checkpoint begins: what it is to make durable, and what a new journal proves besides.
    ///
    /// # Errors
    /// When the file is not there.
    pub fn begin_commit(
        &mut self,
        swarm: SwarmKey,
        gained: Bitmap,
        kept: Option<Bitmap>,
    ) -> Result<(), DiskError> {
        let stored = self.stored_mut(swarm)?;
        stored.plans = match (&stored.journal, &kept) {
            (Some(_), None) => &[Plan::Checkpoint],
            _ => &[Plan::Begin, Plan::Checkpoint],
        };
        (stored.gained, stored.kept) = (gained, kept.unwrap_or_default());
        Ok(())
    }

    /// The next step of the checkpoint under way: nothing when there is none left.
    ///
    /// # Errors
    /// When the file is not there.
    pub fn commit(
        &mut self,
        swarm: SwarmKey,
        step: usize,
        shards: u32,
    ) -> Result<Option<Step>, DiskError> {
        let file = *self.places.get(&swarm).ok_or(DiskError::NotFound)?;
        let stored = self.stored_mut(swarm)?;
        let mut steps = stored.plans.iter().flat_map(|plan| plan.steps());
        let Some(&step) = steps.nth(step) else {
            return Ok(None);
        };
        match step {
            Step::SyncData => stored.undo.clear(),
            Step::WriteJournal => {
                let before = stored.journal.as_ref();
                let header = Header {
                    file,
                    shards,
                    generation: 1 + before.map_or(0, |journal| journal.header.generation),
                    place: [0; 20],
                };
                let mut journal = Journal::begin(header, &stored.kept);
                journal.synced = 0;
                stored.new_journal = Some(journal);
            }
            Step::AppendRecords => {
                let journal = stored.journal.as_mut().ok_or(DiskError::NotFound)?;
                let gained = record::runs(stored.gained.iter());
                journal.writer.gained(gained, &mut journal.bytes);
            }
            Step::SyncJournal => {
                let journal = stored.new_journal.as_mut().or(stored.journal.as_mut());
                let journal = journal.ok_or(DiskError::NotFound)?;
                journal.synced = journal.bytes.len();
            }
            Step::NameJournal => stored.journal = stored.new_journal.take(),
            // Names are durable at once.
            Step::SyncFolders | Step::SyncParent => {}
            Step::NamePart | Step::RemoveJournal => unreachable!("no checkpoint has these steps"),
        }
        Ok(Some(step))
    }

    /// Writes into a partial file, or one that is repaired.
    ///
    /// # Errors
    /// When it is not there, or not partial.
    pub fn write(&mut self, range: FileRange, bytes: &[u8]) -> Result<(), DiskError> {
        let stored = self.stored_mut(range.swarm)?;
        if stored.state == State::Final {
            return Err(DiskError::Changed);
        }
        stored.write(range.entry as usize, range.offset as usize, bytes)
    }

    /// The same, but the bytes land in some other place of this disk that holds as many.
    ///
    /// # Errors
    /// As `write`.
    pub fn write_astray(
        &mut self,
        range: FileRange,
        bytes: &[u8],
        rng: &mut Rng,
    ) -> Result<(), DiskError> {
        let stored = self.stored_mut(range.swarm)?;
        let (entry, offset) = (range.entry as usize, range.offset as usize);
        if stored.state == State::Final {
            return Err(DiskError::Changed);
        }
        let meant = stored.shards(entry, offset, bytes.len());
        stored.hit.extend(meant);
        let fits = |stored: &Stored, entry: usize| stored.entries[entry].len() >= bytes.len();
        let places: Vec<(FileId, usize)> = self
            .stored
            .iter()
            .flat_map(|(&file, stored)| (0..stored.entries.len()).map(move |of| (file, of)))
            .filter(|(file, of)| fits(&self.stored[file], *of))
            .collect();
        let (file, entry) = places[rng.below(places.len() as u64) as usize];
        let victim = self.stored.get_mut(&file).ok_or(DiskError::NotFound)?;
        let sectors = (victim.entries[entry].len() - bytes.len()) / SECTOR_SIZE;
        let offset = rng.below(sectors as u64 + 1) as usize * SECTOR_SIZE;
        let hit = victim.shards(entry, offset, bytes.len());
        victim.hit.extend(hit);
        victim.write(entry, offset, bytes)
    }

    /// Whether a write that went astray has hit a shard, or was meant for it.
    pub fn is_hit(&self, file: FileId, shard: u32) -> bool {
        let stored = self.stored.get(&file);
        stored.is_some_and(|stored| stored.hit.contains(&shard))
    }

    /// The bytes of a range.
    ///
    /// # Errors
    /// When they are not there.
    pub fn read(&self, range: FileRange) -> Result<&[u8], DiskError> {
        let file = self.places.get(&range.swarm).ok_or(DiskError::NotFound)?;
        let stored = self.stored.get(file).ok_or(DiskError::NotFound)?;
        let entry = &stored.entries[range.entry as usize];
        let start = range.offset as usize;
        entry
            .get(start..start + range.length as usize)
            .ok_or(DiskError::Truncated)
    }

    /// A finished file may be written again.
    ///
    /// # Errors
    /// When it is not there.
    pub fn reopen(&mut self, swarm: SwarmKey) -> Result<(), DiskError> {
        self.stored_mut(swarm)?.state = State::Repair;
        Ok(())
    }

    /// Syncs a partial file and gives it its final name, or one that was repaired.
    ///
    /// # Errors
    /// When it is not there.
    pub fn finish(&mut self, swarm: SwarmKey) -> Result<(), DiskError> {
        let stored = self.stored_mut(swarm)?;
        stored.undo.clear();
        stored.state = State::Final;
        stored.journal = None;
        Ok(())
    }

    /// The node has ended. With a power cut, each sector of what was not synced is there or not, as
    /// the generator says; of an end of the process alone, everything stays.
    pub fn crash(&mut self, torn_by: Option<&mut Rng>) {
        self.places.clear();
        for stored in self.stored.values_mut() {
            // It is beside the place that a start looks at.
            stored.new_journal = None;
        }
        let Some(rng) = torn_by else { return };
        for stored in self.stored.values_mut() {
            if let Some(journal) = &mut stored.journal {
                // Some of what was not synced is there, and its end may be rubbish.
                let unsynced = journal.bytes.len() - journal.synced;
                let kept = rng.below(unsynced as u64 + 1) as usize;
                journal.bytes.truncate(journal.synced + kept);
                let torn = kept.min(rng.below(SECTOR_SIZE as u64) as usize);
                let start = journal.bytes.len() - torn;
                journal.bytes[start..].iter_mut().for_each(|byte| *byte = 0);
            }
            for undo in stored.undo.drain(..).rev() {
                let bytes = Rc::make_mut(&mut stored.entries[undo.entry]);
                for (index, sector) in undo.before.chunks(SECTOR_SIZE).enumerate() {
                    if rng.below(2) == 0 {
                        let start = undo.offset + index * SECTOR_SIZE;
                        bytes[start..start + sector.len()].copy_from_slice(sector);
                    }
                }
            }
        }
    }

    /// Whether a shard on this disk is that of `content`.
    pub fn holds(&self, content: &Content, shard: u32) -> bool {
        let Some(stored) = self.stored.get(&content.file()) else {
            return false;
        };
        let manifest = &content.manifest;
        let mut segments = manifest.segments(shard, 0, manifest.shard_length(shard));
        segments.all(|segment| {
            let (entry, start) = (segment.entry as usize, segment.offset as usize);
            let end = start + segment.length as usize;
            let (ours, right) = (&stored.entries[entry], &content.entries[entry]);
            Rc::ptr_eq(ours, right) || ours[start..end] == right[start..end]
        })
    }

    fn stored_mut(&mut self, swarm: SwarmKey) -> Result<&mut Stored, DiskError> {
        let file = self.places.get(&swarm).ok_or(DiskError::NotFound)?;
        self.stored.get_mut(file).ok_or(DiskError::NotFound)
    }
}
