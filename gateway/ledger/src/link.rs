//! One runtime's connection to the shared store, and who keeps it: connects, notices that it is gone, settles, renews.
//!
//! A request never waits for a connection: without one the store counts as down. The first request that meets a failure
//! ends the connection for all; the keeper brings it back with growing pauses.
//!
//! Must never know what a limit means. Invariants: settlements are at most `SETTLEMENTS_MAX`, and one that is dropped for want
//! of room is counted: its estimate stays spent; leases are renewed only while somebody holds them.

use std::collections::HashMap;
use std::future::poll_fn;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use redis::Script;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep, timeout};

use crate::remote::{LEASE_TTL, REPLICA_TTL, Renewal, Settlement};
use crate::store::{Connection, Store};

/// Most settlements that wait for the store.
const SETTLEMENTS_MAX: usize = 65_536;
/// Settlements, or renewals, sent together.
const BATCH_MAX: usize = 128;
/// Pauses between attempts to connect.
const PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// How long an attempt may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often this replica says that it lives, and the connection is tried.
const BEAT: Duration = Duration::from_secs(1);
/// How often leases are renewed: a lease outlives two missed rounds.
const RENEW: Duration = Duration::from_secs(LEASE_TTL.as_secs() / 3);

/// The scripts.
pub(crate) struct Scripts {
    pub(crate) reserve: Script,
    pub(crate) settle: Script,
    renew: Script,
    beat: Script,
}

/// A runtime's connection, shared by its requests.
pub struct Link {
    pub(crate) store: Store,
    pub(crate) scripts: Scripts,
    /// The process; all its links are one replica.
    replica: Box<str>,
    /// Tells its links apart.
    lane: usize,
    next_lease: AtomicU64,
    connection: Mutex<Option<Connection>>,
    broken: Notify,
    settlements: mpsc::Sender<Settlement>,
    inbox: Mutex<Option<mpsc::Receiver<Settlement>>>,
    live: Mutex<HashMap<u64, Renewal>>,
    /// The store's wall clock less ours, ms.
    offset_ms: AtomicI64,
    replicas: AtomicU32,
    dropped: AtomicU64,
    failures: AtomicU64,
}

/// What a link went through, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Whether it is connected.
    pub up: bool,
    /// Requests that the store did not answer in time, or at all.
    pub failures: u64,
    /// Settlements that were dropped for want of room.
    pub dropped: u64,
    /// Settlements that wait.
    pub waiting: u64,
    /// Leases that are held.
    pub leases: u64,
    /// Replicas that were alive when the store was last heard of.
    pub replicas: u64,
}

impl Link {
    /// A link for one runtime. `replica` is unique among all processes: a random token; `lane` among its links. Nothing is
    /// connected before [`keep`](Self::keep) runs.
    #[must_use]
    pub fn new(store: Store, replica: &str, lane: usize) -> Arc<Self> {
        let (settlements, inbox) = mpsc::channel(SETTLEMENTS_MAX);
        Arc::new(Self {
            store,
            scripts: Scripts {
                reserve: Script::new(include_str!("reserve.lua")),
                settle: Script::new(include_str!("settle.lua")),
                renew: Script::new(include_str!("renew.lua")),
                beat: Script::new(include_str!("beat.lua")),
            },
            replica: replica.into(),
            lane,
            next_lease: AtomicU64::new(0),
            connection: Mutex::new(None),
            broken: Notify::new(),
            settlements,
            inbox: Mutex::new(Some(inbox)),
            live: Mutex::default(),
            offset_ms: AtomicI64::new(0),
            replicas: AtomicU32::new(1),
            dropped: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        })
    }

