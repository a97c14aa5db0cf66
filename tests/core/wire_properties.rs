//! Properties of all datagrams, frames and manifests; and no bytes make a parser panic.

use arrayvec::ArrayVec;
use proptest::array::uniform20;
use proptest::collection::vec;
use proptest::prelude::*;
use sprat::address::{self, Contact};
use sprat::id::{FileId, Id, NodeId};
use sprat::limits::{DATAGRAM_SIZE_MAX, RANGE_SIZE_MAX, SHARD_SIZE_MAX};
use sprat::wire::manifest::Segment;
use sprat::wire::native::datagram::{ErrorCode, HandedProvider, Seen, Status};
use sprat::wire::native::frame::{self, CloseReason, Hello, Holds, Range, RejectReason};
use sprat::wire::{Body, Cookie, Datagram, Frame, Header, Link, Manifest, Network};
use sprat::wire::{Entries, RpcId, Token};
use std::net::{IpAddr, SocketAddr};

fn network() -> impl Strategy<Value = Network> {
    ".{0,8}".prop_map(|name| Network::named(&name))
}

fn id() -> impl Strategy<Value = Id> {
    uniform20(any::<u8>()).prop_map(Id)
}

fn location() -> impl Strategy<Value = SocketAddr> {
    (any::<IpAddr>(), 1u16..)
        .prop_map(|(ip, port)| address::canonical(SocketAddr::new(ip, port)))
        .prop_filter("usable", |location| address::is_usable(*location))
}

fn contact() -> impl Strategy<Value = Contact> {
    (id(), location()).prop_map(|(id, address)| Contact {
        id: NodeId(id),
        address,
    })
}

fn list<T: std::fmt::Debug, const MAX: usize>(
    least: usize,
    item: impl Strategy<Value = T>,
) -> impl Strategy<Value = ArrayVec<T, MAX>> {
    vec(item, least..=MAX).prop_map(|items| items.into_iter().collect())
}

fn seen() -> impl Strategy<Value = Seen> {
    (location(), any::<u64>()).prop_map(|(address, c)| Seen {
        address,
        cookie: Cookie(c),
    })
}

fn status() -> impl Strategy<Value = Status> {
    prop::sample::select(vec![
        Status::Stored,
        Status::Full,
        Status::BadToken,
        Status::Refused,
    ])
}

fn token() -> impl Strategy<Value = Token> {
    any::<u64>().prop_map(Token)
}

fn request() -> impl Strategy<Value = Body> {
    let handed =
        (location(), any::<u32>()).prop_map(|(location, ttl)| HandedProvider { location, ttl });
    let cookie = || any::<u64>().prop_map(Cookie);
    let file = || id().prop_map(FileId);
    prop_oneof![
        cookie().prop_map(|cookie| Body::Ping { cookie, padding: 0 }),
        (id(), cookie()).prop_map(|(target, cookie)| Body::FindNode {
            target,
            cookie,
            padding: 0
        }),
        (file(), cookie()).prop_map(|(file, cookie)| Body::FindValue {
            file,
            cookie,
            padding: 0
        }),
        (file(), token(), 1u16.., any::<u32>()).prop_map(|(file, token, port, ttl)| Body::Store {
            file,
            token,
            port,
            ttl,
            padding: 0
        }),
        (file(), token(), list(1, handed)).prop_map(|(file, token, providers)| {
            Body::Replicate {
                file,
                token,
                providers,
                padding: 0,
            }
        }),
    ]
}

fn reply() -> impl Strategy<Value = Body> {
    let codes = vec![ErrorCode::Unsupported, ErrorCode::Busy, ErrorCode::Unproved];
    let code = prop::sample::select(codes);
    prop_oneof![
        seen().prop_map(|seen| Body::PingReply { seen }),
        (seen(), token(), list(0, contact())).prop_map(|(seen, token, contacts)| {
            Body::FindNodeReply {
                seen,
                token,
                contacts,
            }
        }),
        (
            seen(),
            token(),
            any::<bool>(),
            list(0, location()),
            list(0, contact())
        )
            .prop_map(|(seen, token, provides, providers, contacts)| {
                Body::FindValueReply {
                    seen,
                    token,
                    provides,
                    providers,
                    contacts,
                }
            }),
        (seen(), status()).prop_map(|(seen, status)| Body::StoreReply { seen, status }),
        (seen(), status()).prop_map(|(seen, status)| Body::ReplicateReply { seen, status }),
        (seen(), code).prop_map(|(seen, code)| Body::Error { seen, code }),
    ]
}

