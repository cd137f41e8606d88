//! The handshake and the messages, against servers that are written here byte by byte.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use journal::Durable;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::io::pair;

const BOUNDS: Bounds = Bounds {
    connect: Duration::from_secs(1),
    keep_idle: Duration::from_secs(1),
    header_bytes: 4096,
};

/// The key of a client's handshake, and what the server answers it with.
fn key_of(head: &str) -> (String, String) {
    let mut lines = head.lines();
    let key = lines.find_map(|line| line.strip_prefix("sec-websocket-key: "));
    let key = key.unwrap().to_owned();
    let sum = digest::digest(
        &digest::SHA1_FOR_LEGACY_USE_ONLY,
        format!("{key}{GUID}").as_bytes(),
    );
    (key, STANDARD.encode(sum))
}

async fn head_of(server: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(server.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

fn switching(accept: &str, more: &str) -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n{more}\r\n"
    )
}

fn request(body: &str) -> (Endpoint, Request) {
    let endpoint = Endpoint {
        key: Arc::from("k"),
        host: "h".to_owned(),
        port: 80,
        authority: "h".to_owned(),
        tls: None,
        server_name: None,
        http2: false,
        idle_max: 0,
        found: Default::default(),
    };
    let request = Request {
        head: crate::upstream::request::Head::new(
            Method::GET,
            "/chat?a=b".to_owned(),
            Headers::new(),
        ),
        body: Rope::from(Bytes::from(body.to_owned())),
        after: Durable::NOW,
        alone: true,
    };
    (endpoint, request)
}

/// Opens a socket at a server that answers the handshake with `answer` of the key's own answer.
async fn opened(answer: impl Fn(&str) -> String) -> (Result<Opened, Fault>, TcpStream, String) {
    let (io, mut server) = pair().await;
    let (endpoint, request) = request("{}");
    let client = open(io, &endpoint, &BOUNDS, &request);
    let serving = async {
        let head = head_of(&mut server).await;
        let (_, accept) = key_of(&head);
        server.write_all(answer(&accept).as_bytes()).await.unwrap();
        head
    };
    let (client, head) = tokio::join!(client, serving);
    (client, server, head)
}

/// One client's frame: its first byte and its payload without the mask.
async fn frame_of(server: &mut TcpStream) -> (u8, Vec<u8>) {
    let (first, second) = (
        server.read_u8().await.unwrap(),
        server.read_u8().await.unwrap(),
    );
    assert_eq!(second & 0x80, 0x80, "a client's frame is masked");
    let length = match second & 0x7f {
        126 => u64::from(server.read_u16().await.unwrap()),
        127 => server.read_u64().await.unwrap(),
        short => u64::from(short),
    };
    let mut key = [0; 4];
    server.read_exact(&mut key).await.unwrap();
    let mut payload = vec![0; usize::try_from(length).unwrap()];
    server.read_exact(&mut payload).await.unwrap();
    for (at, byte) in payload.iter_mut().enumerate() {
        *byte ^= key[at % 4];
    }
    (first, payload)
}

fn messages(opened: Result<Opened, Fault>) -> Box<Messages> {
    match opened.unwrap() {
        Opened::Messages(head, messages) => {
            assert_eq!(head.status, 200);
            messages
        }
        Opened::Refused(head, _) => panic!("refused with {}", head.status),
    }
}

async fn next(messages: &mut Messages) -> Option<Result<String, Fault>> {
    let read = poll_fn(|cx| messages.poll_data(cx)).await?;
    Some(read.map(|data| String::from_utf8(data.to_vec()).unwrap()))
}

#[tokio::test]
async fn a_question_and_its_answers() {
    let (client, mut server, head) = opened(|accept| switching(accept, "")).await;
    assert!(
        head.starts_with("GET /chat?a=b HTTP/1.1\r\nhost: h\r\n"),
        "{head}"
    );
    for line in [
        "connection: Upgrade",
        "upgrade: websocket",
        "sec-websocket-version: 13",
    ] {
        assert!(head.lines().any(|one| one == line), "{head}");
    }
    assert!(!head.contains("content-length"), "{head}");
    let mut client = messages(client);
    assert_eq!(frame_of(&mut server).await, (0x81, b"{}".to_vec()));
    server.write_all(b"\x81\x03{\n}\x81\x02{}").await.unwrap();
    assert_eq!(
        next(&mut client).await.unwrap().unwrap(),
        "data: { }\n\ndata: {}\n\n"
    );
    // A ping is answered where it is read, and says nothing.
    server.write_all(b"\x89\x02hi").await.unwrap();
    assert_eq!(next(&mut client).await.unwrap().unwrap(), "");
    assert_eq!(frame_of(&mut server).await, (0x8a, b"hi".to_vec()));
    // A message in parts, a ping between them.
    server.write_all(b"\x01\x01{\x89\x00").await.unwrap();
    assert_eq!(next(&mut client).await.unwrap().unwrap(), "data: {");
    assert_eq!(frame_of(&mut server).await, (0x8a, Vec::new()));
    server.write_all(b"\x80\x01}").await.unwrap();
    assert_eq!(next(&mut client).await.unwrap().unwrap(), "}\n\n");
    assert!(!client.is_complete());
    drop(client);
    assert_eq!(
        frame_of(&mut server).await,
        (0x88, 1000u16.to_be_bytes().to_vec())
    );
    assert_eq!(server.read(&mut [0; 1]).await.unwrap(), 0);
}

