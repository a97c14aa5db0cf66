//! Bootstrap nodes: their names, resolved by the system, and the addresses that a node can reach.
//!
//! Resolving may take seconds. A node does it before its loop runs, and at SIGHUP for names that
//! are new.

use super::exit::Exit;
use super::host_port::HostPort;
use crate::service::locations::reaches;
use std::net::SocketAddr;

/// A bootstrap node as it was named, with its addresses, at least one.
#[derive(Clone, Debug)]
pub(super) struct Bootstrap {
    host: HostPort,
    addresses: Vec<SocketAddr>,
}

/// Resolves `hosts`, unless they are in `known`.
pub(super) fn resolve(hosts: &[HostPort], known: &[Bootstrap]) -> Result<Vec<Bootstrap>, Exit> {
    let resolve = |host: &HostPort| {
        if let Some(known) = known.iter().find(|known| known.host == *host) {
            return Ok(known.clone());
        }
        let (host, addresses) = (host.clone(), host.resolve());
        let addresses = addresses.map_err(|error| {
            Exit::Failed(format!(
                "cannot resolve the bootstrap node {host}: {error} (check the name, or give its IP)"
            ))
        })?;
        Ok(Bootstrap { host, addresses })
    };
    hosts.iter().map(resolve).collect()
}

/// The addresses that a node which listens on `listening` can send to; at least one for each host.
pub(super) fn reachable(
    bootstraps: &[Bootstrap],
    listening: &[SocketAddr],
) -> Result<Vec<SocketAddr>, Exit> {
    let can_send = |to: &SocketAddr| listening.iter().any(|from| reaches(from, to));
    let mut found = Vec::new();
    for Bootstrap { host, addresses } in bootstraps {
        let before = found.len();
        found.extend(addresses.iter().copied().filter(can_send));
        if found.len() == before {
            let family = if addresses[0].is_ipv4() {
                "IPv4"
            } else {
                "IPv6"
            };
            return Err(Exit::Failed(format!(
                "cannot reach the bootstrap node {host}: it has only {family}, and this node does \
                 not listen on that (give an {family} address with -l)"
            )));
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bootstrap_node_of_the_other_family_is_an_error() {
        let host: HostPort = "[::1]:4160".parse().unwrap();
        let listening = ["127.0.0.1:2".parse().unwrap()];
        let reachable = |addresses: &[&str]| {
            let addresses = addresses
                .iter()
                .map(|address| address.parse().unwrap())
                .collect();
            let host = host.clone();
            reachable(&[Bootstrap { host, addresses }], &listening)
        };
        assert_eq!(reachable(&["[::1]:1", "127.0.0.1:1"]).unwrap().len(), 1);
        assert!(matches!(reachable(&["[::1]:1"]), Err(Exit::Failed(_))));
    }
}
