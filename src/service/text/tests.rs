//! Every reply as its golden fixture has it, as text and as JSON.

use super::*;
use crate::id::{FileId, NodeId};
use crate::reactor::{Caps, Counters, Lag};
use crate::service::fixtures::assert_rendered;
use crate::service::metrics::METRICS;
use crate::{kad, swarm};

fn status() -> Status {
    let mut lag = Lag::default();
    lag.count(Duration::from_micros(60));
    lag.count(Duration::from_micros(21_000));
    Status {
        uptime: Duration::from_millis(7_500_250),
        node: NodeId(
            "0123456789abcdef0123456789abcdef01234567"
                .parse::<FileId>()
                .unwrap()
                .0,
        ),
        has_key: true,
        listening: ["192.0.2.7:4160", "[2001:db8::7]:4160"]
            .map(|at| at.parse().unwrap())
            .into(),
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
        io: Counters {
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
        kad: kad::Counters {
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
        swarm: swarm::Counters {
            unknown: 11,
            wrong: 12,
            silent: 13,
            lost: 14,
            corrupt: 17,
            strange: 21,
        },
    }
}

#[test]
fn a_status_is_told_as_the_fixtures_say() {
    assert_rendered(&[Reply::Status(Box::new(status()))], "status");
}

#[test]
fn every_metric_is_in_a_status_under_its_name() {
    let reply = Reply::Status(Box::new(status()));
    let line = reply.lines(true)[0].emit();
    for metric in METRICS {
        let member = format!("\"{}\":", metric.name);
        assert_eq!(line.matches(&member).count(), 1, "{member}");
    }
}

#[test]
fn a_listing_is_told_as_the_fixtures_say() {
    let id = "0123456789abcdef0123456789abcdef01234567";
    let nothing = || File {
        id: None,
        state: "finding",
        why: None,
        origin: "fetch",
        done: 0,
        size: 0,
        up: 0,
        down: 0,
        streams: 0,
        name: None,
        path: None,
        link: None,
    };
    let complete = File {
        id: Some(id.parse().unwrap()),
        state: "complete",
        origin: "share",
        done: 1536,
        size: 1536,
        up: 3072,
        streams: 1,
        name: Some("a \"quoted\" name".into()),
        path: Some("/srv/a \"quoted\" name".into()),
        link: Some(format!("magnet:?xt=urn:btih:{id}&dn=a%20name")),
        ..nothing()
    };
    let finding = File {
        id: Some(id.parse().unwrap()),
        link: Some(format!("magnet:?xt=urn:btih:{id}")),
        ..nothing()
    };
    let waiting = File {
        state: "waiting",
        why: Some("cannot share /media/card/x: no such file or directory".into()),
        origin: "folder",
        path: Some("/media/card/x".into()),
        ..nothing()
    };
    assert_rendered(&[complete, finding, waiting].map(Reply::File), "ls");
}
