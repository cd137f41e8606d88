//! Metrics of the audit log's tree and of where its checkpoints go.
//!
//! Knows names and labels. Invariants: labels are kinds and places in the config, never hosts or keys.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::series::Family;

/// The tree, and the families of the places.
#[derive(Debug, Clone)]
pub struct TreeMeters {
    /// Leaves of the tree.
    pub size: Gauge,
    /// 1 while checkpoints can be signed.
    pub sound: Gauge,
    /// 1 once damage or a contradiction was seen.
    pub corrupt: Gauge,
    signed_at: Gauge,
    signed_size: Arc<AtomicI64>,
    lags: Family<Gauge>,
    failures: Family<Counter>,
}

/// One second place or witness.
#[derive(Debug, Clone)]
pub struct PlaceMeters {
    lag: Gauge,
    failures: Counter,
    signed_size: Arc<AtomicI64>,
}

impl TreeMeters {
    /// Makes the metrics and enters them.
    #[must_use]
    pub fn new(registry: &mut Registry) -> Self {
        let meters = Self {
            size: Gauge::default(),
            sound: Gauge::default(),
            corrupt: Gauge::default(),
            signed_at: Gauge::default(),
            signed_size: Arc::default(),
            lags: Family::new(&["place"], Gauge::default),
            failures: Family::new(&["place"], Counter::default),
        };
        for (name, help, gauge) in [
            (
                "yumen_audit_tree_size",
                "Entries in the audit log's tree",
                &meters.size,
            ),
            (
                "yumen_audit_tree_state",
                "1 while checkpoints can be signed",
                &meters.sound,
            ),
            (
                "yumen_audit_corrupt",
                "1 once the audit log was seen to be damaged, or to contradict a checkpoint",
                &meters.corrupt,
            ),
            (
                "yumen_audit_checkpoint_timestamp_seconds",
                "When the last checkpoint was signed",
                &meters.signed_at,
            ),
        ] {
            registry.register(name, help, gauge.clone());
        }
        registry.register(
            "yumen_audit_anchor_lag",
            "Entries that the last checkpoint covers and the last one at this place does not",
            meters.lags.clone(),
        );
        registry.register(
            "yumen_audit_anchor_failures",
            "Failed attempts to bring a checkpoint to this place",
            meters.failures.clone(),
        );
        meters
    }

    /// A checkpoint was signed.
    pub fn signed(&self, size: u64, seconds: i64) {
        let size = i64::try_from(size).unwrap_or(i64::MAX);
        self.signed_size.store(size, Ordering::Relaxed);
        self.signed_at.set(seconds);
    }

    /// The meters of a place: its kind and its place in the config.
    #[must_use]
    pub fn place(&self, name: &str) -> PlaceMeters {
        PlaceMeters {
            lag: self.lags.at(&[name]),
            failures: self.failures.at(&[name]),
            signed_size: Arc::clone(&self.signed_size),
        }
    }
}

impl PlaceMeters {
    /// The place has a checkpoint of this size.
    pub fn reached(&self, size: u64) {
        let size = i64::try_from(size).unwrap_or(i64::MAX);
        let signed = self.signed_size.load(Ordering::Relaxed);
        self.lag.set((signed - size).max(0));
    }

    /// There is a newer checkpoint than the one it has.
    pub fn behind(&self, size: u64) {
        self.reached(size);
    }

    /// An attempt failed.
    pub fn failed(&self) {
        self.failures.inc();
    }
}
