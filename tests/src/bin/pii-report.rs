//! How well the detectors find, and how fast: `cargo run --release -p tests --bin pii-report`.
//!
//! Scores the held-out half of the generated corpus and exits with 1 if any figure is below its floor. `--tune` shows
//! the other half, with what went wrong; `--failures` shows what went wrong in the held-out one.
#![allow(clippy::print_stdout, reason = "a report is what this prints")]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test tool: a failure here should stop the run"
)]

use std::process::ExitCode;

use policies::scan::{Finding, Set, Stream};
use tests::pii::contexts::{self, Split};
use tests::pii::kinds::KINDS;
use tests::pii::random::Random;
use tests::pii::score::{Score, ratio, total};
use tests::pii::speed::{self, Times};
use tests::pii::{Sample, documents, evasions, negatives};

/// The floors: a figure below fails the run.
const PRECISION: f64 = 0.985;
const RECALL: f64 = 0.98;
const MACRO_RECALL: f64 = 0.97;
const EVASIONS: f64 = 0.92;
const FLAGGED: f64 = 0.01;
const UNCOVERED: f64 = 0.01;
/// MB/s on one core. The goals are 200 and 100 on a core of one's own; these floors hold on a machine that others use too.
const PROSE: f64 = 120.0;
const DENSE: f64 = 25.0;
/// Share of the speed that is left with ten thousand words. The goal is two thirds, they may add half; this leaves room
/// for what others do on the machine.
const LISTED: f64 = 0.6;
/// Microseconds.
const PROMPT: f64 = 10.0;
const EVENT: f64 = 1.0;

const PER_TYPE: usize = 60;
const RECORDS: usize = 300;
const EVASION_ROUNDS: usize = 12;
const EACH_TRAP: usize = 25;
const EACH_DOCUMENT: usize = 6;

fn corpus(split: Split) -> (Vec<Sample>, Vec<Sample>, Vec<Sample>) {
    let seed = if split == Split::Tune { 11 } else { 977 };
    let r = &mut Random::new(seed);
    let mut plain = Vec::new();
    for kind in KINDS {
        plain.extend((0..PER_TYPE).map(|_| contexts::sample(kind, split, r)));
    }
    plain.extend((0..RECORDS).map(|_| contexts::record(r)));
    plain.extend(documents::samples(EACH_DOCUMENT, split, r));
    let evasions = (0..EVASION_ROUNDS)
        .flat_map(|_| evasions::samples(r))
        .collect();
    let negatives = negatives::samples(EACH_TRAP, r);
    (plain, evasions, negatives)
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let asked = |name: &str| arguments.iter().any(|a| a == name);
    let split = if asked("--tune") {
        Split::Tune
    } else {
        Split::Evaluate
    };
    let (plain, evaded, negative) = corpus(split);
    if let Some(which) = arguments.iter().find_map(|a| a.strip_prefix("--speed=")) {
        return only_speed(which, &plain);
    }
    let mut score = Score::default();
    score.plain(&plain);
    score.evasions(&evaded);
    score.negatives(&negative);
    if asked("--tune") || asked("--failures") {
        for failure in &score.failures {
            println!("{failure}");
        }
    }
    println!(
        "{:<22} {:>9} {:>9} {:>9} {:>6}",
        "type", "precision", "recall", "F1", "n"
    );
    for (name, count) in &score.types {
        println!(
            "{name:<22} {:>9.3} {:>9.3} {:>9.3} {:>6}",
            count.precision(),
            count.recall(),
            count.f1(),
            count.hit + count.missed
        );
    }
    println!("\nevasions not always caught:");
    for (trick, (caught, all)) in score.tricks.iter().filter(|(_, (a, b))| a < b) {
        println!("{trick:<30} {caught:>5} of {all}");
    }
    println!("\ntraps flagged:");
    for (trap, (flagged, all)) in score.traps.iter().filter(|(_, (a, _))| *a > 0) {
        println!("{trap:<30} {flagged:>5} of {all}");
    }
    let faults = faults([&plain, &evaded, &negative].into_iter().flatten());
    println!(
        "\nstreams that differ from the whole: {} of {}",
        faults.0, faults.1
    );
    let prose = negatives::prose(512 << 10, &mut Random::new(5));
    let dense: String = (0..24)
        .flat_map(|_| plain.iter())
        .map(|s| format!("{}\n", s.text))
        .collect();
    let times = Times::of(&prose, &dense);
    if faults.0 > 0 {
        return ExitCode::from(1);
    }
    verdict(&score, &times)
}

