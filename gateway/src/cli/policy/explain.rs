//! `yumen policy explain`: why a request gets its verdict.
//!
//! Says what was found and where (never the value), what each rule made of it, and what the law says of each target.
//! Compares no grade itself: it asks the law about each target alone.

use std::io::{Read as _, Write};
use std::process::ExitCode;

use policies::findings::{Found, Place};
use policies::policy::{Policy, Remedy, Rule};
use policies::when::Facts;
use serde::Serialize;
use wire::facts::Form;
use wire::json::{Mapped, Value};

use super::ask::{Asked, Request, ask};
use super::outcome::Outcome;
use super::{ExplainArgs, Means, UNUSABLE, unusable};
use crate::config::load::read_once;
use crate::config::trial::Bench;
use crate::pipeline::trial::{Asker, Seen};

/// Largest body that is read.
const BODY_BYTES_MAX: u64 = 64 << 20;
/// Most findings that are listed; the rest is counted.
const LISTED_MAX: usize = 200;

/// Everything there is to say.
#[derive(Debug, Serialize)]
struct Explanation {
    key: String,
    team: Option<String>,
    model: Option<String>,
    /// The grade that key and header declare.
    declared: String,
    found: Vec<Finding>,
    /// Findings beyond those listed.
    more: usize,
    rules: Vec<RuleSaid>,
    targets: Vec<TargetSaid>,
    outcome: Outcome,
}

#[derive(Debug, Serialize)]
struct Finding {
    #[serde(rename = "type")]
    sort: String,
    grade: String,
    score: u8,
    /// The field of the body.
    field: String,
    /// Characters of its text.
    chars: Option<(usize, usize)>,
}

#[derive(Debug, Serialize)]
struct RuleSaid {
    name: String,
    remedy: &'static str,
    shadow: bool,
    /// It took effect, or would have.
    fired: bool,
    why: String,
}

#[derive(Debug, Serialize)]
struct TargetSaid {
    provider: String,
    model: String,
    location: &'static str,
    clearance: String,
    cleared: bool,
    why: String,
}

