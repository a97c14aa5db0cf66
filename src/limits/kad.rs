//! Bounds of Kademlia and its datagrams: table, lookups, records, budgets, and times.

use super::{Allowance, SWARMS_MAX};
use std::time::Duration;

// -- datagrams

/// Bytes of the largest datagram: fits every IPv6 path (1,280) with room for a tunnel's headers.
pub const DATAGRAM_SIZE_MAX: usize = 1_200;
/// Provider locations in one `FindValueReply` or `Replicate`: fits a datagram together with 20
/// contacts.
pub const PROVIDERS_PER_REPLY_MAX: usize = 16;

// -- Kademlia (paper, section 2)

/// Contacts of a bucket, and nodes that store a record (k). With 20, the departures of an hour
/// never take all of them.
pub const K: usize = 20;
/// Queries of a lookup in flight (α).
pub const ALPHA: usize = 3;
/// Disjoint paths of a user's lookup. The paper has one. Three send three times as many queries,
/// which pays off where strangers may join (see the figures of `kad`); a fleet that trusts its
/// nodes pays nothing with the default of one.
pub const PATHS: usize = 1;

// -- Kademlia's tables (rule 16)

/// Contacts in the replacement cache of a bucket: the newcomers of a few hours.
pub const CACHE: usize = 10;
/// A bucket of the subtree around the node's own id may hold this many times k: one side of an
/// uneven id space.
pub const NEAR_FACTOR: usize = 8;
/// Far buckets that a node refreshes when it joins: enough for 2^24 nodes, even if attackers claim
/// ids near its own.
pub const FAR_DEPTH_MAX: usize = 24;
/// Contacts of one /24 (IPv6: /64) in a bucket, so that one owner cannot fill it.
pub const PER_SUBNET_MAX: usize = 2;
/// Unanswered requests in a row after which a contact is stale (paper, 4.1).
pub const STALE_AFTER: u32 = 5;
/// Candidates in view of a refresh: a few fresh contacts for a bucket. Five cost 426 B/s instead of
/// 315 where half of 1,000 nodes leave within 84 seconds.
pub const REFRESH_VIEW: usize = 3;
/// Addresses in the table of known addresses: those of ten minutes of lookups.
pub const ADDRESSES_MAX: usize = 1_024;
/// Addresses that left that table and whose probe is remembered: as many as the budget of new
/// destinations reaches in a [`PROBE_PERIOD`].
pub const PROBED_MAX: usize = 3_072;
const _: () = assert!(
    PROBED_MAX as u64
        >= DESTINATIONS.per_second as u64 * PROBE_PERIOD.as_secs() + DESTINATIONS.burst as u64
);
/// Unanswered requests in a row after which an address has to prove itself again.
pub const SILENCES_MAX: u32 = 3;
/// Requests in flight: 8 lookups of 20 each, and about as many again for upkeep.
pub const RPCS_MAX: usize = 256;
/// Requests that timed out and whose late reply still counts as a sign of life.
pub const LATE_RPCS_MAX: usize = 64;
/// Lookups at once: more would only compete for requests in flight.
pub const LOOKUPS_MAX: usize = 8;
/// Background lookups at once (refreshes, announcements): leaves slots for the lookups of users.
pub const BACKGROUND_LOOKUPS_MAX: usize = 4;
/// Lookups that wait for a slot or for the first contact.
pub const LOOKUPS_WAITING_MAX: usize = 64;
/// Contacts that a lookup keeps in view: k, and enough of the next ones to replace the dead.
pub const CANDIDATES_MAX: usize = 128;
/// Nodes that one lookup queries: four times what a million nodes need, so that attackers cannot
/// keep it going.
pub const LOOKUP_ASKED_MAX: u32 = 256;
/// Providers that one lookup reports: more than a node connects to.
pub const LOOKUP_PROVIDERS_MAX: usize = 256;
/// Files with records in the table.
pub const KEYS_MAX: usize = 4_096;
/// Providers stored for one file: enough for two replies.
pub const PROVIDERS_PER_KEY_MAX: usize = 32;
/// Records in the table: about half a MiB of memory.
pub const RECORDS_MAX: usize = 8_192;
/// Providers of one file in one global /24 (IPv6: /64), so that one owner cannot take all of them.
pub const PROVIDERS_PER_KEY_AND_SUBNET_MAX: usize = 4;
/// Records of one global IP, so that one host cannot fill the table.
pub const RECORDS_PER_IP_MAX: usize = 32;
/// Records of one global /24 (IPv6: /64), so that one owner cannot fill the table.
pub const RECORDS_PER_SUBNET_MAX: usize = 64;
/// Keys, stored or announced, that a node checks for each new contact: 0.1 ms of work for most
/// newcomers (`tests/costs/tables.rs`).
pub const NEWCOMER_KEYS_MAX: usize = 256;
/// Records from `Replicate` requests that wait until their provider confirms them.
pub const UNCONFIRMED_MAX: usize = 64;
/// Files that a node announces: as many as it has swarms. Each remembers k holders, 1.5 KiB.
pub const PROVIDED_MAX: usize = SWARMS_MAX;
/// Files for which a provider checks in a minute whether a holder is alive: 35 bytes a second.
pub const HOLDERS_ASKED_MAX: usize = 16;
/// Stores and replications in the queue.
pub const STORES_MAX: usize = 512;
/// Stores and replications in flight: leaves requests for lookups.
pub const STORES_ACTIVE_MAX: usize = 64;
/// Contacts in the queue to be pinged.
pub const CANDIDATE_CONTACTS_MAX: usize = 256;
/// Pings of candidates and stale contacts in flight.
pub const PINGS_ACTIVE_MAX: usize = 16;
/// Bootstrap nodes of a node: more than a person lists.
pub const BOOTSTRAPS_MAX: usize = 32;
/// Contacts saved across restarts: if one in eight is alive, 99 restarts of 100 find one. They take
/// 1,234 bytes, and one burst of [`DESTINATIONS`] queries them all.
pub const SAVED_CONTACTS_MAX: usize = 32;
/// Datagrams that wait to be sent: the driver drains them after each input.
pub const OUTBOX_MAX: usize = 512;
/// Events that wait for the owner: the driver drains them after each input.
pub const EVENTS_MAX: usize = 1_024;
/// Sources of unproved messages with a budget of their own.
pub const SOURCES_MAX: usize = 512;
/// Nodes whose reports of the node's own address count: the last ones to report.
pub const VOTES_MAX: usize = 16;

