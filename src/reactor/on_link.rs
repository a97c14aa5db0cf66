//! Whether another node is on a network that this host is attached to: the caps leave those alone,
//! because what they protect is the line to the rest of the world.
//!
//! The kernel says it in two tables, which are read whenever a connection is made while a cap is
//! set: networks come and go. Not here: private addresses that are routed elsewhere, as in a campus;
//! those are not on-link. Invariant: a line that is not understood makes nobody exempt.

use super::error::Error;
use std::fs::File;
use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// IPv4 routes of the main table; those without a gateway are of networks at one of our interfaces.
const ROUTES: &str = "/proc/self/net/route";
/// IPv6 addresses of our interfaces, each with the length of its network's prefix.
const ADDRESSES: &str = "/proc/self/net/if_inet6";
/// What is read of either: thousands of lines.
const TABLE_SIZE_MAX: u64 = 256 * 1024;

/// Whether `ip` is this host itself, or reached without a router.
///
/// # Errors
/// When the kernel's table cannot be read.
pub fn is_on_link(ip: IpAddr) -> Result<bool, Error> {
    Ok(match ip.to_canonical() {
        ip if ip.is_loopback() => true,
        IpAddr::V4(ip) => ip.is_link_local() || has_route(&read(ROUTES)?, ip),
        IpAddr::V6(ip) => ip.is_unicast_link_local() || has_prefix(&read(ADDRESSES)?, ip),
    })
}

fn read(path: &str) -> Result<String, Error> {
    let mut text = String::new();
    let file = File::open(path);
    match file.and_then(|file| file.take(TABLE_SIZE_MAX).read_to_string(&mut text)) {
        Ok(_) => Ok(text),
        Err(error) => Err(Error::new(format!("read {path}"), error)),
    }
}

/// Lines of `Iface Destination Gateway Flags RefCnt Use Metric Mask …`, numbers in hexadecimal,
/// addresses in the memory order of this machine. The default route leads everywhere, so it names
/// no network.
fn has_route(table: &str, ip: Ipv4Addr) -> bool {
    table.lines().skip(1).any(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let mut address = |skipped: usize| {
            let number = u32::from_str_radix(fields.nth(skipped)?, 16).ok()?;
            Some(Ipv4Addr::from(number.to_ne_bytes()))
        };
        let (Some(network), Some(gateway), Some(mask)) = (address(0), address(0), address(4))
        else {
            return false;
        };
        !mask.is_unspecified() && gateway.is_unspecified() && ip & mask == network
    })
}

/// Lines of `address index prefix-length scope flags name`, numbers in hexadecimal.
fn has_prefix(table: &str, ip: Ipv6Addr) -> bool {
    table.lines().any(|line| {
        let mut fields = line.split_whitespace();
        let own = fields
            .next()
            .and_then(|own| u128::from_str_radix(own, 16).ok());
        let length = fields
            .nth(1)
            .and_then(|length| u32::from_str_radix(length, 16).ok());
        let (Some(own), Some(length @ 1..=128)) = (own, length) else {
            return false;
        };
        (own ^ ip.to_bits()) >> (128 - length) == 0
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
        let on_link = |ip: &str| has_route(&routes(), ip.parse().unwrap());
        assert!(on_link("10.99.1.77"));
        assert!(!on_link("10.99.2.77"));
        assert!(!on_link("172.16.0.1"));
        assert!(!on_link("192.0.2.1"));
    }

    #[test]
    fn an_address_with_a_prefix_of_ours_is_on_link() {
        let table = "20010db8000000000000000000000005 02 40 00 80     eth0\n\
                     00000000000000000000000000000001 01 80 10 80       lo\n\
                     fd000000000000000000000000000005 03 00 00 80     tun0\n";
        let on_link = |ip: &str| has_prefix(table, ip.parse().unwrap());
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
