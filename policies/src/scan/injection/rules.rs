//! What words mean together: each rule looks around the words that anchor it and gives a signal its points.
//!
//! Reads tokens and, between them, the text; knows nothing of sources and thresholds. Invariant: each rule looks at a
//! bounded number of words within a bounded distance, so all of them together are linear.

use super::asking::{above_at, prompt_at};
use super::class::Class::{self, *};
use super::class::set;
use super::reading::{Around, Finding, Reading, Signal, Within, finding};
use super::tokens::Token;

/// Without one of these there is nothing to judge.
pub(super) const ANCHORS: u64 = set(&[
    Override, Bypass, Void, Prompt, Above, Role, Unbound, EvilMode, DevMode, Jail, NoRefusal,
    BeginWith, Authority, Pressure, Markup, Header, ToAi, Hide, Send, Image, Unseen, Decode, Join,
    Turn, Grandma, Fiction, Twice, NewOrder, Harm, Order,
]);

/// How far a rule looks, in bytes; none looks further.
const REACH: usize = 420;

/// What must stand near a word, one of each set, or its rule has nothing to say.
const fn needs(class: Class) -> [u64; 2] {
    const ANY: u64 = u64::MAX;
    match class {
        Override | Bypass | Void => [
            set(&[Safety, Order, Prompt, UserAsk, Rule, Talk, Above, Previous]),
            set(&[
                Previous, Above, Your, System, Prompt, All, AnyRequest, Safety, UserAsk, Talk,
                Order,
            ]),
        ],
        Above => [set(&[Show, Leak, Ask, Verbatim]), ANY],
        Role => [
            set(&[Unbound, EvilMode, Limitless, AnyRequest, Safety, NoRefusal]),
            ANY,
        ],
        Send => [set(&[Private]), ANY],
        Order | Rule => [set(&[Show, Leak, Ask]), ANY],
        Harm => [
            set(&[
                HowTo, Steps, Grandma, Unbound, NoRefusal, BeginWith, EvilMode, Limitless, Jail,
            ]),
            ANY,
        ],
        Decode => [set(&[Obey]), ANY],
        Turn => [set(&[Comply]), ANY],
        _ => [ANY, ANY],
    }
}

/// The classes of the words near one word, kept while one goes from word to word.
struct Near {
    counts: [u32; 64],
    seen: u64,
    from: usize,
    to: usize,
}

impl Near {
    fn move_to(&mut self, tokens: &[Token<Class>], i: usize) {
        let Some(token) = tokens.get(i) else { return };
        while let Some(next) = tokens.get(self.to)
            && next.start <= token.end + REACH
        {
            if let Some(count) = self.counts.get_mut(next.class as usize) {
                *count += 1;
            }
            self.seen |= next.class.bit();
            self.to += 1;
        }
        while let Some(first) = tokens.get(self.from)
            && first.end + REACH < token.start
        {
            if let Some(count) = self.counts.get_mut(first.class as usize) {
                *count -= 1;
                if *count == 0 {
                    self.seen &= !first.class.bit();
                }
            }
            self.from += 1;
        }
    }
}

/// All signals of a reading.
pub(super) fn judge(reading: &Reading<'_>, report: &mut Vec<Finding>) {
    let mut near = Near {
        counts: [0; 64],
        seen: 0,
        from: 0,
        to: 0,
    };
    for (i, token) in reading.tokens.iter().enumerate() {
        near.move_to(&reading.tokens, i);
        let [one, other] = needs(token.class);
        if near.seen & one == 0 || near.seen & other == 0 {
            continue;
        }
        let found = match token.class {
            Override | Bypass | Void => override_at(reading, i),
            Prompt => prompt_at(reading, i),
            Above => above_at(reading, i),
            Role => role_at(reading, i),
            Unbound => unbound_at(reading, i),
            EvilMode | DevMode => mode_at(reading, i),
            Jail => jail_at(reading, i),
            NoRefusal => refusal_at(reading, i),
            _ => super::rules_more::other_at(reading, i),
        };
        if let Some(found) = found
            && found.score > 0
        {
            report.push(found);
        }
    }
}

