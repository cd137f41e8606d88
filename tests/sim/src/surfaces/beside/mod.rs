//! What simulated vendors do beside chat. One table says who does what, where, and in which shape; shapes are written
//! from the vendors' documents.
//!
//! Must never wait or touch sockets. A model's faults hold here as for chat, as far as a reply in one piece can have them.

mod form;
mod media;
mod ranks;
mod tasks;
mod vectors;

use super::{Arrived, Trouble, Voice};
use crate::faults;
use crate::json::{self, at};
use crate::plan::{Ask, Ready};
use serde_json::Value;

pub(crate) use tasks::task;
pub(crate) use vectors::vector;

/// How a vendor writes an operation.
#[derive(Clone, Copy)]
enum Shape {
    Vectors(&'static vectors::Shape),
    Ranks(&'static ranks::Shape),
    Images(&'static media::Images),
    Task,
    Own(fn(&Wish<'_>) -> Result<String, String>),
    Speech,
    Transcript,
}

use Shape::{Images, Own, Ranks, Speech, Task, Transcript, Vectors};

/// Surface, the path below its base (`*`: one segment, the model's name), the shape.
static TABLE: &[(&str, &str, Shape)] = &[
    ("openai", "/embeddings", Vectors(&vectors::OPENAI)),
    ("openai", "/rerank", Ranks(&ranks::JINA)),
    ("openai", "/images/generations", Images(&media::OPENAI)),
    ("openai", "/audio/speech", Speech),
    ("openai", "/audio/transcriptions", Transcript),
    ("openai", "/audio/translations", Transcript),
    (
        "azure-openai",
        "/openai/deployments/*/images/generations",
        Images(&media::OPENAI),
    ),
    ("azure-openai", "/openai/deployments/*/audio/speech", Speech),
    (
        "azure-openai",
        "/openai/deployments/*/audio/transcriptions",
        Transcript,
    ),
    ("xinference", "/images/generations", Images(&media::OPENAI)),
    ("xinference", "/audio/speech", Speech),
    ("xinference", "/audio/transcriptions", Transcript),
    ("vllm", "/audio/transcriptions", Transcript),
    ("vllm", "/audio/translations", Transcript),
    ("sglang", "/audio/transcriptions", Transcript),
    ("mistral", "/audio/transcriptions", Transcript),
    ("wenxin", "/images/generations", Images(&media::OPENAI)),
    ("glm", "/images/generations", Images(&media::ADDRESSES)),
    ("doubao", "/images/generations", Images(&media::ONE)),
    ("xai", "/images/generations", Images(&media::OPENAI)),
    ("sensenova", "/images/generations", Images(&media::ONE)),
    (
        "azure-openai",
        "/openai/deployments/*/embeddings",
        Vectors(&vectors::OPENAI),
    ),
    ("vllm", "/embeddings", Vectors(&vectors::OPENAI)),
    ("vllm", "/rerank", Ranks(&ranks::VLLM)),
    ("sglang", "/embeddings", Vectors(&vectors::FLOATS)),
    ("sglang", "/rerank", Ranks(&ranks::SGLANG)),
    ("xinference", "/embeddings", Vectors(&vectors::FLOATS)),
    ("xinference", "/rerank", Ranks(&ranks::XINFERENCE)),
    ("llamacpp", "/embeddings", Vectors(&vectors::FLOATS)),
    ("llamacpp", "/rerank", Ranks(&ranks::JINA)),
    ("ollama", "/embeddings", Vectors(&vectors::OPENAI)),
    ("mindie", "/embeddings", Vectors(&vectors::FLOATS)),
    (
        "tongyi-compatible",
        "/embeddings",
        Vectors(&vectors::TONGYI),
    ),
    ("tongyi-compatible", "/reranks", Ranks(&ranks::TONGYI)),
    (
        "tongyi",
        "/services/embeddings/text-embedding/text-embedding",
        Vectors(&vectors::DASHSCOPE),
    ),
    (
        "tongyi",
        "/services/rerank/text-rerank/text-rerank",
        Ranks(&ranks::DASHSCOPE),
    ),
    ("tongyi", tasks::SUBMIT, Task),
    (
        "tongyi",
        "/services/aigc/multimodal-generation/generation",
        Own(tasks::at_once),
    ),
    ("minimax", "/image_generation", Own(tasks::minimax)),
    ("wenxin-v1", "/text2image/*", Own(tasks::wenxin_v1)),
    ("wenxin", "/embeddings", Vectors(&vectors::WENXIN)),
    ("wenxin", "/rerank", Ranks(&ranks::WENXIN)),
    ("wenxin-v1", "/embeddings/*", Vectors(&vectors::WENXIN_V1)),
    ("wenxin-v1", "/reranker/*", Ranks(&ranks::WENXIN_V1)),
    ("glm", "/embeddings", Vectors(&vectors::GLM)),
    ("glm", "/rerank", Ranks(&ranks::GLM)),
    ("baichuan", "/embeddings", Vectors(&vectors::BAICHUAN)),
    ("doubao", "/embeddings", Vectors(&vectors::FLOATS)),
    ("minimax", "/embeddings", Vectors(&vectors::MINIMAX)),
    ("minimax-v2", "/embeddings", Vectors(&vectors::MINIMAX)),
    (
        "sensenova-native",
        "/embeddings",
        Vectors(&vectors::SENSENOVA),
    ),
    ("mistral", "/embeddings", Vectors(&vectors::MISTRAL)),
    ("cohere", "/embeddings", Vectors(&vectors::FLOATS)),
    ("cohere", "/rerank", Ranks(&ranks::COHERE)),
];

/// A request as far as it is the same for all shapes.
struct Wish<'a> {
    /// The model, faults included, as vendors echo it.
    model: &'a str,
    body: &'a Value,
    serial: u64,
    /// Token counts are left out.
    uncounted: bool,
}

/// The answer to a call that is no chat, if the vendor has such a call: what was asked, with the whole reply.
pub(crate) fn ask(
    voice: &dyn Voice,
    arrived: &Arrived<'_>,
    body: &[u8],
    serial: u64,
) -> Option<Result<Ask, Trouble>> {
    let (in_path, shape) = TABLE.iter().find_map(|(surface, path, shape)| {
        (*surface == voice.name()).then_some(())?;
        Some((fits(path, arrived.rest)?, *shape))
    })?;
    // A chat at the same path names another kind of model.
    if arrived.rest.ends_with(tasks::SHARED) && !tasks::is_at_once(body) {
        return None;
    }
    Some(answer(voice, arrived, body, (in_path, shape, serial)))
}

/// The segment that the pattern leaves open; empty if it leaves none.
fn fits<'p>(pattern: &str, path: &'p str) -> Option<&'p str> {
    let Some((before, after)) = pattern.split_once('*') else {
        return (pattern == path).then_some("");
    };
    let inside = path.strip_prefix(before)?.strip_suffix(after)?;
    (!inside.is_empty() && !inside.contains('/')).then_some(inside)
}

fn answer(
    voice: &dyn Voice,
    arrived: &Arrived<'_>,
    body: &[u8],
    (in_path, shape, serial): (&str, Shape, u64),
) -> Result<Ask, Trouble> {
    voice.admit(arrived)?;
    let malformed = |message: String| Trouble {
        message,
        ..voice.trouble(voice.usual().malformed)
    };
    if let Transcript = shape {
        let kind = arrived.headers.get(http::header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let (ask, ready) = media::transcript(kind, body).map_err(malformed)?;
        if ask.base.starts_with("no-such") {
            return Err(voice.trouble(voice.usual().no_model));
        }
        return Ok(Ask {
            ready: Some(ready),
            ..ask
        });
    }
    let body = json::parse(body).map_err(malformed)?;
    let in_path = in_path.replace("%40", "@").replace("%3A", ":");
    let model = match at(&body, &["model"]).as_str() {
        // Where the path names it, the body may do so too.
        _ if !in_path.is_empty() => in_path.as_str(),
        Some(model) if !model.is_empty() => model,
        _ => return Err(malformed("model is required".into())),
    };
    let (base, faults) = faults::read(model).map_err(malformed)?;
    if base.starts_with("no-such") {
        return Err(voice.trouble(voice.usual().no_model));
    }
    let wish = Wish {
        model,
        body: &body,
        serial,
        uncounted: faults.usage == Some(crate::faults::UsageFault::None),
    };
    let reply = match shape {
        Vectors(shape) => shape.reply(&wish).map(Ready::json),
        Ranks(shape) => shape.reply(&wish).map(Ready::json),
        Images(shape) => shape.reply(&wish),
        Speech => media::speech(&wish),
        Own(write) => write(&wish).map(Ready::json),
        Task => tasks::submit(&wish, arrived).map(Ready::json),
        Transcript => Err("a form was expected".into()),
    };
    let ready = reply.map_err(malformed)?;
    Ok(Ask {
        model: model.to_owned(),
        base,
        faults,
        stream: matches!(ready, Ready::Events(_)),
        ready: Some(ready),
        ..Ask::default()
    })
}

/// A token is two characters, rounded up, as in chat.
fn tokens(texts: &[&str]) -> i64 {
    let chars: usize = texts.iter().map(|text| text.chars().count()).sum();
    i64::try_from(chars.div_ceil(2).max(1)).unwrap_or(i64::MAX)
}

/// A list of strings; `None` if it is anything else or empty.
fn strings(value: &Value) -> Option<Vec<&str>> {
    let list = value.as_array().filter(|list| !list.is_empty())?;
    list.iter().map(Value::as_str).collect()
}

/// The first key of an object that is not among these.
fn strange<'a>(value: &'a Value, known: &[&str]) -> Option<&'a str> {
    let keys = value.as_object()?.keys();
    keys.map(String::as_str).find(|key| !known.contains(key))
}
