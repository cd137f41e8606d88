//! The page of a comparison: tables in Markdown, everything in JSON.
//!
//! It must never measure or judge. Invariants: a ratio is always of two samples of the same pair; medians are of
//! pairs, with the least and the greatest beside them; a failed run shows as `fails`, never as a figure.

use super::measure::Sample;
use super::proc::WORKER;
use super::{Cell, Results, proc};
use crate::workload::Workload;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::SystemTime;

/// Position of the mock itself and of the bare proxy among the targets.
const DIRECT: usize = 0;
const BARE: usize = 1;
/// Cores that others may use before a run says that its figures are rough.
const FOREIGN_CORES_MAX: f64 = 0.1;
/// Share of its pace that a paced workload must reach.
const PACE_LEAST: f64 = 0.95;

/// What a figure must be told with.
#[derive(Debug)]
pub(crate) struct Context {
    command: String,
    machine: String,
    unix_seconds: u64,
    pairs: usize,
    quick: bool,
}

impl Context {
    pub(crate) fn new(pairs: usize, quick: bool) -> Self {
        let since = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let command = std::env::args().skip(1).collect::<Vec<_>>().join(" ");
        Context {
            command,
            machine: proc::machine(),
            unix_seconds: since.as_secs(),
            pairs,
            quick,
        }
    }
}

/// What the forward path must reach, as ratio to bare (W6: KiB per stream).
fn goal(workload: Workload) -> &'static str {
    match workload {
        Workload::W1 | Workload::W3 | Workload::W4 => "≤ 1.00",
        Workload::W2 => "≤ 0.12",
        Workload::W5 => "≤ 1.20",
        Workload::W6 | Workload::Ttft => "–",
    }
}

pub(crate) fn markdown(results: &Results, context: &Context) -> String {
    let mut page = format!(
        "# Load test, {}\n\n`loadtest {}` on {}. {} pairs{}. CPU is that of the proxy's process; × bare is the median \
         over pairs of the ratio within a pair (least – greatest).\n\n",
        date(context.unix_seconds),
        context.command,
        context.machine,
        context.pairs,
        if context.quick {
            ", quick: a look, not a result"
        } else {
            ""
        }
    );
    foreign(&mut page, results);
    cpu_table(&mut page, results);
    threads_table(&mut page, results);
    memory_table(&mut page, results);
    first_token_table(&mut page, results);
    failures(&mut page, results);
    page
}

/// What others took of the machine meanwhile.
fn foreign(page: &mut String, results: &Results) {
    let cells = results.rows.iter().flat_map(|(_, cells)| cells);
    let cores: Vec<f64> = cells
        .flat_map(|cell| &cell.samples)
        .map(|s| s.foreign_cores)
        .collect();
    let rough = if median(cores.clone()) > FOREIGN_CORES_MAX {
        ": **the machine was shared, the figures are rough**"
    } else {
        ""
    };
    let _ = writeln!(
        page,
        "Cores that others used meanwhile: {}{rough}.\n",
        spread(&cores)
    );
}

fn cpu_table(page: &mut String, results: &Results) {
    page.push_str("| work | target | CPU µs | × bare | goal | per second | time | p50 µs | p99 µs | p99 × bare | peak MiB |\n");
    page.push_str("|---|---|---|---|---|---|---|---|---|---|---|\n");
    for (workload, cells) in &results.rows {
        for (at, cell) in cells.iter().enumerate().skip(BARE) {
            let name = &results.targets[at].name;
            let _ = write!(page, "| {} {} | {name} ", workload.name(), workload.what());
            if cell.failure.is_some() || cell.samples.is_empty() {
                page.push_str("| fails | | | | | | | | |\n");
                continue;
            }
            let bare = &cells[BARE];
            let median_of =
                |figure: &dyn Fn(&Sample) -> f64| median(cell.samples.iter().map(figure).collect());
            let _ = writeln!(
                page,
                "| {:.2}/{} | {} | {} | {} | {} | {:.0} | {:.0} | {} | {:.1} |",
                median_of(&|s| s.cpu_us),
                workload.unit().name(),
                spread(&ratios(cell, bare, |s| s.cpu_us)),
                if at == BARE { "" } else { goal(*workload) },
                rate(*workload, median_of(&|s| s.units_per_second)),
                time_name(*workload),
                median_of(&|s| s.time(*workload).p50),
                median_of(&|s| s.time(*workload).p99),
                spread(&ratios(cell, bare, |s| s.time(*workload).p99)),
                median_of(&|s| s.rss_peak_kib as f64 / 1024.0),
            );
        }
    }
}

