//! What counts as a reply: what has the dialect's own members. Whatever else comes with a good status is none, since
//! nobody knows what it says, or of whom. And what a whole one says.

use wire::facts::{Finish, ReplyFacts};
use wire::json::{Type, Value};

use super::lens::{finish_of, has_content, inner, is_sensitive, moderate, odd_finish};
use super::usage::usage_of;
use crate::places::Asks;

/// Longest sound that is believed: a day.
const AUDIO_MAX_S: f64 = 86_400.0;
/// Longest name of an event.
const KIND_BYTES_MAX: usize = 64;

/// Whether a whole reply is one to what was asked. Vectors and orders of documents are read in full elsewhere, and a sound
/// is no JSON.
pub(crate) fn is_reply(asks: Asks, root: Value<'_>) -> bool {
    match asks {
        Asks::Reply => is_completion(root),
        Asks::Image => images(root) > 0,
        Asks::Transcribe | Asks::Translate => {
            let text = root.get("text");
            text.is_some_and(|text| text.kind() == Type::String)
        }
        Asks::Embed | Asks::Rerank | Asks::Speak | Asks::Count => false,
    }
}

/// Whether an object holds choices, each with what was said or why it ended.
pub(crate) fn is_completion(root: Value<'_>) -> bool {
    const SAYS: [&str; 4] = ["message", "text", "finish_reason", "delta"];
    let choices = root.get("choices").filter(is_list_of_objects);
    choices.is_some_and(|choices| {
        let says = |choice: Value<'_>| {
            let said = |name: &&str| choice.get(name).is_some_and(|one| !one.is_null());
            SAYS.iter().any(said)
        };
        choices.elements().next().is_some() && choices.elements().all(says)
    })
}

/// Whether an event is a chunk: it has choices. Some vendors leave out a list of none, beside the usage or a chunk's name.
pub(crate) fn is_chunk(root: Value<'_>) -> bool {
    match root.get("choices").filter(|choices| !choices.is_null()) {
        Some(choices) => is_list_of_objects(&choices),
        None => {
            let kind = root.get("object");
            kind.is_some_and(|kind| kind.is_named("chat.completion.chunk"))
                || usage_of(root).is_some_and(|(_, usage)| usage.prompt + usage.completion > 0)
        }
    }
}

pub(crate) fn is_list_of_objects(list: &Value<'_>) -> bool {
    let is_object = |one: Value<'_>| one.kind() == Type::Object;
    list.kind() == Type::Array && list.elements().all(is_object)
}

