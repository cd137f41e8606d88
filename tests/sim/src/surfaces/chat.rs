//! Writes replies of OpenAI's shape for all vendors that have one; a [`Profile`] holds in what they differ.
//!
//! Invariants: every choice opens with its role and ends with one finish; usage stands where the profile says; the same
//! id, time and model in all chunks. It must never check a request: profiles bring their own checks.

pub(crate) use super::profile::{Choice, Envelope, FinishAt, PARTS, Profile, RoleAt, UsageAt};
use super::{Arrived, Code, Frame, Kind, Stamp, Trouble, Usual, Voice, read};
use crate::faults::UsageFault;
use crate::json::{self, Obj, quoted};
use crate::plan::{Ask, Call, Finish, Plan, UsageWish, chars};
use serde_json::Value;

impl Voice for Profile {
    fn name(&self) -> &'static str {
        self.name
    }
    fn label(&self) -> &'static str {
        self.label
    }
    fn codes(&self) -> &'static [Code] {
        self.codes
    }
    fn usual(&self) -> Usual {
        self.usual
    }
    fn admit(&self, arrived: &Arrived<'_>) -> Result<(), Trouble> {
        (self.admit)(self, arrived)
    }
    fn read(&self, _arrived: &Arrived<'_>, body: &Value) -> Result<Ask, Trouble> {
        let mut ask = read::ask(body).map_err(|message| {
            let wanted = self.codes.first().map_or("", |row| row.code);
            self.refuse(wanted, message)
        })?;
        (self.check)(self, body, &mut ask)?;
        Ok(ask)
    }
    fn whole(&self, ask: &Ask, plan: &Plan, stamp: &Stamp) -> String {
        whole(self, ask, plan, stamp)
    }
    fn frames(&self, ask: &Ask, plan: &Plan, stamp: &Stamp) -> Vec<Frame> {
        frames(self, ask, plan, stamp)
    }
    fn error_body(&self, trouble: &Trouble, serial: u64) -> String {
        (self.error_body)(trouble, serial)
    }
    fn error_frames(&self, trouble: &Trouble, stamp: &Stamp) -> Vec<Frame> {
        let body = match self.error_event {
            Some(written) => written(trouble),
            None => self.error_body(trouble, stamp.serial),
        };
        let mut frames = vec![self.data(Kind::Error, &body)];
        if self.error_then_done {
            frames.push(self.data(Kind::Done, "[DONE]"));
        }
        frames
    }
    fn is_chat(&self, arrived: &Arrived<'_>) -> bool {
        let Some((before, after)) = self.path.split_once('*') else {
            return arrived.rest == self.path;
        };
        let inside = arrived.rest.strip_prefix(before);
        let segment = inside.and_then(|rest| rest.strip_suffix(after));
        segment.is_some_and(|segment| !segment.is_empty() && !segment.contains('/'))
    }
    fn status_on_wire(&self, trouble: &Trouble) -> u16 {
        let front = trouble.status == 401;
        if self.on_200 && !front {
            200
        } else {
            trouble.status
        }
    }
    fn event_stream_type(&self) -> &'static str {
        self.event_stream_type
    }
    fn headers(&self, serial: u64) -> Vec<(&'static str, String)> {
        (self.headers)(serial)
    }
    fn whole_opening(&self) -> &'static str {
        self.whole_opening
    }
    fn models(&self, _serial: u64) -> Option<String> {
        let row = |id: &&str| {
            Obj::new()
                .str("id", id)
                .str("object", "model")
                .int("created", 1_767_225_600)
                .str("owned_by", "simulated")
                .end()
        };
        let rows: Vec<String> = self.models?.iter().map(row).collect();
        Some(
            Obj::new()
                .str("object", "list")
                .raw("data", &json::array(&rows))
                .end(),
        )
    }
}

impl Profile {
    fn data(&self, kind: Kind, json: &str) -> Frame {
        Frame::new(kind, format!("{}{json}\n\n", self.prefix))
    }
}

/// The finish reason on the wire.
fn finish_word(ask: &Ask, plan: &Plan) -> String {
    if let Some(odd) = &ask.faults.odd_finish {
        return odd.clone();
    }
    let word = match plan.finish {
        _ if ask.faults.recall => "content_filter",
        Finish::Stop => "stop",
        Finish::Length => "length",
        Finish::Calls => "tool_calls",
    };
    word.to_owned()
}

