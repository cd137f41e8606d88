//! `POST /v1/moderations`: answered by our own detectors, sent nowhere.
//!
//! Categories are the well-known ones, which every client's types ask for, and one for each type that the policy looks for.
//! Without a policy all built-in detectors look. Invariants: written down like any call, before it is answered; an answer
//! tells types and scores, never what was found.

use std::sync::{Arc, LazyLock};

use adapters::dialects::moderations;
use bytes::Bytes;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use policies::findings::Findings;
use policies::law::{Case, judge};
use policies::policy::{Parts, Policy, no_facts};
use policies::redact::Pepper;
use policies::scan::{GRADES, Set, Sort, Sorts};
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use smallvec::SmallVec;
use wire::facts::Contents;
use wire::{Fault, Grade, Kind};

use super::body::{ReplyBody, Response};
use super::look::look_for;
use super::route::Candidate;
use super::settle::Exchange;
use super::{inspect, keep, limits, refuse};
use journal::Outcome;

/// What answers, as replies name a model.
const MODEL: &str = "yumen-detectors";

/// Inputs of which each result names all types; in longer answers it names the known categories and what was found, or a
/// list of empty strings would cost a thousand times its length.
const NAMED_INPUTS_MAX: usize = 32;

/// The categories that every client knows, and the risk classes (pack genai-measures) that mean about the same. Where a
/// class holds two categories, both are flagged.
const KNOWN: [(&str, &[&str]); 13] = [
    ("harassment", &["GENAI_A4_2", "GENAI_A4_3", "GENAI_A4_4"]),
    ("harassment/threatening", &[]),
    (
        "hate",
        &[
            "GENAI_A1_5",
            "GENAI_A2_1",
            "GENAI_A2_2",
            "GENAI_A2_3",
            "GENAI_A2_4",
            "GENAI_A2_5",
            "GENAI_A2_6",
            "GENAI_A2_7",
            "GENAI_A2_8",
            "GENAI_A2_9",
        ],
    ),
    ("hate/threatening", &[]),
    ("illicit", &["GENAI_A1_8", "GENAI_A3_5"]),
    ("illicit/violent", &["GENAI_A1_4"]),
    ("self-harm", &["GENAI_A4_1"]),
    ("self-harm/instructions", &[]),
    ("self-harm/intent", &[]),
    ("sexual", &["GENAI_A1_6"]),
    ("sexual/minors", &[]),
    ("violence", &["GENAI_A1_4", "GENAI_A1_6"]),
    ("violence/graphic", &[]),
];

#[derive(Serialize)]
struct Reply<'a> {
    id: String,
    model: &'static str,
    results: Vec<Judged<'a>>,
}

#[derive(Serialize)]
struct Judged<'a> {
    flagged: bool,
    categories: Map<'a, bool>,
    category_scores: Map<'a, f64>,
    category_applied_input_types: Map<'a, &'static [&'static str]>,
}

/// An object whose members keep their order.
struct Map<'a, V>(Vec<(&'a str, V)>);

impl<V: Serialize> Serialize for Map<'_, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

pub(super) async fn moderate(exchange: &mut Exchange, body: Bytes) -> Result<Response, Fault> {
    let tape = inspect::scanned(exchange.limits(), &body)?;
    let asked = moderations::read(&body, &tape)?;
    exchange.asked = asked.model;
    limits::reserve_alone(exchange).await?;
    let (policy, wanted) = looking(exchange)?;
    let all = asked.inputs.len() <= NAMED_INPUTS_MAX;
    let categories = Categories::of(&policy, &wanted, all);
    let mut results = Vec::with_capacity(asked.inputs.len());
    let mut counts: SmallVec<[(Sort, u32); 4]> = SmallVec::new();
    let mut recording = keep::Gathering::new(exchange);
    for contents in &asked.inputs {
        let findings = look_for(&policy, &wanted, &body, contents).await?;
        for (sort, count) in findings.counts() {
            match counts.iter_mut().find(|(known, _)| known == sort) {
                Some((_, sum)) => *sum += count,
                None => counts.push((*sort, *count)),
            }
        }
        exchange.media = exchange.media.saturating_add(findings.media);
        results.push(categories.judged(&findings, contents));
        recording.add(findings, contents);
    }
    recording.keep(exchange, &body, &policy).await;
    grade(exchange, &policy, &body, &counts);
    exchange.counts = counts.into_vec();
    exchange.record_alone()?;
    exchange.recorded().await?;
    let reply = Reply {
        id: format!("modr-{}", exchange.id.as_str()),
        model: MODEL,
        results,
    };
    // Names and numbers always serialise.
    let told = serde_json::to_vec(&reply).unwrap_or_default();
    exchange.status = 200;
    exchange.meter.bytes_down = told.len() as u64;
    let told = Bytes::from(told);
    // Types and numbers: nothing is to be replaced in it.
    exchange.keep_own(&told);
    let mut reply = Response::new(ReplyBody::Whole(told.into()));
    let json = HeaderValue::from_static("application/json");
    reply.headers.add(&CONTENT_TYPE, &json);
    refuse::describe(exchange, &mut reply.headers);
    exchange.finish(Outcome::Completed, None);
    Ok(reply)
}

