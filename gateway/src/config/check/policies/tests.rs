//! What a policy may not say, and exactly what is told about it.

use std::path::Path;

use crate::config::check::check;
use crate::config::load::load_text;
use crate::config::testing::{Book, env, lines};

/// What is said of a section `policies` that stands from line 2 on, two spaces in.
fn said(policies: &str) -> String {
    let text = format!(
        "policies:\n{policies}\nproviders: {{ p: {{ vendor: runtime, base_url: \"http://10.0.0.1\" }} }}\n\
         models: {{ m: {{ targets: [ {{ provider: p, model: x }} ] }} }}\n\
         keys: [ {{ id: k, hash: \"sha256:297832a5d945e7598e3f5d7b9a6360322673119ed49d687286a68c2944636a46\" }} ]\n"
    );
    match load_text("y.yaml", &text, Path::new("/nowhere"), &env) {
        Ok(loaded) => lines(&check(&loaded, &Book, 0)),
        Err(problems) => lines(&problems),
    }
}

#[test]
fn what_the_contract_shows_is_good() {
    let policies = r#"
  packs: [cn-pipl, secrets]
  rules:
    - { name: id-stays-home, find: [CN_ID_CARD, BANK_CARD], remedy: redact, restore: true }
    - { name: no-code-outside, find: [SOURCE_CODE], remedy: reroute }
    - { name: no-secrets, find: [SECRET], remedy: refuse }
    - { name: interns-small-models, when: 'key.team == "interns" && model != "small"', remedy: refuse, mode: shadow }
  output: { find: [CN_ID_CARD, BANK_CARD, CN_MOBILE], remedy: redact }
"#;
    assert_eq!(said(policies), "");
    let more = r#"
  rules:
    - { name: a, find: [PROJECT, COMPANY], remedy: redact, method: pseudonym, restore: true, at_least: 2, grade: restricted }
    - { name: b, when: "hits.PROJECT > 2 && provider.location == 'overseas'", remedy: reroute, grade: internal, message: 不可 }
    - { name: c, find: [VIN], when: "time.hour < 8 && hits.COMPANY > 1", remedy: redact, method: mask }
  words: [ { name: PROJECT, group: COMPANY, grade: internal, words: [Kunlun] } ]
  entities: [ { name: STAFF, pattern: "SC-[0-9]{8}", validator: luhn, context: [工牌] } ]
  grades: { COMPANY: restricted, SECRET: internal }
  media: internal
  cross_border: { max_grade: public }
  gates: [ { name: g, url: "https://m.example.com/check", headers: { authorization: t } } ]
  labelling: { producer: 玉门, explicit: prefix, text: "[AI生成] " }
  timezone: "+08:00"
"#;
    assert_eq!(said(more), "");
}

