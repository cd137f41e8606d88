//! Signed notes (C2SP signed-note): text, and lines of signatures by named keys; Ed25519 only. A signature is the log's own
//! (type 0x01) or a witness's with the time at which it was given (type 0x04, C2SP tlog-cosignature).
//!
//! Must never know what the text says, or where keys are kept.
//! Invariants: what is parsed was written in the one form that the specification allows; nothing of a note is to be believed
//! before `Verifier::verifies` said so; a private key is not shown by `Debug`.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Signatures of a note that are looked at: a log's and its witnesses'.
const SIGNATURES_MAX: usize = 64;
/// Longest note that is looked at.
pub const NOTE_BYTES_MAX: usize = 64 << 10;
/// Longest name of a key.
const NAME_BYTES_MAX: usize = 255;
const PRIVATE: &str = "PRIVATE+KEY+";

/// What a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Use {
    /// A note's text.
    Log = 1,
    /// A note's text at a time: a witness.
    Witness = 4,
}

/// A public key with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verifier {
    name: String,
    id: u32,
    purpose: Use,
    key: [u8; 32],
}

/// A private key with its name.
pub struct Signer {
    pair: Ed25519KeyPair,
    seed: [u8; 32],
    verifier: Verifier,
}

/// A signature line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Name of the key.
    pub name: String,
    /// Its id.
    pub id: u32,
    /// The signature; a witness's has the time before it.
    pub bytes: Vec<u8>,
}

/// A note, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// With its last newline.
    pub text: String,
    /// In their order.
    pub signatures: Vec<Signature>,
}

fn key_id(name: &str, purpose: Use, key: &[u8; 32]) -> u32 {
    let input = [name.as_bytes(), b"\n", &[purpose as u8], key].concat();
    let hash = digest(&SHA256, &input);
    hash.as_ref()
        .first_chunk()
        .map_or(0, |first| u32::from_be_bytes(*first))
}

/// Whether a key may have this name: no spaces, no plus.
pub fn is_name(name: &str) -> bool {
    let allowed = |c: char| !c.is_whitespace() && !c.is_control() && c != '+';
    (1..=NAME_BYTES_MAX).contains(&name.len()) && name.chars().all(allowed)
}

impl Verifier {
    /// Reads a verifier key, `<name>+<id in hex>+<base64 of type and key>`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '+');
        let (name, id, key) = (parts.next()?, parts.next()?, parts.next()?);
        let bytes = STANDARD.decode(key).ok()?;
        let (kind, key) = bytes.split_first()?;
        let purpose = [Use::Log, Use::Witness]
            .into_iter()
            .find(|purpose| *purpose as u8 == *kind)?;
        let key = <[u8; 32]>::try_from(key).ok()?;
        let found = Self {
            id: key_id(name, purpose, &key),
            name: name.to_owned(),
            purpose,
            key,
        };
        // In the one way it is written: nothing can be changed in it unnoticed.
        (is_name(name) && id == format!("{:08x}", found.id) && found.to_string() == text)
            .then_some(found)
    }

    /// The key's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it signs.
    pub fn purpose(&self) -> Use {
        self.purpose
    }

    /// Whether a line names this key. Whether it was made by it, `verifies` says.
    pub fn is_named_by(&self, signature: &Signature) -> bool {
        self.id == signature.id && self.name == signature.name
    }

    /// Whether the key made this signature of the text.
    pub fn verifies(&self, text: &str, signature: &Signature) -> bool {
        if !self.is_named_by(signature) {
            return false;
        }
        let key = UnparsedPublicKey::new(&ED25519, &self.key);
        match self.purpose {
            Use::Log => key.verify(text.as_bytes(), &signature.bytes).is_ok(),
            Use::Witness => signature
                .bytes
                .split_first_chunk()
                .is_some_and(|(at, rest)| {
                    let message = cosigned(u64::from_be_bytes(*at), text);
                    key.verify(message.as_bytes(), rest).is_ok()
                }),
        }
    }
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = [&[self.purpose as u8], &self.key[..]].concat();
        write!(f, "{}+{:08x}+{}", self.name, self.id, STANDARD.encode(key))
    }
}

