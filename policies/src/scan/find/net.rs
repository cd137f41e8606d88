//! Network: e-mail, IP and MAC addresses.
//!
//! Delay in a stream: any word may become an address, so the last word of a text waits.

use crate::scan::cue::Cue;
use crate::scan::entity::Entity;
use crate::scan::site::{Found, MEDIUM, STRONG, Site};
use crate::scan::view::{ALNUM, DASH, DIGIT, DOT, LOWER, PLUS, UNDER, UPPER, View, is};

/// Longest local part. RFC 5321.
const LOCAL_MAX: usize = 64;
/// Longest domain that is read.
const DOMAIN_MAX: usize = 120;

/// What local parts are made of.
const LOCAL: u8 = ALNUM | DOT | UNDER | DASH | PLUS;

/// How the at sign was written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Sign,
    Bracketed,
    Loose,
}

fn at_sign(view: &View<'_>, at: usize) -> Option<(usize, At)> {
    match view.byte(at) {
        b'@' => return Some((at + 1, At::Sign)),
        b' ' | b'(' | b'[' | b'{' | b'<' | b'#' => {}
        0x80.. => {
            let c = view.char(at);
            if !matches!(c, '（' | '【') {
                return None;
            }
        }
        _ => return None,
    }
    let i = view.blanks(at, 1);
    let open = view.char(i);
    if matches!(open, '(' | '[' | '{' | '（' | '【' | '<' | '#') {
        let j = i + open.len_utf8();
        let k = if view.byte(j) == b'@' {
            j + 1
        } else if view.starts_fold(j, "at") {
            j + 2
        } else {
            return None;
        };
        let close = view.char(k);
        return matches!(close, ')' | ']' | '}' | '）' | '】' | '>' | '#')
            .then(|| (view.blanks(k + close.len_utf8(), 1), At::Bracketed));
    }
    if i > at && view.byte(i) == b'@' {
        return Some((view.blanks(i + 1, 1), At::Loose));
    }
    (i > at && view.starts_fold(i, "at ")).then_some((i + 3, At::Loose))
}

/// A dot of a domain, written in any way: where it ends, and whether it was spelled out.
fn dot(view: &View<'_>, at: usize) -> Option<(usize, bool)> {
    if view.byte(at) == b'.' {
        return Some((at + 1, false));
    }
    let i = view.blanks(at, 1);
    let open = view.char(i);
    if matches!(open, '(' | '[' | '{' | '（' | '【') {
        let j = i + open.len_utf8();
        let k = if view.byte(j) == b'.' {
            j + 1
        } else if view.starts_fold(j, "dot") {
            j + 3
        } else {
            return None;
        };
        let close = view.char(k);
        return matches!(close, ')' | ']' | '}' | '）' | '】')
            .then(|| (view.blanks(k + close.len_utf8(), 1), true));
    }
    (i > at && view.starts_fold(i, "dot ")).then_some((i + 4, true))
}

const FILES: &[&str] = &[
    "png",
    "jpg",
    "jpeg",
    "gif",
    "svg",
    "webp",
    "js",
    "ts",
    "css",
    "json",
    "tsx",
    "jsx",
    "html",
    "vue",
    "local",
    "localhost",
    "localdomain",
    "internal",
    "lan",
    "xml",
    "yaml",
    "yml",
    "ini",
    "txt",
    "zip",
    "exe",
    "dll",
];
const PROVIDERS: &[&str] = &[
    "qq.", "163.", "126.", "gmail.", "outlook.", "hotmail.", "sina.", "foxmail.", "example.",
    "aliyun.", "yahoo.", "icloud.", "139.", "189.", "sohu.",
];

/// Where the domain that begins at `from` ends, and whether a dot was spelled out.
fn domain(view: &View<'_>, from: usize) -> Option<(usize, bool)> {
    let (mut at, mut best, mut spelled) = (from, None, false);
    let mut labels = 0;
    while at - from < DOMAIN_MAX {
        let end = view.run(at, ALNUM | DASH, 63);
        if end == at {
            break;
        }
        labels += 1;
        let label = view.slice(at, end);
        let top = label.len() >= 2 && label.bytes().all(|b| is(b, LOWER | UPPER));
        if labels >= 2 && top && label.len() <= 24 {
            best = Some(end);
        } else if labels >= 2 && !label.starts_with("xn--") {
            // A label of digits last is a version.
            best = best.filter(|_| !label.bytes().all(|b| is(b, DIGIT)));
        }
        let Some((next, word)) = dot(view, end) else {
            break;
        };
        if !is(view.byte(next), ALNUM) {
            break;
        }
        spelled |= word;
        at = next;
    }
    best.map(|end| (end, spelled))
}

