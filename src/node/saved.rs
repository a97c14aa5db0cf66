//! The contacts that survive a restart (rule 15): their choice, the time of writing, and their
//! bytes.
//!
//! They help to find the network again when every bootstrap node is gone, or none is given. Saved
//! are members of the routing table that answered their last request, most recently seen first, a
//! few of each bucket ([`SAVED_CONTACTS_MAX`] in all). Room that is left keeps the contacts of the
//! list before, because silence is more often our own outage than the end of all others. After a
//! restart they are candidates, which enter the table when they have answered (rule 3).
//!
//! Memory cards wear out, so a list is written only when at least half of its contacts are new, and
//! at most once in [`SAVE_PERIOD`]; at a clean stop when any of them is new. A node whose contacts
//! stay the same writes nothing, however long it runs.
//!
//! ```text
//!  0           8   9       13  14                         14 + 38 n    18 + 38 n
//! +-----------+---+---------+---+--------------------------+------------+
//! | sprat-ct  | 1 | network | n | n × (id, IP, port)       | CRC-32     |
//! +-----------+---+---------+---+--------------------------+------------+
//!  magic      version            contacts: 20 + 16 + 2      of all before
//! ```
//!
//! The network is the CRC-32 of no bytes in it ([`Network::crc`]): contacts of another network are
//! of no use. The driver reads and writes the file. Invariant: a list that was parsed emits the
//! bytes that it came from.

#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use crate::address::Contact;
use crate::dht::{Bucket, Member, Table};
use crate::envelope::{Envelope, EnvelopeError, OVERHEAD};
use crate::id::{Id, NodeId};
use crate::limits::{SAVE_DELAY, SAVE_PERIOD, SAVED_CONTACTS_MAX};
use crate::time::Instant;
use crate::wire::native::datagram::CONTACT_SIZE;
use crate::wire::reader::{Reader, Writer};
use crate::wire::{Network, address};

/// The envelope of a list.
pub const FORMAT: Envelope = Envelope {
    magic: b"sprat-ct",
    version: 1,
};
const HEAD_SIZE: usize = 4 + 1;
/// Bytes of the longest list.
pub const SAVED_SIZE_MAX: usize = HEAD_SIZE + SAVED_CONTACTS_MAX * CONTACT_SIZE + OVERHEAD;
const _: () = assert!(
    SAVED_CONTACTS_MAX <= u8::MAX as usize,
    "the count is one byte"
);

/// The reason why bytes are no list of contacts for this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SavedError {
    /// Damaged, of another format, or of a newer version, which must be left alone.
    Envelope(EnvelopeError),
    /// The list is of another network.
    Network,
    /// The count is missing, or more than [`SAVED_CONTACTS_MAX`].
    Count,
    /// A contact is cut off, or at an address that no node can have.
    Contact,
    /// More bytes follow the contacts.
    Trailing,
}

/// The bytes of a list, of at most [`SAVED_CONTACTS_MAX`] contacts.
pub fn emit(contacts: &[Contact], network: Network) -> Vec<u8> {
    let contacts = contacts.iter().take(SAVED_CONTACTS_MAX);
    let size = HEAD_SIZE.saturating_add(contacts.len().saturating_mul(CONTACT_SIZE));
    FORMAT.seal(size, |body| {
        let mut writer = Writer::new(body);
        writer.u32(network.crc(&[]));
        writer.u8(u8::try_from(contacts.len()).unwrap_or(u8::MAX));
        for contact in contacts {
            writer.put(&contact.id.0.0);
            address::write(&mut writer, contact.address);
        }
    })
}

/// The contacts of a list that this network's nodes have saved.
///
/// # Errors
/// See [`SavedError`].
pub fn parse(bytes: &[u8], network: Network) -> Result<Vec<Contact>, SavedError> {
    use SavedError as Wrong;
    let mut reader = Reader::new(FORMAT.open(bytes).map_err(Wrong::Envelope)?);
    if reader.u32(Wrong::Network)? != network.crc(&[]) {
        return Err(Wrong::Network);
    }
    let count = usize::from(reader.u8(Wrong::Count)?);
    if count > SAVED_CONTACTS_MAX {
        return Err(Wrong::Count);
    }
    let mut contacts = Vec::with_capacity(count);
    for _ in 0..count {
        let id = NodeId(Id(reader.array(Wrong::Contact)?));
        let address = address::read(&mut reader, Wrong::Contact)?;
        contacts.push(Contact { id, address });
    }
    reader.end(Wrong::Trailing)?;
    Ok(contacts)
}

/// The list on disk, and when to check if a new one should be written.
#[derive(Debug)]
pub(super) struct Saved {
    on_disk: Vec<Contact>,
    check_at: Instant,
    is_stopping: bool,
}

#[allow(clippy::arithmetic_side_effects, reason = "an instant saturates")]
impl Saved {
    pub fn new(now: Instant) -> Saved {
        Saved {
            on_disk: Vec::new(),
            check_at: now + SAVE_DELAY,
            is_stopping: false,
        }
    }

    /// These contacts are on disk now.
    pub fn handle_saved(&mut self, contacts: &[Contact]) {
        self.on_disk = contacts.to_vec();
    }

    /// The node is about to stop: any new contact is worth a write now.
    pub fn stop(&mut self, now: Instant) {
        self.is_stopping = true;
        self.check_at = now;
    }

    /// The list to be written now, if there is one.
    pub fn poll(&mut self, now: Instant, table: &Table) -> Option<Vec<Contact>> {
        if now < self.check_at {
            return None;
        }
        let good = good(table);
        let is_new = |contact: &&Contact| !self.on_disk.contains(contact);
        let new_count = good.iter().filter(is_new).count();
        let is_due = new_count > 0 && (self.is_stopping || new_count >= good.len().div_ceil(2));
        self.is_stopping = false;
        self.check_at = now + if is_due { SAVE_PERIOD } else { SAVE_DELAY };
        is_due.then(|| filled_up(good, &self.on_disk))
    }
}

