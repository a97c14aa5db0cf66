//! One lookup by rules 8, 16 and 17, step by step.

use super::*;
use crate::dht::{Answer, Lookup, Permit};
use crate::limits::LOOKUP_ASKED_MAX;

/// A contact at this distance from the target, which is 0.
fn at_distance(distance: u8) -> Contact {
    let mut id = Id::default();
    id.0[0] = distance;
    Contact {
        id: NodeId(id),
        address: address_of(distance.into()),
    }
}

fn lookup(k: usize, paths: usize, seeds: &[u8]) -> Lookup<u64> {
    let own = at_distance(255).id;
    let what = (Id::default(), Purpose::FindNode);
    let mut lookup = Lookup::new(Instant::ZERO, own, what, (k, 3, paths));
    lookup.seed(&seeds.iter().map(|&d| at_distance(d)).collect::<Vec<_>>());
    lookup
}

/// Asks all contacts that may be asked now, and returns their distances.
fn ask(lookup: &mut Lookup<u64>) -> Vec<u8> {
    let asked = std::iter::from_fn(|| lookup.ask_next(|_| Permit::Now));
    asked.map(|contact| contact.id.0.0[0]).collect()
}

fn answer(lookup: &mut Lookup<u64>, from: u8, named: &[u8]) {
    let contacts: Vec<Contact> = named.iter().map(|&d| at_distance(d)).collect();
    let answer = Answer {
        contacts: &contacts,
        token: 0,
        has_value: false,
    };
    lookup.answered(at_distance(from), answer);
}

#[test]
fn rule_08_alpha_are_asked_at_once_the_closest_first() {
    let mut lookup = lookup(20, 1, &[9, 7, 8, 6, 10]);
    assert_eq!(ask(&mut lookup), [6, 7, 8]);
    answer(&mut lookup, 7, &[1, 2]);
    assert_eq!(ask(&mut lookup), [1]);
}

