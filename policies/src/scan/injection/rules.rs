//! What words mean together: each rule looks around the words that anchor it and gives a signal its points.
//!
//! Reads tokens and, between them, the text; knows nothing of sources and thresholds. Invariant: each rule looks at a
//! bounded number of words within a bounded distance, so all of them together are linear.

use super::class::Class::{self, *};
use super::class::set;
use super::tokens::Token;

/// Words looked at on each side of an anchor.
const WORDS_AROUND: usize = 24;

/// A sign of an injection, by its name in reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Signal {
    Override,
    Extraction,
    Role,
    Unbound,
    Mode,
    Jailbreak,
    Refusal,
    Begin,
    Harm,
    Indirect,
    Exfiltration,
    Markup,
    Header,
    Encoded,
    ManyShot,
    Split,
    Hidden,
    NewOrders,
    Authority,
    Pressure,
    Twice,
    Obfuscated,
}

/// How many there are.
pub(super) const SIGNALS: usize = 22;

impl Signal {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Override => "override",
            Self::Extraction => "extraction",
            Self::Role => "role",
            Self::Unbound => "unbound",
            Self::Mode => "mode",
            Self::Jailbreak => "jailbreak",
            Self::Refusal => "refusal_suppression",
            Self::Begin => "forced_beginning",
            Self::Harm => "harm",
            Self::Indirect => "indirect",
            Self::Exfiltration => "exfiltration",
            Self::Markup => "markup",
            Self::Header => "fake_header",
            Self::Encoded => "encoded",
            Self::ManyShot => "many_shot",
            Self::Split => "split",
            Self::Hidden => "hidden",
            Self::NewOrders => "new_orders",
            Self::Authority => "authority",
            Self::Pressure => "pressure",
            Self::Twice => "two_answers",
            Self::Obfuscated => "obfuscated",
        }
    }

    /// Whether it only adds to others.
    pub(super) const fn supports(self) -> bool {
        matches!(
            self,
            Self::NewOrders
                | Self::Authority
                | Self::Pressure
                | Self::Twice
                | Self::Obfuscated
                | Self::Hidden
                | Self::Header
        )
    }
}

/// A signal at a place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Finding {
    pub(super) signal: Signal,
    pub(super) score: u32,
    pub(super) start: usize,
    pub(super) end: usize,
    /// Where the word stands on which it hangs.
    pub(super) anchor: usize,
    /// Whether the words are as often said of machines and papers.
    pub(super) soft: bool,
}

/// A text and its words.
#[derive(Debug)]
pub(super) struct Reading<'t> {
    pub(super) text: &'t str,
    pub(super) tokens: Vec<Token<Class>>,
    /// Which classes there are.
    pub(super) seen: u64,
}

/// Without one of these there is nothing to judge.
pub(super) const ANCHORS: u64 = set(&[
    Override, Bypass, Void, Prompt, Above, Role, Unbound, EvilMode, DevMode, Jail, NoRefusal,
    BeginWith, Authority, Pressure, Markup, Header, ToAi, Hide, Send, Image, Unseen, Decode, Join,
    Turn, Grandma, Fiction, Twice, NewOrder, Harm, Order,
]);

/// What stands around a word, in its sentence.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Around {
    pub(super) seen: u64,
    pub(super) from: usize,
    pub(super) to: usize,
    anchor: usize,
}

impl Around {
    pub(super) fn has(&self, classes: &[Class]) -> bool {
        self.seen & set(classes) != 0
    }
}

impl<'t> Reading<'t> {
    pub(super) fn slice(&self, from: usize, to: usize) -> &'t str {
        let mut from = from.min(self.text.len());
        let mut to = to.clamp(from, self.text.len());
        while !self.text.is_char_boundary(from) {
            from -= 1;
        }
        while !self.text.is_char_boundary(to) {
            to += 1;
        }
        self.text.get(from..to).unwrap_or("")
    }

    pub(super) fn word(&self, token: &Token<Class>) -> &'t str {
        self.text.get(token.start..token.end).unwrap_or("")
    }

    pub(super) fn has(&self, classes: &[Class]) -> bool {
        self.seen & set(classes) != 0
    }

    /// The words at most `back` bytes before and `ahead` bytes behind the token at `i`; within its sentence if `within`.
    pub(super) fn around(&self, i: usize, back: usize, ahead: usize, within: Within) -> Around {
        let mut around = Around::default();
        let Some(anchor) = self.tokens.get(i) else {
            return around;
        };
        (around.from, around.to) = (anchor.start, anchor.end);
        around.anchor = anchor.start;
        let mut edge = anchor.end;
        for token in self.tokens.iter().skip(i + 1).take(WORDS_AROUND) {
            if token.start > anchor.end + ahead
                || within == Within::Sentence && ends_sentence(self.slice(edge, token.start))
            {
                break;
            }
            around.seen |= token.class.bit();
            (around.to, edge) = (token.end, token.end);
        }
        let mut edge = anchor.start;
        for token in self
            .tokens
            .get(..i)
            .unwrap_or(&[])
            .iter()
            .rev()
            .take(WORDS_AROUND)
        {
            if token.end + back < anchor.start
                || within == Within::Sentence && ends_sentence(self.slice(token.end, edge))
            {
                break;
            }
            around.seen |= token.class.bit();
            (around.from, edge) = (token.start, token.start);
        }
        around
    }

    /// Whether the word at `i` is denied: 不要忽略, never reveal.
    pub(super) fn negated(&self, i: usize) -> bool {
        let Some(token) = self.tokens.get(i) else {
            return false;
        };
        let before = self.slice(token.start.saturating_sub(24), token.start);
        let before = before
            .rsplit(['。', '，', '.', ',', '\n', ';', '；', '！', '!'])
            .next()
            .unwrap_or("")
            .trim_end();
        let lower = before.to_ascii_lowercase();
        const LATIN: &[&str] = &[
            "not",
            "never",
            "don't",
            "don’t",
            "dont",
            "cannot",
            "can't",
            "not to",
            "without",
            "to not",
            "never ever",
            "avoid",
            "keep",
            "keeps",
            "kept",
        ];
        const HAN: &[&str] = &[
            "不要",
            "不得",
            "禁止",
            "请勿",
            "切勿",
            "不能",
            "不可",
            "不会",
            "不可以",
            "严禁",
            "不应",
            "避免",
            "防止",
            "不准",
            "别",
            "不许",
            "勿",
            "拒绝",
            "不该",
            "不应该",
            "不允许",
            "会不会",
            "不小心",
            "老是",
            "总是",
            "经常",
        ];
        LATIN.iter().any(|n| {
            lower.strip_suffix(n).is_some_and(|rest| {
                rest.bytes()
                    .next_back()
                    .is_none_or(|b| !b.is_ascii_alphanumeric())
            })
        }) || HAN.iter().any(|n| before.ends_with(n))
    }
}

