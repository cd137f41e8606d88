//! The conversation as contents: neighbours of one side are one content, results of tools come first in theirs.
//!
//! The vendor refuses empty parts, a model's content at the beginning, and calls of its newer models whose signature was
//! lost; each is put right here. A result must name its function: it is found by the call's id.

use std::collections::HashMap;

use bytes::Bytes;
use wire::Fault;
use wire::canon::{Blob, Part, Str, Turn};

use super::{CALL_SIGNATURE, TEXT_SIGNATURE, UNSIGNED};
use crate::dialect::{Dropped, Lossy};
use crate::dialects::anthropic::{as_object, write_input};
use crate::dialects::sides::{self, Side, Sides, Words, Writes};
use crate::quirks::{Loss, lose};
use crate::weave::Weave;

/// Messages, as this dialect has them.
static WORDS: Words = Words {
    user: r#"{"role":"user","parts":["#,
    model: r#"{"role":"model","parts":["#,
    opening: r#"{"role":"user","parts":[{"text":"."}]},"#,
};

/// Writes contents.
pub(super) struct Writing<'a> {
    weave: &'a mut Weave,
    dropped: &'a mut Dropped,
    lossy: Lossy,
    /// Calls must be signed.
    signs: bool,
    sides: Sides,
    /// Names of the functions that were called so far, by the call's id.
    called: HashMap<Bytes, Str>,
}

impl<'a> Writing<'a> {
    pub(super) fn new(
        weave: &'a mut Weave,
        dropped: &'a mut Dropped,
        lossy: Lossy,
        signs: bool,
    ) -> Self {
        Self {
            weave,
            dropped,
            lossy,
            signs,
            sides: Sides::new(&WORDS),
            called: HashMap::new(),
        }
    }

    /// The array.
    ///
    /// # Errors
    /// `BadRequest` for what must not be lost.
    pub(super) fn contents(&mut self, turns: &[Turn]) -> Result<(), Fault> {
        sides::write(self, turns)
    }

    /// Begins a part of a side's message.
    fn begin(&mut self, side: Side) {
        self.sides.begin(self.weave, side);
    }

    fn parts(&mut self, side: Side, parts: &[Part]) -> Result<(), Fault> {
        for part in parts {
            self.part(side, part)?;
        }
        Ok(())
    }

    fn part(&mut self, side: Side, part: &Part) -> Result<(), Fault> {
        match part {
            Part::Text(text) | Part::Refusal(text) => {
                if !text.is_empty() {
                    self.begin(side);
                    self.weave.lit("{\"text\":");
                    self.weave.string(text);
                    self.weave.lit("}");
                }
            }
            Part::Image { at, .. } | Part::File { at, .. } => match at {
                Blob::Inline { kind, data } => {
                    self.begin(side);
                    self.weave.lit("{\"inlineData\":{\"mimeType\":");
                    self.weave.string(kind);
                    self.weave.lit(",\"data\":");
                    self.weave.string(data);
                    self.weave.lit("}}");
                }
                Blob::Url(url) if is_the_vendors(url) => {
                    self.begin(side);
                    self.weave.lit("{\"fileData\":{\"fileUri\":");
                    self.weave.string(url);
                    self.weave.lit("}}");
                }
                // The vendor fetches nothing, and neither do we.
                Blob::Url(_) => self.lose("image_url", Loss::Meaning)?,
            },
            Part::Audio { data, format } => {
                self.begin(side);
                self.weave.lit("{\"inlineData\":{\"mimeType\":\"audio/");
                self.weave.splice(format.bytes());
                self.weave.lit("\",\"data\":");
                self.weave.string(data);
                self.weave.lit("}}");
            }
            Part::Other(_) => self.lose("messages", Loss::Meaning)?,
        }
        Ok(())
    }
}

