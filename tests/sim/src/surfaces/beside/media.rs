//! Images, speech and transcripts, as OpenAI's surface has them and others copy it.
//!
//! An image is a few bytes that say their prompt; speech is its input's bytes over and over; a transcript says what file
//! it was made of, so that a test sees what arrived.

use super::Wish;
use super::form::{self, Part};
use crate::json::{Obj, array, at};
use crate::plan::{Ask, Ready};
use crate::surfaces::{Frame, Kind};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Bytes of a speech, for each byte of its input.
const SPEECH_TIMES: usize = 1000;

/// How a vendor writes images.
pub(super) struct Images {
    /// It has base64; else only addresses.
    base64: bool,
    /// Members that it refuses.
    lacks: &'static [&'static str],
}

pub(super) static OPENAI: Images = Images {
    base64: true,
    lacks: &[],
};
pub(super) static ADDRESSES: Images = Images {
    base64: false,
    lacks: &["n", "response_format", "user"],
};
pub(super) static ONE: Images = Images {
    base64: true,
    lacks: &["n"],
};

impl Images {
    pub(super) fn reply(&self, wish: &Wish<'_>) -> Result<Ready, String> {
        let body = wish.body;
        let prompt = at(body, &["prompt"])
            .as_str()
            .filter(|prompt| !prompt.is_empty());
        let prompt = prompt.ok_or("prompt is required")?;
        let keys = body.as_object().into_iter().flatten();
        if let Some((key, _)) = keys
            .into_iter()
            .find(|(key, _)| self.lacks.contains(&key.as_str()))
        {
            return Err(format!("{key} is not supported"));
        }
        let count = at(body, &["n"]).as_u64().unwrap_or(1).min(10);
        let coded = at(body, &["response_format"]) == "b64_json" && self.base64;
        let image = STANDARD.encode(format!("PNG of {prompt}"));
        let usage = Obj::new()
            .int("input_tokens", super::tokens(&[prompt]))
            .int("output_tokens", 100)
            .int("total_tokens", super::tokens(&[prompt]) + 100)
            .end();
        if *at(body, &["stream"]) == true {
            return Ok(streamed(&image, &usage));
        }
        let one = |place: u64| {
            let row = Obj::new();
            let row = if coded {
                row.str("b64_json", &image)
            } else {
                row.str("url", &format!("https://img.example/{place}.png"))
            };
            row.str("revised_prompt", prompt).end()
        };
        let rows: Vec<String> = (0..count).map(one).collect();
        let reply = Obj::new()
            .int("created", 1_767_225_600)
            .raw("data", &array(&rows))
            .raw("usage", &usage)
            .end();
        Ok(Ready::json(reply))
    }
}

fn streamed(image: &str, usage: &str) -> Ready {
    let event = |kind: &str| {
        Obj::new()
            .str("type", kind)
            .str("b64_json", image)
            .int("created_at", 1_767_225_600)
            .str("size", "1024x1024")
            .str("quality", "low")
            .str("background", "opaque")
            .str("output_format", "png")
    };
    let partial = event("image_generation.partial_image").int("partial_image_index", 0);
    let completed = event("image_generation.completed").raw("usage", usage);
    Ready::events(vec![
        named(
            Kind::Content,
            "image_generation.partial_image",
            &partial.end(),
        ),
        named(Kind::Finish, "image_generation.completed", &completed.end()),
    ])
}

fn named(kind: Kind, name: &str, json: &str) -> Frame {
    Frame::new(kind, format!("event: {name}\ndata: {json}\n\n"))
}

/// Speech: bytes, or events with bytes in base64.
pub(super) fn speech(wish: &Wish<'_>) -> Result<Ready, String> {
    let body = wish.body;
    let input = at(body, &["input"])
        .as_str()
        .filter(|input| !input.is_empty());
    let input = input.ok_or("input is required")?;
    if at(body, &["voice"]).is_null() {
        return Err("voice is required".into());
    }
    let kind = match at(body, &["response_format"]).as_str() {
        None | Some("mp3") => "audio/mpeg",
        Some("wav") => "audio/wav",
        Some("pcm") => "audio/pcm",
        Some("opus") => "audio/ogg",
        Some(other) => return Err(format!("response_format {other} is not supported")),
    };
    let sound = input.as_bytes().repeat(SPEECH_TIMES);
    if at(body, &["stream_format"]) == "sse" {
        let delta = |piece: &[u8]| {
            let json = Obj::new()
                .str("type", "speech.audio.delta")
                .str("audio", &STANDARD.encode(piece))
                .end();
            Frame::data(Kind::Content, &json)
        };
        let mut frames: Vec<Frame> = sound.chunks(sound.len().div_ceil(4)).map(delta).collect();
        let usage = Obj::new()
            .int("input_tokens", super::tokens(&[input]))
            .int("output_tokens", 50)
            .int("total_tokens", super::tokens(&[input]) + 50)
            .end();
        let done = Obj::new()
            .str("type", "speech.audio.done")
            .raw("usage", &usage)
            .end();
        frames.push(Frame::data(Kind::Finish, &done));
        return Ok(Ready::events(frames));
    }
    Ok(Ready::bytes(kind, sound))
}

