//! A line of an answer on the control socket: a result, news, or the end (see `protocol`).

/// A line of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    Result(String),
    News(String),
    /// The exit code, and why it is not 0.
    End(u8, String),
}

impl Line {
    /// The line, without its end.
    pub fn emit(&self) -> String {
        match self {
            Line::Result(text) => format!("={}", one_line(text)),
            Line::News(text) => format!("-{}", one_line(text)),
            Line::End(code, why) if why.is_empty() => format!(".{code}"),
            Line::End(code, why) => format!(".{code} {}", one_line(why)),
        }
    }

    /// Reads a line; none if it is of no kind.
    pub fn parse(line: &str) -> Option<Line> {
        let mark = line.get(..1)?;
        let text = &line[1..];
        match mark {
            "=" => Some(Line::Result(text.into())),
            "-" => Some(Line::News(text.into())),
            "." => {
                let (code, why) = text.split_once(' ').unwrap_or((text, ""));
                Some(Line::End(code.parse().ok()?, why.into()))
            }
            _ => None,
        }
    }
}

/// A path may have a line's end in it.
fn one_line(text: &str) -> String {
    text.replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_an_answer_are_told_apart() {
        let lines = [
            (Line::Result("x\ny".into()), "=x\\ny"),
            (Line::News(String::new()), "-"),
            (Line::End(0, String::new()), ".0"),
            (Line::End(1, "no such file".into()), ".1 no such file"),
        ];
        for (line, text) in &lines {
            assert_eq!(line.emit(), *text);
        }
        for (line, text) in &lines[1..] {
            assert_eq!(Line::parse(text).as_ref(), Some(line));
        }
        for wrong in ["", "x", ".", ".x", ".256", "é"] {
            assert_eq!(Line::parse(wrong), None, "{wrong:?}");
        }
    }
}
