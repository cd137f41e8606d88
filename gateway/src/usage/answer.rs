//! Usage as it is shown: rows with their figures, as JSON, CSV or a table for people.
//!
//! Must never know where the figures came from. Invariants: money is decimal text, exactly; a CSV has as many cells in every
//! line, and none that a spreadsheet would run.

use std::collections::BTreeMap;
use std::io::{self, Write};

use journal::index::usage::Sums;
use journal::row::csv::write_text;
use serde::{Deserialize, Serialize};

use crate::config::price::decimal;

/// The answer to a question about usage.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Answer {
    /// What rows are told apart by, in order.
    pub by: Vec<String>,
    /// From when on, RFC 3339; to the quarter of an hour.
    pub from: Option<String>,
    /// Before when.
    pub to: Option<String>,
    /// Zone of hours, days and months.
    pub timezone: String,
    /// Every entry of the log below this index was counted.
    pub complete_to: u64,
    /// In the order of what they are told apart by.
    pub rows: Vec<Line>,
    /// All of them together.
    pub total: Line,
}

/// What some requests used together.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Line {
    /// What it is about, by name.
    #[serde(flatten)]
    pub of: BTreeMap<String, String>,
    /// Requests, refused ones too.
    pub requests: u64,
    /// Of them: refused, or failed.
    pub errors: u64,
    /// Of them: refused by a limit or a budget.
    pub limited: u64,
    /// Of them: with tokens that are our estimate.
    pub estimated: u64,
    /// Of them: with tokens and without a price.
    pub unpriced: u64,
    /// Tokens of prompts, cached ones included.
    pub input_tokens: u64,
    /// Of them: read from the vendor's cache.
    pub cached_tokens: u64,
    /// Of them: written to it.
    pub cache_write_tokens: u64,
    /// Tokens of replies, reasoning included.
    pub output_tokens: u64,
    /// Of them: reasoning.
    pub reasoning_tokens: u64,
    /// Images made.
    pub images: u64,
    /// Sound read or made, ms.
    pub audio_ms: u64,
    /// By currency, in decimal digits.
    pub cost: BTreeMap<String, String>,
    #[serde(skip)]
    cost_nano: BTreeMap<String, u128>,
}

/// The figures of a line that are numbers, in the order of every table.
const FIGURES: [&str; 12] = [
    "requests",
    "errors",
    "limited",
    "estimated",
    "unpriced",
    "input_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "images",
    "audio_ms",
];

impl Line {
    /// Adds sums of one currency.
    pub(super) fn add(&mut self, sums: &Sums, currency: &str) {
        let add = |to: &mut u64, more: u64| *to = to.saturating_add(more);
        add(&mut self.requests, sums.requests);
        add(&mut self.errors, sums.errors);
        add(&mut self.limited, sums.limited);
        add(&mut self.estimated, sums.estimated);
        add(&mut self.unpriced, sums.unpriced);
        add(&mut self.input_tokens, sums.prompt);
        add(&mut self.cached_tokens, sums.cached);
        add(&mut self.cache_write_tokens, sums.cache_write);
        add(&mut self.output_tokens, sums.completion);
        add(&mut self.reasoning_tokens, sums.reasoning);
        add(&mut self.images, sums.images);
        add(&mut self.audio_ms, sums.audio_ms);
        if !currency.is_empty() {
            self.add_cost(currency, sums.cost_nano.into());
        }
    }

    /// Adds another line's figures.
    pub(super) fn add_line(&mut self, other: &Self) {
        let numbers: Vec<u64> = self
            .figures()
            .into_iter()
            .zip(other.figures())
            .map(|(sum, more)| sum.saturating_add(more))
            .collect();
        if let [
            requests,
            errors,
            limited,
            estimated,
            unpriced,
            input,
            cached,
            cache_write,
            output,
            reasoning,
            images,
            audio,
        ] = numbers[..]
        {
            self.requests = requests;
            self.errors = errors;
            self.limited = limited;
            self.estimated = estimated;
            self.unpriced = unpriced;
            self.input_tokens = input;
            self.cached_tokens = cached;
            self.cache_write_tokens = cache_write;
            self.output_tokens = output;
            self.reasoning_tokens = reasoning;
            self.images = images;
            self.audio_ms = audio;
        }
        for (currency, nano) in &other.cost_nano {
            self.add_cost(currency, *nano);
        }
    }

    fn add_cost(&mut self, currency: &str, more: u128) {
        let nano = self.cost_nano.entry(currency.to_owned()).or_default();
        *nano = nano.saturating_add(more);
        self.cost.insert(currency.to_owned(), decimal(*nano));
    }

    fn figures(&self) -> [u64; FIGURES.len()] {
        [
            self.requests,
            self.errors,
            self.limited,
            self.estimated,
            self.unpriced,
            self.input_tokens,
            self.cached_tokens,
            self.cache_write_tokens,
            self.output_tokens,
            self.reasoning_tokens,
            self.images,
            self.audio_ms,
        ]
    }
}

