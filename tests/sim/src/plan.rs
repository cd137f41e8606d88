//! What a simulated model decides to say, before any vendor puts it on the wire.
//!
//! The reply echoes the last user text, so that a person or a test sees what arrived. It is deterministic: same request,
//! same plan. It must never know a dialect: surfaces read requests into [`Ask`] and write a [`Plan`].
//!
//! Counts: a token is two characters, rounded up. Prompt = all message texts together (at least 1); completion =
//! reasoning + text + tool arguments, over all choices; nothing is ever cached.

use crate::faults::{Faults, UsageFault};
use crate::surfaces::Frame;

/// Characters of the last user text that are echoed; a longer one is cut and its length is told.
pub(crate) const ECHO_CHARS_MAX: usize = 4096;
/// Characters per event, in turn: uneven, so that words and numbers are cut at changing places.
const PIECE_CHARS: [usize; 4] = [1, 3, 2, 4];

/// A request as a surface understood it, after its checks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ask {
    /// The name exactly as it was asked for, faults included; vendors echo it.
    pub(crate) model: String,
    /// The name without faults.
    pub(crate) base: String,
    pub(crate) faults: Faults,
    pub(crate) stream: bool,
    pub(crate) usage: UsageWish,
    pub(crate) turns: Vec<Turn>,
    pub(crate) tools: Vec<String>,
    pub(crate) call: CallWish,
    /// May more than one call be made in one reply?
    pub(crate) parallel: bool,
    /// Is a call that is alone written without a list around it?
    pub(crate) single_call: bool,
    /// Are the ids of calls nine letters and digits?
    pub(crate) short_ids: bool,
    /// Do tool arguments arrive in fragments?
    pub(crate) tool_pieces: bool,
    pub(crate) choices: usize,
    /// Number of alternatives per token, if log probabilities were asked for.
    pub(crate) logprobs: Option<usize>,
    pub(crate) tokens_max: Option<usize>,
    pub(crate) stop: Vec<String>,
    pub(crate) think: bool,
    /// DashScope native only: events carry increments (else: everything so far).
    pub(crate) incremental: bool,
    /// DashScope native only: `result_format: message`.
    pub(crate) message_format: bool,
    /// The reply to a call that is no chat.
    pub(crate) ready: Option<Ready>,
}

/// A reply that needs no plan.
#[derive(Debug, Clone)]
pub(crate) enum Ready {
    /// In one piece, of this kind.
    Whole(&'static str, Vec<u8>),
    /// As events.
    Events(Vec<Frame>),
}

impl Ready {
    pub(crate) fn json(body: String) -> Self {
        Self::Whole("application/json", body.into_bytes())
    }

    pub(crate) fn bytes(kind: &'static str, body: Vec<u8>) -> Self {
        Self::Whole(kind, body)
    }