    /// Keeps the link for as long as it is polled; to be run once, as a task of the runtime whose requests use it.
    pub async fn keep(self: Arc<Self>) {
        let inbox = lock(&self.inbox).take();
        let Some(mut inbox) = inbox else { return };
        let mut pause = PAUSE.0;
        loop {
            let connected = timeout(PATIENCE, self.store.connect(PATIENCE)).await;
            if let Ok(Ok(connection)) = connected
                && self.beat(connection.clone()).await
            {
                *lock(&self.connection) = Some(connection.clone());
                tracing::info!("the store of limits answers");
                pause = PAUSE.0;
                self.serve(connection, &mut inbox).await;
                *lock(&self.connection) = None;
                tracing::warn!("the store of limits does not answer");
            }
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE.1);
        }
    }

    /// Until the connection breaks.
    async fn serve(&self, connection: Connection, inbox: &mut mpsc::Receiver<Settlement>) {
        let (mut beat_at, mut renew_at) = (Instant::now() + BEAT, Instant::now() + RENEW);
        let mut batch = Vec::new();
        loop {
            let next = beat_at.min(renew_at);
            tokio::select! {
                () = self.broken.notified() => return,
                count = inbox.recv_many(&mut batch, BATCH_MAX), if batch.is_empty() => {
                    if count == 0 {
                        return;
                    }
                }
                () = tokio::time::sleep_until(next) => {}
            }
            if !batch.is_empty() && !self.send_all(&mut batch, &connection).await {
                // Repeated over the next connection until it is done: a lease is settled once.
                for left in batch.drain(..) {
                    self.settle(left);
                }
                return;
            }
            let now = Instant::now();
            if now >= beat_at {
                beat_at = now + BEAT;
                if !self.beat(connection.clone()).await {
                    return;
                }
            }
            if now >= renew_at {
                renew_at = now + RENEW;
                if !self.renew(connection.clone()).await {
                    return;
                }
            }
        }
    }

    /// Sends all at once; those that were not answered stay. False if any was not.
    async fn send_all(&self, batch: &mut Vec<Settlement>, connection: &Connection) -> bool {
        let sending = batch
            .iter()
            .map(|one| Settlement::send(one, self, connection.clone()));
        let mut sent = together(sending).await.into_iter();
        batch.retain(|_| sent.next() != Some(true));
        batch.is_empty()
    }

    async fn beat(&self, mut connection: Connection) -> bool {
        let sent = std::time::SystemTime::now();
        let mut call = self
            .scripts
            .beat
            .key(format!("{}:replicas", self.store.prefix));
        let ttl_ms = u64::try_from(REPLICA_TTL.as_millis()).unwrap_or(u64::MAX);
        let call = call.arg(&*self.replica).arg(ttl_ms);
        let answered = call.invoke_async::<(i64, u32)>(&mut connection).await;
        let Ok((now_us, replicas)) = answered else {
            return false;
        };
        let ours = sent
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(0));
        self.offset_ms
            .store(now_us / 1000 - ours, Ordering::Relaxed);
        self.replicas.store(replicas.max(1), Ordering::Relaxed);
        true
    }

    async fn renew(&self, connection: Connection) -> bool {
        let live: Vec<(u64, Renewal)> = lock(&self.live)
            .iter()
            .map(|(id, renewal)| (*id, renewal.clone()))
            .collect();
        for some in live.chunks(BATCH_MAX) {
            let renewing = some.iter().map(|(id, renewal)| {
                let mut connection = connection.clone();
                async move {
                    let call = renewal.call(&self.scripts.renew, &self.lease_name(*id));
                    call.invoke_async::<u8>(&mut connection).await.is_ok()
                }
            });
            if together(renewing).await.contains(&false) {
                return false;
            }
        }
        true
    }

    /// The connection, if there is one.
    pub(crate) fn connection(&self) -> Option<Connection> {
        lock(&self.connection).clone()
    }

    /// Something went wrong: nobody shall wait for this connection again.
    pub(crate) fn breaks(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        *lock(&self.connection) = None;
        self.broken.notify_one();
    }

    pub(crate) fn begin_lease(&self) -> u64 {
        self.next_lease.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn lease_name(&self, id: u64) -> String {
        format!("{}-{:x}-{id:x}", self.replica, self.lane)
    }

    pub(crate) fn hold(&self, id: u64, renewal: Renewal) {
        lock(&self.live).insert(id, renewal);
    }

    /// Hands over a settlement; its lease is renewed no more.
    pub(crate) fn settle(&self, settlement: Settlement) {
        lock(&self.live).remove(&settlement.lease());
        if self.settlements.try_send(settlement).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether nobody else has asked the same before, over all replicas, until `until_ms` (Unix); `None` if the store does
    /// not answer.
    pub async fn once(&self, what: &str, until_ms: i64, now_ms: i64) -> Option<bool> {
        let mut connection = self.connection()?;
        let mut call = redis::cmd("SET");
        call.arg(format!("{}:w:{what}", self.store.prefix))
            .arg(1)
            .arg("NX")
            .arg("PX")
            .arg(until_ms.saturating_sub(now_ms).max(1));
        let asked = call.query_async::<Option<String>>(&mut connection);
        let answer = timeout(self.store.timeout, asked).await.ok()?.ok()?;
        Some(answer.is_some())
    }

    pub(crate) fn offset_ms(&self) -> i64 {
        self.offset_ms.load(Ordering::Relaxed)
    }

    /// Replicas that were alive when the store was last heard of.
    #[must_use]
    pub fn replicas(&self) -> NonZeroU32 {
        NonZeroU32::new(self.replicas.load(Ordering::Relaxed)).unwrap_or(NonZeroU32::MIN)
    }

    /// Figures for metrics.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            up: lock(&self.connection).is_some(),
            failures: self.failures.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
            waiting: (SETTLEMENTS_MAX - self.settlements.capacity()) as u64,
            leases: lock(&self.live).len() as u64,
            replicas: self.replicas.load(Ordering::Relaxed).into(),
        }
    }
}

/// Waits for all of these at once, so that what they send travels together; their answers in their order.
async fn together<F: Future<Output = bool>>(calls: impl Iterator<Item = F>) -> Vec<bool> {
    let mut calls: Vec<_> = calls.map(|call| (Box::pin(call), None)).collect();
    poll_fn(|cx| {
        for (call, answer) in calls.iter_mut().filter(|(_, answer)| answer.is_none()) {
            if let Poll::Ready(told) = call.as_mut().poll(cx) {
                *answer = Some(told);
            }
        }
        match calls.iter().all(|(_, answer)| answer.is_some()) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
    let told = calls.iter().map(|(_, answer)| *answer == Some(true));
    told.collect()
}

/// A lock whose holder panicked guards data that is still in order.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
