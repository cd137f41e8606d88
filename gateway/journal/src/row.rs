//! One request of the log as one row: its opening and its closing joined, or its denial; or an event of the gateway.
//!
//! What searches, exports or ships the log shows rows with the columns of the table below, and nothing else knows how a
//! payload becomes a row. **To add a column, add one entry to the table**: name, type, where it comes from, and what it
//! can be searched by. JSON lines, CSV, Parquet and the index follow.
//!
//! The order of rows is that of `settled`, then `index`: a row stands where it was complete, so what is shown never changes.
//! An empty text, list or number is null. Types are those of [`ColumnType`]; numbers are signed, because lakes are.
//! Payload fields that no column takes are in `extra`, so nothing of the log is missing from an export.
//!
//! [`SCHEMA_VERSION`] grows when a column changes its meaning or goes; columns may be added at the end without that.
//!
//! Must never know segments, or who reads rows. Invariants: a payload that is not understood gives the columns read so far
//! and never an error: whoever can write files must not stop a search; column names are unique and plain ASCII.

mod cell;
pub mod csv;
pub(crate) mod terms;
#[cfg(test)]
mod tests;
pub(crate) mod written;

use std::borrow::Cow;
use std::fmt;

use serde::Deserializer as _;
use serde::de::{DeserializeSeed, Error as _, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::inert::Inert;
use super::record::Kind;
pub use cell::{Attempts, Body, Cell, ColumnType, Count, Json, Time, Value};

/// Version of the meaning of the columns.
pub const SCHEMA_VERSION: u32 = 1;

/// What an export says of a column.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Its name in every format.
    pub name: &'static str,
    /// What its values are.
    pub kind: ColumnType,
    /// What it means.
    pub doc: &'static str,
    /// The filters of a search that look at it; several columns may share one.
    pub filters: &'static [&'static str],
}

/// Objects inside a payload whose fields are columns of their own.
const NESTED: [&str; 1] = ["tokens"];

