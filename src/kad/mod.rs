//! The native Kademlia node, without I/O (Maymounkov and Mazières, long version). It is built of
//! the parts in [`dht`](crate::dht).
//!
//! Read `dht::table` and `dht::lookup` first, then [`Kad`] and `rpc`. The other modules are parts
//! of `Kad`, each with one concern: `client` sends requests and takes replies, `server` answers
//! them, `lookups` runs lookups, `join` finds the network, `discovery` finds it without an address,
//! `candidates` pings possible contacts; `announce`, `stores` and `replicate` move records.
//!
//! ```text
//!   handle_datagram ─► reply?   client ─► table, lookups, stores …┐
//!                   └► request? server ─► records, candidates     ├─► advance ─► poll_datagram
//!   handle_timeout ──► slow and silent requests, upkeep           │          └► poll_event
//!   commands ────────► lookups, announcements                     ┘
//! ```
//!
//! It knows no sockets, streams and files. Invariants: a datagram changes state only as the rules
//! allow; a reply to an address that has not proved itself is never longer than its request
//! (asserted in [`Kad::poll_datagram`], the one place that sends); every table is bounded by
//! `limits`.

#![doc = include_str!("rules.md")]
#![doc = include_str!("figures.md")]

mod announce;
mod candidates;
mod client;
mod config;
mod counters;
mod discovery;
mod join;
mod lookups;
mod replicate;
mod rpc;
mod server;
mod store;
mod stores;
#[cfg(test)]
mod tests;

pub use config::{Config, RECORD_LIMITS};
pub use counters::Counters;

use crate::address::{self, Contact};
use crate::dht::{self, Event, Records, Table};
use crate::id::{ID_BITS, NodeId};
use crate::limits::{DATAGRAM_SIZE_MAX, EVENTS_MAX, K, OUTBOX_MAX, UPKEEP_PERIOD, memory};
use crate::rng::Rng;
use crate::time::{Instant, earliest};
use crate::wire::native::datagram::{Datagram, RpcId, Token};
use announce::Announcements;
use candidates::Candidates;
use client::Client;
use discovery::LanDiscovery;
use join::Join;
use lookups::Lookups;
use replicate::Unconfirmed;
use server::{Reply, Server};
use std::collections::VecDeque;
use std::net::SocketAddr;
use store::Store;

type Lookup = dht::Lookup<Token>;

/// A datagram that waits to be sent.
#[derive(Clone, Copy, Debug)]
enum Outgoing {
    Request(RpcId),
    Reply(Reply),
    /// The response to a discovery query.
    Response {
        to: SocketAddr,
        nonce: u64,
    },
}
const _: () = assert!(size_of::<Outgoing>() <= memory::OUTGOING_SIZE);

/// A Kademlia node. Facts go in through `handle_*`, work comes out through `poll_*`: after each
/// input drain [`Kad::poll_datagram`] and [`Kad::poll_event`], then sleep until
/// [`Kad::poll_timeout`].
pub struct Kad {
    config: Config,
    rng: Rng,
    table: Table,
    client: Client,
    server: Server,
    lookups: Lookups,
    join: Join,
    candidates: Candidates,
    discovery: LanDiscovery,
    announcements: Announcements,
    stores: VecDeque<Store>,
    records: Records,
    unconfirmed: VecDeque<Unconfirmed>,
    upkeep_at: Instant,
    outbox: VecDeque<Outgoing>,
    events: VecDeque<Event>,
    counters: Counters,
}

impl Kad {
    /// A node without contacts. Panics when a parameter is out of its range.
    pub fn new(config: Config, mut rng: Rng, now: Instant) -> Kad {
        let params = config.params;
        assert!((1..=K).contains(&params.k) && params.alpha > 0 && params.paths > 0);
        assert!((1..=ID_BITS).contains(&params.id_bits));
        let refresh_at = now + rng.jittered(params.refresh_period);
        Kad {
            table: Table::new(config.id, &params, refresh_at),
            client: Client::default(),
            server: Server::new(&params, now, &mut rng),
            lookups: Lookups::default(),
            join: Join::default(),
            candidates: Candidates::default(),
            discovery: LanDiscovery::default(),
            announcements: Announcements::default(),
            stores: VecDeque::new(),
            records: Records::new(RECORD_LIMITS),
            unconfirmed: VecDeque::new(),
            upkeep_at: now + rng.jittered(UPKEEP_PERIOD),
            outbox: VecDeque::new(),
            events: VecDeque::new(),
            counters: Counters::default(),
            config,
            rng,
        }
    }

