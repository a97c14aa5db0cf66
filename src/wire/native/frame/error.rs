//! Why bytes are not a frame. Whoever sent them is at fault: the stream is closed.

use std::fmt;

/// Why bytes are not a frame: the first field that is wrong, or not wholly there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// The first byte is not [`MAGIC`](super::MAGIC).
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
    /// The range's length is 0 or greater than [`RANGE_SIZE_MAX`](crate::limits::RANGE_SIZE_MAX).
    RangeLength,
    /// The range ends beyond the largest shard.
    RangeOffset,
    /// The reason is unknown.
    Reason,
    /// A location is not a usable address.
    Location,
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
