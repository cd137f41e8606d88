//! Lens over chat-completions replies: text or not, usage, finish, error, for every event of a stream.
//!
//! Most events carry a piece of text and nothing else; they are told by a few byte searches and cost no scan and no
//! allocation. A quote inside a JSON string is always escaped, so that a search for a quoted key can only find a key (or
//! a string that reads like one, which the byte behind it tells apart). Anything else is scanned. Knows no vendor: what it
//! accepts beyond the dialect is what several of them send.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use wire::facts::{EventFacts, Finish, ReplyFacts, Usage};
use wire::json::{self, Type, Value};
use wire::sse;

/// Bounds of an event's JSON; an upstream's is judged like a client's.
pub(crate) const LIMITS: json::Limits = json::Limits {
    depth: 64,
    members: 10_000,
    elements: 65_536,
    number: 64,
    tokens: 1 << 18,
};

/// Longest sound that is believed: a day.
const AUDIO_MAX_S: f64 = 86_400.0;

struct Probes {
    content: Finder<'static>,
    text: Finder<'static>,
    finish: Finder<'static>,
    usage: Finder<'static>,
    error: Finder<'static>,
}

static PROBES: LazyLock<Probes> = LazyLock::new(|| Probes {
    // Without its first quote: `reasoning_content` is found too.
    content: Finder::new(b"content\""),
    text: Finder::new(b"\"text\""),
    finish: Finder::new(b"\"finish_reason\""),
    usage: Finder::new(b"\"usage\""),
    error: Finder::new(b"\"error"),
});

/// Reads one event.
pub(crate) fn read_event(event: &sse::Event<'_>, scratch: &mut json::Tape, facts: &mut EventFacts) {
    read_by(&PROBES.content, event, scratch, facts);
}

/// Reads one event of a legacy completion, whose text stands in the choice itself.
pub(crate) fn read_completion(
    event: &sse::Event<'_>,
    scratch: &mut json::Tape,
    facts: &mut EventFacts,
) {
    read_by(&PROBES.text, event, scratch, facts);
}

fn read_by(
    content: &Finder<'static>,
    event: &sse::Event<'_>,
    scratch: &mut json::Tape,
    facts: &mut EventFacts,
) {
    if let Some(data) = single_line(event.raw)
        && let Some(bytes) = plain_text(content, data)
    {
        (facts.content, facts.text_bytes) = (true, bytes);
        return;
    }
    let Some(data) = event.data() else {
        // A line that is no field: some servers write an error so.
        if let Some(bare) = event.bare_json() {
            read_slow(bare, scratch, facts);
        }
        return;
    };
    if let Some(bytes) = plain_text(content, &data) {
        (facts.content, facts.text_bytes) = (true, bytes);
    } else if !data.trim_ascii().is_empty() {
        read_slow(&data, scratch, facts);
    }
    if event.name() == Some(b"error") {
        facts.error = true;
    }
}

/// The data of an event that is one `data` line and nothing else, as nearly all are.
fn single_line(raw: &[u8]) -> Option<&[u8]> {
    let line = raw.strip_prefix(b"data:")?;
    let line = line
        .strip_suffix(b"\n\n")
        .or_else(|| line.strip_suffix(b"\r\n\r\n"))?;
    let data = line.strip_prefix(b" ").unwrap_or(line);
    memchr::memchr2(b'\n', b'\r', data)
        .is_none()
        .then_some(data)
}

/// About how many bytes of text an event carries that surely carries some, and nothing that asks for a closer look.
fn plain_text(content: &Finder<'static>, data: &[u8]) -> Option<u64> {
    let probes = &*PROBES;
    let text = content.find_iter(data).find_map(|at| {
        let value = behind_colon(data, at + content.needle().len());
        value.filter(|value| matches!(value, [b'"', next, ..] if *next != b'"'))
    })?;
    let plain = data.first() == Some(&b'{')
        && data.trim_ascii_end().last() == Some(&b'}')
        && all_null(data, &probes.finish)
        && all_null(data, &probes.usage)
        && probes.error.find(data).is_none();
    plain.then(|| json::string_len(text))
}

/// Whether every member of that name is null.
fn all_null(data: &[u8], probe: &Finder<'_>) -> bool {
    probe.find_iter(data).all(|at| {
        behind_colon(data, at + probe.needle().len()).is_none_or(|value| value.starts_with(b"null"))
    })
}

/// What stands behind the colon, if one comes next.
fn behind_colon(data: &[u8], at: usize) -> Option<&[u8]> {
    let rest = data.get(at..)?.trim_ascii_start();
    rest.strip_prefix(b":").map(<[u8]>::trim_ascii_start)
}

