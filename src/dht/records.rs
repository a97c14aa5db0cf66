//! Records: the providers of files, as far as this node keeps them for others (rules 13 – 16).
//!
//! A record is a location and an expiry, counted from its arrival by our own clock. It is here
//! because the provider itself said so from its own address, or because it answered our question.
//! Only the provider's own word removes it; otherwise it expires.
//!
//! The caps *refuse* new records and never displace old ones: a heavy source is refused, an honest
//! one keeps its records. Tokens, probes and traffic are not here.
//!
//! Invariant: a record that is returned has not expired, and no table here outgrows its limit.

use super::subnet::{self, Subnet};
use crate::address::is_local;
use crate::id::{FileId, Id};
use crate::rng::Rng;
use crate::time::Instant;
use arrayvec::ArrayVec;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::Bound;

/// The limits of a table of records (rule 16): of files, of records, and of the records of one
/// file, of one file and global subnet, of one global IP, and of one global subnet.
#[derive(Clone, Copy, Debug)]
pub struct RecordLimits {
    pub(crate) keys: usize,
    pub(crate) records: usize,
    pub(crate) per_key: usize,
    pub(crate) per_key_and_subnet: usize,
    pub(crate) per_ip: usize,
    pub(crate) per_subnet: usize,
}

/// One provider of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// The address at which it serves.
    pub location: SocketAddr,
    /// When the record is to be forgotten.
    pub expires_at: Instant,
}
const _: () = assert!(size_of::<Record>() <= crate::limits::memory::RECORD_SIZE);

impl Record {
    /// The record of a provider at `location`.
    pub fn new(location: SocketAddr, expires_at: Instant) -> Record {
        Record {
            location,
            expires_at,
        }
    }
}

struct Key {
    records: Vec<Record>,
    replicate_at: Instant,
}
const _: () = assert!(size_of::<Key>() <= crate::limits::memory::KEY_SIZE);

impl Key {
    fn has_room(&self, limits: &RecordLimits, location: SocketAddr) -> bool {
        let group = subnet::global_subnet(location.ip());
        let is_beside = |record: &&Record| subnet::global_subnet(record.location.ip()) == group;
        self.records.len() < limits.per_key
            && (group.is_none()
                || self.records.iter().filter(is_beside).count() < limits.per_key_and_subnet)
    }
}

/// All records of this node.
pub struct Records {
    limits: RecordLimits,
    keys: BTreeMap<FileId, Key>,
    count: usize,
    per_ip: BTreeMap<IpAddr, usize>,
    per_subnet: BTreeMap<Subnet, usize>,
}

