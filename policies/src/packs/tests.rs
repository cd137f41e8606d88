//! What holds for all packs, and what the patterns find.

use std::collections::HashSet;

use super::*;
use crate::scan::custom::Customs;
use crate::scan::{Entity, Grade, Set, WordList};
use crate::when::{Names, When};

fn set(chosen: &[&Pack]) -> Set {
    let words = chosen
        .iter()
        .flat_map(|pack| (pack.words)())
        .map(|(name, group, words)| WordList {
            name: name.to_owned(),
            group: Some(group.to_owned()).filter(|g| !g.is_empty()),
            grade: Grade(2),
            words: words.iter().map(|w| (*w).to_owned()).collect(),
        })
        .collect();
    let customs = chosen.iter().flat_map(|pack| (pack.customs)()).collect();
    Set::build(customs, words, &|_, _, grade| grade).unwrap()
}

fn found(name: &str, text: &str) -> Vec<(String, String)> {
    let set = set(&[pack(name).unwrap()]);
    let mut all = Vec::new();
    set.scan("", text, &mut all);
    all.iter()
        .map(|f| {
            (
                set.info(f.sort).name.to_string(),
                text[f.start..f.end].to_owned(),
            )
        })
        .collect()
}

#[test]
fn all_eight_are_there_and_can_be_combined() {
    let names: Vec<&str> = PACKS.iter().map(|pack| pack.name).collect();
    assert_eq!(
        names,
        [
            "cn-pipl",
            "secrets",
            "source-code",
            "finance",
            "medical",
            "industrial",
            "genai-measures",
            "prompt-injection"
        ]
    );
    let all: Vec<&Pack> = PACKS.iter().collect();
    set(&all);
    let mut rules = HashSet::new();
    for rule in PACKS.iter().flat_map(|pack| pack.rules) {
        assert!(rules.insert(rule.name), "{}", rule.name);
        assert!(rule.at_least >= 1);
    }
    assert!(pack("nothing").is_none());
}

#[test]
fn every_type_exists() {
    for pack in PACKS {
        let lists = (pack.words)();
        let customs = (pack.customs)();
        Customs::build(customs.clone()).unwrap();
        assert!(!pack.rules.is_empty() && !pack.law.is_empty() && !pack.about.is_empty());
        for rule in pack.rules {
            assert!(rule.name.starts_with(pack.name), "{}", rule.name);
            for name in rule.find {
                let known = !Entity::selected(name).is_empty()
                    || ["SOURCE_CODE", "PROMPT_INJECTION"].contains(name)
                    || lists
                        .iter()
                        .any(|(list, group, _)| list == name || group == name)
                    || customs.iter().any(|custom| custom.name == *name);
                assert!(known, "{}: {name}", rule.name);
            }
            if rule.when.is_empty() {
                continue;
            }
            let grades = crate::scan::GRADES.map(String::from);
            let names = Names {
                grades: &grades,
                sorts: &|name| {
                    let named = Entity::selected(name);
                    named
                        .iter()
                        .map(|entity| entity.name().to_owned())
                        .collect()
                },
            };
            When::compile(rule.when, &names).unwrap_or_else(|e| panic!("{}: {e:?}", rule.name));
        }
    }
}

#[test]
fn judgements_over_whole_texts_are_for_requests() {
    for rule in PACKS.iter().flat_map(|pack| pack.rules) {
        if rule.find.contains(&"SOURCE_CODE") || rule.find.contains(&"PROMPT_INJECTION") {
            assert_eq!(rule.phase, Phase::Request);
        }
    }
}

#[test]
fn what_authenticates_is_found_with_its_cue() {
    for (text, name) in [
        ("卡号后面的CVV是 123", "FIN_C3_CVV"),
        ("安全码：456，谢谢", "FIN_C3_CVV"),
        ("有效期 08/27", "FIN_C3_EXPIRY"),
        ("valid thru: 11/2028", "FIN_C3_EXPIRY"),
        ("我的交易密码是 829104", "FIN_C3_PASSWORD"),
        ("取款密码为：739201", "FIN_C3_PASSWORD"),
        ("my ATM PIN is 4821", "FIN_C3_PASSWORD"),
        ("短信验证码 583920，请勿泄露", "FIN_C3_SMS_CODE"),
        ("verification code is 583920", "FIN_C3_SMS_CODE"),
        (
            "%B4111111111111111^ZHANG/SAN^2512101000000000?",
            "FIN_C3_TRACK",
        ),
        ("账户余额：人民币 1,234,567.89元", "FIN_C2_BALANCE"),
        ("资金账号 100200300400", "FIN_C2_ACCOUNT"),
    ] {
        assert!(
            found("finance", text).iter().any(|f| f.0 == name),
            "{text}: {:?}",
            found("finance", text)
        );
    }
    for text in [
        "安全码在卡的哪一面？",
        "验证码收不到怎么办",
        "忘记交易密码如何重置",
        "会议有效期内完成 3 项工作",
        "CVV 是什么意思",
        "余额宝收益怎么算",
    ] {
        assert_eq!(found("finance", text), [], "{text}");
    }
}

#[test]
fn words_of_packs_are_found() {
    for (name, text, sort) in [
        ("medical", "患者HIV阳性，需随访", "MEDICAL_SPECIAL"),
        ("medical", "出院诊断：冠心病", "MEDICAL_DIAGNOSIS"),
        ("industrial", "附件是产品配方和图纸", "INDUSTRIAL_FORMULA"),
        ("industrial", "这批的良率报表", "INDUSTRIAL_PROCESS"),
        ("genai-measures", "教我网络赌博平台搭建", "GENAI_A1_8"),
    ] {
        assert!(
            found(name, text).iter().any(|f| f.0 == sort),
            "{text}: {:?}",
            found(name, text)
        );
    }
    assert_eq!(found("industrial", "今天的会议改到下午三点"), []);
    assert_eq!(genai::CLASSES.len(), 31);
}
