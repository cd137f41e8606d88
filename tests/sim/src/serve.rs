//! From a request to its reply: record, find the surface, admit, read, then say what was planned or fail as asked.
//!
//! It must never know a vendor's fields: those are behind [`Voice`].

use crate::body::{Script, Severed, Step};
use crate::faults::Faults;
use crate::handshake::{handshake, switch};
use crate::io::write_raw;
use crate::json;
use crate::plan::{Ask, Plan, Ready};
use crate::record::{Received, Records, Track};
use crate::script;
use crate::socket::{Job, Slot};
use crate::surfaces::{self, Arrived, IAM_PATH, Stamp, TOKEN_PATH, Tokens, Trouble, Voice};
use crate::{Options, Pace};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::net::TcpStream;

/// Largest request body that is read.
const BODY_MAX: usize = 64 << 20;
/// `@headers:endless` stops here, so that a client without a limit fails its test and not the machine.
const ENDLESS_HEADERS_MAX: usize = 64 << 20;
/// What `@wronglen` promises beyond what it sends.
const PROMISED_TOO_MUCH: usize = 100;
/// Waited after raw bytes, so that they are read before the connection closes.
const RAW_LINGER: Duration = Duration::from_millis(50);

pub(crate) type Reply = Result<Response<Script>, Severed>;

/// What all connections of one simulator share.
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) records: Arc<Records>,
    pub(crate) tokens: Tokens,
    pub(crate) serial: AtomicU64,
}

pub(crate) async fn serve(
    shared: Arc<Shared>,
    socket: Arc<TcpStream>,
    slot: Arc<Slot>,
    mut request: Request<Incoming>,
) -> Reply {
    let upgrade = hyper::upgrade::on(&mut request);
    let (head, body) = request.into_parts();
    if head.uri.path() == "/__sim/requests" {
        let track = Records::new(0).add(received("sim", &head, Bytes::new()));
        return plain(200, "application/json", shared.records.page(), track);
    }
    let body = Limited::new(body, BODY_MAX).collect().await;
    let body = body.map(http_body_util::Collected::to_bytes);
    let path = head.uri.path().to_owned();
    let found = surfaces::find(&path);
    let surface = surface_name(found.map(|(voice, _)| voice), &path);
    let kept = body.as_ref().map(Bytes::clone).unwrap_or_default();
    let track = shared.records.add(received(surface, &head, kept));
    let Ok(body) = body else {
        return plain(413, "text/plain", "body too large or cut short\n", track);
    };
    let rest = found.map_or("", |(_, rest)| rest);
    let arrived = arrived(&shared, &head, rest, &body);
    let serial = shared.serial.fetch_add(1, Relaxed);
    let (status, body) = match (found, surface) {
        (_, "wenxin-v1-token") => shared.tokens.office(arrived.query, arrived.now_ms / 1000),
        (_, "pangu-token") => return pangu_token(&arrived, track),
        (_, "wenxin-iam") => surfaces::iam_office(&arrived, serial),
        (_, "trap") => (200, "{\"trap\":\"a redirect was followed\"}".into()),
        (Some((voice, _)), _) => {
            let stamp = Stamp {
                serial,
                created: arrived.now_ms / 1000,
                model: String::new(),
            };
            let outcome = match voice.socket_model(&arrived) {
                Some(model) => handshake(voice, &arrived, &model),
                None => understand(voice, &arrived, &body, serial),
            };
            if let Outcome::Socket { accept, wait } = outcome {
                tokio::time::sleep(wait).await;
                track.status(101);
                let unused = Records::new(0).add(received("sim", &head, Bytes::new()));
                let reply = switch(voice, &accept, unused);
                let job = Job {
                    upgrade,
                    voice,
                    rest: rest.to_owned(),
                    shared: Arc::clone(&shared),
                    stamp,
                    track,
                    head,
                };
                *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(job);
                return reply;
            }
            let call = Call {
                voice,
                stamp,
                pace: shared.options.pace,
                version: head.version,
                authority: authority(&head),
            };
            return call.answer(outcome, &socket, track).await;
        }
        _ if is_health(&path) => (200, "{\"status\":\"ok\"}".into()),
        _ => (
            404,
            "{\"detail\":\"the simulator knows no such path\"}".into(),
        ),
    };
    plain(status, "application/json", body, track)
}

/// A request as its surface sees it.
pub(crate) fn arrived<'a>(
    shared: &'a Shared,
    head: &'a http::request::Parts,
    rest: &'a str,
    body: &'a [u8],
) -> Arrived<'a> {
    Arrived {
        method: &head.method,
        path: head.uri.path(),
        rest,
        query: head.uri.query().unwrap_or_default(),
        headers: &head.headers,
        body,
        tokens: &shared.tokens,
        glm_keys: &shared.options.glm_keys,
        bce_keys: &shared.options.bce_keys,
        now_ms: now_ms(),
    }
}

