//! Announces the files that this node provides, and runs the errands of all who hand something to
//! nodes (rule 13).
//!
//! ```text
//!   provide ─► due ─► Announce lookup ─► an errand to each of the k closest ─► Announced
//!               ▲                                                                │
//!               └───────── about an hour later; soon, if nobody stored it, ──────┘
//!                          or when a quarter of those who did are gone
//!   errand:  (token?) ─no─► FindNode ─► token ─► Store or Replicate ─► done
//!                └─yes────────────────────────────►
//! ```
//!
//! An hour is a long time in a restless network: where half of all nodes leave within 84 seconds,
//! none of the k holders is there after ten minutes. Therefore a provider asks one holder of each
//! file in a minute whether it is still there (132 bytes), and another at once for each that is
//! not.
//!
//! What is announced in one part of a divided network is held there, maybe by none of those who are
//! closest in the whole. When the parts meet again, nobody is new: therefore a contact that answers
//! after a silence is told like a newcomer, and an announcement that most were silent to is made
//! again after 30 s, 60 s, 120 s … until most answer.
//!
//! Invariant: an errand ends exactly once, in `errand_done`.

use super::Lookup;
use super::rpc::{Effort, Request, Task};
use super::{Kad, jittered};
use crate::address::Contact;
use crate::dht::Event;
use crate::dht::addresses::Permit;
use crate::dht::records::around;
use crate::id::FileId;
use crate::limits::{
    ANNOUNCE_RETRY, BACKGROUND_LOOKUPS_MAX, ERRANDS_ACTIVE_MAX, ERRANDS_MAX, HOLDERS_ASKED_MAX,
    NEWCOMER_KEYS_MAX, PROVIDED_MAX, SECRET_PERIOD,
};
use crate::time::Instant;
use crate::wire::native::datagram::{HandedProvider, Token};

/// A file that this node provides.
#[derive(Default)]
pub(super) struct Provided {
    /// When it is due again; `None` until the first is under way.
    announce_at: Option<Instant>,
    /// Who holds the record, with what it takes to withdraw it.
    holders: Vec<Holder>,
    /// Holders that were found to be gone since the last announcement.
    lost: usize,
    /// Errands of the announcement under way.
    open: usize,
    /// Announcements in a row that more were silent to than answered.
    doubtful: u32,
}

impl Provided {
    fn is_held_by(&self, contact: Contact) -> bool {
        self.holders.iter().any(|holder| holder.contact == contact)
    }
}

#[derive(Clone, Copy)]
struct Holder {
    contact: Contact,
    grant: Grant,
}

/// A token and when we got it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    token: Token,
    received_at: Instant,
}

/// What is to be brought to a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Our announcement.
    Announce,
    /// Our announcement, to a node that came near after it (rule 13).
    Extend,
    /// Our withdrawal.
    Withdraw,
    /// The records that we hold of the file.
    HandOver,
    /// What a lookup has found (rule 10).
    Cache(Vec<HandedProvider>),
}

/// Something to be brought to a node, for which it must have given us a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Errand {
    /// Which file.
    pub file: FileId,
    /// To whom.
    pub contact: Contact,
    /// The node's leave, if we have it.
    pub grant: Option<Grant>,
    /// What.
    pub deed: Deed,
}
const _: () = assert!(size_of::<Errand>() <= crate::limits::memory::ERRAND_SIZE);

impl Grant {
    /// A token that has just come.
    pub fn new(token: Token, now: Instant) -> Grant {
        Grant {
            token,
            received_at: now,
        }
    }
}

impl Kad {
    /// Announces now, and about every hour, that we provide `file`, until [`Kad::withdraw`]. The
    /// end of each announcement is told by [`Event::Announced`]. While there is nobody to tell, it
    /// waits.
    ///
    /// False when [`PROVIDED_MAX`] files are announced already: then it is not.
    pub fn provide(&mut self, now: Instant, file: FileId) -> bool {
        let is_known = self.provided.contains_key(&file);
        if !is_known && self.provided.len() < PROVIDED_MAX {
            self.provided.insert(file, Provided::default());
            self.due_announcements.push_back(file);
            self.advance(now);
        }
        self.provided.contains_key(&file)
    }

    /// Ends [`Kad::provide`]: those who hold the record are told to forget it.
    pub fn withdraw(&mut self, now: Instant, file: FileId) {
        let Some(provided) = self.provided.remove(&file) else {
            return;
        };
        self.errands.retain(|errand| {
            errand.file != file || !matches!(errand.deed, Deed::Announce | Deed::Extend)
        });
        for Holder { contact, grant } in provided.holders {
            self.add_errand(Errand {
                file,
                contact,
                grant: Some(grant),
                deed: Deed::Withdraw,
            });
        }
        self.advance(now);
    }