fn whole(profile: &Profile, ask: &Ask, plan: &Plan, stamp: &Stamp) -> String {
    let finish = finish_word(ask, plan);
    let choices: Vec<String> = (0..ask.choices.max(1))
        .map(|index| {
            (profile.choice)(&Choice {
                index,
                slot: "message",
                said: &message(profile, ask, plan),
                logprobs: &logprobs(ask, &plan.text),
                finish: Some(&finish),
                usage: None,
                recalled: ask.faults.recall,
            })
        })
        .collect();
    let counted = (profile.usage_body)(&plan.usage());
    let hidden = ask.faults.usage == Some(UsageFault::None);
    (profile.envelope)(&Envelope {
        stamp,
        streams: false,
        choices: &json::array(&choices),
        usage: (!hidden).then_some(counted.as_str()),
        last: true,
        recalled: ask.faults.recall,
    })
}

fn message(profile: &Profile, ask: &Ask, plan: &Plan) -> String {
    let text = quoted(&plan.text_whole());
    let parts = profile.reasoning == PARTS;
    let thought = plan.reasoning_whole();
    let both = thought.as_ref().filter(|_| parts).map(|thought| {
        let text = Obj::new().str("type", "text").raw("text", &text).end();
        json::array(&[thinking(thought), text])
    });
    let content = match &both {
        Some(both) => both.as_str(),
        None if plan.calls.is_empty() => text.as_str(),
        None => "null",
    };
    let reasoning = thought.filter(|_| !parts).map(|text| quoted(&text));
    let calls: Vec<String> = plan
        .calls
        .iter()
        .map(|call| whole_call(call, None))
        .collect();
    let calls = match calls.as_slice() {
        [] => None,
        [one] if ask.single_call => Some(one.clone()),
        calls => Some(json::array(calls)),
    };
    Obj::new()
        .str("role", "assistant")
        .raw("content", content)
        .maybe(profile.reasoning, reasoning.as_deref())
        .maybe("tool_calls", calls.as_deref())
        .end()
}

/// Reasoning as a part of the content.
fn thinking(text: &str) -> String {
    let inner = Obj::new().str("type", "text").str("text", text).end();
    Obj::new()
        .str("type", "thinking")
        .raw("thinking", &json::array(&[inner]))
        .end()
}

fn whole_call(call: &Call, index: Option<usize>) -> String {
    let index = index.map(|index| index.to_string());
    let function = Obj::new()
        .str("name", &call.name)
        .str("arguments", &call.arguments());
    Obj::new()
        .maybe("index", index.as_deref())
        .str("id", &call.id)
        .str("type", "function")
        .raw("function", &function.end())
        .end()
}

/// One thing a choice says in one chunk.
enum Say<'a> {
    Reasoning(&'a str),
    Text(&'a str),
    /// A `tool_calls` array.
    Calls(String, usize),
    /// Nothing: role or finish.
    Empty,
}

fn frames(profile: &Profile, ask: &Ask, plan: &Plan, stamp: &Stamp) -> Vec<Frame> {
    let mut out = Vec::new();
    if !profile.opening.is_empty() {
        let comment = profile.opening.starts_with(':');
        let kind = if comment {
            Kind::Comment
        } else {
            Kind::Content
        };
        out.push(Frame::new(kind, profile.opening.to_owned()));
    }
    let finish = finish_word(ask, plan);
    let mut writer = Writer {
        profile,
        ask,
        plan,
        stamp,
        reasoning: 0,
        rest: 0,
        finish: &finish,
    };
    let says = says(profile, ask, plan);
    let last = says.len().saturating_sub(1);
    for (at, say) in says.iter().enumerate() {
        writer.count(say);
        for index in 0..ask.choices.max(1) {
            out.push(writer.chunk(index, say, at == 0, at == last));
        }
    }
    if profile.finish == FinishAt::Summary {
        out.push(profile.data(Kind::Finish, &whole(profile, ask, plan, stamp)));
    }
    if let Some(frame) = writer.usage_chunk() {
        out.push(frame);
    }
    if profile.done {
        out.push(profile.data(Kind::Done, "[DONE]"));
    }
    out
}

/// What each choice says, chunk by chunk.
fn says<'a>(profile: &Profile, ask: &Ask, plan: &'a Plan) -> Vec<Say<'a>> {
    let mut says = Vec::new();
    let calls_first = plan.reasoning.is_empty() && !plan.calls.is_empty();
    if profile.role == RoleAt::OwnChunk && !calls_first {
        says.push(Say::Empty);
    }
    says.extend(plan.reasoning.iter().map(|piece| Say::Reasoning(piece)));
    says.extend(plan.text.iter().map(|piece| Say::Text(piece)));
    if !plan.calls.is_empty() {
        says.extend(call_says(ask, plan));
    }
    let own = matches!(profile.finish, FinishAt::Bare | FinishAt::EmptyContent);
    if own || says.is_empty() {
        says.push(Say::Empty);
    }
    says
}

