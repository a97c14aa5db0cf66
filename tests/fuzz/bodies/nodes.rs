//! A whole node under a list of operations: datagrams, streams, time, disk and the owner's
//! commands.
//!
//! The first byte is the node's seed; then each operation is a byte and what it needs. Hostile and
//! honest ones stand side by side, because a bug seldom lies on the first step: an operation can
//! echo the node's own cookies, tokens and RPC ids, and send the shards that it asks for.

use super::files::file;
use super::ids::{address, contacts, file_id, id, id_at, usable};
use super::input::Input;
use super::packets::{self, frame_bytes, network, raw_frame};
use super::puppet::Puppet;
use sprat::id::{FileId, NodeId};
use sprat::limits::{DATAGRAM_SIZE_MAX, PROVIDERS_PER_REPLY_MAX, SHARD_COUNT_MAX};
use sprat::node::{DiskError, Prepared, ShareSpec, StreamKey};
use sprat::wire::native::datagram::{ErrorCode, HandedProvider, Seen, Status};
use sprat::wire::native::frame::{CloseReason, Hello, Holds, RejectReason};
use sprat::wire::native::frame::{location_bytes, shard_bytes};
use sprat::wire::{Body, Cookie, Datagram, Entries, Frame, RpcId, Token};
use std::net::SocketAddr;

/// Operations of one input: more only repeat themselves.
const OPERATIONS_MAX: usize = 1_000;

/// The body of the target.
pub fn run(bytes: &[u8]) {
    play(bytes);
}

/// Carries out the operations; the node and all around it as they are then.
pub fn play(bytes: &[u8]) -> Puppet {
    let input = &mut Input::new(bytes);
    let mut puppet = Puppet::new(u64::from(input.byte()));
    for _ in 0..OPERATIONS_MAX {
        if input.is_empty() {
            break;
        }
        operate(&mut puppet, input);
    }
    puppet.wait(1);
    puppet
}

fn operate(puppet: &mut Puppet, input: &mut Input) {
    match input.byte() % 24 {
        0 => puppet.wait(1_000),
        1 => puppet.wait(100_000 * u64::from(input.byte())),
        2 => puppet.wait(input.choose(&[5_000_000, 11_000_000, 61_000_000, 301_000_000])),
        3 => puppet.wait(3_700_000_000),
        4 => raw_datagram(puppet, input),
        5 | 6 => request(puppet, input),
        7 | 8 => reply(puppet, input),
        9 => {
            let from = usable(input);
            puppet.accept(from);
        }
        10 => open(puppet, input),
        11 => with_stream(puppet, input, |puppet, input, key| {
            let size = usize::from(input.byte());
            let bytes = input.bytes(size).to_vec();
            deliver(puppet, input, key, bytes);
        }),
        12 | 13 => with_stream(puppet, input, send_frame),
        14 => with_stream(puppet, input, answer_request),
        15 => with_stream(puppet, input, answer_manifest),
        16 => with_stream(puppet, input, |puppet, input, key| {
            deliver(puppet, input, key, Vec::new());
        }),
        17 => with_stream(puppet, input, |puppet, input, key| {
            let budget = input.choose(&[1, 13, 100, 1_000, 70_000, 1_000_000]);
            puppet.send(key, budget, input.byte() == 1);
        }),
        18 => with_stream(puppet, input, |puppet, _, key| puppet.connect(key, true)),
        19 => with_stream(puppet, input, |puppet, _, key| puppet.connect(key, false)),
        20 | 21 => disk(puppet, input),
        22 => command(puppet, input),
        _ => {
            let file = file(input.below(4));
            let providers = [usable(input), usable(input)];
            let knows = input.bit();
            puppet.fetch(file, knows, &providers[..input.below(3)]);
        }
    }
}

// -- datagrams

fn raw_datagram(puppet: &mut Puppet, input: &mut Input) {
    let from = address(input);
    let size = input.byte();
    let mut bytes = input.bytes(usize::from(size)).to_vec();
    if input.bit() {
        packets::mend_datagram(&mut bytes, packets::network());
    }
    puppet.datagram(from, &bytes);
}

