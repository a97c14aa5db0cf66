//! Links: magnet URIs, which one person gives another to fetch a file.
//!
//! ```text
//! magnet:?xt=urn:btih:<file id, 40 hex or 32 base32>&dn=<name>&x.pe=<host:port>&x.pe=...
//! ```
//!
//! A magnet URI of a BitTorrent program (BEP 9) is a link, and so are the bare 40 digits of a file
//! id. Parameters that are not listed (trackers, web seeds) are ignored. A link proves nothing: the
//! file id verifies the manifest, the name is a hint, and providers are addresses to try first.
//!
//! Invariant: a parsed link is bounded, its name keeps the rules of [`name`], and each provider has
//! a host and a port.

use super::name;
use crate::id::{FileId, ID_SIZE, Id};
use crate::limits::{LINK_PROVIDERS_MAX, LINK_SIZE_MAX};
use std::fmt;
use std::str::FromStr;

/// A file id with hints where to find the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The id of the file.
    pub file: FileId,
    /// The name in the link; `None` when there is none, or it breaks the rules for names.
    pub name: Option<String>,
    /// Providers to try first, as `host:port`; an IPv6 host stands in brackets.
    pub providers: Vec<String>,
}

/// The first error in a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkError {
    /// The text has more than [`LINK_SIZE_MAX`] bytes.
    TooLong,
    /// The text is neither a magnet URI nor 40 hexadecimal digits.
    NotALink,
    /// A percent sign is not followed by two hexadecimal digits, or the bytes are not UTF-8.
    Escape,
    /// The link has no `xt=urn:btih:` parameter.
    NoFileId,
    /// The link has only `xt=urn:btmh:`: BitTorrent version 2 (BEP 52).
    VersionTwo,
    /// The value of `xt=urn:btih:` is neither 40 hexadecimal digits nor 32 of base32.
    FileId,
    /// The link has two different file ids.
    TwoFileIds,
    /// The value of `x.pe=` is no host and port.
    Provider,
    /// The link has more than [`LINK_PROVIDERS_MAX`] providers.
    TooManyProviders,
}

impl Link {
    /// The link with a file id and no hints.
    pub fn to(file: FileId) -> Link {
        Link {
            file,
            name: None,
            providers: Vec::new(),
        }
    }

    /// Parses a magnet URI or a bare file id.
    ///
    /// # Errors
    /// The first error in the text.
    pub fn parse(text: &str) -> Result<Link, LinkError> {
        if text.len() > LINK_SIZE_MAX {
            return Err(LinkError::TooLong);
        }
        if let Ok(file) = text.parse() {
            return Ok(Link::to(file));
        }
        let parameters = strip_prefix_of_any_case(text, "magnet:?").ok_or(LinkError::NotALink)?;
        let (mut file, mut version_two) = (None, false);
        let (mut name, mut providers) = (None, Vec::new());
        for parameter in parameters.split('&') {
            let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            match key {
                "dn" => {
                    let value = unescape(&value.replace('+', " "))?;
                    name = name.or(name::parse(value.as_bytes()).ok().map(str::to_owned));
                }
                "x.pe" => {
                    if providers.len() >= LINK_PROVIDERS_MAX {
                        return Err(LinkError::TooManyProviders);
                    }
                    let value = unescape(value)?;
                    if !is_host_and_port(&value) {
                        return Err(LinkError::Provider);
                    }
                    providers.push(value);
                }
                // Several topics are numbered: xt.1, xt.2.
                _ if key == "xt" || key.starts_with("xt.") => {
                    let topic = unescape(value)?;
                    version_two |= strip_prefix_of_any_case(&topic, "urn:btmh:").is_some();
                    let Some(id) = strip_prefix_of_any_case(&topic, "urn:btih:") else {
                        continue;
                    };
                    let id = parse_file_id(id).ok_or(LinkError::FileId)?;
                    if *file.get_or_insert(id) != id {
                        return Err(LinkError::TwoFileIds);
                    }
                }
                _ => {}
            }
        }
        let missing = if version_two {
            LinkError::VersionTwo
        } else {
            LinkError::NoFileId
        };
        Ok(Link {
            file: file.ok_or(missing)?,
            name,
            providers,
        })
    }
}

impl FromStr for Link {
    type Err = LinkError;

