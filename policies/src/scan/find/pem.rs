//! Private keys in PEM armour, also with `\n` escapes (which the fold undoes).
//!
//! Delay in a stream: from the opening line until the closing one, at most [`PEM_MAX`]; without a closing line that
//! many bytes, or as far as it looks like base64, are covered.

use crate::scan::entity::Entity;
use crate::scan::site::{Found, STRONG, Site};
use crate::scan::view::{ALNUM, is};

/// The longest key, in bytes: RSA 16384 in base64 with its lines.
pub(super) const PEM_MAX: usize = 16 * 1024;

const KINDS: &[&str] = &[
    "",
    "RSA ",
    "EC ",
    "DSA ",
    "OPENSSH ",
    "ENCRYPTED ",
    "PGP ",
    "SM2 ",
];

/// A private key.
pub(super) fn private_key(site: &Site<'_, '_>) -> Option<Found> {
    let view = site.view;
    if !view.starts(site.at, "-----BEGIN ") {
        return None;
    }
    let at = site.at + "-----BEGIN ".len();
    let kind = KINDS
        .iter()
        .rev()
        .find(|kind| view.starts(at, kind) && view.starts(at + kind.len(), "PRIVATE KEY"))?;
    let head = at + kind.len() + "PRIVATE KEY".len();
    let body = if view.starts(head, " BLOCK") {
        head + 6
    } else {
        head
    };
    if !view.starts(body, "-----") {
        return None;
    }
    let body = body + 5;
    let limit = site.at + PEM_MAX;
    let mut i = body;
    while i < limit {
        let next = view.run_of(i, limit - i, |b| b != b'-');
        if next >= limit || view.byte(next) != b'-' {
            return site.hit(Entity::PrivateKey, next.min(limit), STRONG);
        }
        if view.starts(next, "-----END ") {
            let end = view.run_of(next + 9, 40, |b| is(b, ALNUM) || b == b' ');
            if view.starts(end, "-----") {
                return site.hit(Entity::PrivateKey, end + 5, STRONG);
            }
        }
        i = next + 1;
    }
    let mut end = limit;
    while end > body && !view.slice(body, end).is_char_boundary(end - body) {
        end -= 1;
    }
    site.hit(Entity::PrivateKey, end, STRONG)
}
