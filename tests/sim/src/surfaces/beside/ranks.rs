//! Documents in the order in which they fit a query: how many of the query's characters a document has.

use super::{Wish, strange, strings, tokens};
use crate::json::{Obj, array, at};
use serde_json::Value;

/// How a vendor writes orders.
pub(super) struct Shape {
    /// Under which member query and documents stand; empty: at the top.
    input: &'static [&'static str],
    /// Under which settings stand.
    settings: &'static [&'static str],
    /// Members that the body may have.
    known: &'static [&'static str],
    most: usize,
    /// Documents come back unless they are declined (`true`), or only where they are wished for.
    echoes: bool,
    write: fn(&Wish<'_>, &[Ranked], i64) -> String,
}

/// A result.
pub(super) struct Ranked {
    index: usize,
    score: f64,
    document: Option<String>,
}

const FLAT: &[&str] = &["model", "query", "documents", "top_n", "return_documents"];

pub(super) static JINA: Shape = Shape {
    input: &[],
    settings: &[],
    known: FLAT,
    most: usize::MAX,
    echoes: true,
    write: jina,
};
pub(super) static VLLM: Shape = Shape {
    known: &["model", "query", "documents", "top_n", "max_tokens_per_doc"],
    ..JINA
};
pub(super) static COHERE: Shape = Shape {
    most: 1000,
    echoes: false,
    write: cohere,
    ..VLLM
};
pub(super) static XINFERENCE: Shape = Shape {
    echoes: false,
    write: cohere_tokens,
    ..JINA
};
pub(super) static SGLANG: Shape = Shape {
    known: &[
        "model",
        "query",
        "documents",
        "top_n",
        "return_documents",
        "instruct",
    ],
    write: bare,
    ..JINA
};
pub(super) static TONGYI: Shape = Shape {
    most: 500,
    echoes: false,
    write: jina,
    ..SGLANG
};
pub(super) static DASHSCOPE: Shape = Shape {
    input: &["input"],
    settings: &["parameters"],
    known: &["model", "input", "parameters"],
    most: 500,
    echoes: false,
    write: dashscope,
};
pub(super) static WENXIN: Shape = Shape {
    most: 64,
    echoes: false,
    write: flat_counts,
    ..JINA
};
pub(super) static WENXIN_V1: Shape = Shape {
    known: &["query", "documents", "top_n", "user_id"],
    most: 64,
    write: jina,
    ..JINA
};
pub(super) static GLM: Shape = Shape {
    most: 128,
    echoes: false,
    ..JINA
};

impl Shape {
    pub(super) fn reply(&self, wish: &Wish<'_>) -> Result<String, String> {
        let body = wish.body;
        if let Some(key) = strange(body, self.known) {
            return Err(format!("{key} is not supported"));
        }
        let input = at(body, self.input);
        let settings = at(body, self.settings);
        let query = at(input, &["query"])
            .as_str()
            .filter(|query| !query.is_empty());
        let query = query.ok_or("query must be a string")?;
        let documents = strings(at(input, &["documents"]));
        let documents = documents.ok_or("documents must be a list of strings")?;
        if documents.len() > self.most {
            return Err(format!("documents must not be more than {}", self.most));
        }
        let top = match at(settings, &["top_n"]) {
            Value::Null => documents.len(),
            top => {
                let top = top.as_u64().and_then(|top| usize::try_from(top).ok());
                let fits = |top: &usize| (1..=documents.len()).contains(top);
                top.filter(fits).ok_or("top_n is out of range")?
            }
        };
        let echoes = at(settings, &["return_documents"]).as_bool();
        let echoes = echoes.unwrap_or(self.echoes);
        let mut ranked: Vec<Ranked> = documents
            .iter()
            .enumerate()
            .map(|(index, document)| Ranked {
                index,
                score: score(query, document),
                document: echoes.then(|| (*document).to_owned()),
            })
            .collect();
        ranked.sort_by(|one, other| other.score.total_cmp(&one.score));
        ranked.truncate(top);
        let texts: Vec<&str> = std::iter::once(query).chain(documents).collect();
        Ok((self.write)(wish, &ranked, tokens(&texts)))
    }
}

