//! Why bytes are not a datagram. Whoever sent them is at fault: it is counted, never answered.

use std::fmt;

/// Why bytes are not a datagram: the first field that is wrong, or not wholly there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatagramError {
    /// Shorter than the header.
    TooShort,
    /// Longer than [`DATAGRAM_SIZE_MAX`](crate::limits::DATAGRAM_SIZE_MAX).
    TooLong,
    /// The first byte is not [`MAGIC`](super::MAGIC).
    Magic,
    /// A version that is not spoken here.
    Version,
    /// No known kind.
    Kind,
    /// Damaged, or of another network.
    Crc,
    /// Not made with the network's key.
    Tag,
    /// A reserved flag is set.
    Flags,
    /// The cookie is cut.
    Cookie,
    /// The address or cookie of *seen* is cut, or the address is not usable.
    Seen,
    /// The lookup's target is cut.
    Target,
    /// The file id is cut.
    File,
    /// The token is cut.
    Token,
    /// *provides* is cut, or neither 0 nor 1.
    Provides,
    /// The number of providers is cut, too great, or 0 in a `Replicate`.
    ProviderCount,
    /// The number of contacts is cut or too great.
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

impl fmt::Display for DatagramError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DatagramError::TooShort => "shorter than a datagram's header",
            DatagramError::TooLong => "longer than any datagram",
            DatagramError::Magic => "not a sprat datagram",
            DatagramError::Version => "unknown version",
            DatagramError::Kind => "unknown kind",
            DatagramError::Crc => "damaged, or of another network",
            DatagramError::Tag => "not made with the network's key",
            DatagramError::Flags => "unknown flags",
            DatagramError::Cookie => "cut in its cookie",
            DatagramError::Seen => "wrong address in what the replier saw",
            DatagramError::Target => "cut in its target",
            DatagramError::File => "cut in its file id",
            DatagramError::Token => "cut in its token",
            DatagramError::Provides => "wrong mark of a provider",
            DatagramError::ProviderCount => "wrong number of providers",
            DatagramError::ContactCount => "wrong number of contacts",
            DatagramError::Provider => "wrong provider",
            DatagramError::Contact => "wrong contact",
            DatagramError::Port => "wrong port",
            DatagramError::Ttl => "cut in its time to live",
            DatagramError::Status => "unknown status",
            DatagramError::Code => "unknown error code",
            DatagramError::Padding => "wrong padding",
            DatagramError::Trailing => "bytes after its end",
        })
    }
}

impl std::error::Error for DatagramError {}
