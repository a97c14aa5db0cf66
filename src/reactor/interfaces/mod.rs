//! The interfaces of this host and their networks, as two tables of the kernel list them.
//!
//! They are read anew whenever it matters (a connection is made while a cap is set, the interfaces
//! have changed): networks come and go. Not here: private addresses that are routed elsewhere, as
//! in a campus; those are not on-link. Invariant: a line that does not parse puts no address
//! on-link.

pub(super) mod changes;
pub(super) mod scope_id;

use super::error::Error;
use std::fs::File;
use std::io::{self, Read as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// IPv4 routes of the main table; those without a gateway are of networks at one of our interfaces.
const ROUTES: &str = "/proc/self/net/route";
/// IPv6 addresses of our interfaces, each with the length of its network's prefix.
const ADDRESSES: &str = "/proc/self/net/if_inet6";
/// The most that is read of either: thousands of lines.
const TABLE_SIZE_MAX: u64 = 256 * 1024;

/// Flags of an IPv6 address that cannot be used (yet): `IFA_F_TENTATIVE`, while the host makes sure
/// that no other has it, and `IFA_F_DADFAILED`.
const UNUSABLE: u32 = 0x40 | 0x08;

/// Upper bits of an IPv4 address in its IPv6 form, `::ffff:0:0/96`.
const MAPPED: u128 = u128::MAX << 32;

/// A network that an interface is attached to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    pub interface: String,
    /// The interface's index; 0 in the table of IPv4, which does not tell.
    pub index: u32,
    /// The interface's address; of IPv4 the network's.
    pub ip: IpAddr,
    /// Whether the address can be sent from.
    pub is_usable: bool,
    /// The bits that all addresses of the network share, IPv4 as IPv6.
    mask: u128,
}

/// The networks that the interfaces of this host are attached to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(pub Vec<Network>);

/// Whether `ip` is this host itself, or reached without a router.
///
/// # Errors
/// When the kernel's tables cannot be read.
pub fn is_on_link(ip: IpAddr) -> Result<bool, Error> {
    Ok(is_certainly_on_link(ip) || Networks::read()?.is_on_link(ip))
}

/// Whether that is so whatever the tables say.
fn is_certainly_on_link(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        ip if ip.is_loopback() => true,
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

impl Networks {
    /// Reads the kernel's tables.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn read() -> Result<Networks, Error> {
        let (routes, addresses) = (read(ROUTES)?, read(ADDRESSES)?);
        Ok(Networks::parse(&routes, &addresses))
    }

    fn parse(routes: &str, addresses: &str) -> Networks {
        let v4 = routes.lines().skip(1).filter_map(parse_route);
        Networks(
            v4.chain(addresses.lines().filter_map(parse_address))
                .collect(),
        )
    }

    /// Whether `ip` is of one of them, or link-local, or this host's loopback.
    pub fn is_on_link(&self, ip: IpAddr) -> bool {
        is_certainly_on_link(ip) || self.0.iter().any(|network| network.holds(ip))
    }

    /// Whether `ip` is of a network at this interface.
    pub fn is_at(&self, interface: &str, ip: IpAddr) -> bool {
        let mut here = self.0.iter().filter(|at| at.interface == interface);
        here.any(|network| network.holds(ip))
    }
}

impl Network {
    fn holds(&self, ip: IpAddr) -> bool {
        (bits(self.ip) ^ bits(ip)) & self.mask == 0
    }
}

