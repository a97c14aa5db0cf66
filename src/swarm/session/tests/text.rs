//! A second dialect, for tests only: a line of words for each message, and its bytes after it.
//!
//! ```text
//!  hello FILE NODE PORT HOLDS MANIFEST_SIZE SHARD_COUNT     request SHARD OFFSET LENGTH
//!  bits FIRST SIZE, have SIZE, peers SIZE: then SIZE bytes  cancel, data: the same
//!  part TOTAL OFFSET SIZE: then SIZE bytes                  reject SHARD OFFSET LENGTH REASON
//!  want OFFSET LENGTH                                       alive, close REASON
//! ```
//!
//! It proves that a dialect is a codec and nothing else: two nodes fetch and serve in it
//! (`sim::dialect`), and the scheduler does not know.

use crate::id::{FileId, Id, NodeId};
use crate::swarm::session::Unreadable;
use crate::swarm::session::{Inbox, Message, Received};
use crate::wire::stream::{CloseReason, Hello, Holds, Range, RejectReason};
use std::io::Write;

pub const PREFIX: [u8; 4] = *b"hell";
const LINE_SIZE_MAX: usize = 160;

pub fn read<'a>(
    inbox: &'a mut Inbox,
    bytes: &'a [u8],
) -> Result<(usize, Received<'a>), Unreadable> {
    let mut seen = inbox.bytes().iter().chain(bytes).take(LINE_SIZE_MAX);
    let Some(end) = seen.position(|&byte| byte == b'\n') else {
        return match inbox.bytes().len() + bytes.len() < LINE_SIZE_MAX {
            true => Ok((inbox.store(bytes), Received::Partial)),
            false => Err(Unreadable),
        };
    };
    let (used, line) = inbox.gather(bytes, end + 1);
    let line = std::str::from_utf8(line.ok_or(Unreadable)?).map_err(|_| Unreadable)?;
    let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    let has_body = ["bits", "have", "peers", "part"].contains(&words[0].as_str());
    let body_size = match has_body {
        true => number(words.last())? as usize,
        false => 0,
    };
    let used = if inbox.bytes().is_empty() { 0 } else { used };
    let (more, whole) = inbox.gather(&bytes[used..], end + 1 + body_size);
    let received = match whole {
        None => Received::Partial,
        Some(whole) => Received::Message(message(&words, &whole[end + 1..])?),
    };
    Ok((used + more, received))
}

pub fn write(message: &Message<'_>, out: &mut Vec<u8>) {
    let line = match *message {
        Message::Hello(of) => {
            let (file, node, holds) = (of.file.0, of.node.0, of.holds as u8);
            let sizes = (of.manifest_size, of.shard_count);
            format!(
                "hello {file} {node} {} {holds} {} {}",
                of.port, sizes.0, sizes.1
            )
        }
        Message::Bitfield { first, bits } => format!("bits {first} {}", bits.len()),
        Message::Have { shards } => format!("have {}", shards.len()),
        Message::Request(of) => format!("request {}", words_of(of)),
        Message::Cancel(of) => format!("cancel {}", words_of(of)),
        Message::Data(of) => format!("data {}", words_of(of)),
        Message::Reject { range, reason } => format!("reject {} {}", words_of(range), reason as u8),
        Message::ManifestRequest { offset, length } => format!("want {offset} {length}"),
        Message::Manifest {
            total,
            offset,
            bytes,
        } => format!("part {total} {offset} {}", bytes.len()),
        Message::Peers { locations } => format!("peers {}", locations.len()),
        Message::KeepAlive => "alive".to_owned(),
        Message::Close(reason) => format!("close {}", reason as u8),
    };
    writeln!(out, "{line}").expect("a vector takes all");
    match *message {
        Message::Bitfield { bits: body, .. }
        | Message::Have { shards: body }
        | Message::Manifest { bytes: body, .. }
        | Message::Peers { locations: body } => out.extend_from_slice(body),
        _ => {}
    }
}

fn words_of(range: Range) -> String {
    format!("{} {} {}", range.shard, range.offset, range.length)
}

fn number(word: Option<&String>) -> Result<u32, Unreadable> {
    word.and_then(|word| word.parse().ok()).ok_or(Unreadable)
}

fn id(word: Option<&String>) -> Result<Id, Unreadable> {
    word.and_then(|word| word.parse().ok()).ok_or(Unreadable)
}

fn message<'a>(words: &[String], body: &'a [u8]) -> Result<Message<'a>, Unreadable> {
    let at = |index| number(words.get(index));
    let range = || {
        let (shard, offset, length) = (at(1)?, at(2)?, at(3)?);
        Ok::<_, Unreadable>(Range {
            shard,
            offset,
            length,
        })
    };
    Ok(match words[0].as_str() {
        "hello" => Message::Hello(Hello {
            file: FileId(id(words.get(1))?),
            node: NodeId(id(words.get(2))?),
            port: at(3)? as u16,
            holds: [Holds::None, Holds::All, Holds::Some][at(4)? as usize % 3],
            manifest_size: at(5)?,
            shard_count: at(6)?,
        }),
        "bits" => Message::Bitfield {
            first: at(1)?,
            bits: body,
        },
        "have" => Message::Have { shards: body },
        "request" => Message::Request(range()?),
        "cancel" => Message::Cancel(range()?),
        "data" => Message::Data(range()?),
        "reject" => Message::Reject {
            range: range()?,
            reason: RejectReason::Missing,
        },
        "want" => Message::ManifestRequest {
            offset: at(1)?,
            length: at(2)?,
        },
        "part" => Message::Manifest {
            total: at(1)?,
            offset: at(2)?,
            bytes: body,
        },
        "peers" => Message::Peers { locations: body },
        "alive" => Message::KeepAlive,
        "close" => Message::Close(CloseReason::Done),
        _ => return Err(Unreadable),
    })
}
