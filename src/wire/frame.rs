//! Frames: what a stream carries, over TCP.
//!
//! ```text
//!  0        1        2                 4                 8                12
//! +--------+--------+-----------------+-----------------+-----------------+------- - -
//! | 0xF5   | kind   | reserved, zero  | body length     | CRC-32          | body
//! +--------+--------+-----------------+-----------------+-----------------+------- - -
//! ```
//!
//! The CRC covers the first eight bytes and the body, except a `Data` frame's payload: that follows the
//! body as raw bytes, is not counted in *body length*, and is covered by the shard's SHA-1, so that it
//! can be sent with `sendfile`. Each kind has a fixed least and greatest body length, which is checked
//! before anything is stored.
//!
//! | kind | body |
//! |---|---|
//! | 0x01 `Open` | version 2, flags 2 (zero), file id 20, node id 20, port 2, holds 1 (0 none, 1 all, 2 some), reserved 1, manifest size 4, shard count 4 (0 and 0: the sender has no manifest yet) |
//! | 0x02 `Map` | first shard 4 (a multiple of 8), bits 1 – 16,380 bytes, most significant bit first |
//! | 0x03 `Have` | shards of 4 (1 – 1,024) |
//! | 0x04 `ManifestRequest` | offset 4, length 4 (1 – 16,368) |
//! | 0x05 `ManifestPart` | total 4, offset 4, bytes 1 – 16,368 |
//! | 0x06 `Request` | range 12 |
//! | 0x07 `Data` | range 12; then *length* raw bytes |
//! | 0x08 `Cancel` | range 12 |
//! | 0x09 `Refuse` | range 12, reason 1 |
//! | 0x0A `Providers` | locations of 18 (1 – 32) |
//! | 0x0B `KeepAlive` | nothing |
//! | 0x0C `Close` | reason 1 |
//!
//! *range* = shard 4, offset in the shard 4, length 4 (1 – 1 MiB), which ends within the largest shard.
//! *location* = 16 bytes (IPv4 as IPv4-mapped IPv6), port 2 (not 0). `Open` is the first frame in each
//! direction and comes once; holds = some is followed by `Map` frames that cover every shard. Each
//! `Request` gets exactly one answer, `Data` or `Refuse`, also when it is cancelled.

#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use super::Network;
use super::address::{self, ADDRESS_SIZE};
use super::reader::{Reader, Writer};
use crate::id::{FileId, ID_SIZE, Id, NodeId};
use crate::limits::{FRAME_BODY_MAX, MANIFEST_SIZE_MAX, RANGE_SIZE_MAX, SHARD_SIZE_MAX};
use std::fmt;
use std::net::SocketAddr;

/// The first byte of every frame.
pub const MAGIC: u8 = 0xf5;
/// The version of the layout, in `Open`.
pub const VERSION: u16 = 1;

// Offsets in the header.
const CRC: usize = 8;
/// Bytes of a frame's header.
pub const HEADER_SIZE: usize = CRC + 4;
/// Bytes of the largest frame, without the payload of `Data`.
pub const FRAME_SIZE_MAX: usize = HEADER_SIZE + FRAME_BODY_MAX;

/// Bytes of a shard number in `Have`.
pub const SHARD_NUMBER_SIZE: usize = 4;
const OPEN_SIZE: usize = 2 + 2 + ID_SIZE + ID_SIZE + 2 + 1 + 1 + 4 + 4;
const RANGE_SIZE: usize = 4 + 4 + 4;
/// Bytes of bits in the largest `Map`.
pub const MAP_BITS_SIZE_MAX: usize = FRAME_BODY_MAX - 4;
/// Bytes of the manifest that the largest `ManifestPart` carries. A multiple of 16, so that parts are
/// aligned.
pub const MANIFEST_PART_SIZE_MAX: usize = FRAME_BODY_MAX - 16;
/// Shards of the largest `Have`.
pub const HAVE_COUNT_MAX: usize = 1_024;
/// Locations of the largest `Providers`.
pub const LOCATIONS_COUNT_MAX: usize = 32;

