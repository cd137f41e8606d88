//! WebSocket frames (RFC 6455), the client's side: frames are written masked, what a server sends is read at any cut.
//!
//! No socket and no randomness: bytes in, facts out; mask keys are passed in. Holds nothing of a message: its text is
//! handed out as it comes, slice by slice, and only its length is watched. Strict: what a server must not send ends the
//! connection, with the close code that says why. No extension is ever agreed on, so reserved bits are errors.

use std::fmt;

/// Bytes of a control frame's payload (RFC 6455, section 5.5).
pub const CONTROL_BYTES_MAX: usize = 125;
/// Bytes of a frame's head as a client writes it: two, a length of eight, a mask key.
pub const HEAD_BYTES_MAX: usize = 14;
/// Bytes of a head as a server writes it: without a mask key.
const SERVER_HEAD_BYTES_MAX: usize = 10;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// The rest of a message that an earlier frame began.
    Continuation,
    /// Text.
    Text,
    /// The end of the connection.
    Close,
    /// Are you there?
    Ping,
    /// I am.
    Pong,
}

impl Opcode {
    const fn byte(self) -> u8 {
        match self {
            Self::Continuation => 0,
            Self::Text => 1,
            Self::Close => 8,
            Self::Ping => 9,
            Self::Pong => 10,
        }
    }
}

/// Why a connection cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// Frames that the protocol does not know, with what is wrong with them.
    Protocol(&'static str),
    /// Bytes that are no text.
    Binary,
    /// Text that is not UTF-8.
    NotText,
    /// A message is longer than allowed.
    TooLong,
}

impl Broken {
    /// The code with which to close (RFC 6455, section 7.4.1).
    #[must_use]
    pub fn close_code(self) -> u16 {
        match self {
            Self::Protocol(_) => 1002,
            Self::Binary => 1003,
            Self::NotText => 1007,
            Self::TooLong => 1009,
        }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Protocol(why) => why,
            Self::Binary => "a binary message",
            Self::NotText => "text that is not UTF-8",
            Self::TooLong => "a message that is too long",
        })
    }
}

impl std::error::Error for Broken {}

/// A mask that runs over a frame's payload, in whatever pieces it is written.
#[derive(Clone, Copy, Debug)]
pub struct Mask {
    key: [u8; 4],
}

impl Mask {
    /// A mask of this key, which must be random (RFC 6455, section 10.3).
    #[must_use]
    pub fn new(key: [u8; 4]) -> Self {
        Self { key }
    }

    /// Masks the next bytes of the payload in place.
    pub fn apply(&mut self, bytes: &mut [u8]) {
        let mut words = bytes.chunks_exact_mut(4);
        for word in &mut words {
            for (byte, key) in word.iter_mut().zip(self.key) {
                *byte ^= key;
            }
        }
        let rest = words.into_remainder();
        for (byte, key) in rest.iter_mut().zip(self.key) {
            *byte ^= key;
        }
        self.key.rotate_left(rest.len());
    }
}

/// Writes the head of a whole message's one frame; `length` bytes follow, masked with `key`.
pub fn write_head(opcode: Opcode, length: u64, key: [u8; 4], out: &mut Vec<u8>) {
    const MASKED: u8 = 0x80;
    const FINAL: u8 = 0x80;
    out.push(FINAL | opcode.byte());
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short), _) if short < 126 => out.push(MASKED | short),
        (_, Ok(middle)) => {
            out.push(MASKED | 126);
            out.extend_from_slice(&middle.to_be_bytes());
        }
        _ => {
            out.push(MASKED | 127);
            out.extend_from_slice(&length.to_be_bytes());
        }
    }
    out.extend_from_slice(&key);
}

/// Writes a control frame. Of a payload beyond [`CONTROL_BYTES_MAX`] the rest goes.
pub fn write_control(opcode: Opcode, payload: &[u8], key: [u8; 4], out: &mut Vec<u8>) {
    let payload = payload.get(..CONTROL_BYTES_MAX).unwrap_or(payload);
    write_head(opcode, payload.len() as u64, key, out);
    let from = out.len();
    out.extend_from_slice(payload);
    if let Some(payload) = out.get_mut(from..) {
        Mask::new(key).apply(payload);
    }
}

/// Writes a close frame with its code.
pub fn write_close(code: u16, key: [u8; 4], out: &mut Vec<u8>) {
    write_control(Opcode::Close, &code.to_be_bytes(), key, out);
}

