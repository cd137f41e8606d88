//! Usage and budgets through the admin API.
//!
//! Knows the index, the log and the ledger, no token: whoever calls has checked it. What reads files runs on threads of its
//! own, as many at once as searches. Invariants: nothing that names requests is shown before the log holds who asked; usage
//! is sums, and is not written down.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::Full;
use journal::follow::Until;
use journal::index::{Cursor, LIMIT_MAX};
use ledger::Ledger;
use policies::access::keys::Principal;
use policies::limit::level::Now;
use policies::limit::meter::Owner;
use serde::Serialize;
use serde_json::json;

use super::audit::{Answer, bad, unread};
use super::query::{decoded, pairs};
use super::visitor::Visitor;
use super::{AdminState, JSON, Searches, refuse, reply};
use crate::config::snapshot::Snapshot;
use crate::usage::Asked;
use crate::usage::budgets::{self, Books, Counted, Counting, ENTRIES};

const CSV: &str = "text/csv; charset=utf-8";

/// `GET /api/usage`.
pub(super) async fn usage(
    state: &AdminState,
    visitor: &Visitor,
    raw: &str,
) -> Response<Full<Bytes>> {
    let Some(pairs) = pairs(raw) else {
        return refuse(StatusCode::BAD_REQUEST, "the query is not well-formed");
    };
    let format = pairs.iter().rfind(|(name, _)| name == "format");
    let csv = match format.map_or("json", |(_, value)| &**value) {
        "json" => false,
        "csv" => true,
        _ => return refuse(StatusCode::BAD_REQUEST, "format: json or csv"),
    };
    let snapshot = state.config.load();
    let zone = crate::config::zone::shown(snapshot.money.zone_s);
    let teams = seen(visitor, &snapshot);
    let search = move |searches: &Searches| {
        let pairs = pairs.iter().map(|(name, value)| (&**name, &**value));
        let now_ms = searches.clock.wall_ms();
        let mut asked = Asked::read(pairs, &zone, now_ms).map_err(|why| bad(&why))?;
        if let Some(teams) = teams {
            asked.confine(&teams);
        }
        searches.usage(&asked, csv)
    };
    match state.searches.run(search).await {
        Ok(body) => reply(StatusCode::OK, if csv { CSV } else { JSON }, body),
        Err((status, why)) => refuse(status, &why),
    }
}

impl Searches {
    fn usage(&self, asked: &Asked, csv: bool) -> Answer {
        let (from_ms, to_ms) = asked.span();
        let mut table = asked.begin();
        let complete_to = match &self.index {
            Some(index) => index.usage(from_ms, to_ms, &mut |slot, of, sums| {
                table.take(slot, of, sums)
            }),
            None => {
                let until = Until::Frontier(self.journal.frontier());
                let mut take = |slot: i64, of: &journal::index::usage::Of<'_>, sums: &_| {
                    table.take(slot, of, sums)
                };
                journal::index::usage::read(&self.dir, None, (from_ms, to_ms), until, &mut take)
                    .map(|read| read.complete_to)
            }
        };
        let complete_to = complete_to.map_err(|error| unread(&error))?;
        let answer = table.finish(complete_to).map_err(|why| bad(&why))?;
        let mut out = Vec::new();
        let written = match csv {
            true => answer.write_csv(&mut out),
            false => write(&mut out, &answer),
        };
        written.map_err(|error| unread(&error))?;
        Ok(out)
    }
}

/// `GET /api/budgets`.
pub(super) async fn budgets(state: &AdminState, visitor: &Visitor) -> Response<Full<Bytes>> {
    let now = now(state);
    let snapshot = state.config.load();
    let teams = seen(visitor, &snapshot);
    let is_seen = |team: &str| teams.iter().flatten().any(|seen| *seen == *team);
    let of_team = |key: &Arc<Principal>| key.team.as_deref().is_some_and(is_seen);
    let keys: HashSet<&str> = match teams {
        Some(_) => snapshot
            .keys
            .iter()
            .filter(|key| of_team(key))
            .map(|key| &*key.id)
            .collect(),
        None => HashSet::new(),
    };
    let sees = |owner: &Owner| match owner {
        _ if teams.is_none() => true,
        Owner::Team(name) => is_seen(name),
        Owner::Key(id) => keys.contains(&**id),
        Owner::User(_) | Owner::Model(_) | Owner::Provider(_) => false,
    };
    let counted = counted(state, now, sees).await;
    let search = move |searches: &Searches| {
        let budgets = searches.books(&snapshot, now).list(&counted);
        let budgets = budgets.map_err(|error| unread(&error))?;
        told(&json!({ "budgets": budgets }))
    };
    answered(state.searches.run(search).await)
}

