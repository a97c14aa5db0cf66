//! The queue of stores: gets a token where there is none, then delivers.
//!
//! ```text
//!   enqueue_store ─► run_stores ─(no fresh token)─► FindNode ─► token_received ─► run_stores
//!                        └────────(fresh token)───► Store or Replicate ─► store_done
//! ```
//!
//! Invariant: a store that was enqueued ends exactly once, in `store_done`, unless its withdrawal
//! drops it.

use super::Kad;
use super::rpc::{RetryPolicy, Task};
use super::store::{HeldToken, Store, StoreKind};
use crate::dht::Permit;
use crate::limits::{STORES_ACTIVE_MAX, STORES_MAX};
use crate::time::Instant;
use crate::wire::native::datagram::Token;

impl Kad {
    /// Enqueues a store. Beyond [`STORES_MAX`] it is dropped, and the next round makes up for it.
    /// Stores that other nodes cause take at most half of the queue: our own announcements have
    /// room.
    pub(super) fn enqueue_store(&mut self, store: Store) {
        let count_max = match store.kind {
            StoreKind::Announce | StoreKind::Withdraw => STORES_MAX,
            StoreKind::Extend | StoreKind::HandOver | StoreKind::Replicate(_) => STORES_MAX / 2,
        };
        if self.stores.len() < count_max {
            self.stores.push_back(store);
        } else {
            self.counters.dropped += 1;
        }
    }

    pub(super) fn run_stores(&mut self, now: Instant) {
        let is_store = |task: &Task| matches!(task, Task::FindToken(_) | Task::Store(_));
        let mut active = self.client.rpcs.count(is_store);
        for _ in 0..self.stores.len() {
            if active >= STORES_ACTIVE_MAX {
                return;
            }
            let Some(store) = self.stores.pop_front() else {
                return;
            };
            let permit = match self.next_task(now, &store) {
                Some(task) => self.try_ask(now, store.contact, task, RetryPolicy::Repeat),
                None => Permit::Never,
            };
            match permit {
                Permit::Now => active += 1,
                Permit::Later => self.stores.push_back(store),
                Permit::Never => self.store_done(now, store, false),
            }
        }
    }

    /// The next request of a store: for the token, or with it. `None` when it has lost its purpose.
    fn next_task(&self, now: Instant, store: &Store) -> Option<Task> {
        // A newcomer that is no longer a member gets nothing: it would cause as much again under
        // its next id.
        let is_for_newcomer = matches!(store.kind, StoreKind::Extend | StoreKind::HandOver);
        if is_for_newcomer && !self.table.holds(store.contact) {
            return None;
        }
        let mut store = store.clone();
        if !store.has_fresh_token(now) {
            return Some(Task::FindToken(store));
        }
        if store.kind == StoreKind::HandOver {
            let providers = self.providers_to_hand_on(now, store.file, store.contact);
            if providers.is_empty() {
                return None;
            }
            store.kind = StoreKind::Replicate(providers);
        }
        Some(Task::Store(store))
    }

    /// The token for a store has come.
    pub(super) fn token_received(&mut self, now: Instant, mut store: Store, token: Token) {
        store.token = Some(HeldToken::new(token, now));
        self.stores.push_front(store);
    }

    /// A store has ended, with the record stored or not.
    pub(super) fn store_done(&mut self, now: Instant, store: Store, is_stored: bool) {
        if matches!(store.kind, StoreKind::Announce | StoreKind::Extend) {
            self.announcement_done(now, store, is_stored);
        }
    }
}
