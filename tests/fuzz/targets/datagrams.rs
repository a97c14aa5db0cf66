//! The fuzz target `datagrams`: its body is in `bodies`.

#![no_main]

#[path = "../bodies/mod.rs"]
mod bodies;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bodies::datagrams::run(bytes));
