//! The entries of the log that a budget's figures are made of, and what each was priced at.
//!
//! Invariant: a price is shown as it is now, and beside it whether it makes what was charged.

use std::collections::BTreeMap;
use std::io;

use journal::Tokens;
use journal::index::usage::Sums;
use journal::index::{Cursor, NoBodies, Query, find};
use journal::row::Row;
use journal::utc::rfc3339;
use policies::limit::meter::{Meter, Owner, Unit};

use super::{Books, Entry, below, shown};
use crate::config::price::decimal;

impl Books<'_> {
    /// Entries of an owner's running period, those that run first.
    pub(super) fn entries(
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
