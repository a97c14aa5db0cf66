//! Hostile peers: a node believes no claim that it has not checked.

use super::{FIRST, bytes};
use sha1::{Digest as _, Sha1};
use sprat::id::{FileId, Id, NodeId};
use sprat::limits::{RECEIVE_BUFFER_SIZE, RECLAIM_TIMEOUT, REQUEST_TIMEOUT, SLOW_TIMEOUT};
use sprat::output::{Chunk, DiskReport, Ended, Event, Output, Prepared, StreamKey};
use sprat::rng::Rng;
use sprat::swarm::{Config, Phase, Swarms};
use sprat::time::Instant;
use sprat::wire::native::frame::{
    HEADER_SIZE, Hello, Holds, MANIFEST_PART_SIZE_MAX, Range, RejectReason,
};
use sprat::wire::{Entries, Frame, Header, Manifest, Network};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// A shard of two ranges, the second one half as long as the first.
const SHARD: u32 = 0;
const SIZE: u32 = 1_572_864;
const MIB: u32 = 1_048_576;

fn range(offset: u32, length: u32) -> Range {
    Range {
        shard: SHARD,
        offset,
        length,
    }
}

/// A node that fetches a file of one shard, from peers that the test plays.
struct Getter {
    network: Network,
    swarms: Swarms,
    now: Instant,
    file: FileId,
    content: Vec<u8>,
    disk: Vec<u8>,
    others: u8,
    /// Its requests that the test has not read yet, by stream.
    requests: BTreeMap<u32, Vec<Range>>,
}

impl Getter {
    fn new(is_manifest_known: bool) -> (Getter, Manifest) {
        let content = bytes(1, SIZE as usize);
        let hash = Sha1::digest(&content);
        let entries = Entries::single(SIZE.into());
        let manifest = Manifest::build("name", false, entries, 2 * MIB, &hash).unwrap();
        let network = Network::named("test");
        let config = Config {
            id: NodeId(Id([1; 20])),
            network,
            port: 4160,
        };
        let mut getter = Getter {
            network,
            swarms: Swarms::new(config, Rng::from_number(2)),
            now: Instant::ZERO,
            file: manifest.file_id(),
            disk: vec![0; content.len()],
            content,
            others: 0,
            requests: BTreeMap::new(),
        };
        let known = is_manifest_known.then(|| manifest.clone());
        let fetched = getter.swarms.fetch(getter.now, getter.file, known, &[]);
        assert_eq!(fetched.unwrap(), FIRST);
        getter.drain(&[]);
        (getter, manifest)
    }

    /// Another node connects and opens.
    fn meet(&mut self, holds: Holds, manifest_size: u32, shard_count: u32) -> StreamKey {
        self.others += 1;
        let from = ([10, 0, 0, self.others], 4160).into();
        let stream = self.swarms.handle_accept(self.now, from).unwrap();
        let open = Hello {
            file: self.file,
            node: NodeId(Id([1 + self.others; 20])),
            port: 4160,
            holds,
            manifest_size,
            shard_count,
        };
        self.hear(stream, &[Frame::Open(open)]);
        stream
    }

    /// Frames come on a stream, all at once.
    fn hear(&mut self, stream: StreamKey, frames: &[Frame]) {
        let mut said = Vec::new();
        for frame in frames {
            let start = said.len();
            said.resize(start + frame.size(), 0);
            frame.emit(self.network, &mut said[start..]);
        }
        self.receive(stream, &said);
    }

    /// The part of the shard comes on a stream, right.
    fn hear_data(&mut self, stream: StreamKey, part: Range) {
        self.hear(stream, &[Frame::Data(part)]);
        let start = part.offset as usize;
        let payload = self.content[start..][..part.length as usize].to_vec();
        self.receive(stream, &payload);
    }

    fn receive(&mut self, stream: StreamKey, bytes: &[u8]) {
        for piece in bytes.chunks(RECEIVE_BUFFER_SIZE) {
            self.swarms.handle_received(self.now, stream, piece);
            self.drain(piece);
        }
    }

