//! The audit log through the admin API: pages of entries, one entry, counts.
//!
//! Knows the index and the log, no token: whoever calls has checked it. Blocks, so it runs on threads of its own, at most
//! `SEARCHES_MAX` at once. Invariants: nothing is shown before the log holds who asked and for what; an answer says up to
//! which index it is complete.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use http::StatusCode;
use journal::clock::Clock;
use journal::index::{Bodies, Cursor, Index, LIMIT_MAX, Page, Query, find};
use journal::row::Row;
use journal::{Event, Journal, What};
use serde_json::json;
use tokio::sync::Semaphore;

use super::query::{decoded, pairs};
use super::visitor::Visitor;
use crate::audit::asked;

/// Searches at once.
const SEARCHES_MAX: usize = 4;
/// Entries of a page that asks for no number.
const LIMIT: usize = 50;
/// Length of a stretch of time where none is asked for, ms.
const BUCKET_MS: i64 = 3_600_000;
/// Time that is counted where none is asked for, ms.
const COUNTED_MS: i64 = 86_400_000;

/// What searches need.
pub struct Searches {
    /// The log, which each search becomes an entry of.
    pub journal: Arc<Journal>,
    /// Its directory.
    pub dir: PathBuf,
    /// `None`: the log itself is read.
    pub index: Option<Arc<Index>>,
    /// The texts of redacted payloads.
    pub bodies: Arc<dyn Bodies>,
    /// For how long ago something was.
    pub clock: Arc<dyn Clock>,
    places: Arc<Semaphore>,
}

/// A whole answer, or a status and why.
pub(super) type Answer = Result<Vec<u8>, (StatusCode, String)>;

impl Searches {
    /// None is running.
    #[must_use]
    pub fn new(
        journal: Arc<Journal>,
        dir: PathBuf,
        index: Option<Arc<Index>>,
        bodies: Arc<dyn Bodies>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            journal,
            dir,
            index,
            bodies,
            clock,
            places: Arc::new(Semaphore::new(SEARCHES_MAX)),
        }
    }

    /// Runs one search on a thread of its own.
    pub(super) async fn run(
        self: &Arc<Self>,
        search: impl FnOnce(&Self) -> Answer + Send + 'static,
    ) -> Answer {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return Err((
                StatusCode::SERVICE_UNAVAILABLE,
                "too many searches are running; ask again".to_owned(),
            ));
        };
        let searches = Arc::clone(self);
        let running = move || {
            // Whoever asked may have gone; the search runs to its end.
            let _place = place;
            search(&searches)
        };
        tokio::task::spawn_blocking(running)
            .await
            .unwrap_or_else(|_| {
                let why = "the search panicked".to_owned();
                Err((StatusCode::INTERNAL_SERVER_ERROR, why))
            })
    }

    /// `GET /api/audit/entries`.
    pub(super) fn entries(&self, visitor: &Visitor, raw: &str) -> Answer {
        let mut asked = self.asked(raw)?;
        let limit = match asked.take("limit") {
            None => LIMIT,
            Some(text) => text
                .parse()
                .ok()
                .filter(|limit| (1..=LIMIT_MAX).contains(limit))
                .ok_or_else(|| bad("limit: not a number from 1 to 1000"))?,
        };
        let cursor: Option<Cursor> = asked
            .take("cursor")
            .map(|text| text.parse())
            .transpose()
            .map_err(|why: &str| bad(&format!("cursor: {why}")))?;
        let query = self.query(&asked)?;
        self.record(visitor, &asked.told())?;
        let page = self.page(&query, cursor, limit)?;
        let next = page.next.map(|next| next.to_string());
        let mut out = b"{\"entries\":[".to_vec();
        for (at, row) in page.rows.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            row.write_json(&mut out).map_err(|error| unread(&error))?;
        }
        let rest = json!({
            "next": next,
            "complete_to": page.complete_to,
            "written_to": self.journal.frontier(),
        });
        let rest = rest.to_string();
        out.extend_from_slice(b"],");
        out.extend_from_slice(rest.strip_prefix('{').unwrap_or_default().as_bytes());
        out.push(b'\n');
        Ok(out)
    }

    /// `GET /api/audit/entries/{id}`.
    pub(super) fn entry(&self, visitor: &Visitor, raw_id: &str) -> Answer {
        let id = decoded(raw_id).ok_or_else(|| bad("the id is not well-formed"))?;
        self.record(visitor, &format!("entry {id}"))?;
        let digits = id.len() < 19 && id.bytes().all(|byte| byte.is_ascii_digit());
        let index: Option<u64> = digits.then(|| id.parse().ok()).flatten();
        let found = match (self.newest("id", &id)?, index) {
            (None, Some(index)) => match self.newest("index", &id)? {
                None => self.settled_at(index)?,
                found => found,
            },
            (found, _) => found,
        };
        let Some(row) = found else {
            let why = "the log has no such entry, or not yet".to_owned();
            return Err((StatusCode::NOT_FOUND, why));
        };
        let mut out = b"{\"entry\":".to_vec();
        row.write_json(&mut out).map_err(|error| unread(&error))?;
        out.extend_from_slice(b"}\n");
        Ok(out)
    }

    /// The newest row with this.
    fn newest(&self, filter: &str, value: &str) -> Result<Option<Row>, (StatusCode, String)> {
        let mut query = Query::default();
        query.want(filter, value).map_err(bad)?;
        Ok(self.page(&query, None, 1)?.rows.pop())
    }

    /// The row that the record of this index completed: a closing has no row of its own.
    fn settled_at(&self, index: u64) -> Result<Option<Row>, (StatusCode, String)> {
        let behind = Some(Cursor::behind(index));
        let row = self.page(&Query::default(), behind, 1)?.rows.pop();
        Ok(row.filter(|row| row.settled == i64::try_from(index).ok()))
    }

    /// `GET /api/audit/stats`.
    pub(super) fn stats(&self, visitor: &Visitor, raw: &str) -> Answer {
        let mut asked = self.asked(raw)?;
        let bucket_ms = match asked.take("bucket") {
            None => BUCKET_MS,
            Some(text) => span(&text).ok_or_else(|| bad("bucket: not a span such as 5m or 1h"))?,
        };
        if asked.pairs.iter().any(|(name, _)| name == "text") {
            return Err(bad(
                "text: entries are not counted by their texts; search for them",
            ));
        }
        let mut query = self.query(&asked)?;
        if query.from_ms.is_none() {
            let to_ms = query.to_ms.unwrap_or_else(|| self.clock.wall_ms());
            query.from_ms = Some(to_ms.saturating_sub(COUNTED_MS));
        }
        self.record(visitor, &format!("stats {}", asked.told()))?;
        let stats = match &self.index {
            Some(index) => index.stats(&query, bucket_ms),
            None => find::stats(&self.dir, &query, bucket_ms, &*self.bodies),
        };
        let stats = stats.map_err(|error| unread(&error))?;
        let mut out = Vec::new();
        let text = serde_json::to_string(&stats).unwrap_or_default();
        journal::inert::write_inert(&mut out, &text).map_err(|error| unread(&error))?;
        out.push(b'\n');
        Ok(out)
    }

    fn page(
        &self,
        query: &Query,
        cursor: Option<Cursor>,
        limit: usize,
    ) -> Result<Page, (StatusCode, String)> {
        let page = match &self.index {
            Some(index) => index.page(query, cursor, limit, &*self.bodies),
            None => {
                let page = find::page(&self.dir, None, query, cursor, limit, &*self.bodies);
                // Whoever builds an index lets go of erased keys; here nobody else does.
                self.bodies.forget();
                page
            }
        };
        page.map_err(|error| unread(&error))
    }

    fn asked(&self, raw: &str) -> Result<Asked, (StatusCode, String)> {
        let pairs = pairs(raw).ok_or_else(|| bad("the query is not well-formed"))?;
        Ok(Asked { pairs })
    }

    fn query(&self, asked: &Asked) -> Result<Query, (StatusCode, String)> {
        let mut query = Query::default();
        for (name, value) in &asked.pairs {
            asked::add(&mut query, name, value, self.clock.wall_ms()).map_err(|why| bad(&why))?;
        }
        Ok(query)
    }

    /// Writes down that somebody reads the log.
    pub(super) fn record(
        &self,
        visitor: &Visitor,
        detail: &str,
    ) -> Result<(), (StatusCode, String)> {
        let event = Event {
            what: What::Search,
            actor: &visitor.name,
            origin: &visitor.origin,
            detail,
            ..Event::default()
        };
        self.journal.note(&event).map(|_| ()).map_err(|_| {
            let why = "the search could not be written into the log, so nothing is shown";
            (StatusCode::SERVICE_UNAVAILABLE, why.to_owned())
        })
    }
}

