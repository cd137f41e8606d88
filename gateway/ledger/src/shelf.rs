//! Small documents by name that replicas share: each writes over the revision that it knows, and asks what changed.
//!
//! Must never know what stands in a document. Invariants: a document is never written over one that the writer has not
//! seen; a reader that asks again and again sees the newest revision of every document, in the order of the changes; that
//! a store lost what it had shows in its epoch or its version.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use redis::Script;
use tokio::time::timeout;

use crate::store::{Connection, Store};

/// How long one call may take, connecting included.
const PATIENCE: Duration = Duration::from_secs(2);
/// Documents in one answer: they must come within the store's timeout.
const PAGE: usize = 200;

/// A shelf in a store.
pub struct Shelf {
    store: Store,
    /// Begins the names of its keys.
    name: String,
    write: Script,
    changes: Script,
    connection: Mutex<Option<Connection>>,
}

/// The store did not answer, or nothing that can be understood. Whether a write was made nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Down;

impl std::fmt::Display for Down {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the store that replicas share does not answer")
    }
}

impl std::error::Error for Down {}

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// It stands.
    Done,
    /// Another revision stands there than the writer knows.
    Conflict,
    /// There are as many documents as there may be.
    Full,
}

/// One document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doc {
    /// Its name.
    pub name: String,
    /// Counts its changes, from 1.
    pub rev: u64,
    /// What it says.
    pub text: String,
}

/// Up to where a reader has read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// Another one: the store began anew.
    pub epoch: String,
    /// Counts all changes. A smaller one than before: the store lost some.
    pub version: u64,
}

/// What changed.
#[derive(Debug, Default)]
pub struct Changes {
    /// Documents, the oldest change first.
    pub docs: Vec<Doc>,
    /// From where to ask on.
    pub place: Place,
    /// There is more.
    pub more: bool,
    /// The store began anew or lost changes: what was read before may be missing there.
    pub lost: bool,
}

impl Shelf {
    /// The shelf called `name`. Nothing is connected yet.
    #[must_use]
    pub fn new(store: Store, name: &str) -> Self {
        Self {
            name: format!("{}:{name}", store.prefix),
            store,
            write: Script::new(include_str!("shelf_write.lua")),
            changes: Script::new(include_str!("shelf_changes.lua")),
            connection: Mutex::default(),
        }
    }

    /// Writes a document over revision `known` (0: there is none).
    ///
    /// # Errors
    /// [`Down`].
    pub async fn write(&self, doc: &Doc, known: u64, docs_max: usize) -> Result<Written, Down> {
        let mut call = self.write.key(self.key("docs"));
        call.key(self.key("order")).key(self.key("version"));
        call.arg(&doc.name).arg(known).arg(doc.rev);
        call.arg(&doc.text).arg(docs_max);
        let answer = self.call(async |mut connection| {
            let done = call.invoke_async::<u8>(&mut connection).await;
            done.map_err(|_| Down)
        });
        match answer.await? {
            1 => Ok(Written::Done),
            0 => Ok(Written::Conflict),
            2 => Ok(Written::Full),
            _ => Err(Down),
        }
    }

    /// What changed since `place`; `fresh` becomes the epoch of a store that has none.
    ///
    /// # Errors
    /// [`Down`].
    pub async fn changes(&self, place: &Place, fresh: &str) -> Result<Changes, Down> {
        let first = self.page(place.version, fresh).await?;
        let began_anew = !place.epoch.is_empty() && place.epoch != first.place.epoch;
        if !began_anew && first.version >= place.version {
            return Ok(first.changes(false));
        }
        // From the beginning: what was behind the old place is not what is behind it now.
        Ok(self.page(0, fresh).await?.changes(true))
    }

    /// A secret that all replicas share: `fresh`, or what is there already.
    ///
    /// # Errors
    /// [`Down`].
    pub async fn secret(&self, name: &str, fresh: &str) -> Result<String, Down> {
        let key = self.key(name);
        self.call(async |mut connection| {
            let mut set = redis::cmd("SET");
            set.arg(&key).arg(fresh).arg("NX");
            // Nothing if there was one.
            let set = set.query_async::<Option<String>>(&mut connection).await;
            set.map_err(|_| Down)?;
            let get = redis::cmd("GET").arg(&key).to_owned();
            get.query_async(&mut connection).await.map_err(|_| Down)
        })
        .await
    }

    fn key(&self, part: &str) -> String {
        format!("{}:{part}", self.name)
    }

    async fn page(&self, since: u64, fresh: &str) -> Result<Page, Down> {
        let mut call = self.changes.key(self.key("docs"));
        call.key(self.key("order")).key(self.key("version"));
        call.key(self.key("epoch"));
        call.arg(since).arg(PAGE).arg(fresh);
        let answer = self.call(async |mut connection| {
            let answer = call.invoke_async::<Vec<String>>(&mut connection).await;
            answer.map_err(|_| Down)
        });
        Page::read(answer.await?, since).ok_or(Down)
    }

    /// Makes a call, over the connection there is or a new one; what fails ends the connection.
    async fn call<T>(
        &self,
        call: impl AsyncFnOnce(Connection) -> Result<T, Down>,
    ) -> Result<T, Down> {
        let done = timeout(PATIENCE, async {
            let kept = self.kept().clone();
            let connection = match kept {
                Some(connection) => connection,
                None => {
                    let fresh = self.store.connect(PATIENCE).await.map_err(|_| Down)?;
                    *self.kept() = Some(fresh.clone());
                    fresh
                }
            };
            call(connection).await
        });
        let done = done.await.unwrap_or(Err(Down));
        if done.is_err() {
            *self.kept() = None;
        }
        done
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Option<Connection>> {
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Shelf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Shelf({})", self.name)
    }
}

/// What shelf_changes.lua answered.
struct Page {
    docs: Vec<Doc>,
    /// Where the last of them stands.
    place: Place,
    /// Where the store stands.
    version: u64,
}

impl Page {
    fn read(answer: Vec<String>, since: u64) -> Option<Self> {
        let mut parts = answer.into_iter();
        let epoch = parts.next()?;
        let version = parts.next()?.parse().ok()?;
        let mut docs = Vec::new();
        let mut last = since;
        while let Some(name) = parts.next() {
            last = parts.next()?.parse().ok()?;
            let text = parts.next()?;
            // One whose text is gone was taken away by hand: nothing can be said of it.
            if let Some((rev, text)) = text.split_once(' ') {
                docs.push(Doc {
                    name,
                    rev: rev.parse().ok()?,
                    text: text.to_owned(),
                });
            }
        }
        Some(Self {
            docs,
            place: Place {
                epoch,
                version: last,
            },
            version,
        })
    }

    fn changes(self, lost: bool) -> Changes {
        Changes {
            more: self.place.version < self.version && !self.docs.is_empty(),
            docs: self.docs,
            place: self.place,
            lost,
        }
    }
}
