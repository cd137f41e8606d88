//! One limit's arithmetic: how full it is, whether an amount fits, when it will.
//!
//! Three kinds of level. **Rolling** refills evenly (generic cell rate algorithm): the state is the theoretical arrival
//! time, the moment when nothing is used any more. A window's worth may come at once; never more than
//! `amount + amount × t / window` in the first `t`. **Calendar** counts what was spent since a period began. **Held** counts what
//! is held now and given back.
//!
//! What is reserved is spent until it is settled, so a reservation that is never settled (a crash) over-counts and never
//! under-counts. Settling may go over the limit: the vendor has charged us, and the next one is refused.
//!
//! The same arithmetic stands in the gateway's Redis script, in microseconds; one suite runs on both.
//!
//! Must never know whose limit it is, or read a clock. Integers only, saturating; roundings are against the caller.

use super::period::Period;

/// Largest amount of a limit, in its unit: what a 64-bit float holds exactly (Redis' scripts count in those).
pub const AMOUNT_MAX: u64 = 9_000_000_000_000_000;

/// When what was used counts no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Window {
    /// Little by little, evenly, over this time in nanoseconds.
    Rolling(u64),
    /// At the end of a period of the calendar.
    Calendar(Period),
    /// When it is given back.
    Held,
}

/// A moment, on two clocks: nanoseconds of one that never goes back, and Unix milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Now {
    /// Monotonic.
    pub mono_ns: u64,
    /// Wall.
    pub wall_ms: i64,
}

/// Where a limit stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The whole amount.
    pub limit: u64,
    /// What could be taken right now.
    pub remaining: u64,
    /// Nanoseconds until all of it could.
    pub reset_ns: u64,
}

/// How full a limit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Theoretical arrival time in nanoseconds.
    Rolling {
        /// From here on nothing is used.
        tat_ns: u64,
    },
    /// What the period has cost.
    Calendar {
        /// Its beginning, Unix ms.
        begin_ms: i64,
        /// Its end, Unix ms.
        end_ms: i64,
        /// Spent and reserved.
        spent: u64,
    },
    /// How much is out.
    Held {
        /// Held now.
        used: u64,
    },
}

/// What was used before this process began: so much, some time between two moments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Before {
    /// Not earlier, Unix ms.
    pub from_ms: i64,
    /// Not later.
    pub to_ms: i64,
    /// How much.
    pub amount: u64,
}

impl Level {
    /// One of which `before` was used, oldest first. Where nobody knows when, the moment that leaves least is taken.
    #[must_use]
    pub fn after(
        window: Window,
        zone_s: i32,
        limit: u64,
        before: impl IntoIterator<Item = Before>,
        now: Now,
    ) -> Self {
        let mut level = Self::fresh(window);
        level.roll(window, zone_s, now.wall_ms);
        match (&mut level, window) {
            (
                Self::Calendar {
                    begin_ms, spent, ..
                },
                _,
            ) => {
                let in_period = before.into_iter().filter(|used| used.from_ms >= *begin_ms);
                *spent = in_period.fold(0, |sum, used| sum.saturating_add(used.amount));
            }
            (Self::Rolling { tat_ns }, Window::Rolling(window_ns)) => {
                let interval_ns = i128::from(interval_ns(window_ns, limit));
                let at = |ms: i64| i128::from(ms.min(now.wall_ms)) * 1_000_000;
                let free = before.into_iter().fold(i128::MIN, |free, used| {
                    let taken = i128::from(used.amount).saturating_mul(interval_ns);
                    free.max(at(used.to_ms)).saturating_add(taken)
                });
                let ahead = free.saturating_sub(at(now.wall_ms)).max(0);
                let ahead = u64::try_from(ahead).unwrap_or(u64::MAX);
                *tat_ns = now.mono_ns.saturating_add(ahead);
            }
            _ => {}
        }
        level
    }

