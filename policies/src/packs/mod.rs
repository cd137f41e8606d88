//! The rule packs that are shipped, as data.

use crate::scan::custom::Custom;

/// A shipped pack.
#[derive(Debug)]
pub struct Pack {
    /// Its name in the config.
    pub name: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// Its rules.
    pub rules: &'static [PackRule],
    /// Its word lists: type, group, words.
    pub words: fn() -> Vec<(&'static str, &'static str, &'static [&'static str])>,
    /// Its patterns.
    pub customs: fn() -> Vec<Custom>,
    /// What it answers to.
    pub law: &'static [&'static str],
}

/// A rule of a pack.
#[derive(Debug)]
pub struct PackRule {
    /// Its name.
    pub name: &'static str,
    /// Types and groups.
    pub find: &'static [&'static str],
    /// What follows.
    pub remedy: PackRemedy,
    /// Where.
    pub phase: Phase,
    /// How many.
    pub at_least: u32,
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PackRemedy {
    /// Replace.
    Redact {
        /// Put back.
        restore: bool,
        /// Never reversible.
        irreversible: bool,
    },
    /// Elsewhere.
    Reroute,
    /// No.
    Refuse,
}

/// Where a rule applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Requests.
    Request,
    /// Replies.
    Reply,
    /// Both.
    Both,
}

/// All packs.
pub static PACKS: &[Pack] = &[];

/// The pack of that name.
#[must_use]
pub fn pack(name: &str) -> Option<&'static Pack> {
    PACKS.iter().find(|pack| pack.name == name)
}
