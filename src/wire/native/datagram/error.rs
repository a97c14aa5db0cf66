//! The errors of parsing a datagram. The sender is at fault: the node counts them and never
//! answers.

/// The first field of a datagram that is wrong or cut short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatagramError {
    /// It is shorter than the header.
    TooShort,
    /// It is longer than [`DATAGRAM_SIZE_MAX`](crate::limits::DATAGRAM_SIZE_MAX).
    TooLong,
    /// The first byte is not [`MAGIC`](super::MAGIC).
    Magic,
    /// The version is not supported.
    Version,
    /// The kind is not a known one.
    Kind,
    /// The CRC does not match: damaged, or of another network.
    Crc,
    /// The tag was not made with the network's key.
    Tag,
    /// A reserved flag is set.
    Flags,
    /// The cookie is cut short.
    Cookie,
    /// The address or cookie of *seen* is cut, or the address is not usable.
    Seen,
    /// The lookup's target is cut.
    Target,
    /// The file id is cut.
    File,
    /// The token is cut short.
    Token,
    /// *provides* is cut, or neither 0 nor 1.
    Provides,
    /// The number of providers is cut, too large, or 0 in a `Replicate`.
    ProviderCount,
    /// The number of contacts is cut or too large.
    ContactCount,
    /// A provider is cut, or its address is not usable.
    Provider,
    /// A contact is cut, or its address is not usable.
    Contact,
    /// The port is cut, or 0.
    Port,
    /// The time to live is cut.
    Ttl,
    /// The status is cut or unknown.
    Status,
    /// The error code is cut or unknown.
    Code,
    /// The padding is cut, or not zero.
    Padding,
    /// Bytes follow the last field.
    Trailing,
}
