//! Wrong command lines and hopeless calls: each has its own message and exit code.

use crate::support::{Scratch, Sprat, run, text};
use rustix::process::Signal;
use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::process::{Command, Stdio};

const NOBODY: &str = "0123456789abcdef0123456789abcdef01234567";

#[test]
fn a_wrong_command_line_ends_with_2_and_says_what_is_wrong() {
    let scratch = Scratch::new();
    let place = scratch.place("home");
    let cases: &[(&[&str], &str)] = &[
        (&[], "sprat: no command (see sprat help)"),
        (&["fly"], "sprat: no such command: fly (see sprat help)"),
        (&["share"], "sprat: no PATH given (see sprat help share)"),
        (&["get"], "sprat: no LINK given (see sprat help get)"),
        (
            &["get", NOBODY, NOBODY],
            "sprat: get takes only one LINK (see sprat help get)",
        ),
        (
            &["node", "x"],
            "sprat: node takes no operand: x (see sprat help node)",
        ),
        (
            &["ls", "x"],
            "sprat: ls takes no operand: x (see sprat help ls)",
        ),
        (
            &["status", "x"],
            "sprat: status takes no operand: x (see sprat help status)",
        ),
        (&["add"], "sprat: no PATH|LINK given (see sprat help add)"),
        (
            &["add", "file", "-o", "x"],
            "sprat: --output is for a LINK, and this is a PATH: file (see sprat help add)",
        ),
        (&["add", "magnet:?dn=x"], "sprat: malformed link: "),
        (&["peers"], "sprat: no ID given (see sprat help peers)"),
        (
            &["find", NOBODY, NOBODY],
            "sprat: find takes only one ID (see sprat help find)",
        ),
        (&["ping"], "sprat: no HOST:PORT given (see sprat help ping)"),
        (&["ping", "pi"], "no port: pi (HOST:PORT)"),
        (
            &["dht", "x"],
            "sprat: dht takes no operand: x (see sprat help dht)",
        ),
        (
            &["node", "--share-dir="],
            "sprat: option --share-dir: the path is empty (see sprat help node)",
        ),
        (&["rm"], "sprat: no ID given (see sprat help rm)"),
        (
            &["status", "-l", ":0"],
            "sprat: no such option: -l (see sprat help status)",
        ),
        (
            &["help", "fly"],
            "sprat: no such command: fly (see sprat help)",
        ),
        (
            &["get", "--fast", NOBODY],
            "sprat: no such option: --fast (see sprat help get)",
        ),
        (
            &["get", NOBODY, "-o"],
            "sprat: option -o needs a value (see sprat help get)",
        ),
        (
            &["get", NOBODY, "-l", "127.0.0.1:65536"],
            "port out of range: 65536 (0 to 65535)",
        ),
        (&["get", NOBODY, "-l", "here:1"], "not an address: here"),
        (&["get", NOBODY, "-l", "[::1"], "wrong brackets: [::1"),
        (
            &["get", NOBODY, "-b", "127.0.0.1"],
            "no port: 127.0.0.1 (HOST:PORT)",
        ),
        (
            &["get", NOBODY, "-b", "127.0.0.1:0"],
            "port out of range: 127.0.0.1:0 (1 to 65535)",
        ),
        (
            &["get", "0123"],
            "sprat: not a link: 0123 (a magnet URI, 40 hexadecimal digits",
        ),
        (&["get", "magnet:?dn=x"], "sprat: malformed link: "),
        (
            &["get", "magnet:?xt=urn:btih:0123"],
            "sprat: malformed link: ",
        ),
    ];
    for (words, message) in cases {
        let ended = run(&place, words);
        ended.assert(2, message);
        assert_eq!(ended.err.len(), 1, "one line is enough: {ended:?}");
        assert!(
            ended.out.is_empty(),
            "standard output is for results: {ended:?}"
        );
    }
}

#[test]
fn help_and_version_are_results() {
    let scratch = Scratch::new();
    let place = scratch.place("home");
    for words in [
        vec!["help"],
        vec!["--help"],
        vec!["help", "get"],
        vec!["share", "--help"],
    ] {
        let ended = run(&place, &words);
        assert_eq!(ended.code, Some(0));
        assert!(
            ended.out.iter().any(|line| line.contains("usage:")),
            "{ended:?}"
        );
    }
    let version = run(&place, &["--version"]);
    assert_eq!(
        version.out,
        [format!("sprat {}", env!("CARGO_PKG_VERSION"))]
    );
    run(&place, &["--version", "x"]).assert(2, "--version takes no operand: x");
}

