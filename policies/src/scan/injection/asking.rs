//! The rules about asking for what the model was told: its prompt, and what stood before.
//!
//! As in [`rules`](super::rules): a bounded look around each anchor.

use super::class::Class::*;
use super::reading::{Around, Finding, Reading, Signal, Within, finding};

fn your(reading: &Reading<'_>, i: usize) -> bool {
    let Some(token) = reading.tokens.get(i) else {
        return false;
    };
    let near = reading
        .slice(token.start.saturating_sub(28), token.end)
        .to_ascii_lowercase();
    near.contains("your ")
        || near.contains('你')
        || near.contains('您')
        || reading
            .slice(token.end, token.end + 30)
            .to_ascii_lowercase()
            .contains("you were")
        || near.contains("my ")
            && reading.has(&[Show])
            && reading
                .slice(token.start.saturating_sub(80), token.start)
                .to_ascii_lowercase()
                .contains("complet")
        || reading
            .slice(token.end, token.end + 30)
            .to_ascii_lowercase()
            .contains("i received")
        || reading
            .slice(token.end, token.end + 30)
            .to_ascii_lowercase()
            .contains("i was given")
        || near.contains("you were")
        || near.contains("you've been")
        || near.contains("you have been")
        || near.contains("given to you")
        || near.contains("ni de")
        || near.contains("nide")
}

/// Asks for the system prompt.
pub(super) fn prompt_at(reading: &Reading<'_>, i: usize) -> Option<Finding> {
    let token = reading.tokens.get(i)?;
    let mut score = 25_u32;
    let mut asked = false;
    let word = reading.word(token).to_ascii_lowercase();
    let own = your(reading, i) || word.contains("you");
    if word.starts_with("what") {
        score += 20;
        asked = true;
    }
    if own {
        score += 15;
    }
    let around = reading.around(i, 80, 60, Within::Sentence);
    if let Some(points) = request(reading, i, around)? {
        asked = true;
        score = score.max(25 + if own { 15 } else { 0 } + points);
    }
    let spelled = own
        && reading
            .around(i, 120, 60, Within::Passage)
            .has(&[Decode, Join]);
    let wide = reading.around(i, 100, 140, Within::Passage);
    if own && !asked && wide.has(&[Show, Leak, Make]) || !own && blank(reading, i) {
        asked = true;
        score += if own { 14 } else { 24 };
    }
    if !asked && !spelled && !around.has(&[Verbatim]) {
        return None;
    }
    if spelled {
        score += 22;
    }
    let passage = reading.around(i, 160, 160, Within::Passage);
    if passage.has(&[Verbatim]) {
        score += 15;
    }
    if !asked && !spelled {
        score += 10;
    }
    if around.has(&[Make]) && !own {
        return None;
    }
    // A variable's name.
    if reading.word(token).contains('_') {
        score = score.saturating_sub(15);
    }
    if passage.has(&[Make]) && !own {
        score = score.saturating_sub(20);
    }
    finding(Signal::Extraction, score, around)
}

/// Points for the verb with which the prompt at `i` is asked for, if there is one. `None` if it is denied.
#[expect(clippy::option_option, reason = "denied is not the same as not asked")]
fn request(reading: &Reading<'_>, i: usize, around: Around) -> Option<Option<u32>> {
    let token = reading.tokens.get(i)?;
    let mut best = None;
    for j in i.saturating_sub(6)..(i + 5).min(reading.tokens.len()) {
        let other = reading.tokens.get(j)?;
        let within = other.end >= around.from && other.start <= around.to;
        if !matches!(other.class, Show | Leak | Ask) || !within {
            continue;
        }
        if reading.negated(j) {
            return None;
        }
        let close = other.end <= token.start && token.start - other.end <= 24;
        let points = match other.class {
            Leak => 30,
            Show => 22 + if close { 15 } else { 0 },
            _ => 20,
        };
        best = best.max(Some(points));
    }
    Some(best)
}

/// Whether a sentence about "my system prompt" is to be filled in: the model's own is meant.
fn blank(reading: &Reading<'_>, i: usize) -> bool {
    let Some(token) = reading.tokens.get(i) else {
        return false;
    };
    let said = reading
        .slice(token.start.saturating_sub(90), token.end + 90)
        .to_ascii_lowercase();
    let mine = said.contains("my ") || said.contains("我的");
    mine && [
        "填空",
        "开头",
        "继续写",
        "start your",
        "begin your",
        "start with",
        "begin with",
        "填写",
        "补全",
        "补完",
        "fill in",
        "complete the",
        "____",
    ]
    .iter()
    .any(|w| said.contains(w))
}

/// Asks for what stood before.
pub(super) fn above_at(reading: &Reading<'_>, i: usize) -> Option<Finding> {
    let around = reading.around(i, 80, 60, Within::Sentence);
    let passage = reading.around(i, 120, 160, Within::Passage);
    let mut score = 22;
    if around.has(&[Leak]) {
        score += 25;
    } else if around.has(&[Show, Verbatim]) || passage.has(&[Show]) && passage.has(&[Verbatim]) {
        score += 15;
    } else if around.has(&[Ask]) {
        score += 6;
    } else {
        return None;
    }
    // It begins as prompts do.
    let token = reading.word(reading.tokens.get(i)?).to_ascii_lowercase();
    if token.contains("你是") || token.contains("you are") {
        score += 20;
    }
    if passage.has(&[Verbatim]) {
        score += 25;
    }
    let said = reading
        .slice(around.from, around.to + 12)
        .to_ascii_lowercase();
    if [
        "size", "length", "how long", "how many", "how big", "大小", "长度", "多长", "多大",
    ]
    .iter()
    .any(|w| said.contains(w))
    {
        return None;
    }
    if said.contains("your context") {
        score += 12;
    }
    if passage.has(&[Prompt]) {
        score += 15;
    }
    finding(Signal::Extraction, score, around)
}
