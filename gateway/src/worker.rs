//! What a request runs in: one worker (a thread of its own, or the shared runtime) and what all workers share.
//!
//! No shared mutable state on the request path but atomics, the journal's shard and the token cells.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use adapters::places;
use ledger::{Ledger, Link};
use policies::access::token::Digest;
use policies::limit::level::Window;
use policies::policy::Policy;
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::watch;
use wire::Fault;
use wire::fault::Level;
use wire::short::same;

use crate::alarm::SharedAlarm;
use crate::alerts::{Alerts, Crossed};
use crate::audit::sealing::Sealing;
use crate::config::snapshot::{Snapshot, Target};
use crate::config::watch::ConfigStore;
use crate::failures::Failures;
use crate::pipeline::MODERATIONS;
use crate::telemetry::metrics::{Metrics, RouteMeters, TargetMeters};
use crate::telemetry::policy::PolicyMeters;
use crate::telemetry::queue::QueueMeters;
use crate::telemetry::stores::follow;
use crate::upstream::client::Client;
use crate::upstream::token::Cells;
use journal::clock::Clock;
use journal::{Journal, State};

/// How far the gateway is on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Serving.
    Open,
    /// Not ready, still accepting: load balancers have not looked yet.
    Leaving,
    /// Listeners closed; what runs may finish.
    Draining,
    /// Time is up: streams end with an error event.
    Cut,
}

/// What all workers share.
pub struct Shared {
    /// The running config.
    pub store: Arc<ConfigStore>,
    /// The audit journal.
    pub journal: Arc<Journal>,
    /// What keeps prompts and replies beside it.
    pub sealing: Sealing,
    /// Counters and histograms.
    pub metrics: Arc<Metrics>,
    /// Counters of each route.
    pub routes: Routes,
    /// Expiring tokens of vendors.
    pub tokens: Cells,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Warnings to the outside.
    pub alerts: Alerts,
    /// Wrong credentials, by address.
    pub failures: Arc<Failures>,
    /// The workers' links to the store of limits.
    links: Mutex<Vec<Arc<Link>>>,
    /// Names this process among the replicas.
    replica: OnceLock<String>,
    phase: watch::Sender<Phase>,
    /// The same as a number, for those who ask often.
    at: AtomicU8,
}

impl Shared {
    /// Everything a gateway shares, at its start.
    pub fn new(
        store: Arc<ConfigStore>,
        (journal, sealing): (Arc<Journal>, Sealing),
        metrics: Arc<Metrics>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let phase = watch::Sender::new(Phase::Open);
        let routes = Routes::new(&metrics);
        store.timed_by(Arc::clone(&clock));
        Self {
            store,
            journal,
            sealing,
            metrics,
            routes,
            tokens: Cells::default(),
            clock,
            alerts: Alerts::default(),
            failures: Arc::default(),
            links: Mutex::default(),
            replica: OnceLock::new(),
            phase,
            at: AtomicU8::new(Phase::Open as u8),
        }
    }

    fn links(&self) -> MutexGuard<'_, Vec<Arc<Link>>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A budget is nearly spent: once a period of each budget, of those that this process sees.
    pub fn crossed(&self, crossed: Crossed) {
        let meter = &crossed.meter;
        let (level, name) = (meter.owner.level(), meter.owner.name());
        tracing::warn!(level, name, limit = meter.name(), "budget nearly spent");
        let unit = meter.limit.unit.as_str();
        self.metrics.crossed(level, unit);
        if self.store.load().webhook.is_some() && !self.alerts.tell(crossed) {
            self.metrics.alert(false);
        }
    }

    /// Whether another gateway tells of it. If nobody can say, it is told twice rather than never.
    pub async fn is_told(&self, crossed: &Crossed) -> bool {
        let links = self.links().clone();
        let Some(link) = links.into_iter().find(|link| link.stats().up) else {
            return false;
        };
        let limit = &crossed.meter.limit;
        let Window::Calendar(period) = limit.window else {
            return false;
        };
        let (begin_ms, end_ms) = period.around(crossed.now_ms, limit.zone_s);
        let what = format!("{}:{begin_ms}", crossed.meter.name());
        link.once(&what, end_ms, crossed.now_ms).await == Some(false)
    }

