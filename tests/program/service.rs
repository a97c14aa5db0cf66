//! `sprat node` as a service of systemd. The tests play systemd: they own the socket that it
//! notifies.

use crate::support::{DEADLINE, Scratch, Sprat, run};
use log::{Level, LevelFilter, Log, Metadata, Record};
use rustix::process::{Pid, Signal, kill_process};
use sprat::id::NodeId;
use sprat::reactor::{Reactor, Setup};
use sprat::rng::Rng;
use sprat::service::Systemd;
use sprat::wire::Network;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpStream, UdpSocket};
use std::os::linux::fs::MetadataExt as _;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// The socket of a service manager.
struct Manager {
    socket: UnixDatagram,
    /// The value of `$NOTIFY_SOCKET` for a service.
    name: String,
}

impl Manager {
    /// With a socket at `path`.
    fn at(path: &Path) -> Manager {
        let name = path.to_str().unwrap().to_owned();
        Manager::listen(UnixDatagram::bind(path).unwrap(), name)
    }

    /// With a socket that has no path.
    fn abstract_of(test: &str) -> Manager {
        let name = format!("sprat-{}-{test}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        Manager::listen(socket, format!("@{name}"))
    }

    fn listen(socket: UnixDatagram, name: String) -> Manager {
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        Manager { socket, name }
    }

    /// Starts `sprat node` as its service.
    fn start(&self, home: &Path, variables: &[(&str, &str)], words: &[&str]) -> Sprat {
        let notify = [("NOTIFY_SOCKET", self.name.as_str())];
        let words = [&["node", "-l", "127.0.0.1:0"], words].concat();
        Sprat::start_with(home, &[&notify, variables].concat(), &words)
    }

    /// The next message.
    fn hear(&self) -> String {
        let mut bytes = [0; 4096];
        let size = self.socket.recv(&mut bytes).expect("a message comes");
        String::from_utf8(bytes[..size].to_vec()).unwrap()
    }

    /// The next message that is neither a ping nor the status.
    fn hear_state(&self) -> String {
        loop {
            let message = self.hear();
            if message != "WATCHDOG=1" && !message.starts_with("STATUS=") {
                return message;
            }
        }
    }

    /// Waits for a ping.
    fn hear_ping(&self) {
        while self.hear() != "WATCHDOG=1" {}
    }

    /// Waits for silence of this length; the number of messages before it.
    fn hear_nothing_for(&self, silence: Duration) -> usize {
        self.socket.set_read_timeout(Some(silence)).unwrap();
        let begun = Instant::now();
        let mut count = 0;
        while self.socket.recv(&mut [0; 4096]).is_ok() {
            count += 1;
            assert!(begun.elapsed() < DEADLINE, "it is never silent");
        }
        self.socket.set_read_timeout(Some(DEADLINE)).unwrap();
        count
    }
}

#[test]
fn a_node_notifies_systemd_when_it_is_ready_and_when_it_stops() {
    let scratch = Scratch::new();
    let managers = [
        Manager::at(&scratch.place("run").join("notify")),
        Manager::abstract_of("states"),
    ];
    for manager in managers {
        let mut node = manager.start(&scratch.place("node"), &[], &[]);
        assert_eq!(manager.hear_state(), "READY=1");
        // It is reachable from the notification on, not from its first line on.
        TcpStream::connect(node.address()).unwrap();
        node.signal(Signal::TERM);
        assert_eq!(manager.hear_state(), "STOPPING=1");
        assert_eq!(node.end().code, Some(0));
    }
}

#[test]
fn a_node_pings_only_its_own_watchdog_and_sends_its_status() {
    let scratch = Scratch::new();
    let manager = Manager::abstract_of("pings");
    let watchdog = [("WATCHDOG_USEC", "200000")];
    let mut node = manager.start(&scratch.place("node"), &watchdog, &[]);
    for _ in 0..5 {
        manager.hear_ping();
    }
    let address = node.address();
    let _other = Sprat::node(&scratch.place("other"), "127.0.0.1:0", Some(&address));
    let status = "STATUS=contacts: 1; files served: 0, under way: 0; streams: 0";
    while manager.hear() != status {}
    drop(node);

    let of_another = [("WATCHDOG_USEC", "200000"), ("WATCHDOG_PID", "1")];
    let node = manager.start(&scratch.place("node"), &of_another, &[]);
    while manager.hear_state() != "READY=1" {}
    assert_eq!(manager.hear_nothing_for(Duration::from_secs(1)), 0);
    drop(node);
}

#[test]
fn a_node_without_a_manager_at_the_socket_warns_and_keeps_running() {
    let scratch = Scratch::new();
    let home = scratch.place("node");
    let unused = [("NOTIFY_SOCKET", "/nonexistent/notify")];
    let words = ["node", "-l", "127.0.0.1:0"];
    let mut node = Sprat::start_with(&home, &unused, &words);
    node.news("systemd did not take \"READY=1\"");
    assert_eq!(node.stop().code, Some(0));
    let relative = [("NOTIFY_SOCKET", "notify")];
    let node = Sprat::start_with(&home, &relative, &words);
    node.end()
        .assert(1, "$NOTIFY_SOCKET is neither an absolute path nor @NAME");
}

// -- the journal

/// The lines that `sprat` with `words` prints to its end, when `$JOURNAL_STREAM` names standard
/// error, or another file.
fn said_to_a_journal(scratch: &Scratch, is_journal: bool, words: &[&str]) -> Vec<String> {
    let home = scratch.place("journal");
    let path = home.join("stderr");
    let file = fs::File::create(&path).unwrap();
    let stat = file.metadata().unwrap();
    let inode = stat.st_ino() + u64::from(!is_journal);
    let mut child = Command::new(env!("CARGO_BIN_EXE_sprat"))
        .args(words)
        .current_dir(&home)
        .env("HOME", &home)
        .env("JOURNAL_STREAM", format!("{}:{inode}", stat.st_dev()))
        .env_remove("RUST_LOG")
        .stdout(Stdio::null())
        .stderr(file)
        .spawn()
        .unwrap();
    let said = || fs::read_to_string(&path).unwrap();
    let deadline = Instant::now() + DEADLINE;
    while child.try_wait().unwrap().is_none() {
        if said().contains("no answer from the bootstrap node") {
            kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        }
        assert!(Instant::now() < deadline, "{}", said());
        thread::sleep(Duration::from_millis(5));
    }
    said().lines().map(str::to_owned).collect()
}

#[test]
fn a_journal_gets_priorities_instead_of_the_programs_name() {
    let scratch = Scratch::new();
    // Nothing is sent from this address to that one: a warning, and then news.
    let words = ["node", "-v", "-l", "127.0.0.1:0", "-b", "192.0.2.1:9"];
    let lines = said_to_a_journal(&scratch, true, &words);
    let has = |start: &str| lines.iter().any(|line| line.starts_with(start));
    for start in [
        "<5>listening on 127.0.0.1:",
        "<4>sending a datagram: ",
        "<6>no answer from the bootstrap node 192.0.2.1:9",
        "<7>loop: ",
    ] {
        assert!(has(start), "{start}: {lines:?}");
    }
    assert!(
        !lines.iter().any(|line| line.contains("sprat: ")),
        "{lines:?}"
    );
    let lines = said_to_a_journal(&scratch, true, &["node", "-l", "nowhere"]);
    assert!(
        lines[0].starts_with("<3>option --listen: not an address"),
        "{lines:?}"
    );
    // Processes that a service starts inherit it, with another standard error.
    let lines = said_to_a_journal(&scratch, false, &["node", "-l", "nowhere"]);
    assert!(lines[0].starts_with("sprat: option --listen"), "{lines:?}");
}

// -- dropped messages

#[test]
fn messages_of_strangers_that_are_dropped_are_counted_and_not_logged() {
    let scratch = Scratch::new();
    let home = scratch.place("node");
    let mut node = Sprat::node(&home, "127.0.0.1:0", None);
    let address = node.address();
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    for size in [0, 1, 200, 1_300] {
        stranger.send_to(&vec![7; size], &address).unwrap();
    }
    for _ in 0..2 {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.write_all(&[7; 100]).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        // It is closed, by a reset or in order, without a byte.
        assert!(!matches!(stream.read(&mut [0; 64]), Ok(1..)));
    }
    let status = || run(&home, &["status", "--json"]).out.join("");
    let wanted = [
        "\"datagrams_damaged\":3,",
        "\"datagrams_refused\":1,",
        "\"streams_strange\":2,",
        "\"streams_silent\":0,",
    ];
    let deadline = Instant::now() + DEADLINE;
    while !wanted.iter().all(|member| status().contains(member)) {
        assert!(Instant::now() < deadline, "{}", status());
    }
    let ended = node.stop();
    assert!(ended.err.len() == 1, "{ended:?}");
}

// -- a loop that hangs

/// A log that hangs the thread [`HANGING`] while [`HANGS`] says so, inside a turn of its loop.
struct HangingLog;

const HANGING: &str = "hanging";

static HANGS: AtomicBool = AtomicBool::new(false);
static IS_HANGING: AtomicBool = AtomicBool::new(false);

impl Log for HangingLog {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let hangs = || HANGS.load(Ordering::SeqCst);
        let is_here = thread::current().name() == Some(HANGING);
        while record.level() <= Level::Info && is_here && hangs() {
            IS_HANGING.store(true, Ordering::SeqCst);
            std::hint::spin_loop();
        }
    }

