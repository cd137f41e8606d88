//! What lenses read out of requests and replies.
//!
//! Plain data over the bytes it was read from; knows no dialect and no vendor.

use std::ops::Range;

use smallvec::SmallVec;

use crate::json::Tape;

/// Token counts of one reply, as the vendor reported them, in OpenAI's nesting: `cached` and `cache_write` are inside
/// `prompt`, `reasoning` is inside `completion`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the prompt.
    pub prompt: u64,
    /// Tokens generated.
    pub completion: u64,
    /// Of the prompt: read from the vendor's cache.
    pub cached: u64,
    /// Of the prompt: written to the vendor's cache.
    pub cache_write: u64,
    /// Of the completion: spent on reasoning.
    pub reasoning: u64,
}

/// A vendor's count above this is absurd and is read as absent: no context is a billion tokens.
pub const TOKENS_MAX: u64 = 1_000_000_000;

impl Usage {
    /// This report, made after `earlier` of the same reply. The later one counts, nothing is summed; but one that does not
    /// count the prompt, as some dialects' last one does not, or what was generated, leaves that as it was.
    #[must_use]
    pub fn after(mut self, earlier: Option<Self>) -> Self {
        let Some(earlier) = earlier else { return self };
        if self.prompt == 0 {
            self.prompt = earlier.prompt;
            self.cached = earlier.cached;
            self.cache_write = earlier.cache_write;
        }
        if self.completion == 0 {
            self.completion = earlier.completion;
            self.reasoning = earlier.reasoning;
        }
        self
    }

    /// Keeps the inner counts inside the outer ones; a vendor's usage is a claim.
    #[must_use]
    pub fn clamped(mut self) -> Self {
        let sane = |count: u64| if count > TOKENS_MAX { 0 } else { count };
        self.prompt = sane(self.prompt);
        self.completion = sane(self.completion);
        self.cached = self.cached.min(self.prompt);
        self.cache_write = self.cache_write.min(self.prompt - self.cached);
        self.reasoning = self.reasoning.min(self.completion);
        self
    }
}

/// What a request says, read once; spans are byte offsets in its body.
#[derive(Debug)]
pub struct RequestFacts {
    /// All tokens of the body: who needs more than these facts reads on from here.
    pub tape: Tape,
    /// The model asked for.
    pub model: String,
    /// Span of the model's value, quotes included; empty if it does not stand in the body.
    pub model_span: Range<usize>,
    /// Whether a stream is wanted.
    pub stream: bool,
    /// Whether the client asked for usage in the stream.
    pub usage_asked: bool,
    /// The output cap the client set, in tokens.
    pub max_tokens: Option<u64>,
    /// How many choices are wanted.
    pub choices: u32,
    /// How many messages it has.
    pub turns: u32,
    /// Whether tools are offered.
    pub tools: bool,
    /// Whether the answer must be written in a form for machines: nothing may stand before it.
    pub structured: bool,
    /// Whether probabilities are wanted: they hold the answer once more.
    pub logprobs: bool,
    /// Whether what the model thinks may be shown, in dialects whose clients must ask for it.
    pub thoughts: bool,
    /// How the reply is to be written.
    pub shape: Shape,
}

/// A request that asks for one choice and nothing else.
impl Default for RequestFacts {
    fn default() -> Self {
        Self {
            tape: Tape::default(),
            model: String::new(),
            model_span: 0..0,
            stream: false,
            usage_asked: false,
            max_tokens: None,
            choices: 1,
            turns: 0,
            tools: false,
            structured: false,
            logprobs: false,
            thoughts: false,
            shape: Shape::default(),
        }
    }
}

/// How a reply is to be written, in dialects that know more than one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// Each event of a stream says again all that was said before it.
    pub cumulative: bool,
    /// One text, with no list of choices around it.
    pub bare: bool,
    /// The text is a part in a list of parts.
    pub parts: bool,
    /// A call is told as `function_call`, as OpenAI's clients had it before there were tools.
    pub functions: bool,
}

/// Why a reply ended, over all dialects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// Natural end, or a stop sequence.
    Stop,
    /// The output cap, or the context, was reached.
    Length,
    /// The model calls tools.
    ToolCalls,
    /// A vendor's filter cut or replaced the text.
    ContentFilter,
    /// The vendor failed in the middle and says so by a finish reason.
    Failed,
}

impl Finish {
    /// OpenAI's word, used in the journal too.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::ContentFilter => "content_filter",
            Self::Failed => "error",
        }
    }
}

/// What one event of a stream says.
#[derive(Clone, Debug, Default)]
pub struct EventFacts {
    /// It carries text, reasoning, a refusal or a piece of a tool call. Comments, role-only and empty deltas do not.
    pub content: bool,
    /// About how many bytes of text that is; 0 where nobody knows.
    pub text_bytes: u64,
    /// It says that the vendor failed: ask the vendor what it means.
    pub error: bool,
    /// The stream's end marker.
    pub done: bool,
    /// It carries usage.
    pub usage: Option<Usage>,
    /// Span of the usage value in the event's data; empty if there is none.
    pub usage_span: Range<usize>,
    /// It carries nothing but usage: a client that did not ask must not see it.
    pub only_usage: bool,
    /// A choice ended.
    pub finish: Option<Finish>,
    /// Span in the event's data of a finish word (quotes included) that is the vendor's own: the client's dialect knows
    /// only [`Finish::as_str`]'s. Empty if there is none.
    pub odd_finish: Range<usize>,
    /// The choice that ended.
    pub finished: u32,
    /// Span of its finish word, quotes included.
    pub finish_word: Option<Range<usize>>,
    /// What the vendor's moderation says of it; hardly ever anything.
    pub moderated: Option<Box<Moderated>>,
    /// It is not what the dialect says.
    pub malformed: bool,
}