/// What looks, and for what: whatever some rule is about, or all there is.
fn looking(exchange: &mut Exchange) -> Result<(Arc<Policy>, Sorts), Fault> {
    if let Some(policy) = &exchange.snapshot.policy {
        let mut wanted = policy.looked_for().clone();
        for rule in &policy.reply {
            wanted.union(&rule.find);
        }
        if !wanted.is_empty() {
            return Ok((Arc::clone(policy), wanted));
        }
    }
    let policy = BUILT_IN.as_ref().ok_or(Kind::Bug)?;
    exchange.looked_with = Some(Arc::clone(policy));
    Ok((Arc::clone(policy), policy.looked_for().clone()))
}

/// All built-in detectors, no rule. Its grades are the default ones, so only names and counts are taken from it.
static BUILT_IN: LazyLock<Option<Arc<Policy>>> = LazyLock::new(|| {
    let set = Set::build(Vec::new(), Vec::new(), &|_, _, grade| grade).ok()?;
    let parts = Parts {
        graded: set.sorts().collect(),
        set,
        rules: Vec::new(),
        reply: Vec::new(),
        media: Grade::LOWEST,
        overseas_max: None,
        filed_only: false,
        labelling: None,
        pepper: Pepper::new(&[]),
        grades: GRADES.map(str::to_owned).to_vec(),
        zone_s: 0,
    };
    Policy::build(parts).ok().map(Arc::new)
});

/// The grade that a request with these findings has at least.
fn grade(exchange: &mut Exchange, policy: &Policy, body: &Bytes, counts: &[(Sort, u32)]) {
    if exchange.looked_with.is_some() {
        return;
    }
    let findings = Findings::of_counts(counts.iter().copied(), 0);
    let case = Case {
        policy: Some(policy),
        findings: &findings,
        body,
        declared: exchange.grade,
        public: false,
        facts: no_facts(&policy.grades),
    };
    let nowhere = judge(&case, std::iter::empty::<Candidate>());
    exchange.grade = nowhere.grade;
}

/// The categories of every result.
struct Categories<'p> {
    /// Names, and the types that flag each.
    list: Vec<(&'p str, Sorts)>,
    /// Types that were not found are named too.
    all: bool,
}

impl<'p> Categories<'p> {
    fn of(policy: &'p Policy, wanted: &Sorts, all: bool) -> Self {
        let mut list: Vec<(&'p str, Sorts)> = Vec::with_capacity(96);
        for (name, classes) in KNOWN {
            let mut sorts = Sorts::new();
            for class in classes {
                sorts.union(&policy.set.named(class));
            }
            list.push((name, sorts));
        }
        for sort in wanted.iter() {
            list.push((policy.name(sort), [sort].into_iter().collect()));
        }
        Self { list, all }
    }

    fn judged(&self, findings: &Findings, contents: &Contents) -> Judged<'p> {
        let read: &'static [&'static str] = if contents.texts.is_empty() {
            &[]
        } else {
            &["text"]
        };
        let score = |sorts: &Sorts| {
            let hits = findings
                .list
                .iter()
                .filter(|found| sorts.contains(found.sort));
            f64::from(hits.map(|found| found.score).max().unwrap_or(0)) / 100.0
        };
        let scores: Vec<(&'p str, f64)> = (0..)
            .zip(&self.list)
            .map(|(at, (name, sorts))| (at, *name, score(sorts)))
            .filter(|(at, _, score)| self.all || *at < KNOWN.len() || *score > 0.0)
            .map(|(_, name, score)| (name, score))
            .collect();
        Judged {
            flagged: !findings.is_empty(),
            categories: Map(scores
                .iter()
                .map(|(name, score)| (*name, *score > 0.0))
                .collect()),
            category_applied_input_types: Map(scores
                .iter()
                .map(|(name, _)| (*name, read))
                .collect()),
            category_scores: Map(scores),
        }
    }
}