/// An e-mail address.
pub(super) fn email(site: &Site<'_, '_>) -> Option<Found> {
    let view = site.view;
    // `https://token@host`: whoever stands before the host in a URL is no address.
    if view.before(site.at) == b'/' && site.at >= 2 && view.before(site.at - 1) == b'/' {
        return None;
    }
    let mut end = site.word(LOCAL, LOCAL_MAX);
    // What an at sign, or a dot, may be written with.
    if !matches!(
        view.byte(end),
        b'@' | b'.' | b' ' | b'\t' | b'(' | b'[' | b'{' | b'<' | b'#' | 0x80..
    ) {
        return None;
    }
    // `zhang(dot)san(at)…`
    while end - site.at < LOCAL_MAX
        && let Some((next, true)) = dot(view, end)
        && is(view.byte(next), ALNUM)
    {
        end = view.run(next, LOCAL, LOCAL_MAX);
    }
    let (from, kind) = at_sign(view, end)?;
    let text = view.slice(site.at, end);
    if text.ends_with('.') || text.contains("..") {
        return None;
    }
    let (stop, spelled) = domain(view, from)?;
    let host = view.slice(from, stop);
    let top = host.rsplit('.').next().unwrap_or("");
    if FILES.iter().any(|f| f.eq_ignore_ascii_case(top)) {
        return None;
    }
    if kind == At::Loose && !spelled {
        let provider = PROVIDERS.iter().any(|p| {
            host.get(..p.len())
                .is_some_and(|h| h.eq_ignore_ascii_case(p))
        });
        if !provider
            && !text
                .bytes()
                .any(|b| is(b, DIGIT) || matches!(b, b'.' | b'_'))
        {
            return None;
        }
    }
    // `git@github.com:org/repo`
    let after = view.byte(stop);
    if after == b':' && is(view.byte(stop + 1), ALNUM) && kind == At::Sign || after == b'@' {
        return None;
    }
    // The password of a URL without its scheme is not a local part, but better covered than not.
    site.hit(
        Entity::Email,
        stop,
        if kind == At::Sign { STRONG } else { MEDIUM },
    )
}

/// An IPv4 address.
pub(super) fn ipv4(site: &Site<'_, '_>) -> Option<Found> {
    let view = site.view;
    let before = view.before(site.at);
    if is(before, ALNUM)
        || before == b'.'
        || matches!(before, b'-') && is(view.before(site.at - 1), ALNUM)
    {
        return None;
    }
    let mut octets = [0u32; 4];
    let mut at = site.at;
    for (i, slot) in octets.iter_mut().enumerate() {
        let end = view.run(at, DIGIT, 4);
        let n = end - at;
        if !(1..=3).contains(&n) || n > 1 && view.byte(at) == b'0' {
            return None;
        }
        *slot = view
            .slice(at, end)
            .bytes()
            .fold(0, |v, b| v * 10 + u32::from(b - b'0'));
        at = end;
        if *slot > 255 {
            return None;
        }
        if i < 3 {
            at = octet_gap(view, at)?;
        }
    }
    let after = view.byte(at);
    if is(after, ALNUM)
        || after == b'.' && is(view.byte(at + 1), DIGIT)
        || after == b'-' && is(view.byte(at + 1), ALNUM)
    {
        return None;
    }
    if matches!(octets, [0 | 127 | 255, ..])
        || site.cues().leads(Cue::Other)
        || site.cues().none() && site.column().other()
        || versioned(site, at)
    {
        return None;
    }
    let [a, b, c, d] = octets;
    let small = octets.iter().all(|&o| o <= 30);
    let usual = matches!(
        (a, b, c, d),
        (8, 8, 8 | 4, 8 | 4) | (1, 1 | 0, 1 | 0, 1) | (10, ..)
    );
    let sure = !small || usual || site.cued(Cue::Ip) || after == b':' || after == b'/';
    sure.then(|| site.hit(Entity::IpAddress, at, MEDIUM))
        .flatten()
}

