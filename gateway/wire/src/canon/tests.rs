//! Texts and values are slices of their body, and decode to what they say.

use bytes::Bytes;

use super::*;
use crate::json::{Limits, Value, scan};

#[test]
fn slices_do_not_copy() {
    let body = Bytes::from_static(br#"{"a":"x\ny","b":[1, 2],"c":0.50}"#);
    let tape = scan(&body, &Limits::default()).unwrap();
    let root = Value::root(&tape, &body).unwrap();
    let text = Str::of(&body, root.get("a").unwrap()).unwrap();
    assert_eq!(text.bytes().as_ref(), b"x\\ny");
    assert_eq!(text.text(), "x\ny");
    assert_eq!(text.bytes().as_ptr(), body[6..].as_ptr());
    assert_eq!(
        Raw::of(&body, root.get("b").unwrap()).bytes().as_ref(),
        b"[1, 2]"
    );
    assert_eq!(Raw::of(&body, root.get("c").unwrap()).number(), Some(0.5));
    assert!(Str::of(&body, root).is_none());
    assert_eq!(Str::escaped("\"\n").bytes().as_ref(), b"\\\"\\n");
    assert!(!format!("{text:?}").contains('x'));
    assert_eq!(text.decoded(), "x\ny");
    let plain = Str::from_raw("xy");
    assert_eq!(plain.decoded().as_ptr(), plain.bytes().as_ptr());
}

#[test]
fn what_a_text_begins_with() {
    let first = |raw: &str| Str::from_raw(raw.to_owned()).first_char();
    assert_eq!(first(""), None);
    assert_eq!(first(r" \n\t\u0020\u3000 "), None);
    assert_eq!(first(r" \n{"), Some('{'));
    assert_eq!(first(&(r"\n".repeat(1000) + r"\u007b")), Some('{'));
    assert_eq!(first("字"), Some('字'));
}

#[test]
fn a_data_url_is_what_it_holds() {
    let of = |url: &str| Blob::of_url(Str::from_raw(url.to_owned()));
    let inline = |kind: &str, data: &str| Blob::Inline {
        kind: Str::from_raw(kind.to_owned()),
        data: Str::from_raw(data.to_owned()),
    };
    assert_eq!(
        of("data:image/png;base64,AA=="),
        inline("image/png", "AA==")
    );
    assert_eq!(
        of("data:text/plain;charset=utf-8;base64,AA"),
        inline("text/plain;charset=utf-8", "AA")
    );
    for url in [
        "https://x/1.png",
        "data:,",
        "data:;base64,AA",
        "data:image/png,AA",
    ] {
        assert!(matches!(of(url), Blob::Url(_)), "{url}");
    }
}
