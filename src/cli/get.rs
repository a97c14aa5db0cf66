//! `sprat get`: fetch what a link names; go on where an earlier try stopped.

use super::args::Args;
use super::console::Console;
use super::exit::UsageError;
use super::progress::{self, ProgressReport, TICK};
use super::start::{self, Role, Started};
use super::target::{self, Target};
use super::{Exit, print, share, summary};
use crate::id::FileId;
use crate::node::{Ended, Event, Failure, Progress, SwarmKey};
use crate::reactor::{Happening, OutputPath, Reactor};
use crate::service::json::Object;
use crate::service::{StateDir, event_log, event_text, failure_text, format};
use crate::time::Instant;
use crate::wire::Manifest;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

/// Between two progress lines of JSON.
const JSON_PERIOD: Duration = Duration::from_secs(1);

/// Runs the command.
pub fn run(args: Args, console: &Console) -> Result<(), Exit> {
    let [text] = args.operands.as_slice() else {
        let what = if args.operands.is_empty() {
            "no LINK"
        } else {
            "more than one LINK"
        };
        return Err(UsageError(format!("{what} to get (see sprat help get)")).into());
    };
    let target = Target::read(text, console)?;
    let output = target::output_path(args.output.as_deref())?;
    let role = if args.seed { Role::Seed } else { Role::Visitor };
    let Started {
        mut reactor, state, ..
    } = start::start(&args, role, console)?;
    let mut getting = Getting::begin(target, &output, &mut reactor, state, &args, console)?;
    let mut ending = getting.fetch(&mut reactor);
    if args.seed && ending.is_ok() {
        ending = getting.seed(&mut reactor);
    }
    getting.report.clear();
    summary::log(&reactor, console);
    reactor.stop();
    ending
}

struct Getting<'a> {
    console: &'a Console,
    report: ProgressReport<'a>,
    json: bool,
    json_at: Instant,
    state: Option<StateDir>,
    file: FileId,
    swarm: SwarmKey,
    started_at: Instant,
    /// Open streams: losing one of these is news, a failed attempt is not. At most as many as the
    /// node has.
    connected: Vec<SocketAddr>,
    /// There was a stream with anyone.
    met: bool,
    last: Progress,
}

