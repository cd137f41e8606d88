//! Data keys: one for each subject, period and run of the gateway; wrapped on disk, usable in memory only.
//!
//! Must never know what they seal.
//! Invariants: a key is handed out once its file is durable, and no longer once its subject was shredded; at most
//! `KEYS_CACHED_MAX` are in memory; a key that was forgotten is not found again but made anew, so no nonce is used twice.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use aws_lc_rs::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use aws_lc_rs::hmac;
use serde::{Deserialize, Serialize};

use super::super::locked;
use super::kek::{Kek, KekError, read_text};
use super::period::Period;
use super::print::{Digest, hex, hex32, unhex};
use super::shred;

/// Most data keys in memory, about a kilobyte each.
const KEYS_CACHED_MAX: usize = 16_384;
/// Longest wrapped key: those of KMS are below a kilobyte.
pub const WRAPPED_BYTES_MAX: usize = 2048;
/// Suffix of a key file.
pub(super) const SUFFIX: &str = ".key";

/// A data key that may seal.
pub struct DataKey {
    pub(super) id: [u8; 8],
    pub(super) subject: Digest,
    pub(super) key: LessSafeKey,
    until_ms: i64,
    next: AtomicU64,
}

impl DataKey {
    /// A number that this key has not used yet.
    pub(super) fn count(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataKey({})", hex(&self.id))
    }
}

/// Why there is no data key.
#[derive(Debug)]
pub enum KeyError {
    /// It could not be wrapped.
    Kek(KekError),
    /// Its file could not be written.
    Io(io::Error),
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kek(error) => error.fmt(f),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for KeyError {}

impl From<io::Error> for KeyError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

pub(super) struct Keys {
    dir: PathBuf,
    kek: Arc<dyn Kek>,
    period: Period,
    cache: Mutex<Cache>,
}

#[derive(Default)]
struct Cache {
    keys: HashMap<Digest, Arc<DataKey>>,
    /// Subjects in the order of their first key.
    order: VecDeque<Digest>,
    /// How often keys were forgotten: what was made meanwhile is not put in.
    forgotten: u64,
}

impl Keys {
    pub(super) fn new(dir: PathBuf, kek: Arc<dyn Kek>, period: Period) -> Self {
        Self {
            dir,
            kek,
            period,
            cache: Mutex::default(),
        }
    }

    pub(super) fn cached(&self, subject: &Digest, now_ms: i64) -> Option<Arc<DataKey>> {
        let cache = locked(&self.cache);
        let key = cache.keys.get(subject)?;
        (now_ms < key.until_ms).then(|| Arc::clone(key))
    }

    /// The key in memory, or a new one whose file is durable.
    pub(super) fn make(&self, subject: &Digest, now_ms: i64) -> Result<Arc<DataKey>, KeyError> {
        loop {
            if let Some(key) = self.cached(subject, now_ms) {
                return Ok(key);
            }
            let forgotten = locked(&self.cache).forgotten;
            let (key, path) = self.write_new(subject, now_ms)?;
            let mut cache = locked(&self.cache);
            if cache.forgotten != forgotten {
                // Its file may be gone. Somebody ordered that, which is rare, so this ends.
                continue;
            }
            let other = cache.keys.get(subject).filter(|key| now_ms < key.until_ms);
            if let Some(other) = other.map(Arc::clone) {
                drop(cache);
                // Made twice at once; nothing was sealed with this one.
                let _ = fs::remove_file(path);
                return Ok(other);
            }
            cache.put(*subject, Arc::clone(&key));
            return Ok(key);
        }
    }

    fn write_new(
        &self,
        subject: &Digest,
        now_ms: i64,
    ) -> Result<(Arc<DataKey>, PathBuf), KeyError> {
        let (period, until_ms) = self.period.at(now_ms);
        let mut bytes = [0; 32];
        let mut id = [0; 8];
        let random = |to: &mut [u8]| {
            aws_lc_rs::rand::fill(to).map_err(|_| io::Error::other("no random numbers"))
        };
        random(&mut bytes)?;
        random(&mut id)?;
        let made = UnboundKey::new(&AES_256_GCM, &bytes);
        let about = about(&id, subject, &period);
        let wrapped = self.kek.wrap(&bytes, &about);
        let check = check(&bytes, &about);
        bytes.fill(0);
        std::hint::black_box(&bytes);
        let wrapped = wrapped.map_err(KeyError::Kek)?;
        if wrapped.len() > WRAPPED_BYTES_MAX {
            return Err(KeyError::Kek(KekError::Unavailable));
        }
        let file = KeyFile {
            v: 1,
            id: hex(&id),
            subject: hex(subject),
            period,
            kek: self.kek.id().to_owned(),
            wrapped,
            check,
        };
        let of_subject = self.dir.join(&file.subject);
        make_dir(&of_subject)?;
        let path = of_subject.join(format!("{}-{}{SUFFIX}", file.period, file.id));
        let text = serde_json::to_vec(&file).map_err(io::Error::from)?;
        write_durably(&path, &text)?;
        let key = made.map_err(|_| KeyError::Kek(KekError::Unavailable))?;
        let key = DataKey {
            id,
            subject: *subject,
            key: LessSafeKey::new(key),
            until_ms,
            next: AtomicU64::new(0),
        };
        Ok((Arc::new(key), path))
    }

