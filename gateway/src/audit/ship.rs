//! What copies the log elsewhere: one thread each, with its own runtime, cursor and meters.
//!
//! Never runs on a worker. Invariants: a thread that fails goes on trying, later and later, and the log says why; cursors
//! are saved at most once a second and at the end; at a shutdown the threads have [`STOP_TIME`] to send what is left, and what
//! they cannot send is sent after the next start.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use journal::clock::Clock;
use journal::siem::Source;
use journal::{Journal, Recovery};
use tokio::sync::watch;

use super::cursor::{Cursor, Cursors, LAKE, SIEM};
use super::feed::Feed;
use super::http::Tls;
use super::lake::Lake;
use super::siem::Tool;
use crate::config::snapshot::Snapshot;
use crate::tasks;
use crate::telemetry::export::ExportMeters;
use crate::telemetry::metrics::Metrics;

/// How long the threads have at a shutdown.
const STOP_TIME: Duration = Duration::from_secs(5);
/// Time between two saves of a cursor.
const SAVE_EVERY: Duration = Duration::from_secs(1);
/// First and longest pause after a failure, before jitter.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(60));

/// All copies of the log.
pub struct Shipping {
    stop: watch::Sender<bool>,
    ended: Receiver<()>,
}

/// What a thread is started with.
struct Ground {
    clock: Arc<dyn Clock>,
    dir: PathBuf,
    cursors: Cursors,
    stop: watch::Receiver<bool>,
    /// Dropped with the thread.
    ending: Sender<()>,
}

impl Shipping {
    /// Starts what the config asks for.
    ///
    /// # Errors
    /// A cursor that cannot be read, a directory that cannot be made.
    pub fn start(
        snapshot: &Snapshot,
        (journal, recovery): (&Arc<Journal>, &Recovery),
        clock: &Arc<dyn Clock>,
        metrics: &Metrics,
    ) -> anyhow::Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let (ending, ended) = channel();
        let shipping = Self { stop, ended };
        let audit = &snapshot.audit;
        let dir = PathBuf::from(&audit.dir);
        let cursors = Cursors::open(&dir).context("the audit log's cursors")?;
        let tools = audit.siem.iter().map(|tool| format!("{SIEM}{}", tool.name));
        let used: Vec<String> = audit
            .lake
            .iter()
            .map(|_| LAKE.to_owned())
            .chain(tools)
            .collect();
        cursors.only(&used).context("the audit log's cursors")?;
        if used.is_empty() {
            return Ok(shipping);
        }
        let source = Source {
            replica: audit.replica.clone().unwrap_or_else(host_name),
            log: cursors.log_name().context("the audit log's name")?,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let ground = Ground {
            clock: Arc::clone(clock),
            dir,
            cursors,
            stop: stopped,
            ending,
        };
        if let Some(lake) = &audit.lake {
            let lake = Lake::open(lake, &source, &ground.cursors, recovery.next_index)
                .context("audit.lake")?;
            let lane = ground.lane(LAKE, lake.cursor(), metrics);
            let feed = Feed::new(Arc::clone(journal), &ground.dir, lane.confirmed());
            spawn(LAKE, &ground, lake.run(lane, feed))?;
        }
        for (tool, tls) in audit.siem.iter().zip(&snapshot.siem_tls) {
            let name = format!("{SIEM}{}", tool.name);
            let cursor: Option<Cursor> = ground
                .cursors
                .load(&name)
                .with_context(|| format!("the cursor of `{name}`"))?;
            let tls = Tls {
                client: Arc::clone(&tls.client),
                server_name: tls.server_name.clone(),
            };
            let Some(sender) = Tool::new(tool, tls, source.clone()) else {
                anyhow::bail!("audit.siem `{}` cannot be used", tool.name);
            };
            let cursor = cursor.unwrap_or_default().at_most(recovery.next_index);
            ground.cursors.save(&name, &cursor)?;
            let lane = ground.lane(&name, cursor, metrics);
            let feed = Feed::new(Arc::clone(journal), &ground.dir, lane.confirmed());
            spawn(&name, &ground, sender.run(lane, feed))?;
        }
        Ok(shipping)
    }

    /// Lets the threads send what is left, for a while.
    pub fn stop(&self) {
        self.stop.send_replace(true);
        // The channel closes when the last thread has ended.
        let _ = self.ended.recv_timeout(STOP_TIME);
    }
}

impl Ground {
    fn lane(&self, name: &str, at: Cursor, metrics: &Metrics) -> Lane {
        Lane {
            name: name.to_owned(),
            cursors: self.cursors.clone(),
            clock: Arc::clone(&self.clock),
            stop: self.stop.clone(),
            meters: metrics.export(name),
            confirmed: at,
            saved: at,
            saved_at: Instant::now(),
            oldest_ms: None,
        }
    }
}

