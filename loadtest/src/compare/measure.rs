//! One measurement: a fresh process of one target, one workload, one set of figures.
//!
//! It must never compare. Invariants: every measurement has a process of its own, so that memory and CPU belong to
//! that workload alone; one failed request makes it an error.

use super::proc::{self, Usage};
use super::target::{Stage, Started, Target};
use crate::client::{self, Load, Outcome};
use crate::script;
use crate::workload::{Unit, Workload};
use anyhow::{Context as _, bail, ensure};
use hdrhistogram::Histogram;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// A process comes to rest within this, before and after the load.
const REST: Duration = Duration::from_millis(400);
/// Streams whose client left must be closed upstream within this.
const LEFT: Duration = Duration::from_secs(5);

/// How every workload is run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) warm_up: Duration,
    pub(crate) window: Duration,
    pub(crate) load_threads: usize,
    /// Streams ask for the usage event.
    pub(crate) usage: bool,
    /// Replaces the rate of W4, requests a second.
    pub(crate) rate: Option<f64>,
    /// Replaces the number of streams of W6.
    pub(crate) idle_streams: Option<usize>,
}

impl Plan {
    pub(crate) fn load(&self, workload: Workload, addr: SocketAddr, key: &str) -> Load {
        let idle = self.idle_streams.filter(|_| workload == Workload::W6);
        Load {
            workload,
            addr,
            request: script::request(workload, self.usage, &addr.to_string(), key),
            expect: workload.expect(self.usage),
            connections: idle.unwrap_or_else(|| workload.connections()),
            threads: self.load_threads,
            rate: workload.rate().map(|rate| self.rate.unwrap_or(rate)),
            warm_up: self.warm_up,
            window: self.window,
        }
    }
}

/// The figures of one measurement.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    /// CPU of the process per unit of the workload, µs. 0 for the mock itself.
    pub(crate) cpu_us: f64,
    /// The same by name of the thread.
    pub(crate) threads_us: BTreeMap<String, f64>,
    pub(crate) units_per_second: f64,
    pub(crate) total: Percentiles,
    pub(crate) first: Percentiles,
    pub(crate) gap: Percentiles,
    pub(crate) rss_idle_kib: u64,
    pub(crate) rss_after_kib: u64,
    pub(crate) rss_peak_kib: u64,
    /// W6: resident memory per open stream.
    pub(crate) kib_per_stream: Option<f64>,
    /// Cores that neither the proxy, the mock nor the load used: others on this machine, or on its host.
    pub(crate) foreign_cores: f64,
}

/// Percentiles of a time, µs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Percentiles {
    pub(crate) count: u64,
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) max: f64,
}

impl Percentiles {
    pub(crate) fn of(times: &Histogram<u64>) -> Self {
        let us = |quantile: f64| times.value_at_quantile(quantile) as f64 / 1000.0;
        if times.is_empty() {
            return Percentiles::default();
        }
        let (count, max) = (times.len(), times.max() as f64 / 1000.0);
        Percentiles {
            count,
            p50: us(0.5),
            p90: us(0.9),
            p99: us(0.99),
            p999: us(0.999),
            max,
        }
    }

    pub(crate) fn json(&self) -> Value {
        json!({"count": self.count, "p50": self.p50, "p90": self.p90, "p99": self.p99, "p999": self.p999, "max": self.max})
    }
}

impl Sample {
    /// The time that matters for this workload.
    pub(crate) fn time(&self, workload: Workload) -> &Percentiles {
        match workload {
            Workload::W3 => &self.gap,
            Workload::W6 | Workload::Ttft => &self.first,
            _ => &self.total,
        }
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "cpu_us_per_unit": self.cpu_us,
            "threads_us_per_unit": self.threads_us,
            "units_per_second": self.units_per_second,
            "total_us": self.total.json(),
            "first_event_us": self.first.json(),
            "gap_us": self.gap.json(),
            "rss_idle_kib": self.rss_idle_kib,
            "rss_after_kib": self.rss_after_kib,
            "rss_peak_kib": self.rss_peak_kib,
            "kib_per_stream": self.kib_per_stream,
            "foreign_cores": self.foreign_cores,
        })
    }
}

/// Starts `target`, loads it, and ends it.
pub(crate) fn measure(
    target: &Target,
    workload: Workload,
    plan: &Plan,
    stage: &Stage<'_>,
) -> anyhow::Result<Sample> {
    let started = target.start(stage)?;
    let sample = load_one(&started, workload, plan, stage);
    sample.with_context(|| match &started.running {
        Some(running) => format!(
            "{} {}, its errors: {:?}",
            workload.name(),
            target.name,
            running.errors()
        ),
        None => format!("{} {}", workload.name(), target.name),
    })
}

