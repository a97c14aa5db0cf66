//! The service: what `sprat node` does for those who ask over its control socket.
//!
//! Read `items` (what it was given), then `work` (what it does with that), then `command` (what a
//! request changes) and `answer` (how its answer is written). `folder` is what it finds by itself; the others are what it may say:
//! each result is text for people or, with `--json`, an object a line, which has `version` 1 and a
//! `kind`:
//!
//! | kind | members |
//! |---|---|
//! | `status` | see `status` |
//! | `file` | see `list` |
//! | `peer` | see `peers` |
//! | `dht`, `contact`, `record` | see `dht` |
//! | `ping`, `provider`, `lookup` | see `search` |
//!
//! Sizes are bytes, times are seconds, what is not known is `null`. Members may be added within a
//! version, so readers skip those that they do not know. `fixtures/control` has an example of each.
//!
//! Invariant: whatever is asked, the loop does not wait but for the short files of its state, and an
//! answer waits for its client in bounded room (`control`).

mod answer;
pub mod catalog;
mod commands;
mod control;
mod dht;
pub mod event_log;
pub mod event_text;
pub mod failure_text;
mod folder;
pub mod format;
mod health;
mod items;
mod jobs;
pub mod json;
mod list;
pub mod locations;
pub mod log_sink;
mod peers;
pub mod protocol;
mod search;
pub mod socket_path;
pub mod state_dir;
mod status;
mod systemd;

pub use control::Control;
pub use health::{Health, Kept};
pub use state_dir::StateDir;
pub use systemd::Systemd;

use crate::reactor::{Error, Happening, Reactor};
use crate::time::Instant;
use answer::{Answer, Step};
use control::{ClientKey, Room};
use event_log::EventLog;
use folder::Folder;
use items::Items;
use log_sink::LogSink;
use protocol::{Line, Request};
use signal_hook::consts::SIGHUP;
use std::net::SocketAddr;
use std::path::{self, PathBuf};

/// The surroundings of a service.
pub struct Setup<'a> {
    /// Locked as long as the service runs; absent when it keeps no state.
    pub state: Option<StateDir>,
    /// Absent when nobody can ask it anything.
    pub control: Option<Control>,
    /// Absent when nobody manages it.
    pub systemd: Option<Systemd>,
    /// The nodes that it joins through.
    pub bootstraps: Vec<SocketAddr>,
    /// Its drop folders; absolute paths.
    pub share_dirs: Vec<PathBuf>,
    /// Where its lines go.
    pub console: &'a dyn LogSink,
}

/// What a running service keeps beside its node.
pub struct Service<'a> {
    console: &'a dyn LogSink,
    event_log: EventLog<'a>,
    control: Option<Control>,
    systemd: Option<Systemd>,
    state: Option<StateDir>,
    bootstraps: Vec<SocketAddr>,
    started_at: Instant,
    items: Items,
    folders: Vec<Folder>,
    /// When what was given is to be written down.
    remember_at: Option<Instant>,
    /// Answers that are not whole. Never more than there are clients.
    answers: Vec<(ClientKey, Answer, Until)>,
}

/// What an answer that is not whole waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Until {
    /// Its client takes some of it.
    Taken,
    /// Something happens to the node.
    Event,
}

