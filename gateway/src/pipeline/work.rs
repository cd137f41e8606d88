//! Work that is no chat: vectors of texts, orders of documents, images in a vendor's own form. A long list goes up in as
//! many calls as the vendor wants, one after another, and comes back as one reply; a task that takes its time is asked
//! for until it is done.
//!
//! Parses no JSON: forms read and write. Invariants: vectors of two models are never mixed, nor given for one another, so
//! a request for vectors goes to no target whose model has another name than the first one's; documents in a reply are
//! the client's own, never an upstream's echo.

use std::pin::pin;
use std::time::{Duration, Instant};

use adapters::operation::{Operation, State};
use adapters::vendor::{self, Vendor};
use adapters::{Asks, dialect};
use bytes::Bytes;
use http::Method;
use policies::law::Cleared;
use wire::fault::Retry;
use wire::json::{self, Value};
use wire::operation::{Done, Reply, Vector, Work};
use wire::{Fault, Kind, Rope};

use super::clocks::Clocks;
use super::dispatch::{self, ERROR_BODY_BYTES, REPLY_LIMITS, Sent};
use super::inspect;
use super::prepare::{Prepared, request};
use super::reading::Head;
use super::route::{Candidate, Routed};
use super::settle::Exchange;
use crate::config::snapshot::Target;
use crate::upstream::request::{self, Request};

/// Between two questions about a task: vendors ask for two or three seconds.
const TASK_PAUSE: Duration = Duration::from_secs(2);

/// What is to be done at one target.
pub(super) struct Doing {
    operation: &'static Operation,
    /// What each call asks; the first one's body is [`Prepared::body`].
    parts: Vec<Work>,
    /// The bodies of the calls behind the first.
    rest: Vec<Rope>,
    /// The client's own body went up, so that what comes back may go down as it is.
    native: bool,
}

pub(super) fn prepare(
    exchange: &Exchange,
    routed: &Routed,
    cleared: &Cleared<Candidate>,
) -> Result<Prepared, Fault> {
    let target = cleared.target().target();
    let vendor = target.vendor()?;
    let client = exchange.dialect;
    let asks = routed.asked.endpoint.asks;
    let operation = vendor
        .operation(asks, &target.model)
        .ok_or_else(|| lacks(asks))?;
    if asks == Asks::Embed && !is_same_model(routed, target) {
        return Err(Fault::new(Kind::NoClearedProvider)
            .message("Vectors of another model than the first one's do not compare with its own, and that one may not be asked.")
            .retry(Retry::NextTarget));
    }
    let lossy = routed.model.lossy;
    // A redacted body is read anew, as for chat.
    let redacted = match cleared.redacted() {
        Some(body) => Some((body, inspect::read(exchange, &routed.asked, body)?)),
        None => None,
    };
    let (body, facts) = match &redacted {
        Some((body, facts)) => (*body, facts),
        None => (&routed.body, &routed.facts),
    };
    let work = client.decode_work(body, facts, &routed.asked)?;
    let dropped = operation.losses(&work, lossy)?;
    let form = operation.form.ok_or(Kind::Bug)?;
    // What the vendor lacks must not reach it.
    let native =
        form.native() == Some(client.id()) && work.len() <= operation.most && dropped.is_empty();
    let (first, parts, rest) = if native {
        let mut edits = wire::Edits::new();
        let name = dialect::quoted(&target.model);
        let renamed = edits.replace(facts.model_span.clone(), name);
        renamed.map_err(|_| Fault::new(Kind::Bug).detail("edits overlap"))?;
        (edits.apply(body), vec![work], Vec::new())
    } else {
        let parts = work.parts(operation.most);
        let write = |part| form.write(part, &target.model);
        let mut bodies = parts.iter().map(write).collect::<Result<Vec<_>, _>>()?;
        let rest = bodies.split_off(1.min(bodies.len()));
        (bodies.pop().ok_or(Kind::Bug)?, parts, rest)
    };
    let spoken = vendor.speaks().first().ok_or(Kind::Bug)?;
    let doing = Doing {
        operation,
        parts,
        rest,
        native,
    };
    Ok(Prepared::work(first.settle(), *spoken, dropped, doing))
}

/// No target of the model does that.
pub(super) fn lacks(asks: Asks) -> Fault {
    let what = match asks {
        Asks::Embed => "embeddings",
        Asks::Rerank => "rerank",
        Asks::Image => "images",
        Asks::Speak => "speech",
        Asks::Transcribe | Asks::Translate => "transcripts",
        Asks::Reply | Asks::Count => "this",
    };
    Fault::new(Kind::NoSuchModel)
        .reason("no_such_operation")
        .message(format!("No provider of this model does {what}."))
        .param("model")
        .retry(Retry::NextTarget)
}

/// Whether a target's model is the one that the first target has, by the last part of its name: `BAAI/bge-m3` is `bge-m3`.
fn is_same_model(routed: &Routed, target: &Target) -> bool {
    let last = |target: &Target| {
        let name = target.model.rsplit('/').next();
        name.unwrap_or_default().to_ascii_lowercase()
    };
    let first = routed.model.targets.first();
    first.is_some_and(|first| last(first) == last(target))
}

