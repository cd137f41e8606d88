//! How a vendor's fields differ from the dialect as written, as data, and how a field is judged by it.
//!
//! Knows no vendor: each has its own constant. The same judgement is applied as edits over a client's body (same
//! dialect) and while a canonical request is written (translation). Invariant: nothing is lost unless
//! [`Lossy`] allows it and it is named in [`Dropped`].

pub(crate) mod judge;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use wire::fault::Retry;
use wire::{Fault, Kind};

use crate::dialect::{Dropped, Lossy};

/// Differences of one vendor (and model) from its dialect.
#[derive(Clone, Copy, Debug)]
pub struct Quirks {
    /// Top-level request fields that are treated differently.
    pub fields: &'static [(&'static str, Rule)],
    /// Fields that only OpenAI has ([`OPENAI_ONLY`]) are known too, or passed over in silence.
    pub openai_only: bool,
    /// Members added where the request lacks them.
    pub added: &'static [Added],
    /// How usage comes in a stream.
    pub stream_usage: StreamUsage,
    /// Role `developer` is unknown and becomes `system`.
    pub developer_is_system: bool,
    /// Role `system` is unknown too: what it says stands before the first words of the user.
    pub system_in_user: bool,
    /// Content that is an array of text parts only becomes one string, the parts joined by a line feed.
    pub flat_text: bool,
    /// Messages hold text alone: a picture, a sound or a file in them is lost.
    pub text_only: bool,
    /// Ids of tool calls must be nine letters or digits: others become such, the same one always the same.
    pub short_call_ids: bool,
    /// An empty `tools` goes, and `tool_choice` and `parallel_tool_calls` with it.
    pub omit_empty_tools: bool,
    /// `tool_choice: "none"` is unknown: the tools go instead.
    pub none_drops_tools: bool,
    /// OpenAI's legacy `functions` are unknown: they become tools, and the answer is told in the old shape.
    pub functions_are_tools: bool,
    /// Features by the matrix' names that its replies lack, whatever a request says; asked by the matrix only.
    pub replies_lack: &'static [&'static str],
    /// The model answers in streams only: one is asked for where the client wants a whole reply, and gathered.
    pub streams_only: bool,
    /// What is said is told in lists of parts, on the vendor's path for them, even where all of it is text.
    pub in_parts: bool,
    /// Models of OpenAI's that think give out what they thought, encrypted, if asked: it can then be shown again to a vendor
    /// that kept nothing.
    pub encrypts_thoughts: bool,
    /// When what was thought in earlier turns may be shown to the model again.
    pub reasoning_back: Back,
    /// A picture's `detail` knows no `auto`, which goes: it is the default.
    pub no_auto_detail: bool,
    /// Pictures that are sent along are base64 without the head of a data URL.
    pub bare_pictures: bool,
    /// For vendors of Anthropic's and Google's dialects: what the model takes.
    pub messages: Messages,
    /// Temperature 0 is not a number here but this member (name, raw value); `top_p` goes too.
    pub greedy: Option<(&'static str, &'static str)>,
}

/// What one model takes of Anthropic's dialect, where models differ; of Google's only how it thinks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Messages {
    /// Tokens of an answer, if the client sets no cap: the dialect asks for one.
    pub output_max: u64,
    /// Whether `temperature` and `top_p` are taken.
    pub sampling: Sampling,
    /// How thinking is asked for.
    pub thinks: Thinks,
}

/// When what a model thought is shown to it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Back {
    /// Not at all.
    Never,
    /// With the calls that came of it; else it is refused.
    WithCalls,
    /// Wherever it stands.
    Always,
}

impl Back {
    /// Whether it is shown with a message that makes calls, or makes none.
    pub(crate) fn shows(self, calls: bool) -> bool {
        self == Self::Always || (self == Self::WithCalls && calls)
    }
}

/// Whether a model may be sampled by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampling {
    /// Neither field is taken.
    None,
    /// One of the two.
    Either,
    /// Both.
    Both,
}

