//! Requests that smuggle another, each with the one answer that is right; and those that only look so.

use super::*;

#[tokio::test]
async fn smuggling_corpus() {
    let (upstream, gateway) = bench().await;
    let head = |lines: &str| {
        format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-type: application/json\r\n{lines}\r\n"
        )
    };
    let chunked = format!("{:x}\r\n{GOOD}\r\n0\r\n\r\n", GOOD.len());
    let length = GOOD.len();
    let cases = vec![
        (
            "length, then coding",
            head(&format!(
                "content-length: {length}\r\ntransfer-encoding: chunked\r\n"
            )) + &chunked
                + &hidden(),
        ),
        (
            "coding, then length",
            head(&format!(
                "transfer-encoding: chunked\r\ncontent-length: {length}\r\n"
            )) + &chunked
                + &hidden(),
        ),
        (
            "length 0 and coding",
            head("content-length: 0\r\ntransfer-encoding: chunked\r\n") + &chunked + &hidden(),
        ),
        (
            "odd case",
            head(&format!(
                "CONTENT-length: {length}\r\nTRANSFER-encoding: Chunked\r\n"
            )) + &chunked
                + &hidden(),
        ),
        (
            "two lengths",
            head(&format!(
                "content-length: {length}\r\ncontent-length: 0\r\n"
            )) + GOOD
                + &hidden(),
        ),
        (
            "list of lengths",
            head(&format!("content-length: {length}, {length}\r\n")) + GOOD + &hidden(),
        ),
        (
            "plus",
            head(&format!("content-length: +{length}\r\n")) + GOOD + &hidden(),
        ),
        ("minus", head("content-length: -1\r\n") + GOOD + &hidden()),
        ("hex", head("content-length: 0x10\r\n") + GOOD + &hidden()),
        (
            "overflow",
            head("content-length: 18446744073709551617\r\n") + GOOD + &hidden(),
        ),
        (
            "unknown coding",
            head("transfer-encoding: xchunked\r\n") + &chunked + &hidden(),
        ),
        (
            "coding list",
            head("transfer-encoding: gzip, chunked\r\n") + &chunked + &hidden(),
        ),
        (
            "identity",
            head("transfer-encoding: identity\r\n") + GOOD + &hidden(),
        ),
        (
            "chunked not last",
            head("transfer-encoding: chunked, identity\r\n") + &chunked + &hidden(),
        ),
        (
            "two codings",
            head("transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n")
                + &chunked
                + &hidden(),
        ),
        (
            "vertical tab",
            head("transfer-encoding: \u{b}chunked\r\n") + &chunked + &hidden(),
        ),
        (
            "space before the colon",
            head(&format!("content-length : {length}\r\n")) + GOOD + &hidden(),
        ),
        (
            "space before the coding's colon",
            head(&format!(
                "transfer-encoding : chunked\r\ncontent-length: {length}\r\n"
            )) + &chunked
                + &hidden(),
        ),
        (
            "folded header",
            head(&format!("x: a\r\n content-length: {length}\r\n")) + GOOD + &hidden(),
        ),
        (
            "bare CR",
            head(&format!("x: a\rcontent-length: {length}\r\n")) + GOOD + &hidden(),
        ),
        ("NUL", head("x: a\0b\r\n") + GOOD + &hidden()),
        (
            "bad chunk size",
            head("transfer-encoding: chunked\r\n") + "zz\r\n" + GOOD + "\r\n0\r\n\r\n" + &hidden(),
        ),
        (
            "chunk size overflow",
            head("transfer-encoding: chunked\r\n")
                + "ffffffffffffffff1\r\n"
                + GOOD
                + "\r\n0\r\n\r\n"
                + &hidden(),
        ),
        (
            "chunk without its end",
            head("transfer-encoding: chunked\r\n")
                + &format!("{length:x}\r\n{GOOD}x0\r\n\r\n")
                + &hidden(),
        ),
        (
            "1.0 with coding",
            (head("transfer-encoding: chunked\r\n") + &chunked + &hidden())
                .replacen("HTTP/1.1", "HTTP/1.0", 1),
        ),
        ("no version", hidden().replacen(" HTTP/1.1", "", 1)),
        ("HTTP/1.2", hidden().replacen("HTTP/1.1", "HTTP/1.2", 1)),
        ("HTTP/0.9", "GET /v1/models\r\n\r\n".to_owned() + &hidden()),
        (
            "space in the target",
            hidden().replacen("/v1/chat", "/v1/ chat", 1),
        ),
        (
            "control in the method",
            hidden().replacen("POST", "PO\u{1}ST", 1),
        ),
    ];
    for (what, bytes) in cases {
        let answer = raw(gateway.listen, &bytes).await;
        let statuses = answer.statuses();
        assert!(
            statuses.len() <= 1,
            "{what}: {} answers to what is one request: {statuses:?}",
            statuses.len()
        );
        assert!(
            statuses
                .iter()
                .all(|status| (400..500).contains(status) || *status == 501),
            "{what}: {statuses:?}"
        );
        assert!(answer.closed, "{what}: the connection stays open");
        assert_eq!(upstream.accepted(), 0, "{what}: an upstream was reached");
    }
    untouched(&upstream, &gateway).await;
}

#[tokio::test]
async fn framing_that_is_odd_but_right_means_one_request() {
    let (upstream, gateway) = bench().await;
    let head = |lines: &str| {
        format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-type: application/json\r\nconnection: close\r\n{lines}\r\n"
        )
    };
    let extension = format!(
        "{:x};a=b\r\n{GOOD}\r\n0\r\nx-trailer: 1\r\n\r\n",
        GOOD.len()
    );
    let single: String = GOOD.chars().map(|c| format!("1\r\n{c}\r\n")).collect();
    let equal = head(&format!(
        "content-length: {0}\r\ncontent-length: {0}\r\n",
        GOOD.len()
    )) + GOOD;
    for (what, bytes) in [
        ("two equal lengths", equal),
        (
            "chunk extension and trailer",
            head("transfer-encoding: chunked\r\n") + &extension,
        ),
        (
            "one byte a chunk",
            head("transfer-encoding: chunked\r\n") + &single + "0\r\n\r\n",
        ),
    ] {
        let before = upstream.requests().len();
        let answer = raw(gateway.listen, &bytes).await;
        assert_eq!(answer.statuses(), [200], "{what}");
        let requests = upstream.requests();
        assert_eq!(requests.len(), before + 1, "{what}");
        let last = requests.last().unwrap();
        assert_eq!(
            String::from_utf8_lossy(&last.body),
            GOOD.replace("\"m\"", "\"some-model\""),
            "{what}"
        );
        assert!(
            last.header("transfer-encoding").is_none() && last.header("x-trailer").is_none(),
            "{what}: {}",
            last.head
        );
    }
    gateway.assert_sound();
}
