//! Keeps an issuer's keys fresh: every so often, when a request meets a key that nobody knows, and soon after a failure.
//!
//! One task of the control runtime; never on a worker. Invariant: failures are tried again with a growing pause, and the
//! keys that there were stay until they are too old.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use journal::clock::Clock;
use policies::limit::level::Now;

use super::{Issuer, fetch, nanos};
use crate::worker::Shared;

/// How often a reload is looked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The pause after a failure, and the longest one.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// Keeps the keys of whatever issuer the config has, until the process ends.
pub async fn keep(shared: Arc<Shared>) {
    let mut plan: Option<Plan> = None;
    loop {
        let snapshot = shared.store.load();
        let Some(issuer) = snapshot.identity.as_ref().map(|it| Arc::clone(&it.issuer)) else {
            plan = None;
            drop(snapshot);
            tokio::time::sleep(LOOK_EVERY).await;
            continue;
        };
        drop(snapshot);
        let known = plan
            .take()
            .filter(|plan| Arc::ptr_eq(&plan.issuer, &issuer));
        let mut next = known.unwrap_or(Plan {
            issuer,
            due_ns: 0,
            pause: PAUSE.0,
        });
        next.turn(&shared).await;
        plan = Some(next);
    }
}

/// When to fetch next.
struct Plan {
    issuer: Arc<Issuer>,
    due_ns: u64,
    pause: Duration,
}

impl Plan {
    /// Fetches if it is time, or waits a little.
    async fn turn(&mut self, shared: &Shared) {
        let now_ns = shared.clock.mono_ns();
        let issuer = &self.issuer;
        if now_ns < self.due_ns && !issuer.pending.load(Ordering::Acquire) {
            let left = Duration::from_nanos(self.due_ns - now_ns).min(LOOK_EVERY);
            tokio::select! {
                () = issuer.wanted.notified() => {}
                () = tokio::time::sleep(left) => {}
            }
            return;
        }
        // Whoever asks from here on joins this fetch, which began before: should it not bring the key, they may ask for
        // another, and their token is not a wrong one.
        issuer.pending.store(true, Ordering::Release);
        let now = now(&*shared.clock);
        let fetched = fetch::keys(&issuer.settings.source).await;
        let pause = match fetched {
            Ok(keys) => {
                let count = keys.count();
                let stopped = issuer.take(keys, now);
                tracing::debug!(count, stopped, "keys of the identity provider fetched");
                shared.metrics.identity_refreshes.inc();
                self.pause = PAUSE.0;
                issuer.settings.refresh
            }
            Err(why) => {
                tracing::warn!(why, "keys of the identity provider not fetched");
                shared.metrics.identity_failures.inc();
                let pause = self.pause;
                self.pause = (pause * 2).min(PAUSE.1);
                pause
            }
        };
        self.due_ns = shared.clock.mono_ns().saturating_add(nanos(pause));
        issuer.pending.store(false, Ordering::Release);
        issuer.attempts.send_modify(|count| *count += 1);
    }
}

fn now(clock: &dyn Clock) -> Now {
    Now {
        mono_ns: clock.mono_ns(),
        wall_ms: clock.wall_ms(),
    }
}