/// Whether an event of a kind that is not known says nothing: there are no words in it but its `type`. A dialect may get
/// new events at any time; those with words cannot pass, since nobody has read them.
pub(crate) fn is_wordless(root: Value<'_>) -> bool {
    let is_word = |kind: &[u8]| {
        let plain = |byte: &u8| byte.is_ascii_lowercase() || b"_.".contains(byte);
        kind.len() <= KIND_BYTES_MAX && kind.iter().all(plain)
    };
    root.members().all(|(key, value)| match value.kind() {
        Type::String => {
            let text = value.inner_bytes().unwrap_or_default();
            text.is_empty() || (key.is_named("type") && is_word(text))
        }
        Type::Array | Type::Object => false,
        _ => true,
    })
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
    let sensitive = is_sensitive(root);
    let finish = |choice| match finish_of(choice) {
        Some(Finish::Stop) if sensitive && !has_content(choice) => Some(Finish::ContentFilter),
        finish => finish,
    };
    let mut moderated = None;
    choices().for_each(|choice| moderate(choice, &mut moderated));
    ReplyFacts {
        usage: usage_of(root).map(|(_, usage)| usage),
        // Without a reason it is a natural end.
        finish: choices()
            .next()
            .map(|choice| finish(choice).unwrap_or(Finish::Stop)),
        odd_finishes: choices()
            .filter_map(|choice| odd_finish(choice, finish(choice)))
            .collect(),
        withheld: moderated.map(|told| told.withheld).unwrap_or_default(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CLIENT_DIALECTS;
    use wire::facts::EventFacts;
    use wire::json::{self, Tape};
    use wire::sse;

    const SAYS: &str = r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"a"},"finish_reason":"stop"}]}"#;

    /// What vendors send beside text, as their references have it.
    const CHUNKS: [&str; 8] = [
        r#"{"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0}]}"#,
        r#"{"id":"a","object":"chat.completion.chunk","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}"#,
        r#"{"id":"a","choices":null,"usage":{"total_tokens":3}}"#,
        r#"{"id":"a","object":"chat.completion.chunk","choices":null}"#,
        r#"{"id":"a","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"base_resp":{"status_code":0,"status_msg":""}}"#,
        r#"{"code":0,"message":"Success","sid":"a","choices":[{"delta":{"role":"assistant","content":""},"index":0}]}"#,
        r#"{"data":{"id":"a","choices":[{"index":0,"role":"assistant","delta":"a"}]},"status":{"code":0,"message":"ok"}}"#,
        r#"{"choices":[{"index":0,"message":{"role":"assistant"}}]}"#,
    ];

    const NOTHING: [&str; 18] = [
        "{}",
        "[]",
        "null",
        "123",
        r#""13800138000""#,
        r#"{"code":500}"#,
        r#"{"success":false,"msg":"no"}"#,
        r#"{"success":false,"message":"no"}"#,
        r#"{"errors":[{"message":"no"}]}"#,
        r#"{"Message":"no"}"#,
        r#"{"fault":{"faultstring":"no"}}"#,
        r#"{"type":"fail","detail":{"message":"no"}}"#,
        r#"{"status":500,"title":"no"}"#,
        r#"{"choices":null}"#,
        r#"{"choices":["no"]}"#,
        r#"{"candidates":["no"]}"#,
        r#"{"content":"no","reasoning_content":"no"}"#,
        r#"{"usage":{"total_tokens":0},"message":"no"}"#,
    ];

    fn is_read(dialect: &dyn crate::ClientDialect, data: &str) -> bool {
        let raw = format!("data: {data}\n\n");
        let mut facts = EventFacts::default();
        dialect.read_event(
            &sse::Event::alone(raw.as_bytes()),
            &mut Tape::default(),
            &mut facts,
        );
        !facts.malformed && !facts.error
    }

    #[test]
    fn what_holds_nothing_of_a_dialect_is_no_reply_in_any() {
        for dialect in CLIENT_DIALECTS {
            let none = NOTHING
                .iter()
                .chain(&[r#"{"choices":[]}"#, r#"{"choices":[{}]}"#]);
            for data in none {
                let tape = json::scan(data.as_bytes(), &json::Limits::default()).unwrap();
                let root = Value::root(&tape, data.as_bytes()).unwrap();
                for asks in [
                    Asks::Reply,
                    Asks::Count,
                    Asks::Image,
                    Asks::Speak,
                    Asks::Transcribe,
                ] {
                    let name = dialect.name();
                    assert!(!dialect.is_reply(asks, root), "{name} {asks:?}: {data}");
                }
            }
            for data in NOTHING {
                assert!(!is_read(*dialect, data), "{}: {data}", dialect.name());
            }
        }
    }

    #[test]
    fn what_vendors_send_beside_text_is_an_event() {
        let chat = &crate::dialects::openai_chat::OpenAiChat;
        for data in CHUNKS.iter().chain(&[SAYS]) {
            assert!(is_read(chat, data), "{data}");
        }
    }

    #[test]
    fn each_ask_has_its_reply() {
        let is = |asks, data: &str| {
            let tape = json::scan(data.as_bytes(), &json::Limits::default()).unwrap();
            is_reply(asks, Value::root(&tape, data.as_bytes()).unwrap())
        };
        assert!(is(Asks::Reply, SAYS));
        let filtered = r#"{"choices":[{"index":0,"finish_reason":"content_filter"}]}"#;
        assert!(is(Asks::Reply, filtered));
        assert!(is(Asks::Image, r#"{"created":1,"data":[{"url":"u"}]}"#));
        assert!(is(Asks::Transcribe, r#"{"text":""}"#));
        assert!(!is(Asks::Reply, r#"{"data":[{"url":"u"}]}"#));
        assert!(!is(Asks::Image, r#"{"data":[{"error":{"message":"no"}}]}"#));
    }

    #[test]
    fn unknown_events_pass_without_words_only() {
        for dialect in ["anthropic-messages", "openai-responses"] {
            let named = |one: &&&dyn crate::ClientDialect| one.name() == dialect;
            let dialect = CLIENT_DIALECTS.iter().find(named).unwrap();
            assert!(is_read(
                *dialect,
                r#"{"type":"keepalive","sequence_number":2}"#
            ));
            assert!(!is_read(*dialect, r#"{"type":"sk-1234"}"#));
            assert!(!is_read(*dialect, r#"{"type":"notice","text":"no"}"#));
        }
    }
}
