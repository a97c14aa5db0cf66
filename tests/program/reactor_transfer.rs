//! Two reactors on loopback, turned by one thread: files go from one's disk to the other's.

use sprat::dht;
use sprat::id::{FileId, NodeId};
use sprat::node::{DiskError, Event, Failure};
use sprat::output::SwarmKey;
use sprat::reactor::{Happening, OutputPath, Reactor, Setup};
use sprat::rng::Rng;
use sprat::wire::Network;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_secs(30);

fn reactor(seed: u64) -> Reactor {
    Reactor::new(Setup {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        network: Network::named("test"),
        id: NodeId(Rng::from_number(seed).id()),
        read_only: false,
    })
    .unwrap()
}

/// Turns the reactors, in turns, until one says something that `want` takes.
fn until<T>(reactors: &mut [&mut Reactor], mut want: impl FnMut(usize, Event) -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    while Instant::now() < deadline {
        for (index, reactor) in reactors.iter_mut().enumerate() {
            let now = reactor.now();
            if let Happening::Event(event) = reactor.next(Some(now)).unwrap() {
                if let Some(found) = want(index, event) {
                    return found;
                }
            }
        }
    }
    let progress = reactors.iter().map(|reactor| reactor.counters());
    panic!(
        "nothing happened within {DEADLINE:?}: {:?}",
        progress.collect::<Vec<_>>()
    );
}

fn share(reactor: &mut Reactor, path: &Path) -> FileId {
    let swarm = reactor.share(path).unwrap();
    until(&mut [&mut *reactor], |_, event| {
        matches!(event, Event::Shared { .. }).then_some(())
    });
    reactor.node().swarms().manifest(swarm).unwrap().file_id()
}

/// How the fetch of a swarm ended.
fn ended(event: Event, swarm: SwarmKey) -> Option<Result<bool, Failure>> {
    match event {
        Event::Complete { swarm: of, already } if of == swarm => Some(Ok(already)),
        Event::Failed { swarm: of, cause } if of == swarm => Some(Err(cause)),
        _ => None,
    }
}

fn fetch(
    from: &mut Reactor,
    to: &mut Reactor,
    file: FileId,
    output: &OutputPath,
) -> Result<bool, Failure> {
    let providers: Vec<SocketAddr> = from.listening().to_vec();
    let swarm = to.fetch(file, None, &providers, output).unwrap();
    until(&mut [from, to], |index, event| {
        (index == 1).then(|| ended(event, swarm)).flatten()
    })
}

fn bytes(size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    Rng::from_number(size as u64).fill(&mut bytes);
    bytes
}

#[test]
fn a_file_is_fetched_whole_and_a_repeated_fetch_finds_it() {
    let base = tempfile::tempdir().unwrap();
    for size in [0, 1, 64 * 1024, 64 * 1024 + 1, 5_000_000] {
        let source = base.path().join(format!("file-{size}"));
        fs::write(&source, bytes(size)).unwrap();
        let (mut from, mut to) = (reactor(1), reactor(2));
        let file = share(&mut from, &source);
        let output = OutputPath::Named(base.path().join(format!("copy-{size}")));
        assert_eq!(
            fetch(&mut from, &mut to, file, &output),
            Ok(false),
            "{size} bytes"
        );
        let copy = base.path().join(format!("copy-{size}"));
        assert!(fs::read(&copy).unwrap() == bytes(size), "{size} bytes");
        if size > 0 {
            assert!(from.counters().file_sends > 0 && to.counters().writes > 0);
        }
        to.stop();
        let mut again = reactor(3);
        assert_eq!(
            fetch(&mut from, &mut again, file, &output),
            Ok(true),
            "{size} bytes"
        );
        from.stop();
        again.stop();
    }
}

#[test]
fn an_interrupted_fetch_goes_on_where_it_stopped() {
    let base = tempfile::tempdir().unwrap();
    let source = base.path().join("source");
    let size = 20_000_000;
    fs::write(&source, bytes(size)).unwrap();
    let (mut from, mut to) = (reactor(1), reactor(2));
    let file = share(&mut from, &source);
    let copy = base.path().join("copy");
    let output = OutputPath::Named(copy.clone());
    let providers = from.listening().to_vec();
    let swarm = to.fetch(file, None, &providers, &output).unwrap();
    let deadline = Instant::now() + DEADLINE;
    while to.counters().writes < 20 {
        assert!(Instant::now() < deadline, "{:?}", to.counters());
        for reactor in [&mut from, &mut to] {
            reactor.next(Some(reactor.now())).unwrap();
        }
    }
    assert!(to.node().swarms().progress(swarm).unwrap().done < size as u64);
    to.stop();
    assert!(!copy.exists() && base.path().join("copy.part").exists());
    let mut again = reactor(3);
    let swarm = again.fetch(file, None, &providers, &output).unwrap();
    let mut held = 0;
    let result = until(&mut [&mut from, &mut again], |index, event| match event {
        Event::Resumed { held: right, .. } if index == 1 => {
            held = right;
            None
        }
        event => (index == 1).then(|| ended(event, swarm)).flatten(),
    });
    assert_eq!(result, Ok(false));
    assert!(held > 0);
    assert!(fs::read(&copy).unwrap() == bytes(size));
}

