//! DashScope's native text services: texts in `input`, settings in `parameters`, results in `output`.

use bytes::Bytes;
use wire::json::{Type, Value};
use wire::operation::{Done, Reply, Work};
use wire::{Fault, Rope};

use super::cohere::{self, ranks};
use super::openai::{is_query, texts, vector};
use super::{Body, Form, in_order, index, odd, usage};

/// Vectors.
pub(crate) static DASHSCOPE_VECTORS: Vectors = Vectors;
/// Orders.
pub(crate) static DASHSCOPE_RANKS: Ranks = Ranks;

/// Vectors.
pub(crate) struct Vectors;

impl Form for Vectors {
    fn lacks(&self) -> &'static [&'static str] {
        &["user"]
    }

    fn write(&self, work: &Work, model: &str) -> Result<Rope, Fault> {
        let Work::Embed(embed) = work else {
            return Err(odd());
        };
        let mut body = Body::new();
        body.name("model").string(model);
        body.name("input").open().name("texts");
        body.texts(texts(embed)?).close();
        let kind = if is_query(embed) { "query" } else { "document" };
        body.name("parameters").open();
        body.name("text_type").string(kind);
        if let Some(dimensions) = embed.dimensions {
            body.name("dimension").raw(&dimensions.to_string());
        }
        body.close();
        Ok(body.end())
    }

    fn read(&self, _: &Work, body: &Bytes, root: Value<'_>) -> Option<Reply> {
        let list = root.get("output")?.get("embeddings")?;
        let mut vectors = Vec::new();
        for (place, element) in list.elements().enumerate() {
            let vector = vector(body, element.get("embedding")?)?;
            vectors.push((index(element, "text_index", place), vector));
        }
        Some(Reply {
            done: Done::Embedded(in_order(vectors)?),
            usage: usage(root),
        })
    }
}

/// Orders.
pub(crate) struct Ranks;

impl Form for Ranks {
    fn lacks(&self) -> &'static [&'static str] {
        &["max_tokens_per_doc"]
    }

    fn write(&self, work: &Work, model: &str) -> Result<Rope, Fault> {
        let Work::Rerank(rerank) = work else {
            return Err(odd());
        };
        let mut body = Body::new();
        body.name("model").string(model);
        body.name("input").open();
        body.name("query").text(&rerank.query);
        body.name("documents").texts(&rerank.documents).close();
        body.name("parameters").open();
        cohere::top(rerank, &mut body);
        // Our own list has the documents.
        body.name("return_documents").raw("false");
        if let Some(instruct) = &rerank.instruct {
            body.name("instruct").text(instruct);
        }
        body.close();
        Ok(body.end())
    }

    fn read(&self, _: &Work, body: &Bytes, root: Value<'_>) -> Option<Reply> {
        let list = root.get("output")?.get("results")?;
        let list = Some(list).filter(|list| list.kind() == Type::Array)?;
        Some(Reply {
            done: Done::Ranked(ranks(body, list)?),
            usage: usage(root),
        })
    }
}
