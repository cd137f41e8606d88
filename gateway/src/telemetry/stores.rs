//! Meters of what the gateway keeps: the audit log, and the store of limits.
//!
//! Counters follow those of the log and of the store's links, when they are looked at.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

use super::metrics::Maker;

/// The audit log.
#[derive(Debug)]
pub struct AuditMeters {
    /// Records written to the journal.
    pub records: Counter,
    /// Failed writes of the journal.
    pub errors: Counter,
    /// Bytes of prompts and replies kept.
    pub payload_bytes: Counter,
    /// Prompts and replies that should have been kept and were not.
    pub payloads_dropped: Counter,
    /// 1 while the journal can be written, 0 while it cannot.
    pub state: Gauge,
    /// Bytes of the log's segments, as retention saw them last.
    pub bytes: Gauge,
    /// 1 while the log is larger than it should be and nothing of it may go.
    pub over_limit: Gauge,
    /// Segments that retention removed.
    pub retired: Counter,
}

impl AuditMeters {
    pub(super) fn new(m: &mut Maker) -> Self {
        Self {
            records: m.counter("yumen_audit_records", "Records written to the journal"),
            errors: m.counter("yumen_audit_errors", "Failed writes of the journal"),
            payload_bytes: m.counter(
                "yumen_audit_payload_bytes",
                "Bytes of prompts and replies kept, as they are on disk",
            ),
            payloads_dropped: m.counter(
                "yumen_audit_payloads_dropped",
                "Prompts and replies that should have been kept and were not: the records say why",
            ),
            state: m.gauge("yumen_audit_state", "1 while the journal can be written"),
            bytes: m.gauge("yumen_audit_bytes", "Bytes of the log's segments"),
            over_limit: m.gauge(
                "yumen_audit_over_limit",
                "1 while the log is larger than audit.max_bytes and must keep all of it",
            ),
            retired: m.counter(
                "yumen_audit_retired_segments",
                "Segments removed by retention",
            ),
        }
    }
}

/// The store of limits.
#[derive(Debug)]
pub struct LedgerMeters {
    /// Questions that the shared store did not answer in time.
    pub failures: Counter,
    /// Settlements dropped for want of room: their estimates stay counted.
    pub dropped: Counter,
    /// 1 while all workers reach the store; always 1 in memory.
    pub up: Gauge,
    /// Gateways that share the store, this one included.
    pub replicas: Gauge,
}

impl LedgerMeters {
    pub(super) fn new(m: &mut Maker) -> Self {
        Self {
            failures: m.counter(
                "yumen_ledger_failures",
                "Questions that the store of limits did not answer in time",
            ),
            dropped: m.counter(
                "yumen_ledger_dropped",
                "Settlements dropped for want of room; their estimates stay counted",
            ),
            up: m.gauge("yumen_ledger_up", "1 while the store of limits is reached"),
            replicas: m.gauge(
                "yumen_ledger_replicas",
                "Gateways that share the store of limits",
            ),
        }
    }
}

/// Brings a counter to where another stands that only grows.
pub fn follow(counter: &Counter, to: u64) {
    counter.inc_by(to.saturating_sub(counter.get()));
}