/// `GET /api/budgets/{owner}/explain`.
pub(super) async fn explain(
    state: &AdminState,
    visitor: Visitor,
    id: &str,
    raw: &str,
) -> Response<Full<Bytes>> {
    let now = now(state);
    let snapshot = state.config.load();
    let Some(owner) = decoded(id) else {
        return refuse(StatusCode::BAD_REQUEST, "the owner is not well-formed");
    };
    let (cursor, limit) = match page(raw) {
        Ok(page) => page,
        Err(why) => return refuse(StatusCode::BAD_REQUEST, &why),
    };
    let counted = counted(state, now, |of| budgets::owner_name(of) == owner).await;
    if counted.is_empty() {
        let why = "nobody of this name has a budget: write key:NAME or team:NAME";
        return refuse(StatusCode::NOT_FOUND, why);
    }
    let counting = match state.ledger {
        Ledger::Shared(_) => Counting::Shared,
        Ledger::Memory => Counting::Here,
    };
    let search = move |searches: &Searches| {
        searches.record(&visitor, &format!("budget explain {owner}"))?;
        let books = searches.books(&snapshot, now);
        let told_of = books.explain(&counted, cursor, limit, counting);
        told(&told_of.map_err(|error| unread(&error))?)
    };
    answered(state.searches.run(search).await)
}

impl Searches {
    fn books<'a>(&'a self, snapshot: &'a Snapshot, now: Now) -> Books<'a> {
        Books {
            log: &self.dir,
            index: self.index.as_deref(),
            live: true,
            until: Until::Frontier(self.journal.frontier()),
            snapshot,
            money: snapshot.all_money(),
            now,
        }
    }
}

/// The budgets of owners that are wanted, with what is counted of each. What is left of a team that is no more is remembered
/// for one of its name, and is nobody's budget.
async fn counted(state: &AdminState, now: Now, wanted: impl Fn(&Owner) -> bool) -> Vec<Counted> {
    let mut counted = Vec::new();
    let meters = &state.config.books().meters;
    let snapshot = state.config.load();
    let exists = |owner: &Owner| match owner {
        Owner::Team(name) => {
            snapshot.basis.teams.contains_key(&**name) || state.keys.has_team(name)
        }
        _ => true,
    };
    let wanted = |owner: &Owner| wanted(owner) && exists(owner);
    for meter in budgets::budgets(meters, &snapshot.keys, wanted) {
        let spent = state.ledger.spent(&meter, now).await;
        counted.push((meter, spent));
    }
    counted
}

/// The teams that somebody may see; `None`: all.
fn seen(visitor: &Visitor, snapshot: &Snapshot) -> Option<Vec<String>> {
    let teams = visitor.teams.as_ref()?.iter();
    let money = snapshot.all_money();
    let below = |team: &String| {
        budgets::below(&money, team)
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    Some(teams.flat_map(below).collect())
}

fn page(raw: &str) -> Result<(Option<Cursor>, usize), String> {
    let pairs = pairs(raw).ok_or("the query is not well-formed")?;
    let (mut cursor, mut limit) = (None, ENTRIES);
    for (name, value) in pairs {
        match &*name {
            "cursor" => cursor = Some(value.parse().map_err(|why| format!("cursor: {why}"))?),
            "limit" => {
                let number = value.parse().ok();
                limit = number
                    .filter(|limit| (1..=LIMIT_MAX).contains(limit))
                    .ok_or("limit: not a number from 1 to 1000")?;
            }
            _ => return Err(format!("there is no `{name}`; there are limit and cursor")),
        }
    }
    Ok((cursor, limit))
}

fn now(state: &AdminState) -> Now {
    let clock = &state.searches.clock;
    Now {
        mono_ns: clock.mono_ns(),
        wall_ms: clock.wall_ms(),
    }
}

fn answered(answer: Answer) -> Response<Full<Bytes>> {
    match answer {
        Ok(body) => reply(StatusCode::OK, JSON, body),
        Err((status, why)) => refuse(status, &why),
    }
}

fn told(value: &impl Serialize) -> Answer {
    let mut out = Vec::new();
    write(&mut out, value).map_err(|error| unread(&error))?;
    Ok(out)
}

/// One line of JSON that no terminal obeys.
fn write(out: &mut Vec<u8>, value: &impl Serialize) -> std::io::Result<()> {
    let text = serde_json::to_string(value)?;
    journal::inert::write_inert(out, &text)?;
    out.push(b'\n');
    Ok(())
}
