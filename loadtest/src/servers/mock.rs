//! The mock upstream: an OpenAI-style `POST /v1/chat/completions` whose behaviour is chosen by the model's name.
//!
//! `w1` 2 KiB whole · `w5` short whole · `w2` 200 events, unpaced · `w3` 250 events, one each 20 ms · `ttft` 8 events ·
//! `idle` one event, then silence. It must never parse JSON nor allocate per event: it shares the cores with what is
//! measured. Invariant: `GET /stats` counts the streams open now, so a test can see a client's leaving arrive here.

use crate::script::{REPLY, Script, reply};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use memchr::memmem;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};

/// Pace of `w3`.
const PACE: Duration = Duration::from_millis(20);
/// How far into a body the model's name is looked for before more frames are joined.
const MODEL: &[u8] = b"\"model\"";

/// Serves until killed.
pub(crate) async fn run(listen: SocketAddr) -> anyhow::Result<()> {
    let mock = Arc::new(Mock::new());
    let service = service_fn(move |request: Request<Incoming>| {
        let mock = Arc::clone(&mock);
        async move { Ok::<_, Infallible>(mock.answer(request).await) }
    });
    super::serve(listen, service).await
}

struct Mock {
    w1: Bytes,
    w5: Bytes,
    w2: Arc<Script>,
    w3: Arc<Script>,
    ttft: Arc<Script>,
    idle: Arc<Script>,
    open: Arc<AtomicU64>,
}

impl Mock {
    fn new() -> Self {
        Mock {
            w1: reply("w1", REPLY),
            w5: reply("w5", 0),
            w2: Arc::new(Script::new("w2", 200)),
            w3: Arc::new(Script::new("w3", 250)),
            ttft: Arc::new(Script::new("ttft", 8)),
            idle: Arc::new(Script::new("idle", 2)),
            open: Arc::new(AtomicU64::new(0)),
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Reply> {
        if request.method() == Method::GET {
            let open = self.open.load(Ordering::Relaxed);
            return whole(
                StatusCode::OK,
                Bytes::from(format!("{{\"open_streams\":{open}}}")),
            );
        }
        let Some(asked) = read(request.into_body()).await else {
            return whole(
                StatusCode::BAD_REQUEST,
                Bytes::from_static(br#"{"error":{"message":"no model"}}"#),
            );
        };
        match asked.model.as_slice() {
            b"w1" => whole(StatusCode::OK, self.w1.clone()),
            b"w5" => whole(StatusCode::OK, self.w5.clone()),
            b"w2" => self.stream(&self.w2, Pace::Free, asked.usage),
            b"w3" => self.stream(
                &self.w3,
                Pace::Each(Box::pin(sleep_until(Instant::now()))),
                asked.usage,
            ),
            b"ttft" => self.stream(&self.ttft, Pace::Free, asked.usage),
            b"idle" => self.stream(&self.idle, Pace::Silent, asked.usage),
            _ => whole(
                StatusCode::NOT_FOUND,
                Bytes::from_static(br#"{"error":{"message":"no such model"}}"#),
            ),
        }
    }

    fn stream(&self, script: &Arc<Script>, pace: Pace, usage: bool) -> Response<Reply> {
        self.open.fetch_add(1, Ordering::Relaxed);
        let stream = Stream {
            script: Arc::clone(script),
            next: 0,
            usage,
            pace,
            open: Arc::clone(&self.open),
        };
        respond(
            StatusCode::OK,
            HeaderValue::from_static("text/event-stream; charset=utf-8"),
            Reply::Stream(stream),
        )
    }
}

/// What the mock needs to know of a request.
struct Asked {
    model: Vec<u8>,
    usage: bool,
}

/// Reads the whole body, keeps only what is asked. `None`: no model in it, or the client left.
async fn read(mut body: Incoming) -> Option<Asked> {
    let mut joined: Vec<u8> = Vec::new();
    let mut asked: Option<Asked> = None;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.ok()?.into_data() else {
            continue;
        };
        match &mut asked {
            // A long prompt is let go as it comes; only streams are asked for usage, and those are short.
            Some(asked) if asked.model.starts_with(b"w1") || asked.model.starts_with(b"w5") => {}
            Some(asked) => {
                joined.extend_from_slice(&data);
                asked.usage = asks_usage(&joined);
            }
            None => {
                joined.extend_from_slice(&data);
                asked = model_of(&joined).map(|model| Asked {
                    model,
                    usage: asks_usage(&joined),
                });
            }
        }
    }
    asked
}

fn asks_usage(body: &[u8]) -> bool {
    memmem::find(body, b"include_usage").is_some()
}

/// The string after the first `"model":`.
fn model_of(body: &[u8]) -> Option<Vec<u8>> {
    let after = body.get(memmem::find(body, MODEL)? + MODEL.len()..)?;
    let open = memchr::memchr(b'"', after)? + 1;
    let value = after.get(open..)?;
    Some(value.get(..memchr::memchr(b'"', value)?)?.to_vec())
}

fn whole(status: StatusCode, body: Bytes) -> Response<Reply> {
    respond(
        status,
        HeaderValue::from_static("application/json"),
        Reply::Whole(Some(body)),
    )
}

fn respond(status: StatusCode, kind: HeaderValue, body: Reply) -> Response<Reply> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(
        "x-request-id",
        HeaderValue::from_static("req_5d1f0c7a92be46538e1a7f3a9c21d0b4"),
    );
    headers.insert("openai-processing-ms", HeaderValue::from_static("12"));
    response
}

enum Reply {
    Whole(Option<Bytes>),
    Stream(Stream),
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let data = match self.get_mut() {
            Reply::Whole(body) => body.take(),
            Reply::Stream(stream) => ready!(stream.poll(cx)),
        };
        Poll::Ready(data.map(|data| Ok(Frame::data(data))))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Reply::Whole(body) => SizeHint::with_exact(body.as_ref().map_or(0, |b| b.len() as u64)),
            Reply::Stream(_) => SizeHint::default(),
        }
    }
}