/// What a vendor's moderation says beside a reply.
#[derive(Clone, Debug, Default)]
pub struct Moderated {
    /// Choices that were taken back: their end is [`Finish::ContentFilter`], whatever the vendor calls it.
    pub choices: Vec<u32>,
    /// Spans of texts that must not be shown.
    pub withheld: Vec<Range<usize>>,
    /// What was written may not be shown: if nothing was, the reply's end is [`Finish::ContentFilter`].
    pub sensitive: bool,
}

/// What a whole reply says.
#[derive(Clone, Debug, Default)]
pub struct ReplyFacts {
    /// Usage, if told.
    pub usage: Option<Usage>,
    /// Why the (first) choice ended.
    pub finish: Option<Finish>,
    /// Spans of finish words that are the vendor's own, and what they mean; see [`EventFacts::odd_finish`].
    pub odd_finishes: Vec<(Range<usize>, Finish)>,
    /// Spans of texts that must not be shown; see [`Moderated::withheld`].
    pub withheld: Vec<Range<usize>>,
    /// Images that were made.
    pub images: u32,
    /// Sound that was read, in milliseconds.
    pub audio_ms: u32,
}

/// Who wrote a text of a request: thresholds differ, and what a tool returned is data, not orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A user's turn.
    User,
    /// The application: system prompt, tool definitions, fields of the request.
    System,
    /// A tool's result, or a document.
    Tool,
    /// The model, in an earlier turn.
    Model,
}

/// How a text stands in its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The inside of a string.
    String,
    /// The inside of a string that is JSON itself: a tool call's arguments.
    Json,
    /// An object's key.
    Key,
    /// A bare number: what replaces it must be quoted.
    Number,
    /// The inside of a string that is a `data:` URL with readable text in base64.
    Base64,
}

/// A text of a request: everything in a body is one unless its dialect says that it cannot be.
#[derive(Clone, Debug)]
pub struct Text {
    /// Its bytes in the body, without quotes.
    pub span: Range<usize>,
    /// How it stands there.
    pub form: Form,
    /// Who wrote it.
    pub source: Source,
    /// The key that it is the value of, without quotes; empty if there is none.
    pub key: Range<usize>,
    /// Which message it belongs to; texts of neighbouring turns may hold two halves of a value.
    pub turn: Option<u32>,
}

/// Something in a request that cannot be read: an image, sound, a file, or where one lies.
#[derive(Clone, Debug)]
pub struct Media {
    /// Its bytes in the body.
    pub span: Range<usize>,
}

/// All that a request says, and all that it holds beside text.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    /// Texts, in the order of the body.
    pub texts: Vec<Text>,
    /// What cannot be read.
    pub media: Vec<Media>,
}

/// How deep in JSON a text of a reply stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Nested {
    /// It is the inside of a string.
    #[default]
    No,
    /// It is part of a JSON text in a string: a tool call's arguments.
    Text,
    /// It is JSON itself: arguments that are an object, or a number.
    Bare,
}

/// A piece of text in a reply: a lane's next bytes.
#[derive(Clone, Debug)]
pub struct Said {
    /// Which lane it continues.
    pub lane: crate::hold::Lane,
    /// The inside of the string, or the whole value, in the data given.
    pub span: Range<usize>,
    /// How deep in JSON it stands.
    pub nested: Nested,
    /// It is complete: later events say another value, not more of this one.
    pub whole: bool,
}

/// What a reply, or one event of it, says in words.
#[derive(Clone, Debug, Default)]
pub struct Saying {
    /// Its texts, in order.
    pub said: SmallVec<[Said; 2]>,
    /// Values that hold the same text once more: they must go where text may be changed.
    pub repeats: SmallVec<[Range<usize>; 1]>,
    /// Values that hold it once more in pieces too small to judge: they go where something in it is changed.
    pub retold: SmallVec<[Range<usize>; 1]>,
    /// Choices that end here.
    pub finished: SmallVec<[u32; 1]>,
}

impl Saying {
    /// Empties it, keeping its memory.
    pub fn clear(&mut self) {
        self.said.clear();
        self.repeats.clear();
        self.retold.clear();
        self.finished.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::Usage;

    #[test]
    fn the_last_count_that_is_not_zero_counts() {
        let of = |prompt, completion| Usage {
            prompt,
            completion,
            ..Usage::default()
        };
        let reports = [of(3, 0), of(3, 60), of(0, 0), of(4, 0), of(0, 61)];
        let last = reports
            .into_iter()
            .reduce(|before, report| report.after(Some(before)));
        assert_eq!(last, Some(of(4, 61)));
    }
}
