//! Writes a canonical request as native completions: user and model in turn, the user first.

use wire::Fault;
use wire::canon::{Blob, Format, Part, Request, Role, Str, Turn};

use crate::auth::uuid_of;
use crate::dialect::{Dropped, Encoded, Lossy};
use crate::dialects::openai_chat::encode_request::{write_extra, write_settings};
use crate::dialects::wenxin_v1::turns::no_user;
use crate::quirks::{Loss, Quirks, lose};
use crate::vendor::Call;
use crate::weave::{Fields, Weave};

/// Settings of the vendor's own that clients send at the top level.
const OWN: &[&str] = &["repetition_penalty", "top_k"];

/// One message.
enum Message<'a> {
    /// Texts of one side, joined by line feeds.
    Texts(Role, Vec<&'a Str>),
    /// A picture of the user's.
    Picture(&'a Blob),
}

impl Message<'_> {
    fn role(&self) -> Role {
        match self {
            Self::Texts(role, _) => *role,
            Self::Picture(_) => Role::User,
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
    let mut dropped = Dropped::new();
    let (system, messages) = arrange(&request.turns, lossy, &mut dropped)?;
    if !request.tools.is_empty() {
        lose("tools", Loss::Meaning, lossy, &mut dropped)?;
    }
    if !matches!(request.settings.format, None | Some(Format::Text)) {
        lose("response_format", Loss::Meaning, lossy, &mut dropped)?;
    }
    let mut weave = Weave::new();
    weave.lit("{\"model\":");
    weave.quoted(call.model);
    weave.lit(",\"sessionId\":");
    // A session of its own: the conversation comes with the request.
    weave.quoted(&uuid_of(&[call.request_id, "session"]));
    if !system.is_empty() {
        weave.lit(",\"systemPrompt\":");
        weave.joined(&system);
    }
    weave.lit(",\"messages\":[");
    for (at, message) in messages.iter().enumerate() {
        weave.lit(if at == 0 { "" } else { "," });
        write_message(&mut weave, message);
    }
    weave.lit("],\"extra\":");
    let mut fields = Fields::open(&mut weave, &mut dropped, quirks, lossy);
    write_settings(&mut fields, &request.settings, quirks)?;
    write_extra(&mut fields, request, OWN)?;
    fields.close(request.stream, false);
    weave.lit("}");
    Ok(Encoded {
        body: weave.take(),
        dropped,
    })
}

/// Texts of neighbours on one side are one message.
fn arrange<'a>(
    turns: &'a [Turn],
    lossy: Lossy,
    dropped: &mut Dropped,
) -> Result<(Vec<&'a Str>, Vec<Message<'a>>), Fault> {
    let mut system = Vec::new();
    let mut messages: Vec<Message<'a>> = Vec::new();
    for turn in turns {
        if turn.role == Role::Tool || !turn.calls.is_empty() {
            lose("messages", Loss::Meaning, lossy, dropped)?;
        }
        let role = match turn.role {
            Role::Assistant => Role::Assistant,
            _ => Role::User,
        };
        for part in &turn.parts {
            match part {
                Part::Text(text) | Part::Refusal(text) => {
                    if matches!(turn.role, Role::System | Role::Developer) {
                        system.push(text);
                    } else if let Some(Message::Texts(last, texts)) = messages.last_mut()
                        && *last == role
                    {
                        texts.push(text);
                    } else {
                        messages.push(Message::Texts(role, vec![text]));
                    }
                }
                Part::Image { at, .. } if role == Role::User => {
                    messages.push(Message::Picture(at));
                }
                _ => lose("messages", Loss::Meaning, lossy, dropped)?,
            }
        }
    }
    while messages
        .first()
        .is_some_and(|one| one.role() == Role::Assistant)
    {
        // A greeting by the model before anybody spoke.
        lose("messages", Loss::Hint, lossy, dropped)?;
        messages.remove(0);
    }
    if messages.is_empty() {
        return Err(no_user());
    }
    Ok((system, messages))
}

fn write_message(weave: &mut Weave, message: &Message<'_>) {
    weave.lit(match message.role() {
        Role::Assistant => "{\"role\":\"assistant\",",
        _ => "{\"role\":\"user\",",
    });
    match message {
        Message::Texts(_, texts) => {
            weave.lit("\"contentType\":\"text\",\"content\":");
            weave.joined(texts);
        }
        Message::Picture(at) => {
            weave.lit("\"contentType\":\"image\",\"content\":");
            weave.blob(at);
        }
    }
    weave.lit("}");
}
