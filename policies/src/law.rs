//! The law: a request may go to a target only if its grade is not above the target's clearance.
//!
//! The only place that compares a grade with a clearance. [`Cleared`] has private fields and no other maker than
//! [`judge`], and dispatch accepts nothing else: retry, fallback and hedge walk the same list, so there is no road around
//! it. Names no vendor, reads no body.

use wire::{Edits, Fault, Grade, Kind, Verdict};

/// Something a request could be sent to.
pub trait Destination {
    /// The highest grade that may go there.
    fn clearance(&self) -> Grade;
}

/// A target that this request may go to, and in which form.
#[derive(Debug)]
pub struct Cleared<T> {
    target: T,
    redactions: Edits,
    grade: Grade,
    verdict: Verdict,
}

impl<T> Cleared<T> {
    /// Where to.
    pub fn target(&self) -> &T {
        &self.target
    }

    /// What must be replaced in the body before it goes there.
    pub fn redactions(&self) -> &Edits {
        &self.redactions
    }

    /// The grade of what goes there.
    pub fn grade(&self) -> Grade {
        self.grade
    }

    /// What was decided.
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }
}

/// Judges targets in order of preference; one [`Cleared`] for each admissible one, in the same order.
///
/// # Errors
/// `NoClearedProvider` if none is left.
pub fn judge<T: Destination>(
    grade: Grade,
    targets: impl IntoIterator<Item = T>,
) -> Result<Vec<Cleared<T>>, Fault> {
    let mut passed_over = false;
    let mut cleared = Vec::new();
    for target in targets {
        if grade > target.clearance() {
            passed_over = true;
            continue;
        }
        // Skipping a preferred target for its clearance *is* rerouting.
        let verdict = if passed_over {
            Verdict::Reroute
        } else {
            Verdict::Allow
        };
        cleared.push(Cleared {
            target,
            redactions: Edits::new(),
            grade,
            verdict,
        });
    }
    if cleared.is_empty() {
        Err(Kind::NoClearedProvider.into())
    } else {
        Ok(cleared)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug)]
    struct Place(u8);

    impl Destination for Place {
        fn clearance(&self) -> Grade {
            Grade(self.0)
        }
    }

    proptest! {
        #[test]
        fn nothing_above_its_clearance_and_nothing_else_lost(grade in 0u8..5, clearances in prop::collection::vec(0u8..5, 0..6)) {
            let want: Vec<u8> = clearances.iter().copied().filter(|clearance| grade <= *clearance).collect();
            match judge(Grade(grade), clearances.iter().copied().map(Place)) {
                Ok(cleared) => {
                    prop_assert_eq!(cleared.iter().map(|c| c.target().0).collect::<Vec<_>>(), want);
                    let first = clearances.first().is_some_and(|first| grade <= *first);
                    prop_assert_eq!(cleared[0].verdict(), if first { Verdict::Allow } else { Verdict::Reroute });
                }
                Err(fault) => { prop_assert!(want.is_empty()); prop_assert_eq!(fault.kind(), Kind::NoClearedProvider); }
            }
        }
    }
}
