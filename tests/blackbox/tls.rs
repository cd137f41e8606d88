//! TLS on both sides: ALPN, client certificates, private authorities; HTTP/2 to upstreams.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tests::http::tls_client;
use tests::*;
use tokio::net::{TcpListener, TcpStream};

/// A private authority, and its files.
pub(crate) struct Authority {
    pub(crate) der: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

/// A certificate with its key.
pub(crate) struct Identity {
    pub(crate) der: CertificateDer<'static>,
    key: KeyPair,
    pem: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, "test authority");
        let cert = params.self_signed(&key).unwrap();
        Self {
            der: cert.der().clone(),
            pem: cert.pem(),
            issuer: Issuer::new(params, key),
        }
    }

    pub(crate) fn issue(&self, name: &str) -> Identity {
        self.issue_with(name, |_| ())
    }

    pub(crate) fn issue_with(
        &self,
        name: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Identity {
        let key = KeyPair::generate().unwrap();
        let names = (!name.is_empty()).then(|| name.to_owned());
        let mut params = CertificateParams::new(names.into_iter().collect::<Vec<_>>()).unwrap();
        change(&mut params);
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        Identity {
            der: cert.der().clone(),
            pem: cert.pem(),
            key,
        }
    }
}

impl Identity {
    pub(crate) fn private(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.serialize_der()))
    }

    pub(crate) fn write(&self, dir: &TempDir, name: &str) {
        std::fs::write(dir.path().join(format!("{name}.pem")), &self.pem).unwrap();
        std::fs::write(
            dir.path().join(format!("{name}.key")),
            self.key.serialize_pem(),
        )
        .unwrap();
    }
}

pub(crate) async fn tls_session(
    gateway: &Gateway,
    config: Arc<rustls::ClientConfig>,
    http2: bool,
) -> std::io::Result<(Session, Option<Vec<u8>>)> {
    let socket = TcpStream::connect(gateway.listen).await?;
    let stream = tokio_rustls::TlsConnector::from(config)
        .connect(ServerName::try_from("gate.test").unwrap(), socket)
        .await?;
    let alpn = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
    Ok((Session::over(stream, http2).await, alpn))
}

#[tokio::test]
async fn downstream_with_both_protocols() {
    let sim = sim().await;
    let authority = Authority::new();
    let dir = Arc::new(TempDir::new().unwrap());
    authority.issue("gate.test").write(&dir, "gate");
    let mut config = Config::plain(&sim);
    config.set("tls", json!({"cert": "gate.pem", "key": "gate.key"}));
    let gateway = Launch::new(config.text()).dir(dir).start().await;
    assert!(
        gateway.printed().contains("listen=https://"),
        "{}",
        gateway.printed()
    );
    for (alpn, chosen, http2) in [
        (&["h2", "http/1.1"][..], Some("h2"), true),
        (&["http/1.1"][..], Some("http/1.1"), false),
        (&[][..], None, false),
    ] {
        let (mut session, found) =
            tls_session(&gateway, tls_client(&authority.der, None, alpn), http2)
                .await
                .unwrap();
        assert_eq!(found.as_deref(), chosen.map(str::as_bytes));
        let ask = gateway.stream("m-openai-compatible", "你好");
        let reply = session.send(if http2 { ask.h2() } else { ask }).await;
        assert!(grammar::read(&reply.body).done, "{}", reply.text());
    }
    // Plain HTTP at a TLS port gets no answer that means anything, and a strange authority is not trusted.
    let answer = http::raw(
        gateway.listen,
        b"GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n",
    )
    .await;
    assert!(!answer.bytes.starts_with(b"HTTP/1.1 2"));
    assert!(
        tls_session(
            &gateway,
            tls_client(&Authority::new().der, None, &[]),
            false
        )
        .await
        .is_err()
    );
    gateway.assert_sound();
}

#[tokio::test]
async fn a_client_certificate_where_one_is_asked_for() {
    let sim = sim().await;
    let (authority, clients, strangers) = (Authority::new(), Authority::new(), Authority::new());
    let dir = Arc::new(TempDir::new().unwrap());
    authority.issue("gate.test").write(&dir, "gate");
    std::fs::write(dir.path().join("clients.pem"), &clients.pem).unwrap();
    let mut config = Config::plain(&sim);
    config.set(
        "tls",
        json!({"cert": "gate.pem", "key": "gate.key", "client_ca": "clients.pem"}),
    );
    let gateway = Launch::new(config.text()).dir(dir).start().await;
    let try_as = async |identity: Option<Identity>| -> Option<u16> {
        let identity = identity.map(|identity| (identity.der.clone(), identity.private()));
        // With TLS 1.3 the refusal may come with the first read.
        let (mut session, _) =
            tls_session(&gateway, tls_client(&authority.der, identity, &[]), false)
                .await
                .ok()?;
        let live = session
            .open_or_end(gateway.chat("m-openai-compatible", "x"))
            .await
            .ok()?;
        Some(live.status)
    };
    assert_eq!(try_as(None).await, None);
    assert_eq!(try_as(Some(strangers.issue("client.test"))).await, None);
    assert_eq!(try_as(Some(clients.issue("client.test"))).await, Some(200));
    assert_eq!(sim.requests().len(), 1);
}

