//! Lanes that take turns: none holds up the others for long, and a value is found however they do.

use policies::policy::{Parts, ReplyRule};
use policies::redact::Pepper;
use policies::scan::{Set, Sorts};
use wire::Grade;

use super::silent::{SILENT_ITEMS, SILENT_ITEMS_WORD};
use super::*;

pub(super) fn policy() -> Arc<Policy> {
    let set = Set::build(Vec::new(), Vec::new(), &|_, _, grade| grade).unwrap();
    let find: Sorts = set.named("CN_MOBILE");
    let policy = Policy::build(Parts {
        set,
        rules: Vec::new(),
        reply: vec![ReplyRule {
            name: "output".into(),
            find,
            remedy: ReplyRemedy::Redact(Method::Placeholder),
            shadow: false,
            message: None,
        }],
        graded: Sorts::new(),
        media: Grade(3),
        overseas_max: None,
        filed_only: false,
        labelling: None,
        pepper: Pepper::new(b"k"),
        grades: Vec::new(),
        zone_s: 0,
    });
    Arc::new(policy.unwrap())
}

/// An item that is one text of a field of the first choice.
pub(super) fn spoken(field: u32, text: &str) -> Spoken<'_> {
    Spoken {
        lane: Lane {
            choice: 0,
            part: 0,
            field,
        },
        raw: text,
        span: 0..text.len(),
        nested: Nested::No,
        whole: false,
        answer: field == 0,
    }
}

struct Talk {
    governor: Governor<(u32, Bytes)>,
    out: Vec<(u32, String)>,
}

impl Talk {
    fn new() -> Self {
        let caps = Caps {
            bytes: 1 << 20,
            nanos: u64::MAX,
        };
        Self {
            governor: Governor::new(policy(), None, None, caps),
            out: Vec::new(),
        }
    }

    fn say(&mut self, field: u32, text: &str) {
        self.item(field, text, false);
    }

    fn item(&mut self, field: u32, text: &str, whole: bool) {
        let spoken = Spoken {
            whole,
            ..spoken(field, text)
        };
        let item = (field, Bytes::copy_from_slice(text.as_bytes()));
        let taken = self
            .governor
            .take(item, text.len(), &[spoken], Edits::new(), 0)
            .unwrap_or_else(|fault| panic!("{fault:?}"));
        if let Taken::Pass((field, text)) = taken {
            self.out
                .push((field, String::from_utf8_lossy(&text).into_owned()));
        }
        self.release();
    }

    fn release(&mut self) {
        let out = &mut self.out;
        self.governor.release(|(field, text), edits| {
            let text = edits.apply(&text).into_bytes();
            out.push((field, String::from_utf8_lossy(&text).into_owned()));
        });
    }

    fn end(mut self) -> Vec<(u32, String)> {
        self.governor
            .finish(None)
            .unwrap_or_else(|fault| panic!("{fault:?}"));
        self.release();
        self.out
    }

    fn text(out: &[(u32, String)], of: u32) -> String {
        let of = out.iter().filter(|(field, _)| *field == of);
        of.map(|(_, text)| text.as_str()).collect()
    }
}

#[test]
fn an_answer_does_not_wait_for_the_last_word_of_the_reasoning() {
    let mut talk = Talk::new();
    talk.say(2, "let me think about");
    for _ in 0..SILENT_ITEMS_WORD + 1 {
        talk.say(0, "Well, ");
    }
    assert_eq!(Talk::text(&talk.out, 2), "let me think about");
    assert!(Talk::text(&talk.out, 0).starts_with("Well, Well, "));
}

#[test]
fn not_even_for_a_number() {
    let mut talk = Talk::new();
    talk.say(2, "so the sum is 138");
    for _ in 0..SILENT_ITEMS + 2 {
        talk.say(0, "word, ");
    }
    assert_eq!(Talk::text(&talk.out, 2), "so the sum is 138");
    assert!(Talk::text(&talk.out, 0).len() > 60);
}

#[test]
fn values_are_found_in_lanes_that_take_turns() {
    let mut talk = Talk::new();
    for digit in "13800138000".chars() {
        talk.say(2, &digit.to_string());
        talk.say(0, "好");
        talk.say(3, &digit.to_string());
    }
    let out = talk.end();
    assert_eq!(Talk::text(&out, 2), "<CN_MOBILE_1>");
    assert_eq!(Talk::text(&out, 3), "<CN_MOBILE_1>");
    assert_eq!(Talk::text(&out, 0), "好".repeat(11));
}

#[test]
fn what_is_complete_does_not_wait_and_is_no_part_of_the_next() {
    let mut talk = Talk::new();
    talk.item(7, "get_weather", true);
    talk.item(7, "138001", true);
    talk.item(7, "38000", true);
    talk.item(7, "13800138000", true);
    let texts: Vec<&str> = talk.out.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(texts, ["get_weather", "138001", "38000", "<CN_MOBILE_1>"]);
}
