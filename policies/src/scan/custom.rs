//! Entities of the user's own: a pattern, perhaps a validator, perhaps words that must stand beside.
//!
//! All patterns are searched in one pass, on the folded text. Invariants: a pattern takes linear time and bounded memory
//! or is refused; it cannot match nothing; it has an upper length, so a stream knows how much may wait.

use std::fmt;

use regex_automata::Input;
use regex_automata::meta::Regex;
use regex_automata::util::syntax;
use wire::Grade;

use super::find::checks;
use super::fold;

/// Bytes of one match, at most.
pub const MATCH_BYTES_MAX: usize = 512;
/// Custom entities, at most.
pub const CUSTOMS_MAX: usize = 256;
/// Memory of the compiled patterns together, in bytes.
const SIZE_MAX: usize = 16 << 20;
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
pub struct CustomHit {
    /// Which entity: its position when they were built.
    pub custom: usize,
    /// Where it begins, in bytes of the text as given.
    pub start: usize,
    /// Where it ends, exclusive.
    pub end: usize,
}

/// Custom entities, ready to search.
#[derive(Debug)]
pub struct Customs {
    customs: Vec<Custom>,
    regex: Regex,
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
        let mut longest = 0;
        for custom in &customs {
            let hir = syntax::parse_with(&custom.pattern, &config)
                .map_err(|e| CustomError::Pattern(custom.name.clone(), e.to_string()))?;
            if hir.properties().minimum_len().unwrap_or(0) == 0 {
                return Err(CustomError::Empty(custom.name.clone()));
            }
            match hir.properties().maximum_len() {
                Some(n) if n <= MATCH_BYTES_MAX => longest = longest.max(n),
                _ => return Err(CustomError::Unbounded(custom.name.clone())),
            }
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
            customs,
            regex,
            longest,
        })
    }

    /// The entity of a hit.
    #[must_use]
    pub fn get(&self, custom: usize) -> Option<&Custom> {
        self.customs.get(custom)
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
        let mut upto = if finished {
            text.len()
        } else {
            self.alive_from(text, from)
        };
        for hit in self.search(text, from) {
            if hit.start < upto {
                upto = upto.max(hit.end);
                report(hit);
            }
        }
        upto
    }

    /// The custom entities in `text`, in order and disjoint.
    #[must_use]
    pub fn scan(&self, text: &str) -> Vec<CustomHit> {
        if fold::is_plain(text) {
            return self.search(text, 0).collect();
        }
        let folded = fold::fold(text, 0, true);
        self.search(&folded.text, 0)
            .map(|hit| CustomHit {
                start: folded.map.start(hit.start),
                end: folded.map.end(hit.end),
                ..hit
            })
            .collect()
    }

    fn search(&self, text: &str, from: usize) -> impl Iterator<Item = CustomHit> {
        let input = Input::new(text).range(from..);
        self.regex.find_iter(input).filter_map(move |found| {
            let custom = found.pattern().as_usize();
            let (start, end) = (found.start(), found.end());
            let kept = self.customs.get(custom).is_some_and(|custom| {
                let value = text.get(start..end).unwrap_or("");
                custom.validator.is_none_or(|v| valid(v, value))
                    && near(&custom.context, text, start, end)
            });
            kept.then_some(CustomHit { custom, start, end })
        })
    }

    /// From here on a match may still begin, grow or come into context, if more text comes.
    #[must_use]
    pub fn alive_from(&self, text: &str, from: usize) -> usize {
        let mut at = text
            .len()
            .saturating_sub(self.longest + CONTEXT_CHARS * 4)
            .max(from.min(text.len()));
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    }
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
                .scan(text)
                .iter()
                .map(|h| (h.custom, text[h.start..h.end].to_owned()))
                .collect::<Vec<_>>()
        };
        assert_eq!(found("合同号 HT-123456"), [(0, "HT-123456".to_owned())]);
        assert_eq!(found("HT-123456"), []);
        assert_eq!(
            found("合同号 HT-１２３456"),
            [(0, "HT-１２３456".to_owned())]
        );
        assert_eq!(
            found("号 00000018 与 00000019"),
            [(1, "00000018".to_owned())]
        );
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
