//! `sprat dht`: whom the node knows, and what it keeps for others, as text and as JSON.
//!
//! | kind | member | meaning |
//! |---|---|---|
//! | `dht` | `node`, `contacts`, `records` | its own id, and how many there are; one line |
//! | `contact` | `bucket` | leading bits of its id that are ours |
//! | | `node`, `address` | who and where |
//! | | `heard` | seconds since its last message |
//! | | `silences` | requests in a row that it has not answered |
//! | `record` | `id`, `address` | a file, and a provider of it |
//! | | `left` | seconds until it is forgotten |

use super::format::{count, duration};
use super::json::Object;
use super::list::DIGITS;
use crate::dht::bucket::Member;
use crate::dht::records::Record;
use crate::id::FileId;
use crate::kad::Kad;
use crate::time::Instant;

/// A line of the listing.
pub enum Line<'a> {
    /// The first.
    Head(&'a Kad),
    /// A contact, and its bucket.
    Contact(usize, &'a Member),
    /// A record.
    Record(FileId, &'a Record),
}

impl Line<'_> {
    /// The line, for people or for programs.
    pub fn render(&self, json: bool, now: Instant) -> String {
        match json {
            true => self.json(now),
            false => self.text(now),
        }
    }

    fn text(&self, now: Instant) -> String {
        match self {
            Line::Head(kad) => format!(
                "node {}, {}, {}",
                kad.id(),
                count(kad.table().len() as u64, "contact"),
                count(kad.records().len() as u64, "record"),
            ),
            Line::Contact(bucket, member) => {
                let silent = match member.failures {
                    0 => String::new(),
                    some => format!(", {} not answered", count(some.into(), "request")),
                };
                format!(
                    "bucket {bucket:>3}  {}  {:<22}  heard {} ago{silent}",
                    &member.contact.id.to_string()[..DIGITS],
                    member.contact.address.to_string(),
                    duration(now.since(member.seen_at)),
                )
            }
            Line::Record(file, record) => format!(
                "record  {file}  {:<22}  {} left",
                record.location.to_string(),
                duration(record.expires_at.since(now)),
            ),
        }
    }

    fn json(&self, now: Instant) -> String {
        match self {
            Line::Head(kad) => Object::listed("dht")
                .text("node", &kad.id().to_string())
                .number("contacts", kad.table().len() as u64)
                .number("records", kad.records().len() as u64),
            Line::Contact(bucket, member) => Object::listed("contact")
                .number("bucket", *bucket as u64)
                .text("node", &member.contact.id.to_string())
                .text("address", &member.contact.address.to_string())
                .decimal("heard", now.since(member.seen_at).as_secs_f64())
                .number("silences", member.failures.into()),
            Line::Record(file, record) => Object::listed("record")
                .text("id", &file.to_string())
                .text("address", &record.location.to_string())
                .decimal("left", record.expires_at.since(now).as_secs_f64()),
        }
        .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Contact;
    use crate::dht::Params;
    use crate::id::{Id, NodeId};
    use crate::kad::Config;
    use crate::rng::Rng;
    use crate::service::fixtures::fixture;
    use crate::wire::Network;
    use std::time::Duration;

    #[test]
    fn what_is_known_of_the_network_is_told_as_the_fixtures_say() {
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
        let record = Record {
            location: "[2001:db8::7]:4160".parse().unwrap(),
            expires_at: now + Duration::from_secs(7_199),
        };
        let lines = [
            Line::Head(&kad),
            Line::Contact(1, &alive),
            Line::Contact(20, &silent),
            Line::Record(FileId(Id([0xef; 20])), &record),
        ];
        let render = |json| lines.each_ref().map(|line| line.render(json, now));
        assert_eq!(render(false), fixture("dht.txt")[..]);
        assert_eq!(render(true), fixture("dht.json")[..]);
    }
}
