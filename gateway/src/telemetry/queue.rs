//! Meters of requests that wait for a provider.
//!
//! Knows names of the config as labels.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

use super::metrics::Maker;
use super::series::{Family, Timer};

/// From a turn that comes at once to the longest wait that a config may allow.
const WAIT_S: [f64; 13] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0,
];

/// The metrics, by provider.
#[derive(Debug)]
pub(super) struct QueueFamilies {
    pub(super) depth: Family<Gauge>,
    pub(super) wait: Family<Timer>,
    pub(super) turned: Family<Counter>,
}

/// Those of one provider.
#[derive(Clone, Debug)]
pub struct QueueMeters {
    /// Requests that wait now.
    pub depth: Gauge,
    /// How long those waited that had their turn.
    pub wait: Timer,
    /// Refused because as many wait as may.
    pub full: Counter,
    /// Refused because their turn would come too late, or came too late.
    pub late: Counter,
}

impl QueueFamilies {
    pub(super) fn new(m: &mut Maker) -> Self {
        Self {
            depth: m.gauges(
                "yumen_queue_depth",
                "Requests that wait for room at a provider",
                &["provider"],
            ),
            wait: m.enter(
                "yumen_queue_wait_seconds",
                "How long those waited that had their turn",
                Family::new(&["provider"], || Timer::new(&WAIT_S)),
            ),
            turned: m.counters(
                "yumen_queue_refused",
                "Requests that could not wait: the queue was full, or their turn too late",
                &["provider", "reason"],
            ),
        }
    }

    pub(super) fn of(&self, provider: &str) -> QueueMeters {
        QueueMeters {
            depth: self.depth.at(&[provider]),
            wait: self.wait.at(&[provider]),
            full: self.turned.at(&[provider, "full"]),
            late: self.turned.at(&[provider, "late"]),
        }
    }
}
