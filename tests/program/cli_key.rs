//! A network with a key, as real processes: its members reach each other, strangers hear nothing,
//! and what was recorded opens nothing.

use crate::support::{
    DEADLINE, Scratch, Sprat, assert_same, await_answer, run, text, with_providers,
};
use sprat::wire::native::datagram::{Body, Datagram, ErrorCode};
use sprat::wire::native::handshake;
use sprat::wire::{Key, Network};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

/// Bytes that have passed a tap between two nodes, one way and the other.
#[derive(Default)]
struct Said {
    there: Vec<Vec<u8>>,
    back: Vec<Vec<u8>>,
}

#[derive(Default)]
struct Heard {
    said: Mutex<Said>,
    changed: Condvar,
}

impl Heard {
    /// Bytes have been passed on to the node.
    fn there(&self, bytes: &[u8]) {
        self.said().there.push(bytes.to_vec());
        self.changed.notify_all();
    }

    /// Bytes of the node are about to be passed on.
    fn back(&self, bytes: &[u8]) {
        self.said().back.push(bytes.to_vec());
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap()
    }

    /// Waits until something was passed on to the node.
    fn wait(&self) {
        let is_silent = |said: &mut Said| said.there.is_empty();
        let waited = self
            .changed
            .wait_timeout_while(self.said(), DEADLINE, is_silent);
        assert!(!waited.unwrap().1.timed_out(), "nobody tries");
    }
}

/// Places before a node at which what is said to it, and by it, is heard.
struct Taps {
    of_datagrams: SocketAddr,
    of_streams: SocketAddr,
    datagrams: Arc<Heard>,
    streams: Arc<Heard>,
}

impl Taps {
    fn before(node: &str) -> Taps {
        let node: SocketAddr = node.parse().unwrap();
        let [datagrams, streams] = [(); 2].map(|()| Arc::default());
        Taps {
            of_datagrams: tap_datagrams(node, &datagrams),
            of_streams: tap_streams(node, &streams),
            datagrams,
            streams,
        }
    }

    /// Waits until the node was sent a datagram, and bytes of a stream.
    fn wait(&self) {
        self.datagrams.wait();
        self.streams.wait();
    }
}

/// The threads of a tap end with the test.
fn tap_datagrams(node: SocketAddr, said: &Arc<Heard>) -> SocketAddr {
    let front = UdpSocket::bind("127.0.0.1:0").unwrap();
    let behind = UdpSocket::bind("127.0.0.1:0").unwrap();
    behind.connect(node).unwrap();
    let address = front.local_addr().unwrap();
    let client = Arc::new(Mutex::new(None));
    let sockets = || (front.try_clone().unwrap(), behind.try_clone().unwrap());
    let ((front_in, behind_out), (front_out, behind_in)) = (sockets(), sockets());
    let (of_client, heard) = (Arc::clone(&client), Arc::clone(said));
    thread::spawn(move || {
        let mut buffer = [0; 2_000];
        while let Ok((size, from)) = front_in.recv_from(&mut buffer) {
            *of_client.lock().unwrap() = Some(from);
            _ = behind_out.send(&buffer[..size]);
            heard.there(&buffer[..size]);
        }
    });
    let heard = Arc::clone(said);
    thread::spawn(move || {
        let mut buffer = [0; 2_000];
        while let Ok(size) = behind_in.recv(&mut buffer) {
            heard.back(&buffer[..size]);
            if let Some(to) = *client.lock().unwrap() {
                _ = front_out.send_to(&buffer[..size], to);
            }
        }
    });
    address
}

