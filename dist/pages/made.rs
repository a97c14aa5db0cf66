//! The files that have parts made from the help, and their current text.

use super::{completions, help, page};
use std::fs;
use std::path::{Path, PathBuf};

const README: &str = "README.md";
pub const PAGE: &str = "dist/sprat.1";
pub const BASH: &str = "dist/completions/sprat.bash";
pub const ZSH: &str = "dist/completions/_sprat";
pub const FISH: &str = "dist/completions/sprat.fish";

/// The path of a file of this project.
pub fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The text of a file of this project.
pub fn text(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Each file, and its text with the parts that the help of the program makes now.
pub fn files() -> [(&'static str, String); 5] {
    let commands = help::read();
    [
        (README, page::with_options(&text(README), &commands)),
        (PAGE, page::with_parts(&text(PAGE), &commands)),
        (BASH, completions::bash(&commands)),
        (ZSH, completions::zsh(&commands)),
        (FISH, completions::fish(&commands)),
    ]
}
