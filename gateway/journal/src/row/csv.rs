//! Rows as CSV (RFC 4180, UTF-8, lines end in CR LF): one line a row, whatever the log says, and nothing that a spreadsheet
//! would run.
//!
//! Lists are their elements with `; ` between them, counts are `TYPE=n`, times RFC 3339 in UTC with milliseconds, truth values
//! `true` and `false`, objects JSON; null is empty. Characters that move a cursor or turn text are `\u` escapes, so a cell
//! has no line break. A text that begins like a formula (`=`, `+`, `-`, `@`, tab, CR, their full-width forms, also behind
//! blanks) gets a `'` before it (threats.md section 9).
//!
//! Must never know which columns there are. Invariant: a line has as many cells as the first.

use std::io::{self, Write};

use super::{COLUMNS, Row, Value};
use crate::inert::is_active;
use crate::utc::rfc3339;

/// Writes the line of names.
///
/// # Errors
/// Those of `out`.
pub fn write_head(out: &mut dyn Write) -> io::Result<()> {
    let names: Vec<&str> = COLUMNS.iter().map(|column| column.name).collect();
    write!(out, "{}\r\n", names.join(","))
}

/// Writes a row.
///
/// # Errors
/// Those of `out`.
pub fn write_row(row: &Row, out: &mut dyn Write) -> io::Result<()> {
    for (at, value) in row.values().enumerate() {
        if at > 0 {
            out.write_all(b",")?;
        }
        match value {
            Value::Null => {}
            Value::Int(number) => write!(out, "{number}")?,
            Value::Bool(flag) => write!(out, "{flag}")?,
            Value::Time(ms) => out.write_all(rfc3339(ms).as_bytes())?,
            Value::Text(text) | Value::Json(text) => write_text(text, out)?,
            Value::Texts(list) => write_text(&list.join("; "), out)?,
            Value::Counts(list) => {
                let counts: Vec<String> = list
                    .iter()
                    .map(|count| format!("{}={}", count.name, count.count))
                    .collect();
                write_text(&counts.join("; "), out)?;
            }
        }
    }
    out.write_all(b"\r\n")
}

/// Writes a cell of text.
///
/// # Errors
/// Those of `out`.
pub fn write_text(text: &str, out: &mut dyn Write) -> io::Result<()> {
    let mut cell = String::with_capacity(text.len() + 2);
    let begins = |c: char| {
        matches!(
            c,
            '=' | '+' | '-' | '@' | '\t' | '\r' | '＝' | '＋' | '－' | '＠'
        )
    };
    if text.starts_with(begins) || text.trim_start().starts_with(begins) {
        cell.push('\'');
    }
    for c in text.chars() {
        match c {
            '"' => cell.push_str("\"\""),
            _ if is_active(c) => cell.push_str(&format!("\\u{:04x}", u32::from(c))),
            _ => cell.push(c),
        }
    }
    if cell.contains(['"', ',', ';', '\'', ' ']) {
        write!(out, "\"{cell}\"")
    } else {
        out.write_all(cell.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::{Count, Time};

    fn line(row: &Row) -> String {
        let mut out = Vec::new();
        write_row(row, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        text.strip_suffix("\r\n").unwrap().to_owned()
    }

    /// The cell of a column, in a line without quoted commas.
    fn cell(row: &Row, name: &str) -> String {
        let at = COLUMNS
            .iter()
            .position(|column| column.name == name)
            .unwrap();
        line(row).split(',').nth(at).unwrap().to_owned()
    }

    #[test]
    fn nothing_begins_a_formula_or_a_line() {
        for (text, want) in [
            ("plain", "plain"),
            ("", ""),
            ("=1+1", "\"'=1+1\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("-2", "\"'-2\""),
            ("  +1", "\"'  +1\""),
            ("＝cmd", "\"'＝cmd\""),
            ("\t=1", "\"'\\u0009=1\""),
            (
                "a\r\nb\u{202e}\u{1b}[31m",
                "a\\u000d\\u000ab\\u202e\\u001b[31m",
            ),
            ("say \"x\"", "\"say \"\"x\"\"\""),
        ] {
            let row = Row {
                key: text.to_owned(),
                ..Row::default()
            };
            assert_eq!(cell(&row, "key"), want, "{text:?}");
            assert!(!line(&row).chars().any(is_active));
        }
    }

    #[test]
    fn cells_by_type() {
        let row = Row {
            index: Some(-7),
            time: Time(Some(1_700_000_000_123)),
            stream: Some(true),
            policies: vec!["a".to_owned(), "b".to_owned()],
            findings: vec![Count {
                name: "EMAIL".to_owned(),
                count: 2,
            }],
            ..Row::default()
        };
        for (name, want) in [
            ("index", "-7"),
            ("time", "2023-11-14T22:13:20.123Z"),
            ("stream", "true"),
            ("policies", "\"a; b\""),
            ("findings", "EMAIL=2"),
            ("status", ""),
        ] {
            assert_eq!(cell(&row, name), want, "{name}");
        }
        let mut head = Vec::new();
        write_head(&mut head).unwrap();
        assert_eq!(head.split(|byte| *byte == b',').count(), COLUMNS.len());
        assert_eq!(line(&row).split(',').count(), COLUMNS.len());
    }
}
