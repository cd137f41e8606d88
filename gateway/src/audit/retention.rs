//! Lets go of what the audit log need not keep any longer, once a minute.
//!
//! What goes is the journal's decision; this knows what else needs the log: a checkpoint must cover it, and every reader
//! that keeps a cursor beside it (lake, SIEM) must have read it. Invariants: what no checkpoint covers never goes; a cursor
//! that cannot be read holds everything back.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use journal::Retention;
use journal::tree::TreeDir;
use journal::tree::checkpoint::Signed;
use serde_json::Value;

use crate::config::load::read_bounded;
use crate::config::schema::Audit;
use crate::config::units::Span;
use crate::tasks;
use crate::worker::Shared;

/// Pause between two rounds.
const EVERY: Duration = Duration::from_secs(60);
/// Longest checkpoint or cursor.
const STATE_BYTES_MAX: u64 = 1 << 20;
/// Where readers keep their cursors, in the log's directory.
const CURSORS: &str = "cursors";
/// Most cursors that are looked at; with more, nothing goes.
const CURSORS_MAX: usize = 256;

/// Starts the rounds, on the control runtime.
pub fn start(shared: &Arc<Shared>) {
    let shared = Arc::clone(shared);
    tasks::detach(async move {
        loop {
            tokio::time::sleep(EVERY).await;
            let shared = Arc::clone(&shared);
            // Waits for a sync, and reads and removes files.
            let round = tokio::task::spawn_blocking(move || round(&shared));
            if round.await.is_err() {
                tracing::error!("retention of the audit log panicked");
            }
        }
    });
}

fn round(shared: &Shared) {
    let audit = &shared.store.load().audit;
    let kept_from = keep_from(Path::new(&audit.dir));
    match shared.journal.retire(&retention(audit), kept_from) {
        Ok(retired) => {
            let meters = &shared.metrics.audit;
            meters
                .bytes
                .set(i64::try_from(retired.bytes).unwrap_or(i64::MAX));
            meters.retired.inc_by(retired.segments);
            let was = meters.over_limit.set(i64::from(retired.over));
            if retired.over && was == 0 {
                let bytes = retired.bytes;
                tracing::warn!(
                    bytes,
                    "the audit log is larger than audit.max_bytes, and all of it must be kept: it is too young, not shipped or not signed"
                );
            }
            if retired.segments + retired.bodies > 0 {
                tracing::info!(?retired, "retention of the audit log");
            }
        }
        Err(error) => tracing::warn!(%error, "retention of the audit log"),
    }
}

fn retention(audit: &Audit) -> Retention {
    let ms = |span: Span| i64::try_from(span.0.as_millis()).unwrap_or(i64::MAX);
    Retention {
        age_ms: ms(audit.retention),
        age_min_ms: ms(audit.retention_min),
        bytes_max: audit.max_bytes.map(|most| most.0),
        bodies_age_ms: ms(audit.payload_retention.unwrap_or(audit.retention)),
    }
}

/// Records from this index on are still needed.
fn keep_from(dir: &Path) -> u64 {
    signed_to(dir)
        .unwrap_or(0)
        .min(read_to(&dir.join(CURSORS)).unwrap_or(0))
}

/// How far the last checkpoint reaches.
fn signed_to(dir: &Path) -> Option<u64> {
    let note = read_bounded(&TreeDir::of(dir).checkpoint(), STATE_BYTES_MAX).ok()?;
    Some(Signed::parse(str::from_utf8(&note).ok()?)?.checkpoint.size)
}

/// How far every reader has come; all the way if there is none.
fn read_to(cursors: &Path) -> Option<u64> {
    let mut least = u64::MAX;
    let Ok(entries) = fs::read_dir(cursors) else {
        return Some(least);
    };
    for (count, entry) in entries.enumerate() {
        let path = entry.ok()?.path();
        if path.extension().is_none_or(|kind| kind != "json") {
            continue;
        }
        let text = read_bounded(&path, STATE_BYTES_MAX).ok()?;
        let state: Value = serde_json::from_slice(&text).ok()?;
        least = least.min(least_place(&state)?);
        if count >= CURSORS_MAX {
            return None;
        }
    }
    Some(least)
}

/// The smallest `read_from` anywhere in a cursor's state.
fn least_place(state: &Value) -> Option<u64> {
    let inner: Vec<&Value> = match state {
        Value::Object(fields) => fields.values().collect(),
        Value::Array(list) => list.iter().collect(),
        _ => Vec::new(),
    };
    let own = state.get("read_from").and_then(Value::as_u64);
    inner.into_iter().filter_map(least_place).chain(own).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_signed_or_not_read_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(keep_from(dir.path()), 0, "nothing is signed");
        let tree = dir.path().join("tree");
        fs::create_dir(&tree).unwrap();
        let signer = journal::tree::note::Signer::new(
            "yumen.example/audit",
            journal::tree::note::Use::Log,
            [7; 32],
        )
        .unwrap();
        let text = format!("yumen.example/audit\n90\n{}=\n", "A".repeat(43));
        let signature = signer.sign(&text, 0);
        let note = format!("{text}\n{signature}\n");
        fs::write(tree.join("checkpoint"), &note).unwrap();
        assert_eq!(keep_from(dir.path()), 90, "{note}");
        let cursors = dir.path().join(CURSORS);
        fs::create_dir(&cursors).unwrap();
        fs::write(cursors.join("name"), "0123").unwrap();
        assert_eq!(keep_from(dir.path()), 90);
        fs::write(cursors.join("siem.json"), r#"{"next":80,"read_from":70}"#).unwrap();
        fs::write(
            cursors.join("lake.json"),
            r#"{"at":{"next":60,"read_from":50},"files":[]}"#,
        )
        .unwrap();
        assert_eq!(keep_from(dir.path()), 50);
        fs::write(cursors.join("odd.json"), "half a").unwrap();
        assert_eq!(keep_from(dir.path()), 0);
    }
}
