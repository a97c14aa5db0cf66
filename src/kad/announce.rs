//! Announces the files that this node provides (rule 13).
//!
//! ```text
//!   provide ─► due ─► Announce lookup ─► deliver_announcement ─► a store at each of the k closest
//!               ▲                                                           │
//!               │                                                           ▼
//!               └── about an hour later; soon, if no node stored it, ── announced
//!                   or when a quarter of its holders are gone
//! ```
//!
//! An hour is a long time in a restless network: where half of all nodes leave within 84 seconds,
//! none of the k holders is there after ten minutes. Therefore a provider asks one holder of each
//! file in a minute whether it is still there (132 bytes), and another at once for each that is
//! not.
//!
//! Records that are announced in one part of a divided network are held there, maybe by none of the
//! nodes that are closest in the whole. When the parts meet again, no node is new: therefore a
//! contact that answers after a silence gets the announcements like a newcomer, and an announcement
//! to which most nodes were silent is made again after 30 s, 60 s, 120 s … until most answer.
//!
//! Invariant: while an announcement is under way, `open` counts its stores that have not ended.

use super::rpc::{RetryPolicy, Task};
use super::store::{HeldToken, Store, StoreKind};
use super::{Kad, Lookup};
use crate::address::Contact;
use crate::dht::{Event, around};
use crate::id::FileId;
use crate::limits::{ANNOUNCE_RETRY, BACKGROUND_LOOKUPS_MAX, HOLDERS_ASKED_MAX};
use crate::limits::{NEWCOMER_KEYS_MAX, PROVIDED_MAX, STORES_MAX};
use crate::time::Instant;
use std::collections::{BTreeMap, VecDeque};

/// The files that this node provides, and those of them whose announcement is due.
#[derive(Default)]
pub(super) struct Announcements {
    pub files: BTreeMap<FileId, Announcement>,
    due: VecDeque<FileId>,
}

/// The announcement of one file.
#[derive(Default)]
pub(super) struct Announcement {
    /// When it is due again; `None` until the first is under way.
    announce_at: Option<Instant>,
    /// The nodes that hold the record, with their tokens, which a withdrawal takes.
    holders: Vec<(Contact, HeldToken)>,
    /// Holders that were found to be gone since the last announcement.
    lost: usize,
    /// Stores of the announcement under way.
    open: usize,
    /// Announcements in a row to which more nodes were silent than answered.
    doubtful: u32,
}

impl Announcement {
    fn is_held_by(&self, contact: Contact) -> bool {
        self.holders.iter().any(|(holder, _)| *holder == contact)
    }
}

impl Kad {
    /// Announces now, and about every hour, that we provide `file`, until [`Kad::withdraw`]. Each
    /// announcement ends with [`Event::Announced`]. While there is no contact, it waits.
    ///
    /// False when [`PROVIDED_MAX`] files are announced already: then it is not.
    pub fn provide(&mut self, now: Instant, file: FileId) -> bool {
        let files = &mut self.announcements.files;
        if files.contains_key(&file) {
            return true;
        }
        let has_room = files.len() < PROVIDED_MAX;
        if has_room {
            files.insert(file, Announcement::default());
            self.announcements.due.push_back(file);
            self.advance(now);
        }
        has_room
    }

    /// Ends [`Kad::provide`]: asks the nodes that hold the record to forget it.
    pub fn withdraw(&mut self, now: Instant, file: FileId) {
        let Some(announcement) = self.announcements.files.remove(&file) else {
            return;
        };
        let is_ours = |kind: &StoreKind| matches!(kind, StoreKind::Announce | StoreKind::Extend);
        self.stores
            .retain(|store| store.file != file || !is_ours(&store.kind));
        for (contact, token) in announcement.holders {
            self.enqueue_store(Store::new(file, contact, Some(token), StoreKind::Withdraw));
        }
        self.advance(now);
    }

    /// The files that this node announces.
    pub fn provided_files(&self) -> impl Iterator<Item = FileId> {
        self.announcements.files.keys().copied()
    }

    /// Queues the announcements that are due.
    pub(super) fn queue_announcements(&mut self, now: Instant) {
        let Announcements { files, due } = &mut self.announcements;
        let is_due =
            |announcement: &Announcement| announcement.announce_at.is_some_and(|at| at <= now);
        for (file, _) in files
            .iter()
            .filter(|(_, announcement)| is_due(announcement))
        {
            if !due.contains(file) {
                due.push_back(*file);
            }
        }
    }

    /// Asks a holder of each file that we provide, or of some if there are many.
    pub(super) fn ask_holders(&mut self, now: Instant) {
        let from = self.rng.id();
        let files = around(&self.announcements.files, from, HOLDERS_ASKED_MAX);
        let files: Vec<FileId> = files.map(|(&file, _)| file).collect();
        files
            .into_iter()
            .for_each(|file| self.ask_holder(now, file));
    }

