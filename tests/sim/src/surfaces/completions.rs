//! The legacy completions of runtimes: a prompt that goes on, several at a time, with what was asked repeated before it.
//!
//! Written from the documents. Several prompts are choices numbered prompt by prompt; each says the same here, so that a
//! reader can tell them by their number alone.

use super::{
    Arrived, Code, Frame, Kind, Stamp, Trouble, Usual, Voice, openai, read, runtimes, runtimes_more,
};
use crate::faults::{self, UsageFault};
use crate::json::{self, Obj, at, quoted};
use crate::plan::{Ask, Finish, Plan, Turn, UsageWish};
use serde_json::Value;

/// A runtime's own errors and credentials, around this endpoint.
pub(crate) struct Completions(&'static super::chat::Profile);

pub(crate) static VLLM: Completions = Completions(&runtimes::VLLM);
pub(crate) static SGLANG: Completions = Completions(&runtimes_more::SGLANG);
pub(crate) static LLAMACPP: Completions = Completions(&runtimes::LLAMACPP);
pub(crate) static OLLAMA: Completions = Completions(&runtimes::OLLAMA);

const PATH: &str = "/completions";

impl Voice for Completions {
    fn name(&self) -> &'static str {
        self.0.name
    }
    fn label(&self) -> &'static str {
        self.0.label
    }
    fn codes(&self) -> &'static [Code] {
        self.0.codes
    }
    fn usual(&self) -> Usual {
        self.0.usual
    }
    fn owns(&self, rest: &str) -> bool {
        rest == PATH
    }
    fn is_chat(&self, arrived: &Arrived<'_>) -> bool {
        arrived.rest == PATH
    }
    fn is_model_list(&self, _: &Arrived<'_>) -> bool {
        false
    }
    fn admit(&self, arrived: &Arrived<'_>) -> Result<(), Trouble> {
        Voice::admit(self.0, arrived)
    }
    fn read(&self, _: &Arrived<'_>, body: &Value) -> Result<Ask, Trouble> {
        ask(body).map_err(|message| {
            let wanted = self.0.codes.first().map_or("", |row| row.code);
            self.refuse(wanted, message)
        })
    }

    fn whole(&self, ask: &Ask, plan: &Plan, stamp: &Stamp) -> String {
        let text = repeated(ask) + &plan.text_whole();
        let all = probabilities(ask, std::slice::from_ref(&text));
        let rows: Vec<String> = (0..ask.choices)
            .map(|index| choice(index, &text, &all, Some(finish(ask, plan))))
            .collect();
        let usage = openai::counts(&plan.usage()).end();
        let hidden = ask.faults.usage == Some(UsageFault::None);
        head(stamp)
            .raw("choices", &json::array(&rows))
            .maybe("usage", (!hidden).then_some(usage.as_str()))
            .end()
    }

    fn frames(&self, ask: &Ask, plan: &Plan, stamp: &Stamp) -> Vec<Frame> {
        let mut frames = Vec::new();
        let counted = ask.usage != UsageWish::No;
        let mut say = |kind, rows: &[String], usage: Option<&str>| {
            let data = head(stamp)
                .raw("choices", &json::array(rows))
                .maybe("usage", usage);
            frames.push(Frame::data(kind, &data.end()));
        };
        let null = counted.then_some("null");
        let mut pieces = vec![repeated(ask)];
        pieces.retain(|piece| !piece.is_empty());
        pieces.extend(plan.text.iter().cloned());
        for piece in &pieces {
            for index in 0..ask.choices {
                let logprobs = probabilities(ask, std::slice::from_ref(piece));
                say(
                    Kind::Content,
                    &[choice(index, piece, &logprobs, None)],
                    null,
                );
            }
        }
        for index in 0..ask.choices {
            say(
                Kind::Finish,
                &[choice(index, "", "null", Some(finish(ask, plan)))],
                null,
            );
        }
        if counted && ask.faults.usage != Some(UsageFault::None) {
            let usage = openai::counts(&plan.usage()).end();
            say(Kind::Usage, &[], Some(&usage));
        }
        frames.push(Frame::data(Kind::Done, "[DONE]"));
        frames
    }

    fn error_body(&self, trouble: &Trouble, serial: u64) -> String {
        Voice::error_body(self.0, trouble, serial)
    }
    fn error_frames(&self, trouble: &Trouble, stamp: &Stamp) -> Vec<Frame> {
        Voice::error_frames(self.0, trouble, stamp)
    }
}

