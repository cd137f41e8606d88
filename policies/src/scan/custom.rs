//! Entities of the user's own: a pattern, perhaps a validator, perhaps words that must stand beside.
//!
//! All patterns are searched in one pass, on the folded text. Invariants: a pattern takes linear time and bounded memory
//! or is refused; it cannot match nothing; it has an upper length and looks at no text's beginning or end, so a stream
//! knows what may wait: only what a small automaton has not ruled out.

use std::fmt;

use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::meta::Regex;
use regex_automata::nfa::thompson;
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input, MatchKind};
use regex_syntax::hir::{Hir, HirKind, Repetition};
use wire::Grade;

use super::find::checks;

/// Bytes of one match, at most.
pub const MATCH_BYTES_MAX: usize = 512;
/// Custom entities, at most.
pub const CUSTOMS_MAX: usize = 256;
/// Memory of the compiled patterns together, in bytes.
const SIZE_MAX: usize = 16 << 20;
/// Memory of the automaton that tells a stream what may wait; without it all that is long enough waits.
const ALIVE_SIZE_MAX: usize = 4 << 20;
/// Depth of nesting in a pattern.
const NEST_MAX: u32 = 32;
/// Characters before and behind a match in which its context words must stand.
const CONTEXT_CHARS: usize = 24;

/// A check that a match must pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validator {
    /// ISO/IEC 7812 over its digits.
    Luhn,
    /// ISO 7064 MOD 11-2 over 17 digits and a check character.
    IdCard,
    /// GB 32100.
    Uscc,
    /// ISO 13616.
    Iban,
    /// ISO 3779.
    Vin,
}

/// An entity of the user's own.
#[derive(Clone, Debug)]
pub struct Custom {
    /// Its type's name.
    pub name: String,
    /// A regular expression, without look-around and back-references.
    pub pattern: String,
    /// A check that must hold.
    pub validator: Option<Validator>,
    /// Words of which one must stand near; none needed if empty.
    pub context: Vec<String>,
    /// How sensitive it is.
    pub grade: Grade,
}

/// Why a custom entity cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CustomError {
    /// More than [`CUSTOMS_MAX`].
    TooMany,
    /// The pattern is no regular expression: which, and why.
    Pattern(String, String),
    /// The pattern matches the empty text.
    Empty(String),
    /// The pattern looks at the beginning or the end of the text.
    Anchored(String),
    /// The pattern has no upper length, or one above [`MATCH_BYTES_MAX`].
    Unbounded(String),
    /// The patterns together are too large.
    TooLarge,
}

impl fmt::Display for CustomError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany => write!(f, "more than {CUSTOMS_MAX} custom entities"),
            Self::Pattern(name, why) => write!(f, "{name}: {why}"),
            Self::Empty(name) => write!(f, "{name}: the pattern matches nothing at all"),
            Self::Anchored(name) => write!(
                f,
                "{name}: ^ and $ stand for the ends of the text, which a stream has not; write (?m:^) for a line's"
            ),
            Self::Unbounded(name) => write!(
                f,
                "{name}: a match may be longer than {MATCH_BYTES_MAX} bytes; write {{1,20}} for + and {{0,20}} for *"
            ),
            Self::TooLarge => f.write_str("the patterns of the custom entities are too large"),
        }
    }
}

impl std::error::Error for CustomError {}

/// A custom entity that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CustomHit {
    /// Which entity: its position when they were built.
    pub(super) custom: usize,
    /// Where it begins, in bytes of the folded text.
    pub(super) start: usize,
    /// Where it ends, exclusive.
    pub(super) end: usize,
}

/// Custom entities, ready to search.
#[derive(Debug)]
pub struct Customs {
    customs: Vec<Custom>,
    regex: Regex,
    /// The same patterns from one place on: whether text to come may still change what they find there.
    alive: Option<dense::DFA<Vec<u32>>>,
    longest: usize,
}

impl Customs {
    /// Compiles them.
    ///
    /// # Errors
    /// If a pattern is refused, with its name.
    pub fn build(customs: Vec<Custom>) -> Result<Self, CustomError> {
        if customs.len() > CUSTOMS_MAX {
            return Err(CustomError::TooMany);
        }
        let config = syntax::Config::new().nest_limit(NEST_MAX);
        let (mut longest, mut bare) = (0, Vec::with_capacity(customs.len()));
        for custom in &customs {
            let hir = syntax::parse_with(&custom.pattern, &config)
                .map_err(|e| CustomError::Pattern(custom.name.clone(), e.to_string()))?;
            if hir.properties().minimum_len().unwrap_or(0) == 0 {
                return Err(CustomError::Empty(custom.name.clone()));
            }
            if hir.properties().look_set().contains_anchor_haystack() {
                return Err(CustomError::Anchored(custom.name.clone()));
            }
            match hir.properties().maximum_len() {
                Some(n) if n <= MATCH_BYTES_MAX => longest = longest.max(n),
                _ => return Err(CustomError::Unbounded(custom.name.clone())),
            }
            bare.push(without_looks(&hir));
        }
        let patterns: Vec<&str> = customs
            .iter()
            .map(|custom| custom.pattern.as_str())
            .collect();
        let regex = Regex::builder()
            .syntax(config)
            .configure(
                Regex::config()
                    .nfa_size_limit(Some(SIZE_MAX))
                    .hybrid_cache_capacity(SIZE_MAX),
            )
            .build_many(&patterns)
            .map_err(|_| CustomError::TooLarge)?;
        Ok(Self {
            alive: customs.first().and_then(|_| alive(&bare)),
            customs,
            regex,
            longest,
        })
    }