fn load_one(
    started: &Started,
    workload: Workload,
    plan: &Plan,
    stage: &Stage<'_>,
) -> anyhow::Result<Sample> {
    std::thread::sleep(REST);
    let idle = Look::at(started, stage)?;
    let load = plan.load(workload, started.addr, &started.key);
    let mut looks = Vec::with_capacity(2);
    let outcome = client::run(&load, &mut || {
        looks.push(Look::at(started, stage)?);
        Ok(())
    })?;
    let Ok([from, to]) = <[Look; 2]>::try_from(looks) else {
        bail!("the window was not looked at twice")
    };
    if workload.leaves_early() {
        wait_until_left(stage.mock)?;
    }
    std::thread::sleep(REST);
    let after = Look::at(started, stage)?;
    Ok(sample(workload, &load, &outcome, [idle, from, to, after]))
}

/// The processes of a measurement at one moment.
#[derive(Clone, Debug)]
struct Look {
    proxy: Usage,
    mock: Usage,
    load: Usage,
    machine_ns: u64,
    at: Instant,
}

impl Look {
    fn at(started: &Started, stage: &Stage<'_>) -> anyhow::Result<Self> {
        let proxy = match &started.running {
            Some(running) => Usage::of(running.pid())?,
            None => Usage::default(),
        };
        Ok(Look {
            proxy,
            mock: Usage::of(stage.mock_pid)?,
            load: Usage::of(std::process::id())?,
            machine_ns: proc::machine_busy_ns()?,
            at: Instant::now(),
        })
    }

    fn foreign_cores_since(&self, earlier: &Look) -> f64 {
        let ours = self.proxy.cpu_ns_since(&earlier.proxy)
            + self.mock.cpu_ns_since(&earlier.mock)
            + self.load.cpu_ns_since(&earlier.load);
        let all = self.machine_ns.saturating_sub(earlier.machine_ns);
        all.saturating_sub(ours) as f64 / (self.at - earlier.at).as_nanos().max(1) as f64
    }
}

fn sample(workload: Workload, load: &Load, outcome: &Outcome, looks: [Look; 4]) -> Sample {
    let foreign_cores = looks[2].foreign_cores_since(&looks[1]);
    let [idle, from, to, after] = looks.map(|look| look.proxy);
    let units = units(workload, outcome).max(1) as f64;
    let each = |ns: u64| ns as f64 / 1000.0 / units;
    let held = to.rss_kib.saturating_sub(idle.rss_kib) as f64 / load.connections as f64;
    Sample {
        cpu_us: each(to.cpu_ns_since(&from)),
        threads_us: to
            .threads_ns_since(&from)
            .into_iter()
            .map(|(name, ns)| (name, each(ns)))
            .collect(),
        units_per_second: units / outcome.seconds,
        total: Percentiles::of(&outcome.times.total),
        first: Percentiles::of(&outcome.times.first),
        gap: Percentiles::of(&outcome.times.gap),
        rss_idle_kib: idle.rss_kib,
        rss_after_kib: after.rss_kib,
        rss_peak_kib: after.peak_kib,
        kib_per_stream: (workload == Workload::W6).then_some(held),
        foreign_cores,
    }
}

pub(crate) fn units(workload: Workload, outcome: &Outcome) -> u64 {
    match workload.unit() {
        Unit::Event => outcome.events,
        Unit::Request | Unit::Stream => outcome.requests,
    }
}

/// The clients have left: the mock must see it, through the proxy.
fn wait_until_left(mock: SocketAddr) -> anyhow::Result<()> {
    let until = Instant::now() + LEFT;
    loop {
        let open = open_streams(mock)?;
        if open == 0 {
            return Ok(());
        }
        ensure!(
            Instant::now() < until,
            "{open} streams are still open upstream {LEFT:?} after their clients left"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn open_streams(mock: SocketAddr) -> anyhow::Result<u64> {
    let mut stream = TcpStream::connect(mock)?;
    stream.set_read_timeout(Some(LEFT))?;
    stream.write_all(b"GET /stats HTTP/1.1\r\nhost: mock\r\nconnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (_, body) = text
        .split_once("\r\n\r\n")
        .context("no reply from the mock")?;
    let value: Value = serde_json::from_str(body)?;
    value
        .get("open_streams")
        .and_then(Value::as_u64)
        .context("no count of open streams")
}
