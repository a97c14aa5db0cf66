//! Sizes: of files, functions, lines and structs; and docs that say nothing.
//!
//! Each rule is a function from a source text to its breaches.

use crate::rust::shipped;

/// Lines of a file, unit tests aside.
pub const FILE_LINES_MAX: usize = 500;
/// Lines of a function, its signature included.
const FUNCTION_LINES_MAX: usize = 70;
/// Letters of a line, of code and of comments.
const COLUMNS_MAX: usize = 100;
const FIELDS_MAX: usize = 24;
/// Words of a doc that is too short to say more than the name.
const THIN_WORDS_MAX: usize = 4;

pub fn long_files(text: &str) -> Vec<String> {
    let lines = shipped(text).lines().count();
    let is_long = lines > FILE_LINES_MAX;
    is_long
        .then(|| format!("{lines} lines (at most {FILE_LINES_MAX})"))
        .into_iter()
        .collect()
}

pub fn wide_lines(text: &str) -> Vec<String> {
    let lines = text.lines().enumerate();
    lines
        .filter(|(_, line)| line.chars().count() > COLUMNS_MAX)
        .map(|(index, line)| format!("line {} has {} columns", index + 1, line.chars().count()))
        .collect()
}

pub fn long_functions(text: &str) -> Vec<String> {
    let is_function = |line: &str| match after_visibility(line) {
        rest if rest.starts_with("fn ") || rest.starts_with("const fn ") => true,
        rest => rest.starts_with("unsafe fn "),
    };
    let blocks = blocks(shipped(text), is_function);
    let long = blocks.filter(|block| block.lines.len() > FUNCTION_LINES_MAX);
    long.map(|block| {
        format!(
            "line {} begins a function of {}",
            block.first,
            block.lines.len()
        )
    })
    .collect()
}

pub fn fat_structs(text: &str) -> Vec<String> {
    let is_struct =
        |line: &str| after_visibility(line).starts_with("struct ") && line.ends_with('{');
    let fields = |block: &Block<'_>| {
        let is_field = |line: &&&str| {
            let (name, _) = after_visibility(line).split_once(": ").unwrap_or_default();
            !name.is_empty()
                && name
                    .chars()
                    .all(|letter| letter.is_alphanumeric() || letter == '_')
        };
        block.lines.iter().filter(is_field).count()
    };
    let blocks = blocks(shipped(text), is_struct).map(|block| (block.first, fields(&block)));
    blocks
        .filter(|(_, fields)| *fields > FIELDS_MAX)
        .map(|(first, fields)| format!("line {first} begins a struct of {fields} fields"))
        .collect()
}

/// One-line docs of at most four words.
pub fn thin_docs(text: &str) -> Vec<String> {
    let lines: Vec<&str> = shipped(text).lines().map(str::trim_start).collect();
    let is_doc = |index: usize| lines.get(index).is_some_and(|line| line.starts_with("///"));
    let is_thin = |index: &usize| {
        let alone = is_doc(*index) && !is_doc(index + 1) && !is_doc(index.wrapping_sub(1));
        let words = lines[*index].split_whitespace().skip(1).count();
        alone && (1..=THIN_WORDS_MAX).contains(&words)
    };
    let thin = (0..lines.len()).filter(is_thin);
    thin.map(|index| format!("line {}: {}", index + 1, lines[index]))
        .collect()
}

/// Lines from one that begins an item to the one that closes it at the same indent.
struct Block<'a> {
    /// The number of its first line, from 1.
    first: usize,
    lines: Vec<&'a str>,
}

fn blocks(text: &str, begins: impl Fn(&str) -> bool) -> impl Iterator<Item = Block<'_>> {
    let lines: Vec<&str> = text.lines().collect();
    let starts: Vec<usize> = (0..lines.len())
        .filter(|&index| begins(lines[index]))
        .collect();
    starts.into_iter().filter_map(move |start| {
        let indent = lines[start].len() - lines[start].trim_start().len();
        let closing = format!("{}}}", " ".repeat(indent));
        let rest = &lines[start..];
        // A declaration without a body ends before another item begins.
        let end = rest.iter().position(|line| line.starts_with(&closing))?;
        let lines = rest[..=end].to_vec();
        Some(Block {
            first: start + 1,
            lines,
        })
    })
}

/// A line without its indent and what says from where an item can be named.
fn after_visibility(line: &str) -> &str {
    let line = line.trim_start();
    match line.strip_prefix("pub") {
        Some(rest) if rest.starts_with('(') => rest.split_once(") ").map_or(rest, |(_, rest)| rest),
        Some(rest) if rest.starts_with(' ') => rest.trim_start(),
        _ => line,
    }
}

// -- proof that the rules can fail

#[test]
fn a_file_that_is_too_long_is_found() {
    let lines = |count: usize| "\n".repeat(count);
    assert_eq!(long_files(&lines(FILE_LINES_MAX)), [""; 0]);
    assert_eq!(long_files(&lines(FILE_LINES_MAX + 1)).len(), 1);
    let tested = format!(
        "x\n#[cfg(test)]\nmod tests {{\n{}}}\n",
        lines(FILE_LINES_MAX)
    );
    assert_eq!(long_files(&tested), [""; 0]);
}

#[test]
fn a_line_that_is_too_wide_is_found_in_code_and_in_comments() {
    let line =
        |start: &str, columns: usize| format!("{start}{}", "é".repeat(columns - start.len()));
    assert_eq!(wide_lines(&line("", COLUMNS_MAX)), [""; 0]);
    assert_eq!(wide_lines(&line("", COLUMNS_MAX + 1)).len(), 1);
    assert_eq!(wide_lines(&line("    /// ", COLUMNS_MAX + 1)).len(), 1);
}

#[test]
fn a_function_that_is_too_long_is_found() {
    let function = |start: &str, lines: usize| {
        format!(
            "impl X {{\n    {start}() {{\n{}    }}\n}}\n",
            "        f();\n".repeat(lines - 2)
        )
    };
    for start in [
        "fn f",
        "pub fn f",
        "pub(crate) fn f",
        "pub(super) const fn f",
    ] {
        assert_eq!(
            long_functions(&function(start, FUNCTION_LINES_MAX)),
            [""; 0]
        );
        let long = function(start, FUNCTION_LINES_MAX + 1);
        assert_eq!(long_functions(&long), ["line 2 begins a function of 71"]);
    }
}

#[test]
fn a_struct_of_too_many_fields_is_found() {
    let fields = |count: usize| "    /// Why: so.\n    pub(super) a_b: u8,\n".repeat(count);
    let good = format!("pub struct S {{\n{}}}\n", fields(FIELDS_MAX));
    assert_eq!(fat_structs(&good), [""; 0]);
    let bad = format!("struct S<'a> {{\n{}}}\n", fields(FIELDS_MAX + 1));
    assert_eq!(fat_structs(&bad), ["line 1 begins a struct of 25 fields"]);
}

#[test]
fn a_doc_that_says_nothing_is_found() {
    assert_eq!(thin_docs("/// Its four short words.\nx: u8,\n").len(), 1);
    assert_eq!(
        thin_docs("/// Seconds since its last answer.\nx: u8,\n"),
        [""; 0]
    );
    assert_eq!(thin_docs("/// Two lines\n/// of doc.\nx: u8,\n"), [""; 0]);
    assert_eq!(
        thin_docs("// A comment.\n#[cfg(test)]\nmod tests {\n/// Thin.\n}\n"),
        [""; 0]
    );
}
