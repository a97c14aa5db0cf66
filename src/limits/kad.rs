//! Bounds of Kademlia and its datagrams: table, lookups, records, budgets, and times.

use super::{Allowance, SWARMS_MAX};
use std::time::Duration;

// -- datagrams

/// Bytes of the largest datagram: fits every IPv6 path (1,280) with room for a tunnel's headers.
pub const DATAGRAM_SIZE_MAX: usize = 1_200;
/// Provider locations in one `FindValueReply` or `Replicate`: with 20 contacts it fits a datagram.
pub const PROVIDERS_PER_REPLY_MAX: usize = 16;

// -- Kademlia (paper, section 2)

/// Contacts of a bucket, and nodes that hold a record (k). 20, so that an hour's departures never
/// take all of them.
pub const K: usize = 20;
/// Queries of a lookup in flight (α).
pub const ALPHA: usize = 3;
/// Disjoint paths of a lookup that somebody waits for. One is the paper's. Three ask three times as many
/// nodes, and are worth it where strangers may join: see the figures of `kad`. A fleet that
/// trusts its nodes pays for nothing with one, which is therefore the default.
pub const PATHS: usize = 1;

// -- Kademlia's tables (rule 16)

/// Contacts that wait for a place, for each bucket: a few hours of newcomers.
pub const CACHE: usize = 10;
/// How many times k a bucket of the subtree around us may hold: one side of a lopsided id space.
pub const NEAR_FACTOR: usize = 8;
/// Far buckets that a node refreshes when it joins: enough for 2^24 nodes, whoever claims to be
/// near us.
pub const FAR_DEPTH_MAX: usize = 24;
/// Contacts of one /24 (IPv6: /64) in a bucket: one owner must not fill it.
pub const PER_SUBNET_MAX: usize = 2;
/// Unanswered requests in a row after which a contact is stale (paper, 4.1).
pub const STALE_AFTER: u32 = 5;
/// Nodes in view of a refresh: a few fresh contacts for a bucket. Five would cost 426 B/s instead of
/// 315 where half of 1,000 nodes leave within 84 seconds.
pub const REFRESH_VIEW: usize = 3;
/// Addresses that are remembered: the lookups of ten minutes.
pub const ADDRESSES_MAX: usize = 1_024;
/// Addresses whose probe is remembered after they went from that table: as many as the budget of
/// new destinations can reach in a [`PROBE_PERIOD`].
pub const PROBED_MAX: usize = 3_072;
const _: () = assert!(
    PROBED_MAX as u64
        >= DESTINATIONS.per_second as u64 * PROBE_PERIOD.as_secs() + DESTINATIONS.burst as u64
);
/// Unanswered requests in a row after which an address has to prove itself again.
pub const SILENCES_MAX: u32 = 3;
/// Requests that wait for their reply: 8 lookups of 20 each, and as much again for upkeep.
pub const RPCS_MAX: usize = 256;
/// Requests that were given up and whose late reply still counts as a sign of life.
pub const LATE_RPCS_MAX: usize = 64;
/// Lookups at once: beyond it they only take one another's places.
pub const LOOKUPS_MAX: usize = 8;
/// Lookups at once that nobody waits for (refreshes, announcements), so that users' find a place.
pub const BACKGROUND_LOOKUPS_MAX: usize = 4;
/// Lookups that wait for a place or for the first contact.
pub const LOOKUPS_WAITING_MAX: usize = 64;
/// Contacts that a lookup keeps in view: k and enough of the next to replace the dead.
pub const CANDIDATES_MAX: usize = 128;
/// Nodes that one lookup asks: four times what a million nodes need, so that liars cannot keep it
/// going.
pub const LOOKUP_ASKED_MAX: u32 = 256;
/// Providers that one lookup reports: more than anybody connects to.
pub const LOOKUP_PROVIDERS_MAX: usize = 256;
/// Files that there are records of.
pub const KEYS_MAX: usize = 4_096;
/// Providers kept for one file: two replies' worth.
pub const PROVIDERS_PER_KEY_MAX: usize = 32;
/// Records in all: about half a MiB.
pub const RECORDS_MAX: usize = 8_192;
/// Providers of one file in one global /24 (IPv6: /64): else one owner fills all of its places.
pub const PROVIDERS_PER_KEY_AND_SUBNET_MAX: usize = 4;
/// Records of one global IP.
pub const RECORDS_PER_IP_MAX: usize = 32;
/// Records of one global /24 (IPv6: /64).
pub const RECORDS_PER_SUBNET_MAX: usize = 64;
/// Keys that are looked at, of those kept and of those provided, for each contact that the table
/// takes in: 0.1 ms of work for most newcomers (`tests/costs/tables.rs`).
pub const NEWCOMER_KEYS_MAX: usize = 256;
/// Records handed to us that wait until their provider is asked.
pub const UNCONFIRMED_MAX: usize = 64;
/// Files that a node announces: as many as it has swarms; each remembers k holders, 1.5 KiB.
pub const PROVIDED_MAX: usize = SWARMS_MAX;
/// Files of which a provider asks a holder in a minute whether it is still there: 35 bytes a second.
pub const HOLDERS_ASKED_MAX: usize = 16;
/// Stores and replications that wait to be sent.
pub const ERRANDS_MAX: usize = 512;
/// Stores and replications in flight, so that lookups find a place.
pub const ERRANDS_ACTIVE_MAX: usize = 64;
/// Contacts that wait to be pinged.
pub const CANDIDATE_CONTACTS_MAX: usize = 256;
/// Pings of candidates and stale contacts in flight.
pub const PINGS_ACTIVE_MAX: usize = 16;
/// Nodes to join through.
pub const BOOTSTRAPS_MAX: usize = 32;
/// Contacts that are saved across restarts: if one in eight lives, 99 restarts of 100 find one. They
/// are 1,234 bytes, and one burst of [`DESTINATIONS`] asks them all.
pub const SAVED_CONTACTS_MAX: usize = 32;
/// Datagrams that wait to be sent: the driver drains them after each input.
pub const OUTBOX_MAX: usize = 512;
/// Events that wait for the owner.
pub const EVENTS_MAX: usize = 1_024;
/// Sources of unproved messages with an account of their own.
pub const SOURCES_MAX: usize = 512;
/// Nodes whose word on our own address counts: the last that gave it.
pub const VOTES_MAX: usize = 16;

