//! Texts and values as they stood in the JSON that they were read from: slices of it, not decoded.
//!
//! Invariant: neither shows what it holds in `Debug`.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;

use crate::json::{self, Value};

/// The escaped inside of a JSON string, without its quotes. Invariant: put between quotes it is valid JSON.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Str(pub(super) Bytes);

/// One JSON value as it stood. Invariant: valid JSON.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Raw(Bytes);

/// A part of `body`; empty if the span lies outside (it never does for spans of the body's own tape).
fn cut(body: &Bytes, span: Range<usize>) -> Bytes {
    if span.start <= span.end && span.end <= body.len() {
        body.slice(span)
    } else {
        debug_assert!(false, "a span lies outside its body");
        Bytes::new()
    }
}

impl Str {
    /// A string value's inside, as a slice of `body`, which the value must have been scanned from. `None` if it is no
    /// string.
    #[must_use]
    pub fn of(body: &Bytes, value: Value<'_>) -> Option<Self> {
        Some(Self(cut(body, value.inner_span()?)))
    }

    /// Text of our own, escaped.
    #[must_use]
    pub fn escaped(text: &str) -> Self {
        let mut raw = Vec::with_capacity(json::escaped_len(text));
        json::escape(text, &mut raw);
        Self(raw.into())
    }

    /// Bytes that need no escape, or are escaped already: the caller's promise.
    #[must_use]
    pub fn from_raw(raw: impl Into<Bytes>) -> Self {
        Self(raw.into())
    }

    /// The escaped bytes.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.0
    }

    /// The decoded text.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        std::str::from_utf8(&self.0).map_or(Cow::Borrowed(""), json::unescape)
    }

    /// The decoded text; a slice where nothing is escaped.
    #[must_use]
    pub fn decoded(&self) -> Bytes {
        match self.text() {
            Cow::Borrowed(text) => self.0.slice_ref(text.as_bytes()),
            Cow::Owned(text) => text.into(),
        }
    }

    /// The first character of the text that is no white space, if there is one. Decodes no more than it must.
    #[must_use]
    pub fn first_char(&self) -> Option<char> {
        const STEP_BYTES: usize = 64;
        let mut pieces = json::Pieces::new(std::str::from_utf8(&self.0).ok()?);
        let mut piece = String::new();
        while pieces.next_onto(&mut piece, STEP_BYTES) {
            let found = piece.chars().find(|letter| !letter.is_whitespace());
            if found.is_some() {
                return found;
            }
            piece.clear();
        }
        None
    }

    /// Whether there is no text.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Raw {
    /// A value's bytes, as a slice of `body`, which the value must have been scanned from.
    #[must_use]
    pub fn of(body: &Bytes, value: Value<'_>) -> Self {
        Self(cut(body, value.span()))
    }

    /// Bytes that are valid JSON: the caller's promise.
    #[must_use]
    pub fn from_raw(raw: impl Into<Bytes>) -> Self {
        Self(raw.into())
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.0
    }

    /// The number, if it is one.
    #[must_use]
    pub fn number(&self) -> Option<f64> {
        std::str::from_utf8(&self.0).ok()?.parse().ok()
    }
}

impl std::fmt::Debug for Str {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the text: it may be anybody's secret.
        write!(f, "Str({} bytes)", self.0.len())
    }
}

impl std::fmt::Debug for Raw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Raw({} bytes)", self.0.len())
    }
}
