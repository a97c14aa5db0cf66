//! The data path allocates nothing: while shards move, the heap is left alone, on both sides.
//!
//! Two real nodes in one process, turned by one thread, with an allocator that counts. This file is
//! a test binary of its own, with one test, so that nothing else allocates meanwhile.

// An allocator cannot be written without `unsafe`; this one only counts and passes on. The crate
// itself forbids `unsafe`.
#![allow(unsafe_code)]

use sprat::id::NodeId;
use sprat::node::Event;
use sprat::reactor::{Happening, OutputPath, Reactor, Setup};
use sprat::rng::Rng;
use sprat::wire::Network;
use std::alloc::{GlobalAlloc, Layout, System};
use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call goes to the system's allocator with the arguments that it came with.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.realloc(old, layout, size) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        unsafe { System.dealloc(old, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const DEADLINE: Duration = Duration::from_secs(60);
/// 2,048 shards of 16 KiB.
const SIZE: usize = 32 << 20;

fn reactor(seed: u64) -> Reactor {
    Reactor::new(Setup {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        network: Network::named("test"),
        id: NodeId(Rng::from_number(seed).id()),
        read_only: false,
    })
    .unwrap()
}

#[test]
fn shards_are_served_and_fetched_without_an_allocation() {
    let base = tempfile::tempdir().unwrap();
    let source = base.path().join("source");
    let mut bytes = vec![0; SIZE];
    Rng::from_number(1).fill(&mut bytes);
    fs::write(&source, &bytes).unwrap();
    let (mut from, mut to) = (reactor(1), reactor(2));
    let shared = from.share(&source).unwrap();
    while !matches!(
        from.next(None).unwrap(),
        Happening::Event(Event::Shared { .. })
    ) {}
    let file = from.node().manifest(shared).unwrap().file_id();
    let output = OutputPath::Named(base.path().join("copy"));
    let providers = from.listening().to_vec();
    let swarm = to.fetch(file, None, &providers, &output).unwrap();

    let mut counted_from = None;
    let mut counted_to = None;
    let deadline = Instant::now() + DEADLINE;
    loop {
        assert!(Instant::now() < deadline, "the fetch does not end");
        let now = from.now();
        from.next(Some(now)).unwrap();
        let now = to.now();
        let happening = to.next(Some(now)).unwrap();
        let done = to.node().progress(swarm).unwrap().done as usize;
        let allocations = ALLOCATIONS.load(Ordering::Relaxed);
        // The first quarter is warm-up; the end makes the file durable, which opens files anew.
        if counted_from.is_none() && done >= SIZE / 4 {
            counted_from = Some((done, allocations));
        }
        if counted_to.is_none() && done >= SIZE - SIZE / 8 {
            counted_to = Some((done, allocations));
        }
        if matches!(happening, Happening::Event(Event::Complete { .. })) {
            break;
        }
    }
    let ((first, before), (last, after)) = (counted_from.unwrap(), counted_to.unwrap());
    assert!(last - first >= SIZE / 2, "too few shards were counted");
    assert_eq!(
        after - before,
        0,
        "allocations while {} bytes came",
        last - first
    );
    assert!(fs::read(base.path().join("copy")).unwrap() == bytes);
}
