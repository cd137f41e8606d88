//! OpenAI's endpoints beside chat, and the convention of rerank: what their requests say, and how replies are written.
//!
//! Part of the dialect of [`openai_chat`](super::openai_chat), which owns the paths. Knows no vendor.

mod contents;
mod embed;
pub mod form;
mod image;
mod request;
mod rerank;

use bytes::Bytes;
use wire::json::Value;
use wire::operation::{Done, Reply, Work};
use wire::{Fault, Kind, Rope};

use crate::dialect::ReplyHead;
use crate::places::Asks;

pub(crate) use contents::of_request;
pub(crate) use request::read;

/// Reads the work of a request that was [`read`].
///
/// # Errors
/// `BadRequest` with the field's name.
pub(crate) fn work(asks: Asks, body: &Bytes, root: Value<'_>) -> Result<Work, Fault> {
    match asks {
        Asks::Embed => embed::read(body, root).map(Work::Embed),
        Asks::Rerank => rerank::read(body, root).map(Work::Rerank),
        Asks::Image => image::read(body, root).map(Work::Image),
        _ => Err(Fault::new(Kind::Bug).detail("an endpoint that is no work")),
    }
}

/// Writes what came of it. `work` is the client's own.
///
/// # Errors
/// `Malformed` for vectors that are none.
pub(crate) fn done(work: &Work, reply: &Reply, head: &ReplyHead) -> Result<Rope, Fault> {
    match (work, &reply.done) {
        (Work::Embed(embed), Done::Embedded(vectors)) => {
            embed::write(embed, vectors, reply.usage, head)
        }
        (Work::Rerank(rerank), Done::Ranked(ranks)) => {
            Ok(rerank::write(rerank, ranks, reply.usage, head))
        }
        (Work::Image(_), Done::Made(made)) => Ok(image::write(made, reply.usage, head)),
        _ => Err(Fault::new(Kind::Bug).detail("a reply of another kind")),
    }
}
