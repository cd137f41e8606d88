//! What is done beside the requests: look for room on the disk, make files ahead, obey orders to shred.
//!
//! One plain thread. Must never know what a body holds.
//! Invariants: a change from room to none and back is an event of the journal, and so is a sync that failed; the thread ends
//! with the last holder of the bodies.

use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use super::super::{Event, Journal, What, locked};
use super::Bodies;

/// Time between two rounds: how long a gateway may take to let go of a shredded key.
const EVERY: Duration = Duration::from_millis(250);

#[derive(Default)]
pub(super) struct Upkeep {
    bell: Arc<Bell>,
}

#[derive(Default)]
struct Bell {
    ended: Mutex<bool>,
    rung: Condvar,
}

impl Drop for Upkeep {
    fn drop(&mut self) {
        *locked(&self.bell.ended) = true;
        self.bell.rung.notify_all();
    }
}

pub(super) fn start(bodies: &Arc<Bodies>, journal: &Arc<Journal>) -> io::Result<()> {
    sync_with(bodies, journal);
    let bell = Arc::clone(&bodies.upkeep.bell);
    let weak: Weak<Bodies> = Arc::downgrade(bodies);
    let journal: Weak<Journal> = Arc::downgrade(journal);
    thread::Builder::new()
        .name("bodies".to_owned())
        .spawn(move || {
            loop {
                let ended = locked(&bell.ended);
                let (ended, _) = bell
                    .rung
                    .wait_timeout_while(ended, EVERY, |ended| !*ended)
                    .unwrap_or_else(PoisonError::into_inner);
                if *ended {
                    return;
                }
                drop(ended);
                let (Some(bodies), Some(journal)) = (weak.upgrade(), journal.upgrade()) else {
                    return;
                };
                bodies.round(&journal);
            }
        })?;
    Ok(())
}

/// Bodies are synced whenever the journal is.
fn sync_with(bodies: &Arc<Bodies>, journal: &Arc<Journal>) {
    let (weak, told) = (Arc::downgrade(bodies), Arc::downgrade(journal));
    journal.syncs_beside(move || {
        let failed = weak.upgrade().and_then(|bodies| bodies.sync().err());
        if let Some((error, journal)) = failed.zip(told.upgrade()) {
            let detail = format!(
                "bodies could not be synced ({}): a power cut may lose the last ones",
                error.kind()
            );
            note(&journal, What::SyncFailed, &detail);
        }
    });
}

impl Bodies {
    fn round(&self, journal: &Journal) {
        // What cannot be obeyed now is tried again in the next round.
        let _ = self.keys.obey();
        self.look_for_room(journal);
        // Where no file can be made, bodies are dropped and their records say so.
        let _ = self.files.prepare_more(self.clock.wall_ms());
    }

    fn look_for_room(&self, journal: &Journal) {
        let Ok(found) = rustix::fs::statvfs(&self.settings.dir) else {
            return;
        };
        let free = found.f_bavail.saturating_mul(found.f_frsize);
        let room = free >= self.settings.room_bytes;
        let before = self.files.set_room(room);
        if before != room {
            let detail = if room {
                "there is room for bodies again"
            } else {
                "no room for bodies: they are dropped, records go on"
            };
            note(journal, What::PayloadDropped, detail);
        }
    }
}

fn note(journal: &Journal, what: What, detail: &str) {
    // What cannot be written is seen in the journal's state.
    let _ = journal.note(&Event {
        what,
        detail,
        ..Event::default()
    });
}
