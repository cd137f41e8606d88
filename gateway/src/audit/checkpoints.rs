//! The log's checkpoints: a thread of its own that grows the tree beside the journal and signs it in time, and what carries
//! the checkpoints away from this host (`away`).
//!
//! Must never be in a request's way, or make the gateway unready: what it cannot do is logged and counted.
//! Invariants: the thread waits for nothing but the disk and its clock, and rests as long as it adds leaves; whoever carries
//! checkpoints away sees the newest only, so nothing queues; after a shutdown that went well the last checkpoint covers the last record.

pub mod away;
mod post;

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use journal::tree::checkpoint::Signed;
use journal::tree::note::{Signer, Verifier};
use journal::tree::{Error, Grower, KeySource, Step, open_key};
use journal::{Event, Journal, What};
use tokio::runtime::Runtime;
use tokio::sync::{oneshot, watch};

use crate::config::schema;
use crate::tasks;
use crate::telemetry::tree::TreeMeters;
use away::Away;

/// How often the thread looks for new records; also the least time between two checkpoints.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Leaves added before the thread looks at the time again.
const BUDGET: usize = 4096;
/// Longest rest after so many leaves: a disk that is slow is not waited for twice.
const REST_MAX: Duration = Duration::from_millis(50);
/// Time between two attempts after a failure.
const RETRY_EVERY: Duration = Duration::from_secs(10);
/// Messages to the thread that may wait; who sends more waits, and that is only who carries cosignatures.
const MESSAGES_MAX: usize = 16;
/// How long a shutdown waits for second places.
const FAREWELL_MAX: Duration = Duration::from_secs(3);

/// What the thread is told.
enum Message {
    /// A checkpoint with cosignatures, verified, and whose they are.
    Cosigned(Box<Signed>, Verifier),
    /// The journal is shut down: sign the rest, and say how many entries the last checkpoint covers.
    Last(oneshot::Sender<u64>),
    /// Nothing more will come.
    End,
}

/// The newest checkpoint, for whoever carries it away.
type Newest = watch::Receiver<Option<Arc<Signed>>>;

/// The running thread.
pub struct Checkpoints {
    thread: JoinHandle<()>,
    messages: SyncSender<Message>,
    away: Away,
}

impl Checkpoints {
    /// Reads or makes the key, and starts the thread and the tasks that carry checkpoints away.
    ///
    /// # Errors
    /// A key that cannot be used, or no thread.
    pub fn start(
        journal: &Arc<Journal>,
        audit: &schema::Audit,
        meters: &TreeMeters,
        control: &Runtime,
    ) -> anyhow::Result<Self> {
        let settings = &audit.checkpoint;
        let source = KeySource {
            key: settings.key.as_ref().map(|key| key.expose().to_owned()),
            origin: settings.origin.clone(),
        };
        let dir = Path::new(&audit.dir);
        let (signer, changed) =
            open_key(dir, &source).context("the key that signs the audit log's checkpoints")?;
        if changed {
            let detail = format!("checkpoints are signed by {}", signer.verifier());
            // What cannot be written is seen in the journal's state.
            let _ = journal.note(&Event {
                what: What::CheckpointKey,
                detail: &detail,
                ..Event::default()
            });
        }
        let (messages, inbox) = sync_channel(MESSAGES_MAX);
        let (tell, newest) = watch::channel(None);
        let away = {
            let _inside = control.enter();
            Away::start(dir, settings, &newest, &messages, meters)?
        };
        let keeper = Keeper {
            journal: Arc::clone(journal),
            dir: dir.into(),
            signer: Some(signer),
            source,
            grower: None,
            every: settings.every.0,
            entries: settings.entries,
            signed_at: None,
            retry_at: None,
            meters: meters.clone(),
            tell,
        };
        let thread = std::thread::Builder::new()
            .name("audit-tree".to_owned())
            .spawn(move || {
                tasks::steps_back();
                keeper.run(&inbox);
            })?;
        Ok(Self {
            thread,
            messages,
            away,
        })
    }

    /// Signs what the journal wrote before it was shut down, gives it a moment to leave the host, and ends the thread.
    pub fn finish(self, control: &Runtime) {
        let (tell, told) = oneshot::channel();
        if self.messages.send(Message::Last(tell)).is_ok() {
            control.block_on(async {
                let gone = async {
                    let size = told.await.unwrap_or(0);
                    self.away.reached(size).await;
                };
                if tokio::time::timeout(FAREWELL_MAX, gone).await.is_err() {
                    tracing::warn!("the last checkpoint did not reach every second place");
                }
            });
        }
        if self.messages.send(Message::End).is_ok() {
            let _ = self.thread.join();
        }
    }
}

