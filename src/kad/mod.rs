//! The native Kademlia node, without I/O (Maymounkov and Mazières, long version; the rules by number are
//! listed below). It is built of the parts in [`dht`](crate::dht).
//!
//! Read `dht::table` and `dht::lookup` first, then [`Kad`] and `rpc`. The other modules are parts of `Kad`, each
//! with one concern: `client` sends requests and takes replies, `server` answers them, `lookups` runs
//! lookups, `join` finds the network, and `discovery` that without a name to begin with; `announce` and
//! `replicate` move records.
//!
//! ```text
//!   handle_datagram ─► reply?   client ─► table, lookup, errand …┐
//!                   └► request? server ─► records, candidates  ├─► advance ─► poll_datagram
//!   handle_timeout ──► slow, silent, upkeep                    │          └► poll_event
//!   commands ────────► lookups, announcements                  ┘
//! ```
//!
//! | rule | where |
//! |---|---|
//! | 1, 2 metric and parameters | [`id`](crate::id), [`Params`](crate::dht::Params) |
//! | 3 – 7 contacts | `dht::table`, `dht::bucket`; candidates in `join` |
//! | 8, 9, 17 lookups, closest k | `dht::lookup`, `dht::table` |
//! | 10, 13, 14 records | `replicate`, `announce`, `dht::records` |
//! | 11, 12 refresh, join | `join` |
//! | 15 persistence | [`Kad::insert_saved`]; `node::saved` chooses, the driver writes |
//! | 16 bounds | `limits`, `dht::addresses`, `dht::budget`, `dht::records` |
//!
//! **What this is not**: it knows no sockets, no streams and no files, and does not say when a
//! transfer may begin. Invariants: nothing a datagram says is believed but by rule; to an address
//! that has not proved itself a reply is never longer than its request (asserted in
//! [`Kad::poll_datagram`], the one place that sends); every table is bounded by `limits`.

#![doc = include_str!("figures.md")]

mod announce;
mod client;
mod config;
mod counters;
mod discovery;
mod join;
mod lookups;
mod replicate;
pub mod rpc;
mod server;
#[cfg(test)]
mod tests;

pub use config::{Config, RECORD_LIMITS};
pub use counters::Counters;

use crate::address::{self, Contact};
use crate::dht::address_vote::Votes;
use crate::dht::addresses::Addresses;
use crate::dht::budget::{Destinations, Sources};
use crate::dht::records::Records;
use crate::dht::table::{Contacts, Table};
use crate::dht::token::Secrets;
use crate::dht::{Event, Purpose, lookup};
use crate::id::{FileId, Id, NodeId};
use crate::limits::{self, DATAGRAM_SIZE_MAX, EVENTS_MAX, OUTBOX_MAX, SOURCES_MAX};
use crate::rng::Rng;
use crate::time::{Instant, earliest};
use crate::wire::native::datagram::{Cookie, Datagram, RpcId, Token};
use announce::{Errand, Provided};
use discovery::LanDiscovery;
use join::{Bootstrap, Candidate, Saved};
use replicate::Unconfirmed;
use rpc::Rpcs;
use server::Reply;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

type Lookup = lookup::Lookup<Token>;

/// What waits to be sent.
#[derive(Clone, Copy, Debug)]
enum Outgoing {
    Request(RpcId),
    Reply(Reply),
    /// The answer to a call of the local network.
    Answer {
        to: SocketAddr,
        nonce: u64,
    },
}
const _: () = assert!(size_of::<Outgoing>() <= crate::limits::memory::OUTGOING_SIZE);

/// What a lookup that somebody awaited has found.
struct Found {
    target: Id,
    closest: Contacts,
    providers: Vec<SocketAddr>,
}
const _: () = assert!(size_of::<Found>() <= crate::limits::memory::FOUND_SIZE);

/// A Kademlia node. Facts go in through `handle_*`, work comes out through `poll_*`: after each
/// input drain [`Kad::poll_datagram`] and [`Kad::poll_event`], then sleep until
/// [`Kad::poll_timeout`].
pub struct Kad {
    config: Config,
    rng: Rng,
    table: Table,
    addresses: Addresses<Cookie>,
    destinations: Destinations,
    sources: Sources,
    proved_sources: Sources,
    secrets: Secrets,
    rpcs: Rpcs,
    lookups: BTreeMap<u64, Lookup>,
    next_lookup: u64,
    found: VecDeque<Found>,
    waiting_lookups: VecDeque<(Id, Purpose)>,
    bootstraps: Vec<Bootstrap>,
    joins: u32,
    joins_failed: u32,
    join_at: Option<Instant>,
    candidates: VecDeque<Candidate>,
    saved: Saved,
    discovery: LanDiscovery,
    provided: BTreeMap<FileId, Provided>,
    due_announcements: VecDeque<FileId>,
    errands: VecDeque<Errand>,
    records: Records,
    unconfirmed: VecDeque<Unconfirmed>,
    votes: Votes,
    upkeep_at: Instant,
    outbox: VecDeque<Outgoing>,
    events: VecDeque<Event>,
    counters: Counters,
}

