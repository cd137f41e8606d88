//! HTTP/1.1 to clients (RFC 9112): one task a connection, which reads a head, polls the request's answer and writes its reply.
//!
//! Ours and not hyper's, which keeps two buffers of 8 KiB for each connection and hands bodies on through a channel: here
//! all read buffers are the threads' (`crate::io`), a long body is read to where it is judged, and what is odd about a
//! request's framing is known where it is seen. Invariants: replies come in the order of their requests, one at a time; a
//! connection goes on only behind a request whose body was taken to its end; nothing waits without a clock.

pub(super) mod head;
mod line;
mod out;

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use http::{Method, StatusCode, Version};
use hyper::body::Body as _;
use tokio::io::AsyncWrite;
use wire::{Fault, Kind, Rope};

use self::head::{Head, Limits, Unreadable};
use self::line::{Line, lock};
use self::out::Frame;
use super::answer::{self, Inbound};
use crate::config::snapshot::Snapshot;
use crate::io::{Io, give_back};
use crate::pipeline::{ReplyBody, Response};
use crate::worker::{Peer, Worker};

pub use self::line::Body;

/// How long a client that was told the end is heard out, and how much of it.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 1 << 20;

/// What a client is given time for.
#[derive(Clone, Copy, Debug)]
struct Clocks {
    /// A head, from its first byte to its last.
    head: Duration,
    /// A connection on which nothing is asked.
    idle: Duration,
    /// A write that does not move.
    stall: Duration,
}

type Answering = Pin<Box<dyn Future<Output = Response> + Send>>;

enum State {
    /// A head is read, or waited for.
    Head,
    /// A request is being answered.
    Answering(Answering),
    /// Its reply goes down; `None`: all of it is written or about to be.
    Replying(Option<ReplyBody>),
    /// The last reply was written.
    Ending,
    /// The client is told that this was all, and may not have heard it yet; so many bytes came since.
    Lingering(usize),
}

/// A client's connection.
pub(super) struct Connection {
    worker: Arc<Worker>,
    peer: Arc<Peer>,
    line: Arc<Mutex<Line>>,
    limits: Limits,
    clocks: Clocks,
    state: State,
    frame: Frame,
    /// Since when it waits for what it waits for now.
    since: Option<Instant>,
    /// Bytes of an unfinished head that were looked at.
    seen: usize,
    /// Asked to end after what it has begun.
    leaving: bool,
    /// This request is the last.
    closes: bool,
    /// The request at hand: what its reply must be like.
    asked: Asked,
}

/// What of a request its reply is formed by.
#[derive(Clone, Copy, Debug, Default)]
struct Asked {
    head_only: bool,
    old: bool,
}

impl Connection {
    pub(super) fn new(worker: Arc<Worker>, peer: Arc<Peer>, snapshot: &Snapshot, io: Io) -> Self {
        let (limits, timeouts) = (&snapshot.limits, &snapshot.timeouts);
        Self {
            worker,
            peer,
            line: Line::new(io),
            limits: Limits {
                bytes: limits.header_bytes.bytes(),
                headers: limits.header_count as usize,
            },
            clocks: Clocks {
                head: timeouts.header_read.0,
                idle: timeouts.keepalive.0,
                stall: timeouts.client_write.0,
            },
            state: State::Head,
            frame: Frame::Nothing,
            since: None,
            seen: 0,
            leaving: false,
            closes: false,
            asked: Asked::default(),
        }
    }

    /// What runs is the last.
    pub(super) fn wind_down(&mut self) {
        self.leaving = true;
    }

    /// Waits on the connection's clock, which began when this was first asked since something moved.
    fn poll_late(&mut self, cx: &mut Context<'_>, most: Duration) -> Poll<()> {
        let since = *self.since.get_or_insert_with(Instant::now);
        self.peer.alarm().poll_until(cx, since + most)
    }

