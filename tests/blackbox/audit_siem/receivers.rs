//! A syslog server over TLS, a Splunk collector and a web server that takes lines.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::Value;
use tests::upstream::{Upstream, reply};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

/// What arrived, by connection.
type Arrived = Arc<Mutex<Vec<Vec<Value>>>>;

/// A syslog server that can be up or down at one address.
pub(super) struct Syslog {
    address: SocketAddr,
    acceptor: TlsAcceptor,
    arrived: Arrived,
    serving: Option<AbortHandle>,
}

impl Syslog {
    /// Not up yet. Its authority is `receiver.pem` in `dir`, its name `siem.test`.
    pub(super) fn new(dir: &Path) -> Self {
        let authority = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let signed = params.self_signed(&authority).unwrap();
        std::fs::write(dir.join("receiver.pem"), signed.pem()).unwrap();
        let issuer = Issuer::new(params, authority);
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["siem.test".to_owned()]).unwrap();
        let cert = params.signed_by(&key, &issuer).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![cert.der().clone()],
                PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
            )
            .unwrap();
        // A port that nobody has just now.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        Self {
            address: free.local_addr().unwrap(),
            acceptor: TlsAcceptor::from(Arc::new(config)),
            arrived: Arc::default(),
            serving: None,
        }
    }

    pub(super) fn address(&self) -> String {
        self.address.to_string()
    }

    /// Listens from now on.
    pub(super) async fn up(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        let (acceptor, arrived) = (self.acceptor.clone(), Arc::clone(&self.arrived));
        let serving = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((tcp, _)) = listener.accept().await {
                let (acceptor, arrived) = (acceptor.clone(), Arc::clone(&arrived));
                connections.spawn(async move {
                    let Ok(mut stream) = acceptor.accept(tcp).await else {
                        return;
                    };
                    let nth = {
                        let mut arrived = arrived.lock().unwrap();
                        arrived.push(Vec::new());
                        arrived.len() - 1
                    };
                    let mut bytes = Vec::new();
                    while let Ok(1..) = stream.read_buf(&mut bytes).await {
                        while let Some(message) = frame(&mut bytes) {
                            arrived.lock().unwrap()[nth].push(message_of(&message));
                        }
                    }
                });
            }
        });
        self.serving = Some(serving.abort_handle());
    }

    /// Drops the listener and every connection.
    pub(super) fn down(&mut self) {
        self.serving.take().unwrap().abort();
    }

    pub(super) fn connections(&self) -> Vec<Vec<Value>> {
        self.arrived.lock().unwrap().clone()
    }

    pub(super) fn lines(&self) -> Vec<Value> {
        self.connections().concat()
    }
}

/// The next message by its count of octets (RFC 5425, 4.3).
fn frame(bytes: &mut Vec<u8>) -> Option<Vec<u8>> {
    let space = bytes.iter().position(|byte| *byte == b' ')?;
    let count: usize = std::str::from_utf8(&bytes[..space])
        .ok()
        .and_then(|digits| digits.parse().ok())
        .expect("a count of octets");
    if bytes.len() < space + 1 + count {
        return None;
    }
    let message = bytes[space + 1..space + 1 + count].to_vec();
    bytes.drain(..space + 1 + count);
    Some(message)
}

/// What an RFC 5424 message carries, after a look at all its parts.
fn message_of(message: &[u8]) -> Value {
    let text = std::str::from_utf8(message).expect("UTF-8");
    let parts: Vec<&str> = text.splitn(7, ' ').collect();
    let priority: u32 = parts[0]
        .strip_prefix('<')
        .and_then(|part| part.strip_suffix(">1"))
        .and_then(|digits| digits.parse().ok())
        .expect("a priority and version 1");
    assert_eq!(priority / 8, 13, "facility log audit");
    let time = parts[1];
    assert_eq!(time.len(), "2026-11-26T00:00:00.000Z".len(), "{time}");
    assert_eq!(parts[2..4], ["gw-1", "yumen"]);
    assert!(parts[4].parse::<u32>().is_ok(), "a process id");
    let data_end = parts[6]
        .find("\"] \u{feff}")
        .expect("structured data, then a message in UTF-8");
    assert!(parts[6].starts_with("[yumen@32473 uid=\""), "{}", parts[6]);
    let line: Value =
        serde_json::from_str(&parts[6][data_end + "\"] \u{feff}".len()..]).expect("JSON");
    assert_eq!(line["kind"], parts[5]);
    assert!(parts[6].contains(line["uid"].as_str().unwrap()));
    line
}

/// A Splunk collector.
pub(super) struct Collector {
    upstream: Upstream,
    state: Arc<Mutex<Collected>>,
}