const _: () = assert!(HEADER_SIZE == 12 && OPEN_SIZE == 56);
const _: () = assert!(HAVE_COUNT_MAX * SHARD_NUMBER_SIZE <= FRAME_BODY_MAX);
const _: () = assert!(LOCATIONS_COUNT_MAX * ADDRESS_SIZE <= FRAME_BODY_MAX);
const _: () = assert!(4 + 4 + MANIFEST_PART_SIZE_MAX <= FRAME_BODY_MAX);

/// What a node has of a file when it opens a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Holds {
    /// No shard.
    None = 0,
    /// Every shard.
    All = 1,
    /// Those in the `Map` frames that follow.
    Some = 2,
}

/// The opening frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
    /// The file that the stream is about.
    pub file: FileId,
    /// The sender.
    pub node: NodeId,
    /// Where the sender listens for streams; 0 when it does not.
    pub port: u16,
    /// What it has.
    pub holds: Holds,
    /// Bytes of the manifest; 0 when it has none.
    pub manifest_size: u32,
    /// Shards of the file; 0 when it has no manifest, or the file is empty.
    pub shard_count: u32,
}

/// Consecutive bytes of one shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Index of the shard.
    pub shard: u32,
    /// Bytes into the shard.
    pub offset: u32,
    /// Bytes, at least 1.
    pub length: u32,
}

/// Why a range is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Refusal {
    /// The sender does not have the shard (any more).
    Missing = 0,
    /// The request was cancelled before its turn.
    Cancelled = 1,
    /// The file could not be read, or has changed.
    Unreadable = 2,
    /// More requests than the sender queues.
    Busy = 3,
}

/// Why a stream is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum CloseReason {
    /// Neither side has anything that the other lacks.
    Done = 0,
    /// The node stops.
    Stopping = 1,
    /// The sender has too many streams.
    Full = 2,
    /// The file is not shared here.
    UnknownFile = 3,
    /// Both ends are the same node, or another stream between the two stays.
    Duplicate = 4,
    /// The receiver broke the protocol.
    Protocol = 5,
    /// The receiver did not answer in time.
    Timeout = 6,
    /// The receiver sent a shard that failed verification.
    Corrupt = 7,
}

/// One frame. Byte strings borrow from the buffer that was parsed, lists are decoded on iteration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the table above says it")]
pub enum Frame<'a> {
    Open(Open),
    Map {
        first: u32,
        bits: &'a [u8],
    },
    /// Shard numbers, four bytes each: see [`shards`].
    Have {
        shards: &'a [u8],
    },
    ManifestRequest {
        offset: u32,
        length: u32,
    },
    ManifestPart {
        total: u32,
        offset: u32,
        bytes: &'a [u8],
    },
    Request(Range),
    /// The payload's `length` bytes follow the frame.
    Data(Range),
    Cancel(Range),
    Refuse {
        range: Range,
        reason: Refusal,
    },
    /// Locations, 18 bytes each: see [`locations`].
    Providers {
        locations: &'a [u8],
    },
    KeepAlive,
    Close {
        reason: CloseReason,
    },
}

/// The kind of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[allow(missing_docs, reason = "the table above says it")]
pub enum Kind {
    Open = 0x01,
    Map = 0x02,
    Have = 0x03,
    ManifestRequest = 0x04,
    ManifestPart = 0x05,
    Request = 0x06,
    Data = 0x07,
    Cancel = 0x08,
    Refuse = 0x09,
    Providers = 0x0a,
    KeepAlive = 0x0b,
    Close = 0x0c,
}

/// A frame's header, checked: how many bytes of body are to be read, and of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    kind: Kind,
    body_size: u16,
    crc: u32,
}

/// Why bytes are not a frame: the first field that is wrong, or not wholly there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// The first byte is not [`MAGIC`].
    Magic,
    /// No known kind.
    Kind,
    /// The header's reserved bytes are not zero.
    Reserved,
    /// The body length is not one that the kind can have, or the body has another length.
    Length,
    /// Damaged, or of another network.
    Crc,
    /// A version that is not spoken here.
    Version,
    /// A reserved flag of `Open` is set, or its reserved byte is not zero.
    Flags,
    /// *holds* is unknown, or claims shards without a manifest.
    Holds,
    /// The manifest is larger than any.
    ManifestSize,
    /// More shards than a manifest of that size lists.
    ShardCount,
    /// The first shard of a `Map` is not a multiple of 8.
    First,
    /// The number of bytes of the manifest that are asked for is 0 or more than a part carries.
    PartLength,
    /// The part is not within a manifest, or not within *total*.
    PartOffset,
    /// The range's length is 0 or greater than [`RANGE_SIZE_MAX`].
    RangeLength,
    /// The range ends beyond the largest shard.
    RangeOffset,
    /// The reason is unknown.
    Reason,
    /// A location is not a usable address.
    Location,
}

