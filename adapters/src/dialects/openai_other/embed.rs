//! `POST /v1/embeddings`.

use bytes::Bytes;
use wire::canon::{Raw, Str};
use wire::facts::Usage;
use wire::json::{Type, Value};
use wire::operation::{Embed, Input, Purpose, Vector};
use wire::{Fault, Rope};

use crate::dialect::ReplyHead;
use crate::dialects::openai_chat::request::bad;
use crate::operation::{Body, vectors};

/// Inputs of one request.
const INPUTS_MAX: usize = 2048;
/// Numbers in a vector: no model has more.
const DIMENSIONS_MAX: u64 = 65_536;
/// Token ids are below this in every model; what is above is something else than a token.
const TOKEN_MAX: u64 = 1 << 22;
/// Bytes of an end user's id.
const USER_BYTES_MAX: usize = 512;

/// Reads the request.
pub(super) fn read(body: &Bytes, root: Value<'_>) -> Result<Embed, Fault> {
    let mut embed = Embed::default();
    let mut said = false;
    for (key, value) in root.members() {
        match &*key.text_bytes() {
            b"input" => {
                embed.inputs = inputs(body, value)?;
                said = true;
            }
            b"dimensions" if !value.is_null() => embed.dimensions = Some(dimensions(value)?),
            b"encoding_format" if !value.is_null() => embed.base64 = is_base64(value)?,
            b"user" if !value.is_null() => embed.user = Some(user(body, value)?),
            b"input_type" if !value.is_null() => embed.purpose = Some(purpose(value)?),
            _ => {}
        }
    }
    if said {
        Ok(embed)
    } else {
        Err(bad("'input' is required.").param("input"))
    }
}

fn inputs(body: &Bytes, value: Value<'_>) -> Result<Vec<Input>, Fault> {
    let odd = || {
        bad("input must be a string, a list of strings, a list of token ids, or a list of such lists.")
            .param("input")
    };
    let text = |value: Value<'_>| {
        let text = Str::of(body, value).filter(|text| !text.is_empty());
        let text = text.ok_or_else(|| bad("input must not hold an empty string.").param("input"));
        text.map(Input::Text)
    };
    let tokens = |value: Value<'_>| {
        let is_id = |id: Value<'_>| id.as_u64().is_some_and(|id| id < TOKEN_MAX);
        let ids = value.elements().all(is_id);
        (ids && value.elements().next().is_some()).then(|| Input::Tokens(Raw::of(body, value)))
    };
    if value.kind() == Type::String {
        return Ok(vec![text(value)?]);
    }
    let first = value.elements().next().ok_or_else(odd)?.kind();
    if first == Type::Number {
        return Ok(vec![tokens(value).ok_or_else(odd)?]);
    }
    let mut inputs = Vec::new();
    for element in value.elements() {
        if inputs.len() == INPUTS_MAX {
            let told = format!("input holds more than {INPUTS_MAX} texts.");
            return Err(Fault::new(wire::Kind::BadRequest)
                .message(told)
                .param("input"));
        }
        inputs.push(match (first, element.kind()) {
            (Type::String, Type::String) => text(element)?,
            (Type::Array, Type::Array) => tokens(element).ok_or_else(odd)?,
            _ => return Err(odd()),
        });
    }
    Ok(inputs)
}

fn dimensions(value: Value<'_>) -> Result<u64, Fault> {
    let number = value
        .as_u64()
        .filter(|number| (1..=DIMENSIONS_MAX).contains(number));
    number.ok_or_else(|| bad("dimensions must be a positive integer.").param("dimensions"))
}

fn is_base64(value: Value<'_>) -> Result<bool, Fault> {
    match value.as_str().as_deref() {
        Some("base64") => Ok(true),
        Some("float") => Ok(false),
        _ => Err(bad("encoding_format must be float or base64.").param("encoding_format")),
    }
}

fn user(body: &Bytes, value: Value<'_>) -> Result<Str, Fault> {
    let user = Str::of(body, value).filter(|user| user.bytes().len() <= USER_BYTES_MAX);
    user.ok_or_else(|| bad("user must be a short string.").param("user"))
}

/// What several vendors of vectors call it: the dialect itself has no word.
fn purpose(value: Value<'_>) -> Result<Purpose, Fault> {
    Ok(match value.as_str().as_deref() {
        Some("query" | "search_query") => Purpose::Query,
        Some("document" | "passage" | "search_document") => Purpose::Document,
        Some("classification") => Purpose::Classification,
        Some("clustering") => Purpose::Clustering,
        Some("similarity") => Purpose::Similarity,
        _ => {
            return Err(bad(
                "input_type must be query, document, similarity, classification or clustering.",
            )
            .param("input_type"));
        }
    })
}

/// Writes the reply.
pub(super) fn write(
    embed: &Embed,
    list: &[Vector],
    usage: Option<Usage>,
    head: &ReplyHead,
) -> Result<Rope, Fault> {
    let mut body = Body::new();
    body.name("object").raw("\"list\"").name("data");
    let mut between = "[";
    for (index, vector) in list.iter().enumerate() {
        body.raw(between)
            .raw("{\"object\":\"embedding\",\"index\":");
        body.raw(&index.to_string()).raw(",\"embedding\":");
        body.splice(&vectors::written(vector, embed.base64)?)
            .raw("}");
        between = ",";
    }
    body.raw("]").name("model").string(&head.model);
    let tokens = usage.map_or(0, |usage| usage.prompt);
    body.name("usage").open();
    body.name("prompt_tokens").raw(&tokens.to_string());
    body.name("total_tokens").raw(&tokens.to_string()).close();
    Ok(body.end())
}