impl Writes for Writing<'_> {
    fn place(&mut self) -> (&mut Weave, &mut Sides) {
        (self.weave, &mut self.sides)
    }

    fn model(&mut self, turn: &Turn) -> Result<(), Fault> {
        let of = |kind: &str| {
            let mut proofs = turn.proofs.iter();
            let proof = proofs.find(|proof| proof.kind.bytes().as_ref() == kind.as_bytes());
            proof.map(|proof| &proof.data)
        };
        let signature = of(CALL_SIGNATURE);
        if turn.reasoning.is_some() && signature.is_none() {
            // The vendor takes a thought as its signature only.
            self.lose("reasoning_content", Loss::Hint)?;
        }
        self.parts(Side::Model, &turn.parts)?;
        if let Some(proof) = of(TEXT_SIGNATURE) {
            self.begin(Side::Model);
            self.weave.lit("{\"text\":\"\",\"thoughtSignature\":");
            self.weave.string(proof);
            self.weave.lit("}");
        }
        for (at, call) in turn.calls.iter().enumerate() {
            let id = call.id.bytes().clone();
            self.called.insert(id, call.name.clone());
            self.begin(Side::Model);
            self.weave.lit("{\"functionCall\":{\"id\":");
            self.weave.string(&call.id);
            self.weave.lit(",\"name\":");
            self.weave.string(&call.name);
            self.weave.lit(",\"args\":");
            write_input(self.weave, &call.arguments);
            self.weave.lit("}");
            // Of calls that are made at once the first one has it.
            match signature {
                Some(proof) if at == 0 => {
                    self.weave.lit(",\"thoughtSignature\":");
                    self.weave.string(proof);
                }
                None if at == 0 && self.signs => {
                    self.weave.lit(",\"thoughtSignature\":");
                    self.weave.quoted(UNSIGNED);
                }
                _ => {}
            }
            self.weave.lit("}");
        }
        Ok(())
    }

    fn result(&mut self, turn: &Turn) -> Result<(), Fault> {
        self.begin(Side::User);
        let id = turn.call_id.as_ref();
        let called = id.and_then(|id| self.called.get(id.bytes()));
        let name = called.or(turn.name.as_ref());
        self.weave.lit("{\"functionResponse\":{");
        if let Some(id) = &turn.call_id {
            self.weave.lit("\"id\":");
            self.weave.string(id);
            self.weave.lit(",");
        }
        self.weave.lit("\"name\":");
        // A result of a call that nobody made keeps at least its id.
        match name.or(turn.call_id.as_ref()) {
            Some(name) => self.weave.string(name),
            None => self.weave.lit("\"unknown\""),
        }
        let text = |part: &Part| match part {
            Part::Text(text) | Part::Refusal(text) => Some(text.clone()),
            _ => None,
        };
        let texts: Vec<Str> = turn.parts.iter().filter_map(text).collect();
        self.weave.lit(",\"response\":");
        write_response(self.weave, &texts);
        self.weave.lit("}}");
        for part in turn.parts.iter().filter(|part| text(part).is_none()) {
            self.part(Side::User, part)?;
        }
        Ok(())
    }

    fn user(&mut self, parts: &[Part]) -> Result<(), Fault> {
        self.parts(Side::User, parts)
    }

    fn lose(&mut self, name: &'static str, loss: Loss) -> Result<(), Fault> {
        lose(name, loss, self.lossy, self.dropped)
    }
}

/// Whether a file lies where the vendor can read it: with itself.
fn is_the_vendors(url: &Str) -> bool {
    let url = url.text();
    url.starts_with("gs://") || url.starts_with("https://generativelanguage.googleapis.com/")
}

/// A result as the object that this dialect wants: itself, if it is one.
fn write_response(weave: &mut Weave, texts: &[Str]) {
    if let [only] = texts
        && only.first_char() == Some('{')
        && let Some(object) = as_object(only)
    {
        return weave.splice(&object);
    }
    weave.lit("{\"result\":\"");
    for (at, text) in texts.iter().enumerate() {
        weave.lit(if at == 0 { "" } else { "\\n" });
        weave.splice(text.bytes());
    }
    weave.lit("\"}");
}
