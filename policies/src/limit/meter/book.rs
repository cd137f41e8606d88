//! The book of a process's meters: made when they are first asked for, found again by name, forgotten when idle.
//!
//! Invariants: of one name there is one state, so a reload changes amounts and keeps what was used; what is looked at is not
//! remembered for it; a meter is forgotten only when nobody holds it and it has nothing to tell.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::{Limit, Meter, Owner};
use crate::limit::level::{Now, Window};

/// All meters of the process, by name. Asked when a config loads, and when a user is seen for the first time.
#[derive(Debug, Default)]
pub struct Meters {
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    by_name: HashMap<Box<str>, Arc<Meter>>,
    made: u64,
    /// Limits of keys, each list once: most keys have the same as many others.
    lists: HashSet<Arc<[Limit]>>,
}

/// A key's own limits, whose meters are made when they are first used: of many keys few ask.
pub struct Purse {
    book: Arc<Meters>,
    limits: Arc<[Limit]>,
    made: OnceLock<Box<[Arc<Meter>]>>,
}

impl Purse {
    /// Of these limits; `None` if there are none.
    #[must_use]
    pub fn new(book: &Arc<Meters>, limits: &[Limit]) -> Option<Self> {
        (!limits.is_empty()).then(|| Self {
            book: Arc::clone(book),
            limits: book.list(limits),
            made: OnceLock::new(),
        })
    }

    /// The limits.
    #[must_use]
    pub fn limits(&self) -> &[Limit] {
        &self.limits
    }

    /// Their meters, of the key called `id`.
    #[must_use]
    pub fn meters(&self, id: &str) -> &[Arc<Meter>] {
        self.made.get_or_init(|| {
            let meter = |limit: &Limit| self.book.meter(Owner::Key(id.into()), *limit);
            self.limits.iter().map(meter).collect()
        })
    }

    /// The same to look at: what was never used is not remembered for it.
    #[must_use]
    pub fn shown(&self, id: &str) -> Vec<Arc<Meter>> {
        let meter = |limit: &Limit| self.book.shown(Owner::Key(id.into()), *limit);
        self.limits.iter().map(meter).collect()
    }
}

impl Clone for Purse {
    fn clone(&self) -> Self {
        Self {
            book: Arc::clone(&self.book),
            limits: Arc::clone(&self.limits),
            made: OnceLock::new(),
        }
    }
}

impl fmt::Debug for Purse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Purse({} limits)", self.limits.len())
    }
}

impl Meters {
    /// The meter of `owner` for `limit`, with what was used of it before.
    #[must_use]
    pub fn meter(&self, owner: Owner, limit: Limit) -> Arc<Meter> {
        let name = name_of(&owner, &limit);
        let mut book = self.lock();
        let old = book.by_name.get(&*name).cloned();
        if let Some(same) = old.as_ref().filter(|old| old.limit == limit) {
            return Arc::clone(same);
        }
        book.made += 1;
        let made = Meter::made(owner, limit, name.clone(), old.as_deref(), book.made);
        let new = Arc::new(made);
        book.by_name.insert(name, Arc::clone(&new));
        new
    }

    /// The meter of `owner` for `limit` as it stands; if there is none, one that nobody else will ever see.
    fn shown(&self, owner: Owner, limit: Limit) -> Arc<Meter> {
        let name = name_of(&owner, &limit);
        let book = self.lock();
        match book.by_name.get(&*name) {
            Some(same) if same.limit == limit => Arc::clone(same),
            old => Arc::new(Meter::made(owner, limit, name, old.map(|old| &**old), 0)),
        }
    }

    /// A list of limits, shared with all who have the same.
    fn list(&self, limits: &[Limit]) -> Arc<[Limit]> {
        let mut book = self.lock();
        if let Some(same) = book.lists.get(limits) {
            return Arc::clone(same);
        }
        let list: Arc<[Limit]> = limits.into();
        book.lists.insert(Arc::clone(&list));
        list
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All meters, in the order of their names.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Meter>> {
        let book = self.lock();
        let mut all: Vec<_> = book.by_name.values().cloned().collect();
        all.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// Forgets meters that no snapshot and no request holds any more and that have nothing to tell: what somebody has spent
    /// is still spent when they are heard of again. Called after a reload, so that names cannot pile up.
    pub fn prune(&self, now: Now) {
        let mut book = self.lock();
        book.lists.retain(|list| Arc::strong_count(list) > 1);
        book.by_name.retain(|_, meter| {
            // A request begun before a reload holds the old meter, whose state is this one's.
            Arc::strong_count(meter) > 1
                || Arc::strong_count(&meter.state) > 1
                || !meter.is_idle(now)
        });
    }
}

fn name_of(owner: &Owner, limit: &Limit) -> Box<str> {
    let window = match limit.window {
        Window::Rolling(ns) => format!("{}s", ns / 1_000_000_000),
        Window::Calendar(period) => period.as_str().to_owned(),
        Window::Held => "now".to_owned(),
    };
    let (level, unit) = (owner.level(), limit.unit.as_str());
    format!("{level}/{}/{unit}/{window}", owner.name()).into()
}
