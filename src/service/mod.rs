//! The service: a node that runs for months, and performs commands from its control socket.
//!
//! | file | contents |
//! |---|---|
//! | `catalog`, `state_dir`, `health` | the state folder, which survives a restart |
//! | `jobs`, `work`, `folder` | the files that it shares and fetches, and the work on them |
//! | `commands`, `answer`, `answers` | the one table of commands, handlers, answers on their way |
//! | `reply`, `metrics`, `render`, `text`, `json` | replies, the one table of metrics, renderings |
//! | `control`, `protocol`, `line`, `socket_path` | the control socket, and its lines |
//! | `event_text`, `failure_text`, `event_log` | events and failures in words |
//! | `systemd` | readiness, watchdog and status for the service manager |
//!
//! Invariant: no command blocks the loop, but for the short files of the state folder.

mod answer;
mod answers;
pub mod catalog;
pub(crate) mod commands;
mod control;
pub(crate) mod event_log;
pub(crate) mod event_text;
pub(crate) mod failure_text;
mod folder;
pub(crate) mod format;
mod health;
mod jobs;
pub(crate) mod json;
pub(crate) mod line;
pub(crate) mod locations;
pub(crate) mod log_sink;
mod metrics;
pub(crate) mod protocol;
mod render;
mod reply;
pub(crate) mod socket_path;
pub(crate) mod state_dir;
mod systemd;
mod text;
mod work;

pub(crate) use control::Control;
pub(crate) use health::{Health, Kept};
pub use state_dir::StateDir;
pub use systemd::Systemd;

use crate::id::FileId;
use crate::reactor::{Error, Happening, Reactor};
use crate::time::{Instant, earliest};
use crate::wire::Manifest;
use answers::Pending;
use event_log::EventLog;
use folder::Folder;
use jobs::Jobs;
use log_sink::LogSink;
use signal_hook::consts::SIGHUP;
use std::net::SocketAddr;
use std::path::{self, PathBuf};

/// The surroundings of a service.
pub(crate) struct Setup<'a> {
    /// Locked as long as the service runs; absent when it keeps no state.
    pub state: Option<StateDir>,
    /// Absent when it takes no requests.
    pub control: Option<Control>,
    /// Absent when no service manager started it.
    pub systemd: Option<Systemd>,
    /// The nodes that it joins through.
    pub bootstraps: Vec<SocketAddr>,
    /// Its drop folders; absolute paths.
    pub share_dirs: Vec<PathBuf>,
    /// Takes its lines for people.
    pub log: &'a dyn LogSink,
}

/// A service, beside the reactor that it runs on.
pub(crate) struct Service<'a> {
    setup: Setup<'a>,
    event_log: EventLog<'a>,
    started_at: Instant,
    jobs: Jobs,
    folders: Vec<Folder>,
    /// When the catalog is saved.
    save_at: Option<Instant>,
    /// Answers that are not whole. Never more than there are clients.
    pending: Vec<Pending>,
}