/// What is in a request's way, and what works beside it: by the names of the gateway's threads.
fn threads_table(page: &mut String, results: &Results) {
    page.push_str(
        "\n| work | target | in the request's way: CPU µs | × bare | beside it: CPU µs | × bare | by thread |\n|---|---|---|---|---|---|---|\n",
    );
    for (workload, cells) in &results.rows {
        for (at, cell) in cells.iter().enumerate().skip(BARE) {
            let parts = parts(cell);
            if !parts.iter().any(|(name, _)| *name == WORKER) {
                continue;
            }
            let bare = &cells[BARE];
            let sides: [fn(&Sample) -> f64; 2] = [in_the_way, beside];
            let [way, beside] = sides.map(|side| {
                let us = median(cell.samples.iter().map(side).collect());
                let times = pairs(cell, bare).map(|(ours, bare)| side(ours) / bare.cpu_us);
                format!("{us:.2} | {}", spread(&times.collect::<Vec<_>>()))
            });
            let threads: Vec<String> = parts
                .iter()
                .map(|(name, us)| format!("{name} {us:.2}"))
                .collect();
            let _ = writeln!(
                page,
                "| {} | {} | {way} | {beside} | {} |",
                workload.name(),
                results.targets[at].name,
                threads.join(", ")
            );
        }
    }
}

fn in_the_way(sample: &Sample) -> f64 {
    sample.threads_us.get(WORKER).copied().unwrap_or(0.0)
}

fn beside(sample: &Sample) -> f64 {
    sample.cpu_us - in_the_way(sample)
}

/// Medians by thread, the dearest first; what would show as 0.00 is left out.
fn parts(cell: &Cell) -> Vec<(&String, f64)> {
    let names: BTreeSet<&String> = cell
        .samples
        .iter()
        .flat_map(|s| s.threads_us.keys())
        .collect();
    let of = |name: &String| {
        let us = cell.samples.iter().map(|s| s.threads_us.get(name));
        median(us.map(|us| us.copied().unwrap_or(0.0)).collect())
    };
    let mut parts: Vec<_> = names.into_iter().map(|name| (name, of(name))).collect();
    parts.retain(|(_, us)| *us >= 0.005);
    parts.sort_by(|a, b| b.1.total_cmp(&a.1));
    parts
}

/// Units a second; with the pace that was meant, where it was missed: then the cores were full.
fn rate(workload: Workload, per_second: f64) -> String {
    match workload.pace(workload.connections()) {
        Some(pace) if per_second < pace * PACE_LEAST => {
            format!("{per_second:.0}, behind {pace:.0}")
        }
        _ => format!("{per_second:.0}"),
    }
}

fn time_name(workload: Workload) -> &'static str {
    match workload {
        Workload::W3 => "event to event",
        Workload::W6 | Workload::Ttft => "first event",
        Workload::W4 => "reply, from due",
        _ => "reply",
    }
}

fn memory_table(page: &mut String, results: &Results) {
    page.push_str("\n| resident memory | idle MiB | after load, most | peak, most | W6 KiB per idle stream, goal ≤ 16 |\n|---|---|---|---|---|\n");
    for (at, target) in results.targets.iter().enumerate().skip(BARE) {
        let samples: Vec<&Sample> = results
            .rows
            .iter()
            .flat_map(|(_, cells)| &cells[at].samples)
            .collect();
        if samples.is_empty() {
            continue;
        }
        let most = |figure: fn(&Sample) -> u64| {
            samples.iter().map(|s| figure(s)).max().unwrap_or(0) as f64 / 1024.0
        };
        let streams: Vec<f64> = samples.iter().filter_map(|s| s.kib_per_stream).collect();
        let _ = writeln!(
            page,
            "| {} | {:.1} | {:.1} | {:.1} | {} |",
            target.name,
            median(
                samples
                    .iter()
                    .map(|s| s.rss_idle_kib as f64 / 1024.0)
                    .collect()
            ),
            most(|s| s.rss_after_kib),
            most(|s| s.rss_peak_kib),
            spread(&streams)
        );
    }
}

