//! Dynamic keys that replicas share: every replica asks twice a second and more what changed.
//!
//! Invariants: while the store is away a replica goes on with what it knows, and says so; what was revoked here meanwhile
//! is told to the store when it is back; if the store lost what it had, a replica that knows it puts it back, never over
//! something newer.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context as _;
use ledger::{Changes, Doc, Down, Place, Shelf, Store, Written};
use tokio::runtime::Handle;

use super::{Access, Backend, DOCS_MAX, Keyring};

/// How often the store is asked what changed. A change is everywhere within this and the time of its way.
const ASK: Duration = Duration::from_millis(400);
/// How long the waits between attempts may grow while it is away.
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// Random bytes of a pepper, and of an epoch.
const RANDOM_BYTES: usize = 32;

/// The store, asked from threads that may wait.
pub(super) struct Shared {
    shelf: Shelf,
    /// Where its sockets are looked after; whoever asks may not be on it.
    runtime: Handle,
}

impl Shared {
    /// To be called inside the runtime that will look after the sockets.
    pub(super) fn new(store: &Store) -> Self {
        Self {
            shelf: Shelf::new(store.clone(), "access"),
            runtime: Handle::current(),
        }
    }

    /// The pepper that replicas share: what is there, else `fresh`.
    pub(super) fn pepper(&self, fresh: String) -> anyhow::Result<String> {
        let pepper = self.runtime.block_on(self.shelf.secret("pepper", &fresh));
        Ok(pepper?)
    }

    pub(super) fn write(&self, doc: &Doc, known: u64) -> anyhow::Result<Written> {
        let written = self
            .runtime
            .block_on(self.shelf.write(doc, known, DOCS_MAX));
        Ok(written?)
    }

    fn changes(&self, place: &Place, fresh: &str) -> Result<Changes, Down> {
        self.runtime.block_on(self.shelf.changes(place, fresh))
    }
}

/// A secret of our own making.
pub(super) fn random_hex() -> anyhow::Result<String> {
    let mut bytes = [0; RANDOM_BYTES];
    aws_lc_rs::rand::fill(&mut bytes).context("no randomness from the system")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Reads the store that replicas share before the first request, if it answers soon: else keys of it are told to come again
/// until it does.
pub async fn read_first(access: &Access) -> Place {
    let asking = access.clone();
    let read = tokio::task::spawn_blocking(move || keep_up(&asking, Place::default()));
    match read.await {
        Ok(Ok(place)) => {
            let keyring = &access.keyring;
            keyring.up.store(true, Ordering::Relaxed);
            place
        }
        Ok(Err(error)) => {
            tracing::warn!(error = %format!("{error:#}"), "keys that replicas share are not known yet");
            Place::default()
        }
        Err(_) => Place::default(),
    }
}

/// Keeps up with the store that replicas share, for as long as it is polled. Ends at once where there is none.
pub async fn follow(access: Access, mut place: Place) {
    if !matches!(access.keyring.backend, Backend::Shared(_)) {
        return;
    }
    let mut pause = ASK;
    loop {
        tokio::time::sleep(pause).await;
        let (asking, from) = (access.clone(), place.clone());
        // Building a table and waiting for the store are no work for the runtime that answers probes.
        let asked = tokio::task::spawn_blocking(move || keep_up(&asking, from)).await;
        let was_up = access.keyring.up.load(Ordering::Relaxed);
        match asked {
            Ok(Ok(at)) => {
                if !was_up {
                    tracing::info!("the store of keys answers");
                }
                access.keyring.up.store(true, Ordering::Relaxed);
                place = at;
                pause = ASK;
            }
            Ok(Err(error)) => {
                if was_up || pause == ASK {
                    tracing::warn!(
                        error = %format!("{error:#}"),
                        "keys go on as they were last known"
                    );
                }
                access.keyring.up.store(false, Ordering::Relaxed);
                pause = (pause * 2).min(PAUSE_MAX);
            }
            Err(_) => tracing::error!("reading the store of keys panicked"),
        }
    }
}

/// Reads all that changed since `place`.
fn keep_up(access: &Access, mut place: Place) -> anyhow::Result<Place> {
    let keyring = &access.keyring;
    let Backend::Shared(shared) = &keyring.backend else {
        return Ok(place);
    };
    let mut fresh = Vec::new();
    let mut lost = false;
    let epoch = random_hex()?;
    loop {
        let changes = shared.changes(&place, &epoch)?;
        lost |= changes.lost;
        place = changes.place;
        fresh.extend(changes.docs);
        if !changes.more {
            break;
        }
    }
    if lost {
        put_back(keyring, &fresh)?;
    }
    let first = !keyring.known().read;
    if !fresh.is_empty() && (lost || keyring.known().salt.is_none()) {
        // A store that began anew may have another one.
        let salt = keyring.salt()?;
        keyring.known().salt = Some(salt);
    }
    if first || !fresh.is_empty() {
        keyring.take_in(&access.store, fresh);
    }
    super::ops::tell_revocations(access)?;
    Ok(place)
}

/// Puts what the store has lost back into it: all that is known here and is newer than what stands there.
fn put_back(keyring: &Keyring, there: &[Doc]) -> anyhow::Result<()> {
    let Backend::Shared(shared) = &keyring.backend else {
        return Ok(());
    };
    let revs: HashMap<&str, u64> = there.iter().map(|doc| (&*doc.name, doc.rev)).collect();
    let (missing, salt) = {
        let known = keyring.known();
        let missing = known.docs.iter().filter_map(|(name, kept)| {
            let rev = revs.get(&**name).copied().unwrap_or(0);
            let doc = Doc {
                name: name.to_string(),
                rev: kept.rev,
                text: kept.text.to_string(),
            };
            (kept.rev > rev).then_some((doc, rev))
        });
        (missing.collect::<Vec<_>>(), known.salt.clone())
    };
    tracing::warn!(
        count = missing.len(),
        "the store of keys lost what it had: it is put back"
    );
    // The pepper first: without it what is put back would mean nothing to others.
    if let Some(made) = salt.and_then(|salt| salt.made) {
        let there = shared.pepper(made.expose().to_owned())?;
        if !made.matches(there.as_bytes()) {
            tracing::error!("the store of keys has another pepper by now: nothing is put back");
            return Ok(());
        }
    }
    for (doc, rev) in missing {
        // Another replica may have been faster: then it stands there.
        let _ = shared.write(&doc, rev)?;
    }
    Ok(())
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let known = self.known();
        write!(f, "Keyring({} documents)", known.docs.len())
    }
}
