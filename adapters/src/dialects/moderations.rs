//! Lens over a moderations request (`POST /v1/moderations`): what is to be looked at, text by text.
//!
//! Copies nothing but the model's name; knows no policy. Invariant: whatever of `input` is neither text nor media is an
//! error, so nothing is called clean unread.

use wire::facts::{Contents, Form, Media, Source, Text};
use wire::json::{Tape, Type, Value};
use wire::{Fault, Kind};

/// Inputs of one request: each has its own result, which is longer than a short input.
pub const INPUTS_MAX: usize = 1024;
/// Bytes of a model's name that are kept.
const MODEL_BYTES_MAX: usize = 256;

/// What is asked.
#[derive(Debug)]
pub struct Moderation {
    /// The model that was named; nothing is chosen by it.
    pub model: String,
    /// One for each result that is due.
    pub inputs: Vec<Contents>,
}

/// Reads a request. A string is one input, a list of strings one each; a list of parts is one input.
///
/// # Errors
/// `BadRequest`.
pub fn read(body: &[u8], tape: &Tape) -> Result<Moderation, Fault> {
    let root = Value::root(tape, body).filter(|root| root.kind() == Type::Object);
    let root = root.ok_or_else(|| bad("The body must be a JSON object.", None))?;
    let model = match root.get("model") {
        None => String::new(),
        Some(value) if value.is_null() => String::new(),
        Some(value) => {
            let model = value.as_str();
            let model = model.filter(|model| model.len() <= MODEL_BYTES_MAX);
            model
                .ok_or_else(|| bad("model must be a short string.", Some("model")))?
                .into_owned()
        }
    };
    let input = root
        .get("input")
        .ok_or_else(|| bad("input is missing.", Some("input")))?;
    let inputs = match input.kind() {
        Type::String => vec![of_string(input)],
        Type::Array => of_list(input)?,
        _ => return Err(odd()),
    };
    Ok(Moderation { model, inputs })
}

fn of_list(list: Value<'_>) -> Result<Vec<Contents>, Fault> {
    let kind = list.elements().next().map(|first| first.kind());
    match kind {
        Some(Type::String) => {
            let mut inputs = Vec::new();
            for element in list.elements() {
                if element.kind() != Type::String {
                    return Err(odd());
                }
                if inputs.len() == INPUTS_MAX {
                    let told = format!("input holds more than {INPUTS_MAX} strings.");
                    return Err(Fault::new(Kind::BadRequest).message(told).param("input"));
                }
                inputs.push(of_string(element));
            }
            Ok(inputs)
        }
        Some(Type::Object) => {
            let mut contents = Contents::default();
            for (turn, part) in (0u32..).zip(list.elements()) {
                of_part(part, turn, &mut contents)?;
            }
            Ok(vec![contents])
        }
        _ => Err(odd()),
    }
}

fn of_string(value: Value<'_>) -> Contents {
    let mut contents = Contents::default();
    push(&mut contents, value, 0..0, None);
    contents
}

/// `{"type":"text","text":…}` or `{"type":"image_url","image_url":{"url":…}}`
fn of_part(part: Value<'_>, turn: u32, contents: &mut Contents) -> Result<(), Fault> {
    let kind = part.get("type").and_then(|kind| kind.as_str());
    match kind.as_deref() {
        Some("text") => {
            let text = part.members().find(|(key, _)| key.is_named("text"));
            let (key, text) = text
                .filter(|(_, text)| text.kind() == Type::String)
                .ok_or_else(odd)?;
            push(contents, text, key.inner_span().unwrap_or(0..0), Some(turn));
        }
        Some("image_url") => {
            let image = part.get("image_url").ok_or_else(odd)?;
            let url = image.get("url").filter(|url| url.kind() == Type::String);
            let span = url.and_then(|url| url.inner_span()).ok_or_else(odd)?;
            contents.media.push(Media { span });
            // An address may hold a name or a token; an image in place is none.
            if let Some(url) = url
                && url.inner().is_some_and(|url| !url.starts_with("data:"))
            {
                push(contents, url, 0..0, None);
            }
        }
        _ => return Err(odd()),
    }
    Ok(())
}

