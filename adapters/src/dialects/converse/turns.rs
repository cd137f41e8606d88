//! The conversation as messages: neighbours of one side are one message, results of tools come first in theirs.
//!
//! The vendor refuses blank texts, a model's message at the beginning and ids with other characters than its own; each is
//! put right here.

use wire::Fault;
use wire::canon::{Blob, Part, Str, Turn};

use super::REDACTED;
use crate::dialect::{Dropped, Lossy};
use crate::dialects::anthropic::{SIGNATURE, is_blank, vendor_id, write_input};
use crate::dialects::sides::{self, Side, Sides, Words, Writes};
use crate::quirks::{Loss, lose};
use crate::weave::Weave;

/// Messages, as this dialect has them.
static WORDS: Words = Words {
    user: r#"{"role":"user","content":["#,
    model: r#"{"role":"assistant","content":["#,
    opening: r#"{"role":"user","content":[{"text":"."}]},"#,
};

/// Writes messages.
pub(super) struct Writing<'a> {
    weave: &'a mut Weave,
    dropped: &'a mut Dropped,
    lossy: Lossy,
    sides: Sides,
    /// Documents so far: each needs a name of its own.
    documents: u32,
}

impl<'a> Writing<'a> {
    pub(super) fn new(weave: &'a mut Weave, dropped: &'a mut Dropped, lossy: Lossy) -> Self {
        Self {
            weave,
            dropped,
            lossy,
            sides: Sides::new(&WORDS),
            documents: 0,
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
    fn begin(&mut self, side: Side) {
        self.sides.begin(self.weave, side);
    }

    /// A part of a message, or, without a side, of a tool's result.
    fn part(&mut self, side: Option<Side>, part: &Part) -> Result<(), Fault> {
        let (at, name) = match part {
            Part::Text(text) | Part::Refusal(text) => {
                if side.is_none() || !is_blank(text) {
                    self.open(side);
                    self.weave.lit("{\"text\":");
                    self.weave.string(text);
                    self.weave.lit("}");
                }
                return Ok(());
            }
            Part::Image { at, .. } => (at, None),
            Part::File { at, name } => (at, name.as_ref()),
            Part::Audio { .. } | Part::Other(_) => {
                return self.refused_part(side, "messages");
            }
        };
        let Blob::Inline { kind, data } = at else {
            // The vendor fetches nothing, and neither do we.
            return self.refused_part(side, "image_url");
        };
        match format_of(&kind.text()) {
            Some(("image", format)) => {
                self.open(side);
                self.weave.lit("{\"image\":{\"format\":\"");
                self.weave.lit(format);
            }
            Some((_, format)) => {
                self.open(side);
                self.weave.lit("{\"document\":{\"name\":");
                self.documents += 1;
                let name = document(name, self.documents);
                self.weave.quoted(&name);
                self.weave.lit(",\"format\":\"");
                self.weave.lit(format);
            }
            None => return self.refused_part(side, "messages"),
        }
        self.weave.lit("\",\"source\":{\"bytes\":");
        self.weave.string(data);
        self.weave.lit("}}}");
        Ok(())
    }

    fn open(&mut self, side: Option<Side>) {
        if let Some(side) = side {
            self.begin(side);
        }
    }

    /// What cannot be said; in a result something must stand in its place.
    fn refused_part(&mut self, side: Option<Side>, name: &'static str) -> Result<(), Fault> {
        self.lose(name, Loss::Meaning)?;
        if side.is_none() {
            self.weave.lit("{\"text\":\"[not shown]\"}");
        }
        Ok(())
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
                self.begin(Side::Model);
                self.weave
                    .lit("{\"reasoningContent\":{\"reasoningText\":{\"text\":");
                self.weave.string(thought);
                self.weave.lit(",\"signature\":");
                self.weave.string(&proof.data);
                self.weave.lit("}}}");
            }
            // Which proof is of which part of it, nobody knows any more; one without a proof is refused.
            (Some(_), ..) => self.lose("reasoning_content", Loss::Hint)?,
            (None, ..) => {}
        }
        for proof in of(REDACTED) {
            self.begin(Side::Model);
            self.weave
                .lit("{\"reasoningContent\":{\"redactedContent\":");
            self.weave.string(&proof.data);
            self.weave.lit("}}");
        }
        for part in &turn.parts {
            self.part(Some(Side::Model), part)?;
        }
        for call in &turn.calls {
            self.begin(Side::Model);
            self.weave.lit("{\"toolUse\":{\"toolUseId\":");
            self.weave.quoted(&vendor_id(&call.id.text()));
            self.weave.lit(",\"name\":");
            self.weave.string(&call.name);
            self.weave.lit(",\"input\":");
            write_input(self.weave, &call.arguments);
            self.weave.lit("}}");
        }
        Ok(())
    }

    fn result(&mut self, turn: &Turn) -> Result<(), Fault> {
        self.begin(Side::User);
        self.weave.lit("{\"toolResult\":{\"toolUseId\":");
        let id = turn.call_id.as_ref().map(Str::text).unwrap_or_default();
        self.weave.quoted(&vendor_id(&id));
        self.weave.lit(",\"content\":[");
        let mut comma = false;
        for part in &turn.parts {
            // A result that is empty says so by having nothing in it.
            if matches!(part, Part::Text(text) if text.is_empty()) {
                continue;
            }
            if std::mem::replace(&mut comma, true) {
                self.weave.lit(",");
            }
            self.part(None, part)?;
        }
        self.weave.lit("]}}");
        Ok(())
    }

    fn user(&mut self, parts: &[Part]) -> Result<(), Fault> {
        for part in parts {
            self.part(Some(Side::User), part)?;
        }
        Ok(())
    }

    fn lose(&mut self, name: &'static str, loss: Loss) -> Result<(), Fault> {
        lose(name, loss, self.lossy, self.dropped)
    }
}

/// What a media type is here, and its word.
fn format_of(kind: &str) -> Option<(&'static str, &'static str)> {
    let kind = kind.to_ascii_lowercase();
    Some(match kind.split(';').next().unwrap_or_default().trim() {
        "image/png" => ("image", "png"),
        "image/jpeg" | "image/jpg" => ("image", "jpeg"),
        "image/gif" => ("image", "gif"),
        "image/webp" => ("image", "webp"),
        "application/pdf" => ("document", "pdf"),
        "text/csv" => ("document", "csv"),
        "text/html" => ("document", "html"),
        "text/plain" => ("document", "txt"),
        "text/markdown" => ("document", "md"),
        _ => return None,
    })
}

/// A document's name in the vendor's characters; with a number, since two may not have the same.
fn document(name: Option<&Str>, number: u32) -> String {
    const NAME_CHARS_MAX: usize = 100;
    let name = name.map(Str::text).unwrap_or_default();
    let letters = name.chars().filter(|c| c.is_ascii_alphanumeric());
    let name: String = letters.take(NAME_CHARS_MAX).collect();
    if name.is_empty() {
        format!("document {number}")
    } else {
        format!("{name} {number}")
    }
}
