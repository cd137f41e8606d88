//! Names of persons in Latin letters: capitalised words behind a cue.
//!
//! Delay in a stream: a capitalised word waits for what follows it, where a cue stands before.

use crate::scan::entity::Entity;
use crate::scan::gate::code_point;
use crate::scan::site::{Found, STRONG, Site, WEAK};
use crate::scan::view::{DIGIT, LOWER, UPPER, View, is};

/// Cues of names in Latin letters.
const LATIN: &[&str] = &[
    "name",
    "dear",
    "patient",
    "my name is",
    "signed by",
    "mr",
    "ms",
    "mrs",
    "dr",
    "miss",
    "prof",
    "contact",
    "customer",
    "full name",
    "attn",
    "sincerely",
    "regards",
    "recipient",
    "cardholder",
    "applicant",
    "client",
    "employee",
    "passenger",
    "i am",
    "i'm",
    "this is",
    "prepared by",
    "approved by",
    "account holder",
    "spouse",
    "guardian",
    "beneficiary",
    "姓名",
    "联系人",
    "收件人",
    "持卡人",
    "患者",
    "客户",
    "乘机人",
    "旅客姓名",
    "户名",
];

/// Cues that need no colon.
const SALUTATIONS: &[&str] = &[
    "dear",
    "my name is",
    "signed by",
    "mr",
    "ms",
    "mrs",
    "dr",
    "miss",
    "prof",
    "i am",
    "i'm",
    "this is",
    "prepared by",
    "approved by",
];

/// Letters of the cues' last words: most words before a capital are none of them.
struct Heads {
    /// The last letters of each, by the first one.
    lasts: [u32; 26],
    /// The same, by the one before.
    ends: [u32; 26],
}

static HEADS: Heads = heads();

const fn heads() -> Heads {
    let mut heads = Heads {
        lasts: [0; 26],
        ends: [0; 26],
    };
    let mut cues = LATIN;
    while let [cue, rest @ ..] = cues {
        cues = rest;
        let [word @ .., last] = cue.as_bytes() else {
            continue;
        };
        if !cue.is_ascii() {
            continue;
        }
        if let [.., before] = word
            && before.is_ascii_alphabetic()
        {
            add(&mut heads.ends, *before, *last);
        }
        let (mut word, mut first) = (word, *last);
        while let [head @ .., letter] = word
            && letter.is_ascii_alphabetic()
        {
            (word, first) = (head, *letter);
        }
        add(&mut heads.lasts, first, *last);
    }
    heads
}

const fn add(lasts: &mut [u32; 26], letter: u8, last: u8) {
    #[expect(clippy::indexing_slicing, reason = "evaluated when compiled")]
    let slot = &mut lasts[(letter - b'a') as usize];
    *slot |= 1 << (last - b'a');
}

/// Whether a cue may end with these two letters.
#[inline]
pub(super) fn ends_cue(before: u8, last: u8) -> bool {
    has(&HEADS.ends, before, last | 0x20)
}

/// Whether `last` stands in the row of the letter, in either case; nothing stands in that of what is none.
#[inline]
fn has(lasts: &[u32; 26], letter: u8, last: u8) -> bool {
    lasts
        .get(usize::from((letter | 0x20).wrapping_sub(b'a')))
        .is_some_and(|slot| slot >> (last - b'a') & 1 == 1)
}

impl Heads {
    /// Whether a cue may end the text, but for signs.
    fn may_end(&self, text: &[u8]) -> bool {
        const SIGNS: usize = 12;
        let trimmed = text
            .get(text.len().saturating_sub(SIGNS)..)
            .unwrap_or(&[])
            .iter()
            .rev()
            .take_while(|b| {
                matches!(
                    b,
                    b' ' | b'"' | b'\'' | b'\t' | b'*' | b':' | b'=' | b',' | b'.'
                )
            })
            .count();
        let end = text.len() - trimmed;
        let last = match end.checked_sub(1).and_then(|i| text.get(i)) {
            Some(b) if b.is_ascii_alphabetic() => b | 0x20,
            Some(0x80..) => return ends_wide(text.get(..end).unwrap_or(&[])),
            _ => return false,
        };
        let n = text
            .get(end.saturating_sub(WORD_MAX)..end)
            .unwrap_or(&[])
            .iter()
            .rev()
            .take_while(|b| b.is_ascii_alphabetic())
            .count();
        // The cue may be the end of a longer word only behind a letter that is none: all of it counts.
        let first = text.get(end - n).copied().unwrap_or(0);
        n < WORD_MAX && has(&self.lasts, first, last)
    }
}

/// Whether a Chinese cue, or any cue and a Chinese colon, may end the text.
fn ends_wide(text: &[u8]) -> bool {
    const SIGNS: usize = 24;
    let Some(head) = text.strip_suffix("：".as_bytes()) else {
        return ends_chinese(text);
    };
    let signs = head
        .iter()
        .rev()
        .take(SIGNS)
        .take_while(|b| matches!(b, b' ' | b'"' | b'\'' | b'*'))
        .count();
    let word = head.get(..head.len() - signs).unwrap_or(&[]);
    word.last().is_some_and(u8::is_ascii_alphabetic) || ends_chinese(word)
}

/// Whether a Chinese cue may end the text: by its last character.
fn ends_chinese(text: &[u8]) -> bool {
    text.last_chunk().is_some_and(|&[a, b, c]| {
        let last = char::from_u32(code_point(a, b, c));
        matches!(last, Some('名' | '人' | '者' | '户'))
    })
}

