//! Brings a conversation into the order that the legacy protocol wants, and Spark's too: system texts apart, user (or
//! function result) and assistant in turn, beginning and ending with the user's side.
//!
//! Nothing is invented: turns of one side are merged, of several calls each is told with its results ([`one_by_one`]), and
//! what cannot be said is lost by the caller's leave.

use std::collections::{HashMap, VecDeque};

use wire::Fault;
use wire::canon::{Part, Role, Str, ToolCall, Turn};
use wire::{Kind, json};

use crate::dialect::{Dropped, Lossy};
use crate::quirks::{Loss, lose};

/// A conversation in order.
#[derive(Default)]
pub(crate) struct Talk<'a> {
    /// System texts.
    pub system: Vec<&'a Str>,
    /// User side and assistant in turn; an odd number, the user's side first and last.
    pub turns: Vec<Side<'a>>,
}

/// All that one side says before the other speaks.
pub(crate) struct Side<'a> {
    /// The model's side.
    pub assistant: bool,
    /// Texts, joined by line feeds when written.
    pub texts: Vec<&'a Str>,
    /// Results of function calls: name and text.
    pub results: Vec<(Option<Str>, Vec<&'a Str>)>,
    /// The one call that the model may have made.
    pub call: Option<&'a ToolCall>,
}

/// A turn, or a part of one that made several calls, as it is told where a message has room for one call.
pub(crate) struct Step<'a> {
    /// The turn.
    pub turn: &'a Turn,
    /// The one of its calls that is told here.
    pub call: Option<&'a ToolCall>,
    /// Whether its texts are told here: they are once, in its first step.
    pub speaks: bool,
}

/// Splits turns so that each step has one call at most: of several calls each has its results behind it. Results that name
/// none of them come last.
pub(crate) fn one_by_one(turns: &[Turn]) -> Vec<Step<'_>> {
    let mut steps = Vec::with_capacity(turns.len());
    let whole = |turn| Step {
        turn,
        call: turn.calls.first(),
        speaks: true,
    };
    let mut rest = turns;
    while let Some((turn, behind)) = rest.split_first() {
        rest = behind;
        if turn.calls.len() < 2 {
            steps.push(whole(turn));
            continue;
        }
        let results = behind.iter().take_while(|turn| turn.role == Role::Tool);
        let (results, behind) = behind.split_at(results.count());
        rest = behind;
        let (told, others) = answered(turn, results);
        for (at, (call, results)) in told.into_iter().enumerate() {
            steps.push(Step {
                turn,
                call: Some(call),
                speaks: at == 0,
            });
            steps.extend(results.into_iter().map(whole));
        }
        steps.extend(others.into_iter().map(whole));
    }
    steps
}

/// The calls of a turn, each with its results, and the results that name none of them. Calls of one name share its results
/// in order. Where some are answered, the last one told is: what follows it would else be taken for its answer.
fn answered<'t>(
    turn: &'t Turn,
    results: &'t [Turn],
) -> (Vec<(&'t ToolCall, Vec<&'t Turn>)>, Vec<&'t Turn>) {
    let mut told: Vec<_> = turn.calls.iter().map(|call| (call, Vec::new())).collect();
    // Of each name the calls that have no result yet, the last of which takes all that are left.
    let mut waiting: HashMap<&[u8], VecDeque<usize>> = HashMap::new();
    for (at, call) in turn.calls.iter().enumerate() {
        waiting.entry(call.id.bytes()).or_default().push_back(at);
    }
    let mut others = Vec::new();
    for result in results {
        let id = result.call_id.as_ref();
        let calls = id.and_then(|id| waiting.get_mut(&id.bytes()[..]));
        let at = calls.and_then(|calls| match calls.len() {
            0 | 1 => calls.front().copied(),
            _ => calls.pop_front(),
        });
        match at.and_then(|at| told.get_mut(at)) {
            Some((_, own)) => own.push(result),
            None => others.push(result),
        }
    }
    if let Some(last) = told.iter().rposition(|(_, own)| !own.is_empty()) {
        let (_, behind) = told.split_at_mut(last);
        behind.rotate_left(1);
    }
    (told, others)
}

/// Puts turns in order.
///
/// # Errors
/// `BadRequest` for what cannot be said and must not be lost, and for a conversation without a user.
pub(crate) fn arrange<'a>(
    turns: &'a [Turn],
    lossy: Lossy,
    dropped: &mut Dropped,
) -> Result<Talk<'a>, Fault> {
    let mut talk = Talk::default();
    // Names of the functions that were called so far, by the call's id.
    let mut called: HashMap<&[u8], &Str> = HashMap::new();
    for step in one_by_one(turns) {
        let turn = step.turn;
        let mut texts = texts_of(&step, lossy, dropped)?;
        texts.retain(|text| text.first_char().is_some());
        if turn.name.is_some() && turn.role != Role::Tool {
            lose("name", Loss::Hint, lossy, dropped)?;
        }
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
        side.texts.extend(texts);
        if let Some(call) = step.call {
            called.insert(call.id.bytes(), &call.name);
            if side.call.replace(call).is_some() {
                // Nothing answered the one before.
                lose("tool_calls", Loss::Hint, lossy, dropped)?;
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
        return Err(no_user());
    }
    Ok(talk)
}

/// Of a conversation in which no user says a thing.
pub(crate) fn no_user() -> Fault {
    Fault::new(Kind::BadRequest)
        .param("messages")
        .message("The provider of this model needs a message of the user.")
}

/// The texts that are told in a step.
///
/// # Errors
/// `BadRequest` for other parts that must not be lost.
pub(crate) fn texts_of<'a>(
    step: &Step<'a>,
    lossy: Lossy,
    dropped: &mut Dropped,
) -> Result<Vec<&'a Str>, Fault> {
    if !step.speaks {
        return Ok(Vec::new());
    }
    let mut texts = Vec::with_capacity(step.turn.parts.len());
    for part in &step.turn.parts {
        match part {
            Part::Text(text) | Part::Refusal(text) => texts.push(text),
            _ => lose("messages", Loss::Meaning, lossy, dropped)?,
        }
    }
    Ok(texts)
}

/// A function's result as the JSON text that the protocol wants, escaped: an object as it is, anything else wrapped.
pub(crate) fn result_text(texts: &[&Str]) -> Str {
    if let [one] = texts
        && one.first_char() == Some('{')
    {
        let text = one.decoded();
        let tape = json::scan(&text, &json::Limits::default());
        let object = tape.is_ok_and(|tape| {
            json::Value::root(&tape, &text).is_some_and(|root| root.kind() == json::Type::Object)
        });
        if object {
            return (*one).clone();
        }
    }
    const BEGIN: &[u8] = br#"{\"result\":\""#;
    const BETWEEN: &[u8] = br"\\n";
    const END: &[u8] = br#"\"}"#;
    // Escaped once as text of the result, once more as a part of the JSON text.
    fn raw(text: &Str) -> &str {
        std::str::from_utf8(text.bytes()).unwrap_or_default()
    }
    let length: usize = texts
        .iter()
        .map(|text| json::escaped_len(raw(text)) + BETWEEN.len())
        .sum();
    let mut inner = Vec::with_capacity(BEGIN.len() + length + END.len());
    inner.extend_from_slice(BEGIN);
    for (at, text) in texts.iter().enumerate() {
        inner.extend_from_slice(if at == 0 { b"" } else { BETWEEN });
        json::escape(raw(text), &mut inner);
    }
    inner.extend_from_slice(END);
    Str::from_raw(inner)
}