fn tap_streams(node: SocketAddr, said: &Arc<Heard>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let said = Arc::clone(said);
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let server = TcpStream::connect(node).unwrap();
            let pass = |mut from: TcpStream, mut to: TcpStream, is_back: bool| {
                let said = Arc::clone(&said);
                thread::spawn(move || {
                    let mut buffer = [0; 65_536];
                    while let Ok(size @ 1..) = from.read(&mut buffer) {
                        if is_back {
                            said.back(&buffer[..size]);
                        }
                        if to.write_all(&buffer[..size]).is_err() {
                            break;
                        }
                        if !is_back {
                            said.there(&buffer[..size]);
                        }
                    }
                    _ = to.shutdown(std::net::Shutdown::Write);
                });
            };
            let (from, back) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            pass(from, server, false);
            pass(back, client, true);
        }
    });
    address
}

/// Has sprat make a key.
fn make_key(scratch: &Scratch, name: &str) -> PathBuf {
    let place = scratch.place("keys");
    run(&place, &["key", name]).assert(0, "");
    place.join(name)
}

fn key_in(path: &Path) -> Key {
    let file = fs::read_to_string(path).unwrap();
    let digits = file.lines().last().unwrap();
    Key::new(u128::from_str_radix(digits, 16).unwrap().to_be_bytes())
}

/// Starts a sprat on loopback that is of the network that these words name.
fn start(place: &Path, network: &[&str], words: &[&str]) -> Sprat {
    let words = [words, &["-v", "--no-lan", "-l", "127.0.0.1:0"], network];
    Sprat::start(place, &words.concat())
}

#[test]
fn a_node_with_a_key_and_one_without_never_exchange_a_byte() {
    let scratch = Scratch::new();
    let file = scratch.file("file.bin", 100_000);
    let keys = ["one", "other"].map(|name| make_key(&scratch, name));
    let [one, other] = [0, 1].map(|index| ["--key", text(&keys[index])]);
    let renamed = [&one[..], &["--network", "another"]].concat();
    let cases: [[&[&str]; 2]; 4] = [[&[], &one], [&one, &[]], [&one, &other], [&one, &renamed]];
    let pairs = cases.map(|[of_sharer, of_getter]| {
        let mut share = start(&scratch.place("share"), of_sharer, &["share", text(&file)]);
        let taps = Taps::before(&share.address());
        let link = with_providers(&share.link(1), &[taps.of_streams]);
        let bootstrap = taps.of_datagrams.to_string();
        let words = ["get", "-b", &bootstrap, &link];
        let get = start(&scratch.place("get"), of_getter, &words);
        (share, get, taps)
    });
    for ((mut share, get, taps), networks) in pairs.into_iter().zip(cases) {
        let pair = format!("{networks:?}");
        taps.wait();
        // An answer to a member shows that the node has read all earlier datagrams; the second one,
        // that its streams had their turn.
        let key = networks[0].get(1).map(|path| key_in(Path::new(path)));
        let named = Network::named(Network::DEFAULT_NAME);
        let network = key.map_or(named, |key| Network::with_key(Network::DEFAULT_NAME, key));
        (0..2).for_each(|_| await_answer(&share.address(), network));
        assert!(taps.datagrams.said().back.is_empty(), "{pair}");
        assert!(taps.streams.said().back.is_empty(), "{pair}");
        assert_eq!(get.stop().code, Some(130), "{pair}");
        // Not when it ends, either.
        assert_eq!(share.stop().code, Some(0), "{pair}");
        assert!(taps.streams.said().back.is_empty(), "{pair}");
    }
}