impl<'a> Service<'a> {
    /// Creates the service of a node that has just started. The jobs of its catalog start soon.
    ///
    /// # Errors
    /// When the catalog cannot be read, or was written by a newer version.
    pub fn new(reactor: &Reactor, setup: Setup<'a>) -> Result<Service<'a>, Error> {
        let now = reactor.now();
        let folders = setup
            .share_dirs
            .iter()
            .map(|dir| Folder::new(dir.clone(), now));
        let folders: Vec<Folder> = folders.collect();
        let entries = setup
            .state
            .as_ref()
            .map(StateDir::load_catalog)
            .transpose()?;
        let mut jobs = Jobs::default();
        for entry in entries.unwrap_or_default() {
            let is_from_folder = entry.is_from_folder;
            let job = jobs.push(entry, now);
            if is_from_folder {
                // It starts when the scan of its folder finds it again.
                job.start_at = None;
                let is_there = |path| folders.iter().any(|folder: &Folder| folder.has(path));
                let number = job.number;
                if !job.path().is_some_and(is_there) {
                    jobs.remove(number);
                }
            }
        }
        Ok(Service {
            event_log: EventLog::new(setup.log),
            setup,
            started_at: now,
            jobs,
            folders,
            save_at: None,
            pending: Vec::new(),
        })
    }

    /// Runs the loop until a signal ends it; SIGHUP has `reload` read the settings again.
    ///
    /// # Errors
    /// When the system's `poll` fails.
    pub fn run(
        &mut self,
        reactor: &mut Reactor,
        reload: &mut dyn FnMut(&mut Reactor),
    ) -> Result<(), Error> {
        reactor.catch_hangup()?;
        self.notify(Systemd::tell_ready);
        loop {
            let deferrable = self.setup.systemd.as_ref().map(Systemd::deferrable_at);
            let happening = reactor.next_with(self.next_at(), deferrable)?;
            if let Some(systemd) = &mut self.setup.systemd {
                systemd.report(reactor);
            }
            match happening {
                Happening::Event(event) => self.handle_event(reactor, &event),
                Happening::Source(ready) => {
                    if let Some(control) = &mut self.setup.control {
                        control.handle_ready(ready);
                    }
                    self.serve_clients(reactor);
                }
                Happening::Deadline => self.handle_timeout(reactor),
                Happening::Signal(SIGHUP) => {
                    self.notify(Systemd::tell_reloading);
                    reload(reactor);
                    self.notify(Systemd::tell_ready);
                }
                Happening::Signal(_) => break,
            }
        }
        if self.save_at.is_some() {
            self.save(reactor.now());
        }
        self.notify(Systemd::tell_stopping);
        Ok(())
    }

    fn notify(&self, tell: fn(&Systemd)) {
        self.setup.systemd.as_ref().map(tell).unwrap_or_default();
    }

    fn next_at(&self) -> Option<Instant> {
        let control = self.setup.control.as_ref().and_then(Control::next_at);
        let systemd = self.setup.systemd.as_ref().and_then(Systemd::next_at);
        let folders = self.folders.iter().map(|folder| Some(folder.scan_at));
        let all = [control, systemd, self.save_at, self.jobs.next_at()];
        all.into_iter().chain(folders).fold(None, earliest)
    }

    /// Does one piece of the work that is due.
    fn handle_timeout(&mut self, reactor: &mut Reactor) {
        self.serve_clients(reactor);
        let now = reactor.now();
        self.save_if_due(now);
        if let Some(index) = self.folders.iter().position(|folder| folder.scan_at <= now) {
            self.scan(reactor, index);
        }
        if let Some(number) = self.jobs.due(now) {
            self.start(reactor, number);
            self.resume_answers(reactor, None);
        }
    }

    /// Receives requests, sends answers, and resumes those for which there is room.
    fn serve_clients(&mut self, reactor: &mut Reactor) {
        if let Some(control) = &mut self.setup.control {
            control.turn(reactor.now(), reactor);
        }
        while let Some(client) = self.setup.control.as_mut().and_then(Control::poll_client) {
            self.handle_client(reactor, client);
        }
    }

    /// The folder of fetches without a path of their own.
    fn files_dir(&self) -> Option<PathBuf> {
        let folder = self.setup.state.as_ref()?.path().join("files");
        path::absolute(folder).ok()
    }

    /// The addresses at which other machines reach this node: for links.
    fn locations(&self, reactor: &Reactor) -> Vec<String> {
        let locations = locations::locations(reactor.listening(), &self.setup.bootstraps);
        locations.iter().map(ToString::to_string).collect()
    }
}

impl Setup<'_> {
    /// The manifest of a file that was given before.
    fn load_manifest(&self, file: FileId) -> Option<Manifest> {
        self.state.as_ref()?.load_manifest(file)
    }
}

/// The lines of a golden answer, written by hand.
#[cfg(test)]
mod fixtures {
    use super::reply::Reply;
    use std::path::Path;

    /// Checks that replies, all of them results, are rendered as two files in `fixtures/control`
    /// have it.
    pub fn assert_rendered(replies: &[Reply], name: &str) {
        for (json, ending) in [(false, "txt"), (true, "json")] {
            let lines = replies.iter().flat_map(|reply| reply.lines(json));
            let lines: Vec<String> = lines.map(|line| line.emit()).collect();
            let marked = fixture(&format!("{name}.{ending}"))
                .into_iter()
                .map(|line| format!("={line}"));
            assert_eq!(lines, marked.collect::<Vec<_>>());
        }
    }

    /// The lines of a file in `fixtures/control`, those that begin with `#` aside.
    pub fn fixture(name: &str) -> Vec<String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/control");
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.map(str::to_owned).collect()
    }
}
