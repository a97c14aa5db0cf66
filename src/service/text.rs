//! The text of replies, for people: one rendering, in one place.
//!
//! Invariant: a file or folder is one line, whatever its name is.

use super::format::{count, duration, percent, rate, short_time, size};
use super::line::Line;
use super::metrics;
use super::reply::{Contact, File, Peer, Record, Reply, Status};
use crate::dht::Outcome;
use crate::id::Id;
use crate::limits::STREAMS_MAX;
use std::iter;
use std::time::Duration;

/// Digits of an id in a listing: two ids share them once in 10^7 files.
const DIGITS: usize = 12;

/// The lines of a reply.
pub fn lines(reply: &Reply) -> Vec<Line> {
    let text = match reply {
        Reply::Status(status) => {
            return self::status(status).into_iter().map(Line::Result).collect();
        }
        Reply::File(file) => self::file(file),
        Reply::Shared(file) => file.link.clone().unwrap_or_default(),
        Reply::Peer(peer) => self::peer(peer),
        Reply::Dht(dht) => {
            let contacts = count(dht.contacts as u64, "contact");
            format!(
                "node {}, {contacts}, {}",
                dht.node,
                count(dht.records as u64, "record")
            )
        }
        Reply::Contact(contact) => self::contact(contact),
        Reply::Record(Record { id, address, left }) => {
            let left = duration(Duration::from_secs_f64(*left));
            format!("record  {id}  {:<22}  {left} left", address.to_string())
        }
        Reply::Ping(ping) => format!("{} answers in {}", ping.address, short_time(ping.time)),
        Reply::Provider(provider) => provider.address.to_string(),
        Reply::Lookup(outcome) => return vec![Line::News(lookup(outcome))],
        Reply::Note(text) => return vec![Line::News(text.clone())],
    };
    vec![Line::Result(text)]
}

/// The end of a lookup, for the log as well.
pub fn lookup(outcome: &Outcome) -> String {
    format!(
        "lookup: {} found in {} ({}, {} asked, {} answered)",
        count(outcome.providers.into(), "provider"),
        duration(outcome.took),
        count(outcome.hops.into(), "hop"),
        count(outcome.asked.into(), "node"),
        outcome.answered,
    )
}

fn digits(id: Id) -> String {
    let mut text = id.to_string();
    text.truncate(DIGITS);
    text
}

fn file(file: &File) -> String {
    let id = file.id.map_or("-".to_owned(), |id| digits(id.0));
    let name = file.name.as_deref().or(file.path.as_deref());
    let end = file.why.as_deref().or(file.link.as_deref());
    let done = match file.size {
        0 if file.state == "complete" => 100,
        whole => percent(file.done, whole),
    };
    let line = format!(
        "{id:<DIGITS$}  {:<9}  {done:>3} %  {:>10}  {}  {}",
        file.state,
        size(file.size),
        name.unwrap_or("-"),
        end.unwrap_or_default(),
    );
    line.trim_end().to_owned()
}

fn peer(peer: &Peer) -> String {
    format!(
        "{:<22}  up {:>10} ({}/s)  down {:>10} ({}/s)  {} of {} shards  {}",
        peer.address.to_string(),
        size(peer.up),
        size(peer.up_rate),
        size(peer.down),
        size(peer.down_rate),
        peer.shards,
        peer.of,
        digits(peer.node.0),
    )
}

fn contact(contact: &Contact) -> String {
    let silent = match contact.silences {
        0 => String::new(),
        some => format!(", {} not answered", count(some.into(), "request")),
    };
    format!(
        "bucket {:>3}  {}  {:<22}  heard {} ago{silent}",
        contact.bucket,
        digits(contact.node.0),
        contact.address.to_string(),
        duration(Duration::from_secs_f64(contact.heard)),
    )
}

fn status(status: &Status) -> Vec<String> {
    let capped = |bytes: u64, cap: Option<u64>| match cap {
        Some(cap) => format!(
            "{}, at most {}",
            size(bytes),
            rate(cap, Duration::from_secs(1))
        ),
        None => size(bytes),
    };
    let memory = match (status.memory, status.memory_peak) {
        (Some(now), Some(peak)) => format!("{}, at most {}", size(now), size(peak)),
        _ => "unknown".into(),
    };
    let (io, lag) = (&status.io, &status.lag);
    let [half, most_of, most] =
        [lag.percentile(50), lag.percentile(99), lag.most()].map(short_time);
    let turns = format!("{}, {}", count(io.turns, "turn"), count(io.sleeps, "sleep"));
    let listening: Vec<String> = status.listening.iter().map(ToString::to_string).collect();
    let seen = status
        .seen
        .map_or("unknown".into(), |seen| seen.to_string());
    let network = if status.has_key { "with a key" } else { "open" };
    let mut lines = vec![
        ("program", format!("sprat {}", env!("CARGO_PKG_VERSION"))),
        ("uptime", duration(status.uptime)),
        ("node", status.node.to_string()),
        ("network", network.into()),
        ("listening", listening.join(" ")),
        ("seen as", seen),
        ("contacts", status.contacts.to_string()),
        ("streams", format!("{} of {STREAMS_MAX}", status.streams)),
        ("files", status.files.to_string()),
        ("up", capped(io.bytes_sent, status.caps.up)),
        ("down", capped(io.bytes_received, status.caps.down)),
        ("written", size(status.written)),
        ("memory", memory),
        (
            "loop",
            format!("{turns}; one took p50 {half}, p99 {most_of}, max {most}"),
        ),
    ];
    let headings = iter::once("dropped").chain(iter::repeat(""));
    lines.extend(headings.zip(metrics::dropped(status)));
    let line = |(heading, text)| format!("{heading:<10} {text}");
    lines.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests;
