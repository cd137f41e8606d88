//! The surface that is spoken with over a WebSocket, as a client that is written here byte by byte finds it.

use crate::raw::{Answer, get, read_answer, sim};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sim::Sim;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The key that RFC 6455 shows in section 1.3; [`ACCEPT`] answers it.
const UPGRADE: &str = "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const PLACE: &str = "/spark-ws/v4.0/chat";

/// Now, as headers tell it.
fn date(seconds: i64) -> String {
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (mut year, mut left) = (1970, days);
    let length = |year: i64| 365 + i64::from(year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
    while left >= length(year) {
        left -= length(year);
        year += 1;
    }
    let names = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let mut months = [
        31,
        length(year) - 337,
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ]
    .into_iter();
    let mut month = 0;
    for days in months.by_ref() {
        if left < days {
            break;
        }
        left -= days;
        month += 1;
    }
    let weekdays = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    let weekday = weekdays[usize::try_from(days % 7).unwrap()];
    let (day, name) = (left + 1, names[month]);
    let (hour, minute, second) = (rest / 3600, rest % 3600 / 60, rest % 60);
    format!("{weekday}, {day:02} {name} {year} {hour:02}:{minute:02}:{second:02} GMT")
}

fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// A signed place; `late`: seconds by which the signer's clock is behind.
fn signed(place: &str, key: &str, secret: &str, late: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let date = date(i64::try_from(now.as_secs()).unwrap() - late);
    let text = format!("host: vendor.test\ndate: {date}\nGET {place} HTTP/1.1");
    let secret = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let signature = STANDARD.encode(hmac::sign(&secret, text.as_bytes()));
    let token = format!(
        "api_key=\"{key}\", algorithm=\"hmac-sha256\", headers=\"host date request-line\", signature=\"{signature}\""
    );
    let token = encoded(&STANDARD.encode(token));
    format!(
        "{place}?authorization={token}&date={}&host=vendor.test",
        encoded(&date)
    )
}

fn good(place: &str) -> String {
    signed(place, sim::SPARK_TEST_KEY, sim::SPARK_TEST_SECRET, 0)
}

/// An open socket.
async fn open(sim: &Sim, place: &str) -> TcpStream {
    let mut socket = TcpStream::connect(sim.addr()).await.unwrap();
    let request = format!("GET {place} HTTP/1.1\r\nhost: vendor.test\r\n{UPGRADE}\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert!(
        head.contains(&format!("sec-websocket-accept: {ACCEPT}\r\n")),
        "{head}"
    );
    socket
}

fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![first, 0x80 | 126, length[0], length[1], 1, 2, 3, 4];
    let key = [1, 2, 3, 4].into_iter().cycle();
    frame.extend(payload.iter().zip(key).map(|(byte, key)| byte ^ key));
    frame
}

/// All messages until one says that it is the last.
async fn messages(socket: &mut TcpStream) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    while all.last().is_none_or(|last| last["header"]["status"] != 2) {
        let first = socket.read_u8().await.unwrap();
        let length = match socket.read_u8().await.unwrap() {
            126 => socket.read_u16().await.unwrap().into(),
            short => usize::from(short),
        };
        let mut payload = vec![0; length];
        socket.read_exact(&mut payload).await.unwrap();
        assert_eq!(first, 0x81);
        all.push(serde_json::from_slice(&payload).unwrap());
    }
    all
}

fn asking(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut body = json!({
        "header": {"app_id": sim::SPARK_TEST_APP, "uid": "u1"},
        "parameter": {"chat": {"domain": "4.0Ultra"}},
        "payload": {"message": {"text": [{"role": "user", "content": "你好"}]}},
    });
    change(&mut body);
    masked(0x81, body.to_string().as_bytes())
}

