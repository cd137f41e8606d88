//! The edits that make a client's request fit an upstream that speaks the same dialect.
//!
//! Never rebuilds the body and never touches the inside of a text, so that redactions fit beside these edits. Knows no
//! vendor: what differs stands in [`Quirks`].

use bytes::Bytes;
use wire::facts::RequestFacts;
use wire::json::{Type, Value};
use wire::{Edits, Fault, Kind};

use crate::dialect::{Dropped, Forward, Lossy};
use crate::members::{Plan, overlap, quoted};
use crate::quirks::{Back, Judged, Loss, Quirks, Rule, StreamUsage, lose, short_call_id};
use crate::vendor::Call;

/// Asks for usage; the value of `stream_options`.
const ASK_USAGE: &str = r#"{"include_usage":true}"#;

/// Longest head of a data URL: media types are short.
const DATA_HEAD_MAX: usize = 128;

/// Makes the edits.
///
/// # Errors
/// `BadRequest` for what must not be lost.
pub(crate) fn forward(
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
    let mut plan = Plan::new(root);
    without_tools(&mut plan, quirks);
    greedy(&mut plan, quirks);
    fields(&mut plan, quirks, lossy, &mut edits, &mut dropped)?;
    if facts.stream {
        ask_usage(&mut plan, facts, quirks, &mut edits)?;
    }
    if let Some(cap) = call.cap.filter(|_| facts.max_tokens.is_none()) {
        capped(&mut plan, cap, quirks);
    }
    let tools = plan.get("tools").is_some();
    for added in quirks.additions(facts.stream, tools) {
        if plan.get(added.name).is_none() {
            plan.add(added.name, added.raw);
        }
    }
    let messages = plan.get("messages");
    plan.finish(&mut edits)?;
    let mut lost = Loss::Nothing;
    for message in messages.iter().flat_map(Value::elements) {
        fit_message(message, quirks, &mut edits, &mut lost)?;
    }
    lose("messages", lost, lossy, &mut dropped)?;
    Ok(Forward {
        edits,
        dropped,
        hide_usage: facts.stream && !facts.usage_asked,
    })
}

/// Says how long the reply may be.
pub(crate) fn capped(plan: &mut Plan<'_>, tokens: u64, quirks: &Quirks) {
    if let Some((name, tokens)) = quirks.cap(tokens) {
        // One that stands there is `null`.
        plan.remove(name);
        plan.add(name, &tokens.to_string());
    }
}

/// Takes out tools that are none.
fn without_tools(plan: &mut Plan<'_>, quirks: &Quirks) {
    let empty = plan
        .get("tools")
        .is_some_and(|tools| tools.elements().next().is_none());
    let none = plan
        .get("tool_choice")
        .is_some_and(|choice| choice.is_named("none"));
    if (quirks.omit_empty_tools && empty) || (quirks.none_drops_tools && none) {
        plan.remove("tools");
        plan.remove("tool_choice");
        plan.remove("parallel_tool_calls");
    }
}

/// Says temperature 0 in the vendor's way.
fn greedy(plan: &mut Plan<'_>, quirks: &Quirks) {
    let zero = plan
        .get("temperature")
        .and_then(|number| number.as_f64())
        .is_some_and(|number| number <= 0.0);
    if let (Some((name, raw)), true) = (quirks.greedy, zero) {
        plan.remove("temperature");
        plan.remove("top_p");
        if plan.get(name).is_none() {
            plan.add(name, raw);
        }
    }
}

/// Applies the rule of each top-level field.
pub(crate) fn fields(
    plan: &mut Plan<'_>,
    quirks: &Quirks,
    lossy: Lossy,
    edits: &mut Edits,
    dropped: &mut Dropped,
) -> Result<(), Fault> {
    if quirks.fields.is_empty() && quirks.openai_only {
        return Ok(());
    }
    let mut ruled: smallvec::SmallVec<[_; 16]> = plan
        .members()
        .filter_map(|(at, key, value)| {
            let (name, rule) = quirks.rule(&key.as_str()?)?;
            // One that was taken out already, or gave way to another name, is not judged.
            plan.get(name)?;
            Some((at, name, rule, value))
        })
        .collect();
    // One that takes another's name first: what gives way to it is not judged.
    ruled.sort_by_key(|row| !row.2.renames());
    for (at, name, rule, value) in ruled {
        if plan.get(name).is_none() {
            continue;
        }
        if let Rule::Yields(other) = rule
            && plan.get(other).is_some_and(|other| !other.is_null())
        {
            plan.remove_at(at);
            continue;
        }
        match rule.judge(name, value) {
            Judged::Keep => {}
            Judged::Remove(loss) => {
                lose(name, loss, lossy, dropped)?;
                plan.remove_at(at);
            }
            Judged::Rename(to) => plan.rename_at(at, to),
            Judged::Set(raw, loss) => {
                lose(name, loss, lossy, dropped)?;
                edits.replace(value.span(), raw).map_err(overlap)?;
            }
            Judged::RenameSet(to, raw, loss) => {
                lose(name, loss, lossy, dropped)?;
                plan.rename_at(at, to);
                edits.replace(value.span(), raw).map_err(overlap)?;
            }
            Judged::Wrap => {
                let span = value.span();
                let around = [(span.start, "["), (span.end, "]")];
                for (at, bracket) in around {
                    edits.replace(at..at, bracket).map_err(overlap)?;
                }
            }
        }
    }
    Ok(())
}