enum Pace {
    Free,
    Each(Pin<Box<Sleep>>),
    /// The first event, and never another.
    Silent,
}

struct Stream {
    script: Arc<Script>,
    next: usize,
    usage: bool,
    pace: Pace,
    open: Arc<AtomicU64>,
}

impl Stream {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let at = self.next;
        let events = self.script.events.len();
        if at < events {
            ready!(self.poll_pace(cx));
        }
        self.next += 1;
        if let Some(event) = self.script.events.get(at) {
            return Poll::Ready(Some(event.clone()));
        }
        // After the events: usage if asked, then the end.
        Poll::Ready(match at - events + usize::from(!self.usage) {
            0 => Some(self.script.usage.clone()),
            1 => Some(self.script.done.clone()),
            _ => None,
        })
    }

    fn poll_pace(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.pace {
            Pace::Free => Poll::Ready(()),
            Pace::Silent if self.next == 0 => Poll::Ready(()),
            Pace::Silent => Poll::Pending,
            Pace::Each(sleep) => {
                ready!(sleep.as_mut().poll(cx));
                // Behind schedule, a tick is skipped rather than doubled: two events in one write would
                // make the proxy's work look cheaper than it is.
                let now = Instant::now();
                let due = sleep.deadline() + PACE;
                sleep
                    .as_mut()
                    .reset(if due > now { due } else { now + PACE });
                Poll::Ready(())
            }
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn model_is_found_with_and_without_blanks() {
        for body in [
            r#"{"model":"w2","messages":[]}"#,
            r#"{ "stream": true, "model" : "w2" }"#,
        ] {
            assert_eq!(model_of(body.as_bytes()).as_deref(), Some(&b"w2"[..]));
        }
        assert_eq!(model_of(br#"{"mod"#), None);
        assert_eq!(model_of(br#"{"model":"w"#), None);
    }

    #[test]
    fn a_stream_ends_with_usage_if_asked_and_done() {
        for usage in [false, true] {
            let script = Arc::new(Script::new("w2", 5));
            let open = Arc::new(AtomicU64::new(1));
            let mut stream = Stream {
                script: Arc::clone(&script),
                next: 0,
                usage,
                pace: Pace::Free,
                open: Arc::clone(&open),
            };
            let mut cx = Context::from_waker(std::task::Waker::noop());
            let mut got = Vec::new();
            while let Poll::Ready(Some(event)) = stream.poll(&mut cx) {
                got.push(event);
            }
            assert_eq!(got.len(), 6 + usize::from(usage));
            assert_eq!(got.last(), Some(&script.done));
            assert_eq!(got.contains(&script.usage), usage);
            drop(stream);
            assert_eq!(open.load(Ordering::Relaxed), 0);
        }
    }
}
