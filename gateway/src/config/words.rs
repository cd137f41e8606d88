//! Word lists from files.
//!
//! Adds what the files hold to the lists of the config, so that nobody later has to know where a word came from. Knows no
//! meaning of words. Invariant: a file is bounded, and counted among the files whose change is a change of the config.

use std::path::Path;

use super::load::{Loaded, read_bounded, said};
use super::problem::{Problem, Severity, Step};

/// Largest file of words: the watch for changes reads no more.
const WORDS_BYTES_MAX: u64 = 4 << 20;
/// Adds to word lists what stands in their files.
pub(super) fn fetch_words(loaded: &mut Loaded) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, list) in loaded.config.policies.words.iter_mut().enumerate() {
        let Some(name) = &list.file else { continue };
        let path = loaded.dir.join(name);
        match read_words(&path) {
            Ok(words) => list.words.extend(words),
            Err(why) => {
                let at: [Step; 4] = [
                    "policies".into(),
                    "words".into(),
                    index.into(),
                    "file".into(),
                ];
                let message = format!("`{}` {why}", loaded.doc.shown(&at));
                problems.push(loaded.doc.problem(Severity::Error, &at, message));
            }
        }
        loaded.files.push(path);
    }
    problems
}

/// The words of a file: one a line, `#` begins a comment at the beginning of a line or after a space.
fn read_words(path: &Path) -> Result<Vec<String>, String> {
    let bytes = read_bounded(path, WORDS_BYTES_MAX)
        .map_err(|error| format!("cannot be read: {}", said(&error)))?;
    let text = String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    Ok(text
        .lines()
        .map(|line| if line.starts_with('#') { "" } else { line })
        .map(|line| line.split(" #").next().unwrap_or_default().trim())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect())
}
