//! The target of a fetch, from an operand of the command line.
//!
//! Reads a `.torrent` file and resolves the providers of a link; contacts no node.

use super::console::Console;
use super::exit::Exit;
use super::host_port::HostPort;
use crate::id::FileId;
use crate::limits::METAINFO_SIZE_MAX;
use crate::reactor::Error;
use crate::service::format;
use crate::wire::{Link, Manifest};
use std::fs::File;
use std::io::Read as _;
use std::net::SocketAddr;
use std::path::Path;

pub(super) struct Target {
    pub(super) file: FileId,
    /// Known from a `.torrent` file.
    pub(super) manifest: Option<Manifest>,
    /// The providers of a link that can be resolved.
    pub(super) providers: Vec<SocketAddr>,
}

impl Target {
    /// Parses a magnet URI, an id, or the path of a `.torrent` file, which it reads.
    pub(super) fn read(text: &str, console: &Console) -> Result<Target, Exit> {
        let (mut manifest, mut providers) = (None, Vec::new());
        let file = if text.starts_with("magnet:") {
            let wrong = |error| Exit::Usage(format!("malformed link: {error}: {text}"));
            let link = Link::parse(text).map_err(wrong)?;
            providers = link
                .providers
                .iter()
                .flat_map(|host| resolve(host, console))
                .collect();
            link.file
        } else if let Ok(file) = text.parse() {
            file
        } else if Path::new(text).exists() {
            manifest.insert(read_metainfo(Path::new(text))?).file_id()
        } else {
            return Err(Exit::Usage(format!(
                "not a link: {text} (a magnet URI, 40 hexadecimal digits, or a .torrent file's \
                 path)"
            )));
        };
        Ok(Target {
            file,
            manifest,
            providers,
        })
    }
}

fn read_metainfo(path: &Path) -> Result<Manifest, Error> {
    let what = format!("read {}", path.display());
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| {
            file.take(METAINFO_SIZE_MAX as u64 + 1)
                .read_to_end(&mut bytes)
        })
        .map_err(|error| Error::new(what.as_str(), error))?;
    if bytes.len() > METAINFO_SIZE_MAX {
        let limit = format::size(METAINFO_SIZE_MAX as u64);
        let why = format!("larger than a .torrent file can be ({limit})");
        return Err(Error::because(what, &why));
    }
    let wrong = |error| Error::because(what, &format!("not a .torrent file: {error}"));
    Manifest::take_metainfo(bytes).map_err(wrong)
}

/// A provider that cannot be resolved is no failure: the network may know others.
fn resolve(text: &str, console: &Console) -> Vec<SocketAddr> {
    let addresses = text.parse().and_then(|host: HostPort| host.resolve());
    addresses.unwrap_or_else(|error| {
        console.info(format!("skipping the link's provider {text}: {error}"));
        Vec::new()
    })
}
