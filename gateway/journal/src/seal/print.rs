//! Keyed hashes of a directory: who a body belongs to, and what it was, for those who have it and the key.
//!
//! Without the key nobody can try ids or texts against a record.
//!
//! Must never know what it hashes.
//! Invariant: the key is made once for a directory, durably, before the first record that needs it.

use std::fmt;
use std::io;
use std::path::Path;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::KEYS;
use super::kek::{random_text, read_text};
use super::keys::write_durably;

/// Name of the key's file.
const FINGERPRINT: &str = "fingerprint";

/// An HMAC-SHA-256.
pub type Digest = [u8; 32];

/// Whose a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who<'a> {
    /// A user.
    User(&'a str),
    /// A virtual key, where no user is known.
    Key(&'a str),
}

/// The keyed hashes of one directory.
pub struct Prints(hmac::Key);

impl Prints {
    /// Reads the directory's key, or makes one.
    ///
    /// # Errors
    /// If it cannot be read or made, or is none.
    pub fn open(dir: &Path) -> io::Result<Self> {
        let path = dir.join(KEYS).join(FINGERPRINT);
        match Self::read(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                write_durably(&path, random_text()?.as_bytes())?;
                Self::read(dir)
            }
            other => other,
        }
    }

    /// Reads the directory's key.
    ///
    /// # Errors
    /// If it cannot be read, or is none.
    pub fn read(dir: &Path) -> io::Result<Self> {
        let text = read_text(&dir.join(KEYS).join(FINGERPRINT))?;
        let bytes = STANDARD
            .decode(text.trim())
            .ok()
            .filter(|bytes| bytes.len() == 32)
            .ok_or_else(|| {
                io::Error::new(io::ErrorKind::InvalidData, "keys/fingerprint is no key")
            })?;
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// The subject that a person's bodies belong to.
    pub fn subject(&self, who: Who<'_>) -> Digest {
        let (kind, id) = match who {
            Who::User(id) => ("user:", id),
            Who::Key(id) => ("key:", id),
        };
        let mut print = self.content();
        print.add(kind.as_bytes());
        print.add(id.as_bytes());
        print.finish()
    }

    /// A fingerprint that grows with its content.
    pub fn content(&self) -> Print {
        Print(hmac::Context::with_key(&self.0))
    }
}

impl fmt::Debug for Prints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Prints")
    }
}

/// A content fingerprint in the making.
pub struct Print(hmac::Context);

impl Print {
    /// Goes on with `bytes`.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// All that was added.
    pub fn finish(self) -> Digest {
        let mut out = [0; 32];
        for (to, from) in out.iter_mut().zip(self.0.sign().as_ref()) {
            *to = *from;
        }
        out
    }
}

impl fmt::Debug for Print {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Print")
    }
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Bytes as lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| pair(*byte))
        .map(char::from)
        .collect()
}

/// 32 bytes as hex, without an allocation.
pub(crate) fn hex32(bytes: &Digest) -> [u8; 64] {
    let mut out = [b'0'; 64];
    for (to, from) in out.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
        *to = pair(*from);
    }
    out
}

fn pair(byte: u8) -> [u8; 2] {
    let digit = |at: u8| DIGITS.get(usize::from(at)).copied().unwrap_or(b'0');
    [digit(byte >> 4), digit(byte & 15)]
}

/// `N` bytes of lower-case hex.
pub(super) fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut out = [0; N];
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    let value = |digit: u8| DIGITS.iter().position(|known| *known == digit);
    for (to, [high, low]) in out.iter_mut().zip(pairs) {
        *to = u8::try_from(value(*high)? << 4 | value(*low)?).ok()?;
    }
    Some(out)
}
