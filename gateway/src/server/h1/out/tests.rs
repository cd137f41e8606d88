//! What is written, read back from a real socket.

use super::*;
use http::HeaderValue;
use tokio::io::AsyncReadExt as _;

use crate::io::pair;

fn headers() -> Lines {
    let mut headers = Lines::new();
    headers.add(&"x-a".parse().unwrap(), &HeaderValue::from_static("b"));
    headers
}

async fn written(mut out: Out) -> String {
    let (mut io, mut client) = pair().await;
    let mut moved = false;
    std::future::poll_fn(|cx| out.poll_write(cx, &mut io, &mut moved))
        .await
        .unwrap();
    assert!(moved && out.has_room() && out.lead.capacity() == 0);
    drop(io);
    let mut text = String::new();
    client.read_to_string(&mut text).await.unwrap();
    text
}

const DATE_MS: i64 = 784_111_777_999;

#[tokio::test]
async fn heads_and_bodies() {
    let mut out = Out::default();
    out.head((StatusCode::OK, &headers(), Frame::Length(5)), b"", DATE_MS);
    out.body(Rope::from(b"hello".to_vec()), Frame::Length(5), true);
    // The date is RFC 9110's own.
    assert_eq!(
        written(out).await,
        "HTTP/1.1 200 OK\r\nx-a: b\r\ncontent-length: 5\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\nhello"
    );
    let mut out = Out::default();
    let head = (StatusCode::NOT_FOUND, &headers(), Frame::Chunked);
    out.head(head, b"close", DATE_MS);
    out.body(Rope::from(vec![b'x'; 26]), Frame::Chunked, true);
    let text = written(out).await;
    assert!(text.starts_with("HTTP/1.1 404 Not Found\r\nx-a: b\r\ntransfer-encoding: chunked\r\nconnection: close\r\ndate: "));
    assert!(
        text.ends_with(&format!("\r\n\r\n1a\r\n{}\r\n0\r\n\r\n", "x".repeat(26))),
        "{text}"
    );
    let mut out = Out::default();
    out.body(Rope::from(b"a".to_vec()), Frame::Chunked, false);
    assert_eq!(written(out).await, "1\r\na\r\n");
    let mut out = Out::default();
    out.body(Rope::new(), Frame::Chunked, true);
    assert_eq!(written(out).await, "0\r\n\r\n");
}

/// A body of more pieces than one write takes, larger than the socket's buffers: nothing is lost, doubled or out of place.
#[tokio::test]
async fn long_bodies_in_many_pieces() {
    let (mut io, mut client) = pair().await;
    let mut rope = Rope::new();
    let mut whole = Vec::new();
    for at in 0..100u32 {
        let piece = at.to_be_bytes().repeat(30_000);
        whole.extend_from_slice(&piece);
        rope.push(piece.into());
    }
    let mut out = Out::default();
    out.body(rope, Frame::Chunked, true);
    let reading = async {
        let mut read = Vec::new();
        client.read_to_end(&mut read).await.unwrap();
        read
    };
    let writing = async {
        let mut moved = false;
        std::future::poll_fn(|cx| out.poll_write(cx, &mut io, &mut moved))
            .await
            .unwrap();
        drop(io);
    };
    let (read, ()) = tokio::join!(reading, writing);
    let expected = [
        format!("{:x}\r\n", whole.len()).as_bytes(),
        &whole,
        b"\r\n0\r\n\r\n",
    ]
    .concat();
    assert!(read == expected, "{} bytes", read.len());
}