/// All calls to one target.
pub(super) async fn attempt(
    exchange: &mut Exchange,
    routed: &Routed,
    target: &Target,
    (prepared, doing): (&Prepared, &Doing),
    token: Option<&str>,
    clocks: &Clocks,
) -> Result<Sent, Fault> {
    let mut whole: Option<(Reply, Bytes)> = None;
    let mut at = 0;
    let bodies = std::iter::once(&prepared.body).chain(&doing.rest);
    for (part, body) in doing.parts.iter().zip(bodies) {
        let (reply, bytes) = finished(
            exchange,
            routed,
            target,
            (prepared, doing.operation, part, body),
            token,
            clocks,
        )
        .await?;
        match &mut whole {
            None => whole = Some((reply, bytes)),
            Some((all, _)) => {
                if !all.join(at, reply) {
                    return Err(Kind::Bug.into());
                }
            }
        }
        at += part.len();
        // Paid for, whatever becomes of the rest.
        exchange.meter.usage = whole.as_ref().and_then(|(all, _)| all.usage);
    }
    let (reply, bytes) = whole.ok_or(Kind::Bug)?;
    if let Done::Made(made) = &reply.done {
        exchange.meter.images = u32::try_from(made.len()).unwrap_or(u32::MAX);
    }
    exchange.meter.first_content = Some(Instant::now());
    let own = exchange
        .dialect
        .decode_work(&routed.body, &routed.facts, &routed.asked)?;
    let body = if doing.native && is_as_asked(&own, &reply) {
        bytes.into()
    } else {
        let head = dispatch::reply_head(exchange, prepared);
        exchange.dialect.encode_done(&own, &reply, &head)?
    };
    Ok(Sent::Whole {
        body,
        streamed: false,
    })
}

/// Whether the vendor wrote what the client wants to read: some pass over the wish for base64.
fn is_as_asked(own: &Work, reply: &Reply) -> bool {
    match (own, &reply.done) {
        (Work::Embed(embed), Done::Embedded(vectors)) => vectors
            .iter()
            .all(|vector| matches!(vector, Vector::Base64(_)) == embed.base64),
        _ => false,
    }
}

/// One part of the work, to its end.
async fn finished(
    exchange: &mut Exchange,
    routed: &Routed,
    target: &Target,
    (prepared, operation, part, body): (&Prepared, &Operation, &Work, &Rope),
    token: Option<&str>,
    clocks: &Clocks,
) -> Result<(Reply, Bytes), Fault> {
    let vendor = target.vendor()?;
    let mut request = request(exchange, routed, target, (prepared, body), token)?;
    loop {
        let (head, bytes) = call(exchange, routed, target, &request, clocks).await?;
        match read(vendor, &head, operation, part, &bytes)? {
            Read::Done(reply) => return Ok((reply, bytes)),
            Read::Waits(path) => {
                // The clock of the first content ends this, if nothing else does.
                clocks.first(pin!(tokio::time::sleep(TASK_PAUSE))).await?;
                let path = vendor::join_path(&target.provider.base_path, &path);
                request.head = request::Head::new(Method::GET, path, request.head.headers.clone());
                request.body = Rope::new();
            }
        }
    }
}

/// What a call came to.
enum Read {
    Done(Reply),
    /// It is asked for there.
    Waits(String),
}

/// One call.
async fn call(
    exchange: &mut Exchange,
    routed: &Routed,
    target: &Target,
    request: &Request,
    clocks: &Clocks,
) -> Result<(Head, Bytes), Fault> {
    exchange.unrevoked()?;
    let bounds = exchange.snapshot.bounds(&routed.model.clocks);
    let client = std::sync::Arc::clone(&exchange.worker.client);
    let reply = clocks
        .first(pin!(client.send_told(
            &target.provider.endpoint,
            &bounds,
            request,
            &mut exchange.meter.asked
        )))
        .await??;
    exchange.meter.first_byte.get_or_insert_with(Instant::now);
    let head = Head {
        status: reply.head.status,
        headers: reply.head.headers,
        now_ms: exchange.now_ms,
    };
    let good = (200..300).contains(&head.status);
    let most = if good {
        exchange.limits().upstream_body_bytes.bytes()
    } else {
        ERROR_BODY_BYTES
    };
    let bytes = dispatch::collect(reply.body, clocks, most, good).await?;
    Ok((head, bytes))
}

/// What came of a call: its reply, or where it is to be asked for.
fn read(
    vendor: &dyn Vendor,
    head: &Head,
    operation: &Operation,
    part: &Work,
    bytes: &Bytes,
) -> Result<Read, Fault> {
    let tape = json::scan(bytes, &REPLY_LIMITS).ok();
    let root = tape.as_ref().and_then(|tape| Value::root(tape, bytes));
    if let Some(fault) = vendor.fault(&head.view(), root) {
        return Err(fault);
    }
    let root = root.ok_or_else(|| Fault::new(Kind::Malformed).reason("invalid_response"))?;
    let form = operation.form.ok_or(Kind::Bug)?;
    match form.state(root) {
        State::Done => operation.read(part, bytes, root).map(Read::Done),
        State::Waits(path) => Ok(Read::Waits(path)),
        State::Failed => Err(vendor
            .fault(&head.view(), form.failure(root))
            .unwrap_or_else(|| Fault::new(Kind::UpstreamError).reason("task_failed"))),
    }
}
