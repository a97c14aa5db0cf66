//! Real nodes at rest, and one that stood still: a few of them for seconds. `benches/idle` and
//! `benches/stopped` measure thirty for minutes.

use crate::support::{DEADLINE, Scratch, Sprat, assert_same, ping, text};
use rustix::process::Signal;
use sprat::limits::DATAGRAM_SIZE_MAX;
use sprat::wire::Network;
use std::fs;
use std::net::UdpSocket;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// How long a node is watched at rest.
const REST: Duration = Duration::from_secs(4);

/// The number behind a key of a file in `/proc/PID`.
fn number(pid: u32, file: &str, key: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    let number = line.and_then(|line| line.trim_start_matches(':').split_whitespace().next());
    number.unwrap().parse().unwrap()
}

#[test]
fn a_node_at_rest_hardly_wakes_and_neither_writes_nor_tells_systemd_anything() {
    let scratch = Scratch::new();
    let name = format!("sprat-{}-idle", std::process::id());
    let manager = SocketAddr::from_abstract_name(&name).unwrap();
    let manager = UnixDatagram::bind_addr(&manager).unwrap();
    manager.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut first = Sprat::node(&scratch.place("first"), "127.0.0.1:0", None);
    let through = first.address();
    let notify = [
        ("NOTIFY_SOCKET", format!("@{name}")),
        // As the unit that is shipped has it.
        ("WATCHDOG_USEC", "60000000".into()),
    ];
    let notify = notify.each_ref().map(|(key, value)| (*key, value.as_str()));
    let words = ["node", "-l", "127.0.0.1:0", "-b", &through];
    let mut node = Sprat::start_with(&scratch.place("node"), &notify, &words);
    node.news("joined the network");
    // The last message of the start follows within five seconds.
    let mut message = [0; 256];
    let mut hear = || {
        manager
            .recv(&mut message)
            .map(|size| message[..size].to_vec())
    };
    while !hear()
        .expect("a status")
        .starts_with(b"STATUS=contacts: 1;")
    {}
    manager.set_read_timeout(Some(REST)).unwrap();
    let look = || {
        let woken = number(node.pid(), "status", "voluntary_ctxt_switches");
        (woken, number(node.pid(), "io", "wchar"))
    };
    let (woken, written) = look();
    let heard = hear();
    assert!(heard.is_err(), "systemd has heard something: {heard:?}");
    let (woken, written) = (look().0 - woken, look().1 - written);
    // Two at most by the budget; the node may look up its own id again in this time, and a busy
    // machine is slow to start. A loop that spins, or a timer by the second, takes more.
    assert!(woken <= 12, "{woken} wake-ups in four seconds");
    assert_eq!(written, 0, "bytes written");
}

/// Stops a process and lets it go on after a while. Its clock is the system's, so time has to pass.
fn stand_still(sprat: &Sprat, time: Duration) {
    sprat.signal(Signal::STOP);
    thread::sleep(time);
    sprat.signal(Signal::CONT);
}

#[test]
fn a_transfer_goes_on_when_either_end_stood_still() {
    let scratch = Scratch::new();
    let file = scratch.file("file.bin", 3_000_000);
    let words = [
        "share",
        "-l",
        "127.0.0.1:0",
        "--up",
        "1M",
        "--limit-lan",
        text(&file),
    ];
    let mut share = Sprat::start(&scratch.place("share"), &words);
    let place: &Path = &scratch.place("get");
    let link = share.link(1);
    let mut get = Sprat::start(place, &["get", "-v", "-l", "127.0.0.1:0", &link]);
    get.news("connected with");
    stand_still(&get, Duration::from_millis(1_500));
    stand_still(&share, Duration::from_millis(1_500));
    let ended = get.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_same(&file, &place.join("file.bin"));
}

#[test]
fn pings_that_arrive_while_a_node_stands_still_are_not_answered_all_at_once() {
    let scratch = Scratch::new();
    let mut node = Sprat::node(&scratch.place("node"), "127.0.0.1:0", None);
    let to = node.address();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let ping = ping(Network::named(Network::DEFAULT_NAME));
    let ask = || socket.send_to(&ping, &to).unwrap();
    node.signal(Signal::STOP);
    for _ in 0..30 {
        ask();
    }
    node.signal(Signal::CONT);
    let mut answers = 0;
    let mut received = [0; DATAGRAM_SIZE_MAX];
    // It goes on as before: a ping is answered, and from then on nothing else comes.
    let began = Instant::now();
    socket
        .set_read_timeout(Some(Duration::from_millis(500)))
        .unwrap();
    while answers == 0 && began.elapsed() < DEADLINE {
        ask();
        while socket.recv(&mut received).is_ok() {
            answers += 1;
        }
    }
    assert!((1..=5).contains(&answers), "{answers} answers");
}
