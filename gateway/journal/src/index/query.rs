//! What is searched for, and whether a row is it. The index only proposes rows; this decides.
//!
//! Must never know files. Invariants: a row is shown if and only if `matches` says so, with an index or without.

use super::text::{self, Bodies};
use crate::row::{COLUMNS, Row};

/// Most values of all filters together, and most texts.
pub const VALUES_MAX: usize = 64;
/// Longest text searched for, in bytes.
pub const TEXT_BYTES_MAX: usize = 1024;

/// What to look for: all of it must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// Not before this, ms since 1970 UTC.
    pub from_ms: Option<i64>,
    /// Before this, ms since 1970 UTC.
    pub to_ms: Option<i64>,
    /// Costs at least this, in billionths.
    pub min_cost_nano: Option<i64>,
    /// A filter of `COLUMNS` and the values of which a row must have one.
    terms: Vec<(&'static str, Vec<String>)>,
    /// What its texts must contain, in lower case.
    texts: Vec<String>,
}

impl Query {
    /// Asks for rows with this value; several values of one filter are alternatives.
    ///
    /// # Errors
    /// A filter that there is not, or too many values.
    pub fn want(&mut self, filter: &str, value: &str) -> Result<(), &'static str> {
        let known = COLUMNS
            .iter()
            .flat_map(|column| column.filters)
            .find(|known| **known == filter)
            .ok_or("there is no such filter")?;
        if self
            .terms
            .iter()
            .map(|(_, values)| values.len())
            .sum::<usize>()
            >= VALUES_MAX
        {
            return Err("too many values");
        }
        let value = value.to_owned();
        match self.terms.iter_mut().find(|(filter, _)| filter == known) {
            Some((_, values)) => values.push(value),
            None => self.terms.push((known, vec![value])),
        }
        Ok(())
    }

    /// Asks for rows whose texts contain this, in upper or lower case; several texts must all be there.
    ///
    /// # Errors
    /// A text that is empty or too long, or too many of them.
    pub fn want_text(&mut self, text: &str) -> Result<(), &'static str> {
        if text.is_empty() {
            return Err("an empty text is in every entry");
        }
        if text.len() > TEXT_BYTES_MAX {
            return Err("the text is longer than 1024 bytes");
        }
        if self.texts.len() >= VALUES_MAX {
            return Err("too many texts");
        }
        self.texts.push(text::lower(text));
        Ok(())
    }

    /// Whether a row is what is looked for. Its bodies are read only if all else holds.
    pub fn matches(&self, row: &Row, bodies: &dyn Bodies) -> bool {
        let at = row.time.0.or(row.ended.0);
        self.takes_time(at) && self.takes_cost(row.cost_nano) && self.takes_terms(row) && {
            self.texts.is_empty() || text::contains(row, bodies, &self.texts)
        }
    }

    pub(super) fn terms(&self) -> &[(&'static str, Vec<String>)] {
        &self.terms
    }

    pub(super) fn texts(&self) -> &[String] {
        &self.texts
    }

    pub(super) fn takes_time(&self, at: Option<i64>) -> bool {
        (self.from_ms.is_none() && self.to_ms.is_none())
            || at.is_some_and(|at| {
                self.from_ms.is_none_or(|from| at >= from) && self.to_ms.is_none_or(|to| at < to)
            })
    }

    pub(super) fn takes_cost(&self, cost: Option<i64>) -> bool {
        self.min_cost_nano
            .is_none_or(|least| cost.is_some_and(|cost| cost >= least))
    }

    fn takes_terms(&self, row: &Row) -> bool {
        if self.terms.is_empty() {
            return true;
        }
        // At most VALUES_MAX of them, so that many bits.
        let mut met = 0_u64;
        row.each_term(|filter, text| {
            let wanted = self.terms.iter().position(|(name, values)| {
                *name == filter && values.iter().any(|value| value == text)
            });
            met |= wanted.map_or(0, |at| 1 << at);
        });
        met.count_ones() as usize == self.terms.len()
    }
}
