//! What rules read and what they give: a text with its words, what stands around one of them, and signals.
//!
//! Knows no rule. Invariant: a look around reads a bounded number of words within a bounded distance.

use super::class::Class;
use super::class::set;
use super::tokens::Token;

/// Words looked at on each side of an anchor.
const WORDS_AROUND: usize = 24;

/// A sign of an injection, by its name in reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Signal {
    Override,
    Extraction,
    Role,
    Unbound,
    Mode,
    Jailbreak,
    Refusal,
    Begin,
    Harm,
    Indirect,
    Exfiltration,
    Markup,
    Header,
    Encoded,
    ManyShot,
    Split,
    Hidden,
    NewOrders,
    Authority,
    Pressure,
    Twice,
    Obfuscated,
}

/// How many there are.
pub(super) const SIGNALS: usize = 22;

impl Signal {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Override => "override",
            Self::Extraction => "extraction",
            Self::Role => "role",
            Self::Unbound => "unbound",
            Self::Mode => "mode",
            Self::Jailbreak => "jailbreak",
            Self::Refusal => "refusal_suppression",
            Self::Begin => "forced_beginning",
            Self::Harm => "harm",
            Self::Indirect => "indirect",
            Self::Exfiltration => "exfiltration",
            Self::Markup => "markup",
            Self::Header => "fake_header",
            Self::Encoded => "encoded",
            Self::ManyShot => "many_shot",
            Self::Split => "split",
            Self::Hidden => "hidden",
            Self::NewOrders => "new_orders",
            Self::Authority => "authority",
            Self::Pressure => "pressure",
            Self::Twice => "two_answers",
            Self::Obfuscated => "obfuscated",
        }
    }

    /// Whether it only adds to others.
    pub(super) const fn supports(self) -> bool {
        matches!(
            self,
            Self::NewOrders
                | Self::Authority
                | Self::Pressure
                | Self::Twice
                | Self::Obfuscated
                | Self::Hidden
        )
    }
}

/// A signal at a place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Finding {
    pub(super) signal: Signal,
    pub(super) score: u32,
    pub(super) start: usize,
    pub(super) end: usize,
    /// Where the word stands on which it hangs.
    pub(super) anchor: usize,
    /// Whether the words are as often said of machines and papers.
    pub(super) soft: bool,
}

/// A text and its words.
#[derive(Debug)]
pub(super) struct Reading<'t> {
    pub(super) text: &'t str,
    pub(super) tokens: Vec<Token<Class>>,
    /// Which classes there are.
    pub(super) seen: u64,
}

/// What stands around a word, in its sentence.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Around {
    pub(super) seen: u64,
    pub(super) from: usize,
    pub(super) to: usize,
    anchor: usize,
}

impl Around {
    pub(super) fn has(&self, classes: &[Class]) -> bool {
        self.seen & set(classes) != 0
    }
}

impl<'t> Reading<'t> {
    pub(super) fn slice(&self, from: usize, to: usize) -> &'t str {
        let mut from = from.min(self.text.len());
        let mut to = to.clamp(from, self.text.len());
        while !self.text.is_char_boundary(from) {
            from -= 1;
        }
        while !self.text.is_char_boundary(to) {
            to += 1;
        }
        self.text.get(from..to).unwrap_or("")
    }

    pub(super) fn word(&self, token: &Token<Class>) -> &'t str {
        self.text.get(token.start..token.end).unwrap_or("")
    }

    pub(super) fn has(&self, classes: &[Class]) -> bool {
        self.seen & set(classes) != 0
    }

    /// The words at most `back` bytes before and `ahead` bytes behind the token at `i`; within its sentence if `within`.
    pub(super) fn around(&self, i: usize, back: usize, ahead: usize, within: Within) -> Around {
        let mut around = Around::default();
        let Some(anchor) = self.tokens.get(i) else {
            return around;
        };
        (around.from, around.to) = (anchor.start, anchor.end);
        around.anchor = anchor.start;
        let mut edge = anchor.end;
        for token in self.tokens.iter().skip(i + 1).take(WORDS_AROUND) {
            if token.start > anchor.end + ahead
                || within == Within::Sentence && ends_sentence(self.slice(edge, token.start))
            {
                break;
            }
            around.seen |= token.class.bit();
            (around.to, edge) = (token.end, token.end);
        }
        let mut edge = anchor.start;
        for token in self
            .tokens
            .get(..i)
            .unwrap_or(&[])
            .iter()
            .rev()
            .take(WORDS_AROUND)
        {
            if token.end + back < anchor.start
                || within == Within::Sentence && ends_sentence(self.slice(token.end, edge))
            {
                break;
            }
            around.seen |= token.class.bit();
            (around.from, edge) = (token.start, token.start);
        }
        around
    }

    /// Whether the word at `i` is denied: 不要忽略, never reveal.
    pub(super) fn negated(&self, i: usize) -> bool {
        let Some(token) = self.tokens.get(i) else {
            return false;
        };
        let before = self.slice(token.start.saturating_sub(24), token.start);
        let before = before
            .rsplit(['。', '，', '.', ',', '\n', ';', '；', '！', '!'])
            .next()
            .unwrap_or("")
            .trim_end();
        let lower = before.to_ascii_lowercase();
        const LATIN: &[&str] = &[
            "not",
            "never",
            "don't",
            "don’t",
            "dont",
            "cannot",
            "can't",
            "not to",
            "without",
            "to not",
            "never ever",
            "avoid",
            "keep",
            "keeps",
            "kept",
        ];
        const HAN: &[&str] = &[
            "不要",
            "不得",
            "禁止",
            "请勿",
            "切勿",
            "不能",
            "不可",
            "不会",
            "不可以",
            "严禁",
            "不应",
            "避免",
            "防止",
            "不准",
            "别",
            "不许",
            "勿",
            "拒绝",
            "不该",
            "不应该",
            "不允许",
            "会不会",
            "不小心",
            "老是",
            "总是",
            "经常",
        ];
        LATIN.iter().any(|n| {
            lower.strip_suffix(n).is_some_and(|rest| {
                rest.bytes()
                    .next_back()
                    .is_none_or(|b| !b.is_ascii_alphanumeric())
            })
        }) || HAN.iter().any(|n| before.ends_with(n))
    }
}

/// How far words belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Within {
    Sentence,
    Passage,
}

fn ends_sentence(between: &str) -> bool {
    let mut last = ' ';
    for c in between.chars() {
        match c {
            '。' | '！' | '？' | '；' => return true,
            '\n' if last == '\n' => return true,
            ' ' | '\n' if matches!(last, '.' | '!' | '?' | ';') => return true,
            _ => last = c,
        }
    }
    false
}

pub(super) fn finding(signal: Signal, score: u32, around: Around) -> Option<Finding> {
    Some(Finding {
        signal,
        score,
        start: around.from,
        end: around.to,
        anchor: around.anchor,
        soft: false,
    })
}
