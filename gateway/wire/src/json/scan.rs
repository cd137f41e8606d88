//! The strict scanner: one forward, iterative pass over a JSON text, to a flat tape of spans.
//!
//! Refuses what parsers disagree on: invalid UTF-8, lone surrogates, duplicate keys at any level after unescaping,
//! anything after the value, and everything over [`Limits`]. Memory is 16 bytes a token, bounded by `limits.tokens`.
//! Must never recurse: nested input must not reach the stack.

mod keys;

use super::run::{Specials, has_control, plain_prefix, short_prefix};
use super::tape::{Escapes, Limits, Node, Reason, Reject, Tape, Type};
use super::text;
use super::view::utf8;
use keys::Marks;
use smallvec::SmallVec;

/// Reads `body` onto a new tape.
///
/// # Errors
/// [`Reject`] with the first thing that is not allowed.
pub fn scan(body: &[u8], limits: &Limits) -> Result<Tape, Reject> {
    let mut tape = Tape::spare();
    scan_into(body, limits, &mut tape)?;
    Ok(tape)
}

/// As [`scan`], onto a tape that is cleared first: no allocation once it has grown.
///
/// # Errors
/// As [`scan`].
pub fn scan_into(body: &[u8], limits: &Limits, tape: &mut Tape) -> Result<(), Reject> {
    tape.nodes.clear();
    let clean = look_over(body)?;
    if u32::try_from(body.len()).is_err() {
        return Err(Reject {
            reason: Reason::TooWide,
            at: 0,
        });
    }
    let mut scanner = Scanner {
        body,
        clean,
        at: 0,
        limits,
        tape,
        top: Open::NONE,
        parents: SmallVec::new(),
    };
    scanner.run().map_err(|reason| Reject {
        reason,
        at: scanner.at,
    })
}

/// How many bytes the string takes that `raw` begins with, quotes included. `None`: [`scan`] would not take them for one.
#[must_use]
pub fn string_prefix(raw: &[u8]) -> Option<usize> {
    let inside = raw.strip_prefix(b"\"")?;
    let plain = plain_prefix(inside, false);
    let end = match inside.get(plain)? {
        b'"' => plain + 2,
        b'\\' => {
            let mut scanner = Scanner {
                body: raw,
                clean: false,
                at: 0,
                limits: &Limits::default(),
                tape: &mut Tape::default(),
                top: Open::NONE,
                parents: SmallVec::new(),
            };
            scanner.string().ok()?;
            scanner.at
        }
        _ => return None,
    };
    utf8(raw.get(..end)?)?;
    Some(end)
}

/// Bytes that are looked over at a time: twice, while they are in the processor's nearest cache.
const PIECE_BYTES: usize = 16 << 10;

/// Whether a text is UTF-8 (else it is refused), and whether it is free of control characters.
fn look_over(body: &[u8]) -> Result<bool, Reject> {
    let mut clean = true;
    let mut rest = body;
    while !rest.is_empty() {
        // A character is not cut: the next piece begins where one begins, at most three bytes earlier.
        let begins = |at: &usize| rest.get(*at).is_none_or(|byte| byte & 0xC0 != 0x80);
        let cut = (PIECE_BYTES.saturating_sub(3)..=PIECE_BYTES)
            .rev()
            .find(begins)
            .unwrap_or(PIECE_BYTES);
        let (piece, behind) = rest.split_at_checked(cut).unwrap_or((rest, &[]));
        if simdutf8::basic::from_utf8(piece).is_err() {
            let at = std::str::from_utf8(body).map_or_else(|error| error.valid_up_to(), str::len);
            return Err(Reject {
                reason: Reason::Unicode,
                at,
            });
        }
        clean = clean && !has_control(piece);
        rest = behind;
    }
    Ok(clean)
}

/// A container that is being read.
#[derive(Clone, Copy)]
struct Open {
    /// Tape index of the container.
    node: u32,
    count: u32,
    kind: Kind,
    /// Two keys may be the same: they share a bit of `seen`, or one has an escape.
    suspect: bool,
    /// A bit for each key, by its length and its outer bytes.
    seen: Marks,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Outside of all containers.
    None,
    Object,
    Array,
}

impl Open {
    const NONE: Self = Self {
        node: 0,
        count: 0,
        kind: Kind::None,
        suspect: false,
        seen: Marks::NONE,
    };
}