fn ask(body: &Value) -> Result<Ask, String> {
    let model = at(body, &["model"]).as_str().unwrap_or_default();
    if model.is_empty() {
        return Err("you must provide a model parameter".into());
    }
    for unknown in [
        "messages",
        "tools",
        "response_format",
        "max_completion_tokens",
    ] {
        if body.get(unknown).is_some() {
            return Err(format!("{unknown} is not supported"));
        }
    }
    let (base, faults) = faults::read(model)?;
    let prompts: Vec<String> = match at(body, &["prompt"]) {
        Value::String(one) => vec![one.clone()],
        Value::Array(many) => many
            .iter()
            .filter_map(|one| one.as_str().map(str::to_owned))
            .collect(),
        _ => Vec::new(),
    };
    if prompts.is_empty() {
        return Err("prompt is required".into());
    }
    let stream = at(body, &["stream"]).as_bool().unwrap_or(false);
    if read::given(body, "stream_options") && !stream {
        return Err("stream_options can only be set if stream is true".into());
    }
    let number = |key: &str| {
        let number = at(body, &[key]).as_u64();
        number.and_then(|number| usize::try_from(number).ok())
    };
    let n = number("n").unwrap_or(1);
    if number("best_of").is_some_and(|best| best < n) {
        return Err("best_of must be greater than or equal to n".into());
    }
    let asked = at(body, &["stream_options", "include_usage"]).as_bool();
    let echo = at(body, &["echo"]).as_bool() == Some(true);
    let suffix = at(body, &["suffix"]).as_str().unwrap_or_default();
    let last = prompts.last().cloned().unwrap_or_default();
    Ok(Ask {
        model: model.to_owned(),
        base,
        faults,
        stream,
        usage: if asked == Some(true) {
            UsageWish::End
        } else {
            UsageWish::No
        },
        turns: vec![Turn {
            role: if echo { "echo" } else { "user" }.to_owned(),
            text: last + suffix,
        }],
        choices: prompts.len() * n,
        logprobs: number("logprobs"),
        tokens_max: number("max_tokens"),
        stop: read::stops(at(body, &["stop"])),
        incremental: true,
        message_format: true,
        ..Ask::default()
    })
}

/// What goes before the completion if the prompt is to be repeated.
fn repeated(ask: &Ask) -> String {
    let turn = ask.turns.last().filter(|turn| turn.role == "echo");
    turn.map(|turn| turn.text.clone()).unwrap_or_default()
}

fn finish(ask: &Ask, plan: &Plan) -> &'static str {
    match plan.finish {
        _ if ask.faults.recall => "content_filter",
        Finish::Length => "length",
        Finish::Stop | Finish::Calls => "stop",
    }
}

fn head(stamp: &Stamp) -> Obj {
    Obj::new()
        .str("id", &format!("cmpl-sim{:08x}", stamp.serial))
        .str("object", "text_completion")
        .int("created", stamp.created)
        .str("model", &stamp.model)
}

fn choice(index: usize, text: &str, logprobs: &str, finish: Option<&str>) -> String {
    let finish = finish.map(quoted);
    Obj::new()
        .raw("index", &index.to_string())
        .str("text", text)
        .raw("logprobs", logprobs)
        .raw("finish_reason", finish.as_deref().unwrap_or("null"))
        .end()
}

/// `null`, or four lists with one entry a piece.
fn probabilities(ask: &Ask, pieces: &[String]) -> String {
    if ask.logprobs.is_none() {
        return "null".to_owned();
    }
    let tokens: Vec<String> = pieces.iter().map(|piece| quoted(piece)).collect();
    let every =
        |value: &str| json::array(&pieces.iter().map(|_| value.to_owned()).collect::<Vec<_>>());
    Obj::new()
        .raw("tokens", &json::array(&tokens))
        .raw("token_logprobs", &every("-0.10536"))
        .raw("top_logprobs", &every("null"))
        .raw("text_offset", &every("0"))
        .end()
}
