//! Lists what a path to be shared holds, in an order that depends on names alone.
//!
//! Entries are sorted by path, component by component, as bytes: the same tree gives the same
//! manifest, hence the same file id, on every machine. Symbolic links inside a folder are left out
//! with a warning (what they point to may lie outside, or be elsewhere at the receiver's); the path
//! itself may be one. Sockets, devices and pipes are refused. Folders without files do not appear:
//! BEP 3 has no word for them.

use super::fingerprint::{FileRow, Fingerprint};
use super::layout::Layout;
use super::swarm_files::Walked;
use crate::limits::{ENTRIES_MAX, PATH_DEPTH_MAX};
use crate::node::ShareSpec;
use crate::reactor::error::Error;
use crate::wire::entries::Listing;
use crate::wire::name;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};

/// Walks `path`; returns the disk's part and the node's part of the result.
pub fn walk(path: &Path) -> Result<(Walked, ShareSpec), Error> {
    let failed = |error| Error::new(format!("share {}", path.display()), error);
    let real = fs::canonicalize(path).map_err(failed)?;
    let metadata = fs::metadata(&real).map_err(failed)?;
    // The name that the owner uses, unless it is none (`.`, `..`, `/`).
    let name = path.file_name().or(real.file_name());
    let name = name.ok_or_else(|| failed(io::Error::other("it has no name")))?;
    let name = text(path, name.to_str())?.to_string();
    check_name(path, &name)?;
    let mut found = Found::default();
    let folder = if metadata.is_dir() {
        descend(&real, Path::new(""), 1, &mut found)?;
        real.clone()
    } else {
        found.add(&real, Path::new(""), &metadata)?;
        // A regular file has a parent.
        real.parent().map(Path::to_path_buf).unwrap_or_default()
    };
    let Found { names, mut rows } = found;
    let names = names.finish().map_err(|(_, inner)| {
        let why = "where case does not count, another has that path (rename one)";
        Error::because(format!("share {}", path.join(inner).display()), why)
    })?;
    rows.shrink_to_fit();
    let spec = ShareSpec {
        name,
        entries: names.clone(),
        folder: metadata.is_dir(),
    };
    let real_name = real.file_name().map(PathBuf::from).unwrap_or_default();
    let layout = Layout {
        path: real,
        is_folder: metadata.is_dir(),
        folder,
        names,
        file_name: real_name,
    };
    Ok((Walked { layout, rows }, spec))
}

/// The files that a walk has found so far.
#[derive(Default)]
struct Found {
    names: Listing,
    rows: Vec<FileRow>,
}

fn descend(root: &Path, inner: &Path, depth: usize, found: &mut Found) -> Result<(), Error> {
    let here = root.join(inner);
    let failed = |error| Error::new(format!("read {}", here.display()), error);
    if depth > PATH_DEPTH_MAX {
        return Err(failed(io::Error::other("too many folders in one another")));
    }
    let mut names = vec![];
    for item in fs::read_dir(&here).map_err(failed)? {
        names.push(item.map_err(failed)?.file_name());
        if found.rows.len() + names.len() > ENTRIES_MAX {
            let why = format!("more than {ENTRIES_MAX} files and folders");
            return Err(failed(io::Error::other(why)));
        }
    }
    // `OsString` orders by bytes on Unix.
    names.sort_unstable();
    for name in names {
        let inner = inner.join(name);
        let path = root.join(&inner);
        let metadata = fs::symlink_metadata(&path)
            .map_err(|error| Error::new(format!("read {}", path.display()), error))?;
        if metadata.is_dir() {
            descend(root, &inner, depth + 1, found)?;
        } else if metadata.is_symlink() {
            log::warn!("{} is a symbolic link: not shared", path.display());
        } else {
            found.add(&path, &inner, &metadata)?;
        }
    }
    Ok(())
}

impl Found {
    /// Adds a file, which must be a regular one that we may read.
    fn add(&mut self, path: &Path, inner: &Path, metadata: &Metadata) -> Result<(), Error> {
        let doing = || format!("share {}", path.display());
        if !metadata.is_file() {
            return Err(Error::because(doing(), "neither a file nor a folder"));
        }
        rustix::fs::access(path, rustix::fs::Access::READ_OK)
            .map_err(|errno| Error::new(doing(), errno.into()))?;
        let inner = text(inner, inner.to_str())?;
        let mut names = inner.split('/').filter(|name| !name.is_empty());
        names.try_for_each(|name| check_name(path, name))?;
        self.names.push(inner, metadata.len());
        self.rows.push(FileRow::new(Fingerprint::of(metadata)));
        Ok(())
    }
}

