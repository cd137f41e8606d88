//! Everything that is looked for, as one: built-in entities, word lists, custom entities.
//!
//! Compiled when config loads, then shared by all threads; knows no policy and decides nothing. Invariants: what is found
//! is a function of the text alone, in a stream as in the whole ([`Stream`](super::Stream)); findings are sorted and
//! disjoint; a set without words and customs costs what the built-in scan costs.

use std::fmt;

use wire::Grade;

use super::custom::{Custom, CustomError, Customs};
use super::engine::{Scan, raw_span};
use super::entity::Entity;
use super::fold::{self, Map};
use super::merge::{Engine, Merge};
use super::site::{Found, Last, MEDIUM};
use super::sort::{BUILT_IN, Sort, SortInfo, Sorts};
use super::view::View;
use super::words::{WordError, Words};

/// The default grades of the types that are judged over a whole text.
const SOURCE_CODE_GRADE: Grade = Grade(2);
const PROMPT_INJECTION_GRADE: Grade = Grade::LOWEST;
/// Types, at most.
pub const SORTS_MAX: usize = 4096;

/// A list of words that are looked for as they stand.
#[derive(Clone, Debug)]
pub struct WordList {
    /// The name of its type.
    pub name: String,
    /// The family that a policy may name instead.
    pub group: Option<String>,
    /// How sensitive its words are.
    pub grade: Grade,
    /// The words; empty ones and repetitions are left out.
    pub words: Vec<String>,
}

/// A finding in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is.
    pub sort: Sort,
    /// Where it begins, in bytes of the text as given.
    pub start: usize,
    /// Where it ends, exclusive.
    pub end: usize,
    /// Certainty in percent.
    pub score: u8,
}

/// Why a set cannot be built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetError {
    /// A custom entity is refused.
    Custom(CustomError),
    /// A word list is refused.
    Word(WordError),
    /// Two types have this name, or it is a built-in one's.
    Name(String),
    /// More than [`SORTS_MAX`].
    TooMany,
}

impl fmt::Display for SetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Custom(error) => error.fmt(f),
            Self::Word(error) => error.fmt(f),
            Self::Name(name) => write!(f, "{name} is the name of two types"),
            Self::TooMany => write!(f, "more than {SORTS_MAX} types"),
        }
    }
}

impl std::error::Error for SetError {}

/// Everything that is looked for.
#[derive(Debug)]
pub struct Set {
    infos: Vec<SortInfo>,
    /// What is answered for a number that no type has.
    unknown: SortInfo,
    /// The lists, and the number of the first one's type.
    pub(super) words: Option<(Words, u16)>,
    pub(super) customs: Option<(Customs, u16)>,
}

impl Set {
    /// Compiles it. `grade_of` gives each type's grade from its name, its group and its default.
    ///
    /// # Errors
    /// If a pattern, a word or a name is refused.
    pub fn build(
        customs: Vec<Custom>,
        words: Vec<WordList>,
        grade_of: &dyn Fn(&str, Option<&str>, Grade) -> Grade,
    ) -> Result<Self, SetError> {
        let mut infos: Vec<SortInfo> = Vec::with_capacity(usize::from(BUILT_IN) + 2);
        let mut add = |name: &str, group: Option<&str>, grade: Grade| -> Result<u16, SetError> {
            if infos.iter().any(|info| *info.name == *name) {
                return Err(SetError::Name(name.to_owned()));
            }
            let number = u16::try_from(infos.len()).map_err(|_| SetError::TooMany)?;
            if usize::from(number) >= SORTS_MAX {
                return Err(SetError::TooMany);
            }
            infos.push(SortInfo {
                name: name.into(),
                grade: grade_of(name, group, grade),
                group: group.map(Into::into),
            });
            Ok(number)
        };
        for &entity in Entity::ALL {
            add(entity.name(), Some(entity.group().name()), entity.grade())?;
        }
        add("SOURCE_CODE", None, SOURCE_CODE_GRADE)?;
        add("PROMPT_INJECTION", None, PROMPT_INJECTION_GRADE)?;
        let mut first_list = None;
        for list in &words {
            let number = add(&list.name, list.group.as_deref(), list.grade)?;
            first_list.get_or_insert(number);
        }
        let mut first_custom = None;
        for custom in &customs {
            let number = add(&custom.name, None, custom.grade)?;
            first_custom.get_or_insert(number);
        }
        let lists = words.iter().map(|list| {
            let words = list.words.iter().map(String::as_str).collect();
            (list.name.clone(), words)
        });
        let words = Words::build(lists).map_err(SetError::Word)?;
        let customs = Customs::build(customs).map_err(SetError::Custom)?;
        Ok(Self {
            infos,
            unknown: SortInfo {
                name: "UNKNOWN".into(),
                grade: Grade(u8::MAX),
                group: None,
            },
            words: first_list.filter(|_| !words.is_empty()).map(|n| (words, n)),
            customs: first_custom.map(|n| (customs, n)),
        })
    }

