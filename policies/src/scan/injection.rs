//! Prompt injection and jailbreaks, told by many signs together: `PROMPT_INJECTION`.
//!
//! One text, one judgement: words by their parts (`tokens`, the lists), what they mean together (`rules`), what the text
//! says without its disguise (`shadow`), and whether it only speaks about such things (`context`). A single sign never
//! decides. Knows nothing of roles beyond whose words a text is, and of what follows from a judgement. Invariants: linear
//! time; memory bounded by a stretch of the text; no recursion: what is decoded is not decoded again.

mod asking;
mod chinese;
mod class;
mod context;
mod english;
mod english_more;
mod foreign;
mod harm;
mod pinyin;
mod reading;
mod rules;
mod rules_more;
mod script;
mod shadow;
mod tokens;
mod topics;
mod trie;

use std::ops::Range;
use std::sync::LazyLock;

use smallvec::SmallVec;

use super::fold;
use class::{About, Class};
use context::Context;
use reading::{Finding, Reading, SIGNALS, Signal};
use rules::ANCHORS;
use tokens::{Index, Look};

/// Bytes judged at once; longer texts are judged in stretches.
const STRETCH: usize = 32 << 10;
/// Bytes that two stretches share.
const SHARED: usize = 2 << 10;
/// Signals further apart than this do not belong together, in bytes.
const TOGETHER: usize = 2000;
/// What signs that only support others may add, without and with something to support.
const SUPPORT_ALONE: u32 = 34;
const SUPPORT: u32 = 50;
/// From here on a signal is something to support.
const SOLID: u32 = 24;
/// Findings that are weighed in one stretch; where there are more, the rest count in full.
const WEIGHED_MAX: usize = 512;

/// Whose words a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The user's own.
    User,
    /// The application's: it may say what it likes about rules and roles, almost.
    System,
    /// Results of tools and documents: data, which has nothing to order.
    Tool,
    /// The model's.
    Model,
}

impl Source {
    const fn threshold(self) -> u32 {
        match self {
            Self::User => 47,
            Self::Tool => 44,
            Self::System | Self::Model => 100,
        }
    }
}

/// What was judged to be an injection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// How sure, of 100.
    pub score: u8,
    /// Where its strongest sign stands, in bytes of the text.
    pub span: Range<usize>,
    /// The signs, by name.
    pub signals: SmallVec<[&'static str; 4]>,
}

static WORDS: LazyLock<Index<Class>> = LazyLock::new(|| {
    Index::new(&[
        english::ENGLISH,
        english_more::ENGLISH_MORE,
        chinese::CHINESE,
        pinyin::PINYIN,
        foreign::FOREIGN,
    ])
});
static TOPICS: LazyLock<Index<About>> = LazyLock::new(|| Index::new(&[topics::TOPICS]));

/// Judges one text.
#[must_use]
pub fn find(text: &str, source: Source) -> Option<Judged> {
    let mut from = 0;
    loop {
        let mut to = (from + STRETCH).min(text.len());
        while !text.is_char_boundary(to) {
            to -= 1;
        }
        let judged = stretch(text.get(from..to)?, source);
        if let Some(mut judged) = judged {
            let (mut start, mut end) = (judged.span.start + from, judged.span.end + from);
            // A disguise leads back to a place, not always to a character.
            start = start.min(text.len());
            while !text.is_char_boundary(start) {
                start -= 1;
            }
            end = end.clamp(start, text.len());
            while !text.is_char_boundary(end) {
                end += 1;
            }
            judged.span = start..end;
            return Some(judged);
        }
        if to == text.len() {
            return None;
        }
        from = to - SHARED;
        while !text.is_char_boundary(from) {
            from -= 1;
        }
    }
}

fn stretch(raw: &str, source: Source) -> Option<Judged> {
    if !shadow::to_fold(raw) {
        return folded(raw, source);
    }
    let fold = fold::fold(raw, 0, true);
    let mut judged = folded(&fold.text, source)?;
    judged.span = fold.map.start(judged.span.start)..fold.map.end(judged.span.end);
    Some(judged)
}

fn read(text: &str) -> (Reading<'_>, Look) {
    let mut reading = Reading {
        text,
        tokens: Vec::new(),
        seen: 0,
    };
    let look = WORDS.find(text, |token| {
        reading.seen |= token.class.bit();
        reading.tokens.push(token);
    });
    (reading, look)
}

