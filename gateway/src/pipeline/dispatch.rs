//! To the upstream: the opening record, then one cleared target after another until a reply has begun well.
//!
//! Accepts nothing but `Cleared`. A target whose vendor allows us no more is passed by, or waited for where there is no
//! other (`admission`). Where all have failed, the last is asked again, if what ails it may pass. Sends nothing before the journal's opening record is written (and synced, if the config
//! asks: the request takes it along and connects meanwhile). What one attempt does is in `attempt`, what its reply is in
//! `receive`. A refusal of ours never sets off the next attempt.

mod attempt;
mod receive;

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderValue;
use wire::fault::Retry;
use wire::json;
use wire::{Fault, Kind, Rope};

use super::admission::{self, Full};
use super::clocks::Clocks;
use super::governing::{Governing, label};
use super::prepare::{Prepared, note_dropped, prepare};
use super::reading::Reading;
use super::route::Routed;
use super::settle::Exchange;
use crate::config::snapshot::Target;
use crate::upstream::client;

use attempt::attempt;
pub(super) use receive::{collect, reply_head, sse_limits};

/// Bytes of an error body that are looked at. Vendors' errors are short; pages of proxies are not of interest.
pub(super) const ERROR_BODY_BYTES: usize = 64 << 10;
/// Bounds of a whole reply's JSON: its length is bounded already.
pub(super) const REPLY_LIMITS: json::Limits = json::Limits {
    depth: 256,
    tokens: usize::MAX,
    members: u32::MAX,
    elements: u32::MAX,
    number: 64,
};
/// Pause before the same target is tried once more: so long for each attempt so far, and up to as long again.
const PAUSE: Duration = Duration::from_millis(100);

