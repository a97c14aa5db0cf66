//! From options to a running node: the state folder, the port, the bootstrap nodes.
//!
//! Names are resolved here, by the system, before the loop runs: it is the one place that may wait.

use super::Exit;
use super::args::Args;
use super::console::Console;
use super::host_port::{HostPort, Listen};
use super::key;
use crate::id::{Id, NodeId};
use crate::reactor::{self, Caps, Reactor, Setup};
use crate::service::locations::reaches;
use crate::service::state_dir::{usual_dir, variable};
use crate::service::{Control, StateDir, socket_path};
use crate::wire::Network;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};

/// The port of a node, unless `-l` says otherwise.
pub const PORT: u16 = 4160;

/// What a command needs its node for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// To be found by others, at the usual port, for years, with the state to itself.
    Service,
    /// To be found by others, at the usual port.
    Sharer,
    /// To fetch, and go on living for others; any port will do.
    Seed,
    /// To fetch and be gone: other nodes must not rely on it (BEP 43).
    Visitor,
}

impl Role {
    /// Whether others look for it at the port that it was given.
    fn is_found_by_port(self) -> bool {
        matches!(self, Role::Service | Role::Sharer)
    }
}

/// A node to join through, and its addresses.
pub type ResolvedHost = (HostPort, Vec<SocketAddr>);

/// A node that listens, and the state it keeps.
pub struct Started {
    /// The node and its loop.
    pub reactor: Reactor,
    /// Absent when another sprat uses the usual folder, or there is none.
    pub state: Option<StateDir>,
    /// Of a service that keeps state.
    pub control: Option<Control>,
    /// The addresses of the bootstrap nodes.
    pub bootstraps: Vec<SocketAddr>,
    /// The bootstrap nodes as they were named.
    pub hosts: Vec<ResolvedHost>,
}

/// Starts a node and says where it listens.
pub fn start(args: &Args, role: Role, console: &Console) -> Result<Started, Exit> {
    let hosts = args.bootstrap.iter().map(resolve_bootstrap);
    let hosts = hosts.collect::<Result<Vec<_>, _>>()?;
    let state = open_state(args.dir.as_deref(), role, console)?;
    let fresh = random_id()?;
    let id = match &state {
        Some(state) => state.node_id(fresh)?,
        None => fresh,
    };
    let mut reactor = listen(args, key::network(args)?, role, id)?;
    if let Some(state) = &state {
        reactor.keep_contacts(state.path())?;
        reactor.keep_verified(state.path())?;
    }
    let control = match role {
        Role::Service => open_control(args, state.as_ref(), &mut reactor, console)?,
        _ => None,
    };
    if !console.is_quiet() || role.is_found_by_port() {
        for address in reactor.listening() {
            console.notice(format!("listening on {address}"));
        }
    }
    reactor.limit(caps(args));
    if !args.no_lan {
        reactor.discover();
    }
    let bootstraps = reachable(&hosts, reactor.listening())?;
    for &address in &bootstraps {
        reactor.bootstrap(address);
    }
    Ok(Started {
        reactor,
        state,
        control,
        bootstraps,
        hosts,
    })
}

/// Whoever reads that the node listens can ask it.
fn open_control(
    args: &Args,
    state: Option<&StateDir>,
    reactor: &mut Reactor,
    console: &Console,
) -> Result<Option<Control>, Exit> {
    let Some(state) = state else {
        console.info("without a state folder nobody can ask this node anything (name one with -d)");
        return Ok(None);
    };
    let path = socket_path::of_service(args.dir.as_deref(), state.path());
    let control = Control::open(reactor, &path)?;
    console.debug(format!("answering at {}", path.display()));
    Ok(Some(control))
}

/// The caps that were set.
pub fn caps(args: &Args) -> Caps {
    Caps {
        up: args.up.map(|rate| rate.0),
        down: args.down.map(|rate| rate.0),
        limit_lan: args.limit_lan,
    }
}

fn listen(args: &Args, network: Network, role: Role, id: NodeId) -> Result<Reactor, Exit> {
    let setup = |addresses: Vec<SocketAddr>| Setup {
        listen: addresses,
        network,
        id,
        read_only: role == Role::Visitor,
    };
    match Reactor::new(setup(listen_addresses(args))) {
        Err(error)
            if error.kind() == ErrorKind::AddrInUse
                && !role.is_found_by_port()
                && args.listen.is_empty() =>
        {
            // A fetch must not fail because a service runs on this machine.
            let free = Listen {
                ip: None,
                port: Some(0),
            };
            Ok(Reactor::new(setup(vec![address(&free)]))?)
        }
        other => Ok(other?),
    }
}

