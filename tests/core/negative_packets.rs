//! Wrong packets, made from right ones one fault at a time: each is refused with the error of its
//! first wrong field.
//!
//! The byte rulers of `wire::native::datagram` and `wire::native::frame` say which error that is:
//! every kind is written here as the list of its fields, each with its right bytes, its wrong ones,
//! and its error. This file puts the packets together, CRC included, not the code under test.

use sprat::wire::{Datagram, DatagramError as D, Frame, FrameError as F, Header, Network};
use std::collections::BTreeSet;
use std::fmt::Debug;

/// Different packets that must be refused, at least.
const PACKETS_MIN: usize = 500;

/// A field of a body.
struct Field<E> {
    error: E,
    right: Vec<u8>,
    wrong: Vec<Vec<u8>>,
}

fn field<E>(error: E, right: impl Into<Vec<u8>>) -> Field<E> {
    let (right, wrong) = (right.into(), Vec::new());
    Field {
        error,
        right,
        wrong,
    }
}

impl<E> Field<E> {
    fn not(mut self, wrong: impl Into<Vec<u8>>) -> Field<E> {
        self.wrong.push(wrong.into());
        self
    }
}

const ID: [u8; 20] = [0x55; 20];
const V4: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 192, 0, 2, 1];
const PORT: [u8; 2] = [0x10, 0x40];

fn mapped(ip: [u8; 4]) -> [u8; 16] {
    let mut bytes = V4;
    bytes[12..].copy_from_slice(&ip);
    bytes
}

