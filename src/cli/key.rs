//! The key of a network: `sprat key` makes one, and nodes read it from its file.
//!
//! ```text
//! # The key of a sprat network. Every node that has it is a member: keep it secret.
//! 8d1f3c0a5e7b92644fd0b1a6c3e85d72
//! ```
//!
//! One line of 32 hexadecimal digits; empty lines and lines that begin with `#` are skipped.
//! `wire::network` uses the key.

use super::args::Args;
use super::console::{Console, print};
use super::exit::Exit;
use super::options::{Given, Options};
use crate::limits::KEY_FILE_MAX;
use crate::reactor::Error;
use crate::wire::network::KEY_SIZE;
use crate::wire::{Key, Network};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

/// Permission bits of users who are neither the owner nor of the group.
const OTHERS: u32 = 0o007;

pub(super) fn run(args: Args, console: &Console) -> Result<(), Exit> {
    let path = &args.operands[0];
    let mut bytes = [0; KEY_SIZE];
    getrandom::fill(&mut bytes)
        .map_err(|error| Exit::Failed(format!("the system gives no random bytes: {error}")))?;
    make(Path::new(path), &bytes).map_err(|error| {
        let advice = match error.kind() {
            io::ErrorKind::AlreadyExists => "a key is never overwritten: name another file",
            _ => "name a file in a folder that you can write to",
        };
        Error::new(format!("make the key {path}"), error).with_hint(advice)
    })?;
    console.info("copy it to each node, and name it there with --key");
    print(path)
}

/// Writes a key to a new file that only its owner can read.
fn make(path: &Path, key: &[u8; KEY_SIZE]) -> io::Result<()> {
    let digits: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    let text = format!(
        "# The key of a sprat network. Every node that has it is a member: keep it secret.\n\
         {digits}\n"
    );
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all());
    if written.is_err() {
        // Half a key is useless, and would make the next try fail.
        _ = fs::remove_file(path);
    }
    written
}

/// The network that the options name.
pub(super) fn network(options: &Options) -> Result<Network, Exit> {
    let name = options.network.as_deref().unwrap_or(Network::DEFAULT_NAME);
    let Some(Given { text: path, source }) = &options.key else {
        return Ok(Network::named(name));
    };
    match read(Path::new(path)) {
        Ok(key) => Ok(Network::with_key(name, key)),
        Err(error) => Err(Exit::Failed(format!("{source}: {error}"))),
    }
}

fn read(path: &Path) -> Result<Key, Error> {
    let what = || format!("use the key {}", path.display());
    let failed = |error: io::Error| {
        let advice = match error.kind() {
            io::ErrorKind::NotFound => "copy it from another node; sprat key FILE makes a new one",
            io::ErrorKind::PermissionDenied => "for the service, see dist/key.conf",
            _ => "a key is a file that sprat key FILE has made",
        };
        Error::new(what(), error).with_hint(advice)
    };
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if metadata.is_dir() {
        return Err(failed(io::ErrorKind::IsADirectory.into()));
    }
    if metadata.permissions().mode() & OTHERS != 0 {
        let error = Error::because(what(), "every user of this machine can read it");
        return Err(error.with_hint("let only its owner read it: chmod 600"));
    }
    let mut text = String::new();
    file.take(KEY_FILE_MAX)
        .read_to_string(&mut text)
        .map_err(failed)?;
    let none = || Error::because(what(), "it is not a line of 32 digits");
    parse(&text).ok_or_else(|| none().with_hint("sprat key FILE makes a key"))
}

fn parse(text: &str) -> Option<Key> {
    let is_of_key = |line: &&str| !line.is_empty() && !line.starts_with('#');
    let mut lines = text.lines().map(str::trim).filter(is_of_key);
    let (digits, None) = (lines.next()?, lines.next()) else {
        return None;
    };
    let is_hexadecimal = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if digits.len() != 2 * KEY_SIZE || !is_hexadecimal {
        return None;
    }
    let number = u128::from_str_radix(digits, 16).ok()?;
    Some(Key::new(number.to_be_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_is_read_again_and_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let bytes = std::array::from_fn(|index| index as u8);
        make(&path, &bytes).unwrap();
        assert_eq!(read(&path).unwrap(), Key::new(bytes));
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let error = make(&path, &[7; KEY_SIZE]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(read(&path).unwrap(), Key::new(bytes));
    }

    #[test]
    fn a_file_without_a_key_is_an_error_with_advice() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let error_of = |path: &Path| read(path).unwrap_err().to_string();
        assert!(
            error_of(&path).contains(": no such file or directory (copy it from another node;")
        );
        assert!(error_of(folder.path()).contains(": is a directory (a key is a file that"));
        let digits = "0123456789abcdef0123456789ABCDEF";
        let wrong = [
            String::new(),
            "# nothing\n".into(),
            digits[1..].into(),
            format!("{digits}0"),
            format!("+{}", &digits[1..]),
            digits.replace('0', "g"),
            format!("{digits}\n{digits}\n"),
        ];
        for text in wrong {
            fs::write(&path, &text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            let error = error_of(&path);
            assert!(
                error.ends_with(": it is not a line of 32 digits (sprat key FILE makes a key)"),
                "{text:?}: {error}"
            );
        }
        fs::write(&path, format!("\n# mine\n  {digits}  \n")).unwrap();
        let number: u128 = 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef;
        assert_eq!(read(&path).unwrap(), Key::new(number.to_be_bytes()));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o604)).unwrap();
        assert!(error_of(&path).ends_with(": chmod 600)"));
    }
}
