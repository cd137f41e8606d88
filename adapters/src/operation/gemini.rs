//! Vectors as Gemini makes them: a list of requests, each with its own settings.

use bytes::Bytes;
use wire::canon::Raw;
use wire::json::{Type, Value};
use wire::operation::{Done, Input, Reply, Vector, Work};
use wire::{Fault, Kind, Rope};

use super::{Body, Form, odd};
use crate::dialects::gemini::{resource, task, usage_of};

/// The form.
pub(crate) struct GeminiVectors;

/// The one there is.
pub(crate) static GEMINI_VECTORS: GeminiVectors = GeminiVectors;

impl Form for GeminiVectors {
    fn lacks(&self) -> &'static [&'static str] {
        &["user"]
    }

    fn write(&self, work: &Work, model: &str) -> Result<Rope, Fault> {
        let Work::Embed(embed) = work else {
            return Err(odd());
        };
        let mut body = Body::new();
        body.name("requests");
        let mut between = "[";
        for input in &embed.inputs {
            let Input::Text(text) = input else {
                return Err(Fault::new(Kind::BadRequest)
                    .param("input")
                    .message("The provider of this model takes texts, not token ids."));
            };
            body.raw(between)
                .raw("{\"model\":")
                .string(&resource(model));
            body.raw(",\"content\":{\"parts\":[{\"text\":")
                .text(text)
                .raw("}]}");
            if let Some(purpose) = embed.purpose {
                body.raw(",\"taskType\":").string(task(purpose));
            }
            if let Some(dimensions) = embed.dimensions {
                body.raw(",\"outputDimensionality\":")
                    .raw(&dimensions.to_string());
            }
            body.raw("}");
            between = ",";
        }
        body.raw("]");
        Ok(body.end())
    }

    fn read(&self, _: &Work, body: &Bytes, root: Value<'_>) -> Option<Reply> {
        let list = root.get("embeddings")?;
        let vector = |one: Value<'_>| {
            let values = one.get("values").filter(|one| one.kind() == Type::Array)?;
            Some(Vector::Numbers(Raw::of(body, values)))
        };
        let vectors: Option<Vec<Vector>> = list.elements().map(vector).collect();
        Some(Reply {
            done: Done::Embedded(vectors?),
            usage: usage_of(root).map(|(_, usage)| usage),
        })
    }
}
