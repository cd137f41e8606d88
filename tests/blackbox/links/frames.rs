//! HTTP/2 as an upstream speaks it that does odd things: frames of RFC 9113 by hand, the client's heads unread.

use tests::upstream::{Conn, good_reply};

/// Types of frames.
pub(crate) const RESET: u8 = 3;
pub(crate) const GO_AWAY: u8 = 7;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
/// Flags.
const END: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
/// Of the client, before its frames.
const PREFACE_BYTES: usize = 24;

/// A connection with prior knowledge.
pub(crate) struct Frames {
    conn: Conn,
    unread: Vec<u8>,
}

impl Frames {
    /// Begins with these settings.
    pub(crate) async fn begin(conn: Conn, settings: &[(u16, u32)]) -> Option<Self> {
        let mut frames = Self {
            conn,
            unread: Vec::new(),
        };
        frames.take(PREFACE_BYTES).await?;
        let pairs = settings.iter();
        let pairs = pairs
            .flat_map(|(name, value)| [&name.to_be_bytes()[..], &value.to_be_bytes()].concat());
        frames
            .write(SETTINGS, 0, 0, &pairs.collect::<Vec<u8>>())
            .await?;
        Some(frames)
    }

    async fn take(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.unread.len() < count {
            let more = self.conn.read().await?;
            self.unread.extend_from_slice(&more);
        }
        let rest = self.unread.split_off(count);
        Some(std::mem::replace(&mut self.unread, rest))
    }

    /// Writes a frame.
    pub(crate) async fn write(
        &mut self,
        kind: u8,
        flags: u8,
        stream: u32,
        payload: &[u8],
    ) -> Option<()> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
        self.conn.write(&[&head, payload].concat()).await.ok()
    }

    /// The stream of the next whole request.
    pub(crate) async fn request(&mut self) -> Option<u32> {
        loop {
            let head = self.take(9).await?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let payload = self.take(length as usize).await?;
            let (kind, flags) = (head[3], head[4]);
            match kind {
                SETTINGS | PING if flags & ACK == 0 => {
                    let echo: &[u8] = if kind == PING { &payload } else { &[] };
                    self.write(kind, ACK, 0, echo).await?;
                }
                HEADERS | DATA if flags & END > 0 => {
                    return Some(u32::from_be_bytes([head[5], head[6], head[7], head[8]]));
                }
                _ => {}
            }
        }
    }

    /// Answers a stream well.
    pub(crate) async fn good(&mut self, stream: u32) -> Option<()> {
        let mut head = vec![0x88, 0];
        for text in ["content-type", "application/json"] {
            head.push(u8::try_from(text.len()).unwrap());
            head.extend_from_slice(text.as_bytes());
        }
        self.write(HEADERS, END_HEADERS, stream, &head).await?;
        let reply = good_reply();
        let body = reply.split_once("\r\n\r\n").unwrap().1;
        self.write(DATA, END, stream, body.as_bytes()).await
    }

    /// Pauses.
    pub(crate) async fn pause(&self, ms: u64) {
        self.conn.pause(ms).await;
    }
}
