//! Everything that can go wrong with a request, in one closed table.
//!
//! A fault says who was at fault, whether another attempt may be made, and what the client is told. It never carries
//! upstream text towards the client: [`Fault::detail`] is for our own log, [`Fault::message`] is our sentence.
//! Making a fault has no side effects; it is logged once, where the request ends.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

/// What went wrong. Closed: a new kind needs a row in [`TABLE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The request does not hold what its dialect asks for.
    BadRequest,
    /// No key, a wrong, expired or revoked one, or two that differ.
    Unauthenticated,
    /// The key may not do this.
    Forbidden,
    /// No model of that name for this key.
    NoSuchModel,
    /// Body, header or URI over a limit.
    TooLarge,
    /// A request-rate limit of ours.
    RateLimited,
    /// A budget of ours is spent.
    BudgetSpent,
    /// Requests that run hold what is left of a budget of ours: it may have room in a moment.
    BudgetHeld,
    /// A policy of ours refused.
    Refused,
    /// No provider of the model has the clearance.
    NoClearedProvider,
    /// The client left.
    ClientGone,
    /// The total time of the request is over.
    DeadlinePassed,
    /// No connection to the upstream.
    ConnectFailed,
    /// TLS to the upstream failed.
    TlsFailed,
    /// No content in time.
    FirstByteTimeout,
    /// Silence in the middle of a reply.
    IdleTimeout,
    /// The vendor limits us.
    Throttled,
    /// The vendor failed.
    UpstreamError,
    /// The vendor refused the request as such.
    UpstreamRejected,
    /// The vendor's reply is not what its protocol says.
    Malformed,
    /// The reply ended before its end.
    CutShort,
    /// We shed load.
    Overloaded,
    /// We are shutting down.
    Draining,
    /// The store of limits does not answer.
    LedgerDown,
    /// The journal cannot be written.
    JournalDown,
    /// An error of ours.
    Bug,
}

/// Whose fault it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The client's.
    Downstream,
    /// The vendor's.
    Upstream,
    /// Ours.
    Ours,
}

/// Whether, and where, another attempt may be made before the commit point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Final.
    No,
    /// The next cleared target; the same after a pause where there is none.
    NextTarget,
    /// The same target once more, with a freshly fetched credential (an expired token).
    FreshCredential,
}

/// The `code` a client sees: the contract's fixed list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// `invalid_request`
    InvalidRequest,
    /// `invalid_api_key`
    InvalidApiKey,
    /// `permission_denied`
    PermissionDenied,
    /// `model_not_found`
    ModelNotFound,
    /// `rate_limit_exceeded`
    RateLimitExceeded,
    /// `budget_exceeded`
    BudgetExceeded,
    /// `policy_refused`
    PolicyRefused,
    /// `no_cleared_provider`
    NoClearedProvider,
    /// `context_length_exceeded`
    ContextLengthExceeded,
    /// `content_filtered`
    ContentFiltered,
    /// `request_too_large`
    RequestTooLarge,
    /// `upstream_error`
    UpstreamError,
    /// `upstream_timeout`
    UpstreamTimeout,
    /// `overloaded`
    Overloaded,
    /// `internal_error`
    InternalError,
}

impl Code {
    /// The word as it stands in an error body.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidApiKey => "invalid_api_key",
            Self::PermissionDenied => "permission_denied",
            Self::ModelNotFound => "model_not_found",
            Self::RateLimitExceeded => "rate_limit_exceeded",
            Self::BudgetExceeded => "budget_exceeded",
            Self::PolicyRefused => "policy_refused",
            Self::NoClearedProvider => "no_cleared_provider",
            Self::ContextLengthExceeded => "context_length_exceeded",
            Self::ContentFiltered => "content_filtered",
            Self::RequestTooLarge => "request_too_large",
            Self::UpstreamError => "upstream_error",
            Self::UpstreamTimeout => "upstream_timeout",
            Self::Overloaded => "overloaded",
            Self::InternalError => "internal_error",
        }
    }
}

/// How loud a fault is in our log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Ordinary refusals of clients' requests.
    Debug,
    /// Worth counting by eye.
    Info,
    /// An upstream or a limit misbehaves.
    Warn,
    /// Somebody must act.
    Error,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The kind this row tells of.
    pub kind: Kind,
    /// Whose fault.
    pub side: Side,
    /// HTTP status before the first byte; 499 is never sent, only recorded.
    pub status: u16,
    /// The client's `code`.
    pub code: Code,
    /// Metric and journal label.
    pub label: &'static str,
    /// Default retry.
    pub retry: Retry,
    /// Log level.
    pub level: Level,
    /// Our sentence when the maker of the fault gives none.
    pub message: &'static str,
}