fn call_says<'a>(ask: &Ask, plan: &'a Plan) -> Vec<Say<'a>> {
    let length = |call: &Call| chars(&call.arguments());
    if !ask.tool_pieces {
        let calls = plan.calls.iter().enumerate();
        let all: Vec<String> = calls.map(|(at, call)| whole_call(call, Some(at))).collect();
        let chars = plan.calls.iter().map(length).sum();
        let list = match all.as_slice() {
            [one] if ask.single_call => one.clone(),
            all => json::array(all),
        };
        return vec![Say::Calls(list, chars)];
    }
    let mut says = Vec::new();
    for (at, call) in plan.calls.iter().enumerate() {
        let index = at.to_string();
        let function = Obj::new().str("name", &call.name).str("arguments", "");
        let opening = Obj::new()
            .raw("index", &index)
            .str("id", &call.id)
            .str("type", "function")
            .raw("function", &function.end());
        says.push(Say::Calls(json::array(&[opening.end()]), 0));
        for piece in &call.pieces {
            let function = Obj::new().str("arguments", piece).end();
            let next = Obj::new().raw("index", &index).raw("function", &function);
            says.push(Say::Calls(json::array(&[next.end()]), chars(piece)));
        }
    }
    says
}

struct Writer<'a> {
    profile: &'a Profile,
    ask: &'a Ask,
    plan: &'a Plan,
    stamp: &'a Stamp,
    /// Characters said so far.
    reasoning: usize,
    rest: usize,
    finish: &'a str,
}

