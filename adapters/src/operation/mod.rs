//! What vendors do beside chat: per vendor and operation one constant, and the forms in which it is asked for.
//!
//! A form writes a canonical request and reads the reply; which vendor speaks in it, it does not know. Opens nothing.
//! Invariant: what a form reads has exactly one result for each text that was asked about.

mod cohere;
mod dashscope;
mod gemini;
mod images;
mod minimax;
mod openai;
pub(crate) mod vectors;

use bytes::Bytes;
use wire::facts::Usage;
use wire::json::{self, Value};
use wire::operation::{Done, Reply, Work};
use wire::{Fault, Kind, Rope};

use crate::dialect::{DialectId, Dropped, Lossy, lose};
use crate::dialects::openai_chat::usage::read_usage;
use crate::places::Asks;
use crate::quirks::{self, Loss, PLAIN, Quirks, StreamUsage};
use crate::vendor::Parts;

pub(crate) use cohere::{RANKS, RANKS_BARE, RANKS_BY_PATH, RANKS_V2};
pub(crate) use dashscope::{DASHSCOPE_RANKS, DASHSCOPE_VECTORS};
pub(crate) use gemini::GEMINI_VECTORS;
pub(crate) use images::{CHAT_IMAGES, IMAGES_BY_PATH, LISTED_IMAGES, TASK_IMAGES};
pub(crate) use minimax::MINIMAX_VECTORS;
pub(crate) use openai::{
    LISTED_VECTORS, VECTORS, VECTORS_BY_PATH, VECTORS_OUTPUT, VECTORS_PLAIN, VECTORS_SIZED,
};

/// Images and sound with no edit but the model's name; usage is told unasked.
pub(crate) static MEDIA: Quirks = Quirks {
    stream_usage: StreamUsage::Always,
    ..PLAIN
};

/// One thing that a vendor does.
#[derive(Clone, Copy)]
pub struct Operation {
    /// What.
    pub asks: Asks,
    /// Where, behind the provider's base path.
    pub path: &'static str,
    /// An end of the base path that this path stands in the place of, if the base path has it.
    pub instead_of: &'static str,
    /// How it is written; `None`: as OpenAI's clients write it, with a few edits.
    pub form: Option<&'static dyn Form>,
    /// Which edits.
    pub quirks: &'static Quirks,
    /// Texts of one call.
    pub most: usize,
}

/// A way to ask for an operation.
pub trait Form: Sync {
    /// The dialect of clients whose bodies may go on with a few edits, and whose replies may be this form's.
    fn native(&self) -> Option<DialectId> {
        None
    }

    /// Fields that cannot be said in it, by the names that clients know.
    fn lacks(&self) -> &'static [&'static str] {
        &[]
    }

    /// Writes a request that has no more texts than a call may.
    ///
    /// # Errors
    /// `BadRequest` for what cannot be said in it at all.
    fn write(&self, work: &Work, model: &str) -> Result<Rope, Fault>;

    /// What a reply says of a task that takes its time.
    fn state(&self, _root: Value<'_>) -> State {
        State::Done
    }

    /// Where a reply to a task that failed says why.
    fn failure<'a>(&self, root: Value<'a>) -> Option<Value<'a>> {
        Some(root)
    }

    /// Reads the reply to it; `None`: it is none.
    fn read(&self, work: &Work, body: &Bytes, root: Value<'_>) -> Option<Reply>;
}

/// How far a task is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// The reply says it all.
    Done,
    /// It is to be asked for with `GET` at this path, behind the provider's base path.
    Waits(String),
    /// It came to nothing.
    Failed,
}

impl std::fmt::Debug for Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Operation")
            .field("asks", &self.asks)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Operation {
    /// A usual one: no bound of its own on the texts of a call.
    pub(crate) const fn new(asks: Asks, path: &'static str, form: &'static dyn Form) -> Self {
        Self {
            asks,
            path,
            instead_of: "",
            form: Some(form),
            quirks: &MEDIA,
            most: usize::MAX,
        }
    }

    /// One of images or sound, whose body goes on with these edits.
    pub(crate) const fn media(asks: Asks, path: &'static str, quirks: &'static Quirks) -> Self {
        Self {
            asks,
            path,
            instead_of: "",
            form: None,
            quirks,
            most: usize::MAX,
        }
    }

    /// With so many texts a call at most.
    pub(crate) const fn most(self, most: usize) -> Self {
        Self { most, ..self }
    }

    /// In the place of an end of the base path.
    pub(crate) const fn instead_of(self, end: &'static str) -> Self {
        Self {
            instead_of: end,
            ..self
        }
    }

    /// Where it is asked for.
    pub(crate) fn place(&self, parts: &mut Parts) {
        self.path.clone_into(&mut parts.path);
        parts.instead_of = self.instead_of;
    }

    /// What is lost if this request goes there.
    ///
    /// # Errors
    /// `BadRequest` for what must not be lost.
    pub fn losses(&self, work: &Work, lossy: Lossy) -> Result<Dropped, Fault> {
        let mut dropped = Dropped::new();
        lose(work.lost(), lossy, &mut dropped)?;
        for name in self.form.map_or(&[][..], |form| form.lacks()) {
            let loss = match (*name, work) {
                ("dimensions", Work::Embed(embed)) if embed.dimensions.is_some() => Loss::Meaning,
                ("user", Work::Embed(embed)) if embed.user.is_some() => Loss::Hint,
                ("input_type", Work::Embed(embed)) if embed.purpose.is_some() => Loss::Hint,
                ("max_tokens_per_doc", Work::Rerank(rank)) if rank.tokens_max.is_some() => {
                    Loss::Hint
                }
                ("stream", Work::Image(picture)) if picture.stream => Loss::Meaning,
                ("b64_json", Work::Image(picture)) if picture.base64 == Some(true) => {
                    quirks::lose("response_format", Loss::Meaning, lossy, &mut dropped)?;
                    continue;
                }
                ("url", Work::Image(picture)) if picture.base64 == Some(false) => {
                    quirks::lose("response_format", Loss::Meaning, lossy, &mut dropped)?;
                    continue;
                }
                (hint, Work::Image(picture)) if picture.also.contains(&hint) => Loss::Hint,
                ("instruct", Work::Rerank(rank)) if rank.instruct.is_some() => Loss::Meaning,
                _ => Loss::Nothing,
            };
            quirks::lose(name, loss, lossy, &mut dropped)?;
        }
        Ok(dropped)
    }

    /// Reads a reply.
    ///
    /// # Errors
    /// `Malformed` if it is none, or has not one result for each text.
    pub fn read(&self, work: &Work, body: &Bytes, root: Value<'_>) -> Result<Reply, Fault> {
        let reply = self.form.and_then(|form| form.read(work, body, root));
        reply
            .filter(|reply| fits(work, &reply.done))
            .ok_or_else(|| Fault::new(Kind::Malformed).reason("invalid_response"))
    }
}