// -- Kademlia's budgets (rule 16)

/// Messages of a source that has not proved its address.
pub const UNPROVED_SOURCE: Allowance = Allowance {
    per_second: 10,
    burst: 20,
};
/// Messages of a source that has proved its address: more than ten lookups a second of all its
/// users.
pub const PROVED_SOURCE: Allowance = Allowance {
    per_second: 200,
    burst: 400,
};
/// Destinations that were not in use before: home routers fail at about 100 a second.
pub const DESTINATIONS: Allowance = Allowance {
    per_second: 50,
    burst: 50,
};

// -- Kademlia's times

/// After this time, a lookup queries the next node in place of one that is silent (rule 8).
pub const RPC_SLOW: Duration = Duration::from_secs(1);
/// After this time, a request counts as unanswered.
pub const RPC_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest duration of a lookup.
pub const LOOKUP_TIMEOUT: Duration = Duration::from_secs(60);
/// Lifetime of a secret for cookies and tokens; a proof is valid for one to two of them.
pub const SECRET_PERIOD: Duration = Duration::from_secs(300);
/// Stores remembered under one secret, in a network with a key, so that a recorded one has no
/// effect: eight bytes each, and 13 a second before the secret is renewed early.
pub const SPENT_MAX: usize = 4_096;
/// Time for which a reply proves the address of its sender.
pub const PROOF_TTL: Duration = Duration::from_secs(600);
/// At most one request in this time goes to an address that has not replied yet.
pub const PROBE_PERIOD: Duration = Duration::from_secs(60);
/// First pause before a node retries a silent contact for upkeep alone (rule 6); each pause is
/// twice as long as the one before, up to [`BACK_OFF_MAX`].
pub const BACK_OFF_MIN: Duration = Duration::from_secs(4);
/// Longest pause before a node retries a silent contact: as long as between its refreshes.
pub const BACK_OFF_MAX: Duration = Duration::from_secs(3_600);
/// First pause between two attempts to join through a node; it doubles up to
/// [`BOOTSTRAP_RETRY_MAX`].
pub const BOOTSTRAP_RETRY_MIN: Duration = Duration::from_secs(1);
/// Longest pause between two attempts to join through a node: a person waits for it.
pub const BOOTSTRAP_RETRY_MAX: Duration = Duration::from_secs(60);
/// From the first lookup of the node's own id to the second; each later pause is four times as
/// long.
pub const SETTLE_PERIOD: Duration = Duration::from_secs(15);
/// From the start to the first check whether contacts should be saved, and from check to check: the
/// node has joined by then.
pub const SAVE_DELAY: Duration = Duration::from_secs(60);
/// At most one write of the contacts to disk in this time, except at the end (rule 15): memory
/// cards wear out.
pub const SAVE_PERIOD: Duration = Duration::from_secs(3_600);
/// A bucket without a lookup in this time is refreshed (rule 11).
pub const REFRESH_PERIOD: Duration = Duration::from_secs(3_600);
/// Holders of a record replicate it once in this time, unless it was stored meanwhile (rule 13).
pub const REPLICATE_PERIOD: Duration = Duration::from_secs(3_600);
/// A provider announces its files once in this time (rule 13).
pub const ANNOUNCE_PERIOD: Duration = Duration::from_secs(3_600);
/// Pause before an announcement that no node stored is retried.
pub const ANNOUNCE_RETRY: Duration = Duration::from_secs(30);
/// A record's lifetime without a new announcement: one announcement may fail (rule 13).
pub const RECORD_TTL: Duration = Duration::from_secs(7_200);
/// The shortest lifetime of a replicated record: a shorter one is not worth a request.
pub const RECORD_TTL_MIN: Duration = Duration::from_secs(60);
/// Period of the check for hourly work and expired records.
pub const UPKEEP_PERIOD: Duration = Duration::from_secs(60);
/// Keys replicated in one upkeep: an hour covers all keys of a full table.
pub const REPLICATIONS_PER_UPKEEP_MAX: usize = 68;
