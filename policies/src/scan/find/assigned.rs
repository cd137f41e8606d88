//! Secrets without a form of their own: a value assigned to a name that says what it is.
//!
//! Placeholders, calls and variables are no values. Vendors' secret keys (AWS, Aliyun, Tencent) have their length and
//! their cue.

use super::assigned_names::{MayBe, may_be_named, secret_name};
use super::secret;
use super::value::{placeholder, random, varied};
use crate::scan::cue::Cue;
use crate::scan::entity::Entity;
use crate::scan::site::{Found, Last, MEDIUM, STRONG, Site};
use crate::scan::view::{ALNUM, DIGIT, LOWER, UPPER, View, is};

/// Shortest and longest value.
const VALUE_MIN: usize = 8;
const VALUE_MAX: usize = 256;

/// What the value is assigned to: the class of vendor's key, or any.
#[derive(PartialEq, Eq)]
enum Named {
    No,
    Yes,
    /// In words, not by a sign: `密码是…`.
    Words,
}

fn named(view: &View<'_>, at: usize) -> Named {
    let behind = view.behind(at, 56);
    let quoteless = behind.trim_end_matches(['"', '\'', '`', '“', '‘', '「', '\\']);
    let spaced = quoteless.trim_end_matches(' ');
    if let Some(tag) = spaced.strip_suffix('>') {
        // `<password>Sup3r…</password>`; `=>` and `->` are signs, whatever was opened before.
        let open = tag.rsplit_once('<').map(|(_, tag)| tag);
        if let Some(tag) = open.filter(|tag| !tag.contains('>') && !tag.ends_with(['=', '-'])) {
            let named = !tag.starts_with('/') && secret_name(tag);
            return if named { Named::Yes } else { Named::No };
        }
    }
    if basic(spaced) {
        return Named::Yes;
    }
    let (name, words) = if let Some(name) = strip_sign(spaced) {
        (name, false)
    } else if let Some(name) = ["改为", "设为", "设置为", "改成", "是", "为"]
        .iter()
        .find_map(|w| spaced.strip_suffix(w))
    {
        (name, true)
    } else if let Some(name) = spaced.strip_suffix(" is") {
        (name, true)
    } else if let Some(flag) = flag(spaced, behind) {
        (flag, false)
    } else if behind.len() > quoteless.len() || !spaced.is_ascii() {
        (spaced, true)
    } else {
        return Named::No;
    };
    let name = name.trim_end_matches([' ', '"', '\'', '`', '*', ')', '）', '”', '\\']);
    let name = owner_of_value(name).unwrap_or(name);
    match (secret_name(name), words) {
        (true, true) => Named::Words,
        (true, false) => Named::Yes,
        _ => Named::No,
    }
}

/// `--password Tr0ub4dor`, `Bearer a1B2…`: a flag of a command line or a scheme, and a blank behind it.
fn flag<'t>(spaced: &'t str, behind: &str) -> Option<&'t str> {
    let bytes = spaced.bytes().rev();
    let n = bytes
        .take_while(|b| !matches!(b, b' ' | b'\n' | b'\t'))
        .count();
    let word = spaced.get(spaced.len() - n..)?;
    let scheme = match n {
        5 => basic(spaced),
        6 => word.eq_ignore_ascii_case("bearer"),
        _ => false,
    };
    ((word.starts_with("--") || scheme) && behind.len() > spaced.len()).then_some(spaced)
}

/// `Authorization: Basic YWRt…`: a user and a password.
fn basic(spaced: &str) -> bool {
    const SCHEME: &str = "authorization: basic";
    let from = spaced.len().saturating_sub(SCHEME.len());
    spaced
        .get(from..)
        .is_some_and(|end| end.eq_ignore_ascii_case(SCHEME))
}

/// `<add key="password" value=`, and `name: DB_PASSWORD` with `value:` on the line below: what the value is of.
fn owner_of_value(name: &str) -> Option<&str> {
    let word = name.get(name.len().checked_sub("value".len())?..)?;
    let head = name.get(..name.len() - word.len())?;
    let apart = head.ends_with([' ', '\n', '\t', '"', '\'']);
    (apart && word.eq_ignore_ascii_case("value"))
        .then(|| head.trim_end_matches([' ', '\n', '\r', '\t', ',', '"', '\'']))
}

/// How long secret keys are that are known by their vendors' names, and the shortest.
const VENDORS: [usize; 3] = [30, 32, 40];
const VENDOR_MIN: usize = 30;

fn strip_sign(text: &str) -> Option<&str> {
    [":=", "=>", "==", "=", "：", ":", "|"]
        .iter()
        .find_map(|sign| text.strip_suffix(sign))
        .map(|name| name.trim_end_matches([' ', '\t']))
}

