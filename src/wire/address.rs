//! Addresses on the wire: 18 bytes, an IPv6 address and a port.
//!
//! ```text
//!  0                                                                16       18
//! +-----------------------------------------------------------------+--------+
//! | IPv6 address; IPv4 a.b.c.d as IPv4-mapped ::ffff:a.b.c.d        | port   |
//! +-----------------------------------------------------------------+--------+
//! ```
//!
//! Flow information and scope id are not sent. Parsing rejects an address at which no node can be
//! ([`is_usable`]).
//!
//! Invariant: a parsed address is canonical and usable, and emits the bytes that it came from.

use super::reader::{Reader, Writer};
use crate::address::{canonical, is_usable};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Bytes of an address on the wire: IP and port.
pub const ADDRESS_SIZE: usize = 18;

/// Encodes `address` in its own array.
pub fn to_bytes(address: SocketAddr) -> [u8; ADDRESS_SIZE] {
    let mut bytes = [0; ADDRESS_SIZE];
    write(&mut Writer::new(&mut bytes), address);
    bytes
}

/// Appends `address` to a message.
pub fn write(writer: &mut Writer<'_>, address: SocketAddr) {
    let ip = match address.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    writer.put(&ip.octets());
    writer.u16(address.port());
}

/// Reads an address in its canonical form.
///
/// # Errors
/// `wrong` when it is cut short or not usable (see [`is_usable`]).
pub fn read<E: Copy>(reader: &mut Reader<'_>, wrong: E) -> Result<SocketAddr, E> {
    let ip = Ipv6Addr::from(reader.array::<16, E>(wrong)?);
    let address = canonical(SocketAddr::new(ip.into(), reader.u16(wrong)?));
    if is_usable(address) {
        Ok(address)
    } else {
        Err(wrong)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use std::net::SocketAddrV6;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn ipv4_is_sent_mapped_and_read_as_ipv4() {
        let bytes = to_bytes(address("192.0.2.1:4160"));
        assert_eq!(
            bytes,
            *b"\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x01\x10\x40"
        );
        assert_eq!(
            read(&mut Reader::new(&bytes), ()),
            Ok(address("192.0.2.1:4160"))
        );
        assert_eq!(to_bytes(address("[::ffff:192.0.2.1]:4160")), bytes);
        assert_eq!(
            canonical(address("[::ffff:192.0.2.1]:4160")),
            address("192.0.2.1:4160")
        );
    }

    #[test]
    fn flow_information_and_scope_id_are_not_sent() {
        let ip = "fe80::1".parse().unwrap();
        let scoped = SocketAddr::V6(SocketAddrV6::new(ip, 7, 9, 3));
        assert_eq!(canonical(scoped), address("[fe80::1]:7"));
        assert_eq!(
            read(&mut Reader::new(&to_bytes(scoped)), ()),
            Ok(address("[fe80::1]:7"))
        );
    }

    #[test]
    fn addresses_at_which_no_node_can_be_are_refused() {
        for text in [
            "192.0.2.1:0",
            "[2001:db8::1]:0",
            "0.0.0.0:1",
            "[::]:1",
            "224.0.0.1:1",
            "[ff02::1]:1",
            "255.255.255.255:1",
            "[::ffff:0.0.0.0]:1",
            "[::ffff:239.1.2.3]:1",
        ] {
            assert_eq!(
                read(&mut Reader::new(&to_bytes(address(text))), "wrong"),
                Err("wrong"),
                "{text}"
            );
        }
    }

    #[test]
    fn a_cut_address_is_refused() {
        let bytes = to_bytes(address("192.0.2.1:4160"));
        for size in 0..ADDRESS_SIZE {
            assert_eq!(
                read(&mut Reader::new(&bytes[..size]), "wrong"),
                Err("wrong")
            );
        }
    }
}
