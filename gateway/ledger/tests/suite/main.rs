//! The same cases on both ledgers: in memory, on a Redis server and on a cluster of three; and what only a shared one can
//! get wrong. Starts its own servers: `redis-server` must be installed (Debian: `apt-get install redis-server`).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a failure here should stop the test"
)]

mod cases;
mod outage;
mod server;
mod shared;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ledger::{Lease, Ledger, Link, Refused, Store};
use policies::limit::level::{Now, Standing, Window};
use policies::limit::meter::{Charge, Limit, Meter, Meters, OnOutage, Owner, Unit};
use policies::limit::period::Period;

/// Longer than any answer takes, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// A ledger with meters of its own.
struct Bench {
    ledger: Ledger,
    meters: Meters,
    /// Keeps the names of one test from another's.
    name: &'static str,
}

impl Bench {
    fn memory(name: &'static str) -> Self {
        Self {
            ledger: Ledger::Memory,
            meters: Meters::default(),
            name,
        }
    }

    /// A replica of its own; returns when it is connected.
    async fn shared(name: &'static str, address: &str, patience: Duration) -> Self {
        let store = Store::parse(address, "t", patience).unwrap();
        let token = format!("{:x}", rand());
        let link = Link::new(store, &token, 0);
        tokio::spawn(Arc::clone(&link).keep());
        until("connected", || link.stats().up).await;
        Self {
            ledger: Ledger::Shared(link),
            meters: Meters::default(),
            name,
        }
    }

    fn link(&self) -> &Arc<Link> {
        match &self.ledger {
            Ledger::Shared(link) => link,
            Ledger::Memory => panic!("no link"),
        }
    }

    fn meter(&self, who: &str, limit: Limit) -> Arc<Meter> {
        let owner = Owner::Team(format!("{}-{who}", self.name).into());
        self.meters.meter(owner, limit)
    }

    async fn take(&self, charges: &[(&Arc<Meter>, u64)]) -> Result<Lease, Refused> {
        let charges: Vec<Charge> = charges
            .iter()
            .map(|(meter, amount)| Charge::all(meter, *amount))
            .collect();
        self.take_some(&charges).await
    }

    async fn take_some(&self, charges: &[Charge]) -> Result<Lease, Refused> {
        let (_, lease) = self.ledger.reserve(charges, now()).await?;
        Ok(lease)
    }

    /// Takes what there is room for, again and again while the store is late: a busy machine may be. What was asked for in
    /// vain is given back by itself.
    async fn take_in_time(&self, charges: &[(&Arc<Meter>, u64)]) -> Lease {
        let end = tokio::time::Instant::now() + PATIENCE;
        loop {
            match self.take(charges).await {
                Ok(lease) => return lease,
                Err(_) if tokio::time::Instant::now() < end => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(refused) => panic!("refused for ever: {refused:?}"),
            }
        }
    }

    /// How much of a rolling limit of requests or tokens is left.
    async fn left(&self, meter: &Arc<Meter>) -> u64 {
        let charges = [Charge::all(meter, meter.limit.amount + 1)];
        let end = tokio::time::Instant::now() + PATIENCE;
        loop {
            match self.ledger.reserve(&charges, now()).await {
                Err(Refused::Limited(limited)) => return limited.standing.remaining,
                // A busy machine may be late once.
                Err(Refused::Down(_)) if tokio::time::Instant::now() < end => {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                other => panic!("more than all of it: {other:?}"),
            }
        }
    }

    /// Waits until this much is left: a settlement is under way.
    async fn comes_to(&self, meter: &Arc<Meter>, want: u64) {
        let end = tokio::time::Instant::now() + PATIENCE;
        loop {
            let left = self.left(meter).await;
            if left == want {
                return;
            }
            assert!(
                tokio::time::Instant::now() < end,
                "{left} are left, not {want}"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// How late this machine wakes a thread that sleeps, since it is measured: what a bound on a wait must allow for.
struct Lateness {
    worst_ns: Arc<AtomicU64>,
}

impl Lateness {
    fn measure() -> Self {
        const NAP: Duration = Duration::from_millis(1);
        let worst_ns = Arc::new(AtomicU64::new(0));
        let seen = Arc::downgrade(&worst_ns);
        std::thread::spawn(move || {
            while let Some(worst) = seen.upgrade() {
                let begin = Instant::now();
                std::thread::sleep(NAP);
                let late = begin.elapsed().saturating_sub(NAP).as_nanos();
                worst.fetch_max(u64::try_from(late).unwrap(), Ordering::Relaxed);
            }
        });
        Self { worst_ns }
    }

    /// Twice, as a request sleeps and is answered.
    fn worst(&self) -> Duration {
        2 * Duration::from_nanos(self.worst_ns.load(Ordering::Relaxed))
    }
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let end = tokio::time::Instant::now() + PATIENCE;
    while !holds() {
        assert!(tokio::time::Instant::now() < end, "not {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn now() -> Now {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Now {
        mono_ns: u64::try_from(wall.as_nanos()).unwrap(),
        wall_ms: i64::try_from(wall.as_millis()).unwrap(),
    }
}

/// Different in each call of each process.
fn rand() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish()
}

fn limited(refused: Result<Lease, Refused>) -> (Arc<Meter>, Option<u64>, Standing) {
    match refused {
        Err(Refused::Limited(limited)) => (limited.meter, limited.retry_ns, limited.standing),
        other => panic!("not refused by a limit: {other:?}"),
    }
}

fn limit(unit: Unit, window: Window, amount: u64) -> Limit {
    Limit {
        unit,
        window,
        amount,
        soft: None,
        on_outage: OnOutage::Local,
        zone_s: 8 * 3600,
    }
}

/// So long that nothing refills during a test.
const LONG: Window = Window::Rolling(300 * 86_400_000_000_000);
const MONTH: Window = Window::Calendar(Period::Month);