/// What lengths the body of one kind can have: `least`, and so many times `step` more up to `greatest`.
struct BodySizes {
    least: usize,
    greatest: usize,
    step: usize,
}

impl Kind {
    /// The kind that a byte stands for.
    pub fn from_byte(byte: u8) -> Option<Kind> {
        Some(match byte {
            0x01 => Kind::Open,
            0x02 => Kind::Map,
            0x03 => Kind::Have,
            0x04 => Kind::ManifestRequest,
            0x05 => Kind::ManifestPart,
            0x06 => Kind::Request,
            0x07 => Kind::Data,
            0x08 => Kind::Cancel,
            0x09 => Kind::Refuse,
            0x0a => Kind::Providers,
            0x0b => Kind::KeepAlive,
            0x0c => Kind::Close,
            _ => return None,
        })
    }

    fn can_have_body_of(self, size: usize) -> bool {
        let BodySizes {
            least,
            greatest,
            step,
        } = self.body_sizes();
        let Some(more) = size.checked_sub(least) else {
            return false;
        };
        size <= greatest && more.checked_rem(step) == Some(0)
    }

    fn body_sizes(self) -> BodySizes {
        let exactly = |size| BodySizes {
            least: size,
            greatest: size,
            step: 1,
        };
        match self {
            Kind::Open => exactly(OPEN_SIZE),
            Kind::Map => BodySizes {
                least: 4 + 1,
                greatest: 4 + MAP_BITS_SIZE_MAX,
                step: 1,
            },
            Kind::Have => BodySizes {
                least: SHARD_NUMBER_SIZE,
                greatest: HAVE_COUNT_MAX * SHARD_NUMBER_SIZE,
                step: SHARD_NUMBER_SIZE,
            },
            Kind::ManifestRequest => exactly(4 + 4),
            Kind::ManifestPart => BodySizes {
                least: 4 + 4 + 1,
                greatest: 4 + 4 + MANIFEST_PART_SIZE_MAX,
                step: 1,
            },
            Kind::Request | Kind::Data | Kind::Cancel => exactly(RANGE_SIZE),
            Kind::Refuse => exactly(RANGE_SIZE + 1),
            Kind::Providers => BodySizes {
                least: ADDRESS_SIZE,
                greatest: LOCATIONS_COUNT_MAX * ADDRESS_SIZE,
                step: ADDRESS_SIZE,
            },
            Kind::KeepAlive => exactly(0),
            Kind::Close => exactly(1),
        }
    }
}

impl Holds {
    fn from_byte(byte: u8) -> Option<Holds> {
        Some(match byte {
            0 => Holds::None,
            1 => Holds::All,
            2 => Holds::Some,
            _ => return None,
        })
    }
}

impl Refusal {
    fn from_byte(byte: u8) -> Option<Refusal> {
        Some(match byte {
            0 => Refusal::Missing,
            1 => Refusal::Cancelled,
            2 => Refusal::Unreadable,
            3 => Refusal::Busy,
            _ => return None,
        })
    }
}

impl CloseReason {
    fn from_byte(byte: u8) -> Option<CloseReason> {
        Some(match byte {
            0 => CloseReason::Done,
            1 => CloseReason::Stopping,
            2 => CloseReason::Full,
            3 => CloseReason::UnknownFile,
            4 => CloseReason::Duplicate,
            5 => CloseReason::Protocol,
            6 => CloseReason::Timeout,
            7 => CloseReason::Corrupt,
            _ => return None,
        })
    }
}

