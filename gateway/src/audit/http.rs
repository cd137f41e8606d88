//! HTTP to what gets the audit log, and to whoever issues tokens: one connection, one call at a time, whole body to whole body.
//!
//! For threads of their own; never on a worker's runtime. Redirects are not followed. Invariants: every wait and every
//! answer is bounded; no header's value is ever shown.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, USER_AGENT};
use http::uri::Scheme;
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use lake::store::CallError;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Time to connect, TLS included.
const CONNECT_TIME: Duration = Duration::from_secs(10);
/// Time of one call.
const CALL_TIME: Duration = Duration::from_secs(60);
/// Longest answer.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// A peer's kernel that acknowledges nothing for so long is gone.
pub const PEER_SILENT_MAX: Duration = Duration::from_secs(8);

/// Both directions of a connection.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// TLS of a connection.
#[derive(Clone, Debug)]
pub struct Tls {
    /// Settings.
    pub client: Arc<rustls::ClientConfig>,
    /// The name its certificate must have, if not the host.
    pub server_name: Option<Box<str>>,
}

/// Connects, with TLS if there is any.
///
/// # Errors
/// `Connect`, `Timeout`.
pub async fn connect(host: &str, port: u16, tls: Option<&Tls>) -> Result<Box<dyn Io>, CallError> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let connecting = async {
        let tcp = TcpStream::connect((host, port))
            .await
            .map_err(|_| CallError::Connect)?;
        let socket = socket2::SockRef::from(&tcp);
        // Without these a peer that vanished is noticed after hours.
        let _ = socket.set_tcp_user_timeout(Some(PEER_SILENT_MAX));
        let _ = tcp.set_nodelay(true);
        let Some(tls) = tls else {
            return Ok(Box::new(tcp) as Box<dyn Io>);
        };
        let name = tls.server_name.as_deref().unwrap_or(host).to_owned();
        let name = ServerName::try_from(name).map_err(|_| CallError::Connect)?;
        let connector = tokio_rustls::TlsConnector::from(Arc::clone(&tls.client));
        let stream = connector
            .connect(name, tcp)
            .await
            .map_err(|_| CallError::Connect)?;
        Ok(Box::new(stream) as Box<dyn Io>)
    };
    timeout(CONNECT_TIME, connecting)
        .await
        .unwrap_or(Err(CallError::Timeout))
}

/// A caller with a connection that it keeps.
pub struct Caller {
    tls: Tls,
    answer_bytes_max: usize,
    kept: Mutex<Option<Kept>>,
}

/// A connection and whereto.
struct Kept {
    to: (bool, String),
    sender: SendRequest<Full<Bytes>>,
}

impl Caller {
    /// Not connected yet.
    #[must_use]
    pub fn new(tls: Tls) -> Self {
        Self::bounded(tls, ANSWER_BYTES_MAX)
    }

    /// The same, for shorter answers.
    #[must_use]
    pub fn bounded(tls: Tls, answer_bytes_max: usize) -> Self {
        Self {
            tls,
            answer_bytes_max,
            kept: Mutex::default(),
        }
    }

    /// Makes a call to the absolute URI of `request`. A kept connection that turns out to be closed is replaced once.
    ///
    /// # Errors
    /// [`CallError`]. A status is no error.
    pub async fn call(&self, request: Request<Bytes>) -> Result<Response<Bytes>, CallError> {
        timeout(CALL_TIME, self.try_twice(request))
            .await
            .unwrap_or(Err(CallError::Timeout))
    }

    async fn try_twice(&self, request: Request<Bytes>) -> Result<Response<Bytes>, CallError> {
        let to = target(request.uri())?;
        let kept = self
            .kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(mut kept) = kept.filter(|kept| kept.to == to && !kept.sender.is_closed()) {
            let again = request.clone();
            match self.send(&mut kept.sender, again).await {
                Err(CallError::Broken) => {}
                Err(error) => return Err(error),
                Ok(answer) => {
                    self.keep(kept);
                    return Ok(answer);
                }
            }
        }
        let port = request
            .uri()
            .port_u16()
            .unwrap_or(if to.0 { 443 } else { 80 });
        let host = request.uri().host().unwrap_or_default().to_owned();
        let io = connect(&host, port, to.0.then_some(&self.tls)).await?;
        let shaken = handshake(TokioIo::new(io)).await;
        let (mut sender, connection) = shaken.map_err(|_| CallError::Connect)?;
        crate::tasks::detach(async {
            // How it ended is told by the call.
            let _ = connection.await;
        });
        let done = self.send(&mut sender, request).await;
        if done.is_ok() {
            self.keep(Kept { to, sender });
        }
        done
    }

    fn keep(&self, kept: Kept) {
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
    }

    async fn send(
        &self,
        sender: &mut SendRequest<Full<Bytes>>,
        request: Request<Bytes>,
    ) -> Result<Response<Bytes>, CallError> {
        sender.ready().await.map_err(|_| CallError::Broken)?;
        let answer = sender.send_request(in_origin_form(request)?).await;
        let (head, body) = answer.map_err(|_| CallError::Broken)?.into_parts();
        let body = Limited::new(body, self.answer_bytes_max).collect().await;
        let body = body.map_err(|_| CallError::Malformed)?.to_bytes();
        Ok(Response::from_parts(head, body))
    }
}

/// Whether with TLS, and the authority.
fn target(uri: &Uri) -> Result<(bool, String), CallError> {
    let secure = uri.scheme() != Some(&Scheme::HTTP);
    let authority = uri.authority().ok_or(CallError::Connect)?;
    Ok((secure, authority.to_string()))
}

fn in_origin_form(request: Request<Bytes>) -> Result<Request<Full<Bytes>>, CallError> {
    let (mut head, body) = request.into_parts();
    let (_, authority) = target(&head.uri)?;
    let host = HeaderValue::from_str(&authority).map_err(|_| CallError::Connect)?;
    head.headers.insert(HOST, host);
    let agent = HeaderValue::from_static(concat!("yumen/", env!("CARGO_PKG_VERSION")));
    head.headers.entry(USER_AGENT).or_insert(agent);
    let path = head.uri.path_and_query().cloned();
    let path = path.map_or_else(|| Uri::from_static("/"), Uri::from);
    head.uri = path;
    Ok(Request::from_parts(head, Full::new(body)))
}
