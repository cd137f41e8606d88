//! The conversation as messages: neighbours of one side are one message, results of tools come first in theirs.
//!
//! The vendor refuses empty texts, an assistant's message at the beginning, ids with other characters than its own, and
//! thoughts that it has not signed; each is put right here.

use std::borrow::Cow;

use bytes::Bytes;
use wire::Fault;
use wire::canon::{Blob, Part, Str, ToolCall, Turn};
use wire::json::{self, Type, Value};

use super::{REDACTED, SIGNATURE};
use crate::dialect::{Dropped, Lossy};
use crate::dialects::sides::{self, Side, Sides, Words, Writes};
use crate::quirks::{Loss, lose};
use crate::weave::Weave;

/// Whether a text is nothing but white space, as the vendor sees it.
pub(crate) fn is_blank(text: &Str) -> bool {
    /// No longer run of white space is worth decoding.
    const LOOKED_AT: usize = 256;
    let bytes = text.bytes();
    bytes.is_empty()
        || bytes.len() <= LOOKED_AT
            && matches!(bytes.first(), Some(b' ' | b'\\'))
            && text.text().trim().is_empty()
}

/// Messages, as this dialect has them.
static WORDS: Words = Words {
    user: r#"{"role":"user","content":["#,
    model: r#"{"role":"assistant","content":["#,
    opening: r#"{"role":"user","content":"."},"#,
};

/// Writes messages.
pub(super) struct Writing<'a> {
    weave: &'a mut Weave,
    dropped: &'a mut Dropped,
    lossy: Lossy,
    sides: Sides,
    /// Something stands in it already.
    comma: bool,
}

impl<'a> Writing<'a> {
    pub(super) fn new(weave: &'a mut Weave, dropped: &'a mut Dropped, lossy: Lossy) -> Self {
        Self {
            weave,
            dropped,
            lossy,
            sides: Sides::new(&WORDS),
            comma: false,
        }
    }

    /// The array.
    ///
    /// # Errors
    /// `BadRequest` for what must not be lost.
    pub(super) fn messages(&mut self, turns: &[Turn]) -> Result<(), Fault> {
        sides::write(self, turns)
    }

    /// Begins a part of a side's message.
    fn block(&mut self, side: Side) {
        self.sides.begin(self.weave, side);
    }

    fn parts(&mut self, side: Side, parts: &[Part]) -> Result<(), Fault> {
        for part in parts {
            self.part(Some(side), part)?;
        }
        Ok(())
    }

    /// Begins a block of a message, or of a tool's result.
    fn begin(&mut self, side: Option<Side>) {
        match side {
            Some(side) => self.block(side),
            None => self.weave.lit(if std::mem::replace(&mut self.comma, true) {
                ","
            } else {
                ""
            }),
        }
    }

    fn part(&mut self, side: Option<Side>, part: &Part) -> Result<(), Fault> {
        match part {
            Part::Text(text) | Part::Refusal(text) => {
                if !is_blank(text) {
                    self.begin(side);
                    self.weave.lit("{\"type\":\"text\",\"text\":");
                    self.weave.string(text);
                    self.weave.lit("}");
                }
            }
            Part::Image { at, .. } => {
                self.begin(side);
                self.weave.lit("{\"type\":\"image\",\"source\":");
                self.source(at);
                self.weave.lit("}");
            }
            Part::File { name, at } if is_document(at) => {
                self.begin(side);
                self.weave.lit("{\"type\":\"document\",\"source\":");
                self.source(at);
                if let Some(name) = name {
                    self.weave.lit(",\"title\":");
                    self.weave.string(name);
                }
                self.weave.lit("}");
            }
            Part::File { .. } | Part::Audio { .. } | Part::Other(_) => {
                self.lose("messages", Loss::Meaning)?;
            }
        }
        Ok(())
    }

    fn source(&mut self, at: &Blob) {
        match at {
            Blob::Url(url) => {
                self.weave.lit("{\"type\":\"url\",\"url\":");
                self.weave.string(url);
            }
            Blob::Inline { kind, data } => {
                self.weave.lit("{\"type\":\"base64\",\"media_type\":");
                self.weave.string(kind);
                self.weave.lit(",\"data\":");
                self.weave.string(data);
            }
        }
        self.weave.lit("}");
    }

