//! Group commit, for `durability: synced`: who waits for a record to survive a power cut, and the thread that syncs.
//!
//! One sync covers everything written before it began; those who come meanwhile share the next one, which begins at once.
//! So nobody waits for longer than the rest of one sync and the whole of another, and a sync begins no later than its first
//! waiter, which is well within the 5 ms and 1 MiB of threats.md section 9.
//!
//! Without syncs there is still a write to wait for (`Wait::Turn`, `Wait::Opening`): what is said in one turn of a worker's
//! runtime is one write.
//!
//! Must never know what a record says, or block whoever waits: waiting is a `Future`, woken by the thread.
//! Invariants: nobody is told "durable" of an index at or above the bound of a sync that succeeded; after a sync that failed
//! nobody ever is again; whoever waits is answered within a sync, or `SLOW_NS` and a round of upkeep.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::thread::{self, JoinHandle};

use super::segment::Place;
use super::{Error, Health, Journal, locked};

/// A sync that takes longer than this refuses those who wait and those who come: threats.md section 10.
const SLOW_NS: u64 = 1_000_000_000;

/// What a record survives before its request goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// The end of the process; a power cut may take the last second.
    #[default]
    Written,
    /// A power cut.
    Synced,
}

/// Who waits, and how far the disk is.
#[derive(Default)]
pub(super) struct Commit {
    asked: Mutex<Asked>,
    rung: Condvar,
    /// Records below this index are durable.
    durable_to: AtomicU64,
    /// Monotonic time at which the sync began that runs; 0 if none does.
    since_ns: AtomicU64,
    slow: AtomicBool,
}

#[derive(Default)]
struct Asked {
    ended: bool,
    /// A sync is wanted for indices below this.
    wanted_to: u64,
    /// The last sync was for indices below this, however it ended.
    tried_to: u64,
    /// By index. As many as requests are in flight: each waits for one record at a time.
    waiting: BTreeMap<u64, Waker>,
}

impl Commit {
    /// Asks for a sync that covers the record at `index`.
    pub(super) fn want(&self, index: u64) {
        let mut asked = locked(&self.asked);
        if asked.wanted_to <= index {
            asked.wanted_to = index + 1;
            self.rung.notify_one();
        }
    }

    pub(super) fn end(&self) {
        locked(&self.asked).ended = true;
        self.rung.notify_all();
    }

    /// Waits until a sync is wanted; false when there will be none any more.
    fn wait(&self) -> bool {
        let asked = locked(&self.asked);
        let asked = self
            .rung
            .wait_while(asked, |asked| {
                !asked.ended && asked.wanted_to <= asked.tried_to
            })
            .unwrap_or_else(PoisonError::into_inner);
        !asked.ended
    }

    pub(super) fn begins(&self, now_ns: u64) {
        self.since_ns.store(now_ns.max(1), Ordering::Relaxed);
    }

    /// A sync for everything below `bound` ended.
    pub(super) fn ends(&self, bound: u64, sound: bool) {
        self.since_ns.store(0, Ordering::Relaxed);
        self.slow.store(false, Ordering::Relaxed);
        if sound {
            self.durable_to.fetch_max(bound, Ordering::Release);
        }
        let answered = {
            let mut asked = locked(&self.asked);
            asked.tried_to = asked.tried_to.max(bound);
            if sound {
                let later = asked.waiting.split_off(&bound);
                std::mem::replace(&mut asked.waiting, later)
            } else {
                std::mem::take(&mut asked.waiting)
            }
        };
        answered.into_values().for_each(Waker::wake);
    }

    /// Looks whether a sync takes too long, and if so lets nobody wait for it.
    pub(super) fn watch(&self, now_ns: u64) {
        let since_ns = self.since_ns.load(Ordering::Relaxed);
        if since_ns != 0 && now_ns.saturating_sub(since_ns) > SLOW_NS {
            self.slow.store(true, Ordering::Relaxed);
            let waiting = std::mem::take(&mut locked(&self.asked).waiting);
            waiting.into_values().for_each(Waker::wake);
        }
    }

    /// Everything below this index is durable, or will never be.
    pub(super) fn durable_to(&self) -> u64 {
        self.durable_to.load(Ordering::Acquire)
    }

    pub(super) fn is_slow(&self) -> bool {
        self.slow.load(Ordering::Relaxed)
    }
}

/// Starts the thread that syncs.
pub(super) fn start(journal: &Arc<Journal>) -> io::Result<JoinHandle<()>> {
    let commit = Arc::clone(&journal.commit);
    let weak: Weak<Journal> = Arc::downgrade(journal);
    thread::Builder::new()
        .name("journal-sync".to_owned())
        .spawn(move || {
            while commit.wait() {
                let Some(journal) = weak.upgrade() else {
                    return;
                };
                journal.sync();
            }
        })
}

/// A record that somebody waits for: until it is as durable as the config asks, or at least written.
#[derive(Clone)]
pub struct Durable(Wait);

