//! Numbers written as lists: `139, 6273, 8283`, a digit a line, a digit a comma.
//!
//! Lists of numbers are common, so all must fit: one separator throughout, nothing of the list before or behind, a check
//! digit or a cue. Asks the finders of numbers with the list read as one row of digits.

use super::{card, cn_id, phone};
use crate::scan::cue::Cue;
use crate::scan::run::Run;
use crate::scan::site::{Found, Last, Site};
use crate::scan::view::{DIGIT, View, is};

/// Whether a list of digits begins with the group that ends at `end`: cheap, since most groups begin none.
pub(crate) fn list_ahead(view: &View<'_>, end: usize) -> bool {
    let gap = match (view.byte(end), view.byte(end + 1)) {
        (b',' | b'\n' | b';' | b'|' | b'/' | b'\t', b' ') => 2,
        (b',' | b'\n' | b';' | b'|' | b'\t', _) => 1,
        (0xE3 | 0xEF, _) if Run::listing(view, end) > 0 => 3,
        _ => return false,
    };
    is(view.byte(end + gap), DIGIT)
}

/// A number that stands as a list.
pub(super) fn listed(site: &Site<'_, '_>) -> Option<Found> {
    let view = site.view;
    let group = view.run(site.at, DIGIT, 9);
    if group - site.at > 8 || !list_ahead(view, group) || inside(site) {
        return None;
    }
    let list = Site::with_lists(view, site.at, Last::default());
    let run = list.run()?;
    let n = run.len();
    let even = (0..n - 1).map(|i| run.gap(i)).filter(|&g| g != 0);
    let first = run.gap(group - site.at - 1);
    if n < 11 || even.clone().count() < 2 || even.clone().any(|g| g != first) {
        return None;
    }
    cn_id::card(&list)
        .or_else(|| card::card(&list).filter(|_| site.cued(Cue::Card)))
        .or_else(|| phone::mobile(&list).filter(|_| n == 11 && site.cued(Cue::Phone)))
        .map(|found| Found {
            start: site.at,
            ..found
        })
}

/// Whether the list began before.
fn inside(site: &Site<'_, '_>) -> bool {
    let view = site.view;
    let mut at = site.at;
    for _ in 0..2 {
        let c = view.char_before(at);
        if !matches!(
            c,
            ',' | ' ' | '\n' | ';' | '|' | '/' | '\t' | '，' | '、' | '；'
        ) {
            break;
        }
        at -= c.len_utf8();
    }
    at < site.at && is(view.before(at), DIGIT)
}