#[test]
fn a_path_that_cannot_be_read_or_written_ends_with_1() {
    let scratch = Scratch::new();
    let place = scratch.place("home");
    let here = ["-l", "127.0.0.1:0"];
    let call = |words: &[&str]| run(&place, &[words, &here].concat());

    call(&["share", "missing.bin"]).assert(1, "missing.bin");
    call(&["get", NOBODY, "-o", "missing/name"])
        .assert(1, "no such folder: missing (make it first)");
    fs::write(place.join("not.torrent"), "hello").unwrap();
    call(&["get", "not.torrent"]).assert(1, "cannot read not.torrent: not a .torrent file");
    let words = ["get", NOBODY, "-b", "no-such-host.invalid:4160"];
    call(&words).assert(
        1,
        "cannot resolve the bootstrap node no-such-host.invalid:4160",
    );
    run(&place, &["demo", "missing.bin"]).assert(1, "cannot read missing.bin");
}

#[test]
fn a_port_in_use_is_named_with_what_to_do() {
    let scratch = Scratch::new();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = tcp.local_addr().unwrap().to_string();
    let ended = run(&scratch.place("home"), &["node", "-l", &address]);
    ended.assert(
        1,
        &format!("sprat: cannot listen on {address}: address in use (another sprat? try -l :0)"),
    );
}

#[test]
fn a_fetch_takes_a_free_port_when_the_usual_one_is_in_use() {
    // It is in use, by this test or by another process of the machine.
    let _held = UdpSocket::bind("0.0.0.0:4160");
    let scratch = Scratch::new();
    let mut get = Sprat::start(&scratch.place("home"), &["get", NOBODY]);
    let address = get.address();
    assert!(!address.ends_with(":4160"), "{address}");
}

#[test]
fn a_state_folder_has_one_user() {
    let scratch = Scratch::new();
    let (one, two) = (scratch.place("one"), scratch.place("two"));
    let state = scratch.place("state");
    let mut first = Sprat::start(&one, &["node", "-l", "127.0.0.1:0", "-d", text(&state)]);
    first.address();
    let second = run(&two, &["node", "-l", "127.0.0.1:0", "-d", text(&state)]);
    second.assert(1, text(&state));
    second.assert(1, &format!("another sprat (pid {})", first.id()));

    // The usual folder is a service's alone as well: it would forget what it is given.
    let mut third = Sprat::node(&two, "127.0.0.1:0", None);
    third.address();
    let fourth = run(&two, &["node", "-l", "127.0.0.1:0"]);
    fourth.assert(1, &format!("another sprat (pid {})", third.id()));
    // A share in the foreground does not fail because the lock is taken.
    let file = scratch.file("file.bin", 1000);
    let mut fifth = Sprat::start(&two, &["share", "-l", "127.0.0.1:0", text(&file)]);
    fifth.link(1);
}

#[test]
fn an_id_that_nobody_has_is_given_up_in_bounded_time() {
    let scratch = Scratch::new();
    let mut node = Sprat::node(&scratch.place("node"), "127.0.0.1:0", None);
    let bootstrap = node.address();
    let words = ["get", NOBODY, "-l", "127.0.0.1:0", "-b", &bootstrap];
    let ended = run(&scratch.place("get"), &words);
    ended.assert(
        1,
        &format!("sprat: nobody in the network has {NOBODY} (asked 1 node; "),
    );
}

#[test]
fn without_a_node_to_ask_a_fetch_says_so() {
    let scratch = Scratch::new();
    let ended = run(&scratch.place("get"), &["get", NOBODY, "-l", "127.0.0.1:0"]);
    ended.assert(
        1,
        &format!("sprat: no node to ask for {NOBODY} (name one with -b HOST:PORT"),
    );
}

#[test]
fn a_bootstrap_node_that_does_not_answer_is_tried_again() {
    // Bound, so that nobody else answers there; never read.
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let scratch = Scratch::new();
    let words = ["get", NOBODY, "-l", "127.0.0.1:0", "-b", &address];
    let mut get = Sprat::start(&scratch.place("get"), &words);
    let line = get.news("no answer");
    assert!(
        line.contains(&address) && line.ends_with("still trying"),
        "{line}"
    );
    get.signal(Signal::INT);
    get.end().assert(
        130,
        "interrupted (the same command resumes where this one stopped)",
    );
}

#[test]
fn a_node_ends_with_0_at_a_signal() {
    let scratch = Scratch::new();
    for signal in [Signal::TERM, Signal::INT] {
        let mut node = Sprat::node(&scratch.place("node"), "127.0.0.1:0", None);
        node.address();
        node.signal(signal);
        let ended = node.end();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.out.is_empty(), "{ended:?}");
    }
}

#[test]
fn a_closed_pipe_on_standard_output_is_no_failure() {
    let mut help = Command::new(env!("CARGO_BIN_EXE_sprat"))
        .arg("help")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The reading end is gone before, or after, it has written.
    drop(help.stdout.take());
    let ended = help.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0));
    assert_eq!(String::from_utf8(ended.stderr).unwrap(), "");
}