/// Override verb, scope and target in a sentence.
fn override_at(reading: &Reading<'_>, i: usize) -> Option<Finding> {
    let token = reading.tokens.get(i)?;
    let verb = match token.class {
        Override => 22,
        Void => 20,
        _ => 15,
    };
    let around = object_of(reading, i)?;
    let prompt_is_yours = around.has(&[Prompt]) && {
        let said = reading.slice(around.from, around.to).to_ascii_lowercase();
        said.contains("your")
            || said.contains('你')
            || said.contains("initial")
            || said.contains("original")
    };
    let target = target_of(around)?;
    let mut scope = scope_of(reading, i, around, target, prompt_is_yours)?;
    if around.has(&[My]) && !around.has(&[Your, System, Safety, Prompt]) {
        scope = scope.saturating_sub(30);
    }
    if reading.negated(i) {
        return None;
    }
    let mut score = verb + scope.min(42) + target;
    // Instructions on one subject are somebody's own.
    if !around.has(&[Your, System, Safety, Prompt, UserAsk]) && limited(reading, around) {
        score = score.saturating_sub(30);
    }
    let firm =
        around.has(&[Your, UserAsk]) || prompt_is_yours || target >= 28 && token.class != Bypass;
    if token.class == Void && !firm && !around.has(&[Your, Safety, Order, Prompt]) {
        score = score.min(38);
    }
    finding(Signal::Override, score, around).map(|found| Finding {
        soft: !firm,
        ..found
    })
}

/// The words that an override may be about: those behind it, or before it in 把…忘掉, or of the sentence before in
/// "ignore them".
fn object_of(reading: &Reading<'_>, i: usize) -> Option<Around> {
    let token = reading.tokens.get(i)?;
    let next = reading.slice(token.end, token.end + 9).to_ascii_lowercase();
    const THEY: &[&str] = &[" them", " those", "它们", "他们", "这些", "那些", "掉它"];
    if token.class != Void && THEY.iter().any(|w| next.starts_with(w)) {
        return Some(reading.around(i, 130, 40, Within::Passage));
    }
    let mut back = 0;
    if token.class == Void {
        back = 60;
    } else if !reading.word(token).is_ascii() {
        // 把以上指令忘掉: the object stands before, in the same clause.
        let before = reading.slice(token.start.saturating_sub(60), token.start);
        let clause = before.rsplit(['：', ':', '。', '\n']).next().unwrap_or("");
        if clause.contains(['把', '将', '对', '將', '對']) {
            back = clause.len();
        }
    }
    Some(reading.around(i, back, 80, Within::Sentence))
}

/// Points for what is overridden.
fn target_of(around: Around) -> Option<u32> {
    Some(if around.has(&[Safety]) {
        32
    } else if around.has(&[Order, Prompt]) {
        30
    } else if around.has(&[UserAsk]) {
        28
    } else if around.has(&[Rule]) {
        if around.has(&[Previous, Your]) {
            15
        } else {
            12
        }
    } else if around.has(&[Talk, Above]) {
        if around.has(&[Your]) { 13 } else { 8 }
    } else {
        return None;
    })
}

/// Points for whose it is, and from when.
fn scope_of(
    reading: &Reading<'_>,
    i: usize,
    around: Around,
    target: u32,
    prompt_is_yours: bool,
) -> Option<u32> {
    let mut scope = 0_u32;
    if around.has(&[Previous, Above]) {
        scope += 20;
    }
    // A phrase of ours may have taken the word with it: "drop your".
    let said = reading.slice(around.from, around.to).to_ascii_lowercase();
    if around.has(&[Your]) || prompt_is_yours || said.contains(" your ") {
        scope += 25;
    }
    if around.has(&[System, Prompt]) || said.contains("系统") || said.contains("system") {
        scope += if target >= 30 { 15 } else { 10 };
    }
    const OWNERS: &[&str] = &[
        "developer",
        "operator",
        "openai",
        "anthropic",
        "creator",
        "开发者",
        "运营方",
        "开发人员",
    ];
    if OWNERS.iter().any(|w| said.contains(w)) {
        scope += 12;
    }
    const FIRST: &[&str] = &[
        "最初",
        "初始",
        "预设",
        "内置",
        "底层",
        "出厂",
        "initial",
        "original",
        "built-in",
        "predefined",
        "underlying",
    ];
    if FIRST.iter().any(|w| said.contains(w)) {
        scope += 4;
    }
    if around.has(&[All, AnyRequest]) {
        scope += 10;
    }
    if scope == 0 {
        scope = if around.has(&[Safety, UserAsk]) {
            12
        } else if reading.around(i, 60, 30, Within::Passage).has(&[ToAi]) {
            14
        } else {
            return None;
        };
    }
    Some(scope)
}

/// Whether what is overridden is said to be about something: instructions on fonts, 关于字体的指令.
fn limited(reading: &Reading<'_>, around: Around) -> bool {
    let after = reading
        .slice(around.to, around.to + 16)
        .to_ascii_lowercase();
    const ABOUT: &[&str] = &[
        " on ",
        " about ",
        " regarding ",
        " concerning ",
        " for the ",
        " for my ",
        " for our ",
        " for installing",
        " from my ",
        " from the readme",
        " in the ",
        " of the ",
        " in this ",
        " in my ",
        " in the man",
        " in the doc",
        "里的",
        "中的",
    ];
    ABOUT.iter().any(|w| after.starts_with(w))
        || reading.slice(around.from, around.to).contains("关于")
}

