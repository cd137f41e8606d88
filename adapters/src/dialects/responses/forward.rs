//! The edits that make a client's request fit an upstream that speaks the same dialect.
//!
//! Four: the model's name; a cap, where a budget has little left; that nothing is to be stored there, since nobody could reach it through us and one caller could
//! reach another's; and thoughts that this upstream did not think. All else goes as it came, unknown fields too. Never
//! touches the inside of a text.

use bytes::Bytes;
use wire::facts::RequestFacts;
use wire::json::{Type, Value};
use wire::{Edits, Fault, Kind};

use super::items;
use crate::dialect::{Dropped, Forward, Lossy};
use crate::members::{Plan, overlap, quoted};
use crate::quirks::{Loss, Quirks, lose};
use crate::vendor::Call;

/// What makes a vendor give out its thoughts so that they can be shown again though it kept nothing.
const ENCRYPTED: &str = "\"reasoning.encrypted_content\"";

/// Makes the edits.
///
/// # Errors
/// `BadRequest` if what is stored must not be lost.
pub(super) fn forward(
    body: &Bytes,
    facts: &RequestFacts,
    call: &Call<'_>,
    quirks: &Quirks,
    lossy: Lossy,
) -> Result<Forward, Fault> {
    let root = Value::root(&facts.tape, body).filter(|root| root.kind() == Type::Object);
    let root = root.ok_or_else(|| Fault::new(Kind::Bug).detail("a request without a root"))?;
    let mut edits = Edits::new();
    let mut dropped = Dropped::new();
    if call.model != facts.model {
        edits
            .replace(facts.model_span.clone(), quoted(call.model))
            .map_err(overlap)?;
    }
    let mut plan = Plan::new(root);
    match plan.get("store") {
        Some(store) if store.as_bool() == Some(false) => {}
        Some(store) => {
            if store.as_bool() == Some(true) {
                lose("store", Loss::Hint, lossy, &mut dropped)?;
            }
            edits.replace(store.span(), "false").map_err(overlap)?;
        }
        None => plan.add("store", "false"),
    }
    if let Some(cap) = call.cap.filter(|_| facts.max_tokens.is_none()) {
        let cap = cap.to_string();
        match plan.get("max_output_tokens") {
            Some(none) => edits.replace(none.span(), cap).map_err(overlap)?,
            None => plan.add("max_output_tokens", &cap),
        }
    }
    if quirks.encrypts_thoughts {
        include(&mut plan, &mut edits)?;
    }
    let input = plan.get("input");
    plan.finish(&mut edits)?;
    if let Some(input) = input {
        without_foreign_thoughts(input, &mut edits)?;
    }
    Ok(Forward {
        edits,
        dropped,
        hide_usage: false,
    })
}

fn include(plan: &mut Plan<'_>, edits: &mut Edits) -> Result<(), Fault> {
    let list = format!("[{ENCRYPTED}]");
    let Some(asked) = plan.get("include") else {
        plan.add("include", &list);
        return Ok(());
    };
    if asked.kind() != Type::Array {
        return edits.replace(asked.span(), list).map_err(overlap);
    }
    let mut last = None;
    for one in asked.elements() {
        if one.is_named("reasoning.encrypted_content") {
            return Ok(());
        }
        last = Some(one.span().end);
    }
    match last {
        Some(end) => edits.replace(end..end, format!(",{ENCRYPTED}")),
        None => edits.replace(asked.span(), list),
    }
    .map_err(overlap)
}

/// Takes out thoughts without a proof of this dialect's vendor: it would look for them in what it stored.
fn without_foreign_thoughts(input: Value<'_>, edits: &mut Edits) -> Result<(), Fault> {
    let foreign = |item: &Value<'_>| {
        item.get("type")
            .is_some_and(|kind| kind.is_named("reasoning"))
            && !item
                .get("encrypted_content")
                .and_then(|proof| proof.inner())
                .is_some_and(items::is_own)
    };
    if input.elements().all(|item| !foreign(&item)) {
        return Ok(());
    }
    crate::members::without(input, foreign, edits)
}
