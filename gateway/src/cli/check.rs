//! `yumen check`: parse, check and build a config, and say what came of it.
//!
//! Starts nothing and changes nothing. Problems go to stderr as `file:line:column: …`, the routing table and the policies to
//! stdout; with `--json` all goes to stdout as one object.

use std::io::Write;
use std::process::ExitCode;
use std::time::SystemTime;

use policies::limit::Books;
use serde_json::json;

use super::{CheckArgs, UNUSABLE};
use crate::config::build::{Ground, build};
use crate::config::env::Lookup;
use crate::config::governed::Governed;
use crate::config::load::load;
use crate::config::problem::{Problem, Severity};
use crate::config::routing::Routing;
use crate::config::vendors::VendorBook;

pub(super) fn run(
    args: &CheckArgs,
    env: Lookup<'_>,
    book: &dyn VendorBook,
    out: &mut impl Write,
    talk: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let ground = Ground {
        book,
        books: &Books::default(),
        before: None,
        now: SystemTime::now(),
        found: None,
    };
    let outcome = load(&args.config, env).and_then(|loaded| {
        let built = build(&loaded, &ground)?;
        Ok((Governed::of(&loaded.config, &built.snapshot), built))
    });
    let (routing, governed, problems) = match outcome {
        Ok((governed, built)) => (Some(Routing::of(&built.snapshot)), governed, built.warnings),
        Err(problems) => (None, None, problems),
    };
    let code = if routing.is_some() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(UNUSABLE)
    };
    let (errors, warnings): (Vec<&Problem>, Vec<&Problem>) = problems
        .iter()
        .partition(|problem| problem.severity == Severity::Error);
    if args.json {
        let result = json!({
            "ok": routing.is_some(),
            "file": args.config.display().to_string(),
            "errors": errors,
            "warnings": warnings,
            "routing": routing,
            "policies": governed,
        });
        writeln!(out, "{result:#}")?;
        return Ok(code);
    }
    for problem in &problems {
        writeln!(talk, "{problem}")?;
    }
    let file = args.config.display();
    match routing {
        Some(routing) => {
            write!(out, "{routing}")?;
            match governed {
                Some(governed) => write!(out, "{governed}")?,
                None => writeln!(
                    out,
                    "policies: none: nothing is looked for; declared grades alone decide"
                )?,
            }
            writeln!(talk, "{file}: ok, {}", count(warnings.len(), "warning"))?;
        }
        None => writeln!(talk, "{file}: not usable, {}", count(errors.len(), "error"))?,
    }
    Ok(code)
}

fn count(n: usize, what: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{n} {what}{plural}")
}
