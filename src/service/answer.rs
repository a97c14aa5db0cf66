//! An answer on its way: one line at a time, as its client takes them.
//!
//! Invariant: an answer holds a place in what it tells of, never a copy of all of it.

use super::Service;
use super::items::Item;
use super::list::Listed;
use super::protocol::Line;
use super::status::Status;
use super::{dht, peers, search};
use crate::id::FileId;
use crate::node::Event;
use crate::reactor::Reactor;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

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
    /// The streams of this item.
    Peers(u64),
    /// The routing table from its beginning, then the records.
    Dht,
    /// The contacts of the buckets from this one on.
    Buckets(usize),
    /// The records of the files behind this one, or of all.
    Records(Option<FileId>),
    /// Whether a node is here.
    Ping(SocketAddr),
    /// Who provides this.
    Find(FileId),
}

/// What comes next.
pub enum Step {
    /// A line.
    Say(Line),
    /// A few lines, of one bucket or one file.
    Several(Vec<Line>),
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

    /// The open streams of an item.
    pub fn peers(json: bool, number: u64) -> Answer {
        Answer::new(json, Rest::Peers(number), Vec::new())
    }

    /// Whom the node knows, and what it keeps.
    pub fn dht(json: bool) -> Answer {
        Answer::new(json, Rest::Dht, Vec::new())
    }

    /// Whether a node is at this address, which was asked.
    pub fn ping(json: bool, address: SocketAddr) -> Answer {
        Answer::new(json, Rest::Ping(address), Vec::new())
    }

    /// Who provides a file, which is being looked up.
    pub fn find(json: bool, file: FileId) -> Answer {
        Answer::new(json, Rest::Find(file), Vec::new())
    }

    /// The item could not be hashed: the end, if that was waited for.
    pub fn handle_failed(&mut self, number: u64, why: &str) {
        if matches!(self.rest, Rest::Hashing(waiting) if waiting == number) {
            self.rest = Rest::Lines([Line::End(1, why.to_owned())].into());
        }
    }

    /// A ping has come to its end.
    pub fn handle_pinged(&mut self, address: SocketAddr, took: Option<Duration>) {
        if matches!(self.rest, Rest::Ping(waiting) if waiting == address) {
            self.rest = Rest::Lines(search::pinged(self.json, address, took).into());
        }
    }

    /// A lookup has come to its end, which is `event`.
    pub fn handle_found(&mut self, file: FileId, providers: &[SocketAddr], event: &Event) {
        if matches!(self.rest, Rest::Find(waiting) if waiting == file) {
            self.rest = Rest::Lines(search::found(self.json, file, providers, event).into());
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
            Rest::Peers(number) => {
                let swarm = service.items.find(number).and_then(|item| item.swarm);
                let peers = swarm
                    .into_iter()
                    .flat_map(|swarm| reactor.node().peers(swarm));
                let manifest = swarm.and_then(|swarm| reactor.node().manifest(swarm));
                let of = manifest.map_or(0, |manifest| manifest.shard_count());
                let lines = peers.map(|peer| match self.json {
                    true => peers::json(&peer, of),
                    false => peers::text(&peer, of),
                });
                let lines = lines.collect();
                self.then_results(lines);
                self.next(service, reactor)
            }
            Rest::Dht => {
                self.rest = Rest::Buckets(0);
                let head = dht::Line::Head(reactor.node().kad());
                Step::Say(Line::Result(head.render(self.json, reactor.now())))
            }
            Rest::Buckets(_) | Rest::Records(_) => self.dht_part(reactor),
            Rest::Ping(_) | Rest::Find(_) => Step::Wait,
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

    /// The contacts of a bucket, or the records of a file.
    fn dht_part(&mut self, reactor: &Reactor) -> Step {
        let (kad, now) = (reactor.node().kad(), reactor.now());
        let (lines, rest): (Vec<dht::Line>, Rest) = match self.rest {
            Rest::Buckets(index) => match kad.table().buckets().get(index) {
                Some(bucket) => {
                    let members = bucket.members.iter();
                    let lines = members.map(|member| dht::Line::Contact(index, member));
                    (lines.collect(), Rest::Buckets(index + 1))
                }
                None => (Vec::new(), Rest::Records(None)),
            },
            Rest::Records(after) => match kad.records().files_after(after).next() {
                Some((file, records)) => {
                    let alive = records.iter().filter(|record| record.expires_at > now);
                    let lines = alive.map(|record| dht::Line::Record(file, record));
                    (lines.collect(), Rest::Records(Some(file)))
                }
                None => return Step::End(Line::End(0, String::new())),
            },
            _ => unreachable!("only these two are parts of the listing"),
        };
        self.rest = rest;
        let lines = lines.iter().map(|line| line.render(self.json, now));
        let lines = lines.map(Line::Result).collect();
        Step::Several(lines)
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