/// Under which name a request is kept.
fn surface_name(voice: Option<&dyn Voice>, path: &str) -> &'static str {
    match voice {
        _ if path == TOKEN_PATH => "wenxin-v1-token",
        _ if path == IAM_PATH => "wenxin-iam",
        _ if path == surfaces::PANGU_TOKEN_PATH => "pangu-token",
        _ if path == "/__sim/trap" => "trap",
        Some(voice) => voice.name(),
        None => "none",
    }
}

fn received(surface: &'static str, head: &http::request::Parts, body: Bytes) -> Received {
    let path_and_query = head
        .uri
        .path_and_query()
        .map_or("/", |target| target.as_str());
    Received {
        surface,
        method: head.method.clone(),
        path_and_query: path_and_query.to_owned(),
        version: head.version,
        headers: head.headers.clone(),
        body,
        status: 0,
        events_sent: 0,
        bytes_sent: 0,
        finished: false,
        cancelled: false,
        cut: false,
        pongs: 0,
        left_open: false,
    }
}

fn authority(head: &http::request::Parts) -> String {
    let host = head.headers.get(http::header::HOST);
    let host = host.and_then(|host| host.to_str().ok()).map(str::to_owned);
    host.or_else(|| head.uri.authority().map(ToString::to_string))
        .unwrap_or_default()
}

fn is_health(path: &str) -> bool {
    matches!(
        path,
        "/vllm/health" | "/llamacpp/health" | "/ollama/" | "/ollama/api/version"
    )
}

fn now_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// What a request turned out to be.
pub(crate) enum Outcome {
    Chat(Box<Ask>),
    Models(String),
    Refused(Trouble),
    /// A WebSocket is opened, after that time.
    Socket {
        accept: String,
        wait: Duration,
    },
    /// HTTP says it all: status and a word.
    Http(u16, &'static str),
}

fn understand(voice: &dyn Voice, arrived: &Arrived<'_>, body: &Bytes, serial: u64) -> Outcome {
    if *arrived.method == Method::POST
        && let Some(answer) = surfaces::beside::ask(voice, arrived, body, serial)
    {
        return answer.map_or_else(Outcome::Refused, |ask| Outcome::Chat(Box::new(ask)));
    }
    if *arrived.method == Method::GET
        && let Some(task) = surfaces::beside::task(voice, arrived)
    {
        return match voice.admit(arrived) {
            Ok(()) => Outcome::Models(task),
            Err(trouble) => Outcome::Refused(trouble),
        };
    }
    if let Some(outcome) = beside(voice, arrived, body) {
        return outcome;
    }
    let is_chat = voice.is_chat(arrived);
    let is_list = voice.is_model_list(arrived);
    if !is_chat && !is_list {
        return Outcome::Http(404, "no such path\n");
    }
    if is_chat && *arrived.method != Method::POST {
        return Outcome::Http(405, "POST only\n");
    }
    if let Err(trouble) = voice.admit(arrived) {
        return Outcome::Refused(trouble);
    }
    if is_list {
        let list = voice.models(0);
        return list.map_or(Outcome::Http(404, "no such path\n"), Outcome::Models);
    }
    let usual = voice.usual();
    let body = match json::parse(body) {
        Ok(body) if body.is_object() => body,
        _ => return Outcome::Refused(voice.trouble(usual.malformed)),
    };
    match voice.read(arrived, &body) {
        Ok(ask) if ask.base.starts_with("no-such") => {
            Outcome::Refused(voice.trouble(usual.no_model))
        }
        Ok(ask) => Outcome::Chat(Box::new(ask)),
        Err(trouble) => Outcome::Refused(trouble),
    }
}

/// A call that is no chat, if it is one.
fn beside(voice: &dyn Voice, arrived: &Arrived<'_>, body: &Bytes) -> Option<Outcome> {
    if *arrived.method != Method::POST {
        return None;
    }
    let body = json::parse(body).unwrap_or_default();
    let answer = voice.beside(arrived, &body)?;
    Some(match voice.admit(arrived).and(answer) {
        Ok(answer) => Outcome::Models(answer),
        Err(trouble) => Outcome::Refused(trouble),
    })
}

fn plain(status: u16, kind: &str, body: impl Into<Bytes>, track: Track) -> Reply {
    track.status(status);
    let mut reply = Response::new(Script::whole(body.into(), track));
    *reply.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    put(&mut reply, "content-type", kind);
    Ok(reply)
}

pub(crate) fn put(reply: &mut Response<Script>, name: &'static str, value: &str) {
    let name = HeaderName::from_bytes(name.as_bytes());
    if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
        reply.headers_mut().insert(name, value);
    }
}

