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
use policies::limit::level::{Now, Standing, Window};
use policies::limit::meter::{
    Charge, Charges, Crossings, Limited, Meter, Need, Reserved, Unit, Used,
};
use policies::limit::period::Period;
use wire::facts::RequestFacts;
use wire::{Fault, Kind};

use super::grow::Reach;
use super::settle::Exchange;
use crate::alerts::Crossed;
use crate::config::snapshot::Model;

/// What a client that runs into a limit on what is held is told to wait: nobody knows when a place frees.
const HELD_RETRY: Duration = Duration::from_secs(1);
/// The same, while the store of limits does not answer.
const DOWN_RETRY: Duration = Duration::from_secs(1);

/// Tokens of a reply for which there must be room, where it sets no cap of its own: less would be no reply.
const REPLY_MIN: u64 = 16;

/// An answer, and to what.
struct Answer {
    charges: Charges,
    estimate: Estimate,
    reserved: Result<(Reserved, Lease), Refused>,
}

/// An answer that is to come.
type Waiting = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// What a request is likely to use.
#[derive(Clone, Copy, Default)]
pub(super) struct Estimate {
    pub(super) tokens: u64,
    pub(super) cost_nano: u64,
    streams: u64,
    /// Tokens of the reply, all choices together.
    pub(super) reply: u64,
    pub(super) choices: u64,
    /// What the prompt alone uses.
    pub(super) prompt: Used,
    /// If the reply's part is our guess and not the client's cap: with less than the whole it may go on.
    pub(super) least: Option<Used>,
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
    let charges = charges(principal.meters().chain(of_model), estimate);
    if charges.is_empty() {
        return Ok(None);
    }
    exchange.is_counted();
    let now = exchange.moment(exchange.complete);
    match &exchange.worker.ledger {
        Ledger::Memory => {
            let answer = Answer {
                reserved: ledger::reserve_here(&charges, now),
                charges,
                estimate,
            };
            hear(exchange, answer).map(|()| None)
        }
        shared @ Ledger::Shared(_) => {
            let shared = shared.clone();
            Ok(Some(Box::pin(async move {
                Answer {
                    reserved: shared.reserve(&charges, now).await,
                    charges,
                    estimate,
                }
            })))
        }
    }
}

/// Counts a request that nobody could refuse any more.
pub(super) fn count(exchange: &Exchange) {
    let Some(principal) = &exchange.principal else {
        return;
    };
    let requests = principal.meters();
    let requests = requests.filter(|meter| meter.limit.unit == Unit::Requests);
    let charges = charges(requests, Estimate::default());
    exchange.worker.ledger.count(&charges, now(exchange));
}

pub(super) fn charges<'a>(
    meters: impl Iterator<Item = &'a Arc<Meter>>,
    estimate: Estimate,
) -> Charges {
    let mut charges = Charges::new();
    for meter in meters {
        let (amount, least) = match meter.limit.unit {
            Unit::Requests | Unit::Concurrent => (1, None),
            Unit::Streams => (estimate.streams, None),
            Unit::Tokens => (estimate.tokens, estimate.least.map(|least| least.tokens)),
            Unit::Cost => (
                estimate.cost_nano,
                estimate.least.map(|least| least.cost_nano),
            ),
        };
        if amount > 0 {
            charges.push(Charge {
                need: least.map_or(Need::All, Need::Least),
                ..Charge::all(meter, amount)
            });
        }
    }
    charges
}

pub(super) fn estimate(bytes: u64, facts: &RequestFacts, model: &Model) -> Estimate {
    let prompt = model.learnt.prompt(bytes);
    let each = facts.max_tokens.unwrap_or_else(|| model.learnt.reply());
    let reply = each.saturating_mul(u64::from(facts.choices.max(1)));
    let images = u64::from(facts.choices.max(1));
    // Whichever target answers: the dearest.
    let dearest = |reply| {
        let prices = model
            .targets
            .iter()
            .filter_map(|target| target.price.as_ref());
        let costs = prices.map(|price| {
            let of_tokens = price.at_most(prompt, reply);
            of_tokens.saturating_add(price.beside_tokens(images))
        });
        costs.max().unwrap_or(0)
    };
    let with = |reply: u64| Used {
        tokens: prompt.saturating_add(reply),
        cost_nano: dearest(reply),
    };
    let Used { tokens, cost_nano } = with(reply);
    Estimate {
        tokens,
        cost_nano,
        streams: u64::from(facts.stream),
        reply,
        choices: u64::from(facts.choices.max(1)),
        prompt: with(0),
        least: facts
            .max_tokens
            .is_none()
            .then(|| with(reply.min(REPLY_MIN))),
    }
}

/// What the limits said.
fn hear(exchange: &mut Exchange, answer: Answer) -> Result<(), Fault> {
    let Answer {
        charges,
        reserved,
        estimate,
    } = answer;
    let metrics = &exchange.worker.shared.metrics;
    match reserved {
        Ok((reserved, lease)) => {
            metrics.ratelimit_allowed.inc();
            exchange.standing = reserved.requests;
            exchange.tokens_standing = reserved.tokens;
            warn(exchange, told(&reserved.crossed));
            exchange.reach = Reach::of(&lease, &estimate);
            exchange.lease = Some(lease);
            Ok(())
        }
        Err(Refused::Limited(limited)) => {
            metrics.ratelimit_limited.inc();
            warn(exchange, limited.crossed.map(|at| (&limited.meter, at)));
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

/// Tells of budgets that are nearly spent.
pub(super) fn warn<'a>(
    exchange: &Exchange,
    crossed: impl IntoIterator<Item = (&'a Arc<Meter>, Standing)>,
) {
    for (meter, standing) in crossed {
        exchange.worker.shared.crossed(Crossed {
            meter: Arc::clone(meter),
            standing,
            now_ms: exchange.worker.now_ms(),
        });
    }
}

pub(super) fn told(crossed: &Crossings) -> impl Iterator<Item = (&Arc<Meter>, Standing)> {
    crossed.iter().map(|(meter, at)| (meter, *at))
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
pub(super) fn settle(exchange: &mut Exchange, tokens: Tokens, now: Now) {
    if !tokens.estimated
        && let Some(learnt) = exchange.learnt()
    {
        learnt.learn(exchange.request_bytes, tokens.prompt, tokens.completion);
    }
    let cost_nano = exchange.cost(tokens).map_or(0, |(_, nano)| nano);
    let used = Used {
        tokens: tokens.prompt.saturating_add(tokens.completion),
        cost_nano,
    };
    if let Some(pass) = exchange.pass.take() {
        pass.end(used, now);
    }
    match exchange.lease.take() {
        Some(lease) => warn(exchange, told(&lease.settle(used, now))),
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
    let sentence = if limited.held {
        format!("Requests that run hold what is left of the budget{per} of {level} {name}.")
    } else if limited.never && limit.unit == Unit::Cost {
        format!(
            "The request may cost more than the budget{per} of {level} {name}: set a lower max_tokens, or send less."
        )
    } else if limited.never && limit.unit == Unit::Tokens {
        let asked = charges
            .iter()
            .find(|c| Arc::ptr_eq(&c.meter, &limited.meter));
        format!(
            "The request may use {} tokens, and {level} {name} has {}{per}: set a lower max_tokens, or send less.",
            asked.map_or(0, |charge| charge.least().unwrap_or(charge.amount)),
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
    let kind = match limited.held {
        true => Kind::BudgetHeld,
        false if budget => Kind::BudgetSpent,
        false => Kind::RateLimited,
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
