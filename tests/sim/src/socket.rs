//! A WebSocket as a server (RFC 6455): the handshake, the client's one message, and a reply played as frames.
//!
//! Written from the RFC alone; no code is shared with what is tested. What a client must not do ends its connection: a frame
//! without a mask, a message that is no text. It must never know a vendor's fields: those are behind [`Voice`].

use crate::body::{CUT_FLUSH, Step};
use crate::faults::Faults;
use crate::json;
use crate::plan::{Ask, Plan};
use crate::record::Track;
use crate::script;
use crate::serve::{Shared, arrived};
use crate::surfaces::{Frame, Kind, Stamp, Trouble, Voice};
use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::HeaderMap;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use std::io::{Error, Result};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Bytes of the message that a client may send.
const MESSAGE_BYTES_MAX: usize = 64 << 20;
/// What a server joins to a key.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// How long a client may leave a connection open whose answer is at its end.
const CLOSE_WAIT: Duration = Duration::from_secs(5);

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// What a connection does once its handshake was answered.
pub(crate) type Slot = Mutex<Option<Job>>;

/// A WebSocket that is about to be open.
pub(crate) struct Job {
    pub(crate) upgrade: OnUpgrade,
    pub(crate) voice: &'static dyn Voice,
    pub(crate) head: http::request::Parts,
    pub(crate) rest: String,
    pub(crate) shared: Arc<Shared>,
    pub(crate) stamp: Stamp,
    pub(crate) track: Track,
}

/// The answer to a client's key, if its handshake is one.
pub(crate) fn accept(headers: &HeaderMap) -> Option<String> {
    let value = |name: &str| headers.get(name)?.to_str().ok();
    let has = |name: &str, word: &str| {
        let values = headers.get_all(name).iter();
        let mut tokens = values
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','));
        tokens.any(|token| token.trim().eq_ignore_ascii_case(word))
    };
    let key = value("sec-websocket-key")?;
    let sound = has("upgrade", "websocket")
        && has("connection", "upgrade")
        && value("sec-websocket-version") == Some("13")
        && headers.get_all("sec-websocket-key").iter().count() == 1
        && STANDARD.decode(key).is_ok_and(|key| key.len() == 16);
    let sum = digest::digest(
        &digest::SHA1_FOR_LEGACY_USE_ONLY,
        format!("{key}{GUID}").as_bytes(),
    );
    sound.then(|| STANDARD.encode(sum))
}

/// Runs what is in the slot, if anything is.
pub(crate) async fn run(slot: &Slot) {
    let job = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(job) = job {
        // An error is the client leaving, or not keeping to the protocol.
        let _ = job.run().await;
    }
}

impl Job {
    async fn run(mut self) -> Result<()> {
        let upgraded = (&mut self.upgrade).await.map_err(Error::other)?;
        let mut io = TokioIo::new(upgraded);
        let Some(message) = message(&mut io, &self.track).await? else {
            return Ok(());
        };
        self.track.message(&message);
        self.track.streams();
        let (steps, end) = self.steps(&message);
        play(io, steps, end, self.track).await
    }

    /// What is played, and how it ends.
    fn steps(&mut self, message: &Bytes) -> (Vec<Step>, End) {
        let ask = match self.understand(message) {
            Ok(ask) => ask,
            Err(trouble) => {
                let frames = self.voice.error_frames(&trouble, &self.stamp);
                let plain = Faults::default();
                let steps =
                    script::stream_steps(&frames, &plain, self.shared.options.pace, 0, |text| {
                        wire(text, &plain)
                    });
                return (steps, End::Waits);
            }
        };
        self.stamp.model.clone_from(&ask.model);
        let faults = &ask.faults;
        let error = self.voice.error_frames(&self.trouble(faults), &self.stamp);
        let refused =
            faults.error_event.is_none() && (faults.code.is_some() || faults.error_in_200);
        let plan = Plan::make(self.voice.label(), &ask, self.stamp.serial);
        let frames = if refused {
            error.clone()
        } else if faults.json_stream {
            let whole = self.voice.whole(&ask, &plan, &self.stamp);
            vec![Frame::data(Kind::Finish, &whole)]
        } else {
            self.voice.frames(&ask, &plan, &self.stamp)
        };
        let frames = script::reshape(frames, faults, error);
        let mut steps = script::stream_steps(
            &frames,
            faults,
            self.shared.options.pace,
            self.stamp.serial,
            |text| wire(text, faults),
        );
        if faults.wrong_len {
            steps.push(Step::Cut);
        }
        let closes = faults.end_event.is_some() || faults.frame.as_deref() == Some("close");
        (
            steps,
            if closes {
                End::Closes(faults.frame.is_some())
            } else {
                End::Waits
            },
        )
    }

