//! What a dialect must be able to do. A dialect is a way to write requests and replies, whoever speaks it.
//!
//! Two halves: [`Dialect`], what an upstream may speak, and [`ClientDialect`], what a client may speak as well. Where
//! both sides of a request speak the same one, bodies are read by lens and changed by edits only; otherwise they go
//! through [`wire::canon`]. Nothing here opens, waits, or reads a clock.

use bytes::Bytes;
use http::HeaderName;
use smallvec::SmallVec;
use wire::canon;
use wire::facts::{Contents, EventFacts, ReplyFacts, RequestFacts, Saying, Shape};
use wire::json::{self, Value};
use wire::operation::{Reply, Work};
use wire::sse;
use wire::{Edits, Fault, Headers, Kind, Rope};

use crate::places::{Asked, Asks, Endpoint, Listed, RequestHead};
use crate::quirks::{self, Loss, Quirks};
use crate::vendor::Call;

pub use crate::members::quoted;

/// Names a dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DialectId {
    /// Anthropic messages.
    Anthropic,
    /// OpenAI chat completions.
    OpenAiChat,
    /// Chat completions as vendors write them that no OpenAI client could read.
    OpenAiLoose,
    /// Amazon Bedrock's Converse.
    Converse,
    /// OpenAI responses.
    Responses,
    /// OpenAI's legacy completions.
    Completions,
    /// vivo's native completions.
    BlueLm,
    /// Google's generateContent.
    Gemini,
    /// MiniMax' legacy chat.
    MiniMaxPro,
    /// DashScope's native text generation.
    DashScope,
    /// Spark's messages over a WebSocket.
    SparkNative,
    /// Baidu's legacy wenxinworkshop chat.
    WenxinV1,
}

/// What to do with a field that the upstream lacks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lossy {
    /// Refuse what changes the meaning (forced tool choice, response schema, stop, n), drop hints (seed, user, tier).
    #[default]
    Hints,
    /// Refuse every loss.
    Refuse,
    /// Drop everything that is lacking.
    Drop,
}

