//! Fleets in the simulator: whether everybody gets the file, and how near the bound that is.
//!
//! ```text
//! cargo test --test sim fleet                                                  the properties, on small fleets
//! SPRAT_TABLES=1 cargo test --release --test sim fleet::tables -- --nocapture   fleets of 2 to 500, minutes
//! ```

mod hosts;
mod plot;
mod properties;
mod scenarios;
mod tables;