    fn ask_holder(&mut self, now: Instant, file: FileId) {
        let Some(announcement) = self.announcements.files.get(&file) else {
            return;
        };
        if announcement.open == 0 && !announcement.holders.is_empty() {
            let index = self.rng.below(announcement.holders.len() as u64) as usize;
            let (contact, _) = announcement.holders[index];
            // If it may not be asked now, another may in a minute.
            _ = self.try_ask(now, contact, Task::Holder(file), RetryPolicy::Repeat);
        }
    }

    /// A holder is gone. When a quarter are, the file is announced anew; until then, another is
    /// asked.
    pub(super) fn holder_lost(&mut self, now: Instant, file: FileId, contact: Contact) {
        let Some(announcement) = self.announcements.files.get_mut(&file) else {
            return;
        };
        announcement
            .holders
            .retain(|(holder, _)| *holder != contact);
        announcement.lost += 1;
        if announcement.lost * 3 < announcement.holders.len() {
            self.ask_holder(now, file);
        } else if announcement.open == 0 {
            announcement.announce_at = Some(now);
        }
    }

    /// The next file to be announced, if there is room for the stores that this will cause.
    pub(super) fn next_announcement(&mut self, now: Instant) -> Option<FileId> {
        let room = self.config.params.k * (BACKGROUND_LOOKUPS_MAX + 1);
        if self.stores.len() + room > STORES_MAX {
            return None;
        }
        while let Some(file) = self.announcements.due.pop_front() {
            if let Some(announcement) = self.announcements.files.get_mut(&file) {
                // Until it ends: should its end be lost, the next announcement is not.
                announcement.announce_at = Some(now + self.config.params.announce_period);
                return Some(file);
            }
        }
        None
    }

    /// The lookup of an announcement has ended: stores the record at the k closest.
    pub(super) fn deliver_announcement(&mut self, now: Instant, lookup: &Lookup) {
        let file = FileId(lookup.target);
        let Some(announcement) = self.announcements.files.get_mut(&file) else {
            return;
        };
        let closest = lookup.closest_answered();
        let closest = closest.iter().take(self.config.params.k);
        *announcement = Announcement {
            announce_at: announcement.announce_at,
            open: closest.len(),
            doubtful: match lookup.asked > 2 * lookup.answered {
                true => announcement.doubtful + 1,
                false => 0,
            },
            ..Announcement::default()
        };
        if announcement.open == 0 {
            self.announced(now, file);
        }
        for node in closest {
            let token = Some(HeldToken::new(node.token, now));
            self.enqueue_store(Store::new(file, node.contact, token, StoreKind::Announce));
        }
    }

    /// All stores of an announcement have ended.
    fn announced(&mut self, now: Instant, file: FileId) {
        let Some(announcement) = self.announcements.files.get_mut(&file) else {
            return;
        };
        let stored = announcement.holders.len() as u32;
        let usual = self.config.params.announce_period;
        let period = match (stored, announcement.doubtful) {
            (0, _) => ANNOUNCE_RETRY,
            (_, 0) => usual,
            (_, doubtful) => usual.min(ANNOUNCE_RETRY * (1 << (doubtful - 1).min(16))),
        };
        announcement.announce_at = Some(now + self.rng.jittered(period));
        self.push_event(Event::Announced { file, stored });
    }

    /// Brings the announcements near a contact to it, unless it holds them: the table has just
    /// admitted it, or it answers again after a silence.
    pub(super) fn extend_announcements(&mut self, contact: Contact) {
        let k = self.config.params.k;
        let near = around(&self.announcements.files, contact.id.0, NEWCOMER_KEYS_MAX);
        let lacking = near.filter(|(_, announcement)| {
            !announcement.holders.is_empty() && !announcement.is_held_by(contact)
        });
        let files = lacking.map(|(&file, _)| file);
        let is_close = |file: &FileId| self.table.closest(file.0, k, None).contains(&contact);
        let files: Vec<FileId> = files.filter(is_close).collect();
        for file in files {
            self.enqueue_store(Store::new(file, contact, None, StoreKind::Extend));
        }
    }

    /// A store of an announcement has ended, with the record stored or not.
    pub(super) fn announcement_done(&mut self, now: Instant, store: Store, is_stored: bool) {
        let Some(announcement) = self.announcements.files.get_mut(&store.file) else {
            // The file was withdrawn meanwhile: its record must go again.
            if is_stored {
                let kind = StoreKind::Withdraw;
                self.enqueue_store(Store { kind, ..store });
            }
            return;
        };
        if let (true, Some(token)) = (is_stored, store.token) {
            let holders = &mut announcement.holders;
            holders.retain(|(holder, _)| *holder != store.contact);
            holders.truncate(2 * self.config.params.k);
            holders.push((store.contact, token));
        }
        if store.kind == StoreKind::Announce && announcement.open > 0 {
            announcement.open -= 1;
            if announcement.open == 0 {
                self.announced(now, store.file);
            }
        }
    }
}