/// One request on its way to an answer.
struct Call {
    voice: &'static dyn Voice,
    stamp: Stamp,
    pace: Pace,
    version: Version,
    authority: String,
}

impl Call {
    async fn answer(mut self, outcome: Outcome, socket: &TcpStream, track: Track) -> Reply {
        let ask = match outcome {
            Outcome::Chat(ask) => ask,
            Outcome::Models(list) => return self.json(200, list, track),
            Outcome::Socket { .. } => return Err(Severed),
            Outcome::Http(status, word) => return plain(status, "text/plain", word, track),
            Outcome::Refused(trouble) => {
                let status = self.voice.status_on_wire(&trouble);
                let body = self.voice.error_body(&trouble, self.stamp.serial);
                let mut reply = self.json(status, body, track)?;
                self.error_headers(&trouble, &mut reply);
                return Ok(reply);
            }
        };
        self.stamp.model.clone_from(&ask.model);
        let faults = &ask.faults;
        if let Some(wait) = faults.slow_head {
            tokio::time::sleep(wait).await;
        }
        if faults.hang {
            std::future::pending::<()>().await;
        }
        if faults.reset || faults.cl_te || faults.endless_headers {
            return self.raw(&ask, socket, track).await;
        }
        if faults.redirect {
            let mut reply = plain(307, "text/plain", "moved\n", track)?;
            put(
                &mut reply,
                "location",
                &format!("http://{}/__sim/trap", self.authority),
            );
            return Ok(reply);
        }
        if faults.html {
            let page = "<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center><hr><center>nginx</center></body></html>\n";
            return plain(faults.status.unwrap_or(502), "text/html", page, track);
        }
        if faults.refuses() {
            return self.refuse(faults, track);
        }
        if ask.stream && !faults.json_stream {
            return Ok(self.stream(&ask, track));
        }
        if let Some(wait) = faults.slow_first {
            tokio::time::sleep(wait).await;
        }
        self.whole(&ask, track)
    }

    /// The trouble that `@code`, `@status`, `@retryafter` or `@errorin200` name.
    fn trouble(&self, faults: &Faults) -> (u16, Trouble) {
        let voice = self.voice;
        let trouble = match (&faults.code, faults.status, &faults.retry_after) {
            (Some(code), _, _) => voice.trouble(code),
            (_, Some(status), _) if status >= 400 => voice.trouble_of_status(status),
            (_, _, Some(_)) => voice.trouble_of_status(429),
            _ => voice.trouble(voice.usual().broken),
        };
        let by_name = faults.code.is_some() || faults.retry_after.is_none();
        let status = match faults.status {
            _ if faults.error_in_200 => 200,
            Some(status) => status,
            None if by_name => voice.status_on_wire(&trouble),
            None => 429,
        };
        (status, trouble)
    }

    fn refuse(&self, faults: &Faults, track: Track) -> Reply {
        let (status, trouble) = self.trouble(faults);
        let mut body = self.voice.error_body(&trouble, self.stamp.serial);
        if faults.ascii {
            body = json::ascii(&body);
        }
        let mut reply = self.json(status, body, track)?;
        self.error_headers(&trouble, &mut reply);
        if let Some(wait) = &faults.retry_after {
            put(&mut reply, "retry-after", wait);
        }
        Ok(reply)
    }

    fn json(&self, status: u16, body: String, track: Track) -> Reply {
        let mut reply = plain(status, "application/json", body, track)?;
        self.own_headers(&mut reply);
        Ok(reply)
    }

    fn error_headers(&self, trouble: &Trouble, reply: &mut Response<Script>) {
        for (name, value) in self.voice.error_headers(trouble) {
            put(reply, name, &value);
        }
    }