/// What a server sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// A piece of a text message, perhaps an empty one; a character may be cut by its end.
    Text {
        /// It.
        piece: &'a [u8],
        /// The message begins with it.
        first: bool,
        /// The message ends with it.
        last: bool,
    },
    /// To be answered with a pong that holds the same.
    Ping(&'a [u8]),
    /// An answer to a ping, or nothing.
    Pong,
    /// Nothing more will come; the code, if there is one.
    Close(Option<u16>),
}

/// Reads what a server sends.
#[derive(Debug)]
pub struct Decoder {
    message_bytes_max: u64,
    /// A frame's head, as far as it has come.
    head: [u8; SERVER_HEAD_BYTES_MAX],
    head_len: usize,
    /// The frame whose payload is being read.
    frame: Option<Frame>,
    /// The payload of a control frame, as far as it has come.
    control: [u8; CONTROL_BYTES_MAX],
    control_len: usize,
    /// Bytes announced of the message that is not at its end.
    message: Option<u64>,
    /// Nothing of that message was handed out.
    fresh: bool,
    text: Utf8,
    closed: bool,
}

#[derive(Clone, Copy, Debug)]
struct Frame {
    opcode: Opcode,
    last: bool,
    left: u64,
}

impl Decoder {
    /// A decoder of one connection whose messages have `message_bytes_max` bytes at most, whatever number of frames they
    /// come in.
    #[must_use]
    pub fn new(message_bytes_max: usize) -> Self {
        Self {
            message_bytes_max: message_bytes_max as u64,
            head: [0; SERVER_HEAD_BYTES_MAX],
            head_len: 0,
            frame: None,
            control: [0; CONTROL_BYTES_MAX],
            control_len: 0,
            message: None,
            fresh: false,
            text: Utf8::default(),
            closed: false,
        }
    }

    /// The next item in `read` at or after `*at`, which moves past it. `None`: all was taken; the next call brings the
    /// next read with `*at` 0. What follows a close frame is passed over.
    ///
    /// # Errors
    /// [`Broken`]; nothing may be read after it.
    pub fn next<'a>(
        &'a mut self,
        read: &'a [u8],
        at: &mut usize,
    ) -> Result<Option<Item<'a>>, Broken> {
        loop {
            if self.closed {
                *at = read.len();
                return Ok(None);
            }
            let frame = match self.frame {
                Some(frame) => frame,
                None => match self.head(read, at)? {
                    Some(frame) => frame,
                    None => return Ok(None),
                },
            };
            let rest = read.get(*at..).unwrap_or_default();
            let step = usize::try_from(frame.left)
                .unwrap_or(usize::MAX)
                .min(rest.len());
            let piece = rest.get(..step).unwrap_or_default();
            *at += step;
            let left = frame.left - step as u64;
            let ends = left == 0;
            self.frame = (!ends).then_some(Frame { left, ..frame });
            if matches!(frame.opcode, Opcode::Text | Opcode::Continuation) {
                let last = ends && frame.last;
                self.text.take(piece, last)?;
                if last {
                    self.message = None;
                }
                if !piece.is_empty() || last {
                    let first = std::mem::take(&mut self.fresh);
                    return Ok(Some(Item::Text { piece, first, last }));
                }
                if !ends {
                    return Ok(None);
                }
                continue;
            }
            // A head allows no more than there is room for.
            let room = self.control.get_mut(self.control_len..).unwrap_or_default();
            for (to, from) in room.iter_mut().zip(piece) {
                *to = *from;
            }
            self.control_len += step;
            if !ends {
                return Ok(None);
            }
            return self.controlled(frame.opcode).map(Some);
        }
    }

    /// Whether a message has begun that is not at its end.
    #[must_use]
    pub fn is_amid(&self) -> bool {
        self.message.is_some() || self.head_len > 0 || self.frame.is_some()
    }

    /// Takes bytes of a head; the frame once it is whole.
    fn head(&mut self, read: &[u8], at: &mut usize) -> Result<Option<Frame>, Broken> {
        loop {
            let length = match (self.head_len, self.head[1]) {
                (0 | 1, _) => 2,
                (_, 126) => 4,
                (_, 127) => 10,
                _ => 2,
            };
            if self.head_len == length {
                self.head_len = 0;
                let frame = self.frame_of()?;
                self.control_len = 0;
                self.frame = Some(frame);
                return Ok(Some(frame));
            }
            let Some(byte) = read.get(*at) else {
                return Ok(None);
            };
            if let Some(place) = self.head.get_mut(self.head_len) {
                *place = *byte;
            }
            self.head_len += 1;
            *at += 1;
            if self.head_len == 2 && self.head[1] & 0x80 != 0 {
                return Err(Broken::Protocol("a server's frame is masked"));
            }
        }
    }

    /// Judges a whole head.
    fn frame_of(&mut self) -> Result<Frame, Broken> {
        let [first, second, a, b, c, d, e, f, g, h] = self.head;
        let left = match second {
            126 => u64::from(u16::from_be_bytes([a, b])),
            127 => u64::from_be_bytes([a, b, c, d, e, f, g, h]),
            short => short.into(),
        };
        let least = match second {
            126 => 126,
            127 => 1 << 16,
            _ => 0,
        };
        if left < least || left >> 63 == 1 {
            return Err(Broken::Protocol("a length is not written as it must be"));
        }
        if first & 0x70 != 0 {
            return Err(Broken::Protocol("a reserved bit is set"));
        }
        let last = first & 0x80 != 0;
        let opcode = match first & 0x0f {
            0 => Opcode::Continuation,
            1 => Opcode::Text,
            2 => return Err(Broken::Binary),
            8 => Opcode::Close,
            9 => Opcode::Ping,
            10 => Opcode::Pong,
            _ => return Err(Broken::Protocol("a kind of frame that there is not")),
        };
        match (opcode, self.message) {
            (Opcode::Text, Some(_)) => {
                return Err(Broken::Protocol("a message in the middle of another"));
            }
            (Opcode::Continuation, None) => {
                return Err(Broken::Protocol("the rest of no message"));
            }
            (Opcode::Text | Opcode::Continuation, before) => {
                self.fresh |= before.is_none();
                let whole = before.unwrap_or(0).saturating_add(left);
                if whole > self.message_bytes_max {
                    return Err(Broken::TooLong);
                }
                self.message = Some(whole);
            }
            _ if !last || left > CONTROL_BYTES_MAX as u64 => {
                return Err(Broken::Protocol("a control frame in parts, or too long"));
            }
            _ => {}
        }
        Ok(Frame { opcode, last, left })
    }

    /// A control frame that is there whole.
    fn controlled(&mut self, opcode: Opcode) -> Result<Item<'_>, Broken> {
        let payload = self.control.get(..self.control_len).unwrap_or_default();
        Ok(match opcode {
            Opcode::Ping => Item::Ping(payload),
            Opcode::Pong => Item::Pong,
            _ => {
                self.closed = true;
                Item::Close(close_code(payload)?)
            }
        })
    }
}