/// The contacts that are worth saving: the most recently seen of each bucket, then the second of
/// each, and so on.
fn good(table: &Table) -> Vec<Contact> {
    let mut found = Vec::with_capacity(SAVED_CONTACTS_MAX);
    for round in 0..SAVED_CONTACTS_MAX {
        let next = table
            .buckets()
            .iter()
            .filter_map(|bucket| alive(bucket).nth(round));
        let before = found.len();
        found.extend(next.take(SAVED_CONTACTS_MAX.saturating_sub(before)));
        if found.len() == before {
            break;
        }
    }
    found
}

/// The members of a bucket that answered their last request, most recently seen first.
fn alive(bucket: &Bucket) -> impl Iterator<Item = Contact> {
    let answered = |member: &&Member| member.failures == 0;
    bucket
        .members
        .iter()
        .rev()
        .filter(answered)
        .map(|member| member.contact)
}

/// `contacts`, and as many of `others` as fit. The list has each id and each address once.
fn filled_up(mut contacts: Vec<Contact>, others: &[Contact]) -> Vec<Contact> {
    for other in others {
        let is_same = |c: &Contact| c.id == other.id || c.address == other.address;
        if contacts.len() < SAVED_CONTACTS_MAX && !contacts.iter().any(is_same) {
            contacts.push(*other);
        }
    }
    contacts
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
#[allow(clippy::arithmetic_side_effects)]
mod tests {
    use super::*;
    use crate::dht::Params;
    use crate::rng::Rng;
    use std::time::Duration;

    fn peer(number: u64) -> Contact {
        Contact {
            id: NodeId(Rng::from_number(number).id()),
            address: ([192, 168, 0, 1], 1_000 + number as u16).into(),
        }
    }

    fn table_of(peers: impl Iterator<Item = u64>) -> Table {
        let mut table = Table::new(NodeId::default(), &Params::default(), Instant::ZERO);
        for number in peers {
            table.answered(at(number), peer(number));
        }
        table
    }

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn rule_15_a_new_list_is_written_once_and_the_same_contacts_never_again() {
        let table = table_of(1..30);
        let mut saved = Saved::new(at(0));
        assert_eq!(saved.poll(at(1), &table), None, "it is too early");
        let first = saved.poll(at(60), &table).unwrap();
        saved.handle_saved(&first);
        let hours = (1..1_000).map(|hour| at(60 + hour * 3_600));
        assert!(hours.clone().all(|now| saved.poll(now, &table).is_none()));
        saved.stop(at(9_000_000));
        assert_eq!(saved.poll(at(9_000_000), &table), None, "nor at the end");
    }

    #[test]
    fn rule_15_a_half_new_list_is_written_once_an_hour_and_any_new_one_at_the_end() {
        let mut saved = Saved::new(at(0));
        saved.handle_saved(&[peer(1), peer(2), peer(3)]);
        assert_eq!(saved.poll(at(60), &table_of(1..6)), None, "two of five");
        saved.stop(at(61));
        let all = saved.poll(at(61), &table_of(1..6)).unwrap();
        assert_eq!(all.len(), 5);
        saved.handle_saved(&all);
        let moved_on = table_of(20..30);
        assert_eq!(saved.poll(at(3_600), &moved_on), None, "within the hour");
        assert!(saved.poll(at(3_661), &moved_on).is_some());
        assert_eq!(
            saved.poll(at(3_662), &moved_on),
            None,
            "though that write failed"
        );
        assert!(saved.poll(at(7_261), &moved_on).is_some());
    }

    #[test]
    fn rule_15_a_node_without_answers_leaves_the_list_as_it_is() {
        let mut table = table_of(1..10);
        let mut saved = Saved::new(at(0));
        let all = saved.poll(at(60), &table).unwrap();
        saved.handle_saved(&all);
        (1..9).for_each(|number| table.failed(at(100), peer(number)));
        table.answered(at(100), peer(50));
        saved.stop(at(200));
        let list = saved.poll(at(200), &table).unwrap();
        assert_eq!(
            list[..2],
            [peer(50), peer(9)],
            "contacts that answer come first"
        );
        assert_eq!(list.len(), 10, "the silent may be back before us");
    }

    #[test]
    fn rule_15_the_list_has_some_of_each_bucket_and_the_most_recent_of_them() {
        let table = table_of(1..2_000);
        let list = good(&table);
        assert_eq!(list.len(), SAVED_CONTACTS_MAX);
        for bucket in table.buckets() {
            let members: Vec<Contact> = bucket.members.iter().rev().map(|m| m.contact).collect();
            let count = members
                .iter()
                .filter(|member| list.contains(member))
                .count();
            assert!(count >= 2 && members[..count].iter().all(|member| list.contains(member)));
        }
    }

    #[test]
    fn a_list_of_any_length_is_read_as_it_was_written_and_in_its_network_only() {
        let (network, other) = (Network::named("one"), Network::named("other"));
        for count in 0..=SAVED_CONTACTS_MAX + 1 {
            let contacts: Vec<Contact> = (0..count as u64).map(peer).collect();
            let bytes = emit(&contacts, network);
            let kept = &contacts[..count.min(SAVED_CONTACTS_MAX)];
            assert_eq!(parse(&bytes, network).unwrap(), kept);
            assert_eq!(
                bytes.len(),
                HEAD_SIZE + kept.len() * CONTACT_SIZE + OVERHEAD
            );
            assert_eq!(parse(&bytes, other), Err(SavedError::Network));
        }
    }
}
