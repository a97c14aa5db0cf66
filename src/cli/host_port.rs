//! Places in the network as people write them: where to listen, whom to reach.
//!
//! Invariant: what parses here is in range; whether it exists is another question.

use super::exit::UsageError;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// A place to listen at; what is absent is up to the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen {
    /// The address; every address when absent.
    pub ip: Option<IpAddr>,
    /// The port (0: any that is free); the usual one when absent.
    pub port: Option<u16>,
}

/// A host, by name or address, and a port that is not 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// A name to be resolved, or an address (IPv6 without its brackets).
    pub host: String,
    /// 1 – 65535.
    pub port: u16,
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl FromStr for Listen {
    type Err = UsageError;

    /// Parses `ADDR`, `ADDR:PORT` or `:PORT`, where an IPv6 address stands in brackets.
    fn from_str(text: &str) -> Result<Listen, UsageError> {
        let (host, port) = split_port(text)?;
        let ip = match host {
            Host::Absent if port.is_none() => {
                return Err(UsageError("the address is empty".into()));
            }
            Host::Absent => None,
            Host::Bracketed(ip) => Some(IpAddr::V6(ip)),
            Host::Plain(host) => {
                let not_an_address = |_| {
                    UsageError(format!(
                        "not an address: {host} (a numeric IP, and IPv6 in brackets)"
                    ))
                };
                Some(host.parse().map_err(not_an_address)?)
            }
        };
        Ok(Listen { ip, port })
    }
}

impl FromStr for HostPort {
    type Err = UsageError;

    /// Parses `HOST:PORT`, where an IPv6 address stands in brackets.
    fn from_str(text: &str) -> Result<HostPort, UsageError> {
        let (host, port) = split_port(text)?;
        let host = match host {
            Host::Absent => return Err(UsageError(format!("no host: {text} (HOST:PORT)"))),
            Host::Bracketed(ip) => ip.to_string(),
            Host::Plain(host) => host.to_owned(),
        };
        match port {
            None => Err(UsageError(format!("no port: {text} (HOST:PORT)"))),
            Some(0) => Err(UsageError(format!(
                "port out of range: {text} (1 to 65535)"
            ))),
            Some(port) => Ok(HostPort { host, port }),
        }
    }
}

enum Host<'a> {
    Absent,
    Bracketed(Ipv6Addr),
    Plain(&'a str),
}

/// Splits what stands before the last colon from the port behind it.
fn split_port(text: &str) -> Result<(Host<'_>, Option<u16>), UsageError> {
    if let Some(rest) = text.strip_prefix('[') {
        let (ip, rest) = rest
            .split_once(']')
            .ok_or_else(|| UsageError(format!("a bracket is open: {text} ([ADDR]:PORT)")))?;
        let ip = ip
            .parse()
            .map_err(|_| UsageError(format!("not an IPv6 address: {ip}")))?;
        return match (rest, rest.strip_prefix(':')) {
            ("", _) => Ok((Host::Bracketed(ip), None)),
            (_, Some(port)) => Ok((Host::Bracketed(ip), Some(parse_port(port)?))),
            _ => Err(UsageError(format!(
                "something behind the bracket: {text} ([ADDR]:PORT)"
            ))),
        };
    }
    if text.matches(':').count() > 1 {
        return Err(UsageError(format!(
            "more than one colon: {text} (IPv6 stands in brackets)"
        )));
    }
    match text.split_once(':') {
        Some(("", port)) => Ok((Host::Absent, Some(parse_port(port)?))),
        Some((host, port)) => Ok((Host::Plain(host), Some(parse_port(port)?))),
        None if text.is_empty() => Ok((Host::Absent, None)),
        None => Ok((Host::Plain(text), None)),
    }
}

fn parse_port(text: &str) -> Result<u16, UsageError> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(UsageError(format!(
            "not a port: '{text}' (a number from 0 to 65535)"
        )));
    }
    text.parse()
        .map_err(|_| UsageError(format!("port out of range: {text} (0 to 65535)")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_to_listen_at_are_addresses_with_or_without_a_port() {
        let listen = |text: &str| text.parse::<Listen>();
        let of = |ip: &str, port| {
            Ok(Listen {
                ip: Some(ip.parse().unwrap()),
                port,
            })
        };
        assert_eq!(listen("127.0.0.1"), of("127.0.0.1", None));
        assert_eq!(listen("127.0.0.1:0"), of("127.0.0.1", Some(0)));
        assert_eq!(listen("[::1]"), of("::1", None));
        assert_eq!(listen("[::1]:65535"), of("::1", Some(65535)));
        assert_eq!(
            listen(":80"),
            Ok(Listen {
                ip: None,
                port: Some(80)
            })
        );
        for wrong in [
            "",
            "host:1",
            "::1",
            "[::1",
            "[::1]x",
            "1.2.3.4:",
            "1.2.3.4:65536",
            ":+1",
        ] {
            assert!(listen(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_bootstrap_node_has_a_host_and_a_port_that_is_not_zero() {
        let parse = |text: &str| text.parse::<HostPort>();
        let text = |text| parse(text).map(|place| place.to_string());
        assert_eq!(text("pi.local:4160").as_deref(), Ok("pi.local:4160"));
        assert_eq!(text("[::1]:4160").as_deref(), Ok("[::1]:4160"));
        for wrong in ["pi", ":1", "pi:0", "pi:65536", "pi:x", "::1:4160", "[pi]:1"] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
