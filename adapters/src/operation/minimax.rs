//! Vectors as texts of a type: `texts` and `type` in, a bare list of lists out, in order.

use bytes::Bytes;
use wire::json::{Type, Value};
use wire::operation::{Done, Reply, Work};
use wire::{Fault, Rope};

use super::openai::{is_query, texts, vector};
use super::{Body, Form, odd, usage};

/// Vectors.
pub(crate) static MINIMAX_VECTORS: Vectors = Vectors;

/// Vectors.
pub(crate) struct Vectors;

impl Form for Vectors {
    fn lacks(&self) -> &'static [&'static str] {
        &["dimensions", "user"]
    }

    fn write(&self, work: &Work, model: &str) -> Result<Rope, Fault> {
        let Work::Embed(embed) = work else {
            return Err(odd());
        };
        let mut body = Body::new();
        body.name("model").string(model);
        body.name("texts").texts(texts(embed)?);
        let kind = if is_query(embed) { "query" } else { "db" };
        body.name("type").string(kind);
        Ok(body.end())
    }

    fn read(&self, _: &Work, body: &Bytes, root: Value<'_>) -> Option<Reply> {
        let list = root
            .get("vectors")
            .filter(|list| list.kind() == Type::Array)?;
        let vectors = list.elements().map(|one| vector(body, one));
        Some(Reply {
            done: Done::Embedded(vectors.collect::<Option<_>>()?),
            usage: usage(root),
        })
    }
}