/// Makes the vendor report usage in a stream: without it nothing could be charged.
fn ask_usage(
    plan: &mut Plan<'_>,
    facts: &RequestFacts,
    quirks: &Quirks,
    edits: &mut Edits,
) -> Result<(), Fault> {
    match quirks.stream_usage {
        StreamUsage::Ask if facts.usage_asked => return Ok(()),
        StreamUsage::Ask => {}
        StreamUsage::Always => return Ok(()),
        StreamUsage::Unknown => {
            plan.remove("stream_options");
            return Ok(());
        }
    }
    let Some(options) = plan.get("stream_options") else {
        plan.add("stream_options", ASK_USAGE);
        return Ok(());
    };
    if options.kind() != Type::Object {
        return edits.replace(options.span(), ASK_USAGE).map_err(overlap);
    }
    match options.get("include_usage") {
        Some(flag) => edits.replace(flag.span(), "true").map_err(overlap),
        None => {
            let mut inner = Plan::new(options);
            inner.add("include_usage", "true");
            inner.finish(edits)
        }
    }
}

/// Role and shape of one message.
fn fit_message(
    message: Value<'_>,
    quirks: &Quirks,
    edits: &mut Edits,
    lost: &mut Loss,
) -> Result<(), Fault> {
    if quirks.developer_is_system
        && let Some(role) = message
            .get("role")
            .filter(|role| role.is_named("developer"))
    {
        edits.replace(role.span(), "\"system\"").map_err(overlap)?;
    }
    if quirks.short_call_ids {
        shorten_ids(message, edits)?;
    }
    if quirks.reasoning_back == Back::WithCalls && message.get("reasoning_content").is_some() {
        forget(message, edits)?;
    }
    match message.get("content") {
        Some(content)
            if content.kind() == Type::Array && (quirks.no_auto_detail || quirks.bare_pictures) =>
        {
            for part in content.elements() {
                fit_picture(part, quirks, edits)?;
            }
            Ok(())
        }
        Some(content) if quirks.flat_text && content.kind() == Type::Array => {
            flatten(content, quirks.text_only, edits, lost)
        }
        _ => Ok(()),
    }
}

/// Takes out a thought that led to no call.
fn forget(message: Value<'_>, edits: &mut Edits) -> Result<(), Fault> {
    let calls = message.get("tool_calls");
    if calls.is_none_or(|calls| calls.elements().next().is_none()) {
        let mut plan = Plan::new(message);
        plan.remove("reasoning_content");
        plan.finish(edits)?;
    }
    Ok(())
}

/// A picture as the vendor takes it.
fn fit_picture(part: Value<'_>, quirks: &Quirks, edits: &mut Edits) -> Result<(), Fault> {
    let image = part.get("image_url");
    let Some(image) = image.filter(|image| image.kind() == Type::Object) else {
        return Ok(());
    };
    let is_auto = |detail: Value<'_>| detail.is_named("auto");
    if quirks.no_auto_detail && image.get("detail").is_some_and(is_auto) {
        let mut plan = Plan::new(image);
        plan.remove("detail");
        plan.finish(edits)?;
    }
    let url = image.get("url").filter(|_| quirks.bare_pictures);
    if let Some(span) = url.and_then(|url| url.inner_span())
        && let Some(head) = url.and_then(|url| data_head(url.inner()?.as_bytes()))
    {
        edits
            .replace(span.start..span.start + head, "")
            .map_err(overlap)?;
    }
    Ok(())
}

/// How long the head of a data URL in base64 is.
fn data_head(url: &[u8]) -> Option<usize> {
    const MARK: &[u8] = b";base64,";
    let head = url.get(..DATA_HEAD_MAX.min(url.len()))?;
    let mark = head.windows(MARK.len()).position(|bytes| bytes == MARK)?;
    head.starts_with(b"data:").then_some(mark + MARK.len())
}

/// Ids of tool calls in the vendor's form, the same in call and result.
fn shorten_ids(message: Value<'_>, edits: &mut Edits) -> Result<(), Fault> {
    let calls = message.get("tool_calls");
    let calls = calls.iter().flat_map(Value::elements);
    let ids = calls.filter_map(|call| call.get("id"));
    for id in ids.chain(message.get("tool_call_id")) {
        let short = id.as_str().and_then(|text| short_call_id(text.as_bytes()));
        if let Some(short) = short {
            edits.replace(id.span(), quoted(&short)).map_err(overlap)?;
        }
    }
    Ok(())
}

/// Turns an array of text parts into one string, by replacing what stands around the texts only. With `text_only` other
/// parts are lost; else they keep the array as it is.
fn flatten(
    content: Value<'_>,
    text_only: bool,
    edits: &mut Edits,
    lost: &mut Loss,
) -> Result<(), Fault> {
    let text_of = |part: Value<'_>| {
        let is_text = part.get("type").is_some_and(|kind| kind.is_named("text"));
        part.get("text").filter(|_| is_text)?.inner_span()
    };
    let parts = content.elements().count();
    let texts: smallvec::SmallVec<[_; 8]> = content.elements().filter_map(text_of).collect();
    if texts.len() < parts {
        if !text_only {
            return Ok(());
        }
        *lost = Loss::Meaning;
    }
    let mut at = content.span().start;
    let mut between: &'static str = "\"";
    for text in texts {
        edits.replace(at..text.start, between).map_err(overlap)?;
        at = text.end;
        between = "\\n";
    }
    let last = if between == "\"" { "\"\"" } else { "\"" };
    edits.replace(at..content.span().end, last).map_err(overlap)
}
