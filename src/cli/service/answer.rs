//! An answer on its way: one line at a time, as its client takes them.
//!
//! Invariant: an answer holds a place in what it tells of, never a copy of all of it.

use super::Service;
use super::items::Item;
use super::list::Listed;
use super::status::Status;
use crate::cli::control::request::Line;
use crate::reactor::Reactor;
use std::collections::VecDeque;

/// An answer that is not whole.
pub struct Answer {
    json: bool,
    rest: Rest,
    /// For links; empty where there are none.
    locations: Vec<String>,
}

/// What is left of it.
enum Rest {
    /// Lines that are made.
    Lines(VecDeque<Line>),
    /// How the node is.
    Status,
    /// The items behind this number, or all.
    Files(Option<u64>),
    /// This item.
    File(u64),
    /// The link of this item, once it is hashed.
    Hashing(u64),
}

/// What comes next.
pub enum Step {
    /// A line.
    Say(Line),
    /// The last line.
    End(Line),
    /// Nothing, before something else happens.
    Wait,
}

impl Answer {
    fn new(json: bool, rest: Rest, locations: Vec<String>) -> Answer {
        Answer {
            json,
            rest,
            locations,
        }
    }

    /// How the node is.
    pub fn status(json: bool) -> Answer {
        Answer::new(json, Rest::Status, Vec::new())
    }

    /// All items.
    pub fn files(json: bool, locations: Vec<String>) -> Answer {
        Answer::new(json, Rest::Files(None), locations)
    }

    /// One item.
    pub fn file(json: bool, number: u64, locations: Vec<String>) -> Answer {
        Answer::new(json, Rest::File(number), locations)
    }

    /// The link of an item, once it is hashed.
    pub fn hashing(json: bool, number: u64, locations: Vec<String>) -> Answer {
        Answer::new(json, Rest::Hashing(number), locations)
    }

    /// These lines.
    pub fn lines(json: bool, lines: impl IntoIterator<Item = Line>) -> Answer {
        Answer::new(json, Rest::Lines(lines.into_iter().collect()), Vec::new())
    }

    /// The item could not be hashed: the end, if that was waited for.
    pub fn fail(&mut self, number: u64, why: &str) {
        if matches!(self.rest, Rest::Hashing(waiting) if waiting == number) {
            self.rest = Rest::Lines([Line::End(1, why.to_owned())].into());
        }
    }

    /// The next line.
    pub fn next(&mut self, service: &Service, reactor: &Reactor) -> Step {
        match self.rest {
            Rest::Lines(ref mut lines) => match lines.pop_front() {
                Some(line @ Line::End(..)) => Step::End(line),
                Some(line) => Step::Say(line),
                None => Step::End(Line::End(0, String::new())),
            },
            Rest::Status => {
                let status = Status::of(service, reactor);
                let lines = match self.json {
                    true => vec![status.json()],
                    false => status.text(),
                };
                self.then_results(lines);
                self.next(service, reactor)
            }
            Rest::Files(after) => match service.items.after(after) {
                Some(item) => {
                    self.rest = Rest::Files(Some(item.number));
                    Step::Say(self.listed(item, reactor))
                }
                None => Step::End(Line::End(0, String::new())),
            },
            Rest::File(number) => {
                let item = service.items.find(number);
                let line = item.map(|item| self.listed(item, reactor));
                self.rest = Rest::Lines(line.into_iter().collect());
                self.next(service, reactor)
            }
            Rest::Hashing(number) => self.hashed(service, reactor, number),
        }
    }

    /// The link of an item, if it is hashed.
    fn hashed(&mut self, service: &Service, reactor: &Reactor, number: u64) -> Step {
        let Some(item) = service.items.find(number) else {
            return Step::End(Line::End(1, "it was removed before it was hashed".into()));
        };
        if let (None, Some(why)) = (item.swarm, &item.why) {
            return Step::End(Line::End(1, why.clone()));
        }
        let listed = Listed::of(item, reactor, &self.locations);
        let is_hashed = item
            .swarm
            .is_some_and(|swarm| reactor.node().manifest(swarm).is_some());
        let (true, Some(link)) = (is_hashed, listed.link.clone()) else {
            return Step::Wait;
        };
        let line = if self.json { listed.json() } else { link };
        self.then_results(vec![line]);
        self.next(service, reactor)
    }

    fn listed(&self, item: &Item, reactor: &Reactor) -> Line {
        let listed = Listed::of(item, reactor, &self.locations);
        Line::Result(match self.json {
            true => listed.json(),
            false => listed.text(),
        })
    }

    fn then_results(&mut self, lines: Vec<String>) {
        self.rest = Rest::Lines(lines.into_iter().map(Line::Result).collect());
    }
}