impl Answer {
    /// Currencies that anything was paid in.
    fn currencies(&self) -> Vec<&str> {
        self.total.cost.keys().map(String::as_str).collect()
    }

    /// Writes it as CSV: one line a row, a column `cost_CNY` for each currency. Escapes as the log's export.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_csv(&self, out: &mut dyn Write) -> io::Result<()> {
        let costs = self.currencies();
        let by = self.by.iter().cloned();
        let names = by.chain(FIGURES.map(str::to_owned));
        let names: Vec<String> = names
            .chain(costs.iter().map(|currency| format!("cost_{currency}")))
            .collect();
        write!(out, "{}\r\n", names.join(","))?;
        for row in &self.rows {
            for name in &self.by {
                write_text(row.of.get(name).map_or("", String::as_str), out)?;
                out.write_all(b",")?;
            }
            let mut cells: Vec<String> = row.figures().iter().map(u64::to_string).collect();
            let cost = |currency: &&str| row.cost.get(*currency).cloned().unwrap_or_default();
            cells.extend(costs.iter().map(cost));
            write!(out, "{}\r\n", cells.join(","))?;
        }
        Ok(())
    }

    /// The same for people: a head and rows; columns that are all zero are left out. Figures stand behind the first
    /// `by.len()` columns.
    #[must_use]
    pub fn table(&self) -> (Vec<String>, Vec<Vec<String>>) {
        let costs = self.currencies();
        let totals = self.total.figures();
        let is_shown = |at: &usize| *at == 0 || totals.get(*at).is_some_and(|sum| *sum > 0);
        let shown: Vec<usize> = (0..FIGURES.len()).filter(is_shown).collect();
        let figures = |row: &Line| -> Vec<String> {
            let all = row.figures();
            let numbers = shown.iter().filter_map(|at| all.get(*at));
            let money = costs.iter().map(|currency| {
                let cost = row.cost.get(*currency);
                cost.map_or_else(|| "-".to_owned(), Clone::clone)
            });
            numbers.map(u64::to_string).chain(money).collect()
        };
        let names = self.by.iter().map(|name| name.to_uppercase());
        let labels = shown.iter().filter_map(|at| FIGURES.get(*at));
        let labels = labels.map(|name| name.replace('_', " ").to_uppercase());
        let money = costs.iter().map(|currency| (*currency).to_owned());
        let head = names.chain(labels).chain(money).collect();
        let known = |value: &&String| !value.is_empty();
        let row = |row: &Line| {
            let of = self.by.iter().map(|name| {
                let value = row.of.get(name).filter(known);
                value.map_or_else(|| "-".to_owned(), Clone::clone)
            });
            of.chain(figures(row)).collect()
        };
        let mut rows: Vec<Vec<String>> = self.rows.iter().map(row).collect();
        let mut last = vec![String::new(); self.by.len()];
        if let Some(first) = last.first_mut() {
            "total".clone_into(first);
        }
        rows.push(last.into_iter().chain(figures(&self.total)).collect());
        (head, rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> Answer {
        let sums = Sums {
            requests: 2,
            prompt: 10,
            cost_nano: 1_500_000_000,
            ..Sums::default()
        };
        let mut line = Line::default();
        line.add(&sums, "CNY");
        line.add(&sums, "CNY");
        let mut total = Line::default();
        total.add_line(&line);
        line.of.insert("key".into(), "=cmd\u{1b}[2J".into());
        Answer {
            by: vec!["key".into()],
            from: None,
            to: None,
            timezone: "UTC".into(),
            complete_to: 1,
            rows: vec![line],
            total,
        }
    }

    #[test]
    fn shown_in_three_ways() {
        let answer = answer();
        let json = serde_json::to_value(&answer).unwrap();
        assert_eq!(json["rows"][0]["cost"]["CNY"], "3");
        assert_eq!(json["total"]["requests"], 4);
        // What a server wrote, a client shows.
        let back: Answer = serde_json::from_value(json).unwrap();
        for answer in [&answer, &back] {
            let mut csv = Vec::new();
            answer.write_csv(&mut csv).unwrap();
            assert_eq!(
                String::from_utf8(csv).unwrap(),
                "key,requests,errors,limited,estimated,unpriced,input_tokens,cached_tokens,cache_write_tokens,output_tokens,\
                 reasoning_tokens,images,audio_ms,cost_CNY\r\n\"'=cmd\\u001b[2J\",4,0,0,0,0,20,0,0,0,0,0,0,3\r\n"
            );
            let (head, rows) = answer.table();
            assert_eq!(head, ["KEY", "REQUESTS", "INPUT TOKENS", "CNY"]);
            assert_eq!(rows[0][1..], ["4", "20", "3"]);
            assert_eq!(rows[1], ["total", "4", "20", "3"]);
        }
    }
}
