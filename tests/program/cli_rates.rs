//! Caps: `--up` and `--down`, measured between two real nodes.
//!
//! A machine that is busy with something else makes a transfer slower, and late bytes look like a
//! burst. So a cap must never be exceeded over the whole of a try, but only one try of
//! five needs to reach it, and to be smooth.

use crate::support::{Scratch, Sprat, assert_same, run, text, with_providers};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

const RATE: u64 = 4 << 20;
const SIZE: usize = 12 << 20;
const TRIES: u32 = 5;

/// Passes one connection on, and tells what came from the server, and when.
struct Tap {
    address: SocketAddr,
    seen: Receiver<(Instant, u64)>,
}

impl Tap {
    fn start(to: &str) -> Tap {
        let to: SocketAddr = to.parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, seen) = channel();
        thread::spawn(move || {
            let (client, _) = listener.accept().unwrap();
            let server = TcpStream::connect(to).unwrap();
            // Bytes that TCP holds back for an acknowledgement would look like the work of the cap.
            client.set_nodelay(true).unwrap();
            server.set_nodelay(true).unwrap();
            let (from, back) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || pass(from, server, None));
            pass(back, client, Some(&sender));
        });
        Tap { address, seen }
    }

    /// Bytes a second from the first byte to the last, and the most bytes of any tenth of a second.
    fn measure(self) -> (f64, u64) {
        let seen: Vec<(Instant, u64)> = self.seen.into_iter().collect();
        let took = seen[seen.len() - 1].0 - seen[0].0;
        let sum: u64 = seen.iter().map(|(_, bytes)| bytes).sum();
        let from = |first: Instant| {
            let within =
                move |at: Instant| (first..first + Duration::from_millis(100)).contains(&at);
            let bytes = seen.iter().filter(move |(at, _)| within(*at));
            bytes.map(|(_, bytes)| bytes).sum::<u64>()
        };
        let most = seen.iter().map(|(at, _)| from(*at)).max().unwrap();
        (sum as f64 / took.as_secs_f64(), most)
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, seen: Option<&Sender<(Instant, u64)>>) {
    let mut bytes = [0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        if let Some(seen) = seen {
            let _ = seen.send((Instant::now(), count as u64));
        }
        if to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

fn share<'a>(scratch: &Scratch, file: &'a Path, caps: &[&'a str]) -> (Sprat, String) {
    let mut words = vec!["share", "-l", "127.0.0.1:0"];
    words.extend(caps);
    words.push(text(file));
    let mut share = Sprat::start(&scratch.place("share"), &words);
    let link = share.link(1);
    (share, link)
}

/// Fetches through a tap until a try keeps the rate within 5 % and is smooth.
fn assert_capped(share_caps: &[&str], get_caps: &[&str]) {
    let scratch = Scratch::new();
    let file = scratch.file("file.bin", SIZE);
    let (mut share, link) = share(&scratch, &file, share_caps);
    let address = share.address();
    let mut tries = Vec::new();
    for number in 0..TRIES {
        let tap = Tap::start(&address);
        let link = with_providers(&link, &[tap.address]);
        let place = scratch.place(&format!("get-{number}"));
        let mut words = vec!["get", "-q", "-l", "127.0.0.1:0"];
        words.extend(get_caps);
        words.push(&link);
        let ended = run(&place, &words);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert_same(&file, &place.join("file.bin"));
        let (rate, most) = tap.measure();
        let ratio = rate / RATE as f64;
        assert!(ratio <= 1.05, "{ratio} times the cap");
        // 100 ms at the rate, and what a late turn of the loop may send at once.
        if ratio >= 0.95 && most <= RATE * 2 / 10 {
            return;
        }
        tries.push((ratio, most * 10));
    }
    panic!("times the cap, and bytes a second of the fullest 100 ms, of {RATE}: {tries:?}");
}

#[test]
fn uploads_keep_to_the_cap_within_five_percent_and_are_smooth() {
    assert_capped(&["--up", "4M", "--limit-lan"], &[]);
}

#[test]
fn downloads_keep_to_the_cap_within_five_percent_and_are_smooth() {
    assert_capped(&[], &["--down", "4M", "--limit-lan"]);
}

#[test]
fn the_own_network_is_exempt_unless_asked_otherwise() {
    let scratch = Scratch::new();
    let file = scratch.file("file.bin", SIZE);
    // At these rates, most of an hour.
    let (_share, link) = share(&scratch, &file, &["--up", "4K"]);
    let place = scratch.place("get");
    let ended = run(&place, &["get", "-l", "127.0.0.1:0", "--down", "4K", &link]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_same(&file, &place.join("file.bin"));
}

#[test]
fn two_that_fetch_both_get_their_part_of_a_cap() {
    let scratch = Scratch::new();
    let file = scratch.file("file.bin", SIZE / 2);
    let (mut share, link) = share(&scratch, &file, &["--up", "4M", "--limit-lan"]);
    let address = share.address();
    let words = |link: String| {
        ["get", "-q", "-l", "127.0.0.1:0"]
            .map(String::from)
            .into_iter()
            .chain([link])
    };
    let mut gets = Vec::new();
    let started_at = Instant::now();
    for number in 0..2 {
        let tap = Tap::start(&address);
        let words: Vec<String> = words(with_providers(&link, &[tap.address])).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let place = scratch.place(&format!("get-{number}"));
        gets.push((Sprat::start(&place, &words), tap));
    }
    for (mut get, tap) in gets {
        get.result("file.bin");
        let bytes: u64 = tap.seen.try_iter().map(|(_, bytes)| bytes).sum();
        // They also fetch from each other; what the capped one sends them is about the same.
        assert!(bytes >= SIZE as u64 / 8, "{bytes} of {SIZE}");
    }
    let least = Duration::from_secs_f64(SIZE as f64 / 2.0 / RATE as f64 * 0.95);
    assert!(started_at.elapsed() >= least, "faster than the cap");
}
