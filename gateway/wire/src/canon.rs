//! The canonical request and the canonical events of a reply: what dialects are translated through when they differ.
//!
//! Rich enough for every dialect that is spoken, and no richer. Knows no dialect: each has one decoder to these types
//! and one encoder from them. Text is never decoded on the way: a [`Str`] is the escaped inside of a JSON string, valid
//! in any JSON dialect, and a slice of the bytes it was read from. Same-dialect traffic never comes here.

mod text;

pub use crate::facts::{Finish, Usage};
pub use text::{Raw, Str};

/// A request, whoever's dialect it came in. The model's name is not here: the target has its own.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The conversation, in order. System turns stay where they stood.
    pub turns: Vec<Turn>,
    /// Tools the model may call.
    pub tools: Vec<Tool>,
    /// Which of them it must.
    pub tool_choice: Option<ToolChoice>,
    /// Whether several calls may be made at once.
    pub parallel: Option<bool>,
    /// Whether a stream is wanted.
    pub stream: bool,
    /// All else that is understood.
    pub settings: Settings,
    /// Top-level fields that were not understood, in order.
    pub extra: Vec<(Str, Raw)>,
    /// What was said and cannot be held here.
    pub lost: Vec<Lost>,
}

impl Request {
    /// Names something that cannot be held here, once.
    pub fn lose(&mut self, name: &'static str, meaning: bool) {
        let lost = Lost { name, meaning };
        if !self.lost.contains(&lost) {
            self.lost.push(lost);
        }
    }
}

/// Something of the client's dialect that no other one has a word for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The field's name, as clients are told of it.
    pub name: &'static str,
    /// It says what the answer must be, so that it must not be lost unasked; else it is a hint.
    pub meaning: bool,
}

impl Request {
    /// Whether any turn holds something else than text.
    #[must_use]
    pub fn multimodal(&self) -> bool {
        self.turns.iter().flat_map(|turn| &turn.parts).any(|part| {
            matches!(
                part,
                Part::Image { .. } | Part::Audio { .. } | Part::File { .. } | Part::Other(_)
            )
        })
    }
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The operator's instructions.
    System,
    /// The same, by the newer name.
    Developer,
    /// The user.
    User,
    /// The model.
    Assistant,
    /// A tool's result.
    Tool,
}

/// One message.
#[derive(Clone, Debug)]
pub struct Turn {
    /// Who speaks.
    pub role: Role,
    /// A name beside the role; of a tool's result: the tool's, if told.
    pub name: Option<Str>,
    /// What is said.
    pub parts: Vec<Part>,
    /// Calls that the model made.
    pub calls: Vec<ToolCall>,
    /// Of a tool's result: the call that it answers.
    pub call_id: Option<Str>,
    /// What the model thought, where its vendor tells.
    pub reasoning: Option<Str>,
    /// By which its vendor knows again what it thought.
    pub proofs: Vec<Proof>,
}

/// What a vendor gives out with a thought and wants to see again; it means something to that vendor only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Whose, and what: a word like `anthropic.signature`.
    pub kind: Str,
    /// The proof.
    pub data: Str,
}

impl Turn {
    /// An empty turn.
    #[must_use]
    pub fn new(role: Role) -> Self {
        Self {
            role,
            name: None,
            parts: Vec::new(),
            calls: Vec::new(),
            call_id: None,
            reasoning: None,
            proofs: Vec::new(),
        }
    }
}

/// A part of what is said.
#[derive(Clone, Debug)]
pub enum Part {
    /// Text.
    Text(Str),
    /// An image.
    Image {
        /// Where it lies, or itself.
        at: Blob,
        /// How closely to look.
        detail: Option<Str>,
    },
    /// Sound.
    Audio {
        /// Base64.
        data: Str,
        /// `wav`, `mp3`.
        format: Str,
    },
    /// A file.
    File {
        /// Its name.
        name: Option<Str>,
        /// Where it lies, or itself.
        at: Blob,
    },
    /// The model refused.
    Refusal(Str),
    /// A part of a kind not understood, whole.
    Other(Raw),
}

/// Bytes that are no text: an image, a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Blob {
    /// Where they lie.
    Url(Str),
    /// They themselves.
    Inline {
        /// Their media type, `image/png`.
        kind: Str,
        /// Base64.
        data: Str,
    },
}

impl Blob {
    /// Of a URL: what a `data:` URL in base64 holds, or the URL.
    #[must_use]
    pub fn of_url(url: Str) -> Self {
        const MARK: &[u8] = b";base64,";
        let bytes = url.bytes();
        let inner = bytes.strip_prefix(b"data:").unwrap_or_default();
        let comma = inner.iter().position(|byte| *byte == b',');
        let head = comma.and_then(|at| inner.get(..=at));
        let kind = head.and_then(|head| head.strip_suffix(MARK));
        match kind.filter(|kind| !kind.is_empty()) {
            Some(kind) => {
                let from = b"data:".len();
                Self::Inline {
                    kind: Str(bytes.slice(from..from + kind.len())),
                    data: Str(bytes.slice(from + kind.len() + MARK.len()..)),
                }
            }
            None => Self::Url(url),
        }
    }
}

/// A call that the model made.
#[derive(Clone, Debug)]
pub struct ToolCall {
    /// What the result will refer to.
    pub id: Str,
    /// Which tool.
    pub name: Str,
    /// JSON text, escaped once more as a string's inside.
    pub arguments: Str,
}

