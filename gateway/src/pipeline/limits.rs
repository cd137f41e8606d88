//! How much: what a request may use of its key's, its teams' and its model's limits, and what it used.
//!
//! Everything is asked at once, when the request is read and before it is looked through: in one round trip where limits are
//! shared. What is estimated here is settled in [`Exchange::finish`](super::settle::Exchange::finish).
//!
//! Compares no grades. Invariants: a model that the key may not ask for is charged nothing; a request that ends before it
//! could be refused is counted all the same; what a limit refused is charged nowhere.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use journal::Tokens;
use ledger::{Lease, Ledger, Refused};
use policies::limit::level::{Now, Window};
use policies::limit::meter::{Charge, Limited, Meter, Reserved, Unit, Used};
use policies::limit::period::Period;
use smallvec::SmallVec;
use wire::facts::RequestFacts;
use wire::{Fault, Kind};

use super::settle::Exchange;
use crate::config::snapshot::Model;

/// What a client that runs into a limit on what is held is told to wait: nobody knows when a place frees.
const HELD_RETRY: Duration = Duration::from_secs(1);
/// The same, while the store of limits does not answer.
const DOWN_RETRY: Duration = Duration::from_secs(1);

pub(super) type Charges = SmallVec<[Charge; 8]>;

/// An answer, and to what.
struct Answer {
    charges: Charges,
    reserved: Result<(Reserved, Lease), Refused>,
}

/// An answer that is to come.
type Waiting = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// What a request is likely to use.
#[derive(Clone, Copy, Default)]
pub(super) struct Estimate {
    tokens: u64,
    cost_nano: u64,
    streams: u64,
    /// Of those, what the prompt alone uses, if the reply's part is our guess and not the client's cap: a guess must not make
    /// a small limit one that nobody can ever keep.
    sure: Option<Sure>,
}

#[derive(Clone, Copy)]
struct Sure {
    tokens: u64,
    cost_nano: u64,
}

/// Reserves what the request is likely to use.
pub(super) async fn reserve(exchange: &mut Exchange, facts: &RequestFacts) -> Result<(), Fault> {
    match ask(exchange, Some(facts))? {
        Some(waiting) => hear(exchange, waiting.await),
        None => Ok(()),
    }
}

/// Reserves for a request that uses no model.
pub(super) async fn reserve_alone(exchange: &mut Exchange) -> Result<(), Fault> {
    match ask(exchange, None)? {
        Some(waiting) => hear(exchange, waiting.await),
        None => Ok(()),
    }
}

/// Asks the limits; what is left to wait for is boxed, so that requests which wait for nothing carry no room for it.
fn ask(exchange: &mut Exchange, facts: Option<&RequestFacts>) -> Result<Option<Waiting>, Fault> {
    let Some(principal) = exchange.principal.clone() else {
        return Ok(None);
    };
    let model = facts.and_then(|facts| exchange.snapshot.models.get(facts.model.as_str()));
    let model = model
        .filter(|model| principal.models.allow(&model.name))
        .cloned();
    let none: &[Arc<Meter>] = &[];
    let of_model = model.as_ref().map_or(none, |model| &model.meters);
    let estimate = match (facts, &model) {
        (Some(facts), Some(model)) => estimate(exchange.request_bytes, facts, model),
        _ => Estimate::default(),
    };
    let charges = charges(principal.meters.iter().chain(of_model), estimate);
    if charges.is_empty() {
        return Ok(None);
    }
    exchange.is_counted();
    let now = now(exchange);
    match &exchange.worker.ledger {
        Ledger::Memory => {
            let reserved = ledger::reserve_here(&charges, now);
            hear(exchange, Answer { charges, reserved }).map(|()| None)
        }
        shared @ Ledger::Shared(_) => {
            let shared = shared.clone();
            Ok(Some(Box::pin(async move {
                let reserved = shared.reserve(&charges, now).await;
                Answer { charges, reserved }
            })))
        }
    }
}

