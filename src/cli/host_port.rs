//! Addresses as people write them: where to listen, which host to reach.
//!
//! Invariant: the result of parsing is in range; whether the host exists is known after `resolve`.

use crate::reactor::DEFAULT_PORT;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::str::FromStr;

/// A host, by name or address, and a port that is not 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HostPort {
    /// A name, or an address (IPv6 without its brackets).
    host: String,
    port: u16,
}

impl HostPort {
    /// Its addresses, at least one. The system resolves them, which may take seconds.
    pub(super) fn resolve(&self) -> Result<Vec<SocketAddr>, String> {
        let addresses = (self.host.as_str(), self.port).to_socket_addrs();
        let addresses: Vec<SocketAddr> = addresses.map_err(|error| error.to_string())?.collect();
        match addresses.is_empty() {
            true => Err("it has no address".into()),
            false => Ok(addresses),
        }
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl FromStr for HostPort {
    type Err = String;

    /// Parses `HOST:PORT`, where an IPv6 address has brackets.
    fn from_str(text: &str) -> Result<HostPort, String> {
        let (host, port) = split_port(text)?;
        match port {
            _ if host.is_empty() => Err(format!("no host: {text} (HOST:PORT)")),
            None => Err(format!("no port: {text} (HOST:PORT)")),
            Some(0) => Err(format!("port out of range: {text} (1 to 65535)")),
            Some(port) => Ok(HostPort {
                host: host.to_owned(),
                port,
            }),
        }
    }
}

/// Parses `ADDR`, `ADDR:PORT` or `:PORT`, where an IPv6 address has brackets. The default address
/// is the IPv6 wildcard, which serves IPv4 as well; port 0 is any free port.
pub(super) fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let (host, port) = split_port(text)?;
    let wrong = |_| format!("not an address: {host} (a numeric IP, and IPv6 in brackets)");
    let ip = match host {
        "" if port.is_none() => return Err("the address is empty".into()),
        "" => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        host => host.parse().map_err(wrong)?,
    };
    Ok(SocketAddr::new(ip, port.unwrap_or(DEFAULT_PORT)))
}

/// Splits a host, without its brackets, from the port.
fn split_port(text: &str) -> Result<(&str, Option<u16>), String> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let port = port.map(parse_port).transpose()?;
    let Some(rest) = host.strip_prefix('[') else {
        return match host.contains(':') {
            true => Err(format!(
                "more than one colon: {text} (write IPv6 in brackets)"
            )),
            false => Ok((host, port)),
        };
    };
    let wrong = || format!("wrong brackets: {text} ([ADDR]:PORT)");
    let host = rest.strip_suffix(']').ok_or_else(wrong)?;
    match host.parse::<Ipv6Addr>() {
        Ok(_) => Ok((host, port)),
        Err(_) => Err(format!("not an IPv6 address: {host}")),
    }
}

fn parse_port(text: &str) -> Result<u16, String> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("not a port: '{text}' (a number from 0 to 65535)"));
    }
    let wrong = |_| format!("port out of range: {text} (0 to 65535)");
    text.parse().map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_to_listen_on_has_defaults_for_what_is_absent() {
        let listen = |text: &str| listen_address(text).map(|address| address.to_string());
        let cases = [
            ("127.0.0.1", "127.0.0.1:4160"),
            ("127.0.0.1:0", "127.0.0.1:0"),
            ("[::1]", "[::1]:4160"),
            ("[::1]:65535", "[::1]:65535"),
            (":80", "[::]:80"),
        ];
        for (text, address) in cases {
            assert_eq!(listen(text).as_deref(), Ok(address));
        }
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
        let text = |text| parse(text).map(|host| host.to_string());
        assert_eq!(text("pi.local:4160").as_deref(), Ok("pi.local:4160"));
        assert_eq!(text("[::1]:4160").as_deref(), Ok("[::1]:4160"));
        for wrong in ["pi", ":1", "pi:0", "pi:65536", "pi:x", "::1:4160", "[pi]:1"] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
