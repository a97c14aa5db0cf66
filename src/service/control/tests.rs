//! The control socket with real clients. Not here: the meaning of requests.

use super::*;
use crate::id::NodeId;
use crate::reactor::{Happening, Setup};
use crate::rng::Rng;
use crate::wire::Network;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream as User;
use std::time::Duration;

/// A control socket in a folder of its own, and the loop that watches it.
struct Bench {
    _folder: tempfile::TempDir,
    reactor: Reactor,
    control: Control,
}

fn reactor() -> Reactor {
    let setup = Setup {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        network: Network::named("test"),
        id: NodeId(Rng::from_number(1).id()),
        read_only: false,
    };
    Reactor::new(setup).unwrap()
}

impl Bench {
    fn new() -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let mut reactor = reactor();
        let control = Control::open(&mut reactor, &folder.path().join("control")).unwrap();
        Bench {
            _folder: folder,
            reactor,
            control,
        }
    }

    fn connect(&self) -> User {
        let user = User::connect(&self.control.path).unwrap();
        user.set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        user
    }

    /// Handles events of the poll, and the timeouts at `now`.
    fn turn(&mut self, now: Instant) {
        let until = Some(self.reactor.now() + Duration::from_millis(1));
        loop {
            match self.reactor.next(until).unwrap() {
                Happening::Source(ready) => self.control.handle_ready(ready),
                Happening::Deadline => break,
                _ => {}
            }
        }
        self.control.turn(now, &mut self.reactor);
    }

    /// Turns until a client is due.
    fn due(&mut self) -> ClientKey {
        for _ in 0..10_000 {
            self.turn(Instant::ZERO);
            if let Some(key) = self.control.poll_client() {
                return key;
            }
        }
        panic!("no client was due");
    }

    fn client_count(&self) -> usize {
        self.control.clients.iter().flatten().count()
    }
}

fn lines(user: User) -> Vec<String> {
    BufReader::new(user).lines().map_while(Result::ok).collect()
}

#[test]
fn a_request_in_pieces_is_due_once_and_answered() {
    let mut bench = Bench::new();
    let mut user = bench.connect();
    user.write_all(b"stat").unwrap();
    bench.turn(Instant::ZERO);
    assert_eq!(bench.control.poll_client(), None);
    user.write_all(b"us\n and what nobody asked for").unwrap();
    let key = bench.due();
    assert_eq!(bench.control.request(key), Some(&b"status"[..]));
    assert_eq!(bench.control.answer(key, "=one"), Room::Some);
    bench.turn(Instant::ZERO);
    assert_eq!(bench.control.poll_client(), None);
    bench.control.answer(key, ".0");
    bench.control.end(key);
    assert_eq!(bench.control.next_at(), Some(Instant::ZERO));
    bench.turn(Instant::ZERO);
    assert_eq!(lines(user), ["=one", ".0"]);
    assert_eq!(bench.control.answer(key, "=late"), Room::Gone);
    assert_eq!(
        (bench.client_count(), bench.control.request(key)),
        (0, None)
    );
    assert_eq!(bench.control.next_at(), None);
}

#[test]
fn a_long_answer_waits_for_its_client_in_bounded_room() {
    let mut bench = Bench::new();
    let mut user = bench.connect();
    user.write_all(b"ls\n").unwrap();
    let reader = std::thread::spawn(|| lines(user));
    let line = "=".repeat(999);
    let (mut written, mut most) = (0, 0);
    while written < 5_000 {
        let key = bench.due();
        loop {
            written += 1;
            if bench.control.answer(key, &line) == Room::None {
                break;
            }
        }
        let client = bench.control.find(key).unwrap();
        most = most.max(client.answer.len());
        if written >= 5_000 {
            bench.control.end(key);
        }
    }
    for _ in 0..10_000 {
        if bench.client_count() == 0 {
            break;
        }
        bench.turn(Instant::ZERO);
    }
    assert_eq!(reader.join().unwrap().len(), written);
    assert!(most < CONTROL_ANSWER_SIZE + 1_000, "{most}");
}

