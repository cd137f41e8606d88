//! Checks of what stands around the rules: grades, abroad, gates, labels, filing, the clock.
//!
//! Opens no connection: whether a gate answers is not known here.

use std::collections::HashMap;
use std::time::Duration;

use super::super::{Check, NAME_BYTES_MAX, at};
use super::{Known, in_section};
use crate::config::address::{Scheme, parse_base_url};
use crate::config::problem::suggest;
use crate::config::schema::{Explicit, Gate, GateOn, Labelling, OnError, Policies};
use crate::config::zone;
use crate::secret::Secret;

/// Most gates: each is a call that a request waits for.
const GATES_MAX: usize = 8;
/// Longest that a gate may take.
const GATE_TIMEOUT_MAX: Duration = Duration::from_secs(30);
/// Longest name of a producer, label or filing, in characters.
const LABEL_CHARS_MAX: usize = 128;
/// Least bytes of the key of pseudonyms and hashes.
const PEPPER_BYTES_MIN: usize = 16;

impl Check<'_> {
    pub(super) fn around(&mut self, policies: &Policies, known: &Known) {
        for (name, grade) in &policies.grades {
            let steps = in_section(at!["grades", name.as_str()]);
            if !known.has(name) {
                let message = format!("there is no type or group `{name}`");
                self.error(&steps, message);
                if let Some(problem) = self.problems.last_mut() {
                    problem.suggestion = suggest(name, known.names());
                }
            }
            self.grade(&steps, Some(grade));
        }
        self.grade(&at!["policies", "media"], policies.media.as_deref());
        let abroad = policies.cross_border.max_grade.as_deref();
        self.grade(&at!["policies", "cross_border", "max_grade"], abroad);
        let mut taken: HashMap<&str, usize> = HashMap::new();
        if policies.gates.len() > GATES_MAX {
            self.error(
                &at!["policies", "gates"],
                format!("at most {GATES_MAX} gates"),
            );
        }
        for (index, gate) in policies.gates.iter().enumerate() {
            let steps = in_section(at!["gates", index, "name"]);
            self.name(&steps, &gate.name, NAME_BYTES_MAX);
            if let Some(first) = taken.insert(&gate.name, index) {
                self.error(&steps, format!("gates[{first}] has this name already"));
            }
            self.gate(index, gate);
        }
        if let Some(labelling) = &policies.labelling {
            self.labelling(labelling);
        }
        self.filings(policies);
        let short = |pepper: &Secret| pepper.expose().len() < PEPPER_BYTES_MIN;
        if policies.pepper.as_ref().is_some_and(short) {
            let message =
                format!("must be at least {PEPPER_BYTES_MIN} bytes: who guesses it can try values");
            self.error(&at!["policies", "pepper"], message);
        }
        if zone::offset_seconds(&policies.timezone).is_none() {
            let steps = at!["policies", "timezone"];
            let near = suggest(&policies.timezone, zone::names());
            self.error(
                &steps,
                "no zone that is known here: write an offset, as +08:00",
            );
            if let Some(problem) = self.problems.last_mut() {
                problem.suggestion = near;
            }
        }
    }

    fn gate(&mut self, index: usize, gate: &Gate) {
        let field = |field: &str| in_section(at!["gates", index, field]);
        match parse_base_url(&gate.url) {
            Err(why) => self.error(&field("url"), why),
            Ok((origin, _)) if origin.scheme == Scheme::Http && !origin.host.is_private() => {
                let message = "plain http to a public host: what it judges travels unencrypted";
                self.warn(&field("url"), message);
            }
            Ok(_) => {}
        }
        if gate.on.is_empty() {
            self.error(&field("on"), "names what it judges: request");
        }
        for (at, on) in gate.on.iter().enumerate() {
            let steps = in_section(at!["gates", index, "on", at]);
            if *on == GateOn::Reply {
                let message = "a reply streams past before a service could answer: only `request` is supported; use `output`";
                self.error(&steps, message);
            } else if gate.on.iter().take(at).any(|before| before == on) {
                self.error(&steps, "is in the list twice");
            }
        }
        if gate.timeout.0.is_zero() || gate.timeout.0 > GATE_TIMEOUT_MAX {
            self.error(&field("timeout"), "must be 1ms to 30s");
        }
        self.grade(&field("clearance"), gate.clearance.as_deref());
        if gate.on_error == OnError::Open {
            let message = "requests go on unjudged whenever this gate does not answer";
            self.warn(&field("on_error"), message);
        }
        self.sent_headers(&field("headers"), &gate.headers);
    }

    fn labelling(&mut self, labelling: &Labelling) {
        let field = |field: &str| in_section(at!["labelling", field]);
        let fits = |text: &str| {
            (1..=LABEL_CHARS_MAX).contains(&text.chars().count())
                && !text.chars().any(char::is_control)
        };
        if !fits(&labelling.producer) {
            let message = format!("must be 1 to {LABEL_CHARS_MAX} characters");
            self.error(&field("producer"), message);
        }
        let Some(text) = &labelling.text else { return };
        if labelling.explicit == Explicit::Off {
            self.warn(&field("text"), "has no effect: `explicit` is off");
        }
        if !fits(text.trim()) {
            let message = format!("must be 1 to {LABEL_CHARS_MAX} characters");
            self.error(&field("text"), message);
        }
        let lower = text.to_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
        if !says(&["人工智能", "ai"]) || !says(&["生成", "合成", "generated", "synthe"]) {
            let message = "GB 45438-2025 asks for the words 人工智能 or AI, and 生成 or 合成";
            self.warn(&field("text"), message);
        }
    }

    /// Filings, and whether those who need one find one.
    fn filings(&mut self, policies: &Policies) {
        let config = self.config;
        let targets = || {
            let models = config.models.iter();
            models.flat_map(|(name, model)| {
                let targets = model.targets.iter().enumerate();
                targets.map(move |(index, target)| (name, index, target))
            })
        };
        for (name, index, target) in targets() {
            let bad = |filing: &String| {
                filing.trim().is_empty()
                    || filing.chars().count() > LABEL_CHARS_MAX
                    || filing.chars().any(char::is_control)
            };
            if target.filing.as_ref().is_some_and(bad) {
                let steps = at!["models", name.as_str(), "targets", index, "filing"];
                self.error(&steps, format!("must be 1 to {LABEL_CHARS_MAX} characters"));
            }
        }
        if !policies.require_filed_model {
            return;
        }
        let steps = at!["policies", "require_filed_model"];
        if !config.keys.iter().any(|key| key.public) {
            self.warn(&steps, "has no effect: no key is `public`");
        } else if !targets().any(|(.., target)| target.filing.is_some()) {
            self.warn(
                &steps,
                "public keys reach nothing: no target has a `filing`",
            );
        }
    }
}