/// Counts a request that nobody could refuse any more.
pub(super) fn count(exchange: &Exchange) {
    let Some(principal) = &exchange.principal else {
        return;
    };
    let requests = principal.meters.iter();
    let requests = requests.filter(|meter| meter.limit.unit == Unit::Requests);
    let charges = charges(requests, Estimate::default());
    exchange.worker.ledger.count(&charges, now(exchange));
}

pub(super) fn charges<'a>(meters: impl Iterator<Item = &'a Arc<Meter>>, estimate: Estimate) -> Charges {
    let mut charges = Charges::new();
    for meter in meters {
        let amount = match meter.limit.unit {
            Unit::Requests | Unit::Concurrent => 1,
            Unit::Streams => estimate.streams,
            Unit::Tokens => within(
                estimate.tokens,
                estimate.sure.map(|sure| sure.tokens),
                meter.limit.amount,
            ),
            Unit::Cost => within(
                estimate.cost_nano,
                estimate.sure.map(|sure| sure.cost_nano),
                meter.limit.amount,
            ),
        };
        if amount > 0 {
            charges.push(Charge {
                meter: Arc::clone(meter),
                amount,
            });
        }
    }
    charges
}

/// An estimate of which `sure` is certain and the rest a guess, for a limit of `amount`.
fn within(estimate: u64, sure: Option<u64>, amount: u64) -> u64 {
    match sure {
        Some(sure) => estimate.min(amount.max(sure)),
        None => estimate,
    }
}

pub(super) fn estimate(bytes: u64, facts: &RequestFacts, model: &Model) -> Estimate {
    let prompt = model.learnt.prompt(bytes);
    let each = facts.max_tokens.unwrap_or_else(|| model.learnt.reply());
    let reply = each.saturating_mul(u64::from(facts.choices.max(1)));
    // Whichever target answers: the dearest.
    let dearest = |reply| {
        let prices = model
            .targets
            .iter()
            .filter_map(|target| target.price.as_ref());
        let costs = prices.map(|price| price.at_most(prompt, reply));
        costs.max().unwrap_or(0)
    };
    Estimate {
        tokens: prompt.saturating_add(reply),
        cost_nano: dearest(reply),
        streams: u64::from(facts.stream),
        sure: facts.max_tokens.is_none().then(|| Sure {
            tokens: prompt,
            cost_nano: dearest(0),
        }),
    }
}

/// What the limits said.
fn hear(exchange: &mut Exchange, answer: Answer) -> Result<(), Fault> {
    let Answer { charges, reserved } = answer;
    let metrics = &exchange.worker.shared.metrics;
    match reserved {
        Ok((reserved, lease)) => {
            metrics.ratelimit_allowed.inc();
            exchange.standing = reserved.requests;
            exchange.tokens_standing = reserved.tokens;
            for meter in &reserved.crossed {
                let (level, name) = (meter.owner.level(), meter.owner.name());
                tracing::warn!(level, name, limit = meter.name(), "budget nearly spent");
            }
            exchange.lease = Some(lease);
            Ok(())
        }
        Err(Refused::Limited(limited)) => {
            metrics.ratelimit_limited.inc();
            match limited.meter.limit.unit {
                Unit::Requests => exchange.standing = Some(limited.standing),
                Unit::Tokens => exchange.tokens_standing = Some(limited.standing),
                Unit::Cost | Unit::Concurrent | Unit::Streams => {}
            }
            Err(fault(&limited, &charges))
        }
        Err(Refused::Down(meter)) => Err(down(&meter)),
    }
}

/// Nobody can say whether this limit has room.
pub(super) fn down(meter: &Meter) -> Fault {
    Fault::new(Kind::LedgerDown)
        .reason("ledger_down")
        .detail(meter.name().to_owned())
        .retry_after(DOWN_RETRY)
}

pub(super) fn now(exchange: &Exchange) -> Now {
    Now {
        mono_ns: exchange.worker.now_ns(),
        wall_ms: exchange.worker.now_ms(),
    }
}

