//! `multipart/form-data` (RFC 7578), as it streams: what is a part's head, what its body, where it ends.
//!
//! Strict, because two readers that split a form differently see two different forms: lines end in CR LF and in nothing
//! else, a boundary stands at the very beginning and is followed by a line's end or by `--`, a part has one
//! `content-disposition` with one name and no transfer coding, and nothing follows the end. Copies every byte once. Knows
//! no field's meaning.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

/// Bytes of a part's head.
pub const HEAD_BYTES_MAX: usize = 4 << 10;
/// Bytes of a boundary (RFC 2046).
const BOUNDARY_BYTES_MAX: usize = 70;
/// Headers of a part.
const HEADERS_MAX: usize = 8;

/// A form that is none, or that readers could split differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Odd(
    /// What is odd, as a sentence.
    pub &'static str,
);

/// The head of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The field's name.
    pub name: String,
    /// The file's name, if it is a file.
    pub filename: Option<String>,
    /// Its `content-type` as it stood; empty if there is none.
    pub kind: String,
}

/// What comes next in a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A part begins.
    Part(Head),
    /// The next bytes of its body.
    Body(Bytes),
    /// It ends.
    Ended,
    /// The form ends.
    Over,
}

/// Splits one form.
#[derive(Debug)]
pub struct Splitter {
    /// CR LF, `--`, the boundary.
    mark: Vec<u8>,
    state: State,
    /// What is here and not yet decided.
    left: BytesMut,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the first mark, whose line's end is the form's beginning.
    Start,
    /// Behind a mark.
    Behind,
    Head,
    /// Behind a head: a body that begins with the boundary is an empty part for some readers.
    Opened,
    Body,
    /// Behind the last mark.
    Over,
}

/// The boundary that a `content-type` names, if it is `multipart/form-data`.
///
/// # Errors
/// A boundary that is missing, there twice, or made of other characters than a token's.
pub fn boundary(kind: &str) -> Option<Result<&str, Odd>> {
    let mut parts = kind.split(';').map(str::trim);
    if !parts.next()?.eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let mut named = parts.filter_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.eq_ignore_ascii_case("boundary").then_some(value)
    });
    let value = named.next().unwrap_or_default();
    let value = value
        .strip_prefix('"')
        .and_then(|value| value.strip_suffix('"'))
        .unwrap_or(value);
    // Of those that RFC 2046 allows, the ones that no reader takes for something else.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"'+_-.=".contains(&byte);
    let sound = (1..=BOUNDARY_BYTES_MAX).contains(&value.len()) && value.bytes().all(plain);
    Some(if sound && named.next().is_none() {
        Ok(value)
    } else {
        Err(Odd("The form's boundary is missing or not valid."))
    })
}

impl Splitter {
    /// For a form with this boundary.
    #[must_use]
    pub fn new(boundary: &str) -> Self {
        Self {
            mark: [b"\r\n--", boundary.as_bytes()].concat(),
            state: State::Start,
            left: BytesMut::new(),
        }
    }

    /// Whether the form has ended.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// Whether more of a part's body may come next.
    #[must_use]
    pub fn is_in_body(&self) -> bool {
        self.state == State::Body
    }

    /// Whether another part has begun.
    #[must_use]
    pub fn is_in_head(&self) -> bool {
        self.state == State::Head
    }

    /// Bytes that were read and are in no event yet.
    #[must_use]
    pub fn undecided(&self) -> Bytes {
        Bytes::copy_from_slice(&self.left)
    }

    /// More of the form; events are added to `out`.
    ///
    /// # Errors
    /// [`Odd`]; nothing more should be read then.
    pub fn push(&mut self, data: &[u8], out: &mut Vec<Event>) -> Result<(), Odd> {
        self.left.extend_from_slice(data);
        while self.step(out)? {}
        Ok(())
    }