impl Header {
    /// Reads a frame's header, so that a frame that cannot be is refused before any of it is stored.
    ///
    /// # Errors
    /// `Magic`, `Kind`, `Reserved` or `Length`.
    pub fn parse(bytes: &[u8; HEADER_SIZE]) -> Result<Header, FrameError> {
        // The array has every field: the errors name the fields all the same.
        let mut reader = Reader::new(bytes);
        if reader.u8(FrameError::Magic)? != MAGIC {
            return Err(FrameError::Magic);
        }
        let kind = Kind::from_byte(reader.u8(FrameError::Kind)?).ok_or(FrameError::Kind)?;
        if reader.u16(FrameError::Reserved)? != 0 {
            return Err(FrameError::Reserved);
        }
        let size = reader.u32(FrameError::Length)?;
        let body_size = u16::try_from(size).map_err(|_| FrameError::Length)?;
        if !kind.can_have_body_of(usize::from(body_size)) {
            return Err(FrameError::Length);
        }
        Ok(Header {
            kind,
            body_size,
            crc: reader.u32(FrameError::Crc)?,
        })
    }

    /// The frame's kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Bytes of the body, which follows the header.
    pub fn body_size(&self) -> usize {
        usize::from(self.body_size)
    }

    /// The bytes that the CRC covers.
    fn covered(kind: Kind, body_size: u32) -> [u8; CRC] {
        let [a, b, c, d] = body_size.to_be_bytes();
        [MAGIC, kind as u8, 0, 0, a, b, c, d]
    }
}

