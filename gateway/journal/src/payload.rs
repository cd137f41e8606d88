//! What callers tell the journal, and how it becomes one line of inert JSON.
//!
//! The structs borrow everything, so building and writing one allocates nothing. All have a `Default`: write
//! `Opening { id, key, ..Default::default() }`, and fields that later versions add change no caller.
//!
//! Must never know files, shards or indices.
//! Invariants: every string is cut to a stated number of *escaped* bytes and then ends in `…`; a closing payload
//! never exceeds `CLOSING_ROOM`; no byte of a caller can begin a second line or reach a terminal as a control.

mod encode;

use super::line::{Fields, Object, key};
use super::seal::{Digest, Kept};
pub use encode::Moment;
pub(super) use encode::{Closes, Lost, encode};

/// Bytes kept free on the disk for each closing record that is still to come: more than the longest one.
pub const CLOSING_ROOM: u64 = 7168;
/// Longest request id in bytes: an entry carries a copy of it, so that its closing can bear it in `Drop`.
pub const ID_BYTES_MAX: usize = 36;
/// Longest list of policies; the rest is counted.
pub(super) const POLICIES_MAX: usize = 32;
/// Longest list of types that were found in a request; the rest is counted.
const FINDINGS_MAX: usize = 128;
/// Longest lists about a reply: a closing has its room.
pub(super) const FEW_MAX: usize = 8;
/// Longest list of attempts; the rest is counted. Retries are bounded far below.
const ATTEMPTS_MAX: usize = 8;

/// Who asks for what: of every request alike, whether it passes or not. Strings of no content are left out of the record.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asker<'a> {
    /// Request id, as in `x-request-id`; up to `ID_BYTES_MAX` bytes.
    pub id: &'a str,
    /// Id of the key (never the key).
    pub key: &'a str,
    /// The user, if the credential named one.
    pub user: &'a str,
    /// Team of the key.
    pub team: &'a str,
    /// Address of the client.
    pub client: &'a str,
    /// Dialect of the caller.
    pub dialect: &'a str,
    /// Path or operation.
    pub endpoint: &'a str,
    /// Model that the application asked for.
    pub asked: &'a str,
    /// Fingerprint of the config, and so of the policies, that the request was judged by.
    pub config: &'a str,
    /// Id of the trace it belongs to, if it came with one.
    pub trace: &'a str,
    /// The client's own id of the request.
    pub client_request_id: &'a str,
}

impl Fields for Asker<'_> {
    fn write(&self, to: &mut Object<'_>) {
        to.whole(key!("id"), short_id(self.id));
        to.text(key!("key"), self.key, 128);
        to.text(key!("user"), self.user, 128);
        to.text(key!("team"), self.team, 128);
        to.text(key!("client"), self.client, 64);
        to.text(key!("dialect"), self.dialect, 32);
        to.text(key!("endpoint"), self.endpoint, 128);
        to.text(key!("asked"), self.asked, 256);
        to.text(key!("config"), self.config, 32);
        to.text(key!("trace"), self.trace, 32);
        to.text(key!("client_request_id"), self.client_request_id, 64);
    }
}

/// What was found in a request and made of it, whether it passes or not.
#[derive(Debug, Clone, Copy, Default)]
pub struct Judgement<'a> {
    /// Grade of the request, if it was graded.
    pub grade: &'a str,
    /// `allow`, `redact`, `reroute` or `refuse`, if a policy decided.
    pub verdict: &'a str,
    /// Names of the policies that fired.
    pub policies: &'a [&'a str],
    /// What was found in the request, by type. Never values.
    pub findings: &'a [Found<'a>],
    /// Names of the policies in shadow mode that would have fired.
    pub shadowed: &'a [&'a str],
    /// Images, sound and files of the request.
    pub media: u32,
}

impl Fields for Judgement<'_> {
    fn write(&self, to: &mut Object<'_>) {
        to.text(key!("grade"), self.grade, 32);
        to.text(key!("verdict"), self.verdict, 32);
        to.names(key!("policies"), self.policies, POLICIES_MAX);
        to.objects(key!("findings"), self.findings, FINDINGS_MAX);
        to.names(key!("shadowed"), self.shadowed, POLICIES_MAX);
        to.nonzero(key!("media"), self.media.into());
    }
}

/// A request as it is about to go upstream. Strings of no content are left out of the record.
#[derive(Debug, Clone, Copy, Default)]
pub struct Opening<'a> {
    /// Who asks for what.
    pub who: Asker<'a>,
    /// Provider chosen first.
    pub provider: &'a str,
    /// Model at that provider.
    pub model: &'a str,
    /// Where that provider is: `domestic`, `overseas` or `self_hosted`.
    pub location: &'a str,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// What was made of it.
    pub judged: Judgement<'a>,
    /// Findings that were replaced in what goes to the first target.
    pub redactions: u64,
    /// Bytes of the request's body.
    pub request_bytes: u64,
    /// Targets that the request was cleared for.
    pub targets: u32,
    /// Tokens reserved of limits and budgets: what counts if no closing ever says what was used.
    pub reserved_tokens: u64,
    /// Money reserved, in billionths of a unit.
    pub reserved_nano: u64,
    /// HMAC-SHA-256 of the request's body as it was received.
    pub fingerprint: Option<&'a Digest>,
    /// The request's body, if it is kept.
    pub request_body: Option<&'a Kept>,
}