/// The table of records, or this source's share of it, is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl Records {
    /// An empty table, which keeps at most as many records as `limits` allow.
    pub fn new(limits: RecordLimits) -> Records {
        Records {
            limits,
            keys: BTreeMap::new(),
            count: 0,
            per_ip: BTreeMap::new(),
            per_subnet: BTreeMap::new(),
        }
    }

    /// Stores a record of `file`. For a location that has one, the later expiry counts: a third
    /// node's word must not end what the provider itself has said. The key is to be replicated at
    /// `replicate_at` and not before (rule 13).
    ///
    /// # Errors
    /// [`Full`] when a limit is reached; the records that were there stay.
    pub fn store(
        &mut self,
        now: Instant,
        file: FileId,
        record: Record,
        replicate_at: Instant,
    ) -> Result<(), Full> {
        self.forget_expired(now, file);
        if let Some(key) = self.keys.get_mut(&file) {
            let mut known = key.records.iter_mut();
            if let Some(known) = known.find(|known| known.location == record.location) {
                known.expires_at = known.expires_at.max(record.expires_at);
                key.replicate_at = replicate_at;
                return Ok(());
            }
        }
        if !self.has_room(file, record.location) {
            return Err(Full);
        }
        let key = self.keys.entry(file).or_insert(Key {
            records: Vec::new(),
            replicate_at,
        });
        // No more room than needed: thousands of keys have one record or two.
        key.records.reserve_exact(1);
        key.records.push(record);
        key.replicate_at = replicate_at;
        self.count(record.location, true);
        Ok(())
    }

    /// Forgets that `location` provides `file`, on the provider's own word.
    pub fn withdraw(&mut self, file: FileId, location: SocketAddr) {
        self.retain(file, |record| record.location != location);
    }

    /// The records of `file` that have not expired.
    pub fn of(&self, now: Instant, file: FileId) -> impl Iterator<Item = Record> {
        let records = self.keys.get(&file).map_or(&[][..], |key| &key.records);
        let is_good = move |record: &Record| record.expires_at > now;
        records.iter().copied().filter(is_good)
    }

    /// Whether there is a record of `file` at `location`.
    pub fn holds(&self, now: Instant, file: FileId, location: SocketAddr) -> bool {
        self.of(now, file).any(|record| record.location == location)
    }

    /// Up to `N` records of `file`, a random subset when there are more, so that no provider is
    /// named always or never.
    pub fn sample<const N: usize>(
        &self,
        now: Instant,
        file: FileId,
        rng: &mut Rng,
    ) -> ArrayVec<Record, N> {
        let mut sample = ArrayVec::new();
        for (seen, record) in self.of(now, file).enumerate() {
            if sample.try_push(record).is_err() {
                let index = rng.below(seen as u64 + 1) as usize;
                if let Some(chosen) = sample.get_mut(index) {
                    *chosen = record;
                }
            }
        }
        sample
    }

    /// Up to `count` keys that are due to be replicated.
    pub fn due_replications(&self, now: Instant, count: usize) -> Vec<FileId> {
        let due = self.keys.iter().filter(|(_, key)| key.replicate_at <= now);
        due.map(|(&file, _)| file).take(count).collect()
    }

    /// Postpones the replication of `file` to `replicate_at`.
    pub fn postpone_replication(&mut self, file: FileId, replicate_at: Instant) {
        if let Some(key) = self.keys.get_mut(&file) {
            key.replicate_at = replicate_at;
        }
    }

    /// Forgets the records that have expired.
    pub fn sweep(&mut self, now: Instant) {
        let has_expired = |key: &Key| key.records.iter().any(|record| record.expires_at <= now);
        let files = self.keys.iter().filter(|(_, key)| has_expired(key));
        let files: Vec<FileId> = files.map(|(&file, _)| file).collect();
        files
            .into_iter()
            .for_each(|file| self.forget_expired(now, file));
    }

    /// Up to `count` of the files with records: those whose ids are around `centre`.
    pub fn files_around(&self, centre: Id, count: usize) -> impl Iterator<Item = FileId> {
        around(&self.keys, centre, count).map(|(&file, _)| file)
    }

    /// The files above `after` (all, when absent) in the order of their ids, and the records of
    /// each, among which some may have expired and wait for the sweep.
    pub fn files_after(&self, after: Option<FileId>) -> impl Iterator<Item = (FileId, &[Record])> {
        let above = after.map_or(Bound::Unbounded, Bound::Excluded);
        let files = self.keys.range((above, Bound::Unbounded));
        files.map(|(&file, key)| (file, &key.records[..]))
    }

    /// How many records are kept.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether no record is kept.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn forget_expired(&mut self, now: Instant, file: FileId) {
        self.retain(file, |record| record.expires_at > now);
    }

    fn retain(&mut self, file: FileId, stays: impl Fn(&Record) -> bool) {
        let Some(mut key) = self.keys.remove(&file) else {
            return;
        };
        for gone in key.records.iter().filter(|record| !stays(record)) {
            self.count(gone.location, false);
        }
        key.records.retain(stays);
        if !key.records.is_empty() {
            self.keys.insert(file, key);
        }
    }

    fn has_room(&self, file: FileId, location: SocketAddr) -> bool {
        let ip = location.ip();
        let of_ip = self.per_ip.get(&ip).copied().unwrap_or(0);
        let of_subnet = self
            .per_subnet
            .get(&subnet::subnet(ip))
            .copied()
            .unwrap_or(0);
        let key_has_room = match self.keys.get(&file) {
            Some(key) => key.has_room(&self.limits, location),
            None => self.keys.len() < self.limits.keys,
        };
        // In a local network one source may well be the whole fleet's only provider.
        let source_has_room =
            is_local(ip) || (of_ip < self.limits.per_ip && of_subnet < self.limits.per_subnet);
        self.count < self.limits.records && key_has_room && source_has_room
    }

    /// Counts a record in or out.
    fn count(&mut self, location: SocketAddr, is_new: bool) {
        let step = |count: usize| if is_new { count + 1 } else { count - 1 };
        let ip = location.ip();
        self.count = step(self.count);
        let of_ip = step(self.per_ip.remove(&ip).unwrap_or(0));
        if of_ip > 0 {
            self.per_ip.insert(ip, of_ip);
        }
        let group = subnet::subnet(ip);
        let of_subnet = step(self.per_subnet.remove(&group).unwrap_or(0));
        if of_subnet > 0 {
            self.per_subnet.insert(group, of_subnet);
        }
    }
}

