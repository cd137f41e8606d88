//! Lens over chat-completions replies: text or not, usage, finish, error, for every event of a stream.
//!
//! Most events carry a piece of text and nothing else; they are told by a few byte searches and cost no scan and no
//! allocation. A quote inside a JSON string is always escaped, so that a search for a quoted key can only find a key (or
//! a string that reads like one, which the byte behind it tells apart). Anything else is scanned. Knows no vendor: what it
//! accepts beyond the dialect is what several of them send.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use wire::facts::{EventFacts, Finish, Moderated};
use wire::json::{self, Type, Value};
use wire::sse;

use super::shape::is_chunk;
use super::usage::usage_of;

/// Bounds of an event's JSON; an upstream's is judged like a client's.
pub(crate) const LIMITS: json::Limits = json::Limits {
    depth: 64,
    members: 10_000,
    elements: 65_536,
    number: 64,
    tokens: 1 << 18,
};

/// A risk flag from which on an answer was withdrawn or cut.
pub(super) const TAKEN_BACK: u64 = 2;
/// A risk flag from which on its text must not be shown.
pub(super) const WITHHELD: u64 = 3;

struct Probes {
    choices: Finder<'static>,
    content: Finder<'static>,
    text: Finder<'static>,
    finish: Finder<'static>,
    usage: Finder<'static>,
    error: Finder<'static>,
    flag: Finder<'static>,
}

static PROBES: LazyLock<Probes> = LazyLock::new(|| Probes {
    choices: Finder::new(b"\"choices\""),
    // Without its first quote: `reasoning_content` is found too.
    content: Finder::new(b"content\""),
    text: Finder::new(b"\"text\""),
    finish: Finder::new(b"\"finish_reason\""),
    usage: Finder::new(b"\"usage\""),
    error: Finder::new(b"\"error"),
    flag: Finder::new(b"\"flag\""),
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
        (facts.error, facts.malformed) = (true, false);
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
    let at = content.find_iter(data).find(|at| {
        let value = behind_colon(data, at + content.needle().len());
        matches!(value, Some([b'"', next, ..]) if *next != b'"')
    })?;
    let text = behind_colon(data, at + content.needle().len())?;
    let before = data.get(..at)?;
    let plain = probes.choices.find(before).is_some()
        && data.first() == Some(&b'{')
        && data.trim_ascii_end().last() == Some(&b'}')
        && all_are(b"null", data, &probes.finish)
        && all_are(b"null", data, &probes.usage)
        && probes.error.find(data).is_none()
        && all_are(b"0", data, &probes.flag);
    plain.then(|| json::string_len(text))
}

/// Whether every member of that name is this.
fn all_are(this: &[u8], data: &[u8], probe: &Finder<'_>) -> bool {
    probe.find_iter(data).all(|at| {
        behind_colon(data, at + probe.needle().len()).is_none_or(|value| value.starts_with(this))
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
        if let (None, Some(finish)) = (facts.finish, finish_of(choice)) {
            facts.finish = Some(finish);
            facts.finished = number_of(choice);
            facts.finish_word = choice.get("finish_reason").map(|word| word.span());
        }
        if let Some((span, _)) = odd_finish(choice, finish_of(choice)) {
            facts.odd_finish = span;
        }
        moderate(choice, &mut facts.moderated);
    }
    if is_sensitive(root) {
        facts.moderated.get_or_insert_default().sensitive = true;
    }
    let typed = choices.is_none() && read_typed(root, facts);
    if let Some((span, usage)) = usage_of(root) {
        facts.usage = Some(usage);
        facts.usage_span = span;
        facts.only_usage = empty && !facts.error && !typed;
    }
    facts.malformed = !facts.error && !typed && !is_chunk(root);
}

fn number_of(choice: Value<'_>) -> u32 {
    let number = choice.get("index").and_then(|index| index.as_u64());
    u32::try_from(number.unwrap_or(0)).unwrap_or(u32::MAX)
}

/// Notes what the vendor's moderation says of a choice.
pub(super) fn moderate(choice: Value<'_>, told: &mut Option<Box<Moderated>>) {
    let flag = flag_of(choice);
    if flag < TAKEN_BACK {
        return;
    }
    let told = told.get_or_insert_default();
    told.choices.push(number_of(choice));
    if flag < WITHHELD {
        return;
    }
    let holders = ["delta", "message"]
        .into_iter()
        .filter_map(|name| choice.get(name));
    for (key, value) in holders.chain([choice]).flat_map(|holder| holder.members()) {
        let text = match &*key.text_bytes() {
            b"content" | b"reasoning_content" | b"reasoning" | b"thinking" | b"refusal"
            | b"text" => says_something(value),
            _ => false,
        };
        if text {
            told.withheld.push(value.span());
        }
    }
}

/// The risk flag of a choice, which may stand in what it says.
pub(super) fn flag_of(choice: Value<'_>) -> u64 {
    let flag = |holder: Value<'_>| holder.get("flag").and_then(|flag| flag.as_u64());
    let holders = ["delta", "message"]
        .into_iter()
        .filter_map(|name| choice.get(name));
    let flags = holders.chain([choice]).filter_map(flag);
    flags.max().unwrap_or(0)
}

/// Whether the vendor says beside the reply that its text may not be shown.
pub(super) fn is_sensitive(root: Value<'_>) -> bool {
    let flag = root.get("output_sensitive");
    flag.and_then(|flag| flag.as_bool()).unwrap_or(false)
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
    let flagged = flag_of(choice) >= TAKEN_BACK;
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

/// The span of a finish word that a client of the dialect should not see, and what it should: strict ones know five words.
pub(super) fn odd_finish(
    choice: Value<'_>,
    finish: Option<Finish>,
) -> Option<(std::ops::Range<usize>, Finish)> {
    const WORDS: [&str; 5] = [
        "stop",
        "length",
        "tool_calls",
        "content_filter",
        "function_call",
    ];
    let word = choice.get("finish_reason")?;
    let taken_back = finish == Some(Finish::ContentFilter) && !word.is_named("content_filter");
    let own = taken_back || !WORDS.iter().any(|known| word.is_named(known));
    (own && word.kind() == Type::String).then_some((word.span(), finish?))
}
