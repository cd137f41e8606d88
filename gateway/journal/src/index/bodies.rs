//! The texts in bodies that were kept redacted: opened with their keys, read as what people and models said.
//!
//! A body is whatever was sent, perhaps cut off: JSON, or a stream of events in JSON. Its strings are found without
//! understanding the rest. Of a stream, the pieces under one name that bears text are one text, so a word that came in two
//! events is found.
//!
//! Must never look into sealed bodies: those are for an auditor with a reason. Invariants: what cannot be opened has no
//! text; a body beyond `BODY_BYTES_MAX` has none; strings that are data (images in Base64) are no text.

use std::collections::BTreeMap;

use super::text::Bodies;
use crate::row::Row;
use crate::seal::{Direction, Form, OpenError, Opener};

/// Longest body that is read.
const BODY_BYTES_MAX: u64 = 64 << 20;
/// Bodies passed over after who wraps keys did not answer.
const PASSED_OVER: u32 = 256;
/// A string at least this long without a blank is data if it is all Base64.
const DATA_BYTES_MIN: usize = 512;
/// Names under which streams send text, in any dialect.
const TEXT_NAMES: [&str; 14] = [
    "content",
    "text",
    "delta",
    "arguments",
    "partial_json",
    "thinking",
    "reasoning",
    "reasoning_content",
    "refusal",
    "transcript",
    "output",
    "result",
    "input",
    "completion",
];

impl Bodies for Opener {
    fn each_text(&self, row: &Row, take: &mut dyn FnMut(&str) -> bool) -> bool {
        let bodies = [
            (Direction::Request, &row.request_body),
            (Direction::Reply, &row.reply_body),
        ];
        let mut whole = true;
        for (direction, body) in bodies {
            let Some(reference) = body
                .reference()
                .filter(|body| body.kind == Form::Redacted.name())
            else {
                continue;
            };
            if !self.tries_kek() {
                whole = false;
                continue;
            }
            match self.open(&row.id, direction, reference, BODY_BYTES_MAX) {
                Ok(bytes) => {
                    if !each_in(&String::from_utf8_lossy(&bytes), take) {
                        return whole;
                    }
                }
                Err(OpenError::KekUnavailable) => {
                    self.pass_over(PASSED_OVER);
                    whole = false;
                }
                Err(OpenError::Unreadable) => whole = false,
                Err(_) => {}
            }
        }
        whole
    }

    fn forget(&self) {
        Self::forget(self);
    }
}

/// Calls `take` with each text of a body; false if it said so.
fn each_in(body: &str, take: &mut dyn FnMut(&str) -> bool) -> bool {
    let begin = body.trim_start();
    if ["data:", "event:", ":", "id:"]
        .iter()
        .any(|line| begin.starts_with(line))
    {
        let mut texts: BTreeMap<String, String> = BTreeMap::new();
        each_string(body, &mut |name, value| {
            if TEXT_NAMES.contains(&name) {
                texts.entry(name.to_owned()).or_default().push_str(value);
            }
            true
        });
        return texts.values().all(|text| take(text));
    }
    if begin.starts_with(['{', '[']) {
        return each_string(body, &mut |_, value| is_data(value) || take(value));
    }
    take(body)
}

fn is_data(value: &str) -> bool {
    value.len() >= DATA_BYTES_MIN
        && (value.starts_with("data:")
            || value
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+/=-_".contains(&byte)))
}

/// Calls `take` with the strings of JSON text that are values, and the name of the field that each is in or behind.
/// Stops when it says `false`, and says so.
fn each_string(text: &str, take: &mut dyn FnMut(&str, &str) -> bool) -> bool {
    let (mut rest, mut name) = (text, String::new());
    while let Some(at) = rest.find('"') {
        let (value, after) = string(rest.get(at + 1..).unwrap_or_default());
        rest = after;
        if rest.trim_start().starts_with(':') {
            name = value;
        } else if !value.is_empty() && !take(&name, &value) {
            return false;
        }
    }
    true
}

/// The string that `text` begins with, up to its quote or the end, without escapes; and what is behind it.
fn string(text: &str) -> (String, &str) {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['"', '\\']) {
        let (plain, tail) = rest.split_at(at);
        out.push_str(plain);
        let mut chars = tail.chars();
        if chars.next() == Some('"') {
            return (out, chars.as_str());
        }
        let escaped = chars.next();
        rest = chars.as_str();
        match escaped {
            Some('u') => {
                let (c, after) = unicode(rest);
                out.push(c);
                rest = after;
            }
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('b') => out.push('\u{8}'),
            Some('f') => out.push('\u{c}'),
            other => out.extend(other),
        }
    }
    out.push_str(rest);
    (out, "")
}

/// The character of `\u`, whose digits `text` begins with; of two surrogates the one that they mean.
fn unicode(text: &str) -> (char, &str) {
    let unit = |text: &str| {
        let digits = text.get(..4)?;
        u32::from_str_radix(digits, 16).ok()
    };
    let Some(first) = unit(text) else {
        return (char::REPLACEMENT_CHARACTER, text);
    };
    let rest = text.get(4..).unwrap_or_default();
    if (0xd800..0xdc00).contains(&first)
        && let Some(low) = rest.strip_prefix("\\u").and_then(unit)
        && (0xdc00..0xe000).contains(&low)
    {
        let both = 0x1_0000 + ((first - 0xd800) << 10) + (low - 0xdc00);
        let c = char::from_u32(both).unwrap_or(char::REPLACEMENT_CHARACTER);
        return (c, rest.get(6..).unwrap_or_default());
    }
    (
        char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER),
        rest,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(body: &str) -> Vec<String> {
        let mut found = Vec::new();
        each_in(body, &mut |text| {
            found.push(text.to_owned());
            true
        });
        found
    }

    #[test]
    fn what_was_said_is_found() {
        assert_eq!(
            texts(
                r#"{"model":"m","messages":[{"role":"user","content":"\u8eab\u4efd证 \"x\" \ud83d\ude00\n"}],"n":1}"#
            ),
            ["m", "user", "身份证 \"x\" 😀\n"]
        );
        // Cut off in the middle of a string and of an escape.
        assert_eq!(texts(r#"{"content":"合同编"#), ["合同编"]);
        assert_eq!(texts(r#"{"content":"合\u5"#), ["合\u{fffd}5"]);
        assert_eq!(texts("plain words"), ["plain words"]);
        let image = format!(
            "{{\"url\":\"data:image/png;base64,{0}\",\"b\":\"{0}\"}}",
            "QUJD".repeat(300)
        );
        assert_eq!(texts(&image), [""; 0]);
    }

    #[test]
    fn a_streams_pieces_are_one_text() {
        let stream = "event: x\ndata: {\"id\":\"c-1\",\"choices\":[{\"delta\":{\"content\":\"身份\"}}]}\n\ndata: {\"id\":\"c-1\",\"choices\":[{\"delta\":{\"content\":\"\\u8bc1\"}}]}\n\ndata: [DONE]\n\n";
        assert_eq!(texts(stream), ["身份证"]);
    }

    proptest! {
        #[test]
        fn every_string_comes_back(values in prop::collection::vec(".{0,20}", 0..5)) {
            let values: Vec<String> = values.into_iter().filter(|value| !value.is_empty()).collect();
            let body = serde_json::to_string(&values).unwrap();
            prop_assert_eq!(texts(&body), values);
        }

        #[test]
        fn anything_is_read(body in ".{0,200}") {
            texts(&body);
            texts(&format!("data: {body}"));
            texts(&format!("{{{body}"));
        }
    }
}
