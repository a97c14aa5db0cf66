//! Opening files beneath a folder, and nowhere else.
//!
//! Paths come from manifests, hence from strangers. The names are checked by `wire`, and here the
//! system itself is asked not to leave the folder and not to follow a link on the way (`openat2`,
//! Linux 5.6). Where it cannot, or a sandbox forbids it, each component is opened without following
//! links.
//!
//! Invariant: only a regular file is opened, and every folder above it below `root` is a real one.

use rustix::fs::{self, CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path};

/// The purpose of opening a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Read,
    Write,
    /// As `Write`; it is made, with its folders, when it is not there.
    Create,
}

/// Opens `path` beneath the folder `root`.
pub fn open(root: &Path, path: &Path, access: Access) -> io::Result<File> {
    let root = folder(root)?;
    let (flags, mode) = match access {
        Access::Read => (OFlags::RDONLY, Mode::empty()),
        Access::Write => (OFlags::RDWR, Mode::empty()),
        Access::Create => (OFlags::RDWR | OFlags::CREATE, Mode::from_raw_mode(0o666)),
    };
    // Without NONBLOCK, opening a FIFO would wait for its other end.
    let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    if access == Access::Create {
        descend(&root, path, true)?;
    }
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let file = match fs::openat2(&root, path, flags, mode, resolve) {
        Err(Errno::NOSYS | Errno::PERM) => open_stepwise(&root, path, flags, mode)?,
        result => result?,
    };
    let file = File::from(file);
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other("not a regular file")),
    }
}

/// Opens a folder, for files beneath it or to sync it. The owner named it, so links are followed.
pub fn folder(path: &Path) -> io::Result<OwnedFd> {
    // The parent of a bare name is the empty path.
    let path = match path.as_os_str().is_empty() {
        true => Path::new("."),
        false => path,
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(fs::openat(CWD, path, flags, Mode::empty())?)
}

/// Makes the folder `name` in the folder `root` if it is not there, and opens it: itself, never
/// what a link of that name leads to.
pub fn make_folder(root: &OwnedFd, name: &OsStr) -> io::Result<OwnedFd> {
    make_if_absent(root.as_fd(), name)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(fs::openat(root, name, flags, Mode::empty())?)
}

fn open_stepwise(root: &OwnedFd, path: &Path, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
    let (parent, name) = descend(root, path, false)?;
    Ok(fs::openat(
        parent.as_ref().unwrap_or(root),
        name,
        flags,
        mode,
    )?)
}

fn make_if_absent(root: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
    match fs::mkdirat(root, name, Mode::from_raw_mode(0o777)) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Opens the folders of `path` one by one, making them if asked; its last folder (none: `root`) and
/// name.
fn descend<'a>(
    root: &OwnedFd,
    path: &'a Path,
    make: bool,
) -> io::Result<(Option<OwnedFd>, &'a OsStr)> {
    let mut parts = path.components().map(|part| match part {
        Component::Normal(name) => Ok(name),
        _ => Err(io::Error::other("the path leaves its folder")),
    });
    let mut name = parts
        .next()
        .ok_or_else(|| io::Error::other("the path is empty"))??;
    let mut folder: Option<OwnedFd> = None;
    for part in parts {
        let at = folder.as_ref().unwrap_or(root).as_fd();
        if make {
            make_if_absent(at, name)?;
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        folder = Some(fs::openat(at, name, flags, Mode::empty())?);
        name = part?;
    }
    Ok((folder, name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_path_cannot_leave_its_folder() {
        let base = tempfile::tempdir().unwrap();
        let root = base.path().join("root");
        std::fs::create_dir_all(root.join("a")).unwrap();
        std::fs::create_dir(base.path().join("out")).unwrap();
        std::fs::write(base.path().join("out/secret"), "x").unwrap();
        std::fs::write(root.join("a/file"), "y").unwrap();
        symlink("../out", root.join("folder-link")).unwrap();
        symlink("a/file", root.join("file-link")).unwrap();
        let hostile = [
            "../out/secret",
            "folder-link/secret",
            "file-link",
            "/etc/hostname",
            "a/../../out/secret",
        ];
        let handle = folder(&root).unwrap();
        for path in hostile.map(Path::new) {
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW;
            assert!(open(&root, path, Access::Read).is_err(), "{path:?}");
            assert!(open(&root, path, Access::Create).is_err(), "{path:?}");
            let stepwise = open_stepwise(&handle, path, flags, Mode::empty());
            assert!(stepwise.is_err(), "{path:?}");
        }
        assert!(open(&root, Path::new("a/file"), Access::Read).is_ok());
        assert!(open_stepwise(&handle, Path::new("a/file"), OFlags::RDONLY, Mode::empty()).is_ok());
        let new = open(&root, Path::new("b/c/d"), Access::Create).unwrap();
        assert!(new.metadata().unwrap().is_file() && root.join("b/c/d").is_file());
        // Nothing came to be outside.
        assert_eq!(
            std::fs::read_dir(base.path().join("out")).unwrap().count(),
            1
        );
    }

    #[test]
    fn only_regular_files_are_opened() {
        let base = tempfile::tempdir().unwrap();
        let fifo = Mode::from_raw_mode(0o600);
        fs::mknodat(CWD, base.path().join("pipe"), fs::FileType::Fifo, fifo, 0).unwrap();
        std::fs::create_dir(base.path().join("folder")).unwrap();
        for path in ["pipe", "folder", "missing"].map(Path::new) {
            assert!(open(base.path(), path, Access::Read).is_err(), "{path:?}");
        }
    }
}
