//! Vectors as OpenAI asks for them, and what vendors made of that.
//!
//! Knows the form, never which vendor takes which liberty.

use bytes::Bytes;
use wire::canon::{Raw, Str};
use wire::json::{Type, Value};
use wire::operation::{Done, Embed, Input, Purpose, Reply, Vector, Work};
use wire::{Fault, Rope};

use super::{Body, Form, in_order, index, odd, usage};
use crate::dialect::DialectId;
use crate::dialects::openai_chat::request::bad;

/// To the letter, base64 included.
pub(crate) static VECTORS: OpenAi = OpenAi {
    native: true,
    ..LIKE
};
/// Floats alone, of a chosen length.
pub(crate) static VECTORS_SIZED: OpenAi = LIKE;
/// Floats alone, in the model's own length.
pub(crate) static VECTORS_PLAIN: OpenAi = OpenAi {
    lacks: &["dimensions", "user", "input_type"],
    ..LIKE
};
/// The model stands in the path, and nothing but texts in the body.
pub(crate) static VECTORS_BY_PATH: OpenAi = OpenAi {
    names_model: false,
    ..VECTORS_PLAIN_FORM
};
/// A chosen length has another name.
pub(crate) static VECTORS_OUTPUT: OpenAi = OpenAi {
    size: "output_dimension",
    ..LIKE
};
/// Vectors in `embeddings`, each with a status of its own.
pub(crate) static LISTED_VECTORS: OpenAi = OpenAi {
    list: "embeddings",
    ..VECTORS_PLAIN_FORM
};

const LIKE: OpenAi = OpenAi {
    native: false,
    names_model: true,
    size: "dimensions",
    list: "data",
    lacks: &["user", "input_type"],
};
const VECTORS_PLAIN_FORM: OpenAi = OpenAi {
    lacks: &["dimensions", "user", "input_type"],
    ..LIKE
};

/// The form.
pub(crate) struct OpenAi {
    native: bool,
    names_model: bool,
    /// What a chosen length is called.
    size: &'static str,
    /// The member that holds the vectors.
    list: &'static str,
    lacks: &'static [&'static str],
}

impl Form for OpenAi {
    fn native(&self) -> Option<DialectId> {
        self.native.then_some(DialectId::OpenAiChat)
    }

    fn lacks(&self) -> &'static [&'static str] {
        if self.native {
            &["input_type"]
        } else {
            self.lacks
        }
    }

    fn write(&self, work: &Work, model: &str) -> Result<Rope, Fault> {
        let Work::Embed(embed) = work else {
            return Err(odd());
        };
        let mut body = Body::new();
        if self.names_model {
            body.name("model").string(model);
        }
        body.name("input");
        inputs(embed, &mut body);
        let lacks = |name| self.lacks().contains(&name);
        if let Some(dimensions) = embed.dimensions.filter(|_| !lacks("dimensions")) {
            body.name(self.size).raw(&dimensions.to_string());
        }
        if embed.base64 && self.native {
            body.name("encoding_format").raw("\"base64\"");
        }
        if let Some(user) = embed.user.as_ref().filter(|_| !lacks("user")) {
            body.name("user").text(user);
        }
        Ok(body.end())
    }

    fn read(&self, _: &Work, body: &Bytes, root: Value<'_>) -> Option<Reply> {
        let list = root
            .get(self.list)
            .filter(|list| list.kind() == Type::Array)?;
        let mut vectors = Vec::new();
        for (place, element) in list.elements().enumerate() {
            let vector = vector(body, element.get("embedding")?)?;
            vectors.push((index(element, "index", place), vector));
        }
        Some(Reply {
            done: Done::Embedded(in_order(vectors)?),
            usage: usage(root),
        })
    }
}

/// The inputs as a list.
fn inputs(embed: &Embed, body: &mut Body) {
    let mut between = "[";
    for input in &embed.inputs {
        body.raw(between);
        match input {
            Input::Text(text) => body.text(text),
            Input::Tokens(list) => body.splice(list.bytes()),
        };
        between = ",";
    }
    body.raw("]");
}

/// A vector in either form.
pub(super) fn vector(body: &Bytes, value: Value<'_>) -> Option<Vector> {
    match value.kind() {
        Type::Array => Some(Vector::Numbers(Raw::of(body, value))),
        Type::String => Some(Vector::Base64(Str::of(body, value)?)),
        _ => None,
    }
}

/// The texts alone.
///
/// # Errors
/// `BadRequest`: only the model's owner can read token ids.
pub(super) fn texts(embed: &Embed) -> Result<Vec<&Str>, Fault> {
    let refused = || bad("This provider takes texts, not token ids.").param("input");
    let mut texts = Vec::with_capacity(embed.inputs.len());
    for input in &embed.inputs {
        match input {
            Input::Text(text) => texts.push(text),
            Input::Tokens(_) => return Err(refused()),
        }
    }
    Ok(texts)
}

/// Whether vectors of questions are wanted; most models know questions and documents.
pub(super) fn is_query(embed: &Embed) -> bool {
    embed.purpose == Some(Purpose::Query)
}
