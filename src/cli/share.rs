//! `sprat share`: hash, print the links, serve until a signal.
//!
//! Paths are hashed one after the other, so the links come in the order of the paths, and each is
//! served from the moment its link is printed.

use super::args::Args;
use super::console::Console;
use super::exit::UsageError;
use super::progress::{ProgressReport, TICK};
use super::start::{self, Role, Started};
use super::{Exit, print, summary};
use crate::id::FileId;
use crate::node::{Event, Failure, SwarmKey};
use crate::reactor::{Happening, Reactor};
use crate::service::event_log::EventLog;
use crate::service::format;
use crate::service::{event_text, failure_text, locations};
use crate::wire::Link;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Runs the command.
pub fn run(args: Args, console: &Console) -> Result<(), Exit> {
    if args.operands.is_empty() {
        return Err(UsageError("nothing to share: no PATH (see sprat help share)".into()).into());
    }
    let Started {
        mut reactor,
        state: _state,
        bootstraps,
        ..
    } = start::start(&args, Role::Sharer, console)?;
    let mut sharing = Sharing {
        console,
        event_log: EventLog::new(console),
        waiting: args.operands.iter().rev().map(PathBuf::from).collect(),
        shares: Vec::new(),
        locations: locations::locations(reactor.listening(), &bootstraps),
    };
    let ending = sharing.serve(&mut reactor);
    sharing.say_what_was_served(&reactor);
    summary::log(&reactor, console);
    reactor.stop();
    ending
}

/// Whether this node still has any of it to serve.
pub fn is_served(reactor: &Reactor, swarm: SwarmKey) -> bool {
    let progress = reactor.node().progress(swarm);
    progress.is_some_and(|progress| progress.done > 0)
}

struct Share {
    swarm: SwarmKey,
    path: PathBuf,
    served: bool,
}

struct Sharing<'a> {
    console: &'a Console,
    event_log: EventLog<'a>,
    /// Paths to be hashed, the next one last.
    waiting: Vec<PathBuf>,
    shares: Vec<Share>,
    locations: Vec<SocketAddr>,
}

impl Sharing<'_> {
    fn serve(&mut self, reactor: &mut Reactor) -> Result<(), Exit> {
        let mut report = ProgressReport::new(self.console, reactor.now());
        let mut hashing = self.hash_next(reactor)?;
        loop {
            let until = hashing.map(|_| reactor.now() + TICK);
            match reactor.next(until)? {
                Happening::Event(Event::Shared { swarm, file }) => {
                    report.clear();
                    self.shared(reactor, swarm, file)?;
                    hashing = self.hash_next(reactor)?;
                }
                Happening::Event(Event::Failed { swarm, cause }) => {
                    report.clear();
                    return Err(self.failure(reactor, swarm, cause));
                }
                Happening::Event(Event::Changed { swarm }) => self.changed(reactor, swarm)?,
                Happening::Event(event) => {
                    if let Some(line) = event_text::of_disk(reactor, &event) {
                        self.console.warn(line);
                    }
                    if let Event::Rotten { swarm, .. } = event {
                        self.check_rest(reactor, swarm)?;
                    }
                    self.event_log.log(reactor.now(), &event);
                }
                Happening::Source(_) => unreachable!("only a service has a control socket"),
                Happening::Deadline => {
                    if let Some(progress) = hashing.and_then(|swarm| reactor.node().progress(swarm))
                    {
                        report.look(reactor.now(), &progress);
                    }
                }
                Happening::Signal(_) if hashing.is_some() => {
                    report.clear();
                    return Err(Exit::Interrupted(
                        "interrupted before all was shared".into(),
                    ));
                }
                Happening::Signal(_) => return Ok(()),
            }
        }
    }

    fn hash_next(&mut self, reactor: &mut Reactor) -> Result<Option<SwarmKey>, Exit> {
        let Some(path) = self.waiting.pop() else {
            return Ok(None);
        };
        let swarm = reactor.share(&path)?;
        self.shares.push(Share {
            swarm,
            path,
            served: false,
        });
        Ok(Some(swarm))
    }

    fn shared(&mut self, reactor: &Reactor, swarm: SwarmKey, file: FileId) -> Result<(), Exit> {
        let Some(share) = self.shares.iter_mut().find(|share| share.swarm == swarm) else {
            return Ok(());
        };
        share.served = true;
        let name = reactor
            .node()
            .manifest(swarm)
            .map(|manifest| manifest.name().to_owned());
        if let Some(progress) = reactor.node().progress(swarm) {
            let size = format::size(progress.size);
            self.console.info(format!(
                "serving {} ({size}) until interrupted",
                share.path.display()
            ));
        }
        let providers = self
            .locations
            .iter()
            .map(|address| address.to_string())
            .collect();
        print(
            Link {
                file,
                name,
                providers,
            }
            .to_string(),
        )
    }

    /// A file of a share is no longer the one that was hashed. The others of a folder are served
    /// on.
    fn changed(&mut self, reactor: &Reactor, swarm: SwarmKey) -> Result<(), Exit> {
        let rest = is_served(reactor, swarm);
        let why = reactor.disk_message(swarm).unwrap_or("it has changed");
        for share in self.shares.iter_mut().filter(|share| share.swarm == swarm) {
            let path = share.path.display();
            self.console.warn(match rest {
                true => format!("one file less of {path} is served: {why} (share it again)"),
                false => format!("no longer serving {path}: {why} (share it again)"),
            });
        }
        self.check_rest(reactor, swarm)
    }

    /// Some of a share is lost: when that was the last of all, serving ends.
    fn check_rest(&mut self, reactor: &Reactor, swarm: SwarmKey) -> Result<(), Exit> {
        let rest = is_served(reactor, swarm);
        for share in self.shares.iter_mut().filter(|share| share.swarm == swarm) {
            share.served = rest;
        }
        match self.waiting.is_empty() && self.shares.iter().all(|share| !share.served) {
            true => Err(Exit::Failed("nothing is left to serve".into())),
            false => Ok(()),
        }
    }

    fn failure(&self, reactor: &Reactor, swarm: SwarmKey, cause: Failure) -> Exit {
        let share = self.shares.iter().find(|share| share.swarm == swarm);
        let path = share.map_or(Path::new(""), |share| &share.path);
        Exit::Failed(match cause {
            Failure::Known => format!(
                "cannot share {}: the same file is named twice",
                path.display()
            ),
            cause => failure_text::of_share(path, cause, reactor.disk_message(swarm)),
        })
    }

    fn say_what_was_served(&self, reactor: &Reactor) {
        for share in &self.shares {
            if let Some(progress) = reactor.node().progress(share.swarm) {
                let (sent, path) = (progress.sent, share.path.display());
                self.console.info(format!(
                    "sent {sent} bytes ({}) of {path}",
                    format::size(sent)
                ));
            }
        }
    }
}
