//! A node's events, in words for people and in JSON for programs.

use super::format::{count, duration};
use super::json::Object;
use crate::node::{Ended, Event};

/// How many need to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Everyone who has not asked for quiet.
    Info,
    /// Those who asked for more.
    Debug,
}

/// An event in one line; `None` for what the command itself tells (its file's beginning and end).
pub fn line(event: &Event) -> Option<(Weight, String)> {
    let info = |text| Some((Weight::Info, text));
    let debug = |text| Some((Weight::Debug, text));
    match *event {
        Event::Joined { contacts } => info(format!(
            "joined the network: {}",
            count(contacts.into(), "contact")
        )),
        Event::BootstrapSilent { address, attempts } => info(format!(
            "no answer from the bootstrap node {address} ({}); still trying",
            match attempts {
                1 => "1 try; does it run, with the same --network and --key?".into(),
                tries => format!("{tries} tries"),
            }
        )),
        Event::Announced { file, stored } => debug(format!(
            "announced {file} at {}",
            count(stored.into(), "node")
        )),
        Event::Lookup {
            hops,
            asked,
            answered,
            providers,
            took,
            ..
        } => {
            let text = format!(
                "lookup: {} found in {} ({}, {} asked, {answered} answered)",
                count(providers.into(), "provider"),
                duration(took),
                count(hops.into(), "hop"),
                count(asked.into(), "node"),
            );
            if providers > 0 {
                info(text)
            } else {
                debug(text)
            }
        }
        Event::Connected { address, .. } => debug(format!("connected with {address}")),
        Event::Disconnected {
            address, reason, ..
        } => debug(format!(
            "the stream with {address} ended: {}",
            ended(reason)
        )),
        Event::Manifest { from, .. } => debug(format!("manifest from {from}")),
        Event::Corrupt { shard, from, .. } => info(format!(
            "shard {shard} from {from} is corrupt; fetching it again"
        )),
        Event::Shared { .. }
        | Event::Pinged { .. }
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

/// An event as a JSON line; `None` for what the command itself tells.
pub fn json(event: &Event) -> Option<String> {
    let object = match *event {
        Event::Joined { contacts } => Object::event("joined").number("contacts", contacts.into()),
        Event::BootstrapSilent { address, attempts } => Object::event("silent")
            .text("address", &address.to_string())
            .number("attempts", attempts.into()),
        Event::Announced { stored, .. } => {
            Object::event("announced").number("stored", stored.into())
        }
        Event::Lookup {
            hops,
            asked,
            answered,
            providers,
            took,
            ..
        } => Object::event("lookup")
            .number("hops", hops.into())
            .number("asked", asked.into())
            .number("answered", answered.into())
            .number("providers", providers.into())
            .decimal("ms", took.as_secs_f64() * 1000.0),
        Event::Connected { address, .. } => {
            Object::event("connected").text("address", &address.to_string())
        }
        Event::Disconnected {
            address, reason, ..
        } => Object::event("disconnected")
            .text("address", &address.to_string())
            .text("reason", ended(reason)),
        Event::Manifest { from, .. } => Object::event("manifest").text("from", &from.to_string()),
        Event::Resumed { held, .. } => Object::event("resumed").number("shards", held.into()),
        Event::Corrupt { shard, from, .. } => Object::event("corrupt")
            .number("shard", shard.into())
            .text("address", &from.to_string()),
        Event::Paused { cause, .. } => Object::event("paused").text("cause", &cause.to_string()),
        Event::Continued { .. } => Object::event("continued"),
        Event::Rotten { shard, .. } => Object::event("rotten").number("shard", shard.into()),
        Event::Repaired { shards, .. } => Object::event("repaired").number("shards", shards.into()),
        Event::Unrepaired { missing, .. } => {
            Object::event("unrepaired").number("missing", missing.into())
        }
        Event::Shared { .. }
        | Event::Pinged { .. }
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
    use crate::id::FileId;
    use std::time::Duration;

    #[test]
    fn a_lookup_says_how_far_it_went_in_words_and_in_json() {
        let event = Event::Lookup {
            file: FileId::default(),
            hops: 1,
            asked: 4,
            answered: 3,
            providers: 2,
            took: Duration::from_millis(12),
        };
        let text = "lookup: 2 providers found in 0.01 s (1 hop, 4 nodes asked, 3 answered)";
        assert_eq!(line(&event), Some((Weight::Info, text.into())));
        let text = "{\"event\":\"lookup\",\"hops\":1,\"asked\":4,\"answered\":3,\"providers\":2,\
                    \"ms\":12.000}";
        assert_eq!(json(&event).as_deref(), Some(text));
    }

    #[test]
    fn a_silent_bootstrap_node_is_named_with_the_promise_to_go_on() {
        let address = "127.0.0.1:9".parse().unwrap();
        let (weight, text) = line(&Event::BootstrapSilent {
            address,
            attempts: 1,
        })
        .unwrap();
        assert_eq!(weight, Weight::Info);
        assert_eq!(
            text,
            "no answer from the bootstrap node 127.0.0.1:9 (1 try; does it run, with the same \
             --network and --key?); still trying"
        );
    }
}
