//! What an examination found: a topic, a grade, a sentence, and what to do about it.
//!
//! As a line for people: `warning  disk: 2.1 MiB/s … (use a better card …)`; as JSON, an object a line
//! (`fixtures/doctor/lines.txt` has examples):
//!
//! | kind | members beside `version` and `kind` |
//! |---|---|
//! | `finding` | `topic`, `grade` (`ok`, `note`, `warning`, `problem`), `text`, `advice` (may be empty), then whole numbers with their unit in the name, other ones for each topic: `free_bytes` |
//! | `diagnosis` | the last: `worst` grade, and how many findings have each: `ok`, `notes`, `warnings`, `problems` |
//!
//! Invariant: whatever is worse than `ok` and can be mended says how.

use crate::cli::json::Object;

/// How bad it is; the greater the worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// As it should be.
    Ok,
    /// Worth knowing; nothing to mend.
    Note,
    /// sprat works, but not as well as it could.
    Warning,
    /// Something that sprat needs does not work.
    Problem,
}

impl Grade {
    /// The word for it, on the console and in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Grade::Ok => "ok",
            Grade::Note => "note",
            Grade::Warning => "warning",
            Grade::Problem => "problem",
        }
    }
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is about.
    pub topic: &'static str,
    /// How bad it is.
    pub grade: Grade,
    /// What was found, one line.
    pub text: String,
    /// What to do; empty when there is nothing to be done.
    pub advice: String,
    /// Whole numbers for programs, each with its name and unit in it.
    pub figures: Vec<(&'static str, u64)>,
}

impl Finding {
    /// A finding that asks for nothing.
    pub fn new(topic: &'static str, grade: Grade, text: impl Into<String>) -> Finding {
        Finding {
            topic,
            grade,
            text: text.into(),
            advice: String::new(),
            figures: Vec::new(),
        }
    }

    /// Says what to do about it.
    pub fn with_advice(self, advice: impl Into<String>) -> Finding {
        let advice = advice.into();
        Finding { advice, ..self }
    }

    /// Adds a number for programs.
    pub fn with_figure(mut self, name: &'static str, value: u64) -> Finding {
        self.figures.push((name, value));
        self
    }

    /// The line for people.
    pub fn line(&self) -> String {
        let advice = match self.advice.as_str() {
            "" => String::new(),
            advice => format!(" ({advice})"),
        };
        let grade = self.grade.word();
        format!("{grade:7}  {}: {}{advice}", self.topic, self.text)
    }

    /// The line for programs.
    pub fn json(&self) -> String {
        let object = Object::listed("finding")
            .text("topic", self.topic)
            .text("grade", self.grade.word())
            .text("text", &self.text)
            .text("advice", &self.advice);
        let numbers = self.figures.iter();
        numbers
            .fold(object, |object, &(name, value)| object.number(name, value))
            .finish()
    }
}

/// The last line for programs: how many findings of each grade there were.
pub fn summary(findings: &[Finding]) -> String {
    let count = |grade| findings.iter().filter(|it| it.grade == grade).count() as u64;
    Object::listed("diagnosis")
        .text("worst", worst(findings).word())
        .number("ok", count(Grade::Ok))
        .number("notes", count(Grade::Note))
        .number("warnings", count(Grade::Warning))
        .number("problems", count(Grade::Problem))
        .finish()
}

/// The worst grade there is.
pub fn worst(findings: &[Finding]) -> Grade {
    let grades = findings.iter().map(|finding| finding.grade);
    grades.max().unwrap_or(Grade::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of `fixtures/doctor/lines.txt`, laid by hand: JSON, and then the line for people.
    #[test]
    fn findings_are_written_as_their_fixture_says() {
        let findings = [
            Finding::new("ports", Grade::Ok, "UDP and TCP can be bound on [::]:4160")
                .with_figure("port", 4160),
            Finding::new("address", Grade::Note, "unknown").with_advice("name a node with -b"),
            Finding::new("disk", Grade::Warning, "\"slow\" card")
                .with_advice("use another")
                .with_figure("write_bytes_per_second", 1_048_576)
                .with_figure("free_bytes", 7),
            Finding::new("state", Grade::Problem, "cannot read a\\b"),
        ];
        let mut written: Vec<String> = Vec::new();
        for finding in &findings {
            written.extend([finding.json(), finding.line()]);
        }
        written.push(summary(&findings));
        let fixture = include_str!("../../../fixtures/doctor/lines.txt");
        let laid: Vec<&str> = fixture
            .lines()
            .filter(|line| !line.starts_with('#'))
            .collect();
        assert_eq!(written, laid);
    }

    #[test]
    fn nothing_found_is_well() {
        assert_eq!(worst(&[]), Grade::Ok);
        assert!(Grade::Ok < Grade::Note && Grade::Warning < Grade::Problem);
    }
}
