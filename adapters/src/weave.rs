//! Writing JSON as a rope: our own punctuation copied, long text of others spliced in as the slice it is.
//!
//! Builds no tree and checks nothing: who writes sees to commas. Invariant: text longer than [`SPLICE_BYTES`] is never
//! copied here.

use bytes::Bytes;
use wire::canon::{Blob, Raw, Str};
use wire::json::{self, Value};
use wire::{Fault, Kind, Rope};

use crate::dialect::{Dropped, Lossy};
use crate::quirks::judge::weight;
use crate::quirks::{Judged, Loss, Quirks, lose};

/// Up to here a copy costs less than another piece in the rope (`wire::rope::FLATTEN_BYTES` draws the same line for a
/// whole rope).
const SPLICE_BYTES: usize = 256;

/// What an event of a stream takes, mostly; and the most that is set aside for the events of one read.
const EVENT_BYTES: usize = 256;
const ROOM_BYTES_MAX: usize = 16 << 10;

/// A rope in the making.
#[derive(Default)]
pub(crate) struct Weave {
    done: Rope,
    open: Vec<u8>,
}

impl Weave {
    /// Nothing yet.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Nothing yet, and room for what so many events of a stream come to.
    pub(crate) fn of_events(count: usize) -> Self {
        Self {
            open: Vec::with_capacity(ROOM_BYTES_MAX.min(count * EVENT_BYTES)),
            ..Self::default()
        }
    }

    /// Bytes of our own, as they are.
    pub(crate) fn lit(&mut self, text: &str) {
        self.open.extend_from_slice(text.as_bytes());
    }

    /// Bytes that were built before, as they are.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.open.extend_from_slice(bytes);
    }

    /// A whole number.
    pub(crate) fn number(&mut self, number: impl std::fmt::Display) {
        use std::io::Write;
        // Writing to a vector cannot fail.
        let _ = write!(self.open, "{number}");
    }

    /// Somebody's bytes, valid where they are put.
    pub(crate) fn splice(&mut self, piece: &Bytes) {
        if piece.len() <= SPLICE_BYTES {
            self.open.extend_from_slice(piece);
            return;
        }
        self.settle();
        self.done.push(piece.clone());
    }

    /// Texts inside a string, a line feed between them.
    pub(crate) fn lines(&mut self, texts: &[&Str]) {
        for (at, text) in texts.iter().enumerate() {
            self.lit(if at == 0 { "" } else { "\\n" });
            self.splice(text.bytes());
        }
    }

    /// Texts as one string, quotes included.
    pub(crate) fn joined(&mut self, texts: &[&Str]) {
        self.lit("\"");
        self.lines(texts);
        self.lit("\"");
    }

    /// A string, quotes included.
    pub(crate) fn string(&mut self, text: &Str) {
        self.lit("\"");
        self.splice(text.bytes());
        self.lit("\"");
    }

    /// A string that came in pieces, quotes included: no piece ends inside an escape.
    pub(crate) fn pieces<'s>(&mut self, pieces: impl IntoIterator<Item = &'s Str>) {
        self.lit("\"");
        for piece in pieces {
            self.splice(piece.bytes());
        }
        self.lit("\"");
    }

    /// A URL that leads to bytes or holds them, quotes included.
    pub(crate) fn blob(&mut self, blob: &Blob) {
        match blob {
            Blob::Url(url) => self.string(url),
            Blob::Inline { kind, data } => {
                self.lit("\"data:");
                self.splice(kind.bytes());
                self.lit(";base64,");
                self.splice(data.bytes());
                self.lit("\"");
            }
        }
    }

    /// A string of our own, quotes included.
    pub(crate) fn quoted(&mut self, text: &str) {
        self.open.push(b'"');
        json::escape(text, &mut self.open);
        self.open.push(b'"');
    }

    /// A value as it stood.
    pub(crate) fn raw(&mut self, raw: &Raw) {
        self.splice(raw.bytes());
    }

    /// What was written, as a rope; the weave is empty again.
    pub(crate) fn take(&mut self) -> Rope {
        self.settle();
        std::mem::take(&mut self.done)
    }

    fn settle(&mut self) {
        self.done.push(std::mem::take(&mut self.open).into());
    }
}

/// Pieces of escaped text as one: no piece ends inside an escape.
pub(crate) fn joined<'a>(pieces: impl IntoIterator<Item = &'a Str>) -> Str {
    let bytes: Vec<&[u8]> = pieces.into_iter().map(|one| &**one.bytes()).collect();
    Str::from_raw(bytes.concat())
}

/// The members of one object of a request, each judged by the vendor's quirks.
pub(crate) struct Fields<'a> {
    /// What is written to.
    pub weave: &'a mut Weave,
    /// What has been lost.
    pub dropped: &'a mut Dropped,
    quirks: &'a Quirks,
    lossy: Lossy,
    /// Names written so far, for what is added at the end.
    written: smallvec::SmallVec<[&'static str; 16]>,
    comma: bool,
}

