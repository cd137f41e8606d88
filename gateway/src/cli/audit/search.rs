//! `yumen audit search`: entries of a log that fit, newest first, beside a live gateway or without one.
//!
//! Must never show an entry before the log holds who searched and for what.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use journal::What;
use journal::clock::{Clock, SystemClock};
use journal::index::{Bodies, Cursor, Index, LIMIT_MAX, Page, Query, find};
use journal::inert::is_active;
use journal::row::Row;
use journal::utc::rfc3339;

use super::filters::FilterArgs;
use crate::cli::UNUSABLE;

#[derive(Debug, Args)]
pub(in crate::cli) struct SearchArgs {
    /// The audit log's directory
    dir: PathBuf,
    #[command(flatten)]
    filters: FilterArgs,
    /// Most entries to print
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    limit: u16,
    /// Go on where an earlier search ended
    #[arg(long)]
    cursor: Option<Cursor>,
    /// Print JSON lines with all columns
    #[arg(long)]
    json: bool,
    /// Read the whole log instead of the index
    #[arg(long)]
    scan: bool,
    /// Directory of the index, if it is not the log's own
    #[arg(long, value_name = "DIR")]
    index: Option<PathBuf>,
    /// The gateway's config: its key opens payloads that --text looks at
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(super) fn run(
    args: &SearchArgs,
    out: &mut impl Write,
    talk: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let query = match args.filters.query(SystemClock::new().wall_ms()) {
        Ok(query) => query,
        Err(why) => {
            writeln!(talk, "yumen: {}", inert(&why))?;
            return Ok(ExitCode::from(UNUSABLE));
        }
    };
    anyhow::ensure!(
        args.dir.is_dir(),
        "`{}` is no directory",
        args.dir.display()
    );
    let bodies = super::bodies(&args.dir, args.config.as_ref(), args.filters.reads_bodies())?;
    super::tell(&args.dir, What::Search, &args.filters.told())?;
    let mut search = Search {
        args,
        query,
        bodies,
        index: None,
    };
    if !args.scan {
        search.index = search.open();
    }
    search.print(out, talk)?;
    Ok(ExitCode::SUCCESS)
}

struct Search<'a> {
    args: &'a SearchArgs,
    query: Query,
    bodies: Arc<dyn Bodies>,
    index: Option<Index>,
}

impl Search<'_> {
    /// The index, if there is one that can be used.
    fn open(&self) -> Option<Index> {
        let own = self.args.dir.join(journal::index::DIR);
        let dir = self.args.index.as_ref().unwrap_or(&own);
        Index::read(&self.args.dir, dir).ok().flatten()
    }

    fn print(&mut self, out: &mut impl Write, talk: &mut impl Write) -> anyhow::Result<()> {
        let (mut left, mut cursor) = (usize::from(self.args.limit), self.args.cursor);
        let mut out = std::io::BufWriter::new(out);
        while left > 0 {
            let page = self.page(cursor, left.min(LIMIT_MAX))?;
            for row in &page.rows {
                if self.args.json {
                    row.write_json(&mut out)?;
                } else {
                    writeln!(out, "{}", line(row))?;
                }
            }
            left = left.saturating_sub(page.rows.len());
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        out.flush()?;
        if let Some(cursor) = cursor {
            writeln!(talk, "yumen: there may be more: --cursor {cursor}")?;
        }
        Ok(())
    }

    /// A page; by reading the log if the index turns out not to be whole.
    fn page(&mut self, cursor: Option<Cursor>, limit: usize) -> anyhow::Result<Page> {
        let ask = |index: Option<&Index>| {
            let (dir, bodies) = (&self.args.dir, &*self.bodies);
            find::page(dir, index, &self.query, cursor, limit, bodies)
        };
        let page = match ask(self.index.as_ref()) {
            Err(_) if self.index.is_some() => {
                let page = ask(None);
                self.index = None;
                page
            }
            other => other,
        };
        page.context("the log cannot be read")
    }
}

/// An entry on one line, for people.
fn line(row: &Row) -> String {
    let time = row.time.0.or(row.ended.0).map_or_else(String::new, rfc3339);
    let status = row
        .status
        .map_or_else(String::new, |status| status.to_string());
    let mut parts = vec![time, row.kind.clone()];
    let named = [
        ("id", &row.id),
        ("what", &row.what),
        ("actor", &row.actor),
        ("key", &row.key),
        ("user", &row.user),
        ("team", &row.team),
        ("asked", &row.asked),
        ("provider", &row.provider),
        ("model", &row.model),
        ("verdict", &row.verdict),
        ("outcome", &row.outcome),
        ("status", &status),
        ("code", &row.code),
    ];
    for (name, value) in named {
        if !value.is_empty() {
            parts.push(format!("{name}={}", quoted(value)));
        }
    }
    let found = row.findings.iter().chain(&row.reply_findings);
    let found: Vec<String> = found
        .map(|count| format!("{}×{}", count.name, count.count))
        .collect();
    let policies: Vec<String> = row
        .policies
        .iter()
        .chain(&row.stop_policies)
        .chain(&row.reply_policies)
        .cloned()
        .collect();
    for (name, list) in [("found", found), ("policies", policies)] {
        if !list.is_empty() {
            parts.push(format!("{name}={}", quoted(&list.join(","))));
        }
    }
    if !row.detail.is_empty() {
        parts.push(quoted(&row.detail));
    }
    parts.join(" ")
}

/// In quotes if it has blanks; harmless in any case.
fn quoted(text: &str) -> String {
    let text = inert(text);
    if text.contains([' ', '"']) {
        format!("\"{}\"", text.replace('"', "\\\""))
    } else {
        text
    }
}

/// What a terminal might obey, as escapes.
fn inert(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let escape = is_active(c).then(|| c.escape_unicode());
            let plain = escape.is_none().then_some(c);
            escape.into_iter().flatten().chain(plain)
        })
        .collect()
}
