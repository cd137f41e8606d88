//! What limits and budgets had counted when the process before this one ended, read back from the log at the start.
//!
//! What was closed counts with what it used. What was open when the process was killed was closed as `crashed` by the
//! journal, without figures: it counts with what was reserved for it, since the vendor may charge all of that. The index keeps
//! sums by the quarter of an hour, so a start reads a few hundred small tables and the newest rows, whatever the log's size;
//! without an index it reads the log since the longest running period began.
//!
//! Only for limits that this process counts itself; a shared store remembers on its own. A quarter of an hour is as exact as a
//! rolling limit comes back, and always to the caller's disadvantage; so limits of a minute are not restored, and budgets are exact.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;

use journal::follow::Until;
use journal::index::Index;
use journal::index::usage::{self, Of, SLOT_MS, Sums};
use policies::access::keys::KeyTable;
use policies::limit::level::{Before, Now, Window};
use policies::limit::meter::{Limit, Meter, Meters, Owner, Purse, Unit};

use super::owners::each_owner;
use crate::config::snapshot::Money;
use crate::identity::Directory;

/// Shortest rolling window that is restored.
const WINDOW_NS_MIN: u64 = 3_600_000_000_000;

/// What was restored, for the log.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Limits and budgets of which something was used.
    pub meters: usize,
    /// Requests that were read, or whose sums were.
    pub requests: u64,
}

/// What somebody used in a slot.
#[derive(Debug, Clone, Copy, Default)]
struct Used {
    requests: u64,
    tokens: u64,
    cost_nano: u64,
}

/// By owner, then by the beginning of the slot.
type ByOwner = HashMap<Owner, BTreeMap<i64, Used>>;

/// Restores all limits of `meters` that can be.
///
/// # Errors
/// A log that cannot be read: what budgets have spent is then not known, and nobody may spend from them.
pub fn recover(
    log: &Path,
    index: Option<&Index>,
    until: Until,
    money: &Money,
    (meters, keys, people): (&Meters, &KeyTable, Option<&Directory>),
    now: Now,
) -> io::Result<Recovered> {
    // Limits of keys and users are made when these are first seen: nobody has been seen yet.
    let mut from_ms: Option<i64> = None;
    let mut see = |limit: &Limit| from_ms = begin_ms(limit, now).into_iter().chain(from_ms).min();
    meters.all().iter().for_each(|meter| see(&meter.limit));
    let of_users = people.map_or_else(Vec::new, Directory::limits_of_users);
    of_users.iter().for_each(&mut see);
    keys.for_each(|key| {
        key.own()
            .into_iter()
            .flat_map(Purse::limits)
            .for_each(&mut see);
    });
    let Some(from_ms) = from_ms else {
        return Ok(Recovered::default());
    };
    let (by_owner, requests) = match read(log, index, (from_ms, until), money) {
        // It is built anew meanwhile; the log has everything.
        Err(error) if index.is_some() && error.kind() == io::ErrorKind::InvalidData => {
            read(log, None, (from_ms, until), money)?
        }
        read => read?,
    };
    let users = (people, &*of_users);
    Ok(Recovered {
        meters: restore(&by_owner, (meters, keys, users), now),
        requests,
    })
}

/// Restores what owners used. Returns of how many limits that was.
fn restore(
    by_owner: &ByOwner,
    (meters, keys, (people, of_users)): (&Meters, &KeyTable, (Option<&Directory>, &[Limit])),
    now: Now,
) -> usize {
    let mut restored = 0;
    let mut restore = |meter: &Meter, used: &BTreeMap<i64, Used>| {
        if begin_ms(&meter.limit, now).is_some() {
            restored += 1;
            meter.restore(before(used, meter.limit.unit), now);
        }
    };
    if let Some(people) = people {
        for (owner, used) in by_owner {
            if let Owner::User(user) = owner {
                let meters = people.expect(user, of_users, now);
                meters.iter().for_each(|meter| restore(meter, used));
            }
        }
    }
    keys.for_each(|key| {
        if by_owner.contains_key(&Owner::Key(key.id.clone())) {
            let _ = key.meters().count();
        }
    });
    let all = meters.all();
    let others = all
        .iter()
        .filter(|meter| !matches!(meter.owner, Owner::User(_)));
    for meter in others {
        if let Some(used) = by_owner.get(&meter.owner) {
            restore(meter, used);
        }
    }
    restored
}

