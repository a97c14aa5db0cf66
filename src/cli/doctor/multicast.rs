//! Whether nodes of one local network can find each other: the interfaces that support multicast,
//! and a datagram that each of them sends to this machine itself.

use super::finding::{Finding, Grade};
use crate::reactor;
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
use std::fs;
use std::io::{self, Read as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::path::Path;
use std::time::Duration;

/// A datagram from this machine to itself arrives within this time.
const LOOP_TIMEOUT: Duration = Duration::from_millis(200);
/// Each interface takes two loop timeouts at most: four of them end in time.
const INTERFACES_MAX: usize = 4;
const INTERFACES: &str = "/sys/class/net";
/// Groups for local use (RFC 2365; RFC 4291: link-local, transient) that no other program uses.
const GROUP_V4: Ipv4Addr = Ipv4Addr::new(239, 255, 65, 96);
const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff12, 0, 0, 0, 0, 0, 0, 0x4160);

// Flags of an interface (linux/if.h).
const UP: u32 = 0x1;
const LOOPBACK: u32 = 0x8;
const MULTICAST: u32 = 0x1000;

pub(super) fn examine() -> Vec<Finding> {
    judge(&interfaces(Path::new(INTERFACES)), loop_v4, loop_v6)
}

/// An interface that is up and supports multicast.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Interface {
    name: String,
    index: u32,
}

fn interfaces(folder: &Path) -> Vec<Interface> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let interface = |entry: fs::DirEntry| -> Option<Interface> {
        let text = |name| fs::read_to_string(entry.path().join(name)).ok();
        let flags = text("flags")?;
        let flags = u32::from_str_radix(flags.trim().strip_prefix("0x")?, 16).ok()?;
        let index = text("ifindex")?.trim().parse().ok()?;
        let name = entry.file_name().into_string().ok()?;
        (flags & (UP | LOOPBACK | MULTICAST) == UP | MULTICAST).then_some(Interface { name, index })
    };
    let mut found: Vec<Interface> = entries.filter_map(interface).collect();
    found.sort_by_key(|interface| interface.index);
    found
}

type Loop = fn(u32) -> io::Result<()>;

fn judge(interfaces: &[Interface], v4: Loop, v6: Loop) -> Vec<Finding> {
    if interfaces.is_empty() {
        let text = "no interface that supports multicast is up: nodes of the local network do not \
                    find each other";
        let advice = "connect one, or name nodes with -b";
        return vec![Finding::new("multicast", Grade::Warning, text, advice)];
    }
    let judge = |Interface { name, index }: &Interface| {
        let (mut works, mut fails) = (Vec::new(), Vec::new());
        for (family, result) in [("IPv4", v4(*index)), ("IPv6", v6(*index))] {
            match result {
                Ok(()) => works.push(family),
                Err(error) => fails.push(format!("{family}: {}", reactor::words(&error))),
            }
        }
        let (works, fails) = (works.join(" and "), fails.join("; "));
        let (grade, text, advice) = match (works.as_str(), fails.as_str()) {
            (_, "") => (Grade::Ok, format!("{name} supports it, {works}"), ""),
            ("", _) => (
                Grade::Warning,
                format!("{name} does not support it ({fails})"),
                "nodes there do not find each other: name them with -b",
            ),
            _ => (
                Grade::Note,
                format!("{name} supports it, {works} ({fails})"),
                "",
            ),
        };
        Finding::new("multicast", grade, text, advice)
    };
    interfaces.iter().take(INTERFACES_MAX).map(judge).collect()
}

/// Sends a datagram to a group on one interface and receives it. Its time to live is 0, so that it
/// never leaves this machine.
fn loop_v4(index: u32) -> io::Result<()> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.join_multicast_v4_n(&GROUP_V4, &InterfaceIndexOrAddress::Index(index))?;
    socket.set_multicast_ttl_v4(0)?;
    socket.set_multicast_loop_v4(true)?;
    receive_own(&socket, Ipv4Addr::UNSPECIFIED.into(), |port| {
        SocketAddr::from((GROUP_V4, port))
    })
}

fn loop_v6(index: u32) -> io::Result<()> {
    let socket = Socket::new(Domain::IPV6, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_only_v6(true)?;
    socket.join_multicast_v6(&GROUP_V6, index)?;
    socket.set_multicast_if_v6(index)?;
    socket.set_multicast_hops_v6(0)?;
    socket.set_multicast_loop_v6(true)?;
    receive_own(&socket, Ipv6Addr::UNSPECIFIED.into(), |port| {
        SocketAddrV6::new(GROUP_V6, port, 0, index).into()
    })
}

/// Binds the socket to `any`, and sends from it to the group on its own port.
fn receive_own(
    mut socket: &Socket,
    any: IpAddr,
    group: impl FnOnce(u16) -> SocketAddr,
) -> io::Result<()> {
    socket.bind(&SocketAddr::new(any, 0).into())?;
    let own = socket.local_addr()?.as_socket();
    let group = group(own.map_or(0, |address| address.port()));
    let mut sent = [0; 16];
    getrandom::fill(&mut sent).map_err(io::Error::other)?;
    socket.set_read_timeout(Some(LOOP_TIMEOUT))?;
    socket.send_to(&sent, &group.into())?;
    let mut received = [0; 16];
    match socket.read(&mut received) {
        Ok(_) if received == sent => Ok(()),
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
        _ => Err(io::Error::other("sent, but not received")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_that_are_up_and_support_multicast_are_found() {
        let base = tempfile::tempdir().unwrap();
        let put = |name: &str, flags: &str, index: &str| {
            let folder = base.path().join(name);
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join("flags"), flags).unwrap();
            fs::write(folder.join("ifindex"), index).unwrap();
        };
        put("lo", "0x9\n", "1\n");
        put("wlan0", "0x1003\n", "3\n");
        put("eth0", "0x1003\n", "2\n");
        put("down0", "0x1002\n", "4\n");
        put("tun0", "0x1\n", "5\n");
        put("odd0", "up\n", "6\n");
        let found = interfaces(base.path());
        let names: Vec<&str> = found.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["eth0", "wlan0"]);
    }

    #[test]
    fn each_interface_has_one_finding() {
        let eth = [Interface {
            name: "eth0".into(),
            index: 2,
        }];
        let yes: Loop = |_| Ok(());
        let no: Loop = |_| Err(io::Error::other("sent, but not received"));
        let line = |interfaces: &[Interface], v4, v6| judge(interfaces, v4, v6)[0].line();
        assert_eq!(
            line(&eth, yes, yes),
            "ok       multicast: eth0 supports it, IPv4 and IPv6"
        );
        assert_eq!(
            line(&eth, yes, no),
            "note     multicast: eth0 supports it, IPv4 (IPv6: sent, but not received)"
        );
        assert!(line(&eth, no, no).starts_with("warning  multicast: eth0 does not support it"));
        assert!(line(&[], yes, yes).starts_with("warning  multicast: no interface that supports"));
    }
}