/// Reads an event that nothing tells but its JSON: its data, or a line that is no field, since some servers write an error
/// so. One without data says nothing.
pub(crate) fn read_scanned(
    event: &sse::Event<'_>,
    scratch: &mut json::Tape,
    facts: &mut EventFacts,
    read: impl FnOnce(Value<'_>, &mut EventFacts),
) {
    let data = event.data();
    let data = data.as_deref().or_else(|| event.bare_json());
    if let Some(data) = data.filter(|data| !data.trim_ascii().is_empty()) {
        read_object(data, scratch, facts, read);
    }
}

/// Reads data that must be an object; anything else is malformed.
pub(crate) fn read_object(
    data: &[u8],
    scratch: &mut json::Tape,
    facts: &mut EventFacts,
    read: impl FnOnce(Value<'_>, &mut EventFacts),
) {
    let scanned = json::scan::scan_into(data, &LIMITS, scratch);
    let root = Value::root(scratch, data).filter(|root| root.kind() == Type::Object);
    match (scanned, root) {
        (Ok(()), Some(root)) => read(root, facts),
        _ => facts.malformed = true,
    }
}

fn read_slow(data: &[u8], scratch: &mut json::Tape, facts: &mut EventFacts) {
    if data.trim_ascii_start().starts_with(b"[DONE]") {
        facts.done = true;
        return;
    }
    read_object(data, scratch, facts, read_root);
}

fn read_root(root: Value<'_>, facts: &mut EventFacts) {
    facts.error = is_error(root);
    let root = inner(root);
    let choices = root.get("choices");
    let mut empty = true;
    for choice in choices.iter().flat_map(Value::elements) {
        empty = false;
        facts.content |= has_content(choice);
        facts.text_bytes += text_bytes(choice);
        facts.finish = facts.finish.or_else(|| finish_of(choice));
        if let Some(span) = odd_finish(choice) {
            facts.odd_finish = span;
        }
    }
    let typed = choices.is_none() && read_typed(root, facts);
    if let Some((span, usage)) = usage_of(root) {
        facts.usage = Some(usage);
        facts.usage_span = span;
        facts.only_usage = empty && !facts.error && !typed;
    }
}

/// Events of images and sound, which say by a `type` what they are.
fn read_typed(root: Value<'_>, facts: &mut EventFacts) -> bool {
    const KINDS: [&str; 4] = [
        "transcript.text.",
        "image_generation.",
        "image_edit.",
        "speech.audio.",
    ];
    let kind = root.get("type").and_then(|kind| kind.inner());
    let step = kind.and_then(|kind| KINDS.iter().find_map(|begin| kind.strip_prefix(begin)));
    let Some(step) = step else { return false };
    facts.content = true;
    if matches!(step, "done" | "completed") {
        facts.done = true;
        facts.finish = Some(Finish::Stop);
    }
    true
}

/// The reply itself, where a vendor wraps it in `data`.
pub(crate) fn inner(root: Value<'_>) -> Value<'_> {
    let wrapped = || {
        root.get("data")
            .filter(|data| data.get("choices").is_some())
    };
    match root.get("choices") {
        Some(_) => root,
        None => wrapped().unwrap_or(root),
    }
}

/// Whether a choice's delta (or message) carries anything that a user would see or a tool would get.
pub(crate) fn has_content(choice: Value<'_>) -> bool {
    let delta = choice.get("delta").or_else(|| choice.get("message"));
    let said = delta.is_some_and(|delta| {
        if delta.kind() == Type::String {
            delta.has_text() || says(choice)
        } else {
            says(delta)
        }
    });
    said || choice.get("text").is_some_and(says_something)
}

/// Whether any member of a delta is something to say.
fn says(delta: Value<'_>) -> bool {
    delta
        .members()
        .any(|(key, value)| match &*key.text_bytes() {
            b"content" | b"reasoning_content" | b"reasoning" | b"thinking" | b"refusal"
            | b"tool_calls" | b"function_call" | b"audio" | b"images" | b"reasoning_details" => {
                says_something(value)
            }
            _ => false,
        })
}

/// About how many bytes of text a choice's delta carries. Of what several members say of a thought, once.
fn text_bytes(choice: Value<'_>) -> u64 {
    let Some(delta) = choice.get("delta") else {
        return choice.get("text").map_or(0, |text| text.plain_len());
    };
    let (mut said, mut thought) = (0, 0);
    for (key, value) in delta.members() {
        match &*key.text_bytes() {
            b"content" | b"refusal" | b"tool_calls" | b"function_call" => said += value.plain_len(),
            b"reasoning_content" | b"reasoning" | b"thinking" => {
                thought = value.plain_len().max(thought)
            }
            _ => {}
        }
    }
    said + thought
}

/// Not null, and not empty.
fn says_something(value: Value<'_>) -> bool {
    match value.kind() {
        Type::String => value.has_text(),
        Type::Array => value.elements().next().is_some(),
        Type::Object => value.members().next().is_some(),
        _ => false,
    }
}

/// Why a choice ended, if it did.
pub(crate) fn finish_of(choice: Value<'_>) -> Option<Finish> {
    let word = choice.get("finish_reason")?.as_str();
    let finish = word.and_then(|word| finish_word(&word));
    // A risk flag beside the finish reason: from 2 on the answer was withdrawn or cut.
    let flagged = choice
        .get("flag")
        .and_then(|flag| flag.as_u64())
        .is_some_and(|flag| flag >= 2);
    match finish {
        Some(Finish::Failed) | None => finish,
        Some(_) if flagged => Some(Finish::ContentFilter),
        Some(other) => Some(other),
    }
}

/// A finish word: an open enum (`vendors/README.md`, rule 5). `None`: the choice goes on. A word that nobody knows is a
/// natural end.
pub(crate) fn finish_word(word: &str) -> Option<Finish> {
    Some(match word {
        "" | "null" => return None,
        "length"
        | "max_tokens"
        | "max_output_tokens"
        | "model_length"
        | "model_context_window_exceeded" => Finish::Length,
        "tool_calls" | "tool_call" | "tool_use" | "function_call" => Finish::ToolCalls,
        "content_filter" | "content_filtered" | "sensitive" | "safety" | "recitation"
        | "prohibited_content" | "blocklist" => Finish::ContentFilter,
        "network_error"
        | "insufficient_system_resource"
        | "aborted"
        | "abort"
        | "error"
        | "failed" => Finish::Failed,
        _ => Finish::Stop,
    })
}

/// Whether a reply's root says that the vendor failed: an `error` that is not empty (object or string), a code that is
/// not zero beside the reply, or, where there are no choices, one of the flat forms.
pub(crate) fn is_error(root: Value<'_>) -> bool {
    let code = |code: Value<'_>| match code.kind() {
        Type::Number => !matches!(code.as_u64(), Some(0 | 200)),
        _ => says_something(code),
    };
    let number = |value: Value<'_>| value.kind() == Type::Number && code(value);
    let mut found = [false; 6];
    let [choices, error, detail, message, coded, numbered] = &mut found;
    // One walk: this is asked of every reply, and nearly all of its names are absent.
    for (key, value) in root.members() {
        match &*key.text_bytes() {
            b"choices" => *choices = true,
            b"error" | b"error_msg" => *error |= says_something(value),
            b"error_code" => *error |= code(value),
            b"object" => *error |= value.is_named("error"),
            b"detail" => *detail = says_something(value),
            b"message" => *message = true,
            b"code" => (*coded, *numbered) = (code(value), number(value)),
            b"base_resp" => *error |= value.get("status_code").is_some_and(number),
            b"status" => *error |= value.get("code").is_some_and(number),
            _ => {}
        }
    }
    *error || (*message && *numbered) || (!*choices && (*detail || (*message && *coded)))
}

/// Usage of a reply or an event, with the span of its value: at the top, or, as one vendor has it, in the first choice.
pub(crate) fn usage_of(root: Value<'_>) -> Option<(std::ops::Range<usize>, Usage)> {
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

/// Reads a whole reply.
pub(crate) fn read_reply(root: Value<'_>) -> ReplyFacts {
    let root = inner(root);
    let choices = root.get("choices");
    // What has no choices is no chat, but may be images or a transcript.
    let (images, audio_ms) = match choices {
        Some(_) => (0, 0),
        None => (images(root), audio_ms(root)),
    };
    let choices = || choices.iter().flat_map(Value::elements);
    // Without a reason it is a natural end.
    let finish = |choice| finish_of(choice).unwrap_or(Finish::Stop);
    ReplyFacts {
        usage: usage_of(root).map(|(_, usage)| usage),
        finish: choices().next().map(finish),
        odd_finishes: choices()
            .filter_map(|choice| Some((odd_finish(choice)?, finish_of(choice)?)))
            .collect(),
        images,
        audio_ms,
    }
}

/// Images of a reply.
fn images(root: Value<'_>) -> u32 {
    let data = root.get("data");
    let made = data.iter().flat_map(Value::elements);
    let made = made.filter(|one| one.get("url").or_else(|| one.get("b64_json")).is_some());
    u32::try_from(made.count()).unwrap_or(u32::MAX)
}

/// How long the sound was that a transcript is of, where the vendor tells.
fn audio_ms(root: Value<'_>) -> u32 {
    let counted = root.get("usage").and_then(|usage| usage.get("seconds"));
    let seconds = counted
        .or_else(|| root.get("duration"))
        .and_then(|seconds| seconds.as_f64())
        .filter(|seconds| (0.0..=AUDIO_MAX_S).contains(seconds));
    let ms = std::time::Duration::from_secs_f64(seconds.unwrap_or(0.0)).as_millis();
    u32::try_from(ms).unwrap_or(u32::MAX)
}

/// The span of a finish word that is not one of the dialect's five: strict clients refuse others.
fn odd_finish(choice: Value<'_>) -> Option<std::ops::Range<usize>> {
    const WORDS: [&str; 5] = [
        "stop",
        "length",
        "tool_calls",
        "content_filter",
        "function_call",
    ];
    let word = choice.get("finish_reason")?;
    let own = word.kind() == Type::String && !WORDS.iter().any(|known| word.is_named(known));
    own.then(|| word.span())
}
