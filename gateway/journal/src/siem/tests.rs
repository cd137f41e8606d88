//! Lines that hostile texts cannot break: read back by parsers that know nothing of how they were written.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::inert::is_active;
use crate::record::Kind;

fn source() -> Source {
    Source {
        replica: "gw-1".into(),
        log: "00c0ffee".into(),
        version: "0.1.0".into(),
    }
}

fn row(text: &str) -> Row {
    let opened = serde_json::json!({"at": 1_764_115_200_123_i64, "id": text, "key": text, "team": text, "client": "192.0.2.7",
        "endpoint": text, "asked": text, "policies": [text, text], "findings": [{"type": text, "count": 3}], text: text});
    let closed = serde_json::json!({"at": 1_764_115_201_000_i64, "outcome": "completed", "status": 200, "provider": text,
        "model": text, "tokens": {"prompt": 3, "completion": 4, "estimated": false}, "code": text});
    let mut row = Row {
        index: Some(7),
        settled: Some(9),
        epoch: Some(3),
        kind: "request".into(),
        ..Row::default()
    };
    assert!(row.read(Kind::Opened, opened.to_string().as_bytes()));
    assert!(row.read(Kind::Closed, closed.to_string().as_bytes()));
    row
}

fn event(what: &str, text: &str) -> Row {
    let payload = serde_json::json!({"at": 1, "what": what, "actor": text, "detail": text, "reason": text, "names": [text]});
    let mut row = Row {
        index: Some(1),
        settled: Some(1),
        kind: "event".into(),
        ..Row::default()
    };
    assert!(row.read(Kind::Event, payload.to_string().as_bytes()));
    row
}

/// Names with their values.
type Pairs = Vec<(String, String)>;

/// Reads CEF as its specification says: header fields, then extensions.
fn read_cef(line: &str) -> Option<(Vec<String>, Pairs)> {
    let mut rest = line.strip_prefix("CEF:")?.chars();
    let (mut fields, mut field) = (Vec::new(), String::new());
    while fields.len() < 7 {
        match rest.next()? {
            '\\' => field.push(rest.next()?),
            '|' => fields.push(std::mem::take(&mut field)),
            c => field.push(c),
        }
    }
    // A key is the run of letters and digits before an `=` that is not escaped, behind a space or at the beginning.
    let text: Vec<char> = rest.collect();
    let mut starts = Vec::new();
    for at in 0..text.len() {
        let escaped = text[..at].iter().rev().take_while(|c| **c == '\\').count() % 2 == 1;
        if text[at] == '=' && !escaped {
            let key = text[..at]
                .iter()
                .rev()
                .take_while(|c| c.is_ascii_alphanumeric())
                .count();
            starts.push((at - key, at));
        }
    }
    let mut pairs = Vec::new();
    for (nth, (start, equals)) in starts.iter().enumerate() {
        let end = starts
            .get(nth + 1)
            .map_or(text.len(), |next| next.0.saturating_sub(1));
        let mut value = String::new();
        let mut chars = text[equals + 1..end].iter();
        while let Some(c) = chars.next() {
            match (c, c == &'\\') {
                (_, true) => match chars.next()? {
                    'n' => value.push('\n'),
                    'r' => value.push('\r'),
                    c => value.push(*c),
                },
                (c, _) => value.push(*c),
            }
        }
        pairs.push((text[*start..*equals].iter().collect(), value));
    }
    Some((fields, pairs))
}

/// Reads one frame of octet-counted RFC 5424: structured data and message.
fn read_syslog(frame: &[u8]) -> Option<(Pairs, String)> {
    let text = std::str::from_utf8(frame).ok()?;
    let (length, whole) = text.split_once(' ')?;
    if length.parse() != Ok(whole.len()) {
        return None;
    }
    let mut parts = whole.splitn(7, ' ');
    let priority = parts.next()?;
    if !priority.starts_with('<') || !priority.ends_with(">1") {
        return None;
    }
    let rest = parts.nth(5)?;
    let mut chars = rest.strip_prefix("[yumen@32473")?.chars();
    let mut parameters = Vec::new();
    loop {
        match chars.next()? {
            ']' => break,
            ' ' => {
                let name: String = chars.by_ref().take_while(|c| *c != '=').collect();
                if chars.next()? != '"' {
                    return None;
                }
                let mut value = String::new();
                loop {
                    match chars.next()? {
                        '\\' => value.push(chars.next()?),
                        '"' => break,
                        ']' => return None,
                        c => value.push(c),
                    }
                }
                parameters.push((name, value));
            }
            _ => return None,
        }
    }
    let message = chars.as_str().strip_prefix(" \u{feff}")?;
    Some((parameters, message.to_owned()))
}

