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
//! answer waits for its client in bounded room (`reactor::control`).

mod answer;
mod command;
mod dht;
mod folder;
mod items;
mod list;
mod peers;
mod search;
mod status;
mod work;

use super::Exit;
use super::console::Console;
use super::control::request::{Line, Request};
use super::event_log::EventLog;
use super::start;
use crate::limits::DROP_FOLDERS_MAX;
use crate::reactor::{ClientKey, Error, Reactor, Room, StateDir};
use crate::time::Instant;
use answer::{Answer, Step};
use folder::Folder;
use items::Items;
use std::net::SocketAddr;
use std::path::{self, PathBuf};

/// What a running service keeps beside its node.
pub struct Service<'a> {
    console: &'a Console,
    event_log: EventLog<'a>,
    /// Locked as long as the service runs; absent when it keeps no state.
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
    /// A service whose node has just started, through the nodes at `bootstraps`. What it was given
    /// before is taken up soon.
    ///
    /// # Errors
    /// When what it was given cannot be read, or was written by a newer version.
    pub fn new(
        reactor: &Reactor,
        state: Option<StateDir>,
        bootstraps: Vec<SocketAddr>,
        share_dirs: &[PathBuf],
        console: &'a Console,
    ) -> Result<Service<'a>, Exit> {
        let now = reactor.now();
        let folders = folders(share_dirs, now)?;
        let remembered = match &state {
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
            console,
            event_log: EventLog::new(console),
            state,
            bootstraps,
            started_at: now,
            items,
            folders,
            remember_at: None,
            answers: Vec::new(),
        })
    }

    /// The folder of what is fetched without a place of its own.
    fn files_dir(&self) -> Option<PathBuf> {
        let folder = self.state.as_ref()?.path().join("files");
        path::absolute(folder).ok()
    }

    /// Where other machines reach this node: for links.
    fn locations(&self, reactor: &Reactor) -> Vec<String> {
        let locations = start::locations(reactor.listening(), &self.bootstraps);
        locations.iter().map(ToString::to_string).collect()
    }

    /// A client has asked, or there is room for more of its answer.
    pub fn handle_client(&mut self, reactor: &mut Reactor, client: ClientKey) {
        let known = self.answers.iter().position(|(key, ..)| *key == client);
        let answer = match known {
            Some(place) => self.answers.swap_remove(place).1,
            None => {
                let request = reactor.request(client).map(Request::parse);
                let answer = match request {
                    Some(Ok(request)) => self.perform(reactor, request),
                    Some(Err(why)) => Err(Line::End(2, why)),
                    None => return,
                };
                match answer {
                    Ok(answer) => answer,
                    Err(end) => return reactor.end_answer(client, &end.emit()),
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
                        room = reactor.answer(client, &line.emit());
                    }
                    match room {
                        Room::Some => continue,
                        Room::None => Until::Taken,
                        Room::Gone => return,
                    }
                }
                Step::Say(line) => match reactor.answer(client, &line.emit()) {
                    Room::Some => continue,
                    Room::None => Until::Taken,
                    Room::Gone => return,
                },
                Step::End(line) => return reactor.end_answer(client, &line.emit()),
                Step::Wait => Until::Event,
            };
            return self.answers.push((client, answer, until));
        }
    }

    /// Something has happened that answers may wait for.
    fn go_on_with_answers(&mut self, reactor: &mut Reactor) {
        for (client, answer, until) in std::mem::take(&mut self.answers) {
            match until {
                // Its client is gone.
                _ if reactor.request(client).is_none() => {}
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

/// The drop folders of these names.
fn folders(dirs: &[PathBuf], now: Instant) -> Result<Vec<Folder>, Exit> {
    if dirs.len() > DROP_FOLDERS_MAX {
        let why = format!("more than {DROP_FOLDERS_MAX} of --share-dir (see sprat help node)");
        return Err(Exit::Usage(why));
    }
    let folders = dirs.iter().map(|dir| {
        let failed = |error| Error::new(format!("find {}", dir.display()), error);
        Ok(Folder::new(path::absolute(dir).map_err(failed)?, now))
    });
    folders.collect()
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