/// What a witness signs.
fn cosigned(seconds: u64, text: &str) -> String {
    format!("cosignature/v1\ntime {seconds}\n{text}")
}

impl Signer {
    /// A key from 32 secret random bytes; `None` if no key may have this name.
    pub fn new(name: &str, purpose: Use, seed: [u8; 32]) -> Option<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).ok()?;
        let key = <[u8; 32]>::try_from(pair.public_key().as_ref()).ok()?;
        let verifier = Verifier {
            name: name.to_owned(),
            id: key_id(name, purpose, &key),
            purpose,
            key,
        };
        is_name(name).then_some(Self {
            pair,
            seed,
            verifier,
        })
    }

    /// Reads `PRIVATE+KEY+<name>+<id in hex>+<base64 of type and seed>`, as other tools for notes write it too.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim_end().strip_prefix(PRIVATE)?.splitn(3, '+');
        let (name, id, key) = (parts.next()?, parts.next()?, parts.next()?);
        let bytes = STANDARD.decode(key).ok()?;
        let (kind, seed) = bytes.split_first()?;
        let purpose = [Use::Log, Use::Witness]
            .into_iter()
            .find(|purpose| *purpose as u8 == *kind)?;
        let signer = Self::new(name, purpose, <[u8; 32]>::try_from(seed).ok()?)?;
        (id == format!("{:08x}", signer.verifier.id)).then_some(signer)
    }

    /// The key as `parse` reads it. A secret.
    pub fn secret(&self) -> String {
        let key = [&[self.verifier.purpose as u8], &self.seed[..]].concat();
        let verifier = &self.verifier;
        format!(
            "{PRIVATE}{}+{:08x}+{}\n",
            verifier.name,
            verifier.id,
            STANDARD.encode(key)
        )
    }

    /// The public half.
    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// Signs a text that ends in a newline; a witness's key signs it with the time, in seconds since 1970 UTC.
    pub fn sign(&self, text: &str, seconds: u64) -> Signature {
        let bytes = match self.verifier.purpose {
            Use::Log => self.pair.sign(text.as_bytes()).as_ref().to_vec(),
            Use::Witness => {
                let signature = self.pair.sign(cosigned(seconds, text).as_bytes());
                [&seconds.to_be_bytes()[..], signature.as_ref()].concat()
            }
        };
        Signature {
            name: self.verifier.name.clone(),
            id: self.verifier.id,
            bytes,
        }
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.verifier)
    }
}

impl Signature {
    /// Reads a line without its newline.
    pub fn parse(line: &str) -> Option<Self> {
        let (name, encoded) = line.strip_prefix("— ")?.split_once(' ')?;
        let bytes = STANDARD.decode(encoded).ok()?;
        let (id, rest) = bytes.split_first_chunk()?;
        (is_name(name) && !rest.is_empty()).then(|| Self {
            name: name.to_owned(),
            id: u32::from_be_bytes(*id),
            bytes: rest.to_vec(),
        })
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&self.id.to_be_bytes()[..], &self.bytes].concat();
        write!(f, "— {} {}", self.name, STANDARD.encode(bytes))
    }
}

impl Note {
    /// Takes a note apart; `None` if it is none.
    pub fn parse(note: &str) -> Option<Self> {
        if note.len() > NOTE_BYTES_MAX || note.bytes().any(|b| b < 0x20 && b != b'\n') {
            return None;
        }
        let end = note.rfind("\n\n")? + 1;
        let (text, lines) = (note.get(..end)?, note.get(end + 1..)?);
        let lines = lines.strip_suffix('\n')?;
        let mut signatures = Vec::new();
        for line in lines.split('\n') {
            signatures.push(Signature::parse(line)?);
            if signatures.len() > SIGNATURES_MAX {
                return None;
            }
        }
        Some(Self {
            text: text.to_owned(),
            signatures,
        })
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures
            .iter()
            .try_for_each(|signature| writeln!(f, "{signature}"))
    }
}