#[expect(clippy::too_many_arguments, reason = "the columns of the table")]
const fn row(
    kind: Kind,
    side: Side,
    status: u16,
    code: Code,
    label: &'static str,
    retry: Retry,
    level: Level,
    message: &'static str,
) -> Row {
    Row {
        kind,
        side,
        status,
        code,
        label,
        retry,
        level,
        message,
    }
}

/// Kind → status, code, label, default retry, log level. Statuses and codes: `governance/threats.md`, section 2.
#[rustfmt::skip]
pub const TABLE: [Row; 26] = {
    use Retry::{NextTarget, No};
    use Side::{Downstream, Ours, Upstream};
    use Kind as K; use Code as C; use Level as L;
    [
        row(K::BadRequest, Downstream, 400, C::InvalidRequest, "bad_request", No, L::Debug, "The request is not valid."),
        row(K::Unauthenticated, Downstream, 401, C::InvalidApiKey, "unauthenticated", No, L::Debug, "The API key is missing or not valid."),
        row(K::Forbidden, Downstream, 403, C::PermissionDenied, "forbidden", No, L::Info, "This key may not do that."),
        row(K::NoSuchModel, Downstream, 404, C::ModelNotFound, "no_such_model", No, L::Debug, "There is no such model for this key."),
        row(K::TooLarge, Downstream, 413, C::RequestTooLarge, "too_large", No, L::Info, "The request is too large."),
        row(K::RateLimited, Downstream, 429, C::RateLimitExceeded, "rate_limited", No, L::Info, "A rate limit was reached."),
        row(K::BudgetSpent, Downstream, 429, C::BudgetExceeded, "budget_spent", No, L::Info, "The budget is spent."),
        row(K::BudgetHeld, Downstream, 429, C::BudgetExceeded, "budget_held", No, L::Info, "Requests that run hold what is left of the budget."),
        row(K::Refused, Downstream, 403, C::PolicyRefused, "refused", No, L::Info, "A policy refused this request."),
        row(K::NoClearedProvider, Downstream, 403, C::NoClearedProvider, "no_cleared_provider", No, L::Info, "No provider of this model is cleared for the grade of this request."),
        row(K::ClientGone, Downstream, 499, C::InvalidRequest, "client_gone", No, L::Debug, "The client left."),
        row(K::DeadlinePassed, Upstream, 504, C::UpstreamTimeout, "deadline_passed", No, L::Warn, "The request took longer than its total time."),
        row(K::ConnectFailed, Upstream, 502, C::UpstreamError, "connect_failed", NextTarget, L::Warn, "The provider could not be reached."),
        row(K::TlsFailed, Upstream, 502, C::UpstreamError, "tls_failed", NextTarget, L::Warn, "No secure connection to the provider could be made."),
        row(K::FirstByteTimeout, Upstream, 504, C::UpstreamTimeout, "first_byte_timeout", NextTarget, L::Warn, "The provider did not begin to answer in time."),
        row(K::IdleTimeout, Upstream, 504, C::UpstreamTimeout, "idle_timeout", NextTarget, L::Warn, "The provider fell silent in the middle of its answer."),
        row(K::Throttled, Upstream, 429, C::RateLimitExceeded, "throttled", NextTarget, L::Info, "The provider limits the rate of requests."),
        row(K::UpstreamError, Upstream, 502, C::UpstreamError, "upstream_error", NextTarget, L::Warn, "The provider failed."),
        row(K::UpstreamRejected, Upstream, 400, C::UpstreamError, "upstream_rejected", No, L::Info, "The provider did not accept the request."),
        row(K::Malformed, Upstream, 502, C::UpstreamError, "malformed", NextTarget, L::Warn, "The provider's answer is not valid."),
        row(K::CutShort, Upstream, 502, C::UpstreamError, "cut_short", NextTarget, L::Warn, "The provider's answer ended before its end."),
        row(K::Overloaded, Ours, 503, C::Overloaded, "overloaded", No, L::Warn, "The gateway is overloaded; try again shortly."),
        row(K::Draining, Ours, 503, C::Overloaded, "draining", No, L::Info, "The gateway is shutting down; try again."),
        row(K::LedgerDown, Ours, 503, C::Overloaded, "ledger_down", No, L::Error, "The store of limits does not answer."),
        row(K::JournalDown, Ours, 503, C::Overloaded, "journal_down", No, L::Error, "The audit log cannot be written, so no request may pass."),
        row(K::Bug, Ours, 500, C::InternalError, "bug", No, L::Error, "An internal error."),
    ]
};

