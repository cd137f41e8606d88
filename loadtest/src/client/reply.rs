//! Reads one HTTP/1.1 reply incrementally: head, length or chunks, and the SSE events within.
//!
//! It must never know sockets or time. Invariants: any cut of the input gives the same result; what is not sound
//! framing is an error, never a guess; memory is bounded by `HEAD_MAX` and `LINE_MAX`.

use anyhow::{Context as _, bail, ensure};
use memchr::{memchr, memmem};

/// Longest head, bytes.
const HEAD_MAX: usize = 64 * 1024;
/// Longest line of an event that is looked at, and longest chunk-size line, bytes.
const LINE_MAX: usize = 64 * 1024;
/// How much of a failed reply is kept to be told, bytes.
const EXCERPT: usize = 512;

/// One reply, fed as it comes. `reset` makes it ready for the next one and keeps its buffers.
#[derive(Debug)]
pub(crate) struct Reply {
    state: State,
    head: Vec<u8>,
    line: Vec<u8>,
    excerpt: Vec<u8>,
    events: Events,
    status: u16,
    closes: bool,
    is_sse: bool,
    body_bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Head,
    Length(u64),
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    Trailer,
    End,
}

impl Reply {
    pub(crate) fn new() -> Self {
        Reply {
            state: State::Head,
            head: Vec::new(),
            line: Vec::new(),
            excerpt: Vec::new(),
            events: Events::default(),
            status: 0,
            closes: false,
            is_sse: false,
            body_bytes: 0,
        }
    }

    pub(crate) fn reset(&mut self) {
        self.state = State::Head;
        self.head.clear();
        self.line.clear();
        self.excerpt.clear();
        self.events.reset();
        (self.status, self.closes, self.is_sse, self.body_bytes) = (0, false, false, 0);
    }

    /// The reply is complete.
    pub(crate) fn ended(&self) -> bool {
        self.state == State::End
    }

    /// 0 until the head is read.
    pub(crate) fn status(&self) -> u16 {
        self.status
    }

    /// The server will close the connection after this reply.
    pub(crate) fn closes(&self) -> bool {
        self.closes
    }

    pub(crate) fn body_bytes(&self) -> u64 {
        self.body_bytes
    }

    /// `data:` events seen, `[DONE]` not counted.
    pub(crate) fn events(&self) -> u64 {
        self.events.count
    }

    /// `data: [DONE]` was the last event.
    pub(crate) fn done(&self) -> bool {
        self.events.done
    }

    /// The beginning of a body that is not a stream of events or not status 200, for the error message.
    pub(crate) fn excerpt(&self) -> String {
        String::from_utf8_lossy(&self.excerpt).into_owned()
    }

