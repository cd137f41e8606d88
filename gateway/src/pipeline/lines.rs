//! Headers of an answer as HTTP/1.1 writes them, a line each: over that they are copied once, over HTTP/2 read again.
//!
//! The memory is the thread's. Invariants: no value holds the end of a line; those of the framing are not here, which the
//! connection tells.

use std::cell::Cell;

use http::{HeaderMap, HeaderName, HeaderValue};

/// Behind each of them.
const END: &[u8] = b"\r\n";
/// Room for those of a usual answer.
const ROOM: usize = 1 << 10;
/// What of a thread's room is kept for its next answer.
const SPARE_MAX: usize = 8 << 10;

thread_local! {
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Headers of an answer, in order.
pub struct Lines {
    text: Vec<u8>,
    closes: bool,
}

impl Lines {
    /// None.
    pub(crate) fn new() -> Self {
        let mut text = SPARE.take();
        text.reserve(ROOM);
        Self {
            text,
            closes: false,
        }
    }

    /// Adds one; there is none of its name.
    pub(crate) fn add(&mut self, name: &HeaderName, value: &HeaderValue) {
        self.made(name, |text| text.extend_from_slice(value.as_bytes()));
    }

    /// Adds one, in place of another of its name.
    pub(super) fn put(&mut self, name: &HeaderName, value: &HeaderValue) {
        let mut begins = 0;
        let lines = self.text.split_inclusive(|byte| *byte == b'\n');
        for line in lines {
            let ends = begins + line.len();
            if line.get(name.as_str().len()) == Some(&b':')
                && line.starts_with(name.as_str().as_bytes())
            {
                self.text.drain(begins..ends);
                break;
            }
            begins = ends;
        }
        self.add(name, value);
    }

    /// Adds one whose value is written by `value`, which writes no end of a line.
    pub(super) fn made(&mut self, name: &HeaderName, value: impl FnOnce(&mut Vec<u8>)) {
        self.text.extend_from_slice(name.as_str().as_bytes());
        self.text.extend_from_slice(b": ");
        value(&mut self.text);
        self.text.extend_from_slice(END);
    }

    /// The client shall not ask again on this connection.
    pub(super) fn close(&mut self) {
        self.closes = true;
    }

    /// Whether that was said.
    #[must_use]
    pub fn closes(&self) -> bool {
        self.closes
    }

    /// All of them, each with the end of its line.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.text
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        if self.text.capacity() <= SPARE_MAX {
            self.text.clear();
            let text = std::mem::take(&mut self.text);
            // A thread that ends keeps none.
            let _ = SPARE.try_with(|spare| spare.set(text));
        }
    }
}

impl From<&Lines> for HeaderMap {
    fn from(lines: &Lines) -> Self {
        let mut map = Self::with_capacity(16);
        for line in lines.text.split_inclusive(|byte| *byte == b'\n') {
            let Some(colon) = line.iter().position(|byte| *byte == b':') else {
                continue;
            };
            let (name, value) = line.split_at(colon);
            let value = value.strip_prefix(b": ").and_then(|v| v.strip_suffix(END));
            // What was a name and a value is so again.
            if let (Ok(name), Some(Ok(value))) = (
                HeaderName::from_bytes(name),
                value.map(HeaderValue::from_bytes),
            ) {
                map.append(name, value);
            }
        }
        map
    }
}

#[cfg(test)]
mod tests {
    use http::header::{ALLOW, CONTENT_TYPE};

    use super::*;

    #[test]
    fn one_of_a_name_and_read_again() {
        let value = HeaderValue::from_static;
        let mut lines = Lines::new();
        lines.add(&CONTENT_TYPE, &value("a: b"));
        lines.add(&HeaderName::from_static("allow-not"), &value("x"));
        lines.put(&ALLOW, &value("GET"));
        lines.made(&HeaderName::from_static("x-n"), |text| text.extend(b"12"));
        lines.put(&ALLOW, &value("POST"));
        let text = "content-type: a: b\r\nallow-not: x\r\nx-n: 12\r\nallow: POST\r\n";
        assert_eq!(lines.as_bytes(), text.as_bytes());
        let map = HeaderMap::from(&lines);
        assert_eq!(map.len(), 4);
        assert_eq!(
            (&map[CONTENT_TYPE], &map[ALLOW]),
            (&value("a: b"), &value("POST"))
        );
        drop(lines);
        assert!(Lines::new().as_bytes().is_empty());
    }
}