fn send_datagram(puppet: &mut Puppet, from: SocketAddr, datagram: &Datagram) {
    let mut buffer = [0; DATAGRAM_SIZE_MAX];
    let size = datagram.emit(network(), &mut buffer);
    puppet.datagram(from, &buffer[..size]);
}

fn request(puppet: &mut Puppet, input: &mut Input) {
    let from = address(input);
    let learnt = puppet.learnt.get(&from);
    let cookie = match (input.below(3), learnt) {
        (0, Some(learnt)) => learnt.cookie,
        (1, _) => Cookie(u64::from(input.word())),
        _ => Cookie::NONE,
    };
    let known = learnt.and_then(|learnt| learnt.tokens.last().copied());
    let (key, token) = match (input.bit(), known) {
        (false, Some(known)) => known,
        _ => (file_id(input).0, Token(u64::from(input.word()))),
    };
    let file = FileId(key);
    let body = match input.below(5) {
        0 => Body::Ping { cookie, padding: 0 },
        1 => Body::FindNode {
            target: id(input),
            cookie,
            padding: 0,
        },
        2 => Body::FindValue {
            file: file_id(input),
            cookie,
            padding: 0,
        },
        3 => Body::Store {
            file,
            token,
            port: input.short().max(1),
            ttl: input.choose(&[0, 60, 7_200, u32::MAX]),
            padding: 0,
        },
        _ => {
            let count = input.below(PROVIDERS_PER_REPLY_MAX) + 1;
            let provider = |_| HandedProvider {
                location: usable(input),
                ttl: input.choose(&[0, 60, 7_200, u32::MAX]),
            };
            Body::Replicate {
                file,
                token,
                providers: (0..count).map(provider).collect(),
                padding: 0,
            }
        }
    };
    let size = input.choose(&[0, 100, 400, DATAGRAM_SIZE_MAX]);
    let datagram = Datagram {
        read_only: input.byte() == 1,
        rpc_id: RpcId([input.byte(); 20]),
        sender: NodeId(id(input)),
        body: body.padded_to(size),
    };
    send_datagram(puppet, from, &datagram);
}

/// Answers one of the node's requests, more or less as it should be.
fn reply(puppet: &mut Puppet, input: &mut Input) {
    if puppet.asked.is_empty() {
        return;
    }
    let index = input.below(puppet.asked.len());
    let (to, asked) = puppet.asked[index].clone();
    let from = if input.byte() == 1 {
        address(input)
    } else {
        to
    };
    let port = input.choose(&[4160, 4161]);
    let seen = Seen {
        address: SocketAddr::from(([192, 0, 2, input.byte() & 3], port)),
        cookie: Cookie(u64::from(input.byte())),
    };
    let status = input.choose(&[
        Status::Stored,
        Status::Full,
        Status::BadToken,
        Status::Refused,
    ]);
    let token = Token(7);
    let sender = match input.below(8) {
        0 => NodeId(id(input)),
        _ => id_at(to),
    };
    let body = match asked.body {
        _ if input.byte() == 1 => Body::Error {
            seen,
            code: ErrorCode::Busy,
        },
        Body::Ping { .. } => Body::PingReply { seen },
        Body::FindNode { .. } => Body::FindNodeReply {
            seen,
            token,
            contacts: contacts(input).collect(),
        },
        Body::FindValue { .. } => {
            let count = input.below(PROVIDERS_PER_REPLY_MAX + 1);
            Body::FindValueReply {
                seen,
                token,
                provides: input.bit(),
                providers: (0..count).map(|_| usable(input)).collect(),
                contacts: contacts(input).collect(),
            }
        }
        Body::Store { .. } => Body::StoreReply { seen, status },
        _ => Body::ReplicateReply { seen, status },
    };
    let datagram = Datagram {
        read_only: input.byte() == 1,
        rpc_id: asked.rpc_id,
        sender,
        body,
    };
    send_datagram(puppet, from, &datagram);
    if input.byte() != 1 {
        puppet
            .asked
            .retain(|(_, other)| other.rpc_id != asked.rpc_id);
    }
}

