//! What a search asks for, from names and values as people write them: on the command line and in the admin API alike.
//!
//! Must never know where they come from, and never write down a text that is looked for. Invariant: a name that is no filter, and a value that cannot be read, is an
//! error that says what there is; nothing is left out in silence.

use journal::index::Query;
use journal::row::COLUMNS;

use crate::config::time::parse_moment_ms;

/// Filters that are not a column's.
const OTHERS: [&str; 4] = ["from", "to", "min_cost", "text"];

/// Adds one filter.
///
/// # Errors
/// What is wrong with it.
pub fn add(query: &mut Query, name: &str, value: &str, now_ms: i64) -> Result<(), String> {
    let wrong = |why: &str| format!("{name}: {why}");
    match name {
        "from" => query.from_ms = Some(moment(value, now_ms).ok_or_else(|| wrong(MOMENT))?),
        "to" => query.to_ms = Some(moment(value, now_ms).ok_or_else(|| wrong(MOMENT))?),
        "min_cost" => {
            let why = "not an amount such as 0.5";
            query.min_cost_nano = Some(nano(value).ok_or_else(|| wrong(why))?);
        }
        "text" => query.want_text(value).map_err(wrong)?,
        _ if names().any(|known| known == name) => query.want(name, value).map_err(wrong)?,
        _ => {
            let known: Vec<&str> = OTHERS.into_iter().chain(names()).collect();
            return Err(format!(
                "there is no such filter; there are {}",
                known.join(", ")
            ));
        }
    }
    Ok(())
}

/// The filters as they were given, for the log. Of a text only how long it is: whoever looks for a person's number would
/// else write it where nothing is ever erased.
pub fn told<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let told: Vec<String> = pairs
        .into_iter()
        .map(|(name, value)| match name {
            "text" => format!("text=({} characters)", value.chars().count()),
            _ => format!("{name}={value}"),
        })
        .collect();
    told.join(" ")
}

/// The filters that compare a column's texts, each once.
pub fn names() -> impl Iterator<Item = &'static str> {
    let mut known = Vec::new();
    for filter in COLUMNS.iter().flat_map(|column| column.filters) {
        if !known.contains(filter) {
            known.push(*filter);
        }
    }
    known.into_iter()
}

const MOMENT: &str =
    "not a moment: 2026-11-26, 2026-11-26T08:00:00+08:00, ms since 1970, or 30m, 24h, 7d ago";

/// A date, an RFC 3339 time, ms since 1970, or how long ago.
pub(crate) fn moment(text: &str, now_ms: i64) -> Option<i64> {
    let ago = [("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)]
        .into_iter()
        .find_map(|(unit, ms)| Some((text.strip_suffix(unit)?, ms)));
    if let Some((count, unit_ms)) = ago {
        let count: i64 = count.parse().ok()?;
        return now_ms.checked_sub(count.checked_mul(unit_ms)?);
    }
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits {
        return text.parse().ok();
    }
    i64::try_from(parse_moment_ms(text)?).ok()
}

/// Billionths of an amount in decimal digits.
fn nano(text: &str) -> Option<i64> {
    const PLACES: usize = 9;
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || part.len() > PLACES || !digits(whole) || !digits(part) {
        return None;
    }
    let part: i64 = format!("{part:0<PLACES$}").parse().ok()?;
    let whole: i64 = whole.parse().ok()?;
    whole.checked_mul(1_000_000_000)?.checked_add(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_800_000_000_000;

    #[test]
    fn moments_and_amounts() {
        for (text, want) in [
            ("2023-11-14T22:13:20Z", Some(1_700_000_000_000)),
            ("1970-01-02", Some(86_400_000)),
            ("1700000000000", Some(1_700_000_000_000)),
            ("24h", Some(NOW_MS - 86_400_000)),
            ("7d", Some(NOW_MS - 7 * 86_400_000)),
            ("", None),
            ("yesterday", None),
            ("99999999999999999d", None),
        ] {
            assert_eq!(moment(text, NOW_MS), want, "{text}");
        }
        for (text, want) in [
            ("0", Some(0)),
            ("2.5", Some(2_500_000_000)),
            ("0.000000001", Some(1)),
            ("0.0000000001", None),
            ("-1", None),
            (".5", None),
            ("", None),
            ("99999999999", None),
        ] {
            assert_eq!(nano(text), want, "{text}");
        }
    }

    #[test]
    fn a_text_is_not_told() {
        let pairs = [
            ("kind", "request"),
            ("text", "身份 110101199003074514"),
            ("key", "k"),
        ];
        assert_eq!(told(pairs), "kind=request text=(21 characters) key=k");
        assert_eq!(told([]), "");
    }

    #[test]
    fn unknown_names_are_told_what_there_is() {
        let mut query = Query::default();
        let error = add(&mut query, "nmae", "x", NOW_MS).unwrap_err();
        assert!(
            error.contains("verdict") && error.contains("min_cost"),
            "{error}"
        );
        assert!(add(&mut query, "text", "", NOW_MS).is_err());
        assert!(add(&mut query, "from", "soon", NOW_MS).is_err());
        for name in names() {
            add(&mut Query::default(), name, "x", NOW_MS).unwrap();
        }
    }
}
