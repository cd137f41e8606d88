//! Lanes that have fallen silent: what waits of them is over after a while, so that they do not hold up the others.

use wire::Fault;

use super::{Governor, Spoken};

/// Items of a choice after which a lane that has fallen silent is over, whatever waits of it.
pub(super) const SILENT_ITEMS: u32 = 16;
/// The same if only a word waits.
pub(super) const SILENT_ITEMS_WORD: u32 = 8;

/// Whether a text is ordinary words: what waits is the last of them.
fn is_words(text: &str) -> bool {
    text.chars().all(|c| {
        c.is_alphabetic()
            || c.is_whitespace()
            || matches!(c, ',' | '.' | '!' | '?' | ';' | '\'' | '"' | '}' | ']')
            || ('\u{3000}'..='\u{303f}').contains(&c)
            || matches!(
                c,
                '，' | '！' | '？' | '；' | '：' | '（' | '）' | '…' | '—'
            )
    })
}

impl<E> Governor<E> {
    /// A lane that waits holds up the others. When another one of its choice goes on (the answer after the reasoning, a
    /// tool call after the answer), what waits of it is over after a few items, a word sooner than a number or the
    /// beginning of a label: lanes that take turns are still read as one text each.
    pub(super) fn let_go(&mut self, spoken: &[Spoken<'_>]) -> Result<(), Fault> {
        for at in 0..self.lanes.len() {
            let Some(watched) = self.lanes.get_mut(at) else {
                break;
            };
            if spoken.iter().any(|spoken| spoken.lane == watched.lane) {
                watched.silent = 0;
                continue;
            }
            let same = |spoken: &Spoken<'_>| {
                spoken.lane.choice == watched.lane.choice && !spoken.raw.is_empty()
            };
            if watched.open.is_empty() || !spoken.iter().any(same) {
                continue;
            }
            watched.silent += 1;
            if watched.silent >= SILENT_ITEMS
                || watched.silent >= SILENT_ITEMS_WORD && is_words(&watched.open)
            {
                self.end_lane(at)?;
            }
        }
        Ok(())
    }
}
