//! Words: plain engineering English in comments, texts, names of tests and documents.
//!
//! The subject is a noun of the field, never a clause without one ("who waits", "what was given"):
//! `who` follows a noun for people, `whose` follows a noun, and no sentence begins with `what`. A
//! question may.

use crate::rust::{Prose, prose};
use crate::sources::Source;

/// Nouns and pronouns for people: a node, a peer or a caller is a thing, *that* does something.
const PEOPLE: &[&str] = &[
    "administrator",
    "administrators",
    "anybody",
    "anyone",
    "attacker",
    "attackers",
    "author",
    "authors",
    "engineer",
    "engineers",
    "everybody",
    "everyone",
    "maintainer",
    "maintainers",
    "member",
    "members",
    "nobody",
    "operator",
    "operators",
    "owner",
    "owners",
    "people",
    "person",
    "persons",
    "reader",
    "readers",
    "somebody",
    "someone",
    "stranger",
    "strangers",
    "user",
    "users",
];

/// Words after which a noun is missing.
const NO_NOUNS: &[&str] = &[
    "a", "about", "after", "all", "also", "among", "an", "are", "as", "ask", "asks", "at", "be",
    "before", "beside", "but", "by", "can", "even", "find", "finds", "for", "from", "has", "have",
    "here", "if", "in", "is", "it", "just", "know", "knows", "no", "not", "of", "on", "only",
    "said", "say", "says", "see", "sees", "so", "tell", "tells", "than", "that", "then", "there",
    "to", "told", "was", "were", "when", "whether", "while", "with",
];

/// Turns of phrase that a reader has to puzzle over, and old names of things.
const PHRASES: &[&str] = &[
    "in vain",
    "so long ago",
    "be told",
    "been told",
    "was told",
    "what was given",
    "for want of",
    "hearsay",
    "hail",
    "hails",
    "hailed",
    "errand",
    "errands",
    "the like of which",
];

/// Docs that begin with a clause instead of a verb or a noun.
pub fn opening_clauses(text: &str) -> Vec<String> {
    let docs = prose(text).into_iter().filter(|prose| prose.is_doc);
    let clauses = ["what", "whatever", "who", "whoever", "whom", "whose"];
    docs.filter(|doc| {
        let sentences = sentences(&doc.text);
        let first = sentences
            .first()
            .and_then(|sentence| sentence.words.first());
        first.is_some_and(|first| clauses.contains(&first.letters.as_str()))
    })
    .map(|doc| format!("line {}: {}", doc.line, beginning(&doc.text)))
    .collect()
}

/// Sentences that break the rules of this module.
pub fn bad_sentences(source: &Source) -> Vec<String> {
    let prose = match source.path.ends_with(".rs") {
        true => prose(&source.text),
        false => paragraphs(&source.text),
    };
    let mut found = Vec::new();
    for part in prose {
        for sentence in sentences(&part.text) {
            if let Some(fault) = sentence.fault() {
                found.push(format!(
                    "line {}: {fault}: {}",
                    part.line,
                    sentence.beginning()
                ));
            }
        }
    }
    found
}

/// The paragraphs of a text that is not Rust, without what marks comments in it.
fn paragraphs(text: &str) -> Vec<Prose> {
    let mut found: Vec<Prose> = Vec::new();
    let mut is_new = true;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_start_matches([' ', '#', '/', '.', '\\', '"', '>']);
        match found.last_mut().filter(|_| !is_new) {
            Some(last) => last.text = format!("{} {line}", last.text),
            None => found.push(Prose {
                line: index + 1,
                is_doc: false,
                text: line.to_owned(),
            }),
        }
        is_new = line.is_empty();
    }
    found
}

struct Word {
    /// In lower case.
    letters: String,
    /// Nothing stands before it in its clause that it could refer to.
    is_fresh: bool,
}

struct Sentence {
    words: Vec<Word>,
    is_question: bool,
}

