//! What a model's requests usually use: what is reserved for one that does not say.
//!
//! Two running figures a model: tokens of a prompt for each byte of its body, and tokens of a reply that nine in ten do not
//! exceed. Kept by name outside the snapshot: a reload forgets nothing.
//!
//! Must never know limits. Invariants: the estimate of a prompt or a reply is at least 1 token; one absurd report moves a figure by an eighth at most.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Before anything is known: 0.4 tokens a byte are above what Chinese (three bytes a character) and English need.
const RATIO_MILLI: u64 = 400;
/// Of a reply, before anything is known.
const REPLY: u64 = 1024;
/// A byte is never more than one token, and a hundred bytes never less than one.
const RATIO_MILLI_RANGE: (u64, u64) = (10, 1000);
/// A reply's estimate stays within these.
const REPLY_RANGE: (u64, u64) = (16, 131_072);
/// Bodies shorter than this say more of their envelope than of their text.
const BYTES_MIN: u64 = 256;

/// The figures of one model. Relaxed atomics: they guard nothing, and a lost update is one observation less.
#[derive(Debug)]
pub struct Learnt {
    ratio_milli: AtomicU64,
    reply: AtomicU64,
}

impl Default for Learnt {
    fn default() -> Self {
        Self {
            ratio_milli: AtomicU64::new(RATIO_MILLI),
            reply: AtomicU64::new(REPLY),
        }
    }
}

impl Learnt {
    /// Tokens of a prompt in a body of so many bytes.
    #[must_use]
    pub fn prompt(&self, bytes: u64) -> u64 {
        self.text(bytes).max(1)
    }

    /// Tokens of a text of so many bytes: as those of a prompt, for want of better.
    #[must_use]
    pub fn text(&self, bytes: u64) -> u64 {
        let ratio = self.ratio_milli.load(Ordering::Relaxed);
        bytes.saturating_mul(ratio) / 1000
    }

    /// Tokens of one reply that has no cap.
    #[must_use]
    pub fn reply(&self) -> u64 {
        self.reply.load(Ordering::Relaxed).max(1)
    }

    /// Takes in what a vendor reported of a request with a body of so many bytes.
    pub fn learn(&self, bytes: u64, prompt: u64, reply: u64) {
        if bytes >= BYTES_MIN && prompt > 0 {
            let old = self.ratio_milli.load(Ordering::Relaxed);
            let (least, most) = RATIO_MILLI_RANGE;
            let seen = (prompt.saturating_mul(1000) / bytes).clamp(least, most);
            // An eighth of the way; up as fast as down.
            let new = if seen > old {
                old + (seen - old).div_ceil(8)
            } else {
                old - (old - seen) / 8
            };
            self.ratio_milli.store(new, Ordering::Relaxed);
        }
        if reply > 0 {
            let old = self.reply.load(Ordering::Relaxed);
            // Nine steps down weigh one up: where one in ten exceeds it, it stands still.
            let step = (old / 72).max(1);
            let new = if reply > old {
                old + step * 9
            } else {
                old.saturating_sub(step)
            };
            let (least, most) = REPLY_RANGE;
            self.reply.store(new.clamp(least, most), Ordering::Relaxed);
        }
    }
}

/// The figures of all models. Asked only when a config loads.
#[derive(Debug, Default)]
pub struct Lessons {
    by_model: Mutex<HashMap<Box<str>, Arc<Learnt>>>,
}

impl Lessons {
    /// Those of a model.
    #[must_use]
    pub fn of(&self, model: &str) -> Arc<Learnt> {
        let mut all = self.by_model.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.get(model) {
            return Arc::clone(known);
        }
        let new = Arc::<Learnt>::default();
        all.insert(model.into(), Arc::clone(&new));
        new
    }

    /// Forgets models that no snapshot holds any more.
    pub fn prune(&self) {
        let mut all = self.by_model.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, learnt| Arc::strong_count(learnt) > 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_come_near_what_is_seen() {
        let learnt = Learnt::default();
        assert_eq!((learnt.prompt(1000), learnt.reply()), (400, 1024));
        // Replies of 1 to 1000 tokens, evenly: nine in ten do not exceed 900.
        for n in 0..20_000_u64 {
            learnt.learn(4000, 1000, n * 7919 % 1000 + 1);
        }
        assert!(
            (240..=260).contains(&learnt.prompt(1000)),
            "{}",
            learnt.prompt(1000)
        );
        assert!((780..=980).contains(&learnt.reply()), "{}", learnt.reply());
    }

    #[test]
    fn absurd_reports_move_little() {
        let learnt = Learnt::default();
        learnt.learn(1000, u64::MAX, u64::MAX);
        assert!(learnt.prompt(1000) <= 475, "{}", learnt.prompt(1000));
        assert!(learnt.reply() <= 1024 + 1024 / 8 + 9);
        learnt.learn(1000, 0, 0);
        learnt.learn(10, 10_000, 1);
        assert!(learnt.prompt(1000) <= 475);
        assert_eq!(learnt.prompt(0), 1);
    }

    #[test]
    fn figures_outlive_a_snapshot() {
        let lessons = Lessons::default();
        let learnt = lessons.of("m");
        learnt.learn(1000, 1000, 9);
        lessons.prune();
        assert_eq!(lessons.of("m").prompt(1000), learnt.prompt(1000));
        drop(learnt);
        lessons.prune();
        assert_eq!(lessons.of("m").prompt(1000), 400);
    }
}