    /// Waits until the store of limits has heard of all that ended, but no longer than this.
    pub async fn settled(&self, at_most: Duration) {
        let links = self.links().clone();
        let waiting = || links.iter().any(|link| link.stats().waiting > 0);
        let end = tokio::time::Instant::now() + at_most;
        while waiting() && tokio::time::Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The counters of a target.
    pub fn meters<'a>(&self, target: &'a Target) -> &'a TargetMeters {
        target.meters.get_or_init(|| {
            let currency = target.price.as_ref().map(|price| &*price.currency);
            let (provider, model) = (&target.provider.name, &target.model);
            Arc::new(self.metrics.target(provider, model, currency))
        })
    }

    /// The meters of those that wait for a target's provider, if any can.
    pub fn queue_meters<'a>(&self, target: &'a Target) -> Option<&'a QueueMeters> {
        let room = target.room.as_ref()?;
        let name = &target.provider.name;
        Some(room.meters.get_or_init(|| self.metrics.queue(name)))
    }

    /// The counters of a snapshot's policy.
    pub fn policy_meters<'a>(&self, snapshot: &'a Snapshot, policy: &Policy) -> &'a PolicyMeters {
        snapshot.policy_meters.get_or_init(|| {
            let (rules, reply) = (policy.rules.len(), policy.reply.len());
            self.metrics
                .policy(rules, reply, policy.set.sorts().count())
        })
    }

    /// Takes a place among the requests in flight, unless all are taken.
    pub fn enter(&self, most: usize) -> Option<Inflight> {
        let before = self.metrics.inflight.inc();
        let place = Inflight(self.metrics.inflight.clone());
        usize::try_from(before)
            .is_ok_and(|before| before < most)
            .then_some(place)
    }

    /// Brings the journal's counters into the metrics.
    pub fn refresh_metrics(&self) {
        let (counters, metrics) = (self.journal.counters(), &self.metrics);
        let (audit, ledger) = (&metrics.audit, &metrics.ledger);
        follow(&audit.records, counters.records);
        follow(&audit.errors, counters.errors);
        let links = self
            .links()
            .iter()
            .map(|link| link.stats())
            .collect::<Vec<_>>();
        let sum = |get: fn(&ledger::Stats) -> u64| links.iter().map(get).sum::<u64>();
        follow(&ledger.failures, sum(|stats| stats.failures));
        follow(&ledger.dropped, sum(|stats| stats.dropped));
        let up = links.iter().all(|link| link.up);
        ledger.up.set(i64::from(up));
        let replicas = links.iter().map(|link| link.replicas).max().unwrap_or(1);
        let replicas = i64::try_from(replicas).unwrap_or(i64::MAX);
        ledger.replicas.set(replicas);
        let snapshot = self.store.load();
        let targets = snapshot.models.values().flat_map(|model| &model.targets);
        for target in targets {
            if let (Some(room), Some(meters)) = (&target.room, self.queue_meters(target)) {
                let waiting = i64::try_from(room.door.waiting()).unwrap_or(i64::MAX);
                meters.depth.set(waiting);
            }
        }
        let kept = self.sealing.bodies().counters();
        follow(&audit.payload_bytes, kept.bytes);
        follow(&audit.payloads_dropped, kept.dropped);
        audit
            .state
            .set(i64::from(self.journal.state() == State::Ok));
    }

    /// Moves on; never back.
    pub fn advance(&self, phase: Phase) {
        self.at.fetch_max(phase as u8, Ordering::AcqRel);
        self.phase.send_if_modified(|current| {
            let later = phase > *current;
            if later {
                *current = phase;
            }
            later
        });
    }

    /// The current phase, and what tells of the next.
    pub fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// Whether streams must end now. One relaxed load: asked by every waiting stream.
    pub fn is_cut(&self) -> bool {
        self.at.load(Ordering::Acquire) == Phase::Cut as u8
    }

    /// Whether nothing speaks of leaving.
    pub fn is_open(&self) -> bool {
        self.at.load(Ordering::Acquire) == Phase::Open as u8
    }
}