/// A name that no manifest may have is found before everything is read and hashed.
fn check_name(path: &Path, name: &str) -> Result<(), Error> {
    let checked = name::parse(name.as_bytes()).map(drop);
    checked.map_err(|error| {
        let doing = format!("share {}", path.display());
        Error::because(doing, &format!("{error} (rename it)"))
    })
}

/// A name as text: a manifest holds nothing else.
fn text<'a>(path: &Path, name: Option<&'a str>) -> Result<&'a str, Error> {
    name.ok_or_else(|| {
        Error::because(
            format!("share {}", path.display()),
            "its name is not Unicode text",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let base = tempfile::tempdir().unwrap();
        for file in files {
            let path = base.path().join("root").join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        base
    }

    fn listed(base: &tempfile::TempDir) -> Vec<String> {
        let (_, spec) = walk(&base.path().join("root")).unwrap();
        spec.entries.paths().collect()
    }

    #[test]
    fn entries_are_sorted_component_by_component() {
        // As whole strings, `a-b` would come before `a/c`.
        let base = tree(&["a/c", "a-b", "é", "Z", "a/b/d", "b"]);
        fs::create_dir(base.path().join("root/empty")).unwrap();
        assert_eq!(listed(&base), ["Z", "a/b/d", "a/c", "a-b", "b", "é"]);
    }

    #[test]
    fn one_file_has_one_entry_without_a_path() {
        let base = tree(&["file"]);
        let (walked, spec) = walk(&base.path().join("root/file")).unwrap();
        assert_eq!(spec.name, "file");
        assert_eq!(spec.entries, crate::wire::Entries::single(4));
        assert!(!spec.folder);
        assert_eq!(walked.layout.entry_path(0), walked.layout.path);
    }

    #[test]
    fn links_are_left_out_and_special_files_refused() {
        let base = tree(&["file"]);
        let root = base.path().join("root");
        std::os::unix::fs::symlink("file", root.join("link")).unwrap();
        assert_eq!(listed(&base), ["file"]);
        // The path itself may be a link, whose name is used.
        let (walked, spec) = walk(&root.join("link")).unwrap();
        assert_eq!(
            (spec.name.as_str(), walked.layout.names.total()),
            ("link", 4)
        );
        let socket = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
        let error = walk(&root).err().unwrap().to_string();
        assert!(
            error.ends_with("root/socket: neither a file nor a folder"),
            "{error}"
        );
        drop(socket);
    }

    #[test]
    fn a_name_that_no_manifest_may_have_is_told_with_its_path() {
        let refused = |files: &[&str]| {
            let base = tree(files);
            walk(&base.path().join("root")).err().unwrap().to_string()
        };
        let text = refused(&["good", "sub/aux.txt"]);
        assert!(
            text.contains("root/sub/aux.txt: a name is reserved"),
            "{text}"
        );
        let text = refused(&["a\\b"]);
        assert!(text.contains("root/a\\b: a name has a / or"), "{text}");
        let text = refused(&["sub/README", "sub/readme"]);
        assert!(
            text.contains("root/sub/readme: where case does not count, another has that path"),
            "{text}"
        );
    }

    #[test]
    fn missing_unnamable_and_deep_paths_are_errors() {
        let base = tree(&["file"]);
        let root = base.path().join("root");
        let error = walk(&root.join("missing")).err().unwrap().to_string();
        assert!(
            error.ends_with("root/missing: no such file or directory"),
            "{error}"
        );
        fs::write(root.join(OsStr::from_bytes(b"\xff")), "").unwrap();
        assert!(
            walk(&root)
                .err()
                .unwrap()
                .to_string()
                .contains("not Unicode")
        );
        let base =
            tree(&[&"d/".repeat(PATH_DEPTH_MAX - 1), "x"].map(|part| part.trim_end_matches('/')));
        assert_eq!(listed(&base).len(), 2);
        let base = tree(&[&format!("{}x", "d/".repeat(PATH_DEPTH_MAX))]);
        assert!(
            walk(&base.path().join("root"))
                .err()
                .unwrap()
                .to_string()
                .contains("too many")
        );
    }
}