impl Kad {
    /// A node that knows nobody.
    pub fn new(config: Config, mut rng: Rng, now: Instant) -> Kad {
        let params = config.params;
        assert!((1..=limits::K).contains(&params.k) && params.alpha > 0 && params.paths > 0);
        assert!((1..=crate::id::ID_BITS).contains(&params.id_bits));
        let refresh_at = now + jittered(params.refresh_period, &mut rng);
        Kad {
            table: Table::new(config.id, &params, refresh_at),
            addresses: Addresses::default(),
            destinations: Destinations::default(),
            sources: Sources::new(params.unproved_source, SOURCES_MAX),
            proved_sources: Sources::new(params.proved_source, SOURCES_MAX),
            secrets: Secrets::new(now, limits::SECRET_PERIOD, &mut rng),
            rpcs: Rpcs::default(),
            lookups: BTreeMap::new(),
            next_lookup: 0,
            found: VecDeque::new(),
            waiting_lookups: VecDeque::new(),
            bootstraps: Vec::new(),
            joins: 0,
            joins_failed: 0,
            join_at: None,
            candidates: VecDeque::new(),
            saved: Saved::default(),
            discovery: LanDiscovery::default(),
            provided: BTreeMap::new(),
            due_announcements: VecDeque::new(),
            errands: VecDeque::new(),
            records: Records::new(RECORD_LIMITS),
            unconfirmed: VecDeque::new(),
            votes: Votes::default(),
            upkeep_at: now + jittered(limits::UPKEEP_PERIOD, &mut rng),
            outbox: VecDeque::new(),
            events: VecDeque::new(),
            counters: Counters::default(),
            config,
            rng,
        }
    }

