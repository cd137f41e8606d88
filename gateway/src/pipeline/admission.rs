//! In at a provider's door: what the vendor allows us, asked before each attempt, and waited for if need be.
//!
//! A target without room is passed by for the next; where none has room, the request waits at the first door that takes it.
//! Only the first in a door's line asks the limits. What cannot have its turn in time is refused at once.
//!
//! Compares no grades. Invariants: an attempt at a target with limits holds a [`Pass`]; a request waits at one door at a
//! time and never longer than that door's queue and its own total time allow; leaving the future is leaving the line.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use ledger::{Lease, Ledger, Refused};
use policies::limit::door::{Ticket, Turn, Turned, Wants};
use policies::limit::level::Window;
use policies::limit::line::Share;
use policies::limit::meter::{Charge, Charges, Limited, Unit, Used};
use wire::fault::Retry;
use wire::{Fault, Kind};

use super::limits;
use super::route::Routed;
use super::settle::Exchange;
use crate::config::snapshot::{Room, Target};
use crate::telemetry::queue::QueueMeters;

/// When limits in this process are asked again although nobody said that there is room: a reload may have made some.
const AGAIN_HERE: Duration = Duration::from_secs(1);
/// When a shared store is: room that another gateway's request frees is told to nobody here.
const AGAIN_SHARED: Duration = Duration::from_millis(50);
/// For so long at most a vendor's word is taken for it that it has no room: one that says "in a year" is asked again.
const SHUT_MAX: Duration = Duration::from_secs(600);
/// The whole of a limit, in the unit of what waits in a line.
const WHOLE: u64 = 1 << 32;

/// What an attempt holds of a vendor's limits.
#[derive(Debug)]
pub(super) struct Pass {
    lease: Option<Lease>,
    room: Arc<Room>,
    now_ns: u64,
}

impl Pass {
    /// The attempt is over.
    pub(super) fn end(mut self, used: Used, now: policies::limit::level::Now) {
        if let Some(lease) = self.lease.take() {
            // A vendor's limits have no soft threshold.
            let _ = lease.settle(used, now);
        }
        self.now_ns = now.mono_ns;
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        drop(self.lease.take());
        self.room.door.frees(self.now_ns);
    }
}

/// A target that cannot be tried now.
pub(super) struct Full {
    /// Its position in the list of targets.
    pub(super) at: usize,
    fault: Fault,
    /// Nanoseconds until it may have room; 0 if nobody knows.
    first_ns: u64,
    /// Nanoseconds from one turn to the next, where it is a rate of requests that is full.
    pace_ns: u64,
    /// Whether waiting can help.
    waits: bool,
}

impl Full {
    pub(super) fn into_fault(self) -> Fault {
        self.fault
    }
}

/// Takes what an attempt at `target` needs, if there is room and nobody waits for it.
pub(super) async fn enter(
    exchange: &mut Exchange,
    routed: &Routed,
    (at, target): (usize, &Target),
) -> Result<(), Full> {
    let Some(room) = &target.room else {
        return Ok(());
    };
    let now = limits::now(exchange);
    if let Err(first_ns) = room.door.passes(&room.pen, now.mono_ns) {
        let fault = if first_ns > 0 {
            closed(target, first_ns)
        } else {
            crowded(target)
        };
        return Err(Full {
            at,
            fault,
            first_ns,
            pace_ns: 0,
            waits: true,
        });
    }
    let charges = charges(exchange, routed, room);
    match ask(exchange, room, &charges).await {
        Ok(()) => Ok(()),
        Err(refused) => Err(full(at, refused, &charges)),
    }
}

/// The vendor itself may have said that there is no room, and until when: then it is so for all.
///
/// # Errors
/// The fault, if it says no such thing.
pub(super) fn throttled(
    exchange: &Exchange,
    (at, target): (usize, &Target),
    fault: Fault,
) -> Result<Full, Fault> {
    let after = fault
        .come_back()
        .filter(|_| fault.kind() == Kind::Throttled);
    let (Some(room), Some(after)) = (&target.room, after) else {
        return Err(fault);
    };
    let first_ns = nanos(after.min(SHUT_MAX));
    let now_ns = limits::now(exchange).mono_ns;
    room.door.close(&room.pen, now_ns.saturating_add(first_ns));
    if fault.retry_advice() == Retry::No {
        // Nothing of it can be sent again: the others hear of it all the same.
        return Err(fault);
    }
    Ok(Full {
        at,
        fault,
        first_ns,
        pace_ns: 0,
        waits: true,
    })
}