pub(super) fn run(
    args: &ExplainArgs,
    means: Means<'_>,
    out: &mut impl Write,
    talk: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let bench = match Bench::load(&args.config, means.env, means.around()) {
        Ok(bench) => bench,
        Err(problems) => return unusable(&problems, talk),
    };
    let asked = request(args).and_then(|request| ask(&bench, &request, means.now_ms()));
    let asked = match asked {
        Ok(asked) => asked,
        Err(why) => {
            writeln!(talk, "{}: {why}", args.file.display())?;
            return Ok(ExitCode::from(UNUSABLE));
        }
    };
    let explanation = explain(&bench, &asked);
    if args.json {
        writeln!(out, "{:#}", serde_json::to_value(&explanation)?)?;
    } else {
        explanation.print(out)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What is asked: a body, or what a user says.
fn request(args: &ExplainArgs) -> Result<Request, String> {
    let bytes = if args.file.as_os_str() == "-" {
        let mut bytes = Vec::new();
        let mut input = std::io::stdin().lock().take(BODY_BYTES_MAX + 1);
        input.read_to_end(&mut bytes).map(|_| bytes)
    } else {
        read_once(&args.file, BODY_BYTES_MAX)
    };
    let bytes = bytes.map_err(|error| format!("cannot be read: {}", error.kind()))?;
    if bytes.len() as u64 > BODY_BYTES_MAX {
        return Err("is too large".into());
    }
    let text = String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())?;
    let mut request = Request {
        key: args.key.clone(),
        team: args.team.clone(),
        model: args.model.clone(),
        at: args.at.clone(),
        ..Request::default()
    };
    if let Some(grade) = &args.grade {
        request
            .headers
            .insert("x-yumen-grade".into(), grade.clone());
    }
    match serde_json::from_str(&text) {
        Ok(body @ serde_json::Value::Object(_)) => request.body = Some(body),
        _ if request.model.is_none() => {
            return Err(
                "is no JSON object, so it is taken as what a user says: name a --model".into(),
            );
        }
        _ => request.text = Some(text),
    }
    Ok(request)
}

fn explain(bench: &Bench, asked: &Asked) -> Explanation {
    let asker = asked.asker(bench);
    let grades = &bench.snapshot.grades;
    let mut explanation = Explanation {
        key: asker.principal.id.to_string(),
        team: asker.principal.team.as_deref().map(str::to_owned),
        model: None,
        declared: grades
            .name(asker.principal.grade.max(asker.declared))
            .to_owned(),
        found: Vec::new(),
        more: 0,
        rules: Vec::new(),
        targets: Vec::new(),
        outcome: Outcome::of(bench, asked),
    };
    let Ok(seen) = &asked.seen else {
        return explanation;
    };
    explanation.model = Some(seen.facts.model.clone());
    let list = &seen.findings.list;
    explanation.more = list.len().saturating_sub(LISTED_MAX);
    let Some(policy) = asker.policy() else {
        explanation.targets = targets(bench, &asker, seen);
        return explanation;
    };
    let listed = list.iter().take(LISTED_MAX);
    explanation.found = listed
        .map(|found| finding(bench, policy, seen, found))
        .collect();
    explanation.targets = targets(bench, &asker, seen);
    explanation.rules = rules(policy, &asker, seen, &explanation.outcome);
    explanation
}

fn finding(bench: &Bench, policy: &Policy, seen: &Seen, found: &Found) -> Finding {
    Finding {
        sort: policy.name(found.sort).to_owned(),
        grade: bench
            .snapshot
            .grades
            .name(policy.set.info(found.sort).grade)
            .to_owned(),
        score: found.score,
        field: field(seen, found.place.text.start),
        chars: chars(seen, &found.place),
    }
}

/// Characters of the decoded text at which a place begins and ends.
fn chars(seen: &Seen, place: &Place) -> Option<(usize, usize)> {
    if place.form == Form::Base64 {
        return None;
    }
    let raw = std::str::from_utf8(seen.body.get(place.text.clone())?).ok()?;
    let text = Mapped::new(raw).text;
    let before = text.get(..place.at.start)?.chars().count();
    let length = text.get(place.at.clone())?.chars().count();
    Some((before, before + length))
}

/// The field of the body that holds a byte: `messages[0].content`.
fn field(seen: &Seen, at: usize) -> String {
    let mut path = String::new();
    let mut value = Value::root(&seen.facts.tape, &seen.body);
    while let Some(outer) = value {
        let member = outer
            .members()
            .find(|(key, inner)| key.span().start <= at && at < inner.span().end);
        if let Some((key, inner)) = member {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(&key.as_str().unwrap_or_default());
            value = Some(inner);
            continue;
        }
        let mut elements = outer.elements().enumerate();
        let element = elements.find(|(_, inner)| inner.span().contains(&at));
        value = element.map(|(index, inner)| {
            path.push_str(&format!("[{index}]"));
            inner
        });
    }
    path
}

fn targets(bench: &Bench, asker: &Asker<'_>, seen: &Seen) -> Vec<TargetSaid> {
    let Ok(model) = asker.model(&seen.facts.model) else {
        return Vec::new();
    };
    let facts = asker.facts(seen);
    let judged = asker.judge_each(model, &seen.body, &seen.findings, facts);
    let said = judged.into_iter().map(|(candidate, judgement)| {
        let target = candidate.target();
        let (cleared, why) = match &judgement.cleared {
            Ok(cleared) => {
                let redactions = cleared.first().map_or(0, |cleared| cleared.redactions());
                let as_grade = cleared
                    .first()
                    .map(|cleared| bench.snapshot.grades.name(cleared.grade()));
                let why = match redactions {
                    0 => "whole".to_owned(),
                    n => format!("{n} replaced, goes as {}", as_grade.unwrap_or_default()),
                };
                (true, why)
            }
            Err(fault) => (false, fault.sentence().to_owned()),
        };
        TargetSaid {
            provider: target.provider.name.to_string(),
            model: target.model.to_string(),
            location: target.provider.location.as_str(),
            clearance: bench
                .snapshot
                .grades
                .name(target.provider.clearance)
                .to_owned(),
            cleared,
            why,
        }
    });
    said.collect()
}

fn rules(policy: &Policy, asker: &Asker<'_>, seen: &Seen, outcome: &Outcome) -> Vec<RuleSaid> {
    let hits = seen.findings.named(policy);
    let grade = bench_grade(policy, outcome);
    let facts = Facts {
        hits: &hits,
        grade,
        ..asker.facts(seen)
    };
    let places: Vec<_> = match asker.model(&seen.facts.model) {
        Ok(model) => asker
            .judge_each(model, &seen.body, &seen.findings, asker.facts(seen))
            .into_iter()
            .map(|(candidate, _)| candidate)
            .collect(),
        Err(_) => Vec::new(),
    };
    let said = policy.rules.iter().enumerate().map(|(at, rule)| {
        let named = |names: &[String]| names.iter().any(|name| **name == *rule.name);
        let fired = named(&outcome.rules) || named(&outcome.shadowed);
        let why = match (fired, rule.shadow) {
            (true, true) => "would have taken effect".to_owned(),
            (true, false) => "took effect".to_owned(),
            (false, _) => silent(policy, at, rule, seen).unwrap_or_else(|| {
                let holds = |place| match &rule.when {
                    Some(when) => when.holds(&Facts {
                        provider: place,
                        ..facts
                    }),
                    None => Ok(true),
                };
                let reads_target = rule.when.as_ref().is_some_and(|when| when.reads_target());
                let held = if reads_target {
                    use policies::law::Destination as _;
                    let mut held = places
                        .iter()
                        .map(|candidate| holds(Some(candidate.place())));
                    held.any(|held| held != Ok(false))
                } else {
                    holds(None) != Ok(false)
                };
                unneeded(rule, held)
            }),
        };
        RuleSaid {
            name: rule.name.to_string(),
            remedy: remedy(rule),
            shadow: rule.shadow,
            fired,
            why,
        }
    });
    said.collect()
}

/// The request's grade as conditions read it.
fn bench_grade(policy: &Policy, outcome: &Outcome) -> i64 {
    let at = policy
        .grades
        .iter()
        .position(|grade| *grade == outcome.grade);
    at.and_then(|at| i64::try_from(at).ok()).unwrap_or_default()
}

/// Why a rule's findings did not call for it, if they did not.
fn silent(policy: &Policy, at: usize, rule: &Rule, seen: &Seen) -> Option<String> {
    let find = rule.find.as_ref()?;
    let counts = seen.findings.counts();
    let found: u32 = counts
        .iter()
        .filter(|(sort, _)| find.contains(*sort))
        .map(|(_, count)| *count)
        .sum();
    if found == 0 {
        return Some("nothing of its types was found".into());
    }
    if found < rule.at_least {
        return Some(format!("{found} found, and it asks for {}", rule.at_least));
    }
    let before = policy
        .rules
        .iter()
        .take(at)
        .filter(|earlier| !earlier.shadow);
    let earlier: Vec<&Rule> = before.collect();
    let mut own = counts.iter().filter(|(sort, _)| find.contains(*sort));
    let taken = |sort| {
        earlier
            .iter()
            .find(|earlier| earlier.when.is_none() && earlier.covers(sort))
    };
    let first = own.clone().find_map(|(sort, _)| taken(*sort))?;
    own.all(|(sort, _)| taken(*sort).is_some())
        .then(|| format!("an earlier rule is about what was found: {}", first.name))
}

fn unneeded(rule: &Rule, held: bool) -> String {
    if !held {
        return "its condition does not hold".into();
    }
    match rule.remedy {
        Remedy::Refuse => "an earlier rule decided".into(),
        _ => "not needed: no target that was looked at lacks the clearance".into(),
    }
}

const fn remedy(rule: &Rule) -> &'static str {
    match rule.remedy {
        Remedy::Redact { restore: true, .. } => "redact, restore",
        Remedy::Redact { .. } => "redact",
        Remedy::Reroute => "reroute",
        Remedy::Refuse => "refuse",
    }
}

