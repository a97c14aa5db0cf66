//! Parses and emits datagrams field by field, in the order of the layout in the module above.

use super::DatagramError as Wrong;
use super::*;
use crate::wire::reader::{Reader, Writer};
use crate::wire::{Network, address};

impl Datagram {
    /// Parses a datagram, which takes up all of `bytes`. Cheap checks come first, and the CRC and
    /// the tag before any field of the body.
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn parse(bytes: &[u8], network: Network) -> Result<Datagram, Wrong> {
        if bytes.len() > DATAGRAM_SIZE_MAX {
            return Err(Wrong::TooLong);
        }
        let (message, tag) = network.split(bytes).ok_or(Wrong::TooShort)?;
        let mut reader = Reader::new(message);
        let start: [u8; CRC] = reader.array(Wrong::TooShort)?;
        let [magic, version, kind, flags] = start;
        let crc = reader.u32(Wrong::TooShort)?;
        let covered = reader.clone().rest();
        let rpc_id = RpcId(reader.array(Wrong::TooShort)?);
        let sender = NodeId(Id(reader.array(Wrong::TooShort)?));
        if magic != MAGIC {
            return Err(Wrong::Magic);
        }
        if version != VERSION {
            return Err(Wrong::Version);
        }
        let kind = Kind::from_byte(kind).ok_or(Wrong::Kind)?;
        if crc != network.crc(&[&start, &[0; 4], covered]) {
            return Err(Wrong::Crc);
        }
        if !network.has_made(message, tag) {
            return Err(Wrong::Tag);
        }
        if flags & !READ_ONLY != 0 {
            return Err(Wrong::Flags);
        }
        let body = Body::read(kind, &mut reader)?;
        reader.end(Wrong::Trailing)?;
        Ok(Datagram {
            read_only: flags == READ_ONLY,
            rpc_id,
            sender,
            body,
        })
    }

    /// Writes the datagram, and in a network with a key its tag, to the start of `buffer`. Returns
    /// the bytes written. Addresses are written in their canonical form.
    ///
    /// # Panics
    /// When `buffer` is smaller than [`DATAGRAM_SIZE_MAX`], the padding makes the datagram and its
    /// tag larger than that, a `Store` has port 0, or a `Replicate` no provider.
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
    /// Bytes of padding of a request; `None` for a reply.
    pub(crate) fn padding(&self) -> Option<u16> {
        match self {
            Body::Ping { padding, .. }
            | Body::FindNode { padding, .. }
            | Body::FindValue { padding, .. }
            | Body::Store { padding, .. }
            | Body::Replicate { padding, .. } => Some(*padding),
            _ => None,
        }
    }

