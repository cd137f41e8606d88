//! `yumen budget`: what budgets have left, and what a figure is made of.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use journal::clock::{Clock as _, SystemClock};
use journal::follow::Until;
use journal::index::{Cursor, Index, LIMIT_MAX};
use policies::limit::level::Now;
use policies::limit::meter::Owner;
use serde::Deserialize;

use super::remote::{AdminArgs, encoded};
use super::{UNUSABLE, table};
use crate::audit::indexing;
use crate::config::env::Lookup;
use crate::config::trial::{Around, Bench};
use crate::config::vendors::VendorBook;
use crate::usage::budgets::{self, Books, Budget, Counted, Counting, Entry, Explanation, Reckoned};

#[derive(Debug, Subcommand)]
pub(super) enum BudgetCommand {
    /// All budgets with what is spent, reserved and left of the running period
    List(ListArgs),
    /// The entries of the audit log that the figures of one owner are made of, and whether they add up
    #[command(after_help = "Exit codes: 0 they add up, 1 they do not, 2 they cannot be read.")]
    Explain(ExplainArgs),
}

#[derive(Debug, Args)]
struct From {
    #[command(flatten)]
    admin: AdminArgs,
    /// The config file, whose log is read: what is counted only a running gateway knows [env: YUMEN_CONFIG] [default: yumen.yaml]
    // Not by clap: what the environment says must not stand against --admin.
    #[arg(short, long, value_name = "FILE", conflicts_with = "admin")]
    config: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl From {
    /// The config whose log is read; `None`: a running gateway is asked.
    fn config(&self, env: Lookup<'_>) -> Option<PathBuf> {
        let usual = || {
            env("YUMEN_CONFIG")
                .unwrap_or_else(|| "yumen.yaml".into())
                .into()
        };
        let asked = self.admin.admin.is_some();
        (!asked).then(|| self.config.clone().unwrap_or_else(usual))
    }
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    from: From,
}

#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// Whose: key:NAME or team:NAME
    owner: String,
    #[command(flatten)]
    from: From,
    /// Most entries
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    /// Go on where an earlier answer ended
    #[arg(long)]
    cursor: Option<Cursor>,
}

/// What a config is read with.
#[derive(Clone, Copy)]
pub(super) struct Means<'a> {
    pub(super) env: Lookup<'a>,
    pub(super) book: &'a dyn VendorBook,
    pub(super) now: SystemTime,
}

pub(super) fn run(
    command: &BudgetCommand,
    means: Means<'_>,
    out: &mut impl Write,
    talk: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    match command {
        BudgetCommand::List(args) => list(args, means, out, talk),
        BudgetCommand::Explain(args) => explain(args, means, out, talk),
    }
}

fn list(
    args: &ListArgs,
    means: Means<'_>,
    out: &mut impl Write,
    talk: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    #[derive(Deserialize)]
    struct Listed {
        budgets: Vec<Budget>,
    }
    let budgets = match &args.from.config(means.env) {
        None => {
            let body = args.from.admin.get("/api/budgets", &[])?;
            let body = body.context("this gateway tells no budgets")?;
            let listed: Listed = serde_json::from_slice(&body).context("the answer is no list")?;
            listed.budgets
        }
        Some(path) => {
            let Some(bench) = bench(path, means, talk)? else {
                return Ok(ExitCode::from(UNUSABLE));
            };
            read(&bench, |books, counted| books.list(&counted), |_| true)?
        }
    };
    if args.from.json {
        serde_json::to_writer(&mut *out, &budgets)?;
        writeln!(out)?;
        return Ok(ExitCode::SUCCESS);
    }
    let head = [
        "OWNER", "AMOUNT", "PERIOD", "SPENT", "RESERVED", "COUNTED", "LEFT", "",
    ]
    .map(str::to_owned)
    .to_vec();
    let rows = budgets.iter().map(|budget| {
        let over = if budget.over_soft == Some(true) {
            "over its warning"
        } else {
            ""
        };
        vec![
            budget.owner.clone(),
            format!("{} {}", budget.amount, unit(budget)),
            budget.period.clone(),
            budget.spent.clone(),
            budget.reserved.clone(),
            budget.counted.clone().unwrap_or_else(|| "?".into()),
            budget.remaining.clone().unwrap_or_else(|| "?".into()),
            over.to_owned(),
        ]
    });
    table::write(out, head, rows, |at| [1, 3, 4, 5, 6].contains(&at))?;
    Ok(ExitCode::SUCCESS)
}

fn explain(
    args: &ExplainArgs,
    means: Means<'_>,
    out: &mut impl Write,
    talk: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let limit = usize::from(args.limit).min(LIMIT_MAX);
    let told: Explanation = match &args.from.config(means.env) {
        None => {
            let path = format!("/api/budgets/{}/explain", encoded(&args.owner));
            let cursor = args.cursor.map(|cursor| cursor.to_string());
            let limit = limit.to_string();
            let mut pairs = vec![("limit", &*limit)];
            pairs.extend(cursor.iter().map(|cursor| ("cursor", &**cursor)));
            let Some(body) = args.from.admin.get(&path, &pairs)? else {
                writeln!(
                    talk,
                    "yumen: nobody of this name has a budget: write key:NAME or team:NAME"
                )?;
                return Ok(ExitCode::from(UNUSABLE));
            };
            serde_json::from_slice(&body).context("the answer is no explanation")?
        }
        Some(path) => {
            let Some(bench) = bench(path, means, talk)? else {
                return Ok(ExitCode::from(UNUSABLE));
            };
            let ask = |books: &Books<'_>, counted: Vec<Counted>| {
                books.explain(&counted, args.cursor, limit, Counting::Elsewhere)
            };
            read(&bench, ask, |owner| *owner == *args.owner)?
        }
    };
    if told.budgets.is_empty() {
        writeln!(
            talk,
            "yumen: nobody of this name has a budget: write key:NAME or team:NAME"
        )?;
        return Ok(ExitCode::from(UNUSABLE));
    }
    if args.from.json {
        serde_json::to_writer(&mut *out, &told)?;
        writeln!(out)?;
    } else {
        show(&told, out)?;
    }
    let differs = |reckoned: &Reckoned| reckoned.difference.is_some();
    Ok(if told.budgets.iter().any(differs) {
        ExitCode::from(1)
    } else {
        ExitCode::SUCCESS
    })
}

