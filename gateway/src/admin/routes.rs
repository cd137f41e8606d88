//! The paths of the admin endpoint: one table, from which requests are routed and the OpenAPI document is made.
//!
//! Must never know how a path is answered. Invariants: every path below `/api/` needs a role; a parameter of a path is
//! one segment that is not empty.

use http::Method;

use super::Answers;
use super::visitor::{ANYBODY, AUDITOR, DUTY, Needs, OPEN, OPERATOR};

/// One path and what it is for.
pub(super) struct Route {
    /// `{id}` stands for any one segment.
    pub(super) path: &'static str,
    pub(super) method: Method,
    /// The roles that may ask; everything below `/api/` needs one.
    pub(super) needs: Needs,
    pub(super) answers: Answers,
    /// A sentence.
    pub(super) summary: &'static str,
    pub(super) parameters: Parameters,
    /// Media type of a good answer.
    pub(super) media: &'static str,
}

/// What may stand in a query.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Parameters {
    None,
    /// Filters, `limit` and `cursor`.
    Search,
    /// Filters but texts, and `bucket`.
    Stats,
    /// `reason`.
    Reason,
    /// `limit` and `cursor`.
    Page,
    /// What usage is told apart by, of whom, from when to when, and how it is written.
    Usage,
}

const JSON: &str = "application/json";

/// All paths.
pub(super) const ROUTES: &[Route] = &[
    Route {
        path: "/",
        method: Method::GET,
        needs: OPEN,
        answers: Answers::Page,
        summary: "A page for people that names what there is",
        parameters: Parameters::None,
        media: "text/html",
    },
    Route {
        path: "/healthz",
        method: Method::GET,
        needs: OPEN,
        answers: Answers::Health,
        summary: "The process is alive",
        parameters: Parameters::None,
        media: "text/plain",
    },
    Route {
        path: "/readyz",
        method: Method::GET,
        needs: OPEN,
        answers: Answers::Readiness,
        summary: "Whether it takes requests; 503 and why while it does not",
        parameters: Parameters::None,
        media: JSON,
    },
    Route {
        path: "/metrics",
        method: Method::GET,
        needs: OPEN,
        answers: Answers::Metrics,
        summary: "Metrics for Prometheus",
        parameters: Parameters::None,
        media: "application/openmetrics-text",
    },
    Route {
        path: "/api/config",
        method: Method::GET,
        needs: DUTY,
        answers: Answers::Config,
        summary: "Version and routing table of the running config",
        parameters: Parameters::None,
        media: JSON,
    },
    Route {
        path: "/api/reload",
        method: Method::POST,
        needs: OPERATOR,
        answers: Answers::Reload,
        summary: "Reads the config file again; 422 and the problems if it cannot be used",
        parameters: Parameters::None,
        media: JSON,
    },
    Route {
        path: "/api/openapi.json",
        method: Method::GET,
        needs: ANYBODY,
        answers: Answers::OpenApi,
        summary: "This document",
        parameters: Parameters::None,
        media: JSON,
    },
    Route {
        path: "/api/audit/entries",
        method: Method::GET,
        needs: AUDITOR,
        answers: Answers::Entries,
        summary: "Entries of the audit log that fit all filters, newest first. The search becomes an entry itself",
        parameters: Parameters::Search,
        media: JSON,
    },
    Route {
        path: "/api/audit/entries/{id}",
        method: Method::GET,
        needs: AUDITOR,
        answers: Answers::Entry,
        summary: "The entry of a request id, or of an index in the log: opening and closing joined. The reading becomes an entry itself",
        parameters: Parameters::None,
        media: JSON,
    },
    Route {
        path: "/api/audit/entries/{id}/payload",
        method: Method::GET,
        needs: AUDITOR,
        answers: Answers::Payload,
        summary: "What was kept of the prompt and the reply of a request id, for a reason. The unsealing becomes an entry itself",
        parameters: Parameters::Reason,
        media: JSON,
    },
    Route {
        path: "/api/audit/stats",
        method: Method::GET,
        needs: AUDITOR,
        answers: Answers::Stats,
        summary: "How many entries there are by time, and by verdict, model, type and other values. The question becomes an entry itself",
        parameters: Parameters::Stats,
        media: JSON,
    },
    Route {
        path: "/api/usage",
        method: Method::GET,
        needs: ANYBODY,
        answers: Answers::Usage,
        summary: "Requests, tokens and cost by key, team, user, model, provider, target, hour, day or month; a viewer sees those of its teams",
        parameters: Parameters::Usage,
        media: JSON,
    },
    Route {
        path: "/api/budgets",
        method: Method::GET,
        needs: ANYBODY,
        answers: Answers::Budgets,
        summary: "All budgets with what is spent, reserved and left of the running period; a viewer sees those of its teams",
        parameters: Parameters::None,
        media: JSON,
    },
    Route {
        path: "/api/budgets/{id}/explain",
        method: Method::GET,
        needs: DUTY,
        answers: Answers::Explain,
        summary: "The entries of the audit log that the figures of `key:NAME` or `team:NAME` are made of, and whether they add up. The question becomes an entry itself",
        parameters: Parameters::Page,
        media: JSON,
    },
];

/// The route of a path, and what stands for its parameter.
pub(super) fn find(path: &str) -> Option<(&'static Route, &str)> {
    ROUTES.iter().find_map(|route| {
        let Some((before, behind)) = route.path.split_once("{id}") else {
            return (route.path == path).then_some((route, ""));
        };
        let id = path.strip_prefix(before)?.strip_suffix(behind)?;
        (!id.is_empty() && !id.contains('/')).then_some((route, id))
    })
}