    /// Reports the entities of the folded `text` that begin at `from` or later. If the text is not `finished`, only those
    /// that no text to come can change; returns from where on others may begin.
    pub(super) fn advance(
        &self,
        text: &str,
        from: usize,
        finished: bool,
        mut report: impl FnMut(CustomHit),
    ) -> usize {
        if finished {
            self.search(text, from).for_each(report);
            return text.len();
        }
        let mut at = from;
        while at < text.len() {
            match self.trial(text, at) {
                Trial::Alive => return at,
                Trial::Nothing => at = after(text, at),
                Trial::Match => {
                    let input = Input::new(text).range(at..).anchored(Anchored::Yes);
                    let Some(found) = self.regex.find(input) else {
                        at = after(text, at);
                        continue;
                    };
                    let hit = CustomHit {
                        custom: found.pattern().as_usize(),
                        start: at,
                        end: found.end(),
                    };
                    if self.holds(text, &hit) {
                        report(hit);
                    } else if self.undecided(text, &hit) {
                        return at;
                    }
                    at = hit.end;
                }
            }
        }
        at
    }

    /// What may be found at `at`, if more text may come.
    fn trial(&self, text: &str, at: usize) -> Trial {
        let input = Input::new(text).range(at..).anchored(Anchored::Yes);
        let begun = self
            .alive
            .as_ref()
            .and_then(|dfa| Some((dfa, dfa.start_state_forward(&input).ok()?)));
        let Some((dfa, mut state)) = begun else {
            // Not told: all that is long enough may come to be a match.
            return if text.len() - at <= self.longest + 4 {
                Trial::Alive
            } else {
                Trial::Match
            };
        };
        let mut matched = false;
        for &b in text.as_bytes().get(at..).unwrap_or(&[]) {
            state = dfa.next_state(state, b);
            if dfa.is_dead_state(state) {
                return if matched {
                    Trial::Match
                } else {
                    Trial::Nothing
                };
            }
            matched |= dfa.is_match_state(state);
        }
        // The automaton tells of a match one byte late: it may be over all the same.
        let over = matched && (0..=u8::MAX).all(|b| dfa.is_dead_state(dfa.next_state(state, b)));
        if over { Trial::Match } else { Trial::Alive }
    }

    /// Whether a match passes its check and stands in its context.
    fn holds(&self, text: &str, hit: &CustomHit) -> bool {
        self.customs.get(hit.custom).is_some_and(|custom| {
            let value = text.get(hit.start..hit.end).unwrap_or("");
            custom.validator.is_none_or(|v| valid(v, value))
                && near(&custom.context, text, hit.start, hit.end)
        })
    }

    /// Whether a match that does not hold may come to: by a context word behind it.
    fn undecided(&self, text: &str, hit: &CustomHit) -> bool {
        let behind = text.get(hit.end..).unwrap_or("");
        behind.chars().nth(CONTEXT_CHARS - 1).is_none()
            && self
                .customs
                .get(hit.custom)
                .is_some_and(|custom| !custom.context.is_empty())
    }

    /// All entities from `from` on.
    fn search(&self, text: &str, from: usize) -> impl Iterator<Item = CustomHit> {
        self.regex
            .find_iter(Input::new(text).range(from..))
            .map(|found| CustomHit {
                custom: found.pattern().as_usize(),
                start: found.start(),
                end: found.end(),
            })
            .filter(move |hit| self.holds(text, hit))
    }
}

/// The automaton over patterns without assertions that goes on as long as any of them may.
fn alive(patterns: &[Hir]) -> Option<dense::DFA<Vec<u32>>> {
    let config = thompson::Config::new().nfa_size_limit(Some(ALIVE_SIZE_MAX));
    let nfa = thompson::Compiler::new()
        .configure(config)
        .build_many_from_hir(patterns)
        .ok()?;
    let config = dense::Config::new()
        .match_kind(MatchKind::All)
        .start_kind(StartKind::Anchored)
        .dfa_size_limit(Some(ALIVE_SIZE_MAX))
        .determinize_size_limit(Some(ALIVE_SIZE_MAX));
    dense::Builder::new()
        .configure(config)
        .build_from_nfa(&nfa)
        .ok()
}