/// An attempt has failed: it used nothing.
pub(super) fn leave(exchange: &mut Exchange) {
    if let Some(pass) = exchange.pass.take() {
        pass.end(Used::default(), limits::now(exchange));
    }
}

/// Waits for a turn at one of the targets without room, and takes it out of `full`.
///
/// # Errors
/// No door lets it wait, or the wait was in vain.
pub(super) async fn wait(
    exchange: &mut Exchange,
    routed: &Routed,
    full: &mut Vec<Full>,
) -> Result<usize, Fault> {
    let share = match &exchange.principal {
        Some(principal) => principal.share.clone(),
        None => Share::of(""),
    };
    let now = limits::now(exchange);
    let mut told: Option<Fault> = None;
    for index in 0..full.len() {
        let Some(of) = full.get(index) else { break };
        let Some(room) = room(routed, of.at) else {
            continue;
        };
        let charges = charges(exchange, routed, &room);
        let wants = Wants {
            share: share.clone(),
            pen: Arc::clone(&room.pen),
            cost: cost(&charges),
            first_ns: of.first_ns,
            pace_ns: of.pace_ns,
        };
        let total = exchange.started + routed.model.clocks.total;
        let patience = total
            .saturating_duration_since(Instant::now())
            .min(room.queue_wait);
        let until_ns = now.mono_ns.saturating_add(nanos(patience));
        let joined = if of.waits && room.queue_max > 0 {
            room.door
                .join(&wants, room.queue_max, (now.mono_ns, until_ns))
        } else {
            Err(Turned::Full {
                after_ns: of.first_ns,
            })
        };
        match joined {
            Ok(ticket) => {
                let of = full.remove(index);
                let turn = Waiting {
                    ticket,
                    room,
                    charges,
                    until: Instant::now() + patience,
                };
                return turn.comes(exchange, routed, of).await;
            }
            Err(turned) => {
                if of.waits && room.queue_max > 0 {
                    count(exchange, routed, of.at, |meters| {
                        match turned {
                            Turned::Full { .. } => meters.full.inc(),
                            Turned::Late { .. } => meters.late.inc(),
                        };
                    });
                }
                if told.is_none() {
                    told = full.get_mut(index).map(|of| of.turned(turned));
                }
            }
        }
    }
    Err(told.unwrap_or_else(|| Kind::Overloaded.into()))
}

impl Full {
    /// What a client is told that may not even wait.
    fn turned(&mut self, turned: Turned) -> Fault {
        let fault = std::mem::replace(&mut self.fault, Kind::Overloaded.into());
        let (Turned::Full { after_ns } | Turned::Late { after_ns }) = turned;
        if after_ns == 0 || !self.waits {
            return fault;
        }
        let known = fault.come_back().unwrap_or_default();
        fault.retry_after(known.max(Duration::from_nanos(after_ns)))
    }
}

/// A request in a line.
struct Waiting {
    ticket: Ticket,
    room: Arc<Room>,
    charges: Charges,
    until: Instant,
}

impl Waiting {
    /// Its turn.
    async fn comes(
        mut self,
        exchange: &mut Exchange,
        routed: &Routed,
        mut of: Full,
    ) -> Result<usize, Fault> {
        let began = Instant::now();
        let late = |exchange: &Exchange, of: Full| {
            count(exchange, routed, of.at, |meters| {
                meters.late.inc();
            });
            Err(of.into_fault())
        };
        loop {
            if !self.turn(exchange).await {
                return late(exchange, of);
            }
            exchange.unrevoked()?;
            let asked = ask(exchange, &self.room, &self.charges).await;
            let now = limits::now(exchange);
            let limited = match asked {
                Ok(()) => {
                    self.ticket.served(now.mono_ns);
                    let waited = began.elapsed();
                    count(exchange, routed, of.at, |meters| {
                        meters.wait.observe(waited);
                    });
                    // Not time of ours.
                    exchange.complete += waited;
                    return Ok(of.at);
                }
                Err(Refused::Down(meter)) => return Err(limits::down(&meter)),
                Err(Refused::Limited(limited)) => limited,
            };
            let own = self.is_own(&limited);
            let left = self.until.saturating_duration_since(Instant::now());
            let again = limited.retry_ns.map(Duration::from_nanos);
            of = full(of.at, Refused::Limited(limited), &self.charges);
            // It cannot be in time: it is told now, and its place goes to the next.
            if !of.waits || again.is_some_and(|again| again > left) {
                return late(exchange, of);
            }
            let most = match exchange.worker.ledger {
                Ledger::Memory => AGAIN_HERE,
                Ledger::Shared(_) => AGAIN_SHARED,
            };
            let again = again.map_or(most, |again| again.min(most));
            let again_ns = now.mono_ns.saturating_add(nanos(again));
            self.ticket.refused(own, again_ns, now.mono_ns);
        }
    }