/// Settles with what was used, and learns from it. Estimated figures teach nothing.
pub(super) fn settle(exchange: &mut Exchange, tokens: Tokens) {
    if !tokens.estimated
        && let Some(learnt) = exchange.learnt()
    {
        learnt.learn(exchange.request_bytes, tokens.prompt, tokens.completion);
    }
    let now = now(exchange);
    let cost_nano = exchange.cost(tokens).map_or(0, |(_, nano)| nano);
    let used = Used {
        tokens: tokens.prompt.saturating_add(tokens.completion),
        cost_nano,
    };
    if let Some(pass) = exchange.pass.take() {
        pass.end(used, now);
    }
    match exchange.lease.take() {
        Some(lease) => lease.settle(used, now),
        None if exchange.is_uncounted() => count(exchange),
        None => {}
    }
}

/// What a client is told: which limit, of whom, and when it frees.
pub(super) fn fault(limited: &Limited, charges: &[Charge]) -> Fault {
    let Meter { owner, limit, .. } = &*limited.meter;
    let budget = matches!(limit.window, Window::Calendar(_));
    let what = match limit.unit {
        Unit::Requests => "requests",
        Unit::Tokens => "tokens",
        Unit::Cost => "budget",
        Unit::Concurrent => "requests at once",
        Unit::Streams => "streams at once",
    };
    let per = match limit.window {
        Window::Rolling(60_000_000_000) => " per minute",
        Window::Rolling(3_600_000_000_000) => " per hour",
        Window::Rolling(_) => " per day",
        Window::Calendar(Period::Day) => " of the day",
        Window::Calendar(Period::Week) => " of the week",
        Window::Calendar(Period::Month) => " of the month",
        Window::Held => "",
    };
    let (level, name) = (owner.level(), owner.name());
    // Money is no client's business: only what it asked for itself is told in figures.
    let sentence = if limited.never && limit.unit == Unit::Tokens {
        let asked = charges
            .iter()
            .find(|c| Arc::ptr_eq(&c.meter, &limited.meter));
        format!(
            "The request may use {} tokens, and {level} {name} has {}{per}: set a lower max_tokens, or send less.",
            asked.map_or(0, |charge| charge.amount),
            limit.amount
        )
    } else if limit.unit == Unit::Cost {
        format!("The budget{per} of {level} {name} is spent.")
    } else {
        format!(
            "The limit of {} {what}{per} of {level} {name} is reached.",
            limit.amount
        )
    };
    let kind = if budget {
        Kind::BudgetSpent
    } else {
        Kind::RateLimited
    };
    let fault = Fault::new(kind)
        .reason(reason(level, limit.unit, limit.window))
        .message(sentence);
    match limited.retry_ns {
        Some(ns) => fault.retry_after(Duration::from_nanos(ns)),
        None if limited.never => fault,
        None => fault.retry_after(HELD_RETRY),
    }
}

/// Reasons of one level, by unit and window.
macro_rules! reasons {
    ($level:literal, $unit:expr, $window:expr) => {
        match ($unit, $window) {
            (Unit::Requests, Window::Rolling(60_000_000_000)) => concat!($level, "_rpm"),
            (Unit::Requests, Window::Rolling(3_600_000_000_000)) => concat!($level, "_rph"),
            (Unit::Requests, _) => concat!($level, "_rpd"),
            (Unit::Tokens, Window::Rolling(60_000_000_000)) => concat!($level, "_tpm"),
            (Unit::Tokens, Window::Rolling(3_600_000_000_000)) => concat!($level, "_tph"),
            (Unit::Tokens, Window::Calendar(_)) => concat!($level, "_token_budget"),
            (Unit::Tokens, _) => concat!($level, "_tpd"),
            (Unit::Cost, _) => concat!($level, "_budget"),
            (Unit::Concurrent, _) => concat!($level, "_concurrent"),
            (Unit::Streams, _) => concat!($level, "_streams"),
        }
    };
}

fn reason(level: &str, unit: Unit, window: Window) -> &'static str {
    match level {
        "key" => reasons!("key", unit, window),
        "user" => reasons!("user", unit, window),
        "team" => reasons!("team", unit, window),
        "model" => reasons!("model", unit, window),
        _ => reasons!("provider", unit, window),
    }
}
