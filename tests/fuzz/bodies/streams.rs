//! A stream cut into pieces at any bytes means what it means whole.
//!
//! The first bytes say where to cut and which CRCs to put right; the rest is the stream. It is
//! given to two nodes that have one file, fetch another with its manifest and one without: to one
//! whole, to the other in pieces.

use super::files::file;
use super::input::Input;
use super::packets;
use super::puppet::Puppet;
use sprat::limits::RECEIVE_BUFFER_SIZE;
use sprat::node::{Event, Prepared};
use std::net::SocketAddr;

/// The body of the target.
pub fn run(bytes: &[u8]) {
    let input = &mut Input::new(bytes);
    let is_mended = input.bit();
    let cuts: Vec<usize> = (0..3).map(|_| 1 + usize::from(input.byte())).collect();
    let mut stream = input.rest().to_vec();
    stream.truncate(RECEIVE_BUFFER_SIZE);
    if is_mended {
        packets::mend_stream(&mut stream);
    }
    let (mut whole, mut cut) = (node(), node());
    feed(&mut whole, &[&stream]);
    let mut pieces = Vec::new();
    let mut rest = &stream[..];
    for size in cuts.iter().cycle() {
        let (piece, after) = rest.split_at((*size).min(rest.len()));
        pieces.push(piece);
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    feed(&mut cut, &pieces);
    assert_eq!(whole.events, cut.events);
    assert!(
        whole.streams.keys().eq(cut.streams.keys()),
        "one closes and the other does not"
    );
    for (one, other) in whole.disks.values().zip(cut.disks.values()) {
        assert!(one.entries == other.entries, "other bytes are written");
    }
}

/// A node that has file 0, fetches file 1, whose manifest it knows, and file 3, of which it knows
/// the id.
fn node() -> Puppet {
    let mut puppet = Puppet::new(1);
    puppet.fetch(file(0), true, &[]);
    while !puppet.jobs.is_empty() {
        puppet.do_job(Ok(Prepared::Final), true);
        puppet.do_job(Ok(Prepared::Final), true);
    }
    let complete = |event: &Event| matches!(event, Event::Complete { .. });
    assert!(
        puppet.events.iter().any(complete),
        "it is on disk, so nobody is needed"
    );
    let silent = [SocketAddr::from(([10, 0, 0, 9], 4160))];
    puppet.fetch(file(1), true, &silent);
    puppet.do_job(Ok(Prepared::Fresh), false);
    puppet.fetch(file(3), false, &silent);
    puppet
}

/// Feeds the pieces of a stream, then lets the node send and the disk work.
fn feed(puppet: &mut Puppet, pieces: &[&[u8]]) {
    let from = SocketAddr::from(([10, 0, 0, 1], 50_000));
    let key = puppet.accept(from).expect("room for a stream");
    for piece in pieces {
        puppet.receive(key, piece);
    }
    puppet.send(key, 1 << 20, false);
    while !puppet.jobs.is_empty() {
        puppet.do_job(Ok(Prepared::Fresh), false);
    }
    puppet.send(key, 1 << 20, false);
}
