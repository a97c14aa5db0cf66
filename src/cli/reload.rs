//! SIGHUP: a running node reads its settings again and applies those that are live.
//!
//! The environment stays as it was when the program started. Resolving the names of new bootstrap
//! nodes blocks the loop, for seconds at worst. Invariants: an error changes nothing and is one
//! line; each reload names the settings that wait for a restart.

use super::args::Args;
use super::bootstrap::{self, Bootstrap};
use super::console::Console;
use super::exit::Exit;
use super::log;
use super::options::Flag;
use super::settings::Settings;
use crate::reactor::Reactor;
use crate::service::format;
use std::env;
use std::net::SocketAddr;

pub(super) struct Reload<'a> {
    /// The settings at the start of the node.
    first: Settings,
    /// The arguments as they were read last.
    args: Args,
    bootstraps: Vec<Bootstrap>,
    console: &'a Console,
}

impl Reload<'_> {
    pub(super) fn new(args: Args, bootstraps: Vec<Bootstrap>, console: &Console) -> Reload<'_> {
        Reload {
            first: args.settings.clone(),
            args,
            bootstraps,
            console,
        }
    }

    pub(super) fn run(&mut self, reactor: &mut Reactor) {
        match self.apply(reactor) {
            Ok(line) => self.console.notice(line),
            Err(exit) => {
                let line = format!("the settings stay as they were: {}", exit.text());
                self.console.warn(line);
            }
        }
    }

    /// Returns a line that names the settings that changed.
    fn apply(&mut self, reactor: &mut Reactor) -> Result<String, Exit> {
        let args = self
            .args
            .reread(&|name| env::var_os(name))
            .map_err(Exit::Usage)?;
        let bootstraps = bootstrap::resolve(&args.options.bootstrap, &self.bootstraps)?;
        let listening = reactor.listening();
        let before = bootstrap::reachable(&self.bootstraps, listening)?;
        let after = bootstrap::reachable(&bootstraps, listening)?;
        for address in only_in(&before, &after) {
            reactor.command(|node, _| node.forget_bootstrap(address));
        }
        for address in only_in(&after, &before) {
            reactor.bootstrap(address);
        }
        reactor.limit(args.options.caps());
        self.console.set_verbosity(args.options.verbosity);
        log::set(args.options.verbosity);

        let changed = args.settings.differences(&self.args.settings);
        let waiting = args.settings.differences(&self.first);
        (self.args, self.bootstraps) = (args, bootstraps);
        let mut line = match names(&changed, true).as_str() {
            "" => "settings read again: nothing has changed for this run".to_owned(),
            live => format!("settings read again: {live} changed"),
        };
        let waiting = names(&waiting, false);
        if !waiting.is_empty() {
            line += &format!("; {waiting} will when the node is started again");
        }
        Ok(line)
    }
}

fn only_in(these: &[SocketAddr], those: &[SocketAddr]) -> Vec<SocketAddr> {
    these
        .iter()
        .copied()
        .filter(|address| !those.contains(address))
        .collect()
}

fn names(flags: &[&'static Flag], is_live: bool) -> String {
    let flags = flags.iter().filter(|flag| flag.is_live == is_live);
    format::list(flags.map(|flag| flag.long))
}
