//! Many limits at once: all or nothing, settled exactly, kept over reloads; against a simple model.

use std::collections::HashMap;
use std::thread;

use proptest::prelude::*;

use super::hold::Taken;
use super::*;
use crate::limit::period::Period;

const SECOND: u64 = 1_000_000_000;
const MINUTE: Window = Window::Rolling(60 * SECOND);
const MONTH: Window = Window::Calendar(Period::Month);
const T0: Now = Now {
    mono_ns: 0,
    wall_ms: 1_795_710_600_000,
};

fn limit(unit: Unit, window: Window, amount: u64) -> Limit {
    Limit {
        unit,
        window,
        amount,
        soft: None,
        on_outage: OnOutage::Local,
        zone_s: 8 * 3600,
    }
}

fn team(meters: &Meters, unit: Unit, window: Window, amount: u64) -> Arc<Meter> {
    meters.meter(Owner::Team("t".into()), limit(unit, window, amount))
}

fn charge(meter: &Arc<Meter>, amount: u64) -> Charge {
    Charge::all(meter, amount)
}

fn after(seconds: u64) -> Now {
    Now {
        mono_ns: seconds * SECOND,
        wall_ms: T0.wall_ms + i64::try_from(seconds).unwrap() * 1000,
    }
}

#[test]
fn the_refused_are_charged_to_none() {
    let meters = Meters::default();
    let key = meters.meter(Owner::Key("a".into()), limit(Unit::Requests, MINUTE, 10));
    let held = team(&meters, Unit::Concurrent, Window::Held, 5);
    let budget = team(&meters, Unit::Cost, MONTH, 100);
    let mut hold = Hold::default();
    let charges = [charge(&key, 1), charge(&held, 1), charge(&budget, 100)];
    let reserved = reserve(&charges, T0, &mut hold).unwrap();
    assert_eq!(reserved.requests.unwrap().remaining, 9);
    let refused = reserve(&charges, T0, &mut Hold::default()).unwrap_err();
    assert!(Arc::ptr_eq(&refused.meter, &budget) && !refused.never);
    assert!(refused.held);
    assert_eq!(key.standing(T0).remaining, 9);
    assert_eq!(held.standing(T0).remaining, 4);
    drop(hold);
    // What is held is free; what was reserved stays spent.
    assert_eq!(held.standing(T0).remaining, 5);
    assert_eq!(budget.standing(T0).remaining, 0);
}

#[test]
fn a_settled_estimate_is_what_was_used() {
    let meters = Meters::default();
    let tokens = team(&meters, Unit::Tokens, MINUTE, 1000);
    let budget = team(&meters, Unit::Cost, MONTH, 1000);
    for (used, left) in [(200, 800), (900, 100), (0, 1000)] {
        let (tokens, budget) = (&tokens, &budget);
        let before = (tokens.standing(T0).remaining, budget.standing(T0).remaining);
        let mut hold = Hold::default();
        let charges = [charge(tokens, 500), charge(budget, 500)];
        reserve(&charges, T0, &mut hold).unwrap();
        let used = Used {
            tokens: used,
            cost_nano: used,
        };
        hold.settle(used, T0);
        assert!(hold.is_empty());
        assert_eq!(tokens.standing(T0).remaining, left);
        assert_eq!(budget.standing(T0).remaining, left);
        // Back to the start for the next case.
        let mut undo = Hold::default();
        for meter in [tokens, budget] {
            undo.taken.push(Taken {
                meter: Arc::clone(meter),
                amount: used.tokens,
                of: 1000,
                begin_ms: meter.lock().level.begin_ms(),
            });
        }
        undo.cancel(T0);
        assert_eq!(before.0, tokens.standing(T0).remaining);
    }
}

fn cost(cost_nano: u64) -> Used {
    Used {
        tokens: 0,
        cost_nano,
    }
}

fn reserved(hold: &Hold) -> Vec<u64> {
    hold.reserved().map(|(_, amount)| amount).collect()
}

