//! A client that hides nothing: one connection a request unless asked otherwise, every frame kept with its time.
//!
//! Never retries and never follows. `raw` writes bytes that no HTTP library would.

pub use crate::raw::{Raw, check_error, raw, raw_for, read_quiet, tls_client};
use crate::{SOON, within};
use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// A request in the making.
#[derive(Clone, Debug)]
pub struct Ask {
    to: SocketAddr,
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    /// Exactly what is sent.
    pub body: Vec<u8>,
    http2: bool,
    limit: Duration,
}

impl Ask {
    /// `POST` with no body yet.
    pub fn post(to: SocketAddr, path: &str) -> Self {
        Self::method(to, Method::POST, path)
    }

    /// `GET`.
    pub fn get(to: SocketAddr, path: &str) -> Self {
        Self::method(to, Method::GET, path)
    }

    /// Any method.
    pub fn method(to: SocketAddr, method: Method, path: &str) -> Self {
        Self {
            to,
            method,
            path: path.into(),
            headers: Vec::new(),
            body: Vec::new(),
            http2: false,
            limit: SOON,
        }
    }

    /// Where it goes.
    pub fn address(&self) -> SocketAddr {
        self.to
    }

    /// With this key instead of another.
    pub fn key(self, key: &str) -> Self {
        self.without("authorization")
            .header("authorization", &format!("Bearer {key}"))
    }

    /// With one more header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Without a header.
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(found, _)| found != name);
        self
    }

    /// With a JSON body.
    pub fn json(self, body: &Value) -> Self {
        self.bytes(serde_json::to_vec(body).unwrap())
    }

    /// With these bytes as its body, called JSON.
    pub fn bytes(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.without("content-type")
            .header("content-type", "application/json")
    }

    /// Changes the JSON body.
    pub fn edit(&mut self, change: impl FnOnce(&mut Value)) {
        let mut body: Value = serde_json::from_slice(&self.body).unwrap();
        change(&mut body);
        self.body = serde_json::to_vec(&body).unwrap();
    }

    /// The same, in passing.
    pub fn with(mut self, change: impl FnOnce(&mut Value)) -> Self {
        self.edit(change);
        self
    }

    /// Over HTTP/2 with prior knowledge.
    pub fn h2(mut self) -> Self {
        self.http2 = true;
        self
    }

    /// With another bound than [`SOON`].
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    fn request(&self) -> Request<Full<Bytes>> {
        let uri = if self.http2 {
            format!("http://{}{}", self.to, self.path)
        } else {
            self.path.clone()
        };
        let mut request = Request::builder().method(self.method.clone()).uri(uri);
        if !self.http2 && !self.headers.iter().any(|(name, _)| name == "host") {
            request = request.header("host", self.to.to_string());
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request
            .body(Full::new(Bytes::from(self.body.clone())))
            .unwrap()
    }

    /// Sends it on a connection of its own and reads the whole answer.
    pub async fn send(self) -> Reply {
        let what = format!("{} {} to its end", self.method, self.path);
        let limit = self.limit;
        within(limit, &what, async { self.open().await.rest().await }).await
    }

    /// Sends it on a connection of its own and reads the head of the answer.
    pub async fn open(self) -> Live {
        let what = format!("{} {} until its head", self.method, self.path);
        within(self.limit, &what, async {
            let mut session = Session::to(self.to, self.http2).await;
            let mut live = session.open(self).await;
            live.session = Some(session);
            live
        })
        .await
    }
}

enum Sender {
    H1(http1::SendRequest<Full<Bytes>>),
    H2(http2::SendRequest<Full<Bytes>>),
}

