//! Grades, verdicts and what a request was judged to be.
//!
//! Knows no policy and compares nothing with a provider: `policies::law` alone decides whether a grade may go somewhere.

/// Position in the config's ordered list of grades; a higher number is more sensitive.
///
/// Only [`policies::law`](../../policies/law/index.html) compares a grade with a clearance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Grade(pub u8);

impl Grade {
    /// The lowest grade of every list.
    pub const LOWEST: Self = Self(0);
}

/// What was decided for a request: the value of `x-yumen-verdict`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Sent whole, to the target that preference named first.
    Allow,
    /// Sent with findings replaced.
    Redact,
    /// Sent whole, past a preferred target that lacks the clearance.
    Reroute,
    /// Not sent.
    Refuse,
}

impl Verdict {
    /// The word used in headers, the journal and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Redact => "redact",
            Self::Reroute => "reroute",
            Self::Refuse => "refuse",
        }
    }
}
