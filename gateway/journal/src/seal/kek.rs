//! The key that wraps data keys: ours, or somebody's who wraps and unwraps for us.
//!
//! Must never know where the config has it from.
//! Invariants: no key is in `Debug` or in an error; a key of ours is 32 bytes, no password.

use std::fmt;
use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::keys::write_durably;
use super::print::hex;
use super::{KEYS, frame::TAG_BYTES};

/// Name of the key that a directory has of its own.
const KEK: &str = "kek";
/// Longest file of a key.
const KEY_FILE_BYTES_MAX: u64 = 4096;

/// Wraps and unwraps data keys. May block, for as long as it says itself.
pub trait Kek: Send + Sync {
    /// Which key it is; stands in key files, so that a wrong one is told from damage.
    fn id(&self) -> &str;
    /// Wraps a data key. `about` says what it is for; unwrapping asks for the same.
    ///
    /// # Errors
    /// If it cannot.
    fn wrap(&self, key: &[u8; 32], about: &str) -> Result<String, KekError>;
    /// The data key again.
    ///
    /// # Errors
    /// If it is not one that was wrapped so.
    fn unwrap(&self, wrapped: &str, about: &str) -> Result<[u8; 32], KekError>;
}

/// Why a data key could not be wrapped or unwrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KekError {
    /// What was wrapped is damaged, or was wrapped by another key.
    Refused,
    /// Who wraps does not answer, or not as agreed.
    Unavailable,
}

impl fmt::Display for KekError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "the key is damaged, or wrapped by another one",
            Self::Unavailable => "who wraps keys does not answer as agreed",
        })
    }
}

impl std::error::Error for KekError {}

/// A key of ours.
pub struct LocalKek {
    id: String,
    key: LessSafeKey,
}

impl LocalKek {
    /// A key of 32 bytes in base64; `None`: it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = STANDARD.decode(text.trim()).ok()?;
        let key = UnboundKey::new(&AES_256_GCM, &bytes).ok();
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &bytes), b"yumen kek id");
        bytes.fill(0);
        std::hint::black_box(&bytes);
        Some(Self {
            id: hex(tag.as_ref().get(..8)?),
            key: LessSafeKey::new(key?),
        })
    }

    /// The key that the directory has of its own. `make`: if there is none, one is made, durably.
    ///
    /// # Errors
    /// If it cannot be read or made, or is none.
    pub fn of_dir(dir: &Path, make: bool) -> io::Result<Self> {
        let path = dir.join(KEYS).join(KEK);
        let text = match read_text(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && make => {
                super::keys::make_dir(&dir.join(KEYS))?;
                let text = random_text()?;
                write_durably(&path, text.as_bytes())?;
                text
            }
            other => other?,
        };
        Self::parse(&text)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "keys/kek is no key"))
    }
}

impl Kek for LocalKek {
    fn id(&self) -> &str {
        &self.id
    }

    fn wrap(&self, key: &[u8; 32], about: &str) -> Result<String, KekError> {
        let mut nonce = [0; NONCE_LEN];
        // Few keys are wrapped, so a random nonce never meets its like.
        aws_lc_rs::rand::fill(&mut nonce).map_err(|_| KekError::Unavailable)?;
        let mut text = key.to_vec();
        self.key
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(about.as_bytes()),
                &mut text,
            )
            .map_err(|_| KekError::Unavailable)?;
        let mut out = nonce.to_vec();
        out.append(&mut text);
        Ok(STANDARD.encode(out))
    }

    fn unwrap(&self, wrapped: &str, about: &str) -> Result<[u8; 32], KekError> {
        let bytes = STANDARD.decode(wrapped).map_err(|_| KekError::Refused)?;
        let (nonce, text) = bytes
            .split_first_chunk::<NONCE_LEN>()
            .filter(|(_, text)| text.len() == 32 + TAG_BYTES)
            .ok_or(KekError::Refused)?;
        let mut text = text.to_vec();
        let plain = self
            .key
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                Aad::from(about.as_bytes()),
                &mut text,
            )
            .map_err(|_| KekError::Refused)?;
        plain.first_chunk().copied().ok_or(KekError::Refused)
    }
}

impl fmt::Debug for LocalKek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LocalKek({})", self.id)
    }
}

/// 32 random bytes in base64.
pub(super) fn random_text() -> io::Result<String> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| io::Error::other("no random numbers"))?;
    Ok(STANDARD.encode(bytes))
}

/// A short file's text.
pub(super) fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    fs::File::open(path)?
        .take(KEY_FILE_BYTES_MAX)
        .read_to_string(&mut text)?;
    Ok(text)
}