    fn flush(&self) {}
}

/// Turns a node of this process, watched over by `name`, which hangs in the turn in which it finds
/// that a file to be shared is gone, for as long as [`HANGS`] says.
fn turn_and_hang(name: &str, folder: &Path) {
    let mut reactor = Reactor::new(Setup {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        network: Network::named("test"),
        id: NodeId(Rng::from_number(1).id()),
        read_only: false,
    })
    .unwrap();
    let systemd = Systemd::of(|variable| match variable {
        "NOTIFY_SOCKET" => Some(name.into()),
        "WATCHDOG_USEC" => Some("200000".into()),
        _ => None,
    });
    let mut systemd = systemd.unwrap().unwrap();
    let mut turn_for = |reactor: &mut Reactor, time: Duration| {
        let until = reactor.now() + time;
        while reactor.now() < until {
            let next = systemd.next_at().map_or(until, |at| at.min(until));
            reactor
                .next_with(Some(next), Some(systemd.deferrable_at()))
                .unwrap();
            systemd.report(reactor);
        }
    };
    turn_for(&mut reactor, Duration::from_secs(1));
    let file = folder.join("file");
    fs::write(&file, [1; 100_000]).unwrap();
    reactor.share(&file).unwrap();
    fs::remove_file(&file).unwrap();
    HANGS.store(true, Ordering::SeqCst);
    turn_for(&mut reactor, Duration::from_secs(1));
}

#[test]
fn an_endless_loop_in_a_turn_silences_the_pings() {
    log::set_logger(&HangingLog).unwrap();
    log::set_max_level(LevelFilter::Info);
    let scratch = Scratch::new();
    let manager = Manager::abstract_of("hangs");
    let (name, folder) = (manager.name.clone(), scratch.place("files"));
    let thread = thread::Builder::new().name(HANGING.to_owned());
    let turning = thread.spawn(move || turn_and_hang(&name, &folder));
    let turning = turning.unwrap();
    for _ in 0..3 {
        manager.hear_ping();
    }
    let deadline = Instant::now() + DEADLINE;
    while !IS_HANGING.load(Ordering::SeqCst) {
        assert!(
            Instant::now() < deadline && !turning.is_finished(),
            "it hangs"
        );
        thread::yield_now();
    }
    // Those that were sent before; then five times the watchdog's time without any.
    manager.hear_nothing_for(Duration::from_secs(1));
    assert!(IS_HANGING.load(Ordering::SeqCst) && !turning.is_finished());
    // The loop hung, and nothing else had ended.
    HANGS.store(false, Ordering::SeqCst);
    manager.hear_ping();
    turning.join().unwrap();
}
