//! Budgets as they stand, and the entries of the log that a figure is made of.
//!
//! What a budget counts (`counted`) is what requests are refused by; what the log says is its check: closed requests with what
//! they cost, open ones with what is reserved for them. Where the two differ, the answer says by how much, and what that may
//! come from.
//!
//! Must never know HTTP. Invariants: a figure in an answer is exact, in decimal digits; an explanation says from where to where
//! the log was read.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use journal::Tokens;
use journal::follow::Until;
use journal::index::usage::{self, Sums};
use journal::index::{Cursor, Index, NoBodies, Query, find};
use journal::row::Row;
use journal::utc::rfc3339;
use policies::access::keys::KeyTable;
use policies::limit::level::{Now, Window};
use policies::limit::meter::{Meter, Meters, Owner, Unit};
use serde::{Deserialize, Serialize};

pub use super::owners::below;
use super::owners::each_owner;
use crate::config::price::decimal;
use crate::config::snapshot::{Money, Snapshot};

/// Entries of an explanation where no number is asked for.
pub const ENTRIES: usize = 100;

/// One budget.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Budget {
    /// Whose: `key:crm-bot`, `team:retail`.
    pub owner: String,
    /// `money` or `tokens`.
    pub unit: String,
    /// Of money.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// `day`, `week` or `month`.
    pub period: String,
    /// When it began, RFC 3339.
    pub begin: String,
    /// When the next begins.
    pub end: String,
    /// The whole, in decimal digits.
    pub amount: String,
    /// What a warning is given from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub soft: Option<String>,
    /// Spent and reserved: what requests are refused by. Absent if the shared store does not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counted: Option<String>,
    /// The amount less that; 0 if more was spent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remaining: Option<String>,
    /// Whether the warning's threshold is crossed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub over_soft: Option<bool>,
    /// Of this replica's log: what closed requests cost.
    pub spent: String,
    /// Of this replica's log: what is reserved for requests that run, or were cut off by a crash.
    pub reserved: String,
}

/// What a budget's figures are made of.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Explanation {
    /// The budget, or the two of one owner.
    pub budgets: Vec<Reckoned>,
    /// Entries of the running period, newest first.
    pub entries: Vec<Entry>,
    /// Where to go on; absent if there is no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Every entry of the log below this index was counted.
    pub complete_to: u64,
}

/// A budget and whether its figures add up.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Reckoned {
    /// The budget.
    #[serde(flatten)]
    pub budget: Budget,
    /// Whether what is counted is what the log says.
    pub adds_up: bool,
    /// What is counted less what the log says, if that is not nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference: Option<String>,
    /// What that may come from.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub notes: Vec<String>,
}

