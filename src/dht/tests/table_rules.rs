//! The routing table by rules 1 – 7, 9 and 16, against a naive oracle: a list of all contacts.

use super::*;
use crate::dht::{Admission, Bucket, Table};
use crate::id::ID_BITS;
use crate::limits::{NEAR_FACTOR, PER_SUBNET_MAX, STALE_AFTER};
use crate::rng::Rng;
use proptest::prelude::*;

const REFRESH_AT: Instant = Instant::from_micros(1 << 40);

/// The id whose first `bits` bits are those of `number`.
fn id(number: u64, bits: usize) -> NodeId {
    let set = (0..bits).filter(|bit| number & (1 << (bits - 1 - bit)) != 0);
    NodeId(set.fold(Id::default(), |id, bit| id.with_bit(bit, true)))
}

/// A contact of a 4-bit space, at an address of its own.
fn contact(number: u64) -> Contact {
    Contact {
        id: id(number, 4),
        address: address_of(number as usize),
    }
}

fn table(own: u64) -> Table {
    Table::new(id(own, 4), &small(4), REFRESH_AT)
}

fn numbers(contacts: &[Contact]) -> Vec<u64> {
    contacts
        .iter()
        .map(|contact| u64::from(contact.id.0.0[0] >> 4))
        .collect()
}

fn answer(table: &mut Table, numbers: &[u64]) {
    for &number in numbers {
        table.answered(Instant::ZERO, contact(number));
    }
}

fn fail(table: &mut Table, contact: Contact, times: u32) {
    (0..times).for_each(|_| table.failed(Instant::ZERO, contact));
}

/// Buckets of a table in a 4-bit space.
fn buckets(table: &Table) -> Vec<Vec<u64>> {
    let members = |b: &Bucket| b.members.iter().map(|m| m.contact).collect::<Vec<_>>();
    table
        .buckets()
        .iter()
        .map(|bucket| numbers(&members(bucket)))
        .collect()
}

#[test]
fn rule_01_the_bucket_is_the_shared_prefix_and_the_order_is_the_number() {
    let mut table = table(0b0000);
    answer(&mut table, &[0b1000, 0b0100, 0b0010, 0b0001, 0b0011]);
    assert_eq!(buckets(&table), [vec![8], vec![4], vec![2, 3], vec![1]]);
    let order = table.closest(id(0b0111, 4).0, 5, None);
    assert_eq!(numbers(&order), [0b0100, 0b0011, 0b0010, 0b0001, 0b1000]);
}

#[test]
fn rule_02_a_table_takes_the_parameters_that_it_is_given() {
    // A table whose far half is full, with more than k nodes nearer: (k, bits of ids, buckets).
    let paper = Params::default();
    assert_eq!((paper.k, paper.alpha, paper.id_bits), (20, 3, 160));
    for (params, far, buckets) in [(paper, 20, 150), (small(6), 2, 6), (small(4), 2, 4)] {
        let own = NodeId(Id::default());
        let mut table = Table::new(own, &params, REFRESH_AT);
        let mut rng = Rng::from_number(7);
        let add = |table: &mut Table, id: Id, index: usize| {
            let address = address_of(index);
            table.answered(
                Instant::ZERO,
                Contact {
                    id: NodeId(id),
                    address,
                },
            )
        };
        // One node for each shared prefix, down to the last bit: each bucket splits off.
        for bit in 0..params.id_bits {
            for index in 0..2 * params.k {
                let id = (0..bit).fold(rng.id(), |id, bit| id.with_bit(bit, false));
                add(&mut table, id.with_bit(bit, true), index * 160 + bit);
            }
        }
        assert!(
            (buckets..=params.id_bits).contains(&table.buckets().len()),
            "{params:?}"
        );
        assert!(
            table.buckets()[1..4.min(buckets - 1)]
                .iter()
                .all(|b| b.members.len() >= far)
        );
        let full = (0..40).map(|n| add(&mut table, rng.id().with_bit(0, true), 9_000 + n));
        assert!(
            full.into_iter()
                .all(|admission| admission == Admission::Cached),
            "{params:?}"
        );
    }
}

