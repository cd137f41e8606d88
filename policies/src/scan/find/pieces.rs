//! Keys written in pieces: `"AKIA" + "IOSF…"`, `'sk-' 'proj-…'`, over lines, in an array.
//!
//! Knows how languages join strings, no key's form: the pieces are joined, and the finders of keys look at the whole.
//! Invariants: at most [`PIECES_MAX`] pieces and [`JOINED_MAX`] bytes are read; what is found spans two pieces at least.

use super::{assigned, secret};
use crate::scan::site::{Found, Last, Site};
use crate::scan::view::{ALNUM, View, is};

const PIECES_MAX: usize = 16;
const JOINED_MAX: usize = 1024;
/// Blanks that a line between two pieces is indented by.
const INDENT_MAX: usize = 32;
/// How much of what stands before the value is kept as its context.
const CONTEXT: usize = 64;

/// How two pieces are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Join {
    /// By an operator, or by standing beside each other.
    Sure,
    /// By a comma: they may as well be two values.
    Comma,
}

/// The join that begins with the quote at `at`: where the next piece begins.
pub(crate) fn join(view: &View<'_>, at: usize) -> Option<(usize, Join)> {
    let quote = view.byte(at);
    if !is_quote(quote) {
        return None;
    }
    let mut i = gap(view, at + 1);
    let apart = i > at + 1;
    let operator = view.byte(i);
    let kind = match operator {
        b'+' | b'.' | b'&' | b'|' | b'~' => {
            // `..`, `||`, `++`
            i += 1 + usize::from(view.byte(i + 1) == operator);
            if view.byte(i) == b'=' {
                return None;
            }
            Join::Sure
        }
        b',' => {
            i += 1;
            Join::Comma
        }
        _ if apart => Join::Sure,
        _ => return None,
    };
    i = gap(view, i);
    // Python's and Rust's marks: f"…".
    if matches!(view.byte(i), b'f' | b'r' | b'b' | b'u') && view.byte(i + 1) == quote {
        i += 1;
    }
    (view.byte(i) == quote).then_some((i + 1, kind))
}

fn is_quote(b: u8) -> bool {
    matches!(b, b'"' | b'\'' | b'`')
}

/// Past blanks, and one end of line with its indent.
fn gap(view: &View<'_>, at: usize) -> usize {
    let mut i = view.blanks(at, 2);
    if view.byte(i) == b'\\' {
        i += 1;
    }
    if view.byte(i) == b'\r' {
        i += 1;
    }
    if view.byte(i) == b'\n' {
        i = view.blanks(i + 1, INDENT_MAX);
    }
    i
}

/// A key in pieces.
pub(super) fn pieces(site: &Site<'_, '_>) -> Option<Found> {
    let view = site.view;
    let inside = |b: u8| is(b, ALNUM) || matches!(b, b'_' | b'-' | b'/' | b'+' | b'=' | b'.');
    let piece = |at: usize| view.run_of(at, JOINED_MAX, inside);
    // A key was found, and neither does the piece go on behind it nor another begin.
    if let Some(end) = site.best()
        && !inside(view.byte(end))
        && !is_quote(view.byte(end))
    {
        return None;
    }
    let mut end = piece(site.at);
    let (_, kind) = join(view, end)?;
    let context = view.behind(site.at, CONTEXT);
    let mut text = String::with_capacity(context.len() + JOINED_MAX);
    text.push_str(context);
    text.push_str(view.slice(site.at, end));
    // Where each piece ends in `text`, and in the view.
    let mut ends = [(0, 0); PIECES_MAX];
    for slot in &mut ends {
        *slot = (text.len(), end);
        // A list's other values are none of this one's pieces.
        let Some((next, _)) = join(view, end).filter(|(_, again)| *again == kind) else {
            break;
        };
        let stop = piece(next);
        if text.len() + (stop - next) > JOINED_MAX {
            break;
        }
        text.push_str(view.slice(next, stop));
        end = stop;
    }
    // What stands behind the last piece is its border.
    text.push(if is(view.byte(end), ALNUM) { 'x' } else { '"' });
    let whole = View::new(&text, true);
    let joined = Site::new(&whole, context.len(), Last::default());
    let found = secret::prefixed(&joined).or_else(|| {
        (kind == Join::Sure)
            .then(|| assigned::assigned(&joined))
            .flatten()
    })?;
    let split = ends.first().is_some_and(|(first, _)| found.end > *first);
    if !split || kind == Join::Comma && secret::prefixed(site).is_some() {
        return None;
    }
    let (to, in_view) = ends.into_iter().find(|(to, _)| found.end <= *to)?;
    site.hit(found.entity, in_view - (to - found.end), found.score)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joins_of_many_languages() {
        for (text, next) in [
            ("\" + \"x", 5),
            ("'+'x", 3),
            ("\" . \"x", 5),
            ("\" .. \"x", 6),
            ("\" & \"x", 5),
            ("\" \"x", 3),
            ("\" +\n    \"x", 9),
            ("\"\n  + \"x", 7),
            ("' \\\n 'x", 6),
            ("\" + f\"x", 6),
        ] {
            let found = join(&View::new(text, true), 0);
            assert_eq!(found, Some((next, Join::Sure)), "{text}");
        }
        for text in ["\"\"x", "\": \"x", "\" + x", "\" += \"x", "x"] {
            assert_eq!(join(&View::new(text, true), 0), None, "{text}");
        }
    }
}