/// The counters of each route, made once.
pub struct Routes {
    known: Vec<(&'static str, RouteMeters)>,
    other: RouteMeters,
}

impl Routes {
    fn new(metrics: &Metrics) -> Self {
        let mut known: Vec<(&'static str, RouteMeters)> = Vec::new();
        for (path, method) in places::all().chain([(MODERATIONS, "POST")]) {
            if known.iter().all(|(known, _)| *known != path) {
                known.push((path, metrics.route(path, method)));
            }
        }
        Self {
            known,
            other: metrics.route("other", "other"),
        }
    }

    /// Those of an endpoint of the route table.
    pub fn of(&self, endpoint: &str) -> &RouteMeters {
        // One model's page counts as its list.
        let endpoint = endpoint.strip_suffix("/{id}").unwrap_or(endpoint);
        let known = self
            .known
            .iter()
            .find(|(known, _)| same(known.as_bytes(), endpoint.as_bytes()));
        known.map_or(&self.other, |(_, meters)| meters)
    }
}

/// A place among the requests in flight; leaving is dropping it.
pub struct Inflight(Gauge);

impl Drop for Inflight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// One worker.
pub struct Worker {
    /// Its number; its shard of the journal.
    pub index: usize,
    /// What it shares.
    pub shared: Arc<Shared>,
    /// Its connections to providers.
    pub client: Arc<Client>,
    /// Where its limits are counted.
    pub ledger: Ledger,
    /// Requests that it answers now.
    pub answering: AtomicUsize,
    ids: AtomicU64,
    random: AtomicU64,
    /// Random at start: ids of two runs never meet.
    salt: u32,
}

impl Worker {
    /// A worker; `seed` is random.
    pub fn new(index: usize, shared: Arc<Shared>, seed: u64) -> Self {
        // Half of the seed.
        let salt = (seed >> 32) as u32;
        let ledger = match &shared.store.load().state.store {
            Some(store) => {
                // The first worker's seed names the process.
                let replica = shared.replica.get_or_init(|| format!("{seed:016x}"));
                let link = Link::new(store.clone(), replica, index);
                shared.links().push(Arc::clone(&link));
                Ledger::Shared(link)
            }
            None => Ledger::Memory,
        };
        Self {
            index,
            ledger,
            shared,
            client: Arc::default(),
            answering: AtomicUsize::new(0),
            ids: AtomicU64::new(0),
            random: AtomicU64::new(seed | 1),
            salt,
        }
    }

    /// Wall clock, ms since the epoch.
    pub fn now_ms(&self) -> i64 {
        self.shared.clock.wall_ms()
    }

    /// Monotonic clock, ns.
    pub fn now_ns(&self) -> u64 {
        self.shared.clock.mono_ns()
    }

    /// A pseudo-random number (xorshift64*), for weights. Not for secrets.
    pub fn random(&self) -> u64 {
        let step = |mut x: u64| {
            x ^= x >> 12;
            x ^= x << 25;
            x ^= x >> 27;
            x
        };
        let before = self
            .random
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |x| Some(step(x)))
            .unwrap_or(1);
        // The low bits of the multiplication are weak.
        step(before).wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    /// An id for a request: sorts by time, unique over workers, runs and replicas.
    pub fn next_id(&self, now_ms: i64) -> RequestId {
        let count = self.ids.fetch_add(1, Ordering::Relaxed);
        let time = u128::from(now_ms.unsigned_abs() & 0xFFFF_FFFF_FFFF);
        let worker = u128::from(u8::try_from(self.index).unwrap_or(u8::MAX));
        RequestId::of(
            time << 80
                | u128::from(self.salt) << 48
                | worker << 40
                | u128::from(count & 0xFF_FFFF_FFFF),
        )
    }