/// The pattern without `\b` and its kind: it matches wherever the pattern does, and needs to know nothing before it.
/// Patterns are nested at most [`NEST_MAX`] deep.
fn without_looks(hir: &Hir) -> Hir {
    match hir.kind() {
        HirKind::Look(_) => Hir::empty(),
        HirKind::Repetition(repetition) => Hir::repetition(Repetition {
            sub: Box::new(without_looks(&repetition.sub)),
            ..repetition.clone()
        }),
        HirKind::Capture(capture) => without_looks(&capture.sub),
        HirKind::Concat(parts) => Hir::concat(parts.iter().map(without_looks).collect()),
        HirKind::Alternation(parts) => Hir::alternation(parts.iter().map(without_looks).collect()),
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) => hir.clone(),
    }
}

/// What may be found at one place.
enum Trial {
    /// Nothing, whatever comes.
    Nothing,
    /// A match, whatever comes; or none: the automaton does not tell.
    Match,
    /// Text to come decides.
    Alive,
}

/// Where the next character begins.
fn after(text: &str, at: usize) -> usize {
    at + text
        .get(at..)
        .and_then(|rest| rest.chars().next())
        .map_or(1, char::len_utf8)
}

fn near(words: &[String], text: &str, start: usize, end: usize) -> bool {
    if words.is_empty() {
        return true;
    }
    let from = text.get(..start).map_or(0, |head| {
        head.char_indices()
            .rev()
            .nth(CONTEXT_CHARS - 1)
            .map_or(0, |(i, _)| i)
    });
    let to = text.get(end..).map_or(end, |tail| {
        end + tail
            .char_indices()
            .nth(CONTEXT_CHARS)
            .map_or(tail.len(), |(i, _)| i)
    });
    let around = text.get(from..to).unwrap_or("").to_lowercase();
    words
        .iter()
        .any(|word| around.contains(&word.to_lowercase()))
}

fn valid(validator: Validator, value: &str) -> bool {
    let code: Vec<u8> = value
        .bytes()
        .filter(u8::is_ascii_alphanumeric)
        .map(|b| b.to_ascii_uppercase())
        .collect();
    let digits: Vec<u8> = code
        .iter()
        .filter(|b| b.is_ascii_digit())
        .map(|b| b - b'0')
        .collect();
    match validator {
        Validator::Luhn => digits.len() == code.len() && checks::luhn(&digits),
        Validator::IdCard => {
            let check = match code.get(17) {
                Some(b'X') => 10,
                Some(b) if b.is_ascii_digit() => b - b'0',
                _ => return false,
            };
            code.len() == 18
                && digits
                    .get(..17)
                    .is_some_and(|body| checks::id_check(body) == check)
        }
        Validator::Uscc => checks::uscc(&code),
        Validator::Iban => checks::iban(&code),
        Validator::Vin => checks::vin(&code),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn custom(pattern: &str) -> Custom {
        Custom {
            name: "C".to_owned(),
            pattern: pattern.to_owned(),
            validator: None,
            context: Vec::new(),
            grade: Grade(2),
        }
    }

    #[test]
    fn found_with_validator_and_context() {
        let customs = Customs::build(vec![
            Custom {
                context: vec!["合同".to_owned()],
                ..custom(r"HT-\d{6}")
            },
            Custom {
                validator: Some(Validator::Luhn),
                ..custom(r"\d{8}")
            },
        ])
        .unwrap();
        let found = |text: &str| {
            customs
                .search(text, 0)
                .map(|h| (h.custom, text[h.start..h.end].to_owned()))
                .collect::<Vec<_>>()
        };
        assert_eq!(found("合同号 HT-123456"), [(0, "HT-123456".to_owned())]);
        assert_eq!(found("HT-123456"), []);
        assert_eq!(
            found("号 00000018 与 00000019"),
            [(1, "00000018".to_owned())]
        );
    }

    #[test]
    fn only_what_is_not_ruled_out_waits() {
        let customs =
            Customs::build(vec![custom(r"HT-\d{6,8}"), custom(r"\bk\d{2,40}\b")]).unwrap();
        for (text, alive) in [
            ("今天 HT-12", 7),
            ("今天 HT-12x", 13),
            ("HT-12345678", 0),
            ("HT-123456 ", 10),
            ("abk12", 2),
            ("ab k12", 3),
            ("plain text", 10),
        ] {
            assert_eq!(customs.advance(text, 0, false, |_| ()), alive, "{text}");
        }
    }

    #[test]
    fn what_could_blow_up_is_refused() {
        assert!(matches!(
            Customs::build(vec![custom(r"(a+)+b")]),
            Err(CustomError::Unbounded(_))
        ));
        assert!(matches!(
            Customs::build(vec![custom(r"a*")]),
            Err(CustomError::Empty(_))
        ));
        assert!(matches!(
            Customs::build(vec![custom(r"^abc$")]),
            Err(CustomError::Anchored(_))
        ));
        assert!(matches!(
            Customs::build(vec![custom(r"(")]),
            Err(CustomError::Pattern(..))
        ));
        assert!(matches!(
            Customs::build(vec![custom(r"a(?=b)")]),
            Err(CustomError::Pattern(..))
        ));
        assert!(Customs::build(vec![custom(r"(a{1,50}){1,1000}")]).is_err());
    }
}
