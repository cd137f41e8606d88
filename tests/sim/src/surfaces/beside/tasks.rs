//! Images where a vendor has a form of its own. A task is done at once when it is asked for, unless its prompt says
//! `slow`: then three seconds after it was submitted; `forbidden` fails it.

use super::{Arrived, Voice, Wish};
use crate::json::{Obj, array, at, parse};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

pub(super) const SUBMIT: &str = "/services/aigc/text2image/image-synthesis";
/// The end of a path where chats are answered too.
pub(super) const SHARED: &str = "/multimodal-generation/generation";
const SLOW_MS: i64 = 3000;

fn prompt<'a>(body: &'a Value, path: &[&str]) -> Result<&'a str, String> {
    let prompt = at(body, path).as_str().filter(|prompt| !prompt.is_empty());
    prompt.ok_or_else(|| "prompt is required".to_owned())
}

fn size(parameters: &Value, cross: char) -> Result<(), String> {
    match at(parameters, &["size"]).as_str() {
        Some(size) if !size.contains(cross) => Err(format!("size {size} is not valid")),
        _ => Ok(()),
    }
}

/// Takes a task: its id says all that is to be known of it.
pub(super) fn submit(wish: &Wish<'_>, arrived: &Arrived<'_>) -> Result<String, String> {
    let enabled = arrived.headers.get("x-dashscope-async");
    if enabled.is_none_or(|enabled| enabled != "enable") {
        return Err("current user api does not support synchronous calls.".into());
    }
    let prompt = prompt(wish.body, &["input", "prompt"])?;
    let parameters = at(wish.body, &["parameters"]);
    size(parameters, '*')?;
    let count = at(parameters, &["n"]).as_u64().unwrap_or(1);
    let due = arrived.now_ms + if prompt.contains("slow") { SLOW_MS } else { 0 };
    let kind = if prompt.contains("forbidden") {
        "bad"
    } else {
        "good"
    };
    let output = Obj::new()
        .str("task_id", &format!("t-{kind}-{count}-{due}"))
        .str("task_status", "PENDING")
        .end();
    Ok(Obj::new()
        .raw("output", &output)
        .str("request_id", &format!("sim-{:08x}", wish.serial))
        .end())
}

/// What becomes of a task; `None` if there is none of that id.
pub(crate) fn task(voice: &dyn Voice, arrived: &Arrived<'_>) -> Option<String> {
    let id = arrived
        .rest
        .strip_prefix("/tasks/")
        .filter(|_| voice.name() == "tongyi")?;
    let mut words = id.strip_prefix("t-")?.split('-');
    let (kind, count, due) = (words.next()?, words.next()?, words.next()?);
    let (count, due): (u64, i64) = (count.parse().ok()?, due.parse().ok()?);
    let output = Obj::new().str("task_id", id);
    let output = if arrived.now_ms < due {
        output.str("task_status", "RUNNING")
    } else if kind == "bad" {
        output
            .str("task_status", "FAILED")
            .str("code", "DataInspectionFailed")
            .str("message", "Input data may contain inappropriate content.")
    } else {
        let row = |at: u64| {
            Obj::new()
                .str("url", &format!("https://img.example/{at}.png"))
                .end()
        };
        let mut rows: Vec<String> = (0..count).map(row).collect();
        rows.push(
            Obj::new()
                .str("code", "InternalError")
                .str("message", "x")
                .end(),
        );
        output
            .str("task_status", "SUCCEEDED")
            .raw("results", &array(&rows))
    };
    Some(
        Obj::new()
            .str("request_id", "sim")
            .raw("output", &output.end())
            .raw("usage", "{\"image_count\":1}")
            .end(),
    )
}

/// Whether a body asks a model that makes images at once.
pub(super) fn is_at_once(body: &[u8]) -> bool {
    let body = parse(body).unwrap_or_default();
    let model = at(&body, &["model"]).as_str().unwrap_or_default();
    model.starts_with("qwen-image")
}

pub(super) fn at_once(wish: &Wish<'_>) -> Result<String, String> {
    let messages = at(wish.body, &["input", "messages"]);
    let text = messages.get(0).map(|message| at(message, &["content"]));
    let text = text.and_then(|content| content.get(0)?.get("text")?.as_str());
    text.filter(|text| !text.is_empty())
        .ok_or("a text is required")?;
    size(at(wish.body, &["parameters"]), '*')?;
    let image = Obj::new().str("image", "https://img.example/0.png").end();
    let message = Obj::new()
        .str("role", "assistant")
        .raw("content", &array(&[image]))
        .end();
    let choice = Obj::new()
        .str("finish_reason", "stop")
        .raw("message", &message)
        .end();
    let output = Obj::new().raw("choices", &array(&[choice])).end();
    Ok(Obj::new()
        .raw("output", &output)
        .raw("usage", "{\"image_count\":1}")
        .str("request_id", &format!("sim-{:08x}", wish.serial))
        .end())
}

pub(super) fn minimax(wish: &Wish<'_>) -> Result<String, String> {
    let prompt = prompt(wish.body, &["prompt"])?;
    let count = at(wish.body, &["n"]).as_u64().unwrap_or(1);
    let shape = at(wish.body, &["aspect_ratio"]).as_str().unwrap_or("1:1");
    if !["1:1", "16:9", "4:3", "3:2", "2:3", "3:4", "9:16", "21:9"].contains(&shape) {
        return Err(format!("invalid params, aspect_ratio {shape}"));
    }
    let data = match at(wish.body, &["response_format"]).as_str() {
        None | Some("url") => {
            let row = |at: u64| crate::json::quoted(&format!("https://img.example/{at}.png"));
            let rows: Vec<String> = (0..count).map(row).collect();
            Obj::new().raw("image_urls", &array(&rows))
        }
        Some("base64") => {
            let image = crate::json::quoted(&STANDARD.encode(format!("PNG of {prompt}")));
            Obj::new().raw(
                "image_base64",
                &array(&vec![image; usize::try_from(count).unwrap_or(1)]),
            )
        }
        Some(other) => return Err(format!("invalid params, response_format {other}")),
    };
    let good = Obj::new()
        .int("status_code", 0)
        .str("status_msg", "success")
        .end();
    Ok(Obj::new()
        .str("id", &format!("sim{:08x}", wish.serial))
        .raw("data", &data.end())
        .raw(
            "metadata",
            "{\"success_count\":\"1\",\"failed_count\":\"0\"}",
        )
        .raw("base_resp", &good)
        .end())
}

pub(super) fn wenxin_v1(wish: &Wish<'_>) -> Result<String, String> {
    let prompt = prompt(wish.body, &["prompt"])?;
    size(wish.body, 'x')?;
    let image = STANDARD.encode(format!("PNG of {prompt}"));
    let row = Obj::new()
        .str("object", "image")
        .str("b64_image", &image)
        .int("index", 0)
        .end();
    Ok(Obj::new()
        .str("id", &format!("as-sim{:08x}", wish.serial))
        .str("object", "image")
        .int("created", 1_767_225_600)
        .raw("data", &array(&[row]))
        .raw("usage", "{\"prompt_tokens\":4,\"total_tokens\":4}")
        .end())
}
