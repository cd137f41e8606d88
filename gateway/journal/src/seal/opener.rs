//! Reads bodies back: for an auditor with a reason, and for the index.
//!
//! Must never write, or hold the log's lock: a directory may be read while a gateway writes it.
//! Invariants: what is returned is exactly what was sealed for that request and direction, and all of it; memory is
//! bounded by the size that the record names and the bound that the caller sets.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use aws_lc_rs::aead::LessSafeKey;

use super::super::locked;
use super::KEYS;
use super::body::Reference;
use super::files::{file_name, parse_name};
use super::frame::{self, Direction, FRAME_BYTES_MAX, Head, sha256};
use super::kek::Kek;
use super::keys::{self, Unusable};
use super::print::{Digest, unhex};

/// Most unwrapped keys in memory.
const KEYS_MAX: usize = 1024;

/// Why a body cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenError {
    /// It was not kept; the record says why.
    NotKept,
    /// Its keys were destroyed.
    Shredded,
    /// It is sealed under another key than the one that was given.
    OtherKek,
    /// Who wraps keys does not answer.
    KekUnavailable,
    /// Its key file is damaged.
    KeyDamaged,
    /// Its file is gone, by retention or otherwise.
    Gone,
    /// It is not what was sealed.
    Damaged,
    /// It is larger than the caller takes.
    TooLarge,
    /// A file could not be read.
    Unreadable,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotKept => "the body was not kept",
            Self::Shredded => "the body was shredded: its keys are destroyed",
            Self::OtherKek => "the body is sealed under another key than the one given",
            Self::KekUnavailable => "who wraps keys does not answer as agreed",
            Self::KeyDamaged => "the key of the body is damaged",
            Self::Gone => "the file of the body is gone",
            Self::Damaged => "the body is not what was sealed: it is damaged or was altered",
            Self::TooLarge => "the body is too large",
            Self::Unreadable => "the body could not be read",
        })
    }
}

impl std::error::Error for OpenError {}

impl From<Unusable> for OpenError {
    fn from(why: Unusable) -> Self {
        match why {
            Unusable::Gone => Self::Shredded,
            Unusable::Damaged => Self::KeyDamaged,
            Unusable::OtherKek => Self::OtherKek,
            Unusable::Unavailable => Self::KekUnavailable,
            Unusable::Unreadable => Self::Unreadable,
        }
    }
}

/// Opens the bodies of one directory.
pub struct Opener {
    dir: PathBuf,
    kek: Arc<dyn Kek>,
    keys: Mutex<HashMap<[u8; 8], Arc<LessSafeKey>>>,
    /// Bodies still to be passed over because who wraps keys did not answer.
    passed_over: AtomicU32,
}

impl Opener {
    /// With the key that wraps the data keys.
    pub fn new(dir: impl Into<PathBuf>, kek: Arc<dyn Kek>) -> Self {
        Self {
            dir: dir.into(),
            kek,
            keys: Mutex::default(),
            passed_over: AtomicU32::new(0),
        }
    }

    /// The body of request `id` that `reference` names, of at most `most` bytes. Blocks; asks whoever wraps keys.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn open(
        &self,
        id: &str,
        direction: Direction,
        reference: &Reference,
        most: u64,
    ) -> Result<Vec<u8>, OpenError> {
        if reference.file.is_empty() {
            return Err(OpenError::NotKept);
        }
        if reference.size > most {
            return Err(OpenError::TooLarge);
        }
        let (number, shard) = parse_name(&reference.file).ok_or(OpenError::Damaged)?;
        let subject = unhex(&reference.subject).ok_or(OpenError::Damaged)?;
        let key_id = unhex(&reference.key).ok_or(OpenError::Damaged)?;
        let key = self.key(&subject, &key_id)?;
        let hash: Digest = unhex(&reference.sha256).ok_or(OpenError::Damaged)?;
        let mut at = (number, reference.offset, hash);
        let mut parts: Vec<Vec<u8>> = Vec::new();
        let mut file = (number, self.file(number, shard)?);
        let (mut bytes, mut expected) = (0, None);
        loop {
            let (number, offset, hash) = at;
            if file.0 != number {
                file = (number, self.file(number, shard)?);
            }
            let frame = read_frame(&file.1, offset)?;
            let head = Head::decode(&frame).ok_or(OpenError::Damaged)?;
            let in_order = expected.is_none_or(|part| head.part == part);
            let named = head.direction == direction
                && head.form.name() == reference.kind
                && head.key == key_id;
            if sha256(&frame) != hash || !in_order || !named {
                return Err(OpenError::Damaged);
            }
            let plain = frame::open(&frame, &key, id).ok_or(OpenError::Damaged)?;
            bytes += plain.len() as u64;
            if bytes > reference.size {
                return Err(OpenError::Damaged);
            }
            parts.push(plain);
            match (head.part, head.before) {
                (0, None) => break,
                (part, Some(before)) if part > 0 => {
                    expected = Some(part - 1);
                    at = (before.number, before.offset, before.hash);
                }
                _ => return Err(OpenError::Damaged),
            }
        }
        if bytes != reference.size {
            return Err(OpenError::Damaged);
        }
        parts.reverse();
        Ok(parts.concat())
    }

    /// Whether a reader of many bodies should try one: after a failure of who wraps keys, which may take seconds, only now
    /// and then.
    pub(crate) fn tries_kek(&self) -> bool {
        let fewer = |left: u32| left.checked_sub(1);
        self.passed_over
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer)
            .is_err()
    }

    /// Who wraps keys did not answer: so many bodies are not tried.
    pub(crate) fn pass_over(&self, bodies: u32) {
        self.passed_over.store(bodies, Ordering::Relaxed);
    }

    /// Lets go of all keys: after something was shredded.
    pub fn forget(&self) {
        locked(&self.keys).clear();
    }

    fn key(&self, subject: &Digest, id: &[u8; 8]) -> Result<Arc<LessSafeKey>, OpenError> {
        if let Some(key) = locked(&self.keys).get(id) {
            return Ok(Arc::clone(key));
        }
        let key = Arc::new(keys::read(&self.dir.join(KEYS), &*self.kek, subject, id)?);
        let mut keys = locked(&self.keys);
        if keys.len() >= KEYS_MAX {
            keys.clear();
        }
        keys.insert(*id, Arc::clone(&key));
        Ok(key)
    }

    fn file(&self, number: u64, shard: usize) -> Result<File, OpenError> {
        File::open(self.dir.join(file_name(number, shard))).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => OpenError::Gone,
            _ => OpenError::Unreadable,
        })
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opener")
    }
}

fn read_frame(file: &File, offset: u64) -> Result<Vec<u8>, OpenError> {
    let damaged = |error: io::Error| match error.kind() {
        io::ErrorKind::UnexpectedEof => OpenError::Damaged,
        _ => OpenError::Unreadable,
    };
    let mut length = [0; 4];
    file.read_exact_at(&mut length, offset).map_err(damaged)?;
    let bytes = usize::try_from(u32::from_le_bytes(length))
        .ok()
        .and_then(|length| length.checked_add(4))
        .filter(|bytes| *bytes <= FRAME_BYTES_MAX)
        .ok_or(OpenError::Damaged)?;
    let mut frame = vec![0; bytes];
    file.read_exact_at(&mut frame, offset).map_err(damaged)?;
    Ok(frame)
}
