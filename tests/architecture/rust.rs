//! Just enough of Rust's syntax to tell paths from comments and literals.

/// The code of a source text: what is left without comments and the contents of literals.
pub fn code(text: &str) -> String {
    let mut code = String::new();
    scan(text, |part| {
        if let Part::Code(letter) = part {
            code.push(letter);
        }
    });
    code
}

/// A text for people: a comment, a literal, or the name of a function.
pub struct Prose {
    /// The number of its first line, from 1.
    pub line: usize,
    /// It is a comment that documents an item or a module.
    pub is_doc: bool,
    pub text: String,
}

/// Every text for people in a source text; comments on lines that follow each other are one.
pub fn prose(text: &str) -> Vec<Prose> {
    let letters: Vec<char> = text.chars().collect();
    let line_of = |index: usize| {
        1 + letters[..index]
            .iter()
            .filter(|&&letter| letter == '\n')
            .count()
    };
    let mut found: Vec<Prose> = Vec::new();
    let mut code = String::new();
    // The end of the last comment: its line, and what marks it.
    let mut last: Option<(usize, String)> = None;
    scan(text, |part| match part {
        Part::Code(letter) => code.push(letter),
        Part::Literal(from, to) => {
            let text: String = letters[from..to.min(letters.len())].iter().collect();
            let text = without_arguments(&text);
            let text = text.replace("\\\n", " ").replace("\\n", "\n\n");
            found.push(Prose {
                line: line_of(from),
                is_doc: false,
                text,
            });
            last = None;
        }
        Part::Comment(from, to) => {
            let comment: String = letters[from..to].iter().collect();
            let text = comment.trim_start_matches(['/', '!', '*']);
            let mark = comment[..comment.len() - text.len()].to_owned();
            let (line, text) = (line_of(from), text.trim());
            match found
                .last_mut()
                .filter(|_| last == Some((line - 1, mark.clone())))
            {
                // An empty line ends a paragraph.
                Some(before) if text.is_empty() => before.text.push_str("\n\n"),
                Some(before) => before.text = format!("{} {text}", before.text),
                None => found.push(Prose {
                    line,
                    is_doc: mark.len() == 3,
                    text: text.to_owned(),
                }),
            }
            last = Some((line, mark));
        }
    });
    let functions = text.lines().enumerate().filter_map(|(index, line)| {
        let name = line
            .trim_start()
            .trim_start_matches("pub ")
            .strip_prefix("fn ")?;
        let text = name.split(['(', '<']).next()?.replace('_', " ");
        Some(Prose {
            line: index + 1,
            is_doc: false,
            text,
        })
    });
    found.extend(functions);
    found
}

/// A text with "…" in place of each argument, as `{name}` or `{0:>4}`.
fn without_arguments(text: &str) -> String {
    let mut parts = text.split('{');
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once('}') {
            Some((argument, rest)) if !argument.contains(' ') => whole += &format!("…{rest}"),
            _ => whole += &format!("{{{part}"),
        }
    }
    whole
}

/// A part of a source text; the numbers are the indices of its first letter and the one behind it.
enum Part {
    Code(char),
    Comment(usize, usize),
    Literal(usize, usize),
}

/// Takes a source text apart.
fn scan(text: &str, mut found: impl FnMut(Part)) {
    let letters: Vec<char> = text.chars().collect();
    let at = |index: usize| letters.get(index).copied().unwrap_or('\0');
    let mut before = '\0';
    let mut index = 0;
    while index < letters.len() {
        let start = index;
        match (at(index), at(index + 1)) {
            ('/', '/') => {
                while index < letters.len() && at(index) != '\n' {
                    index += 1;
                }
                found(Part::Comment(start, index));
            }
            ('/', '*') => {
                while index < letters.len() && (at(index), at(index + 1)) != ('*', '/') {
                    index += 1;
                }
                found(Part::Comment(start, index));
                index += 2;
            }
            ('r', '"' | '#') if !is_word(before) && raw_string(&letters, index).is_some() => {
                index = raw_string(&letters, index).unwrap();
                found(Part::Literal(start, index));
            }
            ('"', _) => {
                index = quoted(&letters, index, '"');
                found(Part::Literal(start + 1, index - 1));
            }
            ('\'', '\\') => index = quoted(&letters, index, '\''),
            ('\'', _) if at(index + 2) == '\'' => index += 3,
            (letter, _) => {
                found(Part::Code(letter));
                before = letter;
                index += 1;
            }
        }
    }
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
    let tokens = tokens(code);
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

/// Words, `::`, and single letters for the rest.
fn tokens(code: &str) -> Vec<&str> {
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
    tokens
}

/// A name that a `use` brings in.
pub struct Use {
    /// The names of the path that it stands for.
    pub path: Vec<String>,
    /// The name in this file; `*` for all that the path has.
    pub name: String,
}

/// Every name that the `use`s of a piece of code bring in.
pub fn uses(code: &str) -> Vec<Use> {
    let tokens = tokens(code);
    let mut found = Vec::new();
    for (index, _) in tokens
        .iter()
        .enumerate()
        .filter(|(_, token)| **token == "use")
    {
        use_tree(&tokens, index + 1, &[], &mut found);
    }
    found
}

/// Reads one tree of a `use` at `index`; the index behind it.
fn use_tree(tokens: &[&str], mut index: usize, prefix: &[String], found: &mut Vec<Use>) -> usize {
    let mut path = prefix.to_vec();
    let mut name = None;
    while let Some(&token) = tokens.get(index) {
        match token {
            "::" => {}
            "as" => {
                index += 1;
                name = tokens.get(index).map(|&name| name.to_owned());
            }
            "*" => name = Some("*".to_owned()),
            "{" => {
                while tokens.get(index).is_some_and(|&token| token != "}") {
                    index = use_tree(tokens, index + 1, &path, found);
                }
                return index + 1;
            }
            word if word.starts_with(is_word) => path.push(word.to_owned()),
            _ => break,
        }
        index += 1;
    }
    let is_named = path.len() > prefix.len() || name.is_some();
    if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
        path.pop();
    }
    if is_named {
        let name = name.or_else(|| path.last().cloned()).unwrap_or_default();
        found.push(Use { path, name });
    }
    index
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

#[test]
fn uses_are_taken_apart() {
    let found = uses("use a::{self, b::C as D, e::*}; pub(crate) use f::G;");
    let found: Vec<_> = found
        .iter()
        .map(|item| (item.path.join("::"), item.name.as_str()))
        .collect();
    let expected = [("a", "a"), ("a::b::C", "D"), ("a::e", "*"), ("f::G", "G")];
    assert_eq!(found, expected.map(|(path, name)| (path.to_owned(), name)));
}
