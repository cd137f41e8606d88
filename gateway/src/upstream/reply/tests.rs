//! Replies as servers write them, whole and in pieces, and those that must be refused.

use super::*;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

async fn reply(parts: &[&[u8]], close: bool) -> (Result<(u16, Vec<u8>), Fault>, bool) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let (mut server, _) = listener.accept().await.unwrap();
    server.set_nodelay(true).unwrap();
    for part in parts {
        server.write_all(part).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    let keep = if close {
        drop(server);
        None
    } else {
        Some(server)
    };
    let answer = async {
        let (head, mut body) = read_head(Io::Plain(client), BytesMut::new(), 4096).await?;
        let mut all = Vec::new();
        while let Some(data) = std::future::poll_fn(|cx| body.poll_data(cx)).await {
            all.extend_from_slice(&data?);
        }
        Ok(((head.status, all), body.take_spare().is_some()))
    }
    .await;
    drop(keep);
    match answer {
        Ok((reply, spare)) => (Ok(reply), spare),
        Err(fault) => (Err(fault), false),
    }
}

#[test]
fn a_token_in_a_head_is_kept_and_not_shown() {
    let head = b"HTTP/1.1 201 Created\r\nX-Subject-Token: MIIsecret\r\nX-Subject-Tokem: a\r\n\r\n";
    let (status, _, parsed) = parse_head(head).unwrap().unwrap();
    assert_eq!((status, parsed.headers.iter().count()), (201, 1));
    assert_eq!(parsed.headers.get("x-subject-token").unwrap(), "MIIsecret");
    assert!(!format!("{:?}", parsed.headers).contains("MII"));
}

#[tokio::test]
async fn reads_replies() {
    type Case<'a> = (&'a [&'a [u8]], bool, &'a [u8], bool);
    let ok: &[Case<'_>] = &[
        (
            &[b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"],
            false,
            b"abc",
            true,
        ),
        (
            &[b"HTTP/1.1 200 OK\r\nContent-Len", b"gth: 3\r\n\r\na", b"bc"],
            false,
            b"abc",
            true,
        ),
        (
            &[b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"],
            false,
            b"",
            true,
        ),
        (
            &[
                b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n",
                b"1\r",
                b"\nc\r\n0\r\n\r\n",
            ],
            false,
            b"abc",
            true,
        ),
        (
            &[b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx"],
            false,
            b"x",
            false,
        ),
        (
            &[b"HTTP/1.1 200 OK\r\n\r\nall of it"],
            true,
            b"all of it",
            false,
        ),
        (
            &[b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200 OK\r\n"],
            false,
            b"x",
            false,
        ),
        (
            &[b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n"],
            false,
            b"",
            false,
        ),
        (
            &[b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx"],
            false,
            b"x",
            false,
        ),
    ];
    for (parts, close, want, reusable) in ok {
        let (got, spare) = reply(parts, *close).await;
        assert_eq!(got.unwrap(), (200, want.to_vec()));
        assert_eq!(spare, *reusable, "{parts:?}");
    }
}

#[tokio::test]
async fn refuses_replies() {
    let bad: &[(&[&[u8]], Kind)] = &[
        (&[b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"], Kind::Malformed),
        (&[b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"], Kind::Malformed),
        (&[b"HTTP/1.1 200 OK\r\nContent-Length: +3\r\n\r\nabc"], Kind::Malformed),
        (&[b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"], Kind::Malformed),
        (&[b"HTTP/1.1 101 Switching\r\n\r\n"], Kind::Malformed),
        (&[b"SSH-2.0\r\n\r\n"], Kind::Malformed),
        (&[b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc"], Kind::CutShort),
        (&[b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc"], Kind::CutShort),
        (&[b"HTTP/1.1 200 OK\r\nX: "], Kind::Malformed),
        (&[b"HTTP/1.1 200 OK\r\nX: ", &[b'a'; 5000]], Kind::Malformed),
        // Whole in one read, too.
        (&[&[b"HTTP/1.1 200 OK\r\nX: ".as_slice(), &[b'a'; 4096], b"\r\n\r\n"].concat()], Kind::Malformed),
        (&[], Kind::CutShort),
    ];
    for (parts, kind) in bad {
        assert_eq!(
            reply(parts, true).await.0.unwrap_err().kind(),
            *kind,
            "{parts:?}"
        );
    }
}

#[test]
fn what_answers_a_request() {
    let more: [&[u8]; 3] = [
        b"",
        b"HTTP/1.1 4",
        b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n",
    ];
    assert!(more.iter().all(|said| !answers(said)));
    let done: [&[u8]; 3] = [
        b"HTTP/1.1 413 Too Large\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 413 X\r\n\r\nbody",
        b"SSH-2.0\r\n",
    ];
    assert!(done.iter().all(|said| answers(said)));
}