    fn call(&mut self, call: &ToolCall) {
        self.block(Side::Model);
        self.weave.lit("{\"type\":\"tool_use\",\"id\":");
        self.id(Some(&call.id));
        self.weave.lit(",\"name\":");
        self.weave.string(&call.name);
        self.weave.lit(",\"input\":");
        write_input(self.weave, &call.arguments);
        self.weave.lit("}");
    }

    /// An id in the vendor's characters: the same one always becomes the same.
    fn id(&mut self, id: Option<&Str>) {
        let id = id.map(|id| id.text()).unwrap_or_default();
        self.weave.quoted(&vendor_id(&id));
    }
}

impl Writes for Writing<'_> {
    fn place(&mut self) -> (&mut Weave, &mut Sides) {
        (self.weave, &mut self.sides)
    }

    fn model(&mut self, turn: &Turn) -> Result<(), Fault> {
        let of = |kind: &'static str| {
            let proofs = turn.proofs.iter();
            proofs.filter(move |proof| proof.kind.bytes().as_ref() == kind.as_bytes())
        };
        let mut signed = of(SIGNATURE);
        match (&turn.reasoning, signed.next(), signed.next()) {
            (Some(thought), Some(proof), None) => {
                self.block(Side::Model);
                self.weave.lit("{\"type\":\"thinking\",\"thinking\":");
                self.weave.string(thought);
                self.weave.lit(",\"signature\":");
                self.weave.string(&proof.data);
                self.weave.lit("}");
            }
            // Which proof is of which part of it, nobody knows any more; one without a proof is refused.
            (Some(_), ..) => self.lose("reasoning_content", Loss::Hint)?,
            (None, ..) => {}
        }
        for proof in of(REDACTED) {
            self.block(Side::Model);
            self.weave.lit("{\"type\":\"redacted_thinking\",\"data\":");
            self.weave.string(&proof.data);
            self.weave.lit("}");
        }
        self.parts(Side::Model, &turn.parts)?;
        for call in &turn.calls {
            self.call(call);
        }
        Ok(())
    }

    fn result(&mut self, turn: &Turn) -> Result<(), Fault> {
        self.block(Side::User);
        self.weave.lit("{\"type\":\"tool_result\",\"tool_use_id\":");
        self.id(turn.call_id.as_ref());
        match turn.parts.as_slice() {
            [] => {}
            [Part::Text(text)] => {
                self.weave.lit(",\"content\":");
                self.weave.string(text);
            }
            parts => {
                self.weave.lit(",\"content\":[");
                self.comma = false;
                for part in parts {
                    self.part(None, part)?;
                }
                self.weave.lit("]");
            }
        }
        self.weave.lit("}");
        Ok(())
    }

    fn user(&mut self, parts: &[Part]) -> Result<(), Fault> {
        self.parts(Side::User, parts)
    }

    fn lose(&mut self, name: &'static str, loss: Loss) -> Result<(), Fault> {
        lose(name, loss, self.lossy, self.dropped)
    }
}

/// An id in the characters that the vendor takes.
pub(crate) fn vendor_id(id: &str) -> Cow<'_, str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if id.is_empty() {
        Cow::Borrowed("call")
    } else if id.chars().all(fits) {
        Cow::Borrowed(id)
    } else {
        let mapped = id.chars().map(|c| if fits(c) { c } else { '_' });
        Cow::Owned(mapped.collect())
    }
}

/// What the vendor reads as a document.
fn is_document(at: &Blob) -> bool {
    match at {
        Blob::Url(url) => url.bytes().starts_with(b"http"),
        Blob::Inline { kind, .. } => kind.bytes().as_ref() == b"application/pdf",
    }
}

/// Arguments as the object that this dialect wants. What is no object is kept as what it was.
pub(crate) fn write_input(weave: &mut Weave, arguments: &Str) {
    if arguments.first_char().is_none() {
        weave.lit("{}");
    } else if let Some(object) = as_object(arguments) {
        weave.splice(&object);
    } else {
        weave.lit("{\"_raw\":");
        weave.string(arguments);
        weave.lit("}");
    }
}

/// What a text holds that is JSON and an object.
pub(crate) fn as_object(text: &Str) -> Option<Bytes> {
    let text = text.decoded();
    let trimmed = std::str::from_utf8(&text).ok()?.trim().as_bytes();
    let tape = json::scan(trimmed, &json::Limits::default()).ok()?;
    let root = Value::root(&tape, trimmed)?;
    (root.kind() == Type::Object).then(|| text.slice_ref(trimmed))
}
