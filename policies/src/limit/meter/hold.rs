//! What one request takes of its meters, and what it gives back.
//!
//! [`reserve`] takes from many at once, all or nothing, by locking them in one order: no request sees another's half.
//! What was taken is a [`Hold`]; settling it replaces the estimates by what was used.
//!
//! Invariants: a refused request is charged to none; a hold that is dropped gives back what is *held* and nothing else, so
//! whatever was reserved and not settled stays counted.

use std::cmp::Ordering as Order;
use std::num::NonZeroU32;
use std::sync::{Arc, MutexGuard};

use smallvec::SmallVec;

use super::{Meter, State, Unit};
use crate::limit::level::{Now, Standing, Window};

/// Most charges of one request: key, user, four levels of teams, model and provider, with a few limits each. More are
/// allowed; they are allocated.
const CHARGES_USUAL: usize = 8;

/// What a request wants.
pub type Charges = SmallVec<[Charge; CHARGES_USUAL]>;

/// An amount that a request wants of a meter.
#[derive(Clone, Debug)]
pub struct Charge {
    /// Of which.
    pub meter: Arc<Meter>,
    /// How much; an estimate for tokens and money.
    pub amount: u64,
    /// What becomes of it if there is less.
    pub need: Need,
}

/// How much of a charge must be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// All of it, or the request is refused.
    All,
    /// At least this much; of what is beyond, as much as remains.
    Least(u64),
    /// It is counted whether it fits or not: what has been used already.
    Nothing,
}

impl Charge {
    /// All of an amount.
    #[must_use]
    pub fn all(meter: &Arc<Meter>, amount: u64) -> Self {
        Self {
            meter: Arc::clone(meter),
            amount,
            need: Need::All,
        }
    }

    /// What must fit at least; `None`: nothing need.
    #[must_use]
    pub fn least(&self) -> Option<u64> {
        match self.need {
            Need::All => Some(self.amount),
            Need::Least(least) => Some(least.min(self.amount)),
            Need::Nothing => None,
        }
    }
}

/// Charges that a hold keeps without memory of its own: every stream carries the room.
const TAKEN_INLINE: usize = 2;

/// What one request has taken. Dropping it frees what is held; estimates stay counted.
#[derive(Debug)]
pub struct Hold {
    pub(super) taken: SmallVec<[Taken; TAKEN_INLINE]>,
    share: NonZeroU32,
}

impl Default for Hold {
    fn default() -> Self {
        Self::sharing(NonZeroU32::MIN)
    }
}

#[derive(Debug)]
pub(super) struct Taken {
    pub(super) meter: Arc<Meter>,
    pub(super) amount: u64,
    /// The limit's amount, of which it was taken.
    pub(super) of: u64,
    pub(super) begin_ms: i64,
}

/// A request that a limit refused. Nothing was counted.
#[derive(Clone, Debug)]
pub struct Limited {
    /// Which.
    pub meter: Arc<Meter>,
    /// Nanoseconds until it would pass; `None` if no time is sure to bring that about: something must be given back, or
    /// the request asks for more than the whole limit.
    pub retry_ns: Option<u64>,
    /// Where the limit stands.
    pub standing: Standing,
    /// The request asks for more than the whole limit.
    pub never: bool,
    /// It would pass if nothing were reserved for requests that run: a budget that is not spent.
    pub held: bool,
    /// Its soft threshold was crossed before, as in [`Reserved::crossed`].
    pub crossed: Option<Standing>,
}

/// Limits whose soft threshold was crossed for the first time in their period, and where they stand without what is
/// reserved.
pub type Crossings = SmallVec<[(Arc<Meter>, Standing); 1]>;

/// What a successful reservation has to say.
#[derive(Debug, Default)]
pub struct Reserved {
    /// The tightest of the rolling limits of requests.
    pub requests: Option<Standing>,
    /// The tightest of the rolling limits of tokens.
    pub tokens: Option<Standing>,
    /// Soft thresholds that were crossed before: of limits that another process settles too.
    pub crossed: Crossings,
}

impl Reserved {
    /// Takes a limit's standing into account.
    pub fn note(&mut self, unit: Unit, window: Window, standing: Standing) {
        let place = match (unit, window) {
            (Unit::Requests, Window::Rolling(_)) => &mut self.requests,
            (Unit::Tokens, Window::Rolling(_)) => &mut self.tokens,
            _ => return,
        };
        if place.is_none_or(|tightest| standing.remaining < tightest.remaining) {
            *place = Some(standing);
        }
    }
}

