//! A driver that keeps the node's contract and decides nothing: the input says which events happen,
//! and when.
//!
//! It carries out what the node asks for and checks all that the node says: every datagram and
//! frame must parse, no unproved address gets more than it sent, what is written stays within its
//! entry, what is served or called complete is right, and nothing that waits grows without bound.

use super::disk::Disk;
use super::files::File;
use super::other::Other;
use super::packets::{network, parse_frame};
use sprat::address;
use sprat::id::{FileId, Id, NodeId};
use sprat::limits::{DATAGRAM_SIZE_MAX, FRAME_BODY_MAX, OUTBOX_MAX, STREAMS_MAX};
use sprat::node::{Arrival, DiskError, DiskReport, Port, ShareSpec, Transmit};
use sprat::node::{Chunk, Config, Event, FileRange, Node, Output, Prepared, StreamKey, SwarmKey};
use sprat::rng::Rng;
use sprat::time::Instant;
use sprat::wire::{Body, Cookie, Datagram, Frame, Manifest, Token};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

/// Work of one kind that one input may lead to: far above what is right, far below what hurts.
const WORK_MAX: usize = 2_048;
/// Bytes of control frames that may wait on a stream.
const WAITING_MAX: usize = 6 * FRAME_BODY_MAX;
/// Requests of the node that are remembered to be answered.
const ASKED_MAX: usize = 64;

/// The id of the node under test.
pub const OWN_ID: NodeId = NodeId(Id([0x40; 20]));

/// Disk work that waits for its answer.
pub enum Job {
    Prepare(SwarmKey),
    Written(SwarmKey, u32, u32, Result<(), DiskError>),
    Checkpoint(SwarmKey),
    Reopen(SwarmKey),
    Finish(SwarmKey),
    Read(FileRange),
}

/// The proofs in the node's replies to one address.
#[derive(Default)]
pub struct Learnt {
    pub cookie: Cookie,
    /// Write tokens, each with what it is for.
    pub tokens: Vec<(Id, Token)>,
    /// It has shown the node that it receives what is sent to it.
    has_proved: bool,
}

/// A node with all that surrounds it.
pub struct Puppet {
    pub node: Node,
    pub now: Instant,
    pub streams: BTreeMap<StreamKey, Other>,
    pub disks: BTreeMap<SwarmKey, Disk>,
    pub jobs: VecDeque<Job>,
    /// Requests of the node, each with where it was sent.
    pub asked: VecDeque<(SocketAddr, Datagram)>,
    pub learnt: BTreeMap<SocketAddr, Learnt>,
    pub events: Vec<Event>,
    /// The target of the last request.
    last_target: Id,
    /// Where the datagram being handled came from, and how long its reply may be.
    allowance: Option<(SocketAddr, usize)>,
}

impl Puppet {
    /// A node that knows nobody, whose randomness `seed` determines.
    pub fn new(seed: u64) -> Puppet {
        let config = Config {
            id: OWN_ID,
            network: network(),
            port: 4160,
            read_only: false,
        };
        let now = Instant::from_micros(1_000_000);
        Puppet {
            node: Node::new(config, Rng::from_number(seed), now),
            now,
            streams: BTreeMap::new(),
            disks: BTreeMap::new(),
            jobs: VecDeque::new(),
            asked: VecDeque::new(),
            learnt: BTreeMap::new(),
            events: Vec::new(),
            last_target: Id::default(),
            allowance: None,
        }
    }

    // -- facts

    /// Fetches a file, which lies on disk as `entries`.
    pub fn fetch(&mut self, file: &'static File, knows: bool, providers: &[SocketAddr]) {
        let manifest: Option<Manifest> = knows.then(|| file.manifest.clone());
        let id: FileId = file.manifest.file_id();
        if let Ok(key) = self.node.fetch(self.now, id, manifest, providers) {
            let sizes = file.entries.iter().map(Vec::len);
            let entries = sizes.map(|size| vec![0; size]).collect();
            self.disks.insert(
                key,
                Disk {
                    file: Some(file),
                    entries,
                },
            );
        }
        self.drain(&[]);
    }

    /// Shares files of zeros.
    pub fn share(&mut self, share: ShareSpec) {
        let sizes = share.entries.iter().map(|entry| entry.size as usize);
        let entries = sizes.map(|size| vec![0; size]);
        let disk = Disk {
            file: None,
            entries: entries.collect(),
        };
        if let Ok(key) = self.node.share(self.now, share) {
            self.disks.insert(key, disk);
        }
        self.drain(&[]);
    }

