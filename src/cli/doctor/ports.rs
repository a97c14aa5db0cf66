//! Whether a node can listen here, which process already does, and whether a firewall may be in the
//! way.

use super::finding::{Finding, Grade};
use super::ping;
use crate::reactor;
use crate::wire::Network;
use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A node on this machine answers within this time.
const PING_TIMEOUT: Duration = Duration::from_millis(400);
/// The kernel's tables of sockets in /proc/net.
const TABLES: [&str; 4] = ["tcp", "tcp6", "udp", "udp6"];

/// Examines the addresses that a node would listen on.
pub(super) fn examine(listen: &[SocketAddr], network: Network) -> Vec<Finding> {
    let port = listen.first().map_or(0, SocketAddr::port);
    let finding = match reactor::try_listening(listen) {
        Ok(bound) => {
            let bound: Vec<String> = bound.iter().map(SocketAddr::to_string).collect();
            Finding::ok(
                "ports",
                format!("UDP and TCP can be bound on {}", bound.join(", ")),
            )
        }
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            let answers = || {
                let here: Vec<SocketAddr> = listen.iter().copied().map(reachable).collect();
                let answers = ping::ping(&here, network, PING_TIMEOUT);
                answers.iter().any(Option::is_some)
            };
            in_use(port, &holders(port), answers)
        }
        Err(error) => {
            let advice = "give another address with -l";
            Finding::new("ports", Grade::Problem, error.to_string(), advice)
        }
    };
    let firewall = firewall(Path::new("/"), port);
    vec![finding.with_number("port", port.into()), firewall]
}

/// A process that holds a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Holder {
    name: String,
    pid: u32,
}

/// The port is in use: by a running sprat, as it should be, or by another program.
fn in_use(port: u16, holders: &[Holder], answers: impl FnOnce() -> bool) -> Finding {
    let foreign = holders.iter().find(|holder| holder.name != "sprat");
    match (foreign, holders.first()) {
        (Some(Holder { name, pid }), _) => {
            let text = format!("port {port} is in use by {name} (pid {pid})");
            Finding::new(
                "ports",
                Grade::Problem,
                text,
                "stop it, or give another port with -l",
            )
        }
        (None, Some(Holder { pid, .. })) => Finding::ok(
            "ports",
            format!("a running sprat (pid {pid}) listens on port {port}"),
        ),
        (None, None) if answers() => Finding::ok(
            "ports",
            format!("a running node listens on port {port}, and answers"),
        ),
        (None, None) => {
            let text = format!(
                "port {port} is in use by a process that this user cannot see, and no node of this \
                 network answers there"
            );
            let advice = "run this command as root to see its name, or give another port with -l";
            Finding::new("ports", Grade::Warning, text, advice)
        }
    }
}

/// The address at which this machine reaches a listener on `address`. A wildcard serves both
/// families, or IPv4 alone on a machine without IPv6.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip().is_unspecified() {
        true => SocketAddr::from((Ipv4Addr::LOCALHOST, address.port())),
        false => address,
    }
}

/// Processes that hold a socket on `port`, as far as this user may see.
fn holders(port: u16) -> Vec<Holder> {
    let read = |name: &&str| fs::read_to_string(format!("/proc/net/{name}")).ok();
    let inodes = TABLES
        .iter()
        .filter_map(read)
        .flat_map(|table| sockets_on(&table, port));
    let sockets: Vec<PathBuf> = inodes
        .map(|inode| format!("socket:[{inode}]").into())
        .collect();
    let holder = |process: fs::DirEntry| {
        let pid = process.file_name().to_str()?.parse().ok()?;
        let open = fs::read_dir(process.path().join("fd")).ok()?.flatten();
        let mut targets = open.filter_map(|entry| fs::read_link(entry.path()).ok());
        targets.find(|target| sockets.contains(target))?;
        let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
        let name = name.trim().to_owned();
        Some(Holder { name, pid })
    };
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes.filter_map(holder).collect()
}

/// Inodes of the sockets on local port `port` in one of the kernel's tables; of TCP, the listening
/// ones. Lines of `sl local:port remote:port state … inode …`; all but the inode are hexadecimal.
fn sockets_on(table: &str, port: u16) -> Vec<u64> {
    let line = |line: &str| -> Option<u64> {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (_, own) = fields.get(1)?.rsplit_once(':')?;
        let own = u16::from_str_radix(own, 16).ok()?;
        // 0A listens; UDP sockets show 07.
        let is_server = matches!(*fields.get(3)?, "0A" | "07");
        let inode = fields.get(9)?.parse().ok()?;
        (own == port && is_server).then_some(inode)
    };
    table.lines().skip(1).filter_map(line).collect()
}

