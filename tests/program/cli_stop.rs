//! SIGTERM while much is under way: flushed, and gone within two seconds.

use crate::support::{DEADLINE, Scratch, Sprat, assert_same, run, text};
use std::time::{Duration, Instant};

/// How many files are on their way.
const FILES: usize = 20;
/// The node gives itself two seconds; a busy machine may take some more to end a process.
const END_MAX: Duration = Duration::from_secs(4);

fn number(line: &str, key: &str) -> u64 {
    let (_, rest) = line.split_once(&format!("\"{key}\":")).unwrap();
    rest.split([',', '}']).next().unwrap().parse().unwrap()
}

#[test]
fn a_service_with_twenty_transfers_ends_in_time_and_loses_nothing_of_them() {
    let scratch = Scratch::alone();
    let (one, two) = (scratch.place("one"), scratch.place("two"));
    let names: Vec<String> = (0..FILES).map(|index| format!("{index}.bin")).collect();
    let files = names.iter().map(|name| scratch.file(name, 1 << 20));
    let files: Vec<_> = files.collect();
    let start = |place: &std::path::Path, listen: &str, more: &[&str]| {
        let words = [&["node", "-v", "-l", listen][..], more].concat();
        let mut node = Sprat::start(place, &words);
        let address = node.address();
        (node, address)
    };
    let slow = ["--up", "2M", "--limit-lan"];
    let (origin, address) = start(&one, "127.0.0.1:0", &slow);
    let paths: Vec<&str> = files.iter().map(|file| text(file)).collect();
    let added = run(&one, &[&["add"][..], &paths].concat());
    assert_eq!((added.code, added.out.len()), (Some(0), FILES), "{added:?}");
    let (getter, _) = start(&two, "127.0.0.1:0", &[]);
    let links: Vec<&str> = added.out.iter().map(String::as_str).collect();
    let asked = run(&two, &[&["add"][..], &links].concat());
    assert_eq!(asked.code, Some(0), "{asked:?}");
    let list = || run(&two, &["ls", "--json"]).out;
    let until = Instant::now() + DEADLINE;
    let has_all = |lines: &[String]| {
        let fetching = lines
            .iter()
            .filter(|line| line.contains("\"state\":\"fetching\""));
        fetching.filter(|line| number(line, "done") > 0).count() == FILES
    };
    while !has_all(&list()) {
        assert!(
            Instant::now() < until,
            "all of them are on their way: {:#?}",
            list()
        );
    }
    let held: u64 = list().iter().map(|line| number(line, "done")).sum();
    for node in [getter, origin] {
        let begun = Instant::now();
        let ended = node.stop();
        let took = begun.elapsed();
        println!("ended in {took:?}");
        assert_eq!(ended.code, Some(0), "{ended:#?}");
        assert!(took < END_MAX, "{took:?}");
    }

    // Its shards are there at once: the journals prove them.
    let (_origin, _) = start(&one, &address, &slow);
    let (_getter, _) = start(&two, "127.0.0.1:0", &["--down", "4K", "--limit-lan"]);
    let has_started = |lines: &[String]| {
        let fetching = lines
            .iter()
            .filter(|line| line.contains("\"state\":\"fetching\""));
        fetching.count() == FILES
    };
    while !has_started(&list()) {
        assert!(Instant::now() < until, "{:#?}", list());
    }
    let lines = list();
    let now: u64 = lines.iter().map(|line| number(line, "done")).sum();
    assert!(now >= held, "{now} of {held} bytes: {lines:#?}");
    drop(_getter);
    let (_getter, _) = start(&two, "127.0.0.1:0", &[]);
    drop(_origin);
    let (_origin, _) = start(&one, &address, &[]);
    let until = Instant::now() + DEADLINE;
    let is_complete = |line: &&String| line.contains("\"state\":\"complete\"");
    while list().iter().filter(is_complete).count() < FILES {
        assert!(Instant::now() < until, "{:#?}", list());
    }
    let folder = two.join(".local/state/sprat/files");
    for (file, name) in files.iter().zip(&names) {
        assert_same(file, &folder.join(name));
    }
}
