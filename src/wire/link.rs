//! Links: magnet URIs.
use crate::id::FileId;

/// Where a file is to be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The file.
    pub file: FileId,
    /// What its maker called it.
    pub name: Option<String>,
    /// Providers, as `host:port`.
    pub providers: Vec<String>,
}
