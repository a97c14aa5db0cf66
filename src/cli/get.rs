//! `sprat get`: fetches what a link names, and resumes where an earlier run stopped.
//!
//! ```text
//!   start ──► fetching ── handle_complete ──► done
//!                │                    └─ with --seed ─► serving ── signal ──► done
//!                └── signal ──► interrupted
//! ```

use super::args::Args;
use super::console::{Console, print};
use super::exit::Exit;
use super::options::Options;
use super::progress::{self, ProgressReport, TICK};
use super::share::is_served;
use super::start::{self, Role};
use super::summary;
use super::target::Target;
use crate::id::FileId;
use crate::node::{Ended, Event, Failure, SwarmKey};
use crate::reactor::{Happening, OutputPath, Reactor};
use crate::service::json::Object;
use crate::service::{StateDir, event_log, event_text, failure_text, format};
use crate::time::Instant;
use crate::wire::Manifest;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Between two progress lines of JSON.
const JSON_PERIOD: Duration = Duration::from_secs(1);

pub(super) fn run(args: Args, console: &Console) -> Result<(), Exit> {
    let options = &args.options;
    let target = Target::read(&args.operands[0], console)?;
    let output = match options.output.as_deref() {
        Some(path) => OutputPath::given(path)?,
        None => OutputPath::In(PathBuf::from(".")),
    };
    let started = start::start(options, Role::Getter, console)?;
    let (mut reactor, state) = (started.reactor, started.state.as_ref());
    if let Some(manifest) = &target.manifest {
        save(state, manifest, console);
    }
    // With the manifest of an earlier run, the disk is verified before any peer is found.
    let load = || state.and_then(|state| state.load_manifest(target.file));
    let manifest = target.manifest.or_else(load);
    let now = reactor.now();
    let mut fetch = Fetch {
        console,
        report: ProgressReport::new(console, now),
        options,
        json_at: now + JSON_PERIOD,
        state,
        file: target.file,
        swarm: reactor.fetch(target.file, manifest, &target.providers, &output)?,
        started_at: now,
        connected: Vec::new(),
        has_met: false,
    };
    let result = fetch.run(&mut reactor);
    fetch.report.clear();
    summary::log(&reactor, console);
    reactor.stop();
    result
}

struct Fetch<'a> {
    console: &'a Console,
    report: ProgressReport<'a>,
    options: &'a Options,
    json_at: Instant,
    state: Option<&'a StateDir>,
    file: FileId,
    swarm: SwarmKey,
    started_at: Instant,
    /// Peers with an open stream: their loss is reported, that of a failed attempt is not.
    connected: Vec<SocketAddr>,
    /// Whether there ever was a stream.
    has_met: bool,
}