    fn understand(&self, message: &Bytes) -> std::result::Result<Ask, Trouble> {
        let usual = self.voice.usual();
        let body = json::parse(message)
            .ok()
            .filter(serde_json::Value::is_object);
        let body = body.ok_or_else(|| self.voice.trouble(usual.malformed))?;
        let arrived = arrived(&self.shared, &self.head, &self.rest, message);
        let ask = self.voice.read(&arrived, &body)?;
        if ask.base.starts_with("no-such") {
            return Err(self.voice.trouble(usual.no_model));
        }
        Ok(ask)
    }

    fn trouble(&self, faults: &Faults) -> Trouble {
        match (&faults.code, faults.status) {
            (Some(code), _) => self.voice.trouble(code),
            (None, Some(status)) if status >= 400 => self.voice.trouble_of_status(status),
            _ => self.voice.trouble(self.voice.usual().broken),
        }
    }
}

/// What happens when all was said.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// The client closes.
    Waits,
    /// The server does, because something failed or for no reason.
    Closes(bool),
}

/// An event's frames; a comment is a ping.
fn wire(text: &str, faults: &Faults) -> Vec<u8> {
    let mut out = Vec::new();
    if let Some(comment) = text.strip_prefix(':') {
        frame(&mut out, 0x80 | PING, comment.trim().as_bytes());
        return out;
    }
    let payload = text.strip_prefix("data:").unwrap_or(text).trim();
    let payload = payload.as_bytes();
    match faults.frame.as_deref() {
        Some("binary") => frame(&mut out, 0x80 | BINARY, payload),
        Some("reserved") => frame(&mut out, 0xc0 | TEXT, payload),
        Some("unknown") => frame(&mut out, 0x83, payload),
        Some("rest") => frame(&mut out, 0x80, payload),
        Some("utf8") => frame(&mut out, 0x80 | TEXT, &[payload, b"\xff"].concat()),
        Some("masked") => {
            frame(&mut out, 0x80 | TEXT, payload);
            if let Some(length) = out.get_mut(1) {
                *length |= 0x80;
            }
        }
        Some("huge") => out.extend_from_slice(&[0x80 | TEXT, 127, 0, 0, 1, 0, 0, 0, 0, 0]),
        _ => match faults.fragment {
            Some(size) => fragments(&mut out, payload, size),
            None => frame(&mut out, 0x80 | TEXT, payload),
        },
    }
    // The last message promises more than is sent.
    if faults.wrong_len && text.contains("\"status\":2") {
        let mut longer = Vec::new();
        frame(&mut longer, 0x80 | TEXT, &[payload, &[b' '; 100]].concat());
        longer.truncate(longer.len() - 100);
        return longer;
    }
    out
}

/// A message in frames of `size` bytes, with a ping between any two.
fn fragments(out: &mut Vec<u8>, payload: &[u8], size: usize) {
    let pieces: Vec<&[u8]> = payload.chunks(size).collect();
    for (at, piece) in pieces.iter().enumerate() {
        if at > 0 {
            frame(out, 0x80 | PING, b"between");
        }
        let last = if at + 1 == pieces.len() { 0x80 } else { 0 };
        frame(out, last | if at == 0 { TEXT } else { 0 }, piece);
    }
}

