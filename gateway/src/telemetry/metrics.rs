//! All metrics of the gateway, and the handles by which the request path counts.
//!
//! Knows names and labels, not where they are counted. Invariants: label values are names of the config, our routes, or
//! words of closed sets, never ids, users or client text; the handles ([`RouteMeters`], [`TargetMeters`], the plain
//! fields) are looked up when a config loads or a route is made, and cost atomics only from then on.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry};
use wire::{Kind, Verdict};

use super::discovery::{DiscoveryFamilies, DiscoveryMeters};
use super::export::{ExportFamilies, ExportMeters};
use super::policy::{Families, GateVerdict, PolicyMeters};
use super::process::{Process, Reloads};
use super::queue::{QueueFamilies, QueueMeters};
use super::series::{Family, OTHER, Timer};
use super::stores::{AuditMeters, LedgerMeters};
use super::tree::TreeMeters;
use crate::config::watch::ReloadCounters;

/// The type of what [`Metrics::encode`] writes.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Whole requests: from a model list to an hour of thought.
const REQUEST_S: [f64; 16] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0,
];
/// Our own time: the goal is tens of microseconds.
const OVERHEAD_S: [f64; 12] = [
    0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05,
    0.1,
];
/// The wait for a model's first word.
const CONTENT_S: [f64; 13] = [
    0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0,
];

/// Help of metrics, as `/metrics` shows it.
const DECISIONS: &str = "Decisions of rate and concurrency limits";
const TOKENS: &str = "Tokens, as providers report them";
const FETCHED: &str = "Times that the keys of the identity provider were fetched";
const NOT_FETCHED: &str = "Times that the keys of the identity provider could not be fetched";

/// First status that a reply may have, and how many there are.
const STATUS_MIN: u16 = 100;
const STATUSES: usize = 500;

/// All metrics.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<Counter>,
    durations: Family<Timer>,
    upstream_requests: Family<Counter>,
    first_content: Family<Timer>,
    tokens: Family<Counter>,
    costs: Family<Cost>,
    faults: Family<Counter>,
    verdicts: [Counter; 4],
    policies: Families,
    exports: ExportFamilies,
    discoveries: DiscoveryFamilies,
    queues: QueueFamilies,
    crossed: Family<Counter>,
    alerts: Family<Counter>,
    /// Times a policy could not be applied: a condition, a judgement within limits, a gate.
    pub policy_errors: Counter,
    /// Our own time per request, without waiting for the upstream.
    pub overhead: Timer,
    /// Requests running now.
    pub inflight: Gauge,
    /// Connections to the data endpoint.
    pub connections: Gauge,
    /// Requests that ended in a panic.
    pub panics: Counter,
    /// Requests that no limit refused.
    pub ratelimit_allowed: Counter,
    /// Requests that a limit refused.
    pub ratelimit_limited: Counter,
    /// Times that the keys of the identity provider were fetched.
    pub identity_refreshes: Counter,
    /// Times that they could not be.
    pub identity_failures: Counter,
    /// The audit log.
    pub audit: AuditMeters,
    /// The store of limits.
    pub ledger: LedgerMeters,
    /// The audit log's tree.
    pub tree: TreeMeters,
}

/// One route and method; made once.
#[derive(Debug)]
pub struct RouteMeters {
    route: &'static str,
    method: &'static str,
    requests: Family<Counter>,
    by_status: Box<[OnceLock<Counter>]>,
    duration: Timer,
}

impl RouteMeters {
    /// Counts a request answered with `status`.
    pub fn done(&self, status: u16, took: Duration) {
        self.duration.observe(took);
        let at = usize::from(status.wrapping_sub(STATUS_MIN));
        if let Some(cell) = self.by_status.get(at) {
            cell.get_or_init(|| {
                self.requests
                    .at(&[self.route, self.method, &status.to_string()])
            })
            .inc();
        } else {
            self.requests.at(&[self.route, self.method, OTHER]).inc();
        }
    }
}

/// An amount of money. Sums of floats drift by far less than a cent; records hold whole billionths.
pub type Cost = prometheus_client::metrics::counter::Counter<f64, std::sync::atomic::AtomicU64>;