    /// An untouched one.
    #[must_use]
    pub fn fresh(window: Window) -> Self {
        match window {
            Window::Rolling(_) => Self::Rolling { tat_ns: 0 },
            Window::Calendar(_) => Self::Calendar {
                begin_ms: 0,
                end_ms: 0,
                spent: 0,
            },
            Window::Held => Self::Held { used: 0 },
        }
    }

    /// Begins a new period if the old one is over. A clock set back does not bring an old period back.
    pub fn roll(&mut self, window: Window, zone_s: i32, wall_ms: i64) {
        if let (
            Self::Calendar {
                begin_ms,
                end_ms,
                spent,
            },
            Window::Calendar(period),
        ) = (self, window)
            && wall_ms >= *end_ms
        {
            (*begin_ms, *end_ms) = period.around(wall_ms, zone_s);
            *spent = 0;
        }
    }

    /// Whether nothing of it is used.
    #[must_use]
    pub fn is_idle(&self, now: Now) -> bool {
        match *self {
            Self::Rolling { tat_ns } => tat_ns <= now.mono_ns,
            Self::Calendar { end_ms, spent, .. } => spent == 0 || now.wall_ms >= end_ms,
            Self::Held { used } => used == 0,
        }
    }

    /// Whether `amount` more fits in `limit`.
    ///
    /// # Errors
    /// Nanoseconds until it would, if time alone can bring that about; for what is held, `None`.
    pub fn fits(
        &self,
        window: Window,
        limit: u64,
        amount: u64,
        now: Now,
    ) -> Result<(), Option<u64>> {
        match *self {
            Self::Rolling { tat_ns } => {
                let Window::Rolling(window_ns) = window else {
                    return Ok(());
                };
                let interval_ns = interval_ns(window_ns, limit);
                // A whole number of intervals: what was rounded up for one is not missing for the last.
                let window_ns = interval_ns.saturating_mul(limit);
                let next = tat_ns
                    .max(now.mono_ns)
                    .saturating_add(amount.saturating_mul(interval_ns));
                let ahead = next.saturating_sub(now.mono_ns);
                if ahead <= window_ns {
                    Ok(())
                } else if amount > limit {
                    Err(None)
                } else {
                    Err(Some(ahead - window_ns))
                }
            }
            Self::Calendar { end_ms, spent, .. } => {
                if spent.saturating_add(amount) <= limit {
                    Ok(())
                } else if amount > limit {
                    Err(None)
                } else {
                    Err(Some(until_ns(end_ms, now.wall_ms)))
                }
            }
            Self::Held { used } => {
                if used.saturating_add(amount) <= limit {
                    Ok(())
                } else {
                    Err(None)
                }
            }
        }
    }

    /// Counts `amount`, whether it fits or not.
    pub fn take(&mut self, window: Window, limit: u64, amount: u64, now: Now) {
        match self {
            Self::Rolling { tat_ns } => {
                if let Window::Rolling(window_ns) = window {
                    *tat_ns = (*tat_ns)
                        .max(now.mono_ns)
                        .saturating_add(amount.saturating_mul(interval_ns(window_ns, limit)));
                }
            }
            Self::Calendar { spent, .. } => *spent = spent.saturating_add(amount),
            Self::Held { used } => *used = used.saturating_add(amount),
        }
    }

    /// Undoes a [`take`](Self::take) of `amount`, made in the period that began at `begin_ms`; one of a period that is
    /// over has nothing left to undo.
    pub fn give_back(&mut self, window: Window, limit: u64, amount: u64, taken_ms: i64) {
        match self {
            Self::Rolling { tat_ns } => {
                if let Window::Rolling(window_ns) = window {
                    *tat_ns =
                        tat_ns.saturating_sub(amount.saturating_mul(interval_ns(window_ns, limit)));
                }
            }
            Self::Calendar {
                begin_ms, spent, ..
            } => {
                if *begin_ms == taken_ms {
                    *spent = spent.saturating_sub(amount);
                }
            }
            Self::Held { used } => *used = used.saturating_sub(amount),
        }
    }