/// A reply that has begun well.
pub(super) enum Sent {
    /// All of it, in the client's dialect.
    Whole { body: Rope, streamed: bool },
    /// Its beginning, in the client's dialect, and the rest on the wire.
    Streaming {
        begun: Rope,
        reading: Box<Reading>,
        rest: Box<Rest>,
    },
    /// A reply of another kind than JSON, whole.
    Text { body: Rope, kind: &'static str },
    /// Bytes that nobody reads: the first of them, and the rest on the wire.
    Through {
        begun: Bytes,
        kind: HeaderValue,
        rest: Box<Rest>,
    },
}

/// What of a reply has not come yet. Apart, since a reply is handed from one who made it to the next half a dozen times.
pub(super) struct Rest {
    pub(super) upstream: client::Body,
    pub(super) clocks: Clocks,
}

pub(super) async fn dispatch(exchange: &mut Exchange, routed: &Routed) -> Result<Sent, Fault> {
    let most = exchange.snapshot.retries as usize + 1;
    let mut last = Fault::from(Kind::NoClearedProvider);
    let mut told = false;
    let mut full = Vec::new();
    let mut failed = None;
    exchange.worker.client.again.earns();
    for at in 0..routed.cleared.len() {
        if exchange.attempts() >= most {
            break;
        }
        match step(exchange, routed, at, most).await {
            Ok(sent) => return Ok(sent),
            Err(Missed::Final(fault)) => return Err(fault),
            Err(Missed::Unsuited(fault)) if !told => last = fault,
            Err(Missed::Unsuited(_)) => {}
            Err(Missed::Failed(fault)) => (last, told, failed) = (fault, true, Some(at)),
            Err(Missed::Full(of)) => {
                told = true;
                full.push(of);
            }
        }
    }
    while let Some(at) = failed
        && full.is_empty()
        && exchange.attempts() < most
        && let Some(pause) = pause(exchange, routed, &last)
    {
        tokio::time::sleep(pause).await;
        match Box::pin(step(exchange, routed, at, most)).await {
            Ok(sent) => return Ok(sent),
            Err(Missed::Final(fault)) => return Err(fault),
            Err(Missed::Unsuited(fault) | Missed::Failed(fault)) => last = fault,
            Err(Missed::Full(of)) => full.push(of),
        }
    }
    while !full.is_empty() && exchange.attempts() < most {
        // Boxed, as all that is rare.
        let at = Box::pin(admission::wait(exchange, routed, &mut full)).await?;
        match Box::pin(step(exchange, routed, at, most)).await {
            Ok(sent) => return Ok(sent),
            Err(Missed::Final(fault)) => return Err(fault),
            Err(Missed::Unsuited(fault) | Missed::Failed(fault)) => last = fault,
            Err(Missed::Full(of)) => full.push(of),
        }
    }
    Err(full.pop().map_or(last, Full::into_fault))
}

/// Why a target did not answer.
enum Missed {
    /// No other will either.
    Final(Fault),
    /// It cannot be told this request.
    Unsuited(Fault),
    /// It failed.
    Failed(Fault),
    /// Its vendor allows us no more for now.
    Full(Full),
}

/// One target, from its body to a reply that has begun well.
async fn step(
    exchange: &mut Exchange,
    routed: &Routed,
    at: usize,
    most: usize,
) -> Result<Sent, Missed> {
    let Some(cleared) = routed.cleared.get(at) else {
        return Err(Missed::Final(Kind::Bug.into()));
    };
    // A request that this target cannot be told may suit another; if none, it is refused before anything is opened.
    let mut prepared = prepare(exchange, routed, cleared).map_err(Missed::Unsuited)?;
    let governing = Governing::of(exchange, routed, cleared);
    if governing.drops_logprobs(routed) {
        prepared.also_dropped("logprobs");
    }
    let here = (at, cleared.target().target());
    // One that waited for its turn has its pass.
    if exchange.pass.is_none() {
        let entered = admission::enter(exchange, routed, here).await;
        entered.map_err(Missed::Full)?;
    }
    if !exchange.is_open() {
        exchange.unrevoked().map_err(Missed::Final)?;
        exchange
            .open(cleared, routed.cleared.len())
            .map_err(Missed::Final)?;
        exchange.passed();
    }
    let sent = target(exchange, routed, at, (&prepared, &governing), most).await;
    // A reply that came whole goes down at once: later nobody asks.
    match sent.and_then(|sent| exchange.unrevoked().map(|()| sent)) {
        Ok(sent) => {
            note_dropped(exchange, &prepared);
            if prepared.work.is_none() {
                label(exchange);
            }
            exchange.verdict = Some(cleared.verdict());
            Ok(sent)
        }
        Err(fault) => {
            admission::leave(exchange);
            Err(match admission::throttled(exchange, here, fault) {
                Ok(full) => Missed::Full(full),
                Err(fault) if fault.retry_advice() == Retry::No => Missed::Final(fault),
                Err(fault) => Missed::Failed(fault),
            })
        }
    }
}

/// Tries one target; once more if its fault says that this helps.
async fn target(
    exchange: &mut Exchange,
    routed: &Routed,
    at: usize,
    (prepared, governing): (&Prepared, &Governing),
    most: usize,
) -> Result<Sent, Fault> {
    let Some(cleared) = routed.cleared.get(at) else {
        return Err(Kind::Bug.into());
    };
    let room = cleared.target().target().room.as_ref();
    let mut rejected = None;
    let mut again = false;
    loop {
        exchange.unrevoked()?;
        exchange.tries(cleared.target());
        let mut used = None;
        let fault = match attempt(
            exchange,
            routed,
            cleared.target().target(),
            (prepared, governing),
            rejected.as_ref(),
            &mut used,
        )
        .await
        {
            Ok(sent) => return Ok(sent),
            Err(fault) => fault,
        };
        exchange.failed(&fault);
        if routed.form.as_ref().is_some_and(|form| form.is_spent()) {
            // What went up of a file is nowhere any more.
            return Err(fault.retry(Retry::No));
        }
        if again || exchange.attempts() >= most {
            return Err(final_here(fault));
        }
        match fault.retry_advice() {
            Retry::FreshCredential if used.is_some() => rejected = used,
            // The vendor's tokens are signed anew for each attempt, unless there are none.
            Retry::FreshCredential if renews(cleared.target().target()) => {}
            _ => return Err(final_here(fault)),
        }
        again = true;
        if room.is_some() {
            admission::leave(exchange);
            let here = (at, cleared.target().target());
            if admission::enter(exchange, routed, here).await.is_err() {
                return Err(final_here(fault));
            }
        }
    }
}

/// How long to wait before the target that failed last is asked again. `None`: that would not help, or may not be.
fn pause(exchange: &Exchange, routed: &Routed, fault: &Fault) -> Option<Duration> {
    let why = fault.why();
    let passes = match fault.kind() {
        Kind::ConnectFailed => ["unreachable", "connect_timeout"].contains(&why),
        Kind::CutShort => why == "closed_early",
        Kind::UpstreamError => {
            let status = fault.http_status();
            let ours = ["auth_failed", "not_permitted"].contains(&why);
            (500..600).contains(&status) && status != 501 && !ours
        }
        _ => false,
    };
    // Where the vendor says when to come back, the client is told, and does.
    if !passes || fault.come_back().is_some() || fault.retry_advice() != Retry::NextTarget {
        return None;
    }
    let times = u32::try_from(exchange.attempts()).unwrap_or(u32::MAX);
    let least = PAUSE.saturating_mul(times);
    // Not all at once again.
    let spread = u64::try_from(least.as_millis()).unwrap_or(1).max(1);
    let pause = least + Duration::from_millis(exchange.worker.random() % spread);
    let in_time = Instant::now() + pause < exchange.started + routed.model.clocks.total;
    (in_time && exchange.worker.client.again.takes()).then_some(pause)
}

/// Whether a target's credential is proven anew when it is asked again.
fn renews(target: &Target) -> bool {
    let vendor = target.vendor();
    vendor.is_ok_and(|vendor| vendor.renews(&target.provider.credential()))
}

/// What helps no more at this target may help at the next.
fn final_here(fault: Fault) -> Fault {
    match fault.retry_advice() {
        Retry::No | Retry::NextTarget => fault,
        Retry::FreshCredential => fault.retry(Retry::NextTarget),
    }
}