/// One target of one model; held beside the snapshot's target.
#[derive(Debug)]
pub struct TargetMeters {
    provider: Box<str>,
    upstream_requests: Family<Counter>,
    ok: Counter,
    /// From the request to the provider's first content.
    pub first_content: Timer,
    /// Tokens read by the model.
    pub input_tokens: Counter,
    /// Tokens written by the model.
    pub output_tokens: Counter,
    /// What they cost, if they have a price.
    pub cost: Option<Cost>,
}

impl TargetMeters {
    /// Counts an attempt that the provider answered well.
    pub fn ok(&self) {
        self.ok.inc();
    }

    /// Counts an attempt that failed. Locks shortly; failures are rare.
    pub fn failed(&self, kind: Kind) {
        self.upstream_requests
            .at(&[&self.provider, kind.row().label])
            .inc();
    }
}

/// Makes metrics and enters them in the registry.
pub(super) struct Maker(Registry);

impl Maker {
    /// A registry that holds the build, the process, and what reloads came to.
    fn new(version: &'static str, commit: &'static str, reloads: Arc<ReloadCounters>) -> Self {
        let mut registry = Registry::default();
        let build = Info::new([("version", version), ("commit", commit)]);
        registry.register("yumen_build", "The build", build);
        registry.register_collector(Box::new(Process {
            started: SystemTime::now(),
        }));
        registry.register_collector(Box::new(Reloads(reloads)));
        Self(registry)
    }

    pub(super) fn enter<M: Metric + Clone>(&mut self, name: &str, help: &str, metric: M) -> M {
        self.0.register(name, help, metric.clone());
        metric
    }

    pub(super) fn counter(&mut self, name: &str, help: &str) -> Counter {
        self.enter(name, help, Counter::default())
    }

    pub(super) fn gauge(&mut self, name: &str, help: &str) -> Gauge {
        self.enter(name, help, Gauge::default())
    }

    pub(super) fn counters(
        &mut self,
        name: &str,
        help: &str,
        labels: &'static [&'static str],
    ) -> Family<Counter> {
        self.enter(name, help, Family::new(labels, Counter::default))
    }
}

impl Maker {
    pub(super) fn gauges(
        &mut self,
        name: &str,
        help: &str,
        labels: &'static [&'static str],
    ) -> Family<Gauge> {
        self.enter(name, help, Family::new(labels, Gauge::default))
    }
}

impl Metrics {
    /// All metrics at nothing. `commit` names the build.
    #[must_use]
    pub fn new(version: &'static str, commit: &'static str, reloads: Arc<ReloadCounters>) -> Self {
        let mut m = Maker::new(version, commit, reloads);
        let limits = m.counters("yumen_ratelimit_decisions", DECISIONS, &["result"]);
        let verdicts = m.counters("yumen_verdicts", "Verdicts on requests", &["verdict"]);
        Self {
            requests: m.counters(
                "yumen_http_requests",
                "Requests answered",
                &["route", "method", "code"],
            ),
            durations: m.enter(
                "yumen_request_duration_seconds",
                "From the head of a request to the end of its reply",
                Family::new(&["route"], || Timer::new(&REQUEST_S)),
            ),
            overhead: m.enter(
                "yumen_overhead_duration_seconds",
                "The gateway's own time per request, without the upstream's",
                Timer::new(&OVERHEAD_S),
            ),
            upstream_requests: m.counters(
                "yumen_upstream_requests",
                "Attempts at providers",
                &["provider", "outcome"],
            ),
            first_content: m.enter(
                "yumen_upstream_first_content_seconds",
                "From an attempt to the provider's first content",
                Family::new(&["provider"], || Timer::new(&CONTENT_S)),
            ),
            tokens: m.counters("yumen_tokens", TOKENS, &["provider", "model", "direction"]),
            costs: m.enter(
                "yumen_cost",
                "What tokens cost, in units of the currency",
                Family::new(&["provider", "model", "currency"], Cost::default),
            ),
            faults: m.counters("yumen_faults", "Requests that failed", &["kind", "reason"]),
            policies: Families::new(&mut m),
            discoveries: DiscoveryFamilies::new(&mut m),
            exports: ExportFamilies::new(&mut m),
            queues: QueueFamilies::new(&mut m),
            crossed: m.counters(
                "yumen_budget_soft_crossed",
                "Budgets that crossed their soft threshold, once a period",
                &["level", "unit"],
            ),
            alerts: m.counters(
                "yumen_alerts",
                "Messages to the webhook of alerts",
                &["result"],
            ),
            policy_errors: m.counter("yumen_policy_errors", "Times a policy could not be applied"),
            verdicts: VERDICTS.map(|verdict| verdicts.at(&[verdict.as_str()])),
            ratelimit_allowed: limits.at(&["allowed"]),
            ratelimit_limited: limits.at(&["limited"]),
            inflight: m.gauge("yumen_inflight", "Requests running now"),
            connections: m.gauge("yumen_connections", "Connections to the data endpoint"),
            panics: m.counter("yumen_panics", "Requests that ended in a panic"),
            identity_refreshes: m.counter("yumen_identity_refreshes", FETCHED),
            identity_failures: m.counter("yumen_identity_failures", NOT_FETCHED),
            audit: AuditMeters::new(&mut m),
            ledger: LedgerMeters::new(&mut m),
            tree: TreeMeters::new(&mut m.0),
            registry: m.0,
        }
    }

