//! A node's events, in words for people and in JSON for programs.

use super::format::count;
use super::json::Object;
use super::log_sink::Priority;
use super::text;
use crate::dht;
use crate::node::{DiskError, Ended, Event, Phase, Remedy};
use crate::reactor::Reactor;
use std::path::Path;

/// An event in one line; `None` for the events that each command words itself (its file's beginning
/// and end).
pub fn line(event: &Event) -> Option<(Priority, String)> {
    let news = |text| Some((Priority::Info, text));
    let detail = |text| Some((Priority::Debug, text));
    match *event {
        Event::Dht(dht::Event::Joined { contacts }) => news(format!(
            "joined the network: {}",
            count(contacts.into(), "contact")
        )),
        Event::Dht(dht::Event::BootstrapSilent { address, attempts }) => news(format!(
            "no answer from the bootstrap node {address} ({}); still trying",
            match attempts {
                1 => "1 try; does it run, with the same --network and --key?".into(),
                tries => format!("{tries} tries"),
            }
        )),
        Event::Dht(dht::Event::Announced { file, stored }) => detail(format!(
            "announced {file} at {}",
            count(stored.into(), "node")
        )),
        Event::Dht(dht::Event::LookupDone { outcome, .. }) => {
            let priority = if outcome.providers > 0 {
                Priority::Info
            } else {
                Priority::Debug
            };
            Some((priority, text::lookup(&outcome)))
        }
        Event::Connected { address, .. } => detail(format!("connected with {address}")),
        Event::Disconnected {
            address, reason, ..
        } => detail(format!(
            "the stream with {address} ended: {}",
            ended(reason)
        )),
        Event::Manifest { from, .. } => detail(format!("manifest from {from}")),
        Event::Corrupt { shard, from, .. } => news(format!(
            "shard {shard} from {from} is corrupt; fetching it again"
        )),
        Event::Shared { .. }
        | Event::Dht(_)
        | Event::Resumed { .. }
        | Event::Changed { .. }
        | Event::Paused { .. }
        | Event::Continued { .. }
        | Event::Rotten { .. }
        | Event::Repaired { .. }
        | Event::Unrepaired { .. }
        | Event::Complete { .. }
        | Event::Failed { .. } => None,
    }
}

/// An event of a swarm's disk in one line; `None` for other events.
pub fn of_disk(reactor: &Reactor, event: &Event) -> Option<String> {
    let path = |swarm| {
        let path = reactor.output_path(swarm).unwrap_or(Path::new(""));
        path.display().to_string()
    };
    let why = |swarm| reactor.disk_message(swarm).unwrap_or("the disk is full");
    match *event {
        Event::Paused {
            swarm,
            cause: DiskError::NoSpace,
        } => Some(format!(
            "no space: {}; fetching waits for room (serving goes on)",
            why(swarm)
        )),
        Event::Paused { swarm, .. } => Some(format!(
            "not serving {} for now: {} (it is served again when it is back)",
            path(swarm),
            why(swarm)
        )),
        Event::Continued { swarm } => {
            let progress = reactor.node().swarms().progress(swarm);
            match progress.is_some_and(|progress| progress.phase == Phase::Complete) {
                true => Some(format!("{} is back, and served again", path(swarm))),
                false => Some("there is room again; going on".to_owned()),
            }
        }
        Event::Rotten {
            swarm,
            shard,
            remedy,
        } => {
            let then = match remedy {
                Remedy::Restore => "it is no longer served (restore the file)",
                Remedy::Fetch => "it is fetched again",
                Remedy::Replace => "it is no longer served (too many have: replace the disk)",
            };
            let path = path(swarm);
            Some(format!(
                "shard {shard} of {path} has gone bad on the disk: {then}"
            ))
        }
        Event::Repaired { swarm, shards } => {
            let (path, shards) = (path(swarm), count(shards.into(), "shard"));
            Some(format!("{path} is repaired: {shards} fetched again"))
        }
        Event::Unrepaired {
            swarm,
            missing,
            cause,
        } => {
            let (path, shards) = (path(swarm), count(missing.into(), "shard"));
            let why = match cause {
                Some(_) => why(swarm).to_owned(),
                None => "nobody has it now; tried again in an hour".to_owned(),
            };
            Some(format!(
                "{path} is not repaired, {shards} missing: {why} (the rest is served)"
            ))
        }
        _ => None,
    }
}

