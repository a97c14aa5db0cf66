//! The parts of Kademlia that know no wire format: nodes of several dialects are built of them.
//!
//! [`kad`](crate::kad), native Kademlia, is the only one so far. The mainline DHT (BEP 5) differs
//! in ids, k, tokens and rules, so it would be a second node and not a variant of a generic one;
//! the parts that both would share are here. Rules by number are those of `kad/rules.md`.
//!
//! | part | holds |
//! |---|---|
//! | [`table`], [`bucket`] | the contacts that have answered us, by their distance |
//! | [`lookup`] | one iterative search for the nodes closest to an id |
//! | [`records`] | the providers of files, kept for others |
//! | [`addresses`] | which addresses have answered, and where a request may be sent |
//! | [`budget`] | how often a source may send, and how many new destinations are contacted |
//! | [`token`] | the secrets that cookies and write tokens are made with |
//! | [`subnet`] | the groups of addresses that count as one owner |
//! | [`Event`] | the events of a node for its owner |
//! | [`address_vote`] | our own address, by the majority of repliers |
//!
//! Invariant: a part sends nothing and names no message; its node tells it how requests ended.

mod address_vote;
mod addresses;
mod bucket;
mod budget;
mod event;
mod lookup;
mod params;
mod records;
pub mod subnet;
mod table;
mod token;

pub use address_vote::AddressVote;
pub use addresses::{Addresses, Permit};
pub use bucket::{Bucket, Member};
pub use budget::{Budget, Destinations, SourceBudgets};
pub use event::Event;
pub use lookup::{Answer, Lookup, Outcome, Purpose};
pub use params::Params;
pub use records::{Full, Record, RecordLimits, Records, around};
pub use table::{Admission, Contacts, Table};
pub use token::Secrets;

#[cfg(test)]
mod tests;
