//! `sprat status`: how the service is, as text and as JSON.
//!
//! | member | meaning |
//! |---|---|
//! | `program` | the program's version |
//! | `uptime` | seconds since the start |
//! | `node` | the node's id |
//! | `key` | whether the network has a key |
//! | `listening` | addresses, the port of which UDP and TCP share |
//! | `seen` | the address that others see, or `null` |
//! | `contacts`, `streams`, `files` | how many |
//! | `up`, `down` | bytes that streams sent and received since the start |
//! | `up_cap`, `down_cap` | bytes a second, or `null` |
//! | `written` | bytes written to fetched files and journals |
//! | `memory`, `memory_peak` | resident bytes, or `null` |
//! | `turns`, `sleeps` | of the loop |
//! | `turn_p50`, `turn_p99`, `turn_max` | seconds that its turns took |
//! | `datagrams_…` | dropped: damaged or of another network, of ourselves, over a source's budget, too short, with a bad token, replayed in a network with a key, replies nobody asked for, replies that came late, refused by the system |
//! | `requests_silent` | requests that nobody answered |
//! | `records_crowded` | of others, that there was no room for |
//! | `streams_shed` | connections closed for want of room |
//! | `streams_…` | that were given up: not made for a reason of this machine, of files that this node does not have, of strangers to the network, against the protocol, silent, lost |
//! | `goodbyes_lost` | streams ended without one |
//! | `events_stale` | readiness of streams that had ended |
//! | `shards_corrupt` | fetched again |
//!
//! Invariant: every counter of what is dropped is here.

use super::Service;
use super::format::{count, duration, rate, short_time, size};
use super::json::Object;
use crate::kad;
use crate::limits::STREAMS_MAX;
use crate::reactor::{Caps, Counters, Lag, Reactor};
use crate::swarm;
use std::fs;
use std::time::Duration;

/// What there is to say.
pub struct Status {
    uptime: Duration,
    node: String,
    has_key: bool,
    listening: Vec<String>,
    seen: Option<String>,
    contacts: u64,
    streams: u64,
    files: u64,
    written: u64,
    memory: Option<u64>,
    memory_peak: Option<u64>,
    caps: Caps,
    lag: Lag,
    loop_counters: Counters,
    kad_counters: kad::Counters,
    swarm_counters: swarm::Counters,
}

impl Status {
    /// How it is now.
    pub fn of(service: &Service, reactor: &Reactor) -> Status {
        let node = reactor.node();
        let listening = reactor.listening().iter().map(ToString::to_string);
        let memory = fs::read_to_string("/proc/self/status").unwrap_or_default();
        Status {
            uptime: reactor.now().since(service.started_at),
            node: node.kad().id().to_string(),
            has_key: reactor.network().key().is_some(),
            listening: listening.collect(),
            seen: node.kad().seen_address().map(|seen| seen.to_string()),
            contacts: node.contact_count() as u64,
            streams: node.stream_count() as u64,
            files: service.items.len() as u64,
            written: reactor.written(),
            memory: kib(&memory, "VmRSS:"),
            memory_peak: kib(&memory, "VmHWM:"),
            caps: reactor.caps(),
            lag: reactor.lag(),
            loop_counters: reactor.counters(),
            kad_counters: *node.kad().counters(),
            swarm_counters: *node.swarm_counters(),
        }
    }

    /// For people: a line or two for each thing.
    pub fn text(&self) -> Vec<String> {
        let turns = &self.loop_counters;
        let capped = |bytes: u64, cap: Option<u64>| match cap {
            Some(cap) => {
                let cap = rate(cap, Duration::from_secs(1));
                format!("{}, at most {cap}", size(bytes))
            }
            None => size(bytes),
        };
        let memory = match (self.memory, self.memory_peak) {
            (Some(now), Some(peak)) => format!("{}, at most {}", size(now), size(peak)),
            _ => "unknown".into(),
        };
        let [half, most_of] = [50, 99].map(|percent| short_time(self.lag.percentile(percent)));
        let lines = [
            ("program", format!("sprat {}", env!("CARGO_PKG_VERSION"))),
            ("uptime", duration(self.uptime)),
            ("node", self.node.clone()),
            (
                "network",
                if self.has_key { "with a key" } else { "open" }.into(),
            ),
            ("listening", self.listening.join(" ")),
            ("seen as", self.seen.clone().unwrap_or("unknown".into())),
            ("contacts", self.contacts.to_string()),
            ("streams", format!("{} of {STREAMS_MAX}", self.streams)),
            ("files", self.files.to_string()),
            ("up", capped(turns.bytes_sent, self.caps.up)),
            ("down", capped(turns.bytes_received, self.caps.down)),
            ("written", size(self.written)),
            ("memory", memory),
            (
                "loop",
                format!(
                    "{}, {}; one took p50 {half}, p99 {most_of}, max {}",
                    count(turns.turns, "turn"),
                    count(turns.sleeps, "sleep"),
                    short_time(self.lag.most())
                ),
            ),
            ("dropped", self.dropped_datagrams()),
            ("", self.dropped_streams()),
        ];
        let line = |(key, value): (&str, String)| format!("{key:<10} {value}");
        lines.map(line).into()
    }

    fn dropped_datagrams(&self) -> String {
        let (turns, kad) = (&self.loop_counters, &self.kad_counters);
        format!(
            "datagrams: {} damaged, {} of ourselves, {} over budget, {} too short, {} with a bad \
             token, {} replayed, {} unexpected, {} late, {} by the system; {} not answered; {} \
             without room",
            kad.damaged,
            kad.from_self,
            kad.over_budget,
            kad.too_short,
            kad.bad_tokens,
            kad.replayed,
            kad.unexpected,
            kad.late_replies,
            turns.datagrams_dropped + kad.dropped,
            count(kad.timeouts, "request"),
            count(kad.crowded, "record"),
        )
    }

