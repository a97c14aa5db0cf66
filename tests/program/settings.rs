//! Settings from the command line, the environment and a file: their precedence, the errors of
//! wrong ones, and a reload by a running node.

use crate::support::{DEADLINE, Scratch, Sprat, text};
use rustix::process::Signal;
use std::fs;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// A node with this file, these variables and these options ends with 2 and this one line.
fn fails(file: &str, variables: &[(&str, &str)], flags: &[&str], message: &str) {
    let scratch = Scratch::new();
    let place = scratch.place("home");
    fs::write(place.join("conf"), file).unwrap();
    let words = [&["node", "-l", "127.0.0.1:0", "--config", "conf"], flags].concat();
    let ended = Sprat::start_with(&place, variables, &words).end();
    ended.assert(2, message);
    assert_eq!(ended.err.len(), 1, "one line is enough: {ended:?}");
}

#[test]
fn a_wrong_setting_in_a_file_ends_with_2_and_says_where_it_stands() {
    let cases = [
        ("up = fast", "sprat: conf, line 1, up: not a rate: \"fast\""),
        (
            "#\nup = 1",
            "sprat: conf, line 2, up: 1 is less than 4.0 KiB a second",
        ),
        (
            "bootstrap = pi",
            "sprat: conf, line 1, bootstrap: no port: pi (HOST:PORT)",
        ),
        ("dir =", "sprat: conf, line 1, dir: the path is empty"),
        ("network =", "sprat: conf, line 1, network: empty name"),
        (
            "verbose = very",
            "sprat: conf, line 1, verbose: neither yes nor no: \"very\"",
        ),
        ("quiet\n", "sprat: conf, line 1: not KEY = VALUE: quiet"),
        (
            "bootstrp = a:1",
            "sprat: conf, line 1: no such key: bootstrp (is it bootstrap?)",
        ),
        ("seed = yes", "sprat: conf, line 1: no such key: seed"),
        (
            "up = 1M\nup = 2M",
            "sprat: conf, line 2, up: line 1 sets it already",
        ),
    ];
    for (file, message) in cases {
        fails(file, &[], &[], message);
    }
}