#[tokio::test]
async fn a_handshake_that_stops_is_cut() {
    let sim = sim().await;
    let authority = Authority::new();
    let dir = Arc::new(TempDir::new().unwrap());
    authority.issue("gate.test").write(&dir, "gate");
    let mut config = Config::plain(&sim);
    config
        .set("tls", json!({"cert": "gate.pem", "key": "gate.key"}))
        .set("timeouts/tls_handshake", "300ms");
    let gateway = Launch::new(config.text()).dir(dir).start().await;
    for start in [&b""[..], &b"\x16\x03\x01\x02"[..]] {
        let answer = http::raw_for(gateway.listen, start, Duration::from_secs(4)).await;
        assert!(answer.closed, "{start:?}");
    }
}

#[tokio::test]
async fn a_renewed_certificate_is_used_without_a_restart() {
    let sim = sim().await;
    let (old, new) = (Authority::new(), Authority::new());
    let dir = Arc::new(TempDir::new().unwrap());
    old.issue("gate.test").write(&dir, "gate");
    let mut config = Config::plain(&sim);
    config.set("tls", json!({"cert": "gate.pem", "key": "gate.key"}));
    let gateway = Launch::new(config.text())
        .dir(Arc::clone(&dir))
        .start()
        .await;
    let trusts = async |authority: &Authority| {
        tls_session(&gateway, tls_client(&authority.der, None, &[]), false)
            .await
            .is_ok()
    };
    assert!(trusts(&old).await && !trusts(&new).await);
    // A certificate that cannot be used leaves the old one.
    std::fs::write(dir.path().join("gate.pem"), "not a certificate").unwrap();
    gateway.signal("HUP");
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(trusts(&old).await, "a bad certificate replaced a good one");
    new.issue("gate.test").write(&dir, "gate");
    gateway.signal("HUP");
    let start = std::time::Instant::now();
    while !trusts(&new).await {
        assert!(
            start.elapsed() < SOON,
            "the new certificate is not used:\n{}",
            gateway.log()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// TLS before the simulator: accepts, decrypts, copies.
pub(crate) async fn tls_front(
    sim: &Sim,
    identity: &Identity,
    alpn: &[&str],
) -> (std::net::SocketAddr, tokio::task::JoinHandle<()>) {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![identity.der.clone()], identity.private())
        .unwrap();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (addr, to) = (listener.local_addr().unwrap(), sim.addr());
    let task = tokio::spawn(async move {
        loop {
            let Ok((socket, _)) = listener.accept().await else {
                continue;
            };
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut down) = acceptor.accept(socket).await else {
                    return;
                };
                let Ok(mut up) = TcpStream::connect(to).await else {
                    return;
                };
                let _ = tokio::io::copy_bidirectional(&mut down, &mut up).await;
            });
        }
    });
    (addr, task)
}

/// A WebSocket behind TLS, its authority checked like any other's; a server that would speak HTTP/2 is told not to.
#[tokio::test]
async fn a_websocket_with_a_private_authority() {
    let sim = sim().await;
    let authority = Authority::new();
    let (addr, front) = tls_front(&sim, &authority.issue("vendor.test"), &["h2", "http/1.1"]).await;
    let dir = Arc::new(TempDir::new().unwrap());
    std::fs::write(dir.path().join("ca.pem"), &authority.pem).unwrap();
    let mut config = Config::new();
    let good = json!({"ca": "ca.pem", "server_name": "vendor.test"});
    let unknown = json!({"server_name": "vendor.test"});
    for (name, tls) in [("good", good), ("unknown", unknown)] {
        config
            .provider(name, "spark-ws", &format!("wss://{addr}/spark-ws"))
            .model(name, &[(name, "generalv3.5")])
            .model(
                &format!("{name}-ping"),
                &[(name, "generalv3.5@ping:1@gap:20")],
            )
            .set(&format!("providers/{name}/tls"), tls);
    }
    let gateway = Launch::new(config.text()).dir(dir).start().await;
    for stream in [false, true] {
        let with = |body: &mut Value| body["stream"] = stream.into();
        let reply = gateway.chat("good-ping", "你好").with(with).send().await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let reply = gateway.chat("unknown", "你好").with(with).send().await;
        reply.refused(502, "upstream_error");
    }
    until("they are closed", || sim.connections() == 0).await;
    let requests = sim.requests();
    assert_eq!(requests.len(), 2, "nothing goes to whoever is not known");
    assert!(
        requests
            .iter()
            .all(|one| one.finished && one.pongs > 0 && !one.left_open)
    );
    front.abort();
}