/// An entry of the log that counts to a budget.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Entry {
    /// The request's id.
    pub id: String,
    /// When it arrived, RFC 3339.
    pub time: String,
    /// Its key.
    pub key: String,
    /// Its team.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub team: String,
    /// The model that was asked for.
    pub model: String,
    /// Who answered.
    pub provider: String,
    /// The model there.
    pub target: String,
    /// How it ended; `open` if it runs.
    pub outcome: String,
    /// Tokens: `input`, `cached`, `cache_write`, `output`, `reasoning`, and `images`, `audio_ms`.
    pub used: BTreeMap<String, u64>,
    /// Whether these are our estimate.
    #[serde(skip_serializing_if = "is_false", default)]
    pub estimated: bool,
    /// What it cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<String>,
    /// In which currency.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub currency: String,
    /// Counted as reserved: nobody knows what it used, or not yet.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub reserved: BTreeMap<String, String>,
    /// The target's prices now, per million tokens (`image`, `audio_minute`, `request`: of one).
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub price: BTreeMap<String, String>,
    /// Whether they make this cost: else they were others then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price_holds: Option<bool>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_false(flag: &bool) -> bool {
    !flag
}

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

    /// Entries of an owner's running period, those that run first.
    fn entries(
        &self,
        meter: &Meter,
        open: &[Row],
        cursor: Option<Cursor>,
        limit: usize,
    ) -> io::Result<(Vec<Entry>, Option<Cursor>)> {
        let money = &self.money;
        let mut query = Query::default();
        query.from_ms = Some(self.period(meter).0);
        let wrong = |why: &'static str| io::Error::new(io::ErrorKind::InvalidInput, why);
        query.want("kind", "request").map_err(wrong)?;
        match &meter.owner {
            Owner::Key(name) => query.want("key", name).map_err(wrong)?,
            Owner::User(name) => query.want("user", name).map_err(wrong)?,
            Owner::Model(name) => query.want("asked", name).map_err(wrong)?,
            Owner::Provider(name) => query.want("provider", name).map_err(wrong)?,
            Owner::Team(name) => {
                for team in below(money, name) {
                    query.want("team", team).map_err(wrong)?;
                }
            }
        }
        let mut entries = Vec::new();
        if cursor.is_none() {
            let running = open.iter().filter(|row| query.matches(row, &NoBodies));
            entries.extend(running.map(|row| self.entry(row, true)));
        }
        let page = match self.index.filter(|_| self.live) {
            Some(index) => index.page(&query, cursor, limit, &NoBodies)?,
            None => find::page(self.log, self.index, &query, cursor, limit, &NoBodies)?,
        };
        entries.extend(page.rows.iter().map(|row| self.entry(row, false)));
        Ok((entries, page.next))
    }

    fn entry(&self, row: &Row, runs: bool) -> Entry {
        let either =
            |last: &str, first: &str| if last.is_empty() { first } else { last }.to_owned();
        let sums = Sums::of(row);
        let used = [
            ("input", sums.prompt),
            ("cached", sums.cached),
            ("cache_write", sums.cache_write),
            ("output", sums.completion),
            ("reasoning", sums.reasoning),
            ("images", sums.images),
            ("audio_ms", sums.audio_ms),
        ];
        let reserved = [
            ("money", sums.reserved_nano, Unit::Cost),
            ("tokens", sums.reserved_tokens, Unit::Tokens),
        ];
        let (provider, target) = (
            either(&row.provider, &row.first_provider),
            either(&row.model, &row.first_model),
        );
        let (price, price_holds) = self.price(row, &provider, &target);
        Entry {
            id: row.id.clone(),
            time: row.time.0.map_or_else(String::new, rfc3339),
            key: row.key.clone(),
            team: row.team.clone(),
            model: row.asked.clone(),
            provider,
            target,
            outcome: if runs {
                "open".to_owned()
            } else {
                row.outcome.clone()
            },
            used: used
                .into_iter()
                .filter(|(_, count)| *count > 0)
                .map(|(name, count)| (name.to_owned(), count))
                .collect(),
            estimated: row.tokens_estimated == Some(true),
            cost: row
                .cost_nano
                .map(|nano| decimal(nano.unsigned_abs().into())),
            currency: row.currency.clone(),
            reserved: reserved
                .into_iter()
                .filter(|(_, amount, _)| *amount > 0)
                .map(|(name, amount, unit)| (name.to_owned(), shown(unit, amount.into())))
                .collect(),
            price,
            price_holds,
        }
    }

    /// The prices of a target now, and whether they make what was charged.
    fn price(
        &self,
        row: &Row,
        provider: &str,
        target: &str,
    ) -> (BTreeMap<String, String>, Option<bool>) {
        let Some(cost) = row.cost_nano.and_then(|nano| u64::try_from(nano).ok()) else {
            return (BTreeMap::new(), None);
        };
        let model = self.snapshot.models.get(&*row.asked);
        let targets = model.into_iter().flat_map(|model| &model.targets);
        let mut same = targets.filter(|t| *t.provider.name == *provider && *t.model == *target);
        let Some(price) = same.next().and_then(|target| target.price.as_ref()) else {
            return (BTreeMap::new(), Some(false));
        };
        let sums = Sums::of(row);
        let tokens = Tokens {
            prompt: sums.prompt,
            completion: sums.completion,
            cached: sums.cached,
            cache_write: sums.cache_write,
            reasoning: sums.reasoning,
            images: sums.images,
            audio_ms: sums.audio_ms,
            ..Tokens::default()
        };
        let holds = *price.currency == *row.currency
            && [true, false]
                .iter()
                .any(|answered| price.of(tokens, *answered) == cost);
        let parts = price.parts();
        let parts = parts.map(|(name, nano)| (name.to_owned(), decimal(nano.into())));
        (parts.collect(), Some(holds))
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