/// A tool.
#[derive(Clone, Debug)]
pub enum Tool {
    /// A function of the client's.
    Function {
        /// Its name.
        name: Str,
        /// What it is for.
        description: Option<Str>,
        /// JSON Schema of its arguments.
        parameters: Option<Raw>,
        /// Whether the arguments must keep to the schema.
        strict: Option<bool>,
    },
    /// Another kind of tool, as the dialect wrote it.
    Other(Raw),
}

/// Which tool must be called.
#[derive(Clone, Debug)]
pub enum ToolChoice {
    /// As the model likes.
    Auto,
    /// None.
    None,
    /// At least one.
    Required,
    /// This one.
    Named(Str),
    /// Something else, as the dialect wrote it.
    Other(Raw),
}

/// The shape that the answer must have.
#[derive(Clone, Debug)]
pub enum Format {
    /// Text.
    Text,
    /// Any JSON object.
    JsonObject,
    /// JSON by a schema; OpenAI's `json_schema` value: `{name, schema, strict, description}`.
    JsonSchema(Raw),
    /// Something else, as the dialect wrote it.
    Other(Raw),
}

/// Settings. Numbers keep the text they had.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// 0 to 2, in OpenAI's scale.
    pub temperature: Option<Raw>,
    /// 0 to 1.
    pub top_p: Option<Raw>,
    /// Output cap, in tokens.
    pub max_tokens: Option<u64>,
    /// Where to stop.
    pub stop: Vec<Str>,
    /// How many choices; `None` is one.
    pub choices: Option<u32>,
    /// For repeatable sampling.
    pub seed: Option<Raw>,
    /// −2 to 2.
    pub presence_penalty: Option<Raw>,
    /// −2 to 2.
    pub frequency_penalty: Option<Raw>,
    /// Token → bias.
    pub logit_bias: Option<Raw>,
    /// Whether probabilities are wanted.
    pub logprobs: Option<bool>,
    /// Of how many tokens.
    pub top_logprobs: Option<Raw>,
    /// The shape of the answer.
    pub format: Option<Format>,
    /// An open word: `low`, `medium`, `high`, …
    pub reasoning_effort: Option<Str>,
    /// The client's own user.
    pub user: Option<Str>,
    /// The client's own notes.
    pub metadata: Option<Raw>,
}

/// One step of a reply.
#[derive(Clone, Debug)]
pub enum Event {
    /// The reply's head; fields that the vendor does not tell are empty, `created` 0.
    Start {
        /// The vendor's id of the reply.
        id: Str,
        /// The vendor's name of the model.
        model: Str,
        /// Unix seconds.
        created: i64,
    },
    /// A piece of the answer.
    Text {
        /// Which choice.
        choice: u32,
        /// The piece.
        text: Str,
    },
    /// A piece of a refusal.
    Refusal {
        /// Which choice.
        choice: u32,
        /// The piece.
        text: Str,
    },
    /// A piece of what the model thinks.
    Reasoning {
        /// Which choice.
        choice: u32,
        /// The piece.
        text: Str,
    },
    /// The vendor's proof of the thought before it, whole.
    Proof {
        /// Which choice.
        choice: u32,
        /// Whose, and what: [`Proof::kind`].
        kind: &'static str,
        /// The proof.
        data: Str,
    },
    /// A tool call begins.
    ToolStart {
        /// Which choice.
        choice: u32,
        /// Which call of this choice: 0, 1, … in order of appearance.
        index: u32,
        /// Its id; empty if the vendor gives none.
        id: Str,
        /// Which tool.
        name: Str,
    },
    /// A piece of a tool call's arguments.
    ToolArgs {
        /// Which choice.
        choice: u32,
        /// Which call.
        index: u32,
        /// The piece, as a string's inside.
        piece: Str,
    },
    /// Probabilities of the piece that follows: `{content:[…], refusal:[…]}`.
    Logprobs {
        /// Which choice.
        choice: u32,
        /// The value.
        value: Raw,
    },
    /// A choice ended.
    Finish {
        /// Which choice.
        choice: u32,
        /// Why.
        finish: Finish,
    },
    /// Token counts so far: the last one holds, they are never summed.
    Usage(Usage),
    /// The vendor says that it failed; what it means, the vendor's adapter knows. Never shown to a client.
    Error(Raw),
}

impl Event {
    /// Whether it carries something that the model said, thought or called.
    #[must_use]
    pub fn is_content(&self) -> bool {
        match self {
            Self::Text { text, .. } | Self::Refusal { text, .. } | Self::Reasoning { text, .. } => {
                !text.is_empty()
            }
            Self::ToolStart { .. } => true,
            Self::ToolArgs { piece, .. } => !piece.is_empty(),
            Self::Start { .. }
            | Self::Proof { .. }
            | Self::Logprobs { .. }
            | Self::Finish { .. }
            | Self::Usage(_)
            | Self::Error(_) => false,
        }
    }

    /// About how many bytes of text that is.
    #[must_use]
    pub fn text_bytes(&self) -> u64 {
        match self {
            Self::Text { text, .. }
            | Self::Refusal { text, .. }
            | Self::Reasoning { text, .. }
            | Self::ToolArgs { piece: text, .. } => crate::json::plain_len(text.bytes()),
            _ => 0,
        }
    }
}

// One event per token of a reply: it must not grow in the dark.
const _: () = assert!(size_of::<Event>() <= 96);

#[cfg(test)]
mod tests;
