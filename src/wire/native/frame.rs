//! Frames: the messages of a stream, over TCP.
//!
//! ```text
//!  0        1        2                 4                 8                12
//! +--------+--------+-----------------+-----------------+-----------------+------- - -
//! | 0xF5   | kind   | reserved, zero  | body length     | CRC-32          | body
//! +--------+--------+-----------------+-----------------+-----------------+------- - -
//! ```
//!
//! Numbers are big-endian. The CRC covers the first eight bytes and the body; its seed comes from
//! the network's name and key. The payload of a `Data` frame follows its body as raw bytes: neither
//! *body length* nor the CRC includes it, the shard's SHA-1 covers it, and so it can be sent with
//! `sendfile`. Each kind has a least and a greatest body length, which the receiver checks before
//! it stores anything. The number after a field is its size in bytes.
//!
//! ```text
//! 0x01 Open             version 2, flags 2 (zero), file id 20, node id 20, port 2, holds 1
//!                       (0 none, 1 all, 2 some), reserved 1, manifest size 4, shard count 4 (0 and
//!                       0: the sender has no manifest yet)
//! 0x02 Map              first shard 4 (a multiple of 8), bits 1 – 16,380 bytes, most significant
//!                       bit first
//! 0x03 Have             shards of 4 (1 – 1,024)
//! 0x04 ManifestRequest  offset 4, length 4 (1 – 16,368)
//! 0x05 ManifestPart     total 4, offset 4, bytes 1 – 16,368
//! 0x06 Request          range 12
//! 0x07 Data             range 12; then *length* raw bytes
//! 0x08 Cancel           range 12
//! 0x09 Refuse           range 12, reason 1
//! 0x0A Providers        locations of 18 (1 – 32)
//! 0x0B KeepAlive        nothing
//! 0x0C Close            reason 1
//! ```
//!
//! - *range*: shard 4, offset in the shard 4, length 4 (1 – 1 MiB). It ends within the largest
//!   shard.
//! - *location*: 16 bytes (IPv4 as IPv4-mapped IPv6), port 2 (not 0).
//!
//! `Open` is the first frame in each direction and comes once. If *holds* is *some*, `Map` frames
//! that cover every shard follow it.
//!
//! The answer to a `Request` is `Data` for all of its range, in one part or in several consecutive
//! parts, or `Refuse` for all of it or for the rest that no part has covered. A part that does not
//! end the range has at least 4 KiB. `Cancel` repeats the range of a `Request`: the sender finishes
//! the part that it has begun, and a `Refuse` names the rest. A `ManifestPart` carries all that its
//! `ManifestRequest` asks for, up to the end of the manifest.
//!
//! Invariant: a frame that parses emits the bytes that it came from.

mod codec;
mod error;

pub use error::FrameError;

use crate::id::ID_SIZE;
use crate::limits::FRAME_BODY_MAX;
use crate::wire::address::ADDRESS_SIZE;
pub use crate::wire::stream::*;

/// First byte of every frame.
pub const MAGIC: u8 = 0xf5;
/// Version of the layout, which `Open` carries.
pub const VERSION: u16 = 1;

// Offsets in the header.
const CRC: usize = 8;
/// Bytes of a frame's header, from the magic byte to the CRC.
pub const HEADER_SIZE: usize = CRC + 4;
/// Bytes of the largest frame, without the payload of `Data`.
pub const FRAME_SIZE_MAX: usize = HEADER_SIZE + FRAME_BODY_MAX;

const OPEN_SIZE: usize = 2 + 2 + ID_SIZE + ID_SIZE + 2 + 1 + 1 + 4 + 4;
const RANGE_SIZE: usize = 4 + 4 + 4;
/// Bytes of bits in the largest `Map`.
pub const MAP_BITS_SIZE_MAX: usize = FRAME_BODY_MAX - 4;
/// Bytes of the manifest in the largest `ManifestPart`: a multiple of 16, so that parts are
/// aligned.
pub const MANIFEST_PART_SIZE_MAX: usize = FRAME_BODY_MAX - 16;
/// Shards listed by the largest `Have`.
pub const HAVE_COUNT_MAX: usize = 1_024;
/// Locations listed by the largest `Providers`.
pub const LOCATIONS_COUNT_MAX: usize = 32;

const _: () = assert!(HEADER_SIZE == 12 && OPEN_SIZE == 56);
const _: () = assert!(HAVE_COUNT_MAX * SHARD_NUMBER_SIZE <= FRAME_BODY_MAX);
const _: () = assert!(LOCATIONS_COUNT_MAX * ADDRESS_SIZE <= FRAME_BODY_MAX);
const _: () = assert!(4 + 4 + MANIFEST_PART_SIZE_MAX <= FRAME_BODY_MAX);

/// One frame. Byte strings borrow from the parsed buffer; iterators decode the lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the table of the module says it")]
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
    /// `length` bytes of payload follow the frame.
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

byte_enum! {
    /// The kind of a frame.
    #[allow(missing_docs, reason = "the table of the module says it")]
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
}

/// A frame's header after its check: kind and body length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    kind: Kind,
    body_size: u16,
    crc: u32,
}

impl Kind {
    fn can_have_body_of(self, size: usize) -> bool {
        let (least, greatest, step) = self.body_sizes();
        let is_step = |more: usize| more.checked_rem(step) == Some(0);
        size <= greatest && size.checked_sub(least).is_some_and(is_step)
    }

    /// The least and the greatest body length of the kind, and the step between lengths.
    fn body_sizes(self) -> (usize, usize, usize) {
        let exactly = |size| (size, size, 1);
        let list = |item: usize, count_max| (item, item.saturating_mul(count_max), item);
        match self {
            Kind::Open => exactly(OPEN_SIZE),
            Kind::Map => (4 + 1, 4 + MAP_BITS_SIZE_MAX, 1),
            Kind::Have => list(SHARD_NUMBER_SIZE, HAVE_COUNT_MAX),
            Kind::ManifestRequest => exactly(4 + 4),
            Kind::ManifestPart => (4 + 4 + 1, 4 + 4 + MANIFEST_PART_SIZE_MAX, 1),
            Kind::Request | Kind::Data | Kind::Cancel => exactly(RANGE_SIZE),
            Kind::Refuse => exactly(RANGE_SIZE + 1),
            Kind::Providers => list(ADDRESS_SIZE, LOCATIONS_COUNT_MAX),
            Kind::KeepAlive => exactly(0),
            Kind::Close => exactly(1),
        }
    }
}

impl Header {
    /// The kind of the frame that it begins.
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

    /// The kind of this frame.
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