impl Fetch<'_> {
    /// Runs the loop until the file is complete; with `--seed`, until a signal after that.
    fn run(&mut self, reactor: &mut Reactor) -> Result<(), Exit> {
        let mut is_complete = false;
        loop {
            let until = (!is_complete).then(|| reactor.now() + TICK);
            match reactor.next(until)? {
                Happening::Source(_) => unreachable!("only a service has a control socket"),
                Happening::Deadline => self.report_progress(reactor)?,
                Happening::Signal(_) if is_complete => break,
                Happening::Signal(_) => {
                    self.report.clear();
                    let text = "interrupted (the same command resumes where this one stopped)";
                    return Err(Exit::Interrupted(text.into()));
                }
                Happening::Event(Event::Complete { swarm, already }) if swarm == self.swarm => {
                    self.handle_complete(reactor, already)?;
                    if !self.options.seed {
                        return Ok(());
                    }
                    self.console.info("serving it until interrupted");
                    is_complete = true;
                }
                Happening::Event(Event::Failed { swarm, cause }) if swarm == self.swarm => {
                    return Err(self.failure(reactor, cause)?);
                }
                Happening::Event(Event::Changed { swarm }) if is_complete => {
                    self.handle_changed(reactor, swarm)?;
                }
                Happening::Event(event) => self.handle_event(reactor, &event)?,
            }
        }
        if let Some(progress) = reactor.node().swarms().progress(self.swarm) {
            let (sent, size) = (progress.sent, format::size(progress.sent));
            self.console.info(format!("sent {sent} bytes ({size})"));
        }
        Ok(())
    }

    /// The fetched file has changed. The other files of a folder are still served.
    fn handle_changed(&self, reactor: &Reactor, swarm: SwarmKey) -> Result<(), Exit> {
        let why = reactor.disk_message(swarm).unwrap_or("it has changed");
        if !is_served(reactor, swarm) {
            return Err(Exit::Failed(format!("nothing is left to serve: {why}")));
        }
        self.console.warn(format!("one file less is served: {why}"));
        Ok(())
    }

    fn report_progress(&mut self, reactor: &Reactor) -> Result<(), Exit> {
        let Some(progress) = reactor.node().swarms().progress(self.swarm) else {
            return Ok(());
        };
        let now = reactor.now();
        let rate = self.report.update(now, &progress);
        if !self.options.json || now < self.json_at {
            return Ok(());
        }
        self.json_at = now + JSON_PERIOD;
        let object = Object::event("progress")
            .with("phase", progress::phase(progress.phase))
            .with("done", progress.done)
            .with("size", progress.size)
            .with("rate", rate)
            .with("peers", progress.providers);
        print(object.finish())
    }

    fn handle_event(&mut self, reactor: &Reactor, event: &Event) -> Result<(), Exit> {
        if self.options.json {
            event_text::json(event).map_or(Ok(()), print)?;
        }
        match *event {
            Event::Manifest { swarm, .. } if swarm == self.swarm => {
                if let Some(manifest) = reactor.node().swarms().manifest(swarm) {
                    save(self.state, manifest, self.console);
                }
            }
            // If nothing is missing, `handle_complete` reports it.
            Event::Resumed { held, .. } if held > 0 && self.is_incomplete(reactor) => {
                let shards = format::count(held.into(), "shard");
                self.console
                    .info(format!("resuming with {shards} of an earlier run"));
            }
            Event::Connected { address, .. } => {
                self.has_met = true;
                self.connected.push(address);
            }
            Event::Disconnected {
                address, reason, ..
            } if self.is_lost(address, reason) => {
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
        event_log::log(self.console, reactor, event);
        Ok(())
    }

    fn is_incomplete(&self, reactor: &Reactor) -> bool {
        let progress = reactor.node().swarms().progress(self.swarm);
        progress.is_none_or(|progress| progress.done < progress.size)
    }

    /// Removes an ended stream from the list. Returns whether its end is a loss.
    fn is_lost(&mut self, address: SocketAddr, reason: Ended) -> bool {
        let Some(index) = self.connected.iter().position(|&other| other == address) else {
            return false;
        };
        self.connected.swap_remove(index);
        matches!(
            reason,
            Ended::Lost | Ended::Timeout | Ended::Protocol | Ended::Corrupt
        )
    }

    fn handle_complete(&mut self, reactor: &Reactor, already: bool) -> Result<(), Exit> {
        self.report.clear();
        let progress = reactor
            .node()
            .swarms()
            .progress(self.swarm)
            .unwrap_or_default();
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
            let line = format!("complete: {size} in {time} ({rate}), every shard verified");
            self.console.info(line);
            self.log_written(reactor, progress.received);
        }
        if !self.options.json {
            return print(path.to_string_lossy());
        }
        let object = Object::event("complete")
            .with("path", &*path.to_string_lossy())
            .with("bytes", progress.size)
            .with("seconds", took.as_secs_f64())
            .with("already", already);
        print(object.finish())
    }

    /// Logs the bytes written, and their ratio to the bytes received.
    fn log_written(&self, reactor: &Reactor, received: u64) {
        let written = reactor.written();
        let manifest = reactor.node().swarms().manifest(self.swarm);
        let state = manifest.map_or(0, |manifest| manifest.bytes().len() as u64);
        let per_mille = ((written + state) * 1000).checked_div(received);
        let ratio = per_mille.map_or(String::new(), |ratio| {
            format!(
                ": {}.{:03} times the bytes received",
                ratio / 1000,
                ratio % 1000
            )
        });
        let [written, state] = [written, state].map(format::size);
        self.console.debug(format!(
            "wrote {written} to the disk, journal included, and {state} of state{ratio}"
        ));
    }

    fn failure(&mut self, reactor: &Reactor, cause: Failure) -> Result<Exit, Exit> {
        self.report.clear();
        let path = reactor.output_path(self.swarm).map(shown);
        let disk = reactor.disk_message(self.swarm);
        let message = failure_text::of_fetch(self.file, cause, self.has_met, path, disk);
        if self.options.json {
            print(Object::event("failed").with("message", &message).finish())?;
        }
        Ok(Exit::Failed(message))
    }
}

/// A path in the current folder without `./`.
fn shown(path: &Path) -> &Path {
    match path.strip_prefix(".") {
        Ok(name) if name != Path::new("") => name,
        _ => path,
    }
}

fn save(state: Option<&StateDir>, manifest: &Manifest, console: &Console) {
    if let Some(Err(error)) = state.map(|state| state.save_manifest(manifest)) {
        // The next run asks the network for it.
        console.debug(error.to_string());
    }
}
