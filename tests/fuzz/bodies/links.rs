//! Links: what parses is shown as a link that parses to the same.

use super::manifests::assert_safe_name;
use sprat::limits::{LINK_PROVIDERS_MAX, LINK_SIZE_MAX};
use sprat::wire::Link;

/// The body of the target.
pub fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Ok(link) = Link::parse(&text) else {
        return;
    };
    assert!(text.len() <= LINK_SIZE_MAX);
    assert!(link.providers.len() <= LINK_PROVIDERS_MAX);
    if let Some(name) = &link.name {
        assert_safe_name(name);
    }
    for provider in &link.providers {
        let (host, port) = provider.rsplit_once(':').expect("a host and a port");
        assert!(!host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0));
    }
    let shown = link.to_string();
    assert!(shown.is_ascii() && !shown.contains([' ', '"', '<', '>']));
    assert_eq!(Link::parse(&shown).as_ref(), Ok(&link), "{shown}");
}
