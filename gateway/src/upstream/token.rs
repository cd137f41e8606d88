//! Tokens that expire (OAuth and the like): one cell a credential, shared by all workers, fetched single-flight.
//!
//! Whoever finds the cell empty begins a fetch and all wait for that one; when only its last tenth is left, one request
//! fetches anew and the others go on with the old one. A fetch does not end with the request that began it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use adapters::Credential;
use adapters::vendor::TokenFlow;
use arc_swap::ArcSwapOption;
use http::header::{CONTENT_TYPE, HeaderValue};
use journal::Durable;
use wire::{Fault, Headers, Kind, Rope};

use super::request::{Head, Request};
use crate::tasks;

/// A token is not used in its last seconds: it must still be good when it arrives.
const MARGIN: Duration = Duration::from_secs(30);
/// No token is taken for shorter than this, whatever its vendor says: so often at most tokens are fetched.
const LIFETIME_MIN: Duration = Duration::from_secs(2);
/// A vendor that refuses us, or the tokens that it gave, is not asked for more of them than so many times, in such a time.
const REFUSED_MAX: u32 = 3;
const REFUSED_PER: Duration = Duration::from_secs(60);
/// The reason of such a fault.
const REFUSED: &str = "auth_failed";
/// One fetch, at most.
const FETCH_MAX: Duration = Duration::from_secs(15);
/// After a fetch that failed, who asks hears the same for so long; twice as long after each other one, up to the longest.
const PAUSE: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// The request for a token of this credential.
pub fn request(flow: &dyn TokenFlow, credential: &Credential<'_>) -> Request {
    let wanted = flow.request(credential);
    let mut headers = Headers::new();
    if !wanted.body.is_empty() {
        let json = HeaderValue::from_static("application/json");
        headers.insert(CONTENT_TYPE, json);
    }
    Request {
        head: Head::new(wanted.method, wanted.path_and_query, headers),
        body: Rope::from(wanted.body),
        after: Durable::NOW,
        alone: true,
    }
}

/// One fetched token.
pub struct Fetched {
    /// Its value; a secret.
    pub value: String,
    fetched: Instant,
    lifetime: Duration,
}

impl std::fmt::Debug for Fetched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fetched(***)")
    }
}

impl Fetched {
    /// A token fetched just now.
    #[must_use]
    pub fn new(value: String, lifetime: Duration) -> Self {
        Self {
            value,
            fetched: Instant::now(),
            lifetime: lifetime.max(LIFETIME_MIN),
        }
    }

    fn is_good(&self) -> bool {
        self.fetched.elapsed() + MARGIN.min(self.lifetime / 2) < self.lifetime
    }

    fn is_old(&self) -> bool {
        self.fetched.elapsed() > self.lifetime / 10 * 9
    }
}

/// The token of one credential.
#[derive(Debug, Default)]
pub struct Cell {
    token: ArcSwapOption<Fetched>,
    flight: Arc<tokio::sync::Mutex<Flight>>,
}

/// What is known of the fetches so far. Held while one runs.
#[derive(Debug, Default)]
struct Flight {
    /// Fetches that were refused, or in place of refused tokens, since then.
    refused: u32,
    since: Option<Instant>,
    /// How the last fetch failed, until when that is believed, and for how long in all.
    failed: Option<(Fault, Instant, Duration)>,
}

impl Flight {
    /// Whether a fetch may begin.
    ///
    /// # Errors
    /// Why not.
    fn may_fetch(&mut self) -> Result<(), Fault> {
        if let Some((fault, until, _)) = &self.failed
            && Instant::now() < *until
        {
            return Err(fault.clone());
        }
        if self.since.is_none_or(|since| since.elapsed() > REFUSED_PER) {
            (self.since, self.refused) = (Some(Instant::now()), 0);
        }
        if self.refused < REFUSED_MAX {
            return Ok(());
        }
        Err(Fault::new(Kind::UpstreamError)
            .reason(REFUSED)
            .detail("tokens refused again and again"))
    }

    fn failed(&mut self, fault: &Fault) {
        if fault.why() == REFUSED {
            self.refused += 1;
            return;
        }
        let last = self.failed.take();
        let pause = last.map_or(PAUSE, |(.., pause)| PAUSE_MAX.min(pause * 2));
        self.failed = Some((fault.clone(), Instant::now() + pause, pause));
    }
}