    /// Takes what one read brought. An error means that the connection is of no further use.
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) -> anyhow::Result<()> {
        while !bytes.is_empty() {
            bytes = match self.state {
                State::Head => self.feed_head(bytes)?,
                State::Length(left) => {
                    let (now, rest) = split(bytes, left);
                    self.body(now)?;
                    let left = left - now.len() as u64;
                    self.state = if left == 0 {
                        State::End
                    } else {
                        State::Length(left)
                    };
                    rest
                }
                State::Chunk(left) => {
                    let (now, rest) = split(bytes, left);
                    self.body(now)?;
                    let left = left - now.len() as u64;
                    self.state = if left == 0 {
                        State::ChunkEnd
                    } else {
                        State::Chunk(left)
                    };
                    rest
                }
                State::ChunkSize | State::ChunkEnd | State::Trailer => self.feed_line(bytes)?,
                State::End => bail!("{} bytes after the end of the reply", bytes.len()),
            };
        }
        Ok(())
    }

    /// What to say when the server closed the connection.
    pub(crate) fn cut(&self) -> anyhow::Error {
        anyhow::anyhow!(
            "connection closed in state {:?} after {} body bytes",
            self.state,
            self.body_bytes
        )
    }

    fn feed_head<'a>(&mut self, bytes: &'a [u8]) -> anyhow::Result<&'a [u8]> {
        let before = self.head.len();
        self.head.extend_from_slice(bytes);
        let from = before.saturating_sub(3);
        let Some(at) = memmem::find(&self.head[from..], b"\r\n\r\n") else {
            ensure!(self.head.len() <= HEAD_MAX, "head over {HEAD_MAX} bytes");
            return Ok(&[]);
        };
        let end = from + at + 4;
        self.head.truncate(end);
        let head = std::mem::take(&mut self.head);
        self.read_head(&head)?;
        self.head = head;
        self.head.clear();
        Ok(&bytes[end - before..])
    }

    fn read_head(&mut self, head: &[u8]) -> anyhow::Result<()> {
        let text = std::str::from_utf8(head).context("head is not text")?;
        let mut lines = text.split("\r\n");
        let first = lines.next().unwrap_or_default();
        let status = first
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3));
        self.status = status
            .with_context(|| format!("bad status line {first:?}"))?
            .parse()?;
        let (mut length, mut chunked) = (None, false);
        for line in lines.filter(|line| !line.is_empty()) {
            let (name, value) = line
                .split_once(':')
                .with_context(|| format!("bad header {line:?}"))?;
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                ensure!(length.is_none(), "two content-lengths");
                length = Some(
                    value
                        .parse::<u64>()
                        .with_context(|| format!("content-length {value:?}"))?,
                );
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                ensure!(
                    value.eq_ignore_ascii_case("chunked"),
                    "transfer-encoding {value:?}"
                );
                chunked = true;
            } else if name.eq_ignore_ascii_case("connection") {
                self.closes = value.eq_ignore_ascii_case("close");
            } else if name.eq_ignore_ascii_case("content-type") {
                self.is_sse = value.starts_with("text/event-stream");
            }
        }
        self.state = match (self.status, chunked, length) {
            (100..=199, ..) => State::Head,
            (204 | 304, ..) | (_, false, Some(0)) => State::End,
            (_, true, None) => State::ChunkSize,
            (_, false, Some(length)) => State::Length(length),
            (_, true, Some(_)) => bail!("both content-length and transfer-encoding"),
            (_, false, None) => bail!("neither content-length nor transfer-encoding"),
        };
        Ok(())
    }

    /// Chunk sizes, the line end after a chunk, trailers.
    fn feed_line<'a>(&mut self, bytes: &'a [u8]) -> anyhow::Result<&'a [u8]> {
        let Some(at) = memchr(b'\n', bytes) else {
            self.line.extend_from_slice(bytes);
            ensure!(self.line.len() <= LINE_MAX, "line over {LINE_MAX} bytes");
            return Ok(&[]);
        };
        let (now, rest) = bytes.split_at(at + 1);
        if self.line.is_empty() {
            self.state = after_line(self.state, now)?;
        } else {
            self.line.extend_from_slice(now);
            self.state = after_line(self.state, &self.line)?;
            self.line.clear();
        }
        Ok(rest)
    }

    fn body(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.body_bytes += bytes.len() as u64;
        if self.is_sse {
            self.events.feed(bytes)
        } else {
            let room = EXCERPT - self.excerpt.len().min(EXCERPT);
            self.excerpt
                .extend_from_slice(&bytes[..bytes.len().min(room)]);
            Ok(())
        }
    }
}

fn split(bytes: &[u8], left: u64) -> (&[u8], &[u8]) {
    bytes.split_at(usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len()))
}

fn after_line(state: State, line: &[u8]) -> anyhow::Result<State> {
    let line = line.strip_suffix(b"\r\n").context("line end is not CRLF")?;
    Ok(match state {
        State::ChunkSize => {
            let size = line.split(|&byte| byte == b';').next().unwrap_or_default();
            let size = std::str::from_utf8(size)?.trim_end();
            ensure!(
                !size.is_empty() && !size.starts_with('+'),
                "empty chunk size"
            );
            match u64::from_str_radix(size, 16).with_context(|| format!("chunk size {size:?}"))? {
                0 => State::Trailer,
                size => State::Chunk(size),
            }
        }
        State::ChunkEnd => {
            ensure!(line.is_empty(), "chunk longer than its size");
            State::ChunkSize
        }
        _ if line.is_empty() => State::End,
        other => other,
    })
}

