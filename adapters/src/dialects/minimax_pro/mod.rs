//! MiniMax' legacy chat (`chatcompletion_pro`), upstream side.
//!
//! Messages have senders, the system text is a bot's setting, the answer must be asked of a bot by name. A stream's last
//! event says the whole answer once more, with the reason of its end and the counts; there is no other end marker. An error
//! is a `base_resp` on status 200.

mod decode;
mod encode;

use wire::canon::Request;
use wire::facts::{EventFacts, Finish, ReplyFacts, Usage};
use wire::json::{self, Type, Value};
use wire::{Fault, sse};

use crate::dialect::{Decoder, Dialect, DialectId, Encoded, Lossy};
use crate::dialects::openai_chat::{lens, usage};
use crate::quirks::Quirks;
use crate::vendor::Call;

/// The dialect.
#[derive(Clone, Copy, Debug)]
pub struct MiniMaxPro;

/// Characters that one token is taken for, where an answer's share of the counts must be estimated.
const CHARS_A_TOKEN: usize = 2;

impl Dialect for MiniMaxPro {
    fn id(&self) -> DialectId {
        DialectId::MiniMaxPro
    }

    fn name(&self) -> &'static str {
        "minimax-pro"
    }

    fn read_event(&self, event: &sse::Event<'_>, scratch: &mut json::Tape, facts: &mut EventFacts) {
        lens::read_scanned(event, scratch, facts, |root, facts| {
            facts.error = lens::is_error(root);
            facts.content = texts(root).next().is_some() || call(root).is_some();
            facts.finish = finish(root);
            facts.done = facts.finish.is_some();
            if let Some((span, usage)) = usage(root) {
                facts.usage = Some(usage);
                facts.usage_span = span;
            }
        });
    }

    fn read_reply(&self, root: Value<'_>) -> ReplyFacts {
        let reply = root.get("choices").or_else(|| root.get("reply"));
        ReplyFacts {
            usage: usage(root).map(|(_, usage)| usage),
            finish: reply.map(|_| finish(root).unwrap_or(Finish::Stop)),
            ..ReplyFacts::default()
        }
    }

    fn encode_request(
        &self,
        request: &Request,
        call: &Call<'_>,
        quirks: &Quirks,
        lossy: Lossy,
    ) -> Result<Encoded, Fault> {
        encode::encode(request, call, quirks, lossy)
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(decode::Reader::default())
    }
}

/// The messages that the model sends: what a tool of the vendor's own found is no answer.
fn messages<'a>(root: Value<'a>) -> impl Iterator<Item = Value<'a>> {
    let choice = root.get("choices").and_then(|all| all.elements().next());
    let messages = choice.and_then(|choice| choice.get("messages"));
    let of_bot = |message: &Value<'_>| {
        let sender = message.get("sender_type");
        sender.is_none_or(|sender| sender.is_named("BOT"))
    };
    messages
        .into_iter()
        .flat_map(|all| all.elements())
        .filter(of_bot)
}

/// What is said: the messages' texts, or the `reply` that repeats them where there are none.
fn texts<'a>(root: Value<'a>) -> impl Iterator<Item = Value<'a>> {
    let own = messages(root)
        .filter_map(|message| message.get("text"))
        .filter(|text| text.has_text());
    let mut own = own.peekable();
    let reply = match own.peek() {
        None => root.get("reply").filter(|reply| reply.has_text()),
        Some(_) => None,
    };
    own.chain(reply)
}

/// The one function call that an answer may hold.
fn call<'a>(root: Value<'a>) -> Option<Value<'a>> {
    let is_call = |call: &Value<'_>| {
        call.kind() == Type::Object && call.get("name").is_some_and(|name| name.has_text())
    };
    messages(root)
        .filter_map(|message| message.get("function_call"))
        .chain(root.get("function_call"))
        .find(is_call)
}

/// Why the answer ended, if it did.
fn finish(root: Value<'_>) -> Option<Finish> {
    let choice = root.get("choices")?.elements().next()?;
    let word = choice.get("finish_reason")?.as_str()?;
    let withheld = root
        .get("output_sensitive")
        .and_then(|flag| flag.as_bool())
        .unwrap_or(false);
    Some(match lens::finish_word(&word)? {
        Finish::Stop if call(root).is_some() => Finish::ToolCalls,
        Finish::Stop if withheld && texts(root).next().is_none() => Finish::ContentFilter,
        other => other,
    })
}

/// The counts, and where they stand. Models that tell the sum alone have the answer's share of it estimated: it is the
/// dearer one, and to call all of it prompt would cost too little.
fn usage(root: Value<'_>) -> Option<(std::ops::Range<usize>, Usage)> {
    let (span, mut usage) = usage::usage_of(root)?;
    let counted = root.get("usage").is_some_and(|usage| {
        ["prompt_tokens", "completion_tokens"]
            .iter()
            .any(|name| usage.get(name).is_some())
    });
    if !counted {
        let chars = |value: Value<'_>| match value.as_str() {
            Some(text) => text.chars().count(),
            None => value.raw().len(),
        };
        let called = call(root).map_or(0, |call| call.get("arguments").map_or(0, chars));
        let said: usize = texts(root).map(chars).sum::<usize>() + called;
        let share = u64::try_from(said.div_ceil(CHARS_A_TOKEN)).unwrap_or(u64::MAX);
        usage.completion = share.min(usage.prompt);
        usage.prompt -= usage.completion;
    }
    Some((span, usage))
}
