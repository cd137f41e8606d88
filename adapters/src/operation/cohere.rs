//! Orders of documents as Cohere and Jina ask for them, and the liberties that others take: other paths, a bare list, a
//! `score`.

use bytes::Bytes;
use wire::canon::Raw;
use wire::facts::Usage;
use wire::json::{Type, Value};
use wire::operation::{Done, Rank, Reply, Rerank, Work};
use wire::{Fault, Rope};

use super::{Body, Form, index, odd, usage};

/// As most do.
pub(crate) static RANKS: Ranks = LIKE;
/// Tokens of a document may be bounded, and nothing is said of documents in the reply.
pub(crate) static RANKS_V2: Ranks = Ranks {
    lacks: &["instruct"],
    tokens: true,
    echo: None,
    ..LIKE
};
/// The model stands in the path.
pub(crate) static RANKS_BY_PATH: Ranks = Ranks {
    names_model: false,
    echo: None,
    ..LIKE
};
/// Documents come back unless they are declined, and an instruction is taken.
pub(crate) static RANKS_BARE: Ranks = Ranks {
    lacks: &["max_tokens_per_doc"],
    instruct: "instruct",
    ..LIKE
};

const LIKE: Ranks = Ranks {
    names_model: true,
    tokens: false,
    instruct: "",
    echo: Some("return_documents"),
    lacks: &["max_tokens_per_doc", "instruct"],
};

/// The form.
pub(crate) struct Ranks {
    names_model: bool,
    tokens: bool,
    /// The name of an instruction; empty if there is none.
    instruct: &'static str,
    /// The member by which documents in the reply are declined: our own list has them.
    echo: Option<&'static str>,
    lacks: &'static [&'static str],
}

impl Form for Ranks {
    fn lacks(&self) -> &'static [&'static str] {
        self.lacks
    }

    fn write(&self, work: &Work, model: &str) -> Result<Rope, Fault> {
        let Work::Rerank(rerank) = work else {
            return Err(odd());
        };
        let mut body = Body::new();
        if self.names_model {
            body.name("model").string(model);
        }
        body.name("query").text(&rerank.query);
        body.name("documents").texts(&rerank.documents);
        top(rerank, &mut body);
        if let Some(name) = self.echo {
            body.name(name).raw("false");
        }
        if let Some(most) = rerank.tokens_max.filter(|_| self.tokens) {
            body.name("max_tokens_per_doc").raw(&most.to_string());
        }
        if let Some(instruct) = rerank
            .instruct
            .as_ref()
            .filter(|_| !self.instruct.is_empty())
        {
            body.name(self.instruct).text(instruct);
        }
        Ok(body.end())
    }

    fn read(&self, _: &Work, body: &Bytes, root: Value<'_>) -> Option<Reply> {
        let bare = root.kind() == Type::Array;
        let list = if bare { root } else { root.get("results")? };
        Some(Reply {
            done: Done::Ranked(ranks(body, list)?),
            usage: counts(root),
        })
    }
}

/// How many results are wanted, never more than there are documents: some refuse that.
pub(super) fn top(rerank: &Rerank, body: &mut Body) {
    if let Some(top) = rerank.top {
        let top = top.min(rerank.documents.len());
        body.name("top_n").raw(&top.to_string());
    }
}

/// The results of a list.
pub(super) fn ranks(body: &Bytes, list: Value<'_>) -> Option<Vec<Rank>> {
    let rank = |(place, one): (usize, Value<'_>)| {
        let score = one.get("relevance_score").or_else(|| one.get("score"))?;
        Some(Rank {
            index: index(one, "index", place),
            score: Raw::of(body, score),
        })
    };
    list.elements().enumerate().map(rank).collect()
}

/// Tokens: in `usage`, flat, or in `meta`, where nulls are usual.
fn counts(root: Value<'_>) -> Option<Usage> {
    let meta = || {
        let tokens = root.get("meta")?.get("tokens")?;
        let count = |name| tokens.get(name).and_then(|count| count.as_u64());
        Some(Usage {
            prompt: count("input_tokens")?,
            completion: count("output_tokens").unwrap_or(0),
            ..Usage::default()
        })
    };
    usage(root).or_else(meta)
}