    /// Joins through a node.
    pub fn bootstrap(&mut self, address: SocketAddr) {
        self.node.bootstrap(self.now, address);
        self.drain(&[]);
    }

    /// Says goodbye to everybody.
    pub fn stop(&mut self) {
        self.node.stop(self.now);
        self.drain(&[]);
    }

    /// Delivers a datagram.
    pub fn datagram(&mut self, from: SocketAddr, bytes: &[u8]) {
        self.allowance = None;
        if let Ok(datagram) = Datagram::parse(bytes, network()) {
            match &datagram.body {
                Body::FindNode { target, .. } => self.last_target = *target,
                Body::FindValue { file, .. } => self.last_target = file.0,
                _ => {}
            }
            let from = address::canonical(from);
            let is_free = self.shows_receipt(from, &datagram);
            let size = if is_free {
                DATAGRAM_SIZE_MAX
            } else {
                bytes.len()
            };
            self.allowance = Some((from, size));
        }
        let arrival = Arrival {
            from,
            port: Port::Node,
            is_on_link: true,
        };
        self.node.handle_datagram(self.now, arrival, bytes);
        self.drain(&[]);
        self.allowance = None;
    }

    /// Whether `from` has shown, now or before, that it receives what is sent to it. A proof that
    /// was not given out counts for this datagram alone: the node knows whether it was a lucky
    /// guess.
    fn shows_receipt(&mut self, from: SocketAddr, datagram: &Datagram) -> bool {
        let answers = self.asked.iter().any(|(to, asked)| {
            *to == from && asked.rpc_id == datagram.rpc_id && datagram.body.is_reply()
        });
        let learnt = self.learnt.entry(from).or_default();
        let is_guess = match &datagram.body {
            Body::Ping { cookie, .. }
            | Body::FindNode { cookie, .. }
            | Body::FindValue { cookie, .. } => {
                learnt.has_proved |= *cookie == learnt.cookie && *cookie != Cookie::NONE;
                *cookie != Cookie::NONE
            }
            Body::Store { .. } | Body::Replicate { .. } => true,
            _ => {
                learnt.has_proved |= answers;
                false
            }
        };
        learnt.has_proved || is_guess
    }

    /// A node connects; whether there was room.
    pub fn accept(&mut self, from: SocketAddr) -> Option<StreamKey> {
        let key = self.node.handle_accept(self.now, from);
        assert!(
            key.is_none() || self.streams.len() < STREAMS_MAX,
            "streams are bounded"
        );
        if let Some(key) = key {
            self.streams.insert(key, Other::default());
        }
        self.drain(&[]);
        key
    }

    /// The connection that the node makes stands, or could not be made.
    pub fn connect(&mut self, key: StreamKey, stands: bool) {
        let Some(other) = self.streams.get_mut(&key) else {
            return;
        };
        if stands && other.dialling {
            other.dialling = false;
            self.node.handle_connected(self.now, key);
        } else {
            self.streams.remove(&key);
            self.node.handle_closed(self.now, key);
        }
        self.drain(&[]);
    }

    /// Delivers bytes of a stream.
    pub fn receive(&mut self, key: StreamKey, bytes: &[u8]) {
        if self.streams.get(&key).is_some_and(|other| !other.dialling) {
            self.node.handle_received(self.now, key, bytes);
            self.drain(bytes);
        }
    }

    /// Lets time pass, and the node do what is due.
    pub fn wait(&mut self, micros: u64) {
        self.now = Instant::from_micros(self.now.as_micros() + micros);
        for _ in 0..64 {
            self.node.handle_timeout(self.now);
            self.drain(&[]);
            if self.node.poll_timeout().is_none_or(|at| at > self.now) {
                return;
            }
        }
        panic!("the node asks again and again for a time that has passed");
    }

