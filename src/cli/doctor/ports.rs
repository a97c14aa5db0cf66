//! Whether a node can listen here, who does if it cannot, and whether a firewall may be in the way.

use super::finding::{Finding, Grade};
use super::ping;
use crate::reactor;
use crate::wire::Network;
use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

/// How long a node on this machine may take to answer.
const PATIENCE: Duration = Duration::from_millis(400);
/// The kernel's tables of sockets.
const TABLES: [&str; 4] = ["tcp", "tcp6", "udp", "udp6"];

/// Looks at the ports that a node would listen on.
pub fn examine(listen: &[SocketAddr], network: Network) -> Vec<Finding> {
    let port = listen.first().map_or(0, SocketAddr::port);
    let finding = match reactor::try_listening(listen) {
        Ok(bound) => {
            let bound: Vec<String> = bound.iter().map(SocketAddr::to_string).collect();
            let text = format!("UDP and TCP can be bound on {}", bound.join(", "));
            Finding::new("ports", Grade::Ok, text)
        }
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            let answers = || {
                let here: Vec<SocketAddr> = listen.iter().copied().map(reachable).collect();
                let answers = ping::ping(&here, network, PATIENCE);
                answers.iter().any(Option::is_some)
            };
            taken(port, &holders(port), answers)
        }
        Err(error) => Finding::new("ports", Grade::Problem, error.to_string())
            .with_advice("give another address with -l"),
    };
    let firewall = firewall(Path::new("/"), port);
    vec![finding.with_figure("port", port.into()), firewall]
}

/// A process that holds a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Holder {
    name: String,
    pid: u32,
}

/// Somebody has the port: a sprat that runs is what should be.
fn taken(port: u16, holders: &[Holder], answers: impl FnOnce() -> bool) -> Finding {
    let foreign = holders.iter().find(|holder| holder.name != "sprat");
    match (foreign, holders.first()) {
        (Some(Holder { name, pid }), _) => {
            let text = format!("port {port} is taken by {name} (pid {pid})");
            Finding::new("ports", Grade::Problem, text)
                .with_advice("stop it, or give another port with -l")
        }
        (None, Some(Holder { pid, .. })) => {
            let text = format!("a sprat that runs (pid {pid}) listens on port {port}");
            Finding::new("ports", Grade::Ok, text)
        }
        (None, None) if answers() => {
            let text = format!("a node that runs listens on port {port}, and answers");
            Finding::new("ports", Grade::Ok, text)
        }
        (None, None) => {
            let text = format!(
                "port {port} is taken by a process that cannot be seen from here, and no node of \
                 this network answers there"
            );
            Finding::new("ports", Grade::Warning, text)
                .with_advice("as root, this command names it; or give another port with -l")
        }
    }
}

/// Where this machine reaches what listens at `address`.
fn reachable(address: SocketAddr) -> SocketAddr {
    // A wildcard serves both families, or IPv4 alone where there is no IPv6.
    match address.ip().is_unspecified() {
        true => SocketAddr::from((Ipv4Addr::LOCALHOST, address.port())),
        false => address,
    }
}

/// Processes that hold a socket on `port`, as far as this user may see.
fn holders(port: u16) -> Vec<Holder> {
    let mut wanted = Vec::new();
    for table in TABLES {
        let text = fs::read_to_string(format!("/proc/net/{table}")).unwrap_or_default();
        let inodes = sockets_on(&text, port).into_iter();
        wanted.extend(inodes.map(|inode| format!("socket:[{inode}]")));
    }
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut found = Vec::new();
    for process in processes {
        let Some(pid) = process
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        let open = fs::read_dir(process.path().join("fd"))
            .into_iter()
            .flatten();
        let mut targets = open
            .flatten()
            .filter_map(|fd| fs::read_link(fd.path()).ok());
        if targets.any(|target| wanted.iter().any(|socket| target == Path::new(socket))) {
            let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            let name = name.trim().to_owned();
            found.push(Holder { name, pid });
        }
    }
    found
}

/// Inodes of the sockets in one of the kernel's tables whose own port is `port`; of TCP, those that
/// listen. Lines of `sl local:port remote:port state … inode …`, numbers but the last hexadecimal.
fn sockets_on(table: &str, port: u16) -> Vec<u64> {
    let line = |line: &str| -> Option<u64> {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (_, own) = fields.get(1)?.rsplit_once(':')?;
        let own = u16::from_str_radix(own, 16).ok()?;
        // 0A listens; 07 is what UDP sockets show.
        let is_server = matches!(*fields.get(3)?, "0A" | "07");
        let inode = fields.get(9)?.parse().ok()?;
        (own == port && is_server).then_some(inode)
    };
    table.lines().skip(1).filter_map(line).collect()
}

/// What guards this machine, beneath the root folder `root`. Rules are not read: that takes rights.
fn firewall(root: &Path, port: u16) -> Finding {
    let text = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
    let found = |name: &str| {
        let text = format!("{name} guards this machine");
        Finding::new("firewall", Grade::Note, text)
    };
    if text("etc/ufw/ufw.conf")
        .lines()
        .any(|line| line.trim() == "ENABLED=yes")
    {
        return found("ufw").with_advice(format!("sudo ufw allow {port}, unless that was done"));
    }
    if root.join("run/firewalld").exists() {
        return found("firewalld").with_advice(format!(
            "sudo firewall-cmd --add-port={port}/udp --add-port={port}/tcp, unless that was done"
        ));
    }
    // Lines of `name size uses …`: nobody uses the module where there are no rules.
    let modules = text("proc/modules");
    let is_used = |line: &str| {
        let mut words = line.split(' ');
        let is_filter = matches!(
            words.next(),
            Some("nf_tables" | "ip_tables" | "iptable_filter")
        );
        is_filter && words.nth(1).is_some_and(|uses| uses != "0")
    };
    match modules.lines().any(is_used) {
        true => found("a packet filter").with_advice(format!(
            "see sudo nft list ruleset: UDP and TCP port {port} must come in"
        )),
        false => Finding::new("firewall", Grade::Ok, "none was found on this machine"),
    }
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
    fn the_process_that_holds_a_port_is_named() {
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
        assert!(found.text.contains(" is taken by "), "{found:?}");
    }

    #[test]
    fn a_sprat_that_runs_is_no_problem_and_a_stranger_is() {
        let holder = |name: &str| Holder {
            name: name.into(),
            pid: 5,
        };
        let grade = |holders: &[Holder], answers| taken(4160, holders, || answers).grade;
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
