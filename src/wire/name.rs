//! The rules for names of files and folders, and for the paths in a folder.
//!
//! Names come from strangers and become names on disk. A valid name stays below the folder that it
//! is joined to, can be printed on a terminal, and can be stored by the file systems that small
//! computers mount: ext4, and FAT and exFAT on cards and sticks. The rules are about text only: the
//! code that opens the file deals with symbolic links on the way.
//!
//! Invariant: the paths of one folder name different files, even on a file system that ignores
//! case.

use crate::limits::{NAME_SIZE_MAX, PATH_DEPTH_MAX};
use std::fmt;

/// The rule that a name or path breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    /// The name has no characters.
    Empty,
    /// The name has more than [`NAME_SIZE_MAX`] bytes.
    TooLong,
    /// The name is not UTF-8.
    NotUtf8,
    /// The name is `.` or `..`.
    Dots,
    /// The name has a `/` or `\`.
    Separator,
    /// The name has a control character: a newline, an escape, NUL.
    Control,
    /// The name ends with a dot or a space. FAT, exFAT and SMB drop these, so that two names become
    /// one file.
    DroppedEnd,
    /// Windows reserves the name for a device, as `CON` or `com1.txt`.
    Device,
    /// The path has no component.
    NoComponent,
    /// The path has more than [`PATH_DEPTH_MAX`] components.
    TooDeep,
}

/// A conflict between two paths of one folder; it names the later of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// The path at this index equals an earlier one, ignoring case.
    Repeated(usize),
    /// The path at this index or an earlier one lies below the other, which is a file.
    FileAsFolder(usize),
}

/// Checks the bytes of a name against all rules.
///
/// # Errors
/// The first rule that it breaks.
pub fn parse(bytes: &[u8]) -> Result<&str, NameError> {
    if bytes.is_empty() {
        return Err(NameError::Empty);
    }
    if bytes.len() > NAME_SIZE_MAX {
        return Err(NameError::TooLong);
    }
    let name = std::str::from_utf8(bytes).map_err(|_| NameError::NotUtf8)?;
    if name == "." || name == ".." {
        return Err(NameError::Dots);
    }
    if name.contains(['/', '\\']) {
        return Err(NameError::Separator);
    }
    if name.contains(char::is_control) {
        return Err(NameError::Control);
    }
    if name.ends_with(['.', ' ']) {
        return Err(NameError::DroppedEnd);
    }
    if is_device(name) {
        return Err(NameError::Device);
    }
    Ok(name)
}

/// Checks the bytes of a component and appends it to `path`, which has `depth` components.
///
/// # Errors
/// `TooDeep`, and those of [`parse`].
pub fn join(path: &mut String, depth: usize, bytes: &[u8]) -> Result<(), NameError> {
    if depth >= PATH_DEPTH_MAX {
        return Err(NameError::TooDeep);
    }
    let name = parse(bytes)?;
    if depth > 0 {
        path.push('/');
    }
    path.push_str(name);
    Ok(())
}

/// Checks that the paths (names joined with `/`) can all be files of one folder.
///
/// Case is folded character by character with `char::to_lowercase`, without full case folding and
/// normalisation: `ß` and `ss`, or the two spellings of `é`, are different. The check takes as much
/// memory as the paths, and eight bytes for each.
///
/// # Errors
/// The first conflict in the order of the folded paths.
pub fn check_paths(paths: impl Iterator<Item = impl AsRef<str>>) -> Result<(), Conflict> {
    let mut folded = String::new();
    // Offsets at which the paths begin, and the end of the last one.
    let mut starts = vec![0u32];
    for path in paths {
        // A separator that sorts below every character of a name puts the content of a folder right
        // after the folder's own path.
        let lower = path.as_ref().chars().flat_map(char::to_lowercase);
        folded.extend(lower.map(|folded| if folded == '/' { '\0' } else { folded }));
        starts.push(u32::try_from(folded.len()).unwrap_or(u32::MAX));
    }
    let text = |index: u32| {
        let index = index as usize;
        let span = starts.get(index..index.saturating_add(2));
        let &[start, end] = span.unwrap_or_default() else {
            return "";
        };
        folded.get(start as usize..end as usize).unwrap_or_default()
    };
    let mut order: Vec<u32> = (0..starts.len().saturating_sub(1) as u32).collect();
    order.sort_unstable_by(|&one, &other| text(one).cmp(text(other)).then(one.cmp(&other)));
    for (&earlier, &later) in order.iter().zip(order.iter().skip(1)) {
        let index = earlier.max(later) as usize;
        match text(later).strip_prefix(text(earlier)) {
            Some("") => return Err(Conflict::Repeated(index)),
            Some(rest) if rest.starts_with('\0') => return Err(Conflict::FileAsFolder(index)),
            _ => {}
        }
    }
    Ok(())
}

/// Whether Windows takes the name for a device, ignoring its extension and case.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end();
    let is = |device: &str| stem.eq_ignore_ascii_case(device);
    if ["con", "prn", "aux", "nul", "conin$", "conout$"]
        .into_iter()
        .any(is)
    {
        return true;
    }
    // Windows takes a superscript digit for a digit.
    let is_digit = |last| matches!(last, '1'..='9' | '¹' | '²' | '³');
    let numbered = stem.strip_suffix(is_digit);
    numbered.is_some_and(|stem| {
        ["com", "lpt"]
            .iter()
            .any(|port| stem.eq_ignore_ascii_case(port))
    })
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NameError::Empty => f.write_str("a name is empty"),
            NameError::TooLong => write!(f, "a name has more than {NAME_SIZE_MAX} bytes"),
            NameError::NotUtf8 => f.write_str("a name is not UTF-8"),
            NameError::Dots => f.write_str("a name is . or .."),
            NameError::Separator => f.write_str("a name has a / or \\"),
            NameError::Control => f.write_str("a name has a control character"),
            NameError::DroppedEnd => f.write_str("a name ends with a dot or a space"),
            NameError::Device => f.write_str("a name is reserved for a device, as CON or LPT1"),
            NameError::NoComponent => f.write_str("a path is empty"),
            NameError::TooDeep => write!(f, "a path has more than {PATH_DEPTH_MAX} components"),
        }
    }
}

impl std::error::Error for NameError {}