#[tokio::test]
async fn ends_that_are_good_and_others() {
    type Case<'a> = (&'a [u8], Option<&'a str>, Option<Kind>, Option<u16>);
    let cases: [Case<'_>; 8] = [
        (
            b"\x81\x02{}\x88\x02\x03\xe8",
            Some("data: {}\n\n"),
            None,
            Some(1000),
        ),
        (b"\x88\x00", None, None, Some(1000)),
        (b"\x88\x02\x03\xf3", None, Some(Kind::CutShort), Some(1000)),
        // Closed in the middle of a message.
        (
            b"\x01\x01{\x88\x02\x03\xe8",
            Some("data: {"),
            Some(Kind::CutShort),
            Some(1000),
        ),
        // What came before frames that are none is heard.
        (
            b"\x81\x02{}\x82\x01x",
            Some("data: {}\n\n"),
            Some(Kind::Malformed),
            Some(1003),
        ),
        (b"\x81\x82aaaa{}", None, Some(Kind::Malformed), Some(1002)),
        (b"\x81\x01\xff", None, Some(Kind::Malformed), Some(1007)),
        (
            b"\x81\x7f\x00\x00\x00\x00\x01\x00\x00\x00",
            None,
            Some(Kind::Malformed),
            Some(1009),
        ),
    ];
    for (sent, said, fails, code) in cases {
        let (client, mut server, _) = opened(|accept| switching(accept, "")).await;
        let mut client = messages(client);
        frame_of(&mut server).await;
        server.write_all(sent).await.unwrap();
        if let Some(said) = said {
            assert_eq!(next(&mut client).await.unwrap().unwrap(), said, "{sent:?}");
        }
        let end = next(&mut client).await;
        let end = end.map(|end| end.unwrap_err().kind());
        assert_eq!(end, fails, "{sent:?}");
        assert!(client.is_complete() && next(&mut client).await.is_none());
        let (first, payload) = frame_of(&mut server).await;
        let told = payload.try_into().map(u16::from_be_bytes).ok();
        assert_eq!((first, told), (0x88, code), "{sent:?}");
    }
    // Cut without a word.
    let (client, mut server, _) = opened(|accept| switching(accept, "")).await;
    let mut client = messages(client);
    frame_of(&mut server).await;
    drop(server);
    let end = next(&mut client).await.unwrap().unwrap_err();
    assert_eq!(end.kind(), Kind::CutShort);
}

#[tokio::test]
async fn handshakes_that_are_none() {
    let other = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    let answers: [&dyn Fn(&str) -> String; 7] = [
        &|_| switching(other, ""),
        &|accept| switching(accept, "Sec-WebSocket-Extensions: permessage-deflate\r\n"),
        &|accept| switching(accept, "Sec-WebSocket-Protocol: chat\r\n"),
        &|accept| switching(accept, &format!("sec-websocket-accept: {accept}\r\n")),
        &|accept| switching(accept, "").replace("WebSocket\r\n", "h2c\r\n"),
        &|accept| switching(accept, "").replace("keep-alive, Upgrade", "keep-alive"),
        &|_| "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: {}\n\n".to_owned(),
    ];
    for (at, answer) in answers.iter().enumerate() {
        let (client, server, _) = opened(answer).await;
        let Err(fault) = client else {
            panic!("{at}: taken for a WebSocket");
        };
        assert_eq!(fault.kind(), Kind::Malformed, "{at}");
        drop(server);
    }
}

#[tokio::test]
async fn a_refusal_is_a_reply() {
    let body = r#"{"message":"HMAC signature does not match"}"#;
    let refusal = format!(
        "HTTP/1.1 401 Unauthorized\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let (client, _server, _) = opened(|_| refusal.clone()).await;
    let Ok(Opened::Refused(head, mut reply)) = client else {
        panic!("no refusal");
    };
    assert_eq!(head.status, 401);
    let read = poll_fn(|cx| reply.poll_data(cx)).await.unwrap().unwrap();
    assert_eq!(&read[..], body.as_bytes());
}

/// A long message goes up whole, whatever the steps; what came with the head is heard.
#[tokio::test]
async fn long_messages_and_early_ones() {
    let (io, mut server) = pair().await;
    let long = "长".repeat(50_000);
    let (endpoint, mut request) = request("");
    for piece in long.as_bytes().chunks(7001) {
        request.body.push(Bytes::copy_from_slice(piece));
    }
    let client = open(io, &endpoint, &BOUNDS, &request);
    let serving = async {
        let head = head_of(&mut server).await;
        let (_, accept) = key_of(&head);
        let mut answer = switching(&accept, "").into_bytes();
        answer.extend_from_slice(b"\x81\x02{}");
        server.write_all(&answer).await.unwrap();
        frame_of(&mut server).await
    };
    let (client, (first, sent)) = tokio::join!(client, serving);
    assert_eq!(first, 0x81);
    assert!(sent == long.as_bytes());
    let mut client = messages(client);
    assert_eq!(next(&mut client).await.unwrap().unwrap(), "data: {}\n\n");
}