/// Up to `count` entries on both sides of `centre`. Ids that share a prefix are neighbours in the
/// map, so these are about the nearest to it by XOR, found without a look at all.
pub fn around<T>(
    map: &BTreeMap<FileId, T>,
    centre: Id,
    count: usize,
) -> impl Iterator<Item = (&FileId, &T)> {
    let above = map.range(FileId(centre)..).take(count / 2);
    let below = map.range(..FileId(centre)).rev().take(count / 2);
    above.chain(below)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::*;
    use std::time::Duration;

    const LIMITS: RecordLimits = RecordLimits {
        keys: KEYS_MAX,
        records: RECORDS_MAX,
        per_key: PROVIDERS_PER_KEY_MAX,
        per_key_and_subnet: PROVIDERS_PER_KEY_AND_SUBNET_MAX,
        per_ip: RECORDS_PER_IP_MAX,
        per_subnet: RECORDS_PER_SUBNET_MAX,
    };
    const HOUR: Duration = Duration::from_secs(3_600);

    fn at(hours: u32) -> Instant {
        Instant::ZERO + HOUR * hours
    }

    fn file(number: u16) -> FileId {
        let mut bytes = [0; 20];
        bytes[..2].copy_from_slice(&number.to_be_bytes());
        FileId(Id(bytes))
    }

    fn store(records: &mut Records, file: FileId, location: impl Into<SocketAddr>) -> bool {
        let record = Record::new(location.into(), at(2));
        records.store(at(0), file, record, at(1)).is_ok()
    }

    #[test]
    fn a_walk_over_the_files_meets_each_once_in_their_order() {
        let mut records = Records::new(LIMITS);
        for number in [3, 1, 2] {
            assert!(store(&mut records, file(number), ([192, 0, 2, 1], 4160)));
        }
        let mut walked = Vec::new();
        while let Some((next, kept)) = records.files_after(walked.last().copied()).next() {
            assert_eq!(kept.len(), 1);
            walked.push(next);
        }
        assert_eq!(walked, [1, 2, 3].map(file));
    }

    #[test]
    fn rule_14_the_word_of_a_third_node_shortens_no_record() {
        let mut records = Records::new(LIMITS);
        let location = SocketAddr::from(([192, 0, 2, 1], 4160));
        assert!(store(&mut records, file(1), location));
        let unverified = Record::new(location, at(0));
        records.store(at(0), file(1), unverified, at(1)).unwrap();
        assert_eq!(records.of(at(1), file(1)).count(), 1);
    }

    #[test]
    fn rule_14_a_record_is_not_returned_after_its_time() {
        let mut records = Records::new(LIMITS);
        assert!(store(&mut records, file(1), ([192, 0, 2, 1], 4160)));
        let almost = Instant::from_micros(at(2).as_micros() - 1);
        assert_eq!(records.of(almost, file(1)).count(), 1);
        assert_eq!(records.of(at(2), file(1)).count(), 0);
        records.sweep(at(2));
        assert!(records.is_empty() && records.per_ip.is_empty() && records.per_subnet.is_empty());
    }

    #[test]
    fn rule_14_a_record_announced_again_lives_on() {
        let mut records = Records::new(LIMITS);
        let location = SocketAddr::from(([192, 0, 2, 1], 4160));
        store(&mut records, file(1), location);
        let again = Record::new(location, at(3));
        assert_eq!(records.store(at(1), file(1), again, at(2)), Ok(()));
        assert_eq!(records.of(at(2), file(1)).collect::<Vec<_>>(), [again]);
        assert_eq!(records.len(), 1);
    }

    #[test]
    fn rule_16_a_heavy_source_is_refused_and_an_honest_one_keeps_its_records() {
        let mut records = Records::new(LIMITS);
        let of_ip = |last: u8| SocketAddr::from(([192, 0, 2, last], 4160));
        assert!(store(&mut records, file(0), of_ip(200)));
        let stored = (1..=100)
            .filter(|&n| store(&mut records, file(n), of_ip(1)))
            .count();
        assert_eq!(stored, RECORDS_PER_IP_MAX);
        let stored = (1..=100)
            .filter(|&n| store(&mut records, file(n), of_ip(2)))
            .count();
        assert_eq!(stored, RECORDS_PER_SUBNET_MAX - RECORDS_PER_IP_MAX - 1);
        assert_eq!(records.of(at(1), file(0)).count(), 1);
        assert!(store(&mut records, file(1), ([198, 51, 100, 1], 4160)));
        records.withdraw(file(1), of_ip(1));
        assert!(
            store(&mut records, file(101), of_ip(1)),
            "a record that was withdrawn leaves room"
        );
    }

    #[test]
    fn rule_16_providers_of_a_key_and_keys_are_bounded() {
        let mut records = Records::new(LIMITS);
        let local = |n: u16| SocketAddr::from(([10, 0, 0, 1], 1 + n));
        let stored = (0..100)
            .filter(|&n| store(&mut records, file(0), local(n)))
            .count();
        assert_eq!(stored, PROVIDERS_PER_KEY_MAX);
        let stored = (1..=5_000)
            .filter(|&n| store(&mut records, file(n), local(0)))
            .count();
        assert_eq!(stored, KEYS_MAX - 1);
        let more = (0..5_000)
            .filter(|&n| store(&mut records, file(n), local(1)))
            .count();
        assert_eq!(
            records.len(),
            PROVIDERS_PER_KEY_MAX + KEYS_MAX - 1 + more - 1
        );
        (2..60).for_each(|p| (1..5_000).for_each(|n| _ = store(&mut records, file(n), local(p))));
        assert_eq!(records.len(), RECORDS_MAX);
    }

    #[test]
    fn rule_16_a_newcomer_costs_a_search_of_the_nearest_keys_only() {
        let mut records = Records::new(LIMITS);
        let mut rng = Rng::from_number(5);
        let mut files: Vec<FileId> = (0..KEYS_MAX).map(|_| FileId(rng.id())).collect();
        for &file in &files {
            assert!(store(&mut records, file, ([10, 0, 0, 1], 4160)));
        }
        let own = rng.id();
        let near: Vec<FileId> = records.files_around(own, 256).collect();
        assert_eq!(near.len(), 256);
        files.sort_by_key(|file| file.0.distance(&own));
        assert!(files[..20].iter().all(|file| near.contains(file)));
    }

    #[test]
    fn rule_16_one_subnet_cannot_take_all_the_records_of_a_key() {
        let mut records = Records::new(LIMITS);
        let stored = (1..=40)
            .filter(|&n| store(&mut records, file(1), ([192, 0, 2, 1], n)))
            .count();
        assert_eq!(stored, PROVIDERS_PER_KEY_AND_SUBNET_MAX);
        assert!(!store(&mut records, file(1), ([192, 0, 2, 77], 4160)));
        assert!(store(&mut records, file(1), ([198, 51, 100, 1], 4160)));
    }

    #[test]
    fn a_sample_of_many_providers_names_each_of_them_sometimes() {
        let mut records = Records::new(LIMITS);
        let mut rng = Rng::from_number(1);
        for n in 0..32 {
            store(&mut records, file(1), ([10, 0, 0, 1], 1 + n));
        }
        let mut named = [0; 32];
        for _ in 0..400 {
            let sample = records.sample::<PROVIDERS_PER_REPLY_MAX>(at(1), file(1), &mut rng);
            assert_eq!(sample.len(), PROVIDERS_PER_REPLY_MAX);
            sample
                .iter()
                .for_each(|record| named[usize::from(record.location.port()) - 1] += 1);
        }
        assert!(
            named.iter().all(|&count| (140..260).contains(&count)),
            "{named:?}"
        );
    }

    #[test]
    fn rule_13_a_store_puts_replication_off() {
        let mut records = Records::new(LIMITS);
        store(&mut records, file(1), ([192, 0, 2, 1], 4160));
        let almost = Instant::from_micros(at(1).as_micros() - 1);
        assert_eq!(records.due_replications(almost, 9), []);
        assert_eq!(records.due_replications(at(1), 9), [file(1)]);
        let again = Record::new(([192, 0, 2, 1], 4160).into(), at(3));
        records.store(at(1), file(1), again, at(2)).unwrap();
        assert_eq!(records.due_replications(at(1), 9), []);
    }
}