macro_rules! columns {
    ($($name:ident: $kind:ty, [$($record:ident $outer:literal $field:literal),*], [$($filter:literal),*], $doc:literal;)*) => {
        /// One row; the fields are the columns.
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct Row {
            $(#[doc = $doc] pub $name: $kind,)*
        }

        /// All columns, in the order of every export.
        pub const COLUMNS: &[Column] = &[$(Column {
            name: stringify!($name),
            kind: <$kind as Cell>::TYPE,
            doc: $doc,
            filters: &[$($filter),*],
        },)*];

        /// What `Row::take` takes, as a list.
        fn fields() -> Vec<terms::Field> {
            vec![$($(terms::Field::of_column(
                (Kind::$record, $outer, $field),
                stringify!($name),
                <$kind as Cell>::READ,
            ),)*)*]
        }

        impl Row {
            /// The values, in the order of `COLUMNS`.
            pub fn values(&self) -> impl Iterator<Item = Value<'_>> {
                [$(self.$name.value(),)*].into_iter()
            }

            /// Calls `take` with filter and text, for everything that a filter of a search compares.
            pub fn each_term(&self, mut take: impl FnMut(&'static str, &str)) {
                $($(self.$name.each_term(&mut |text| take($filter, text));)*)*
            }

            /// Takes one field of a payload; false if no column wants it, and then it is still to be read.
            fn take<'de, A: MapAccess<'de>>(
                &mut self,
                kind: Kind,
                outer: &str,
                field: &str,
                map: &mut A,
            ) -> Result<bool, A::Error> {
                match (kind, outer, field) {
                    $($((Kind::$record, $outer, $field) => self.$name = map.next_value()?,)*)*
                    _ => return Ok(false),
                }
                Ok(true)
            }
        }
    };
}

columns! {
    index: Option<i64>, [], ["index"], "Place of the first record (opening, denial, event) in the log";
    settled: Option<i64>, [], [], "Place of the record that completes the row: the closing; else as `index`";
    kind: String, [], ["kind"], "`request`, `denial`, `event` or `lost`";
    time: Time, [Opened "" "at", Denied "" "at", Event "" "at", Lost "" "at"], [], "When the first record was made, ms since 1970 UTC";
    ended: Time, [Closed "" "at"], [], "When the closing was made, ms since 1970 UTC";
    mono_ns: Option<i64>, [Opened "" "mono", Denied "" "mono", Event "" "mono", Lost "" "mono"], [], "Monotonic time of the first record, ns; comparable within one epoch";
    ended_mono_ns: Option<i64>, [Closed "" "mono"], [], "Monotonic time of the closing, ns";
    epoch: Option<i64>, [], [], "How often the log had been opened when the first record was made";
    id: String, [Opened "" "id", Closed "" "id", Denied "" "id"], ["id"], "Request id, as in `x-request-id`";
    key: String, [Opened "" "key", Denied "" "key"], ["key"], "Id of the virtual key";
    user: String, [Opened "" "user", Denied "" "user"], ["user"], "The user, if one is known";
    team: String, [Opened "" "team", Denied "" "team"], ["team"], "Team of the key";
    client: String, [Opened "" "client", Denied "" "client"], ["client"], "Address of the client";
    dialect: String, [Opened "" "dialect", Denied "" "dialect"], ["dialect"], "Dialect of the caller";
    endpoint: String, [Opened "" "endpoint", Denied "" "endpoint"], ["endpoint"], "Path or operation";
    asked: String, [Opened "" "asked", Denied "" "asked"], ["model", "asked"], "Model that the application asked for";
    first_provider: String, [Opened "" "provider"], ["provider"], "Provider chosen first";
    first_model: String, [Opened "" "model"], ["model"], "Model at the provider chosen first";
    provider: String, [Closed "" "provider"], ["provider"], "Provider that answered";
    model: String, [Closed "" "model"], ["model"], "Model that answered";
    first_location: String, [Opened "" "location"], [], "Where the provider chosen first is: `domestic`, `overseas` or `self_hosted`";
    location: String, [Closed "" "location"], [], "Where the provider that answered is";
    trace: String, [Opened "" "trace", Denied "" "trace"], ["trace"], "Id of the trace that the request belongs to";
    client_request_id: String, [Opened "" "client_request_id", Denied "" "client_request_id"], ["id"], "The client's own id of the request";
    attempts: Attempts, [Closed "" "attempts"], ["provider"], "Every upstream that was tried, in order: JSON array of `provider`, `model`, `fault`";
    stream: Option<bool>, [Opened "" "stream"], [], "Whether a stream was asked for";
    targets: Option<i64>, [Opened "" "targets"], [], "Targets that the request was cleared for";
    grade: String, [Opened "" "grade", Denied "" "grade"], ["grade"], "Grade of the request";
    verdict: String, [Opened "" "verdict", Denied "" "verdict"], ["verdict"], "`allow`, `redact`, `reroute` or `refuse`";
    policies: Vec<String>, [Opened "" "policies", Denied "" "policies"], ["policy"], "Policies that fired on the request";
    shadowed: Vec<String>, [Opened "" "shadowed", Denied "" "shadowed"], ["shadowed"], "Policies in shadow mode that would have";
    findings: Vec<Count>, [Opened "" "findings", Denied "" "findings"], ["type"], "What was found in the request: type and count, never values; type `…` counts the types beyond the longest list";
    redactions: Option<i64>, [Opened "" "redactions"], [], "Findings replaced in what went to the first target";
    media: Option<i64>, [Opened "" "media", Denied "" "media"], [], "Images, sound and files of the request";
    request_bytes: Option<i64>, [Opened "" "request_bytes", Denied "" "request_bytes"], [], "Bytes of the request's body";
    outcome: String, [Closed "" "outcome"], ["outcome"], "How a request ended; null if the log does not say";
    status: Option<i64>, [Closed "" "status", Denied "" "status"], ["status"], "HTTP status sent to the client, 0 if none was";
    code: String, [Closed "" "code", Denied "" "code"], ["code"], "Public error code";
    finish: String, [Closed "" "finish"], [], "The model's reason to stop";
    prompt_tokens: Option<i64>, [Closed "tokens" "prompt"], [], "Tokens of the prompt, cached ones included";
    completion_tokens: Option<i64>, [Closed "tokens" "completion"], [], "Tokens of the reply, reasoning included";
    cached_tokens: Option<i64>, [Closed "tokens" "cached"], [], "Prompt tokens read from the vendor's cache";
    reasoning_tokens: Option<i64>, [Closed "tokens" "reasoning"], [], "Tokens of reasoning";
    tokens_estimated: Option<bool>, [Closed "tokens" "estimated"], [], "Whether the tokens are our estimate";
    cost_nano: Option<i64>, [Closed "" "cost_nano"], [], "Cost in billionths of a unit of `currency`";
    currency: String, [Closed "" "currency"], ["currency"], "Currency of the cost";
    bytes_down: Option<i64>, [Closed "" "bytes_down"], [], "Body bytes sent to the client";
    events_down: Option<i64>, [Closed "" "events"], [], "Events sent to the client; 0 for a reply in one piece";
    stop_policies: Vec<String>, [Closed "" "policies"], ["policy"], "Policies that stopped the request after it was opened";
    gates_open: Vec<String>, [Closed "" "gates_open"], [], "Gates that did not answer and let the request pass";
    reply_findings: Vec<Count>, [Closed "" "reply_findings"], ["type"], "What was found in the reply: type and count, never values";
    reply_policies: Vec<String>, [Closed "" "reply_policies"], ["policy"], "Policies that fired on the reply";
    reply_shadowed: Vec<String>, [Closed "" "reply_shadowed"], ["shadowed"], "Policies in shadow mode that would have";
    restored: Option<i64>, [Closed "" "restored"], [], "Labels that were put back in the reply";
    first_byte_ms: Option<i64>, [Closed "" "first_byte_ms"], [], "From arrival to the first byte of the provider's reply, ms";
    first_content_ms: Option<i64>, [Closed "" "first_content_ms"], [], "From arrival to the first content, ms";
    total_ms: Option<i64>, [Closed "" "total_ms", Denied "" "total_ms"], [], "From arrival to the end, ms";
    what: String, [Event "" "what"], ["what"], "What an event is about";
    actor: String, [Event "" "actor"], ["actor"], "Who caused an event";
    origin: String, [Event "" "origin"], [], "Where the actor of an event sat: an address or a tool";
    config: String, [Opened "" "config", Denied "" "config", Event "" "config"], [], "Fingerprint of the config that a request was judged by, or in force after an event";
    config_before: String, [Event "" "before"], [], "Fingerprint of the config in force before an event";
    names: Vec<String>, [Event "" "names"], ["name"], "Names that an event is about: sections of a config, ids of keys";
    subject: String, [Event "" "subject"], ["subject"], "Pseudonym of the subject of payloads that an event is about";
    entry: Option<i64>, [Event "" "entry"], [], "Place of the record that an event is about";
    retired_below: Option<i64>, [Event "" "below"], [], "Records below this place may be gone since this event";
    count: Option<i64>, [Event "" "count"], [], "How many results, keys or attempts an event is about";
    clock_moved_ms: Option<i64>, [Event "" "by_ms"], [], "By how much the wall clock was set, ms";
    ticket: String, [Event "" "ticket"], [], "Name under which a tool left the event; events with one ticket are one";
    asked_at: Time, [Event "" "asked_at"], [], "When the tool left it, ms since 1970 UTC";
    detail: String, [Event "" "detail"], [], "A sentence about an event";
    reason: String, [Event "" "reason"], [], "The reason that the actor gave";
    fingerprint: String, [Opened "" "fingerprint", Denied "" "fingerprint"], ["fingerprint"], "Keyed hash of the request's body as it was received, hex";
    reply_fingerprint: String, [Closed "" "reply_fingerprint"], ["fingerprint"], "Keyed hash of the reply as it was sent, hex";
    request_body: Body, [Opened "" "request_body", Denied "" "request_body"], ["subject"], "Where the request's body is kept: JSON object";
    reply_body: Body, [Closed "" "reply_body"], ["subject"], "Where the reply is kept: JSON object";
    cache_write_tokens: Option<i64>, [Closed "tokens" "cache_write"], [], "Prompt tokens written to the vendor's cache";
    images: Option<i64>, [Closed "tokens" "images"], [], "Images that were made";
    audio_ms: Option<i64>, [Closed "tokens" "audio_ms"], [], "Sound that was read or made, ms";
    reserved_tokens: Option<i64>, [Opened "" "reserved_tokens"], [], "Tokens reserved of limits and budgets before the request went up";
    reserved_nano: Option<i64>, [Opened "" "reserved_nano"], [], "Money reserved of budgets, in billionths of a unit of their currency";
    extra: Json, [], [], "JSON object of all other fields of the records, as `record kind.field`";
}

impl Row {
    /// Adds what a record's payload says. False if it is not the JSON object that it should be.
    pub fn read(&mut self, kind: Kind, payload: &[u8]) -> bool {
        let mut json = serde_json::Deserializer::from_slice(payload);
        let fields = Fields {
            row: self,
            kind,
            outer: "",
        };
        json.deserialize_map(fields).is_ok() && json.end().is_ok()
    }

    /// One line of JSON, columns that are null left out; harmless on a terminal. With the line's end.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_json(&self, out: &mut dyn std::io::Write) -> std::io::Result<()> {
        let mut json = serde_json::Serializer::with_formatter(&mut *out, Inert);
        self.serialize(&mut json)?;
        out.write_all(b"\n")
    }
}

/// Reads the fields of a payload, or of an object in it, into a row.
struct Fields<'r> {
    row: &'r mut Row,
    kind: Kind,
    outer: &'r str,
}

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(field) = map.next_key::<Cow<'de, str>>()? {
            if self.row.take(self.kind, self.outer, &field, &mut map)? {
                continue;
            }
            if self.kind == Kind::Closed && field == "opening" {
                // It is what the two records of the row were joined by.
                map.next_value::<serde::de::IgnoredAny>()?;
                continue;
            }
            if self.outer.is_empty() && NESTED.contains(&&*field) {
                map.next_value_seed(Fields {
                    row: &mut *self.row,
                    kind: self.kind,
                    outer: &field,
                })?;
                continue;
            }
            let name = [self.kind.name(), self.outer, &field];
            let value: &serde_json::value::RawValue = map.next_value()?;
            self.row.extra.add(&name, value).map_err(A::Error::custom)?;
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Fields<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (column, value) in COLUMNS.iter().zip(self.values()) {
            if value != Value::Null {
                map.serialize_entry(column.name, &value)?;
            }
        }
        map.end()
    }
}
