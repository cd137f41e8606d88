//! Budgets as they stand, and the entries of the log that a figure is made of.
//!
//! What a budget counts (`counted`) is what requests are refused by; what the log says is its check: closed requests with what
//! they cost, open ones with what is reserved for them. Where the two differ, the answer says by how much, and what that may
//! come from.
//!
//! Must never know HTTP. Invariants: a figure in an answer is exact, in decimal digits; an explanation says from where to where
//! the log was read.

mod answers;
mod entries;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use journal::follow::Until;
use journal::index::usage::{self, Sums};
use journal::index::{Cursor, Index};
use journal::utc::rfc3339;
use policies::access::keys::KeyTable;
use policies::limit::level::{Now, Window};
use policies::limit::meter::{Meter, Meters, Owner, Unit};

pub use super::owners::below;
pub use answers::{Budget, Entry, Explanation, Reckoned};

use super::owners::each_owner;
use crate::config::price::decimal;
use crate::config::snapshot::{Money, Snapshot};

/// Entries of an explanation where no number is asked for.
pub const ENTRIES: usize = 100;

/// A budget's owner as it is written.
#[must_use]
pub fn owner_name(owner: &Owner) -> String {
    format!("{}:{}", owner.level(), owner.name())
}

/// The budgets of owners that are wanted, in the order of their names: those of keys that never asked too, which nothing is
/// counted of yet. Meters are made of wanted keys alone: there may be many thousands.
#[must_use]
pub fn budgets(
    meters: &Meters,
    keys: &KeyTable,
    wanted: impl Fn(&Owner) -> bool,
) -> Vec<Arc<Meter>> {
    let mut all: BTreeMap<Box<str>, Arc<Meter>> = BTreeMap::new();
    let mut add = |meter: Arc<Meter>| {
        if matches!(meter.limit.window, Window::Calendar(_)) {
            all.insert(meter.name().into(), meter);
        }
    };
    let known = meters.all().into_iter();
    known
        .filter(|meter| wanted(&meter.owner))
        .for_each(&mut add);
    keys.for_each(|key| {
        let own = key.own().filter(|_| wanted(&Owner::Key(key.id.clone())));
        if let Some(own) = own {
            own.shown(&key.id).into_iter().for_each(&mut add);
        }
    });
    all.into_values().collect()
}

/// What the log says of budgets.
pub struct Books<'a> {
    /// The log.
    pub log: &'a Path,
    /// Its index.
    pub index: Option<&'a Index>,
    /// Whether that is being built by this process, and so has the newest entries too.
    pub live: bool,
    /// How far to read.
    pub until: Until,
    /// The running config.
    pub snapshot: &'a Snapshot,
    /// How money is counted under it, the teams that the admin API made included.
    pub money: Money,
    /// The time.
    pub now: Now,
}

/// Where it is counted what requests are refused by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counting {
    /// In this process.
    Here,
    /// In a store that replicas share.
    Shared,
    /// In a process beside this one, which was not asked.
    Elsewhere,
}

/// A budget with what is counted of it, if anybody knows.
pub type Counted = (Arc<Meter>, Option<u64>);

/// What one budget's requests used.
#[derive(Clone, Copy, Default)]
struct Found {
    spent: u64,
    reserved: u64,
    /// Requests that run.
    open: u64,
}

