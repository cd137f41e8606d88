//! Lens over a request of an endpoint beside chat: what governs it, checked as strictly as chat is.

use bytes::Bytes;
use wire::facts::RequestFacts;
use wire::json::{self, Type, Value};
use wire::{Fault, Kind};

use super::work;
use crate::dialects::openai_chat::request::{bad, check_key, flag, model_name};
use crate::places::Asks;

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
    let (mut model, mut stream) = (None, false);
    {
        let root = Value::root(&tape, body).filter(|root| root.kind() == Type::Object);
        let root = root.ok_or_else(|| bad("The request body must be a JSON object."))?;
        for (key, value) in root.members() {
            let name = key.text_bytes();
            check_key(&name, GOVERNED)?;
            match &*name {
                b"model" => model = Some((model_name(value)?, value.span())),
                b"stream" => stream = flag(value, "stream")?,
                _ => {}
            }
        }
        if stream {
            return Err(bad("This is answered in one piece.").param("stream"));
        }
        work(asks, body, root)?;
    }
    let (model, model_span) = model.ok_or_else(|| {
        Fault::new(Kind::BadRequest)
            .message("'model' is required.")
            .param("model")
    })?;
    Ok(RequestFacts {
        tape,
        model,
        model_span,
        stream,
        usage_asked: false,
        // Nothing is generated.
        max_tokens: Some(0),
        choices: 1,
        turns: 0,
        tools: false,
        // Nothing may stand before what is answered.
        structured: true,
        logprobs: false,
        thoughts: false,
    })
}
