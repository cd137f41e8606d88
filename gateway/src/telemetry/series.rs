//! Metrics with labels, bounded in number, and histograms without a lock.
//!
//! Knows no metric by name. Invariants: a metric has at most [`SERIES_MAX`] series, what is beyond counts as `_other`; what
//! is used per request is an atomic that was looked up before ([`Family::at`] locks, so it is called when a config loads).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::{MetricType, TypedMetric};

/// Most series of one metric.
pub const SERIES_MAX: usize = 2000;
/// What every label of a series beyond that says.
pub const OTHER: &str = "_other";

/// The values of a series' labels.
type Labels = Box<[Box<str>]>;

/// A metric with labels.
pub struct Family<M> {
    names: &'static [&'static str],
    make: fn() -> M,
    series: Arc<RwLock<BTreeMap<Labels, M>>>,
}

impl<M> Clone for Family<M> {
    fn clone(&self) -> Self {
        Self {
            names: self.names,
            make: self.make,
            series: Arc::clone(&self.series),
        }
    }
}

impl<M> fmt::Debug for Family<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Family({:?})", self.names)
    }
}

impl<M: Clone> Family<M> {
    /// A metric with these labels.
    #[must_use]
    pub fn new(names: &'static [&'static str], make: fn() -> M) -> Self {
        Self {
            names,
            make,
            series: Arc::default(),
        }
    }

    /// The series with these values, one per label in order. Locks: keep what it answers.
    #[must_use]
    pub fn at(&self, values: &[&str]) -> M {
        debug_assert_eq!(values.len(), self.names.len());
        let key: Labels = values.iter().map(|v| (*v).into()).collect();
        let read = self.series.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(metric) = read.get(&key) {
            return metric.clone();
        }
        drop(read);
        let mut series = self.series.write().unwrap_or_else(PoisonError::into_inner);
        // One place is kept for the rest.
        let full = series.len() + 1 >= SERIES_MAX && !series.contains_key(&key);
        let key = if full {
            self.names.iter().map(|_| OTHER.into()).collect()
        } else {
            key
        };
        series.entry(key).or_insert_with(self.make).clone()
    }
}

impl<M: TypedMetric> TypedMetric for Family<M> {
    const TYPE: MetricType = M::TYPE;
}

impl<M: EncodeMetric + TypedMetric> EncodeMetric for Family<M> {
    fn encode(&self, mut encoder: MetricEncoder) -> Result<(), fmt::Error> {
        let series = self.series.read().unwrap_or_else(PoisonError::into_inner);
        for (values, metric) in series.iter() {
            let labels: Vec<(&str, &str)> = self
                .names
                .iter()
                .copied()
                .zip(values.iter().map(|v| &**v))
                .collect();
            metric.encode(encoder.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        M::TYPE
    }

    fn is_empty(&self) -> bool {
        let series = self.series.read().unwrap_or_else(PoisonError::into_inner);
        series.is_empty()
    }
}

/// A histogram of times. Three relaxed additions per observation: the library's own takes a lock.
#[derive(Clone)]
pub struct Timer(Arc<TimerInner>);

struct TimerInner {
    /// Upper bounds in seconds, ascending; one more bucket holds the rest.
    bounds: &'static [f64],
    buckets: Box<[AtomicU64]>,
    sum_ns: AtomicU64,
}

impl Timer {
    /// A histogram with these upper bounds in seconds, ascending.
    #[must_use]
    pub fn new(bounds: &'static [f64]) -> Self {
        Self(Arc::new(TimerInner {
            bounds,
            buckets: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            sum_ns: AtomicU64::new(0),
        }))
    }

    /// Counts `took`.
    pub fn observe(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let at = self.0.bounds.partition_point(|bound| *bound < seconds);
        if let Some(bucket) = self.0.buckets.get(at) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.0.sum_ns.fetch_add(ns, Ordering::Relaxed);
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Timer")
    }
}

impl TypedMetric for Timer {
    const TYPE: MetricType = MetricType::Histogram;
}

impl EncodeMetric for Timer {
    fn encode(&self, mut encoder: MetricEncoder) -> Result<(), fmt::Error> {
        let bounds = self.0.bounds.iter().copied().chain([f64::INFINITY]);
        let counts = self.0.buckets.iter().map(|b| b.load(Ordering::Relaxed));
        let buckets: Vec<(f64, u64)> = bounds.zip(counts).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        #[expect(
            clippy::cast_precision_loss,
            reason = "a sum of times need not be exact"
        )]
        let sum = self.0.sum_ns.load(Ordering::Relaxed) as f64 / 1e9;
        encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::encoding::text::encode;
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::registry::Registry;

    #[test]
    fn series_are_bounded() {
        let family: Family<Counter> = Family::new(&["a", "b"], Counter::default);
        for i in 0..SERIES_MAX * 2 {
            family.at(&["x", &i.to_string()]).inc();
        }
        let series = family.series.read().unwrap();
        assert_eq!(series.len(), SERIES_MAX);
        let other: Labels = [OTHER.into(), OTHER.into()].into();
        assert_eq!(series.get(&other).unwrap().get(), SERIES_MAX as u64 + 1);
        drop(series);
        // What was there before keeps counting.
        assert_eq!(family.at(&["x", "0"]).inc(), 1);
    }

    #[test]
    fn timers_count_into_the_right_bucket() {
        let timer = Timer::new(&[0.001, 0.01]);
        for us in [500, 1000, 1001, 20_000] {
            timer.observe(Duration::from_micros(us));
        }
        let mut registry = Registry::default();
        registry.register("t", "a time", timer);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for line in [
            "t_count 4",
            "t_bucket{le=\"0.001\"} 2",
            "t_bucket{le=\"0.01\"} 3",
            "t_bucket{le=\"+Inf\"} 4",
            "t_sum 0.022501",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}