impl Books<'_> {
    /// All budgets, as they stand.
    ///
    /// # Errors
    /// A log that cannot be read.
    pub fn list(&self, counted: &[Counted]) -> io::Result<Vec<Budget>> {
        let (found, _) = self.found(counted)?;
        let pairs = counted.iter().zip(found);
        Ok(pairs
            .map(|(counted, found)| self.budget(counted, found))
            .collect())
    }

    /// What the figures of one owner's budgets are made of: at most `limit` entries before `cursor`.
    ///
    /// # Errors
    /// A log that cannot be read.
    pub fn explain(
        &self,
        counted: &[Counted],
        cursor: Option<Cursor>,
        limit: usize,
        counting: Counting,
    ) -> io::Result<Explanation> {
        let (found, read) = self.found(counted)?;
        let reckoned = counted
            .iter()
            .zip(&found)
            .map(|(counted, found)| self.reckon(counted, *found, counting));
        let budgets = reckoned.collect();
        let (entries, next) = match counted.first() {
            Some((meter, _)) => self.entries(meter, &read.open, cursor, limit)?,
            None => (Vec::new(), None),
        };
        Ok(Explanation {
            budgets,
            entries,
            next: next.map(|next| next.to_string()),
            complete_to: read.complete_to,
        })
    }

    fn found(&self, counted: &[Counted]) -> io::Result<(Vec<Found>, usage::Read)> {
        match self.read(counted, self.index) {
            // It is built anew meanwhile; the log has everything.
            Err(error) if self.index.is_some() && error.kind() == io::ErrorKind::InvalidData => {
                self.read(counted, None)
            }
            read => read,
        }
    }

    fn read(
        &self,
        counted: &[Counted],
        index: Option<&Index>,
    ) -> io::Result<(Vec<Found>, usage::Read)> {
        let money = &self.money;
        let mut found = vec![Found::default(); counted.len()];
        let mut places: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
        let mut begins = Vec::with_capacity(counted.len());
        for (at, (meter, _)) in counted.iter().enumerate() {
            let owner = (meter.owner.level(), meter.owner.name());
            places.entry(owner).or_default().push(at);
            begins.push(self.period(meter).0);
        }
        let from_ms = begins.iter().copied().min().unwrap_or(self.now.wall_ms);
        let mut add = |time_ms: i64, of: &usage::Of<'_>, sums: &Sums, open: u64| {
            let [.., currency] = *of;
            each_owner(money, of, |owner| {
                let places = places.get(&(owner.level(), owner.name()));
                for at in places.into_iter().flatten() {
                    let (Some((meter, _)), Some(found)) = (counted.get(*at), found.get_mut(*at))
                    else {
                        continue;
                    };
                    if begins.get(*at).is_some_and(|begin| time_ms >= *begin) {
                        found.add(meter.limit.unit, sums, currency == &*money.currency, open);
                    }
                }
            });
        };
        let read = usage::read(
            self.log,
            index,
            (from_ms, i64::MAX),
            self.until,
            &mut |slot_ms, of, sums| add(slot_ms, of, sums, 0),
        )?;
        for row in &read.open {
            let of = [
                &*row.key,
                &*row.team,
                &*row.user,
                &*row.asked,
                &*row.first_provider,
                &*row.first_model,
                "",
            ];
            // An opening without an end is as one that a crash cut off: `Sums::of` counts what is reserved.
            add(row.time.0.unwrap_or(0), &of, &Sums::of(row), 1);
        }
        Ok((found, read))
    }

    fn period(&self, meter: &Meter) -> (i64, i64) {
        match meter.limit.window {
            Window::Calendar(period) => period.around(self.now.wall_ms, meter.limit.zone_s),
            Window::Rolling(_) | Window::Held => (0, 0),
        }
    }

    fn budget(&self, (meter, counted): &Counted, found: Found) -> Budget {
        let unit = meter.limit.unit;
        let amount = meter.limit.amount;
        let show = |amount: u64| shown(unit, amount.into());
        let (begin_ms, end_ms) = self.period(meter);
        Budget {
            owner: owner_name(&meter.owner),
            unit: unit_name(unit).to_owned(),
            currency: (unit == Unit::Cost).then(|| self.money.currency.to_string()),
            period: match meter.limit.window {
                Window::Calendar(period) => period.as_str().to_owned(),
                Window::Rolling(_) | Window::Held => String::new(),
            },
            begin: rfc3339(begin_ms),
            end: rfc3339(end_ms),
            amount: show(amount),
            soft: meter.limit.soft.map(show),
            counted: counted.map(show),
            remaining: counted.map(|counted| show(amount.saturating_sub(counted))),
            over_soft: counted.and_then(|counted| Some(counted >= meter.limit.soft?)),
            spent: show(found.spent),
            reserved: show(found.reserved),
        }
    }

    fn reckon(&self, counted: &Counted, found: Found, counting: Counting) -> Reckoned {
        let unit = counted.0.limit.unit;
        let of_log = i128::from(found.spent) + i128::from(found.reserved);
        let difference = counted.1.map(|counted| i128::from(counted) - of_log);
        Reckoned {
            budget: self.budget(counted, found),
            adds_up: difference == Some(0),
            difference: difference
                .filter(|difference| *difference != 0)
                .map(|difference| {
                    let sign = if difference < 0 { "-" } else { "" };
                    format!("{sign}{}", shown(unit, difference.unsigned_abs()))
                }),
            notes: notes(difference, found.open, counting),
        }
    }
}

/// What a difference between what is counted and what the log says may come from.
fn notes(difference: Option<i128>, open: u64, counting: Counting) -> Vec<String> {
    let mut notes = Vec::new();
    let Some(difference) = difference else {
        return vec![
            match counting {
                Counting::Elsewhere => {
                    "what is counted only the running gateway knows: ask it with --admin"
                }
                Counting::Here | Counting::Shared => {
                    "the shared store does not answer: nobody knows what is counted now"
                }
            }
            .to_owned(),
        ];
    };
    if difference == 0 {
        return notes;
    }
    if counting == Counting::Shared {
        notes.push("the budget is shared: other replicas have logs of their own".to_owned());
        let away = "what ended while the store was away stays counted as it was reserved";
        notes.push(away.to_owned());
    }
    if open > 0 {
        notes.push(format!(
            "{open} requests run: what is reserved for one grows with its stream, and is less where the limit is small"
        ));
    }
    if difference > 0 {
        let early = "a request that is about to be sent is counted before it is written down";
        notes.push(early.to_owned());
    } else {
        let young = "the budget is younger than its period, or its key or team was not charged then for all that the log has";
        notes.push(young.to_owned());
    }
    notes
}

impl Found {
    fn add(&mut self, unit: Unit, sums: &Sums, in_currency: bool, open: u64) {
        let (spent, reserved) = match unit {
            Unit::Cost if in_currency => (sums.cost_nano, sums.reserved_nano),
            Unit::Cost => (0, sums.reserved_nano),
            Unit::Tokens => (
                sums.prompt.saturating_add(sums.completion),
                sums.reserved_tokens,
            ),
            Unit::Requests | Unit::Concurrent | Unit::Streams => (0, 0),
        };
        self.spent = self.spent.saturating_add(spent);
        self.reserved = self.reserved.saturating_add(reserved);
        self.open += open;
    }
}

fn unit_name(unit: Unit) -> &'static str {
    match unit {
        Unit::Cost => "money",
        other => other.as_str(),
    }
}

/// An amount of a unit in decimal digits.
fn shown(unit: Unit, amount: u128) -> String {
    match unit {
        Unit::Cost => decimal(amount),
        _ => amount.to_string(),
    }
}

#[cfg(test)]
mod tests;
