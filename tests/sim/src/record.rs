//! What the simulator received, and how each reply ended. Bounded: only the newest requests are kept.
//!
//! It must never print a credential: `Debug` and [`Received::summary`] leave their values out.

use crate::json::{self, Obj};
use bytes::Bytes;
use http::{HeaderMap, Method, Version};
use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// Bytes of bodies kept in all; the oldest requests go first.
const KEPT_BODIES_MAX: usize = 256 << 20;
/// Bytes of a body that the page for humans shows.
const SHOWN_BODY_MAX: usize = 4096;
/// Headers and query parameters whose values are never shown.
const CREDENTIALS: [&str; 9] = [
    "authorization",
    "proxy-authorization",
    "x-api-key",
    "api-key",
    "cookie",
    "access_token",
    "client_id",
    "client_secret",
    "key",
];

/// One request, as it arrived, and how far its reply has come.
#[derive(Clone)]
pub struct Received {
    /// Which simulated vendor it was for: `tongyi`, `glm`, …; `none` for an unknown path, `trap` for a
    /// followed redirect, `wenxin-v1-token`, `wenxin-iam` and `pangu-token` for the offices that give tokens.
    pub surface: &'static str,
    pub method: Method,
    /// With credentials, where the vendor puts them into the query.
    pub path_and_query: String,
    pub version: Version,
    /// With credentials.
    pub headers: HeaderMap,
    /// Exactly the bytes that arrived.
    pub body: Bytes,
    /// Status of the reply; 0 while none was made or if the connection was reset instead.
    pub status: u16,
    /// SSE events handed to the connection so far (comments are not counted).
    pub events_sent: usize,
    /// Body bytes handed to the connection so far.
    pub bytes_sent: usize,
    /// The reply was handed over to its end.
    pub finished: bool,
    /// The client left before the end.
    pub cancelled: bool,
    /// We cut the reply on purpose.
    pub cut: bool,
    /// Of a WebSocket: pings that the client answered.
    pub pongs: usize,
    /// Of a WebSocket: the client did not close it when the answer was at its end.
    pub left_open: bool,
}

impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.summary())
    }
}

impl Received {
    /// One header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// JSON for humans, without the values of credentials.
    pub(crate) fn summary(&self) -> String {
        let mut headers = Obj::new();
        for (name, value) in &self.headers {
            let shown = if CREDENTIALS.contains(&name.as_str()) {
                "<present>".into()
            } else {
                String::from_utf8_lossy(value.as_bytes())
            };
            headers = headers.str(name.as_str(), &shown);
        }
        let start = self.body.get(..SHOWN_BODY_MAX).unwrap_or(&self.body);
        Obj::new()
            .str("surface", self.surface)
            .str("method", self.method.as_str())
            .str("path", &path_without_credentials(&self.path_and_query))
            .str("version", &format!("{:?}", self.version))
            .raw("headers", &headers.end())
            .str("body", &String::from_utf8_lossy(start))
            .raw("body_bytes", &self.body.len().to_string())
            .raw("status", &self.status.to_string())
            .raw("events_sent", &self.events_sent.to_string())
            .bool("finished", self.finished)
            .bool("cancelled", self.cancelled)
            .bool("cut", self.cut)
            .end()
    }
}

fn path_without_credentials(path_and_query: &str) -> String {
    let Some((path, query)) = path_and_query.split_once('?') else {
        return path_and_query.to_owned();
    };
    let shown: Vec<String> = query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((name, _)) if CREDENTIALS.contains(&name) => format!("{name}=<present>"),
            _ => pair.to_owned(),
        })
        .collect();
    format!("{path}?{}", shown.join("&"))
}

#[derive(Default)]
struct Progress {
    status: AtomicU16,
    events: AtomicUsize,
    bytes: AtomicUsize,
    finished: AtomicBool,
    cancelled: AtomicBool,
    cut: AtomicBool,
    pongs: AtomicUsize,
    left_open: AtomicBool,
    /// What came when a WebSocket was open.
    message: OnceLock<Bytes>,
}

struct Row {
    head: Received,
    progress: Arc<Progress>,
}

/// Shared by all connections of one simulator.
#[derive(Default)]
pub(crate) struct Records {
    keep: usize,
    rows: Mutex<VecDeque<Row>>,
    cancelled: AtomicUsize,
    live: AtomicUsize,
}