/// Names of request fields that did not reach the upstream: `x-yumen-dropped` and the journal.
pub type Dropped = SmallVec<[&'static str; 4]>;

/// What is lost with a request that leaves its dialect, whatever the other one is.
///
/// # Errors
/// `BadRequest` naming what must not be lost.
pub fn lose(lost: &[canon::Lost], lossy: Lossy, dropped: &mut Dropped) -> Result<(), Fault> {
    for one in lost {
        let loss = if one.meaning {
            Loss::Meaning
        } else {
            Loss::Hint
        };
        quirks::lose(one.name, loss, lossy, dropped)?;
    }
    Ok(())
}

/// A request on its way to an upstream that speaks the client's own dialect.
#[derive(Debug)]
pub struct Forward {
    /// What to change in the client's body: model name, usage request, quirks.
    pub edits: Edits,
    /// What was dropped.
    pub dropped: Dropped,
    /// We asked for usage that the client did not ask for: it must be hidden from the reply.
    pub hide_usage: bool,
}

/// A request written anew for an upstream of another dialect.
#[derive(Debug)]
pub struct Encoded {
    /// The body; text is spliced from the client's bytes, not copied.
    pub body: Rope,
    /// What was dropped.
    pub dropped: Dropped,
}

/// An error as a whole reply.
#[derive(Debug)]
pub struct ErrorBody {
    /// HTTP status.
    pub status: u16,
    /// `content-type`.
    pub content_type: &'static str,
    /// The body.
    pub body: Bytes,
}

/// What an error says to a client, escaped: the field, where it is about one, and the sentence.
pub(crate) fn write_told(fault: &Fault, out: &mut Vec<u8>) {
    if let Some(field) = fault.field() {
        json::escape(field, out);
        out.extend_from_slice(b": ");
    }
    json::escape(fault.sentence(), out);
}

/// The field that an error is about, as JSON.
pub(crate) fn write_param(fault: &Fault, out: &mut Vec<u8>) {
    match fault.field() {
        Some(field) => {
            out.push(b'"');
            json::escape(field, out);
            out.push(b'"');
        }
        None => out.extend_from_slice(b"null"),
    }
}

/// What an upstream may speak.
pub trait Dialect: Sync {
    /// Which one.
    fn id(&self) -> DialectId;

    /// Its name in journal and docs, e.g. `openai-chat`.
    fn name(&self) -> &'static str;

    /// Lens: what one event of a reply says. `facts` is fresh; `scratch` is reused between calls. Must not allocate
    /// for an event that carries only text.
    fn read_event(&self, event: &sse::Event<'_>, scratch: &mut json::Tape, facts: &mut EventFacts);

    /// Lens: what a whole reply (status 2xx, JSON) says.
    fn read_reply(&self, root: Value<'_>) -> ReplyFacts;

    /// Writes a canonical request.
    ///
    /// # Errors
    /// `BadRequest` for what cannot be said in this dialect and must not be dropped.
    fn encode_request(
        &self,
        request: &canon::Request,
        call: &Call<'_>,
        quirks: &Quirks,
        lossy: Lossy,
    ) -> Result<Encoded, Fault>;

    /// A decoder for one reply.
    fn decoder(&self) -> Box<dyn Decoder>;
}

/// What a client may speak.
pub trait ClientDialect: Dialect {
    /// The paths at which it is spoken, the usual one first; never empty.
    fn endpoints(&self) -> &'static [Endpoint];

    /// The paths of its list of models; several dialects may share one.
    fn listings(&self) -> &'static [&'static str] {
        &["/v1/models"]
    }

    /// A sentence about a path that clients of this dialect know and that is not there; empty: there is none to say.
    fn hint(&self, _path: &str) -> &'static str {
        ""
    }

    /// Whether headers tell a client of this dialect, on paths that it shares with others.
    fn claims(&self, _headers: &Headers) -> bool {
        false
    }

    /// Reads what it needs of a request's head: a stream that is asked for there, headers that travel on.
    ///
    /// # Errors
    /// `BadRequest` for headers that cannot be what they should be.
    fn read_head(&self, _head: RequestHead<'_>, _asked: &mut Asked) -> Result<(), Fault> {
        Ok(())
    }

    /// Lens: what a request says. `body` was accepted by [`json::scan`] onto `tape`; `asked` is what its head said.
    ///
    /// # Errors
    /// `BadRequest` for wrong types and governed or forbidden fields, with the field's name.
    fn read_request(
        &self,
        body: &Bytes,
        tape: json::Tape,
        asked: &Asked,
    ) -> Result<RequestFacts, Fault>;

    /// Lens: all texts of a request, and what in it cannot be read. What is not told here is inert: words and numbers of
    /// the dialect itself.
    fn contents(&self, body: &[u8], facts: &RequestFacts) -> Contents;

    /// Lens: the texts of a reply, or of one event of it. `data` was scanned onto `tape`; `saying` is empty.
    fn said(&self, data: &[u8], tape: &json::Tape, saying: &mut Saying);

    /// Lens: whether a whole reply (status 2xx, JSON) is one to what was asked: it has the members that the dialect has for
    /// that. Nobody knows what anything else says.
    fn is_reply(&self, asks: Asks, root: Value<'_>) -> bool;

    /// Where the reply's own text goes: the lane that a label of generated content stands before.
    fn is_answer(&self, lane: wire::hold::Lane) -> bool;

    /// The edits for an upstream of the same dialect.
    ///
    /// # Errors
    /// `BadRequest` for what the upstream lacks and `lossy` refuses.
    fn forward(
        &self,
        body: &Bytes,
        facts: &RequestFacts,
        call: &Call<'_>,
        quirks: &Quirks,
        lossy: Lossy,
    ) -> Result<Forward, Fault>;

    /// Reads a request to canonical form; its text stays in slices of `body`.
    ///
    /// # Errors
    /// `BadRequest` with the field's name.
    fn decode_request(&self, body: &Bytes, facts: &RequestFacts) -> Result<canon::Request, Fault>;

    /// What replies repeat of the request, for [`ReplyHead::echo`]; empty for dialects whose replies repeat nothing.
    fn echo(&self, _body: &Bytes, _facts: &RequestFacts) -> Bytes {
        Bytes::new()
    }

    /// An encoder for one reply.
    fn encoder(&self, reply: ReplyHead) -> Box<dyn Encoder>;

    /// An error before the reply has begun; `id` is ours of the request, for dialects that tell it in the body.
    fn refusal(&self, fault: &Fault, id: &str) -> ErrorBody;

    /// An error in the middle of a stream: the last bytes of it. `events` is at least how many went before, for dialects that
    /// number theirs.
    fn stream_refusal(&self, fault: &Fault, id: &str, events: u64) -> Bytes;

    /// The event that ends a stream, for upstreams that forget theirs; empty if the dialect has none.
    fn end_marker(&self) -> &'static [u8];

    /// A whole error event's or comment's bytes that mean nothing, to keep a silent stream open; `None` if the dialect
    /// has none.
    fn ping(&self) -> Option<&'static [u8]>;

    /// The header in which clients of this dialect look for our id of the request, beside `x-request-id`.
    fn id_header(&self) -> Option<HeaderName> {
        None
    }

    /// The list of models, sorted by name; `query` as it came may ask for a part of it.
    fn models(&self, models: &[Listed<'_>], query: &str) -> Bytes;

    /// One model.
    fn model(&self, model: &Listed<'_>) -> Bytes;

    /// Reads the work of a request at an endpoint that is no chat ([`Asks::is_work`](crate::places::Asks::is_work)).
    ///
    /// # Errors
    /// `BadRequest` with the field's name; `Bug` for a dialect without such endpoints.
    fn decode_work(&self, _: &Bytes, _: &RequestFacts, _: &Asked) -> Result<Work, Fault> {
        Err(Fault::new(Kind::Bug).detail("a dialect without work"))
    }

    /// Writes what came of it, whole. `work` is what the client asked, not what an upstream got.
    ///
    /// # Errors
    /// `Malformed` for results that cannot be written.
    fn encode_done(&self, _: &Work, _: &Reply, _: &ReplyHead) -> Result<Rope, Fault> {
        Err(Fault::new(Kind::Bug).detail("a dialect without work"))
    }

    /// The answer to [`Asks::Count`](crate::places::Asks) where no upstream counts; `None`: it has no such endpoint.
    fn counted(&self, _tokens: u64) -> Option<Bytes> {
        None
    }
}

/// What an encoder must know before the first event.
#[derive(Clone, Debug)]
pub struct ReplyHead {
    /// Our id of the request, used where the upstream gives none.
    pub request_id: String,
    /// The model name that the client asked for.
    pub model: String,
    /// Unix seconds, used where the upstream gives none.
    pub created: i64,
    /// Whether the client asked for usage in the stream.
    pub usage_asked: bool,
    /// What the reply repeats of the request, as [`ClientDialect::echo`] wrote it.
    pub echo: Bytes,
    /// How it is to be written.
    pub shape: Shape,
    /// Whether what the model thinks may be shown.
    pub thoughts: bool,
}

impl ReplyHead {
    /// A call's id; one of our own where the vendor gives none.
    pub(crate) fn call_id(&self, id: &canon::Str, choice: u32, index: u32) -> canon::Str {
        if !id.is_empty() {
            return id.clone();
        }
        let request = &self.request_id;
        canon::Str::escaped(&format!("call_{request}_{choice}_{index}"))
    }
}

/// Upstream bytes → canonical events, for one reply.
pub trait Decoder: Send {
    /// One event of a stream.
    ///
    /// # Errors
    /// `Malformed` for what is not the dialect. Errors of the vendor are no errors here: they come out as
    /// [`canon::Event::Error`], and the vendor says what they mean.
    fn event(&mut self, event: &sse::Event<'_>, out: &mut Vec<canon::Event>) -> Result<(), Fault>;

    /// A whole JSON reply.
    ///
    /// # Errors
    /// As above.
    fn whole(
        &mut self,
        body: &Bytes,
        root: Value<'_>,
        out: &mut Vec<canon::Event>,
    ) -> Result<(), Fault>;

    /// The stream ended.
    ///
    /// # Errors
    /// `CutShort` if it should not have.
    fn end(&mut self, out: &mut Vec<canon::Event>) -> Result<(), Fault>;

    /// Whether all of the reply was heard although its stream has not ended, and will not of itself.
    fn is_over(&self) -> bool {
        false
    }
}

/// Canonical events → client bytes, for one reply.
pub trait Encoder: Send {
    /// Writes what the events say to a stream; all events of one read at once. Errors are not written here: the relay ends
    /// the stream with [`Encoder::refuse`].
    ///
    /// # Errors
    /// `Malformed` if more must wait for its place than a bound allows.
    fn events(&mut self, events: &[canon::Event], out: &mut Rope) -> Result<(), Fault>;

    /// Writes the clean end of a stream.
    fn end(&mut self, out: &mut Rope);

    /// Writes an error as the end of a stream, in dialects where that tells of what went before. False: it has no such
    /// end, and [`ClientDialect::stream_refusal`] is written.
    fn refuse(&mut self, _fault: &Fault, _out: &mut Rope) -> bool {
        false
    }

    /// Writes all events of a reply as one whole body.
    fn whole(&mut self, events: &[canon::Event]) -> Rope;
}
