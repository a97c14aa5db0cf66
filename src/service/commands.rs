//! What each request does to the service, before its answer is written.
//!
//! Invariant: what changes what the service was given is written down before it is answered, so that
//! not even a power cut undoes what was said to be done.

use super::Service;
use super::answer::Answer;
use super::catalog::{Remembered, Work};
use super::items::Item;
use super::protocol::{Line, Request};
use crate::address::is_usable;
use crate::limits::PATH_SIZE_MAX;
use crate::reactor::{OutputPath, Reactor};
use crate::wire::Link;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The commands that the service knows.
pub const NAMES: [&str; 10] = [
    "add", "rm", "ls", "status", "pause", "resume", "peers", "dht", "ping", "find",
];

/// What a request has led to: an answer, or its end at once.
type Performed = Result<Answer, Line>;

impl Service<'_> {
    /// Does what a request wants.
    pub(super) fn perform(&mut self, reactor: &mut Reactor, request: Request) -> Performed {
        let json = request.json;
        let words: Vec<&str> = request.words.iter().map(String::as_str).collect();
        match (request.command, words.as_slice()) {
            ("status", []) => Ok(Answer::status(json)),
            ("ls", []) => Ok(Answer::files(json, self.locations(reactor))),
            ("add", ["share", path]) => self.add_share(reactor, json, Path::new(path)),
            ("add", ["fetch", file, output, providers @ ..]) => {
                self.add_fetch(reactor, json, (file, output), providers)
            }
            ("rm", [word]) => self.rm(reactor, json, word),
            ("pause", words @ ([] | [_])) => self.pause(reactor, json, words.first(), true),
            ("resume", words @ ([] | [_])) => self.pause(reactor, json, words.first(), false),
            ("peers", [word]) => {
                let number = self.items.named(word).map_err(failed)?;
                Ok(Answer::peers(json, number))
            }
            ("dht", []) => Ok(Answer::dht(json)),
            ("ping", [address]) => self.ping(reactor, json, address),
            ("find", [word]) => self.find(reactor, json, word),
            (command, words) => Err(Line::End(
                2,
                format!("the service knows no {} {}", command, words.join(" ")),
            )),
        }
    }

    fn add_share(&mut self, reactor: &mut Reactor, json: bool, path: &Path) -> Performed {
        check_path(path)?;
        let number = match self.items.of_share(path) {
            Some(item) => {
                let number = item.number;
                self.share_again(reactor, number);
                number
            }
            None => {
                let kept = Remembered {
                    work: Work::Share(path.to_owned()),
                    file: None,
                    proof: None,
                    is_paused: false,
                    is_from_folder: false,
                };
                let number = self.push(reactor, kept)?;
                if let Some(item) = self.items.find_mut(number) {
                    item.is_new = true;
                }
                self.take_up(reactor, number);
                number
            }
        };
        // What cannot even be looked at was given in vain.
        let item = self.items.find_mut(number);
        if let Some(item) = item.filter(|item| item.is_new && item.swarm.is_none()) {
            let why = item.why.take().unwrap_or_default();
            self.items.remove(number);
            return Err(failed(why));
        }
        self.remember(reactor.now());
        Ok(Answer::hashing(json, number, self.locations(reactor)))
    }

    /// What is shared already is, if it has changed or waits, shared as it is now; and it stays when
    /// it goes from a drop folder.
    fn share_again(&mut self, reactor: &mut Reactor, number: u64) {
        let Some(item) = self.items.find_mut(number) else {
            return;
        };
        item.kept.is_from_folder = false;
        let is_lost = item.is_changed || item.swarm.is_none();
        if is_lost {
            if let Some(swarm) = item.swarm.take() {
                reactor.command(|node, now| node.remove(now, swarm));
            }
            self.take_up(reactor, number);
        }
    }

    fn add_fetch(
        &mut self,
        reactor: &mut Reactor,
        json: bool,
        (file, output): (&str, &str),
        providers: &[&str],
    ) -> Performed {
        let misused = |what: &str| Line::End(2, format!("not {what} (see sprat help add)"));
        let file = file.parse().map_err(|_| misused("a file id"))?;
        let providers = providers.iter().map(|text| text.parse());
        let providers: Result<Vec<SocketAddr>, _> = providers.collect();
        let mut providers = providers.map_err(|_| misused("an address"))?;
        // A link may name what no node can be at; the memory would not take it.
        providers.retain(|&at| is_usable(at));
        let output = self.output_path(output)?;
        if let Some(item) = self.items.of_file(file) {
            let number = item.number;
            if item.swarm.is_none() {
                self.take_up(reactor, number);
            }
            return Ok(Answer::file(json, number, self.locations(reactor)));
        }
        let kept = Remembered {
            work: Work::Fetch { output, providers },
            file: Some(file),
            proof: None,
            is_paused: false,
            is_from_folder: false,
        };
        let number = self.push(reactor, kept)?;
        self.take_up(reactor, number);
        self.remember(reactor.now());
        Ok(Answer::file(json, number, self.locations(reactor)))
    }

    /// Where a fetch goes: the service's own folder, unless a path is given.
    fn output_path(&self, given: &str) -> Result<OutputPath, Line> {
        if given.is_empty() {
            let folder = self.files_dir();
            let folder = folder.ok_or_else(|| failed("the service keeps no files".into()))?;
            return Ok(OutputPath::In(folder));
        }
        check_path(Path::new(given))?;
        OutputPath::given(Path::new(given)).map_err(|error| failed(error.to_string()))
    }

    fn push(&mut self, reactor: &Reactor, kept: Remembered) -> Result<u64, Line> {
        match self.items.has_room() {
            true => Ok(self.items.push(kept, reactor.now())),
            false => Err(failed("the service has as many files as it can".into())),
        }
    }

    /// An item is removed: its swarm goes, and nothing of the state is kept for it.
    pub(super) fn let_go(&mut self, reactor: &mut Reactor, item: &Item) {
        if let Some(swarm) = item.swarm {
            reactor.command(|node, now| node.remove(now, swarm));
        }
        if let (Some(state), Some(file)) = (&self.state, item.kept.file) {
            state.forget_manifest(file);
        }
        // Whoever waited because of it need not any more.
        self.items.wake(reactor.now());
    }

    /// Holds an item still, or all; or has them go on.
    fn pause(
        &mut self,
        reactor: &mut Reactor,
        json: bool,
        word: Option<&&str>,
        is_paused: bool,
    ) -> Performed {
        let numbers: Vec<u64> = match word {
            Some(word) => vec![self.items.named(word).map_err(failed)?],
            None => self.items.iter().map(|item| item.number).collect(),
        };
        for number in numbers {
            let Some(item) = self.items.find_mut(number) else {
                continue;
            };
            item.kept.is_paused = is_paused;
            match (item.swarm, is_paused) {
                (Some(swarm), true) => reactor.command(|node, now| node.suspend(now, swarm)),
                (Some(swarm), false) => reactor.command(|node, now| node.resume(now, swarm)),
                (None, true) => {}
                (None, false) => item.retry_at = Some(reactor.now()),
            }
        }
        self.remember(reactor.now());
        Ok(Answer::lines(json, None))
    }

    fn ping(&mut self, reactor: &mut Reactor, json: bool, address: &str) -> Performed {
        let address: SocketAddr = address
            .parse()
            .map_err(|_| Line::End(2, format!("not an address: {address}")))?;
        match reactor.command(|node, now| node.ping(now, address)) {
            true => Ok(Answer::ping(json, address)),
            false => Err(failed(format!("no node can be at {address}"))),
        }
    }

    fn find(&mut self, reactor: &mut Reactor, json: bool, word: &str) -> Performed {
        let file = match Link::parse(word) {
            Ok(link) => link.file,
            Err(_) => {
                let number = self.items.named(word).map_err(failed)?;
                let file = self.items.find(number).and_then(|item| item.kept.file);
                file.ok_or_else(|| failed(format!("{word} has no id yet")))?
            }
        };
        match reactor.command(|node, now| node.look_up(now, file)) {
            true => Ok(Answer::find(json, file)),
            false => Err(failed(
                "there is no node to ask (start the service with -b HOST:PORT)".into(),
            )),
        }
    }

    fn rm(&mut self, reactor: &mut Reactor, json: bool, word: &str) -> Performed {
        let number = self.items.named(word).map_err(failed)?;
        let item = self.items.find(number);
        if let Some(folder) = item
            .filter(|item| item.kept.is_from_folder)
            .and_then(Item::path)
        {
            return Err(failed(format!(
                "{} lies in a drop folder (take it out of there)",
                folder.display()
            )));
        }
        let Some(item) = self.items.remove(number) else {
            return Err(failed(format!("the service has no file {word}")));
        };
        let part: Option<PathBuf> = item.swarm.and_then(|swarm| reactor.part_path(swarm));
        self.let_go(reactor, &item);
        self.remember(reactor.now());
        let kept = part.map(|part| {
            Line::News(format!(
                "what has arrived is kept in {} (add the link again to go on, or delete it)",
                part.display()
            ))
        });
        Ok(Answer::lines(json, kept))
    }
}

/// Whether the memory takes a path.
fn check_path(path: &Path) -> Result<(), Line> {
    if path.is_absolute() && path.as_os_str().len() <= PATH_SIZE_MAX {
        return Ok(());
    }
    Err(failed(format!(
        "not an absolute path of at most {PATH_SIZE_MAX} bytes: {}",
        path.display()
    )))
}

fn failed(why: String) -> Line {
    Line::End(1, why)
}