    /// Bytes of a datagram with this body: header and padding included, tag not.
    #[allow(
        clippy::arithmetic_side_effects,
        reason = "sums of bounded counts and a u16"
    )]
    pub fn size(&self) -> usize {
        let bare = match self {
            Body::Ping { .. } => HEADER_SIZE + 8 + 2,
            Body::PingReply { .. } => PING_REPLY_SIZE,
            Body::FindNode { .. } | Body::FindValue { .. } => HEADER_SIZE + ID_SIZE + 8 + 2,
            Body::FindNodeReply { contacts, .. } => {
                FIND_NODE_REPLY_SIZE_MAX - contacts.remaining_capacity() * CONTACT_SIZE
            }
            Body::FindValueReply {
                providers,
                contacts,
                ..
            } => {
                FIND_VALUE_REPLY_SIZE_MAX
                    - providers.remaining_capacity() * ADDRESS_SIZE
                    - contacts.remaining_capacity() * CONTACT_SIZE
            }
            Body::Store { .. } => HEADER_SIZE + ID_SIZE + 8 + 2 + 4 + 2,
            Body::StoreReply { .. } => STORE_REPLY_SIZE,
            Body::Replicate { providers, .. } => {
                REPLICATE_SIZE_MAX - providers.remaining_capacity() * HANDED_PROVIDER_SIZE
            }
            Body::ReplicateReply { .. } => REPLICATE_REPLY_SIZE,
            Body::Error { .. } => ERROR_SIZE,
        };
        bare + usize::from(self.padding().unwrap_or(0))
    }

    /// Pads a request so that its datagram has at least `total` bytes, if it has fewer without
    /// padding. Replies have no padding and stay as they are.
    ///
    /// # Panics
    /// When `total` is greater than [`DATAGRAM_SIZE_MAX`].
    pub fn padded_to(mut self, total: usize) -> Body {
        assert!(total <= DATAGRAM_SIZE_MAX, "no datagram has {total} bytes");
        let size = self.size();
        if let Body::Ping { padding, .. }
        | Body::FindNode { padding, .. }
        | Body::FindValue { padding, .. }
        | Body::Store { padding, .. }
        | Body::Replicate { padding, .. } = &mut self
        {
            let bare = size.saturating_sub(usize::from(*padding));
            // At most DATAGRAM_SIZE_MAX, which fits.
            *padding = total.saturating_sub(bare) as u16;
        }
        self
    }

    fn read(kind: Kind, reader: &mut Reader<'_>) -> Result<Body, Wrong> {
        Ok(match kind {
            Kind::Ping => Body::Ping {
                cookie: read_cookie(reader)?,
                padding: read_padding(reader)?,
            },
            Kind::PingReply => Body::PingReply {
                seen: read_seen(reader)?,
            },
            Kind::FindNode => Body::FindNode {
                target: Id(reader.array(Wrong::Target)?),
                cookie: read_cookie(reader)?,
                padding: read_padding(reader)?,
            },
            Kind::FindNodeReply => {
                let (seen, token) = (read_seen(reader)?, read_token(reader)?);
                let count = read_count(reader, K, Wrong::ContactCount)?;
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
                ttl: reader.u32(Wrong::Ttl)?,
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
                let code = reader.u8(Wrong::Code)?;
                Body::Error {
                    seen,
                    code: ErrorCode::from_byte(code).ok_or(Wrong::Code)?,
                }
            }
        })
    }

    fn write(&self, writer: &mut Writer<'_>) {
        // Every reply begins with it.
        if let Some(seen) = self.seen() {
            address::write(writer, seen.address);
            writer.u64(seen.cookie.0);
        }
        self.write_fields(writer);
        // Every request ends with it.
        if let Some(padding) = self.padding() {
            writer.u16(padding);
            writer.zeros(usize::from(padding));
        }
    }

    /// Writes the fields between *seen* and the padding.
    fn write_fields(&self, writer: &mut Writer<'_>) {
        match self {
            Body::Ping { cookie, .. } => writer.u64(cookie.0),
            Body::FindNode {
                target: id, cookie, ..
            }
            | Body::FindValue {
                file: FileId(id),
                cookie,
                ..
            } => {
                writer.put(&id.0);
                writer.u64(cookie.0);
            }
            Body::Store {
                file,
                token,
                port,
                ttl,
                ..
            } => {
                assert!(*port != 0, "no provider serves at port 0");
                writer.put(&file.0.0);
                writer.u64(token.0);
                writer.u16(*port);
                writer.u32(*ttl);
            }
            Body::Replicate {
                file,
                token,
                providers,
                ..
            } => {
                writer.put(&file.0.0);
                writer.u64(token.0);
                write_handed(writer, providers);
            }
            Body::PingReply { .. } => {}
            Body::FindNodeReply {
                token, contacts, ..
            } => {
                writer.u64(token.0);
                writer.u8(contacts.len() as u8);
                write_contacts(writer, contacts);
            }
            Body::FindValueReply {
                token,
                provides,
                providers,
                contacts,
                ..
            } => {
                writer.u64(token.0);
                writer.u8(u8::from(*provides));
                writer.u8(providers.len() as u8);
                writer.u8(contacts.len() as u8);
                for &location in providers {
                    address::write(writer, location);
                }
                write_contacts(writer, contacts);
            }
            Body::StoreReply { status, .. } | Body::ReplicateReply { status, .. } => {
                writer.u8(*status as u8);
            }
            Body::Error { code, .. } => writer.u8(*code as u8),
        }
    }
}

