//! The reading path of `src/lib.rs`: its files exist, and it can be read in one sitting.

use super::sources::root;
use std::fs;

/// Lines of all its files, unit tests aside.
const LINES_MAX: usize = 7_000;

/// The files of the path: the first column of the table below its heading.
fn path(lib: &str) -> Vec<&str> {
    let section = lib.split("# The reading path").nth(1).unwrap_or_default();
    let rows = section
        .lines()
        .filter_map(|line| line.strip_prefix("//! | `"));
    rows.filter_map(|row| row.split('`').next()).collect()
}

#[test]
fn the_reading_path_is_short_and_its_files_exist() {
    let lib = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let files = path(&lib);
    assert!(files.len() > 10, "the table of the path has a row a file");
    let mut sum = 0;
    for file in files {
        let text = fs::read_to_string(root().join("src").join(file));
        let text = text.unwrap_or_else(|error| panic!("{file} of the reading path: {error}"));
        let end = text.find("\nmod tests {").unwrap_or(text.len());
        let lines = text[..end].lines().count();
        println!("{lines:5} {file}");
        sum += lines;
    }
    println!("{sum:5} in all");
    assert!(sum <= LINES_MAX, "the reading path has {sum} lines");
}

#[test]
fn the_table_is_read_row_by_row() {
    let lib = "//! | `a.rs` | x |\n//! # The reading path\n//! | file |\n//! | `b.rs` | y |\n";
    assert_eq!(path(lib), ["b.rs"]);
}
