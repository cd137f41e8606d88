//! Tokens that expire (OAuth and the like): one cell a credential, shared by all workers, fetched single-flight.
//!
//! Whoever finds the cell empty fetches while the others wait for that one fetch; when only its last tenth is left, one
//! request fetches anew and the others go on with the old one.

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

/// A token is not used in its last seconds: it must still be good when it arrives.
const MARGIN: Duration = Duration::from_secs(30);
/// No credential is asked for a token more often than this, whatever the vendor says of the last ones.
const FETCHES_MAX: u32 = 3;
const FETCHES_PER: Duration = Duration::from_secs(60);

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
            lifetime,
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
    flight: tokio::sync::Mutex<Flight>,
}

/// Fetches of the current window.
#[derive(Debug, Default)]
struct Flight {
    since: Option<Instant>,
    count: u32,
}

impl Flight {
    fn may_fetch(&mut self) -> bool {
        if self.since.is_none_or(|since| since.elapsed() > FETCHES_PER) {
            *self = Self {
                since: Some(Instant::now()),
                count: 0,
            };
        }
        self.count += 1;
        self.count <= FETCHES_MAX
    }
}

impl Cell {
    /// A good token; `fetch` runs if there is none, once for all who ask at the same time. `rejected`: a token that
    /// the vendor has just refused and that is not to be given out again.
    ///
    /// # Errors
    /// Those of `fetch`.
    pub async fn get<F: Future<Output = Result<Fetched, Fault>>>(
        &self,
        rejected: Option<&Arc<Fetched>>,
        fetch: impl FnOnce() -> F,
    ) -> Result<Arc<Fetched>, Fault> {
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
        let mut flight = match (&fallback, self.flight.try_lock()) {
            (_, Ok(guard)) => guard,
            (Some(token), Err(_)) => return Ok(Arc::clone(token)),
            (None, Err(_)) => self.flight.lock().await,
        };
        // Somebody may have fetched while we waited.
        if let Some(token) = self.token.load_full()
            && usable(&token)
            && !token.is_old()
        {
            return Ok(token);
        }
        if !flight.may_fetch() {
            return fallback.ok_or_else(|| {
                Fault::new(Kind::UpstreamError)
                    .reason("auth_failed")
                    .detail("tokens refused again and again")
            });
        }
        match (fetch().await, fallback) {
            (Ok(fetched), _) => {
                let token = Arc::new(fetched);
                self.token.store(Some(Arc::clone(&token)));
                Ok(token)
            }
            (Err(_), Some(old)) => Ok(old),
            (Err(fault), None) => Err(fault),
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
                cell.get(None, || async {
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
        let mut token = cell.get(Some(&rejected), fetch).await.unwrap();
        assert_eq!(token.value, "t2");
        token = cell.get(Some(&token), fetch).await.unwrap();
        assert_eq!(
            cell.get(Some(&token), fetch).await.unwrap_err().why(),
            "auth_failed",
            "a vendor that refuses all tokens is not flooded"
        );
    }
}
