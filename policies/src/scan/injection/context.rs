//! Speech about injections is no injection: articles, tests, translations, quotations, questions on machines.
//!
//! Reads the text around a finding and lowers its points. Called only where the points would be enough, so ordinary
//! texts never come here. Invariant: looks a bounded way to each side.

use super::class::About::{self, *};
use super::reading::{Finding, Signal};
use super::tokens::Token;

/// How far a quotation mark is looked for, in bytes.
const QUOTE_REACH: usize = 400;
/// A quotation so long is no example, in bytes.
const DOCUMENT: usize = 110;
/// What stands in a quotation before an example of one, at most, in bytes.
const PREFACE: usize = 15;
/// Text of the user's own so long is what "above" refers to, in bytes.
const OWN_TEXT: usize = 200;
/// How far before a finding its sentence is read, in bytes.
const LEAD: usize = 120;

/// How many kinds of [`About`] there are.
const KINDS: usize = 10;

/// The text, and what it is about.
#[derive(Debug)]
pub(super) struct Context<'t> {
    text: &'t str,
    about: Vec<Token<About>>,
    /// For each word, how many of each kind stand before it; one more for the end.
    before: Vec<[u16; KINDS]>,
    /// Where code fences are.
    fences: Vec<usize>,
    /// Where machines are addressed.
    addressed: Vec<usize>,
}

