//! The door to a provider that limits us: who may go in, who waits, and whose turn it is.
//!
//! Whoever finds no room takes a [`Ticket`] and waits in one [`Line`]. Only the first of it asks the limits; it is woken
//! when a request that held room ends, when its own time comes, or when the one before it is through: nobody else is. A
//! *pen* is one model at the provider: what is full or shut for one pen holds up no other.
//!
//! Must never know HTTP, tokio or where limits are counted; reads no clock: nanoseconds come from one that never goes back.
//! Invariants: the line never exceeds what it is given as its most; a ticket that is dropped is out of the line at once, and
//! whoever is first then is woken; nothing is awaited under the lock.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use super::line::{Line, Place, Share};

/// Turns seen before their pace is trusted.
const PACE_SEEN_MIN: u32 = 4;

/// Who wants to go in.
#[derive(Clone, Debug)]
pub struct Wants {
    /// On whose account.
    pub share: Share,
    /// The model at the provider.
    pub pen: Arc<str>,
    /// What it takes of the limits, in any unit that is the same for all at this door.
    pub cost: u64,
    /// Nanoseconds until there is room for the first in line, as the limits just said; 0 if they cannot say.
    pub first_ns: u64,
    /// Nanoseconds from one turn to the next if the limits refill evenly; 0 if they do not.
    pub pace_ns: u64,
}

/// Why somebody may not even wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turned {
    /// The line is as long as it may be.
    Full {
        /// Nanoseconds that the wait would take, as far as anybody can tell.
        after_ns: u64,
    },
    /// Its turn would come too late.
    Late {
        /// As above.
        after_ns: u64,
    },
}

/// What a ticket's holder is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Ask the limits.
    Mine,
    /// Look again then, or when woken.
    At(u64),
    /// Look again when woken.
    Wait,
}

/// A provider's door.
#[derive(Debug, Default)]
pub struct Door {
    /// Those that wait, and pens that are shut: while it is 0, nobody need look further.
    busy: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    line: Line<Waiter>,
    pens: HashMap<Arc<str>, Shut>,
    /// Grows when room may have come free.
    freed: u64,
    pace: Pace,
}

#[derive(Debug)]
struct Waiter {
    pen: Arc<str>,
    waker: Option<Waker>,
}

/// Until when a pen is shut.
#[derive(Clone, Copy, Debug, Default)]
struct Shut {
    /// Because the vendor said so.
    closed_ns: u64,
    /// Because its own limits are full, unless room comes free before.
    full_ns: u64,
}

/// How fast turns come while somebody waits.
#[derive(Clone, Copy, Debug, Default)]
struct Pace {
    mean_ns: u64,
    seen: u32,
    /// The last turn, if somebody waited on after it.
    last_ns: Option<u64>,
}

impl Pace {
    fn turn(&mut self, now_ns: u64, others_wait: bool) {
        if let Some(last_ns) = self.last_ns {
            let took = now_ns.saturating_sub(last_ns);
            self.mean_ns = match self.seen {
                0 => took,
                _ => self.mean_ns - self.mean_ns / 8 + took / 8,
            };
            self.seen = self.seen.saturating_add(1);
        }
        self.last_ns = others_wait.then_some(now_ns);
    }
}

impl Shut {
    fn until(self) -> u64 {
        self.closed_ns.max(self.full_ns)
    }
}

impl State {
    fn shut_until(&self, pen: &str) -> u64 {
        self.pens.get(pen).map_or(0, |shut| shut.until())
    }

    /// The first whose pen is not shut.
    fn first(&self, now_ns: u64) -> Option<Place> {
        self.line
            .first(|waiter| self.shut_until(&waiter.pen) <= now_ns)
    }

    fn wake(&mut self, place: Option<&Place>) {
        let waiter = place.and_then(|place| self.line.at(place));
        if let Some(waker) = waiter.and_then(|waiter| waiter.waker.take()) {
            waker.wake();
        }
    }

    /// Wakes whoever is first now, and whoever has to look after this pen.
    fn wake_next(&mut self, pen: Option<&str>, now_ns: u64) {
        let first = self.first(now_ns);
        self.wake(first.as_ref());
        if let Some(pen) = pen
            && self.shut_until(pen) > now_ns
        {
            let keeper = self.line.first(|waiter| *waiter.pen == *pen);
            self.wake(keeper.as_ref());
        }
    }

    fn busy(&self) -> usize {
        self.line.len() + self.pens.len()
    }

    /// How long one that joins now is likely to wait.
    fn wait_ns(&self, wants: &Wants, now_ns: u64) -> u64 {
        let pace_ns = match self.pace.seen {
            seen if seen >= PACE_SEEN_MIN => self.pace.mean_ns,
            _ => wants.pace_ns,
        };
        let ahead = u64::try_from(self.line.ahead(&wants.share)).unwrap_or(u64::MAX);
        let shut_ns = self.shut_until(&wants.pen).saturating_sub(now_ns);
        let shut_ns = if shut_ns > u64::MAX / 2 { 0 } else { shut_ns };
        let first_ns = wants.first_ns.max(shut_ns);
        first_ns.saturating_add(ahead.saturating_mul(pace_ns))
    }
}

