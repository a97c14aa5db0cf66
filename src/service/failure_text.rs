//! Failures of fetches and shares in words: the failure, its place, and a remedy.

use super::format;
use crate::id::FileId;
use crate::node::{DiskError, Failure};
use std::path::Path;

/// The message of a fetch of `file` to `path` (once known); `met` says whether there was a stream
/// with anyone, and `disk` has the system's words.
pub fn of_fetch(
    file: FileId,
    cause: Failure,
    met: bool,
    path: Option<&Path>,
    disk: Option<&str>,
) -> String {
    let path = path.map_or_else(|| file.to_string(), |path| path.display().to_string());
    match cause {
        Failure::Nobody { asked: 0 } => format!(
            "no node answers for {file} (is the sharer running, can it be reached, and is it of \
             this network: the same --network and --key?)"
        ),
        Failure::Nobody { asked } => format!(
            "nobody in the network has {file} (asked {}; is the sharer running and joined to the \
             same network: the same --network and --key?)",
            format::count(asked.into(), "node")
        ),
        Failure::Incomplete { missing } => format!(
            "incomplete: {}; {} of {file} missing (what has arrived is kept; {})",
            match met {
                true => "nobody who can be reached has the rest, or sends it right",
                false => "no provider can be reached",
            },
            format::count(missing.into(), "shard"),
            match met {
                true => "try again when others have it",
                false => "is one running, and of this network: the same --network and --key?",
            },
        ),
        Failure::NoContacts => format!(
            "no node to ask for {file} (name one with -b HOST:PORT, or use a link with an x.pe)"
        ),
        Failure::OtherFile | Failure::Disk(DiskError::Exists) => format!(
            "output exists and is another file: {path} (move it away, or name another with -o)"
        ),
        Failure::Disk(error) => {
            let what = disk.map_or_else(|| format!("cannot use {path}: {error}"), str::to_owned);
            match error {
                DiskError::NoSpace => format!(
                    "no space: {what} (free some, or name another place with -o; what has arrived \
                     is kept)"
                ),
                DiskError::Denied => format!("{what} (name another place with -o)"),
                _ => format!("disk trouble: {what} (what has arrived is kept; try again)"),
            }
        }
        Failure::Known => format!("{file} is shared or fetched by this node already"),
        Failure::Removed => format!("{file} was removed"),
        Failure::Manifest(error) => format!("the manifest of {file} breaks a limit: {error}"),
    }
}

/// The message of a share of `path`; `disk` has the system's words.
pub fn of_share(path: &Path, cause: Failure, disk: Option<&str>) -> String {
    let path = path.display();
    match cause {
        Failure::Disk(error) => match disk {
            Some(message) => format!("cannot share {path}: {message}"),
            None => format!("cannot share {path}: {error}"),
        },
        Failure::Manifest(error) => format!("cannot share {path}: {error}"),
        Failure::Known => format!("cannot share {path}: the same file is shared already"),
        other => format!("cannot share {path}: {other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_where_and_what_to_do() {
        let file = FileId::default();
        let text = of_fetch(file, Failure::Nobody { asked: 1 }, false, None, None);
        let zeros = "0".repeat(40);
        assert!(text.starts_with(&format!(
            "nobody in the network has {zeros} (asked 1 node; "
        )));
        let text = of_fetch(file, Failure::Nobody { asked: 0 }, false, None, None);
        assert!(text.starts_with(&format!("no node answers for {zeros} (")));
        let path = Some(Path::new("/out"));
        let text = of_fetch(file, Failure::OtherFile, true, path, None);
        assert!(text.starts_with("output exists and is another file: /out (move it away"));
        let text = of_fetch(
            file,
            Failure::Disk(DiskError::NoSpace),
            true,
            path,
            Some("/out.part: full"),
        );
        assert!(
            text.starts_with("no space: /out.part: full (free some"),
            "{text}"
        );
        let missing = |met| of_fetch(file, Failure::Incomplete { missing: 2 }, met, path, None);
        assert!(
            missing(false).starts_with("incomplete: no provider can be reached; 2 shards of 0")
        );
        assert!(missing(true).starts_with("incomplete: nobody who can be reached has the rest"));
        let busy = Some("cannot write /out.part: another sprat writes it at this moment");
        let text = of_fetch(file, Failure::Disk(DiskError::Denied), true, path, busy);
        assert!(
            text.starts_with("cannot write /out.part: another sprat") && !text.contains("move")
        );
    }
}