/// How far words belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Within {
    Sentence,
    Passage,
}

fn ends_sentence(between: &str) -> bool {
    let mut last = ' ';
    for c in between.chars() {
        match c {
            '。' | '！' | '？' | '；' => return true,
            '\n' if last == '\n' => return true,
            ' ' | '\n' if matches!(last, '.' | '!' | '?' | ';') => return true,
            _ => last = c,
        }
    }
    false
}

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
        Order | Rule => [set(&[Show, Leak, Ask]), set(&[System, Verbatim])],
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

pub(super) fn finding(signal: Signal, score: u32, around: Around) -> Option<Finding> {
    Some(Finding {
        signal,
        score,
        start: around.from,
        end: around.to,
        anchor: around.anchor,
        soft: false,
    })
}

/// Override verb, scope and target in a sentence.
fn override_at(reading: &Reading<'_>, i: usize) -> Option<Finding> {
    let token = reading.tokens.get(i)?;
    let verb = match token.class {
        Override => 22,
        Void => 20,
        _ => 15,
    };
    let mut back = 0;
    if token.class == Void {
        back = 60;
    } else if !reading.word(token).is_ascii() {
        let before = reading.slice(token.start.saturating_sub(60), token.start);
        if before.contains(['把', '将', '對', '对', '將']) {
            back = 60;
        }
    }
    let mut around = reading.around(i, back, 80, Within::Sentence);
    let next = reading.slice(token.end, token.end + 9).to_ascii_lowercase();
    const THEY: &[&str] = &[" them", " those", "它们", "他们", "这些", "那些", "掉它"];
    if token.class != Void && THEY.iter().any(|w| next.starts_with(w)) {
        around = reading.around(i, 130, 40, Within::Passage);
    }
    let prompt_is_yours = around.has(&[Prompt]) && {
        let said = reading.slice(around.from, around.to).to_ascii_lowercase();
        said.contains("your")
            || said.contains('你')
            || said.contains("initial")
            || said.contains("original")
    };
    let target = if around.has(&[Safety]) {
        32
    } else if around.has(&[Order, Prompt]) {
        30
    } else if around.has(&[UserAsk]) {
        28
    } else if around.has(&[Rule]) {
        15
    } else if around.has(&[Talk, Above]) {
        if around.has(&[Your]) { 13 } else { 8 }
    } else {
        return None;
    };
    let mut scope = 0_u32;
    if around.has(&[Previous, Above]) {
        scope += 20;
    }
    if around.has(&[Your]) || prompt_is_yours {
        scope += 25;
    }
    let said = reading.slice(around.from, around.to).to_ascii_lowercase();
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
    if around.has(&[All, AnyRequest]) {
        scope += 10;
    }
    if scope == 0 {
        scope = if around.has(&[Safety, UserAsk]) {
            12
        } else {
            return None;
        };
    }
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
        " in the readme",
        " in my ",
        " in the man",
        " in the doc",
        "里的",
        "中的",
    ];
    ABOUT.iter().any(|w| after.starts_with(w))
        || reading.slice(around.from, around.to).contains("关于")
}

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
fn prompt_at(reading: &Reading<'_>, i: usize) -> Option<Finding> {
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
    let first = i.saturating_sub(6);
    for j in first..(i + 5).min(reading.tokens.len()) {
        let Some(other) = reading.tokens.get(j) else {
            break;
        };
        if !matches!(other.class, Show | Leak | Ask)
            || other.end < around.from
            || other.start > around.to
        {
            continue;
        }
        if reading.negated(j) {
            return None;
        }
        asked = true;
        let close = other.end <= token.start && token.start - other.end <= 24;
        let points = match other.class {
            Leak => 30,
            Show => 22 + if close { 15 } else { 0 },
            _ => 20,
        };
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
fn above_at(reading: &Reading<'_>, i: usize) -> Option<Finding> {
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