    /// The one log line of a fault. Holds no text of client or vendor but what faults carry for the log.
    pub fn log_fault(&self, id: &str, key: &str, fault: &Fault) {
        let row = fault.kind().row();
        let (kind, reason, detail) = (row.label, fault.why(), fault.log_detail());
        match row.level {
            Level::Debug => tracing::debug!(id, key, kind, reason, detail, "request failed"),
            Level::Info => tracing::info!(id, key, kind, reason, detail, "request failed"),
            Level::Warn => tracing::warn!(id, key, kind, reason, detail, "request failed"),
            Level::Error => tracing::error!(id, key, kind, reason, detail, "request failed"),
        }
    }
}

/// Where a request came from: one connection.
pub struct Peer {
    /// The address of the connection's other end, as the journal writes it.
    pub address: Box<str>,
    /// The same, to be compared.
    pub ip: IpAddr,
    /// The names in the client's certificate.
    pub certificate: Box<[Digest]>,
    /// `None` where requests run side by side.
    alarm: Option<Arc<SharedAlarm>>,
    running: AtomicUsize,
    begun: AtomicU64,
}

impl Peer {
    /// A fresh connection; `framed`: its requests run side by side.
    pub fn new((address, certificate): (SocketAddr, Box<[Digest]>), framed: bool) -> Self {
        Self {
            alarm: (!framed).then(Arc::default),
            address: address.ip().to_string().into(),
            ip: address.ip(),
            certificate,
            running: AtomicUsize::new(0),
            begun: AtomicU64::new(0),
        }
    }

    /// Counts a request of this connection until the guard is dropped.
    pub fn enter(self: &Arc<Self>) -> OnPeer {
        self.running.fetch_add(1, Ordering::Relaxed);
        self.begun.fetch_add(1, Ordering::Relaxed);
        OnPeer(Arc::clone(self))
    }

    /// A timer for what waits: one for the connection, if its requests come one after another.
    pub fn alarm(&self) -> Arc<SharedAlarm> {
        self.alarm.clone().unwrap_or_default()
    }

    /// Requests that run on it.
    pub fn running(&self) -> usize {
        self.running.load(Ordering::Relaxed)
    }

    /// Requests that ever ran on it.
    pub fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }
}

/// A request on its connection.
pub struct OnPeer(Arc<Peer>);

impl OnPeer {
    /// The address of the connection's other end.
    pub fn address(&self) -> &str {
        &self.0.address
    }

    /// The same, to be compared.
    pub fn ip(&self) -> IpAddr {
        self.0.ip
    }

    /// The names in its client's certificate.
    pub fn certificate(&self) -> &[Digest] {
        &self.0.certificate
    }

    /// A timer for this request.
    pub fn alarm(&self) -> Arc<SharedAlarm> {
        self.0.alarm()
    }
}

impl Drop for OnPeer {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A request's id: 26 characters of Crockford's base 32, as a ULID.
#[derive(Clone, Copy)]
pub struct RequestId([u8; 26]);

impl RequestId {
    fn of(value: u128) -> Self {
        const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
        let mut text = [b'0'; 26];
        for (place, letter) in text.iter_mut().rev().enumerate() {
            let digit = usize::try_from(value >> (5 * place) & 31).unwrap_or(0);
            *letter = LETTERS.get(digit).copied().unwrap_or(b'0');
        }
        Self(text)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_ulids() {
        // Vector of the ULID specification's timestamp part.
        assert_eq!(
            &RequestId::of(1_469_918_176_385 << 80).as_str()[..10],
            "01ARYZ6S41"
        );
        assert_eq!(RequestId::of(u128::MAX >> 1).as_str().len(), 26);
    }
}
