//! The control socket: its answers, its path, and the error without a service.

use crate::support::{Ended, Scratch, Sprat, run, text};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// A node whose home is `home`, and which listens.
fn service(home: &Path) -> Sprat {
    let mut node = Sprat::node(home, "127.0.0.1:0", None);
    node.address();
    node
}

/// The one line that a command prints.
#[track_caller]
fn only(ended: &Ended) -> &str {
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.out.len(), 1, "{ended:?}");
    &ended.out[0]
}

#[test]
fn a_node_shows_its_status_in_text_and_in_json() {
    let scratch = Scratch::new();
    let home = scratch.place("node");
    let mut node = service(&home);
    let address = node.address();
    let socket = home.join(".local/state/sprat/control");
    let mode = socket.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let status = run(&home, &["status"]);
    assert_eq!(status.code, Some(0), "{status:?}");
    assert!(
        status.out.contains(&format!("listening  {address}")),
        "{status:?}"
    );
    let json = run(&home, &["status", "--json"]);
    let json = only(&json);
    assert!(
        json.starts_with("{\"version\":1,\"kind\":\"status\","),
        "{json}"
    );
    assert!(
        json.contains(&format!("\"listening\":[\"{address}\"]")),
        "{json}"
    );
    assert_eq!(run(&home, &["ls"]).out, [""; 0]);

    assert_eq!(node.stop().code, Some(0));
    assert!(
        !socket.exists(),
        "a socket that nobody answers at is removed"
    );
}

#[test]
fn without_a_node_a_client_fails_with_a_hint() {
    let scratch = Scratch::new();
    let home = scratch.place("node");
    let hint = "(start one with sprat node, or name its folder with -d)";
    let ended = run(&home, &["status"]);
    ended.assert(1, "sprat: no service answers at ");
    ended.assert(1, ".local/state/sprat/control: no such file or directory");
    ended.assert(1, hint);
    // A killed node leaves its socket behind.
    let node = service(&home);
    node.signal(rustix::process::Signal::KILL);
    node.end();
    run(&home, &["ls"]).assert(1, &format!("control: connection refused {hint}"));
    // The next one replaces it.
    let _node = service(&home);
    assert_eq!(run(&home, &["ls"]).code, Some(0));
}

#[test]
fn a_client_finds_the_node_by_its_folder_and_by_the_runtime_directory() {
    let scratch = Scratch::new();
    let (home, other) = (scratch.place("node"), scratch.place("other"));
    let state = home.join("state");
    let words = ["node", "-l", "127.0.0.1:0", "-d", text(&state)];
    let mut node = Sprat::start(&home, &words);
    node.address();
    let ended = run(&other, &["status", "-d", text(&state)]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    run(&other, &["status"]).assert(1, "no service answers");

    let run_dir = scratch.place("run");
    let variables = [("RUNTIME_DIRECTORY", text(&run_dir))];
    let call = |words: &[&str]| Sprat::start_with(&other, &variables, words);
    let mut node = call(&["node", "-l", "127.0.0.1:0"]);
    node.address();
    assert!(run_dir.join("control").exists());
    assert_eq!(call(&["status"]).end().code, Some(0));
    run(&other, &["status"]).assert(1, "no service answers");
}

#[test]
fn a_path_that_no_socket_can_have_is_named() {
    let scratch = Scratch::new();
    let home = scratch.place("node");
    let deep = home.join("x".repeat(100));
    let ended = run(&home, &["node", "-l", "127.0.0.1:0", "-d", text(&deep)]);
    ended.assert(
        1,
        "its path is longer than 107 bytes (name a shorter folder with -d)",
    );
}

#[test]
fn a_failed_add_is_reported_to_its_client_without_the_promise_of_another_try() {
    let scratch = Scratch::new();
    let home = scratch.place("node");
    let node = service(&home);
    run(&home, &["add", "no-such-file"]).assert(1, "no such file or directory");
    assert_eq!(run(&home, &["ls"]).out, [""; 0]);
    let ended = node.stop();
    let promised = ended.err.iter().any(|line| line.contains("is tried again"));
    assert!(!promised, "{ended:?}");
}