/// What a value without quotes may hold.
static VALUE: [bool; 256] = {
    let mut table = [false; 256];
    let mut b = b'!';
    while b < 0x7f {
        #[expect(clippy::indexing_slicing, reason = "evaluated when compiled")]
        {
            table[b as usize] =
                !matches!(b, b'"' | b'\'' | b',' | b';' | b'<' | b'>' | b'`' | b'|');
        }
        b += 1;
    }
    table
};

/// Whether no value that begins behind `quote` has the byte.
#[inline]
fn stops(quote: u8, b: u8) -> bool {
    if matches!(quote, b'"' | b'\'' | b'`') {
        b == quote || b == b'\n' || b == b' ' || b >= 0x80
    } else {
        !VALUE.get(usize::from(b)).copied().unwrap_or(false)
    }
}

/// Whether a blank, the end of a line or a byte above ASCII is among these: every value, quoted or not, stops there.
#[inline]
fn stopped(bytes: [u8; VALUE_MIN]) -> bool {
    const ONES: u64 = u64::MAX / 0xff;
    const HIGHEST: u64 = ONES << 7;
    let bytes = u64::from_le_bytes(bytes);
    // The highest bit of a byte that is zero, and perhaps of others above it.
    let zeros = |bytes: u64| bytes.wrapping_sub(ONES) & !bytes;
    let equal = |b: u8| zeros(bytes ^ (ONES * u64::from(b)));
    let blanks = equal(b' ') | equal(b'\n');
    (bytes | blanks) & HIGHEST != 0
}

/// Where the value ends.
fn value_end(view: &View<'_>, at: usize) -> usize {
    let quote = view.before(at);
    let query = quote == b'=' && in_query(view, at);
    let mut end = view.run_of(at, VALUE_MAX, |b| !stops(quote, b) && !(query && b == b'&'));
    while end > at
        && matches!(
            view.before(end),
            b'.' | b',' | b';' | b':' | b'?' | b'}' | b']'
        )
    {
        end -= 1;
    }
    if end > at && view.before(end) == b')' && !view.slice(at, end).contains('(') {
        end -= 1;
    }
    end
}

/// `?token=…&`: whether the value is one of a query's.
fn in_query(view: &View<'_>, at: usize) -> bool {
    let behind = view.behind(at, 32);
    behind
        .strip_suffix('=')
        .and_then(|name| name.rfind(['?', '&']))
        .is_some_and(|i| !behind.get(i..).unwrap_or("").contains(' '))
}

/// A secret by what it is assigned to.
pub(super) fn assigned(site: &Site<'_, '_>) -> Option<Found> {
    let view = site.view;
    // Cheapest first: something that leads to a value must stand before.
    if !leads(view, site.at) && !paired(site.last, site.at) {
        return None;
    }
    led(site)
}

/// The same where something leads to a value.
pub(super) fn led(site: &Site<'_, '_>) -> Option<Found> {
    let view = site.view;
    let shortest = view
        .bytes()
        .get(site.at..)
        .and_then(|rest| rest.first_chunk());
    if shortest.is_some_and(|&bytes| stopped(bytes)) {
        return None;
    }
    if beaten(site) {
        return None;
    }
    let head = view.bytes().get(..site.at).unwrap_or(&[]);
    let may_be = may_be_named(head);
    let vendors = || match may_be {
        MayBe::No => site.word(0, VENDOR_MIN) >= site.at + 20,
        _ => {
            let key = |b: u8| is(b, ALNUM) || matches!(b, b'/' | b'+');
            view.run_of(site.at, VENDOR_MIN, key) == site.at + VENDOR_MIN
        }
    };
    let named_so = may_be == MayBe::Named;
    if !named_so && !vendors() {
        return None;
    }
    let end = value_end(view, site.at);
    let text = view.slice(site.at, end);
    // Digits alone are a secret only if there are many.
    if text.len() < VALUE_MIN || text.len() < 16 && text.bytes().all(|b| is(b, DIGIT)) {
        return None;
    }
    if let Some(found) = vendor(site, text, end) {
        return Some(found);
    }
    if !named_so || !varied(text) {
        return None;
    }
    let named = named(view, site.at);
    if named == Named::No || placeholder(text) {
        return None;
    }
    // After words, a value is what has digits and letters; a sentence goes on otherwise.
    let mixed = || text.bytes().any(|b| is(b, DIGIT)) && text.bytes().any(|b| !is(b, DIGIT));
    let code = || text.contains("://") || text.contains("()") || text.starts_with("http");
    // A key that its prefix gives away is named by that: `Credential=AKID…/2024-05-01/…`.
    if secret::prefixed(site).is_some() {
        return None;
    }
    (random(text) && !code() && (named == Named::Yes || mixed()))
        .then(|| site.hit(Entity::GenericSecret, end, MEDIUM))
        .flatten()
}

