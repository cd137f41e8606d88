//! A key that is revoked in the middle of a request: nothing more of it goes up, and nothing more comes down.

use std::time::Duration;

use ::http::Method;
use tests::raw::read_quiet;
use tests::*;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

const TOKEN: &str = "admin-token-planted-Rv31";

async fn gateway(sim: &Sim) -> Gateway {
    let mut config = Config::with(sim, ["openai"]);
    config.set("admin/token", TOKEN);
    config.fault("late", "openai", "@slowhead:700");
    config.fault("late-event", "openai", "@slowfirst:700");
    config.model(
        "second",
        &[
            ("openai", "first@slowhead:700@status:500"),
            ("openai", "next"),
        ],
    );
    Gateway::start(&config).await
}

async fn create(gateway: &Gateway, id: &str) -> String {
    let ask = Ask::post(gateway.admin, "/api/keys").key(TOKEN);
    let made = ask.json(&json!({ "id": id })).send().await;
    assert_eq!(made.status, 201, "{}", made.text());
    made.json()["key"].as_str().unwrap().to_owned()
}

async fn revoke(gateway: &Gateway, id: &str) {
    let path = format!("/api/keys/{id}");
    let ask = Ask::method(gateway.admin, Method::DELETE, &path).key(TOKEN);
    assert_eq!(ask.send().await.status, 200);
}

fn head(path: &str, key: &str, kind: &str, length: usize) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n"
    )
}

/// Requests at the vendor in which this stands.
fn heard(sim: &Sim, word: &str) -> usize {
    let all = sim.requests();
    let with = all
        .iter()
        .filter(|request| String::from_utf8_lossy(&request.body).contains(word));
    with.count()
}

#[tokio::test]
async fn a_request_whose_key_was_revoked_during_its_body_goes_nowhere() {
    let sim = sim().await;
    let gateway = gateway(&sim).await;
    let key = create(&gateway, "slow-body").await;
    let body =
        json!({"model": "m-openai", "messages": [{"role": "user", "content": "planted-word"}]});
    let body = body.to_string();
    let head = head("/v1/chat/completions", &key, "application/json", body.len());
    let (begun, rest) = body.split_at(20);
    let mut socket = TcpStream::connect(gateway.listen).await.unwrap();
    socket.write_all((head + begun).as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    revoke(&gateway, "slow-body").await;
    socket.write_all(rest.as_bytes()).await.unwrap();
    let raw = read_quiet(&mut socket, Duration::from_millis(700)).await;
    assert_eq!(raw.statuses(), [401]);
    assert_eq!(heard(&sim, "planted-word"), 0);
    gateway.journal().assert_balanced();
    gateway.assert_sound();
}

#[tokio::test]
async fn what_the_vendor_says_after_a_revocation_does_not_come_down() {
    let sim = sim().await;
    let gateway = gateway(&sim).await;
    for (id, model, stream) in [
        ("whole", "late", false),
        ("events", "late-event", true),
        ("failing", "second", false),
    ] {
        let key = create(&gateway, id).await;
        let ask = gateway.chat(model, "planted-word").key(&key);
        let ask = ask.with(|body| body["stream"] = stream.into());
        let asked = tokio::spawn(ask.send());
        let before = heard(&sim, "planted-word");
        until("the request at the vendor", || {
            heard(&sim, "planted-word") > before
        })
        .await;
        revoke(&gateway, id).await;
        let reply = asked.await.unwrap();
        reply.refused(401, "invalid_api_key");
        // It was asked all the same, and the record says so.
        let closing = gateway.record(&reply).await;
        let attempts = closing["attempts"].as_array().map(Vec::len);
        assert_eq!(attempts, Some(1), "{id}: {closing}");
    }
    gateway.journal().assert_balanced();
    gateway.assert_sound();
}

#[tokio::test]
async fn a_file_stops_going_up_when_its_key_is_revoked() {
    let sim = sim().await;
    let gateway = gateway(&sim).await;
    let key = create(&gateway, "sound").await;
    let begin = "--xX1\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nm-openai\r\n--xX1\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\ncontent-type: audio/wav\r\n\r\n";
    let end = "\r\n--xX1--\r\n";
    let piece = vec![b'x'; 2 << 20];
    let length = begin.len() + 2 * piece.len() + end.len();
    let kind = "multipart/form-data; boundary=xX1";
    let head = head("/v1/audio/transcriptions", &key, kind, length);
    let mut socket = TcpStream::connect(gateway.listen).await.unwrap();
    socket.write_all((head + begin).as_bytes()).await.unwrap();
    socket.write_all(&piece).await.unwrap();
    // On its way by now: the rest is asked for as it comes.
    tokio::time::sleep(Duration::from_millis(500)).await;
    revoke(&gateway, "sound").await;
    let _ = socket
        .write_all(&[&piece[..], end.as_bytes()].concat())
        .await;
    let raw = read_quiet(&mut socket, Duration::from_millis(1500)).await;
    assert_eq!(raw.statuses(), [401]);
    assert_eq!(heard(&sim, "xxxx"), 0, "all of it went up");
    gateway.journal().assert_balanced();
    gateway.assert_sound();
}