impl<'a> Service<'a> {
    /// A service whose node has just started. What it was given before is taken up soon.
    ///
    /// # Errors
    /// When what it was given cannot be read, or was written by a newer version.
    pub fn new(reactor: &Reactor, setup: Setup<'a>) -> Result<Service<'a>, Error> {
        let now = reactor.now();
        let folders = setup.share_dirs.into_iter();
        let folders: Vec<Folder> = folders.map(|dir| Folder::new(dir, now)).collect();
        let remembered = match &setup.state {
            Some(state) => state.recall()?,
            None => Vec::new(),
        };
        let mut items = Items::default();
        for kept in remembered {
            let is_from_folder = kept.is_from_folder;
            let number = items.push(kept, now);
            let Some(item) = items.find_mut(number).filter(|_| is_from_folder) else {
                continue;
            };
            // It is taken up when it is found there again.
            item.retry_at = None;
            let path = item.path();
            if !path.is_some_and(|path| folders.iter().any(|folder| folder.has(path))) {
                items.remove(number);
            }
        }
        Ok(Service {
            console: setup.console,
            event_log: EventLog::new(setup.console),
            control: setup.control,
            systemd: setup.systemd,
            state: setup.state,
            bootstraps: setup.bootstraps,
            started_at: now,
            items,
            folders,
            remember_at: None,
            answers: Vec::new(),
        })
    }

    /// Runs the loop until a signal ends it; SIGHUP has `reload` read the settings again.
    ///
    /// # Errors
    /// When the loop cannot go on.
    pub fn run(
        &mut self,
        reactor: &mut Reactor,
        reload: &mut dyn FnMut(&mut Reactor),
    ) -> Result<(), Error> {
        reactor.catch_hangup()?;
        if let Some(systemd) = &self.systemd {
            systemd.tell_ready();
        }
        loop {
            let deferrable = self.systemd.as_ref().and_then(Systemd::deferrable_at);
            let happening = reactor.next_with(self.next_at(), deferrable)?;
            if let Some(systemd) = &mut self.systemd {
                systemd.report(reactor);
            }
            match happening {
                Happening::Event(event) => self.handle_event(reactor, &event),
                Happening::Source(ready) => {
                    if let Some(control) = &mut self.control {
                        control.handle_ready(ready);
                    }
                    self.serve_clients(reactor);
                }
                Happening::Deadline => self.handle_timeout(reactor),
                Happening::Signal(SIGHUP) => {
                    if let Some(systemd) = &self.systemd {
                        systemd.tell_reloading();
                    }
                    reload(reactor);
                    if let Some(systemd) = &self.systemd {
                        systemd.tell_ready();
                    }
                }
                Happening::Signal(_) => break,
            }
        }
        self.remember_if_due(reactor.now());
        if let Some(systemd) = &self.systemd {
            systemd.tell_stopping();
        }
        Ok(())
    }

    /// Receives requests, sends answers, and goes on with those for which there is room.
    fn serve_clients(&mut self, reactor: &mut Reactor) {
        let Some(control) = &mut self.control else {
            return;
        };
        control.turn(reactor.now(), reactor);
        while let Some(client) = self.control.as_mut().and_then(Control::poll_client) {
            self.handle_client(reactor, client);
        }
    }

    /// The folder of what is fetched without a place of its own.
    fn files_dir(&self) -> Option<PathBuf> {
        let folder = self.state.as_ref()?.path().join("files");
        path::absolute(folder).ok()
    }

    /// Where other machines reach this node: for links.
    fn locations(&self, reactor: &Reactor) -> Vec<String> {
        let locations = locations::locations(reactor.listening(), &self.bootstraps);
        locations.iter().map(ToString::to_string).collect()
    }

    /// A client has asked, or there is room for more of its answer.
    fn handle_client(&mut self, reactor: &mut Reactor, client: ClientKey) {
        let known = self.answers.iter().position(|(key, ..)| *key == client);
        let answer = match known {
            Some(place) => self.answers.swap_remove(place).1,
            None => {
                let control = self.control.as_ref();
                let request = control.and_then(|control| control.request(client));
                let request = request.map(Request::parse);
                let answer = match request {
                    Some(Ok(request)) => self.perform(reactor, request),
                    Some(Err(why)) => Err(Line::End(2, why)),
                    None => return,
                };
                match answer {
                    Ok(answer) => answer,
                    Err(end) => return self.end_answer(client, &end),
                }
            }
        };
        self.go_on_with(reactor, client, answer);
    }

    /// Writes as much of an answer as there is, and room for.
    fn go_on_with(&mut self, reactor: &mut Reactor, client: ClientKey, mut answer: Answer) {
        loop {
            let until = match answer.next(self, reactor) {
                Step::Several(lines) => {
                    let mut room = Room::Some;
                    for line in lines {
                        room = self.answer(client, &line);
                    }
                    match room {
                        Room::Some => continue,
                        Room::None => Until::Taken,
                        Room::Gone => return,
                    }
                }
                Step::Say(line) => match self.answer(client, &line) {
                    Room::Some => continue,
                    Room::None => Until::Taken,
                    Room::Gone => return,
                },
                Step::End(line) => return self.end_answer(client, &line),
                Step::Wait => Until::Event,
            };
            return self.answers.push((client, answer, until));
        }
    }

    fn answer(&mut self, client: ClientKey, line: &Line) -> Room {
        let control = self.control.as_mut();
        control.map_or(Room::Gone, |control| control.answer(client, &line.emit()))
    }

    fn end_answer(&mut self, client: ClientKey, line: &Line) {
        self.answer(client, line);
        if let Some(control) = &mut self.control {
            control.end(client);
        }
    }

    fn is_gone(&self, client: ClientKey) -> bool {
        let control = self.control.as_ref();
        control.is_none_or(|control| control.request(client).is_none())
    }

    /// Something has happened that answers may wait for.
    fn go_on_with_answers(&mut self, reactor: &mut Reactor) {
        for (client, answer, until) in std::mem::take(&mut self.answers) {
            match until {
                // Its client is gone.
                _ if self.is_gone(client) => {}
                Until::Event => self.go_on_with(reactor, client, answer),
                Until::Taken => self.answers.push((client, answer, until)),
            }
        }
    }

    /// What some answers may wait for has come.
    fn tell_answers(&mut self, tell: impl Fn(&mut Answer)) {
        self.answers
            .iter_mut()
            .for_each(|(_, answer, _)| tell(answer));
    }
}

/// The lines of a golden answer, written by hand.
#[cfg(test)]
mod fixtures {
    use std::path::Path;

    /// The lines of a file in `fixtures/control`, those that begin with `#` aside.
    pub fn fixture(name: &str) -> Vec<String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/control");
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.map(str::to_owned).collect()
    }
}