    /// The beginning of the period, for [`give_back`](Self::give_back); 0 where there are none.
    #[must_use]
    pub fn begin_ms(&self) -> i64 {
        match self {
            Self::Calendar { begin_ms, .. } => *begin_ms,
            Self::Rolling { .. } | Self::Held { .. } => 0,
        }
    }

    /// Where it stands.
    #[must_use]
    pub fn standing(&self, window: Window, limit: u64, now: Now) -> Standing {
        let (remaining, reset_ns) = match *self {
            Self::Rolling { tat_ns } => {
                let ahead = tat_ns.saturating_sub(now.mono_ns);
                let interval_ns = match window {
                    Window::Rolling(ns) => interval_ns(ns, limit),
                    Window::Calendar(_) | Window::Held => 1,
                };
                let free = interval_ns.saturating_mul(limit).saturating_sub(ahead);
                (free / interval_ns, ahead)
            }
            Self::Calendar { end_ms, spent, .. } => {
                let left = limit.saturating_sub(spent);
                let reset = if spent == 0 {
                    0
                } else {
                    until_ns(end_ms, now.wall_ms)
                };
                (left, reset)
            }
            Self::Held { used } => (limit.saturating_sub(used), 0),
        };
        Standing {
            limit,
            remaining,
            reset_ns,
        }
    }
}

/// The time that one uses of a window, rounded up: never one too many. At least 1, so limits beyond the window's
/// nanoseconds are that many.
fn interval_ns(window_ns: u64, limit: u64) -> u64 {
    window_ns.div_ceil(limit.max(1)).max(1)
}

