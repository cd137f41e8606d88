//! Meters of what copies the audit log elsewhere.
//!
//! Knows names of the config as labels, nothing of protocols.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

use super::metrics::Maker;
use super::series::Family;

/// The metrics, by receiver.
#[derive(Debug)]
pub(super) struct ExportFamilies {
    pub(super) behind: Family<Gauge>,
    pub(super) age: Family<Gauge>,
    pub(super) rows: Family<Counter>,
    pub(super) errors: Family<Counter>,
}

/// The meters of one receiver.
#[derive(Clone, Debug)]
pub struct ExportMeters {
    /// Records that it does not have yet.
    pub behind: Gauge,
    /// Age of the oldest row that is on its way, in seconds; 0 if it has all.
    pub age: Gauge,
    /// Rows sent, those that were sent again included.
    pub rows: Counter,
    /// Portions that did not arrive.
    pub errors: Counter,
}

impl ExportFamilies {
    pub(super) fn new(m: &mut Maker) -> Self {
        Self {
            behind: m.gauges(
                "yumen_audit_export_lag_records",
                "Records that a receiver of the audit log does not have yet",
                &["to"],
            ),
            age: m.gauges(
                "yumen_audit_export_lag_seconds",
                "Age of the oldest row on its way to a receiver of the audit log",
                &["to"],
            ),
            rows: m.counters(
                "yumen_audit_export_rows",
                "Rows sent to a receiver of the audit log",
                &["to"],
            ),
            errors: m.counters(
                "yumen_audit_export_errors",
                "Portions that a receiver of the audit log did not get",
                &["to"],
            ),
        }
    }

    pub(super) fn to(&self, name: &str) -> ExportMeters {
        ExportMeters {
            behind: self.behind.at(&[name]),
            age: self.age.at(&[name]),
            rows: self.rows.at(&[name]),
            errors: self.errors.at(&[name]),
        }
    }
}
