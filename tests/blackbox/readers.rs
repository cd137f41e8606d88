//! Clients that ask and do not take the answer, and answers that each protocol must end in its own way.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http2;
use hyper::{Method, Request};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tests::upstream::Upstream;
use tests::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::front::{GOOD, bench, request};

/// An upstream that goes on for as long as it is read.
async fn endless() -> Upstream {
    Upstream::start(|mut conn| async move {
        conn.request().await;
        conn.stream_head().await?;
        loop {
            conn.text("more ").await?;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_window_does_not_keep_an_upstream_call() {
    let upstream = endless().await;
    let mut config = Config::new();
    config
        .plain_at("m", &upstream.origin())
        .set("timeouts/client_write", "600ms");
    let gateway = Gateway::start(&config).await;
    let socket = TcpStream::connect(gateway.listen).await.unwrap();
    let (mut sender, connection) = http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(0)
        .handshake(TokioIo::new(socket))
        .await
        .unwrap();
    let driver = tokio::spawn(connection);
    let body = r#"{"model":"m","stream":true,"messages":[{"role":"user","content":"x"}]}"#;
    let asked = Request::post(format!("http://{}/v1/chat/completions", gateway.listen))
        .header("authorization", format!("Bearer {KEY}"))
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body)))
        .unwrap();
    let reply = soon("the head", sender.send_request(asked)).await.unwrap();
    assert_eq!(reply.status(), 200);
    // The connection itself lives: its pings are answered.
    until("the upstream call is given up", || upstream.closed() == 1).await;
    until("the closing says so", || {
        gateway
            .journal()
            .of("closed")
            .any(|closing| closing.text("outcome") == "client_closed")
    })
    .await;
    // One that reads, however slowly, is not given up.
    let mut live = gateway.stream("m", "x").h2().open().await;
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(400)).await;
        assert!(live.next().await.is_some());
    }
    drop((live, reply));
    driver.abort();
    gateway.assert_sound();
}

#[tokio::test]
async fn heads_alone_are_answered_without_a_body() {
    let (_upstream, gateway) = bench().await;
    for ask in [
        Ask::method(gateway.listen, Method::HEAD, "/v1/models").h2(),
        Ask::method(gateway.listen, Method::HEAD, "/v1/models"),
    ] {
        let reply = ask.send().await;
        assert_eq!((reply.status, reply.text()), (405, String::new()));
        assert!(reply.complete);
    }
    gateway.assert_sound();
}

#[tokio::test]
async fn limits_of_heads_hold_for_every_protocol() {
    let (upstream, gateway) = bench().await;
    for http2 in [false, true] {
        let mut ask = gateway.chat("m", "hi");
        for at in 0..150 {
            ask = ask.header(&format!("x-more-{at}"), "1");
        }
        let ask = if http2 { ask.h2() } else { ask };
        assert_eq!(ask.send().await.status, 431, "http2: {http2}");
    }
    assert_eq!(upstream.accepted(), 0);
    gateway.assert_sound();
}

#[tokio::test]
async fn a_preface_may_come_in_pieces() {
    let (_upstream, gateway) = bench().await;
    for cut in 1..6 {
        let (near, mut far) = tokio::io::duplex(1 << 16);
        let mut socket = TcpStream::connect(gateway.listen).await.unwrap();
        socket.set_nodelay(true).unwrap();
        let pump = tokio::spawn(async move {
            let mut first = vec![0; cut];
            far.read_exact(&mut first).await?;
            socket.write_all(&first).await?;
            tokio::time::sleep(Duration::from_millis(60)).await;
            tokio::io::copy_bidirectional(&mut far, &mut socket).await
        });
        let mut session = Session::over(near, true).await;
        let reply = session.send(gateway.chat("m", "hi").h2()).await;
        assert_eq!(reply.said(), "good", "cut at {cut}");
        pump.abort();
    }
    // A method that begins with the same letter is none.
    let mut socket = TcpStream::connect(gateway.listen).await.unwrap();
    let asked = request("host: x\r\nconnection: close\r\n", GOOD);
    let (first, rest) = asked.split_at(1);
    socket.write_all(first.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(60)).await;
    socket.write_all(rest.as_bytes()).await.unwrap();
    let mut answer = String::new();
    soon("an answer", socket.read_to_string(&mut answer))
        .await
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    gateway.assert_sound();
}

#[tokio::test]
async fn speech_that_breaks_off_is_no_whole_one_to_an_old_client() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: audio/mpeg\r\ntransfer-encoding: chunked\r\n\r\n";
    let upstream = Upstream::saying_once(format!("{head}5dc\r\n{}\r\n", "a".repeat(1500))).await;
    let mut config = Config::new();
    config.plain_at("m", &upstream.origin());
    let gateway = Gateway::start(&config).await;
    let body = r#"{"model":"m","input":"x","voice":"v"}"#;
    let asked = format!(
        "POST /v1/audio/speech HTTP/1.0\r\nauthorization: Bearer {KEY}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut socket = TcpStream::connect(gateway.listen).await.unwrap();
    socket.write_all(asked.as_bytes()).await.unwrap();
    let mut got = Vec::new();
    let ended = soon("its end", socket.read_to_end(&mut got)).await;
    assert_eq!(
        ended.map_err(|error| error.kind()),
        Err(ErrorKind::ConnectionReset),
        "{}",
        String::from_utf8_lossy(&got)
    );
    gateway.assert_sound();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_that_do_not_read_keep_nobody_from_the_admin_endpoint() {
    let (_upstream, gateway) = bench().await;
    let mut idle = Vec::new();
    for _ in 0..300 {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let elsewhere: SocketAddr = "127.0.0.2:0".parse().unwrap();
        socket.bind(elsewhere).unwrap();
        let Ok(mut socket) = socket.connect(gateway.admin).await else {
            continue;
        };
        let asked = "GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(60);
        // Those over the limit are closed.
        let _ = socket.write_all(asked.as_bytes()).await;
        idle.push(socket);
    }
    assert_eq!(gateway.admin("/healthz").await.status, 200);
    drop(idle);
    gateway.assert_sound();
}

#[tokio::test]
async fn a_port_is_not_shared_with_another_process() {
    let (upstream, gateway) = bench().await;
    let mut config = Config::new();
    config
        .plain_at("m", &upstream.origin())
        .set("runtime", json!({"workers": 2}))
        .set("listen", gateway.listen.to_string());
    let (code, _, said) = Launch::new(config.text()).ends().await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("in use"), "{said}");
    gateway.assert_sound();
}
