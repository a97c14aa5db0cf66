//! SIGHUP: the settings are read again, and those that can change while a node runs do.
//!
//! Not here: what a setting means (`args`), and the environment, which stays what it was when the
//! program started. Invariants: settings that cannot be read, or not heeded, change nothing, and are
//! said in one line; what takes a new start is said each time until there was one.
//!
//! Names of bootstrap nodes that stand there for the first time are resolved by the system meanwhile,
//! which can take seconds, and the loop waits for it.

use super::Exit;
use super::args::Args;
use super::console::Console;
use super::log;
use super::options::OptionSpec;
use super::settings::Settings;
use super::start::{self, ResolvedHost};
use crate::reactor::Reactor;
use crate::service::format;
use std::env;
use std::net::SocketAddr;

/// What a node runs by.
pub struct Reload<'a> {
    /// What it was started with.
    first: Settings,
    /// What was read last.
    args: Args,
    hosts: Vec<ResolvedHost>,
    console: &'a Console,
}

impl Reload<'_> {
    /// A node that was started with `args`, by which it joins through `hosts`.
    pub fn new(args: Args, hosts: Vec<ResolvedHost>, console: &Console) -> Reload<'_> {
        Reload {
            first: args.settings.clone(),
            args,
            hosts,
            console,
        }
    }

    /// Reads the settings again, and has the node heed them.
    pub fn run(&mut self, reactor: &mut Reactor) {
        match self.change(reactor) {
            Ok(line) => self.console.notice(line),
            Err(Exit::Failed(why) | Exit::Usage(why) | Exit::Interrupted(why)) => {
                let line = format!("the settings stay as they were: {why}");
                self.console.warn(line);
            }
        }
    }

    /// What has changed, in one line.
    fn change(&mut self, reactor: &mut Reactor) -> Result<String, Exit> {
        let args = self.args.again(&|name| env::var_os(name))?;
        let hosts = self.hosts_of(&args)?;
        let listening = reactor.listening();
        let before = start::reachable(&self.hosts, listening)?;
        let after = start::reachable(&hosts, listening)?;
        let only_in = |these: &[SocketAddr], those: &[SocketAddr]| -> Vec<SocketAddr> {
            let others = these.iter().filter(|address| !those.contains(address));
            others.copied().collect()
        };
        for address in only_in(&before, &after) {
            reactor.command(|node, _| node.forget_bootstrap(address));
        }
        for address in only_in(&after, &before) {
            reactor.bootstrap(address);
        }
        reactor.limit(start::caps(&args));
        self.console.set_verbosity(args.verbosity);
        log::set(args.verbosity);

        let changed = args.settings.differences(&self.args.settings);
        let waiting = args.settings.differences(&self.first);
        (self.args, self.hosts) = (args, hosts);
        let live = names(changed.iter().filter(|option| option.is_live()));
        let waiting = names(waiting.iter().filter(|option| !option.is_live()));
        let mut line = match live.as_str() {
            "" => "settings read again: nothing has changed for this run".to_owned(),
            live => format!("settings read again: {live} changed"),
        };
        if !waiting.is_empty() {
            line += &format!("; {waiting} will when the node is started again");
        }
        Ok(line)
    }

    /// The addresses to join through, of which only those that are new are resolved.
    fn hosts_of(&self, args: &Args) -> Result<Vec<ResolvedHost>, Exit> {
        let known = |name| self.hosts.iter().find(|(host, _)| host == name);
        let hosts = args.bootstrap.iter().map(|name| match known(name) {
            Some(host) => Ok(host.clone()),
            None => start::resolve_bootstrap(name),
        });
        hosts.collect()
    }
}

fn names<'a>(options: impl Iterator<Item = &'a &'static OptionSpec>) -> String {
    format::list(options.map(|option| option.long))
}
