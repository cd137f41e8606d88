//! How many connections there are, in all and from one address: no more than the limits allow.
//!
//! Counted for the whole process, over all workers and over reloads.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{LazyLock, Mutex, PoisonError};

use prometheus_client::metrics::gauge::Gauge;

/// The connections of a listener, or of several.
pub(super) type Places = LazyLock<Mutex<Counts>>;

/// Those of the data endpoint.
pub(super) static DATA: Places = LazyLock::new(Mutex::default);
/// Those of the admin endpoint.
pub(super) static ADMIN: Places = LazyLock::new(Mutex::default);

#[derive(Default)]
pub(super) struct Counts {
    all: usize,
    by_ip: HashMap<IpAddr, usize>,
}

/// A connection's place under the limits; leaving is dropping it.
pub(super) struct Place {
    places: &'static Places,
    ip: IpAddr,
    /// Counts it.
    gauge: Gauge,
}

impl Place {
    /// The place of a connection from `ip` where there may be so many in all and so many from one address; `None`: there
    /// is none left.
    pub(super) fn take(
        places: &'static Places,
        ip: IpAddr,
        (most, most_of_ip): (usize, usize),
        gauge: &Gauge,
    ) -> Option<Self> {
        let mut counts = places.lock().unwrap_or_else(PoisonError::into_inner);
        let own = counts.by_ip.get(&ip).copied().unwrap_or(0);
        if counts.all >= most || own >= most_of_ip {
            return None;
        }
        counts.all += 1;
        counts.by_ip.insert(ip, own + 1);
        gauge.inc();
        let gauge = gauge.clone();
        Some(Self { places, ip, gauge })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.gauge.dec();
        let mut counts = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        counts.all -= 1;
        if let Some(own) = counts.by_ip.get_mut(&self.ip) {
            *own -= 1;
            if *own == 0 {
                counts.by_ip.remove(&self.ip);
            }
        }
    }
}
