//! The errors of parsing a frame. The sender is at fault: the node closes the stream.

/// The first field of a frame that is wrong or cut short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// The first byte is not [`MAGIC`](super::MAGIC).
    Magic,
    /// The kind is not a known one.
    Kind,
    /// The header's reserved bytes are not zero.
    Reserved,
    /// The kind cannot have this body length, or the body has another length.
    Length,
    /// The CRC does not match: damaged, or of another network.
    Crc,
    /// The version is not supported.
    Version,
    /// A reserved flag of `Open` is set, or its reserved byte is not zero.
    Flags,
    /// *holds* is unknown, or claims shards without a manifest.
    Holds,
    /// The manifest is larger than [`MANIFEST_SIZE_MAX`](crate::limits::MANIFEST_SIZE_MAX).
    ManifestSize,
    /// More shards than a manifest of that size lists.
    ShardCount,
    /// The first shard of a `Map` is not a multiple of 8.
    First,
    /// The requested length is 0 or more than a part carries.
    PartLength,
    /// The part ends beyond the largest manifest, or beyond *total*.
    PartOffset,
    /// The range's length is 0 or greater than [`RANGE_SIZE_MAX`](crate::limits::RANGE_SIZE_MAX).
    RangeLength,
    /// The range ends beyond the largest shard.
    RangeOffset,
    /// The reason is not a known one.
    Reason,
    /// A location is not a usable address.
    Location,
}