impl Kind {
    /// This kind's row.
    #[must_use]
    pub fn row(self) -> &'static Row {
        #[expect(
            clippy::indexing_slicing,
            reason = "TABLE has a row for each kind, in order; a test checks it"
        )]
        &TABLE[self as usize]
    }
}

/// One thing that went wrong, with what this case adds to its row. Boxed: one pointer in every `Result`.
#[derive(Clone)]
pub struct Fault(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: Kind,
    retry: Retry,
    status: u16,
    code: Code,
    reason: &'static str,
    message: Cow<'static, str>,
    param: Option<Cow<'static, str>>,
    retry_after: Option<Duration>,
    detail: String,
}

impl Fault {
    /// A fault as its row says.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        let row = kind.row();
        Self(Box::new(Inner {
            kind,
            retry: row.retry,
            status: row.status,
            code: row.code,
            reason: row.label,
            message: Cow::Borrowed(row.message),
            param: None,
            retry_after: None,
            detail: String::new(),
        }))
    }

    /// The finer reason, for the journal and metrics; one of a closed set of words in the code.
    #[must_use]
    pub fn reason(mut self, reason: &'static str) -> Self {
        self.0.reason = reason;
        self
    }

    /// Our sentence to the client. Must not hold upstream text, host names, keys, or unescaped client text.
    #[must_use]
    pub fn message(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.0.message = message.into();
        self
    }

    /// The field of the request that was wrong.
    #[must_use]
    pub fn param(mut self, param: impl Into<Cow<'static, str>>) -> Self {
        self.0.param = Some(param.into());
        self
    }

    /// Another code than the row's.
    #[must_use]
    pub fn code(mut self, code: Code) -> Self {
        self.0.code = code;
        self
    }

    /// Another status than the row's: the vendor's own, kept.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.0.status = status;
        self
    }

    /// Another retry than the row's.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.0.retry = retry;
        self
    }

    /// When to come back.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.0.retry_after = Some(after);
        self
    }

    /// For our own log only. Callers put codes and numbers here, never bodies: those may carry secrets.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = detail.into();
        self
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// Whose fault it was.
    #[must_use]
    pub fn side(&self) -> Side {
        self.0.kind.row().side
    }

    /// Whether another attempt may be made.
    #[must_use]
    pub fn retry_advice(&self) -> Retry {
        self.0.retry
    }

    /// HTTP status before the first byte.
    #[must_use]
    pub fn http_status(&self) -> u16 {
        self.0.status
    }

    /// The client's code.
    #[must_use]
    pub fn public_code(&self) -> Code {
        self.0.code
    }

    /// The finer reason.
    #[must_use]
    pub fn why(&self) -> &'static str {
        self.0.reason
    }

    /// Our sentence to the client.
    #[must_use]
    pub fn sentence(&self) -> &str {
        &self.0.message
    }

    /// The field that was wrong.
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        self.0.param.as_deref()
    }

    /// When to come back.
    #[must_use]
    pub fn come_back(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// For our own log.
    #[must_use]
    pub fn log_detail(&self) -> &str {
        &self.0.detail
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fault")
            .field("kind", &self.0.kind)
            .field("reason", &self.0.reason)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Fault {}

impl From<Kind> for Fault {
    fn from(kind: Kind) -> Self {
        Self::new(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_row() {
        for (index, row) in TABLE.iter().enumerate() {
            assert_eq!(row.kind as usize, index, "{:?}", row.kind);
            assert!(!row.message.is_empty() && !row.label.is_empty());
        }
        assert_eq!(Kind::Bug as usize + 1, TABLE.len());
    }

    #[test]
    fn a_fault_is_one_pointer() {
        assert_eq!(size_of::<Fault>(), size_of::<usize>());
    }

    #[test]
    fn debug_shows_no_detail() {
        let fault = Fault::new(Kind::UpstreamError)
            .detail("sk-secret")
            .message("x");
        assert!(!format!("{fault:?} {fault}").contains("sk-secret"));
    }
}