impl Explanation {
    fn print(&self, out: &mut impl Write) -> anyhow::Result<()> {
        let team = self.team.as_deref().unwrap_or("none");
        let model = self.model.as_deref().unwrap_or("-");
        writeln!(out, "key {}, team {team}, model {model}", self.key)?;
        let outcome = &self.outcome;
        let grade = if outcome.grade.is_empty() {
            "-"
        } else {
            &outcome.grade
        };
        writeln!(out, "grade {grade}; declared {}", self.declared)?;
        if outcome.media > 0 {
            writeln!(out, "media {}: not read", outcome.media)?;
        }
        writeln!(out, "\nfound")?;
        if self.found.is_empty() {
            writeln!(out, "  nothing that the policy looks for")?;
        }
        for found in &self.found {
            let chars = match found.chars {
                Some((from, to)) => format!(", characters {from} to {to}"),
                None => String::new(),
            };
            let (sort, grade, field) = (&found.sort, &found.grade, &found.field);
            writeln!(
                out,
                "  {sort:<20} {grade:<14} {field}{chars} ({} %)",
                found.score
            )?;
        }
        if self.more > 0 {
            writeln!(out, "  and {} more", self.more)?;
        }
        writeln!(out, "\nrules")?;
        for rule in &self.rules {
            let mark = if rule.fired { "*" } else { " " };
            let shadow = if rule.shadow { " (shadow)" } else { "" };
            writeln!(
                out,
                "{mark} {:<24} {:<16} {}{shadow}",
                rule.name, rule.remedy, rule.why
            )?;
        }
        writeln!(out, "\ntargets")?;
        for target in &self.targets {
            let mark = if target.cleared { "*" } else { " " };
            let what = format!("{} {}", target.provider, target.model);
            let (location, clearance) = (target.location, &target.clearance);
            writeln!(
                out,
                "{mark} {what:<32} {location:<12} {clearance:<14} {}",
                target.why
            )?;
        }
        writeln!(out)?;
        let verdict = outcome.verdict.unwrap_or("not judged");
        match (outcome.provider(), &outcome.code) {
            (Some(provider), _) => writeln!(out, "verdict {verdict}: goes to {provider}")?,
            (None, Some(code)) => {
                let told = outcome.message.as_deref().unwrap_or_default();
                writeln!(out, "verdict {verdict}: {code}. {told}")?;
            }
            (None, None) => writeln!(out, "verdict {verdict}")?,
        }
        Ok(())
    }
}
