//! `yumen doctor`: reaches every provider of a config with its credential, and says which work and how fast.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use clap::Args;
use policies::limit::Books;
use serde_json::json;

use super::{UNUSABLE, table};
use crate::config::build::{Ground, build, unix_ms};
use crate::config::env::Lookup;
use crate::config::load::load;
use crate::config::vendors::VendorBook;
use crate::doctor::{Seen, Target, Wish, look};

#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// The config file
    #[arg(
        short,
        long,
        value_name = "FILE",
        env = "YUMEN_CONFIG",
        default_value = "yumen.yaml"
    )]
    config: PathBuf,
    /// Only this provider; may be given several times
    #[arg(long, value_name = "NAME")]
    provider: Vec<String>,
    /// Ask every target for a short reply, a stream and a call of a tool: costs some tokens. Without it only those are
    /// asked, for a reply, of which no list tells
    #[arg(long)]
    ask: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(
    args: &DoctorArgs,
    env: Lookup<'_>,
    book: &dyn VendorBook,
    out: &mut impl Write,
    talk: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let now = SystemTime::now();
    let ground = Ground {
        book,
        books: &Books::default(),
        before: None,
        now,
        found: None,
    };
    let built = match load(&args.config, env).and_then(|loaded| build(&loaded, &ground)) {
        Ok(built) => built,
        Err(problems) => {
            for problem in &problems {
                writeln!(talk, "{problem}")?;
            }
            return Ok(ExitCode::from(UNUSABLE));
        }
    };
    let snapshot = built.snapshot;
    if let Some(unknown) = args
        .provider
        .iter()
        .find(|name| snapshot.provider(name).is_none())
    {
        writeln!(
            talk,
            "yumen: the config has no provider `{}`",
            table::inert(unknown)
        )?;
        return Ok(ExitCode::from(UNUSABLE));
    }
    let wish = Wish {
        only: args.provider.clone(),
        ask: args.ask,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let now_ms = i64::try_from(unix_ms(now)).unwrap_or(i64::MAX);
    let seen = runtime.block_on(look(&snapshot, &wish, now_ms));
    let ok = seen.iter().all(|one| one.ok);
    if args.json {
        writeln!(out, "{}", json!({ "ok": ok, "providers": seen }))?;
    } else {
        for one in &seen {
            show(one, out)?;
        }
        if seen.is_empty() {
            writeln!(talk, "yumen: the config has no provider")?;
        }
    }
    Ok(if ok {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}

fn show(seen: &Seen, out: &mut impl Write) -> anyhow::Result<()> {
    let state = if seen.ok { "ok" } else { "does not hold" };
    let times = [
        ("dns", seen.dns_ms),
        ("connect", seen.connect_ms),
        ("list", seen.list_ms),
    ];
    let mut parts: Vec<String> = times
        .into_iter()
        .filter_map(|(name, ms)| Some(format!("{name} {} ms", ms?)))
        .collect();
    parts.extend(seen.models.map(|count| format!("{count} models")));
    writeln!(
        out,
        "{} ({}, {}): {state}  {}",
        seen.provider,
        seen.vendor,
        table::inert(&seen.address),
        parts.join(", ")
    )?;
    if let Some(wrong) = &seen.wrong {
        writeln!(out, "  {}: {}", wrong.at, table::inert(&wrong.why))?;
    }
    for (name, target) in &seen.targets {
        writeln!(
            out,
            "  {} for {}: {}",
            table::inert(name),
            target.serves.join(", "),
            told(target)
        )?;
    }
    for hint in &seen.hints {
        writeln!(out, "  - {hint}")?;
    }
    Ok(())
}

fn told(target: &Target) -> String {
    let mut parts = Vec::new();
    match target.listed {
        Some(true) => parts.push("on its list".to_owned()),
        Some(false) => parts.push("not on its list".to_owned()),
        None => {}
    }
    for (name, ms) in [("reply", target.reply_ms), ("stream", target.stream_ms)] {
        parts.extend(ms.map(|ms| format!("{name} {ms} ms")));
    }
    match target.calls_tools {
        Some(true) => parts.push("calls tools".to_owned()),
        Some(false) => parts.push("called no tool".to_owned()),
        None => {}
    }
    if let Some(wrong) = &target.wrong {
        parts.push(format!("{}: {}", wrong.at, table::inert(&wrong.why)));
    }
    if parts.is_empty() {
        parts.push("not asked".to_owned());
    }
    parts.join(", ")
}
