//! `sprat ping` and `sprat find`: what the network says, as text and as JSON.
//!
//! | kind | member | meaning |
//! |---|---|---|
//! | `ping` | `address`, `time` | who has answered, and the seconds that took |
//! | `provider` | `id`, `address` | a file, and where it is served |
//! | `lookup` | `hops`, `asked`, `answered`, `providers`, `time` | how they were found; the last line |

use super::format::{count, duration};
use super::json::Object;
use super::protocol::Line;
use super::{event_text, format};
use crate::dht;
use crate::id::FileId;
use crate::node::Event;
use std::net::SocketAddr;
use std::time::Duration;

/// The answer to a ping.
pub fn pinged(json: bool, address: SocketAddr, took: Option<Duration>) -> Vec<Line> {
    let Some(took) = took else {
        let text = format!(
            "no answer from {address} in time (does a node run there, with the same --network and \
             --key?)"
        );
        return vec![Line::End(1, text)];
    };
    let text = match json {
        true => Object::listed("ping")
            .text("address", &address.to_string())
            .micros("time", took)
            .finish(),
        false => format!("{address} answers in {}", format::short_time(took)),
    };
    vec![Line::Result(text)]
}

/// What a lookup has found; `event` is its end.
pub fn found(json: bool, file: FileId, providers: &[SocketAddr], event: &Event) -> Vec<Line> {
    let each = providers.iter().map(|provider| match json {
        true => Object::listed("provider")
            .text("id", &file.to_string())
            .text("address", &provider.to_string())
            .finish(),
        false => provider.to_string(),
    });
    let mut lines: Vec<Line> = each.map(Line::Result).collect();
    if let Event::Dht(dht::Event::LookupDone { outcome, .. }) = *event {
        let nodes = outcome.answered.into();
        let object = Object::listed("lookup")
            .number("hops", outcome.hops.into())
            .number("asked", outcome.asked.into())
            .number("answered", nodes)
            .number("providers", outcome.providers.into())
            .micros("time", outcome.took);
        lines.push(match json {
            true => Line::Result(object.finish()),
            false => Line::News(event_text::line(event).map_or_else(String::new, |(_, line)| line)),
        });
        if outcome.providers == 0 {
            let nodes = count(nodes, "node");
            let why = format!(
                "nobody provides {file} ({nodes} answered in {})",
                duration(outcome.took)
            );
            lines.push(Line::End(1, why));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Id;
    use crate::service::fixtures::fixture;

    fn emitted(lines: &[Line]) -> Vec<String> {
        lines.iter().map(Line::emit).collect()
    }

    #[test]
    fn the_networks_answers_are_told_as_the_fixtures_say() {
        let address = "192.0.2.7:4160".parse().unwrap();
        let took = Some(Duration::from_micros(1_250));
        let file = FileId(Id([0xef; 20]));
        let lookup = |providers| {
            Event::Dht(dht::Event::LookupDone {
                target: file.0,
                purpose: dht::Purpose::FindValue,
                outcome: dht::lookup::Outcome {
                    hops: 2,
                    asked: 9,
                    answered: 8,
                    providers,
                    took: Duration::from_millis(31),
                },
            })
        };
        for (json, name) in [(false, "search.txt"), (true, "search.json")] {
            let lines = [
                pinged(json, address, took),
                pinged(json, address, None),
                found(json, file, &[address], &lookup(1)),
                found(json, file, &[], &lookup(0)),
            ];
            assert_eq!(emitted(&lines.concat()), fixture(name));
        }
    }
}
