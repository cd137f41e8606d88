//! Data keys for requests that must not wait for a disk or a KMS: threads make them, requests await them for a moment.
//!
//! Must never block a runtime. Knows no request.
//! Invariants: a request waits at most [`KEY_WAIT`]; after a failure nobody waits for [`PAUSE`], so that a KMS that is down
//! slows one request and not all; at most [`ASKS_MAX`] wait.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use journal::Journal;
use journal::clock::Clock;
use journal::seal::{Bodies, DataKey, Digest, Kek, LocalKek, Period, Settings};
use tokio::sync::oneshot;

use super::command::CommandKek;
use crate::config::schema::{Audit, Seal, SealPeriod};

/// How long a request waits for its key.
pub const KEY_WAIT: Duration = Duration::from_secs(1);
/// How long nobody waits after a failure.
const PAUSE: Duration = Duration::from_secs(5);
/// Threads that make keys: a sync of the disk each, or a call of a KMS.
const THREADS: usize = 4;
/// Most requests that wait for a key.
const ASKS_MAX: usize = 1024;
/// Free bytes on the disk, beyond twice the reserve, below which bodies are dropped: the records need them.
const ROOM_BYTES: u64 = 64 << 20;

/// Why a body is not kept: there is no key to seal it.
pub const NO_KEY: &str = "key";

/// Keeps bodies, and makes their keys.
pub struct Sealing {
    bodies: Arc<Bodies>,
    kek: Arc<dyn Kek>,
    clock: Arc<dyn Clock>,
    asks: SyncSender<Ask>,
    /// Monotonic ns until which nobody waits.
    down_until_ns: Arc<AtomicU64>,
}

struct Ask {
    subject: Digest,
    answer: oneshot::Sender<Option<Arc<DataKey>>>,
}

impl Sealing {
    /// Opens the directory of `journal`, which has `shards`, and starts the threads. Blocks.
    ///
    /// # Errors
    /// A key that cannot be read, a directory that cannot be used.
    pub fn open(
        audit: &Audit,
        shards: usize,
        journal: &Arc<Journal>,
        clock: &Arc<dyn Clock>,
    ) -> io::Result<Self> {
        let dir = Path::new(&audit.dir);
        let settings = Settings {
            dir: dir.to_owned(),
            shards,
            file_bytes: audit.segment_bytes.0,
            body_bytes: audit.payload_bytes.0,
            buffer_bytes: audit.payload_memory.0,
            room_bytes: audit.reserve_bytes.0 * 2 + ROOM_BYTES,
            period: match audit.seal.period {
                SealPeriod::Month => Period::Month,
                SealPeriod::Day => Period::Day,
            },
        };
        let kek = kek(&audit.seal, dir, true)?;
        let bodies = Bodies::open(settings, Arc::clone(clock), Arc::clone(&kek), journal)?;
        let (asks, asked) = sync_channel(ASKS_MAX);
        let sealing = Self {
            bodies,
            kek,
            clock: Arc::clone(clock),
            asks,
            down_until_ns: Arc::default(),
        };
        let asked = Arc::new(Mutex::new(asked));
        for number in 0..THREADS {
            let maker = Maker {
                bodies: Arc::clone(&sealing.bodies),
                clock: Arc::clone(clock),
                down_until_ns: Arc::clone(&sealing.down_until_ns),
                asked: Arc::clone(&asked),
            };
            thread::Builder::new()
                .name(format!("keys-{number}"))
                .spawn(move || maker.run())?;
        }
        Ok(sealing)
    }

    /// Where bodies are kept.
    pub fn bodies(&self) -> &Arc<Bodies> {
        &self.bodies
    }

    /// What wraps the keys.
    pub fn kek(&self) -> Arc<dyn Kek> {
        Arc::clone(&self.kek)
    }

    /// The key of a subject; `None`: there is none in time, and the body is not to be kept.
    pub async fn key(&self, subject: &Digest) -> Option<Arc<DataKey>> {
        if let Some(key) = self.bodies.key(subject) {
            return Some(key);
        }
        if self.clock.mono_ns() < self.down_until_ns.load(Ordering::Relaxed) {
            return None;
        }
        let (answer, key) = oneshot::channel();
        let ask = Ask {
            subject: *subject,
            answer,
        };
        self.asks.try_send(ask).ok()?;
        tokio::time::timeout(KEY_WAIT, key).await.ok()?.ok()?
    }
}

/// A thread that makes keys.
struct Maker {
    bodies: Arc<Bodies>,
    clock: Arc<dyn Clock>,
    down_until_ns: Arc<AtomicU64>,
    asked: Arc<Mutex<Receiver<Ask>>>,
}

impl Maker {
    /// Ends when nobody can ask any more.
    fn run(&self) {
        loop {
            let ask = {
                let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
                asked.recv()
            };
            let Ok(ask) = ask else { return };
            let key = match self.bodies.make_key(&ask.subject) {
                Ok(key) => Some(key),
                Err(error) => {
                    let pause = u64::try_from(PAUSE.as_nanos()).unwrap_or(u64::MAX);
                    let until = self.clock.mono_ns().saturating_add(pause);
                    self.down_until_ns.store(until, Ordering::Relaxed);
                    tracing::warn!(%error, "no key for payloads: they are not kept, and the records say so");
                    None
                }
            };
            // Who asked may have gone on without it.
            let _ = ask.answer.send(key);
        }
    }
}

/// What wraps data keys, as the config says. `make`: where it names nothing, the directory gets a key of its own.
///
/// # Errors
/// A key that cannot be read or made.
pub fn kek(seal: &Seal, dir: &Path, make: bool) -> io::Result<Arc<dyn Kek>> {
    if let Some(key) = &seal.key {
        let key = LocalKek::parse(key.expose());
        let key = key.ok_or_else(|| io::Error::other("audit.seal.key is no key"))?;
        return Ok(Arc::new(key));
    }
    if !seal.command.is_empty() {
        let kek = CommandKek::new(seal.command.clone(), seal.timeout.0);
        return Ok(Arc::new(kek));
    }
    Ok(Arc::new(LocalKek::of_dir(dir, make)?))
}
