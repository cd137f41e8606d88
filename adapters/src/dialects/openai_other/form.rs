//! A form as JSON, so that all that is done to bodies is done to forms too: text fields are strings, one that is there
//! several times is a list, and the file is an object that tells its name, its kind and its length.
//!
//! Copies the fields, which are small, and never the file.

use bytes::Bytes;
use wire::json::{self, Type, Value};
use wire::multipart::Head;
use wire::{Fault, Kind};

use crate::operation::Body;

/// The member that stands for the file.
pub const FILE: &str = "file";
pub(super) const FILE_BYTES: &[u8] = FILE.as_bytes();
const NAME: &str = "filename";
const KIND: &str = "content_type";
/// What stands for the file's bytes: media.
pub(super) const CONTENT: &str = "content";

/// A form without the bytes of its file.
#[derive(Debug, Default)]
pub struct Form {
    /// Text fields: name, value, in order.
    pub fields: Vec<(String, String)>,
    /// The head of the file.
    pub file: Option<Head>,
}

/// The JSON that stands for a form. `length`: of the file, where it is known.
#[must_use]
pub fn to_json(form: &Form, length: Option<u64>) -> Bytes {
    let mut body = Body::new();
    let mut done: Vec<&str> = Vec::new();
    for (name, value) in &form.fields {
        if done.contains(&name.as_str()) {
            continue;
        }
        done.push(name);
        let mut all = form.fields.iter().filter(|field| field.0 == *name);
        let (_, several) = (all.next(), all.next().is_some());
        body.name(name);
        if !several && !name.ends_with("[]") {
            body.string(value);
            continue;
        }
        let mut between = "[";
        for (_, value) in form.fields.iter().filter(|field| field.0 == *name) {
            body.raw(between).string(value);
            between = ",";
        }
        body.raw("]");
    }
    if let Some(file) = &form.file {
        body.name(FILE).open();
        body.name(NAME)
            .string(file.filename.as_deref().unwrap_or_default());
        body.name(KIND).string(&file.kind);
        let told = length.map_or_else(|| "streamed".to_owned(), |length| format!("{length} bytes"));
        body.name(CONTENT).string(&told).close();
    }
    body.end().into_bytes()
}

/// The form that such JSON stands for.
///
/// # Errors
/// `Bug` for what [`to_json`] does not write.
pub fn of_json(body: &Bytes) -> Result<Form, Fault> {
    let bug = || Fault::new(Kind::Bug).detail("a form that is none");
    let tape = json::scan(body, &json::Limits::default()).map_err(|_| bug())?;
    let root = Value::root(&tape, body).ok_or_else(bug)?;
    let mut form = Form::default();
    let text = |value: Value<'_>| {
        value
            .as_str()
            .map(std::borrow::Cow::into_owned)
            .ok_or_else(bug)
    };
    for (key, value) in root.members() {
        let name = text(key)?;
        match value.kind() {
            Type::Object => {
                let filename = value.get(NAME).ok_or_else(bug)?;
                let kind = value.get(KIND).ok_or_else(bug)?;
                form.file = Some(Head {
                    name,
                    filename: Some(text(filename)?),
                    kind: text(kind)?,
                });
            }
            Type::Array => {
                for element in value.elements() {
                    form.fields.push((name.clone(), text(element)?));
                }
            }
            // A value that became a number or a word on the way is written as it stands.
            Type::Number | Type::True | Type::False => {
                let raw = String::from_utf8_lossy(value.raw()).into_owned();
                form.fields.push((name, raw));
            }
            Type::Null => {}
            Type::String => form.fields.push((name, text(value)?)),
        }
    }
    Ok(form)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let form = Form {
            fields: vec![
                field("model", "whisper-1"),
                field("words[]", "一\n"),
                field("prompt", "\"x\""),
                field("words[]", "two"),
                field("one[]", "1"),
            ],
            file: Some(Head {
                name: "file".into(),
                filename: Some("a.wav".into()),
                kind: "audio/wav".into(),
            }),
        };
        let json = to_json(&form, Some(7));
        assert_eq!(
            json,
            r#"{"model":"whisper-1","words[]":["一\n","two"],"prompt":"\"x\"","one[]":["1"],"file":{"filename":"a.wav","content_type":"audio/wav","content":"7 bytes"}}"#
        );
        let back = of_json(&json).unwrap();
        assert_eq!(back.file, form.file);
        assert_eq!(back.fields.len(), 5);
        assert_eq!(back.fields[2], field("words[]", "two"));
        let escaped = of_json(&Bytes::from_static(br#"{"a":1,"b":null}"#)).unwrap();
        assert_eq!(escaped.fields, [field("a", "1")]);
        assert!(of_json(&Bytes::from_static(b"{\"a\":{}}")).is_err());
    }
}