#[derive(Clone)]
enum Wait {
    /// For nothing.
    Nothing,
    /// For a sync that covers the record at this index; `None`: it is not on disk.
    Sync {
        journal: Arc<Journal>,
        index: Option<u64>,
    },
    /// For the write that takes along whatever else is said in this turn of the caller's runtime: who waits lets those
    /// run first who are ready, and who comes back first writes for all.
    Turn {
        journal: Arc<Journal>,
        shard: u8,
        gave_way: bool,
    },
    /// For the write that takes an opening along: who waits makes it, if nobody else has.
    Opening {
        journal: Arc<Journal>,
        shard: u8,
        place: Place,
    },
}

impl Durable {
    /// There is nothing to wait for.
    pub const NOW: Self = Self(Wait::Nothing);

    /// Whether there is nothing to wait for.
    pub fn is_now(&self) -> bool {
        matches!(self.0, Wait::Nothing)
    }

    /// Makes the write of an opening that shares one, if nobody else has: before something else is waited for.
    pub fn write(&self) {
        if let Wait::Opening { journal, shard, .. } = &self.0 {
            journal.flush(usize::from(*shard));
        }
    }

    /// Makes the write of a closing that would share one: where nobody else is about to say anything.
    pub fn hurry(&mut self) {
        if let Wait::Turn { journal, shard, .. } = &self.0 {
            journal.flush(usize::from(*shard));
            // What the disk refused is kept until it takes it.
            self.0 = Wait::Nothing;
        }
    }

    /// Place of the record whose sync is waited for.
    #[cfg(test)]
    pub(crate) fn index(&self) -> Option<u64> {
        match self.0 {
            Wait::Sync { index, .. } => index,
            Wait::Nothing | Wait::Turn { .. } | Wait::Opening { .. } => None,
        }
    }

    /// A closing that waits for the next write to its shard; makes that write itself if nobody else has.
    pub(super) fn turn(journal: Arc<Journal>, shard: u8) -> Self {
        Self(Wait::Turn {
            journal,
            shard,
            gave_way: false,
        })
    }

    /// An opening that shares a write: an error if the disk did not take it.
    pub(super) fn opening(journal: Arc<Journal>, shard: u8, place: Place) -> Self {
        Self(Wait::Opening {
            journal,
            shard,
            place,
        })
    }
}

impl Future for Durable {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Wait::Nothing => Poll::Ready(Ok(())),
            Wait::Sync { journal, index } => match index {
                Some(index) => journal.wait(*index, cx),
                None => Poll::Ready(Err(Error::Failed)),
            },
            Wait::Turn { gave_way, .. } if !*gave_way => {
                *gave_way = true;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Wait::Turn { .. } => {
                self.hurry();
                Poll::Ready(Ok(()))
            }
            Wait::Opening {
                journal,
                shard,
                place,
            } => Poll::Ready(if journal.stands(usize::from(*shard), *place) {
                Ok(())
            } else {
                Err(journal.refusal())
            }),
        }
    }
}

impl Drop for Durable {
    fn drop(&mut self) {
        match &self.0 {
            Wait::Nothing | Wait::Sync { index: None, .. } | Wait::Opening { .. } => {}
            Wait::Sync {
                journal,
                index: Some(index),
            } => {
                locked(&journal.commit.asked).waiting.remove(index);
            }
            Wait::Turn { journal, shard, .. } => journal.flush(usize::from(*shard)),
        }
    }
}

impl fmt::Debug for Durable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Wait::Nothing => f.write_str("Durable(now)"),
            Wait::Sync { index, .. } => write!(f, "Durable({index:?})"),
            Wait::Turn { shard, .. } => write!(f, "Durable(shard {shard})"),
            Wait::Opening { place, .. } => write!(f, "Durable({place:?})"),
        }
    }
}

impl Journal {
    /// The record at `index`, to be awaited until it is as durable as the config asks; `None` is a record that is not on disk.
    pub fn durable(self: &Arc<Self>, index: Option<u64>) -> Durable {
        if self.durability == Durability::Written {
            return Durable::NOW;
        }
        Durable(Wait::Sync {
            journal: Arc::clone(self),
            index,
        })
    }

    pub(super) fn want_durable(&self, index: u64) {
        if self.durability == Durability::Synced {
            self.commit.want(index);
        }
    }

    /// Why an opening that was to share a write is not on disk.
    fn refusal(&self) -> Error {
        match self.health() {
            Health::Full => Error::Full,
            Health::Good | Health::Broken | Health::Unsynced => Error::Failed,
        }
    }

    fn wait(&self, index: u64, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if let Some(answer) = self.answer(index) {
            return Poll::Ready(answer);
        }
        let waker = cx.waker().clone();
        locked(&self.commit.asked).waiting.insert(index, waker);
        // Once more, now that we are in the list: the sync may have ended before.
        match self.answer(index) {
            None => Poll::Pending,
            Some(answer) => {
                locked(&self.commit.asked).waiting.remove(&index);
                Poll::Ready(answer)
            }
        }
    }

    fn answer(&self, index: u64) -> Option<Result<(), Error>> {
        if self.commit.durable_to() > index {
            Some(Ok(()))
        } else if self.health() == Health::Unsynced {
            Some(Err(Error::Failed))
        } else if self.commit.is_slow() {
            Some(Err(Error::Slow))
        } else {
            None
        }
    }
}
