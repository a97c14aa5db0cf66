//! A small world for swarms: nodes in one process, streams that carry bytes in pieces of any size,
//! disks in memory. No Kademlia: nodes are told of providers.

use sprat::id::{FileId, Id, NodeId};
use sprat::limits::RECEIVE_BUFFER_SIZE;
use sprat::output::{
    Chunk, DiskError, DiskReport, Event, FileRange, Output, Prepared, StreamKey, SwarmKey,
};
use sprat::rng::Rng;
use sprat::swarm::{Config, Request, ShareSpec, Swarms};
use sprat::time::{Instant, earliest};
use sprat::wire::{Entries, Manifest, Network};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

/// The greatest number of bytes on their way in one direction of a stream.
const PIPE_SIZE: usize = 96 * 1024;

/// One node with its disk.
pub struct Peer {
    pub swarms: Swarms,
    pub location: SocketAddr,
    pub events: Vec<Event>,
    pub requests: Vec<Request>,
    pub disk: BTreeMap<u32, Disk>,
    pub received: usize,
    /// Bytes that it may send in a step, when that is less than others.
    pub uplink: usize,
    /// Bytes that it may still send in this step.
    pub credit: usize,
    pub alive: bool,
}

/// The files of one swarm on a node's disk.
#[derive(Default)]
pub struct Disk {
    pub entries: Vec<Vec<u8>>,
    pub prepared: Option<Prepared>,
    pub writes_left: Option<u32>,
    pub journal_is_full: bool,
    pub finished: bool,
    /// Whether a finished file may be written, once that was asked for.
    pub reopened: Option<Result<(), DiskError>>,
    /// Reads for others that fail.
    pub unreadable: u32,
    /// How often that was.
    pub reopenings: u32,
    /// The next sync at the end fails.
    pub finish_fails: bool,
    /// Checkpoints are answered only when the test does so.
    pub is_slow: bool,
    /// A checkpoint waits for its answer.
    pub committing: bool,
}

/// One end of a connection: which node, and which of its streams.
type End = (usize, StreamKey);

/// Nodes and the connections between them.
pub struct World {
    pub now: Instant,
    pub rng: Rng,
    pub peers: Vec<Peer>,
    /// Bytes that each node may send in a step of 100 µs.
    pub uplink: usize,
    /// Each end's other end, and what is on its way to it.
    pipes: BTreeMap<End, (End, VecDeque<u8>)>,
}

impl World {
    pub fn new(seed: u64) -> World {
        println!("seed {seed}");
        let rng = Rng::from_number(seed);
        World {
            now: Instant::ZERO,
            rng,
            peers: Vec::new(),
            uplink: usize::MAX,
            pipes: BTreeMap::new(),
        }
    }

    /// Adds a node; its number.
    pub fn node(&mut self) -> usize {
        let number = self.peers.len();
        let id = NodeId(Id([number as u8 + 1; 20]));
        let config = Config {
            id,
            network: Network::named("test"),
            port: 4160,
        };
        self.peers.push(Peer {
            swarms: Swarms::new(config, self.rng.split()),
            location: SocketAddr::from(([10, 0, 0, number as u8 + 1], 4160)),
            events: Vec::new(),
            requests: Vec::new(),
            disk: BTreeMap::new(),
            received: 0,
            uplink: usize::MAX,
            credit: 0,
            alive: true,
        });
        number
    }

    /// Node `number` shares these entries; the file's id.
    pub fn share(&mut self, number: usize, entries: &[(&str, Vec<u8>)]) -> FileId {
        let spec = ShareSpec {
            name: "name".to_string(),
            folder: !entries[0].0.is_empty(),
            entries: Entries::of(entries.iter().map(|(path, b)| (path, b.len() as u64))).unwrap(),
        };
        let key = self.peers[number].swarms.share(self.now, spec).unwrap();
        let disk = self.peers[number].disk.entry(key.slot).or_default();
        disk.entries = entries.iter().map(|(_, bytes)| bytes.clone()).collect();
        self.run_until(Duration::from_secs(5), |world| {
            world.peers[number]
                .events
                .iter()
                .any(|event| matches!(event, Event::Shared { .. }))
        });
        let shared = self.peers[number]
            .events
            .iter()
            .find_map(|event| match event {
                Event::Shared { swarm, file } if *swarm == key => Some(*file),
                _ => None,
            });
        shared.expect("the share was hashed")
    }