    /// The meters of a route. Once per route and method, at start.
    #[must_use]
    pub fn route(&self, route: &'static str, method: &'static str) -> RouteMeters {
        RouteMeters {
            route,
            method,
            requests: self.requests.clone(),
            by_status: (0..STATUSES).map(|_| OnceLock::new()).collect(),
            duration: self.durations.at(&[route]),
        }
    }

    /// The meters of a target: `provider` and `model` are names of the config. Once per target and snapshot; those of the
    /// same names count on.
    #[must_use]
    pub fn target(&self, provider: &str, model: &str, currency: Option<&str>) -> TargetMeters {
        TargetMeters {
            provider: provider.into(),
            upstream_requests: self.upstream_requests.clone(),
            ok: self.upstream_requests.at(&[provider, "ok"]),
            first_content: self.first_content.at(&[provider]),
            input_tokens: self.tokens.at(&[provider, model, "input"]),
            output_tokens: self.tokens.at(&[provider, model, "output"]),
            cost: currency.map(|currency| self.costs.at(&[provider, model, currency])),
        }
    }

    /// Counts a fault. `reason` is one of a closed set of words. Locks shortly; faults are rare.
    pub fn fault(&self, kind: Kind, reason: &'static str) {
        self.faults.at(&[kind.row().label, reason]).inc();
    }

    /// Counts a verdict.
    pub fn verdict(&self, verdict: Verdict) {
        if let Some(counter) = self.verdicts.get(verdict as usize) {
            counter.inc();
        }
    }

    /// Counts a gate's answer.
    pub fn gate(&self, gate: &str, verdict: GateVerdict) {
        self.policies.gate(gate, verdict);
    }

    /// The meters of a policy with so many rules and types. Once per snapshot; those of the same names count on.
    #[must_use]
    pub fn policy(&self, rules: usize, reply_rules: usize, types: usize) -> PolicyMeters {
        PolicyMeters::new(&self.policies, rules, reply_rules, types)
    }

    /// A budget crossed its soft threshold. Whose it is only the log and the webhook say: keys and users are many.
    pub fn crossed(&self, level: &str, unit: &str) {
        self.crossed.at(&[level, unit]).inc();
    }

    /// A message to the webhook arrived, or never will.
    pub fn alert(&self, arrived: bool) {
        let result = if arrived { "delivered" } else { "lost" };
        self.alerts.at(&[result]).inc();
    }

    /// The meters of requests that wait for a provider.
    #[must_use]
    pub fn queue(&self, provider: &str) -> QueueMeters {
        self.queues.of(provider)
    }

    /// The meters of a receiver of the audit log.
    #[must_use]
    pub fn export(&self, to: &str) -> ExportMeters {
        self.exports.to(to)
    }

    /// The meters of a provider's list of models.
    #[must_use]
    pub fn discovery(&self, provider: &str) -> DiscoveryMeters {
        self.discoveries.of(provider)
    }

    /// The text for a scrape.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::with_capacity(16 << 10);
        // Writing into a string does not fail; if a collector did, what was written before it stands.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

/// In the order of their discriminants.
const VERDICTS: [Verdict; 4] = [
    Verdict::Allow,
    Verdict::Redact,
    Verdict::Reroute,
    Verdict::Refuse,
];

#[cfg(test)]
mod tests {
    use super::super::policy::{Phase, RuleVerdict};
    use super::*;

    fn metrics() -> Metrics {
        Metrics::new("0.1.0", "abc", Arc::default())
    }

