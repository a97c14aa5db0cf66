//! The project's files, as the rules read them.

use std::fs;
use std::path::{Path, PathBuf};

pub struct Source {
    /// Relative to the project: `src/kad/table.rs`.
    pub path: String,
    pub text: String,
}

impl Source {
    /// Names of the modules that it is in, its own last: `kad`, `table`. None for `lib.rs`.
    pub fn modules(&self) -> Vec<&str> {
        let inner = self.path.strip_prefix("src/").unwrap_or(&self.path);
        let inner = inner.strip_suffix(".rs").unwrap_or(inner);
        let inner = inner.strip_suffix("/mod").unwrap_or(inner);
        let names = inner.split('/');
        names
            .filter(|name| !matches!(*name, "lib" | "main"))
            .collect()
    }

    /// Whether it is only compiled for unit tests.
    pub fn is_test(&self) -> bool {
        self.path.contains("/tests/") || self.path.ends_with("/tests.rs")
    }
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The Rust files below a folder, sorted by path.
pub fn rust_files(folder: &str) -> Vec<Source> {
    let mut found = files(folder);
    found.retain(|source| source.path.ends_with(".rs"));
    assert!(found.len() >= 3, "{folder} has Rust files");
    found
}

/// The text files below a folder, sorted by path; build output and fuzz corpora are left out.
pub fn files(folder: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let is_output = ["target", "corpus", "artifacts"]
                .iter()
                .any(|name| path.ends_with(name));
            if path.is_dir() && !is_output {
                folders.push(path);
            } else if path.is_file() {
                found.extend(read(path));
            }
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

/// A file that is text.
fn read(path: PathBuf) -> Option<Source> {
    let text = String::from_utf8(fs::read(&path).unwrap()).ok()?;
    let path = path.strip_prefix(root()).unwrap().to_str()?.to_owned();
    Some(Source { path, text })
}

pub fn file(path: &str) -> Source {
    read(root().join(path)).unwrap_or_else(|| panic!("{path} is text"))
}
