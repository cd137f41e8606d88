//! An identity provider for tests: it publishes keys and signs tokens with them, whatever they say.
//!
//! Knows OpenID Connect Discovery and RFC 7515 to 7518 from the documents; shares no code with the gateway.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RSA_PSS_SHA512,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;

/// A key that signs.
enum Signer {
    Rs256(RsaKeyPair),
    Ps512(RsaKeyPair),
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
}

/// A key with its name.
pub struct Key {
    /// What tokens call it.
    pub kid: String,
    signer: Signer,
}

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Key {
    /// A fresh one for `RS256`, `PS512`, `ES256` or `EdDSA`.
    pub fn new(kid: &str, alg: &str) -> Arc<Self> {
        let rsa = || RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let signer = match alg {
            "RS256" => Signer::Rs256(rsa()),
            "PS512" => Signer::Ps512(rsa()),
            "ES256" => {
                Signer::Es256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
            }
            _ => Signer::EdDsa(Ed25519KeyPair::generate().unwrap()),
        };
        Arc::new(Self {
            kid: kid.into(),
            signer,
        })
    }

    fn alg(&self) -> &'static str {
        match self.signer {
            Signer::Rs256(_) => "RS256",
            Signer::Ps512(_) => "PS512",
            Signer::Es256(_) => "ES256",
            Signer::EdDsa(_) => "EdDSA",
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.signer {
            Signer::Rs256(key) | Signer::Ps512(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                let padding: &dyn aws_lc_rs::signature::RsaEncoding =
                    if matches!(self.signer, Signer::Rs256(_)) {
                        &RSA_PKCS1_SHA256
                    } else {
                        &RSA_PSS_SHA512
                    };
                key.sign(padding, &random, message, &mut signature).unwrap();
                signature
            }
            Signer::Es256(key) => key.sign(&random, message).unwrap().as_ref().into(),
            Signer::EdDsa(key) => key.sign(message).as_ref().into(),
        }
    }

    fn jwk(&self) -> Value {
        let mut jwk = match &self.signer {
            Signer::Rs256(key) | Signer::Ps512(key) => {
                // PKCS #1 of 2048 bits: ten bytes of heads and a zero, n, two of a head, e.
                let der = key.public_key().as_ref();
                let (n, e) = (&der[9..265], &der[267..]);
                json!({"kty": "RSA", "n": encoded(n), "e": encoded(e)})
            }
            Signer::Es256(key) => {
                let point = key.public_key().as_ref();
                json!({"kty": "EC", "crv": "P-256", "x": encoded(&point[1..33]), "y": encoded(&point[33..])})
            }
            Signer::EdDsa(key) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": encoded(key.public_key())})
            }
        };
        jwk["kid"] = self.kid.as_str().into();
        jwk["use"] = "sig".into();
        jwk
    }

    /// A token with this header, whatever it says.
    pub fn token_with(&self, header: &Value, claims: &Value) -> String {
        let signed = format!(
            "{}.{}",
            encoded(header.to_string()),
            encoded(claims.to_string())
        );
        let signature = self.sign(signed.as_bytes());
        format!("{signed}.{}", encoded(signature))
    }

    /// A token with the usual header.
    pub fn token(&self, claims: &Value) -> String {
        let header = json!({"alg": self.alg(), "kid": self.kid, "typ": "JWT"});
        self.token_with(&header, claims)
    }
}

#[derive(Default)]
struct State {
    published: Vec<Arc<Key>>,
    down: bool,
    /// Keeps whoever asks for keys waiting.
    held: bool,
    /// Asked for keys.
    fetches: usize,
    /// Says that it is another.
    says: Option<String>,
}

/// An issuer that is served.
#[derive(Clone)]
pub struct Issuer {
    /// Where.
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Issuer {
    /// Serves, publishing these keys.
    pub async fn start(published: &[&Arc<Key>]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = Self {
            address: listener.local_addr().unwrap(),
            state: Arc::default(),
        };
        issuer.publish(published);
        let serving = issuer.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let issuer = serving.clone();
                tokio::spawn(async move {
                    let service = service_fn(move |request: Request<_>| {
                        let path = request.uri().path().to_owned();
                        let answer = issuer.answer(&path);
                        let issuer = issuer.clone();
                        async move {
                            while path.ends_with("/keys") && issuer.state.lock().unwrap().held {
                                tokio::time::sleep(Duration::from_millis(10)).await;
                            }
                            Ok::<_, Infallible>(answer)
                        }
                    });
                    let served = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(socket), service);
                    let _ = served.await;
                });
            }
        });
        issuer
    }

    fn answer(&self, path: &str) -> Response<Full<Bytes>> {
        let mut state = self.state.lock().unwrap();
        let body = match path {
            _ if state.down => None,
            "/realm/.well-known/openid-configuration" => {
                let issuer = state.says.clone().unwrap_or_else(|| self.url());
                Some(json!({"issuer": issuer, "jwks_uri": format!("{}/keys", self.url())}))
            }
            "/realm/keys" => {
                state.fetches += 1;
                let mut keys: Vec<Value> = state.published.iter().map(|key| key.jwk()).collect();
                // What a set may hold beside what is for us.
                keys.push(json!({"kty": "oct", "kid": "shared", "k": "c2VjcmV0"}));
                keys.push(
                    json!({"kty": "RSA", "kid": "enc", "use": "enc", "n": "AQ", "e": "AQAB"}),
                );
                Some(json!({ "keys": keys }))
            }
            _ => None,
        };
        let status = if body.is_some() { 200 } else { 503 };
        let body = Full::from(body.unwrap_or_default().to_string());
        Response::builder().status(status).body(body).unwrap()
    }

    /// What its tokens name it.
    pub fn url(&self) -> String {
        format!("http://{}/realm", self.address)
    }

    /// Publishes these keys and no others.
    pub fn publish(&self, keys: &[&Arc<Key>]) {
        self.state.lock().unwrap().published = keys.iter().map(|key| Arc::clone(key)).collect();
    }

    /// Answers 503, or no longer does.
    pub fn is_down(&self, down: bool) {
        self.state.lock().unwrap().down = down;
    }

    /// Keeps whoever asks for keys waiting, with what was published when they asked, or no longer does.
    pub fn holds(&self, held: bool) {
        self.state.lock().unwrap().held = held;
    }

    /// Has its document name another issuer.
    pub fn says(&self, issuer: &str) {
        self.state.lock().unwrap().says = Some(issuer.into());
    }

    /// How often its keys were fetched.
    pub fn fetches(&self) -> usize {
        self.state.lock().unwrap().fetches
    }

    /// Claims of a person for the audience `yumen`, good for ten minutes; `extra` joins or replaces them.
    pub fn claims(&self, user: &str, groups: &[&str], extra: Value) -> Value {
        let now = now_s();
        let mut claims = json!({
            "iss": self.url(), "aud": ["account", "yumen"], "sub": user, "groups": groups,
            "iat": now, "nbf": now, "exp": now + 600,
        });
        for (name, value) in extra.as_object().unwrap() {
            if value.is_null() {
                claims.as_object_mut().unwrap().remove(name);
            } else {
                claims[name] = value.clone();
            }
        }
        claims
    }
}

/// Unix seconds.
pub fn now_s() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}
