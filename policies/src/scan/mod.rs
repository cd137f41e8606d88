//! Finding what may not leave: one scan for all detectors, over whole texts and streams.
//!
//! The gate ([`engine`]) proposes places, finders ([`find`]) dispose; the folded shadow ([`fold`]) undoes evasions and
//! leads back to the text as given. Finds and grades; decides nothing, changes no text, keeps none.

#![allow(
    clippy::nonminimal_bool,
    reason = "conditions are written as the grammars read"
)]

mod ask;
mod blocks;
pub mod code_text;
mod cue;
mod cue_index;
mod cue_words;
pub mod custom;
pub mod engine;
pub mod entity;
mod escape;
mod find;
mod fold;
mod gate;
mod han;
pub mod injection;
mod merge;
mod plain;
mod row;
mod run;
pub mod set;
mod site;
mod skip;
pub mod sort;
mod steps;
pub mod stream;
mod view;
pub mod words;

pub use ask::detectors;
pub use engine::{Hit, scan};
pub use entity::{Entity, GRADES, Group};
pub use set::{Finding, Set, SetError, WordList};
pub use sort::{Sort, SortInfo, Sorts};
pub use stream::Stream;
pub use wire::Grade;
pub use words::{WORD_BYTES_MAX, WORDS_MAX, WordError};

#[cfg(test)]
mod examples;