#[test]
fn rule_03_a_contact_that_answers_moves_to_the_tail_and_an_unverified_one_does_not_enter() {
    let mut table = table(0b0000);
    table.touch(Instant::ZERO, contact(9));
    assert!(table.is_empty(), "a message alone is unverified");
    answer(&mut table, &[8, 9]);
    table.touch(Instant::ZERO, contact(8));
    assert_eq!(buckets(&table)[0], [9, 8]);
    table.answered(Instant::ZERO, contact(9));
    assert_eq!(buckets(&table)[0], [8, 9]);
}

#[test]
fn rule_04_a_full_bucket_that_holds_our_own_id_splits() {
    let mut table = table(0b0000);
    answer(&mut table, &[0b1000, 0b1100]);
    assert_eq!(table.buckets().len(), 1);
    assert_eq!(
        table.answered(Instant::ZERO, contact(0b0100)),
        Admission::Added
    );
    assert_eq!(buckets(&table), [vec![0b1000, 0b1100], vec![0b0100]]);
}

#[test]
fn rule_04_the_subtree_around_us_is_complete_to_k_nodes() {
    let mut table = table(0b0000);
    // Only one node is nearer than the far half: so that half is part of the subtree, and kept
    // whole.
    let all = [0b0001, 0b1000, 0b1001, 0b1010, 0b1011, 0b1100, 0b1101];
    let added = all.map(|n| table.answered(Instant::ZERO, contact(n)) == Admission::Added);
    assert_eq!(added, [true; 7]);
    // With k nodes nearer, it is not; and the contacts in it stay.
    table.answered(Instant::ZERO, contact(0b0010));
    assert_eq!(
        table.answered(Instant::ZERO, contact(0b1111)),
        Admission::Cached
    );
    assert_eq!(table.len(), 8);
}

/// A table with the full far bucket {8, 9} and the near nodes {4, 5}.
fn full() -> Table {
    let mut table = table(0b0000);
    answer(&mut table, &[4, 5, 8, 9]);
    assert_eq!(buckets(&table)[0], [8, 9]);
    table
}

#[test]
fn rule_05_a_newcomer_waits_and_replaces_the_dead_only() {
    let mut table = full();
    answer(&mut table, &[10, 11]);
    assert_eq!(table.buckets()[0].cache.len(), 2);
    fail(&mut table, contact(8), STALE_AFTER - 1);
    assert_eq!(buckets(&table)[0], [8, 9], "not dead yet");
    table.answered(Instant::ZERO, contact(8));
    fail(&mut table, contact(8), STALE_AFTER - 1);
    assert_eq!(
        buckets(&table)[0],
        [9, 8],
        "an answer clears the failures before it"
    );
    fail(&mut table, contact(8), 1);
    assert_eq!(
        buckets(&table)[0],
        [9, 11],
        "the most recent of the cache comes first"
    );
}

#[test]
fn rule_05_the_cache_keeps_the_most_recent() {
    let mut table = full();
    answer(&mut table, &[10, 11, 12, 10]);
    let cached = |table: &Table| {
        table.buckets()[0]
            .cache
            .iter()
            .map(|m| u64::from(m.contact.id.0.0[0] >> 4))
            .collect()
    };
    let kept: Vec<u64> = cached(&table);
    assert_eq!(kept, [12, 10]);
}

#[test]
fn rule_06_with_an_empty_cache_the_dead_are_flagged_and_kept() {
    let mut table = full();
    for number in [4, 5, 8, 9] {
        fail(&mut table, contact(number), STALE_AFTER * 3);
    }
    assert_eq!(table.len(), 4);
    assert!(table.is_cut_off());
    assert!(
        table.closest(id(0, 4).0, 2, None).is_empty(),
        "the dead are not named"
    );
    table.answered(Instant::ZERO, contact(8));
    assert_eq!(numbers(&table.closest(id(0, 4).0, 2, None)), [8]);
}