    /// Carries out what the node wants; `buffer` is what came last.
    fn drain(&mut self, buffer: &[u8]) {
        while let Some(output) = self.swarms.poll_output() {
            match output {
                Output::Prepare(swarm) => {
                    let fresh = Ok(Prepared::Fresh);
                    self.swarms
                        .handle_disk(self.now, swarm, DiskReport::Prepared(fresh));
                }
                Output::Write {
                    range,
                    start,
                    shard,
                } => {
                    let piece = &buffer[start as usize..][..range.length as usize];
                    self.disk[range.offset as usize..][..piece.len()].copy_from_slice(piece);
                    let (swarm, length) = (range.swarm, range.length);
                    let swarms = &mut self.swarms;
                    swarms.handle_disk(
                        self.now,
                        swarm,
                        DiskReport::Written {
                            shard,
                            length,
                            result: Ok(()),
                        },
                    );
                }
                Output::Send(stream) => self.read(stream),
                Output::Finish(swarm) => {
                    self.swarms
                        .handle_disk(self.now, swarm, DiskReport::Finished(Ok(())))
                }
                _ => {}
            }
        }
    }

    /// Takes what the node says on a stream, and notes what it asks for.
    fn read(&mut self, stream: StreamKey) {
        let mut said = Vec::new();
        while let Some(Chunk::Bytes { .. }) = self.swarms.poll_send(self.now, stream) {
            let bytes = self.swarms.bytes(stream).to_vec();
            let swarms = &mut self.swarms;
            swarms.handle_sent(self.now, stream, bytes.len() as u32);
            said.extend(bytes);
        }
        let mut rest = &said[..];
        while !rest.is_empty() {
            let header = Header::parse(rest[..HEADER_SIZE].try_into().unwrap()).unwrap();
            let (frame, after) = rest.split_at(HEADER_SIZE + header.body_size());
            if let Frame::Request(range) =
                Frame::parse(&header, &frame[HEADER_SIZE..], self.network).unwrap()
            {
                self.requests.entry(stream.slot).or_default().push(range);
            }
            rest = after;
        }
    }

    fn requests(&mut self, stream: StreamKey) -> Vec<Range> {
        self.requests.remove(&stream.slot).unwrap_or_default()
    }

    /// Time passes.
    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.swarms.poll_timeout().filter(|&at| at <= end) {
            self.now = self.now.max(at);
            self.swarms.handle_timeout(self.now);
            self.drain(&[]);
        }
        self.now = end;
    }

    /// The peers with ended streams, by their number, and the reasons.
    fn ended(&mut self) -> Vec<(u8, Ended)> {
        let mut ended = Vec::new();
        while let Some(event) = self.swarms.poll_event() {
            if let Event::Disconnected {
                address, reason, ..
            } = event
            {
                let SocketAddr::V4(address) = address else {
                    panic!("nobody came over IPv6");
                };
                ended.push((address.ip().octets()[3], reason));
            }
        }
        ended
    }

    fn is_complete(&self) -> bool {
        self.swarms.progress(FIRST).unwrap().phase == Phase::Complete && self.disk == self.content
    }
}

/// That the other end has the shard.
const HAVE: Frame = Frame::Have { shards: &[0; 4] };

fn refuse(range: Range) -> Frame<'static> {
    let reason = RejectReason::Missing;
    Frame::Refuse { range, reason }
}

#[test]
fn a_rejected_range_is_not_accepted_when_it_comes_later() {
    let (mut getter, _) = Getter::new(true);
    let liar = getter.meet(Holds::None, 0, 0);
    getter.hear(liar, &[HAVE]);
    assert_eq!(getter.requests(liar), [range(0, MIB)]);
    getter.hear_data(liar, range(0, 4_096));
    assert_eq!(getter.requests(liar), [range(MIB, SIZE - MIB)]);
    // It takes its words back, and back again.
    getter.hear(liar, &[refuse(range(4_096, MIB - 4_096)), HAVE]);
    assert_eq!(getter.requests(liar), [range(4_096, MIB)]);

    let honest = getter.meet(Holds::None, 0, 0);
    getter.hear(honest, &[HAVE]);
    getter.wait(2 * SLOW_TIMEOUT);
    getter.hear_data(liar, range(4_096, MIB - 4_096));
    // Of the first request for it; then the little that is wanted.
    getter.hear_data(liar, range(MIB, SIZE - MIB));
    getter.hear_data(liar, range(MIB, 4_096));
    let rest = range(MIB + 4_096, SIZE - MIB - 4_096);
    assert_eq!(getter.requests(honest), [rest]);
    getter.hear_data(honest, rest);
    assert!(getter.is_complete());
    assert_eq!(getter.ended(), [(1, Ended::Done), (2, Ended::Done)]);
}

