//! `yumen policy test`: cases that say what must become of a request.
//!
//! A file names its config (a path beside it, or the config itself) and holds cases. Invariants: a file with an unknown
//! field, a dangling name or a case that expects nothing cannot be used, so that no test passes by mistake; rules that no
//! case ever hit are named.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::ask::{Request, ask, moment};
use super::outcome::Outcome;
use super::{FAILED, Means, TestArgs, junit, unusable};
use crate::config::decode::decode;
use crate::config::each;
use crate::config::load::read_text;
use crate::config::node::{Node, Value, parse};
use crate::config::problem::{Problem, Severity, Step, show_path};
use crate::config::trial::Bench;

/// A test file, but for its config.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// The moment of all cases; default now.
    at: Option<String>,
    /// The cases.
    #[serde(deserialize_with = "each::listed")]
    cases: Vec<Case>,
}

/// A request, and what must become of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    request: Request,
    expect: Expect,
}

/// What must become of a request. What is not said is not looked at.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Expect {
    verdict: Option<Verdict>,
    code: Option<String>,
    message: Option<String>,
    grade: Option<String>,
    rules: Option<Vec<String>>,
    shadowed: Option<Vec<String>>,
    findings: Option<BTreeMap<String, u32>>,
    provider: Option<String>,
    providers: Option<Vec<String>>,
    redactions: Option<usize>,
    /// What must not be in the body that is sent.
    absent: Vec<String>,
    /// What must be in it.
    present: Vec<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Allow,
    Redact,
    Reroute,
    Refuse,
}

impl Verdict {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Redact => "redact",
            Self::Reroute => "reroute",
            Self::Refuse => "refuse",
        }
    }
}

/// What came of one case.
#[derive(Debug, Serialize)]
pub(super) struct Ran {
    pub(super) name: String,
    pub(super) ok: bool,
    /// What does not hold, a line each.
    pub(super) failures: Vec<String>,
    got: Outcome,
}

/// What came of one file.
#[derive(Debug, Serialize)]
pub(super) struct Suite {
    pub(super) file: String,
    pub(super) cases: Vec<Ran>,
    /// Rules that no case hit.
    unhit: Vec<String>,
}

pub(super) fn run(
    args: &TestArgs,
    means: Means<'_>,
    out: &mut impl Write,
    talk: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let mut suites = Vec::with_capacity(args.files.len());
    let mut problems = Vec::new();
    for file in &args.files {
        match suite(file, means) {
            Ok(suite) => suites.push(suite),
            Err(found) => problems.extend(found),
        }
    }
    if !problems.is_empty() {
        return unusable(&problems, talk);
    }
    let all = || suites.iter().flat_map(|suite| &suite.cases);
    let failed = all().filter(|ran| !ran.ok).count();
    if let Some(path) = &args.junit {
        std::fs::write(path, junit::report(&suites))?;
    }
    if args.json {
        let result = json!({
            "ok": failed == 0,
            "cases": all().count(),
            "failed": failed,
            "files": suites,
        });
        writeln!(out, "{result:#}")?;
    } else {
        for suite in &suites {
            print(suite, out)?;
        }
        writeln!(out, "{} cases, {failed} failed", all().count())?;
    }
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(FAILED)
    })
}

fn print(suite: &Suite, out: &mut impl Write) -> anyhow::Result<()> {
    writeln!(out, "{}", suite.file)?;
    for ran in &suite.cases {
        writeln!(
            out,
            "  {}  {}",
            if ran.ok { "ok  " } else { "FAIL" },
            ran.name
        )?;
        for failure in &ran.failures {
            writeln!(out, "          {failure}")?;
        }
    }
    if !suite.unhit.is_empty() {
        writeln!(out, "  no case hits: {}", suite.unhit.join(", "))?;
    }
    Ok(())
}

