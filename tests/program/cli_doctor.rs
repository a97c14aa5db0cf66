//! `sprat doctor`, as people and scripts call it.

use crate::support::{Ended, Scratch, Sprat, run, text};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// The findings about a topic, each as its line of JSON.
fn about<'a>(ended: &'a Ended, topic: &str) -> Vec<&'a str> {
    let start = format!("{{\"version\":1,\"kind\":\"finding\",\"topic\":\"{topic}\",");
    let lines = ended.out.iter().map(String::as_str);
    lines.filter(|line| line.starts_with(&start)).collect()
}

#[track_caller]
fn assert_said(ended: &Ended, topic: &str, grade: &str, what: &str) {
    let grade = format!("\"grade\":\"{grade}\"");
    let found = about(ended, topic);
    let is_it = |line: &&str| line.contains(&grade) && line.contains(what);
    assert!(found.iter().any(is_it), "{topic}: {found:?}");
}

/// The names in a folder.
fn names(folder: &Path) -> BTreeSet<OsString> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name()).collect()
}

#[test]
fn beside_a_running_node_it_says_which_process_listens_and_how_the_node_sees_this_machine() {
    let scratch = Scratch::new();
    let place = scratch.place("node");
    let state = scratch.place("state");
    fs::set_permissions(&state, fs::Permissions::from_mode(0o700)).unwrap();
    let words = ["node", "-l", "127.0.0.1:0", "-d", text(&state)];
    let mut node = Sprat::start(&place, &words);
    let address = node.address();
    let before = names(&state);
    let words = [
        "doctor",
        "-l",
        &address,
        "-b",
        &address,
        "-d",
        text(&state),
        "--json",
    ];
    let ended = run(&place, &words);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_said(&ended, "ports", "ok", "a running sprat (pid ");
    assert_said(
        &ended,
        "bootstrap",
        "ok",
        &format!("{address} answers within "),
    );
    assert_said(&ended, "address", "ok", "other nodes see 127.0.0.1");
    assert_said(&ended, "state", "ok", ") uses it");
    assert_said(&ended, "disk", "ok", "\"free_bytes\":");
    for topic in ["firewall", "multicast"] {
        assert!(!about(&ended, topic).is_empty(), "{topic}: {ended:?}");
    }
    assert!(
        ended
            .out
            .last()
            .unwrap()
            .starts_with("{\"version\":1,\"kind\":\"diagnosis\",")
    );
    assert_eq!(names(&state), before, "it leaves nothing behind");
    assert_eq!(node.stop().code, Some(0));
}

#[test]
fn problems_are_named_with_what_to_do_and_end_with_1() {
    let scratch = Scratch::new();
    let place = scratch.place("home");
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let taken = stranger.local_addr().unwrap().to_string();
    let state = scratch.place("state");
    fs::set_permissions(&state, fs::Permissions::from_mode(0o755)).unwrap();
    // The magic, version 2, four bytes of something.
    let mut newer = b"sprat-id\x02abcd".to_vec();
    newer.extend(crc32fast::hash(&newer).to_be_bytes());
    fs::write(state.join("node-id"), &newer).unwrap();
    let words = [
        "doctor",
        "-q",
        "-l",
        &taken,
        "-b",
        &taken,
        "-d",
        text(&state),
    ];
    let ended = run(&place, &words);
    ended.assert(1, "sprat: 3 problems found (see the advice after each)");
    let starts = |start: &str| ended.out.iter().any(|line| line.starts_with(start));
    assert!(starts("problem  ports: port "), "{ended:?}");
    assert!(
        starts(&format!("problem  bootstrap: {taken} does not answer (")),
        "{ended:?}"
    );
    assert!(starts("problem  state: "), "{ended:?}");
    assert!(starts("warning  state: "), "{ended:?}");
    assert!(
        !starts("ok") && !starts("note"),
        "-q tells the rest only: {ended:?}"
    );
    assert_eq!(
        fs::read(state.join("node-id")).unwrap(),
        newer,
        "it changes nothing"
    );
    run(&place, &["doctor", "x"]).assert(2, "doctor takes no operand: x (see sprat help doctor)");
}
