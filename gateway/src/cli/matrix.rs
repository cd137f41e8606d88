//! `yumen matrix`: dialects × vendors × features, as the adapters tell them of themselves.
//!
//! The same text stands in `docs/matrix.md`; a test compares.

use std::io::Write;
use std::process::ExitCode;

use adapters::matrix::{Row, features, rows};
use serde_json::{Map, Value, json};

use super::MatrixArgs;

const HEAD: &str = "\
# Dialects, vendors, features

Printed by `yumen matrix` from the code. A client dialect is *forwarded* where the vendor speaks it too: the client's bytes
with a few edits; else it is *translated*. A feature that is missing is refused, or dropped where the model's `lossy`
says so. Fields are by OpenAI's names, for a model whose name says nothing special; models may differ.
";

pub(super) fn print(args: &MatrixArgs, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let rows = rows();
    if args.json {
        let vendors: Vec<Value> = rows.iter().map(to_json).collect();
        writeln!(out, "{:#}", json!({ "vendors": vendors }))?;
    } else {
        markdown(&rows, out)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn to_json(row: &Row) -> Value {
    let road = |forwarded| if forwarded { "forwarded" } else { "translated" };
    let from = row.forwarded.iter();
    let from: Map<String, Value> = from
        .map(|(dialect, forwarded)| ((*dialect).to_owned(), road(*forwarded).into()))
        .collect();
    let has: Map<String, Value> = features()
        .zip(&row.has)
        .map(|(name, has)| (name.to_owned(), (*has).into()))
        .collect();
    json!({
        "name": row.vendor,
        "self_hosted": row.self_hosted,
        "speaks": row.speaks,
        "from": from,
        "features": has,
        "lossy": row.lossy,
    })
}

fn markdown(rows: &[Row], out: &mut impl Write) -> std::io::Result<()> {
    writeln!(out, "{HEAD}")?;
    let dialects = rows.first().map(|row| row.forwarded.as_slice());
    let dialects = dialects.unwrap_or_default().iter().map(|row| row.0);
    let from = dialects.map(|name| format!("from `{name}`"));
    let names = features().map(str::to_owned);
    let head: Vec<String> = ["vendor".to_owned(), "speaks".to_owned()]
        .into_iter()
        .chain(from)
        .chain(names)
        .chain(["lossy fields".to_owned()])
        .collect();
    writeln!(out, "| {} |", head.join(" | "))?;
    writeln!(out, "|{}", "---|".repeat(head.len()))?;
    for row in rows {
        let road = |forwarded: bool| if forwarded { "forwarded" } else { "translated" };
        let mut cells = vec![format!("`{}`", row.vendor), row.speaks.join(", ")];
        cells.extend(row.forwarded.iter().map(|from| road(from.1).to_owned()));
        let has = |has: &bool| if *has { "✓" } else { "–" };
        cells.extend(row.has.iter().map(|one| has(one).to_owned()));
        cells.push(row.lossy.join(", "));
        writeln!(out, "| {} |", cells.join(" | "))?;
    }
    Ok(())
}