// -- streams

fn with_stream(
    puppet: &mut Puppet,
    input: &mut Input,
    act: impl Fn(&mut Puppet, &mut Input, StreamKey),
) {
    let count = puppet.streams.len();
    if count > 0 {
        let index = input.below(count);
        let key = puppet.streams.keys().nth(index).copied();
        act(puppet, input, key.expect("one of them"));
    }
}

/// Puts bytes behind those that are on their way, and lets some or all arrive, perhaps in pieces.
fn deliver(puppet: &mut Puppet, input: &mut Input, key: StreamKey, bytes: Vec<u8>) {
    let Some(other) = puppet.streams.get_mut(&key) else {
        return;
    };
    other.backlog.extend(bytes);
    let size = input.choose(&[usize::MAX, 0, 1, 11, 30, 1_000, 16_384, 20_000]);
    let mut arrived: Vec<u8> = {
        let size = size.min(other.backlog.len());
        other.backlog.drain(..size).collect()
    };
    let cut = usize::from(input.byte());
    let rest = arrived.split_off(cut.min(arrived.len()));
    puppet.receive(key, &arrived);
    puppet.receive(key, &rest);
}

/// Accepts a stream and sends the `Open` of a node that has some of a file.
fn open(puppet: &mut Puppet, input: &mut Input) {
    let from = usable(input);
    let Some(key) = puppet.accept(from) else {
        return;
    };
    let frame = frame_bytes(&open_frame(input));
    deliver(puppet, input, key, frame);
}

fn open_frame(input: &mut Input) -> Frame<'static> {
    let file = file(input.below(4));
    let has_manifest = input.byte() != 1;
    let (size, count) = (
        file.manifest.bytes().len() as u32,
        file.manifest.shard_count(),
    );
    Frame::Open(Hello {
        file: if input.byte() == 1 {
            file_id(input)
        } else {
            file.manifest.file_id()
        },
        node: NodeId(id(input)),
        port: input.choose(&[4160, 0, 4161]),
        holds: match has_manifest {
            true => input.choose(&[Holds::All, Holds::Some, Holds::None]),
            false => Holds::None,
        },
        manifest_size: if has_manifest { size } else { 0 },
        shard_count: if has_manifest { count } else { 0 },
    })
}

fn send_frame(puppet: &mut Puppet, input: &mut Input, key: StreamKey) {
    let asked = puppet
        .streams
        .get(&key)
        .and_then(|other| other.asked.first().copied());
    let any = sprat::wire::native::frame::Range {
        shard: input.choose(&[0, 1, 2, 3, u32::MAX]),
        offset: input.choose(&[0, 1, 16_000]),
        length: input.choose(&[1, 100, 384, 16_384]),
    };
    let range = asked.filter(|_| input.byte() != 1).unwrap_or(any);
    let size = 1 + usize::from(input.short() % 4_000);
    let bits = [input.byte(), input.byte()];
    let list = [
        shard_bytes(input.choose(&[0, 1, 2, u32::MAX])),
        shard_bytes(input.below(4) as u32),
    ];
    let locations = [location_bytes(usable(input)), location_bytes(usable(input))];
    let bytes = match input.below(16) {
        0 => frame_bytes(&open_frame(input)),
        1 => {
            let first = input.choose(&[0, 8, 64, SHARD_COUNT_MAX, u32::MAX]) & !7;
            frame_bytes(&Frame::Map { first, bits: &bits })
        }
        2 | 3 => frame_bytes(&Frame::Map {
            first: 0,
            bits: &bits[..1],
        }),
        4 => frame_bytes(&Frame::Have {
            shards: list[..1 + input.below(2)].as_flattened(),
        }),
        5 => {
            let (offset, length) = (u32::from(input.short()), 1 + input.word() % 16_368);
            frame_bytes(&Frame::ManifestRequest { offset, length })
        }
        6 | 7 => frame_bytes(&Frame::Request(any)),
        8 => frame_bytes(&Frame::Cancel(any)),
        9 => {
            let reasons = [
                RejectReason::Busy,
                RejectReason::Missing,
                RejectReason::Cancelled,
                RejectReason::Unreadable,
            ];
            let reason = input.choose(&reasons);
            frame_bytes(&Frame::Refuse { range, reason })
        }
        10 => frame_bytes(&Frame::Providers {
            locations: locations.as_flattened(),
        }),
        11 => frame_bytes(&Frame::KeepAlive),
        12 => frame_bytes(&Frame::Close {
            reason: input.choose(&[CloseReason::Done, CloseReason::Duplicate, CloseReason::Full]),
        }),
        13 => frame_bytes(&Frame::Data(range)),
        _ => {
            let kind = input.byte();
            let body = input.bytes(size);
            raw_frame(kind, body)
        }
    };
    // A peer that repeats a frame and never reads must not fill the node's memory.
    let bytes = if input.byte() == 1 {
        bytes.repeat(size)
    } else {
        bytes
    };
    deliver(puppet, input, key, bytes);
}

