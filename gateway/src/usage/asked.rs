//! What somebody wants to know of usage: by what, of whom, from when to when.
//!
//! Invariants: a word that means nothing is an error that says what there is; at most `ROWS_MAX` rows are made.

use std::collections::BTreeMap;

use journal::index::usage::{DIMENSIONS, Of, SLOT_MS, Sums};
use journal::utc::rfc3339;

use super::answer::{Answer, Line};
use crate::audit::asked::moment;
use crate::config::zone;

/// Most rows of an answer.
pub const ROWS_MAX: usize = 100_000;
/// Most values that filters may have together.
const VALUES_MAX: usize = 64;
/// What rows are told apart by where nothing is said.
const BY: &str = "key";
/// Stretches of time that rows can be told apart by.
const TIMES: [&str; 3] = ["hour", "day", "month"];
/// Where the currency stands in `DIMENSIONS`: every row has its cost by currency.
const CURRENCY: usize = DIMENSIONS.len() - 1;

/// A question about usage.
#[derive(Debug, Clone)]
pub struct Asked {
    by: Vec<By>,
    /// Position in `DIMENSIONS`, and the values that it may have.
    only: BTreeMap<usize, Vec<String>>,
    from_ms: Option<i64>,
    to_ms: Option<i64>,
    zone: String,
    zone_s: i32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    /// Position in `DIMENSIONS`.
    Of(usize),
    /// Characters of a moment as RFC 3339 writes it.
    Time(&'static str, usize),
}

impl By {
    fn find(name: &str) -> Option<Self> {
        match name {
            "hour" => Some(Self::Time("hour", "2026-11-26T08".len())),
            "day" => Some(Self::Time("day", "2026-11-26".len())),
            "month" => Some(Self::Time("month", "2026-11".len())),
            _ => dimension(name).map(Self::Of),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Of(at) => DIMENSIONS.get(at).copied().unwrap_or_default(),
            Self::Time(name, _) => name,
        }
    }
}

/// A dimension that rows can be told apart by.
fn dimension(name: &str) -> Option<usize> {
    let at = DIMENSIONS.iter().position(|known| *known == name)?;
    (at != CURRENCY).then_some(at)
}

impl Asked {
    /// Reads names and values as they stand in a query or on a command line; `zone` is the zone of the calendar where none is
    /// asked for.
    ///
    /// # Errors
    /// What is wrong.
    pub fn read<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)> + Clone,
        zone: &str,
        now_ms: i64,
    ) -> Result<Self, String> {
        let named = |wanted: &str| {
            let mut pairs = pairs
                .clone()
                .into_iter()
                .filter(|(name, _)| *name == wanted);
            pairs.next().map(|(_, value)| value)
        };
        let zone = named("timezone").unwrap_or(zone);
        let zone_s = zone::offset_seconds(zone)
            .filter(|offset_s| i64::from(*offset_s) * 1000 % SLOT_MS == 0)
            .ok_or("timezone: not a zone such as Asia/Shanghai, or an offset in quarters of an hour such as +08:00")?;
        let mut asked = Self {
            by: Vec::new(),
            only: BTreeMap::new(),
            from_ms: None,
            to_ms: None,
            zone: zone.to_owned(),
            zone_s,
        };
        for name in named("by").unwrap_or(BY).split(',').map(str::trim) {
            let by = By::find(name).ok_or_else(|| {
                let known: Vec<&str> = DIMENSIONS[..CURRENCY]
                    .iter()
                    .chain(&TIMES)
                    .copied()
                    .collect();
                format!("by: there is no `{name}`; there are {}", known.join(", "))
            })?;
            if !asked.by.contains(&by) {
                asked.by.push(by);
            }
        }
        let mut values = 0;
        for (name, value) in pairs {
            match name {
                "by" | "timezone" | "format" => {}
                "from" => asked.from_ms = Some(asked.moment(name, value, now_ms)?),
                "to" => asked.to_ms = Some(asked.moment(name, value, now_ms)?),
                _ => {
                    let known = DIMENSIONS[..CURRENCY].join(", ");
                    let at = dimension(name)
                        .ok_or_else(|| format!("there is no `{name}`; there are by, from, to, timezone, format, {known}"))?;
                    values += 1;
                    if values > VALUES_MAX {
                        return Err(format!("more than {VALUES_MAX} values"));
                    }
                    asked.only.entry(at).or_default().push(value.to_owned());
                }
            }
        }
        Ok(asked)
    }

    /// Leaves nothing but what these teams used: for somebody who may see no more.
    pub fn confine(&mut self, teams: &[String]) {
        if let Some(at) = dimension("team") {
            let wanted = self.only.get(&at);
            let allowed = |team: &&String| wanted.is_none_or(|wanted| wanted.contains(team));
            let seen = teams.iter().filter(allowed).cloned().collect();
            self.only.insert(at, seen);
        }
    }

    /// A day begins where the calendar says.
    fn moment(&self, name: &str, text: &str, now_ms: i64) -> Result<i64, String> {
        let ms = moment(text, now_ms).ok_or_else(|| {
            format!("{name}: not a moment: 2026-11-26, 2026-11-26T08:00:00+08:00, ms since 1970, or 30m, 24h, 7d ago")
        })?;
        let is_day = text.len() == "2026-11-26".len() && text.contains('-');
        Ok(if is_day {
            ms - i64::from(self.zone_s) * 1000
        } else {
            ms
        })
    }

    /// Whole slots are counted: the time that has anything to do with what is asked for.
    #[must_use]
    pub fn span(&self) -> (i64, i64) {
        let from_ms = self.from_ms.unwrap_or(0);
        (from_ms, self.to_ms.unwrap_or(i64::MAX))
    }

    /// The answer to nothing yet.
    #[must_use]
    pub fn begin(&self) -> Table<'_> {
        Table {
            asked: self,
            rows: BTreeMap::new(),
            full: false,
        }
    }

    fn wants(&self, of: &Of<'_>) -> bool {
        self.only.iter().all(|(at, values)| {
            let value = of.get(*at).copied().unwrap_or_default();
            values.iter().any(|wanted| wanted == value)
        })
    }

    fn value(&self, by: By, slot_ms: i64, of: &Of<'_>) -> String {
        match by {
            By::Of(at) => of.get(at).copied().unwrap_or_default().to_owned(),
            By::Time(_, length) => {
                let mut text = rfc3339(slot_ms.saturating_add(i64::from(self.zone_s) * 1000));
                text.truncate(length);
                text
            }
        }
    }
}