fn push(contents: &mut Contents, value: Value<'_>, key: std::ops::Range<usize>, turn: Option<u32>) {
    let Some(span) = value.inner_span().filter(|span| !span.is_empty()) else {
        return;
    };
    contents.texts.push(Text {
        span,
        form: Form::String,
        source: Source::User,
        key,
        turn,
    });
}

fn odd() -> Fault {
    bad(
        "input must be a string, a list of strings, or a list of parts of type text or image_url.",
        Some("input"),
    )
}

fn bad(sentence: &'static str, param: Option<&'static str>) -> Fault {
    let fault = Fault::new(Kind::BadRequest).message(sentence);
    match param {
        Some(param) => fault.param(param),
        None => fault,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::json::{Limits, scan};

    /// The texts of each input and its media, or the field that is wrong.
    fn check(body: &str, want: Result<&[(&[&str], usize)], &str>) {
        let tape = scan(body.as_bytes(), &Limits::default()).unwrap();
        let got = read(body.as_bytes(), &tape).map(|read| {
            let texts = |contents: &Contents| -> Vec<String> {
                let texts = contents.texts.iter();
                texts
                    .map(|text| body[text.span.clone()].to_owned())
                    .collect()
            };
            let inputs = read.inputs.iter();
            inputs
                .map(|contents| (texts(contents), contents.media.len()))
                .collect::<Vec<_>>()
        });
        match (got, want) {
            (Ok(got), Ok(want)) => {
                let want: Vec<_> = want
                    .iter()
                    .map(|(texts, media)| {
                        (
                            texts.iter().map(|text| (*text).to_owned()).collect(),
                            *media,
                        )
                    })
                    .collect();
                assert_eq!(got, want, "{body}");
            }
            (Err(fault), Err(field)) => assert_eq!(fault.field().unwrap_or(""), field, "{body}"),
            (got, _) => panic!("{body}: {got:?}"),
        }
    }

    #[test]
    fn reads_every_form_of_input() {
        check(r#"{"input":"a\n"}"#, Ok(&[(&["a\\n"], 0)]));
        check(r#"{"model":null,"input":""}"#, Ok(&[(&[], 0)]));
        check(
            r#"{"input":["a","","b"]}"#,
            Ok(&[(&["a"], 0), (&[], 0), (&["b"], 0)]),
        );
        check(
            r#"{"model":"m","input":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"https://x/y"}},{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}},{"type":"text","text":"b"}]}"#,
            Ok(&[(&["a", "https://x/y", "b"], 2)]),
        );
    }

    #[test]
    fn refuses_what_it_cannot_read() {
        for (body, field) in [
            ("[]", ""),
            ("{}", "input"),
            (r#"{"input":null}"#, "input"),
            (r#"{"input":[]}"#, "input"),
            (r#"{"input":[1,2]}"#, "input"),
            (r#"{"input":["a",1]}"#, "input"),
            (r#"{"input":[["a"]]}"#, "input"),
            (r#"{"input":[{"type":"text"}]}"#, "input"),
            (r#"{"input":[{"type":"text","text":1}]}"#, "input"),
            (r#"{"input":[{"type":"audio"}]}"#, "input"),
            (
                r#"{"input":[{"type":"image_url","image_url":"x"}]}"#,
                "input",
            ),
            (r#"{"input":[{"type":"text","text":"a"},"b"]}"#, "input"),
            (r#"{"input":"a","model":1}"#, "model"),
        ] {
            check(body, Err(field));
        }
        let many = format!(
            r#"{{"input":["{}"]}}"#,
            vec!["x"; INPUTS_MAX + 1].join("\",\"")
        );
        check(&many, Err("input"));
    }
}
