//! The models that a key may use, as its client's dialect lists them: answered from the snapshot, no upstream call.

use adapters::places::Listed;
use bytes::Bytes;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use smallvec::SmallVec;
use wire::{Fault, Kind};

use super::body::{ReplyBody, Response};
use super::head::Head;
use super::refuse;
use super::settle::Exchange;
use crate::config::snapshot::Snapshot;
use journal::Outcome;

pub(super) fn models(exchange: &mut Exchange, head: &Head) -> Response {
    let snapshot = std::sync::Arc::clone(&exchange.snapshot);
    let mut names: Vec<&str> = snapshot
        .models
        .keys()
        .map(|name| &**name)
        .filter(|name| may_use(exchange, name))
        .collect();
    names.sort_unstable();
    let filings: Vec<Filing<'_>> = names.iter().map(|id| filing(id, &snapshot)).collect();
    let rows: Vec<Listed<'_>> = names
        .iter()
        .zip(&filings)
        .map(|(id, filing)| row(id, filing, &snapshot))
        .collect();
    let query = head.uri.query().unwrap_or_default();
    let body = exchange.dialect.models(&rows, query);
    json(exchange, body)
}

pub(super) fn model(exchange: &mut Exchange, wanted: &str) -> Result<Response, Fault> {
    let snapshot = std::sync::Arc::clone(&exchange.snapshot);
    let known = snapshot
        .models
        .keys()
        .map(|name| &**name)
        .find(|name| *name == wanted && may_use(exchange, name));
    // A model that the key may not use is not there for it.
    let id = known.ok_or_else(|| Fault::new(Kind::NoSuchModel).param("model"))?;
    let filing = filing(id, &snapshot);
    let body = exchange.dialect.model(&row(id, &filing, &snapshot));
    Ok(json(exchange, body))
}

fn loaded_at_s(snapshot: &Snapshot) -> i64 {
    let since = snapshot
        .loaded_at
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

fn may_use(exchange: &Exchange, model: &str) -> bool {
    exchange
        .principal
        .as_ref()
        .is_some_and(|principal| principal.models.allow(model))
}

/// The numbers under which a model's targets are filed.
type Filing<'a> = SmallVec<[&'a str; 1]>;

fn filing<'a>(id: &str, snapshot: &'a Snapshot) -> Filing<'a> {
    let mut filing = Filing::new();
    let targets = snapshot.models.get(id).map(|model| &model.targets);
    for number in targets
        .into_iter()
        .flatten()
        .filter_map(|target| target.filing.as_deref())
    {
        if !filing.contains(&number) {
            filing.push(number);
        }
    }
    filing
}

fn row<'a>(id: &'a str, filing: &'a [&'a str], snapshot: &Snapshot) -> Listed<'a> {
    Listed {
        id,
        created: loaded_at_s(snapshot),
        filing,
    }
}

fn json(exchange: &mut Exchange, body: Bytes) -> Response {
    exchange.status = 200;
    exchange.meter.bytes_down = body.len() as u64;
    let mut reply = Response::new(ReplyBody::Whole(body.into()));
    let json = HeaderValue::from_static("application/json");
    reply.headers.add(&CONTENT_TYPE, &json);
    refuse::describe(exchange, &mut reply.headers);
    exchange.finish(Outcome::Completed, None);
    reply
}
