//! `yumen policy replay`: what an audit log recorded, judged under another policy.
//!
//! The log holds types and counts, so no text is needed and none is read. What it does not hold is said in the help text
//! and after the table. Invariants: a record that cannot be judged is counted, never skipped in silence; the log is only
//! read.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use bytes::Bytes;
use policies::access::keys::Principal;
use policies::findings::Findings;
use policies::policy::no_facts;
use policies::when::{self, Facts, Time};
use serde::{Deserialize, Serialize};
use serde_json::json;
use wire::Grade;

use super::outcome::Outcome;
use super::{Means, ReplayArgs, UNUSABLE, unusable};
use crate::config::trial::Bench;
use crate::pipeline::MODERATIONS;
use crate::pipeline::trial::Asker;
use journal::Kind;
use journal::read::{Item, OwnedRecord, records};

/// What a record says of a request, as far as a policy could have judged it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Recorded {
    at: i64,
    id: String,
    key: String,
    user: String,
    team: String,
    client: String,
    dialect: String,
    endpoint: String,
    asked: String,
    provider: String,
    stream: bool,
    grade: String,
    verdict: String,
    findings: Vec<Count>,
    media: u32,
    request_bytes: i64,
    code: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Count {
    #[serde(rename = "type")]
    kind: String,
    count: u32,
    /// Types that found no room in the record.
    more: u32,
}

/// A request that would be judged otherwise.
#[derive(Debug, Serialize)]
struct Change {
    index: u64,
    id: String,
    key: String,
    model: String,
    types: Vec<String>,
    before: String,
    after: String,
    rules: Vec<String>,
    /// What the caller would be told.
    message: Option<String>,
}

/// The result.
#[derive(Debug, Default, Serialize)]
struct Replayed {
    requests: u64,
    changed: u64,
    /// Verdict before, verdict after, requests.
    table: BTreeMap<String, BTreeMap<String, u64>>,
    /// Rules that would take effect, and on how many requests.
    rules: BTreeMap<String, u64>,
    /// The same in shadow mode.
    shadowed: BTreeMap<String, u64>,
    changes: Vec<Change>,
    /// Requests that went where they would not go now.
    elsewhere: u64,
    /// Requests that could not be judged, by why.
    unjudged: BTreeMap<&'static str, u64>,
    /// Types in the log that this config does not know.
    unknown_types: BTreeSet<String>,
    /// Bytes of the log that could not be read, and indices that are missing.
    damaged: u64,
}

pub(super) fn run(
    args: &ReplayArgs,
    means: Means<'_>,
    out: &mut impl Write,
    talk: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let bench = match Bench::load(&args.config, means.env, means.around()) {
        Ok(bench) => bench,
        Err(problems) => return unusable(&problems, talk),
    };
    let reader = match records(&args.dir) {
        Ok(reader) => reader,
        Err(error) => {
            writeln!(
                talk,
                "{}: cannot be read: {}",
                args.dir.display(),
                error.kind()
            )?;
            return Ok(ExitCode::from(UNUSABLE));
        }
    };
    let mut replayed = Replayed::default();
    for item in reader {
        match item? {
            Item::Record(record) if matches!(record.kind, Kind::Opened | Kind::Denied) => {
                replayed.record(&bench, &record, args.show);
            }
            Item::Record(_) => {}
            Item::Missing(_, count) => replayed.damaged += count,
            Item::Damage(_) => replayed.damaged += 1,
        }
    }
    if args.json {
        writeln!(out, "{:#}", json!(replayed))?;
    } else {
        replayed.print(out)?;
    }
    Ok(ExitCode::SUCCESS)
}

impl Replayed {
    fn record(&mut self, bench: &Bench, record: &OwnedRecord, show: usize) {
        let parsed = serde_json::from_slice::<Recorded>(&record.payload);
        // What only asks for findings is decided by no rule.
        if parsed.as_ref().is_ok_and(|r| r.endpoint == MODERATIONS) {
            return;
        }
        let Ok(recorded) = parsed else {
            self.damaged += 1;
            return;
        };
        // What was refused for its key, its form or a limit never came before a policy.
        let judged = record.kind == Kind::Opened || recorded.verdict == "refuse";
        if !judged {
            return;
        }
        self.requests += 1;
        let outcome = match self.judge(bench, &recorded) {
            Ok(outcome) => outcome,
            Err(why) => {
                *self.unjudged.entry(why).or_default() += 1;
                return;
            }
        };
        let after = outcome.verdict.unwrap_or("none").to_owned();
        let row = self.table.entry(recorded.verdict.clone()).or_default();
        *row.entry(after.clone()).or_default() += 1;
        for rule in &outcome.rules {
            *self.rules.entry(rule.clone()).or_default() += 1;
        }
        for rule in &outcome.shadowed {
            *self.shadowed.entry(rule.clone()).or_default() += 1;
        }
        let goes = outcome
            .targets
            .iter()
            .any(|going| going.provider == recorded.provider);
        if !outcome.targets.is_empty() && !recorded.provider.is_empty() && !goes {
            self.elsewhere += 1;
        }
        if after == recorded.verdict {
            return;
        }
        self.changed += 1;
        if self.changes.len() < show {
            self.changes.push(Change {
                index: record.index,
                id: recorded.id,
                key: recorded.key,
                model: recorded.asked,
                types: outcome.findings.keys().cloned().collect(),
                before: recorded.verdict,
                after,
                rules: outcome.rules,
                message: outcome.message,
            });
        }
    }