/// One frame, as a server writes it.
fn frame(out: &mut Vec<u8>, first: u8, payload: &[u8]) {
    out.push(first);
    match payload.len() {
        short @ 0..=125 => out.push(u8::try_from(short).unwrap_or(0)),
        middle @ 126..=65_535 => {
            out.push(126);
            out.extend_from_slice(&u16::try_from(middle).unwrap_or(0).to_be_bytes());
        }
        long => {
            out.push(127);
            out.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}

/// One frame of a client's: whether it is the last of its message, what it is, and its payload without the mask.
async fn read_frame(io: &mut (impl AsyncRead + Unpin)) -> Result<(bool, u8, Vec<u8>)> {
    let mut head = [0; 2];
    io.read_exact(&mut head).await?;
    let [first, second] = head;
    if first & 0x70 != 0 || second & 0x80 == 0 {
        return Err(Error::other("a reserved bit, or a frame without a mask"));
    }
    let length = match second & 0x7f {
        126 => u64::from(io.read_u16().await?),
        127 => io.read_u64().await?,
        short => u64::from(short),
    };
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length > MESSAGE_BYTES_MAX {
        return Err(Error::other("a message that is too long"));
    }
    let mut key = [0; 4];
    io.read_exact(&mut key).await?;
    let mut payload = vec![0; length];
    io.read_exact(&mut payload).await?;
    for (byte, key) in payload.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
    Ok((first & 0x80 != 0, first & 0x0f, payload))
}

/// The client's message; `None`: it closed instead.
async fn message(io: &mut TokioIo<Upgraded>, track: &Track) -> Result<Option<Bytes>> {
    let mut message = Vec::new();
    loop {
        let (last, kind, payload) = read_frame(io).await?;
        match kind {
            TEXT if message.is_empty() => message = payload,
            0 => message.extend_from_slice(&payload),
            CLOSE => return Ok(None),
            PING | PONG => continue,
            _ => {
                track.cut();
                return Err(Error::other("no text"));
            }
        }
        if message.len() > MESSAGE_BYTES_MAX || std::str::from_utf8(&message).is_err() && last {
            return Err(Error::other("too long, or no UTF-8"));
        }
        if last {
            return Ok(Some(message.into()));
        }
    }
}

/// Plays a reply while listening for what the client says meanwhile.
async fn play(io: TokioIo<Upgraded>, steps: Vec<Step>, end: End, track: Track) -> Result<()> {
    let (mut from, mut to) = tokio::io::split(io);
    let whole = tokio::select! {
        told = tell(&mut to, steps, &track) => told?,
        // It left, or said what it must not.
        heard = listen(&mut from, &track) => return heard,
    };
    if !whole {
        return Ok(());
    }
    if let End::Closes(failed) = end {
        track.cut();
        let code: u16 = if failed { 1011 } else { 1000 };
        let mut bye = Vec::new();
        frame(&mut bye, 0x80 | CLOSE, &code.to_be_bytes());
        to.write_all(&bye).await?;
        to.flush().await?;
    } else {
        track.finished();
    }
    let closed = tokio::time::timeout(CLOSE_WAIT, listen(&mut from, &track)).await;
    if closed.is_err() {
        track.left_open();
    }
    Ok(())
}

/// Writes what a reply does; false if it was cut.
async fn tell(to: &mut (impl AsyncWrite + Unpin), steps: Vec<Step>, track: &Track) -> Result<bool> {
    for step in steps {
        match step {
            Step::Data(bytes) => {
                to.write_all(&bytes).await?;
                to.flush().await?;
                track.bytes(bytes.len());
            }
            Step::EventSent => track.event(),
            Step::Pause(time) if time.is_zero() => tokio::task::yield_now().await,
            Step::Pause(time) => tokio::time::sleep(time).await,
            Step::Stall => std::future::pending::<()>().await,
            Step::Cut => {
                track.cut();
                tokio::time::sleep(CUT_FLUSH).await;
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// Reads until the client closes or leaves; counts its pongs.
async fn listen(from: &mut (impl AsyncRead + Unpin), track: &Track) -> Result<()> {
    loop {
        let (last, kind, _) = read_frame(from).await?;
        match kind {
            CLOSE => return Ok(()),
            PONG if last => track.pong(),
            // One question a connection.
            _ => return Err(Error::other("more than one message")),
        }
    }
}