/// From when on usage counts to a limit; `None` for one that is not restored.
fn begin_ms(limit: &Limit, now: Now) -> Option<i64> {
    match limit.window {
        Window::Calendar(period) => Some(period.around(now.wall_ms, limit.zone_s).0),
        Window::Rolling(ns) if ns >= WINDOW_NS_MIN => {
            let ms = i64::try_from(ns / 1_000_000).unwrap_or(i64::MAX);
            Some(now.wall_ms.saturating_sub(ms))
        }
        Window::Rolling(_) | Window::Held => None,
    }
}

fn read(
    log: &Path,
    index: Option<&Index>,
    (from_ms, until): (i64, Until),
    money: &Money,
) -> io::Result<(ByOwner, u64)> {
    let mut by_owner = ByOwner::new();
    let mut requests = 0_u64;
    let mut take = |slot_ms: i64, of: &Of<'_>, sums: &Sums| {
        requests = requests.saturating_add(sums.requests);
        let [.., currency] = *of;
        let used = used(sums, currency, money);
        each_owner(money, of, |owner| {
            let slot = by_owner.entry(owner).or_default();
            let sum = slot.entry(slot_ms).or_default();
            sum.requests = sum.requests.saturating_add(used.requests);
            sum.tokens = sum.tokens.saturating_add(used.tokens);
            sum.cost_nano = sum.cost_nano.saturating_add(used.cost_nano);
        });
    };
    usage::read(log, index, (from_ms, i64::MAX), until, &mut take)?;
    Ok((by_owner, requests))
}

fn used(sums: &Sums, currency: &str, money: &Money) -> Used {
    // What was charged in another currency, under another config, is no share of this one's budgets.
    let cost = match currency == &*money.currency {
        true => sums.cost_nano,
        false => 0,
    };
    Used {
        requests: sums.requests.saturating_sub(sums.limited),
        tokens: sums
            .prompt
            .saturating_add(sums.completion)
            .saturating_add(sums.reserved_tokens),
        cost_nano: cost.saturating_add(sums.reserved_nano),
    }
}