    /// Lets go of a subject's keys; what is sealed from now on needs a new one.
    fn forget(&self, subject: &Digest) {
        let mut cache = locked(&self.cache);
        cache.forgotten += 1;
        cache.keys.remove(subject);
    }

    /// Carries out the orders to shred that lie in the directory.
    pub(super) fn obey(&self) -> io::Result<()> {
        for (subject, order) in shred::orders(&self.dir)? {
            self.forget(&subject);
            shred::destroy(&self.dir, &subject)?;
            fs::remove_file(order)?;
        }
        Ok(())
    }
}

impl Cache {
    fn put(&mut self, subject: Digest, key: Arc<DataKey>) {
        if self.keys.insert(subject, key).is_none() {
            self.order.push_back(subject);
        }
        while self.order.len() > KEYS_CACHED_MAX {
            if let Some(oldest) = self.order.pop_front() {
                self.keys.remove(&oldest);
            }
        }
    }
}

/// A wrapped data key as its file has it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    v: u32,
    id: String,
    subject: String,
    period: String,
    kek: String,
    wrapped: String,
    check: String,
}

/// Why a key file opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unusable {
    /// There is none: it was shredded.
    Gone,
    /// It is not what was written.
    Damaged,
    /// Another key wraps it.
    OtherKek,
    /// Who wraps keys does not answer.
    Unavailable,
    /// It cannot be read.
    Unreadable,
}

/// Reads a data key of a subject.
pub(super) fn read(
    dir: &Path,
    kek: &dyn Kek,
    subject: &Digest,
    id: &[u8; 8],
) -> Result<LessSafeKey, Unusable> {
    let of_subject = dir.join(str_of(&hex32(subject)));
    let ending = format!("-{}{SUFFIX}", hex(id));
    let entries = match fs::read_dir(&of_subject) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Unusable::Gone),
        other => other.map_err(|_| Unusable::Unreadable)?,
    };
    let path = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.to_string_lossy().ends_with(&ending));
    let text = read_text(&path.ok_or(Unusable::Gone)?).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Unusable::Gone,
        io::ErrorKind::InvalidData => Unusable::Damaged,
        _ => Unusable::Unreadable,
    })?;
    let file: KeyFile = serde_json::from_str(&text).map_err(|_| Unusable::Damaged)?;
    if file.v != 1 || unhex(&file.id) != Some(*id) || unhex(&file.subject) != Some(*subject) {
        return Err(Unusable::Damaged);
    }
    if file.kek != kek.id() {
        return Err(Unusable::OtherKek);
    }
    let about = about(id, subject, &file.period);
    let mut bytes = kek
        .unwrap(&file.wrapped, &about)
        .map_err(|error| match error {
            KekError::Refused => Unusable::Damaged,
            KekError::Unavailable => Unusable::Unavailable,
        })?;
    let sound = check(&bytes, &about) == file.check;
    let key = UnboundKey::new(&AES_256_GCM, &bytes);
    bytes.fill(0);
    std::hint::black_box(&bytes);
    match key {
        Ok(key) if sound => Ok(LessSafeKey::new(key)),
        _ => Err(Unusable::Damaged),
    }
}

/// What a wrapped key is bound to.
fn about(id: &[u8; 8], subject: &Digest, period: &str) -> String {
    format!("{}|{}|{period}", hex(id), str_of(&hex32(subject)))
}

fn check(key: &[u8; 32], about: &str) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), about.as_bytes());
    hex(tag.as_ref().get(..16).unwrap_or_default())
}

fn str_of(hex: &[u8; 64]) -> &str {
    str::from_utf8(hex).unwrap_or_default()
}

/// Makes a directory that only its owner may enter, durably.
pub(super) fn make_dir(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    sync_dir(dir.parent().unwrap_or(dir))
}

/// Makes a file that is there whole or not at all, whatever happens.
pub(super) fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = path.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    sync_dir(path.parent().unwrap_or(path))
}

/// Makes names in a directory durable.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
