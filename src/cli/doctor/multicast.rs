//! Whether nodes of one local network can find each other: the interfaces that could carry a
//! multicast datagram, and one that is really sent, and heard, on this machine alone.

use super::finding::{Finding, Grade};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockAddr, Socket, Type};
use std::fs;
use std::io::{self, Read as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::path::Path;
use std::time::Duration;

/// How long a datagram may take from this machine to itself.
const PATIENCE: Duration = Duration::from_millis(200);
/// Interfaces that are tried.
const TRIED_MAX: usize = 4;
/// Where Linux tells of its interfaces.
const INTERFACES: &str = "/sys/class/net";
/// Groups for local use (RFC 2365, and RFC 4291: link-local, transient), so that nobody's are taken.
const GROUP_V4: Ipv4Addr = Ipv4Addr::new(239, 255, 65, 96);
const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff12, 0, 0, 0, 0, 0, 0, 0x4160);

// Flags of an interface (linux/if.h).
const UP: u32 = 0x1;
const LOOPBACK: u32 = 0x8;
const MULTICAST: u32 = 0x1000;

/// Looks at the interfaces, and sends to itself.
pub fn examine() -> Vec<Finding> {
    judge(&interfaces(Path::new(INTERFACES)), loop_v4, loop_v6)
}

/// An interface that is up and can carry multicast.
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
        let text = "no interface is up that can carry multicast: nodes of the local network are \
                    not found by themselves";
        let finding = Finding::new("multicast", Grade::Warning, text);
        return vec![finding.with_advice("connect one, or name nodes with -b")];
    }
    let tried = interfaces.iter().take(TRIED_MAX);
    tried
        .map(|interface| {
            let Interface { name, index } = interface;
            let works = |family: &'static str, result: io::Result<()>| match result {
                Ok(()) => Ok(family),
                Err(error) => Err(format!("{family}: {}", crate::reactor::words(&error))),
            };
            let (works, fails): (Vec<_>, Vec<_>) =
                [works("IPv4", v4(*index)), works("IPv6", v6(*index))]
                    .into_iter()
                    .partition(Result::is_ok);
            let works: Vec<&str> = works.into_iter().flatten().collect();
            let fails: Vec<String> = fails.into_iter().filter_map(Result::err).collect();
            let (works, fails) = (works.join(" and "), fails.join("; "));
            let finding = |grade, text: String| Finding::new("multicast", grade, text);
            match (works.as_str(), fails.as_str()) {
                (works, "") => finding(Grade::Ok, format!("{name} carries it, {works}")),
                ("", fails) => finding(Grade::Warning, format!("{name} carries none ({fails})"))
                    .with_advice("nodes there are not found by themselves: name them with -b"),
                (works, fails) => {
                    finding(Grade::Note, format!("{name} carries it, {works} ({fails})"))
                }
            }
        })
        .collect()
}

/// Sends a datagram to a group on one interface and hears it. Its time to live is 0, so it never
/// leaves this machine.
fn loop_v4(index: u32) -> io::Result<()> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)).into())?;
    socket.join_multicast_v4_n(&GROUP_V4, &InterfaceIndexOrAddress::Index(index))?;
    socket.set_multicast_ttl_v4(0)?;
    socket.set_multicast_loop_v4(true)?;
    let port = port_of(&socket)?;
    hear_oneself(&socket, &SocketAddr::from((GROUP_V4, port)).into())
}

fn loop_v6(index: u32) -> io::Result<()> {
    let socket = Socket::new(Domain::IPV6, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_only_v6(true)?;
    socket.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)).into())?;
    socket.join_multicast_v6(&GROUP_V6, index)?;
    socket.set_multicast_if_v6(index)?;
    socket.set_multicast_hops_v6(0)?;
    socket.set_multicast_loop_v6(true)?;
    let port = port_of(&socket)?;
    hear_oneself(&socket, &SocketAddrV6::new(GROUP_V6, port, 0, index).into())
}

fn port_of(socket: &Socket) -> io::Result<u16> {
    let address = socket.local_addr()?.as_socket();
    Ok(address.map_or(0, |address| address.port()))
}

fn hear_oneself(mut socket: &Socket, group: &SockAddr) -> io::Result<()> {
    let mut word = [0; 16];
    getrandom::fill(&mut word).map_err(io::Error::other)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.send_to(&word, group)?;
    let mut heard = [0; 16];
    match socket.read(&mut heard) {
        Ok(_) if heard == word => Ok(()),
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
        _ => Err(io::Error::other("sent, but not heard")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_that_are_up_and_carry_multicast_are_found() {
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
    fn what_an_interface_carries_is_judged() {
        let eth = [Interface {
            name: "eth0".into(),
            index: 2,
        }];
        let yes: Loop = |_| Ok(());
        let no: Loop = |_| Err(io::Error::other("sent, but not heard"));
        let line = |interfaces: &[Interface], v4, v6| judge(interfaces, v4, v6)[0].line();
        assert_eq!(
            line(&eth, yes, yes),
            "ok       multicast: eth0 carries it, IPv4 and IPv6"
        );
        assert_eq!(
            line(&eth, yes, no),
            "note     multicast: eth0 carries it, IPv4 (IPv6: sent, but not heard)"
        );
        assert!(line(&eth, no, no).starts_with("warning  multicast: eth0 carries none"));
        assert!(line(&[], yes, yes).starts_with("warning  multicast: no interface is up"));
    }
}