/// Runs a file's cases.
fn suite(path: &Path, means: Means<'_>) -> Result<Suite, Vec<Problem>> {
    let name = path.display().to_string();
    let text = read_text(path)?;
    // Texts of requests are as they stand: what looks like a variable stays.
    let same = |variable: &str| Some(format!("${{{variable}}}"));
    let mut root = parse(&name, &text, &same)?;
    let bench = bench(path, &text, &mut root, means)?;
    let file: File = decode(&name, &root)?;
    let problem = |steps: &[Step], message: String| Problem {
        severity: Severity::Error,
        file: name.clone(),
        place: root.nearest(steps).place,
        path: show_path(steps),
        message,
        suggestion: None,
    };
    let now_ms = match &file.at {
        None => means.now_ms(),
        Some(at) => moment(at).map_err(|why| vec![problem(&["at".into()], why)])?,
    };
    let (mut cases, mut problems) = (Vec::new(), Vec::new());
    let mut hit: BTreeSet<String> = BTreeSet::new();
    for (index, case) in file.cases.iter().enumerate() {
        let steps = |field: &str| -> [Step; 3] { ["cases".into(), index.into(), field.into()] };
        problems.extend(
            case.expect
                .dangling(&bench)
                .map(|why| problem(&steps("expect"), why)),
        );
        match ask(&bench, &case.request, now_ms) {
            Err(why) => problems.push(problem(&steps("request"), why)),
            Ok(asked) => {
                let got = Outcome::of(&bench, &asked);
                hit.extend(got.rules.iter().chain(&got.shadowed).cloned());
                let failures = case.expect.compare(&got);
                cases.push(Ran {
                    name: case.name.clone(),
                    ok: failures.is_empty(),
                    failures,
                    got,
                });
            }
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let rules = bench
        .snapshot
        .policy
        .iter()
        .flat_map(|policy| &policy.rules);
    let unhit = rules.map(|rule| rule.name.to_string());
    Ok(Suite {
        file: name,
        cases,
        unhit: unhit.filter(|rule| !hit.contains(rule)).collect(),
    })
}

/// Takes the config out of a test file.
fn bench(
    path: &Path,
    text: &str,
    root: &mut Node,
    means: Means<'_>,
) -> Result<Bench, Vec<Problem>> {
    let file = path.display().to_string();
    let dir = path.parent().unwrap_or_else(|| Path::new(""));
    let place = root.place;
    let problem = |place, message: &str| {
        vec![Problem {
            severity: Severity::Error,
            file: file.clone(),
            place,
            path: "config".into(),
            message: message.into(),
            suggestion: None,
        }]
    };
    let config = match &mut root.value {
        Value::Map(entries) => {
            let at = entries.iter().position(|entry| entry.key == "config");
            at.map(|at| entries.remove(at))
        }
        _ => None,
    };
    let Some(config) = config else {
        let message = "is missing: the config under test, its path or itself";
        return Err(problem(place, message));
    };
    match &config.node.value {
        Value::Text(name) => Bench::load(&dir.join(name), means.env, means.around()),
        Value::Map(_) => Bench::of(&file, text, config.node, dir, means.around()),
        _ => Err(problem(config.place, "the path of a config, or a config")),
    }
}

impl Expect {
    /// What it names that is not there, or that it expects nothing.
    fn dangling(&self, bench: &Bench) -> Option<String> {
        let nothing = self.verdict.is_none()
            && self.code.is_none()
            && self.message.is_none()
            && self.grade.is_none()
            && self.rules.is_none()
            && self.shadowed.is_none()
            && self.findings.is_none()
            && self.provider.is_none()
            && self.providers.is_none()
            && self.redactions.is_none()
            && self.absent.is_empty()
            && self.present.is_empty();
        if nothing {
            return Some("expects nothing".into());
        }
        let policy = bench.snapshot.policy.as_deref();
        let is_rule = |name: &String| {
            let rules = policy.map(|policy| policy.rules.as_slice());
            rules.is_some_and(|rules| rules.iter().any(|rule| *rule.name == **name))
        };
        let rules = self.rules.iter().chain(&self.shadowed).flatten();
        let types = self.findings.iter().flatten().map(|(name, _)| name);
        let providers = self.provider.iter().chain(self.providers.iter().flatten());
        let grades = || self.grade.iter();
        let no_rule = rules
            .filter(|name| !is_rule(name))
            .map(|name| ("rule", name));
        let no_type = types
            .filter(|name| policy.is_none_or(|policy| policy.set.named(name).is_empty()))
            .map(|name| ("type", name));
        let no_provider = providers
            .filter(|name| bench.snapshot.provider(name).is_none())
            .map(|name| ("provider", name));
        let no_grade = grades()
            .filter(|name| bench.snapshot.grades.find(name).is_none())
            .map(|name| ("grade", name));
        let mut all = no_rule.chain(no_type).chain(no_provider).chain(no_grade);
        all.next()
            .map(|(what, name)| format!("there is no {what} `{name}`"))
    }

    /// What does not hold.
    fn compare(&self, got: &Outcome) -> Vec<String> {
        let mut failures = Vec::new();
        let mut differ = |what: &str, expected: Option<String>, got: String| {
            if let Some(expected) = expected.filter(|expected| *expected != got) {
                failures.push(format!("{what}: expected {expected}, got {got}"));
            }
        };
        let word = |word: Option<&str>| word.unwrap_or("none").to_owned();
        let verdict = self.verdict.map(|verdict| verdict.as_str().to_owned());
        differ("verdict", verdict, word(got.verdict));
        differ("code", self.code.clone(), word(got.code));
        differ("grade", self.grade.clone(), got.grade.clone());
        differ("rules", self.rules.as_deref().map(set), set(&got.rules));
        differ(
            "shadowed",
            self.shadowed.as_deref().map(set),
            set(&got.shadowed),
        );
        differ("provider", self.provider.clone(), word(got.provider()));
        let providers: Vec<String> = got
            .targets
            .iter()
            .map(|going| going.provider.clone())
            .collect();
        let expected = self.providers.as_ref().map(|providers| list(providers));
        differ("providers", expected, list(&providers));
        let redactions = self.redactions.map(|count| count.to_string());
        differ("redactions", redactions, got.redactions().to_string());
        for (name, count) in self.findings.iter().flatten() {
            let found = got.findings.get(name).copied().unwrap_or_default();
            differ(
                &format!("findings of {name}"),
                Some(count.to_string()),
                found.to_string(),
            );
        }
        let told = got.message.as_deref().unwrap_or_default();
        if let Some(part) = self.message.as_ref().filter(|part| !told.contains(*part)) {
            failures.push(format!("message: expected \"{part}\" in \"{told}\""));
        }
        self.compare_sent(got, &mut failures);
        failures
    }

    /// What is sent is never shown: it may hold what was found.
    fn compare_sent(&self, got: &Outcome, failures: &mut Vec<String>) {
        let sent = got.sent.as_deref().map(String::from_utf8_lossy);
        // A text stands in a body as JSON writes it.
        let holds = |text: &String| {
            let escaped = json!(text).to_string();
            let inner = escaped.trim_matches('"');
            sent.as_ref().is_some_and(|sent| sent.contains(inner))
        };
        for (index, text) in self.absent.iter().enumerate() {
            if holds(text) {
                failures.push(format!("absent[{index}]: is in what is sent"));
            }
        }
        for (index, text) in self.present.iter().enumerate() {
            if !holds(text) {
                failures.push(format!("present[{index}]: is not in what is sent"));
            }
        }
    }
}

fn set(names: &[String]) -> String {
    let sorted: BTreeSet<&str> = names.iter().map(String::as_str).collect();
    format!("[{}]", sorted.into_iter().collect::<Vec<_>>().join(", "))
}

fn list(names: &[String]) -> String {
    format!("[{}]", names.join(", "))
}