    /// The minute's look at which announcements are due.
    pub(super) fn collect_announcements(&mut self, now: Instant) {
        for (&file, provided) in &self.provided {
            let is_due = provided.announce_at.is_some_and(|at| at <= now);
            if is_due && !self.due_announcements.contains(&file) {
                self.due_announcements.push_back(file);
            }
        }
    }

    /// Asks a holder of each file that we provide, or of some if there are many.
    pub(super) fn ask_holders(&mut self, now: Instant) {
        let from = self.rng.id();
        let files: Vec<FileId> = around(&self.provided, from, HOLDERS_ASKED_MAX)
            .map(|(&file, _)| file)
            .collect();
        files
            .into_iter()
            .for_each(|file| self.ask_holder(now, file));
    }

    fn ask_holder(&mut self, now: Instant, file: FileId) {
        let Some(provided) = self.provided.get(&file) else {
            return;
        };
        if provided.open == 0 && !provided.holders.is_empty() {
            let index = self.rng.below(provided.holders.len() as u64) as usize;
            let contact = provided.holders[index].contact;
            // If it may not be asked now, another may in a minute.
            _ = self.try_ask(
                now,
                contact,
                (Request::Ping, Task::Holder(file), Effort::Usual),
            );
        }
    }

    /// A holder is gone. When a quarter are, the file is announced anew; till then we look on.
    pub(super) fn holder_lost(&mut self, now: Instant, file: FileId, contact: Contact) {
        let Some(provided) = self.provided.get_mut(&file) else {
            return;
        };
        provided.holders.retain(|holder| holder.contact != contact);
        provided.lost += 1;
        if provided.lost * 3 < provided.holders.len() {
            self.ask_holder(now, file);
        } else if provided.open == 0 {
            provided.announce_at = Some(now);
        }
    }

    /// The next file to be announced, if the errands that will bring leave room.
    pub(super) fn next_announcement(&mut self, now: Instant) -> Option<FileId> {
        let room = self.config.params.k * (BACKGROUND_LOOKUPS_MAX + 1);
        if self.errands.len() + room > ERRANDS_MAX {
            return None;
        }
        let period = self.config.params.announce_period;
        while let Some(file) = self.due_announcements.pop_front() {
            if let Some(provided) = self.provided.get_mut(&file) {
                // Until its end says better: should that be lost, the next is not.
                provided.announce_at = Some(now + period);
                return Some(file);
            }
        }
        None
    }

    /// The lookup of an announcement has ended: to the k closest.
    pub(super) fn deliver_announcement(&mut self, now: Instant, lookup: &Lookup) {
        let file = FileId(lookup.target);
        let k = self.config.params.k;
        let Some(provided) = self.provided.get_mut(&file) else {
            return;
        };
        let closest = lookup.closest_answered();
        let is_doubtful = lookup.asked > 2 * lookup.answered;
        provided.doubtful = if is_doubtful {
            provided.doubtful + 1
        } else {
            0
        };
        provided.open = closest.len().min(k);
        provided.holders.clear();
        provided.lost = 0;
        if provided.open == 0 {
            self.announced(now, file);
        }
        for candidate in closest.iter().take(k) {
            let grant = Some(Grant::new(candidate.token, now));
            let errand = Errand {
                file,
                contact: candidate.contact,
                grant,
                deed: Deed::Announce,
            };
            self.add_errand(errand);
        }
    }

    /// All errands of an announcement have ended.
    fn announced(&mut self, now: Instant, file: FileId) {
        let Some(provided) = self.provided.get_mut(&file) else {
            return;
        };
        let stored = provided.holders.len() as u32;
        let usual = self.config.params.announce_period;
        let period = match (stored, provided.doubtful) {
            (0, _) => ANNOUNCE_RETRY,
            (_, 0) => usual,
            (_, doubtful) => usual.min(ANNOUNCE_RETRY * (1 << (doubtful - 1).min(16))),
        };
        provided.announce_at = Some(now + jittered(period, &mut self.rng));
        self.tell(Event::Announced { file, stored });
    }

