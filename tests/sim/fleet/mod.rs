//! Fleets in the simulator: whether everybody gets the file, and how near the bound that is.
//!
//! `cargo bench --bench fleets` prints the figures of fleets of 2 to 500 hosts.

mod hosts;
mod properties;
mod scenarios;