    pub(crate) fn events(frames: Vec<Frame>) -> Self {
        Self::Events(frames)
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum UsageWish {
    #[default]
    No,
    End,
    Each,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum CallWish {
    #[default]
    Auto,
    Never,
    /// Call something, or this very function.
    Always(Option<String>),
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Turn {
    pub(crate) role: String,
    pub(crate) text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finish {
    Stop,
    Length,
    Calls,
}

/// One tool call; `pieces` together are its arguments.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) pieces: Vec<String>,
}

impl Call {
    pub(crate) fn arguments(&self) -> String {
        self.pieces.concat()
    }
}

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    pub(crate) prompt: i64,
    pub(crate) completion: i64,
    pub(crate) reasoning: i64,
}

impl Usage {
    pub(crate) fn total(&self) -> i64 {
        self.prompt + self.completion
    }
}

/// The whole reply, cut into events.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) reasoning: Vec<String>,
    pub(crate) text: Vec<String>,
    pub(crate) calls: Vec<Call>,
    pub(crate) finish: Finish,
    pub(crate) prompt_tokens: i64,
    choices: i64,
    negative: bool,
}

impl Plan {
    /// `label` names the vendor in the echoed text; `serial` makes ids differ between requests.
    pub(crate) fn make(label: &str, ask: &Ask, serial: u64) -> Self {
        let last = ask.turns.last().cloned().unwrap_or_default();
        let calls = calls(ask, &last, serial);
        let lower = last.text.to_lowercase();
        let think = ask.think || lower.contains("reasoning") || ask.base.contains("think");
        let reasoning = if think {
            format!("先想想:用户说了{}个字。", last.text.chars().count())
        } else {
            String::new()
        };
        let (text, finish) = if calls.is_empty() {
            limited(said(label, ask, &last), ask, chars(&reasoning))
        } else {
            (String::new(), Finish::Calls)
        };
        let prompt_chars: usize = ask.turns.iter().map(|turn| chars(&turn.text)).sum();
        Self {
            reasoning: pieces(&reasoning, ask.faults.piece),
            text: text_pieces(&text, &ask.faults),
            calls,
            finish,
            prompt_tokens: tokens(prompt_chars).max(1),
            choices: i64::try_from(ask.choices.max(1)).unwrap_or(1),
            negative: ask.faults.usage == Some(UsageFault::Negative),
        }
    }

    /// Final counts, all choices together.
    pub(crate) fn usage(&self) -> Usage {
        let reasoning: usize = self.reasoning.iter().map(|piece| chars(piece)).sum();
        let text: usize = self.text.iter().map(|piece| chars(piece)).sum();
        let arguments: usize = self.calls.iter().map(|call| chars(&call.arguments())).sum();
        self.usage_after(reasoning, text + arguments)
    }

    /// Counts once this many characters of reasoning and of everything else were said, per choice.
    pub(crate) fn usage_after(&self, reasoning: usize, rest: usize) -> Usage {
        let sign = if self.negative { -1 } else { 1 };
        Usage {
            prompt: sign * self.prompt_tokens,
            completion: sign * self.choices * tokens(reasoning + rest),
            reasoning: sign * self.choices * tokens(reasoning),
        }
    }

    pub(crate) fn text_whole(&self) -> String {
        self.text.concat()
    }

    pub(crate) fn reasoning_whole(&self) -> Option<String> {
        (!self.reasoning.is_empty()).then(|| self.reasoning.concat())
    }
}

pub(crate) fn chars(text: &str) -> usize {
    text.chars().count()
}

fn tokens(chars: usize) -> i64 {
    i64::try_from(chars.div_ceil(2)).unwrap_or(i64::MAX)
}

fn said(label: &str, ask: &Ask, last: &Turn) -> String {
    if let Some(text) = &ask.faults.text {
        return text.clone();
    }
    let verb = match last.role.as_str() {
        "tool" | "function" => "工具返回",
        _ => "你说",
    };
    let total = chars(&last.text);
    let mut echo: String = last.text.chars().take(ECHO_CHARS_MAX).collect();
    if total > ECHO_CHARS_MAX {
        echo.push_str(&format!("…(共{total}字)"));
    }
    format!("[模拟 {label} simulated] {verb}:{echo}")
}

/// Applies stop strings and the cap on tokens.
fn limited(mut text: String, ask: &Ask, reasoning_chars: usize) -> (String, Finish) {
    let first_stop = ask
        .stop
        .iter()
        .filter(|stop| !stop.is_empty())
        .filter_map(|stop| text.find(stop.as_str()))
        .min();
    if let Some(at) = first_stop {
        text.truncate(at);
    }
    let Some(tokens_max) = ask.tokens_max else {
        return (text, Finish::Stop);
    };
    let room = tokens_max.saturating_mul(2).saturating_sub(reasoning_chars);
    if chars(&text) > room {
        return (text.chars().take(room).collect(), Finish::Length);
    }
    (text, Finish::Stop)
}

fn text_pieces(text: &str, faults: &Faults) -> Vec<String> {
    if let Some(events) = faults.events {
        return (0..events).map(|n| format!("{n} ")).collect();
    }
    if let Some(bytes) = faults.big_event {
        return vec!["x".repeat(bytes)];
    }
    pieces(text, faults.piece)
}

fn pieces(text: &str, size: Option<usize>) -> Vec<String> {
    let mut out = Vec::new();
    let mut rest = text.chars();
    let mut sizes = PIECE_CHARS.iter().copied().cycle();
    loop {
        let take = size.or_else(|| sizes.next()).unwrap_or(1);
        let piece: String = rest.by_ref().take(take).collect();
        if piece.is_empty() {
            return out;
        }
        out.push(piece);
    }
}

/// A call is made when tools were offered and the user speaks of the weather, or when the request demands one.
fn calls(ask: &Ask, last: &Turn, serial: u64) -> Vec<Call> {
    let lower = last.text.to_lowercase();
    let asked = lower.contains("weather") || lower.contains("天气");
    let forced = match &ask.call {
        CallWish::Never => return Vec::new(),
        CallWish::Always(name) => Some(name.clone()),
        CallWish::Auto => None,
    };
    let is_answer = matches!(last.role.as_str(), "tool" | "function");
    if ask.tools.is_empty() || is_answer || !(asked || forced.is_some()) {
        return Vec::new();
    }
    let preferred = ask.tools.iter().find(|tool| *tool == "get_weather");
    let name = forced
        .flatten()
        .or_else(|| preferred.or_else(|| ask.tools.first()).cloned())
        .unwrap_or_default();
    let two = ask.parallel && (lower.contains("two") || lower.contains('两'));
    let cities: &[&str] = if two {
        &["北京", "上海"]
    } else {
        &["北京"]
    };
    cities
        .iter()
        .enumerate()
        .map(|(at, city)| Call {
            id: match ask.short_ids {
                true => format!("s{serial:07x}{at}"),
                false => format!("call_sim{serial:x}{at}"),
            },
            name: name.clone(),
            pieces: vec![
                "{\"city\":".to_owned(),
                format!("\"{city}"),
                "\"}".to_owned(),
            ],
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(text: &str) -> Ask {
        let turn = Turn {
            role: "user".into(),
            text: text.into(),
        };
        Ask {
            base: "m".into(),
            turns: vec![turn],
            choices: 1,
            ..Ask::default()
        }
    }

    #[test]
    fn echoes_in_pieces_at_character_borders() {
        let plan = Plan::make("通义", &ask("你好😀"), 1);
        assert_eq!(plan.text_whole(), "[模拟 通义 simulated] 你说:你好😀");
        assert!(plan.text.len() > 5);
        assert_eq!(plan.usage().prompt, 2);
    }

    #[test]
    fn cap_and_stop_shorten() {
        let mut capped = ask("abc");
        capped.tokens_max = Some(2);
        let plan = Plan::make("x", &capped, 1);
        assert_eq!(
            (plan.text_whole().as_str(), plan.finish),
            ("[模拟 ", Finish::Length)
        );
        assert_eq!(plan.usage().completion, 2);
        capped.tokens_max = None;
        capped.stop = vec!["simulated".into()];
        assert_eq!(Plan::make("x", &capped, 1).text_whole(), "[模拟 x ");
    }

    #[test]
    fn calls_two_tools_when_allowed() {
        let mut two = ask("weather of two cities");
        two.tools = vec!["other".into(), "get_weather".into()];
        assert_eq!(Plan::make("x", &two, 1).calls.len(), 1);
        two.parallel = true;
        let plan = Plan::make("x", &two, 1);
        assert_eq!(plan.calls.len(), 2);
        assert_eq!(plan.calls[1].arguments(), "{\"city\":\"上海\"}");
        assert_eq!(plan.finish, Finish::Calls);
    }
}