#[tokio::test]
async fn a_question_is_answered() {
    let sim = sim().await;
    let mut socket = open(&sim, &good(PLACE)).await;
    socket.write_all(&asking(|_| ())).await.unwrap();
    let messages = messages(&mut socket).await;
    let text: String = messages
        .iter()
        .map(|one| {
            one["payload"]["choices"]["text"][0]["content"]
                .as_str()
                .unwrap()
        })
        .collect();
    assert_eq!(text, "[模拟 星火 simulated] 你说:你好");
    let statuses: Vec<u64> = messages
        .iter()
        .map(|one| one["payload"]["choices"]["status"].as_u64().unwrap())
        .collect();
    assert_eq!(statuses[..2], [0, 1]);
    let last = messages.last().unwrap();
    assert_eq!(last["payload"]["usage"]["text"]["prompt_tokens"], 1);
    // It waits for the client to close, and echoes nothing else.
    socket
        .write_all(&masked(0x88, &1000u16.to_be_bytes()))
        .await
        .unwrap();
    assert_eq!(socket.read(&mut [0; 1]).await.unwrap(), 0);
    let request = sim.requests().pop().unwrap();
    assert!(request.finished && !request.left_open && request.status == 101);
    assert!(!format!("{request:?}").contains(sim::SPARK_TEST_KEY));
}

#[tokio::test]
async fn handshakes_are_judged() {
    let sim = sim().await;
    let (key, secret) = (sim::SPARK_TEST_KEY, sim::SPARK_TEST_SECRET);
    let says = |answer: &Answer, status: u16, words: &str| {
        let told = answer.json()["message"].as_str().unwrap().to_owned();
        assert!(
            answer.status == status && told.contains(words),
            "{}: {told}",
            answer.status
        );
    };
    let answer = get(&sim, &signed(PLACE, key, "another", 0), UPGRADE).await;
    says(&answer, 401, "signature does not match");
    let answer = get(&sim, &signed(PLACE, "another", secret, 0), UPGRADE).await;
    says(&answer, 401, "apikey not found");
    says(&get(&sim, PLACE, UPGRADE).await, 401, "cannot be verified");
    for late in [400, -400] {
        let answer = get(&sim, &signed(PLACE, key, secret, late), UPGRADE).await;
        says(&answer, 403, "a valid date");
    }
    // Signed for another path.
    let other = good("/spark-ws/v3.5/chat").replace("/v3.5/", "/v4.0/");
    says(&get(&sim, &other, UPGRADE).await, 401, "does not match");
    for bad in [
        "",
        &UPGRADE.replace("13", "8"),
        &UPGRADE.replace("dGhl", "dGh"),
        &UPGRADE.replace("websocket\r", "h2c\r"),
    ] {
        assert_eq!(get(&sim, &good(PLACE), bad).await.status, 426, "{bad}");
    }
}

#[tokio::test]
async fn what_a_client_must_not_send_ends_it() {
    let sim = sim().await;
    let text = asking(|_| ());
    let mut bare = text.clone();
    bare[1] &= 0x7f;
    for bad in [
        bare,
        masked(0x82, b"{}"),
        masked(0xc1, b"{}"),
        masked(0x81, b"\xff"),
    ] {
        let mut socket = open(&sim, &good(PLACE)).await;
        socket.write_all(&bad).await.unwrap();
        let answer = read_answer(socket).await;
        assert_eq!((answer.status, answer.head.as_str()), (0, ""));
    }
}

#[tokio::test]
async fn questions_are_judged() {
    let sim = sim().await;
    type Change = fn(&mut Value);
    let cases: [(u64, Change); 11] = [
        (11_200, |body| body["header"]["app_id"] = json!("another")),
        (10_404, |body| {
            body["parameter"]["chat"]["domain"] = json!("generalv3.5")
        }),
        (10_163, |body| body["header"]["uid"] = json!("x".repeat(33))),
        (10_163, |body| {
            body["parameter"]["chat"]["temperature"] = json!(1.5)
        }),
        (10_163, |body| {
            body["parameter"]["chat"]["top_p"] = json!(0.5)
        }),
        (10_163, |body| {
            body["payload"]["functions"] = json!({"text": []})
        }),
        (10_163, |body| body["payload"]["functions"] = json!([])),
        (10_163, |body| {
            body["payload"]["message"]["text"] = json!([])
        }),
        (10_163, |body| {
            body["payload"]["message"]["text"][0]["content"] = json!("")
        }),
        (10_163, |body| {
            body["payload"]["message"]["text"][0]["role"] = json!("tool")
        }),
        (10_003, |body| *body = json!([])),
    ];
    for (code, change) in cases {
        let mut socket = open(&sim, &good(PLACE)).await;
        socket.write_all(&asking(change)).await.unwrap();
        let messages = messages(&mut socket).await;
        assert_eq!(messages[0]["header"]["code"], code, "{messages:?}");
        assert_eq!(messages.len(), 1);
    }
}
