//! Properties of every fleet, for any uplinks, while hosts join and leave.

use super::hosts::{Fleet, MBIT, Plan};
use sprat::rng::Rng;
use sprat::sim::Death;
use std::time::Duration;

/// Longer than any fleet here takes.
const LONG: Duration = Duration::from_secs(300);

fn check_all_have_the_file(fleet: &Fleet) {
    for host in fleet.world.running() {
        assert!(fleet.has_file(host), "host {host} lacks the file");
    }
}

#[test]
fn equal_hosts_finish_near_the_bound_and_the_origin_sends_the_file_once() {
    for hosts in [2, 5, 12] {
        let mut fleet = Fleet::new(Plan::equal(hosts, 20 * MBIT, 4 << 20));
        assert!(fleet.run(LONG, |_| ()));
        check_all_have_the_file(&fleet);
        fleet.check_no_byte_came_twice();
        let figures = fleet.figures();
        println!("{hosts} hosts: {figures:?}");
        assert!(figures.ratio < 1.25 && figures.origin_payload < 1.05);
    }
}

#[test]
fn hosts_that_are_capped_finish_like_hosts_with_thin_uplinks_and_keep_their_cap() {
    let cap = 20 * MBIT;
    for hosts in [2, 8] {
        let mut plan = Plan::equal(hosts, 200 * MBIT, 4 << 20);
        plan.cap = Some(cap);
        let mut fleet = Fleet::new(plan);
        let began = fleet.world.now();
        assert!(fleet.run(LONG, |fleet| {
            let allowed = fleet.world.now().since(began).as_secs_f64() * cap as f64;
            for host in 0..fleet.world.len() {
                // A tenth of a second may go at once.
                assert!(fleet.payload(host).1 as f64 <= allowed + (cap / 10) as f64);
            }
        }));
        check_all_have_the_file(&fleet);
        fleet.check_no_byte_came_twice();
        let figures = fleet.figures();
        println!("{hosts} capped hosts: {figures:?}");
        assert!(figures.ratio < 1.25 && figures.origin_payload < 1.05);
    }
}

#[test]
fn any_mix_of_uplinks_finishes_and_no_byte_comes_twice() {
    for seed in 1..=60 {
        let mut rng = Rng::from_number(seed);
        let hosts = 3 + rng.below(10) as usize;
        let mut plan = Plan::equal(hosts, 0, 2 << 20);
        plan.seed = seed;
        plan.delay = Duration::from_millis(1 + rng.below(40));
        plan.apart = Duration::from_millis(rng.below(400));
        for uplink in &mut plan.uplinks {
            *uplink = [4, 10, 20, 40][rng.below(4) as usize] * MBIT;
        }
        let mut fleet = Fleet::new(plan);
        assert!(fleet.run(LONG, |_| ()));
        check_all_have_the_file(&fleet);
        fleet.check_no_byte_came_twice();
    }
}

#[test]
fn everyone_finishes_if_the_origin_dies_once_the_others_have_every_shard_between_them() {
    for (seed, death) in [
        (1, Death::Killed),
        (2, Death::PowerCut),
        (3, Death::Stopped),
    ] {
        let mut plan = Plan::equal(8, 20 * MBIT, 2 << 20);
        plan.seed = seed;
        let mut fleet = Fleet::new(plan);
        let mut looked_at = fleet.started;
        let is_done = fleet.run(LONG, |fleet| {
            let now = fleet.world.now();
            let is_time = now.since(looked_at) >= Duration::from_millis(20);
            if !is_time || fleet.world.node(0).is_none() {
                return;
            }
            looked_at = now;
            if fleet.is_spread(0) {
                assert!(!fleet.is_done(), "nobody needs the origin any more");
                fleet.world.end(0, death);
            }
        });
        assert!(is_done && fleet.world.node(0).is_none());
        check_all_have_the_file(&fleet);
    }
}

#[test]
fn everyone_who_stays_finishes_though_others_join_late_and_leave_midway() {
    for seed in 1..=4 {
        let mut plan = Plan::equal(10, 20 * MBIT, 2 << 20);
        plan.seed = seed;
        plan.apart = Duration::from_millis(150);
        let mut fleet = Fleet::new(plan);
        let is_done = fleet.run(LONG, |fleet| {
            let time = fleet.world.now().since(fleet.started);
            for (host, death) in [
                (2, Death::PowerCut),
                (4, Death::Killed),
                (6, Death::Stopped),
            ] {
                let is_time = time >= Duration::from_millis(200 * host as u64);
                if is_time && host < fleet.world.len() && fleet.world.node(host).is_some() {
                    fleet.world.end(host, death);
                }
            }
        });
        assert!(is_done);
        assert_eq!(fleet.world.running().count(), 7);
        check_all_have_the_file(&fleet);
    }
}