impl Writer<'_> {
    fn count(&mut self, say: &Say<'_>) {
        match say {
            Say::Reasoning(piece) => self.reasoning += chars(piece),
            Say::Text(piece) => self.rest += chars(piece),
            Say::Calls(_, chars) => self.rest += chars,
            Say::Empty => {}
        }
    }

    fn chunk(&self, index: usize, say: &Say<'_>, first: bool, last: bool) -> Frame {
        let final_choice = index + 1 == self.ask.choices.max(1);
        let delta = self.delta(say, first, last);
        let tokens: Vec<String> = match say {
            Say::Text(piece) => vec![(*piece).to_owned()],
            _ => Vec::new(),
        };
        let usage = self.usage(last && final_choice);
        let inside = self.profile.usage == UsageAt::FinishChoice && self.ask.faults.usage.is_none();
        let last = last && self.profile.finish != FinishAt::Summary;
        let choice = (self.profile.choice)(&Choice {
            index,
            slot: "delta",
            said: &delta,
            logprobs: &logprobs(self.ask, &tokens),
            finish: last.then_some(self.finish),
            usage: usage.as_deref().filter(|_| inside),
            recalled: last && self.ask.faults.recall,
        });
        let usage = usage.filter(|_| !inside);
        let json = (self.profile.envelope)(&Envelope {
            stamp: self.stamp,
            streams: true,
            choices: &json::array(&[choice]),
            usage: usage.as_deref(),
            last: last && final_choice,
            recalled: last && self.ask.faults.recall,
        });
        let kind = if last { Kind::Finish } else { Kind::Content };
        self.profile.data(kind, &json)
    }

    fn delta(&self, say: &Say<'_>, first: bool, last: bool) -> String {
        let profile = self.profile;
        let role = first || profile.role == RoleAt::Every;
        let role = role.then_some("\"assistant\"");
        let delta = Obj::new().maybe("role", role);
        let twin = profile.twin_null.then_some("null");
        let saying = match say {
            Say::Reasoning(piece) if profile.reasoning == PARTS => {
                delta.raw("content", &json::array(&[thinking(piece)]))
            }
            Say::Reasoning(piece) => delta.maybe("content", twin).str(profile.reasoning, piece),
            Say::Text(piece) => delta.str("content", piece).maybe(profile.reasoning, twin),
            Say::Calls(calls, _) if first => delta.null("content").raw("tool_calls", calls),
            Say::Calls(calls, _) => delta.raw("tool_calls", calls),
            Say::Empty if last && profile.finish == FinishAt::Bare => delta,
            Say::Empty => delta.str("content", "").maybe(profile.reasoning, twin),
        };
        saying.end()
    }

    /// The `usage` of an ordinary chunk.
    fn usage(&self, end: bool) -> Option<String> {
        let so_far =
            || (self.profile.usage_body)(&self.plan.usage_after(self.reasoning, self.rest));
        let asked = self.ask.usage != UsageWish::No;
        match (self.ask.faults.usage, self.profile.usage) {
            (Some(UsageFault::None), _) => None,
            (Some(UsageFault::Each), _) => Some(so_far()),
            _ if self.ask.usage == UsageWish::Each => Some(so_far()),
            (_, UsageAt::FinishChunkAlways | UsageAt::FinishChoice) => end.then(so_far),
            (_, UsageAt::FinishChunk) if asked && end => Some(so_far()),
            (_, UsageAt::FinishChunk | UsageAt::OwnChunk { null_before: true }) => {
                asked.then(|| "null".to_owned())
            }
            (_, UsageAt::OwnChunk { null_before: false } | UsageAt::OwnChunkAlways) => None,
        }
    }

    fn usage_chunk(&self) -> Option<Frame> {
        let asked = self.ask.usage != UsageWish::No;
        let own = match self.profile.usage {
            UsageAt::OwnChunk { .. } | UsageAt::FinishChoice => asked,
            UsageAt::OwnChunkAlways => true,
            UsageAt::FinishChunk | UsageAt::FinishChunkAlways => false,
        };
        if !own || self.ask.faults.usage == Some(UsageFault::None) {
            return None;
        }
        let counted = (self.profile.usage_body)(&self.plan.usage());
        let json = (self.profile.envelope)(&Envelope {
            stamp: self.stamp,
            streams: true,
            choices: "[]",
            usage: Some(&counted),
            last: true,
            recalled: false,
        });
        Some(self.profile.data(Kind::Usage, &json))
    }
}

/// `null`, or one entry per piece: probability 0.9, with as many alternatives as were asked for.
fn logprobs(ask: &Ask, pieces: &[String]) -> String {
    let Some(alternatives) = ask.logprobs.filter(|_| !pieces.is_empty()) else {
        return "null".to_owned();
    };
    let entry = |text: &str, probability: &str| {
        let bytes: Vec<String> = text.bytes().map(|byte| byte.to_string()).collect();
        Obj::new()
            .str("token", text)
            .raw("logprob", probability)
            .raw("bytes", &json::array(&bytes))
    };
    let tokens: Vec<String> = pieces
        .iter()
        .map(|piece| {
            let others: Vec<String> = (0..alternatives)
                .map(|at| match at {
                    0 => entry(piece, "-0.10536").end(),
                    _ => entry(&format!("alt{at}"), "-3.5").end(),
                })
                .collect();
            entry(piece, "-0.10536")
                .raw("top_logprobs", &json::array(&others))
                .end()
        })
        .collect();
    Obj::new()
        .raw("content", &json::array(&tokens))
        .null("refusal")
        .end()
}

/// The four-key error object that most vendors of this shape copied.
pub(crate) fn error_object(trouble: &Trouble) -> String {
    let param = trouble.param.as_deref().map(quoted);
    let code = if trouble.code.is_empty() {
        "null".to_owned()
    } else {
        quoted(&trouble.code)
    };
    Obj::new()
        .str("message", &trouble.message)
        .str("type", &trouble.kind)
        .raw("param", param.as_deref().unwrap_or("null"))
        .raw("code", &code)
        .end()
}
