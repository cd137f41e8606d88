//! One timer, used again and again: registering one with the runtime costs a lock and often a system call.
//!
//! Knows no clock by name and no request. Invariant: once `at` has passed, the task that asked last is woken, or has been
//! answered `Ready`; the timer under it is moved only when it would fire too late, never because it may fire too early.

use std::future::Future as _;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::time::Sleep;

/// A timer of one task. Deadlines of successive waits mostly lie later and later: the timer stays where it is, and is moved
/// when it fires before its time.
#[derive(Debug, Default)]
pub struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// `Ready` once `at` has passed.
    pub fn poll_until(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()> {
        let until = at.into();
        let sleep = self
            .0
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        if sleep.deadline() > until {
            sleep.as_mut().reset(until);
        }
        loop {
            std::task::ready!(sleep.as_mut().poll(cx));
            if sleep.deadline() >= until {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(until);
        }
    }
}

/// An alarm that follows a connection from request to request. One task at a time waits on it.
#[derive(Debug, Default)]
pub struct SharedAlarm(Mutex<Alarm>);

impl SharedAlarm {
    /// As [`Alarm::poll_until`].
    pub fn poll_until(&self, cx: &mut Context<'_>, at: Instant) -> Poll<()> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .poll_until(cx, at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    async fn rings(alarm: &SharedAlarm, after_ms: u64) {
        let at = Instant::now() + Duration::from_millis(after_ms);
        std::future::poll_fn(|cx| alarm.poll_until(cx, at)).await;
        assert!(Instant::now() >= at, "{after_ms} ms: early");
    }

    #[tokio::test]
    async fn rings_at_each_waits_own_time() {
        let alarm = SharedAlarm::default();
        let began = Instant::now();
        // Later, sooner than the timer stands, later again.
        for ms in [20, 60, 5, 30] {
            rings(&alarm, ms).await;
        }
        // A wait that was given up leaves its time behind: the next one is not late for it.
        let far = Instant::now() + Duration::from_secs(60);
        std::future::poll_fn(|cx| {
            assert!(alarm.poll_until(cx, far).is_pending());
            Poll::Ready(())
        })
        .await;
        rings(&alarm, 10).await;
        assert!(began.elapsed() < Duration::from_secs(30));
    }
}