/// The thread's own.
struct Keeper {
    journal: Arc<Journal>,
    dir: Box<Path>,
    signer: Option<Signer>,
    source: KeySource,
    grower: Option<Grower>,
    every: Duration,
    entries: u64,
    signed_at: Option<Instant>,
    retry_at: Option<Instant>,
    meters: TreeMeters,
    tell: watch::Sender<Option<Arc<Signed>>>,
}

impl Keeper {
    fn run(mut self, inbox: &Receiver<Message>) {
        loop {
            match inbox.recv_timeout(LOOK_EVERY) {
                Ok(Message::Cosigned(signed, by)) => self.keep(*signed, by),
                Ok(Message::Last(tell)) => {
                    self.retry_at = None;
                    self.round(true);
                    let last = self.grower.as_ref().and_then(Grower::signed);
                    let _ = tell.send(last.map_or(0, |last| last.checkpoint.size));
                }
                Err(RecvTimeoutError::Timeout) => self.round(false),
                Ok(Message::End) | Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Grows the tree as far as it may, and signs it when it is time, or at the end in any case.
    fn round(&mut self, last: bool) {
        if self.retry_at.is_some_and(|at| Instant::now() < at) {
            return;
        }
        self.retry_at = None;
        if let Err(error) = self.try_round(last) {
            self.retry_at = Some(Instant::now() + RETRY_EVERY);
            self.meters.sound.set(0);
            if matches!(error, Error::Contradiction(_)) {
                self.meters.corrupt.set(1);
            }
            tracing::error!(%error, "audit log: no checkpoint can be signed");
        }
    }

    fn try_round(&mut self, last: bool) -> Result<(), Error> {
        self.open()?;
        loop {
            let frontier = self.journal.synced_frontier();
            let Some(grower) = self.grower.as_mut() else {
                return Ok(());
            };
            let from = Instant::now();
            let step = grower.grow(frontier, BUDGET)?;
            let worked = from.elapsed();
            if let Step::Damage(damage) = &step {
                self.meters.corrupt.set(1);
                tracing::error!(?damage, "audit log: bytes that are no record");
            }
            let done = step == Step::Done;
            self.meters.size.set(number(grower.size()));
            if last && done || self.is_due() {
                self.sign()?;
            }
            if done {
                self.meters.sound.set(1);
                return Ok(());
            }
            if !last {
                // Half a core at most, whatever there is to catch up with: requests come first.
                std::thread::sleep(worked.min(REST_MAX));
            }
        }
    }

    fn open(&mut self) -> Result<(), Error> {
        if self.grower.is_some() {
            return Ok(());
        }
        let signer = match self.signer.take() {
            Some(signer) => signer,
            // An attempt before this one has used it up.
            None => {
                open_key(&self.dir, &self.source)
                    .map_err(|error| Error::Contradiction(error.to_string()))?
                    .0
            }
        };
        let (grower, opened) = Grower::open(&self.dir, signer)?;
        if opened.rebuilt {
            tracing::warn!(
                size = opened.size,
                "audit log: tiles were made anew from the segments"
            );
        }
        if let Some(signed) = grower.signed() {
            self.tell.send_replace(Some(Arc::new(signed.clone())));
        }
        self.grower = Some(grower);
        Ok(())
    }

    fn is_due(&self) -> bool {
        let Some(grower) = &self.grower else {
            return false;
        };
        let before = grower.signed().map_or(0, |last| last.checkpoint.size);
        let grown = grower.size() - before;
        let since = self.signed_at.map(|at| at.elapsed());
        // The first of a run follows at once: it says that the run began.
        since
            .is_none_or(|since| since >= self.every || grown >= self.entries && since >= LOOK_EVERY)
            && grown > 0
    }

    fn sign(&mut self) -> Result<(), Error> {
        let Some(grower) = self.grower.as_mut() else {
            return Ok(());
        };
        if let Some(signed) = grower.sign()? {
            let signed = Arc::new(signed.clone());
            self.meters
                .signed(signed.checkpoint.size, self.journal_seconds());
            self.tell.send_replace(Some(signed));
        }
        self.signed_at = Some(Instant::now());
        Ok(())
    }

    fn journal_seconds(&self) -> i64 {
        std::time::UNIX_EPOCH
            .elapsed()
            .map_or(0, |since| number(since.as_secs()))
    }

    fn keep(&mut self, signed: Signed, by: Verifier) {
        let Some(grower) = self.grower.as_mut() else {
            return;
        };
        if let Err(error) = grower.keep_cosigned(signed, &[by]) {
            tracing::warn!(%error, "audit log: a cosignature could not be kept");
        }
    }
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