#[test]
fn names_that_dangle_or_clash() {
    let policies = r#"
  packs: [cn-pip]
"#;
    assert_eq!(
        said(policies),
        "y.yaml:3:11: policies.packs[0]: `cn-pip` is unknown; did you mean `cn-pipl`?"
    );
    let policies = r#"
  rules:
    - { name: a, find: [CN_IDCARD, SECRETS], remedy: redact }
    - { name: a, find: [], remedy: redact, grade: secret }
    - { name: output, find: [PROJEKT, VIN, VIN], remedy: redact }
  output: { find: [CN_MOBIL], remedy: redact }
  words:
    - { name: VIN, words: [x] }
    - { name: PROJECT, words: [x], grade: intern }
    - { name: PROJECT, words: [y], group: STAFF }
    - { name: lower, words: [y], group: EMAIL }
    - { name: NONE }
    - { name: FILE, file: none.txt }
  entities:
    - { name: STAFF, pattern: "(a+" }
    - { name: LONG, pattern: "SC-[0-9]+" }
    - { name: EMPTY, pattern: "a?" }
    - { name: BACK, pattern: "(a)\\1" }
  grades: { VINN: public, VIN: pubic }
  media: most
"#;
    assert_eq!(
        said(policies),
        "y.yaml:14:27: policies.words[5].file: `none.txt` cannot be read: entity not found"
    );
    let expected = "\
y.yaml:4:25: policies.rules[0].find[0]: there is no type or group `CN_IDCARD`; did you mean `CN_ID_CARD`?
y.yaml:4:36: policies.rules[0].find[1]: there is no type or group `SECRETS`; did you mean `SECRET`?
y.yaml:5:15: policies.rules[1].name: rules[0] has this name already
y.yaml:5:24: policies.rules[1].find: names 1 to 256 types or groups
y.yaml:5:51: policies.rules[1].grade: there is no grade `secret`
y.yaml:6:15: policies.rules[2].name: this is the name of the rule about replies
y.yaml:6:30: policies.rules[2].find[0]: there is no type or group `PROJEKT`; did you mean `PROJECT`?
y.yaml:6:44: policies.rules[2].find[2]: is in the list twice
y.yaml:7:20: policies.output.find[0]: there is no type or group `CN_MOBIL`; did you mean `CN_MOBILE`?
y.yaml:9:15: policies.words[0].name: is the name of a built-in type or group
y.yaml:10:43: policies.words[1].grade: there is no grade `intern`; did you mean `internal`?
y.yaml:11:15: policies.words[2].name: words[1] has this name already
y.yaml:11:43: policies.words[2].group: entities[0] has this name: a group needs one of its own
y.yaml:12:15: policies.words[3].name: a type is called 1 to 64 capital letters, digits and underscores, a letter first
y.yaml:12:41: policies.words[3].group: is the name of a built-in type
y.yaml:13:7: policies.words[4].words: there is no word in the list
y.yaml:15:31: policies.entities[0].pattern: no regular expression that takes linear time: unclosed group
y.yaml:16:30: policies.entities[1].pattern: a match may be longer than 512 bytes; write {1,20} for + and {0,20} for *
y.yaml:17:31: policies.entities[2].pattern: the pattern matches nothing at all
y.yaml:18:30: policies.entities[3].pattern: no regular expression that takes linear time: backreferences are not supported
y.yaml:19:19: policies.grades.VINN: there is no type or group `VINN`; did you mean `VIN`?
y.yaml:19:32: policies.grades.VIN: there is no grade `pubic`; did you mean `public`?
y.yaml:20:10: policies.media: there is no grade `most`";
    let got = said(&policies.replace("    - { name: FILE, file: none.txt }\n", ""));
    assert_eq!(got, expected, "\n{got}");
}

#[test]
fn rules_that_could_not_be_enforced() {
    for (rule, expected) in [
        (
            "remedy: redact",
            "3:7: policies.rules[0]: a rule needs `find` or `when`",
        ),
        (
            "when: 'true', remedy: reroute",
            "3:40: policies.rules[0].remedy: `reroute` without `find` needs a `grade`: the clearance that is asked for",
        ),
        (
            "when: 'true', remedy: redact",
            "3:40: policies.rules[0].remedy: `redact` needs `find`: what is to be replaced",
        ),
        (
            "find: [PROMPT_INJECTION], remedy: redact",
            "3:25: policies.rules[0].find[0]: an attempt at injection cannot be redacted, its harm is the whole text: refuse or reroute",
        ),
        (
            "find: [VIN], remedy: redact, restore: true, method: hash",
            "3:56: policies.rules[0].restore: what is masked or hashed cannot be restored: use placeholder or pseudonym",
        ),
        (
            "find: [SECRET, VIN, JWT], remedy: redact, restore: true",
            "3:25: policies.rules[0].find[0]: a secret is never restored: leave `restore` out\n\
             y.yaml:3:38: policies.rules[0].find[2]: a secret is never restored: leave `restore` out",
        ),
        (
            "find: [VIN], remedy: refuse, restore: true, method: mask",
            "3:56: policies.rules[0].restore: only what was redacted can be restored\n\
             y.yaml:3:70: policies.rules[0].method: only `redact` has a method",
        ),
        (
            "when: 'true', remedy: refuse, at_least: 3",
            "3:58: policies.rules[0].at_least: counts what `find` names, and there is none",
        ),
        (
            "find: [VIN], remedy: refuse, at_least: 0, message: ''",
            "3:57: policies.rules[0].at_least: must be at least 1\n\
             y.yaml:3:69: policies.rules[0].message: must be 1 to 200 characters on one line",
        ),
        (
            "find: [VIN], remedy: refuse, grade: internal",
            "3:54: warning: policies.rules[0].grade: has no effect: the request is refused in any case",
        ),
        (
            "find: [VIN], remedy: block",
            "3:39: policies.rules[0].remedy: `block` is unknown; known: redact, reroute, refuse",
        ),
    ] {
        let policies = format!("  rules:\n    - {{ name: a, {rule} }}");
        assert_eq!(said(&policies), format!("y.yaml:{expected}"), "{rule}");
    }
    for (output, expected) in [
        (
            "find: [VIN], remedy: reroute",
            "2:34: policies.output.remedy: a reply cannot be rerouted, it has been written: redact or refuse",
        ),
        (
            "find: [SOURCE_CODE, VIN, PROMPT_INJECTION], remedy: refuse, method: mask",
            "2:20: policies.output.find[0]: is judged over a whole text: a stream would have passed before the judgement\n\
             y.yaml:2:38: policies.output.find[2]: is judged over a whole text: a stream would have passed before the judgement\n\
             y.yaml:2:81: policies.output.method: only `redact` has a method",
        ),
    ] {
        let got = said(&format!("  output: {{ {output} }}"));
        assert_eq!(got, format!("y.yaml:{expected}"), "{output}");
    }
}

