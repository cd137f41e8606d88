//! Checks of limits, budgets, prices and the store that counts them.
//!
//! Knows no key. Invariant: what cannot be counted or charged is an error here, not a surprise later.

use std::time::Duration;

use policies::limit::level::AMOUNT_MAX;
use policies::limit::line::WEIGHT_MAX;

use super::{Check, NAME_BYTES_MAX, at};
use crate::config::price::is_currency;
use crate::config::problem::Step;
use crate::config::schema::{Budget, PerUser, Provider, Quota};
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
/// Shortest pepper: 128 random bits in hexadecimal.
const PEPPER_BYTES_MIN: usize = 32;
/// Longest line of requests that wait for a provider: each holds its body.
const QUEUE_MAX: u32 = 10_000;
/// Longest wait there: clients and what stands between have given up by then.
const QUEUE_WAIT: (Duration, Duration) = (Duration::from_millis(1), Duration::from_secs(600));
/// Longest wait for the shared store.
const TIMEOUT: (Duration, Duration) = (Duration::from_millis(1), Duration::from_secs(5));

impl Check<'_> {
    pub(super) fn money(&mut self) {
        let config = self.config;
        self.store();
        self.prices();
        if let Some(webhook) = &config.alerts.webhook {
            // The secret signs and does not travel.
            self.place(&at!["alerts", "webhook", "url"], &webhook.url, false);
        }
        for (name, provider) in &config.providers {
            self.room(name, provider);
        }
        for (name, model) in &config.models {
            let field = |field: &str| at!["models", name.as_str(), field];
            self.quota(&field("limits"), &model.limits);
        }
        for (name, team) in &config.teams {
            let field = |field: &str| at!["teams", name.as_str(), field];
            self.quota(&field("limits"), &team.limits);
            self.budget(&field("budget"), team.budget.as_ref());
            if team
                .weight
                .is_some_and(|weight| !(1..=WEIGHT_MAX).contains(&weight))
            {
                self.error(&field("weight"), format!("must be 1 to {WEIGHT_MAX}"));
            }
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
        if state.dir.is_empty() {
            self.error(&at!["state", "dir"], "is empty");
        }
        let short = |pepper: &crate::secret::Secret| {
            pepper.file_reference().is_none() && pepper.expose().len() < PEPPER_BYTES_MIN
        };
        if state.pepper.as_ref().is_some_and(short) {
            let message = format!("{PEPPER_BYTES_MIN} characters or more, random ones");
            self.error(&at!["state", "pepper"], message);
        }
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

    /// What a vendor allows us, and who waits for it.
    fn room(&mut self, name: &str, provider: &Provider) {
        self.quota(&at!["providers", name, "limits"], &provider.limits);
        if let Some(queue) = provider.queue {
            let field = |field: &str| -> [Step; 4] { at!["providers", name, "queue", field] };
            if queue.max > QUEUE_MAX {
                self.error(&field("max"), format!("must be 0 to {QUEUE_MAX}"));
            }
            if queue.wait.0 < QUEUE_WAIT.0 || queue.wait.0 > QUEUE_WAIT.1 {
                self.error(&field("wait"), "must be 1ms to 10m");
            }
        }
        // One model of the vendor's may be the target of several of ours: its limits are the vendor's and have one value.
        let models = self.config.models.iter();
        let targets = models.flat_map(|(model, of)| {
            let targets = of.targets.iter().enumerate();
            targets.map(move |(index, target)| (model.as_str(), index, target))
        });
        let mut known: Vec<(&str, &Quota)> = Vec::new();
        for (model, index, target) in targets.filter(|(_, _, target)| target.provider == name) {
            let steps = at!["models", model, "targets", index, "limits"];
            self.quota(&steps, &target.limits);
            let other = known.iter().find(|(other, _)| *other == target.model);
            match other {
                Some((_, limits)) if **limits != target.limits => self.error(
                    &steps,
                    "another target with the same provider and model has other limits",
                ),
                Some(_) => {}
                None => known.push((&target.model, &target.limits)),
            }
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
        let of_all = self.config.currency();
        if currency != of_all {
            let message = format!(
                "what has a price is charged in {of_all}: prices and budgets need one currency; `prices.rates` turns others into `prices.currency`"
            );
            self.error(steps, message);
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

#[cfg(test)]
mod tests {
    use policies::limit::line::Class;

    use crate::config::testing::{FULL, built, lines};

    const NEAR: &str = "clearance: restricted, http2: true";

    #[test]
    fn what_a_vendor_allows_is_checked() {
        for (old, new, message) in [
            (
                NEAR,
                "queue: { max: 20000 }",
                "providers.near.queue.max: must be 0 to 10000",
            ),
            (
                NEAR,
                "queue: { wait: 1h }",
                "providers.near.queue.wait: must be 1ms to 10m",
            ),
            (
                NEAR,
                "limits: { rpm: 0 }",
                "providers.near.limits.rpm: must be 1 to",
            ),
            (
                "model: max,",
                "model: max, limits: { concurrent: 0 },",
                "targets[1].limits.concurrent: must be 1 to",
            ),
            (
                "model: small }",
                "model: qwen, limits: { rpm: 5 } }",
                "another target with the same provider and model has other limits",
            ),
            (
                "grade: internal, limits: { rpm: 600",
                "weight: 0, limits: { rpm: 600",
                "teams.retail.weight: must be 1 to 1000",
            ),
        ] {
            let text = FULL.replace(old, new);
            let found = lines(&built(&text).unwrap_err());
            assert!(found.contains(message), "{new}: {found}");
        }
    }

    #[test]
    fn a_key_is_no_more_urgent_than_its_team() {
        for (team, key, class) in [
            ("", "", Class::Normal),
            ("", "high", Class::High),
            ("low", "", Class::Low),
            ("low", "high", Class::Low),
            ("high", "low", Class::Low),
        ] {
            let of = |priority: &str| match priority {
                "" => String::new(),
                some => format!("priority: {some}, "),
            };
            let text = FULL
                .replace(
                    "{ models: [assistant]",
                    &format!("{{ {}weight: 3, models: [assistant]", of(team)),
                )
                .replace("{ id: crm-bot", &format!("{{ {}id: crm-bot", of(key)));
            let snapshot = built(&text).unwrap().snapshot;
            let principal = snapshot.keys.find(b"ym-demo", 0).unwrap();
            let share = &principal.share;
            assert_eq!(
                (&*share.team, share.weight, share.class),
                ("retail", 3, class)
            );
        }
    }

    #[test]
    fn room_is_made_where_something_is_limited() {
        let text = FULL
            .replace(
                NEAR,
                "limits: { rpm: 60, concurrent: 4 }, queue: { max: 9 }",
            )
            .replace("model: small }", "model: small, limits: { tpm: 100 } }");
        let snapshot = built(&text).unwrap().snapshot;
        let small = snapshot.models["small"].targets[0].room.as_ref().unwrap();
        let names: Vec<_> = small.limits.iter().map(|meter| meter.name()).collect();
        assert_eq!(
            names,
            [
                "provider/near/requests/60s",
                "provider/near/concurrent/now",
                "provider/near/small/tokens/60s"
            ]
        );
        assert_eq!((small.shared, small.queue_max), (2, 9));
        let assistant = &snapshot.models["assistant"].targets;
        let of = |name: &str| {
            assistant
                .iter()
                .find(|target| &*target.provider.name == name)
        };
        let near = of("near").unwrap().room.as_ref().unwrap();
        assert!(std::sync::Arc::ptr_eq(&near.door, &small.door));
        assert!(of("far").unwrap().room.is_none());
    }
}