fn read_find_value_reply(reader: &mut Reader<'_>) -> Result<Body, Wrong> {
    let (seen, token) = (read_seen(reader)?, read_token(reader)?);
    let provides = match reader.u8(Wrong::Provides)? {
        0 => false,
        1 => true,
        _ => return Err(Wrong::Provides),
    };
    let provider_count = read_count(reader, PROVIDERS_PER_REPLY_MAX, Wrong::ProviderCount)?;
    let contact_count = read_count(reader, K, Wrong::ContactCount)?;
    let location = |reader: &mut Reader<'_>| address::read(reader, Wrong::Provider);
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

fn read_replicate(reader: &mut Reader<'_>) -> Result<Body, Wrong> {
    let (file, token) = (read_file(reader)?, read_token(reader)?);
    let count = read_count(reader, PROVIDERS_PER_REPLY_MAX, Wrong::ProviderCount)?;
    if count == 0 {
        return Err(Wrong::ProviderCount);
    }
    let providers = read_list(reader, count, |reader| {
        let location = address::read(reader, Wrong::Provider)?;
        Ok(HandedProvider {
            location,
            ttl: reader.u32(Wrong::Provider)?,
        })
    })?;
    Ok(Body::Replicate {
        file,
        token,
        providers,
        padding: read_padding(reader)?,
    })
}

/// Reads `count` items; the caller has checked that they fit.
fn read_list<T, const CAPACITY: usize>(
    reader: &mut Reader<'_>,
    count: usize,
    item: impl Fn(&mut Reader<'_>) -> Result<T, Wrong>,
) -> Result<ArrayVec<T, CAPACITY>, Wrong> {
    (0..count).map(|_| item(reader)).collect()
}

fn read_count(reader: &mut Reader<'_>, max: usize, wrong: Wrong) -> Result<usize, Wrong> {
    let count = usize::from(reader.u8(wrong)?);
    if count <= max { Ok(count) } else { Err(wrong) }
}

fn read_file(reader: &mut Reader<'_>) -> Result<FileId, Wrong> {
    Ok(FileId(Id(reader.array(Wrong::File)?)))
}

fn read_cookie(reader: &mut Reader<'_>) -> Result<Cookie, Wrong> {
    reader.u64(Wrong::Cookie).map(Cookie)
}

fn read_token(reader: &mut Reader<'_>) -> Result<Token, Wrong> {
    reader.u64(Wrong::Token).map(Token)
}

fn read_port(reader: &mut Reader<'_>) -> Result<u16, Wrong> {
    match reader.u16(Wrong::Port)? {
        0 => Err(Wrong::Port),
        port => Ok(port),
    }
}

fn read_status(reader: &mut Reader<'_>) -> Result<Status, Wrong> {
    Status::from_byte(reader.u8(Wrong::Status)?).ok_or(Wrong::Status)
}

fn read_padding(reader: &mut Reader<'_>) -> Result<u16, Wrong> {
    let size = reader.u16(Wrong::Padding)?;
    let padding = reader.bytes(usize::from(size), Wrong::Padding)?;
    // Other bytes could carry a second meaning.
    if padding.iter().all(|&byte| byte == 0) {
        Ok(size)
    } else {
        Err(Wrong::Padding)
    }
}

fn read_seen(reader: &mut Reader<'_>) -> Result<Seen, Wrong> {
    let address = address::read(reader, Wrong::Seen)?;
    Ok(Seen {
        address,
        cookie: Cookie(reader.u64(Wrong::Seen)?),
    })
}

fn read_contact(reader: &mut Reader<'_>) -> Result<Contact, Wrong> {
    let id = NodeId(Id(reader.array(Wrong::Contact)?));
    Ok(Contact {
        id,
        address: address::read(reader, Wrong::Contact)?,
    })
}

fn write_contacts(writer: &mut Writer<'_>, contacts: &[Contact]) {
    for contact in contacts {
        writer.put(&contact.id.0.0);
        address::write(writer, contact.address);
    }
}

fn write_handed(writer: &mut Writer<'_>, providers: &[HandedProvider]) {
    assert!(!providers.is_empty(), "a Replicate has a provider");
    writer.u8(providers.len() as u8);
    for provider in providers {
        address::write(writer, provider.location);
        writer.u32(provider.ttl);
    }
}
