//! The rarer rules: addresses to assistants, leaks to the outside, forged markup, encodings, shots.
//!
//! As in [`super::rules`]: a bounded look around each anchor.

use super::class::Class::*;
use super::harm::{harm_at, pressure_at};
use super::reading::{Finding, Reading, Signal, Within, finding};

/// Bytes of a link that are read.
const LINK_MAX: usize = 400;

pub(super) fn other_at(reading: &Reading<'_>, i: usize) -> Option<Finding> {
    let token = reading.tokens.get(i)?;
    let near = || reading.around(i, 0, 0, Within::Passage);
    match token.class {
        BeginWith => {
            let wide = reading.around(i, 250, 250, Within::Passage);
            let harm = if wide.has(&[Harm]) { 26 } else { 0 };
            let more = if wide.has(&[NoRefusal, Comply, Unbound]) {
                14
            } else {
                0
            };
            finding(Signal::Begin, 20 + harm + more, near())
        }
        Authority => finding(Signal::Authority, 24, near()),
        Pressure => pressure_at(reading, i),
        Order | Rule => own_rules_at(reading, i),
        Twice => finding(Signal::Twice, 24, near()),
        NewOrder => {
            let wide = reading.around(i, 60, 60, Within::Passage);
            finding(
                Signal::NewOrders,
                if wide.has(&[FromNow, Your, Header]) {
                    22
                } else {
                    18
                },
                near(),
            )
        }
        FromNow | Instead => finding(Signal::NewOrders, 8, near()),
        Markup => markup_at(reading, i),
        Header => header_at(reading, i),
        ToAi => to_ai_at(reading, i),
        Hide => finding(Signal::Hidden, 24, near()),
        Unseen => unseen_at(reading, i),
        Send => send_at(reading, i),
        Image => image_at(reading, i),
        Decode => decode_at(reading, i),
        Join => join_at(reading, i),
        Turn => shots_at(reading, i),
        Harm => harm_at(reading, i),
        _ => None,
    }
}

/// What ties rules to the model that has them.
const YOURS: &[&str] = &[
    "were you given",
    "you were given",
    "you are given",
    "set you up",
    "you must not",
    "you may not",
    "you can't share",
    "you cannot share",
    "you are not allowed",
    "you're not allowed",
    "told you",
    "gave you",
    "given to you",
    "govern you",
    "you operate",
    "you obey",
    "you got",
    "that define you",
    "you have to follow",
    "you must follow",
    "are you under",
    "bind you",
    "you've received",
    "you received",
    "你有哪些",
    "你被",
    "给你",
    "你不能",
    "不能告诉我",
    "不让你",
    "你要遵守",
    "要求你",
    "你得遵守",
    "你必须遵守",
    "约束你",
    "你身上",
    "你这里有",
    "你都有",
];

/// The model's own inner rules, asked for under another name than prompt.
fn own_rules_at(reading: &Reading<'_>, i: usize) -> Option<Finding> {
    let token = reading.tokens.get(i)?;
    let around = reading.around(i, 50, 40, Within::Sentence);
    let wide = reading.around(i, 80, 80, Within::Passage);
    if around.has(&[Verbatim])
        && around.has(&[Show, Leak])
        && reading.word(token).starts_with("系统")
    {
        return finding(Signal::Extraction, 52, around);
    }
    let said = reading
        .slice(token.start.saturating_sub(36), token.end + 40)
        .to_ascii_lowercase();
    let yours = YOURS.iter().any(|w| said.contains(w));
    if !yours && !(around.has(&[Your]) && around.has(&[System])) {
        return None;
    }
    let points = if around.has(&[Leak]) {
        30
    } else if around.has(&[Show]) || wide.has(&[Show]) && wide.has(&[Ask, All, Verbatim]) {
        22
    } else if around.has(&[Ask]) {
        16
    } else {
        return None;
    };
    finding(
        Signal::Extraction,
        if yours { 30 } else { 34 } + points,
        around,
    )
}