/// Takes a text apart: sentences end at a full stop, a question mark or an empty line; a colon, a
/// bracket, a bar or a dash ends a clause.
fn sentences(text: &str) -> Vec<Sentence> {
    let mut found = Vec::new();
    let mut words = Vec::new();
    let mut is_fresh = true;
    let letters: Vec<char> = text.chars().chain(['\n']).collect();
    let is_letter = |index: usize| letters[index].is_alphanumeric() || letters[index] == '\'';
    let mut index = 0;
    while index < letters.len() {
        let ends = letters
            .get(index + 1)
            .is_none_or(|next| next.is_whitespace() || "\"`)*".contains(*next));
        match letters[index] {
            _ if is_letter(index) => {
                let end = (index..letters.len())
                    .find(|&end| !is_letter(end))
                    .unwrap_or(letters.len());
                let letters = letters[index..end]
                    .iter()
                    .collect::<String>()
                    .to_lowercase();
                words.push(Word { letters, is_fresh });
                is_fresh = false;
                index = end;
                continue;
            }
            '.' | '!' | '?' if ends => {
                let is_question = letters[index] == '?';
                found.push(Sentence {
                    words: std::mem::take(&mut words),
                    is_question,
                });
                is_fresh = true;
            }
            ':' | ';' | '(' | '|' | '"' | '–' | '—' | '─' | '│' | '*' => is_fresh = true,
            '\n' if letters.get(index + 1) == Some(&'\n') || index + 1 == letters.len() => {
                found.push(Sentence {
                    words: std::mem::take(&mut words),
                    is_question: false,
                });
                is_fresh = true;
            }
            _ => {}
        }
        index += 1;
    }
    found.retain(|sentence| !sentence.words.is_empty());
    found
}

impl Sentence {
    fn fault(&self) -> Option<&'static str> {
        if !self.is_question {
            for (index, word) in self.words.iter().enumerate() {
                let before = self.words[..index].last().filter(|_| !word.is_fresh);
                let before = before.map(|before| before.letters.as_str());
                match word.letters.as_str() {
                    "who" if !before.is_some_and(|noun| PEOPLE.contains(&noun)) => {
                        return Some("who, but no person");
                    }
                    "whose" if before.is_none_or(|word| NO_NOUNS.contains(&word)) => {
                        return Some("whose, but no noun");
                    }
                    "whom" | "whoever" | "whomever" | "whosoever" => return Some("no noun"),
                    "what" | "whatever" if index == 0 && self.words.len() > 2 => {
                        return Some("a clause as the subject");
                    }
                    _ => {}
                }
            }
        }
        let whole = format!(" {} ", self.text());
        let phrase = PHRASES
            .iter()
            .find(|phrase| whole.contains(&format!(" {phrase} ")));
        phrase.copied()
    }

    fn text(&self) -> String {
        let words: Vec<&str> = self
            .words
            .iter()
            .map(|word| word.letters.as_str())
            .collect();
        words.join(" ")
    }

    fn beginning(&self) -> String {
        beginning(&self.text())
    }
}

fn beginning(text: &str) -> String {
    text.chars().take(70).collect()
}

// -- proof that the rules can fail

fn faults(text: &str) -> usize {
    let source = |path: &str, text: String| Source {
        path: path.to_owned(),
        text,
    };
    let comment = text
        .lines()
        .map(|line| format!("    // {line}\n"))
        .collect();
    let found = bad_sentences(&source("a.rs", comment)).len();
    assert_eq!(
        bad_sentences(&source("a.md", text.to_owned())).len(),
        found,
        "{text}"
    );
    found
}

#[test]
fn headless_clauses_are_found() {
    for bad in [
        "What was asked of\nwhom is kept.",
        "Whoever waits is taken in.",
        "It asks who has it.",
        "It serves the peer who asked.",
        "the node, who asked",
        "| streams | who comes late is sent on |",
        "Sends it to whom it belongs.",
        "It says whose turn it is.",
        "It ends. Whose it was is kept.",
        "It tried in\nvain.",
        "It was verified so long ago.",
    ] {
        assert_eq!(faults(bad), 1, "{bad}");
    }
    let source = |text: &str| Source {
        path: "a.rs".to_owned(),
        text: text.to_owned(),
    };
    assert_eq!(
        bad_sentences(&source("fn who_comes_late_is_sent_on() {}")).len(),
        1
    );
    assert_eq!(
        bad_sentences(&source("fn f() { print(\"ask who has it\") }")).len(),
        1
    );
}

#[test]
fn nouns_and_questions_are_no_fault() {
    for good in [
        "Users who edit a file keep it.",
        "It is for people, who read fast.",
        "A file whose size is known, and a request, whose deadline has passed.",
        "Who has the file? What is it?",
        "Prints what was found, and what to do.",
        "The shoal and vainly, of a whole: awhom.",
    ] {
        assert_eq!(faults(good), 0, "{good}");
    }
    let code = Source {
        path: "a.rs".to_owned(),
        text: "let who = whose(whom, what);".to_owned(),
    };
    assert_eq!(bad_sentences(&code), [""; 0]);
}

#[test]
fn docs_that_begin_with_a_clause_are_found() {
    assert_eq!(opening_clauses("/// Who sent it.\nx: u8").len(), 1);
    assert_eq!(opening_clauses("//! What a swarm\n//! is.\n").len(), 1);
    assert_eq!(
        opening_clauses("/// The sender. What else?\nx: u8"),
        [""; 0]
    );
    assert_eq!(opening_clauses("// What is this?\nx: u8"), [""; 0]);
}