/// The bits of an address, IPv4 as IPv6.
fn bits(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().to_bits(),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

/// Reads a table; empty where the kernel has none, because it does without IPv6.
fn read(path: &str) -> Result<String, Error> {
    let mut text = String::new();
    let file = File::open(path);
    match file.and_then(|file| file.take(TABLE_SIZE_MAX).read_to_string(&mut text)) {
        Ok(_) => Ok(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(Error::new(format!("read {path}"), error)),
    }
}

/// Parses `Iface Destination Gateway Flags RefCnt Use Metric Mask …`, numbers in hexadecimal,
/// addresses in the memory order of this machine. The default route leads everywhere, so it names
/// no network.
fn parse_route(line: &str) -> Option<Network> {
    let mut fields = line.split_whitespace();
    let interface = fields.next()?.to_owned();
    let mut address = |skipped: usize| {
        let number = u32::from_str_radix(fields.nth(skipped)?, 16).ok()?;
        Some(Ipv4Addr::from(number.to_ne_bytes()))
    };
    let (network, gateway, mask) = (address(0)?, address(0)?, address(4)?);
    let is_network = !mask.is_unspecified() && gateway.is_unspecified();
    is_network.then_some(Network {
        interface,
        index: 0,
        ip: network.into(),
        is_usable: true,
        mask: MAPPED | u128::from(mask.to_bits()),
    })
}

/// Parses `address index prefix-length scope flags name`, numbers in hexadecimal.
fn parse_address(line: &str) -> Option<Network> {
    let mut fields = line.split_whitespace();
    let ip = u128::from_str_radix(fields.next()?, 16).ok()?;
    let mut number = || u32::from_str_radix(fields.next()?, 16).ok();
    let (index, prefix_length, _, flags) = (number()?, number()?, number()?, number()?);
    let interface = fields.next()?.to_owned();
    (1..=128).contains(&prefix_length).then(|| Network {
        interface,
        index,
        ip: Ipv6Addr::from_bits(ip).into(),
        is_usable: flags & UNUSABLE == 0,
        mask: u128::MAX << (128 - prefix_length),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 10.99.1.0/24 at eth0, 172.16.0.0/12 through a router, and the default route through a line
    /// without one.
    fn routes() -> String {
        let hex = |ip: &str| {
            let ip: Ipv4Addr = ip.parse().unwrap();
            format!("{:08X}", u32::from_ne_bytes(ip.octets()))
        };
        let line = |network, gateway, mask| {
            let (network, gateway, mask) = (hex(network), hex(gateway), hex(mask));
            format!("eth0\t{network}\t{gateway}\t0001\t0\t0\t0\t{mask}\t0\t0\t0\n")
        };
        let head =
            "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\n".to_owned();
        head + &line("0.0.0.0", "0.0.0.0", "0.0.0.0")
            + &line("10.99.1.0", "0.0.0.0", "255.255.255.0")
            + &line("172.16.0.0", "10.99.1.1", "255.240.0.0")
            + "eth0 damaged\n"
    }

    #[test]
    fn a_network_at_an_interface_is_on_link_and_one_behind_a_router_is_not() {
        let tables = Networks::parse(&routes(), "");
        let on_link = |ip: &str| tables.is_on_link(ip.parse().unwrap());
        assert!(on_link("10.99.1.77"));
        assert!(tables.is_at("eth0", "::ffff:10.99.1.77".parse().unwrap()));
        assert!(!tables.is_at("eth1", "10.99.1.77".parse().unwrap()));
        assert!(!on_link("10.99.2.77"));
        assert!(!on_link("172.16.0.1"));
        assert!(!on_link("192.0.2.1"));
    }

    #[test]
    fn an_address_with_a_prefix_of_ours_is_on_link() {
        let table = "20010db8000000000000000000000005 02 40 00 80     eth0\n\
                     00000000000000000000000000000001 01 80 10 80       lo\n\
                     fe800000000000000000000000000005 02 40 20 c0     eth0\n\
                     fd000000000000000000000000000005 03 00 00 80     tun0\n";
        let tables = Networks::parse("", table);
        assert_eq!(tables.0.len(), 3, "a network without a prefix is none");
        let usable: Vec<bool> = tables.0.iter().map(|at| at.is_usable).collect();
        assert_eq!(usable, [true, true, false], "one is tentative");
        let on_link = |ip: &str| tables.is_on_link(ip.parse().unwrap());
        assert!(on_link("2001:db8::77"));
        assert!(on_link("::1"));
        assert!(!on_link("2001:db8:0:1::77"));
        assert!(!on_link("fd00::5"));
    }

    #[test]
    fn this_host_is_on_link_and_documentation_is_not() {
        let on_link = |ip: &str| is_on_link(ip.parse().unwrap()).unwrap();
        assert!(on_link("127.0.0.9"));
        assert!(on_link("::ffff:127.0.0.1"));
        assert!(on_link("::1"));
        assert!(on_link("fe80::1"));
        assert!(!on_link("2001:db8::1"));
    }
}
