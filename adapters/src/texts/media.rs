//! Values that are no plain text: files in base64 or where they lie, signatures, names of what a vendor keeps.
//!
//! Told by how they begin and what they are made of; decodes nothing.

use std::borrow::Cow;

use memchr::memmem;
use wire::facts::Form;
use wire::json::{self, Escapes, Value};

/// A value that is one unbroken base64 word of this length is data, not text.
const BLOB_MIN: usize = 1024;
/// The scheme of a value that holds a file.
pub(super) const DATA: &str = "data:";
/// Characters of base64 behind its mark that are a file, not a text about one.
const FILE_MIN: usize = 16;
/// Longest head of a `data:` URL that is looked at.
const DATA_HEAD_MAX: usize = 128;

/// A signature is at least so long, or it is a text that was put in its place.
const SIGNATURE_MIN: usize = 64;

/// Whether a value is one long word in base64: a vendor's proof of what its model thought.
pub(crate) fn is_signature(value: Value<'_>) -> bool {
    value
        .inner()
        .is_some_and(|raw| raw.len() >= SIGNATURE_MIN && raw.bytes().all(is_coded))
}

/// Whether a media type is one of text.
pub(crate) fn is_textual(kind: &str) -> bool {
    let kind = kind.to_ascii_lowercase();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.is_empty()
        || kind.starts_with("text/")
        || ["json", "xml", "yaml", "javascript", "csv"]
            .iter()
            .any(|end| kind.ends_with(end))
}

/// What a value that is no plain text holds.
pub(super) enum Payload {
    /// Text behind a head of so many bytes.
    Text { head: usize, form: Form },
    /// A file, or a text, with escapes in it: read as it stands, and not taken for all of it.
    Disguised,
    /// Anything else.
    Opaque,
}

/// Of the inside of a string.
pub(super) fn media_of(raw: &[u8]) -> Option<Payload> {
    // Most begin otherwise, with an escape or without.
    if !matches!(raw.first(), Some(b'd' | b'D' | b'\\')) {
        return blob_of(raw);
    }
    let begin = text_of(raw.get(..DATA_HEAD_MAX).unwrap_or(raw));
    let (head, closed) = match begin.split_once(',') {
        Some((head, _)) => (head, true),
        None => (begin, false),
    };
    if head.contains('\\') && is_data(&json::unescape(head)) {
        Some(Payload::Disguised)
    } else if is_data(head) {
        url_of(head).filter(|_| closed)
    } else {
        blob_of(raw)
    }
}

/// What a `data:` URL holds, by its head.
fn url_of(head: &str) -> Option<Payload> {
    let lower = head.get(DATA.len()..)?.to_ascii_lowercase();
    let mut words = lower.split(';');
    let kind = words.next().unwrap_or_default();
    let base64 = words.any(|word| word == "base64");
    if !is_textual(kind) {
        return Some(Payload::Opaque);
    }
    Some(Payload::Text {
        head: head.len() + 1,
        // What is not in base64 is percent-encoded: the scan undoes that.
        form: if base64 { Form::Base64 } else { Form::String },
    })
}

/// Whether a value is data by its letters alone.
fn blob_of(raw: &[u8]) -> Option<Payload> {
    if raw.len() < BLOB_MIN || !raw.iter().all(|byte| is_coded(*byte) || *byte == b'\\') {
        return None;
    }
    // Nothing but ASCII.
    let text = json::unescape(text_of(raw));
    let coded = text.len() >= BLOB_MIN && text.bytes().all(is_coded);
    coded.then_some(match text {
        Cow::Borrowed(_) => Payload::Opaque,
        Cow::Owned(_) => Payload::Disguised,
    })
}

/// Schemes are the same in any case.
fn is_data(text: &str) -> bool {
    text.get(..DATA.len())
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case(DATA))
}

pub(crate) fn is_coded(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/=-_".contains(&byte)
}

/// How a text begins that a vendor replaces by the files which it kept under these names (`vendors/tongyi.md`, section 5).
const KEPT: &str = "fileid://";
/// So much of a text is decoded at a time.
const STEP_BYTES: usize = 64;

/// Whether a text stands for files that a vendor keeps. White space before the scheme may be as long as it likes.
pub(super) fn is_kept(raw: &[u8]) -> bool {
    // Most texts begin with another letter.
    let blank = |byte: &u8| byte.is_ascii_whitespace();
    let first = raw.iter().find(|byte| !blank(byte));
    if !matches!(first, Some(b'f' | b'F' | b'\\' | 0x80..)) {
        return false;
    }
    let Some(raw) = json::utf8(raw) else {
        return false;
    };
    let mut pieces = json::Pieces::new(raw);
    let mut left = KEPT;
    let mut piece = String::new();
    while pieces.next_onto(&mut piece, STEP_BYTES) {
        let mut letters = piece.as_str();
        if left.len() == KEPT.len() {
            letters = piece.trim_start();
        }
        for letter in letters.chars() {
            let mut wanted = left.chars();
            if !wanted
                .next()
                .is_some_and(|next| next.eq_ignore_ascii_case(&letter))
            {
                return left.is_empty();
            }
            left = wanted.as_str();
        }
        piece.clear();
    }
    left.is_empty()
}

/// Whether a file in base64 stands somewhere in a text: nobody reads it there.
pub(super) fn holds_file(value: Value<'_>) -> bool {
    match value.escapes() {
        Escapes::Letters => has_file(&value.text_bytes()),
        Escapes::None | Escapes::Signs => has_file(value.inner_bytes().unwrap_or_default()),
    }
}

/// The same, without escapes that could hide it.
fn has_file(text: &[u8]) -> bool {
    const MARK: &[u8] = b"base64";
    // Its last digits and the comma behind it are rarer than commas.
    const END: &[u8] = b"64,";
    text.len() > FILE_MIN
        && memmem::find_iter(text, END).any(|at| {
            let behind = at + END.len();
            let mark = text.get(..behind - 1).unwrap_or_default();
            let mark = mark
                .len()
                .checked_sub(MARK.len())
                .and_then(|from| mark.get(from..));
            let behind = text.get(behind..behind + FILE_MIN);
            mark.is_some_and(|mark| mark.eq_ignore_ascii_case(MARK))
                && behind.is_some_and(|behind| behind.iter().all(|byte| is_coded(*byte)))
        })
}

/// The beginning of bytes that is text: all of it, unless a character is cut.
fn text_of(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_else(|error| {
        let valid = bytes.get(..error.valid_up_to());
        valid.and_then(json::utf8).unwrap_or_default()
    })
}