/// The code of a close frame.
fn close_code(payload: &[u8]) -> Result<Option<u16>, Broken> {
    let Some((code, reason)) = payload.split_first_chunk::<2>() else {
        return if payload.is_empty() {
            Ok(None)
        } else {
            Err(Broken::Protocol("half a close code"))
        };
    };
    let code = u16::from_be_bytes(*code);
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(Broken::Protocol("a close code that must not be sent"));
    }
    if std::str::from_utf8(reason).is_err() {
        return Err(Broken::NotText);
    }
    Ok(Some(code))
}

/// Whether pieces, one after another, are UTF-8.
#[derive(Clone, Copy, Debug, Default)]
struct Utf8 {
    /// The beginning of a character that a piece's end has cut.
    held: [u8; 4],
    len: usize,
}

impl Utf8 {
    fn take(&mut self, piece: &[u8], last: bool) -> Result<(), Broken> {
        let mut rest = piece;
        while self.len > 0
            && let Some((byte, more)) = rest.split_first()
        {
            let place = self.held.get_mut(self.len).ok_or(Broken::NotText)?;
            *place = *byte;
            self.len += 1;
            rest = more;
            match std::str::from_utf8(self.held.get(..self.len).unwrap_or_default()) {
                Ok(_) => self.len = 0,
                Err(error) if error.error_len().is_none() => {}
                Err(_) => return Err(Broken::NotText),
            }
        }
        if let Err(error) = simdutf8::compat::from_utf8(rest) {
            let cut = rest.get(error.valid_up_to()..).unwrap_or_default();
            if error.error_len().is_some() {
                return Err(Broken::NotText);
            }
            for (to, from) in self.held.iter_mut().zip(cut) {
                *to = *from;
            }
            self.len = cut.len();
        }
        if last && self.len > 0 {
            return Err(Broken::NotText);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
