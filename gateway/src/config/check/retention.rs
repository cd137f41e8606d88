//! Checks of how long the audit log is kept.
//!
//! Invariant: what passes here never deletes a record that is younger than `audit.retention_min`.

use std::time::Duration;

use super::{Check, at};
use crate::config::schema::HALF_A_YEAR;
use crate::config::units::{Size, Span};

const DAY: Duration = Duration::from_secs(86_400);
/// The longest period of a budget.
const MONTH: Duration = Duration::from_secs(31 * 86_400);
/// A century: beyond it somebody meant something else.
const RETENTION_MAX: Duration = Duration::from_secs(36_525 * 86_400);
/// A log that may hold no more than a few segments could never keep its promise.
const MAX_BYTES_MIN: Size = Size::mib(1024);

impl Check<'_> {
    pub(super) fn retention(&mut self) {
        let audit = &self.config.audit;
        let (kept, least, bodies) = (
            audit.retention,
            audit.retention_min,
            audit.payload_retention,
        );
        for (field, span) in [
            ("retention", Some(kept)),
            ("retention_min", Some(least)),
            ("payload_retention", bodies),
        ] {
            if span.is_some_and(|span| !(DAY..=RETENTION_MAX).contains(&span.0)) {
                let message = format!("must be {} to {}", Span(DAY), Span(RETENTION_MAX));
                self.error(&at!["audit", field], message);
            }
        }
        if kept < least {
            let message = format!("must not be less than audit.retention_min, which is {least}");
            self.error(&at!["audit", "retention"], message);
        }
        if kept.0 < MONTH && self.config.state.store.expose() == "memory" {
            let message = "at a restart budgets and limits are read back from the log: what is gone from it counts as not spent";
            self.warn(&at!["audit", "retention"], message);
        }
        if least < HALF_A_YEAR {
            let message =
                "network logs are to be kept for six months (Cybersecurity Law, article 21)";
            self.warn(&at!["audit", "retention_min"], message);
        }
        if bodies.is_some_and(|bodies| bodies > kept) {
            let message =
                "must not be more than audit.retention: bodies do not outlive their records";
            self.error(&at!["audit", "payload_retention"], message);
        }
        if audit.max_bytes.is_some_and(|most| most < MAX_BYTES_MIN) {
            let message = format!("must be at least {MAX_BYTES_MIN}");
            self.error(&at!["audit", "max_bytes"], message);
        }
    }
}
