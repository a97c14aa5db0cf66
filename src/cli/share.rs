//! `sprat share`: hashes, prints the links, and serves until a signal.
//!
//! Paths are hashed one after the other: links come in the order of the paths, and each file is
//! served from the moment its link is printed.

use super::args::Args;
use super::console::{Console, print};
use super::exit::Exit;
use super::progress::{ProgressReport, TICK};
use super::start::{self, Role};
use super::summary;
use crate::id::FileId;
use crate::node::{Event, Failure, SwarmKey};
use crate::reactor::{Happening, Reactor};
use crate::service::event_log::EventLog;
use crate::service::{failure_text, format, locations};
use crate::wire::Link;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

pub(super) fn run(args: Args, console: &Console) -> Result<(), Exit> {
    let started = start::start(&args.options, Role::Sharer, console)?;
    let mut reactor = started.reactor;
    let mut sharing = Sharing {
        console,
        event_log: EventLog::new(console),
        waiting: args.operands.iter().rev().map(PathBuf::from).collect(),
        shares: Vec::new(),
        locations: locations::locations(reactor.listening(), &started.bootstrap_addresses),
    };
    let result = sharing.serve(&mut reactor);
    for share in &sharing.shares {
        if let Some(progress) = reactor.node().swarms().progress(share.swarm) {
            let (sent, size) = (progress.sent, format::size(progress.sent));
            console.info(format!(
                "sent {sent} bytes ({size}) of {}",
                share.path.display()
            ));
        }
    }
    summary::log(&reactor, console);
    reactor.stop();
    result
}

/// Whether this node still has a part of the file to serve.
pub(super) fn is_served(reactor: &Reactor, swarm: SwarmKey) -> bool {
    let progress = reactor.node().swarms().progress(swarm);
    progress.is_some_and(|progress| progress.done > 0)
}

struct Share {
    swarm: SwarmKey,
    path: PathBuf,
}

struct Sharing<'a> {
    console: &'a Console,
    event_log: EventLog<'a>,
    /// Paths to hash, the next one last.
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
                    self.handle_shared(reactor, swarm, file)?;
                    hashing = self.hash_next(reactor)?;
                }
                Happening::Event(Event::Failed { swarm, cause }) => {
                    report.clear();
                    return Err(self.failure(reactor, swarm, cause));
                }
                Happening::Event(Event::Changed { swarm }) => {
                    self.handle_changed(reactor, swarm)?
                }
                Happening::Event(event) => {
                    self.event_log.log(reactor, &event);
                    if let Event::Rotten { .. } = event {
                        self.check_rest(reactor)?;
                    }
                }
                Happening::Source(_) => unreachable!("only a service has a control socket"),
                Happening::Deadline => {
                    let progress =
                        hashing.and_then(|swarm| reactor.node().swarms().progress(swarm));
                    if let Some(progress) = progress {
                        report.update(reactor.now(), &progress);
                    }
                }
                Happening::Signal(_) if hashing.is_some() => {
                    report.clear();
                    let text = "interrupted before everything was shared";
                    return Err(Exit::Interrupted(text.into()));
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
        self.shares.push(Share { swarm, path });
        Ok(Some(swarm))
    }

    fn handle_shared(
        &mut self,
        reactor: &Reactor,
        swarm: SwarmKey,
        file: FileId,
    ) -> Result<(), Exit> {
        let Some(share) = self.shares.iter().find(|share| share.swarm == swarm) else {
            return Ok(());
        };
        if let Some(progress) = reactor.node().swarms().progress(swarm) {
            let (path, size) = (share.path.display(), format::size(progress.size));
            self.console
                .info(format!("serving {path} ({size}) until interrupted"));
        }
        let manifest = reactor.node().swarms().manifest(swarm);
        let link = Link {
            file,
            name: manifest.map(|manifest| manifest.name().to_owned()),
            providers: self.locations.iter().map(ToString::to_string).collect(),
        };
        print(link.to_string())
    }

    /// A file of a share has changed. The other files of a folder are still served.
    fn handle_changed(&mut self, reactor: &Reactor, swarm: SwarmKey) -> Result<(), Exit> {
        let why = reactor.disk_message(swarm).unwrap_or("it has changed");
        for share in self.shares.iter().filter(|share| share.swarm == swarm) {
            let path = share.path.display();
            self.console.warn(match is_served(reactor, swarm) {
                true => format!("one file less of {path} is served: {why} (share it again)"),
                false => format!("no longer serving {path}: {why} (share it again)"),
            });
        }
        self.check_rest(reactor)
    }

    /// A part of a share is lost. Serving ends when nothing is left of all shares.
    fn check_rest(&self, reactor: &Reactor) -> Result<(), Exit> {
        let is_served = |share: &Share| is_served(reactor, share.swarm);
        match self.waiting.is_empty() && !self.shares.iter().any(is_served) {
            true => Err(Exit::Failed("nothing is left to serve".into())),
            false => Ok(()),
        }
    }

    fn failure(&self, reactor: &Reactor, swarm: SwarmKey, cause: Failure) -> Exit {
        let share = self.shares.iter().find(|share| share.swarm == swarm);
        let path = share.map_or(Path::new(""), |share| &share.path);
        Exit::Failed(match cause {
            Failure::Known => {
                format!(
                    "cannot share {}: the same file is named twice",
                    path.display()
                )
            }
            cause => failure_text::of_share(path, cause, reactor.disk_message(swarm)),
        })
    }
}
