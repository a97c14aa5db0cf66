//! The request of a client of the control socket; the lines of the answer are in `line`.
//!
//! ```text
//!  request   sprat 1 TAB form TAB command [TAB word]... LF       one a connection
//!            form      text | json
//!            command   ls, add, … as on the command line
//!            word      UTF-8; a backslash, TAB and LF in it are written \\  \t  \n
//!
//!  answer    =result LF        a line for standard output        any number of these two,
//!            -news LF          a line for standard error         in the order of time
//!            .code why LF      the end: exit code, and why       one
//! ```
//!
//! The service renders either form, so that a client needs to understand neither. A service of
//! another version rejects the request in one line. Not here: the commands (`commands`).
//! Invariants: no line holds a line's end; a parsed request emits the bytes that it came from.

use super::commands::Command;

/// The beginning of a request; a service answers no other version.
const GREETING: &str = "sprat 1";

/// A request of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Results are JSON, not text.
    pub json: bool,
    pub command: &'static str,
    /// Its words: paths are absolute, names are resolved.
    pub words: Vec<String>,
}

impl Request {
    /// The line, without its end.
    pub fn emit(&self) -> String {
        let form = if self.json { "json" } else { "text" };
        let mut line = format!("{GREETING}\t{form}\t{}", self.command);
        for word in &self.words {
            line.push('\t');
            line.push_str(&escape(word));
        }
        line
    }

    /// Reads a line.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn parse(line: &[u8]) -> Result<Request, String> {
        let line = std::str::from_utf8(line).map_err(|_| "the request is not UTF-8")?;
        let mut words = line.split('\t');
        if words.next() != Some(GREETING) {
            return Err("the request is of another version of sprat (use the service's)".into());
        }
        let json = match words.next() {
            Some("text") => false,
            Some("json") => true,
            _ => return Err("the request is for neither text nor json".into()),
        };
        let command = words.next().unwrap_or_default();
        let command = Command::named(command).ok_or("the service knows no such command")?;
        let words: Result<Vec<String>, &str> = words.map(unescape).collect();
        let words = words?;
        Ok(Request {
            json,
            command: command.name,
            words,
        })
    }
}

fn escape(word: &str) -> String {
    let word = word.replace('\\', "\\\\");
    word.replace('\t', "\\t").replace('\n', "\\n")
}

fn unescape(word: &str) -> Result<String, &'static str> {
    let mut text = String::with_capacity(word.len());
    let mut letters = word.chars();
    while let Some(letter) = letters.next() {
        text.push(match letter {
            '\\' => match letters.next() {
                Some('\\') => '\\',
                Some('t') => '\t',
                Some('n') => '\n',
                _ => return Err("a word of the request is escaped wrongly"),
            },
            other => other,
        });
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_words_arrive_as_they_were(json: bool, words in prop::collection::vec(".*", 0..4)) {
            let request = Request { json, command: "ls", words };
            let line = request.emit();
            prop_assert!(!line.contains('\n'));
            prop_assert_eq!(Request::parse(line.as_bytes()), Ok(request));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = Request::parse(&bytes);
        }
    }

    #[test]
    fn a_wrong_request_is_refused_with_its_own_sentence() {
        let wrong = |line: &str| Request::parse(line.as_bytes()).unwrap_err();
        assert!(wrong("sprat 2\ttext\tls").contains("another version"));
        assert!(wrong("sprat 1\txml\tls").contains("neither text nor json"));
        assert!(wrong("sprat 1\ttext").contains("no such command"));
        assert!(wrong("sprat 1\ttext\tshare").contains("no such command"));
        assert!(wrong("sprat 1\ttext\tls\ta\\x").contains("escaped wrongly"));
        assert!(Request::parse(b"sprat 1\ttext\tls\t\xff").is_err());
    }
}