impl Fields for Opening<'_> {
    fn write(&self, to: &mut Object<'_>) {
        self.who.write(to);
        to.text(key!("provider"), self.provider, 64);
        to.text(key!("model"), self.model, 128);
        to.text(key!("location"), self.location, 16);
        to.flag(key!("stream"), self.stream);
        self.judged.write(to);
        to.nonzero(key!("redactions"), self.redactions);
        to.number(key!("request_bytes"), self.request_bytes);
        to.number(key!("targets"), self.targets.into());
        to.nonzero(key!("reserved_tokens"), self.reserved_tokens);
        to.nonzero(key!("reserved_nano"), self.reserved_nano);
        to.digest(key!("fingerprint"), self.fingerprint);
        if let Some(body) = self.request_body {
            to.object(key!("request_body"), body);
        }
    }
}

/// How a request that was opened ended. Its id and its opening are the entry's.
#[derive(Debug, Clone, Copy, Default)]
pub struct Closing<'a> {
    /// When, if the caller has looked at the journal's clock just now.
    pub at: Option<Moment>,
    /// How it ended.
    pub outcome: Outcome,
    /// HTTP status sent down; 0 if none was.
    pub status: u16,
    /// Provider that answered.
    pub provider: &'a str,
    /// Model that answered.
    pub model: &'a str,
    /// Where that provider is.
    pub location: &'a str,
    /// Every upstream that was tried, in order.
    pub attempts: &'a [Attempt<'a>],
    /// What it consumed.
    pub tokens: Tokens,
    /// What they cost, in billionths of a unit of `currency`, if they have a price.
    pub cost_nano: Option<u64>,
    /// Currency of the cost.
    pub currency: &'a str,
    /// The model's reason to stop.
    pub finish: &'a str,
    /// Body bytes sent down.
    pub bytes_down: u64,
    /// Events sent down; 0 for a reply in one piece.
    pub events: u64,
    /// Names of the policies that stopped the request after it was opened: gates.
    pub policies: &'a [&'a str],
    /// Names of the gates that did not answer and let the request pass.
    pub gates_open: &'a [&'a str],
    /// What was found in the reply, by type. Never values.
    pub reply_findings: &'a [Found<'a>],
    /// Names of the policies that fired on the reply.
    pub reply_policies: &'a [&'a str],
    /// Names of those in shadow mode that would have.
    pub reply_shadowed: &'a [&'a str],
    /// Labels that were put back in the reply.
    pub restored: u64,
    /// From arrival to the first byte of the provider's reply, in ms.
    pub first_byte_ms: Option<u64>,
    /// From arrival to the first content, in ms.
    pub first_content_ms: Option<u64>,
    /// From arrival to the end, in ms.
    pub total_ms: u64,
    /// Public error code, if it was refused or failed.
    pub code: &'a str,
    /// HMAC-SHA-256 of the reply as it was sent.
    pub reply_fingerprint: Option<&'a Digest>,
    /// The reply, if it is kept.
    pub reply_body: Option<&'a Kept>,
}

impl Fields for Closing<'_> {
    fn write(&self, to: &mut Object<'_>) {
        to.whole(key!("outcome"), self.outcome.name());
        to.number(key!("status"), self.status.into());
        to.text(key!("provider"), self.provider, 64);
        to.text(key!("model"), self.model, 128);
        to.text(key!("location"), self.location, 16);
        to.objects(key!("attempts"), self.attempts, ATTEMPTS_MAX);
        to.object(key!("tokens"), &self.tokens);
        to.maybe(key!("cost_nano"), self.cost_nano);
        to.text(key!("currency"), self.currency, 8);
        to.text(key!("finish"), self.finish, 64);
        to.number(key!("bytes_down"), self.bytes_down);
        to.number(key!("events"), self.events);
        to.names(key!("policies"), self.policies, FEW_MAX);
        to.names(key!("gates_open"), self.gates_open, FEW_MAX);
        to.objects(key!("reply_findings"), self.reply_findings, FEW_MAX);
        to.names(key!("reply_policies"), self.reply_policies, FEW_MAX);
        to.names(key!("reply_shadowed"), self.reply_shadowed, FEW_MAX);
        to.nonzero(key!("restored"), self.restored);
        to.maybe(key!("first_byte_ms"), self.first_byte_ms);
        to.maybe(key!("first_content_ms"), self.first_content_ms);
        to.number(key!("total_ms"), self.total_ms);
        to.text(key!("code"), self.code, 64);
        to.digest(key!("reply_fingerprint"), self.reply_fingerprint);
        if let Some(body) = self.reply_body {
            to.object(key!("reply_body"), body);
        }
    }
}

