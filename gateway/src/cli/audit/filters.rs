//! The filters of `yumen audit search` and `export`.

use clap::Args;
use journal::index::Query;

use crate::audit::asked;

/// What entries are wanted: all filters must hold; one that is given several times, any of its values.
#[derive(Debug, Args)]
pub(super) struct FilterArgs {
    /// From this moment on: a date, an RFC 3339 time, or 30m, 24h, 7d ago
    #[arg(long, value_name = "WHEN")]
    from: Option<String>,
    /// Before this moment
    #[arg(long, value_name = "WHEN")]
    to: Option<String>,
    /// Id of a virtual key
    #[arg(long, value_name = "ID")]
    key: Vec<String>,
    /// Name of a team
    #[arg(long, value_name = "NAME")]
    team: Vec<String>,
    /// A user
    #[arg(long, value_name = "NAME")]
    user: Vec<String>,
    /// Model: as it was asked for, or as it answered
    #[arg(long, value_name = "NAME")]
    model: Vec<String>,
    /// Provider that was tried
    #[arg(long, value_name = "NAME")]
    provider: Vec<String>,
    /// allow, redact, reroute or refuse
    #[arg(long)]
    verdict: Vec<String>,
    /// Type of what was found, in request or reply
    #[arg(long = "type", value_name = "TYPE")]
    entity: Vec<String>,
    /// Policy that fired
    #[arg(long, value_name = "NAME")]
    policy: Vec<String>,
    /// HTTP status
    #[arg(long)]
    status: Vec<String>,
    /// How a request ended: completed, client_closed, upstream_error, …
    #[arg(long)]
    outcome: Vec<String>,
    /// Public error code
    #[arg(long)]
    code: Vec<String>,
    /// request, denial, event or lost
    #[arg(long)]
    kind: Vec<String>,
    /// Request id
    #[arg(long)]
    id: Vec<String>,
    /// What an event is about: config_change, search, shred, …
    #[arg(long)]
    what: Vec<String>,
    /// Costs at least this
    #[arg(long, value_name = "AMOUNT")]
    min_cost: Option<String>,
    /// In the texts of redacted payloads and of events, in upper or lower case, any part of a word; all of them
    #[arg(long)]
    text: Vec<String>,
    /// Any other filter, for example client=10.1.2.3
    #[arg(long = "where", value_name = "FILTER=VALUE")]
    other: Vec<String>,
}

impl FilterArgs {
    /// The query.
    pub(super) fn query(&self, now_ms: i64) -> Result<Query, String> {
        let mut query = Query::default();
        for (name, value) in self.pairs()? {
            asked::add(&mut query, name, value, now_ms)?;
        }
        Ok(query)
    }

    /// The filters as they were given, for the log.
    pub(super) fn told(&self) -> String {
        asked::told(self.pairs().unwrap_or_default())
    }

    /// Whether texts of payloads are looked at.
    pub(super) fn reads_bodies(&self) -> bool {
        !self.text.is_empty() || self.other.iter().any(|other| other.starts_with("text="))
    }

    fn pairs(&self) -> Result<Vec<(&str, &str)>, String> {
        let lists = [
            ("key", &self.key),
            ("team", &self.team),
            ("user", &self.user),
            ("model", &self.model),
            ("provider", &self.provider),
            ("verdict", &self.verdict),
            ("type", &self.entity),
            ("policy", &self.policy),
            ("status", &self.status),
            ("outcome", &self.outcome),
            ("code", &self.code),
            ("kind", &self.kind),
            ("id", &self.id),
            ("what", &self.what),
            ("text", &self.text),
        ];
        let ones = [
            ("from", &self.from),
            ("to", &self.to),
            ("min_cost", &self.min_cost),
        ];
        let mut pairs: Vec<(&str, &str)> = Vec::new();
        for (name, one) in ones {
            pairs.extend(one.iter().map(|value| (name, value.as_str())));
        }
        for (name, list) in lists {
            pairs.extend(list.iter().map(|value| (name, value.as_str())));
        }
        for other in &self.other {
            pairs.push(other.split_once('=').ok_or("--where needs FILTER=VALUE")?);
        }
        Ok(pairs)
    }
}