/// A connection that can carry several requests. Dropping it closes the socket.
pub struct Session {
    sender: Sender,
    driver: JoinHandle<()>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Session {
    /// Connects.
    pub async fn to(to: SocketAddr, http2: bool) -> Self {
        let socket = TcpStream::connect(to).await.expect("the gateway accepts");
        socket.set_nodelay(true).unwrap();
        Self::over(socket, http2).await
    }

    /// Connects by HTTP/1.1, if somebody is there.
    pub async fn to_or_none(to: SocketAddr) -> Option<Self> {
        let socket = TcpStream::connect(to).await.ok()?;
        Some(Self::over(socket, false).await)
    }

    /// Over a socket that is connected already (TLS).
    pub async fn over(
        socket: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        http2: bool,
    ) -> Self {
        let io = TokioIo::new(socket);
        if http2 {
            let (sender, connection) = http2::handshake(TokioExecutor::new(), io)
                .await
                .expect("an HTTP/2 handshake");
            let driver = tokio::spawn(async move {
                let _ = connection.await;
            });
            return Self {
                sender: Sender::H2(sender),
                driver,
            };
        }
        let (sender, connection) = http1::handshake(io).await.expect("an HTTP/1.1 connection");
        let driver = tokio::spawn(async move {
            let _ = connection.await;
        });
        Self {
            sender: Sender::H1(sender),
            driver,
        }
    }

    /// Sends a request and reads the head of the answer.
    pub async fn open_or_end(&mut self, ask: Ask) -> Result<Live, hyper::Error> {
        let started = Instant::now();
        let request = ask.request();
        let reply = match &mut self.sender {
            Sender::H1(sender) => {
                sender.ready().await?;
                sender.send_request(request).await?
            }
            Sender::H2(sender) => sender.send_request(request).await?,
        };
        let (head, body) = reply.into_parts();
        let headed = Instant::now();
        Ok(Live {
            status: head.status.as_u16(),
            headers: head.headers,
            body,
            got: Vec::new(),
            frames: Vec::new(),
            complete: false,
            started,
            headed,
            session: None,
        })
    }

    /// The same; panics if the connection ends first.
    pub async fn open(&mut self, ask: Ask) -> Live {
        let what = format!("{} {}", ask.method, ask.path);
        self.open_or_end(ask).await.unwrap_or_else(|error| {
            panic!("{what}: the connection ended without an answer: {error:?}")
        })
    }

    /// Sends a request and reads the whole answer.
    pub async fn send(&mut self, ask: Ask) -> Reply {
        within(ask.limit, "a whole answer", async {
            self.open(ask).await.rest().await
        })
        .await
    }
}

/// An answer whose body is still being read.
pub struct Live {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    body: Incoming,
    /// What came so far.
    pub got: Vec<u8>,
    frames: Vec<(Instant, usize)>,
    complete: bool,
    started: Instant,
    headed: Instant,
    session: Option<Session>,
}

impl Live {
    /// The next piece; `None` at the end.
    pub async fn next(&mut self) -> Option<Bytes> {
        loop {
            match within(SOON, "the next piece of a body", self.body.frame()).await {
                None => {
                    self.complete = true;
                    return None;
                }
                Some(Err(_)) => return None,
                Some(Ok(frame)) => {
                    let Ok(data) = frame.into_data() else {
                        continue;
                    };
                    self.got.extend_from_slice(&data);
                    self.frames.push((Instant::now(), data.len()));
                    return Some(data);
                }
            }
        }
    }

    /// Reads until what came holds `needle`.
    pub async fn until(&mut self, needle: &str) {
        while crate::message::find(&self.got, needle.as_bytes()).is_none() {
            let more = self.next().await;
            assert!(
                more.is_some(),
                "the body ended before {needle:?}: {}",
                String::from_utf8_lossy(&self.got)
            );
        }
    }

    /// Reads to the end.
    pub async fn rest(mut self) -> Reply {
        while self.next().await.is_some() {}
        Reply {
            status: self.status,
            headers: std::mem::take(&mut self.headers),
            body: std::mem::take(&mut self.got),
            complete: self.complete,
            frames: std::mem::take(&mut self.frames),
            head_after: self.headed - self.started,
            took: self.started.elapsed(),
        }
    }

    /// Leaves: the connection is closed.
    pub fn leave(self) {
        drop(self);
    }

    /// Gives up this answer only; the connection (HTTP/2) stays.
    pub fn reset(mut self) -> Option<Session> {
        self.session.take()
    }
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// The body's bytes.
    pub body: Vec<u8>,
    /// Whether it ended as HTTP says it must.
    pub complete: bool,
    /// When each piece came, and how long it was.
    pub frames: Vec<(Instant, usize)>,
    /// From the request to the head.
    pub head_after: Duration,
    /// From the request to the end.
    pub took: Duration,
}

impl Reply {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| {
            panic!(
                "not JSON ({error}), status {}: {}",
                self.status,
                self.text()
            )
        })
    }

    /// One header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Text of a reply that was not streamed.
    pub fn said(&self) -> String {
        assert_eq!(self.status, 200, "{}", self.text());
        let json = self.json();
        json["choices"][0]["message"]["content"]
            .as_str()
            .unwrap_or_else(|| panic!("no text in {json}"))
            .to_owned()
    }

    /// Panics unless this is an error of that status and code in OpenAI's shape, with an id; gives its message.
    #[track_caller]
    pub fn refused(&self, status: u16, code: &str) -> String {
        assert_eq!(
            (self.status, self.code().as_str()),
            (status, code),
            "{}",
            self.text()
        );
        self.error()["message"].as_str().unwrap().to_owned()
    }

    /// The error's code; empty if the answer is no error.
    pub fn code(&self) -> String {
        if self.status < 400 {
            String::new()
        } else {
            self.error()["code"].as_str().unwrap_or_default().to_owned()
        }
    }

    /// The error object of a refusal, checked for its shape.
    #[track_caller]
    pub fn error(&self) -> Value {
        assert_eq!(
            self.header("content-type"),
            Some("application/json"),
            "status {}: {}",
            self.status,
            self.text()
        );
        assert!(
            self.header("x-request-id").is_some_and(|id| id.len() == 26),
            "status {}: no x-request-id",
            self.status
        );
        let json = self.json();
        check_error(&json["error"]);
        assert_eq!(json.as_object().unwrap().len(), 1, "{json}");
        json["error"].clone()
    }
}
