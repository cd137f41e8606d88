//! The walk of one request: arrive, admit, inspect, route, (gates,) dispatch, relay, settle.
//!
//! Each stage consumes what the one before it made, so none can be left out. Parses no JSON and compares no grades:
//! lenses do the first, `policies::law` the second. Nothing goes upstream that is not `Cleared`, nor before
//! its opening record is on disk.

mod admission;
mod admit;
mod array;
mod arrive;
mod body;
mod clocks;
mod count;
mod dispatch;
mod form;
mod forwarded;
mod gate;
mod govern;
mod governing;
mod grow;
mod head;
mod inspect;
mod keep;
mod limits;
mod lines;
mod listing;
mod look;
mod media;
mod moderate;
mod prepare;
mod reading;
mod refuse;
mod relay;
mod route;
mod settle;
mod stream;
mod through;
mod told;
pub mod trial;
mod work;

use std::sync::Arc;
use std::time::Instant;

use adapters::{Asks, ClientDialect};
use http::Version;
use http::header::EXPECT;
use wire::Fault;

pub use arrive::MODERATIONS;
pub use body::{Broken, ReplyBody, Response};
pub use head::{Head, Odd};
pub use lines::Lines;

use crate::audit;
use crate::server::answer::Inbound;
use crate::worker::{Peer, RequestId, Worker};
use admit::Admission;
use arrive::{Arrived, Unread, What};
use dispatch::Sent;
use settle::Exchange;

/// Answers one request that came at `now_ms`, in the dialect of its place. Never fails: what goes wrong is an answer too.
pub async fn serve(
    worker: &Arc<Worker>,
    peer: &Arc<Peer>,
    id: RequestId,
    now_ms: i64,
    (dialect, head, body): (&'static dyn ClientDialect, &Head, Inbound),
) -> Response {
    let mut exchange = Exchange::begin(worker, peer, id, now_ms, dialect);
    let (reply, ended) = match walk(&mut exchange, peer, head, body).await {
        Ok(Walked::Answered(reply)) => (reply, exchange.ended()),
        Ok(Walked::Sent(sent)) => relay::answer(exchange, sent),
        Err(fault) => refuse::answer(exchange, fault),
    };
    if ended.is_now() {
        return reply;
    }
    match ended.await {
        Err(error) if reply.status.is_success() => {
            refuse::bare(&audit::unavailable(&error), id, dialect)
        }
        // A refusal stays one: nothing has passed.
        _ => reply,
    }
}

/// Where the walk ended well.
enum Walked {
    /// Answered by ourselves.
    Answered(Response),
    /// A reply has begun.
    Sent(Sent),
}

/// The whole walk. An `Err` is an answer that has not begun: after the commit point errors travel in the reply.
async fn walk(
    exchange: &mut Exchange,
    peer: &Peer,
    head: &Head,
    body: Inbound,
) -> Result<Walked, Fault> {
    let is_http1 = head.version < Version::HTTP_2;
    let waits = head.headers.has(&EXPECT);
    let mut unread = Unread::Body(body);
    let mut walked = stages(exchange, peer, head, &mut unread).await;
    if matches!(walked, Ok(Walked::Sent(_))) || exchange.closes {
        return walked;
    }
    // Who waits for our leave to send a body is not asked for one that nobody wants.
    let is_read = match &unread {
        Unread::Body(body) if waits => body.is_over(),
        Unread::Nothing => true,
        _ => Box::pin(unread.drain()).await,
    };
    if is_http1 && !is_read {
        match &mut walked {
            Ok(Walked::Answered(reply)) => reply.headers.close(),
            _ => exchange.closes = true,
        }
    }
    walked
}

async fn stages(
    exchange: &mut Exchange,
    peer: &Peer,
    head: &Head,
    unread: &mut Unread,
) -> Result<Walked, Fault> {
    let arrived = arrive::read_head(exchange, peer, (head, unread))?;
    let Arrived { what, head } = match admit::admit(exchange, arrived)? {
        Admission::In(arrived) => arrived,
        // Boxed: only tokens of a key that nobody knows yet wait.
        Admission::After(arrived, waiting) => {
            Box::pin(admit::again(exchange, arrived, waiting)).await?
        }
    };
    let asked = match what {
        What::Models => return Ok(Walked::Answered(listing::models(exchange, head))),
        What::Model(id) => return listing::model(exchange, &id).map(Walked::Answered),
        What::Call(asked) => Some(asked),
        What::Moderations => None,
    };
    let form = asked
        .as_ref()
        .is_some_and(|asked| asked.endpoint.asks.is_form());
    let (body, sending) = if form {
        let (json, sending) = Box::pin(form::read(exchange, head, unread)).await?;
        if !sending.streams() {
            *unread = Unread::Nothing;
        }
        (json, Some(Box::new(sending)))
    } else {
        (arrive::read_body(exchange, unread).await?, None)
    };
    exchange.complete = Instant::now();
    // A body may take its time: neither gates nor upstreams see one of a key that was revoked meanwhile.
    exchange.unrevoked()?;
    let Some(asked) = asked else {
        let answer = Box::pin(moderate::moderate(exchange, body));
        return answer.await.map(Walked::Answered);
    };
    let inspected = if exchange.snapshot.keeps {
        // Boxed, as all that most configs have not.
        Box::pin(keep::inspect(exchange, head, (asked, body))).await?
    } else {
        inspect::inspect(exchange, head, (asked, body)).await?
    };
    let mut routed = route::route(exchange, inspected)?;
    routed.form = sending;
    if !exchange.snapshot.gates.is_empty() {
        // Boxed: few configs have gates, and every request's future would be the larger for them.
        Box::pin(gate::ask(exchange, &routed)).await?;
    }
    if routed.asked.endpoint.asks == Asks::Count && !count::is_counted(exchange, &routed) {
        let answer = Box::pin(count::estimate(exchange, &routed));
        return answer.await.map(Walked::Answered);
    }
    let sent = if exchange.keep.is_some() {
        Box::pin(keep::dispatch(exchange, &routed)).await
    } else {
        dispatch::dispatch(exchange, &routed).await
    };
    sent.map(Walked::Sent)
}

impl Arrived<'_> {
    /// Whether this request is work: limits apply.
    fn is_call(&self) -> bool {
        matches!(self.what, What::Call(_) | What::Moderations)
    }
}

/// The answer to a request whose own answer was lost, in a panic or at the end of a drain. Its exchange closes its record
/// as it is dropped.
pub fn last_words(fault: &Fault, id: RequestId, dialect: &'static dyn ClientDialect) -> Response {
    refuse::bare(fault, id, dialect)
}