    /// One step; `false`: more is needed.
    fn step(&mut self, out: &mut Vec<Event>) -> Result<bool, Odd> {
        match self.state {
            State::Start => {
                let first = self.mark.get(2..).unwrap_or_default();
                let seen = self.left.len().min(first.len());
                if self.left.get(..seen) != first.get(..seen) {
                    return Err(Odd("The form does not begin with its boundary."));
                }
                if seen < first.len() {
                    return Ok(false);
                }
                let _ = self.left.split_to(seen);
                self.state = State::Behind;
            }
            State::Behind => match self.left.get(..2) {
                None => return Ok(false),
                Some(b"\r\n") => {
                    let _ = self.left.split_to(2);
                    self.state = State::Head;
                }
                Some(b"--") => {
                    let _ = self.left.split_to(2);
                    self.state = State::Over;
                    out.push(Event::Over);
                }
                Some(_) => {
                    return Err(Odd("A boundary of the form is followed by something else."));
                }
            },
            State::Head => return self.head(out),
            State::Opened => {
                let first = self.mark.get(2..).unwrap_or_default();
                let seen = self.left.len().min(first.len());
                if self.left.get(..seen) == first.get(..seen) {
                    if seen < first.len() {
                        return Ok(false);
                    }
                    return Err(Odd("A part of the form begins with its boundary."));
                }
                self.state = State::Body;
            }
            State::Body => return Ok(self.body(out)),
            State::Over => {
                // One line's end is usual.
                if !b"\r\n".starts_with(&self.left) {
                    return Err(Odd("Something follows the form's end."));
                }
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn head(&mut self, out: &mut Vec<Event>) -> Result<bool, Odd> {
        let end = memchr::memmem::find(&self.left, b"\r\n\r\n");
        let Some(end) = end.filter(|end| *end <= HEAD_BYTES_MAX) else {
            if self.left.len() > HEAD_BYTES_MAX {
                return Err(Odd("The head of a part is too long."));
            }
            return Ok(false);
        };
        let head = self.left.split_to(end + 4);
        out.push(Event::Part(read_head(head.get(..end).unwrap_or_default())?));
        self.state = State::Opened;
        Ok(true)
    }

    fn body(&mut self, out: &mut Vec<Event>) -> bool {
        let found = memchr::memmem::find(&self.left, &self.mark);
        let whole = found.unwrap_or_else(|| self.left.len() - self.held());
        if whole > 0 {
            out.push(Event::Body(self.left.split_to(whole).freeze()));
        }
        if found.is_none() {
            return false;
        }
        let _ = self.left.split_to(self.mark.len());
        self.state = State::Behind;
        out.push(Event::Ended);
        true
    }

    /// How many bytes at the end could be the beginning of a mark.
    fn held(&self) -> usize {
        let most = self.left.len().min(self.mark.len() - 1);
        let tail = self.left.get(self.left.len() - most..).unwrap_or_default();
        let begins = |at: &usize| {
            tail.get(*at..)
                .is_some_and(|tail| self.mark.starts_with(tail))
        };
        memchr::memchr_iter(b'\r', tail)
            .find(begins)
            .map_or(0, |at| tail.len() - at)
    }
}

/// Reads the head of a part, without the empty line.
fn read_head(head: &[u8]) -> Result<Head, Odd> {
    const ODD: Odd = Odd("The head of a part is not valid.");
    let text = std::str::from_utf8(head).map_err(|_| ODD)?;
    let (mut disposition, mut kind) = (None, None);
    for (count, line) in text.split("\r\n").enumerate() {
        let (name, value) = line.split_once(':').ok_or(ODD)?;
        let value = value.trim_matches([' ', '\t']);
        // A line's end of another kind, or a folded line, is one for some readers only.
        let foreign = |c: char| c.is_control() && c != '\t';
        if count == HEADERS_MAX || value.contains(foreign) || !is_token(name) {
            return Err(ODD);
        }
        let slot = match name.to_ascii_lowercase().as_str() {
            "content-disposition" => &mut disposition,
            "content-type" => &mut kind,
            "content-transfer-encoding" => match value.to_ascii_lowercase().as_str() {
                "binary" | "8bit" | "7bit" => continue,
                _ => return Err(Odd("A part of the form has a transfer coding.")),
            },
            // Some clients say how long a part is; its boundary says so too.
            "content-length" => continue,
            _ => return Err(Odd("A part of the form has a header of another kind.")),
        };
        if slot.replace(value).is_some() {
            return Err(ODD);
        }
    }
    let (name, filename) = read_disposition(disposition.ok_or(ODD)?)?;
    Ok(Head {
        name,
        filename,
        kind: kind.unwrap_or_default().to_owned(),
    })
}

fn is_token(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    !name.is_empty() && name.bytes().all(plain)
}

/// `form-data; name="a"; filename="b"`
fn read_disposition(value: &str) -> Result<(String, Option<String>), Odd> {
    const ODD: Odd = Odd("The name of a part is not valid.");
    let rest = value
        .get(..9)
        .filter(|kind| kind.eq_ignore_ascii_case("form-data"))
        .and_then(|_| value.get(9..));
    let mut rest = rest.ok_or(ODD)?;
    let (mut name, mut filename) = (None, None);
    while !rest.trim_start().is_empty() {
        rest = rest.trim_start().strip_prefix(';').ok_or(ODD)?.trim_start();
        let (key, behind) = rest.split_once('=').ok_or(ODD)?;
        let quoted = behind.strip_prefix('"');
        let (text, span) = match quoted {
            Some(inside) => unquoted(inside).ok_or(ODD)?,
            None => {
                let end = behind.find(';').unwrap_or(behind.len());
                let word = behind.get(..end).unwrap_or_default();
                (word.trim_end().to_owned(), 0..end)
            }
        };
        rest = quoted.unwrap_or(behind).get(span.end..).ok_or(ODD)?;
        let slot = match key.to_ascii_lowercase().as_str() {
            "name" => &mut name,
            "filename" => &mut filename,
            // `filename*` says a second name, which some readers prefer.
            _ => return Err(ODD),
        };
        if slot.replace(text).is_some() {
            return Err(ODD);
        }
    }
    Ok((name.ok_or(ODD)?, filename))
}

/// The text up to the closing quote, and how far it reaches. A backslash stands before a quote or a backslash only where
/// it escapes one; browsers write `%22` instead, which stays as it is.
fn unquoted(inside: &str) -> Option<(String, Range<usize>)> {
    let mut text = String::new();
    let mut chars = inside.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((text, 0..at + 1)),
            '\\' => match chars.next() {
                Some((_, escaped @ ('"' | '\\'))) => text.push(escaped),
                Some((_, other)) => text.extend(['\\', other]),
                None => return None,
            },
            c => text.push(c),
        }
    }
    None
}

/// Writes the head of a part, from its boundary to the empty line. `first`: nothing stands before it.
pub fn write_head(boundary: &str, first: bool, head: &Head, out: &mut Vec<u8>) {
    if !first {
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"--");
    out.extend_from_slice(boundary.as_bytes());
    out.extend_from_slice(b"\r\ncontent-disposition: form-data; name=\"");
    quote(&head.name, out);
    if let Some(filename) = &head.filename {
        out.extend_from_slice(b"\"; filename=\"");
        quote(filename, out);
    }
    out.push(b'"');
    if !head.kind.is_empty() {
        out.extend_from_slice(b"\r\ncontent-type: ");
        out.extend_from_slice(head.kind.as_bytes());
    }
    out.extend_from_slice(b"\r\n\r\n");
}

fn quote(text: &str, out: &mut Vec<u8>) {
    for byte in text.bytes() {
        match byte {
            b'"' => out.extend_from_slice(b"%22"),
            b'\r' => out.extend_from_slice(b"%0D"),
            b'\n' => out.extend_from_slice(b"%0A"),
            byte => out.push(byte),
        }
    }
}

/// Writes the end of a form.
pub fn write_end(boundary: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\r\n--");
    out.extend_from_slice(boundary.as_bytes());
    out.extend_from_slice(b"--\r\n");
}

#[cfg(test)]
mod tests;