    /// Node `number` fetches a file from these nodes.
    pub fn fetch(&mut self, number: usize, file: FileId, from: &[usize]) -> SwarmKey {
        let locations: Vec<_> = from.iter().map(|&from| self.peers[from].location).collect();
        let now = self.now;
        let swarms = &mut self.peers[number].swarms;
        let key = swarms.fetch(now, file, None, &locations).unwrap();
        swarms.handle_timeout(now);
        key
    }

    pub fn is_complete(&self, number: usize) -> bool {
        let complete = |event: &Event| matches!(event, Event::Complete { .. });
        self.peers[number].events.iter().any(complete)
    }

    /// The node is gone at once, as by a power cut.
    pub fn kill(&mut self, number: usize) {
        self.peers[number].alive = false;
        let ends: Vec<End> = self
            .pipes
            .keys()
            .copied()
            .filter(|end| end.0 == number)
            .collect();
        ends.into_iter().for_each(|end| self.cut(end));
    }

    /// Runs until `done` or for `time`; whether it was done.
    pub fn run_until(&mut self, time: Duration, mut done: impl FnMut(&World) -> bool) -> bool {
        let end = self.now + time;
        while !done(self) {
            let moved = self.step();
            if moved {
                self.now += Duration::from_micros(100);
                continue;
            }
            let due = self.peers.iter().filter(|peer| peer.alive);
            let next = due
                .map(|peer| peer.swarms.poll_timeout())
                .fold(None, earliest);
            self.now = next.unwrap_or(end).max(self.now + Duration::from_micros(1));
            if self.now > end {
                return false;
            }
            let now = self.now;
            for peer in self.peers.iter_mut().filter(|peer| peer.alive) {
                peer.swarms.handle_timeout(now);
            }
        }
        true
    }

    /// One round over all nodes; whether anything moved.
    fn step(&mut self) -> bool {
        let mut moved = false;
        for number in 0..self.peers.len() {
            if self.peers[number].alive {
                self.peers[number].credit = self.uplink.min(self.peers[number].uplink);
                moved |= self.resume(number);
                moved |= self.drain(number, &[]);
                moved |= self.read(number);
                moved |= self.receive(number);
            }
        }
        moved
    }

    /// Lets the streams of a node go on sending, in random order.
    fn resume(&mut self, number: usize) -> bool {
        let mut ends: Vec<End> = self
            .pipes
            .keys()
            .copied()
            .filter(|end| end.0 == number)
            .collect();
        self.rng.shuffle(&mut ends);
        ends.iter().for_each(|end| self.send(number, end.1));
        self.peers[number].credit < self.uplink.min(self.peers[number].uplink)
    }