/// How a model is asked to think.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thinks {
    /// It does not.
    Never,
    /// By a budget of tokens.
    Budget,
    /// By a word, as it likes.
    Adaptive,
}

/// A vendor that keeps to the letter.
pub static PLAIN: Quirks = Quirks {
    fields: &[],
    openai_only: true,
    added: &[],
    stream_usage: StreamUsage::Ask,
    developer_is_system: false,
    system_in_user: false,
    flat_text: false,
    text_only: false,
    short_call_ids: false,
    omit_empty_tools: false,
    none_drops_tools: false,
    functions_are_tools: false,
    replies_lack: &[],
    streams_only: false,
    in_parts: false,
    encrypts_thoughts: false,
    reasoning_back: Back::Always,
    no_auto_detail: false,
    bare_pictures: false,
    messages: Messages {
        output_max: 8192,
        sampling: Sampling::Both,
        thinks: Thinks::Budget,
    },
    greedy: None,
};

/// What most vendors that speak OpenAI's dialect want: no `developer`, no empty `tools`, no `functions`.
pub(crate) const COMMON: Quirks = Quirks {
    developer_is_system: true,
    omit_empty_tools: true,
    functions_are_tools: true,
    ..PLAIN
};

/// Fields that hardly anybody but OpenAI knows.
pub const OPENAI_ONLY: &[&str] = &[
    "audio",
    "modalities",
    "moderation",
    "prediction",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "safety_identifier",
    "service_tier",
    "store",
    "verbosity",
    "web_search_options",
];

/// How usage comes in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamUsage {
    /// Only with `stream_options.include_usage`.
    Ask,
    /// Without being asked for; `stream_options` is understood or ignored.
    Always,
    /// Without being asked for, or never; `stream_options` is refused, so it goes.
    Unknown,
}

/// What is done with one field.
#[derive(Clone, Copy, Debug)]
pub enum Rule {
    /// The vendor lacks it.
    Lacks,
    /// It has another name; the meaning is the same. A member that has that name already gives way.
    Rename(&'static str),
    /// It has another name and a bounded length in bytes; outside, it goes.
    RenameSized {
        /// The vendor's name.
        to: &'static str,
        /// Shortest text.
        min: usize,
        /// Longest text.
        max: usize,
    },
    /// A number, brought into bounds. Bounds are JSON numbers; an exclusive bound is written as the nearest value allowed.
    Clamp {
        /// Lowest.
        min: &'static str,
        /// Highest.
        max: &'static str,
    },
    /// It has another name, and the number is brought into bounds.
    RenameClamp {
        /// The vendor's name.
        to: &'static str,
        /// Lowest.
        min: &'static str,
        /// Highest.
        max: &'static str,
    },
    /// A bare string becomes a list of one.
    List,
    /// Only these words; everything else becomes the first.
    OneOf(&'static [&'static str]),
    /// These words become those.
    Words(&'static [(&'static str, &'static str)]),
    /// These words are spelt like those; the meaning is the same.
    Spelt(&'static [(&'static str, &'static str)]),
    /// It goes where the other is given too: the vendor takes one of them. What is said for a client of another dialect, or
    /// by us, is said by the other.
    Yields(&'static str),
    /// It is known, although hardly anybody but OpenAI knows it.
    Knows,
    /// An object whose `type` must be one of these; other types go.
    Types(&'static [&'static str]),
}

/// A member that is added.
#[derive(Clone, Copy, Debug)]
pub struct Added {
    /// When.
    pub when: When,
    /// Its name.
    pub name: &'static str,
    /// Its value, as JSON.
    pub raw: &'static str,
}

/// When a member is added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Always.
    Always,
    /// The request has tools.
    Tools,
    /// It has none.
    NoTools,
    /// No stream is wanted.
    Whole,
    /// A stream is wanted.
    Stream,
}

/// What a field's loss or change means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// Nothing: it said what is so anyway.
    Nothing,
    /// A hint.
    Hint,
    /// What the answer is.
    Meaning,
}

