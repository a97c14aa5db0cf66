//! Datagrams, read and written field by field: see the byte ruler of the module above.

use super::*;
use crate::wire::reader::{Reader, Writer};
use crate::wire::{Network, address};

impl Datagram {
    /// Reads the datagram that `bytes` are: all of them. What is cheap to check is checked first,
    /// CRC and tag before any field of the body.
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn parse(bytes: &[u8], network: Network) -> Result<Datagram, DatagramError> {
        if bytes.len() > DATAGRAM_SIZE_MAX {
            return Err(DatagramError::TooLong);
        }
        let (message, tag) = network.split(bytes).ok_or(DatagramError::TooShort)?;
        let mut reader = Reader::new(message);
        let start: [u8; CRC] = reader.array(DatagramError::TooShort)?;
        let [magic, version, kind, flags] = start;
        let crc = reader.u32(DatagramError::TooShort)?;
        let covered = reader.clone().rest();
        let rpc_id = RpcId(reader.array(DatagramError::TooShort)?);
        let sender = NodeId(Id(reader.array(DatagramError::TooShort)?));
        if magic != MAGIC {
            return Err(DatagramError::Magic);
        }
        if version != VERSION {
            return Err(DatagramError::Version);
        }
        let kind = Kind::from_byte(kind).ok_or(DatagramError::Kind)?;
        if crc != network.crc(&[&start, &[0; 4], covered]) {
            return Err(DatagramError::Crc);
        }
        if !network.has_made(message, tag) {
            return Err(DatagramError::Tag);
        }
        if flags & !READ_ONLY != 0 {
            return Err(DatagramError::Flags);
        }
        let body = Body::read(kind, &mut reader)?;
        reader.end(DatagramError::Trailing)?;
        Ok(Datagram {
            read_only: flags == READ_ONLY,
            rpc_id,
            sender,
            body,
        })
    }

    /// Writes the datagram to the start of `buffer`, with a tag where the network has a key, and returns
    /// the size of both in bytes. Addresses are written in their canonical form.
    ///
    /// # Panics
    /// When `buffer` is smaller than [`DATAGRAM_SIZE_MAX`], the padding makes the datagram and its tag
    /// larger than that, a `Store` has port 0, or a `Replicate` no provider.
    pub fn emit(&self, network: Network, buffer: &mut [u8]) -> usize {
        assert!(
            buffer.len() >= DATAGRAM_SIZE_MAX,
            "the buffer is too small for any datagram"
        );
        assert!(
            self.size().saturating_add(network.tag_size()) <= DATAGRAM_SIZE_MAX,
            "the datagram is too large"
        );
        let mut writer = Writer::new(buffer);
        let flags = if self.read_only { READ_ONLY } else { 0 };
        writer.put(&[MAGIC, VERSION, self.body.kind() as u8, flags]);
        writer.zeros(4);
        writer.put(&self.rpc_id.0);
        writer.put(&self.sender.0.0);
        self.body.write(&mut writer);
        writer.replace_u32(CRC, network.crc(&[writer.written()]));
        network.seal(&mut writer);
        writer.written().len()
    }
}

impl Body {
    fn read(kind: Kind, reader: &mut Reader<'_>) -> Result<Body, DatagramError> {
        Ok(match kind {
            Kind::Ping => Body::Ping {
                cookie: read_cookie(reader)?,
                padding: read_padding(reader)?,
            },
            Kind::PingReply => Body::PingReply {
                seen: read_seen(reader)?,
            },
            Kind::FindNode => Body::FindNode {
                target: Id(reader.array(DatagramError::Target)?),
                cookie: read_cookie(reader)?,
                padding: read_padding(reader)?,
            },
            Kind::FindNodeReply => {
                let (seen, token) = (read_seen(reader)?, read_token(reader)?);
                let count = read_count(reader, K, DatagramError::ContactCount)?;
                let contacts = read_list(reader, count, read_contact)?;
                Body::FindNodeReply {
                    seen,
                    token,
                    contacts,
                }
            }
            Kind::FindValue => Body::FindValue {
                file: read_file(reader)?,
                cookie: read_cookie(reader)?,
                padding: read_padding(reader)?,
            },
            Kind::FindValueReply => read_find_value_reply(reader)?,
            Kind::Store => Body::Store {
                file: read_file(reader)?,
                token: read_token(reader)?,
                port: read_port(reader)?,
                ttl: reader.u32(DatagramError::Ttl)?,
                padding: read_padding(reader)?,
            },
            Kind::StoreReply => Body::StoreReply {
                seen: read_seen(reader)?,
                status: read_status(reader)?,
            },
            Kind::Replicate => read_replicate(reader)?,
            Kind::ReplicateReply => Body::ReplicateReply {
                seen: read_seen(reader)?,
                status: read_status(reader)?,
            },
            Kind::Error => {
                let seen = read_seen(reader)?;
                let code = reader.u8(DatagramError::Code)?;
                Body::Error {
                    seen,
                    code: ErrorCode::from_byte(code).ok_or(DatagramError::Code)?,
                }
            }
        })
    }

