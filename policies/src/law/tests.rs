//! The three remedies, and the one law, over small policies.

use super::*;
use crate::findings::{Found, Place as Where};
use crate::policy::{Parts, no_facts};
use crate::redact::{Method, Pepper};
use crate::restore::restore;
use crate::scan::{Set, Sorts};
use proptest::prelude::*;
use wire::facts::Form as Text;

#[derive(Debug, Clone, Copy)]
struct Target(u8);

impl Destination for Target {
    fn clearance(&self) -> Grade {
        Grade(self.0)
    }
    fn place(&self) -> Provider<'_> {
        Provider {
            name: "p",
            vendor: "v",
            location: "domestic",
            clearance: i64::from(self.0),
            model: "m",
        }
    }
}

fn names(grades: &[&str]) -> Vec<String> {
    grades.iter().map(|name| (*name).to_owned()).collect()
}

const GRADES: [&str; 4] = ["public", "internal", "confidential", "restricted"];

fn policy(rules: Vec<(&str, &[&str], Remedy)>) -> Policy {
    let set = Set::build(Vec::new(), Vec::new(), &|_, _, default| default).unwrap();
    let rules = rules
        .into_iter()
        .map(|(name, find, remedy)| {
            let mut all = Sorts::new();
            find.iter().for_each(|name| all.union(&set.named(name)));
            Rule {
                name: name.into(),
                find: Some(all),
                when: None,
                at_least: 1,
                remedy,
                grade: None,
                shadow: false,
                message: None,
            }
        })
        .collect();
    Policy::build(Parts {
        set,
        rules,
        reply: Vec::new(),
        graded: Sorts::new(),
        media: Grade(3),
        overseas_max: None,
        filed_only: false,
        labelling: None,
        pepper: Pepper::new(b"k"),
        grades: names(&GRADES),
        zone_s: 8 * 3600,
    })
    .unwrap()
}

const REDACT: Remedy = Remedy::Redact {
    method: Method::Placeholder,
    restore: true,
};

/// A body of one text, and what the policy's set finds in it.
fn found(policy: &Policy, text: &str) -> (Bytes, Findings) {
    let mut raw = Vec::new();
    wire::json::escape(text, &mut raw);
    let span = 1..raw.len() + 1;
    let body = Bytes::from([b"\"".as_slice(), &raw, b"\""].concat());
    let (mut list, mut findings) = (Vec::new(), Findings::default());
    policy.set.scan("", text, &mut list);
    for finding in list.iter().filter(|f| policy.looked_for().contains(f.sort)) {
        findings.push(Found {
            sort: finding.sort,
            score: finding.score,
            place: Where {
                text: span.clone(),
                form: Text::String,
                at: finding.start..finding.end,
            },
            rest: Vec::new(),
        });
    }
    (body, findings)
}

fn judged(policy: &Policy, text: &str, declared: u8, targets: &[u8]) -> Judgement<Target> {
    let (body, findings) = found(policy, text);
    let grades = names(&GRADES);
    let case = Case {
        policy: Some(policy),
        findings: &findings,
        body: &body,
        declared: Grade(declared),
        public: false,
        facts: no_facts(&grades),
    };
    judge(&case, targets.iter().copied().map(Target))
}

proptest! {
    #[test]
    fn nothing_above_its_clearance_and_nothing_else_lost(grade in 0u8..5, clearances in prop::collection::vec(0u8..5, 0..6)) {
        let want: Vec<u8> = clearances.iter().copied().filter(|clearance| grade <= *clearance).collect();
        let grades = names(&GRADES);
        let case = Case {
            policy: None,
            findings: &Findings::default(),
            body: &Bytes::new(),
            declared: Grade(grade),
            public: false,
            facts: no_facts(&grades),
        };
        match judge(&case, clearances.iter().copied().map(Target)).cleared {
            Ok(cleared) => {
                prop_assert_eq!(cleared.iter().map(|c| c.target().0).collect::<Vec<_>>(), want);
                let first = clearances.first().is_some_and(|first| grade <= *first);
                prop_assert_eq!(cleared[0].verdict(), if first { Verdict::Allow } else { Verdict::Reroute });
            }
            Err(fault) => { prop_assert!(want.is_empty()); prop_assert_eq!(fault.kind(), Kind::NoClearedProvider); }
        }
    }

    #[test]
    fn what_is_redacted_is_found_no_more_and_comes_back(
        pieces in prop::collection::vec(prop::sample::select(vec!["13800138000", "，", " 电话\n", "6222021000112233449", "\"", "好的", "138-0013-8000", "\\", "a"]), 0..8)
    ) {
        let policy = policy(vec![("r", &["CN_MOBILE", "BANK_CARD"], REDACT)]);
        let text = pieces.concat();
        let judgement = judged(&policy, &text, 0, &[0, 3]);
        let cleared = judgement.cleared.unwrap();
        let (_, findings) = found(&policy, &text);
        prop_assert_eq!(cleared[0].redactions(), findings.list.len());
        prop_assert!(cleared[1].redacted().is_none());
        if let Some(body) = cleared[0].redacted() {
            let sent: String = wire::json::unescape(std::str::from_utf8(&body[1..body.len() - 1]).unwrap()).into_owned();
            prop_assert!(found(&policy, &sent).1.is_empty(), "{}", sent);
            let back = restore(cleared[0].restores().unwrap().table(), &sent);
            let digits = |text: &str| text.chars().filter(|c| !"-\\".contains(*c)).collect::<String>();
            prop_assert_eq!(digits(&back), digits(&text));
        }
    }
}