#[test]
fn members_reach_each_other_and_what_was_recorded_is_worth_nothing() {
    let scratch = Scratch::new();
    let file = scratch.file("file.bin", 300_000);
    let key = make_key(&scratch, "key");
    let network = Network::with_key(Network::DEFAULT_NAME, key_in(&key));
    let of_key = ["--key", text(&key)];
    let mut share = start(&scratch.place("share"), &of_key, &["share", text(&file)]);
    let node = share.address();
    let taps = Taps::before(&node);
    let (link, bootstrap) = (share.link(1), taps.of_datagrams.to_string());
    let link = with_providers(&link, &[taps.of_streams]);
    let place = scratch.place("get");
    let get = start(&place, &of_key, &["get", "-b", &bootstrap, &link]);
    get.end().assert(0, "");
    assert_same(&file, &place.join("file.bin"));

    // Its whole opening once more: it gets a challenge, and the end.
    let recorded = taps.streams.said().there.concat();
    assert_eq!(recorded[0], handshake::MAGIC);
    let mut stream = TcpStream::connect(&node).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let (hello, rest) = recorded.split_at(handshake::STEP_SIZE_MAX);
    stream.write_all(hello).unwrap();
    let mut challenge = [0; handshake::STEP_SIZE_MAX];
    stream.read_exact(&mut challenge).unwrap();
    assert_eq!(challenge[..3], [handshake::MAGIC, handshake::VERSION, 2]);
    let mut answer = Vec::new();
    // That it ends before all is read of what was sent may show as an error.
    _ = stream.write_all(rest);
    _ = stream.read_to_end(&mut answer);
    assert_eq!(answer, [0_u8; 0]);

    // Its datagrams once more, from another port: each gets no more than a cookie, or, because its
    // token is that of this IP, the reply that it got when it was new.
    let recorded = std::mem::take(&mut taps.datagrams.said().there);
    assert!(!recorded.is_empty());
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    // Some get no answer.
    let wait = Some(Duration::from_secs(1));
    socket.set_read_timeout(wait).unwrap();
    let requests = recorded.iter().filter(|bytes| {
        let datagram = Datagram::parse(bytes, network).unwrap();
        !datagram.body.is_reply()
    });
    let mut answers = 0;
    let mut buffer = [0; 2_000];
    for request in requests {
        socket.send_to(request, &node).unwrap();
        let Ok(size) = socket.recv(&mut buffer) else {
            continue;
        };
        assert!(size <= request.len());
        let answer = Datagram::parse(&buffer[..size], network).unwrap();
        let is_refusal = matches!(
            answer.body,
            Body::Error {
                code: ErrorCode::Unproved,
                ..
            } | Body::StoreReply { .. }
        );
        assert!(is_refusal, "{answer:?}");
        answers += 1;
    }
    assert!(answers > 0);
    assert_eq!(share.stop().code, Some(0));
}

#[test]
fn a_key_is_made_once_and_a_wrong_one_is_refused() {
    let scratch = Scratch::new();
    let key = make_key(&scratch, "key");
    let place = scratch.place("keys");
    let mode = fs::metadata(&key).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let first = fs::read(&key).unwrap();
    let again = run(&place, &["key", "key"]);
    again.assert(1, "cannot make the key key: ");
    again.assert_said("a key is never overwritten: name another file");
    assert_eq!(fs::read(&key).unwrap(), first);
    assert_ne!(fs::read(make_key(&scratch, "another")).unwrap(), first);
    run(&place, &["key"]).assert(2, "no FILE given (see sprat help key)");

    let node = |variables: &[(&str, &str)], words: &[&str]| {
        let words = [&["node", "-l", "127.0.0.1:0"], words].concat();
        Sprat::start_with(&place, variables, &words).end()
    };
    let ended = node(&[], &["--key", "none"]);
    ended.assert(
        1,
        "option --key: cannot use the key none: no such file or directory",
    );
    ended.assert_said("(copy it from another node; sprat key FILE makes a new one)");
    fs::write(place.join("text"), "open sesame\n").unwrap();
    fs::set_permissions(place.join("text"), fs::Permissions::from_mode(0o600)).unwrap();
    let ended = node(&[("SPRAT_KEY", "text")], &[]);
    ended.assert(
        1,
        "variable SPRAT_KEY: cannot use the key text: it is not a line",
    );
    let ended = node(&[("SPRAT_KEY", "")], &[]);
    ended.assert(2, "variable SPRAT_KEY: the path is empty");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(place.join("conf"), "key = key\n").unwrap();
    let ended = node(&[], &["--config", "conf"]);
    ended.assert(
        1,
        "conf, line 1, key: cannot use the key key: every user of this machine",
    );
}