/// The config, or what is wrong with it.
fn bench(path: &Path, means: Means<'_>, talk: &mut impl Write) -> anyhow::Result<Option<Bench>> {
    let around = Around {
        book: means.book,
        now: means.now,
    };
    match Bench::load(path, means.env, around) {
        Ok(bench) => Ok(Some(bench)),
        Err(problems) => {
            for problem in &problems {
                writeln!(talk, "{problem}")?;
            }
            Ok(None)
        }
    }
}

/// Reads the log of a config, beside whoever writes it.
fn read<T>(
    bench: &Bench,
    ask: impl FnOnce(&Books<'_>, Vec<Counted>) -> std::io::Result<T>,
    wanted: impl Fn(&String) -> bool,
) -> anyhow::Result<T> {
    let audit = &bench.config.audit;
    let log = Path::new(&audit.dir);
    anyhow::ensure!(log.is_dir(), "`{}` is no directory", log.display());
    let index = Index::read(log, &indexing::dir(&audit.dir, audit.index.dir.as_deref()));
    let index = index.ok().flatten();
    let clock = SystemClock::new();
    let books = Books {
        log,
        index: index.as_ref(),
        live: false,
        until: Until::End,
        snapshot: &bench.snapshot,
        money: bench.snapshot.all_money(),
        now: Now {
            mono_ns: clock.mono_ns(),
            wall_ms: clock.wall_ms(),
        },
    };
    let wanted = |owner: &Owner| wanted(&budgets::owner_name(owner));
    let all = budgets::budgets(&bench.books.meters, &bench.snapshot.keys, wanted);
    let counted = all.into_iter().map(|meter| (meter, None));
    ask(&books, counted.collect()).context("the log cannot be read")
}

fn unit(budget: &Budget) -> &str {
    budget.currency.as_deref().unwrap_or(&budget.unit)
}

fn show(told: &Explanation, out: &mut impl Write) -> anyhow::Result<()> {
    for Reckoned {
        budget,
        adds_up,
        difference,
        notes,
    } in &told.budgets
    {
        let unit = unit(budget);
        writeln!(
            out,
            "{}: {} {unit} of the {} from {} to {}",
            budget.owner, budget.amount, budget.period, budget.begin, budget.end
        )?;
        writeln!(
            out,
            "  spent {} + reserved {}",
            budget.spent, budget.reserved
        )?;
        if let (Some(counted), Some(left)) = (&budget.counted, &budget.remaining) {
            writeln!(out, "  counted {counted}, left {left}")?;
        }
        match difference {
            _ if *adds_up => writeln!(out, "  adds up")?,
            Some(difference) => writeln!(
                out,
                "  does not add up: {difference} more is counted than the log says"
            )?,
            None => {}
        }
        for note in notes {
            writeln!(out, "  - {note}")?;
        }
    }
    let head = [
        "TIME", "ID", "KEY", "MODEL", "AT", "OUTCOME", "INPUT", "OUTPUT", "COST", "PRICE",
    ]
    .map(str::to_owned)
    .to_vec();
    let rows = told.entries.iter().map(|entry| {
        let count = |name: &str| entry.used.get(name).copied().unwrap_or(0).to_string();
        let about = if entry.estimated { "~" } else { "" };
        vec![
            entry.time.clone(),
            entry.id.clone(),
            entry.key.clone(),
            entry.model.clone(),
            format!("{}/{}", entry.provider, entry.target),
            entry.outcome.clone(),
            format!("{about}{}", count("input")),
            format!("{about}{}", count("output")),
            cost(entry),
            price(entry),
        ]
    });
    table::write(out, head, rows, |at| (6..=8).contains(&at))?;
    if let Some(next) = &told.next {
        writeln!(out, "there may be more: --cursor {next}")?;
    }
    Ok(())
}

fn cost(entry: &Entry) -> String {
    let reserved: Vec<String> = entry
        .reserved
        .iter()
        .map(|(unit, amount)| format!("{amount} {unit} reserved"))
        .collect();
    match (&entry.cost, reserved.is_empty()) {
        (Some(cost), true) => format!("{cost} {}", entry.currency),
        (None, true) => "-".to_owned(),
        (_, false) => reserved.join(", "),
    }
}

fn price(entry: &Entry) -> String {
    let parts: Vec<String> = entry
        .price
        .iter()
        .map(|(name, amount)| format!("{name} {amount}"))
        .collect();
    match entry.price_holds {
        Some(false) => "another then".to_owned(),
        _ => parts.join(", "),
    }
}