    /// What a scrape of the test below has.
    const GOLDEN: &[&str] = &[
        "yumen_build_info{version=\"0.1.0\",commit=\"abc\"} 1",
        "yumen_http_requests_total{route=\"/v1/chat/completions\",method=\"POST\",code=\"200\"} 2",
        "code=\"_other\"} 1",
        "yumen_request_duration_seconds_count{route=\"/v1/chat/completions\"} 3",
        "yumen_overhead_duration_seconds_count 0",
        "yumen_upstream_requests_total{provider=\"near\",outcome=\"ok\"} 1",
        "yumen_upstream_requests_total{provider=\"near\",outcome=\"throttled\"} 1",
        "yumen_upstream_first_content_seconds_count{provider=\"near\"} 1",
        "yumen_tokens_total{provider=\"near\",model=\"assistant\",direction=\"output\"} 12",
        "yumen_faults_total{kind=\"bad_request\",reason=\"invalid_json\"} 1",
        "yumen_ratelimit_decisions_total{result=\"limited\"} 0",
        "yumen_verdicts_total{verdict=\"refuse\"} 1",
        "yumen_policy_decisions_total{rule=\"ids\",verdict=\"redact\"} 1",
        "yumen_policy_decisions_total{rule=\"output\",verdict=\"shadow\"} 1",
        "yumen_policy_decisions_total{rule=\"moderation\",verdict=\"refuse\"} 1",
        "yumen_redactions_total{type=\"VIN\"} 3",
        "yumen_findings_total{type=\"VIN\",phase=\"request\"} 4",
        "yumen_findings_total{type=\"VIN\",phase=\"reply\"} 5",
        "yumen_gate_decisions_total{gate=\"moderation\",verdict=\"failed_open\"} 1",
        "yumen_policy_errors_total 0",
        "yumen_inflight 3",
        "yumen_connections 0",
        "yumen_panics_total 0",
        "yumen_audit_records_total 0",
        "yumen_audit_errors_total 0",
        "yumen_audit_state 0",
        "yumen_config_reloads_total 0",
        "yumen_config_reload_failures_total 0",
        "yumen_config_last_success_timestamp_seconds 0",
        "process_start_time_seconds ",
        "# EOF",
    ];

    #[test]
    fn a_scrape_has_the_golden_set() {
        let metrics = metrics();
        let chat = metrics.route("/v1/chat/completions", "POST");
        chat.done(200, Duration::from_millis(20));
        chat.done(200, Duration::from_millis(20));
        chat.done(9999, Duration::ZERO);
        let target = metrics.target("near", "assistant", None);
        target.ok();
        target.failed(Kind::Throttled);
        target.first_content.observe(Duration::from_millis(300));
        target.output_tokens.inc_by(7);
        // The next snapshot's handle counts on.
        metrics
            .target("near", "assistant", None)
            .output_tokens
            .inc_by(5);
        metrics.fault(Kind::BadRequest, "invalid_json");
        metrics.verdict(Verdict::Refuse);
        let policy = metrics.policy(1, 1, 3);
        policy.decided(Phase::Request, 0, "ids", RuleVerdict::Redact);
        policy.decided(Phase::Reply, 0, "output", RuleVerdict::Shadow);
        policy.decided(Phase::Reply, 9, "unknown", RuleVerdict::Shadow);
        policy.redacted(2, "VIN", 3);
        policy.found(Phase::Request, 2, "VIN", 3);
        metrics.policy(1, 1, 3).found(Phase::Request, 2, "VIN", 1);
        policy.found(Phase::Reply, 2, "VIN", 5);
        metrics.gate("moderation", GateVerdict::Refuse);
        metrics.gate("moderation", GateVerdict::Open);
        metrics.inflight.set(3);
        let text = metrics.encode();
        for line in GOLDEN {
            assert!(text.contains(line), "{line} in {text}");
        }
        assert!(!text.contains("unknown"), "{text}");
        if cfg!(target_os = "linux") {
            for name in [
                "process_resident_memory_bytes ",
                "process_cpu_seconds_total ",
                "process_open_fds ",
            ] {
                assert!(text.contains(name), "{name} in {text}");
            }
        }
    }

    #[test]
    fn verdicts_are_in_order() {
        for (index, verdict) in VERDICTS.into_iter().enumerate() {
            assert_eq!(verdict as usize, index);
        }
    }
}
