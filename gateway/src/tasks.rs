//! The one place that spawns: drain must know who is left.
//!
//! Never spawned per request; a task is a connection, a driver or a watcher.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

static LIVE: AtomicUsize = AtomicUsize::new(0);

struct Count;

impl Drop for Count {
    fn drop(&mut self) {
        LIVE.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Runs a connection or other work that drain waits for.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the helper that the ban points to"
)]
pub fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    LIVE.fetch_add(1, Ordering::AcqRel);
    let count = Count;
    drop(tokio::spawn(async move {
        let _count = count;
        task.await;
    }));
}

/// Runs work that drain does not wait for: it ends with its runtime, and nothing is lost with it.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the helper that the ban points to"
)]
pub fn detach(task: impl Future<Output = ()> + Send + 'static) {
    drop(tokio::spawn(task));
}

/// How much the kernel puts a thread behind those that answer requests: a third of their weight, so it is late where
/// they need all cores and never starved (`sched(7)`: a step of nice is a factor of 1.25).
const STEPS_BACK: i32 = 5;

/// The calling thread works beside the requests: whoever answers one goes first. What waits for a sync must not call this.
pub fn steps_back() {
    // A kernel that does not allow it lets it run as the others, which is only slower for them.
    let _ = rustix::process::setpriority_process(None, STEPS_BACK);
}

/// Lets those run first who are ready now. Not tokio's `yield_now`, which looks for what the sockets have first: that is a
/// system call.
pub async fn give_way() {
    let mut gave = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut gave, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// The next answer of several that are asked for at once, in the task that asks; `None` when all have answered.
pub async fn next_of<T>(
    asking: &mut Vec<Pin<Box<dyn Future<Output = T> + Send + '_>>>,
) -> Option<T> {
    std::future::poll_fn(|cx| {
        if asking.is_empty() {
            return Poll::Ready(None);
        }
        for place in 0..asking.len() {
            let Some(future) = asking.get_mut(place) else {
                break;
            };
            if let Poll::Ready(answer) = future.as_mut().poll(cx) {
                drop(asking.swap_remove(place));
                return Poll::Ready(Some(answer));
            }
        }
        Poll::Pending
    })
    .await
}

/// How many tracked tasks run, over all workers.
pub fn live() -> usize {
    LIVE.load(Ordering::Acquire)
}