    /// A datagram came from `from`.
    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) {
        self.server.secrets.rotate(now, &mut self.rng);
        let address = address::canonical(from);
        let Ok(datagram) = Datagram::parse(bytes, self.config.network) else {
            self.counters.damaged += 1;
            return;
        };
        let id = datagram.sender;
        let from = Contact { id, address };
        if id == self.config.id || !address::is_usable(address) {
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

    /// The instant of [`Kad::poll_timeout`] has come; an earlier or later call does no harm.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.server.secrets.rotate(now, &mut self.rng);
        self.handle_overdue(now);
        if now >= self.upkeep_at {
            self.upkeep_at = now + self.rng.jittered(UPKEEP_PERIOD);
            self.run_upkeep(now);
        }
        self.advance(now);
    }

    /// Writes the next datagram into `buffer` (at least `DATAGRAM_SIZE_MAX` bytes); returns its
    /// receiver and size. **The one place that sends**, and therefore where the two rules on sizes
    /// are asserted.
    pub fn poll_datagram(
        &mut self,
        now: Instant,
        buffer: &mut [u8],
    ) -> Option<(SocketAddr, usize)> {
        while let Some(outgoing) = self.outbox.pop_front() {
            let Some((to, size)) = self.write(now, outgoing, buffer) else {
                continue;
            };
            assert!(size <= DATAGRAM_SIZE_MAX, "it fits every path");
            if let Outgoing::Reply(reply) = outgoing {
                // The request had a tag as well.
                let bare = size - self.config.network.tag_size();
                assert!(bare <= reply.allowance, "no amplification without proof");
                self.ping_back(now, &reply, bare);
            }
            self.counters.sent += 1;
            self.counters.sent_bytes += size as u64;
            return Some((to, size));
        }
        None
    }

    /// Writes a datagram of the outbox; `None` when it has lost its purpose.
    fn write(
        &mut self,
        now: Instant,
        outgoing: Outgoing,
        buffer: &mut [u8],
    ) -> Option<(SocketAddr, usize)> {
        let (to, body, rpc_id) = match outgoing {
            Outgoing::Request(id) => self.request(now, id)?,
            Outgoing::Reply(reply) => self.reply(now, &reply)?,
            Outgoing::Response { to, nonce } => {
                return Some((to, self.emit_response(to, nonce, buffer)));
            }
        };
        let datagram = Datagram {
            read_only: self.config.read_only,
            rpc_id,
            sender: self.config.id,
            body,
        };
        Some((to, datagram.emit(self.config.network, buffer)))
    }

    /// The next event for the owner.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When to call [`Kad::handle_timeout`] at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let has_room = self.client.rpcs.has_room(1);
        let deadlines = [
            self.client.next_timeout(),
            self.join.next_timeout(has_room),
            self.lookups.next_timeout(),
            self.discovery.next_timeout(),
        ];
        deadlines.into_iter().fold(Some(self.upkeep_at), earliest)
    }

    /// The node's own id, the centre of its table.
    pub fn id(&self) -> NodeId {
        self.config.id
    }

    /// The contacts that are alive as far as we know.
    pub fn contacts(&self) -> impl Iterator<Item = Contact> {
        let alive = self.table.members().filter(|member| !member.is_stale());
        alive.map(|member| member.contact)
    }

    /// How many contacts are alive as far as we know.
    pub fn contact_count(&self) -> usize {
        self.contacts().count()
    }

    /// The events of this node, counted.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Our own address, by the majority of the nodes that replied to us.
    pub fn seen_address(&self) -> Option<SocketAddr> {
        self.client.votes.winner()
    }

    /// The routing table, stale members included.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// The records kept for others.
    pub fn records(&self) -> &Records {
        &self.records
    }

    /// Does all that can be done now: the end of every input.
    fn advance(&mut self, now: Instant) {
        self.client.destinations.forget_waiting();
        self.run_discovery(now);
        self.run_join(now);
        self.run_lookups(now);
        self.run_stores(now);
        self.ping_candidates(now);
        self.confirm_providers(now);
        if cfg!(debug_assertions) {
            self.invariants();
        }
    }

    /// The work of every minute.
    fn run_upkeep(&mut self, now: Instant) {
        self.client.addresses.sweep(now);
        self.server.sweep(now);
        self.records.sweep(now);
        self.forget_unconfirmed(now);
        self.check_stale(now);
        self.ask_saved(now);
        self.ask_holders(now);
        self.queue_announcements(now);
        self.replicate(now);
    }

    /// Panics when an invariant of a part does not hold.
    fn invariants(&self) {
        self.table.invariants();
        self.lookups.invariants();
        self.client.rpcs.invariants();
        assert!(self.outbox.len() <= OUTBOX_MAX && self.events.len() <= EVENTS_MAX);
    }

    fn send(&mut self, outgoing: Outgoing) {
        if self.outbox.len() < OUTBOX_MAX {
            self.outbox.push_back(outgoing);
        } else {
            self.counters.dropped += 1;
        }
    }

    fn push_event(&mut self, event: Event) {
        if self.events.len() < EVENTS_MAX {
            self.events.push_back(event);
        } else {
            self.counters.dropped += 1;
        }
    }
}
