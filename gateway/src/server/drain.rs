//! Leaving: not ready at once, listeners closed a little later, streams given their time, then cut with an error event.
//!
//! `governance/threats.md`, F-08. A second signal cuts at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::tasks;
use crate::worker::{Phase, Shared};

/// How often the number of connections left is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// Time for the last frames after the cut.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Drains. `second` resolves when it is to be cut short. True if everybody left in time.
pub async fn drain(shared: &Arc<Shared>, second: impl Future<Output = ()>) -> bool {
    let clocks = shared.store.load().drain.clone();
    shared.advance(Phase::Leaving);
    let mut second = std::pin::pin!(second);
    let leaving = async {
        tokio::time::sleep(clocks.accept.0).await;
        shared.advance(Phase::Draining);
        emptied(clocks.limit.0).await
    };
    let clean = tokio::select! {
        clean = leaving => clean,
        () = second.as_mut() => false,
    };
    if !clean {
        shared.advance(Phase::Cut);
        emptied(LAST_WORDS).await;
    }
    clean
}

async fn emptied(limit: Duration) -> bool {
    let until = Instant::now() + limit;
    while tasks::live() > 0 {
        if Instant::now() >= until {
            return false;
        }
        tokio::time::sleep(LOOK).await;
    }
    true
}