#[test]
fn rules_that_never_have_a_say() {
    let policies = r#"
  rules:
    - { name: a, find: [CN_ID_CARD, SECRET], remedy: redact }
    - { name: b, find: [VIN], remedy: redact, when: "request.stream" }
    - { name: c, find: [JWT, CN_ID_CARD], remedy: refuse, at_least: 9 }
    - { name: d, find: [VIN, JWT], remedy: refuse, mode: shadow }
    - { name: e, find: [VIN], remedy: reroute }
"#;
    let expected = "y.yaml:6:24: warning: policies.rules[2].find: has no effect: earlier rules are about all of its types";
    assert_eq!(said(policies), expected);
}

#[test]
fn conditions_are_complained_of_where_they_are_wrong() {
    for (when, expected) in [
        (
            "when: 'key.taem == \"a\"'",
            "5:17: policies.rules[0].when: unknown field `key.taem`; did you mean `team`?",
        ),
        (
            "when: |\n        key.team == \"a\" &&\n          modle != \"small\"",
            "7:11: policies.rules[0].when: unknown variable `modle`; did you mean `model`?",
        ),
        (
            "when: >-\n        key.team ==\n        model &&\n        hits.PROJEKT > 1",
            "8:13: policies.rules[0].when: `PROJEKT` is no type of finding; did you mean `PROJECT`?",
        ),
        (
            "when: \"${KEY}\"",
            "5:13: policies.rules[0].when: no condition, once its variables are expanded",
        ),
    ] {
        let policies = format!(
            "  words: [ {{ name: PROJECT, group: COMPANY, words: [x] }} ]\n  rules:\n    - name: a\n      {when}\n      remedy: refuse"
        );
        assert_eq!(said(&policies), format!("y.yaml:{expected}"), "{when}");
    }
}