fn datagram() -> impl Strategy<Value = Datagram> {
    let body = prop_oneof![
        (request(), 0..=DATAGRAM_SIZE_MAX).prop_map(|(body, total)| body.padded_to(total)),
        reply(),
    ];
    (any::<bool>(), uniform20(any::<u8>()), id(), body).prop_map(
        |(read_only, rpc, sender, body)| Datagram {
            read_only,
            rpc_id: RpcId(rpc),
            sender: NodeId(sender),
            body,
        },
    )
}

/// A frame that owns its bytes.
#[derive(Clone, Debug)]
enum Owned {
    Plain(Frame<'static>),
    Map(u32, Vec<u8>),
    Have(Vec<u32>),
    Part(u32, u32, Vec<u8>),
    Providers(Vec<SocketAddr>),
}

fn range() -> impl Strategy<Value = Range> {
    (any::<u32>(), 1..=RANGE_SIZE_MAX, any::<u32>()).prop_map(|(shard, length, offset)| Range {
        shard,
        offset: offset % (SHARD_SIZE_MAX - length + 1),
        length,
    })
}

fn open() -> impl Strategy<Value = Hello> {
    let holds = prop::sample::select(vec![Holds::None, Holds::All, Holds::Some]);
    (id(), id(), any::<u16>(), holds, 0u32..1_000).prop_map(|(file, node, port, holds, count)| {
        Hello {
            file: FileId(file),
            node: NodeId(node),
            port,
            holds: if count == 0 { Holds::None } else { holds },
            manifest_size: count * 21,
            shard_count: count,
        }
    })
}

fn owned_frame() -> impl Strategy<Value = Owned> {
    let refusals = [
        RejectReason::Missing,
        RejectReason::Cancelled,
        RejectReason::Unreadable,
        RejectReason::Busy,
    ];
    let reasons = [CloseReason::Done, CloseReason::Full, CloseReason::Corrupt];
    prop_oneof![
        open().prop_map(|open| Owned::Plain(Frame::Open(open))),
        range().prop_map(|range| Owned::Plain(Frame::Request(range))),
        range().prop_map(|range| Owned::Plain(Frame::Data(range))),
        range().prop_map(|range| Owned::Plain(Frame::Cancel(range))),
        (range(), prop::sample::select(refusals.to_vec()))
            .prop_map(|(range, reason)| Owned::Plain(Frame::Refuse { range, reason })),
        prop::sample::select(reasons.to_vec())
            .prop_map(|reason| Owned::Plain(Frame::Close { reason })),
        Just(Owned::Plain(Frame::KeepAlive)),
        (0..1_000_000u32, 1..=frame::MANIFEST_PART_SIZE_MAX as u32)
            .prop_map(|(offset, length)| Owned::Plain(Frame::ManifestRequest { offset, length })),
        (
            0..u32::MAX / 8,
            vec(any::<u8>(), 1..=frame::MAP_BITS_SIZE_MAX)
        )
            .prop_map(|(first, bits)| Owned::Map(first * 8, bits)),
        vec(any::<u32>(), 1..=frame::HAVE_COUNT_MAX).prop_map(Owned::Have),
        (
            0..1_000u32,
            0..1_000u32,
            vec(any::<u8>(), 1..=frame::MANIFEST_PART_SIZE_MAX)
        )
            .prop_map(|(offset, more, bytes)| Owned::Part(offset, more, bytes)),
        vec(location(), 1..=frame::LOCATIONS_COUNT_MAX).prop_map(Owned::Providers),
    ]
}

/// Parses what a stream carries first: a header, and as much of a body as it says.
fn parse_frame(bytes: &[u8], network: Network) -> Option<Frame<'_>> {
    let (head, rest) = bytes.split_first_chunk()?;
    let header = Header::parse(head).ok()?;
    Frame::parse(&header, rest.get(..header.body_size())?, network).ok()
}