impl fmt::Debug for Shipping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shipping")
    }
}

fn spawn(
    name: &str,
    ground: &Ground,
    task: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let ending = ground.ending.clone();
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            tasks::steps_back();
            runtime.block_on(task);
            drop(ending);
        })?;
    Ok(())
}

/// The host's name as the kernel has it.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let allowed = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let name: String = name.trim().chars().filter(allowed).take(64).collect();
    if name.is_empty() {
        "yumen".to_owned()
    } else {
        name
    }
}

/// The state of one copy: how far it is, and how it is doing.
pub struct Lane {
    name: String,
    cursors: Cursors,
    clock: Arc<dyn Clock>,
    stop: watch::Receiver<bool>,
    meters: ExportMeters,
    confirmed: Cursor,
    saved: Cursor,
    saved_at: Instant,
    /// When the oldest row that is on its way was complete.
    oldest_ms: Option<i64>,
}

impl Lane {
    /// Up to where the receiver has everything.
    #[must_use]
    pub fn confirmed(&self) -> Cursor {
        self.confirmed
    }

    /// The receiver has everything below `at`.
    pub fn confirm(&mut self, at: Cursor) {
        if at.next >= self.confirmed.next {
            self.oldest_ms = None;
            self.confirmed = at;
        }
        if self.saved_at.elapsed() >= SAVE_EVERY {
            self.save();
        }
    }

    /// Saves the cursor, if it has moved.
    pub fn save(&mut self) {
        self.saved_at = Instant::now();
        if self.saved == self.confirmed {
            return;
        }
        match self.cursors.save(&self.name, &self.confirmed) {
            Ok(()) => self.is_saved(self.confirmed),
            Err(error) => {
                tracing::warn!(to = self.name, kind = %error.kind(), "cursor of the audit log not saved");
            }
        }
    }

    /// `at` is on disk, by `save` or by what keeps its own file.
    pub fn is_saved(&mut self, at: Cursor) {
        (self.saved, self.confirmed, self.oldest_ms) = (at, at, None);
    }

    /// A portion is on its way whose first row was complete at `oldest_ms`.
    pub fn sending(&mut self, oldest_ms: i64) {
        self.oldest_ms.get_or_insert(oldest_ms);
    }

    /// So many rows arrived.
    pub fn arrived(&self, rows: usize) {
        self.meters.rows.inc_by(rows as u64);
    }

    /// So many records are behind the cursor.
    pub fn lag(&self, behind: u64) {
        self.meters
            .behind
            .set(i64::try_from(behind).unwrap_or(i64::MAX));
        let now = self.clock.wall_ms();
        let age = self
            .oldest_ms
            .map_or(0, |oldest| now.saturating_sub(oldest).max(0) / 1000);
        self.meters.age.set(if behind == 0 { 0 } else { age });
    }

    /// Says what went wrong: at once, then as often as it is tried.
    pub fn failed(&self, why: &dyn fmt::Display, failures: u32) {
        self.meters.errors.inc();
        tracing::warn!(to = self.name, %why, failures, "audit log not delivered; it will be");
    }

    /// Whether the gateway is ending.
    #[must_use]
    pub fn is_over(&self) -> bool {
        *self.stop.borrow()
    }

    /// Waits, unless the gateway is ending.
    pub async fn pause(&mut self, time: Duration) {
        if self.is_over() {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            _ = self.stop.changed() => {}
        }
    }
}

/// Pauses that grow, with jitter, so that replicas do not come back all at once.
#[derive(Debug, Default)]
pub struct Backoff(u32);

impl Backoff {
    /// All is well again.
    pub fn reset(&mut self) {
        self.0 = 0;
    }

    /// Failures in a row.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.0 + 1
    }

    /// The next pause: half to the whole of a doubled one.
    pub fn pause(&mut self) -> Duration {
        let whole = PAUSES.0.saturating_mul(1 << self.0.min(16)).min(PAUSES.1);
        self.0 = self.0.saturating_add(1);
        let mut random = [0];
        // Without random numbers the pause is whole.
        let share = aws_lc_rs::rand::fill(&mut random).map_or(u8::MAX, |()| random[0]);
        whole / 2 + whole / 2 * u32::from(share) / 255
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end_at_a_minute() {
        let mut backoff = Backoff::default();
        let first = backoff.pause();
        assert!((250..=500).contains(&first.as_millis()), "{first:?}");
        let mut last = first;
        for _ in 0..20 {
            last = backoff.pause();
        }
        assert!((30..=60).contains(&last.as_secs()), "{last:?}");
        assert_eq!(backoff.failures(), 22);
        backoff.reset();
        assert!(backoff.pause() <= Duration::from_millis(500));
    }
}
