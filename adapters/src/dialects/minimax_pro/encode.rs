//! Writes a canonical request for the legacy chat: senders in place of roles, the system text as a bot's setting.

use wire::Fault;
use wire::canon::{Format, Request, Role, Str, ToolCall, ToolChoice, Turn};

use crate::dialect::{Dropped, Encoded, Lossy};
use crate::dialects::openai_chat::encode_request::{write_extra, write_functions, write_settings};
use crate::dialects::wenxin_v1::turns::{Step, no_user, one_by_one, texts_of};
use crate::quirks::{Loss, Quirks, lose};
use crate::vendor::Call;
use crate::weave::{Fields, Weave};

/// Settings of the vendor's own that clients send at the top level.
const OWN: &[&str] = &["mask_sensitive_info"];

/// The bot that is asked: settings, earlier answers and the answer wanted all bear this name.
const BOT: &str = "MM智能助理";
/// A user that has no name.
const USER: &str = "用户";
/// What the bot is where the conversation does not say: a setting must not be empty.
const SETTING: &str = "A helpful assistant.";

/// A conversation, as the protocol orders it.
struct Talk<'a> {
    system: Vec<&'a Str>,
    messages: Vec<Message<'a>>,
}

/// One message.
struct Message<'a> {
    role: Role,
    name: Option<&'a Str>,
    texts: Vec<&'a Str>,
    call: Option<&'a ToolCall>,
}

impl<'a> Message<'a> {
    fn of(step: &Step<'a>, texts: Vec<&'a Str>) -> Self {
        Self {
            role: step.turn.role,
            name: step.turn.name.as_ref().filter(|name| !name.is_empty()),
            texts,
            call: step.call,
        }
    }
}

/// Writes the request.
///
/// # Errors
/// `BadRequest` for what must not be lost, and for a conversation without a user.
pub(super) fn encode(
    request: &Request,
    call: &Call<'_>,
    quirks: &Quirks,
    lossy: Lossy,
) -> Result<Encoded, Fault> {
    let mut weave = Weave::new();
    let mut dropped = Dropped::new();
    let talk = arrange(&request.turns, lossy, &mut dropped)?;
    let mut fields = Fields::open(&mut weave, &mut dropped, quirks, lossy);
    fields.key("model");
    fields.weave.quoted(call.model);
    fields.key("bot_setting");
    fields.weave.lit("[{\"bot_name\":");
    fields.weave.quoted(BOT);
    fields.weave.lit(",\"content\":");
    if talk.system.is_empty() {
        fields.weave.quoted(SETTING);
    } else {
        fields.weave.joined(&talk.system);
    }
    fields.weave.lit("}]");
    fields.key("reply_constraints");
    fields
        .weave
        .lit("{\"sender_type\":\"BOT\",\"sender_name\":");
    fields.weave.quoted(BOT);
    fields.weave.lit("}");
    fields.key("messages");
    fields.weave.lit("[");
    for (at, message) in talk.messages.iter().enumerate() {
        fields.weave.lit(if at == 0 { "" } else { "," });
        write_message(fields.weave, message);
    }
    fields.weave.lit("]");
    if request.stream {
        fields.lit("stream", "true");
    }
    let tools = write_functions(&mut fields, request)?;
    if tools && !matches!(request.tool_choice, None | Some(ToolChoice::Auto)) {
        fields.lose("tool_choice", Loss::Meaning)?;
    }
    write_settings(&mut fields, &request.settings, quirks)?;
    if !matches!(request.settings.format, None | Some(Format::Text)) {
        fields.lose("response_format", Loss::Meaning)?;
    }
    write_extra(&mut fields, request, OWN)?;
    fields.close(request.stream, tools);
    Ok(Encoded {
        body: weave.take(),
        dropped,
    })
}

/// System texts apart; the last message must be a user's, or a function's result.
fn arrange<'a>(turns: &'a [Turn], lossy: Lossy, dropped: &mut Dropped) -> Result<Talk<'a>, Fault> {
    let mut talk = Talk {
        system: Vec::new(),
        messages: Vec::new(),
    };
    for step in one_by_one(turns) {
        let texts = texts_of(&step, lossy, dropped)?;
        if matches!(step.turn.role, Role::System | Role::Developer) {
            talk.system
                .extend(texts.into_iter().filter(|text| !text.is_empty()));
        } else {
            talk.messages.push(Message::of(&step, texts));
        }
    }
    while talk
        .messages
        .last()
        .is_some_and(|last| last.role == Role::Assistant)
    {
        // The beginning of an answer that the model should go on with.
        lose("messages", Loss::Meaning, lossy, dropped)?;
        talk.messages.pop();
    }
    if talk.messages.is_empty() {
        return Err(no_user());
    }
    Ok(talk)
}

fn write_message(weave: &mut Weave, message: &Message<'_>) {
    weave.lit(match message.role {
        Role::Assistant => "{\"sender_type\":\"BOT\",\"sender_name\":",
        Role::Tool => "{\"sender_type\":\"FUNCTION\",\"sender_name\":",
        _ => "{\"sender_type\":\"USER\",\"sender_name\":",
    });
    match (message.role, message.name) {
        (Role::Assistant | Role::Tool, _) => weave.quoted(BOT),
        (_, Some(name)) => weave.string(name),
        (_, None) => weave.quoted(USER),
    }
    weave.lit(",\"text\":");
    weave.joined(&message.texts);
    if let Some(call) = message.call {
        weave.lit(",\"function_call\":{\"name\":");
        weave.string(&call.name);
        weave.lit(",\"arguments\":");
        weave.string(&call.arguments);
        weave.lit("}");
    }
    weave.lit("}");
}
