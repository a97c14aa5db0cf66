//! How often lookups find what is there, under loss and churn: small forms of the tables that
//! `cargo bench --bench lookups` prints.

use super::trial::{churn_row, loss_row};
use std::time::Duration;

#[test]
fn lookups_succeed_though_every_tenth_datagram_is_lost() {
    assert!(loss_row(1, 64, 10, 600) >= 99.9);
}

#[test]
fn lookups_succeed_though_every_fourth_datagram_is_lost() {
    assert!(loss_row(2, 64, 25, 600) >= 99.0);
}

#[test]
fn lookups_succeed_though_half_of_all_nodes_leave_in_84_seconds() {
    let (success, _) = churn_row(3, 100, Duration::from_secs(84), 120, 600);
    assert!(success >= 95.0);
}
