//! From a request to its reply: record, find the surface, admit, read, then say what was planned or fail as asked.
//!
//! It must never know a vendor's fields: those are behind [`Voice`].

use crate::Options;
use crate::answer::Call;
use crate::body::{Script, Severed};
use crate::handshake::{handshake, switch};
use crate::json;
use crate::plan::Ask;
use crate::record::{Received, Records, Track};
use crate::socket::{Job, Slot};
use crate::surfaces::{self, Arrived, IAM_PATH, Stamp, TOKEN_PATH, Tokens, Trouble, Voice};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::net::TcpStream;

/// Largest request body that is read.
const BODY_MAX: usize = 64 << 20;

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
    if surface == "pangu-token" {
        return pangu_token(&arrived, track);
    }
    if let Some((status, body)) = office(&shared, surface, &arrived, serial) {
        return plain(status, "application/json", body, track);
    }
    let Some((voice, _)) = found else {
        return of_no_vendor(&path, track);
    };
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
    call.answer(outcome, &socket, track).await
}

/// What answers beside the vendors' own APIs: offices that give out tokens, and what lies behind a redirect.
fn office(
    shared: &Shared,
    surface: &str,
    arrived: &Arrived<'_>,
    serial: u64,
) -> Option<(u16, String)> {
    match surface {
        "wenxin-v1-token" => {
            let now_s = arrived.now_ms / 1000;
            Some(shared.tokens.office(arrived.query, now_s))
        }
        "wenxin-iam" => Some(surfaces::iam_office(arrived, serial)),
        "trap" => Some((200, "{\"trap\":\"a redirect was followed\"}".to_owned())),
        _ => None,
    }
}

/// A path that no vendor has: that of a health check, or none at all.
fn of_no_vendor(path: &str, track: Track) -> Reply {
    let (status, body) = if is_health(path) {
        (200, "{\"status\":\"ok\"}")
    } else {
        (404, "{\"detail\":\"the simulator knows no such path\"}")
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

pub(crate) fn plain(status: u16, kind: &str, body: impl Into<Bytes>, track: Track) -> Reply {
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

/// The token stands in a header of the reply.
fn pangu_token(arrived: &Arrived<'_>, track: Track) -> Reply {
    let (status, token, body) = surfaces::pangu_office(arrived);
    let mut reply = plain(status, "application/json", body, track)?;
    if !token.is_empty() {
        put(&mut reply, "x-subject-token", &token);
    }
    Ok(reply)
}