    /// Lets a stream send at most `budget` bytes; with `fails`, a file cannot be read.
    pub fn send(&mut self, key: StreamKey, mut budget: usize, fails: bool) {
        while self.streams.get(&key).is_some_and(|other| !other.dialling) && budget > 0 {
            let Some(chunk) = self.node.poll_send(self.now, key) else {
                if let Some(other) = self.streams.get_mut(&key) {
                    other.wants_to_send = false;
                }
                break;
            };
            let count = match chunk {
                Chunk::Bytes { .. } => {
                    let bytes = self.node.bytes(key);
                    let count = bytes.len().min(budget);
                    assert!(count > 0, "a chunk of no bytes");
                    let other = self.streams.get_mut(&key).expect("it was there");
                    other.hear(&bytes[..count]);
                    count
                }
                Chunk::File(_) if fails => {
                    self.node
                        .handle_unsendable(self.now, key, DiskError::Truncated);
                    break;
                }
                Chunk::File(range) => self.serve(key, range, budget),
            };
            budget -= count;
            self.node.handle_sent(self.now, key, count as u32);
        }
        self.drain(&[]);
    }

    /// Sends a range of a file: it must be right.
    fn serve(&mut self, key: StreamKey, range: FileRange, budget: usize) -> usize {
        let disk = &self.disks[&range.swarm];
        let bytes = disk.range(range);
        if let Some(file) = disk.file {
            let start = range.offset as usize;
            let right = &file.entries[range.entry as usize][start..start + bytes.len()];
            assert!(bytes == right, "served bytes are verified");
        }
        let count = bytes.len().min(budget);
        let other = self.streams.get_mut(&key).expect("it was there");
        let left = other.payload_left.checked_sub(count as u32);
        other.payload_left = left.expect("no more payload than was announced");
        count
    }

    fn report(&mut self, swarm: SwarmKey, report: DiskReport<'_>) {
        self.node.handle_disk(self.now, swarm, report);
    }

    /// Answers the oldest disk work.
    pub fn do_job(&mut self, prepared: Result<Prepared, DiskError>, is_right: bool) {
        let failure = prepared.err();
        let done = failure.map_or(Ok(()), Err);
        match self.jobs.pop_front() {
            Some(Job::Prepare(swarm)) => {
                if let (Some(disk), true) = (self.disks.get_mut(&swarm), is_right) {
                    let file = disk.file.expect("only fetches are prepared");
                    disk.entries.clone_from(&file.entries);
                }
                self.report(swarm, DiskReport::Prepared(prepared));
            }
            Some(Job::Written(swarm, shard, length, result)) => {
                self.report(
                    swarm,
                    DiskReport::Written {
                        shard,
                        length,
                        result,
                    },
                );
            }
            Some(Job::Checkpoint(swarm)) => {
                self.report(swarm, DiskReport::Checkpointed(done));
            }
            Some(Job::Reopen(swarm)) => self.report(swarm, DiskReport::Reopened(done)),
            Some(Job::Finish(swarm)) => self.report(swarm, DiskReport::Finished(done)),
            Some(Job::Read(range)) => {
                let result = match (failure, self.disks.get(&range.swarm)) {
                    (None, Some(disk)) => Ok(disk.range(range)),
                    _ => Err(DiskError::Failed),
                };
                let report = DiskReport::Read(result);
                self.node.handle_disk(self.now, range.swarm, report);
            }
            None => {
                if let Some(range) = self.node.poll_read(self.now) {
                    self.jobs.push_back(Job::Read(range));
                }
            }
        }
        self.drain(&[]);
    }

    // -- work

    /// Carries out all that the node asks for; `buffer` is what it was given last.
    pub fn drain(&mut self, buffer: &[u8]) {
        let mut work = 0;
        while let Some(output) = self.node.poll_output() {
            work += 1;
            assert!(work < WORK_MAX, "one input leads to work without end");
            self.carry_out(output, buffer);
        }
        self.drain_datagrams();
        while let Some(event) = self.node.poll_event() {
            self.hear_event(event);
        }
        assert!(self.streams.len() <= STREAMS_MAX, "streams are bounded");
        for key in self.streams.keys() {
            let waiting = self.node.bytes(*key).len();
            assert!(waiting <= WAITING_MAX, "{waiting} bytes wait on a stream");
        }
    }