    /// A datagram came from `from`.
    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) {
        self.secrets.rotate(now, &mut self.rng);
        let from = address::canonical(from);
        let Ok(datagram) = Datagram::parse(bytes, self.config.network) else {
            self.counters.damaged += 1;
            return;
        };
        if datagram.sender == self.config.id || !address::is_usable(from) {
            self.counters.from_self += 1;
        } else if datagram.body.is_reply() {
            self.handle_reply(now, from, datagram);
        } else {
            self.handle_request(now, from, datagram.size(), &datagram);
        }
        self.advance(now);
    }

    /// A datagram was dropped because it is of no dialect that this node speaks.
    pub fn count_foreign(&mut self) {
        self.counters.damaged += 1;
    }

    /// The time that [`Kad::poll_timeout`] named has come; earlier or later does no harm.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.secrets.rotate(now, &mut self.rng);
        self.handle_overdue(now);
        if now >= self.upkeep_at {
            self.upkeep_at = now + jittered(limits::UPKEEP_PERIOD, &mut self.rng);
            self.keep_up(now);
        }
        self.advance(now);
    }

    /// Writes the next datagram to be sent into `buffer` (at least `DATAGRAM_SIZE_MAX` bytes):
    /// where it goes, and its size. **The one place that sends**, and therefore where the two rules
    /// on sizes are asserted.
    pub fn poll_datagram(
        &mut self,
        now: Instant,
        buffer: &mut [u8],
    ) -> Option<(SocketAddr, usize)> {
        while let Some(outgoing) = self.outbox.pop_front() {
            let Some((to, size)) = self.write(now, outgoing, buffer) else {
                continue;
            };
            assert!(
                size <= DATAGRAM_SIZE_MAX,
                "no datagram is larger than every path takes"
            );
            if let Outgoing::Reply(reply) = outgoing {
                // The request had a tag as well.
                let bare = size - self.config.network.tag_size();
                assert!(
                    bare <= reply.allowance,
                    "no amplification to who has proved nothing"
                );
                self.admit_asker(now, &reply, bare);
            }
            self.counters.sent += 1;
            self.counters.sent_bytes += size as u64;
            return Some((to, size));
        }
        None
    }

    /// Writes what waited to be sent; `None` when that has lost its purpose.
    fn write(
        &mut self,
        now: Instant,
        outgoing: Outgoing,
        buffer: &mut [u8],
    ) -> Option<(SocketAddr, usize)> {
        let (to, body, rpc_id) = match outgoing {
            Outgoing::Request(id) => self.request(now, id)?,
            Outgoing::Reply(reply) => self.reply(now, &reply)?,
            Outgoing::Answer { to, nonce } => {
                return Some((to, self.emit_answer(to, nonce, buffer)));
            }
        };
        let (sender, read_only) = (self.config.id, self.config.read_only);
        let datagram = Datagram {
            read_only,
            rpc_id,
            sender,
            body,
        };
        Some((to, datagram.emit(self.config.network, buffer)))
    }

    /// The next thing that the owner should know.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When to call [`Kad::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        // Without room for another request, the end of one is what to wait for.
        let may_ask = self.rpcs.has_room(1);
        let due = self.bootstraps.iter().filter(|_| may_ask);
        let bootstrap = due.filter_map(|bootstrap| bootstrap.ask_at).min();
        let lookup = self
            .lookups
            .values()
            .map(|l| l.started_at + limits::LOOKUP_TIMEOUT)
            .min();
        let deadlines = [
            self.rpcs.next_deadline(),
            self.join_at,
            bootstrap,
            lookup,
            self.destinations.waiting_until(),
            self.discovery.call_at,
            self.discovery.patient_until,
        ];
        deadlines.into_iter().fold(Some(self.upkeep_at), earliest)
    }

    /// Our node id.
    pub fn id(&self) -> NodeId {
        self.config.id
    }

    /// The contacts that are alive as far as we know.
    pub fn contacts(&self) -> impl Iterator<Item = Contact> {
        self.table
            .members()
            .filter(|member| !member.is_stale())
            .map(|member| member.contact)
    }

    /// How many contacts are alive as far as we know.
    pub fn contact_count(&self) -> usize {
        self.contacts().count()
    }

    /// What has happened so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What the last lookup for `target` that somebody awaited has found, if it is among the last
    /// [`LOOKUPS_MAX`](limits::LOOKUPS_MAX) to end: the k closest nodes that answered, closest
    /// first. So whoever looks after each input misses none, though several end at once.
    pub fn found(&self, target: Id) -> Option<&[Contact]> {
        self.last_found(target).map(|found| &found.closest[..])
    }

    /// The providers that the last lookup for `file` has found, as [`Kad::found`].
    pub fn providers_found(&self, file: FileId) -> Option<&[SocketAddr]> {
        self.last_found(file.0).map(|found| &found.providers[..])
    }

    /// When the oldest lookup under way was started.
    pub fn oldest_lookup_at(&self) -> Option<Instant> {
        self.lookups.values().map(|lookup| lookup.started_at).min()
    }

    /// The files that this node announces.
    pub fn provided_files(&self) -> impl Iterator<Item = FileId> {
        self.provided.keys().copied()
    }

    /// Our own address, by the vote of those who answered us.
    pub fn seen_address(&self) -> Option<SocketAddr> {
        self.votes.winner()
    }

    /// The routing table, to look at.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// The records kept for others, to look at.
    pub fn records(&self) -> &Records {
        &self.records
    }

    fn last_found(&self, target: Id) -> Option<&Found> {
        self.found.iter().rev().find(|found| found.target == target)
    }

    /// Does whatever can be done now: the end of every input.
    fn advance(&mut self, now: Instant) {
        self.destinations.forget_waiting();
        self.call_if_due(now);
        self.ask_bootstraps(now);
        self.run_lookups(now);
        self.run_errands(now);
        self.ping_candidates(now);
        self.confirm_providers(now);
    }

    /// The works of every minute.
    fn keep_up(&mut self, now: Instant) {
        self.addresses.sweep(now);
        self.sources.sweep(now);
        self.proved_sources.sweep(now);
        self.records.sweep(now);
        self.forget_unconfirmed(now);
        self.consider_silent(now);
        self.consider_saved(now);
        self.ask_holders(now);
        self.collect_announcements(now);
        self.replicate(now);
    }

    fn send(&mut self, outgoing: Outgoing) {
        if self.outbox.len() < OUTBOX_MAX {
            self.outbox.push_back(outgoing);
        } else {
            self.counters.dropped += 1;
        }
    }

    fn tell(&mut self, event: Event) {
        if self.events.len() < EVENTS_MAX {
            self.events.push_back(event);
        } else {
            self.counters.dropped += 1;
        }
    }
}

/// A period, give or take an eighth, so that nodes that started together do not stay together (rule
/// 11).
fn jittered(period: Duration, rng: &mut Rng) -> Duration {
    let eighth = period / 8;
    let micros = u64::try_from(eighth.as_micros()).unwrap_or(u64::MAX / 4);
    period - eighth + Duration::from_micros(rng.below(micros * 2 + 1))
}
