//! `yumen usage`: what was used, from a log's directory or from a running gateway.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use journal::clock::{Clock as _, SystemClock};
use journal::follow::Until;
use journal::index::{Index, usage};

use super::remote::AdminArgs;
use super::{UNUSABLE, table};
use crate::usage::{Answer, Asked};

/// The zone of days where neither a gateway nor an option says otherwise: the config's default.
const ZONE: &str = "Asia/Shanghai";

#[derive(Debug, Args)]
pub(super) struct UsageArgs {
    /// The audit log's directory
    #[arg(required_unless_present = "admin", conflicts_with = "admin")]
    dir: Option<PathBuf>,
    #[command(flatten)]
    admin: AdminArgs,
    /// What rows are told apart by: key, team, user, model, provider, target, hour, day, month
    #[arg(long, value_name = "NAME,…", default_value = "key")]
    by: String,
    /// From this moment on, to the quarter of an hour: a date, an RFC 3339 time, or 24h, 7d ago
    #[arg(long, value_name = "WHEN")]
    from: Option<String>,
    /// Before this moment
    #[arg(long, value_name = "WHEN")]
    to: Option<String>,
    /// Id of a virtual key; of several, any
    #[arg(long, value_name = "ID")]
    key: Vec<String>,
    /// Name of a team
    #[arg(long, value_name = "NAME")]
    team: Vec<String>,
    /// A user
    #[arg(long, value_name = "NAME")]
    user: Vec<String>,
    /// Model, as it was asked for
    #[arg(long, value_name = "NAME")]
    model: Vec<String>,
    /// Provider that answered
    #[arg(long, value_name = "NAME")]
    provider: Vec<String>,
    /// Model that answered, as the provider calls it
    #[arg(long, value_name = "NAME")]
    target: Vec<String>,
    /// Zone of hours, days and months: a name such as Asia/Shanghai, or +08:00
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
    /// Print JSON
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print CSV
    #[arg(long)]
    csv: bool,
    /// Directory of the log's index, if it is not the log's own
    #[arg(long, value_name = "DIR", conflicts_with = "admin")]
    index: Option<PathBuf>,
}

pub(super) fn run(
    args: &UsageArgs,
    out: &mut impl Write,
    talk: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let pairs = args.pairs();
    let answer = match &args.dir {
        None => {
            let body = args.admin.get("/api/usage", &pairs)?;
            let body = body.context("this gateway tells no usage")?;
            serde_json::from_slice(&body).context("the answer is not usage")?
        }
        Some(dir) => {
            anyhow::ensure!(dir.is_dir(), "`{}` is no directory", dir.display());
            let now_ms = SystemClock::new().wall_ms();
            let asked = match Asked::read(pairs.iter().copied(), ZONE, now_ms) {
                Ok(asked) => asked,
                Err(why) => {
                    writeln!(talk, "yumen: {why}")?;
                    return Ok(ExitCode::from(UNUSABLE));
                }
            };
            args.read(dir, &asked)?
        }
    };
    let mut out = std::io::BufWriter::new(out);
    if args.json {
        serde_json::to_writer(&mut out, &answer)?;
        writeln!(out)?;
    } else if args.csv {
        answer.write_csv(&mut out)?;
    } else {
        let (head, rows) = answer.table();
        table::write(&mut out, head, rows, |at| at >= answer.by.len())?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

impl UsageArgs {
    fn pairs(&self) -> Vec<(&str, &str)> {
        let ones = [
            ("from", &self.from),
            ("to", &self.to),
            ("timezone", &self.timezone),
        ];
        let lists = [
            ("key", &self.key),
            ("team", &self.team),
            ("user", &self.user),
            ("model", &self.model),
            ("provider", &self.provider),
            ("target", &self.target),
        ];
        let mut pairs = vec![("by", &*self.by)];
        for (name, one) in ones {
            pairs.extend(one.iter().map(|value| (name, &**value)));
        }
        for (name, list) in lists {
            pairs.extend(list.iter().map(|value| (name, &**value)));
        }
        pairs
    }

    fn read(&self, dir: &std::path::Path, asked: &Asked) -> anyhow::Result<Answer> {
        let own = dir.join(journal::index::DIR);
        let index = Index::read(dir, self.index.as_ref().unwrap_or(&own));
        let mut index = index.ok().flatten();
        loop {
            let mut table = asked.begin();
            let mut take =
                |slot: i64, of: &usage::Of<'_>, sums: &usage::Sums| table.take(slot, of, sums);
            match usage::read(dir, index.as_ref(), asked.span(), Until::End, &mut take) {
                Ok(read) => return table.finish(read.complete_to).map_err(anyhow::Error::msg),
                // The log has everything.
                Err(_) if index.is_some() => index = None,
                Err(error) => return Err(error).context("the log cannot be read"),
            }
        }
    }
}
