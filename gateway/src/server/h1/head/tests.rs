//! Heads as they come: sound, in doubt, too large, cut anywhere.

use super::*;
use proptest::prelude::*;

const LIMITS: Limits = Limits {
    bytes: 1000,
    headers: 10,
};

fn took(bytes: &[u8]) -> Result<Option<(Head, usize)>, Unreadable> {
    let mut bytes = BytesMut::from(bytes);
    let head = take(&mut bytes, 0, LIMITS)?;
    Ok(head.map(|head| (head, bytes.len())))
}

/// All of a head that can be told apart.
fn told(head: &Head) -> String {
    let (request, framing) = (&head.request, &head.framing);
    let (method, uri, headers) = (&request.method, &request.uri, &request.headers);
    let (version, odd) = (request.version, request.odd);
    format!(
        "{method} {uri} {version:?} {headers:?} {odd:?} {framing:?} {} {}",
        head.keeps, head.expects
    )
}

fn head(lines: &str) -> Head {
    let text = format!("POST /a?b=c HTTP/1.1\r\n{lines}\r\n");
    let (head, left) = took(text.as_bytes()).unwrap().unwrap();
    assert_eq!(left, 0);
    head
}

#[test]
fn reads_what_stands_there() {
    let text =
        "POST /a?b=c HTTP/1.1\r\nHost: x\r\nX-Odd:  two words \r\nContent-Length: 3\r\n\r\nabc";
    let (head, left) = took(text.as_bytes()).unwrap().unwrap();
    assert_eq!((left, head.request.method), (3, Method::POST));
    assert_eq!(head.request.uri, "/a?b=c");
    assert_eq!(head.request.version, Version::HTTP_11);
    assert_eq!(head.request.headers.get("x-odd").unwrap(), "two words");
    assert!(matches!(head.framing, Framing::Length(3)));
    assert!(head.keeps && !head.expects);
}

#[test]
fn what_follows_is_told_by_version_and_connection() {
    for (version, connection, keeps) in [
        ("1.1", "", true),
        ("1.1", "connection: Close\r\n", false),
        (
            "1.1",
            "connection: x, close\r\nconnection: keep-alive\r\n",
            false,
        ),
        ("1.0", "", false),
        ("1.0", "connection: Keep-Alive\r\n", true),
        ("1.0", "connection: keep-alive, close\r\n", false),
    ] {
        let text = format!("GET / HTTP/{version}\r\n{connection}\r\n");
        let (head, _) = took(text.as_bytes()).unwrap().unwrap();
        assert_eq!(head.keeps, keeps, "{version} {connection:?}");
    }
    let asks = "expect: 100-Continue\r\ncontent-length: 1\r\n";
    assert!(head(asks).expects);
    assert!(
        !head("expect: 100-continue\r\n").expects,
        "there is no body"
    );
}

/// RFC 9112, section 6: a body that could be read in two ways is read in none, and its connection ends.
#[test]
fn framing_in_doubt() {
    for lines in [
        "content-length: 1\r\ntransfer-encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n",
        "content-length: 1\r\ncontent-length: 2\r\n",
        "content-length: 1, 1\r\n",
        "content-length: +1\r\n",
        "content-length:\r\n",
        "content-length: 18446744073709551616\r\n",
        "transfer-encoding: gzip, chunked\r\n",
        "transfer-encoding: identity\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: x\r\n",
    ] {
        let head = head(lines);
        assert!(head.request.odd.is_some(), "{lines:?}");
        assert!(matches!(head.framing, Framing::Broken), "{lines:?}");
    }
    let old = b"POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n";
    let (head, _) = took(old).unwrap().unwrap();
    assert!(head.request.odd.is_some());
    let twice = self::head("content-length: 1\r\nContent-Length: 1\r\n");
    assert!(twice.keeps && matches!(twice.framing, Framing::Length(1)));
    assert_eq!(twice.request.headers.iter().count(), 1);
    let sound = self::head("transfer-encoding: Chunked\r\n");
    assert!(sound.keeps && matches!(sound.framing, Framing::Chunked(_)));
}

#[test]
fn limits_of_a_head() {
    let many = "a: b\r\n".repeat(11);
    let long = format!("a: {}\r\n", "b".repeat(1000));
    for lines in [&many, &long] {
        let text = format!("GET / HTTP/1.1\r\n{lines}\r\n");
        assert_eq!(took(text.as_bytes()).err(), Some(Unreadable::TooLarge));
    }
    // It need not end to be too long.
    let endless = format!("GET / HTTP/1.1\r\n{long}");
    assert_eq!(took(endless.as_bytes()).err(), Some(Unreadable::TooLarge));
    let more = Limits {
        bytes: 1 << 17,
        headers: 200,
    };
    let text = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(150));
    let head = take(&mut BytesMut::from(text.as_bytes()), 0, more);
    assert_eq!(head.unwrap().unwrap().request.headers.iter().count(), 150);
    let target = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(70_000));
    let head = take(&mut BytesMut::from(target.as_bytes()), 0, more);
    assert_eq!(head.err(), Some(Unreadable::Uri));
}

/// What a head may be made of.
fn heads() -> impl Strategy<Value = Vec<u8>> {
    let part = prop::sample::select(vec![
        "GET ",
        "POST ",
        "/",
        "/v1",
        " HTTP/1.1",
        " HTTP/1.0",
        "\r\n",
        "\r\n\r\n",
        "\n",
        "\n\n",
        "\r",
        "host: x",
        "content-length: 3",
        "transfer-encoding: chunked",
        "connection: close",
        ": ",
        "a",
        " ",
        "\0",
        "\u{e9}",
    ]);
    prop::collection::vec(part, 0..14).prop_map(|parts| parts.concat().into_bytes())
}

proptest! {
    /// However its bytes come, a head is the same, and ends where it ends.
    #[test]
    fn any_cut_is_fine(bytes in heads(), cuts in prop::collection::vec(0usize..120, 0..6)) {
        let whole = took(&bytes).map(|head| head.map(|(head, left)| (told(&head), bytes.len() - left)));
        let mut cuts = cuts.into_iter().filter(|cut| *cut < bytes.len()).collect::<Vec<_>>();
        cuts.push(bytes.len());
        cuts.sort_unstable();
        let (mut early, mut seen, mut at) = (BytesMut::new(), 0, 0);
        let mut pieces = Ok(None);
        for cut in cuts {
            early.extend_from_slice(&bytes[at..cut]);
            at = cut;
            let before = early.len();
            match take(&mut early, seen, LIMITS) {
                Ok(Some(head)) => {
                    pieces = Ok(Some((told(&head), at - early.len())));
                    break;
                }
                Ok(None) => seen = before,
                Err(why) => {
                    pieces = Err(why);
                    break;
                }
            }
        }
        // What is no head may show only where it seems to end: until then there is none.
        let late = whole.is_err() && matches!(pieces, Ok(None));
        prop_assert!(late || pieces == whole, "{:?} {:?}", pieces, whole);
    }
}
