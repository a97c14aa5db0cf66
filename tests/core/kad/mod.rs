//! Whole networks of Kademlia nodes, on the public contract of `Kad` alone.
//!
//! Begin with `world`, the virtual network that all of them run in. The tests that print tables run
//! in small worlds by default; the whole tables take minutes and an optimised build:
//! `SPRAT_WORLDS=full cargo test --release --test core kad:: -- --nocapture --test-threads 1`

mod attackers;
mod exhaustive;
mod liars;
mod network;
mod scale;
mod world;

/// Whether worlds of full size are wanted.
fn is_full() -> bool {
    std::env::var("SPRAT_WORLDS").is_ok_and(|worlds| worlds == "full")
}
