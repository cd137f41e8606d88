//! `genai-measures`: the 31 risk classes of TC260-003 and GB/T 45654, appendix A, as categories of words.
//!
//! The mechanism and a small, sober start: phrases that name an act without teaching it. Whoever answers for a service
//! brings lists of the size that the standard asks (A.1: 200 a class, A.2: 100, 10,000 in all) under types of their own,
//! or under these with a list in the config. A phrase is not a judgement: legal and scholarly talk may need an exemption.

mod classes;

pub use classes::CLASSES;

use super::{Lists, Pack, PackRemedy, PackRule, Phase, no_customs};

/// A risk class.
#[derive(Debug)]
pub struct Class {
    /// The name of its type.
    pub name: &'static str,
    /// Its title in Chinese.
    pub zh: &'static str,
    /// Its title in English.
    pub en: &'static str,
    /// A start.
    pub words: &'static [&'static str],
}

pub(super) const PACK: Pack = Pack {
    name: "genai-measures",
    about: "The risk classes of TC260-003 and GB/T 45654: a phrase of one of them ends the request or the reply.",
    rules: &[PackRule::new(
        "genai-measures/refuse",
        &["GENAI"],
        PackRemedy::Refuse,
        Phase::Both,
    )],
    words,
    customs: no_customs,
    law: &[
        "Interim Measures 4",
        "Interim Measures 14",
        "TC260-003 appendix A",
        "GB/T 45654-2025",
    ],
};

fn words() -> Lists {
    CLASSES
        .iter()
        .map(|class| (class.name, "GENAI", class.words))
        .collect()
}
