//! Values that are no plain text: files in base64 or where they lie, signatures, names of what a vendor keeps.
//!
//! Told by how they begin and what they are made of; decodes nothing.

use std::ops::Range;

use memchr::memmem;
use wire::facts::{Contents, Form, Media};
use wire::json::{self, Escapes, Type, Value};

use super::Mark;

/// A value that is one unbroken base64 word of this length is data, not text.
const BLOB_MIN: usize = 1024;
/// Words of base64 are lines, of 64 letters or more; of prose they are shorter, on average.
const WORD_MIN: usize = 48;
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
    let escaped = |byte| is_coded(byte) || byte == b'\\';
    if raw.len() < BLOB_MIN || letters_of(raw, escaped) < BLOB_MIN {
        return None;
    }
    // Nothing but ASCII.
    let text = json::unescape(text_of(raw));
    let coded = letters_of(text.as_bytes(), is_coded) >= BLOB_MIN;
    coded.then(|| {
        if raw.iter().copied().all(is_coded) {
            Payload::Opaque
        } else {
            Payload::Disguised
        }
    })
}

/// Whether a value is data by its letters alone.
pub(crate) fn is_blob(raw: &[u8]) -> bool {
    blob_of(raw).is_some()
}

/// How many letters there are if bytes are words of them, so long on average that they are one in lines, or with white space
/// here and there: what decodes base64 passes over that. Prose is left at its first space, with none.
pub(super) fn letters_of(text: &[u8], is_letter: impl Fn(u8) -> bool) -> usize {
    let (mut letters, mut breaks, mut blank) = (0, 0, false);
    for byte in text.trim_ascii() {
        if is_letter(*byte) {
            letters += 1;
            blank = false;
        } else if !byte.is_ascii_whitespace() {
            return 0;
        } else if !std::mem::replace(&mut blank, true) {
            breaks += 1;
            if breaks * WORD_MIN > letters {
                return 0;
            }
        }
    }
    letters
}

/// Kinds of a message's parts that may say nothing but text; what they hold besides is told by their members.
const READABLE: [&str; 18] = [
    "text",
    "input_text",
    "output_text",
    "summary_text",
    "reasoning_text",
    "refusal",
    "reasoning",
    "thinking",
    "redacted_thinking",
    "tool_use",
    "tool_call",
    "tool_result",
    "function_call",
    "function_call_output",
    "search_result",
    "citation",
    "file",
    "input_file",
];

/// Notes parts of a message that hold neither text nor anything that was noted in them since `mark`: vectors, handles,
/// whatever an unknown kind is made of. `content`: the list of them, whose texts were collected.
pub(crate) fn note_parts(content: Option<Value<'_>>, mark: Mark, contents: &mut Contents) {
    let known = contents.media.get(mark.media..).unwrap_or_default();
    let has_known = |span: &Range<usize>| {
        let at = known.partition_point(|media| media.span.start < span.start);
        let first = known.get(at);
        first.is_some_and(|media| media.span.end <= span.end)
    };
    let parts = content.iter().flat_map(Value::elements);
    let unread: Vec<Media> = parts
        .filter(|part| part.kind() == Type::Object && !is_readable(*part))
        .map(|part| part.span())
        .filter(|span| span.len() > "{}".len() && !has_known(span))
        .map(|span| Media {
            span: span.start + 1..span.end - 1,
        })
        .collect();
    contents.media.extend(unread);
}

fn is_readable(part: Value<'_>) -> bool {
    match part.get("type") {
        Some(kind) => READABLE.iter().any(|name| kind.is_named(name)),
        None => part.get("text").is_some_and(|text| text.has_text()),
    }
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