fn back(text: &str, mut at: usize) -> usize {
    at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

impl<'t> Context<'t> {
    /// What `text` is about: `find` gives its words.
    pub(super) fn new(
        text: &'t str,
        findings: &[Finding],
        find: impl FnOnce(&mut dyn FnMut(Token<About>)),
    ) -> Self {
        let (mut about, mut before) = (Vec::new(), Vec::new());
        let mut counts = [0u16; KINDS];
        find(&mut |token| {
            before.push(counts);
            if let Some(count) = counts.get_mut(token.class as usize) {
                *count = count.saturating_add(1);
            }
            about.push(token);
        });
        before.push(counts);
        Self {
            text,
            about,
            before,
            addressed: findings
                .iter()
                .filter(|f| f.signal == Signal::Indirect)
                .map(|f| f.anchor)
                .collect(),
            fences: text.match_indices("```").map(|(at, _)| at).collect(),
        }
    }

    fn slice(&self, from: usize, to: usize) -> &str {
        let (from, to) = (back(self.text, from), back(self.text, to));
        self.text.get(from..to).unwrap_or("")
    }

    /// How many words of these kinds stand wholly between `from` and `to`, but for those that touch `except`.
    fn count(&self, which: &[About], from: usize, to: usize, except: (usize, usize)) -> usize {
        let among = |from: usize, to: usize| {
            let first = self.about.partition_point(|t| t.start < from);
            let last = self.about.partition_point(|t| t.end <= to);
            let sum = |at: usize| -> usize {
                let row = self.before.get(at);
                let of = |kind: &About| {
                    row.and_then(|row| row.get(*kind as usize))
                        .copied()
                        .unwrap_or(0)
                };
                which.iter().map(|kind| usize::from(of(kind))).sum()
            };
            if last > first {
                sum(last) - sum(first)
            } else {
                0
            }
        };
        if except.0 >= to || except.1 <= from || except.0 >= except.1 {
            return among(from, to);
        }
        among(from, except.0.min(to)) + among(except.1.max(from), to)
    }

    /// The quotation that a finding stands in, if it does not begin and end the text.
    fn quotation(&self, found: &Finding) -> Option<(usize, usize)> {
        const PAIRS: &[(char, char)] = &[
            ('“', '”'),
            ('「', '」'),
            ('『', '』'),
            ('‘', '’'),
            ('"', '"'),
            ('\'', '\''),
            ('`', '`'),
            ('《', '》'),
            ('«', '»'),
        ];
        let from = back(self.text, found.anchor.saturating_sub(QUOTE_REACH));
        let to = back(self.text, found.anchor + QUOTE_REACH);
        let before = self.slice(from, found.anchor);
        let after = self
            .text
            .get(back(self.text, found.anchor)..to)
            .unwrap_or("");
        let mut best: Option<(usize, usize)> = None;
        for &(open, close) in PAIRS {
            let Some(begin) = opening(before, open, close) else {
                continue;
            };
            let Some(end) = after.find(close) else {
                continue;
            };
            // A word's apostrophe is no mark.
            if open == '\'' && apostrophe(after, end) {
                continue;
            }
            let pair = (from + begin, back(self.text, found.anchor) + end);
            if best.is_none_or(|b| pair.0 > b.0) {
                best = Some(pair);
            }
        }
        let whole = self.text.trim();
        best.filter(|(begin, end)| end - begin + 8 < whole.len())
    }

    fn fenced(&self, found: &Finding) -> bool {
        self.fences.partition_point(|at| *at < found.anchor) % 2 == 1
    }

    /// Points of a finding that are left.
    pub(super) fn weigh(&self, found: &Finding) -> u32 {
        let percent = match found.signal {
            Signal::Mode => self.of_machines(found),
            Signal::Markup | Signal::Header => self.of_formats(found),
            _ => 100,
        };
        let percent = percent.min(self.of_speech(found)).min(self.of_soft(found));
        found.score * percent / 100
    }

    fn of_machines(&self, found: &Finding) -> u32 {
        let near = self.count(
            &[Device],
            found.start.saturating_sub(200),
            found.end + 200,
            (0, 0),
        );
        if near > 0 { 35 } else { 100 }
    }

    /// Rules and limits of machines and papers.
    fn of_soft(&self, found: &Finding) -> u32 {
        if !found.soft {
            return 100;
        }
        let near = self.count(
            &[Device],
            found.start.saturating_sub(120),
            found.end + 120,
            (0, 0),
        );
        let asks = self.count(
            &[Question],
            found.start.saturating_sub(60),
            found.end + 60,
            (0, 0),
        );
        let paper = self.count(&[Writing], 0, self.text.len(), (0, 0));
        match (near + paper, asks) {
            (0, 0) => 100,
            (0, _) => 75,
            _ => 50,
        }
    }

    fn of_formats(&self, found: &Finding) -> u32 {
        let near = self.count(
            &[Format, Topic],
            found.start.saturating_sub(600),
            found.end + 600,
            (0, 0),
        );
        let asks = self.count(&[Question, Explain], 0, self.text.len(), (0, 0));
        match (near, asks) {
            (0, 0) => 100,
            (0, _) => 70,
            (1, 0) => 60,
            _ => 30,
        }
    }

    fn of_speech(&self, found: &Finding) -> u32 {
        let all = self.text.len();
        let inside = (found.anchor, found.anchor + 1);
        let head = self.text.len().min(found.start.max(90));
        let asks = self.count(
            &[Question, Explain, Writing, Translate, Guard],
            0,
            head,
            inside,
        );
        let topic = self.count(&[Topic, Guard], 0, all, inside);
        let sentence = self.lead(found);
        let led = self.count(
            &[Third, Example, Guard, Topic],
            sentence,
            found.start + 1,
            (0, 0),
        );
        if found.signal != Signal::Harm
            && let Some(quote) = self.quotation(found)
        {
            return self.of_quotation(found, quote);
        }
        if self.fenced(found) && (topic > 0 || asks > 0) {
            return 30;
        }
        if led > 0 && (topic > 0 || asks > 0) {
            return 35;
        }
        if topic >= 3 && asks > 0 || topic >= 5 {
            return 35;
        }
        if topic > 0
            && asks > 0
            && self.count(&[Question, Writing, Explain, Guard], 0, 60.min(all), inside) > 0
        {
            return 40;
        }
        if self.recited(found) {
            return 35;
        }
        if found.signal == Signal::Extraction && self.has_own_text(found) {
            return 60;
        }
        100
    }

    /// Whether what is quoted is a beginning that the model shall go on with.
    fn to_complete(&self, quote: usize) -> bool {
        let before = self.slice(quote.saturating_sub(LEAD), quote).to_lowercase();
        [
            "complet",
            "continue",
            "finish",
            "fill in",
            "续写",
            "补全",
            "补完",
            "填空",
            "接着写",
            "完成",
        ]
        .iter()
        .any(|w| before.contains(w))
    }

    /// Whether "the text above" may be one that the user gave along.
    fn has_own_text(&self, found: &Finding) -> bool {
        let asked = self.slice(found.start, found.end).to_ascii_lowercase();
        if ["prompt", "提示", "指令", "instruction", "you are", "你是"]
            .iter()
            .any(|w| asked.contains(w))
        {
            return false;
        }
        let after = self.slice(found.end, found.end + QUOTE_REACH);
        let given = after
            .split_once([':', '：'])
            .is_some_and(|(_, text)| text.trim().len() > 24);
        given || found.start > OWN_TEXT
    }

    /// What is left of what is quoted.
    fn of_quotation(&self, found: &Finding, (begin, end): (usize, usize)) -> u32 {
        if self.to_complete(begin) {
            return 100;
        }
        // What is quoted shall be done.
        let (before, after) = (
            self.slice(begin.saturating_sub(LEAD), begin),
            self.slice(end, end + LEAD),
        );
        let done = [
            "执行引号",
            "执行上",
            "照做",
            "执行这",
            "请执行",
            "execute",
            "do what",
            "follow it",
            "and obey",
            "carry out",
            "type ",
            "run ",
        ];
        if done.iter().any(|w| before.contains(w) || after.contains(w)) {
            return 100;
        }
        let about = [Topic, Translate, Explain, Example, Guard];
        let outside = self.count(&about, 0, self.text.len(), (begin, end));
        if outside > 0 {
            return 20;
        }
        // A long quotation is a document: what it orders is meant.
        let first = self.addressed.partition_point(|at| *at < begin);
        if end - begin > DOCUMENT
            || found.anchor > begin + PREFACE
            || self.addressed.get(first).is_some_and(|at| *at < end)
            || matches!(
                found.signal,
                Signal::Indirect | Signal::Exfiltration | Signal::Hidden | Signal::Header
            )
        {
            return 100;
        }
        if self.count(
            &[Writing, Third, Question],
            0,
            self.text.len(),
            (begin, end),
        ) > 0
        {
            20
        } else {
            60
        }
    }

    /// Where the sentence of a finding begins, as far as is read.
    fn lead(&self, found: &Finding) -> usize {
        let from = back(self.text, found.anchor.saturating_sub(LEAD));
        let before = self.slice(from, found.anchor);
        let cut = before
            .rfind(['。', '！', '？', '\n', '!', '?'])
            .or_else(|| before.rfind(". "));
        cut.map_or(from, |at| from + at)
    }

    /// `Translate: …`: what follows the colon is matter, unless it goes on to give orders.
    fn recited(&self, found: &Finding) -> bool {
        let from = back(self.text, found.anchor.saturating_sub(QUOTE_REACH));
        let Some(colon) = self.slice(from, found.anchor).rfind([':', '：']) else {
            return false;
        };
        let colon = from + colon;
        let task = self.count(&[Translate, Explain], 0, colon, (0, 0)) > 0;
        let rest = self.slice(found.end, self.text.len());
        let first = self.slice(colon, found.anchor);
        task && rest.len() < 60 && first.len() < 60 && found.signal != Signal::NewOrders
    }
}

/// Where a quotation opens that is still open at the end of `before`.
fn opening(before: &str, open: char, close: char) -> Option<usize> {
    if open != close {
        let at = before.rfind(open)?;
        return (!before.get(at..)?.contains(close)).then_some(at);
    }
    let marks = before
        .char_indices()
        .filter(|(i, c)| *c == open && !(open == '\'' && apostrophe(before, *i)));
    let (mut n, mut last) = (0, None);
    for (i, _) in marks {
        n += 1;
        last = Some(i);
    }
    if n % 2 == 1 { last } else { None }
}

fn apostrophe(text: &str, at: usize) -> bool {
    let bytes = text.as_bytes();
    let letter = |i: Option<usize>| {
        i.and_then(|i| bytes.get(i))
            .is_some_and(u8::is_ascii_alphanumeric)
    };
    letter(at.checked_sub(1)) && letter(Some(at + 1))
}