/// Why a stream ended, in words.
pub fn ended(reason: Ended) -> &'static str {
    match reason {
        Ended::Lost => "connection lost",
        Ended::Done => "nothing left to exchange",
        Ended::Closed(_) => "closed by the other node",
        Ended::Timeout => "no answer in time",
        Ended::Protocol => "it broke the protocol",
        Ended::Stranger => "it is of another network, or has another key",
        Ended::Duplicate => "one stream is enough",
        Ended::Corrupt => "it sent corrupt data",
        Ended::Stopped => "closed by this node",
    }
}

/// An event as a JSON line; `None` for the events that each command writes itself.
pub fn json(event: &Event) -> Option<String> {
    let object = match *event {
        Event::Dht(dht::Event::Joined { contacts }) => {
            Object::event("joined").with("contacts", contacts)
        }
        Event::Dht(dht::Event::BootstrapSilent { address, attempts }) => Object::event("silent")
            .with("address", address)
            .with("attempts", attempts),
        Event::Dht(dht::Event::Announced { stored, .. }) => {
            Object::event("announced").with("stored", stored)
        }
        Event::Dht(dht::Event::LookupDone { outcome, .. }) => Object::event("lookup")
            .with("hops", outcome.hops)
            .with("asked", outcome.asked)
            .with("answered", outcome.answered)
            .with("providers", outcome.providers)
            .with("ms", outcome.took.as_secs_f64() * 1000.0),
        Event::Connected { address, .. } => Object::event("connected").with("address", address),
        Event::Disconnected {
            address, reason, ..
        } => Object::event("disconnected")
            .with("address", address)
            .with("reason", ended(reason)),
        Event::Manifest { from, .. } => Object::event("manifest").with("from", from),
        Event::Resumed { held, .. } => Object::event("resumed").with("shards", held),
        Event::Corrupt { shard, from, .. } => Object::event("corrupt")
            .with("shard", shard)
            .with("address", from),
        Event::Paused { cause, .. } => Object::event("paused").with("cause", cause.to_string()),
        Event::Continued { .. } => Object::event("continued"),
        Event::Rotten { shard, .. } => Object::event("rotten").with("shard", shard),
        Event::Repaired { shards, .. } => Object::event("repaired").with("shards", shards),
        Event::Unrepaired { missing, .. } => Object::event("unrepaired").with("missing", missing),
        Event::Shared { .. }
        | Event::Dht(_)
        | Event::Changed { .. }
        | Event::Complete { .. }
        | Event::Failed { .. } => {
            return None;
        }
    };
    Some(object.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Id;
    use std::time::Duration;

    #[test]
    fn a_lookup_says_how_far_it_went_in_words_and_in_json() {
        let event = Event::Dht(dht::Event::LookupDone {
            target: Id::default(),
            purpose: dht::Purpose::FindValue,
            outcome: dht::Outcome {
                hops: 1,
                asked: 4,
                answered: 3,
                providers: 2,
                took: Duration::from_millis(12),
            },
        });
        let text = "lookup: 2 providers found in 0.01 s (1 hop, 4 nodes asked, 3 answered)";
        assert_eq!(line(&event), Some((Priority::Info, text.into())));
        let text = "{\"event\":\"lookup\",\"hops\":1,\"asked\":4,\"answered\":3,\"providers\":2,\
                    \"ms\":12.000}";
        assert_eq!(json(&event).as_deref(), Some(text));
    }

    #[test]
    fn a_silent_bootstrap_node_is_named_with_the_promise_to_go_on() {
        let address = "127.0.0.1:9".parse().unwrap();
        let (weight, text) = line(&Event::Dht(dht::Event::BootstrapSilent {
            address,
            attempts: 1,
        }))
        .unwrap();
        assert_eq!(weight, Priority::Info);
        assert_eq!(
            text,
            "no answer from the bootstrap node 127.0.0.1:9 (1 try; does it run, with the same \
             --network and --key?); still trying"
        );
    }
}