/// The pairs of a query.
struct Asked {
    pairs: Vec<(String, String)>,
}

impl Asked {
    /// Takes out what is no filter; the last one counts.
    fn take(&mut self, name: &str) -> Option<String> {
        let taken = self.pairs.extract_if(.., |(known, _)| known == name);
        taken.last().map(|(_, value)| value)
    }

    fn told(&self) -> String {
        let pairs = self.pairs.iter();
        asked::told(pairs.map(|(name, value)| (name.as_str(), value.as_str())))
    }
}

pub(super) fn bad(why: &str) -> (StatusCode, String) {
    (StatusCode::BAD_REQUEST, why.to_owned())
}

/// Why files could not be read, without their names.
pub(super) fn unread(error: &io::Error) -> (StatusCode, String) {
    match error.kind() {
        io::ErrorKind::InvalidInput => bad(&error.to_string()),
        io::ErrorKind::InvalidData | io::ErrorKind::NotFound => (
            StatusCode::SERVICE_UNAVAILABLE,
            "the index does not fit the log and is being built anew; ask again".to_owned(),
        ),
        _ => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "the log cannot be read".to_owned(),
        ),
    }
}

/// A span of time in ms.
fn span(text: &str) -> Option<i64> {
    let units = [
        ("s", 1000),
        ("m", 60_000),
        ("h", 3_600_000),
        ("d", 86_400_000),
    ];
    let (count, unit_ms) = units
        .into_iter()
        .find_map(|(unit, ms)| Some((text.strip_suffix(unit)?, ms)))?;
    let count: i64 = count.parse().ok().filter(|count| *count > 0)?;
    count.checked_mul(unit_ms)
}
