//! Limits by name, and what was taken of them: the ledger of one process.
//!
//! A [`Meter`] is one limit of one key, team, model or provider, resolved when a config loads; taking needs no look-up.
//! [`reserve`] takes from many at once, all or nothing, by locking them in one order: no request sees another's half.
//! What was taken is a [`Hold`]; settling it replaces the estimates by what was used.
//!
//! Must never know HTTP, a config's shape or Redis; reads no clock.
//! Invariants: a refused request is charged to none; a hold that is dropped gives back what is *held* and nothing else, so
//! whatever was reserved and not settled stays counted; a reload changes amounts and keeps what was used.

use std::cmp::Ordering as Order;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use smallvec::SmallVec;

use super::level::{Before, Level, Now, Standing, Window};

/// Most charges of one request: key, user, four levels of teams, model and provider, with a few limits each. More are
/// allowed; they are allocated.
const CHARGES_USUAL: usize = 8;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Requests, when they come.
    Requests,
    /// Tokens of prompt and reply.
    Tokens,
    /// Money, in billionths of a currency's unit.
    Cost,
    /// Requests that run.
    Concurrent,
    /// Streams that run.
    Streams,
}

impl Unit {
    /// Its name in errors and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Tokens => "tokens",
            Self::Cost => "cost",
            Self::Concurrent => "concurrent",
            Self::Streams => "streams",
        }
    }
}

/// Whose limit it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// A key.
    Key(Box<str>),
    /// A user.
    User(Box<str>),
    /// A team, at any level of the tree.
    Team(Box<str>),
    /// A model, as applications name it.
    Model(Box<str>),
    /// A provider: what the vendor allows us.
    Provider(Box<str>),
}

impl Owner {
    /// `key`, `user`, `team`, `model` or `provider`.
    #[must_use]
    pub fn level(&self) -> &'static str {
        match self {
            Self::Key(_) => "key",
            Self::User(_) => "user",
            Self::Team(_) => "team",
            Self::Model(_) => "model",
            Self::Provider(_) => "provider",
        }
    }

    /// Its name in the config.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Key(name)
            | Self::User(name)
            | Self::Team(name)
            | Self::Model(name)
            | Self::Provider(name) => name,
        }
    }
}

/// What becomes of requests while the shared store does not answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnOutage {
    /// They are refused.
    Refuse,
    /// Each replica counts for itself, with its share of the limit.
    #[default]
    Local,
}

/// One limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limit {
    /// What it counts.
    pub unit: Unit,
    /// Over what time.
    pub window: Window,
    /// How much; 1 to `AMOUNT_MAX`.
    pub amount: u64,
    /// Warn from here on.
    pub soft: Option<u64>,
    /// What an outage of the shared store means.
    pub on_outage: OnOutage,
    /// Seconds east of UTC of the calendar.
    pub zone_s: i32,
}

/// A limit of somebody, with how full it is. Shared by everything that it counts.
pub struct Meter {
    /// Whose.
    pub owner: Owner,
    /// What it allows.
    pub limit: Limit,
    name: Box<str>,
    /// Locks are taken in this order.
    serial: u64,
    /// Shared with the meter that a reload puts in this one's place.
    state: Arc<Mutex<State>>,
}

struct State {
    level: Level,
    /// Of a rolling limit: what it was restored from, until something is taken.
    restored: Option<Box<Restored>>,
    /// The period in which crossing the soft threshold was told.
    warned_ms: Option<i64>,
}

/// What was used before this process began. How full that makes a rolling limit depends on its amount, which for a user is
/// known only once their team is.
struct Restored {
    before: Box<[Before]>,
    /// When the process began.
    at: Now,
}

impl State {
    /// It is asked about by this limit: what was used before this process began is so much of that. Begins a new period if
    /// the old one is over.
    fn ask(&mut self, limit: &Limit, now: Now) {
        if let Some(Restored { before, at }) = self.restored.as_deref() {
            let before = before.iter().copied();
            self.level = Level::after(limit.window, limit.zone_s, limit.amount, before, *at);
        }
        self.level.roll(limit.window, limit.zone_s, now.wall_ms);
    }