#[test]
fn rule_06_a_silent_contact_is_pinged_ever_more_rarely() {
    let mut table = full();
    let mut pauses = Vec::new();
    for _ in 0..20 {
        table.failed(Instant::ZERO, contact(8));
        pauses.push(
            table
                .member(contact(8).id)
                .unwrap()
                .ask_at
                .since(Instant::ZERO),
        );
    }
    assert_eq!(pauses[..3], [secs(4), secs(8), secs(16)]);
    assert_eq!(pauses[19], secs(3_600));
}

#[test]
fn rule_07_a_known_id_at_another_address_moves_only_when_the_old_one_is_silent() {
    let mut table = full();
    let moved = Contact {
        address: address_of(77),
        ..contact(8)
    };
    table.touch(Instant::ZERO, moved);
    assert!(table.holds(contact(8)), "a message moves no contact");
    assert_eq!(table.answered(Instant::ZERO, moved), Admission::Refused);
    assert!(
        table.holds(contact(8)),
        "the old address is not known to be dead"
    );
    fail(&mut table, moved, STALE_AFTER);
    assert!(
        table.holds(contact(8)),
        "silence at another address is not its silence"
    );
    fail(&mut table, contact(8), 1);
    assert_eq!(table.answered(Instant::ZERO, moved), Admission::Known);
    assert!(table.holds(moved));
}

#[test]
fn rule_09_as_many_as_are_known_and_never_the_requester() {
    let table = full();
    assert_eq!(numbers(&table.closest(id(15, 4).0, 20, None)), [9, 8, 5, 4]);
    assert_eq!(
        numbers(&table.closest(id(15, 4).0, 2, Some(contact(9).id))),
        [8, 5]
    );
    assert_eq!(table.closest(id(15, 4).0, 0, None).len(), 0);
}

#[test]
fn rule_11_a_random_id_of_a_bucket_lies_in_its_range() {
    let mut table = full();
    let mut rng = Rng::from_number(1);
    assert_eq!(table.due_refresh(Instant::ZERO, &mut rng), None);
    let later = Instant::from_micros(REFRESH_AT.as_micros() + 1);
    for _ in 0..20 {
        let target = table.due_refresh(REFRESH_AT, &mut rng).unwrap();
        assert!(target.bit(0), "the first bucket is the far half");
    }
    table.looked_up(id(0b1000, 4).0, later);
    for _ in 0..20 {
        let target = table.due_refresh(REFRESH_AT, &mut rng).unwrap();
        assert!(!target.bit(0) && target.0[1..] == [0; 19], "{target}");
    }
}

#[test]
fn rule_12_the_buckets_farther_than_the_closest_neighbour_are_due() {
    let mut table = full();
    table.refresh_far(Instant::ZERO, ID_BITS);
    let due: Vec<bool> = table
        .buckets()
        .iter()
        .map(|b| b.refresh_at == Instant::ZERO)
        .collect();
    assert_eq!(due, [true, false]);
}

#[test]
fn rule_16_two_of_a_subnet_share_a_bucket_unless_the_network_is_local() {
    let params = Params::default();
    let mut table = Table::new(NodeId(Id::default()), &params, REFRESH_AT);
    let mut rng = Rng::from_number(2);
    let mut offer = |table: &mut Table, address: SocketAddr| {
        let contact = Contact {
            id: NodeId(rng.id().with_bit(0, true)),
            address,
        };
        table.answered(Instant::ZERO, contact) == Admission::Added
    };
    let global = (1..=9)
        .filter(|&n| offer(&mut table, ([192, 0, 2, n], 4160).into()))
        .count();
    assert_eq!(global, PER_SUBNET_MAX);
    let local = (1..=9)
        .filter(|&n| offer(&mut table, ([10, 0, 0, n], 4160).into()))
        .count();
    assert_eq!(local, 9);
}

#[test]
fn rule_16_no_contact_moves_into_a_subnet_that_has_its_two() {
    let params = Params::default();
    let mut table = Table::new(NodeId(Id::default()), &params, REFRESH_AT);
    let mut rng = Rng::from_number(3);
    let mut contact = |ip: [u8; 4]| Contact {
        id: NodeId(rng.id().with_bit(0, true)),
        address: (ip, 4160).into(),
    };
    let member = contact([198, 51, 100, 1]);
    for of in [member, contact([192, 0, 2, 1]), contact([192, 0, 2, 2])] {
        assert_eq!(table.answered(Instant::ZERO, of), Admission::Added);
    }
    table.failed(Instant::ZERO, member);
    let moved = |ip: [u8; 4]| Contact {
        address: (ip, 4160).into(),
        ..member
    };
    let full = moved([192, 0, 2, 3]);
    assert_eq!(table.answered(Instant::ZERO, full), Admission::Refused);
    let same = moved([198, 51, 100, 2]);
    assert_eq!(table.answered(Instant::ZERO, same), Admission::Known);
}