#[tokio::test]
async fn upstream_with_a_private_authority() {
    let sim = sim().await;
    let authority = Authority::new();
    let (addr, front) = tls_front(&sim, &authority.issue("vendor.test"), &["h2", "http/1.1"]).await;
    let dir = Arc::new(TempDir::new().unwrap());
    std::fs::write(dir.path().join("ca.pem"), &authority.pem).unwrap();
    let mut config = Config::new();
    let cases = [
        (
            "good",
            json!({"ca": "ca.pem", "server_name": "vendor.test"}),
            false,
            200,
        ),
        (
            "good-h2",
            json!({"ca": "ca.pem", "server_name": "vendor.test"}),
            true,
            200,
        ),
        (
            "wrong-name",
            json!({"ca": "ca.pem", "server_name": "other.test"}),
            false,
            502,
        ),
        ("not-the-address", json!({"ca": "ca.pem"}), false, 502),
        (
            "system-roots",
            json!({"server_name": "vendor.test"}),
            false,
            502,
        ),
        (
            "unchecked",
            json!({"insecure_skip_verify_dangerous": true}),
            false,
            200,
        ),
    ];
    for (name, tls, http2, _) in &cases {
        config
            .provider(
                name,
                "openai-compatible",
                &format!("https://{addr}/openai/v1"),
            )
            .model(name, &[(name, "m")]);
        config
            .set(&format!("providers/{name}/tls"), tls.clone())
            .set(&format!("providers/{name}/http2"), *http2);
    }
    let gateway = Launch::new(config.text()).dir(dir).start().await;
    for (name, _, http2, status) in cases {
        for stream in [false, true] {
            let reply = gateway
                .chat(name, "你好")
                .with(|body| body["stream"] = stream.into())
                .send()
                .await;
            assert_eq!(reply.status, status, "{name}: {}", reply.text());
            if status == 502 {
                reply.refused(502, "upstream_error");
            }
        }
        if status == 200 {
            let version = sim.requests().last().unwrap().version;
            assert_eq!(
                version == ::http::Version::HTTP_2,
                http2,
                "{name}: {version:?}"
            );
        }
    }
    assert_eq!(
        sim.requests().len(),
        6,
        "an unverified upstream heard a request"
    );
    front.abort();
    gateway.assert_sound();
}

#[tokio::test]
async fn http2_upstream_without_tls() {
    let sim = sim().await;
    let mut config = Config::plain(&sim);
    config.set("providers/openai-compatible/http2", true);
    for fault in [
        "@split:7",
        "@cutevent:5",
        "@reset",
        "@hang",
        "@status:429",
        "@events:900@gap:10",
    ] {
        config.fault(&fault[1..], "openai-compatible", fault);
    }
    config.set("upstream/timeouts/first_content", "1s");
    let gateway = Gateway::start(&config).await;
    // Once there is a connection, all share it.
    assert_eq!(
        gateway.chat("m-openai-compatible", "x").send().await.status,
        200
    );
    let mut asks = tokio::task::JoinSet::new();
    for _ in 0..20 {
        asks.spawn(gateway.stream("m-openai-compatible", "你好 🌏").send());
    }
    for reply in asks.join_all().await {
        let said = grammar::read(&reply.body);
        assert!(
            said.done && said.text().contains("你好 🌏"),
            "{}",
            reply.text()
        );
    }
    assert!(
        sim.requests()
            .iter()
            .all(|request| request.version == ::http::Version::HTTP_2)
    );
    assert_eq!(sim.accepted(), 1, "connections for one upstream");
    assert!(grammar::read(&gateway.stream("split:7", "x").send().await.body).done);
    gateway
        .chat("reset", "x")
        .send()
        .await
        .refused(502, "upstream_error");
    gateway
        .chat("hang", "x")
        .send()
        .await
        .refused(504, "upstream_timeout");
    gateway
        .chat("status:429", "x")
        .send()
        .await
        .refused(429, "rate_limit_exceeded");
    let said = grammar::read(
        &gateway
            .stream("cutevent:5", "一二三四五六七八九十")
            .send()
            .await
            .body,
    );
    assert!(said.error.is_some() || said.chunks.is_empty());
    // Who leaves resets the stream and not the connection.
    let before = sim.cancelled();
    let mut live = gateway.stream("events:900@gap:10", "x").open().await;
    live.until("\"1 ").await;
    live.leave();
    until("the upstream's stream is reset", || {
        sim.cancelled() == before + 1
    })
    .await;
    assert_eq!(
        gateway.chat("m-openai-compatible", "x").send().await.status,
        200
    );
    gateway.assert_sound();
}

#[tokio::test]
async fn a_cold_start_does_not_open_an_http2_connection_a_request() {
    let sim = sim().await;
    let mut config = Config::plain(&sim);
    config.set("providers/openai-compatible/http2", true);
    let gateway = Gateway::start(&config).await;
    let mut asks = tokio::task::JoinSet::new();
    for _ in 0..20 {
        asks.spawn(gateway.chat("m-openai-compatible", "x").send());
    }
    assert!(
        asks.join_all()
            .await
            .iter()
            .all(|reply| reply.status == 200)
    );
    assert!(
        sim.accepted() <= 2,
        "{} connections for 20 requests at once",
        sim.accepted()
    );
}
