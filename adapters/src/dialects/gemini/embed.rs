//! `embedContent` and `batchEmbedContents`: vectors of contents, one or many.
//!
//! A content is one text: its parts, each on a line of its own. Settings stand beside each content; a request in which they
//! differ is refused, since nobody else has them so.

use bytes::Bytes;
use wire::canon::{Lost, Str};
use wire::facts::{RequestFacts, Usage};
use wire::json::{self, Type, Value};
use wire::operation::{Embed, Input, Purpose, Vector};
use wire::{Fault, Kind, Rope};

use super::names::{get, is, object, once};
use crate::dialects::openai_chat::request::{bad, check_key};
use crate::operation::{Body, vectors};
use crate::places::Asked;

/// Members that decide what is asked for.
const GOVERNED: &[&str] = &[
    "model",
    "requests",
    "content",
    "taskType",
    "title",
    "outputDimensionality",
];
/// Contents of one request.
const REQUESTS_MAX: usize = 2048;
/// Parts of one content.
const PARTS_MAX: usize = 4096;
/// Numbers in a vector: no model has more.
const DIMENSIONS_MAX: u64 = 65_536;

/// How the path of one content ends.
const ALONE: &str = ":embedContent";

/// Lens over a request: all of it is read, so that what it lacks is told before anything is decided.
///
/// # Errors
/// `BadRequest` with the field's name.
pub(super) fn see(body: &Bytes, tape: json::Tape, asked: &Asked) -> Result<RequestFacts, Fault> {
    {
        let root = Value::root(&tape, body).filter(|root| root.kind() == Type::Object);
        let root = root.ok_or_else(|| bad("The request body must be a JSON object."))?;
        for (key, _) in root.members() {
            check_key(&key.text_bytes(), &[])?;
        }
        read(body, root, asked)?;
    }
    Ok(RequestFacts {
        tape,
        model: asked.model.to_string(),
        // Nothing is generated.
        max_tokens: Some(0),
        // Nothing may stand before what is answered.
        structured: true,
        ..RequestFacts::default()
    })
}

/// Reads the request.
///
/// # Errors
/// `BadRequest` with the field's name.
pub(super) fn read(body: &Bytes, root: Value<'_>, asked: &Asked) -> Result<Embed, Fault> {
    let mut embed = Embed {
        alone: asked.endpoint.path.ends_with(ALONE),
        ..Embed::default()
    };
    if embed.alone {
        one(body, root, &mut embed)?;
        return Ok(embed);
    }
    once(root, GOVERNED)?;
    let requests = get(root, "requests").filter(|all| all.kind() == Type::Array);
    let requests = requests.ok_or_else(|| bad("'requests' must be an array.").param("requests"))?;
    for (at, request) in requests.elements().enumerate() {
        if at == REQUESTS_MAX {
            return Err(bad("'requests' holds more than 2048 contents.").param("requests"));
        }
        let settings = (embed.dimensions, embed.purpose);
        one(body, request, &mut embed)?;
        if at > 0 && settings != (embed.dimensions, embed.purpose) {
            return Err(
                bad("All of 'requests' must ask for the same kind of vector.").param("requests"),
            );
        }
    }
    if embed.inputs.is_empty() {
        return Err(bad("'requests' must not be empty.").param("requests"));
    }
    Ok(embed)
}

/// One content with its settings.
fn one(body: &Bytes, request: Value<'_>, embed: &mut Embed) -> Result<(), Fault> {
    if request.kind() != Type::Object {
        return Err(bad("A request must be an object.").param("requests"));
    }
    once(request, GOVERNED)?;
    embed.dimensions = match get(request, "outputDimensionality") {
        None => None,
        Some(number) => {
            let number = number.as_u64();
            let number = number.filter(|number| (1..=DIMENSIONS_MAX).contains(number));
            let odd = || bad("'outputDimensionality' must be a positive integer.");
            Some(number.ok_or_else(|| odd().param("outputDimensionality"))?)
        }
    };
    embed.purpose = match get(request, "taskType") {
        None => None,
        Some(kind) => purpose(kind)?,
    };
    for (key, value) in request.members() {
        let known = GOVERNED
            .iter()
            .any(|name| is(key, name) && *name != "title");
        if !known && !value.is_null() {
            let name = if is(key, "title") {
                "title"
            } else {
                "unknown_fields"
            };
            let lost = Lost {
                name,
                meaning: false,
            };
            if !embed.lost.contains(&lost) {
                embed.lost.push(lost);
            }
        }
    }
    embed.inputs.push(Input::Text(text(body, request)?));
    Ok(())
}

