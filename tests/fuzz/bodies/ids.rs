//! Addresses and ids of peers, drawn from an input.

use super::files::FILES;
use super::input::Input;
use super::puppet::OWN_ID;
use sprat::address::Contact;
use sprat::id::{FileId, Id, NodeId};
use sprat::wire::native::frame::location_bytes;
use std::net::{Ipv6Addr, SocketAddr};

/// One of a few addresses: some share an IP or a network, some cannot be one node's.
pub fn address(input: &mut Input) -> SocketAddr {
    let byte = input.byte();
    let (kind, low) = (byte >> 5, byte & 31);
    match kind {
        0..=3 => SocketAddr::from(([10, kind, 0, low], 4160)),
        4 => SocketAddr::from(([10, 0, 0, 1], 4160 + u16::from(low))),
        5 => SocketAddr::from((
            Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, low.into()),
            4160,
        )),
        6 => SocketAddr::from(([127, 0, 0, 1], u16::from(low))),
        _ => SocketAddr::from(([224 + low % 32, 0, 0, 1], u16::from(low))),
    }
}

/// An id: near the node's own, far from it, or its own.
pub fn id(input: &mut Input) -> Id {
    let byte = input.byte();
    let mut bytes = OWN_ID.0.0;
    if byte < 160 {
        bytes[usize::from(byte / 8)] ^= 0x80 >> (byte % 8);
        bytes[19] ^= input.byte();
    } else if byte < 250 {
        bytes = [byte; 20];
    }
    Id(bytes)
}

pub fn file_id(input: &mut Input) -> FileId {
    match input.below(6) {
        index @ 0..4 => FILES[index].manifest.file_id(),
        _ => FileId(id(input)),
    }
}

pub fn contacts(input: &mut Input) -> impl Iterator<Item = Contact> {
    let count = input.below(21);
    (0..count).map(|_| {
        let address = usable(input);
        let id = if input.byte() == 1 {
            NodeId(id(input))
        } else {
            id_at(address)
        };
        Contact { id, address }
    })
}

/// The id of the honest node at an address.
pub fn id_at(address: SocketAddr) -> NodeId {
    let location = location_bytes(address);
    NodeId(Id(std::array::from_fn(|index| {
        location[17 - index % 18].wrapping_mul(37)
    })))
}

/// An address that can be written into a packet.
pub fn usable(input: &mut Input) -> SocketAddr {
    let address = address(input);
    if sprat::address::is_usable(address) {
        address
    } else {
        SocketAddr::from(([10, 9, 9, 9], 4160))
    }
}
