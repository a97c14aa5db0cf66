//! Frames, read and written field by field: see the byte ruler of the module above.

use super::*;
use crate::id::Id;
use crate::id::{FileId, NodeId};
use crate::limits::{MANIFEST_SIZE_MAX, RANGE_SIZE_MAX, SHARD_SIZE_MAX};
use crate::wire::Network;
use crate::wire::address;
use crate::wire::reader::{Reader, Writer};

impl Header {
    /// Reads a frame's header, so that a frame that cannot be is refused before any of it is
    /// stored.
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

    /// The bytes that the CRC covers.
    fn covered(kind: Kind, body_size: u32) -> [u8; CRC] {
        let [a, b, c, d] = body_size.to_be_bytes();
        [MAGIC, kind as u8, 0, 0, a, b, c, d]
    }
}

impl<'a> Frame<'a> {
    /// Reads the frame that `body` is, after its header: all of it. For `Data` the body is the
    /// range only; the payload follows.
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
    /// When `buffer` is smaller than [`Frame::size`], or a list or byte string is empty or longer
    /// than its kind allows.
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
                let reason = RejectReason::from_byte(reader.u8(FrameError::Reason)?);
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

fn read_open(reader: &mut Reader<'_>) -> Result<Hello, FrameError> {
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
    Ok(Hello {
        file,
        node,
        port,
        holds,
        manifest_size,
        shard_count,
    })
}

fn write_open(writer: &mut Writer<'_>, open: &Hello) {
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

impl RejectReason {
    fn from_byte(byte: u8) -> Option<RejectReason> {
        Some(match byte {
            0 => RejectReason::Missing,
            1 => RejectReason::Cancelled,
            2 => RejectReason::Unreadable,
            3 => RejectReason::Busy,
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
