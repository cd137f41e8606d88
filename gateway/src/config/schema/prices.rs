//! What things cost where a target does not say, and in which currency that is charged.
//!
//! Knows form and defaults only. The rows of the table come from a file of their own.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Config, Model, Target};
use crate::config::each;
use crate::config::price::{Price, PriceList};

/// Prices that many targets share.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Prices {
    /// A table of prices by vendor and model, such as `deploy/prices.yaml`; relative to the config file.
    pub file: Option<String>,
    /// ISO 4217 code of the currency into which `rates` turn others.
    pub currency: String,
    /// What one unit of another currency is in `currency`. What has a rate is charged in `currency`.
    #[serde(deserialize_with = "each::named")]
    pub rates: BTreeMap<String, f64>,
    /// The table that the file holds.
    #[serde(skip_deserializing)]
    #[schemars(skip)]
    pub rows: Vec<PriceRow>,
}

impl Default for Prices {
    fn default() -> Self {
        Self {
            file: None,
            currency: "CNY".into(),
            rates: BTreeMap::new(),
            rows: Vec::new(),
        }
    }
}

/// A file of prices.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PriceTable {
    /// The table.
    #[serde(deserialize_with = "each::listed")]
    pub prices: Vec<PriceRow>,
}

/// What a vendor asks for a model.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PriceRow {
    /// Names of vendors, as in `providers.*.vendor`.
    pub vendors: Vec<String>,
    /// What they call it; with a `*` at the end, whatever begins so and has no nearer row.
    pub model: String,
    /// What it costs.
    pub price: PriceList,
    /// The day for which that was found, `2026-08-21`.
    pub date: String,
    /// Where.
    pub source: String,
    /// It is an example, and not what an invoice will say.
    #[serde(default)]
    pub sample: bool,
}

impl PriceRow {
    /// How near the row is to a model's name; `None` if it is about another.
    fn fits(&self, model: &str) -> Option<usize> {
        match self.model.strip_suffix('*') {
            Some(start) => model.starts_with(start).then_some(start.len()),
            None => (self.model == model).then_some(usize::MAX),
        }
    }
}

impl Prices {
    /// What the table says of a vendor's model.
    #[must_use]
    pub fn find(&self, vendor: &str, model: &str) -> Option<&PriceList> {
        let of_vendor = |row: &&PriceRow| row.vendors.iter().any(|name| name == vendor);
        let fitting = self.rows.iter().filter(of_vendor);
        let nearest = fitting
            .filter_map(|row| Some((row.fits(model)?, row)))
            .max_by_key(|(near, _)| *near);
        nearest.map(|(_, row)| &row.price)
    }

    /// What is paid for one unit of a currency, and in which.
    #[must_use]
    pub fn charged<'a>(&'a self, currency: &'a str) -> (f64, &'a str) {
        match self.rates.get(currency) {
            Some(rate) => (*rate, &self.currency),
            None => (1.0, currency),
        }
    }
}

impl Config {
    /// A price in the currency that it is charged in.
    #[must_use]
    pub fn built_price(&self, list: &PriceList) -> Price {
        let (rate, currency) = self.prices.charged(&list.currency);
        list.build(rate, currency)
    }

    /// The currency of budgets of money: what targets are charged in; where nothing has a price, what a budget says.
    #[must_use]
    pub fn currency(&self) -> &str {
        let targets = self.models.values().flat_map(|model| {
            let targets = model.targets.iter();
            targets.map(move |target| (model, target))
        });
        let mut charged = targets.filter_map(|(model, target)| {
            let price = self.price(model, target)?;
            Some(self.prices.charged(&price.currency).1)
        });
        let keys = self.keys.iter().map(|key| key.budget.as_ref());
        let teams = self
            .teams
            .values()
            .flat_map(|team| [team.budget.as_ref(), team.per_user.budget.as_ref()]);
        let users = self.identity.iter();
        let users = users.map(|identity| identity.per_user.budget.as_ref());
        let mut budgets = keys.chain(teams).chain(users).flatten();
        // Discovered models get their prices later, in the table's one currency.
        let discovers = self.providers.values().any(|provider| provider.discover);
        let said = || {
            let budget = budgets.find(|budget| budget.amount.is_some());
            budget
                .filter(|_| !discovers || self.prices.rows.is_empty())
                .map(|budget| &*budget.currency)
        };
        charged
            .next()
            .or_else(said)
            .unwrap_or(&self.prices.currency)
    }

    /// What a target costs: by its own price, its model's, or the table.
    #[must_use]
    pub fn price<'a>(&'a self, model: &'a Model, target: &'a Target) -> Option<&'a PriceList> {
        let own = target.price.as_ref().or(model.price.as_ref());
        own.or_else(|| {
            let provider = self.providers.get(&target.provider)?;
            self.prices.find(&provider.vendor, &target.model)
        })
    }
}