/// Sums that are put together.
#[derive(Debug)]
pub struct Table<'a> {
    asked: &'a Asked,
    rows: BTreeMap<Vec<String>, Line>,
    full: bool,
}

impl Table<'_> {
    /// Adds sums, as the log hands them over.
    pub fn take(&mut self, slot_ms: i64, of: &Of<'_>, sums: &Sums) {
        let asked = self.asked;
        if !asked.wants(of) {
            return;
        }
        let by = asked.by.iter().map(|by| asked.value(*by, slot_ms, of));
        let key: Vec<String> = by.collect();
        if self.rows.len() >= ROWS_MAX && !self.rows.contains_key(&key) {
            self.full = true;
            return;
        }
        let [.., currency] = of;
        self.rows.entry(key).or_default().add(sums, currency);
    }

    /// The whole of it; `complete_to` is the index below which every entry of the log was counted.
    ///
    /// # Errors
    /// More rows than an answer may have.
    pub fn finish(self, complete_to: u64) -> Result<Answer, String> {
        if self.full {
            return Err(format!(
                "more than {ROWS_MAX} rows: ask by less, or for less time"
            ));
        }
        let asked = self.asked;
        let names: Vec<&str> = asked.by.iter().map(|by| by.name()).collect();
        let mut total = Line::default();
        let rows: Vec<Line> = self
            .rows
            .into_iter()
            .map(|(key, mut line)| {
                total.add_line(&line);
                line.of = names
                    .iter()
                    .map(|name| (*name).to_owned())
                    .zip(key)
                    .collect();
                line
            })
            .collect();
        Ok(Answer {
            by: names.into_iter().map(str::to_owned).collect(),
            from: asked.from_ms.map(rfc3339),
            to: asked.to_ms.map(rfc3339),
            timezone: asked.zone.clone(),
            complete_to,
            rows,
            total,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_795_710_600_000;

    fn ask(pairs: &[(&str, &str)]) -> Result<Asked, String> {
        Asked::read(pairs.iter().copied(), "Asia/Shanghai", NOW_MS)
    }

    fn sums(requests: u64, cost_nano: u64) -> Sums {
        Sums {
            requests,
            cost_nano,
            ..Sums::default()
        }
    }

    fn lines(asked: &Asked) -> Vec<String> {
        let mut table = asked.begin();
        // 2026-11-26 15:45 and 16:00 UTC: around midnight in Shanghai.
        for (slot, key, team, cost, currency) in [
            (1_795_707_900_000, "a", "t", 5, "CNY"),
            (1_795_708_800_000, "a", "t", 7, "CNY"),
            (1_795_708_800_000, "a", "t", 2, "USD"),
            (1_795_708_800_000, "b", "u", 0, ""),
        ] {
            let of = [key, team, "", "m", "p", "x", currency];
            table.take(slot, &of, &sums(1, cost));
        }
        let answer = table.finish(9).unwrap();
        assert_eq!(
            answer.total.requests,
            answer.rows.iter().map(|row| row.requests).sum::<u64>()
        );
        answer
            .rows
            .iter()
            .map(|row| {
                format!(
                    "{:?} {} {:?}",
                    row.of.values().collect::<Vec<_>>(),
                    row.requests,
                    row.cost
                )
            })
            .collect()
    }

    #[test]
    fn rows_by_what_is_asked_for() {
        assert_eq!(
            lines(&ask(&[]).unwrap()),
            [
                r#"["a"] 3 {"CNY": "0.000000012", "USD": "0.000000002"}"#,
                r#"["b"] 1 {}"#
            ]
        );
        assert_eq!(
            lines(&ask(&[("by", "day"), ("key", "a")]).unwrap()),
            [
                r#"["2026-11-26"] 1 {"CNY": "0.000000005"}"#,
                r#"["2026-11-27"] 2 {"CNY": "0.000000007", "USD": "0.000000002"}"#
            ]
        );
        let mut viewer = ask(&[("by", "team")]).unwrap();
        viewer.confine(&["u".to_owned()]);
        assert_eq!(lines(&viewer), [r#"["u"] 1 {}"#]);
        let mut curious = ask(&[("by", "team"), ("team", "t")]).unwrap();
        curious.confine(&["u".to_owned()]);
        assert_eq!(lines(&curious), [""; 0]);
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        let asked = ask(&[("from", "2026-11-27")]).unwrap();
        assert_eq!(asked.span().0, 1_795_708_800_000);
        let asked = ask(&[("from", "2026-11-27"), ("timezone", "UTC")]).unwrap();
        assert_eq!(asked.span().0, 1_795_737_600_000);
        let asked = ask(&[("from", "24h")]).unwrap();
        assert_eq!(asked.span().0, NOW_MS - 86_400_000);
    }

    #[test]
    fn what_means_nothing_is_told() {
        for (pairs, part) in [
            (
                &[("by", "colour")][..],
                "key, team, user, model, provider, target, hour, day, month",
            ),
            (&[("by", "currency")], "there is no `currency`"),
            (&[("colour", "red")], "there is no `colour`"),
            (&[("from", "soon")], "from: not a moment"),
            (&[("timezone", "Europe/Paris")], "timezone"),
            (&[("timezone", "+08:20")], "timezone"),
        ] {
            let told = ask(pairs).unwrap_err();
            assert!(told.contains(part), "{told}");
        }
    }
}