impl Door {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change under the lock is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, state: &State) {
        self.busy.store(state.busy(), Ordering::Release);
    }

    /// How many wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        match self.busy.load(Ordering::Acquire) {
            0 => 0,
            _ => self.lock().line.len(),
        }
    }

    /// Whether one that comes now may ask the limits, past nobody that waits.
    ///
    /// # Errors
    /// Nanoseconds until the vendor lets us in again; 0 if it is only for others.
    pub fn passes(&self, pen: &str, now_ns: u64) -> Result<(), u64> {
        if self.busy.load(Ordering::Acquire) == 0 {
            return Ok(());
        }
        let mut state = self.lock();
        state.pens.retain(|_, shut| shut.until() > now_ns);
        self.count(&state);
        let closed = state.pens.get(pen).map_or(0, |shut| shut.closed_ns);
        if closed > now_ns {
            return Err(closed - now_ns);
        }
        match state.first(now_ns) {
            Some(_) => Err(0),
            None if state.shut_until(pen) > now_ns => Err(0),
            None => Ok(()),
        }
    }

    /// The vendor lets nobody into this pen before `until_ns`.
    pub fn close(&self, pen: &Arc<str>, until_ns: u64) {
        let mut state = self.lock();
        let shut = state.pens.entry(Arc::clone(pen)).or_default();
        shut.closed_ns = shut.closed_ns.max(until_ns);
        // Somebody has to look when it is over.
        let keeper = state.line.first(|waiter| waiter.pen == *pen);
        state.wake(keeper.as_ref());
        self.count(&state);
    }

    /// A request that was let in has ended: there may be room.
    pub fn frees(&self, now_ns: u64) {
        if self.busy.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut state = self.lock();
        state.freed += 1;
        state.pens.retain(|_, shut| {
            shut.full_ns = 0;
            shut.closed_ns > now_ns
        });
        state.wake_next(None, now_ns);
        self.count(&state);
    }

    /// Waits in line, which may be `most` long, and until `until_ns` at the latest.
    ///
    /// # Errors
    /// There is no place, or no hope.
    pub fn join(
        self: &Arc<Self>,
        wants: &Wants,
        most: usize,
        (now_ns, until_ns): (u64, u64),
    ) -> Result<Ticket, Turned> {
        let mut state = self.lock();
        let after_ns = state.wait_ns(wants, now_ns);
        if state.line.len() >= most {
            return Err(Turned::Full { after_ns });
        }
        if now_ns.saturating_add(after_ns) > until_ns {
            return Err(Turned::Late { after_ns });
        }
        let waiter = Waiter {
            pen: Arc::clone(&wants.pen),
            waker: None,
        };
        let place = state.line.join(&wants.share, wants.cost, waiter);
        self.count(&state);
        drop(state);
        Ok(Ticket {
            door: Arc::clone(self),
            pen: Arc::clone(&wants.pen),
            place: Some(place),
            rest: None,
            freed: 0,
            now_ns,
        })
    }
}

/// A place in the line of a door. Dropping it leaves the line.
#[derive(Debug)]
pub struct Ticket {
    door: Arc<Door>,
    pen: Arc<str>,
    /// `None` once it has had its turn.
    place: Option<Place>,
    /// The limits refused: there is no use in asking before, unless room comes free.
    rest: Option<u64>,
    /// How often room had come free when it began to ask.
    freed: u64,
    /// When it last looked: a drop reads no clock.
    now_ns: u64,
}

impl Ticket {
    /// Looks whether it is its turn; the task is woken when it should look again.
    pub fn look(&mut self, cx: &Context<'_>, now_ns: u64) -> Turn {
        self.now_ns = now_ns;
        let Some(place) = &self.place else {
            return Turn::Wait;
        };
        let mut state = self.door.lock();
        if let Some(waiter) = state.line.at(place) {
            waiter.waker = Some(cx.waker().clone());
        }
        if let Some(at) = self.rest.filter(|at| *at > now_ns)
            && state.freed == self.freed
        {
            return Turn::At(at);
        }
        self.rest = None;
        if state.first(now_ns).as_ref() == Some(place) {
            self.freed = state.freed;
            return Turn::Mine;
        }
        let shut = state.shut_until(&self.pen);
        let keeper = || state.line.first(|waiter| waiter.pen == self.pen);
        if shut > now_ns && keeper().as_ref() == Some(place) {
            return Turn::At(shut);
        }
        Turn::Wait
    }

    /// The limits refused, and say when to ask again; `pen`: those of its pen, so others need not wait for it.
    pub fn refused(&mut self, pen: bool, again_ns: u64, now_ns: u64) {
        self.now_ns = now_ns;
        let mut state = self.door.lock();
        if pen && state.freed == self.freed {
            let shut = state.pens.entry(Arc::clone(&self.pen)).or_default();
            shut.full_ns = shut.full_ns.max(again_ns);
            state.wake_next(None, now_ns);
            self.door.count(&state);
        }
        self.rest = Some(again_ns);
    }

    /// It is in.
    pub fn served(mut self, now_ns: u64) {
        self.now_ns = now_ns;
        self.goes(true);
    }

    fn goes(&mut self, served: bool) {
        let Some(place) = self.place.take() else {
            return;
        };
        let mut state = self.door.lock();
        if served {
            state.line.serve(&place);
            let others_wait = !state.line.is_empty();
            state.pace.turn(self.now_ns, others_wait);
        } else {
            state.line.leave(&place);
        }
        if state.line.is_empty() {
            state.pace.last_ns = None;
        }
        state.wake_next(Some(&self.pen), self.now_ns);
        self.door.count(&state);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.goes(false);
    }
}

/// All doors of the process, by the provider's name. Asked only when a config loads.
#[derive(Debug, Default)]
pub struct Doors {
    by_name: Mutex<HashMap<Box<str>, Arc<Door>>>,
}

impl Doors {
    /// That of a provider.
    #[must_use]
    pub fn of(&self, provider: &str) -> Arc<Door> {
        let mut all = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(provider.into()).or_default())
    }

    /// Forgets doors that no snapshot and no request holds any more.
    pub fn prune(&self) {
        let mut all = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, door| Arc::strong_count(door) > 1);
    }
}

#[cfg(test)]
mod tests;
