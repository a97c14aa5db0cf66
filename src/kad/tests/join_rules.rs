//! Lookups of a node among others: parameters, refreshes, and lookups of its own id (rules 2, 11,
//! 12).

use super::alone::*;
use super::*;
use crate::limits::REFRESH_VIEW;
use crate::wire::native::datagram::Body;

#[test]
fn rule_02_lookups_and_tables_take_the_parameters_that_they_are_given() {
    // In flight are α at most, and no more than the k in view.
    for (alpha, in_flight) in [(1, 1), (2, 2), (5, 2)] {
        let mut alone = Alone::with(Params {
            alpha,
            ..small(160)
        });
        let now = alone.now;
        for number in 1..40 {
            alone.kad.table.answered(now, peer(number));
        }
        assert!(alone.kad.table().len() < 39, "buckets of two");
        alone.kad.find_node(now, file(1).0);
        assert_eq!(alone.sent().len(), in_flight, "alpha {alpha}");
    }
}

/// The requests of a node with twenty contacts in some hours: how many for each id but its own, and
/// the seconds of those for its own.
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