/// The addresses to listen on that the options stand for.
pub fn listen_addresses(args: &Args) -> Vec<SocketAddr> {
    let usual = Listen {
        ip: None,
        port: None,
    };
    match args.listen.as_slice() {
        [] => vec![address(&usual)],
        wanted => wanted.iter().map(address).collect(),
    }
}

/// Every address is the IPv6 wildcard, which serves IPv4 as well.
fn address(listen: &Listen) -> SocketAddr {
    let ip = listen.ip.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
    SocketAddr::new(ip, listen.port.unwrap_or(PORT))
}

/// The addresses of a host, as the system knows them.
pub fn resolve(place: &HostPort) -> Result<Vec<SocketAddr>, String> {
    let addresses = (place.host.as_str(), place.port).to_socket_addrs();
    let addresses: Vec<SocketAddr> = addresses.map_err(|error| error.to_string())?.collect();
    match addresses.is_empty() {
        true => Err("it has no address".into()),
        false => Ok(addresses),
    }
}

/// As `resolve`, for a bootstrap node.
pub fn resolve_bootstrap(place: &HostPort) -> Result<ResolvedHost, Exit> {
    match resolve(place) {
        Ok(addresses) => Ok((place.clone(), addresses)),
        Err(error) => Err(Exit::Failed(format!(
            "cannot resolve the bootstrap node {place}: {error} (check the name, or give its IP)"
        ))),
    }
}

/// The addresses that a node listening on `listening` can send to; at least one for each place.
pub fn reachable(
    hosts: &[ResolvedHost],
    listening: &[SocketAddr],
) -> Result<Vec<SocketAddr>, Exit> {
    let can_send = |to: &SocketAddr| listening.iter().any(|from| reaches(from, to));
    let mut found = Vec::new();
    for (host, addresses) in hosts {
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

fn open_state(dir: Option<&Path>, role: Role, console: &Console) -> Result<Option<StateDir>, Exit> {
    let held = |error: &reactor::Error| Exit::Failed(format!("{error} (give another with -d)"));
    if let Some(dir) = dir {
        return match StateDir::open(dir) {
            Ok(state) => Ok(Some(state)),
            Err(error) if is_locked(&error) => Err(held(&error)),
            Err(error) => Err(Exit::Failed(error.to_string())),
        };
    }
    let Some(dir) = usual_dir(variable) else {
        console.debug("no state folder: neither -d nor $HOME is set; using a new node id");
        return Ok(None);
    };
    match StateDir::open(&dir) {
        Ok(state) => Ok(Some(state)),
        // A second service would forget what it is given.
        Err(error) if is_locked(&error) && role == Role::Service => Err(held(&error)),
        Err(error) if is_locked(&error) => {
            console.debug(format!("{error}: using a new node id"));
            Ok(None)
        }
        Err(error) => {
            console.info(format!("{error}: keeping no state (give a folder with -d)"));
            Ok(None)
        }
    }
}

/// The folder of the state: the one given, or else the usual one.
pub fn state_folder(given: Option<&Path>) -> Option<PathBuf> {
    given.map(Path::to_path_buf).or_else(|| usual_dir(variable))
}

fn is_locked(error: &reactor::Error) -> bool {
    error.kind() == ErrorKind::WouldBlock
}

fn random_id() -> Result<NodeId, Exit> {
    let mut id = Id::default();
    getrandom::fill(&mut id.0)
        .map_err(|error| Exit::Failed(format!("cannot draw a node id: {error}")))?;
    Ok(NodeId(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bootstrap_node_of_the_other_family_is_an_error() {
        let place: HostPort = "[::1]:4160".parse().unwrap();
        let both = vec!["[::1]:1".parse().unwrap(), "127.0.0.1:1".parse().unwrap()];
        let listening = ["127.0.0.1:2".parse().unwrap()];
        assert_eq!(
            reachable(&[(place.clone(), both)], &listening)
                .unwrap()
                .len(),
            1
        );
        let six = vec!["[::1]:1".parse().unwrap()];
        assert!(matches!(
            reachable(&[(place, six)], &listening),
            Err(Exit::Failed(_))
        ));
    }
}
