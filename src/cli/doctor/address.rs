//! How the nodes given with `-b` see this machine, and what that says of a router in between.

use super::ask;
use super::finding::{Finding, Grade};
use super::ping::{self, Answer};
use crate::address;
use crate::cli::host_port::HostPort;
use crate::cli::{format, start};
use crate::wire::Network;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

/// How long names may take to be resolved.
const NAME_PATIENCE: Duration = Duration::from_millis(2_000);
/// How long the nodes may take to answer a ping.
const PING_PATIENCE: Duration = Duration::from_millis(1_200);
/// How long one may take to take a connection.
const CONNECT_PATIENCE: Duration = Duration::from_millis(300);
/// Addresses that are asked: then all of it ends in time, also when every one is slow.
const ASKED_MAX: usize = 4;

/// Asks the nodes at `places`.
pub fn examine(places: &[HostPort], network: Network) -> Vec<Finding> {
    if places.is_empty() {
        let finding = Finding::new(
            "address",
            Grade::Note,
            "how others see this machine is unknown",
        );
        return vec![finding.with_advice("name a node with -b HOST:PORT")];
    }
    let (wanted, mut found) = (places.to_vec(), Vec::new());
    let resolve = move || wanted.iter().map(start::resolve).collect::<Vec<_>>();
    let late = |_| vec![Err("no name server answers".into()); places.len()];
    let resolved = ask(resolve)
        .recv_timeout(NAME_PATIENCE)
        .unwrap_or_else(late);
    let mut nodes: Vec<SocketAddr> = Vec::new();
    for (place, result) in places.iter().zip(resolved) {
        match result {
            Ok(addresses) => nodes.extend(addresses.into_iter().map(address::canonical)),
            Err(error) => {
                let text = format!("cannot resolve {place}: {error}");
                let finding = Finding::new("bootstrap", Grade::Problem, text);
                found.push(finding.with_advice("check the name, or give its IP"));
            }
        }
    }
    nodes.sort();
    nodes.dedup();
    nodes.truncate(ASKED_MAX);
    let answers = ping::ping(&nodes, network, PING_PATIENCE);
    found.extend(nodes.iter().zip(&answers).map(|(&node, answer)| {
        let answer = answer.as_ref();
        bootstrap(node, answer, answer.is_some() && takes_streams(node))
    }));
    let seen: Vec<Sight> = nodes.iter().zip(&answers).filter_map(sight).collect();
    found.push(judge(&seen));
    found
}

/// An answer beside what this machine calls itself on the way to the node.
#[derive(Clone, Copy, Debug)]
struct Sight {
    seen: SocketAddr,
    own: Option<IpAddr>,
}

fn sight((node, answer): (&SocketAddr, &Option<Answer>)) -> Option<Sight> {
    let seen = answer.as_ref()?.seen;
    let own = start::own_address(*node);
    Some(Sight { seen, own })
}

fn takes_streams(node: SocketAddr) -> bool {
    TcpStream::connect_timeout(&node, CONNECT_PATIENCE).is_ok()
}

fn bootstrap(node: SocketAddr, answer: Option<&Answer>, takes_streams: bool) -> Finding {
    let grade = |grade, text: String| Finding::new("bootstrap", grade, text);
    match answer {
        None => grade(Grade::Problem, format!("{node} does not answer")).with_advice(
            "does a node of this network run there (same --network and --key), and does its firewall \
             let UDP in?",
        ),
        Some(_) if !takes_streams => grade(
            Grade::Warning,
            format!("{node} answers, but takes no TCP connection"),
        )
        .with_advice("let TCP in there as well, on the same port"),
        Some(answer) => {
            let time = format::short_time(answer.time);
            grade(
                Grade::Ok,
                format!("{node} answers within {time}, and takes streams"),
            )
            .with_figure("answer_microseconds", answer.time.as_micros() as u64)
        }
    }
}

/// What the sights say together. All came from one socket: a router that gives it several ports
/// gives each destination its own, and then nobody can be reached from outside.
fn judge(sights: &[Sight]) -> Finding {
    let grade = |grade, text: String| Finding::new("address", grade, text);
    let Some(first) = sights.first() else {
        return grade(
            Grade::Note,
            "how others see this machine is unknown: nobody answered".into(),
        );
    };
    let translated = |sight: &&Sight| sight.own != Some(sight.seen.ip());
    let Some(outside) = sights.iter().find(translated) else {
        let ip = first.seen.ip();
        return grade(
            Grade::Ok,
            format!("others see {ip}, which is this machine's own: no NAT"),
        );
    };
    let ip = outside.seen.ip();
    let mut of_ip = sights.iter().filter(|sight| sight.seen.ip() == ip);
    let differs = of_ip.any(|sight| sight.seen.port() != outside.seen.port());
    match differs {
        true => grade(
            Grade::Warning,
            format!("others see {ip}, another port each: a NAT that nobody gets through"),
        ),
        false => grade(
            Grade::Warning,
            format!("others see {ip}: a NAT is on the way"),
        ),
    }
    .with_advice("on the router, forward the node's port, UDP and TCP, to this machine")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sight(seen: &str, own: &str) -> Sight {
        let (seen, own) = (seen.parse().unwrap(), own.parse().ok());
        Sight { seen, own }
    }

    #[test]
    fn a_nat_is_guessed_from_what_others_see() {
        let judged = |sights: &[Sight]| judge(sights).line();
        assert!(
            judged(&[]).starts_with("note     address: how others see this machine is unknown")
        );
        let direct = sight("192.0.2.7:5", "192.0.2.7");
        assert!(judged(&[direct]).contains("this machine's own: no NAT"));
        let behind = sight("198.51.100.1:5", "192.168.1.5");
        let text = judged(&[direct, behind]);
        assert!(
            text.starts_with("warning  address: others see 198.51.100.1: a NAT"),
            "{text}"
        );
        let elsewhere = sight("198.51.100.1:6", "192.168.1.5");
        assert!(judged(&[behind, elsewhere]).contains("another port each"));
        assert!(!judged(&[behind, behind]).contains("another port each"));
    }

    #[test]
    fn who_does_not_answer_is_a_problem_and_who_takes_no_stream_a_warning() {
        let node = "192.0.2.7:4160".parse().unwrap();
        let (seen, time) = (node, Duration::from_millis(2));
        let answer = Answer { seen, time };
        assert_eq!(bootstrap(node, None, false).grade, Grade::Problem);
        assert_eq!(bootstrap(node, Some(&answer), false).grade, Grade::Warning);
        let line = bootstrap(node, Some(&answer), true).line();
        assert!(line.starts_with("ok       bootstrap: 192.0.2.7:4160 answers within 2.0 ms"));
    }
}