#[test]
fn rule_08_a_round_that_brings_no_closer_node_asks_all_of_the_k_closest() {
    let mut lookup = lookup(8, 1, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    assert_eq!(ask(&mut lookup), [1, 2, 3]);
    answer(&mut lookup, 1, &[11]);
    assert_eq!(ask(&mut lookup), [4]);
    answer(&mut lookup, 2, &[11]);
    assert_eq!(ask(&mut lookup), [5]);
    answer(&mut lookup, 3, &[11]);
    assert_eq!(
        ask(&mut lookup),
        [6, 7, 8],
        "the rest of the 8 closest, and not 9"
    );
}

#[test]
fn rule_08_a_round_of_silence_asks_all_of_the_k_closest_as_well_if_a_user_waits() {
    let seeds: Vec<u8> = (1..=12).collect();
    let mut awaited = lookup(6, 1, &seeds);
    assert_eq!(ask(&mut awaited), [1, 2, 3]);
    awaited.slow(at_distance(1));
    answer(&mut awaited, 2, &[]);
    assert_eq!(ask(&mut awaited), [4, 5]);
    awaited.slow(at_distance(3));
    assert_eq!(ask(&mut awaited), [6, 7, 8]);

    let what = (Id::default(), Purpose::Announce);
    let mut other = Lookup::<u64>::new(Instant::ZERO, at_distance(255).id, what, (6, 3, 1));
    other.seed(&seeds.iter().map(|&d| at_distance(d)).collect::<Vec<_>>());
    assert_eq!(ask(&mut other), [1, 2, 3]);
    (1..=3).for_each(|distance| other.slow(at_distance(distance)));
    assert_eq!(ask(&mut other), [4, 5, 6], "α at once: no user waits");
}

/// Otherwise no node is asked, none can answer, and the lookup stalls until another event.
#[test]
fn rule_16_the_next_of_a_subnet_is_asked_at_once_when_one_before_it_may_not_be() {
    let of_subnet = |distance| Contact {
        address: ([45, 0, 0, distance], 4160).into(),
        ..at_distance(distance)
    };
    let mut lookup = lookup(20, 1, &[]);
    lookup.seed(&[1, 2, 3].map(of_subnet));
    let permit = |contact| match contact == of_subnet(1) {
        true => Permit::Never,
        false => Permit::Now,
    };
    let asked: Vec<Contact> = std::iter::from_fn(|| lookup.ask_next(permit)).collect();
    assert_eq!(asked, [2, 3].map(of_subnet));
}

#[test]
fn rule_08_a_slow_node_steps_aside_until_it_answers() {
    let mut lookup = lookup(2, 1, &[1, 2, 3]);
    assert_eq!(ask(&mut lookup), [1, 2]);
    lookup.slow(at_distance(1));
    assert_eq!(ask(&mut lookup), [3], "the next comes into view");
    answer(&mut lookup, 2, &[]);
    assert!(!lookup.is_over());
    answer(&mut lookup, 1, &[]);
    assert!(
        lookup.is_over(),
        "1 and 2 are the two closest, and have answered"
    );
    assert_eq!(lookup.closest()[..], [at_distance(1), at_distance(2)]);
}

#[test]
fn rule_08_it_ends_when_the_k_closest_have_answered_and_not_before() {
    let mut lookup = lookup(2, 1, &[4, 5, 6]);
    assert_eq!(ask(&mut lookup), [4, 5]);
    answer(&mut lookup, 4, &[3]);
    answer(&mut lookup, 5, &[]);
    assert!(!lookup.is_over(), "3 has been heard of");
    assert_eq!(ask(&mut lookup), [3]);
    lookup.failed(at_distance(3));
    assert!(lookup.is_over());
    assert_eq!(lookup.closest()[..], [at_distance(4), at_distance(5)]);
    let outcome = lookup.outcome(Instant::ZERO);
    assert_eq!((outcome.asked, outcome.answered, outcome.hops), (3, 2, 1));
}

#[test]
fn rule_17_while_fewer_than_k_have_answered_it_waits_for_the_slow() {
    let mut lookup = lookup(20, 1, &[1, 2]);
    ask(&mut lookup);
    answer(&mut lookup, 1, &[]);
    lookup.slow(at_distance(2));
    assert!(!lookup.is_over());
    lookup.failed(at_distance(2));
    assert!(lookup.is_over());
}

#[test]
fn no_node_is_asked_twice_and_a_second_answer_changes_nothing() {
    let mut lookup = lookup(20, 1, &[1]);
    assert_eq!(ask(&mut lookup), [1]);
    answer(&mut lookup, 1, &[1, 2, 255]);
    answer(&mut lookup, 1, &[3]);
    assert_eq!(ask(&mut lookup), [2], "nor are we");
    answer(&mut lookup, 2, &[1, 2]);
    assert_eq!(ask(&mut lookup), [0; 0]);
    assert!(lookup.is_over());
}

#[test]
fn an_id_is_taken_at_two_addresses_at_most_and_the_true_one_can_still_answer() {
    let mut lookup = lookup(20, 1, &[9]);
    ask(&mut lookup);
    let elsewhere = |n| Contact {
        address: address_of(n),
        ..at_distance(1)
    };
    let contacts = [
        elsewhere(100),
        at_distance(1),
        elsewhere(101),
        elsewhere(102),
    ];
    let lies = Answer {
        contacts: &contacts,
        token: 0,
        has_value: false,
    };
    lookup.answered(at_distance(9), lies);
    assert_eq!(ask(&mut lookup), [1, 1]);
    lookup.failed(elsewhere(100));
    answer(&mut lookup, 1, &[]);
    assert!(lookup.is_over());
    assert_eq!(lookup.closest()[0], at_distance(1));
}

#[test]
fn a_contact_that_may_never_be_asked_has_failed_and_one_that_may_later_is_waited_for() {
    let mut lookup = lookup(20, 1, &[1, 2, 3]);
    let permit = |c: Contact| match c.id.0.0[0] {
        1 => Permit::Never,
        2 => Permit::Later,
        _ => Permit::Now,
    };
    assert_eq!(lookup.ask_next(permit), Some(at_distance(3)));
    assert_eq!(lookup.ask_next(permit), None);
    answer(&mut lookup, 3, &[]);
    assert!(!lookup.is_over());
    assert_eq!(ask(&mut lookup), [2]);
}

#[test]
fn rule_16_a_liar_that_names_ever_closer_nodes_cannot_keep_a_lookup_going() {
    let mut rng = Rng::from_number(1);
    let mut lookup = lookup(20, 1, &[200]);
    let mut turns = 0;
    while let Some(contact) = lookup.ask_next(|_| Permit::Now) {
        let named: Vec<Contact> = (0..20)
            .map(|_| {
                let closer = contact
                    .id
                    .0
                    .distance(&Id::default())
                    .shared_prefix()
                    .min(150);
                let id = (0..=closer).fold(rng.id(), |id, bit| id.with_bit(bit, false));
                Contact {
                    id: NodeId(id),
                    address: address_of(rng.below(9_999) as usize),
                }
            })
            .collect();
        let lies = Answer {
            contacts: &named,
            token: 0,
            has_value: false,
        };
        lookup.answered(contact, lies);
        turns += 1;
    }
    assert!(turns <= LOOKUP_ASKED_MAX);
    assert!(lookup.is_over());
}

#[test]
fn disjoint_paths_never_ask_a_node_twice_and_a_liar_spoils_its_own_only() {
    let mut lookup = lookup(2, 2, &[10, 11]);
    assert_eq!(ask(&mut lookup), [10, 11]);
    // 10 lies: it names its dead friends, closer than all others.
    answer(&mut lookup, 10, &[1, 2]);
    answer(&mut lookup, 11, &[2, 5]);
    let mut asked = ask(&mut lookup);
    asked.sort_unstable();
    assert_eq!(
        asked,
        [1, 2, 5],
        "2 is asked once, on the path that heard of it first"
    );
    lookup.failed(at_distance(1));
    lookup.failed(at_distance(2));
    answer(&mut lookup, 5, &[]);
    assert!(lookup.is_over());
    assert_eq!(lookup.closest()[..], [at_distance(5), at_distance(10)]);
}

#[test]
fn rule_16_two_of_a_subnet_are_in_view_and_the_next_when_they_fail() {
    let own = at_distance(255).id;
    let what = (Id::default(), Purpose::FindNode);
    let mut lookup = Lookup::<u64>::new(Instant::ZERO, own, what, (4, 4, 1));
    let global = |distance: u8, subnet: u8| Contact {
        address: ([192, 0, subnet, distance], 4160).into(),
        ..at_distance(distance)
    };
    let sybils = [1, 2, 3, 4, 5].map(|distance| global(distance, 2));
    let honest = [global(6, 3), global(7, 4)];
    lookup.seed(&sybils);
    lookup.seed(&honest);
    assert_eq!(ask(&mut lookup), [1, 2, 6, 7]);
    lookup.failed(sybils[0]);
    assert_eq!(ask(&mut lookup), [3]);
    let answer = Answer {
        contacts: &[],
        token: 0,
        has_value: false,
    };
    for contact in [sybils[1], sybils[2], honest[0], honest[1]] {
        lookup.answered(contact, answer);
    }
    assert!(lookup.is_over());
    assert_eq!(
        lookup.closest()[..],
        [sybils[1], sybils[2], honest[0], honest[1]]
    );
}

#[test]
fn rule_11_a_refresh_ends_with_the_closest_few() {
    let mut lookup = lookup(20, 1, &[1, 2, 3, 4, 5, 6, 7, 8]);
    lookup.narrow(3);
    assert_eq!(ask(&mut lookup), [1, 2, 3]);
    (2..=3).for_each(|from| answer(&mut lookup, from, &[9]));
    assert!(!lookup.is_over());
    lookup.failed(at_distance(1));
    assert_eq!(ask(&mut lookup), [4], "another comes into view for it");
    answer(&mut lookup, 4, &[]);
    assert!(lookup.is_over());
}

#[test]
fn rule_12_a_lookup_with_presumed_answers_asks_only_the_others() {
    let mut lookup = lookup(8, 1, &[1, 2, 3]);
    (4..=8).for_each(|known| lookup.presume(at_distance(known)));
    assert_eq!(ask(&mut lookup), [1, 2, 3]);
    answer(&mut lookup, 2, &[6, 30]);
    answer(&mut lookup, 3, &[5, 31]);
    assert!(ask(&mut lookup).is_empty());
    answer(&mut lookup, 1, &[9, 7]);
    assert!(ask(&mut lookup).is_empty() && lookup.is_over());
    assert_eq!(lookup.asked, 3);
}
