//! What callers tell the journal, and how it becomes one line of inert JSON.
//!
//! The structs borrow everything, so building and writing one allocates nothing. All have a `Default`: write
//! `Opening { id, key, ..Default::default() }`, and fields that later versions add change no caller.
//!
//! Must never know files, shards or indices.
//! Invariants: every string is cut to a stated number of *escaped* bytes and then ends in `…`; a closing payload
//! never exceeds `CLOSING_ROOM`; no byte of a caller can begin a second line or reach a terminal as a control.

mod encode;
mod shorten;

use serde::Serialize;

use super::seal::{Digest, Kept};
pub(super) use encode::{Closes, Lost, Moment, Parts, encode};
use shorten::{attempts, digest, few_findings, few_names, findings, whole_id};
pub(super) use shorten::{names, short};

/// Bytes kept free on the disk for each closing record that is still to come: more than the longest one.
pub const CLOSING_ROOM: u64 = 7168;
/// Longest request id in bytes: an entry carries a copy of it, so that its closing can bear it in `Drop`.
pub const ID_BYTES_MAX: usize = 36;
/// Longest list of policies; the rest is counted.
const POLICIES_MAX: usize = 32;
/// Longest list of types that were found in a request; the rest is counted.
const FINDINGS_MAX: usize = 128;
/// Longest lists about a reply: a closing has its room.
const FEW_MAX: usize = 8;
/// Longest list of attempts; the rest is counted. Retries are bounded far below.
const ATTEMPTS_MAX: usize = 8;

/// A request as it is about to go upstream. Strings of no content are left out of the record.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Opening<'a> {
    /// Request id, as in `x-request-id`; up to `ID_BYTES_MAX` bytes.
    #[serde(serialize_with = "whole_id")]
    pub id: &'a str,
    /// Id of the key (never the key).
    #[serde(
        serialize_with = "short::<128, _>",
        skip_serializing_if = "str::is_empty"
    )]
    pub key: &'a str,
    /// The user, if the credential named one.
    #[serde(
        serialize_with = "short::<128, _>",
        skip_serializing_if = "str::is_empty"
    )]
    pub user: &'a str,
    /// Team of the key.
    #[serde(
        serialize_with = "short::<128, _>",
        skip_serializing_if = "str::is_empty"
    )]
    pub team: &'a str,
    /// Address of the client.
    #[serde(
        serialize_with = "short::<64, _>",
        skip_serializing_if = "str::is_empty"
    )]
    pub client: &'a str,
    /// Dialect of the caller.
    #[serde(
        serialize_with = "short::<32, _>",
        skip_serializing_if = "str::is_empty"
    )]
    pub dialect: &'a str,
    /// Path or operation.
    #[serde(
        serialize_with = "short::<128, _>",
        skip_serializing_if = "str::is_empty"
    )]
    pub endpoint: &'a str,
    /// Model that the application asked for.
    #[serde(
        serialize_with = "short::<256, _>",
        skip_serializing_if = "str::is_empty"
    )]
    pub asked: &'a str,
    /// Provider chosen first.
    #[serde(
        serialize_with = "short::<64, _>",
        skip_serializing_if = "str::is_empty"
    )]
    pub provider: &'a str,
    /// Model at that provider.
    #[serde(
        serialize_with = "short::<128, _>",
        skip_serializing_if = "str::is_empty"
    )]
    pub model: &'a str,
    /// Where that provider is: `domestic`, `overseas` or `self_hosted`.
    #[serde(
        serialize_with = "short::<16, _>",
        skip_serializing_if = "str::is_empty"
    )]
    pub location: &'a str,
    /// Fingerprint of the config, and so of the policies, that the request was judged by.
    #[serde(
        serialize_with = "short::<32, _>",
        skip_serializing_if = "str::is_empty"
    )]
    pub config: &'a str,
    /// Id of the trace it belongs to, if it came with one.
    #[serde(
        serialize_with = "short::<32, _>",
        skip_serializing_if = "str::is_empty"
    )]
    pub trace: &'a str,
    /// The client's own id of the request.
    #[serde(
        serialize_with = "short::<64, _>",
        skip_serializing_if = "str::is_empty"
    )]
    pub client_request_id: &'a str,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// Grade of the request.
    #[serde(
        serialize_with = "short::<32, _>",
        skip_serializing_if = "str::is_empty"
    )]
    pub grade: &'a str,
    /// `allow`, `redact` or `reroute`.
    #[serde(
        serialize_with = "short::<32, _>",
        skip_serializing_if = "str::is_empty"
    )]
    pub verdict: &'a str,
    /// Names of the policies that fired.
    #[serde(serialize_with = "names", skip_serializing_if = "<[_]>::is_empty")]
    pub policies: &'a [&'a str],
    /// What was found in the request, by type. Never values.
    #[serde(serialize_with = "findings", skip_serializing_if = "<[_]>::is_empty")]
    pub findings: &'a [Found<'a>],
    /// Names of the policies in shadow mode that would have fired.
    #[serde(serialize_with = "names", skip_serializing_if = "<[_]>::is_empty")]
    pub shadowed: &'a [&'a str],
    /// Images, sound and files of the request.
    #[serde(skip_serializing_if = "is_none")]
    pub media: u32,
    /// Findings that were replaced in what goes to the first target.
    #[serde(skip_serializing_if = "is_zero")]
    pub redactions: u64,
    /// Bytes of the request's body.
    pub request_bytes: u64,
    /// Targets that the request was cleared for.
    pub targets: u32,
    /// Tokens reserved of limits and budgets: what counts if no closing ever says what was used.
    #[serde(skip_serializing_if = "is_zero")]
    pub reserved_tokens: u64,
    /// Money reserved, in billionths of a unit.
    #[serde(skip_serializing_if = "is_zero")]
    pub reserved_nano: u64,
    /// HMAC-SHA-256 of the request's body as it was received.
    #[serde(serialize_with = "digest", skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<&'a Digest>,
    /// The request's body, if it is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_body: Option<&'a Kept>,
}

