//! Endpoints, networks and hours of a team or a key → the scope that requests are held against.
//!
//! One reader for [`check`](super::check) and [`build`](super::build), so that they cannot disagree. Knows no team above.

use std::net::IpAddr;

use adapters::places;
use ipnet::IpNet;
use policies::access::scope::{DAY_MINUTES, Hours, Names, Scope};

use super::problem::{Step, suggest};
use super::schema::{self, HoursSpan, Key, Team};
use super::zone;
use crate::pipeline::MODERATIONS;

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// What a team or a key says.
#[derive(Clone, Copy)]
pub(super) struct Said<'a> {
    endpoints: Option<&'a [String]>,
    networks: Option<&'a [String]>,
    hours: Option<&'a schema::Hours>,
}

impl<'a> From<&'a Team> for Said<'a> {
    fn from(team: &'a Team) -> Self {
        Self {
            endpoints: team.endpoints.as_deref(),
            networks: team.networks.as_deref(),
            hours: team.hours.as_ref(),
        }
    }
}

impl<'a> From<&'a Key> for Said<'a> {
    fn from(key: &'a Key) -> Self {
        Self {
            endpoints: key.endpoints.as_deref(),
            networks: key.networks.as_deref(),
            hours: key.hours.as_ref(),
        }
    }
}

/// Something wrong, and the steps to it from the team or the key.
pub(super) struct Wrong {
    pub(super) steps: Vec<Step>,
    pub(super) message: String,
    pub(super) suggestion: Option<String>,
}

fn wrong<const N: usize>(steps: [Step; N], message: impl Into<String>) -> Wrong {
    Wrong {
        steps: steps.into(),
        message: message.into(),
        suggestion: None,
    }
}

impl<'a> Said<'a> {
    /// Each thing that it says alone: the field, the entry of a list, and the thing.
    pub(super) fn parts(self) -> impl Iterator<Item = (&'static str, Option<usize>, Self)> {
        const NOTHING: Said<'static> = Said {
            endpoints: None,
            networks: None,
            hours: None,
        };
        let each = |list: Option<&'a [String]>| list.unwrap_or_default().chunks(1).enumerate();
        let endpoints = each(self.endpoints).map(|(at, one)| {
            let endpoints = Some(one);
            (
                "endpoints",
                Some(at),
                Self {
                    endpoints,
                    ..NOTHING
                },
            )
        });
        let networks = each(self.networks).map(|(at, one)| {
            let networks = Some(one);
            (
                "networks",
                Some(at),
                Self {
                    networks,
                    ..NOTHING
                },
            )
        });
        let hours = self.hours.map(|hours| {
            let hours = Some(hours);
            ("hours", None, Self { hours, ..NOTHING })
        });
        endpoints.chain(networks).chain(hours)
    }

    /// Reads it. `timezone` is that of hours which name none.
    ///
    /// # Errors
    /// Everything wrong.
    pub(super) fn read(self, timezone: &str) -> Result<Scope, Vec<Wrong>> {
        let mut scope = Scope::default();
        let mut all = Vec::new();
        if let Some(entries) = self.endpoints {
            let read = entries.iter().enumerate().map(|(at, entry)| {
                endpoints(entry).map_err(|wrong| in_list("endpoints", at, wrong))
            });
            let found: Vec<&str> = gather(read, &mut all).into_iter().flatten().collect();
            scope.endpoints = Names::only(found);
        }
        if let Some(entries) = self.networks {
            let read = entries
                .iter()
                .enumerate()
                .map(|(at, entry)| network(entry).map_err(|wrong| in_list("networks", at, wrong)));
            scope.networks = Scope::networks(gather(read, &mut all));
        }
        if let Some(schema::Hours(spans)) = self.hours {
            let mut hours = Hours::default();
            for (at, span) in spans.iter().enumerate() {
                if let Err(mut wrong) = add(&mut hours, span, timezone) {
                    let mut steps = vec!["hours".into()];
                    // Of several, which.
                    if spans.len() > 1 {
                        steps.push(at.into());
                    }
                    steps.append(&mut wrong.steps);
                    all.push(Wrong { steps, ..wrong });
                }
            }
            scope.hours = Some(hours.into());
        }
        if all.is_empty() { Ok(scope) } else { Err(all) }
    }
}

fn in_list(field: &str, at: usize, wrong: Wrong) -> Wrong {
    Wrong {
        steps: vec![field.into(), at.into()],
        ..wrong
    }
}

fn gather<T>(read: impl Iterator<Item = Result<T, Wrong>>, all: &mut Vec<Wrong>) -> Vec<T> {
    let mut good = Vec::new();
    for one in read {
        match one {
            Ok(one) => good.push(one),
            Err(wrong) => all.push(wrong),
        }
    }
    good
}