    fn judge(&mut self, bench: &Bench, recorded: &Recorded) -> Result<Outcome, &'static str> {
        let snapshot = &bench.snapshot;
        let principal: &Arc<Principal> = snapshot
            .keys
            .by_id(&recorded.key)
            .ok_or("its key is not in this config")?;
        let findings = self.findings(bench, recorded);
        // The grade of the request as it came. Where nothing was found it is what was declared.
        let nothing = recorded.findings.is_empty() && recorded.media == 0;
        let declared = nothing
            .then(|| snapshot.grades.find(&recorded.grade))
            .flatten();
        let asker = Asker {
            snapshot,
            principal,
            declared: declared.unwrap_or(Grade::LOWEST),
            client_ip: &recorded.client,
            endpoint: &recorded.endpoint,
            now_ms: recorded.at,
        };
        let model = asker
            .model(&recorded.asked)
            .map_err(|_| "its model is not in this config, or not for its key")?;
        let facts = recorded.facts(&asker);
        let judgement = asker.judge(model, &Bytes::new(), &findings, facts);
        Ok(Outcome::judged(snapshot, &findings, &judgement))
    }

    /// The recorded counts under this config's types.
    fn findings(&mut self, bench: &Bench, recorded: &Recorded) -> Findings {
        let mut counts = Vec::new();
        if let Some(policy) = &bench.snapshot.policy {
            for found in recorded.findings.iter().filter(|found| found.more == 0) {
                let sort = policy
                    .set
                    .sorts()
                    .find(|sort| *policy.set.info(*sort).name == *found.kind);
                match sort {
                    // What this policy does not look for, it would not find.
                    Some(sort) if policy.looked_for().contains(sort) => {
                        counts.push((sort, found.count))
                    }
                    Some(_) => {}
                    None => drop(self.unknown_types.insert(found.kind.clone())),
                }
            }
        }
        Findings::of_counts(counts, recorded.media)
    }

    fn print(&self, out: &mut impl Write) -> anyhow::Result<()> {
        writeln!(
            out,
            "{} requests, {} with another verdict",
            self.requests, self.changed
        )?;
        for (before, row) in &self.table {
            for (after, count) in row {
                let mark = if before == after { " " } else { "*" };
                writeln!(out, "{mark} {before:<8} -> {after:<8} {count:>8}")?;
            }
        }
        for (title, rules) in [("rules", &self.rules), ("in shadow", &self.shadowed)] {
            if !rules.is_empty() {
                writeln!(out, "\n{title}")?;
            }
            for (rule, count) in rules {
                writeln!(out, "  {rule:<28} {count:>8}")?;
            }
        }
        if !self.changes.is_empty() {
            writeln!(out, "\nchanged")?;
        }
        for change in &self.changes {
            let Change {
                index,
                key,
                model,
                before,
                after,
                ..
            } = change;
            let (types, rules) = (change.types.join(" "), change.rules.join(" "));
            writeln!(
                out,
                "  #{index} {key} {model}: {before} -> {after} [{types}] {rules}"
            )?;
        }
        if self.changed > self.changes.len() as u64 {
            let more = self.changed - self.changes.len() as u64;
            writeln!(out, "  and {more} more")?;
        }
        if self.elsewhere > 0 {
            writeln!(
                out,
                "\n{} went to a provider that would not get them now",
                self.elsewhere
            )?;
        }
        for (why, count) in &self.unjudged {
            writeln!(out, "\n{count} not judged: {why}")?;
        }
        if !self.unknown_types.is_empty() {
            let types: Vec<&str> = self.unknown_types.iter().map(String::as_str).collect();
            writeln!(out, "\nnot known to this config: {}", types.join(", "))?;
        }
        if self.damaged > 0 {
            writeln!(
                out,
                "\n{} records of the log are missing or damaged",
                self.damaged
            )?;
        }
        let note = "\ntypes that the recorded policy did not look for are not in the log";
        writeln!(out, "{note}")?;
        Ok(())
    }
}

impl Recorded {
    fn facts<'a>(&'a self, asker: &Asker<'a>) -> Facts<'a> {
        let Some(policy) = asker.policy() else {
            return no_facts(&[]);
        };
        Facts {
            request: when::Request {
                dialect: &self.dialect,
                endpoint: &self.endpoint,
                stream: self.stream,
                bytes: self.request_bytes,
                images: self.media > 0,
                client_ip: &self.client,
                ..when::Request::default()
            },
            key: when::Key {
                id: &self.key,
                user: &self.user,
                team: &self.team,
                grade: i64::from(asker.principal.grade.0),
            },
            model: &self.asked,
            time: Time::at(self.at.div_euclid(1000), policy.zone_s),
            ..no_facts(&policy.grades)
        }
    }
}