    /// Waits for a request and begins to answer it. False: there is no other.
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        loop {
            match self.take_head() {
                Ok(Some(head)) => {
                    self.ask(head);
                    return Poll::Ready(Ok(true));
                }
                Ok(None) => {}
                Err(why) => {
                    lock(&self.line).breaks();
                    self.asked = Asked::default();
                    self.reply(answer::unreadable(&self.worker, why.into()));
                    return Poll::Ready(Ok(true));
                }
            }
            let mut line = lock(&self.line);
            let Poll::Ready(read) = line.poll_read(cx) else {
                break;
            };
            let mut read = read?;
            if read.is_empty() {
                give_back(read);
                return Poll::Ready(Ok(false));
            }
            if line.early.is_empty() {
                line.early = read.split();
            } else {
                line.early.extend_from_slice(&read);
            }
            give_back(read);
        }
        let begun = self.seen > 0;
        if self.leaving && !begun {
            return Poll::Ready(Ok(false));
        }
        let Clocks { head, idle, .. } = self.clocks;
        ready!(self.poll_late(cx, if begun { head } else { idle }));
        // A client that asks nothing is left without a word.
        Poll::Ready(if begun {
            Err(io::ErrorKind::TimedOut.into())
        } else {
            Ok(false)
        })
    }

    /// The head that was read, if it is here whole.
    fn take_head(&mut self) -> Result<Option<Head>, Unreadable> {
        let early = &mut lock(&self.line).early;
        if self.seen == 0 {
            // Blank lines before a request are passed over (RFC 9112, section 2.2).
            let blank = early
                .iter()
                .take_while(|byte| matches!(byte, b'\r' | b'\n'));
            let blank = blank.count();
            early.advance(blank);
        }
        if self.seen == early.len() {
            return Ok(None);
        }
        let head = head::take(early, self.seen, self.limits)?;
        if head.is_none() {
            if self.seen == 0 {
                // From here on its own clock runs, and its bytes are its own.
                self.since = None;
                *early = BytesMut::from(&**early);
            }
            self.seen = early.len();
        }
        Ok(head)
    }

    /// Begins to answer a request.
    fn ask(&mut self, head: Head) {
        (self.since, self.seen, self.closes) = (None, 0, !head.keeps);
        self.asked = Asked {
            head_only: head.request.method == Method::HEAD,
            old: head.request.version == Version::HTTP_10,
        };
        lock(&self.line).begin(head.framing, head.expects);
        let body = Inbound::Line(Body(Arc::clone(&self.line)));
        let (worker, peer) = (Arc::clone(&self.worker), Arc::clone(&self.peer));
        // Made where it stays: all of it would be copied there, though nearly all of it is room for later.
        let room = Box::new_uninit();
        let answering = Box::write(room, answer::answer(worker, peer, head.request, body));
        self.state = State::Answering(Box::into_pin(answering));
    }

    /// Begins to write a reply.
    fn reply(&mut self, reply: Response) {
        let Response {
            status,
            headers,
            body,
        } = reply;
        let mut line = lock(&self.line);
        self.closes |= !line.is_over();
        let length = body.size_hint().exact();
        self.frame = match length {
            _ if matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) => {
                Frame::Nothing
            }
            Some(length) => Frame::Length(length),
            None if self.asked.old => Frame::UntilClose,
            None => Frame::Chunked,
        };
        self.closes |= self.leaving || self.frame == Frame::UntilClose || headers.closes();
        let connection: &[u8] = match (self.closes, self.asked.old) {
            (true, _) => b"close",
            (false, true) => b"keep-alive",
            (false, false) => b"",
        };
        let now_ms = self.worker.now_ms();
        let head = (status, &headers, self.frame);
        line.out.head(head, connection, now_ms);
        let silent = self.asked.head_only || self.frame == Frame::Nothing;
        self.state = State::Replying((!silent).then_some(body));
    }

    /// Writes the reply as it comes. `Ready`: all of it was written.
    fn poll_reply(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut waits = false;
            if let State::Replying(body) = &mut self.state
                && let Some(coming) = body
                && lock(&self.line).out.has_room()
            {
                match Pin::new(&mut *coming).poll_frame(cx) {
                    Poll::Ready(Some(Ok(frame))) => {
                        let part = frame.into_data().unwrap_or_default();
                        let last = coming.is_end_stream();
                        lock(&self.line).out.body(part, self.frame, last);
                        if last {
                            *body = None;
                        }
                    }
                    Poll::Ready(None) => {
                        let mut line = lock(&self.line);
                        line.out.body(Rope::new(), self.frame, true);
                        *body = None;
                    }
                    // What has begun cannot be taken back: it is cut.
                    Poll::Ready(Some(Err(broken))) => {
                        if self.frame == Frame::UntilClose {
                            // A plain close would be its end.
                            lock(&self.line).io.break_off();
                        }
                        return Poll::Ready(Err(io::Error::other(broken)));
                    }
                    Poll::Pending => waits = true,
                }
            }
            ready!(self.poll_write(cx))?;
            if waits {
                return self.poll_left(cx);
            }
            if let State::Replying(None) = self.state {
                return Poll::Ready(Ok(()));
            }
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut moved = false;
        let written = lock(&self.line).poll_write(cx, &mut moved);
        if moved {
            self.since = None;
        }
        if written.is_pending() {
            ready!(self.poll_late(cx, self.clocks.stall));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        written
    }

    /// Nothing goes down now: has the client left?
    fn poll_left<T>(&self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if lock(&self.line).left(cx) {
            Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()))
        } else {
            Poll::Pending
        }
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut lock(&self.line).io).poll_shutdown(cx);
        if shut.is_pending() {
            ready!(self.poll_late(cx, self.clocks.stall));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        shut
    }

    /// A client that still sends would have what it was told taken from it with the connection (RFC 9112, section 9.6): for a
    /// little it is heard out.
    fn poll_linger(&mut self, cx: &mut Context<'_>, mut heard: usize) -> Poll<()> {
        loop {
            let read = lock(&self.line).poll_read(cx);
            match read {
                Poll::Ready(Ok(read)) if !read.is_empty() && heard < LINGER_BYTES => {
                    heard += read.len();
                    self.state = State::Lingering(heard);
                    give_back(read);
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return self.poll_late(cx, LINGER),
            }
        }
    }
}