/// Where it stops is `at`, be it at the end or at what is refused.
struct Scanner<'a> {
    body: &'a [u8],
    /// There is no control character anywhere, not even between tokens.
    clean: bool,
    at: usize,
    limits: &'a Limits,
    tape: &'a mut Tape,
    /// The innermost container, and those around it.
    top: Open,
    parents: SmallVec<[Open; 8]>,
}

impl Scanner<'_> {
    fn run(&mut self) -> Result<(), Reason> {
        loop {
            self.value()?;
            loop {
                // A value has just ended.
                match (self.token(), self.top.kind) {
                    (Some(b','), Kind::Object) => {
                        self.at += 1;
                        self.key()?;
                        break;
                    }
                    (Some(b','), Kind::Array) => {
                        self.at += 1;
                        self.count_element()?;
                        break;
                    }
                    (Some(b'}'), Kind::Object) | (Some(b']'), Kind::Array) => {
                        self.at += 1;
                        self.close()?;
                    }
                    (None, Kind::None) => return Ok(()),
                    _ => return Err(Reason::Syntax),
                }
            }
        }
    }

    /// Reads a value up to its end, or up to the end of an empty container within it.
    #[inline]
    fn value(&mut self) -> Result<(), Reason> {
        loop {
            match self.token() {
                Some(b'"') => {
                    let start = self.at;
                    let escapes = self.string()?;
                    return self.push(Type::String, start, escapes, false);
                }
                Some(b'{') => {
                    self.begin(Kind::Object, Type::Object)?;
                    if self.token() == Some(b'}') {
                        self.at += 1;
                        return self.close();
                    }
                    self.key()?;
                }
                Some(b'[') => {
                    self.begin(Kind::Array, Type::Array)?;
                    if self.token() == Some(b']') {
                        self.at += 1;
                        return self.close();
                    }
                    self.count_element()?;
                }
                Some(b'-' | b'0'..=b'9') => {
                    let start = self.at;
                    self.number()?;
                    return self.push(Type::Number, start, Escapes::None, false);
                }
                Some(b't') => return self.word(b"true", Type::True),
                Some(b'f') => return self.word(b"false", Type::False),
                Some(b'n') => return self.word(b"null", Type::Null),
                _ => return Err(Reason::Syntax),
            }
        }
    }

    fn word(&mut self, word: &[u8], kind: Type) -> Result<(), Reason> {
        let start = self.at;
        if self.body.get(start..start + word.len()) != Some(word) {
            return Err(Reason::Syntax);
        }
        self.at += word.len();
        self.push(kind, start, Escapes::None, false)
    }

    #[inline]
    fn begin(&mut self, kind: Kind, token: Type) -> Result<(), Reason> {
        if self.top.kind != Kind::None {
            if self.parents.len() + 1 >= self.limits.depth {
                return Err(Reason::TooDeep);
            }
            self.parents.push(self.top);
        }
        self.top = Open {
            node: self.index(),
            kind,
            ..Open::NONE
        };
        let start = self.at;
        self.at += 1;
        self.push(token, start, Escapes::None, false)
    }

    #[inline]
    fn close(&mut self) -> Result<(), Reason> {
        let next = self.index();
        if let Some(node) = self.tape.nodes.get_mut(self.top.node as usize) {
            node.end = to_u32(self.at);
            node.next = next;
        }
        if self.top.suspect {
            self.no_duplicates()?;
        }
        self.top = self.parents.pop().unwrap_or(Open::NONE);
        Ok(())
    }

    /// Reads a key and the colon behind it.
    #[inline]
    fn key(&mut self) -> Result<(), Reason> {
        if self.token() != Some(b'"') {
            return Err(Reason::Syntax);
        }
        if self.top.count >= self.limits.members {
            return Err(Reason::TooWide);
        }
        self.top.count += 1;
        let start = self.at;
        let escapes = self.string()?;
        self.push(Type::String, start, escapes, true)?;
        let key = self.body.get(start + 1..self.at - 1).unwrap_or_default();
        self.top.suspect |= self.top.seen.twice(key) | (escapes != Escapes::None);
        if self.token() != Some(b':') {
            return Err(Reason::Syntax);
        }
        self.at += 1;
        Ok(())
    }

    #[inline]
    fn count_element(&mut self) -> Result<(), Reason> {
        if self.top.count >= self.limits.elements {
            return Err(Reason::TooWide);
        }
        self.top.count += 1;
        Ok(())
    }

    /// Reads a string from its first quote to behind its last; what escapes it has.
    #[inline]
    fn string(&mut self) -> Result<Escapes, Reason> {
        let inside = self.body.get(self.at + 1..).unwrap_or_default();
        match short_prefix(inside) {
            Some(short) if inside.get(short) == Some(&b'"') => {
                self.at += short + 2;
                Ok(Escapes::None)
            }
            _ => self.long_string(),
        }
    }

    /// The same for any string.
    #[inline(never)]
    fn long_string(&mut self) -> Result<Escapes, Reason> {
        let body = self.body;
        let mut specials = Specials::new(body, self.clean);
        let mut at = self.at + 1;
        let mut escapes = Escapes::None;
        loop {
            at = specials.next(at);
            match body.get(at) {
                Some(b'"') => {
                    self.at = at + 1;
                    return Ok(escapes);
                }
                Some(b'\\') => {
                    self.at = at;
                    escapes = escapes.max(self.escape()?);
                    at = self.at;
                }
                _ => {
                    self.at = at;
                    return Err(Reason::Syntax);
                }
            }
        }
    }

    #[inline]
    fn escape(&mut self) -> Result<Escapes, Reason> {
        match self.body.get(self.at + 1) {
            Some(b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 2;
                Ok(Escapes::Signs)
            }
            Some(b'/') => {
                self.at += 2;
                Ok(Escapes::Letters)
            }
            Some(b'u') => self.escape_unicode().map(|()| Escapes::Letters),
            _ => Err(Reason::Syntax),
        }
    }

    #[inline(never)]
    fn escape_unicode(&mut self) -> Result<(), Reason> {
        let first = self.hex(self.at + 2)?;
        match first {
            0xD800..=0xDBFF => {
                let second = if self.body.get(self.at + 6..self.at + 8) == Some(b"\\u") {
                    self.hex(self.at + 8)?
                } else {
                    0
                };
                if !(0xDC00..=0xDFFF).contains(&second) {
                    return Err(Reason::Unicode);
                }
                self.at += 12;
                Ok(())
            }
            0xDC00..=0xDFFF => Err(Reason::Unicode),
            _ => {
                self.at += 6;
                Ok(())
            }
        }
    }

    fn hex(&mut self, at: usize) -> Result<u32, Reason> {
        let digits = text::hex4(self.body.get(at..at + 4));
        if digits.is_none() {
            self.at = at;
        }
        digits.ok_or(Reason::Syntax)
    }

    /// RFC 8259, section 6.
    fn number(&mut self) -> Result<(), Reason> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits()?,
            _ => return Err(Reason::Syntax),
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        if self.at - start > self.limits.number {
            self.at = start;
            return Err(Reason::LongNumber);
        }
        Ok(())
    }

    #[inline]
    fn digits(&mut self) -> Result<(), Reason> {
        let rest = self.body.get(self.at..).unwrap_or_default();
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += digits;
        if digits == 0 {
            Err(Reason::Syntax)
        } else {
            Ok(())
        }
    }

    #[inline]
    fn push(
        &mut self,
        kind: Type,
        start: usize,
        escapes: Escapes,
        key: bool,
    ) -> Result<(), Reason> {
        let at = self.tape.nodes.len();
        if at >= self.limits.tokens {
            return Err(Reason::TooWide);
        }
        self.tape.nodes.push(Node {
            start: to_u32(start),
            end: to_u32(self.at),
            next: to_u32(at + 1),
            kind,
            escapes,
            key,
        });
        Ok(())
    }

    #[inline]
    fn index(&self) -> u32 {
        to_u32(self.tape.nodes.len())
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.body.get(self.at).copied()
    }

    /// The next byte that is not white space.
    #[inline]
    fn token(&mut self) -> Option<u8> {
        loop {
            match self.body.get(self.at) {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                other => return other.copied(),
            }
        }
    }
}

/// Lengths were checked to fit when the scan began.
#[expect(
    clippy::cast_possible_truncation,
    reason = "bodies of 4 GiB and more are refused at the start of a scan"
)]
fn to_u32(at: usize) -> u32 {
    at as u32
}

#[cfg(test)]
mod tests;
