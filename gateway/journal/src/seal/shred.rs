//! Destroying a subject's keys, and with them all that was sealed for it.
//!
//! Whoever shreds leaves an order; a live gateway lets go of the keys that it holds, destroys what is left, and takes the
//! order away. An order that a crash left is carried out at the next start.
//!
//! Must never know who the subject is.
//! Invariants: a key file is overwritten and synced before its name goes, and the directory is synced before it is said
//! to be gone; an order outlives a crash. (What a copy-on-write file system or a backup still holds is theirs to forget.)

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::super::LOCK;
use super::KEYS;
use super::keys::{SUFFIX, make_dir, sync_dir, write_durably};
use super::print::{Digest, hex, unhex};

/// Name of the directory of orders.
const ORDERS: &str = "shred";
/// How long a live gateway may take to let go, and how often that is looked at.
const WAIT_MAX: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What was destroyed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shredded {
    /// Names of the keys: period and id.
    pub keys: Vec<String>,
    /// Whether a gateway that serves still has to let go of a key in memory: it did not answer in time.
    pub pending: bool,
}

/// Destroys a subject's keys in the log at `dir`, and waits until a live gateway has let go of them.
/// To be called after the event was written down.
///
/// # Errors
/// If something could not be destroyed; the order stays, so that the next start tries again.
pub fn shred(dir: &Path, subject: &Digest) -> io::Result<Shredded> {
    let keys = dir.join(KEYS);
    make_dir(&keys.join(ORDERS))?;
    let order = keys.join(ORDERS).join(hex(subject));
    write_durably(&order, b"")?;
    let mut done = Shredded {
        keys: destroy(&keys, subject)?,
        pending: false,
    };
    let mut waited = Duration::ZERO;
    while order.try_exists()? {
        if !is_locked(dir)? {
            // Nobody serves, so nobody holds a key.
            remove_if_there(&order)?;
            break;
        }
        if waited >= WAIT_MAX {
            done.pending = true;
            break;
        }
        thread::sleep(LOOK_EVERY);
        waited += LOOK_EVERY;
    }
    Ok(done)
}

/// Whether a gateway has the log open.
fn is_locked(dir: &Path) -> io::Result<bool> {
    let lock = match File::open(dir.join(LOCK)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        other => other?,
    };
    match lock.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// The orders that lie in the directory of keys.
pub(super) fn orders(keys: &Path) -> io::Result<Vec<(Digest, PathBuf)>> {
    let entries = match fs::read_dir(keys.join(ORDERS)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    Ok(entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let subject = unhex(path.file_name()?.to_str()?)?;
            Some((subject, path))
        })
        .collect())
}

/// Destroys the key files of a subject; returns their names.
pub(super) fn destroy(keys: &Path, subject: &Digest) -> io::Result<Vec<String>> {
    let dir = keys.join(hex(subject));
    let entries = match fs::read_dir(&dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut destroyed = Vec::new();
    for entry in entries {
        let path = entry?.path();
        overwrite(&path)?;
        remove_if_there(&path)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if let Some(name) = name.strip_suffix(SUFFIX) {
            destroyed.push(name.to_owned());
        }
    }
    match sync_dir(&dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // A key made meanwhile keeps its directory.
    let _ = fs::remove_dir(&dir);
    sync_dir(keys)?;
    Ok(destroyed)
}

fn overwrite(path: &Path) -> io::Result<()> {
    let mut file = match OpenOptions::new().write(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    let bytes = usize::try_from(file.metadata()?.len()).unwrap_or(0);
    file.write_all(&vec![0; bytes.min(1 << 16)])?;
    file.sync_all()
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