fn octet_gap(view: &View<'_>, at: usize) -> Option<usize> {
    if view.byte(at) == b'.' {
        return Some(at + 1);
    }
    dot(view, at)
        .map(|(end, _)| end)
        .filter(|_| !matches!(view.byte(at), b' '))
        .or_else(|| view.starts(at, "。").then(|| at + "。".len()))
}

fn versioned(site: &Site<'_, '_>, end: usize) -> bool {
    let behind = site
        .view
        .behind(site.at, 16)
        .trim_end_matches([' ', ':', '：', '=', '"', '\'']);
    let word = behind.trim_end_matches('.');
    let lower = word.to_ascii_lowercase();
    [
        "v",
        "ver",
        "version",
        "版本",
        "版",
        "升级到",
        "release",
        "oid",
        "第",
        "章节",
        "§",
        "firmware",
        "固件",
        "驱动",
        "内核",
        "chrome/",
        "build",
        "assembly",
        "升级至",
        "更新到",
    ]
    .iter()
    .any(|w| {
        lower
            .strip_suffix(w)
            .is_some_and(|rest| !w.is_ascii() || !rest.ends_with(|c: char| c.is_ascii_alphabetic()))
    }) || site.view.starts(end, "版")
        || site.view.starts(end, "节")
        || site.view.starts(end, "章")
}

/// An IPv6 address of at least two groups.
pub(super) fn ipv6(site: &Site<'_, '_>) -> Option<Found> {
    let view = site.view;
    let before = view.before(site.at);
    if is(before, ALNUM) || matches!(before, b':' | b'.') || matches!(before, b'_') {
        return None;
    }
    let (mut at, mut groups, mut compressed, mut longest, mut digits) =
        (site.at, 0usize, false, 0usize, false);
    let mut end = at;
    loop {
        let stop = view.run_of(at, 5, |b| b.is_ascii_hexdigit());
        let n = stop - at;
        if n > 4 {
            return None;
        }
        if n > 0 {
            groups += 1;
            longest = longest.max(n);
            digits |= view.slice(at, stop).bytes().any(|b| is(b, DIGIT));
            end = stop;
        }
        if view.byte(stop) != b':' || groups == 8 {
            at = stop;
            break;
        }
        if view.byte(stop + 1) == b':' {
            if compressed {
                return None;
            }
            compressed = true;
            at = stop + 2;
            end = at;
        } else if n == 0 {
            return None;
        } else {
            at = stop + 1;
            if !view.byte(at).is_ascii_hexdigit() {
                break;
            }
        }
    }
    let after = view.byte(end);
    let whole = groups == 8 && !compressed || compressed && (2..8).contains(&groups);
    // `::` paths of programs are letters; clock times are two digits.
    if !whole
        || !digits
        || longest < 3
        || is(after, ALNUM)
        || after == b':'
        || after == b'_'
        || at > end + 1
    {
        return None;
    }
    site.hit(Entity::IpAddress, end, STRONG)
}

/// A MAC address: six pairs, or Cisco's three groups of four.
pub(super) fn mac(site: &Site<'_, '_>) -> Option<Found> {
    let view = site.view;
    if is(view.before(site.at), ALNUM) || matches!(view.before(site.at), b':' | b'-') {
        return None;
    }
    let hex = |from: usize, n: usize| (from..from + n).all(|i| view.byte(i).is_ascii_hexdigit());
    let separator = if hex(site.at, 2) {
        view.byte(site.at + 2)
    } else {
        return None;
    };
    if matches!(separator, b':' | b'-') {
        let fits = (0..6).all(|i| {
            hex(site.at + i * 3, 2) && (i == 5 || view.byte(site.at + i * 3 + 2) == separator)
        });
        let end = site.at + 17;
        let longer = view.byte(end) == separator || is(view.byte(end), ALNUM);
        return (fits && !longer)
            .then(|| site.hit(Entity::MacAddress, end, STRONG))
            .flatten();
    }
    let cisco = (0..3)
        .all(|i| hex(site.at + i * 5, 4) && (i == 2 || view.byte(site.at + i * 5 + 4) == b'.'));
    let end = site.at + 14;
    let text = view.slice(site.at, end);
    let letters = text.bytes().any(|b| is(b, LOWER | UPPER));
    (cisco
        && (letters || site.cued(Cue::Mac))
        && !is(view.byte(end), ALNUM)
        && view.byte(end) != b'.')
        .then(|| site.hit(Entity::MacAddress, end, MEDIUM))
        .flatten()
}
