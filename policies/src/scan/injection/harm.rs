//! The rules about harm: wrapped in a story, in a threat, in a role.
//!
//! As in [`rules`](super::rules): a bounded look around each anchor. What is asked without any wrapping is no injection.

use super::class::Class::*;
use super::reading::{Finding, Reading, Signal, Within, finding};

/// Words that are as often said of films, news and lessons, with `~` between them.
const MILD: &str = "hacking~illegal~illegally~drug~drugs~dangerous~harmful~exploit~child~weapon~weapons~poison~ \
                    steal~stealing~murder~suicide~scam~worm~porn~racist~stalk~黑客~入侵~武器~违法~犯罪~ \
                    非法~危险~有害~破坏~暴力~恐怖~仇恨~歧视~自杀~谋杀~杀人~跟踪~监听~ \
                    诈骗~骗局~赌博~毒品~走私~绑架~开锁~木马~翻墙~色情~大麻~病毒~伪造~ \
                    钓鱼~phishing~firearm~forge~forged~break into~terrorism~terrorist~trojan~窃取~序列号~ \
                    激活码~自残";

/// Harm wrapped in a story, with instructions; or told by a grandmother.
pub(super) fn harm_at(reading: &Reading<'_>, i: usize) -> Option<Finding> {
    let token = reading.tokens.get(i)?;
    let word = reading.word(token).to_ascii_lowercase();
    let severe = MILD.split('~').all(|mild| mild != word);
    let near = reading.around(i, 160, 160, Within::Passage);
    let wide = reading.around(i, 320, 320, Within::Passage);
    let mut score: u32 = 0;
    if wide.has(&[Grandma]) && wide.has(&[Role, Fiction]) {
        let keys = ["密钥", "序列号", "激活码", "注册码", "keys"];
        score = if severe || keys.iter().any(|w| word.contains(w)) {
            62
        } else {
            30
        };
    }
    let asked = how_to(reading, i);
    if asked && wide.has(&[Fiction, Role, Pressure, Twice, Comply, Authority, BeginWith]) {
        score = score.max(if severe { 52 } else { 24 });
    }
    if asked && near.has(&[Villain]) && wide.has(&[Role, Fiction, Twice]) {
        score = score.max(if severe { 60 } else { 52 });
    }
    if wide.has(&[Unbound, NoRefusal, BeginWith, EvilMode, Limitless, Jail]) {
        score = if asked {
            score.max(if severe { 44 } else { 30 })
        } else {
            score.max(20)
        } + 12;
    }
    if score == 0 {
        return None;
    }
    finding(Signal::Harm, score, near)
}

/// Whether it is asked how the thing is done: 怎么制作…, a recipe for ….
fn how_to(reading: &Reading<'_>, i: usize) -> bool {
    let Some(token) = reading.tokens.get(i) else {
        return false;
    };
    let reach = if reading.word(token).is_ascii() {
        40
    } else {
        18
    };
    let before = reading.tokens.get(..i).unwrap_or(&[]).iter().rev().take(6);
    let mut before = before.take_while(|t| t.end + reach >= token.start);
    let mut after = reading
        .tokens
        .iter()
        .skip(i + 1)
        .take(3)
        .take_while(|t| t.start <= token.end + 20);
    const TOLD: &[&str] = &[
        "描写", "描述", "发现", "防", "识别", "避免", "检测", "应对", "spot", "avoid", "prevent",
        "detect", "protect", "recogni",
    ];
    before.any(|t| {
        t.class == HowTo && {
            let between = reading.slice(t.end, token.start);
            !TOLD.iter().any(|w| between.contains(w))
        }
    }) || after.any(|t| matches!(t.class, HowTo | Steps) && !reading.word(t).is_ascii())
        || reading.around(i, 0, 60, Within::Sentence).has(&[HowTo])
            && reading.around(i, 0, 60, Within::Sentence).has(&[Steps])
}

/// Threats; with harm asked for they are more than words.
pub(super) fn pressure_at(reading: &Reading<'_>, i: usize) -> Option<Finding> {
    let wide = reading.around(i, 250, 250, Within::Passage);
    let from = reading.tokens.get(i)?.start.saturating_sub(300);
    let before = reading.tokens.get(..i)?.iter().rev().take(40);
    let again = before
        .take_while(|t| t.start >= from)
        .filter(|t| t.class == Pressure)
        .count()
        .min(2);
    if wide.has(&[Harm]) && again > 0 {
        return finding(Signal::Harm, if again > 1 { 52 } else { 40 }, wide);
    }
    #[expect(clippy::cast_possible_truncation, reason = "at most 2")]
    let more = again as u32 * 8;
    finding(
        Signal::Pressure,
        14 + more,
        reading.around(i, 0, 0, Within::Passage),
    )
}
