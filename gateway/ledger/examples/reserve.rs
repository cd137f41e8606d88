//! What a ledger costs: in this process, and over a Redis that is asked by 64 at once.
//!
//! `cargo run --release -p ledger --example reserve [-- redis://127.0.0.1:6379]`

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "a measurement: it says what it sees and stops where something is wrong"
)]

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ledger::{Ledger, Link, Store, reserve_here};
use policies::limit::level::{Now, Window};
use policies::limit::meter::{Charge, Limit, Meters, OnOutage, Owner, Unit, Used};
use policies::limit::period::Period;

const MINUTE: Window = Window::Rolling(60_000_000_000);
const MONTH: Window = Window::Calendar(Period::Month);
/// As a busy gateway asks.
const AT_ONCE: usize = 64;
const ROUNDS: usize = 500_000;
const SECONDS: u64 = 5;

/// A key with four limits, and its team's budget.
fn charges(meters: &Meters, key: usize) -> Vec<Charge> {
    let key = Owner::Key(format!("key-{key}").into());
    let team = Owner::Team("team".into());
    let all = [
        (&key, Unit::Requests, MINUTE, 1),
        (&key, Unit::Tokens, MINUTE, 1500),
        (&team, Unit::Requests, MINUTE, 1),
        (&key, Unit::Concurrent, Window::Held, 1),
        (&team, Unit::Cost, MONTH, 3_000_000),
    ];
    let charge = |(owner, unit, window, amount): (&Owner, _, _, _)| {
        let limit = Limit {
            unit,
            window,
            amount: 9_000_000_000_000_000,
            soft: Some(8_000_000_000_000_000),
            on_outage: OnOutage::Refuse,
            zone_s: 8 * 3600,
        };
        Charge::all(&meters.meter(owner.clone(), limit), amount)
    };
    all.into_iter().map(charge).collect()
}

const USED: Used = Used {
    tokens: 700,
    cost_nano: 2_000_000,
};

fn now(began: Instant) -> Now {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Now {
        mono_ns: u64::try_from(began.elapsed().as_nanos()).unwrap(),
        wall_ms: i64::try_from(wall.as_millis()).unwrap(),
    }
}

fn here() {
    let meters = Meters::default();
    let keys: Vec<_> = (0..1000).map(|key| charges(&meters, key)).collect();
    let began = Instant::now();
    for at in 0..ROUNDS {
        let charges = &keys[at % keys.len()];
        let (_, lease) = reserve_here(charges, now(began)).unwrap();
        lease.settle(USED, now(began));
    }
    let each = began.elapsed().as_nanos() as f64 / ROUNDS as f64;
    println!("in memory, 4 limits and a budget: {each:.0} ns to reserve and settle");
}

async fn shared(address: &str) {
    let store = Store::parse(address, "pace", Duration::from_secs(5)).unwrap();
    let link = Link::new(store, &format!("{}", std::process::id()), 0);
    tokio::spawn(Arc::clone(&link).keep());
    while !link.stats().up {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let meters = Meters::default();
    let began = Instant::now();
    let tasks: Vec<_> = (0..AT_ONCE)
        .map(|key| {
            let ledger = Ledger::Shared(Arc::clone(&link));
            let charges = charges(&meters, key);
            tokio::spawn(async move {
                let mut took = Vec::new();
                while began.elapsed() < Duration::from_secs(SECONDS) {
                    let asked = Instant::now();
                    let (_, lease) = ledger.reserve(&charges, now(began)).await.unwrap();
                    took.push(asked.elapsed());
                    lease.settle(USED, now(began));
                }
                took
            })
        })
        .collect();
    let mut took = Vec::new();
    for task in tasks {
        took.extend(task.await.unwrap());
    }
    let elapsed = began.elapsed().as_secs_f64();
    took.sort_unstable();
    let of = |part: usize| {
        took.get(took.len() * part / 1000)
            .copied()
            .unwrap_or_default()
    };
    println!(
        "over Redis, {AT_ONCE} at once: {:.0} requests/s, an answer after {:?} (p50), {:?} (p99); {:?}",
        took.len() as f64 / elapsed,
        of(500),
        of(990),
        link.stats(),
    );
}

fn main() {
    here();
    if let Some(address) = std::env::args().nth(1) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(shared(&address));
    }
}