#[test]
fn around_the_rules() {
    for (policies, expected) in [
        (
            "  gates: [ { name: g, url: \"ftp://x\", on: [reply], timeout: 60s, on_error: open, headers: { host: x } } ]",
            "y.yaml:2:28: policies.gates[0].url: the URL must begin with http:// or https://\n\
             y.yaml:2:44: policies.gates[0].on[0]: a reply streams past before a service could answer: only `request` is supported; use `output`\n\
             y.yaml:2:61: policies.gates[0].timeout: must be 1ms to 30s\n\
             y.yaml:2:99: policies.gates[0].headers.host: this header belongs to the protocol and cannot be set\n\
             y.yaml:2:76: warning: policies.gates[0].on_error: requests go on unjudged whenever this gate does not answer",
        ),
        (
            "  labelling: { producer: \"\", text: \"by a machine\" }",
            "y.yaml:2:26: policies.labelling.producer: must be 1 to 128 characters\n\
             y.yaml:2:36: warning: policies.labelling.text: has no effect: `explicit` is off\n\
             y.yaml:2:36: warning: policies.labelling.text: GB 45438-2025 asks for the words 人工智能 or AI, and 生成 or 合成",
        ),
        (
            "  timezone: Asia/Shangai",
            "y.yaml:2:13: policies.timezone: no zone that is known here: write an offset, as +08:00; did you mean `Asia/Shanghai`?",
        ),
        (
            "  pepper: short",
            "y.yaml:2:11: policies.pepper: must be at least 16 bytes: who guesses it can try values",
        ),
        (
            "  require_filed_model: true",
            "y.yaml:2:24: warning: policies.require_filed_model: has no effect: no key is `public`",
        ),
        (
            "  cross_border: { max_grade: pubic }",
            "y.yaml:2:30: policies.cross_border.max_grade: there is no grade `pubic`; did you mean `public`?",
        ),
    ] {
        let got = said(policies);
        assert_eq!(got, expected, "\n{got}");
    }
}

#[test]
fn words_come_from_files_too() {
    let dir = tempfile::tempdir().unwrap();
    let words = "\u{feff}# projects\nKunlun # the big one\n\n昆仑计划\n#x\nC# shop\n";
    std::fs::write(dir.path().join("words.txt"), words).unwrap();
    let text = "policies: { words: [ { name: A, file: words.txt, words: [one] } ] }\n";
    let loaded = load_text("y.yaml", text, dir.path(), &env).unwrap();
    let list = &loaded.config.policies.words[0];
    assert_eq!(list.words, ["one", "Kunlun", "昆仑计划", "C# shop"]);
    assert_eq!(loaded.files, [dir.path().join("words.txt")]);
    std::fs::write(dir.path().join("words.txt"), "# none\n").unwrap();
    let text = "policies: { words: [ { name: A, file: words.txt } ] }\n";
    let loaded = load_text("y.yaml", text, dir.path(), &env).unwrap();
    let said = lines(&check(&loaded, &Book, 0));
    let expected = "y.yaml:1:39: policies.words[0].file: there is no word in the list";
    assert!(said.contains(expected), "{said}");
}

#[test]
fn no_message_holds_what_a_variable_held() {
    for policies in [
        "rules: [ { name: \"${KEY} x\", find: [\"${KEY}\"], when: \"${KEY} ==\", remedy: redact, grade: \"${KEY}\" } ]",
        "rules: [ { name: a, find: [VIN], remedy: \"${KEY}\" } ]",
        "words: [ { name: \"${KEY}\", group: \"${KEY}\", grade: \"${KEY}\", words: [\"\"] } ]",
        "words: [ { name: A, file: \"${KEY}\" } ]",
        "entities: [ { name: \"${KEY}\", pattern: \"(${KEY}\", grade: \"${KEY}\" } ]",
        "entities: [ { name: \"${KEY}\", pattern: \"(${KEY})+\" }, { name: \"${KEY}\", pattern: \"^a\" } ]",
        "grades: { VIN: \"${KEY}\" }, media: \"${KEY}\", cross_border: { max_grade: \"${KEY}\" }",
        "gates: [ { name: \"${KEY} \", url: \"${KEY}\", headers: { a: \"${KEY}\\n\" } } ]",
        "packs: [\"${KEY}\"], timezone: \"${KEY}\"",
        "timezone: \"${KEY}\", output: { find: [\"${KEY}\"], remedy: redact }",
    ] {
        let text = format!("policies: {{ {policies} }}\n");
        let said = match load_text("y.yaml", &text, Path::new("/nowhere"), &env) {
            Ok(loaded) => lines(&check(&loaded, &Book, 0)),
            Err(problems) => lines(&problems),
        };
        assert!(!said.is_empty() && !said.contains("planted"), "{said}");
    }
}
