//! What becomes of one field by its rule, and what is lost with it.
//!
//! Judges a name and a value; knows no request.

use bytes::Bytes;
use wire::json::{Type, Value};

use super::{Judged, Loss, Rule};

/// A clamp that moves a number by no more than this keeps its meaning and is not reported.
const NEAR: f64 = 0.0101;

impl Rule {
    /// Whether another member may have to give way.
    pub(crate) const fn renames(self) -> bool {
        matches!(
            self,
            Self::Rename(_) | Self::RenameSized { .. } | Self::RenameClamp { .. }
        )
    }

    /// What becomes of a field of this name and value.
    pub(crate) fn judge(self, name: &str, value: Value<'_>) -> Judged {
        if value.is_null() {
            // Some vendors refuse a null; to none it says anything.
            return Judged::Remove(Loss::Nothing);
        }
        match self {
            Self::Lacks => Judged::Remove(weight(name, value)),
            Self::Rename(to) => Judged::Rename(to),
            Self::RenameSized { to, min, max } => {
                let length = value.as_str().map_or(0, |text| text.len());
                if (min..=max).contains(&length) {
                    Judged::Rename(to)
                } else {
                    Judged::Remove(Loss::Hint)
                }
            }
            Self::Clamp { min, max } => clamp(value, min, max),
            Self::RenameClamp { to, min, max } => match clamp(value, min, max) {
                Judged::Set(raw, loss) => Judged::RenameSet(to, raw, loss),
                _ => Judged::Rename(to),
            },
            Self::List if value.kind() == Type::String => Judged::Wrap,
            Self::List => Judged::Keep,
            Self::OneOf(words) => {
                if words.iter().any(|word| value.is_named(word)) {
                    return Judged::Keep;
                }
                match words.first() {
                    Some(first) => Judged::Set(crate::members::quoted(first), weight(name, value)),
                    None => Judged::Remove(weight(name, value)),
                }
            }
            Self::Words(_) | Self::Spelt(_) if is_odd_choice(name, value) => {
                Judged::Remove(weight(name, value))
            }
            Self::Words(pairs) => respelt(pairs, value, weight(name, value)),
            Self::Spelt(pairs) => respelt(pairs, value, Loss::Nothing),
            Self::Knows | Self::Yields(_) => Judged::Keep,
            Self::Types(types) => {
                let kind = value.get("type");
                if kind.is_none_or(|kind| types.iter().any(|name| kind.is_named(name))) {
                    Judged::Keep
                } else {
                    Judged::Remove(weight(name, value))
                }
            }
        }
    }
}

/// A choice among some tools, or of one that is no function: vendors with words of their own know functions alone.
fn is_odd_choice(name: &str, value: Value<'_>) -> bool {
    let kind = value.get("type");
    name == "tool_choice" && kind.is_some_and(|kind| !kind.is_named("function"))
}

fn respelt(pairs: &[(&'static str, &'static str)], value: Value<'_>, loss: Loss) -> Judged {
    let pair = pairs.iter().find(|(from, _)| value.is_named(from));
    pair.map_or(Judged::Keep, |(_, to)| {
        Judged::Set(crate::members::quoted(to), loss)
    })
}

fn clamp(value: Value<'_>, min: &'static str, max: &'static str) -> Judged {
    let Some(number) = value.as_f64() else {
        return Judged::Keep;
    };
    let bound = |text: &str| text.parse::<f64>().unwrap_or(number);
    let text = if number < bound(min) {
        min
    } else if number > bound(max) {
        max
    } else {
        return Judged::Keep;
    };
    let loss = if (bound(text) - number).abs() <= NEAR {
        Loss::Nothing
    } else {
        Loss::Hint
    };
    Judged::Set(Bytes::from_static(text.as_bytes()), loss)
}

/// What is lost with a field (`dialects/mapping.md`, section 4): forced tools, schema, stop and several choices are what
/// the answer is; the rest are hints; a default is nothing.
pub(crate) fn weight(name: &str, value: Value<'_>) -> Loss {
    let nothing = match name {
        _ if value.is_null() => true,
        "n" => value.as_u64() == Some(1),
        "stop" | "tools" | "functions" => {
            value.kind() == Type::Array && value.elements().next().is_none()
        }
        "tool_choice" | "function_call" | "service_tier" => {
            value.is_named("auto") || value.is_named("default")
        }
        "response_format" => value.get("type").is_some_and(|kind| kind.is_named("text")),
        "modalities" => value.elements().all(|kind| kind.is_named("text")),
        "frequency_penalty" | "presence_penalty" | "top_logprobs" => value.as_f64() == Some(0.0),
        "parallel_tool_calls" => value.as_bool() == Some(true),
        "logprobs" | "store" => value.as_bool() == Some(false),
        "logit_bias" | "metadata" => value.members().next().is_none(),
        "stream_options" => true,
        _ => false,
    };
    if nothing {
        return Loss::Nothing;
    }
    match name {
        "n" | "stop" | "tools" | "functions" | "tool_choice" | "function_call"
        | "response_format" | "modalities" | "audio" | "web_search_options" => Loss::Meaning,
        _ => Loss::Hint,
    }
}