    fn carry_out(&mut self, output: Output, buffer: &[u8]) {
        match output {
            Output::Connect { stream, to } => {
                assert!(address::is_usable(to), "{to} cannot be connected to");
                let dialling = Other {
                    dialling: true,
                    ..Other::default()
                };
                assert!(self.streams.insert(stream, dialling).is_none());
            }
            Output::Send(stream) => {
                if let Some(other) = self.streams.get_mut(&stream) {
                    other.wants_to_send = true;
                }
            }
            Output::Close { stream, last_words } => {
                let words = last_words.as_ref();
                let goodbye = parse_frame(words);
                assert!(words.is_empty() || matches!(goodbye, Some((Frame::Close { .. }, _))));
                let other = self
                    .streams
                    .remove(&stream)
                    .expect("a stream that there is");
                let between = other.partial.is_empty() && other.payload_left == 0;
                assert!(
                    words.is_empty() || between,
                    "a goodbye in the middle of a frame"
                );
            }
            Output::Prepare(swarm) => self.jobs.push_back(Job::Prepare(swarm)),
            Output::Checkpoint(swarm) => {
                let held = |shard| self.node.swarms().holds(swarm, shard);
                assert!(
                    self.node
                        .swarms()
                        .checkpoint(swarm)
                        .unwrap()
                        .gained()
                        .all(held),
                    "only what is held is kept"
                );
                self.jobs.push_back(Job::Checkpoint(swarm));
            }
            Output::Reopen(swarm) => self.jobs.push_back(Job::Reopen(swarm)),
            Output::Finish(swarm) => {
                let disk = &self.disks[&swarm];
                let file = disk.file.expect("only fetches are finished");
                assert!(disk.entries == file.entries, "a finished file is right");
                self.jobs.push_back(Job::Finish(swarm));
            }
            Output::Write {
                range,
                start,
                shard,
            } => {
                let bytes = &buffer[start as usize..][..range.length as usize];
                let disk = self
                    .disks
                    .get_mut(&range.swarm)
                    .expect("a swarm that there is");
                let entry = &mut disk.entries[range.entry as usize];
                let at = range.offset as usize;
                entry[at..at + bytes.len()].copy_from_slice(bytes);
                let job = Job::Written(range.swarm, shard, range.length, Ok(()));
                self.jobs.push_back(job);
            }
        }
    }

    fn drain_datagrams(&mut self) {
        let mut buffer = [0; DATAGRAM_SIZE_MAX];
        let mut count = 0;
        while let Some(Transmit { to, size }) = self.node.poll_datagram(self.now, &mut buffer) {
            count += 1;
            assert!(
                count <= OUTBOX_MAX,
                "one input leads to datagrams without end"
            );
            assert!(address::is_usable(to), "{to} cannot be sent to");
            let datagram = Datagram::parse(&buffer[..size], network()).expect("a right datagram");
            assert_eq!(datagram.sender, OWN_ID);
            if datagram.body.is_reply() {
                self.hear_reply(to, size, &datagram);
            } else {
                if self.asked.len() == ASKED_MAX {
                    self.asked.pop_front();
                }
                self.asked.push_back((to, datagram));
            }
        }
    }

    fn hear_reply(&mut self, to: SocketAddr, size: usize, datagram: &Datagram) {
        let (from, allowance) = self.allowance.expect("a reply to nothing");
        assert_eq!(to, from, "a reply goes to its requester");
        let target = self.last_target;
        let learnt = self.learnt.entry(to).or_default();
        assert!(
            size <= allowance,
            "a {:?} of {size} bytes for {allowance}",
            datagram.body.kind()
        );
        if let Some(seen) = datagram.body.seen() {
            assert_eq!(seen.address, to, "the asker is told its own address");
            learnt.cookie = seen.cookie;
        }
        if let Body::FindNodeReply {
            token, contacts, ..
        }
        | Body::FindValueReply {
            token, contacts, ..
        } = &datagram.body
        {
            if learnt.tokens.len() == 8 {
                learnt.tokens.remove(0);
            }
            learnt.tokens.push((target, *token));
            let sorted = contacts.is_sorted_by_key(|contact| target.distance(&contact.id.0));
            assert!(sorted, "the closest contacts come first");
            assert!(contacts.iter().all(|contact| contact.id != OWN_ID));
        }
    }

    fn hear_event(&mut self, event: Event) {
        if let Event::Complete { swarm, .. } = event {
            let disk = &self.disks[&swarm];
            let file = disk.file.expect("only fetches become complete");
            assert!(disk.entries == file.entries, "a complete file is right");
        }
        if self.events.len() < WORK_MAX {
            self.events.push(event);
        }
    }
}
