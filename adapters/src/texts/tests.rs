//! What is handed out as text, what is media and what is inert, however it is escaped.

use super::*;
use wire::json::{Limits, scan};

const RULES: Rules = Rules {
    keys: &["content", "url"],
    words: &["user"],
    json: &["arguments"],
    media: &["file_data"],
    coded: &["data"],
    places: &["url"],
    holders: &["input_audio", "image_url"],
    kept: &["file_id"],
};
const ROOT: Own = Own {
    numbers: &["seed"],
    checked: &["model"],
};

fn collected(body: &str) -> (Vec<(String, Form)>, usize) {
    let tape = scan(body.as_bytes(), &Limits::default()).unwrap();
    let root = Value::root(&tape, body.as_bytes()).unwrap();
    let mut contents = Contents::default();
    for (key, value) in root.members() {
        for member in [(None, key), (Some(key), value)] {
            RULES.collect_of(
                &ROOT,
                &tape,
                body.as_bytes(),
                member,
                (Source::User, None),
                &mut contents,
            );
        }
    }
    let texts = contents.texts.iter();
    (
        texts
            .map(|t| (body[t.span.clone()].to_owned(), t.form))
            .collect(),
        contents.media.len(),
    )
}

#[test]
fn every_string_key_and_number_but_the_inert() {
    let (texts, media) = collected(
        r#"{"role":"user","model":"m","content":["a",{"arguments":"{}","x":[1234567,5],"seed":7654321,"model":"n"}],"seed":12345678901}"#,
    );
    let want = [
        ("role", Form::Key),
        ("model", Form::Key),
        ("a", Form::String),
        ("arguments", Form::Key),
        ("{}", Form::Json),
        ("x", Form::Key),
        ("1234567", Form::Number),
        ("seed", Form::Key),
        ("7654321", Form::Number),
        ("model", Form::Key),
        ("n", Form::String),
        ("seed", Form::Key),
    ];
    assert_eq!(texts, want.map(|(text, form)| (text.to_owned(), form)));
    assert_eq!(media, 0);
}

#[test]
fn media_is_told_from_text() {
    let blob = "QUJD".repeat(300);
    let body = format!(
        r#"{{"url":"data:image/png;base64,AAAA","file_data":"AAAA","content":"data:text/plain;base64,aGk=","b":"{blob}","c":{{"url":"https://x.example/1.png"}}}}"#
    );
    let (texts, media) = collected(&body);
    assert_eq!(media, 4, "{texts:?}");
    assert!(texts.contains(&("aGk=".to_owned(), Form::Base64)));
    assert!(texts.contains(&("https://x.example/1.png".to_owned(), Form::String)));
}

