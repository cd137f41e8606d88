//! Splitting a stream of reads into server-sent events, at any cut.
//!
//! Reading follows the WHATWG event-stream grammar and, beyond it, what vendors send: `data:` with or without a space,
//! CR, LF or CRLF, a byte-order mark, comments that carry a status, a bare JSON line. Never decodes text: a character
//! cut by a read is whole again once its event is. The one copy is an event cut by a read.

use std::borrow::Cow;
use std::ops::Range;

/// Bounds of one stream. Defaults: `governance/threats.md`, section 3.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of one line.
    pub line_bytes: usize,
    /// Bytes of one event, blank line included.
    pub event_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            line_bytes: 1 << 20,
            event_bytes: 4 << 20,
        }
    }
}

/// An event, or a line of it, is longer than allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

/// Finds events in one read after another.
#[derive(Debug, Default)]
pub struct Splitter {
    /// The beginning of an event whose end has not been read.
    carry: Vec<u8>,
    /// How far `carry` was looked through: no byte is looked at twice.
    search: Search,
    /// The event in `carry` was handed out; it goes at the next call.
    spent: bool,
    /// A byte-order mark may still come.
    begun: bool,
    limits: Limits,
}

/// One event: its bytes as they came, up to and with its blank line.
#[derive(Clone, Copy)]
pub struct Event<'a> {
    /// All bytes of it; events laid end to end are the stream.
    pub raw: &'a [u8],
    /// Offset of its first byte in the read given, if it lies in it whole. Otherwise it began in an earlier read and
    /// `raw` is a copy.
    pub at: Option<usize>,
    /// Bytes of `raw` to skip: a byte-order mark.
    skip: usize,
}

impl Splitter {
    /// A splitter for one stream.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// The next event that ends in `read` at or after `*at`, which moves past it. `None`: all was taken; what is left
    /// of an unfinished event is remembered, and the next call brings the next read with `*at` 0.
    ///
    /// # Errors
    /// [`TooLong`].
    pub fn next<'a>(
        &'a mut self,
        read: &'a [u8],
        at: &mut usize,
    ) -> Result<Option<Event<'a>>, TooLong> {
        if self.spent {
            self.carry.clear();
            self.spent = false;
        }
        let rest = read.get(*at..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(None);
        }
        if !self.carry.is_empty() {
            return self.finish_carried(rest, at);
        }
        self.search = Search::default();
        let Some(length) = self.search.event_end(rest, &self.limits)? else {
            self.carry.extend_from_slice(rest);
            *at = read.len();
            return Ok(None);
        };
        let from = *at;
        *at += length;
        let skip = self.mark(rest);
        Ok(Some(Event {
            raw: rest.get(..length).unwrap_or_default(),
            at: Some(from),
            skip,
        }))
    }

    fn finish_carried<'a>(
        &'a mut self,
        rest: &'a [u8],
        at: &mut usize,
    ) -> Result<Option<Event<'a>>, TooLong> {
        let had = self.carry.len();
        // Bytes are joined in small steps, so that one read of many events is not copied whole behind a cut one.
        let step = rest
            .len()
            .min(self.limits.event_bytes + 1 - had.min(self.limits.event_bytes));
        let line = rest.get(..step).unwrap_or_default();
        self.carry
            .extend_from_slice(line.get(..line.len().min(CARRY_STEP)).unwrap_or_default());
        let mut joined = self.carry.len() - had;
        loop {
            if let Some(end) = self.search.event_end(&self.carry, &self.limits)? {
                self.carry.truncate(end);
                *at += end - had;
                self.spent = true;
                let skip = if self.begun { 0 } else { bom(&self.carry) };
                self.begun = true;
                return Ok(Some(Event {
                    raw: &self.carry,
                    at: None,
                    skip,
                }));
            }
            if joined == line.len() {
                *at += joined;
                return Ok(None);
            }
            let more = line
                .get(joined..line.len().min(joined + CARRY_STEP * 4))
                .unwrap_or_default();
            self.carry.extend_from_slice(more);
            joined += more.len();
        }
    }

    fn mark(&mut self, rest: &[u8]) -> usize {
        if std::mem::replace(&mut self.begun, true) {
            0
        } else {
            bom(rest)
        }
    }

    /// Whether the next byte begins an event, and an earlier one has been seen.
    #[must_use]
    pub fn is_between(&self) -> bool {
        self.begun && self.carried() == 0
    }

    /// The bounds of the stream.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Bytes of an unfinished event held back.
    #[must_use]
    pub fn carried(&self) -> usize {
        if self.spent { 0 } else { self.carry.len() }
    }

    /// At the end of the stream: what was left without its blank line. Some vendors end so.
    pub fn finish(&mut self) -> Option<Event<'_>> {
        if self.spent || self.carry.is_empty() {
            return None;
        }
        self.spent = true;
        let skip = if self.begun { 0 } else { bom(&self.carry) };
        let event = Event::alone(&self.carry);
        Some(Event { skip, ..event })
    }
}

/// First step of joining behind a cut event: most events are shorter.
const CARRY_STEP: usize = 512;

fn bom(bytes: &[u8]) -> usize {
    if bytes.starts_with(b"\xEF\xBB\xBF") {
        3
    } else {
        0
    }
}

/// The search for an event's end, over bytes that may grow.
#[derive(Clone, Copy, Debug, Default)]
struct Search {
    /// Where the current line begins.
    line: usize,
    /// Where to look on.
    at: usize,
    /// The longest line before it.
    longest: usize,
}