/// The firewall of the machine whose root folder is `root`. Its rules are not read: that takes
/// root.
fn firewall(root: &Path, port: u16) -> Finding {
    let text = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
    let has_line = |path: &str, is_it: &dyn Fn(&str) -> bool| text(path).lines().any(is_it);
    // Lines of `name size uses …`: a module without uses has no rules.
    let is_used = |line: &str| {
        let mut words = line.split(' ');
        let is_filter = matches!(
            words.next(),
            Some("nf_tables" | "ip_tables" | "iptable_filter")
        );
        is_filter && words.nth(1).is_some_and(|uses| uses != "0")
    };
    let (name, advice) = if has_line("etc/ufw/ufw.conf", &|line| line.trim() == "ENABLED=yes") {
        ("ufw", format!("sudo ufw allow {port}, unless this is done"))
    } else if root.join("run/firewalld").exists() {
        let ports = format!("--add-port={port}/udp --add-port={port}/tcp");
        (
            "firewalld",
            format!("sudo firewall-cmd {ports}, unless this is done"),
        )
    } else if has_line("proc/modules", &is_used) {
        let advice = format!("sudo nft list ruleset: UDP and TCP port {port} must be open");
        ("a packet filter", advice)
    } else {
        return Finding::ok("firewall", "this machine has none");
    };
    Finding::new(
        "firewall",
        Grade::Note,
        format!("{name} is active on this machine"),
        advice,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;

    #[test]
    fn the_kernels_tables_name_the_sockets_on_a_port() {
        let head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   \
                    uid  timeout inode\n";
        let line = |local: &str, state: &str, inode: &str| {
            format!(
                "   0: {local} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000     \
                     0        0 {inode} 1 0000000000000000 100 0 0 10 0\n"
            )
        };
        let table = head.to_owned()
            + &line("0100007F:1040", "0A", "11")
            + &line("0100007F:1040", "01", "12")
            + &line("0100007F:1041", "0A", "13")
            + &line("00000000000000000000000000000000:1040", "07", "14")
            + "damaged\n";
        assert_eq!(sockets_on(&table, 4160), [11, 14]);
    }

    #[test]
    fn the_holder_of_a_port_is_named() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let here = socket.local_addr().unwrap();
        let holders = holders(here.port());
        assert!(
            holders
                .iter()
                .any(|holder| holder.pid == std::process::id()),
            "{holders:?}"
        );
        let network = Network::named("nobody answers here");
        let found = &examine(&[here], network)[0];
        assert_eq!(found.grade, Grade::Problem);
        assert!(found.text.contains(" is in use by "), "{found:?}");
    }

    #[test]
    fn another_program_on_the_port_is_a_problem_and_a_running_sprat_is_not() {
        let holder = |name: &str| Holder {
            name: name.into(),
            pid: 5,
        };
        let grade = |holders: &[Holder], answers| in_use(4160, holders, || answers).grade;
        assert_eq!(grade(&[holder("sprat")], false), Grade::Ok);
        assert_eq!(grade(&[holder("sprat"), holder("x")], true), Grade::Problem);
        assert_eq!(grade(&[], true), Grade::Ok);
        assert_eq!(grade(&[], false), Grade::Warning);
    }

    #[test]
    fn a_firewall_is_a_note_with_the_command_that_opens_it() {
        let base = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = base.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        assert_eq!(firewall(base.path(), 1).grade, Grade::Ok);
        put("proc/modules", "nf_tables 300 0 - Live 0x0\n");
        assert_eq!(firewall(base.path(), 1).grade, Grade::Ok);
        put("proc/modules", "nf_tables 300 12 nft_compat, Live 0x0\n");
        assert!(firewall(base.path(), 1).text.starts_with("a packet filter"));
        put("run/firewalld/x", "");
        assert!(firewall(base.path(), 7).advice.contains("--add-port=7/udp"));
        put("etc/ufw/ufw.conf", "# on\nENABLED=yes\n");
        assert!(
            firewall(base.path(), 7)
                .advice
                .starts_with("sudo ufw allow 7")
        );
    }
}
