//! What is wrong with a config, and where.
//!
//! Knows no config. Invariant: a problem's text holds what stands in the file, never what a variable or a secret file
//! expanded to (T-49).

use std::fmt;

use serde::Serialize;

pub use policies::near::suggest;

/// A position in the config file, both counted from 1; 0 means unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Line.
    pub line: u32,
    /// Column, in characters.
    pub column: u32,
}

/// Whether a problem stops the config from being used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It does.
    Error,
    /// Usable, but probably not what is meant.
    Warning,
}

/// One thing wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Whether it stops the config from being used.
    pub severity: Severity,
    /// The file as it was named.
    pub file: String,
    /// Where in it.
    #[serde(flatten)]
    pub place: Place,
    /// The setting, as `providers.local.clearance`; empty for the file as a whole.
    pub path: String,
    /// What is wrong, as a sentence without an end.
    pub message: String,
    /// What was probably meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if self.place.line > 0 {
            write!(f, ":{}:{}", self.place.line, self.place.column)?;
        }
        write!(f, ": ")?;
        if self.severity == Severity::Warning {
            write!(f, "warning: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        write!(f, "{}", self.message)?;
        match &self.suggestion {
            Some(meant) => write!(f, "; did you mean `{meant}`?"),
            None => Ok(()),
        }
    }
}

/// One step from a setting to what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The value of a key.
    Key(String),
    /// An element of a list, from 0.
    Item(usize),
}

impl From<&str> for Step {
    fn from(key: &str) -> Self {
        Self::Key(key.to_owned())
    }
}

impl From<usize> for Step {
    fn from(index: usize) -> Self {
        Self::Item(index)
    }
}

/// Writes a path as people do: `models.assistant.targets[0].provider`.
#[must_use]
pub fn show_path(steps: &[Step]) -> String {
    let mut out = String::new();
    for step in steps {
        match step {
            Step::Item(index) => out.push_str(&format!("[{index}]")),
            Step::Key(key) => {
                if !out.is_empty() {
                    out.push('.');
                }
                let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
                if !key.is_empty() && key.chars().all(plain) {
                    out.push_str(key);
                } else {
                    out.push_str(&format!("\"{}\"", clip(key)));
                }
            }
        }
    }
    out
}

/// At most 80 characters of `text`, control characters escaped: for texts that go into a message.
#[must_use]
pub fn clip(text: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 80;
    let mut out: String = text
        .chars()
        .take(SHOWN_CHARS_MAX)
        .flat_map(|c| {
            let keep = !c.is_control();
            let escaped = (!keep).then(|| c.escape_default()).into_iter().flatten();
            keep.then_some(c).into_iter().chain(escaped)
        })
        .collect();
    if text.chars().nth(SHOWN_CHARS_MAX).is_some() {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_read_as_written() {
        let steps = [
            "models".into(),
            "qwen2.5".into(),
            "targets".into(),
            0.into(),
            "provider".into(),
        ];
        assert_eq!(show_path(&steps), "models.\"qwen2.5\".targets[0].provider");
    }

    #[test]
    fn clips_and_escapes() {
        assert_eq!(clip("a\u{1b}[31m\n"), "a\\u{1b}[31m\\n");
        assert_eq!(clip(&"x".repeat(90)).chars().count(), 81);
    }
}
