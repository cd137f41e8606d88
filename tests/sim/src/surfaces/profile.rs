//! How a vendor of OpenAI's shape is told to the writers of [`super::chat`]: what it does where, as data.

use super::{Arrived, Code, Stamp, Trouble, Usual};
use crate::plan::{Ask, Usage};
use serde_json::Value;

/// A vendor of OpenAI's shape.
pub(crate) struct Profile {
    pub(crate) name: &'static str,
    pub(crate) label: &'static str,
    /// Of chat completions, below the base; `*` is any one segment.
    pub(crate) path: &'static str,
    pub(crate) codes: &'static [Code],
    pub(crate) usual: Usual,
    /// Name of the field that carries reasoning; [`PARTS`]: it is a part of the content.
    pub(crate) reasoning: &'static str,
    pub(crate) role: RoleAt,
    pub(crate) finish: FinishAt,
    pub(crate) usage: UsageAt,
    /// While one of content and reasoning is said, the other is `null`.
    pub(crate) twin_null: bool,
    /// What every data line begins with.
    pub(crate) prefix: &'static str,
    /// Whether streams end with `[DONE]`.
    pub(crate) done: bool,
    /// Errors with a code of the vendor's own come on status 200; those of its front (401) do not.
    pub(crate) on_200: bool,
    /// What stands before the first event.
    pub(crate) opening: &'static str,
    pub(crate) whole_opening: &'static str,
    pub(crate) event_stream_type: &'static str,
    pub(crate) choice: fn(&Choice<'_>) -> String,
    pub(crate) envelope: fn(&Envelope<'_>) -> String,
    pub(crate) usage_body: fn(&Usage) -> String,
    pub(crate) error_body: fn(&Trouble, u64) -> String,
    /// An error in a stream, where it is written in another way.
    pub(crate) error_event: Option<fn(&Trouble) -> String>,
    pub(crate) error_then_done: bool,
    pub(crate) admit: fn(&Profile, &Arrived<'_>) -> Result<(), Trouble>,
    pub(crate) check: fn(&Profile, &Value, &mut Ask) -> Result<(), Trouble>,
    pub(crate) headers: fn(u64) -> Vec<(&'static str, String)>,
    pub(crate) models: Option<&'static [&'static str]>,
}

/// See [`Profile::reasoning`].
pub(crate) const PARTS: &str = "";

/// Where the role of the assistant stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RoleAt {
    /// In a first chunk with empty content.
    OwnChunk,
    /// In the first chunk that says something.
    FirstSaying,
    /// In every chunk.
    Every,
}

/// Where the finish reason stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FinishAt {
    /// In a chunk with `delta: {}`.
    Bare,
    /// In a chunk with empty content.
    EmptyContent,
    /// In the last chunk that says something.
    LastSaying,
    /// In a last chunk that is the whole reply once more, counts included.
    Summary,
}

/// Where a stream counts tokens at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UsageAt {
    /// If asked for: in a chunk with no choices, and if `null_before` then `null` in all others.
    OwnChunk { null_before: bool },
    /// If asked for: in the finish chunk, `null` in all others.
    FinishChunk,
    /// Unasked, in the finish chunk.
    FinishChunkAlways,
    /// Unasked, in the finish chunk's choice; if asked for, also in a chunk with no choices.
    FinishChoice,
    /// Unasked, in a chunk with no choices.
    OwnChunkAlways,
}

/// What a profile needs to write one entry of `choices`.
pub(crate) struct Choice<'a> {
    pub(crate) index: usize,
    /// `delta` or `message`.
    pub(crate) slot: &'static str,
    pub(crate) said: &'a str,
    pub(crate) logprobs: &'a str,
    pub(crate) finish: Option<&'a str>,
    /// JSON, for the vendor that counts there.
    pub(crate) usage: Option<&'a str>,
    pub(crate) recalled: bool,
}

/// What a profile needs to write the object around `choices`.
pub(crate) struct Envelope<'a> {
    pub(crate) stamp: &'a Stamp,
    pub(crate) streams: bool,
    pub(crate) choices: &'a str,
    /// JSON; `None` leaves the key out.
    pub(crate) usage: Option<&'a str>,
    /// The end of the reply is in here.
    pub(crate) last: bool,
    pub(crate) recalled: bool,
}