fn until_ns(end_ms: i64, wall_ms: i64) -> u64 {
    u64::try_from(end_ms.saturating_sub(wall_ms))
        .unwrap_or(0)
        .saturating_mul(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: u64 = 1_000_000_000;
    const MINUTE: Window = Window::Rolling(60 * SECOND);

    fn at(mono_ns: u64) -> Now {
        Now {
            mono_ns,
            wall_ms: i64::try_from(mono_ns / 1_000_000).unwrap(),
        }
    }

    fn take(
        level: &mut Level,
        window: Window,
        limit: u64,
        amount: u64,
        now: Now,
    ) -> Result<(), Option<u64>> {
        level.roll(window, 0, now.wall_ms);
        level.fits(window, limit, amount, now)?;
        level.take(window, limit, amount, now);
        Ok(())
    }

    #[test]
    fn a_minutes_worth_at_once_then_evenly() {
        let mut level = Level::fresh(MINUTE);
        for left in (0..6).rev() {
            assert_eq!(take(&mut level, MINUTE, 6, 1, at(0)), Ok(()));
            assert_eq!(level.standing(MINUTE, 6, at(0)).remaining, left);
        }
        assert_eq!(
            take(&mut level, MINUTE, 6, 1, at(0)),
            Err(Some(10 * SECOND))
        );
        assert_eq!(
            take(&mut level, MINUTE, 6, 1, at(4 * SECOND)),
            Err(Some(6 * SECOND))
        );
        assert_eq!(take(&mut level, MINUTE, 6, 1, at(10 * SECOND)), Ok(()));
        assert_eq!(take(&mut level, MINUTE, 6, 7, at(10 * SECOND)), Err(None));
        level.give_back(MINUTE, 6, 3, 0);
        assert_eq!(level.standing(MINUTE, 6, at(10 * SECOND)).remaining, 3);
        let rested = level.standing(MINUTE, 6, at(500 * SECOND));
        assert_eq!((rested.limit, rested.remaining, rested.reset_ns), (6, 6, 0));
    }

    #[test]
    fn a_period_is_spent_until_it_ends() {
        let day = Window::Calendar(Period::Day);
        let mut level = Level::fresh(day);
        let noon = at(43_200 * SECOND);
        assert_eq!(take(&mut level, day, 100, 60, noon), Ok(()));
        assert_eq!(
            take(&mut level, day, 100, 41, noon),
            Err(Some(43_200 * SECOND))
        );
        assert_eq!(take(&mut level, day, 100, 101, noon), Err(None));
        let begin = level.begin_ms();
        level.give_back(day, 100, 20, begin);
        assert_eq!(take(&mut level, day, 100, 41, noon), Ok(()));
        // What was reserved yesterday is settled yesterday.
        let tomorrow = at(90_000 * SECOND);
        assert_eq!(take(&mut level, day, 100, 100, tomorrow), Ok(()));
        level.give_back(day, 100, 50, begin);
        assert_eq!(level.standing(day, 100, tomorrow).remaining, 0);
        // The clock is set back: no second purse.
        assert!(take(&mut level, day, 100, 1, noon).is_err());
    }

    #[test]
    fn what_was_used_before_a_restart_is_still_used() {
        let hour = 3600 * SECOND;
        let now = Now {
            mono_ns: 5,
            wall_ms: 86_400_000 * 3 + 7_200_000,
        };
        let used = |hours_ago: i64, amount| Before {
            from_ms: now.wall_ms - (hours_ago + 1) * 3_600_000,
            to_ms: now.wall_ms - hours_ago * 3_600_000,
            amount,
        };
        let before = [used(5, 100), used(1, 7), used(0, 3)];
        let day = Window::Calendar(Period::Day);
        let level = Level::after(day, 0, 50, before, now);
        assert_eq!(level.standing(day, 50, now).remaining, 40);
        // Over the limit is over the limit.
        let level = Level::after(day, 0, 5, before, now);
        assert!(level.fits(day, 5, 1, now).is_err());
        let rolling = Window::Rolling(10 * hour);
        let level = Level::after(rolling, 0, 200, before, now);
        // A window gives back evenly, what came first first: five hours gave back the hundred, and what came behind it waits.
        let left = level.standing(rolling, 200, now).remaining;
        assert_eq!(left, 200 - 10);
        let tight = Level::after(rolling, 0, 100, before, now);
        assert_eq!(tight.standing(rolling, 100, now).remaining, 100 - 50 - 10);
        let none = Level::after(rolling, 0, 100, [], now);
        assert_eq!(none.standing(rolling, 100, now).remaining, 100);
    }

    #[test]
    fn what_is_held_comes_back() {
        let mut level = Level::fresh(Window::Held);
        assert_eq!(take(&mut level, Window::Held, 2, 1, at(0)), Ok(()));
        assert_eq!(take(&mut level, Window::Held, 2, 1, at(0)), Ok(()));
        assert_eq!(take(&mut level, Window::Held, 2, 1, at(0)), Err(None));
        level.give_back(Window::Held, 2, 1, 0);
        assert_eq!(take(&mut level, Window::Held, 2, 1, at(0)), Ok(()));
    }

    #[test]
    fn absurd_amounts_saturate() {
        for window in [MINUTE, Window::Calendar(Period::Month), Window::Held] {
            let mut level = Level::fresh(window);
            level.take(window, 1, u64::MAX, at(0));
            level.take(window, 1, u64::MAX, at(0));
            assert!(level.fits(window, 1, 1, at(0)).is_err());
            level.give_back(window, 1, u64::MAX, level.begin_ms());
        }
    }

    proptest! {
        /// Over any run of requests, no more passes than a window's worth and what refilled since the start.
        #[test]
        fn never_over_admits(
            limit in 1_u64..5_000_000,
            steps in prop::collection::vec((0_u64..400_000_000, 1_u64..3000), 1..400),
        ) {
            let mut level = Level::fresh(MINUTE);
            let (mut now, mut passed) = (0_u64, 0_u64);
            for (gap, amount) in steps {
                now += gap;
                if take(&mut level, MINUTE, limit, amount, at(now)).is_ok() {
                    passed += amount;
                }
                let refilled = u128::from(now) * u128::from(limit) / u128::from(60 * SECOND);
                prop_assert!(u128::from(passed) <= u128::from(limit) + refilled);
            }
        }
    }
}
