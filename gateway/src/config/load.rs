//! From a file to a typed config: read, parse, expand, decode, fetch secrets.
//!
//! Knows form, not sense: names may still dangle. Reads the config and the secret files it refers to, nothing else; the
//! environment is passed in. Invariants: every file is bounded; a problem never holds a secret or what a variable
//! expanded to.

mod secrets;

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use self::secrets::fetch_secrets;
use super::decode::decode;
use super::env::Lookup;
use super::node::{Node, Value, parse};
use super::price_table::fetch_prices;
use super::problem::{Place, Problem, Severity, Step, show_path};
use super::scalar::place_within;
use super::schema::Config;
use super::words::fetch_words;
use crate::secret::Secret;

/// Largest config file: fifty thousand keys with limits take 12 MB.
pub const CONFIG_BYTES_MAX: u64 = 16 << 20;
/// Largest file with a secret, a certificate chain or authorities.
pub const SECRET_BYTES_MAX: u64 = 1 << 20;

/// The file, kept to say where in it something stands.
pub struct Doc {
    file: String,
    root: Node,
    text: Secret,
}

/// Shows no text: secrets may stand in it.
impl fmt::Debug for Doc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Doc")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

impl Doc {
    /// The text of a part that is no file: what it says is shown, places are not.
    pub(super) fn of(text: &str) -> Self {
        let whole = parse("", text, &|_| None);
        Self {
            root: whole.unwrap_or_else(|_| Node::nothing()),
            ..Self::nowhere()
        }
    }

    /// No text at all.
    pub(super) fn nowhere() -> Self {
        Self {
            file: String::new(),
            root: Node::nothing(),
            text: Secret::default(),
        }
    }

    /// A problem with the setting at `steps`; where that is not in the file, its place is that of what would hold it.
    #[must_use]
    pub fn problem(&self, severity: Severity, steps: &[Step], message: String) -> Problem {
        Problem {
            severity,
            file: self.file.clone(),
            place: self.root.nearest(steps).place,
            path: show_path(steps),
            message,
            suggestion: None,
        }
    }

    /// A problem with byte `offset` of the text at `steps`.
    #[must_use]
    pub fn problem_within(&self, steps: &[Step], offset: usize, message: String) -> Problem {
        let node = self.root.nearest(steps);
        let mut problem = self.problem(Severity::Error, steps, message);
        if let Value::Text(value) = &node.value {
            problem.place = place_within(self.text.expose(), node.place, value, offset);
        }
        problem
    }

    /// Whether a variable was expanded in the setting at `steps`: what its text holds must then not be shown.
    #[must_use]
    pub fn is_expanded(&self, steps: &[Step]) -> bool {
        self.root.nearest(steps).is_expanded()
    }

    /// The setting as the file has it: `${NAME}` where a variable stands.
    #[must_use]
    pub fn shown(&self, steps: &[Step]) -> String {
        self.root.nearest(steps).shown()
    }
}

/// A config of good form, its secrets fetched.
#[derive(Debug)]
pub struct Loaded {
    /// The config.
    pub config: Config,
    /// The file it came from.
    pub doc: Doc,
    /// Where relative paths of certificates and secrets start.
    pub dir: PathBuf,
    /// The files of secrets and words that were read.
    pub files: Vec<PathBuf>,
    /// SHA-256 of the text.
    pub digest: [u8; 32],
    /// Digests of all secrets, with the section that each stands in.
    pub secrets: Vec<(String, [u8; 32])>,
}

impl Loaded {
    /// The first 8 bytes of the text's SHA-256, in hexadecimal.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.digest
            .iter()
            .take(8)
            .map(|b| format!("{b:02x}"))
            .collect()
    }
}

/// Loads the config at `path`.
///
/// # Errors
/// Everything found wrong with its form, at least one problem.
pub fn load(path: &Path, env: Lookup<'_>) -> Result<Loaded, Vec<Problem>> {
    let file = path.display().to_string();
    let text = read_text(path)?;
    let dir = path.parent().unwrap_or_else(|| Path::new("")).to_owned();
    load_text(&file, &text, &dir, env)
}

