//! Memory and time of a node at its bounds, counted by this binary's allocator.
//!
//! The tests run one after the other on one thread, because an allocation of another test would
//! count as well: this file has its own `main` instead of the test harness. It prints the figures.
//! `cargo test --test costs NAME` runs the tests with NAME in their name.

// An allocator cannot be written without `unsafe`; this one only counts and passes on. The crate
// itself forbids `unsafe`.
#![allow(unsafe_code)]

mod allocations;
mod memory;
mod tables;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Allocations since the start.
static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);
/// Bytes that are allocated now, each block with `BLOCK` more.
static ALIVE: AtomicUsize = AtomicUsize::new(0);
/// Bytes that the system's allocator takes for itself in each block.
const BLOCK: usize = 16;

struct Counting;

// SAFETY: every call goes to the system's allocator with the arguments that it came with.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        ALIVE.fetch_add(layout.size() + BLOCK, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        ALIVE.fetch_add(layout.size() + BLOCK, Ordering::Relaxed);
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        ALIVE.fetch_add(size.wrapping_sub(layout.size()), Ordering::Relaxed);
        unsafe { System.realloc(old, layout, size) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        ALIVE.fetch_sub(layout.size() + BLOCK, Ordering::Relaxed);
        unsafe { System.dealloc(old, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations() -> usize {
    ALLOCATIONS.load(Ordering::Relaxed)
}

fn alive() -> usize {
    ALIVE.load(Ordering::Relaxed)
}

/// The tests of this binary, by name.
const TESTS: [(&str, fn()); 4] = [
    (
        "allocations::shards_are_served_and_fetched_without_an_allocation",
        allocations::shards_are_served_and_fetched_without_an_allocation,
    ),
    (
        "memory::a_loaded_node_takes_no_more_than_the_sum_says",
        memory::a_loaded_node_takes_no_more_than_the_sum_says,
    ),
    (
        "tables::the_tables_of_a_node_take_a_mebibyte_when_they_are_full",
        tables::the_tables_of_a_node_take_a_mebibyte_when_they_are_full,
    ),
    (
        "tables::a_newcomer_beside_a_full_table_of_keys_is_let_in_within_milliseconds",
        tables::a_newcomer_beside_a_full_table_of_keys_is_let_in_within_milliseconds,
    ),
];

/// A test that fails panics, and the process ends with an error.
fn main() {
    // Options of the test harness mean nothing here; those that take a value take it along.
    let mut arguments = std::env::args().skip(1);
    let mut filters = Vec::new();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--test-threads" | "--skip" | "--color" | "--format" | "--logfile" => {
                arguments.next();
            }
            option if option.starts_with('-') => {}
            _ => filters.push(argument),
        }
    }
    let is_wanted =
        |name: &str| filters.is_empty() || filters.iter().any(|part| name.contains(part));
    let mut count = 0;
    for (name, test) in TESTS {
        if is_wanted(name) {
            test();
            println!("test {name} ... ok");
            count += 1;
        }
    }
    println!(
        "\ntest result: ok. {count} passed; {} filtered out",
        TESTS.len() - count
    );
}
