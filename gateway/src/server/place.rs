//! How many connections there are, in all and from one address: no more than the limits allow.
//!
//! Counted for the whole process, over all workers and over reloads.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{LazyLock, Mutex, PoisonError};

use prometheus_client::metrics::gauge::Gauge;

use crate::config::snapshot::Snapshot;

/// A connection's place under the limits; leaving is dropping it.
pub(super) struct Place {
    ip: IpAddr,
    /// Counts it.
    gauge: Gauge,
}

#[derive(Default)]
struct Places {
    all: usize,
    by_ip: HashMap<IpAddr, usize>,
}

static PLACES: LazyLock<Mutex<Places>> = LazyLock::new(Mutex::default);

impl Place {
    /// The place of a connection from `ip`; `None`: there is none left.
    pub(super) fn take(ip: IpAddr, snapshot: &Snapshot, gauge: &Gauge) -> Option<Self> {
        let mut places = PLACES.lock().unwrap_or_else(PoisonError::into_inner);
        let limits = &snapshot.limits;
        let own = places.by_ip.get(&ip).copied().unwrap_or(0);
        if places.all >= limits.connections as usize || own >= limits.connections_per_ip as usize {
            return None;
        }
        places.all += 1;
        places.by_ip.insert(ip, own + 1);
        gauge.inc();
        let gauge = gauge.clone();
        Some(Self { ip, gauge })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.gauge.dec();
        let mut places = PLACES.lock().unwrap_or_else(PoisonError::into_inner);
        places.all -= 1;
        if let Some(own) = places.by_ip.get_mut(&self.ip) {
            *own -= 1;
            if *own == 0 {
                places.by_ip.remove(&self.ip);
            }
        }
    }
}
