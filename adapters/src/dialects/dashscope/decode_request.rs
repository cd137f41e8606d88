//! Reads a native request to canonical form. Text stays in slices of the body.
//!
//! A message is one of chat completions but for its parts, which are named by their only key. Settings that it does not
//! know are kept as they stood.

use bytes::Bytes;
use wire::canon::{Blob, Part, Raw, Request, Role, Str, Turn};
use wire::facts::RequestFacts;
use wire::json::Value;
use wire::{Fault, Kind};

use crate::dialects::openai_chat::decode_request::{choice, setting, tools, turn};

/// Reads the request.
///
/// # Errors
/// `BadRequest` with the field's name.
pub(super) fn decode(body: &Bytes, facts: &RequestFacts) -> Result<Request, Fault> {
    let root = Value::root(&facts.tape, body);
    let root = root.ok_or_else(|| Fault::new(Kind::Bug).detail("a request without a root"))?;
    let mut request = Request {
        stream: facts.stream,
        ..Request::default()
    };
    request.settings.max_tokens = facts.max_tokens;
    request.settings.choices = (facts.choices > 1).then_some(facts.choices);
    // The vendor's own default (`vendors/tongyi.md`, section 2).
    request.parallel = facts.tools.then_some(false);
    for (key, value) in root.members() {
        let name = key.as_str().unwrap_or_default();
        match &*name {
            "model" => {}
            "input" => input(body, value, &mut request)?,
            "parameters" => {
                for (key, value) in value.members().filter(|row| !row.1.is_null()) {
                    parameter(body, key, value, &mut request)?;
                }
            }
            _ => extra(body, key, value, &mut request),
        }
    }
    Ok(request)
}

fn input(body: &Bytes, input: Value<'_>, request: &mut Request) -> Result<(), Fault> {
    for (key, value) in input.members().filter(|row| !row.1.is_null()) {
        let name = key.as_str().unwrap_or_default();
        match &*name {
            "messages" => {
                for (at, message) in value.elements().enumerate() {
                    request.turns.push(turn(body, message, at, part)?);
                }
            }
            "prompt" => {
                let mut turn = Turn::new(Role::User);
                turn.parts.extend(Str::of(body, value).map(Part::Text));
                request.turns.push(turn);
            }
            _ => extra(body, key, value, request),
        }
    }
    Ok(())
}

fn parameter(
    body: &Bytes,
    key: Value<'_>,
    value: Value<'_>,
    request: &mut Request,
) -> Result<(), Fault> {
    let name = key.as_str().unwrap_or_default();
    match &*name {
        "max_tokens" | "n" | "result_format" | "incremental_output" => {}
        "tools" => request.tools.append(&mut tools(body, value)?),
        "tool_choice" => request.tool_choice = Some(choice(body, value)),
        "parallel_tool_calls" => request.parallel = value.as_bool(),
        _ => {
            if !setting(body, &name, value, &mut request.settings)? {
                extra(body, key, value, request);
            }
        }
    }
    Ok(())
}

fn extra(body: &Bytes, key: Value<'_>, value: Value<'_>, request: &mut Request) {
    let name = Str::of(body, key).unwrap_or_default();
    request.extra.push((name, Raw::of(body, value)));
}

/// A part, by its only key.
fn part(body: &Bytes, value: Value<'_>) -> Part {
    let text = |name: &str| value.get(name).and_then(|one| Str::of(body, one));
    let known = text("text").map(Part::Text).or_else(|| {
        let at = Blob::of_url(text("image")?);
        Some(Part::Image { at, detail: None })
    });
    let known = known.or_else(|| match Blob::of_url(text("audio")?) {
        Blob::Inline { kind, data } => {
            let format = kind.bytes().strip_prefix(b"audio/")?.len();
            let kind = kind.bytes();
            let format = Str::from_raw(kind.slice(kind.len() - format..));
            Some(Part::Audio { data, format })
        }
        Blob::Url(_) => None,
    });
    known.unwrap_or_else(|| Part::Other(Raw::of(body, value)))
}