/// Markup that only the application writes.
fn markup_at(reading: &Reading<'_>, i: usize) -> Option<Finding> {
    let token = reading.tokens.get(i)?;
    let word = reading.word(token).to_ascii_lowercase();
    let near = reading.around(i, 10, 200, Within::Passage);
    let mut score = 26;
    let role = reading
        .slice(token.end, token.end + 24)
        .to_ascii_lowercase();
    if word.contains("system") || word.contains("sys>") || role.trim_start().starts_with("system") {
        score += 12;
    }
    if word.starts_with("</") {
        score += 8;
    }
    if near.has(&[
        Override, NewOrder, Leak, Prompt, Unbound, Safety, NoRefusal, Limitless, Private, DevMode,
        EvilMode,
    ]) {
        score += 20;
    }
    finding(Signal::Markup, score, near)
}

/// A headline that pretends to come from above; only where a line or a bracket begins.
fn header_at(reading: &Reading<'_>, i: usize) -> Option<Finding> {
    let token = reading.tokens.get(i)?;
    let before = reading.slice(token.start.saturating_sub(4), token.start);
    let fresh = before.trim_end_matches([' ', '>', '*', '[', '-', '#']);
    if !(fresh.is_empty() || fresh.ends_with(['\n', '。', '.', '：', ':', '!', '！', '"', '“']))
    {
        return None;
    }
    let near = reading.around(i, 0, 160, Within::Passage);
    let more = near.has(&[
        Override, NewOrder, Leak, Prompt, Unbound, Safety, NoRefusal, Limitless, Void, DevMode,
        FromNow, Private,
    ]);
    finding(Signal::Header, if more { 34 } else { 18 }, near)
}

/// Words to the machine that reads, in a text for people.
fn to_ai_at(reading: &Reading<'_>, i: usize) -> Option<Finding> {
    let token = reading.tokens.get(i)?;
    let word = reading.word(token).to_ascii_lowercase();
    let near = reading.around(i, 120, 200, Within::Passage);
    let pointed = [
        "if you",
        "reading",
        "processing",
        "instruction",
        "note to",
        "attention",
        "如果你",
        "若你",
        "阅读",
        "读取",
        "处理",
        "读到",
        "看到",
        "致",
        "hidden",
        "to any",
        "to all",
        "to llm",
        "给",
    ];
    let mut score = if pointed.iter().any(|p| word.contains(p)) {
        26
    } else {
        18
    };
    if near.has(&[Must]) {
        score += 14;
    }
    if near.has(&[Rating]) {
        score += 24;
    }
    if near.has(&[Private]) {
        score += 8;
    }
    let before = reading.slice(token.start.saturating_sub(3), token.start);
    if before
        .trim_end()
        .ends_with(['(', '（', '[', '【', '<', '{', '*', '/', '#', '-'])
    {
        score += 10;
    }
    if near.has(&[Hide]) {
        score += 16;
    }
    if near.has(&[Unseen]) {
        score += 16;
    }
    if near.has(&[Override, Send, Leak, Prompt, NewOrder, Instead, ToAi]) {
        score += 12;
    }
    finding(Signal::Indirect, score, near)
}

/// Text that is not to be seen.
fn unseen_at(reading: &Reading<'_>, i: usize) -> Option<Finding> {
    let near = reading.around(i, 0, 260, Within::Passage);
    let mut score = 6;
    if near.has(&[
        ToAi, Override, Prompt, Hide, Leak, NewOrder, Unbound, Header,
    ]) {
        score += 20;
    } else if near.has(&[Send, Instead]) && near.has(&[Must]) {
        score += 8;
    }
    finding(Signal::Hidden, score, near)
}

/// What is the user's, and an address outside.
fn send_at(reading: &Reading<'_>, i: usize) -> Option<Finding> {
    let token = reading.tokens.get(i)?;
    let around = reading.around(i, 100, 140, Within::Sentence);
    if !around.has(&[Private]) {
        return None;
    }
    let after = reading.slice(token.start, around.to.max(token.end) + 80);
    let address = after.contains("http")
        || after.contains("www.")
        || after.contains('@')
        || after.contains("webhook");
    if !address || reading.negated(i) {
        return None;
    }
    let said = reading.slice(around.from, around.to).to_ascii_lowercase();
    let talk = [
        "conversation",
        "对话",
        "聊天",
        "上下文",
        "会话",
        "history",
        "previous messages",
        "context",
        "system prompt",
        "提示词",
        "inbox",
        "收件箱",
        "所有邮件",
    ];
    let mut score = 36;
    if talk.iter().any(|w| said.contains(w)) {
        score += 14;
    }
    let wide = reading.around(i, 240, 240, Within::Passage);
    if wide.has(&[Hide, ToAi, Unseen, Override, Image]) {
        score += 14;
    }
    finding(Signal::Exfiltration, score, around)
}

