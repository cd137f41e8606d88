//! Checks of limits, budgets, prices and the store that counts them.
//!
//! Knows no key. Invariant: what cannot be counted or charged is an error here, not a surprise later.

use std::time::Duration;

use policies::limit::level::AMOUNT_MAX;

use super::{Check, NAME_BYTES_MAX, at};
use crate::config::problem::Step;
use crate::config::schema::{Budget, PerUser, Quota};
use crate::config::units::Span;
use crate::config::zone;

/// Most teams above each other.
pub(crate) const TEAMS_DEEP_MAX: usize = 8;
/// Largest budget, in units of its currency: what a shared store counts exactly in billionths.
const BUDGET_MAX: f64 = 9e6;
/// Longest wait for the shared store.
const TIMEOUT: (Duration, Duration) = (Duration::from_millis(1), Duration::from_secs(5));

impl Check<'_> {
    pub(super) fn money(&mut self) {
        let config = self.config;
        self.store();
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

    fn store(&mut self) {
        let state = &self.config.state;
        self.name(&at!["state", "prefix"], &state.prefix, NAME_BYTES_MAX);
        let Span(timeout) = state.timeout;
        if timeout < TIMEOUT.0 || timeout > TIMEOUT.1 {
            self.error(&at!["state", "timeout"], "must be 1ms to 5s");
        }
        if zone::offset_seconds(&state.timezone).is_none() {
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
        if code.len() != 3 || !code.bytes().all(|byte| byte.is_ascii_uppercase()) {
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
            let targets = model.targets.iter().map(|target| target.price.as_ref());
            let prices = targets.map(|price| price.or(model.price.as_ref()));
            let other = prices.flatten().find(|price| price.currency != currency);
            if let Some(other) = other {
                let message = format!(
                    "model `{name}` is charged in {}: prices and budgets need one currency",
                    other.currency
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