#[test]
fn a_file_is_one_whatever_its_base64_is_broken_by() {
    let word = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9";
    let lines = format!(r"{word}\n{word}\r\n{word}\n");
    for broken in [
        "AAAA",
        "AAAA.",
        "!AAAA",
        "AA AA",
        &lines,
        &format!("{word} {word}."),
    ] {
        for body in [
            format!(r#"{{"input_audio":{{"data":"{broken}"}}}}"#),
            format!(r#"{{"image_url":{{"url":"{broken}"}}}}"#),
            format!(r#"{{"image_url":[{{"url":["{broken}"]}}]}}"#),
            format!(r#"{{"x":{{"file_data":"{broken}"}}}}"#),
        ] {
            assert_eq!(collected(&body).1, 1, "{body}");
        }
    }
    // Elsewhere a member of that name may say anything.
    assert_eq!(collected(&format!(r#"{{"data":"{lines}"}}"#)).1, 1);
    assert_eq!(collected(r#"{"data":"so it is","url":"there"}"#).1, 0);
    let long = lines.repeat(6);
    let (texts, media) = collected(&format!(r#"{{"content":"{long}"}}"#));
    assert_eq!((texts.len(), media), (1, 1));
    let prose = "It is a truth universally acknowledged ".repeat(40);
    assert_eq!(collected(&format!(r#"{{"content":"{prose}"}}"#)).1, 0);
}

#[test]
fn parts_of_kinds_that_nobody_knows_are_media() {
    for (part, media) in [
        (r#"{"type":"text","text":"a"}"#, 0),
        (r#"{"text":"a"}"#, 0),
        (r#""a""#, 0),
        ("{}", 0),
        (r#"{"type":"image_embeds","image_embeds":[0.5,1.5]}"#, 1),
        (r#"{"type":"image","url":"a/b.png"}"#, 1),
        (r#"{"type":"image_url","image_url":{"url":"AAAA"}}"#, 1),
        (r#"{"type":"image_url","image_url":null,"uuid":"u"}"#, 1),
        (r#"{"type":["text"],"text":"a"}"#, 1),
    ] {
        let body = format!(r#"{{"content":[{{"type":"text","text":"a"}},{part}]}}"#);
        let tape = scan(body.as_bytes(), &Limits::default()).unwrap();
        let root = Value::root(&tape, body.as_bytes()).unwrap();
        let mut contents = Contents::default();
        let mark = Mark::of(&contents);
        let said = (Source::User, None);
        RULES.collect(&tape, body.as_bytes(), (None, root), said, &mut contents);
        note_parts(root.get("content"), mark, &mut contents);
        assert_eq!(contents.media.len(), media, "{body}");
    }
}

#[test]
fn a_name_means_the_same_however_it_is_escaped() {
    let (texts, media) = collected(
        r#"{"\u0075rl":"https://x.example/1.png","file\u005fdata":"AAAA","argument\u0073":"{}"}"#,
    );
    assert_eq!(media, 2, "{texts:?}");
    assert!(texts.contains(&("{}".to_owned(), Form::Json)), "{texts:?}");
}

#[test]
fn a_file_is_one_however_it_is_escaped() {
    let blob = format!("\\u0051{}", r"QUJD\/".repeat(300));
    for body in [
        r#"{"url":"https:\/\/x.example\/1.png"}"#,
        r#"{"url":"https\u003a//x.example/1.png"}"#,
        r#"{"file_data":"AAA\/AAAA"}"#,
        &format!(r#"{{"b":"{blob}"}}"#),
    ] {
        let (texts, media) = collected(body);
        assert_eq!(media, 1, "{texts:?}");
    }
    let (texts, media) = collected(&format!(r#"{{"b":"{}"}}"#, r"\n".repeat(1024)));
    assert_eq!((texts.len(), media), (2, 0));
}

fn escaped(text: &str) -> String {
    let letters = text.bytes().map(|byte| format!("\\u{byte:04x}"));
    letters.collect()
}

#[test]
fn what_a_vendor_keeps_is_media_and_its_name_is_text() {
    for (body, media) in [
        (r#"{"file_id":"file-1"}"#, 1),
        (r#"{"file\u005fid":"file-1"}"#, 1),
        (r#"{"content":"fileid://file-1,fileid://file-2"}"#, 1),
        (r#"{"content":" \n\u0046ileid:\/\/file-1"}"#, 1),
        (
            &format!(r#"{{"content":"{}fileid://file-1"}}"#, " ".repeat(200)),
            1,
        ),
        (
            &format!(r#"{{"content":"{}"}}"#, escaped("fileid://file-1")),
            1,
        ),
        (
            &format!(
                r#"{{"content":"{}{}"}}"#,
                r"\u3000\n".repeat(60),
                escaped("FileID://file-1")
            ),
            1,
        ),
        (r#"{"content":"what is fileid://?"}"#, 0),
        (r#"{"content":"fileid:/"}"#, 0),
    ] {
        let (texts, found) = collected(body);
        assert_eq!(
            (texts.len(), found),
            (2 - usize::from(body.contains("content")), media),
            "{body}"
        );
    }
}

#[test]
fn paths_tell_elements_apart_by_their_index() {
    let body = br#"{"t":[{"index":1,"f":"a"}]}"#;
    let later = br#"{"t":[{"index":1,"f":"b"}]}"#;
    let other = br#"{"t":[{"index":0,"f":"b"}]}"#;
    let path = |body: &[u8]| {
        let tape = scan(body, &Limits::default()).unwrap();
        let mut paths = Vec::new();
        let root = Value::root(&tape, body).unwrap();
        walk(
            &tape,
            body,
            root,
            None,
            |_, _| false,
            |v| {
                if !v.is_key && v.value.kind() == Type::String {
                    paths.push(v.path);
                }
            },
        );
        paths[0]
    };
    assert_eq!(path(body), path(later));
    assert_ne!(path(body), path(other));
}
