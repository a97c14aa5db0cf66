//! Commands about the node and its network.

use super::Performed;
use crate::dht::{self, Member, Outcome};
use crate::id::FileId;
use crate::kad::Kad;
use crate::node::Event;
use crate::reactor::Reactor;
use crate::service::Service;
use crate::service::answer::{Answer, Refusal, Step};
use crate::service::format::{count, duration};
use crate::service::reply::{Contact, Dht, Ping, Provider, Record, Reply, Status};
use crate::time::Instant;
use crate::wire::Link;
use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

pub fn status(service: &mut Service, reactor: &mut Reactor, _: &[&str]) -> Performed {
    let node = reactor.node();
    let memory = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let status = Status {
        uptime: reactor.now().since(service.started_at),
        node: node.kad().id(),
        has_key: reactor.network().key().is_some(),
        listening: reactor.listening().to_vec(),
        seen: node.kad().seen_address(),
        contacts: node.kad().contact_count(),
        streams: node.swarms().stream_count(),
        files: service.jobs.len(),
        written: reactor.written(),
        memory: kib(&memory, "VmRSS:"),
        memory_peak: kib(&memory, "VmHWM:"),
        caps: reactor.caps(),
        lag: reactor.lag(),
        io: reactor.counters(),
        kad: *node.kad().counters(),
        swarm: *node.swarms().counters(),
    };
    Ok(Answer::Whole(vec![Reply::Status(Box::new(status))]))
}

/// Bytes of a line of `/proc/self/status`, which counts KiB.
fn kib(status: &str, key: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    let number: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(number * 1024)
}

/// The node itself, then its contacts a bucket at a time, then its records a file at a time.
pub fn dht(_: &mut Service, _: &mut Reactor, _: &[&str]) -> Performed {
    let (mut next_bucket, mut after) = (None, None);
    Answer::stream(move |_, reactor, _| {
        let (kad, now) = (reactor.node().kad(), reactor.now());
        let Some(index) = next_bucket else {
            next_bucket = Some(0);
            return Ok(Step::Say(vec![node(kad)]));
        };
        if let Some(bucket) = kad.table().buckets().get(index) {
            next_bucket = Some(index + 1);
            let members = bucket.members.iter();
            return Ok(Step::Say(
                members.map(|member| contact(index, member, now)).collect(),
            ));
        }
        let Some((id, records)) = kad.records().files_after(after).next() else {
            return Ok(Step::Last(Vec::new()));
        };
        after = Some(id);
        let alive = records.iter().filter(|record| record.expires_at > now);
        Ok(Step::Say(alive.map(|of| record(id, of, now)).collect()))
    })
}

fn node(kad: &Kad) -> Reply {
    Reply::Dht(Dht {
        node: kad.id(),
        contacts: kad.table().len(),
        records: kad.records().len(),
    })
}

fn contact(bucket: usize, member: &Member, now: Instant) -> Reply {
    Reply::Contact(Contact {
        bucket,
        node: member.contact.id,
        address: member.contact.address,
        heard: now.since(member.seen_at).as_secs_f64(),
        silences: member.failures,
    })
}

fn record(id: FileId, record: &dht::Record, now: Instant) -> Reply {
    let left = record.expires_at.since(now).as_secs_f64();
    Reply::Record(Record {
        id,
        address: record.location,
        left,
    })
}

pub fn ping(_: &mut Service, reactor: &mut Reactor, words: &[&str]) -> Performed {
    let address: SocketAddr = words[0]
        .parse()
        .map_err(|_| Refusal::usage(format!("not an address: {}", words[0])))?;
    if !reactor.command(|node, now| node.ping(now, address)) {
        return Err(format!("no node can be at {address}").into());
    }
    Answer::stream(move |_, _, event| match event {
        Some(Event::Dht(dht::Event::Pinged { address: at, took })) if *at == address => {
            pong(address, *took)
        }
        _ => Ok(Step::Wait),
    })
}

fn pong(address: SocketAddr, took: Option<Duration>) -> Result<Step, Refusal> {
    match took {
        Some(time) => Ok(Step::Last(vec![Reply::Ping(Ping { address, time })])),
        None => Err(format!(
            "no answer from {address} in time (does a node run there, with the same --network and \
             --key?)"
        )
        .into()),
    }
}