    /// Carries out what a node asks for; `buffer` is what it was given last.
    fn drain(&mut self, number: usize, buffer: &[u8]) -> bool {
        let mut moved = false;
        while let Some(output) = self.peers[number].swarms.poll_output() {
            moved = true;
            match output {
                Output::Connect { stream, to } => self.connect(number, stream, to),
                Output::Send(stream) => self.send(number, stream),
                Output::Close { stream, last_words } => {
                    let words = last_words.as_ref();
                    if let Some((_, pipe)) = self.pipes.get_mut(&(number, stream)) {
                        pipe.extend(words);
                    }
                    self.hang_up((number, stream));
                }
                Output::Prepare(swarm) => self.prepare(number, swarm),
                Output::Write {
                    range,
                    start,
                    shard,
                } => {
                    let bytes = &buffer[start as usize..][..range.length as usize];
                    self.write(number, range, shard, bytes);
                }
                Output::Checkpoint(swarm) => {
                    let Peer { swarms, disk, .. } = &mut self.peers[number];
                    let disk = disk.entry(swarm.slot).or_default();
                    assert!(!disk.committing, "one checkpoint at a time");
                    disk.committing = disk.is_slow;
                    let result = match disk.journal_is_full {
                        true => Err(DiskError::NoSpace),
                        false => Ok(()),
                    };
                    if !disk.is_slow {
                        swarms.handle_disk(self.now, swarm, DiskReport::Checkpointed(result));
                    }
                }
                Output::Reopen(swarm) => {
                    let peer = &mut self.peers[number];
                    let disk = peer.disk.get_mut(&swarm.slot).unwrap();
                    disk.reopenings += 1;
                    let result = *disk.reopened.get_or_insert(Ok(()));
                    peer.swarms
                        .handle_disk(self.now, swarm, DiskReport::Reopened(result));
                }
                Output::Finish(swarm) => {
                    let peer = &mut self.peers[number];
                    let disk = peer.disk.get_mut(&swarm.slot).unwrap();
                    let result = match std::mem::take(&mut disk.finish_fails) {
                        true => Err(DiskError::Failed),
                        false => Ok(()),
                    };
                    disk.finished = true;
                    peer.swarms
                        .handle_disk(self.now, swarm, DiskReport::Finished(result));
                }
            }
        }
        let peer = &mut self.peers[number];
        while let Some(event) = peer.swarms.poll_event() {
            moved = true;
            peer.events.push(event);
        }
        while let Some(request) = peer.swarms.poll_request() {
            peer.requests.push(request);
            if let Request::FindProviders(file) = request {
                peer.swarms.handle_looked_up(self.now, file, Some(0));
            }
        }
        moved
    }

    fn connect(&mut self, number: usize, stream: StreamKey, to: SocketAddr) {
        let other = self
            .peers
            .iter()
            .position(|peer| peer.location == to && peer.alive);
        let from = SocketAddr::new(self.peers[number].location.ip(), 50_000);
        let now = self.now;
        let accepted = other
            .and_then(|other| Some((other, self.peers[other].swarms.handle_accept(now, from)?)));
        let Some(end) = accepted else {
            return self.peers[number].swarms.handle_closed(now, stream);
        };
        self.pipes.insert((number, stream), (end, VecDeque::new()));
        self.pipes.insert(end, ((number, stream), VecDeque::new()));
        self.peers[number].swarms.handle_connected(now, stream);
    }

    /// Lets a stream send as much as the pipe takes, in pieces of random size.
    fn send(&mut self, number: usize, stream: StreamKey) {
        while let Some((_, pipe)) = self.pipes.get_mut(&(number, stream)) {
            let peer = &mut self.peers[number];
            let room = (PIPE_SIZE - pipe.len().min(PIPE_SIZE)).min(peer.credit);
            let Some(chunk) = peer.swarms.poll_send(self.now, stream) else {
                return;
            };
            if room == 0 {
                return;
            }
            let limit = room.min(1 + self.rng.below(20_000) as usize);
            let sent = match chunk {
                Chunk::Bytes { .. } => {
                    let bytes = peer.swarms.bytes(stream);
                    let count = bytes.len().min(limit);
                    assert!(count > 0, "a chunk of no bytes");
                    pipe.extend(&bytes[..count]);
                    count
                }
                Chunk::File(FileRange {
                    swarm,
                    entry,
                    offset,
                    length,
                }) => {
                    let disk = peer.disk.get_mut(&swarm.slot).unwrap();
                    if disk.unreadable > 0 {
                        disk.unreadable -= 1;
                        let error = DiskError::Failed;
                        peer.swarms.handle_unsendable(self.now, stream, error);
                        return;
                    }
                    let bytes = &disk.entries[entry as usize];
                    let Some(bytes) =
                        bytes.get(offset as usize..(offset + u64::from(length)) as usize)
                    else {
                        return peer.swarms.handle_unsendable(
                            self.now,
                            stream,
                            DiskError::Truncated,
                        );
                    };
                    let count = bytes.len().min(limit);
                    pipe.extend(&bytes[..count]);
                    count
                }
            };
            peer.credit -= sent;
            peer.swarms.handle_sent(self.now, stream, sent as u32);
        }
    }