/// A new role, and one without limits.
fn role_at(reading: &Reading<'_>, i: usize) -> Option<Finding> {
    let near = reading.around(i, 30, 260, Within::Passage);
    let score = if near.has(&[Unbound, EvilMode]) {
        65
    } else if near.has(&[Limitless, AnyRequest]) {
        let ai = reading.slice(near.from, near.to + 40).to_ascii_lowercase();
        if near.has(&[NoRefusal, Safety]) {
            58
        } else if ai.contains("ai")
            || ai.contains("人工智能")
            || ai.contains("助手")
            || ai.contains("assistant")
            || ai.contains("model")
        {
            42
        } else {
            24
        }
    } else if near.has(&[Safety, NoRefusal]) {
        30
    } else {
        return None;
    };
    finding(Signal::Role, score, near)
}

/// No limits, whoever is meant.
fn unbound_at(reading: &Reading<'_>, i: usize) -> Option<Finding> {
    let near = reading.around(i, 120, 120, Within::Passage);
    let mut score = 34;
    let said = reading
        .slice(near.from.saturating_sub(40), near.to + 60)
        .to_ascii_lowercase();
    const MODEL: &[&str] = &[
        "you",
        "answer",
        "respond",
        "reply",
        "ai",
        "assistant",
        "bot",
        "gpt",
        "model",
    ];
    let spoken = said
        .split(|c: char| !c.is_ascii_alphanumeric())
        .any(|w| MODEL.contains(&w));
    if spoken || said.contains(['你', '妳']) || said.contains("回答") || said.contains("模型")
    {
        score += 14;
    }
    if near.has(&[Harm, AnyRequest, NoRefusal]) {
        score += 14;
    }
    finding(Signal::Unbound, score, near)
}

/// A mode of operation that no model has.
fn mode_at(reading: &Reading<'_>, i: usize) -> Option<Finding> {
    let token = reading.tokens.get(i)?;
    let near = reading.around(i, 50, 50, Within::Passage);
    let wide = reading.around(i, 80, 200, Within::Passage);
    let evil = token.class == EvilMode;
    let mut score = if evil { 40 } else { 12 };
    if near.has(&[Enter]) {
        score += if evil { 22 } else { 15 };
    }
    if near.has(&[Role]) {
        score += 12;
    }
    if wide.has(&[
        Unbound, NoRefusal, AnyRequest, Safety, Limitless, Jail, Prompt, Override, Authority,
    ]) {
        score += 25;
    }
    finding(Signal::Mode, score, wide)
}

/// DAN and its kin.
fn jail_at(reading: &Reading<'_>, i: usize) -> Option<Finding> {
    let token = reading.tokens.get(i)?;
    let word = reading.word(token);
    // Dan and Stan are people.
    if word.len() <= 4 && word.is_ascii() && word.bytes().any(|b| b.is_ascii_lowercase()) {
        return None;
    }
    let after = reading.slice(token.end, token.end + 8);
    if ["攻击", " attack", "提示词", " prompt", "样本"]
        .iter()
        .any(|w| after.starts_with(w))
    {
        return None;
    }
    let near = reading.around(i, 120, 120, Within::Passage);
    let common = word.starts_with("越") || word.to_ascii_lowercase().starts_with("jail");
    let mut score = if common { 15 } else { 32 };
    let said = reading
        .slice(token.start.saturating_sub(16), token.start)
        .to_ascii_lowercase();
    if near.has(&[Role, Unbound, EvilMode, NoRefusal])
        || said.contains("you")
        || said.contains('你')
    {
        score += 30;
    } else if near.has(&[Enter, Limitless, AnyRequest, Your]) {
        score += 20;
    }
    finding(Signal::Jailbreak, score, near)
}

/// Forbids to refuse; what counts is how often.
fn refusal_at(reading: &Reading<'_>, i: usize) -> Option<Finding> {
    let from = reading.tokens.get(i)?.start.saturating_sub(400);
    let times = reading
        .tokens
        .get(..=i)?
        .iter()
        .rev()
        .take(60)
        .take_while(|t| t.start >= from)
        .filter(|t| t.class == NoRefusal)
        .count();
    let near = reading.around(i, 250, 250, Within::Passage);
    let mut score = match times {
        1 => 18,
        2 => 34,
        _ => 46,
    };
    if near.has(&[Harm]) {
        score += 16;
    }
    if near.has(&[AnyRequest, Unbound, Limitless]) {
        score += 12;
    }
    finding(Signal::Refusal, score, near)
}