impl<'a> Fields<'a> {
    /// Begins an object.
    pub(crate) fn open(
        weave: &'a mut Weave,
        dropped: &'a mut Dropped,
        quirks: &'a Quirks,
        lossy: Lossy,
    ) -> Self {
        weave.lit("{");
        Self {
            weave,
            dropped,
            quirks,
            lossy,
            written: smallvec::SmallVec::new(),
            comma: false,
        }
    }

    /// Writes a key; its value must follow.
    pub(crate) fn key(&mut self, name: &'static str) {
        if std::mem::replace(&mut self.comma, true) {
            self.weave.lit(",");
        }
        self.weave.quoted(name);
        self.weave.lit(":");
        self.written.push(name);
    }

    /// A member that no quirk concerns, as JSON.
    pub(crate) fn lit(&mut self, name: &'static str, raw: &str) {
        self.key(name);
        self.weave.lit(raw);
    }

    /// Loses what a field says.
    ///
    /// # Errors
    /// `BadRequest` if it must not be lost.
    pub(crate) fn lose(&mut self, name: &'static str, loss: Loss) -> Result<(), Fault> {
        lose(name, loss, self.lossy, self.dropped)
    }

    /// Loses a field whose weight is that of its value.
    ///
    /// # Errors
    /// As [`Fields::lose`].
    pub(crate) fn lack(&mut self, name: &'static str, raw: &Raw) -> Result<(), Fault> {
        let tape = json::scan(raw.bytes(), &json::Limits::default()).ok();
        let value = tape
            .as_ref()
            .and_then(|tape| Value::root(tape, raw.bytes()));
        self.lose(name, value.map_or(Loss::Hint, |value| weight(name, value)))
    }

    /// A member, as the vendor's quirks would have it. `name` is OpenAI's; `write` writes the value.
    ///
    /// # Errors
    /// `BadRequest` if it would be lost and must not be.
    pub(crate) fn put(
        &mut self,
        name: &'static str,
        write: impl FnOnce(&mut Weave),
    ) -> Result<(), Fault> {
        let name = self.quirks.named(name);
        let Some((name, rule)) = self.quirks.rule(name) else {
            self.key(name);
            write(self.weave);
            return Ok(());
        };
        let mut apart = Weave::new();
        write(&mut apart);
        let raw = apart.take().into_bytes();
        let tape = json::scan(&raw, &json::Limits::default());
        let tape = tape.map_err(|_| Fault::new(Kind::Bug).detail("a field written badly"))?;
        let Some(value) = Value::root(&tape, &raw) else {
            return Ok(());
        };
        match rule.judge(name, value) {
            Judged::Keep => self.splice(name, &raw),
            Judged::Rename(to) => self.splice(to, &raw),
            Judged::Remove(loss) => self.lose(name, loss)?,
            Judged::Set(new, loss) => {
                self.lose(name, loss)?;
                self.splice(name, &new);
            }
            Judged::RenameSet(to, new, loss) => {
                self.lose(name, loss)?;
                self.splice(to, &new);
            }
            Judged::Wrap => {
                self.key(name);
                self.weave.lit("[");
                self.weave.splice(&raw);
                self.weave.lit("]");
            }
        }
        Ok(())
    }

    fn splice(&mut self, name: &'static str, raw: &Bytes) {
        self.key(name);
        self.weave.splice(raw);
    }

    /// A member that may be absent.
    ///
    /// # Errors
    /// As [`Fields::put`].
    pub(crate) fn put_raw(&mut self, name: &'static str, raw: Option<&Raw>) -> Result<(), Fault> {
        raw.map_or(Ok(()), |raw| self.put(name, |weave| weave.raw(raw)))
    }

    /// A string that may be absent.
    ///
    /// # Errors
    /// As [`Fields::put`].
    pub(crate) fn put_str(&mut self, name: &'static str, text: Option<&Str>) -> Result<(), Fault> {
        text.map_or(Ok(()), |text| self.put(name, |weave| weave.string(text)))
    }

    /// A member under a name that is not ours, without judgement.
    pub(crate) fn foreign(&mut self, name: &Str, raw: &Raw) {
        if std::mem::replace(&mut self.comma, true) {
            self.weave.lit(",");
        }
        self.weave.string(name);
        self.weave.lit(":");
        self.weave.raw(raw);
    }

    /// Adds what the vendor wants and ends the object.
    pub(crate) fn close(mut self, stream: bool, tools: bool) {
        for added in self.quirks.additions(stream, tools) {
            if !self.written.contains(&added.name) {
                self.lit(added.name, added.raw);
            }
        }
        self.weave.lit("}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_not_copied() {
        let long = Str::from_raw(vec![b'x'; 1000]);
        let mut weave = Weave::new();
        weave.lit("{\"a\":");
        weave.string(&long);
        weave.lit("}");
        let rope = weave.take();
        assert_eq!(rope.len(), 1000 + 8);
        assert!(
            rope.pieces()
                .any(|piece| piece.as_ptr() == long.bytes().as_ptr())
        );
        assert!(weave.take().is_empty());
    }
}