fn first_token_table(page: &mut String, results: &Results) {
    let Some((_, cells)) = results
        .rows
        .iter()
        .find(|(workload, _)| *workload == Workload::Ttft)
    else {
        return;
    };
    page.push_str("\n| time to first token | p50 µs | p99 µs | added p50 | added p99 |\n|---|---|---|---|---|\n");
    for (at, cell) in cells.iter().enumerate() {
        if cell.samples.is_empty() {
            continue;
        }
        let median_of =
            |figure: fn(&Sample) -> f64| median(cell.samples.iter().map(figure).collect());
        let added = |figure: fn(&Sample) -> f64| {
            spread(
                &pairs(cell, &cells[DIRECT])
                    .map(|(ours, direct)| figure(ours) - figure(direct))
                    .collect::<Vec<_>>(),
            )
        };
        let _ = writeln!(
            page,
            "| {} | {:.0} | {:.0} | {} | {} |",
            results.targets[at].name,
            median_of(|s| s.first.p50),
            median_of(|s| s.first.p99),
            if at == DIRECT {
                String::new()
            } else {
                added(|s| s.first.p50)
            },
            if at == DIRECT {
                String::new()
            } else {
                added(|s| s.first.p99)
            },
        );
    }
}

fn failures(page: &mut String, results: &Results) {
    for (workload, cells) in &results.rows {
        for (at, cell) in cells.iter().enumerate() {
            if let Some(failure) = &cell.failure {
                let _ = writeln!(
                    page,
                    "\n{} {} fails: {failure}",
                    workload.name(),
                    results.targets[at].name
                );
            }
        }
    }
}

pub(crate) fn json(results: &Results, context: &Context) -> Value {
    let rows: Vec<Value> = results
        .rows
        .iter()
        .flat_map(|(workload, cells)| {
            cells
                .iter()
                .enumerate()
                .filter(|(_, cell)| !cell.samples.is_empty() || cell.failure.is_some())
                .map(move |(at, cell)| {
                    json!({
                        "workload": workload.name(),
                        "target": results.targets[at].name,
                        "unit": workload.unit().name(),
                        "cpu_ratio_to_bare": ratios(cell, &cells[BARE], |s| s.cpu_us),
                        "pairs": cell.samples.iter().map(Sample::json).collect::<Vec<_>>(),
                        "failure": cell.failure,
                    })
                })
        })
        .collect();
    json!({
        "date": date(context.unix_seconds),
        "command": context.command,
        "machine": context.machine,
        "pairs": context.pairs,
        "quick": context.quick,
        "results": rows,
    })
}

/// Samples of two targets that belong to the same pair. Samples are in the order of pairs, and a target that
/// failed is not measured again, so the position is the pair.
fn pairs<'a>(cell: &'a Cell, other: &'a Cell) -> impl Iterator<Item = (&'a Sample, &'a Sample)> {
    cell.samples.iter().zip(&other.samples)
}

fn ratios(cell: &Cell, bare: &Cell, figure: impl Fn(&Sample) -> f64) -> Vec<f64> {
    pairs(cell, bare)
        .map(|(ours, bare)| (figure(ours), figure(bare)))
        .filter(|(_, b)| *b > 0.0)
        .map(|(a, b)| a / b)
        .collect()
}

/// `median (least – greatest)`.
fn spread(values: &[f64]) -> String {
    if values.is_empty() {
        return "–".to_owned();
    }
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let digits = if greatest.abs() >= 10.0 { 1 } else { 2 };
    format!(
        "{:.digits$} ({least:.digits$} – {greatest:.digits$})",
        median(values.to_vec())
    )
}

/// The middle value; of an even number the mean of the two.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let (half, odd) = (values.len() / 2, values.len() % 2 == 1);
    match values.as_slice() {
        [] => f64::NAN,
        values if odd => values[half],
        values => f64::midpoint(values[half - 1], values[half]),
    }
}

/// Year-month-day (UTC) of a Unix time: days are counted in eras of 400 years that begin in March.
fn date(unix_seconds: u64) -> String {
    let days = unix_seconds / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        for (seconds, text) in [
            (0, "1970-01-01"),
            (951_782_400, "2000-02-29"),
            (951_868_800, "2000-03-01"),
            (1_764_000_000, "2025-11-24"),
            (1_798_675_200, "2026-12-31"),
        ] {
            assert_eq!(date(seconds), text);
        }
    }

    #[test]
    fn medians_and_spreads() {
        assert!((median(vec![3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median(vec![4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-9);
        assert_eq!(spread(&[1.0, 0.5, 0.8]), "0.80 (0.50 – 1.00)");
        assert_eq!(spread(&[]), "–");
    }
}