    /// Counts `amount` of a limit that may be a replica's share.
    fn take(&mut self, window: Window, of: u64, amount: u64, now: Now) {
        self.restored = None;
        self.level.take(window, of, amount, now);
    }

    /// Whether it stands as one that was never used, whatever its amount.
    fn is_idle(&self, window: Window, now: Now) -> bool {
        let counts = |restored: &Restored| match window {
            Window::Rolling(ns) => now.mono_ns.saturating_sub(restored.at.mono_ns) < ns,
            Window::Calendar(_) | Window::Held => false,
        };
        self.level.is_idle(now) && !self.restored.as_deref().is_some_and(counts)
    }
}

impl Limit {
    fn share(&self, share: NonZeroU32) -> u64 {
        (self.amount / u64::from(share.get())).max(1)
    }
}

impl Meter {
    /// In the place of `old`, if there is one: with what was used of that, and its place in the order of locks.
    fn made(owner: Owner, limit: Limit, name: Box<str>, old: Option<&Self>, serial: u64) -> Self {
        let fresh = || {
            Arc::new(Mutex::new(State {
                level: Level::fresh(limit.window),
                restored: None,
                warned_ms: None,
            }))
        };
        Self {
            owner,
            limit,
            name,
            serial: old.map_or(serial, |old| old.serial),
            state: old.map_or_else(fresh, |old| Arc::clone(&old.state)),
        }
    }

    /// Its name: level, owner, unit and window; unique in the process and the same on all replicas.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it stands.
    #[must_use]
    pub fn standing(&self, now: Now) -> Standing {
        let mut state = self.lock();
        state.ask(&self.limit, now);
        self.of(&state, self.limit.amount, now)
    }

    /// Whether this standing is the first of the period `of` to be over the soft threshold; told once to each process.
    pub fn crosses(&self, standing: Standing, of: i64) -> bool {
        if !crosses(&self.limit, self.limit.amount, standing) {
            return false;
        }
        let mut state = self.lock();
        state.warned_ms.replace(of) != Some(of)
    }

    /// What is spent and reserved of a limit of the calendar, which may be more than the limit; 0 of another.
    #[must_use]
    pub fn spent(&self, now: Now) -> u64 {
        let mut state = self.lock();
        let Limit { window, zone_s, .. } = self.limit;
        state.level.roll(window, zone_s, now.wall_ms);
        match state.level {
            Level::Calendar { spent, .. } => spent,
            Level::Rolling { .. } | Level::Held { .. } => 0,
        }
    }

    /// Whether it stands as one that was never used.
    fn is_idle(&self, now: Now) -> bool {
        self.lock().is_idle(self.limit.window, now)
    }

    /// Counts what was used before this process began, oldest first, in place of whatever is counted now. Of a
    /// rolling limit that turns out to be another one before anything is taken, it is as much of that.
    pub fn restore(&self, before: impl IntoIterator<Item = Before>, now: Now) {
        let Limit {
            window,
            zone_s,
            amount,
            ..
        } = self.limit;
        let mut state = self.lock();
        let Window::Rolling(window_ns) = window else {
            state.level = Level::after(window, zone_s, amount, before, now);
            return;
        };
        let window_ms = i64::try_from(window_ns / 1_000_000).unwrap_or(i64::MAX);
        let begin_ms = now.wall_ms.saturating_sub(window_ms);
        // What is older was given back, and is not to be remembered for everybody.
        let before = before
            .into_iter()
            .filter(|used| used.amount > 0 && used.to_ms > begin_ms);
        let before: Box<[Before]> = before.collect();
        state.restored = (!before.is_empty()).then(|| Box::new(Restored { before, at: now }));
        state.level = Level::fresh(window);
    }

    /// Counts `amount`, whether it fits or not: what cannot be refused any more.
    pub fn count(&self, amount: u64, now: Now) {
        let mut state = self.lock();
        state.ask(&self.limit, now);
        state.take(self.limit.window, self.limit.amount, amount, now);
    }

