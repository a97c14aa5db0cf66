//! One lookup by rules 8, 16 and 17, step by step.

use super::alone::{Alone, peer};
use super::*;
use crate::dht::addresses::Permit;
use crate::dht::lookup::Answer;
use crate::limits::{LOOKUP_ASKED_MAX, REFRESH_VIEW};
use crate::wire::native::datagram::Body;

/// A contact at this distance from the target, which is 0.
fn at_distance(distance: u8) -> Contact {
    let mut id = Id::default();
    id.0[0] = distance;
    Contact {
        id: NodeId(id),
        address: address_of(distance.into()),
    }
}

fn lookup(k: usize, paths: usize, seeds: &[u8]) -> Lookup {
    let own = at_distance(255).id;
    let what = (Id::default(), Purpose::FindNode);
    let mut lookup = Lookup::new(Instant::ZERO, own, what, (k, 3, paths));
    lookup.seed(&seeds.iter().map(|&d| at_distance(d)).collect::<Vec<_>>());
    lookup
}

/// Asks all that may be asked now: their distances.
fn ask(lookup: &mut Lookup) -> Vec<u8> {
    let asked = std::iter::from_fn(|| lookup.ask_next(|_| Permit::Now));
    asked.map(|contact| contact.id.0.0[0]).collect()
}

fn answer(lookup: &mut Lookup, from: u8, named: &[u8]) {
    let contacts: Vec<Contact> = named.iter().map(|&d| at_distance(d)).collect();
    let answer = Answer {
        contacts: &contacts,
        token: Default::default(),
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
fn rule_08_a_round_that_brings_nobody_closer_asks_all_of_the_k_closest() {
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
fn rule_08_a_round_of_silence_asks_all_of_the_k_closest_as_well_if_somebody_waits() {
    let seeds: Vec<u8> = (1..=12).collect();
    let mut awaited = lookup(6, 1, &seeds);
    assert_eq!(ask(&mut awaited), [1, 2, 3]);
    awaited.slow(at_distance(1));
    answer(&mut awaited, 2, &[]);
    assert_eq!(ask(&mut awaited), [4, 5]);
    awaited.slow(at_distance(3));
    assert_eq!(ask(&mut awaited), [6, 7, 8]);

    let what = (Id::default(), Purpose::Announce);
    let mut other = Lookup::new(Instant::ZERO, at_distance(255).id, what, (6, 3, 1));
    other.seed(&seeds.iter().map(|&d| at_distance(d)).collect::<Vec<_>>());
    assert_eq!(ask(&mut other), [1, 2, 3]);
    (1..=3).for_each(|distance| other.slow(at_distance(distance)));
    assert_eq!(ask(&mut other), [4, 5, 6], "α at once: nobody waits");
}

/// Else nobody is asked, nobody can answer, and the lookup stands still until something else happens.
#[test]
fn rule_16_the_next_of_a_subnet_is_asked_at_once_when_one_before_it_may_never_be() {
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
    assert_eq!((lookup.asked, lookup.answered, lookup.hops()), (3, 2, 1));
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
fn nobody_is_asked_twice_and_a_second_answer_changes_nothing() {
    let mut lookup = lookup(20, 1, &[1]);
    assert_eq!(ask(&mut lookup), [1]);
    answer(&mut lookup, 1, &[1, 2, 255]);
    answer(&mut lookup, 1, &[3]);
    assert_eq!(ask(&mut lookup), [2], "nor we ourselves");
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
        token: Default::default(),
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
fn what_may_never_be_asked_has_failed_and_what_may_later_is_waited_for() {
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
            token: Default::default(),
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
    // 10 lies: it names its dead friends, closer than anybody.
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
fn rule_02_lookups_and_tables_take_the_parameters_that_they_are_given() {
    // In flight are α at most, and no more than the k in view.
    for (alpha, in_flight) in [(1, 1), (2, 2), (5, 2)] {
        let mut alone = alone::Alone::with(Params {
            alpha,
            ..small(160)
        });
        let now = alone.now;
        for number in 1..40 {
            alone.kad.table.answered(now, alone::peer(number));
        }
        assert!(alone.kad.table().len() < 39, "buckets of two");
        alone.kad.find_node(now, alone::file(1).0);
        assert_eq!(alone.sent().len(), in_flight, "alpha {alpha}");
    }
}

#[test]
fn rule_11_periods_are_jittered_by_an_eighth_to_both_sides() {
    let mut rng = Rng::from_number(1);
    let period = secs(3_600);
    let drawn: Vec<Duration> = (0..200).map(|_| jittered(period, &mut rng)).collect();
    let within = |d: &Duration| (secs(3_150)..=secs(4_050)).contains(d);
    assert!(drawn.iter().all(within));
    assert!(drawn.iter().any(|d| *d < secs(3_300)) && drawn.iter().any(|d| *d > secs(3_900)));
}

#[test]
fn rule_16_two_of_a_subnet_are_in_view_and_the_next_when_they_fail() {
    let own = at_distance(255).id;
    let what = (Id::default(), Purpose::FindNode);
    let mut lookup = Lookup::new(Instant::ZERO, own, what, (4, 4, 1));
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
        token: Default::default(),
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
fn rule_11_a_refresh_is_content_with_the_closest_few() {
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

/// How often each target was asked for in hours of a node with twenty contacts, its own id aside; and
/// the seconds in which somebody was asked for its own.
fn hours_among_twenty() -> (BTreeMap<Id, usize>, Vec<u64>) {
    let mut alone = Alone::new();
    (1..=20).for_each(|number| alone.befriend(peer(number)));
    let own = alone.kad.id().0;
    alone.kad.bootstrap(alone.now, peer(1).address);
    let (mut others, mut ours) = (BTreeMap::new(), Vec::new());
    for (second, _, body) in alone.live(20, 20_000, |_, _| true) {
        match body {
            Body::FindNode { target, .. } if target == own => ours.push(second),
            Body::FindNode { target, .. } => *others.entry(target).or_default() += 1,
            _ => {}
        }
    }
    (others, ours)
}

#[test]
fn rule_11_a_refresh_asks_a_few_where_a_lookup_would_ask_twenty() {
    let (asked, _) = hours_among_twenty();
    assert!(!asked.is_empty(), "hours have passed");
    assert!(
        asked.values().all(|&count| count <= 2 * REFRESH_VIEW),
        "{asked:?}"
    );
}

#[test]
fn rule_12_from_the_third_on_a_lookup_of_our_own_id_asks_a_few() {
    let (_, asked) = hours_among_twenty();
    let lookups: Vec<usize> = asked
        .chunk_by(|one, next| one == next)
        .map(<[u64]>::len)
        .collect();
    // The closest α, and the farthest α; the others get a ping.
    assert_eq!(lookups, [20, 20, 6, 6, 6]);
}

#[test]
fn rule_12_who_settles_asks_only_the_closest_and_those_it_does_not_know() {
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