/// The share of the query's characters that a document has; ones that fit alike differ by a hair.
fn score(query: &str, document: &str) -> f64 {
    let count = u32::try_from(query.chars().count()).unwrap_or(u32::MAX);
    let hits = query.chars().filter(|c| document.contains(*c)).count();
    let hits = u32::try_from(hits).unwrap_or(0);
    let length = u32::try_from(document.len()).unwrap_or(0);
    f64::from(hits) / f64::from(count.max(1)) - f64::from(length) * 1e-7
}

fn rows(ranked: &[Ranked], score: &str, always: bool, object: bool) -> String {
    let row = |one: &Ranked| {
        let document = one.document.as_ref().map(|text| {
            if object {
                Obj::new().str("text", text).end()
            } else {
                crate::json::quoted(text)
            }
        });
        let document = document.or_else(|| always.then(|| "null".to_owned()));
        Obj::new()
            .raw(score, &format!("{:?}", one.score))
            .raw("index", &one.index.to_string())
            .maybe("document", document.as_deref())
            .end()
    };
    let rows: Vec<String> = ranked.iter().map(row).collect();
    array(&rows)
}

fn counts(tokens: i64) -> String {
    Obj::new()
        .int("prompt_tokens", tokens)
        .int("total_tokens", tokens)
        .end()
}

fn jina(wish: &Wish<'_>, ranked: &[Ranked], tokens: i64) -> String {
    let usage = counts(tokens);
    Obj::new()
        .str("id", &format!("rerank-sim{:08x}", wish.serial))
        .str("model", wish.model)
        .maybe("usage", (!wish.uncounted).then_some(&usage))
        .raw("results", &rows(ranked, "relevance_score", false, true))
        .end()
}

/// Counts beside the results.
fn flat_counts(wish: &Wish<'_>, ranked: &[Ranked], tokens: i64) -> String {
    Obj::new()
        .str("id", &format!("as-sim{:08x}", wish.serial))
        .raw("results", &rows(ranked, "relevance_score", false, false))
        .int("prompt_tokens", tokens)
        .int("total_tokens", tokens)
        .end()
}

fn cohere(wish: &Wish<'_>, ranked: &[Ranked], _tokens: i64) -> String {
    let billed = Obj::new().int("search_units", 1).end();
    let meta = Obj::new().raw("billed_units", &billed).end();
    Obj::new()
        .raw("results", &rows(ranked, "relevance_score", false, true))
        .str("id", &format!("sim{:08x}", wish.serial))
        .raw("meta", &meta)
        .end()
}

fn cohere_tokens(wish: &Wish<'_>, ranked: &[Ranked], tokens: i64) -> String {
    let counts = Obj::new()
        .int("input_tokens", tokens)
        .int("output_tokens", 0)
        .end();
    let meta = Obj::new().null("billed_units").raw("tokens", &counts).end();
    Obj::new()
        .str("id", &format!("sim{:08x}", wish.serial))
        .raw("results", &rows(ranked, "relevance_score", true, true))
        .raw("meta", &meta)
        .end()
}

fn bare(_: &Wish<'_>, ranked: &[Ranked], _tokens: i64) -> String {
    rows(ranked, "score", true, false)
}

fn dashscope(wish: &Wish<'_>, ranked: &[Ranked], tokens: i64) -> String {
    let output = Obj::new()
        .raw("results", &rows(ranked, "relevance_score", false, true))
        .end();
    Obj::new()
        .raw("output", &output)
        .raw("usage", &Obj::new().int("total_tokens", tokens).end())
        .str("request_id", &format!("sim-{:08x}", wish.serial))
        .end()
}