// -- Kademlia's budgets (rule 16)

/// Messages of a source that has not proved its address.
pub const UNPROVED_SOURCE: Allowance = Allowance {
    per_second: 10,
    burst: 20,
};
/// Messages of a source that has: more than ten lookups a second of all its users.
pub const PROVED_SOURCE: Allowance = Allowance {
    per_second: 200,
    burst: 400,
};
/// Destinations that were not in use before: home routers die of about 100 a second.
pub const DESTINATIONS: Allowance = Allowance {
    per_second: 50,
    burst: 50,
};

// -- Kademlia's times

/// After it, a node asked in a lookup steps aside and the next is asked (rule 8).
pub const RPC_SLOW: Duration = Duration::from_secs(1);
/// After it, a request counts as unanswered.
pub const RPC_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a lookup may take in all.
pub const LOOKUP_TIMEOUT: Duration = Duration::from_secs(60);
/// From one secret for cookies and tokens to the next; a proof is good for one to two of them.
pub const SECRET_PERIOD: Duration = Duration::from_secs(300);
/// Stores that are remembered under one secret, in a network with a key, so that a recorded one has no
/// effect: eight bytes each, and 13 a second before the secret is renewed early.
pub const SPENT_MAX: usize = 4_096;
/// How long an answer proves its address.
pub const PROOF_TTL: Duration = Duration::from_secs(600);
/// At most one request in it goes to an address that has not answered.
pub const PROBE_PERIOD: Duration = Duration::from_secs(60);
/// First and longest time until a silent contact is asked again on our own account (rule 6).
pub const BACK_OFF_MIN: Duration = Duration::from_secs(4);
/// See [`BACK_OFF_MIN`].
pub const BACK_OFF_MAX: Duration = Duration::from_secs(3_600);
/// First and longest time between two attempts to join through a node.
pub const BOOTSTRAP_RETRY_MIN: Duration = Duration::from_secs(1);
/// See [`BOOTSTRAP_RETRY_MIN`].
pub const BOOTSTRAP_RETRY_MAX: Duration = Duration::from_secs(60);
/// From the first lookup of our own id to the second; each pause after it is four times as long.
pub const SETTLE_PERIOD: Duration = Duration::from_secs(15);
/// From the start to the first look whether contacts should be saved, and from look to look: the
/// node has joined by then.
pub const SAVE_DELAY: Duration = Duration::from_secs(60);
/// Contacts are written to disk at most once in this time, but for the end (rule 15): memory cards
/// wear out.
pub const SAVE_PERIOD: Duration = Duration::from_secs(3_600);
/// A bucket without a lookup for so long is refreshed (rule 11).
pub const REFRESH_PERIOD: Duration = Duration::from_secs(3_600);
/// Holders of a record hand it on so often, unless it was stored meanwhile (rule 13).
pub const REPLICATE_PERIOD: Duration = Duration::from_secs(3_600);
/// A provider announces its files so often (rule 13).
pub const ANNOUNCE_PERIOD: Duration = Duration::from_secs(3_600);
/// How soon an announcement that nobody stored is tried again.
pub const ANNOUNCE_RETRY: Duration = Duration::from_secs(30);
/// A record's life without a new announcement: one may fail (rule 13).
pub const RECORD_TTL: Duration = Duration::from_secs(7_200);
/// The shortest life that a record is handed on with.
pub const RECORD_TTL_MIN: Duration = Duration::from_secs(60);
/// How often the hourly works are looked through, and the expired swept out.
pub const UPKEEP_PERIOD: Duration = Duration::from_secs(60);
/// Keys that are replicated in one upkeep: all keys of a full table in an hour.
pub const REPLICATIONS_PER_UPKEEP_MAX: usize = 68;
