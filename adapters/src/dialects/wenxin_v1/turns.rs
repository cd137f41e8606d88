//! Brings a conversation into the order that the legacy protocol wants: system texts apart, user (or function result)
//! and assistant in turn, beginning and ending with the user's side.
//!
//! Nothing is invented: turns of one side are merged, and what cannot be said is lost by the caller's leave.

use std::collections::HashMap;

use wire::Fault;
use wire::canon::{Part, Role, Str, ToolCall, Turn};
use wire::{Kind, json};

use crate::dialect::{Dropped, Lossy};
use crate::quirks::{Loss, lose};

/// A conversation in order.
#[derive(Default)]
pub(super) struct Talk<'a> {
    /// System texts.
    pub system: Vec<&'a Str>,
    /// User side and assistant in turn; an odd number, the user's side first and last.
    pub turns: Vec<Side<'a>>,
}

/// All that one side says before the other speaks.
pub(super) struct Side<'a> {
    /// The model's side.
    pub assistant: bool,
    /// Texts, joined by line feeds when written.
    pub texts: Vec<&'a Str>,
    /// Results of function calls: name and text.
    pub results: Vec<(Option<Str>, Vec<&'a Str>)>,
    /// The one call that the model may have made.
    pub call: Option<&'a ToolCall>,
}

/// Puts turns in order.
///
/// # Errors
/// `BadRequest` for what cannot be said and must not be lost, and for a conversation without a user.
pub(super) fn arrange<'a>(
    turns: &'a [Turn],
    lossy: Lossy,
    dropped: &mut Dropped,
) -> Result<Talk<'a>, Fault> {
    let mut talk = Talk::default();
    // Names of the functions that were called so far, by the call's id.
    let mut called: HashMap<&[u8], &Str> = HashMap::new();
    for turn in turns {
        let texts = texts_of(turn, lossy, dropped)?;
        if matches!(turn.role, Role::System | Role::Developer) {
            talk.system.extend(texts);
            continue;
        }
        let assistant = turn.role == Role::Assistant;
        if talk.turns.last().map(|last| last.assistant) != Some(assistant) {
            talk.turns.push(Side {
                assistant,
                texts: Vec::new(),
                results: Vec::new(),
                call: None,
            });
        }
        let Some(side) = talk.turns.last_mut() else {
            continue;
        };
        if turn.role == Role::Tool {
            let id = turn.call_id.as_ref();
            let name = id.and_then(|id| called.get(&id.bytes()[..]).copied());
            side.results
                .push((name.or(turn.name.as_ref()).cloned(), texts));
            continue;
        }
        let names = turn.calls.iter();
        called.extend(names.map(|call| (&call.id.bytes()[..], &call.name)));
        side.texts.extend(texts);
        for call in &turn.calls {
            if side.call.is_some() {
                // One call at a time; the results of all are kept.
                lose("tool_calls", Loss::Hint, lossy, dropped)?;
            } else {
                side.call = Some(call);
            }
        }
    }
    if talk.turns.first().is_some_and(|first| first.assistant) {
        // A greeting by the model before anybody spoke.
        lose("messages", Loss::Hint, lossy, dropped)?;
        talk.turns.remove(0);
    }
    if talk.turns.last().is_some_and(|last| last.assistant) {
        // The beginning of an answer that the model should go on with.
        lose("messages", Loss::Meaning, lossy, dropped)?;
        talk.turns.pop();
    }
    if talk.turns.is_empty() {
        return Err(Fault::new(Kind::BadRequest)
            .param("messages")
            .message("The provider of this model needs a message of the user."));
    }
    Ok(talk)
}

/// A turn's texts that are not blank.
fn texts_of<'a>(
    turn: &'a Turn,
    lossy: Lossy,
    dropped: &mut Dropped,
) -> Result<Vec<&'a Str>, Fault> {
    let mut texts = Vec::with_capacity(turn.parts.len());
    for part in &turn.parts {
        match part {
            Part::Text(text) | Part::Refusal(text) => texts.push(text),
            _ => lose("messages", Loss::Meaning, lossy, dropped)?,
        }
    }
    texts.retain(|text| !is_blank(text));
    Ok(texts)
}

/// Whether there is nothing but white space.
fn is_blank(text: &Str) -> bool {
    // A text of any length begins with something else than space soon, or is not worth its length.
    text.text().trim().is_empty()
}

/// A function's result as the JSON text that the protocol wants, escaped: an object as it is, anything else wrapped.
pub(super) fn result_text(texts: &[&Str]) -> Str {
    if let [one] = texts {
        let text = one.text();
        let tape = json::scan(text.as_bytes(), &json::Limits::default());
        let object = tape.is_ok_and(|tape| {
            json::Value::root(&tape, text.as_bytes())
                .is_some_and(|root| root.kind() == json::Type::Object)
        });
        if object {
            return (*one).clone();
        }
    }
    let mut inner = br#"{\"result\":\""#.to_vec();
    for (at, text) in texts.iter().enumerate() {
        if at > 0 {
            inner.extend_from_slice(br"\\n");
        }
        // Escaped once as text of the result, once more as a part of the JSON text.
        let raw = std::str::from_utf8(text.bytes()).unwrap_or_default();
        json::escape(raw, &mut inner);
    }
    inner.extend_from_slice(br#"\"}"#);
    Str::from_raw(inner)
}