/// Sends a range that the node has asked for, right or wrong.
fn answer_request(puppet: &mut Puppet, input: &mut Input, key: StreamKey) {
    let index = input.byte();
    let file = file(input.below(4));
    let Some(other) = puppet
        .streams
        .get_mut(&key)
        .filter(|other| !other.asked.is_empty())
    else {
        return;
    };
    let range = other.asked.remove(usize::from(index) % other.asked.len());
    let mut shard = file.shard(
        range
            .shard
            .min(file.manifest.shard_count().saturating_sub(1)),
    );
    shard.resize(shard.len().max((range.offset + range.length) as usize), 0);
    let mut bytes = frame_bytes(&Frame::Data(range));
    bytes.extend(&shard[range.offset as usize..][..range.length as usize]);
    if input.byte() == 1 {
        *bytes.last_mut().expect("a payload") ^= 1;
    }
    deliver(puppet, input, key, bytes);
}

/// Sends the part of the manifest that the node has asked for.
fn answer_manifest(puppet: &mut Puppet, input: &mut Input, key: StreamKey) {
    let manifest = file(input.below(4)).manifest.bytes();
    let Some(other) = puppet.streams.get_mut(&key) else {
        return;
    };
    let Some((offset, length)) = other.manifest_asked.take() else {
        return;
    };
    let start = (offset as usize).min(manifest.len() - 1);
    let end = (start + length as usize).min(manifest.len());
    let mut part = manifest[start..end].to_vec();
    if input.byte() == 1 {
        part[0] ^= 1;
    }
    let total = manifest.len() as u32;
    let frame = Frame::ManifestPart {
        total,
        offset: start as u32,
        bytes: &part,
    };
    let bytes = frame_bytes(&frame);
    deliver(puppet, input, key, bytes);
}

// -- disk and owner

fn disk(puppet: &mut Puppet, input: &mut Input) {
    let prepared = match input.below(8) {
        0..=3 => Ok(Prepared::Fresh),
        4 => Ok(Prepared::Partial),
        5 => Ok(Prepared::Kept),
        6 => Ok(Prepared::Final),
        _ => Err(input.choose(&[DiskError::NoSpace, DiskError::Failed, DiskError::Truncated])),
    };
    let is_right = input.bit();
    for _ in 0..=input.below(8) {
        puppet.do_job(prepared, is_right);
    }
}

fn command(puppet: &mut Puppet, input: &mut Input) {
    match input.below(8) {
        0..=3 => puppet.bootstrap(usable(input)),
        4..=6 => {
            let sizes: Vec<usize> = (0..input.below(4))
                .map(|_| usize::from(input.short()))
                .collect();
            let named = sizes.iter().enumerate();
            let entries = named.map(|(index, &size)| (format!("f{index}"), size as u64));
            let entries = Entries::of(entries).expect("no two have one name");
            let name = input.choose(&["a", "..", "b"]).to_owned();
            puppet.share(ShareSpec {
                name,
                folder: true,
                entries,
            });
        }
        _ => puppet.stop(),
    }
}