pub fn find(service: &mut Service, reactor: &mut Reactor, words: &[&str]) -> Performed {
    let id = match Link::parse(words[0]) {
        Ok(link) => link.file,
        Err(_) => {
            let job = service.jobs.named(words[0])?;
            job.entry
                .file
                .ok_or(format!("{} has no id yet", words[0]))?
        }
    };
    if !reactor.command(|node, now| node.look_up(now, id)) {
        return Err("there is no node to ask (start the service with -b HOST:PORT)".into());
    }
    let mut refusal = None;
    Answer::stream(move |_, reactor, event| {
        if let Some(refusal) = refusal.take() {
            return Err(refusal);
        }
        match event {
            Some(Event::Dht(dht::Event::LookupDone {
                target, outcome, ..
            })) if *target == id.0 => {
                let providers = reactor.node().kad().providers_found(id).unwrap_or_default();
                let (step, then) = found(id, providers, *outcome);
                refusal = then;
                Ok(step)
            }
            _ => Ok(Step::Wait),
        }
    })
}

/// The providers that a lookup has found, and its end; without any, a refusal follows.
fn found(id: FileId, providers: &[SocketAddr], outcome: Outcome) -> (Step, Option<Refusal>) {
    let provider = |&address: &SocketAddr| Reply::Provider(Provider { id, address });
    let mut replies: Vec<Reply> = providers.iter().map(provider).collect();
    replies.push(Reply::Lookup(outcome));
    if outcome.providers > 0 {
        return (Step::Last(replies), None);
    }
    let (nodes, took) = (
        count(outcome.answered.into(), "node"),
        duration(outcome.took),
    );
    let why = format!("nobody provides {id} ({nodes} answered in {took})");
    (Step::Say(replies), Some(why.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Contact;
    use crate::dht::Params;
    use crate::id::{Id, NodeId};
    use crate::kad::Config;
    use crate::rng::Rng;
    use crate::service::fixtures::{assert_rendered, fixture};
    use crate::wire::Network;

    /// The lines that a step and the refusal behind it are sent as.
    fn lines(step: Result<Step, Refusal>, then: Option<Refusal>, json: bool) -> Vec<String> {
        let (replies, refusal) = match step {
            Ok(Step::Say(replies) | Step::Last(replies)) => (replies, then),
            Ok(Step::Wait) => panic!("there is nothing to wait for"),
            Err(refusal) => (Vec::new(), Some(refusal)),
        };
        let lines = replies.iter().flat_map(|reply| reply.lines(json));
        lines
            .chain(refusal.map(Refusal::line))
            .map(|line| line.emit())
            .collect()
    }

    #[test]
    fn the_networks_answers_are_told_as_the_fixtures_say() {
        let address = "192.0.2.7:4160".parse().unwrap();
        let took = Some(Duration::from_micros(1_250));
        let file = FileId(Id([0xef; 20]));
        let outcome = |providers| Outcome {
            hops: 2,
            asked: 9,
            answered: 8,
            providers,
            took: Duration::from_millis(31),
        };
        for (json, name) in [(false, "search.txt"), (true, "search.json")] {
            let pinged = |took| lines(pong(address, took), None, json);
            let found = |providers: &[SocketAddr]| {
                let (step, then) = found(file, providers, outcome(providers.len() as u32));
                lines(Ok(step), then, json)
            };
            let all = [pinged(took), pinged(None), found(&[address]), found(&[])];
            assert_eq!(all.concat(), fixture(name));
        }
    }

    #[test]
    fn replies_about_the_network_are_as_in_the_fixtures() {
        let now = Instant::ZERO + Duration::from_secs(100);
        let config = Config {
            id: NodeId(Id([0xab; 20])),
            network: Network::named("test"),
            port: 4160,
            read_only: false,
            params: Params::default(),
        };
        let kad = Kad::new(config, Rng::from_number(1), now);
        let contact = Contact {
            id: NodeId(Id([0xcd; 20])),
            address: "192.0.2.7:4160".parse().unwrap(),
        };
        let alive = Member::new(contact, Instant::ZERO + Duration::from_millis(87_500));
        let silent = Member {
            failures: 2,
            ..alive
        };
        let record = dht::Record {
            location: "[2001:db8::7]:4160".parse().unwrap(),
            expires_at: now + Duration::from_secs(7_199),
        };
        let replies = [
            super::node(&kad),
            super::contact(1, &alive, now),
            super::contact(20, &silent, now),
            super::record(FileId(Id([0xef; 20])), &record, now),
        ];
        assert_rendered(&replies, "dht");
    }

    #[test]
    fn the_systems_table_is_read_by_its_keys() {
        let status = "Name:\tsprat\nVmHWM:\t    3712 kB\nVmRSS:\t    3604 kB\n";
        assert_eq!(kib(status, "VmRSS:"), Some(3_604 * 1024));
        assert_eq!(kib(status, "VmHWM:"), Some(3_712 * 1024));
        assert_eq!(kib("", "VmRSS:"), None);
    }
}
