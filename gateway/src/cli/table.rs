//! Columns for people, as wide as what stands in them.
//!
//! Invariant: what a terminal might obey is written as escapes.

use std::io::{self, Write};

use journal::inert::is_active;

/// Writes a head and rows; the columns of `right` lean to the right.
pub(super) fn write(
    out: &mut impl Write,
    head: Vec<String>,
    rows: impl IntoIterator<Item = Vec<String>>,
    right: impl Fn(usize) -> bool,
) -> io::Result<()> {
    let mut widths = vec![0; head.len()];
    let mut lines = vec![head];
    for row in rows {
        lines.push(row.iter().map(|cell| inert(cell)).collect());
    }
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.chars().count().max(*width);
        }
    }
    for line in &lines {
        let mut text = String::new();
        for (at, (cell, width)) in line.iter().zip(&widths).enumerate() {
            let pad = " ".repeat(width.saturating_sub(cell.chars().count()));
            let (before, behind) = if right(at) { (&*pad, "") } else { ("", &*pad) };
            text.extend([before, cell, behind, "  "]);
        }
        writeln!(out, "{}", text.trim_end())?;
    }
    Ok(())
}

/// What a terminal might obey, as escapes.
pub(super) fn inert(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let escape = is_active(c).then(|| c.escape_unicode());
            let plain = escape.is_none().then_some(c);
            escape.into_iter().flatten().chain(plain)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_obey_nobody() {
        let mut out = Vec::new();
        let row = |name: &str, count: &str| vec![name.to_owned(), count.to_owned()];
        let rows = [row("a\u{1b}[2J", "7"), row("身份", "1000")];
        write(&mut out, row("NAME", "COUNT"), rows, |at| at == 1).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "NAME        COUNT\na\\u{1b}[2J      7\n身份           1000\n"
        );
    }
}
