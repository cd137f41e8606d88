//! The thread that builds the index of the audit log behind the gateway's back.
//!
//! It reads what was written, in small steps, and rests as long as it worked: at most half a core, whatever it has to catch
//! up with. Never on a worker's runtime. Invariants: an index that cannot be built stops nothing else; the log outlives it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use journal::Journal;
use journal::follow::Until;
use journal::index::{Bodies, DIR, Feeder, Index};

use crate::tasks;

/// Records read between two rests: some milliseconds, where no bodies are opened for them.
const STEP_RECORDS: usize = 2048;
/// Rest when there is nothing to do.
const IDLE: Duration = Duration::from_millis(100);
/// Rest after an error.
const PAUSE: Duration = Duration::from_secs(5);

/// Where the index of the log in `audit` is, if the config names no other place.
#[must_use]
pub fn dir(audit: &str, named: Option<&str>) -> PathBuf {
    named.map_or_else(|| Path::new(audit).join(DIR), PathBuf::from)
}

/// Opens the index and starts to build it. Ends when nobody holds the journal any more.
///
/// # Errors
/// A directory that cannot be used.
pub fn start(
    journal: &Arc<Journal>,
    log: &Path,
    dir: &Path,
    bodies: Arc<dyn Bodies>,
) -> std::io::Result<Arc<Index>> {
    let index = Index::open(log, dir)?;
    let feeder = Feeder::new(Arc::clone(&index), bodies);
    let journal = Arc::downgrade(journal);
    thread::Builder::new()
        .name("index".to_owned())
        .spawn(move || {
            tasks::steps_back();
            build(feeder, &journal);
        })?;
    Ok(index)
}

fn build(mut feeder: Feeder, journal: &Weak<Journal>) {
    loop {
        let Some(until) = journal
            .upgrade()
            .map(|journal| Until::Frontier(journal.frontier()))
        else {
            return;
        };
        let from = Instant::now();
        match feeder.step(until, STEP_RECORDS) {
            Ok(true) => thread::sleep(from.elapsed()),
            Ok(false) => thread::sleep(IDLE),
            Err(error) => {
                tracing::warn!(kind = ?error.kind(), "the index of the audit log cannot be built; trying again");
                thread::sleep(PAUSE);
            }
        }
    }
}
