//! Lens over a generateContent request: what governs it, checked; all else left alone.
//!
//! The model stands in the path and the stream is asked for there; a model in the body is replaced on the way. Reads the
//! scanned tape once. Knows no vendor and no policy.

use bytes::Bytes;
use wire::Fault;
use wire::facts::RequestFacts;
use wire::json::{self, Type, Value};

use super::embed;
use super::names::{at, get, object, once};
use crate::dialects::openai_chat::request::{
    CHOICES_MAX, bad, check_key, flag, is_model_name, not_kept, tokens,
};
use crate::places::{Asked, Asks};

/// Members that decide what a request costs and what is inspected.
const GOVERNED: &[&str] = &[
    "model",
    "contents",
    "systemInstruction",
    "generationConfig",
    "tools",
    "toolConfig",
    "safetySettings",
    "cachedContent",
    "generateContentRequest",
];

/// The same in `generationConfig`.
const IN_CONFIG: &[&str] = &[
    "candidateCount",
    "maxOutputTokens",
    "stopSequences",
    "temperature",
    "topP",
    "topK",
    "seed",
    "presencePenalty",
    "frequencyPenalty",
    "responseMimeType",
    "responseSchema",
    "responseJsonSchema",
    "responseLogprobs",
    "logprobs",
    "responseModalities",
    "thinkingConfig",
];

/// The same in a content.
const IN_CONTENT: &[&str] = &["role", "parts"];

/// The same in a part of it.
const IN_PART: &[&str] = &[
    "text",
    "thought",
    "thoughtSignature",
    "inlineData",
    "fileData",
    "functionCall",
    "functionResponse",
    "executableCode",
    "codeExecutionResult",
];

/// The same in what a part holds.
const INSIDE: &[&str] = &[
    "id",
    "name",
    "args",
    "response",
    "parts",
    "mimeType",
    "data",
    "fileUri",
    "displayName",
];

/// Parts of one content (`governance/threats.md`, section 3: as messages of a request).
const PARTS_MAX: usize = 4096;
/// Parts of all contents together.
const PARTS_ALL_MAX: usize = 16_384;

/// Reads a request.
///
/// # Errors
/// `BadRequest` with the field's name.
pub(super) fn read(body: &Bytes, tape: json::Tape, asked: &Asked) -> Result<RequestFacts, Fault> {
    if !is_model_name(&asked.model) {
        return Err(
            bad("The path must name a model of 1 to 256 letters, digits and '._:/@-'.")
                .param("model"),
        );
    }
    if asked.endpoint.asks == Asks::Embed {
        return embed::see(body, tape, asked);
    }
    let mut facts = RequestFacts {
        model: asked.model.to_string(),
        stream: asked.stream,
        // This dialect always counts.
        usage_asked: true,
        ..RequestFacts::default()
    };
    {
        let root = Value::root(&tape, body).filter(|root| root.kind() == Type::Object);
        let root = root.ok_or_else(|| bad("The request body must be a JSON object."))?;
        see(root, asked, &mut facts)?;
    }
    facts.tape = tape;
    Ok(facts)
}

