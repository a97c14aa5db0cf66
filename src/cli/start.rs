//! From options to a running node: the state folder, the ports, the bootstrap nodes.
//!
//! Names are resolved here, before the loop runs: this is the one step that may wait.

use super::bootstrap::{self, Bootstrap};
use super::console::Console;
use super::exit::Exit;
use super::key;
use super::options::Options;
use crate::id::{Id, NodeId};
use crate::reactor::{DEFAULT_PORT, Reactor, Setup};
use crate::service::state_dir::{usual_dir, variable};
use crate::service::{Control, StateDir, socket_path};
use std::io::ErrorKind;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// The purpose of a node.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Serves for years at a known port, alone in its state folder.
    Service,
    /// Shares in the foreground at a known port.
    Sharer,
    /// Fetches, at any port. Without `--seed` it ends then: other nodes must not rely on it (BEP
    /// 43).
    Getter,
}

pub(super) struct Started {
    pub(super) reactor: Reactor,
    /// `None` if there is no folder, or another sprat uses the usual one.
    pub(super) state: Option<StateDir>,
    /// `None` except for a service that has a state folder.
    pub(super) control: Option<Control>,
    pub(super) bootstraps: Vec<Bootstrap>,
    pub(super) bootstrap_addresses: Vec<SocketAddr>,
}

/// Starts a node and prints its addresses.
pub(super) fn start(options: &Options, role: Role, console: &Console) -> Result<Started, Exit> {
    let bootstraps = bootstrap::resolve(&options.bootstrap, &[])?;
    let state = open_state(options.dir.as_deref(), role, console)?;
    let mut id = NodeId(Id::default());
    getrandom::fill(&mut id.0.0)
        .map_err(|error| Exit::Failed(format!("cannot draw a node id: {error}")))?;
    if let Some(state) = &state {
        id = state.node_id(id)?;
    }
    let mut reactor = listen(options, role, id)?;
    if let Some(state) = &state {
        reactor.keep_contacts(state.path())?;
        reactor.keep_verified(state.path())?;
    }
    // Before the line that says that it listens: then a reader of that line can connect.
    let control = match role {
        Role::Service => open_control(options, state.as_ref(), &mut reactor, console)?,
        _ => None,
    };
    if !console.is_quiet() || role != Role::Getter {
        for address in reactor.listening() {
            console.notice(format!("listening on {address}"));
        }
    }
    reactor.limit(options.caps());
    if !options.no_lan {
        reactor.discover();
    }
    let bootstrap_addresses = bootstrap::reachable(&bootstraps, reactor.listening())?;
    for &address in &bootstrap_addresses {
        reactor.bootstrap(address);
    }
    Ok(Started {
        reactor,
        state,
        control,
        bootstraps,
        bootstrap_addresses,
    })
}

fn open_control(
    options: &Options,
    state: Option<&StateDir>,
    reactor: &mut Reactor,
    console: &Console,
) -> Result<Option<Control>, Exit> {
    let Some(state) = state else {
        console.info("no control socket: this node has no state folder (name one with -d)");
        return Ok(None);
    };
    let path = socket_path::of_service(options.dir.as_deref(), state.path());
    let control = Control::open(reactor, &path)?;
    console.debug(format!("control socket: {}", path.display()));
    Ok(Some(control))
}

fn listen(options: &Options, role: Role, id: NodeId) -> Result<Reactor, Exit> {
    let network = key::network(options)?;
    let setup = |listen| Setup {
        listen,
        network,
        id,
        read_only: role == Role::Getter && !options.seed,
    };
    let is_usual = options.listen.is_empty();
    match Reactor::new(setup(listen_addresses(options))) {
        // A fetch must not fail because a service runs on this machine.
        Err(error) if error.kind() == ErrorKind::AddrInUse && role == Role::Getter && is_usual => {
            Ok(Reactor::new(setup(vec![any_address(0)]))?)
        }
        other => Ok(other?),
    }
}

/// The addresses to listen on: those given, or else every address at the usual port.
pub(super) fn listen_addresses(options: &Options) -> Vec<SocketAddr> {
    match options.listen.as_slice() {
        [] => vec![any_address(DEFAULT_PORT)],
        given => given.to_vec(),
    }
}

/// The IPv6 wildcard serves IPv4 as well.
fn any_address(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))
}

fn open_state(
    given: Option<&Path>,
    role: Role,
    console: &Console,
) -> Result<Option<StateDir>, Exit> {
    let Some(dir) = state_folder(given) else {
        console.debug("no state folder: neither -d nor $HOME is set; using a new node id");
        return Ok(None);
    };
    let error = match StateDir::open(&dir) {
        Ok(state) => return Ok(Some(state)),
        Err(error) => error,
    };
    match error.kind() == ErrorKind::WouldBlock {
        // A service needs the folder for itself, to remember what it is given.
        true if given.is_some() || role == Role::Service => {
            return Err(Exit::Failed(format!("{error} (give another with -d)")));
        }
        true => console.debug(format!("{error}: using a new node id")),
        false if given.is_some() => return Err(error.into()),
        false => console.info(format!("{error}: keeping no state (give a folder with -d)")),
    }
    Ok(None)
}

/// The state folder: the one given, or else the usual one.
pub(super) fn state_folder(given: Option<&Path>) -> Option<PathBuf> {
    given.map(Path::to_owned).or_else(|| usual_dir(variable))
}
