//! How the nodes given with `-b` see this machine, and whether a NAT is in between.

use super::finding::{Finding, Grade};
use super::ping::{self, Answer};
use super::task::spawn;
use crate::address;
use crate::cli::host_port::HostPort;
use crate::service::format;
use crate::service::locations::own_address;
use crate::wire::Network;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

const RESOLVE_TIMEOUT: Duration = Duration::from_millis(2_000);
const PING_TIMEOUT: Duration = Duration::from_millis(1_200);
const CONNECT_TIMEOUT: Duration = Duration::from_millis(300);
/// Addresses that are pinged: few enough to end in time even if all of them are slow.
const NODES_MAX: usize = 4;

pub(super) fn examine(hosts: &[HostPort], network: Network) -> Vec<Finding> {
    if hosts.is_empty() {
        return vec![unknown("name a node with -b HOST:PORT")];
    }
    let (names, mut found) = (hosts.to_vec(), Vec::new());
    let resolved = spawn(move || names.iter().map(HostPort::resolve).collect::<Vec<_>>())
        .recv_timeout(RESOLVE_TIMEOUT)
        .unwrap_or_else(|_| vec![Err("no name server answers".into()); hosts.len()]);
    let mut nodes: Vec<SocketAddr> = Vec::new();
    for (host, result) in hosts.iter().zip(resolved) {
        match result {
            Ok(addresses) => nodes.extend(addresses.into_iter().map(address::canonical)),
            Err(error) => {
                let text = format!("cannot resolve {host}: {error}");
                let advice = "check the name, or give its IP address";
                found.push(Finding::new("bootstrap", Grade::Problem, text, advice));
            }
        }
    }
    nodes.sort();
    nodes.dedup();
    nodes.truncate(NODES_MAX);
    let answers = ping::ping(&nodes, network, PING_TIMEOUT);
    let mut sights = Vec::new();
    for (&node, answer) in nodes.iter().zip(answers) {
        let accepts = |node| TcpStream::connect_timeout(&node, CONNECT_TIMEOUT).is_ok();
        found.push(bootstrap(node, answer, answer.is_some() && accepts(node)));
        sights.extend(answer.map(|Answer { seen, .. }| Sight {
            seen,
            own: own_address(node),
        }));
    }
    found.push(judge(&sights));
    found
}

/// The address that a node sees, and the address that this machine uses to reach that node.
#[derive(Clone, Copy, Debug)]
struct Sight {
    seen: SocketAddr,
    own: Option<IpAddr>,
}

fn bootstrap(node: SocketAddr, answer: Option<Answer>, accepts_tcp: bool) -> Finding {
    let finding = |grade, text, advice| Finding::new("bootstrap", grade, text, advice);
    match answer {
        None => finding(
            Grade::Problem,
            format!("{node} does not answer"),
            "does a node of this network run there (same --network and --key), and does its \
             firewall let UDP in?",
        ),
        Some(_) if !accepts_tcp => finding(
            Grade::Warning,
            format!("{node} answers, but accepts no TCP connection"),
            "open its port for TCP as well as UDP",
        ),
        Some(Answer { time, .. }) => {
            let took = format::short_time(time);
            Finding::ok(
                "bootstrap",
                format!("{node} answers within {took}, and accepts TCP"),
            )
            .with_number("answer_microseconds", time.as_micros() as u64)
        }
    }
}

fn unknown(advice: &str) -> Finding {
    let text = "the address that other nodes see is unknown";
    Finding::new("address", Grade::Note, text, advice)
}

/// All sights come from one socket. A NAT that maps it to another port for each destination lets
/// no node connect from outside.
fn judge(sights: &[Sight]) -> Finding {
    let Some(first) = sights.first() else {
        return unknown("none of the nodes given with -b answered");
    };
    let is_translated = |sight: &&Sight| sight.own != Some(sight.seen.ip());
    let Some(outside) = sights.iter().find(is_translated) else {
        let ip = first.seen.ip();
        let text = format!("other nodes see {ip}, this machine's own address: no NAT");
        return Finding::ok("address", text);
    };
    let ip = outside.seen.ip();
    let differs = |sight: &Sight| sight.seen.ip() == ip && sight.seen.port() != outside.seen.port();
    let text = match sights.iter().any(differs) {
        true => {
            format!("other nodes see {ip}, each another port: no node can connect through this NAT")
        }
        false => format!("other nodes see {ip}: there is a NAT"),
    };
    let advice = "on the router, forward the node's port, UDP and TCP, to this machine";
    Finding::new("address", Grade::Warning, text, advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sight(seen: &str, own: &str) -> Sight {
        let (seen, own) = (seen.parse().unwrap(), own.parse().ok());
        Sight { seen, own }
    }

    #[test]
    fn a_nat_is_inferred_from_the_addresses_that_nodes_see() {
        let judged = |sights: &[Sight]| judge(sights).line();
        assert!(judged(&[]).starts_with("note     address: the address that other nodes see is"));
        let direct = sight("192.0.2.7:5", "192.0.2.7");
        assert!(judged(&[direct]).contains("this machine's own address: no NAT"));
        let behind = sight("198.51.100.1:5", "192.168.1.5");
        let text = judged(&[direct, behind]);
        assert!(
            text.starts_with("warning  address: other nodes see 198.51.100.1: there is a NAT"),
            "{text}"
        );
        let elsewhere = sight("198.51.100.1:6", "192.168.1.5");
        assert!(judged(&[behind, elsewhere]).contains("each another port"));
        assert!(!judged(&[behind, behind]).contains("each another port"));
    }

    #[test]
    fn a_silent_node_is_a_problem_and_one_without_tcp_a_warning() {
        let node = "192.0.2.7:4160".parse().unwrap();
        let (seen, time) = (node, Duration::from_millis(2));
        let answer = Some(Answer { seen, time });
        assert_eq!(bootstrap(node, None, false).grade, Grade::Problem);
        assert_eq!(bootstrap(node, answer, false).grade, Grade::Warning);
        let line = bootstrap(node, answer, true).line();
        assert!(line.starts_with("ok       bootstrap: 192.0.2.7:4160 answers within 2.0 ms"));
    }
}