    fn write(&self, writer: &mut Writer<'_>) {
        match self {
            Body::Ping { cookie, padding } => {
                writer.u64(cookie.0);
                write_padding(writer, *padding);
            }
            Body::PingReply { seen } => write_seen(writer, seen),
            Body::FindNode {
                target: id,
                cookie,
                padding,
            }
            | Body::FindValue {
                file: FileId(id),
                cookie,
                padding,
            } => {
                writer.put(&id.0);
                writer.u64(cookie.0);
                write_padding(writer, *padding);
            }
            Body::FindNodeReply {
                seen,
                token,
                contacts,
            } => {
                write_seen(writer, seen);
                writer.u64(token.0);
                writer.u8(contacts.len() as u8);
                contacts
                    .iter()
                    .for_each(|contact| write_contact(writer, contact));
            }
            Body::FindValueReply {
                seen,
                token,
                provides,
                providers,
                contacts,
            } => {
                write_seen(writer, seen);
                writer.u64(token.0);
                writer.u8(u8::from(*provides));
                writer.u8(providers.len() as u8);
                writer.u8(contacts.len() as u8);
                providers
                    .iter()
                    .for_each(|&location| address::write(writer, location));
                contacts
                    .iter()
                    .for_each(|contact| write_contact(writer, contact));
            }
            Body::Store {
                file,
                token,
                port,
                ttl,
                padding,
            } => {
                assert!(*port != 0, "nobody provides at port 0");
                writer.put(&file.0.0);
                writer.u64(token.0);
                writer.u16(*port);
                writer.u32(*ttl);
                write_padding(writer, *padding);
            }
            Body::StoreReply { seen, status } | Body::ReplicateReply { seen, status } => {
                write_seen(writer, seen);
                writer.u8(*status as u8);
            }
            Body::Replicate {
                file,
                token,
                providers,
                padding,
            } => {
                assert!(
                    !providers.is_empty(),
                    "a Replicate hands on at least one provider"
                );
                writer.put(&file.0.0);
                writer.u64(token.0);
                writer.u8(providers.len() as u8);
                for provider in providers {
                    address::write(writer, provider.location);
                    writer.u32(provider.ttl);
                }
                write_padding(writer, *padding);
            }
            Body::Error { seen, code } => {
                write_seen(writer, seen);
                writer.u8(*code as u8);
            }
        }
    }
}

fn read_find_value_reply(reader: &mut Reader<'_>) -> Result<Body, DatagramError> {
    let (seen, token) = (read_seen(reader)?, read_token(reader)?);
    let provides = match reader.u8(DatagramError::Provides)? {
        0 => false,
        1 => true,
        _ => return Err(DatagramError::Provides),
    };
    let provider_count = read_count(
        reader,
        PROVIDERS_PER_REPLY_MAX,
        DatagramError::ProviderCount,
    )?;
    let contact_count = read_count(reader, K, DatagramError::ContactCount)?;
    let location = |reader: &mut Reader<'_>| address::read(reader, DatagramError::Provider);
    let providers = read_list(reader, provider_count, location)?;
    let contacts = read_list(reader, contact_count, read_contact)?;
    Ok(Body::FindValueReply {
        seen,
        token,
        provides,
        providers,
        contacts,
    })
}

