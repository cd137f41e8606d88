//! Where text stands in requests beside chat. Token ids are nobody's to read: they count as media.

use wire::facts::{Contents, Media, RequestFacts, Source};
use wire::json::{Type, Value};

use super::form;
use crate::texts::Rules;

const RULES: Rules = Rules {
    keys: &[
        "model",
        "input",
        "user",
        "dimensions",
        "encoding_format",
        "input_type",
        "query",
        "documents",
        "text",
        "top_n",
        "top_k",
        "return_documents",
        "max_tokens_per_doc",
        "instruct",
        "instruction",
        "prompt",
        "n",
        "size",
        "quality",
        "style",
        "response_format",
        "background",
        "output_format",
        "output_compression",
        "moderation",
        "partial_images",
        "stream",
        "voice",
        "speed",
        "instructions",
        "stream_format",
        "file",
        "filename",
        "content_type",
        "content",
        "language",
        "temperature",
        "timestamp_granularities[]",
        "include[]",
        "chunking_strategy",
    ],
    inert: &[
        "n",
        "output_compression",
        "partial_images",
        "speed",
        "dimensions",
        "top_n",
        "top_k",
        "max_tokens_per_doc",
    ],
    checked: &["model"],
    words: &[
        "float",
        "base64",
        "query",
        "document",
        "passage",
        "search_query",
        "search_document",
        "classification",
        "clustering",
        "similarity",
        "url",
        "b64_json",
        "auto",
        "json",
        "text",
        "srt",
        "vtt",
        "verbose_json",
        "mp3",
        "wav",
        "pcm",
        "audio/wav",
        "audio/mpeg",
        "true",
        "false",
    ],
    json: &[],
    media: &[],
    places: &[],
};

/// All texts of a request.
pub(crate) fn of_request(body: &[u8], facts: &RequestFacts) -> Contents {
    let mut contents = Contents::default();
    let Some(root) = Value::root(&facts.tape, body) else {
        return contents;
    };
    for (key, value) in root.members() {
        let source = match &*key.text_bytes() {
            b"input" => {
                if tokens(value, &mut contents) {
                    continue;
                }
                Source::User
            }
            b"query" | b"prompt" => Source::User,
            b"documents" => Source::Tool,
            // A form's file: its name is text like any other, its bytes are media.
            form::FILE_BYTES if value.kind() == Type::Object => {
                if let Some(span) = value
                    .get(form::CONTENT)
                    .and_then(|content| content.inner_span())
                {
                    contents.media.push(Media { span });
                }
                Source::User
            }
            _ => Source::System,
        };
        // The key itself too: an unknown one may say anything.
        for (key, value) in [(None, key), (Some(key), value)] {
            RULES.collect(
                &facts.tape,
                body,
                (key, value),
                (source, None),
                &mut contents,
            );
        }
    }
    contents
}

/// Whether an input is made of token ids, which are noted.
fn tokens(input: Value<'_>, contents: &mut Contents) -> bool {
    let first = input.elements().next().map(|first| first.kind());
    let mut note = |list: Value<'_>| {
        let span = list.span();
        let inside = span.start + 1..span.end.saturating_sub(1);
        contents.media.push(Media { span: inside });
    };
    match first {
        Some(Type::Number) => note(input),
        Some(Type::Array) => input.elements().for_each(note),
        _ => return false,
    }
    true
}
