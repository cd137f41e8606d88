//! Checks of the section `audit.checkpoint`.
//!
//! Invariant: what passes can be started; whether places answer is found out later and stops nothing.

use std::time::Duration;

use journal::tree::note::{Signer, Use, Verifier, is_name};

use super::{Check, at};
use crate::config::address::{Scheme, parse_base_url};
use crate::config::problem::Step;

/// Shortest and longest time between an entry and its checkpoint.
const EVERY: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(3600)];
/// Most entries between two checkpoints.
const ENTRIES_MAX: u64 = 1 << 24;
/// Most anchors, and most witnesses: each is a task with a connection.
const PLACES_MAX: usize = 16;

fn in_section(field: Step) -> Vec<Step> {
    vec!["audit".into(), "checkpoint".into(), field]
}

impl Check<'_> {
    pub(super) fn checkpoint(&mut self) {
        let checkpoint = &self.config.audit.checkpoint;
        let [least, most] = EVERY;
        if !(least..=most).contains(&checkpoint.every.0) {
            self.error(&in_section("every".into()), "must be 100ms to 1h");
        }
        if !(1..=ENTRIES_MAX).contains(&checkpoint.entries) {
            let message = format!("must be 1 to {ENTRIES_MAX}");
            self.error(&in_section("entries".into()), message);
        }
        let origin = checkpoint.origin.as_deref();
        if !origin.is_none_or(is_name) {
            let message = "an origin is 1 to 255 bytes without spaces and plus";
            self.error(&in_section("origin".into()), message);
        }
        if let Some(key) = &checkpoint.key {
            match Signer::parse(key.expose()).filter(|key| key.verifier().purpose() == Use::Log) {
                None => {
                    let message = "not a private key of the form PRIVATE+KEY+name+id+base64";
                    self.error(&in_section("key".into()), message);
                }
                Some(key) if origin.is_some_and(|origin| origin != key.verifier().name()) => {
                    let message = "the key is that of another origin";
                    self.error(&in_section("key".into()), message);
                }
                Some(_) => {}
            }
        }
        for (field, count) in [
            ("anchors", checkpoint.anchors.len()),
            ("witnesses", checkpoint.witnesses.len()),
        ] {
            if count > PLACES_MAX {
                let message = format!("there may be {PLACES_MAX} at most");
                self.error(&in_section(field.into()), message);
            }
        }
        self.anchors();
        self.witnesses();
    }

    fn anchors(&mut self) {
        for (index, anchor) in self.config.audit.checkpoint.anchors.iter().enumerate() {
            let at = |field: &str| at!["audit", "checkpoint", "anchors", index, field];
            if anchor.object.is_none() && !anchor.options.is_empty() {
                self.error(&at("options"), "belong to an object store");
            }
            match (&anchor.file, &anchor.url, &anchor.object) {
                (Some(file), None, None) => {
                    if file.is_empty() {
                        self.error(&at("file"), "must not be empty");
                    }
                    if anchor.token.is_some() {
                        self.error(&at("token"), "belongs to a url");
                    }
                }
                (None, None, Some(object)) => {
                    if anchor.token.is_some() {
                        self.error(&at("token"), "belongs to a url");
                    }
                    self.store_options((&at("object"), object), &at("options"), &anchor.options);
                }
                (None, Some(url), None) => {
                    let secret = anchor.token.is_some();
                    self.place(&at("url"), url, secret);
                    let token = anchor.token.as_ref().map(|token| token.expose());
                    if token.is_some_and(|token| http::HeaderValue::from_str(token).is_err()) {
                        self.error(&at("token"), "cannot stand in a header");
                    }
                }
                _ => {
                    let steps = at!["audit", "checkpoint", "anchors", index];
                    self.error(&steps, "needs one of file, url and object");
                }
            }
        }
    }

    fn witnesses(&mut self) {
        for (index, witness) in self.config.audit.checkpoint.witnesses.iter().enumerate() {
            let at = |field: &str| at!["audit", "checkpoint", "witnesses", index, field];
            self.place(&at("url"), &witness.url, false);
            let key = Verifier::parse(&witness.key);
            if key.is_none_or(|key| key.purpose() != Use::Witness) {
                let message = "not a witness's verifier key, name+id+base64 of type 4";
                self.error(&at("key"), message);
            }
        }
    }

    /// A URL that is posted to.
    pub(super) fn place(&mut self, steps: &[Step], url: &str, secret: bool) {
        match parse_base_url(url) {
            Err(why) => self.error(steps, why),
            Ok((origin, _)) if origin.scheme == Scheme::Http && !origin.host.is_private() => {
                if secret {
                    self.error(steps, "a token travels over https only");
                } else {
                    self.warn(steps, "plain http to a public host");
                }
            }
            Ok(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::testing::{FULL, built, lines};

    #[test]
    fn what_cannot_work_is_an_error_with_its_place() {
        let key = "w.example+e2e1a0b1+BAAA";
        for (line, message) in [
            ("every: 10ms", "must be 100ms to 1h"),
            ("entries: 0", "must be 1 to 16777216"),
            ("origin: \"a b\"", "an origin is 1 to 255 bytes"),
            ("key: nonsense", "not a private key"),
            ("anchors: [{}]", "needs one of file, url and object"),
            (
                "anchors: [{ file: a, url: \"https://a.example\" }]",
                "needs one of",
            ),
            ("anchors: [{ file: a, token: t }]", "belongs to a url"),
            (
                "anchors: [{ url: \"http://a.example\", token: t }]",
                "https only",
            ),
            (
                "anchors: [{ file: a, options: { region: r } }]",
                "belong to an object store",
            ),
            ("anchors: [{ object: \"ftp://h/d\" }]", "not s3://"),
            (
                "anchors: [{ object: \"s3://b\", options: { colour: red } }]",
                "no such option",
            ),
            (
                &format!("witnesses: [{{ url: \"https://w.example\", key: {key} }}]"),
                "not a witness's verifier key",
            ),
        ] {
            let text = format!("{FULL}audit: {{ checkpoint: {{ {line} }} }}\n");
            let found = lines(&built(&text).unwrap_err());
            assert!(found.contains(message), "{line}: {found}");
        }
    }
}