#[test]
fn a_wrong_setting_of_the_environment_ends_with_2_and_says_where_it_stands() {
    let scratch = Scratch::new();
    let place = scratch.place("home");
    let variables = [
        (
            "SPRAT_DOWN",
            "1.5M",
            "variable SPRAT_DOWN: not a rate: \"1.5M\"",
        ),
        (
            "SPRAT_LIMIT_LAN",
            "on",
            "variable SPRAT_LIMIT_LAN: neither yes nor no: \"on\"",
        ),
        (
            "SPRAT_BOOTSTRAP",
            "a:1, pi",
            "variable SPRAT_BOOTSTRAP: no port: pi (HOST:PORT)",
        ),
    ];
    for (name, value, message) in variables {
        fails("", &[(name, value)], &[], message);
    }
    // An overruled setting is not read: the command line wins, and its mistake is the one reported.
    fails(
        "up = fast",
        &[("SPRAT_UP", "slow")],
        &["--up", "1"],
        "sprat: option --up: 1 is less",
    );

    let missing = ["node", "--config", "missing"];
    let ended = Sprat::start_with(&place, &[], &missing).end();
    ended.assert(
        2,
        "sprat: option --config: cannot read missing: no such file or directory",
    );
    let ended = Sprat::start_with(&place, &[("SPRAT_CONFIG", "missing")], &["node"]).end();
    ended.assert(
        2,
        "sprat: variable SPRAT_CONFIG: cannot read missing: no such file",
    );
    // Help is printed in spite of a wrong setting: it may be the reason to ask for it.
    let ended = Sprat::start_with(&place, &[("SPRAT_UP", "fast")], &["node", "--help"]).end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn a_file_and_the_environment_set_up_a_node_and_a_fetch() {
    let scratch = Scratch::new();
    let (one, two) = (scratch.place("one"), scratch.place("two"));
    fs::write(
        one.join("conf"),
        "listen = 127.0.0.1:0\nnetwork = office\ndir = state\n",
    )
    .unwrap();
    let mut node = Sprat::start(&one, &["node", "--config", "conf"]);
    let through = node.address();
    assert!(through.starts_with("127.0.0.1:") && one.join("state/node-id").exists());
    let file = scratch.file("file.bin", 100_000);
    let listen = ("SPRAT_LISTEN", "127.0.0.1:0");
    let variables = [
        listen,
        ("SPRAT_BOOTSTRAP", &through),
        ("SPRAT_NETWORK", "office"),
    ];
    let mut share = Sprat::start_with(&two, &variables, &["share", "-v", text(&file)]);
    share.announced();
    let link = crate::support::without_providers(&share.link(1));
    let ended = Sprat::start_with(&scratch.place("get"), &variables, &["get", &link]).end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn at_sighup_a_node_heeds_what_can_change_and_names_what_cannot() {
    let scratch = Scratch::new();
    let place = scratch.place("node");
    let mut other = Sprat::node(&scratch.place("other"), "127.0.0.1:0", None);
    let through = other.address();
    // It stands in for systemd.
    let name = format!("sprat-{}-reload", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let manager = UnixDatagram::bind_addr(&address).unwrap();
    manager.set_read_timeout(Some(DEADLINE)).unwrap();
    let hear = || loop {
        let mut bytes = [0; 256];
        let size = manager.recv(&mut bytes).unwrap();
        let message = String::from_utf8(bytes[..size].to_vec()).unwrap();
        if !message.starts_with("STATUS=") {
            return message;
        }
    };
    let write = |text: &str| fs::write(place.join("conf"), text).unwrap();
    write("listen = 127.0.0.1:0\n");
    let notify = [("NOTIFY_SOCKET", format!("@{name}"))];
    let notify = notify.each_ref().map(|(key, value)| (*key, value.as_str()));
    let mut node = Sprat::start_with(&place, &notify, &["node", "--config", "conf"]);
    node.address();
    assert_eq!(hear(), "READY=1");
    let mut reload = |text: &str, said: &str| {
        write(text);
        node.signal(Signal::HUP);
        node.news(&format!("sprat: {said}"));
        let reloading = hear();
        let micros = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=");
        assert!(micros.unwrap().parse::<u64>().unwrap() > 0, "{reloading}");
        assert_eq!(hear(), "READY=1");
    };
    let listen = "listen = 127.0.0.1:0\n";
    reload(
        listen,
        "settings read again: nothing has changed for this run",
    );
    let joined = format!("{listen}verbose = yes\nbootstrap = {through}\n");
    reload(
        &joined,
        "settings read again: bootstrap and verbose changed",
    );
    reload(
        &format!("{joined}up = 1M\nnetwork = office\n"),
        "settings read again: up changed; network will when the node is started again",
    );
    // It goes on waiting for that.
    reload(
        &format!("{joined}network = office\nup = 2M\nlimit-lan = yes\n"),
        "settings read again: up and limit-lan changed; \
         network will when the node is started again",
    );
    reload(
        "up = 3M\nnot a setting\n",
        "the settings stay as they were: conf, line 2: not KEY = VALUE: not a setting",
    );
    let gone = format!("bootstrap = no-such-host.invalid:1\n{listen}");
    reload(
        &gone,
        "the settings stay as they were: cannot resolve the bootstrap node no-such-host.invalid:1",
    );
    node.news("sprat: joined the network: 1 contact");
    // `verbose` still applies after the rejected reload.
    let ended = node.stop();
    assert_eq!(ended.code, Some(0));
    ended.assert_said("sprat: loop: ");
}

#[test]
fn without_a_service_a_hangup_ends_what_it_always_ended() {
    // The environment of the tests may ignore it, as nohup(1) does, and children inherit that.
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = u64::from_str_radix(ignored.unwrap().trim(), 16).unwrap();
    if ignored & (1 << (Signal::HUP.as_raw() - 1)) != 0 {
        return println!("SKIPPED: a hangup: it is ignored here (nohup?)");
    }
    let scratch = Scratch::new();
    let file = scratch.file("file.bin", 1_000);
    let words = ["share", "-l", "127.0.0.1:0", text(&file)];
    let mut share = Sprat::start(&scratch.place("share"), &words);
    share.link(1);
    share.signal(Signal::HUP);
    assert_eq!(share.end().code, None, "the system ends it");
}
