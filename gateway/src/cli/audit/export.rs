//! `yumen audit export`: the log as a file for other tools, one row an entry (`journal::row` has the columns).
//!
//! Must never hold more than a row, or write before the log holds who exported what. Invariant: the file named by `-o` has
//! its name only when it is whole.

mod parquet;

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use journal::What;
use journal::clock::{Clock, SystemClock};
use journal::index::{Bodies, Query, find};
use journal::row::csv;

use super::filters::FilterArgs;
use crate::cli::UNUSABLE;

#[derive(Debug, Args)]
pub(in crate::cli) struct ExportArgs {
    /// The audit log's directory
    dir: PathBuf,
    /// What to write
    #[arg(long, value_enum)]
    format: Format,
    /// Where to; standard output if absent. Parquet needs one: a file, or a directory for a file a day
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    filters: FilterArgs,
    /// The gateway's config: its key opens payloads that --text looks at
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// The formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One JSON object a line; columns that are null are left out
    Jsonl,
    /// A line of names, then a line an entry
    Csv,
    /// A table with types, compressed
    Parquet,
}

impl Format {
    fn name(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
            Self::Parquet => "parquet",
        }
    }
}

pub(super) fn run(
    args: &ExportArgs,
    out: &mut impl Write,
    talk: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let query = match args.filters.query(SystemClock::new().wall_ms()) {
        Ok(query) => query,
        Err(why) => {
            writeln!(talk, "yumen: {}", why.escape_debug())?;
            return Ok(ExitCode::from(UNUSABLE));
        }
    };
    if args.format == Format::Parquet && args.output.is_none() {
        writeln!(
            talk,
            "yumen: parquet is written to a file or a directory: add -o"
        )?;
        return Ok(ExitCode::from(UNUSABLE));
    }
    anyhow::ensure!(
        args.dir.is_dir(),
        "`{}` is no directory",
        args.dir.display()
    );
    let bodies = super::bodies(&args.dir, args.config.as_ref(), args.filters.reads_bodies())?;
    let told = format!("{} {}", args.format.name(), args.filters.told());
    super::tell(&args.dir, What::Export, told.trim_end())?;
    let count = match &args.output {
        None => write(args, &query, &*bodies, out)?,
        Some(path) => write_file(args, &query, &*bodies, path)?,
    };
    writeln!(talk, "yumen: {count} entries")?;
    Ok(ExitCode::SUCCESS)
}

fn write_file(
    args: &ExportArgs,
    query: &Query,
    bodies: &dyn Bodies,
    path: &Path,
) -> anyhow::Result<u64> {
    if args.format == Format::Parquet && path.is_dir() {
        let mut days = parquet::Days::new(path);
        let count = find::each(&args.dir, query, bodies, |row| {
            days.push(row).map(|()| true)
        })?;
        days.finish()?;
        return Ok(count);
    }
    let unfinished = unfinished(path);
    let mut file = File::create(&unfinished)
        .with_context(|| format!("`{}` cannot be written", unfinished.display()))?;
    let count = if args.format == Format::Parquet {
        let mut one = parquet::One::new(file)?;
        let count = find::each(&args.dir, query, bodies, |row| one.push(row).map(|()| true))?;
        one.finish()?;
        count
    } else {
        let count = write(args, query, bodies, &mut file)?;
        file.sync_all()?;
        count
    };
    fs::rename(&unfinished, path)?;
    Ok(count)
}

/// The name of a file until it is whole.
fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".unfinished");
    PathBuf::from(name)
}

fn write(
    args: &ExportArgs,
    query: &Query,
    bodies: &dyn Bodies,
    out: &mut impl Write,
) -> io::Result<u64> {
    let mut out = BufWriter::with_capacity(64 << 10, out);
    if args.format == Format::Csv {
        csv::write_head(&mut out)?;
    }
    let count = find::each(&args.dir, query, bodies, |row| {
        match args.format {
            Format::Jsonl => row.write_json(&mut out)?,
            Format::Csv => csv::write_row(row, &mut out)?,
            // Written by `parquet`, which needs more than a stream.
            Format::Parquet => {}
        }
        Ok(true)
    })?;
    out.flush()?;
    Ok(count)
}