impl<'a> Frame<'a> {
    /// Reads the frame that `body` is, after its header: all of it. For `Data` the body is the range
    /// only; the payload follows.
    ///
    /// # Errors
    /// The first field that is wrong; the CRC is checked before any field.
    pub fn parse(
        header: &Header,
        body: &'a [u8],
        network: Network,
    ) -> Result<Frame<'a>, FrameError> {
        if body.len() != header.body_size() {
            return Err(FrameError::Length);
        }
        let covered = Header::covered(header.kind, u32::from(header.body_size));
        if header.crc != network.crc(&[&covered, body]) {
            return Err(FrameError::Crc);
        }
        let mut reader = Reader::new(body);
        let frame = Frame::read(header.kind, &mut reader)?;
        reader.end(FrameError::Length)?;
        Ok(frame)
    }

    /// Writes header and body to the start of `buffer` and returns their size in bytes.
    ///
    /// # Panics
    /// When `buffer` is smaller than [`Frame::size`], or a list or byte string is empty or longer than
    /// its kind allows.
    pub fn emit(&self, network: Network, buffer: &mut [u8]) -> usize {
        let (kind, body_size) = (self.kind(), self.body_size());
        assert!(
            kind.can_have_body_of(body_size),
            "a {kind:?} cannot have {body_size} bytes"
        );
        let mut writer = Writer::new(buffer);
        let covered = Header::covered(kind, body_size as u32);
        writer.put(&covered);
        writer.zeros(4);
        self.write(&mut writer);
        let body = writer.written().split_at(HEADER_SIZE).1;
        let crc = network.crc(&[&covered, body]);
        writer.replace_u32(CRC, crc);
        writer.written().len()
    }

    /// Bytes of header and body, which [`Frame::emit`] writes; at most [`FRAME_SIZE_MAX`].
    pub fn size(&self) -> usize {
        HEADER_SIZE.saturating_add(self.body_size())
    }

    /// The frame's kind.
    pub fn kind(&self) -> Kind {
        match self {
            Frame::Open(_) => Kind::Open,
            Frame::Map { .. } => Kind::Map,
            Frame::Have { .. } => Kind::Have,
            Frame::ManifestRequest { .. } => Kind::ManifestRequest,
            Frame::ManifestPart { .. } => Kind::ManifestPart,
            Frame::Request(_) => Kind::Request,
            Frame::Data(_) => Kind::Data,
            Frame::Cancel(_) => Kind::Cancel,
            Frame::Refuse { .. } => Kind::Refuse,
            Frame::Providers { .. } => Kind::Providers,
            Frame::KeepAlive => Kind::KeepAlive,
            Frame::Close { .. } => Kind::Close,
        }
    }

    fn body_size(&self) -> usize {
        let (fixed, bytes): (usize, &[u8]) = match self {
            Frame::Open(_) => (OPEN_SIZE, &[]),
            Frame::Map { bits, .. } => (4, bits),
            Frame::Have { shards } => (0, shards),
            Frame::ManifestRequest { .. } => (4 + 4, &[]),
            Frame::ManifestPart { bytes, .. } => (4 + 4, bytes),
            Frame::Request(_) | Frame::Data(_) | Frame::Cancel(_) => (RANGE_SIZE, &[]),
            Frame::Refuse { .. } => (RANGE_SIZE + 1, &[]),
            Frame::Providers { locations } => (0, locations),
            Frame::KeepAlive => (0, &[]),
            Frame::Close { .. } => (1, &[]),
        };
        fixed.saturating_add(bytes.len())
    }

    fn read(kind: Kind, reader: &mut Reader<'a>) -> Result<Frame<'a>, FrameError> {
        Ok(match kind {
            Kind::Open => Frame::Open(read_open(reader)?),
            Kind::Map => {
                let first = reader.u32(FrameError::First)?;
                if first % 8 != 0 {
                    return Err(FrameError::First);
                }
                Frame::Map {
                    first,
                    bits: reader.rest(),
                }
            }
            Kind::Have => Frame::Have {
                shards: reader.rest(),
            },
            Kind::ManifestRequest => {
                let offset = reader.u32(FrameError::PartOffset)?;
                let length = reader.u32(FrameError::PartLength)?;
                if length == 0 || length as usize > MANIFEST_PART_SIZE_MAX {
                    return Err(FrameError::PartLength);
                }
                check_part(offset, length as usize, MANIFEST_SIZE_MAX)?;
                Frame::ManifestRequest { offset, length }
            }
            Kind::ManifestPart => {
                let total = reader.u32(FrameError::ManifestSize)?;
                let offset = reader.u32(FrameError::PartOffset)?;
                if total as usize > MANIFEST_SIZE_MAX {
                    return Err(FrameError::ManifestSize);
                }
                let bytes = reader.rest();
                check_part(offset, bytes.len(), total as usize)?;
                Frame::ManifestPart {
                    total,
                    offset,
                    bytes,
                }
            }
            Kind::Request => Frame::Request(read_range(reader)?),
            Kind::Data => Frame::Data(read_range(reader)?),
            Kind::Cancel => Frame::Cancel(read_range(reader)?),
            Kind::Refuse => {
                let range = read_range(reader)?;
                let reason = Refusal::from_byte(reader.u8(FrameError::Reason)?);
                Frame::Refuse {
                    range,
                    reason: reason.ok_or(FrameError::Reason)?,
                }
            }
            Kind::Providers => {
                let locations = reader.rest();
                let mut each = Reader::new(locations);
                while each.end(()).is_err() {
                    address::read(&mut each, FrameError::Location)?;
                }
                Frame::Providers { locations }
            }
            Kind::KeepAlive => Frame::KeepAlive,
            Kind::Close => {
                let reason = CloseReason::from_byte(reader.u8(FrameError::Reason)?);
                Frame::Close {
                    reason: reason.ok_or(FrameError::Reason)?,
                }
            }
        })
    }

    fn write(&self, writer: &mut Writer<'_>) {
        match self {
            Frame::Open(open) => write_open(writer, open),
            Frame::Map { first, bits } => {
                writer.u32(*first);
                writer.put(bits);
            }
            Frame::Have { shards: list } | Frame::Providers { locations: list } => {
                writer.put(list);
            }
            Frame::ManifestRequest { offset, length } => {
                writer.u32(*offset);
                writer.u32(*length);
            }
            Frame::ManifestPart {
                total,
                offset,
                bytes,
            } => {
                writer.u32(*total);
                writer.u32(*offset);
                writer.put(bytes);
            }
            Frame::Request(range) | Frame::Data(range) | Frame::Cancel(range) => {
                write_range(writer, range);
            }
            Frame::Refuse { range, reason } => {
                write_range(writer, range);
                writer.u8(*reason as u8);
            }
            Frame::KeepAlive => {}
            Frame::Close { reason } => writer.u8(*reason as u8),
        }
    }
}

/// The shard numbers of a `Have`.
pub fn shards(list: &[u8]) -> impl Iterator<Item = u32> + '_ {
    let mut reader = Reader::new(list);
    std::iter::from_fn(move || reader.u32(()).ok())
}

/// The four bytes that stand for a shard in a `Have`.
pub fn shard_bytes(shard: u32) -> [u8; SHARD_NUMBER_SIZE] {
    shard.to_be_bytes()
}