fn folded(text: &str, source: Source) -> Option<Judged> {
    let (reading, look) = read(text);
    let mut findings = Vec::new();
    if reading.seen & ANCHORS != 0 {
        rules::judge(&reading, &mut findings);
    }
    disguised(&reading, look, &mut findings);
    if findings.is_empty() {
        return None;
    }
    findings.sort_by_key(|f| f.start);
    // Most texts end here; what a text is about is asked only where it matters.
    if total(&findings).0 < source.threshold() {
        return None;
    }
    let context = Context::new(text, &findings, |report| {
        TOPICS.find(text, report);
    });
    for finding in findings.iter_mut().take(WEIGHED_MAX) {
        finding.score = context.weigh(finding);
    }
    let (score, best) = total(&findings);
    if score < source.threshold() {
        return None;
    }
    let strongest = best.iter().flatten().max_by_key(|f| f.score)?;
    let mut signals: Vec<&Finding> = best.iter().flatten().filter(|f| f.score > 0).collect();
    signals.sort_by_key(|f| std::cmp::Reverse(f.score));
    Some(Judged {
        score: u8::try_from(score.min(100)).unwrap_or(100),
        span: strongest.start..strongest.end,
        signals: signals.iter().map(|f| f.signal.name()).collect(),
    })
}

/// What the text says without each disguise that it may wear.
fn disguised(reading: &Reading<'_>, look: Look, findings: &mut Vec<Finding>) {
    let text = reading.text;
    if look.alike || look.leet || look.spaced || look.spread || look.joined {
        for one in ['i', 'l'] {
            let Some(shadow) = shadow::loosened(text, one) else {
                break;
            };
            under(&shadow.text, findings, |found| {
                found.start = shadow.place(found.start);
                found.end = shadow.place(found.end).max(found.start);
                found.anchor = shadow.place(found.anchor);
            });
            if !text.contains('1') {
                break;
            }
        }
    }
    if reading.has(&[Class::Rot]) {
        under(&shadow::rot13(text), findings, |_| ());
    }
    if reading.has(&[Class::Backwards]) {
        let reversed: String = text.chars().rev().collect();
        under(&reversed, findings, |found| {
            (found.start, found.end) = (text.len() - found.end, text.len() - found.start);
            found.anchor = found.start;
        });
    }
    if look.long || reading.has(&[Class::Decode]) {
        for (start, end, said) in shadow::decoded(text) {
            under(&said, findings, |found| {
                (found.start, found.end, found.anchor) = (start, end, start);
            });
        }
    }
    if reading.has(&[Class::Join]) {
        let joined = literals(text);
        under(&joined, findings, |found| {
            (found.start, found.end, found.anchor) = (0, text.len(), 0);
        });
    }
    if look.tags {
        under(&shadow::tags(text), findings, |found| {
            (found.start, found.end, found.anchor) = (0, text.len(), 0);
        });
    }
}

/// Quoted pieces, one after the other.
fn literals(text: &str) -> String {
    let mut out = String::new();
    let mut open: Option<char> = None;
    for c in text.chars() {
        match (open, c) {
            (None, '"' | '\'' | '`') => open = Some(c),
            (None, '“' | '「' | '‘') => {
                open = Some(match c {
                    '“' => '”',
                    '「' => '」',
                    _ => '’',
                })
            }
            (Some(close), c) if c == close => open = None,
            (Some(_), c) => out.push(c),
            (None, _) => (),
        }
    }
    out
}

/// Judges what stood under a disguise; that it had one is a sign too.
fn under(said: &str, findings: &mut Vec<Finding>, place: impl Fn(&mut Finding)) {
    let (reading, _) = read(said);
    if reading.seen & ANCHORS == 0 {
        return;
    }
    let before = findings.len();
    rules::judge(&reading, findings);
    let mut sure = None;
    let known: u64 = findings
        .iter()
        .take(before)
        .fold(0, |bits, f| bits | 1 << f.signal as u8);
    for found in findings.iter_mut().skip(before) {
        place(found);
        if found.score >= 40 && known & 1 << found.signal as u8 == 0 {
            sure = Some(*found);
        }
    }
    if let Some(found) = sure {
        findings.push(Finding {
            signal: Signal::Obfuscated,
            score: 22,
            ..found
        });
    }
}

type Best = [Option<Finding>; SIGNALS];

/// The most that signals close to each other come to, and which they are.
fn total(findings: &[Finding]) -> (u32, Best) {
    let mut latest: Best = [None; SIGNALS];
    let mut most = (0, latest);
    for &found in findings {
        for slot in &mut latest {
            if slot.is_some_and(|s| s.start + TOGETHER < found.start) {
                *slot = None;
            }
        }
        let Some(slot) = latest.get_mut(found.signal as usize) else {
            continue;
        };
        if slot.is_none_or(|s| s.score <= found.score) {
            *slot = Some(found);
        }
        let sum = |supports: bool| -> u32 {
            let chosen = latest
                .iter()
                .flatten()
                .filter(|f| f.signal.supports() == supports);
            chosen.map(|f| f.score).sum()
        };
        let solid = latest
            .iter()
            .flatten()
            .any(|f| !f.signal.supports() && f.score >= SOLID);
        let score = sum(false) + sum(true).min(if solid { SUPPORT } else { SUPPORT_ALONE });
        if score > most.0 {
            most = (score, latest);
        }
    }
    most
}

#[cfg(test)]
mod tests;
