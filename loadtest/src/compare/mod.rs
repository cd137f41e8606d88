//! `compare`: every target, every workload, in alternating pairs with the bare proxy, in one run.
//!
//! It must never let two proxies run at the same time. Invariants: within a pair all targets are measured within
//! the same minute, and every other pair runs backwards, so that a machine that drifts treats all alike; a target
//! that failed a workload is not measured on it again, and the command ends with an error.

pub(crate) mod config;
pub(crate) mod measure;
pub(crate) mod proc;
pub(crate) mod process;
mod report;
mod target;

use crate::workload::Workload;
use anyhow::{Context as _, ensure};
use clap::Args;
use measure::{Plan, Sample};
use process::Scratch;
use std::path::PathBuf;
use std::time::Duration;
use target::{Stage, Target};

/// The options of `compare`.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Alternating pairs per workload
    #[arg(long, default_value_t = 5)]
    pairs: usize,
    /// Two shorter pairs: a look, not a result
    #[arg(long)]
    quick: bool,
    /// Only these workloads
    #[arg(long, value_delimiter = ',', ignore_case = true)]
    only: Vec<Workload>,
    /// Seconds of a measured window
    #[arg(long)]
    seconds: Option<f64>,
    /// The gateway's executable, which wants a load test of the same profile; else YUMEN_BIN; else both are built in the
    /// `dist` profile, unless a variant is named
    #[arg(long, env = "YUMEN_BIN")]
    yumen: Option<PathBuf>,
    /// YAML added to the gateway's config; its top-level keys replace those of the comparison
    #[arg(long)]
    config_extra: Option<PathBuf>,
    /// Arguments for every gateway, after `serve -c FILE`
    #[arg(long, value_delimiter = ' ', allow_hyphen_values = true)]
    yumen_args: Vec<String>,
    /// One more target: name=PATH[,EXTRA.yaml], name=builtin:inline, name=builtin:bare
    #[arg(long)]
    variant: Vec<String>,
    /// Worker threads of every proxy
    #[arg(long, default_value_t = 2)]
    proxy_threads: usize,
    #[arg(long, default_value_t = 1)]
    mock_threads: usize,
    #[arg(long, default_value_t = 1)]
    load_threads: usize,
    /// Streams do not ask for the usage event, so the gateway must and hides it
    #[arg(long)]
    no_usage: bool,
    /// Requests a second of W4
    #[arg(long)]
    rate: Option<f64>,
    /// Streams of W6
    #[arg(long)]
    idle_streams: Option<usize>,
    /// Where the gateways' journals go; it decides what a write costs
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Also write all figures as JSON
    #[arg(long)]
    json: Option<PathBuf>,
}

/// All samples of one target on one workload, one per pair.
#[derive(Debug, Default)]
pub(crate) struct Cell {
    samples: Vec<Sample>,
    failure: Option<String>,
}

/// Everything that a run measured.
#[derive(Debug)]
pub(crate) struct Results {
    targets: Vec<Target>,
    /// Per workload one cell per target.
    rows: Vec<(Workload, Vec<Cell>)>,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    process::raise_open_files()?;
    if options.yumen.is_none() && options.variant.is_empty() {
        return target::start_in_dist();
    }
    let parent = options.dir.clone().unwrap_or_else(std::env::temp_dir);
    let scratch = Scratch::new(&parent)?;
    let targets = targets(options)?;
    let mock = target::start_mock(options.mock_threads, &scratch)?;
    let stage = Stage {
        mock: mock.addr,
        mock_pid: mock.pid(),
        threads: options.proxy_threads,
        scratch: scratch.path(),
    };
    let workloads = if options.only.is_empty() {
        Workload::ALL.to_vec()
    } else {
        options.only.clone()
    };
    let mut results = Results {
        targets,
        rows: Vec::new(),
    };
    for workload in workloads {
        let cells = row(workload, &results.targets, options, &stage);
        results.rows.push((workload, cells));
    }
    let context = report::Context::new(options.pairs(), options.quick);
    print!("{}", report::markdown(&results, &context));
    if let Some(path) = &options.json {
        let text = serde_json::to_string_pretty(&report::json(&results, &context))?;
        std::fs::write(path, text + "\n")
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    let failed = results
        .rows
        .iter()
        .flat_map(|(_, cells)| cells)
        .filter(|cell| cell.failure.is_some())
        .count();
    ensure!(failed == 0, "{failed} failed");
    Ok(())
}

impl Options {
    fn pairs(&self) -> usize {
        if self.quick { 2 } else { self.pairs.max(1) }
    }

    fn plan(&self) -> Plan {
        let seconds = self.seconds.unwrap_or(if self.quick { 2.0 } else { 5.0 });
        Plan {
            warm_up: Duration::from_millis(if self.quick { 600 } else { 1500 }),
            window: Duration::from_secs_f64(seconds),
            load_threads: self.load_threads,
            usage: !self.no_usage,
            rate: self.rate,
            idle_streams: self.idle_streams.or(self.quick.then_some(2000)),
        }
    }
}

/// The mock itself, the bare proxy, then what is compared with it.
fn targets(options: &Options) -> anyhow::Result<Vec<Target>> {
    let mut targets = vec![Target::direct(), Target::bare()];
    if let Some(path) = &options.yumen {
        targets.push(Target::yumen(
            "yumen",
            path.clone(),
            options.config_extra.clone(),
            options.yumen_args.clone(),
        )?);
    }
    for variant in &options.variant {
        let target = Target::parse(variant, &options.yumen_args)?;
        ensure!(
            targets.iter().all(|other| other.name != target.name),
            "two targets named {}",
            target.name
        );
        targets.push(target);
    }
    Ok(targets)
}

/// One workload over all targets and pairs.
fn row(workload: Workload, targets: &[Target], options: &Options, stage: &Stage<'_>) -> Vec<Cell> {
    let plan = options.plan();
    let mut cells: Vec<Cell> = targets.iter().map(|_| Cell::default()).collect();
    for pair in 0..options.pairs() {
        let mut order: Vec<usize> = (0..targets.len()).collect();
        if pair % 2 == 1 {
            order.reverse();
        }
        for at in order {
            let (target, cell) = (&targets[at], &mut cells[at]);
            // The mock itself says something only where added time is asked.
            if (at == 0 && workload != Workload::Ttft) || cell.failure.is_some() {
                continue;
            }
            match measure::measure(target, workload, &plan, stage) {
                Ok(sample) => {
                    eprintln!(
                        "{} pair {} {}: {:.2} µs CPU, {:.0}/s, p50 {:.0} µs",
                        workload.name(),
                        pair + 1,
                        target.name,
                        sample.cpu_us,
                        sample.units_per_second,
                        sample.time(workload).p50
                    );
                    cell.samples.push(sample);
                }
                Err(error) => {
                    eprintln!(
                        "{} pair {} {} fails: {error:#}",
                        workload.name(),
                        pair + 1,
                        target.name
                    );
                    cell.failure = Some(format!("{error:#}"));
                }
            }
        }
    }
    cells
}
