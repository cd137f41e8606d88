//! `POST /v1/images/generations`, where it must be written anew for a vendor.

use bytes::Bytes;
use wire::Rope;
use wire::canon::{Lost, Str};
use wire::facts::Usage;
use wire::json::Value;
use wire::operation::{Made, Picture};
use wire::{Fault, Kind};

use crate::dialect::ReplyHead;
use crate::dialects::openai_chat::request::bad;
use crate::operation::Body;

/// Pixels of a side.
const SIDE_MAX: u32 = 16_384;
/// Fields that no other form has a word for.
const LOST: [&str; 5] = [
    "output_format",
    "output_compression",
    "moderation",
    "partial_images",
    "safety_identifier",
];

/// Reads the request.
pub(super) fn read(body: &Bytes, root: Value<'_>) -> Result<Picture, Fault> {
    let prompt = root.get("prompt").and_then(|prompt| Str::of(body, prompt));
    let mut picture = Picture {
        prompt: prompt.ok_or(Kind::Bug)?,
        count: 1,
        ..Picture::default()
    };
    for (key, value) in root.members() {
        let name = key.text_bytes();
        if value.is_null() {
            continue;
        }
        match &*name {
            b"n" => picture.count = value.as_u64().unwrap_or(1),
            b"size" => picture.size = size(value)?,
            b"response_format" => picture.base64 = Some(is_base64(value)?),
            b"stream" => picture.stream = value.as_bool().unwrap_or(false),
            b"user" => picture.also.push("user"),
            b"quality" if !is_usual(value) => picture.also.push("quality"),
            b"style" => picture.also.push("style"),
            b"background" if !is_usual(value) => picture.also.push("background"),
            _ => {
                let known = LOST.iter().find(|known| known.as_bytes() == &*name);
                picture.lost.extend(known.map(|name| Lost {
                    name,
                    meaning: false,
                }));
            }
        }
    }
    Ok(picture)
}

/// What is had anyway.
fn is_usual(value: Value<'_>) -> bool {
    ["auto", "standard"].iter().any(|word| value.is_named(word))
}

/// `1024x1024`; `None`: as the model likes.
fn size(value: Value<'_>) -> Result<Option<(u32, u32)>, Fault> {
    let text = value.as_str().unwrap_or_default();
    if text == "auto" {
        return Ok(None);
    }
    let side = |text: &str| {
        text.parse()
            .ok()
            .filter(|side| (1..=SIDE_MAX).contains(side))
    };
    let sides = text.split_once('x');
    let sides = sides.and_then(|(width, height)| Some((side(width)?, side(height)?)));
    let odd = || bad("size must be auto, or like 1024x1024.").param("size");
    sides.map(Some).ok_or_else(odd)
}

fn is_base64(value: Value<'_>) -> Result<bool, Fault> {
    match value.as_str().as_deref() {
        Some("b64_json") => Ok(true),
        Some("url") => Ok(false),
        _ => Err(bad("response_format must be url or b64_json.").param("response_format")),
    }
}

/// Writes the reply.
pub(super) fn write(made: &[Made], usage: Option<Usage>, head: &ReplyHead) -> Rope {
    let mut body = Body::new();
    body.name("created").raw(&head.created.to_string());
    body.name("data");
    let mut between = "[";
    for one in made {
        body.raw(between);
        match (&one.url, &one.base64) {
            (Some(url), _) => body.raw("{\"url\":").text(url).raw("}"),
            (None, Some(coded)) => body.raw("{\"b64_json\":").text(coded).raw("}"),
            (None, None) => body.raw("{}"),
        };
        between = ",";
    }
    body.raw("]");
    if let Some(usage) = usage {
        let total = usage.prompt.saturating_add(usage.completion);
        body.name("usage").open();
        body.name("input_tokens").raw(&usage.prompt.to_string());
        body.name("output_tokens")
            .raw(&usage.completion.to_string());
        body.name("total_tokens").raw(&total.to_string()).close();
    }
    body.end()
}
