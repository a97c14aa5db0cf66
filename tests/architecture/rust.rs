//! Just enough of Rust's syntax to tell paths from comments and literals.

/// The code of a source text: what is left without comments and the contents of literals.
pub fn code(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let at = |index: usize| letters.get(index).copied().unwrap_or('\0');
    let mut code = String::new();
    let mut index = 0;
    while index < letters.len() {
        match (at(index), at(index + 1)) {
            ('/', '/') => {
                while index < letters.len() && at(index) != '\n' {
                    index += 1;
                }
            }
            ('/', '*') => {
                while index < letters.len() && (at(index), at(index + 1)) != ('*', '/') {
                    index += 1;
                }
                index += 2;
            }
            ('r', '"' | '#')
                if !code.ends_with(is_word) && raw_string(&letters, index).is_some() =>
            {
                index = raw_string(&letters, index).unwrap();
            }
            ('"', _) => index = quoted(&letters, index, '"'),
            ('\'', '\\') => index = quoted(&letters, index, '\''),
            ('\'', _) if at(index + 2) == '\'' => index += 3,
            (letter, _) => {
                code.push(letter);
                index += 1;
            }
        }
    }
    code
}

/// The index behind the literal that begins at `start` and ends at an unescaped `quote`.
fn quoted(letters: &[char], start: usize, quote: char) -> usize {
    let mut index = start + 1;
    while index < letters.len() && letters[index] != quote {
        index += if letters[index] == '\\' { 2 } else { 1 };
    }
    index + 1
}

/// The index behind the raw string that begins at `start`, if one does.
fn raw_string(letters: &[char], start: usize) -> Option<usize> {
    let hashes = letters[start + 1..]
        .iter()
        .take_while(|&&letter| letter == '#')
        .count();
    if letters.get(start + 1 + hashes) != Some(&'"') {
        return None;
    }
    let mut end = vec!['"'];
    end.extend(vec!['#'; hashes]);
    let body = start + 2 + hashes;
    let length = letters[body..]
        .windows(end.len())
        .position(|window| window == end)?;
    Some(body + length + end.len())
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// Every path in a piece of code, with the braces of `use` taken apart: `a::{b, c::d}` is `a::b`
/// and `a::c::d`.
pub fn paths(code: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            _ if is_word(first) => rest.find(|letter| !is_word(letter)).unwrap_or(rest.len()),
            ':' if rest.starts_with("::") => 2,
            _ => first.len_utf8(),
        };
        tokens.push(&rest[..length]);
        rest = rest[length..].trim_start();
    }
    let mut found = Vec::new();
    let mut index = 0;
    while index < tokens.len() {
        if tokens[index].starts_with(is_word) {
            index = tree(&tokens, index, "", &mut found);
        } else {
            index += 1;
        }
    }
    found
}

/// Reads one path, or one tree of them, at `index`; the index behind it.
fn tree(tokens: &[&str], mut index: usize, prefix: &str, found: &mut Vec<String>) -> usize {
    let mut path = prefix.to_owned();
    while let Some(token) = tokens.get(index) {
        if *token == "{" && path.ends_with("::") {
            index += 1;
            while tokens.get(index).is_some_and(|token| *token != "}") {
                let word = tokens[index].starts_with(is_word);
                index = if word {
                    tree(tokens, index, &path, found)
                } else {
                    index + 1
                };
            }
            return index + 1;
        }
        if !token.starts_with(is_word) {
            break;
        }
        path.push_str(token);
        index += 1;
        if tokens.get(index) != Some(&"::") {
            break;
        }
        path.push_str("::");
        index += 1;
    }
    found.push(path);
    index
}

/// The part of a text that ships: what stands before its tests.
pub fn shipped(text: &str) -> &str {
    let is_tests = |at: &usize| is_module(&text[at + 1..]);
    let mut marks = text.match_indices("\n#[cfg(test)]\n").map(|(at, _)| at);
    marks.find(is_tests).map_or(text, |end| &text[..end])
}

/// Whether the item that a text begins with is a module, whatever its attributes.
pub fn is_module(text: &str) -> bool {
    let item = text
        .lines()
        .find(|line| !line.trim_start().starts_with("#["));
    item.is_some_and(|line| line.trim_start().starts_with("mod "))
}