/// How a request that was opened ended. Its id and its opening are the entry's.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Closing<'a> {
    /// How it ended.
    pub outcome: Outcome,
    /// HTTP status sent down; 0 if none was.
    pub status: u16,
    /// Provider that answered.
    #[serde(
        serialize_with = "short::<64, _>",
        skip_serializing_if = "str::is_empty"
    )]
    pub provider: &'a str,
    /// Model that answered.
    #[serde(
        serialize_with = "short::<128, _>",
        skip_serializing_if = "str::is_empty"
    )]
    pub model: &'a str,
    /// Where that provider is.
    #[serde(
        serialize_with = "short::<16, _>",
        skip_serializing_if = "str::is_empty"
    )]
    pub location: &'a str,
    /// Every upstream that was tried, in order.
    #[serde(serialize_with = "attempts", skip_serializing_if = "<[_]>::is_empty")]
    pub attempts: &'a [Attempt<'a>],
    /// What it consumed.
    pub tokens: Tokens,
    /// What they cost, in billionths of a unit of `currency`, if they have a price.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_nano: Option<u64>,
    /// Currency of the cost.
    #[serde(
        serialize_with = "short::<8, _>",
        skip_serializing_if = "str::is_empty"
    )]
    pub currency: &'a str,
    /// The model's reason to stop.
    #[serde(
        serialize_with = "short::<64, _>",
        skip_serializing_if = "str::is_empty"
    )]
    pub finish: &'a str,
    /// Body bytes sent down.
    pub bytes_down: u64,
    /// Events sent down; 0 for a reply in one piece.
    pub events: u64,
    /// Names of the policies that stopped the request after it was opened: gates.
    #[serde(serialize_with = "few_names", skip_serializing_if = "<[_]>::is_empty")]
    pub policies: &'a [&'a str],
    /// Names of the gates that did not answer and let the request pass.
    #[serde(serialize_with = "few_names", skip_serializing_if = "<[_]>::is_empty")]
    pub gates_open: &'a [&'a str],
    /// What was found in the reply, by type. Never values.
    #[serde(
        serialize_with = "few_findings",
        skip_serializing_if = "<[_]>::is_empty"
    )]
    pub reply_findings: &'a [Found<'a>],
    /// Names of the policies that fired on the reply.
    #[serde(serialize_with = "few_names", skip_serializing_if = "<[_]>::is_empty")]
    pub reply_policies: &'a [&'a str],
    /// Names of those in shadow mode that would have.
    #[serde(serialize_with = "few_names", skip_serializing_if = "<[_]>::is_empty")]
    pub reply_shadowed: &'a [&'a str],
    /// Labels that were put back in the reply.
    #[serde(skip_serializing_if = "is_zero")]
    pub restored: u64,
    /// From arrival to the first byte of the provider's reply, in ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_byte_ms: Option<u64>,
    /// From arrival to the first content, in ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_content_ms: Option<u64>,
    /// From arrival to the end, in ms.
    pub total_ms: u64,
    /// Public error code, if it was refused or failed.
    #[serde(
        serialize_with = "short::<64, _>",
        skip_serializing_if = "str::is_empty"
    )]
    pub code: &'a str,
    /// HMAC-SHA-256 of the reply as it was sent.
    #[serde(serialize_with = "digest", skip_serializing_if = "Option::is_none")]
    pub reply_fingerprint: Option<&'a Digest>,
    /// The reply, if it is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_body: Option<&'a Kept>,
}

/// How often a type was found.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Found<'a> {
    /// The type's name.
    #[serde(rename = "type", serialize_with = "short::<64, _>")]
    pub kind: &'a str,
    /// How often.
    pub count: u32,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
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

/// One upstream that was tried.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Attempt<'a> {
    /// The provider.
    #[serde(serialize_with = "short::<64, _>")]
    pub provider: &'a str,
    /// The model there.
    #[serde(
        serialize_with = "short::<128, _>",
        skip_serializing_if = "str::is_empty"
    )]
    pub model: &'a str,
    /// Kind of the fault that ended the attempt; empty if it answered.
    #[serde(
        serialize_with = "short::<32, _>",
        skip_serializing_if = "str::is_empty"
    )]
    pub fault: &'a str,
}