    fn from_str(text: &str) -> Result<Link, LinkError> {
        Link::parse(text)
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "magnet:?xt=urn:btih:{}", self.file)?;
        if let Some(name) = &self.name {
            f.write_str("&dn=")?;
            escape(f, name, "")?;
        }
        for provider in &self.providers {
            f.write_str("&x.pe=")?;
            escape(f, provider, ":[]")?;
        }
        Ok(())
    }
}

/// Writes `text` percent-encoded, except the unreserved bytes of RFC 3986 and those in `kept`.
fn escape(f: &mut fmt::Formatter<'_>, text: &str, kept: &str) -> fmt::Result {
    for &byte in text.as_bytes() {
        if byte.is_ascii_alphanumeric()
            || b"-._~".contains(&byte)
            || kept.as_bytes().contains(&byte)
        {
            write!(f, "{}", char::from(byte))?;
        } else {
            write!(f, "%{byte:02X}")?;
        }
    }
    Ok(())
}

fn unescape(text: &str) -> Result<String, LinkError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (&[high, low], after) = after.split_first_chunk().ok_or(LinkError::Escape)?;
        let digit = |byte| char::from(byte).to_digit(16).ok_or(LinkError::Escape);
        bytes.push((digit(high)? << 4 | digit(low)?) as u8);
        rest = after;
    }
    String::from_utf8(bytes).map_err(|_| LinkError::Escape)
}

fn strip_prefix_of_any_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

fn parse_file_id(text: &str) -> Option<FileId> {
    text.parse().ok().or_else(|| parse_base32(text))
}

/// Parses 32 digits of base32 (RFC 4648: A – Z, 2 – 7), of either case.
fn parse_base32(text: &str) -> Option<FileId> {
    let digits: &[u8; ID_SIZE * 8 / 5] = text.as_bytes().try_into().ok()?;
    let mut id = [0; ID_SIZE];
    // Eight digits of five bits make five bytes.
    for (bytes, digits) in id.chunks_exact_mut(5).zip(digits.chunks_exact(8)) {
        let mut number = 0u64;
        for digit in digits {
            let value = match digit.to_ascii_uppercase() {
                letter @ b'A'..=b'Z' => letter.saturating_sub(b'A'),
                number @ b'2'..=b'7' => number.saturating_sub(b'2').saturating_add(26),
                _ => return None,
            };
            number = number << 5 | u64::from(value);
        }
        bytes.copy_from_slice(number.to_be_bytes().last_chunk::<5>()?);
    }
    Some(FileId(Id(id)))
}

/// Whether the text has the form `host:port`: a name or IPv4 address, or an IPv6 address in
/// brackets, and a port from 1 to 65535. Only the resolver can tell whether the host exists.
fn is_host_and_port(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let port = digits && port.parse::<u16>().is_ok_and(|port| port != 0);
    let bracketed = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let host = match bracketed {
        Some(host) => host.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
            !host.is_empty() && host.len() <= 253 && host.bytes().all(allowed)
        }
    };
    host && port
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wrong = match self {
            LinkError::TooLong => "not a link: it is too long",
            LinkError::NotALink => "not a link: neither a magnet URI nor a file id",
            LinkError::Escape => {
                "the link has a percent sign without two hexadecimal digits, or is not UTF-8"
            }
            LinkError::NoFileId => "the link has no file id",
            LinkError::VersionTwo => {
                "the link has only a BitTorrent version 2 id (urn:btmh), and sprat needs version 1"
            }
            LinkError::FileId => {
                "the link's file id is neither 40 hexadecimal digits nor 32 of base32"
            }
            LinkError::TwoFileIds => "the link has two file ids",
            LinkError::Provider => "a provider (x.pe) in the link is no host:port",
            LinkError::TooManyProviders => "the link has too many providers (x.pe)",
        };
        write!(
            f,
            "{wrong} (a link is magnet:?xt=urn:btih:FILE-ID, or 40 hexadecimal digits)"
        )
    }
}

