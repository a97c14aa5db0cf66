//! Nodes keep their contacts across restarts: they find each other again without a bootstrap node.

use crate::support::{Scratch, Sprat, assert_same, run, text, without_providers};
use rustix::process::Signal;
use std::fs;
use std::path::Path;

/// The state folder of a node whose home is `home`.
const CONTACTS: &str = ".local/state/sprat/contacts";

#[test]
fn two_nodes_restart_without_a_bootstrap_node_and_find_each_other_and_the_file() {
    let scratch = Scratch::new();
    let places = ["a", "b", "c"].map(|name| scratch.place(name));
    let file = scratch.file("file.bin", 100_000);
    let mut a = Sprat::node(&places[0], "127.0.0.1:0", None);
    let through = a.address();
    let share = |listen: &str, more: &[&str]| {
        let words = [&["share", "-v", text(&file), "-l", listen][..], more].concat();
        Sprat::start(&places[1], &words)
    };
    let mut b = share("127.0.0.1:0", &["-b", &through]);
    b.announced();
    let mut c = Sprat::node(&places[2], "127.0.0.1:0", Some(&through));
    c.news("joined the network");
    let (at_b, at_c) = (b.address(), c.address());
    // C has met B when it finds the file of B.
    let link = without_providers(&b.link(1));
    let first = scratch.place("first");
    run(&first, &["get", "-l", "127.0.0.1:0", "-b", &at_c, &link]).assert(0, "");
    a.signal(Signal::KILL);
    assert_eq!(b.stop().code, Some(0));
    assert_eq!(c.stop().code, Some(0));

    let mut b = share(&at_b, &[]);
    b.link(1);
    let mut c = Sprat::node(&places[2], &at_c, None);
    c.news("joined the network");
    b.announced();
    let home = scratch.place("get");
    let ended = run(&home, &["get", "-l", "127.0.0.1:0", "-b", &at_c, &link]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_same(&file, &home.join("file.bin"));
}

/// Starts and ends a node whose list is `contacts`: its lines, and the list then.
fn restart_with(home: &Path, contacts: &[u8], through: &str) -> (Vec<String>, Vec<u8>) {
    fs::write(home.join(CONTACTS), contacts).unwrap();
    let mut node = Sprat::node(home, "127.0.0.1:0", Some(through));
    node.news("joined the network");
    let ended = node.stop();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    (ended.err, fs::read(home.join(CONTACTS)).unwrap())
}

#[test]
fn a_damaged_list_of_contacts_is_replaced_and_a_newer_one_is_left_alone() {
    let scratch = Scratch::new();
    let home = scratch.place("node");
    let mut other = Sprat::node(&scratch.place("other"), "127.0.0.1:0", None);
    let through = other.address();
    let mut node = Sprat::node(&home, "127.0.0.1:0", Some(&through));
    node.news("joined the network");
    node.stop();
    let good = fs::read(home.join(CONTACTS)).unwrap();

    let (said, after) = restart_with(&home, &good, &through);
    assert!(
        !said.iter().any(|line| line.contains("damaged")),
        "{said:?}"
    );
    assert_eq!(after, good);
    let (said, after) = restart_with(&home, &good[1..], &through);
    assert!(
        said.iter().any(|line| line.contains("contacts is damaged")),
        "{said:?}"
    );
    assert_eq!(after, good);

    let mut newer = b"sprat-ct\x02 and more".to_vec();
    newer.extend(crc32fast::hash(&newer).to_be_bytes());
    fs::write(home.join(CONTACTS), &newer).unwrap();
    let ended = run(&home, &["node", "-l", "127.0.0.1:0"]);
    ended.assert(1, "contacts: it was written by a newer version of sprat");
    assert_eq!(fs::read(home.join(CONTACTS)).unwrap(), newer);
}
