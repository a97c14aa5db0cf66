//! What `get` is to fetch, and where to: from the words of the command line.
//!
//! It reads a `.torrent` file and resolves the providers of a link; it talks to nobody.

use super::Exit;
use super::console::Console;
use super::exit::UsageError;
use super::format;
use super::host_port::HostPort;
use super::start;
use crate::id::FileId;
use crate::limits::METAINFO_SIZE_MAX;
use crate::reactor::{self, OutputPath};
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
    let Some(path) = given else {
        return Ok(OutputPath::In(PathBuf::from(".")));
    };
    if let Ok(there) = path.metadata() {
        if !there.is_dir() && !there.is_file() {
            return Err(Exit::Failed(format!(
                "cannot write {}: neither a file nor a folder (name another place with -o)",
                path.display()
            )));
        }
        // Whether a folder that exists is the fetched one or the place for it, only the manifest
        // can tell: `OutputPath::resolve` decides.
        return Ok(OutputPath::Named(path.to_owned()));
    }
    let text = path.as_os_str().as_encoded_bytes();
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let missing = match parent {
        _ if text.ends_with(b"/") => Some(path),
        Some(parent) if !parent.is_dir() => Some(parent),
        _ => None,
    };
    match missing {
        Some(folder) => Err(Exit::Failed(format!(
            "cannot write {}: no such folder: {} (make it first)",
            path.display(),
            folder.display()
        ))),
        None => Ok(OutputPath::Named(path.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_is_a_folder_that_exists_or_a_name_in_one() {
        assert!(matches!(output_path(None), Ok(OutputPath::In(_))));
        assert!(matches!(
            output_path(Some(Path::new("src"))),
            Ok(OutputPath::Named(_))
        ));
        assert!(matches!(
            output_path(Some(Path::new("name"))),
            Ok(OutputPath::Named(_))
        ));
        assert!(matches!(
            output_path(Some(Path::new("src/name"))),
            Ok(OutputPath::Named(_))
        ));
        assert!(matches!(
            output_path(Some(Path::new("no/name"))),
            Err(Exit::Failed(_))
        ));
        assert!(matches!(
            output_path(Some(Path::new("folder/"))),
            Err(Exit::Failed(_))
        ));
        assert!(matches!(
            output_path(Some(Path::new("/dev/null"))),
            Err(Exit::Failed(_))
        ));
    }
}
