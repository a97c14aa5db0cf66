//! The page for implementers in other languages says what the code does: sizes, counts and times.
//!
//! The layouts are held by `tests/hostile/selftest`, whose peer is written from the page.

use sprat::limits::*;
use sprat::wire::native::datagram as udp;
use sprat::wire::native::frame;
use std::time::Duration;

const PAGE: &str = include_str!("../../src/wire/native/protocol.md");

/// A number as the page writes it: with a comma before each three digits.
fn number(number: impl TryInto<u64>) -> String {
    let digits = number.try_into().unwrap_or(u64::MAX).to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn seconds(time: Duration) -> String {
    format!("{} s |", time.as_secs_f64())
}

#[test]
fn the_page_names_the_sizes_of_datagrams_and_frames() {
    let padded = |reply: usize| number((reply + 2 * udp::ERROR_SIZE).min(DATAGRAM_SIZE_MAX));
    holds(&[
        format!("at most {} bytes in all", number(DATAGRAM_SIZE_MAX)),
        format!("`pingreply` | seen 26 | {}", udp::PING_REPLY_SIZE),
        format!("| 83 – {}", udp::FIND_NODE_REPLY_SIZE_MAX),
        format!("| 85 – {}", number(udp::FIND_VALUE_REPLY_SIZE_MAX)),
        format!(
            "`storereply` | seen 26, status 1 | {}",
            udp::STORE_REPLY_SIZE
        ),
        format!("`error` | seen 26, code 1 | {}", udp::ERROR_SIZE),
        format!("sprat pads to {} |", padded(udp::FIND_NODE_REPLY_SIZE_MAX)),
        format!("sprat pads to {} |", padded(udp::FIND_VALUE_REPLY_SIZE_MAX)),
        format!("a header of {} bytes", udp::HEADER_SIZE),
        format!("a header of {} bytes", frame::HEADER_SIZE),
        format!("bits 1 – {}", number(frame::MAP_BITS_SIZE_MAX)),
        format!("1 – {} shard numbers", number(frame::HAVE_COUNT_MAX)),
        format!("length 4 (1 – {})", number(frame::MANIFEST_PART_SIZE_MAX)),
        format!("1 – {} locations", frame::LOCATIONS_COUNT_MAX),
        format!("length 4 (1 – {})", number(RANGE_SIZE_MAX)),
        format!("*manifest size* ≤ {}", number(MANIFEST_SIZE_MAX as u64)),
        format!("has {} bytes at least", number(PART_SIZE_MIN)),
        format!("at most {REQUESTS_MAX} may wait"),
        format!("to {} providers `x.pe`", LINK_PROVIDERS_MAX),
        format!("at most {} shards", number(SHARD_COUNT_CHOSEN_MAX)),
        format!("{} files", number(ENTRIES_MAX as u64)),
    ]);
}

#[test]
fn the_page_names_the_rules_of_kademlia() {
    let allowance = |of: Allowance| format!("{} a second, {} at once", of.per_second, of.burst);
    let minutes = |time: Duration| time.as_secs() / 60;
    holds(&[
        format!("k = {K}, α = {ALPHA}"),
        format!("proof: {}", allowance(UNPROVED_SOURCE)),
        format!("with a proof: {}", allowance(PROVED_SOURCE)),
        format!("good for {} minutes at least", minutes(SECRET_PERIOD)),
        format!("within the last {} minutes", minutes(PROOF_TTL)),
        format!("slow after {} second", RPC_SLOW.as_secs()),
        format!("gives up after {} seconds", RPC_TIMEOUT.as_secs()),
        format!("{} at most. a *ttl*", number(RECORD_TTL.as_secs())),
        format!("keeps {PROVIDERS_PER_KEY_MAX} providers of a file"),
        format!("file, {PROVIDERS_PER_KEY_AND_SUBNET_MAX} of them in one"),
        format!("{RECORDS_PER_IP_MAX} records of one ip"),
        format!("and {RECORDS_PER_SUBNET_MAX} of one subnet"),
        format!(
            "{} a second ({}",
            DISCOVERY_ANSWERS_EACH.per_second, DISCOVERY_ANSWERS_EACH.burst
        ),
        format!(
            "{} a second ({}",
            DISCOVERY_ANSWERS.per_second, DISCOVERY_ANSWERS.burst
        ),
    ]);
}

#[test]
fn the_page_names_what_a_peer_sees_of_times_and_counts() {
    let redial = (REDIAL_DELAY_MIN / 2).as_secs_f64();
    holds(&[
        format!("to a connection | {}", seconds(CONNECT_TIMEOUT)),
        format!("from dialling) | {}", seconds(HANDSHAKE_TIMEOUT)),
        format!(
            "`manifestrequest`: `close` *timeout* | {}",
            seconds(REQUEST_TIMEOUT)
        ),
        format!("`cancel` may come | {}", seconds(SLOW_TIMEOUT)),
        format!("neither sends nor refuses | {}", seconds(STILL_TIMEOUT)),
        format!("transit has not ended | {}", seconds(RECLAIM_TIMEOUT)),
        format!(
            "data sent to it: `close` *timeout* | {}",
            seconds(SEND_TIMEOUT)
        ),
        format!(
            "from the peer: `close` *timeout* | {}",
            seconds(IDLE_TIMEOUT)
        ),
        format!("after a silence of | {}", seconds(KEEP_ALIVE_PERIOD)),
        format!("breaks the protocol | {} kib", 4 * FRAME_BODY_MAX / 1024),
        format!("not dialled again | {BAD_SHARDS_MAX} |"),
        format!("| {STREAMS_MAX}, the last {STREAMS_SPARE} of them"),
        format!("outside of local networks | {STREAMS_PER_IP_MAX} |"),
        format!("with a key | {HANDSHAKES_PER_IP_MAX} |"),
        format!("wait in turn | {UPLOADS_MAX} |"),
        format!(
            "up to {} s | {redial} – {}",
            REDIAL_DELAY_MAX.as_secs(),
            seconds(REDIAL_DELAY_MIN)
        ),
    ]);
}

/// Each sentence stands on the page, wherever its lines break and whatever its case.
fn holds(sentences: &[String]) {
    let words: Vec<&str> = PAGE.split_whitespace().collect();
    let page = words.join(" ").to_lowercase();
    for sentence in sentences {
        assert!(
            page.contains(sentence.as_str()),
            "the page does not say {sentence:?}"
        );
    }
}
