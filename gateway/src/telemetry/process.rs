//! What the system knows of this process and what the config store counted, read when asked.
//!
//! Linux only: elsewhere, or where `/proc` is not mounted, the process metrics are left out rather than wrong.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::config::build::unix_ms;
use crate::config::watch::ReloadCounters;

/// Ticks per second in `/proc/self/stat`: fixed at 100 for user space on Linux.
const TICKS_PER_S: f64 = 100.0;

/// Memory, processor time and open files.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) started: SystemTime,
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        if let Some(bytes) = resident_bytes() {
            let name = "process_resident_memory_bytes";
            gauge(&mut encoder, name, "Resident memory", bytes)?;
        }
        if let Some(seconds) = cpu_seconds() {
            let metric = ConstCounter::new(seconds);
            let to = encoder.encode_descriptor(
                "process_cpu_seconds",
                "Processor time, user and system",
                None,
                metric.metric_type(),
            )?;
            metric.encode(to)?;
        }
        if let Some(open) = open_fds() {
            gauge(
                &mut encoder,
                "process_open_fds",
                "Open file descriptors",
                open,
            )?;
        }
        let since = self.started.duration_since(SystemTime::UNIX_EPOCH);
        let seconds = since.map_or(0, |since| signed(since.as_secs()));
        let name = "process_start_time_seconds";
        gauge(&mut encoder, name, "Start, in Unix seconds", seconds)
    }
}

/// What reloads came to.
#[derive(Debug)]
pub(super) struct Reloads(pub(super) Arc<ReloadCounters>);

impl Collector for Reloads {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let rows = [
            (
                "yumen_config_reloads",
                "Config reloads used",
                &self.0.reloads,
            ),
            (
                "yumen_config_reload_failures",
                "Config reloads refused",
                &self.0.failures,
            ),
        ];
        for (name, help, value) in rows {
            let metric = ConstCounter::new(value.load(Ordering::Relaxed));
            let to = encoder.encode_descriptor(name, help, None, metric.metric_type())?;
            metric.encode(to)?;
        }
        gauge(
            &mut encoder,
            "yumen_config_last_success_timestamp_seconds",
            "Last config load used, in Unix seconds",
            signed(self.0.last_success_s.load(Ordering::Relaxed)),
        )?;
        let ends_ms = self.0.tls_ends_ms.load(Ordering::Relaxed);
        if ends_ms == 0 {
            return Ok(());
        }
        let left_s = signed(ends_ms / 1000) - signed(unix_ms(SystemTime::now()) / 1000);
        gauge(
            &mut encoder,
            "yumen_tls_expiry_seconds",
            "Seconds until the certificate of the data endpoint expires",
            left_s,
        )
    }
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: i64) -> fmt::Result {
    let metric = ConstGauge::new(value);
    let to = encoder.encode_descriptor(name, help, None, metric.metric_type())?;
    metric.encode(to)
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn resident_bytes() -> Option<i64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: i64 = line.split_whitespace().next()?.parse().ok()?;
    kib.checked_mul(1024)
}

fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name, in parentheses, may hold anything; user and system time are the 12th and 13th after it.
    let (_, after) = stat.rsplit_once(')')?;
    let mut fields = after.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS_PER_S)
}

fn open_fds() -> Option<i64> {
    let open = std::fs::read_dir("/proc/self/fd").ok()?.count();
    // Reading the directory opened one itself.
    i64::try_from(open.saturating_sub(1)).ok()
}