impl Cell {
    /// A good token; `fetch` runs if there is none, once for all who ask at the same time, and to its end even if they leave.
    /// `rejected`: a token that the vendor has just refused and that is not to be given out again.
    ///
    /// # Errors
    /// Those of `fetch`.
    pub async fn get<F>(
        self: &Arc<Self>,
        rejected: Option<&Arc<Fetched>>,
        fetch: impl FnOnce() -> F,
    ) -> Result<Arc<Fetched>, Fault>
    where
        F: Future<Output = Result<Fetched, Fault>> + Send + 'static,
    {
        let usable = |token: &Arc<Fetched>| {
            token.is_good() && rejected.is_none_or(|bad| !Arc::ptr_eq(bad, token))
        };
        let mut fallback = None;
        if let Some(token) = self.token.load_full().filter(usable) {
            if !token.is_old() {
                return Ok(token);
            }
            fallback = Some(token);
        }
        let flight = Arc::clone(&self.flight);
        let mut flight = match (&fallback, Arc::clone(&flight).try_lock_owned()) {
            (_, Ok(guard)) => guard,
            (Some(token), Err(_)) => return Ok(Arc::clone(token)),
            (None, Err(_)) => flight.lock_owned().await,
        };
        // Somebody may have fetched while we waited.
        if let Some(token) = self.token.load_full()
            && usable(&token)
            && !token.is_old()
        {
            return Ok(token);
        }
        if let Err(fault) = flight.may_fetch() {
            return fallback.ok_or(fault);
        }
        let (tell, told) = tokio::sync::oneshot::channel();
        let (cell, work, refused) = (Arc::clone(self), fetch(), rejected.is_some());
        tasks::detach(async move {
            let fetched = cell.run(&mut flight, refused, work).await;
            drop(flight);
            // Who began it may have left.
            let _ = tell.send(fetched);
        });
        let fetched = told.await.unwrap_or_else(|_| Err(Kind::Bug.into()));
        fetched.or_else(|fault| fallback.ok_or(fault))
    }

    async fn run(
        &self,
        flight: &mut Flight,
        refused: bool,
        work: impl Future<Output = Result<Fetched, Fault>>,
    ) -> Result<Arc<Fetched>, Fault> {
        let fetched = tokio::time::timeout(FETCH_MAX, work).await;
        let fetched = fetched.unwrap_or_else(|_| Err(Kind::FirstByteTimeout.into()));
        match fetched {
            Ok(fetched) => {
                let token = Arc::new(fetched);
                self.token.store(Some(Arc::clone(&token)));
                flight.failed = None;
                flight.refused += u32::from(refused);
                Ok(token)
            }
            Err(fault) => {
                flight.failed(&fault);
                Err(fault)
            }
        }
    }
}

/// The cells of all credentials, by provider name and a fingerprint of its credential.
#[derive(Debug, Default)]
pub struct Cells(Mutex<HashMap<Arc<str>, Arc<Cell>>>);

impl Cells {
    /// The cell of a provider. Its key changes with the credential, so that a reload starts a fresh one.
    pub fn of(&self, key: &Arc<str>) -> Arc<Cell> {
        let mut cells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match cells.get(key) {
            Some(cell) => Arc::clone(cell),
            None => Arc::clone(cells.entry(Arc::clone(key)).or_default()),
        }
    }

    /// Forgets credentials that are no longer configured.
    pub fn retain(&self, alive: impl Fn(&str) -> bool) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|key, _| alive(key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test]
    async fn a_hundred_ask_and_one_fetches() {
        let cell = Arc::new(Cell::default());
        let fetches = Arc::new(AtomicUsize::new(0));
        let mut all = tokio::task::JoinSet::new();
        for _ in 0..100 {
            let (cell, fetches) = (Arc::clone(&cell), Arc::clone(&fetches));
            all.spawn(async move {
                cell.get(None, move || async move {
                    fetches.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    Ok(Fetched::new("t1".into(), Duration::from_secs(3600)))
                })
                .await
                .unwrap()
            });
        }
        let tokens = all.join_all().await;
        assert_eq!(fetches.load(Ordering::Relaxed), 1);
        let rejected = Arc::clone(&tokens[0]);
        let fetch = || async { Ok(Fetched::new("t2".into(), Duration::from_secs(3600))) };
        let mut token = rejected;
        for _ in 0..REFUSED_MAX {
            token = cell.get(Some(&token), fetch).await.unwrap();
            assert_eq!(token.value, "t2");
        }
        assert_eq!(cell.get(None, fetch).await.unwrap().value, "t2");
        assert_eq!(
            cell.get(Some(&token), fetch).await.unwrap_err().why(),
            "auth_failed",
            "a vendor that refuses all tokens is not flooded"
        );
    }
    #[tokio::test]
    async fn a_fetch_outlives_who_began_it() {
        let cell = Arc::new(Cell::default());
        let slow = || async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            Ok(Fetched::new("t1".into(), Duration::from_secs(3600)))
        };
        let left = tokio::time::timeout(Duration::from_millis(10), cell.get(None, slow)).await;
        assert!(left.is_err());
        let never = || async { Err(Kind::Bug.into()) };
        assert_eq!(cell.get(None, never).await.unwrap().value, "t1");
    }

    #[tokio::test]
    async fn a_failure_is_believed_for_a_moment_and_short_lives_are_no_failure() {
        let cell = Arc::new(Cell::default());
        let fails = || async { Err(Fault::from(Kind::UpstreamError)) };
        let short = || async { Ok(Fetched::new("t".into(), Duration::ZERO)) };
        assert!(cell.get(None, fails).await.is_err());
        assert!(cell.get(None, short).await.is_err(), "it was just asked");
        tokio::time::sleep(PAUSE).await;
        for _ in 0..2 {
            assert!(cell.get(None, short).await.is_ok());
            tokio::time::sleep(LIFETIME_MIN / 2).await;
        }
        assert!(cell.get(None, short).await.is_ok());
    }
}
