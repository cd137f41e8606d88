//! Images where a vendor has a form of its own: a task that is asked about until it is done, addresses in a list, base64
//! under another name.

use bytes::Bytes;
use wire::canon::Str;
use wire::json::{Type, Value};
use wire::operation::{Done, Made, Picture, Reply, Work};
use wire::{Fault, Rope};

use super::{Body, Form, State, odd, usage};
use crate::dialects::openai_chat::request::bad;

/// A task of DashScope's.
pub(crate) static TASK_IMAGES: Tasks = Tasks;
/// DashScope's newer models, which answer as a chat does.
pub(crate) static CHAT_IMAGES: Chats = Chats;
/// MiniMax.
pub(crate) static LISTED_IMAGES: Lists = Lists;
/// The model stands in the path, and images come in base64.
pub(crate) static IMAGES_BY_PATH: ByPath = ByPath;

/// What hardly anybody has.
const USUAL: &[&str] = &["stream", "user", "quality", "style", "background"];
const ADDRESSES_ONLY: &[&str] = &[
    "stream",
    "b64_json",
    "user",
    "quality",
    "style",
    "background",
];
const BASE64_ONLY: &[&str] = &["stream", "url", "user", "quality", "style", "background"];

fn picture(work: &Work) -> Result<&Picture, Fault> {
    match work {
        Work::Image(picture) => Ok(picture),
        _ => Err(odd()),
    }
}

fn made(images: Vec<Made>, root: Value<'_>) -> Option<Reply> {
    (!images.is_empty()).then(|| Reply {
        done: Done::Made(images),
        usage: usage(root),
    })
}

fn at_address(body: &Bytes, value: Value<'_>) -> Option<Made> {
    Some(Made {
        url: Some(Str::of(body, value)?),
        base64: None,
    })
}

/// A size as DashScope writes it.
fn starred(picture: &Picture, body: &mut Body) {
    if let Some((width, height)) = picture.size {
        body.name("size").string(&format!("{width}*{height}"));
    }
    body.name("n").raw(&picture.count.to_string());
}

/// A task.
pub(crate) struct Tasks;

impl Form for Tasks {
    fn lacks(&self) -> &'static [&'static str] {
        ADDRESSES_ONLY
    }

    fn write(&self, work: &Work, model: &str) -> Result<Rope, Fault> {
        let picture = picture(work)?;
        let mut body = Body::new();
        body.name("model").string(model);
        body.name("input").open();
        body.name("prompt").text(&picture.prompt).close();
        body.name("parameters").open();
        starred(picture, &mut body);
        body.close();
        Ok(body.end())
    }

    fn state(&self, root: Value<'_>) -> State {
        let output = root.get("output");
        let word = |name| output.and_then(|output| output.get(name)?.as_str());
        match word("task_status").as_deref() {
            Some("PENDING" | "RUNNING" | "SUSPENDED") => {
                let id = word("task_id").unwrap_or_default();
                let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
                // It becomes part of a path.
                if id.is_empty() || !id.bytes().all(plain) {
                    return State::Failed;
                }
                State::Waits(format!("/tasks/{id}"))
            }
            Some("SUCCEEDED") => State::Done,
            _ => State::Failed,
        }
    }

    fn failure<'a>(&self, root: Value<'a>) -> Option<Value<'a>> {
        root.get("output")
    }

    fn read(&self, _: &Work, body: &Bytes, root: Value<'_>) -> Option<Reply> {
        let results = root.get("output")?.get("results")?;
        // Of several some may have failed.
        let good = results.elements().filter_map(|one| one.get("url"));
        made(good.filter_map(|url| at_address(body, url)).collect(), root)
    }
}

/// An answer as of a chat.
pub(crate) struct Chats;