#[test]
fn a_guess_takes_what_remains() {
    let meters = Meters::default();
    let tokens = team(&meters, Unit::Tokens, MINUTE, 100);
    let budget = team(&meters, Unit::Cost, MONTH, 60);
    let guess = |least| {
        [(&tokens, 80), (&budget, 80)].map(|(meter, amount)| Charge {
            need: Need::Least(least),
            ..charge(meter, amount)
        })
    };
    let mut hold = Hold::default();
    reserve(&guess(10), T0, &mut hold).unwrap();
    assert_eq!(reserved(&hold), [80, 60]);
    let refused = reserve(&guess(10), T0, &mut Hold::default()).unwrap_err();
    assert!(Arc::ptr_eq(&refused.meter, &budget) && !refused.never);
    hold.settle(
        Used {
            tokens: 30,
            cost_nano: 20,
        },
        T0,
    );
    reserve(&guess(40), T0, &mut hold).unwrap();
    assert_eq!(reserved(&hold), [70, 40]);
    let only_budget = &guess(61)[1..];
    let never = reserve(only_budget, T0, &mut Hold::default()).unwrap_err();
    assert!(never.never && Arc::ptr_eq(&never.meter, &budget));
    // A rate goes into debt for what has been used already, a budget does not.
    let tokens_left = hold.grow(
        Used {
            tokens: 50,
            cost_nano: 0,
        },
        T0,
    );
    tokens_left.unwrap();
    assert_eq!(reserved(&hold), [120, 40]);
    assert!(hold.grow(cost(1), T0).is_err());
}

#[test]
fn a_stream_grows_or_is_stopped() {
    let meters = Meters::default();
    let budget = team(&meters, Unit::Cost, MONTH, 100);
    let mut hold = Hold::default();
    reserve(&[charge(&budget, 40)], T0, &mut hold).unwrap();
    hold.grow(cost(50), T0).unwrap();
    assert_eq!(reserved(&hold), [90]);
    // What remains, then no more.
    hold.grow(cost(11), T0).unwrap();
    assert_eq!(reserved(&hold), [100]);
    let refused = hold.grow(cost(1), T0).unwrap_err();
    assert_eq!(refused.standing.remaining, 0);
    // Into the next month: its share is settled there.
    let next = after(86_400 * 10);
    hold.grow(cost(50), next).unwrap();
    hold.settle(cost(120), next);
    assert_eq!(budget.standing(next).remaining, 80);
}

#[test]
fn replicas_apart_take_a_share_each() {
    let meters = Meters::default();
    let rate = team(&meters, Unit::Requests, MINUTE, 10);
    let mut hold = Hold::sharing(NonZeroU32::new(3).unwrap());
    for left in [2, 1, 0] {
        let reserved = reserve(&[charge(&rate, 1)], T0, &mut hold).unwrap();
        assert_eq!(reserved.requests.unwrap().remaining, left);
    }
    assert!(reserve(&[charge(&rate, 1)], T0, &mut hold).is_err());
}

#[test]
fn a_soft_threshold_is_told_once_a_period() {
    let meters = Meters::default();
    let soft = Limit {
        soft: Some(80),
        ..limit(Unit::Cost, MONTH, 100)
    };
    let budget = meters.meter(Owner::Team("t".into()), soft);
    let taken = |amount, now| {
        let mut hold = Hold::default();
        let reserved = reserve(&[charge(&budget, amount)], now, &mut hold);
        assert!(reserved.unwrap().crossed.is_empty(), "only reserved");
        hold
    };
    let mut running = taken(20, T0);
    let crossed = |reserved, used, now| {
        let crossed = taken(reserved, now).settle(cost(used), now);
        let left = crossed.iter().map(|(_, standing)| standing.remaining);
        left.collect::<Vec<_>>()
    };
    // What others have reserved is not spent yet.
    assert_eq!(crossed(80, 60, T0), []);
    assert_eq!(crossed(20, 19, T0), []);
    assert_eq!(running.settle(cost(21), T0).len(), 1);
    assert_eq!(crossed(0, 1, T0), []);
    // In the next month once more, by what was used beyond the estimate.
    assert_eq!(crossed(10, 90, after(86_400 * 10)), [10]);
}

#[test]
fn what_requests_hold_is_not_spent() {
    let meters = Meters::default();
    let budget = team(&meters, Unit::Cost, MONTH, 100);
    let mut hold = Hold::default();
    reserve(&[charge(&budget, 90)], T0, &mut hold).unwrap();
    let refused = |amount| reserve(&[charge(&budget, amount)], T0, &mut Hold::default());
    let held = refused(20).unwrap_err();
    assert!(held.held && !held.never && held.retry_ns.is_none());
    let never = refused(101).unwrap_err();
    assert!(never.never && !never.held);
    hold.settle(cost(85), T0);
    let spent = refused(20).unwrap_err();
    assert!(!spent.held && spent.retry_ns.is_some());
}

