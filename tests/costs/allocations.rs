//! The data path allocates nothing: while shards move, the heap is left alone, on both sides.
//!
//! Two real nodes in one process, turned by one thread.

use sprat::id::NodeId;
use sprat::node::Event;
use sprat::reactor::{Happening, OutputPath, Reactor, Setup};
use sprat::rng::Rng;
use sprat::wire::Network;
use std::fs;
use std::time::{Duration, Instant};

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

pub fn shards_are_served_and_fetched_without_an_allocation() {
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
    let file = from.node().swarms().manifest(shared).unwrap().file_id();
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
        let done = to.node().swarms().progress(swarm).unwrap().done as usize;
        let allocations = crate::allocations();
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