#[derive(Default)]
struct Collected {
    portions: Vec<Vec<Value>>,
    /// Numbers that the indexer has said yes to.
    acknowledged: Vec<bool>,
    says_yes: bool,
}

impl Collector {
    pub(super) async fn start() -> Self {
        let state: Arc<Mutex<Collected>> = Arc::default();
        let shared = Arc::clone(&state);
        let upstream = Upstream::start(move |mut conn| {
            let state = Arc::clone(&shared);
            async move {
                while let Some(request) = conn.request().await {
                    let answer = answer(&request, &mut state.lock().unwrap());
                    conn.write(answer.as_bytes()).await?;
                }
                Ok(())
            }
        })
        .await;
        Self { upstream, state }
    }

    pub(super) fn origin(&self) -> String {
        self.upstream.origin()
    }

    pub(super) fn acknowledge(&self, says_yes: bool) {
        self.state.lock().unwrap().says_yes = says_yes;
    }

    pub(super) fn events(&self) -> Vec<Value> {
        self.state.lock().unwrap().portions.concat()
    }

    /// Events of portions that the gateway knows to be indexed.
    pub(super) fn acknowledged(&self) -> Vec<Value> {
        let state = self.state.lock().unwrap();
        let portions = state.portions.iter().zip(&state.acknowledged);
        portions
            .filter(|(_, yes)| **yes)
            .flat_map(|(portion, _)| portion.clone())
            .collect()
    }
}

fn answer(request: &tests::message::Message, state: &mut Collected) -> String {
    assert_eq!(
        request.header("authorization"),
        Some("Splunk planted-hec-token-8841")
    );
    let channel = request
        .header("x-splunk-request-channel")
        .expect("a channel");
    assert_eq!(channel.len(), 36, "a UUID");
    if request
        .first_line()
        .starts_with("POST /services/collector/ack ")
    {
        let asked = request.json()["acks"][0].as_u64().unwrap();
        let yes = state.says_yes;
        if yes {
            state.acknowledged[usize::try_from(asked).unwrap()] = true;
        }
        return reply(
            "200 OK",
            "application/json",
            &format!("{{\"acks\":{{\"{asked}\":{yes}}}}}"),
        );
    }
    assert!(
        request
            .first_line()
            .starts_with("POST /services/collector/event ")
    );
    assert!(
        request.body.len() <= 1_000_000,
        "more than a collector takes"
    );
    let events = serde_json::Deserializer::from_slice(&request.body).into_iter::<Value>();
    state
        .portions
        .push(events.map(|event| event.unwrap()).collect());
    state.acknowledged.push(false);
    let ack = state.portions.len() - 1;
    let body = format!("{{\"text\":\"Success\",\"code\":0,\"ackId\":{ack}}}");
    reply("200 OK", "application/json", &body)
}

/// A web server that takes lines.
pub(super) struct Lines {
    upstream: Upstream,
    state: Arc<Mutex<Taken>>,
}

struct Taken {
    answer: &'static str,
    most: usize,
    lines: Vec<Value>,
    tries: usize,
    head: String,
}

impl Lines {
    pub(super) async fn start() -> Self {
        let state = Arc::new(Mutex::new(Taken {
            answer: "200 OK",
            most: usize::MAX,
            lines: Vec::new(),
            tries: 0,
            head: String::new(),
        }));
        let shared = Arc::clone(&state);
        let upstream = Upstream::start(move |mut conn| {
            let state = Arc::clone(&shared);
            async move {
                while let Some(request) = conn.request().await {
                    let status = {
                        let mut state = state.lock().unwrap();
                        state.tries += 1;
                        state.head.clone_from(&request.head);
                        let text = String::from_utf8(request.body).unwrap();
                        if text.lines().count() > state.most {
                            "413 Content Too Large"
                        } else {
                            if state.answer.starts_with("200") {
                                let lines =
                                    text.lines().map(|line| serde_json::from_str(line).unwrap());
                                let lines: Vec<Value> = lines.collect();
                                state.lines.extend(lines);
                            }
                            state.answer
                        }
                    };
                    conn.write(reply(status, "text/plain", "").as_bytes())
                        .await?;
                }
                Ok(())
            }
        })
        .await;
        Self { upstream, state }
    }

    pub(super) fn origin(&self) -> String {
        self.upstream.origin()
    }

    pub(super) fn answer(&self, status: &'static str) {
        self.state.lock().unwrap().answer = status;
    }

    pub(super) fn most(&self, lines: usize) {
        self.state.lock().unwrap().most = lines;
    }

    pub(super) fn tries(&self) -> usize {
        self.state.lock().unwrap().tries
    }

    pub(super) fn lines(&self) -> Vec<Value> {
        self.state.lock().unwrap().lines.clone()
    }

    pub(super) fn head(&self) -> String {
        self.state.lock().unwrap().head.clone()
    }
}