/// What holds the conversation: the root, or what is to be counted in it.
pub(super) fn inner(root: Value<'_>) -> Value<'_> {
    object(root, "generateContentRequest").unwrap_or(root)
}

fn see(root: Value<'_>, asked: &Asked, facts: &mut RequestFacts) -> Result<(), Fault> {
    for (key, _) in root.members() {
        check_key(&key.text_bytes(), &[])?;
    }
    once(root, GOVERNED)?;
    let held = inner(root);
    if held.index() != root.index() {
        let field = "generateContentRequest";
        if asked.endpoint.asks != Asks::Count {
            return Err(
                bad("Only what is counted stands in 'generateContentRequest'.").param(field),
            );
        }
        if get(root, "contents").is_some() {
            return Err(
                bad("'contents' and 'generateContentRequest' exclude each other.").param(field),
            );
        }
        once(held, GOVERNED)?;
    }
    for holder in [root, held] {
        // It would bring contents into the request that nobody has looked into.
        not_kept("cachedContent", get(holder, "cachedContent").is_some())?;
        if get(holder, "model").is_some_and(|model| model.kind() != Type::String) {
            return Err(bad("'model' must be a string.").param("model"));
        }
    }
    facts.tools = get(held, "tools").is_some_and(|tools| tools.elements().next().is_some());
    facts.turns = contents(held)?;
    if let Some(system) = get(held, "systemInstruction") {
        content(system, None)?;
    }
    match get(held, "generationConfig") {
        None => Ok(()),
        Some(config) if config.kind() == Type::Object => settings(config, facts),
        Some(_) => Err(bad("'generationConfig' must be an object.").param("generationConfig")),
    }
}

fn settings(config: Value<'_>, facts: &mut RequestFacts) -> Result<(), Fault> {
    once(config, IN_CONFIG)?;
    if let Some(cap) = get(config, "maxOutputTokens") {
        facts.max_tokens = tokens(cap, "generationConfig.maxOutputTokens")?;
    }
    if let Some(count) = get(config, "candidateCount") {
        let count = count
            .as_u64()
            .filter(|count| (1..=CHOICES_MAX).contains(count))
            .and_then(|count| u32::try_from(count).ok());
        facts.choices = count.ok_or_else(|| {
            bad("'candidateCount' must be a whole number from 1 to 128.")
                .param("generationConfig.candidateCount")
        })?;
    }
    if let Some(wanted) = get(config, "responseLogprobs") {
        facts.logprobs = flag(wanted, "generationConfig.responseLogprobs")?;
    }
    let shaped = ["responseSchema", "responseJsonSchema", "responseFormat"];
    facts.structured = shaped.iter().any(|name| get(config, name).is_some())
        || get(config, "responseMimeType").is_some_and(|kind| !kind.is_named("text/plain"));
    facts.thoughts = at(config, &["thinkingConfig", "includeThoughts"])
        .and_then(|wanted| wanted.as_bool())
        .unwrap_or(false);
    Ok(())
}

/// The conversation, checked; how many contents it has.
fn contents(held: Value<'_>) -> Result<u32, Fault> {
    let wrong = |text| Err(bad(text).param("contents"));
    let all = get(held, "contents").filter(|contents| contents.kind() == Type::Array);
    let Some(all) = all else {
        return wrong("'contents' is required and must be an array.");
    };
    let (mut count, mut parts) = (0, 0);
    for one in all.elements() {
        parts += content(one, Some(count))?;
        if parts > PARTS_ALL_MAX {
            return wrong("'contents' holds more than 16384 parts.");
        }
        count += 1;
    }
    if count == 0 {
        return wrong("'contents' must not be empty.");
    }
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}

/// Roles and shapes: what is no content must not pass as one that nobody has read. Gives how many parts it has. `place`:
/// which of `contents`; none is the system's instruction.
fn content(content: Value<'_>, place: Option<usize>) -> Result<usize, Fault> {
    let wrong = |field: &str, text: &'static str| {
        let holder = place.map_or("systemInstruction".to_owned(), |at| {
            format!("contents[{at}]")
        });
        Err(bad(text).param(holder + field))
    };
    if content.kind() != Type::Object {
        return wrong("", "A content must be an object with parts.");
    }
    once(content, IN_CONTENT)?;
    let known = |role: Value<'_>| {
        let roles = ["user", "model", "function", "system", ""];
        roles.iter().any(|known| role.is_named(known))
    };
    if get(content, "role").is_some_and(|role| !known(role)) {
        return wrong(".role", "A content's role must be user or model.");
    }
    let Some(parts) = get(content, "parts") else {
        return Ok(0);
    };
    if parts.kind() != Type::Array {
        return wrong(".parts", "Parts must be an array.");
    }
    let mut count = 0;
    for part in parts.elements() {
        count += 1;
        if count > PARTS_MAX {
            return wrong(".parts", "A content holds more than 4096 parts.");
        }
        if part.kind() != Type::Object {
            return wrong(".parts", "A part must be an object.");
        }
        once(part, IN_PART)?;
        for (_, inside) in part.members() {
            once(inside, INSIDE)?;
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::ClientDialect;
    use crate::dialects::gemini::Gemini;
    use wire::json::{Limits, scan};

    fn read_at(path: &str, body: &str) -> Result<RequestFacts, Fault> {
        let endpoints = Gemini.endpoints();
        let endpoint = endpoints
            .iter()
            .find(|one| one.path.ends_with(path))
            .unwrap();
        let asked = Asked {
            model: "gemini-x".into(),
            stream: path.contains("stream"),
            ..Asked::at(endpoint)
        };
        let body = Bytes::copy_from_slice(body.as_bytes());
        read(&body, scan(&body, &Limits::default()).unwrap(), &asked)
    }

    #[test]
    fn reads_what_governs() {
        for body in [
            r#"{"contents":[{"parts":[{"text":"a"}]},{"role":"model","parts":[]}],"tools":[{"functionDeclarations":[]}],"generationConfig":{"maxOutputTokens":9,"candidateCount":2,"responseLogprobs":true,"responseMimeType":"application/json","thinkingConfig":{"includeThoughts":true}},"system_instruction":{"parts":[{"text":"s"}]}}"#,
            r#"{"contents":[{"parts":[{"text":"a"}]},{"role":"model","parts":[]}],"tools":[{"function_declarations":[]}],"generation_config":{"max_output_tokens":9,"candidate_count":2,"response_logprobs":true,"response_schema":{},"thinking_config":{"include_thoughts":true}},"systemInstruction":{"parts":[{"text":"s"}]}}"#,
        ] {
            let facts = read_at(":streamGenerateContent", body).unwrap();
            assert_eq!(facts.model, "gemini-x");
            assert_eq!(
                (facts.max_tokens, facts.choices, facts.turns),
                (Some(9), 2, 2)
            );
            assert!(facts.stream && facts.usage_asked && facts.tools);
            assert!(facts.structured && facts.logprobs && facts.thoughts);
        }
        let counted = r#"{"generateContentRequest":{"model":"models/x","contents":[{"parts":[{"text":"a"}]}]}}"#;
        assert_eq!(read_at(":countTokens", counted).unwrap().turns, 1);
        assert!(read_at(":generateContent", counted).is_err());
        let cached = counted.replace("\"model\":\"models/x\"", "\"cachedContent\":\"c\"");
        let fault = read_at(":countTokens", &cached).unwrap_err();
        assert_eq!(fault.why(), "not_kept");
    }

    #[test]
    fn parts_of_all_contents_are_bounded() {
        let part = r#"{"text":"a"}"#;
        let content = |parts: usize| format!("{{\"parts\":[{}]}}", vec![part; parts].join(","));
        let of = |last: usize| {
            let mut all = vec![content(4096); 4];
            all.push(content(last));
            read_at(
                ":generateContent",
                &format!("{{\"contents\":[{}]}}", all.join(",")),
            )
        };
        assert!(of(0).is_ok());
        assert_eq!(of(1).unwrap_err().field(), Some("contents"));
    }

    #[test]
    fn refuses() {
        for (body, field) in [
            ("[]", ""),
            ("{}", "contents"),
            (r#"{"contents":[]}"#, "contents"),
            (r#"{"contents":"a"}"#, "contents"),
            (r#"{"contents":["a"]}"#, "contents[0]"),
            (r#"{"contents":[{"role":"tool"}]}"#, "contents[0].role"),
            (r#"{"contents":[{"parts":"a"}]}"#, "contents[0].parts"),
            (r#"{"contents":[{"parts":["a"]}]}"#, "contents[0].parts"),
            (r#"{"contents":[{"parts":[{"Text":"a"}]}]}"#, "text"),
            (
                r#"{"contents":[{"parts":[{"inline_data":{},"inlineData":{}}]}]}"#,
                "inlineData",
            ),
            (
                r#"{"contents":[{"parts":[{"inlineData":{"mime_type":"a","mimeType":"b"}}]}]}"#,
                "mimeType",
            ),
            (r#"{"contents":[{}],"Contents":[]}"#, "contents"),
            (
                r#"{"contents":[{}],"systemInstruction":"a"}"#,
                "systemInstruction",
            ),
            (
                r#"{"contents":[{}],"system_instruction":{},"systemInstruction":{}}"#,
                "systemInstruction",
            ),
            (
                r#"{"contents":[{}],"generationConfig":{"maxOutputTokens":0}}"#,
                "generationConfig.maxOutputTokens",
            ),
            (
                r#"{"contents":[{}],"generationConfig":{"maxOutputTokens":"9"}}"#,
                "generationConfig.maxOutputTokens",
            ),
            (
                r#"{"contents":[{}],"generationConfig":{"maxOutputTokens":1,"max_output_tokens":2}}"#,
                "maxOutputTokens",
            ),
            (
                r#"{"contents":[{}],"generationConfig":{"candidateCount":129}}"#,
                "generationConfig.candidateCount",
            ),
            (
                r#"{"contents":[{}],"generationConfig":1}"#,
                "generationConfig",
            ),
            (r#"{"contents":[{}],"model":1}"#, "model"),
            (
                r#"{"contents":[{}],"cachedContent":"cachedContents/1"}"#,
                "cachedContent",
            ),
            (
                r#"{"contents":[{}],"cached_content":"cachedContents/1"}"#,
                "cachedContent",
            ),
            (r#"{"contents":[{}],"base_url":"x"}"#, "base_url"),
        ] {
            let fault = read_at(":generateContent", body).unwrap_err();
            assert_eq!(fault.field().unwrap_or_default(), field, "{body}");
        }
    }
}
