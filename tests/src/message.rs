//! HTTP/1.1 messages as bytes: cut into head and body, chunks joined. Strict where a gateway must be strict.
//!
//! Knows no socket.

use serde_json::Value;

/// One message of a recorded connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// First line and headers, with the blank line.
    pub head: String,
    /// The body, without its framing.
    pub body: Vec<u8>,
}

impl Message {
    /// The first line.
    pub fn first_line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    /// Status of a reply.
    pub fn status(&self) -> u16 {
        self.first_line()
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .unwrap_or(0)
    }

    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }
}

/// All whole messages, and the bytes behind the last of them.
pub fn messages(mut bytes: &[u8]) -> (Vec<Message>, &[u8]) {
    let mut found = Vec::new();
    while let Some((message, rest)) = message(bytes) {
        found.push(message);
        bytes = rest;
    }
    (found, bytes)
}

/// The first message, if it is whole, and what follows it.
pub fn message(bytes: &[u8]) -> Option<(Message, &[u8])> {
    let end = find(bytes, b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut message = Message {
        head,
        body: Vec::new(),
    };
    let rest = &bytes[end..];
    let chunked = message
        .header("transfer-encoding")
        .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
    if chunked {
        let (body, rest) = dechunk(rest)?;
        message.body = body;
        return Some((message, rest));
    }
    let length = message
        .header("content-length")
        .map_or(0, |length| length.parse().expect("a length"));
    message.body = rest.get(..length)?.to_vec();
    Some((message, &rest[length..]))
}

/// Joins chunks; `None` if the last one is missing.
pub fn dechunk(bytes: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let (body, rest) = chunks(bytes);
    rest.map(|rest| (body, rest))
}

/// The payload of all whole chunks, and what follows the last one if it is there.
pub fn chunks(mut bytes: &[u8]) -> (Vec<u8>, Option<&[u8]>) {
    let mut body = Vec::new();
    loop {
        let Some(end) = find(bytes, b"\r\n") else {
            return (body, None);
        };
        let line = std::str::from_utf8(&bytes[..end]).unwrap_or_default();
        let size = line.split(';').next().unwrap_or_default();
        let Ok(size) = usize::from_str_radix(size.trim(), 16) else {
            panic!("no chunk size: {line:?}")
        };
        let from = end + 2;
        if size == 0 {
            return (
                body,
                bytes
                    .get(from..)
                    .filter(|rest| rest.starts_with(b"\r\n"))
                    .map(|rest| &rest[2..]),
            );
        }
        let Some(data) = bytes.get(from..from + size) else {
            return (body, None);
        };
        body.extend_from_slice(data);
        let Some(rest) = bytes.get(from + size + 2..) else {
            return (body, None);
        };
        bytes = rest;
    }
}

/// Where `needle` begins.
pub fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes
        .windows(needle.len())
        .position(|window| window == needle)
}