/// Takes all charges into `hold`, or none.
///
/// # Errors
/// The first limit, in the order given, that refused.
pub fn reserve(charges: &[Charge], now: Now, hold: &mut Hold) -> Result<Reserved, Limited> {
    let mut reserved = Reserved::default();
    if charges.is_empty() {
        return Ok(reserved);
    }
    let mut guards = locked(charges);
    let mut refused: Option<(usize, Limited)> = None;
    for (at, state) in &mut guards {
        let Some(charge @ Charge { meter, .. }) = charges.get(*at) else {
            continue;
        };
        let limit = &meter.limit;
        state.ask(limit, now);
        let Some(least) = charge.least() else {
            continue;
        };
        if let Err(retry_ns) = state
            .level
            .fits(limit.window, limit.share(hold.share), least, now)
            && refused.as_ref().is_none_or(|(first, _)| *at < *first)
        {
            let of = limit.share(hold.share);
            let held = state
                .spent()
                .is_some_and(|spent| spent.saturating_add(least) <= of);
            let limited = Limited {
                meter: Arc::clone(meter),
                retry_ns: retry_ns.filter(|_| !held),
                standing: meter.of(state, of, now),
                never: least > of,
                held,
                crossed: None,
            };
            refused = Some((*at, limited));
        }
    }
    if let Some((_, limited)) = refused {
        return Err(limited);
    }
    for (at, state) in &mut guards {
        let Some(charge @ Charge { meter, .. }) = charges.get(*at) else {
            continue;
        };
        let limit = &meter.limit;
        let of = limit.share(hold.share);
        let amount = match charge.need {
            Need::Least(least) => {
                let remaining = meter.of(state, of, now).remaining;
                charge.amount.min(remaining.max(least))
            }
            Need::All | Need::Nothing => charge.amount,
        };
        state.take(limit.window, of, amount, now);
        let standing = meter.of(state, of, now);
        reserved.note(limit.unit, limit.window, standing);
        state.pending = state.pending.saturating_add(amount);
        hold.taken.push(Taken {
            meter: Arc::clone(meter),
            amount,
            of,
            begin_ms: state.level.begin_ms(),
        });
    }
    Ok(reserved)
}

/// Meters that are locked, each with the position of its charge.
type Guards<'c> = SmallVec<[(usize, MutexGuard<'c, State>); CHARGES_USUAL]>;

/// Locks the meters of all charges, in the one order that all requests keep.
fn locked(charges: &[Charge]) -> Guards<'_> {
    let mut order: SmallVec<[usize; CHARGES_USUAL]> = (0..charges.len()).collect();
    let serial = |at: &usize| charges.get(*at).map_or(0, |charge| charge.meter.serial);
    order.sort_unstable_by_key(serial);
    debug_assert!(
        order
            .windows(2)
            .all(|pair| matches!(pair, [a, b] if serial(a) != serial(b))),
        "a meter is charged once"
    );
    let mut guards: Guards<'_> = SmallVec::new();
    for at in order {
        if let Some(charge) = charges.get(at) {
            guards.push((at, charge.meter.lock()));
        }
    }
    guards
}

/// What a request turned out to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Tokens of prompt and reply.
    pub tokens: u64,
    /// Billionths of a currency's unit.
    pub cost_nano: u64,
}

impl Hold {
    /// An empty one that may take one part in `share` of each limit: replicas that cannot speak to each other each take
    /// their part, a process on its own takes all.
    #[must_use]
    pub fn sharing(share: NonZeroU32) -> Self {
        Self {
            taken: SmallVec::new(),
            share,
        }
    }