impl Future for Connection {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            match &mut this.state {
                State::Head => {
                    if !ready!(this.poll_head(cx))? {
                        this.state = State::Ending;
                    }
                }
                State::Answering(answering) => match answering.as_mut().poll(cx) {
                    Poll::Ready(reply) => this.reply(reply),
                    Poll::Pending => return this.poll_left(cx),
                },
                State::Replying(_) => {
                    ready!(this.poll_reply(cx))?;
                    this.since = None;
                    // A body that outlives its request could take bytes of the next one's.
                    let lent = Arc::strong_count(&this.line) > 1;
                    let over = this.closes || this.leaving || lent;
                    this.state = if over { State::Ending } else { State::Head };
                }
                State::Ending => {
                    ready!(this.poll_end(cx))?;
                    if lock(&this.line).is_heard() {
                        return Poll::Ready(Ok(()));
                    }
                    this.since = None;
                    this.state = State::Lingering(0);
                }
                State::Lingering(heard) => {
                    let heard = *heard;
                    ready!(this.poll_linger(cx, heard));
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }
}

impl From<Unreadable> for Fault {
    fn from(unreadable: Unreadable) -> Self {
        match unreadable {
            Unreadable::Malformed => Self::new(Kind::BadRequest)
                .reason("head")
                .message("This is not a request of HTTP/1.1."),
            Unreadable::Uri => Self::new(Kind::TooLarge).reason("uri_too_long").status(414),
            Unreadable::TooLarge => Self::new(Kind::TooLarge)
                .reason("head_too_large")
                .message("The request's headers are too large.")
                .status(431),
        }
    }
}