    /// A node that the table has just taken in, or that answers again after it was silent, is told
    /// of the files that we provide near it, if it was not.
    pub(super) fn extend_announcements(&mut self, contact: Contact) {
        let k = self.config.params.k;
        let announced = around(&self.provided, contact.id.0, NEWCOMER_KEYS_MAX)
            .filter(|(_, provided)| !provided.holders.is_empty() && !provided.is_held_by(contact));
        let files: Vec<FileId> = announced
            .map(|(&file, _)| file)
            .filter(|file| self.table.closest(file.0, k, None).contains(&contact))
            .collect();
        for file in files {
            self.add_errand(Errand {
                file,
                contact,
                grant: None,
                deed: Deed::Extend,
            });
        }
    }

    /// Takes on an errand; beyond [`ERRANDS_MAX`] it is dropped, for the next round to make good. What
    /// others give rise to takes at most half of that: our own announcements have room.
    pub(super) fn add_errand(&mut self, errand: Errand) {
        let most = match errand.deed {
            Deed::Announce | Deed::Withdraw => ERRANDS_MAX,
            Deed::Extend | Deed::HandOver | Deed::Cache(_) => ERRANDS_MAX / 2,
        };
        if self.errands.len() < most {
            self.errands.push_back(errand);
        } else {
            self.counters.dropped += 1;
        }
    }

    pub(super) fn run_errands(&mut self, now: Instant) {
        let is_errand = |task: &Task| matches!(task, Task::Prepare(_) | Task::Deliver(_));
        let mut active = self.rpcs.count(is_errand);
        for _ in 0..self.errands.len() {
            if active >= ERRANDS_ACTIVE_MAX {
                return;
            }
            let Some(errand) = self.errands.pop_front() else {
                return;
            };
            let contact = errand.contact;
            // A newcomer that is no longer known gets nothing: it would else give rise to as much again
            // under its next id.
            let is_for_newcomer = matches!(errand.deed, Deed::Extend | Deed::HandOver);
            let request = match is_for_newcomer && !self.table.holds(contact) {
                true => None,
                false => self.request_for(now, errand.clone()),
            };
            let Some((request, task)) = request else {
                self.errand_done(now, errand, false);
                continue;
            };
            match self.try_ask(now, contact, (request, task, Effort::Usual)) {
                Permit::Now => active += 1,
                Permit::Later => self.errands.push_back(errand),
                Permit::Never => self.errand_done(now, errand, false),
            }
        }
    }

    /// The next request of an errand: for the token, or with it. `None` when it has lost its
    /// purpose.
    fn request_for(&self, now: Instant, errand: Errand) -> Option<(Request, Task)> {
        let file = errand.file;
        let is_fresh = |grant: &Grant| now.since(grant.received_at) < SECRET_PERIOD;
        let Some(grant) = errand.grant.filter(is_fresh) else {
            return Some((Request::FindNode(file.0), Task::Prepare(errand)));
        };
        let (token, port) = (grant.token, self.config.port);
        let life = self.config.params.record_ttl.as_secs() as u32;
        let request = match &errand.deed {
            Deed::Announce | Deed::Extend => Request::Store {
                file,
                token,
                port,
                ttl: life,
            },
            Deed::Withdraw => Request::Store {
                file,
                token,
                port,
                ttl: 0,
            },
            Deed::HandOver => {
                let providers = self.providers_to_hand_on(now, file, errand.contact);
                (!providers.is_empty()).then_some(Request::Replicate {
                    file,
                    token,
                    providers,
                })?
            }
            Deed::Cache(providers) => Request::Replicate {
                file,
                token,
                providers: providers.clone(),
            },
        };
        Some((request, Task::Deliver(errand)))
    }

    /// The token for an errand has come.
    pub(super) fn errand_prepared(&mut self, now: Instant, mut errand: Errand, token: Token) {
        errand.grant = Some(Grant::new(token, now));
        self.errands.push_front(errand);
    }

    /// An errand has ended, well or not.
    pub(super) fn errand_done(&mut self, now: Instant, errand: Errand, is_stored: bool) {
        let is_announcement = errand.deed == Deed::Announce;
        if !is_announcement && errand.deed != Deed::Extend {
            return;
        }
        let Some(provided) = self.provided.get_mut(&errand.file) else {
            // Withdrawn meanwhile: what was stored must go again.
            if is_stored {
                self.add_errand(Errand {
                    deed: Deed::Withdraw,
                    ..errand
                });
            }
            return;
        };
        if let (true, Some(grant)) = (is_stored, errand.grant) {
            provided
                .holders
                .retain(|holder| holder.contact != errand.contact);
            provided.holders.truncate(2 * self.config.params.k);
            provided.holders.push(Holder {
                contact: errand.contact,
                grant,
            });
        }
        if is_announcement && provided.open > 0 {
            provided.open -= 1;
            if provided.open == 0 {
                self.announced(now, errand.file);
            }
        }
    }
}
