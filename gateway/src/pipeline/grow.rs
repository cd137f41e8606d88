//! A reply that outgrows what was reserved for it.
//!
//! Every so many tokens a stream reserves more before it goes on. What a rate has no room for is charged to it all the same:
//! the vendor has been asked, and the next request pays. A budget that has no more ends the stream. Of a reply that cannot
//! be ended so, because it comes whole, the vendor is told how much there is.
//!
//! Invariants: a budget is exceeded by no more than one read of the stream, or by what a vendor says beyond its own cap;
//! nothing is asked more often than once in [`STEP`] tokens, or once more at the end of a budget; meanwhile nothing is read.

use std::num::NonZeroU64;
use std::pin::Pin;

use ledger::Lease;
use policies::limit::level::Window;
use policies::limit::meter::{Limited, Reserved, Unit, Used};
use smallvec::SmallVec;
use wire::Fault;

use super::limits::{self, Estimate};
use super::settle::Exchange;

/// Tokens of a reply that are reserved at once.
const STEP: u64 = 512;

/// How far a reply may go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach {
    /// Tokens of the reply that are reserved.
    pub(super) covered: u64,
    /// What to ask of the vendor at most, of each choice, where a budget has less than a reply usually needs.
    pub(super) cap: Option<NonZeroU64>,
}

impl Default for Reach {
    fn default() -> Self {
        Self {
            covered: u64::MAX,
            cap: None,
        }
    }
}

impl Reach {
    /// What of an estimate's reply was had.
    pub(super) fn of(lease: &Lease, estimate: &Estimate) -> Self {
        let mut reach = Self::default();
        for (meter, amount) in lease.reserved() {
            let (wanted, prompt) = match meter.limit.unit {
                Unit::Tokens => (estimate.tokens, estimate.prompt.tokens),
                Unit::Cost => (estimate.cost_nano, estimate.prompt.cost_nano),
                Unit::Requests | Unit::Concurrent | Unit::Streams => continue,
            };
            let covered = part(
                estimate.reply,
                amount.saturating_sub(prompt),
                wanted.saturating_sub(prompt),
            );
            reach.covered = reach.covered.min(covered);
            if estimate.least.is_some()
                && covered < estimate.reply
                && matches!(meter.limit.window, Window::Calendar(_))
            {
                let each = NonZeroU64::new(covered / estimate.choices.max(1));
                let each = each.unwrap_or(NonZeroU64::MIN);
                reach.cap = Some(reach.cap.map_or(each, |cap| cap.min(each)));
            }
        }
        reach
    }
}

/// As much of `whole` as `had` is of `wanted`.
fn part(whole: u64, had: u64, wanted: u64) -> u64 {
    if had >= wanted {
        return whole;
    }
    let part = u128::from(whole) * u128::from(had) / u128::from(wanted);
    u64::try_from(part).unwrap_or(whole)
}

/// A stream that waits for more.
pub(super) type Growing = Pin<Box<dyn Future<Output = Grown> + Send>>;

/// What came of it.
pub(super) struct Grown {
    lease: Lease,
    /// Tokens more.
    result: Result<(u64, Reserved), Limited>,
}

/// Whether the reply has said all that is reserved for it.
pub(super) fn is_due(exchange: &Exchange) -> bool {
    exchange.lease.is_some() && exchange.said_tokens() >= exchange.reach.covered
}

/// Begins to reserve more; takes the lease along meanwhile.
pub(super) fn begin(exchange: &mut Exchange) -> Option<Growing> {
    let said = exchange.said_tokens();
    let mut lease = exchange.lease.take()?;
    let price = exchange
        .answering()
        .and_then(|target| target.price.as_ref());
    // A read may have gone beyond.
    let behind = said.saturating_sub(exchange.reach.covered);
    let step = behind.saturating_add(STEP);
    let more = Used {
        tokens: step,
        cost_nano: price.map_or(0, |price| price.at_most(0, step)),
    };
    let now = limits::now(exchange);
    Some(Box::pin(async move {
        let before = amounts(&lease);
        let grown = lease.grow(more, now).await;
        let result = grown.map(|reserved| {
            let after = amounts(&lease);
            let steps = after.iter().map(|(name, unit, amount)| {
                let was = before.iter().find(|(other, ..)| other == name);
                let had = amount - was.map_or(0, |(.., was)| *was).min(*amount);
                let wanted = match unit {
                    Unit::Tokens => more.tokens,
                    Unit::Cost => more.cost_nano,
                    Unit::Requests | Unit::Concurrent | Unit::Streams => 0,
                };
                // Nobody answered: else a budget gives one at least, or refuses.
                if had == 0 {
                    step
                } else {
                    part(step, had, wanted)
                }
            });
            // At least one: or a remainder too small for a token would be asked for again and again.
            (steps.min().unwrap_or(step).max(1), reserved)
        });
        Grown { lease, result }
    }))
}

/// What is reserved of each limit, all periods together.
fn amounts(lease: &Lease) -> SmallVec<[(Box<str>, Unit, u64); 4]> {
    let mut all: SmallVec<[(Box<str>, Unit, u64); 4]> = SmallVec::new();
    for (meter, amount) in lease.reserved() {
        match all.iter_mut().find(|(name, ..)| **name == *meter.name()) {
            Some((.., sum)) => *sum = sum.saturating_add(amount),
            None => all.push((meter.name().into(), meter.limit.unit, amount)),
        }
    }
    all
}

/// Takes the lease back.
///
/// # Errors
/// A budget has no more.
pub(super) fn end(exchange: &mut Exchange, grown: Grown) -> Result<(), Fault> {
    exchange.lease = Some(grown.lease);
    match grown.result {
        Ok((more, reserved)) => {
            limits::warn(exchange, limits::told(&reserved.crossed));
            exchange.reach.covered = exchange.reach.covered.saturating_add(more);
            Ok(())
        }
        Err(limited) => {
            let crossed = limited.crossed.map(|at| (&limited.meter, at));
            limits::warn(exchange, crossed);
            // What runs is this stream itself.
            let limited = Limited {
                held: false,
                ..limited.clone()
            };
            Err(limits::fault(&limited, &[]))
        }
    }
}