/// Whether a cue of names may end `text`: the first look of [`latin`].
pub(super) fn cued(text: &[u8]) -> bool {
    let word = match text {
        [.., b'\n'] => return false,
        [word @ .., b'.' | b',', b' '] | [word @ .., b' '] => word,
        _ => text,
    };
    match *word {
        [.., before, last] if before.is_ascii_alphabetic() && last.is_ascii_alphabetic() => {
            ends_cue(before, last) && HEADS.may_end(text)
        }
        _ => HEADS.may_end(text),
    }
}

/// Longer words are no cues.
const WORD_MAX: usize = 14;

/// A name in Latin letters behind a cue.
pub(super) fn latin(site: &Site<'_, '_>) -> Option<Found> {
    let view = site.view;
    if is(view.before(site.at), UPPER | LOWER | DIGIT) {
        return None;
    }
    if !cued(view.bytes().get(..site.at).unwrap_or(&[])) {
        return None;
    }
    let behind = view.behind(site.at, 24);
    let trimmed = behind.trim_end_matches([' ', '"', '\'', '\t', '*']);
    let (word, colon) = match trimmed.strip_suffix([':', '：', '=', ',']) {
        Some(word) => (word.trim_end_matches([' ', '"', '\'', '*']), true),
        None => (trimmed.trim_end_matches('.'), false),
    };
    let last = word.as_bytes().last()?.to_ascii_lowercase();
    let ends = |cue: &str| {
        let (at, bytes) = (word.len().checked_sub(cue.len())?, word.as_bytes());
        let same = bytes.get(at..)?.eq_ignore_ascii_case(cue.as_bytes());
        let alone = || {
            !at.checked_sub(1)
                .is_some_and(|i| bytes.get(i).is_some_and(u8::is_ascii_alphabetic))
        };
        (same && (!cue.is_ascii() || alone())).then_some(())
    };
    let cue = LATIN
        .iter()
        .find(|cue| cue.as_bytes().last() == Some(&last) && ends(cue).is_some())?;
    // A bare noun before a capital is no cue; a salutation is.
    let salutation = SALUTATIONS.contains(cue) || !cue.is_ascii();
    if !colon && !salutation
        || behind
            .rsplit_once('\n')
            .is_some_and(|(_, own)| own.trim().is_empty())
            && !colon
    {
        return None;
    }
    // The title belongs to the cue, not to the name.
    for title in ["Mr. ", "Ms. ", "Mrs. ", "Dr. ", "Mr ", "Ms ", "Dr "] {
        if view.starts(site.at, title) {
            return None;
        }
    }
    let (words, end) = capitalised(view, site.at)?;
    let titled = matches!(*cue, "mr" | "ms" | "mrs" | "dr" | "miss" | "prof" | "dear");
    let long = end - site.at >= 2;
    (long
        && (words >= 2 || words == 1 && titled && end - site.at >= 3 && *cue != "dear")
        && words <= 3)
        .then(|| {
            site.hit(
                Entity::PersonName,
                end,
                if words > 1 { STRONG - 9 } else { WEAK },
            )
        })
        .flatten()
}

/// How many capitalised words stand at `from`, and where they end; none if a digit hangs on one.
fn capitalised(view: &View<'_>, from: usize) -> Option<(usize, usize)> {
    let (mut at, mut words, mut end) = (from, 0, from);
    while words < 4 && is(view.byte(at), UPPER) {
        let stop = view.run_of(at + 1, 24, |b| is(b, LOWER) || b == b'\'' || is(b, UPPER));
        let initial = stop == at + 1;
        if is(view.byte(stop), DIGIT) || view.byte(stop) == b'_' {
            return None;
        }
        let word = view.slice(at, stop);
        let shouted = word.len() > 1 && word.bytes().all(|b| is(b, UPPER));
        if STOP.contains(&word)
            || shouted
                && words > 0
                && !view
                    .slice(from, end)
                    .bytes()
                    .all(|b| is(b, UPPER) || matches!(b, b' ' | b'/'))
        {
            break;
        }
        words += 1;
        end = stop;
        at = stop;
        if initial && view.byte(at) == b'.' {
            at += 1;
        }
        // `ZHANG/WEI`, as on tickets.
        let ticket = shouted && words == 1 && view.byte(at) == b'/';
        if matches!(view.byte(at), b' ' | b'-') || ticket {
            at += 1;
        } else {
            break;
        }
    }
    Some((words, end))
}

const STOP: &[&str] = &[
    "The",
    "A",
    "An",
    "Sir",
    "Madam",
    "Team",
    "All",
    "Customer",
    "Customers",
    "Friend",
    "Friends",
    "Colleagues",
    "Colleague",
    "Phone",
    "Email",
    "ID",
    "Address",
    "Tel",
    "Date",
    "Sir/Madam",
    "Hiring",
    "Manager",
    "Mobile",
    "Passport",
    "Your",
    "My",
    "This",
    "That",
    "In",
    "On",
    "Is",
    "And",
    "Or",
    "For",
    "Not",
    "Required",
    "String",
    "Field",
    "User",
    "Name",
    "DOB",
    "MR",
    "MRS",
    "MS",
    "SSN",
    "Service",
    "Support",
    "Editor",
    "Sirs",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cue_is_left_out_by_how_it_ends() {
        for cue in LATIN {
            for before in ["", " ", "the ", "x. ", "\n", "的", "1", "(", "\""] {
                for behind in [
                    "", " ", ". ", ", ", ": ", "：", ":\"", "=", " : ", "\t", "* ", "' ",
                ] {
                    for cue in [(*cue).to_owned(), cue.to_uppercase()] {
                        let text = format!("{before}{cue}{behind}");
                        assert!(cued(text.as_bytes()), "{text:?}");
                    }
                }
            }
        }
    }
}