    /// What is known of a type. A number that no type has is treated as the most sensitive.
    #[must_use]
    pub fn info(&self, sort: Sort) -> &SortInfo {
        self.infos.get(usize::from(sort.0)).unwrap_or(&self.unknown)
    }

    /// All types.
    pub fn sorts(&self) -> impl Iterator<Item = Sort> + '_ {
        (0u16..).zip(&self.infos).map(|(number, _)| Sort(number))
    }

    /// What a policy means by a name: one type, or all of a group. Empty if there is none.
    #[must_use]
    pub fn named(&self, name: &str) -> Sorts {
        self.sorts()
            .filter(|&sort| {
                let info = self.info(sort);
                *info.name == *name || info.group.as_deref() == Some(name)
            })
            .collect()
    }

    /// Every finding in `text`, sorted and disjoint, appended to `found`; offsets in bytes of `text`. `context` stands
    /// before it (a key's name and `: `): searched for cues, never part of a finding.
    pub fn scan(&self, context: &str, text: &str, found: &mut Vec<Finding>) {
        if context.is_empty() && fold::is_plain(text) {
            let view = View::new(text, true);
            return self.search(&view, 0, |finding| found.push(finding));
        }
        let folded = fold::fold(text, 0, true);
        let mut whole = fold::fold(context, 0, true).text;
        let base = whole.len();
        whole.push_str(&folded.text);
        let view = View::new(&whole, true);
        self.search(&view, base, |finding| {
            found.push(raw_finding(text, &folded.map, base, finding));
        });
    }

    /// Everything in `view` from `from` on, in folded offsets.
    fn search(&self, view: &View<'_>, from: usize, mut give: impl FnMut(Finding)) {
        let mut scan = Scan::new(view, from, Last::default());
        if self.words.is_none() && self.customs.is_none() {
            scan.run(|found| give(found.into()));
            return;
        }
        let mut merge = Merge::default();
        scan.run(|found| self.add(&mut merge, Engine::BuiltIn, found.into()));
        let mut at = [from; 2];
        self.extras(view, true, &mut at, &mut merge);
        merge.release(usize::MAX, None, give);
    }

    /// Adds what the config's words and entities find from where each stands on; moves them to where what may still
    /// begin or grow begins.
    pub(super) fn extras(
        &self,
        view: &View<'_>,
        finished: bool,
        at: &mut [usize; 2],
        merge: &mut Merge,
    ) {
        let [words_at, customs_at] = at;
        if let Some((words, first)) = &self.words {
            *words_at = words.advance(view.text(), *words_at, finished, |list, start, end| {
                let finding = extra(*first, list, start, end, WORD_SCORE);
                self.add(merge, Engine::Words, finding);
            });
        }
        if let Some((customs, first)) = &self.customs {
            *customs_at = customs.advance(view.text(), *customs_at, finished, |hit| {
                let finding = extra(*first, hit.custom, hit.start, hit.end, CUSTOM_SCORE);
                self.add(merge, Engine::Customs, finding);
            });
        }
    }

    pub(super) fn add(&self, merge: &mut Merge, engine: Engine, finding: Finding) {
        merge.add(engine, self.info(finding.sort).grade, finding);
    }
}

/// A listed word stands there without doubt; what it means there is another matter.
const WORD_SCORE: u8 = MEDIUM;
const CUSTOM_SCORE: u8 = MEDIUM;

fn extra(first: u16, which: usize, start: usize, end: usize, score: u8) -> Finding {
    Finding {
        sort: Sort(first.saturating_add(u16::try_from(which).unwrap_or(u16::MAX))),
        start,
        end,
        score,
    }
}

impl From<Found> for Finding {
    fn from(found: Found) -> Self {
        Self {
            sort: Sort::of(found.entity),
            start: found.start,
            end: found.end,
            score: found.score,
        }
    }
}