    fn of(&self, state: &State, amount: u64, now: Now) -> Standing {
        state.level.standing(self.limit.window, amount, now)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change under the lock is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Meter({}, {})", self.name, self.limit.amount)
    }
}

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
    taken: SmallVec<[Taken; TAKEN_INLINE]>,
    share: NonZeroU32,
}

impl Default for Hold {
    fn default() -> Self {
        Self::sharing(NonZeroU32::MIN)
    }
}

#[derive(Debug)]
struct Taken {
    meter: Arc<Meter>,
    amount: u64,
    /// The limit's amount, of which it was taken.
    of: u64,
    begin_ms: i64,
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
}

/// What a successful reservation has to say.
#[derive(Debug, Default)]
pub struct Reserved {
    /// The tightest of the rolling limits of requests.
    pub requests: Option<Standing>,
    /// The tightest of the rolling limits of tokens.
    pub tokens: Option<Standing>,
    /// Limits whose soft threshold this request was the first to cross in its period, and where they stand.
    pub crossed: SmallVec<[(Arc<Meter>, Standing); 1]>,
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
    let mut order: SmallVec<[usize; CHARGES_USUAL]> = (0..charges.len()).collect();
    let serial = |at: &usize| charges.get(*at).map_or(0, |charge| charge.meter.serial);
    order.sort_unstable_by_key(serial);
    debug_assert!(
        order
            .windows(2)
            .all(|pair| matches!(pair, [a, b] if serial(a) != serial(b))),
        "a meter is charged once"
    );
    let mut guards: SmallVec<[(usize, MutexGuard<'_, State>); CHARGES_USUAL]> = SmallVec::new();
    for at in order {
        if let Some(charge) = charges.get(at) {
            guards.push((at, charge.meter.lock()));
        }
    }
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
            let limited = Limited {
                meter: Arc::clone(meter),
                retry_ns,
                standing: meter.of(state, limit.share(hold.share), now),
                never: least > limit.share(hold.share),
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
        let begin_ms = state.level.begin_ms();
        if crosses(limit, of, standing) && state.warned_ms.replace(begin_ms) != Some(begin_ms) {
            reserved.crossed.push((Arc::clone(meter), standing));
        }
        hold.taken.push(Taken {
            meter: Arc::clone(meter),
            amount,
            of,
            begin_ms,
        });
    }
    Ok(reserved)
}

fn crosses(limit: &Limit, of: u64, standing: Standing) -> bool {
    limit
        .soft
        .is_some_and(|soft| of.saturating_sub(standing.remaining) >= soft.min(of))
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
    pub fn settle(&mut self, used: Used, now: Now) {
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
            this.correct(real, now);
        }
    }

    /// Nothing was used: a request that went nowhere. What counts requests has counted it.
    pub fn cancel(&mut self, now: Now) {
        self.settle(Used::default(), now);
    }
}

impl Taken {
    fn correct(&self, real: u64, now: Now) {
        let Meter { limit, .. } = &*self.meter;
        let mut state = self.meter.lock();
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
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        for taken in &self.taken {
            let limit = &taken.meter.limit;
            if limit.window == Window::Held {
                let mut state = taken.meter.lock();
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

/// All meters of the process, by name. Asked when a config loads, and when a user is seen for the first time.
#[derive(Debug, Default)]
pub struct Meters {
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    by_name: HashMap<Box<str>, Arc<Meter>>,
    made: u64,
    /// Limits of keys, each list once: most keys have the same as many others.
    lists: HashSet<Arc<[Limit]>>,
}

/// A key's own limits, whose meters are made when they are first used: of many keys few ask.
pub struct Purse {
    book: Arc<Meters>,
    limits: Arc<[Limit]>,
    made: OnceLock<Box<[Arc<Meter>]>>,
}

impl Purse {
    /// Of these limits; `None` if there are none.
    #[must_use]
    pub fn new(book: &Arc<Meters>, limits: &[Limit]) -> Option<Self> {
        (!limits.is_empty()).then(|| Self {
            book: Arc::clone(book),
            limits: book.list(limits),
            made: OnceLock::new(),
        })
    }

    /// The limits.
    #[must_use]
    pub fn limits(&self) -> &[Limit] {
        &self.limits
    }

    /// Their meters, of the key called `id`.
    #[must_use]
    pub fn meters(&self, id: &str) -> &[Arc<Meter>] {
        self.made.get_or_init(|| {
            let meter = |limit: &Limit| self.book.meter(Owner::Key(id.into()), *limit);
            self.limits.iter().map(meter).collect()
        })
    }

    /// The same to look at: what was never used is not remembered for it.
    #[must_use]
    pub fn shown(&self, id: &str) -> Vec<Arc<Meter>> {
        let meter = |limit: &Limit| self.book.shown(Owner::Key(id.into()), *limit);
        self.limits.iter().map(meter).collect()
    }
}

impl Clone for Purse {
    fn clone(&self) -> Self {
        Self {
            book: Arc::clone(&self.book),
            limits: Arc::clone(&self.limits),
            made: OnceLock::new(),
        }
    }
}

impl fmt::Debug for Purse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Purse({} limits)", self.limits.len())
    }
}

impl Meters {
    /// The meter of `owner` for `limit`, with what was used of it before.
    #[must_use]
    pub fn meter(&self, owner: Owner, limit: Limit) -> Arc<Meter> {
        let name = name_of(&owner, &limit);
        let mut book = self.lock();
        let old = book.by_name.get(&*name).cloned();
        if let Some(same) = old.as_ref().filter(|old| old.limit == limit) {
            return Arc::clone(same);
        }
        book.made += 1;
        let made = Meter::made(owner, limit, name.clone(), old.as_deref(), book.made);
        let new = Arc::new(made);
        book.by_name.insert(name, Arc::clone(&new));
        new
    }

    /// The meter of `owner` for `limit` as it stands; if there is none, one that nobody else will ever see.
    fn shown(&self, owner: Owner, limit: Limit) -> Arc<Meter> {
        let name = name_of(&owner, &limit);
        let book = self.lock();
        match book.by_name.get(&*name) {
            Some(same) if same.limit == limit => Arc::clone(same),
            old => Arc::new(Meter::made(owner, limit, name, old.map(|old| &**old), 0)),
        }
    }

    /// A list of limits, shared with all who have the same.
    fn list(&self, limits: &[Limit]) -> Arc<[Limit]> {
        let mut book = self.lock();
        if let Some(same) = book.lists.get(limits) {
            return Arc::clone(same);
        }
        let list: Arc<[Limit]> = limits.into();
        book.lists.insert(Arc::clone(&list));
        list
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All meters, in the order of their names.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Meter>> {
        let book = self.lock();
        let mut all: Vec<_> = book.by_name.values().cloned().collect();
        all.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// Forgets meters that no snapshot and no request holds any more and that have nothing to tell: what somebody has spent
    /// is still spent when they are heard of again. Called after a reload, so that names cannot pile up.
    pub fn prune(&self, now: Now) {
        let mut book = self.lock();
        book.lists.retain(|list| Arc::strong_count(list) > 1);
        book.by_name.retain(|_, meter| {
            // A request begun before a reload holds the old meter, whose state is this one's.
            Arc::strong_count(meter) > 1
                || Arc::strong_count(&meter.state) > 1
                || !meter.is_idle(now)
        });
    }
}

fn name_of(owner: &Owner, limit: &Limit) -> Box<str> {
    let window = match limit.window {
        Window::Rolling(ns) => format!("{}s", ns / 1_000_000_000),
        Window::Calendar(period) => period.as_str().to_owned(),
        Window::Held => "now".to_owned(),
    };
    let (level, unit) = (owner.level(), limit.unit.as_str());
    format!("{level}/{}/{unit}/{window}", owner.name()).into()
}

#[cfg(test)]
mod tests;