/// A transcript of a form.
pub(super) fn transcript(kind: &str, body: &[u8]) -> Result<(Ask, Ready), String> {
    let parts = form::parse(kind, body)?;
    let field = |name: &str| {
        let part = parts.iter().find(|part| part.name == name)?;
        String::from_utf8(part.body.clone()).ok()
    };
    let file = parts.iter().find(|part| part.filename.is_some());
    let file = file.ok_or("file is required")?;
    let model = field("model")
        .filter(|model| !model.is_empty())
        .ok_or("model is required")?;
    let (base, faults) = crate::faults::read(&model)?;
    let text = told(file, field("prompt").unwrap_or_default());
    let stream = field("stream").as_deref() == Some("true");
    let ready = match field("response_format").as_deref() {
        _ if stream => events(&text),
        None | Some("json") => Ready::json(whole(&text, false)),
        Some("verbose_json") => Ready::json(whole(&text, true)),
        Some("text") => Ready::bytes(
            "text/plain; charset=utf-8",
            format!("{text}\n").into_bytes(),
        ),
        Some("srt") => {
            let srt = format!("1\n00:00:00,000 --> 00:00:01,000\n{text}\n\n");
            Ready::bytes("text/plain; charset=utf-8", srt.into_bytes())
        }
        Some(other) => return Err(format!("response_format {other} is not supported")),
    };
    let ask = Ask {
        model,
        base,
        faults,
        stream,
        ..Ask::default()
    };
    Ok((ask, ready))
}

fn told(file: &Part, prompt: String) -> String {
    let name = file.filename.as_deref().unwrap_or_default();
    let sum = file.body.iter().fold(0u32, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(u32::from(*byte))
    });
    format!("{name} of {} bytes, sum {sum}. {prompt}", file.body.len())
}

fn whole(text: &str, verbose: bool) -> String {
    let usage = Obj::new().str("type", "duration").int("seconds", 3).end();
    if !verbose {
        return Obj::new().str("text", text).raw("usage", &usage).end();
    }
    let segment = Obj::new()
        .int("id", 0)
        .int("seek", 0)
        .raw("start", "0.0")
        .raw("end", "1.0")
        .str("text", text)
        .raw("tokens", "[1,2]")
        .raw("temperature", "0.0")
        .raw("avg_logprob", "-0.1")
        .raw("compression_ratio", "1.0")
        .raw("no_speech_prob", "0.0")
        .end();
    Obj::new()
        .str("task", "transcribe")
        .str("language", "chinese")
        .raw("duration", "3.0")
        .str("text", text)
        .raw("segments", &array(&[segment]))
        .raw("usage", &usage)
        .end()
}

/// The text in pieces of three characters, and once more at the end.
fn events(text: &str) -> Ready {
    let chars: Vec<char> = text.chars().collect();
    let delta = |piece: &[char]| {
        let piece: String = piece.iter().collect();
        let json = Obj::new()
            .str("type", "transcript.text.delta")
            .str("delta", &piece)
            .end();
        Frame::data(Kind::Content, &json)
    };
    let mut frames: Vec<Frame> = chars.chunks(3).map(delta).collect();
    let usage = Obj::new()
        .str("type", "tokens")
        .int("input_tokens", 14)
        .int("output_tokens", 9)
        .int("total_tokens", 23)
        .end();
    let done = Obj::new()
        .str("type", "transcript.text.done")
        .str("text", text)
        .raw("usage", &usage)
        .end();
    frames.push(Frame::data(Kind::Finish, &done));
    Ready::events(frames)
}