    /// Whether nothing was taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.taken.is_empty()
    }

    /// What this request has reserved of each meter, in parts where periods of it differ.
    pub fn reserved(&self) -> impl Iterator<Item = (&Arc<Meter>, u64)> {
        self.taken.iter().map(|taken| (&taken.meter, taken.amount))
    }

    /// Reserves more for a stream that goes on beyond its estimate: of budgets what remains, or nothing anywhere; rates are
    /// charged whether it fits or not.
    ///
    /// # Errors
    /// The budget that has no more.
    pub fn grow(&mut self, more: Used, now: Now) -> Result<Reserved, Limited> {
        let charges = growth(self.reserved().map(|(meter, _)| meter), more);
        let mut added = Self::sharing(self.share);
        let reserved = reserve(&charges, now, &mut added)?;
        for new in std::mem::take(&mut added.taken) {
            let old = self
                .taken
                .iter_mut()
                .find(|old| Arc::ptr_eq(&old.meter, &new.meter) && old.begin_ms == new.begin_ms);
            match old {
                Some(old) => old.amount = old.amount.saturating_add(new.amount),
                // A new period began meanwhile: what is reserved there is settled there.
                None => self.taken.push(new),
            }
        }
        Ok(reserved)
    }

    /// The end: estimates become what was used, and what was held is free.
    pub fn settle(&mut self, used: Used, now: Now) -> Crossings {
        let mut crossed = Crossings::new();
        let taken = std::mem::take(&mut self.taken);
        for (at, this) in taken.iter().enumerate() {
            let total = match this.meter.limit.unit {
                Unit::Requests => continue,
                Unit::Tokens => used.tokens,
                Unit::Cost => used.cost_nano,
                Unit::Concurrent | Unit::Streams => 0,
            };
            // A stream that grew into a new period has two shares in one meter: the last takes what goes beyond.
            let same = |other: &&Taken| Arc::ptr_eq(&other.meter, &this.meter);
            let (earlier, later) = taken.split_at(at);
            let before: u64 = earlier.iter().filter(same).map(|other| other.amount).sum();
            let rest = total.saturating_sub(before);
            let is_last = !later.iter().skip(1).any(|other| same(&other));
            let real = if is_last { rest } else { rest.min(this.amount) };
            if let Some(standing) = this.correct(real, now) {
                crossed.push((Arc::clone(&this.meter), standing));
            }
        }
        crossed
    }

    /// Nothing was used: a request that went nowhere. What counts requests has counted it.
    pub fn cancel(&mut self, now: Now) {
        let _ = self.settle(Used::default(), now);
    }
}

impl Taken {
    /// Replaces the estimate; where the limit stands, if that crosses its soft threshold.
    fn correct(&self, real: u64, now: Now) -> Option<Standing> {
        let Meter { limit, .. } = &*self.meter;
        let mut state = self.meter.lock();
        state.pending = state.pending.saturating_sub(self.amount);
        match real.cmp(&self.amount) {
            Order::Less => {
                let over = self.amount - real;
                let level = &mut state.level;
                level.give_back(limit.window, self.of, over, self.begin_ms);
            }
            Order::Greater => {
                state.level.roll(limit.window, limit.zone_s, now.wall_ms);
                if state.level.begin_ms() == self.begin_ms {
                    let missing = real - self.amount;
                    state.take(limit.window, self.of, missing, now);
                }
            }
            Order::Equal => {}
        }
        if state.level.begin_ms() != self.begin_ms {
            return None;
        }
        let standing = self.meter.of(&state, self.of, now);
        state.crosses(limit, standing, self.begin_ms)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        for taken in &self.taken {
            let limit = &taken.meter.limit;
            let mut state = taken.meter.lock();
            state.pending = state.pending.saturating_sub(taken.amount);
            if limit.window == Window::Held {
                state
                    .level
                    .give_back(Window::Held, taken.of, taken.amount, 0);
            }
        }
    }
}

/// What a growing stream wants of the meters that it has charged before.
pub fn growth<'a>(meters: impl Iterator<Item = &'a Arc<Meter>>, more: Used) -> Charges {
    let mut charges = Charges::new();
    for meter in meters {
        let amount = match meter.limit.unit {
            Unit::Tokens => more.tokens,
            Unit::Cost => more.cost_nano,
            Unit::Requests | Unit::Concurrent | Unit::Streams => 0,
        };
        let known = |charge: &Charge| Arc::ptr_eq(&charge.meter, meter);
        if amount > 0 && !charges.iter().any(known) {
            let need = match meter.limit.window {
                Window::Calendar(_) => Need::Least(1),
                Window::Rolling(_) | Window::Held => Need::Nothing,
            };
            charges.push(Charge {
                meter: Arc::clone(meter),
                amount,
                need,
            });
        }
    }
    charges
}