    /// Waits until it may ask; false if that is too late.
    async fn turn(&mut self, exchange: &Exchange) -> bool {
        let alarm = exchange.alarm();
        poll_fn(|cx| {
            loop {
                let now = Instant::now();
                if now >= self.until {
                    return Poll::Ready(false);
                }
                let now_ns = limits::now(exchange).mono_ns;
                let at = match self.ticket.look(cx, now_ns) {
                    Turn::Mine => return Poll::Ready(true),
                    Turn::Wait => self.until,
                    Turn::At(at_ns) => {
                        let ahead = Duration::from_nanos(at_ns.saturating_sub(now_ns));
                        now.checked_add(ahead)
                            .map_or(self.until, |at| at.min(self.until))
                    }
                };
                std::task::ready!(alarm.poll_until(cx, at));
            }
        })
        .await
    }

    /// Whether it is a limit of this model alone that is full.
    fn is_own(&self, limited: &Limited) -> bool {
        let shared = self.room.limits.iter().take(self.room.shared);
        !shared
            .into_iter()
            .any(|meter| meter.name() == limited.meter.name())
    }
}

/// Asks the limits, and keeps what they give.
async fn ask(exchange: &mut Exchange, room: &Arc<Room>, charges: &Charges) -> Result<(), Refused> {
    leave(exchange);
    let now = limits::now(exchange);
    let (_, lease) = match &exchange.worker.ledger {
        Ledger::Memory => ledger::reserve_here(charges, now)?,
        // Boxed: few requests ask so, and all would carry room for it.
        shared @ Ledger::Shared(_) => Box::pin(shared.reserve(charges, now)).await?,
    };
    exchange.pass = Some(Box::new(Pass {
        lease: Some(lease),
        room: Arc::clone(room),
        now_ns: now.mono_ns,
    }));
    Ok(())
}

fn charges(exchange: &Exchange, routed: &Routed, room: &Room) -> Charges {
    let estimate = limits::estimate(exchange.request_bytes, &routed.facts, &routed.model);
    limits::charges(room.limits.iter(), estimate)
}

fn room(routed: &Routed, at: usize) -> Option<Arc<Room>> {
    let cleared = routed.cleared.get(at)?;
    cleared.target().target().room.clone()
}

/// How much of the limits a request takes, where it takes most.
fn cost(charges: &[Charge]) -> u64 {
    let parts = charges.iter().map(|charge| {
        let part = u128::from(charge.amount) * u128::from(WHOLE);
        let part = part / u128::from(charge.meter.limit.amount.max(1));
        u64::try_from(part).unwrap_or(WHOLE).min(WHOLE)
    });
    parts.max().unwrap_or(WHOLE).max(1)
}

fn full(at: usize, refused: Refused, charges: &[Charge]) -> Full {
    match refused {
        Refused::Limited(limited) => Full {
            at,
            fault: limits::fault(&limited, charges),
            first_ns: limited.retry_ns.unwrap_or(0),
            pace_ns: match (limited.meter.limit.unit, limited.meter.limit.window) {
                // Tokens are given back, so of those it cannot be told.
                (Unit::Requests, Window::Rolling(ns)) => ns / limited.meter.limit.amount.max(1),
                _ => 0,
            },
            waits: !limited.never,
        },
        Refused::Down(meter) => Full {
            at,
            fault: limits::down(&meter),
            first_ns: 0,
            pace_ns: 0,
            waits: false,
        },
    }
}

/// The vendor said when to come back.
fn closed(target: &Target, after_ns: u64) -> Fault {
    let name = &target.provider.name;
    Fault::new(Kind::RateLimited)
        .reason("provider_closed")
        .message(format!("Provider {name} takes no requests for the moment."))
        .retry_after(Duration::from_nanos(after_ns))
}

/// Others wait already.
fn crowded(target: &Target) -> Fault {
    let name = &target.provider.name;
    Fault::new(Kind::Overloaded)
        .reason("provider_queue")
        .message(format!(
            "Too many requests wait for provider {name} already."
        ))
        .retry_after(Duration::from_secs(1))
}

fn count(exchange: &Exchange, routed: &Routed, at: usize, what: impl FnOnce(&QueueMeters)) {
    if let Some(cleared) = routed.cleared.get(at) {
        let target = cleared.target().target();
        if let Some(meters) = exchange.worker.shared.queue_meters(target) {
            what(meters);
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
