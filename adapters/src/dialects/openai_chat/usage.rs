//! Lens over usage: token counts in OpenAI's nesting, and in what vendors made of it.
//!
//! Knows no vendor, and nothing of a reply but where its usage stands.

use std::ops::Range;

use wire::facts::Usage;
use wire::json::{Type, Value};

/// Usage of a reply or an event, with the span of its value: at the top, or, as one vendor has it, in the first choice.
pub(crate) fn usage_of(root: Value<'_>) -> Option<(Range<usize>, Usage)> {
    let is_usage = |usage: &Value<'_>| usage.kind() == Type::Object;
    let usage = root.get("usage").filter(is_usage).or_else(|| {
        let first = root.get("choices")?.elements().next()?;
        first.get("usage").filter(is_usage)
    })?;
    Some((usage.span(), read_usage(usage)?))
}

/// Token counts in OpenAI's nesting and in what vendors made of it. `None` if it counts nothing.
pub(crate) fn read_usage(usage: Value<'_>) -> Option<Usage> {
    let said = Counts::of(usage);
    let total = said.total;
    let prompt = said.prompt.or(said.input);
    let completion = said.completion.or(said.output);
    if prompt.is_none() && completion.is_none() && total.is_none() {
        // Counts that are none say that there should be some.
        return said.odd.then(Usage::default);
    }
    let prompt = prompt
        .or_else(|| Some(total?.saturating_sub(completion?)))
        .or(total)
        .unwrap_or(0);
    let inner = |outer: Option<Value<'_>>, name: &str| outer?.get(name)?.as_u64();
    let reasoning = inner(said.of_completion, "reasoning_tokens")
        .or_else(|| inner(said.of_output, "reasoning_tokens"))
        .or(said.reasoning)
        .unwrap_or(0);
    let rest = total.unwrap_or(0).saturating_sub(prompt);
    let mut completion = completion.unwrap_or(rest);
    if reasoning > 0 && rest == completion.saturating_add(reasoning) {
        // Counted beside the completion, not inside (`dialects/mapping.md`, usage).
        completion = rest;
    }
    let of_prompt = |name: &str| inner(said.of_prompt, name).or_else(|| inner(said.of_input, name));
    let usage = Usage {
        prompt,
        completion,
        cached: of_prompt("cached_tokens")
            .or(said.cache_hit)
            .or(said.cached)
            .unwrap_or(0),
        cache_write: of_prompt("cache_write_tokens").unwrap_or(0),
        reasoning,
    };
    Some(usage.clamped())
}

/// Whatever a usage object counts, by the names that vendors have for it.
#[derive(Default)]
struct Counts<'a> {
    total: Option<u64>,
    prompt: Option<u64>,
    input: Option<u64>,
    completion: Option<u64>,
    output: Option<u64>,
    reasoning: Option<u64>,
    cache_hit: Option<u64>,
    cached: Option<u64>,
    /// A count is a number and no count: negative, a fraction, beyond all bounds.
    odd: bool,
    of_prompt: Option<Value<'a>>,
    of_input: Option<Value<'a>>,
    of_completion: Option<Value<'a>>,
    of_output: Option<Value<'a>>,
}

impl<'a> Counts<'a> {
    /// One walk, since most of the names are absent.
    fn of(usage: Value<'a>) -> Self {
        let mut said = Self::default();
        let mut odd = false;
        let mut count = |value: Value<'a>| {
            let count = value.as_u64();
            odd |= count.is_none() && value.kind() == Type::Number;
            count
        };
        for (key, value) in usage.members() {
            match &*key.text_bytes() {
                b"total_tokens" => said.total = value.as_u64(),
                b"prompt_tokens" => said.prompt = count(value),
                b"input_tokens" => said.input = count(value),
                b"completion_tokens" => said.completion = count(value),
                b"output_tokens" => said.output = count(value),
                b"reasoning_tokens" => said.reasoning = value.as_u64(),
                b"prompt_cache_hit_tokens" => said.cache_hit = value.as_u64(),
                b"cached_tokens" => said.cached = value.as_u64(),
                b"prompt_tokens_details" => said.of_prompt = Some(value),
                b"input_tokens_details" => said.of_input = Some(value),
                b"completion_tokens_details" => said.of_completion = Some(value),
                b"output_tokens_details" => said.of_output = Some(value),
                _ => {}
            }
        }
        said.odd = odd;
        said
    }
}
