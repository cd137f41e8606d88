//! Whether a config of good form makes sense: names resolve, values are in range, nothing says two things at once.
//!
//! Reads no file and changes nothing. Invariants: everything wrong is reported, not just the first; a config with no error
//! here can be built, but for the files it names ([`build`](super::build) reads those). It compares grades with
//! clearances only to warn; the law alone decides.

mod access;
mod checkpoint;
mod identity;
mod limits;
mod policies;
mod providers;
mod retention;
mod server;
mod shipping;

use super::load::{Doc, Loaded};
use super::problem::{Problem, Severity, Step, suggest};
use super::schema::Config;
use super::vendors::VendorBook;
pub(crate) use limits::TEAMS_DEEP_MAX;

/// Most grades.
pub const GRADES_MAX: usize = 16;
/// Longest name of a provider, team or grade, in bytes: names become header values and metric labels.
pub const NAME_BYTES_MAX: usize = 64;
/// Longest id of a key, in bytes.
pub const KEY_ID_BYTES_MAX: usize = 128;
/// Longest name of a model, in bytes (threat model, section 3).
pub const MODEL_NAME_BYTES_MAX: usize = 256;
/// Most targets of a model.
pub const TARGETS_MAX: usize = 64;

/// Checks `loaded` at `now_ms` (Unix milliseconds). Errors and warnings, in the file's order.
#[must_use]
pub fn check(loaded: &Loaded, book: &dyn VendorBook, now_ms: u64) -> Vec<Problem> {
    let mut check = Check {
        config: &loaded.config,
        doc: &loaded.doc,
        book,
        now_ms,
        problems: Vec::new(),
    };
    check.grades();
    check.providers();
    check.models();
    check.access();
    check.identity();
    check.money();
    check.policies();
    check.server();
    check.retention();
    check.checkpoint();
    check.shipping();
    let mut problems = check.problems;
    problems.sort_by_key(|p| {
        (
            p.severity == Severity::Warning,
            p.place.line,
            p.place.column,
        )
    });
    problems
}

/// Checks teams, keys and what they may use, of a config of which the rest was checked. Errors and warnings.
pub(super) fn access(
    config: &Config,
    doc: &Doc,
    book: &dyn VendorBook,
    now_ms: u64,
) -> Vec<Problem> {
    let mut check = Check {
        config,
        doc,
        book,
        now_ms,
        problems: Vec::new(),
    };
    check.access();
    check.money();
    check.problems
}

/// Whether any of `problems` stops the config from being used.
#[must_use]
pub fn has_errors(problems: &[Problem]) -> bool {
    problems.iter().any(|p| p.severity == Severity::Error)
}

struct Check<'a> {
    config: &'a Config,
    doc: &'a Doc,
    book: &'a dyn VendorBook,
    now_ms: u64,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn error(&mut self, steps: &[Step], message: impl Into<String>) {
        let problem = self.doc.problem(Severity::Error, steps, message.into());
        self.problems.push(problem);
    }

    fn warn(&mut self, steps: &[Step], message: impl Into<String>) {
        let problem = self.doc.problem(Severity::Warning, steps, message.into());
        self.problems.push(problem);
    }

    /// A reference to nothing. `given` is only compared; what is shown is the file's text.
    fn dangling<'a>(
        &mut self,
        steps: &[Step],
        what: &str,
        given: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) {
        let shown = self.doc.shown(steps);
        let message = format!("there is no {what} `{shown}`");
        let mut problem = self.doc.problem(Severity::Error, steps, message);
        problem.suggestion = suggest(given, known);
        self.problems.push(problem);
    }

    /// Complains about a name that could not be a header value or a metric label.
    fn name(&mut self, steps: &[Step], name: &str, bytes_max: usize) {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        if name.is_empty() || name.len() > bytes_max || !name.bytes().all(allowed) {
            let message =
                format!("a name is 1 to {bytes_max} letters, digits, dots, hyphens or underscores");
            self.error(steps, message);
        } else if matches!(name, "." | "..") {
            // Whoever tidies a path takes them out of it.
            self.error(steps, "a name is more than dots: nobody could ask for it");
        }
    }

    /// The position of `name` in the list of grades; complains if it has none.
    fn grade(&mut self, steps: &[Step], name: Option<&str>) -> Option<usize> {
        let name = name?;
        let config = self.config;
        let at = config.grades.iter().position(|grade| grade == name);
        if at.is_none() {
            self.dangling(
                steps,
                "grade",
                name,
                config.grades.iter().map(String::as_str),
            );
        }
        at
    }

    fn grades(&mut self) {
        let grades = &self.config.grades;
        if !(1..=GRADES_MAX).contains(&grades.len()) {
            let message = format!("there must be 1 to {GRADES_MAX} grades");
            self.error(&["grades".into()], message);
        }
        for (index, grade) in grades.iter().enumerate() {
            let steps = ["grades".into(), index.into()];
            self.name(&steps, grade, NAME_BYTES_MAX);
            if grades.iter().take(index).any(|before| before == grade) {
                self.error(&steps, "this grade is in the list twice");
            }
        }
    }
}

/// The steps to something.
macro_rules! at {
    ($($step:expr),+) => {
        [$($crate::config::problem::Step::from($step)),+]
    };
}
use at;

#[cfg(test)]
mod tests;