/// What becomes of a text in CEF: cut, and without what moves a cursor.
fn tamed(text: &str, keep_breaks: bool) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\r' if keep_breaks => c,
            c if is_active(c) => '\u{fffd}',
            c => c,
        })
        .collect()
}

fn check(text: &str) {
    let (source, row) = (source(), row(text));
    for format in [Format::Json, Format::Ocsf, Format::Cef] {
        for row in [
            &row,
            &event("config_change", text),
            &event("login_failed", text),
        ] {
            let line = line(format, &source, row);
            assert!(!line.chars().any(is_active), "{line:?}");
            let frame = syslog::frame(&source, 1, row, &line);
            let (parameters, message) = read_syslog(&frame).expect("a frame");
            assert_eq!(parameters.len(), 3);
            assert_eq!(parameters[0], ("uid".into(), source.uid(row)));
            assert_eq!(message, line);
        }
    }
    let json: Value = serde_json::from_str(&line(Format::Json, &source, &row)).unwrap();
    assert_eq!(json["uid"], "00c0ffee:3:9:7");
    assert_eq!(json["asked"].as_str().unwrap_or_default(), text);
    let ocsf: Value = serde_json::from_str(&line(Format::Ocsf, &source, &row)).unwrap();
    assert_eq!(ocsf["type_uid"], 600_301);
    assert_eq!(ocsf["api"]["request"]["uid"], text);
    let (fields, pairs) = read_cef(&line(Format::Cef, &source, &row)).expect("CEF");
    assert_eq!(fields[..3], ["0", "yumen", "gateway"]);
    assert_eq!(fields[5], "request completed");
    let mut names: Vec<&str> = pairs.iter().map(|(name, _)| name.as_str()).collect();
    if !text.is_empty() && text.len() < 200 {
        let team = pairs.iter().find(|(name, _)| name == "cs4").expect("team");
        assert_eq!(team.1, tamed(text, true));
        assert_eq!(names.len(), 28, "{names:?}");
    }
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), pairs.len(), "a field occurs twice: {names:?}");
}

#[test]
fn hostile_texts_stay_in_their_fields() {
    for text in [
        "plain",
        "",
        "a|b\\|c",
        "x=1 act=allow outcome=completed",
        "\\",
        "\\=",
        "a\nCEF:0|evil|",
        "\r\n<34>1 evil",
        "\u{1b}[31m\u{202e}\0\u{7f}\u{85}\u{2028}",
        "] [evil@1 a=\"b\"]",
        "\"],\"uid\":\"other",
        "密\u{feff}钥",
        "uid",
        &"x\u{1F600}".repeat(2000),
    ] {
        check(text);
    }
}

proptest! {
    #[test]
    fn no_text_breaks_a_line(text in "[\\PC\\x00-\\x1f|=\\\\\"\\[\\] ]{0,60}") {
        check(&text);
    }

    #[test]
    fn structured_data_is_escaped(text in "[\\PC\\x00-\\x1f|=\\\\\"\\[\\] ]{0,60}") {
        let source = Source { log: text.clone(), ..source() };
        let (parameters, message) = read_syslog(&syslog::frame(&source, 1, &row("a"), "m")).expect("a frame");
        prop_assert_eq!(&parameters[1].1, &tamed(&text, false));
        prop_assert_eq!(message, "m");
    }
}

#[test]
fn ocsf_classes_have_what_they_require() {
    for (what, class, needs) in [
        ("start", 6002, "app"),
        ("stop", 6002, "app"),
        ("config_change", 3004, "entity"),
        ("key_change", 3001, "user"),
        ("login_failed", 3002, "user"),
        ("unseal", 6003, "api"),
        ("search", 6003, "src_endpoint"),
        ("recovery", 6002, "app"),
    ] {
        let line = line(Format::Ocsf, &source(), &event(what, "a"));
        let event: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(event["class_uid"], class, "{what}");
        let activity = event["activity_id"].as_u64().unwrap();
        assert_eq!(event["type_uid"], class * 100 + activity);
        for required in ["time", "severity_id", "metadata", "actor", needs] {
            assert!(event.get(required).is_some(), "{what} without {required}");
        }
    }
}
