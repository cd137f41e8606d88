//! Checks of limits, budgets, prices and the store that counts them.
//!
//! Knows no key. Invariant: what cannot be counted or charged is an error here, not a surprise later.

use std::time::Duration;

use policies::limit::level::AMOUNT_MAX;

use super::{Check, NAME_BYTES_MAX, at};
use crate::config::price::is_currency;
use crate::config::problem::Step;
use crate::config::schema::{Budget, PerUser, Quota};
use crate::config::units::Span;
use crate::config::zone;

/// Most teams above each other.
pub(crate) const TEAMS_DEEP_MAX: usize = 8;
/// Largest budget, in units of its currency: what a shared store counts exactly in billionths.
const BUDGET_MAX: f64 = 9e6;
/// Largest rate of a currency: beyond it somebody meant something else.
const RATE_MAX: f64 = 1e6;
/// Quarters of an hour: usage is summed by them, and a day must begin with one.
const ZONE_STEP_S: i32 = 900;
/// Longest wait for the shared store.
const TIMEOUT: (Duration, Duration) = (Duration::from_millis(1), Duration::from_secs(5));

impl Check<'_> {
    pub(super) fn money(&mut self) {
        let config = self.config;
        self.store();
        self.prices();
        for (name, model) in &config.models {
            let field = |field: &str| at!["models", name.as_str(), field];
            self.quota(&field("limits"), &model.limits);
        }
        for (name, team) in &config.teams {
            let field = |field: &str| at!["teams", name.as_str(), field];
            self.quota(&field("limits"), &team.limits);
            self.budget(&field("budget"), team.budget.as_ref());
            self.above(name);
        }
        for (index, key) in config.keys.iter().enumerate() {
            self.quota(&at!["keys", index, "limits"], &key.limits);
            self.budget(&at!["keys", index, "budget"], key.budget.as_ref());
        }
    }

    fn prices(&mut self) {
        let config = self.config;
        let prices = &config.prices;
        self.currency(&at!["prices"], &prices.currency);
        for (currency, rate) in &prices.rates {
            let steps = at!["prices", "rates", currency.as_str()];
            if !is_currency(currency) || *currency == prices.currency {
                let message = "three capital letters (ISO 4217), and not those of `currency`";
                self.error(&steps, message);
            }
            if !(1e-6..=RATE_MAX).contains(rate) {
                self.error(&steps, format!("a rate is 0.000001 to {RATE_MAX}"));
            }
        }
        let vendors = prices.rows.iter().flat_map(|row| &row.vendors);
        if let Some(unknown) = vendors.into_iter().find(|v| self.book.info(v).is_none()) {
            let message = format!("its table names the vendor `{unknown}`, which there is not");
            self.warn(&at!["prices", "file"], message);
        }
    }

    fn store(&mut self) {
        let state = &self.config.state;
        self.name(&at!["state", "prefix"], &state.prefix, NAME_BYTES_MAX);
        let Span(timeout) = state.timeout;
        if timeout < TIMEOUT.0 || timeout > TIMEOUT.1 {
            self.error(&at!["state", "timeout"], "must be 1ms to 5s");
        }
        let offset_s = zone::offset_seconds(&state.timezone);
        if offset_s.is_some_and(|offset_s| offset_s % ZONE_STEP_S != 0) {
            let message = "an offset is whole quarters of an hour";
            self.error(&at!["state", "timezone"], message);
        }
        if offset_s.is_none() {
            let known: Vec<_> = zone::names().collect();
            let message = format!(
                "unknown zone; write an offset such as `+08:00`, or {}",
                known.join(", ")
            );
            self.error(&at!["state", "timezone"], message);
        }
        let address = state.store.expose();
        // A reference to a file is read when the snapshot is built.
        if address != "memory"
            && state.store.file_reference().is_none()
            && let Err(problem) = ledger::Store::parse(address, &state.prefix, timeout)
        {
            self.error(
                &at!["state", "store"],
                format!("`memory`, or an address: {problem}"),
            );
        }
    }

    fn quota(&mut self, steps: &[Step], quota: &Quota) {
        for (what, value) in quota.all() {
            if value.is_some_and(|value| !(1..=AMOUNT_MAX).contains(&value)) {
                let mut steps = steps.to_vec();
                steps.push(what.into());
                self.error(&steps, format!("must be 1 to {AMOUNT_MAX}"));
            }
        }
    }

    /// What each user may use. `known`: whether there are users at all.
    pub(super) fn per_user(&mut self, steps: &[Step], per_user: &PerUser, known: bool) {
        let field = |field: &str| {
            let mut steps = steps.to_vec();
            steps.push(field.into());
            steps
        };
        self.quota(&field("limits"), &per_user.limits);
        self.budget(&field("budget"), per_user.budget.as_ref());
        let says = per_user.budget.is_some()
            || per_user
                .limits
                .all()
                .iter()
                .any(|(_, limit)| limit.is_some());
        if says && !known {
            self.warn(steps, "has no effect: without `identity` nobody is a user");
        }
    }

    fn currency(&mut self, steps: &[Step], code: &str) {
        if !is_currency(code) {
            let mut steps = steps.to_vec();
            steps.push("currency".into());
            self.error(&steps, "three capital letters (ISO 4217), such as CNY");
        }
    }

    fn budget(&mut self, steps: &[Step], budget: Option<&Budget>) {
        let Some(budget) = budget else { return };
        let field = |field: &str| {
            let mut steps = steps.to_vec();
            steps.push(field.into());
            steps
        };
        self.currency(steps, &budget.currency);
        if budget.amount.is_none() && budget.tokens.is_none() {
            self.error(steps, "an `amount`, `tokens`, or both");
        }
        if budget
            .amount
            .is_some_and(|amount| !(1e-9..=BUDGET_MAX).contains(&amount))
        {
            self.error(&field("amount"), "more than 0, up to 9000000");
        }
        if budget
            .tokens
            .is_some_and(|tokens| !(1..=AMOUNT_MAX).contains(&tokens))
        {
            self.error(&field("tokens"), format!("must be 1 to {AMOUNT_MAX}"));
        }
        if !(1..=100).contains(&budget.soft) {
            self.error(&field("soft"), "must be 1 to 100 percent");
        }
        if budget.amount.is_some() {
            self.chargeable(&field("currency"), &budget.currency);
        }
    }

    /// Money of one currency cannot be charged to a budget of another.
    fn chargeable(&mut self, steps: &[Step], currency: &str) {
        for (name, model) in &self.config.models {
            let targets = model.targets.iter();
            let prices = targets.filter_map(|target| self.config.price(model, target));
            let mut charged = prices.map(|price| self.config.prices.charged(&price.currency).1);
            if let Some(other) = charged.find(|charged| *charged != currency) {
                let message = format!(
                    "model `{name}` is charged in {other}: prices and budgets need one currency; `prices.rates` turns others into `prices.currency`"
                );
                self.error(steps, message);
                return;
            }
        }
    }

    /// A team's parents: they exist, they end, and there are not too many.
    fn above(&mut self, name: &str) {
        let teams = &self.config.teams;
        let steps = at!["teams", name, "parent"];
        let (mut at, mut deep) = (name, 0);
        while let Some(parent) = teams.get(at).and_then(|team| team.parent.as_deref()) {
            if !teams.contains_key(parent) {
                if at == name {
                    let known = teams.keys().map(String::as_str);
                    self.dangling(&steps, "team", parent, known);
                }
                return;
            }
            deep += 1;
            if parent == name {
                return self.error(&steps, "this team is above itself");
            }
            if deep >= TEAMS_DEEP_MAX {
                let message =
                    format!("more than {TEAMS_DEEP_MAX} teams above each other, or in a circle");
                return self.error(&steps, message);
            }
            at = parent;
        }
    }
}