#[test]
fn a_reload_resets_nothing() {
    let meters = Meters::default();
    let before = team(&meters, Unit::Cost, MONTH, 100);
    let mut hold = Hold::default();
    reserve(&[charge(&before, 60)], T0, &mut hold).unwrap();
    assert!(Arc::ptr_eq(&before, &team(&meters, Unit::Cost, MONTH, 100)));
    let changed = team(&meters, Unit::Cost, MONTH, 200);
    assert_eq!(changed.standing(T0).remaining, 140);
    drop((before, changed));
    // A request still holds the old one.
    meters.prune(T0);
    assert_eq!(meters.all().len(), 1);
    hold.cancel(T0);
    drop(hold);
    meters.prune(T0);
    assert!(meters.all().is_empty());
}

/// A team that lost its last key and gets another one after a reload must not begin with a full purse.
#[test]
fn what_nobody_holds_but_somebody_spent_is_remembered() {
    let meters = Meters::default();
    let budget = team(&meters, Unit::Cost, MONTH, 100);
    let rate = team(&meters, Unit::Requests, MINUTE, 10);
    let mut hold = Hold::default();
    reserve(&[charge(&budget, 60), charge(&rate, 1)], T0, &mut hold).unwrap();
    hold.settle(
        Used {
            tokens: 0,
            cost_nano: 60,
        },
        T0,
    );
    drop((budget, rate, hold));
    meters.prune(T0);
    assert_eq!(meters.all().len(), 2);
    // The minute is over, the month is not.
    meters.prune(after(61));
    assert_eq!(meters.all().len(), 1);
    let again = team(&meters, Unit::Cost, MONTH, 100);
    assert_eq!(again.standing(T0).remaining, 40);
    drop(again);
    meters.prune(after(86_400 * 40));
    assert!(meters.all().is_empty());
}

#[test]
fn of_many_at_once_one_passes_a_budget_for_one() {
    let meters = Meters::default();
    let budget = team(&meters, Unit::Cost, MONTH, 100);
    let others: Vec<_> = (0..4_u8)
        .map(|n| {
            let owner = Owner::Key(n.to_string().into());
            meters.meter(owner, limit(Unit::Requests, MINUTE, 1000))
        })
        .collect();
    let passed: usize = thread::scope(|scope| {
        let threads: Vec<_> = others
            .iter()
            .map(|key| {
                let budget = &budget;
                scope.spawn(move || {
                    // Two orders, so that locks taken as given would deadlock.
                    let charges = [charge(budget, 60), charge(key, 1)];
                    let turned = [charge(key, 1), charge(budget, 60)];
                    (0..200)
                        .filter(|n| {
                            let charges = if n % 2 == 0 { &charges } else { &turned };
                            let mut hold = Hold::default();
                            reserve(charges, T0, &mut hold).is_ok()
                        })
                        .count()
                })
            })
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).sum()
    });
    assert_eq!(passed, 1);
    let used: u64 = others
        .iter()
        .map(|key| 1000 - key.standing(T0).remaining)
        .sum();
    assert_eq!(used, 1, "the refused were charged");
}

#[derive(Clone, Debug)]
enum Step {
    Reserve(Vec<(usize, u64)>),
    Settle(usize, u64),
    Grow(usize, u64),
    Drop(usize),
    Pass(u32),
}

fn step() -> impl Strategy<Value = Step> {
    let charges = prop::collection::btree_map(0..3_usize, 1_u64..60, 1..=3);
    prop_oneof![
        4 => charges.prop_map(|map| Step::Reserve(map.into_iter().collect())),
        3 => (any::<usize>(), 0_u64..120).prop_map(|(n, used)| Step::Settle(n, used)),
        2 => (any::<usize>(), 1_u64..40).prop_map(|(n, more)| Step::Grow(n, more)),
        1 => any::<usize>().prop_map(Step::Drop),
        2 => (1_u32..2_000_000).prop_map(Step::Pass),
    ]
}

/// Budget, month, amount.
type Share = (usize, i64, u64);

