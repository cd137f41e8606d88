//! The paths of the admin endpoint: one table, from which requests are routed and the OpenAPI document is made.
//!
//! Must never know how a path is answered. Invariants: every path below `/api/` needs a role; a parameter of a path is
//! one segment that is not empty.

use http::Method;

use super::Answers;
use super::access::Op;
use super::visitor::{ANYBODY, AUDITOR, DUTY, Needs, OPEN, OPERATOR, SECURITY};

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
    /// What it wants in its body.
    pub(super) takes: Takes,
}

/// The body of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    /// None; what comes is not read.
    Nothing,
    /// A JSON object, shaped as a schema of the document.
    Json(&'static str),
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
    /// What keys are listed by.
    Keys,
    /// What teams are listed by.
    Teams,
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
        takes: Takes::Nothing,
    },
    Route {
        path: "/healthz",
        method: Method::GET,
        needs: OPEN,
        answers: Answers::Health,
        summary: "The process is alive",
        parameters: Parameters::None,
        media: "text/plain",
        takes: Takes::Nothing,
    },
    Route {
        path: "/readyz",
        method: Method::GET,
        needs: OPEN,
        answers: Answers::Readiness,
        summary: "Whether it takes requests; 503 and why while it does not",
        parameters: Parameters::None,
        media: JSON,
        takes: Takes::Nothing,
    },
    Route {
        path: "/metrics",
        method: Method::GET,
        needs: OPEN,
        answers: Answers::Metrics,
        summary: "Metrics for Prometheus",
        parameters: Parameters::None,
        media: "application/openmetrics-text",
        takes: Takes::Nothing,
    },
    Route {
        path: "/api/config",
        method: Method::GET,
        needs: DUTY,
        answers: Answers::Config,
        summary: "Version and routing table of the running config",
        parameters: Parameters::None,
        media: JSON,
        takes: Takes::Nothing,
    },
    Route {
        path: "/api/reload",
        method: Method::POST,
        needs: OPERATOR,
        answers: Answers::Reload,
        summary: "Reads the config file again; 422 and the problems if it cannot be used",
        parameters: Parameters::None,
        media: JSON,
        takes: Takes::Nothing,
    },
    Route {
        path: "/api/openapi.json",
        method: Method::GET,
        needs: ANYBODY,
        answers: Answers::OpenApi,
        summary: "This document",
        parameters: Parameters::None,
        media: JSON,
        takes: Takes::Nothing,
    },
    Route {
        path: "/api/audit/entries",
        method: Method::GET,
        needs: AUDITOR,
        answers: Answers::Entries,
        summary: "Entries of the audit log that fit all filters, newest first. The search becomes an entry itself",
        parameters: Parameters::Search,
        media: JSON,
        takes: Takes::Nothing,
    },
    Route {
        path: "/api/audit/entries/{id}",
        method: Method::GET,
        needs: AUDITOR,
        answers: Answers::Entry,
        summary: "The entry of a request id, or of an index in the log: opening and closing joined. The reading becomes an entry itself",
        parameters: Parameters::None,
        media: JSON,
        takes: Takes::Nothing,
    },
    Route {
        path: "/api/audit/entries/{id}/payload",
        method: Method::GET,
        needs: AUDITOR,
        answers: Answers::Payload,
        summary: "What was kept of the prompt and the reply of a request id, for a reason. The unsealing becomes an entry itself",
        parameters: Parameters::Reason,
        media: JSON,
        takes: Takes::Nothing,
    },
    Route {
        path: "/api/audit/stats",
        method: Method::GET,
        needs: AUDITOR,
        answers: Answers::Stats,
        summary: "How many entries there are by time, and by verdict, model, type and other values. The question becomes an entry itself",
        parameters: Parameters::Stats,
        media: JSON,
        takes: Takes::Nothing,
    },
    Route {
        path: "/api/keys",
        method: Method::GET,
        needs: DUTY,
        answers: Answers::Access(Op::Keys),
        summary: "Keys of the config and those made here, by id: status, team, how they begin. Never a key or a hash",
        parameters: Parameters::Keys,
        media: JSON,
        takes: Takes::Nothing,
    },
    Route {
        path: "/api/keys",
        method: Method::POST,
        needs: SECURITY,
        answers: Answers::Access(Op::CreateKey),
        summary: "Makes a key as the config would have it, without `hash`; the answer alone shows it. With `hash` (`sha256:…`) a key of one's own becomes known",
        parameters: Parameters::None,
        media: JSON,
        takes: Takes::Json("NewKey"),
    },
    Route {
        path: "/api/keys/{id}",
        method: Method::GET,
        needs: DUTY,
        answers: Answers::Access(Op::Key),
        summary: "One key",
        parameters: Parameters::None,
        media: JSON,
        takes: Takes::Nothing,
    },
    Route {
        path: "/api/keys/{id}",
        method: Method::PATCH,
        needs: SECURITY,
        answers: Answers::Access(Op::ChangeKey),
        summary: "Changes a key (merge patch, RFC 7396): null takes out. What is narrowed ends its streams",
        parameters: Parameters::None,
        media: JSON,
        takes: Takes::Json("KeyPatch"),
    },
    Route {
        path: "/api/keys/{id}",
        method: Method::DELETE,
        needs: SECURITY,
        answers: Answers::Access(Op::RevokeKey),
        summary: "Revokes a key at once, its streams too; 202: the other replicas are told when the shared store answers",
        parameters: Parameters::None,
        media: JSON,
        takes: Takes::Nothing,
    },
    Route {
        path: "/api/keys/{id}/rotate",
        method: Method::POST,
        needs: SECURITY,
        answers: Answers::Access(Op::RotateKey),
        summary: "Makes a new secret for a key; the old one stays valid for `overlap`",
        parameters: Parameters::None,
        media: JSON,
        takes: Takes::Json("Rotation"),
    },
    Route {
        path: "/api/teams",
        method: Method::GET,
        needs: DUTY,
        answers: Answers::Access(Op::Teams),
        summary: "Teams of the config and those made here, by name",
        parameters: Parameters::Teams,
        media: JSON,
        takes: Takes::Nothing,
    },
    Route {
        path: "/api/teams",
        method: Method::POST,
        needs: SECURITY,
        answers: Answers::Access(Op::CreateTeam),
        summary: "Makes a team as the config would have it; it may hang below one of the config",
        parameters: Parameters::None,
        media: JSON,
        takes: Takes::Json("NewTeam"),
    },
    Route {
        path: "/api/teams/{id}",
        method: Method::GET,
        needs: DUTY,
        answers: Answers::Access(Op::Team),
        summary: "One team",
        parameters: Parameters::None,
        media: JSON,
        takes: Takes::Nothing,
    },
    Route {
        path: "/api/teams/{id}",
        method: Method::PATCH,
        needs: SECURITY,
        answers: Answers::Access(Op::ChangeTeam),
        summary: "Changes a team (merge patch); refused if a key would no longer fit",
        parameters: Parameters::None,
        media: JSON,
        takes: Takes::Json("TeamPatch"),
    },
    Route {
        path: "/api/teams/{id}",
        method: Method::DELETE,
        needs: SECURITY,
        answers: Answers::Access(Op::DeleteTeam),
        summary: "Deletes a team that has neither teams nor keys",
        parameters: Parameters::None,
        media: JSON,
        takes: Takes::Nothing,
    },
    Route {
        path: "/api/usage",
        method: Method::GET,
        needs: ANYBODY,
        answers: Answers::Usage,
        summary: "Requests, tokens and cost by key, team, user, model, provider, target, hour, day or month; a viewer sees those of its teams",
        parameters: Parameters::Usage,
        media: JSON,
        takes: Takes::Nothing,
    },
    Route {
        path: "/api/budgets",
        method: Method::GET,
        needs: ANYBODY,
        answers: Answers::Budgets,
        summary: "All budgets with what is spent, reserved and left of the running period; a viewer sees those of its teams",
        parameters: Parameters::None,
        media: JSON,
        takes: Takes::Nothing,
    },
    Route {
        path: "/api/budgets/{id}/explain",
        method: Method::GET,
        needs: DUTY,
        answers: Answers::Explain,
        summary: "The entries of the audit log that the figures of `key:NAME` or `team:NAME` are made of, and whether they add up. The question becomes an entry itself",
        parameters: Parameters::Page,
        media: JSON,
        takes: Takes::Nothing,
    },
];

/// What a path and a method come to.
pub(super) enum Found<'a> {
    /// A route, and what stands for its parameter.
    Route(&'static Route, &'a str),
    /// The path is one of ours, but not by this method: what it needs, and the methods it has.
    Methods(Needs, String),
    /// There is no such path.
    Nothing,
}

/// The route of a request. `HEAD` is `GET` without the body.
pub(super) fn find<'a>(method: &Method, path: &'a str) -> Found<'a> {
    let fitting = ROUTES.iter().filter_map(|route| {
        let Some((before, behind)) = route.path.split_once("{id}") else {
            return (route.path == path).then_some((route, ""));
        };
        let id = path.strip_prefix(before)?.strip_suffix(behind)?;
        (!id.is_empty() && !id.contains('/')).then_some((route, id))
    });
    let mut methods = Vec::new();
    let mut needs = OPEN;
    for (route, id) in fitting {
        if route.method == *method || (route.method == Method::GET && *method == Method::HEAD) {
            return Found::Route(route, id);
        }
        methods.push(route.method.as_str());
        needs = route.needs;
    }
    if methods.is_empty() {
        Found::Nothing
    } else {
        Found::Methods(needs, methods.join(", "))
    }
}