/// Cuts every text at random places; counts streams whose findings differ from the whole text's, and all.
fn faults<'s>(samples: impl Iterator<Item = &'s Sample>) -> (usize, usize) {
    let r = &mut Random::new(41);
    let set = speed::built_in();
    let (mut wrong, mut all) = (0, 0);
    for sample in samples {
        let text = &sample.text;
        let whole = whole(&set, text);
        let places: Vec<usize> = text
            .char_indices()
            .map(|(i, _)| i)
            .chain([text.len()])
            .collect();
        for round in 0..8 {
            let mut cuts: Vec<usize> = if round == 0 {
                places.clone()
            } else {
                (0..r.range(1, 6))
                    .map(|_| places[r.below(places.len())])
                    .collect()
            };
            cuts.sort_unstable();
            all += 1;
            wrong += usize::from(streamed(&set, text, &cuts) != whole);
        }
    }
    (wrong, all)
}

fn whole(set: &Set, text: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    set.scan("", text, &mut found);
    found
}

fn streamed(set: &Set, text: &str, cuts: &[usize]) -> Vec<Finding> {
    let (mut stream, mut found, mut from) = (Stream::new(), Vec::new(), 0);
    for &cut in cuts.iter().chain([&text.len()]) {
        stream.push(set, &text[from..cut], &mut found);
        from = cut;
    }
    stream.finish(set, &mut found);
    found
}

/// Scans one kind of text for a while, for a profiler; `types`: each type's alone.
#[expect(clippy::cast_precision_loss, reason = "counts are small")]
fn only_speed(which: &str, plain: &[Sample]) -> ExitCode {
    let set = speed::built_in();
    if let Some(line) = which.strip_prefix("line:") {
        let text = format!("{line}\n").repeat(200);
        println!(
            "{:>8.1} MB/s {:>8.0} ns a line",
            speed::rate(&set, &text),
            text.len() as f64 / speed::rate(&set, &text) * 1000.0 / 200.0
        );
        return ExitCode::SUCCESS;
    }
    if which == "types" {
        for (i, kind) in KINDS.iter().enumerate() {
            let text: String = plain[i * PER_TYPE..(i + 1) * PER_TYPE]
                .iter()
                .map(|s| format!("{}\n", s.text))
                .collect();
            println!(
                "{:<22} {:>8.1} MB/s {:>8.0} ns a line",
                kind.0,
                speed::rate(&set, &text),
                text.len() as f64 / speed::rate(&set, &text) * 1000.0 / PER_TYPE as f64
            );
        }
        return ExitCode::SUCCESS;
    }
    let text = if which == "dense" {
        plain.iter().map(|s| format!("{}\n", s.text)).collect()
    } else {
        negatives::prose(512 << 10, &mut Random::new(5))
    };
    for _ in 0..4 {
        println!("{which}: {:.1} MB/s", speed::rate(&set, &text));
    }
    ExitCode::SUCCESS
}

fn verdict(score: &Score, times: &Times) -> ExitCode {
    let (caught, tricks) = total(&score.tricks);
    let (flagged, traps) = total(&score.traps);
    let micro = score.micro();
    let at_least = [
        ("precision", micro.precision(), PRECISION),
        ("micro recall", micro.recall(), RECALL),
        ("macro recall", score.macro_recall(), MACRO_RECALL),
        ("evasions caught", ratio(caught, tricks), EVASIONS),
        ("prose MB/s", times.prose, PROSE),
        ("dense MB/s", times.dense, DENSE),
        (
            "share left with 10k words",
            times.listed / times.prose,
            LISTED,
        ),
    ];
    let at_most = [
        ("hard negatives flagged", ratio(flagged, traps), FLAGGED),
        (
            "characters uncovered",
            ratio(score.sensitive.1, score.sensitive.0),
            UNCOVERED,
        ),
        ("1 KiB prompt, µs", times.prompt, PROMPT),
        ("event of a stream, µs", times.event, EVENT),
    ];
    let mut good = true;
    println!();
    for (name, value, floor) in at_least {
        good &= value >= floor;
        println!(
            "{name:<24} {value:>9.4}  (at least {floor}) {}",
            if value >= floor { "ok" } else { "FAILED" }
        );
    }
    for (name, value, ceiling) in at_most {
        good &= value <= ceiling;
        println!(
            "{name:<24} {value:>9.4}  (at most {ceiling}) {}",
            if value <= ceiling { "ok" } else { "FAILED" }
        );
    }
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    }
}
