//! Lens over a request of an endpoint beside chat: what governs it, checked as strictly as chat is.

use bytes::Bytes;
use wire::Fault;
use wire::facts::RequestFacts;
use wire::json::{self, Type, Value};

use super::work;
use crate::dialects::openai_chat::request::{bad, check_key, flag, model_name};
use crate::places::Asks;

/// Images of one request.
const IMAGES_MAX: u64 = 10;

/// Keys that decide where a request goes, what it may cost and what is inspected.
const GOVERNED: &[&str] = &[
    "model",
    "input",
    "query",
    "documents",
    "prompt",
    "instructions",
    "stream",
    "stream_format",
    "n",
    "dimensions",
    "encoding_format",
    "top_n",
    "top_k",
    "return_documents",
];

/// Reads a request, all of it: what it lacks is told here, before anything is decided.
///
/// # Errors
/// `BadRequest` with the field's name.
pub(crate) fn read(asks: Asks, body: &Bytes, tape: json::Tape) -> Result<RequestFacts, Fault> {
    let seen = {
        let root = Value::root(&tape, body).filter(|root| root.kind() == Type::Object);
        let root = root.ok_or_else(|| bad("The request body must be a JSON object."))?;
        let seen = see(asks, root)?;
        check(asks, body, root)?;
        seen
    };
    let (model, model_span) = seen
        .model
        .ok_or_else(|| bad("'model' is required.").param("model"))?;
    Ok(RequestFacts {
        tape,
        model,
        model_span,
        stream: seen.stream,
        // What it used is told at the end of any stream, and nobody takes it out.
        usage_asked: true,
        // Of texts alone nothing is generated.
        max_tokens: asks.is_work().then_some(0),
        choices: seen.choices,
        // Nothing may stand before what is answered.
        structured: true,
        ..RequestFacts::default()
    })
}

#[derive(Default)]
struct Seen {
    model: Option<(String, std::ops::Range<usize>)>,
    stream: bool,
    choices: u32,
}

fn see(asks: Asks, root: Value<'_>) -> Result<Seen, Fault> {
    let mut seen = Seen {
        choices: 1,
        ..Seen::default()
    };
    for (key, value) in root.members() {
        let name = key.text_bytes();
        check_key(&name, GOVERNED)?;
        match &*name {
            b"model" => seen.model = Some((model_name(value)?, value.span())),
            // A form has words in the place of everything.
            b"stream" if asks.is_form() => seen.stream = value.is_named("true"),
            b"stream" => seen.stream |= flag(value, "stream")?,
            b"stream_format" => seen.stream |= asks == Asks::Speak && value.is_named("sse"),
            b"n" if asks == Asks::Image => seen.choices = images(value)?,
            _ => {}
        }
    }
    if seen.stream && asks.is_work() {
        return Err(bad("This is answered in one piece.").param("stream"));
    }
    Ok(seen)
}

/// How many images are wanted.
fn images(value: Value<'_>) -> Result<u32, Fault> {
    if value.is_null() {
        return Ok(1);
    }
    let count = value
        .as_u64()
        .filter(|count| (1..=IMAGES_MAX).contains(count));
    let count = count.and_then(|count| u32::try_from(count).ok());
    count.ok_or_else(|| bad("n must be a whole number from 1 to 10.").param("n"))
}

/// What the request must have.
fn check(asks: Asks, body: &Bytes, root: Value<'_>) -> Result<(), Fault> {
    let text = |name: &'static str| match root.get(name) {
        Some(value) if value.has_text() => Ok(()),
        _ => Err(bad("A text is required and must not be empty.").param(name)),
    };
    match asks {
        Asks::Image => text("prompt"),
        Asks::Speak => text("input"),
        asks if asks.is_work() => work(asks, body, root).map(|_| ()),
        _ => Ok(()),
    }
}
