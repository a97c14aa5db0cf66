//! Names: what a file, a folder, and the components of a path within it may be called.
//!
//! Names come from strangers and become names on disk. What passes here stays below the folder it
//! is joined to, is shown on a terminal without harm, and can be stored by the file systems that
//! small computers mount: ext4, and the FAT and exFAT of cards and sticks. This is about text only;
//! that no link leads elsewhere on the way is for whoever opens the file.
//!
//! Invariant: the paths of one folder name different files, also where case does not count.

use crate::limits::{NAME_SIZE_MAX, PATH_DEPTH_MAX};
use std::fmt;

/// Why a text is not a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    /// It is empty.
    Empty,
    /// It is longer than [`NAME_SIZE_MAX`] bytes.
    TooLong,
    /// It is not UTF-8.
    NotUtf8,
    /// It is `.` or `..`.
    Dots,
    /// It has a `/` or `\`.
    Separator,
    /// It has a control character: a newline, an escape, NUL.
    Control,
    /// It ends with a dot or a space. FAT, exFAT and SMB drop these, so that two names become one
    /// file.
    DroppedEnd,
    /// It is what Windows calls a device, as `CON` or `com1.txt`.
    Device,
    /// The path has no component.
    NoComponent,
    /// The path has more than [`PATH_DEPTH_MAX`] components.
    TooDeep,
}

/// What is wrong with two paths of one folder; each names the later of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// The path at this index is an earlier one's, or is where case does not count.
    Repeated(usize),
    /// One of the path at this index and an earlier one needs the other, a file, as folder.
    FileAsFolder(usize),
}

/// The name that `bytes` are.
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

/// Appends the component that `bytes` are to `path`, which has `depth` of them.
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

/// Checks that the paths (of names joined with `/`) can all be files of one folder.
///
/// Case is folded character by character as `char::to_lowercase` does. That is no full case folding
/// and no normalisation: `ß` and `ss`, or the two spellings of `é`, count as different. It takes
/// memory of the paths once more, and eight bytes for each.
///
/// # Errors
/// The first conflict in the order of the folded paths.
pub fn check_paths(paths: impl Iterator<Item = impl AsRef<str>>) -> Result<(), Conflict> {
    let mut folded = String::new();
    // Where each begins; the last number is where the last ends.
    let mut starts = vec![0u32];
    for path in paths {
        // A separator below every character of a name puts all that is in a folder right behind the
        // folder's own path.
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

/// Whether Windows takes it for a device, whatever its extension and case.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end();
    let is = |device: &str| stem.eq_ignore_ascii_case(device);
    if ["con", "prn", "aux", "nul", "conin$", "conout$"]
        .into_iter()
        .any(is)
    {
        return true;
    }
    // To Windows, a raised digit is a digit, too.
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