#[test]
fn a_provider_that_nobody_named_is_found_through_other_nodes() {
    let base = tempfile::tempdir().unwrap();
    let source = base.path().join("source");
    fs::write(&source, bytes(200_000)).unwrap();
    let (mut middle, mut from, mut to) = (reactor(1), reactor(2), reactor(3));
    from.bootstrap(middle.listening()[0]);
    until(&mut [&mut middle, &mut from], |index, event| {
        (index == 1 && matches!(event, Event::Dht(dht::Event::Joined { .. }))).then_some(())
    });
    let file = share(&mut from, &source);
    to.bootstrap(middle.listening()[0]);
    let output = OutputPath::Named(base.path().join("copy"));
    let swarm = to.fetch(file, None, &[], &output).unwrap();
    let result = until(&mut [&mut middle, &mut from, &mut to], |index, event| {
        (index == 2).then(|| ended(event, swarm)).flatten()
    });
    assert_eq!(result, Ok(false));
    assert!(fs::read(base.path().join("copy")).unwrap() == bytes(200_000));
}

#[test]
fn a_tree_arrives_identical() {
    let base = tempfile::tempdir().unwrap();
    let files = [
        ("a/empty", 0),
        ("a/one", 1),
        ("b/c/spans", 300_000),
        ("z", 77),
        ("ümlaut ☃", 64 * 1024),
    ];
    for (path, size) in files {
        let path = base.path().join("tree").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes(size)).unwrap();
    }
    let (mut from, mut to) = (reactor(1), reactor(2));
    let file = share(&mut from, &base.path().join("tree"));
    let output = base.path().join("out");
    fs::create_dir(&output).unwrap();
    assert_eq!(
        fetch(&mut from, &mut to, file, &OutputPath::In(output.clone())),
        Ok(false)
    );
    for (path, size) in files {
        assert!(
            fs::read(output.join("tree").join(path)).unwrap() == bytes(size),
            "{path}"
        );
    }
}

#[test]
fn a_file_cut_short_while_it_is_shared_is_not_served() {
    let base = tempfile::tempdir().unwrap();
    let source = base.path().join("source");
    fs::write(&source, bytes(1_000_000)).unwrap();
    let (mut from, mut to) = (reactor(1), reactor(2));
    let file = share(&mut from, &source);
    fs::File::options()
        .write(true)
        .open(&source)
        .unwrap()
        .set_len(10)
        .unwrap();
    let output = OutputPath::Named(base.path().join("copy"));
    let providers = from.listening().to_vec();
    to.fetch(file, None, &providers, &output).unwrap();
    until(&mut [&mut from, &mut to], |index, event| {
        (index == 0 && matches!(event, Event::Changed { .. })).then_some(())
    });
    assert!(!base.path().join("copy").exists());
}

#[test]
fn another_file_under_the_final_name_fails_the_fetch_in_words() {
    let base = tempfile::tempdir().unwrap();
    let source = base.path().join("source");
    fs::write(&source, bytes(100_000)).unwrap();
    let copy = base.path().join("copy");
    fs::write(&copy, "mine").unwrap();
    let (mut from, mut to) = (reactor(1), reactor(2));
    let file = share(&mut from, &source);
    let swarm = to
        .fetch(
            file,
            None,
            from.listening(),
            &OutputPath::Named(copy.clone()),
        )
        .unwrap();
    let cause = until(&mut [&mut from, &mut to], |_, event| ended(event, swarm));
    assert_eq!(cause, Err(Failure::Disk(DiskError::Exists)));
    assert!(
        to.disk_message(swarm)
            .unwrap()
            .ends_with("another file has that name")
    );
    assert_eq!(fs::read(&copy).unwrap(), b"mine");
}

#[test]
fn an_idle_reactor_sleeps_until_its_deadline() {
    let mut idle = reactor(1);
    // The rest of the work of the start.
    let begun = Instant::now();
    let deadline = idle.now() + Duration::from_millis(300);
    while idle.next(Some(deadline)).unwrap() != Happening::Deadline {}
    assert!(begun.elapsed() >= Duration::from_millis(300));
    assert!(idle.counters().turns < 20, "{:?}", idle.counters());
}
