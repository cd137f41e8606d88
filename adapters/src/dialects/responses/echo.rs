//! The members of a response that repeat its request: what the client asked for, in its own bytes, with the dialect's
//! defaults where it said nothing. Written once for all the responses of a stream.

use bytes::Bytes;
use wire::canon::Raw;
use wire::facts::RequestFacts;
use wire::json::{Type, Value};

use crate::weave::Weave;

/// Members that a response repeats, and what stands there if the request has none.
const MEMBERS: [(&str, &str); 14] = [
    ("instructions", "null"),
    ("max_output_tokens", "null"),
    ("max_tool_calls", "null"),
    ("metadata", "{}"),
    ("parallel_tool_calls", "true"),
    ("prompt_cache_key", "null"),
    ("safety_identifier", "null"),
    ("temperature", "1.0"),
    ("tool_choice", "\"auto\""),
    ("tools", "[]"),
    ("top_logprobs", "0"),
    ("top_p", "1.0"),
    ("truncation", "\"disabled\""),
    ("user", "null"),
];

/// The members, each with a comma before it, of a request.
pub(super) fn of_request(body: &Bytes, facts: &RequestFacts) -> Bytes {
    write(Value::root(&facts.tape, body).map(|root| (body, root)))
}

/// The same of a request of which nothing is known.
pub(super) fn of_none() -> Bytes {
    write(None)
}

fn write(request: Option<(&Bytes, Value<'_>)>) -> Bytes {
    let mut weave = Weave::new();
    let given = |name: &str| {
        let (body, root) = request?;
        Some(Raw::of(
            body,
            root.get(name).filter(|value| !value.is_null())?,
        ))
    };
    for (name, default) in MEMBERS {
        weave.lit(",\"");
        weave.lit(name);
        weave.lit("\":");
        match given(name) {
            Some(raw) => weave.raw(&raw),
            None => weave.lit(default),
        }
    }
    let of = |outer: &str, inner: &str| {
        let (body, root) = request?;
        let value = root.get(outer)?.get(inner)?;
        let fits = matches!(value.kind(), Type::String | Type::Object);
        fits.then(|| Raw::of(body, value))
    };
    let mut member = |name: &str, raw: Option<Raw>, default: &str| {
        weave.lit(name);
        match raw {
            Some(raw) => weave.raw(&raw),
            None => weave.lit(default),
        }
    };
    member(
        ",\"reasoning\":{\"effort\":",
        of("reasoning", "effort"),
        "null",
    );
    member(",\"summary\":", of("reasoning", "summary"), "null");
    member(
        "},\"text\":{\"format\":",
        of("text", "format"),
        "{\"type\":\"text\"}",
    );
    weave.lit("},\"background\":false,\"previous_response_id\":null,\"store\":false");
    weave.take().into_bytes()
}
