//! Meters of the lists of models that providers give.
//!
//! Knows names of the config as labels.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

use super::metrics::Maker;
use super::series::Family;

/// The metrics, by provider.
#[derive(Debug)]
pub(super) struct DiscoveryFamilies {
    pub(super) models: Family<Gauge>,
    pub(super) failures: Family<Counter>,
}

/// The meters of one provider.
#[derive(Clone, Debug)]
pub struct DiscoveryMeters {
    /// Models that are known of it.
    pub models: Gauge,
    /// Lists that did not come.
    pub failures: Counter,
}

impl DiscoveryFamilies {
    pub(super) fn new(m: &mut Maker) -> Self {
        Self {
            models: m.gauges(
                "yumen_discovered_models",
                "Models that are known of a provider by its own list",
                &["provider"],
            ),
            failures: m.counters(
                "yumen_discovery_failures",
                "Lists of models that did not come",
                &["provider"],
            ),
        }
    }

    pub(super) fn of(&self, provider: &str) -> DiscoveryMeters {
        DiscoveryMeters {
            models: self.models.at(&[provider]),
            failures: self.failures.at(&[provider]),
        }
    }
}
