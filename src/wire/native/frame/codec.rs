//! Parses and emits frames field by field, in the order of the layout in the module above.

use super::FrameError as Wrong;
use super::*;
use crate::id::Id;
use crate::id::{FileId, NodeId};
use crate::limits::{MANIFEST_SIZE_MAX, RANGE_SIZE_MAX, SHARD_SIZE_MAX};
use crate::wire::Network;
use crate::wire::address;
use crate::wire::reader::{Reader, Writer};

impl Header {
    /// Parses a frame's header, so that the receiver can reject a wrong frame before it stores the
    /// body.
    ///
    /// # Errors
    /// `Magic`, `Kind`, `Reserved` or `Length`.
    pub fn parse(bytes: &[u8; HEADER_SIZE]) -> Result<Header, Wrong> {
        let mut reader = Reader::new(bytes);
        if reader.u8(Wrong::Magic)? != MAGIC {
            return Err(Wrong::Magic);
        }
        let kind = Kind::from_byte(reader.u8(Wrong::Kind)?).ok_or(Wrong::Kind)?;
        if reader.u16(Wrong::Reserved)? != 0 {
            return Err(Wrong::Reserved);
        }
        let size = reader.u32(Wrong::Length)?;
        let body_size = u16::try_from(size).map_err(|_| Wrong::Length)?;
        if !kind.can_have_body_of(usize::from(body_size)) {
            return Err(Wrong::Length);
        }
        Ok(Header {
            kind,
            body_size,
            crc: reader.u32(Wrong::Crc)?,
        })
    }

    /// The bytes that the CRC covers.
    fn covered(kind: Kind, body_size: u32) -> [u8; CRC] {
        let [a, b, c, d] = body_size.to_be_bytes();
        [MAGIC, kind as u8, 0, 0, a, b, c, d]
    }
}

impl<'a> Frame<'a> {
    /// Parses the frame with this header, whose body is all of `body`. The payload of `Data` is not
    /// part of the body.
    ///
    /// # Errors
    /// The first field that is wrong; the CRC is checked before any field.
    pub fn parse(header: &Header, body: &'a [u8], network: Network) -> Result<Frame<'a>, Wrong> {
        if body.len() != header.body_size() {
            return Err(Wrong::Length);
        }
        let covered = Header::covered(header.kind, u32::from(header.body_size));
        if header.crc != network.crc(&[&covered, body]) {
            return Err(Wrong::Crc);
        }
        let mut reader = Reader::new(body);
        let frame = Frame::read(header.kind, &mut reader)?;
        reader.end(Wrong::Length)?;
        Ok(frame)
    }

    /// Writes header and body to the start of `buffer` and returns the bytes written.
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

    fn read(kind: Kind, reader: &mut Reader<'a>) -> Result<Frame<'a>, Wrong> {
        Ok(match kind {
            Kind::Open => Frame::Open(read_open(reader)?),
            Kind::Map => {
                let first = reader.u32(Wrong::First)?;
                if first % 8 != 0 {
                    return Err(Wrong::First);
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
                let offset = reader.u32(Wrong::PartOffset)?;
                let length = reader.u32(Wrong::PartLength)?;
                if length == 0 || length as usize > MANIFEST_PART_SIZE_MAX {
                    return Err(Wrong::PartLength);
                }
                check_part(offset, length as usize, MANIFEST_SIZE_MAX)?;
                Frame::ManifestRequest { offset, length }
            }
            Kind::ManifestPart => {
                let total = reader.u32(Wrong::ManifestSize)?;
                let offset = reader.u32(Wrong::PartOffset)?;
                if total as usize > MANIFEST_SIZE_MAX {
                    return Err(Wrong::ManifestSize);
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
                let reason = RejectReason::from_byte(reader.u8(Wrong::Reason)?);
                Frame::Refuse {
                    range,
                    reason: reason.ok_or(Wrong::Reason)?,
                }
            }
            Kind::Providers => {
                let locations = reader.rest();
                let mut each = Reader::new(locations);
                while each.end(()).is_err() {
                    address::read(&mut each, Wrong::Location)?;
                }
                Frame::Providers { locations }
            }
            Kind::KeepAlive => Frame::KeepAlive,
            Kind::Close => {
                let reason = CloseReason::from_byte(reader.u8(Wrong::Reason)?);
                Frame::Close {
                    reason: reason.ok_or(Wrong::Reason)?,
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

fn read_open(reader: &mut Reader<'_>) -> Result<Hello, Wrong> {
    if reader.u16(Wrong::Version)? != VERSION {
        return Err(Wrong::Version);
    }
    if reader.u16(Wrong::Flags)? != 0 {
        return Err(Wrong::Flags);
    }
    let file = FileId(Id(reader.array(Wrong::Length)?));
    let node = NodeId(Id(reader.array(Wrong::Length)?));
    let port = reader.u16(Wrong::Length)?;
    let holds = Holds::from_byte(reader.u8(Wrong::Holds)?).ok_or(Wrong::Holds)?;
    if reader.u8(Wrong::Flags)? != 0 {
        return Err(Wrong::Flags);
    }
    let manifest_size = reader.u32(Wrong::ManifestSize)?;
    if manifest_size as usize > MANIFEST_SIZE_MAX {
        return Err(Wrong::ManifestSize);
    }
    // The manifest has a hash for each shard, and a hash is as long as an id.
    let shard_count = reader.u32(Wrong::ShardCount)?;
    let hashes_size = u64::from(shard_count).saturating_mul(ID_SIZE as u64);
    if hashes_size > u64::from(manifest_size) {
        return Err(Wrong::ShardCount);
    }
    if manifest_size == 0 && holds != Holds::None {
        return Err(Wrong::Holds);
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

fn read_range(reader: &mut Reader<'_>) -> Result<Range, Wrong> {
    let shard = reader.u32(Wrong::Length)?;
    let offset = reader.u32(Wrong::RangeOffset)?;
    let length = reader.u32(Wrong::RangeLength)?;
    if length == 0 || length > RANGE_SIZE_MAX {
        return Err(Wrong::RangeLength);
    }
    match offset.checked_add(length) {
        Some(end) if end <= SHARD_SIZE_MAX => Ok(Range {
            shard,
            offset,
            length,
        }),
        _ => Err(Wrong::RangeOffset),
    }
}

fn write_range(writer: &mut Writer<'_>, range: &Range) {
    writer.u32(range.shard);
    writer.u32(range.offset);
    writer.u32(range.length);
}

fn check_part(offset: u32, length: usize, total: usize) -> Result<(), Wrong> {
    match (offset as usize).checked_add(length) {
        Some(end) if end <= total => Ok(()),
        _ => Err(Wrong::PartOffset),
    }
}
