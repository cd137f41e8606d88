//! Whether somebody pasted a key where a name or a note belongs.
//!
//! Knows our own keys by their form and others' by the detectors of requests. Invariant: answers yes or no, and never what
//! it found.

use std::sync::OnceLock;

use policies::access::token::{self, CHECK_CHARS, PREFIX, RANDOM_CHARS};
use policies::scan::{Entity, Finding, Group, Set};

/// Characters of a key that we make.
const OURS_CHARS: usize = PREFIX.len() + RANDOM_CHARS + CHECK_CHARS;

/// Whether a key or another secret stands in a text.
pub(crate) fn holds_secret(text: &str) -> bool {
    let mut begins = text.match_indices(PREFIX);
    let ours = begins.any(|(at, _)| text.get(at..at + OURS_CHARS).is_some_and(token::is_ours));
    ours || is_found(text)
}

fn is_found(text: &str) -> bool {
    static SET: OnceLock<Option<Set>> = OnceLock::new();
    // Without words and patterns of one's own a set can always be built.
    let set = SET.get_or_init(|| Set::build(Vec::new(), Vec::new(), &|_, _, grade| grade).ok());
    let Some(set) = set else { return false };
    let mut found: Vec<Finding> = Vec::new();
    set.scan("", text, &mut found);
    let is_secret = |finding: &Finding| {
        let name = &set.info(finding.sort).name;
        Entity::named(name).is_some_and(|entity| entity.group() == Group::Secret)
    };
    found.iter().any(is_secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_from_names() {
        let mut count = 0_u8;
        let key = token::create(|out: &mut [u8]| {
            out.fill_with(|| {
                count = count.wrapping_add(41);
                count
            });
            Ok::<(), ()>(())
        });
        let key = key.unwrap();
        for (text, secret) in [
            (key.clone(), true),
            (format!("old:{key}."), true),
            (format!("x{key}y"), true),
            ("ghp_16C7e42F292c6912E7710c838347Ae178B4a".into(), true),
            (key[..20].to_owned(), false),
            ("ym-demo-restricted".into(), false),
            (
                "crm-bot of the retail team, asked for by li.wei".into(),
                false,
            ),
            (String::new(), false),
        ] {
            assert_eq!(holds_secret(&text), secret, "{text}");
        }
    }
}