#[test]
fn a_recalled_range_that_is_refused_takes_those_after_it_along() {
    let (mut getter, _) = Getter::new(true);
    let liar = getter.meet(Holds::None, 0, 0);
    getter.hear(liar, &[HAVE]);
    getter.hear_data(liar, range(0, 4_096));
    let honest = getter.meet(Holds::None, 0, 0);
    getter.hear(honest, &[HAVE]);
    getter.wait(2 * SLOW_TIMEOUT);
    // The first of two that were recalled: no honest node begins with it.
    getter.hear(liar, &[refuse(range(4_096, MIB - 4_096))]);
    assert_eq!(getter.requests(honest), [range(4_096, MIB)]);
    getter.swarms.handle_closed(getter.now, honest);
    getter.requests(liar);
    getter.hear(liar, &[HAVE]);
    assert_eq!(getter.requests(liar), [range(4_096, MIB)]);
    getter.hear_data(liar, range(4_096, MIB - 4_096));
    // Of what was recalled; then what was asked for again.
    getter.hear_data(liar, range(MIB, SIZE - MIB));
    getter.hear_data(liar, range(MIB, 4_096));
    let rest = range(MIB + 4_096, SIZE - MIB - 4_096);
    assert_eq!(getter.requests(liar), [rest]);
    getter.hear_data(liar, rest);
    assert!(getter.is_complete());
}

#[test]
fn a_byte_now_and_then_does_not_hold_a_shard_for_long() {
    let (mut getter, _) = Getter::new(true);
    let slow = getter.meet(Holds::None, 0, 0);
    getter.hear(slow, &[HAVE]);
    let honest = getter.meet(Holds::None, 0, 0);
    getter.hear(slow, &[Frame::Data(range(0, MIB))]);
    getter.hear(honest, &[HAVE]);
    let started = getter.now;
    let mut sent = 0;
    let requests = loop {
        let byte = [getter.content[sent]];
        getter.receive(slow, &byte);
        sent += 1;
        getter.wait(Duration::from_millis(400));
        let requests = getter.requests(honest);
        if !requests.is_empty() {
            break requests;
        }
        assert!(getter.now - started < 2 * RECLAIM_TIMEOUT, "{sent} bytes");
    };
    assert_eq!(getter.ended(), [(1, Ended::Timeout)]);
    assert_eq!(requests, [range(sent as u32, MIB)]);
    getter.hear_data(honest, requests[0]);
    let last = range(sent as u32 + MIB, SIZE - MIB - sent as u32);
    assert_eq!(getter.requests(honest), [last]);
    getter.hear_data(honest, last);
    assert!(getter.is_complete());
}

#[test]
fn a_payload_that_stops_is_waited_for_no_longer_than_an_answer() {
    let (mut getter, _) = Getter::new(true);
    let only = getter.meet(Holds::None, 0, 0);
    getter.hear(only, &[HAVE]);
    getter.hear_data(only, range(0, MIB));
    getter.hear(only, &[Frame::Data(range(MIB, SIZE - MIB))]);
    getter.receive(only, &[1]);
    getter.wait(REQUEST_TIMEOUT);
    assert_eq!(getter.ended(), [(1, Ended::Timeout)]);
}

#[test]
fn a_manifest_comes_in_whole_parts_only() {
    let (mut getter, manifest) = Getter::new(false);
    let whole = manifest.bytes();
    let size = whole.len() as u32;
    let slow = getter.meet(Holds::None, size, 1);
    getter.hear(
        slow,
        &[Frame::ManifestPart {
            total: size,
            offset: 0,
            bytes: &whole[..1],
        }],
    );
    assert_eq!(getter.ended(), [(1, Ended::Protocol)]);
    assert!(whole.len() < MANIFEST_PART_SIZE_MAX);
    let honest = getter.meet(Holds::None, size, 1);
    getter.hear(
        honest,
        &[Frame::ManifestPart {
            total: size,
            offset: 0,
            bytes: whole,
        }],
    );
    assert!(getter.swarms.manifest(FIRST).is_some());
}