/// The paths that an entry means: a path of the route table, or all that begin as it does before its `*`.
pub(super) fn endpoints(entry: &str) -> Result<Vec<&'static str>, Wrong> {
    let known = || places::all().map(|(path, _)| path).chain([MODERATIONS]);
    let meant: Vec<&str> = match entry.strip_suffix('*') {
        Some(begin) => known().filter(|path| path.starts_with(begin)).collect(),
        None => known().filter(|path| *path == entry).collect(),
    };
    if meant.is_empty() {
        return Err(Wrong {
            suggestion: suggest(entry, known()),
            ..wrong([], "no path of the data endpoint")
        });
    }
    Ok(meant)
}

/// A network, or a single address.
pub(super) fn network(text: &str) -> Result<IpNet, Wrong> {
    let parsed = text.parse::<IpNet>().ok();
    let network = parsed.or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    let Some(network) = network else {
        return Err(wrong(
            [],
            "not a network: write 10.0.0.0/8, 2001:db8::/32 or an address",
        ));
    };
    if network.trunc() != network {
        let message = format!(
            "has bits beyond its length: did you mean {}?",
            network.trunc()
        );
        return Err(wrong([], message));
    }
    Ok(network)
}

fn add(hours: &mut Hours, span: &HoursSpan, timezone: &str) -> Result<(), Wrong> {
    let zone = span.timezone.as_deref().unwrap_or(timezone);
    let Some(zone_s) = zone::offset_seconds(zone) else {
        let known: Vec<_> = zone::names().collect();
        let message = format!(
            "unknown zone; write an offset such as `+08:00`, or {}",
            known.join(", ")
        );
        return Err(wrong(["timezone".into()], message));
    };
    let time = |field: &str, text: &Option<String>, absent| match text {
        None => Ok(absent),
        Some(text) => minute(text).ok_or_else(|| {
            wrong(
                [field.into()],
                "not a time of day: write \"08:00\", up to \"24:00\"",
            )
        }),
    };
    let from = time("from", &span.from, 0)?;
    let to = time("to", &span.to, DAY_MINUTES)?;
    if from == to || from == DAY_MINUTES {
        return Err(wrong(["to".into()], "no time lies between `from` and `to`"));
    }
    let days = match &span.days {
        None => (0..7).collect(),
        Some(days) => {
            let mut all = Vec::new();
            for (at, text) in days.iter().enumerate() {
                let Some(some) = week(text) else {
                    return Err(wrong(
                        ["days".into(), at.into()],
                        "not a day: write mon, tue, wed, thu, fri, sat, sun or mon..fri",
                    ));
                };
                all.extend(some);
            }
            all
        }
    };
    if days.is_empty() {
        return Err(wrong(["days".into()], "names no day"));
    }
    hours.add(days, from, to, zone_s);
    Ok(())
}

fn minute(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |text: &str| {
        let plain = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| text.parse::<u16>().ok()).flatten()
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let minute = hours * 60 + minutes;
    (minutes < 60 && minute <= DAY_MINUTES).then_some(minute)
}

/// The days of `mon` or `fri..mon`, 0 being Monday.
fn week(text: &str) -> Option<Vec<u8>> {
    let day = |name: &str| DAYS.iter().position(|day| *day == name);
    let (first, last) = match text.split_once("..") {
        Some((first, last)) => (day(first)?, day(last)?),
        None => (day(text)?, day(text)?),
    };
    let count = (last + 7 - first) % 7 + 1;
    (first..first + count)
        .map(|day| u8::try_from(day % 7).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_times() {
        for (text, expected) in [
            ("mon", Some(vec![0])),
            ("mon..fri", Some(vec![0, 1, 2, 3, 4])),
            ("sat..mon", Some(vec![5, 6, 0])),
            ("mon..sun", Some(vec![0, 1, 2, 3, 4, 5, 6])),
            ("monday", None),
            ("mon..", None),
            ("", None),
        ] {
            assert_eq!(week(text), expected, "{text}");
        }
        for (text, expected) in [
            ("08:30", Some(510)),
            ("24:00", Some(1440)),
            ("24:01", None),
            ("8:30", None),
            ("08:60", None),
            ("0800", None),
        ] {
            assert_eq!(minute(text), expected, "{text}");
        }
    }

    #[test]
    fn endpoints_by_name_and_by_beginning() {
        assert_eq!(endpoints("/v1/messages").ok(), Some(vec!["/v1/messages"]));
        let all = endpoints("/v1/messages*").ok().unwrap();
        assert!(all.contains(&"/v1/messages/count_tokens"), "{all:?}");
        assert!(endpoints("/v1/moderations").is_ok());
        let wrong = endpoints("/v1/mesages").err().unwrap();
        assert_eq!(wrong.suggestion.as_deref(), Some("/v1/messages"));
        assert!(endpoints("/v9/*").is_err());
    }

    #[test]
    fn networks() {
        for (text, good) in [
            ("10.0.0.0/8", true),
            ("10.0.0.1", true),
            ("2001:db8::/32", true),
            ("10.0.0.1/8", false),
            ("10.0.0.0/33", false),
            ("example.com", false),
            ("", false),
        ] {
            assert_eq!(network(text).is_ok(), good, "{text}");
        }
    }
}