/// Counts the events of an SSE stream by their `data:` lines: model vendors send one line an event.
#[derive(Debug, Default)]
struct Events {
    line: Vec<u8>,
    count: u64,
    done: bool,
}

impl Events {
    fn reset(&mut self) {
        self.line.clear();
        (self.count, self.done) = (0, false);
    }

    fn feed(&mut self, mut bytes: &[u8]) -> anyhow::Result<()> {
        while let Some(at) = memchr(b'\n', bytes) {
            let (now, rest) = bytes.split_at(at + 1);
            bytes = rest;
            if self.line.is_empty() {
                self.on_line(now)?;
            } else {
                self.line.extend_from_slice(now);
                let line = std::mem::take(&mut self.line);
                self.on_line(&line)?;
                self.line = line;
                self.line.clear();
            }
        }
        self.line.extend_from_slice(bytes);
        ensure!(
            self.line.len() <= LINE_MAX,
            "event line over {LINE_MAX} bytes"
        );
        Ok(())
    }

    fn on_line(&mut self, line: &[u8]) -> anyhow::Result<()> {
        let Some(data) = line.strip_prefix(b"data:") else {
            return Ok(());
        };
        ensure!(!self.done, "an event after [DONE]");
        let data = data.trim_ascii();
        if data == b"[DONE]" {
            self.done = true;
            return Ok(());
        }
        ensure!(
            !data.starts_with(b"{\"error\""),
            "error event {}",
            String::from_utf8_lossy(data)
        );
        self.count += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n\
        9\r\ndata: {}\n\r\n1;x=y\r\n\n\r\nD\r\ndata: {\"a\":1}\r\n3\r\n\n\n:\r\n10\r\n\ndata: [DONE]\n\n\n\r\n0\r\nx: y\r\n\r\n";
    const WHOLE: &str =
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\ncontent-type: application/json\r\n\r\n{\"a\"}";

    fn read(text: &str, cut: usize) -> anyhow::Result<Reply> {
        let mut reply = Reply::new();
        for part in text.as_bytes().chunks(cut) {
            reply.feed(part)?;
        }
        Ok(reply)
    }

    #[test]
    fn any_cut_gives_the_same_stream() {
        for cut in 1..=STREAM.len() {
            let reply = read(STREAM, cut).unwrap();
            assert!(reply.ended() && reply.done(), "cut {cut}");
            assert_eq!(
                (reply.status(), reply.events(), reply.body_bytes()),
                (200, 2, 42)
            );
        }
    }

    #[test]
    fn any_cut_gives_the_same_body() {
        for cut in 1..=WHOLE.len() {
            let reply = read(WHOLE, cut).unwrap();
            assert!(reply.ended(), "cut {cut}");
            assert_eq!(
                (reply.body_bytes(), reply.excerpt().as_str()),
                (5, "{\"a\"}")
            );
        }
    }

    #[test]
    fn a_reply_can_be_reset_and_an_interim_one_is_skipped() {
        let mut reply = read(STREAM, 7).unwrap();
        reply.reset();
        reply.feed(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap();
        reply.feed(WHOLE.as_bytes()).unwrap();
        assert!(reply.ended() && !reply.done());
        assert_eq!((reply.events(), reply.body_bytes()), (0, 5));
    }

    #[test]
    fn an_unfinished_reply_is_not_ended() {
        for text in [
            &STREAM[..STREAM.len() - 1],
            &WHOLE[..WHOLE.len() - 1],
            "HTTP/1.1 200 OK\r\n",
        ] {
            assert!(!read(text, 3).unwrap().ended());
        }
    }

    #[test]
    fn unsound_replies_are_errors() {
        for text in [
            "HTTP/1.0 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\na",
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nab",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nz\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nab\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\n\n",
        ] {
            assert!(read(text, 5).is_err(), "{text:?}");
        }
        let sse = |body: &str| {
            format!(
                "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            )
        };
        assert!(
            read(&sse("data: [DONE]\n\ndata: {}\n\n"), 5).is_err(),
            "event after [DONE]"
        );
        assert!(
            read(&sse("data: {\"error\":{}}\n\n"), 5).is_err(),
            "error event"
        );
    }
}
