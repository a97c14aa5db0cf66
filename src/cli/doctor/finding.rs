//! A finding: a topic, a grade, a sentence, and what to do about it.
//!
//! As text, one line: `warning  disk: 200 MiB free … (free some space …)`. As JSON, one object a
//! line (`fixtures/doctor/lines.txt` has examples):
//!
//! | kind | members beside `version` and `kind` |
//! |---|---|
//! | `finding` | `topic`, `grade`, `text`, `advice` (may be empty), then whole numbers |
//! | `diagnosis` | the last line: `worst` grade, and counts `ok`, `notes`, `warnings`, `problems` |
//!
//! `grade` is `ok`, `note`, `warning` or `problem`. The numbers have their unit in the name
//! (`free_bytes`) and depend on the topic. Invariant: every warning and every problem that the user
//! can solve says how.

use crate::service::json::Object;

/// The severity of a finding, in ascending order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Grade {
    Ok,
    /// Useful to know; nothing to repair.
    Note,
    /// sprat works, but not as well as it could.
    Warning,
    /// Something that sprat needs does not work.
    Problem,
}

impl Grade {
    fn word(self) -> &'static str {
        match self {
            Grade::Ok => "ok",
            Grade::Note => "note",
            Grade::Warning => "warning",
            Grade::Problem => "problem",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    topic: &'static str,
    pub(super) grade: Grade,
    pub(super) text: String,
    pub(super) advice: String,
    numbers: Vec<(&'static str, u64)>,
}

impl Finding {
    pub(super) fn ok(topic: &'static str, text: impl Into<String>) -> Finding {
        Finding::new(topic, Grade::Ok, text, "")
    }

    pub(super) fn new(
        topic: &'static str,
        grade: Grade,
        text: impl Into<String>,
        advice: impl Into<String>,
    ) -> Finding {
        let (text, advice, numbers) = (text.into(), advice.into(), Vec::new());
        Finding {
            topic,
            grade,
            text,
            advice,
            numbers,
        }
    }

    /// Adds a number for programs; `name` ends with its unit.
    pub(super) fn with_number(mut self, name: &'static str, value: u64) -> Finding {
        self.numbers.push((name, value));
        self
    }

    pub(super) fn line(&self) -> String {
        let advice = match self.advice.as_str() {
            "" => String::new(),
            advice => format!(" ({advice})"),
        };
        format!(
            "{:7}  {}: {}{advice}",
            self.grade.word(),
            self.topic,
            self.text
        )
    }

    pub(super) fn json(&self) -> String {
        let object = Object::listed("finding")
            .with("topic", self.topic)
            .with("grade", self.grade.word())
            .with("text", &self.text)
            .with("advice", &self.advice);
        let numbers = self.numbers.iter();
        numbers
            .fold(object, |object, &(name, value)| object.with(name, value))
            .finish()
    }
}

/// The last line of JSON: how many findings each grade has.
pub(super) fn summary(findings: &[Finding]) -> String {
    let count = |grade| {
        findings
            .iter()
            .filter(|finding| finding.grade == grade)
            .count() as u64
    };
    let worst = findings.iter().map(|finding| finding.grade).max();
    Object::listed("diagnosis")
        .with("worst", worst.unwrap_or(Grade::Ok).word())
        .with("ok", count(Grade::Ok))
        .with("notes", count(Grade::Note))
        .with("warnings", count(Grade::Warning))
        .with("problems", count(Grade::Problem))
        .finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `fixtures/doctor/lines.txt` is written by hand: each finding as JSON, then as text.
    #[test]
    fn findings_are_written_as_their_fixture_says() {
        let findings = [
            Finding::ok("ports", "UDP and TCP can be bound on [::]:4160").with_number("port", 4160),
            Finding::new("address", Grade::Note, "unknown", "name a node with -b"),
            Finding::new("disk", Grade::Warning, "\"full\" card", "free some space")
                .with_number("free_bytes", 7)
                .with_number("reserve_bytes", 1_048_576),
            Finding::new("state", Grade::Problem, "cannot read a\\b", ""),
        ];
        let mut written: Vec<String> = Vec::new();
        for finding in &findings {
            written.extend([finding.json(), finding.line()]);
        }
        written.push(summary(&findings));
        let fixture = include_str!("../../../fixtures/doctor/lines.txt").lines();
        let expected: Vec<&str> = fixture.filter(|line| !line.starts_with('#')).collect();
        assert_eq!(written, expected);
    }

    #[test]
    fn grades_are_ordered_and_no_finding_is_ok() {
        assert!(summary(&[]).contains("\"worst\":\"ok\""));
        assert!(Grade::Ok < Grade::Note && Grade::Warning < Grade::Problem);
    }
}