/// Whether what was found is at least as good as any value that begins at the site.
fn beaten(site: &Site<'_, '_>) -> bool {
    let view = site.view;
    let Some(found) = site.best() else {
        return false;
    };
    let next = view.bytes().get(found);
    let end = match next {
        Some(&b) if stops(view.before(site.at), b) => found,
        _ => value_end(view, site.at),
    };
    let of_vendor = VENDORS.contains(&(end - site.at));
    site.beaten(end, if of_vendor { STRONG } else { MEDIUM })
}

/// Whether a sign, a quote, a word in Chinese or `is` stands before.
pub(crate) fn leads(view: &View<'_>, at: usize) -> bool {
    let behind = view.bytes().get(at.saturating_sub(4)..at).unwrap_or(&[]);
    let signed = matches!(
        behind,
        [
            ..,
            b'=' | b':' | b'>' | b'"' | b'\'' | b'`' | b'|' | b'\t' | 0x80..
        ] | [
            ..,
            b'=' | b':' | b'>' | b'|' | b'"' | b'\'' | b'*' | 0x80..,
            b' '
        ] | [.., b' ', b'i', b's', b' ']
            | [.., b' ', b' ']
    );
    signed || flagged(view, at)
}

/// Whether a flag of a command line, or `Bearer`, stands before.
pub(crate) fn flagged(view: &View<'_>, at: usize) -> bool {
    let behind = view.bytes().get(at.saturating_sub(2)..at).unwrap_or(&[]);
    matches!(
        behind,
        [b'd' | b't' | b'n' | b'y' | b's' | b'r' | b'c', b' ']
    ) && flag(view.behind(at - 1, 24), view.behind(at, 25)).is_some()
}

/// Secret keys whose vendor the cue names.
fn vendor(site: &Site<'_, '_>, text: &str, end: usize) -> Option<Found> {
    if !VENDORS.contains(&text.len()) {
        return None;
    }
    let charset = |extra: &[u8]| text.bytes().all(|b| is(b, ALNUM) || extra.contains(&b));
    // A random value without a digit is rare, but exists.
    let letters = text.bytes().any(|b| is(b, LOWER)) && text.bytes().any(|b| is(b, UPPER));
    let mixed = letters && text.bytes().any(|b| is(b, DIGIT));
    let entity = match text.len() {
        40 if charset(b"/+")
            && (letters && (site.cued(Cue::AwsSecret) || after(site, Entity::AwsAccessKey))
                || mixed && site.cued(Cue::Key) && context(site, &["aws", "akia", "amazon"])) =>
        {
            Entity::AwsSecretKey
        }
        30 if charset(b"")
            && (letters && (site.cued(Cue::AliSecret) || after(site, Entity::AliyunAccessKey))
                || mixed
                    && keyed(site)
                    && context(site, &["aliyun", "alibaba", "ltai", "oss", "阿里"])) =>
        {
            Entity::AliyunSecretKey
        }
        32 if charset(b"")
            && (letters
                && (site.cued(Cue::TencentSecret) || after(site, Entity::TencentSecretId))
                || mixed
                    && keyed(site)
                    && context(site, &["tencent", "qcloud", "akid", "cos", "腾讯"])) =>
        {
            Entity::TencentSecretKey
        }
        _ => return None,
    };
    (!placeholder(text))
        .then(|| site.hit(entity, end, STRONG))
        .flatten()
}

/// Whether the key that this secret may belong to stands shortly before, in the same pair.
fn after(site: &Site<'_, '_>, key: Entity) -> bool {
    paired(site.last, site.at) && site.last.entity == Some(key)
}

/// Whether the finding before is a key whose secret may follow here: `LTAI…/secret`, `LTAI…,secret`.
pub(crate) fn paired(last: Last, at: usize) -> bool {
    matches!(
        last.entity,
        Some(Entity::AwsAccessKey | Entity::AliyunAccessKey | Entity::TencentSecretId)
    ) && at - last.end <= PAIR_REACH
}

/// How far a secret may stand behind its key, in bytes.
const PAIR_REACH: usize = 40;

fn keyed(site: &Site<'_, '_>) -> bool {
    site.cued(Cue::Key) || site.cued(Cue::AliSecret)
}

/// Whether the vendor is named a little further up.
fn context(site: &Site<'_, '_>, words: &[&str]) -> bool {
    let behind = site.view.behind(site.at, 200).to_ascii_lowercase();
    words.iter().any(|w| behind.contains(w))
}