impl Form for Chats {
    fn lacks(&self) -> &'static [&'static str] {
        ADDRESSES_ONLY
    }

    fn write(&self, work: &Work, model: &str) -> Result<Rope, Fault> {
        let picture = picture(work)?;
        let mut body = Body::new();
        body.name("model").string(model);
        body.name("input").open().name("messages");
        body.raw("[{\"role\":\"user\",\"content\":[{\"text\":");
        body.text(&picture.prompt).raw("}]}]").close();
        body.name("parameters").open();
        starred(picture, &mut body);
        body.close();
        Ok(body.end())
    }

    fn read(&self, _: &Work, body: &Bytes, root: Value<'_>) -> Option<Reply> {
        let choices = root.get("output")?.get("choices")?;
        let parts = choices
            .elements()
            .filter_map(|choice| choice.get("message")?.get("content"));
        let images = parts.flat_map(|parts| parts.elements().collect::<Vec<_>>());
        let images = images.filter_map(|part| at_address(body, part.get("image")?));
        made(images.collect(), root)
    }
}

/// Lists of addresses or of base64.
pub(crate) struct Lists;

/// Shapes that can be asked for: name, width, height.
const SHAPES: [(&str, u32, u32); 8] = [
    ("1:1", 1, 1),
    ("16:9", 16, 9),
    ("4:3", 4, 3),
    ("3:2", 3, 2),
    ("2:3", 2, 3),
    ("3:4", 3, 4),
    ("9:16", 9, 16),
    ("21:9", 21, 9),
];

/// The shape of a size, if there is one within two in a hundred: 1792x1024 is 16:9 by name only.
fn shape((width, height): (u32, u32)) -> Option<&'static str> {
    let (width, height) = (u64::from(width), u64::from(height));
    let near = |row: &&(&str, u32, u32)| {
        let (one, other) = (width * u64::from(row.2), height * u64::from(row.1));
        one.abs_diff(other) * 50 <= one.max(other)
    };
    SHAPES.iter().find(near).map(|row| row.0)
}

impl Form for Lists {
    fn lacks(&self) -> &'static [&'static str] {
        USUAL
    }

    fn write(&self, work: &Work, model: &str) -> Result<Rope, Fault> {
        let picture = picture(work)?;
        let mut body = Body::new();
        body.name("model").string(model);
        body.name("prompt").text(&picture.prompt);
        if let Some(size) = picture.size {
            let shape = shape(size)
                .ok_or_else(|| bad("This provider has no image of such a shape.").param("size"))?;
            body.name("aspect_ratio").string(shape);
        }
        let kind = if picture.base64 == Some(true) {
            "base64"
        } else {
            "url"
        };
        body.name("response_format").string(kind);
        body.name("n").raw(&picture.count.to_string());
        Ok(body.end())
    }

    fn read(&self, _: &Work, body: &Bytes, root: Value<'_>) -> Option<Reply> {
        let data = root.get("data")?;
        let list = |name| data.get(name).filter(|list| list.kind() == Type::Array);
        let images: Vec<Made> = match list("image_base64") {
            Some(list) => list
                .elements()
                .filter_map(|one| in_place(body, one))
                .collect(),
            None => list("image_urls")?
                .elements()
                .filter_map(|one| at_address(body, one))
                .collect(),
        };
        made(images, root)
    }
}

fn in_place(body: &Bytes, value: Value<'_>) -> Option<Made> {
    Some(Made {
        url: None,
        base64: Some(Str::of(body, value)?),
    })
}

/// Base64 in a list of objects.
pub(crate) struct ByPath;

impl Form for ByPath {
    fn lacks(&self) -> &'static [&'static str] {
        BASE64_ONLY
    }

    fn write(&self, work: &Work, _: &str) -> Result<Rope, Fault> {
        let picture = picture(work)?;
        let mut body = Body::new();
        body.name("prompt").text(&picture.prompt);
        if let Some((width, height)) = picture.size {
            body.name("size").string(&format!("{width}x{height}"));
        }
        body.name("n").raw(&picture.count.to_string());
        Ok(body.end())
    }

    fn read(&self, _: &Work, body: &Bytes, root: Value<'_>) -> Option<Reply> {
        let list = root.get("data")?;
        let images = list
            .elements()
            .filter_map(|one| in_place(body, one.get("b64_image")?));
        made(images.collect(), root)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_have_names() {
        for (size, want) in [
            ((1024, 1024), Some("1:1")),
            ((1536, 1024), Some("3:2")),
            ((1024, 1536), Some("2:3")),
            ((1792, 1024), Some("16:9")),
            ((1024, 1792), Some("9:16")),
            ((1024, 10), None),
        ] {
            assert_eq!(shape(size), want, "{size:?}");
        }
    }
}
