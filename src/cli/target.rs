//! What `get` is to fetch, and where to: from the words of the command line.
//!
//! It reads a `.torrent` file and resolves the providers of a link; it talks to nobody.

use super::Exit;
use super::console::Console;
use super::exit::UsageError;
use super::host_port::HostPort;
use super::start;
use crate::id::FileId;
use crate::limits::METAINFO_SIZE_MAX;
use crate::reactor::{self, OutputPath};
use crate::service::format;
use crate::wire::{Link, Manifest};
use std::fs::File;
use std::io::Read as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// What a fetch begins with.
pub struct Target {
    /// The file.
    pub file: FileId,
    /// Its manifest, when it came with the words.
    pub manifest: Option<Manifest>,
    /// The providers that the link names, as far as they can be resolved.
    pub providers: Vec<SocketAddr>,
}

impl Target {
    /// Understands a magnet URI, an id, or the path of a metainfo file.
    pub fn read(text: &str, console: &Console) -> Result<Target, Exit> {
        if text.starts_with("magnet:") {
            let link = Link::parse(text)
                .map_err(|error| UsageError(format!("malformed link: {error}: {text}")))?;
            let providers = link
                .providers
                .iter()
                .flat_map(|place| resolve(place, console));
            return Ok(Target {
                file: link.file,
                manifest: None,
                providers: providers.collect(),
            });
        }
        if let Ok(file) = text.parse() {
            return Ok(Target {
                file,
                manifest: None,
                providers: Vec::new(),
            });
        }
        let path = Path::new(text);
        if !path.exists() {
            return Err(UsageError(format!(
                "not a link: {text} (a magnet URI, 40 hexadecimal digits, or a .torrent file's \
                 path)"
            ))
            .into());
        }
        let manifest = read_metainfo(path)?;
        Ok(Target {
            file: manifest.file_id(),
            manifest: Some(manifest),
            providers: Vec::new(),
        })
    }
}

fn read_metainfo(path: &Path) -> Result<Manifest, Exit> {
    let reading = format!("read {}", path.display());
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| {
            file.take(METAINFO_SIZE_MAX as u64 + 1)
                .read_to_end(&mut bytes)
        })
        .map_err(|error| reactor::Error::new(reading.as_str(), error))?;
    if bytes.len() > METAINFO_SIZE_MAX {
        let limit = format::size(METAINFO_SIZE_MAX as u64);
        let why = format!("larger than a .torrent file can be ({limit})");
        return Err(reactor::Error::because(reading, &why).into());
    }
    let manifest = Manifest::take_metainfo(bytes);
    Ok(manifest.map_err(|error| {
        reactor::Error::because(reading, &format!("not a .torrent file: {error}"))
    })?)
}

/// A provider that cannot be resolved is no reason to fail: the network may know others.
fn resolve(place: &str, console: &Console) -> Vec<SocketAddr> {
    let place = match place.parse::<HostPort>() {
        Ok(place) => place,
        Err(error) => {
            console.info(format!("skipping a provider of the link: {error}"));
            return Vec::new();
        }
    };
    start::resolve(&place).unwrap_or_else(|error| {
        console.info(format!("skipping the link's provider {place}: {error}"));
        Vec::new()
    })
}

/// Where the file goes: the current folder, or a path that exists or can be made.
pub fn output_path(given: Option<&Path>) -> Result<OutputPath, Exit> {
    match given {
        Some(path) => Ok(OutputPath::given(path)?),
        None => Ok(OutputPath::In(PathBuf::from("."))),
    }
}