/// The locations of a `Providers`, in canonical form.
pub fn locations(list: &[u8]) -> impl Iterator<Item = SocketAddr> + '_ {
    let mut reader = Reader::new(list);
    std::iter::from_fn(move || address::read(&mut reader, ()).ok())
}

/// The eighteen bytes that stand for a location in a `Providers`.
pub fn location_bytes(location: SocketAddr) -> [u8; ADDRESS_SIZE] {
    address::to_bytes(location)
}

fn read_open(reader: &mut Reader<'_>) -> Result<Open, FrameError> {
    if reader.u16(FrameError::Version)? != VERSION {
        return Err(FrameError::Version);
    }
    if reader.u16(FrameError::Flags)? != 0 {
        return Err(FrameError::Flags);
    }
    let file = FileId(Id(reader.array(FrameError::Length)?));
    let node = NodeId(Id(reader.array(FrameError::Length)?));
    let port = reader.u16(FrameError::Length)?;
    let holds = Holds::from_byte(reader.u8(FrameError::Holds)?).ok_or(FrameError::Holds)?;
    if reader.u8(FrameError::Flags)? != 0 {
        return Err(FrameError::Flags);
    }
    let manifest_size = reader.u32(FrameError::ManifestSize)?;
    if manifest_size as usize > MANIFEST_SIZE_MAX {
        return Err(FrameError::ManifestSize);
    }
    // Each shard takes a hash in the manifest, and a hash is as long as an id.
    let shard_count = reader.u32(FrameError::ShardCount)?;
    let hashes_size = u64::from(shard_count).saturating_mul(ID_SIZE as u64);
    if hashes_size > u64::from(manifest_size) {
        return Err(FrameError::ShardCount);
    }
    if manifest_size == 0 && holds != Holds::None {
        return Err(FrameError::Holds);
    }
    Ok(Open {
        file,
        node,
        port,
        holds,
        manifest_size,
        shard_count,
    })
}

fn write_open(writer: &mut Writer<'_>, open: &Open) {
    writer.u16(VERSION);
    writer.u16(0);
    writer.put(&open.file.0.0);
    writer.put(&open.node.0.0);
    writer.u16(open.port);
    writer.u8(open.holds as u8);
    writer.u8(0);
    writer.u32(open.manifest_size);
    writer.u32(open.shard_count);
}

fn read_range(reader: &mut Reader<'_>) -> Result<Range, FrameError> {
    let shard = reader.u32(FrameError::Length)?;
    let offset = reader.u32(FrameError::RangeOffset)?;
    let length = reader.u32(FrameError::RangeLength)?;
    if length == 0 || length > RANGE_SIZE_MAX {
        return Err(FrameError::RangeLength);
    }
    match offset.checked_add(length) {
        Some(end) if end <= SHARD_SIZE_MAX => Ok(Range {
            shard,
            offset,
            length,
        }),
        _ => Err(FrameError::RangeOffset),
    }
}

fn write_range(writer: &mut Writer<'_>, range: &Range) {
    writer.u32(range.shard);
    writer.u32(range.offset);
    writer.u32(range.length);
}

fn check_part(offset: u32, length: usize, total: usize) -> Result<(), FrameError> {
    match (offset as usize).checked_add(length) {
        Some(end) if end <= total => Ok(()),
        _ => Err(FrameError::PartOffset),
    }
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FrameError::Magic => "not a sprat frame",
            FrameError::Kind => "unknown kind",
            FrameError::Reserved => "reserved bytes are not zero",
            FrameError::Length => "wrong body length",
            FrameError::Crc => "damaged, or of another network",
            FrameError::Version => "unknown version",
            FrameError::Flags => "unknown flags",
            FrameError::Holds => "wrong claim of shards held",
            FrameError::ManifestSize => "the manifest is too large",
            FrameError::ShardCount => "more shards than the manifest can list",
            FrameError::First => "the map begins within a byte",
            FrameError::PartLength => "wrong length of a part of the manifest",
            FrameError::PartOffset => "a part outside of the manifest",
            FrameError::RangeLength => "wrong length of a range",
            FrameError::RangeOffset => "a range beyond the largest shard",
            FrameError::Reason => "unknown reason",
            FrameError::Location => "wrong location",
        })
    }
}

impl std::error::Error for FrameError {}