/// The text of a content.
fn text(body: &Bytes, request: Value<'_>) -> Result<Str, Fault> {
    let wrong = |told: &'static str| bad(told).param("content");
    let content = object(request, "content").ok_or_else(|| wrong("'content' is required."))?;
    let parts = get(content, "parts").filter(|parts| parts.kind() == Type::Array);
    let parts = parts.ok_or_else(|| wrong("A content must be an object with parts."))?;
    let mut texts = Vec::new();
    for part in parts.elements() {
        let text = get(part, "text").and_then(|text| Str::of(body, text));
        texts.push(text.ok_or_else(|| wrong("Only texts can be embedded here."))?);
        if texts.len() > PARTS_MAX {
            return Err(wrong("A content holds more than 4096 parts."));
        }
    }
    let whole = match texts.len() {
        1 => texts.pop().unwrap_or_default(),
        _ => {
            let all: Vec<&[u8]> = texts.iter().map(|text| &text.bytes()[..]).collect();
            Str::from_raw(all.join(&b"\\n"[..]))
        }
    };
    if whole.is_empty() {
        return Err(wrong("A content must not be empty."));
    }
    Ok(whole)
}

fn purpose(kind: Value<'_>) -> Result<Option<Purpose>, Fault> {
    Ok(Some(match kind.as_str().as_deref() {
        Some("TASK_TYPE_UNSPECIFIED") => return Ok(None),
        Some(
            "RETRIEVAL_QUERY" | "QUESTION_ANSWERING" | "FACT_VERIFICATION" | "CODE_RETRIEVAL_QUERY",
        ) => Purpose::Query,
        Some("RETRIEVAL_DOCUMENT") => Purpose::Document,
        Some("SEMANTIC_SIMILARITY") => Purpose::Similarity,
        Some("CLASSIFICATION") => Purpose::Classification,
        Some("CLUSTERING") => Purpose::Clustering,
        _ => return Err(bad("'taskType' is none that is known.").param("taskType")),
    }))
}

/// The word of a purpose.
pub(crate) fn task(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Query => "RETRIEVAL_QUERY",
        Purpose::Document => "RETRIEVAL_DOCUMENT",
        Purpose::Similarity => "SEMANTIC_SIMILARITY",
        Purpose::Classification => "CLASSIFICATION",
        Purpose::Clustering => "CLUSTERING",
    }
}

/// Writes the reply.
///
/// # Errors
/// `Malformed` for vectors that are none.
pub(super) fn write(embed: &Embed, list: &[Vector], usage: Option<Usage>) -> Result<Rope, Fault> {
    let mut body = Body::new();
    let vector = |body: &mut Body, vector: &Vector| -> Result<(), Fault> {
        body.raw("{\"values\":");
        body.splice(&vectors::written(vector, false)?).raw("}");
        Ok(())
    };
    if embed.alone {
        let [only] = list else {
            return Err(Kind::Bug.into());
        };
        body.name("embedding");
        vector(&mut body, only)?;
    } else {
        body.name("embeddings");
        let mut between = "[";
        for one in list {
            body.raw(between);
            vector(&mut body, one)?;
            between = ",";
        }
        body.raw("]");
    }
    if let Some(usage) = usage {
        let tokens = usage.prompt.to_string();
        body.name("usageMetadata").open();
        body.name("promptTokenCount").raw(&tokens);
        body.name("totalTokenCount").raw(&tokens).close();
    }
    Ok(body.end())
}