impl std::error::Error for LinkError {}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const ID: &str = "00112233445566778899aabbccddeeff01020304";

    fn magnet(rest: &str) -> String {
        format!("magnet:?xt=urn:btih:{ID}{rest}")
    }

    #[test]
    fn a_link_reads_back_as_it_was_written() {
        let link = Link {
            file: ID.parse().unwrap(),
            name: Some("Grüße & 100% + more.txt".to_owned()),
            providers: vec!["192.0.2.1:4160".to_owned(), "[2001:db8::1]:1".to_owned()],
        };
        assert_eq!(
            link.to_string(),
            magnet(
                "&dn=Gr%C3%BC%C3%9Fe%20%26%20100%25%20%2B%20more.txt\
                 &x.pe=192.0.2.1:4160&x.pe=[2001:db8::1]:1"
            )
        );
        assert_eq!(Link::parse(&link.to_string()), Ok(link));
    }

    #[test]
    fn a_bare_file_id_is_a_link() {
        let link = Link::to(ID.parse().unwrap());
        assert_eq!(Link::parse(ID), Ok(link.clone()));
        assert_eq!(Link::parse(&ID.to_uppercase()), Ok(link.clone()));
        assert_eq!(link.to_string(), magnet(""));
    }

    #[test]
    fn links_of_other_programs_are_parsed() {
        let file: FileId = ID.parse().unwrap();
        // The same id in base32, as Python's base64.b32encode writes it.
        let base32 = "AAISEM2EKVTHPCEZVK54ZXPO74AQEAYE";
        for text in [
            format!("magnet:?xt=urn:btih:{base32}"),
            format!("magnet:?xt=urn:btih:{}", base32.to_lowercase()),
            format!("MAGNET:?xt=URN:BTIH:{ID}&tr=udp%3A%2F%2Ftracker.example%3A1&ws=x&xl=5"),
            format!("magnet:?xt.1=urn:btmh:1220{ID}&xt.2=urn:btih:{ID}"),
            format!("magnet:?xt=urn%3Abtih%3A{ID}&xt=urn:btih:{ID}&&x"),
        ] {
            assert_eq!(Link::parse(&text), Ok(Link::to(file)), "{text}");
        }
        let named = Link::parse(&magnet("&dn=two+words")).unwrap();
        assert_eq!(named.name.as_deref(), Some("two words"));
    }

    #[test]
    fn a_name_that_breaks_the_rules_is_left_out() {
        for name in ["..%2Fetc", "%1B%5B2J", ""] {
            assert_eq!(
                Link::parse(&magnet(&format!("&dn={name}"))).unwrap().name,
                None
            );
        }
    }

    #[test]
    fn each_error_is_reported_with_the_form_of_a_link() {
        let wrong = |error| -> Vec<String> {
            match error {
                LinkError::TooLong => vec![magnet(&"&tr=x".repeat(LINK_SIZE_MAX / 5))],
                LinkError::NotALink => {
                    vec![
                        "".into(),
                        "magnet:".into(),
                        "http://x".into(),
                        format!("{ID}0"),
                    ]
                }
                LinkError::Escape => ["%", "%1", "%zz", "%ff", "%+1"]
                    .map(|e| magnet(&format!("&dn={e}")))
                    .into(),
                LinkError::NoFileId => vec!["magnet:?".into(), "magnet:?dn=a".into()],
                LinkError::VersionTwo => vec![format!("magnet:?xt=urn:btmh:1220{ID}")],
                LinkError::FileId => {
                    vec![
                        "magnet:?xt=urn:btih:".into(),
                        magnet("0"),
                        magnet("&xt=urn:btih:1"),
                    ]
                }
                LinkError::TwoFileIds => {
                    vec![magnet(&format!("&xt=urn:btih:{}", ID.replace('0', "1")))]
                }
                LinkError::Provider => [
                    "", "a", ":1", "a:", "a:0", "a:65536", "a:+1", "a b:1", "::1:1", "[::1]",
                    "[x]:1",
                ]
                .map(|p| magnet(&format!("&x.pe={p}")))
                .into(),
                LinkError::TooManyProviders => {
                    vec![magnet(&"&x.pe=a:1".repeat(LINK_PROVIDERS_MAX + 1))]
                }
            }
        };
        for error in [
            LinkError::TooLong,
            LinkError::NotALink,
            LinkError::Escape,
            LinkError::NoFileId,
            LinkError::VersionTwo,
            LinkError::FileId,
            LinkError::TwoFileIds,
            LinkError::Provider,
            LinkError::TooManyProviders,
        ] {
            for text in wrong(error) {
                assert_eq!(Link::parse(&text), Err(error), "{text}");
            }
            assert!(error.to_string().contains("magnet:?xt=urn:btih:"));
        }
        assert!(Link::parse(&magnet(&"&x.pe=a:1".repeat(LINK_PROVIDERS_MAX))).is_ok());
    }
}
