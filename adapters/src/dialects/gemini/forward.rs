//! The edits that make a client's request fit an upstream that speaks the same dialect.
//!
//! Three: the model's name, where a body says it too; a cap, where a budget has little left; and a stand-in for signatures
//! of calls that another vendor's model made, which newer models of this dialect ask for. All else goes as it came, unknown fields too. Never touches the
//! inside of a text.

use bytes::Bytes;
use wire::facts::RequestFacts;
use wire::json::{Type, Value};
use wire::{Edits, Fault, Kind};

use super::UNSIGNED;
use super::names::{get, is, object};
use super::request::inner;
use crate::dialect::{Dropped, Forward};
use crate::members::{Plan, overlap, quoted};
use crate::places::Asks;
use crate::quirks::{Quirks, Thinks};
use crate::vendor::Call;

/// Makes the edits.
///
/// # Errors
/// `Bug` only.
pub(super) fn forward(
    body: &Bytes,
    facts: &RequestFacts,
    call: &Call<'_>,
    quirks: &Quirks,
) -> Result<Forward, Fault> {
    let root = Value::root(&facts.tape, body).filter(|root| root.kind() == Type::Object);
    let root = root.ok_or_else(|| Fault::new(Kind::Bug).detail("a request without a root"))?;
    let mut edits = Edits::new();
    let held = inner(root);
    let inside = Some(held).filter(|held| held.index() != root.index());
    for holder in [Some(root), inside].into_iter().flatten() {
        if let Some(model) = get(holder, "model") {
            let name = quoted(&resource(call.model));
            edits.replace(model.span(), name).map_err(overlap)?;
        }
    }
    if let Some(cap) = call.cap
        && facts.max_tokens.is_none()
        && call.asks == Asks::Reply
    {
        capped(held, cap, &mut edits)?;
    }
    if quirks.messages.thinks == Thinks::Adaptive {
        for content in get(held, "contents").iter().flat_map(Value::elements) {
            signed(content, &mut edits)?;
        }
    }
    Ok(Forward {
        edits,
        dropped: Dropped::new(),
        hide_usage: false,
    })
}

/// A member of that name, `null` too.
fn member<'a>(holder: Value<'a>, name: &str) -> Option<Value<'a>> {
    let mut members = holder.members();
    members
        .find(|(key, _)| is(*key, name))
        .map(|(_, value)| value)
}

/// Says how long the reply may be. Members that stand there already are `null`.
fn capped(held: Value<'_>, cap: u64, edits: &mut Edits) -> Result<(), Fault> {
    let whole = format!("{{\"maxOutputTokens\":{cap}}}");
    let (holder, name, raw) = match member(held, "generationConfig") {
        None => (held, "generationConfig", whole),
        Some(config) if config.kind() != Type::Object => {
            return edits.replace(config.span(), whole).map_err(overlap);
        }
        Some(config) => match member(config, "maxOutputTokens") {
            Some(none) => {
                let raw = cap.to_string();
                return edits.replace(none.span(), raw).map_err(overlap);
            }
            None => (config, "maxOutputTokens", cap.to_string()),
        },
    };
    let mut plan = Plan::new(holder);
    plan.add(name, &raw);
    plan.finish(edits)
}

/// A model's name as the resource that it is.
pub(crate) fn resource(model: &str) -> String {
    if is_resource(model) {
        model.to_owned()
    } else {
        ["models/", model].concat()
    }
}

/// Whether a model's name says already what kind of resource it is.
pub(crate) fn is_resource(model: &str) -> bool {
    ["models/", "tunedModels/"]
        .iter()
        .any(|kind| model.starts_with(kind))
}

/// Signs the first call of a content that has calls and no signature.
fn signed(content: Value<'_>, edits: &mut Edits) -> Result<(), Fault> {
    let parts = get(content, "parts");
    let mut calls = parts
        .iter()
        .flat_map(Value::elements)
        .filter(|part| object(*part, "functionCall").is_some());
    let Some(first) = calls.next() else {
        return Ok(());
    };
    let signs = |part: &Value<'_>| get(*part, "thoughtSignature").is_some();
    if signs(&first) || calls.any(|part| signs(&part)) {
        return Ok(());
    }
    let behind = first.span().end - 1;
    let member = ["\"thoughtSignature\":\"", UNSIGNED, "\""].concat();
    // A member that is null gives way: two of one name are none.
    let null = first
        .members()
        .find(|(key, _)| is(*key, "thoughtSignature"));
    let made = match null {
        Some((key, value)) => edits.replace(key.span().start..value.span().end, member),
        None => edits.replace(behind..behind, format!(",{member}")),
    };
    made.map_err(overlap)
}
