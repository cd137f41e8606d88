//! The section `state`: what outlives a request, and a process.
//!
//! Knows form and defaults only. Invariant: every struct denies unknown fields.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::units::Span;
use crate::secret::Secret;

/// Where limits are counted, and where keys and teams are kept that the admin API makes.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct State {
    /// `memory`: in this process; or a Redis that replicas share: `redis://[user:password@]host:port[/db]`, `rediss://…`
    /// (TLS), `redis+cluster://host:port,host:port`, `redis+sentinel://host:port,host:port/master[/db]`.
    pub store: Secret,
    /// With `memory`: the directory of what outlives the process, relative to the working directory. Made when there is
    /// something to keep.
    pub dir: String,
    /// What hashes of keys that the admin API makes are keyed with, 32 characters or more. Absent: made once, and kept in
    /// `dir` or in the shared store. Keys made with another one do not work.
    pub pepper: Option<Secret>,
    /// Begins the names of all keys in the shared store.
    pub prefix: String,
    /// The longest that a request waits for the shared store.
    pub timeout: Span,
    /// The zone of the calendar that budgets go by: a name, or `+08:00`.
    pub timezone: String,
}

impl Default for State {
    fn default() -> Self {
        Self {
            store: Secret::new("memory".into()),
            dir: "./state".into(),
            pepper: None,
            prefix: "yumen".into(),
            timeout: Span(Duration::from_millis(50)),
            timezone: "Asia/Shanghai".into(),
        }
    }
}