#[test]
fn a_client_that_asks_nothing_or_too_much_or_leaves_frees_its_slot() {
    let mut bench = Bench::new();
    let mut silent = bench.connect();
    silent.write_all(b"st").unwrap();
    bench.turn(Instant::ZERO);
    assert_eq!(
        bench.control.next_at(),
        Some(Instant::ZERO + CONTROL_ASK_TIMEOUT)
    );
    bench.turn(Instant::ZERO + CONTROL_ASK_TIMEOUT);
    assert_eq!((lines(silent).len(), bench.client_count()), (0, 0));

    let mut long = bench.connect();
    let writer = std::thread::spawn(move || {
        let _ = long.write_all(&vec![b'x'; 2 * CONTROL_REQUEST_MAX]);
        lines(long)
    });
    while !writer.is_finished() {
        bench.turn(Instant::ZERO);
    }
    assert_eq!(writer.join().unwrap(), [".1 the request is too long"]);

    let mut gone = bench.connect();
    gone.write_all(b"add x\n").unwrap();
    let key = bench.due();
    drop(gone);
    while bench.client_count() > 0 {
        bench.turn(Instant::ZERO);
    }
    assert_eq!(bench.control.answer(key, "=done"), Room::Gone);
}

#[test]
fn a_client_that_reads_nothing_is_closed_and_a_half_closed_one_is_answered() {
    let mut bench = Bench::new();
    let mut user = bench.connect();
    user.write_all(b"ls\n").unwrap();
    user.shutdown(std::net::Shutdown::Write).unwrap();
    let key = bench.due();
    bench.turn(Instant::ZERO);
    let line = "=".repeat(CONTROL_ANSWER_SIZE);
    // More than the system's own buffers take.
    for _ in 0..64 {
        bench.control.answer(key, &line);
    }
    bench.turn(Instant::ZERO);
    assert_eq!(
        bench.control.next_at(),
        Some(Instant::ZERO + CONTROL_TAKE_TIMEOUT)
    );
    assert_eq!(bench.client_count(), 1);
    bench.turn(Instant::ZERO + CONTROL_TAKE_TIMEOUT);
    assert_eq!(bench.client_count(), 0);
}

#[test]
fn a_client_without_a_free_slot_gets_one_line() {
    let mut bench = Bench::new();
    let users: Vec<User> = (0..CONTROL_CLIENTS_MAX).map(|_| bench.connect()).collect();
    bench.turn(Instant::ZERO);
    let one_more = bench.connect();
    bench.turn(Instant::ZERO);
    let answer = lines(one_more);
    assert!(
        answer[0].starts_with(".1 the service has as many"),
        "{answer:?}"
    );
    assert_eq!(bench.client_count(), users.len());
    drop(users);
    while bench.client_count() > 0 {
        bench.turn(Instant::ZERO);
    }
}

#[test]
fn only_its_user_can_connect_and_the_socket_goes_with_the_service() {
    let mut bench = Bench::new();
    let path = bench.control.path.clone();
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let error = Control::open(&mut bench.reactor, &path).err().unwrap();
    let why = "another service answers there";
    assert!(error.to_string().ends_with(why), "{error}");
    drop(bench);
    assert!(!path.exists());
}

#[test]
fn a_dead_services_socket_is_replaced_and_nothing_else_is() {
    let folder = tempfile::tempdir().unwrap();
    let mut reactor = reactor();
    let path = folder.path().join("control");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    drop(Control::open(&mut reactor, &path).unwrap());
    fs::write(&path, "mine").unwrap();
    let error = Control::open(&mut reactor, &path).err().unwrap();
    assert!(
        error.to_string().ends_with("something else has that name"),
        "{error}"
    );
    assert_eq!(fs::read(&path).unwrap(), b"mine");
    let long = folder.path().join("x".repeat(SOCKET_PATH_MAX));
    let error = Control::open(&mut reactor, &long)
        .err()
        .unwrap()
        .to_string();
    let hint = "longer than 107 bytes (name a shorter folder with -d)";
    assert!(error.ends_with(hint), "{error}");
}