fn read_replicate(reader: &mut Reader<'_>) -> Result<Body, DatagramError> {
    let (file, token) = (read_file(reader)?, read_token(reader)?);
    let count = read_count(
        reader,
        PROVIDERS_PER_REPLY_MAX,
        DatagramError::ProviderCount,
    )?;
    if count == 0 {
        return Err(DatagramError::ProviderCount);
    }
    let providers = read_list(reader, count, |reader| {
        let location = address::read(reader, DatagramError::Provider)?;
        Ok(HandedProvider {
            location,
            ttl: reader.u32(DatagramError::Provider)?,
        })
    })?;
    Ok(Body::Replicate {
        file,
        token,
        providers,
        padding: read_padding(reader)?,
    })
}

/// Reads `count` items, which has been checked against the capacity.
fn read_list<T, const CAPACITY: usize>(
    reader: &mut Reader<'_>,
    count: usize,
    item: impl Fn(&mut Reader<'_>) -> Result<T, DatagramError>,
) -> Result<ArrayVec<T, CAPACITY>, DatagramError> {
    (0..count).map(|_| item(reader)).collect()
}

fn read_count(
    reader: &mut Reader<'_>,
    max: usize,
    wrong: DatagramError,
) -> Result<usize, DatagramError> {
    let count = usize::from(reader.u8(wrong)?);
    if count <= max { Ok(count) } else { Err(wrong) }
}

fn read_file(reader: &mut Reader<'_>) -> Result<FileId, DatagramError> {
    Ok(FileId(Id(reader.array(DatagramError::File)?)))
}

fn read_cookie(reader: &mut Reader<'_>) -> Result<Cookie, DatagramError> {
    reader.u64(DatagramError::Cookie).map(Cookie)
}

fn read_token(reader: &mut Reader<'_>) -> Result<Token, DatagramError> {
    reader.u64(DatagramError::Token).map(Token)
}

fn read_port(reader: &mut Reader<'_>) -> Result<u16, DatagramError> {
    match reader.u16(DatagramError::Port)? {
        0 => Err(DatagramError::Port),
        port => Ok(port),
    }
}

fn read_status(reader: &mut Reader<'_>) -> Result<Status, DatagramError> {
    Status::from_byte(reader.u8(DatagramError::Status)?).ok_or(DatagramError::Status)
}

fn read_padding(reader: &mut Reader<'_>) -> Result<u16, DatagramError> {
    let size = reader.u16(DatagramError::Padding)?;
    let padding = reader.bytes(usize::from(size), DatagramError::Padding)?;
    // Zero, so that nobody hides a second meaning in it.
    if padding.iter().all(|&byte| byte == 0) {
        Ok(size)
    } else {
        Err(DatagramError::Padding)
    }
}

fn read_seen(reader: &mut Reader<'_>) -> Result<Seen, DatagramError> {
    let address = address::read(reader, DatagramError::Seen)?;
    Ok(Seen {
        address,
        cookie: Cookie(reader.u64(DatagramError::Seen)?),
    })
}

fn read_contact(reader: &mut Reader<'_>) -> Result<Contact, DatagramError> {
    let id = NodeId(Id(reader.array(DatagramError::Contact)?));
    Ok(Contact {
        id,
        address: address::read(reader, DatagramError::Contact)?,
    })
}

fn write_padding(writer: &mut Writer<'_>, padding: u16) {
    writer.u16(padding);
    writer.zeros(usize::from(padding));
}

fn write_seen(writer: &mut Writer<'_>, seen: &Seen) {
    address::write(writer, seen.address);
    writer.u64(seen.cookie.0);
}

fn write_contact(writer: &mut Writer<'_>, contact: &Contact) {
    writer.put(&contact.id.0.0);
    address::write(writer, contact.address);
}

impl Status {
    fn from_byte(byte: u8) -> Option<Status> {
        Some(match byte {
            0 => Status::Stored,
            1 => Status::Full,
            2 => Status::BadToken,
            3 => Status::Refused,
            _ => return None,
        })
    }
}

impl ErrorCode {
    fn from_byte(byte: u8) -> Option<ErrorCode> {
        Some(match byte {
            0 => ErrorCode::Unsupported,
            1 => ErrorCode::Busy,
            2 => ErrorCode::Unproved,
            _ => return None,
        })
    }
}
