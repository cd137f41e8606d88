//! When the running config is loaded again: a SIGHUP, or a change of files that has come to rest.
//!
//! Invariant: files are read on a thread that may block, and one look is over before the next begins.

use std::future::Future;
use std::sync::{Arc, PoisonError};

use super::{ConfigStore, POLL, Report, log};
use crate::config::problem::Problem;

impl ConfigStore {
    /// Looks at the files, and reloads if a change of theirs has come to rest. `None`: nothing to do. Blocks shortly.
    pub fn poll(&self) -> Option<Result<Report, Vec<Problem>>> {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        watched
            .poll()
            .then(|| self.reload_locked("change", &mut watched))
    }

    /// Reloads on SIGHUP and when the config, or a file that it refers to, changes; until `shutdown`.
    pub async fn watch(self: Arc<Self>, mut hangup: Hangup, shutdown: impl Future<Output = ()>) {
        let mut shutdown = std::pin::pin!(shutdown);
        let mut tick = tokio::time::interval(POLL);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let why = tokio::select! {
                () = &mut shutdown => return,
                () = hangup.recv() => "sighup",
                _ = tick.tick() => "change",
            };
            let store = Arc::clone(&self);
            // Files may lie on a network: not on a worker that serves streams.
            let done = tokio::task::spawn_blocking(move || {
                store.bury();
                if why == "sighup" {
                    Some(store.reload(why))
                } else {
                    store.poll()
                }
            });
            match done.await {
                Ok(Some(outcome)) => log(why, &outcome),
                Ok(None) => {}
                Err(_) => tracing::error!("config reload panicked; the running config stays"),
            }
        }
    }
}

/// SIGHUP, where there is one. While there is one of these it does not end the process.
pub struct Hangup(#[cfg(unix)] Option<tokio::signal::unix::Signal>);

impl Hangup {
    /// Listens from now on. To be called inside a runtime.
    #[cfg(unix)]
    #[must_use]
    #[expect(
        clippy::new_without_default,
        reason = "it takes the signal from the process"
    )]
    pub fn new() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        Self(
            signal(SignalKind::hangup())
                .inspect_err(
                    |error| tracing::warn!(%error, "no sighup: reload by file change only"),
                )
                .ok(),
        )
    }

    /// There is none.
    #[cfg(not(unix))]
    pub fn new() -> Self {
        Self()
    }

    async fn recv(&mut self) {
        #[cfg(unix)]
        if let Some(signal) = &mut self.0
            && signal.recv().await.is_some()
        {
            return;
        }
        std::future::pending().await
    }
}