/// Whether there is a result for each text, and none for any other.
fn fits(work: &Work, done: &Done) -> bool {
    match (work, done) {
        (Work::Embed(embed), Done::Embedded(vectors)) => vectors.len() == embed.inputs.len(),
        (Work::Rerank(rerank), Done::Ranked(ranks)) => {
            let mut seen = vec![false; rerank.documents.len()];
            let once = ranks.iter().all(|rank| {
                seen.get_mut(rank.index)
                    .is_some_and(|seen| !std::mem::replace(seen, true))
                    && rank.score.number().is_some_and(f64::is_finite)
            });
            let least = rerank.top.unwrap_or(usize::MAX).min(seen.len());
            once && ranks.len() >= least
        }
        (Work::Image(_), Done::Made(images)) => !images.is_empty(),
        _ => false,
    }
}

/// A vector's place beside it, in order of the places; `None` if one is missing or there twice.
fn in_order<T>(mut listed: Vec<(usize, T)>) -> Option<Vec<T>> {
    if !listed.is_sorted_by_key(|row| row.0) {
        listed.sort_by_key(|row| row.0);
    }
    let whole = listed.iter().enumerate().all(|(at, row)| at == row.0);
    whole.then(|| listed.into_iter().map(|row| row.1).collect())
}

/// An element's `index`, or its place.
fn index(element: Value<'_>, name: &str, place: usize) -> usize {
    let said = element.get(name).and_then(|index| index.as_u64());
    said.and_then(|index| usize::try_from(index).ok())
        .unwrap_or(place)
}

/// Token counts: in `usage`, or beside it.
fn usage(root: Value<'_>) -> Option<Usage> {
    match root.get("usage").filter(|usage| !usage.is_null()) {
        Some(usage) => read_usage(usage),
        None => read_usage(root),
    }
}

/// A JSON object that is being written.
pub(crate) struct Body {
    rope: Rope,
    text: Vec<u8>,
    comma: bool,
}

impl Body {
    pub(crate) fn new() -> Self {
        Self {
            rope: Rope::new(),
            text: b"{".to_vec(),
            comma: false,
        }
    }

    /// Begins a member.
    pub(crate) fn name(&mut self, name: &str) -> &mut Self {
        if std::mem::replace(&mut self.comma, true) {
            self.text.push(b',');
        }
        self.text.push(b'"');
        json::escape(name, &mut self.text);
        self.text.extend_from_slice(b"\":");
        self
    }

    /// Begins an object in the member that was begun.
    pub(crate) fn open(&mut self) -> &mut Self {
        self.text.push(b'{');
        self.comma = false;
        self
    }

    /// Ends it.
    pub(crate) fn close(&mut self) -> &mut Self {
        self.text.push(b'}');
        self.comma = true;
        self
    }

    /// JSON of our own.
    pub(crate) fn raw(&mut self, raw: &str) -> &mut Self {
        self.text.extend_from_slice(raw.as_bytes());
        self
    }

    /// A string of ours.
    pub(crate) fn string(&mut self, text: &str) -> &mut Self {
        self.text.push(b'"');
        json::escape(text, &mut self.text);
        self.text.push(b'"');
        self
    }

    /// JSON that is spliced.
    pub(crate) fn splice(&mut self, piece: &Bytes) -> &mut Self {
        self.rope.push(std::mem::take(&mut self.text).into());
        self.rope.push(piece.clone());
        self
    }

    /// A string whose escaped inside is spliced.
    pub(crate) fn text(&mut self, text: &wire::canon::Str) -> &mut Self {
        self.raw("\"").splice(text.bytes()).raw("\"")
    }

    /// A list of strings.
    pub(crate) fn texts<'t>(
        &mut self,
        texts: impl IntoIterator<Item = &'t wire::canon::Str>,
    ) -> &mut Self {
        let mut between = "[";
        for text in texts {
            self.raw(between).text(text);
            between = ",";
        }
        if between == "[" {
            self.raw("[");
        }
        self.raw("]")
    }

    pub(crate) fn end(mut self) -> Rope {
        self.text.push(b'}');
        self.rope.push(self.text.into());
        self.rope
    }
}

/// Work of another kind than the form's: a mistake of ours.
fn odd() -> Fault {
    Fault::new(Kind::Bug).detail("a form got another kind of work")
}

#[cfg(test)]
mod tests;
