//! The log's keys as files: the private one for the owner only, the public ones of all times beside it.
//!
//! Must never know who signs what.
//! Invariants: a private key file that is there is used or refused, never replaced; a new one is readable by its owner only.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::TreeDir;
use super::note::{Signer, Use, Verifier, is_name};
use super::tiles::{make_dir, replace, sync};

/// Public keys of one log, all times together.
const KEYS_MAX: usize = 256;

/// What signs, and what the log is called.
#[derive(Default)]
pub struct KeySource {
    /// The private key as text; that of the tree's own file if absent.
    pub key: Option<String>,
    /// The log's name; that of the key if absent.
    pub origin: Option<String>,
}

/// Why there is no key.
#[derive(Debug)]
pub enum KeyError {
    /// The file cannot be read or made.
    Io(PathBuf, io::Error),
    /// It is not a private key.
    NotAKey,
    /// The key is that of another log: its name.
    OtherOrigin(String),
    /// No log may be called so.
    BadOrigin,
    /// The system gave no random bytes.
    NoRandom,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(path, error) => write!(f, "{}: {error}", path.display()),
            Self::NotAKey => {
                f.write_str("not a private key of the form PRIVATE+KEY+name+id+base64")
            }
            Self::OtherOrigin(name) => {
                write!(
                    f,
                    "the key is that of `{name}`, not of the configured origin"
                )
            }
            Self::BadOrigin => f.write_str("an origin is 1 to 255 bytes without spaces and plus"),
            Self::NoRandom => f.write_str("no randomness from the system"),
        }
    }
}

impl std::error::Error for KeyError {}

/// Reads the private key, or makes one; true if it is not the one that signed before: a change to be written down.
///
/// # Errors
/// A key that cannot be used.
pub fn open_key(journal: &Path, source: &KeySource) -> Result<(Signer, bool), KeyError> {
    let tree = TreeDir::of(journal);
    let path = tree.key();
    let failed = |error| KeyError::Io(path.clone(), error);
    make_dir(tree.path()).map_err(failed)?;
    if !source.origin.as_deref().is_none_or(is_name) {
        return Err(KeyError::BadOrigin);
    }
    let given = source
        .key
        .clone()
        .map_or_else(|| fs::read_to_string(&path), Ok);
    let signer = match given {
        Ok(text) => Signer::parse(&text)
            .filter(|signer| signer.verifier().purpose() == Use::Log)
            .ok_or(KeyError::NotAKey)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let known = verifiers(&tree.key_pub()).map_err(failed)?;
            let before = known.last().map(|key| key.name().to_owned());
            let signer = make(source.origin.clone().or(before))?;
            keep(&path, &signer.secret()).map_err(failed)?;
            signer
        }
        Err(error) => return Err(failed(error)),
    };
    let name = signer.verifier().name();
    if source
        .origin
        .as_deref()
        .is_some_and(|origin| origin != name)
    {
        return Err(KeyError::OtherOrigin(name.to_owned()));
    }
    let mut known = verifiers(&tree.key_pub()).map_err(failed)?;
    let changed = known.last() != Some(signer.verifier());
    if changed {
        known.push(signer.verifier().clone());
        let lines: String = known.iter().map(|key| format!("{key}\n")).collect();
        replace(&tree.key_pub(), lines.as_bytes()).map_err(failed)?;
        sync(&tree.key_pub()).map_err(failed)?;
    }
    Ok((signer, changed))
}

fn make(origin: Option<String>) -> Result<Signer, KeyError> {
    let random = || {
        let mut bytes = [0; 32];
        aws_lc_rs::rand::fill(&mut bytes)
            .map(|()| bytes)
            .map_err(|_| KeyError::NoRandom)
    };
    let origin = match origin {
        Some(origin) => origin,
        None => {
            let [a, b, c, d, ..] = random()?;
            format!("yumen.invalid/audit-{a:02x}{b:02x}{c:02x}{d:02x}")
        }
    };
    Signer::new(&origin, Use::Log, random()?).ok_or(KeyError::BadOrigin)
}

fn keep(path: &Path, secret: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(secret.as_bytes())?;
    file.sync_all()?;
    path.parent()
        .map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}

/// Reads a file of verifier keys; none if there is no file. A line that is no key is an error.
///
/// # Errors
/// A file that cannot be read, or holds something else.
pub fn verifiers(path: &Path) -> io::Result<Vec<Verifier>> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        text => text?,
    };
    let keys: Option<Vec<_>> = text.lines().take(KEYS_MAX).map(Verifier::parse).collect();
    keys.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not a list of verifier keys"))
}