impl<'a> Getting<'a> {
    fn begin(
        target: Target,
        output: &OutputPath,
        reactor: &mut Reactor,
        state: Option<StateDir>,
        args: &Args,
        console: &'a Console,
    ) -> Result<Getting<'a>, Exit> {
        let Target {
            file,
            manifest,
            providers,
        } = target;
        if let Some(manifest) = &manifest {
            keep(state.as_ref(), manifest, console);
        }
        // With the manifest of an earlier try, the disk is verified before anyone is found.
        let manifest =
            manifest.or_else(|| state.as_ref().and_then(|state| state.load_manifest(file)));
        let swarm = reactor.fetch(file, manifest, &providers, output)?;
        let now = reactor.now();
        Ok(Getting {
            console,
            report: ProgressReport::new(console, now),
            json: args.json,
            json_at: now + JSON_PERIOD,
            state,
            file,
            swarm,
            started_at: now,
            connected: Vec::new(),
            met: false,
            last: Progress::default(),
        })
    }

    /// Runs the loop until the file is complete.
    fn fetch(&mut self, reactor: &mut Reactor) -> Result<(), Exit> {
        loop {
            let until = reactor.now() + TICK;
            match reactor.next(Some(until))? {
                Happening::Source(_) => unreachable!("only a service has a control socket"),
                Happening::Deadline => self.look(reactor)?,
                Happening::Signal(_) => {
                    self.report.clear();
                    return Err(Exit::Interrupted(
                        "interrupted (the same command goes on where this one stopped)".into(),
                    ));
                }
                Happening::Event(Event::Complete { swarm, already }) if swarm == self.swarm => {
                    return self.complete(reactor, already);
                }
                Happening::Event(Event::Failed { swarm, cause }) if swarm == self.swarm => {
                    return Err(self.failed(reactor, cause)?);
                }
                Happening::Event(event) => self.tell(reactor, &event)?,
            }
        }
    }

    /// Serves the complete file until a signal.
    fn seed(&mut self, reactor: &mut Reactor) -> Result<(), Exit> {
        self.console.info("serving it until interrupted");
        loop {
            match reactor.next(None)? {
                Happening::Signal(_) => break,
                Happening::Source(_) | Happening::Deadline => {}
                Happening::Event(Event::Changed { swarm }) => self.changed(reactor, swarm)?,
                Happening::Event(Event::Failed { swarm, cause }) if swarm == self.swarm => {
                    return Err(self.failed(reactor, cause)?);
                }
                Happening::Event(event) => self.tell(reactor, &event)?,
            }
        }
        if let Some(progress) = reactor.node().progress(self.swarm) {
            let sent = progress.sent;
            self.console
                .info(format!("sent {sent} bytes ({})", format::size(sent)));
        }
        Ok(())
    }

    /// A file that was fetched has been edited since. What is left of a folder is served on.
    fn changed(&self, reactor: &Reactor, swarm: SwarmKey) -> Result<(), Exit> {
        let why = reactor.disk_message(swarm).unwrap_or("it has changed");
        if !share::is_served(reactor, swarm) {
            return Err(Exit::Failed(format!("nothing is left to serve: {why}")));
        }
        self.console.warn(format!("one file less is served: {why}"));
        Ok(())
    }

    fn look(&mut self, reactor: &Reactor) -> Result<(), Exit> {
        let Some(progress) = reactor.node().progress(self.swarm) else {
            return Ok(());
        };
        self.last = progress;
        let now = reactor.now();
        let rate = self.report.look(now, &progress);
        if !self.json || now < self.json_at {
            return Ok(());
        }
        self.json_at = now + JSON_PERIOD;
        let object = Object::event("progress")
            .text("phase", progress::phase(progress.phase))
            .number("done", progress.done)
            .number("size", progress.size)
            .number("rate", rate)
            .number("peers", progress.providers.into());
        print(object.finish())
    }

    fn tell(&mut self, reactor: &Reactor, event: &Event) -> Result<(), Exit> {
        if self.json {
            if let Some(line) = event_text::json(event) {
                print(line)?;
            }
        }
        if let Some(line) = event_text::of_disk(reactor, event) {
            self.console.warn(line);
        }
        match *event {
            Event::Manifest { swarm, .. } if swarm == self.swarm => {
                if let Some(manifest) = reactor.node().manifest(swarm) {
                    keep(self.state.as_ref(), manifest, self.console);
                }
            }
            // When nothing is missing, the end of the fetch says so.
            Event::Resumed { held, .. } if held > 0 && self.is_missing_some(reactor) => {
                self.console.info(format!(
                    "{} of an earlier try are right; going on",
                    format::count(held.into(), "shard")
                ));
            }
            Event::Connected { address, .. } => {
                self.met = true;
                self.connected.push(address);
            }
            Event::Disconnected {
                address, reason, ..
            } if self.lost(address, reason) => {
                let why = event_text::ended(reason);
                let then = match self.connected.len() {
                    0 => "looking for others".to_owned(),
                    left => format!("going on with {}", format::count(left as u64, "other")),
                };
                self.console.info(format!("lost {address} ({why}); {then}"));
                return Ok(());
            }
            _ => {}
        }
        event_log::log(self.console, event);
        Ok(())
    }

    fn is_missing_some(&self, reactor: &Reactor) -> bool {
        let progress = reactor.node().progress(self.swarm);
        progress.is_none_or(|progress| progress.done < progress.size)
    }

    /// Takes an ended stream off the list; whether its end is a loss.
    fn lost(&mut self, address: SocketAddr, reason: Ended) -> bool {
        let Some(index) = self.connected.iter().position(|&other| other == address) else {
            return false;
        };
        self.connected.swap_remove(index);
        matches!(
            reason,
            Ended::Lost | Ended::Timeout | Ended::Protocol | Ended::Corrupt
        )
    }

    fn complete(&mut self, reactor: &Reactor, already: bool) -> Result<(), Exit> {
        self.report.clear();
        let progress = reactor.node().progress(self.swarm).unwrap_or(self.last);
        let took = reactor.now().since(self.started_at);
        let path = shown(reactor.output_path(self.swarm).unwrap_or(Path::new("")));
        let size = format::size(progress.size);
        if already {
            self.console
                .info(format!("already complete: {} ({size})", path.display()));
        } else {
            let (time, rate) = (
                format::duration(took),
                format::rate(progress.received, took),
            );
            self.console.info(format!(
                "complete: {size} in {time} ({rate}), every shard verified"
            ));
            let written = reactor.written();
            let state = reactor.node().manifest(self.swarm);
            let state = state.map_or(0, |manifest| manifest.bytes().len() as u64);
            let per_mille = ((written + state) * 1000).checked_div(progress.received);
            let ratio = per_mille.map_or(String::new(), |ratio| {
                format!(": {}.{:03} times what came", ratio / 1000, ratio % 1000)
            });
            self.console.debug(format!(
                "wrote {} to the disk, journal included, and {} of state{ratio}",
                format::size(written),
                format::size(state)
            ));
        }
        if !self.json {
            return print(path.to_string_lossy());
        }
        let object = Object::event("complete")
            .text("path", &path.to_string_lossy())
            .number("bytes", progress.size)
            .decimal("seconds", took.as_secs_f64())
            .truth("already", already);
        print(object.finish())
    }

    fn failed(&mut self, reactor: &Reactor, cause: Failure) -> Result<Exit, Exit> {
        self.report.clear();
        let path = reactor.output_path(self.swarm).map(shown);
        let message = failure_text::of_fetch(
            self.file,
            cause,
            self.met,
            path,
            reactor.disk_message(self.swarm),
        );
        if self.json {
            print(Object::event("failed").text("message", &message).finish())?;
        }
        Ok(Exit::Failed(message))
    }
}

/// A path of the current folder by its name alone.
fn shown(path: &Path) -> &Path {
    match path.strip_prefix(".") {
        Ok(name) if name != Path::new("") => name,
        _ => path,
    }
}

fn keep(state: Option<&StateDir>, manifest: &Manifest, console: &Console) {
    if let Some(Err(error)) = state.map(|state| state.save_manifest(manifest)) {
        // The next try asks the network for it.
        console.debug(error.to_string());
    }
}