#[derive(Clone, Debug)]
enum Step {
    Answered(u64, usize),
    Touched(u64, usize),
    Failed(u64, usize),
}

fn step() -> impl Strategy<Value = Step> {
    let contact = (0..64u64, 0..3usize);
    prop_oneof![
        4 => contact.clone().prop_map(|(n, a)| Step::Answered(n, a)),
        1 => contact.clone().prop_map(|(n, a)| Step::Touched(n, a)),
        3 => contact.prop_map(|(n, a)| Step::Failed(n, a)),
    ]
}

/// Checks the rules that hold for every table at every moment (paper, section 3).
fn check(table: &Table, own: NodeId, k: usize) {
    table.invariants();
    let mut ids = Vec::new();
    let mut addresses = Vec::new();
    let last = table.buckets().len() - 1;
    for (index, bucket) in table.buckets().iter().enumerate() {
        for member in &bucket.members {
            let shared = member.contact.id.0.distance(&own.0).shared_prefix();
            assert!(shared < 6, "never our own id");
            assert_eq!(shared.min(last), index, "in its bucket");
            ids.push(member.contact.id);
            addresses.push(member.contact.address);
        }
        assert!(bucket.members.len() <= k * NEAR_FACTOR && bucket.cache.len() <= 2);
    }
    let count = ids.len();
    ids.sort_unstable();
    addresses.sort_unstable();
    ids.dedup();
    addresses.dedup();
    assert_eq!(
        (ids.len(), addresses.len()),
        (count, count),
        "each id and address once"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rules_01_to_07_hold_whatever_happens(
        own in 0..64u64,
        steps in proptest::collection::vec(step(), 0..300),
    ) {
        let own = id(own, 6);
        let mut table = Table::new(own, &small(6), REFRESH_AT);
        let contact = |n: u64, a: usize| {
            Contact { id: id(n, 6), address: address_of((n as usize + a) % 64) }
        };
        for step in steps {
            let before: Vec<_> = table.members().copied().collect();
            let mut taken = None;
            match step {
                Step::Answered(n, a) => {
                    table.answered(Instant::ZERO, contact(n, a));
                    taken = Some(contact(n, a).address);
                }
                Step::Touched(n, a) => table.touch(Instant::ZERO, contact(n, a)),
                Step::Failed(n, a) => table.failed(Instant::ZERO, contact(n, a)),
            }
            check(&table, own, 2);
            for member in before {
                let may_leave = member.failures + 1 >= STALE_AFTER
                    || taken == Some(member.contact.address);
                prop_assert!(may_leave || table.member(member.contact.id).is_some(), "{member:?}");
            }
        }
    }

    #[test]
    fn rule_09_the_closest_are_those_that_sorting_all_contacts_gives(
        own in 0..64u64,
        target in 0..64u64,
        known in proptest::collection::vec(0..64u64, 0..80),
        except in proptest::option::of(0..64u64),
        count in 0..8usize,
    ) {
        let mut table = Table::new(id(own, 6), &small(6), REFRESH_AT);
        for &n in &known {
            let (id, address) = (id(n, 6), address_of(n as usize));
            table.answered(Instant::ZERO, Contact { id, address });
        }
        let (target, except) = (id(target, 6).0, except.map(|n| id(n, 6)));
        let mut all: Vec<Contact> = table.members().map(|member| member.contact).collect();
        all.retain(|contact| Some(contact.id) != except);
        all.sort_by_key(|contact| contact.id.0.distance(&target));
        all.truncate(count);
        prop_assert_eq!(&table.closest(target, count, except)[..], &all[..]);
    }
}
