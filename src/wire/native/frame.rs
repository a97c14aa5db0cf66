//! Frames: what a stream carries, over TCP.
//!
//! ```text
//!  0        1        2                 4                 8                12
//! +--------+--------+-----------------+-----------------+-----------------+------- - -
//! | 0xF5   | kind   | reserved, zero  | body length     | CRC-32          | body
//! +--------+--------+-----------------+-----------------+-----------------+------- - -
//! ```
//!
//! The CRC covers the first eight bytes and the body, except a `Data` frame's payload: that follows
//! the body as raw bytes, is not counted in *body length*, and is covered by the shard's SHA-1, so
//! that it can be sent with `sendfile`. Each kind has a fixed least and greatest body length, which
//! is checked before anything is stored.
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
//! *range* = shard 4, offset in the shard 4, length 4 (1 – 1 MiB), which ends within the largest
//! shard. *location* = 16 bytes (IPv4 as IPv4-mapped IPv6), port 2 (not 0). `Open` is the first
//! frame in each direction and comes once; holds = some is followed by `Map` frames that cover
//! every shard.
//!
//! A `Request` is answered by `Data` for all of its range, in one part or in several that follow each
//! other, or by `Refuse` for all of it or for what no part has brought. A part that does not end the
//! range is of 4 KiB at least. `Cancel` repeats the range of a `Request`; what has begun to be sent
//! comes, and `Refuse` names the rest. A `ManifestPart` brings all that its `ManifestRequest` has asked
//! for, or all that there is.

mod codec;
mod error;

pub use error::FrameError;

use crate::id::ID_SIZE;
use crate::limits::FRAME_BODY_MAX;
use crate::wire::address::ADDRESS_SIZE;
pub use crate::wire::stream::*;

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

const OPEN_SIZE: usize = 2 + 2 + ID_SIZE + ID_SIZE + 2 + 1 + 1 + 4 + 4;
const RANGE_SIZE: usize = 4 + 4 + 4;
/// Bytes of bits in the largest `Map`.
pub const MAP_BITS_SIZE_MAX: usize = FRAME_BODY_MAX - 4;
/// Bytes of the manifest that the largest `ManifestPart` carries. A multiple of 16, so that parts
/// are aligned.
pub const MANIFEST_PART_SIZE_MAX: usize = FRAME_BODY_MAX - 16;
/// Shards of the largest `Have`.
pub const HAVE_COUNT_MAX: usize = 1_024;
/// Locations of the largest `Providers`.
pub const LOCATIONS_COUNT_MAX: usize = 32;

const _: () = assert!(HEADER_SIZE == 12 && OPEN_SIZE == 56);
const _: () = assert!(HAVE_COUNT_MAX * SHARD_NUMBER_SIZE <= FRAME_BODY_MAX);
const _: () = assert!(LOCATIONS_COUNT_MAX * ADDRESS_SIZE <= FRAME_BODY_MAX);
const _: () = assert!(4 + 4 + MANIFEST_PART_SIZE_MAX <= FRAME_BODY_MAX);

/// One frame. Byte strings borrow from the buffer that was parsed, lists are decoded on iteration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the table above says it")]
pub enum Frame<'a> {
    Open(Hello),
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
        reason: RejectReason,
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

/// What lengths the body of one kind can have: `least`, and so many times `step` more up to
/// `greatest`.
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

impl Header {
    /// The frame's kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Bytes of the body, which follows the header.
    pub fn body_size(&self) -> usize {
        usize::from(self.body_size)
    }
}

impl Frame<'_> {
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
}