/// A finding in offsets of the text as given; `base` is the folded offset at which `map` begins.
pub(super) fn raw_finding(raw: &str, map: &Map, base: usize, finding: Finding) -> Finding {
    let (start, end) = raw_span(raw, map, finding.start - base, finding.end - base);
    Finding {
        start,
        end,
        ..finding
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::scan;

    fn list(name: &str, group: Option<&str>, grade: u8, words: &[&str]) -> WordList {
        WordList {
            name: name.to_owned(),
            group: group.map(str::to_owned),
            grade: Grade(grade),
            words: words.iter().map(|w| (*w).to_owned()).collect(),
        }
    }

    fn custom(name: &str, pattern: &str) -> Custom {
        Custom {
            name: name.to_owned(),
            pattern: pattern.to_owned(),
            validator: None,
            context: Vec::new(),
            grade: Grade(2),
        }
    }

    fn set() -> Set {
        Set::build(
            vec![custom("CONTRACT", r"HT-\d{6}")],
            vec![
                list("GAMBLING", Some("RISK"), 1, &["赌博", "casino"]),
                list("DRUGS", Some("RISK"), 3, &["毒品"]),
            ],
            &|name, group, grade| match (name, group) {
                ("EMAIL", _) => Grade(3),
                (_, Some("SECRET")) => Grade(9),
                _ => grade,
            },
        )
        .unwrap()
    }

    fn found(context: &str, text: &str) -> Vec<(String, String)> {
        let set = set();
        let mut found = Vec::new();
        set.scan(context, text, &mut found);
        named(&set, text, &found)
    }

    fn streamed(context: &str, text: &str) -> Vec<(String, String)> {
        let (set, mut stream) = (set(), crate::scan::Stream::behind(context));
        let mut found = Vec::new();
        for (at, c) in text.char_indices() {
            stream.push(&set, &text[at..at + c.len_utf8()], &mut found);
        }
        stream.finish(&set, &mut found);
        named(&set, text, &found)
    }

    fn named(set: &Set, text: &str, found: &[Finding]) -> Vec<(String, String)> {
        found
            .iter()
            .map(|f| {
                (
                    set.info(f.sort).name.to_string(),
                    text[f.start..f.end].to_owned(),
                )
            })
            .collect()
    }

    fn pair(a: &str, b: &str) -> (String, String) {
        (a.to_owned(), b.to_owned())
    }

    #[test]
    fn all_engines_find_in_one_row() {
        assert_eq!(
            found("", "合同HT-123456，电话13800138000，赌博，毒\u{200b}品"),
            [
                pair("CONTRACT", "HT-123456"),
                pair("CN_MOBILE", "13800138000"),
                pair("GAMBLING", "赌博"),
                pair("DRUGS", "毒\u{200b}品"),
            ]
        );
        // A word inside a built-in entity neither splits nor hides it.
        assert_eq!(
            found("", "写信给casino@example.com"),
            [pair("EMAIL", "casino@example.com")]
        );
    }

    #[test]
    fn names_mean_types_or_groups() {
        let set = set();
        let names = |name: &str| {
            set.named(name)
                .iter()
                .map(|s| set.info(s).name.to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(names("RISK"), ["GAMBLING", "DRUGS"]);
        assert_eq!(names("CONTRACT"), ["CONTRACT"]);
        assert_eq!(names("SOURCE_CODE"), ["SOURCE_CODE"]);
        assert!(names("SECRET").contains(&"JWT".to_owned()) && names("NOTHING").is_empty());
        assert_eq!(set.info(Sort::of(Entity::Email)).grade, Grade(3));
        assert_eq!(set.info(Sort::of(Entity::Jwt)).grade, Grade(9));
        assert_eq!(set.info(Sort::PROMPT_INJECTION).grade, Grade(0));
        assert_eq!(set.info(Sort(60_000)).grade, Grade(u8::MAX));
        assert_eq!(set.sorts().count(), usize::from(BUILT_IN) + 5);
    }

    #[test]
    fn no_name_twice() {
        let build = |customs, words| Set::build(customs, words, &|_, _, grade| grade).unwrap_err();
        assert_eq!(
            build(vec![custom("EMAIL", "x{3}")], Vec::new()),
            SetError::Name("EMAIL".to_owned())
        );
        assert_eq!(
            build(vec![custom("A", "x{3}")], vec![list("A", None, 0, &[])]),
            SetError::Name("A".to_owned())
        );
    }

    /// A value with its key as context is judged as inside one JSON text.
    #[test]
    fn a_key_is_a_cue() {
        for (key, value) in [
            ("phone", "13800138000"),
            ("employee_id", "A102345"),
            ("qq", "123456789"),
            ("name", "李雷"),
            ("password", "Tr0ub4dor&3x"),
            ("身份证号", "310104850714051"),
            ("address", "建国路88号3号楼502室"),
            ("birthday", "1990-03-05"),
            ("accessKeySecret", "b7Q0a1B2c3D4e5F6g7H8i9J0k1L2m3"),
            ("cardNo", "6222021000112233449"),
            ("orderNo", "13800138000"),
            ("lat", "39.904200"),
            ("title", "李雷"),
            ("微信", "zhang_san88"),
        ] {
            let json = format!("{{\"{key}\": \"{value}\"}}");
            let inside: Vec<_> = scan(&json)
                .iter()
                .map(|h| pair(h.entity.name(), &json[h.start..h.end]))
                .collect();
            for context in [format!("{key}: "), format!("\"{key}\": \"")] {
                assert_eq!(found(&context, value), inside, "{context}");
                assert_eq!(streamed(&context, value), inside, "{context}, streamed");
            }
        }
        assert_eq!(found("phone: ", "李雷"), []);
        assert_eq!(found("电话13800138000 ", "早"), []);
    }
}
