//! The strict scanner: one forward, iterative pass over a JSON text, to a flat tape of spans.
//!
//! Refuses what parsers disagree on: invalid UTF-8, lone surrogates, duplicate keys at any level after unescaping,
//! anything after the value, and everything over [`Limits`]. Memory is 16 bytes a token, bounded by `limits.tokens`.
//! Must never recurse: nested input must not reach the stack.

use std::borrow::Cow;

use super::run::{has_control, plain_prefix};
use super::tape::{Limits, Node, Reason, Reject, Tape, Type};
use super::text;
use super::view::utf8;
use smallvec::SmallVec;

/// Reads `body` onto a new tape.
///
/// # Errors
/// [`Reject`] with the first thing that is not allowed.
pub fn scan(body: &[u8], limits: &Limits) -> Result<Tape, Reject> {
    let mut tape = Tape {
        nodes: Vec::with_capacity(64),
    };
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
    Scanner {
        body,
        clean,
        at: 0,
        limits,
        tape,
        top: Open::NONE,
        parents: SmallVec::new(),
    }
    .run()
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
        seen: Marks([0; 4]),
    };
}

/// 256 bits, of which each key sets one: a key whose bit is not set yet has no twin.
#[derive(Clone, Copy)]
struct Marks([u64; 4]);

