//! The edits that make a client's request fit an upstream that speaks native generation too: the model's name, the fields
//! that its models judge differently, and a cap, where a budget has little left.

use bytes::Bytes;
use wire::facts::RequestFacts;
use wire::json::{Type, Value};
use wire::{Edits, Fault, Kind};

use crate::dialect::{Dropped, Forward, Lossy};
use crate::dialects::openai_chat::forward::{capped, fields};
use crate::members::{Plan, overlap, quoted};
use crate::quirks::Quirks;
use crate::vendor::Call;

/// Makes the edits. What a client did not say stays unsaid: the defaults are the vendor's own.
///
/// # Errors
/// `BadRequest` for what must not be lost.
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
        let name = quoted(call.model);
        edits
            .replace(facts.model_span.clone(), name)
            .map_err(overlap)?;
    }
    let bound = call.cap.filter(|_| facts.max_tokens.is_none());
    let parameters = root.get("parameters");
    if let Some(parameters) = parameters.filter(|one| one.kind() == Type::Object) {
        let mut plan = Plan::new(parameters);
        fields(&mut plan, quirks, lossy, &mut edits, &mut dropped)?;
        if let Some(bound) = bound {
            capped(&mut plan, bound, quirks);
        }
        plan.finish(&mut edits)?;
    } else if let Some((name, tokens)) = bound.and_then(|bound| quirks.cap(bound)) {
        let made = format!("{{\"{name}\":{tokens}}}");
        let mut plan = Plan::new(root);
        // One that stands there is `null`.
        plan.remove("parameters");
        plan.add("parameters", &made);
        plan.finish(&mut edits)?;
    }
    Ok(Forward {
        edits,
        dropped,
        hide_usage: false,
    })
}
