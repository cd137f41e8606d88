//! Keys and teams through the admin API.
//!
//! Knows HTTP and who asks; what is done and what it means is [`access`](crate::access)'s. Runs on threads of its own, at
//! most `CHANGES_MAX` at once: a change waits for a disk or for a store.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::query::{decoded, pairs};
use crate::access::{Access, Answer, Refusal, Who};

/// Changes and lists at once; more wait.
const CHANGES_MAX: usize = 8;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Keys,
    Key,
    CreateKey,
    ChangeKey,
    RotateKey,
    RevokeKey,
    Teams,
    Team,
    CreateTeam,
    ChangeTeam,
    DeleteTeam,
}

/// The keyring behind the routes.
pub struct Desk {
    access: Access,
    places: Arc<Semaphore>,
}

impl Desk {
    /// Nobody is served.
    #[must_use]
    pub fn new(access: Access) -> Arc<Self> {
        Arc::new(Self {
            access,
            places: Arc::new(Semaphore::new(CHANGES_MAX)),
        })
    }

    /// Whether a team of that name was made here and not deleted since.
    pub(super) fn has_team(&self, name: &str) -> bool {
        self.access.has_team(name)
    }

    /// Does what `who` asks, on a thread of its own.
    pub(super) async fn serve(
        self: &Arc<Self>,
        op: Op,
        who: Who,
        (id, query): (&str, &str),
        body: impl AsRef<[u8]> + Send + 'static,
    ) -> (StatusCode, Value) {
        let (Some(id), Some(query)) = (decoded(id), pairs(query)) else {
            return refused(&Refusal::Bad(
                "the path or the query is not well-formed".into(),
            ));
        };
        // Never closed.
        let place = Arc::clone(&self.places).acquire_owned().await;
        let desk = Arc::clone(self);
        let doing = move || {
            // Whoever asked may have gone; what was begun is done.
            let _place = place;
            desk.access.answer(op, &who, &id, &query, body.as_ref())
        };
        tokio::task::spawn_blocking(doing)
            .await
            .unwrap_or_else(|_| {
                let why = json!({ "error": { "message": "the change panicked" } });
                (StatusCode::INTERNAL_SERVER_ERROR, why)
            })
    }
}

impl Access {
    fn answer(
        &self,
        op: Op,
        who: &Who,
        id: &str,
        query: &[(String, String)],
        body: &[u8],
    ) -> (StatusCode, Value) {
        let shown = |body: Result<Value, Refusal>| match body {
            Ok(body) => (StatusCode::OK, body),
            Err(refusal) => refused(&refusal),
        };
        let made = |made: Result<Answer, Refusal>, status| match made {
            Ok(Answer {
                body,
                is_pending: false,
            }) => (status, body),
            Ok(Answer { body, .. }) => (StatusCode::ACCEPTED, body),
            Err(refusal) => refused(&refusal),
        };
        match op {
            Op::Keys => shown(self.keys(query)),
            Op::Key => shown(self.one_key(id)),
            Op::CreateKey => made(self.create_key(who, body), StatusCode::CREATED),
            Op::ChangeKey => made(self.change_key(who, id, body), StatusCode::OK),
            Op::RotateKey => made(self.rotate_key(who, id, body), StatusCode::OK),
            Op::RevokeKey => made(self.revoke_key(who, id), StatusCode::OK),
            Op::Teams => shown(self.teams(query)),
            Op::Team => shown(self.one_team(id)),
            Op::CreateTeam => made(self.create_team(who, body), StatusCode::CREATED),
            Op::ChangeTeam => made(self.change_team(who, id, body), StatusCode::OK),
            Op::DeleteTeam => made(self.delete_team(who, id), StatusCode::OK),
        }
    }
}

fn refused(refusal: &Refusal) -> (StatusCode, Value) {
    let status = match refusal {
        Refusal::Bad(_) => StatusCode::BAD_REQUEST,
        Refusal::Missing(_) => StatusCode::NOT_FOUND,
        Refusal::Conflict(_) => StatusCode::CONFLICT,
        Refusal::Unkept(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, json!({ "error": { "message": refusal.told() } }))
}