/// An address as a field, and every form of one that no node can have; `before` and `after` are
/// what belongs to the same field.
fn address<E>(error: E, before: &[u8], after: &[u8]) -> Field<E> {
    let with = |ip: [u8; 16], port: [u8; 2]| [before, &ip, &port, after].concat();
    let multicast = [255, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    field(error, with(V4, PORT))
        .not(with(V4, [0, 0]))
        .not(with([0; 16], PORT))
        .not(with(mapped([0, 0, 0, 0]), PORT))
        .not(with(mapped([255, 255, 255, 255]), PORT))
        .not(with(mapped([224, 0, 0, 1]), PORT))
        .not(with(mapped([239, 255, 255, 255]), PORT))
        .not(with(multicast, PORT))
}

fn bytes_of<E>(fields: &[Field<E>]) -> Vec<u8> {
    fields
        .iter()
        .flat_map(|field| field.right.clone())
        .collect()
}

/// Each body with one field wrong, and its error.
fn one_wrong<E: Copy>(fields: &[Field<E>]) -> Vec<(Vec<u8>, E)> {
    let mut found = Vec::new();
    for (place, field) in fields.iter().enumerate() {
        for wrong in &field.wrong {
            let (before, after) = (&fields[..place], &fields[place + 1..]);
            let body = [bytes_of(before), wrong.clone(), bytes_of(after)].concat();
            found.push((body, field.error));
        }
    }
    found
}

/// The error of the field that byte `at` of a body belongs to.
fn error_at<E: Copy>(fields: &[Field<E>], at: usize) -> E {
    let mut end = 0;
    let holds = |field: &&Field<E>| {
        end += field.right.len();
        at < end
    };
    fields.iter().find(holds).expect("a byte of a field").error
}

/// Counts packets, and that each is refused as it should be.
struct Refusals {
    met: BTreeSet<Vec<u8>>,
}

impl Refusals {
    fn expect<E: Debug + PartialEq>(&mut self, packet: &[u8], result: Result<(), E>, error: E) {
        assert_eq!(result, Err(error), "{packet:x?}");
        self.met.insert(packet.to_vec());
    }
}

fn network() -> Network {
    Network::named("sprat")
}

// -- datagrams

const DATAGRAM_HEADER: usize = 48;

/// Every kind of datagram, by its byte.
fn datagrams() -> Vec<(u8, Vec<Field<D>>)> {
    let seen = || address(D::Seen, &[], &[7; 8]);
    let cookie = || field(D::Cookie, [7; 8]);
    let token = || field(D::Token, [7; 8]);
    let file = || field(D::File, ID);
    let padding = || {
        field(D::Padding, [0, 3, 0, 0, 0])
            .not([0, 3, 0, 0, 1])
            .not([0, 3, 128, 0, 0])
    };
    let status = || field(D::Status, [3]).not([4]).not([128]).not([255]);
    let contact = || address(D::Contact, &ID, &[]);
    let provider = || address(D::Provider, &[], &[]);
    let handed = || address(D::Provider, &[], &[0, 0, 28, 32]);
    let contact_count = || field(D::ContactCount, [2]).not([21]).not([255]);
    let provider_count = || field(D::ProviderCount, [2]).not([17]).not([255]);
    vec![
        (0x01, vec![cookie(), padding()]),
        (0x81, vec![seen()]),
        (0x02, vec![field(D::Target, ID), cookie(), padding()]),
        (
            0x82,
            vec![seen(), token(), contact_count(), contact(), contact()],
        ),
        (0x03, vec![file(), cookie(), padding()]),
        (
            0x83,
            vec![
                seen(),
                token(),
                field(D::Provides, [1]).not([2]).not([255]),
                provider_count(),
                contact_count(),
                provider(),
                provider(),
                contact(),
                contact(),
            ],
        ),
        (
            0x04,
            vec![
                file(),
                token(),
                field(D::Port, PORT).not([0, 0]),
                field(D::Ttl, [0, 0, 28, 32]),
                padding(),
            ],
        ),
        (0x84, vec![seen(), status()]),
        (
            0x05,
            vec![
                file(),
                token(),
                provider_count().not([0]),
                handed(),
                handed(),
                padding(),
            ],
        ),
        (0x85, vec![seen(), status()]),
        (0xff, vec![seen(), field(D::Code, [2]).not([3]).not([255])]),
    ]
}

fn datagram(start: [u8; 4], body: &[u8]) -> Vec<u8> {
    let mut bytes = [&start[..], &[0; 4], &[0x11; 20], &[0x22; 20], body].concat();
    mend(&mut bytes);
    bytes
}

fn mend(bytes: &mut [u8]) {
    bytes[4..8].fill(0);
    let crc = network().crc(&[bytes]).to_be_bytes();
    bytes[4..8].copy_from_slice(&crc);
}

fn parse_datagram(bytes: &[u8]) -> Result<(), D> {
    Datagram::parse(bytes, network()).map(|_| ())
}

#[test]
fn every_datagram_with_one_fault_is_refused_for_it() {
    let mut refusals = Refusals {
        met: BTreeSet::new(),
    };
    let mut expect = |packet: &[u8], error| {
        refusals.expect(packet, parse_datagram(packet), error);
    };
    for (kind, fields) in datagrams() {
        let right = datagram([0xd5, 1, kind, 0], &bytes_of(&fields));
        assert_eq!(parse_datagram(&right), Ok(()), "{kind:#x}");
        // Cut, with and without a CRC that says so.
        for size in 0..right.len() {
            let cut = &right[..size];
            if size < DATAGRAM_HEADER {
                expect(cut, D::TooShort);
                continue;
            }
            expect(cut, D::Crc);
            let mut cut = cut.to_vec();
            mend(&mut cut);
            expect(&cut, error_at(&fields, size - DATAGRAM_HEADER));
        }
        // Longer.
        for more in [&[0][..], &[1], &[0; 38]] {
            let mut longer = [&right, more].concat();
            expect(&longer, D::Crc);
            mend(&mut longer);
            expect(&longer, D::Trailing);
        }
        let mut longest = right.clone();
        longest.resize(1_201, 0);
        mend(&mut longest);
        expect(&longest, D::TooLong);
        // The header.
        let with = |start: [u8; 4]| datagram(start, &bytes_of(&fields));
        for magic in [0, b'd', 0x13, b'G', b'H', b'P', 0x55, 0xd4, 0xf5, 0xff] {
            expect(&with([magic, 1, kind, 0]), D::Magic);
        }
        for version in [0, 2, 129, 255] {
            expect(&with([0xd5, version, kind, 0]), D::Version);
        }
        for unknown in [0x00, 0x06, 0x7f, 0x80, 0x86, 0xfe] {
            expect(&with([0xd5, 1, unknown, 0]), D::Kind);
        }
        for bit in 1..8 {
            expect(&with([0xd5, 1, kind, 1 << bit]), D::Flags);
            expect(&with([0xd5, 1, kind, 1 | 1 << bit]), D::Flags);
        }
        // Damage that only the CRC can tell: in itself, the RPC id, the sender, the body.
        for at in (4..right.len()).chain([3]) {
            let mut damaged = right.clone();
            damaged[at] ^= 1 << (at % 8);
            expect(&damaged, D::Crc);
        }
        // The body's fields.
        for (body, error) in one_wrong(&fields) {
            expect(&datagram([0xd5, 1, kind, 0], &body), error);
        }
    }
    let count = refusals.met.len();
    println!("{count} datagrams refused");
    assert!(count >= PACKETS_MIN, "{count}");
}

#[test]
fn a_datagram_of_another_network_is_refused_as_damaged() {
    for (kind, fields) in datagrams() {
        let bytes = datagram([0xd5, 1, kind, 0], &bytes_of(&fields));
        for other in ["", "sprats", "Sprat"] {
            let parsed = Datagram::parse(&bytes, Network::named(other));
            assert_eq!(parsed, Err(D::Crc), "{kind:#x} in {other:?}");
        }
    }
}

#[test]
fn counts_that_are_too_low_leave_bytes_behind() {
    for (kind, fields) in datagrams() {
        for place in 0..fields.len() {
            let is_count = matches!(fields[place].error, D::ContactCount | D::ProviderCount);
            if !is_count || kind == 0x83 && fields[place].error == D::ProviderCount {
                continue;
            }
            let (before, after) = (&fields[..place], &fields[place + 1..]);
            let body = [bytes_of(before), vec![1], bytes_of(after)].concat();
            let packet = datagram([0xd5, 1, kind, 0], &body);
            // Also behind a `Replicate`'s entries: the next begins with zeros, as empty padding
            // does.
            assert_eq!(parse_datagram(&packet), Err(D::Trailing), "{kind:#x}");
        }
    }
}

// -- frames

const FRAME_HEADER: usize = 12;

/// Every kind of frame, by its byte, with body lengths that it cannot have.
fn frames() -> Vec<(u8, Vec<Field<F>>, Vec<u32>)> {
    let range = || {
        vec![
            field(F::Length, [0, 0, 0, 7]),
            field(F::RangeOffset, [0, 0, 64, 0])
                .not([0, 255, 255, 255])
                .not([1, 0, 0, 0])
                .not([255, 255, 255, 255]),
            field(F::RangeLength, [0, 0, 64, 0])
                .not([0, 0, 0, 0])
                .not([0, 16, 0, 1])
                .not([255, 255, 255, 255]),
        ]
    };
    let reason = |last: u8| {
        field(F::Reason, [last])
            .not([last + 1])
            .not([128])
            .not([255])
    };
    let refuse = range().into_iter().chain([reason(3)]).collect();
    let location = || address(F::Location, &[], &[]);
    let exactly = |size: u32| {
        let wrong = [
            0,
            1,
            size.saturating_sub(1),
            size + 1,
            2 * size,
            65_536 + size,
            u32::MAX,
        ];
        wrong
            .into_iter()
            .filter(|&wrong| wrong != size)
            .collect::<Vec<u32>>()
    };
    let open = vec![
        field(F::Version, [0, 1])
            .not([0, 0])
            .not([0, 2])
            .not([1, 1]),
        field(F::Flags, [0, 0]).not([0, 1]).not([128, 0]),
        field(F::Length, [ID, ID].concat()),
        field(F::Length, PORT),
        field(F::Holds, [2]).not([3]).not([255]),
        field(F::Flags, [0]).not([1]).not([128]),
        // 1,000 bytes, which list at most 50 shards; 4 MiB and one more.
        field(F::ManifestSize, [0, 0, 3, 232])
            .not([0, 64, 0, 1])
            .not([255; 4]),
        field(F::ShardCount, [0, 0, 0, 50])
            .not([0, 0, 0, 51])
            .not([255; 4]),
    ];
    vec![
        (0x01, open, exactly(56)),
        (
            0x02,
            vec![
                field(F::First, [0, 0, 0, 8])
                    .not([0, 0, 0, 1])
                    .not([0, 0, 0, 9])
                    .not([0, 0, 0, 15]),
                field(F::Length, [0xf0, 0x0f]),
            ],
            vec![0, 1, 4, 16_385, 65_535, 65_536, u32::MAX],
        ),
        (
            0x03,
            vec![field(F::Length, [0, 0, 0, 7, 0, 0, 0, 9])],
            vec![0, 1, 3, 5, 6, 7, 4_097, 4_100, 65_536, u32::MAX],
        ),
        (
            0x04,
            vec![
                field(F::PartOffset, [0, 0, 64, 0])
                    .not([0, 64, 0, 0])
                    .not([0, 63, 255, 255])
                    .not([255; 4]),
                field(F::PartLength, [0, 0, 63, 240])
                    .not([0; 4])
                    .not([0, 0, 63, 241])
                    .not([255; 4]),
            ],
            exactly(8),
        ),
        (
            0x05,
            vec![
                field(F::ManifestSize, [0, 0, 0, 40])
                    .not([0, 64, 0, 1])
                    .not([255; 4]),
                field(F::PartOffset, [0, 0, 0, 30])
                    .not([0, 0, 0, 31])
                    .not([255; 4]),
                field(F::Length, [b'x'; 10]),
            ],
            vec![0, 8, 16_377, 65_536, u32::MAX],
        ),
        (0x06, range(), exactly(12)),
        (0x07, range(), exactly(12)),
        (0x08, range(), exactly(12)),
        (0x09, refuse, exactly(13)),
        (
            0x0a,
            vec![location(), location()],
            vec![0, 17, 19, 35, 37, 594, 65_536, u32::MAX],
        ),
        (0x0b, vec![], vec![1, 2, 12, 16_384, 65_536, u32::MAX]),
        (0x0c, vec![reason(7)], exactly(1)),
    ]
}

fn frame(start: [u8; 4], body: &[u8]) -> Vec<u8> {
    let covered = [&start[..], &(body.len() as u32).to_be_bytes()].concat();
    let crc = network().crc(&[&covered, body]).to_be_bytes();
    [&covered, &crc[..], body].concat()
}

/// Reads a frame as a stream does: the header when it is there, then as many bytes as it names.
fn parse_frame(bytes: &[u8]) -> Result<(), F> {
    let (header, body) = bytes.split_first_chunk::<FRAME_HEADER>().expect("a header");
    let header = Header::parse(header)?;
    Frame::parse(&header, body, network()).map(|_| ())
}

#[test]
fn every_frame_with_one_fault_is_refused_for_it() {
    let mut refusals = Refusals {
        met: BTreeSet::new(),
    };
    let mut expect = |packet: &[u8], error| {
        refusals.expect(packet, parse_frame(packet), error);
    };
    for (kind, fields, lengths) in frames() {
        let body = bytes_of(&fields);
        let right = frame([0xf5, kind, 0, 0], &body);
        assert_eq!(parse_frame(&right), Ok(()), "{kind:#x}");
        // A body of another length than the header says, and a header with a length that cannot be.
        for size in FRAME_HEADER..right.len() {
            expect(&right[..size], F::Length);
        }
        expect(&[&right[..], &[0]].concat(), F::Length);
        for length in lengths {
            let mut wrong = right.clone();
            wrong[4..8].copy_from_slice(&length.to_be_bytes());
            expect(&wrong, F::Length);
        }
        // The header.
        for magic in [0, b'd', 0x13, b'G', b'H', b'P', 0x55, 0xd5, 0xf4, 0xff] {
            expect(&frame([magic, kind, 0, 0], &body), F::Magic);
        }
        for unknown in [0x00, 0x0d, 0x7f, 0x80, 0x81, 0xff] {
            expect(&frame([0xf5, unknown, 0, 0], &body), F::Kind);
        }
        for bit in 0..16 {
            let [high, low] = (1u16 << bit).to_be_bytes();
            expect(&frame([0xf5, kind, high, low], &body), F::Reserved);
        }
        // Damage that only the CRC can tell.
        for at in 8..right.len() {
            let mut damaged = right.clone();
            damaged[at] ^= 1 << (at % 8);
            expect(&damaged, F::Crc);
        }
        // The body's fields.
        for (body, error) in one_wrong(&fields) {
            expect(&frame([0xf5, kind, 0, 0], &body), error);
        }
    }
    let count = refusals.met.len();
    println!("{count} frames refused");
    assert!(count >= PACKETS_MIN, "{count}");
}

#[test]
fn an_open_without_a_manifest_claims_no_shard() {
    let (_, mut fields, _) = frames().swap_remove(0);
    fields[6].right = vec![0; 4];
    fields[7].right = vec![0; 4];
    for (holds, result) in [(0, Ok(())), (1, Err(F::Holds)), (2, Err(F::Holds))] {
        fields[4].right = vec![holds];
        let packet = frame([0xf5, 0x01, 0, 0], &bytes_of(&fields));
        assert_eq!(parse_frame(&packet), result);
    }
}
