//! How often requests may be sent again to a target that just failed: a fifth of all, so that an outage is not made worse.

use std::sync::atomic::{AtomicU32, Ordering};

/// What a request earns, and what sending one again costs.
const EARNS: u32 = 1;
const COSTS: u32 = 5;
/// So much is kept for a rush.
const MOST: u32 = 20 * COSTS;

/// What one worker has for sending again. Its threads are one, so that counts need not be exact between others.
#[derive(Debug)]
pub struct Budget(AtomicU32);

impl Default for Budget {
    fn default() -> Self {
        Self(AtomicU32::new(MOST))
    }
}

impl Budget {
    /// A request has come.
    pub fn earns(&self) {
        let left = self.0.load(Ordering::Relaxed);
        if left < MOST {
            self.0.store(left + EARNS, Ordering::Relaxed);
        }
    }

    /// Whether one may be sent again; then that is counted.
    pub fn takes(&self) -> bool {
        let left = self.0.load(Ordering::Relaxed);
        let rest = left.checked_sub(COSTS);
        self.0.store(rest.unwrap_or(left), Ordering::Relaxed);
        rest.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifth_of_all() {
        let budget = Budget::default();
        let rush = std::iter::repeat_with(|| budget.takes());
        assert_eq!(rush.take_while(|took| *took).count(), 20);
        let again = (0..100).filter(|_| {
            budget.earns();
            budget.takes()
        });
        assert_eq!(again.count(), 20);
    }
}