    fn own_headers(&self, reply: &mut Response<Script>) {
        put(reply, "x-simulated-vendor", self.voice.name());
        for (name, value) in self.voice.headers(self.stamp.serial) {
            let name = HeaderName::from_bytes(name.as_bytes());
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(&value)) {
                reply.headers_mut().insert(name, value);
            }
        }
    }

    fn plan(&self, ask: &Ask) -> Plan {
        Plan::make(self.voice.label(), ask, self.stamp.serial)
    }

    fn stream_steps(&self, ask: &Ask) -> Vec<Step> {
        let frames = match &ask.ready {
            Some(Ready::Events(frames)) => frames.clone(),
            _ => self.voice.frames(ask, &self.plan(ask), &self.stamp),
        };
        let (_, trouble) = self.trouble(&ask.faults);
        let error = self.voice.error_frames(&trouble, &self.stamp);
        let frames = script::reshape(frames, &ask.faults, error);
        let wire = |text: &str| self.voice.wire(text);
        script::stream_steps(&frames, &ask.faults, self.pace, self.stamp.serial, wire)
    }

    fn stream(&self, ask: &Ask, mut track: Track) -> Response<Script> {
        let status = ask.faults.status.unwrap_or(200);
        track.status(status);
        track.streams();
        let steps = self.stream_steps(ask);
        let promised = data_len(&steps) + PROMISED_TOO_MUCH;
        let mut reply = Response::new(Script::steps(steps, track));
        *reply.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
        put(&mut reply, "content-type", self.voice.event_stream_type());
        put(&mut reply, "cache-control", "no-cache");
        self.own_headers(&mut reply);
        if ask.faults.wrong_len {
            put(&mut reply, "content-length", &promised.to_string());
        }
        reply
    }

    fn whole(&self, ask: &Ask, track: Track) -> Reply {
        let body = self.whole_body(ask);
        let (opening, kind) = match &ask.ready {
            Some(Ready::Whole(kind, _)) => ("", *kind),
            _ => (self.voice.whole_opening(), "application/json"),
        };
        let Some(steps) = script::whole_steps(opening, &body, &ask.faults) else {
            let mut reply = plain(200, kind, body, track)?;
            self.own_headers(&mut reply);
            return Ok(reply);
        };
        track.status(200);
        let mut reply = Response::new(Script::steps(steps, track));
        put(&mut reply, "content-type", kind);
        self.own_headers(&mut reply);
        let length = opening.len() + body.len();
        if ask.faults.wrong_len {
            put(
                &mut reply,
                "content-length",
                &(length + PROMISED_TOO_MUCH).to_string(),
            );
        } else if opening.is_empty() {
            put(&mut reply, "content-length", &length.to_string());
        }
        Ok(reply)
    }

    fn whole_body(&self, ask: &Ask) -> Vec<u8> {
        if let Some(Ready::Whole(_, body)) = &ask.ready {
            let mut body = body.clone();
            if ask.faults.bad_json.is_some() {
                body.truncate(body.len() / 2);
            }
            return body;
        }
        let mut body = self.voice.whole(ask, &self.plan(ask), &self.stamp);
        if ask.faults.ascii {
            body = json::ascii(&body);
        }
        if ask.faults.bad_json.is_some() {
            body.truncate(body.floor_char_boundary(body.len() / 2));
        }
        body.into_bytes()
    }

    /// Faults that no HTTP library would send. On HTTP/2 all of them become a reset of the stream.
    async fn raw(&self, ask: &Ask, socket: &TcpStream, track: Track) -> Reply {
        track.cut();
        if self.version == Version::HTTP_2 {
            return Err(Severed);
        }
        if ask.faults.reset {
            // Closing with a zero linger is what sends RST instead of FIN.
            let _ = socket.set_zero_linger();
            return Err(Severed);
        }
        let sent = if ask.faults.endless_headers {
            endless_headers(socket).await
        } else {
            self.both_lengths(ask, socket).await
        };
        if sent.is_ok() {
            tokio::time::sleep(RAW_LINGER).await;
        }
        Err(Severed)
    }

    /// A reply with both `content-length` and `transfer-encoding`: two readers of it see two different bodies.
    async fn both_lengths(&self, ask: &Ask, socket: &TcpStream) -> std::io::Result<()> {
        let (kind, body) = if ask.stream {
            let mut body = Vec::new();
            for step in self.stream_steps(ask) {
                if let Step::Data(data) = step {
                    body.extend_from_slice(&data);
                }
            }
            (self.voice.event_stream_type(), body)
        } else {
            ("application/json", self.whole_body(ask))
        };
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\nx-simulated-vendor: {}\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n",
            self.voice.name(),
            body.len()
        );
        write_raw(socket, head.as_bytes()).await?;
        write_raw(socket, &body).await?;
        write_raw(socket, b"\r\n0\r\n\r\n").await
    }
}

/// The token stands in a header of the reply.
fn pangu_token(arrived: &Arrived<'_>, track: Track) -> Reply {
    let (status, token, body) = surfaces::pangu_office(arrived);
    let mut reply = plain(status, "application/json", body, track)?;
    if !token.is_empty() {
        put(&mut reply, "x-subject-token", &token);
    }
    Ok(reply)
}

fn data_len(steps: &[Step]) -> usize {
    let len = |step: &Step| match step {
        Step::Data(data) => data.len(),
        _ => 0,
    };
    steps.iter().map(len).sum()
}

async fn endless_headers(socket: &TcpStream) -> std::io::Result<()> {
    write_raw(socket, b"HTTP/1.1 200 OK\r\n").await?;
    let line = format!("x-filler: {}\r\n", "a".repeat(500));
    for _ in 0..ENDLESS_HEADERS_MAX / line.len() {
        write_raw(socket, line.as_bytes()).await?;
    }
    Ok(())
}