impl Marks {
    /// Whether a key's bit was set before; sets it.
    #[inline]
    fn twice(&mut self, key: &[u8]) -> bool {
        // Eight bytes of either end tell nearly all keys apart; shorter ones are taken by their halves.
        let outer = match (key.first_chunk::<8>(), key.last_chunk::<8>()) {
            (Some(first), Some(last)) => {
                u64::from_le_bytes(*first) ^ u64::from_le_bytes(*last).rotate_left(17)
            }
            _ => match (key.first_chunk::<4>(), key.last_chunk::<4>()) {
                (Some(first), Some(last)) => {
                    u64::from(u32::from_le_bytes(*first)) << 32
                        | u64::from(u32::from_le_bytes(*last))
                }
                _ => key
                    .iter()
                    .fold(0, |word, byte| word << 8 | u64::from(*byte)),
            },
        };
        // Fibonacci hashing: the upper bits of the product depend on all of the word.
        let hash = (outer ^ key.len() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56;
        let bit = 1 << (hash & 63);
        // Two bits are left: all four words have their turn.
        match self.0.get_mut((hash >> 6) as usize) {
            Some(word) => {
                let before = *word & bit != 0;
                *word |= bit;
                before
            }
            None => true,
        }
    }
}

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

/// Objects of up to this many keys are compared pair by pair: no memory, and fewer steps than sorting.
const PAIRS_MAX: u32 = 12;

impl Scanner<'_> {
    fn run(mut self) -> Result<(), Reject> {
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
                    _ => return self.reject(Reason::Syntax),
                }
            }
        }
    }

    /// Reads a value up to its end, or up to the end of an empty container within it.
    #[inline]
    fn value(&mut self) -> Result<(), Reject> {
        loop {
            match self.token() {
                Some(b'"') => {
                    let start = self.at;
                    let escaped = self.string()?;
                    return self.push(Type::String, start, escaped, false);
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
                    return self.push(Type::Number, start, false, false);
                }
                Some(b't') => return self.word(b"true", Type::True),
                Some(b'f') => return self.word(b"false", Type::False),
                Some(b'n') => return self.word(b"null", Type::Null),
                _ => return self.reject(Reason::Syntax),
            }
        }
    }

    fn word(&mut self, word: &[u8], kind: Type) -> Result<(), Reject> {
        let start = self.at;
        if self.body.get(start..start + word.len()) != Some(word) {
            return self.reject(Reason::Syntax);
        }
        self.at += word.len();
        self.push(kind, start, false, false)
    }

    #[inline]
    fn begin(&mut self, kind: Kind, token: Type) -> Result<(), Reject> {
        if self.top.kind != Kind::None {
            if self.parents.len() + 1 >= self.limits.depth {
                return self.reject(Reason::TooDeep);
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
        self.push(token, start, false, false)
    }

    #[inline]
    fn close(&mut self) -> Result<(), Reject> {
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
    fn key(&mut self) -> Result<(), Reject> {
        if self.token() != Some(b'"') {
            return self.reject(Reason::Syntax);
        }
        if self.top.count >= self.limits.members {
            return self.reject(Reason::TooWide);
        }
        self.top.count += 1;
        let start = self.at;
        let escaped = self.string()?;
        self.push(Type::String, start, escaped, true)?;
        let key = self.body.get(start + 1..self.at - 1).unwrap_or_default();
        self.top.suspect |= self.top.seen.twice(key) | escaped;
        if self.token() != Some(b':') {
            return self.reject(Reason::Syntax);
        }
        self.at += 1;
        Ok(())
    }

    #[inline]
    fn count_element(&mut self) -> Result<(), Reject> {
        if self.top.count >= self.limits.elements {
            return self.reject(Reason::TooWide);
        }
        self.top.count += 1;
        Ok(())
    }

    /// Reads a string from its first quote to behind its last; whether it has an escape.
    #[inline]
    fn string(&mut self) -> Result<bool, Reject> {
        self.at += 1;
        let mut escaped = false;
        loop {
            let rest = self.body.get(self.at..).unwrap_or_default();
            self.at += plain_prefix(rest, self.clean);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(escaped);
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                _ => return self.reject(Reason::Syntax),
            }
        }
    }

    #[inline]
    fn escape(&mut self) -> Result<(), Reject> {
        match self.body.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 2;
                Ok(())
            }
            Some(b'u') => self.escape_unicode(),
            _ => self.reject(Reason::Syntax),
        }
    }

    fn escape_unicode(&mut self) -> Result<(), Reject> {
        let first = self.hex(self.at + 2)?;
        match first {
            0xD800..=0xDBFF => {
                let second = if self.body.get(self.at + 6..self.at + 8) == Some(b"\\u") {
                    self.hex(self.at + 8)?
                } else {
                    0
                };
                if !(0xDC00..=0xDFFF).contains(&second) {
                    return self.reject(Reason::Unicode);
                }
                self.at += 12;
                Ok(())
            }
            0xDC00..=0xDFFF => self.reject(Reason::Unicode),
            _ => {
                self.at += 6;
                Ok(())
            }
        }
    }

    fn hex(&self, at: usize) -> Result<u32, Reject> {
        text::hex4(self.body.get(at..at + 4)).ok_or(Reject {
            reason: Reason::Syntax,
            at,
        })
    }

    /// RFC 8259, section 6.
    fn number(&mut self) -> Result<(), Reject> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits()?,
            _ => return self.reject(Reason::Syntax),
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
            Err(Reject {
                reason: Reason::LongNumber,
                at: start,
            })
        } else {
            Ok(())
        }
    }

    #[inline]
    fn digits(&mut self) -> Result<(), Reject> {
        let rest = self.body.get(self.at..).unwrap_or_default();
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += digits;
        if digits == 0 {
            self.reject(Reason::Syntax)
        } else {
            Ok(())
        }
    }

    /// Whether no two keys of the object that has just ended are the same, after unescaping.
    #[cold]
    fn no_duplicates(&self) -> Result<(), Reject> {
        let object = &self.top;
        let mut keys: SmallVec<[&Node; PAIRS_MAX as usize]> = SmallVec::new();
        let mut at = object.node as usize + 1;
        while let (Some(key), Some(value)) = (self.tape.nodes.get(at), self.tape.nodes.get(at + 1))
        {
            keys.push(key);
            at = value.next as usize;
        }
        let plain = keys.iter().all(|key| !key.escaped);
        let twice = if object.count <= PAIRS_MAX && plain {
            // The later one of the two, as below.
            keys.iter().enumerate().find_map(|(at, key)| {
                let earlier = keys.get(..at).unwrap_or_default();
                earlier
                    .iter()
                    .any(|other| self.inside(other) == self.inside(key))
                    .then_some(key.start as usize)
            })
        } else {
            let mut names: Vec<(Cow<'_, [u8]>, u32)> = keys
                .iter()
                .map(|key| {
                    let raw = self.inside(key);
                    let name = if key.escaped {
                        text::unescape_bytes(raw)
                    } else {
                        Cow::Borrowed(raw)
                    };
                    (name, key.start)
                })
                .collect();
            names.sort_unstable();
            names.windows(2).find_map(|pair| match pair {
                [first, second] if first.0 == second.0 => Some(second.1 as usize),
                _ => None,
            })
        };
        twice.map_or(Ok(()), |at| {
            Err(Reject {
                reason: Reason::DuplicateKey,
                at,
            })
        })
    }

    /// What stands between a string's quotes.
    fn inside(&self, string: &Node) -> &[u8] {
        self.body
            .get(string.start as usize + 1..string.end as usize - 1)
            .unwrap_or_default()
    }

    #[inline]
    fn push(&mut self, kind: Type, start: usize, escaped: bool, key: bool) -> Result<(), Reject> {
        let at = self.tape.nodes.len();
        if at >= self.limits.tokens {
            return self.reject(Reason::TooWide);
        }
        self.tape.nodes.push(Node {
            start: to_u32(start),
            end: to_u32(self.at),
            next: to_u32(at + 1),
            kind,
            escaped,
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

    #[cold]
    fn reject<T>(&self, reason: Reason) -> Result<T, Reject> {
        Err(Reject {
            reason,
            at: self.at,
        })
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(body: &str, want: Result<(), Reason>) {
        let got = scan(body.as_bytes(), &Limits::default())
            .map(|_| ())
            .map_err(|reject| reject.reason);
        assert_eq!(got, want, "{body}");
    }

    #[test]
    fn the_table_of_threats_section_4() {
        check(r#"{"model":"a","model":"b"}"#, Err(Reason::DuplicateKey));
        check(
            r#"{"model":"a","\u006dodel":"b"}"#,
            Err(Reason::DuplicateKey),
        );
        check(
            r#"{"x":{"a":1,"b":{"c":1,"c":2}}}"#,
            Err(Reason::DuplicateKey),
        );
        check(r#"{"x":"\ud800"}"#, Err(Reason::Unicode));
        check(r#"{"x":"\ud800\u0041"}"#, Err(Reason::Unicode));
        check(r#"{"x":"\udc00"}"#, Err(Reason::Unicode));
        check(r#"{"x":"\ud83d\ude00"}"#, Ok(()));
        for tail in [" //c", "x", "{}", ",", " null"] {
            check(&format!(r#"{{"model":"a"}}{tail}"#), Err(Reason::Syntax));
        }
        for bad in [
            "{\"a\":NaN}",
            "{\"a\":1,}",
            "[1,]",
            "{\"a\" 1}",
            "{'a':1}",
            "{\"a\":01}",
            "{\"a\":1.}",
            "{\"a\":.5}",
            "{\"a\":1e}",
            "\"\u{1}\"",
            "",
            " ",
            "{",
            "[",
            "\"",
            "\"\\",
            "\"\\u12",
            "{\"a\"",
            "{\"a\":",
            "{\"a\":1",
            "tru",
            "+1",
            "-",
        ] {
            check(bad, Err(Reason::Syntax));
        }
        check(r#"{"a":1e999}"#, Ok(()));
        check(
            &format!("{{\"a\":{}}}", "1".repeat(65)),
            Err(Reason::LongNumber),
        );
        check(&("[".repeat(64) + &"]".repeat(64)), Ok(()));
        check(&("[".repeat(65) + &"]".repeat(65)), Err(Reason::TooDeep));
        check(&"[".repeat(2_000_000), Err(Reason::TooDeep));
        check(&format!("[{}1]", "1,".repeat(65_536)), Err(Reason::TooWide));
        check(&format!("[{}1]", "1,".repeat(65_535)), Ok(()));
        let members: Vec<String> = (0..10_001).map(|n| format!("\"k{n}\":1")).collect();
        check(&format!("{{{}}}", members.join(",")), Err(Reason::TooWide));
        check(&format!("{{{}}}", members[..10_000].join(",")), Ok(()));
        check(
            &format!("{{{},\"k7\":1}}", members[..100].join(",")),
            Err(Reason::DuplicateKey),
        );
        let invalid = scan(b"{\"a\":\"\xff\"}", &Limits::default())
            .map(|_| ())
            .unwrap_err();
        assert_eq!(
            invalid,
            Reject {
                reason: Reason::Unicode,
                at: 6
            }
        );
    }

    #[test]
    fn long_texts_are_looked_over_in_pieces() {
        for shift in 0..5 {
            for unit in ["a", "é", "密", "😀"] {
                let text = format!("[\"{}{}\"]", "x".repeat(shift), unit.repeat(40_000));
                assert!(scan(text.as_bytes(), &Limits::default()).is_ok());
                let mut bytes = text.into_bytes();
                for at in [PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 30_000] {
                    let before = std::mem::replace(&mut bytes[at], 0xFF);
                    let reject = scan(&bytes, &Limits::default()).map(|_| ()).unwrap_err();
                    assert_eq!(reject.reason, Reason::Unicode);
                    bytes[at] = before;
                }
                let at = bytes.len() - 3;
                bytes.insert(at, 0x1F);
                assert!(scan(&bytes, &Limits::default()).is_err(), "{unit} {shift}");
            }
        }
        check(&format!("[\"{}\",\n1]", "x".repeat(100)), Ok(()));
        check(
            &format!("[\"{}\n\",1]", "x".repeat(100)),
            Err(Reason::Syntax),
        );
    }

    #[test]
    fn spans_and_siblings() {
        let body = br#" {"a":[1,"x\n",{}],"b":true} "#;
        let tape = scan(body, &Limits::default()).unwrap();
        let texts: Vec<&str> = tape
            .nodes()
            .iter()
            .map(|node| std::str::from_utf8(&body[node.start as usize..node.end as usize]).unwrap())
            .collect();
        assert_eq!(
            texts,
            [
                r#"{"a":[1,"x\n",{}],"b":true}"#,
                "\"a\"",
                r#"[1,"x\n",{}]"#,
                "1",
                r#""x\n""#,
                "{}",
                "\"b\"",
                "true"
            ]
        );
        assert_eq!(tape.nodes()[2].next, 6);
        assert!(tape.nodes()[4].escaped && tape.nodes()[1].key);
        assert_eq!(size_of::<Node>(), 16);
    }

    fn json() -> impl Strategy<Value = String> {
        prop::collection::vec(
            prop_oneof![
                Just("{".to_owned()),
                Just("}".to_owned()),
                Just("[".to_owned()),
                Just("]".to_owned()),
                Just(",".to_owned()),
                Just(":".to_owned()),
                Just("\"a\"".to_owned()),
                Just("\"b\"".to_owned()),
                Just("\"\\u0061\"".to_owned()),
                Just("\"\\ud83d\\ude00\"".to_owned()),
                Just("1".to_owned()),
                Just("-0.5e3".to_owned()),
                Just("01".to_owned()),
                Just("true".to_owned()),
                Just("null".to_owned()),
                Just(" ".to_owned()),
                "\\PC{0,3}",
            ],
            0..14,
        )
        .prop_map(|parts| parts.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]
        #[test]
        fn agrees_with_serde_json(body in json()) {
            let theirs = serde_json::from_str::<serde_json::Value>(&body);
            // A number that no float holds is still a number to us: what it may be, its field's lens says.
            prop_assume!(!theirs.as_ref().is_err_and(|error| error.to_string().contains("out of range")));
            let theirs = theirs.is_ok();
            match scan(body.as_bytes(), &Limits::default()) {
                Ok(_) => prop_assert!(theirs, "{}", body),
                // serde_json takes the last of two equal keys.
                Err(reject) => prop_assert!(!theirs || reject.reason == Reason::DuplicateKey, "{} {:?}", body, reject),
            }
        }

        #[test]
        fn a_string_is_told_as_in_a_whole_text(body in prop::collection::vec(prop_oneof![
            6 => Just(b"a".to_vec()), 3 => Just(b"\"".to_vec()), 2 => Just(b"\\n".to_vec()), 1 => Just(b"\\u00e9".to_vec()),
            1 => Just(b"\\ud83d\\ude00".to_vec()), 1 => Just(b"\\ud83d".to_vec()), 1 => Just(b"\\".to_vec()),
            1 => Just(b"\n".to_vec()), 2 => Just("密".as_bytes().to_vec()), 1 => Just(b"\xe5".to_vec()), 4 => Just(vec![b'x'; 20]),
        ], 0..12)) {
            let raw = [b"\"", body.concat().as_slice()].concat();
            let longest = (0..=raw.len()).find(|end| scan(&raw[..*end], &Limits::default()).is_ok());
            prop_assert_eq!(string_prefix(&raw), longest);
        }

        #[test]
        fn never_panics(body in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = scan(&body, &Limits::default());
        }
    }
}
