//! How well secrets, source code and injections are told from what only looks like them:
//! `cargo run --release -p tests --bin policy-report`.
//!
//! Scores the held-out half of our own prompts and exits with 1 if a figure is below its floor. `--dev` scores the other
//! half and shows what went wrong; `--speed` adds how fast; a file's name stands for our own prompts.
#![allow(clippy::print_stdout, reason = "a report is what this prints")]
#![allow(
    clippy::expect_used,
    reason = "test tool: a failure here should stop the run"
)]

use std::process::ExitCode;
use std::time::Instant;

use tests::prompts::{self, Prompt, Score};

/// The floors: a figure below fails the run.
const F1: f64 = 0.93;
const BENIGN_DENIED: f64 = 0.02;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let asked = |name: &str| arguments.iter().any(|a| a == name);
    let split = if asked("--dev") { "dev" } else { "eval" };
    let file = arguments.iter().find(|a| !a.starts_with("--"));
    let lines = match file {
        Some(path) => std::fs::read_to_string(path).expect("a file of prompts"),
        None => prompts::CORPUS.to_owned(),
    };
    // Whether data may leave a country is decided by rules and grades, not by these detectors.
    let chosen: Vec<Prompt> = prompts::read(&lines)
        .into_iter()
        .filter(|p| p.split == split && p.family != "cross_border")
        .collect();
    let score = Score::of(&chosen);
    if asked("--dev") {
        for failure in &score.failures {
            println!("{failure}");
        }
    }
    println!(
        "{:<20} {:>7} {:>7} {:>7} {:>7}",
        "family", "denied", "missed", "passed", "wrong"
    );
    for (family, count) in &score.families {
        println!(
            "{family:<20} {:>7} {:>7} {:>7} {:>7}",
            count.denied, count.missed, count.passed, count.wrong
        );
    }
    if asked("--speed") {
        speed();
    }
    let total = score.total();
    println!(
        "\nprecision {:.3}, recall {:.3}",
        total.precision(),
        total.recall()
    );
    let (f1, benign) = (total.f1(), total.benign_denied());
    println!("deny F1        {f1:.4} (at least {F1})");
    println!("benign denied  {benign:.4} (at most {BENIGN_DENIED})");
    if f1 >= F1 && benign <= BENIGN_DENIED {
        ExitCode::SUCCESS
    } else {
        println!("FAILED");
        ExitCode::from(1)
    }
}

/// Nanoseconds a byte of ordinary prose.
fn speed() {
    use policies::scan::injection::Source;
    let prose = tests::pii::negatives::prose(512 << 10, &mut tests::pii::random::Random::new(5));
    let of = |work: &dyn Fn(&str)| {
        let mut best = f64::MAX;
        for _ in 0..20 {
            let start = Instant::now();
            work(std::hint::black_box(&prose));
            best = best.min(start.elapsed().as_secs_f64());
        }
        #[expect(clippy::cast_precision_loss, reason = "a length")]
        let bytes = prose.len() as f64;
        best * 1e9 / bytes
    };
    println!(
        "\ninjection   {:.2} ns/byte",
        of(
            &|text| drop(std::hint::black_box(policies::scan::injection::find(
                text,
                Source::User
            )))
        )
    );
    println!(
        "source code {:.2} ns/byte",
        of(&|text| drop(std::hint::black_box(policies::scan::code_text::find(text))))
    );
}
