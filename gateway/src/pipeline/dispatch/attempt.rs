//! One request to one target: its credential, what goes up, and the wait for the reply's head.
//!
//! Invariants: every wait is under the model's clocks; a credential that the vendor has rejected is not sent again; nothing
//! goes up for a caller whose right has ended.

use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use adapters::vendor::{self, Vendor};
use wire::Fault;
use wire::json::{self, Value};

use super::receive::{collect, heard};
use super::{ERROR_BODY_BYTES, Sent};
use crate::config::snapshot::Target;
use crate::pipeline::clocks::Clocks;
use crate::pipeline::governing::Governing;
use crate::pipeline::prepare::{Prepared, request};
use crate::pipeline::route::Routed;
use crate::pipeline::settle::Exchange;
use crate::pipeline::{media, work};
use crate::upstream::token::{self, Fetched};

/// One request to one target, up to the commit point.
pub(super) async fn attempt(
    exchange: &mut Exchange,
    routed: &Routed,
    target: &Target,
    (prepared, governing): (&Prepared, &Governing),
    rejected: Option<&Arc<Fetched>>,
    used: &mut Option<Arc<Fetched>>,
) -> Result<Sent, Fault> {
    let clocks = Clocks::start(exchange.started, &routed.model.clocks, exchange.alarm());
    let vendor = target.vendor()?;
    let token = fresh(exchange, routed, (target, vendor), &clocks, rejected).await?;
    used.clone_from(&token);
    exchange.unrevoked()?;
    let token = token.as_ref().map(|token| token.value.as_str());
    if let Some(doing) = prepared.work.as_deref() {
        let doing = (prepared, doing);
        return Box::pin(work::attempt(
            exchange, routed, target, doing, token, &clocks,
        ))
        .await;
    }
    let request = request(exchange, routed, target, (prepared, &prepared.body), token)?;
    let bounds = exchange.snapshot.bounds(&routed.model.clocks);
    let client = Arc::clone(&exchange.worker.client);
    let endpoint = &target.provider.endpoint;
    let asked = &mut exchange.meter.asked;
    let reply = match routed.form.as_deref() {
        // Boxed, as all that is rare.
        None if vendor.info().websocket => {
            let opened = Box::pin(client.open(endpoint, &bounds, &request, asked));
            clocks.first(opened).await??
        }
        None => {
            clocks
                .first(pin!(client.send_told(endpoint, &bounds, &request, asked)))
                .await??
        }
        Some(form) => {
            let sent = media::send(exchange, form, &client, endpoint, (&bounds, &request));
            clocks.first(Box::pin(sent)).await??
        }
    };
    exchange.meter.first_byte = Some(Instant::now());
    heard(
        exchange,
        routed,
        (prepared, governing),
        vendor,
        (reply, clocks),
    )
    .await
}

/// A token for the vendor, if it wants one.
async fn fresh(
    exchange: &Exchange,
    routed: &Routed,
    (target, vendor): (&Target, &'static dyn Vendor),
    clocks: &Clocks,
    rejected: Option<&Arc<Fetched>>,
) -> Result<Option<Arc<Fetched>>, Fault> {
    let wants = vendor.wants_token(&target.provider.credential());
    let Some(flow) = vendor.token_flow().filter(|_| wants) else {
        return Ok(None);
    };
    // Its own request holds nothing of this one, and may take a while.
    exchange.opened().write();
    // Boxed, as all that is rare: every request would carry room for it.
    let token = Box::pin(token(exchange, routed, target, flow, rejected));
    clocks.first(token).await?.map(Some)
}

async fn token(
    exchange: &Exchange,
    routed: &Routed,
    target: &Target,
    flow: &'static dyn vendor::TokenFlow,
    rejected: Option<&Arc<Fetched>>,
) -> Result<Arc<Fetched>, Fault> {
    let provider = Arc::clone(&target.provider);
    let cell = exchange.worker.shared.tokens.of(&provider.token_key);
    let bounds = exchange.snapshot.bounds(&routed.model.clocks);
    let client = Arc::clone(&exchange.worker.client);
    let now_ms = exchange.now_ms;
    let limits = routed.model.clocks;
    // It may outlive this request, of which it holds nothing.
    cell.get(rejected, || async move {
        let request = token::request(flow, &provider.credential());
        let endpoint = &provider.token_endpoint;
        let reply = client.send(endpoint, &bounds, &request).await?;
        let clocks = Clocks::start(Instant::now(), &limits, Arc::default());
        let body = collect(reply.body, &clocks, ERROR_BODY_BYTES, true).await?;
        let tape = json::scan(&body, &json::Limits::default()).ok();
        let root = tape.as_ref().and_then(|tape| Value::root(tape, &body));
        let token = flow.read(
            &vendor::Head {
                status: reply.head.status,
                headers: &reply.head.headers,
                now_ms,
            },
            root,
        )?;
        Ok(Fetched::new(token.value, token.lifetime))
    })
    .await
}