/// A folder's manifest of files of these sizes, with hashes of nothing.
fn manifest(sizes: &[u64], shard_size: u32) -> Manifest {
    let entry = |(index, size): (usize, &u64)| (format!("f{index}"), *size);
    let entries = Entries::of(sizes.iter().enumerate().map(entry)).unwrap();
    let shards = sizes.iter().sum::<u64>().div_ceil(u64::from(shard_size));
    Manifest::build(
        "n",
        true,
        entries,
        shard_size,
        &vec![0; shards as usize * 20],
    )
    .unwrap()
}

/// The segments of a range, found byte by byte.
fn naive_segments(sizes: &[u64], start: u64, end: u64) -> Vec<Segment> {
    let owner = sizes
        .iter()
        .enumerate()
        .flat_map(|(entry, &size)| (0..size).map(move |offset| (entry as u32, offset)));
    let bytes: Vec<_> = owner
        .skip(start as usize)
        .take((end - start) as usize)
        .collect();
    let segment = |bytes: &[(u32, u64)]| Segment {
        entry: bytes[0].0,
        offset: bytes[0].1,
        length: bytes.len() as u32,
    };
    bytes
        .chunk_by(|one, other| one.0 == other.0)
        .map(segment)
        .collect()
}

proptest! {
    #[test]
    fn a_datagram_reads_back_as_it_was_written(datagram in datagram(), network in network()) {
        let mut buffer = [0xa5; DATAGRAM_SIZE_MAX + 16];
        let size = datagram.emit(network, &mut buffer);
        prop_assert_eq!(size, datagram.size());
        prop_assert!(buffer[size..].iter().all(|&byte| byte == 0xa5));
        prop_assert_eq!(Datagram::parse(&buffer[..size], network), Ok(datagram));
    }

    #[test]
    fn a_request_padded_for_its_reply_is_as_long_as_that(body in request(), reply in reply()) {
        let total = body.kind().reply_size_max().unwrap();
        let padded = body.clone().padded_to(total);
        prop_assert_eq!(padded.size(), total.max(body.size()));
        prop_assert_eq!(padded.clone().padded_to(0), body.clone());
        let answers = reply.kind() as u8 == body.kind() as u8 | 0x80 || reply.kind() as u8 == 0xff;
        prop_assert!(!answers || reply.size() <= padded.size());
        prop_assert_eq!(reply.clone().padded_to(DATAGRAM_SIZE_MAX), reply);
    }

    #[test]
    fn a_changed_datagram_is_refused(
        datagram in datagram(),
        at: prop::sample::Index,
        byte in 1u8..,
    ) {
        let network = Network::named("");
        let mut buffer = [0; DATAGRAM_SIZE_MAX];
        let size = datagram.emit(network, &mut buffer);
        buffer[at.index(size)] ^= byte;
        prop_assert!(Datagram::parse(&buffer[..size], network).is_err());
    }

    #[test]
    fn a_datagram_with_any_fields_has_one_encoding(
        kind: u8,
        fields in vec(prop_oneof![Just(0), 0u8..4, any::<u8>()], 0..300),
    ) {
        // A right header before random fields, so that more than the CRC is tried.
        let network = Network::named("sprat");
        let mut bytes = vec![0xd5, 1, kind, 0, 0, 0, 0, 0];
        bytes.extend([7; 40]);
        bytes.extend(fields);
        let crc = network.crc(&[&bytes]);
        bytes[4..8].copy_from_slice(&crc.to_be_bytes());
        if let Ok(datagram) = Datagram::parse(&bytes, network) {
            let mut buffer = [0; DATAGRAM_SIZE_MAX];
            let size = datagram.emit(network, &mut buffer);
            prop_assert_eq!(&buffer[..size], &bytes[..]);
        }
    }

    #[test]
    fn a_frame_reads_back_as_it_was_written(owned in owned_frame(), network in network()) {
        let list: Vec<u8> = match &owned {
            Owned::Have(shards) => shards.iter().flat_map(|&s| frame::shard_bytes(s)).collect(),
            Owned::Providers(all) => all.iter().flat_map(|&l| frame::location_bytes(l)).collect(),
            _ => Vec::new(),
        };
        let frame = match &owned {
            Owned::Plain(frame) => *frame,
            Owned::Map(first, bits) => Frame::Map { first: *first, bits },
            Owned::Have(_) => Frame::Have { shards: &list },
            Owned::Part(offset, more, bytes) => {
                let total = offset + bytes.len() as u32 + more;
                Frame::ManifestPart { total, offset: *offset, bytes }
            }
            Owned::Providers(_) => Frame::Providers { locations: &list },
        };
        let mut buffer = vec![0xa5; frame::FRAME_SIZE_MAX + 16];
        let size = frame.emit(network, &mut buffer);
        prop_assert_eq!(size, frame.size());
        prop_assert!(buffer[size..].iter().all(|&byte| byte == 0xa5));
        let parsed = parse_frame(&buffer, network);
        prop_assert_eq!(parsed, Some(frame));
        match (parsed, owned) {
            (Some(Frame::Have { shards }), Owned::Have(all)) => {
                prop_assert_eq!(frame::shards(shards).collect::<Vec<_>>(), all);
            }
            (Some(Frame::Providers { locations }), Owned::Providers(all)) => {
                prop_assert_eq!(frame::locations(locations).collect::<Vec<_>>(), all);
            }
            _ => {}
        }
    }

    #[test]
    fn a_frame_with_any_fields_has_one_encoding(
        kind in 0u8..14,
        body in vec(prop_oneof![Just(0), 0u8..4, any::<u8>()], 0..100),
    ) {
        let network = Network::named("sprat");
        let mut bytes = vec![0xf5, kind, 0, 0];
        bytes.extend((body.len() as u32).to_be_bytes());
        let crc = network.crc(&[&bytes, &body]);
        bytes.extend(crc.to_be_bytes());
        bytes.extend(body);
        if let Some(frame) = parse_frame(&bytes, network) {
            let mut buffer = [0; 200];
            let size = frame.emit(network, &mut buffer);
            prop_assert_eq!(&buffer[..size], &bytes[..]);
        }
    }

    #[test]
    fn random_bytes_are_refused_without_panic(bytes in vec(any::<u8>(), 0..1_300)) {
        let network = Network::named("sprat");
        prop_assert!(Datagram::parse(&bytes, network).is_err());
        prop_assert!(parse_frame(&bytes, network).is_none());
        prop_assert!(Manifest::from_metainfo(&bytes).is_err());
    }

    #[test]
    fn random_bencode_is_refused_without_panic(
        text in "[dl]([dlei0-9:a-]{0,3}|4:info|5:files){0,40}",
    ) {
        prop_assert!(Manifest::from_metainfo(text.as_bytes()).is_err());
    }

    #[test]
    fn a_random_link_is_read_without_panic(
        text in "magnet:\\?(xt=urn:btih:|&|x.pe=|dn=|%|[0-9a-f:]|.){0,40}",
    ) {
        if let Ok(link) = Link::parse(&text) {
            prop_assert_eq!(Link::parse(&link.to_string()), Ok(link));
        }
    }

    #[test]
    fn segments_are_those_that_are_found_byte_by_byte(
        sizes in vec(prop_oneof![Just(0u64), 0..10u64, 0..30_000u64], 1..12),
        shard: prop::sample::Index,
        offset in 0u32..16_384,
        length in 0u32..20_000,
    ) {
        let manifest = manifest(&sizes, 16_384);
        let total: u64 = sizes.iter().sum();
        prop_assert_eq!(manifest.size(), total);
        let shard = shard.index(manifest.shard_count().max(1) as usize) as u32;
        let shard_end = (u64::from(shard + 1) * 16_384).min(total);
        let start = (u64::from(shard) * 16_384 + u64::from(offset)).min(shard_end);
        let end = (start + u64::from(length)).min(shard_end);
        let segments: Vec<_> = manifest.segments(shard, offset, length).collect();
        prop_assert_eq!(segments, naive_segments(&sizes, start, end));
    }
}
