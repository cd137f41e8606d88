//! From text to the `cel` crate's syntax tree, within bounds.
//!
//! Knows no types and no variables. The parser is generated and recurses, some 20 KiB of stack a bracket and ten times
//! that when it is not optimised, so the brackets are counted before it sees the text, and it runs on a thread whose
//! stack is known. Invariant: whatever the text, this ends with a tree or an error; neither is deep.

use std::thread;

use cel::IdedExpr;
use cel::common::ast::SourceInfo;
use cel::parser::{ParseErrors, Parser};

use super::{NEST_MAX, NODES_MAX, SOURCE_BYTES_MAX, WhenError};

/// Stack of the thread that parses.
const STACK_BYTES: usize = 16 << 20;
/// Nesting of rules in the parser: brackets, and conditionals within conditionals.
const DEPTH_MAX: u16 = 64;
/// Times that the parser may try to go on after an error: we report the first one only.
const RECOVERIES_MAX: u32 = 3;

/// A tree, and where its nodes stand.
pub(super) struct Parsed {
    pub(super) root: IdedExpr,
    pub(super) places: SourceInfo,
}

pub(super) fn parse(source: &str) -> Result<Parsed, WhenError> {
    if source.len() > SOURCE_BYTES_MAX {
        let message = format!("longer than {SOURCE_BYTES_MAX} bytes");
        return Err(WhenError::new(SOURCE_BYTES_MAX, message));
    }
    bounded(source)?;
    let text = source.to_owned();
    let parsing = thread::Builder::new()
        .name("when".into())
        .stack_size(STACK_BYTES)
        .spawn(move || {
            Parser::new()
                .max_recursion_depth(DEPTH_MAX)
                .error_recovery_limit(RECOVERIES_MAX)
                .parse_with_source_info(&text)
                .map_err(|errors| first(&errors, &text))
        })
        .map_err(|_| WhenError::new(0, "cannot be parsed: no thread could be started"))?;
    match parsing.join() {
        Ok(parsed) => parsed.map(|(root, places)| Parsed { root, places }),
        // The parser panicked: its bug, but our config.
        Err(_) => Err(WhenError::new(0, "cannot be parsed")),
    }
}

/// Counts brackets and what may make a tree deep, texts and comments left out.
fn bounded(source: &str) -> Result<(), WhenError> {
    let bytes = source.as_bytes();
    let (mut at, mut open, mut links) = (0, 0_usize, 0_usize);
    while let Some(&byte) = bytes.get(at) {
        let start = at;
        at += 1;
        match byte {
            b'(' | b'[' | b'{' => {
                open += 1;
                links += 1;
            }
            b')' | b']' | b'}' => open = open.saturating_sub(1),
            b'"' | b'\'' => at = past_text(bytes, start),
            b'/' if bytes.get(at) == Some(&b'/') => {
                let rest = bytes.get(at..).unwrap_or_default();
                at += rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
            }
            b'.' | b'!' | b'-' | b'+' | b'*' | b'/' | b'%' | b'?' | b'<' | b'>' | b'=' | b'&'
            | b'|' => links += 1,
            _ => {}
        }
        if open > NEST_MAX {
            let message = format!("more than {NEST_MAX} brackets within brackets");
            return Err(WhenError::new(start, message));
        }
        // An operator has at most two characters.
        if links > 2 * NODES_MAX {
            return Err(too_many(start));
        }
    }
    Ok(())
}

pub(super) fn too_many(at: usize) -> WhenError {
    WhenError::new(at, format!("too long: more than {NODES_MAX} parts"))
}

/// Where the text that begins at `start` ends. An unfinished one ends with the source.
fn past_text(bytes: &[u8], start: usize) -> usize {
    let get = |at: usize| bytes.get(at).copied();
    let Some(quote) = get(start) else {
        return bytes.len();
    };
    let before = start.checked_sub(1).and_then(get);
    let raw = matches!(before, Some(b'r' | b'R'))
        || (matches!(before, Some(b'b' | b'B'))
            && matches!(start.checked_sub(2).and_then(get), Some(b'r' | b'R')));
    let long = get(start + 1) == Some(quote) && get(start + 2) == Some(quote);
    let quotes = if long { 3 } else { 1 };
    let mut at = start + quotes;
    while let Some(byte) = get(at) {
        if byte == b'\\' && !raw {
            at += 2;
        } else if byte == quote && (0..quotes).all(|i| get(at + i) == Some(quote)) {
            return at + quotes;
        } else {
            at += 1;
        }
    }
    bytes.len()
}

/// The first error, in our words: the parser's hold the names of its tokens.
fn first(errors: &ParseErrors, source: &str) -> WhenError {
    let Some(error) = errors.errors.first() else {
        return WhenError::new(0, "cannot be parsed");
    };
    WhenError::new(offset(source, error.pos), said(&error.msg))
}

fn said(message: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 24;
    let shown = |text: &str| -> String {
        let plain = text.chars().filter(|c| !c.is_control());
        plain.take(SHOWN_CHARS_MAX).collect()
    };
    if message.contains("ecursion") {
        return "too deeply nested".into();
    }
    if message.contains("int literal") {
        return "not a whole number that fits 64 bits".into();
    }
    // `… at: '&'`: what no token begins with.
    if let Some((_, stray)) = message.split_once("token recognition error at: '") {
        return match stray.chars().next() {
            Some('=') => "unexpected `=`; compare with `==`".into(),
            Some('&' | '|') => "unexpected character; write `&&` and `||`".into(),
            Some('"' | '\'') => "a text that has no end, or an escape that is not known".into(),
            _ => {
                let stray = shown(stray.trim_end_matches('\''));
                format!("unexpected `{}`", stray.trim_end())
            }
        };
    }
    if let Some(syntax) = message.strip_prefix("Syntax error: ") {
        let quoted = syntax.split_once('\'').map(|(_, rest)| rest);
        return match quoted.and_then(|rest| rest.split('\'').next()) {
            Some("<EOF>") => "it ends too early".into(),
            Some(token) => format!("unexpected `{}`", shown(token)),
            None => "cannot be parsed".into(),
        };
    }
    if message.starts_with("unsupported syntax") {
        return "this syntax is not supported".into();
    }
    // What the parser says of macros and of words that are reserved.
    match message.split_once("() macro") {
        Some(_) => "has() takes a field: has(key.team)".into(),
        None => shown_sentence(message),
    }
}

fn shown_sentence(message: &str) -> String {
    const SENTENCES: [&str; 2] = ["argument must be a simple name", "reserved identifier"];
    let known = SENTENCES.iter().find(|known| message.starts_with(**known));
    known.map_or_else(|| "cannot be parsed".into(), |known| (*known).to_owned())
}

/// The byte offset of a line and a column, both in characters from 1.
fn offset(source: &str, (line, column): (isize, isize)) -> usize {
    let before = |n: isize| usize::try_from(n - 1).unwrap_or(0);
    let mut start = 0;
    for text in source.split_inclusive('\n').take(before(line)) {
        start += text.len();
    }
    let rest = source.get(start..).unwrap_or_default();
    let chars = rest.char_indices().nth(before(column));
    start + chars.map_or(rest.len(), |(at, _)| at)
}