proptest! {
    /// Budgets of a month against plain sums: what was settled, and what is reserved.
    #[test]
    fn agrees_with_a_simple_model(steps in prop::collection::vec(step(), 1..120)) {
        const AMOUNT: u64 = 100;
        let meters = Meters::default();
        let budgets: Vec<_> = (0..3_u8)
            .map(|n| meters.meter(Owner::Team(n.to_string().into()), limit(Unit::Cost, MONTH, AMOUNT)))
            .collect();
        // Per budget: month → spent. Per hold: budget → month → reserved.
        let mut spent = vec![HashMap::<i64, u64>::new(); 3];
        let mut holds: Vec<(Hold, Vec<Share>)> = Vec::new();
        let mut now = T0;
        let month = |now: Now| Period::Month.around(now.wall_ms, 8 * 3600).0;
        for step in steps {
            match step {
                Step::Pass(seconds) => {
                    now.wall_ms += i64::from(seconds) * 1000;
                    now.mono_ns += u64::from(seconds) * SECOND;
                }
                Step::Reserve(wanted) => {
                    let charges: Vec<_> = wanted.iter().map(|(n, amount)| charge(&budgets[*n], *amount)).collect();
                    let fits = wanted.iter().all(|(n, amount)| spent[*n].get(&month(now)).copied().unwrap_or(0) + amount <= AMOUNT);
                    let mut hold = Hold::default();
                    prop_assert_eq!(reserve(&charges, now, &mut hold).is_ok(), fits);
                    if fits {
                        for (n, amount) in &wanted {
                            *spent[*n].entry(month(now)).or_default() += amount;
                        }
                        holds.push((hold, wanted.iter().map(|(n, amount)| (*n, month(now), *amount)).collect()));
                    }
                }
                Step::Grow(at, more) if !holds.is_empty() => {
                    let at = at % holds.len();
                    let (hold, shares) = &mut holds[at];
                    let of: std::collections::BTreeSet<usize> = shares.iter().map(|(n, ..)| *n).collect();
                    let left = |spent: &[HashMap<i64, u64>], n: usize| {
                        AMOUNT.saturating_sub(spent[n].get(&month(now)).copied().unwrap_or(0))
                    };
                    let fits = of.iter().all(|n| left(&spent, *n) > 0);
                    prop_assert_eq!(hold.grow(cost(more), now).is_ok(), fits);
                    if fits {
                        for n in of {
                            let more = more.min(left(&spent, n));
                            *spent[n].entry(month(now)).or_default() += more;
                            match shares.iter_mut().find(|(other, m, _)| *other == n && *m == month(now)) {
                                Some((_, _, amount)) => *amount += more,
                                None => shares.push((n, month(now), more)),
                            }
                        }
                    }
                }
                Step::Settle(at, used) if !holds.is_empty() => {
                    let at = at % holds.len();
                    let (mut hold, shares) = holds.swap_remove(at);
                    hold.settle(Used { tokens: 0, cost_nano: used }, now);
                    let mut left = [used; 3];
                    for (i, (n, m, amount)) in shares.iter().enumerate() {
                        let last = !shares[i + 1..].iter().any(|(other, ..)| other == n);
                        let real = if last { left[*n] } else { left[*n].min(*amount) };
                        left[*n] -= real;
                        let of = spent[*n].entry(*m).or_default();
                        *of = (*of + real) - amount;
                    }
                }
                Step::Drop(at) if !holds.is_empty() => {
                    let at = at % holds.len();
                    holds.swap_remove(at);
                }
                _ => {}
            }
            for (n, budget) in budgets.iter().enumerate() {
                let used = spent[n].get(&month(now)).copied().unwrap_or(0);
                prop_assert_eq!(budget.standing(now).remaining, AMOUNT.saturating_sub(used));
            }
        }
    }
}

/// Of a user nobody knows the team at the start: nine of ten requests were restored as nine of a thousand.
#[test]
fn what_was_used_before_a_restart_is_as_much_of_another_limit() {
    const DAY: Window = Window::Rolling(86_400 * SECOND);
    let meters = Meters::default();
    let user = |amount| {
        let limit = limit(Unit::Requests, DAY, amount);
        meters.meter(Owner::User("li".into()), limit)
    };
    let used = |minutes: i64, amount| Before {
        from_ms: T0.wall_ms - (minutes + 15) * 60_000,
        to_ms: T0.wall_ms - minutes * 60_000,
        amount,
    };
    let long_ago = used(2 * 24 * 60, 1_000_000);
    user(1000).restore([long_ago, used(15, 5), used(0, 4)], T0);
    assert_eq!(user(1000).standing(T0).remaining, 996);
    // So much of every limit, in whatever order they come.
    let (small, large) = (user(10), user(2000));
    assert_eq!(small.standing(after(600)).remaining, 1);
    assert_eq!(large.standing(T0).remaining, 1996);
    let idle_by_the_large_one = after(1200);
    assert!(large.lock().level.is_idle(idle_by_the_large_one));
    drop((small, large));
    meters.prune(idle_by_the_large_one);
    let small = user(10);
    let mut hold = Hold::default();
    reserve(&[charge(&small, 1)], idle_by_the_large_one, &mut hold).unwrap();
    // From the first that is taken on it is as full as it is.
    for at in [idle_by_the_large_one, after(1300)] {
        assert!(reserve(&[charge(&small, 1)], at, &mut Hold::default()).is_err());
    }
    drop((small, hold));
    meters.prune(after(2 * 86_400));
    assert!(meters.all().is_empty());
}
