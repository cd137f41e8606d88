//! `POST /v1/rerank`, the convention of Cohere and Jina: the union of what they ask is taken, one shape is answered.

use bytes::Bytes;
use wire::canon::Str;
use wire::facts::Usage;
use wire::json::{Type, Value};
use wire::operation::{Rank, Rerank};
use wire::{Fault, Rope};

use crate::dialect::ReplyHead;
use crate::dialects::openai_chat::request::bad;
use crate::operation::Body;

/// Documents of one request.
const DOCUMENTS_MAX: usize = 10_000;

/// Reads the request.
pub(super) fn read(body: &Bytes, root: Value<'_>) -> Result<Rerank, Fault> {
    let mut rerank = Rerank::default();
    for (key, value) in root.members() {
        if value.is_null() {
            continue;
        }
        match &*key.text_bytes() {
            b"query" => rerank.query = query(body, value)?,
            b"documents" => rerank.documents = documents(body, value)?,
            b"top_n" => rerank.top = Some(count(value, "top_n")?),
            b"top_k" => rerank.top = rerank.top.or(Some(count(value, "top_k")?)),
            b"return_documents" => {
                rerank.echo = value.as_bool().ok_or_else(|| {
                    bad("return_documents must be true or false.").param("return_documents")
                })?;
            }
            b"max_tokens_per_doc" => {
                rerank.tokens_max = Some(count(value, "max_tokens_per_doc")? as u64);
            }
            b"instruct" | b"instruction" => {
                let text = Str::of(body, value);
                let text = text.ok_or_else(|| bad("instruct must be a string.").param("instruct"));
                rerank.instruct = Some(text?);
            }
            _ => {}
        }
    }
    if rerank.query.is_empty() {
        return Err(bad("'query' is required and must not be empty.").param("query"));
    }
    if rerank.documents.is_empty() {
        return Err(bad("'documents' is required and must not be empty.").param("documents"));
    }
    // None at all is how one runtime says all.
    rerank.top = rerank.top.filter(|top| *top > 0);
    Ok(rerank)
}

fn query(body: &Bytes, value: Value<'_>) -> Result<Str, Fault> {
    Str::of(body, value).ok_or_else(|| bad("query must be a string.").param("query"))
}

/// Strings, or objects that hold a text and nothing else.
fn documents(body: &Bytes, value: Value<'_>) -> Result<Vec<Str>, Fault> {
    let odd = || {
        bad("documents must be a list of strings, or of objects with a text.").param("documents")
    };
    if value.kind() != Type::Array {
        return Err(odd());
    }
    let mut documents = Vec::new();
    for element in value.elements() {
        if documents.len() == DOCUMENTS_MAX {
            let told = format!("documents holds more than {DOCUMENTS_MAX} texts.");
            return Err(Fault::new(wire::Kind::BadRequest)
                .message(told)
                .param("documents"));
        }
        let text = match element.kind() {
            Type::String => Some(element),
            Type::Object if element.members().count() == 1 => element.get("text"),
            _ => None,
        };
        documents.push(text.and_then(|text| Str::of(body, text)).ok_or_else(odd)?);
    }
    Ok(documents)
}

fn count(value: Value<'_>, name: &'static str) -> Result<usize, Fault> {
    let count = value.as_u64().and_then(|count| usize::try_from(count).ok());
    count.ok_or_else(|| bad("A count must be a whole number, 0 or more.").param(name))
}

/// Writes the reply: the best first, documents from the client's own list.
pub(super) fn write(
    rerank: &Rerank,
    ranks: &[Rank],
    usage: Option<Usage>,
    head: &ReplyHead,
) -> Rope {
    let score = |rank: &Rank| rank.score.number().unwrap_or(f64::MIN);
    let mut sorted: Vec<&Rank> = ranks.iter().collect();
    sorted.sort_by(|one, other| {
        score(other)
            .total_cmp(&score(one))
            .then(one.index.cmp(&other.index))
    });
    sorted.truncate(rerank.top.unwrap_or(usize::MAX));
    let mut body = Body::new();
    body.name("id").string(&format!("rr-{}", head.request_id));
    body.name("model").string(&head.model);
    body.name("results");
    let mut between = "[";
    for rank in sorted {
        body.raw(between)
            .raw("{\"index\":")
            .raw(&rank.index.to_string());
        body.raw(",\"relevance_score\":").splice(rank.score.bytes());
        if let Some(document) = rerank.documents.get(rank.index).filter(|_| rerank.echo) {
            body.raw(",\"document\":{\"text\":").text(document).raw("}");
        }
        body.raw("}");
        between = ",";
    }
    body.raw("]");
    let usage = usage.unwrap_or_default();
    let (prompt, total) = (usage.prompt, usage.prompt.saturating_add(usage.completion));
    body.name("usage").open();
    body.name("prompt_tokens").raw(&prompt.to_string());
    body.name("total_tokens").raw(&total.to_string()).close();
    body.name("meta").open().name("tokens").open();
    body.name("input_tokens").raw(&prompt.to_string());
    body.name("output_tokens")
        .raw(&usage.completion.to_string());
    body.close().close();
    body.end()
}