/// A field's fate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Judged {
    /// As it is.
    Keep,
    /// It goes.
    Remove(Loss),
    /// Another key.
    Rename(&'static str),
    /// Another value.
    Set(Bytes, Loss),
    /// Another key, and another value.
    RenameSet(&'static str, Bytes, Loss),
    /// The value becomes the only element of a list.
    Wrap,
}

impl Quirks {
    /// The rule of a field, with its name.
    pub(crate) fn rule(&self, name: &str) -> Option<(&'static str, Rule)> {
        let own = self.fields.iter().copied().find(|row| row.0 == name);
        own.or_else(|| {
            let mut foreign = OPENAI_ONLY.iter().filter(|_| !self.openai_only);
            let known = foreign.find(|known| **known == name)?;
            Some((*known, Rule::Lacks))
        })
    }

    /// The field of a cap that is ours and the nearest that the vendor takes: nothing of the client's is lost by it. `None`: the
    /// vendor has no such field.
    #[must_use]
    pub fn cap(&self, tokens: u64) -> Option<(&'static str, u64)> {
        let name = self.named("max_tokens");
        let within = |min: &str, max: &str| {
            let bound = |text: &str, default| text.parse().unwrap_or(default);
            let (least, most) = (bound(min, 1), bound(max, u64::MAX));
            tokens.clamp(least, most.max(least))
        };
        Some(match self.rule(name) {
            Some((_, Rule::Rename(to))) => (to, tokens),
            Some((_, Rule::Lacks)) => return None,
            Some((_, Rule::Clamp { min, max })) => (name, within(min, max)),
            Some((_, Rule::RenameClamp { to, min, max })) => (to, within(min, max)),
            _ => (name, tokens),
        })
    }

    /// The name by which we say what a field of that name says.
    pub(crate) fn named(&self, name: &'static str) -> &'static str {
        match self.rule(name) {
            Some((_, Rule::Yields(other))) => other,
            _ => name,
        }
    }

    /// The members to add to a request.
    pub(crate) fn additions(
        &self,
        stream: bool,
        tools: bool,
    ) -> impl Iterator<Item = &'static Added> {
        self.added.iter().filter(move |added| match added.when {
            When::Always => true,
            When::Tools => tools,
            When::NoTools => !tools,
            When::Whole => !stream,
            When::Stream => stream,
        })
    }
}

/// Letters of a short id.
const SHORT_ID: usize = 9;

/// The id of a tool call as nine letters and digits, the same for the same id (FNV-1a); `None` if it is that already.
/// Two ids of one conversation fall together once in 10¹⁴.
pub(crate) fn short_call_id(id: &[u8]) -> Option<String> {
    if id.len() == SHORT_ID && id.iter().all(u8::is_ascii_alphanumeric) {
        return None;
    }
    let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let mut hash = id.iter().fold(0xcbf2_9ce4_8422_2325, mix);
    let mut next = || {
        let digit = u32::try_from(hash % 36).ok();
        hash /= 36;
        digit.and_then(|digit| char::from_digit(digit, 36))
    };
    Some((0..SHORT_ID).map_while(|_| next()).collect())
}

/// Loses a field, or says that it must not be lost.
///
/// # Errors
/// `BadRequest` naming the field; another target may know it.
pub(crate) fn lose(
    name: &'static str,
    loss: Loss,
    lossy: Lossy,
    dropped: &mut Dropped,
) -> Result<(), Fault> {
    match (loss, lossy) {
        (Loss::Nothing, _) => Ok(()),
        (Loss::Hint, Lossy::Hints) | (_, Lossy::Drop) => {
            if !dropped.contains(&name) {
                dropped.push(name);
            }
            Ok(())
        }
        (Loss::Meaning, Lossy::Hints) | (_, Lossy::Refuse) => Err(Fault::new(Kind::BadRequest)
            .reason("unsupported_parameter")
            .param(name)
            .retry(Retry::NextTarget)
            .message(format!(
                "The provider of this model does not support this value of '{name}'."
            ))),
    }
}
