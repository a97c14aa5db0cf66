//! Wrong discovery messages, made from right ones one fault at a time: each is refused with the
//! error of its first wrong field, as `negative_packets` does for datagrams and frames.
//!
//! This file puts the messages together from the byte ruler of `wire::native::discovery`, CRC
//! included.

use sprat::wire::{Discovery, DiscoveryError as H, Network};
use std::collections::BTreeSet;

/// Different discovery messages that must be refused, at least.
const DISCOVERY_MIN: usize = 300;

const QUERY: u8 = 0x01;
const RESPONSE: u8 = 0x81;

fn discovery(start: [u8; 4], port: u16, cookie: u64, name: &str) -> Vec<u8> {
    let mut bytes = start.to_vec();
    bytes.extend([0; 4]);
    bytes.extend([0x55; 20]);
    bytes.extend(port.to_be_bytes());
    bytes.extend([0x77; 8]);
    bytes.extend(cookie.to_be_bytes());
    let seed = crc32fast::hash(name.as_bytes()).to_be_bytes();
    let crc = crc32fast::hash(&[&seed[..], &bytes].concat());
    bytes[4..8].copy_from_slice(&crc.to_be_bytes());
    bytes
}

#[test]
fn every_discovery_message_with_one_fault_is_refused_for_it() {
    let name = Network::DEFAULT_NAME;
    let parse = |bytes: &[u8]| Discovery::parse(bytes, Network::named(name)).map(|_| ());
    let mut met = BTreeSet::new();
    let mut expect = |bytes: Vec<u8>, error| {
        assert_eq!(parse(&bytes), Err(error), "{bytes:02x?}");
        met.insert(bytes);
    };
    for (kind, cookie) in [(QUERY, 0), (RESPONSE, 9)] {
        let right = discovery([0xc5, 1, kind, 0], 4160, cookie, name);
        assert_eq!(parse(&right), Ok(()));
        (0..right.len()).for_each(|size| expect(right[..size].to_vec(), H::Length));
        (1..60).for_each(|more| expect([&right[..], &vec![0; more]].concat(), H::Length));
        for magic in [0, b'd', 0x13, b'G', b'H', b'P', 0x45, 0xd5, 0xf5, 0xff] {
            expect(discovery([magic, 1, kind, 0], 4160, cookie, name), H::Magic);
        }
        for version in [0, 2, 0x81, 0xff] {
            expect(
                discovery([0xc5, version, kind, 0], 4160, cookie, name),
                H::Version,
            );
        }
        for kind in [0, 2, 0x80, 0x82, 0xff] {
            expect(discovery([0xc5, 1, kind, 0], 4160, cookie, name), H::Kind);
        }
        for at in (3..right.len()).chain([3, 4, 7, 8]) {
            let mut damaged = right.clone();
            damaged[at] ^= 1 << (at % 8);
            expect(damaged, H::Crc);
        }
        expect(
            discovery([0xc5, 1, kind, 0], 4160, cookie, "another"),
            H::Crc,
        );
        for bit in 0..8 {
            expect(
                discovery([0xc5, 1, kind, 1 << bit], 4160, cookie, name),
                H::Reserved,
            );
        }
        expect(discovery([0xc5, 1, kind, 0], 0, cookie, name), H::Port);
    }
    for bit in 0..64 {
        expect(
            discovery([0xc5, 1, QUERY, 0], 4160, 1 << bit, name),
            H::Cookie,
        );
    }
    expect(discovery([0xc5, 1, RESPONSE, 0], 4160, 0, name), H::Cookie);
    let count = met.len();
    println!("{count} discovery messages refused");
    assert!(count >= DISCOVERY_MIN, "{count}");
}
