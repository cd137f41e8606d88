//! Names of members, which clients write in either of two ways: `maxOutputTokens` or `max_output_tokens`.
//!
//! Names of our own are the first. Invariant of a request that was read: no object that governs it holds one member in
//! both spellings, so that whoever reads it reads the same.

use wire::Fault;
use wire::json::{Type, Value};

use crate::dialects::openai_chat::request::bad;

/// Most names that [`once`] can tell apart.
const NAMES_MAX: usize = 64;

/// Whether a name reads `camel`, in either spelling.
pub(super) fn reads(name: &[u8], camel: &str) -> bool {
    let mut rest = name.iter();
    for want in camel.bytes() {
        match rest.next() {
            Some(b'_') if want.is_ascii_uppercase() => {
                if rest.next() != Some(&want.to_ascii_lowercase()) {
                    return false;
                }
            }
            Some(byte) if *byte == want => {}
            _ => return false,
        }
    }
    rest.next().is_none()
}

/// Whether a key reads `camel`, in either spelling.
pub(super) fn is(key: Value<'_>, camel: &str) -> bool {
    reads(&key.text_bytes(), camel)
}

/// The member of that name; `null` is none.
pub(super) fn get<'a>(object: Value<'a>, camel: &str) -> Option<Value<'a>> {
    let mut members = object.members();
    let (_, value) = members.find(|(key, _)| is(*key, camel))?;
    Some(value).filter(|value| !value.is_null())
}

/// The object of that name.
pub(super) fn object<'a>(holder: Value<'a>, camel: &str) -> Option<Value<'a>> {
    get(holder, camel).filter(|value| value.kind() == Type::Object)
}

/// The member at the end of a path.
pub(super) fn at<'a>(holder: Value<'a>, path: &[&str]) -> Option<Value<'a>> {
    path.iter().try_fold(holder, |value, name| get(value, name))
}

/// Checks that each of the known names stands in an object once at most, and that nothing else looks like one of them.
///
/// # Errors
/// `duplicate_key`.
pub(super) fn once(object: Value<'_>, known: &'static [&'static str]) -> Result<(), Fault> {
    debug_assert!(known.len() <= NAMES_MAX, "a bit for each name");
    let mut seen = 0u64;
    for (key, _) in object.members() {
        let name = key.text_bytes();
        let place = known.iter().position(|known| reads(&name, known));
        let Some(place) = place else {
            if let Some(known) = known.iter().find(|known| looks_like(&name, known)) {
                return Err(twice(known));
            }
            continue;
        };
        let bit = 1u64 << place;
        if seen & bit != 0 {
            return Err(twice(known.get(place).copied().unwrap_or_default()));
        }
        seen |= bit;
    }
    Ok(())
}

fn twice(known: &'static str) -> Fault {
    bad("A key stands there twice, or differs from a known one only in how it is spelt; parsers disagree on what it means.")
        .reason("duplicate_key")
        .param(known)
}

/// Whether a name differs from a known one only in how its letters are written.
fn looks_like(name: &[u8], known: &str) -> bool {
    // The two letters outside ASCII that fold into it take two and three bytes.
    if name.len() < known.len() || name.len() > known.len() * 3 {
        return false;
    }
    let name = std::str::from_utf8(name).unwrap_or_default();
    let letters = name.chars().filter(|letter| *letter != '_');
    let folded = letters.map(|letter| match letter {
        'ſ' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    });
    folded.eq(known.chars().map(|letter| letter.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::json::{Limits, scan};

    #[test]
    fn both_spellings_read_the_same() {
        for (name, camel, same) in [
            ("maxOutputTokens", "maxOutputTokens", true),
            ("max_output_tokens", "maxOutputTokens", true),
            ("max_outputTokens", "maxOutputTokens", true),
            ("topP", "topP", true),
            ("top_p", "topP", true),
            ("text", "text", true),
            ("maxoutputtokens", "maxOutputTokens", false),
            ("max_Output_tokens", "maxOutputTokens", false),
            ("max_output_token", "maxOutputTokens", false),
            ("max_output_tokens_", "maxOutputTokens", false),
            ("_text", "text", false),
        ] {
            assert_eq!(reads(name.as_bytes(), camel), same, "{name}");
        }
    }

    #[test]
    fn one_name_stands_once() {
        let check = |body: &str| {
            let tape = scan(body.as_bytes(), &Limits::default()).unwrap();
            let root = Value::root(&tape, body.as_bytes()).unwrap();
            once(root, &["inlineData", "text"]).is_ok()
        };
        assert!(check(r#"{"inline_data":1,"text":2,"other":3,"in_line":4}"#));
        for body in [
            r#"{"inline_data":1,"inlineData":2}"#,
            r#"{"inlinedata":1}"#,
            r#"{"Text":1}"#,
            r#"{"te\u0078t":1,"TEXT":2}"#,
            r#"{"inline__data":1}"#,
        ] {
            assert!(!check(body), "{body}");
        }
    }
}