impl Records {
    pub(crate) fn new(keep: usize) -> Arc<Self> {
        Arc::new(Self {
            keep,
            ..Self::default()
        })
    }

    fn rows(&self) -> MutexGuard<'_, VecDeque<Row>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a request; the answer follows its reply.
    pub(crate) fn add(self: &Arc<Self>, head: Received) -> Track {
        let progress = Arc::new(Progress::default());
        let mut rows = self.rows();
        rows.push_back(Row {
            head,
            progress: Arc::clone(&progress),
        });
        let mut bytes: usize = rows.iter().map(Row::bytes).sum();
        while rows.len() > self.keep || bytes > KEPT_BODIES_MAX {
            let gone = rows.pop_front();
            bytes -= gone.map_or(bytes, |row| row.bytes().min(bytes));
        }
        drop(rows);
        Track {
            records: Arc::clone(self),
            progress,
            streams: false,
        }
    }

    pub(crate) fn all(&self) -> Vec<Received> {
        self.rows().iter().map(Row::now).collect()
    }

    pub(crate) fn clear(&self) {
        self.rows().clear();
    }

    pub(crate) fn live(&self) -> usize {
        self.live.load(Relaxed)
    }

    pub(crate) fn cancelled(&self) -> usize {
        self.cancelled.load(Relaxed)
    }

    /// All kept requests as a JSON array.
    pub(crate) fn page(&self) -> String {
        let rows: Vec<String> = self.all().iter().map(Received::summary).collect();
        json::array(&rows)
    }
}

impl Row {
    fn bytes(&self) -> usize {
        let message = self.progress.message.get();
        self.head.body.len() + message.map_or(0, Bytes::len)
    }

    fn now(&self) -> Received {
        Received {
            status: self.progress.status.load(Relaxed),
            events_sent: self.progress.events.load(Relaxed),
            bytes_sent: self.progress.bytes.load(Relaxed),
            finished: self.progress.finished.load(Relaxed),
            cancelled: self.progress.cancelled.load(Relaxed),
            cut: self.progress.cut.load(Relaxed),
            pongs: self.progress.pongs.load(Relaxed),
            left_open: self.progress.left_open.load(Relaxed),
            body: self
                .progress
                .message
                .get()
                .unwrap_or(&self.head.body)
                .clone(),
            ..self.head.clone()
        }
    }
}

/// Follows one reply; dropped before the end, it counts the client as gone.
pub(crate) struct Track {
    records: Arc<Records>,
    progress: Arc<Progress>,
    streams: bool,
}

impl Track {
    pub(crate) fn status(&self, status: u16) {
        self.progress.status.store(status, Relaxed);
    }

    /// From now on this reply counts as a live stream.
    pub(crate) fn streams(&mut self) {
        if !self.streams {
            self.streams = true;
            self.records.live.fetch_add(1, Relaxed);
        }
    }

    pub(crate) fn bytes(&self, bytes: usize) {
        self.progress.bytes.fetch_add(bytes, Relaxed);
    }

    pub(crate) fn event(&self) {
        self.progress.events.fetch_add(1, Relaxed);
    }

    /// What a client sent over an open WebSocket.
    pub(crate) fn message(&self, message: &Bytes) {
        let _ = self.progress.message.set(message.clone());
    }

    pub(crate) fn pong(&self) {
        self.progress.pongs.fetch_add(1, Relaxed);
    }

    pub(crate) fn left_open(&self) {
        self.progress.left_open.store(true, Relaxed);
    }

    pub(crate) fn finished(&self) {
        self.progress.finished.store(true, Relaxed);
    }

    pub(crate) fn cut(&self) {
        self.progress.cut.store(true, Relaxed);
    }

    pub(crate) fn cutting(&self) -> bool {
        self.progress.cut.load(Relaxed)
    }
}

impl Drop for Track {
    fn drop(&mut self) {
        if self.streams {
            self.records.live.fetch_sub(1, Relaxed);
        }
        let ended = self.progress.finished.load(Relaxed) || self.progress.cut.load(Relaxed);
        if !ended {
            self.progress.cancelled.store(true, Relaxed);
            self.records.cancelled.fetch_add(1, Relaxed);
        }
    }
}
