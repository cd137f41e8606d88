//! Where text stands in requests beside chat. Token ids are nobody's to read: they count as media.

use wire::facts::{Contents, Media, RequestFacts, Source};
use wire::json::{Type, Value};

use super::form;
use crate::texts::{Own, Rules};

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
    media: &[
        "image",
        "images",
        "image_url",
        "image_urls",
        "mask",
        "video",
        "video_url",
        "audio",
        "audio_url",
        "ref_audio",
        "file_data",
        "file_url",
        "b64_json",
    ],
    coded: &["data"],
    places: &["url"],
    holders: &["image_url", "video_url", "audio_url", "input_audio"],
    kept: &["file_id"],
};

/// The same of the body's own members.
const ROOT: Own = Own {
    numbers: &[
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
                tokens(value, &mut contents);
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
            RULES.collect_of(
                &ROOT,
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

/// Notes an input that is made of token ids. Whatever else stands in it is collected all the same: only vectors have their
/// input checked before, and a number that is long enough to be somebody's is no token.
fn tokens(input: Value<'_>, contents: &mut Contents) {
    let mut note = |list: Value<'_>| {
        let span = list.span();
        let inside = span.start + 1..span.end - 1;
        contents.media.push(Media { span: inside });
    };
    if is_tokens(input) {
        note(input);
    } else {
        input
            .elements()
            .filter(|list| is_tokens(*list))
            .for_each(note);
    }
}

fn is_tokens(list: Value<'_>) -> bool {
    list.elements().next().is_some() && list.elements().all(|one| one.kind() == Type::Number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::json::{Limits, scan};

    fn collected(body: &str) -> (Vec<&str>, Vec<&str>) {
        let tape = scan(body.as_bytes(), &Limits::default()).unwrap();
        let facts = RequestFacts {
            tape,
            ..RequestFacts::default()
        };
        let contents = of_request(body.as_bytes(), &facts);
        let texts = contents.texts.iter().map(|text| &body[text.span.clone()]);
        let media = contents.media.iter().map(|one| &body[one.span.clone()]);
        (texts.collect(), media.collect())
    }

    #[test]
    fn token_ids_are_noted_and_what_is_none_is_read() {
        for (input, texts, media) in [
            ("[1,2]", vec![], vec!["1,2"]),
            ("[[1],[2,3]]", vec![], vec!["1", "2,3"]),
            (r#"[1,"secret"]"#, vec!["secret"], vec![]),
            (r#"[[1],"secret",5]"#, vec!["secret"], vec!["1"]),
            (r#"[[1,"secret"]]"#, vec!["secret"], vec![]),
            (r#"[[1],5]"#, vec![], vec!["1"]),
            ("[[],[[]]]", vec![], vec![]),
            (
                "[1,13800138000]",
                vec!["13800138000"],
                vec!["1,13800138000"],
            ),
        ] {
            let body = format!("{{\"input\":{input}}}");
            assert_eq!(collected(&body), (texts, media), "{input}");
        }
    }
}
