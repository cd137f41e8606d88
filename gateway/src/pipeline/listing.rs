//! `GET /v1/models` and `GET /v1/models/{id}`: answered from the snapshot, filtered by key, no upstream call.

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};
use serde::Serialize;
use wire::{Fault, Kind};

use super::arrive::Arrived;
use super::body::ReplyBody;
use super::refuse;
use super::settle::Exchange;
use crate::config::snapshot::Snapshot;
use journal::Outcome;

#[derive(Serialize)]
struct Listing<'a> {
    object: &'static str,
    data: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Row<'a> {
    id: &'a str,
    object: &'static str,
    created: i64,
    owned_by: &'static str,
    /// The numbers under which the model's targets are filed with the authority.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    filing: Vec<&'a str>,
}

pub(super) fn models(exchange: &mut Exchange) -> Response<ReplyBody> {
    let snapshot = std::sync::Arc::clone(&exchange.snapshot);
    let mut names: Vec<&str> = snapshot
        .models
        .keys()
        .map(|name| &**name)
        .filter(|name| may_use(exchange, name))
        .collect();
    names.sort_unstable();
    let data = names.into_iter().map(|id| row(id, &snapshot)).collect();
    json(
        exchange,
        &Listing {
            object: "list",
            data,
        },
    )
}

pub(super) fn model(
    exchange: &mut Exchange,
    arrived: &Arrived,
) -> Result<Response<ReplyBody>, Fault> {
    let snapshot = std::sync::Arc::clone(&exchange.snapshot);
    let raw = arrived
        .head
        .uri
        .path()
        .strip_prefix("/v1/models/")
        .unwrap_or_default();
    let wanted = percent_decoded(raw);
    let known = snapshot
        .models
        .keys()
        .map(|name| &**name)
        .find(|name| name.as_bytes() == wanted && may_use(exchange, name));
    match known {
        Some(id) => Ok(json(exchange, &row(id, &snapshot))),
        // A model that the key may not use is not there for it.
        None => Err(Fault::new(Kind::NoSuchModel).param("model")),
    }
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

fn row<'a>(id: &'a str, snapshot: &'a Snapshot) -> Row<'a> {
    let mut filing: Vec<&str> = Vec::new();
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
    Row {
        id,
        object: "model",
        created: loaded_at_s(snapshot),
        owned_by: "yumen",
        filing,
    }
}

fn json(exchange: &mut Exchange, value: &impl Serialize) -> Response<ReplyBody> {
    // Names and numbers always serialise.
    let body = serde_json::to_vec(value).unwrap_or_default();
    exchange.status = 200;
    exchange.meter.bytes_down = body.len() as u64;
    let mut reply = Response::new(ReplyBody::Whole(body.into()));
    reply
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    refuse::describe(exchange, reply.headers_mut());
    exchange.finish(Outcome::Completed, None);
    reply
}

/// Model ids may hold `/` and arrive encoded or not. A broken escape stands for itself.
fn percent_decoded(raw: &str) -> Vec<u8> {
    let bytes = raw.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let digits = (*byte == b'%').then(|| bytes.get(at + 1..at + 3)).flatten();
        match digits
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok())
        {
            Some(decoded) => {
                out.push(decoded);
                at += 3;
            }
            None => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::percent_decoded;

    #[test]
    fn decodes() {
        assert_eq!(percent_decoded("a%2Fb/c%zz%"), b"a/b/c%zz%");
    }
}