/// A picture or a link whose address is to be built from what was said.
fn image_at(reading: &Reading<'_>, i: usize) -> Option<Finding> {
    let token = reading.tokens.get(i)?;
    let rest = reading.slice(token.start, token.end + LINK_MAX);
    let from = rest.find("http")?;
    let link = rest.get(from..)?;
    let link = link.split([')', '"', '\n', '>', '）', '”']).next()?;
    let query = link.split_once('?').map(|(_, query)| query)?;
    let lower = query.to_ascii_lowercase();
    let filled = query.contains(['{', '[', '<', '$', '…', '*']);
    let built = [
        "secret",
        "conversation",
        "history",
        "summary",
        "base64",
        "encoded",
        "prompt",
        "context",
        "leak",
        "exfil",
        "payload",
        "stolen",
        "内容",
        "对话",
        "密码",
        "消息",
        "记录",
        "用户",
        "user_",
        "user ",
        "message",
        "api_key",
        "chat",
        "密钥",
    ]
    .iter()
    .any(|w| lower.contains(w));
    let near = reading.around(i, 260, 260, Within::Passage);
    let score = if built {
        54
    } else if filled {
        34
    } else {
        10
    } + if near.has(&[Private, Prompt, Above, Decode]) {
        16
    } else {
        0
    } + if near.has(&[Hide, ToAi]) { 12 } else { 0 };
    finding(Signal::Exfiltration, score, near)
}

/// Decode, and obey.
fn decode_at(reading: &Reading<'_>, i: usize) -> Option<Finding> {
    let near = reading.around(i, 160, 240, Within::Passage);
    if !near.has(&[Obey]) {
        return None;
    }
    let after = reading.slice(near.from.saturating_sub(200), near.to + 400);
    finding(
        Signal::Encoded,
        if super::shadow::has_blob(after) {
            60
        } else {
            34
        },
        near,
    )
}

/// Pieces to be put together and obeyed.
fn join_at(reading: &Reading<'_>, i: usize) -> Option<Finding> {
    let token = reading.tokens.get(i)?;
    let near = reading.around(i, 300, 200, Within::Passage);
    let said = reading.slice(token.start.saturating_sub(400), token.end + 200);
    let pieces = pieces(said);
    if pieces < 2 {
        return None;
    }
    let obey = near.has(&[Obey, AnyRequest])
        || [
            "执行", "回答", "answer", "respond", "follow", "do what", "告诉",
        ]
        .iter()
        .any(|w| said.contains(w));
    finding(Signal::Split, if obey { 44 } else { 14 }, near)
}

/// How many `a = "…"` there are.
fn pieces(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut n = 0;
    for (at, _) in text.match_indices(['=', ':', '：', '是', '为']) {
        let after = text.get(at..).unwrap_or("");
        let mut chars = after.chars();
        chars.next();
        let quoted = chars.as_str().trim_start();
        let opens = quoted.starts_with(['"', '\'', '“', '「', '‘', '`']);
        let name = bytes
            .get(at.saturating_sub(1))
            .is_some_and(|b| b.is_ascii_alphanumeric() || *b == b' ');
        n += usize::from(opens && name);
    }
    n
}

/// Many turns of a forged conversation in which the assistant complies.
fn shots_at(reading: &Reading<'_>, i: usize) -> Option<Finding> {
    let before = reading.tokens.get(..=i)?;
    let count = |class| {
        before
            .iter()
            .rev()
            .take(64)
            .filter(|t| t.class == class)
            .count()
    };
    let turns = count(Turn);
    if turns < 4 {
        return None;
    }
    let near = reading.around(i, 60, 200, Within::Passage);
    let ahead = |class| usize::from(near.has(&[class]));
    let (comply, harm) = (count(Comply) + ahead(Comply), count(Harm) + ahead(Harm));
    if comply >= 2 && harm >= 2 {
        return finding(Signal::ManyShot, 62, near);
    }
    None
}