    fn dropped_streams(&self) -> String {
        let (turns, swarm) = (&self.loop_counters, &self.swarm_counters);
        format!(
            "streams: {} shed, {} failed, {} of unknown files, {} of strangers, {} against the \
             protocol, {} silent, {} lost, {} without a goodbye; {} stale; {} corrupt",
            turns.sheds,
            turns.connections_failed,
            swarm.unknown,
            swarm.strange,
            swarm.wrong,
            swarm.silent,
            swarm.lost,
            turns.goodbyes_lost,
            count(turns.stale_tokens, "event"),
            count(swarm.corrupt, "shard"),
        )
    }

    /// For programs: one object.
    pub fn json(&self) -> String {
        let (turns, kad) = (&self.loop_counters, &self.kad_counters);
        let swarm = &self.swarm_counters;
        Object::listed("status")
            .text("program", env!("CARGO_PKG_VERSION"))
            .decimal("uptime", self.uptime.as_secs_f64())
            .text("node", &self.node)
            .truth("key", self.has_key)
            .texts("listening", &self.listening)
            .maybe("seen", self.seen.as_deref())
            .number("contacts", self.contacts)
            .number("streams", self.streams)
            .number("files", self.files)
            .number("up", turns.bytes_sent)
            .number("down", turns.bytes_received)
            .maybe_number("up_cap", self.caps.up)
            .maybe_number("down_cap", self.caps.down)
            .number("written", self.written)
            .maybe_number("memory", self.memory)
            .maybe_number("memory_peak", self.memory_peak)
            .number("turns", turns.turns)
            .number("sleeps", turns.sleeps)
            .micros("turn_p50", self.lag.percentile(50))
            .micros("turn_p99", self.lag.percentile(99))
            .micros("turn_max", self.lag.most())
            .number("datagrams_damaged", kad.damaged)
            .number("datagrams_own", kad.from_self)
            .number("datagrams_over_budget", kad.over_budget)
            .number("datagrams_too_short", kad.too_short)
            .number("datagrams_bad_token", kad.bad_tokens)
            .number("datagrams_replayed", kad.replayed)
            .number("datagrams_unexpected", kad.unexpected)
            .number("datagrams_late", kad.late_replies)
            .number("datagrams_refused", turns.datagrams_dropped + kad.dropped)
            .number("requests_silent", kad.timeouts)
            .number("records_crowded", kad.crowded)
            .number("streams_shed", turns.sheds)
            .number("streams_failed", turns.connections_failed)
            .number("streams_unknown", swarm.unknown)
            .number("streams_strange", swarm.strange)
            .number("streams_wrong", swarm.wrong)
            .number("streams_silent", swarm.silent)
            .number("streams_lost", swarm.lost)
            .number("goodbyes_lost", turns.goodbyes_lost)
            .number("events_stale", turns.stale_tokens)
            .number("shards_corrupt", swarm.corrupt)
            .finish()
    }
}

/// Bytes of a line of `/proc/self/status`, which counts KiB.
fn kib(status: &str, key: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    let number: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(number * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::fixtures::fixture;

    #[test]
    fn a_status_is_told_as_the_fixtures_say() {
        let mut lag = Lag::default();
        lag.count(Duration::from_micros(60));
        lag.count(Duration::from_micros(21_000));
        let status = Status {
            uptime: Duration::from_millis(7_500_250),
            node: "0123456789abcdef0123456789abcdef01234567".into(),
            has_key: true,
            listening: vec!["192.0.2.7:4160".into(), "[2001:db8::7]:4160".into()],
            seen: None,
            contacts: 31,
            streams: 2,
            files: 3,
            written: 4096,
            memory: Some(3 << 20),
            memory_peak: Some(4 << 20),
            caps: Caps {
                up: Some(512 << 10),
                ..Caps::default()
            },
            lag,
            loop_counters: Counters {
                turns: 2,
                sleeps: 1,
                bytes_sent: 1 << 30,
                bytes_received: 1536,
                datagrams_dropped: 8,
                sheds: 9,
                connections_failed: 10,
                goodbyes_lost: 15,
                stale_tokens: 16,
                ..Counters::default()
            },
            kad_counters: kad::Counters {
                damaged: 1,
                from_self: 2,
                over_budget: 3,
                too_short: 4,
                bad_tokens: 5,
                unexpected: 6,
                timeouts: 7,
                late_replies: 18,
                crowded: 19,
                replayed: 20,
                ..kad::Counters::default()
            },
            swarm_counters: swarm::Counters {
                unknown: 11,
                wrong: 12,
                silent: 13,
                lost: 14,
                corrupt: 17,
                strange: 21,
            },
        };
        assert_eq!(status.text(), fixture("status.txt"));
        assert_eq!([status.json()], fixture("status.json")[..]);
    }

    #[test]
    fn the_systems_table_is_read_by_its_keys() {
        let status = "Name:\tsprat\nVmHWM:\t    3712 kB\nVmRSS:\t    3604 kB\n";
        assert_eq!(kib(status, "VmRSS:"), Some(3_604 * 1024));
        assert_eq!(kib(status, "VmHWM:"), Some(3_712 * 1024));
        assert_eq!(kib("", "VmRSS:"), None);
    }
}