impl Search {
    /// One past the blank line that ends the event which `bytes` begin with. `None`: it is not there yet.
    fn event_end(&mut self, bytes: &[u8], limits: &Limits) -> Result<Option<usize>, TooLong> {
        let found = self.blank_line(bytes);
        let length = found.unwrap_or(bytes.len());
        let last = bytes.len().min(length) - self.line.min(length);
        if length > limits.event_bytes || self.longest.max(last) > limits.line_bytes {
            return Err(TooLong);
        }
        Ok(found)
    }

    fn blank_line(&mut self, bytes: &[u8]) -> Option<usize> {
        while let Some(found) = memchr::memchr2(b'\n', b'\r', bytes.get(self.at..)?) {
            let end = self.at + found;
            let after = match (bytes.get(end), bytes.get(end + 1)) {
                (Some(b'\r'), Some(b'\n')) => end + 2,
                // A CR at the very end: a LF may follow. A blank line ends the event all the same; the LF will then
                // stand alone before the next event, where it means nothing. Another line waits for what comes.
                (Some(b'\r'), None) if self.line != end => {
                    self.at = end;
                    return None;
                }
                _ => end + 1,
            };
            if self.line == end {
                return Some(after);
            }
            self.longest = self.longest.max(end - self.line);
            self.line = after;
            self.at = after;
        }
        self.at = bytes.len();
        None
    }
}

impl<'a> Event<'a> {
    /// An event that lies in no read.
    #[must_use]
    pub fn alone(raw: &'a [u8]) -> Self {
        let (at, skip) = (None, 0);
        Self { raw, at, skip }
    }

    /// The lines, without their ends.
    fn lines(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut rest = self.raw.get(self.skip..).unwrap_or_default();
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let end = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
            let line = rest.get(..end).unwrap_or_default();
            let crlf = rest.get(end..end + 2) == Some(b"\r\n");
            rest = rest
                .get(end + if crlf { 2 } else { 1 }..)
                .unwrap_or_default();
            Some(line)
        })
    }

    fn field(&self, name: &'static [u8]) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.lines().filter_map(move |line| {
            let rest = line.strip_prefix(name)?;
            match rest.first() {
                None => Some(rest),
                Some(b':') => Some(
                    rest.get(1..)
                        .map(|value| value.strip_prefix(b" ").unwrap_or(value))
                        .unwrap_or_default(),
                ),
                Some(_) => None,
            }
        })
    }

    /// The data: the `data` lines, joined by LF when there are several; `None` if there is none.
    #[must_use]
    pub fn data(&self) -> Option<Cow<'a, [u8]>> {
        let mut lines = self.field(b"data");
        let first = lines.next()?;
        let Some(second) = lines.next() else {
            return Some(Cow::Borrowed(first));
        };
        let mut joined = first.to_vec();
        for line in std::iter::once(second).chain(lines) {
            joined.push(b'\n');
            joined.extend_from_slice(line);
        }
        Some(Cow::Owned(joined))
    }

    /// Where the data lies in `raw`, if the event is one `data` line and its blank line and nothing else, as nearly all
    /// are; before it may stand a name that is a word ([`word`](Self::word)).
    #[must_use]
    pub fn single(&self) -> Option<Range<usize>> {
        let raw = self.raw.get(self.skip..)?;
        let named = match raw.strip_prefix(b"event:") {
            None => 0,
            Some(rest) => {
                let end = memchr::memchr2(b'\n', b'\r', rest)?;
                self.word()?;
                let crlf = rest.get(end..)?.starts_with(b"\r\n");
                b"event:".len() + end + 1 + usize::from(crlf)
            }
        };
        let line = raw.get(named..)?.strip_prefix(b"data:")?;
        let from = self.skip + named + 5 + usize::from(line.first() == Some(&b' '));
        let ends: [&[u8]; 3] = [b"\n\n", b"\r\n\r\n", b"\r\r"];
        let end = ends.iter().find(|end| self.raw.ends_with(end))?.len();
        let span = from..self.raw.len().checked_sub(end)?;
        let data = self.raw.get(span.clone())?;
        memchr::memchr2(b'\n', b'\r', data)
            .is_none()
            .then_some(span)
    }

    /// The event's name; the last one counts.
    #[must_use]
    pub fn name(&self) -> Option<&'a [u8]> {
        self.field(b"event").last()
    }

    /// The event's name if it is a word of a protocol: letters, `_` and `.`, so that nobody's data fits into it.
    #[must_use]
    pub fn word(&self) -> Option<&'a str> {
        const WORD_BYTES_MAX: usize = 64;
        let name = self.name()?;
        let word = name
            .iter()
            .all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'.'));
        let fits = word && (1..=WORD_BYTES_MAX).contains(&name.len());
        std::str::from_utf8(name).ok().filter(|_| fits)
    }

    /// The comment lines, without their colon.
    pub fn comments(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.lines().filter_map(|line| line.strip_prefix(b":"))
    }

    /// A line that is no field at all but begins an object: how some vendors send an error into a stream.
    #[must_use]
    pub fn bare_json(&self) -> Option<&'a [u8]> {
        self.lines().find(|line| line.first() == Some(&b'{'))
    }
}

impl std::fmt::Debug for Event<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Event")
            .field("bytes", &self.raw.len())
            .field("at", &self.at)
            .finish()
    }
}

#[cfg(test)]
mod tests;