#[test]
fn the_three_remedies() {
    let redact = policy(vec![("id", &["CN_MOBILE"], REDACT)]);
    let judgement = judged(&redact, "电话13800138000", 0, &[1, 3]);
    assert_eq!(judgement.grade, Grade(2));
    let cleared = judgement.cleared.unwrap();
    assert_eq!(cleared[0].verdict(), Verdict::Redact);
    assert_eq!(cleared[0].grade(), Grade(0));
    assert_eq!(
        cleared[0].redacted().unwrap().as_ref(),
        "\"电话<CN_MOBILE_1>\"".as_bytes()
    );
    assert_eq!(cleared[1].verdict(), Verdict::Allow);

    let reroute = policy(vec![("away", &["CN_MOBILE"], Remedy::Reroute)]);
    let cleared = judged(&reroute, "电话13800138000", 0, &[1, 3])
        .cleared
        .unwrap();
    assert_eq!((cleared.len(), cleared[0].target().0), (1, 3));
    assert_eq!(cleared[0].verdict(), Verdict::Reroute);

    let refuse = policy(vec![("no-phones", &["CN_MOBILE"], Remedy::Refuse)]);
    let fault = judged(&refuse, "电话13800138000", 0, &[3])
        .cleared
        .unwrap_err();
    assert_eq!(fault.kind(), Kind::Refused);
    assert!(fault.sentence().contains("no-phones") && !fault.sentence().contains("138"));
}

#[test]
fn what_is_declared_is_not_redacted_away() {
    let redact = policy(vec![("id", &["CN_MOBILE"], REDACT)]);
    let fault = judged(&redact, "电话13800138000", 2, &[1])
        .cleared
        .unwrap_err();
    assert_eq!(fault.kind(), Kind::NoClearedProvider);
}

#[test]
fn without_a_rule_the_law_stays_and_says_what_was_found() {
    let policy = policy(vec![
        ("id", &["CN_ID_CARD"], REDACT),
        ("far", &["CN_MOBILE"], Remedy::Reroute),
    ]);
    let judgement = judged(&policy, "11010519491231002X 13800138000", 0, &[1]);
    let fault = judgement.cleared.unwrap_err();
    assert!(fault.sentence().contains("CN_MOBILE") && fault.sentence().contains("far"));
}

#[test]
fn debug_shows_no_text() {
    let redact = policy(vec![("id", &["CN_MOBILE"], REDACT)]);
    let judgement = judged(&redact, "张三的电话13800138000", 0, &[1, 3]);
    let shown = format!("{judgement:?}");
    assert!(shown.contains("1 replaced"), "{shown}");
    assert!(
        !shown.contains("138") && !shown.contains('张') && !shown.contains("\\x"),
        "{shown}"
    );
}

#[test]
fn the_first_rule_counts() {
    let policy = policy(vec![
        ("first", &["CN_MOBILE"], REDACT),
        ("second", &["CN_MOBILE"], Remedy::Refuse),
    ]);
    let judgement = judged(&policy, "13800138000", 0, &[1]);
    assert_eq!(judgement.fired.as_slice(), [0]);
    assert!(judgement.cleared.is_ok());
}

#[test]
fn a_service_that_judges_sees_no_more_than_target_and_clearance_allow() {
    let policy = policy(vec![
        ("ids", &["CN_ID_CARD"], REDACT),
        ("mail", &["EMAIL"], Remedy::Reroute),
    ]);
    let grades = names(&GRADES);
    // Text, declared grade, targets, clearance of the service → bodies, whether something is hidden.
    let check = |text: &str, declared: u8, targets: &[u8], clearance: u8| {
        let (body, findings) = found(&policy, text);
        let case = Case {
            policy: Some(&policy),
            findings: &findings,
            body: &body,
            declared: Grade(declared),
            public: false,
            facts: no_facts(&grades),
        };
        let cleared = judge(&case, targets.iter().copied().map(Target)).cleared;
        let shown = shown(&case, &cleared.unwrap(), Grade(clearance));
        let bodies = shown.bodies.iter();
        let bodies: Vec<String> = bodies
            .map(|body| String::from_utf8(body.to_vec()).unwrap())
            .collect();
        (bodies, shown.hidden)
    };
    let (id, redacted) = ("id 11010519491231002X", "\"id <CN_ID_CARD_1>\"");
    let whole = format!("\"{id}\"");
    // As the target: redacted for it, whole for it, both.
    assert_eq!(check(id, 0, &[0, 1], 3), (vec![redacted.into()], false));
    assert_eq!(check(id, 0, &[3], 3), (vec![whole.clone()], false));
    assert_eq!(
        check(id, 0, &[0, 3], 3),
        (vec![redacted.into(), whole], false)
    );
    // Never above its own clearance.
    assert_eq!(check(id, 0, &[3], 0), (vec![redacted.into()], false));
    assert_eq!(check("plain", 1, &[3], 0), (vec![], true));
    assert_eq!(
        check("to a.person@corp.example.cn", 0, &[3], 0),
        (vec![], true)
    );
}