/// The text of a config file.
///
/// # Errors
/// That it cannot be read, is too large, or not UTF-8.
pub fn read_text(path: &Path) -> Result<String, Vec<Problem>> {
    let file = path.display().to_string();
    let bytes = read_once(path, CONFIG_BYTES_MAX).map_err(|error| unreadable(path, &error))?;
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let bytes = error.as_bytes();
        let lines = bytes.iter().take(good).filter(|b| **b == b'\n').count();
        let message = format!("not UTF-8, in line {}", lines + 1);
        vec![whole(&file, message)]
    })
}

/// As [`load`], of a file that is read again and again: a pipe would keep whoever reads it waiting.
///
/// # Errors
/// As [`load`].
pub(super) fn load_again(path: &Path, env: Lookup<'_>) -> Result<Loaded, Vec<Problem>> {
    is_regular(path).map_err(|error| unreadable(path, &error))?;
    load(path, env)
}

fn unreadable(path: &Path, error: &io::Error) -> Vec<Problem> {
    let file = path.display().to_string();
    vec![whole(&file, format!("cannot be read: {}", said(error)))]
}

/// Loads a config from `text`; `file` only names it in problems, and `dir` is where relative paths start.
///
/// # Errors
/// Everything found wrong with its form, at least one problem.
pub fn load_text(
    file: &str,
    text: &str,
    dir: &Path,
    env: Lookup<'_>,
) -> Result<Loaded, Vec<Problem>> {
    let root = parse(file, text, env)?;
    let mut loaded = unfetched(file, text, root, dir)?;
    let mut problems = fetch_secrets(&mut loaded);
    problems.extend(fetch_words(&mut loaded));
    problems.extend(fetch_prices(&mut loaded));
    if problems.is_empty() {
        Ok(loaded)
    } else {
        Err(problems)
    }
}

/// A config whose `file:` references still have to be read. `root` is what `text` was parsed to.
pub(super) fn unfetched(
    file: &str,
    text: &str,
    root: Node,
    dir: &Path,
) -> Result<Loaded, Vec<Problem>> {
    // An editor that truncates before it writes must not leave a gateway without keys and models.
    let empty = match &root.value {
        Value::Null => true,
        Value::Map(entries) => entries.is_empty(),
        _ => false,
    };
    if empty {
        return Err(vec![whole(file, "the file holds no settings".into())]);
    }
    Ok(Loaded {
        config: decode(file, &root)?,
        doc: Doc {
            file: file.to_owned(),
            root,
            text: Secret::new(text.to_owned()),
        },
        dir: dir.to_owned(),
        files: Vec::new(),
        digest: policies::access::token::digest(text.as_bytes()),
        secrets: Vec::new(),
    })
}

/// A pipe, a socket or a device: it may keep its reader waiting for ever, and can be read only once.
#[derive(Debug)]
struct NoFile;

impl fmt::Display for NoFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a regular file")
    }
}

impl std::error::Error for NoFile {}

/// That `path` may be read again and again without waiting.
///
/// # Errors
/// The file's, or that it is none.
pub(super) fn is_regular(path: &Path) -> io::Result<()> {
    let kind = std::fs::metadata(path)?.file_type();
    // What reading says of a directory is plainer.
    if kind.is_file() || kind.is_dir() {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, NoFile))
}

/// Reads a whole regular file of at most `limit` bytes.
///
/// # Errors
/// The file's, or `FileTooLarge`.
pub fn read_bounded(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    is_regular(path)?;
    read_once(path, limit)
}

/// The same of whatever there is to read, a pipe too: for a command that reads it once.
///
/// # Errors
/// As [`read_bounded`].
pub fn read_once(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One more than allowed tells that it is too much.
    File::open(path)?
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

/// An I/O error's kind in words. Its own text may hold the path, and that may come from a variable.
pub(crate) fn said(error: &io::Error) -> String {
    match error.get_ref() {
        Some(inner) if inner.is::<NoFile>() => inner.to_string(),
        _ => error.kind().to_string(),
    }
}

fn whole(file: &str, message: String) -> Problem {
    Problem {
        severity: Severity::Error,
        file: file.to_owned(),
        place: Place::default(),
        path: String::new(),
        message,
        suggestion: None,
    }
}

#[cfg(test)]
mod tests;