fn before(used: &BTreeMap<i64, Used>, unit: Unit) -> impl Iterator<Item = Before> {
    used.iter().map(move |(slot_ms, used)| Before {
        from_ms: *slot_ms,
        to_ms: slot_ms.saturating_add(SLOT_MS),
        amount: match unit {
            Unit::Requests => used.requests,
            Unit::Tokens => used.tokens,
            Unit::Cost => used.cost_nano,
            Unit::Concurrent | Unit::Streams => 0,
        },
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use journal::clock::ManualClock;
    use journal::{Asker, Closing, Denial, Journal, Opening, Outcome, Tokens};
    use policies::limit::meter::OnOutage;
    use policies::limit::period::Period;

    use super::*;
    use crate::identity::tests as identity;

    /// 2026-11-26 16:30 UTC.
    const NOW_MS: i64 = 1_795_710_600_000;

    fn limit(unit: Unit, window: Window) -> Limit {
        Limit {
            unit,
            window,
            amount: 1_000_000,
            soft: None,
            on_outage: OnOutage::Refuse,
            zone_s: 28_800,
        }
    }

    /// All were expected first, and by then the first of very many were forgotten; and nine of ten requests of somebody in a
    /// small team came back as nine of another team's thousand.
    #[test]
    fn what_a_user_had_used_comes_back_however_many_users_there_are() {
        const USERS: usize = 100_200;
        let now = Now {
            mono_ns: 1,
            wall_ms: NOW_MS,
        };
        let day = Window::Rolling(86_400_000_000_000);
        let requests = |amount| Limit {
            amount,
            ..limit(Unit::Requests, day)
        };
        let budget = limit(Unit::Cost, Window::Calendar(Period::Month));
        let limits = [
            ("staff", vec![requests(10), budget]),
            ("lab", vec![requests(1000), budget]),
        ];
        let rights = identity::rights(None, &limits);
        let meters = Arc::clone(&rights.meters);
        let people = identity::directory(rights);
        let used = Used {
            requests: 9,
            tokens: 0,
            cost_nano: 7,
        };
        let used = BTreeMap::from([(NOW_MS - SLOT_MS, used)]);
        let name = |n: usize| format!("user-{n}");
        let by_owner: ByOwner = (0..USERS)
            .map(|n| (Owner::User(name(n).into()), used.clone()))
            .collect();
        let of_users = people.limits_of_users();
        let users = (Some(&people), &*of_users);
        let keys = KeyTable::default();
        let restored = restore(&by_owner, (&meters, &keys, users), now);
        assert_eq!(restored, USERS * 2);
        let all = meters.all();
        let spent = all.iter().filter(|meter| meter.spent(now) == 7);
        assert_eq!(spent.count(), USERS);
        for (group, left) in [("staff", 1), ("lab", 991)] {
            let own = identity::meters(&people, &name(0), group);
            let left_of = |meter: &Arc<Meter>| meter.standing(now).remaining;
            assert_eq!(own.first().map(left_of), Some(left), "{group}");
        }
    }

    /// The log of a process that was killed, as the next start leaves it in `dir`.
    fn log(dir: &Path) {
        let first = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(NOW_MS - 7_200_000));
        let settings = |dir: &Path| journal::Config {
            reserve_bytes: 8 * journal::CLOSING_ROOM,
            ..journal::Config::new(dir, 1)
        };
        let (journal, _) = Journal::open(settings(first.path()), Arc::clone(&clock) as _).unwrap();
        let opening = Opening {
            who: Asker {
                id: "1",
                key: "k",
                team: "shop",
                asked: "m",
                ..Asker::default()
            },
            provider: "p",
            reserved_nano: 9_000,
            reserved_tokens: 90,
            ..Opening::default()
        };
        let close = |cost_nano, currency| {
            journal.begin(0, &opening).unwrap().close(&Closing {
                outcome: Outcome::Completed,
                tokens: Tokens {
                    prompt: 5,
                    completion: 6,
                    ..Tokens::default()
                },
                cost_nano: Some(cost_nano),
                currency,
                ..Closing::default()
            });
        };
        // Yesterday, in Shanghai.
        close(5, "CNY");
        clock.advance_ms(6_000_000);
        close(7, "CNY");
        close(100, "USD");
        journal
            .deny(
                0,
                &Denial {
                    who: Asker {
                        key: "k",
                        ..Asker::default()
                    },
                    code: "budget_exceeded",
                    ..Denial::default()
                },
            )
            .unwrap();
        // Killed while one ran: what was written is all that the next start finds.
        let open = journal.begin(0, &opening).unwrap();
        open.durable().write();
        for file in std::fs::read_dir(first.path()).unwrap() {
            let path = file.unwrap().path();
            if path.is_file() {
                std::fs::copy(&path, dir.join(path.file_name().unwrap())).unwrap();
            }
        }
        Journal::open(settings(dir), clock)
            .unwrap()
            .0
            .shutdown()
            .unwrap();
    }

    #[test]
    fn limits_are_as_the_log_says() {
        let dir = tempfile::tempdir().unwrap();
        log(dir.path());
        let money = Money {
            currency: "CNY".into(),
            zone_s: 28_800,
            above: [("shop".into(), "company".into())].into(),
        };
        let meters = Meters::default();
        let team = Owner::Team("company".into());
        let (day, week) = (
            Window::Calendar(Period::Day),
            Window::Calendar(Period::Week),
        );
        let hours = Window::Rolling(86_400_000_000_000);
        let minute = Window::Rolling(60_000_000_000);
        let money_day = meters.meter(team.clone(), limit(Unit::Cost, day));
        let money_week = meters.meter(team.clone(), limit(Unit::Cost, week));
        let tokens = meters.meter(Owner::Key("k".into()), limit(Unit::Tokens, week));
        let few = Limit {
            amount: 10,
            ..limit(Unit::Requests, hours)
        };
        let requests = meters.meter(Owner::Key("k".into()), few);
        let short = meters.meter(Owner::Key("k".into()), limit(Unit::Requests, minute));
        let other = meters.meter(Owner::Key("x".into()), limit(Unit::Cost, day));
        let now = Now {
            mono_ns: 1,
            wall_ms: NOW_MS,
        };
        let recovered = recover(
            dir.path(),
            None,
            Until::End,
            &money,
            (&meters, &KeyTable::default(), None),
            now,
        )
        .unwrap();
        assert_eq!((recovered.meters, recovered.requests), (4, 5));
        assert_eq!(money_day.spent(now), 7 + 9_000);
        assert_eq!(money_week.spent(now), 5 + 7 + 9_000);
        assert_eq!(tokens.spent(now), 3 * 11 + 90);
        // Four, of which the first has nearly been given back; the refused one was never counted.
        assert_eq!(requests.standing(now).remaining, 6);
        assert_eq!(short.standing(now).remaining, 1_000_000);
        assert_eq!(other.spent(now), 0);
    }
}