/// What was consumed, as the vendor reported it or as we estimated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Tokens {
    /// Tokens of the prompt, cached ones included.
    pub prompt: u64,
    /// Tokens of the reply, reasoning included.
    pub completion: u64,
    /// Prompt tokens read from the vendor's cache.
    #[serde(skip_serializing_if = "is_zero")]
    pub cached: u64,
    /// Prompt tokens written to the vendor's cache.
    #[serde(skip_serializing_if = "is_zero")]
    pub cache_write: u64,
    /// Tokens of reasoning.
    #[serde(skip_serializing_if = "is_zero")]
    pub reasoning: u64,
    /// Images that were made.
    #[serde(skip_serializing_if = "is_zero")]
    pub images: u64,
    /// Sound that was read or made, in ms.
    #[serde(skip_serializing_if = "is_zero")]
    pub audio_ms: u64,
    /// True if the figures are ours and not the vendor's.
    pub estimated: bool,
    /// The vendor gave figures that are absurd or do not fit what was seen: ours stand in their place.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub doubted: bool,
}

/// A request refused before any upstream was chosen: the one record of it. Fields as in `Opening` and `Closing`.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Denial<'a> {
    /// Request id.
    #[serde(serialize_with = "whole_id")]
    pub id: &'a str,
    /// Id of the key, if one was recognised.
    #[serde(
        serialize_with = "short::<128, _>",
        skip_serializing_if = "str::is_empty"
    )]
    pub key: &'a str,
    /// The user, if the credential named one.
    #[serde(
        serialize_with = "short::<128, _>",
        skip_serializing_if = "str::is_empty"
    )]
    pub user: &'a str,
    /// Team of the key.
    #[serde(
        serialize_with = "short::<128, _>",
        skip_serializing_if = "str::is_empty"
    )]
    pub team: &'a str,
    /// Address of the client.
    #[serde(
        serialize_with = "short::<64, _>",
        skip_serializing_if = "str::is_empty"
    )]
    pub client: &'a str,
    /// Dialect of the caller.
    #[serde(
        serialize_with = "short::<32, _>",
        skip_serializing_if = "str::is_empty"
    )]
    pub dialect: &'a str,
    /// Path or operation.
    #[serde(
        serialize_with = "short::<128, _>",
        skip_serializing_if = "str::is_empty"
    )]
    pub endpoint: &'a str,
    /// Model that the application asked for.
    #[serde(
        serialize_with = "short::<256, _>",
        skip_serializing_if = "str::is_empty"
    )]
    pub asked: &'a str,
    /// Fingerprint of the config, and so of the policies, that the request was judged by.
    #[serde(
        serialize_with = "short::<32, _>",
        skip_serializing_if = "str::is_empty"
    )]
    pub config: &'a str,
    /// Id of the trace it belongs to, if it came with one.
    #[serde(
        serialize_with = "short::<32, _>",
        skip_serializing_if = "str::is_empty"
    )]
    pub trace: &'a str,
    /// The client's own id of the request.
    #[serde(
        serialize_with = "short::<64, _>",
        skip_serializing_if = "str::is_empty"
    )]
    pub client_request_id: &'a str,
    /// Grade of the request, if it was graded.
    #[serde(
        serialize_with = "short::<32, _>",
        skip_serializing_if = "str::is_empty"
    )]
    pub grade: &'a str,
    /// `refuse` where a policy decided.
    #[serde(
        serialize_with = "short::<32, _>",
        skip_serializing_if = "str::is_empty"
    )]
    pub verdict: &'a str,
    /// Names of the policies that fired.
    #[serde(serialize_with = "names", skip_serializing_if = "<[_]>::is_empty")]
    pub policies: &'a [&'a str],
    /// What was found in the request, by type. Never values.
    #[serde(serialize_with = "findings", skip_serializing_if = "<[_]>::is_empty")]
    pub findings: &'a [Found<'a>],
    /// Names of the policies in shadow mode that would have fired.
    #[serde(serialize_with = "names", skip_serializing_if = "<[_]>::is_empty")]
    pub shadowed: &'a [&'a str],
    /// Images, sound and files of the request.
    #[serde(skip_serializing_if = "is_none")]
    pub media: u32,
    /// Bytes of the request's body, as far as it was read.
    pub request_bytes: u64,
    /// HTTP status sent down.
    pub status: u16,
    /// Public error code.
    #[serde(
        serialize_with = "short::<64, _>",
        skip_serializing_if = "str::is_empty"
    )]
    pub code: &'a str,
    /// From arrival to the refusal, in ms.
    pub total_ms: u64,
    /// HMAC-SHA-256 of the request's body as it was received.
    #[serde(serialize_with = "digest", skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<&'a Digest>,
    /// The request's body, if it is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_body: Option<&'a Kept>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_none(number: &u32) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// The id as an entry and its closing bear it: cut at a character, never in the middle of one.
pub(super) fn short_id(id: &str) -> &str {
    id.get(..id.floor_char_boundary(ID_BYTES_MAX)).unwrap_or("")
}