/// How often a type was found.
#[derive(Debug, Clone, Copy, Default)]
pub struct Found<'a> {
    /// The type's name.
    pub kind: &'a str,
    /// How often.
    pub count: u32,
}

impl Fields for Found<'_> {
    fn write(&self, to: &mut Object<'_>) {
        to.text(key!("type"), self.kind, 64);
        to.number(key!("count"), self.count.into());
    }
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Outcome {
    /// The whole reply went down.
    Completed,
    /// The client left.
    ClientClosed,
    /// No upstream gave a good reply, or one ended badly.
    UpstreamError,
    /// A rule stopped the reply, or the request after it was opened.
    Refused,
    /// A deadline passed.
    TimedOut,
    /// The gateway was stopping.
    Draining,
    /// The gateway itself failed.
    InternalError,
    /// The process ended before the request did; written at the next start.
    Crashed,
    /// The entry was dropped without a word: a bug of the caller, and still recorded.
    #[default]
    Abandoned,
}

impl Outcome {
    /// As records have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::ClientClosed => "client_closed",
            Self::UpstreamError => "upstream_error",
            Self::Refused => "refused",
            Self::TimedOut => "timed_out",
            Self::Draining => "draining",
            Self::InternalError => "internal_error",
            Self::Crashed => "crashed",
            Self::Abandoned => "abandoned",
        }
    }
}

/// One upstream that was tried.
#[derive(Debug, Clone, Copy, Default)]
pub struct Attempt<'a> {
    /// The provider.
    pub provider: &'a str,
    /// The model there.
    pub model: &'a str,
    /// Kind of the fault that ended the attempt; empty if it answered.
    pub fault: &'a str,
}

impl Fields for Attempt<'_> {
    fn write(&self, to: &mut Object<'_>) {
        to.text(key!("provider"), self.provider, 64);
        to.text(key!("model"), self.model, 128);
        to.text(key!("fault"), self.fault, 32);
    }
}

/// What was consumed, as the vendor reported it or as we estimated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tokens {
    /// Tokens of the prompt, cached ones included.
    pub prompt: u64,
    /// Tokens of the reply, reasoning included.
    pub completion: u64,
    /// Prompt tokens read from the vendor's cache.
    pub cached: u64,
    /// Prompt tokens written to the vendor's cache.
    pub cache_write: u64,
    /// Tokens of reasoning.
    pub reasoning: u64,
    /// Images that were made.
    pub images: u64,
    /// Sound that was read or made, in ms.
    pub audio_ms: u64,
    /// True if the figures are ours and not the vendor's.
    pub estimated: bool,
    /// The vendor gave figures that are absurd or do not fit what was seen: ours stand in their place.
    pub doubted: bool,
}

impl Fields for Tokens {
    fn write(&self, to: &mut Object<'_>) {
        to.number(key!("prompt"), self.prompt);
        to.number(key!("completion"), self.completion);
        to.nonzero(key!("cached"), self.cached);
        to.nonzero(key!("cache_write"), self.cache_write);
        to.nonzero(key!("reasoning"), self.reasoning);
        to.nonzero(key!("images"), self.images);
        to.nonzero(key!("audio_ms"), self.audio_ms);
        to.flag(key!("estimated"), self.estimated);
        if self.doubted {
            to.flag(key!("doubted"), true);
        }
    }
}

/// A request refused before any upstream was chosen: the one record of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Denial<'a> {
    /// Who asked for what.
    pub who: Asker<'a>,
    /// What was made of it.
    pub judged: Judgement<'a>,
    /// Bytes of the request's body, as far as it was read.
    pub request_bytes: u64,
    /// HTTP status sent down.
    pub status: u16,
    /// Public error code.
    pub code: &'a str,
    /// From arrival to the refusal, in ms.
    pub total_ms: u64,
    /// HMAC-SHA-256 of the request's body as it was received.
    pub fingerprint: Option<&'a Digest>,
    /// The request's body, if it is kept.
    pub request_body: Option<&'a Kept>,
}

impl Fields for Denial<'_> {
    fn write(&self, to: &mut Object<'_>) {
        self.who.write(to);
        self.judged.write(to);
        to.number(key!("request_bytes"), self.request_bytes);
        to.number(key!("status"), self.status.into());
        to.text(key!("code"), self.code, 64);
        to.number(key!("total_ms"), self.total_ms);
        to.digest(key!("fingerprint"), self.fingerprint);
        if let Some(body) = self.request_body {
            to.object(key!("request_body"), body);
        }
    }
}

/// The id as an entry and its closing bear it: cut at a character, never in the middle of one.
pub(super) fn short_id(id: &str) -> &str {
    id.get(..id.floor_char_boundary(ID_BYTES_MAX)).unwrap_or("")
}
