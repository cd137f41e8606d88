//! Credentials that were wrong, by where they came from (T-43).
//!
//! So many a minute are told that they are wrong; what comes beyond is told to come later. Must never be asked before a
//! credential was judged: a good one works, whatever others do at the same address. Knows no credential and reads no clock.
//! Invariants: it takes a bounded part of memory, and when that is full it forgets those that it heard of longest ago; an
//! IPv6 host has a whole /64, so that is one address here.

use std::hash::{BuildHasher as _, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use policies::limit::level::{Level, Now, Window};

use crate::recent::Recent;

/// Failures of one address a minute (threat model, T-43).
const FAILURES_MAX: u64 = 60;
const MINUTE: Window = Window::Rolling(60_000_000_000);
/// Parts of the table, each with a lock of its own.
const PARTS: usize = 16;
/// Addresses that are remembered, in each of two generations of a part: some 4 MB in all.
const ADDRESSES_MAX: usize = 2048;

/// Failures by address.
#[derive(Debug)]
pub struct Failures {
    parts: [Mutex<Recent<IpAddr, Level>>; PARTS],
    hasher: RandomState,
}

impl Default for Failures {
    fn default() -> Self {
        Self {
            parts: std::array::from_fn(|_| Mutex::new(Recent::new(ADDRESSES_MAX))),
            hasher: RandomState::new(),
        }
    }
}

impl Failures {
    /// Counts a failure of `from` (`None`: a proxy said something that is no address).
    ///
    /// # Errors
    /// There have been too many: after how long there is room for one more.
    pub fn count(&self, from: Option<IpAddr>, now: Now) -> Result<(), Duration> {
        let from = block(from.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED)));
        let at = self.hasher.hash_one(from) as usize % PARTS;
        let Some(part) = self.parts.get(at) else {
            return Ok(());
        };
        let mut part = part.lock().unwrap_or_else(PoisonError::into_inner);
        let known = part.get(&from, |_| false).copied();
        let mut level = known.unwrap_or_else(|| Level::fresh(MINUTE));
        match level.fits(MINUTE, FAILURES_MAX, 1, now) {
            Ok(()) => {
                level.take(MINUTE, FAILURES_MAX, 1, now);
                part.put(from, level, |_| false);
                Ok(())
            }
            Err(wait_ns) => Err(Duration::from_nanos(wait_ns.unwrap_or(0))),
        }
    }
}

/// What one host is likely to have.
fn block(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        v4 @ IpAddr::V4(_) => v4,
        IpAddr::V6(v6) => {
            let net = v6.to_bits() & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from_bits(net))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Now {
        Now {
            mono_ns: (1000 + seconds) * 1_000_000_000,
            wall_ms: 0,
        }
    }

    #[test]
    fn an_address_has_its_own_and_gets_it_back() {
        let failures = Failures::default();
        let count = |from: &str, seconds| failures.count(Some(from.parse().unwrap()), at(seconds));
        for _ in 0..FAILURES_MAX {
            assert_eq!(count("192.0.2.7", 0), Ok(()));
        }
        let wait = count("192.0.2.7", 0).unwrap_err();
        assert_eq!(wait, Duration::from_secs(1));
        assert!(count("::ffff:192.0.2.7", 0).is_err(), "the same, mapped");
        assert_eq!(count("192.0.2.8", 0), Ok(()));
        assert_eq!(count("192.0.2.7", 1), Ok(()));
        assert!(count("192.0.2.7", 1).is_err());
        for host in 0..FAILURES_MAX {
            assert_eq!(count(&format!("2001:db8:0:1::{host:x}"), 0), Ok(()));
        }
        assert!(count("2001:db8:0:1:9::", 0).is_err());
        assert_eq!(count("2001:db8:0:2::", 0), Ok(()));
        assert_eq!(failures.count(None, at(0)), Ok(()));
    }

    #[test]
    fn many_addresses_take_bounded_memory_and_the_busy_one_stays() {
        let failures = Failures::default();
        let busy: IpAddr = "192.0.2.7".parse().unwrap();
        for _ in 0..FAILURES_MAX {
            failures.count(Some(busy), at(0)).unwrap();
        }
        for n in 0..300_000_u32 {
            let _ = failures.count(Some(IpAddr::from((0x0a00_0000 + n).to_be_bytes())), at(0));
            if n % 1000 == 0 {
                assert!(failures.count(Some(busy), at(0)).is_err(), "{n}");
            }
        }
        let kept = failures.parts.iter().map(|part| part.lock().unwrap().len());
        assert!(kept.sum::<usize>() <= PARTS * ADDRESSES_MAX * 2);
    }
}