    /// Gives a node what has arrived for it.
    fn receive(&mut self, number: usize) -> bool {
        let mut moved = false;
        let ends: Vec<End> = self
            .pipes
            .keys()
            .copied()
            .filter(|end| end.0 == number)
            .collect();
        for end in ends {
            let Some(&(other, _)) = self.pipes.get(&end) else {
                continue;
            };
            let Some((_, incoming)) = self.pipes.get_mut(&other) else {
                self.pipes.remove(&end);
                self.peers[number].swarms.handle_closed(self.now, end.1);
                moved = true;
                continue;
            };
            let limit = 1 + self.rng.below(RECEIVE_BUFFER_SIZE as u64) as usize;
            let count = incoming.len().min(limit);
            if count > 0 {
                let bytes: Vec<u8> = incoming.drain(..count).collect();
                self.peers[number].received += count;
                self.peers[number]
                    .swarms
                    .handle_received(self.now, end.1, &bytes);
                self.drain(number, &bytes);
                moved = true;
            } else if self.pipes.get(&other).is_some_and(|(to, _)| *to != end) {
                self.cut(end);
            }
        }
        moved
    }

    fn read(&mut self, number: usize) -> bool {
        let peer = &mut self.peers[number];
        let Some(range) = peer.swarms.poll_read(self.now) else {
            return false;
        };
        let entry = &peer.disk[&range.swarm.slot].entries[range.entry as usize];
        let end = (range.offset + u64::from(range.length)) as usize;
        let bytes = entry
            .get(range.offset as usize..end)
            .ok_or(DiskError::Truncated);
        peer.swarms
            .handle_disk(self.now, range.swarm, DiskReport::Read(bytes));
        true
    }

    fn prepare(&mut self, number: usize, swarm: SwarmKey) {
        let peer = &mut self.peers[number];
        let manifest: &Manifest = peer.swarms.manifest(swarm).unwrap();
        let disk = peer.disk.entry(swarm.slot).or_default();
        let found = disk.prepared.unwrap_or(Prepared::Fresh);
        if found == Prepared::Fresh {
            disk.entries = manifest
                .entries()
                .iter()
                .map(|e| vec![0; e.size as usize])
                .collect();
        }
        peer.swarms
            .handle_disk(self.now, swarm, DiskReport::Prepared(Ok(found)));
    }

    fn write(&mut self, number: usize, range: FileRange, shard: u32, bytes: &[u8]) {
        let peer = &mut self.peers[number];
        let disk = peer.disk.get_mut(&range.swarm.slot).unwrap();
        assert!(
            !disk.finished || disk.reopened == Some(Ok(())),
            "a finished file is written before it was opened for that"
        );
        let result = match &mut disk.writes_left {
            Some(0) => Err(DiskError::NoSpace),
            left => {
                left.iter_mut().for_each(|left| *left -= 1);
                let start = range.offset as usize;
                disk.entries[range.entry as usize][start..start + bytes.len()]
                    .copy_from_slice(bytes);
                Ok(())
            }
        };
        peer.swarms.handle_disk(
            self.now,
            range.swarm,
            DiskReport::Written {
                shard,
                length: range.length,
                result,
            },
        );
    }

    /// Ends a connection from one end: what is on its way still arrives.
    fn hang_up(&mut self, end: End) {
        if let Some((other, pipe)) = self.pipes.remove(&end) {
            let number = other.0;
            let bytes: Vec<u8> = pipe.into();
            if self.peers[number].alive && self.pipes.remove(&other).is_some() {
                self.peers[number]
                    .swarms
                    .handle_received(self.now, other.1, &bytes);
                self.drain(number, &bytes);
                self.peers[number].swarms.handle_closed(self.now, other.1);
                self.drain(number, &[]);
            }
        }
    }

    /// Ends a connection for both ends: what is on its way is lost.
    fn cut(&mut self, end: End) {
        if let Some((other, _)) = self.pipes.remove(&end) {
            self.pipes.remove(&other);
            for (number, stream) in [end, other] {
                if self.peers[number].alive {
                    self.peers[number].swarms.handle_closed(self.now, stream);
                }
            }
        }
    }
}
